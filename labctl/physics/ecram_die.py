"""A die of electrochemical RAM: pulses on the gate write, the channel from word line to bit line is read.

Not here: the law of one step and of the rest between steps (:mod:`labctl.physics.ecram`).
"""

from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from labctl.physics.ecram import EcramCells
from labctl.physics.family_die import Array, FamilyDie, Index, Stress
from labctl.physics.fluctuations import State
from labctl.physics.live_die import ControlPort
from labctl.physics.parts.temperature import arrhenius

__all__ = ["EcramDie"]


class EcramDie(FamilyDie):
    """An array of ECRAM cells; the control is the gate, positive towards higher conductance.

    The state rests towards its convergence point from the end of one gate pulse to the start of the next, not while
    the gate is driven. A gate that is not driven, or floats, writes nothing; nor does the channel voltage.
    """

    family = "ecram"
    required = MappingProxyType(
        {
            "gate.dead_zone": "V",
            "read.middle": "S",
            "read.half_range": "S",
            "update.w_min": "1",
            "update.w_max": "1",
            "update.activation": "eV",
            "retention.activation": "eV",
        }
    )

    def _fresh(self) -> State:
        preset, effects = self.preset, self.effects
        self._law = EcramCells(
            preset,
            cells=self._number,
            seed=self.seed,
            device_spread=effects.device_spread,
            cycle_spread=effects.cycle_spread,
        )
        self._gate_dead_zone_v = preset["gate.dead_zone"]
        self._middle_s, self._half_s = preset["read.middle"], preset["read.half_range"]
        self.control = ControlPort("gate", np.inf, self._gate_dead_zone_v)
        self.dead_zone_v = np.inf
        self.window_s = (
            self._middle_s + self._half_s * preset["update.w_min"],
            self._middle_s + self._half_s * preset["update.w_max"],
        )
        cells = self._number.size
        return {
            "w": np.zeros(cells),
            "start_w": np.zeros(cells),
            "pulses": np.zeros(cells),
            "rest_s": np.zeros(cells),
            "rested_to_s": np.zeros(cells),
        }

    def _drive(self, voltage_v: Array, control_v: Array, is_controlled: bool) -> Array:
        return np.where(np.abs(control_v) > self._gate_dead_zone_v, control_v, 0.0)

    def _write(self, stress: Stress) -> None:
        state, index = self._flat, stress.index
        fresh = index[~stress.goes_on]
        state["start_w"][fresh] = self._rested(fresh, stress.now_s)
        state["pulses"][fresh] = 0.0
        speed = arrhenius(self.preset["update.activation"], self.temperature_k)
        drive = state["drive_v"][index]
        # the whole hold from its start: its spread is that of one pulse, however it is cut
        state["pulses"][index] += speed * self._law.nominal_pulses(drive, stress.duration_s)
        for sign in (1, -1):
            cells = index[np.sign(drive) == sign]
            state["w"][cells] = self._law.moved(
                cells, sign, state["start_w"][cells], state["pulses"][cells], state["event"][cells]
            )
        state["rest_s"][index] = 0.0
        state["rested_to_s"][index] = stress.now_s + stress.duration_s

    def _programmed(self, index: Index) -> Array:
        return np.asarray(self._middle_s + self._half_s * self._flat["w"][index])

    def _low_field(self, index: Index, now_s: float) -> Array:
        return np.asarray(self._middle_s + self._half_s * self._rested(index, now_s))

    def _set_programmed(self, index: Index, conductance_s: Array) -> None:
        w = (conductance_s - self._middle_s) / self._half_s
        self._flat["w"][index] = np.clip(w, self._law.w_min[index], self._law.w_max[index])

    def _rested(self, index: Index, now_s: float) -> NDArray[np.float64]:
        """Carry the rest of cells to a time and return their states then."""
        state = self._flat
        if not self.effects.relaxation:
            return np.asarray(state["w"][index])
        passed_s = np.maximum(0.0, now_s - state["rested_to_s"][index])
        state["rest_s"][index] += passed_s * arrhenius(self.preset["retention.activation"], self.temperature_k)
        state["rested_to_s"][index] += passed_s
        return np.where(
            self.stuck.reshape(-1)[index] == 0,
            self._law.rested(state["w"][index], state["rest_s"][index]),
            state["w"][index],
        )
