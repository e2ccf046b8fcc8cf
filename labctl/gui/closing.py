"""Closing the window while a run is under way: keep it running, or stop it safely first.

Not here: aborting in the run's process (:mod:`labctl.run.mailbox`).
"""

import os
import time
from collections.abc import Sequence
from enum import StrEnum

from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtWidgets import QMessageBox, QProgressDialog, QWidget

from labctl.errors import LabError, RunError
from labctl.gui.desk import Desk
from labctl.gui.feed import ENDED
from labctl.gui.running_runs import RunningRun
from labctl.gui.slots import guarded_slot
from labctl.run.mailbox import ask_run
from labctl.run.queue.schema import queue_folder
from labctl.run.queue.store import FILE_NAME, RunQueue
from labctl.store.reader import Run
from labctl.store.runs import find_run

__all__ = ["Choice", "Stopping", "ask_about_runs"]

_LOOK_MS = 100
_PATIENCE_S = 15.0


class Choice(StrEnum):
    """What is done with runs under way."""

    KEEP = "keep"
    STOP = "stop"
    CANCEL = "cancel"


def ask_about_runs(runs: Sequence[RunningRun], parent: QWidget) -> Choice:
    """Ask what is to become of the runs under way when the window closes.

    Parameters
    ----------
    runs : sequence of RunningRun
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
    box.setText("<br>".join(f"<b>{run.as_words()}</b> is under way." for run in runs))
    box.setInformativeText(
        "Runs and the queue do not need the window: kept running, they go on, and the window finds them again when"
        " it is opened next. Stopped safely, the run ends, its outputs go off, what was measured is kept, and the"
        " queue starts nothing more."
    )
    keep = box.addButton("&Keep it running", QMessageBox.ButtonRole.AcceptRole)
    stop = box.addButton("&Stop safely", QMessageBox.ButtonRole.DestructiveRole)
    cancel = box.addButton("&Cancel", QMessageBox.ButtonRole.RejectRole)
    box.setDefaultButton(keep)
    box.setEscapeButton(cancel)
    box.exec()
    pressed = box.clickedButton()
    return Choice.KEEP if pressed is keep else Choice.STOP if pressed is stop else Choice.CANCEL


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
    runs : sequence of RunningRun
    desk : Desk
    parent : QWidget
        The window.
    """

    stopped = Signal()
    given_up = Signal(str)

    def __init__(self, runs: Sequence[RunningRun], desk: Desk, parent: QWidget) -> None:
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
            try:
                ask_run(run.path, "abort", by=f"the window (process {os.getpid()})", reason="the window was closed")
            except RunError as error:
                # it has ended by itself in the meantime, or _look finds that it has not
                self.desk.tell("info", str(error))
        self._looking.start(_LOOK_MS)

    @guarded_slot
    def _look(self) -> None:
        left = [run for run in self._runs if not self._has_ended(run)]
        if not left:
            self._looking.stop()
            self.stopped.emit()
        elif time.monotonic() > self._until_s:
            self._looking.stop()
            names = ", ".join(run.as_words() for run in left)
            self.given_up.emit(
                f"{names} has not ended within {_PATIENCE_S:g} s; the window stays open: wait, or press ALL OUTPUTS OFF"
            )

    def _has_ended(self, run: RunningRun) -> bool:
        try:
            # one that grew in the spool was delivered to the data root at its end
            path = run.path if run.path.exists() else find_run(run.run_id, self.desk.root)
            return Run(path).status in ENDED
        except LabError:
            return False
