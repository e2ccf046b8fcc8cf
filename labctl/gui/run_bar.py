"""The run that is watched, in one line: its name, how far it is, how long it will take; pause, continue, abort.

Not here: starting runs (form and queue), all outputs off (:mod:`labctl.gui.station`).
"""

import os
from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QSizePolicy, QWidget

from labctl.gui.desk import Desk
from labctl.gui.feed import RunFeed
from labctl.gui.queue.words import PAUSE_HINT
from labctl.gui.running_runs import RunningRun, RunningRuns
from labctl.gui.slots import guarded_slot
from labctl.run.mailbox import ask_run

__all__ = ["RunBar", "in_words"]

_WHO = "the window"
_LEAST_PERCENT = 1.0


class RunBar(QWidget):
    """The watched run and its buttons.

    Parameters
    ----------
    desk : Desk
    running : RunningRuns
        For a run under way that is not the one that is watched.
    parent : QWidget, optional
    """

    def __init__(self, desk: Desk, running: RunningRuns, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.desk = desk
        self._running = running
        self._feed: RunFeed | None = None
        self._asked = ""
        self.state_label = QLabel(self)
        self.name_label = QLabel(self)
        self.badge = QLabel("simulated", self)
        self.badge.setProperty("badge", "simulated")
        self.badge.setToolTip("No instrument takes part: the rack and the device are simulated")
        self.bar = QProgressBar(self)
        self.bar.setRange(0, 1000)
        self.bar.setAccessibleName("Progress of the run")
        self.left_label = QLabel(self)
        self.pause_button = QPushButton("&Pause", self)
        self.abort_button = QPushButton("&Abort", self)
        self.abort_button.setToolTip("End this run safely: outputs go off, what was measured is kept (Ctrl+.)")
        self.other_button = QPushButton(self)
        self.pause_button.clicked.connect(self.pause_or_continue)
        self.abort_button.clicked.connect(self.abort)
        self.other_button.clicked.connect(self._watch_other)
        self._build()
        self._redrawing = QTimer(self)
        self._redrawing.setInterval(250)
        self._redrawing.timeout.connect(self._draw_progress)
        desk.feed_changed.connect(self._take_feed)
        desk.theme.changed.connect(self._draw)
        running.changed.connect(self._draw)
        self._take_feed(desk.feed)

    def _build(self) -> None:
        font = self.state_label.font()
        font.setBold(True)
        self.state_label.setFont(font)
        width = self.fontMetrics().horizontalAdvance
        self.bar.setFixedWidth(width("0" * 14))
        self.left_label.setMinimumWidth(width("00:00:00 left"))
        self.name_label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(4, 0, 4, 0)
        for widget in (self.state_label, self.badge, self.name_label, self.bar, self.left_label):
            layout.addWidget(widget, 1 if widget is self.name_label else 0, Qt.AlignmentFlag.AlignVCenter)
        for button in (self.other_button, self.pause_button, self.abort_button):
            layout.addWidget(button)

    @guarded_slot
    def pause_or_continue(self) -> None:
        """Let the watched run pause, or go on."""
        self._ask("continue" if self._is_paused() else "pause")

    @guarded_slot
    def abort(self) -> None:
        """Let the watched run end safely."""
        self._ask("abort", reason="abort was pressed in the window")

    def _ask(self, what: str, **arguments: str) -> None:
        feed = self._feed
        if feed is None or not feed.is_live or feed.player is not None:
            self.desk.tell("warning", f"there is no run under way that is watched, so nothing to {what}")
            return
        ask_run(feed.follower.path, what, by=f"{_WHO} (process {os.getpid()})", **arguments)
        self._asked = what
        self._draw()

    @guarded_slot
    def _take_feed(self, feed: RunFeed | None) -> None:
        self._feed, self._asked = feed, ""
        if feed is not None:
            feed.status_changed.connect(self._take_status)
        self._draw()

    @guarded_slot
    def _take_status(self, _status: str) -> None:
        self._asked = ""
        self._draw()

    @guarded_slot
    def _watch_other(self) -> None:
        other = self._other()
        if other is not None:
            self._running.watch(other)

    def _other(self) -> RunningRun | None:
        feed = self._feed
        # of the watched run the feed knows it first when it has ended
        watched = feed.run_id if feed is not None and feed.player is None else ""
        others: Sequence[RunningRun] = [run for run in self._running.runs if run.run_id != watched]
        return others[0] if others else None

    def _is_paused(self) -> bool:
        return self._feed is not None and self._feed.status == "paused"

    @guarded_slot
    def _draw(self) -> None:
        feed, other = self._feed, self._other()
        is_live = feed is not None and bool(feed.status) and feed.is_live and feed.player is None
        for widget in (self.bar, self.left_label, self.pause_button, self.abort_button):
            widget.setVisible(is_live)
        self.other_button.setVisible(other is not None)
        if other is not None:
            self.other_button.setText(f"&Watch {other.procedure}, which is running")
            self.other_button.setToolTip(f"{other.as_words()}: {other.run_id}")
        self.badge.setVisible(feed is not None and feed.simulated)
        if feed is None:
            self.state_label.setText("No run is watched")
            self.state_label.setStyleSheet("")
            self.name_label.setText("")
        else:
            status = feed.status or "opening"
            colour = self.desk.theme.colours.status.get(status, self.desk.theme.colours.muted)
            self.state_label.setText(status.capitalize())
            self.state_label.setStyleSheet(f"color: {colour}")
            replay = "" if feed.player is None else "replay of "
            self.name_label.setText(f"{replay}{feed.procedure} on {feed.header.get('station', '')}")
            self.name_label.setToolTip(feed.title)
        self.pause_button.setText("&Continue" if self._is_paused() else "&Pause")
        self.pause_button.setToolTip("Let the run go on" if self._is_paused() else PAUSE_HINT)
        for button, asked in ((self.pause_button, ("pause", "continue")), (self.abort_button, ("abort",))):
            button.setEnabled(self._asked not in asked and self._asked != "abort")
        if self._asked:
            self.state_label.setText({"abort": "Ending …", "pause": "Pausing …"}.get(self._asked, "Going on …"))
        if is_live:
            self._redrawing.start()
        else:
            self._redrawing.stop()
        self._draw_progress()

    @guarded_slot
    def _draw_progress(self) -> None:
        mark: Any = self._feed.last_progress if self._feed is not None else None
        percent = mark.percent if mark is not None else None
        self.bar.setRange(0, 0 if percent is None else 1000)
        if percent is None:
            self.left_label.setText("")
            return
        self.bar.setValue(int(percent * 10))
        left_s = mark.wall_s * (100.0 - percent) / percent if percent >= _LEAST_PERCENT else None
        self.left_label.setText("" if left_s is None else f"{in_words(left_s)} left")


def in_words(time_s: float) -> str:
    """Write a time for people.

    Parameters
    ----------
    time_s : float, unit s
        Not negative.

    Returns
    -------
    str
        Minutes and seconds, with hours where there are any.
    """
    minutes, seconds = divmod(round(time_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
