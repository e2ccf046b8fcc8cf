"""Strict reading of a station's TOML: each key asked for by name and type, every other key refused.

Not here: what the keys mean (:mod:`labctl.station.station_file`).
"""

import re
from collections.abc import Mapping
from datetime import date, datetime
from math import isfinite
from typing import Any

from labctl.errors import StationError
from labctl.toml_file import parse_toml_text

__all__ = ["StrictTable"]

_NAMES = {
    str: "a string",
    int: "a whole number",
    float: "a finite number",
    bool: "true or false",
    dict: "a table",
    date: "a date such as 2027-03-01",
}


class StrictTable:
    """One table of a TOML file, which knows where it stands in the file.

    Parameters
    ----------
    content : mapping
        The table.
    file : str
        Name of the file, for messages.
    text : str
        The whole file, for line numbers.
    path : tuple of str
        Names from the top of the file to this table.
    """

    def __init__(self, content: Mapping[str, Any], file: str, text: str, path: tuple[str, ...] = ()) -> None:
        self._content = content
        self._file = file
        self._text = text
        self._path = path
        self._asked: set[str] = set()

    @classmethod
    def parse(cls, text: str, file: str) -> "StrictTable":
        """Parse TOML.

        Parameters
        ----------
        text : str
            The whole file.
        file : str
            Its name, for messages.

        Returns
        -------
        StrictTable
            The top of the file.

        Raises
        ------
        StationError
            If ``text`` is not TOML; the message names file and line.
        """
        return cls(parse_toml_text(text, file), file, text)

    def wrong(self, key: str, problem: str) -> StationError:
        """Return an error that names file, line, key and problem.

        Parameters
        ----------
        key : str
        problem : str

        Returns
        -------
        StationError
            To be raised by the caller.
        """
        return StationError(f"{self.place(key)}: {problem}")

    def place(self, key: str) -> str:
        """Return file, line and key, for messages.

        Parameters
        ----------
        key : str

        Returns
        -------
        str
        """
        line = self._line_of(key)
        place = f"{self._file}, line {line}" if line else self._file
        return f"{place}: {'.'.join((*self._path, key))}"

    def names(self) -> list[str]:
        """Return the keys, for a table whose keys are names; they all count as known.

        Returns
        -------
        list of str
        """
        self._asked.update(self._content)
        return list(self._content)

    def has(self, key: str) -> bool:
        """Tell whether an optional key is there; it counts as known.

        Parameters
        ----------
        key : str

        Returns
        -------
        bool
        """
        self._asked.add(key)
        return key in self._content

    def is_table(self, key: str) -> bool:
        """Tell whether a key holds a table.

        Parameters
        ----------
        key : str

        Returns
        -------
        bool
        """
        return isinstance(self._content.get(key), dict)

    def string(self, key: str) -> str:
        """Return a required string.

        Parameters
        ----------
        key : str

        Returns
        -------
        str

        Raises
        ------
        StationError
            If it is missing or no string.
        """
        return str(self._typed(key, str))

    def whole(self, key: str, *, least: int, most: int) -> int:
        """Return a required whole number within limits.

        Parameters
        ----------
        key : str
        least, most : int, unit 1
            Limits, both allowed.

        Returns
        -------
        int

        Raises
        ------
        StationError
            If it is missing, no whole number or outside.
        """
        value = int(self._typed(key, int))
        if not least <= value <= most:
            raise self.wrong(key, f"must be {least} to {most}, got {value}")
        return value

    def positive(self, key: str) -> float:
        """Return a required number above zero.

        Parameters
        ----------
        key : str

        Returns
        -------
        float, unit as the key says

        Raises
        ------
        StationError
            If it is missing, no finite number or not above zero.
        """
        return self._positive(key, self._typed(key, float))

    def flag(self, key: str) -> bool:
        """Return a required truth value.

        Parameters
        ----------
        key : str

        Returns
        -------
        bool

        Raises
        ------
        StationError
            If it is missing or no truth value.
        """
        return bool(self._typed(key, bool))

    def day(self, key: str) -> date:
        """Return a required date, written without quotes: ``2027-03-01``.

        Parameters
        ----------
        key : str

        Returns
        -------
        datetime.date

        Raises
        ------
        StationError
            If it is missing, no date, or a date with a time.
        """
        value: date = self._typed(key, date)
        if isinstance(value, datetime):
            raise self.wrong(key, f"must be a date without a time, such as 2027-03-01, got {value}")
        return value

    def table(self, key: str) -> "StrictTable":
        """Return a required table.

        Parameters
        ----------
        key : str

        Returns
        -------
        StrictTable

        Raises
        ------
        StationError
            If it is missing or no table.
        """
        return StrictTable(self._typed(key, dict), self._file, self._text, (*self._path, key))

    def strings(self, key: str) -> tuple[str, ...]:
        """Return a required list of strings.

        Parameters
        ----------
        key : str

        Returns
        -------
        tuple of str

        Raises
        ------
        StationError
            If it is missing or anything else.
        """
        return tuple(str(self._checked(key, item, str)) for item in self._list(key))

    def positives(self, key: str) -> tuple[float, ...]:
        """Return a required list of numbers above zero.

        Parameters
        ----------
        key : str

        Returns
        -------
        tuple of float, unit as the key says

        Raises
        ------
        StationError
            If it is missing or anything else.
        """
        return tuple(self._positive(key, self._checked(key, item, float)) for item in self._list(key))

    def tables(self, key: str) -> tuple["StrictTable", ...]:
        """Return a required list of tables, ``[[key]]`` in the file.

        Parameters
        ----------
        key : str

        Returns
        -------
        tuple of StrictTable
            At least one.

        Raises
        ------
        StationError
            If it is missing, empty or anything else.
        """
        items = self._list(key)
        if not items:
            raise self.wrong(key, "must hold at least one table")
        return tuple(
            StrictTable(self._checked(key, item, dict), self._file, self._text, (*self._path, f"{key}[{number}]"))
            for number, item in enumerate(items, start=1)
        )

    def plain(self, key: str) -> str:
        """Return a required string, number or truth value as text.

        Parameters
        ----------
        key : str

        Returns
        -------
        str

        Raises
        ------
        StationError
            If it is missing or anything else.
        """
        self._asked.add(key)
        value = self._content.get(key)
        if not isinstance(value, str | int | float):
            raise self.wrong(key, f"must be text, a number or true or false, got {value!r}")
        return str(value).lower() if isinstance(value, bool) else str(value)

    def number(self, key: str) -> float:
        """Return a required finite number.

        Parameters
        ----------
        key : str

        Returns
        -------
        float, unit as the key says

        Raises
        ------
        StationError
            If it is missing or no finite number.
        """
        return float(self._typed(key, float))

    def finish(self) -> None:
        """Refuse every key that was not asked for.

        Raises
        ------
        StationError
            If there is one; the message lists the known keys.
        """
        for key in self._content:
            if key not in self._asked:
                raise self.wrong(key, f"unknown key; known here are {', '.join(sorted(self._asked))}")

    def _typed(self, key: str, kind: type) -> Any:
        self._asked.add(key)
        if key not in self._content:
            raise self.wrong(key, f"is missing; add {_NAMES[kind]}")
        return self._checked(key, self._content[key], kind)

    def _checked(self, key: str, value: Any, kind: type) -> Any:
        fits = isinstance(value, int | float) if kind is float else isinstance(value, kind)
        # TOML's inf and nan are floats, its true is an int for isinstance
        is_bool = isinstance(value, bool) and kind is not bool
        if not fits or is_bool or (kind is float and not isfinite(value)):
            raise self.wrong(key, f"must be {_NAMES[kind]}, got {value!r}")
        return value

    def _positive(self, key: str, value: float) -> float:
        if value <= 0.0:
            raise self.wrong(key, f"must be above 0, got {value!r}")
        return float(value)

    def _list(self, key: str) -> list[Any]:
        self._asked.add(key)
        value = self._content.get(key)
        if not isinstance(value, list):
            raise self.wrong(key, "must be a list" if key in self._content else "is missing; add a list")
        return value

    def _line_of(self, key: str) -> int:
        """Line of ``key`` in this table, else of the table's head, else of the inline table, else 0."""
        head = self._line_in(self._path, key)
        return head or (self._line_in(self._path[:-1], self._path[-1]) if self._path else 0)

    def _line_in(self, path: tuple[str, ...], key: str) -> int:
        own, head = ".".join(path), 0
        table = ""
        for number, line in enumerate(self._text.splitlines(), start=1):
            if found := re.match(r"\s*\[\s*([^\[\]]+?)\s*\]", line):
                table = re.sub(r"[\s\"']", "", found[1])
                if table == own:
                    head = number
                if table == ".".join((*path, key)):
                    return number
            elif table == own and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*[.=]", line):
                return number
        return head
