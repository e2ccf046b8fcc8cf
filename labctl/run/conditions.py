"""Conditions that hold a run: room on the disk, a time of day, a limit on what is measured.

Not here: how a run is held (:mod:`labctl.run.holds`).
"""

import contextlib
import operator
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, time
from pathlib import Path
from typing import Protocol

from labctl.store.columns import Cell, parse_columns
from labctl.units import format_quantity, parse_quantity

__all__ = ["Condition", "DiskSpace", "Limit", "TimeWindow"]

_FLOOR_BYTES = 64 * 1024 * 1024
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
_LIMIT = re.compile(r"(?P<name>[^<>=]*[^<>=\s])\s*(?P<sign><=|>=|<|>)\s*(?P<bound>[^<>=]+)")
_WINDOW = re.compile(r"(\d\d:\d\d)-(\d\d:\d\d)")


class Condition(Protocol):
    """What must hold for a run to go on."""

    def violation(self, values: Mapping[str, Cell]) -> str | None:
        """Say what is wrong, or None while the run may go on.

        Parameters
        ----------
        values : mapping of str to float, int, str or None
            The latest row by column label, and the procedure's monitors by name.

        Returns
        -------
        str or None
        """
        ...


class DiskSpace:
    """Room for the run file; a run that is held by it goes on as soon as there is room again.

    Parameters
    ----------
    folder : Path
        Where the run file lies. The floor is 64 MiB, on a small disk a quarter of what is free now.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._floor_bytes = min(_FLOOR_BYTES, shutil.disk_usage(folder).free // 4)

    def violation(self, values: Mapping[str, Cell]) -> str | None:
        """Say how little room there is; see :class:`Condition`."""
        free_bytes = shutil.disk_usage(self._folder).free
        if free_bytes >= self._floor_bytes:
            return None
        return f"disk: {self._folder} has {free_bytes} bytes free, needed are {self._floor_bytes}; make room"


class TimeWindow:
    """A time of day, on this computer's clock.

    Parameters
    ----------
    begin, end : datetime.time
        ``end`` is excluded; it may lie before ``begin``: 20:00 to 06:00 is a night.
    now : callable, optional
        Gives local time.
    """

    def __init__(self, begin: time, end: time, now: Callable[[], datetime] = datetime.now) -> None:
        self._begin, self._end = begin, end
        self._now = now

    @classmethod
    def parse(cls, text: str) -> "TimeWindow":
        """Read ``"20:00-06:00"``.

        Parameters
        ----------
        text : str

        Returns
        -------
        TimeWindow

        Raises
        ------
        ValueError
            If it is no time window, or an empty one.
        """
        begin = end = time()
        match = _WINDOW.fullmatch(text.strip())
        if match is not None:
            with contextlib.suppress(ValueError):
                begin, end = map(time.fromisoformat, match.groups())
        if begin == end:
            raise ValueError(f"a time window is like 20:00-06:00, two different times of day, got {text!r}")
        return cls(begin, end)

    def violation(self, values: Mapping[str, Cell]) -> str | None:
        """Say when the window opens; see :class:`Condition`."""
        now = self._now().time()
        inside = self._begin <= now < self._end
        if self._end < self._begin:
            inside = not self._end <= now < self._begin
        return None if inside else f"time: {now:%H:%M} is outside {self._begin:%H:%M}-{self._end:%H:%M}"


@dataclass(frozen=True, slots=True)
class Limit:
    """A bound of a data column or of a monitor.

    A row that breaks it holds the run until the operator continues it: nothing is measured meanwhile that could show
    another value. A monitor is looked at again and again.

    Attributes
    ----------
    name : str
        Column label such as ``"Current (A)"``, or the name of a monitor.
    sign : str
        One of <=, <, >=, >.
    bound : float, unit as the name says
    """

    name: str
    sign: str
    bound: float

    @classmethod
    def parse(cls, text: str) -> "Limit":
        """Read ``"Current (A) <= 1 uA"`` or ``"Current (A) <= 1e-6"``.

        Parameters
        ----------
        text : str

        Returns
        -------
        Limit

        Raises
        ------
        ValueError
            If it is no limit, or its bound is no number in the unit of its name.
        StoreError
            If the unit of its name is none.
        """
        match = _LIMIT.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"a limit is like 'Current (A) <= 1e-6', with one of {', '.join(_COMPARE)}, got {text!r}")
        (column,) = parse_columns([match["name"]])
        bound = parse_quantity(match["bound"], column.unit or "1")
        return cls(match["name"], match["sign"], bound)

    def violation(self, values: Mapping[str, Cell]) -> str | None:
        """Say which value breaks the limit; see :class:`Condition`. What has no value breaks none."""
        value = values.get(self.name)
        if not isinstance(value, (int, float)) or _COMPARE[self.sign](value, self.bound):
            return None
        (column,) = parse_columns([self.name])
        shown = [format_quantity(item, column.unit) if column.unit else f"{item:.6g}" for item in (value, self.bound)]
        return f"limit: {self.name} is {shown[0]}, allowed is {self.sign} {shown[1]}"
