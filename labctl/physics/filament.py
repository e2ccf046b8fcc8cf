"""A conducting filament with a gap, and a transistor in series: the Stanford-PKU law of HfO2 cells.

The speed of the gap depends on the gap over many decades. Between the nodes of a fixed grid its logarithm is
interpolated linearly, and the time from node to node is then an integral in closed form: a nanosecond costs what a year
costs, an abrupt SET is resolved node by node, and a pulse does exactly what its parts do. The transistor is an
instantaneous current limit, and so is a compliance. Not here: spread, noise, forming
(:mod:`labctl.physics.filament_die`); a compliance that acts late (:mod:`labctl.physics.late_limit`).

References
----------
.. [1] X. Guan, S. Yu, H.-S. P. Wong, "A SPICE compact model of metal oxide resistive switching memory with variations",
   IEEE Electron Device Lett. 33 (2012) 1405, doi:10.1109/LED.2012.2210856.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labctl.physics.parts.temperature import BOLTZMANN_EV
from labctl.physics.presets import Preset

__all__ = ["FilamentLaw"]

# rounds of Newton's method, many more than it needs, and when it has arrived
_ROUNDS = 60
_CLOSE = 1e-14
_CELLS_AT_ONCE = 2048
# intervals looked at first; then twice as many, until the time is up
_FIRST_BLOCK = 16
# slower than this is as good as at rest
_LEAST_SPEED_M_S = 1e-300
# of ln speed between two nodes: below it the closed form cancels to less than a straight line knows
_LEAST_BEND = 1e-5
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
        intervals = max(1, round((self.greatest_m - self.least_m) / preset["gap.grid"]))
        self._nodes_m = np.linspace(self.least_m, self.greatest_m, intervals + 1)
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

    def low_field_s(self, gap_m: ArrayLike) -> Floats:
        """Return the slope of the filament's current at 0 V, unit S.

        Parameters
        ----------
        gap_m : array_like, unit m
        """
        return np.asarray(self._i0 / self._v0 * np.exp(-np.asarray(gap_m) / self._g0))

    def gap_m(self, low_field_s: ArrayLike) -> Floats:
        """Return the gap that has a slope at 0 V, bounds left aside, unit m; the inverse of :meth:`low_field_s`.

        Parameters
        ----------
        low_field_s : array_like, unit S
            Positive.
        """
        return np.asarray(self._g0 * np.log(self._i0 / self._v0 / np.asarray(low_field_s)))

    def divide(
        self, gap_m: ArrayLike, voltage_v: ArrayLike, gate_v: ArrayLike | None, limit_a: ArrayLike = np.inf
    ) -> tuple[Floats, Floats]:
        """Divide a voltage between filament and transistor.

        Parameters
        ----------
        gap_m : array_like, unit m
        voltage_v : array_like, unit V
            Across both.
        gate_v : array_like, unit V, or None
            Above the transistor's end away from the filament; None for a filament without a transistor.
        limit_a : array_like, unit A
            Compliance of the source, which takes back its voltage where more would flow.

        Returns
        -------
        device_v : ndarray, unit V
            Across the filament.
        current_a : ndarray, unit A
        """
        gate = np.inf if gate_v is None else gate_v
        gap, applied, above, limit = np.broadcast_arrays(
            *(np.asarray(item, dtype=float) for item in (gap_m, voltage_v, gate, limit_a))
        )
        high = np.abs(applied)
        if gate_v is not None:
            high = self._behind_transistor(gap, applied, above)
        if np.isfinite(limit).any():
            high = np.minimum(high, self._v0 * np.arcsinh(limit / self._i0 * np.exp(gap / self._g0)))
        device_v = np.sign(applied) * high
        return device_v, self.current_a(gap, device_v)

    def _behind_transistor(self, gap: Floats, applied: Floats, gate: Floats) -> Floats:
        """Return the magnitude of the filament's voltage behind the transistor.

        For SET the transistor's source is the end away from the filament, so that the gate's overdrive is given and its
        current saturates. For RESET it is the end at the filament, and the overdrive grows with the drop: a follower.
        """
        magnitude, is_reset = np.abs(applied), applied < 0.0
        overdrive = gate - self._threshold_v
        slope = self._i0 * np.exp(-gap / self._g0)
        low = np.zeros(magnitude.shape)
        share, _ = self._share(magnitude, overdrive, is_reset, slope)
        # no more current than with all of the voltage across the transistor: from there Newton's steps seldom overshoot
        device_v = high = np.minimum(magnitude, self._v0 * np.arcsinh(share))
        for _ in range(_ROUNDS):
            share, growth = self._share(magnitude - device_v, overdrive, is_reset, slope)
            steep = np.sqrt(1.0 + share * share)
            # the filament's voltage less what the transistor's current takes there (an arsinh) rises with that voltage
            excess = device_v - self._v0 * np.log(share + steep)
            low, high = np.where(excess < 0.0, device_v, low), np.where(excess < 0.0, high, device_v)
            wanted = device_v - excess / (1.0 + self._v0 * growth / steep)
            wanted = np.where((wanted < low) | (wanted > high), 0.5 * (low + high), wanted)
            change, device_v = device_v - wanted, wanted
            if (np.abs(change) <= _CLOSE * magnitude).all():
                break
        return np.asarray(device_v)

    def _share(
        self, drop: Floats, overdrive: Floats, is_reset: NDArray[np.bool_], slope: Floats
    ) -> tuple[Floats, Floats]:
        """Return the transistor's current over the filament's scale of current, and its growth with the drop."""
        scale = self._transconductance / slope
        at_plate = np.maximum(overdrive, 0.0)
        at_filament = np.maximum(overdrive + drop, 0.0)
        below = np.minimum(drop, at_plate)
        share = np.where(is_reset, 0.5 * (at_filament**2 - at_plate**2), (at_plate - 0.5 * below) * below)
        growth = np.where(is_reset, at_filament, at_plate - below)
        return scale * share, scale * growth

    def speed_m_s(
        self,
        gap_m: ArrayLike,
        voltage_v: ArrayLike,
        gate_v: ArrayLike | None,
        limit_a: ArrayLike = np.inf,
        field_gain: ArrayLike = 1.0,
    ) -> Floats:
        """Return how fast the gap closes (voltage positive) or opens, without sign, unit m/s.

        Parameters
        ----------
        gap_m : array_like, unit m
        voltage_v : array_like, unit V
        gate_v : array_like, unit V, or None
        limit_a : array_like, unit A
        field_gain : array_like, unit 1
            Factor on the field at the tip, for spread.
        """
        field, barrier = self._tip(np.asarray(gap_m), voltage_v, gate_v, limit_a)
        return self._speed(np.asarray(field_gain) * field, barrier)

    def _tip(
        self, gap: Floats, voltage_v: ArrayLike, gate_v: ArrayLike | None, limit_a: ArrayLike
    ) -> tuple[Floats, Floats]:
        """Return what the field at the tip gains and the barrier that it faces, in units of kT."""
        device_v, current_a = self.divide(gap, voltage_v, gate_v, limit_a)
        thermal_ev = BOLTZMANN_EV * (self._ambient_k + np.abs(device_v * current_a) * self._heat_k_w)
        gamma = np.maximum(0.0, self._gamma0 - self._beta * gap**3)
        return gamma * self._lever * np.abs(device_v) / thermal_ev, self._activation_ev / thermal_ev

    def _speed(self, field: Floats, barrier: Floats) -> Floats:
        # sinh(x) exp(-y) = (exp(x - y) - exp(-x - y)) / 2, which does not overflow
        rise = np.exp(np.minimum(field - barrier, _LARGEST_EXPONENT))
        return np.asarray(0.5 * self._speed_m_s * rise * -np.expm1(-2.0 * field))

    def step(
        self,
        gap_m: ArrayLike,
        voltage_v: ArrayLike,
        duration_s: ArrayLike,
        *,
        gate_v: ArrayLike | None,
        limit_a: ArrayLike = np.inf,
        field_gain: ArrayLike = 1.0,
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
        gate_v : array_like, unit V, or None
            Above the transistor's end away from the filament; None without a transistor.
        limit_a : array_like, unit A
            Compliance; inf for none.
        field_gain : array_like, unit 1
            Factor on the field at the tip, for spread.

        Returns
        -------
        ndarray, broadcast shape, unit m

        Raises
        ------
        ValueError
            If a duration is negative or a gap lies outside its bounds.
        """
        items = (gap_m, voltage_v, duration_s, np.inf if gate_v is None else gate_v, limit_a, field_gain)
        wide = np.broadcast_arrays(*(np.asarray(item, dtype=float) for item in items))
        gap, applied, lasting_s, gate, limit, gain = (item.ravel() for item in wide)
        gap = gap.copy()
        if not (lasting_s >= 0.0).all():
            raise ValueError(f"a duration must not be negative, got {duration_s!r} s")
        if not ((gap >= self.least_m) & (gap <= self.greatest_m)).all():
            raise ValueError(f"a gap must lie between {self.least_m:g} m and {self.greatest_m:g} m")
        moving = np.flatnonzero(applied * lasting_s)
        for start in range(0, moving.size, _CELLS_AT_ONCE):
            some = moving[start : start + _CELLS_AT_ONCE]
            above = None if gate_v is None else gate[some]
            gap[some] = self._moved(gap[some], applied[some], lasting_s[some], above, limit[some], gain[some])
        return gap.reshape(wide[0].shape)

    def _moved(
        self,
        gap: Floats,
        applied: Floats,
        lasting_s: Floats,
        gate: Floats | None,
        limit: Floats,
        gain: Floats,
    ) -> Floats:
        """Move cells along the path from one bound of the gap to the other; all arrays of shape (n,)."""
        opens = applied < 0.0
        intervals = self._nodes_m.size - 1
        width = (self.greatest_m - self.least_m) / intervals
        place = np.clip(np.where(opens, gap - self.least_m, self.greatest_m - gap), 0.0, intervals * width)
        first = np.minimum((place / width).astype(np.int64), intervals - 1)
        inside = np.clip(place - first * width, 0.0, width)
        left_s, going, block = lasting_s.copy(), np.arange(gap.size), _FIRST_BLOCK
        # a block of intervals at a time, as far as each cell gets: few of them reach the other bound
        while going.size:
            at = first[going, np.newaxis] + np.arange(block + 1)
            node = np.minimum(at, intervals)
            node = np.where(opens[going, np.newaxis], node, intervals - node)
            volts, allowed, above = applied[going, np.newaxis], limit[going, np.newaxis], None
            if gate is not None:
                above = gate[going, np.newaxis]
            field, barrier = self._tip(self._nodes_m[node], volts, above, allowed)
            speed = np.maximum(self._speed(gain[going, np.newaxis] * field, barrier), _LEAST_SPEED_M_S)
            log_speed = np.log(speed)
            growth = np.diff(log_speed, axis=1) / width
            needed_s = _node_to_node_s(speed, growth, width)
            # the first from where the tip is
            entry, part = log_speed[:, 0] + growth[:, 0] * inside[going], width - inside[going]
            needed_s[:, 0] = _crossing_s(entry, growth[:, 0], part)
            needed_s[at[:, 1:] > intervals] = np.inf
            arrival_s = np.cumsum(needed_s, axis=1)
            passed = np.count_nonzero(arrival_s <= left_s[going, np.newaxis], axis=1)
            ends = np.flatnonzero(passed < block)
            cells, last = going[ends], passed[ends]
            begun = last == 0
            spare_s = left_s[cells] - np.where(begun, 0.0, arrival_s[ends, last - 1])
            run = _way(np.where(begun, entry[ends], log_speed[ends, last]), growth[ends, last], spare_s)
            begin = (first[cells] + last) * width + np.where(begun, inside[cells], 0.0)
            end = np.minimum((first[cells] + last + 1) * width, intervals * width)
            place[cells] = np.minimum(begin + run, end)
            going = going[passed == block]
            left_s[going] -= arrival_s[passed == block, -1]
            first[going] += block
            inside[going] = 0.0
            block *= 2
        return np.clip(np.where(opens, self.least_m + place, self.greatest_m - place), self.least_m, self.greatest_m)


def _node_to_node_s(speed: Floats, growth: Floats, width: float) -> Floats:
    """Return the time from each node to the next, ln speed straight between them; shape (n, intervals)."""
    slow = 1.0 / speed
    bent = np.abs(growth) * width > _LEAST_BEND
    bend = np.where(bent, growth, 1.0)
    straight = width * slow[:, :-1] * (1.0 - 0.5 * growth * width)
    return np.asarray(np.where(bent, (slow[:, :-1] - slow[:, 1:]) / bend, straight))


def _way(log_speed: Floats, growth: Floats, lasting_s: Floats) -> Floats:
    """Return how far a tip gets whose speed grows as exp(growth s), inf where it would run away."""
    flown = np.exp(log_speed) * lasting_s
    bent = np.abs(growth * flown) > 1e-12
    safe = np.where(bent, growth, 1.0)
    return np.asarray(np.where(bent, -np.log1p(np.maximum(-growth * flown, -1.0 + 1e-15)) / safe, flown))


def _crossing_s(log_speed: Floats, growth: Floats, distance: Floats) -> Floats:
    """Return the integral of ds / (speed exp(growth s)) over a distance; for no growth the plain quotient."""
    bent = np.abs(growth * distance) > 1e-12
    safe = np.where(bent, growth, 1.0)
    # the speed at the slow end of a very slow interval underflows: such a time is beyond any pulse
    slow = np.exp(-np.clip(log_speed, -690.0, None))
    return np.asarray(np.where(bent, -np.expm1(-np.minimum(growth * distance, 690.0)) / safe, distance) * slow)
