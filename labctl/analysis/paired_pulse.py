"""Paired pulses and spike timing: index of facilitation, and the window of spike-timing-dependent plasticity.

Formulas: R. S. Zucker, W. G. Regehr, Annu. Rev. Physiol. 64 (2002) 355 (paired pulses); S. Song, K. D. Miller,
L. F. Abbott, Nat. Neurosci. 3 (2000) 919 (window of two exponentials). Not here: the waveforms.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labctl.analysis.intervals import Estimate, require
from labctl.analysis.straight_lines import student_quantile

__all__ = ["TimingBranch", "TimingWindow", "facilitation_index", "fit_timing_window"]

_LEAST_PAIRS = 8
_LEAST_SIDE = 5


@dataclass(frozen=True, slots=True)
class TimingBranch:
    """One side of the window, change = amplitude exp(-(abs(dt) - nearest) / time).

    Attributes
    ----------
    nearest_s : float, unit s
        Smallest distance that was measured. At less, down to 0, the law says what nobody measured, such as a depression
        of several times what there was.
    amplitude : Estimate, unit 1
        Change at the smallest distance, signed; its interval ends at -1, below which there is no conductance.
    time : Estimate, unit s
    """

    nearest_s: float
    amplitude: Estimate
    time: Estimate


@dataclass(frozen=True, slots=True)
class TimingWindow:
    """Window of spike-timing-dependent plasticity.

    Attributes
    ----------
    causal, acausal : TimingBranch
        Of positive (pre before post) and negative time differences.
    residual : float, unit 1
        Standard deviation of the points about the two exponentials.
    """

    causal: TimingBranch
    acausal: TimingBranch
    residual: float


def facilitation_index(first: ArrayLike, second: ArrayLike) -> Estimate:
    """Return mean(second) / mean(first) of the responses to two equal pulses at one distance.

    Parameters
    ----------
    first, second : array_like, shape (pairs,) or (cells, pairs), any one unit
        Such as peak currents or changes of conductance; pairs with a NaN are left out. Of several cells each counts
        once, with the means of its pairs, since pairs of one cell resemble each other.

    Returns
    -------
    Estimate, unit 1
        Above 1 for facilitation; the interval is Fieller's for a ratio of means, in which Student's t holds. ``points``
        are the pairs, or cells, that were taken as independent.

    Raises
    ------
    TooFewPoints
        If there are fewer than 8 pairs.
    ValueError
        If shapes differ, or the mean first response cannot be told from 0, so that the ratio may be anything.
    """
    one, two = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if one.shape != two.shape:
        raise ValueError(f"paired pulses: each first response needs its second, got {one.size} and {two.size}")
    seen = ~(np.isnan(one) | np.isnan(two))
    require("paired pulses, pairs", int(seen.sum()), _LEAST_PAIRS)
    units = "pairs"
    if one.ndim == 2 and int(seen.any(axis=1).sum()) > 1:
        whole = seen.any(axis=1)
        one, two = (np.nanmean(np.where(seen, table, np.nan)[whole], axis=1) for table in (one, two))
        units = "cells"
    else:
        one, two = one[seen], two[seen]
    mean_one, mean_two = float(one.mean()), float(two.mean())
    (var_one, cov), (_, var_two) = np.cov(one, two) / one.size
    # E. C. Fieller, J. R. Stat. Soc. B 16 (1954) 175: all ratios r for which mean(second - r first) is not significant
    square = student_quantile(one.size - 1) ** 2
    leading = mean_one**2 - square * float(var_one)
    if leading <= 0.0:
        raise ValueError(
            f"paired pulses: the mean first response ({mean_one:.4g}) cannot be told from 0 by its scatter of"
            f" {float(one.std(ddof=1)):.4g} over {one.size} {units}; measure more {units}"
        )
    middle = mean_one * mean_two - square * float(cov)
    root = np.sqrt(max(0.0, middle**2 - leading * (mean_two**2 - square * float(var_two))))
    return Estimate(
        mean_two / mean_one, float((middle - root) / leading), float((middle + root) / leading), "1", int(one.size)
    )


def fit_timing_window(difference_s: ArrayLike, change: ArrayLike) -> TimingWindow:
    """Fit change = A+ exp(-dt / tau+) for dt > 0 and A- exp(dt / tau-) for dt < 0 by least squares.

    Amplitudes are told at the smallest distance of each side that was measured, not at 0. Both sides share one noise.
    Intervals are Student's from the curvature, in the logarithm of the times.

    Parameters
    ----------
    difference_s : array_like, shape (n,), unit s
        Time of the post spike less that of the pre spike; points at 0 belong to neither side and are left out.
    change : array_like, shape (n,), unit 1
        dG / G, repeats as points of their own; NaN is left out.

    Returns
    -------
    TimingWindow

    Raises
    ------
    TooFewPoints
        If a side has fewer than 5 points.
    ValueError
        If shapes differ, or a side is no decay that the points resolve (its time outside a tenth of the shortest and
        ten times the longest difference).
    """
    times, values = np.asarray(difference_s, dtype=float).ravel(), np.asarray(change, dtype=float).ravel()
    if times.shape != values.shape:
        raise ValueError(f"timing window: each change needs its time difference, got {values.size} and {times.size}")
    seen = ~(np.isnan(times) | np.isnan(values)) & (times != 0.0)
    times, values = times[seen], values[seen]
    sides = []
    for name, chosen in (("positive", times > 0.0), ("negative", times < 0.0)):
        require(f"timing window, {name} time differences", int(chosen.sum()), _LEAST_SIDE)
        distance = np.abs(times[chosen])
        sides.append((distance, *_decay(distance, values[chosen], name)))
    squares = sum(float(rest @ rest) for _, _, _, rest in sides)
    freedom = times.size - 4
    sigma = np.sqrt(squares / freedom)
    quantile = student_quantile(freedom)
    branches = []
    for distance, amplitude, time, _ in sides:
        beyond = distance - distance.min()
        falling = np.exp(-beyond / time)
        design = np.stack([falling, amplitude * falling * beyond / time], axis=1)
        reach = quantile * sigma * np.sqrt(np.diag(np.linalg.inv(design.T @ design)))
        # 30 in the logarithm is a factor of 1e13: such an end says that nothing is known
        factor = float(np.exp(min(float(reach[1]), 30.0)))
        branches.append(
            TimingBranch(
                float(distance.min()),
                _change(amplitude, amplitude - float(reach[0]), amplitude + float(reach[0]), int(distance.size)),
                Estimate(time, time / factor, time * factor, "s", int(distance.size)),
            )
        )
    return TimingWindow(branches[0], branches[1], float(sigma))


def _change(value: float, low: float, high: float, points: int) -> Estimate:
    """A relative change and its interval: nothing falls by more than all of it."""
    return Estimate(value, max(low, min(value, -1.0)), high, "1", points)


def _decay(
    distance: NDArray[np.float64], values: NDArray[np.float64], name: str
) -> tuple[float, float, NDArray[np.float64]]:
    """Return amplitude, time and residuals: the amplitude is linear, so that only the time is searched."""
    from scipy.optimize import minimize_scalar

    def best(ln_time: float) -> tuple[float, NDArray[np.float64]]:
        falling = np.exp((distance.min() - distance) / np.exp(ln_time))
        weight = float(falling @ falling)
        amplitude = float(falling @ values) / weight if weight > 0.0 else 0.0
        return amplitude, values - amplitude * falling

    def misfit(ln_time: float) -> float:
        rest = best(ln_time)[1]
        return float(rest @ rest)

    low, high = float(np.log(0.1 * distance.min())), float(np.log(10.0 * distance.max()))
    grid = np.linspace(low, high, 60)
    place = int(np.argmin([misfit(ln_time) for ln_time in grid]))
    if place in (0, grid.size - 1):
        raise ValueError(
            f"timing window: the {name} side is no decay that its points resolve, from {distance.min():.3g} s to"
            f" {distance.max():.3g} s; measure more or other time differences"
        )
    found = minimize_scalar(
        misfit, bounds=(grid[place - 1], grid[place + 1]), method="bounded", options={"xatol": 1e-10}
    )
    amplitude, rest = best(float(found.x))
    return amplitude, float(np.exp(found.x)), rest
