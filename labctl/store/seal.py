"""The seal of a run file: end status, row counts and a digest of every table.

Not here: when a run is sealed (:mod:`labctl.store.writer`).
"""

import contextlib
import hashlib
import json
import sqlite3

from labctl.store.plain import to_json

__all__ = ["ENDED", "digests", "write_seal"]

ENDED = ("finished", "failed", "aborted")
_SEALED_TABLES = ("run", "segment", "parameter", "instrument", "point", "event", "progress", "array")
_BLOCK_ROWS = 1000


def digests(connection: sqlite3.Connection) -> dict[str, tuple[int, str]]:
    """Count and hash the rows of every table.

    Each row is a line of JSON (floats in Python's shortest exact form, blobs as their SHA-256), in order of row id.

    Parameters
    ----------
    connection : sqlite3.Connection

    Returns
    -------
    dict of str to (int, str)
        Rows and SHA-256 by table.
    """
    found = {}
    for table in _SEALED_TABLES:
        digest, count = hashlib.sha256(), 0
        cursor = connection.execute(f"SELECT * FROM {table} ORDER BY rowid")  # noqa: S608 - from the tuple above
        while rows := cursor.fetchmany(_BLOCK_ROWS):
            count += len(rows)
            digest.update("".join(json.dumps(row, default=_blob) + "\n" for row in rows).encode())
        found[table] = (count, digest.hexdigest())
    return found


def write_seal(
    connection: sqlite3.Connection,
    status: str,
    ended_utc: str,
    times_s: tuple[float, float | None],
    results: str,
    error: str | None,
) -> str:
    """Check the file, write the seal, and leave one file in rollback-journal mode.

    Parameters
    ----------
    connection : sqlite3.Connection
        The writer's, outside a transaction.
    status : str
        One of :data:`ENDED`.
    ended_utc : str
    times_s : tuple of float, unit s
        Wall time and instrument time.
    results : str
        JSON.
    error : str or None

    Returns
    -------
    str
        The status that was written: "failed" if the integrity check found something.
    """
    integrity = "; ".join(row[0] for row in connection.execute("PRAGMA integrity_check(10)"))
    if integrity != "ok":
        status, error = "failed", f"integrity check: {integrity}"
    found = digests(connection)
    connection.execute(
        "INSERT INTO seal VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            status,
            ended_utc,
            *times_s,
            results,
            error,
            integrity,
            to_json({table: count for table, (count, _) in found.items()}),
            to_json({table: digest for table, (_, digest) in found.items()}),
        ),
    )
    # whoever watches the run keeps it in WAL mode; the seal is in the file all the same
    connection.execute("PRAGMA busy_timeout = 250")
    with contextlib.suppress(sqlite3.OperationalError):
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        connection.execute("PRAGMA journal_mode = DELETE").fetchall()
    return status


def _blob(value: object) -> str:
    return hashlib.sha256(value if isinstance(value, bytes) else repr(value).encode()).hexdigest()
