"""An opened station: every instrument known by model and serial, roles inside the envelope, off at the end.

Not here: the file (:mod:`labctl.station.station_file`), the checks of ``labctl doctor``
(:mod:`labctl.station.doctor`), the simulated rack: whether a station is simulated is read off its VISA library, which
then carries ``clock`` and ``bench_info``.
"""

import os
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from types import TracebackType
from typing import Any

from labctl.clock import Clock, WallClock
from labctl.errors import InstrumentError, LabError, NotVerifiedOffError, StationError
from labctl.roles import Identity, Instrument, PulseSource, SourceMeter, SwitchMatrix, TemperatureController
from labctl.station.bench_control import BenchControl, served_bench_info
from labctl.station.envelope import EnvelopedSourceMeter
from labctl.station.enveloped import EnvelopedRoles
from labctl.station.guarded import GuardedInstrument
from labctl.station.heating import EnvelopedTemperatureController
from labctl.station.opening import Rack, collect_failure, open_rack
from labctl.station.read_back import ReadBack
from labctl.station.station_file import StationFile, read_station_file
from labctl.station.switching import EnvelopedSwitchMatrix
from labctl.station.voltmeter_envelope import enveloped_channel
from labctl.station.watched import Watched
from labctl.station.waveform_envelope import enveloped_generator

__all__ = ["Station"]


class Station(EnvelopedRoles):
    """The instruments of one rack. Open it with :meth:`open`, in a ``with`` block or with :meth:`close` at the end.

    Parameters
    ----------
    content : StationFile
        The file.
    rack : Rack
        Its open connections; closed with the station.
    served : dict, optional
        What a served bench tells about itself.

    Attributes
    ----------
    clock : Clock
        Virtual on a simulated rack, else the wall clock.
    in_process : bool
        Whether the rack lives and dies with this process.
    simulated : bool
    bench_info : dict or None
        What a simulated rack tells about itself.
    replay_of : str or None
        The recording that answers in place of instruments.
    instruments : dict of str to Instrument
        The instruments without their stimuli.
    """

    def __init__(
        self,
        content: StationFile,
        rack: Rack,
        served: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(content)
        self._rack = rack
        self._opened = rack.drivers
        library: Any = rack.manager.visalib
        self.in_process = rack.in_process
        # one that is recorded shows the time of its operations, so that a replay sees the same
        self.clock: Clock = library.clock if rack.in_process else getattr(library, "steady_clock", None) or WallClock()
        self.bench_info: dict[str, Any] | None = served or getattr(library, "bench_info", None)
        self.replay_of: str | None = getattr(library, "replay_of", None)
        self.simulated = bool(self.bench_info and self.bench_info.get("simulated"))
        self._read_back = ReadBack(rack.drivers, self._guard, self.clock)
        self._source_meters |= self._enveloped_channels()
        self._pulse_sources |= {
            key: enveloped_generator(driver, key, self._guard, partial(self._read_back.confirm, key))
            for key, driver in rack.drivers.items()
            if isinstance(driver, PulseSource)
        }
        self._switches |= {
            key: EnvelopedSwitchMatrix(driver, key, self._guard, self._settle_sources)
            for key, driver in rack.drivers.items()
            if isinstance(driver, SwitchMatrix)
        }
        key = content.temperature_controller
        if key is not None:
            driver = rack.drivers[key]
            if not isinstance(driver, TemperatureController):
                raise StationError(f"{content.file}: temperature.controller: {driver.name} controls no temperature")
            self._heater = EnvelopedTemperatureController(driver, key, self._guard)
        self.instruments: dict[str, Instrument] = {
            key: GuardedInstrument(driver, key, self._guard, partial(self._is_open, key))
            for key, driver in rack.drivers.items()
        }

    @classmethod
    def open(cls, chosen: StationFile | str | os.PathLike[str]) -> "Station":
        """Open every instrument of a station, check who it is before anything else is sent, and ask whether it is off.

        What a program that died left on stays so, but counts as on at a level that is not known: no stimulus is given
        and no relay moves before :meth:`safe_off`. A run does that first.

        Parameters
        ----------
        chosen : StationFile, str or path
            Name of a known station, or a station file, read or not.

        Returns
        -------
        Station

        Raises
        ------
        StationError
            If the file is wrong, another program uses an instrument, or another model or serial number answers.
        InstrumentError
            If instruments cannot be reached; all are tried and named. If one does not tell whether it is off.
        """
        content = chosen if isinstance(chosen, StationFile) else read_station_file(chosen)
        served = served_bench_info(content)
        rack = open_rack(content, served)
        try:
            station = cls(content, rack, served)
            station.left_on()
        except BaseException:
            rack.close()
            raise
        return station

    def identities(self) -> dict[str, Identity]:
        """Return who answered when the station was opened.

        Returns
        -------
        dict of str to Identity
        """
        return dict(self._rack.identities)

    def settings(self) -> dict[str, dict[str, str | float | bool]]:
        """Read back the settings of every instrument.

        Returns
        -------
        dict of str to dict

        Raises
        ------
        InstrumentError
            If an instrument does not answer.
        """
        return {key: instrument.settings() for key, instrument in self.instruments.items()}

    def inject_faults(self, spec: str) -> None:
        """Let the simulated rack misbehave.

        Parameters
        ----------
        spec : str
            Which faults and when; ``labctl bench faults`` lists the kinds.

        Raises
        ------
        StationError
            If the rack is real, or the text names no faults.
        """
        if self.content.bench is not None:
            BenchControl(self.content.bench).do("faults", spec=spec)
        elif self.simulated:
            self._rack.manager.visalib.inject_faults(spec)  # type: ignore[attr-defined]
        else:
            raise StationError(f"{self.name}: faults are for simulated racks, this one is real; nothing was sent")

    def insert_die(self, name: str) -> None:
        """Put another die into the socket of the simulated rack; outputs must be off.

        Parameters
        ----------
        name : str
            The same name is the same die again. Letters, digits, '-' and '_'.

        Raises
        ------
        StationError
            If the rack is real: somebody must do it by hand. If the bench refuses.
        """
        if self.content.bench is not None:
            control = BenchControl(self.content.bench)
            control.do("die", name=name)
            self.bench_info = control.ask("info")
        elif self.simulated:
            library: Any = self._rack.manager.visalib
            library.insert_die(name)
            self.bench_info = library.bench_info
        else:
            raise StationError(f"{self.name}: this rack is real; put die {name} in by hand")

    def watched(self) -> list[Watched]:
        """Return what a guardian must know of each instrument.

        Returns
        -------
        list of Watched
            Sources first, switches last.
        """
        return [
            Watched(
                key,
                self._opened[key].name,
                self.content.instruments[key].resource,
                self._opened[key].SAFE_OFF,
                self._opened[key].OFF_CHECKS,
                key in self._switches,
            )
            for key in self._switches_last()
        ]

    def watch_waits(self, callback: Callable[[float], None] | None) -> None:
        """Let someone know how long instruments may block.

        Parameters
        ----------
        callback : callable or None
            Called with the longest time in s that a call may take, and with 0.0 when it is back; None ends that.
        """
        for driver in self._opened.values():
            driver.on_wait = callback

    def lock_descriptors(self) -> list[int]:
        """Return the descriptors of the lock files that keep others off, for a guardian to hold them too.

        Returns
        -------
        list of int
        """
        return list(self._rack.ownership.descriptors)

    def has_output_on(self) -> bool:
        """Tell whether a source or heater is on, or may be: as it was told, nothing is asked."""
        return bool(self._guard.on) or any(self._guard.heaters.values())

    def left_on(self) -> list[str]:
        """Ask every instrument whether it is off; one that is not counts as on from then on.

        Returns
        -------
        list of str
            Names of those that have an output on or a relay closed.

        Raises
        ------
        InstrumentError
            If an instrument does not answer; it and the others are named.
        """
        found: list[str] = []

        def look(key: str) -> None:
            if not self.instruments[key].is_off():
                self._guard.is_found_on(key)
                found.append(self._opened[key].name)

        failures: list[str] = []
        for key in self.instruments:
            collect_failure(failures, key, look)
        if failures:
            raise InstrumentError("; ".join(failures))
        return found

    def drain(self) -> list[str]:
        """Take what the links had to mend and what the instruments' error queues hold.

        Returns
        -------
        list of str
            ``"<key>: <text>"``, oldest first for each instrument.
        """
        return self._read_back.drain()

    def resynchronise(self) -> None:
        """After an answer that did not come: links back in step, sources at 0 V, everything else as it was.

        Raises
        ------
        InstrumentFault
            If a limit, a range, an output or a relay is not as it was prepared.
        InstrumentError
            If an instrument does not answer, or is another one now.
        """
        self._read_back.resynchronise(self._source_meters, self._switches)

    def safe_off(self) -> None:
        """Switch every output off, then open every relay, then read both back.

        All messages are written before the first question is asked; every instrument is tried.

        Raises
        ------
        NotVerifiedOffError
            If anything could not be written or is not off; the failures are reported together.
        """
        order = self._switches_last()
        failures: list[str] = []
        # callbacks run in reverse, and all of them even when one raises something unforeseen
        with ExitStack() as stack:
            for action in (self._verify_off, self._switch_off):
                for key in reversed(order):
                    stack.callback(collect_failure, failures, key, action)
        if failures:
            raise NotVerifiedOffError(f"{self.name}: NOT VERIFIED OFF: {'; '.join(failures)}")

    def close(self) -> None:
        """Switch everything off, then close every connection.

        Raises
        ------
        NotVerifiedOffError
            If something is not off; the connections are closed all the same.
        """
        if not self._opened:
            return
        try:
            self.safe_off()
        finally:
            self._rack.close()

    def __enter__(self) -> "Station":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.close()
        except LabError as failure:
            if error is None:
                raise
            error.add_note(str(failure))

    def _verify_off(self, key: str) -> None:
        if not self._opened[key].is_off():
            raise NotVerifiedOffError(f"{self._opened[key].name}: still on; switch it off by hand")
        # the safe-off messages also brought the levels to 0 V
        self._guard.is_off(key)
        self._guard.is_known(key)
        self._is_open(key)

    def _switch_off(self, key: str) -> None:
        self._guard.unprepare(key)
        self._opened[key].safe_off()

    def _switches_last(self) -> list[str]:
        return sorted(self._opened, key=lambda key: key in self._switches)

    def _enveloped_channels(self) -> dict[str, EnvelopedSourceMeter]:
        found = {}
        for key, driver in self._opened.items():
            for channel, meter in getattr(driver, "channels", {}).items():
                if isinstance(meter, SourceMeter):
                    terminal, confirm = f"{key}.{channel}", partial(self._read_back.confirm, key)
                    found[terminal] = enveloped_channel(meter, terminal, self._guard, confirm)
        return found

    def _settle_sources(self) -> None:
        self._read_back.settle(key for key in self._opened if key not in self._switches)

    def _is_open(self, key: str) -> None:
        if key in self._switches:
            self._switches[key].is_open()
