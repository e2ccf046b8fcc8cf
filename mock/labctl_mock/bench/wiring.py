"""Matrix crosspoints to conductors: which lines of the die hang together on which buses, and through what.

Pure graph work on names and numbers. Not here: voltages and currents (:mod:`labctl_mock.bench.network`).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from labctl_mock.bench.bench_file import GROUND, WiringEntry

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
    """The wires of a bench as its file tells them.

    Parameters
    ----------
    entry : WiringEntry

    Attributes
    ----------
    matrix : str
        Key of the matrix that the lines hang on.
    line_count : int
        Word lines plus bit lines.
    identification_s : ndarray, shape (lines,), unit S
        Conductance of the identification resistors; zeros where the bench has none.
    """

    def __init__(self, entry: WiringEntry) -> None:
        self._entry = entry
        self.matrix = entry.matrix
        columns = [*entry.word_lines, *entry.bit_lines]
        self._line_of_column = {column: line for line, column in enumerate(columns)}
        self.line_count = len(columns)
        self.identification_s = np.zeros(self.line_count)
        if entry.identification_ohm:
            self.identification_s[:] = [1.0 / resistor.value for resistor in entry.identification_ohm]

    def line_of(self, column: str) -> int | None:
        """Return the line on a matrix column, None where no line is."""
        return self._line_of_column.get(column)

    def topology(self, closed: Iterable[Crosspoint]) -> Topology:
        """Work out the buses under a set of closed crosspoints.

        Parameters
        ----------
        closed : iterable of Crosspoint
            Each once.

        Returns
        -------
        Topology
        """
        rows_of_column: dict[str, list[str]] = {}
        for point in closed:
            rows_of_column.setdefault(point.column, []).append(point.row)
        group = {row: row for row in {*self._entry.rows, *(row for rows in rows_of_column.values() for row in rows)}}
        for first, *others in rows_of_column.values():
            for other in others:
                # the name of a group is its first row in the alphabet
                new, old = sorted((group[first], group[other]))
                group = {row: new if name == old else name for row, name in group.items()}
        leaders = sorted(set(group.values()))
        bus_of_row = {row: leaders.index(leader) for row, leader in group.items()}

        crosspoint_s = 1.0 / self._entry.crosspoint_ohm.value
        bus_of_line, line_s = [-1] * self.line_count, [0.0] * self.line_count
        pad_bus = -1
        for column, rows in rows_of_column.items():
            bus = bus_of_row[rows[0]]
            line = self._line_of_column.get(column)
            if line is not None:
                bus_of_line[line] = bus
                line_s[line] = len(rows) * crosspoint_s
            elif column == self._entry.identification:
                pad_bus = bus
        lines = np.array(bus_of_line, dtype=np.intp)
        buses = tuple(self._bus(index, bus_of_row, lines) for index in range(len(leaders)))
        return Topology(buses, bus_of_row, lines, np.array(line_s), pad_bus)

    def _bus(self, index: int, bus_of_row: dict[str, int], bus_of_line: NDArray[np.intp]) -> Bus:
        rows = tuple(sorted(row for row, bus in bus_of_row.items() if bus == index))
        wired = [self._entry.rows[row] for row in rows if row in self._entry.rows]
        return Bus(
            rows=rows,
            terminals=tuple(dict.fromkeys(name for name in wired if name != GROUND)),
            joint_ohm=self._entry.crosspoint_ohm.value if len(rows) > 1 else 0.0,
            is_grounded=GROUND in wired,
            lines=np.flatnonzero(bus_of_line == index),
        )
