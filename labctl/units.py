"""Quantities as people write them ("10us", "10u", "2.5 mV", "3 %") to SI floats, and back.

Built on Pint, with decimal arithmetic, so that "10 µs" is exactly the float ``1e-05``. A unit that differs from the
wanted one by a prefix needs no Pint, whose table takes as long to build as a procedure to load. Not here: the limits of
a parameter (:mod:`labctl.run.parameters`) and the formats that instruments want (each driver).
"""

import math
import re
from decimal import Decimal
from functools import cache, lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pint

__all__ = ["check_unit", "format_quantity", "parse_quantity"]

_NUMBER_AND_UNIT = re.compile(r"\s*([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,6})?)\s*(.*?)\s*", re.DOTALL)
_UNIT_TEXT = re.compile(r"%|[^\W\d_]+(?:\^?-?[1-9])?(?:\s*[*/·]\s*[^\W\d_]+(?:\^?-?[1-9])?)*")
_LONGEST = 100  # characters; longer text is no quantity that a person writes
_PREFIXES = {-15: "f", -12: "p", -9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T"}
_LETTERS = frozenset({*_PREFIXES.values(), "u", "μ"} - {""})
_PREFIXED = frozenset({"V", "A", "S", "s", "Ω", "F", "H", "Hz", "J", "W", "C", "m"})
_EXPONENTS = {prefix: exponent for exponent, prefix in _PREFIXES.items()} | {"u": -6, "μ": -6}
_KNOWN = _PREFIXED | {"K"}


def parse_quantity(text: str, unit: str) -> float:
    """Read a number with or without a unit as an SI float.

    Parameters
    ----------
    text : str
        Such as ``"10us"``, ``"2.5 mV"``, ``"1e-5"`` (a bare number is in ``unit``), ``"10u"`` (a bare SI prefix stands
        before ``unit``), ``"3 %"`` for unit "1".
    unit : str
        The SI unit of the answer, such as ``"s"``, ``"V"``, ``"Ω"``, ``"V/s"`` or ``"1"``.

    Returns
    -------
    float, unit as ``unit`` says

    Raises
    ------
    ValueError
        If ``text`` is no number, is not finite, has an unknown unit or one of another dimension.
    """
    match = _NUMBER_AND_UNIT.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        raise ValueError(f"{text!r} is not a number with a unit; {_expected(unit)}")
    number, written_unit = match.groups()
    value = Decimal(number)
    if written_unit in _LETTERS and written_unit != unit and _symbol(unit) in _PREFIXED:
        written_unit += unit
    exponent = _exponent(written_unit, unit)
    try:
        value = _converted(value, written_unit, unit) if exponent is None else value.scaleb(exponent)
    except ArithmeticError:  # decimal overflow
        raise ValueError(f"{text!r} is not a finite number; {_expected(unit)}") from None
    except (AttributeError, ValueError):  # what Pint's UndefinedUnitError is
        raise ValueError(f"{text!r}: the unit {written_unit!r} is unknown; {_expected(unit)}") from None
    except TypeError:  # what Pint's DimensionalityError is
        raise ValueError(f"{text!r}: {written_unit!r} is not a unit of this quantity; {_expected(unit)}") from None
    answer = float(value)
    if not math.isfinite(answer):
        raise ValueError(f"{text!r} is not a finite number; {_expected(unit)}")
    return answer


def format_quantity(value: float, unit: str, digits: int | None = None) -> str:
    """Write an SI float with an SI prefix: ``format_quantity(1e-5, "s")`` is ``"10 µs"``.

    Parameters
    ----------
    value : float, unit as ``unit`` says
    unit : str
        SI unit; "1" writes the plain number. Compound units get no prefix.
    digits : int, optional
        Significant digits to round to. Left out, the text reads back as the same float.

    Returns
    -------
    str
    """
    symbol = _symbol(unit)
    suffix = "" if symbol == "1" else f" {symbol}"
    if not math.isfinite(value):
        return f"{value}{suffix}"
    exact = Decimal(repr(float(value)))
    if digits is not None:
        exact = Decimal(f"{exact:.{max(digits, 1) - 1}e}")
    exponent = 0
    if symbol in _PREFIXED and exact:
        exponent = 3 * (exact.adjusted() // 3)
        exponent = min(max(exponent, min(_PREFIXES)), max(_PREFIXES))
        suffix = f" {_PREFIXES[exponent]}{symbol}"
    return f"{_plain(exact.scaleb(-exponent))}{suffix}"


def check_unit(unit: str) -> None:
    """Refuse a unit that Pint does not know.

    Parameters
    ----------
    unit : str
        Such as ``"S"``; "1" is the unit of a pure number.

    Raises
    ------
    ValueError
        If ``unit`` is not a unit.
    """
    if unit == "1" or all(_symbol(part) in _KNOWN for part in unit.split("/")):
        return
    import pint

    try:
        _unit(unit)
    except (pint.UndefinedUnitError, ValueError):
        raise ValueError(f"{unit!r} is not a unit; give an SI unit such as 'V', 'S' or 'V/s', or '1'") from None


@cache
def _registry() -> "pint.UnitRegistry[Decimal]":
    import pint

    return pint.UnitRegistry(non_int_type=Decimal, autoconvert_offset_to_baseunit=True)


@lru_cache(maxsize=1024)
def _unit(text: str) -> "pint.Unit":
    if text == "1":
        return _registry().dimensionless
    if len(text) > _LONGEST or not _UNIT_TEXT.fullmatch(text):
        raise ValueError(text)
    spelled = text.replace("Ohm", "ohm").replace("·", "*")
    return _registry().parse_units(re.sub(r"(?<=[^\W\d_])\^?(-?\d)", r"**\1", spelled))


def _exponent(written: str, unit: str) -> int | None:
    """Return the power of ten of a prefix; None where more than that is between two units."""
    if not written:
        return 0
    if unit == "1" and written == "%":
        return -2
    for spelled in (_symbol(unit), unit) if _symbol(unit) in _PREFIXED else ():
        if written.endswith(spelled):
            return _EXPONENTS.get(written.removesuffix(spelled))
    return None


def _converted(value: Decimal, written: str, unit: str) -> Decimal:
    source, target = _unit(written), _unit(unit)
    converted: Decimal = _registry().Quantity(value, source).to(target).magnitude
    return converted


def _symbol(unit: str) -> str:
    return "Ω" if unit.lower() == "ohm" else unit


def _expected(unit: str) -> str:
    if unit == "1":
        return "expected a pure number, for example '0.03' or '3 %'"
    return f"expected a quantity in {unit}, for example {format_quantity(1.5e-3, unit)!r}"


def _plain(value: Decimal) -> str:
    """Write without trailing zeros, with an exponent only far from one."""
    if value and not -4 <= value.adjusted() <= 15:
        mantissa, _, exponent = f"{value.normalize():e}".partition("e")
        return f"{mantissa}e{int(exponent)}"
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
