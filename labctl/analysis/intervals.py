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
    """Return a statistic of independent points with a bootstrap interval (bias-corrected percentiles).

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
    """
    require("a bootstrap interval", data.size, 8)
    from scipy.stats import norm

    generator = np.random.default_rng(seed)
    value = float(statistic(data[np.newaxis])[0])
    replicates = statistic(generator.choice(data, (_RESAMPLES, data.size)))
    # Efron's bias correction: where the estimate stands among its replicates
    below = np.clip(np.mean(replicates < value) + 0.5 * np.mean(replicates == value), 1e-3, 1.0 - 1e-3)
    shift = 2.0 * norm.ppf(below)
    tail = norm.ppf(0.5 * (1.0 - _LEVEL))
    ends = [float(np.quantile(replicates, float(norm.cdf(shift + side * tail)))) for side in (1, -1)]
    return Estimate(value, ends[0], ends[1], unit, int(data.size))
