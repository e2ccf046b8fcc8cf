"""A die of HfO2 cells: a filament with a gap, with or without its own transistor (1T1R).

With a gate driven, the transistor is the current limit: it ends the SET and thereby sets the low resistance. Without
any control the filament stands alone between its lines, and the compliance of the source ends the SET. Virgin cells,
where the device file has them, break down at positive voltages and then follow the law from the widest gap.

The compliance may act late: a SET then overshoots it. Not here: the law (:mod:`labctl.physics.filament`), what a late
compliance does (:mod:`labctl.physics.late_limit`), how late it is (the instruments).
"""

from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from labctl.physics.cells import Stuck
from labctl.physics.family_die import Array, FamilyDie, Index, Stress
from labctl.physics.filament import FilamentLaw
from labctl.physics.fluctuations import LogWalk, State
from labctl.physics.forming import FormingLaw, breakdown_rate, life_from_uniform
from labctl.physics.late_limit import step_until_limited
from labctl.physics.live_die import ControlPort
from labctl.physics.random import Stream, normals, uniforms

__all__ = ["FilamentDie"]

# a secant needs a voltage: this one is low field
_LOW_FIELD_V = 1e-3
# a walk leaves at least this part of the programmed conductance
_LEAST_PART = 0.1


class FilamentDie(FamilyDie):
    """An array of filament cells; the control is the gate of the transistor, above the source line."""

    family = "filament"
    required = MappingProxyType(
        {
            "gap.initial": "m",
            "heat.ambient": "K",
            "transistor.threshold": "V",
            "transistor.off": "S",
            "threshold.dead_zone": "V",
            "spread.device_field": "1",
            "spread.device_least": "m",
            "spread.device_greatest": "m",
            "spread.cycle_field": "1",
            "noise.conductance_exponent": "1",
            "noise.conductance_reference": "S",
            "noise.conductance_least": "S",
            "virgin.fraction": "1",
            "relaxation.sigma": "S",
            "relaxation.spread": "1",
            "relaxation.largest_part": "1",
            "stuck.low_resistance_share": "1",
        }
    )

    def _fresh(self) -> State:
        preset, number, spread = self.preset, self._number, float(self.effects.device_spread)
        self._law, self._forming = FilamentLaw(preset), FormingLaw.from_preset(preset)
        self._walk = LogWalk.from_preset(preset, self.seed, number)
        self.temperature_k = self._law_k = preset["heat.ambient"]
        self.control = ControlPort("gate", np.inf, preset["transistor.threshold"])
        self.dead_zone_v = preset["threshold.dead_zone"]
        low, high = (float(self._law.low_field_s(gap)) for gap in (self._law.greatest_m, self._law.least_m))
        self.window_s = (low, high)
        lanes = np.arange(4)[:, np.newaxis]
        field, voltage, short, wide = normals(self.seed, Stream.FILAMENT_DEVICE, number, lane=lanes)
        # ends of each cell's own gap, within those of the law
        self._least_m = self._law.least_m + spread * preset["spread.device_least"] * np.abs(short)
        self._greatest_m = self._law.greatest_m - spread * preset["spread.device_greatest"] * np.abs(wide)
        self._field_gain = np.exp(spread * preset["spread.device_field"] * field)
        self._forming_v = self._forming.voltage_mean_v + spread * self._forming.voltage_sigma_v * voltage
        self._walk_s = preset["relaxation.sigma"] * np.sqrt(self._walk_variance(spread * preset["relaxation.spread"]))
        life = life_from_uniform(uniforms(self.seed, Stream.FORMING_LIFE, number), self._forming)
        self._life = np.where(spread > 0.0, life, 1.0)
        part = uniforms(self.seed, Stream.VIRGIN_CONDUCTANCE, number) if spread else np.full(number.size, 0.5)
        ends = np.log([self._forming.virgin_low_s, self._forming.virgin_high_s])
        self._virgin_s = np.exp(ends[0] + (ends[1] - ends[0]) * part)
        self._cycle_spread = preset["spread.cycle_field"] * self.effects.cycle_spread
        stuck = self.stuck.reshape(-1)
        virgin = uniforms(self.seed, Stream.FILAMENT_DEVICE, number, 1) < preset["virgin.fraction"]
        formed = (~virgin | (stuck == Stuck.LOW_RESISTANCE)) & (stuck != Stuck.UNFORMABLE)
        gap = self._within(self._all, np.full(number.size, preset["gap.initial"]))
        gap[stuck == Stuck.LOW_RESISTANCE] = self._law.least_m
        return {
            "gap_m": gap,
            "formed": formed,
            "exposure": np.zeros(number.size),
            "polarity": np.zeros(number.size, dtype=np.int8),
            "cycle": np.zeros(number.size, dtype=np.int64),
            **self._walk.fresh(),
        }

    def _walk_variance(self, spread: float) -> Array:
        """Draw the variance of each cell's walk, over its mean: gamma variates, whose tail is light."""
        if spread == 0.0:
            return np.ones(self._number.size)
        from scipy.special import gammaincinv

        part = uniforms(self.seed, Stream.FILAMENT_DEVICE, self._number, 2)
        return np.asarray(spread**2 * gammaincinv(spread**-2, part))

    def _stuck_kinds(self, is_stuck: NDArray[np.bool_]) -> NDArray[np.uint8]:
        low = uniforms(self.seed, Stream.STUCK_KIND, self._number) < self.preset["stuck.low_resistance_share"]
        kind = np.where(low, Stuck.LOW_RESISTANCE, Stuck.UNFORMABLE)
        return np.where(is_stuck, kind, Stuck.NO).astype(np.uint8)

    def _drive(self, voltage_v: Array, control_v: Array, is_controlled: bool) -> Array:
        moves = np.abs(voltage_v) > self.dead_zone_v
        if is_controlled:
            moves &= control_v > self.preset["transistor.threshold"]
        return np.where(moves, voltage_v, 0.0)

    def _write(self, stress: Stress) -> None:
        state, index = self._flat, stress.index
        self._settle(index[~stress.goes_on], stress.now_s)
        turns = np.sign(stress.voltage_v) != state["polarity"][index]
        state["cycle"][index] += turns
        state["polarity"][index] = np.sign(stress.voltage_v)
        lasting_s = self._age_virgin(index, stress.voltage_v, stress.duration_s)
        switches = np.flatnonzero(state["formed"][index] & (lasting_s > 0.0))
        cells, before = index[switches], self._programmed(index[switches])
        drawn = normals(self.seed, Stream.FILAMENT_CYCLE, self._number[cells], state["cycle"][cells])
        moved = step_until_limited(
            self._law_now(),
            state["gap_m"][cells],
            stress.voltage_v[switches],
            lasting_s[switches],
            gate_v=stress.control_v[switches] if stress.is_controlled else None,
            limit_a=stress.limit_a[switches],
            lag_s=stress.lag_s[switches],
            field_gain=self._field_gain[cells] * np.exp(self._cycle_spread * drawn),
        )
        # the way to an end is one-way: to stop there is to leave out what would come after
        state["gap_m"][cells] = self._within(cells, moved)
        change = np.log(self._programmed(cells) / before)
        self._walk.reprogram(state, cells, change, stress.now_s + stress.duration_s)

    def _age_virgin(self, index: Index, voltage_v: Array, duration_s: float) -> Array:
        """Add exposure to virgin cells; return how long each cell lives through the stress as a formed one."""
        state = self._flat
        lasting_s = np.where(state["formed"][index], duration_s, 0.0)
        ages = np.flatnonzero(~state["formed"][index] & (voltage_v > 0.0))
        cells = index[ages]
        rate = breakdown_rate(voltage_v[ages], self._forming_v[cells], self._forming)
        left = self._life[cells] - state["exposure"][cells]
        breaks = left <= rate * duration_s
        state["exposure"][cells] += np.where(breaks, left, rate * duration_s)
        broken = cells[breaks]
        state["formed"][broken] = True
        state["gap_m"][broken] = self._greatest_m[broken]
        lasting_s[ages[breaks]] = duration_s - left[breaks] / rate[breaks]
        return lasting_s

    def _settle(self, index: Index, now_s: float) -> None:
        """Make what the walk did to cells their programmed state: a stress starts from there."""
        state = self._flat
        if self.effects.relaxation:
            index = index[state["formed"][index]]
            gap = self._law.gap_m(self._low_field(index, now_s))
            state["gap_m"][index] = self._within(index, gap)
            state["walk"][index] = 0.0

    def _within(self, index: Index, gap_m: Array) -> Array:
        return np.clip(gap_m, self._least_m[index], self._greatest_m[index])

    def _law_now(self) -> FilamentLaw:
        if self.temperature_k != self._law_k:
            self._law = FilamentLaw(self.preset.with_overrides({"heat.ambient": self.temperature_k}))
            self._law_k = self.temperature_k
        return self._law

    def _programmed(self, index: Index) -> Array:
        formed = self._law.low_field_s(self._flat["gap_m"][index])
        return np.where(self._flat["formed"][index], formed, self._virgin_s[index])

    def _low_field(self, index: Index, now_s: float) -> Array:
        result = self._programmed(index)
        if not self.effects.relaxation:
            return result
        walks = self._flat["formed"][index] & (self.stuck.reshape(-1)[index] == Stuck.NO)
        programmed = result[walks]
        sigma = np.minimum(self._walk_s[index[walks]], self.preset["relaxation.largest_part"] * programmed)
        moved = programmed + sigma * self._walk.carry(self._flat, index[walks], now_s)
        result[walks] = np.maximum(moved, _LEAST_PART * programmed)
        return result

    def _noisy(self, index: Index, low_field_s: Array, now_s: float, aperture_s: float) -> Array:
        conductance_s = np.maximum(low_field_s, self.preset["noise.conductance_least"])
        exponent = -0.5 * self.preset["noise.conductance_exponent"]
        depth = (conductance_s / self.preset["noise.conductance_reference"]) ** exponent
        return self._flicker.factor(self._flat, index, now_s, aperture_s, depth)

    def _set_programmed(self, index: Index, conductance_s: Array) -> None:
        formed = self._flat["formed"][index]
        gap = self._within(index, self._law.gap_m(conductance_s))
        self._flat["gap_m"][index] = np.where(formed, gap, self._flat["gap_m"][index])

    def _curve(self, index: Index, low_field_s: Array, voltage_v: Array, control_v: Array | None) -> Array:
        at_v = np.where(np.abs(voltage_v) < _LOW_FIELD_V, _LOW_FIELD_V, voltage_v)
        result = low_field_s.copy()
        on = np.full(index.size, True) if control_v is None else control_v > self.preset["transistor.threshold"]
        bends = on & self._flat["formed"][index]
        gap = self._law.gap_m(low_field_s[bends])
        _, current_a = self._law.divide(gap, at_v[bends], None if control_v is None else control_v[bends])
        result[bends] = current_a / at_v[bends]
        result[~on] = self.preset["transistor.off"]
        return result

    def _check(self) -> None:
        super()._check()
        gap = self._flat["gap_m"]
        if not ((gap >= self._law.least_m) & (gap <= self._law.greatest_m)).all():
            raise ValueError(f"stored die: gap_m must be {self._law.least_m:g} to {self._law.greatest_m:g} m")
