"""Thermal noise of the cells, as the current that a terminal reads; their 1/f noise is in :mod:`labctl.physics`."""

import numpy as np
from numpy.typing import NDArray

from labctl.physics.noise import thermal_current_rms

__all__ = ["ThermalNoise"]

_BLOCK = 256
# sets its numbers apart from all others of the same seed
_KEY = 0x7468_6572_6D61_6C00


class ThermalNoise:
    """A row of normal numbers that depends on the seed and on how many were drawn, and on nothing else.

    Parameters
    ----------
    seed : int
    temperature_k : float, unit K
    enabled : bool

    Attributes
    ----------
    draws : int
        How many were drawn; may be set, to go on where another left off.
    """

    def __init__(self, seed: int, temperature_k: float, *, enabled: bool) -> None:
        self.draws = 0
        self._seed, self._temperature_k, self._enabled = seed, temperature_k, enabled
        self._block_number = -1
        self._block: NDArray[np.float64] = np.empty(0)

    def draw_a(self, conductance_s: float, aperture_s: float) -> float:
        """Draw the mean over an aperture.

        Parameters
        ----------
        conductance_s : float, unit S
            Between the terminal and the rest.
        aperture_s : float, unit s

        Returns
        -------
        float, unit A
        """
        if not self._enabled:
            return 0.0
        number, place = divmod(self.draws, _BLOCK)
        if number != self._block_number:
            generator = np.random.Generator(np.random.Philox(key=[self._seed, _KEY], counter=[0, 0, 0, number]))
            self._block_number, self._block = number, generator.standard_normal(_BLOCK)
        self.draws += 1
        # a mean over T has the noise bandwidth 1 / (2 T)
        return float(self._block[place]) * thermal_current_rms(conductance_s, 0.5 / aperture_s, self._temperature_k)
