"""ALL OUTPUTS OFF: the live runs of a station are ended, then its instruments are asked whether everything is off.

A run that does not obey in time is killed, so that its guardian switches off. Not here: the guardian
(:mod:`labctl.run.guardian`), what off means for an instrument (:meth:`labctl.station.Station.safe_off`).
"""

import logging
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from labctl.errors import NotVerifiedOffError, StationError
from labctl.run.guardian.messages import Charge
from labctl.run.guardian.switch_off import SwitchOff
from labctl.run.live import is_over, status_of
from labctl.run.stopping import stop_runs
from labctl.station.ownership import Ownership
from labctl.station.station_file import StationFile, read_station_file
from labctl.store import Run
from labctl.store.process import ProcessMark, is_alive
from labctl_instruments import drivers

__all__ = ["Off", "switch_off"]

log = logging.getLogger(__name__)

_OBEYS_S, _DIES_S, _GUARDIAN_S, _VERIFIED_S, _POLL_S = 2.0, 2.0, 70.0, 10.0, 0.02


@dataclass(frozen=True, slots=True)
class Off:
    """What came of ALL OUTPUTS OFF.

    Attributes
    ----------
    station : str
    ended : tuple of (str, str)
        Run and "aborted", "killed" or what it was already.
    is_read_back : bool
        Whether every output was read back as off; False for a simulated rack that is gone with its run.
    told : str
        One sentence for people.
    """

    station: str
    ended: tuple[tuple[str, str], ...]
    is_read_back: bool
    told: str


def switch_off(
    station: "str | PathLike[str]", root: Path, *, by: str = "", tell: Callable[[str], None] = lambda _: None
) -> Off:
    """End what runs on a station and see to it that every output is off.

    Parameters
    ----------
    station : str or path
        Name of a known station, or a station file.
    root : Path
        Data root of its runs.
    by : str
        Who asks, for the run files.
    tell : callable
        Told each step, in a sentence.

    Returns
    -------
    Off

    Raises
    ------
    StationError
        If the station file is wrong, or a program uses an instrument whose run is not in this data root.
    NotVerifiedOffError
        If something could not be read back as off.
    """
    content = read_station_file(station)
    ended = [_end(run, tell) for run in stop_runs(root, content.name, by=by)]
    is_in_process = content.visa_library.rpartition("@")[2] == "labctl" and content.bench is None
    if is_in_process:
        told = _gone(content.name, ended)
    else:
        told = _verify(content, time.monotonic() + (_GUARDIAN_S if ended else 0.0), tell)
    return Off(content.name, tuple((run.run_id, how) for run, how in ended), not is_in_process, told)


def _end(run: Run, tell: Callable[[str], None]) -> tuple[Run, str]:
    """Wait for the end of a run that was asked to stop; then kill it."""
    if is_over(run, _OBEYS_S):
        tell(f"run {run.run_id} was aborted")
        return run, status_of(run)
    last = run.segments()[-1]
    process = ProcessMark(last["host"], last["pid"], last["process"], last["boot_id"])
    tell(f"run {run.run_id} does not obey; process {process.pid} is killed, its guardian switches off")
    if is_alive(process):
        # there is no SIGKILL on Windows, where SIGTERM ends a process at once
        os.kill(process.pid, getattr(signal, "SIGKILL", signal.SIGTERM))
    if not is_over(run, _DIES_S):
        raise NotVerifiedOffError(
            f"{run.run_id}: NOT VERIFIED OFF: process {process.pid} cannot be killed; switch off by hand"
        )
    return run, "killed"


def _gone(name: str, ended: list[tuple[Run, str]]) -> str:
    """Say of a rack that lives in the processes of its runs that it is gone with them."""
    if not ended:
        return (
            f"{name} is simulated and lives in the process of its run; no run goes on in this data root, so there is "
            "nothing to switch off"
        )
    return f"{name}: the run was ended; its rack is simulated and gone with the run's process, so nothing is on"


def _verify(content: StationFile, until_s: float, tell: Callable[[str], None]) -> str:
    """Write off to every instrument, sources first, and ask each; what does not answer holds up none of the others."""
    import pyvisa

    from labctl.run.guardian.visa_link import VisaLink

    ownership = _own(content, until_s, tell)
    try:
        manager = pyvisa.ResourceManager(content.visa_library)
        try:
            switching = SwitchOff(
                _charges(content),
                lambda charge: VisaLink(manager, charge.resource),
                lambda event, **facts: log.info("%s %s", event, facts),
            )
            switching.start()
            left = switching.wait(_VERIFIED_S)
            switching.give_up()
        finally:
            manager.close()
    finally:
        ownership.release()
    if left:
        raise NotVerifiedOffError(
            f"{content.name}: NOT VERIFIED OFF: {'; '.join(left)}; switch it off by hand at the instrument"
        )
    return f"{content.name}: verified off: {', '.join(content.instruments)} were switched off and read back"


def _own(content: StationFile, until_s: float, tell: Callable[[str], None]) -> Ownership:
    """Keep other programs off; the run that was ended, or its guardian, may hold the instruments for a moment."""
    is_told = False
    while True:
        try:
            return Ownership(entry.resource for entry in content.instruments.values())
        except StationError as error:
            if time.monotonic() > until_s:
                raise StationError(
                    f"{content.name}: NOT SWITCHED OFF: {error}. Its run is not in this data root: name that with -o, "
                    "or end the program"
                ) from error
            if not is_told:
                tell(f"waiting: {error}")
                is_told = True
            time.sleep(_POLL_S)


def _charges(content: StationFile) -> list[Charge]:
    """Return what is to be written to each instrument, and asked; nothing is opened for that."""
    known, switches = drivers(), {network.matrix for network in content.wiring.networks()}
    found = []
    for key, entry in content.instruments.items():
        if entry.driver not in known:
            raise StationError(
                f"{content.file}: instruments.{key}.driver: {entry.driver!r} is unknown; known are {', '.join(known)}"
            )
        driver = known[entry.driver]
        name = f"{key} ({driver.__name__})"
        found.append(Charge(key, name, entry.resource, driver.SAFE_OFF, driver.OFF_CHECKS, key in switches))
    return found
