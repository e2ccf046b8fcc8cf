"""The tables of a run file, and what a run is introduced with.

A run file is one SQLite database: ``run`` (key, value as JSON), ``segment`` (the process that measured), ``parameter``,
``instrument``, ``point`` (one column per data column), ``event``, ``progress`` (a mark about once a second), ``array``
and, at the very end, ``seal``. Rows are never changed or deleted; a file without seal was interrupted or is running.
Not here: writing (:mod:`labctl.store.writer`) and reading (:mod:`labctl.store.reader`).
"""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from labctl.store.columns import Column

__all__ = ["APPLICATION_ID", "SCHEMA_VERSION", "SUFFIX", "ParameterRecord", "RunHeader", "create_tables"]

APPLICATION_ID = 0x6C616263  # "labc"
SCHEMA_VERSION = 1
SUFFIX = ".run.sqlite"

_TABLES = (
    "CREATE TABLE run (key TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE segment (seq INTEGER PRIMARY KEY, started_utc TEXT NOT NULL, host TEXT NOT NULL,"
    " pid INTEGER NOT NULL, process TEXT NOT NULL)",
    "CREATE TABLE parameter (name TEXT PRIMARY KEY, label TEXT NOT NULL, value TEXT NOT NULL, unit TEXT,"
    " text TEXT NOT NULL)",
    "CREATE TABLE instrument (key TEXT NOT NULL, moment TEXT NOT NULL, maker TEXT, model TEXT, serial TEXT,"
    " firmware TEXT, settings TEXT NOT NULL, UNIQUE (key, moment))",
    "CREATE TABLE event (seq INTEGER PRIMARY KEY, utc TEXT NOT NULL, wall_s REAL NOT NULL, instrument_s REAL,"
    " points INTEGER NOT NULL, kind TEXT NOT NULL, message TEXT NOT NULL)",
    "CREATE TABLE progress (seq INTEGER PRIMARY KEY, wall_s REAL NOT NULL, instrument_s REAL,"
    " points INTEGER NOT NULL, percent REAL)",
    "CREATE TABLE array (name TEXT PRIMARY KEY, dims TEXT NOT NULL, unit TEXT NOT NULL, shape TEXT NOT NULL,"
    " dtype TEXT NOT NULL, data BLOB NOT NULL, crc32 INTEGER NOT NULL)",
    "CREATE TABLE seal (one INTEGER PRIMARY KEY CHECK (one = 1), status TEXT NOT NULL, ended_utc TEXT NOT NULL,"
    " wall_time_s REAL NOT NULL, instrument_time_s REAL, results TEXT NOT NULL, error TEXT, integrity TEXT NOT NULL,"
    " rows TEXT NOT NULL, sha256 TEXT NOT NULL)",
)


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
    for statement in _TABLES:
        connection.execute(statement)
    # no column type: SQLite's REAL would turn -0.0 into 0.0
    declared = "".join(f", {column.quoted}" for column in columns)
    connection.execute(f"CREATE TABLE point (seq INTEGER PRIMARY KEY{declared})")
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
