"""A die of gradual bipolar cells after a data-driven law: two terminals, static resistance as the state.

Positive cell voltages raise the conductance here, whichever polarity the fitted device has. Not here: the law
(:mod:`labctl.physics.data_driven`).
"""

from types import MappingProxyType

import numpy as np

from labctl.physics.data_driven import DataDrivenLaw
from labctl.physics.family_die import Array, FamilyDie, Index, Stress
from labctl.physics.fluctuations import LogWalk, State
from labctl.physics.random import Stream, normals

__all__ = ["DataDrivenDie"]

_RATE, _RESISTANCE = range(2)
_LEAST_FIELD_V = 1e-6
# the state stays within this factor of the fitted range, whatever the voltage
_BEYOND = 10.0


class DataDrivenDie(FamilyDie):
    """An array of cells of a data-driven law; they come formed."""

    family = "data_driven"
    required = MappingProxyType(
        {
            "state.least": "ohm",
            "state.greatest": "ohm",
            "state.initial": "ohm",
            "threshold.dead_zone": "V",
            "spread.device_rate": "1",
            "spread.device_resistance": "1",
            "spread.cycle_rate": "1",
            "relaxation.sigma": "1",
            "read.a": "1",
            "read.b": "1/V",
        }
    )

    def _fresh(self) -> State:
        preset = self.preset
        self._law = DataDrivenLaw(preset)
        self._walk = LogWalk.from_preset(preset, self.seed, self._number)
        self._slope, self._per_v = preset["read.a"] * preset["read.b"], preset["read.b"]
        self.control = None
        self.dead_zone_v = preset["threshold.dead_zone"]
        self.window_s = (self._slope / preset["state.greatest"], self._slope / preset["state.least"])
        # the fitted law may raise the resistance with positive voltages
        self._polarity = -np.sign(self._law.positive.rate_ohm_per_s)
        drawn = normals(self.seed, Stream.DATA_DRIVEN_DEVICE, self._number, lane=np.arange(2)[:, np.newaxis])
        drawn *= self.effects.device_spread
        self._rate = np.exp(preset["spread.device_rate"] * drawn[_RATE])
        self._scale = np.exp(preset["spread.device_resistance"] * drawn[_RESISTANCE])
        self._cycle_spread = preset["spread.cycle_rate"] * self.effects.cycle_spread
        return {"resistance_ohm": preset["state.initial"] * self._scale, **self._walk.fresh()}

    def _drive(self, voltage_v: Array, control_v: Array, is_controlled: bool) -> Array:
        return np.where(np.abs(voltage_v) > self.dead_zone_v, voltage_v, 0.0)

    def _write(self, stress: Stress) -> None:
        state, index = self._flat, stress.index
        fresh = index[~stress.goes_on]
        state["resistance_ohm"][fresh] = self._slope / self._low_field(fresh, stress.now_s)
        state["walk"][fresh] = 0.0
        before_ohm = state["resistance_ohm"][index]
        drawn = normals(self.seed, Stream.DATA_DRIVEN_CYCLE, self._number[index], state["event"][index])
        rate, scale = self._rate[index] * np.exp(self._cycle_spread * drawn), self._scale[index]
        drive = state["drive_v"][index]
        after_ohm = scale * self._law.step(before_ohm / scale, self._polarity * drive, stress.duration_s * rate)
        # a SET stops where the cell would carry more than the compliance
        least_ohm = np.minimum(before_ohm, self._law.current(stress.limit_a, drive.clip(min=0.0)))
        after_ohm = np.maximum(after_ohm, np.where(drive > 0.0, least_ohm, 0.0))
        # far beyond the voltages of the fit its boundary is not even positive
        bounds_ohm = self.preset["state.least"] / _BEYOND, self.preset["state.greatest"] * _BEYOND
        after_ohm = np.clip(after_ohm, scale * bounds_ohm[0], scale * bounds_ohm[1])
        state["resistance_ohm"][index] = after_ohm
        self._walk.reprogram(state, index, np.log(before_ohm / after_ohm), stress.now_s + stress.duration_s)

    def _programmed(self, index: Index) -> Array:
        return np.asarray(self._slope / self._flat["resistance_ohm"][index])

    def _low_field(self, index: Index, now_s: float) -> Array:
        programmed = self._programmed(index)
        if not self.effects.relaxation:
            return programmed
        walks = self.stuck.reshape(-1)[index] == 0
        moving = index[walks]
        programmed[walks] *= np.exp(self.preset["relaxation.sigma"] * self._walk.carry(self._flat, moving, now_s))
        return programmed

    def _set_programmed(self, index: Index, conductance_s: Array) -> None:
        self._flat["resistance_ohm"][index] = self._slope / conductance_s

    def _curve(self, index: Index, low_field_s: Array, voltage_v: Array, control_v: Array | None) -> Array:
        field = self._per_v * np.maximum(np.abs(voltage_v), _LEAST_FIELD_V)
        return np.asarray(low_field_s * np.sinh(field) / field)
