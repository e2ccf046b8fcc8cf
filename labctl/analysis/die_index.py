"""Which runs of a data root were made on a die, and what each said of its cells: a cache, so that a row is read once.

A run that grew is read on from where it was. Deleting the cache loses nothing. Not here: the maps of one run
(:mod:`labctl.analysis.die_state`).
"""

import contextlib
import json
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from labctl.analysis.die_maps import DieMaps
from labctl.analysis.die_pack import has_cell, pack_maps, unpack_maps
from labctl.analysis.die_state import Die, Taken, die_of, judge_cells, take_rows
from labctl.analysis.run_rows import last_row
from labctl.errors import StoreError
from labctl.home import labctl_home
from labctl.store import Run
from labctl.store.schema import SUFFIX
from labctl.store.spool import spool_of

__all__ = ["DieIndex", "DieRun"]

# what is cached, and by which rules; another number makes the cache anew
_VERSION = 3
_TABLE = (
    "CREATE TABLE IF NOT EXISTS run (path TEXT PRIMARY KEY, stamp TEXT NOT NULL, die TEXT, station TEXT, run_id TEXT,"
    " procedure TEXT, started_utc TEXT, age_s REAL, is_sealed INTEGER, maps TEXT, taken TEXT, refused TEXT)"
)


@dataclass(frozen=True, slots=True)
class DieRun:
    """One run on a die.

    Attributes
    ----------
    run_id, procedure, started_utc : str
    path : Path
    packed : dict
        What it says of the cells, as :func:`labctl.analysis.die_pack.pack_maps` gives it.
    is_sealed : bool
        Whether it has ended in order.
    last_seq : int
        Number of the last of its rows that was read.
    """

    run_id: str
    procedure: str
    started_utc: str
    path: Path
    packed: dict[str, Any]
    is_sealed: bool
    last_seq: int

    def touches(self, cell: tuple[int, int]) -> bool:
        """Tell whether the run has rows of a cell.

        Parameters
        ----------
        cell : (int, int)
            Row and column.

        Returns
        -------
        bool
        """
        return has_cell(self.packed, cell)

    def maps(self) -> DieMaps:
        """Return what it says of the cells."""
        return unpack_maps(self.packed)


class DieIndex:
    """The runs of a data root by their dies. Use as a context manager, in one thread.

    Parameters
    ----------
    root : Path
        Data root.
    """

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()
        self._file = labctl_home() / "dies" / f"{spool_of(self._root).name}.sqlite"
        self._connection = self._open()

    def __enter__(self) -> "DieIndex":
        """Be open."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the cache."""
        self._connection.close()

    def refresh(self, within_s: float = float("inf"), *, live: tuple[Path, int] | None = None) -> int:
        """Read run files that are new, and what is new in those that have changed, until time is up.

        Parameters
        ----------
        within_s : float, unit s
            A slice of rows that was begun is read to its end.
        live : (Path, int), optional
            A run that somebody else follows, and the number of the row up to which it is read here.

        Returns
        -------
        int
            How many files are left.
        """
        until_s = time.monotonic() + within_s
        stamps = self._stamps()
        known = dict(self._connection.execute("SELECT path, stamp FROM run"))
        gone = [(path,) for path in known if path not in stamps]
        self._connection.executemany("DELETE FROM run WHERE path = ?", gone)
        # the newest first: what the die is like now is known soonest
        changed = sorted((path for path, stamp in stamps.items() if known.get(path) != stamp), key=_name, reverse=True)
        is_first = True
        for number, path in enumerate(changed):
            upto = live[1] if live is not None and live[0].name == _name(path) else None
            is_whole = False
            while not is_whole:
                if not is_first and time.monotonic() >= until_s:
                    return len(changed) - number
                is_whole, is_first = self._read(path, stamps[path], upto), False
        return 0

    def find_die(self, station: str, sample: str, shape: tuple[int, int], *, bench: str | None = None) -> Die | None:
        """Find the die that was measured last on a station, else the last of that sample anywhere.

        A simulated die and a real one of the same name are different dies, and so are those of two benches.

        Parameters
        ----------
        station : str
            Name of the station.
        sample : str
            Name of the sample.
        shape : (int, int)
            Rows and columns.
        bench : str, optional
            Name of the simulated bench in process that the station has; empty: its rack is real; left out: not known.

        Returns
        -------
        Die or None
            None where there is no run on such a die.
        """
        rows = self._connection.execute(
            "SELECT die, max(CASE WHEN station = ? THEN started_utc ELSE '' END) AS here_utc FROM run"
            " WHERE die IS NOT NULL GROUP BY die ORDER BY here_utc DESC, max(started_utc) DESC",
            (station,),
        )
        for text, here_utc in rows:
            die = Die(**json.loads(text))
            # a station knows its bench by the name of a file, too
            is_there = bench is None or bench == die.bench or (bool(here_utc) and bool(bench) == die.simulated)
            if is_there and (die.sample, die.rows, die.columns) == (sample, *shape):
                return die
        return None

    def runs(self, die: Die, last: str = "") -> list[DieRun]:
        """Return the runs on a die, oldest first.

        Where a simulated die was replaced by a fresh one of the same seed, its age, which each run notes, goes back:
        the runs before are left out.

        Parameters
        ----------
        die : Die
        last : str
            Id of a run: what came after it is left out. Without such a run there is none.

        Returns
        -------
        list of DieRun
        """
        rows = self._connection.execute(
            "SELECT age_s, is_sealed, run_id, procedure, started_utc, path, maps, taken FROM run WHERE die = ?"
            " ORDER BY started_utc",
            (_text(die),),
        )
        found: list[DieRun] = []
        before_s, was_sealed = None, False
        for age_s, is_sealed, run_id, procedure, started_utc, path, packed, taken in rows:
            if age_s is not None and before_s is not None and (age_s < before_s or (age_s == before_s and was_sealed)):
                found.clear()
            before_s, was_sealed = age_s, bool(is_sealed)
            last_seq = int(json.loads(taken)["seq"])
            found.append(DieRun(run_id, procedure, started_utc, Path(path), json.loads(packed), was_sealed, last_seq))
            if run_id == last:
                return found
        return [] if last else found

    def unread(self) -> list[str]:
        """Return why files of the data root say nothing of any die, though they are named as run files are.

        Returns
        -------
        list of str
            A sentence for each damaged or foreign file.
        """
        return [
            why for (why,) in self._connection.execute("SELECT refused FROM run WHERE refused IS NOT NULL ORDER BY 1")
        ]

    def _read(self, path: str, stamp: str, upto: int | None) -> bool:
        """Read on in a run, one slice, and keep what it says, or that its file says nothing; tell if that was all."""
        # until all is read, the file counts as changed
        is_whole, values = True, [stamp, *[None] * 10]
        try:
            with Run(Path(path)) as run:
                die = die_of(run)
                if die is not None:
                    is_whole, values = self._slice(run, die, stamp, upto)
        except StoreError as error:
            values[-1] = str(error)
        with self._connection:
            self._connection.execute(
                "INSERT OR REPLACE INTO run VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", [path, *values]
            )
        return is_whole

    def _slice(self, run: Run, die: Die, stamp: str, upto: int | None) -> tuple[bool, list[Any]]:
        is_sealed = run.seal is not None
        last = last_row(run)
        end = last if upto is None else min(upto, last)
        maps, taken = self._so_far(run, die, last)
        if taken.seq < end:
            taken = take_rows(maps, run, taken, end)
        is_whole = taken.seq >= end
        if taken.seq >= last and is_sealed:
            judge_cells(maps, run, taken)
        header = run.header
        return is_whole, [
            stamp if taken.seq >= last else "",
            _text(die),
            str(header["station"]),
            run.run_id,
            str(header["procedure"]),
            str(header["started_utc"]),
            (header.get("bench") or {}).get("die_age_s") if die.simulated else None,
            is_sealed,
            json.dumps(pack_maps(maps)),
            json.dumps(asdict(taken)),
            None,
        ]

    def _so_far(self, run: Run, die: Die, last: int) -> tuple[DieMaps, Taken]:
        """Return what the rows that were read said, and how many they were."""
        found = self._connection.execute(
            "SELECT maps, taken FROM run WHERE path = ? AND run_id = ? AND die = ?",
            (str(run.path), run.run_id, _text(die)),
        ).fetchone()
        taken = Taken() if found is None else Taken(**json.loads(found[1]))
        if found is None or taken.seq > last:
            return DieMaps(die.rows, die.columns), Taken()
        return unpack_maps(json.loads(found[0])), taken

    def _stamps(self) -> dict[str, str]:
        """Return what tells a changed file, by path; one that is being resumed is in the spool too, which is newer."""
        files = {file.name: file for place in (self._root, spool_of(self._root)) for file in place.glob(f"*{SUFFIX}")}
        found = {}
        for file in files.values():
            with contextlib.suppress(OSError):
                found[str(file)] = ";".join(_stamps_of(file))
        return found

    def _open(self) -> sqlite3.Connection:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        for _ in range(2):
            connection = sqlite3.connect(self._file, timeout=10.0)
            try:
                (version,) = connection.execute("PRAGMA user_version").fetchone()
                if version != _VERSION:
                    connection.execute("DROP TABLE IF EXISTS run")
                    connection.execute(f"PRAGMA user_version = {_VERSION}")
                connection.execute(_TABLE)
            except sqlite3.DatabaseError:
                # a cache that cannot be read is made anew
                connection.close()
                self._file.unlink(missing_ok=True)
            else:
                return connection
        raise StoreError(f"{self._file}: the cache of dies cannot be made; delete this file")


def _stamps_of(file: Path) -> Iterator[str]:
    # a run that grows does so in its log
    for place in (file, file.with_name(f"{file.name}-wal")):
        if place == file or place.exists():
            status = place.stat()
            yield f"{status.st_size},{status.st_mtime_ns}"


def _name(path: str) -> str:
    return Path(path).name


def _text(die: Die) -> str:
    return json.dumps(asdict(die), sort_keys=True)
