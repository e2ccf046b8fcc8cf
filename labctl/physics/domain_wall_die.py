"""A die of domain-wall synapses: current along the track moves the wall, a tunnel junction reads where it is.

Not here: how a wall gets out of a notch and how far it flies (:mod:`labctl.physics.domain_wall`).
"""

from types import MappingProxyType

import numpy as np

from labctl.physics.domain_wall import DomainWallTrack
from labctl.physics.family_die import Array, FamilyDie, Index, Stress
from labctl.physics.fluctuations import State
from labctl.physics.live_die import ControlPort
from labctl.physics.parts.temperature import REFERENCE_K
from labctl.physics.random import Stream, uniforms

__all__ = ["DomainWallDie"]

# so many hops leave no memory of where they began
_MANY_HOPS = 1e4


class DomainWallDie(FamilyDie):
    """An array of tracks; the control is the track, positive towards higher notches and conductances.

    The voltage along a track drives its current through the track's resistance and the cross-section of the heavy
    metal. The voltage across the junction moves nothing. At rest, heat alone moves walls (effect ``relaxation``), over
    the full barrier. A defect pins a wall where it is.
    """

    family = "domain_wall"
    required = MappingProxyType(
        {
            "depinning.attempt_time": "s",
            "depinning.barrier": "1",
            "depinning.critical_current": "A/m^2",
            "depinning.dead_zone": "1",
            "track.area": "m^2",
            "track.resistance": "ohm",
            "read.parallel": "S",
            "read.antiparallel": "S",
            "read.half_voltage": "V",
        }
    )

    def _fresh(self) -> State:
        preset, effects = self.preset, self.effects
        self._law = DomainWallTrack(
            preset,
            cells=self._number,
            seed=self.seed,
            device_spread=effects.device_spread,
            cycle_spread=effects.cycle_spread,
        )
        self._ohm_m2 = preset["track.resistance"] * preset["track.area"]
        self._still_v = preset["depinning.dead_zone"] * preset["depinning.critical_current"] * self._ohm_m2
        self.control = ControlPort("track", preset["track.resistance"], self._still_v)
        self.dead_zone_v = np.inf
        self._low_s, self._high_s = preset["read.antiparallel"], preset["read.parallel"]
        self.window_s = (self._low_s, self._high_s)
        cells = self._number.size
        return {
            "notch": np.zeros(cells, dtype=np.int64),
            "start_notch": np.zeros(cells, dtype=np.int64),
            "rest_lives": np.zeros(cells),
            "rest_hops": np.zeros(cells, dtype=np.int64),
            "rested_to_s": np.zeros(cells),
        }

    @property
    def _barrier_factor(self) -> float:
        return REFERENCE_K / self.temperature_k

    def _drive(self, voltage_v: Array, control_v: Array, is_controlled: bool) -> Array:
        return np.where(np.abs(control_v) > self._still_v, control_v, 0.0)

    def _write(self, stress: Stress) -> None:
        state, index = self._flat, stress.index
        self._rest(index[~stress.goes_on], stress.now_s)
        fresh = index[~stress.goes_on]
        state["start_notch"][fresh] = state["notch"][fresh]
        # the whole hold from its start, with the same draws: a wall in flight between two pieces flies on
        state["notch"][index] = self._law.travelled(
            index,
            state["start_notch"][index],
            state["event"][index],
            state["drive_v"][index] / self._ohm_m2,
            state["stress_elapsed_s"][index],
            barrier_factor=self._barrier_factor,
        )
        state["rested_to_s"][index] = stress.now_s + stress.duration_s

    def _rest(self, index: Index, now_s: float) -> None:
        """Let heat act on walls until a time; each hop comes after a life drawn when the wall came to its notch."""
        if not self.effects.relaxation:
            return
        state = self._flat
        index = index[self.stuck.reshape(-1)[index] == 0]
        passed_s = np.maximum(0.0, now_s - state["rested_to_s"][index])
        barrier = self._barrier_factor * self.preset["depinning.barrier"]
        state["rest_lives"][index] += passed_s * np.exp(-barrier) / self.preset["depinning.attempt_time"]
        state["rested_to_s"][index] += passed_s
        last = self._law.states - 1
        mixed = index[state["rest_lives"][index] > _MANY_HOPS]
        anywhere = uniforms(self.seed, Stream.RESTING_SIDE, self._number[mixed], state["rest_hops"][mixed])
        state["notch"][mixed] = np.minimum((anywhere * self._law.states).astype(np.int64), last)
        state["rest_lives"][mixed] = 0.0
        state["rest_hops"][mixed] += 1
        while index.size:
            key = (self._number[index], state["rest_hops"][index])
            life = -np.log(uniforms(self.seed, Stream.RESTING_LIFE, *key))
            due = state["rest_lives"][index] >= life
            side = np.where(uniforms(self.seed, Stream.RESTING_SIDE, *key) < 0.5, -1, 1)
            index = index[due]
            state["notch"][index] = np.clip(state["notch"][index] + side[due], 0, last)
            state["rest_lives"][index] -= life[due]
            state["rest_hops"][index] += 1

    def _programmed(self, index: Index) -> Array:
        part = self._flat["notch"][index] / (self._law.states - 1)
        return np.asarray(self._low_s + (self._high_s - self._low_s) * part)

    def _low_field(self, index: Index, now_s: float) -> Array:
        self._rest(index, now_s)
        return self._programmed(index)

    def _set_programmed(self, index: Index, conductance_s: Array) -> None:
        last = self._law.states - 1
        nearest = np.round((conductance_s - self._low_s) / (self._high_s - self._low_s) * last)
        self._flat["notch"][index] = np.clip(nearest, 0, last).astype(np.int64)

    def _curve(self, index: Index, low_field_s: Array, voltage_v: Array, control_v: Array | None) -> Array:
        ratio = self._high_s / self._low_s - 1.0
        bent = ratio / (1.0 + (voltage_v / self.preset["read.half_voltage"]) ** 2)
        low_s = self._high_s / (1.0 + bent)
        part = self._flat["notch"][index] / (self._law.states - 1)
        return np.asarray(low_field_s * (low_s + (self._high_s - low_s) * part) / self._programmed(index))

    def _check(self) -> None:
        super()._check()
        for name in ("notch", "start_notch"):
            if self._flat[name].min() < 0 or self._flat[name].max() >= self._law.states:
                raise ValueError(f"stored die: {name} must be 0 to {self._law.states - 1}")
