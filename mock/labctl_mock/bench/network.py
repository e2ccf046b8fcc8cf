"""Terminals, buses and lines around the array, and the solver's answer as instruments see it.

The identification resistors (1 MOhm beside crosspoints of 1 ohm) are added to the answer to first order, which leaves
out 1e-6 of their current. Not here: what the sources do (:mod:`labctl_mock.bench.drives`), time, states, noise
(:mod:`labctl_mock.bench.circuit`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import NDArray

from labctl.physics.crossbar_network import Connections, OddCells, SourcedSolution, Sources
from labctl_mock.bench.drives import BusSource, Drives
from labctl_mock.bench.hot_switching import Felt
from labctl_mock.bench.terminals import Terminal
from labctl_mock.bench.wiring import Topology, Wiring

__all__ = ["Instant", "Network", "SolveArray"]

SolveArray = Callable[[Connections, Sources], SourcedSolution]
"""Solve the array with its present cells."""

_DRIVES_KEPT = 128


@dataclass(frozen=True, slots=True)
class Instant:
    """One solved instant.

    Attributes
    ----------
    array : SourcedSolution
    drives : Drives
    bus_voltage_v : ndarray, shape (buses,), unit V
    bus_current_a : ndarray, shape (buses,), unit A
        Of all its sources together, into the bus.
    terminal_voltage_v : dict of str to float, unit V
    terminal_current_a : dict of str to float, unit A
        Out of the terminal.
    in_compliance : dict of str to bool
    """

    array: SourcedSolution
    drives: Drives
    bus_voltage_v: NDArray[np.float64]
    bus_current_a: NDArray[np.float64]
    terminal_voltage_v: dict[str, float]
    terminal_current_a: dict[str, float]
    in_compliance: dict[str, bool]


class Network:
    """The conductors around the array under one topology.

    Parameters
    ----------
    topology : Topology
    wiring : Wiring
    shape : tuple of int
        Rows and columns of the array.
    terminals : Mapping of str to Terminal
        Read anew at every solve.

    Attributes
    ----------
    topology : Topology
    wired_terminals : frozenset of str
        Terminals that are wired to a row of the matrix.
    lively_cells : ndarray of int
        Flat numbers of the cells with a line that is not tied to ground.
    """

    def __init__(
        self, topology: Topology, wiring: Wiring, shape: tuple[int, int], terminals: Mapping[str, Terminal]
    ) -> None:
        self.topology = topology
        self.wired_terminals = frozenset(name for bus in topology.buses for name in bus.terminals)
        self._terminals = terminals
        self._shape = shape
        rows, identification_s = shape[0], wiring.identification_s
        grounded = np.array([bus.is_grounded for bus in topology.buses])[topology.bus_of_line] & (
            topology.bus_of_line >= 0
        )
        self.lively_cells = np.flatnonzero(~(grounded[:rows, np.newaxis] & grounded[np.newaxis, rows:]))
        self._held = topology.bus_of_line >= 0
        self._pad_s = identification_s
        source, tie_s = topology.bus_of_line, topology.line_s
        if topology.pad_bus >= 0:
            # a line that no crosspoint holds hangs on the pad alone
            source = np.where(self._held, source, topology.pad_bus)
            tie_s = np.where(self._held, tie_s, identification_s)
        nowhere = np.full(len(source), -1)
        none_s = np.zeros(len(source))
        self._connections = Connections(
            source[:rows], tie_s[:rows], nowhere[:rows], none_s[:rows],
            source[rows:], tie_s[rows:], nowhere[rows:], none_s[rows:],
        )  # fmt: skip
        self._tie_ohm = np.divide(1.0, tie_s, out=np.zeros(len(source)), where=tie_s > 0.0)
        self._tied_bus = np.maximum(source, 0)
        self._is_joined = any(len(bus.terminals) + bus.is_grounded > 1 for bus in topology.buses)
        self._wired = [(name, terminals[name]) for name in sorted(self.wired_terminals)]
        self._drives: dict[tuple[object, ...], Drives] = {}
        self._seen = {
            name: (bus.lines[bus.lines < rows], bus.lines[bus.lines >= rows] - rows)
            for bus in topology.buses
            for name in bus.terminals
        }

    def drives(self, levels: Mapping[str, float]) -> Drives:
        """Read what the sources do now.

        Parameters
        ----------
        levels : Mapping of str to float, unit V or A
            Levels in place of those of the terminals, as during a pulse.

        Returns
        -------
        Drives
        """
        key = tuple(
            (own.mode, levels.get(name, own.level), own.resistance_ohm, own.current_limit_a, own.voltage_limit_v)
            for name, own in self._wired
        )
        found = self._drives.get(key)
        if found is None:
            if len(self._drives) >= _DRIVES_KEPT:
                del self._drives[next(iter(self._drives))]
            found = self._drives[key] = Drives.of(self.topology, self._terminals, levels)
        return found

    def solve(self, drives: Drives, solve_array: SolveArray) -> Instant:
        """Solve one instant.

        Parameters
        ----------
        drives : Drives
        solve_array : SolveArray

        Returns
        -------
        Instant
        """
        limited: Drives | None = drives
        while limited is not None:
            drives = limited
            array = solve_array(self._connections, drives.solver)
            limited = drives.limited_by(array.bus_voltage_v) if self._is_joined else None
        return self._instant(drives, array)

    def felt(self, instant: Instant) -> Felt:
        """Return what the relays feel.

        Parameters
        ----------
        instant : Instant

        Returns
        -------
        Felt
        """
        array, bus_v = instant.array, instant.bus_voltage_v
        column_v, row_a = self._bare_columns(array, bus_v)
        if self.topology.pad_bus >= 0:
            row_a[self._held] -= self._pad_currents_a(bus_v, column_v)
        return Felt(self.topology.bus_of_row, bus_v, column_v, row_a)

    def is_reached(self) -> NDArray[np.bool_]:
        """Tell which cells have a line that a bus holds; shape (rows, columns)."""
        rows = self._shape[0]
        return np.asarray(self._held[:rows, np.newaxis] | self._held[np.newaxis, rows:])

    def is_limited(self, instant: Instant) -> NDArray[np.bool_]:
        """Tell which cells have a line whose bus is in compliance; shape (rows, columns)."""
        rows = self._shape[0]
        limited = self._held & instant.array.in_compliance[self.topology.bus_of_line]
        return np.asarray(limited[:rows, np.newaxis] | limited[np.newaxis, rows:])

    def seen_s(self, terminal: str, static: OddCells) -> float:
        """Return the conductance of all cells on the lines of a terminal's bus, unit S.

        Parameters
        ----------
        terminal : str
        static : OddCells

        Returns
        -------
        float, unit S
        """
        word, bit = self._seen[terminal]
        return float(static.linear_s[word].sum() + static.linear_s[:, bit].sum())

    def cell_limits_a(self, drives: Drives) -> NDArray[np.float64] | None:
        """Return the most that each cell can carry: the smaller compliance of its two lines.

        Neighbours that share a line's current are not taken off: as a cell grows, the line sags, and they give way.

        Parameters
        ----------
        drives : Drives

        Returns
        -------
        ndarray, shape (rows, columns), unit A, or None
            None where no source has a limit.
        """
        if drives.limits_a is None:
            return None
        line_a = np.where(self._held, drives.limits_a[self.topology.bus_of_line], inf)
        rows = self._shape[0]
        # a source at 0 A still gives way to a trickle: limits must be positive
        return np.maximum(np.minimum(line_a[:rows, np.newaxis], line_a[np.newaxis, rows:]), 1e-12)

    def cell_lags_s(self, drives: Drives) -> NDArray[np.float64]:
        """Return how late the compliance acts that limits each cell: that of the line with the smaller one.

        Parameters
        ----------
        drives : Drives

        Returns
        -------
        ndarray, shape (rows, columns), unit s
        """
        rows = self._shape[0]
        line_s = np.where(self._held, drives.lags_s[self.topology.bus_of_line], 0.0)
        if drives.limits_a is None or not line_s.any():
            return np.zeros(self._shape)
        line_a = np.where(self._held, drives.limits_a[self.topology.bus_of_line], inf)
        by_word = line_a[:rows, np.newaxis] <= line_a[np.newaxis, rows:]
        return np.where(by_word, line_s[:rows, np.newaxis], line_s[np.newaxis, rows:])

    def is_selected(self, instant: Instant) -> NDArray[np.bool_]:
        """Tell which cells lie between the lines that are driven furthest apart.

        Where several pairs are equally far apart, as a driven word line is from a bit line at 0 V and from all grounded
        ones, the pairs that terminals drive on both sides are meant.

        Parameters
        ----------
        instant : Instant

        Returns
        -------
        ndarray of bool, shape (cells,)
        """
        rows = self._shape[0]
        line_v = np.where(self._held, instant.bus_voltage_v[self.topology.bus_of_line], np.nan)
        apart_v = np.nan_to_num(np.abs(line_v[:rows, np.newaxis] - line_v[np.newaxis, rows:]))
        furthest = (apart_v > 0.0) & (apart_v >= 0.999 * float(apart_v.max(initial=0.0)))
        driven = instant.drives.is_driven[self.topology.bus_of_line] & self._held
        preferred = furthest & driven[:rows, np.newaxis] & driven[np.newaxis, rows:]
        return np.asarray(preferred if preferred.any() else furthest).reshape(-1)

    def _instant(self, drives: Drives, array: SourcedSolution) -> Instant:
        bus_v, bus_a = array.bus_voltage_v, array.source_current_a
        if self.topology.pad_bus >= 0:
            bus_v, bus_a = self._with_pad(drives.by_bus[self.topology.pad_bus], array)
        voltage, current, compliance = {}, {}, {}
        for bus, own, limited, v, a in zip(
            self.topology.buses,
            drives.by_bus,
            array.in_compliance.tolist(),
            bus_v.tolist(),
            bus_a.tolist(),
            strict=True,
        ):
            for name in bus.terminals:
                voltage[name], current[name], compliance[name] = v, 0.0, False
            for source in own:
                name = source.name
                current[name] = a if len(own) == 1 else source.current_a(v)
                compliance[name] = limited if len(own) == 1 else source.fixed_a is not None
                voltage[name] = v + current[name] * bus.joint_ohm
        return Instant(array, drives, bus_v, bus_a, voltage, current, compliance)

    def _bare_columns(
        self, array: SourcedSolution, bus_v: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Voltages of columns and currents through their crosspoints, identification resistors left out."""
        line_a = np.concatenate([array.word_near_current_a, array.bit_near_current_a])
        ends_v = np.concatenate([array.word_voltage_v[:, 0], array.bit_voltage_v[0, :]])
        column_v = np.where(self._tie_ohm > 0.0, bus_v[self._tied_bus] - line_a * self._tie_ohm, ends_v)
        return column_v, np.where(self._held, line_a, 0.0)

    def _pad_currents_a(self, bus_v: NDArray[np.float64], column_v: NDArray[np.float64]) -> NDArray[np.float64]:
        """Currents from the pad into the columns that crosspoints hold."""
        return np.asarray(self._pad_s[self._held] * (bus_v[self.topology.pad_bus] - column_v[self._held]))

    def _with_pad(
        self, own: list[BusSource], array: SourcedSolution
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Add what the identification resistors do to the voltages and currents of the buses."""
        pad, held = self.topology.pad_bus, self._held
        bus_v, bus_a = array.bus_voltage_v.copy(), array.source_current_a.copy()
        column_v, _ = self._bare_columns(array, bus_v)
        pad_s, line_v = self._pad_s[held], column_v[held]
        if not own and not len(self.topology.buses[pad].lines):
            # nothing drives the pad: it goes where its resistors pull it
            bus_v[pad] = float(pad_s @ line_v) / float(pad_s.sum()) if pad_s.size else 0.0
        elif len(own) == 1 and not own[0].is_current:
            ohm = own[0].series_ohm
            bus_v[pad] -= ohm * float(self._pad_currents_a(bus_v, column_v).sum()) / (1.0 + ohm * float(pad_s.sum()))
        into_columns_a = self._pad_currents_a(bus_v, column_v)
        bus_a[pad] += into_columns_a.sum()
        np.subtract.at(bus_a, self.topology.bus_of_line[held], into_columns_a)
        return bus_v, bus_a
