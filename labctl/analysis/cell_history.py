"""The history of one cell: every pulse and reading of it, over all runs of its die.

Not here: maps of all cells (:mod:`labctl.analysis.die_state`), finding the runs (:mod:`labctl.analysis.die_index`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from labctl.analysis.die_maps import READ_AT_MOST_V
from labctl.analysis.run_rows import Rows, RunClock, read_rows
from labctl.store import Run

__all__ = ["HISTORY_COLUMNS", "CellHistory", "cell_history", "history_in_run"]

HISTORY_COLUMNS = (
    "Event",
    "Voltage (V)",
    "Width (s)",
    "Current (A)",
    "Conductance (S)",
    "Time (s)",
    "Flags",
)
_ALL = 2**62


@dataclass(frozen=True, slots=True)
class CellHistory:
    """Rows of one cell in order of time; arrays have the shape (rows,).

    Attributes
    ----------
    run_ids : ndarray of str
    seqs : ndarray of int
        Numbers of the rows in their run files.
    utc_s : ndarray, unit s
        When, seconds since 1970.
    columns : dict of str to ndarray, unit as the label says
        :data:`HISTORY_COLUMNS` by label. Numbers are NaN where there is no value; texts are None.
    """

    run_ids: npt.NDArray[Any]
    seqs: npt.NDArray[np.int64]
    utc_s: npt.NDArray[np.float64]
    columns: dict[str, npt.NDArray[Any]]

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.seqs)

    @property
    def is_pulse(self) -> npt.NDArray[np.bool_]:
        """Rows that drove the cell: they have a width, or a voltage above that of a reading."""
        voltage_v = np.abs(self.columns["Voltage (V)"])
        return np.asarray(np.isfinite(self.columns["Width (s)"]) | (voltage_v > READ_AT_MOST_V))


def cell_history(runs: Iterable[Run], cell: tuple[int, int]) -> CellHistory:
    """Collect the history of a cell.

    Parameters
    ----------
    runs : iterable of Run
        Of the cell's die, in any order.
    cell : (int, int)
        Row and column, from 0.

    Returns
    -------
    CellHistory
        Run after run as they began, within a run in the order of its rows.

    Raises
    ------
    StoreError
        If a file is damaged.
    """
    ordered = sorted(runs, key=lambda run: str(run.header["started_utc"]))
    parts = [history_in_run(run, cell) for run in ordered]
    return CellHistory(
        np.concatenate([np.empty(0, dtype="U1"), *(part.run_ids for part in parts)]),
        np.concatenate([np.empty(0, dtype=np.int64), *(part.seqs for part in parts)]),
        np.concatenate([np.empty(0), *(part.utc_s for part in parts)]),
        {
            label: np.concatenate([np.empty(0, dtype=_kind(label)), *(part.columns[label] for part in parts)])
            for label in HISTORY_COLUMNS
        },
    )


def history_in_run(run: Run, cell: tuple[int, int], after: int = 0, upto: int = _ALL) -> CellHistory:
    """Collect the rows of a cell in one run.

    Parameters
    ----------
    run : Run
    cell : (int, int)
        Row and column, from 0.
    after, upto : int
        Rows with numbers above ``after`` and not above ``upto``.

    Returns
    -------
    CellHistory
        Empty where the run has no columns "Row" and "Column".

    Raises
    ------
    StoreError
        If the file is damaged.
    """
    names = {column.name for column in run.columns}
    rows = Rows(np.empty(0, dtype=np.int64), {})
    if {"Row", "Column"} <= names:
        rows = read_rows(run, HISTORY_COLUMNS, after, upto, cell)
    count = rows.seqs.size
    columns = {label: _as(label, rows.columns.get(label), count) for label in HISTORY_COLUMNS}
    utc_s = RunClock(run).times_s(columns["Time (s)"]) if count else np.empty(0)
    return CellHistory(np.full(count, run.run_id), rows.seqs, utc_s, columns)


def _kind(label: str) -> Any:
    return np.float64 if label.endswith(")") else np.object_


def _as(label: str, values: npt.NDArray[Any] | None, count: int) -> npt.NDArray[Any]:
    kind = _kind(label)
    if values is None:
        return np.full(count, np.nan if kind is np.float64 else None, dtype=kind)
    return values.astype(kind)
