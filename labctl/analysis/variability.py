"""How a variance divides between cycles and devices, and how many levels can be told apart.

Not here: distributions and their fits (:mod:`labctl.analysis.distributions`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from labctl.analysis.intervals import Estimate, require

__all__ = ["VarianceSplit", "correlation", "cycle_correlation", "distinguishable_levels", "split_variance"]

_LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class VarianceSplit:
    """Standard deviations over the mean.

    Attributes
    ----------
    cycle_to_cycle : Estimate, unit 1
        Within a device.
    device_to_device : float, unit 1
        Between the true means of devices; 0 where the means scatter no more than cycles explain.
    p_value : float, unit 1
        Of the F test that the devices do not differ.
    mean : float, unit of the data
    """

    cycle_to_cycle: Estimate
    device_to_device: float
    p_value: float
    mean: float


def split_variance(values: ArrayLike) -> VarianceSplit:
    """Split by one-way analysis of variance with random devices.

    Parameters
    ----------
    values : array_like, shape (devices, cycles)
        Without gaps, such as V_set of every cycle of every device.

    Returns
    -------
    VarianceSplit

    Raises
    ------
    TooFewPoints
        If there are fewer than 3 devices or 3 cycles.
    ValueError
        If a value is missing, or the mean is 0.
    """
    from scipy.stats import chi2, f

    table = np.asarray(values, dtype=float)
    if table.ndim != 2 or not np.isfinite(table).all():
        raise ValueError("variability: needs a table of devices by cycles without gaps")
    devices, cycles = table.shape
    require("variability, devices", devices, 3)
    require("variability, cycles", cycles, 3)
    mean = float(table.mean())
    if mean == 0.0:
        raise ValueError("variability: the mean is 0, so nothing can be relative to it")
    free = devices * (cycles - 1)
    within = float(((table - table.mean(axis=1, keepdims=True)) ** 2).sum() / free)
    between = float(cycles * table.mean(axis=1).var(ddof=1))
    ends = [np.sqrt(within * free / float(chi2.ppf(0.5 * (1.0 + side * _LEVEL), free))) for side in (1, -1)]
    scale = abs(mean)
    return VarianceSplit(
        Estimate(float(np.sqrt(within)) / scale, float(ends[0]) / scale, float(ends[1]) / scale, "1", table.size),
        float(np.sqrt(max(0.0, (between - within) / cycles))) / scale,
        float(f.sf(between / within, devices - 1, free)) if within > 0.0 else 0.0,
        mean,
    )


def correlation(first: ArrayLike, second: ArrayLike, what: str = "a correlation") -> Estimate:
    """Return the correlation coefficient of pairs, with Fisher's interval.

    Parameters
    ----------
    first, second : array_like, shape (n,)
        Pairs with a NaN are left out.
    what : str
        What is correlated, for messages.

    Returns
    -------
    Estimate, unit 1

    Raises
    ------
    TooFewPoints
        If there are fewer than 8 pairs.
    ValueError
        If one of the two does not vary.
    """
    one, other = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    pairs = ~(np.isnan(one) | np.isnan(other))
    one, other = one[pairs], other[pairs]
    require(what, one.size, 8)
    if np.ptp(one) == 0.0 or np.ptp(other) == 0.0:
        raise ValueError(f"{what}: one side has the same value in all {one.size} pairs; nothing can follow it")
    # loads in a second: not for what is refused
    from scipy.stats import norm

    found = float(np.corrcoef(one, other)[0, 1])
    reach = float(norm.ppf(0.5 * (1.0 + _LEVEL))) / np.sqrt(one.size - 3)
    low, high = np.tanh(np.arctanh(np.clip(found, -0.999999, 0.999999)) + np.array([-reach, reach]))
    return Estimate(found, float(low), float(high), "1", int(one.size))


def cycle_correlation(values: ArrayLike, lag: int = 1) -> Estimate:
    """Return how much a cycle resembles the one ``lag`` before.

    Parameters
    ----------
    values : array_like, shape (cycles,)
        Of one device; pairs with a NaN are left out.
    lag : int
        At least 1.

    Returns
    -------
    Estimate, unit 1
        Correlation coefficient; the interval is Fisher's.

    Raises
    ------
    TooFewPoints
        If there are fewer than 8 pairs.
    ValueError
        If the lag is less than 1.
    """
    if lag < 1:
        raise ValueError(f"the lag between cycles must be at least 1, got {lag}")
    series = np.asarray(values, dtype=float)
    return correlation(series[:-lag], series[lag:], "the correlation of cycles")


def distinguishable_levels(means_s: ArrayLike, sigmas_s: ArrayLike, *, sigmas: float = 3.0) -> int:
    """Count the levels whose bands of mean +- ``sigmas`` standard deviations do not overlap.

    Parameters
    ----------
    means_s, sigmas_s : array_like, shape (n,), unit S
        Mean and standard deviation of each state, in any order.
    sigmas : float, unit 1
        Half width of a band.

    Returns
    -------
    int
        The largest number of states that can be chosen so that no two bands overlap.

    Raises
    ------
    ValueError
        If the shapes differ or a standard deviation is negative.
    """
    means, spreads = np.asarray(means_s, dtype=float), np.asarray(sigmas_s, dtype=float)
    if means.shape != spreads.shape or means.ndim != 1:
        raise ValueError("levels: each mean needs its standard deviation")
    if (spreads < 0.0).any():
        raise ValueError("levels: a standard deviation must not be negative")
    # greedy by the upper end is the optimum for intervals
    upper, count = -np.inf, 0
    for index in np.argsort(means + sigmas * spreads):
        if means[index] - sigmas * spreads[index] > upper:
            upper, count = means[index] + sigmas * spreads[index], count + 1
    return count
