"""How the bench's clock and the clock on the wall go together. Not here: the sockets."""

import time
from collections.abc import Callable
from math import inf

from labctl.clock import VirtualClock

__all__ = ["Pacer"]


class Pacer:
    """Lets the bench's clock follow the wall, and tells how far instruments have run ahead of it.

    At a finite speed the two clocks go in step: what an instrument does takes its time on the wall. At infinite speed
    only the time in which nobody asks anything passes on both.

    Parameters
    ----------
    clock : VirtualClock
        The bench's.
    speed : float, unit 1
        Seconds of the bench per second of the wall, positive; inf answers at once.
    wall : callable, unit s
        Time on the wall, never going back.

    Raises
    ------
    ValueError
        If the speed is not positive.
    """

    def __init__(self, clock: VirtualClock, speed: float = inf, *, wall: Callable[[], float] = time.monotonic) -> None:
        if not speed > 0.0:
            raise ValueError(f"speed: must be positive, or max, got {speed!r}")
        self.speed = speed
        self._rate = 1.0 if speed == inf else speed
        self._clock, self._wall = clock, wall
        self.restart()

    def restart(self) -> None:
        """Begin anew at the present of both clocks: what passed on one and not on the other stays so."""
        self._wall_s = self._wall()
        self._bench_s = self._clock.now_s()

    def catch_up(self) -> None:
        """Let the bench live through what passed on the wall while it was idle."""
        due_s = self._due_s()
        if due_s > self._clock.now_s():
            self._clock.sleep(due_s - self._clock.now_s())

    def ahead_s(self) -> float:
        """Return how long the wall needs to arrive where the bench is, unit s; 0 where it is there."""
        if self.speed == inf:
            return 0.0
        return max(0.0, self.wall_s(self._clock.now_s() - self._due_s()))

    def wall_s(self, bench_s: float) -> float:
        """Return how long ``bench_s`` (unit s) of the bench takes on the wall while it is idle, unit s."""
        return bench_s / self._rate

    def has_acted(self) -> None:
        """Note that an instrument has done something; at infinite speed that took no time on the wall."""
        if self.speed == inf:
            self.restart()

    def _due_s(self) -> float:
        return self._bench_s + self._rate * (self._wall() - self._wall_s)
