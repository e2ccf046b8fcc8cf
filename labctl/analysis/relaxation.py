"""Relaxation after programming: variance over cells against log time, and how heavy the tails are.

A variance that grows linearly in log time is the integral signature of 1/f noise. Not here: one cell's mean course
(:mod:`labctl.analysis.retention`), spectra (:mod:`labctl.analysis.spectra`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labctl.analysis.intervals import Estimate, require

__all__ = ["Relaxation", "relaxation_of_cells"]

_LEAST_CELLS = 30
_LEAST_TIMES = 3
_RESAMPLES = 2000
_LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Relaxation:
    """Moments of the change since programming, with intervals from resampling whole cells.

    Attributes
    ----------
    time_s : ndarray, shape (times,), unit s
    mean, variance, excess_kurtosis : tuple of Estimate, units S, S^2 and 1
        At each time. The kurtosis of a sample from a heavy tail stands too low, and so does its interval: with 400
        cells of excess 1.3 it holds the truth in about 80 % of samples only.
    slope : Estimate, unit S^2
        Growth of the variance per decade of time.
    intercept : Estimate, unit S^2
        Variance at 1 s on that line.
    """

    time_s: NDArray[np.float64]
    mean: tuple[Estimate, ...]
    variance: tuple[Estimate, ...]
    excess_kurtosis: tuple[Estimate, ...]
    slope: Estimate
    intercept: Estimate


def relaxation_of_cells(time_s: ArrayLike, change_s: ArrayLike, *, seed: int = 0) -> Relaxation:
    """Take the moments of the change of many cells at common times, and the line of the variance over log10 time.

    The line is an unweighted least-squares line through the variances, as published data are given; its interval comes
    from resampling cells, because one cell's changes at different times are not independent.

    Parameters
    ----------
    time_s : array_like, shape (times,), unit s
        Since programming, positive, all different.
    change_s : array_like, shape (cells, times), unit S
        Conductance less that at programming; NaN where a cell was not read.
    seed : int
        Of the bootstrap.

    Returns
    -------
    Relaxation

    Raises
    ------
    TooFewPoints
        If there are fewer than 3 times, or a time has fewer than 30 cells.
    ValueError
        If shapes do not fit, a time is not positive or comes twice.
    """
    times, table = np.asarray(time_s, dtype=float), np.asarray(change_s, dtype=float)
    if times.ndim != 1 or table.ndim != 2 or table.shape[1] != times.size:
        raise ValueError(f"relaxation: needs times (t,) and changes (cells, t), got {times.shape} and {table.shape}")
    require("relaxation, times", times.size, _LEAST_TIMES)
    if not (times > 0.0).all() or np.unique(times).size < times.size:
        raise ValueError("relaxation: times since programming must be positive (log time) and all different")
    read = np.isfinite(table)
    require("relaxation, cells at the time with fewest", int(read.sum(axis=0).min()), _LEAST_CELLS)
    # numbers of order 1: fourth powers of siemens are far from 1
    scale = float(np.std(table[read])) or 1.0
    filled = np.where(read, table, 0.0) / scale
    powers = np.concatenate([read.astype(float), filled, filled**2, filled**3, filled**4], axis=1)
    # times that fewer than all cells reached stay as they are: each replicate has its own count at each time
    logs = np.log10(times)
    found = _figures(powers.sum(axis=0)[None], logs)[0]
    generator = np.random.default_rng(seed)
    cells = table.shape[0]
    sums = np.empty((_RESAMPLES, powers.shape[1]))
    for number in range(_RESAMPLES):
        sums[number] = np.bincount(generator.integers(0, cells, cells), minlength=cells) @ powers
    low, high = _bias_corrected(_figures(sums, logs), found)
    units = (
        [(scale, "S")] * times.size
        + [(scale**2, "S^2")] * times.size
        + [(1.0, "1")] * times.size
        + [(scale**2, "S^2")] * 2
    )
    counts = [*(int(count) for count in read.sum(axis=0))] * 3 + [int(read.sum())] * 2
    estimates = [
        Estimate(
            float(found[place]) * factor, float(low[place]) * factor, float(high[place]) * factor, unit, counts[place]
        )
        for place, (factor, unit) in enumerate(units)
    ]
    size = times.size
    return Relaxation(
        times,
        tuple(estimates[:size]),
        tuple(estimates[size : 2 * size]),
        tuple(estimates[2 * size : 3 * size]),
        estimates[-2],
        estimates[-1],
    )


def _figures(sums: NDArray[np.float64], logs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn sums of powers into means, variances, kurtoses, slope and intercept, one row each."""
    count, first, second, third, fourth = np.split(sums, 5, axis=1)
    mean, square, cube, biquadrate = (power / count for power in (first, second, third, fourth))
    central = square - mean**2
    fourth_central = biquadrate - 4.0 * mean * cube + 6.0 * mean**2 * square - 3.0 * mean**4
    variance = central * count / (count - 1.0)
    away = logs - logs.mean()
    slope = variance @ away / (away @ away)
    with np.errstate(divide="ignore", invalid="ignore"):
        kurtosis = fourth_central / central**2 - 3.0
    return np.concatenate(
        [mean, variance, kurtosis, slope[:, None], (variance.mean(axis=1) - slope * logs.mean())[:, None]], axis=1
    )


def _bias_corrected(
    replicates: NDArray[np.float64], found: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return bias-corrected percentiles of each column."""
    from scipy.stats import norm

    below = np.clip((replicates < found).mean(axis=0), 1e-3, 1.0 - 1e-3)
    shift, tail = 2.0 * norm.ppf(below), norm.ppf(0.5 * (1.0 - _LEVEL))
    ordered = np.sort(replicates, axis=0)
    ends = []
    for side in (1.0, -1.0):
        place = np.clip(norm.cdf(shift + side * tail) * (len(ordered) - 1), 0, len(ordered) - 1).astype(int)
        ends.append(ordered[place, np.arange(found.size)])
    return ends[0], ends[1]
