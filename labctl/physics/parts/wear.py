"""Wear: every cycle narrows the window of a cell, and beyond a number of cycles it may stick for good.

A cycle is one change up and one down again, each by more than a least change of ln G, however many pulses it takes. The
window narrows in ln G as a power of the number of cycles. Not here: which states a cell can be put into (its family).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labctl.physics.fluctuations import State
from labctl.physics.presets import Preset
from labctl.physics.random import Stream, uniforms

__all__ = ["Wear"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Wear:
    """Wear of the cells of a die.

    Attributes
    ----------
    exponent : float, unit 1
        The window narrows as cycles to the power of minus this.
    least_change : float, unit 1
        Change of ln G that counts as half a cycle.
    life : ndarray, shape (cells,), unit 1
        Cycles after which each cell sticks.
    """

    exponent: float
    least_change: float
    life: Array

    @classmethod
    def from_preset(cls, preset: Preset, seed: int, number: Index) -> "Wear":
        """Draw how long the cells of a die last.

        Parameters
        ----------
        preset : Preset
            Parameter file with the section ``endurance``.
        seed : int
            Key of all random numbers.
        number : ndarray of int64, shape (cells,)
            Keys of the cells.

        Returns
        -------
        Wear
            Lives of ``endurance.safe_cycles`` and, with a constant hazard, ``endurance.mean_life`` beyond.

        Raises
        ------
        StationError
            If a key is missing or in another unit.
        """
        preset.require(
            dict.fromkeys(
                ("endurance.exponent", "endurance.least_change", "endurance.safe_cycles", "endurance.mean_life"), "1"
            )
        )
        beyond = -np.log(uniforms(seed, Stream.WEAR_LIFE, number)) * preset["endurance.mean_life"]
        return cls(
            preset["endurance.exponent"], preset["endurance.least_change"], preset["endurance.safe_cycles"] + beyond
        )

    def fresh(self) -> State:
        """Return the state of new cells: ``half_cycles``, ``going``, ``turned_at``."""
        cells = self.life.size
        return {
            "half_cycles": np.zeros(cells, dtype=np.int64),
            "going": np.zeros(cells, dtype=np.int8),
            # the furthest ln G in the direction that the cell goes; nan before it went anywhere
            "turned_at": np.full(cells, np.nan),
        }

    def count(self, state: State, index: Index, before: Array, after: Array) -> None:
        """Count what a stress did.

        Parameters
        ----------
        state : dict of str to ndarray
            As from :meth:`fresh`; changed in place.
        index : ndarray of int64, shape (n,)
            Cells that were stressed.
        before, after : ndarray, shape (n,), unit 1
            ln G.
        """
        furthest = np.where(np.isnan(state["turned_at"][index]), before, state["turned_at"][index])
        going = state["going"][index]
        moved = after - furthest
        turns = (np.abs(moved) > self.least_change) & (np.sign(moved) != going)
        state["half_cycles"][index] += turns
        going = np.where(turns, np.sign(moved), going).astype(np.int8)
        state["going"][index] = going
        # further on in its direction, or still waiting for the first change
        state["turned_at"][index] = np.where(turns | (moved * going > 0.0), after, furthest)

    def width(self, state: State, index: Index) -> Array:
        """Return the factor on the window in ln G, shape (n,), unit 1.

        Parameters
        ----------
        state : dict of str to ndarray
            As from :meth:`fresh`.
        index : ndarray of int64, shape (n,)
            Which cells.
        """
        return np.asarray(np.maximum(1.0, 0.5 * state["half_cycles"][index]) ** -self.exponent)

    def worn_out(self, state: State) -> NDArray[np.bool_]:
        """Return which cells stick, shape (cells,).

        Parameters
        ----------
        state : dict of str to ndarray
            As from :meth:`fresh`.
        """
        return np.asarray(0.5 * state["half_cycles"] >= self.life)
