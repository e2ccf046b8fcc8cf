"""The points of a run in sight, as a table model that holds only the pages which were looked at last.

Not here: the view (:mod:`labctl.gui.plots.long_table`), reading pages (:mod:`labctl.store.following`).
"""

from collections import OrderedDict
from typing import Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt

from labctl.errors import StoreError
from labctl.gui.feed import RunFeed
from labctl.gui.plots.quantity_axis import written

__all__ = ["PAGE_ROWS", "TableModel"]

PAGE_ROWS = 256
_PAGES = 64
_NO_PARENT = QModelIndex()
_RIGHT = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
_LEFT = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
_Index = QModelIndex | QPersistentModelIndex


class TableModel(QAbstractTableModel):
    """A few consecutive rows of the table of all points: to Qt these are all there are.

    Row ``n`` of the whole table is the point of number ``n + 1``; numbers that a recovered run lost stay empty.

    Parameters
    ----------
    feed : RunFeed
    parent : QObject, optional

    Attributes
    ----------
    total : int
        Rows of the whole table.
    first : int
        The first row in sight, from 0.
    """

    def __init__(self, feed: RunFeed, parent: Any = None) -> None:
        super().__init__(parent)
        self._feed = feed
        self.total = self.first = 0
        self._fitting = 1
        self._pages: OrderedDict[int, list[tuple[Any, ...] | None]] = OrderedDict()
        self._labels = [column.name for column in feed.columns]
        self._has_unit = [column.unit is not None for column in feed.columns]
        self.failure = ""

    def rowCount(self, parent: _Index = _NO_PARENT) -> int:
        """Return how many rows are in sight, as Qt asks for it."""
        return 0 if parent.isValid() else min(self._fitting, self.total - self.first)

    def columnCount(self, parent: _Index = _NO_PARENT) -> int:
        """Return how many columns there are, as Qt asks for it."""
        return 0 if parent.isValid() else len(self._labels)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> str | None:
        """Return a column's label or a point's number, as Qt asks for it."""
        if role == Qt.ItemDataRole.ToolTipRole and orientation == Qt.Orientation.Vertical:
            return "Number of the point"
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        return self._labels[section] if orientation == Qt.Orientation.Horizontal else str(self.first + section + 1)

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what stands in a cell, as Qt asks for it; the tooltip has all digits."""
        if not index.isValid():
            return None
        place = index.column()
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return self.alignment(place)
        if role == Qt.ItemDataRole.DisplayRole:
            return self.text(self.first + index.row(), place)
        if role == Qt.ItemDataRole.ToolTipRole:
            value = self.value(self.first + index.row(), place)
            return "" if value is None else str(value)
        return None

    def text(self, row: int, column: int) -> str:
        """Return what stands in a cell.

        Parameters
        ----------
        row, column : int
            From 0, of the whole table.

        Returns
        -------
        str
            With unit; empty where there is no value.
        """
        value = self.value(row, column)
        if value is None:
            return ""
        return written(value, self._labels[column], 6) if self._has_unit[column] else str(value)

    def alignment(self, column: int) -> int:
        """Tell on which side the text of a column stands.

        Parameters
        ----------
        column : int
            From 0.

        Returns
        -------
        int
            Flags of Qt.
        """
        return _RIGHT if self._has_unit[column] else _LEFT

    def value(self, row: int, column: int) -> Any:
        """Return a value.

        Parameters
        ----------
        row, column : int
            From 0, of the whole table.

        Returns
        -------
        float, int, str or None
            Unit as the column's label says; None where there is no value.
        """
        page = self._page(row // PAGE_ROWS)
        place = row % PAGE_ROWS
        cells = page[place] if place < len(page) else None
        if cells is None:
            return None
        value = cells[column]
        return None if isinstance(value, float) and value != value else value

    def grow(self, rows: int) -> None:
        """Take notice of new points.

        Parameters
        ----------
        rows : int
            Number of the last point.
        """
        if rows <= self.total:
            return
        # the last page was not full
        self._pages.pop(self.total // PAGE_ROWS, None)
        in_sight = self.rowCount()
        fresh = min(self._fitting, rows - self.first) - in_sight
        if fresh > 0:
            self.beginInsertRows(_NO_PARENT, in_sight, in_sight + fresh - 1)
        self.total = rows
        if fresh > 0:
            self.endInsertRows()

    def look_at(self, first: int, fitting: int) -> None:
        """Bring other rows into sight.

        Parameters
        ----------
        first : int
            The first of them, from 0; fewer than ``total``.
        fitting : int
            How many fit, at least 1; there may be fewer.
        """
        before, after = self.rowCount(), min(fitting, self.total - first)
        moved = first != self.first
        if after > before:
            self.beginInsertRows(_NO_PARENT, before, after - 1)
        elif after < before:
            self.beginRemoveRows(_NO_PARENT, after, before - 1)
        self.first, self._fitting = first, fitting
        if after > before:
            self.endInsertRows()
        elif after < before:
            self.endRemoveRows()
        if moved and after:
            self.dataChanged.emit(self.index(0, 0), self.index(after - 1, self.columnCount() - 1))
            self.headerDataChanged.emit(Qt.Orientation.Vertical, 0, after - 1)

    def _page(self, number: int) -> list[tuple[Any, ...] | None]:
        page = self._pages.get(number)
        if page is not None:
            self._pages.move_to_end(number)
            return page
        first = number * PAGE_ROWS + 1
        try:
            found = self._feed.follower.page(first, PAGE_ROWS)
        except StoreError as error:
            # Qt asks for each cell: it is told once, by the panel
            self.failure = str(error)
            return []
        rows = zip(*(column.tolist() for column in found.columns.values()), strict=True)
        by_number = dict(zip(found.seqs.tolist(), rows, strict=True))
        page = [by_number.get(first + place) for place in range(PAGE_ROWS)]
        if not found.is_held:
            self._pages[number] = page
        while len(self._pages) > _PAGES:
            self._pages.popitem(last=False)
        return page
