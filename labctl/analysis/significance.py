"""Tests whether two estimates or two samples differ, and the correction for the number of tests.

That two intervals overlap is no test and is not here. Not here: which results are tested
(:mod:`labctl.analysis.comparison`).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["LEAST_VALUES", "holm", "p_of_estimates", "p_of_samples"]

FloatArray = NDArray[np.float64]

# with three values against three the smallest p-value there is is 0.1
LEAST_VALUES = 4
_REACH = 1.959963984540054


def p_of_estimates(one: tuple[float, float, float], other: tuple[float, float, float]) -> float | None:
    """Test whether two estimates differ.

    Parameters
    ----------
    one, other : (float, float, float), any one unit
        Value and ends of the 95 % interval.

    Returns
    -------
    float or None, unit 1
        Two-sided p-value of the difference as normal; None where the intervals that face each other have no width.
    """
    from scipy.special import ndtr

    below, above = sorted((one, other))
    error = float(np.hypot(below[2] - below[0], above[0] - above[1])) / _REACH
    return float(2.0 * ndtr(-(above[0] - below[0]) / error)) if error > 0.0 else None


def p_of_samples(one: FloatArray, other: FloatArray) -> float | None:
    """Test whether one of two samples lies above the other.

    Parameters
    ----------
    one, other : ndarray, shape (n,), (m,), any one unit
        Independent values.

    Returns
    -------
    float or None, unit 1
        Two-sided p-value of Mann and Whitney, exact for small samples without ties; None where a sample has fewer
        than 4 values, or all are equal.
    """
    from scipy.stats import mannwhitneyu

    if min(one.size, other.size) < LEAST_VALUES or np.ptp(np.concatenate([one, other])) == 0.0:
        return None
    return float(mannwhitneyu(one, other).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values for their number, by Holm's method.

    Parameters
    ----------
    p_values : sequence of float, unit 1

    Returns
    -------
    list of float, unit 1
        In the same order; the chance of any false alarm stays below the level.
    """
    count, reached = len(p_values), 0.0
    corrected = [0.0] * count
    for rank, place in enumerate(sorted(range(count), key=lambda number: p_values[number])):
        reached = max(reached, min(1.0, (count - rank) * p_values[place]))
        corrected[place] = reached
    return corrected
