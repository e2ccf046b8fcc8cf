r"""What fluctuates in a cell of any family: 1/f noise, and the random walk of its conductance after programming.

The noise is the bank of :class:`~labctl.physics.noise.NoiseBank`, carried over any span exactly and only when someone
looks. The walk grows with the logarithm of time since programming; its steps are those of a variance-gamma process, a
Brownian motion whose own clock is a gamma process, so that its distribution has heavy tails at first and grows normal,
as measured cells do. Both are cut anywhere without a change of their distribution. Not here: what a family makes of the
walk; metal oxide, which has its own, compiled form (:mod:`labctl.physics.plain_steps`).

References
----------
.. [1] D. B. Madan, P. P. Carr, E. C. Chang, "The variance gamma process and option pricing", Rev. Finance 2 (1998) 79,
   doi:10.1023/A:1009703431535: the process, its variance and its kurtosis.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labctl.physics.cells import NOISE_DEFERRAL, RELAXATION_DEFERRAL
from labctl.physics.noise import NoiseBank, aperture_weights
from labctl.physics.presets import Preset
from labctl.physics.random import Stream, normals, uniforms

__all__ = ["Flicker", "LogWalk"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]
State = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Flicker:
    """1/f noise of the cells of a die.

    Attributes
    ----------
    bank : NoiseBank
        Poles.
    seed : int
        Key of all random numbers.
    number : ndarray of int64, shape (cells,)
        Keys of the cells.
    """

    bank: NoiseBank
    seed: int
    number: Index

    def fresh(self) -> State:
        """Return the stationary noise of a new die: ``noise``, ``noise_time_s``, ``noise_draws``, (cells, poles)."""
        poles = len(self.bank.tau_s)
        shape = (self.number.size, poles)
        drawn = normals(self.seed, Stream.NOISE, self.number[:, np.newaxis], 0, np.arange(poles))
        return {
            "noise": self.bank.sigma * drawn,
            "noise_time_s": np.zeros(shape),
            "noise_draws": np.ones(shape, dtype=np.int64),
        }

    def factor(self, state: State, index: Index, now_s: float, aperture_s: float, depth: ArrayLike = 1.0) -> Array:
        """Carry the noise of some cells to a time and return the factor on their conductance.

        Parameters
        ----------
        state : dict of str to ndarray
            As from :meth:`fresh`; changed in place.
        index : ndarray of int64, shape (n,)
            Cells to look at.
        now_s, aperture_s : float, unit s
            End and length of the average; a time before the last look leaves the noise as it is.
        depth : array_like, scalar or shape (n,), unit 1
            Noise of each cell over that of the bank.

        Returns
        -------
        ndarray, shape (n,), unit 1
            Positive.
        """
        tau, lanes = self.bank.tau_s, np.arange(len(self.bank.tau_s))
        passed = now_s - state["noise_time_s"][index]
        due = passed > NOISE_DEFERRAL * tau
        kept = np.exp(-np.maximum(passed, 0.0) / tau)
        draw = normals(self.seed, Stream.NOISE, self.number[index, np.newaxis], state["noise_draws"][index], lanes)
        moved = kept * state["noise"][index] + np.sqrt(1.0 - kept**2) * self.bank.sigma * draw
        state["noise"][index] = np.where(due, moved, state["noise"][index])
        state["noise_time_s"][index] = np.where(due, now_s, state["noise_time_s"][index])
        state["noise_draws"][index] += due
        # of a normal number of a few per cent, less than this is never drawn; a conductance stays positive all the same
        noise = state["noise"][index] @ aperture_weights(self.bank, aperture_s)
        return np.maximum(1.0 + np.asarray(depth) * noise, 1e-3)


@dataclass(frozen=True, slots=True, eq=False)
class LogWalk:
    """The walk after programming: variance 1 per decade, for a family to scale.

    Attributes
    ----------
    onset_s : float, unit s
        When it starts.
    renewal : float, unit 1
        Change of ln G that brings the age of a cell to 1/e.
    tail_decades : float, unit 1
        Decades over which its excess kurtosis falls to 3; 0 for a normal walk.
    seed : int
        Key of all random numbers.
    number : ndarray of int64, shape (cells,)
        Keys of the cells.
    """

    onset_s: float
    renewal: float
    tail_decades: float
    seed: int
    number: Index

    @classmethod
    def from_preset(cls, preset: Preset, seed: int, number: Index) -> "LogWalk":
        """Take the constants out of a device file.

        Parameters
        ----------
        preset : Preset
            Device file with the section ``relaxation``.
        seed : int
            Key of all random numbers.
        number : ndarray of int64, shape (cells,)
            Keys of the cells.

        Returns
        -------
        LogWalk
            Constants in SI.

        Raises
        ------
        StationError
            If a key is missing or in another unit.
        """
        units = {"relaxation.onset": "s", "relaxation.renewal": "1", "relaxation.tail": "1"}
        preset.require(units)
        onset_s, renewal, tail = (preset[key] for key in units)
        return cls(onset_s, renewal, tail, seed, number)

    def fresh(self) -> State:
        """Return the state of a die without a past: ``programmed_at_s``, ``walk``, ``walk_decades``, ``walk_draws``."""
        cells = self.number.size
        return {
            "programmed_at_s": np.zeros(cells),
            "walk": np.zeros(cells),
            "walk_decades": np.zeros(cells),
            "walk_draws": np.zeros(cells, dtype=np.int64),
        }

    def carry(self, state: State, index: Index, now_s: float) -> Array:
        """Carry the walk of some cells to a time.

        Parameters
        ----------
        state : dict of str to ndarray
            As from :meth:`fresh`; changed in place.
        index : ndarray of int64, shape (n,)
            Cells to look at.
        now_s : float, unit s
            Time of the look; a time before the last look leaves the walk as it is.

        Returns
        -------
        ndarray, shape (n,), unit 1
            The walk then.
        """
        decades = self._decades(now_s - state["programmed_at_s"][index])
        passed = decades - state["walk_decades"][index]
        due = passed > RELAXATION_DEFERRAL
        late = index[due]
        if late.size:
            number, draws = self.number[late], state["walk_draws"][late]
            drawn = normals(self.seed, Stream.RELAXATION, number, draws)
            clock = passed[due]
            if self.tail_decades > 0.0:
                from scipy.special import gammaincinv

                part = uniforms(self.seed, Stream.RELAXATION_CLOCK, number, draws)
                clock = self.tail_decades * gammaincinv(clock / self.tail_decades, part)
            state["walk"][late] += np.sqrt(clock) * drawn
            state["walk_decades"][late] = decades[due]
            state["walk_draws"][late] += 1
        return np.asarray(state["walk"][index])

    def reprogram(self, state: State, index: Index, log_change: Array, end_s: float) -> None:
        """Begin anew after a change, as far as it goes: a small one leaves most of the age.

        Parameters
        ----------
        state : dict of str to ndarray
            As from :meth:`fresh`; changed in place.
        index : ndarray of int64, shape (n,)
            Cells that were programmed.
        log_change : ndarray, shape (n,), unit 1
            Change of ln G.
        end_s : float, unit s
            When it ended.
        """
        age = np.maximum(end_s - state["programmed_at_s"][index], 0.0) * np.exp(-np.abs(log_change) / self.renewal)
        state["programmed_at_s"][index] = end_s - age
        state["walk_decades"][index] = self._decades(age)

    def _decades(self, age_s: Array) -> Array:
        return np.log10(1.0 + np.maximum(age_s, 0.0) / self.onset_s)
