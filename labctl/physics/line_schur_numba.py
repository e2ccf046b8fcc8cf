"""Compiled solver of the crossbar; :mod:`labctl.physics.line_schur_numpy` gives the same answers without a compiler.

The unknowns are the voltages of word nodes, bit nodes and shared buses. Word lines are eliminated exactly; conjugate
gradients run on bit lines and buses, preconditioned by the exact inverse of bit lines plus buses with the coupling of
bit lines to each other left out. The product of the preconditioner with a search direction is carried along by
recursion [1]_, because the wire conductances that it would need may be infinite. Odd cells are linearised by Newton's
method; for such cells a full step overshoots at most once.  Not here: which line end is
on which source, and compliance (:mod:`labctl.physics.crossbar_sources`).

References
----------
.. [1] S. C. Eisenstat, "Efficient implementation of a class of preconditioned conjugate gradient methods", SIAM J. Sci.
   Stat. Comput. 2 (1981) 1, doi:10.1137/0902001 (carries a preconditioner's product along).
"""

from typing import Any

import numpy as np
from numba import njit

from labctl.physics import crossbar_planes as plane
from labctl.physics import line_ends_numba as line_ends
from labctl.physics import line_ladder_numba as ladder
from labctl.physics.crossbar_codes import (
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
)
from labctl.physics.line_kernel import kernel

__all__ = ["solve_ends"]


@kernel
def _difference(word_v: Any, bit_v: Any, out: Any) -> None:
    """Word minus bit voltages of the cells."""
    rows, columns = out.shape
    for i in range(rows):
        for j in range(columns):
            out[i, j] = word_v[j, i] - bit_v[i, j]


@kernel
def _linearise(a1: Any, a3: Any, is_odd: bool, word: Any, bit: Any) -> None:
    """Slopes of the cells at their present voltages, and from them both diagonals."""
    rows, columns = a1.shape
    g, v, diag, word_diag = bit[plane.G], bit[plane.V_CELL], bit[plane.DIAG], word[plane.DIAG]
    for i in range(rows):
        if is_odd:
            for j in range(columns):
                g[i, j] = a1[i, j] + 3.0 * a3[i, j] * v[i, j] * v[i, j]
        else:
            for j in range(columns):
                g[i, j] = a1[i, j]
        for j in range(columns):
            diag[i, j] = g[i, j] + GMIN_S
            word_diag[j, i] = diag[i, j]


@kernel
def _current_scale(a1: Any, a3: Any, is_odd: bool, v: Any, floor: float, lanes: Any) -> float:
    """Largest cell current, but not less than the floor."""
    rows, columns = v.shape
    lanes[:columns] = floor
    for i in range(rows):
        for j in range(columns):
            slope = a1[i, j] + a3[i, j] * v[i, j] * v[i, j] if is_odd else a1[i, j]
            size = abs(slope * v[i, j])
            lanes[j] = size if size > lanes[j] else lanes[j]
    scale = floor
    for j in range(columns):
        scale = max(scale, lanes[j])
    return scale


@kernel
def _sweep_word(word: Any, ends: Any, e: Any, out: Any) -> None:
    rows = out.shape[1]
    front = ends[plane.SCRATCH]
    ladder.sweep(word, word[plane.F], e[:rows], e[rows : 2 * rows], ends[plane.PHI, :rows], front, out)


@kernel
def _sweep_bit(f: Any, bit: Any, ends: Any, e: Any, out: Any) -> None:
    rows, columns = out.shape
    near, far = 2 * rows, 2 * rows + columns
    ladder.sweep(bit, f, e[near:far], e[far:], ends[plane.PHI, near:far], ends[plane.SCRATCH], out)


@kernel
def _inject_word(word: Any, bit: Any, voltage: Any) -> None:
    """Currents that bit voltages send through the cells into the word lines, into F."""
    g, f = bit[plane.G], word[plane.F]
    rows, columns = g.shape
    for i in range(rows):
        for j in range(columns):
            f[j, i] = g[i, j] * voltage[i, j]


@kernel
def _conjugate_gradients(
    word: Any,
    bit: Any,
    ends: Any,
    bus: Any,
    s: Any,
    vectors: Any,
    lanes: Any,
    segment_bit_ohm: float,
    target_a: float,
    target_v: float,
) -> int:
    """Reduce the residual R (and that of the buses) below its target while correcting X; return the steps taken."""
    rows, columns = bit[plane.R].shape
    r, z, p, q, x, g = bit[plane.R], bit[plane.Z], bit[plane.P], bit[plane.Q], bit[plane.X], bit[plane.G]
    word_x, word_p = word[plane.X], word[plane.P]
    r_bus, z_bus, p_bus, q_bus, x_bus = vectors[0], vectors[1], vectors[2], vectors[3], vectors[4]
    buses = len(r_bus)
    zero = ends[plane.ZERO]
    ladder.gather(r, segment_bit_ohm)
    rz_old = np.inf
    extra = 0
    p[:] = 0.0
    q[:] = 0.0
    p_bus[:] = 0.0
    q_bus[:] = 0.0
    for steps in range(50 + 10 * (rows + columns)):
        if ladder.lost_current(r, r_bus, lanes) <= target_a:
            if extra == EXTRA_STEPS or target_v == np.inf:
                return steps
            extra += 1
        if buses:
            for t in range(buses):
                z_bus[t] = r_bus[t]
            ladder.collect(bus[2 * rows :], bit[plane.H_NEAR], bit[plane.H_FAR], r, z_bus)
            ladder.back_substitute(s, z_bus)
            ladder.set_ends(bus, z_bus, zero)
        _sweep_bit(r, bit, ends, zero, z)
        if extra and ladder.largest(z, lanes) <= target_v:
            return steps
        rz = ladder.dot(r, z, lanes)
        for t in range(buses):
            rz += r_bus[t] * z_bus[t]
        if not rz > 0.0:
            return steps
        ratio = rz / rz_old
        rz_old = rz
        for i in range(rows):
            for j in range(columns):
                p[i, j] = z[i, j] + ratio * p[i, j]
                q[i, j] = r[i, j] + ratio * q[i, j]
        for t in range(buses):
            p_bus[t] = z_bus[t] + ratio * p_bus[t]
            q_bus[t] = r_bus[t] + ratio * q_bus[t]
        _inject_word(word, bit, p)
        if buses:
            ladder.set_ends(bus, p_bus, zero)
            z_bus[:] = 0.0
            ladder.collect(bus[: 2 * rows], word[plane.H_NEAR], word[plane.H_FAR], word[plane.F], z_bus)
        _sweep_word(word, ends, zero, word_p)
        # from here z is the operator times p
        for i in range(rows):
            for j in range(columns):
                z[i, j] = q[i, j] - g[i, j] * word_p[j, i]
        ladder.gather(z, segment_bit_ohm)
        curvature = ladder.dot(p, z, lanes)
        for t in range(buses):
            z_bus[t] = q_bus[t] - z_bus[t]
            curvature += p_bus[t] * z_bus[t]
        if not curvature > 0.0:
            return steps
        step = rz / curvature
        for i in range(rows):
            for j in range(columns):
                x[i, j] += step * p[i, j]
                r[i, j] -= step * z[i, j]
        for j in range(columns):
            for i in range(rows):
                word_x[j, i] += step * word_p[j, i]
        for t in range(buses):
            x_bus[t] += step * p_bus[t]
            r_bus[t] -= step * z_bus[t]
    return steps


@kernel
def _first(a3: Any, is_odd: bool, word: Any, bit: Any, ends: Any, bus: Any, bus_j: Any, s: Any, vectors: Any) -> None:
    """One block Gauss-Seidel step from the bit voltages in X; the residual after it needs no wire conductance."""
    g, m, v, x, r = bit[plane.G], bit[plane.M], bit[plane.V_CELL], bit[plane.X], bit[plane.R]
    rows, columns = g.shape
    w, buses = 2 * rows, len(bus_j)
    e, injected = ends[plane.E], ends[plane.INJECTED]
    r_bus, u, known = vectors[0], vectors[4], vectors[5]
    # current of the linearised cells at 0 V
    if is_odd:
        for i in range(rows):
            for j in range(columns):
                m[i, j] = -2.0 * a3[i, j] * v[i, j] * v[i, j] * v[i, j]
    else:
        m[:] = 0.0
    f, word_old, word_x = word[plane.F], word[plane.P], word[plane.X]
    _inject_word(word, bit, x)
    if is_odd:
        for i in range(rows):
            for j in range(columns):
                f[j, i] -= m[i, j]
    for i in range(rows):
        f[0, i] += injected[i]
        f[columns - 1, i] += injected[rows + i]
    _sweep_word(word, ends, e, word_old)
    bit_f, bit_new, change = bit[plane.F], bit[plane.P], bit[plane.Q]
    for i in range(rows):
        for j in range(columns):
            bit_f[i, j] = g[i, j] * word_old[j, i] + m[i, j]
    for j in range(columns):
        bit_f[0, j] += injected[w + j]
        bit_f[rows - 1, j] += injected[w + columns + j]
    if buses:
        for t in range(buses):
            u[t] = bus_j[t] + known[t]
        ladder.collect(bus[:w], word[plane.H_NEAR], word[plane.H_FAR], f, u)
        ladder.collect(bus[w:], bit[plane.H_NEAR], bit[plane.H_FAR], bit_f, u)
        ladder.back_substitute(s, u)
        ladder.set_ends(bus, u, e)
    _sweep_bit(bit_f, bit, ends, e, bit_new)
    for i in range(rows):
        for j in range(columns):
            change[i, j] = g[i, j] * (bit_new[i, j] - x[i, j])
            x[i, j] = bit_new[i, j]
    for j in range(columns):
        for i in range(rows):
            word_x[j, i] = change[i, j]
            f[j, i] += change[i, j]
    r_bus[:] = 0.0
    if buses:
        ladder.collect(bus[:w], word[plane.H_NEAR], word[plane.H_FAR], word_x, r_bus)
    _sweep_word(word, ends, e, word_x)
    for i in range(rows):
        for j in range(columns):
            r[i, j] = g[i, j] * (word_x[j, i] - word_old[j, i])
    _difference(word_x, x, bit[plane.Z])


@kernel
def _correction(word: Any, bit: Any, ends: Any, bus: Any, vectors: Any) -> None:
    """Start a Newton correction from zero: the residual that the mismatch M of the cells leaves."""
    g, m, r = bit[plane.G], bit[plane.M], bit[plane.R]
    rows, columns = g.shape
    f, word_x = word[plane.F], word[plane.X]
    bit[plane.X] = 0.0
    vectors[4] = 0.0
    ladder.set_ends(bus, vectors[4], ends[plane.ZERO])
    for i in range(rows):
        for j in range(columns):
            f[j, i] = -m[i, j]
    if len(vectors[0]):
        ladder.collect(bus[: 2 * rows], word[plane.H_NEAR], word[plane.H_FAR], f, vectors[0])
    _sweep_word(word, ends, ends[plane.ZERO], word_x)
    for i in range(rows):
        for j in range(columns):
            r[i, j] += m[i, j] + g[i, j] * word_x[j, i]


@kernel
def _advance(a3: Any, is_odd: bool, is_first: bool, word: Any, bit: Any, u: Any, step_u: Any, lanes: Any) -> float:
    """Take the step X, leave in M what the linearised cells then miss of their current; return the largest change."""
    m, v, x = bit[plane.M], bit[plane.V_CELL], bit[plane.X]
    rows, columns = m.shape
    dv, word_x, word_v, bit_v = bit[plane.Z], word[plane.X], word[plane.V], bit[plane.V]
    _difference(word_x, x, dv)
    if is_first:
        ladder.copy(word_x, word_v)
        ladder.copy(x, bit_v)
        for t in range(len(u)):
            u[t] = step_u[t]
        for i in range(rows):
            for j in range(columns):
                dv[i, j] -= v[i, j]
    else:
        for j in range(columns):
            for i in range(rows):
                word_v[j, i] += word_x[j, i]
        for i in range(rows):
            for j in range(columns):
                bit_v[i, j] += x[i, j]
        for t in range(len(u)):
            u[t] += step_u[t]
    if is_odd:
        for i in range(rows):
            for j in range(columns):
                m[i, j] = a3[i, j] * dv[i, j] * dv[i, j] * (3.0 * v[i, j] + dv[i, j])
    else:
        m[:] = 0.0
    _difference(word_v, bit_v, v)
    return float(ladder.largest(dv, lanes))


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def solve_ends(
    a1: Any,
    a3: Any,
    is_odd: bool,
    segment_word_ohm: float,
    segment_bit_ohm: float,
    ends: Any,
    bus: Any,
    bus_table: Any,
    is_warm: bool,
    start_v: Any,
    start_bit_v: Any,
    word: Any,
    bit: Any,
    s: Any,
    vectors: Any,
    out: Any,
    end_current: Any,
) -> tuple[int, float, int, int]:
    """Solve one array whose line ends are resistances to known voltages or to shared buses.

    Parameters
    ----------
    a1, a3 : ndarray, shape (rows, columns), unit S and S/V^2
        ``a3`` is read only where ``is_odd``.
    is_odd : bool
    segment_word_ohm, segment_bit_ohm : float, unit ohm
    ends : ndarray, shape (END_ROWS, line ends)
        Row OHM resistance (ohm, inf floats), EMF voltage (V), INJECTED current (A); the other rows are scratch.
    bus : ndarray of int, shape (line ends,)
        Shared bus of a line end, or -1.
    bus_table : ndarray, shape (3, buses)
        Conductance to ground (S), current into the bus (A), voltage (V; first guess in, solution out).
    is_warm : bool
        Start from ``start_v`` (cells) and ``start_bit_v``, unless a line floats.
    start_v, start_bit_v : ndarray, shape (rows, columns), unit V
    word, bit : ndarray, shapes (WORD_PLANES, columns, rows) and (BIT_PLANES, rows, columns)
        Scratch.
    s, vectors : ndarray, shapes (buses, buses) and (6, buses)
        Scratch.
    out : ndarray, shape (3, rows, columns), unit V
        Receives cell, word and bit voltages.
    end_current : ndarray, shape (line ends,), unit A
        Receives the currents into the array.

    Returns
    -------
    status : int
        Of :mod:`labctl.physics.crossbar_codes`.
    residual : float, unit 1
    newton, iterations : int
    """
    status = line_ends.check(a1, a3, is_odd, ends)
    if status != OK:
        return status, np.inf, 0, 0
    u, known = bus_table[2], vectors[5]
    top_v = 0.0
    for a in range(len(bus)):
        ends[plane.E, a] = ends[plane.EMF, a] if bus[a] < 0 else u[bus[a]]
        top_v = max(top_v, abs(ends[plane.E, a]))
    ends[plane.ZERO] = 0.0
    if is_warm and not line_ends.has_floating(ends, len(a1)):
        ladder.copy(start_v, bit[plane.V_CELL])
        ladder.copy(start_bit_v, bit[plane.X])
    else:
        line_ends.guess(ends, bit, len(a1))
    residual, change, steps, scale, newton = np.inf, np.inf, 0, 0.0, 0
    target_v = VOLTAGE_LIMIT * top_v if line_ends.is_weak(ends[plane.OHM], len(a1)) else np.inf
    while newton < MAX_NEWTON and (residual > TOLERANCE or (is_odd and change > STEP_LIMIT * top_v)):
        _linearise(a1, a3, is_odd, word, bit)
        top_g = ladder.largest(bit[plane.G], end_current)
        s[:] = 0.0
        known[:] = 0.0
        fine = ladder.factor_side(word, segment_word_ohm, ends, bus, s, known, plane.FIRST_WORD_END)
        fine = fine and ladder.factor_side(bit, segment_bit_ohm, ends, bus, s, known, 2 * len(a1))
        if not fine:
            return CONFLICT, np.inf, 0, 0
        for t in range(len(u)):
            s[t, t] += bus_table[0, t]
        ladder.cholesky(s)
        if newton == 0:
            _first(a3, is_odd, word, bit, ends, bus, bus_table[1], s, vectors)
            scale = _current_scale(a1, a3, is_odd, bit[plane.Z], SCALE_FLOOR * top_g * top_v, end_current)
        else:
            _correction(word, bit, ends, bus, vectors)
        # a linear system need not be solved much better than the cells are linear
        wanted = max(0.3 * TOLERANCE, FORCING * (residual if newton else 1.0)) if is_odd else 0.3 * TOLERANCE
        target_a = wanted * scale
        steps += _conjugate_gradients(
            word, bit, ends, bus, s, vectors, end_current, segment_bit_ohm, target_a, target_v
        )
        change = _advance(a3, is_odd, newton == 0, word, bit, u, vectors[4], end_current)
        scale = _current_scale(a1, a3, is_odd, bit[plane.V_CELL], SCALE_FLOOR * top_g * top_v, end_current)
        lost = ladder.lost_current(bit[plane.R], vectors[0], end_current)
        lost += np.sqrt(ladder.dot(bit[plane.M], bit[plane.M], end_current))
        residual = lost / scale if scale > 0.0 else 0.0
        newton += 1
    ladder.set_ends(bus, u, ends[plane.E])
    line_ends.write_out(a1, a3, is_odd, segment_word_ohm, segment_bit_ohm, ends, word, bit, out, end_current)
    return (OK if residual <= RESIDUAL_LIMIT else NO_CONVERGENCE), residual, newton, steps
