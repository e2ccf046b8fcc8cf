"""The crossbar against the circuit simulator Qucs.

Authority: the reference circuits of joksas/badcrossbar (MIT licence, copyright 2020-2022 Dovydas Joksas), each solved
in Qucs. Word lines are driven at column 0, bit lines grounded below the last row, and every contact equals a segment.
"""

import os
from pathlib import Path

import numpy as np
import pytest

from labctl.physics.crossbar import Boundaries, Crossbar, Solution, Wires

INF = np.inf
DATA = Path(os.environ.get("LABCTL_DATA") or Path(__file__).parents[3] / "shared" / "data")
FILE = DATA / "circuits" / "qucs_reference.npz"
CASES = [
    *(f"1x1-{kind}-{number}" for kind in "abcde" for number in (1, 2, 3)),
    *(f"5x4-{kind}-{number}" for kind in "abcdef" for number in (1, 2, 3)),
]
ENGINES = ["numba", "numpy"]


def solve(resistance_ohm: np.ndarray, drive_v: np.ndarray, word_ohm: float, bit_ohm: float, engine: str) -> Solution:
    rows, columns = resistance_ohm.shape
    wires = Wires(word_ohm, bit_ohm, word_ohm, bit_ohm)
    none_w, none_b = np.zeros(rows), np.zeros(columns)
    ideal_w, ideal_b = np.full(rows, INF), np.full(columns, INF)
    boundaries = Boundaries(drive_v, ideal_w, none_w, none_w, none_b, none_b, none_b, ideal_b)
    conductance_s = np.divide(1.0, resistance_ohm)
    return Crossbar(rows, columns, wires, engine=engine).solve(conductance_s, boundaries)


@pytest.mark.parametrize("engine", ENGINES)
def test_crossbar_agrees_with_qucs_when_wires_have_resistance(engine: str) -> None:
    # authority: case 5x4-b-1, r_word = 1 ohm, r_bit = 2 ohm
    solution = solve(np.arange(10.0, 201.0, 10.0).reshape(5, 4), np.arange(5.0), 1.0, 2.0, engine)
    np.testing.assert_allclose(
        -solution.bit_far_current_a,
        [0.060570196651101416, 0.059327610716747844, 0.05634873882925334, 0.05335235457510154],
        rtol=1e-9,
    )
    np.testing.assert_allclose(
        solution.word_voltage_v[0],
        [0.03395117955794139, 0.05167172210717381, 0.060817988268901814, 0.06457855842842623],
        rtol=1e-9,
    )
    np.testing.assert_allclose(
        solution.bit_voltage_v[0],
        [0.19625754964503106, 0.22315724985726199, 0.22238886833500981, 0.21500136480940296],
        rtol=1e-9,
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_crossbar_agrees_with_qucs_when_word_wires_are_ideal_and_cells_are_open(engine: str) -> None:
    # authority: case 5x4-d-2, r_word = 0, r_bit = 2 ohm
    resistance = np.array(
        [
            [INF, 20.0, INF, 40.0],
            [INF, INF, INF, 80.0],
            [INF, 100.0, INF, 120.0],
            [INF, 140.0, 150.0, INF],
            [170.0, INF, 190.0, INF],
        ]
    )
    solution = solve(resistance, np.array([3.0, 2.0, -1.0, 2.0, 3.0]), 0.0, 2.0, engine)
    np.testing.assert_allclose(
        -solution.bit_far_current_a,
        [0.01744186046511628, 0.09747266789720291, 0.028277634961439587, 0.06509159617967908],
        rtol=1e-9,
    )


@pytest.mark.parametrize(("word_ohm", "bit_ohm"), [(0.0, 0.0), (1.0, 2.0), (0.0, 2.0), (1.0, 0.0)])
@pytest.mark.parametrize("engine", ENGINES)
def test_crossbar_agrees_with_qucs_when_it_is_one_cell(engine: str, word_ohm: float, bit_ohm: float) -> None:
    # authority: cases 1x1-a-2, b-2, c-2, d-2, which Qucs solves as the divider they are: 1 V over 10 ohm and wires
    solution = solve(np.array([[10.0]]), np.array([1.0]), word_ohm, bit_ohm, engine)
    assert solution.word_near_current_a[0] == pytest.approx(1.0 / (10.0 + word_ohm + bit_ohm), rel=1e-13)


@pytest.mark.skipif(not FILE.exists(), reason=f"no {FILE.name} in {DATA.name} (set LABCTL_DATA to the data folder)")
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("case", CASES)
def test_crossbar_agrees_with_qucs_when_the_reference_file_is_at_hand(case: str, engine: str) -> None:
    with np.load(FILE) as file:
        data = {name.removeprefix(f"{case}_"): file[name] for name in file.files if name.startswith(f"{case}_")}
    solution = solve(data["R"], data["V"].ravel(), float(data["r_word"]), float(data["r_bit"]), engine)
    cell_a = solution.cell_voltage_v / data["R"]
    np.testing.assert_allclose(-solution.bit_far_current_a, data["I_out"].ravel(), rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(cell_a, data["I_dev"], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(solution.word_near_current_a, data["I_word"][:, 0], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(solution.word_voltage_v, data["V_word"], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(solution.bit_voltage_v, data["V_bit"], rtol=1e-9, atol=1e-12)
