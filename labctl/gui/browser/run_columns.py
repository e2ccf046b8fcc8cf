"""The columns of the run browser: headings, words, what they are sorted by. Not here: the table itself."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from labctl.store.run_entry import RunEntry

__all__ = ["COLUMNS", "RunColumn", "die_words", "kind_words", "local_time", "seconds_words"]

_MINUTE_S, _HOUR_S = 60.0, 3600.0


@dataclass(frozen=True, slots=True)
class RunColumn:
    """A column.

    Attributes
    ----------
    heading : str
    help : str
        Tooltip of the heading.
    words : callable
        What is shown of an entry.
    key : callable
        What it is sorted by; "" and None come last in rising order of nothing else.
    typical : str
        As wide as the column is made at first.
    is_number : bool
        Shown at the right.
    """

    heading: str
    help: str
    words: Callable[[RunEntry], str]
    key: Callable[[RunEntry], Any]
    typical: str
    is_number: bool = False


def local_time(utc: str) -> str:
    """Return a moment in the time zone of this computer.

    Parameters
    ----------
    utc : str
        ISO 8601.

    Returns
    -------
    str
        Such as ``"2026-01-31 14:30:05"``; what is no moment comes back as it is.
    """
    try:
        return datetime.fromisoformat(utc).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return utc


def seconds_words(seconds: float | None) -> str:
    """Return a length of time as a person says it.

    Parameters
    ----------
    seconds : float or None, unit s

    Returns
    -------
    str
    """
    if seconds is None:
        return ""
    if seconds < _MINUTE_S:
        return f"{seconds:.1f} s"
    if seconds < _HOUR_S:
        return f"{int(seconds // 60)} min {int(seconds % 60):02d} s"
    return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60):02d} min"


def kind_words(entry: RunEntry) -> str:
    """Say whether a run is simulated.

    Parameters
    ----------
    entry : RunEntry

    Returns
    -------
    str
        "simulated", "real", or nothing where it is not known.
    """
    return {True: "simulated", False: "real", None: ""}[entry.simulated]


def die_words(entry: RunEntry) -> str:
    """Name the die: the seed of a simulated one; of a real one the sample tells.

    Parameters
    ----------
    entry : RunEntry

    Returns
    -------
    str
    """
    return "" if entry.seed is None else f"seed {entry.seed}"


COLUMNS = (
    RunColumn(
        "Started",
        "Day and time, of this computer",
        lambda e: local_time(e.started_utc),
        lambda e: e.started_utc,
        "2026-01-31 14:30:05",
    ),
    RunColumn("Procedure", "What was done", lambda e: e.procedure, lambda e: e.procedure, "potentiate_depress"),
    RunColumn("Status", "How it ended", lambda e: e.status, lambda e: e.status, "newer version"),
    RunColumn("Bench", "Simulated, or a real rack", kind_words, kind_words, "simulated"),
    RunColumn("Sample", "Name of the sample", lambda e: e.sample, lambda e: e.sample.casefold(), "TiOx/Al2O3 crossbar"),
    RunColumn(
        "Die",
        "Seed of a simulated die; a real die is told by its sample",
        die_words,
        lambda e: -1 if e.seed is None else e.seed,
        "seed 1234",
    ),
    RunColumn("Cells", "Cells as they were asked for", lambda e: e.cells_text, lambda e: e.cells_text, "0:32,0:32"),
    RunColumn(
        "Points",
        "Rows in the run file",
        lambda e: "" if e.points is None else f"{e.points:,}",
        lambda e: -1 if e.points is None else e.points,
        "1,000,000",
        is_number=True,
    ),
    RunColumn(
        "Took",
        "Time on the wall",
        lambda e: seconds_words(e.wall_time_s),
        lambda e: -1.0 if e.wall_time_s is None else e.wall_time_s,
        "12 min 03 s",
        is_number=True,
    ),
    RunColumn("Tags", "Words of yours", lambda e: " ".join(e.tags), lambda e: e.tags, "good corner"),
    RunColumn(
        "Note",
        "What you wrote",
        lambda e: " ".join(e.note.split()),
        lambda e: e.note.casefold(),
        "needle lifted, see p. 12",
    ),
    RunColumn("Station", "Rack that it ran on", lambda e: e.station, lambda e: e.station, "tiox-32x32-1t1r"),
    RunColumn("Run", "Its id", lambda e: e.run_id, lambda e: e.run_id, "20260131-143005-read_array-1a2b"),
)
