"""Ranges of the Keithley 2636B: accuracy, resolution, noise and settling, as its data sheet prints them.

Not here: how they act on a value (:mod:`labctl_mock.keithley.metering`). Sources: SPEC-2636B (voltage and current
accuracy, 1 year, 23 °C ± 5 °C; typical noise, 0.1 Hz to 10 Hz, peak to peak; output settling), 2600BS-901-01 Rev. B
page 4-25 (current measure settling time, which is the default measure delay of this model), SPEC-2602B Rev. B page 2
(derating below 1 PLC). The figures of the ranges below 1 µA and of the voltage ranges are quoted from the 2636B
sheet from memory.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from labctl_mock.tsp.faults import too_big

__all__ = [
    "CURRENT_RANGES",
    "MEASURE_HEADROOM",
    "SOURCE_HEADROOM",
    "SPEED_DERATING",
    "VOLTAGE_RANGES",
    "Range",
    "Spec",
    "select_range",
]

SOURCE_HEADROOM = 1.01  # 2600BS-901-01 Rev. F page 2-44: 101 % of range can be sourced
MEASURE_HEADROOM = 1.02  # page 2-44: 102 % of range can be measured; autorange changes at 100 %


@dataclass(frozen=True, slots=True)
class Spec:
    """Accuracy ± (``gain`` of the value + ``offset``) and resolution of one function on one range.

    Attributes
    ----------
    resolution : float, unit V or A
        Smallest step.
    gain : float, unit 1
        Part of the value.
    offset : float, unit V or A
        Constant part.
    """

    resolution: float
    gain: float
    offset: float


@dataclass(frozen=True, slots=True)
class Range:
    """One range.

    Attributes
    ----------
    full_scale : float, unit V or A
        Its name.
    source, measure : Spec or None
        None where the range does not exist for that function.
    noise : float, unit V or A
        Peak to peak, 0.1 Hz to 10 Hz.
    settling_s : float, unit s
        Source level to 0.1 %; for currents also the automatic measure delay.
    """

    full_scale: float
    source: Spec | None
    measure: Spec
    noise: float
    settling_s: float


VOLTAGE_RANGES: tuple[Range, ...] = (
    Range(0.2, Spec(5e-6, 2e-4, 375e-6), Spec(100e-9, 1.5e-4, 225e-6), 20e-6, 50e-6),
    Range(2.0, Spec(50e-6, 2e-4, 600e-6), Spec(1e-6, 2e-4, 350e-6), 50e-6, 50e-6),
    Range(20.0, Spec(500e-6, 2e-4, 5e-3), Spec(10e-6, 1.5e-4, 5e-3), 300e-6, 110e-6),
    Range(200.0, Spec(5e-3, 2e-4, 50e-3), Spec(100e-6, 1.5e-4, 50e-3), 2e-3, 700e-6),
)

CURRENT_RANGES: tuple[Range, ...] = (
    Range(100e-12, None, Spec(0.1e-15, 1.5e-3, 120e-15), 80e-15, 360e-3),
    Range(1e-9, Spec(20e-15, 1.5e-3, 2e-12), Spec(1e-15, 1.5e-3, 240e-15), 800e-15, 360e-3),
    Range(10e-9, Spec(200e-15, 1.5e-3, 5e-12), Spec(10e-15, 1.5e-3, 3e-12), 2e-12, 90e-3),
    Range(100e-9, Spec(2e-12, 6e-4, 50e-12), Spec(100e-15, 6e-4, 40e-12), 5e-12, 15e-3),
    Range(1e-6, Spec(20e-12, 3e-4, 700e-12), Spec(1e-12, 2.5e-4, 400e-12), 25e-12, 2.5e-3),
    Range(10e-6, Spec(200e-12, 3e-4, 5e-9), Spec(10e-12, 2.5e-4, 1.5e-9), 60e-12, 500e-6),
    Range(100e-6, Spec(2e-9, 3e-4, 60e-9), Spec(100e-12, 2e-4, 25e-9), 3e-9, 150e-6),
    Range(1e-3, Spec(20e-9, 3e-4, 300e-9), Spec(1e-9, 2e-4, 200e-9), 6e-9, 100e-6),
    Range(10e-3, Spec(200e-9, 3e-4, 6e-6), Spec(10e-9, 2e-4, 2.5e-6), 200e-9, 80e-6),
    Range(100e-3, Spec(2e-6, 3e-4, 30e-6), Spec(100e-9, 2e-4, 20e-6), 600e-9, 80e-6),
    Range(1.0, Spec(20e-6, 5e-4, 1.8e-3), Spec(1e-6, 3e-4, 1.5e-3), 70e-6, 120e-6),
    Range(1.5, Spec(20e-6, 6e-4, 4e-3), Spec(1e-6, 5e-4, 3.5e-3), 150e-6, 120e-6),
)

# SPEC-2602B Rev. B page 2: added part of the reading at 0.1, 0.01 and 0.001 PLC (the last 0.5 to 1 %)
SPEED_DERATING: tuple[tuple[float, float], ...] = ((1.0, 0.0), (0.1, 1e-4), (0.01, 5e-4), (0.001, 5e-3))


def select_range(ranges: Sequence[Range], value: float, headroom: float = 1.0) -> Range:
    """Return the lowest of ``ranges`` that holds ``value``.

    Parameters
    ----------
    ranges : sequence of Range
        Rising.
    value : float, unit V or A
        Of either sign.
    headroom : float, unit 1
        1 when a range is asked for by its name, more when a level is to fit.

    Returns
    -------
    Range

    Raises
    ------
    TspFault
        1101 where none does.
    """
    magnitude = abs(value) * (1.0 - 1e-12)
    for candidate in ranges:
        if magnitude <= candidate.full_scale * headroom:
            return candidate
    raise too_big()
