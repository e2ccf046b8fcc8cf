"""The tables of a run file, and what a run is introduced with.

A run file is one SQLite database. ``run`` (key, value as JSON), ``segment`` (a process that measured: kind "start" or
"resume"), ``parameter``, ``instrument``, ``intent`` (what was about to be applied, written before it was), ``point``
(one column per data column, ``_action``: the unit of work it came from), ``event``, ``progress`` (a mark about once a
second), ``array`` and ``seal`` (the end of a segment). Each row ends with its checksum ``_crc``. Rows are never changed
or deleted; a file whose last segment has no seal was interrupted or is running.

Schema 1 had neither ``intent`` nor ``_action`` nor ``_crc``, one segment and one seal; it can still be read.
Not here: writing (:mod:`labctl.store.writer`) and reading (:mod:`labctl.store.reader`).
"""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from labctl.store.checksum import RowChecksum
from labctl.store.columns import Column

__all__ = [
    "APPLICATION_ID",
    "SCHEMA_VERSION",
    "SUFFIX",
    "ParameterRecord",
    "RunHeader",
    "column_kinds",
    "create_tables",
    "insert_point",
    "insertion",
    "table_statements",
]

APPLICATION_ID = 0x6C616263  # "labc"
SCHEMA_VERSION = 2
SUFFIX = ".run.sqlite"

# name, then its columns without the checksum
_TABLES = {
    "run": "key TEXT PRIMARY KEY, value TEXT NOT NULL",
    "segment": "seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, utc TEXT NOT NULL, host TEXT NOT NULL,"
    " pid INTEGER NOT NULL, process TEXT NOT NULL, boot_id TEXT NOT NULL, wall_s REAL NOT NULL, instrument_s REAL",
    "parameter": "name TEXT PRIMARY KEY, label TEXT NOT NULL, value TEXT NOT NULL, unit TEXT, text TEXT NOT NULL",
    "instrument": "segment INTEGER NOT NULL, key TEXT NOT NULL, moment TEXT NOT NULL, maker TEXT, model TEXT,"
    " serial TEXT, firmware TEXT, settings TEXT NOT NULL",
    "intent": "seq INTEGER PRIMARY KEY, action INTEGER NOT NULL UNIQUE, utc TEXT NOT NULL, wall_s REAL NOT NULL,"
    " instrument_s REAL, stimulus TEXT NOT NULL",
    "event": "seq INTEGER PRIMARY KEY, utc TEXT NOT NULL, wall_s REAL NOT NULL, instrument_s REAL,"
    " points INTEGER NOT NULL, kind TEXT NOT NULL, message TEXT NOT NULL",
    "progress": "seq INTEGER PRIMARY KEY, utc TEXT NOT NULL, wall_s REAL NOT NULL, instrument_s REAL,"
    " points INTEGER NOT NULL, percent REAL",
    "array": "name TEXT PRIMARY KEY, dims TEXT NOT NULL, unit TEXT NOT NULL, shape TEXT NOT NULL,"
    " dtype TEXT NOT NULL, data BLOB NOT NULL, crc32 INTEGER NOT NULL",
    "seal": "segment INTEGER PRIMARY KEY, status TEXT NOT NULL, ended_utc TEXT NOT NULL, wall_time_s REAL NOT NULL,"
    " instrument_time_s REAL, results TEXT NOT NULL, error TEXT, integrity TEXT NOT NULL, rows TEXT NOT NULL,"
    " sha256 TEXT NOT NULL, blocks TEXT NOT NULL",
}


@dataclass(frozen=True, slots=True)
class ParameterRecord:
    """One parameter of a run.

    Attributes
    ----------
    name : str
        As it is set, such as ``"width_s"``.
    label : str
        As people read it, such as ``"Pulse width"``.
    value : object
        Plain value, None where it was not set.
    unit : str or None
    text : str
        The value as people read it, such as ``"10 µs"``.
    """

    name: str
    label: str
    value: object
    unit: str | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class RunHeader:
    """What is known of a run before its first point.

    Attributes
    ----------
    procedure : str
        Name in snake case; it becomes part of the file's name.
    columns : sequence of str
        Labels such as ``"Conductance (S)"`` (a number) or ``"Flags"`` (text, or any plain value).
    parameters : sequence of ParameterRecord
    station : str
    simulated : bool
    facts : mapping of str to object
        Whatever else belongs to the provenance: versions, seed, bench, host, command line.
    """

    procedure: str
    columns: Sequence[str]
    parameters: Sequence[ParameterRecord] = ()
    station: str = ""
    simulated: bool = False
    facts: Mapping[str, object] = field(default_factory=dict)


def create_tables(connection: sqlite3.Connection, columns: Sequence[Column]) -> None:
    """Make the tables of a new run file.

    Parameters
    ----------
    connection : sqlite3.Connection
        Of an empty database, inside a transaction.
    columns : sequence of Column
        The data columns.
    """
    for statement in table_statements(columns).values():
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def table_statements(columns: Sequence[Column]) -> dict[str, str]:
    """Return the statements that make the tables, by their names.

    Parameters
    ----------
    columns : sequence of Column
        The data columns.

    Returns
    -------
    dict of str to str
    """
    made = {name: f"CREATE TABLE {name} ({declared}, _crc INTEGER NOT NULL)" for name, declared in _TABLES.items()}
    # no column type: SQLite's REAL would turn -0.0 into 0.0
    labels = "".join(f"{column.quoted}, " for column in columns)
    made["point"] = f"CREATE TABLE point (seq INTEGER PRIMARY KEY, {labels}_action INTEGER, _crc INTEGER NOT NULL)"
    return made


def column_kinds(table: str) -> tuple[str, ...]:
    """Return the types of the columns of a table other than ``point``, without the checksum.

    Parameters
    ----------
    table : str

    Returns
    -------
    tuple of str
        INTEGER, REAL, TEXT or BLOB; "KEY" for an integer that is the number of the row.
    """
    return tuple(
        "KEY" if "INTEGER PRIMARY KEY" in part else part.strip().split(" ")[1] for part in _TABLES[table].split(",")
    )


def insertion(table: str, values: Sequence[object]) -> tuple[str, list[object]]:
    """Return the statement that writes one row, with its checksum.

    Parameters
    ----------
    table : str
        Any but ``point``.
    values : sequence of int, float, str, bytes or None
        One per column.

    Returns
    -------
    tuple of str and list
    """
    # what SQLite would change on the way in is changed before the checksum: column types turn 1 into 1.0
    row = [_as_stored(kind, value) for kind, value in zip(column_kinds(table), values, strict=True)]
    marks = ", ".join("?" * (len(row) + 1))
    return f"INSERT INTO {table} VALUES ({marks})", [*row, RowChecksum(table).of(row)]  # noqa: S608 - from the map above


def insert_point(columns: Sequence[Column]) -> str:
    """Return the statement that writes one point: number, data columns, action, checksum.

    Parameters
    ----------
    columns : sequence of Column

    Returns
    -------
    str
    """
    marks = ", ".join("?" * (len(columns) + 3))
    return f"INSERT INTO point VALUES ({marks})"  # noqa: S608 - only question marks


def _as_stored(kind: str, value: object) -> object:
    if kind == "REAL" and isinstance(value, (int, float)):
        # SQLite has neither NaN nor, in a REAL column, a negative zero
        return float(value) + 0.0 if value == value else None
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    return value
