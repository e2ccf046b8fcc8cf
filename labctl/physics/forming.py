"""Forming: a virgin cell leaks until its oxide breaks down, then conducts as much as the current limit lets it.

Breakdown is a Weibull process whose rate grows exponentially with the voltage; exposure adds up over pulses and
holds of any voltage (the cumulative exposure model of step-stress tests [1]_), so a hold cut into pieces ages a cell as
much as the whole hold. Positive voltages form. Not here: what the numbers are (device file).

References
----------
.. [1] W. Nelson, "Accelerated life testing - step-stress models and data analyses", IEEE Trans. Reliab. R-29 (1980)
   103, doi:10.1109/TR.1980.5220742.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labctl.physics.metal_oxide import MetalOxideLaw
from labctl.physics.presets import Preset

__all__ = ["FormingLaw", "breakdown_rate", "conductance_after_breakdown", "life_from_uniform"]

Array = NDArray[np.float64]

_UNITS = {
    "forming.voltage_mean": "V",
    "forming.voltage_sigma": "V",
    "forming.time": "s",
    "forming.acceleration": "1/V",
    "forming.weibull_shape": "1",
    "forming.voltage_after": "V",
    "virgin.conductance_low": "S",
    "virgin.conductance_high": "S",
}


@dataclass(frozen=True, slots=True)
class FormingLaw:
    """The constants of forming, in SI.

    Attributes
    ----------
    voltage_mean_v, voltage_sigma_v : float, unit V
        Forming voltage over the cells of a die.
    time_s : float, unit s
        Characteristic life at the forming voltage.
    acceleration_per_v : float, unit 1/V
        Growth of ln(rate) with voltage.
    shape : float, unit 1
        Weibull shape of the life.
    voltage_after_v : float, unit V
        What the limited current drops over the fresh filament.
    virgin_low_s, virgin_high_s : float, unit S
        Conductance of virgin cells, log-uniform.
    """

    voltage_mean_v: float
    voltage_sigma_v: float
    time_s: float
    acceleration_per_v: float
    shape: float
    voltage_after_v: float
    virgin_low_s: float
    virgin_high_s: float

    @classmethod
    def from_preset(cls, preset: Preset) -> "FormingLaw":
        """Take the constants out of a device file.

        Parameters
        ----------
        preset : Preset
            Device file with the sections ``forming`` and ``virgin``.

        Returns
        -------
        FormingLaw
            Constants in SI.

        Raises
        ------
        StationError
            If a key is missing or in another unit.
        """
        preset.require(_UNITS)
        return cls(*(preset[key] for key in _UNITS))


def breakdown_rate(voltage_v: ArrayLike, forming_voltage_v: ArrayLike, law: FormingLaw) -> Array:
    """Return how fast a virgin cell uses up its life.

    Parameters
    ----------
    voltage_v : array_like, unit V
        Voltage across the cell.
    forming_voltage_v : array_like, unit V
        Forming voltage of the cell.
    law : FormingLaw
        Constants.

    Returns
    -------
    ndarray, broadcast shape, unit 1/s
        Characteristic lives per second; 0 for voltages that are not positive.
    """
    voltage = np.asarray(voltage_v, dtype=float)
    rate = np.exp(law.acceleration_per_v * (voltage - np.asarray(forming_voltage_v))) / law.time_s
    return np.asarray(np.where(voltage > 0.0, rate, 0.0))


def life_from_uniform(uniform: ArrayLike, law: FormingLaw) -> Array:
    """Turn uniform numbers into Weibull lives.

    Parameters
    ----------
    uniform : array_like, unit 1
        Numbers above 0 and below 1.
    law : FormingLaw
        Constants.

    Returns
    -------
    ndarray, unit 1
        Exposure, in characteristic lives, at which each cell breaks down.
    """
    return np.asarray((-np.log(np.asarray(uniform, dtype=float))) ** (1.0 / law.shape))


def conductance_after_breakdown(current_limit_a: ArrayLike, law: FormingLaw, switching: MetalOxideLaw) -> Array:
    """Return the conductance that breakdown leaves.

    Parameters
    ----------
    current_limit_a : array_like, unit A
        Compliance of whoever drives the cell; inf where there is none.
    law : FormingLaw
        Constants.
    switching : MetalOxideLaw
        Its range bounds the result.

    Returns
    -------
    ndarray, unit S
        Top of the range without a limit.
    """
    return np.asarray(np.clip(np.asarray(current_limit_a) / law.voltage_after_v, switching.low_s, switching.high_s))
