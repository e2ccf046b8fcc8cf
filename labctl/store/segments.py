"""The segments of a run: each process that measured is one, and a later one goes on where the last one ended.

Not here: the points (:mod:`labctl.store.writer`); what the last segment did, for the engine
(:mod:`labctl.store.history`).
"""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from labctl.errors import StoreError
from labctl.store.process import ProcessMark, is_alive, this_process
from labctl.store.schema import insertion

__all__ = ["Beginning", "begin_again", "begin_segment", "refuse_to_resume", "utc_now"]


@dataclass(frozen=True, slots=True)
class Beginning:
    """What a segment of a run begins with.

    Attributes
    ----------
    segment : int
        Its number, from 1.
    wall_s, instrument_s : float or None, unit s
        Time of the run at its beginning.
    points : int
        Points that are in the file.
    rows : mapping of str to int
        The last number of the tables whose rows are numbered.
    last_intent : int
        The highest action that has an intent; -1 without one.
    dims : mapping of str to int
        Lengths of the dimensions of the arrays.
    arrays : frozenset of str
    clock_back_s : float, unit s
        By how much the clock of the computer went back since the last segment.
    """

    segment: int = 1
    wall_s: float = 0.0
    instrument_s: float | None = 0.0
    points: int = 0
    rows: Mapping[str, int] = field(default_factory=dict)
    last_intent: int = -1
    dims: Mapping[str, int] = field(default_factory=dict)
    arrays: frozenset[str] = frozenset()
    clock_back_s: float = 0.0


def utc_now() -> str:
    """Return the time of the computer as ISO 8601, UTC, with microseconds."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def begin_segment(connection: sqlite3.Connection, beginning: Beginning, utc: str) -> None:
    """Write a segment of this process.

    Parameters
    ----------
    connection : sqlite3.Connection
        Inside a transaction.
    beginning : Beginning
    utc : str
    """
    process = this_process()
    kind = "start" if beginning.segment == 1 else "resume"
    who: Sequence[object] = (process.host, process.pid, process.mark, process.boot_id)
    times = (beginning.wall_s, beginning.instrument_s)
    connection.execute(*insertion("segment", (beginning.segment, kind, utc, *who, *times)))


def begin_again(connection: sqlite3.Connection, utc: str, name: str) -> Beginning:
    """Find out where a run ended, and begin another segment there.

    Parameters
    ----------
    connection : sqlite3.Connection
        Inside a transaction that shuts out every other writer.
    utc : str
    name : str
        The run file, for messages.

    Returns
    -------
    Beginning

    Raises
    ------
    StoreError
        If the run finished or is still running.
    """
    segment, host, pid, mark, status = connection.execute(
        "SELECT seq, host, pid, process, status FROM segment LEFT JOIN seal ON seal.segment = seq ORDER BY seq DESC"
    ).fetchone()
    refuse_to_resume(name, {"host": host, "pid": pid, "process": mark, "status": status})
    last_utc, wall_s, instrument_s = connection.execute(
        "SELECT utc, max(wall_s), max(instrument_s) FROM (SELECT utc, wall_s, instrument_s FROM segment"
        " UNION ALL SELECT utc, wall_s, instrument_s FROM event UNION ALL SELECT utc, wall_s, instrument_s FROM intent"
        " UNION ALL SELECT utc, wall_s, instrument_s FROM progress"
        " UNION ALL SELECT ended_utc, wall_time_s, instrument_time_s FROM seal) GROUP BY 1 ORDER BY 2 DESC, 1 DESC"
    ).fetchone()
    away_s = (datetime.fromisoformat(utc) - datetime.fromisoformat(last_utc)).total_seconds()
    gap_s = max(0.0, away_s)
    dims: dict[str, int] = {}
    for names, shape in connection.execute("SELECT dims, shape FROM array").fetchall():
        dims.update(zip(json.loads(names), json.loads(shape), strict=True))
    (last_intent,) = connection.execute("SELECT coalesce(max(action), -1) FROM intent").fetchone()
    rows = {table: _last(connection, table) for table in ("event", "progress", "intent", "point")}
    beginning = Beginning(
        segment=segment + 1,
        wall_s=wall_s + gap_s,
        instrument_s=None if instrument_s is None else instrument_s + gap_s,
        points=rows["point"],
        rows=rows,
        last_intent=last_intent,
        dims=dims,
        arrays=frozenset(name for (name,) in connection.execute("SELECT name FROM array")),
        clock_back_s=max(0.0, -away_s),
    )
    begin_segment(connection, beginning, utc)
    return beginning


def refuse_to_resume(name: str, last: Mapping[str, Any]) -> None:
    """Check that a run may have another segment.

    Parameters
    ----------
    name : str
        The run file, for messages.
    last : mapping of str to object
        Its last segment: ``host``, ``pid``, ``process`` and ``status``.

    Raises
    ------
    StoreError
        If the run finished or is still running.
    """
    if last["status"] == "finished":
        raise StoreError(f"{name}: the run finished; there is nothing to resume, start a new one")
    if last["status"] is None and is_alive(ProcessMark(last["host"], last["pid"], last["process"])):
        raise StoreError(
            f"{name}: the run is still running in process {last['pid']} on {last['host']}; end it before it is resumed"
        )


def _last(connection: sqlite3.Connection, table: str) -> int:
    (last,) = connection.execute(f"SELECT coalesce(max(seq), 0) FROM {table}").fetchone()  # noqa: S608 - our names
    return int(last)
