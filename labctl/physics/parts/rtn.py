r"""Random telegraph noise: a few traps per cell, each empty or full, each taking away a part of the current when full.

A trap is a two-state Markov process. Over any gap it is carried exactly,

.. math:: P(\text{full at } t + \Delta) = p + (s - p) e^{-\Delta/\tau}, \quad
          p = \frac{1/\tau_c}{1/\tau_c + 1/\tau_e}, \quad 1/\tau = 1/\tau_c + 1/\tau_e,

and over the aperture of a reading jump by jump, so that a reading sees the mean of the current; where a trap jumps very
often within an aperture, the mean is normal with the exact variance. Not here: what a bench does with the factor.

References
----------
.. [1] M. J. Kirton, M. J. Uren, "Noise in solid-state microstructures", Adv. Phys. 38 (1989) 367,
   doi:10.1080/00018738900101122: capture and emission times of a trap.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labctl.physics.fluctuations import State
from labctl.physics.presets import Preset
from labctl.physics.random import Stream, normals, uniforms

__all__ = ["Traps"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]

_UNITS = {
    "rtn.traps_most": "1",
    "rtn.amplitude_low": "1",
    "rtn.amplitude_high": "1",
    "rtn.time_low": "s",
    "rtn.time_high": "s",
}
# more jumps than this within an aperture are not followed one by one
_MANY_JUMPS = 200.0


@dataclass(frozen=True, slots=True, eq=False)
class Traps:
    """The traps of the cells of a die; arrays of shape (cells, traps).

    Attributes
    ----------
    amplitude : ndarray, unit 1
        Part of the current that a full trap takes away; 0 where there is no trap.
    capture_s, emission_s : ndarray, unit s
        Mean times empty and full, at the reference temperature.
    seed : int
        Key of all random numbers.
    number : ndarray of int64, shape (cells,)
        Keys of the cells.
    """

    amplitude: Array
    capture_s: Array
    emission_s: Array
    seed: int
    number: Index

    @classmethod
    def from_preset(cls, preset: Preset, seed: int, number: Index) -> "Traps":
        """Draw the traps of a die.

        Parameters
        ----------
        preset : Preset
            Parameter file with the section ``rtn``.
        seed : int
            Key of all random numbers.
        number : ndarray of int64, shape (cells,)
            Keys of the cells.

        Returns
        -------
        Traps
            From none to ``rtn.traps_most`` in each cell, each number as likely; amplitudes and times log-uniform.

        Raises
        ------
        StationError
            If a key is missing or in another unit.
        """
        preset.require(_UNITS)
        most = int(preset["rtn.traps_most"])
        lanes = np.arange(most)

        def drawn(low: float, high: float, kind: int) -> Array:
            part = uniforms(seed, Stream.TRAP, number[:, np.newaxis], kind, lanes)
            return np.asarray(np.exp(np.log(low) + (np.log(high) - np.log(low)) * part))

        count = np.floor(uniforms(seed, Stream.TRAP, number) * (most + 1))
        amplitude = drawn(preset["rtn.amplitude_low"], preset["rtn.amplitude_high"], 1)
        times = preset["rtn.time_low"], preset["rtn.time_high"]
        is_there = lanes < count[:, np.newaxis]
        return cls(np.where(is_there, amplitude, 0.0), drawn(*times, 2), drawn(*times, 3), seed, number)

    def fresh(self) -> State:
        """Return the stationary state of a new die: ``trap_full``, ``trap_time_s``, ``trap_draws``."""
        lanes = np.arange(self.amplitude.shape[1])
        start = uniforms(self.seed, Stream.TRAP, self.number[:, np.newaxis], 4, lanes)
        return {
            "trap_full": start < self.capture_part(),
            "trap_time_s": np.zeros(self.amplitude.shape),
            "trap_draws": np.zeros(self.amplitude.shape, dtype=np.int64),
        }

    def capture_part(self) -> Array:
        """Return the part of the time that each trap is full, unit 1."""
        return self.emission_s / (self.capture_s + self.emission_s)

    def factor(self, state: State, index: Index, now_s: float, aperture_s: float, speed: float) -> Array:
        """Carry the traps of some cells to a time and return the factor on their conductance.

        Parameters
        ----------
        state : dict of str to ndarray
            As from :meth:`fresh`; changed in place.
        index : ndarray of int64, shape (n,)
            Cells to look at.
        now_s, aperture_s : float, unit s
            End and length of the average; a time before the last look leaves the traps as they are.
        speed : float, unit 1
            Factor on all rates, from the temperature.

        Returns
        -------
        ndarray, shape (n,), unit 1
            Above 0, at most 1.
        """
        cells, traps = np.nonzero(self.amplitude[index] > 0.0)
        where = (index[cells], traps)
        share = np.zeros((index.size, self.amplitude.shape[1]))
        share[cells, traps] = self._mean_full(state, where, now_s, aperture_s, speed)
        return np.asarray(np.prod(1.0 - self.amplitude[index] * share, axis=1))

    def _mean_full(
        self, state: State, where: tuple[Index, Index], now_s: float, aperture_s: float, speed: float
    ) -> Array:
        capture, emission = self.capture_s[where] / speed, self.emission_s[where] / speed
        tau, part = capture * emission / (capture + emission), self.capture_part()[where]
        full, at_s = state["trap_full"][where].copy(), state["trap_time_s"][where]
        begin_s = np.maximum(at_s, now_s - aperture_s)
        full = self._carried(state, where, full, np.maximum(begin_s - at_s, 0.0), part, tau)
        span_s = np.maximum(now_s - begin_s, 0.0)
        mean = full.astype(np.float64)
        often = np.flatnonzero(span_s > _MANY_JUMPS * tau)
        few = np.flatnonzero((span_s > 0.0) & (span_s <= _MANY_JUMPS * tau))
        if often.size:
            chosen = (where[0][often], where[1][often])
            ratio = tau[often] / span_s[often]
            variance = 2.0 * part[often] * (1.0 - part[often]) * ratio * (1.0 + ratio * np.expm1(-1.0 / ratio))
            drawn = normals(self.seed, Stream.TRAP_JUMP, self.number[chosen[0]], state["trap_draws"][chosen], chosen[1])
            state["trap_draws"][chosen] += 1
            mean[often] = np.clip(part[often] + np.sqrt(variance) * drawn, 0.0, 1.0)
            full[often] = self._carried(state, chosen, full[often], span_s[often], part[often], tau[often])
        filled_s, left_s = np.zeros(span_s.size), span_s.copy()
        while few.size:
            chosen = (where[0][few], where[1][few])
            stay = -np.log(self._uniform(state, chosen)) * np.where(full[few], emission[few], capture[few])
            filled_s[few] += full[few] * np.minimum(stay, left_s[few])
            jumps = stay < left_s[few]
            left_s[few] -= stay
            few = few[jumps]
            full[few] = ~full[few]
        followed = (span_s > 0.0) & (span_s <= _MANY_JUMPS * tau)
        mean[followed] = filled_s[followed] / span_s[followed]
        state["trap_full"][where] = full
        state["trap_time_s"][where] = np.maximum(at_s, now_s)
        return mean

    def _carried(
        self,
        state: State,
        where: tuple[Index, Index],
        full: NDArray[np.bool_],
        gap_s: Array,
        part: Array,
        tau: Array,
    ) -> NDArray[np.bool_]:
        moves = np.flatnonzero(gap_s > 0.0)
        chosen = (where[0][moves], where[1][moves])
        chance = part[moves] + (full[moves] - part[moves]) * np.exp(-gap_s[moves] / tau[moves])
        carried = full.copy()
        carried[moves] = self._uniform(state, chosen) < chance
        return carried

    def _uniform(self, state: State, where: tuple[Index, Index]) -> Array:
        drawn = uniforms(self.seed, Stream.TRAP_JUMP, self.number[where[0]], state["trap_draws"][where], where[1])
        state["trap_draws"][where] += 1
        return drawn
