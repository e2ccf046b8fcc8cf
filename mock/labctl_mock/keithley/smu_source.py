"""The source half of a 2636B channel: function, levels, ranges, limits, output states.

It owns the channel's terminal on the bench. Not here: measuring (:mod:`labctl_mock.keithley.smu_measure`), the Lua
names (:mod:`labctl_mock.keithley.smu_tree`). Source: 2600BS-901-01 Rev. F, section 2 (output-off states, pages 2-40
to 2-43; ranges) and section 9 (``smuX.source.*``). Assumed: the loop of the current limit answers after 100 us. Left
out: sink mode, contact check, guard, over-temperature, slew, overshoot of levels.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from labctl_mock.bench.terminals import Circuit, Terminal, TerminalMode
from labctl_mock.keithley.metering import Metering
from labctl_mock.keithley.ranges import CURRENT_RANGES, SOURCE_HEADROOM, VOLTAGE_RANGES, Range, select_range
from labctl_mock.tsp.faults import TspFault, too_big, too_small
from labctl_mock.tsp.objects import Value, choice, number

__all__ = ["AMPS", "AUTO_DELAY", "LIMIT_LAG_S", "ON", "RANGE_CHANGE_S", "VOLTS", "SmuSource", "SourceSide"]

AMPS, VOLTS = 0, 1
OFF, ON, OFF_HIGH_Z = 0, 1, 2
NORMAL, ZERO, HIGH_Z = 0, 1, 2
AUTO_DELAY = -1.0
RANGE_CHANGE_S = 1e-3  # assumed: a source or measure range relay with its settling
LIMIT_LAG_S = 100e-6  # assumed: compliance loops of source-measure units answer after 10 to 250 us
_RELAY_S = 5e-3  # assumed: the output relay of the high-impedance state
_SOURCE_CURRENTS = CURRENT_RANGES[1:]  # 100 pA measures only
_INTERLOCK = 802
_CONFLICT = 5007  # assumed number: settings that exclude each other
_LIMIT_ON_200_V = 0.1  # SPEC-2636B: 1.5 A up to 20 V, 100 mA up to 200 V


@dataclass(slots=True)
class SourceSide:
    """Level and range of one source function."""

    ranges: Sequence[Range]
    level: float = 0.0
    is_auto: bool = True
    rng: Range = field(init=False)
    lowest: Range = field(init=False)

    def __post_init__(self) -> None:
        self.rng = self.lowest = self.ranges[0]

    def range_for(self, level: float) -> Range:
        """Return the range for ``level``, unit V or A; error 1101 or 1102 where the fixed range is too low."""
        if not self.is_auto:
            if abs(level) > self.rng.full_scale * SOURCE_HEADROOM * (1 + 1e-12):
                raise too_big() if level > 0 else too_small()
            return self.rng
        rng = select_range(self.ranges, level, SOURCE_HEADROOM)
        return rng if rng.full_scale >= self.lowest.full_scale else self.lowest


class SmuSource:
    """The source of one channel.

    Parameters
    ----------
    terminal : Terminal
        Its output on the bench.
    circuit : Circuit
        The bench's circuit.
    metering : Metering
        Its errors.
    current_ceiling_a : callable
        Returns the current, unit A, at which a fixed measure range limits the output, inf where it does not.
    voltage_ceiling_v : callable
        Likewise for a current source.

    Attributes
    ----------
    is_welded : bool
        A fault: once the output is on, it stays on.
    is_interlocked : bool
        A fault: the interlock is open, and the output cannot be switched on.
    """

    def __init__(
        self,
        terminal: Terminal,
        circuit: Circuit,
        metering: Metering,
        *,
        current_ceiling_a: Callable[[], float],
        voltage_ceiling_v: Callable[[], float],
    ) -> None:
        self.terminal = terminal
        self._circuit = circuit
        self._metering = metering
        self._current_ceiling_a = current_ceiling_a
        self._voltage_ceiling_v = voltage_ceiling_v
        self.settled_at_s = 0.0
        self.is_welded = self.is_interlocked = False
        self._defaults()
        self._write_terminal()

    def _defaults(self) -> None:
        self.function = VOLTS
        self.output = OFF
        self.voltage = SourceSide(VOLTAGE_RANGES)
        self.current = SourceSide(_SOURCE_CURRENTS)
        # 2600BS-901-01 Rev. F page 9-244
        self.limit_v, self.limit_a, self.limit_w = 20.0, 0.1, 0.0
        self.off_mode, self.off_function = NORMAL, VOLTS
        self.off_limit_a, self.off_limit_v = 1e-3, 40.0
        self.delay_s = 0.0
        self._step: float | None = None

    def reset(self) -> None:
        """Go back to the defaults, output off."""
        self._circuit.settle()
        stays_on = self.is_welded and self.output == ON
        self._defaults()
        self.output = ON if stays_on else OFF
        self._write_terminal()

    @property
    def side(self) -> SourceSide:
        """Level and range of the present function."""
        return self.voltage if self.function == VOLTS else self.current

    @property
    def present_level(self) -> float:
        """What is sourced: a sweep's level while one holds it, else the programmed level, unit V or A."""
        return self.side.level if self._step is None else self._step

    # --- levels, ranges, limits -----------------------------------------------------------------------------------

    def set_level_v(self, value: Value) -> None:
        """Set ``levelv``, unit V, within ±202."""
        top = VOLTAGE_RANGES[-1].full_scale * SOURCE_HEADROOM
        self._set_level(self.voltage, number(value, -top, top))

    def set_level_a(self, value: Value) -> None:
        """Set ``leveli``, unit A, within ±1.515."""
        top = CURRENT_RANGES[-1].full_scale * SOURCE_HEADROOM
        self._set_level(self.current, number(value, -top, top))

    def _set_level(self, side: SourceSide, level: float) -> None:
        rng = side.range_for(level)
        self._check_power(side, rng)
        self._take_range(side, rng)
        side.level = level
        self._refresh(side)
        if self.output == ON and side is self.side:
            self._wait_source_delay(rng)

    def set_range_v(self, value: Value) -> None:
        """Set ``rangev`` to the lowest range that holds the value, unit V; auto-range goes off."""
        self._set_range(self.voltage, value)

    def set_range_a(self, value: Value) -> None:
        """Set ``rangei`` to the lowest range that holds the value, unit A; auto-range goes off."""
        self._set_range(self.current, value)

    def _set_range(self, side: SourceSide, value: Value) -> None:
        rng = select_range(side.ranges, number(value))
        if abs(side.level) > rng.full_scale * SOURCE_HEADROOM * (1 + 1e-12):
            raise TspFault(_CONFLICT, f"Source range {rng.full_scale:g} is below the source level {side.level:g}")
        self._check_power(side, rng)
        side.is_auto = False
        self._take_range(side, rng)
        self._refresh(side)

    def set_auto(self, side: SourceSide, value: Value) -> None:
        """Set ``autorangev`` or ``autorangei``."""
        side.is_auto = bool(choice(value, (0, 1)))
        if side.is_auto:
            self._take_range(side, side.range_for(side.level))
            self._refresh(side)

    def set_lowest(self, side: SourceSide, value: Value) -> None:
        """Set ``lowrangev`` or ``lowrangei``."""
        side.lowest = select_range(side.ranges, number(value))
        if side.is_auto:
            self._take_range(side, side.range_for(side.level))
            self._refresh(side)

    def set_limit_a(self, value: Value) -> None:
        """Set ``limiti``, unit A, 100 pA to 1.5 A; 100 mA at most on the 200 V range."""
        limit_a = number(value, 100e-12, 1.5)
        if self.voltage.rng is VOLTAGE_RANGES[-1] and limit_a > _LIMIT_ON_200_V:
            raise too_big()
        self.limit_a = limit_a
        self._refresh(self.voltage)

    def set_limit_v(self, value: Value) -> None:
        """Set ``limitv``, unit V, 20 mV to 200 V; 20 V at most on the ranges above 100 mA."""
        limit_v = number(value, 20e-3, 200.0)
        if self.current.rng.full_scale > _LIMIT_ON_200_V and limit_v > 20.0:
            raise too_big()
        self.limit_v = limit_v
        self._refresh(self.current)

    def set_limit_w(self, value: Value) -> None:
        """Set ``limitp``, unit W; 0 means none."""
        self.limit_w = number(value, 0.0, 30.603)
        self._refresh(self.side)

    def prepare_steps(self, side: SourceSide, levels: Sequence[float]) -> None:
        """Take the one range that all ``levels`` of a sweep need, unit V or A; 1101 or 1102 where there is none."""
        rng = max((side.range_for(level) for level in (*levels, side.level)), key=lambda one: one.full_scale)
        self._check_power(side, rng)
        self._take_range(side, rng)

    def step_to(self, level: float | None) -> None:
        """Source ``level``, unit V or A, without changing the programmed level; None goes back to that."""
        self._step = level
        if self.output == ON:
            self.apply()
            self._wait_source_delay(self.side.rng)

    def _check_power(self, side: SourceSide, rng: Range) -> None:
        if side is self.voltage and rng is VOLTAGE_RANGES[-1] and self.limit_a > _LIMIT_ON_200_V:
            raise TspFault(_CONFLICT, "Current limit must not exceed 100 mA on the 200 V range")
        if side is self.current and rng.full_scale > _LIMIT_ON_200_V and self.limit_v > 20.0:
            raise TspFault(_CONFLICT, "Voltage limit must not exceed 20 V on the 1 A and 1.5 A ranges")

    def _take_range(self, side: SourceSide, rng: Range) -> None:
        if rng is side.rng:
            return
        side.rng = rng
        if self.output == ON and side is self.side:
            self._circuit.clock.sleep(RANGE_CHANGE_S)

    def _refresh(self, side: SourceSide) -> None:
        # the zero off state keeps the limits of the on state (page 2-42)
        if side is self.side and (self.output == ON or (self.output == OFF and self.off_mode == ZERO)):
            self.apply()

    # --- function and output --------------------------------------------------------------------------------------

    def set_function(self, value: Value) -> None:
        """Set ``func``: voltage or current source."""
        function = choice(value, (AMPS, VOLTS))
        if function != self.function:
            self.function = function
            self.apply()

    def set_output(self, value: Value) -> None:
        """Set ``output``: off, on, or off with the relay open.

        Raises
        ------
        TspFault
            802 where the interlock is open.
        """
        output = choice(value, (OFF, ON, OFF_HIGH_Z))
        if output == ON and self.is_interlocked:
            raise TspFault(_INTERLOCK, "OUTPUT blocked by interlock")
        if output != ON and self.is_welded and self.output == ON:
            return
        was_open = self.terminal.mode is TerminalMode.OPEN
        self.output = output
        is_open = output == OFF_HIGH_Z or (output == OFF and self.off_mode == HIGH_Z)
        if was_open and not is_open:
            self._circuit.clock.sleep(_RELAY_S)
        self.apply()
        if is_open and not was_open:
            self._circuit.clock.sleep(_RELAY_S)
        if output == ON:
            self._wait_source_delay(self.side.rng)

    def set_off_mode(self, value: Value) -> None:
        """Set ``offmode``: normal, zero or high impedance."""
        self.off_mode = choice(value, (NORMAL, ZERO, HIGH_Z))
        self.apply()

    def set_off_function(self, value: Value) -> None:
        """Set ``offfunc``: what the normal off state sources nothing of."""
        self.off_function = choice(value, (AMPS, VOLTS))
        self.apply()

    def set_off_limit_a(self, value: Value) -> None:
        """Set ``offlimiti``, unit A."""
        self.off_limit_a = number(value, 100e-12, 1.5)
        self.apply()

    def set_off_limit_v(self, value: Value) -> None:
        """Set ``offlimitv``, unit V."""
        self.off_limit_v = number(value, 20e-3, 200.0)
        self.apply()

    def set_delay(self, value: Value) -> None:
        """Set ``delay``, unit s; -1 means by range."""
        delay_s = number(value, AUTO_DELAY)
        if delay_s < 0.0 and delay_s != AUTO_DELAY:
            raise too_small()
        self.delay_s = delay_s

    def apply(self) -> None:
        """Let the circuit live up to now, then bring the terminal to the present settings."""
        self._circuit.settle()
        self._write_terminal()
        self.settled_at_s = self._circuit.clock.now_s() + self.side.rng.settling_s

    def _wait_source_delay(self, rng: Range) -> None:
        self._circuit.clock.sleep(rng.settling_s if self.delay_s == AUTO_DELAY else self.delay_s)

    def _write_terminal(self) -> None:
        terminal = self.terminal
        terminal.turn(self.output == ON)
        if self.output == ON:
            self._write_on(terminal)
        elif self.output == OFF_HIGH_Z or self.off_mode == HIGH_Z:
            terminal.mode = TerminalMode.OPEN
        elif self.off_mode == ZERO:
            self._write_off_voltage(terminal, self.limit_a if self.function == VOLTS else self._zero_limit_a())
        elif self.off_function == VOLTS:
            self._write_off_voltage(terminal, self.off_limit_a)
        else:
            terminal.mode = TerminalMode.CURRENT
            terminal.level = self._metering.sourced(0.0, self.current.rng)
            terminal.voltage_limit_v = self.off_limit_v

    def _write_on(self, terminal: Terminal) -> None:
        level = self.present_level
        if self.function == VOLTS:
            terminal.mode = TerminalMode.VOLTAGE
            terminal.level = self._metering.sourced(level, self.voltage.rng)
            terminal.current_limit_a = min(self.limit_a, self._power_limit(level), self._current_ceiling_a())
        else:
            terminal.mode = TerminalMode.CURRENT
            terminal.level = self._metering.sourced(level, self.current.rng)
            terminal.voltage_limit_v = min(self.limit_v, self._power_limit(level), self._voltage_ceiling_v())

    def _power_limit(self, level: float) -> float:
        return self.limit_w / abs(level) if self.limit_w and level else float("inf")

    def _write_off_voltage(self, terminal: Terminal, limit_a: float) -> None:
        terminal.mode = TerminalMode.VOLTAGE
        terminal.level = self._metering.sourced(0.0, VOLTAGE_RANGES[0])
        terminal.current_limit_a = limit_a

    def _zero_limit_a(self) -> float:
        # 2600BS-901-01 page 2-42: the programmed current or 10 % of the range, whichever is greater
        return max(abs(self.current.level), 0.1 * self.current.rng.full_scale)
