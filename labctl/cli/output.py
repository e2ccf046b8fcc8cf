"""How the command line writes: tables, JSON, complaints and progress."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from labctl.cli.announcing import write_announcement

__all__ = ["RunProgress", "complain", "duration", "print_json", "print_table"]


def complain(message: str) -> None:
    """Write one line to standard error.

    Parameters
    ----------
    message : str
        What is wrong and what to do.
    """
    sys.stderr.write(f"labctl: {message}\n")


def print_json(value: Any) -> None:
    """Write a value as JSON.

    Parameters
    ----------
    value : object
        Anything that JSON knows; a path or a date becomes text.
    """
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[object]], *, title: str = "", whole: Sequence[str] = ()
) -> None:
    """Write a table.

    Parameters
    ----------
    columns : sequence of str
        Headings.
    rows : sequence of sequences
        One cell per column; None is left empty.
    title : str
        Line above the table.
    whole : sequence of str
        Columns that are never broken, such as names to copy.
    """
    table = Table(
        show_header=any(columns),
        title=Text(title, style="bold") if title else None,
        title_justify="left",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column in whole)
    for row in rows:
        # Text, because a cell may hold brackets that Rich would take for markup
        table.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
    Console().print(table)


def duration(seconds: float) -> str:
    """Return a length of time as a person says it.

    Parameters
    ----------
    seconds : float, unit s
        Not negative.

    Returns
    -------
    str
        Such as ``"42.0 s"``, ``"12 min 03 s"`` or ``"3 h 05 min"``.
    """
    if seconds < 60.0:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


_SHOWN = frozenset({"warning", "error", "hold", "release", "in_doubt", "unconfirmed", "guardian", "instrument"})


class RunProgress:
    """A run's observer that draws a bar with remaining time, wall time and instrument time.

    Parameters
    ----------
    label : str
        What stands before the bar.
    visible : bool
        False draws nothing.
    announce : Path, optional
        Is told which file the run makes.
    """

    def __init__(self, label: str, *, visible: bool, announce: Path | None = None) -> None:
        self._announce = announce
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.percentage:5.1f} %"),
            TextColumn("wall"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("instrument {task.fields[instrument]}"),
            console=Console(stderr=True),
            disable=not visible,
            expand=True,
        )
        self._task = self._progress.add_task(label, total=100.0, instrument="0.0 s")

    def __enter__(self) -> "RunProgress":
        """Be ready to draw; the bar appears once the run has begun."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop drawing."""
        self._progress.stop()

    def started(self, run_id: str, path: Path) -> None:
        """Announce the run, and begin to draw."""
        if self._announce is not None:
            write_announcement(self._announce, run_id, path)
        self._progress.start()

    def progress(self, percent: float, wall_s: float, instrument_s: float) -> None:
        """Move the bar.

        Parameters
        ----------
        percent : float, unit %
            Part of the work that is done.
        wall_s, instrument_s : float, unit s
            Time that passed on the wall and on the rack.
        """
        self._progress.update(self._task, completed=percent, instrument=duration(instrument_s))

    def event(self, kind: str, message: str) -> None:
        """Print above the bar what its operator should know at once."""
        if kind in _SHOWN:
            self._progress.console.print(f"{kind}: {message}", markup=False)

    def finished(self, status: str) -> None:
        """Fill the bar of a run that finished."""
        if status == "finished":
            self._progress.update(self._task, completed=100.0)
