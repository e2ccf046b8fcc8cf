"""Energy of SET and RESET pulses, and of programming a level.

Not here: V^2 G t of one pulse (:func:`labctl_procedures.levelling.joule_energy_j`).
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from pymeasure.experiment import IntegerParameter, Parameter

from labctl.analysis.cell_intervals import mean_over_cells
from labctl.errors import RunError
from labctl.run import QuantityParameter
from labctl.run.preflight import Estimate
from labctl_procedures.cell_port import CELL_COLUMNS, Cell, CellPort, CellRow
from labctl_procedures.estimated import estimated_over
from labctl_procedures.levelling import Leveller, joule_energy_j, read_conductance
from labctl_procedures.pulse_procedure import PulseProcedure
from labctl_procedures.value_lists import positive_values

__all__ = ["PulseEnergy", "sampled_energy_j"]

_POLARITIES = ("set", "reset")
# of one polarity: name in the run file, unit
_ARRAYS = (
    ("energy_by_conductance_before", "J"),
    ("energy_by_conductance_after", "J"),
    ("energy_by_current", "J"),
    ("held_energy", "J"),
    ("held_time", "s"),
)
_USUAL_LEVEL_PULSES = 6


class PulseEnergy(PulseProcedure):
    """Measure what a SET pulse, a RESET pulse and a programmed level cost.

    Applied: for each polarity, pulses that bring the cell to the initial conductance, then one pulse; again to the
    initial conductance, then the same voltage held while its current is sampled; at the end write-verify to each of
    ``levels``. Read: the conductance before and after the pulse, which bound its energy by V^2 G t, and the current
    while the voltage is held: its integral is the energy of that long pulse, its first sample that of the short one.
    With scheme ``v2`` the current of the half-selected cells of the bit line is in it. Cells are left at the last
    level; at the end, and after an abort, outputs are off and relays open.
    """

    initial = QuantityParameter(
        "Initial conductance",
        "S",
        minimum=1e-9,
        maximum=1e-2,
        default="100 uS",
        description="Before each pulse, within the level tolerance; assumed: the middle of TiOx/Al2O3",
    )
    set_voltage = QuantityParameter(
        "SET voltage",
        "V",
        minimum=0.01,
        maximum=10.0,
        default=0.8,
        description="UCSB Pt/Al2O3/TiO2-x cells: 0.8 to 1.15 V",
    )
    reset_voltage = QuantityParameter(
        "RESET voltage",
        "V",
        minimum=-10.0,
        maximum=-0.01,
        default=-1.2,
        description="UCSB Pt/Al2O3/TiO2-x cells: -0.8 to -1.5 V",
    )
    width = QuantityParameter(
        "Pulse width", "s", minimum=1e-8, maximum=10.0, default="100 us", description="ArC ConvergeToState: 100 us"
    )
    repeats = IntegerParameter("Repeats", default=8, minimum=1, maximum=10000)
    samples = IntegerParameter(
        "Samples", default=8, minimum=2, maximum=10000, description="Of the current while the voltage is held"
    )
    dwell = QuantityParameter(
        "Dwell",
        "s",
        minimum=1e-4,
        maximum=10.0,
        default="1 ms",
        description="Before each sample, which takes its integration",
    )
    integration = QuantityParameter(
        "Integration",
        "1",
        minimum=0.001,
        maximum=25.0,
        default=0.1,
        description="In power-line cycles; short, because the cell changes while it is sampled",
    )
    levels = Parameter(
        "Levels",
        default="25 uS, 50 uS, 100 uS, 150 uS",
        description="Whose programming is counted, one after another, once per repeat",
    )

    DATA_COLUMNS: ClassVar[list[str]] = CELL_COLUMNS

    def check(self) -> None:
        """Refuse cells and levels that are not there, and pulses that no source can give.

        Raises
        ------
        LabError
            If a parameter breaks its rule.
        RunError
            If the station writes through a gate or a track.
        """
        super().check()
        if not self.writes_through_cell:
            raise RunError(
                "pulse_energy: V^2 G and V I are energies of a cell of two terminals; this station writes through a "
                "gate or a track, whose current is not measured"
            )
        positive_values(self.levels, "S", "pulse_energy: levels")
        self.check_pulses((self.width,))

    def estimate(self) -> Estimate:
        """Return the pulses, the samples and the usual number of levelling pulses."""
        visits = self.repeats * (4 + len(positive_values(self.levels, "S", "pulse_energy: levels")))
        pulses = visits * _USUAL_LEVEL_PULSES + 2 * self.repeats
        readings = visits + pulses + 2 * self.repeats * (1 + self.samples)
        return self.pulse_estimate(
            readings, pulses, voltages_v=(self.set_voltage, self.reset_voltage), widths_s=(self.width,)
        )

    def execute(self) -> None:
        """Visit the selected cells one after another."""
        cells = self.formed_cells()
        levels_s = positive_values(self.levels, "S", "pulse_energy: levels")
        found = {cell: np.full((2, len(_ARRAYS), self.repeats), np.nan) for cell in cells}
        costs = {cell: np.full((2, self.repeats, len(levels_s)), np.nan) for cell in cells}
        with self.open_pulses((self.set_voltage, self.reset_voltage)) as access:
            port, leveller = CellPort(self, access), Leveller.of(self)
            self.visit(cells, lambda cell: self._measure(cell, port, leveller, found[cell], costs[cell]))
        self.emit_cells(cells)
        results = self.cell_results()
        for polarity, prefix in enumerate(_POLARITIES):
            for index, (name, unit) in enumerate(_ARRAYS):
                values = {cell: data[polarity, index] for cell, data in found.items()}
                self.emit_curves(f"{prefix}_{name}", values, ("repeat",), unit)
                results |= _mean(f"{prefix}_{name}", list(values.values()), unit)
        self.emit("array", {"name": "levels", "data": np.array(levels_s), "dims": ("level",), "unit": "S"})
        for index, (name, unit) in enumerate((("level_energy", "J"), ("level_pulse_count", "1"))):
            values = {cell: data[index] for cell, data in costs.items()}
            self.emit_curves(name, values, ("repeat", "level"), unit)
            results |= _mean(name, list(values.values()), unit)
        self.emit("summary", results)

    def _measure(
        self,
        cell: Cell,
        port: CellPort,
        leveller: Leveller,
        energies: npt.NDArray[np.float64],
        costs: npt.NDArray[np.float64],
    ) -> None:
        for repeat in range(self.repeats):
            for polarity, voltage_v in enumerate((self.set_voltage, self.reset_voltage)):
                levelled = leveller.must_reach(port, cell, self.initial, cycle=repeat)
                if levelled.is_reached:
                    port.pulse(cell, voltage_v, self.width, cycle=repeat, step=polarity, event="pulse")
                    after_s = read_conductance(port, cell, cycle=repeat, step=polarity)
                    energies[polarity, 0, repeat] = joule_energy_j(voltage_v, self.width, (levelled.conductance_s,))
                    energies[polarity, 1, repeat] = joule_energy_j(voltage_v, self.width, (after_s,))
                if leveller.must_reach(port, cell, self.initial, cycle=repeat).is_reached:
                    held = [voltage_v] * self.samples
                    rows = port.sweep(cell, held, dwell_s=self.dwell, cycle=repeat, step=polarity, event="held")
                    energies[polarity, 2:, repeat] = sampled_energy_j(rows, self.width)
            for index, target_s in enumerate(positive_values(self.levels, "S", "pulse_energy: levels")):
                levelled = leveller.bring_to(port, cell, target_s, cycle=repeat, step=index)
                if levelled.is_reached:
                    costs[:, repeat, index] = levelled.energy_j, levelled.pulses
            self.part_done((repeat + 1) / self.repeats)


def sampled_energy_j(rows: Sequence[CellRow], width_s: float) -> tuple[float, float, float]:
    """Integrate V I over the samples of a voltage that was held.

    Parameters
    ----------
    rows : sequence of CellRow
        In the order of time, at one voltage.
    width_s : float, unit s
        Of the short pulse whose energy the first sample gives.

    Returns
    -------
    (float, float, float), unit J, J, s
        V I t of a pulse of ``width_s`` with the first current; the integral over the time that was held, where the time
        before the first sample counts as long as the mean one between samples; that time. NaN where one has no value.
    """
    if len(rows) < 2 or any(None in (row.voltage_v, row.current_a, row.time_s) for row in rows):
        return np.nan, np.nan, np.nan
    voltage_v, current_a, time_s = np.array([(row.voltage_v, row.current_a, row.time_s) for row in rows], dtype=float).T
    power_w = voltage_v * current_a
    before_s = (time_s[-1] - time_s[0]) / (time_s.size - 1)
    held_j = power_w[0] * before_s + float(np.trapezoid(power_w, time_s))
    return float(power_w[0] * width_s), float(held_j), float(time_s[-1] - time_s[0] + before_s)


def _mean(name: str, values: Sequence[npt.NDArray[np.float64]], unit: str) -> dict[str, Any]:
    """Return the mean over repeats and cells, and its interval where there are enough."""
    cells = [kept for value in values if (kept := np.ravel(value)[np.isfinite(np.ravel(value))]).size]
    told = estimated_over(f"{name}_mean", len(cells), lambda: mean_over_cells(cells, unit))
    return told | {f"{name}_mean": float(np.mean([cell.mean() for cell in cells])) if cells else None}
