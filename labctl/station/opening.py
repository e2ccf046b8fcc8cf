"""From a station file to open instruments: owned by this program alone, every one known by model and serial number.

Nothing but ``*IDN?`` is sent. Not here: whether they are off, what is done with them (:mod:`labctl.station.station`).
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any

import pyvisa

from labctl.errors import InstrumentError, LabError, ReplayError, StationError
from labctl.roles import Identity
from labctl.station.ownership import Ownership
from labctl.station.station_file import RECORDED, InstrumentEntry, StationFile
from labctl_instruments import drivers
from labctl_instruments.link import LinkedInstrument

__all__ = ["Rack", "collect_failure", "open_rack"]


@dataclass(frozen=True)
class Rack:
    """The open connections of a station.

    Attributes
    ----------
    manager : pyvisa.ResourceManager
        Closed with the rack.
    in_process : bool
        Whether the rack is simulated inside this process and ends with it.
    drivers : dict of str to LinkedInstrument
        By key; empty once closed.
    identities : dict of str to Identity
        Who answered.
    ownership : Ownership
        Of the resources; none of them where the rack is in this process, which nobody else can reach.
    """

    manager: pyvisa.ResourceManager
    in_process: bool
    drivers: dict[str, LinkedInstrument]
    identities: dict[str, Identity]
    ownership: Ownership

    def close(self) -> None:
        """Close every connection, first opened first, then let others in; each is tried though another fails."""
        with ExitStack() as stack:
            stack.callback(self.ownership.release)
            stack.callback(self.manager.close)
            for driver in reversed(self.drivers.values()):
                stack.callback(driver.adapter.close)
        self.drivers.clear()


def open_rack(content: StationFile, served: Mapping[str, Any] | None = None) -> Rack:
    """Own, open and identify every instrument of a station file.

    Parameters
    ----------
    content : StationFile
    served : mapping of str to object, optional
        What a served bench tells about itself, for a recording.

    Returns
    -------
    Rack

    Raises
    ------
    StationError
        If a driver is unknown, a program holds an instrument, another model or serial number answers, or one instrument
        answers under two keys.
    InstrumentError
        If instruments cannot be reached; all are tried and named.
    """
    classes = _classes(content)
    try:
        manager = pyvisa.ResourceManager(_of_pyvisa(content.visa_library))
    except (pyvisa.errors.Error, ImportError, OSError, ValueError) as error:
        raise StationError(
            f"{content.file}: visa_library: {content.visa_library!r} cannot be opened: {error}; "
            'use "@py", "" for the installed VISA, or "<bench>@labctl"'
        ) from error
    library: Any = manager.visalib
    if served is not None and content.visa_library.startswith(RECORDED):
        library.describe_bench(served)
    in_process = hasattr(library, "clock")
    try:
        ownership = Ownership(() if in_process else (entry.resource for entry in content.instruments.values()))
    except BaseException:
        manager.close()
        raise
    rack = Rack(manager, in_process, {}, {}, ownership)
    try:
        _attempt_all(
            content.instruments, lambda key: rack.drivers.update({key: _connect(content, classes, manager, key)})
        )
        _attempt_all(rack.drivers, lambda key: rack.identities.update({key: rack.drivers[key].identity()}))
        _check_identities(content, rack)
    except BaseException:
        # what was found first is the reason, not that a recording goes on where this closes
        with suppress(LabError):
            rack.close()
        raise
    return rack


def collect_failure(failures: list[str], key: str, action: Callable[[str], None]) -> None:
    """Do something with one instrument; note the error of labctl that comes of it, unless a recording answers for it.

    Parameters
    ----------
    failures : list of str
        Grows.
    key : str
        Of the instrument.
    action : callable
        Takes the key.

    Raises
    ------
    ReplayError
        If the recording has no more to say: no instrument is involved, and the others say the same.
    """
    try:
        action(key)
    except ReplayError:
        raise
    except LabError as error:
        failures.append(str(error))


def _of_pyvisa(library: str) -> str:
    """A station file may leave out who records: PyVISA looks for the backend behind the last @."""
    is_recorded = library.startswith(RECORDED) and not library.endswith("@labctl@labctl")
    return f"{library}@labctl" if is_recorded else library


def _classes(content: StationFile) -> dict[str, type[LinkedInstrument]]:
    known = drivers()
    for key, entry in content.instruments.items():
        if entry.driver not in known:
            raise StationError(
                f"{content.file}: instruments.{key}.driver: {entry.driver!r} is unknown; known are {', '.join(known)}"
            )
    return {key: known[entry.driver] for key, entry in content.instruments.items()}


def _connect(
    content: StationFile,
    classes: Mapping[str, type[LinkedInstrument]],
    manager: pyvisa.ResourceManager,
    key: str,
) -> LinkedInstrument:
    entry: InstrumentEntry = content.instruments[key]
    name = f"{key} ({classes[key].__name__})"
    try:
        return classes[key](entry.resource, name=name, visa_library=manager.visalib)
    except ReplayError:
        raise
    # pyvisa-py raises plain Exceptions when it cannot connect
    except Exception as error:
        raise InstrumentError(
            f"{name}: {entry.resource} cannot be opened: {error}; check power, cable and instruments.{key}.resource"
        ) from error


def _check_identities(content: StationFile, rack: Rack) -> None:
    wrong = []
    # a recording that was given away answers with other numbers
    masked: Collection[str] = getattr(rack.manager.visalib, "masked_serials", ())
    keys: dict[Identity, str] = {}
    for key, identity in rack.identities.items():
        first = keys.setdefault(identity, key)
        # IEEE 488.2, 10.14.3: "0" where there is no serial number
        if first != key and identity.serial != "0":
            wrong.append(
                f"instruments.{key}.resource: leads to the same instrument as {first}, serial {identity.serial}"
            )
        expected, serial = rack.drivers[key].MODEL, content.instruments[key].serial
        if identity.model != expected:
            wrong.append(f"instruments.{key}.driver: model {expected} expected, {identity.model!r} answered")
        elif serial is not None and identity.serial != serial and identity.serial not in masked:
            wrong.append(f"instruments.{key}.serial: {serial} expected, {identity.serial} answered")
    if wrong:
        raise StationError(
            f"{content.file}: {'; '.join(wrong)}; correct the file or the cabling; nothing else was sent"
        )


def _attempt_all(keys: Iterable[str], action: Callable[[str], None]) -> None:
    failures: list[str] = []
    for key in keys:
        collect_failure(failures, key, action)
    if failures:
        raise InstrumentError("; ".join(failures))
