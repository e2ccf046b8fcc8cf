"""Group commit: points wait in memory until they are committed together, and count only then.

A point is committed at once when points come slower than 50 a second; else with its neighbours, after at most 500
points or 100 ms. Groups are inserted by the caller and committed by a small thread, so that the caller does not wait
for the disk; the thread also commits what is left when the caller pauses, so that the promise of 100 ms holds while an
instrument takes its time. Not here: what is written (:mod:`labctl.store.writer`).
"""

import contextlib
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from labctl.errors import StoreError
from labctl.store.columns import Cell

__all__ = ["GroupCommit", "connect"]

_SLOW_INTERVAL_S = 1 / 50
_GROUP_ROWS = 250  # one group in commit and one being filled: never more than 500 rows without a commit
_GROUP_AGE_S = 0.075  # with the thread's period this keeps every point younger than 100 ms at its commit
_THREAD_PERIOD_S = 0.025
_MARK_PERIOD_S = 1.0


def connect(path: Path) -> sqlite3.Connection:
    """Open a run file for writing, durable at each commit.

    Parameters
    ----------
    path : Path
        An existing file; it may be empty.

    Returns
    -------
    sqlite3.Connection
        In autocommit mode, for use by one thread at a time.
    """
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5.0)
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "journal_size_limit = 67108864"):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    return connection


class GroupCommit:
    """The one writer of a run file's tables.

    Parameters
    ----------
    connection : sqlite3.Connection
        From :func:`connect`; it belongs to this object until :meth:`stop`.
    path : Path
        The run file, with its tables.
    insert_point : str
        The statement that inserts one point; SQLite numbers it.
    mark : callable
        Gives a statement and its values for the ``progress`` table; called at commits, about once a second.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: Path,
        insert_point: str,
        mark: Callable[[int], tuple[str, Sequence[Cell]]],
    ) -> None:
        self._connection = connection
        self._path = path
        self._insert_point = insert_point
        self._mark = mark
        self._lock = threading.Condition()
        # points committed and points waiting: one attribute, so that no interrupt can part them
        self._state: tuple[int, list[list[Cell]]] = (0, [])
        # of those that wait, how many the thread is committing just now: the connection is its own then
        self._sent = 0
        self._oldest_s = self._last_point_s = self._last_mark_s = -float("inf")
        self._unsure = False
        self.failure: str | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="labctl group commit", daemon=True)
        self._thread.start()

    @property
    def acknowledged(self) -> int:
        """Points that are committed."""
        return self._state[0]

    @property
    def count(self) -> int:
        """Points taken so far, committed or not."""
        acknowledged, pending = self._state
        return acknowledged + len(pending)

    def add(self, rows: Sequence[list[Cell]]) -> None:
        """Take points; commit them now or soon.

        Parameters
        ----------
        rows : sequence of list
            One value per data column.

        Raises
        ------
        StoreError
            If a commit failed, now or before.
        """
        with self._lock:
            if self.failure is not None:
                raise StoreError(self.failure)
            now_s = time.monotonic()
            pending = self._state[1]
            if not pending:
                self._oldest_s = now_s
            pending.extend(rows)
            slow = now_s - self._last_point_s >= _SLOW_INTERVAL_S
            self._last_point_s = now_s
            if slow:
                self.commit()
            elif len(pending) - self._sent >= _GROUP_ROWS or now_s - self._oldest_s >= _GROUP_AGE_S:
                self._send()

    def commit(self, *statements: tuple[str, Sequence[object]]) -> None:
        """Commit the waiting points and these statements in one transaction.

        Parameters
        ----------
        *statements : tuple of str and sequence
            SQL and its values.

        Raises
        ------
        StoreError
            If the file cannot be written; the waiting points stay in memory.
        """
        with self._lock:
            self._settle()
            try:
                if self._insert(statements):
                    self._connection.execute("COMMIT")
                    self._committed(len(self._state[1]))
            except (sqlite3.Error, OSError) as error:
                self._fail(error)
                raise StoreError(self.failure) from error

    def _send(self) -> None:
        """Insert the waiting points and leave their commit to the thread."""
        self._settle()
        try:
            self._insert(())
        except (sqlite3.Error, OSError) as error:
            self._fail(error)
            raise StoreError(self.failure) from error
        self._sent = len(self._state[1])
        self._oldest_s = time.monotonic()
        self._lock.notify_all()

    def _settle(self) -> None:
        """Wait until the thread has given the connection back."""
        self._lock.wait_for(lambda: not self._sent)
        if self.failure is not None:
            raise StoreError(self.failure)

    def _insert(self, statements: Sequence[tuple[str, Sequence[object]]]) -> bool:
        """Begin a transaction with the waiting points and these statements, if there are any."""
        connection = self._connection
        # a KeyboardInterrupt may have cut the last call anywhere: the file knows what was committed
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        if self._unsure:
            (stored,) = connection.execute("SELECT coalesce(max(seq), 0) FROM point").fetchone()
            self._state = (stored, self._state[1][stored - self._state[0] :])
        acknowledged, pending = self._state
        if not pending and not statements:
            return False
        self._unsure = True
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(self._insert_point, pending)
        now_s = time.monotonic()
        if pending and now_s - self._last_mark_s >= _MARK_PERIOD_S:
            connection.execute(*self._mark(acknowledged + len(pending)))
            self._last_mark_s = now_s
        for sql, values in statements:
            connection.execute(sql, values)
        return True

    def _committed(self, points: int) -> None:
        acknowledged, pending = self._state
        self._state = (acknowledged + points, pending[points:])
        self._unsure = False

    def _fail(self, error: Exception) -> None:
        with contextlib.suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        try:
            free = f"{shutil.disk_usage(self._path.parent).free} bytes free"
        except OSError as cause:
            free = f"free space unknown: {cause}"
        self.failure = (
            f"{self._path}: the run file cannot be written: {error} ({free}); {self.acknowledged} points are stored,"
            f" {self.count - self.acknowledged} are not; make room on this disk or choose another data root"
        )

    def _serve(self) -> None:
        while not self._closing.is_set():
            with self._lock:
                self._lock.wait_for(lambda: self._sent or self._closing.is_set(), _THREAD_PERIOD_S)
                old = time.monotonic() - self._oldest_s >= _GROUP_AGE_S
                if self.failure is None and not self._sent and self._state[1] and old:
                    # the failure is kept and raised at the caller's next call
                    with contextlib.suppress(StoreError):
                        self.commit()
            if self._sent:
                self._commit_sent()

    def _commit_sent(self) -> None:
        try:
            # without the lock: new points may queue up while the disk is busy
            self._connection.execute("COMMIT")
        except (sqlite3.Error, OSError) as error:
            with self._lock:
                self._fail(error)
        with self._lock:
            if self.failure is None:
                self._committed(self._sent)
            self._sent = 0
            self._lock.notify_all()

    def recover(self, make_room: Callable[[], None]) -> None:
        """After a failure: open the file anew, see what is in it, and commit what still waits, if it will go in.

        After a failed sync the state of the old connection cannot be trusted.

        Parameters
        ----------
        make_room : callable
            Called between closing and opening: closing may already fill the room.

        Raises
        ------
        StoreError
            If nothing at all can be written.
        """
        with self._lock:
            self._lock.wait_for(lambda: not self._sent)
            try:
                self._connection.close()
                make_room()
                self._connection = connect(self._path)
                # a checkpoint would use up the room: it copies the whole log
                self._connection.execute("PRAGMA wal_autocheckpoint = 0").fetchall()
            except (sqlite3.Error, OSError) as error:
                self._fail(error)
                raise StoreError(self.failure) from error
            self._unsure = True
            if self._can_write():
                return
            # the waiting points are lost, as the first message says; there may still be room for a seal
            self._state = (self.acknowledged, [])
            if self._can_write():
                return
            with contextlib.suppress(sqlite3.Error):
                # a limit on the size of one file, unlike a full disk, lets the log start afresh
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            if not self._can_write():
                raise StoreError(self.failure)

    def _can_write(self) -> bool:
        self.failure = None
        with contextlib.suppress(StoreError):
            self.commit(self._mark(self.count))
        return self.failure is None

    def stop(self) -> sqlite3.Connection:
        """End the thread and hand the connection over.

        Returns
        -------
        sqlite3.Connection
            To be closed by the caller.
        """
        with self._lock:
            self._lock.wait_for(lambda: not self._sent)
            self._closing.set()
            self._lock.notify_all()
        self._thread.join()
        return self._connection
