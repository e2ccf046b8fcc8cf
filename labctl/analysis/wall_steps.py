"""What pulses do to pinned domain walls: states, chances of a step, and the spread of depinning between notches.

Not here: how the trials are made (:mod:`labctl.networks.wall_walk`), the law itself
(:mod:`labctl.physics.domain_wall`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

__all__ = ["Depinning", "States", "WallTrials", "find_states", "fit_depinning", "moved_chance", "wall_trials"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

# readings closer to each other than this part of the range belong to one state: a hundred states can be told apart
_GAP = 0.01
# critical currents that a notch may have, in parts of the nominal one
_GRID = np.arange(0.6, 1.4001, 0.008)

# where the fit ends when trials leave the spread, or the barrier, open
_SPREADS, _BARRIERS = (1e-3, 0.3), (5.0, 300.0)


@dataclass(frozen=True, slots=True)
class States:
    """Where walls rest.

    Attributes
    ----------
    centre : ndarray, shape (states,), unit 1
        Mean reading of each state, between the ends of the track.
    sigma : ndarray, shape (states,), unit 1
        Standard deviation of its readings.
    index : ndarray of int, shape as the readings
        State of each reading, from 0.
    """

    centre: FloatArray
    sigma: FloatArray
    index: IntArray

    @property
    def unequal(self) -> float:
        """Largest distance of a state from where equally spaced ones would be, in parts of their distance, unit 1."""
        even = np.linspace(self.centre[0], self.centre[-1], len(self.centre))
        return float(np.max(np.abs(self.centre - even)) / (even[1] - even[0])) if len(even) > 1 else 0.0


def find_states(relative: npt.ArrayLike) -> States:
    """Sort readings into states: a state ends where none follows within a hundredth of the range.

    Parameters
    ----------
    relative : array_like, any shape, unit 1
        Readings between the ends of their track, 0 to 1.

    Returns
    -------
    States
    """
    values = np.asarray(relative, dtype=float)
    order = np.argsort(values, axis=None)
    label = np.zeros(values.size, dtype=np.int64)
    label[order[1:]] = np.cumsum(np.diff(values.ravel()[order]) > _GAP)
    count = np.bincount(label)
    centre = np.bincount(label, values.ravel()) / count
    sigma = np.sqrt(np.bincount(label, (values.ravel() - centre[label]) ** 2) / count)
    return States(centre, sigma, label.reshape(values.shape))


@dataclass(frozen=True, slots=True)
class WallTrials:
    """Counts of a walk.

    Attributes
    ----------
    steps : ndarray of int, shape (places, walls, 3)
        Trials that moved the wall by no state, by one, by two or more; only those with two states ahead.
    tried, moved : ndarray of int, shape (places, walls, states)
        Trials that began in a state, and those that left it.
    """

    steps: IntArray
    tried: IntArray
    moved: IntArray

    def chances(self, place: int) -> FloatArray:
        """Return the part of the trials by steps over all walls.

        Parameters
        ----------
        place : int

        Returns
        -------
        ndarray, shape (3,), unit 1
            NaN where nothing was tried.
        """
        counts = self.steps[place].sum(axis=0)
        return np.asarray(counts / counts.sum() if counts.sum() else np.full(3, np.nan))


def wall_trials(
    before: IntArray, after: IntArray, upwards: npt.NDArray[np.bool_], place: IntArray, places: int, states: int
) -> WallTrials:
    """Count what trials did.

    Parameters
    ----------
    before, after : ndarray of int, shape (trials, walls)
        State before and after each trial.
    upwards : ndarray of bool, shape (trials, walls)
        Whether the pulse was towards the far end.
    place : ndarray of int, shape (trials,)
        Which pulse it was.
    places : int
        How many there are.
    states : int
        Of a track.

    Returns
    -------
    WallTrials
    """
    walls = before.shape[1]
    way = np.where(upwards, 1, -1)
    gone = (after - before) * way
    ahead = np.where(upwards, states - 1 - before, before)
    where = np.broadcast_to(place[:, np.newaxis], before.shape)
    wall = np.broadcast_to(np.arange(walls), before.shape)
    steps = np.zeros((places, walls, 3), dtype=np.int64)
    free = ahead >= 2
    np.add.at(steps, (where[free], wall[free], np.clip(gone[free], 0, 2)), 1)
    tried, moved = np.zeros((2, places, walls, states), dtype=np.int64)
    can = ahead >= 1
    np.add.at(tried, (where[can], wall[can], before[can]), 1)
    left = can & (gone > 0)
    np.add.at(moved, (where[left], wall[left], before[left]), 1)
    return WallTrials(steps, tried, moved)


@dataclass(frozen=True, slots=True)
class Depinning:
    """The law of leaving a notch, as fitted.

    Attributes
    ----------
    critical : float, unit 1
        Mean critical current of the notches, in parts of the nominal one.
    spread : float, unit 1
        Standard deviation over the notches, in parts of the mean; what the finite number of trials adds is taken off.
    barrier : float, unit 1
        Over kT, without current.
    half : float, unit 1
        Current that frees a mean notch half of the time, in parts of the nominal critical one: middle of the sigmoid.
    notches : int
        That it was fitted to.
    is_certain : bool
        False where the trials leave the barrier open: too few notches, or amplitudes.
    """

    critical: float
    spread: float
    barrier: float
    half: float
    notches: int
    is_certain: bool


def moved_chance(part: npt.ArrayLike, critical: npt.ArrayLike, barrier: float, attempts: npt.ArrayLike) -> FloatArray:
    """Return the chance that a pulse frees a wall over a barrier that falls linearly with the current.

    Parameters
    ----------
    part : array_like, shape (n,), unit 1
        Current in parts of the nominal critical one.
    critical : array_like, shape (n,), unit 1
        Critical current of the notch, in the same parts.
    barrier : float, unit 1
        Over kT, without current.
    attempts : array_like, shape (n,), unit 1
        How many attempt times the wall has, to be free early enough to arrive.

    Returns
    -------
    ndarray, shape (n,), unit 1
    """
    lowered = np.maximum(0.0, 1.0 - np.asarray(part) / np.asarray(critical))
    return np.asarray(-np.expm1(-np.asarray(attempts) * np.exp(-barrier * lowered)))


def fit_depinning(
    parts: Sequence[float], attempts: Sequence[float], tried: npt.ArrayLike, moved: npt.ArrayLike
) -> Depinning:
    """Fit mean and spread of the critical currents, and the barrier, by their likelihood over all notches.

    Each notch has a critical current of its own from a normal distribution, which is integrated over: with few
    trials for each notch its own estimate would be too wide.

    Parameters
    ----------
    parts : sequence of float, shape (places,), unit 1
        Current in parts of the nominal critical one.
    attempts : sequence of float, shape (places,), unit 1
        As :func:`moved_chance` has them.
    tried, moved : array_like of int, shape (places, ...)
        Trials of each notch, and those that freed the wall; notches without a trial are left out.

    Returns
    -------
    Depinning

    Raises
    ------
    ValueError
        If nothing was tried.
    """
    trials, freed = (np.asarray(counts, dtype=float).reshape(len(parts), -1) for counts in (tried, moved))
    used = trials.sum(axis=0) > 0
    trials, freed = trials[:, used].T, freed[:, used].T
    if not len(trials):
        raise ValueError("depinning: there must be trials to fit, there are none")

    def surprise(values: FloatArray) -> float:
        mean, spread, barrier = values[0], float(np.exp(values[1])), float(np.exp(values[2]))
        chance = np.clip(
            moved_chance(np.asarray(parts)[:, None], _GRID, barrier, np.asarray(attempts)[:, None]), 1e-9, 1.0 - 1e-9
        )
        known = freed @ np.log(chance) + (trials - freed) @ np.log1p(-chance)
        weight = np.exp(-0.5 * ((_GRID - mean) / spread) ** 2)
        top = known.max(axis=1, keepdims=True)
        likely = np.exp(known - top) @ (weight / weight.sum())
        return -float(np.sum(np.log(np.maximum(likely, 1e-300)) + top[:, 0]))

    bounds = [(_GRID[0], _GRID[-1]), tuple(np.log(_SPREADS)), tuple(np.log(_BARRIERS))]
    found = minimize(
        surprise, [1.0, np.log(0.05), np.log(40.0)], method="Nelder-Mead", bounds=bounds, options={"maxiter": 600}
    )
    mean, spread, barrier = found.x[0], float(np.exp(found.x[1])), float(np.exp(found.x[2]))
    usual = float(np.median(attempts))
    half = mean * (1.0 - np.log(max(1.0, usual / np.log(2.0))) / barrier)
    is_certain = bool(1.05 * _BARRIERS[0] < barrier < 0.95 * _BARRIERS[1])
    return Depinning(float(mean), spread / float(mean), barrier, float(half), len(trials), is_certain)
