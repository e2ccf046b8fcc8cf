"""Source and meter of a one-channel SourceMeter with SCPI commands, as the 2400 and the 2450 have them.

It owns the terminal on the bench. Sources: Series 2400 User's Manual 2400S-900-01 Rev. K (compliance and range
compliance, section 6; output-off states, section 13; operating boundaries); 2461 Reference Manual 2461-901-01 Rev. A,
whose commands the 2450 shares (2-127 automatic measure range, 6-47 output-off states, 6-94 limits, 6-97 ranges). Not
here: headers and formats (:mod:`labctl_mock.keithley.keithley2400`, :mod:`labctl_mock.keithley.keithley2450`), errors
and noise (:mod:`labctl_mock.keithley.metering`). Assumed: a fixed measure range below the limit holds the output at the
top of that range, on the 2450 too; a range or output relay takes 1 ms or 5 ms; the loop of the current limit answers
after 250 us, the transient recovery of the 2400's voltage source at a step of its load (its specifications), on the
2450 too; the 2400 changes an automatic measure range by the rule of the 2461. Left out: four-wire sensing, guard,
resistance, overheating, overshoot of levels.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from math import inf

from labctl_mock.bench.terminals import Circuit, Measured, Terminal, TerminalMode
from labctl_mock.keithley.metering import OVERRANGE, Metering, Tables
from labctl_mock.keithley.ranges import Range
from labctl_mock.messages import MessageFault

__all__ = ["CURR", "LIMIT_LAG_S", "VOLT", "Ratings", "SourceMeter", "Taken"]

VOLT, CURR = "VOLT", "CURR"
_OTHER = {VOLT: CURR, CURR: VOLT}
LIMIT_LAG_S = 250e-6
_RANGE_CHANGE_S = 1e-3
_RELAY_S = 5e-3
_INTERLOCK_V = 42.0  # the protection's limit without the interlock, both manuals
_EPSILON = 1e-9


@dataclass(frozen=True, slots=True)
class Ratings:
    """What differs between the models.

    Attributes
    ----------
    tables : Tables
    over_range : float, unit 1
        How much of a range can be sourced.
    ceiling : float, unit 1
        Part of a fixed measure range at which it holds the output.
    low_v, high_a : float, unit V and A
        Up to ``low_v`` there is full current, above it ``high_a``; and the other way round.
    least_limit : mapping of str to float, unit A and V
        By source function.
    default_range, default_limit : mapping of str to float, unit of the source function, unit of the limit
    off_limit : float, unit 1
        Part of the range that limits the normal off state.
    conflict : int, unit 1
        Error of settings that together exceed the power.
    adjusts_limit : bool
        Whether a limit that a new source range does not allow comes down, with a warning.
    least_part : float, unit 1
        A limit may not lie below this part of a fixed measure range.
    caps_measure_range : int, unit 1
        Error of a measure range above that of the limit; 0 where that is allowed.
    """

    tables: Tables
    over_range: float
    ceiling: float
    low_v: float
    high_a: float
    least_limit: Mapping[str, float]
    default_range: Mapping[str, float]
    default_limit: Mapping[str, float]
    off_limit: float
    conflict: int
    adjusts_limit: bool
    least_part: float
    caps_measure_range: int


@dataclass(frozen=True, slots=True)
class Taken:
    """One reading; a quantity that was not measured is missing, one beyond its range is None.

    Attributes
    ----------
    values : mapping of str to float or None, unit V and A
    level : float, unit V or A
        What was programmed.
    in_compliance, in_range_compliance : bool
        Held at the limit; held at the top of a fixed measure range.
    time_s : float, unit s
        When it began.
    """

    values: Mapping[str, float | None]
    level: float
    in_compliance: bool
    in_range_compliance: bool
    time_s: float


class SourceMeter:
    """Source and meter.

    Parameters
    ----------
    terminal : Terminal
    circuit : Circuit
    metering : Metering
    ratings : Ratings
    warn : callable
        Told of a limit that was brought down.

    Attributes
    ----------
    is_welded, is_interlocked : bool
        Faults: the output stays on; the interlock is open.
    """

    def __init__(
        self, terminal: Terminal, circuit: Circuit, metering: Metering, ratings: Ratings, warn: Callable[[], None]
    ) -> None:
        self.terminal = terminal
        self.ratings = ratings
        self._circuit, self._metering, self._warn = circuit, metering, warn
        self._ranges = {VOLT: ratings.tables.voltage, CURR: ratings.tables.current}
        self.is_welded = self.is_interlocked = False
        self.changed_at_s = -inf
        self.output = False
        self._defaults()
        self._write_terminal()

    def _defaults(self) -> None:
        ratings = self.ratings
        self.function = VOLT
        self.levels = {VOLT: 0.0, CURR: 0.0}
        self.source_range = {one: self._lowest(one, ratings.default_range[one]) for one in (VOLT, CURR)}
        self.source_auto = {VOLT: True, CURR: True}
        self.limits = dict(ratings.default_limit)
        self.off_mode = {VOLT: "NORM", CURR: "NORM"}
        self.measure_range = {VOLT: self._ranges[VOLT][-1], CURR: self._lowest(CURR, ratings.default_limit[VOLT])}
        self.measure_auto = {VOLT: True, CURR: True}
        self.has_tripped = False

    def reset(self) -> None:
        """Go back to the defaults, output off unless it is welded."""
        self._circuit.settle()
        stays_on = self.is_welded and self.output
        self._defaults()
        self.output = stays_on
        self._write_terminal()

    @property
    def level(self) -> float:
        """Programmed level of the present function, unit V or A."""
        return self.levels[self.function]

    def _lowest(self, function: str, value: float) -> Range:
        magnitude = abs(value) * (1.0 - _EPSILON)
        for candidate in self._ranges[function]:
            if magnitude <= candidate.full_scale * self.ratings.over_range:
                return candidate
        raise MessageFault(-222, f"{value:g}")

    def top(self, function: str) -> float:
        """Return the largest level, unit V or A."""
        return self._ranges[function][-1].full_scale * self.ratings.over_range

    # --- source ---------------------------------------------------------------------------------------------------

    def set_function(self, function: str) -> None:
        """Choose the source; another than the present one switches the output off."""
        if function != self.function:
            self.set_output(False)
            self.function = function
            self._refresh()

    def set_level(self, function: str, level: float) -> None:
        """Set the level, unit V or A.

        Raises
        ------
        MessageFault
            -222 beyond the fixed range, or the conflict of the model.
        """
        rng = self._lowest(function, level)
        if not self.source_auto[function]:
            fixed = self.source_range[function]
            if rng.full_scale > fixed.full_scale:
                raise MessageFault(-222, f"{level:g}")
            rng = fixed
        self._take_source_range(function, rng)
        self.levels[function] = level
        if function == self.function:
            self._refresh()

    def set_source_range(self, function: str, value: float) -> None:
        """Fix the range that holds ``value``, unit V or A.

        Raises
        ------
        MessageFault
            -222 beyond the last range, -221 below the level, or the conflict of the model.
        """
        rng = self._lowest(function, value)
        if abs(self.levels[function]) > rng.full_scale * self.ratings.over_range * (1.0 + _EPSILON):
            raise MessageFault(-221, "level")
        self._take_source_range(function, rng)
        self.source_auto[function] = False
        if function == self.function:
            self._refresh()

    def set_source_auto(self, function: str, is_auto: bool) -> None:
        """Let the level choose its range, or keep the present one."""
        self.source_auto[function] = is_auto
        if is_auto:
            self.set_level(function, self.levels[function])

    def _most_limit(self, function: str, rng: Range) -> float:
        ratings = self.ratings
        if function == VOLT:
            return ratings.high_a * ratings.over_range if rng.full_scale > ratings.low_v else self.top(CURR)
        return ratings.low_v * ratings.over_range if rng.full_scale > ratings.high_a else self.top(VOLT)

    def _take_source_range(self, function: str, rng: Range) -> None:
        most = self._most_limit(function, rng)
        if self.limits[function] > most * (1.0 + _EPSILON):
            if not self.ratings.adjusts_limit:
                raise MessageFault(self.ratings.conflict)
            self.limits[function] = most
            self._warn()
        if rng is not self.source_range[function]:
            self.source_range[function] = rng
            if self.output and function == self.function:
                self._circuit.clock.sleep(_RANGE_CHANGE_S)

    def set_limit(self, function: str, value: float) -> None:
        """Set the limit of a source, unit A for volts and V for amperes; either sign means both.

        Raises
        ------
        MessageFault
            -222 outside of what the model has, the model's conflict beyond its power, -221 far below a fixed range.
        """
        limit, measured = abs(value), _OTHER[function]
        if not self.ratings.least_limit[function] * (1.0 - _EPSILON) <= limit <= self.top(measured) * (1.0 + _EPSILON):
            raise MessageFault(-222, f"{value:g}")
        if limit > self._most_limit(function, self.source_range[function]) * (1.0 + _EPSILON):
            raise MessageFault(self.ratings.conflict)
        if not self.measure_auto[measured]:
            if limit < self.ratings.least_part * self.measure_range[measured].full_scale:
                raise MessageFault(-221, "limit")
            if self.ratings.caps_measure_range:
                highest = self._lowest(measured, limit)
                if highest.full_scale < self.measure_range[measured].full_scale:
                    self.measure_range[measured] = highest
        self.limits[function] = limit
        if function == self.function:
            self._refresh()

    # --- output ---------------------------------------------------------------------------------------------------

    def set_output(self, is_on: bool) -> None:
        """Switch the output.

        Raises
        ------
        MessageFault
            802 where the interlock is open and the level dangerous.
        """
        if is_on and self.is_interlocked and self.function == VOLT and abs(self.level) > _INTERLOCK_V:
            raise MessageFault(802)
        if not is_on and self.is_welded and self.output:
            return
        was_open = self.terminal.mode is TerminalMode.OPEN
        self.output = is_on
        self._refresh()
        if was_open is not (self.terminal.mode is TerminalMode.OPEN):
            self._circuit.clock.sleep(_RELAY_S)

    def set_off_mode(self, functions: Collection[str], mode: str) -> None:
        """Choose what the outputs of these sources are while they are off: NORM, ZERO, HIMP or GUAR."""
        for function in functions:
            self.off_mode[function] = mode
        self._refresh()

    def _refresh(self) -> None:
        self._circuit.settle()
        self._write_terminal()
        self.changed_at_s = self._circuit.clock.now_s()

    def _write_terminal(self) -> None:
        terminal, function = self.terminal, self.function
        terminal.turn(self.output)
        if self.output:
            limit = min(self.limits[function], self._ceiling(_OTHER[function]))
            self._drive(function, self._metering.sourced(self.level, self.source_range[function]), limit)
            return
        mode = self.off_mode[function]
        if mode == "HIMP":
            terminal.mode = TerminalMode.OPEN
        elif mode == "GUAR" and function == CURR:
            held_v = self.ratings.off_limit * self.measure_range[VOLT].full_scale
            self._drive(CURR, self._metering.sourced(0.0, self.source_range[CURR]), held_v)
        else:
            limit = self.ratings.off_limit * self.measure_range[CURR].full_scale
            if mode == "ZERO":
                limit = self.limits[VOLT] if function == VOLT else max(abs(self.levels[CURR]), limit)
            self._drive(VOLT, self._metering.sourced(0.0, self.source_range[VOLT]), limit)

    def _drive(self, function: str, level: float, limit: float) -> None:
        terminal = self.terminal
        terminal.level = level
        if function == VOLT:
            terminal.mode, terminal.current_limit_a = TerminalMode.VOLTAGE, limit
        else:
            terminal.mode, terminal.voltage_limit_v = TerminalMode.CURRENT, limit

    # --- meter ----------------------------------------------------------------------------------------------------

    def set_measure_range(self, function: str, value: float) -> None:
        """Fix the range that holds ``value``, unit V or A.

        Raises
        ------
        MessageFault
            -222 beyond the last range; -221, or the model's error, where the limit does not go with it.
        """
        rng = self._lowest(function, value)
        if function != self.function:
            limit = self.limits[self.function]
            if self.ratings.caps_measure_range and rng.full_scale > self._lowest(function, limit).full_scale:
                raise MessageFault(self.ratings.caps_measure_range)
            if limit < self.ratings.least_part * rng.full_scale:
                raise MessageFault(-221, "limit")
        changed = rng is not self.measure_range[function]
        self.measure_range[function], self.measure_auto[function] = rng, False
        self._refresh()
        if changed:
            self._circuit.clock.sleep(_RANGE_CHANGE_S)

    def set_measure_auto(self, function: str, is_auto: bool) -> None:
        """Let readings choose their range, or keep the present one."""
        self.measure_auto[function] = is_auto
        self._refresh()

    def active_range(self, function: str) -> Range:
        """Return the range in use: the source's where the same quantity is sourced."""
        is_sourced = function == self.function and self.output
        return self.source_range[function] if is_sourced else self.measure_range[function]

    def _ceiling(self, function: str) -> float:
        return inf if self.measure_auto[function] else self.measure_range[function].full_scale * self.ratings.ceiling

    def wait_since_change(self, delay_s: float) -> None:
        """Let time pass until ``delay_s`` after the last change of the source."""
        rest_s = self.changed_at_s + delay_s - self._circuit.clock.now_s()
        if rest_s > 0.0:
            self._circuit.clock.sleep(rest_s)

    def take(
        self, functions: Collection[str], *, plc: Callable[[str], float], period_s: float, after: Callable[[str], None]
    ) -> Taken:
        """Measure, one quantity after the other.

        Parameters
        ----------
        functions : collection of str
            VOLT, CURR or both.
        plc : callable
            Power line cycles by function.
        period_s : float, unit s
            Of the power line.
        after : callable
            Lets the rest of the conversion's time pass, by function.

        Returns
        -------
        Taken
        """
        time_s = self._circuit.clock.now_s()
        values: dict[str, float | None] = {}
        in_compliance = False
        for function in functions:
            aperture_s = plc(function) * period_s
            measured = self._ranged(function, aperture_s)
            shown = self._converted(function, measured, plc(function), after)
            # 2461 manual 2-127: the measurement, noise and all, that reaches 105 % of the range changes it
            while shown == OVERRANGE and self._goes_up(function):
                measured = self._circuit.measure(self.terminal.name, aperture_s=aperture_s)
                shown = self._converted(function, measured, plc(function), after)
            values[function] = None if shown == OVERRANGE else shown
            in_compliance |= measured.in_compliance
        held_by_range = self._ceiling(_OTHER[self.function]) < self.limits[self.function]
        self.has_tripped = in_compliance
        return Taken(values, self.level, in_compliance, in_compliance and held_by_range, time_s)

    def _converted(self, function: str, measured: Measured, plc: float, after: Callable[[str], None]) -> float:
        after(function)
        return self._metering.shown(_value_of(function, measured), self.active_range(function), plc)

    def _is_auto(self, function: str) -> bool:
        return self.measure_auto[function] and not (function == self.function and self.output)

    def _goes_up(self, function: str) -> bool:
        """Take the next higher measure range, where it is automatic and there is one."""
        full_scale = self.measure_range[function].full_scale
        higher = [rng for rng in self._ranges[function] if rng.full_scale > full_scale]
        if not higher or not self._is_auto(function):
            return False
        self.measure_range[function] = higher[0]
        self._circuit.clock.sleep(_RANGE_CHANGE_S + higher[0].settling_s)
        return True

    def _ranged(self, function: str, aperture_s: float) -> Measured:
        measured = self._circuit.measure(self.terminal.name, aperture_s=aperture_s)
        for _ in self._ranges[function]:
            value = _value_of(function, measured)
            if not self._is_auto(function):
                break
            wanted = self._lowest(function, min(abs(value), self.top(function)))
            if wanted is self.measure_range[function]:
                break
            self.measure_range[function] = wanted
            self._circuit.clock.sleep(_RANGE_CHANGE_S + wanted.settling_s)
            measured = self._circuit.measure(self.terminal.name, aperture_s=aperture_s)
        return measured


def _value_of(function: str, measured: Measured) -> float:
    return measured.voltage_v if function == VOLT else measured.current_a
