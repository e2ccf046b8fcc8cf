"""Selections and target maps from text. Authority: the forms that the messages promise; level k of n by linspace."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labctl.array import (
    CellReading,
    Levels,
    Scheme,
    as_map,
    format_cells,
    line_voltages,
    load_target,
    parse_cells,
    target_names,
)
from labctl.errors import StationError

LEVELS = Levels(25e-6, 200e-6, 8)


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        ("1,2", [(1, 2)]),
        ("0:2,1", [(0, 1), (1, 1)]),
        (":,0", [(0, 0), (1, 0), (2, 0)]),
        (" 2: , 2:4 ", [(2, 2), (2, 3)]),
        ("2,3;0,0; 1,1", [(2, 3), (0, 0), (1, 1)]),
        ("0,0;0:2,0", [(0, 0), (1, 0)]),
        ("diagonal", [(0, 0), (1, 1), (2, 2)]),
        ("diagonal:2", [(0, 0), (1, 1)]),
        ("2,0;diagonal:1", [(2, 0), (0, 0)]),
    ],
)
def test_selection_names_cells(text, cells):
    assert parse_cells(text, (3, 4)) == cells


def test_all_cells_come_row_by_row():
    assert parse_cells("all", (2, 2)) == [(0, 0), (0, 1), (1, 0), (1, 1)]


@pytest.mark.parametrize(
    "text", ["", "3,0", "0,4", "0:9,0", "2:1,0", "a,b", "1", "1,2,3", "-1,0", ",1", ";", "0,0;", "0,0;3,0"]
)
def test_selection_of_nothing_is_refused(text):
    with pytest.raises(StationError):
        parse_cells(text, (3, 4))


@pytest.mark.parametrize("text", ["diagonal:0", "diagonal:4", "diagonal:", "diagonal:-1"])
def test_diagonal_that_is_not_there_is_refused(text):
    with pytest.raises(StationError, match=r"1 to 3 cells|allowed are"):
        parse_cells(text, (3, 4))


def test_mask_selects_its_ones(tmp_path):
    mask = tmp_path / "mask.csv"
    mask.write_text("0,1\n1,0\n", encoding="utf-8")
    assert parse_cells(str(mask), (2, 2)) == [(0, 1), (1, 0)]


@pytest.mark.parametrize(
    ("content", "word"), [("0,1\n", "2 lines"), ("0,2\n0,0\n", "line 1"), ("0,0\n0,0\n", "no cell")]
)
def test_wrong_mask_is_refused(tmp_path, content, word):
    mask = tmp_path / "mask.csv"
    mask.write_text(content, encoding="utf-8")
    with pytest.raises(StationError, match=word):
        parse_cells(str(mask), (2, 2))


def test_level_numbers_become_conductances(tmp_path):
    path = tmp_path / "map.csv"
    path.write_text("0,7\n1,6\n", encoding="utf-8")
    assert load_target(str(path), (2, 2), LEVELS) == pytest.approx(np.array([[25e-6, 200e-6], [50e-6, 175e-6]]))


def test_siemens_are_taken_as_they_are(tmp_path):
    path = tmp_path / "map.csv"
    path.write_text("3e-5,2e-4\n", encoding="utf-8")
    assert load_target(str(path), (1, 2), LEVELS) == pytest.approx(np.array([[3e-5, 2e-4]]))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("0,1,2\n", ["1 lines of 2", "got 1 lines of 3"]),
        ("0,1\n2,3\n", ["got 2 lines"]),
        ("", ["got 0 lines"]),
        ("nan,3e-5\n", ["line 1, field 1", "nan"]),
        ("3e-5,3e-4\n", ["field 2", "2.5e-05 to 0.0002"]),
        ("0,8\n", ["level 8", "0 to 7"]),
        ("x,1\n", ["'x'"]),
        ("-1,1\n", ["-1"]),
    ],
)
def test_wrong_map_is_refused_with_its_place(tmp_path, content, words):
    path = tmp_path / "map.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(StationError) as caught:
        load_target(str(path), (1, 2), LEVELS)
    for word in ["map.csv", *words]:
        assert word in str(caught.value)


def test_unknown_map_lists_the_packaged_ones():
    with pytest.raises(StationError, match="digits_3bit_32x32"):
        load_target("nothing", (32, 32), LEVELS)


def test_packaged_maps_fit_the_reference_array():
    assert "digits_3bit_32x32" in target_names()
    assert load_target("digits_3bit_32x32", (32, 32), LEVELS).shape == (32, 32)


@pytest.mark.parametrize("levels", [(0.0, 1e-4, 8), (2e-4, 1e-4, 8), (1e-5, 1e-4, 1)])
def test_wrong_levels_are_refused(levels):
    with pytest.raises(StationError, match="levels"):
        Levels(*levels)


@given(st.floats(-5, 5))
def test_every_scheme_puts_the_whole_voltage_on_the_selected_cell(voltage_v):
    for scheme in Scheme:
        lines = line_voltages(scheme, voltage_v)
        assert lines.selected_word_v - lines.selected_bit_v == pytest.approx(voltage_v)
    assert line_voltages(Scheme.V2, voltage_v).half_select_v == pytest.approx(abs(voltage_v) / 2)
    assert line_voltages(Scheme.V3, voltage_v).half_select_v == pytest.approx(abs(voltage_v) / 3)
    assert line_voltages(Scheme.GROUNDED, voltage_v).half_select_v == pytest.approx(abs(voltage_v))
    assert line_voltages(Scheme.FLOATING, voltage_v).half_select_v is None


@pytest.mark.parametrize(("voltage_v", "other_bit_v"), [(3.0, 2.1), (0.5, 0.0)])
def test_inhibit_raises_the_other_bit_lines_to_just_below_the_word_line(voltage_v, other_bit_v):
    lines = line_voltages(Scheme.INHIBIT, voltage_v, row_stress_v=0.9)
    assert lines.other_bit_v == pytest.approx(other_bit_v)
    assert (lines.other_word_v, lines.selected_bit_v) == (0.0, 0.0)


def test_map_of_readings_has_holes_and_flags():
    good = CellReading(0, 1, 0.2, 5e-5, 1e-5, (), 1.0)
    bad = CellReading(1, 0, 0.2, None, None, ("overrange",), 2.0)
    found = as_map([good, bad], (2, 2))
    assert found.conductance_s[0, 1] == pytest.approx(5e-5)
    assert np.isnan(found.conductance_s).sum() == 3
    assert found.is_flagged.tolist() == [[False, False], [True, False]]


@given(st.data())
def test_cells_come_back_through_their_text(data):
    rows, columns = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 9))
    every = [(row, column) for row in range(rows) for column in range(columns)]
    cells = data.draw(st.sets(st.sampled_from(every), min_size=1))
    text = format_cells(cells, (rows, columns))
    found = parse_cells(text, (rows, columns))
    assert set(found) == cells
    assert len(found) == len(cells)


@pytest.mark.parametrize(
    ("cells", "text"),
    [
        ([(1, 2)], "1,2"),
        ([(0, 1), (1, 1)], "0:2,1"),
        ([(r, 0) for r in range(3)], ":,0"),
        ([(2, c) for c in range(4)], "2,:"),
        ([(r, c) for r in range(3) for c in range(4)], "all"),
        ([(0, 0), (1, 1), (2, 2)], "diagonal"),
        ([(0, 0), (0, 1), (1, 0), (1, 1), (2, 3)], "0:2,0:2;2,3"),
    ],
)
def test_text_of_cells_is_short(cells, text):
    assert format_cells(reversed(cells), (3, 4)) == text


@pytest.mark.parametrize("cells", [[], [(3, 0)], [(0, 4)], [(-1, 0)]])
def test_no_cell_and_cells_outside_have_no_text(cells):
    with pytest.raises(StationError, match="3 x 4"):
        format_cells(cells, (3, 4))


def test_map_of_level_numbers_becomes_conductances_and_what_does_not_fit_is_refused():
    levels = Levels(25e-6, 200e-6, 8)
    numbers = np.array([[0, 3], [7, 1]])
    np.testing.assert_allclose(levels.of_numbers(numbers, (2, 2)), [[25e-6, 100e-6], [200e-6, 50e-6]])
    with pytest.raises(StationError, match=r"must be \(2, 3\) as the array is, got \(2, 2\)"):
        levels.of_numbers(numbers, (2, 3))
    for wrong in (8, -1):
        with pytest.raises(StationError, match="levels must lie in 0 to 7"):
            levels.of_numbers(np.where(numbers == 3, wrong, numbers), (2, 2))
