"""Forming with a DC staircase and a hard compliance. Not here: forming with pulses (``form_array``)."""

from typing import ClassVar

import numpy as np
from pymeasure.experiment import BooleanParameter, ListParameter

from labctl.analysis.distributions import binomial_yield, fit_weibull
from labctl.analysis.intervals import bootstrap
from labctl.errors import RunError
from labctl.run import QuantityParameter
from labctl.run.preflight import Estimate
from labctl_procedures.cell_port import CELL_COLUMNS, Cell, CellPort, CellRow, CellShorted, CellStopped, or_nan
from labctl_procedures.cell_procedure import CellProcedure
from labctl_procedures.estimated import estimated
from labctl_procedures.forming import FormingSettings

__all__ = ["FormDc"]


class FormDc(CellProcedure):
    """Form virgin cells with a DC staircase under a compliance that ends it.

    Applied: positive DC levels of growing voltage, back at 0 V between two levels so that nothing further is applied
    once one of them was too much; the compliance is the source's own. Read: the current at each level, and the
    conductance once the staircase has ended. It ends when the compliance is met, or when I / V has gained ``form_jump``
    or exceeds ``shorted_above``. A cell that conducts already in the survey gets nothing. Shorted cells count apart;
    the yield is that of the virgin ones. Cells are left at low resistance; at the end, and after an abort, outputs are
    off and relays open.

    In a passive array the other cells of both lines see half of the voltage and share the compliance. Choose cells that
    share no line ("diagonal:10") or ``form_array``, which spares the neighbours: a compliance that is met without
    forming stops the cell.
    """

    form_unformed = BooleanParameter("Form unformed cells", default=True, description="Must be true: that is its task")
    form_scheme = ListParameter(
        "Forming scheme",
        choices=["v2", "floating"],
        default="v2",
        description="DC form of the bias scheme; floating spares the neighbours, but sneak paths share the compliance",
    )
    form_start = QuantityParameter(
        "Forming start",
        "V",
        minimum=1e-3,
        maximum=20.0,
        default=0.05,
        description="First level; 0 to +V in equal steps",
    )
    form_stop = QuantityParameter(
        "Forming stop",
        "V",
        minimum=0.1,
        maximum=20.0,
        default=4.0,
        description="Usual for oxide ReRAM: 3 to 5 V; the cell of the reference station forms at 2.8 V",
    )
    form_step = QuantityParameter(
        "Forming step", "V", minimum=1e-3, maximum=5.0, default=0.05, description="Usual for oxide ReRAM: 50 mV"
    )
    form_width = QuantityParameter(
        "Dwell", "s", minimum=1e-3, maximum=100.0, default="50 ms", description="At each level; usual: 50 ms"
    )
    form_limit = QuantityParameter(
        "Forming compliance",
        "A",
        minimum=1e-9,
        maximum=1.5,
        default="100 uA",
        description="Usual for oxide ReRAM: 10 to 200 uA; the neighbours of a passive array share it",
    )
    form_jump = QuantityParameter(
        "Forming jump",
        "S",
        minimum=1e-9,
        maximum=1e-2,
        default="10 uS",
        description="Gain of I / V over the lowest level that ends the staircase. Default: assumed, 100 virgin cells",
    )

    DATA_COLUMNS: ClassVar[list[str]] = CELL_COLUMNS

    def __init__(self, **values: object) -> None:
        super().__init__(**values)
        self._shorted: set[Cell] = set()

    def check(self) -> None:
        """Refuse cells and staircases that cannot be.

        Raises
        ------
        RunError, StationError
            If a parameter breaks its rule, or a cell is not there.
        """
        super().check()
        FormingSettings.of(self)
        if not self.form_unformed:
            raise RunError("form_dc: form_unformed must be true; to leave virgin cells alone use check_contacts")

    def estimate(self) -> Estimate:
        """Return the rows and the time of staircases that all go to their stop voltage."""
        cells, levels = len(self.selected_cells()), len(self._levels())
        level_s = self.form_width + 2.0 * self.integration / 50.0 + 0.05
        return Estimate(
            cells * (levels + 2),
            self.rack_time_s(2 * cells) + cells * levels * level_s,
            voltage_v=self.form_stop,
            current_a=max(self.form_limit_a, float(self.current_limit)),
            width_s=self.form_width,
        )

    def execute(self) -> None:
        """Form the selected cells that are virgin."""
        cells = self.selected_cells()
        found = self.look_for_shorted(self.survey(cells))
        for cell, state in found.items():
            if state.why_shorted is not None:
                self._shorted.add(cell)
                self._stop(cell, state.why_shorted)
        virgin = [cell for cell in cells if not found[cell].is_formed and cell not in self._shorted]
        before = sum(state.is_formed for state in found.values())
        curves: dict[Cell, list[CellRow]] = {}
        with self.open_access(
            pulse_voltage_v=self.form_stop,
            current_limit_a=self.form_limit_a,
            scheme=self.form_scheme if self.is_crossbar else None,
        ) as access:
            port = CellPort(self, access)
            formed = self.visit(virgin, lambda cell: self._form(cell, port, curves.setdefault(cell, [])))
        self.emit_cells(list(curves))
        for name, unit, values in (("voltage", "V", _voltages_v(curves)), ("current", "A", _currents_a(curves))):
            self.emit_curves(name, values, ("step",), unit)
        voltages_v = {cell: voltage_v for cell, (voltage_v, _) in formed.items()}
        self.emit_values("form_voltage", voltages_v, "V")
        self.emit_values("conductance", {cell: conductance_s for cell, (_, conductance_s) in formed.items()}, "S")
        counts = {
            "formed": len(formed),
            "formed_before": before,
            "failed": len(cells) - len(formed) - before - len(self._shorted),
            "shorted": len(self._shorted),
        }
        self.emit("summary", {**self.cell_results(), **counts, **_results(list(voltages_v.values()), len(virgin))})

    def _levels(self) -> list[float]:
        count = int((self.form_stop - self.form_start) / self.form_step + 1e-9)
        return [self.form_start + index * self.form_step for index in range(count + 1)]

    def _form(self, cell: Cell, port: CellPort, curve: list[CellRow]) -> tuple[float, float]:
        """Return the level at which the cell broke down and what it reads then."""
        port.limit_current(self.form_limit_a)
        for step, level_v in enumerate(self._levels()):
            rows = port.sweep(cell, [level_v], dwell_s=self.form_width, step=step, event="form")
            curve += rows
            why = self._why_stop(rows, curve)
            if why is None:
                self.part_done(step / len(self._levels()))
                continue
            conductance_s = self._after(cell, port)
            if conductance_s is not None and conductance_s >= self.formed_above:
                return level_v, conductance_s
            if rows:
                raise CellStopped(
                    f"{why} at {level_v:.4g} V, but it reads {conductance_s or np.nan:.4g} S, not formed: "
                    "neighbours or a leak carry the current"
                )
        raise CellStopped(f"does not form up to the stop voltage of {self.form_stop:.4g} V")

    def _after(self, cell: Cell, port: CellPort) -> float | None:
        """Return what a cell reads, under the limit of readings: neighbours share the one of forming."""
        port.limit_current(max(float(self.current_limit), self.form_limit_a))
        try:
            return port.read(cell).conductance_s
        except CellShorted:
            self._shorted.add(cell)
            raise

    def _why_stop(self, rows: list[CellRow], curve: list[CellRow]) -> str | None:
        """Tell why a level was the last; None where the next may follow."""
        if not rows:
            return "an interruption"
        row, first = rows[-1], curve[0]
        if row.flags & {"compliance", "overrange"} or row.conductance_s is None:
            return "compliance"
        if row.conductance_s > self.shorted_above:
            return f"I / V above shorted_above ({row.conductance_s:.4g} S)"
        gain_s = row.conductance_s - (first.conductance_s or 0.0)
        return f"a jump of I / V by {gain_s:.4g} S" if gain_s >= self.form_jump else None


def _voltages_v(curves: dict[Cell, list[CellRow]]) -> dict[Cell, list[float]]:
    return {cell: [or_nan(row.voltage_v) for row in rows] for cell, rows in curves.items()}


def _currents_a(curves: dict[Cell, list[CellRow]]) -> dict[Cell, list[float]]:
    return {cell: [or_nan(row.current_a) for row in rows] for cell, rows in curves.items()}


def _results(voltages_v: list[float], virgin: int) -> dict[str, object]:
    values_v = np.array(voltages_v)
    results: dict[str, object] = {**estimated("yield", lambda: binomial_yield(len(voltages_v), virgin))}
    if values_v.size:
        results |= {"form_voltage_min": float(values_v.min()), "form_voltage_max": float(values_v.max())}
    results |= estimated("form_voltage_median", lambda: bootstrap(values_v, _median, unit="V"))
    results |= estimated("form_voltage_weibull_scale", lambda: fit_weibull(values_v, "V").scale)
    results |= estimated("form_voltage_weibull_shape", lambda: fit_weibull(values_v, "V").shape)
    return results


def _median(samples: np.ndarray) -> np.ndarray:
    return np.asarray(np.median(samples, axis=1))
