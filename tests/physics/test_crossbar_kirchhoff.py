"""The crossbar against an independent modified nodal analysis (scipy.sparse), for random circuits of every kind."""

from dataclasses import dataclass, field

import numpy as np
import pytest
import scipy.sparse as sparse
from scipy.sparse.linalg import splu

from labctl.physics.crossbar import (
    Boundaries,
    Connections,
    Crossbar,
    OddCells,
    Solution,
    SourcedSolution,
    SourceMode,
    Sources,
    Wires,
)

INF = np.inf
SEED = 20260711


@dataclass
class Netlist:
    """Branches between numbered nodes (-1 is ground), each with its current as an unknown; 0 ohm is nothing special."""

    nodes: int
    branches: list[tuple[int, int, float, float]] = field(default_factory=list)
    cells: list[tuple[int, int, float, float]] = field(default_factory=list)
    injected: dict[int, float] = field(default_factory=dict)

    def branch(self, a: int, b: int, ohm: float, emf_v: float = 0.0) -> int:
        """Connect V(a) - V(b) = ohm I - emf, with I from a to b; return the branch's number."""
        self.branches.append((a, b, ohm, emf_v))
        return len(self.branches) - 1

    def residual(self, x: np.ndarray) -> tuple[np.ndarray, sparse.csc_matrix]:
        """Kirchhoff's current law at nodes, then Ohm's law of the branches, and the Jacobian."""
        n = self.nodes
        value = np.zeros(n + len(self.branches))
        entries: list[tuple[int, int, float]] = [(k, k, 1e-15) for k in range(n)]
        value[:n] += 1e-15 * x[:n]
        for k, current in self.injected.items():
            value[k] -= current
        for number, (a, b, ohm, emf_v) in enumerate(self.branches, start=n):
            value[number] = emf_v - ohm * x[number]
            entries.append((number, number, -ohm))
            for node, sign in ((a, 1.0), (b, -1.0)):
                if node >= 0:
                    value[node] += sign * x[number]
                    value[number] += sign * x[node]
                    entries += [(node, number, sign), (number, node, sign)]
        for a, b, a1, a3 in self.cells:
            v = x[a] - x[b]
            slope = a1 + 3 * a3 * v * v
            for node, sign in ((a, 1.0), (b, -1.0)):
                value[node] += sign * (a1 * v + a3 * v**3)
                entries += [(node, a, sign * slope), (node, b, -sign * slope)]
        rows, columns, numbers = zip(*entries, strict=True)
        return value, sparse.csc_matrix((numbers, (rows, columns)), shape=(len(value), len(value)))

    def solve(self) -> np.ndarray:
        x = np.zeros(self.nodes + len(self.branches))
        for _ in range(80):
            value, jacobian = self.residual(x)
            step = splu(jacobian).solve(value)
            x -= step
            if np.abs(step).max() < 1e-14 * np.abs(x).max():
                break
        return x


def lines_of(wires: Wires, a1: np.ndarray, a3: np.ndarray | None, extra: int = 0) -> Netlist:
    rows, columns = a1.shape
    net = Netlist(2 * rows * columns + extra)
    word = np.arange(rows * columns).reshape(rows, columns)
    bit = word + rows * columns
    for i in range(rows):
        for j in range(columns):
            net.cells.append((word[i, j], bit[i, j], a1[i, j], 0.0 if a3 is None else a3[i, j]))
            if j:
                net.branch(word[i, j - 1], word[i, j], wires.segment_word_ohm)
            if i:
                net.branch(bit[i - 1, j], bit[i, j], wires.segment_bit_ohm)
    return net


def end_nodes(rows: int, columns: int) -> list[tuple[int, bool]]:
    """Node of each line end (word near, word far, bit near, bit far), and whether it is of a word line."""
    word = np.arange(rows * columns).reshape(rows, columns)
    bit = word + rows * columns
    ends = [(k, True) for k in (*word[:, 0], *word[:, -1])]
    return ends + [(k, False) for k in (*bit[0], *bit[-1])]


def oracle(
    wires: Wires, a1: np.ndarray, a3: np.ndarray | None, end_v: np.ndarray, end_s: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Word and bit voltages, and the current into the array at each line end."""
    rows, columns = a1.shape
    net = lines_of(wires, a1, a3)
    numbers = []
    for (node, is_word), volt, conductance in zip(end_nodes(rows, columns), end_v, end_s, strict=True):
        if conductance == 0.0:
            numbers.append(-1)
            continue
        contact = wires.contact_word_ohm if is_word else wires.contact_bit_ohm
        numbers.append(net.branch(-1, node, contact + (0.0 if conductance == INF else 1.0 / conductance), volt))
    x = net.solve()
    half = rows * columns
    currents = np.array([0.0 if k < 0 else x[net.nodes + k] for k in numbers])
    return x[:half].reshape(rows, columns), x[half : 2 * half].reshape(rows, columns), currents


def boundaries_of(rows: int, columns: int, end_v: np.ndarray, end_s: np.ndarray) -> Boundaries:
    cuts = np.cumsum([rows, rows, columns])
    voltages, conductances = np.split(end_v, cuts), np.split(end_s, cuts)
    return Boundaries(*(item for pair in zip(voltages, conductances, strict=True) for item in pair))


def end_currents(solution: Solution) -> np.ndarray:
    return np.concatenate(
        (
            solution.word_near_current_a,
            solution.word_far_current_a,
            solution.bit_near_current_a,
            solution.bit_far_current_a,
        )
    )


def random_case(rng: np.random.Generator, rows: int, columns: int) -> tuple[Wires, np.ndarray, np.ndarray, np.ndarray]:
    """Wires, conductances and ends of all kinds, without two ideal drives on one line."""
    segment = rng.choice([0.0, 0.5, 20.0, 300.0], 2)
    contact = rng.choice([0.0, 1.0, 100.0], 2)
    wires = Wires(*(float(x) for x in (*segment, *contact)))
    a1 = 10.0 ** rng.uniform(-7, -3, (rows, columns))
    a1[rng.random((rows, columns)) < 0.15] = 0.0
    a1[rng.random((rows, columns)) < 0.05] = 0.1
    lines = 2 * (rows + columns)
    end_v = rng.uniform(-1.5, 1.5, lines)
    end_s = rng.choice([0.0, 1.0, 1 / 51, 1e-6], lines)
    # one line end at least is an ideal drive; its other end floats
    line = int(rng.integers(rows))
    end_s[line], end_s[rows + line] = INF, 0.0
    return wires, a1, end_v, end_s


@pytest.mark.parametrize("engine", ["numba", "numpy"])
@pytest.mark.parametrize("is_odd", [False, True])
@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (2, 1), (1, 9), (9, 1), (2, 2), (5, 4), (8, 8)])
def test_crossbar_agrees_with_nodal_analysis_when_ends_are_random(
    engine: str, is_odd: bool, shape: tuple[int, int]
) -> None:
    # authority: modified nodal analysis with sparse LU, assembled here from branches
    for trial in range(6):
        rng = np.random.default_rng([SEED, trial, is_odd, *shape])
        wires, a1, end_v, end_s = random_case(rng, *shape)
        a3 = a1 * rng.uniform(0, 2, shape) if is_odd else None
        cells = a1 if a3 is None else OddCells(a1, a3)
        solution = Crossbar(*shape, wires, engine=engine).solve(cells, boundaries_of(*shape, end_v, end_s))
        word_v, bit_v, currents = oracle(wires, a1, a3, end_v, end_s)
        np.testing.assert_allclose(solution.word_voltage_v, word_v, rtol=0, atol=2e-9)
        np.testing.assert_allclose(solution.bit_voltage_v, bit_v, rtol=0, atol=2e-9)
        top = np.abs(currents).max()
        np.testing.assert_allclose(end_currents(solution), currents, rtol=0, atol=2e-9 * top + 1e-16)


def sourced_oracle(
    wires: Wires,
    a1: np.ndarray,
    a3: np.ndarray | None,
    end_source: np.ndarray,
    end_s: np.ndarray,
    table: list[tuple[SourceMode, float, float, float]],
    solution: SourcedSolution,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Cell voltages, bus voltages, source currents, end currents, every source acting as the solution says."""
    rows, columns = a1.shape
    net = lines_of(wires, a1, a3, extra=len(table))
    first_bus = 2 * rows * columns
    numbers = {}
    for s, (mode, level, ohm, limit) in enumerate(table):
        acts_as_current = (mode == SourceMode.VOLTAGE) == bool(solution.in_compliance[s])
        if mode == SourceMode.FLOATING:
            continue
        if solution.in_compliance[s]:
            ruled = solution.source_current_a[s] if mode == SourceMode.VOLTAGE else solution.bus_voltage_v[s]
            level = float(np.copysign(limit, ruled))
        if acts_as_current:
            net.injected[first_bus + s] = level
        else:
            ohm = ohm if mode == SourceMode.VOLTAGE else 0.0
            numbers[s] = net.branch(-1, first_bus + s, ohm, level)
    end_numbers = []
    for (node, is_word), source, conductance in zip(end_nodes(rows, columns), end_source, end_s, strict=True):
        if source < 0 or conductance == 0.0:
            end_numbers.append(-1)
            continue
        ohm = (wires.contact_word_ohm if is_word else wires.contact_bit_ohm) + 1.0 / conductance
        end_numbers.append(net.branch(first_bus + source, node, ohm))
    x = net.solve()
    half = rows * columns
    cell_v = (x[:half] - x[half : 2 * half]).reshape(rows, columns)
    ends = np.array([0.0 if k < 0 else x[net.nodes + k] for k in end_numbers])
    source_a = np.array(
        [x[net.nodes + numbers[s]] if s in numbers else net.injected.get(first_bus + s, 0.0) for s in range(len(table))]
    )
    return cell_v, x[first_bus : first_bus + len(table)], source_a, ends


@pytest.mark.parametrize("engine", ["numba", "numpy"])
@pytest.mark.parametrize("is_odd", [False, True])
@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (6, 1), (3, 2), (7, 8)])
def test_crossbar_agrees_with_nodal_analysis_when_sources_are_shared(
    engine: str, is_odd: bool, shape: tuple[int, int]
) -> None:
    # authority: modified nodal analysis, and the rule of each limit checked on the result
    limited = 0
    for trial in range(12):
        rng = np.random.default_rng([SEED, 7, trial, is_odd, *shape])
        rows, columns = shape
        wires = Wires(*(float(x) for x in rng.choice([0.0, 2.0, 50.0], 4)))
        a1 = 10.0 ** rng.uniform(-6, -3, shape)
        a3 = a1 * rng.uniform(0, 2, shape) if is_odd else None
        table = [
            (SourceMode.VOLTAGE, rng.uniform(0.5, 2), 0.0, INF),
            (SourceMode.VOLTAGE, 0.0, 0.0, INF),
            (SourceMode.VOLTAGE, rng.uniform(-2, 2), 50.0, 10.0 ** rng.uniform(-6, -2)),
            (SourceMode.CURRENT, rng.uniform(-1e-3, 1e-3), 0.0, 10.0 ** rng.uniform(-1, 1)),
            (SourceMode.FLOATING, 0.0, 0.0, INF),
            (SourceMode.VOLTAGE, rng.uniform(-2, 2), 0.0, 10.0 ** rng.uniform(-6, -2)),
        ]
        near = rng.integers(-1, len(table), rows + columns)
        far = np.where(rng.random(rows + columns) < 0.3, rng.integers(0, len(table), rows + columns), -1)
        near[int(rng.integers(rows))] = 1
        conductance = [rng.choice([1.0, 0.1], n) for n in (rows, rows, columns, columns)]
        source = [near[:rows], far[:rows], near[rows:], far[rows:]]
        modes, levels, ohms, limits = zip(*table, strict=True)
        is_current = np.array(modes) == SourceMode.CURRENT
        sources = Sources(
            modes,
            np.where(is_current, 0.0, levels),
            ohms,
            np.where(is_current, INF, limits),
            np.where(is_current, levels, 0.0),
            np.where(is_current, limits, INF),
        )
        connections = Connections(*(item for pair in zip(source, conductance, strict=True) for item in pair))
        cells = a1 if a3 is None else OddCells(a1, a3)
        solution = Crossbar(*shape, wires, engine=engine).solve_with_sources(cells, connections, sources)
        end_source, end_s = np.concatenate(source), np.concatenate(conductance)
        cell_v, bus_v, source_a, ends = sourced_oracle(wires, a1, a3, end_source, end_s, table, solution)
        np.testing.assert_allclose(solution.cell_voltage_v, cell_v, rtol=0, atol=1e-8)
        np.testing.assert_allclose(solution.bus_voltage_v, bus_v, rtol=1e-9, atol=1e-8)
        top = np.abs(ends).max()
        np.testing.assert_allclose(end_currents(solution), ends, rtol=0, atol=3e-9 * top + 1e-15)
        on_bus = np.bincount(end_source + 1, minlength=len(table) + 1)[1:] > 0
        np.testing.assert_allclose(solution.source_current_a, np.where(on_bus, source_a, 0.0), rtol=0, atol=3e-9 * top)
        for s, (mode, level, ohm, limit) in enumerate(table):
            current, volt = solution.source_current_a[s], solution.bus_voltage_v[s]
            ruled, wanted = (current, level - volt - ohm * current) if mode == 1 else (volt, level - current)
            assert abs(ruled) <= limit * (1 + 1e-8)
            if solution.in_compliance[s] and on_bus[s]:
                limited += 1
                # the level would push further in the direction of the limit
                assert wanted * np.sign(ruled) >= -1e-8
    assert limited > 0


@pytest.mark.parametrize("engine", ["numba", "numpy"])
def test_crossbar_finds_the_voltage_of_floating_lines_when_a_short_carries_most_of_the_current(engine: str) -> None:
    # authority: modified nodal analysis; a residual small beside 0.1 A is not small beside the 10 nS of the other cells
    rng = np.random.default_rng(SEED)
    a1 = 10.0 ** rng.uniform(-9, -8, (7, 7))
    a1[0, 0] = 0.1
    end_v, end_s = np.zeros(28), np.zeros(28)
    end_v[0], end_s[[0, 14]] = 1.0, 1.0
    wires = Wires(20.0, 20.0, 1.0, 1.0)
    solution = Crossbar(7, 7, wires, engine=engine).solve(a1, boundaries_of(7, 7, end_v, end_s))
    word_v, bit_v, _ = oracle(wires, a1, None, end_v, end_s)
    np.testing.assert_allclose(solution.word_voltage_v, word_v, rtol=0, atol=1e-8)
    np.testing.assert_allclose(solution.bit_voltage_v, bit_v, rtol=0, atol=1e-8)
