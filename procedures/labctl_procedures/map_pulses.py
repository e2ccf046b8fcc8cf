"""Width-amplitude maps. Not here: their figures (:mod:`labctl.analysis.pulse_maps`)."""

from itertools import product
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from pymeasure.experiment import IntegerParameter, ListParameter

from labctl.analysis.pulse_maps import pulse_map_figures
from labctl.errors import RunError
from labctl.run import QuantityParameter
from labctl.run.preflight import Estimate
from labctl_procedures.cell_port import CELL_COLUMNS, Cell, CellPort
from labctl_procedures.levelling import Leveller, read_conductance
from labctl_procedures.pulse_procedure import PulseProcedure
from labctl_procedures.spacing import log_spaced

__all__ = ["MapPulses"]

# pulses of one visit that brings a cell back, on the reference cell
_USUAL_LEVEL_PULSES = 4


class MapPulses(PulseProcedure):
    """Map what one pulse does against its width and amplitude, each time from the same conductance.

    Applied: for each point, pulses that bring the cell to the initial conductance, then one pulse. Read: after every
    pulse. A point whose cell could not be brought back is left empty and counted; the third in a row ends the cell.
    Cells are left in the state of the last point; at the end, and after an abort, outputs are off and relays open.
    """

    initial = QuantityParameter(
        "Initial conductance",
        "S",
        minimum=1e-9,
        maximum=1e-2,
        default="50 uS",
        description="Within the level tolerance; assumed: where both polarities change TiOx/Al2O3",
    )
    polarity = ListParameter("Polarity", choices=["both", "set", "reset"], default="both")
    width_from = QuantityParameter(
        "Shortest width",
        "s",
        minimum=1e-8,
        maximum=1.0,
        default="100 us",
        description="Common maps: 100 ns to 100 ms; below 100 us by the generator",
    )
    width_to = QuantityParameter(
        "Longest width",
        "s",
        minimum=1e-8,
        maximum=1.0,
        default="10 ms",
        description="Common maps: 100 ms. Default: assumed, TiOx/Al2O3 saturates before",
    )
    widths = IntegerParameter("Widths", default=5, minimum=1, maximum=1000, description="Log-spaced")
    set_from = QuantityParameter(
        "Lowest SET amplitude",
        "V",
        minimum=0.01,
        maximum=10.0,
        default=0.5,
        description="UCSB Pt/Al2O3/TiO2-x cells: 0.8 to 1.15 V; below it shows the dead zone",
    )
    set_to = QuantityParameter(
        "Highest SET amplitude",
        "V",
        minimum=0.01,
        maximum=10.0,
        default=0.9,
        description="UCSB Pt/Al2O3/TiO2-x cells: 0.8 to 1.15 V. Default: assumed, from 50 uS more would end at the "
        "top at once",
    )
    reset_from = QuantityParameter(
        "Lowest RESET amplitude",
        "V",
        minimum=-10.0,
        maximum=-0.01,
        default=-0.8,
        description="UCSB Pt/Al2O3/TiO2-x cells: -0.8 to -1.5 V",
    )
    reset_to = QuantityParameter(
        "Highest RESET amplitude",
        "V",
        minimum=-10.0,
        maximum=-0.01,
        default=-1.4,
        description="UCSB Pt/Al2O3/TiO2-x cells: -0.8 to -1.5 V",
    )
    amplitude_step = QuantityParameter(
        "Amplitude step", "V", minimum=1e-3, maximum=5.0, default=0.1, description="Common maps: 0.05 to 0.1 V"
    )
    repeats = IntegerParameter("Repeats", default=2, minimum=1, maximum=10000, description="Common maps: 5 and more")

    DATA_COLUMNS: ClassVar[list[str]] = CELL_COLUMNS

    def check(self) -> None:
        """Refuse cells that are not there, axes that run backwards, and widths that no source can give.

        Raises
        ------
        RunError
            If a parameter breaks its rule.
        StationError
            If cells are not there.
        """
        super().check()
        if self.width_from > self.width_to:
            raise RunError(
                f"map_pulses: width_from must be at most width_to, got {self.width_from:.4g} s and "
                f"{self.width_to:.4g} s"
            )
        for name, low_v, high_v in (
            ("set_from", self.set_from, self.set_to),
            ("reset_from", self.reset_from, self.reset_to),
        ):
            if abs(low_v) > abs(high_v):
                raise RunError(f"map_pulses: {name} must not exceed its end, got {low_v:.4g} V and {high_v:.4g} V")
        self.check_pulses(self._widths_s())

    def estimate(self) -> Estimate:
        """Return the points with their usual number of levelling pulses."""
        points = self.repeats * self.widths * self._voltages_v().size
        pulses = points * (1 + _USUAL_LEVEL_PULSES)
        return self.pulse_estimate(pulses + points, pulses, voltages_v=self._voltages_v(), widths_s=self._widths_s())

    def execute(self) -> None:
        """Map the selected cells one after another."""
        cells = self.formed_cells()
        widths_s, voltages_v = self._widths_s(), self._voltages_v()
        shape = (2, self.repeats, widths_s.size, voltages_v.size)
        found = {cell: np.full(shape, np.nan) for cell in cells}
        with self.open_pulses(voltages_v) as access:
            port, leveller = CellPort(self, access), Leveller.of(self)
            self.visit(cells, lambda cell: self._map(cell, port, leveller, found[cell]))
        self.emit_cells(cells)
        self.emit("array", {"name": "pulse_width", "data": widths_s, "dims": ("width",), "unit": "s"})
        self.emit("array", {"name": "pulse_voltage", "data": voltages_v, "dims": ("voltage",), "unit": "V"})
        dims = ("repeat", "width", "voltage")
        changes = {cell: data[1] - data[0] for cell, data in found.items()}
        relative = {cell: changes[cell] / data[0] for cell, data in found.items()}
        self.emit_curves("before", {cell: data[0] for cell, data in found.items()}, dims, "S")
        self.emit_curves("change", changes, dims, "S")
        self.emit_curves("change_relative", relative, dims, "1")
        self.emit("summary", self.cell_results() | {"initial_conductance": self.initial} | self._results(relative))

    def _widths_s(self) -> npt.NDArray[np.float64]:
        return log_spaced(self.width_from, self.width_to, self.widths)

    def _voltages_v(self) -> npt.NDArray[np.float64]:
        ends = {"reset": (self.reset_to, self.reset_from), "set": (self.set_from, self.set_to)}
        sides = [
            np.linspace(low_v, high_v, 1 + round((high_v - low_v) / self.amplitude_step))
            for name, (low_v, high_v) in ends.items()
            if self.polarity in ("both", name)
        ]
        return np.concatenate(sides)

    def _map(self, cell: Cell, port: CellPort, leveller: Leveller, data: npt.NDArray[np.float64]) -> None:
        widths_s, voltages_v = self._widths_s(), self._voltages_v()
        # mild points first: what a strong pulse leaves behind must not colour them
        mild_first = np.argsort(np.abs(voltages_v), kind="stable")
        points = list(product(range(self.repeats), range(widths_s.size), map(int, mild_first)))
        for step, (repeat, row, column) in enumerate(points):
            voltage_v, width_s = float(voltages_v[column]), float(widths_s[row])
            levelled = leveller.must_reach(port, cell, self.initial, cycle=repeat, step=step)
            if levelled.is_reached:
                port.pulse(cell, voltage_v, width_s, cycle=repeat, step=step, event="pulse")
                after_s = read_conductance(port, cell, cycle=repeat, step=step)
                data[:, repeat, row, column] = levelled.conductance_s, after_s
            else:
                message = f"cell {cell}: {voltage_v:.4g} V, {width_s:.4g} s: {levelled.reason}"
                self.emit("event", {"kind": "not initialised", "message": message})
            self.part_done((step + 1) / len(points))

    def _results(self, relative: dict[Cell, npt.NDArray[np.float64]]) -> dict[str, Any]:
        """Return the figures of the maps, or the reason why the last one without them has none."""
        thresholds, slopes = {}, {}
        steepness: dict[str, list[float]] = {"positive": [], "negative": []}
        polarities, reason = [], None
        for cell, changes in relative.items():
            try:
                figures = pulse_map_figures(self._widths_s(), self._voltages_v(), changes)
            except ValueError as error:
                reason = str(error)
                continue
            thresholds[cell] = figures.threshold_width_s
            slopes[cell] = [np.nan if slope is None else slope.value for slope in figures.slope]
            polarities.append(figures.polarity)
            for side, estimate in figures.decades_per_volt.items():
                steepness[side].append(estimate.value)
        shown = [cell for cell in relative if cell in thresholds]
        if len(shown) == len(relative):
            self.emit_curves("threshold_width", thresholds, ("voltage",), "s")
            self.emit_curves("change_per_decade", slopes, ("voltage",), "1")
        values = np.array(list(relative.values()))
        measured = values[np.isfinite(values)]
        return {
            "points": int(values.size),
            "points_not_initialised": int(values.size - measured.size),
            "largest_rise_relative": float(measured.max()) if measured.size else None,
            "largest_fall_relative": float(measured.min()) if measured.size else None,
            "polarity": polarities,
            **{f"decades_per_volt_{side}": found or None for side, found in steepness.items()},
            "map_reason": reason,
        }
