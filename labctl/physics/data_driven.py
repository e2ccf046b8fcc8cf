"""Data-driven resistive switching with a voltage-dependent boundary, integrated exactly.

The state is the static resistance R at the read voltage. At a constant voltage of one polarity R moves towards the
boundary r(V) and stops there::

    dR/dt = s(V) (exp(k (r(V) - R)) - 1)       s > 0 and R < r:  R grows
    dR/dt = s(V) (exp(k (R - r(V))) - 1)       s < 0 and R > r:  R falls
    s(V) = A (exp(t |V|) - 1)                  r(V) = r0 + r1 V + r2 V^2       i = (a / R) sinh(b V)

Each polarity has its own A, t, k, r0, r1, r2; the sign of A tells which way it goes. At constant voltage the distance D
from the boundary obeys exp(-k D(T)) = 1 - (1 - exp(-k D(0))) exp(-k |s| T), which is what :meth:`DataDrivenLaw.step`
evaluates: no step size, one nanosecond costs what one year costs. Not here: spread, noise and time
(:mod:`labctl.physics.noise`), wires (:mod:`labctl.physics.crossbar`).

References
----------
.. [1] I. Messaris, A. Serb, S. Stathopoulos, A. Khiat, S. Nikolaidis, T. Prodromakis, "A Data-Driven Verilog-A ReRAM
   Model", IEEE Trans. CAD 37 (2018) 3151, doi:10.1109/TCAD.2018.2791468.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labctl.physics.presets import Preset

__all__ = ["Branch", "DataDrivenLaw"]


@dataclass(frozen=True, slots=True)
class Branch:
    """The law of one polarity.

    Attributes
    ----------
    rate_ohm_per_s : float, unit ohm/s
        A; its sign is the direction in which R moves.
    rate_per_v : float, unit 1/V
        t.
    window_per_ohm : float, unit 1/ohm
        k, positive.
    boundary_ohm : tuple of three floats, units ohm, ohm/V, ohm/V^2
        r0, r1, r2.
    """

    rate_ohm_per_s: float
    rate_per_v: float
    window_per_ohm: float
    boundary_ohm: tuple[float, float, float]

    def moved(
        self, resistance_ohm: NDArray[np.float64], voltage_v: NDArray[np.float64], duration_s: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return R after a voltage of this polarity, each shape (n,); unit ohm."""
        r0, r1, r2 = self.boundary_ohm
        boundary_ohm = r0 + voltage_v * (r1 + voltage_v * r2)
        direction = np.sign(self.rate_ohm_per_s)
        distance_ohm = direction * (boundary_ohm - resistance_ohm)
        rate_ohm_per_s = abs(self.rate_ohm_per_s) * np.expm1(self.rate_per_v * np.abs(voltage_v))
        passed = self.window_per_ohm * rate_ohm_per_s * duration_s
        with np.errstate(divide="ignore"):
            # the logarithm of 1 - exp(-passed), which is -inf for no time: the distance then stays to the bit
            gone = np.log(-np.expm1(-passed))
        left_ohm = -np.logaddexp(gone, -self.window_per_ohm * distance_ohm - passed) / self.window_per_ohm
        # beyond the boundary nothing moves
        return np.where(distance_ohm > 0.0, boundary_ohm - direction * left_ohm, resistance_ohm)


class DataDrivenLaw:
    """The law of one device.

    Parameters
    ----------
    preset : Preset
        Of family ``"data_driven"``: sections ``positive``, ``negative`` and ``read``.

    Raises
    ------
    KeyError
        If the preset lacks a parameter.
    """

    def __init__(self, preset: Preset) -> None:
        self.positive, self.negative = (
            Branch(
                preset[f"{polarity}.rate"],
                preset[f"{polarity}.rate_voltage"],
                preset[f"{polarity}.window"],
                (preset[f"{polarity}.r0"], preset[f"{polarity}.r1"], preset[f"{polarity}.r2"]),
            )
            for polarity in ("positive", "negative")
        )
        self._read_a = preset["read.a"]
        self._read_per_v = preset["read.b"]

    def step(self, resistance_ohm: ArrayLike, voltage_v: ArrayLike, duration_s: ArrayLike) -> NDArray[np.float64]:
        """Return the resistance after a constant voltage.

        Parameters
        ----------
        resistance_ohm : array_like, unit ohm
            Static resistance before, positive; broadcast with ``voltage_v``.
        voltage_v : array_like, unit V
            Voltage of the device, without its series resistance.
        duration_s : array_like, unit s
            How long, not negative.

        Returns
        -------
        ndarray, broadcast shape, unit ohm

        Raises
        ------
        ValueError
            If the duration is negative or a resistance is not positive.
        """
        before_ohm, applied_v, lasting_s = np.broadcast_arrays(
            *(np.asarray(item, dtype=float) for item in (resistance_ohm, voltage_v, duration_s))
        )
        if not (lasting_s >= 0.0).all():
            raise ValueError(f"a duration must not be negative, got {duration_s!r} s")
        if not (before_ohm > 0.0).all():
            raise ValueError(f"a resistance must be positive, got {float(before_ohm.min())!r} ohm")
        after_ohm = before_ohm.copy()
        for branch, chosen in ((self.positive, applied_v > 0.0), (self.negative, applied_v < 0.0)):
            after_ohm[chosen] = branch.moved(before_ohm[chosen], applied_v[chosen], lasting_s[chosen])
        return after_ohm

    def current(self, resistance_ohm: ArrayLike, voltage_v: ArrayLike) -> NDArray[np.float64]:
        """Return the static current, broadcast shape, unit A; passive, 0 at 0 V.

        Parameters
        ----------
        resistance_ohm : array_like, unit ohm
        voltage_v : array_like, unit V

        Returns
        -------
        ndarray, unit A
        """
        return np.asarray(self._read_a / np.asarray(resistance_ohm) * np.sinh(self._read_per_v * np.asarray(voltage_v)))
