"""A die of cells that follow look-up curves: a pulse of the table's amplitude and width draws one step from them.

Not here: the curves (:mod:`labctl.physics.pulse_table`).
"""

from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from labctl.errors import StationError
from labctl.physics.family_die import Array, FamilyDie, Index, Stress
from labctl.physics.fluctuations import State
from labctl.physics.pulse_table import PulseTableLaw
from labctl.physics.random import Stream, normals, uniforms

__all__ = ["PulseTableDie"]


class PulseTableDie(FamilyDie):
    """An array of cells of look-up curves; two terminals, ohmic, formed when they come.

    With the spread of devices in force each cell is one of the measured kinds, drawn with equal chance; without it, and
    without the spread of cycles, the typical one and the median step. A hold acts once, when it has lasted as long as a
    pulse of the table. No table says what any other pulse does: one of another amplitude, beyond the dead zone, or cut
    short leaves the cell as it is, and a longer one acts as one; those of another amplitude and longer ones are counted
    (``unknown_pulses``). A step that leads out of the window ends at its edge. Nothing happens at rest, and a current
    limit is not looked at.
    """

    family = "pulse_table"
    required = MappingProxyType(
        {
            "pulse.up_voltage": "V",
            "pulse.down_voltage": "V",
            "pulse.up_width": "s",
            "pulse.down_width": "s",
            "pulse.tolerance": "1",
            "threshold.part": "1",
            "state.initial": "1",
        }
    )

    def _fresh(self) -> State:
        preset = self.preset
        self._law = PulseTableLaw.from_preset(preset)
        self.control = None
        self._tolerance = preset["pulse.tolerance"]
        self._amplitude_v = {1: preset["pulse.up_voltage"], -1: preset["pulse.down_voltage"]}
        self._width_s = {1: preset["pulse.up_width"], -1: preset["pulse.down_width"]}
        if not preset["threshold.part"] < 1.0 - self._tolerance:
            raise StationError(
                f"{preset.place}: threshold.part must be less than 1 less pulse.tolerance, {1.0 - self._tolerance:g},"
                f" got {preset['threshold.part']:g}: a pulse would be known and without effect"
            )
        self.dead_zone_v = preset["threshold.part"] * min(map(abs, self._amplitude_v.values()))
        typical = self._law.low_s.size - 1
        drawn = uniforms(self.seed, Stream.PULSE_TABLE_DEVICE, self._number)
        kinds = np.minimum((drawn * typical).astype(np.int64), typical - 1)
        self._kind = kinds if self.effects.device_spread else np.full(self._number.size, typical)
        self._low_s = self._law.low_s[self._kind]
        self._range_s = self._law.high_s[self._kind] - self._low_s
        self.window_s = (float(self._law.low_s[-1]), float(self._law.high_s[-1]))
        cells = self._number.size
        return {
            "place": np.full(cells, preset["state.initial"]),
            "pulsed": np.zeros(cells, dtype=bool),
            "unknown_pulses": np.zeros(cells, dtype=np.int64),
        }

    def _drive(self, voltage_v: Array, control_v: Array, is_controlled: bool) -> Array:
        return np.where(np.abs(voltage_v) > self.dead_zone_v, voltage_v, 0.0)

    def _write(self, stress: Stress) -> None:
        state, index = self._flat, stress.index
        state["pulsed"][index[~stress.goes_on]] = False
        for sign, width_s in self._width_s.items():
            drive_v, amplitude_v = state["drive_v"][index], self._amplitude_v[sign]
            here = np.sign(drive_v) == sign
            is_known = np.abs(drive_v - amplitude_v) <= self._tolerance * abs(amplitude_v)
            elapsed_s, longest_s = state["stress_elapsed_s"][index], (1.0 + self._tolerance) * width_s
            overruns = (elapsed_s > longest_s) & (elapsed_s - stress.duration_s <= longest_s)
            state["unknown_pulses"][index[here & np.where(is_known, overruns, ~stress.goes_on)]] += 1
            is_due = here & is_known & (elapsed_s >= (1.0 - self._tolerance) * width_s) & ~state["pulsed"][index]
            due = index[is_due]
            normal = normals(self.seed, Stream.PULSE_TABLE_CYCLE, self._number[due], state["event"][due])
            normal *= self.effects.cycle_spread
            place = state["place"][due]
            # a SET table of an abrupt device leads far out of the window that the same table was measured in
            state["place"][due] = np.clip(place + self._law.step(self._kind[due], sign, place, normal), 0.0, 1.0)
            state["pulsed"][due] = True

    def truth(self, now_s: float) -> dict[str, NDArray[np.generic]]:
        """Return what no instrument can see, without disturbing it.

        Parameters
        ----------
        now_s : float, unit s
            The bench's clock.

        Returns
        -------
        dict of str to ndarray, shape (rows, columns)
            As every die, and ``unknown_pulses``: how many of another amplitude or a greater width each cell got.
        """
        return super().truth(now_s) | {"unknown_pulses": self.state["unknown_pulses"].copy()}

    def _programmed(self, index: Index) -> Array:
        return np.asarray(self._low_s[index] + self._range_s[index] * self._flat["place"][index])

    def _low_field(self, index: Index, now_s: float) -> Array:
        return self._programmed(index)

    def _set_programmed(self, index: Index, conductance_s: Array) -> None:
        place = (conductance_s - self._low_s[index]) / self._range_s[index]
        self._flat["place"][index] = np.clip(place, 0.0, 1.0)

    def _check(self) -> None:
        place = self._flat["place"]
        if not ((place >= 0.0) & (place <= 1.0)).all():
            raise ValueError("stored die: place must be 0 to 1, in parts of the window")
        super()._check()
