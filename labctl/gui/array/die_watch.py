"""The maps of the die of the chosen station, kept up to date: from run files, and row by row from a run that goes on.

Rows of the watched run come from its feed, all others from the files: none counts twice, none is read again. Not here:
drawing (:mod:`labctl.gui.array.array_panel`), the history of a cell (:mod:`labctl.gui.array.cell_watch`).
"""

import copy
import os
import time
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from qtpy.QtCore import QObject, QTimer, Signal

from labctl.analysis.die_maps import DieMaps, RunRule
from labctl.analysis.die_pack import unpack_maps
from labctl.gui.desk import Desk, StationFacts
from labctl.gui.feed import ENDED, Batch, RunFeed, numbers
from labctl.gui.slots import guarded_slot

__all__ = ["DieWatch", "feed_times_s"]

_FRAME_MS = 33
_AGAIN_MS = 1500
_SOCKET_MS = 1000


class DieWatch(QObject):
    """The die of the desk's station.

    Parameters
    ----------
    desk : Desk
    parent : QObject, optional

    Attributes
    ----------
    changed : Signal
        The maps have changed; at most thirty times a second.
    files_read : Signal
        The maps were made anew from the run files.
    shape_changed : Signal of int, int
        Another die, of so many rows and columns; its maps are empty at first.
    left : Signal of int
        How many run files are still to be read.
    live_batch : Signal of Batch
        New rows of the live run, in order.
    runs : int, unit 1
        How many run files the maps are made from.
    seed : int or None
        Of a simulated die.
    is_fresh : bool
        Whether a fresh die lies in the simulated bench, so that no run says anything of it.
    live : RunFeed or None
        The run on this die that is watched while it measures.
    """

    changed = Signal()
    files_read = Signal()
    shape_changed = Signal(int, int)
    left = Signal(int)
    live_batch = Signal(object)

    def __init__(self, desk: Desk, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.desk = desk
        self.runs = 0
        self.seed: int | None = None
        self.is_fresh = False
        self.live: RunFeed | None = None
        # what the files say; what the rows of the live run say: None until those before the first batch are known
        self._base = self._maps = DieMaps(1, 1)
        self._own: DieMaps | None = None
        self._is_stale = False
        self._feed: RunFeed | None = None
        self._before = 0
        self._rule = RunRule()
        self._waiting: list[Batch] = []
        self._socket, self._socket_stamp = "", 0
        self._frame = QTimer(self, singleShot=True, interval=_FRAME_MS)
        self._frame.timeout.connect(self.changed)
        self._again = QTimer(self, singleShot=True, interval=_AGAIN_MS)
        self._again.timeout.connect(self._ask)
        self._looking = QTimer(self, interval=_SOCKET_MS)
        self._looking.timeout.connect(self._look)
        desk.facts_changed.connect(self._take_facts)
        desk.feed_changed.connect(self._take_feed)
        desk.runs_changed.connect(self._files_changed)
        self._take_facts(desk.facts)
        self._take_feed(desk.feed)

    @property
    def maps(self) -> DieMaps:
        """What is known of the cells now."""
        if self._is_stale:
            self._is_stale = False
            self._maps = self._base
            if self._own is not None:
                self._maps = copy.deepcopy(self._base)
                # until it has ended, its readings say more of a cell that it pulses than the verdict of a run before
                self._own.judged = self._own.pulses > 0
                self._maps.merge(self._own)
        return self._maps

    @guarded_slot
    def _take_facts(self, facts: StationFacts | None) -> None:
        rows, columns = (1, 1) if facts is None else (facts.rows, facts.columns)
        if self._feed is not None:
            self._leave_feed()
        self._put(DieMaps(rows, columns), None)
        self.runs, self.seed, self.is_fresh, self._socket = 0, None, False, ""
        self.shape_changed.emit(rows, columns)
        self.changed.emit()
        self._take_feed(self.desk.feed)
        self._ask()

    @guarded_slot
    def _take_feed(self, feed: RunFeed | None) -> None:
        if self._feed is not None and self._feed is not feed:
            self._leave_feed()
        # the map shows what the cells are like now: a replay changes none
        if feed is None or feed is self._feed or feed.player is not None or not self._is_of_die(feed):
            return
        self._feed, self._before = feed, feed.last_seq
        feed.batch.connect(self._take_batch)
        feed.status_changed.connect(self._take_status)
        self._rule = RunRule.of(feed.procedure, feed.parameter_texts)
        if feed.status:
            self._take_status(feed.status)

    @guarded_slot
    def _take_status(self, status: str) -> None:
        is_live = status not in ENDED
        if is_live and self.live is None:
            self.live = self._feed
            if not self._before:
                self._go_live(DieMaps(self._base.rows, self._base.columns), 0)
            self._ask()
        elif not is_live:
            # an old run: the files have all of it, however long it is
            self._waiting.clear()
            if self.live is not None:
                # the results say which cells failed
                self.live = None
                self._again.start()
        self.changed.emit()

    @guarded_slot
    def _take_batch(self, batch: Batch) -> None:
        assert self._feed is not None
        if self._own is not None and self.live is not None:
            self._apply(batch)
        elif self._feed.status not in ENDED:
            # until the feed has said that the run goes on, nobody knows whether its rows are old
            self._waiting.append(batch)

    @guarded_slot
    def _files_changed(self) -> None:
        # the rows of a live run come by its feed
        if self.live is None and not self._again.isActive():
            self._again.start()

    @guarded_slot
    def _look(self) -> None:
        """Notice that somebody put another die into the simulated bench."""
        stamp = _stamp_of(self._socket)
        if self.live is None and stamp != self._socket_stamp:
            self._socket_stamp = stamp
            self._ask()

    def _leave_feed(self) -> None:
        assert self._feed is not None
        self._feed.batch.disconnect(self._take_batch)
        self._feed.status_changed.disconnect(self._take_status)
        self._feed, self._waiting = None, []
        if self.live is not None:
            self.live = None
            self._again.start()

    def _is_of_die(self, feed: RunFeed) -> bool:
        facts, sample = self.desk.facts, feed.header.get("sample")
        if facts is None or not isinstance(sample, dict):
            return False
        found = (sample.get("name"), sample.get("rows"), sample.get("columns"), feed.simulated)
        return found == (facts.sample, facts.rows, facts.columns, facts.simulated)

    @guarded_slot
    def _ask(self) -> None:
        if self.desk.facts is None:
            return
        live: dict[str, Any] = {}
        if self.live is not None:
            live = {"live_path": str(self.live.path), "live_seq": self._before if self._own is None else 0}
        feed = self.live
        self.desk.scanner.ask(
            "array.die",
            lambda answer: self._take_maps(answer, feed),
            part=lambda part: self.left.emit(int(part["left"])),
            replaces="array.die",
            root=str(self.desk.root),
            station=self.desk.station,
            **live,
        )

    @guarded_slot
    def _take_maps(self, answer: dict[str, Any], feed: RunFeed | None = None) -> None:
        self.left.emit(0)
        facts = self.desk.facts
        if facts is None:
            return
        if feed is not self.live:
            # the run went live, or ended, while the files were read: they are asked for again
            return
        shape, packed, live = (facts.rows, facts.columns), answer["maps"], answer["live"]
        self.runs, self.seed, self.is_fresh = answer["runs"], answer["seed"], answer["is_fresh"]
        if self._socket != answer["socket"]:
            self._socket = answer["socket"]
            self._socket_stamp = _stamp_of(self._socket)
            self._looking.start()
        self._put(DieMaps(*shape) if packed is None else unpack_maps(packed), self._own if self.live else None)
        if self.live is not None and self._own is None:
            self._go_live(DieMaps(*shape) if live is None else unpack_maps(live), int(answer["live_seq"]))
        self.changed.emit()
        self.files_read.emit()

    def _put(self, base: DieMaps, own: DieMaps | None) -> None:
        self._base, self._own, self._is_stale = base, own, True

    def _go_live(self, own: DieMaps, upto: int) -> None:
        """Take rows by the feed from now on; the maps of those up to a number are given."""
        self._put(self._base, own)
        waiting, self._waiting = self._waiting, []
        for batch in waiting:
            self._apply(batch, upto)

    def _apply(self, batch: Batch, upto: int = 0) -> None:
        assert self._own is not None
        assert self._feed is not None
        is_new = batch.seqs > upto
        columns = batch.columns if is_new.all() else {name: values[is_new] for name, values in batch.columns.items()}
        count = int(is_new.sum())
        self._own.take(columns, feed_times_s(self._feed, columns, count), self._rule)
        self._is_stale = True
        self.live_batch.emit(batch)
        if not self._frame.isActive():
            self._frame.start()


def feed_times_s(feed: RunFeed, columns: Any, count: int) -> npt.NDArray[np.float64]:
    """Return when rows of a live run were measured, on the wall.

    Parameters
    ----------
    feed : RunFeed
    columns : Mapping of str to ndarray, shape (count,)
        Of the rows.
    count : int, unit 1

    Returns
    -------
    ndarray, shape (count,), unit s
        Seconds since 1970, as the last mark of both clocks has it.
    """
    now_s, mark = time.time(), feed.last_progress
    if mark is None or not mark.instrument_s or "Time (s)" not in columns:
        return np.full(count, now_s)
    started_s = datetime.fromisoformat(str(feed.header["started_utc"])).timestamp()
    rate = min(mark.wall_s, now_s - started_s) / mark.instrument_s
    times_s = now_s - (mark.instrument_s - numbers(columns["Time (s)"])) * rate
    return np.asarray(np.fmin(times_s, now_s))


def _stamp_of(folder: str) -> int:
    try:
        return os.stat(folder).st_mtime_ns if folder else 0
    except OSError:
        return 0
