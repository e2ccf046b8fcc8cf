"""The maps of the die of the chosen station, kept up to date: from run files, and row by row from a run that goes on.

Rows of the watched run come from its feed, all others from the files: none counts twice, none is read again. While a
run is played, the maps show the die as it was then: what the runs before it said, and the rows that were played. Not
here: drawing (:mod:`labctl.gui.array.array_panel`), the history of a cell (:mod:`labctl.gui.array.cell_watch`).
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
from labctl.analysis.die_state import Die, die_of
from labctl.analysis.run_rows import RunClock
from labctl.gui.desk import Desk, StationFacts
from labctl.gui.feed import ENDED, Batch, RunFeed, numbers
from labctl.gui.slots import guarded_slot
from labctl.store import Run

__all__ = ["DieWatch"]

_FRAME_MS = 33
_AGAIN_MS = 1500
_SOCKET_MS = 1000
# batches that wait for the scanner: a thousand rows each at most
_MOST_WAITING = 100


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
    turned : Signal
        The maps turned to another time: to that of a run that is played from here on, or back to now.
    runs : int, unit 1
        How many run files the maps are made from.
    seed : int or None
        Of a simulated die.
    is_read : bool
        Whether the run files have been read since the station was chosen.
    is_fresh : bool
        Whether a fresh die lies in the simulated bench, so that no run says anything of it.
    live : RunFeed or None
        The run on this die that is watched while it measures, or is played.
    played : str
        Id of the run that is played, whose time the maps show; empty: they show the die as it is now.
    """

    changed = Signal()
    files_read = Signal()
    shape_changed = Signal(int, int)
    left = Signal(int)
    live_batch = Signal(object)
    turned = Signal()

    def __init__(self, desk: Desk, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.desk = desk
        self.runs = 0
        self.seed: int | None = None
        self.is_fresh = self.is_read = False
        self.live: RunFeed | None = None
        self.played = ""
        # as the run files have it; None: they have none
        self._die: Die | None = None
        # the run before which the die was as the base has it; when the rows of the played run were measured
        self._base_before = ""
        self._clock: RunClock | None = None
        # what the files say; what the rows of the live run say: None until those before the first batch are known
        self._base = self._maps = DieMaps(1, 1)
        self._own: DieMaps | None = None
        self._is_stale = False
        self._feed: RunFeed | None = None
        # number of the row up to which the files say what the rows of the watched run say
        self._before = 0
        self._rule = RunRule()
        self._waiting: list[Batch] = []
        self._failure = ""
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
        self.played = self._base_before = ""
        self.runs, self.seed, self.is_fresh, self._socket = 0, None, False, ""
        self._die = None
        self.is_read = False
        self.shape_changed.emit(rows, columns)
        self.changed.emit()
        self._take_feed(self.desk.feed)
        self._ask()

    @guarded_slot
    def _take_feed(self, feed: RunFeed | None) -> None:
        if self._feed is not None and self._feed is not feed:
            self._leave_feed()
        if feed is None or feed is self._feed or not self.is_of_die(feed):
            return
        self._feed, self._before = feed, feed.last_seq
        feed.batch.connect(self._take_batch)
        feed.status_changed.connect(self._take_status)
        self._rule = RunRule.of(feed.procedure, feed.parameter_texts)
        if feed.status:
            self._take_status(feed.status)

    @guarded_slot
    def _take_status(self, status: str) -> None:
        assert self._feed is not None
        is_live = status not in ENDED
        if is_live and self.live is None:
            self.live = self._feed
            if self.live.player is not None:
                self._turn_back(self.live)
            if self._before:
                # panels came late, or the run is resumed: what is held may lack rows
                self._put(self._base, None)
            else:
                self._go_live(DieMaps(self._base.rows, self._base.columns), 0)
            if self.live.player is None or self._own is None or self._base_before != self.played:
                self._ask()
        elif not is_live:
            # an old run: the files have all of it, however long it is
            self._waiting.clear()
            self._before = self._feed.last_seq
            self._end_live()
        self.changed.emit()

    def _turn_back(self, feed: RunFeed) -> None:
        """Show the die as it was during a run that is played."""
        self.played, self._clock = feed.run_id, RunClock(Run(feed.path))
        if self._base_before != feed.run_id:
            self._put(DieMaps(self._base.rows, self._base.columns), None)
        self.turned.emit()

    def _end_live(self) -> None:
        if self.live is None:
            return
        was_played = self.live.player is not None
        self.live = None
        if was_played:
            self._ask()
        else:
            # the results say which cells failed
            self._again.start()

    @guarded_slot
    def _take_batch(self, batch: Batch) -> None:
        assert self._feed is not None
        if self._own is not None and self.live is not None:
            self._apply(batch)
        elif self._feed.status not in ENDED:
            # until the feed has said that the run goes on, nobody knows whether its rows are old
            self._waiting.append(batch)
            if len(self._waiting) > _MOST_WAITING:
                # the files have them too: they are asked for when the scanner has answered
                self._waiting.clear()
                self._before = int(batch.seqs[-1])
        else:
            self._before = int(batch.seqs[-1])

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
        self._end_live()

    def is_of_die(self, feed: RunFeed) -> bool:
        """Tell whether a run was made on the die that the maps are of.

        Parameters
        ----------
        feed : RunFeed

        Returns
        -------
        bool
        """
        facts, die = self.desk.facts, die_of(feed)
        if facts is None or die is None:
            return False
        if (die.sample, die.rows, die.columns, die.simulated) != (
            facts.sample,
            facts.rows,
            facts.columns,
            facts.simulated,
        ):
            return False
        # a run on this station says which die it has; a real sample may go from rack to rack, a simulated one cannot
        return feed.header["station"] == facts.name or not die.simulated or die == self._die

    @guarded_slot
    def _ask(self) -> None:
        if self.desk.facts is None:
            return
        feed, seq = self.live, self._before if self._own is None else 0
        about: dict[str, Any] = {"station": self.desk.station}
        what = "array.die"
        if feed is not None and feed.player is not None:
            what, about = "array.played", {"path": str(feed.path), "seq": seq}
        elif feed is not None:
            about |= {"live_path": str(feed.path), "live_seq": seq}
        self.desk.scanner.ask(
            what,
            lambda answer: self._take_maps(answer, feed, seq),
            self._fail,
            part=lambda part: self.left.emit(int(part["left"])),
            replaces="array.die",
            root=str(self.desk.root),
            **about,
        )

    @guarded_slot
    def _fail(self, why: str) -> None:
        self.left.emit(0)
        if why != self._failure:
            self._failure = why
            self.desk.tell("warning", why)
        if self.live is not None:
            # no change of a file asks again before the run has ended
            self._again.start()

    @guarded_slot
    def _take_maps(self, answer: dict[str, Any], feed: RunFeed | None = None, seq: int = 0) -> None:
        self.left.emit(0)
        self._failure = ""
        facts = self.desk.facts
        if facts is None:
            return
        if feed is not self.live:
            # the run went live, or ended, while the files were read: they are asked for again
            return
        if feed is not None and self._own is None and seq < self._before:
            # too many rows came meanwhile to be kept
            self._ask()
            return
        was_played, self.played = self.played, "" if feed is None or feed.player is None else feed.run_id
        self._base_before, self.is_read = self.played, True
        shape, packed, live = (facts.rows, facts.columns), answer["maps"], answer["live"]
        self.runs, self.seed, self.is_fresh = answer["runs"], answer["seed"], answer["is_fresh"]
        if self._socket != answer["socket"]:
            self._socket = answer["socket"]
            self._socket_stamp = _stamp_of(self._socket)
            self._looking.start()
        self._put(DieMaps(*shape) if packed is None else unpack_maps(packed), self._own if self.live else None)
        if self.live is not None and self._own is None:
            self._go_live(DieMaps(*shape) if live is None else unpack_maps(live), int(answer["live_seq"]))
        self._die = None if answer["die"] is None else Die(**answer["die"])
        if self._feed is None:
            # a run on another station of the same bench
            self._take_feed(self.desk.feed)
        self.changed.emit()
        if was_played and not self.played:
            self.turned.emit()
        else:
            self.files_read.emit()

    def _put(self, base: DieMaps, own: DieMaps | None) -> None:
        self._base, self._own, self._is_stale = base, own, True

    def _go_live(self, own: DieMaps, upto: int) -> None:
        """Take rows by the feed from now on; the maps of those up to a number are given."""
        self._put(self._base, own)
        self._before = upto
        waiting, self._waiting = self._waiting, []
        for batch in waiting:
            self._apply(batch)

    def _apply(self, batch: Batch) -> None:
        assert self._own is not None
        assert self._feed is not None
        is_new = batch.seqs > self._before
        columns = batch.columns if is_new.all() else {name: values[is_new] for name, values in batch.columns.items()}
        count = int(is_new.sum())
        self._own.take(columns, self.times_s(self._feed, columns, count), self._rule)
        self._is_stale = True
        self.live_batch.emit(batch)
        if not self._frame.isActive():
            self._frame.start()

    def times_s(self, feed: RunFeed, columns: Any, count: int) -> npt.NDArray[np.float64]:
        """Return when rows of the live run were measured, on the wall.

        Parameters
        ----------
        feed : RunFeed
            That run.
        columns : Mapping of str to ndarray, shape (count,)
            Of the rows.
        count : int, unit 1

        Returns
        -------
        ndarray, shape (count,), unit s
            Seconds since 1970: as the last mark of both clocks has it, of a played run as its file has it.
        """
        if feed.player is None or self._clock is None:
            return _times_until_now_s(feed, columns, count)
        return self._clock.times_s(numbers(columns["Time (s)"]) if "Time (s)" in columns else np.full(count, np.nan))


def _times_until_now_s(feed: RunFeed, columns: Any, count: int) -> npt.NDArray[np.float64]:
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
