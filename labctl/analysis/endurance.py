"""Endurance: where a cell first failed, and the Weibull law of the lives of several with survivors.

Failure as in the recommendations of the field (Lanza et al., ACS Nano 15 (2021) 17214): every cycle is read, and the
first one whose window is too small counts. Not here: Weibull fits of complete samples
(:mod:`labctl.analysis.distributions`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labctl.analysis.intervals import Estimate, require

__all__ = ["CellLife", "LifeDistribution", "cell_life", "fit_lives"]

_LEAST_FAILURES = 5
_LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class CellLife:
    """The life of one cell.

    Attributes
    ----------
    first_failure : int or None
        Number (from 1) of the first cycle whose window was too small; None for a survivor.
    stuck_from : int or None
        First of the first run of failing cycles that was long enough to call the cell stuck.
    stuck_state : "on", "off" or None
        Where it stuck, by which of its two states lies farther from its median over the cycles before.
    cycles : int
        Cycles that were read in both states.
    unread : int
        Cycles without one of the readings; neither failures nor proofs of life.
    window : ndarray, shape (n,), unit 1
        On over off conductance of each cycle.
    """

    first_failure: int | None
    stuck_from: int | None
    stuck_state: str | None
    cycles: int
    unread: int
    window: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LifeDistribution:
    """Weibull law of lives, some of which were not seen to end.

    Attributes
    ----------
    shape : Estimate, unit 1
    scale : Estimate, unit cycles
        Where 63.2 % have failed.
    failures, survivors : int
    """

    shape: Estimate
    scale: Estimate
    failures: int
    survivors: int


def cell_life(on_s: ArrayLike, off_s: ArrayLike, *, least_window: float = 2.0, stuck_cycles: int = 3) -> CellLife:
    """Find the first failure of a cell that was read in both states in every cycle.

    Parameters
    ----------
    on_s, off_s : array_like, shape (n,), unit S
        NaN where there is no reading. An off conductance of 0 or less is an open window.
    least_window : float, unit 1
        A cycle fails if on / off is less.
    stuck_cycles : int
        Failing cycles in a row that make a cell stuck.

    Returns
    -------
    CellLife

    Raises
    ------
    TooFewPoints
        If no cycle was read in both states.
    ValueError
        If shapes differ, or the window or the count is less than 1.
    """
    on, off = np.asarray(on_s, dtype=float), np.asarray(off_s, dtype=float)
    if on.shape != off.shape or on.ndim != 1:
        raise ValueError(f"endurance: each cycle needs both states, got shapes {on.shape} and {off.shape}")
    if not (least_window >= 1.0 and stuck_cycles >= 1):
        raise ValueError(
            f"endurance: window and count of stuck cycles must be at least 1, got {least_window!r} and {stuck_cycles!r}"
        )
    read = ~(np.isnan(on) | np.isnan(off))
    require("endurance, cycles read in both states", int(read.sum()), 1)
    window = np.full(on.shape, np.nan)
    window[read] = np.where(off[read] > 0.0, on[read] / np.where(off[read] > 0.0, off[read], 1.0), np.inf)
    # a dead cell conducts in neither state
    window[read & (on <= 0.0)] = 0.0
    places = np.flatnonzero(read)
    failing = window[places] < least_window
    failed = places[failing]
    # runs over the cycles that were read: an unread one neither ends a run nor lengthens it
    runs = (
        np.convolve(failing, np.ones(stuck_cycles), "valid") == stuck_cycles
        if places.size >= stuck_cycles
        else failing[:0]
    )
    stuck = int(places[np.argmax(runs)]) if runs.any() else None
    return CellLife(
        int(failed[0]) + 1 if failed.size else None,
        None if stuck is None else stuck + 1,
        None if stuck is None else _stuck_state(on, off, stuck),
        int(read.sum()),
        int((~read).sum()),
        window,
    )


def fit_lives(cycles: ArrayLike, failed: ArrayLike) -> LifeDistribution:
    """Fit a Weibull law to lives with survivors (right-censored), by maximum of the exact likelihood.

    ln L = sum over failures of ln f(x) + sum over survivors of ln(1 - F(x)). Intervals from the profile of the
    likelihood, with Student's quantile of failures - 1 degrees of freedom in place of the Gaussian one.

    Parameters
    ----------
    cycles : array_like, shape (n,), unit cycles
        Cycle of the first failure, or last cycle of a survivor; positive.
    failed : array_like of bool, shape (n,)
        Which of them failed.

    Returns
    -------
    LifeDistribution

    Raises
    ------
    TooFewPoints
        If there are fewer than 5 failures.
    ValueError
        If shapes differ, a life is not positive or no number, or all failures came in the same cycle.
    """
    lives, ended = np.asarray(cycles, dtype=float).ravel(), np.asarray(failed, dtype=bool).ravel()
    if lives.shape != ended.shape:
        raise ValueError(f"endurance: each life needs to say whether it ended, got {lives.size} and {ended.size}")
    failures = int(ended.sum())
    require(f"a Weibull fit of lives ({lives.size - failures} survived), failures", failures, _LEAST_FAILURES)
    if not (np.isfinite(lives).all() and lives.min() > 0.0):
        raise ValueError("endurance: every life must be a positive number of cycles")
    if np.ptp(lives[ended]) == 0.0:
        raise ValueError(
            f"endurance: all {failures} failures came in cycle {lives[ended][0]:.0f}; a spread cannot be fitted"
        )
    return _maximum(lives, ended)


def _maximum(lives: NDArray[np.float64], ended: NDArray[np.bool_]) -> LifeDistribution:
    from scipy.optimize import brentq, minimize_scalar
    from scipy.stats import t

    logs = np.log(lives)
    top = float(logs.max())
    logs -= top
    failures, total = int(ended.sum()), float(logs[ended].sum())

    def moment(ln_shape: float) -> float:
        """ln of the sum of x^shape."""
        return float(np.log(np.exp(np.exp(ln_shape) * logs).sum()))

    def profile_of_shape(ln_shape: float) -> float:
        # the best scale has sum (x / scale)^shape = failures
        shape = np.exp(ln_shape)
        return float(failures * (ln_shape + np.log(failures) - moment(ln_shape) - 1.0) + (shape - 1.0) * total)

    def slope(ln_shape: float) -> float:
        shape = np.exp(ln_shape)
        power = np.exp(shape * logs)
        return float(failures / shape + total - failures * (power * logs).sum() / power.sum())

    best = float(brentq(slope, -10.0, 10.0))
    ln_scale = (moment(best) - np.log(failures)) / np.exp(best)
    drop = 0.5 * float(t.ppf(0.5 * (1.0 + _LEVEL), failures - 1)) ** 2
    floor = profile_of_shape(best) - drop

    def profile_of_scale(place: float) -> float:
        """Best ln L at one scale, over the shape."""

        def at(ln_shape: float) -> float:
            shape = np.exp(ln_shape)
            reduced = shape * (logs - place)
            return float(
                failures * (ln_shape - place) + (shape - 1.0) * (total - failures * place) - np.exp(reduced).sum()
            )

        found = minimize_scalar(lambda value: -at(value), bounds=(best - 4.0, best + 4.0), method="bounded")
        return -float(found.fun)

    ends = []
    for profile, middle, unit in ((profile_of_shape, best, 0.2), (profile_of_scale, ln_scale, 0.2 / np.exp(best))):
        for side in (-1.0, 1.0):
            reach = unit
            while profile(middle + side * reach) > floor:
                reach *= 2.0
            ends.append(float(brentq(lambda place, law=profile: law(place) - floor, middle, middle + side * reach)))
    count = int(lives.size)
    return LifeDistribution(
        Estimate(float(np.exp(best)), float(np.exp(ends[0])), float(np.exp(ends[1])), "1", count),
        Estimate(
            float(np.exp(ln_scale + top)), float(np.exp(ends[2] + top)), float(np.exp(ends[3] + top)), "cycles", count
        ),
        failures,
        count - failures,
    )


def _stuck_state(on: NDArray[np.float64], off: NDArray[np.float64], stuck: int) -> str | None:
    """Tell by comparing with the cycles before; None where there are none."""
    before = slice(0, stuck)
    good = ~(np.isnan(on[before]) | np.isnan(off[before])) & (on[before] > 0.0) & (off[before] > 0.0)
    if not good.any() or on[stuck] <= 0.0 or off[stuck] <= 0.0:
        return None
    from_on = abs(np.log(on[stuck] / np.median(on[before][good])))
    from_off = abs(np.log(off[stuck] / np.median(off[before][good])))
    return "on" if from_off > from_on else "off"
