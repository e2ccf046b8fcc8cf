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
    cells : int or ndarray of int64, shape (cells,)
        How many, numbered from 0, or the number of each, the key of its random numbers.
    seed : int
        Of the notches and of every waiting time.
    device_spread, cycle_spread : bool
        False leaves out the spread of the notches, or that of the speed; waiting times are drawn in any case.

    Attributes
    ----------
    states : int
        Notches of a track.
    position : ndarray, shape (cells,), unit 1
        Notch of each wall, from 0; a new track has its walls in the first.
    critical_current_a_m2 : ndarray, shape (cells, states), unit A/m^2
        Of each notch.
    """

    def __init__(
        self,
        preset: Preset,
        *,
        cells: int | NDArray[np.int64],
        seed: int,
        device_spread: bool = True,
        cycle_spread: bool = True,
    ) -> None:
        self._number = np.arange(cells) if isinstance(cells, int) else cells
        self.states = int(preset["track.states"])
        self._pitch_m = preset["track.pitch"]
        self._attempt_s = preset["depinning.attempt_time"]
        self._barrier = preset["depinning.barrier"]
        self._exponent = preset["depinning.exponent"]
        self._mobility = preset["flight.mobility"]
        self._speed_spread = preset["flight.speed_spread"] * cycle_spread
        self._ends_s = (preset["read.antiparallel"], preset["read.parallel"])
        self._seed = seed
        notches = np.arange(self.states)
        spread = device_spread * normals(seed, Stream.NOTCH, self._number[:, np.newaxis], notches)
        self.critical_current_a_m2 = preset["depinning.critical_current"] * (
            1.0 + preset["depinning.notch_spread"] * spread
        )
        self.position = np.zeros(self._number.size, dtype=np.int64)
        self._events = np.zeros(self._number.size, dtype=np.int64)

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
        before, cells = self.position, np.arange(self.position.size)
        self.position = self.travelled(cells, before, self._events, current, np.full(current.shape, float(width_s)))
        self._events += 1
        return self.position - before

    def travelled(
        self,
        cells: NDArray[np.int64],
        start: NDArray[np.int64],
        events: NDArray[np.int64],
        current_a_m2: NDArray[np.float64],
        width_s: NDArray[np.float64],
        *,
        barrier_factor: float = 1.0,
    ) -> NDArray[np.int64]:
        """Return where pulses bring walls, shape (n,), unit 1; nothing is remembered.

        Parameters
        ----------
        cells : ndarray of int64, shape (n,)
            Which tracks, from 0.
        start : ndarray of int64, shape (n,)
            Notches before.
        events : ndarray of int64, shape (n,)
            How-manieth pulse of each track it is: the key of its draws.
        current_a_m2 : ndarray, shape (n,), unit A/m^2
            Current densities.
        width_s : ndarray, shape (n,), unit s
            Not negative.
        barrier_factor : float, unit 1
            On the barrier over kT, for another temperature.
        """
        number = self._number[cells]
        spread = self._speed_spread * normals(self._seed, Stream.FLIGHT, number, events)
        speed_m_s = self._mobility * np.abs(current_a_m2) * np.maximum(_LEAST_SPEED, 1.0 + spread)
        flight_s = np.where(current_a_m2 == 0.0, 0.0, self._pitch_m / np.where(speed_m_s > 0.0, speed_m_s, np.inf))
        position, left_s = start.copy(), width_s.copy()
        moving, hop = np.arange(cells.size), 0
        while moving.size:
            place, current = position[moving], current_a_m2[moving]
            rate_hz = self.rate_hz(cells[moving], place, current, barrier_factor=barrier_factor)
            key = (number[moving], events[moving])
            wait_s = -np.log(uniforms(self._seed, Stream.DEPINNING, *key, hop)) / rate_hz
            # without current a freed wall falls to either side, in no time worth counting
            aside = np.where(uniforms(self._seed, Stream.FLIGHT, *key, hop + 1) < 0.5, -1, 1)
            towards = place + np.where(current == 0.0, aside, np.sign(current)).astype(np.int64)
            is_inside = (towards >= 0) & (towards < self.states)
            rest_s = left_s[moving] - wait_s
            # ended in flight: the nearest notch
            arrives = (rest_s > 0.0) & (rest_s >= 0.5 * flight_s[moving]) & is_inside
            position[moving] = np.where(arrives, towards, place)
            # at an end of the track the wall is thrown back into its notch: driven against it, it stays for good
            left_s[moving] = np.where(is_inside | (current == 0.0), rest_s - flight_s[moving] * is_inside, 0.0)
            moving = moving[left_s[moving] > 0.0]
            hop += 1
        return position

    def rate_hz(
        self,
        cells: NDArray[np.int64],
        place: NDArray[np.int64],
        current_a_m2: NDArray[np.float64],
        *,
        barrier_factor: float = 1.0,
    ) -> NDArray[np.float64]:
        """Return how often walls leave their notch, shape (n,), unit Hz.

        Parameters
        ----------
        cells, place : ndarray of int64, shape (n,)
            Which tracks, and their notches.
        current_a_m2 : ndarray, shape (n,), unit A/m^2
            Current densities.
        barrier_factor : float, unit 1
            On the barrier over kT.
        """
        reduced = np.maximum(0.0, 1.0 - np.abs(current_a_m2) / self.critical_current_a_m2[cells, place])
        return np.asarray(np.exp(-barrier_factor * self._barrier * reduced**self._exponent) / self._attempt_s)

    def conductance_s(self) -> NDArray[np.float64]:
        """Return the conductance of each junction, shape (cells,), unit S: linear in the wall's position."""
        low_s, high_s = self._ends_s
        return low_s + (high_s - low_s) * self.position / (self.states - 1)
