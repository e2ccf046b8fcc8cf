"""The cells of the die as the circuit sees them: conductances brought up to date where it matters, voltages applied.

A read solves all cells together but cares for few: those on a line that is not tied to ground. Only these are refreshed
per read; the others, which see millivolts of wire drop, keep noise and relaxation that are at most :data:`STALE_S` old.
They carry about 1 % of the current of a read and move by less than 1 % in that time, so a reading is off by at most
about 1e-4 of itself, a third of its own noise. Not here: how cells change (:mod:`labctl.physics.die`).
"""

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labctl.physics.cells import DieState
from labctl.physics.crossbar_network import OddCells
from labctl.physics.die import Die
from labctl_mock.bench.drives import Drives
from labctl_mock.bench.network import Instant, Network

__all__ = ["STALE_S", "LiveCells"]

STALE_S = 10.0
"""Longest time, unit s of the bench's clock, that a conductance is left as it was."""

# a stress is solved again where it moved a cell by more than this (unit 1) and its voltage by more than that (unit V)
_MOVED = 0.1
_MOVED_V = 2e-3
_ROUNDS = 5
# a virgin cell that ages by more than this part of its life during a piece of time is near its breakdown
_AGED = 0.05
_HALVINGS = 24
_NO_CELLS = np.empty(0, dtype=np.intp)
# part by which the voltage of a cell may move within one hold
_SAME_HOLD = 0.2


class LiveCells:
    """The die, with the static I-V of all its cells at hand for the solver.

    Parameters
    ----------
    die : Die
    half_select : bool
        False spares every cell but those between the lines that are driven furthest apart.

    Attributes
    ----------
    die : Die
    shape : tuple of int
        Rows and columns.
    static : OddCells
        Static I-V; its arrays are updated in place.
    dead_zone_v : float, unit V
        Up to this voltage no cell changes.
    """

    def __init__(self, die: Die, *, half_select: bool) -> None:
        self.die = die
        self.shape = die.shape
        self.static = OddCells(np.zeros(self.shape), np.zeros(self.shape))
        self.dead_zone_v = float(die.law.dead_zone_v)
        self._half_select = half_select
        self._linear_s = self.static.linear_s.reshape(-1)
        self._cubic = self.static.cubic_s_per_v2.reshape(-1)
        flat = die.state.flat()
        self._state: list[NDArray[Any]] = [getattr(flat, field.name) for field in fields(DieState)]
        self._programmed_s = flat.conductance_s
        self._formed = flat.formed
        self._exposure = flat.forming_exposure
        self._stress_voltage_v = flat.stress_voltage_v
        self._held_by: Drives | None = None
        self._held_until_s = -np.inf
        self._refreshed_at_s = -np.inf
        self._all = np.arange(self._linear_s.size)

    def refresh(self, now_s: float, cells: NDArray[np.intp], *, aperture_s: float = 0.0) -> None:
        """Bring cells up to date; all of them, where that is long ago.

        Parameters
        ----------
        now_s : float, unit s
            End of the aperture on the bench's clock.
        cells : ndarray of int
            Flat numbers of the cells that matter.
        aperture_s : float, unit s
            Fast noise is averaged over this time.
        """
        if now_s - self._refreshed_at_s > STALE_S:
            self._refreshed_at_s = now_s
            cells = self._all
        elif not cells.size:
            return
        self._linear_s[cells], self._cubic[cells] = self.die.coefficients_at(now_s, cells, aperture_s=aperture_s)

    def solve(self, now_s: float, line_v: NDArray[np.float64] | None, run: Callable[[], Instant]) -> Instant:
        """Solve an instant; the cells have no control lines.

        Parameters
        ----------
        now_s : float, unit s
            The bench's clock.
        line_v : None
        run : callable
            Solves the circuit with the static I-V as it is.

        Returns
        -------
        Instant
        """
        self.refresh(now_s, _NO_CELLS)
        return run()

    def live_through(
        self, network: Network, solve: Callable[[], Instant], now_s: float, duration_s: float
    ) -> list[Instant]:
        """Let the cells live through constant levels.

        A cell whose conductance moves much shifts its own voltage through wires and source resistances. The stress is
        then repeated from the same start, with the same draws, at the mean of the voltages before and after. A cell
        that breaks down keeps the first voltage, which broke it; its current limit decides the rest. Where a breakdown
        comes while another cell is near its own, time is halved until they come one by one: the first may save others.

        Parameters
        ----------
        network : Network
        solve : callable
            Solves the present instant.
        now_s : float, unit s
            Start on the bench's clock.
        duration_s : float, unit s

        Returns
        -------
        list of Instant
            At the start and, where cells moved much, at the end.
        """
        return self._piece(network, solve, now_s, duration_s, _HALVINGS)

    def _piece(
        self, network: Network, solve: Callable[[], Instant], now_s: float, duration_s: float, halvings: int
    ) -> list[Instant]:
        first = solve()
        active = np.flatnonzero(np.abs(first.array.cell_voltage_v) > self.dead_zone_v)
        if not self._half_select:
            active = active[network.is_selected(first)[active]]
        if not active.size:
            return [first]
        held = self._held_by, self._held_until_s
        start_v, goes_on = self._hold(first, active, now_s, now_s + duration_s)
        limit_a = network.cell_limits_a(first.drives)
        saved = [values[active] for values in self._state]
        self._stress(start_v, duration_s, now_s, limit_a, active)
        if halvings and self._crowds(active, saved):
            self._restore(active, saved, now_s)
            self._held_by, self._held_until_s = held
            half_s = 0.5 * duration_s
            instants = self._piece(network, solve, now_s, half_s, halvings - 1)
            return instants + self._piece(network, solve, now_s + half_s, half_s, halvings - 1)
        moved = np.abs(self._programmed_s[active] - saved[_PROGRAMMED]) > _MOVED * saved[_PROGRAMMED]
        if not moved.any():
            return [first]
        last = solve()
        corrected = active[moved & ~goes_on & (self._formed[active] == saved[_FORMED])]
        voltage_v = start_v
        for _ in range(_ROUNDS):
            mean_v = start_v.copy()
            mean_v[corrected] = 0.5 * (start_v + last.array.cell_voltage_v.reshape(-1))[corrected]
            if np.max(np.abs(mean_v - voltage_v)) < _MOVED_V:
                break
            self._restore(active, saved, None)
            voltage_v = mean_v
            self._stress(voltage_v, duration_s, now_s, limit_a, active)
            last = solve()
        return [first, last]

    def _crowds(self, active: NDArray[np.intp], saved: list[NDArray[Any]]) -> bool:
        """Tell whether a breakdown came while another cell was near its own, so that their order matters."""
        broke = self._formed[active] & ~saved[_FORMED]
        count = np.count_nonzero(broke)
        aged = self._exposure[active] - saved[_EXPOSURE] > _AGED
        return bool(count > 1 or (count == 1 and (aged & ~broke).any()))

    def _restore(self, active: NDArray[np.intp], saved: list[NDArray[Any]], now_s: float | None) -> None:
        """Undo a stress; with a time, also what the solver knows of the cells."""
        for values, old in zip(self._state, saved, strict=True):
            values[active] = old
        if now_s is not None:
            self.refresh(now_s, active)

    def _hold(
        self, first: Instant, active: NDArray[np.intp], now_s: float, end_s: float
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Tell the voltages to apply, and for which of the active cells they are those of a hold that goes on.

        A hold that is cut into pieces, as by a reading in its midst, keeps the voltage of its first piece, however its
        cells moved since: only then is it one hold to the die.
        """
        voltage_v = first.array.cell_voltage_v.flatten()
        goes_on = np.zeros(active.size, dtype=bool)
        if self._held_by is first.drives and self._held_until_s == now_s:
            before_v = self._stress_voltage_v[active]
            goes_on = np.abs(voltage_v[active] - before_v) < _SAME_HOLD * np.abs(before_v)
            voltage_v[active[goes_on]] = before_v[goes_on]
        self._held_by, self._held_until_s = first.drives, end_s
        return voltage_v, goes_on

    def _stress(
        self,
        voltage_v: NDArray[np.float64],
        duration_s: float,
        now_s: float,
        limit_a: NDArray[np.float64] | None,
        active: NDArray[np.intp],
    ) -> None:
        self.die.stress(voltage_v.reshape(self.shape), duration_s, now_s, current_limit_a=limit_a, active=active)
        self.refresh(now_s + duration_s, active)

    def heat(self, now_s: float, temperature_k: float) -> None:
        """Bring the cells to another temperature, which their law, fitted at one, does not know of.

        Parameters
        ----------
        now_s : float, unit s
            The bench's clock.
        temperature_k : float, unit K
        """
        self.die.temperature_k = temperature_k

    def drift(self, row: int, column: int, factor: float, now_s: float) -> None:
        """Multiply the programmed conductance of a cell, as ageing or a disturbance would.

        Parameters
        ----------
        row, column : int
        factor : float, unit 1
        now_s : float, unit s
            The bench's clock.
        """
        cell = row * self.shape[1] + column
        self._programmed_s[cell] *= factor
        self.refresh(now_s, np.array([cell], dtype=np.intp))

    def truth(self, now_s: float) -> dict[str, NDArray[np.generic]]:
        """Return what no instrument can see, without disturbing it.

        Parameters
        ----------
        now_s : float, unit s

        Returns
        -------
        dict of str to ndarray, shape (rows, columns)
            ``conductance_s`` (low-field slope of the static I-V with relaxation and slow noise, unit S),
            ``programmed_s`` (state without them, unit S), ``formed``, ``stuck`` (boolean).
        """
        saved = [values.copy() for values in self._state]
        conductance_s, _ = self.die.coefficients_at(now_s)
        for values, old in zip(self._state, saved, strict=True):
            values[...] = old
        return {
            "conductance_s": conductance_s,
            "programmed_s": self.die.state.conductance_s.copy(),
            "formed": self.die.state.formed.copy(),
            "stuck": self.die.stuck != 0,
        }


_NAMES = [field.name for field in fields(DieState)]
_FORMED, _PROGRAMMED, _EXPOSURE = (_NAMES.index(name) for name in ("formed", "conductance_s", "forming_exposure"))
