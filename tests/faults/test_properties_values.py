"""Laws of values on their way in: quantities, columns, plain values, selections, targets, names.

Authority of each law: the docstring of what it is a law of; ISO/IEC 80000 for prefixes, RFC 8259 for JSON, SQLite's
64-bit integers. Each test is one law; promise P19.
"""

import json
import math
import re
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from labctl.array import Levels, load_target, parse_cells
from labctl.array.schemes import Scheme, line_voltages
from labctl.errors import RunError, StationError, StoreError
from labctl.run.parameters import QuantityParameter, allowed_values, convert_value, format_parameter
from labctl.store.columns import Kind, RowMaker, kind_of, parse_columns
from labctl.store.plain import plain, to_json
from labctl.store.runs import open_run
from labctl.units import check_unit, format_quantity, parse_quantity

UNITS = st.sampled_from(["V", "A", "S", "s", "Ω", "F", "Hz", "J", "W", "V/s", "1", "K"])
FINITE = st.floats(allow_nan=False, allow_infinity=False)
# text near to quantities: most of random text is refused at its first character
NEAR = st.lists(st.sampled_from([*"0123456789.eE+-uµmkMGVAsΩ% /*^_·", "inf", "nan", "1e999999999", "²", "٣"])).map(
    "".join
)
TEXT = st.text(max_size=40) | NEAR
SHAPE = st.tuples(st.integers(1, 9), st.integers(1, 9))
CELLS = st.none() | st.integers(-(2**63), 2**63 - 1) | FINITE | st.text(max_size=20)
LEVELS = Levels(25e-6, 200e-6, 8)


# --- quantities


@given(FINITE, UNITS)
def test_quantity_reads_back_to_the_bit(value, unit):
    assert parse_quantity(format_quantity(value, unit), unit) == value


@given(TEXT, UNITS)
def test_quantity_is_a_finite_number_or_refused(text, unit):
    try:
        value = parse_quantity(text, unit)
    except ValueError:
        return
    assert math.isfinite(value)


@given(FINITE, st.sampled_from([("m", -3), ("µ", -6), ("n", -9), ("k", 3), ("M", 6), ("p", -12)]))
def test_prefix_is_a_power_of_ten(value, prefix):
    name, exponent = prefix
    expected = float(Decimal(repr(value)).scaleb(exponent))
    assume(math.isfinite(expected))
    assert parse_quantity(f"{value!r} {name}V", "V") == expected


@given(FINITE, UNITS, st.integers(1, 12))
def test_rounded_quantity_is_within_half_a_digit(value, unit, digits):
    text = format_quantity(value, unit, digits)
    try:
        back = parse_quantity(text, unit)
    except ValueError:
        # the largest floats round up beyond the largest float
        assert abs(value) > 1e308
        return
    assert back == pytest.approx(value, rel=0.5001 * 10.0 ** (1 - digits), abs=1e-322)


@given(FINITE, UNITS, st.text(alphabet=" \t", max_size=4))
def test_quantity_does_not_see_spaces_around_it(value, unit, space):
    assert parse_quantity(f"{space}{value!r}{space}", unit) == value


@given(FINITE, st.sampled_from(["V", "A", "s"]), st.sampled_from(["Hz", "K", "J"]))
def test_quantity_of_another_dimension_is_refused(value, unit, other):
    with pytest.raises(ValueError, match="not a unit of this quantity"):
        parse_quantity(f"{value!r} {other}", unit)


@given(FINITE, UNITS)
def test_sign_of_a_quantity_is_its_only_difference(value, unit):
    assert parse_quantity(format_quantity(-value, unit), unit) == -parse_quantity(format_quantity(value, unit), unit)


@given(TEXT)
def test_unit_is_known_or_refused(text):
    try:
        check_unit(text)
    except ValueError:
        return
    assert parse_quantity("1", text) == 1.0


# --- parameters


@given(FINITE, FINITE, FINITE)
def test_parameter_refuses_and_never_clips(low, high, value):
    assume(low <= high)
    parameter = QuantityParameter("Level", units="V", minimum=low, maximum=high)
    try:
        assert parameter.convert(value) == value
    except ValueError:
        assert not low <= value <= high
    else:
        assert low <= value <= high


@given(TEXT | FINITE | st.none() | st.booleans() | st.lists(st.integers()) | st.integers())
def test_parameter_takes_a_number_or_refuses(value):
    parameter = QuantityParameter("Level", units="V")
    try:
        found = convert_value(parameter, value)
    except ValueError:
        return
    assert found is None or (isinstance(found, float) and math.isfinite(found))


@given(FINITE, UNITS)
def test_parameter_reads_its_own_text(value, unit):
    parameter = QuantityParameter("Level", units=unit)
    assert parameter.convert(format_parameter(parameter, value)) == value


@given(FINITE, FINITE)
def test_words_for_limits_hold_both_limits(low, high):
    low, high = sorted((low, high))
    words = allowed_values(QuantityParameter("Level", units="V", minimum=low, maximum=high))
    assert format_quantity(low, "V") in words
    assert format_quantity(high, "V") in words


# --- columns


@given(st.lists(st.text(max_size=12), max_size=6))
def test_columns_keep_their_labels_or_are_refused(labels):
    try:
        columns = parse_columns(labels)
    except StoreError:
        return
    assert [column.name for column in columns] == labels
    assert len({label.casefold() for label in labels}) == len(labels)


@given(st.text(min_size=1, max_size=20))
def test_quoted_label_is_one_sql_identifier(label):
    import sqlite3

    try:
        (column,) = parse_columns([label])
    except StoreError:
        return
    assume("\0" not in label)
    with sqlite3.connect(":memory:") as connection:
        connection.execute(f"CREATE TABLE point (seq INTEGER PRIMARY KEY, {column.quoted})")
        names = [row[1] for row in connection.execute("PRAGMA table_info(point)")]
    connection.close()
    assert names == ["seq", label]


@given(st.sampled_from(["V", "A", "S", "1", "Hz"]), st.text(alphabet="abc XYZ", min_size=1, max_size=9))
def test_unit_of_a_column_is_what_stands_in_its_brackets(unit, name):
    assume(name.strip())
    (column,) = parse_columns([f"{name} ({unit})"])
    assert column.unit == unit


@given(st.dictionaries(st.sampled_from(["A (V)", "B", "C"]), CELLS))
def test_row_holds_the_values_to_the_bit(values):
    maker = RowMaker(parse_columns(["A (V)", "B", "C"]))
    try:
        row = maker.row(values)
    except StoreError:
        assert isinstance(values.get("A (V)"), str)
        return
    assert list(row) == [values.get("A (V)"), values.get("B"), values.get("C")]
    assert [type(cell) for cell in row] == [type(values.get(name)) for name in ("A (V)", "B", "C")]


@given(st.integers())
def test_integer_fits_in_64_bits_or_is_refused(value):
    maker = RowMaker(parse_columns(["B"]))
    if -(2**63) <= value < 2**63:
        assert list(maker.row({"B": value})) == [value]
    else:
        with pytest.raises(StoreError):
            maker.row({"B": value})


@given(st.text(max_size=10))
def test_unknown_column_is_refused_and_named(name):
    assume(name != "B")
    with pytest.raises(StoreError) as caught:
        RowMaker(parse_columns(["B"])).row({name: 1})
    assert repr(name) in str(caught.value)


@given(st.sampled_from([np.float32, np.float64, np.int16, np.int64, np.uint8, np.bool_]), st.integers(0, 100))
def test_numpy_scalar_becomes_the_same_plain_number(kind, value):
    (cell,) = RowMaker(parse_columns(["B"])).row({"B": kind(value)})
    assert type(cell) in (int, float)
    assert cell == kind(value)


@given(st.lists(CELLS, min_size=1), st.sampled_from([None, "V"]))
def test_kind_of_a_column_holds_every_cell(cells, unit):
    kind = kind_of(cells, unit)
    if kind is Kind.INT:
        assert all(type(cell) is int for cell in cells)
    elif kind is Kind.TEXT:
        assert all(cell is None or isinstance(cell, str) for cell in cells)
    elif kind is Kind.FLOAT and unit is None:
        assert all(cell is None or isinstance(cell, float) for cell in cells)


# --- plain values

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | FINITE | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


@given(JSON)
def test_plain_value_stays_itself(value):
    assert plain(value) == value


@given(JSON)
def test_json_reads_back(value):
    assert json.loads(to_json(value)) == value


@given(st.sampled_from([math.nan, math.inf, -math.inf]), st.lists(FINITE, max_size=3))
def test_json_never_holds_nan_or_infinity(value, others):
    assert json.loads(to_json([*others, value]), parse_constant=pytest.fail) == [*others, None]


@given(JSON)
def test_plain_twice_is_plain_once(value):
    assert plain(plain(value)) == plain(value)


@given(st.complex_numbers() | st.binary() | st.just(object()))
def test_value_without_a_faithful_form_is_refused(value):
    with pytest.raises(StoreError):
        to_json(value)


# --- cells, targets, levels, schemes


@given(TEXT | st.lists(st.sampled_from([*"0123456789,: ", "all", "\0", ".csv", "../"])).map("".join), SHAPE)
def test_selection_lies_in_the_array_or_is_refused(text, shape):
    try:
        cells = parse_cells(text, shape)
    except StationError:
        return
    assert cells
    assert len(set(cells)) == len(cells)
    assert all(0 <= row < shape[0] and 0 <= column < shape[1] for row, column in cells)


@given(SHAPE, st.data())
def test_cell_and_its_text_are_one_to_one(shape, data):
    cell = data.draw(st.tuples(st.integers(0, shape[0] - 1), st.integers(0, shape[1] - 1)))
    assert parse_cells(f"{cell[0]},{cell[1]}", shape) == [cell]


@given(SHAPE)
def test_all_is_every_cell_once_row_by_row(shape):
    assert parse_cells("all", shape) == list(np.ndindex(shape)) == parse_cells(":,:", shape)


@given(SHAPE, st.data())
def test_range_is_the_product_of_its_sides(shape, data):
    rows = sorted(data.draw(st.tuples(*[st.integers(0, shape[0])] * 2)))
    columns = sorted(data.draw(st.tuples(*[st.integers(0, shape[1])] * 2)))
    assume(rows[0] < rows[1] and columns[0] < columns[1])
    cells = parse_cells(f"{rows[0]}:{rows[1]},{columns[0]}:{columns[1]}", shape)
    assert len(cells) == (rows[1] - rows[0]) * (columns[1] - columns[0])
    assert cells == sorted(cells)


@settings(max_examples=settings.default.max_examples // 2)
@given(
    SHAPE.flatmap(
        lambda shape: st.lists(st.booleans(), min_size=shape[0] * shape[1], max_size=shape[0] * shape[1]).map(
            lambda bits: np.reshape(bits, shape)
        )
    )
)
def test_mask_and_selection_are_one_to_one(tmp_path, mask):
    assume(mask.any())
    path = tmp_path / "mask.csv"
    path.write_text("\n".join(",".join("01"[bit] for bit in row) for row in mask.astype(int)), encoding="utf-8")
    cells = parse_cells(str(path), mask.shape)
    back = np.zeros(mask.shape, dtype=bool)
    back[tuple(zip(*cells, strict=True))] = True
    assert (back == mask).all()


@settings(max_examples=settings.default.max_examples // 2)
@given(st.binary(max_size=60) | st.text(alphabet='01,.\n\r"e-', max_size=60).map(str.encode))
def test_target_of_any_bytes_lies_in_its_levels_or_is_refused(tmp_path, content):
    path = tmp_path / "target.csv"
    path.write_bytes(content)
    try:
        target = load_target(str(path), (1, 2), LEVELS)
    except StationError:
        return
    assert (target >= LEVELS.lowest_s * (1 - 1e-8)).all()
    assert (target <= LEVELS.highest_s * (1 + 1e-8)).all()


@settings(max_examples=settings.default.max_examples // 2)
@given(st.lists(st.floats(25e-6, 200e-6), min_size=4, max_size=4))
def test_target_in_siemens_reads_back_to_the_bit(tmp_path, values):
    path = tmp_path / "target.csv"
    path.write_text("{!r},{!r}\n{!r},{!r}\n".format(*values), encoding="utf-8")
    assert load_target(str(path), (2, 2), LEVELS).ravel().tolist() == values


@given(st.floats(-1, 10), st.floats(-1, 10), st.integers(-3, 300))
def test_levels_rise_from_the_lowest_to_the_highest(low, high, count):
    try:
        levels = Levels(low, high, count).conductances_s()
    except StationError:
        assert not (0.0 < low < high and count >= 2)
        return
    assert levels[0] == low
    assert levels[-1] == high
    assert len(levels) == count
    assert (np.diff(levels) >= 0.0).all()


@given(st.floats(-10, 10), st.sampled_from([Scheme.V2, Scheme.V3, Scheme.GROUNDED, Scheme.FLOATING]))
def test_scheme_of_the_opposite_voltage_is_the_opposite_scheme(voltage_v, scheme):
    there, back = line_voltages(scheme, voltage_v), line_voltages(scheme, -voltage_v)
    for name in ("selected_word_v", "selected_bit_v", "other_word_v", "other_bit_v"):
        one, other = getattr(there, name), getattr(back, name)
        assert (one is None and other is None) or one == -other


@given(st.floats(0, 10), st.floats(0, 2))
def test_inhibited_row_sees_no_more_than_its_stress(voltage_v, stress_v):
    lines = line_voltages(Scheme.INHIBIT, voltage_v, row_stress_v=stress_v)
    assert abs(lines.selected_word_v - lines.other_bit_v) <= max(stress_v, 0.0) + 1e-12


# --- names of runs


@given(
    st.text(max_size=60)
    | st.lists(st.sampled_from(["..", "/", "\\", "C:", "CON", "\0", "*", "?", "[", "latest", "~", "\u202e"])).map(
        "".join
    )
)
def test_reference_opens_nothing_outside_of_an_empty_root(tmp_path, reference):
    # there is no run at all: whatever the text is, the answer is a refusal
    with pytest.raises(StoreError):
        open_run(reference, tmp_path)


@given(st.text(max_size=80))
def test_procedure_name_makes_a_safe_file_name_or_is_refused(tmp_path, name):
    from labctl.store.schema import RunHeader
    from labctl.store.writer import RunWriter

    # names of procedures, those of the published systems with their folder
    assume(not re.fullmatch(r"(system\.)?[a-z][a-z0-9_]{0,63}", name))
    with pytest.raises(StoreError):
        RunWriter.create(tmp_path / "data", RunHeader(name, ["B"]))
    assert not (tmp_path / "data").exists()


@given(st.dictionaries(st.text(min_size=1, max_size=12), st.text(max_size=12), min_size=1, max_size=3))
def test_unknown_parameter_is_refused_by_name(values):
    from labctl.run import LabProcedure

    class Nothing(LabProcedure):
        def execute(self):
            pass

    with pytest.raises(RunError, match="has no parameter"):
        Nothing(**values)
