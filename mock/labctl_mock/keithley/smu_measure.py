"""The measure half of a 2636B channel: ranges, integration, delays, filter, readings.

Not here: the source (:mod:`labctl_mock.keithley.smu_source`), errors and noise
(:mod:`labctl_mock.keithley.metering`). Source: 2600BS-901-01 Rev. F, section 9 (``smuX.measure.*``), pages 9-220 to
9-233. Assumed: a reading waits until the source has settled; a fixed current range below the limit holds the output
at 105 % of that range (range compliance). Left out: the analogue filter's own time constant, calibration, contact
check.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import inf
from statistics import mean, median

from labctl_mock.bench.terminals import Circuit, Measured
from labctl_mock.keithley.metering import OVERRANGE, Metering
from labctl_mock.keithley.ranges import CURRENT_RANGES, VOLTAGE_RANGES, Range, select_range
from labctl_mock.keithley.smu_source import AMPS, AUTO_DELAY, ON, RANGE_CHANGE_S, VOLTS, SmuSource, SourceSide
from labctl_mock.tsp.faults import too_small
from labctl_mock.tsp.objects import Value, choice, number

__all__ = ["MeasureSide", "Sample", "SmuMeasure"]

_CEILING = 1.05  # assumed
_MOVING, _REPEAT, _MEDIAN = 0, 1, 2
# 2600BS-901-01, bufferVar.statuses
_AUTO_MEASURE, _AUTO_SOURCE, _FOUR_WIRE, _REL, _COMPLIANCE, _FILTERED = 0x04, 0x08, 0x10, 0x20, 0x40, 0x80
_PROBE_PLC = 0.001


@dataclass(slots=True)
class MeasureSide:
    """Range and relative offset of one measured quantity."""

    ranges: Sequence[Range]
    is_auto: bool = True
    rel_enabled: int = 0
    rel_level: float = 0.0
    rng: Range = field(init=False)
    lowest: Range = field(init=False)
    history: deque[float] = field(init=False)

    def __post_init__(self) -> None:
        self.rng = self.ranges[-1]
        self.lowest = self.ranges[0]
        self.history = deque(maxlen=100)


@dataclass(frozen=True, slots=True)
class Sample:
    """One reading of both quantities; a quantity that was not asked for is None."""

    current_a: float | None
    voltage_v: float | None
    time_s: float
    status: int


class SmuMeasure:
    """The meter of one channel.

    Parameters
    ----------
    name : str
        Terminal on the bench.
    circuit : Circuit
        The bench's circuit.
    metering : Metering
        Errors and noise.
    line_period_s : callable
        Returns the period of the power line, unit s.
    """

    def __init__(self, name: str, circuit: Circuit, metering: Metering, line_period_s: Callable[[], float]) -> None:
        self._name = name
        self._circuit = circuit
        self._metering = metering
        self._line_period_s = line_period_s
        self.source: SmuSource | None = None
        self.reset()

    def reset(self) -> None:
        """Go back to the defaults."""
        self.current = MeasureSide(CURRENT_RANGES)
        self.voltage = MeasureSide(VOLTAGE_RANGES)
        self.plc = 1.0
        self.count = 1
        self.interval_s = 0.0
        self.delay_s = AUTO_DELAY  # 2600BS-901-01 Rev. F page 9-221: automatic on the 2636B
        self.delay_factor = 1.0
        self.filter_enabled, self.filter_type, self.filter_count = 0, _REPEAT, 1
        self.sense = 0
        self.had_overrange = False
        self._seen_at_s, self._seen_compliance = -inf, False

    # --- what the source asks -------------------------------------------------------------------------------------

    def current_ceiling_a(self) -> float:
        """Return the current, unit A, at which a fixed range limits the output; inf where none does."""
        return inf if self.current.is_auto else self.current.rng.full_scale * _CEILING

    def voltage_ceiling_v(self) -> float:
        """Return the voltage, unit V, at which a fixed range limits the output; inf where none does."""
        return inf if self.voltage.is_auto else self.voltage.rng.full_scale * _CEILING

    # --- settings -------------------------------------------------------------------------------------------------

    def set_range(self, side: MeasureSide, value: Value) -> None:
        """Set ``rangei`` or ``rangev`` to the lowest range that holds the value; auto-range goes off."""
        rng = select_range(side.ranges, number(value))
        changed = rng is not side.rng
        side.is_auto, side.rng = False, rng
        self._reapply()
        if changed:
            self._circuit.clock.sleep(RANGE_CHANGE_S)

    def set_auto(self, side: MeasureSide, value: Value) -> None:
        """Set ``autorangei`` or ``autorangev``."""
        side.is_auto = bool(choice(value, (0, 1)))
        self._reapply()

    def set_lowest(self, side: MeasureSide, value: Value) -> None:
        """Set ``lowrangei`` or ``lowrangev``."""
        side.lowest = select_range(side.ranges, number(value))

    def set_plc(self, value: Value) -> None:
        """Set ``nplc``, 0.001 to 25."""
        self.plc = number(value, 0.001, 25.0)

    def set_count(self, value: Value) -> None:
        """Set ``count``, at least 1."""
        self.count = int(number(value, 1, 60_000))

    def set_interval(self, value: Value) -> None:
        """Set ``interval``, unit s, 0 to 1."""
        self.interval_s = number(value, 0.0, 1.0)

    def set_delay(self, value: Value) -> None:
        """Set ``delay``, unit s; -1 means by current range."""
        delay_s = number(value, AUTO_DELAY)
        if delay_s < 0.0 and delay_s != AUTO_DELAY:
            raise too_small()
        self.delay_s = delay_s

    def set_delay_factor(self, value: Value) -> None:
        """Set ``delayfactor``, not negative."""
        self.delay_factor = number(value, 0.0)

    def _reapply(self) -> None:
        self._seen_at_s = -inf
        if self.source is not None and self.source.output == ON:
            self.source.apply()

    # --- readings -------------------------------------------------------------------------------------------------

    def limits_now(self) -> bool:
        """Tell whether the source is in compliance: what the last reading saw if no time passed, else a quick look."""
        if self._circuit.clock.now_s() != self._seen_at_s:
            self._integrate(_PROBE_PLC)
        return self._seen_compliance

    def sample(self, *, current: bool, voltage: bool, is_first: bool = True) -> Sample:
        """Take one reading of current, of voltage or of both, filter and relative offset included.

        Parameters
        ----------
        current, voltage : bool
            What is asked for.
        is_first : bool
            Whether the measure delay comes before it (page 9-221: before the first of ``count`` only).

        Returns
        -------
        Sample
        """
        self._wait_settled()
        if is_first:
            self._circuit.clock.sleep(self._delay_before(current))
        time_s = self._circuit.clock.now_s()
        repeats = self.filter_count if self.filter_enabled and self.filter_type != _MOVING else 1
        rows = [self._once(current, voltage) for _ in range(repeats)]
        status = self._status(any(row[2] for row in rows))
        amps = self._combine(self.current, [row[0] for row in rows]) if current else None
        volts = self._combine(self.voltage, [row[1] for row in rows]) if voltage else None
        self.had_overrange = OVERRANGE in (amps, volts)
        return Sample(amps, volts, time_s, status)

    def _once(self, current: bool, voltage: bool) -> tuple[float, float, bool]:
        measured = self._integrate(self.plc)
        for _ in range(len(CURRENT_RANGES)):
            ranged = (current and self._adjust(self.current, AMPS, measured.current_a)) | (
                voltage and self._adjust(self.voltage, VOLTS, measured.voltage_v)
            )
            if not ranged:
                break
            self._circuit.clock.sleep(RANGE_CHANGE_S + self._delay_before(current))
            measured = self._integrate(self.plc)
        amps = self._shown(self.current, AMPS, measured.current_a) if current else 0.0
        volts = self._shown(self.voltage, VOLTS, measured.voltage_v) if voltage else 0.0
        return amps, volts, measured.in_compliance

    def _integrate(self, plc: float) -> Measured:
        measured = self._circuit.measure(self._name, aperture_s=plc * self._line_period_s())
        self._seen_at_s, self._seen_compliance = self._circuit.clock.now_s(), measured.in_compliance
        return measured

    def _wait_settled(self) -> None:
        if self.source is not None:
            wait_s = self.source.settled_at_s - self._circuit.clock.now_s()
            if wait_s > 0.0:
                self._circuit.clock.sleep(wait_s)

    def _delay_before(self, current: bool) -> float:
        if self.delay_s != AUTO_DELAY:
            return self.delay_s
        return self.active_range(self.current, AMPS).settling_s * self.delay_factor if current else 0.0

    def active_range(self, side: MeasureSide, function: int) -> Range:
        """Return the range in use: the source's where the same quantity is sourced (page 2-85)."""
        locked = self._locked(function)
        return side.rng if locked is None else locked.rng

    def _locked(self, function: int) -> SourceSide | None:
        source = self.source
        if source is None or source.function != function or source.output != ON:
            return None
        return source.side

    def _adjust(self, side: MeasureSide, function: int, value: float) -> bool:
        if not side.is_auto or self._locked(function) is not None:
            return False
        top = side.ranges[-1]
        wanted = select_range(side.ranges, min(abs(value), top.full_scale))
        if wanted.full_scale < side.lowest.full_scale:
            wanted = side.lowest
        if wanted is side.rng:
            return False
        side.rng = wanted
        return True

    def _shown(self, side: MeasureSide, function: int, value: float) -> float:
        reading = self._metering.shown(value, self.active_range(side, function), self.plc)
        return reading if reading == OVERRANGE or not side.rel_enabled else reading - side.rel_level

    def _combine(self, side: MeasureSide, values: list[float]) -> float:
        if not self.filter_enabled:
            return values[0]
        if self.filter_type == _MOVING:
            side.history.append(values[0])
            values = list(side.history)[-self.filter_count :]
        if OVERRANGE in values:
            return OVERRANGE
        return median(values) if self.filter_type == _MEDIAN else mean(values)

    def _status(self, in_compliance: bool) -> int:
        bits = _COMPLIANCE if in_compliance else 0
        bits |= _AUTO_MEASURE if self.current.is_auto or self.voltage.is_auto else 0
        bits |= _AUTO_SOURCE if self.source is not None and self.source.side.is_auto else 0
        bits |= _FOUR_WIRE if self.sense == 1 else 0
        bits |= _REL if self.current.rel_enabled or self.voltage.rel_enabled else 0
        return bits | (_FILTERED if self.filter_enabled else 0)
