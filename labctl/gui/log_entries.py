"""The lines of the log as a Qt model, and which of them are shown.

Not here: the panel (:mod:`labctl.gui.log_panel`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, QObject, QSortFilterProxyModel, Qt
from qtpy.QtGui import QColor

from labctl.gui.theme import Theme

__all__ = ["COLUMNS", "SEVERITIES", "EntryFilter", "EntryModel", "LogEntry"]

COLUMNS = ("Time", "From", "What")
SEVERITIES = {"error": "error", "warning": "warning", "info": "note"}
_MOST = 20_000
_CUT = 2_000


@dataclass(slots=True)
class LogEntry:
    """One line of the log.

    Attributes
    ----------
    time : str
        Of day, local.
    severity : "info", "warning" or "error"
    source : str
        Who says it: "window", or a run.
    sentence : str
    details : str
        The traceback; empty without one.
    """

    time: str
    severity: str
    source: str
    sentence: str
    details: str = ""

    def as_text(self) -> str:
        """Return the line for the clipboard.

        Returns
        -------
        str
            With its details below.
        """
        line = f"{self.time}\t{SEVERITIES[self.severity]}\t{self.source}\t{self.sentence}"
        return f"{line}\n{self.details.rstrip()}" if self.details else line


class EntryModel(QAbstractTableModel):
    """The entries, oldest first; above 20,000 the oldest are dropped.

    Attributes
    ----------
    entries : list of LogEntry

    Parameters
    ----------
    theme : Theme
        For the colours of severities.
    parent : QObject, optional
    """

    def __init__(self, theme: Theme, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.entries: list[LogEntry] = []
        self._theme = theme

    def add(self, entries: Sequence[LogEntry]) -> None:
        """Add entries at the end.

        Parameters
        ----------
        entries : sequence of LogEntry
            The newest last.
        """
        if not entries:
            return
        first = len(self.entries)
        self.beginInsertRows(QModelIndex(), first, first + len(entries) - 1)
        self.entries.extend(entries)
        self.endInsertRows()
        if len(self.entries) > _MOST:
            self.beginRemoveRows(QModelIndex(), 0, _CUT - 1)
            del self.entries[:_CUT]
            self.endRemoveRows()

    def clear(self) -> None:
        """Forget all entries."""
        self.beginResetModel()
        self.entries.clear()
        self.endResetModel()

    def rowCount(self, parent: QModelIndex = QModelIndex()) -> int:  # type: ignore[override]  # noqa: B008
        """Count the entries; called by Qt."""
        return 0 if parent.isValid() else len(self.entries)

    def columnCount(self, parent: QModelIndex = QModelIndex()) -> int:  # type: ignore[override]  # noqa: B008
        """Count the columns; called by Qt."""
        return 0 if parent.isValid() else len(COLUMNS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = 0) -> Any:
        """Name a column; called by Qt."""
        is_name = orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole
        return COLUMNS[section] if is_name else None

    def data(self, index: QModelIndex, role: int = 0) -> Any:  # type: ignore[override]
        """Say what a cell shows; called by Qt."""
        entry = self.entries[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            if index.column() == 2 and entry.severity != "info":
                # a word as well as a colour: the colour alone tells some people nothing
                return f"{SEVERITIES[entry.severity].capitalize()}: {entry.sentence}"
            return (entry.time, entry.source, entry.sentence)[index.column()]
        if role == Qt.ItemDataRole.ForegroundRole:
            colours = self._theme.colours
            return QColor(colours.severity[entry.severity] if index.column() == 2 else colours.muted)
        return entry.sentence if role == Qt.ItemDataRole.ToolTipRole else None


class EntryFilter(QSortFilterProxyModel):
    """Shows the entries of chosen severities, of one source, with a text in them.

    Parameters
    ----------
    model : EntryModel
        All entries.
    parent : QObject, optional
    """

    def __init__(self, model: EntryModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._model = model
        self._severities = frozenset(SEVERITIES)
        self._source = self._text = ""
        self.setSourceModel(model)

    def choose(self, severities: frozenset[str], source: str, text: str) -> None:
        """Show what fits.

        Parameters
        ----------
        severities : frozenset of str
            Of "info", "warning", "error".
        source : str
            Empty: any.
        text : str
            In the sentence, the source or the details, in capitals or not; empty: any.
        """
        self._severities, self._source, self._text = severities, source, text.casefold()
        # invalidateFilter is deprecated in new versions of Qt, what replaces it is missing in older ones
        self.invalidate()

    def filterAcceptsRow(self, row: int, parent: QModelIndex) -> bool:  # type: ignore[override]
        """Tell whether an entry is shown; called by Qt."""
        entry = self._model.entries[row]
        return (
            entry.severity in self._severities
            and self._source in ("", entry.source)
            and self._text in f"{entry.source}\n{entry.sentence}\n{entry.details}".casefold()
        )

    def entry_at(self, row: int) -> LogEntry:
        """Return a shown entry.

        Parameters
        ----------
        row : int
            Among those that are shown.

        Returns
        -------
        LogEntry
        """
        return self._model.entries[self.mapToSource(self.index(row, 0)).row()]
