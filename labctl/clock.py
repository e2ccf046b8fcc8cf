"""Time as a role: the wall clock of a real rack and the virtual clock of a simulated one.

Procedures never call :func:`time.sleep`; they sleep on ``station.clock``. Not here: time stamps of the run file,
which are UTC of the computer (:mod:`labctl.store`).
"""

import time
from typing import Protocol

__all__ = ["Clock", "VirtualClock", "WallClock"]


class Clock(Protocol):
    """What measuring code may ask of time."""

    def now_s(self) -> float:
        """Return the seconds since an arbitrary start, never going back."""
        ...

    def sleep(self, duration_s: float) -> None:
        """Let ``duration_s`` seconds pass.

        Raises
        ------
        ValueError
            If ``duration_s`` is negative.
        """
        ...


class WallClock:
    """The clock of a real rack: monotonic time of the computer."""

    def now_s(self) -> float:
        """Return the monotonic time, unit s."""
        return time.monotonic()

    def sleep(self, duration_s: float) -> None:
        """Block for ``duration_s`` seconds.

        Raises
        ------
        ValueError
            If ``duration_s`` is negative.
        """
        _check_duration(duration_s)
        time.sleep(duration_s)


class VirtualClock:
    """The clock of a simulated rack: time passes only when something takes time.

    Parameters
    ----------
    start_s : float, unit s
        First reading of the clock.
    """

    def __init__(self, start_s: float = 0.0) -> None:
        self._now_s = start_s

    def now_s(self) -> float:
        """Return the virtual time, unit s."""
        return self._now_s

    def sleep(self, duration_s: float) -> None:
        """Advance the clock by ``duration_s`` seconds at once.

        Raises
        ------
        ValueError
            If ``duration_s`` is negative.
        """
        _check_duration(duration_s)
        self._now_s += duration_s


def _check_duration(duration_s: float) -> None:
    if not duration_s >= 0.0:
        raise ValueError(f"clock: a duration must not be negative, got {duration_s!r} s")
