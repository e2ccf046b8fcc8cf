"""How a run file is opened: durable for its one writer, harmless for every reader.

Not here: what is written (:mod:`labctl.store.writer`) and read (:mod:`labctl.store.reader`).
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from labctl.errors import StoreError

__all__ = [
    "LOG_SUFFIX",
    "PAGE_BYTES",
    "ballast_of",
    "connect",
    "connect_to_read",
    "end_log",
    "lacks_log",
    "log_of",
    "open_log",
    "opened",
    "unreadable",
]

PAGE_BYTES = 4096
LOG_SUFFIX = "-wal"
_LOG_LIMIT_BYTES = 64 * 1024 * 1024
_UNFINISHED = {sqlite3.SQLITE_READONLY_ROLLBACK, sqlite3.SQLITE_READONLY_RECOVERY}
_BALLAST_BYTES = 1024 * 1024
# https://www.sqlite.org/fileformat2.html, section 1.3.3: byte 18 is 2 for WAL
_WRITE_VERSION, _WAL = 18, 2


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

    Raises
    ------
    sqlite3.Error
        If it cannot be opened.
    """
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5.0)
    try:
        for pragma in (
            # of a new file; what reads damaged files relies on it
            f"page_size = {PAGE_BYTES}",
            "trusted_schema = OFF",
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
            f"journal_size_limit = {_LOG_LIMIT_BYTES}",
        ):
            connection.execute(f"PRAGMA {pragma}").fetchall()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def connect_to_read(path: Path, patience_s: float = 5.0) -> sqlite3.Connection:
    """Open a run file for reading; what it says of functions and views is not believed.

    Parameters
    ----------
    path : Path
        Absolute.
    patience_s : float, unit s
        How long opening, and each question afterwards, waits for somebody who has the file for himself.

    Returns
    -------
    sqlite3.Connection

    Raises
    ------
    sqlite3.Error
        If it cannot be opened.
    """
    try:
        return _open_to_read(path, "ro", patience_s)
    except sqlite3.OperationalError as error:
        # the disk failed while the file was left in order: SQLite must write to do or undo the last step
        if error.sqlite_errorcode not in _UNFINISHED:
            raise
    _open_to_read(path, "rw", patience_s).close()
    return _open_to_read(path, "ro", patience_s)


def _open_to_read(path: Path, mode: str, patience_s: float) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.as_uri()}?mode={mode}", uri=True, isolation_level=None, timeout=patience_s)
    try:
        connection.execute("PRAGMA trusted_schema = OFF").fetchall()
        # a damaged page is told of, not read past its end
        connection.execute("PRAGMA cell_size_check = ON").fetchall()
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def open_log(path: Path) -> int:
    """Open the write-ahead log of a run file to synchronise it with the disk.

    Closing it does no harm to SQLite's locks: those are on the run file itself and on its shared memory.

    Parameters
    ----------
    path : Path
        The run file, open in WAL mode and written to before.

    Returns
    -------
    int
        A file descriptor.

    Raises
    ------
    OSError
        If there is no log.
    """
    return os.open(log_of(path), os.O_RDWR | getattr(os, "O_BINARY", 0))


def log_of(path: Path) -> Path:
    """Return the write-ahead log of a run file, which holds what was committed last.

    Parameters
    ----------
    path : Path
        The run file.

    Returns
    -------
    Path
    """
    return path.with_name(path.name + LOG_SUFFIX)


def lacks_log(path: Path) -> bool:
    """Tell whether a log belongs to a run file and is not there: the file was copied without it.

    Parameters
    ----------
    path : Path
        The run file.

    Returns
    -------
    bool
    """
    with path.open("rb") as file:
        head = file.read(_WRITE_VERSION + 1)
    log = log_of(path)
    # a reader makes an empty one
    is_there = log.is_file() and log.stat().st_size > 0
    return head[_WRITE_VERSION:] == bytes([_WAL]) and not is_there


def end_log(connection: sqlite3.Connection) -> None:
    """Take everything into the run file itself, which is then whole without a log.

    Whoever watches the run, or a disk that is full, may keep it from that; the log stays then.

    Parameters
    ----------
    connection : sqlite3.Connection
        The writer's, outside a transaction.
    """
    with contextlib.suppress(sqlite3.Error):
        connection.execute("PRAGMA busy_timeout = 250")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        connection.execute("PRAGMA journal_mode = DELETE").fetchall()


def ballast_of(path: Path) -> Path:
    """Return the file beside a run file that is given up when the disk is full.

    Parameters
    ----------
    path : Path
        The run file.

    Returns
    -------
    Path
    """
    return path.with_name(path.name + "-ballast")


@contextmanager
def opened(path: Path, *, is_new: bool) -> Iterator[sqlite3.Connection]:
    """Open a run file for writing and lay its ballast; what is done in the block is one transaction.

    Parameters
    ----------
    path : Path
        An existing file.
    is_new : bool
        It is removed again when something fails.

    Yields
    ------
    sqlite3.Connection
        It stays open when the block has ended well.
    """
    connection = None
    ballast = None
    try:
        connection = connect(path)
        connection.execute("BEGIN IMMEDIATE")
        yield connection
        # only now: until here it may be that of another process, which is still measuring
        ballast = ballast_of(path)
        ballast.write_bytes(b"\0" * _BALLAST_BYTES)
        connection.execute("COMMIT")
    except BaseException:
        if connection is not None:
            connection.close()
        if ballast is not None:
            ballast.unlink(missing_ok=True)
        if is_new:
            path.unlink(missing_ok=True)
        raise


def unreadable(path: Path, error: Exception) -> StoreError:
    """Return what is told of a run file that cannot be read.

    Parameters
    ----------
    path : Path
    error : Exception
        What SQLite or the content said.

    Returns
    -------
    StoreError
    """
    return StoreError(
        f"{path}: cannot be read, it may be damaged: {error}; `labctl recover` writes a new file with all that is whole"
    )
