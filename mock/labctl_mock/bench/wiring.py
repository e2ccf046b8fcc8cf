"""Matrix crosspoints to conductors: which lines of the die hang together on which buses, and through what.

Pure graph work on names and numbers. Not here: voltages and currents (:mod:`labctl_mock.bench.network`).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from math import inf

import numpy as np
from numpy.typing import NDArray

from labctl_mock.bench.wiring_entry import GROUND, DirectEntry, WiringEntry

__all__ = ["Bus", "Crosspoint", "Topology", "Wiring", "parse_crosspoint"]

_CROSSPOINT = re.compile(r"([1-6])([A-H])(0[1-9]|1[0-2])")


@dataclass(frozen=True, slots=True, order=True)
class Crosspoint:
    """One relay: matrix column (slot and column, such as ``"101"``) and row letter."""

    column: str
    row: str


@dataclass(frozen=True, slots=True)
class Bus:
    """One conductor of the rack: a matrix row, or several rows that columns join.

    Attributes
    ----------
    rows : tuple of str
    terminals : tuple of str
        Instrument terminals wired to its rows.
    joint_ohm : float, unit ohm
        What each terminal, and ground, has in series to the bus: zero for a single row; for joined rows the crosspoint
        through which they are joined.
    is_grounded : bool
    lines : ndarray of int
        Lines that a crosspoint puts on the bus; word lines first, bit line ``j`` is ``rows + j``.
    """

    rows: tuple[str, ...]
    terminals: tuple[str, ...]
    joint_ohm: float
    is_grounded: bool
    lines: NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Topology:
    """Everything that closed crosspoints decide, until the next relay moves.

    Attributes
    ----------
    buses : tuple of Bus
        Every row with a wire or a closed crosspoint is in exactly one.
    bus_of_row : dict of str to int
    bus_of_line : ndarray of int, shape (lines,)
        -1 for a line that floats.
    line_s : ndarray, shape (lines,), unit S
        Conductance of the crosspoints between a line and its bus, 0 for a line that floats.
    pad_bus : int
        Bus on the identification pad, -1 while its crosspoints are open.
    """

    buses: tuple[Bus, ...]
    bus_of_row: dict[str, int]
    bus_of_line: NDArray[np.intp]
    line_s: NDArray[np.float64]
    pad_bus: int


@cache
def parse_crosspoint(name: str) -> Crosspoint:
    """Take apart the maker's name of a crosspoint.

    Parameters
    ----------
    name : str
        Slot 1 to 6, row A to H, column 01 to 12, such as ``"1A01"``.

    Returns
    -------
    Crosspoint

    Raises
    ------
    ValueError
        If there is no such crosspoint.
    """
    parts = _CROSSPOINT.fullmatch(name)
    if parts is None:
        raise ValueError(f"crosspoint: must be slot 1-6, row A-H, column 01-12, such as 1A01, got {name!r}")
    slot, row, column = parts.groups()
    return Crosspoint(slot + column, row)


class Wiring:
    """The wires of a bench as its file tells them: through a matrix, or straight to the lines.

    Without a matrix each line hangs on a bus of its own, for ever.

    Parameters
    ----------
    entry : WiringEntry or DirectEntry
    shape : tuple of two ints
        Word and bit lines of the die. A single matrix column for several word lines is a plate that they share; each of
        them then counts with the whole crosspoint, which is right while one row of cells conducts.

    Attributes
    ----------
    matrix : str or None
        Key of the matrix that the lines hang on.
    line_count : int
        Word lines plus bit lines.
    terminals : frozenset of str
        Terminals that are wired to anything.
    identification_s : ndarray, shape (lines,), unit S
        Conductance of the identification resistors; zeros where the bench has none.
    """

    def __init__(self, entry: WiringEntry | DirectEntry, shape: tuple[int, int]) -> None:
        self.line_count = sum(shape)
        self.identification_s = np.zeros(self.line_count)
        self._lines_of_column: dict[str, NDArray[np.intp]] = {}
        if isinstance(entry, DirectEntry):
            self.matrix: str | None = None
            self._rows = {"word": entry.word, "bit": entry.bit}
            self._crosspoint_ohm, self._identification = 0.0, None
        else:
            self.matrix = entry.matrix
            self._rows = dict(entry.rows)
            self._crosspoint_ohm, self._identification = entry.crosspoint_ohm.value, entry.identification
            words = entry.word_lines if len(entry.word_lines) == shape[0] else entry.word_lines * shape[0]
            columns = np.array([*words, *entry.bit_lines])
            self._lines_of_column = {str(column): np.flatnonzero(columns == column) for column in columns}
            if entry.identification_ohm:
                self.identification_s[:] = [1.0 / resistor.value for resistor in entry.identification_ohm]
        self.terminals = frozenset(self._rows.values()) - {GROUND}

    def line_of(self, column: str) -> int | None:
        """Return the line on a matrix column, the first one of a plate; None where no line is."""
        return int(self._lines_of_column[column][0]) if column in self._lines_of_column else None

    def current_a(self, column: str, line_a: NDArray[np.float64]) -> float:
        """Return the current into all lines on a matrix column, unit A.

        Parameters
        ----------
        column : str
        line_a : ndarray, shape (lines,), unit A
            Current into each line.

        Returns
        -------
        float, unit A
            0 where no line is.
        """
        lines = self._lines_of_column.get(column)
        return 0.0 if lines is None else float(line_a[lines].sum())

    def topology(self, closed: Iterable[Crosspoint]) -> Topology:
        """Work out the buses under a set of closed crosspoints.

        Parameters
        ----------
        closed : iterable of Crosspoint
            Each once; none without a matrix.

        Returns
        -------
        Topology
        """
        if self.matrix is None:
            own = tuple(self._bus(index, {"word": 0, "bit": 1}, np.arange(2)) for index in range(2))
            return Topology(own, {"word": 0, "bit": 1}, np.arange(2), np.full(2, inf), -1)
        rows_of_column: dict[str, list[str]] = {}
        for point in closed:
            rows_of_column.setdefault(point.column, []).append(point.row)
        group = {row: row for row in {*self._rows, *(row for rows in rows_of_column.values() for row in rows)}}
        for first, *others in rows_of_column.values():
            for other in others:
                # the name of a group is its first row in the alphabet
                new, old = sorted((group[first], group[other]))
                group = {row: new if name == old else name for row, name in group.items()}
        leaders = sorted(set(group.values()))
        bus_of_row = {row: leaders.index(leader) for row, leader in group.items()}

        crosspoint_s = 1.0 / self._crosspoint_ohm
        bus_of_line, line_s = np.full(self.line_count, -1, dtype=np.intp), np.zeros(self.line_count)
        pad_bus = -1
        for column, rows in rows_of_column.items():
            bus = bus_of_row[rows[0]]
            lines = self._lines_of_column.get(column)
            if lines is not None:
                bus_of_line[lines] = bus
                line_s[lines] = len(rows) * crosspoint_s
            elif column == self._identification:
                pad_bus = bus
        buses = tuple(self._bus(index, bus_of_row, bus_of_line) for index in range(len(leaders)))
        return Topology(buses, bus_of_row, bus_of_line, line_s, pad_bus)

    def _bus(self, index: int, bus_of_row: dict[str, int], bus_of_line: NDArray[np.intp]) -> Bus:
        rows = tuple(sorted(row for row, bus in bus_of_row.items() if bus == index))
        wired = [self._rows[row] for row in rows if row in self._rows]
        return Bus(
            rows=rows,
            terminals=tuple(dict.fromkeys(name for name in wired if name != GROUND)),
            joint_ohm=self._crosspoint_ohm if len(rows) > 1 else 0.0,
            is_grounded=GROUND in wired,
            lines=np.flatnonzero(bus_of_line == index),
        )
