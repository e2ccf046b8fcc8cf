"""The catalogue of a data root: what stands in each of its run files, found without opening them.

It is a cache below the per-user folder: who deletes it loses nothing but the time to read the run files again. Any
number of processes may bring it up to date and read it at once. Not here: what is known of one run file
(:mod:`labctl.store.run_entry`).
"""

import contextlib
import hashlib
import math
import os
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labctl.errors import StoreError
from labctl.home import labctl_home
from labctl.store.catalogue_query import COLUMNS, SqlValue, entry_of, question_of, row_of, searched_text
from labctl.store.catalogue_scan import Found, scan
from labctl.store.notes import Notes, read_notes
from labctl.store.rectangles import cells_in, rectangles
from labctl.store.run_entry import RunEntry, RunFilter, read_entry

__all__ = ["Catalogue", "Changes", "Mark"]

# a catalogue of another layout has another name; the old one is left to who still uses it
_LAYOUT = 2
_BATCH_S = 0.2
_PATIENCE_S = 5.0
_USELESS = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_NAMES = ", ".join(COLUMNS)
_TABLES = (
    "CREATE TABLE born (token TEXT NOT NULL)",
    "CREATE TABLE entry (id INTEGER PRIMARY KEY, name BLOB NOT NULL UNIQUE, revision INTEGER NOT NULL,"
    f" signature TEXT NOT NULL, searched TEXT NOT NULL, {_NAMES})",
    "CREATE INDEX entry_revision ON entry (revision)",
    "CREATE INDEX entry_started ON entry (started_utc, name)",
    "CREATE TABLE gone (name BLOB PRIMARY KEY, revision INTEGER NOT NULL)",
    "CREATE TABLE visited (entry INTEGER NOT NULL, row_first INTEGER NOT NULL, row_last INTEGER NOT NULL,"
    " column_first INTEGER NOT NULL, column_last INTEGER NOT NULL)",
    "CREATE INDEX visited_entry ON visited (entry)",
)
_LAST_REVISION = (
    "SELECT coalesce(max(revision), 0) FROM (SELECT max(revision) AS revision FROM entry"
    " UNION ALL SELECT max(revision) FROM gone)"
)
_Read = tuple[Found, RunEntry, set[tuple[int, int]]]


@dataclass(frozen=True, slots=True)
class Mark:
    """How much of a catalogue somebody has seen.

    Attributes
    ----------
    born : str
        Which catalogue; one that is built anew has another.
    revision : int
    """

    born: str = ""
    revision: int = 0


@dataclass(frozen=True, slots=True)
class Changes:
    """What came into a catalogue after a mark.

    Attributes
    ----------
    mark : Mark
        Where it stands now.
    is_new : bool
        It is another catalogue than that of the mark, or the first look: what was seen before is void.
    gone : list of str
        Names of files that are not there any more.
    entries : iterator of RunEntry
        New and changed ones, newest first; to be taken before anything else is asked of the catalogue.
    """

    mark: Mark
    is_new: bool
    gone: list[str]
    entries: Iterator[RunEntry]


class Catalogue:
    """The catalogue of one data root, open.

    Parameters
    ----------
    root : Path
        The data root, as :func:`labctl.store.data_root` gives it.

    Attributes
    ----------
    path : Path
        Its file.
    is_kept : bool
        False where the file cannot be written: the catalogue is then in memory.
    total : int
        Run files at the last refresh.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        digest = hashlib.sha256(os.path.realpath(root).encode("utf-8", "surrogateescape")).hexdigest()[:16]
        self.path = labctl_home() / "catalogues" / f"{digest}-{_LAYOUT}.sqlite"
        self.total = 0
        self.is_kept = True
        self._connection = self._open()

    def __enter__(self) -> "Catalogue":
        """Use it in a block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def refresh(self, *, within_s: float = math.inf, told: Callable[[int, int], None] | None = None) -> int:
        """Read run files that are new or have changed, newest first, until time is up.

        Parameters
        ----------
        within_s : float, unit s
            One file is read in any case.
        told : callable, optional
            Takes how many files are still to be read and how many there are, a few times a second.

        Returns
        -------
        int
            How many files are still to be read.

        Raises
        ------
        StoreError
            If the data root cannot be listed, or the catalogue cannot be written.
        """
        end_s = time.monotonic() + within_s
        # known before present: what another process enters in between has not vanished
        question = "SELECT name, signature, status, coalesce(points, 0) FROM entry"
        known = {os.fsdecode(name): rest for name, *rest in self._rows(question)}
        present = scan(self._root)
        self.total = len(present)
        vanished = [name for name in known if name not in present]
        if vanished:
            self._write([], vanished)
        # a process that ends without a seal leaves its file as it is: only a second look tells
        waiting = sorted(
            name
            for name, found in present.items()
            if name not in known or known[name][0] != found.signature or known[name][1] == "running"
        )
        while waiting:
            batch: list[_Read] = []
            batch_end_s = min(time.monotonic() + _BATCH_S, end_s)
            while waiting and (not batch or time.monotonic() < batch_end_s):
                name = waiting.pop()
                batch += _read(present[name], known[name][2] if name in known else 0)
            self._write(batch, [])
            if told is not None:
                told(len(waiting), self.total)
            if time.monotonic() >= end_s:
                break
        return len(waiting)

    def find(self, wanted: RunFilter | None = None) -> list[RunEntry]:
        """Return the entries that a filter means, as of the last refresh.

        Parameters
        ----------
        wanted : RunFilter, optional
            Left out: all.

        Returns
        -------
        list of RunEntry
            Newest first.

        Raises
        ------
        StoreError
            If the catalogue cannot be read.
        """
        question, values = question_of(wanted or RunFilter())
        return [entry_of(row) for row in self._rows(f"SELECT {_NAMES} FROM entry{question}", values)]  # noqa: S608

    def names(self, wanted: RunFilter) -> list[str]:
        """Return the names of the files that a filter means, as of the last refresh.

        Parameters
        ----------
        wanted : RunFilter

        Returns
        -------
        list of str
            Newest first.

        Raises
        ------
        StoreError
            If the catalogue cannot be read.
        """
        question, values = question_of(wanted)
        return [os.fsdecode(name) for (name,) in self._rows(f"SELECT name FROM entry{question}", values)]  # noqa: S608

    def mark(self) -> Mark:
        """Return where the catalogue stands.

        Returns
        -------
        Mark

        Raises
        ------
        StoreError
            If the catalogue cannot be read.
        """
        ((born, last),) = self._rows(f"SELECT token, ({_LAST_REVISION}) FROM born")  # noqa: S608 - ours
        return Mark(str(born), int(last or 0))

    def changes(self, since: Mark) -> Changes:
        """Return what came into the catalogue after a mark.

        Parameters
        ----------
        since : Mark
            ``Mark()`` for all.

        Returns
        -------
        Changes

        Raises
        ------
        StoreError
            If the catalogue cannot be read.
        """
        with self._guarded():
            self._connection.execute("BEGIN")
            try:
                mark = self.mark()
                is_new = since.born != mark.born
                seen = 0 if is_new else since.revision
                gone = [os.fsdecode(n) for (n,) in self._rows("SELECT name FROM gone WHERE revision > ?", [seen])]
                # all of them in the order of the index, without sorting them first
                chosen = "" if seen == 0 else f" WHERE revision > {seen}"
                question = f"SELECT {_NAMES} FROM entry{chosen} ORDER BY started_utc DESC, name DESC"  # noqa: S608
                cursor = self._connection.execute(question)
            finally:
                self._connection.execute("COMMIT")
        return Changes(mark, is_new, gone, self._entries(cursor))

    def _entries(self, cursor: sqlite3.Cursor) -> Iterator[RunEntry]:
        with self._guarded():
            for row in cursor:
                yield entry_of(row)

    def _rows(self, question: str, values: list[SqlValue] | tuple[()] = ()) -> list[tuple[Any, ...]]:
        with self._guarded():
            return self._connection.execute(question, values).fetchall()

    def _write(self, batch: list[_Read], vanished: list[str]) -> None:
        with self._guarded(), self._changing() as connection:
            revision = connection.execute(_LAST_REVISION).fetchone()[0] + 1
            for found, entry, cells in batch:
                self._put(connection, found, entry, cells, revision)
            for name in map(os.fsencode, vanished):
                connection.execute("DELETE FROM visited WHERE entry = (SELECT id FROM entry WHERE name = ?)", [name])
                connection.execute("DELETE FROM entry WHERE name = ?", [name])
                connection.execute("INSERT OR REPLACE INTO gone VALUES (?, ?)", [name, revision])

    def _put(
        self, connection: sqlite3.Connection, found: Found, entry: RunEntry, cells: set[tuple[int, int]], revision: int
    ) -> None:
        name, row = os.fsencode(found.name), row_of(entry)
        known = connection.execute(f"SELECT id, {_NAMES} FROM entry WHERE name = ?", [name]).fetchone()  # noqa: S608
        if known is not None and list(known[1:]) == row:
            number = known[0]
            connection.execute("UPDATE entry SET signature = ? WHERE id = ?", [found.signature, number])
        else:
            number = None if known is None else known[0]
            marks = ", ".join("?" * (len(row) + 5))
            values = [number, name, revision, found.signature, searched_text(entry), *row]
            cursor = connection.execute(f"INSERT OR REPLACE INTO entry VALUES ({marks})", values)  # noqa: S608
            number = cursor.lastrowid
            connection.execute("DELETE FROM gone WHERE name = ?", [name])
        if cells:
            question = "SELECT row_first, row_last, column_first, column_last FROM visited WHERE entry = ?"
            before = cells_in(connection.execute(question, [number]).fetchall())
            if not cells <= before:
                connection.execute("DELETE FROM visited WHERE entry = ?", [number])
                covered = [(number, *rectangle) for rectangle in rectangles(before | cells)]
                connection.executemany("INSERT INTO visited VALUES (?, ?, ?, ?, ?)", covered)

    def _open(self) -> sqlite3.Connection:
        # a second time after what stood there proved useless
        for _ in range(2):
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                return _connected(self.path)
            except OSError:
                break
            except sqlite3.DatabaseError as error:
                if not _is_useless(error):
                    break
                self._discard()
        self.is_kept = False
        return _connected(":memory:")

    def _discard(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(OSError):
                self.path.with_name(self.path.name + suffix).unlink()

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield self._connection
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            if _is_useless(error):
                self._discard()
                raise StoreError(
                    f"{self.path}: the catalogue of runs was damaged and has been removed; try again, it is made anew"
                    " from the run files"
                ) from error
            raise StoreError(
                f"{self.path}: the catalogue of runs cannot be used: {error}; the run files are not touched by it"
            ) from error


def _read(found: Found, seen_points: int) -> list[_Read]:
    """Read a run file; nothing if it was moved away meanwhile."""
    entry, cells = read_entry(found.path, seen_points)
    try:
        notes = read_notes(found.path)
    except StoreError as error:
        notes = Notes(str(error))
    if not entry.is_readable and not os.path.lexists(found.path):
        return []
    return [(found, entry.with_notes(notes), cells)]


def _connected(path: Path | str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, timeout=_PATIENCE_S, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
        # a cache: after a power failure it may lack what came last, never be wrong
        connection.execute("PRAGMA synchronous = NORMAL")
        if connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0:
            connection.execute("BEGIN IMMEDIATE")
            # another process may have been quicker
            if connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0:
                for statement in _TABLES:
                    connection.execute(statement)
                connection.execute("INSERT INTO born VALUES (?)", [secrets.token_hex(8)])
            connection.execute("COMMIT")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _is_useless(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _USELESS
