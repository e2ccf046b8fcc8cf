"""Saving what is whole in a damaged run file: every row whose checksum holds goes into a new run file.

The new file keeps the numbers of the points, so that gaps stay gaps. It has no seal: it reads as interrupted, an event
says what was lost, and it cannot be resumed, because it is not known for certain what had been applied.
Not here: finding out whether a file is damaged (:mod:`labctl.store.verify`).
"""

import hashlib
import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labctl.errors import StoreError
from labctl.store.checksum import RowChecksum
from labctl.store.columns import Column
from labctl.store.connection import connect
from labctl.store.header import checked_header, parse_json
from labctl.store.pages import raw_rows
from labctl.store.plain import to_json
from labctl.store.schema import SUFFIX, column_kinds, create_tables, insertion, table_statements
from labctl.store.segments import utc_now

__all__ = ["Recovered", "recover_run"]

# rows by row id by table
_Tables = dict[str, dict[int, list[Any]]]
_DEFAULTS: dict[str, str | bool] = {"procedure": "unknown", "station": "", "started_utc": "", "simulated": False}


@dataclass(frozen=True, slots=True)
class Recovered:
    """What was saved.

    Attributes
    ----------
    path : Path
        The new run file.
    points : int
    lost : int
        Points that are known to have been in the damaged file and that are not in the new one.
    rows : dict of str to int
        Rows that were saved, by table.
    """

    path: Path
    points: int
    lost: int
    rows: dict[str, int] = field(default_factory=dict)


def recover_run(path: Path, out: Path) -> Recovered:
    """Write a new run file with every row of a damaged one whose checksum holds.

    Parameters
    ----------
    path : Path
        A run file, whole or not; it is left as it is.
    out : Path
        Folder for the new file; made if it does not exist.

    Returns
    -------
    Recovered

    Raises
    ------
    StoreError
        If the file cannot be read, its header is lost, it was made with schema 1 (whose rows have no checksums), or
        the new file exists already or cannot be written.
    """
    if not os.path.isfile(path):  # Path.is_file raises where a name is too long
        raise StoreError(f"{path}: there is no such run file")
    try:
        tables = _good_rows(path)
        columns = _columns(path, tables)
        tables["point"] = _good_points(path, len(columns))
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return _write(path, out, tables, columns, digest)
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"{path}: cannot be recovered into {out}: {error}; choose another folder with -o") from error


def _good_rows(path: Path) -> _Tables:
    """Return the rows with a good checksum of every table but the points, by row id."""
    layouts = {table: column_kinds(table) for table in table_statements(()) if table != "point"}
    checks = {table: RowChecksum(table).of for table in layouts}
    found: _Tables = {table: {} for table in layouts}
    for row_id, raw in raw_rows(path):
        for table, kinds in layouts.items():
            if len(raw) == len(kinds) + 1:
                # the number of a row is not stored twice, and a REAL without fraction is stored as an integer
                row = [
                    row_id if kind == "KEY" else float(value) if kind == "REAL" and isinstance(value, int) else value
                    for kind, value in zip(kinds, raw, strict=False)
                ]
                if checks[table](row) == raw[-1]:
                    found[table][row_id] = [*row, raw[-1]]
    return found


def _good_points(path: Path, columns: int) -> dict[int, list[Any]]:
    check = RowChecksum("point").of
    found: dict[int, list[Any]] = {}
    for row_id, raw in raw_rows(path):
        if len(raw) == columns + 3:
            row = [row_id, *raw[1:-1]]
            if check(row) == raw[-1]:
                found[row_id] = [*row, raw[-1]]
    return found


def _columns(path: Path, tables: _Tables) -> tuple[Column, ...]:
    """Check the header, fill in what can be done without, and return the data columns."""
    header = {str(row[0]): parse_json(path, row[1]) for row in tables["run"].values()}
    if "columns" not in header or "run_id" not in header:
        raise StoreError(
            f"{path}: cannot be recovered: its header is lost, or it was made with schema 1, whose rows have no"
            " checksums; take a copy from a backup"
        )
    for key, value in _DEFAULTS.items():
        if key not in header:
            tables["run"][-len(header)] = insertion("run", (key, to_json(value)))[1]
            header[key] = value
    checked = checked_header(path, [(row[0], row[1]) for row in tables["run"].values()])
    return tuple(Column(name, unit) for name, unit in checked["columns"])


def _write(path: Path, out: Path, tables: _Tables, columns: tuple[Column, ...], digest: str) -> Recovered:
    points = len(tables["point"])
    lost = _known_points(path, tables) - points
    header = {str(row[0]): parse_json(path, row[1]) for row in tables["run"].values()}
    run_id = f"{header['run_id']}-recovered"
    header.update(run_id=run_id, recovered_from={"file": path.name, "sha256": digest, "lost_points": lost})
    tables["run"] = {n: insertion("run", (key, to_json(value)))[1] for n, (key, value) in enumerate(header.items())}
    del tables["seal"]
    utc = utc_now()
    if not tables["segment"]:
        tables["segment"][1] = insertion("segment", (1, "start", utc, "", 0, "", "", 0.0, None))[1]
    message = f"recovered from {path.name}: {points} points are whole, {lost} are known to be lost"
    last_event = max(tables["event"], default=0) + 1
    times = (_latest(tables, 2) or 0.0, _latest(tables, 3))
    tables["event"][last_event] = insertion("event", (last_event, utc, *times, points, "recovered", message))[1]
    out.mkdir(parents=True, exist_ok=True)
    target = out / f"{run_id}{SUFFIX}"
    try:
        target.open("xb").close()
    except FileExistsError:
        raise StoreError(f"{target}: exists already; choose another folder with -o or remove it first") from None
    try:
        with closing(connect(target)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            create_tables(connection, columns)
            for table, rows in tables.items():
                for row_id in sorted(rows):
                    marks = ", ".join("?" * len(rows[row_id]))
                    connection.execute(f"INSERT INTO {table} VALUES ({marks})", rows[row_id])  # noqa: S608 - our names
            connection.execute("COMMIT")
            connection.execute("PRAGMA journal_mode = DELETE").fetchall()
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return Recovered(target, points, lost, {table: len(rows) for table, rows in tables.items()})


def _latest(tables: _Tables, place: int) -> float | None:
    """Return the latest time in a column of events and progress."""
    times = [row[place] for table in ("event", "progress") for row in tables[table].values()]
    return max((time for time in times if isinstance(time, float)), default=None)


def _known_points(path: Path, tables: _Tables) -> int:
    """Return how many points the damaged file is known to have had."""
    known = [0, *tables["point"]]
    known += [int(str(row[4])) for table in ("event", "progress") for row in tables[table].values()]
    known += [int(parse_json(path, row[8]).get("point", 0)) for row in tables["seal"].values()]
    return max(known)
