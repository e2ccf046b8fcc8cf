"""Authority: the SI brochure (9th edition) for prefixes and units; Python's float() for the nearest double."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labctl.units import check_unit, format_quantity, parse_quantity


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("10us", "s", 10e-6),
        ("10 µs", "s", 10e-6),
        ("10 μs", "s", 10e-6),
        ("2.5 mV", "V", 2.5e-3),
        ("-.5V", "V", -0.5),
        ("1e-5", "S", 1e-5),
        ("10 µS", "S", 1e-5),
        (" 7 ", "A", 7.0),
        ("3 %", "1", 0.03),
        ("3%", "1", 0.03),
        ("0.03", "1", 0.03),
        ("10 kOhm", "Ω", 1e4),
        ("10 kΩ", "ohm", 1e4),
        ("1 Ohm", "Ohm", 1.0),
        ("1 V/us", "V/s", 1e6),
        ("25 degC", "K", 298.15),
        ("1e-7 A", "A", 1e-7),
        ("1 nA^2", "A^2", 1e-18),
        ("10n", "s", 1e-8),
        ("2.5 m", "V", 2.5e-3),
        ("10µ", "A", 1e-5),
        ("10m", "m", 10.0),
    ],
)
def test_parse_quantity_gives_nearest_float_when_unit_has_prefix(text: str, unit: str, value: float) -> None:
    assert parse_quantity(text, unit) == value


@pytest.mark.parametrize(
    "text", ["", "fast", "nan", "inf", "1e999", "10 V", "10 zz", "10 s s", "10 __import__('os')", "1,5 s", "5 q"]
)
def test_parse_quantity_names_unit_and_example_when_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected a quantity in s, for example '1\.5 ms'"):
        parse_quantity(text, "s")


def test_parse_quantity_refuses_unit_when_pure_number_is_wanted() -> None:
    with pytest.raises(ValueError, match="pure number"):
        parse_quantity("3 V", "1")


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1e-5, "s", "10 µs"),
        (1.2e-3, "A", "1.2 mA"),
        (0.03, "1", "0.03"),
        (0.0, "V", "0 V"),
        (-0.91, "V", "-910 mV"),
        (1e4, "ohm", "10 kΩ"),
        (100.0, "V/s", "100 V/s"),
        (300.0, "K", "300 K"),
        (1e-20, "A", "1e-5 fA"),
        (999.9996e-6, "S", "999.9996 µS"),
    ],
)
def test_format_quantity_uses_prefix_when_unit_is_simple(value: float, unit: str, text: str) -> None:
    assert format_quantity(value, unit) == text


def test_format_quantity_rounds_when_digits_are_given() -> None:
    assert format_quantity(999.96e-6, "S", 4) == "1 mS"
    assert format_quantity(123.456e-6, "S", 4) == "123.5 µS"


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["s", "V", "S", "ohm", "V/s", "K", "1"]))
def test_quantity_survives_to_the_bit_when_formatted_and_parsed(value: float, unit: str) -> None:
    again = parse_quantity(format_quantity(value, unit), unit)
    assert again == value
    assert math.copysign(1, again) == math.copysign(1, value)


def test_check_unit_refuses_when_pint_does_not_know_it() -> None:
    check_unit("S")
    check_unit("1")
    with pytest.raises(ValueError, match="not a unit"):
        check_unit("quux")
