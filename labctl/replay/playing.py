"""A run that has ended, played as if it were measured now: its rows and events come when they came then.

Nothing is written and no instrument is asked; the time is that of the rack, which is what a real rack would have taken.
Not here: applying the stimuli again (``labctl replay --against``), VISA traffic (:mod:`labctl.replay.answering`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from labctl.clock import Clock, WallClock
from labctl.errors import ReplayError
from labctl.store import Run
from labctl.store.following import EventRow, Increment, Page, ProgressMark, RunFollower
from labctl.store.seal import ENDED
from labctl.units import parse_quantity

__all__ = ["RunPlayer", "position_of"]

FloatArray = NDArray[np.float64]

_TIME = "Time (s)"
_ROWS = 1000
# so often it is looked whether something is due, on the wall
_LOOK_S = 0.05


def position_of(text: str, duration_s: float) -> float:
    """Read where in a run to begin.

    Parameters
    ----------
    text : str
        A part such as ``"50 %"``, or a time such as ``"30 s"``.
    duration_s : float, unit s
        Of the run.

    Returns
    -------
    float, unit s

    Raises
    ------
    ValueError
        If it is neither.
    """
    return duration_s * parse_quantity(text, "1") if text.rstrip().endswith("%") else parse_quantity(text, "s")


class RunPlayer:
    """One run, handed out by its recorded time to whoever follows it as they would follow a live one. For one thread.

    Parameters
    ----------
    path : Path
        The run file.
    speed : float, unit 1
        So many seconds of the rack pass in a second.
    clock : Clock, optional
        Left out, that of the wall.

    Attributes
    ----------
    path : Path
    run_id : str
    header : dict
    columns : tuple of Column
    parameter_texts : Mapping of str to str
        As :class:`~labctl.store.following.RunFollower` has them.
    duration_s : float, unit s
        When the last row was measured or the last event came, from the start of the run.
    is_paused : bool

    Raises
    ------
    ReplayError
        If the run goes on.
    ValueError
        If the speed is not positive.
    StoreError
        If it is no run file, or it is damaged.
    """

    def __init__(self, path: Path, *, speed: float = 1.0, clock: Clock | None = None) -> None:
        self._clock = clock or WallClock()
        self._speed = _checked(speed)
        follower = RunFollower(path)
        self.path, self.run_id, self.header = follower.path, follower.run_id, follower.header
        self.columns, self.parameter_texts = follower.columns, follower.parameter_texts
        self.is_paused = False
        self._events: list[EventRow] = []
        self._arrays: list[str] = []
        self._taken = self._count = self._told = 0
        self._has_ended = False
        self._rows = Page(np.empty(0, dtype=np.int64), {})
        # of the rows that were read and not handed out
        self._held_s: FloatArray = np.empty(0)
        self._before_s = self._base_s = self._since_s = 0.0
        found = follower.take(0)
        while found.events:
            self._events += found.events
            self._arrays += found.arrays
            found = follower.take(0)
        self._arrays += found.arrays
        self._ending = found
        self._event_times_s = _never_back(
            np.array([_when(event.instrument_s, event.wall_s) for event in self._events]), 0.0
        )
        self._marks = self._find_marks()
        last_s = self._times_s(follower.page(found.last_seq, 1), 0.0)
        if found.status not in ENDED:
            follower.close()
            raise ReplayError(f"run {self.run_id} goes on: watch it, and play it when it has ended")
        self.duration_s = float(max([0.0, *last_s, *self._event_times_s[-1:]]))
        self._follower = follower
        self._begin(0.0)

    @property
    def speed(self) -> float:
        """Control how many seconds of the rack pass in a second, unit 1, float, positive."""
        return self._speed

    @speed.setter
    def speed(self, speed: float) -> None:
        """Set it, unit 1; it counts from here."""
        self._stay()
        self._speed = _checked(speed)

    @property
    def position_s(self) -> float:
        """Get how far it is, unit s, float, from 0 to the duration."""
        if self.is_paused:
            return self._base_s
        return min(self._base_s + self._speed * (self._clock.now_s() - self._since_s), self.duration_s)

    @property
    def is_over(self) -> bool:
        """Whether everything has been handed out."""
        return not self._held_s.size and self._taken >= self._ending.last_seq and self.position_s >= self.duration_s

    def pause(self) -> None:
        """Stand still."""
        self._stay()
        self.is_paused = True

    def resume(self) -> None:
        """Go on from where it stands."""
        self._stay()
        self.is_paused = False

    def step(self) -> None:
        """Go to the next row and those of the same moment, and stand still there."""
        self.pause()
        self._fill(_ROWS)
        self._base_s = float(self._held_s[0]) if self._held_s.size else self.duration_s

    def jump(self, position_s: float) -> None:
        """Go to another time; what is before it is handed out at once, after a jump back from the first row again.

        Parameters
        ----------
        position_s : float, unit s
            From the start of the run.

        Raises
        ------
        ValueError
            If it is not within the run.
        """
        if not 0.0 <= position_s <= self.duration_s:
            raise ValueError(
                f"replay: run {self.run_id} lasts from 0 to {self.duration_s:.6g} s, got {position_s:.6g} s"
            )
        if position_s < self.position_s:
            self._begin(position_s)
        else:
            self._stay()
            self._base_s = position_s

    def take(self, most_rows: int) -> Increment:
        """Take what is due and was not taken.

        Parameters
        ----------
        most_rows : int

        Returns
        -------
        Increment
            As :meth:`~labctl.store.following.RunFollower.take` gives it; its last row and number of points are those
            that were handed out, its status "running" or "paused" until the end, the marks of progress those of the
            replay. Results and maps come with the end.

        Raises
        ------
        StoreError
            If the file is damaged or gone.
        """
        position_s = self.position_s
        self._fill(most_rows)
        count = min(int(np.searchsorted(self._held_s, position_s, side="right")), most_rows)
        rows, first = self._rows, len(self._rows.seqs) - self._held_s.size
        seqs = rows.seqs[first : first + count]
        columns = {name: cells[first : first + count] for name, cells in rows.columns.items()}
        self._held_s = self._held_s[count:]
        if count:
            self._taken, self._count = int(seqs[-1]), self._count + count
        told = self._told
        self._told = max(told, int(np.searchsorted(self._event_times_s, position_s, side="right")))
        is_over = self.is_over
        arrays = tuple(self._arrays) if is_over and not self._has_ended else ()
        self._has_ended = is_over
        percent = 100.0 * position_s / self.duration_s if self.duration_s else 100.0
        return replace(
            self._ending,
            first_seq=int(seqs[0]) if count else self._taken + 1,
            count=count,
            seqs=seqs,
            columns=columns,
            events=tuple(self._events[told : self._told]),
            progress=ProgressMark(position_s / self._speed, position_s, self._count, percent),
            arrays=arrays,
            status=self._ending.status if is_over else "paused" if self.is_paused else "running",
            last_seq=self._taken,
            points_total=self._count,
        )

    def page(self, first_seq: int, count: int, labels: Sequence[str] | None = None) -> Page:
        """Read some rows of those that were handed out, by their numbers.

        Parameters
        ----------
        first_seq : int
            Number of the first, from 1.
        count : int
        labels : sequence of str, optional
            The columns that are wanted; else all.

        Returns
        -------
        Page

        Raises
        ------
        StoreError
            If the file is damaged or gone, or it has no such column.
        """
        return self._follower.page(first_seq, max(0, min(count, self._taken + 1 - first_seq)), labels)

    def batches(self) -> Iterator[Increment]:
        """Yield what is due when it is due, waiting meanwhile, until everything was handed out.

        Yields
        ------
        Increment
            With rows or events, or the last one.
        """
        while True:
            found = self.take(_ROWS)
            if found.count or found.events or self.is_over:
                yield found
            if self.is_over:
                return
            if found.count < _ROWS:
                self._clock.sleep(_LOOK_S)

    def steps(self) -> Iterator[Increment]:
        """Yield what is before the present time, then moment by moment without waiting, until the end.

        Yields
        ------
        Increment
        """
        self.pause()
        while True:
            found = self.take(_ROWS)
            yield found
            if self.is_over:
                return
            if found.count < _ROWS:
                self.step()

    def close(self) -> None:
        """Let go of the file."""
        self._follower.close()

    def _begin(self, position_s: float) -> None:
        """Begin with the first row again, at a time."""
        self._follower.close()
        self._follower = RunFollower(self.path)
        self._taken = self._count = self._told = 0
        self._has_ended = False
        self._held_s = np.empty(0)
        self._before_s = 0.0
        self._base_s, self._since_s = position_s, self._clock.now_s()

    def _stay(self) -> None:
        """Count from here."""
        self._base_s, self._since_s = self.position_s, self._clock.now_s()

    def _fill(self, most_rows: int) -> None:
        """Have the next rows at hand."""
        if self._held_s.size:
            return
        found = self._follower.take(most_rows)
        self._rows = Page(found.seqs, found.columns)
        self._held_s = self._times_s(self._rows, self._before_s)
        if found.count:
            self._before_s = float(self._held_s[-1])

    def _times_s(self, rows: Page, before_s: float) -> FloatArray:
        if _TIME in rows.columns:
            return _never_back(rows.columns[_TIME], before_s)
        points, times_s = self._marks
        return _never_back(np.interp(rows.seqs, points, times_s), before_s)

    def _find_marks(self) -> tuple[FloatArray, FloatArray]:
        """Return how many points there were when: for rows that do not say when they were measured."""
        if any(column.name == _TIME for column in self.columns):
            return np.zeros(1), np.zeros(1)
        marks = Run(self.path).progress().to_dict("records")
        found = [(0.0, 0.0), *((one["points"], _when(one["instrument_s"], one["wall_s"])) for one in marks)]
        found += [(event.points, _when(event.instrument_s, event.wall_s)) for event in self._events]
        known = np.array(sorted(found), dtype=float)
        return known[:, 0], np.maximum.accumulate(known[:, 1])


def _when(instrument_s: float | None, wall_s: float) -> float:
    """Return the time of the rack, on the wall where it has no clock."""
    return wall_s if instrument_s is None or np.isnan(instrument_s) else instrument_s


def _never_back(times_s: NDArray[np.generic], before_s: float) -> FloatArray:
    """Give rows without a time that of the row before; a clock that was set back stands still."""
    filled = np.fmax.accumulate(np.append(before_s, np.asarray(times_s, dtype=np.float64)))
    return np.asarray(filled[1:], dtype=np.float64)


def _checked(speed: float) -> float:
    if not 0.0 < speed < float("inf"):
        raise ValueError(f"replay: the speed must be positive, got {speed!r}; 10 is ten times as fast as measured")
    return speed
