"""A curve of any length in bounded memory: the latest points as they are, older ones as an envelope.

The envelope is a row of buckets of consecutive points; each keeps its first, lowest, highest and last point in the
order in which they came. So a trace over time keeps every spike, and a loop such as an I-V curve keeps its form. When
there are too many buckets, neighbours become one. Not here: drawing, and which points belong to a curve
(:mod:`labctl.gui.plots.series`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Decimated", "Floats", "Shown"]

Floats = NDArray[np.float64]
_KEPT = 4


@dataclass(frozen=True, slots=True)
class Shown:
    """Points of a curve that stand for all of its points.

    Attributes
    ----------
    x, y : ndarray, shape (points,), unit as the curve's
    seqs : ndarray, shape (points,)
        Their numbers in the run.
    each : int
        Points of the curve in a bucket where it is coarsest; 1: these are all points.
    """

    x: Floats
    y: Floats
    seqs: Floats
    each: int


class Decimated:
    """One curve.

    Parameters
    ----------
    most_buckets : int
        Even; at most so many buckets, and about as many of the latest points.

    Attributes
    ----------
    count : int
        Points so far.
    is_monotone : bool
        Whether x never went back.
    each : int
        Points in a bucket, a power of two.

    Raises
    ------
    ValueError
        If ``most_buckets`` is odd or not positive.
    """

    def __init__(self, most_buckets: int = 4096) -> None:
        if most_buckets < 2 or most_buckets % 2:
            raise ValueError(f"most_buckets must be even and at least 2, got {most_buckets}")
        self._most = most_buckets
        self.count = 0
        self.is_monotone = True
        self.each = 1
        # x, y, number; the first axis is that of the three
        self._buckets = np.empty((3, 0, _KEPT))
        self._waiting: list[Floats] = []
        self._tail = np.empty((3, 0))
        self._tail_count = 0
        self._last_x = -np.inf

    @property
    def latest(self) -> tuple[float, float] | None:
        """The last point, x and y; None without one."""
        tail = self._joined()
        return (float(tail[0, -1]), float(tail[1, -1])) if tail.shape[1] else None

    def append(self, x: Floats, y: Floats, seqs: NDArray[np.generic]) -> None:
        """Take points, in order; those without a finite x and y are left out.

        Parameters
        ----------
        x, y : ndarray, shape (points,), unit as the curve's
        seqs : ndarray, shape (points,)
            Their numbers in the run, rising.
        """
        good = np.isfinite(x) & np.isfinite(y)
        part = np.stack([x[good], y[good], seqs[good].astype(np.float64)])
        size = part.shape[1]
        if not size:
            return
        if self.is_monotone:
            self.is_monotone = bool(part[0, 0] >= self._last_x and np.all(part[0, 1:] >= part[0, :-1]))
            self._last_x = float(part[0, -1])
        self.count += size
        self._waiting.append(part)
        self._tail_count += size
        if self._tail_count > 2 * self._most:
            self._fold()

    def shown(self, most: int, lowest_x: float = -np.inf, highest_x: float = np.inf) -> Shown:
        """Return points to draw.

        Parameters
        ----------
        most : int
            About as many as the screen can show; twice as many are never returned, unless a few points are all.
        lowest_x, highest_x : float, unit as the curve's
            Of a curve whose x never goes back only this range is returned, with a neighbour on either side.

        Returns
        -------
        Shown
        """
        buckets, tail = self._buckets, self._joined()
        if self.is_monotone:
            starts, ends = (np.concatenate([buckets[0, :, place], tail[0]]) for place in (0, -1))
            first, last = _range(starts, ends, lowest_x, highest_x)
            size = buckets.shape[1]
            buckets = buckets[:, first:last]
            tail = tail[:, max(first - size, 0) : max(last - size, 0)]
        each = self.each if buckets.shape[1] else 1
        while buckets.shape[1] * _KEPT > max(most, _KEPT) and buckets.shape[1] > 1:
            buckets = _halved(buckets)
            each *= 2
        flat = buckets.reshape(3, -1)
        if tail.shape[1] > max(most, 2 * _KEPT):
            size = -(-tail.shape[1] * _KEPT // max(most, _KEPT))
            whole = tail.shape[1] // size * size
            tail = np.concatenate([_folded(tail[:, :whole], size).reshape(3, -1), tail[:, whole:]], axis=1)
            each = max(each, size)
        x, y, seqs = np.concatenate([flat, tail], axis=1)
        return Shown(x, y, seqs, each)

    def seq_range(self, lowest_x: float, highest_x: float) -> tuple[int, int]:
        """Tell which points of the run lie in a range of x.

        Parameters
        ----------
        lowest_x, highest_x : float, unit as the curve's
            The curve's x must never go back.

        Returns
        -------
        tuple of int
            Numbers of the first and last, with a bucket on either side; (1, 0) where there is none.
        """
        found = self.shown(10**9, lowest_x, highest_x).seqs
        return (int(found[0]), int(found[-1])) if len(found) else (1, 0)

    def _joined(self) -> Floats:
        if self._waiting:
            self._tail = np.concatenate([self._tail, *self._waiting], axis=1)
            self._waiting.clear()
        return self._tail

    def _fold(self) -> None:
        """Turn all but the latest points into buckets."""
        tail = self._joined()
        while True:
            room = self._most - self._buckets.shape[1]
            number = min((tail.shape[1] - self._most) // self.each, room)
            if number <= 0:
                break
            fresh = _folded(tail[:, : number * self.each], self.each)
            self._buckets = np.concatenate([self._buckets, fresh], axis=1)
            tail = tail[:, number * self.each :]
            if self._buckets.shape[1] == self._most:
                self._buckets = _halved(self._buckets)
                self.each *= 2
        # a copy: a view would keep the whole old array alive
        self._tail = tail.copy()
        self._tail_count = tail.shape[1]


def _range(starts: Floats, ends: Floats, lowest: float, highest: float) -> tuple[int, int]:
    first = int(np.searchsorted(ends, lowest, side="left"))
    last = int(np.searchsorted(starts, highest, side="right"))
    return max(first - 1, 0), min(last + 1, len(starts))


def _folded(points: Floats, size: int) -> Floats:
    """Make buckets of so many points each."""
    return _chosen(points.reshape(3, -1, size))


def _halved(buckets: Floats) -> Floats:
    """Make one bucket of two neighbours; an odd one at the end stays as it is."""
    pairs = buckets.shape[1] // 2 * 2
    joined = _chosen(buckets[:, :pairs].reshape(3, -1, 2 * _KEPT))
    return np.concatenate([joined, buckets[:, pairs:]], axis=1)


def _chosen(points: Floats) -> Floats:
    """Keep the first, lowest, highest and last point of each row, in their order."""
    y = points[1]
    rows, size = y.shape
    places = np.empty((rows, _KEPT), dtype=np.intp)
    places[:, 0], places[:, 1], places[:, 2], places[:, 3] = 0, y.argmin(axis=1), y.argmax(axis=1), size - 1
    places.sort(axis=1)
    chosen: Floats = np.take_along_axis(points, places[np.newaxis], axis=2)
    return chosen
