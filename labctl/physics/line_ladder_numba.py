"""Compiled kernels for bundles of parallel lines: ladders of resistances with a conductance to ground at each node.

A line is never described by wire conductances but by a Thevenin equivalent carried along it, so a wire of 0 ohm and an
ideal drive are exact. Line ends are numbered word near, word far, bit near, bit far. Arrays of lines have shape (nodes,
lines): the sweep along a line is the slow axis, so that neighbouring lines fill a vector register. No fast-math flag:
results do not depend on the processor. Not here: how word and bit lines are coupled
(:mod:`labctl.physics.line_schur_numba`).

numba checks only a cached function's own file: after editing this one, delete ``__pycache__/*.nbi`` beside it.
"""

from typing import Any

import numpy as np

from labctl.physics import crossbar_planes as plane
from labctl.physics.line_kernel import kernel

__all__ = [
    "back_substitute",
    "cholesky",
    "collect",
    "dot",
    "factor_side",
    "gather",
    "largest",
    "lost_current",
    "set_ends",
    "sweep",
]


@kernel
def _factor(
    diag: Any, segment_ohm: float, z_near: Any, z_far: Any, y: Any, phi: Any, rho: Any, d: Any, beta: Any
) -> bool:
    """Carry the admittance towards the near ends along all lines; False where two ideal drives meet."""
    n, lines = diag.shape
    for i in range(lines):
        y[i] = 1.0 / z_near[i]
    for k in range(n):
        if segment_ohm > 0.0:
            for i in range(lines):
                dd = 1.0 / (y[i] + diag[k, i])
                d[k, i] = dd
                rho[k, i] = y[i] * dd if y[i] < np.inf else 1.0
                y[i] = 1.0 / (segment_ohm + dd)
                beta[k, i] = dd * y[i]
        else:
            for i in range(lines):
                dd = 1.0 / (y[i] + diag[k, i])
                d[k, i] = dd
                rho[k, i] = y[i] * dd if y[i] < np.inf else 1.0
                y[i] += diag[k, i]
                beta[k, i] = 1.0
    fine = True
    for i in range(lines):
        total = d[n - 1, i] + z_far[i]
        if total == 0.0:
            fine = False
        phi[i] = d[n - 1, i] / total
    return fine


@kernel
def sweep(side: Any, f: Any, e_near: Any, e_far: Any, phi: Any, front: Any, v: Any) -> None:
    """Solve all lines for injected currents and end voltages: up with Thevenin, back with node voltages.

    Parameters
    ----------
    side : ndarray, shape (planes, nodes, lines)
        Workspace of the bundle, factored.
    f : ndarray, shape (nodes, lines), unit A
        Injected currents.
    e_near, e_far : ndarray, shape (lines,), unit V
        Voltages behind the end resistances.
    phi : ndarray, shape (lines,), unit 1
        Share of the far end in the last node.
    front : ndarray, shape (at least lines,)
        Scratch.
    v : ndarray, shape (nodes, lines), unit V
        Receives the voltages.
    """
    rho, d, beta = side[plane.RHO], side[plane.D], side[plane.BETA]
    n, lines = f.shape
    for i in range(lines):
        front[i] = e_near[i]
    for k in range(n):
        for i in range(lines):
            front[i] = rho[k, i] * front[i] + d[k, i] * f[k, i]
            v[k, i] = front[i]
    for i in range(lines):
        front[i] += phi[i] * (e_far[i] - front[i])
        v[n - 1, i] = front[i]
    for k in range(n - 2, -1, -1):
        for i in range(lines):
            front[i] = v[k, i] + beta[k, i] * (front[i] - v[k, i])
            v[k, i] = front[i]


@kernel
def copy(source: Any, target: Any) -> None:
    """Copy an array; numba's own assignment takes seconds to compile, for the sake of its error message."""
    n, m = source.shape
    for i in range(n):
        for j in range(m):
            target[i, j] = source[i, j]


@kernel
def dot(x: Any, y: Any, lanes: Any) -> float:
    """Sum of products, in one order on every processor and yet in vector lanes."""
    n, m = x.shape
    lanes[:m] = 0.0
    for i in range(n):
        for j in range(m):
            lanes[j] += x[i, j] * y[i, j]
    total = 0.0
    for j in range(m):
        total += lanes[j]
    return total


@kernel
def largest(x: Any, lanes: Any) -> float:
    """Largest magnitude, in vector lanes."""
    n, m = x.shape
    lanes[:m] = 0.0
    for i in range(n):
        for j in range(m):
            size = abs(x[i, j])
            lanes[j] = size if size > lanes[j] else lanes[j]
    top = 0.0
    for j in range(m):
        top = max(top, lanes[j])
    return top


@kernel
def gather(current: Any, segment_ohm: float) -> None:
    """On ideal wire, put what is injected along a line into its first node, so that it cancels where it should."""
    n, lines = current.shape
    if segment_ohm == 0.0:
        for k in range(1, n):
            for i in range(lines):
                current[0, i] += current[k, i]
                current[k, i] = 0.0


@kernel
def lost_current(r: Any, r_bus: Any, lanes: Any) -> float:
    """2-norm of the currents missing at bit nodes and buses."""
    total = dot(r, r, lanes)
    for t in range(len(r_bus)):
        total += r_bus[t] * r_bus[t]
    return float(np.sqrt(total))


@kernel
def set_ends(bus: Any, u: Any, e: Any) -> None:
    """Overwrite the end voltages of word and bit lines that hang on shared buses."""
    for a in range(len(bus)):
        if bus[a] >= 0:
            e[a] = u[bus[a]]


@kernel
def collect(bus: Any, h_near: Any, h_far: Any, f: Any, into: Any) -> None:
    """Add the part of the currents injected into lines that reaches the shared buses, by reciprocity."""
    n, lines = f.shape
    for i in range(lines):
        if bus[i] >= 0:
            total = 0.0
            for k in range(n):
                total += h_near[k, i] * f[k, i]
            into[bus[i]] += total
        if bus[lines + i] >= 0:
            total = 0.0
            for k in range(n):
                total += h_far[k, i] * f[k, i]
            into[bus[lines + i]] += total


@kernel
def _shape_buses(
    side: Any, segment_ohm: float, z: Any, e: Any, bus: Any, phi: Any, scratch: Any, s: Any, known: Any
) -> None:
    """Shapes of lines per volt at either end; their admittances into ``s``, currents of known ends into ``known``."""
    n, lines = side[plane.F].shape
    side[plane.F] = 0.0
    one, zero, front = scratch[0, :lines], scratch[1, :lines], scratch[2]
    one[:] = 1.0
    zero[:] = 0.0
    sweep(side, side[plane.F], one, zero, phi, front, side[plane.H_NEAR])
    sweep(side, side[plane.F], zero, one, phi, front, side[plane.H_FAR])
    for i in range(lines):
        near, far = bus[i], bus[lines + i]
        if near < 0 and far < 0:
            continue
        self_near, self_far = 0.0, 0.0
        for k in range(n):
            self_near += side[plane.DIAG][k, i] * side[plane.H_NEAR][k, i]
            self_far += side[plane.DIAG][k, i] * side[plane.H_FAR][k, i]
        z_near, z_far = z[i], z[lines + i]
        # current from one end to the other per volt; sums of positive terms only
        if z_far > 0.0:
            through = side[plane.H_NEAR][n - 1, i] / z_far
        elif z_near > 0.0:
            through = side[plane.H_FAR][0, i] / z_near
        else:
            through = side[plane.H_NEAR][n - 2, i] / segment_ohm
        if near >= 0:
            s[near, near] += self_near + through
            if far < 0:
                known[near] += through * e[lines + i]
        if far >= 0:
            s[far, far] += self_far + through
            if near < 0:
                known[far] += through * e[i]
        if near >= 0 and far >= 0:
            s[near, far] -= through
            s[far, near] -= through


@kernel
def factor_side(side: Any, segment_ohm: float, ends: Any, bus: Any, s: Any, known: Any, first: int | np.int64) -> bool:
    """Factor all word lines or all bit lines, and add their part to the matrix of the shared buses.

    Parameters
    ----------
    side : ndarray, shape (planes, nodes, lines)
        Workspace of the bundle with its DIAG filled in.
    segment_ohm : float, unit ohm
    ends : ndarray, shape (END_ROWS, line ends)
    bus : ndarray of int, shape (line ends,)
    s, known : ndarray, shapes (buses, buses) and (buses,), unit S and A
        Added to: admittances of buses, and currents that known line ends send to them.
    first : int
        Number of the bundle's first line end.

    Returns
    -------
    bool
        False where two ideal drives meet.
    """
    lines = side.shape[2]
    middle, last = first + lines, first + 2 * lines
    phi = ends[plane.PHI, first:middle]
    z = ends[plane.OHM]
    fine = _factor(
        side[plane.DIAG],
        segment_ohm,
        z[first:middle],
        z[middle:last],
        ends[plane.Y],
        phi,
        side[plane.RHO],
        side[plane.D],
        side[plane.BETA],
    )
    if fine and len(known):
        scratch = ends[plane.SCRATCH : plane.SCRATCH + 3]
        _shape_buses(
            side, segment_ohm, z[first:last], ends[plane.EMF, first:last], bus[first:last], phi, scratch, s, known
        )
    return bool(fine)


@kernel
def cholesky(a: Any) -> None:
    """Factor a small positive definite matrix in place."""
    n = len(a)
    for j in range(n):
        for k in range(j):
            a[j, j] -= a[j, k] * a[j, k]
        a[j, j] = np.sqrt(a[j, j])
        for i in range(j + 1, n):
            for k in range(j):
                a[i, j] -= a[i, k] * a[j, k]
            a[i, j] /= a[j, j]


@kernel
def back_substitute(a: Any, x: Any) -> None:
    """Solve in place with a matrix that :func:`cholesky` factored."""
    n = len(a)
    for i in range(n):
        for k in range(i):
            x[i] -= a[i, k] * x[k]
        x[i] /= a[i, i]
    for i in range(n - 1, -1, -1):
        for k in range(i + 1, n):
            x[i] -= a[k, i] * x[k]
        x[i] /= a[i, i]
