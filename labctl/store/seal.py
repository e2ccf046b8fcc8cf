"""The seal of a segment: end status, row counts, a digest of every table and of every block of points.

Not here: when a run is sealed (:mod:`labctl.store.writer`).
"""

import hashlib
import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from labctl.store.plain import to_json
from labctl.store.schema import insertion

__all__ = ["BLOCK_ROWS", "ENDED", "Digest", "digests", "write_seal"]

ENDED = ("finished", "failed", "aborted")
BLOCK_ROWS = 10_000
_SEALED_TABLES = ("run", "segment", "parameter", "instrument", "intent", "point", "event", "progress", "array")
_FETCHED_ROWS = 1000


@dataclass(frozen=True, slots=True)
class Digest:
    """What a seal says about one table.

    Attributes
    ----------
    rows : int
    sha256 : str
    blocks : tuple of str
        SHA-256 of each :data:`BLOCK_ROWS` rows, the last block may be shorter.
    """

    rows: int
    sha256: str
    blocks: tuple[str, ...]


def digests(connection: sqlite3.Connection, counts: Mapping[str, int] | None = None) -> dict[str, Digest]:
    """Count and hash the rows of every table.

    Each row is a line of JSON (floats in Python's shortest exact form, blobs as their SHA-256), in order of row id.

    Parameters
    ----------
    connection : sqlite3.Connection
    counts : mapping of str to int, optional
        Only these tables, and of each only that many rows.

    Returns
    -------
    dict of str to Digest
    """
    found = {}
    for table in counts or _SEALED_TABLES:
        order = "seq" if table == "point" else "rowid"
        cursor = connection.execute(
            f"SELECT * FROM {table} ORDER BY {order} LIMIT ?",  # noqa: S608 - from the tuple above, or a checked seal
            (-1 if counts is None else counts[table],),
        )
        whole, rows, blocks = hashlib.sha256(), 0, []
        block = hashlib.sha256()
        while fetched := cursor.fetchmany(_FETCHED_ROWS):
            lines = "".join(json.dumps(row, default=_blob) + "\n" for row in fetched).encode()
            whole.update(lines)
            block.update(lines)
            rows += len(fetched)
            if rows % BLOCK_ROWS == 0:
                blocks.append(block.hexdigest())
                block = hashlib.sha256()
        if rows % BLOCK_ROWS:
            blocks.append(block.hexdigest())
        found[table] = Digest(rows, whole.hexdigest(), tuple(blocks))
    return found


def write_seal(
    connection: sqlite3.Connection,
    segment: int,
    status: str,
    ended_utc: str,
    times_s: tuple[float, float | None],
    results: str,
    error: str | None,
) -> str:
    """Check the file and write the seal.

    Parameters
    ----------
    connection : sqlite3.Connection
        The writer's, outside a transaction.
    segment : int
        The segment that ends.
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
    counts = to_json({table: digest.rows for table, digest in found.items()})
    sha256 = to_json({table: digest.sha256 for table, digest in found.items()})
    blocks = to_json({"rows": BLOCK_ROWS, "sha256": found["point"].blocks})
    ends = (segment, status, ended_utc, *times_s, results, error, integrity, counts, sha256, blocks)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(*insertion("seal", ends))
    return status


def _blob(value: object) -> str:
    return hashlib.sha256(value if isinstance(value, bytes) else repr(value).encode()).hexdigest()
