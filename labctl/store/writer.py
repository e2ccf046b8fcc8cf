"""Writing a run file: points, arrays, events and the seal.

Not here: when waiting points are committed (:mod:`labctl.store.commit`), reading (:mod:`labctl.store.reader`).
"""

import contextlib
import re
import secrets
import sqlite3
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from labctl.errors import StoreError
from labctl.store.columns import Cell, RowMaker, parse_columns
from labctl.store.commit import GroupCommit, connect
from labctl.store.plain import plain, to_json
from labctl.store.process import this_process
from labctl.store.schema import SCHEMA_VERSION, SUFFIX, RunHeader, create_tables
from labctl.store.seal import ENDED, write_seal

__all__ = ["RunWriter"]

_PROCEDURE = re.compile(r"[a-z][a-z0-9_]{0,63}")
_BALLAST_BYTES = 1024 * 1024


class RunWriter:
    """The writer of one run file. Made by :meth:`create`; ended by :meth:`seal`, or :meth:`close` without a seal.

    A point counts as stored when :attr:`acknowledged` has reached it, and then survives the end of the process and a
    power failure. Beside the file lies a little ballast, given up when the disk is full to make room for the seal.
    """

    def __init__(self, path: Path, header: RunHeader, instrument_clock: Callable[[], float] | None) -> None:
        self.path = path
        self.run_id = path.name.removesuffix(SUFFIX)
        self.percent: float | None = None
        self._ballast = path.with_name(path.name + "-ballast")
        self._start_s = time.monotonic()
        self._instrument_clock = instrument_clock
        self._instrument_start_s = instrument_clock() if instrument_clock else 0.0
        columns = parse_columns(header.columns)
        self._rows = RowMaker(columns)
        self._dims: dict[str, int] = {}
        self._array_names: set[str] = set()
        connection = connect(path)
        try:
            self._ballast.write_bytes(b"\0" * _BALLAST_BYTES)
            connection.execute("BEGIN IMMEDIATE")
            create_tables(connection, columns)
            self._write_header(connection, header, [[column.name, column.unit] for column in columns])
            connection.execute("COMMIT")
        except BaseException:
            connection.close()
            self._ballast.unlink(missing_ok=True)
            path.unlink()
            raise
        names = ", ".join(column.quoted for column in columns)
        insert = f"INSERT INTO point ({names}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608 - quoted labels
        self._group = GroupCommit(
            connection, path, insert if columns else "INSERT INTO point DEFAULT VALUES", self._mark
        )

    @classmethod
    def create(
        cls, data_root: Path, header: RunHeader, *, instrument_clock: Callable[[], float] | None = None
    ) -> "RunWriter":
        """Make a new run file in a folder.

        Parameters
        ----------
        data_root : Path
            Made if it does not exist.
        header : RunHeader
        instrument_clock : callable, optional
            Gives the time of the rack, unit s; without it the instrument time is unknown.

        Returns
        -------
        RunWriter

        Raises
        ------
        StoreError
            If a column or the procedure's name is refused, or the folder cannot be written.
        """
        if not _PROCEDURE.fullmatch(header.procedure):
            raise StoreError(f"run file: a procedure's name is like read_array (a-z, 0-9, _), got {header.procedure!r}")
        parse_columns(header.columns)
        stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        try:
            data_root.mkdir(parents=True, exist_ok=True)
            while True:
                path = data_root / f"{stamp}-{header.procedure}-{secrets.token_hex(2)}{SUFFIX}"
                with contextlib.suppress(FileExistsError):
                    path.open("xb").close()
                    break
            return cls(path, header, instrument_clock)
        except (OSError, sqlite3.Error) as error:
            raise StoreError(
                f"{data_root}: no run file can be made here: {error};"
                " choose another data root with -o or LABCTL_DATA_ROOT"
            ) from error

    @property
    def acknowledged(self) -> int:
        """Points that are committed to the disk."""
        return self._group.acknowledged

    @property
    def count(self) -> int:
        """Points taken so far."""
        return self._group.count

    @property
    def failure(self) -> str | None:
        """Why the file cannot be written any more; None while it can."""
        return self._group.failure

    def times(self) -> tuple[float, float | None]:
        """Return wall time and instrument time since the start, unit s."""
        instrument_s = self._instrument_clock() - self._instrument_start_s if self._instrument_clock else None
        return time.monotonic() - self._start_s, instrument_s

    def point(self, values: Mapping[str, Cell]) -> None:
        """Take one point.

        Parameters
        ----------
        values : mapping of str to float, int, str or None
            By column label; NaN and a missing column are stored as "no value".

        Raises
        ------
        StoreError
            If a label or value is refused, or the file cannot be written.
        """
        self._group.add((self._rows.row(values),))

    def points(self, rows: Sequence[Mapping[str, Cell]]) -> None:
        """Take several points at once; all of them are checked before one is taken.

        Parameters
        ----------
        rows : sequence of mappings
            As :meth:`point` takes them.

        Raises
        ------
        StoreError
            If a label or value is refused, or the file cannot be written.
        """
        self._group.add([self._rows.row(values) for values in rows])

    def array(self, name: str, data: ArrayLike, dims: Sequence[str], unit: str) -> None:
        """Store an array with named dimensions; it is committed on return.

        Parameters
        ----------
        name : str
            Not used before in this run.
        data : array_like, shape as ``dims`` names it, unit as ``unit`` says
            Floats, integers, booleans or text.
        dims : sequence of str
            One name per dimension; a name has the same length in all arrays of a run.
        unit : str

        Raises
        ------
        StoreError
            If one of these rules is broken, or the file cannot be written.
        """
        values = np.asarray(data)
        if values.dtype.kind not in "biufU":
            raise StoreError(f"array {name!r}: must hold real numbers, booleans or text, got {values.dtype}")
        if name in self._array_names:
            raise StoreError(f"array {name!r}: is in this run already; nothing is overwritten, choose another name")
        if len(dims) != values.ndim or len(set(dims)) != len(dims):
            raise StoreError(f"array {name!r}: needs {values.ndim} different names of dimensions, got {list(dims)}")
        for dim, length in zip(dims, values.shape, strict=True):
            if self._dims.get(dim, length) != length:
                raise StoreError(
                    f"array {name!r}: dimension {dim!r} has length {self._dims[dim]} in this run, got {length}"
                )
        stored = np.ascontiguousarray(values.astype(values.dtype.newbyteorder("<"))).tobytes()
        row = (
            name,
            to_json(list(dims)),
            unit,
            to_json(list(values.shape)),
            values.dtype.newbyteorder("<").str,
            zlib.compress(stored, 6),
            zlib.crc32(stored),
        )
        self._group.commit(("INSERT INTO array VALUES (?, ?, ?, ?, ?, ?, ?)", row))
        self._array_names.add(name)
        self._dims.update(zip(dims, values.shape, strict=True))

    def event(self, kind: str, message: str) -> None:
        """Write an event; it and every point before it are committed on return.

        Parameters
        ----------
        kind : str
            Such as ``"warning"`` or ``"error"``.
        message : str

        Raises
        ------
        StoreError
            If the file cannot be written.
        """
        row = (_utc(), *self.times(), self.count, str(kind), str(message))
        sql = "INSERT INTO event (utc, wall_s, instrument_s, points, kind, message) VALUES (?, ?, ?, ?, ?, ?)"
        self._group.commit((sql, row))

    def instrument(self, key: str, moment: str, identity: Mapping[str, str], settings: Mapping[str, object]) -> None:
        """Write who an instrument is and how it is set.

        Parameters
        ----------
        key : str
            Its name in the station.
        moment : str
            ``"start"`` or ``"end"`` of the measurement.
        identity : mapping of str to str
            ``maker``, ``model``, ``serial``, ``firmware``.
        settings : mapping of str to object

        Raises
        ------
        StoreError
            If the file cannot be written.
        """
        who = [identity.get(name) for name in ("maker", "model", "serial", "firmware")]
        self._group.commit(
            ("INSERT INTO instrument VALUES (?, ?, ?, ?, ?, ?, ?)", (key, moment, *who, to_json(settings)))
        )

    def flush(self) -> None:
        """Commit every point that still waits.

        Raises
        ------
        StoreError
            If the file cannot be written.
        """
        self._group.commit()

    def seal(self, status: str, results: Mapping[str, object], error: str | None = None) -> str:
        """End the run file: check its integrity, write its end status, row counts and digests, and close it.

        Parameters
        ----------
        status : str
            ``"finished"``, ``"failed"`` or ``"aborted"``; a run whose points could not be stored is sealed as failed.
        results : mapping of str to object
            Figures of the run.
        error : str, optional
            Why it did not finish.

        Returns
        -------
        str
            The status that was sealed.

        Raises
        ------
        StoreError
            If the file cannot be written even now; it has no seal then and reads as interrupted.
        """
        if status not in ENDED:
            raise StoreError(f"{self.run_id}: a run ends as one of {', '.join(ENDED)}, got {status!r}")
        times = self.times()
        figures = to_json(results)
        try:
            with contextlib.suppress(StoreError):
                self._group.commit(self._mark(self.count))
            if self.failure is not None:
                status, error = "failed", self.failure
                self._group.recover(make_room=self._ballast.unlink)
                error += f"; in the end {self.acknowledged} of {self.count} points are stored"
        finally:
            connection = self._group.stop()
            try:
                if self.failure is None:
                    status = write_seal(connection, status, _utc(), times, figures, error)
            except (sqlite3.Error, OSError) as cause:
                raise StoreError(
                    f"{self.path}: the seal cannot be written: {cause}; the run reads as interrupted"
                ) from cause
            finally:
                connection.close()
                self._ballast.unlink(missing_ok=True)
        return status

    def close(self) -> None:
        """Commit what can be and close without a seal: the run reads as interrupted once this process has ended."""
        with contextlib.suppress(StoreError):
            self.flush()
        self._group.stop().close()
        self._ballast.unlink(missing_ok=True)

    def _mark(self, points: int) -> tuple[str, Sequence[Cell]]:
        wall_s, instrument_s = self.times()
        sql = "INSERT INTO progress (wall_s, instrument_s, points, percent) VALUES (?, ?, ?, ?)"
        return sql, (wall_s, instrument_s, points, self.percent)

    def _write_header(self, connection: sqlite3.Connection, header: RunHeader, columns: list[list[str | None]]) -> None:
        process = this_process()
        started = _utc()
        facts = {
            **header.facts,
            "run_id": self.run_id,
            "schema": SCHEMA_VERSION,
            "procedure": header.procedure,
            "station": header.station,
            "simulated": header.simulated,
            "columns": columns,
            "started_utc": started,
        }
        connection.executemany("INSERT INTO run VALUES (?, ?)", [(key, to_json(value)) for key, value in facts.items()])
        connection.execute(
            "INSERT INTO segment (started_utc, host, pid, process) VALUES (?, ?, ?, ?)",
            (started, process.host, process.pid, process.mark),
        )
        connection.executemany(
            "INSERT INTO parameter VALUES (?, ?, ?, ?, ?)",
            [
                (item.name, item.label, to_json(plain(item.value)), item.unit, item.text or str(plain(item.value)))
                for item in header.parameters
            ],
        )


def _utc() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
