"""A zoomed range of a long curve, read again from the file in short slices, so that none of its points is missing.

Not here: which range (:mod:`labctl.gui.plots.curve_frame`), the file (:mod:`labctl.store.following`).
"""

import time
from collections.abc import Callable, Sequence

from qtpy.QtCore import QObject, QTimer

from labctl.gui.plots.series import Series
from labctl.gui.slots import guarded_slot
from labctl.replay.playing import RunPlayer
from labctl.store.following import RunFollower

__all__ = ["Detail"]

_SLICE_S = 0.008
_ROWS = 1000


class Detail(QObject):
    """Reads one range at a time; another one takes its place.

    Parameters
    ----------
    follower : RunFollower
    parent : QObject
    """

    def __init__(self, follower: RunFollower | RunPlayer, parent: QObject) -> None:
        super().__init__(parent)
        self._follower = follower
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._read)
        self._series: Sequence[Series] = ()
        self._labels: list[str] = []
        self._next = self._last = 0
        self._done: Callable[[], None] = self._timer.stop

    def read(
        self, first_seq: int, last_seq: int, series: Sequence[Series], labels: Sequence[str], done: Callable[[], None]
    ) -> None:
        """Read a range into series.

        Parameters
        ----------
        first_seq, last_seq : int
            Numbers of the first and the last row.
        series : sequence of Series
            Empty ones.
        labels : sequence of str
            Columns that they need.
        done : callable
            Called when they are full.
        """
        self._next, self._last = first_seq, last_seq
        self._series, self._labels, self._done = series, list(labels), done
        self._timer.start(0)

    def stop(self) -> None:
        """Give up what is being read."""
        self._timer.stop()

    @guarded_slot
    def _read(self) -> None:
        until_s = time.monotonic() + _SLICE_S
        while self._next <= self._last:
            page = self._follower.page(self._next, min(_ROWS, self._last - self._next + 1), self._labels)
            if page.is_held:
                break
            for one in self._series:
                one.take(page.seqs, page.columns)
            self._next += _ROWS
            if time.monotonic() >= until_s:
                break
        if self._next <= self._last:
            self._timer.start(1)
        else:
            self._done()
