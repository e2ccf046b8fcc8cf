"""Counts in bounded memory: a histogram that widens its own bins, and what each cell had last and how often.

Not here: drawing.
"""

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["CellTally", "Histogram"]

_MOST_BINS = 4096
_MOST_ROWS = 2**20


class Histogram:
    """Counts of values in bins of one width; the width doubles when the values leave the range.

    A bin holds the values from its lower edge up to, not including, its upper edge; edges are multiples of the width,
    so that every value stays in the right bin.

    Parameters
    ----------
    is_log : bool
        Count the decimal logarithm; values that are not positive are left out.

    Attributes
    ----------
    count : int
        Values that were counted.
    """

    def __init__(self, *, is_log: bool = False) -> None:
        self._is_log = is_log
        self.count = 0
        # the width is 2 ** exponent
        self._exponent = -1100
        self._first = 0
        self._bins = np.zeros(0, dtype=np.int64)

    def add(self, values: NDArray[np.float64]) -> None:
        """Count values.

        Parameters
        ----------
        values : ndarray, shape (points,), any unit
            Those that are not finite are left out.
        """
        good = values[np.isfinite(values)]
        if self._is_log:
            good = np.log10(good[good > 0.0])
        if not len(good):
            return
        self.count += len(good)
        self._widen(float(good.min()), float(good.max()))
        places = np.floor(np.ldexp(good, -self._exponent)).astype(np.int64)
        first, last = int(places.min()), int(places.max())
        self._reach(first, last)
        self._bins += np.bincount(places - self._first, minlength=len(self._bins))

    def bars(self, most: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return the counts in bins wide enough to be drawn.

        Parameters
        ----------
        most : int
            At most so many bins.

        Returns
        -------
        tuple of ndarray
            The edges, one more than there are bins, unit of the values (with ``is_log``: their decimal logarithms); the
            counts.
        """
        filled = np.flatnonzero(self._bins)
        if not len(filled):
            return np.zeros(1), np.zeros(0, dtype=np.int64)
        first, exponent = self._first + int(filled[0]), self._exponent
        bins = self._bins[filled[0] : filled[-1] + 1]
        while len(bins) > most:
            first, bins, exponent = *_paired(first, bins), exponent + 1
        edges = np.ldexp(np.arange(first, first + len(bins) + 1, dtype=np.float64), exponent)
        return edges, bins

    def _widen(self, low: float, high: float) -> None:
        if len(self._bins):
            width = math.ldexp(1.0, self._exponent)
            low, high = min(low, self._first * width), max(high, (self._first + len(self._bins) - 1) * width)
        # bins may not be finer than the numbers themselves
        finest = max(abs(low), abs(high)) * 2.0**-40
        needed = max((high - low) / (_MOST_BINS // 2), finest)
        exponent = math.ceil(math.log2(needed)) if needed > 0.0 else self._exponent
        if not len(self._bins):
            self._exponent = max(exponent, self._exponent)
            return
        while self._exponent < exponent:
            self._first, self._bins = _paired(self._first, self._bins)
            self._exponent += 1

    def _reach(self, first: int, last: int) -> None:
        if not len(self._bins):
            self._first = first
        low, high = min(first, self._first), max(last, self._first + len(self._bins) - 1)
        grown = np.zeros(high - low + 1, dtype=np.int64)
        grown[self._first - low : self._first - low + len(self._bins)] = self._bins
        self._first, self._bins = low, grown


class CellTally:
    """How often rows came of each cell, and the last value of each.

    Attributes
    ----------
    counts : dict of (int, int) to int
    values : dict of (int, int) to float
        Unit as the values'.
    """

    def __init__(self) -> None:
        self.counts: dict[tuple[int, int], int] = {}
        self.values: dict[tuple[int, int], float] = {}

    def add(self, rows: NDArray[np.float64], columns: NDArray[np.float64], values: NDArray[np.float64]) -> None:
        """Take rows, in order; those without a cell or without a value are left out.

        Parameters
        ----------
        rows, columns : ndarray, shape (points,), unit 1
        values : ndarray, shape (points,), any unit
        """
        good = np.isfinite(rows) & np.isfinite(columns) & np.isfinite(values)
        good &= (rows >= 0) & (columns >= 0) & (rows < _MOST_ROWS) & (columns < _MOST_ROWS)
        if not good.any():
            return
        keys = rows[good].astype(np.int64) * _MOST_ROWS + columns[good].astype(np.int64)
        # backwards, so that the first of each key is the latest
        found, places, counts = np.unique(keys[::-1], return_index=True, return_counts=True)
        latest = values[good][::-1][places]
        for key, count, value in zip(found.tolist(), counts.tolist(), latest.tolist(), strict=True):
            cell = divmod(key, _MOST_ROWS)
            self.counts[cell] = self.counts.get(cell, 0) + count
            self.values[cell] = value


def _paired(first: int, bins: NDArray[np.int64]) -> tuple[int, NDArray[np.int64]]:
    """Join neighbours to bins of twice the width, whose edges are multiples of it."""
    before = first % 2
    after = (before + len(bins)) % 2
    padded = np.pad(bins, (before, after))
    return (first - before) // 2, padded.reshape(-1, 2).sum(axis=1)
