"""A conducting filament with a gap, and a transistor in series: the Stanford-PKU law of HfO2 cells.

The speed of the gap depends on the gap over many decades. Between the nodes of a fixed grid its logarithm is
interpolated linearly, and the time from node to node is then an integral in closed form: a nanosecond costs what a year
costs, an abrupt SET is resolved node by node, and a pulse does exactly what its parts do. The transistor is an
instantaneous current limit. Not here: spread, noise, forming; the loop time of an instrument's current limit.

References
----------
.. [1] X. Guan, S. Yu, H.-S. P. Wong, "A SPICE compact model of metal oxide resistive switching memory with variations",
   IEEE Electron Device Lett. 33 (2012) 1405, doi:10.1109/LED.2012.2210856.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labctl.physics.presets import Preset

__all__ = ["FilamentLaw"]

_BOLTZMANN_EV = 8.617333262e-5  # per K, CODATA 2018
_BISECTIONS = 60
# exponents beyond this are cut: the speed is then far beyond any pulse
_LARGEST_EXPONENT = 600.0

Floats = NDArray[np.float64]


class FilamentLaw:
    """The law of one preset; cells differ by what they are given.

    Parameters
    ----------
    preset : Preset
        Of family ``"filament"``.
    """

    def __init__(self, preset: Preset) -> None:
        self._i0, self._g0, self._v0 = (preset[f"current.{key}"] for key in ("i0", "g0", "v0"))
        self.least_m, self.greatest_m = preset["gap.least"], preset["gap.greatest"]
        cells = round((self.greatest_m - self.least_m) / preset["gap.grid"])
        self._nodes_m = np.linspace(self.least_m, self.greatest_m, max(1, cells) + 1)
        self._speed_m_s, self._activation_ev = preset["motion.v0"], preset["motion.activation"]
        self._gamma0, self._beta = preset["motion.gamma0"], preset["motion.beta"]
        self._lever = preset["motion.a0"] / preset["motion.thickness"]
        self._ambient_k, self._heat_k_w = preset["heat.ambient"], preset["heat.resistance"]
        self._threshold_v = preset["transistor.threshold"]
        self._transconductance = preset["transistor.transconductance"]

    def current_a(self, gap_m: ArrayLike, device_v: ArrayLike) -> Floats:
        """Return the current of the filament alone, broadcast shape, unit A.

        Parameters
        ----------
        gap_m : array_like, unit m
        device_v : array_like, unit V
            Across the filament; not beyond a few volts.
        """
        return np.asarray(self._i0 * np.exp(-np.asarray(gap_m) / self._g0) * np.sinh(np.asarray(device_v) / self._v0))

    def saturation_a(self, gate_v: ArrayLike) -> Floats:
        """Return the largest current that the transistor lets through, unit A.

        Parameters
        ----------
        gate_v : array_like, unit V
        """
        overdrive = np.maximum(0.0, np.asarray(gate_v, dtype=float) - self._threshold_v)
        return np.asarray(0.5 * self._transconductance * overdrive**2)

    def divide(self, gap_m: ArrayLike, voltage_v: ArrayLike, gate_v: ArrayLike) -> tuple[Floats, Floats]:
        """Divide a voltage between filament and transistor.

        Parameters
        ----------
        gap_m : array_like, unit m
        voltage_v : array_like, unit V
            Across both; the transistor conducts alike in either direction.
        gate_v : array_like, unit V
            Above the transistor's lower end.

        Returns
        -------
        device_v : ndarray, unit V
            Across the filament.
        current_a : ndarray, unit A
        """
        gap, applied, gate = np.broadcast_arrays(
            *(np.asarray(item, dtype=float) for item in (gap_m, voltage_v, gate_v))
        )
        low, high = np.zeros(applied.shape), np.abs(applied)
        overdrive = np.maximum(0.0, gate - self._threshold_v)
        for _ in range(_BISECTIONS):
            middle = 0.5 * (low + high)
            drop = np.minimum(np.abs(applied) - middle, overdrive)
            passed = self._transconductance * (overdrive - 0.5 * drop) * drop
            is_high = self.current_a(gap, np.minimum(middle, 100.0 * self._v0)) > passed
            low, high = np.where(is_high, low, middle), np.where(is_high, middle, high)
        device_v = np.sign(applied) * 0.5 * (low + high)
        return device_v, self.current_a(gap, device_v)

    def speed_m_s(self, gap_m: ArrayLike, voltage_v: ArrayLike, gate_v: ArrayLike) -> Floats:
        """Return how fast the gap closes (voltage positive) or opens, without sign, unit m/s.

        Parameters
        ----------
        gap_m : array_like, unit m
        voltage_v, gate_v : array_like, unit V
        """
        device_v, current_a = self.divide(gap_m, voltage_v, gate_v)
        thermal_ev = _BOLTZMANN_EV * (self._ambient_k + np.abs(device_v * current_a) * self._heat_k_w)
        gamma = np.maximum(0.0, self._gamma0 - self._beta * np.asarray(gap_m) ** 3)
        field = gamma * self._lever * np.abs(device_v) / thermal_ev
        # sinh(x) exp(-y) = (exp(x - y) - exp(-x - y)) / 2, which does not overflow
        barrier = self._activation_ev / thermal_ev
        rise = np.exp(np.minimum(field - barrier, _LARGEST_EXPONENT))
        return np.asarray(0.5 * self._speed_m_s * rise * -np.expm1(-2.0 * field))

    def step(
        self, gap_m: ArrayLike, voltage_v: ArrayLike, duration_s: ArrayLike, *, gate_v: ArrayLike, pace: ArrayLike = 1.0
    ) -> Floats:
        """Return the gaps after a constant voltage.

        Parameters
        ----------
        gap_m : array_like, unit m
            Within the bounds.
        voltage_v : array_like, unit V
            Across filament and transistor.
        duration_s : array_like, unit s
            Not negative.
        gate_v : array_like, unit V
        pace : array_like, unit 1
            Factor on the speed, for spread from cycle to cycle.

        Returns
        -------
        ndarray, broadcast shape, unit m

        Raises
        ------
        ValueError
            If a duration is negative or a gap lies outside its bounds.
        """
        items = (gap_m, voltage_v, duration_s, gate_v, pace)
        wide = np.broadcast_arrays(*(np.asarray(item, dtype=float) for item in items))
        gap, applied, left_s, gate, factor = (item.ravel().copy() for item in wide)
        if not (left_s >= 0.0).all():
            raise ValueError(f"a duration must not be negative, got {duration_s!r} s")
        if not ((gap >= self.least_m) & (gap <= self.greatest_m)).all():
            raise ValueError(f"a gap must lie between {self.least_m:g} m and {self.greatest_m:g} m")
        cells = np.flatnonzero(applied * left_s)
        while cells.size:
            cells = cells[self._cross(cells, gap, left_s, applied[cells], gate[cells], factor[cells])]
        return gap.reshape(wide[0].shape)

    def _cross(
        self, cells: NDArray[np.intp], gap: Floats, left_s: Floats, applied: Floats, gate: Floats, factor: Floats
    ) -> NDArray[np.bool_]:
        """Move these cells to the next node, or as far as their time goes; return which still have time."""
        direction = -np.sign(applied)
        place = gap[cells]
        # the interval ahead: a gap on a node belongs to the one it moves into
        after = np.searchsorted(self._nodes_m, place, side="right")
        before = np.searchsorted(self._nodes_m, place, side="left")
        ahead = np.where(direction > 0.0, after, before - 1)
        is_inside = (ahead >= 0) & (ahead < self._nodes_m.size)
        ahead = np.clip(ahead, 0, self._nodes_m.size - 1)
        behind = np.clip(ahead - direction.astype(np.intp), 0, self._nodes_m.size - 1)
        start = np.maximum(self.speed_m_s(self._nodes_m[behind], applied, gate) * factor, 1e-300)
        end = np.maximum(self.speed_m_s(self._nodes_m[ahead], applied, gate) * factor, 1e-300)
        span = np.abs(self._nodes_m[ahead] - self._nodes_m[behind])
        growth = np.where(span > 0.0, np.log(end / start) / np.where(span > 0.0, span, 1.0), 0.0)
        speed = start * np.exp(growth * np.abs(place - self._nodes_m[behind]))
        distance = np.abs(self._nodes_m[ahead] - place)
        # time = integral of ds / (speed exp(growth s)); for no growth the plain quotient
        bent = np.abs(growth * distance) > 1e-12
        safe = np.where(bent, growth, 1.0)
        needed_s = np.where(bent, -np.expm1(-growth * distance) / (safe * speed), distance / speed)
        arrives = is_inside & (needed_s <= left_s[cells])
        part = np.where(is_inside & ~arrives, left_s[cells] * speed, 0.0)
        moved = np.where(bent, -np.log1p(np.maximum(-growth * part, -1.0 + 1e-15)) / safe, part)
        stopped = place + direction * np.minimum(moved, distance)
        gap[cells] = np.where(arrives, self._nodes_m[ahead], stopped)
        left_s[cells] = np.where(arrives, left_s[cells] - needed_s, 0.0)
        return np.asarray(left_s[cells] > 0.0)
