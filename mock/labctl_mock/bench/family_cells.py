"""The cells of a die of any family but metal oxide, as the circuit sees them.

What a cell conducts may depend on the voltage across it and on its gate, so the circuit is solved with secants that are
taken again until the voltages stand still. Only cells that carry something are asked. Not here: how cells change
(:mod:`labctl.physics.live_die`) and where control lines get their voltage (:mod:`labctl_mock.bench.control`).
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from labctl.physics.crossbar_network import OddCells
from labctl.physics.live_die import LiveDie
from labctl_mock.bench.drives import Drives
from labctl_mock.bench.network import Instant, Network

__all__ = ["FamilyCells"]

Array = NDArray[np.float64]

# a secant is good where the voltage of its cell moved by less than this since (unit 1)
_STILL = 1e-4
# cells with less than this part of the largest voltage carry nothing that counts (unit 1), nor those below a picovolt
_SILENT, _SILENT_V = 1e-3, 1e-12
_ROUNDS = 60
# the steepest answer of a circuit to a secant that is followed at once, and the flattest (unit 1)
_STEEPEST, _FLATTEST = -50.0, 0.9
# a stress is repeated where it moved the voltage of a cell by more than this (unit V), at most so many times
_MOVED_V = 2e-3
_REPEATS = 5
# part by which the voltage of a cell may move within one hold
_SAME_HOLD = 0.2
# longest time, unit s of the bench's clock, that a conductance is left as it was
_STALE_S = 10.0


class FamilyCells:
    """The die, with the static I-V of all its cells at hand for the solver.

    Parameters
    ----------
    die : LiveDie
    restore : callable
        Brings a die back from what its ``to_arrays`` gave.
    half_select : bool
        False spares every cell but those between the lines, or under the control, that are driven furthest.
    source_is_word : bool
        True where the source of a cell's transistor is on the word line: the cell voltage is then bit minus word line,
        and the gate counts from the word line.

    Attributes
    ----------
    die : LiveDie
        Another object after a stress that was repeated.
    shape : tuple of int
        Rows and columns.
    static : OddCells
        Static I-V; its arrays are updated in place.
    dead_zone_v : float, unit V
        Up to this voltage across a cell it does not change; inf where only its control changes it.
    """

    def __init__(
        self,
        die: LiveDie,
        *,
        restore: Callable[[Mapping[str, NDArray[np.generic]]], LiveDie],
        half_select: bool,
        source_is_word: bool,
    ) -> None:
        self.die, self.shape, self.dead_zone_v = die, die.shape, float(die.dead_zone_v)
        self._restore, self._half_select, self._source_is_word = restore, half_select, source_is_word
        self._port = die.control
        linear_s, cubic = die.coefficients_at(0.0, control_v=np.full(die.shape, np.nan))
        self.static = OddCells(np.array(linear_s), np.array(cubic))
        self._line_v = np.full(die.rows, np.nan)
        self._source_v = np.zeros(self.shape)
        self._at_v, self._at_control_v = np.zeros(self.shape), np.full(self.shape, np.nan)
        self._is_stale = np.ones(self.shape, dtype=bool)
        self._looked_s, self._aperture_s, self._all_stale_s = -np.inf, 0.0, -np.inf
        self._held_by: Drives | None = None
        self._held_until_s = -np.inf
        self._held_v = np.zeros(self.shape)

    def refresh(self, now_s: float, cells: NDArray[np.intp], *, aperture_s: float) -> None:
        """Let the next solution see these cells as they are at the end of an aperture.

        Parameters
        ----------
        now_s : float, unit s
            End of the aperture on the bench's clock.
        cells : ndarray of int
            Flat numbers.
        aperture_s : float, unit s
            Fast noise is averaged over this time.
        """
        self._looked_s, self._aperture_s = now_s, aperture_s
        self._is_stale.reshape(-1)[cells] = True

    def solve(self, now_s: float, line_v: Array | None, run: Callable[[], Instant]) -> Instant:
        """Solve an instant; take secants again until the cells that matter are where their secants are.

        Parameters
        ----------
        now_s : float, unit s
            The bench's clock.
        line_v : ndarray, shape (rows,), unit V, or None
            Voltage of the control line of each row, NaN where it floats.
        run : callable
            Solves the circuit with the static I-V as it is.

        Returns
        -------
        Instant

        Raises
        ------
        ArithmeticError
            If the voltages do not come to rest.
        """
        if now_s > self._looked_s:
            self._looked_s, self._aperture_s = now_s, 0.0
        if now_s - self._all_stale_s > _STALE_S:
            self._all_stale_s = now_s
            self._is_stale[...] = True
        self._turn_gates(line_v)
        tried_v, answered_v = np.full(self.shape, np.nan), np.full(self.shape, np.nan)
        for _ in range(_ROUNDS):
            instant = run()
            cell_v, control_v = self._voltages(instant)
            size_v = np.abs(cell_v)
            matters = size_v > max(_SILENT * float(size_v.max()), _SILENT_V)
            asked = matters & (self._is_stale | self._moved(cell_v, control_v))
            if not asked.any():
                return instant
            next_v = cell_v.copy()
            next_v[asked] = _towards_rest(*(array[asked] for array in (self._at_v, cell_v, tried_v, answered_v)))
            tried_v[asked], answered_v[asked] = self._at_v[asked], cell_v[asked]
            if not self._ask(np.flatnonzero(asked), next_v, control_v):
                return instant
        worst = float(np.max(np.abs(cell_v - self._at_v)[asked]))
        raise ArithmeticError(
            f"bench: cell voltages must come to rest within {_STILL:g} of themselves, still moved by {worst:.3g} V"
            f" after {_ROUNDS} rounds; limit the current or lower the level"
        )

    def live_through(
        self, network: Network, solve: Callable[[], Instant], now_s: float, duration_s: float
    ) -> list[Instant]:
        """Let the cells live through constant levels.

        A cell that moves shifts its own voltage through wires and source resistances. The stress is then repeated from
        the same start, with the same draws, at the mean of the voltages before and after; not where a compliance rules
        at the end, which the cell was told of, and not in a hold that goes on, which keeps its voltage.

        Parameters
        ----------
        network : Network
        solve : callable
            Solves the present instant.
        now_s, duration_s : float, unit s
            Start on the bench's clock, and how long.

        Returns
        -------
        list of Instant
            At the start and, where the cell voltage can change cells, at the end.
        """
        first = solve()
        found_v, control_v = self._voltages(first)
        start_v = found_v.copy()
        touched = np.abs(start_v) > self.dead_zone_v
        if not self._half_select:
            touched &= network.is_selected(first).reshape(self.shape)
        if not touched.any():
            written = self._written(network, control_v)
            self._stress(start_v, duration_s, now_s, control_v, None, 0.0, written)
            return [first]
        goes_on = self._hold(first, start_v, now_s, now_s + duration_s)
        limit_a, lag_s = network.cell_limits_a(first.drives), network.cell_lags_s(first.drives)
        before = self.die.to_arrays()
        self._stress(start_v, duration_s, now_s, control_v, limit_a, lag_s, touched)
        last = solve()
        end_v, _ = self._voltages(last)
        corrected = touched & ~goes_on & ~network.is_limited(last) & (np.abs(end_v - start_v) > _MOVED_V)
        voltage_v = start_v
        for _ in range(_REPEATS):
            mean_v = np.where(corrected, 0.5 * (start_v + self._voltages(last)[0]), start_v)
            if float(np.max(np.abs(mean_v - voltage_v))) < _MOVED_V:
                break
            temperature_k, voltage_v, self.die = self.die.temperature_k, mean_v, self._restore(before)
            self.die.temperature_k = temperature_k
            self._stress(voltage_v, duration_s, now_s, control_v, limit_a, lag_s, touched)
            last = solve()
        return [first, last]

    def heat(self, now_s: float, temperature_k: float) -> None:
        """Bring the cells to another temperature; what they lived through until ``now_s`` was at the one before.

        Parameters
        ----------
        now_s : float, unit s
            The bench's clock.
        temperature_k : float, unit K
        """
        if temperature_k == self.die.temperature_k:
            return
        # all cells are looked at first: what happened to them since the last look was at the old temperature
        self.die.coefficients_at(now_s, control_v=np.full(self.shape, np.nan))
        self.die.temperature_k = temperature_k
        self._is_stale[...] = True

    def drift(self, row: int, column: int, factor: float, now_s: float) -> None:
        """Multiply the programmed conductance of a cell, as ageing or a disturbance would.

        Parameters
        ----------
        row, column : int
        factor : float, unit 1
        now_s : float, unit s
            The bench's clock.
        """
        self.die.scale(row * self.shape[1] + column, factor)
        self._is_stale[row, column] = True

    def truth(self, now_s: float) -> dict[str, NDArray[np.generic]]:
        """Return what no instrument can see, without disturbing it; see ``LiveDie.truth``.

        Parameters
        ----------
        now_s : float, unit s

        Returns
        -------
        dict of str to ndarray, shape (rows, columns)
        """
        return self.die.truth(now_s)

    def _voltages(self, instant: Instant) -> tuple[Array, Array | None]:
        """Return the voltages of the cells as their law counts them, and of their controls."""
        array = instant.array
        self._source_v = array.word_voltage_v if self._source_is_word else array.bit_voltage_v
        cell_v = -array.cell_voltage_v if self._source_is_word else array.cell_voltage_v
        return cell_v, self._control_v()

    def _control_v(self) -> Array | None:
        if self._port is None:
            return None
        lines_v = np.broadcast_to(self._line_v[:, np.newaxis], self.shape)
        return lines_v.copy() if self._port.kind == "track" else lines_v - self._source_v

    def _turn_gates(self, line_v: Array | None) -> None:
        """Ask the cells of rows whose control line changed: a gate can open or close a cell altogether."""
        if line_v is None:
            return
        changed = ~((line_v == self._line_v) | (np.isnan(line_v) & np.isnan(self._line_v)))
        if changed.any():
            self._line_v = line_v
            cells = np.arange(changed.size * self.shape[1]).reshape(self.shape)[changed].ravel()
            self._ask(cells, self._at_v, self._control_v())

    def _moved(self, cell_v: Array, control_v: Array | None) -> NDArray[np.bool_]:
        """Tell whose secant was taken elsewhere."""
        moved = np.abs(cell_v - self._at_v) > _STILL * np.abs(cell_v)
        if control_v is not None:
            is_same = np.abs(control_v - self._at_control_v) <= _STILL * np.abs(control_v)
            moved |= ~(is_same | (np.isnan(control_v) & np.isnan(self._at_control_v)))
        return moved

    def _ask(self, cells: NDArray[np.intp], voltage_v: Array, control_v: Array | None) -> bool:
        """Take the secants of these cells; tell whether any is another one than before."""
        linear_s, cubic = self.die.coefficients_at(
            self._looked_s, cells, aperture_s=self._aperture_s, control_v=control_v, voltage_v=voltage_v
        )
        own_linear_s, own_cubic = self.static.linear_s.reshape(-1), self.static.cubic_s_per_v2.reshape(-1)
        changed = bool((own_linear_s[cells] != linear_s).any() or (own_cubic[cells] != cubic).any())
        own_linear_s[cells], own_cubic[cells] = linear_s, cubic
        self._at_v.reshape(-1)[cells] = voltage_v.reshape(-1)[cells]
        if control_v is not None:
            self._at_control_v.reshape(-1)[cells] = control_v.reshape(-1)[cells]
        self._is_stale.reshape(-1)[cells] = False
        return changed

    def _written(self, network: Network, control_v: Array | None) -> NDArray[np.bool_]:
        """Tell which cells their control writes: those out of its dead zone that have a way to ground."""
        if self._port is None or control_v is None or self.dead_zone_v < np.inf:
            return np.zeros(self.shape, dtype=bool)
        size_v = np.where(np.isnan(control_v), 0.0, np.abs(control_v))
        if self._port.kind == "gate":
            size_v *= network.is_reached()
        written = size_v > self._port.dead_zone_v
        return np.asarray(written if self._half_select else written & (size_v >= 0.999 * size_v.max()))

    def _hold(self, first: Instant, voltage_v: Array, now_s: float, end_s: float) -> NDArray[np.bool_]:
        """Give the cells of a hold that goes on the voltage of its first piece, in place; tell which those are."""
        goes_on = np.zeros(self.shape, dtype=bool)
        if self._held_by is first.drives and self._held_until_s == now_s:
            goes_on = np.abs(voltage_v - self._held_v) < _SAME_HOLD * np.abs(self._held_v)
            voltage_v[goes_on] = self._held_v[goes_on]
        self._held_by, self._held_until_s, self._held_v = first.drives, end_s, voltage_v.copy()
        return goes_on

    def _stress(
        self,
        voltage_v: Array,
        duration_s: float,
        now_s: float,
        control_v: Array | None,
        limit_a: Array | None,
        lag_s: Array | float,
        active: NDArray[np.bool_],
    ) -> None:
        if active.any():
            self.die.stress(
                voltage_v,
                duration_s,
                now_s,
                control_v=control_v,
                current_limit_a=limit_a,
                limit_lag_s=lag_s,
                active=active,
            )
            self._looked_s, self._aperture_s = now_s + duration_s, 0.0
            self._is_stale |= active


def _towards_rest(tried_v: Array, answered_v: Array, before_tried_v: Array, before_answered_v: Array) -> Array:
    """Return where a secant is to be taken next: cell by cell, on the straight line through the last two answers.

    On logarithmic axes, where neither voltage changes its sign. A plain repetition would run away where a source in
    compliance meets a cell that conducts ever better.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        tried, answered = np.log(np.abs(tried_v)), np.log(np.abs(answered_v))
        slope = (answered - np.log(np.abs(before_answered_v))) / (tried - np.log(np.abs(before_tried_v)))
        slope = np.clip(slope, _STEEPEST, _FLATTEST)
        guess_v = np.sign(answered_v) * np.exp(tried + (answered - tried) / (1.0 - slope))
    usable = np.isfinite(guess_v) & (np.sign(tried_v) == np.sign(answered_v)) & (guess_v != 0.0)
    return np.where(usable, guess_v, answered_v)
