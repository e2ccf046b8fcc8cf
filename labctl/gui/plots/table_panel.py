"""The panel with the table of all points of the run that is watched.

Not here: the pages of the table (:mod:`labctl.gui.plots.table_model`).
"""

from qtpy.QtCore import Qt, QTimer
from qtpy.QtGui import QGuiApplication, QKeySequence, QShortcut, QShowEvent
from qtpy.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSpinBox,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from labctl.gui.desk import Desk
from labctl.gui.feed import RunFeed
from labctl.gui.plots.long_table import LongTable
from labctl.gui.plots.table_model import TableModel
from labctl.gui.slots import guarded_slot

__all__ = ["TablePanel"]

_GROW_MS = 400
_MOST_COPIED = 200_000
_NOTHING = "No run is watched.\n\nStart one with the form, or open one in the list of runs: its points appear here."


class TablePanel(QWidget):
    """Table of the run that is watched.

    Parameters
    ----------
    desk : Desk
    parent : QWidget, optional

    Attributes
    ----------
    model : TableModel or None
        None while no run is watched.
    """

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.desk = desk
        self.model: TableModel | None = None
        self._feed: RunFeed | None = None
        self._told = ""
        self._make_widgets()
        self._growing = QTimer(self)
        self._growing.timeout.connect(self._grow)
        self._growing.start(_GROW_MS)
        desk.feed_changed.connect(self._watch)
        self._watch(desk.feed)

    def jump(self, number: int) -> None:
        """Show a point and select it; the tail is followed no longer.

        Parameters
        ----------
        number : int
            Of the point, from 1; beyond the last one, the last.
        """
        if self.model is None or not self.model.total:
            return
        self._follow.setChecked(False)
        row = min(number, self.model.total) - 1
        # in the middle, with what came before and after
        self.view.bar.setValue(row - self.view.bar.pageStep() // 2)
        self.view.select_row(row)

    def copy(self) -> str:
        """Put the selected rows on the clipboard, with the columns' labels, parted by tabs; all digits.

        Returns
        -------
        str
            What was copied.

        Raises
        ------
        ValueError
            If nothing is selected, or more than 200,000 rows.
        """
        rows = self.view.selected
        if self.model is None or not rows:
            raise ValueError("no row is selected: click rows, or drag over them, then copy")
        if len(rows) > _MOST_COPIED:
            raise ValueError(
                f"{len(rows)} rows are selected; at most {_MOST_COPIED} are copied: use `labctl export` for all"
            )
        columns = range(self.model.columnCount())
        lines = ["\t".join(["Point", *(str(self.model.headerData(c, Qt.Orientation.Horizontal)) for c in columns)])]
        for row in rows:
            values = [self.model.value(row, column) for column in columns]
            lines.append("\t".join([str(row + 1), *("" if value is None else str(value) for value in values)]))
        text = "\n".join(lines) + "\n"
        QGuiApplication.clipboard().setText(text)
        return text

    def showEvent(self, event: QShowEvent) -> None:
        """Take the rows that came while the table was hidden, as Qt tells it."""
        super().showEvent(event)
        self._grow()

    def _make_widgets(self) -> None:
        self._title, self._badge = QLabel(), QLabel("simulated")
        self._badge.setProperty("badge", "simulated")
        self._badge.setToolTip("These values come from a simulated bench, not from a device")
        self._number = QSpinBox()
        self._number.setMinimum(1)
        self._number.setAccessibleName("number of the point to show")
        self._number.setToolTip("Number of the point to show; Enter goes there")
        self._number.setKeyboardTracking(False)
        self._number.lineEdit().returnPressed.connect(self._go)
        label = QLabel("&Go to point")
        label.setBuddy(self._number)
        self._follow = QCheckBox("&Follow the latest")
        self._follow.setToolTip("Keep the latest point in sight while the run goes on")
        self._follow.setChecked(True)
        self._copy = QPushButton("Cop&y rows")
        self._copy.setToolTip("Copy the selected rows with all digits, for a spreadsheet (Ctrl+C)")
        self._copy.clicked.connect(self._copy_told)
        shortcut = QShortcut(QKeySequence(QKeySequence.StandardKey.Copy), self)
        shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        shortcut.activated.connect(self._copy_told)
        header = QHBoxLayout()
        header.addWidget(self._title)
        header.addWidget(self._badge)
        header.addStretch(1)
        for widget in (label, self._number, self._follow, self._copy):
            header.addWidget(widget)
        self.view = LongTable()
        self.view.setAccessibleName("points of the run")
        self.view.bar.actionTriggered.connect(self._scrolled_by_hand)
        table = QWidget()
        beside = QHBoxLayout(table)
        beside.setContentsMargins(0, 0, 0, 0)
        beside.setSpacing(0)
        beside.addWidget(self.view, 1)
        beside.addWidget(self.view.bar)
        self._nothing = QLabel(_NOTHING)
        self._nothing.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._nothing.setWordWrap(True)
        self._stack = QStackedWidget()
        self._stack.addWidget(self._nothing)
        self._stack.addWidget(table)
        layout = QVBoxLayout(self)
        layout.addLayout(header)
        layout.addWidget(self._stack, 1)

    @guarded_slot
    def _watch(self, feed: RunFeed | None) -> None:
        old, self.model = self.model, None if feed is None else TableModel(feed, self)
        self._feed = feed
        self._told = ""
        self.view.show_model(self.model)
        if old is not None:
            old.deleteLater()
        self._stack.setCurrentIndex(0 if feed is None else 1)
        self._badge.setVisible(feed is not None and feed.simulated)
        for widget in (self._number, self._follow, self._copy):
            widget.setEnabled(feed is not None)
        self._title.setText("" if feed is None else f"<b>{feed.procedure.replace('_', ' ')}</b>  {feed.title}")
        if feed is None:
            return
        metrics = self.view.fontMetrics()
        for place, column in enumerate(feed.columns):
            words = max(column.name, "−0.000000 µA" if column.unit else "overrange", key=len)
            self.view.setColumnWidth(place, metrics.horizontalAdvance(words) + 2 * metrics.averageCharWidth())
        self._grow()

    @guarded_slot
    def _grow(self) -> None:
        """Take the rows that are in the file by now; it needs not be read for that."""
        if self.model is None or self._feed is None or not self.isVisible():
            return
        before = self.model.total
        self.model.grow(max(self._feed.last_seq, self._feed.points_total))
        if self.model.total != before:
            self._number.setMaximum(max(self.model.total, 1))
            self._number.setSuffix(f" of {self.model.total}")
            self.view.fit()
            if self._follow.isChecked() and self._feed.is_live:
                self.view.bar.setValue(self.view.bar.maximum())
        if self.model.failure and self.model.failure != self._told:
            self._told = self.model.failure
            self.desk.tell("error", self._told)

    @guarded_slot
    def _scrolled_by_hand(self) -> None:
        if self.view.bar.sliderPosition() < self.view.bar.maximum():
            self._follow.setChecked(False)

    @guarded_slot
    def _go(self) -> None:
        self.jump(self._number.value())

    @guarded_slot
    def _copy_told(self) -> None:
        rows = self.copy().count("\n") - 1
        self.desk.tell("info", f"{rows} rows were copied.")
