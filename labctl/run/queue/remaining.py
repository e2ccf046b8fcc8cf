"""How long a run and a queue still take: from the marks of progress in the run file, before that from estimates.

An estimate is time of the rack, which a simulated rack spends faster than the wall does: what runs on the same station
have taken on the wall corrects it. Not here: the estimates themselves (:mod:`labctl.run.dry_run`).
"""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from labctl.run.queue.items import ENDED_BADLY, ItemState, QueueItem
from labctl.store.connection import connect_to_read

__all__ = ["QueueProgress", "RunProgressMark", "progress_of_queue", "progress_of_run"]

# the pace of shorter runs is that of opening and closing the rack
_LEAST_TAKEN_S = 10.0
# marks come about once a second; while they do not, the run waits and its end moves away
_MOST_AGE_S = 3.0


@dataclass(frozen=True, slots=True)
class RunProgressMark:
    """How far a run is.

    Attributes
    ----------
    percent : float, unit %
    remaining_s : float or None, unit s
        Wall time from now; None while too little is done to tell.
    """

    percent: float
    remaining_s: float | None


@dataclass(frozen=True, slots=True)
class QueueProgress:
    """How far a queue is.

    Attributes
    ----------
    done, total : int, unit 1
        Runs that are over, and all; a repeated item counts as often as it is to be run.
    remaining_s : float, unit s
        Wall time of what is known.
    unknown : int, unit 1
        Runs of which nobody knows how long they take; not in ``remaining_s``.
    items_s : dict of int to float, unit s
        Wall time that each item still takes, by id, where it is known.
    """

    done: int
    total: int
    remaining_s: float
    unknown: int
    items_s: dict[int, float]


def progress_of_run(path: Path) -> RunProgressMark | None:
    """Read how far a run is; quick, whatever its size.

    Parameters
    ----------
    path : Path
        The run file.

    Returns
    -------
    RunProgressMark or None
        None where it says nothing about it, or cannot be read.
    """
    try:
        connection = connect_to_read(path.absolute())
    except sqlite3.Error:
        return None
    try:
        last = connection.execute(
            "SELECT utc, wall_s, percent FROM progress WHERE percent IS NOT NULL ORDER BY seq DESC LIMIT 1"
        ).fetchone()
        if last is None:
            return None
        # a resumed run recalls what it had done before: that says nothing about its pace
        (begun_s,) = connection.execute("SELECT wall_s FROM segment ORDER BY seq DESC LIMIT 1").fetchone()
        before = connection.execute(
            "SELECT percent FROM progress WHERE wall_s <= ? AND percent IS NOT NULL ORDER BY seq DESC LIMIT 1",
            [begun_s],
        ).fetchone()
    except sqlite3.Error:
        return None
    finally:
        connection.close()
    utc, wall_s, percent = last
    gained = percent - (0.0 if before is None else before[0])
    if gained <= 0.0 or wall_s <= begun_s:
        return RunProgressMark(percent, 0.0 if percent >= 100.0 else None)
    age_s = (datetime.now(UTC) - datetime.fromisoformat(utc)).total_seconds()
    whole_s = (wall_s - begun_s) * (100.0 - percent) / gained
    return RunProgressMark(percent, max(0.0, whole_s - min(max(0.0, age_s), _MOST_AGE_S)))


def progress_of_queue(items: Sequence[QueueItem], running: RunProgressMark | None) -> QueueProgress:
    """Add up how far a queue is.

    Parameters
    ----------
    items : sequence of QueueItem
    running : RunProgressMark or None
        Of the run that is under way.

    Returns
    -------
    QueueProgress
    """
    paces = {station: _pace(items, station) for station in {item.station for item in items}}
    done, unknown = 0, 0
    items_s: dict[int, float] = {}
    for item in items:
        if item.state is ItemState.FINISHED or item.state in ENDED_BADLY:
            done += item.repeat
            continue
        done += item.done
        left = item.repeat - item.done
        each_s = _one_run_s(item, paces[item.station])
        now_s = 0.0
        if item.state is ItemState.RUNNING and running is not None and running.remaining_s is not None:
            left -= 1
            now_s = running.remaining_s
        if each_s is None and left:
            unknown += left
        if each_s is not None or not left:
            items_s[item.id] = now_s + left * (each_s or 0.0)
        elif now_s:
            items_s[item.id] = now_s
    return QueueProgress(done, sum(item.repeat for item in items), sum(items_s.values()), unknown, items_s)


def _one_run_s(item: QueueItem, pace: float) -> float | None:
    """Return the wall time of one repetition: as it was, else as it was estimated."""
    taken_s = list(_taken_s(item))
    if taken_s:
        return sum(taken_s) / len(taken_s)
    return None if item.estimate_s is None else pace * item.estimate_s


def _pace(items: Iterable[QueueItem], station: str) -> float:
    """Return wall time for each second of the rack on a station, unit 1; 1 where nothing long has finished."""
    pairs = [
        (wall_s, item.estimate_s)
        for item in items
        if item.station == station and item.estimate_s
        for wall_s in _taken_s(item)
        if wall_s >= _LEAST_TAKEN_S
    ]
    rack_s = sum(estimate_s for _, estimate_s in pairs)
    return sum(wall_s for wall_s, _ in pairs) / rack_s if rack_s else 1.0


def _taken_s(item: QueueItem) -> Iterable[float]:
    return (
        attempt.wall_time_s
        for attempt in item.attempts
        if attempt.status == ItemState.FINISHED and attempt.wall_time_s is not None
    )
