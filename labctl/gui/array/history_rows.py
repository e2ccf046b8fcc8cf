"""Rows of a cell's history as a table that grows at its end.

Not here: the history (:mod:`labctl.gui.array.cell_watch`), its plots (:mod:`labctl.gui.array.history_view`).
"""

from datetime import UTC, datetime
from typing import Any

import numpy as np
from qtpy.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt
from qtpy.QtWidgets import QWidget

from labctl.gui.array.cell_watch import CellRun, joined
from labctl.units import format_quantity

__all__ = ["COLUMNS", "EVENT", "FLAGS", "RUN", "HistoryRows"]

_Index = QModelIndex | QPersistentModelIndex

COLUMNS = (
    ("Time", "When it was measured, local time"),
    ("Run", "The procedure of the run; a double click opens it"),
    ("Event", "What was done: read, verify, set, reset, form ..."),
    ("Voltage", "Of the pulse or of the reading"),
    ("Width", "Of the pulse; empty for a reading"),
    ("Current", "Of the reading"),
    ("Conductance", "Of the reading"),
    ("Flags", "Why a value is missing or doubtful, such as overrange or compliance"),
)
_QUANTITIES = {3: ("Voltage (V)", "V"), 4: ("Width (s)", "s"), 5: ("Current (A)", "A"), 6: ("Conductance (S)", "S")}
_TIME, RUN, EVENT, FLAGS = 0, 1, 2, 7


class HistoryRows(QAbstractTableModel):
    """Rows of a history; the values stay in arrays.

    Parameters
    ----------
    parent : QWidget

    Attributes
    ----------
    runs : list of CellRun
        The oldest first.
    columns : dict of str to ndarray, shape (rows,)
        As :func:`labctl.analysis.history_pack.unpack_history` has them.
    run_of_row : ndarray of int, shape (rows,)
        Place in ``runs``.
    """

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.runs: list[CellRun] = []
        self.columns = joined([])
        self.run_of_row = np.empty(0, dtype=np.int64)
        self._shown: list[tuple[str, int, int]] = []

    def show_runs(self, runs: list[CellRun]) -> bool:
        """Show the rows of runs; where only newer ones have come, they are added at the end.

        Parameters
        ----------
        runs : list of CellRun
            The oldest first.

        Returns
        -------
        bool
            Whether there are other rows than before.
        """
        wanted = [(run.run_id, run.changes, len(run)) for run in runs]
        if wanted == self._shown:
            return False
        shown, self._shown = self._shown, wanted
        self.runs = list(runs)
        # how many runs are as they were, then one that may have grown
        same = next((place for place, pair in enumerate(zip(shown, wanted, strict=False)) if pair[0] != pair[1]), None)
        same = min(len(shown), len(wanted)) if same is None else same
        first = 0
        if same == len(shown) - 1 and same < len(wanted) and shown[same][:2] == wanted[same][:2]:
            first = shown[same][2]
        elif same != len(shown):
            same = 0
        grown = [
            {name: values[first if place == 0 else 0 :] for name, values in run.columns().items()}
            for place, run in enumerate(runs[same:])
        ]
        counts = [len(part["seq"]) for part in grown]
        of_row = np.repeat(np.arange(same, len(runs)), counts)
        is_more = bool(shown) and (same > 0 or first > 0)
        if is_more:
            start = len(self.run_of_row)
            self.beginInsertRows(QModelIndex(), start, start + sum(counts) - 1)
            self.columns = joined([self.columns, *grown])
            self.run_of_row = np.concatenate([self.run_of_row, of_row])
            self.endInsertRows()
        else:
            self.beginResetModel()
            self.columns, self.run_of_row = joined(grown), of_row
            self.endResetModel()
        return True

    def rowCount(self, parent: _Index | None = None) -> int:
        """Count the rows."""
        return 0 if parent is not None and parent.isValid() else len(self.run_of_row)

    def columnCount(self, parent: _Index | None = None) -> int:
        """Count the columns."""
        return 0 if parent is not None and parent.isValid() else len(COLUMNS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Name the columns."""
        if orientation == Qt.Orientation.Horizontal:
            if role == Qt.ItemDataRole.DisplayRole:
                return COLUMNS[section][0]
            return COLUMNS[section][1] if role == Qt.ItemDataRole.ToolTipRole else None
        return None

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Write a value."""
        column, row = index.column(), index.row()
        if role == Qt.ItemDataRole.TextAlignmentRole and column in _QUANTITIES:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        run = self.runs[self.run_of_row[row]]
        if role == Qt.ItemDataRole.ToolTipRole:
            simulated = ", simulated" if run.simulated else ""
            return f"Row {self.columns['seq'][row]:.0f} of run {run.run_id}{simulated}; a double click opens it"
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        if column in _QUANTITIES:
            name, unit = _QUANTITIES[column]
            value = self.columns[name][row]
            return "" if np.isnan(value) else format_quantity(float(value), unit, 4)
        if column == _TIME:
            return f"{datetime.fromtimestamp(self.columns['utc_s'][row], UTC).astimezone():%m-%d %H:%M:%S}"
        if column == RUN:
            return run.procedure
        return self.columns["Event" if column == EVENT else "Flags"][row]
