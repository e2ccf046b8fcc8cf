"""Looking at the queue: what it holds, how far the run that is under way is, and whether anybody works through it.

Everybody may change the queue at any time, so it is looked at twice a second; what did not change is not read again.
Not here: showing it (:mod:`labctl.gui.queue.queue_panel`).
"""

import time
from pathlib import Path

from qtpy.QtCore import QObject, QTimer, Signal

from labctl.errors import StoreError
from labctl.gui.desk import Desk
from labctl.gui.slots import guarded_slot
from labctl.run.queue.items import ItemState, QueueItem
from labctl.run.queue.launch import ensure_worker, is_worker_alive
from labctl.run.queue.remaining import QueueProgress, RunProgressMark, progress_of_queue, progress_of_run
from labctl.run.queue.store import RunQueue
from labctl.run.state_board import read_state

__all__ = ["QueueLook"]

_PERIOD_MS = 500
_PROGRESS_S = 1.0
_WORKER_S = 2.0
# a worker that was just started has not taken its lock yet
_STARTING_S = 10.0


class QueueLook(QObject):
    """What the queue of the desk's data root holds now.

    Parameters
    ----------
    desk : Desk
    parent : QObject, optional

    Attributes
    ----------
    changed : Signal
        The items, or what is done with them, are others.
    moved_on : Signal
        The run that is under way has got on.
    queue : RunQueue
        To change it; call :meth:`look` afterwards.
    items : list of QueueItem
    mark : RunProgressMark or None
        Of the run that is under way.
    progress : QueueProgress
    is_paused : bool
        Whether the run that is under way waits for the operator or a condition.
    is_held, is_worked : bool
        Whether nothing further starts; whether a worker is alive, or was just started.
    held_why, policy : str

    Raises
    ------
    StoreError
        If there is no queue to be opened.
    """

    changed = Signal()
    moved_on = Signal()

    def __init__(self, desk: Desk, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.desk = desk
        self.queue = RunQueue(desk.root)
        # a window that goes does not close its panels
        self.destroyed.connect(self.queue.close)
        self.items: list[QueueItem] = []
        self.mark: RunProgressMark | None = None
        self.progress: QueueProgress = progress_of_queue([], None)
        self.is_paused = False
        self.is_held = False
        self.is_worked = False
        self.held_why = ""
        self.policy = ""
        self._version: object = None
        self._marked_s = self._asked_s = self._started_s = -_STARTING_S
        self._has_failed = False
        self._timer = QTimer(self)
        self._timer.timeout.connect(self.look)
        self._timer.start(_PERIOD_MS)
        self.look()

    @property
    def running(self) -> QueueItem | None:
        """The item that is under way."""
        return next((item for item in self.items if item.state is ItemState.RUNNING), None)

    @property
    def is_waiting(self) -> bool:
        """Whether an item waits for its turn."""
        return any(item.state is ItemState.WAITING for item in self.items)

    def close(self) -> None:
        """Let go of the queue."""
        self._timer.stop()
        self.queue.close()

    def start_worker(self) -> None:
        """See to it that somebody works through the queue."""
        ensure_worker(self.desk.root)
        self._started_s = time.monotonic()
        self.is_worked = True

    @guarded_slot
    def look(self) -> None:
        """Look now."""
        try:
            self._look()
        except StoreError:
            # told once, not twice a second
            if self._has_failed:
                return
            self._has_failed = True
            raise
        else:
            self._has_failed = False

    def _look(self) -> None:
        now_s = time.monotonic()
        was_worked = self.is_worked
        if now_s - self._asked_s >= _WORKER_S:
            self._asked_s = now_s
            self._ask_for_worker(now_s)
        version = self.queue.version()
        is_other = version != self._version
        if is_other:
            self._version = version
            self.items = self.queue.items()
            self.is_held, self.held_why = self.queue.is_held, self.queue.held_why
            self.policy = str(self.queue.policy)
        is_due = now_s - self._marked_s >= _PROGRESS_S
        if is_other or is_due:
            self._marked_s = now_s
            has_moved = self._take_mark()
        if is_other or self.is_worked != was_worked:
            self.changed.emit()
        elif is_due and has_moved:
            self.moved_on.emit()

    def _ask_for_worker(self, now_s: float) -> None:
        is_starting = now_s - self._started_s < _STARTING_S
        self.is_worked = is_starting or is_worker_alive(self.queue.folder)
        if not self.is_worked and self.running is not None:
            # its worker was killed: somebody must take the run up and note its end
            self.start_worker()

    def _take_mark(self) -> bool:
        """Read how far the run under way is; tell whether that is news."""
        before = self.mark, self.is_paused
        path = _present_run(self.running)
        self.mark = None if path is None else progress_of_run(path)
        board = None if path is None else read_state(path)
        self.is_paused = board is not None and board.get("state") == "paused"
        self.progress = progress_of_queue(self.items, self.mark)
        return (self.mark, self.is_paused) != before


def _present_run(item: QueueItem | None) -> Path | None:
    """Return the file of the run under way; an item that is being started again still has that of the last time."""
    return None if item is None or not item.attempts else item.attempts[-1].path
