"""What temperature does to a rate (the factor of Arrhenius) and to the conduction of a programmed state.

Not here: which rates have it, and all numbers (device files and parameter files of family ``parts``); what a family
knows of temperature itself, such as the third-order characteristic of metal oxide.
"""

from dataclasses import dataclass
from math import exp

import numpy as np
from numpy.typing import NDArray

from labctl.physics.presets import Preset

__all__ = ["BOLTZMANN_EV", "REFERENCE_K", "Conduction", "arrhenius"]

BOLTZMANN_EV = 8.617333262e-5
"""Per K, CODATA 2018."""
REFERENCE_K = 300.0
"""Temperature, unit K, at which the times of device files hold."""


def arrhenius(activation_ev: float, temperature_k: float) -> float:
    """Return the factor on a rate.

    Parameters
    ----------
    activation_ev : float, unit eV
        Activation energy.
    temperature_k : float, unit K
        Positive.

    Returns
    -------
    float, unit 1
        1 at :data:`REFERENCE_K`.

    Raises
    ------
    ValueError
        If the temperature is not positive.
    """
    if not temperature_k > 0.0:
        raise ValueError(f"a temperature must be positive, got {temperature_k!r} K")
    return exp(activation_ev / BOLTZMANN_EV * (1.0 / REFERENCE_K - 1.0 / temperature_k))


@dataclass(frozen=True, slots=True)
class Conduction:
    """How a programmed state conducts when hot: the lowest resistance is a metal's, the highest activated.

    Between the ends of the window the changes of ln G mix in proportion to the place in ln G.

    Attributes
    ----------
    metallic_per_k : float, unit 1/K
        Loss of ln G per kelvin at the low-resistance end.
    activation_ev : float, unit eV
        Of the conductance at the high-resistance end.
    """

    metallic_per_k: float
    activation_ev: float

    @classmethod
    def from_preset(cls, preset: Preset) -> "Conduction":
        """Take the constants out of a parameter file.

        Parameters
        ----------
        preset : Preset
            File with the section ``conduction``.

        Returns
        -------
        Conduction
            Constants in SI.

        Raises
        ------
        StationError
            If a key is missing or in another unit.
        """
        units = {"conduction.metallic": "1/K", "conduction.activation": "eV"}
        preset.require(units)
        return cls(*(preset[key] for key in units))

    def log_factor(self, place: NDArray[np.float64], temperature_k: float) -> NDArray[np.float64]:
        """Return the change of ln G against the reference temperature.

        Parameters
        ----------
        place : ndarray, shape (n,), unit 1
            Of the programmed states in ln G: 0 at the high-resistance end of the window, 1 at the other.
        temperature_k : float, unit K
            Positive.

        Returns
        -------
        ndarray, shape (n,), unit 1
        """
        low = self.metallic_per_k * (REFERENCE_K - temperature_k)
        high = self.activation_ev / BOLTZMANN_EV * (1.0 / REFERENCE_K - 1.0 / temperature_k)
        part = np.clip(place, 0.0, 1.0)
        return np.asarray(part * low + (1.0 - part) * high)
