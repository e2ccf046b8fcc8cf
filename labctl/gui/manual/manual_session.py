"""A run of the procedure ``manual`` as the window sees it: started through the queue, asked through its mailbox.

Not here: the buttons (:mod:`labctl.gui.manual.manual_panel`), the procedure.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qtpy.QtCore import QObject, QTimer, Signal

from labctl.errors import LabError, RunError
from labctl.gui.desk import Desk
from labctl.gui.feed import Batch, RunFeed
from labctl.gui.slots import guarded_slot
from labctl.run.mailbox import ask_run
from labctl.run.queue.items import ENDED_BADLY, QueueItem
from labctl.run.queue.launch import ensure_worker
from labctl.run.queue.store import RunQueue

__all__ = ["ManualSession"]

_LOOK_MS = 150
_WHO = "the window"
_PROCEDURE = "manual"


class ManualSession(QObject):
    """At most one session; it is asked for nothing while the window shows another station than its own.

    Parameters
    ----------
    desk : Desk
    parent : QObject, optional

    Attributes
    ----------
    changed : Signal
        Begun, ended, or an answer came.
    batch : Signal of Batch
        Rows of the session.
    answered : Signal of str, str
        "answer" or "refused", and the sentence.
    state : "none", "starting" or "open"
    run_id : str
        Of the open session.
    why : str
        Why it does not begin yet, or why it ended.
    station : str
        Of the session that begins or is open: its name, or while it begins what the desk was told; else empty.
    """

    changed = Signal()
    batch = Signal(object)
    answered = Signal(str, str)

    def __init__(self, desk: Desk, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.desk = desk
        self.state = "none"
        self.run_id = ""
        self.why = ""
        self.station = ""
        self._feed: RunFeed | None = None
        self._item: int | None = None
        self._later: list[dict[str, str]] = []
        self._open: set[str] = set()
        self._looking = QTimer(self)
        self._looking.setInterval(_LOOK_MS)
        self._looking.timeout.connect(self._look)
        desk.station_changed.connect(self._forget_unsent)

    @property
    def is_waiting(self) -> bool:
        """Whether an answer is awaited."""
        return bool(self._later or self._open)

    @property
    def elsewhere(self) -> str:
        """Why nothing can be sent: the session is of another station than the one that is shown; empty: it is not."""
        facts = self.desk.facts
        if self._feed is not None and facts is not None:
            is_here = facts.name == self.station and not self._is_other_file(facts.file)
            # of the same name only its file tells it apart
            shown = facts.file if facts.name == self.station else facts.name
        else:
            # what has begun is compared by what its run file says of its station
            is_here = self._feed is None and self.station in ("", self.desk.station)
            shown = f"{self.desk.station}, of which nothing is known" if self.desk.station else "no station"
        if is_here:
            return ""
        return (
            f"the session by hand is of {self.place}, the window shows {shown}: nothing can be sent;"
            f" choose {self.station} to go on with it, or end the session to begin one here"
        )

    @property
    def place(self) -> str:
        """Where the session is, for people; empty where there is none."""
        return self.station + (" (simulated)" if self._feed is not None and self._feed.simulated else "")

    def ask(self, request: Mapping[str, str], parameters: Mapping[str, str]) -> None:
        """Ask for something; the first request begins a session.

        Parameters
        ----------
        request : mapping of str to str
            ``action``, ``cell`` and values.
        parameters : mapping of str to str
            Of the session, where one is begun.

        Raises
        ------
        RunError
            If the session is of another station than the one that is shown.
        LabError
            If the queue or the mailbox cannot be used.
        """
        if self.elsewhere:
            raise RunError(self.elsewhere)
        if self._feed is not None:
            self._open.add(ask_run(self._feed.path, "do", by=_WHO, **request))
        else:
            if self.state == "none":
                self._begin(parameters)
            self._later.append(dict(request))
        self.changed.emit()

    @guarded_slot
    def end(self) -> None:
        """End the session; outputs are off already."""
        if self._feed is not None:
            ask_run(self._feed.path, "do", by=_WHO, action="end")
        elif self._item is not None:
            with RunQueue(self.desk.root) as queue:
                queue.remove(self._item)
            self._over("it was taken back before it began")

    def join(self, path: Path) -> None:
        """Take up a session that goes on: of this window or another.

        Parameters
        ----------
        path : Path
            Its run file.
        """
        if self._feed is None:
            self._follow(path)

    def close(self) -> None:
        """Let go of the session, which goes on."""
        self._looking.stop()
        if self._feed is not None:
            self._feed.close()

    def _begin(self, parameters: Mapping[str, str]) -> None:
        with RunQueue(self.desk.root) as queue:
            self._item = queue.add(_PROCEDURE, self.desk.station, parameters, first=True)
        ensure_worker(self.desk.root)
        self.state, self.why, self.station = "starting", "", self.desk.station
        self._looking.start()

    @guarded_slot
    def _look(self) -> None:
        """Wait until the queue has begun the run."""
        with RunQueue(self.desk.root) as queue:
            items = queue.items()
            held = queue.held_why if queue.is_held else ""
        item = next((item for item in items if item.id == self._item), None)
        if item is None:
            self._over("it was taken out of the queue")
        elif item.state in ENDED_BADLY:
            self._over(item.error or "see the queue panel")
        elif item.run_path is not None and item.run_path.exists():
            self._follow(item.run_path)
        else:
            self._wait(held, items)

    def _wait(self, held: str, items: list[QueueItem]) -> None:
        others = [item.procedure for item in items if item.state == "running" and item.id != self._item]
        why = f"it waits: the queue is held ({held}); release it in the queue panel" if held else ""
        if others and not why:
            why = f"it waits until {others[0]} has ended"
        if why != self.why:
            self.why = why
            self.changed.emit()

    def _follow(self, path: Path) -> None:
        try:
            feed = RunFeed(path, self)
        except LabError:
            # the file was made this moment
            return
        self._looking.stop()
        self._feed, self._item = feed, None
        self.state, self.run_id, self.why = "open", feed.run_id, ""
        self.station = str(feed.header.get("station"))
        feed.batch.connect(self._take_batch)
        feed.events.connect(self._take_events)
        feed.status_changed.connect(self._take_status)
        feed.failed.connect(self._over)
        feed.start()
        self.desk.watch(path)
        later, self._later = self._later, []
        for request in later:
            self._open.add(ask_run(path, "do", by=_WHO, **request))
        self.changed.emit()

    def _is_other_file(self, file: str) -> bool:
        """Whether this is another station file of the same name, which has an envelope of its own."""
        own = str(self._feed.header.get("station_file") or "") if self._feed is not None else ""
        # one that was named relatively lies wherever its run was started
        return os.path.isabs(own) and os.path.isabs(file) and os.path.normpath(own) != os.path.normpath(file)

    @guarded_slot
    def _forget_unsent(self, shown: str) -> None:
        """Send nothing later that was asked for before another station was chosen."""
        unsent, self._later = self._later, []
        for request in unsent:
            self.desk.tell(
                "warning",
                f"by hand: {request['action'].replace('_', ' ')} was not sent to {self.station}, whose session had not"
                f" begun when {shown or 'no station'} was chosen; choose {self.station} and press again",
            )
        self.changed.emit()

    @guarded_slot
    def _take_batch(self, batch: Batch) -> None:
        self.batch.emit(batch)

    @guarded_slot
    def _take_events(self, events: list[Any]) -> None:
        for event in events:
            if event.kind in ("answer", "refused"):
                number, _, text = event.message.removeprefix("#").partition(" ")
                self._open.discard(number)
                self.answered.emit(event.kind, text)
            elif event.kind in ("error", "aborted"):
                self.why = event.message
        self.changed.emit()

    @guarded_slot
    def _take_status(self, status: str) -> None:
        if status not in ("running", "paused"):
            self._over(f"{status}: {self.why}" if self.why else status)
        else:
            self.why = "it is paused" if status == "paused" else ""
            self.changed.emit()

    @guarded_slot
    def _over(self, why: str) -> None:
        self._looking.stop()
        if self._feed is not None:
            self._feed.close()
            self._feed.deleteLater()
        self._feed, self._item, self.state, self.why, self.station = None, None, "none", why, ""
        self._later.clear()
        self._open.clear()
        self.changed.emit()
