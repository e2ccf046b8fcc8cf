"""The passive circuit of a crossbar: line voltages, cell voltages and terminal currents under given drives.

Every line has segment and contact resistance, and each of its two ends is driven, held through a resistance, or
floating; cells are linear or odd cubic. Drives are either independent for each line end (:meth:`Crossbar.solve`) or
shared sources with series resistance and limits (:meth:`Crossbar.solve_with_sources`). Quasi-static: no capacitance,
no time. Not here: the method (:mod:`labctl.physics.line_schur_numba`), cell physics
(:mod:`labctl.physics.metal_oxide`), and the rack around the array (the bench).
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any, Literal

import numpy as np

from labctl.physics.crossbar_codes import MAX_PASSES, MESSAGES, NO_CONVERGENCE, OK
from labctl.physics.crossbar_network import (
    Boundaries,
    Connections,
    Floats,
    OddCells,
    Solution,
    SourcedSolution,
    SourceMode,
    Sources,
    Wires,
)
from labctl.physics.crossbar_planes import BIT_PLANES, END_ROWS, WORD_PLANES
from labctl.physics.crossbar_sources import ActingSources

__all__ = [
    "Boundaries",
    "Connections",
    "Crossbar",
    "OddCells",
    "Solution",
    "SourceMode",
    "SourcedSolution",
    "Sources",
    "Wires",
]

Engine = Literal["auto", "numba", "numpy"]


class Crossbar:
    """A crossbar of ``rows`` word lines and ``columns`` bit lines.

    It holds the solver's workspace, so one object must not be used by two threads at a time; solutions are independent
    of it and of each other.

    Parameters
    ----------
    rows, columns : int
        At least 1.
    wires : Wires
    engine : {"auto", "numba", "numpy"}
        "numba" is compiled (the first call of a machine takes some seconds, later processes load it from a cache);
        "numpy" gives the same answers some 50 times slower and starts at once; "auto" takes numba where it is
        installed.

    Raises
    ------
    ValueError
        If a size is below 1 or the engine is unknown.
    """

    def __init__(self, rows: int, columns: int, wires: Wires, *, engine: Engine = "auto") -> None:
        if rows < 1 or columns < 1:
            raise ValueError(f"crossbar: rows and columns must be at least 1, got {rows} x {columns}")
        self.rows, self.columns, self.wires = rows, columns, wires
        self._solve_ends = _engine(engine)
        self._contact_ohm = np.repeat([wires.contact_word_ohm, wires.contact_bit_ohm], [2 * rows, 2 * columns])
        self._ends = np.zeros((END_ROWS, 2 * (rows + columns)))
        self._no_bus = np.full(2 * (rows + columns), -1, dtype=np.int64)
        self._word = np.zeros((WORD_PLANES, columns, rows))
        self._bit = np.zeros((BIT_PLANES, rows, columns))
        self._bus_space = {0: (np.zeros((0, 0)), np.zeros((6, 0)))}

    def solve(self, cells: Floats | OddCells, boundaries: Boundaries, *, start: Solution | None = None) -> Solution:
        """Solve the array with an independent drive at each line end.

        Parameters
        ----------
        cells : ndarray, shape (rows, columns), unit S; or OddCells
            Conductances of linear cells, or the coefficients of odd ones.
        boundaries : Boundaries
        start : Solution, optional
            A solution of a similar problem with the same array size; it saves time and does not change the answer
            beyond the residual. It is ignored where a line floats at both ends, lest that line remember.

        Returns
        -------
        Solution

        Raises
        ------
        ValueError
            If shapes do not fit, a value is not finite or negative, or two ideal drives fight on one node.
        ArithmeticError
            If the residual cannot be brought below 1e-9.
        """
        self._check_lines("boundaries", boundaries.rows, boundaries.columns)
        ends = self._ends
        np.add(boundaries.tie_ohm, self._contact_ohm, out=ends[0])
        ends[1] = boundaries.emf_v
        ends[2] = 0.0
        voltages, currents, numbers = self._run(cells, self._no_bus, np.zeros((3, 0)), start)
        return Solution(*self._split(voltages, currents), *numbers)

    def solve_with_sources(
        self,
        cells: Floats | OddCells,
        connections: Connections,
        sources: Sources,
        *,
        start: SourcedSolution | None = None,
    ) -> SourcedSolution:
        """Solve the array with line ends that share sources, each with resistance, limits, or none at all.

        Parameters
        ----------
        cells : ndarray, shape (rows, columns), unit S; or OddCells
        connections : Connections
            Source of each line end, and the conductance between them.
        sources : Sources
        start : SourcedSolution, optional
            As for :meth:`solve`; sources that were in compliance there are tried so first.

        Returns
        -------
        SourcedSolution

        Raises
        ------
        ValueError
            If shapes or indices do not fit, a value is not finite or negative, two ideal drives fight on one node, or a
            current has nowhere to go.
        ArithmeticError
            If the residual cannot be brought below 1e-9, or no consistent set of sources in compliance is found.

        Notes
        -----
        A line end hangs on one source, and a bus has one source. Two sources on one bus are to be merged by the caller
        (conductances add, currents ``emf / resistance`` add).
        """
        self._check_lines("connections", connections.rows, connections.columns)
        acting = ActingSources(sources, connections, start)
        array_start: Solution | None = start
        for _ in range(MAX_PASSES):
            folded = acting.fold(self._contact_ohm)
            self._ends[:3] = folded.ends
            voltages, currents, numbers = self._run(cells, folded.bus, folded.table, array_start)
            source_a, bus_v = acting.read(folded, currents, voltages[1], voltages[2], self._contact_ohm)
            parts = self._split(voltages, currents)
            if not acting.revise(source_a, bus_v):
                limited = np.array(acting.is_limited, dtype=np.bool_)
                return SourcedSolution(*parts, *numbers, source_a, bus_v, limited)
            array_start = Solution(*parts, *numbers)
        raise ArithmeticError(f"crossbar: no consistent set of sources in compliance after {MAX_PASSES} rounds")

    def _check_lines(self, name: str, rows: int, columns: int) -> None:
        if (rows, columns) != (self.rows, self.columns):
            raise ValueError(
                f"{name}: made for {rows} word and {columns} bit lines, the crossbar has {self.rows} and {self.columns}"
            )

    def _split(
        self, voltages: Floats, currents: Floats
    ) -> tuple[Floats, Floats, Floats, Floats, Floats, Floats, Floats]:
        bit_near = 2 * self.rows
        bit_far = bit_near + self.columns
        return (
            voltages[0],
            voltages[1],
            voltages[2],
            currents[: self.rows],
            currents[self.rows : bit_near],
            currents[bit_near:bit_far],
            currents[bit_far:],
        )

    def _cells(self, value: Floats, name: str) -> Floats:
        array = np.ascontiguousarray(value, dtype=np.float64)
        if array.shape != (self.rows, self.columns):
            raise ValueError(f"{name}: must have shape ({self.rows}, {self.columns}), got {array.shape}")
        # a read-only array is another type to the compiled engine, which would compile itself once more
        return array if array.flags.writeable else array.copy()

    def _run(
        self, cells: Floats | OddCells, bus: Any, bus_table: Floats, start: Solution | None
    ) -> tuple[Floats, Floats, tuple[float, int, int]]:
        """Call the engine on the line ends in the workspace; return voltages, end currents and figures."""
        if isinstance(cells, OddCells):
            linear = self._cells(cells.linear_s, "cells: linear_s")
            cubic = self._cells(cells.cubic_s_per_v2, "cells: cubic_s_per_v2")
        else:
            linear = cubic = self._cells(cells, "cells: conductance_s")
        buses = bus_table.shape[1]
        if buses not in self._bus_space:
            self._bus_space[buses] = (np.zeros((buses, buses)), np.zeros((6, buses)))
        voltages = np.empty((3, self.rows, self.columns))
        currents = np.empty(2 * (self.rows + self.columns))
        start_v, start_bit_v = voltages[0], voltages[2]
        if start is not None:
            start_v = self._cells(start.cell_voltage_v, "start: cell_voltage_v")
            start_bit_v = self._cells(start.bit_voltage_v, "start: bit_voltage_v")
        status, residual, newton, iterations = self._solve_ends(
            linear,
            cubic,
            isinstance(cells, OddCells),
            self.wires.segment_word_ohm,
            self.wires.segment_bit_ohm,
            self._ends,
            bus,
            bus_table,
            start is not None,
            start_v,
            start_bit_v,
            self._word,
            self._bit,
            *self._bus_space[buses],
            voltages,
            currents,
        )
        if status != OK:
            message = "crossbar: " + MESSAGES[status].format(residual=residual, newton=newton, iterations=iterations)
            raise (ArithmeticError if status == NO_CONVERGENCE else ValueError)(message)
        return voltages, currents, (residual, newton, iterations)


def _engine(name: Engine) -> Callable[..., tuple[int, float, int, int]]:
    """Import an engine; both are heavy or slow enough to be left alone until asked for."""
    if name not in ("auto", "numba", "numpy"):
        raise ValueError(f"crossbar: engine must be auto, numba or numpy, got {name!r}")
    if name != "numpy":
        try:
            return import_module("labctl.physics.line_schur_numba").solve_ends  # type: ignore[no-any-return]
        except ImportError:
            if name == "numba":
                raise
    return import_module("labctl.physics.line_schur_numpy").solve_ends  # type: ignore[no-any-return]
