"""Ratio of the crossbar solver to sparse LU on the full nodal matrix, measured in one run; no assert on time.

Run with ``pytest tests/benchmarks/test_crossbar_speed.py -s`` to see the figures.
"""

from collections.abc import Callable
from time import perf_counter

import numpy as np
import pytest
import scipy.sparse as sparse
from scipy.sparse.linalg import spsolve

from labctl.physics.crossbar import Boundaries, Crossbar, OddCells, Wires


def best_s(function: Callable[[], object], repeats: int) -> float:
    """Least wall time of one call, after a first one that may compile."""
    function()
    times = []
    for _ in range(repeats):
        start = perf_counter()
        function()
        times.append(perf_counter() - start)
    return min(times)


def nodal(conductance: np.ndarray, wires: Wires, word_s: np.ndarray, bit_s: np.ndarray) -> sparse.csc_matrix:
    """Nodal conductance matrix with drives at the near ends, assembled in one go."""
    rows, columns = conductance.shape
    word = np.arange(rows * columns).reshape(rows, columns)
    bit = word + rows * columns
    a = np.concatenate((word.ravel(), word[:, 1:].ravel(), bit[1:].ravel()))
    b = np.concatenate((bit.ravel(), word[:, :-1].ravel(), bit[:-1].ravel()))
    wire_word = np.full(rows * (columns - 1), 1 / wires.segment_word_ohm)
    g = np.concatenate((conductance.ravel(), wire_word, np.full((rows - 1) * columns, 1 / wires.segment_bit_ohm)))
    ends = np.concatenate((word[:, 0], bit[0]))
    held = np.concatenate((1 / (1 / word_s + wires.contact_word_ohm), 1 / (1 / bit_s + wires.contact_bit_ohm)))
    count = 2 * rows * columns
    values = np.concatenate((g, g, -g, -g, held))
    return sparse.csc_matrix(
        (values, (np.concatenate((a, b, a, b, ends)), np.concatenate((a, b, b, a, ends)))), shape=(count, count)
    )


@pytest.mark.slow
@pytest.mark.parametrize("size", [32, 64])
def test_crossbar_speed_beside_sparse_lu(size: int, record_property: Callable[[str, object], None]) -> None:
    rng = np.random.default_rng(1)
    wires = Wires(5.0, 5.0, 10.0, 10.0)
    conductance = 10.0 ** rng.uniform(-5.3, -3.9, (size, size))
    none, one, drive = np.zeros(size), np.ones(size), np.zeros(size)
    drive[3] = 0.2
    boundaries = Boundaries(drive, one, none, none, none, one, none, none)
    crossbar = Crossbar(size, size, wires)
    right = np.zeros(2 * size * size)
    right[3 * size] = 0.2 / (1.0 + wires.contact_word_ohm)
    voltages = spsolve(nodal(conductance, wires, one, one), right)
    solution = crossbar.solve(conductance, boundaries)
    half = size * size
    cell_v = (voltages[:half] - voltages[half:]).reshape(size, size)
    np.testing.assert_allclose(solution.cell_voltage_v, cell_v, rtol=0, atol=1e-10)

    lu_s = best_s(lambda: spsolve(nodal(conductance, wires, one, one), right), 5)
    linear_s = best_s(lambda: crossbar.solve(conductance, boundaries), 300)
    pulse = Boundaries(3 * drive, one, none, none, -3 * drive, one, none, none)
    cells = OddCells(conductance, 1.2 * conductance)
    before = crossbar.solve(OddCells(1.05 * conductance, 1.2 * conductance), pulse)
    odd_s = best_s(lambda: crossbar.solve(cells, pulse, start=before), 300)
    record_property("ratio_linear", lu_s / linear_s)
    record_property("ratio_odd_to_one_lu", lu_s / odd_s)
    print(
        f"\n{size} x {size}: sparse LU {1e6 * lu_s:.0f} us; crossbar linear {1e6 * linear_s:.0f} us "
        f"({lu_s / linear_s:.0f} times faster), odd cells, warm {1e6 * odd_s:.0f} us "
        f"({lu_s / odd_s:.0f} times faster than one LU)"
    )
