"""Potentiation and depression with identical or growing pulses.

Not here: the figures of a cycle (:mod:`labctl.analysis.update_curves`).
"""

from functools import partial
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from pymeasure.experiment import IntegerParameter, ListParameter

from labctl.analysis.cell_intervals import mean_over_cells
from labctl.analysis.update_curves import step_spread, update_figures
from labctl.errors import RunError
from labctl.run import QuantityParameter
from labctl.run.preflight import Estimate
from labctl_procedures.cell_port import CELL_COLUMNS, Cell, CellPort
from labctl_procedures.estimated import estimated_over
from labctl_procedures.levelling import Leveller, read_conductance
from labctl_procedures.pulse_procedure import PulseProcedure

__all__ = ["PotentiateDepress"]

# of UpdateFigures: name in the run file, name of the attribute, unit
_FIGURES = (
    ("nonlinearity_label_up", "label_up", "1"),
    ("nonlinearity_label_down", "label_down", "1"),
    ("curvature_up", "curvature_up", "1"),
    ("curvature_down", "curvature_down", "1"),
    ("asymmetry", "asymmetry", "1"),
    ("mean_asymmetry", "mean_asymmetry", "1"),
    ("symmetry_point", "symmetry_point_s", "S"),
    ("conductance_range", "range_s", "S"),
)


class PotentiateDepress(PulseProcedure):
    """Give N pulses up and N down, several cycles, and read after each: LTP and LTD.

    Applied: pulses that bring the cell to the initial conductance, then identical pulses, or pulses whose amplitude
    grows. Read: before the first pulse of a branch and after each. Cells are left after the last branch down; at the
    end, and after an abort, outputs are off and relays open.
    """

    initial = QuantityParameter(
        "Initial conductance",
        "S",
        minimum=0.0,
        maximum=1e-2,
        default="40 uS",
        description="0 leaves the cell as it is. Assumed: a tenth of the range of TiOx/Al2O3",
    )
    pulses = IntegerParameter(
        "Pulses", default=50, minimum=1, maximum=100000, description="Of each branch; common: 100, or 50 to 1000"
    )
    cycles = IntegerParameter("Cycles", default=5, minimum=1, maximum=100000, description="Common: 5 and more")
    pulse_form = ListParameter(
        "Pulse form",
        choices=["identical", "incremental"],
        default="identical",
        description="incremental: each pulse of a branch is one step larger than the one before",
    )
    up_voltage = QuantityParameter(
        "Potentiation voltage",
        "V",
        minimum=0.01,
        maximum=10.0,
        default=0.66,
        description="First pulse. Adapted to TiOx/Al2O3 at 100 us; UCSB cells 0.8 to 1.15 V, ECRAM 5 V",
    )
    down_voltage = QuantityParameter(
        "Depression voltage",
        "V",
        minimum=-10.0,
        maximum=-0.01,
        default=-0.95,
        description="First pulse. Adapted to TiOx/Al2O3 at 100 us; UCSB cells -0.8 to -1.5 V, ECRAM -5 V",
    )
    up_step = QuantityParameter(
        "Potentiation step",
        "V",
        minimum=1e-4,
        maximum=1.0,
        default="5 mV",
        description="Growth per pulse, incremental form only; NeuroSim's non-identical scheme: 50 mV",
    )
    down_step = QuantityParameter(
        "Depression step", "V", minimum=1e-4, maximum=1.0, default="5 mV", description="As the potentiation step"
    )
    width = QuantityParameter(
        "Pulse width",
        "s",
        minimum=1e-8,
        maximum=10.0,
        default="100 us",
        description="NeuroSim's sample device: 300 us; ECRAM: 100 ms",
    )

    DATA_COLUMNS: ClassVar[list[str]] = CELL_COLUMNS

    def check(self) -> None:
        """Refuse cells that are not there, and pulses that no source can give.

        Raises
        ------
        RunError
            If a parameter breaks its rule.
        StationError
            If cells are not there.
        """
        super().check()
        self.check_pulses((self.width,))
        largest_v = max(abs(value_v) for value_v in self._branch_v(up=True) + self._branch_v(up=False))
        if largest_v > 10.0:
            raise RunError(
                f"potentiate_depress: the last pulse would have {largest_v:.4g} V; at most 10 V: take fewer pulses or "
                "a smaller step"
            )

    def estimate(self) -> Estimate:
        """Return the pulses and readings of all branches."""
        pulses = 2 * self.cycles * self.pulses + (10 if self.initial else 0)
        ends = (self._branch_v(up=True)[-1], self._branch_v(up=False)[-1])
        return self.pulse_estimate(pulses + 2 * self.cycles, pulses, voltages_v=ends, widths_s=(self.width,))

    def execute(self) -> None:
        """Visit the selected cells one after another."""
        cells = self.formed_cells()
        shape = (2, self.cycles, self.pulses + 1)
        found = {cell: np.full(shape, np.nan) for cell in cells}
        with self.open_pulses((*self._branch_v(up=True), *self._branch_v(up=False))) as access:
            port, leveller = CellPort(self, access), Leveller.of(self)
            self.visit(cells, lambda cell: self._cycles(cell, port, leveller, found[cell]))
        self.emit_cells(cells)
        for index, name in enumerate(("potentiation", "depression")):
            self.emit_curves(name, {cell: data[index] for cell, data in found.items()}, ("cycle", "pulse"), "S")
        figures, refusals = self._figures(found)
        for index, (name, _, unit) in enumerate(_FIGURES):
            self.emit_curves(name, {cell: table[index] for cell, table in figures.items()}, ("cycle",), unit)
        self.emit("summary", self.cell_results() | _results(list(figures.values()), refusals) | _spread(found))

    def _figures(
        self, found: dict[Cell, npt.NDArray[np.float64]]
    ) -> tuple[dict[Cell, npt.NDArray[np.float64]], list[str]]:
        """Return the figures, shape (figure, cycle), of each cell, and why cycles have none."""
        tables, refusals = {}, []
        for cell, (ups_s, downs_s) in found.items():
            tables[cell] = np.full((len(_FIGURES), self.cycles), np.nan)
            for cycle in range(self.cycles):
                try:
                    one = update_figures(ups_s[cycle], downs_s[cycle])
                except ValueError as error:
                    refusals.append(f"cell {cell}, cycle {cycle}: {error}")
                    continue
                values = [getattr(one, attribute) for _, attribute, _ in _FIGURES]
                tables[cell][:, cycle] = [np.nan if value is None else value for value in values]
        return tables, refusals

    def _branch_v(self, *, up: bool) -> list[float]:
        start_v, step_v = (self.up_voltage, self.up_step) if up else (self.down_voltage, -self.down_step)
        growth_v = step_v if self.pulse_form == "incremental" else 0.0
        return [start_v + growth_v * index for index in range(self.pulses)]

    def _cycles(self, cell: Cell, port: CellPort, leveller: Leveller, curves: npt.NDArray[np.float64]) -> None:
        if self.initial:
            leveller.bring_to(port, cell, self.initial)
        for cycle in range(self.cycles):
            for branch, levels_v in enumerate((self._branch_v(up=True), self._branch_v(up=False))):
                curves[branch, cycle, 0] = read_conductance(port, cell, cycle=cycle, step=0)
                for step, voltage_v in enumerate(levels_v, start=1):
                    port.pulse(cell, voltage_v, self.width, cycle=cycle, step=step)
                    curves[branch, cycle, step] = read_conductance(port, cell, cycle=cycle, step=step)
                self.part_done((cycle + 0.5 * (branch + 1)) / self.cycles)


def _results(tables: list[npt.NDArray[np.float64]], refusals: list[str]) -> dict[str, Any]:
    """Return the mean of each figure over the cycles of all cells, with its interval where there are enough.

    A figure that noise explains in more than half of the cycles has no number: the mean of the others is that of the
    cycles in which noise helped.
    """
    results: dict[str, Any] = {}
    whole = sum(int(np.isfinite(table[-1]).sum()) for table in tables)
    for index, (name, _, unit) in enumerate(_FIGURES):
        cells = [kept for table in tables if (kept := table[index][np.isfinite(table[index])]).size]
        found = sum(cell.size for cell in cells)
        results[name] = None
        if 2 * found < whole:
            results[f"{name}_reason"] = f"none that stands out of the noise in {whole - found} of {whole} cycles"
        elif found:
            told = estimated_over(name, len(cells), partial(mean_over_cells, cells, unit))
            # too few cycles for an interval are no reason for no value
            results |= told if told[name] is not None else {}
            results[name] = float(np.mean([cell.mean() for cell in cells]))
    return results | {"cycles_without_figures": len(refusals), "figures_reason": refusals[0] if refusals else None}


def _spread(found: dict[Cell, npt.NDArray[np.float64]]) -> dict[str, Any]:
    """Return the cycle-to-cycle spread of the step, the mean over cells, of both branches."""
    results: dict[str, Any] = {}
    for branch, name in enumerate(("step_spread_up", "step_spread_down")):
        whole = [data[branch] for data in found.values() if np.isfinite(data[branch]).all()]
        values, refusals = [], []
        for curves in whole:
            try:
                values.append(step_spread(curves))
            except ValueError as error:
                refusals.append(str(error))
        if refusals:
            results["step_spread_reason"] = refusals[0]
        results[name] = None
        if len(values) > 1:
            results |= estimated_over(name, len(values), partial(mean_over_cells, values, "1"))
        elif values:
            results[name] = values[0]
    return results
