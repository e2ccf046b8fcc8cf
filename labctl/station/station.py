"""An opened station: every instrument known by model and serial, roles inside the envelope, off at the end.

Not here: the file (:mod:`labctl.station.station_file`), the checks of ``labctl doctor``
(:mod:`labctl.station.doctor`), the simulated rack: whether a station is simulated is read off its VISA library, which
then carries ``clock`` and ``bench_info``.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Any, TypeVar

import pyvisa

from labctl.clock import Clock, WallClock
from labctl.errors import InstrumentError, LabError, NotVerifiedOffError, StationError
from labctl.roles import Identity, Instrument, PulseSource, SourceMeter, SwitchMatrix
from labctl.station.envelope import EnvelopedPulseSource, EnvelopedSourceMeter
from labctl.station.guard import Guard
from labctl.station.guarded import GuardedInstrument
from labctl.station.station_file import Envelope, InstrumentEntry, Sample, StationFile, read_station_file
from labctl.station.wiring import Wiring
from labctl_instruments import drivers
from labctl_instruments.link import LinkedInstrument

__all__ = ["Station"]

_T = TypeVar("_T")


class Station:
    """The instruments of one rack. Open it with :meth:`open`, in a ``with`` block or with :meth:`close` at the end.

    Parameters
    ----------
    content : StationFile
        The file.
    manager : pyvisa.ResourceManager
        Closed with the station.
    opened : mapping of str to LinkedInstrument
        The drivers by key.
    found : mapping of str to Identity
        Who answered.

    Attributes
    ----------
    name, file : str
        From the station file.
    content : StationFile
        All of it, with its text.
    sample, wiring, envelope
        Tables of the station file.
    clock : Clock
        Virtual on a simulated rack, else the wall clock.
    simulated : bool
    bench_info : dict or None
        What a simulated rack tells about itself.
    instruments : dict of str to Instrument
        The instruments without their stimuli.
    """

    def __init__(
        self,
        content: StationFile,
        manager: pyvisa.ResourceManager,
        opened: Mapping[str, LinkedInstrument],
        found: Mapping[str, Identity],
    ) -> None:
        self.content = content
        self.name, self.file = content.name, content.file
        self.sample: Sample = content.sample
        self.wiring: Wiring = content.wiring
        self.envelope: Envelope = content.envelope
        self._manager = manager
        self._opened = dict(opened)
        self._found = dict(found)
        self._guard = Guard(content.envelope, content.file)
        self._source_meters = self._enveloped_channels()
        self._pulse_sources = {
            key: EnvelopedPulseSource(driver, key, self._guard)
            for key, driver in opened.items()
            if isinstance(driver, PulseSource)
        }
        self.instruments: dict[str, Instrument] = {
            key: GuardedInstrument(driver, self._forgetter(key)) for key, driver in opened.items()
        }
        library: Any = manager.visalib
        self.clock: Clock = getattr(library, "clock", None) or WallClock()
        self.bench_info: dict[str, Any] | None = getattr(library, "bench_info", None)
        self.simulated = bool(self.bench_info and self.bench_info.get("simulated"))

    @classmethod
    def open(cls, name_or_path: str | os.PathLike[str]) -> "Station":
        """Open every instrument of a station and check who it is before anything else is sent.

        Parameters
        ----------
        name_or_path : str or path
            Name of a known station, or a station file.

        Returns
        -------
        Station

        Raises
        ------
        StationError
            If the file is wrong, or another model or serial number answers.
        InstrumentError
            If instruments cannot be reached; all are tried and named.
        """
        content = read_station_file(name_or_path)
        classes = _classes(content)
        try:
            manager = pyvisa.ResourceManager(content.visa_library)
        except (pyvisa.errors.Error, ImportError, OSError, ValueError) as error:
            raise StationError(
                f"{content.file}: visa_library: {content.visa_library!r} cannot be opened: {error}; "
                'use "@py", "" for the installed VISA, or "<bench>@labctl"'
            ) from error
        opened: dict[str, LinkedInstrument] = {}
        try:
            _attempt_all(
                content.instruments, lambda key: opened.update({key: _connect(content, classes, manager, key)})
            )
            found = {}
            _attempt_all(opened, lambda key: found.update({key: opened[key].identity()}))
            _check_identities(content, opened, found)
            return cls(content, manager, opened, found)
        except BaseException:
            _disconnect(opened, manager)
            raise

    def source_meter(self, terminal: str) -> SourceMeter:
        """Return a channel of a source-measure unit, such as ``"smu1.a"``, inside the envelope.

        Parameters
        ----------
        terminal : str

        Returns
        -------
        SourceMeter
            The same object each time.

        Raises
        ------
        StationError
            If there is none; the known ones are listed.
        """
        return self._role("source-measure channel", self._source_meters, terminal)

    def pulse_source(self, key: str) -> PulseSource:
        """Return a pulse generator, such as ``"gen1"``, inside the envelope.

        Parameters
        ----------
        key : str

        Returns
        -------
        PulseSource
            The same object each time.

        Raises
        ------
        StationError
            If there is none; the known ones are listed.
        """
        return self._role("pulse generator", self._pulse_sources, key)

    def switch_matrix(self, key: str) -> SwitchMatrix:
        """Return a switch matrix, such as ``"mat1"``.

        Parameters
        ----------
        key : str

        Returns
        -------
        SwitchMatrix

        Raises
        ------
        StationError
            If there is none; the known ones are listed.
        """
        matrices = {name: driver for name, driver in self._opened.items() if isinstance(driver, SwitchMatrix)}
        return self._role("switch matrix", matrices, key)

    def identities(self) -> dict[str, Identity]:
        """Return who answered when the station was opened.

        Returns
        -------
        dict of str to Identity
        """
        return dict(self._found)

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
        return {key: driver.settings() for key, driver in self._opened.items()}

    def safe_off(self) -> None:
        """Switch every output off, then open every relay, then read both back.

        All messages are written before the first question is asked; every instrument is tried.

        Raises
        ------
        NotVerifiedOffError
            If anything could not be written or is not off; the failures are reported together.
        """
        order = sorted(self._opened, key=lambda key: isinstance(self._opened[key], SwitchMatrix))
        failures: list[str] = []
        # callbacks run in reverse, and all of them even when one raises something unforeseen
        with ExitStack() as stack:
            for action in (self._verify_off, lambda key: self._opened[key].safe_off()):
                for key in reversed(order):
                    stack.callback(_collect, failures, key, action)
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
            _disconnect(self._opened, self._manager)
            self._opened.clear()

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

    def _enveloped_channels(self) -> dict[str, EnvelopedSourceMeter]:
        found = {}
        for key, driver in self._opened.items():
            for channel, meter in getattr(driver, "channels", {}).items():
                if isinstance(meter, SourceMeter):
                    terminal = f"{key}.{channel}"
                    found[terminal] = EnvelopedSourceMeter(meter, terminal, self._guard)
        return found

    def _forgetter(self, key: str) -> Callable[[], None]:
        def forget() -> None:
            for terminal, meter in self._source_meters.items():
                if terminal.partition(".")[0] == key:
                    meter.forget()
            if key in self._pulse_sources:
                self._pulse_sources[key].forget()

        return forget

    def _role(self, kind: str, known: Mapping[str, _T], name: str) -> _T:
        if name not in known:
            raise StationError(f"{self.file}: there is no {kind} {name!r}; there are {', '.join(known) or 'none'}")
        return known[name]


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
    except (pyvisa.errors.Error, OSError, ValueError) as error:
        raise InstrumentError(
            f"{name}: {entry.resource} cannot be opened: {error}; check power, cable and instruments.{key}.resource"
        ) from error


def _check_identities(
    content: StationFile, opened: Mapping[str, LinkedInstrument], found: Mapping[str, Identity]
) -> None:
    wrong = []
    for key, identity in found.items():
        expected, serial = opened[key].MODEL, content.instruments[key].serial
        if identity.model != expected:
            wrong.append(f"instruments.{key}.driver: model {expected} expected, {identity.model!r} answered")
        elif serial is not None and identity.serial != serial:
            wrong.append(f"instruments.{key}.serial: {serial} expected, {identity.serial} answered")
    if wrong:
        raise StationError(
            f"{content.file}: {'; '.join(wrong)}; correct the file or the cabling; nothing else was sent"
        )


def _collect(failures: list[str], key: str, action: Callable[[str], None]) -> None:
    try:
        action(key)
    except LabError as error:
        failures.append(str(error))


def _attempt_all(keys: Iterable[str], action: Callable[[str], None]) -> None:
    failures: list[str] = []
    for key in keys:
        _collect(failures, key, action)
    if failures:
        raise InstrumentError("; ".join(failures))


def _disconnect(opened: dict[str, LinkedInstrument], manager: pyvisa.ResourceManager) -> None:
    with ExitStack() as stack:
        stack.callback(manager.close)
        for driver in reversed(opened.values()):
            stack.callback(driver.adapter.close)
