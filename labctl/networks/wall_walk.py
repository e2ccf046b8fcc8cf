"""Walk domain walls up and down their tracks with single pulses under test; through instruments or on physics alone.

A trial starts where the last one ended, so that no wall has to be brought back; a wall that did not move is driven on
first, or notches that are hard to leave would be tried more often than others. Not here: what follows from the trials
(:mod:`labctl.analysis.wall_steps`), a map of trials from one end (``labctl_procedures.domain_wall_map``).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from labctl.errors import RunError, UnusableResultError
from labctl.networks.arrays import Cell

__all__ = ["Place", "Walk", "Walls", "walk_walls"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

# pulses that bring a wall to an end of its track: so many times the states, and more than it can need
_TO_END = 3
# pulses that drive a wall on, at most
_DRIVES = 10
# part of the range from end to end that a reading may be away from an end
_AT_END = 0.01


class Walls(Protocol):
    """What a walk needs of an array; see :class:`labctl.networks.arrays.CellArray`."""

    def read_cells(self, cells: Sequence[Cell]) -> FloatArray:
        """Return the conductances of cells, shape (n,), unit S; NaN where the meter went over range."""
        ...

    def pulse_cells(self, cells: Sequence[Cell], voltage_v: float, width_s: float) -> None:
        """Give one equal pulse to each of the cells."""
        ...


@dataclass(frozen=True, slots=True)
class Place:
    """A pulse under test.

    Attributes
    ----------
    part : float, unit 1
        Of the depinning voltage.
    width_s : float, unit s
    trials : int
        For each wall.
    """

    part: float
    width_s: float
    trials: int


@dataclass(frozen=True, slots=True)
class Walk:
    """What was read on the way.

    Attributes
    ----------
    ends_s : ndarray, shape (2, walls), unit S
        At the start and at the far end of each track.
    place : ndarray of int, shape (trials,)
        Which pulse each trial was.
    upwards : ndarray of bool, shape (trials, walls)
        Whether the pulse was towards the far end.
    before_s, after_s : ndarray, shape (trials, walls), unit S
        Readings before and after each trial.
    """

    ends_s: FloatArray
    place: IntArray
    upwards: npt.NDArray[np.bool_]
    before_s: FloatArray
    after_s: FloatArray

    def relative(self) -> FloatArray:
        """Return the readings between the ends of their own track, 0 at the start and 1 at the far end.

        Returns
        -------
        ndarray, shape (2, trials, walls), unit 1
            Before and after each trial.
        """
        both_s = np.stack([self.before_s, self.after_s])
        return np.asarray((both_s - self.ends_s[0]) / (self.ends_s[1] - self.ends_s[0]))


def walk_walls(
    array: Walls,
    cells: Sequence[Cell],
    places: Sequence[Place],
    *,
    depinning_v: float,
    end: Place,
    drive: Place,
    states: int,
    report: Callable[[float], None] = lambda part: None,
) -> Walk:
    """Give single pulses in mixed order, up to one end, down to the other, and read after each.

    Parameters
    ----------
    array : Walls
    cells : sequence of (int, int)
        Their walls.
    places : sequence of Place
        Pulses under test.
    depinning_v : float, unit V
        Along the track, of part 1.
    end : Place
        Pulse that brings walls to an end; ``trials`` does not count.
    drive : Place
        Pulse that moves a wall by one state nearly always, for those that a trial left where they were.
    states : int
        Of a track at most: how often walls are pushed to come to an end, and how far apart readings must be.
    report : callable
        Takes the part that is done, 0 to 1.

    Returns
    -------
    Walk

    Raises
    ------
    RunError
        If a reading has no value.
    UnusableResultError
        If a wall does not move.
    """
    far_s, start_s = (_end_s(array, cells, sign * end.part * depinning_v, end, states) for sign in (1.0, -1.0))
    still = [cell for cell, moves in zip(cells, far_s > 1.1 * start_s, strict=True) if not moves]
    if still:
        raise UnusableResultError(
            f"walls: {len(still)} of {len(cells)} do not move, the first at {still[0]}: the far end of the track must "
            "conduct more than the start; look at the depinning voltage and the wiring"
        )
    # mixed, so that pulses that seldom move a wall do not keep it in one notch
    order = np.repeat(np.arange(len(places)), [place.trials for place in places])
    order = np.random.default_rng(0).permutation(order)
    slack_s, step_s = _AT_END * (far_s - start_s), (far_s - start_s) / (states - 1)
    now_s, ways, before_s, after_s = _readings_s(array, cells), [], [], []
    up = np.ones(len(cells), dtype=bool)
    for number, chosen in enumerate(order):
        up = np.where(now_s > far_s - slack_s, False, np.where(now_s < start_s + slack_s, True, up))
        ways.append(up)
        before_s.append(now_s)
        _pulse(array, cells, up, np.ones_like(up), places[int(chosen)], depinning_v)
        now_s = _readings_s(array, cells)
        after_s.append(now_s)
        for _ in range(_DRIVES):
            stays = np.abs(now_s - before_s[-1]) < 0.5 * step_s
            if not stays.any():
                break
            _pulse(array, cells, up, stays, drive, depinning_v)
            now_s = np.where(stays, _readings_s(array, cells, stays), now_s)
        report((number + 1) / len(order))
    return Walk(np.stack([start_s, far_s]), order, np.stack(ways), np.stack(before_s), np.stack(after_s))


def _pulse(
    array: Walls,
    cells: Sequence[Cell],
    up: npt.NDArray[np.bool_],
    due: npt.NDArray[np.bool_],
    place: Place,
    depinning_v: float,
) -> None:
    """Pulse those that are due, each its own way."""
    for way, sign in ((up & due, 1.0), (~up & due, -1.0)):
        pulsed = [cell for cell, is_due in zip(cells, way, strict=True) if is_due]
        if pulsed:
            array.pulse_cells(pulsed, sign * place.part * depinning_v, place.width_s)


def _end_s(array: Walls, cells: Sequence[Cell], voltage_v: float, end: Place, states: int) -> FloatArray:
    for _ in range(_TO_END * states):
        array.pulse_cells(cells, voltage_v, end.width_s)
    return _readings_s(array, cells)


def _readings_s(array: Walls, cells: Sequence[Cell], due: npt.NDArray[np.bool_] | None = None) -> FloatArray:
    """Return the readings of those that are due; 0 for the others."""
    chosen = np.ones(len(cells), dtype=bool) if due is None else due
    read = [cell for cell, is_due in zip(cells, chosen, strict=True) if is_due]
    readings_s = np.zeros(len(cells))
    readings_s[chosen] = array.read_cells(read)
    if not np.isfinite(readings_s).all():
        place = cells[int(np.flatnonzero(~np.isfinite(readings_s))[0])]
        raise RunError(f"walls: a reading of {place} has no value; look at the junction and the read range")
    return readings_s
