"""What a procedure may ask of an instrument, whoever made it.

Roles are protocols: a driver in ``labctl_instruments`` fulfils one by having its methods. Values are SI. A driver
refuses what its instrument cannot do with :class:`ValueError`, before a byte is sent; it never clips. A reply that
breaks the format raises :class:`~labctl.errors.ProtocolError`. What an instrument itself complains about waits in its
error queue until ``drain_errors`` is asked, as ``labctl doctor`` does; a run does not ask yet. Not here: the station's
envelope (:mod:`labctl.station`).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

__all__ = [
    "Flag",
    "Identity",
    "Instrument",
    "PulseLimits",
    "PulseSource",
    "Reading",
    "SourceMeter",
    "SourceMeterLimits",
    "SwitchMatrix",
    "TemperatureController",
    "TemperatureLimits",
    "VoltageMeter",
    "WaveformLimits",
    "WaveformSource",
]


class Flag(StrEnum):
    """Quality of a reading."""

    COMPLIANCE = "compliance"
    OVERRANGE = "overrange"


@dataclass(frozen=True, slots=True)
class Reading:
    """One value as an instrument gave it.

    Attributes
    ----------
    value : float or None, unit as ``unit`` says
        None when the instrument answered with an over-range sentinel.
    unit : str
        SI unit, "A", "V" or "K".
    flags : frozenset of Flag
        Empty for a good reading.
    raw : str
        The text that the instrument sent.
    """

    value: float | None
    unit: str
    flags: frozenset[Flag]
    raw: str


@dataclass(frozen=True, slots=True)
class Identity:
    """Who answered ``*IDN?``."""

    maker: str
    model: str
    serial: str
    firmware: str


@runtime_checkable
class Instrument(Protocol):
    """What every instrument can do."""

    def identity(self) -> Identity:
        """Ask the instrument who it is."""
        ...

    def safe_off(self) -> None:
        """Switch every output off (open every relay), writing only: no query comes first."""
        ...

    def is_off(self) -> bool:
        """Read back whether every output is off (every relay open)."""
        ...

    def reset(self) -> None:
        """Bring the instrument to its power-on settings with outputs off and its error queue empty."""
        ...

    def drain_errors(self) -> list[str]:
        """Empty the instrument's error queue and return its entries, oldest first."""
        ...

    def settings(self) -> dict[str, str | float | bool]:
        """Read back the settings that matter to a measurement, for the run file."""
        ...


@dataclass(frozen=True, slots=True)
class SourceMeterLimits:
    """What one channel of a source-measure unit can do."""

    max_voltage_v: float
    max_current_a: float
    min_pulse_s: float


@runtime_checkable
class SourceMeter(Protocol):
    """One channel of a source-measure unit, used as a voltage source that measures current."""

    limits: SourceMeterLimits

    def prepare(
        self,
        *,
        voltage_range_v: float,
        current_limit_a: float,
        measure_range_a: float | None,
        integration_plc: float,
    ) -> None:
        """Set up the channel as a voltage source at 0 V.

        ``measure_range_a`` None means auto-range. Sent only where it differs from what was last prepared.
        """
        ...

    def output_on(self) -> None:
        """Connect the output at the present level."""
        ...

    def output_off(self) -> None:
        """Disconnect the output."""
        ...

    def set_voltage(self, voltage_v: float) -> None:
        """Set the source level."""
        ...

    def measure_current(self) -> Reading:
        """Integrate and return the current; flags tell compliance and over-range."""
        ...

    def measure_voltage(self) -> Reading:
        """Integrate and return the voltage at the terminals."""
        ...

    def staircase(self, levels_v: Sequence[float], *, dwell_s: float) -> list[Reading]:
        """Step through ``levels_v``, ``dwell_s`` each, timed by the instrument; one current per level; end at 0 V."""
        ...

    def pulse(self, level_v: float, *, width_s: float, partner: "SourceMeter | None", partner_level_v: float) -> None:
        """Give one pulse from 0 V and back, timed by the instrument, at least ``limits.min_pulse_s`` wide.

        ``partner`` is the other channel of the same instrument: it pulses at the same time to ``partner_level_v``.
        """
        ...


@runtime_checkable
class VoltageMeter(SourceMeter, Protocol):
    """A channel that can also leave its terminals to themselves and measure the voltage that they take.

    Meanwhile ``set_voltage`` takes no other level than 0 V; ``prepare`` makes the channel a source again.
    """

    def prepare_voltmeter(self, *, range_v: float, integration_plc: float) -> None:
        """Set up the channel, whose output is off, to drive 0 A and to measure voltages of up to ``range_v``."""
        ...


@dataclass(frozen=True, slots=True)
class PulseLimits:
    """What a pulse generator can do into an open circuit."""

    min_width_s: float
    max_width_s: float
    min_edge_s: float
    max_level_v: float


@runtime_checkable
class PulseSource(Protocol):
    """A pulse generator with one or more outputs that fire together."""

    limits: PulseLimits
    outputs: tuple[int, ...]

    def prepare(self, *, width_s: float, edge_s: float) -> None:
        """Set up every output for one pulse per trigger from a 0 V base; levels are those into an open circuit."""
        ...

    def set_levels(self, levels_v: Mapping[int, float]) -> None:
        """Set the plateau of each named output, of either sign; an output that is not named stays at 0 V."""
        ...

    def output_on(self) -> None:
        """Connect every output at its 0 V base."""
        ...

    def output_off(self) -> None:
        """Disconnect every output."""
        ...

    def fire(self) -> None:
        """Trigger one pulse on all outputs at the same instant and return when it is over."""
        ...


@dataclass(frozen=True, slots=True)
class WaveformLimits:
    """What a generator can play from its waveform memory into an open circuit.

    Attributes
    ----------
    most_samples : int
    min_sample_s, max_duration_s : float, unit s
        Shortest sample, longest waveform.
    max_level_v : float, unit V
        Of either sign.
    """

    most_samples: int
    min_sample_s: float
    max_duration_s: float
    max_level_v: float


@runtime_checkable
class WaveformSource(PulseSource, Protocol):
    """A pulse generator that also plays a given course of levels once, on outputs that start together.

    After waveforms, ``prepare`` leaves the outputs off.
    """

    waveform_limits: WaveformLimits

    def load_waveforms(self, levels_v: Mapping[int, Sequence[float]], *, sample_s: float) -> None:
        """Switch every output off and lay a waveform of equal samples, held level by level, on each named one.

        Before and after it, and on an output that is not named, is 0 V. It replaces a pulse that was prepared.
        """
        ...

    def play(self) -> None:
        """Trigger the waveforms once, at the same instant, and return when they are over."""
        ...


@runtime_checkable
class SwitchMatrix(Protocol):
    """A matrix of relays; a crosspoint is named as its maker names it, such as ``"1A01"``."""

    def close(self, crosspoints: Collection[str]) -> None:
        """Close these crosspoints besides those that are closed."""
        ...

    def open(self, crosspoints: Collection[str]) -> None:
        """Open these crosspoints."""
        ...

    def exchange(self, *, opening: Collection[str], closing: Collection[str]) -> None:
        """Open some crosspoints, then close others: break before make, in one message."""
        ...

    def open_all(self) -> None:
        """Open every crosspoint."""
        ...

    def closed(self) -> frozenset[str]:
        """Read back the closed crosspoints."""
        ...


@dataclass(frozen=True, slots=True)
class TemperatureLimits:
    """Which set-points a temperature controller takes.

    Attributes
    ----------
    lowest_k, highest_k : float, unit K
    """

    lowest_k: float
    highest_k: float


@runtime_checkable
class TemperatureController(Protocol):
    """A heater under the sample, with one sensor and one control loop."""

    limits: TemperatureLimits

    def set_temperature(self, temperature_k: float) -> None:
        """Set the set-point and switch the heater on; return at once."""
        ...

    def measure_temperature(self) -> Reading:
        """Read the sensor, unit K; without a value, flagged, where the sensor is out of its range."""
        ...

    def is_stable(self, band_k: float) -> bool:
        """Tell whether the sensor is now within ``band_k`` of the set-point; a heater that went off is an error."""
        ...

    def heater_off(self) -> None:
        """Switch the heater off; the sample cools by itself."""
        ...
