"""Domain walls that hop from notch to notch of a track, driven by current pulses, read through a tunnel junction.

A wall waits in a notch until heat and current free it (an exponential waiting time), flies to the next notch, is
caught there, and so on until the pulse ends; ended in flight, it relaxes to the nearest notch. Between pulses nothing
moves but by heat alone, with the full barrier. Not here: wires and instruments; the picosecond motion inside a notch.

The numbers, with their sources, are those of a device file of family ``"domain_wall"``.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labctl.physics.presets import Preset
from labctl.physics.random import Stream, normals, uniforms

__all__ = ["DomainWallTrack"]

# of the mean: a normal spread has no lower end, a speed does
_LEAST_SPEED = 0.1


class DomainWallTrack:
    """The tracks of ``cells`` synapses, each with its own notches.

    Parameters
    ----------
    preset : Preset
        Of family ``"domain_wall"``.
    cells : int
        How many.
    seed : int
        Of the notches and of every waiting time.

    Attributes
    ----------
    states : int
        Notches of a track.
    position : ndarray, shape (cells,), unit 1
        Notch of each wall, from 0; a new track has its walls in the first.
    critical_current_a_m2 : ndarray, shape (cells, states), unit A/m^2
        Of each notch.
    """

    def __init__(self, preset: Preset, *, cells: int, seed: int) -> None:
        self.states = int(preset["track.states"])
        self._pitch_m = preset["track.pitch"]
        self._attempt_s = preset["depinning.attempt_time"]
        self._barrier = preset["depinning.barrier"]
        self._exponent = preset["depinning.exponent"]
        self._mobility = preset["flight.mobility"]
        self._speed_spread = preset["flight.speed_spread"]
        self._ends_s = (preset["read.antiparallel"], preset["read.parallel"])
        self._seed = seed
        notches = np.arange(self.states)
        spread = normals(seed, Stream.NOTCH, np.arange(cells)[:, np.newaxis], notches)
        self.critical_current_a_m2 = preset["depinning.critical_current"] * (
            1.0 + preset["depinning.notch_spread"] * spread
        )
        self.position = np.zeros(cells, dtype=np.int64)
        self._events = np.zeros(cells, dtype=np.int64)

    def pulse(self, current_a_m2: ArrayLike, width_s: float) -> NDArray[np.int64]:
        """Drive every wall with one rectangular pulse.

        Parameters
        ----------
        current_a_m2 : array_like, shape () or (cells,), unit A/m^2
            Current density; positive towards higher notches, 0 leaves heat alone.
        width_s : float, unit s
            Not negative; a wait is a pulse of 0 A/m^2.

        Returns
        -------
        ndarray, shape (cells,), unit 1
            Notches moved.

        Raises
        ------
        ValueError
            If the width is negative or a current is not finite.
        """
        current = np.broadcast_to(np.asarray(current_a_m2, dtype=float), self.position.shape)
        if not width_s >= 0.0:
            raise ValueError(f"a pulse width must not be negative, got {width_s!r} s")
        if not np.isfinite(current).all():
            raise ValueError("a current density must be finite")
        before = self.position.copy()
        left_s = np.full(self.position.shape, float(width_s))
        moving = np.arange(self.position.size)
        spread = self._speed_spread * normals(self._seed, Stream.FLIGHT, moving, self._events)
        speed_m_s = self._mobility * np.abs(current) * np.maximum(_LEAST_SPEED, 1.0 + spread)
        hop = 0
        while moving.size:
            moving = moving[self._hop(moving, current[moving], speed_m_s[moving], left_s, hop)]
            hop += 1
        self._events += 1
        return self.position - before

    def conductance_s(self) -> NDArray[np.float64]:
        """Return the conductance of each junction, shape (cells,), unit S: linear in the wall's position."""
        low_s, high_s = self._ends_s
        return low_s + (high_s - low_s) * self.position / (self.states - 1)

    def _hop(
        self,
        cells: NDArray[np.int64],
        current: NDArray[np.float64],
        speed_m_s: NDArray[np.float64],
        left_s: NDArray[np.float64],
        hop: int,
    ) -> NDArray[np.bool_]:
        """Let the walls of these cells wait and fly once; return which still have time."""
        place, event = self.position[cells], self._events[cells]
        reduced = np.maximum(0.0, 1.0 - np.abs(current) / self.critical_current_a_m2[cells, place])
        rate_hz = np.exp(-self._barrier * reduced**self._exponent) / self._attempt_s
        wait_s = -np.log(uniforms(self._seed, Stream.DEPINNING, cells, event, hop)) / rate_hz
        # without current a freed wall falls to either side, in no time worth counting
        aside = np.where(uniforms(self._seed, Stream.FLIGHT, cells, event, hop + 1) < 0.5, -1, 1)
        towards = place + np.where(current == 0.0, aside, np.sign(current)).astype(np.int64)
        is_inside = (towards >= 0) & (towards < self.states)
        flight_s = np.where(current == 0.0, 0.0, self._pitch_m / np.where(speed_m_s > 0.0, speed_m_s, np.inf))
        rest_s = left_s[cells] - wait_s
        # ended in flight: the nearest notch
        arrives = (rest_s > 0.0) & (rest_s >= 0.5 * flight_s) & is_inside
        self.position[cells] = np.where(arrives, towards, place)
        # at an end of the track the wall is thrown back into its notch and waits again
        left_s[cells] = rest_s - np.where(is_inside, flight_s, 0.0)
        return np.asarray(left_s[cells] > 0.0)
