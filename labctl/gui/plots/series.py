"""The curves of one plot out of the rows of a run: one per column and group, each in bounded memory.

Not here: what is chosen (:mod:`labctl.gui.plots.choice`), drawing.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labctl.gui.feed import numbers
from labctl.gui.plots.choice import CELL, POINT, Choice
from labctl.gui.plots.decimated import Decimated

__all__ = ["OTHERS", "Series"]

OTHERS = "others"
_MOST_GROUPS = 20
_FEW_BUCKETS, _MANY_BUCKETS = 256, 4096
_WIDTH = "Width (s)"
_MOST_COLUMNS = 2**20


class Series:
    """The curves of a plot.

    Parameters
    ----------
    choice : Choice
    y : str
        Label of the column.
    only_stimuli : bool
        Leave out rows that applied no pulse.

    Attributes
    ----------
    y : str
    only_stimuli : bool
    curves : dict of str to Decimated
        By group, in the order in which the groups came; "" without groups.
    """

    def __init__(self, choice: Choice, y: str, *, only_stimuli: bool = False) -> None:
        self.choice = choice
        self.y = y
        self.only_stimuli = only_stimuli
        self.curves: dict[str, Decimated] = {}

    @property
    def count(self) -> int:
        """Points of all curves."""
        return sum(curve.count for curve in self.curves.values())

    @property
    def is_monotone(self) -> bool:
        """Whether x never goes back in any curve."""
        return all(curve.is_monotone for curve in self.curves.values())

    def take(self, seqs: NDArray[np.int64], columns: Mapping[str, NDArray[Any]]) -> None:
        """Take rows, in order.

        Parameters
        ----------
        seqs : ndarray, shape (points,)
            Their numbers.
        columns : mapping of str to ndarray, shape (points,), unit as the label says
            At least those that the choice needs.
        """
        x = seqs.astype(np.float64) if self.choice.x == POINT else numbers(columns[self.choice.x])
        y = numbers(columns[self.y])
        wanted = np.ones(len(seqs), dtype=bool)
        if self.choice.event:
            wanted &= columns["Event"] == self.choice.event
        if self.only_stimuli:
            wanted &= np.isfinite(numbers(columns[_WIDTH]))
        wanted &= np.isfinite(x) & np.isfinite(y)
        if not wanted.any():
            return
        x, y, seqs = x[wanted], y[wanted], seqs[wanted]
        if self.choice.is_absolute:
            y = np.abs(y)
        if not self.choice.group:
            self._curve("").append(x, y, seqs)
            return
        names, which = self._groups(columns, wanted)
        order = np.argsort(which, kind="stable")
        ends = np.cumsum(np.bincount(which, minlength=len(names)))
        x, y, seqs = x[order], y[order], seqs[order]
        for name, start, end in zip(names, (0, *ends[:-1]), ends, strict=True):
            self._curve(name).append(x[start:end], y[start:end], seqs[start:end])

    def _groups(
        self, columns: Mapping[str, NDArray[Any]], wanted: NDArray[np.bool_]
    ) -> tuple[list[str], NDArray[np.intp]]:
        """Name the groups of these rows, in the order in which they come, and tell the group of each row."""
        if self.choice.group == CELL:
            # one number for both: far quicker than unique pairs
            cells = numbers(columns["Row"])[wanted] * _MOST_COLUMNS + numbers(columns["Column"])[wanted]
            values, firsts, which = np.unique(cells, return_index=True, return_inverse=True)
            named = [_cell_name(value) for value in values.tolist()]
        else:
            texts = columns[self.choice.group][wanted].astype(str)
            values, firsts, which = np.unique(texts, return_index=True, return_inverse=True)
            word = self.choice.group.partition(" (")[0].lower()
            named = [str(value) if word == "event" else f"{word} {value}" for value in values]
        order = np.argsort(firsts)
        fresh = [named[place] for place in order if named[place] not in self.curves]
        full = _MOST_GROUPS - sum(name != OTHERS for name in self.curves)
        left_out = set(fresh[max(full, 0) :])
        names = list(dict.fromkeys(OTHERS if named[place] in left_out else named[place] for place in order))
        places = np.array([names.index(OTHERS if name in left_out else name) for name in named])
        return names, places[which.reshape(-1)]

    def _curve(self, name: str) -> Decimated:
        if name not in self.curves:
            self.curves[name] = Decimated(_FEW_BUCKETS if self.choice.group else _MANY_BUCKETS)
        return self.curves[name]


def _cell_name(value: float) -> str:
    if value != value:
        return "no cell"
    row, column = divmod(value, _MOST_COLUMNS)
    return f"cell {row:.0f},{column:.0f}"
