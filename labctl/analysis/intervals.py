"""Estimates with intervals, the form in which every figure of merit of this room comes.

Not here: the figures themselves (:mod:`labctl.analysis.distributions` and its neighbours).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Estimate", "TooFewPoints", "bootstrap", "require"]

_RESAMPLES = 2000
_LEVEL = 0.95


class TooFewPoints(ValueError):
    """There are not enough points for a fit; the message says how many it needs."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its 95 % interval.

    Attributes
    ----------
    value : float, unit as ``unit`` says
    low, high : float, unit as ``unit`` says
        Ends of the interval.
    unit : str
    points : int
        How many points it comes from.
    """

    value: float
    low: float
    high: float
    unit: str
    points: int


def require(what: str, found: int, least: int) -> None:
    """Refuse to fit noise.

    Parameters
    ----------
    what : str
        What is to be fitted, for the message.
    found, least : int
        Points there are; points it needs.

    Raises
    ------
    TooFewPoints
        If there are fewer.
    """
    if found < least:
        raise TooFewPoints(f"{what}: needs at least {least} points, got {found}; measure more, or do not fit")


def bootstrap(
    data: NDArray[np.float64],
    statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    *,
    unit: str,
    seed: int = 0,
) -> Estimate:
    """Return a statistic of independent points with a bootstrap interval.

    Percentiles are corrected for bias and acceleration [1]_, and lie as much farther out as Student's t does for so few
    points [2]_. The cycles of several cells are not independent: :mod:`labctl.analysis.cell_intervals`.

    Parameters
    ----------
    data : ndarray, shape (n,), unit as ``unit`` says
    statistic : callable
        Takes samples, shape (m, n), and returns one value for each, shape (m,).
    unit : str
        Of the statistic.
    seed : int
        Of the resampling.

    Returns
    -------
    Estimate

    Raises
    ------
    TooFewPoints
        If there are fewer than 8 points.

    References
    ----------
    .. [1] B. Efron, J. Am. Stat. Assoc. 82 (1987) 171.
    .. [2] T. C. Hesterberg, Am. Stat. 69 (2015) 371, section 3.2 (expanded percentiles).
    """
    require("a bootstrap interval", data.size, 8)
    from scipy.stats import norm, t

    generator = np.random.default_rng(seed)
    value = float(statistic(data[np.newaxis])[0])
    replicates = statistic(generator.choice(data, (_RESAMPLES, data.size)))
    # Efron's bias correction: where the estimate stands among its replicates
    below = np.clip(np.mean(replicates < value) + 0.5 * np.mean(replicates == value), 1e-3, 1.0 - 1e-3)
    bias = float(norm.ppf(below))
    acceleration = _acceleration(data, statistic)
    tail = float(np.sqrt(data.size / (data.size - 1.0)) * t.ppf(0.5 * (1.0 + _LEVEL), data.size - 1))
    ends = []
    for side in (-1.0, 1.0):
        from_bias = bias + side * tail
        place = bias + from_bias / max(1.0 - acceleration * from_bias, 0.1)
        ends.append(float(np.quantile(replicates, float(norm.cdf(place)))))
    return Estimate(value, ends[0], ends[1], unit, int(data.size))


def _acceleration(data: NDArray[np.float64], statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> float:
    """How the standard error changes with the statistic, from leaving out one point at a time."""
    without = statistic(np.array([np.delete(data, place) for place in range(data.size)]))
    apart = without.mean() - without
    squares = float((apart**2).sum())
    return float((apart**3).sum()) / (6.0 * squares**1.5) if squares > 0.0 else 0.0
