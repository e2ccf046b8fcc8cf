"""From the form into the queue, and from there to the run that is watched.

Not here: the queue (:mod:`labctl.run.queue`).
"""

from typing import Any

from qtpy.QtCore import QObject, QTimer

from labctl.gui.desk import Desk
from labctl.gui.slots import guarded_slot
from labctl.run.queue.items import ENDED_BADLY, QueueItem
from labctl.run.queue.launch import ensure_worker
from labctl.run.queue.store import RunQueue

__all__ = ["RunStarter"]

_LOOK_MS = 200


class RunStarter(QObject):
    """Puts runs into the queue of the data root, and watches the one that is to run now as soon as it has a file.

    Parameters
    ----------
    desk : Desk
    parent : QObject, optional
    """

    def __init__(self, desk: Desk, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.desk = desk
        self._awaited: int | None = None
        self._looking = QTimer(self)
        self._looking.setInterval(_LOOK_MS)
        self._looking.timeout.connect(self._look)

    def start(self, *, first: bool, **asked: Any) -> None:
        """Queue a run.

        Parameters
        ----------
        first : bool
            Before everything that waits; it is watched when it begins.
        **asked
            As :meth:`labctl.run.queue.store.RunQueue.add` takes it.

        Raises
        ------
        StoreError
            If the queue cannot be used.
        """
        with RunQueue(self.desk.root) as queue:
            if first and not any(other.state == "waiting" for other in queue.items()):
                # a hold, as after an abort, keeps back what waits: there is nothing else, and this run is wanted
                queue.release()
            item = queue.add(first=first, **asked)
            why = queue.held_why if queue.is_held else ""
            is_busy = any(other.state == "running" for other in queue.items())
        ensure_worker(self.desk.root)
        name = f"{asked['procedure']} on {asked['station']}"
        if why:
            self.desk.tell("warning", f"{name} waits: the queue is held ({why}); release it in the queue panel")
            self.desk.show("queue")
        elif first and not is_busy:
            self.desk.tell("info", f"{name} is being started")
        else:
            self.desk.tell("info", f"{name} is queue item {item}")
        if first:
            self._awaited = item
            self._looking.start()

    def change(self, item: int, **asked: Any) -> None:
        """Change an item of the queue.

        Parameters
        ----------
        item : int
            Its id.
        **asked
            As :meth:`labctl.run.queue.store.RunQueue.edit` takes it.

        Raises
        ------
        RunError, StoreError
            If the item is running or gone, or the queue cannot be used.
        """
        with RunQueue(self.desk.root) as queue:
            queue.edit(item, **asked)
        ensure_worker(self.desk.root)
        self.desk.tell("info", f"queue item {item} is changed")

    def item(self, id: int) -> QueueItem | None:
        """Return an item of the queue.

        Parameters
        ----------
        id : int

        Returns
        -------
        QueueItem or None
            None where it is gone.

        Raises
        ------
        StoreError
            If the queue cannot be used.
        """
        with RunQueue(self.desk.root) as queue:
            return next((item for item in queue.items() if item.id == id), None)

    @guarded_slot
    def _look(self) -> None:
        """Watch the run once it has a file; stop looking when it has, or never will."""
        item = None if self._awaited is None else self.item(self._awaited)
        if item is None:
            self._looking.stop()
        elif item.run_path is not None:
            self._looking.stop()
            self.desk.watch(item.run_path)
            self.desk.show("plots")
        elif item.state in ENDED_BADLY:
            self._looking.stop()
            self.desk.tell("error", f"{item.procedure} did not start: {item.error or 'see the queue panel'}")
