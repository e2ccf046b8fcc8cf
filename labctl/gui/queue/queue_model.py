"""The rows of the queue for a view; waiting ones can be dragged to another place.

Not here: painting the bar (:mod:`labctl.gui.queue.bar_delegate`), what a row says (:mod:`labctl.gui.queue.words`).
"""

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import QAbstractTableModel, QMimeData, QModelIndex, QObject, QPersistentModelIndex, Qt, Signal
from qtpy.QtGui import QColor

from labctl.gui.queue.queue_look import QueueLook
from labctl.gui.queue.words import MARKS, about_words, long_words, row_words, span_words, state_words
from labctl.run.queue.items import ItemState, QueueItem

__all__ = ["COLUMNS", "PERCENT_ROLE", "PROGRESS", "RUN", "RUNS", "STATE", "QueueModel"]

COLUMNS = ("State", "Run", "Times", "Progress")
STATE, RUN, RUNS, PROGRESS = range(len(COLUMNS))
PERCENT_ROLE = Qt.ItemDataRole.UserRole
_MIME = "application/x-labctl-queue-item"
_HINTS = (
    "Where the run stands",
    "Procedure and cells; below, station and what differs from the defaults, or why it did not finish",
    "How often it has finished, of how often it is to be run",
    "How far it is and about how long it still takes, on the clock on the wall",
)
Index = QModelIndex | QPersistentModelIndex


class QueueModel(QAbstractTableModel):
    """The items of a queue.

    Parameters
    ----------
    look : QueueLook
    parent : QObject, optional

    Attributes
    ----------
    dragged : Signal of int, int
        Id of an item, and the place from 1 that it was dragged to.
    """

    dragged = Signal(int, int)

    def __init__(self, look: QueueLook, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._look = look
        self.items: Sequence[QueueItem] = ()

    def take(self) -> None:
        """Show the items as they are now."""
        self.beginResetModel()
        self.items = tuple(self._look.items)
        self.endResetModel()

    def tell_progress(self) -> None:
        """Show how far the items are; they are the same."""
        if self.items:
            self.dataChanged.emit(self.index(0, 0), self.index(len(self.items) - 1, PROGRESS))

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - as Qt has it
        """Return the number of items."""
        return 0 if parent.isValid() else len(self.items)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - as Qt has it
        """Return the number of columns."""
        return 0 if parent.isValid() else len(COLUMNS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return a heading or what it means."""
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return COLUMNS[section]
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.ToolTipRole:
            return _HINTS[section]
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what a cell of the list shows."""
        item = self.items[index.row()]
        word = state_words(item, is_paused=self._look.is_paused)
        if role == Qt.ItemDataRole.DisplayRole:
            return (f"{MARKS[word]} {word}", row_words(item), f"{item.done} of {item.repeat}", self._left(item))[
                index.column()
            ]
        if role == Qt.ItemDataRole.ToolTipRole:
            return long_words(item)
        if role == Qt.ItemDataRole.AccessibleTextRole and index.column() == STATE:
            return word
        if role == Qt.ItemDataRole.ForegroundRole and index.column() == STATE:
            colours = self._look.desk.theme.colours.status
            return QColor(colours.get(word, colours["running"]))
        if role == PERCENT_ROLE and index.column() == PROGRESS and item.state is ItemState.RUNNING:
            return self._percent()
        return None

    def flags(self, index: Index) -> Qt.ItemFlag:
        """Return what can be done with a cell of the list; between the rows one can drop."""
        if not index.isValid():
            return Qt.ItemFlag.ItemIsDropEnabled
        flags = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemNeverHasChildren
        is_waiting = self.items[index.row()].state is ItemState.WAITING
        return flags | Qt.ItemFlag.ItemIsDragEnabled if is_waiting else flags

    def supportedDropActions(self) -> Qt.DropAction:
        """Return that items can be moved."""
        return Qt.DropAction.MoveAction

    def mimeTypes(self) -> list[str]:
        """Return what can be dropped: an item of this list."""
        return [_MIME]

    def mimeData(self, indexes: Sequence[QModelIndex]) -> QMimeData:
        """Return the item that is dragged."""
        dragged = QMimeData()
        dragged.setData(_MIME, str(self.items[indexes[0].row()].id).encode("ascii"))
        return dragged

    def dropMimeData(self, data: QMimeData | None, action: Qt.DropAction, row: int, column: int, parent: Index) -> bool:
        """Ask for the move; the row itself moves when the queue has changed."""
        if data is None or not data.hasFormat(_MIME):
            return False
        id = int(bytes(data.data(_MIME).data()).decode("ascii"))
        here = next((place for place, item in enumerate(self.items) if item.id == id), None)
        if here is None:
            return False
        target = len(self.items) if row < 0 else row
        self.dragged.emit(id, target if here < target else target + 1)
        # False: the view must not take the row out by itself
        return False

    def _percent(self) -> float | None:
        return None if self._look.mark is None else self._look.mark.percent

    def _left(self, item: QueueItem) -> str:
        left_s = self._look.progress.items_s.get(item.id)
        if item.state is ItemState.WAITING:
            return "length unknown" if left_s is None else about_words(left_s)
        if item.state is ItemState.RUNNING:
            percent = self._percent()
            done = "" if percent is None else f"{percent:.0f} %, "
            # the time is that of all repetitions, the percentage that of this one
            left = "left" if item.repeat - item.done == 1 else "in all"
            return f"{done}time left unknown" if left_s is None else f"{done}{span_words(left_s)} {left}"
        taken_s = [attempt.wall_time_s for attempt in item.attempts if attempt.wall_time_s is not None]
        return f"took {span_words(sum(taken_s))}" if taken_s else ""
