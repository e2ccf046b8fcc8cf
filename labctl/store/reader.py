"""Reading a run file, the same way while it grows, after it was sealed, and after its process was killed.

Not here: finding run files (:mod:`labctl.store.runs`) and export (:mod:`labctl.store.export`).
"""

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from labctl.errors import StoreError
from labctl.store.blob import unpacked
from labctl.store.columns import Cell, Column
from labctl.store.connection import connect_to_read, lacks_log, unreadable
from labctl.store.fetch import read_columns
from labctl.store.header import checked_header, parse_json
from labctl.store.history import History, read_history
from labctl.store.process import ProcessMark, is_alive
from labctl.store.schema import APPLICATION_ID, SCHEMA_VERSION, SUFFIX

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import xarray as xr
    from numpy.typing import NDArray

__all__ = ["MISSING_LOG", "Run"]

MISSING_LOG = "its log (the file of this name with -wal at the end) is missing, and with it what was measured last"
_SEGMENTED = 2  # the first schema with segments, intents and checksums
_FOREIGN = "SELECT type, name FROM sqlite_schema WHERE type NOT IN ('table', 'index') OR sql LIKE 'CREATE VIRTUAL%'"


class Run:
    """One run file, opened for reading only.

    Each access reads the file as it is at one moment, now. Inside ``with run:`` all of them see the file as it was at
    the start of the block, which matters for a run that is still growing.

    Parameters
    ----------
    path : Path
        The run file.

    Raises
    ------
    StoreError
        If there is no such file, it is damaged, or it is no run file of this version of labctl.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._held: sqlite3.Connection | None = None
        if not os.path.isfile(path):  # Path.is_file raises where a name is too long
            raise StoreError(f"{path}: there is no such run file")
        with self._reading() as connection:
            (application,) = connection.execute("PRAGMA application_id").fetchone()
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if application != APPLICATION_ID:
                hint = f", or {MISSING_LOG}" if lacks_log(self.path) else ""
                raise StoreError(f"{path}: is not a run file of labctl{hint}; those are named *{SUFFIX}")
            if version > SCHEMA_VERSION:
                raise StoreError(
                    f"{path}: has schema {version}, this labctl reads up to {SCHEMA_VERSION}; install a newer labctl"
                )
            if version < 1:
                raise StoreError(f"{path}: is damaged: it has schema {version}")
            # a run file has tables of rows and their indexes, nothing that acts by itself
            foreign = connection.execute(_FOREIGN).fetchone()
            if foreign is not None:
                raise StoreError(f"{path}: is no run file of labctl: it holds {foreign[0]} {foreign[1]!r}")
            rows = connection.execute("SELECT key, value FROM run").fetchall()
        self.schema = int(version)
        self.header = checked_header(path, rows)

    def __enter__(self) -> "Run":
        """Hold the file as it is now until the end of the block."""
        held = self._connect()
        held.execute("BEGIN")
        held.execute("SELECT count(*) FROM run").fetchone()  # SQLite takes the snapshot at the first read
        self._held = held
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of the file."""
        if self._held is not None:
            self._held.close()
            self._held = None

    def __repr__(self) -> str:
        """Name the run and its status."""
        return f"<Run {self.run_id} {self.status}>"

    @property
    def run_id(self) -> str:
        """The id of the run; its file may have been renamed since."""
        return str(self.header["run_id"])

    @property
    def columns(self) -> tuple[Column, ...]:
        """The data columns."""
        return tuple(Column(name, unit) for name, unit in self.header["columns"])

    @property
    def status(self) -> str:
        """One of finished, failed, aborted; without a seal running or, if its process is gone, interrupted."""
        return str(self.end()["status"])

    @property
    def point_count(self) -> int:
        """How many points there are."""
        # a recovered run has gaps; otherwise the last number is the count, and quick to find
        counted = "count(*)" if "recovered_from" in self.header else "coalesce(max(seq), 0)"
        with self._reading() as connection:
            (points,) = connection.execute(f"SELECT {counted} FROM point").fetchone()  # noqa: S608 - one of two
        return int(points)

    @cached_property
    def parameters(self) -> Mapping[str, Any]:
        """Values of the parameters by name, SI units."""
        with self._reading() as connection:
            rows = connection.execute("SELECT name, value FROM parameter ORDER BY rowid").fetchall()
        return {name: parse_json(self.path, value) for name, value in rows}

    @cached_property
    def parameter_texts(self) -> Mapping[str, str]:
        """Values of the parameters by name, as people write them, with units."""
        with self._reading() as connection:
            return dict(connection.execute("SELECT name, text FROM parameter ORDER BY rowid").fetchall())

    @property
    def instruments(self) -> Mapping[str, Mapping[str, Any]]:
        """Identity of each instrument and its ``settings`` by moment ("start", "end"), by its key in the station."""
        with self._reading() as connection:
            segment = "segment" if self.schema >= _SEGMENTED else "1"
            rows = connection.execute(
                f"SELECT {segment}, key, moment, maker, model, serial, firmware, settings"  # noqa: S608 - our names
                " FROM instrument ORDER BY rowid"
            ).fetchall()
        names = ("maker", "model", "serial", "firmware")
        found: dict[str, dict[str, Any]] = {}
        for number, key, moment, *who, settings in rows:
            entry = found.setdefault(key, {**dict(zip(names, who, strict=True)), "settings": {}})
            # the start of the first and the end of the last segment are those of the run
            name = moment if number == 1 or moment != "start" else f"resume {number}"
            entry["settings"][name] = parse_json(self.path, settings)
        return found

    @property
    def seal(self) -> Mapping[str, Any] | None:
        """The seal of the last segment: status, ``rows``, ``sha256`` per table and more; None without one."""
        seals = self._seals()
        last = self.segments()[-1]["seq"]
        return seals.get(last)

    def segments(self) -> list[dict[str, Any]]:
        """Return the segments, oldest first.

        Returns
        -------
        list of dict
            ``seq`` (from 1), ``kind`` ("start" or "resume"), ``utc``, ``host``, ``pid``, ``process``, ``boot_id``,
            ``wall_s``, ``instrument_s``, ``status`` (None: it has no seal).

        Raises
        ------
        StoreError
            If there is none, or they cannot be read.
        """
        names = ["seq", "kind", "utc", "host", "pid", "process", "boot_id", "wall_s", "instrument_s"]
        old = "seq, 'start', started_utc, host, pid, process, '', 0.0, NULL"
        chosen = ", ".join(names) if self.schema >= _SEGMENTED else old
        with self._reading() as connection:
            rows = connection.execute(f"SELECT {chosen} FROM segment ORDER BY seq").fetchall()  # noqa: S608 - our names
        if not rows:
            raise StoreError(f"{self.path}: is damaged: it does not say which process made it")
        seals = self._seals()
        found = [dict(zip(names, row, strict=True)) for row in rows]
        return [{**item, "status": seals[item["seq"]]["status"] if item["seq"] in seals else None} for item in found]

    def _seals(self) -> dict[int, dict[str, Any]]:
        with self._reading() as connection:
            cursor = connection.execute("SELECT * FROM seal ORDER BY 1")
            names = [item[0] for item in cursor.description]
            rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        found = {}
        for row in rows:
            for key in {"results", "rows", "sha256", "blocks"} & set(row):
                row[key] = parse_json(self.path, row[key])
            row.pop("_crc", None)
            # schema 1 had one segment and one seal
            found[int(row.pop("one", 0) or row["segment"])] = row
        return found

    def summary(self) -> dict[str, Any]:
        """Say in short what the run was and what came of it.

        Returns
        -------
        dict
            ``run_id``, ``procedure``, ``status``, ``station``, ``simulated``, ``started_utc``, ``wall_time_s``,
            ``instrument_time_s``, ``points``, ``segments`` (times it was begun or resumed),
            ``in_doubt`` (points that are flagged so), ``parameters``, ``results``, ``error``, ``path``.
        """
        with self._reading() as connection:
            (segments,) = connection.execute("SELECT count(*) FROM segment").fetchone()
            in_doubt = 0
            if any(column.name == "Flags" for column in self.columns):
                flagged = "SELECT count(*) FROM point WHERE point.\"Flags\" LIKE '%in_doubt%'"
                (in_doubt,) = connection.execute(flagged).fetchone()
        end = self.end()
        return {
            "run_id": self.run_id,
            "procedure": self.header["procedure"],
            "status": end["status"],
            "station": self.header["station"],
            "simulated": self.header["simulated"],
            "started_utc": self.header["started_utc"],
            "wall_time_s": end["wall_time_s"],
            "instrument_time_s": end["instrument_time_s"],
            "points": self.point_count,
            "segments": segments,
            "in_doubt": in_doubt,
            "parameters": dict(self.parameters),
            "results": end["results"],
            "error": end["error"],
            "path": str(self.path),
        }

    def history(self) -> History:
        """Return what the run did, by its units of work, to go on from there.

        Returns
        -------
        History

        Raises
        ------
        StoreError
            If a point or an intent is damaged, or the file has schema 1, which knows no units of work.
        """
        if self.schema < _SEGMENTED:
            raise StoreError(f"{self.path}: has schema {self.schema}, which tells no unit of work from the next")
        with self._reading() as connection:
            return read_history(self.path, connection, self.columns)

    def cells_after(self, seq: int) -> set[tuple[int, int]]:
        """Return the cells that points name.

        Parameters
        ----------
        seq : int
            Only points after the one of this number count.

        Returns
        -------
        set of (int, int)
            Row and column, from 0; none where the run has no such columns.
        """
        if not {"Row", "Column"} <= {column.name for column in self.columns}:
            return set()
        named = (
            'SELECT DISTINCT point."Row", point."Column" FROM point WHERE seq > ?'
            " AND typeof(point.\"Row\") = 'integer' AND typeof(point.\"Column\") = 'integer'"
        )
        with self._reading() as connection:
            return set(connection.execute(named, (seq,)).fetchall())

    def rows(self) -> list[tuple[Cell, ...]]:
        """Return the points as plain rows, one value per data column."""
        # "point." because SQLite takes an unknown name in quotes for a text
        names = ", ".join(f"point.{column.quoted}" for column in self.columns) or "NULL"
        with self._reading() as connection:
            return connection.execute(f"SELECT {names} FROM point ORDER BY seq").fetchall()  # noqa: S608 - quoted

    def table(self) -> "pd.DataFrame":
        """Return the points as a table.

        Returns
        -------
        pandas.DataFrame
            One row per point, ``attrs["units"]`` holds the units. Columns with a unit are floats (no value: NaN);
            the others are integers or floats where all their values are, else objects (no value: None).
        """
        import pandas as pd

        with self._reading() as connection:
            seqs, cells = read_columns(connection, self.columns)
        # only a recovered run has gaps
        whole = not seqs or seqs[-1] == len(seqs)
        index = pd.RangeIndex(1, len(seqs) + 1, name="seq") if whole else pd.Index(seqs, name="seq")
        series = {column.name: _series(cells[place], index) for place, column in enumerate(self.columns)}
        table = pd.DataFrame(series, index=index)
        table.attrs.update(units={item.name: item.unit for item in self.columns if item.unit}, run_id=self.run_id)
        return table

    def arrays(self) -> "xr.Dataset":
        """Return the arrays as one dataset; units in ``attrs["units"]`` of each.

        Returns
        -------
        xarray.Dataset

        Raises
        ------
        StoreError
            If an array's checksum is wrong.
        """
        import xarray as xr

        with self._reading() as connection:
            stored = connection.execute(
                "SELECT name, dims, unit, shape, dtype, data, crc32 FROM array ORDER BY rowid"
            ).fetchall()
        attributes = {key: self.header[key] for key in ("run_id", "procedure", "station", "simulated", "started_utc")}
        try:
            found = {
                name: xr.Variable(parse_json(self.path, dims), unpacked(name, *packed), attrs={"units": unit})
                for name, dims, unit, *packed in stored
            }
            return xr.Dataset(found, attrs=attributes)
        except (ValueError, TypeError, StoreError) as error:
            raise StoreError(f"{self.path}: {error}") from error

    def events(self) -> "pd.DataFrame":
        """Return the events, oldest first.

        Returns
        -------
        pandas.DataFrame
            Columns ``utc``, ``wall_s``, ``instrument_s``, ``points`` (taken by then), ``kind``, ``message``.
        """
        import pandas as pd

        names = ["utc", "wall_s", "instrument_s", "points", "kind", "message"]
        with self._reading() as connection:
            rows = connection.execute(f"SELECT {', '.join(names)} FROM event ORDER BY seq").fetchall()  # noqa: S608
        return pd.DataFrame(rows, columns=pd.Index(names))

    def progress(self) -> "pd.DataFrame":
        """Return the marks of progress, about one a second, oldest first.

        Returns
        -------
        pandas.DataFrame
            Columns ``wall_s``, ``instrument_s``, ``points``, ``percent``.
        """
        import pandas as pd

        names = ["wall_s", "instrument_s", "points", "percent"]
        with self._reading() as connection:
            rows = connection.execute(f"SELECT {', '.join(names)} FROM progress ORDER BY seq").fetchall()  # noqa: S608
        return pd.DataFrame(rows, columns=pd.Index(names))

    def end(self) -> dict[str, Any]:
        """Say how the run ended, or where it stands.

        Returns
        -------
        dict
            ``status`` (as :attr:`status`), ``wall_time_s``, ``instrument_time_s``, ``results``, ``error``; after a seal
            the rest of it too.
        """
        # aliveness first: a run that is sealed in between is found by its seal
        last = self.segments()[-1]
        # nobody measures into a recovered file, though whoever measured may still live
        process = ProcessMark(last["host"], last["pid"], last["process"])
        alive = "recovered_from" not in self.header and is_alive(process)
        seal = self.seal
        if seal is not None:
            return dict(seal)
        latest = (
            "SELECT max(wall_s), max(instrument_s) FROM"
            " (SELECT wall_s, instrument_s FROM event UNION ALL SELECT wall_s, instrument_s FROM progress)"
        )
        with self._reading() as connection:
            wall_s, instrument_s = connection.execute(latest).fetchone()
        error = None if alive else "the run has no seal: its process ended before the run did"
        # with schema 1 a run that was closed without a seal looked the same
        if not alive and self.schema >= _SEGMENTED and lacks_log(self.path):
            error = f"{error}; {MISSING_LOG}"
        return {
            "status": "running" if alive else "interrupted",
            "wall_time_s": wall_s,
            "instrument_time_s": instrument_s,
            "results": {},
            "error": error,
        }

    def _connect(self) -> sqlite3.Connection:
        return connect_to_read(self.path)

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        connection = self._held
        try:
            if connection is None:
                connection = self._connect()
                # what takes several questions is answered from one moment of a file that grows
                connection.execute("BEGIN")
            yield connection
        except (sqlite3.Error, ValueError, OverflowError) as error:  # ValueError: no UTF-8, or text among numbers
            raise unreadable(self.path, error) from error
        finally:
            if connection is not None and connection is not self._held:
                connection.close()


def _series(cells: "NDArray[np.generic]", index: "pd.Index[Any]") -> "pd.Series[Any]":
    import pandas as pd

    # the type is given: pandas would make text of a column of text and None
    return pd.Series(cells, index=index, dtype=cells.dtype, copy=False)
