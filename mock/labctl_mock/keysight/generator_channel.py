"""One channel of a simulated 33600A generator: levels, pulse timing, what its output terminal shows.

Levels are kept as electromotive force behind the 50 ohm output: the output termination setting changes only the values
shown (Agilent 33500 Series Operating and Service Guide, p. 61). Values out of range are clipped with error -222,
conflicts between settings are resolved with error -221 (guide, p. 69 and 323). The limits are those of the 33600A data
sheet, taken second hand and not compared with a printed copy. Not here: the commands
(:mod:`labctl_mock.keysight.keysight33622a`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import floor, inf, log10, sqrt

import numpy as np

from labctl_mock.bench.terminals import Rectangle, Terminal, TerminalMode
from labctl_mock.keysight.generator_waveforms import WaveformMemory
from labctl_mock.messages import MessageFault
from labctl_mock.messages.numeric import Limit

__all__ = ["FUNCTIONS", "GeneratorChannel", "Specification"]

# function: highest frequency (33600A data sheet, 120 MHz model), Vrms / Vpp
FUNCTIONS = {
    "SIN": (120e6, 0.5 / sqrt(2.0)),
    "SQU": (100e6, 0.5),
    "RAMP": (800e3, 0.5 / sqrt(3.0)),
    "TRI": (800e3, 0.5 / sqrt(3.0)),
    "PULS": (100e6, 0.5),
    "PRBS": (120e6, 0.5),
    "NOIS": (120e6, 0.5 / sqrt(2.0)),
    "ARB": (120e6, 0.5 / sqrt(2.0)),
    "DC": (120e6, 0.5),
}
_SOURCE_OHM = 50.0


@dataclass(frozen=True, slots=True)
class Specification:
    """What one channel can do, from the 33600A data sheet.

    Attributes
    ----------
    max_emf_v : float, unit V
        10 V open, which is 5 V into 50 ohm.
    min_amplitude_emf_v : float, unit V
        Peak to peak: 1 mV into 50 ohm.
    min_width_s, max_width_s, min_edge_s, max_edge_s, min_period_s, max_period_s : float, unit s
        Pulse timing; widths from 50 % to 50 %, edges from 10 % to 90 %.
    gain_error : float, unit 1
        Amplitude accuracy, share of the setting.
    offset_error_v : float, unit V
        Amplitude accuracy, constant share.
    """

    max_emf_v: float = 10.0
    min_amplitude_emf_v: float = 2e-3
    min_width_s: float = 5e-9
    max_width_s: float = 1e6
    min_edge_s: float = 2.9e-9
    max_edge_s: float = 1e-6
    min_period_s: float = 1e-8
    max_period_s: float = 1e6
    gain_error: float = 0.01
    offset_error_v: float = 1e-3


class GeneratorChannel:
    """State of one channel and the terminal that it drives.

    Parameters
    ----------
    terminal : Terminal
        Its resistance becomes 50 ohm.
    report : callable
        Takes an error number and ``detail=``; for settings that are adjusted.
    settle : callable
        Called before the terminal changes.
    seed : sequence of int
        Seed of this channel's calibration error, drawn once: normal with half the accuracy as standard deviation
        (assumed) and never beyond the accuracy.

    Attributes
    ----------
    busy_until_s : float, unit s
        Clock reading at which the last burst ends.
    waveforms : WaveformMemory
    is_welded : bool
        A fault: once the output is on, it stays on.
    """

    specification = Specification()

    def __init__(
        self, terminal: Terminal, report: Callable[..., None], settle: Callable[[], None], seed: tuple[int, ...]
    ) -> None:
        terminal.resistance_ohm = _SOURCE_OHM
        self.terminal = terminal
        self.busy_until_s = -inf
        self.is_welded = False
        self.waveforms = WaveformMemory()
        self._report = report
        self._settle = settle
        draws = np.clip(np.random.default_rng(seed).normal(0.0, 0.5, 2), -1.0, 1.0)
        self._gain = 1.0 + self.specification.gain_error * float(draws[0])
        self._error_v = self.specification.offset_error_v * float(draws[1])
        self.reset()

    def reset(self) -> None:
        """Take the factory settings: 1 kHz sine, 100 mVpp into 50 ohm, output off."""
        self.is_on = False
        self.is_inverted = False
        self.load_ohm = 50.0
        self.unit = "VPP"
        self.function = "SIN"
        self.frequency_hz = 1e3
        self.high_emf_v, self.low_emf_v = 0.1, -0.1
        self.width_s = 100e-6
        self.leading_s = self.trailing_s = 10e-9
        self.holds_duty = False
        self.square_duty = 50.0
        self.burst_on = False
        self.burst_cycles = 1.0
        self.trigger_source = "IMM"
        self.trigger_delay_s = 0.0
        self.limits_on = False
        self.limit_high_v, self.limit_low_v = 5.0, -5.0
        self.busy_until_s = -inf
        self.waveforms.reset()
        self.show()

    @property
    def scale(self) -> float:
        """Shown volts per volt of electromotive force, unit 1."""
        return 1.0 if self.load_ohm == inf else self.load_ohm / (self.load_ohm + _SOURCE_OHM)

    @property
    def high_v(self) -> float:
        """High level as shown, unit V."""
        return self.high_emf_v * self.scale

    @property
    def low_v(self) -> float:
        """Low level as shown, unit V."""
        return self.low_emf_v * self.scale

    @property
    def offset_v(self) -> float:
        """Offset as shown, unit V."""
        return 0.5 * (self.high_emf_v + self.low_emf_v) * self.scale

    @property
    def amplitude_v(self) -> float:
        """Amplitude as shown, unit V peak to peak."""
        return (self.high_emf_v - self.low_emf_v) * self.scale

    @property
    def min_amplitude_v(self) -> float:
        """Least amplitude as shown, unit V."""
        return self.specification.min_amplitude_emf_v * self.scale

    @property
    def max_level_v(self) -> float:
        """Highest level as shown, unit V."""
        return self.specification.max_emf_v * self.scale

    @property
    def period_s(self) -> float:
        """Period of the waveform, unit s."""
        return 1.0 / self.frequency_hz

    def bounded(self, value: float | Limit, minimum: float, maximum: float, default: float) -> float:
        """Resolve MIN, MAX and DEF, unit as the setting has; beyond the range -222 and the bound (guide p. 323)."""
        if isinstance(value, Limit):
            return {Limit.MINIMUM: minimum, Limit.MAXIMUM: maximum, Limit.DEFAULT: default}[value]
        # a bound that went through a change of scale and back must not refuse itself
        if value > maximum + 1e-9 * abs(maximum):
            self._report(-222, detail="value clipped to upper limit")
            return maximum
        if value < minimum - 1e-9 * abs(minimum):
            self._report(-222, detail="value clipped to lower limit")
            return minimum
        return value

    def set_high(self, value: float | Limit) -> None:
        """Set the high level, unit V as shown; a low level that is not below it is moved, with -221 (guide p. 323)."""
        limit_v = self.max_level_v
        high_v = self._within_limits(_rounded(self.bounded(value, -limit_v, limit_v, 0.05)))
        low_v = self.low_v
        if low_v > high_v - self.min_amplitude_v + 1e-9:
            self._conflict("low level adjusted due to high level")
            low_v = max(high_v - self.min_amplitude_v, -limit_v)
            high_v = max(high_v, low_v + self.min_amplitude_v)
        self._set_levels(high_v, low_v)

    def set_low(self, value: float | Limit) -> None:
        """Set the low level, unit V as shown; a high level that is not above it is moved, with -221 (guide p. 323)."""
        limit_v = self.max_level_v
        low_v = self._within_limits(_rounded(self.bounded(value, -limit_v, limit_v, -0.05)))
        high_v = self.high_v
        if high_v < low_v + self.min_amplitude_v - 1e-9:
            self._conflict("high level adjusted due to low level")
            high_v = min(low_v + self.min_amplitude_v, limit_v)
            low_v = min(low_v, high_v - self.min_amplitude_v)
        self._set_levels(high_v, low_v)

    def set_amplitude(self, value: float | Limit) -> None:
        """Set the amplitude, unit V peak to peak as shown, around the offset."""
        offset_v = self.offset_v
        maximum_v = 2.0 * (self.max_level_v - abs(offset_v))
        amplitude_v = _rounded(self.bounded(value, self.min_amplitude_v, maximum_v, 0.1))
        high_v = self._within_limits(offset_v + 0.5 * amplitude_v)
        low_v = self._within_limits(offset_v - 0.5 * amplitude_v)
        self._set_levels(high_v, low_v)

    def set_offset(self, value: float | Limit) -> None:
        """Set the offset, unit V as shown; with DC it is the level."""
        half_v = 0.0 if self.function == "DC" else 0.5 * self.amplitude_v
        maximum_v = self.max_level_v - half_v
        offset_v = self._within_limits(_rounded(self.bounded(value, -maximum_v, maximum_v, 0.0)))
        half_v = min(0.5 * self.amplitude_v, self.max_level_v - abs(offset_v))
        self._set_levels(offset_v + half_v, offset_v - half_v)

    def set_load(self, value: float | Limit) -> None:
        """Tell the instrument its load, unit ohm: shown levels change, the output does not (guide p. 61).

        Raises
        ------
        MessageFault
            -221 while voltage limits are on.
        """
        if self.limits_on:
            raise MessageFault(-221, "cannot change the output termination with voltage limits enabled")
        self.load_ohm = inf if value == inf else self.bounded(value, 1.0, 1e4, 50.0)
        if self.load_ohm == inf:
            self.unit = "VPP"  # guide p. 61: units become Vpp with high impedance

    def set_function(self, function: str) -> None:
        """Select the waveform; a frequency beyond its reach is lowered with -221."""
        self.function = function
        if self.frequency_hz > FUNCTIONS[function][0]:
            self.frequency_hz = FUNCTIONS[function][0]
            self._conflict("frequency reduced for new function")
        if function == "PULS":
            self._fit_width()
        self.show()

    def set_frequency(self, value: float | Limit) -> None:
        """Set the frequency, unit Hz."""
        self._set_period(1.0 / self.bounded(value, 1e-6, FUNCTIONS[self.function][0], 1e3))

    def set_period(self, value: float | Limit) -> None:
        """Set the pulse period, unit s; width or duty cycle is held."""
        own = self.specification
        self._set_period(self.bounded(value, own.min_period_s, own.max_period_s, 1e-3))

    def _set_period(self, period_s: float) -> None:
        duty = self.width_s / self.period_s
        self.frequency_hz = 1.0 / period_s
        if self.holds_duty:
            self.width_s = duty * period_s
        if self.function == "PULS" or self.holds_duty:
            self._fit_width()
        self.show()

    def set_width(self, value: float | Limit) -> None:
        """Set the pulse width at half height, unit s; it must end before the period, edges give way (guide p. 69)."""
        own = self.specification
        self.width_s = self.bounded(value, own.min_width_s, own.max_width_s, 100e-6)
        self._fit_width()
        self.show()

    def set_duty(self, value: float | Limit) -> None:
        """Set the pulse width as a share of the period, unit %."""
        self.set_width(self.bounded(value, 0.01, 99.99, 10.0) / 100.0 * self.period_s)

    def set_edges(self, value: float | Limit, *, leading: bool, trailing: bool) -> None:
        """Set edge times from 10 % to 90 %, unit s; what does not fit into the width is shortened with -221."""
        own = self.specification
        edge_s = self.bounded(value, own.min_edge_s, own.max_edge_s, 10e-9)
        if leading:
            self.leading_s = edge_s
        if trailing:
            self.trailing_s = edge_s
        self._fit_edges()

    def _fit_width(self) -> None:
        own = self.specification
        longest_s = max(self.period_s - own.min_width_s, own.min_width_s)
        if self.width_s > longest_s * (1.0 + 1e-9):
            self.width_s = longest_s
            self._conflict("pulse width decreased due to period")
        elif self.width_s < own.min_width_s:
            self.width_s = own.min_width_s
            self._conflict("pulse width increased due to edges")
        self._fit_edges()

    def _fit_edges(self) -> None:
        # half of each full ramp (edge / 0.8) lies inside the width: 0.625 (leading + trailing) <= width (geometry)
        longest_s = 0.8 * self.width_s
        if 0.625 * (self.leading_s + self.trailing_s) > self.width_s * (1.0 + 1e-9):
            shortest_s = self.specification.min_edge_s
            self.leading_s = max(min(self.leading_s, longest_s), shortest_s)
            self.trailing_s = max(min(self.trailing_s, longest_s), shortest_s)
            self._conflict("edge times decreased due to pulse width")

    def unit_to_vpp(self, value: float) -> float:
        """Turn an amplitude in the present unit (VPP, VRMS or DBM) into volts peak to peak, unit V."""
        if self.unit == "VPP":
            return value
        rms_v = value if self.unit == "VRMS" else sqrt(1e-3 * self.load_ohm * 10.0 ** (value / 10.0))
        return rms_v / FUNCTIONS[self.function][1]

    def vpp_to_unit(self, amplitude_v: float) -> float:
        """Turn volts peak to peak into the present unit (VPP, VRMS or DBM)."""
        if self.unit == "VPP":
            return amplitude_v
        rms_v = amplitude_v * FUNCTIONS[self.function][1]
        return rms_v if self.unit == "VRMS" else 10.0 * log10(rms_v * rms_v / self.load_ohm / 1e-3)

    def show(self) -> None:
        """Bring the terminal up to the settings, letting the cells live through the time before."""
        if self.is_welded and self.terminal.is_on:
            self.is_on = True
        mode = TerminalMode.VOLTAGE if self.is_on else TerminalMode.OPEN
        level_v = self._emf(self._resting_emf())
        terminal = self.terminal
        if terminal.mode is not mode or (self.is_on and terminal.level != level_v):
            self._settle()
            terminal.mode = mode
            terminal.level = level_v
            terminal.turn(self.is_on)

    def burst(self) -> list[Rectangle]:
        """Return the pulses of one burst, from the trigger on.

        Raises
        ------
        MessageFault
            -310 where this simulation cannot play the waveform: the real instrument would.
        """
        if not self.is_on:
            return []
        if self.function not in ("PULS", "SQU", "ARB") or self.burst_cycles > 10_000:
            raise MessageFault(-310, f"labctl plays bursts of up to 10000 PULS, SQU or ARB cycles, not {self.function}")
        if self.function == "ARB":
            return self._waveform_burst()
        width_s = self.width_s if self.function == "PULS" else 0.01 * self.square_duty * self.period_s
        level_v = self._emf(self.low_emf_v if self.is_inverted else self.high_emf_v)
        name, delay_s, period_s = self.terminal.name, self.trigger_delay_s, self.period_s
        return [
            Rectangle(name, level_v, delay_s + cycle * period_s, width_s) for cycle in range(int(self.burst_cycles))
        ]

    @property
    def burst_s(self) -> float:
        """Time from the trigger to the end of the last period, unit s."""
        cycle_s = self.waveforms.cycle_s if self.function == "ARB" else self.period_s
        return self.trigger_delay_s + self.burst_cycles * cycle_s

    def _waveform_burst(self) -> list[Rectangle]:
        rest_v, cycle_s = self._resting_emf(), self.waveforms.cycle_s
        steps = [(start_s, lasting_s, self._point_emf(value)) for start_s, lasting_s, value in self.waveforms.steps()]
        return [
            Rectangle(
                self.terminal.name, self._emf(level_v), self.trigger_delay_s + cycle * cycle_s + start_s, lasting_s
            )
            for cycle in range(int(self.burst_cycles))
            for start_s, lasting_s, level_v in steps
            if level_v != rest_v
        ]

    def _point_emf(self, value: float) -> float:
        half_v = 0.5 * (self.high_emf_v - self.low_emf_v)
        return 0.5 * (self.high_emf_v + self.low_emf_v) + (-value if self.is_inverted else value) * half_v

    def _resting_emf(self) -> float:
        if self.function == "DC":
            return 0.5 * (self.high_emf_v + self.low_emf_v)
        if self.burst_on and self.function == "ARB":
            # guide, BURSt:PHASe: the burst waits at its starting phase; 0 degrees is the first point
            return self._point_emf(self.waveforms.first)
        if self.burst_on:
            # between bursts a pulse rests where its cycle starts: low, or high when inverted about the offset
            return self.high_emf_v if self.is_inverted else self.low_emf_v
        share = self.width_s / self.period_s if self.function == "PULS" else 0.5
        if self.is_inverted:
            share = 1.0 - share
        return self.low_emf_v + share * (self.high_emf_v - self.low_emf_v)

    def _emf(self, level_v: float) -> float:
        return self._gain * level_v + self._error_v

    def _set_levels(self, high_v: float, low_v: float) -> None:
        scale = self.scale
        self.high_emf_v, self.low_emf_v = high_v / scale, low_v / scale
        self.show()

    def _within_limits(self, level_v: float) -> float:
        if self.limits_on and not self.limit_low_v <= level_v <= self.limit_high_v:
            self._conflict("level clipped to voltage limit")  # guide p. 323
            return min(max(level_v, self.limit_low_v), self.limit_high_v)
        return level_v

    def _conflict(self, detail: str) -> None:
        self._report(-221, detail=detail)


def _rounded(level_v: float) -> float:
    """Round to four digits, at best 0.1 mV (data sheet: resolution of amplitude and offset)."""
    if abs(level_v) < 0.1:
        return round(level_v, 4)
    return round(level_v, 3 - floor(log10(abs(level_v))))
