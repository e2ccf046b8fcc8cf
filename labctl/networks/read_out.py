"""Analog read-out of column currents: feedback-based current scaling in front of a converter, and its calibration.

A mirror divides the current of a column by a ratio M, a feedback chooses M so that what is left lies well inside the
range of the converter, and the number that leaves the chip is code x step x M. This is auto-ranging with hysteresis:
through the instruments of a station the same is done by the automatic range of the source-measure unit. Not here: the
error of products column by column (:mod:`labctl.analysis.vector_multiplication`).

References
----------
.. [1] J. Um et al., IEEE Trans. Biomed. Circuits Syst. 19 (2025) 590, doi:10.1109/TBCAS.2024.3465610, names the
   feedback-based current scaling; its circuit, thresholds and converter are not public, and assumed here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["CurrentScaling", "ReadOut", "bit_planes", "calibrated_ratios"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ReadOut:
    """What a chain gave.

    Attributes
    ----------
    current_a : ndarray, shape (samples, columns), unit A
        Code x step x ratio.
    ratio : ndarray, shape (samples, columns), unit 1
        Nominal ratio of the conversion that counts.
    is_saturated : ndarray of bool, shape (samples, columns)
        Whether the current is beyond the largest range.
    conversions : int
        Those that were thrown away for another ratio included.
    """

    current_a: FloatArray
    ratio: FloatArray
    is_saturated: npt.NDArray[np.bool_]
    conversions: int


@dataclass(frozen=True, slots=True)
class CurrentScaling:
    """A mirror with a few ratios, one for each column, in front of a converter.

    Attributes
    ----------
    full_scale_a : float, unit A
        Largest current, at the largest ratio.
    bits : int
        Of the converter, for currents from 0.
    ratios : tuple of float, unit 1
        Rising, the first is 1.
    rise_above, drop_below : float, unit 1
        Parts of the converter's range: beyond the one a larger ratio is taken at once, below the other a smaller one.
    hold : int
        Samples in a row below ``drop_below`` before the ratio is made smaller.

    Raises
    ------
    ValueError
        If a value breaks its rule, or the thresholds would let the ratio swing between two values.
    """

    full_scale_a: float
    bits: int = 8
    ratios: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0)
    rise_above: float = 0.95
    drop_below: float = 0.08
    hold: int = 2

    def __post_init__(self) -> None:
        if not (self.full_scale_a > 0.0 and self.bits >= 1 and self.hold >= 1):
            raise ValueError(
                "current scaling: full scale must be positive and bits and hold at least 1, got "
                f"{self.full_scale_a:.4g} A, {self.bits} bits, {self.hold} samples"
            )
        steps = np.diff(self.ratios)
        if not self.ratios or self.ratios[0] != 1.0 or (steps <= 0.0).any():
            raise ValueError(f"current scaling: ratios must rise from 1, got {self.ratios}")
        widest = max((later / one for one, later in zip(self.ratios, self.ratios[1:], strict=False)), default=1.0)
        if not 0.0 < self.drop_below * widest < self.rise_above <= 1.0:
            raise ValueError(
                f"current scaling: {self.drop_below:.4g} of the range must lie below {self.rise_above:.4g} of the range"
                f" at the next smaller ratio, {widest:.4g} times finer; or the ratio would swing"
            )

    @property
    def step_a(self) -> float:
        """Current of one code at ratio 1, unit A."""
        return self.full_scale_a / self.ratios[-1] / float(2**self.bits - 1)

    def convert(
        self,
        current_a: npt.ArrayLike,
        *,
        true_ratios: npt.ArrayLike | None = None,
        known_ratios: npt.ArrayLike | None = None,
    ) -> ReadOut:
        """Convert currents, one sample after another.

        Parameters
        ----------
        current_a : array_like, shape (samples, columns), unit A
            Negative ones give code 0.
        true_ratios : array_like, shape (ratios,) or (columns, ratios), unit 1, optional
            What the mirrors really divide by; the nominal ratios unless given.
        known_ratios : array_like, shape (ratios,) or (columns, ratios), unit 1, optional
            What the codes are multiplied by; the nominal ratios unless given. See :func:`calibrated_ratios`.

        Returns
        -------
        ReadOut
        """
        current = np.asarray(current_a, dtype=float)
        columns = current.shape[1]
        nominal = np.asarray(self.ratios)
        divided, known = (
            np.broadcast_to(nominal if one is None else np.asarray(one, dtype=float), (columns, nominal.size))
            for one in (true_ratios, known_ratios)
        )
        every, top_code = np.arange(columns), 2**self.bits - 1
        place = np.full(columns, nominal.size - 1)
        divisor, low = divided[every, place], np.zeros(columns, dtype=np.int64)
        parts, places = np.empty(current.shape), np.empty(current.shape, dtype=np.int64)
        conversions = 0
        for number, sample in enumerate(current):
            part = sample / divisor / self.step_a
            conversions += columns
            low = np.where(part < self.drop_below * top_code, low + 1, 0)
            smaller = (low >= self.hold) & (place > 0)
            while smaller.any():
                place, conversions = place - smaller, conversions + int(smaller.sum())
                divisor = divided[every, place]
                part = sample / divisor / self.step_a
                smaller = smaller & (part < self.drop_below * top_code) & (place > 0)
            larger = (part > self.rise_above * top_code) & (place < nominal.size - 1)
            while larger.any():
                place, conversions = place + larger, conversions + int(larger.sum())
                divisor = divided[every, place]
                part = sample / divisor / self.step_a
                larger = larger & (part > self.rise_above * top_code) & (place < nominal.size - 1)
            parts[number], places[number] = part, place
        found_a = np.rint(parts.clip(0.0, top_code)) * self.step_a * known[every, places]
        return ReadOut(found_a, nominal[places], parts > top_code + 0.5, conversions)


def calibrated_ratios(scaling: CurrentScaling, true_ratios: npt.ArrayLike, reference_a: Sequence[float]) -> FloatArray:
    """Return what mirrors are found to divide by when known currents of a reference column are put through them.

    Parameters
    ----------
    scaling : CurrentScaling
    true_ratios : array_like, shape (columns, ratios), unit 1
    reference_a : sequence of float, unit A
        For each ratio a known current, best near the top of its range.

    Returns
    -------
    ndarray, shape (columns, ratios), unit 1
        As exactly as one code tells it.

    Raises
    ------
    ValueError
        If a reference gives no code, or more than the largest.
    """
    top_code = 2**scaling.bits - 1
    code = np.rint(np.asarray(reference_a) / np.asarray(true_ratios, dtype=float) / scaling.step_a)
    if not ((code >= 1) & (code <= top_code)).all():
        raise ValueError(f"current scaling: references must give codes of 1 to {top_code}, got {code}")
    return np.asarray(np.asarray(reference_a) / (code * scaling.step_a), dtype=np.float64)


def bit_planes(values: npt.ArrayLike, bits: int, *, largest: float) -> IntArray:
    """Write inputs as binary numbers, one plane after another: what a driver with two levels can put on word lines.

    Parameters
    ----------
    values : array_like, shape (n, inputs), unit 1
        From 0; what lies above ``largest`` counts as it.
    bits : int
    largest : float, unit of the values
        Becomes the largest number.

    Returns
    -------
    ndarray of int, shape (bits, n, inputs), unit 1
        0 and 1, the least bit first; the sum of ``2**k`` times plane k is the input in units of
        ``largest / (2**bits - 1)``.
    """
    top = 2**bits - 1
    codes = np.rint(np.clip(np.asarray(values, dtype=float) / largest, 0.0, 1.0) * top).astype(np.int64)
    return np.stack([codes >> place & 1 for place in range(bits)])
