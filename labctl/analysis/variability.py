"""How a variance divides between cycles and devices, and how many levels can be told apart.

Not here: distributions and their fits (:mod:`labctl.analysis.distributions`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from labctl.analysis.intervals import Estimate, require
from labctl.analysis.straight_lines import student_quantile

__all__ = ["VarianceSplit", "correlation", "cycle_correlation", "distinguishable_levels", "split_variance"]

_LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class VarianceSplit:
    """Standard deviations over the mean.

    Attributes
    ----------
    cycle_to_cycle : Estimate, unit 1
        Within a device.
    device_to_device : Estimate, unit 1
        Between the true means of devices; 0 where the means scatter no more than cycles explain.
    p_value : float, unit 1
        Of the F test that the devices do not differ.
    mean : float, unit of the data
    """

    cycle_to_cycle: Estimate
    device_to_device: Estimate
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
        Intervals are that of chi square within, that of Williams and Tukey [1]_ between; to both the error of the mean
        over devices is added, by which they are divided.

    Raises
    ------
    TooFewPoints
        If there are fewer than 3 devices or 3 cycles.
    ValueError
        If a value is missing, or the mean is 0.

    References
    ----------
    .. [1] J. S. Williams, Biometrika 49 (1962) 278; R. K. Burdick, F. A. Graybill, "Confidence Intervals on Variance
       Components", Dekker (1992), section 4.3.
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
    means = table.mean(axis=1)
    between = float(cycles * means.var(ddof=1))
    tails = (0.5 * (1.0 + _LEVEL), 0.5 * (1.0 - _LEVEL))
    within_ends = [within * free / float(chi2.ppf(tail, free)) for tail in tails]
    own = devices - 1
    between_ends = [
        own * (between - within * float(f.ppf(tail, own, free))) / (cycles * float(chi2.ppf(tail, own)))
        for tail in tails
    ]
    # of the mean, at the level of the intervals
    reach = student_quantile(own) * float(np.sqrt(between / table.size)) / abs(mean)
    return VarianceSplit(
        _relative(within, within_ends, abs(mean), reach, table.size),
        _relative((between - within) / cycles, between_ends, abs(mean), reach, devices),
        float(f.sf(between / within, own, free)) if within > 0.0 else 0.0,
        mean,
    )


def _relative(variance: float, ends: list[float], scale: float, reach: float, points: int) -> Estimate:
    """Root of a variance over the mean; the relative reach of the mean widens the interval, in the logarithm."""
    value, low, high = (float(np.sqrt(max(0.0, one))) / scale for one in (variance, *ends))
    # G. Y. Zou, A. Donner, Statist. Med. 27 (2008) 1693: the limits of a ratio from those of its parts
    below = float(np.hypot(np.log(value / low), reach)) if low > 0.0 else np.inf
    above = float(np.hypot(np.log(high / value), reach)) if value > 0.0 else reach
    return Estimate(value, value * float(np.exp(-below)), (value or high) * float(np.exp(above)), "1", points)


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
        Correlation coefficient. The interval is that of a memory that decays geometrically from cycle to cycle (an
        autoregressive series of first order), with Bartlett's variance [1]_ and Kendall's bias [2]_; Fisher's holds for
        independent pairs, which these are not.

    Raises
    ------
    TooFewPoints
        If there are fewer than 8 pairs.
    ValueError
        If the lag is less than 1, or the cycles do not vary.

    References
    ----------
    .. [1] M. S. Bartlett, J. R. Stat. Soc. Suppl. 8 (1946) 27.
    .. [2] M. G. Kendall, Biometrika 41 (1954) 403.
    """
    if lag < 1:
        raise ValueError(f"the lag between cycles must be at least 1, got {lag}")
    series = np.asarray(values, dtype=float)
    found = correlation(series[:-lag], series[lag:], "the correlation of cycles")
    ends = _memory_ends(found.value, lag, found.points)
    return Estimate(found.value, min(ends[0], found.value), max(ends[1], found.value), "1", found.points)


def _memory_ends(found: float, lag: int, pairs: int) -> tuple[float, float]:
    """Return the ends of the true correlations of which the one that was found is no surprise."""
    memory = np.sin(np.linspace(-0.5 * np.pi, 0.5 * np.pi, 4001))[1:-1]
    # an even power of a memory does not tell its sign
    memory = memory if lag % 2 else memory[memory.size // 2 :]
    truth, power = memory**lag, memory ** (2 * lag)
    if lag == 1:
        # over the arcsine the variance is 1 over n whatever the correlation is; 2.5 is Kendall's 3 less its curvature
        found = float(np.arcsin(np.clip(found, -1.0, 1.0)))
        expected = np.arcsin(memory) - (1.0 + 2.5 * memory) / (pairs * np.sqrt(1.0 - memory**2))
        error = np.full(memory.size, 1.0 / np.sqrt(pairs))
    else:
        bias = (1.0 + memory) / (1.0 - memory) * (1.0 - truth) + 2.0 * lag * truth
        expected = truth - bias / pairs
        variance = (1.0 + memory**2) * (1.0 - power) / (1.0 - memory**2) - 2.0 * lag * power
        error = np.sqrt(variance / pairs)
    # beside the ends of the scale the bias, a series in 1 over n, turns back
    first = int(np.argmin(np.where(memory <= 0.0, expected, np.inf)))
    last = int(np.argmax(np.where(memory >= 0.0, expected, -np.inf)))
    away = np.abs(found - expected)[first : last + 1] / error[first : last + 1]
    inside = first + np.flatnonzero(away <= max(student_quantile(pairs - 2), float(away.min())))
    low = -1.0 if inside[0] == first and lag % 2 else float(truth[inside[0]])
    return low, 1.0 if inside[-1] == last else float(truth[inside[-1]])


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
