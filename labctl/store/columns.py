"""The data columns of a run: labels with units, and plain values checked before they become a row.

Not here: the tables (:mod:`labctl.store.schema`).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from operator import itemgetter
from typing import Any

import numpy as np

from labctl.errors import StoreError
from labctl.units import check_unit

__all__ = ["Cell", "Column", "Kind", "RowMaker", "kind_of", "parse_columns"]

Cell = float | int | str | None

_LABEL = re.compile(r".*\S\s*\(([^()]+)\)", re.DOTALL)
_PLAIN = {float, int, str, type(None)}
_Places = tuple[tuple[int, ...], ...]
_INT_LIMIT = 2**63  # SQLite stores signed 64-bit integers


@dataclass(frozen=True, slots=True)
class Column:
    """One data column.

    Attributes
    ----------
    name : str
        The whole label, such as ``"Conductance (S)"``.
    unit : str or None
        The unit in its brackets, "1" for a pure number; None for a column of text or other plain values.
    """

    name: str
    unit: str | None

    @property
    def quoted(self) -> str:
        """The label as an SQL identifier."""
        return '"' + self.name.replace('"', '""') + '"'


def parse_columns(labels: Sequence[str]) -> tuple[Column, ...]:
    """Read the units out of column labels.

    Parameters
    ----------
    labels : sequence of str
        Such as ``"Conductance (S)"`` or ``"Flags"``.

    Returns
    -------
    tuple of Column

    Raises
    ------
    StoreError
        If a label is empty, comes twice (SQL does not tell capitals), is ``seq``, ``_action`` or ``_crc``, holds what
        UTF-8 cannot, or has an unknown unit.
    """
    columns = []
    seen = {"seq": "seq, the row number", "_action": "_action, the unit of work", "_crc": "_crc, the checksum"}
    for label in labels:
        folded = label.casefold()
        if not label.strip() or folded in seen:
            taken = seen.get(folded, "an empty label")
            raise StoreError(f"data columns: {label!r} clashes with {taken}; each column needs a name of its own")
        if "\0" in label or not _is_utf8(label):
            raise StoreError(
                f"data columns: {label!r} holds a character that no SQL name can hold; choose another name"
            )
        seen[folded] = repr(label)
        match = _LABEL.fullmatch(label)
        unit = match.group(1) if match else None
        if unit is not None:
            try:
                check_unit(unit)
            except ValueError as error:
                raise StoreError(f"data columns: {label!r}: {error}") from None
        columns.append(Column(label, unit))
    return tuple(columns)


class Kind(StrEnum):
    """The narrowest type that holds every cell of a column to the bit."""

    FLOAT = "float"
    INT = "int"
    TEXT = "text"
    MIXED = "mixed"


def kind_of(cells: Sequence[Cell], unit: str | None) -> Kind:
    """Choose the type of a column.

    Parameters
    ----------
    cells : sequence of float, int, str or None
    unit : str or None
        A column with a unit is always FLOAT (no value: NaN).

    Returns
    -------
    Kind
        INT only where every cell has a value.
    """
    kinds = set(map(type, cells))
    if unit is not None or kinds in ({float}, {float, type(None)}):
        return Kind.FLOAT
    if kinds == {int}:
        return Kind.INT
    return Kind.TEXT if kinds <= {str, type(None)} else Kind.MIXED


class RowMaker:
    """Turns mappings into rows of SQLite's own types.

    Parameters
    ----------
    columns : sequence of Column
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self._names = tuple(column.name for column in columns)
        self._numeric = tuple(column.unit is not None for column in columns)
        self._known = frozenset(self._names)
        self._plain: dict[tuple[type, ...], _Places] = {}
        # itemgetter of a single name would give a bare value
        self._pick = itemgetter(*self._names) if len(self._names) > 1 else None

    def row(self, values: Mapping[str, object]) -> Sequence[Cell]:
        """Make one row.

        Parameters
        ----------
        values : mapping of str to object
            By column label; a column that is left out holds no value. NumPy scalars become Python's; NaN is "no value".

        Returns
        -------
        sequence of float, int, str or None

        Raises
        ------
        StoreError
            If a label is unknown, text stands in a column with a unit, or a value is of another kind.
        """
        picked: Sequence[object]
        if self._pick is not None and len(values) == len(self._names) and self._known.issuperset(values):
            picked = self._pick(values)
        else:
            if not self._known.issuperset(values):
                unknown = ", ".join(repr(name) for name in values if name not in self._known)
                raise StoreError(f"point: unknown column {unknown}; this run has: {', '.join(self._names) or 'none'}")
            picked = tuple([values.get(name) for name in self._names])
        # this runs for every point: a row of plain values without exceptions is taken as it is
        kinds = tuple(map(type, picked))
        plain = self._plain.get(kinds)
        if plain is None:
            plain = self._plain[kinds] = self._learn(kinds)
        if plain and _is_plain(picked, plain):
            return picked  # type: ignore[return-value]
        return [self._convert(value, place) for place, value in enumerate(picked)]

    def _learn(self, kinds: tuple[type, ...]) -> _Places:
        """Find the places of floats, integers and texts; nothing where a value is of another kind."""
        for kind, numeric in zip(kinds, self._numeric, strict=True):
            if kind not in _PLAIN or (kind is str and numeric):
                return ()
        return tuple(tuple(place for place, kind in enumerate(kinds) if kind is sought) for sought in (float, int, str))

    def _convert(self, value: object, position: int) -> Cell:
        numeric = self._numeric[position]
        if value is None:
            return None
        if isinstance(value, (float, np.floating)):
            return float(value) if value == value else None
        if isinstance(value, (int, np.integer, np.bool_)):
            number = int(value)
            if not -_INT_LIMIT <= number < _INT_LIMIT:
                raise StoreError(f"point: {self._names[position]!r} must fit in 64 bits, got {number}")
            return number
        if isinstance(value, str) and not numeric:
            if not _is_utf8(value):
                raise StoreError(f"point: {self._names[position]!r} takes text that UTF-8 can hold, got {value!r}")
            return str.__str__(value)
        allowed = "a number or None" if numeric else "a number, text or None"
        raise StoreError(
            f"point: {self._names[position]!r} takes {allowed}, got {value!r} ({type(value).__name__});"
            " a column of text has no unit in its name"
        )


def _is_plain(row: Sequence[Any], places: _Places) -> bool:
    floats, integers, texts = places
    for place in floats:
        if row[place] != row[place]:
            return False
    for place in integers:
        if not -_INT_LIMIT <= row[place] < _INT_LIMIT:
            return False
    for place in texts:  # noqa: SIM110 - a generator would cost more than the checks
        if not row[place].isascii():
            return False
    return True


def _is_utf8(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return True
