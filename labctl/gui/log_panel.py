"""The log: what the window, the watched run and Python's log say, with filters; the newest at the bottom.

Not here: catching errors (:mod:`labctl.gui.slots`, :mod:`labctl.gui.log_records`).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtGui import QGuiApplication, QKeySequence, QShortcut
from qtpy.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHBoxLayout,
    QHeaderView,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QSplitter,
    QTableView,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from labctl.gui.desk import Desk
from labctl.gui.feed import RunFeed
from labctl.gui.log_entries import SEVERITIES, EntryFilter, EntryModel, LogEntry
from labctl.gui.log_records import LogRecord, RecordSignal
from labctl.gui.slots import guarded_slot

__all__ = ["LogPanel"]

_EVERYBODY = "everything"
# kind of an event of a run
_TRACEBACK = "traceback"
_BUTTONS = {"error": "&Errors", "warning": "&Warnings", "info": "&Notes"}


class LogPanel(QWidget):
    """What was said since the window opened.

    Attributes
    ----------
    noticed : Signal of str, str
        Severity and sentence of a warning or an error that came by Python's log, or of an error of the watched run
        while it was under way; what the desk tells is not among them.

    Parameters
    ----------
    desk : Desk
        Whose sentences are shown, and whose watched run's events.
    parent : QWidget, optional
    """

    noticed = Signal(str, str)

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.desk = desk
        self.model = EntryModel(desk.theme, self)
        self.shown = EntryFilter(self.model, self)
        # events that are already in the log, by run: a run that is opened again tells them again
        self._events_shown: dict[str, int] = {}
        self._events_told = 0
        self._feed: RunFeed | None = None
        self._build()
        self._records = RecordSignal(self)
        self._records.came.connect(self._take_record)
        desk.told.connect(self._take_told)
        desk.feed_changed.connect(self._take_feed)
        desk.theme.changed.connect(self.view.viewport().update)
        self._take_feed(desk.feed)

    def close_log(self) -> None:
        """Stop listening to Python's log."""
        self._records.close()

    def _build(self) -> None:
        self.severity_buttons = {name: QToolButton(self) for name in _BUTTONS}
        for name, button in self.severity_buttons.items():
            button.setText(_BUTTONS[name])
            button.setCheckable(True)
            button.setChecked(True)
            button.setToolTip(f"Show {_BUTTONS[name].strip('&').lower()}")
            button.toggled.connect(self._filter)
        self.source_box = QComboBox(self)
        self.source_box.addItem(_EVERYBODY, "")
        self.source_box.setToolTip("Whose lines are shown: the window's, or those of one run")
        self.source_box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.source_box.currentIndexChanged.connect(self._filter)
        self.text_edit = QLineEdit(self)
        self.text_edit.setPlaceholderText("Show lines that contain …")
        self.text_edit.setClearButtonEnabled(True)
        self.text_edit.textChanged.connect(self._filter)
        copy = QPushButton("&Copy", self)
        copy.setToolTip("Copy the selected lines, or all that are shown, with their details")
        copy.clicked.connect(self.copy)
        clear = QPushButton("C&lear", self)
        clear.setToolTip("Empty the log; the runs keep their own events")
        clear.clicked.connect(self._clear)

        self.view = QTableView(self)
        self.view.setAccessibleName("Log")
        self.view.setModel(self.shown)
        self.view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.view.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.view.setShowGrid(False)
        self.view.setWordWrap(False)
        self.view.setTabKeyNavigation(False)
        rows = self.view.verticalHeader()
        rows.setVisible(False)
        rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        rows.setDefaultSectionSize(int(self.fontMetrics().height() * 1.4))
        columns = self.view.horizontalHeader()
        columns.setStretchLastSection(True)
        columns.setHighlightSections(False)
        self.view.setColumnWidth(0, self.fontMetrics().horizontalAdvance("00:00:00 00"))
        self.view.setColumnWidth(1, self.fontMetrics().horizontalAdvance("0" * 16))
        self.view.selectionModel().selectionChanged.connect(self._show_details)
        QShortcut(QKeySequence.StandardKey.Copy, self.view, self.copy)

        self.details = QPlainTextEdit(self)
        self.details.setReadOnly(True)
        self.details.setTabChangesFocus(True)
        self.details.setAccessibleName("Details of the selected line")
        self.details.hide()

        split = QSplitter(self)
        split.addWidget(self.view)
        split.addWidget(self.details)
        split.setStretchFactor(0, 3)
        split.setStretchFactor(1, 2)
        top = QHBoxLayout()
        for button in self.severity_buttons.values():
            top.addWidget(button)
        for widget in (self.source_box, self.text_edit, copy, clear):
            top.addWidget(widget, 1 if widget is self.text_edit else 0)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addLayout(top)
        layout.addWidget(split, 1)

    @guarded_slot
    def _take_told(self, severity: str, sentence: str) -> None:
        self._add([LogEntry(_now(), severity if severity in SEVERITIES else "info", "window", sentence)])

    @guarded_slot
    def _take_record(self, record: LogRecord) -> None:
        last = self.model.entries[-1] if self.model.entries else None
        if last is not None and not last.details and last.sentence == record.sentence:
            # a slot that failed has told its sentence already: this is the traceback to it
            last.details = record.details
            return
        self._add([LogEntry(_now(), record.severity, record.source, record.sentence, record.details)])
        if record.severity != "info":
            self.noticed.emit(record.severity, record.sentence)

    @guarded_slot
    def _take_feed(self, feed: RunFeed | None) -> None:
        self._feed, self._events_told = feed, 0
        if feed is not None:
            feed.events.connect(self._take_events)

    @guarded_slot
    def _take_events(self, events: Sequence[Any]) -> None:
        feed = self._feed
        if feed is None:
            return
        known = self._events_shown.get(feed.run_id, 0)
        new = events[max(0, known - self._events_told) :]
        self._events_told += len(events)
        self._events_shown[feed.run_id] = max(known, self._events_told)
        source = _short(feed.run_id) if feed.player is None else f"replay of {_short(feed.run_id)}"
        entries: list[LogEntry] = []
        for event in new:
            severity = event.kind if event.kind in SEVERITIES else "info"
            time = datetime.fromisoformat(event.utc).astimezone().strftime("%H:%M:%S")
            if event.kind == _TRACEBACK and entries and entries[-1].severity == "error":
                # it belongs to the sentence before it
                entries[-1].details = event.message
            else:
                entries.append(LogEntry(time, severity, source, event.message))
        self._add(entries)
        # of a run that is opened when it has ended no status was told yet
        if feed.status and feed.is_live and feed.player is None:
            for entry in entries:
                if entry.severity == "error":
                    self.noticed.emit("error", f"{feed.procedure} failed: {entry.sentence}")

    def _add(self, entries: Sequence[LogEntry]) -> None:
        bar = self.view.verticalScrollBar()
        at_end = bar.value() >= bar.maximum()
        self.model.add(entries)
        for source in {entry.source for entry in entries}:
            if self.source_box.findData(source) < 0:
                self.source_box.addItem(source, source)
        if at_end:
            self.view.scrollToBottom()

    @guarded_slot
    def _filter(self) -> None:
        severities = frozenset(name for name, button in self.severity_buttons.items() if button.isChecked())
        self.shown.choose(severities, str(self.source_box.currentData() or ""), self.text_edit.text())
        self.view.scrollToBottom()

    @guarded_slot
    def _clear(self) -> None:
        self.model.clear()

    @guarded_slot
    def _show_details(self) -> None:
        rows = self.view.selectionModel().selectedRows()
        self.details.setVisible(len(rows) == 1)
        if len(rows) == 1:
            entry = self.shown.entry_at(rows[0].row())
            self.details.setPlainText(f"{entry.sentence}\n\n{entry.details}".strip())

    @guarded_slot
    def copy(self) -> None:
        """Copy the selected lines, or all that are shown."""
        rows = sorted(index.row() for index in self.view.selectionModel().selectedRows())
        wanted = rows or range(self.shown.rowCount())
        clipboard = QGuiApplication.clipboard()
        if clipboard is not None:
            clipboard.setText("\n".join(self.shown.entry_at(row).as_text() for row in wanted))


def _short(run_id: str) -> str:
    """Return the name of a run without the date and the time that it begins with."""
    return run_id.split("-", 2)[-1]


def _now() -> str:
    return datetime.now().astimezone().strftime("%H:%M:%S")
