"""Numeric program data (IEEE 488.2 7.7.2-7.7.4, SCPI-99 volume 1, 7.2-7.4): numbers with units, limits, booleans.

Not here: the other kinds of data (:mod:`labctl_mock.messages.parameters`) and whether a value is in range, which is
the instrument's business.
"""

import re
from collections.abc import Collection, Mapping
from enum import StrEnum
from math import inf, isfinite

from labctl_mock.messages.faults import MessageFault
from labctl_mock.messages.tree import mnemonic_forms

__all__ = ["Boolean", "Integer", "Limit", "Number", "refuse_types"]

# SCPI-99 volume 1, 7.4.1.1 and IEEE 488.2 table 7-1; M is milli except before HZ and OHM (7.7.3.3)
_MULTIPLIERS = {
    "EX": 1e18,
    "PE": 1e15,
    "T": 1e12,
    "G": 1e9,
    "MA": 1e6,
    "K": 1e3,
    "M": 1e-3,
    "U": 1e-6,
    "N": 1e-9,
    "P": 1e-12,
    "F": 1e-15,
    "A": 1e-18,
}
_NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:\s*[Ee]\s*([+-]?\d+))?\s*(\S*)", re.ASCII)
_BASES = {"H": 16, "Q": 8, "B": 2}


class Limit(StrEnum):
    """Words that stand for a number; the instrument knows which."""

    MINIMUM = "MIN"
    MAXIMUM = "MAX"
    DEFAULT = "DEF"


class Number:
    """Decimal (NRf) or ``#H``, ``#Q``, ``#B`` number with an optional unit, or MIN, MAX, DEF, INF, NINF.

    Parameters
    ----------
    unit : str
        SI unit in capitals, such as ``"V"``; ``""`` allows no suffix.
    limits : collection of Limit
        The words that this command takes.
    has_infinity : bool
        Whether INFinity and NINFinity are numbers here (SCPI-99 volume 1, 7.2.1.4).
    is_optional : bool
        Whether it may be left out.
    suffixes : mapping of str to float
        Further suffixes and their factors, such as ``{"VPP": 1.0}``.
    """

    takes_rest = False

    def __init__(
        self,
        unit: str = "",
        *,
        limits: Collection[Limit] = tuple(Limit),
        has_infinity: bool = False,
        is_optional: bool = False,
        suffixes: Mapping[str, float] | None = None,
    ) -> None:
        self.is_optional = is_optional
        self._factors = dict(suffixes or {})
        if unit:
            self._factors[unit] = 1.0
            for prefix, factor in _MULTIPLIERS.items():
                self._factors[prefix + unit] = factor
            if unit in ("HZ", "OHM"):
                self._factors["M" + unit] = 1e6
        self._words: dict[str, float | Limit] = {
            form: limit
            for limit, word in ((Limit.MINIMUM, "MINimum"), (Limit.MAXIMUM, "MAXimum"), (Limit.DEFAULT, "DEFault"))
            if limit in limits
            for form in mnemonic_forms(word)
        }
        if has_infinity:
            self._words.update({"INF": inf, "INFINITY": inf, "NINF": -inf, "NINFINITY": -inf})

    def parse(self, text: str) -> float | Limit:
        """Return the number in SI units, or the limit that the word names.

        Raises
        ------
        MessageFault
            -141 for an unknown word, -148 for a word where none is allowed, -128 class errors for other data types
            (-158 string, -168 block, -178 expression), -131 or -138 for the suffix, -121 for other characters.
        """
        try:
            value = float(text)
        except ValueError:
            return self._parse_slowly(text)
        # float() also takes what IEEE 488.2 does not: nan, inf, infinity and 1_000
        if isfinite(value) and "_" not in text:
            return value
        return self._parse_slowly(text)

    def _parse_slowly(self, text: str) -> float | Limit:
        first = text[0]
        if first.isalpha():
            word = self._words.get(text.upper())
            if word is None:
                raise MessageFault(-141 if self._words else -148, text)
            return word
        if first == "#":
            return _based_number(text)
        refuse_types(text, {"\"'": -158, "(": -178})
        match = _NUMBER.fullmatch(text)
        if match is None:
            raise MessageFault(-121, text)
        mantissa, exponent, suffix = match.groups()
        if exponent and (len(exponent) > 6 or abs(int(exponent)) > 32000):
            raise MessageFault(-123, text)  # IEEE 488.2 7.7.2.4.1
        value = float(f"{mantissa}e{exponent or 0}")
        if not suffix:
            return value
        if not self._factors:
            raise MessageFault(-138, suffix)
        factor = self._factors.get(suffix.upper())
        if factor is None:
            raise MessageFault(-131 if len(suffix) <= 12 else -134, suffix)
        return value * factor


class Integer(Number):
    """A number that is rounded to an integer (SCPI-99 volume 1, 7.2: devices round, they do not refuse)."""

    def parse(self, text: str) -> float | Limit:
        """Return the number rounded to the nearest integer, or the limit that the word names.

        Raises
        ------
        MessageFault
            As :meth:`Number.parse`.
        """
        value = super().parse(text)
        return value if isinstance(value, Limit) or not isfinite(value) else float(round(value))


class Boolean:
    """ON, OFF or a number that is rounded; what is not zero is ON (SCPI-99 volume 1, 7.3)."""

    is_optional = False
    takes_rest = False
    _number = Number(limits=())

    def parse(self, text: str) -> bool:
        """Return the truth value.

        Raises
        ------
        MessageFault
            -141 for another word; otherwise as :meth:`Number.parse`.
        """
        if text in ("1", "0"):
            return text == "1"
        if text[0].isalpha():
            word = text.upper()
            if word not in ("ON", "OFF"):
                raise MessageFault(-141, text)
            return word == "ON"
        value = self._number.parse(text)
        return not isinstance(value, Limit) and (not isfinite(value) or round(value) != 0)


def _based_number(text: str) -> float:
    base = _BASES.get(text[1:2].upper())
    if base is None:
        raise MessageFault(-168, text[:20])
    if "_" in text:
        raise MessageFault(-121, text)
    try:
        return float(int(text[2:], base))
    except (ValueError, OverflowError):
        raise MessageFault(-121, text[:40]) from None


def refuse_types(text: str, codes: Mapping[str, int]) -> None:
    """Raise the fault of ``codes`` whose key holds the first character of ``text``.

    Parameters
    ----------
    text : str
        One data element, not empty.
    codes : mapping of str to int
        First characters of a data type and the error for it.

    Raises
    ------
    MessageFault
        If one fits.
    """
    for starts, code in codes.items():
        if text[0] in starts:
            raise MessageFault(code, text[:20])
