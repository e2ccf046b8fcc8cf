"""The crossbar solver in NumPy alone, for where no compiler may run: same method, same answers, slower.

The method is described in :mod:`labctl.physics.line_schur_numba`; it is written down here a second time, in array
operations and with no shared code, so that each of the two checks the other. Workspaces are not used, and not here.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labctl.physics import crossbar_planes as plane
from labctl.physics.crossbar_codes import (
    BAD_CELL,
    BAD_END,
    CONFLICT,
    EXTRA_STEPS,
    FORCING,
    GMIN_S,
    MAX_NEWTON,
    NO_CONVERGENCE,
    OK,
    RESIDUAL_LIMIT,
    SCALE_FLOOR,
    STEP_LIMIT,
    TOLERANCE,
    VOLTAGE_LIMIT,
    WEAK_OHM,
)

__all__ = ["solve_ends"]

Floats = NDArray[np.float64]


@dataclass(slots=True)
class _Lines:
    """All word lines or all bit lines: arrays are (nodes, lines)."""

    segment_ohm: float
    z_near: Floats
    z_far: Floats
    bus: NDArray[np.int64]
    is_conflict: bool = False
    d: list[Floats] = field(default_factory=list)
    rho: list[Floats] = field(default_factory=list)
    beta: list[Floats] = field(default_factory=list)
    phi: Floats = field(default_factory=lambda: np.zeros(0))
    shapes: Floats = field(default_factory=lambda: np.zeros(0))

    def factor(self, diag: Floats) -> None:
        """Carry the admittance, then its inverse, from the near to the far ends."""
        self.d, self.rho, self.beta = [], [], []
        with np.errstate(divide="ignore", invalid="ignore"):
            y = 1.0 / self.z_near
            for g in diag:
                d = 1.0 / (y + g)
                self.d.append(d)
                # not 1 - g d: a share far below 1 must keep its digits
                self.rho.append(np.where(y < np.inf, y * d, 1.0))
                y = 1.0 / (self.segment_ohm + d) if self.segment_ohm > 0.0 else y + g
                self.beta.append(d * y if self.segment_ohm > 0.0 else np.ones_like(d))
            self.phi = self.d[-1] / (self.d[-1] + self.z_far)
        self.is_conflict = bool(np.isnan(self.phi).any())

    def sweep(self, injected: Floats, e_near: Floats, e_far: Floats) -> Floats:
        """Solve all lines for injected currents and end voltages."""
        v = np.empty_like(injected)
        source = np.multiply(injected, self.d)
        before = e_near
        for k, rho in enumerate(self.rho):
            before = v[k] = source[k] + rho * before
        after = v[-1] = v[-1] + self.phi * (e_far - v[-1])
        for k in range(len(v) - 2, -1, -1):
            after = v[k] = v[k] + self.beta[k] * (after - v[k])
        return v

    def ends(self, known: Floats, u: Floats) -> tuple[Floats, Floats]:
        """End voltages: those of shared buses where a line hangs on one, ``known`` elsewhere."""
        if len(u):
            known = np.where(self.bus >= 0, u[self.bus], known)
        return known[: len(self.z_near)], known[len(self.z_near) :]

    def shape_buses(self, diag: Floats, emf: Floats, s: Floats, known: Floats) -> None:
        """Shapes of lines per volt at either end; their admittances into ``s``, currents of known ends aside."""
        zero, one = np.zeros(diag.shape[1]), np.ones(diag.shape[1])
        near, far = self.sweep(np.zeros_like(diag), one, zero), self.sweep(np.zeros_like(diag), zero, one)
        self.shapes = np.concatenate((near, far), axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            along = (near[-2] if len(near) > 1 else zero) / self.segment_ohm
            through = np.where(self.z_near > 0.0, far[0] / self.z_near, along)
            through = np.where(self.z_far > 0.0, near[-1] / self.z_far, through)
        loads = (np.concatenate((diag, diag), axis=1) * self.shapes).sum(axis=0) + np.tile(through, 2)
        lines = len(through)
        for a in np.flatnonzero(self.bus >= 0):
            bus, other = self.bus[a], (a + lines) % (2 * lines)
            s[bus, bus] += loads[a]
            if self.bus[other] >= 0:
                s[bus, self.bus[other]] -= through[a % lines]
            else:
                known[bus] += through[a % lines] * emf[other]

    def collect(self, injected: Floats, buses: int) -> Floats:
        """Part of injected currents that reaches each shared bus, by reciprocity."""
        if not buses:
            return np.zeros(0)
        reach = (self.shapes * np.concatenate((injected, injected), axis=1)).sum(axis=0)
        into: Floats = np.zeros(buses)
        return into + np.bincount(self.bus + 1, weights=reach, minlength=buses + 1)[1:]


@dataclass(slots=True)
class _Array:
    """The linearised circuit: word lines, bit lines, cell slopes (rows, columns), matrix of the shared buses."""

    word: _Lines
    bit: _Lines
    g: Floats
    s: Floats

    def apply_word(self, injected: Floats, u: Floats, known: Floats) -> Floats:
        """Word voltages (rows, columns) for currents injected into word lines."""
        return self.word.sweep(injected.T, *self.word.ends(known, u)).T

    def solve_buses(self, current: Floats) -> Floats:
        u: Floats = np.zeros(len(current))
        return u + np.linalg.solve(self.s, current) if len(current) else u

    def precondition(self, r: Floats, r_bus: Floats, zero: Floats) -> tuple[Floats, Floats]:
        u = self.solve_buses(r_bus + self.bit.collect(r, len(r_bus)))
        return self.bit.sweep(r, *self.bit.ends(zero, u)), u

    def lost(self, r: Floats, r_bus: Floats) -> float:
        """2-norm of the currents missing."""
        return float(np.sqrt((r**2).sum() + (r_bus**2).sum()))

    def gather(self, current: Floats) -> Floats:
        """On ideal bit lines, put what is injected along a line into its first node, so that it cancels."""
        if self.bit.segment_ohm > 0.0:
            return current
        gathered = np.zeros_like(current)
        gathered[0] = current.sum(axis=0)
        return gathered

    def conjugate_gradients(
        self, r: Floats, r_bus: Floats, target_a: float, target_v: float
    ) -> tuple[Floats, Floats, Floats, Floats, Floats, int]:
        """Return corrections of word, bit and bus voltages, the residuals that remain, and the steps taken."""
        zero_word, zero_bit = np.zeros(len(self.word.bus)), np.zeros(len(self.bit.bus))
        x_word, x, x_bus = np.zeros_like(r), np.zeros_like(r), np.zeros_like(r_bus)
        p, q, p_bus, q_bus = np.zeros_like(r), np.zeros_like(r), np.zeros_like(r_bus), np.zeros_like(r_bus)
        r = self.gather(r)
        rz_old = np.inf
        steps = extra = 0
        while steps < 50 + 10 * sum(r.shape):
            if self.lost(r, r_bus) <= target_a:
                if extra == EXTRA_STEPS or target_v == np.inf:
                    break
                extra += 1
            z, z_bus = self.precondition(r, r_bus, zero_bit)
            if extra and np.abs(z).max() <= target_v:
                break
            rz = float((r * z).sum() + (r_bus * z_bus).sum())
            if not rz > 0.0:
                break
            ratio, rz_old = rz / rz_old, rz
            p, q = z + ratio * p, r + ratio * q
            p_bus, q_bus = z_bus + ratio * p_bus, r_bus + ratio * q_bus
            injected = self.g * p
            p_word = self.apply_word(injected, p_bus, zero_word)
            product = self.gather(q - self.g * p_word)
            product_bus = q_bus - self.word.collect(injected.T, len(r_bus))
            curvature = float((p * product).sum() + (p_bus * product_bus).sum())
            if not curvature > 0.0:
                break
            step = rz / curvature
            x_word, x, x_bus = x_word + step * p_word, x + step * p, x_bus + step * p_bus
            r, r_bus = r - step * product, r_bus - step * product_bus
            steps += 1
        return x_word, x, x_bus, r, r_bus, steps


def _line_means(emf: Floats, ohm: Floats, lines: int) -> Floats:
    """Mean of the end voltages of each line, weighted by conductance."""
    with np.errstate(divide="ignore"):
        y = np.minimum(1.0 / ohm, 1e9).reshape(2, lines)
    weight = y.sum(axis=0)
    total = (y * emf.reshape(2, lines)).sum(axis=0)
    mean: Floats = np.zeros(lines)
    np.divide(total, weight, out=mean, where=weight > 0.0)
    return mean


def _end_currents(lines: _Lines, v: Floats, cells: Floats, emf: Floats, injected: Floats) -> Iterable[Floats]:
    """Currents into the array at near and far ends; ``cells`` are the currents out of the line's nodes."""
    count = len(lines.z_near)
    near_in, far_in = injected[:count], injected[count:]
    near_v, far_v = emf[:count], emf[count:]
    total = cells.sum(axis=0) + GMIN_S * v.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        first = cells[0] + GMIN_S * v[0] + (v[0] - v[min(1, len(v) - 1)]) / lines.segment_ohm
        near = np.where(lines.z_near > 0.0, (near_v - v[0]) / lines.z_near, first)
        far = (far_v - v[-1]) / lines.z_far
    is_far_measured = (lines.z_far >= lines.z_near) & (lines.z_far > 0.0)
    far_floats, near_floats = lines.z_far == np.inf, lines.z_near == np.inf
    far = np.where(is_far_measured, far, total - near)
    far = np.where(near_floats, total - near_in, far)
    far = np.where(far_floats, far_in, far)
    near = np.where(is_far_measured | far_floats, total - far, near)
    near = np.where(near_floats, near_in, near)
    return near, far


def solve_ends(
    a1: Floats,
    a3: Floats,
    is_odd: bool,
    segment_word_ohm: float,
    segment_bit_ohm: float,
    ends: Floats,
    bus: NDArray[np.int64],
    bus_table: Floats,
    is_warm: bool,
    start_v: Floats,
    start_bit_v: Floats,
    _word: Any,
    _bit: Any,
    _s: Any,
    _vectors: Any,
    out: Floats,
    end_current: Floats,
) -> tuple[int, float, int, int]:
    """Solve one array; arguments and results are those of :func:`labctl.physics.line_schur_numba.solve_ends`.

    Parameters
    ----------
    a1, a3 : ndarray, shape (rows, columns), unit S and S/V^2
    is_odd : bool
    segment_word_ohm, segment_bit_ohm : float, unit ohm
    ends : ndarray, shape (END_ROWS, line ends)
    bus : ndarray of int, shape (line ends,)
    bus_table : ndarray, shape (3, buses)
    is_warm : bool
    start_v, start_bit_v : ndarray, shape (rows, columns), unit V
    _word, _bit, _s, _vectors : object
        Workspaces of the compiled engine, left alone.
    out : ndarray, shape (3, rows, columns), unit V
    end_current : ndarray, shape (line ends,), unit A

    Returns
    -------
    status : int
    residual : float, unit 1
    newton, iterations : int
    """
    rows, columns = a1.shape
    w, buses = 2 * rows, bus_table.shape[1]
    ohm, emf, injected = ends[plane.OHM], ends[plane.EMF], ends[plane.INJECTED]
    cubic = a3 if is_odd else np.zeros_like(a1)
    if not all(((a >= 0.0) & (a < np.inf)).all() for a in (a1, cubic)):
        return BAD_CELL, np.inf, 0, 0
    if not ((ohm >= 0.0).all() and np.isfinite(emf).all() and np.isfinite(injected).all()):
        return BAD_END, np.inf, 0, 0
    word = _Lines(segment_word_ohm, ohm[:rows], ohm[rows:w], bus[:w])
    bit = _Lines(segment_bit_ohm, ohm[w : w + columns], ohm[w + columns :], bus[w:])
    u = bus_table[2].copy()
    ends_v = np.where(bus >= 0, u[bus], emf) if buses else emf
    top_v = float(np.abs(ends_v).max())
    for lines, current in ((word, injected[:w]), (bit, injected[w:])):
        floats = np.isinf(lines.z_near) & np.isinf(lines.z_far) & (current.reshape(2, -1) == 0.0).all(axis=0)
        is_warm = is_warm and not floats.any()
    mean_bit = _line_means(ends_v[w:], ohm[w:], columns)
    bit_v = start_bit_v if is_warm else np.tile(mean_bit, (rows, 1))
    v = start_v if is_warm else _line_means(ends_v[:w], ohm[:w], rows)[:, None] - mean_bit
    into_word, into_bit = np.zeros_like(a1), np.zeros_like(a1)
    into_word[:, 0] += injected[:rows]
    into_word[:, -1] += injected[rows:w]
    into_bit[0] += injected[w : w + columns]
    into_bit[-1] += injected[w + columns :]
    zero_word = np.zeros(w)
    word_v, r, r_bus, mismatch = np.zeros_like(a1), np.zeros_like(a1), np.zeros(buses), np.zeros_like(a1)
    residual, change, scale, steps, newton = np.inf, np.inf, 0.0, 0, 0
    is_weak = bool(((bit.z_near > WEAK_OHM) & (bit.z_far > WEAK_OHM)).any())
    target_v = VOLTAGE_LIMIT * top_v if is_weak else np.inf
    while newton < MAX_NEWTON and (residual > TOLERANCE or (is_odd and change > STEP_LIMIT * top_v)):
        g = a1 + 3.0 * cubic * v * v
        word.factor(g.T + GMIN_S)
        bit.factor(g + GMIN_S)
        if word.is_conflict or bit.is_conflict:
            return CONFLICT, np.inf, 0, 0
        array = _Array(word, bit, g, np.diag(bus_table[0]))
        known = np.zeros(buses)
        if buses:
            word.shape_buses(g.T + GMIN_S, emf[:w], array.s, known)
            bit.shape_buses(g + GMIN_S, emf[w:], array.s, known)
        if newton == 0:
            # one block Gauss-Seidel step; the residual after it needs no wire conductance
            offset = -2.0 * cubic * v**3
            f = g * bit_v - offset + into_word
            before = array.apply_word(f, u, emf[:w])
            f_bit = g * before + offset + into_bit
            u = array.solve_buses(bus_table[1] + known + word.collect(f.T, buses) + bit.collect(f_bit, buses))
            bit_before, bit_v = bit_v, bit.sweep(f_bit, *bit.ends(emf[w:], u))
            more = g * (bit_v - bit_before)
            word_v = array.apply_word(f + more, u, emf[:w])
            r, r_bus = g * (word_v - before), word.collect(more.T, buses)
            guess = word_v - bit_v
            scale = float(np.abs((a1 + cubic * guess * guess) * guess).max())
        else:
            dw0 = array.apply_word(-mismatch, np.zeros(buses), zero_word)
            r, r_bus = r + mismatch + g * dw0, r_bus + word.collect(-mismatch.T, buses)
        floor = SCALE_FLOOR * float(g.max()) * top_v
        wanted = max(0.3 * TOLERANCE, FORCING * (residual if newton else 1.0)) if is_odd else 0.3 * TOLERANCE
        target_a = wanted * max(scale, floor)
        x_word, x, x_bus, r, r_bus, taken = array.conjugate_gradients(r, r_bus, target_a, target_v)
        steps += taken
        if newton == 0:
            word_v, bit_v, u = word_v + x_word, bit_v + x, u + x_bus
            dv = word_v - bit_v - v
        else:
            x_word = x_word + dw0
            dv = x_word - x
            word_v, bit_v, u = word_v + x_word, bit_v + x, u + x_bus
        mismatch = cubic * dv * dv * (3.0 * v + dv)
        v, change = word_v - bit_v, float(np.abs(dv).max())
        scale = max(float(np.abs((a1 + cubic * v * v) * v).max()), floor)
        lost = array.lost(r, r_bus) + float(np.sqrt((mismatch**2).sum()))
        residual = lost / scale if scale > 0.0 else 0.0
        newton += 1
    out[0], out[1], out[2] = v, word_v, bit_v
    bus_table[2] = u
    ends_v = np.where(bus >= 0, u[bus], emf) if buses else emf
    cells = (a1 + cubic * v * v) * v
    end_current[:] = np.concatenate(
        (
            *_end_currents(word, word_v.T, cells.T, ends_v[:w], injected[:w]),
            *_end_currents(bit, bit_v, -cells, ends_v[w:], injected[w:]),
        )
    )
    return (OK if residual <= RESIDUAL_LIMIT else NO_CONVERGENCE), residual, newton, steps
