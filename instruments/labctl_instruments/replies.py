"""Strict reading of what instruments answer; a text that is not exactly a number is never one.

A measured value may also be one of the words and numbers by which instruments say "over range", "infinite" or "not a
number": it then has no value. Not here: asking (:mod:`labctl_instruments.asking`).
"""

import re
from collections.abc import Sequence
from math import isfinite

from labctl.errors import ProtocolError
from labctl.roles import Flag, Identity, Reading

__all__ = ["checked_number", "is_overrange", "number", "numbers_alike", "read_identity", "reading"]

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
# 9.91E37 stands for "not a number" and 9.9E37 for "infinity" in SCPI 1999 vol. 1, 7.2.1; Keithley's TSP uses 9.91e37
_SENTINEL = 9.8e37
# what C libraries print for IEEE 754's other values, and what front panels and older firmware say
_WORD = re.compile(
    r"[+-]?(?:nan(?:\([a-z0-9_]*\))?|[qs]nan|inf(?:inity)?|1\.#(?:inf|ind|nan|qnan|snan|j)0*"
    r"|ov(?:er)?(?:flow|range|ld|fl|rflw)|oflo?w?)",
    re.IGNORECASE,
)


def number(text: str) -> float:
    """Return the number that ``text`` is.

    Parameters
    ----------
    text : str
        Part of an answer.

    Returns
    -------
    float, unit as the instrument gives it

    Raises
    ------
    ValueError
        If ``text`` is anything but one decimal number.
    """
    if not text.isascii() or _NUMBER.fullmatch(text) is None:
        raise ValueError(f"not a number: {text!r}")
    return float(text)


def numbers_alike(fields: Sequence[str]) -> list[float]:
    """Return the numbers of one answer, all printed with the same number of digits.

    A digit that got lost on the way leaves a number still; that the others have more gives it away.

    Parameters
    ----------
    fields : sequence of str
        Parts of an answer; words and sentinels for "no number" have no digits to count and must not be among them.

    Returns
    -------
    list of float, unit as the instrument gives it

    Raises
    ------
    ValueError
        If one is not a number, or a sentinel for none, or they differ in digits.
    """
    values = [number(field) for field in fields]
    if any(map(is_overrange, values)) or len({len(field.lstrip("+-")) for field in fields}) > 1:
        raise ValueError(f"not printed alike: {fields!r}")
    return values


def checked_number(value: float | str) -> float:
    """Return what PyMeasure made of an answer, if it is a number; for ``get_process`` of a property.

    Parameters
    ----------
    value : float or str, unit as the property says
        What PyMeasure made of the answer.

    Returns
    -------
    float

    Raises
    ------
    ProtocolError
        If PyMeasure left a text, which it does silently when an answer is no number, or took "nan", "inf" or an
        over-range sentinel for one.
    """
    if isinstance(value, str) or not isfinite(value) or is_overrange(value):
        raise ProtocolError(f"a property was answered {value!r}, expected a number")
    return value


def is_overrange(value: float) -> bool:
    """Tell whether ``value`` is a sentinel for over-range, of either sign.

    Parameters
    ----------
    value : float, unit as the instrument gives it

    Returns
    -------
    bool
    """
    return abs(value) >= _SENTINEL


def reading(text: str, unit: str, *, in_compliance: bool, raw: str) -> Reading:
    """Return a measured value with its flags.

    Parameters
    ----------
    text : str
        The number as the instrument sent it, or how it says that there is none.
    unit : str
        "A" or "V".
    in_compliance : bool
        Whether the source was in compliance.
    raw : str
        The answer that ``text`` is taken from.

    Returns
    -------
    Reading
        Without a value, flagged and with the raw text where the instrument gave none.

    Raises
    ------
    ValueError
        If ``text`` is neither a number nor a known way to say that there is none.
    """
    flags = {Flag.COMPLIANCE} if in_compliance else set()
    value = None if _WORD.fullmatch(text) else number(text)
    if value is None or is_overrange(value):
        return Reading(None, unit, frozenset(flags | {Flag.OVERRANGE}), raw)
    return Reading(value, unit, frozenset(flags), raw)


def read_identity(reply: str) -> Identity:
    """Take the answer to ``*IDN?`` apart.

    Parameters
    ----------
    reply : str

    Returns
    -------
    Identity

    Raises
    ------
    ValueError
        If it has not the four fields of IEEE 488.2, 10.14.
    """
    fields = [field.strip() for field in reply.split(",")]
    if len(fields) != 4 or not all(fields[:3]):
        raise ValueError(f"not maker,model,serial,firmware: {reply!r}")
    maker, model, serial, firmware = fields
    if maker == "LSCI":
        # Lake Shore writes MODEL335, and the serial number of an option card behind that of the instrument
        model, serial = model.removeprefix("MODEL"), serial.partition("/")[0]
    return Identity(maker, model.removeprefix("Model ").removeprefix("MODEL "), serial, firmware)
