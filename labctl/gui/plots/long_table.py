"""A view of any number of rows that knows only those in sight: Qt's own lays out all of them anew for each that comes.

Not here: what stands in the rows (:mod:`labctl.gui.plots.table_model`).
"""

from qtpy.QtCore import QItemSelection, QItemSelectionModel, QRect, Qt
from qtpy.QtGui import (
    QKeyEvent,
    QKeySequence,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QResizeEvent,
    QWheelEvent,
)
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QScrollBar, QTableView, QWidget

from labctl.gui.plots.table_model import TableModel
from labctl.gui.slots import guarded_slot

__all__ = ["LongTable"]

_ONE_LINE = int(Qt.TextFlag.TextSingleLine)


class LongTable(QTableView):
    """Shows as many rows of a :class:`TableModel` as fit; one range of rows, in sight or not, can be selected.

    Parameters
    ----------
    parent : QWidget, optional

    Attributes
    ----------
    bar : QScrollBar
        Chooses the first row; it is to be laid out beside the view.
    current : int
        The row where the selection was moved to last, from 0; -1 without one.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.bar = QScrollBar(Qt.Orientation.Vertical)
        self.bar.setAccessibleName("first row in sight")
        self.bar.valueChanged.connect(self._scrolled)
        self.current = self._anchor = -1
        self._rows: TableModel | None = None
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        # Qt's selection knows only rows in sight
        self.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        vertical = _Numbers(Qt.Orientation.Vertical, self)
        self.setVerticalHeader(vertical)
        vertical.setSectionsClickable(True)
        vertical.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        vertical.setDefaultSectionSize(self.fontMetrics().height() + self.fontMetrics().height() // 3)
        vertical.sectionPressed.connect(self._number_pressed)
        vertical.sectionEntered.connect(self._number_entered)

    @property
    def selected(self) -> range:
        """Rows that are selected, from 0."""
        if self.current < 0:
            return range(0)
        return range(min(self._anchor, self.current), max(self._anchor, self.current) + 1)

    def show_model(self, model: TableModel | None) -> None:
        """Show other rows, from the first, none of them selected.

        Parameters
        ----------
        model : TableModel or None
        """
        self._rows = model
        self.setModel(model)
        self.current = self._anchor = -1
        self.fit()
        self.bar.setValue(0)

    def fit(self) -> None:
        """Take notice that there are more rows, or that there is more room."""
        if self._rows is None:
            return
        total = self._rows.total
        fitting = max(self.viewport().height() // self.verticalHeader().defaultSectionSize(), 1)
        # before the number of rows, on which Qt bases the width of the view
        self.verticalHeader().setMinimumWidth(self.fontMetrics().horizontalAdvance(f" {total:_} "))
        self.bar.setPageStep(fitting)
        self.bar.setRange(0, max(total - fitting, 0))
        self._rows.look_at(self.bar.value(), fitting)
        self._mark()

    def select_row(self, row: int, *, extend: bool = False) -> None:
        """Select a row and bring it into sight.

        Parameters
        ----------
        row : int
            From 0; beyond the ends, the first or the last.
        extend : bool
            Select all from where the selection began.
        """
        if self._rows is None or not self._rows.total:
            return
        self.current = min(max(row, 0), self._rows.total - 1)
        if not extend or self._anchor < 0:
            self._anchor = self.current
        first, page = self.bar.value(), self.bar.pageStep()
        self.bar.setValue(min(max(first, self.current - page + 1), self.current))
        self._mark()

    def selectAll(self) -> None:
        """Select all rows, as Qt asks for it."""
        if self._rows is not None and self._rows.total:
            self._anchor, self.current = 0, self._rows.total - 1
            self._mark()

    def clearSelection(self) -> None:
        """Select nothing, as Qt asks for it."""
        self.current = self._anchor = -1
        self._mark()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Show as many rows as fit, as Qt tells it."""
        super().resizeEvent(event)
        self.fit()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Scroll, as Qt tells it."""
        if event.angleDelta().y() or event.pixelDelta().y():
            self.bar.wheelEvent(event)
        else:
            super().wheelEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Select a row, as Qt tells it."""
        row = self.rowAt(event.position().toPoint().y())
        if event.button() == Qt.MouseButton.LeftButton and row >= 0:
            extend = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
            self.select_row(self.bar.value() + row, extend=extend)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Select the rows between, and scroll beyond the edges, as Qt tells it."""
        if not event.buttons() & Qt.MouseButton.LeftButton or self._anchor < 0:
            return
        y = event.position().toPoint().y()
        row = self.rowAt(y)
        if row < 0:
            row = -1 if y < 0 else self.bar.pageStep()
        self.select_row(self.bar.value() + row, extend=True)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Move the selection, as Qt tells it."""
        if event.matches(QKeySequence.StandardKey.SelectAll):
            self.selectAll()
            return
        row = self._row_of_key(event.key())
        if row is None:
            super().keyPressEvent(event)
        else:
            self.select_row(row, extend=bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the cells, as Qt asks for it: one by one, as Qt does it, they take ten times as long."""
        model, palette = self._rows, self.palette()
        painter = QPainter(self.viewport())
        if model is None:
            return
        height, width = self.verticalHeader().defaultSectionSize(), self.viewport().width()
        first, rows, chosen = model.first, model.rowCount(), self.selected
        for row in range(rows):
            if first + row in chosen:
                painter.fillRect(0, row * height, width, height, palette.highlight())
            elif (first + row) % 2:
                painter.fillRect(0, row * height, width, height, palette.alternateBase())
        bright, plain = palette.color(QPalette.ColorRole.HighlightedText), palette.color(QPalette.ColorRole.Text)
        margin = self.fontMetrics().averageCharWidth() // 2
        for column in range(model.columnCount()):
            x, wide = self.columnViewportPosition(column), self.columnWidth(column)
            if x + wide < event.rect().left() or x > event.rect().right():
                continue
            flags = model.alignment(column) | _ONE_LINE
            for row in range(rows):
                text = model.text(first + row, column)
                if text:
                    painter.setPen(bright if first + row in chosen else plain)
                    painter.drawText(QRect(x + margin, row * height, wide - 2 * margin, height), flags, text)

    def _row_of_key(self, key: int) -> int | None:
        total = self._rows.total if self._rows is not None else 0
        page = self.bar.pageStep()
        match key:
            case Qt.Key.Key_Up:
                return self.current - 1
            case Qt.Key.Key_Down:
                return self.current + 1
            case Qt.Key.Key_PageUp:
                return self.current - page
            case Qt.Key.Key_PageDown:
                return self.current + page
            case Qt.Key.Key_Home:
                return 0
            case Qt.Key.Key_End:
                return total - 1
        return None

    @guarded_slot
    def _scrolled(self, first: int) -> None:
        if self._rows is not None:
            self._rows.look_at(first, self.bar.pageStep())
            self._mark()

    @guarded_slot
    def _number_pressed(self, row: int) -> None:
        self.select_row(self.bar.value() + row)

    @guarded_slot
    def _number_entered(self, row: int) -> None:
        self.select_row(self.bar.value() + row, extend=True)

    def _mark(self) -> None:
        """Show which of the rows in sight are selected."""
        selection = self.selectionModel()
        model = self._rows
        if selection is None or model is None:
            return
        chosen, first, rows = self.selected, self.bar.value(), model.rowCount()
        low, high = max(chosen.start - first, 0), min(chosen.stop - first, rows) - 1
        marked = QItemSelection()
        if low <= high:
            marked.select(model.index(low, 0), model.index(high, model.columnCount() - 1))
        selection.select(marked, QItemSelectionModel.SelectionFlag.ClearAndSelect)
        place = self.current - first
        selection.setCurrentIndex(
            model.index(place if 0 <= place < rows else -1, 0), QItemSelectionModel.SelectionFlag.NoUpdate
        )


class _Numbers(QHeaderView):
    """The numbers beside the rows; drawn by Qt one by one they take a third of the time of a table."""

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self.viewport())
        palette, width, height = self.palette(), self.viewport().width(), self.defaultSectionSize()
        painter.fillRect(event.rect(), palette.button())
        painter.setPen(palette.color(QPalette.ColorRole.ButtonText))
        model = self.model()
        flags = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter) | _ONE_LINE
        margin = self.fontMetrics().averageCharWidth() // 2
        for row in range(self.count()):
            words = model.headerData(row, Qt.Orientation.Vertical, Qt.ItemDataRole.DisplayRole)
            painter.drawText(QRect(0, row * height, width - margin, height), flags, words)
