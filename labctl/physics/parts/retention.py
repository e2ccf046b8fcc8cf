r"""Loss of a programmed state: a drift with the logarithm of time and a stretched exponential, both faster when hot.

.. math:: \ln G = \ln G_m + (\ln G_0 - \ln G_m) e^{-(a/\tau)^\beta} + r \log_{10}(1 + a/a_0)

with the age a counted at the reference temperature (Arrhenius) and :math:`G_m` the geometric middle of the window. A
stress that changes the cell makes it younger, as far as it changes it. Not here: the random walk that families have of
their own (:mod:`labctl.physics.fluctuations`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labctl.physics.fluctuations import State
from labctl.physics.parts.temperature import arrhenius
from labctl.physics.presets import Preset

__all__ = ["Retention"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Retention:
    """The constants of retention.

    Attributes
    ----------
    slope : float, unit 1
        Change of ln G per decade of age.
    onset_s : float, unit s
        Age at which that drift begins.
    time_s : float, unit s
        Time constant of the stretched exponential.
    stretch : float, unit 1
        Its exponent.
    activation_ev : float, unit eV
        Of the age.
    renewal : float, unit 1
        Change of ln G that brings the age to 1/e.
    """

    slope: float
    onset_s: float
    time_s: float
    stretch: float
    activation_ev: float
    renewal: float

    @classmethod
    def from_preset(cls, preset: Preset) -> "Retention":
        """Take the constants out of a parameter file.

        Parameters
        ----------
        preset : Preset
            File with the section ``retention``.

        Returns
        -------
        Retention
            Constants in SI.

        Raises
        ------
        StationError
            If a key is missing or in another unit.
        """
        units = {
            "retention.slope": "1",
            "retention.onset": "s",
            "retention.time": "s",
            "retention.stretch": "1",
            "retention.activation": "eV",
            "retention.renewal": "1",
        }
        preset.require(units)
        return cls(*(preset[key] for key in units))

    def fresh(self, cells: int) -> State:
        """Return the state of new cells: ``age_s``, ``aged_to_s``.

        Parameters
        ----------
        cells : int
            How many.
        """
        return {"age_s": np.zeros(cells), "aged_to_s": np.zeros(cells)}

    def grow_old(self, state: State, index: Index, now_s: float, temperature_k: float) -> None:
        """Carry the age of cells to a time.

        Parameters
        ----------
        state : dict of str to ndarray
            As from :meth:`fresh`; changed in place.
        index : ndarray of int64, shape (n,)
            Which cells.
        now_s : float, unit s
            A time before the last look leaves the age as it is.
        temperature_k : float, unit K
            Since the last look.
        """
        passed_s = np.maximum(0.0, now_s - state["aged_to_s"][index])
        state["age_s"][index] += passed_s * arrhenius(self.activation_ev, temperature_k)
        state["aged_to_s"][index] += passed_s

    def reprogram(self, state: State, index: Index, log_change: Array) -> None:
        """Make cells younger that a stress changed.

        Parameters
        ----------
        state : dict of str to ndarray
            As from :meth:`fresh`; changed in place.
        index : ndarray of int64, shape (n,)
            Which cells.
        log_change : ndarray, shape (n,), unit 1
            Change of ln G.
        """
        state["age_s"][index] *= np.exp(-np.abs(log_change) / self.renewal)

    def log_g(self, state: State, index: Index, from_middle: Array) -> Array:
        """Return ln G over the middle of the window, shape (n,), unit 1.

        Parameters
        ----------
        state : dict of str to ndarray
            As from :meth:`fresh`.
        index : ndarray of int64, shape (n,)
            Which cells.
        from_middle : ndarray, shape (n,), unit 1
            The same as programmed.
        """
        age_s = state["age_s"][index]
        kept = np.exp(-((age_s / self.time_s) ** self.stretch))
        return np.asarray(from_middle * kept + self.slope * np.log10(1.0 + age_s / self.onset_s))
