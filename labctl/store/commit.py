"""Group commit: points wait in memory until they are committed together, and count only then.

A point is committed at once when points come slower than 50 a second; else with its neighbours, after at most 500
points or 100 ms. Groups are inserted by the caller and committed by a small thread, so that the caller does not wait
for the disk; the thread also commits what is left when the caller pauses, so that the promise of 100 ms holds while an
instrument takes its time. What was committed without waiting for the disk (:meth:`GroupCommit.commit` with
``durable=False``) survives the end of the process; it counts when the thread has synchronised the log.
Not here: what is written (:mod:`labctl.store.writer`), the connection (:mod:`labctl.store.connection`).
"""

import contextlib
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from labctl.errors import StoreError
from labctl.store.checksum import RowChecksum
from labctl.store.columns import Cell
from labctl.store.connection import connect, open_log

__all__ = ["GroupCommit"]

_SLOW_INTERVAL_S = 1 / 50
_GROUP_ROWS = 250  # one group in commit and one being filled: never more than 500 rows without a commit
_GROUP_AGE_S = 0.075  # with the thread's period this keeps every point younger than 100 ms at its commit
_THREAD_PERIOD_S = 0.025
_MARK_PERIOD_S = 1.0


class GroupCommit:
    """The one writer of a run file's tables.

    Parameters
    ----------
    connection : sqlite3.Connection
        From :func:`labctl.store.connection.connect`; it belongs to this object until :meth:`stop`.
    path : Path
        The run file, with its tables.
    insert_point : str
        The statement that inserts one point.
    mark : callable
        Gives a statement and its values for the ``progress`` table; called at commits, about once a second.
    stored : int
        Points that are in the file already.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: Path,
        insert_point: str,
        mark: Callable[[int], tuple[str, Sequence[object]]],
        stored: int = 0,
    ) -> None:
        self._connection = connection
        self._log = open_log(path)
        self._log_lock = threading.Lock()
        self._path = path
        self._insert_point = insert_point
        self._mark = mark
        self._checksum = RowChecksum("point").of
        self._lock = threading.Condition()
        # points in the file and points waiting: one attribute, so that no interrupt can part them
        self._state: tuple[int, list[list[Cell]]] = (stored, [])
        # points that are in the file and synchronised with the disk
        self._synchronised = stored
        # of those that wait, how many the thread is committing just now: the connection is its own then
        self._sent = 0
        self._is_durable = True
        self._oldest_s = self._last_point_s = self._last_mark_s = -float("inf")
        self._unsure = False
        self.failure: str | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="labctl group commit", daemon=True)
        self._thread.start()

    @property
    def acknowledged(self) -> int:
        """Points that are committed and on the disk."""
        return self._synchronised

    @property
    def count(self) -> int:
        """Points taken so far, committed or not."""
        stored, pending = self._state
        return stored + len(pending)

    def add(self, rows: Sequence[Sequence[Cell]], action: int | None) -> None:
        """Take points; commit them now or soon, all in one transaction.

        Parameters
        ----------
        rows : sequence of sequences
            One value per data column.
        action : int or None
            The unit of work that they came from.

        Raises
        ------
        StoreError
            If a commit failed, now or before.
        """
        with self._lock:
            if self.failure is not None:
                raise StoreError(self.failure)
            now_s = time.monotonic()
            stored, pending = self._state
            if not pending:
                self._oldest_s = now_s
            first = stored + len(pending) + 1
            pending.extend([self._whole(first + place, row, action) for place, row in enumerate(rows)])
            slow = now_s - self._last_point_s >= _SLOW_INTERVAL_S
            self._last_point_s = now_s
            if slow:
                self.commit()
            elif len(pending) - self._sent >= _GROUP_ROWS or now_s - self._oldest_s >= _GROUP_AGE_S:
                self._send()

    def commit(self, *statements: tuple[str, Sequence[object]], durable: bool = True) -> None:
        """Commit the waiting points and these statements in one transaction.

        Parameters
        ----------
        *statements : tuple of str and sequence
            SQL and its values.
        durable : bool
            False leaves it to the thread to wait for the disk.

        Raises
        ------
        StoreError
            If the file cannot be written; the waiting points stay in memory.
        """
        with self._lock:
            self._settle()
            try:
                if self._insert(statements, durable):
                    self._connection.execute("COMMIT")
                    self._committed(len(self._state[1]), durable)
                elif durable:
                    self._synchronise()
            except (sqlite3.Error, OSError) as error:
                self._fail(error)
                raise StoreError(self.failure) from error

    def _whole(self, seq: int, values: Sequence[Cell], action: int | None) -> list[Cell]:
        row = [seq, *values, action]
        row.append(self._checksum(row))
        return row

    def _send(self) -> None:
        """Insert the waiting points and leave their commit to the thread."""
        self._settle()
        try:
            self._insert((), durable=True)
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

    def _insert(self, statements: Sequence[tuple[str, Sequence[object]]], durable: bool) -> bool:
        """Begin a transaction with the waiting points and these statements, if there are any."""
        connection = self._connection
        # a KeyboardInterrupt may have cut the last call anywhere: the file knows what was committed
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        if self._unsure:
            (there,) = connection.execute("SELECT coalesce(max(seq), 0) FROM point").fetchone()
            stored, pending = self._state
            self._state = (there, pending[max(0, there - stored) :])
        stored, pending = self._state
        if not pending and not statements:
            return False
        self._unsure = True
        if durable is not self._is_durable:
            # in WAL mode NORMAL leaves out the sync of a commit, and nothing else
            connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._is_durable = durable
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(self._insert_point, pending)
        now_s = time.monotonic()
        if pending and now_s - self._last_mark_s >= _MARK_PERIOD_S:
            connection.execute(*self._mark(stored + len(pending)))
            self._last_mark_s = now_s
        for sql, values in statements:
            connection.execute(sql, values)
        return True

    def _committed(self, points: int, durable: bool) -> None:
        stored, pending = self._state
        self._state = (stored + points, pending[points:])
        # a sync covers everything that was written to the log before
        if durable:
            self._synchronised = stored + points
        self._unsure = False

    def _synchronise(self) -> None:
        """Wait for the disk; more may be committed meanwhile, which does not count yet."""
        stored, _ = self._state
        if self._synchronised < stored:
            with self._log_lock:
                os.fsync(self._log)
            self._synchronised = max(self._synchronised, stored)

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
                behind = self.failure is None and not self._sent and old and self._synchronised < self._state[0]
            if self._sent:
                self._commit_sent()
            elif behind:
                try:
                    # without the lock, as below
                    self._synchronise()
                except OSError as error:
                    with self._lock:
                        self._fail(error)

    def _commit_sent(self) -> None:
        try:
            # without the lock: new points may queue up while the disk is busy
            self._connection.execute("COMMIT")
        except (sqlite3.Error, OSError) as error:
            with self._lock:
                self._fail(error)
        with self._lock:
            if self.failure is None:
                self._committed(self._sent, durable=True)
            self._sent = 0
            self._lock.notify_all()

    def reopen(self, make_room: Callable[[], None] | None = None) -> None:
        """After a failure: open the file anew, see what is in it, and commit what still waits.

        After a failed sync the state of the old connection cannot be trusted.

        Parameters
        ----------
        make_room : callable, optional
            Called between closing and opening: closing may already fill the room.

        Raises
        ------
        StoreError
            If the file cannot be written, or holds fewer points than were acknowledged; the waiting points stay in
            memory.
        """
        with self._lock:
            self._lock.wait_for(lambda: not self._sent)
            try:
                self._close_log()
                self._connection.close()
                if make_room is not None:
                    make_room()
                self._connection = connect(self._path)
                # a checkpoint would use up the room: it copies the whole log
                self._connection.execute("PRAGMA wal_autocheckpoint = 0").fetchall()
                self._is_durable = True
                (there,) = self._connection.execute("SELECT coalesce(max(seq), 0) FROM point").fetchone()
                self._log = open_log(self._path)
            except (sqlite3.Error, OSError) as error:
                self._fail(error)
                raise StoreError(self.failure) from error
            self._unsure = True
            if there < self.acknowledged:
                self.failure = (
                    f"{self._path}: {self.acknowledged} points were stored, {there} are found after an error of the"
                    " disk; do not use this disk"
                )
                self._synchronised = there
                raise StoreError(self.failure)
            self.failure = None
            self.commit(self._mark(self.count))

    def drop_waiting(self) -> None:
        """Give up the points that still wait, so that there may be room for the seal.

        Raises
        ------
        StoreError
            If nothing at all can be written.
        """
        with self._lock:
            self._state = (self._state[0], [])
            self.failure = None
            with contextlib.suppress(StoreError):
                self.commit(self._mark(self.count))
                return
            with contextlib.suppress(sqlite3.Error):
                # a limit on the size of one file, unlike a full disk, lets the log start afresh
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            self.failure = None
            self.commit(self._mark(self.count))

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
        self._close_log()
        return self._connection

    def _close_log(self) -> None:
        with self._log_lock:
            # once only: the number may be another file's by then
            log, self._log = self._log, -1
            if log >= 0:
                os.close(log)
