"""Strict reading of a TOML file: every key asked for by name and type, every other key refused.

Not here: what the keys mean (:mod:`labctl_mock.bench.bench_file`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import TypeVar

from labctl.errors import StationError
from labctl.toml_file import parse_toml_text

__all__ = ["Quantity", "StrictTable", "parse_toml"]

_T = TypeVar("_T", str, bool, int)
_TYPE_NAMES = {str: "a string", bool: "true or false", int: "a whole number", float: "a number"}


@dataclass(frozen=True, slots=True)
class Quantity:
    """A physical number of a file, with where it comes from.

    Attributes
    ----------
    value : float, unit as ``unit`` says
    unit : str
    source : str
        Data sheet, paper, or ``"assumed: why"``.
    """

    value: float
    unit: str
    source: str


def parse_toml(text: str, file: str) -> "StrictTable":
    """Parse TOML text.

    Parameters
    ----------
    text : str
    file : str
        Name of the file, for messages.

    Returns
    -------
    StrictTable

    Raises
    ------
    StationError
        If the text is not TOML, or too big or too deep; the message names the file and, for syntax, the line.
    """
    return StrictTable(parse_toml_text(text, file), file, "")


class StrictTable:
    """One table of a TOML file that remembers which of its keys were asked for.

    Parameters
    ----------
    content : Mapping
        The table as tomllib gave it.
    file : str
        Name of the file, for messages.
    prefix : str
        Dotted name of this table, empty for the top.
    """

    def __init__(self, content: Mapping[str, object], file: str, prefix: str) -> None:
        self._content = content
        self._asked: set[str] = set()
        self.file = file
        self.prefix = prefix

    def error(self, key: str, problem: str) -> StationError:
        """Return (not raise) an error that names the file, the full key and the problem."""
        return StationError(f"{self.file}: {self._full(key)}: {problem}")

    def has(self, key: str) -> bool:
        """Tell whether an optional key is there; it then counts as known."""
        self._asked.add(key)
        return key in self._content

    def names(self) -> list[str]:
        """Return all keys, for a table whose keys are names."""
        return list(self._content)

    def raw(self, key: str) -> object:
        """Return a required value of any type.

        Raises
        ------
        StationError
            If the key is missing.
        """
        self._asked.add(key)
        if key not in self._content:
            raise self.error(key, "missing; add it")
        return self._content[key]

    def get(self, key: str, kind: type[_T]) -> _T:
        """Return a required string, boolean or whole number.

        Raises
        ------
        StationError
            If the key is missing or of another type.
        """
        value = self.raw(key)
        if type(value) is not kind:
            raise self.error(key, f"must be {_TYPE_NAMES[kind]}, got {value!r}")
        return value

    def strings(self, key: str) -> tuple[str, ...]:
        """Return a required list of strings.

        Raises
        ------
        StationError
            If the key is missing or anything else than a list of strings.
        """
        value = self.raw(key)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.error(key, f"must be a list of strings, got {value!r}")
        return tuple(value)

    def table(self, key: str) -> "StrictTable":
        """Return a required sub-table.

        Raises
        ------
        StationError
            If the key is missing or no table.
        """
        value = self.raw(key)
        if not isinstance(value, dict):
            raise self.error(key, f"must be a table, got {value!r}")
        return StrictTable(value, self.file, self._full(key))

    def quantity(self, key: str, unit: str, *, at_least: float = 0.0) -> Quantity:
        """Return a required number with its unit and source.

        Parameters
        ----------
        key : str
        unit : str
            The one unit that this key takes.
        at_least : float, unit as ``unit`` says
            Smallest value.

        Returns
        -------
        Quantity

        Raises
        ------
        StationError
            If anything of ``{ value, unit, source }`` is missing, too small, or in another unit.
        """
        table = self._sourced(key, unit)
        return Quantity(self._number(table.raw("value"), f"{key}.value", at_least), unit, table.get("source", str))

    def quantities(self, key: str, unit: str, *, at_least: float = 0.0) -> tuple[Quantity, ...]:
        """Return a required list of numbers that share a unit and a source.

        Parameters
        ----------
        key : str
        unit : str
            The one unit that this key takes.
        at_least : float, unit as ``unit`` says
            Smallest value.

        Returns
        -------
        tuple of Quantity

        Raises
        ------
        StationError
            If anything of ``{ value = [...], unit, source }`` is missing, too small, or in another unit.
        """
        table = self._sourced(key, unit)
        values = table.raw("value")
        if not isinstance(values, list):
            raise self.error(f"{key}.value", f"must be a list of numbers, got {values!r}")
        source = table.get("source", str)
        return tuple(
            Quantity(self._number(value, f"{key}.value[{index}]", at_least), unit, source)
            for index, value in enumerate(values)
        )

    def finish(self) -> None:
        """Refuse every key that nobody asked for.

        Raises
        ------
        StationError
            Naming the unknown keys and listing the known ones.
        """
        unknown = [key for key in self._content if key not in self._asked]
        if unknown:
            where = f"table {self.prefix}" if self.prefix else "top level"
            known = ", ".join(sorted(self._asked))
            raise self.error(unknown[0], f"unknown key in the {where}; known keys are {known}")

    def _sourced(self, key: str, unit: str) -> "StrictTable":
        table = self.table(key)
        for name in ("value", "unit", "source"):
            table.raw(name)
        table.finish()
        if table.get("unit", str) != unit:
            raise table.error("unit", f'must be "{unit}", got "{table.get("unit", str)}"')
        if not table.get("source", str).strip():
            raise table.error("source", 'must name a source, or "assumed: why"')
        return table

    def _number(self, value: object, key: str, at_least: float) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
            raise self.error(key, f"must be a finite number, got {value!r}")
        if value < at_least:
            raise self.error(key, f"must be at least {at_least:g}, got {value!r}")
        return float(value)

    def _full(self, key: str) -> str:
        return f"{self.prefix}.{key}" if self.prefix else key
