"""What stands between a true value and the value that a unit sources or shows: errors, noise, resolution, over-range.

Each channel draws its gain and offset errors once, per range, inside the one-year specification; noise is drawn for
every reading. Assumed: errors are normal with a third of the specification as standard deviation, cut at the
specification; noise is white with the "typical noise" of the range as six point six standard deviations at one power
line cycle. Not here: ranges (:mod:`labctl_mock.keithley.ranges`); temperature, ageing and warm-up, which are left
out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite, log10, sqrt

import numpy as np

from labctl_mock.keithley.ranges import CURRENT_RANGES, MEASURE_HEADROOM, SPEED_DERATING, VOLTAGE_RANGES, Range, Spec

__all__ = ["OVERRANGE", "SERIES_2600", "Metering", "Tables"]

OVERRANGE = 9.91e37  # 2600BS-901-01: what a reading beyond its range shows
_PEAK_TO_PEAK = 6.6


@dataclass(frozen=True, slots=True)
class Tables:
    """What a data sheet says of a model.

    Attributes
    ----------
    voltage, current : tuple of Range
        Rising.
    derating : sequence of (float, float), unit 1
        Added part of the reading at falling numbers of power line cycles.
    headroom : float, unit 1
        How much of a range can be measured.
    """

    voltage: tuple[Range, ...]
    current: tuple[Range, ...]
    derating: Sequence[tuple[float, float]]
    headroom: float


SERIES_2600 = Tables(VOLTAGE_RANGES, CURRENT_RANGES, SPEED_DERATING, MEASURE_HEADROOM)


class Metering:
    """Errors and noise of one channel.

    Parameters
    ----------
    seed : int, unit 1
        Of the instrument.
    channel : int, unit 1
        0 for A, 1 for B.
    tables : Tables
        Of the model.
    """

    def __init__(self, seed: int, channel: int, tables: Tables = SERIES_2600) -> None:
        self._tables = tables
        errors, noise = (np.random.default_rng([seed, channel, part]) for part in (0, 1))
        self._noise = noise
        # (gain, offset) in parts of the specification; one pair per range, for source and for measure
        ranges = (*tables.voltage, *tables.current)
        shape = (2, len(ranges), 2)
        draws = errors.standard_normal((8, *shape)) / 3.0
        kept = np.abs(draws) <= 1.0
        chosen = np.take_along_axis(draws, kept.argmax(axis=0)[np.newaxis], axis=0)[0]
        self._parts = {
            id(rng): ((float(source[0]), float(source[1])), (float(measure[0]), float(measure[1])))
            for rng, source, measure in zip(ranges, chosen[0], chosen[1], strict=True)
        }

    def sourced(self, level: float, rng: Range) -> float:
        """Return what the output really gives for a programmed ``level``, unit V or A.

        Raises
        ------
        ValueError
            If the range cannot source.
        """
        spec = rng.source
        if spec is None:
            raise ValueError(f"the {rng.full_scale} range cannot source")
        steps = round(level / spec.resolution)
        return _with_error(steps * spec.resolution, spec, self._parts[id(rng)][0])

    def shown(self, value: float, rng: Range, plc: float) -> float:
        """Return the reading of a true mean ``value`` over ``plc`` power line cycles, or :data:`OVERRANGE`."""
        spec = rng.measure
        reading = _with_error(value, spec, self._parts[id(rng)][1])
        rms = sqrt((rng.noise / _PEAK_TO_PEAK) ** 2 / plc + (self._derating(plc) * value / 3.0) ** 2)
        reading += rms * float(self._noise.standard_normal())
        if not isfinite(reading) or abs(reading) > rng.full_scale * self._tables.headroom:
            return OVERRANGE
        return round(reading / spec.resolution) * spec.resolution

    def _derating(self, plc: float) -> float:
        """Interpolate the data sheet's steps linearly in the logarithm of the integration time."""
        for (slow, low), (fast, high) in pairwise(self._tables.derating):
            if plc >= slow:
                return low
            if plc >= fast:
                return low + (high - low) * log10(slow / plc) / log10(slow / fast)
        return self._tables.derating[-1][1]


def _with_error(value: float, spec: Spec, parts: tuple[float, float]) -> float:
    return value * (1.0 + parts[0] * spec.gain) + parts[1] * spec.offset
