"""The points of one run, live or old, handed out in the window's thread in slices that are too short to be felt.

Not here: reading the file (:mod:`labctl.store.following`), drawing.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, QTimer, Signal

from labctl.errors import StoreError
from labctl.gui.slots import sentence_of
from labctl.replay.playing import RunPlayer
from labctl.run.state_board import read_state
from labctl.store.following import RunFollower

__all__ = ["ENDED", "Batch", "RunFeed", "numbers"]

_PERIOD_MS = 50
_SLICE_S = 0.008
_ROWS = 1000
_AGAIN_MS = 500
_PATIENCE_S = 60.0
ENDED = frozenset({"finished", "failed", "aborted", "interrupted"})


@dataclass(frozen=True, slots=True)
class Batch:
    """New points of a run, in order.

    Attributes
    ----------
    first_seq : int
        Number of the first one, from 1.
    count : int
    columns : Mapping of str to ndarray, shape (count,), unit as in the label
        By label. A column with a unit is float, NaN where there is no value.
    seqs : ndarray, shape (count,)
        Numbers of the points; only a recovered run has gaps.
    """

    first_seq: int
    count: int
    columns: Mapping[str, NDArray[Any]]
    seqs: NDArray[np.int64]


class RunFeed(QObject):
    """One run. Connect to its signals before :meth:`start`, or read the file up to :attr:`count` yourself.

    Parameters
    ----------
    path : Path
        The run file.
    parent : QObject, optional
    player : RunPlayer, optional
        Hands the points of a run that has ended out as if it were measured now.

    Attributes
    ----------
    batch : Signal of Batch
    events : Signal of list of EventRow
    progress : Signal of ProgressMark
    arrays : Signal of list of str
        Names of new arrays.
    status_changed : Signal of str
        "running", "paused", "finished", "failed", "aborted" or "interrupted".
    caught_up : Signal
        All that was in the file has been handed out.
    troubled : Signal of str
        The file cannot be read just now, and why; it is tried again for a minute.
    recovered : Signal
        It can be read again.
    failed : Signal of str
        It could not be read for a minute; nothing follows, until the run is watched anew.
    trouble : str
        Why the file cannot be read; empty: it can.
    path : Path
    player : RunPlayer or None
    follower : RunFollower or RunPlayer
        For pages of rows.
    title : str
        The run as people read it: its id, which a replay says it is one of.
    status : str
    count : int
        Points handed out.
    last_seq : int
        Number of the last of them.
    points_total : int
        Points in the file at the last look.
    last_progress : ProgressMark or None

    Raises
    ------
    StoreError
        If it is no run file, is damaged or of a newer version.
    """

    batch = Signal(object)
    events = Signal(object)
    progress = Signal(object)
    arrays = Signal(object)
    status_changed = Signal(str)
    caught_up = Signal()
    troubled = Signal(str)
    recovered = Signal()
    failed = Signal(str)

    def __init__(self, path: Path, parent: QObject | None = None, *, player: RunPlayer | None = None) -> None:
        super().__init__(parent)
        self.path = path
        self.player = player
        self.follower = player or RunFollower(path)
        self.run_id = self.follower.run_id
        self.title = self.run_id if player is None else f"replay of {self.run_id}"
        self.columns = self.follower.columns
        self.header: Mapping[str, Any] = self.follower.header
        self.parameter_texts: Mapping[str, str] = self.follower.parameter_texts
        self.simulated = bool(self.header.get("simulated"))
        self.procedure = str(self.header.get("procedure"))
        self.status = ""
        self.count = self.last_seq = 0
        self.points_total = 0
        self.last_progress: Any = None
        self.trouble = ""
        self._is_behind = True
        self._given_up_s = 0.0
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._take)

    @property
    def is_live(self) -> bool:
        """Whether its process still measures, or its replay goes on."""
        return self.status not in ENDED

    def start(self) -> None:
        """Begin to hand out."""
        self._timer.start(0)

    def close(self) -> None:
        """Let go of the file."""
        self._timer.stop()
        self.follower.close()

    def _take(self) -> None:
        until_s = time.monotonic() + _SLICE_S
        try:
            while True:
                found = self.follower.take(_ROWS)
                self._hand_out(found)
                is_full = found.count == _ROWS
                if not is_full or time.monotonic() >= until_s:
                    break
        except (StoreError, OSError) as error:
            self._wait_for_file(sentence_of(error))
            return
        if self.trouble:
            self.trouble = ""
            self.recovered.emit()
        if is_full:
            # more waits in the file: the window gets a breath in between
            self._timer.start(1)
            return
        if self._is_behind:
            self._is_behind = False
            self.caught_up.emit()
        if self.is_live:
            self._timer.start(_PERIOD_MS)
        else:
            # it may be resumed
            self._timer.start(20 * _PERIOD_MS)

    def _wait_for_file(self, why: str) -> None:
        """Try again later: a drive or a folder may be away for a moment."""
        now_s = time.monotonic()
        if not self.trouble:
            self._given_up_s = now_s + _PATIENCE_S
            self.trouble = why
            self.troubled.emit(why)
        if now_s < self._given_up_s:
            self._timer.start(_AGAIN_MS)
        else:
            self.failed.emit(f"run {self.run_id} is not watched any more; open it again when this is mended: {why}")

    def _hand_out(self, found: Any) -> None:
        self.points_total = found.points_total
        if found.count:
            self.count += found.count
            self.last_seq = int(found.seqs[-1])
            self.batch.emit(Batch(found.first_seq, found.count, found.columns, found.seqs))
        if found.events:
            self.events.emit(found.events)
        if found.progress is not None:
            self.last_progress = found.progress
            self.progress.emit(found.progress)
        if found.arrays:
            self.arrays.emit(found.arrays)
        status = found.status
        if status == "running" and self.player is None:
            board = read_state(self.follower.path)
            status = "paused" if board is not None and board.get("state") == "paused" else status
        if status != self.status:
            self.status = status
            self.status_changed.emit(status)


def numbers(column: NDArray[Any]) -> NDArray[np.float64]:
    """Return a column as floats, NaN where it holds no number.

    Parameters
    ----------
    column : ndarray, shape (count,)
        Of a batch.

    Returns
    -------
    ndarray, shape (count,), unit as the column's
    """
    if column.dtype.kind in "fiub":
        return column.astype(np.float64)
    return np.array([value if isinstance(value, (int, float)) else np.nan for value in column], dtype=np.float64)
