"""Compiled kernels for what surrounds the solution of a crossbar: checks, first guess, currents at line ends.

Line ends are numbered word near, word far, bit near, bit far; planes are those of
:mod:`labctl.physics.crossbar_planes`. Not here: the solution (:mod:`labctl.physics.line_schur_numba`).
"""

from typing import Any

import numpy as np

from labctl.physics import crossbar_planes as plane
from labctl.physics import line_ladder_numba as ladder
from labctl.physics.crossbar_codes import BAD_CELL, BAD_END, GMIN_S, OK, WEAK_OHM
from labctl.physics.line_kernel import kernel

__all__ = ["check", "guess", "has_floating", "is_weak", "write_out"]


@kernel
def check(a1: Any, a3: Any, is_odd: bool, ends: Any) -> int:
    """Refuse values without meaning; the comparisons are false for NaN."""
    rows, columns = a1.shape
    good = True
    for i in range(rows):
        for j in range(columns):
            good &= 0.0 <= a1[i, j] < np.inf
            if is_odd:
                good &= 0.0 <= a3[i, j] < np.inf
    if not good:
        return BAD_CELL
    for a in range(ends.shape[1]):
        good &= ends[plane.OHM, a] >= 0.0 and abs(ends[plane.EMF, a]) < np.inf
        good &= abs(ends[plane.INJECTED, a]) < np.inf
    return OK if good else BAD_END


@kernel
def is_weak(ohm: Any, rows: int) -> bool:
    """Tell whether a bit line is held through a large resistance at both ends, or not at all."""
    columns = len(ohm) // 2 - rows
    weak = False
    for j in range(2 * rows, 2 * rows + columns):
        weak |= ohm[j] > WEAK_OHM and ohm[columns + j] > WEAK_OHM
    return weak


@kernel
def has_floating(ends: Any, rows: int) -> bool:
    """Tell whether a line floats at both ends, so that a warm start could leave it where it was."""
    columns = ends.shape[1] // 2 - rows
    floats = False
    for first, count in ((0, rows), (2 * rows, columns)):
        for near in range(first, first + count):
            far = near + count
            is_open = ends[plane.OHM, near] == np.inf and ends[plane.OHM, far] == np.inf
            floats |= is_open and ends[plane.INJECTED, near] == 0.0 and ends[plane.INJECTED, far] == 0.0
    return floats


@kernel
def guess(ends: Any, bit: Any, rows: int) -> None:
    """Put every line at the mean of its ends, weighted by conductance."""
    columns = bit.shape[2]
    mean = ends[plane.Y]
    for first, count in ((0, rows), (2 * rows, columns)):
        for i in range(count):
            weight, total = 0.0, 0.0
            for a in (first + i, first + count + i):
                y = min(1.0 / ends[plane.OHM, a], 1e9)
                weight += y
                total += y * ends[plane.E, a]
            mean[first + i] = total / weight if weight > 0.0 else 0.0
    for i in range(rows):
        for j in range(columns):
            bit[plane.X, i, j] = mean[2 * rows + j]
            bit[plane.V_CELL, i, j] = mean[i] - mean[2 * rows + j]


@kernel
def _end_currents(
    v: Any, line_sum: Any, first_cell: Any, sign: float, segment_ohm: float, ends: Any, first: int | np.int64, out: Any
) -> None:
    """Currents into the array at both ends of all word or all bit lines; their sum is what the line's cells take."""
    n, lines = v.shape
    z, injected, e = ends[plane.OHM], ends[plane.INJECTED], ends[plane.E]
    for k in range(n):
        for i in range(lines):
            line_sum[i] += GMIN_S * v[k, i]
    for i in range(lines):
        near, far = first + i, first + lines + i
        total = line_sum[i]
        if z[far] == np.inf:
            out[far] = injected[far]
            out[near] = injected[near] if z[near] == np.inf else total - out[far]
        elif z[near] == np.inf:
            out[near] = injected[near]
            out[far] = total - out[near]
        elif z[far] >= z[near] and z[far] > 0.0:
            out[far] = (e[far] - v[n - 1, i]) / z[far]
            out[near] = total - out[far]
        elif z[near] > 0.0:
            out[near] = (e[near] - v[0, i]) / z[near]
            out[far] = total - out[near]
        else:
            out[near] = sign * first_cell[i] + GMIN_S * v[0, i] + (v[0, i] - v[1, i]) / segment_ohm
            out[far] = total - out[near]


@kernel
def write_out(
    a1: Any,
    a3: Any,
    is_odd: bool,
    segment_word_ohm: float,
    segment_bit_ohm: float,
    ends: Any,
    word: Any,
    bit: Any,
    out: Any,
    end_current: Any,
) -> None:
    """Copy the solution out of the workspace, and find the currents at line ends."""
    rows, columns = a1.shape
    v, current, word_v, word_out = bit[plane.V_CELL], bit[plane.M], word[plane.V], out[1]
    sums, firsts = ends[plane.Y], ends[plane.ZERO]
    ladder.copy(v, out[0])
    ladder.copy(bit[plane.V], out[2])
    sums[:] = 0.0
    word_sums, bit_sums = sums[:rows], sums[rows : rows + columns]
    for i in range(rows):
        for j in range(columns):
            word_out[i, j] = word_v[j, i]
        for j in range(columns):
            slope = a1[i, j] + a3[i, j] * v[i, j] * v[i, j] if is_odd else a1[i, j]
            current[i, j] = slope * v[i, j]
            bit_sums[j] -= current[i, j]
    for j in range(columns):
        for i in range(rows):
            word_sums[i] += current[i, j]
    for i in range(rows):
        firsts[i] = current[i, 0]
    _end_currents(word_v, word_sums, firsts, 1.0, segment_word_ohm, ends, plane.FIRST_WORD_END, end_current)
    _end_currents(bit[plane.V], bit_sums, current[0], -1.0, segment_bit_ohm, ends, 2 * rows, end_current)
