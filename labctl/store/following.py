"""Following a run file while it grows: what is new since the last look, in small pieces, and single pages of it.

The same code reads a run that ended long ago. Not here: whole tables (:mod:`labctl.store.reader`), who looks how often
(:mod:`labctl.gui`).
"""

import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labctl.errors import StoreError
from labctl.store.columns import Column
from labctl.store.connection import connect_to_read, unreadable
from labctl.store.fetch import gather
from labctl.store.process import ProcessMark, is_alive
from labctl.store.reader import Run
from labctl.store.seal import ENDED
from labctl.store.spool import root_of, spool_of

__all__ = ["EventRow", "Increment", "Page", "ProgressMark", "RunFollower"]

_LOOK_PERIOD_S = 1.0
# a look at a file that its writer has for himself is over soon: the next one comes
_PATIENCE_S = 0.005
_MOST_EVENTS = 500
_SEGMENTED = 2  # the first schema with segments
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL}


@dataclass(frozen=True, slots=True)
class EventRow:
    """One event of a run.

    Attributes
    ----------
    utc : str
    wall_s : float, unit s
        Since the start of the run.
    instrument_s : float or None, unit s
        The same by the clock of the rack.
    points : int
        Taken by then.
    kind : str
        Such as ``"warning"`` or ``"error"``.
    message : str
    """

    utc: str
    wall_s: float
    instrument_s: float | None
    points: int
    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class ProgressMark:
    """How far a run was.

    Attributes
    ----------
    wall_s : float, unit s
        Since the start of the run.
    instrument_s : float or None, unit s
        The same by the clock of the rack.
    points : int
        Taken by then.
    percent : float or None, unit %
    """

    wall_s: float
    instrument_s: float | None
    points: int
    percent: float | None


@dataclass(frozen=True, slots=True)
class Page:
    """Some consecutive points.

    Attributes
    ----------
    seqs : ndarray, shape (points,)
        Their numbers, from 1; only a recovered run has gaps.
    columns : dict of str to ndarray, shape (points,)
        By label. With a unit: float64 (no value: NaN), unit as the label says; else int64 or float64 where all values
        of this page are, else object (no value: None).
    is_held : bool
        Whether there are no points because somebody had the file for himself just then: ask again.
    """

    seqs: NDArray[np.int64]
    columns: dict[str, NDArray[Any]]
    is_held: bool = False


@dataclass(frozen=True, slots=True)
class Increment:
    """What is new in a run file since the last look, all of one moment.

    Attributes
    ----------
    first_seq : int
        Number of the first new point, from 1; without new points that of the next one.
    count : int
        New points in this increment.
    seqs : ndarray, shape (count,)
        Their numbers; only a recovered run has gaps.
    columns : dict of str to ndarray, shape (count,)
        As in :class:`Page`.
    events : tuple of EventRow
        New events, oldest first.
    progress : ProgressMark or None
        The last mark, new or not; None before the first.
    arrays : tuple of str
        Names of new arrays.
    status : str
        running, finished, failed, aborted or interrupted.
    last_seq : int
        Number of the last point in the file, 0 without points; while it is above those taken, there is more to take.
    points_total : int
        Points in the file; less than ``last_seq`` only in a recovered run.
    """

    first_seq: int
    count: int
    seqs: NDArray[np.int64]
    columns: dict[str, NDArray[Any]]
    events: tuple[EventRow, ...]
    progress: ProgressMark | None
    arrays: tuple[str, ...]
    status: str
    last_seq: int
    points_total: int


class RunFollower:
    """One run file, read piece by piece from its beginning to where it grows. For use by one thread.

    A run that is resumed goes on where it ended. A run that grows in the spool is followed to its data root when it is
    delivered there, and back when it is resumed.

    Parameters
    ----------
    path : Path
        The run file.

    Attributes
    ----------
    path : Path
        Where the file lies now.
    run_id : str
    header : dict
        What is known of the run since its start.
    columns : tuple of Column
    parameter_texts : Mapping of str to str
        Values of the parameters by name, as people write them.

    Raises
    ------
    StoreError
        If there is no such file, it is damaged, or it is no run file of this version of labctl.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._root = root_of(self.path)
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._move()
        run = Run(self.path)
        self.run_id, self.header, self.columns = run.run_id, run.header, run.columns
        self.parameter_texts = run.parameter_texts
        self._schema = run.schema
        self._taken = self._event = self._array = 0
        self._status = ""
        self._is_alive = False
        self._looked_s = -float("inf")
        self._recovered = "recovered_from" in self.header
        self._recovered_points: int | None = None
        self._last: Increment | None = None

    def take(self, most_rows: int) -> Increment:
        """Read what is new.

        Parameters
        ----------
        most_rows : int
            At most so many points, so that it takes no longer than the caller can wait.

        Returns
        -------
        Increment

        Raises
        ------
        StoreError
            If the file is damaged or gone.
        """
        now_s = time.monotonic()
        look = now_s - self._looked_s >= _LOOK_PERIOD_S
        if look or not self.path.exists():
            self._looked_s = now_s
            self._move()
        try:
            with self._reading() as connection:
                found = self._increment(connection, most_rows, look)
        except sqlite3.OperationalError:
            # whoever ends or resumes the run has it for himself for a moment
            return self._nothing_new()
        if found.count:
            self._taken = int(found.seqs[-1])
        self._status = found.status
        self._last = found
        if found.status not in ENDED and self._is_alive and self._taken >= found.last_seq:
            # a connection would keep the writer from ending its log, and on Windows from moving the file
            self._let_go()
        return found

    def page(self, first_seq: int, count: int, labels: Sequence[str] | None = None) -> Page:
        """Read some points, by their numbers; those taken or not make no difference.

        Parameters
        ----------
        first_seq : int
            Number of the first, from 1.
        count : int
        labels : sequence of str, optional
            The columns that are wanted; else all.

        Returns
        -------
        Page
            What there is of them; nothing where the file is held by somebody just now.

        Raises
        ------
        StoreError
            If the file is damaged or gone, or it has no such column.
        """
        chosen = self.columns
        if labels is not None:
            by_name = {column.name: column for column in self.columns}
            unknown = [label for label in labels if label not in by_name]
            if unknown:
                raise StoreError(f"{self.path}: has no column {unknown[0]!r}; it has: {', '.join(by_name) or 'none'}")
            chosen = tuple(by_name[label] for label in labels)
        if not self.path.exists():
            self._move()
        was_open = self._connection is not None
        try:
            with self._reading() as connection:
                where = "seq >= ? AND seq < ? ORDER BY seq"
                return _points(connection, chosen, where, (first_seq, first_seq + count))
        except sqlite3.OperationalError:
            return Page(np.empty(0, dtype=np.int64), {column.name: np.empty(0) for column in chosen}, is_held=True)
        finally:
            if self._is_alive and not was_open:
                self._let_go()

    def close(self) -> None:
        """Let go of the file; a later :meth:`take` or :meth:`page` opens it again."""
        self._let_go()

    def _increment(self, connection: sqlite3.Connection, most_rows: int, look: bool) -> Increment:
        status = self._find_status(connection, look)
        (last_seq,) = connection.execute("SELECT coalesce(max(seq), 0) FROM point").fetchone()
        where = "seq > ? ORDER BY seq LIMIT ?"
        page = _points(connection, self.columns, where, (self._taken, most_rows))
        events = connection.execute(
            "SELECT seq, utc, wall_s, instrument_s, points, kind, message FROM event"
            " WHERE seq > ? ORDER BY seq LIMIT ?",
            (self._event, _MOST_EVENTS),
        ).fetchall()
        mark = connection.execute(
            "SELECT wall_s, instrument_s, points, percent FROM progress ORDER BY seq DESC LIMIT 1"
        ).fetchone()
        arrays = connection.execute(
            "SELECT rowid, name FROM array WHERE rowid > ? ORDER BY rowid", (self._array,)
        ).fetchall()
        if self._recovered and self._recovered_points is None:
            (self._recovered_points,) = connection.execute("SELECT count(*) FROM point").fetchone()
        self._event = events[-1][0] if events else self._event
        self._array = arrays[-1][0] if arrays else self._array
        return Increment(
            first_seq=int(page.seqs[0]) if len(page.seqs) else self._taken + 1,
            count=len(page.seqs),
            seqs=page.seqs,
            columns=page.columns,
            events=tuple(EventRow(*row) for _, *row in events),
            progress=ProgressMark(*mark) if mark else None,
            arrays=tuple(name for _, name in arrays),
            status=status,
            last_seq=last_seq,
            points_total=last_seq if self._recovered_points is None else self._recovered_points,
        )

    def _find_status(self, connection: sqlite3.Connection, look: bool) -> str:
        if self._schema >= _SEGMENTED:
            last = connection.execute(
                "SELECT seal.status, segment.host, segment.pid, segment.process FROM segment"
                " LEFT JOIN seal ON seal.segment = segment.seq ORDER BY segment.seq DESC LIMIT 1"
            ).fetchone()
        else:
            last = connection.execute(
                "SELECT (SELECT status FROM seal), host, pid, process FROM segment ORDER BY seq DESC LIMIT 1"
            ).fetchone()
        if last is None:
            raise StoreError(f"{self.path}: is damaged: it does not say which process made it")
        sealed, *process = last
        if sealed is not None:
            self._is_alive = False
            return str(sealed)
        # nobody measures into a recovered file, though whoever measured may still live
        if self._recovered:
            return "interrupted"
        # a run that was resumed just now has a new process
        if look or self._status != "running":
            self._is_alive = is_alive(ProcessMark(*process))
        return "running" if self._is_alive else "interrupted"

    def _nothing_new(self) -> Increment:
        last = self._last
        empty: dict[str, NDArray[Any]] = {column.name: np.empty(0) for column in self.columns}
        return Increment(
            first_seq=self._taken + 1,
            count=0,
            seqs=np.empty(0, dtype=np.int64),
            columns=empty,
            events=(),
            progress=last.progress if last else None,
            arrays=(),
            status=last.status if last else "running",
            last_seq=last.last_seq if last else 0,
            points_total=last.points_total if last else 0,
        )

    def _move(self) -> None:
        """Go to where the file lies now: as in listing runs, that in the spool is the newer one."""
        spooled = spool_of(self._root) / self.path.name
        for place in (spooled, self._root / self.path.name):
            try:
                status = place.stat()
            except OSError:
                continue
            if place != self.path or (self._file is not None and self._file != (status.st_dev, status.st_ino)):
                self._let_go()
                self.path = place
            return

    def _connect(self) -> sqlite3.Connection:
        if not self.path.is_file():
            raise StoreError(
                f"{self.path}: the run file is gone: it was moved or deleted, or its drive is away; "
                "bring it back, or open it where it lies now"
            )
        self._connection = connect_to_read(self.path, _PATIENCE_S)
        status = os.stat(self.path)
        self._file = (status.st_dev, status.st_ino)
        return self._connection

    def _let_go(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """Show the file as it is at one moment; OperationalError only where it is held by its writer."""
        try:
            connection = self._connection or self._connect()
            connection.execute("BEGIN")
            yield connection
            connection.execute("COMMIT")
        except (sqlite3.Error, ValueError, OverflowError, OSError) as error:
            self._let_go()
            if isinstance(error, sqlite3.OperationalError) and getattr(error, "sqlite_errorcode", 0) & 0xFF in _BUSY:
                raise
            raise unreadable(self.path, error) from error
        except BaseException:
            self._let_go()
            raise


def _points(connection: sqlite3.Connection, columns: Sequence[Column], where: str, values: tuple[int, int]) -> Page:
    # "point." because SQLite takes an unknown name in quotes for a text
    names = ", ".join(["point.seq", *(f"point.{column.quoted}" for column in columns)])
    cursor = connection.execute(f"SELECT {names} FROM point WHERE {where}", values)  # noqa: S608 - quoted labels
    seqs, *cells = gather(cursor, (Column("seq", None), *columns))
    return Page(
        np.asarray(seqs, dtype=np.int64), {column.name: item for column, item in zip(columns, cells, strict=True)}
    )
