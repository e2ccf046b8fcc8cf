"""How many conductance states can be told apart after a wait, and how often they are taken for each other.

Not here: levels read without a wait from means and deviations alone
(:func:`labctl.analysis.variability.distinguishable_levels`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labctl.analysis.distributions import binomial_yield
from labctl.analysis.intervals import Estimate, require
from labctl.analysis.variability import distinguishable_levels

__all__ = ["StateCount", "count_states"]

_LEAST = 8
_RESAMPLES = 500
_LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class StateCount:
    """States after a wait.

    Attributes
    ----------
    wait_s : float, unit s
    separated : Estimate, unit 1
        Largest number of states whose bands of mean +- k standard deviations do not overlap; the ends of the interval
        are whole numbers, from resampling the samples of each state.
    mean_s, sigma_s : ndarray, shape (states,), unit S
        Ascending mean; standard deviations with n - 1.
    threshold_s : ndarray, shape (states - 1,), unit S
        Between neighbours, equally many of their standard deviations from both means.
    confusion : Estimate, unit 1
        Share of all samples that lie on a wrong side of the thresholds, each state weighted by its samples; exact
        binomial interval. Thresholds come from the other samples of the state (each is left out in its turn).
    expected_confusion : float, unit 1
        The same for Gaussian states of these means and deviations, states equally likely.
    """

    wait_s: float
    separated: Estimate
    mean_s: NDArray[np.float64]
    sigma_s: NDArray[np.float64]
    threshold_s: NDArray[np.float64]
    confusion: Estimate
    expected_confusion: float


def count_states(samples_s: Sequence[ArrayLike], *, wait_s: float, sigmas: float = 3.0, seed: int = 0) -> StateCount:
    """Count states from samples of each, such as reads of one cell programmed many times, or of many cells.

    Parameters
    ----------
    samples_s : sequence of array_like, unit S
        One for each state that was programmed, in any order, read after the wait; NaN is left out.
    wait_s : float, unit s
        Between programming and the read.
    sigmas : float, unit 1
        k, half width of a band.
    seed : int
        Of the bootstrap.

    Returns
    -------
    StateCount

    Raises
    ------
    TooFewPoints
        If there are fewer than 2 states, or a state has fewer than 8 samples.
    ValueError
        If the wait is negative, k is not positive, or a state never varies.
    """
    from scipy.stats import norm

    if not (wait_s >= 0.0 and sigmas > 0.0):
        raise ValueError(f"states: a wait >= 0 s and k > 0 must hold, got {wait_s!r} s and {sigmas!r}")
    states = [np.asarray(samples, dtype=float).ravel() for samples in samples_s]
    states = sorted(
        (state[~np.isnan(state)] for state in states), key=lambda state: float(state.sum()) / max(state.size, 1)
    )
    require("states", len(states), 2)
    require("states, samples of the state with fewest", min(state.size for state in states), _LEAST)
    means = np.array([state.mean() for state in states])
    spreads = np.array([state.std(ddof=1) for state in states])
    if (spreads == 0.0).any():
        raise ValueError(
            f"states: all samples of the state at {means[int(np.argmin(spreads))]:.4g} S are equal, below the"
            " resolution of the meter; more readings of the same kind do not tell its spread"
        )
    thresholds = _thresholds(means, spreads)
    below = norm.cdf((np.append(thresholds, np.inf) - means) / spreads)
    above = norm.sf((np.insert(thresholds, 0, -np.inf) - means) / spreads)
    samples = sum(state.size for state in states)
    wrong = sum(_wrong(states, means, spreads, number) for number in range(len(states)))
    right_share = binomial_yield(samples - wrong, samples)
    return StateCount(
        wait_s,
        _separated(states, means, spreads, sigmas, seed),
        means,
        spreads,
        thresholds,
        Estimate(1.0 - right_share.value, 1.0 - right_share.high, 1.0 - right_share.low, "1", samples),
        float(np.mean(2.0 - below - above)),
    )


def _thresholds(means: NDArray[np.float64], spreads: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((means[:-1] * spreads[1:] + means[1:] * spreads[:-1]) / (spreads[:-1] + spreads[1:]))


def _wrong(
    states: list[NDArray[np.float64]], means: NDArray[np.float64], spreads: NDArray[np.float64], number: int
) -> int:
    """Count the samples of one state that fall to a neighbour, each judged without itself."""
    state = states[number]
    rest = state.size - 1
    mean = (state.sum() - state) / rest
    square = ((state - means[number]) ** 2).sum() - (state - means[number]) ** 2
    spread = np.sqrt(np.maximum(square - rest * (mean - means[number]) ** 2, 0.0) / (rest - 1))
    wrong = np.zeros(state.size, dtype=bool)
    if number:
        mean_below, spread_below = means[number - 1], spreads[number - 1]
        wrong |= state < (mean_below * spread + mean * spread_below) / (spread + spread_below)
    if number < len(states) - 1:
        mean_above, spread_above = means[number + 1], spreads[number + 1]
        wrong |= state > (mean_above * spread + mean * spread_above) / (spread + spread_above)
    return int(wrong.sum())


def _separated(
    states: list[NDArray[np.float64]],
    means: NDArray[np.float64],
    spreads: NDArray[np.float64],
    sigmas: float,
    seed: int,
) -> Estimate:
    generator = np.random.default_rng(seed)
    drawn = [generator.choice(state, (_RESAMPLES, state.size)) for state in states]
    # a resample of n has n - 1 over n of the variance of the samples
    grow = [np.sqrt(state.size / (state.size - 1.0)) for state in states]
    centres = np.stack([rows.mean(axis=1) for rows in drawn], axis=1)
    widths = np.stack([factor * rows.std(axis=1, ddof=1) for rows, factor in zip(drawn, grow, strict=True)], axis=1)
    counts = [
        distinguishable_levels(centre, width, sigmas=sigmas) for centre, width in zip(centres, widths, strict=True)
    ]
    value = distinguishable_levels(means, spreads, sigmas=sigmas)
    low, high = np.quantile(counts, [0.5 * (1.0 - _LEVEL), 0.5 * (1.0 + _LEVEL)], method="closest_observation")
    samples = sum(state.size for state in states)
    return Estimate(float(value), float(min(low, value)), float(max(high, value)), "1", samples)
