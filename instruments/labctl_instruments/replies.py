"""Strict reading of what instruments answer; a text that is not exactly a number is never one.

Not here: asking (:mod:`labctl_instruments.link`).
"""

import re

from labctl.errors import ProtocolError
from labctl.roles import Flag, Reading

__all__ = ["checked_number", "is_overrange", "number", "reading"]

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
# 9.91E37 stands for "not a number" and 9.9E37 for "infinity" in SCPI 1999 vol. 1, 7.2.1; Keithley's TSP uses 9.91e37
_SENTINEL = 9.8e37


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
    if _NUMBER.fullmatch(text) is None:
        raise ValueError(f"not a number: {text!r}")
    return float(text)


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
        If PyMeasure left a text, which it does silently when an answer is no number.
    """
    if isinstance(value, str):
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
        The number as the instrument sent it.
    unit : str
        "A" or "V".
    in_compliance : bool
        Whether the source was in compliance.
    raw : str
        The answer that ``text`` is taken from.

    Returns
    -------
    Reading

    Raises
    ------
    ValueError
        If ``text`` is not a number.
    """
    value = number(text)
    flags = {Flag.COMPLIANCE} if in_compliance else set()
    if is_overrange(value):
        return Reading(None, unit, frozenset(flags | {Flag.OVERRANGE}), raw)
    return Reading(value, unit, frozenset(flags), raw)
