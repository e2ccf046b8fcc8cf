"""Closed crosspoints make buses. Authority: a closed relay joins its row and its column; paper and pencil."""

from types import MappingProxyType

import numpy as np
import pytest

from labctl_mock.bench.pulses import segments_of
from labctl_mock.bench.strict_toml import Quantity
from labctl_mock.bench.terminals import Rectangle
from labctl_mock.bench.wiring import Wiring, parse_crosspoint
from labctl_mock.bench.wiring_entry import WiringEntry


def topology(*closed):
    """Two word lines on 101, 102, two bit lines on 201, 202, the pad on 611; A smu1.a, B smu1.b, E ground."""
    entry = WiringEntry(
        "mat1",
        MappingProxyType({"A": "smu1.a", "B": "smu1.b", "E": "ground"}),
        Quantity(0.5, "ohm", "test"),
        ("101", "102"),
        ("201", "202"),
        "611",
        tuple(Quantity(1e6, "ohm", "test") for _ in range(4)),
    )
    return Wiring(entry, (2, 2)).topology(parse_crosspoint(name) for name in closed)


def test_crosspoint_is_taken_apart_when_named_as_the_maker_does():
    # 707B reference manual, channel specifiers: slot, row letter, two-digit column
    point = parse_crosspoint("6H12")
    assert (point.column, point.row) == ("612", "H")
    for name in ("1A1", "7A01", "1J01", "1A13", "1A00", "", "1a01"):
        with pytest.raises(ValueError, match="crosspoint"):
            parse_crosspoint(name)


def test_every_line_floats_when_all_is_open():
    made = topology()
    assert (made.bus_of_line == -1).all()
    assert not made.line_s.any()
    assert made.pad_bus == -1


def test_line_hangs_on_its_row_when_one_crosspoint_is_closed():
    made = topology("1A02", "2E01", "2E02")
    bus_a, bus_e = made.bus_of_row["A"], made.bus_of_row["E"]
    np.testing.assert_array_equal(made.bus_of_line, [-1, bus_a, bus_e, bus_e])
    np.testing.assert_allclose(made.line_s, [0.0, 2.0, 2.0, 2.0])
    assert made.buses[bus_a].terminals == ("smu1.a",)
    assert made.buses[bus_e].is_grounded
    assert made.buses[bus_a].joint_ohm == 0.0


def test_rows_become_one_bus_when_a_column_joins_them():
    made = topology("1A01", "1B01", "2E01")
    assert made.bus_of_row["A"] == made.bus_of_row["B"] != made.bus_of_row["E"]
    bus = made.buses[made.bus_of_row["A"]]
    assert (bus.rows, bus.terminals, bus.joint_ohm) == (("A", "B"), ("smu1.a", "smu1.b"), 0.5)
    # two crosspoints of 0.5 ohm in parallel
    assert made.line_s[0] == pytest.approx(4.0)


def test_rows_become_one_bus_when_columns_chain_them():
    # 312 carries no wire: its relays join rows all the same
    made = topology("1A01", "3A12", "3F12", "3F11", "3E11")
    assert made.bus_of_row["A"] == made.bus_of_row["F"] == made.bus_of_row["E"]
    assert made.buses[made.bus_of_row["A"]].is_grounded


def test_pad_is_in_the_circuit_only_when_its_column_is_closed():
    assert topology("1A01", "6B11").pad_bus == topology("1A01", "6B11").bus_of_row["B"]
    assert topology("1A01", "6B10").pad_bus == -1


def test_pulses_are_cut_at_every_edge_when_they_overlap():
    segments = segments_of([Rectangle("gen1.1", 1.0, 0.0, 3e-6), Rectangle("gen1.2", -1.0, 1e-6, 1e-6)])
    assert [segment.duration_s for segment in segments] == pytest.approx([1e-6, 1e-6, 1e-6])
    assert [segment.levels_v for segment in segments] == [
        {"gen1.1": 1.0},
        {"gen1.1": 1.0, "gen1.2": -1.0},
        {"gen1.1": 1.0},
    ]


def test_pulses_are_refused_when_one_terminal_has_two_at_once():
    with pytest.raises(ValueError, match="overlap"):
        segments_of([Rectangle("gen1.1", 1.0, 0.0, 2e-6), Rectangle("gen1.1", 2.0, 1e-6, 2e-6)])
    with pytest.raises(ValueError, match="positive width"):
        segments_of([Rectangle("gen1.1", 1.0, 0.0, 0.0)])
