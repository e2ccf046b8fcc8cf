"""The tables of a queue: ``item``, ``attempt`` (each time that an item was started) and ``setting``.

Not here: what is done with them (:mod:`labctl.run.queue.store`).
"""

import sqlite3
from pathlib import Path

from labctl.errors import StoreError
from labctl.store.spool import lay_out, working_folder

__all__ = ["connect_to_queue", "queue_folder"]

_APPLICATION_ID = 0x6C616271  # "labq"
_VERSION = 1
_BUSY_S = 5.0
_TABLES = (
    "CREATE TABLE item (id INTEGER PRIMARY KEY AUTOINCREMENT, place INTEGER NOT NULL, procedure TEXT NOT NULL,"
    " station TEXT NOT NULL, parameters TEXT NOT NULL, repeat INTEGER NOT NULL, state TEXT NOT NULL,"
    " holds TEXT NOT NULL, between_times TEXT, label TEXT NOT NULL, resume_of TEXT, error TEXT, estimate_s REAL,"
    " simulated INTEGER, folder TEXT NOT NULL)",
    "CREATE TABLE attempt (id INTEGER PRIMARY KEY, item INTEGER NOT NULL REFERENCES item ON DELETE CASCADE,"
    " status TEXT NOT NULL, started_utc TEXT NOT NULL, child TEXT, run_id TEXT NOT NULL, path TEXT, wall_time_s REAL)",
    "CREATE TABLE setting (key TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "INSERT INTO setting VALUES ('policy', 'stop'), ('held', '0'), ('held_why', '')",
)


def queue_folder(root: Path) -> Path:
    """Choose where the queue of a data root lies: in it, or on a local disk where the data root is none.

    Parameters
    ----------
    root : Path
        The data root.

    Returns
    -------
    Path
        It exists.

    Raises
    ------
    StoreError
        If no folder on a local disk can be made.
    """
    folder, _ = working_folder(root.absolute())
    try:
        lay_out(folder, root.absolute())
    except OSError as error:
        raise StoreError(f"{folder}: the folder of the queue cannot be made: {error.strerror}; check it") from error
    return folder


def connect_to_queue(path: Path) -> sqlite3.Connection:
    """Open a queue, durable at each commit; a new one is made.

    Parameters
    ----------
    path : Path
        In an existing folder.

    Returns
    -------
    sqlite3.Connection
        In autocommit mode.

    Raises
    ------
    StoreError
        If it cannot be opened, or is no queue of this version of labctl.
    """
    try:
        connection = sqlite3.connect(path, isolation_level=None, timeout=_BUSY_S)
        try:
            _prepare(connection, path)
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise StoreError(
            f"{path}: the queue cannot be opened: {error}; check the folder, or move the file away: runs lose nothing"
        ) from error
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    for pragma in ("trusted_schema = OFF", "journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    connection.execute("BEGIN IMMEDIATE")
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if tables == 0:
        for statement in _TABLES:
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {_VERSION}")
    elif application != _APPLICATION_ID or version != _VERSION:
        raise StoreError(f"{path}: is no queue that this labctl knows; move the file away, a new one is made then")
    connection.execute("COMMIT")
