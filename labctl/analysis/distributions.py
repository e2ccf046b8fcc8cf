"""Distributions of switching voltages, resistances and lives: Weibull and log-normal fits, each with its interval.

Points are taken as independent. Not here: plots; cycles of several cells (:mod:`labctl.analysis.cell_intervals`); how
the variance divides between cycles and devices (:mod:`labctl.analysis.variability`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labctl.analysis.intervals import Estimate, require

__all__ = [
    "LogNormalFit",
    "WeibullFit",
    "binomial_yield",
    "fit_lognormal",
    "fit_weibull",
    "positive",
    "weibull_law",
]

_LEAST = 8
_LEVEL = 0.95
_RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class WeibullFit:
    """Two-parameter Weibull law, F(x) = 1 - exp(-(x / scale)^shape).

    Attributes
    ----------
    shape : Estimate, unit 1
    scale : Estimate, unit of the data
        Where 63.2 % have failed or switched.
    """

    shape: Estimate
    scale: Estimate


@dataclass(frozen=True, slots=True)
class LogNormalFit:
    """Log-normal law.

    Attributes
    ----------
    median : Estimate, unit of the data
    sigma : Estimate, unit 1
        Standard deviation of the natural logarithm.
    """

    median: Estimate
    sigma: Estimate


def fit_weibull(values: ArrayLike, unit: str, *, seed: int = 0) -> WeibullFit:
    """Fit a Weibull law by maximum likelihood.

    Parameters
    ----------
    values : array_like, shape (n,), unit as ``unit`` says
        Positive, such as magnitudes of V_set or cycles to failure; NaN is left out.
    unit : str
    seed : int
        Of the bootstrap.

    Returns
    -------
    WeibullFit
        Intervals by parametric bootstrap.

    Raises
    ------
    TooFewPoints
        If there are fewer than 8 values.
    ValueError
        If a value is not positive, or all are equal.
    """
    data = positive(values, "a Weibull fit")
    shape, scale = weibull_law(data)
    # the ratio of a shape to its estimate, and that of the scales to the power of the shape, do not depend on the truth
    # (Thoman, Bain, Antle, Technometrics 11 (1969) 445): the interval is exact but for the resampling
    samples = np.random.default_rng(seed).weibull(shape, (_RESAMPLES, data.size))
    shapes = _weibull_shape(samples)
    scales = np.mean(samples ** shapes[:, np.newaxis], axis=1) ** (1.0 / shapes)
    tails = [0.5 * (1.0 - _LEVEL), 0.5 * (1.0 + _LEVEL)]
    low_ratio, high_ratio = np.quantile(shapes / shape, tails)
    low_power, high_power = np.quantile(shapes * np.log(scales), tails)
    return WeibullFit(
        Estimate(shape, shape / float(high_ratio), shape / float(low_ratio), "1", data.size),
        Estimate(scale, scale * np.exp(-high_power / shape), scale * np.exp(-low_power / shape), unit, data.size),
    )


def fit_lognormal(values: ArrayLike, unit: str) -> LogNormalFit:
    """Fit a log-normal law; the intervals are exact (Student's t, chi square).

    Parameters
    ----------
    values : array_like, shape (n,), unit as ``unit`` says
        Positive; NaN is left out.
    unit : str

    Returns
    -------
    LogNormalFit

    Raises
    ------
    TooFewPoints
        If there are fewer than 8 values.
    ValueError
        If a value is not positive, or all are equal.
    """
    logs = np.log(positive(values, "a log-normal fit"))
    # loads in a second: not for what is refused
    from scipy.stats import chi2, t

    count, mean, sigma = logs.size, float(logs.mean()), float(logs.std(ddof=1))
    reach = float(t.ppf(0.5 * (1.0 + _LEVEL), count - 1)) * sigma / np.sqrt(count)
    low, high = (
        sigma * np.sqrt((count - 1) / float(chi2.ppf(tail, count - 1)))
        for tail in (0.5 * (1.0 + _LEVEL), 0.5 * (1.0 - _LEVEL))
    )
    return LogNormalFit(
        Estimate(np.exp(mean), np.exp(mean - reach), np.exp(mean + reach), unit, count),
        Estimate(sigma, float(low), float(high), "1", count),
    )


def binomial_yield(good: int, cells: int) -> Estimate:
    """Return a yield with its exact (Clopper-Pearson) interval.

    Parameters
    ----------
    good, cells : int
        Cells that passed; cells that were tried.

    Returns
    -------
    Estimate, unit 1

    Raises
    ------
    ValueError
        If no cell was tried, or more passed than were tried.
    """
    if not (cells >= 1 and 0 <= good <= cells):
        raise ValueError(f"a yield needs 0 <= good <= cells with at least 1 cell, got {good} of {cells}")
    from scipy.stats import binomtest

    interval = binomtest(good, cells).proportion_ci(_LEVEL, method="exact")
    return Estimate(good / cells, float(interval.low), float(interval.high), "1", cells)


def weibull_law(data: NDArray[np.float64]) -> tuple[float, float]:
    """Return shape and scale of the likeliest Weibull law, without intervals.

    Parameters
    ----------
    data : ndarray, shape (n,), any unit
        Positive, not all equal.

    Returns
    -------
    (float, float), unit 1 and unit of the data
    """
    shape = float(_weibull_shape(data[np.newaxis])[0])
    # over the largest value: 1e5 ohm to the power of a steep shape is beyond the floats
    return shape, float(data.max() * np.mean((data / data.max()) ** shape) ** (1.0 / shape))


def positive(values: ArrayLike, what: str) -> NDArray[np.float64]:
    """Return the values that a law of positive numbers can be fitted to.

    Parameters
    ----------
    values : array_like, any unit
        NaN is left out.
    what : str
        What is fitted, for messages.

    Returns
    -------
    ndarray, shape (n,)

    Raises
    ------
    TooFewPoints
        If there are fewer than 8 values.
    ValueError
        If a value is not positive, or all are equal.
    """
    data = np.asarray(values, dtype=float).ravel()
    data = data[~np.isnan(data)]
    require(what, data.size, _LEAST)
    if not (data > 0.0).all():
        raise ValueError(f"{what}: every value must be positive, got {data.min():.4g}; give magnitudes")
    if np.ptp(data) == 0.0:
        raise ValueError(f"{what}: all {data.size} values are {data[0]:.4g}; a spread cannot be fitted")
    return np.asarray(data)


def _weibull_shape(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    """Solve the likelihood equation for the shape of each sample, shape (m, n) to (m,), by Newton's method."""
    logs = np.log(samples)
    logs -= logs.max(axis=1, keepdims=True)
    mean = logs.mean(axis=1)
    # from the standard deviation of the logarithms, pi / (sqrt 6 shape)
    shape = np.pi / np.sqrt(6.0) / logs.std(axis=1)
    for _ in range(50):
        weight = np.exp(shape[:, np.newaxis] * logs)
        zeroth, first, second = weight.sum(1), (weight * logs).sum(1), (weight * logs**2).sum(1)
        residual = first / zeroth - 1.0 / shape - mean
        change = residual / ((second * zeroth - first**2) / zeroth**2 + 1.0 / shape**2)
        shape = np.maximum(shape - change, 0.1 * shape)
        if np.abs(change).max() < 1e-12 * shape.max():
            break
    return np.asarray(shape)
