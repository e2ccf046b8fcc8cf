"""Rows of a run file by their numbers, so that a long or growing run is read in slices and no row twice.

Not here: what the rows mean (:mod:`labctl.analysis.die_maps`, :mod:`labctl.analysis.cell_history`).
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from labctl.store import Run
from labctl.store.columns import Column
from labctl.store.connection import connect_to_read, unreadable
from labctl.store.fetch import gather

__all__ = ["Rows", "RunClock", "filled", "last_row", "read_rows"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows of a run, in their order.

    Attributes
    ----------
    seqs : ndarray of int, shape (rows,)
        Their numbers, from 1.
    columns : dict of str to ndarray, shape (rows,), unit as the label says
        By label; a column with a unit is float, NaN where there is no value.
    """

    seqs: npt.NDArray[np.int64]
    columns: dict[str, npt.NDArray[Any]]


def last_row(run: Run) -> int:
    """Return the number of the last row of a run, 0 without rows.

    Parameters
    ----------
    run : Run

    Returns
    -------
    int

    Raises
    ------
    StoreError
        If the file is damaged.
    """
    with _reading(run) as connection:
        return int(connection.execute("SELECT coalesce(max(seq), 0) FROM point").fetchone()[0])


def read_rows(run: Run, labels: Sequence[str], after: int, upto: int, cell: tuple[int, int] | None = None) -> Rows:
    """Read rows of a run.

    Parameters
    ----------
    run : Run
    labels : sequence of str
        Columns that are wanted; those that the run has not are left out.
    after, upto : int
        Rows with numbers above ``after`` and not above ``upto``.
    cell : (int, int), optional
        Only rows of this row and column of the array, and not of dies that the run put in itself; the run must have
        the columns "Row" and "Column".

    Returns
    -------
    Rows

    Raises
    ------
    StoreError
        If the file is damaged.
    """
    chosen = [Column("seq", None), *(column for column in run.columns if column.name in labels)]
    # "point." because SQLite takes an unknown name in quotes for a text
    listed = ", ".join(f"point.{column.quoted}" for column in chosen)
    where, values = "seq > ? AND seq <= ?", [after, upto]
    if cell is not None:
        where, values = f'{where} AND point."Row" = ? AND point."Column" = ?', [*values, *cell]
        if any(column.name == "Die" for column in run.columns):
            where += ' AND point."Die" IS NULL'
    with _reading(run) as connection:
        cursor = connection.execute(
            f"SELECT {listed} FROM point WHERE {where} ORDER BY seq",  # noqa: S608 - quoted labels
            values,
        )
        seqs, *found = gather(cursor, chosen)
    return Rows(
        np.asarray(seqs, dtype=np.int64), {column.name: item for column, item in zip(chosen[1:], found, strict=True)}
    )


class RunClock:
    """Says when rows were measured, on the wall.

    The clock of a simulated rack runs ahead of the wall, and a run that was resumed stood still meanwhile: the marks of
    both clocks that a run file holds, about one a second, say which time was when.

    Parameters
    ----------
    run : Run

    Raises
    ------
    StoreError
        If the file is damaged.
    """

    def __init__(self, run: Run) -> None:
        with _reading(run) as connection:
            found = connection.execute(
                "SELECT instrument_s, wall_s FROM progress UNION ALL SELECT instrument_s, wall_s FROM event"
            ).fetchall()
            marks = np.array(found, dtype=float).reshape(-1, 2)
        marks = marks[np.isfinite(marks).all(axis=1)]
        self._marks = marks[np.lexsort(marks.T[::-1])]
        segments = run.segments()
        self._starts_s = np.array([float(item["wall_s"]) for item in segments])
        self._utc_s = np.array([datetime.fromisoformat(str(item["utc"])).timestamp() for item in segments])
        self._utc_s[0] = datetime.fromisoformat(str(run.header["started_utc"])).timestamp()

    def times_s(self, time_s: npt.ArrayLike, before_s: float = 0.0) -> FloatArray:
        """Return when rows were measured.

        Parameters
        ----------
        time_s : array-like, shape (rows,), unit s
            The column "Time (s)": since the run began, on the clock of the rack. NaN takes the time of the row before.
        before_s : float, unit s
            Time of the row before the first one.

        Returns
        -------
        ndarray, shape (rows,), unit s
            Seconds since 1970.
        """
        wall_s = filled(time_s, before_s)
        if self._marks.size:
            wall_s = np.interp(wall_s, np.append(0.0, self._marks[:, 0]), np.append(0.0, self._marks[:, 1]))
        of_row = np.clip(np.searchsorted(self._starts_s, wall_s, side="right") - 1, 0, None)
        return np.asarray(self._utc_s[of_row] + wall_s - self._starts_s[of_row])


def filled(time_s: npt.ArrayLike, before_s: float = 0.0) -> FloatArray:
    """Give rows without a time that of the row before.

    Parameters
    ----------
    time_s : array-like, shape (rows,), unit s
    before_s : float, unit s
        Time of the row before the first one.

    Returns
    -------
    ndarray, shape (rows,), unit s
    """
    times_s = np.append(before_s, np.asarray(time_s, dtype=float))
    place = np.maximum.accumulate(np.where(np.isfinite(times_s), np.arange(times_s.size), 0))
    return np.asarray(times_s[place][1:])


@contextmanager
def _reading(run: Run) -> Iterator[sqlite3.Connection]:
    try:
        with closing(connect_to_read(run.path)) as connection:
            yield connection
    except (sqlite3.Error, ValueError, TypeError, OverflowError) as error:
        raise unreadable(run.path, error) from error
