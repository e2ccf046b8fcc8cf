"""The table of runs: thousands of entries, no widget per row. Not here: where they come from, the columns."""

from collections.abc import Collection, Iterable
from typing import Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt
from qtpy.QtGui import QColor

from labctl.gui.browser.run_columns import COLUMNS
from labctl.gui.theme import Theme
from labctl.store.run_entry import RunEntry

__all__ = ["RunTable"]

_Index = QModelIndex | QPersistentModelIndex
_NOWHERE = QModelIndex()
_FEW = 200


class RunTable(QAbstractTableModel):
    """Entries of the catalogue, of which those that a filter names are shown, sorted.

    Parameters
    ----------
    theme : Theme
        Colours of the statuses.
    parent : QObject, optional

    Attributes
    ----------
    known : dict of str to RunEntry
        All entries by the name of their file.
    """

    def __init__(self, theme: Theme, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.known: dict[str, RunEntry] = {}
        self._theme = theme
        self._column, self._falls = 0, True
        self._shown: list[str] = []
        theme.changed.connect(self._recolour)

    def take(self, entries: Iterable[RunEntry], gone: Iterable[str] = ()) -> None:
        """Take new and changed entries into ``known``; :meth:`arrange` shows them.

        Parameters
        ----------
        entries : iterable of RunEntry
        gone : iterable of str
            Names of files that are not there any more.
        """
        for name in gone:
            self.known.pop(name, None)
        for entry in entries:
            self.known[entry.name] = entry

    def forget(self) -> None:
        """Forget all entries."""
        self.known.clear()

    def arrange(self, wanted: Collection[str] | None) -> None:
        """Show what is known now, sorted.

        Parameters
        ----------
        wanted : collection of str or None
            Names of the files to show; None: all.
        """
        self._show(self._sorted(self.known if wanted is None else [name for name in wanted if name in self.known]))

    def entry(self, row: int) -> RunEntry:
        """Return the entry of a row.

        Parameters
        ----------
        row : int

        Returns
        -------
        RunEntry
        """
        return self.known[self._shown[row]]

    def row_of(self, name: str) -> int | None:
        """Return the row of a file; None where it is not shown.

        Parameters
        ----------
        name : str

        Returns
        -------
        int or None
        """
        return self._shown.index(name) if name in self._shown else None

    def rowCount(self, parent: _Index = _NOWHERE) -> int:  # noqa: N802, RUF100
        """Return how many runs are shown; called by Qt."""
        return 0 if parent.isValid() else len(self._shown)

    def columnCount(self, parent: _Index = _NOWHERE) -> int:  # noqa: N802, RUF100
        """Return how many columns there are; called by Qt."""
        return 0 if parent.isValid() else len(COLUMNS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = 0) -> Any:  # noqa: N802, RUF100
        """Return heading and tooltip of a column; called by Qt."""
        if orientation == Qt.Orientation.Horizontal:
            if role == Qt.ItemDataRole.DisplayRole:
                return COLUMNS[section].heading
            if role == Qt.ItemDataRole.ToolTipRole:
                return f"{COLUMNS[section].help}; click to sort"
        return None

    def data(self, index: _Index, role: int = 0) -> Any:
        """Return words, colour, tooltip or place of a cell; called by Qt."""
        if not index.isValid() or index.row() >= len(self._shown):
            return None
        column = COLUMNS[index.column()]
        entry = self.entry(index.row())
        if role == Qt.ItemDataRole.DisplayRole:
            return column.words(entry)
        if role == Qt.ItemDataRole.ToolTipRole:
            return _tooltip(entry)
        if role == Qt.ItemDataRole.ForegroundRole and column.heading in {"Status", "Bench"}:
            colours = self._theme.colours
            if column.heading == "Bench":
                return QColor(colours.on_simulated) if entry.simulated else None
            return QColor(colours.status.get(entry.status, colours.severity["error"]))
        if role == Qt.ItemDataRole.BackgroundRole and column.heading == "Bench" and entry.simulated:
            return QColor(self._theme.colours.simulated)
        if role == Qt.ItemDataRole.TextAlignmentRole and column.is_number:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        return None

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column; called by Qt when a heading is clicked."""
        if not 0 <= column < len(COLUMNS):
            return
        self._column, self._falls = column, order == Qt.SortOrder.DescendingOrder
        self.layoutAboutToBeChanged.emit()
        held = self.persistentIndexList()
        names = [self._shown[index.row()] for index in held]
        self._shown = self._sorted(self._shown)
        places = {name: row for row, name in enumerate(self._shown)}
        moved = [self.index(places[name], index.column()) for name, index in zip(names, held, strict=True)]
        self.changePersistentIndexList(held, moved)
        self.layoutChanged.emit()

    def _sorted(self, names: Iterable[str]) -> list[str]:
        known, key = self.known, COLUMNS[self._column].key
        # what is equal is newest first
        ordered = sorted(names, key=lambda name: (known[name].started_utc, name), reverse=True)
        if self._column or not self._falls:
            ordered.sort(key=lambda name: key(known[name]), reverse=self._falls)
        return ordered

    def _show(self, names: list[str]) -> None:
        """Show these rows; selection and place on the screen stay where only some rows came or went."""
        before = self._shown
        if names[: len(before)] == before:
            if len(names) > len(before):
                self.beginInsertRows(_NOWHERE, len(before), len(names) - 1)
                self._shown = names
                self.endInsertRows()
        elif not self._step_to(names):
            self.beginResetModel()
            self._shown = names
            self.endResetModel()
        if names:
            self.dataChanged.emit(self.index(0, 0), self.index(len(names) - 1, len(COLUMNS) - 1))

    def _step_to(self, names: list[str]) -> bool:
        """Remove and insert single rows; False, and nothing done, if others change places or there are too many."""
        present, wanted = set(self._shown), set(names)
        if len(present ^ wanted) > _FEW:
            return False
        if [name for name in self._shown if name in wanted] != [name for name in names if name in present]:
            return False
        for row in range(len(self._shown) - 1, -1, -1):
            if self._shown[row] not in wanted:
                self.beginRemoveRows(_NOWHERE, row, row)
                del self._shown[row]
                self.endRemoveRows()
        for row, name in enumerate(names):
            if name not in present:
                self.beginInsertRows(_NOWHERE, row, row)
                self._shown.insert(row, name)
                self.endInsertRows()
        return True

    def _recolour(self) -> None:
        self._show(list(self._shown))


def _tooltip(entry: RunEntry) -> str:
    parts = [entry.error, entry.parameters_text.replace("; ", "\n"), entry.note]
    return "\n\n".join(part for part in (entry.run_id, *parts) if part)
