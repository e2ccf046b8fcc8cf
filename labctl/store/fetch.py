"""The points of a run column by column, quick for a million of them.

Not here: what a reader may ask of a run (:mod:`labctl.store.reader`).
"""

import sqlite3
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labctl.store.columns import Cell, Column, Kind, kind_of

__all__ = ["gather", "read_columns"]

# so few that the rows of a chunk stay in the processor's cache: twice as quick as 2000
_CHUNK_ROWS = 200


def read_columns(
    connection: sqlite3.Connection, columns: Sequence[Column]
) -> tuple[Sequence[int], list[NDArray[np.generic]]]:
    """Read all points.

    Parameters
    ----------
    connection : sqlite3.Connection
        In a transaction: their numbers and their values are two questions.
    columns : sequence of Column

    Returns
    -------
    tuple of sequence of int and list of ndarray
        The numbers of the points, and one array per column: with a unit float (no value: NaN), else integer or float
        where all values are, else object (no value: None).
    """
    count, last = connection.execute("SELECT count(*), max(seq) FROM point").fetchone()
    seqs: Sequence[int] = range(1, count + 1)
    if count and last != count:
        seqs = [seq for (seq,) in connection.execute("SELECT seq FROM point ORDER BY seq")]
    # "point." because SQLite takes an unknown name in quotes for a text
    names = ", ".join(f"point.{column.quoted}" for column in columns) or "NULL"
    cursor = connection.execute(f"SELECT {names} FROM point ORDER BY seq")  # noqa: S608 - quoted labels
    return seqs, gather(cursor, columns)


def gather(cursor: sqlite3.Cursor, columns: Sequence[Column]) -> list[NDArray[np.generic]]:
    """Read what a query still has to give.

    Parameters
    ----------
    cursor : sqlite3.Cursor
        Its rows have one value per column.
    columns : sequence of Column

    Returns
    -------
    list of ndarray
        One per column, as in :func:`read_columns`.

    Raises
    ------
    ValueError
        If text stands in a column with a unit.
    """
    numbers: dict[int, list[NDArray[np.generic]]] = {n: [] for n, column in enumerate(columns) if column.unit}
    others: dict[int, list[Cell]] = {n: [] for n, column in enumerate(columns) if not column.unit}
    while rows := cursor.fetchmany(_CHUNK_ROWS):
        chunk = list(zip(*rows, strict=True))
        for place, arrays in numbers.items():
            arrays.append(np.array(chunk[place], dtype=np.float64))
        for place, cells in others.items():
            cells.extend(chunk[place])
    found: dict[int, Any] = {place: np.concatenate(arrays or [np.empty(0)]) for place, arrays in numbers.items()}
    found.update((place, _array(cells)) for place, cells in others.items())
    return [found[place] for place in range(len(columns))]


def _array(cells: list[Cell]) -> NDArray[np.generic]:
    kind = kind_of(cells, None)
    if kind is Kind.FLOAT:
        return np.array(cells, dtype=np.float64)
    if kind is Kind.INT:
        return np.array(cells, dtype=np.int64)
    found = np.empty(len(cells), dtype=object)
    found[:] = cells
    return found
