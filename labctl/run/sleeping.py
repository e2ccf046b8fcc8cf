"""The clock that a procedure gets: the station's, but an abort cuts a long sleep.

Not here: the clocks themselves (:mod:`labctl.clock`).
"""

from collections.abc import Callable

from labctl.clock import Clock

__all__ = ["InterruptibleClock"]

_SLICE_S = 0.01


class InterruptibleClock:
    """A clock whose long sleeps are cut.

    Parameters
    ----------
    clock : Clock
    meanwhile : callable
        Called every hundredth of a second of a sleep; what it raises ends the sleep.
    is_virtual : bool
        Whether time passes at once: such a sleep needs no cutting.
    """

    def __init__(self, clock: Clock, meanwhile: Callable[[], None], *, is_virtual: bool) -> None:
        self._clock = clock
        self._meanwhile = meanwhile
        self._is_virtual = is_virtual

    def now_s(self) -> float:
        """Return the time of the clock, unit s."""
        return self._clock.now_s()

    def sleep(self, duration_s: float) -> None:
        """Let ``duration_s`` seconds pass, or fewer if the run is to stop.

        Parameters
        ----------
        duration_s : float, unit s

        Raises
        ------
        ValueError
            If ``duration_s`` is negative.
        Aborted
            If an abort was asked for; never in a sleep of up to 10 ms, so that short pulses stay whole.
        """
        if self._is_virtual or not duration_s > _SLICE_S:
            self._clock.sleep(duration_s)
            return
        end_s = self._clock.now_s() + duration_s
        while (left_s := end_s - self._clock.now_s()) > 0.0:
            self._meanwhile()
            self._clock.sleep(min(left_s, _SLICE_S))
