"""Checking a run file: every row against its checksum, every table and block against the seals, every array.

A run that was interrupted is not damaged: it has no seal, and the checksums of its rows are what is checked.
Not here: saving what is whole (:mod:`labctl.store.recover`).
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labctl.errors import StoreError
from labctl.store.blob import unpacked
from labctl.store.checksum import RowChecksum
from labctl.store.connection import connect_to_read, lacks_log
from labctl.store.header import parse_json
from labctl.store.reader import MISSING_LOG, Run
from labctl.store.schema import table_statements
from labctl.store.seal import digests

__all__ = ["Finding", "verify_run"]

_CHECKSUMMED = 2  # the first schema with a checksum in each row
_SHOWN = 100
_UNREADABLE = (StoreError, sqlite3.Error, ValueError, TypeError, KeyError, IndexError, OverflowError, MemoryError)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong with a run file.

    Attributes
    ----------
    place : str
        Such as ``"file"``, ``"point 17"``, ``"seal 1"`` or ``"array conductance"``.
    message : str
    """

    place: str
    message: str


def verify_run(path: Path) -> list[Finding]:
    """Check a run file as it is now.

    Parameters
    ----------
    path : Path
        A run file of any schema; a growing one too.

    Returns
    -------
    list of Finding
        Empty for a file that is whole.
    """
    found: list[Finding] = []
    place = "file"
    try:
        with Run(path) as run, closing(connect_to_read(run.path)) as connection:
            connection.execute("BEGIN")
            for place, check in _checks(run, connection):
                try:
                    found += check
                except _UNREADABLE as error:
                    found.append(Finding(place, f"cannot be read: {error}"))
    except _UNREADABLE as error:
        found.append(Finding(place, f"cannot be opened: {error}"))
    return found


def _checks(run: Run, connection: sqlite3.Connection) -> Iterator[tuple[str, Iterator[Finding]]]:
    yield "file", _structure(connection)
    if run.schema >= _CHECKSUMMED:
        yield "log", _log(run)
        statements = table_statements(run.columns)
        yield "tables", _tables(connection, statements)
        for table in statements:
            yield table, _rows(run, connection, table)
    yield "array", _arrays(connection)
    yield "text", _texts(run)
    yield "seal", _seals(run, connection)


def _log(run: Run) -> Iterator[Finding]:
    if run.seal is None and lacks_log(run.path):
        yield Finding("log", MISSING_LOG)


def _structure(connection: sqlite3.Connection) -> Iterator[Finding]:
    for (message,) in connection.execute(f"PRAGMA integrity_check({_SHOWN})"):
        if message != "ok":
            yield Finding("file", str(message))


def _tables(connection: sqlite3.Connection, statements: Mapping[str, str]) -> Iterator[Finding]:
    there = dict(connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'table'").fetchall())
    for name in statements.keys() | there.keys():
        if there.get(name) != statements.get(name):
            yield Finding(f"table {name}", "is not declared as in every run file")


def _rows(run: Run, connection: sqlite3.Connection, table: str) -> Iterator[Finding]:
    checksum = RowChecksum(table).of
    counted = table == "point" and "recovered_from" not in run.header
    order = "seq" if table == "point" else "rowid"
    for expected, row in enumerate(connection.execute(f"SELECT * FROM {table} ORDER BY {order}"), start=1):  # noqa: S608
        if checksum(row[:-1]) != row[-1]:
            yield Finding(f"{table} {row[0]}", "the checksum of the row is wrong")
        elif counted and row[0] != expected:
            yield Finding(f"point {expected}", f"is missing: point {row[0]} follows")
            return


def _arrays(connection: sqlite3.Connection) -> Iterator[Finding]:
    for name, shape, dtype, data, crc32 in connection.execute("SELECT name, shape, dtype, data, crc32 FROM array"):
        try:
            unpacked(str(name), shape, dtype, data, crc32)
        except StoreError as error:
            yield Finding(f"array {name}", str(error))


def _texts(run: Run) -> Iterator[Finding]:
    """Read what has a form of its own."""
    _ = (run.parameters, run.parameter_texts, run.instruments, run.events(), run.progress(), run.summary())
    yield from ()


def _seals(run: Run, connection: sqlite3.Connection) -> Iterator[Finding]:
    known = set(table_statements(run.columns))
    cursor = connection.execute("SELECT * FROM seal ORDER BY 1")
    names = [item[0] for item in cursor.description]
    for values in cursor.fetchall():
        seal: dict[str, Any] = dict(zip(names, values, strict=True))
        place = f"seal {values[0]}"
        counts, sha256 = parse_json(run.path, seal["rows"]), parse_json(run.path, seal["sha256"])
        if not set(counts) <= known or set(counts) != set(sha256):
            yield Finding(place, "names tables that no run file has")
            continue
        blocks = parse_json(run.path, seal["blocks"])["sha256"] if "blocks" in seal else None
        for table, digest in digests(connection, counts).items():
            if digest.rows != counts[table]:
                yield Finding(place, f"counts {counts[table]} rows in {table}, there are {digest.rows}")
            elif digest.sha256 != sha256[table]:
                yield Finding(place, f"the SHA-256 of {table} is another one")
            if table == "point" and blocks is not None and list(digest.blocks) != blocks:
                wrong = [n for n, pair in enumerate(zip(digest.blocks, blocks, strict=False)) if len(set(pair)) > 1]
                yield Finding(place, f"the SHA-256 of blocks of points differs: {wrong or 'their number'}")
        if values[0] == connection.execute("SELECT max(seq) FROM segment").fetchone()[0]:
            yield from _behind(connection, place, counts)


def _behind(connection: sqlite3.Connection, place: str, counts: Mapping[str, int]) -> Iterator[Finding]:
    """Find rows that somebody added behind the last seal."""
    for table, count in counts.items():
        (there,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - a table of the schema
        if there > count:
            yield Finding(place, f"counts {count} rows in {table}, there are {there}: some were added behind it")
