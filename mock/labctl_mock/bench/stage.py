"""The block that the die lies on: it warms up and cools down as a body of one heat capacity does.

A set-point above the block pulls it up exponentially, with the time constant of the control loop, as far as the heater
range reaches; one below lets it cool towards the ambient until it is met. Not here: who controls it
(:mod:`labctl_mock.lakeshore`), what it does to cells (:mod:`labctl_mock.bench.circuit`).
"""

from collections.abc import Iterator
from math import exp

__all__ = ["AMBIENT_K", "Stage"]

AMBIENT_K = 300.0
"""Temperature of the room, unit K."""
_HEATING_S, _COOLING_S = 30.0, 120.0
# nearer than this to where it goes, the block is there
_THERE_K = 0.01
# a piece of time in which the block moves counts as at one temperature while it moves by less than this
_PIECE_K = 1.0
_LEAST_PIECE_S = 0.5


class Stage:
    """A heated block; time constants are assumed: 30 s up, 120 s down.

    Parameters
    ----------
    now_s : float, unit s
        The bench's clock; the block is at ambient temperature then.
    """

    def __init__(self, now_s: float) -> None:
        self._temperature_k, self._since_s = AMBIENT_K, now_s
        self._set_k, self._reach_k = 0.0, AMBIENT_K

    def control(self, set_k: float, reach_k: float, now_s: float) -> None:
        """Take a new set-point; the circuit must have been settled before.

        Parameters
        ----------
        set_k : float, unit K
            Set-point; 0 for a heater that is off.
        reach_k : float, unit K
            The most that full power of the heater range holds.
        now_s : float, unit s
        """
        self._temperature_k, self._since_s = self.temperature_k(now_s), now_s
        self._set_k, self._reach_k = set_k, reach_k

    def temperature_k(self, now_s: float) -> float:
        """Return the temperature of the block, unit K.

        Parameters
        ----------
        now_s : float, unit s
            Not before the last set-point.
        """
        passed_s = max(0.0, now_s - self._since_s)
        goal_k = min(self._set_k, self._reach_k)
        if goal_k > self._temperature_k:
            found_k = goal_k + (self._temperature_k - goal_k) * exp(-passed_s / _HEATING_S)
        else:
            falling_k = AMBIENT_K + (self._temperature_k - AMBIENT_K) * exp(-passed_s / _COOLING_S)
            goal_k = max(goal_k, AMBIENT_K)
            found_k = max(falling_k, goal_k)
        return goal_k if abs(found_k - goal_k) < _THERE_K else found_k

    def pieces(self, start_s: float, end_s: float) -> Iterator[tuple[float, float, float]]:
        """Cut a time into pieces in which the block moves by at most 1 K.

        Parameters
        ----------
        start_s, end_s : float, unit s

        Yields
        ------
        tuple of float
            Start and end of a piece, unit s, and the temperature in its middle, unit K.
        """
        while start_s < end_s:
            piece_s = end_s - start_s
            begin_k = self.temperature_k(start_s)
            while piece_s > _LEAST_PIECE_S and abs(self.temperature_k(start_s + piece_s) - begin_k) > _PIECE_K:
                piece_s *= 0.5
            stop_s = end_s if start_s + piece_s >= end_s else start_s + piece_s
            yield start_s, stop_s, self.temperature_k(0.5 * (start_s + stop_s))
            start_s = stop_s
