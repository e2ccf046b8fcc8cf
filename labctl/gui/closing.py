"""Closing the window while something is under way: runs are kept running or stopped safely first, commands go on.

Not here: aborting in the run's process (:mod:`labctl.run.mailbox`).
"""

import html
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtWidgets import QMessageBox, QProgressDialog, QWidget

from labctl.errors import LabError, RunError, StoreError
from labctl.gui.desk import Desk
from labctl.gui.feed import ENDED
from labctl.gui.running_runs import run_in_words
from labctl.gui.slots import guarded_slot
from labctl.run.live import live_runs
from labctl.run.mailbox import ask_run
from labctl.run.queue.items import ItemState, QueueItem
from labctl.run.queue.schema import queue_folder
from labctl.run.queue.store import FILE_NAME, RunQueue
from labctl.store.reader import Run
from labctl.store.runs import find_run

__all__ = ["Choice", "Stopping", "UnderWay", "ask_about_commands", "ask_about_runs", "runs_under_way"]

_LOOK_MS = 100
_PATIENCE_S = 15.0


class Choice(StrEnum):
    """What is done with runs under way."""

    KEEP = "keep"
    STOP = "stop"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class UnderWay:
    """A run that the end of the window concerns.

    Attributes
    ----------
    words : str
        Procedure and station, for people.
    path : Path or None
        Its file; None: the queue is starting it.
    run_id : str
        Empty without a file.
    item : int or None
        Of the queue, where it has no file yet.
    """

    words: str
    path: Path | None
    run_id: str = ""
    item: int | None = None


def runs_under_way(desk: Desk) -> list[UnderWay]:
    """Look which runs go on now, or are being started.

    Parameters
    ----------
    desk : Desk

    Returns
    -------
    list of UnderWay
        Those of the data root, whoever began them, and the one that is watched.
    """
    found = [_of_run(run) for run in live_runs(desk.root)]
    feed = desk.feed
    if feed is not None and feed.player is None and feed.run_id not in {one.run_id for one in found}:
        # of another data root
        with suppress(StoreError):
            run = Run(feed.follower.path)
            found += [_of_run(run)] if run.status == "running" else []
    item = _item_that_starts(desk.root)
    if item is not None:
        words = run_in_words(item.procedure, item.station, simulated=bool(item.simulated))
        found.append(UnderWay(words, None, item=item.id))
    return found


def _of_run(run: Run) -> UnderWay:
    header = run.header
    words = run_in_words(str(header["procedure"]), str(header["station"]), simulated=bool(header["simulated"]))
    return UnderWay(words, run.path, run.run_id)


def _item_that_starts(root: Path) -> QueueItem | None:
    """Return the item of the queue that is, or will this moment be, started and has no run file yet."""
    with suppress(StoreError):
        if (queue_folder(root) / FILE_NAME).exists():
            with RunQueue(root) as queue:
                items, is_held = queue.items(), queue.is_held
            running = [item for item in items if item.state is ItemState.RUNNING]
            waiting = [item for item in items if item.state is ItemState.WAITING and not is_held]
            return next((item for item in running or waiting if not _has_file(item)), None)
    return None


def _has_file(item: QueueItem) -> bool:
    """Tell whether the attempt that is under way has its run file."""
    return item.state is ItemState.RUNNING and bool(item.attempts) and item.attempts[-1].path is not None


def ask_about_commands(commands: Sequence[str], parent: QWidget) -> bool:
    """Ask whether the window closes before commands are done.

    Parameters
    ----------
    commands : sequence of str
        What they are called; at least one.
    parent : QWidget
        The window.

    Returns
    -------
    bool
        Whether it closes.
    """
    box = QMessageBox(parent)
    box.setIcon(QMessageBox.Icon.Question)
    box.setWindowTitle("Not done yet")
    box.setText("<br>".join(f"<b>{html.escape(what)}</b> is not done yet." for what in commands))
    box.setInformativeText(
        "It goes on without the window, but only the window says what comes of it: whether it failed, and of ALL"
        " OUTPUTS OFF whether every output was read back as off."
    )
    stay = box.addButton("&Wait in the window", QMessageBox.ButtonRole.RejectRole)
    leave = box.addButton("&Close, let it go on", QMessageBox.ButtonRole.AcceptRole)
    box.setDefaultButton(stay)
    box.setEscapeButton(stay)
    box.exec()
    return box.clickedButton() is leave


def ask_about_runs(runs: Sequence[UnderWay], parent: QWidget) -> Choice:
    """Ask what is to become of the runs under way when the window closes.

    Parameters
    ----------
    runs : sequence of UnderWay
        At least one.
    parent : QWidget
        The window.

    Returns
    -------
    Choice
    """
    box = QMessageBox(parent)
    box.setIcon(QMessageBox.Icon.Question)
    box.setWindowTitle("A run is under way")
    box.setText("<br>".join(_told(run) for run in runs))
    box.setInformativeText(
        "Runs and the queue do not need the window: kept running, they go on, and the window finds them again when"
        " it is opened next. Stopped safely, the runs named here end, whoever began them, their outputs go off, what"
        " was measured is kept, and the queue starts nothing more."
    )
    keep = box.addButton("&Keep it running", QMessageBox.ButtonRole.AcceptRole)
    stop = box.addButton("&Stop safely", QMessageBox.ButtonRole.DestructiveRole)
    cancel = box.addButton("&Cancel", QMessageBox.ButtonRole.RejectRole)
    box.setDefaultButton(keep)
    box.setEscapeButton(cancel)
    box.exec()
    pressed = box.clickedButton()
    return Choice.KEEP if pressed is keep else Choice.STOP if pressed is stop else Choice.CANCEL


def _told(run: UnderWay) -> str:
    return f"<b>{html.escape(run.words)}</b> {'is being started' if run.path is None else 'is under way'}."


class Stopping(QProgressDialog):
    """Stops runs and says how far that is; the window stays alive meanwhile.

    Attributes
    ----------
    stopped : Signal
        All of them have ended, and their outputs are off.
    given_up : Signal of str
        They have not, in good time: a sentence says what is left to do.

    Parameters
    ----------
    runs : sequence of UnderWay
        These alone, not one that begins meanwhile.
    desk : Desk
    parent : QWidget
        The window.
    """

    stopped = Signal()
    given_up = Signal(str)

    def __init__(self, runs: Sequence[UnderWay], desk: Desk, parent: QWidget) -> None:
        super().__init__("Stopping safely: waiting until the outputs are off …", "Keep the &window open", 0, 0, parent)
        self.setWindowTitle("Stopping")
        self.setWindowModality(Qt.WindowModality.WindowModal)
        self.setMinimumDuration(0)
        self.desk = desk
        self._runs = list(runs)
        self._until_s = time.monotonic() + _PATIENCE_S
        self._looking = QTimer(self)
        self._looking.timeout.connect(self._look)
        self.canceled.connect(self._looking.stop)

    @guarded_slot
    def begin(self) -> None:
        """Hold the queue and ask the runs to end."""
        self.show()
        if (queue_folder(self.desk.root) / FILE_NAME).exists():
            with RunQueue(self.desk.root) as queue:
                queue.hold("the window was closed with 'Stop safely'")
        for run in self._runs:
            self._abort(run)
        self._looking.start(_LOOK_MS)

    def _abort(self, run: UnderWay) -> None:
        if run.path is None:
            return
        try:
            ask_run(run.path, "abort", by=f"the window (process {os.getpid()})", reason="the window was closed")
        except (RunError, StoreError) as error:
            # it has ended by itself in the meantime, or _look finds that it has not
            self.desk.tell("info", str(error))

    @guarded_slot
    def _look(self) -> None:
        self._runs = [self._begun(run) for run in self._runs]
        left = [run for run in self._runs if not self._has_ended(run)]
        if not left:
            self._looking.stop()
            self.stopped.emit()
        elif time.monotonic() > self._until_s:
            self._looking.stop()
            names = ", ".join(run.words for run in left)
            self.given_up.emit(
                f"{names} has not ended within {_PATIENCE_S:g} s; the window stays open: wait, or press ALL OUTPUTS OFF"
            )

    def _begun(self, run: UnderWay) -> UnderWay:
        """Abort a run that was being started as soon as it has a file."""
        item = self._item(run)
        if item is None or not _has_file(item):
            return run
        last = item.attempts[-1]
        begun = replace(run, path=last.path, run_id=last.run_id, item=None)
        # its file may be older than the note of the queue; a second abort would not wait for the procedure's consent
        if begun.run_id not in {other.run_id for other in self._runs}:
            self._abort(begun)
        return begun

    def _item(self, run: UnderWay) -> QueueItem | None:
        if run.item is None:
            return None
        with RunQueue(self.desk.root) as queue:
            return next((item for item in queue.items() if item.id == run.item), None)

    def _has_ended(self, run: UnderWay) -> bool:
        if run.path is None:
            item = self._item(run)
            # one that waits is kept back by the queue
            return item is None or item.state is not ItemState.RUNNING
        try:
            # one that grew in the spool was delivered to the data root at its end
            path = run.path if run.path.exists() else find_run(run.run_id, self.desk.root)
            return Run(path).status in ENDED
        except LabError:
            return False
