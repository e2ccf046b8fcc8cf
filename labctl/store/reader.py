"""Reading a run file, the same way while it grows, after it was sealed, and after its process was killed.

Not here: finding run files (:mod:`labctl.store.runs`) and export (:mod:`labctl.store.export`).
"""

import json
import sqlite3
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from labctl.errors import StoreError
from labctl.store.columns import Cell, Column, Kind, kind_of
from labctl.store.process import ProcessMark, is_alive
from labctl.store.schema import APPLICATION_ID, SCHEMA_VERSION

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = ["Run"]


class Run:
    """One run file, opened for reading only.

    Each access reads the file as it is now. Inside ``with run:`` all of them see the file as it was at the start of the
    block, which matters for a run that is still growing.

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
        if not path.is_file():
            raise StoreError(f"{path}: there is no such run file")
        with self._reading() as connection:
            (application,) = connection.execute("PRAGMA application_id").fetchone()
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if application != APPLICATION_ID:
                raise StoreError(f"{path}: is not a run file of labctl")
            if version > SCHEMA_VERSION:
                raise StoreError(
                    f"{path}: has schema {version}, this labctl reads up to {SCHEMA_VERSION}; install a newer labctl"
                )
            rows = connection.execute("SELECT key, value FROM run").fetchall()
            process = connection.execute("SELECT host, pid, process FROM segment ORDER BY seq DESC").fetchone()
        if not rows or process is None:
            raise StoreError(f"{path}: is damaged: it does not say which run it is")
        self.header: Mapping[str, Any] = {key: json.loads(value) for key, value in rows}
        self._process = ProcessMark(*process)

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
        return str(self._end()["status"])

    @cached_property
    def parameters(self) -> Mapping[str, Any]:
        """Values of the parameters by name, SI units."""
        with self._reading() as connection:
            rows = connection.execute("SELECT name, value FROM parameter ORDER BY rowid").fetchall()
        return {name: json.loads(value) for name, value in rows}

    @cached_property
    def parameter_texts(self) -> Mapping[str, str]:
        """Values of the parameters by name, as people write them, with units."""
        with self._reading() as connection:
            return dict(connection.execute("SELECT name, text FROM parameter ORDER BY rowid").fetchall())

    @property
    def instruments(self) -> Mapping[str, Mapping[str, Any]]:
        """Identity of each instrument and its ``settings`` by moment ("start", "end"), by its key in the station."""
        with self._reading() as connection:
            rows = connection.execute("SELECT * FROM instrument ORDER BY rowid").fetchall()
        names = ("maker", "model", "serial", "firmware")
        found: dict[str, dict[str, Any]] = {}
        for key, moment, *who, settings in rows:
            entry = found.setdefault(key, {**dict(zip(names, who, strict=True)), "settings": {}})
            entry["settings"][moment] = json.loads(settings)
        return found

    @property
    def seal(self) -> Mapping[str, Any] | None:
        """The seal: status, ``rows`` and ``sha256`` per table and more; None without one."""
        with self._reading() as connection:
            cursor = connection.execute("SELECT * FROM seal")
            row = cursor.fetchone()
            if row is None:
                return None
            found = dict(zip((item[0] for item in cursor.description), row, strict=True))
        for key in ("results", "rows", "sha256"):
            found[key] = json.loads(found[key])
        return found

    def summary(self) -> dict[str, Any]:
        """Say in short what the run was and what came of it.

        Returns
        -------
        dict
            ``run_id``, ``procedure``, ``status``, ``station``, ``simulated``, ``started_utc``, ``wall_time_s``,
            ``instrument_time_s``, ``points``, ``parameters``, ``results``, ``error``, ``path``.
        """
        with self._reading() as connection:
            (points,) = connection.execute("SELECT coalesce(max(seq), 0) FROM point").fetchone()
        end = self._end()
        return {
            "run_id": self.run_id,
            "procedure": self.header["procedure"],
            "status": end["status"],
            "station": self.header["station"],
            "simulated": self.header["simulated"],
            "started_utc": self.header["started_utc"],
            "wall_time_s": end["wall_time_s"],
            "instrument_time_s": end["instrument_time_s"],
            "points": points,
            "parameters": dict(self.parameters),
            "results": end["results"],
            "error": end["error"],
            "path": str(self.path),
        }

    def rows(self) -> list[tuple[Cell, ...]]:
        """Return the points as plain rows, one value per data column."""
        names = ", ".join(column.quoted for column in self.columns) or "NULL"
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

        rows = self.rows()
        values = list(zip(*rows, strict=True)) if rows else [()] * len(self.columns)
        index = pd.RangeIndex(1, len(rows) + 1, name="seq")
        series = {
            column.name: _series(cells, column.unit, index) for column, cells in zip(self.columns, values, strict=False)
        }
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
            stored = connection.execute("SELECT * FROM array ORDER BY rowid").fetchall()
        found = {}
        for name, dims, unit, shape, dtype, data, checksum in stored:
            try:
                raw = zlib.decompress(data)
            except zlib.error as error:
                raise StoreError(f"{self.path}: array {name!r} is damaged: {error}") from error
            if zlib.crc32(raw) != checksum:
                raise StoreError(f"{self.path}: array {name!r} is damaged: its checksum is wrong")
            values = np.frombuffer(raw, dtype=np.dtype(dtype)).reshape(json.loads(shape)).copy()
            found[name] = xr.Variable(json.loads(dims), values, attrs={"units": unit})
        return xr.Dataset(
            found,
            attrs={key: self.header[key] for key in ("run_id", "procedure", "station", "simulated", "started_utc")},
        )

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

    def _end(self) -> dict[str, Any]:
        # aliveness first: a run that is sealed in between is found by its seal
        alive = is_alive(self._process)
        seal = self.seal
        if seal is not None:
            return dict(seal)
        last = (
            "SELECT max(wall_s), max(instrument_s) FROM"
            " (SELECT wall_s, instrument_s FROM event UNION ALL SELECT wall_s, instrument_s FROM progress)"
        )
        with self._reading() as connection:
            wall_s, instrument_s = connection.execute(last).fetchone()
        return {
            "status": "running" if alive else "interrupted",
            "wall_time_s": wall_s,
            "instrument_time_s": instrument_s,
            "results": {},
            "error": None if alive else "the run has no seal: its process ended before the run did",
        }

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(f"{self.path.as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=5.0)

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        connection = self._held
        try:
            connection = connection or self._connect()
            yield connection
        except sqlite3.Error as error:
            raise StoreError(f"{self.path}: cannot be read, it may be damaged: {error}") from error
        finally:
            if connection is not None and connection is not self._held:
                connection.close()


def _series(cells: Sequence[Cell], unit: str | None, index: "pd.RangeIndex") -> "pd.Series[Any]":
    import pandas as pd

    # text stays text and None stays None only in a column of objects
    dtype = {Kind.FLOAT: "float64", Kind.INT: "int64"}.get(kind_of(cells, unit), "object")
    return pd.Series(cells, index=index, dtype=dtype)
