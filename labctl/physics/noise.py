r"""Fluctuations of a cell that nobody programs: 1/f noise, relaxation after programming, thermal noise.

1/f noise is a bank of Ornstein-Uhlenbeck processes whose time constants are spread evenly in log time; each is carried
over any span exactly, :math:`x \leftarrow a x + \sqrt{1 - a^2}\,\sigma\xi`, :math:`a = e^{-\Delta t/\tau}`, and only
when someone looks. Relaxation is a random walk in :math:`\log_{10}(1 + t/t_0)`: its variance grows by the same amount
in every decade after programming. Not here: the states themselves (:mod:`labctl.physics.cells`); random telegraph noise
of single traps.
"""

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labctl.physics.presets import Preset

__all__ = ["NoiseBank", "Relaxation", "aperture_weights", "relaxation_decades", "thermal_current_rms"]

Array = NDArray[np.float64]

_BOLTZMANN_J_PER_K = 1.380649e-23


@dataclass(frozen=True, slots=True, eq=False)
class NoiseBank:
    """The poles of the 1/f bank.

    Attributes
    ----------
    tau_s : ndarray, shape (poles,), unit s
        Time constants, ascending.
    sigma : float, unit 1
        Standard deviation of each pole relative to G.
    """

    tau_s: Array
    sigma: float

    @classmethod
    def from_preset(cls, preset: Preset) -> "NoiseBank":
        """Lay out the poles that a device file asks for.

        Parameters
        ----------
        preset : Preset
            Device file with the section ``noise``.

        Returns
        -------
        NoiseBank
            Poles from ``noise.tau_low`` to ``noise.tau_high``.

        Raises
        ------
        StationError
            If a key is missing or in another unit.
        """
        preset.require(
            {
                "noise.spectral_density": "1/Hz",
                "noise.tau_low": "s",
                "noise.tau_high": "s",
                "noise.poles_per_decade": "1",
            }
        )
        low, high = np.log10([preset["noise.tau_low"], preset["noise.tau_high"]])
        count = max(round((high - low) * preset["noise.poles_per_decade"]), 1) + 1
        # S/f integrates to S ln(10) per decade, shared by the poles of that decade
        share = preset["noise.spectral_density"] * np.log(10.0) * (high - low) / (count - 1)
        return cls(np.logspace(low, high, count), float(np.sqrt(share)))


@dataclass(frozen=True, slots=True)
class Relaxation:
    """The constants of relaxation.

    Attributes
    ----------
    sigma : float, unit 1
        Relative standard deviation after one decade.
    onset_s : float, unit s
        When it starts.
    renewal : float, unit 1
        Change of ln G that brings the age of a cell to 1/e.
    """

    sigma: float
    onset_s: float
    renewal: float

    @classmethod
    def from_preset(cls, preset: Preset) -> "Relaxation":
        """Take the constants out of a device file.

        Parameters
        ----------
        preset : Preset
            Device file with the section ``relaxation``.

        Returns
        -------
        Relaxation
            Constants in SI.

        Raises
        ------
        StationError
            If a key is missing or in another unit.
        """
        units = {"relaxation.sigma": "1", "relaxation.onset": "s", "relaxation.renewal": "1"}
        preset.require(units)
        return cls(*(preset[key] for key in units))


def aperture_weights(bank: NoiseBank, aperture_s: float) -> Array:
    r"""Return what averaging over an aperture leaves of each pole.

    Parameters
    ----------
    bank : NoiseBank
        The poles.
    aperture_s : float, unit s
        Length of the average; 0 for a sample at an instant.

    Returns
    -------
    ndarray, shape (poles,), unit 1
        Ratio of standard deviations, :math:`\sqrt{2 (u - 1 + e^{-u})}/u` with :math:`u` = aperture / tau.

    Raises
    ------
    ValueError
        If the aperture is negative.
    """
    if not aperture_s >= 0.0:
        raise ValueError(f"an aperture must not be negative, got {aperture_s!r} s")
    span = aperture_s / bank.tau_s
    safe = np.maximum(span, 1e-3)
    # below u = 1e-3 the closed form cancels; its series starts 1 - u/6
    return np.where(span < 1e-3, 1.0 - span / 6.0, np.sqrt(2.0 * (safe + np.expm1(-safe))) / safe)


def relaxation_decades(age_s: ArrayLike, relaxation: Relaxation) -> Array:
    """Return how many decades of relaxation have passed.

    Parameters
    ----------
    age_s : array_like, unit s
        Time since programming; negative counts as 0.
    relaxation : Relaxation
        Constants.

    Returns
    -------
    ndarray, unit 1
        ``log10(1 + age / onset)``.
    """
    return np.asarray(np.log10(1.0 + np.maximum(np.asarray(age_s, dtype=float), 0.0) / relaxation.onset_s))


def thermal_current_rms(conductance_s: float, bandwidth_hz: float, temperature_k: float = 300.0) -> float:
    """Return the thermal noise current of a conductance.

    Parameters
    ----------
    conductance_s : float, unit S
        Sum of what the meter sees, not negative.
    bandwidth_hz : float, unit Hz
        1 / (2 aperture) for an average.
    temperature_k : float, unit K
        Temperature.

    Returns
    -------
    float, unit A
        Root mean square.

    Raises
    ------
    ValueError
        If an argument is negative.
    """
    if min(conductance_s, bandwidth_hz, temperature_k) < 0.0:
        raise ValueError(f"must not be negative: {conductance_s!r} S, {bandwidth_hz!r} Hz, {temperature_k!r} K")
    return sqrt(4.0 * _BOLTZMANN_J_PER_K * temperature_k * conductance_s * bandwidth_hz)
