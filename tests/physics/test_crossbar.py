"""The crossbar against closed forms, theorems of linear and monotone circuits, and its own two engines."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labctl.physics.crossbar import (
    Boundaries,
    Connections,
    Crossbar,
    OddCells,
    Solution,
    SourceMode,
    Sources,
    Wires,
)

INF = np.inf
ENGINES = ["numba", "numpy"]


def near_ends(word_v: np.ndarray, word_s: np.ndarray, bit_v: np.ndarray, bit_s: np.ndarray) -> Boundaries:
    no_w, no_b = np.zeros(len(word_v)), np.zeros(len(bit_v))
    return Boundaries(word_v, word_s, no_w, no_w, bit_v, bit_s, no_b, no_b)


def half_select(rows: int, columns: int, row: int, column: int, voltage_v: float) -> Boundaries:
    """V/2 on both selected lines through 51 ohm, all other lines grounded through 1 ohm."""
    word_v, word_s, bit_v, bit_s = np.zeros(rows), np.ones(rows), np.zeros(columns), np.ones(columns)
    word_v[row], bit_v[column] = voltage_v / 2, -voltage_v / 2
    word_s[row] = bit_s[column] = 1 / 51
    return near_ends(word_v, word_s, bit_v, bit_s)


def metal_oxide_like(rng: np.random.Generator, rows: int, columns: int) -> OddCells:
    conductance = 10.0 ** rng.uniform(-5.5, -3.6, (rows, columns))
    return OddCells(conductance, 1.18 * conductance + 6596 * conductance**2)


def all_currents(solution: Solution) -> np.ndarray:
    word = (solution.word_near_current_a, solution.word_far_current_a)
    return np.concatenate((*word, solution.bit_near_current_a, solution.bit_far_current_a))


# closed forms


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (5, 1), (4, 7), (32, 32)])
def test_crossbar_is_a_vector_matrix_product_when_wires_are_ideal(engine: str, shape: tuple[int, int]) -> None:
    # closed form: bit currents G^T V, and odd cells term by term
    rng = np.random.default_rng(3)
    rows, columns = shape
    conductance = 10.0 ** rng.uniform(-6, -4, shape)
    volts = rng.uniform(-1, 1, rows)
    boundaries = near_ends(volts, np.full(rows, INF), np.zeros(columns), np.full(columns, INF))
    crossbar = Crossbar(rows, columns, Wires(), engine=engine)
    linear = crossbar.solve(conductance, boundaries)
    np.testing.assert_allclose(-linear.bit_near_current_a, conductance.T @ volts, rtol=1e-12, atol=1e-18)
    np.testing.assert_array_equal(linear.cell_voltage_v, np.repeat(volts[:, None], columns, axis=1))
    odd = crossbar.solve(OddCells(conductance, 2 * conductance), boundaries)
    np.testing.assert_allclose(-odd.bit_near_current_a, conductance.T @ (volts + 2 * volts**3), rtol=1e-12, atol=1e-18)


@pytest.mark.parametrize("engine", ENGINES)
def test_crossbar_is_a_transmission_line_when_one_word_line_is_uniform(engine: str) -> None:
    # closed form: discrete line v_k = cosh((n - k) a) / cosh(n a) with 2 sinh(a/2) = sqrt(r g), open far end
    count, ohm, siemens = 40, 3.0, 2e-4
    wires = Wires(segment_word_ohm=ohm, contact_word_ohm=ohm)
    boundaries = near_ends(np.array([1.0]), np.array([INF]), np.zeros(count), np.full(count, INF))
    solution = Crossbar(1, count, wires, engine=engine).solve(np.full((1, count), siemens), boundaries)
    a = 2 * np.arcsinh(np.sqrt(ohm * siemens) / 2)
    expected = np.cosh((count + 0.5 - np.arange(1, count + 1)) * a) / np.cosh((count + 0.5) * a)
    # gmin of 1e-15 S beside 2e-4 S is 5e-12
    np.testing.assert_allclose(solution.word_voltage_v[0], expected, rtol=1e-11)


@pytest.mark.parametrize("engine", ENGINES)
def test_crossbar_divides_the_voltage_when_it_is_one_cell(engine: str) -> None:
    # closed form: series circuit; for the odd cell the root of a cubic
    wires = Wires(contact_word_ohm=30.0, contact_bit_ohm=20.0)
    boundaries = near_ends(np.array([1.0]), np.array([1 / 50]), np.array([-0.5]), np.array([INF]))
    crossbar = Crossbar(1, 1, wires, engine=engine)
    assert crossbar.solve(np.array([[1e-2]]), boundaries).word_near_current_a[0] == pytest.approx(1.5 / 200, rel=1e-13)
    odd = crossbar.solve(OddCells(np.array([[1e-2]]), np.array([[3e-2]])), boundaries)
    volts = odd.cell_voltage_v[0, 0]
    assert volts + 100.0 * (1e-2 * volts + 3e-2 * volts**3) == pytest.approx(1.5, rel=1e-12)
    assert odd.bit_near_current_a[0] == pytest.approx(-(1.5 - volts) / 100.0, rel=1e-12)


@pytest.mark.parametrize("engine", ENGINES)
def test_crossbar_carries_line_current_when_both_ends_are_driven_and_cells_are_open(engine: str) -> None:
    # closed form: Ohm's law along one line; ideal drives at both ends, so the current comes from the segments
    wires = Wires(segment_word_ohm=2.0)
    ends = (np.array([1.0]), np.array([INF]))
    boundaries = Boundaries(*ends, np.array([0.0]), np.array([INF]), *(np.zeros(6),) * 4)
    solution = Crossbar(1, 6, wires, engine=engine).solve(np.zeros((1, 6)), boundaries)
    assert solution.word_near_current_a[0] == pytest.approx(0.1, rel=1e-12)
    assert solution.word_far_current_a[0] == pytest.approx(-0.1, rel=1e-12)
    np.testing.assert_allclose(solution.word_voltage_v[0], [1, 0.8, 0.6, 0.4, 0.2, 0], atol=1e-12)


@pytest.mark.parametrize("engine", ENGINES)
def test_crossbar_stays_at_ground_when_every_line_floats(engine: str) -> None:
    # definition: gmin to ground decides, whatever the start
    rng = np.random.default_rng(5)
    cells = metal_oxide_like(rng, 3, 4)
    crossbar = Crossbar(3, 4, Wires(1, 1, 1, 1), engine=engine)
    driven = crossbar.solve(cells, half_select(3, 4, 1, 1, 1.0))
    floating = near_ends(np.ones(3), np.zeros(3), np.ones(4), np.zeros(4))
    solution = crossbar.solve(cells, floating, start=driven)
    assert not solution.word_voltage_v.any()
    assert not all_currents(solution).any()


@pytest.mark.parametrize("engine", ENGINES)
def test_crossbar_converges_when_cubic_cells_float_far_from_the_first_guess(engine: str) -> None:
    # invariant: a floating line's currents cancel; the cubic dominates by 1e6
    cells = OddCells(np.full((4, 4), 1e-9), np.full((4, 4), 1e-3))
    word_s, bit_s = np.zeros(4), np.zeros(4)
    word_s[0], bit_s[0] = 1.0, 1.0
    boundaries = near_ends(np.full(4, 5.0), word_s, np.zeros(4), bit_s)
    solution = Crossbar(4, 4, Wires(1e3, 1e3, 1, 1), engine=engine).solve(cells, boundaries)
    v = solution.cell_voltage_v
    current = 1e-9 * v + 1e-3 * v**3
    np.testing.assert_allclose(current[1:].sum(axis=1), 0, atol=1e-9 * current.max())
    assert solution.word_near_current_a[0] == pytest.approx(-solution.bit_near_current_a[0], rel=1e-8)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("segment_bit_ohm", [0.0, 30.0])
def test_crossbar_converges_when_most_lines_float_and_cells_are_cubic(engine: str, segment_bit_ohm: float) -> None:
    # invariant: Kirchhoff; on ideal bit lines currents cancel only as a sum, which once stopped the gradients
    for seed in range(60):
        rng = np.random.default_rng(seed)
        rows, columns = (int(n) for n in rng.integers(1, 7, 2))
        linear = 10.0 ** rng.uniform(-9, -3, (rows, columns))
        cells = OddCells(linear, linear * 10.0 ** rng.uniform(-1, 3))
        word_s, bit_s = (rng.choice([0.0, 0.0, 0.0, 1e-9, 1e-3, 1.0], size) for size in (rows, columns))
        boundaries = near_ends(rng.uniform(-5, 5, rows), word_s, rng.uniform(-5, 5, columns), bit_s)
        wires = Wires(float(rng.choice([0.0, 1.0, 1e3])), segment_bit_ohm, 1.0, 1.0)
        solution = Crossbar(rows, columns, wires, engine=engine).solve(cells, boundaries)
        assert solution.newton_steps < 30
        v = solution.cell_voltage_v
        current = cells.linear_s * v + cells.cubic_s_per_v2 * v**3
        # gmin takes up to 6 nodes times 5 V times 1e-15 S
        slack = 3e-14 + 2e-9 * max(np.abs(current).max(), 1e-5 * linear.max() * 5)
        np.testing.assert_allclose(current.sum(axis=1)[word_s == 0], 0, atol=slack)
        np.testing.assert_allclose(current.sum(axis=0)[bit_s == 0], 0, atol=slack)


# theorems


@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(1, 6), columns=st.integers(1, 6), is_odd=st.booleans())
@settings(max_examples=60, deadline=None)
def test_crossbar_is_passive_and_bounded_and_engines_agree_when_ends_are_random(
    seed: int, rows: int, columns: int, is_odd: bool
) -> None:
    # theorems: power into a resistive array is not negative (Tellegen); no node leaves the range of drives and ground
    rng = np.random.default_rng(seed)
    wires = Wires(*(float(x) for x in rng.choice([0.0, 0.1, 5.0, 100.0], 4)))
    linear = 10.0 ** rng.uniform(-7, -3, (rows, columns)) * (rng.random((rows, columns)) > 0.1)
    cells = OddCells(linear, linear * rng.uniform(0, 3)) if is_odd else linear
    sizes = (rows, rows, columns, columns)
    volts = [rng.uniform(-1, 1, size) for size in sizes]
    siemens = [rng.choice([0.0, 0.02, 1.0], size) for size in sizes]
    boundaries = Boundaries(*(item for pair in zip(volts, siemens, strict=True) for item in pair))
    solutions = [Crossbar(rows, columns, wires, engine=engine).solve(cells, boundaries) for engine in ENGINES]
    current = all_currents(solutions[0])
    held = np.concatenate(siemens) > 0
    power = (np.concatenate(volts) * current)[held].sum()
    assert power >= -1e-9 * np.abs(current).max(initial=0.0)
    top = max(np.abs(np.concatenate(volts)[held]).max(initial=0.0), 1e-12)
    assert np.abs(solutions[0].word_voltage_v).max() <= top * (1 + 1e-7)
    assert np.abs(solutions[0].bit_voltage_v).max() <= top * (1 + 1e-7)
    np.testing.assert_allclose(current, all_currents(solutions[1]), rtol=0, atol=2e-9 * np.abs(current).max() + 1e-15)
    np.testing.assert_allclose(solutions[0].cell_voltage_v, solutions[1].cell_voltage_v, rtol=0, atol=1e-8)


@pytest.mark.parametrize("engine", ENGINES)
def test_crossbar_is_reciprocal_and_linear_when_cells_are_linear(engine: str) -> None:
    # theorems: transfer conductance from word i to bit j equals that from bit j to word i; superposition
    rng = np.random.default_rng(11)
    rows, columns = 6, 9
    conductance = 10.0 ** rng.uniform(-5, -3, (rows, columns))
    crossbar = Crossbar(rows, columns, Wires(20, 15, 3, 4), engine=engine)
    word_s, bit_s = np.full(rows, INF), np.full(columns, 0.1)

    def solve(word_v: np.ndarray, bit_v: np.ndarray) -> Solution:
        return crossbar.solve(conductance, near_ends(word_v, word_s, bit_v, bit_s))

    one_word, one_bit = np.eye(rows)[2], np.eye(columns)[7]
    from_word = solve(one_word, np.zeros(columns))
    from_bit = solve(np.zeros(rows), one_bit)
    assert from_word.bit_near_current_a[7] == pytest.approx(from_bit.word_near_current_a[2], rel=1e-9)
    both = solve(2.0 * one_word, -3.0 * one_bit)
    expected = 2.0 * all_currents(from_word) - 3.0 * all_currents(from_bit)
    np.testing.assert_allclose(all_currents(both), expected, rtol=0, atol=1e-9 * np.abs(expected).max())


def test_crossbar_answer_does_not_depend_on_the_start_when_it_is_warm() -> None:
    # definition: a start saves time only
    rng = np.random.default_rng(12)
    crossbar = Crossbar(32, 32, Wires(5, 5, 10, 10))
    cells, other = metal_oxide_like(rng, 32, 32), metal_oxide_like(rng, 32, 32)
    boundaries = half_select(32, 32, 3, 7, 1.2)
    cold = crossbar.solve(cells, boundaries)
    for start in (cold, crossbar.solve(other, half_select(32, 32, 20, 1, -1.5))):
        warm = crossbar.solve(cells, boundaries, start=start)
        np.testing.assert_allclose(warm.cell_voltage_v, cold.cell_voltage_v, rtol=0, atol=1e-10)
        assert warm.residual < 1e-9
    assert crossbar.solve(cells, boundaries, start=cold).newton_steps == 1


def test_crossbar_compiles_once_when_arguments_come_in_other_types() -> None:
    # each new type signature would cost seconds
    from labctl.physics.line_schur_numba import solve_ends

    cells = np.full((2, 2), 1e-5)
    Crossbar(2, 2, Wires(1.0, 1.0, 1.0, 1.0)).solve(cells, half_select(2, 2, 0, 0, 1.0))
    before = len(solve_ends.signatures)
    cells.flags.writeable = False
    solution = Crossbar(2, 2, Wires(1, 1, 0, 0)).solve(cells, half_select(2, 2, 0, 0, 1.0))
    Crossbar(2, 2, Wires(1, 1, 0, 0)).solve(
        OddCells(cells.T, cells[::-1]), half_select(2, 2, 0, 0, 1.0), start=solution
    )
    Crossbar(2, 2, Wires()).solve(np.ones((2, 2), dtype=int), half_select(2, 2, 0, 0, 1.0))
    Crossbar(2, 2, Wires()).solve_with_sources(cells, one_source_per_line(2, 2), Sources([1] * 4, [1, 0, 0, 0]))
    assert len(solve_ends.signatures) == before == 1


# sources


def one_source_per_line(rows: int, columns: int) -> Connections:
    """Word line i on source i, bit line j on source rows + j, through 1 ohm; far ends float."""
    no_w, no_b = np.full(rows, -1), np.full(columns, -1)
    words, bits = np.arange(rows), rows + np.arange(columns)
    return Connections(words, np.ones(rows), no_w, np.ones(rows), bits, np.ones(columns), no_b, np.ones(columns))


@pytest.mark.parametrize("engine", ENGINES)
def test_sources_equal_boundaries_when_each_has_its_own_line(engine: str) -> None:
    # identity: series resistance of source and contact add
    cells = metal_oxide_like(np.random.default_rng(13), 5, 4)
    emf = np.zeros(9)
    emf[2], emf[6] = 0.6, -0.6
    ohm = np.where(emf != 0, 50.0, 0.0)
    crossbar = Crossbar(5, 4, Wires(5, 5, 10, 10), engine=engine)
    plain = crossbar.solve(cells, half_select(5, 4, 2, 1, 1.2))
    sourced = crossbar.solve_with_sources(
        cells, one_source_per_line(5, 4), Sources(np.full(9, SourceMode.VOLTAGE), emf, ohm)
    )
    np.testing.assert_allclose(sourced.cell_voltage_v, plain.cell_voltage_v, rtol=0, atol=1e-12)
    currents = np.concatenate((plain.word_near_current_a, plain.bit_near_current_a))
    np.testing.assert_allclose(sourced.source_current_a, currents, rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(sourced.bus_voltage_v, emf - ohm * currents, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("engine", ENGINES)
def test_source_holds_its_limit_when_a_cell_would_take_more(engine: str) -> None:
    # closed form: 1 mA through 1 kohm and 3 ohm of contacts needs 1.003 V of the 2 V offered
    crossbar = Crossbar(1, 1, Wires(contact_word_ohm=1.0), engine=engine)
    sources = Sources([SourceMode.VOLTAGE] * 2, [2.0, 0.0], [0.0, 0.0], [1e-3, INF])
    cells = np.array([[1e-3]])
    solution = crossbar.solve_with_sources(cells, one_source_per_line(1, 1), sources)
    assert solution.in_compliance.tolist() == [True, False]
    assert solution.source_current_a[0] == pytest.approx(1e-3, rel=1e-12)
    assert solution.bus_voltage_v[0] == pytest.approx(1.003, rel=1e-9)
    # the cell grew a hundred times more resistive: the limit rules no longer, though the start says so
    after = crossbar.solve_with_sources(cells / 100, one_source_per_line(1, 1), sources, start=solution)
    assert after.in_compliance.tolist() == [False, False]
    assert after.bus_voltage_v[0] == 2.0


@pytest.mark.parametrize("engine", ENGINES)
def test_floating_bus_takes_the_mean_when_it_joins_equal_lines(engine: str) -> None:
    # closed form: two 1 kohm cells from 1 V and 0 V to bit lines that only share a bus: 0.5 V, 0.5 mA
    connections = Connections([0, 1], [INF] * 2, [-1] * 2, [0] * 2, [2, 2], [INF] * 2, [-1] * 2, [0] * 2)
    sources = Sources([SourceMode.VOLTAGE, SourceMode.VOLTAGE, SourceMode.FLOATING], [1.0, 0.0, 0.0])
    cells = np.array([[1e-3, 0.0], [0.0, 1e-3]])
    solution = Crossbar(2, 2, Wires(), engine=engine).solve_with_sources(cells, connections, sources)
    assert solution.bus_voltage_v[2] == pytest.approx(0.5, rel=1e-9)
    assert solution.source_current_a[0] == pytest.approx(5e-4, rel=1e-9)
    assert abs(solution.source_current_a[2]) < 1e-13


@pytest.mark.parametrize("engine", ENGINES)
def test_current_source_stops_at_its_voltage_limit_when_the_load_is_open(engine: str) -> None:
    # definition of compliance of a current source: |V| <= limit
    sources = Sources([SourceMode.CURRENT, SourceMode.VOLTAGE], [0, 0], 0.0, INF, [1e-3, 0.0], [2.5, INF])
    crossbar = Crossbar(1, 1, Wires(), engine=engine)
    solution = crossbar.solve_with_sources(np.array([[0.0]]), one_source_per_line(1, 1), sources)
    assert solution.in_compliance.tolist() == [True, False]
    assert solution.bus_voltage_v[0] == 2.5
    loaded = crossbar.solve_with_sources(np.array([[1e-3]]), one_source_per_line(1, 1), sources, start=solution)
    assert loaded.in_compliance.tolist() == [False, False]
    assert loaded.bus_voltage_v[0] == pytest.approx(1.002, rel=1e-9)


# refusals


@pytest.mark.parametrize("engine", ENGINES)
def test_crossbar_refuses_when_two_ideal_drives_meet_on_one_node(engine: str) -> None:
    one, zero = np.ones(2), np.zeros(2)
    boundaries = Boundaries(one, [INF, INF], zero, [INF, INF], zero, one, zero, zero)
    with pytest.raises(ValueError, match="two ideal drives"):
        Crossbar(2, 2, Wires(), engine=engine).solve(np.ones((2, 2)), boundaries)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("bad", [-1e-6, np.nan, INF])
def test_crossbar_refuses_when_a_cell_has_no_meaning(engine: str, bad: float) -> None:
    cells = np.full((2, 2), 1e-5)
    cells[1, 0] = bad
    crossbar = Crossbar(2, 2, Wires(1, 1, 1, 1), engine=engine)
    with pytest.raises(ValueError, match="finite and not negative"):
        crossbar.solve(cells, half_select(2, 2, 0, 0, 1.0))
    with pytest.raises(ValueError, match="finite and not negative"):
        crossbar.solve(OddCells(np.full((2, 2), 1e-5), cells), half_select(2, 2, 0, 0, 1.0))


def test_crossbar_refuses_when_arguments_do_not_fit() -> None:
    crossbar = Crossbar(2, 3, Wires(1, 1, 1, 1))
    good = half_select(2, 3, 0, 0, 1.0)
    with pytest.raises(ValueError, match=r"shape \(2, 3\)"):
        crossbar.solve(np.ones((3, 2)), good)
    with pytest.raises(ValueError, match="the crossbar has 2 and 3"):
        crossbar.solve(np.ones((2, 3)), half_select(3, 2, 0, 0, 1.0))
    with pytest.raises(ValueError, match="must be finite"):
        crossbar.solve(np.ones((2, 3)), half_select(2, 3, 0, 0, np.nan))
    with pytest.raises(ValueError, match="must not be negative or NaN"):
        near_ends(np.zeros(2), np.array([1.0, -1.0]), np.zeros(3), np.ones(3))
    with pytest.raises(ValueError, match="must have shape"):
        Boundaries(*(np.zeros(n) for n in (2, 2, 2, 2, 3, 3, 3, 4)))
    with pytest.raises(ValueError, match="same numbers of lines"):
        Boundaries(*(np.zeros(n) for n in (2, 3, 2, 3, 3, 3, 3, 3)))
    with pytest.raises(ValueError, match="source 4 of a line end does not exist"):
        crossbar.solve_with_sources(np.ones((2, 3)), one_source_per_line(2, 3), Sources([1] * 4, [0.0] * 4))
    with pytest.raises(ValueError, match="0 or more, or -1"):
        Connections([-2], [1], [-1], [1], [-1], [1], [-1], [1])
    with pytest.raises(ValueError, match="mode must be one of FLOATING, VOLTAGE, CURRENT"):
        Sources([3], [0.0])
    with pytest.raises(ValueError, match="must not be negative"):
        Sources([1], [0.0], [-1.0])
    with pytest.raises(ValueError, match="must be finite"):
        Sources([1], [np.nan])
    with pytest.raises(ValueError, match="segment_bit_ohm must be finite and not negative"):
        Wires(segment_bit_ohm=-1.0)
    with pytest.raises(ValueError, match="at least 1"):
        Crossbar(0, 3, Wires())
    with pytest.raises(ValueError, match="auto, numba or numpy"):
        Crossbar(1, 1, Wires(), engine="fortran")  # type: ignore[arg-type]


def test_current_source_is_refused_when_nothing_hangs_on_its_bus_and_it_has_no_limit() -> None:
    sources = Sources([1, 1, SourceMode.CURRENT], [1.0, 0.0, 0.0], current_a=[0, 0, 1e-3])
    crossbar = Crossbar(1, 1, Wires())
    with pytest.raises(ValueError, match="no line end on it"):
        crossbar.solve_with_sources(np.ones((1, 1)), one_source_per_line(1, 1), sources)
