"""A station on paper: the roles of a station file with no instrument behind them, for a dry run.

Every stimulus passes the envelope, the rule of cold switching and the driver's own refusals, and is then noted instead
of sent. No VISA resource is opened: the drivers have no adapter that could. Readings come from cells that never
respond: all of them have one conductance, and lines are ideal; with a common source a cell conducts while its gate is
above 0 V. Time is that of a virtual clock, advanced by nominal durations.

Not here: what is noted (:mod:`labctl.station.record`), the runs of a procedure on it (:mod:`labctl.run.dry_run`).
"""

from collections.abc import Collection, Mapping, Sequence
from itertools import groupby, zip_longest
from math import copysign
from typing import Any

from pymeasure.adapters import Adapter

from labctl.clock import VirtualClock
from labctl.errors import StationError
from labctl.roles import (
    Flag,
    Identity,
    Instrument,
    PulseSource,
    Reading,
    SourceMeter,
    SwitchMatrix,
    TemperatureController,
    VoltageMeter,
    WaveformSource,
)
from labctl.station.envelope import SOURCE_OHM, available_power_w
from labctl.station.enveloped import EnvelopedRoles
from labctl.station.heating import EnvelopedTemperatureController
from labctl.station.record import Record, Stimulus, TracedStimulus
from labctl.station.station_file import StationFile
from labctl.station.switching import EnvelopedSwitchMatrix
from labctl.station.voltmeter_envelope import enveloped_channel
from labctl.station.waveform_envelope import enveloped_generator
from labctl.station.wiring import GROUND, MatrixWiring, Wiring
from labctl_instruments import drivers
from labctl_instruments.link import LinkedInstrument

__all__ = ["PaperStation"]

# nominal: a message, relays that settle, what auto-range adds to a reading below a small current
_MESSAGE_S, _RELAYS_S, _AUTO_RANGE_S, _LITTLE_A = 2e-4, 1e-3, 0.1, 1e-6
_ROOM_K = 300.0
# an ammeter shows a little more than its range
_OVER_RANGE = 1.02


class PaperStation(EnvelopedRoles):
    """The roles of a station file, with nobody behind them.

    Parameters
    ----------
    content : StationFile
        The file.
    conductance_s : float, unit S
        Of every cell, whatever is done to it.
    record : Record
        Takes every stimulus.

    Attributes
    ----------
    clock : VirtualClock
        Nominal time of the rack.
    in_process, simulated : bool
        True: nothing outlives this process.
    bench_info, replay_of : None
    instruments : dict
        Empty: there are none.

    Raises
    ------
    StationError
        If the file names a driver that is not known.
    """

    def __init__(self, content: StationFile, conductance_s: float, record: Record) -> None:
        super().__init__(content)
        self.clock = VirtualClock()
        self.in_process = self.simulated = True
        self.bench_info: dict[str, Any] | None = None
        self.replay_of: str | None = None
        self.instruments: dict[str, Instrument] = {}
        rack = _Rack(content, conductance_s, record, self.clock)
        for key, driver in _paper_drivers(content).items():
            if isinstance(driver, PulseSource):
                source = (
                    _PaperWaveformSource(rack, key, driver)
                    if isinstance(driver, WaveformSource)
                    else _PaperPulseSource(rack, key, driver)
                )
                self._pulse_sources[key] = enveloped_generator(source, key, self._guard, _nobody)
            if key == content.temperature_controller and isinstance(driver, TemperatureController):
                self._heater = EnvelopedTemperatureController(_PaperHeater(rack, driver), key, self._guard)
            if isinstance(driver, SwitchMatrix):
                self._switches[key] = EnvelopedSwitchMatrix(
                    _PaperSwitchMatrix(rack, key), key, self._guard, settle=lambda: None
                )
            for channel, meter in getattr(driver, "channels", {}).items():
                if isinstance(meter, SourceMeter):
                    terminal = f"{key}.{channel}"
                    paper = (
                        _PaperVoltageMeter(rack, terminal, meter)
                        if isinstance(meter, VoltageMeter)
                        else _PaperSourceMeter(rack, terminal, meter)
                    )
                    self._source_meters[terminal] = enveloped_channel(paper, terminal, self._guard, _nobody)

    def identities(self) -> dict[str, Identity]:
        """Return nothing: nobody answered."""
        return {}

    def settings(self) -> dict[str, dict[str, str | float | bool]]:
        """Return nothing: there is nothing to read back."""
        return {}

    def drain(self) -> list[str]:
        """Return nothing: no link was mended."""
        return []

    def safe_off(self) -> None:
        """Do nothing: nothing is on."""

    def inject_faults(self, spec: str) -> None:
        """Do nothing: there is nobody who could misbehave.

        Parameters
        ----------
        spec : str
            Not used.
        """

    def insert_die(self, name: str) -> None:
        """Do nothing: on paper, dies do not differ.

        Parameters
        ----------
        name : str
            Not used.
        """


class _Rack:
    """What the paper roles share: levels, relays, time and the record."""

    def __init__(self, content: StationFile, conductance_s: float, record: Record, clock: VirtualClock) -> None:
        self.record, self.clock = record, clock
        self.line_period_s = 1.0 / content.line_frequency_hz
        self.levels_v: dict[str, float] = {}
        self._conductance_s = conductance_s
        self._wiring: Wiring = content.wiring
        networks = {str(network.matrix): network for network in self._wiring.networks()}
        self.closed: dict[str, set[str]] = {key: set() for key in networks}
        self.crosspoints = {key: _crosspoints(network) for key, network in networks.items()}
        if self._wiring.identification is not None:
            points = {self._wiring.crosspoint(row, self._wiring.identification) for row in self._wiring.rows}
            self.crosspoints[str(self._wiring.matrix)] |= points

    def current_a(self, terminal: str) -> float:
        """Current out of a terminal: cells of one conductance between ideal lines."""
        direct, control = self._wiring.direct, self._wiring.control
        if direct is not None:
            words, bits = [self._end(direct.word)], [self._end(direct.bit)]
        else:
            words, bits = (
                self._lines(self._wiring, lines) for lines in (self._wiring.word_lines, self._wiring.bit_lines)
            )
        total_a = 0.0
        for own, others in ((words, bits), (bits, words)):
            sum_v = sum(level_v for _, level_v in others)
            total_a += sum(len(others) * level_v - sum_v for name, level_v in own if name == terminal)
        if control is not None and control.common_source:
            # between the plate and a bit line conduct the cells whose gate is driven
            total_a *= sum(level_v > 0.0 for _, level_v in self._lines(control, control.lines))
        return total_a * self._conductance_s

    def floating_v(self, terminal: str) -> float:
        """Voltage of a plate that a terminal leaves alone: cells of one conductance hang between it and bit lines."""
        ends = self._lines(self._wiring, self._wiring.bit_lines)
        levels_v = [level_v for name, level_v in ends if name != terminal]
        return sum(levels_v) / max(1, len(levels_v))

    def _lines(self, network: MatrixWiring, columns: Sequence[str]) -> list[tuple[str, float]]:
        """Terminal and level of each line that hangs on a row."""
        rows = {point[0] + point[2:]: point[1] for point in self.closed[str(network.matrix)]}
        return [self._end(network.rows[rows[column]]) for column in columns if column in rows]

    def _end(self, name: str) -> tuple[str, float]:
        return name, 0.0 if name == GROUND else self.levels_v.get(name, 0.0)


def _crosspoints(network: MatrixWiring) -> set[str]:
    return {network.crosspoint(row, column) for row in network.rows for column in network.columns()}


class _PaperSourceMeter:
    """A channel whose driver refuses and computes, and sends nothing."""

    def __init__(self, rack: _Rack, terminal: str, driver: SourceMeter) -> None:
        self._rack, self._terminal, self._driver = rack, terminal, driver
        self.limits = driver.limits
        self._range_a: float | None = None
        self._limit_a, self._plc = 0.0, 1.0

    def prepare(
        self, *, voltage_range_v: float, current_limit_a: float, measure_range_a: float | None, integration_plc: float
    ) -> None:
        self._driver.prepare(
            voltage_range_v=voltage_range_v,
            current_limit_a=current_limit_a,
            measure_range_a=measure_range_a,
            integration_plc=integration_plc,
        )
        self._rack.clock.sleep(_MESSAGE_S)
        self._rest()
        self._limit_a, self._range_a, self._plc = current_limit_a, measure_range_a, integration_plc

    def output_on(self) -> None:
        self._rack.clock.sleep(_MESSAGE_S)

    def output_off(self) -> None:
        self._rack.clock.sleep(_MESSAGE_S)

    def set_voltage(self, voltage_v: float) -> None:
        self._driver.set_voltage(voltage_v)
        self._rack.clock.sleep(_MESSAGE_S)
        if voltage_v == 0.0:
            self._rest()
            return
        self._rack.levels_v[self._terminal] = voltage_v
        level = Stimulus("level", ((self._terminal, voltage_v),), None, self._limit_a, None)
        self._rack.record.add(level, start_s=self._rack.clock.now_s())

    def measure_current(self) -> Reading:
        return self._reading(self._rack.current_a(self._terminal), "A")

    def measure_voltage(self) -> Reading:
        return self._reading(self._rack.levels_v.get(self._terminal, 0.0), "V")

    def staircase(self, levels_v: Sequence[float], *, dwell_s: float) -> list[Reading]:
        if not levels_v:
            raise ValueError(f"{self._terminal}: a staircase needs at least one level")
        readings = []
        for level_v in levels_v:
            self._driver.set_voltage(level_v)
            self._rack.levels_v[self._terminal] = level_v
            self._note("staircase step", {self._terminal: level_v}, dwell_s, abs(level_v) * self._limit_a)
            readings.append(self.measure_current())
        self._rest()
        return readings

    def pulse(self, level_v: float, *, width_s: float, partner: SourceMeter | None, partner_level_v: float) -> None:
        levels_v, power_w, driver = {self._terminal: level_v}, abs(level_v) * self._limit_a, None
        if isinstance(partner, _PaperSourceMeter):
            levels_v[partner._terminal] = partner_level_v
            power_w += abs(partner_level_v) * partner._limit_a
            driver = partner._driver
        self._driver.pulse(level_v, width_s=width_s, partner=driver, partner_level_v=partner_level_v)
        self._note("pulse", levels_v, width_s, power_w)

    def _note(self, kind: str, levels_v: Mapping[str, float], width_s: float, power_w: float) -> None:
        self._rack.clock.sleep(_MESSAGE_S + width_s)
        stimulus = Stimulus(kind, tuple(levels_v.items()), width_s, self._limit_a, power_w * width_s)
        self._rack.record.add(stimulus, start_s=self._rack.clock.now_s() - width_s)

    def _rest(self) -> None:
        if self._rack.levels_v.get(self._terminal, 0.0) != 0.0:
            self._rack.record.rest(self._terminal, start_s=self._rack.clock.now_s())
        self._rack.levels_v[self._terminal] = 0.0

    def _reading(self, value: float, unit: str) -> Reading:
        auto_s = _AUTO_RANGE_S if self._range_a is None and abs(value) < _LITTLE_A else 0.0
        self._rack.clock.sleep(_MESSAGE_S + auto_s + self._plc * self._rack.line_period_s)
        self._rack.record.readings += 1
        flags = set()
        if unit == "A" and abs(value) > self._limit_a:
            value = copysign(self._limit_a, value)
            flags.add(Flag.COMPLIANCE)
        if unit == "A" and self._range_a is not None and abs(value) > _OVER_RANGE * self._range_a:
            return Reading(None, unit, frozenset({*flags, Flag.OVERRANGE}), "paper")
        return Reading(value, unit, frozenset(flags), "paper")


class _PaperVoltageMeter(_PaperSourceMeter):
    """A channel that also measures at 0 A."""

    def __init__(self, rack: _Rack, terminal: str, driver: VoltageMeter) -> None:
        super().__init__(rack, terminal, driver)
        self._meter = driver
        self._floats = False

    def prepare(
        self, *, voltage_range_v: float, current_limit_a: float, measure_range_a: float | None, integration_plc: float
    ) -> None:
        super().prepare(
            voltage_range_v=voltage_range_v,
            current_limit_a=current_limit_a,
            measure_range_a=measure_range_a,
            integration_plc=integration_plc,
        )
        self._floats = False

    def prepare_voltmeter(self, *, range_v: float, integration_plc: float) -> None:
        self._meter.prepare_voltmeter(range_v=range_v, integration_plc=integration_plc)
        self._rack.clock.sleep(_MESSAGE_S)
        self._rest()
        self._floats, self._limit_a, self._range_a, self._plc = True, 0.0, range_v, integration_plc

    def measure_voltage(self) -> Reading:
        return self._reading(self._rack.floating_v(self._terminal), "V") if self._floats else super().measure_voltage()


class _PaperPulseSource:
    """A generator whose driver refuses, and sends nothing."""

    def __init__(self, rack: _Rack, key: str, driver: PulseSource) -> None:
        self._rack, self._key, self._driver = rack, key, driver
        self.limits, self.outputs = driver.limits, driver.outputs
        self._width_s = 0.0
        self._levels_v: dict[int, float] = {}

    def prepare(self, *, width_s: float, edge_s: float) -> None:
        self._driver.prepare(width_s=width_s, edge_s=edge_s)
        self._rack.clock.sleep(_MESSAGE_S)
        self._width_s = width_s

    def set_levels(self, levels_v: Mapping[int, float]) -> None:
        self._driver.set_levels(levels_v)
        self._rack.clock.sleep(_MESSAGE_S)
        self._levels_v = dict(levels_v)

    def output_on(self) -> None:
        self._rack.clock.sleep(_MESSAGE_S)

    def output_off(self) -> None:
        self._rack.clock.sleep(_MESSAGE_S)

    def fire(self) -> None:
        self._driver.fire()
        self._rack.clock.sleep(_MESSAGE_S + self._width_s)
        levels_v = tuple((f"{self._key}.{output}", level_v) for output, level_v in self._levels_v.items() if level_v)
        power_w = available_power_w(level_v for _, level_v in levels_v)
        limit_a = max((abs(level_v) for _, level_v in levels_v), default=0.0) / SOURCE_OHM
        pulse = Stimulus("pulse", levels_v, self._width_s, limit_a, power_w * self._width_s)
        self._rack.record.add(pulse, start_s=self._rack.clock.now_s() - self._width_s)


class _PaperWaveformSource(_PaperPulseSource):
    """A generator with waveforms whose driver refuses, and sends nothing."""

    def __init__(self, rack: _Rack, key: str, driver: WaveformSource) -> None:
        super().__init__(rack, key, driver)
        self._player = driver
        self.waveform_limits = driver.waveform_limits
        self._course: list[tuple[float, ...]] = []
        self._terminals: list[str] = []
        self._sample_s = 0.0

    def load_waveforms(self, levels_v: Mapping[int, Sequence[float]], *, sample_s: float) -> None:
        self._player.load_waveforms(levels_v, sample_s=sample_s)
        self._rack.clock.sleep(_MESSAGE_S)
        self._terminals = [f"{self._key}.{output}" for output in levels_v]
        self._course, self._sample_s = list(zip_longest(*levels_v.values(), fillvalue=0.0)), sample_s

    def play(self) -> None:
        self._player.play()
        duration_s = len(self._course) * self._sample_s
        self._rack.clock.sleep(_MESSAGE_S + duration_s)
        peaks_v = [max(levels_v, key=abs) for levels_v in zip(*self._course, strict=True)]
        stimulus = Stimulus(
            "waveform",
            tuple(zip(self._terminals, peaks_v, strict=True)),
            duration_s,
            max(abs(peak_v) for peak_v in peaks_v) / SOURCE_OHM,
            sum(available_power_w(levels_v) for levels_v in self._course) * self._sample_s,
        )
        start_s, place = self._rack.clock.now_s() - duration_s, 0
        course = []
        for levels, run in groupby([*self._course, (0.0,) * len(peaks_v)]):
            named = tuple(zip(self._terminals, levels, strict=True))
            course.append(TracedStimulus(start_s + place * self._sample_s, named, None))
            place += sum(1 for _ in run)
        self._rack.record.add(stimulus, start_s=start_s, course=course)


class _PaperSwitchMatrix:
    """A matrix that knows the crosspoints of the wiring, and moves none."""

    def __init__(self, rack: _Rack, key: str) -> None:
        self._rack, self._key = rack, key

    def close(self, crosspoints: Collection[str]) -> None:
        self.exchange(opening=(), closing=crosspoints)

    def open(self, crosspoints: Collection[str]) -> None:
        self.exchange(opening=crosspoints, closing=())

    def exchange(self, *, opening: Collection[str], closing: Collection[str]) -> None:
        unknown = ", ".join(sorted({*opening, *closing} - self._rack.crosspoints.get(self._key, set())))
        if unknown:
            raise ValueError(f"{self._key}: nothing is wired to {unknown}")
        self._move((self.closed() - set(opening)) | set(closing))

    def open_all(self) -> None:
        self._move(set())

    def closed(self) -> frozenset[str]:
        return frozenset(self._rack.closed.get(self._key, ()))

    def _move(self, closed: Collection[str]) -> None:
        self._rack.clock.sleep(_MESSAGE_S + _RELAYS_S)
        self._rack.record.relays += len(self.closed() ^ set(closed))
        self._rack.closed[self._key] = set(closed)


class _PaperHeater:
    """A heater that is at once as hot as it was told; what the driver refuses is refused here."""

    def __init__(self, rack: _Rack, driver: TemperatureController) -> None:
        self._rack, self._driver = rack, driver
        self.limits = driver.limits
        self._temperature_k = _ROOM_K

    def set_temperature(self, temperature_k: float) -> None:
        if not self.limits.lowest_k <= temperature_k <= self.limits.highest_k:
            raise ValueError(
                f"set-point must be {self.limits.lowest_k:g} K to {self.limits.highest_k:g} K, got {temperature_k:g} K"
            )
        self._rack.clock.sleep(_MESSAGE_S)
        self._temperature_k = temperature_k

    def measure_temperature(self) -> Reading:
        self._rack.clock.sleep(_MESSAGE_S)
        return Reading(self._temperature_k, "K", frozenset(), "paper")

    def is_stable(self, band_k: float) -> bool:
        self._rack.clock.sleep(_MESSAGE_S)
        return band_k > 0.0

    def heater_off(self) -> None:
        self._rack.clock.sleep(_MESSAGE_S)
        self._temperature_k = _ROOM_K


class _NoAdapter(Adapter):  # type: ignore[misc]
    """An adapter that leads nowhere."""

    connection = None

    def _write(self, command: str, **kwargs: Any) -> None:
        """Drop it."""


def _paper_drivers(content: StationFile) -> dict[str, LinkedInstrument]:
    known = drivers()
    found: dict[str, LinkedInstrument] = {}
    for key, entry in content.instruments.items():
        if entry.driver not in known:
            raise StationError(
                f"{content.file}: instruments.{key}.driver: {entry.driver!r} is unknown; known are {', '.join(known)}"
            )
        driver = known[entry.driver]
        mute = type(driver.__name__, (driver,), {"send": _say_nothing, "answer": _say_nothing})
        found[key] = mute(_NoAdapter(), name=f"{key} ({driver.__name__})")
    return found


def _say_nothing(driver: LinkedInstrument, message: str, *_: Any, **__: Any) -> dict[str, Any]:
    """Stand in for messages without an answer, and for those whose answer only confirms: it holds no setting."""
    return {}


def _nobody() -> None:
    """Stand in for the read-back of settings."""
