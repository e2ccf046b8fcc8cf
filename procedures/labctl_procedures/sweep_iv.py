"""DC I-V curves with compliance. Not here: what is extracted from a curve (:mod:`labctl.analysis.switching`)."""

import math
from collections.abc import Sequence
from typing import ClassVar

from pymeasure.experiment import IntegerParameter

from labctl.analysis.switching import CycleFigures, cycle_figures
from labctl.errors import RunError
from labctl.run import QuantityParameter
from labctl.run.preflight import Estimate
from labctl_procedures.cell_port import CELL_COLUMNS, Cell, CellPort, CellRow, CellShorted, or_nan
from labctl_procedures.cell_procedure import CellProcedure
from labctl_procedures.spacing import there_and_back
from labctl_procedures.switching_results import switching_results

__all__ = ["SweepIv"]


class SweepIv(CellProcedure):
    """Measure bipolar I-V curves: 0 to the SET voltage, back, to the RESET voltage, and back to 0.

    Applied: DC levels on one cell after another, with a compliance of its own on the SET side. Read: the current at
    each level, and the conductance before the first cycle and after each. A cell that is shorted then, or at the low
    levels of a SET side, is left alone. Cells are left in the state of the last cycle, at high resistance; at the end,
    and after an abort, outputs are off and relays open.
    """

    set_stop = QuantityParameter(
        "SET voltage",
        "V",
        minimum=0.01,
        maximum=10.0,
        default=1.5,
        description="Turning point of the SET side. Usual: 2 V; ArC: 1 V. Default: assumed, above the 0.8 to 1.15 V "
        "of UCSB Pt/Al2O3/TiO2-x cells, with a margin to 2 V, the most for a formed cell",
    )
    reset_stop = QuantityParameter(
        "RESET voltage",
        "V",
        minimum=-10.0,
        maximum=-0.01,
        default=-1.7,
        description="Turning point of the RESET side. Usual: -2 V; ArC: -1 V. Default: assumed, beyond the -0.8 to "
        "-1.5 V of UCSB Pt/Al2O3/TiO2-x cells, with a margin to -2 V",
    )
    step = QuantityParameter(
        "Voltage step",
        "V",
        minimum=1e-3,
        maximum=1.0,
        default=0.05,
        description="Lanza et al., ACS Nano 15, 17214 (2021): 10 to 50 mV",
    )
    dwell = QuantityParameter(
        "Dwell",
        "s",
        minimum=1e-4,
        maximum=100.0,
        default="10 ms",
        description="At each level before its measurement. Usual: 50 to 100 ms. Default: assumed, what a DC level "
        "takes to settle, for a quick look",
    )
    set_limit = QuantityParameter(
        "SET compliance",
        "A",
        minimum=1e-9,
        maximum=1.5,
        default="300 uA",
        description="On the SET side only; the RESET side has the current limit. Usual: 10 uA, 100 uA or 1 mA. "
        "Default: assumed, about 0.3 mS, the top of the range of TiOx/Al2O3",
    )
    cycles = IntegerParameter(
        "Cycles",
        default=5,
        minimum=1,
        maximum=100000,
        description="Usual: 50 to 100. Default: assumed, the DC cycles that stabilise a TiOx/Al2O3 cell after forming "
        "(Micromachines 16, 718 (2025))",
    )
    left_out = IntegerParameter(
        "Left-out cycles",
        default=0,
        minimum=0,
        maximum=99999,
        description="First cycles of each cell, often still forming, that figures and statistics leave out; curves "
        "hold them",
    )

    DATA_COLUMNS: ClassVar[list[str]] = CELL_COLUMNS

    def check(self) -> None:
        """Refuse cells that are not there, compliances that contradict each other, and statistics of no cycle.

        Raises
        ------
        RunError, StationError
            If a parameter breaks its rule, or a cell is not there.
        """
        super().check()
        if self.set_limit > self.current_limit:
            raise RunError(
                f"sweep_iv: set_limit must be at most current_limit, got {self.set_limit:.4g} A and "
                f"{self.current_limit:.4g} A"
            )
        if self.left_out >= self.cycles:
            raise RunError(f"sweep_iv: left_out must be less than cycles, got {self.left_out} of {self.cycles}")

    def estimate(self) -> Estimate:
        """Return the number of levels and the time that they take."""
        levels = sum(len(there_and_back(stop_v, self.step)) for stop_v in (self.set_stop, self.reset_stop))
        points = len(self.selected_cells()) * self.cycles * levels
        return Estimate(
            points,
            points * (self.dwell + 2.0 * self.integration / 50.0 + 0.01),
            voltage_v=max(self.set_stop, -self.reset_stop, self.form_stop if self.form_unformed else 0.0),
            current_a=self.current_limit,
        )

    def execute(self) -> None:
        """Sweep the selected cells, ``cycles`` times each."""
        cells = self.formed_cells()
        with self.open_access(
            pulse_voltage_v=max(self.set_stop, -self.reset_stop), current_limit_a=self.current_limit
        ) as access:
            port = CellPort(self, access)
            curves = self.visit(cells, lambda cell: self._cycles(cell, port))
        self.emit_cells(list(curves))
        for index, (name, unit) in enumerate((("voltage", "V"), ("current", "A"), ("compliance", "1"))):
            self.emit_curves(name, {cell: curve[index] for cell, curve in curves.items()}, ("cycle", "step"), unit)
        figures = {cell: self._figures(*curve)[self.left_out :] for cell, curve in curves.items()}
        for name, unit in (
            ("set_voltage", "V"),
            ("reset_voltage", "V"),
            ("on_resistance", "ohm"),
            ("off_resistance", "ohm"),
        ):
            suffix = "v" if unit == "V" else unit
            values = {
                cell: [math.nan] * self.left_out + [or_nan(getattr(one, f"{name}_{suffix}")) for one in cycles]
                for cell, cycles in figures.items()
            }
            self.emit_curves(name, values, ("cycle",), unit)
        self.emit("summary", {**self.cell_results(), **switching_results(list(figures.values()))})

    def _figures(
        self, voltages_v: Sequence[list[float]], currents_a: Sequence[list[float]], limited: Sequence[list[float]]
    ) -> list[CycleFigures]:
        found = []
        for cycle in zip(voltages_v, currents_a, limited, strict=True):
            try:
                found.append(cycle_figures(*cycle, read_voltage_v=self.read_voltage))
            except ValueError as error:
                # a cycle that was cut by an interruption, or one too coarse to tell
                found.append(CycleFigures(None, None, None, None, None, None, (str(error),)))
        return found

    def _check_set_side(self, rows: list[CellRow]) -> None:
        """Stop a cell that the SET side shorted before the RESET side follows, whose current limit is larger.

        In compliance, which is intended here, I / V is what the cell conducts at least.
        """
        for row in rows:
            is_low = row.voltage_v is not None and 0.0 < row.voltage_v <= self.read_voltage
            if is_low and row.conductance_s is not None and row.conductance_s > self.shorted_above:
                raise CellShorted(
                    f"I / V is {row.conductance_s:.4g} S at {row.voltage_v:.4g} V, shorted_above is "
                    f"{self.shorted_above:.4g} S"
                )

    def _cycles(self, cell: Cell, port: CellPort) -> tuple[list[list[float]], ...]:
        voltages_v: list[list[float]] = []
        currents_a: list[list[float]] = []
        limited: list[list[float]] = []
        # the survey cannot tell formed from shorted
        port.read(cell, event="before")
        for cycle in range(self.cycles):
            port.limit_current(self.set_limit)
            rows = port.sweep(cell, there_and_back(self.set_stop, self.step), dwell_s=self.dwell, cycle=cycle)
            self._check_set_side(rows)
            port.limit_current(self.current_limit)
            rows += port.sweep(cell, there_and_back(self.reset_stop, self.step), dwell_s=self.dwell, cycle=cycle)
            voltages_v.append([or_nan(row.voltage_v) for row in rows])
            currents_a.append([or_nan(row.current_a) for row in rows])
            limited.append([float("compliance" in row.flags) for row in rows])
            port.read(cell, cycle=cycle)
            self.part_done((cycle + 1) / self.cycles)
        return voltages_v, currents_a, limited
