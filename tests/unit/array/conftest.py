"""A fake rack that records messages: sources, generator and matrix as the roles say, one ideal conductance per cell."""

from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest

from labctl.clock import VirtualClock
from labctl.errors import StationError
from labctl.roles import Flag, PulseLimits, Reading, SourceMeterLimits
from labctl.station.wiring import ControlWiring, DirectWiring, Wiring


@dataclass
class FakeWiring:
    matrix: str = "mat1"
    rows: dict = field(
        default_factory=lambda: {"A": "smu1.a", "B": "smu1.b", "C": "gen1.1", "D": "gen1.2", "E": "ground"}
    )
    count: tuple = (4, 5)

    def word(self, index):
        return self._column("word", index, 0)

    def bit(self, index):
        return self._column("bit", index, 1)

    def _column(self, what, index, kind):
        if not 0 <= index < self.count[kind]:
            raise StationError(f"wiring.{what}_lines: line {index} is not wired")
        return f"{kind + 1}{index + 1:02d}"

    def row_of(self, source):
        for row, name in self.rows.items():
            if name == source:
                return row
        raise StationError(f"wiring.rows: nothing is wired to {source}")

    def crosspoint(self, row, column):
        return f"{column[0]}{row}{column[1:]}"


class FakeRack:
    """Sources log what they are told; hot switching and cell voltages are worked out from the relays."""

    def __init__(self, rows=None, shape=(4, 5)):
        self.clock = VirtualClock()
        self.wiring = FakeWiring(count=shape)
        if rows is not None:
            self.wiring.rows = rows
        self.sample = SimpleNamespace(rows=shape[0], columns=shape[1])
        self.log = []
        self.level = dict.fromkeys(self.wiring.rows.values(), 0.0)
        self.closed = set()
        self.stress = []
        self.conductance = np.full(shape, 100e-6)
        self.over_range = False
        self.offset_a = dict.fromkeys(self.wiring.rows.values(), 0.0)

    def named(self, terminal):
        return f"{terminal.partition('.')[0]} (Fake)"

    def source_meter(self, name):
        return FakeSmu(self, name)

    def pulse_source(self, name):
        return FakeGenerator(self, name)

    def switch_matrix(self, name):
        return FakeMatrix(self)

    def line_voltage(self, column, levels):
        joined = [point[1] for point in self.closed if point[0] + point[2:] == column]
        assert len(joined) <= 1, f"line {column} is shorted between rows {joined}"
        return levels[self.wiring.rows[joined[0]]] if joined else np.nan

    def cell_voltages(self, levels):
        words = [self.line_voltage(self.wiring.word(i), levels) for i in range(self.sample.rows)]
        bits = [self.line_voltage(self.wiring.bit(i), levels) for i in range(self.sample.columns)]
        return np.subtract.outer(words, bits)

    def names(self):
        return [entry[0] for entry in self.log]


class FakeSmu:
    limits = SourceMeterLimits(max_voltage_v=200.0, max_current_a=1.5, min_pulse_s=1e-4)

    def __init__(self, rack, name):
        self.rack, self.name = rack, name

    def prepare(self, **settings):
        self.rack.log.append(("prepare", self.name, settings))

    def output_on(self):
        self.rack.log.append(("on", self.name))

    def output_off(self):
        self.rack.log.append(("off", self.name))

    def set_voltage(self, voltage_v):
        self.rack.log.append(("level", self.name, voltage_v))
        self.rack.level[self.name] = voltage_v
        self.rack.stress.append(self.rack.cell_voltages(self.rack.level))

    def measure_current(self):
        self.rack.log.append(("measure", self.name))
        self.rack.clock.sleep(0.02)
        if self.rack.over_range:
            return Reading(None, "A", frozenset({Flag.OVERRANGE}), "9.91e37")
        current_a = np.nan_to_num(self.rack.cell_voltages(self.rack.level)) * self.rack.conductance
        row = next(row for row, name in self.rack.wiring.rows.items() if name == self.name)
        driven = {point[0] + point[2:] for point in self.rack.closed if point[1] == row}
        words = [i for i in range(self.rack.sample.rows) if self.rack.wiring.word(i) in driven]
        bits = [i for i in range(self.rack.sample.columns) if self.rack.wiring.bit(i) in driven]
        # current that flows out of the terminal is positive, as the manual of a source-measure unit counts it
        out_a = float(current_a[words].sum() - current_a[:, bits].sum())
        return Reading(out_a + self.rack.offset_a[self.name], "A", frozenset(), "")

    def pulse(self, level_v, *, width_s, partner, partner_level_v):
        self.rack.log.append(("pulse", self.name, level_v, partner.name, partner_level_v, width_s))
        levels = self.rack.level | {self.name: level_v, partner.name: partner_level_v}
        self.rack.stress.append(self.rack.cell_voltages(levels))
        self.rack.clock.sleep(width_s)


class FakeGenerator:
    limits = PulseLimits(min_width_s=1e-8, max_width_s=1e-2, min_edge_s=4e-9, max_level_v=10.0)

    def __init__(self, rack, name):
        self.rack, self.name = rack, name
        self.levels = {}

    def prepare(self, **settings):
        self.rack.log.append(("prepare", self.name, settings))

    def output_on(self):
        self.rack.log.append(("on", self.name))

    def output_off(self):
        self.rack.log.append(("off", self.name))

    def set_levels(self, levels_v):
        self.levels = dict(levels_v)
        self.rack.log.append(("levels", self.name, self.levels))

    def fire(self):
        self.rack.log.append(("fire", self.name))
        levels = self.rack.level | {f"{self.name}.{output}": level for output, level in self.levels.items()}
        self.rack.stress.append(self.rack.cell_voltages(levels))


class FakeMatrix:
    def __init__(self, rack):
        self.rack = rack

    def close(self, crosspoints):
        self.exchange(opening=(), closing=crosspoints)

    def open(self, crosspoints):
        self.exchange(opening=crosspoints, closing=())

    def exchange(self, *, opening, closing):
        assert not any(self.rack.level.values()), "hot switching"
        assert set(opening) <= self.rack.closed, "opens what is open"
        assert not set(closing) & self.rack.closed, "closes what is closed"
        self.rack.closed -= set(opening)
        self.rack.closed |= set(closing)
        self.rack.log.append(("relays", len(opening), len(closing)))

    def open_all(self):
        assert not any(self.rack.level.values()), "hot switching"
        self.rack.closed.clear()
        self.rack.log.append(("open_all",))

    def closed(self):
        return frozenset(self.rack.closed)


class WiredRack:
    """Any of the wirings, with ideal cells; notes what every line sees, and refuses hot switching.

    Cells conduct between word and bit line; with a common source between bit line and plate while their gate is up.
    """

    def __init__(self, wiring, shape, access=None):
        self.clock, self.wiring = VirtualClock(), wiring
        self.sample = SimpleNamespace(rows=shape[0], columns=shape[1], access=access or {})
        self.conductance = np.full(shape, 100e-6)
        self.levels, self.on, self.log, self.seen = {}, set(), [], []
        self.closed = {str(network.matrix): set() for network in wiring.networks()}
        self.offset_a = 0.0
        self.fails = None

    def named(self, terminal):
        return f"{terminal.partition('.')[0]} (Wired)"

    def source_meter(self, name):
        return WiredSmu(self, name)

    def pulse_source(self, name):
        return WiredGenerator(self, name)

    def switch_matrix(self, name):
        return WiredMatrix(self, name)

    def line_levels(self, network, columns, levels):
        """Level of each line, NaN where it floats; two rows on one line would be a short circuit."""
        found = []
        for column in columns:
            rows = [point[1] for point in self.closed[str(network.matrix)] if point[0] + point[2:] == column]
            assert len(rows) <= 1, f"line {column} is shorted between rows {rows}"
            found.append(levels.get(network.rows[rows[0]], 0.0) if rows else np.nan)
        return np.array(found)

    def lines(self, levels):
        """Levels of word lines, bit lines and gates."""
        wiring = self.wiring
        if wiring.direct is not None:
            ends = (wiring.direct.word, wiring.direct.bit, wiring.direct.control)
            return tuple(np.array([levels.get(end, 0.0)]) for end in ends)
        gates = self.line_levels(wiring.control, wiring.control.lines, levels)
        words, bits = (self.line_levels(wiring, lines, levels) for lines in (wiring.word_lines, wiring.bit_lines))
        return np.broadcast_to(words, self.sample.rows), bits, gates

    def see(self, what, levels):
        self.seen.append((what, *self.lines(levels)))

    def currents_a(self):
        """Current from word to bit line of each cell."""
        words, bits, gates = self.lines(self.levels)
        current_a = np.nan_to_num(np.subtract.outer(words, bits)) * self.conductance
        control = self.wiring.control
        return current_a * (gates[:, np.newaxis] > 0.0) if control is not None and control.common_source else current_a

    def out_a(self, terminal):
        current_a, wiring = self.currents_a(), self.wiring
        if wiring.direct is not None:
            return float(current_a.sum()) * (1.0 if terminal == wiring.direct.word else -1.0)
        hangs = [{point[0] + point[2:] for point in self.closed["mat1"] if wiring.rows[point[1]] == terminal}]
        words = [column in hangs[0] for column in wiring.word_lines]
        bits = [column in hangs[0] for column in wiring.bit_lines]
        words = np.broadcast_to(words, self.sample.rows)
        return float(current_a[words].sum() - current_a[:, bits].sum())

    def names(self):
        return [entry[0] for entry in self.log]


class WiredSmu:
    limits = SourceMeterLimits(max_voltage_v=200.0, max_current_a=1.5, min_pulse_s=1e-4)

    def __init__(self, rack, name):
        self.rack, self.name = rack, name

    def prepare(self, **settings):
        self.rack.levels[self.name] = 0.0
        self.rack.log.append(("prepare", self.name, settings))

    def output_on(self):
        assert not any(self.rack.levels.values())
        self.rack.on.add(self.name)
        self.rack.log.append(("on", self.name))

    def output_off(self):
        self.rack.on.discard(self.name)
        self.rack.log.append(("off", self.name))

    def set_voltage(self, voltage_v):
        self.rack.levels[self.name] = voltage_v
        self.rack.log.append(("level", self.name, voltage_v))
        self.rack.see("level", self.rack.levels)

    def measure_current(self):
        self.rack.log.append(("measure", self.name))
        self.rack.see("measure", self.rack.levels)
        self.rack.clock.sleep(0.02)
        return Reading(self.rack.out_a(self.name) + self.rack.offset_a, "A", frozenset(), "")

    def staircase(self, levels_v, *, dwell_s):
        if not levels_v:
            raise ValueError("a staircase needs at least one level")
        self.rack.log.append(("staircase", self.name, tuple(levels_v), dwell_s))
        readings = []
        for level_v in levels_v:
            self.rack.levels[self.name] = level_v
            self.rack.clock.sleep(dwell_s)
            readings.append(Reading(self.rack.out_a(self.name), "A", frozenset(), ""))
        self.rack.levels[self.name] = 0.0
        return readings

    def pulse(self, level_v, *, width_s, partner, partner_level_v):
        assert partner is None
        self.rack.log.append(("pulse", self.name, level_v, width_s))
        if self.rack.fails is not None:
            raise self.rack.fails
        self.rack.see("pulse", self.rack.levels | {self.name: level_v})
        self.rack.clock.sleep(width_s)


class WiredGenerator:
    limits = PulseLimits(min_width_s=1e-8, max_width_s=1e-2, min_edge_s=4e-9, max_level_v=10.0)
    outputs = (1, 2)

    def __init__(self, rack, name):
        self.rack, self.name, self.levels = rack, name, {}

    def prepare(self, **settings):
        self.rack.log.append(("prepare", self.name, settings))

    def output_on(self):
        self.rack.on.add(self.name)

    def output_off(self):
        self.rack.on.discard(self.name)
        self.rack.log.append(("off", self.name))

    def set_levels(self, levels_v):
        self.levels = {f"{self.name}.{output}": level_v for output, level_v in levels_v.items()}

    def fire(self):
        assert self.name in self.rack.on
        self.rack.log.append(("fire", self.name, dict(self.levels)))
        self.rack.see("pulse", self.rack.levels | self.levels)


class WiredMatrix:
    def __init__(self, rack, key):
        self.rack, self.key = rack, key

    def close(self, crosspoints):
        self.exchange(opening=(), closing=crosspoints)

    def open(self, crosspoints):
        self.exchange(opening=crosspoints, closing=())

    def exchange(self, *, opening, closing):
        assert not any(self.rack.levels.values()), "hot switching"
        closed = self.rack.closed[self.key]
        assert set(opening) <= closed, "opens what is open"
        assert not set(closing) & closed, "closes what is closed"
        self.rack.closed[self.key] = (closed - set(opening)) | set(closing)
        self.rack.log.append(("relays", self.key, len(opening), len(closing)))

    def open_all(self):
        assert not any(self.rack.levels.values()), "hot switching"
        self.rack.closed[self.key] = set()
        self.rack.log.append(("open_all", self.key))


@pytest.fixture
def make_rack():
    return FakeRack


@pytest.fixture
def direct_rack():
    def make(bit="ground", control=None, access=None):
        wiring = Wiring("one.toml", None, {}, (), (), None, (), direct=DirectWiring("smu1.a", bit, control))
        return WiredRack(wiring, (1, 1), access)

    return make


@pytest.fixture
def gate_rack():
    """Four rows of five cells; ``plate`` for cells with a transistor."""

    def make(plate=False, access=None):
        lines = tuple(f"1{index:02d}" for index in range(1, 5))
        gate_rows = {"A": "smu2.a", "E": "ground"}
        control = ControlWiring("gates.toml", "mat2", gate_rows, lines, plate)
        rows = {"A": "smu1.a", "B": "smu1.b", "C": "gen1.1", "D": "gen1.2", "E": "ground"}
        words = ("301",) if plate else tuple(f"1{index:02d}" for index in range(1, 5))
        bits = tuple(f"2{index:02d}" for index in range(1, 6))
        wiring = Wiring("gates.toml", "mat1", rows, words, bits, None, (), control=control)
        return WiredRack(wiring, (4, 5), access)

    return make
