"""A fake rack that records messages: sources, generator and matrix as the roles say, one ideal conductance per cell."""

from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest

from labctl.clock import VirtualClock
from labctl.errors import StationError
from labctl.roles import Flag, PulseLimits, Reading, SourceMeterLimits


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


@pytest.fixture
def make_rack():
    return FakeRack
