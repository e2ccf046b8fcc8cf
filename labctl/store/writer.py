"""Writing a run file: points, intents, arrays, events and the seal.

Not here: when waiting points are committed (:mod:`labctl.store.commit`), how a segment begins
(:mod:`labctl.store.segments`), reading (:mod:`labctl.store.reader`).
"""

import contextlib
import re
import secrets
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from numpy.typing import ArrayLike

from labctl.errors import StoreError
from labctl.store.blob import packed
from labctl.store.columns import Cell, Column, RowMaker, parse_columns
from labctl.store.commit import GroupCommit
from labctl.store.connection import ballast_of, end_log, opened
from labctl.store.local import why_not_local
from labctl.store.plain import plain, to_json
from labctl.store.reader import Run
from labctl.store.schema import SCHEMA_VERSION, SUFFIX, RunHeader, create_tables, insert_point, insertion
from labctl.store.seal import ENDED, write_seal
from labctl.store.segments import Beginning, begin_again, begin_segment, refuse_to_resume, utc_now
from labctl.store.spool import deliver, fetch, lay_out, root_of, working_folder
from labctl.store.verify import verify_run

__all__ = ["RunWriter"]

_PROCEDURE = re.compile(r"(system\.)?[a-z][a-z0-9_]{0,63}")


class RunWriter:
    """The writer of one run file. Made by :meth:`create` or :meth:`resume`; ended by :meth:`seal`, or :meth:`close`.

    A point counts as stored when :attr:`acknowledged` has reached it, and then survives the end of the process and a
    power failure. Beside the file lies a little ballast, given up when the disk is full to make room for the seal.
    """

    def __init__(
        self,
        path: Path,
        connection: sqlite3.Connection,
        columns: Sequence[Column],
        beginning: Beginning,
        instrument_clock: Callable[[], float] | None,
        durable_intents: bool,
    ) -> None:
        self.path = path
        self.run_id = path.name.removesuffix(SUFFIX)
        self.percent: float | None = None
        self._ballast = ballast_of(path)
        self._beginning = beginning
        self._start_s = time.monotonic()
        self._instrument_clock = instrument_clock
        self._instrument_start_s = instrument_clock() if instrument_clock else 0.0
        self._durable_intents = durable_intents
        self._rows = RowMaker(columns)
        self._last = {table: beginning.rows.get(table, 0) for table in ("event", "progress", "intent")}
        self._last_intent = beginning.last_intent
        self._dims = dict(beginning.dims)
        self._array_names = set(beginning.arrays)
        # where the file belongs when it has grown in the spool
        self._home: Path | None = None
        self._group = GroupCommit(connection, path, insert_point(columns), self._mark, beginning.points)

    @classmethod
    def create(
        cls,
        data_root: Path,
        header: RunHeader,
        *,
        instrument_clock: Callable[[], float] | None = None,
        durable_intents: bool = True,
    ) -> "RunWriter":
        """Make a new run file in a folder.

        Parameters
        ----------
        data_root : Path
            Made if it does not exist.
        header : RunHeader
        instrument_clock : callable, optional
            Gives the time of the rack, unit s; without it the instrument time is unknown.
        durable_intents : bool
            False for a rack that dies with this process: an intent then need not outlive a power failure.

        Returns
        -------
        RunWriter

        Raises
        ------
        StoreError
            If a column or the procedure's name is refused, or the folder cannot be written.
        """
        if not _PROCEDURE.fullmatch(header.procedure):
            rule = "a procedure's name is like read_array (a-z, 0-9, _), a published system's like system.ecram"
            raise StoreError(f"run file: {rule}, got {header.procedure!r}")
        columns = parse_columns(header.columns)
        stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        beginning = Beginning(instrument_s=0.0 if instrument_clock else None)
        folder, why = working_folder(data_root)
        try:
            lay_out(folder, data_root)
            while True:
                path = folder / f"{stamp}-{header.procedure}-{secrets.token_hex(2)}{SUFFIX}"
                with contextlib.suppress(FileExistsError):
                    path.open("xb").close()
                    break
            with opened(path, is_new=True) as connection:
                create_tables(connection, columns)
                utc = utc_now()
                _write_header(connection, header, path.name.removesuffix(SUFFIX), columns, utc)
                begin_segment(connection, beginning, utc)
            writer = cls(path, connection, columns, beginning, instrument_clock, durable_intents)
        except (OSError, sqlite3.Error) as error:
            raise StoreError(
                f"{folder}: no run file can be made here: {error}; choose another data root with -o or LABCTL_DATA_ROOT"
            ) from error
        writer._belongs_to(data_root, why)
        return writer

    @classmethod
    def resume(
        cls, path: Path, *, instrument_clock: Callable[[], float] | None = None, durable_intents: bool = True
    ) -> "RunWriter":
        """Go on with a run that was interrupted, failed or was aborted, in a new segment of its file.

        Parameters
        ----------
        path : Path
            The run file.
        instrument_clock : callable, optional
            As in :meth:`create`.
        durable_intents : bool
            As in :meth:`create`.

        Returns
        -------
        RunWriter
            Its times go on from where the last segment ended, plus the time that has passed since by UTC.

        Raises
        ------
        StoreError
            If the run finished, is still running, is damaged, was recovered with losses or was made with schema 1, or
            its file cannot be written.
        """
        columns = _columns_to_resume(path)
        root = root_of(path)
        path = fetch(path)
        try:
            with opened(path, is_new=False) as connection:
                beginning = begin_again(connection, utc_now(), str(path))
            writer = cls(path, connection, columns, beginning, instrument_clock, durable_intents)
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"{path}: the run cannot be resumed: {error}; make room or choose a copy") from error
        writer._belongs_to(root, why_not_local(root.absolute()))
        if beginning.clock_back_s:
            writer.event("clock", f"the clock of this computer went back by {beginning.clock_back_s:.6g} s meanwhile")
        return writer

    @property
    def segment(self) -> int:
        """Number of the segment of the file that this writer writes, from 1."""
        return self._beginning.segment

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
        """Return wall time and instrument time since the start of the run, unit s."""
        wall_s = self._beginning.wall_s + time.monotonic() - self._start_s
        if self._instrument_clock is None:
            return wall_s, None
        return wall_s, (self._beginning.instrument_s or 0.0) + self._instrument_clock() - self._instrument_start_s

    def intent(self, action: int, stimulus: Mapping[str, Cell]) -> None:
        """Write what is about to be applied; it and every point before it are in the file on return.

        Parameters
        ----------
        action : int
            The unit of work; higher than that of every intent before.
        stimulus : mapping of str to float, int, str or None

        Raises
        ------
        StoreError
            If the number is refused, or the file cannot be written: then the stimulus must not be applied.
        """
        if action <= self._last_intent:
            raise StoreError(f"intent: action {action} must be higher than the last one, {self._last_intent}")
        row = (self._next("intent"), int(action), utc_now(), *self.times(), to_json(stimulus))
        self._group.commit(insertion("intent", row), durable=self._durable_intents)
        self._last_intent = action

    def point(self, values: Mapping[str, Cell], action: int | None = None) -> None:
        """Take one point.

        Parameters
        ----------
        values : mapping of str to float, int, str or None
            By column label; NaN and a missing column are stored as "no value".
        action : int, optional
            The unit of work that it came from.

        Raises
        ------
        StoreError
            If a label or value is refused, or the file cannot be written.
        """
        self._group.add((self._rows.row(values),), action)

    def points(self, rows: Sequence[Mapping[str, Cell]], action: int | None = None) -> None:
        """Take several points at once; all of them are checked before one is taken, and all are committed together.

        Parameters
        ----------
        rows : sequence of mappings
            As :meth:`point` takes them.
        action : int, optional
            The unit of work that they came from.

        Raises
        ------
        StoreError
            If a label or value is refused, or the file cannot be written.
        """
        self._group.add([self._rows.row(values) for values in rows], action)

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
        if name in self._array_names:
            raise StoreError(f"array {name!r}: is in this run already; nothing is overwritten, choose another name")
        shape, dtype, blob, crc32 = packed(name, data, dims)
        for dim, length in zip(dims, shape, strict=True):
            if self._dims.get(dim, length) != length:
                raise StoreError(
                    f"array {name!r}: dimension {dim!r} has length {self._dims[dim]} in this run, got {length}"
                )
        row = (name, to_json(list(dims)), unit, to_json(list(shape)), dtype, blob, crc32)
        self._group.commit(insertion("array", row))
        self._array_names.add(name)
        self._dims.update(zip(dims, shape, strict=True))

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
        row = (self._next("event"), utc_now(), *self.times(), self.count, str(kind), str(message))
        self._group.commit(insertion("event", row))

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
        row = (self._beginning.segment, key, moment, *who, to_json(settings))
        self._group.commit(insertion("instrument", row))

    def flush(self) -> None:
        """Commit every point that still waits.

        Raises
        ------
        StoreError
            If the file cannot be written.
        """
        self._group.commit()

    def seal(self, status: str, results: Mapping[str, object], error: str | None = None) -> str:
        """End this segment: check the file's integrity, write end status, row counts and digests, and close it.

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
            If the file cannot be written even now (it has no seal then and reads as interrupted), or if a sealed file
            cannot be copied from the spool to its data root (it stays in the spool then, and is found there).
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
                taken = self.count
                try:
                    self._group.reopen(make_room=self._ballast.unlink)
                except StoreError as cause:
                    error = str(cause)
                    self._group.drop_waiting()
                error += f"; in the end {self.acknowledged} of {taken} points are stored"
        finally:
            connection = self._group.stop()
            try:
                if self.failure is None:
                    status = write_seal(connection, self._beginning.segment, status, utc_now(), times, figures, error)
            except (sqlite3.Error, OSError) as cause:
                raise StoreError(
                    f"{self.path}: the seal cannot be written: {cause}; the run reads as interrupted"
                ) from cause
            finally:
                end_log(connection)
                connection.close()
                self._ballast.unlink(missing_ok=True)
        if self._home is not None:
            self.path = deliver(self.path, self._home)
        return status

    def close(self) -> None:
        """Commit what can be and close without a seal: the run reads as interrupted once this process has ended."""
        with contextlib.suppress(StoreError):
            self.flush()
        connection = self._group.stop()
        end_log(connection)
        connection.close()
        self._ballast.unlink(missing_ok=True)

    def _belongs_to(self, root: Path, why: str | None) -> None:
        if why is not None:
            self._home = root
            self.event(
                "spool", f"the data root {root} is {why}: the run grows in {self.path.parent} until it is sealed"
            )

    def _next(self, table: str) -> int:
        self._last[table] += 1
        return self._last[table]

    def _mark(self, points: int) -> tuple[str, Sequence[object]]:
        return insertion("progress", (self._next("progress"), utc_now(), *self.times(), points, self.percent))


def _columns_to_resume(path: Path) -> tuple[Column, ...]:
    with Run(path) as run:
        if run.schema < SCHEMA_VERSION:
            raise StoreError(
                f"{path}: was made with schema {run.schema}, which tells no unit of work from the next;"
                " it can be read, not resumed"
            )
        if "recovered_from" in run.header:
            raise StoreError(f"{path}: was recovered from a damaged file; what was applied is not known for certain")
        # once more in the transaction; here, so that a file that is refused is not even opened for writing
        refuse_to_resume(str(path), run.segments()[-1])
        columns = run.columns
    findings = verify_run(path)
    if findings:
        raise StoreError(
            f"{path}: {findings[0].place}: {findings[0].message}; a damaged run is not resumed:"
            " see `labctl verify` and `labctl recover`"
        )
    return columns


def _write_header(
    connection: sqlite3.Connection, header: RunHeader, run_id: str, columns: Sequence[Column], utc: str
) -> None:
    facts = {
        **header.facts,
        "run_id": run_id,
        "schema": SCHEMA_VERSION,
        "procedure": header.procedure,
        "station": header.station,
        "simulated": header.simulated,
        "columns": [[column.name, column.unit] for column in columns],
        "started_utc": utc,
    }
    for key, value in facts.items():
        connection.execute(*insertion("run", (key, to_json(value))))
    for item in header.parameters:
        value = plain(item.value)
        row = (item.name, item.label, to_json(value), item.unit, item.text or str(value))
        connection.execute(*insertion("parameter", row))
