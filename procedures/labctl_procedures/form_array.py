"""Form the virgin cells of an array. Not here: how one cell is formed (:mod:`labctl_procedures.forming`)."""

from typing import ClassVar

from labctl.analysis.distributions import binomial_yield
from labctl.run.preflight import Estimate
from labctl.tuning import Staircase
from labctl_procedures.array_procedure import COLUMNS
from labctl_procedures.estimated import estimated
from labctl_procedures.forming import FormingSettings
from labctl_procedures.forming_procedure import FormingProcedure

__all__ = ["FormArray"]

_UNFORMED = "does not form at the stop voltage"


class FormArray(FormingProcedure):
    """Form virgin cells with a staircase of pulses and a verify after each.

    Applied: positive pulses of growing voltage on the word line, the other bit lines raised with it. Read: the
    conductance after each pulse, and that of the cells that conducted before. Formed cells are skipped. A cell that
    meets the compliance, goes over range or reads more than ``shorted_above`` is shorted: it gets no further pulse and
    counts apart, not in the yield. Cells are left at low resistance; at the end, and after an abort, outputs are off
    and relays open.
    """

    DATA_COLUMNS: ClassVar[list[str]] = COLUMNS

    def check(self) -> None:
        """Refuse cells and staircases that cannot be.

        Raises
        ------
        LabError
            If ``cells`` or the staircase breaks its rule.
        """
        self.selected_cells()
        FormingSettings.of(self)

    def estimate(self) -> Estimate:
        """Return the rows and the time of staircases that all go to their stop voltage."""
        steps = len(Staircase(self.form_start, self.form_stop, self.form_step, self.form_width).levels_v())
        cells = len(self.selected_cells())
        readings = cells * (steps + 2)
        return Estimate(
            readings + cells * steps,
            self.rack_time_s(readings) + cells * steps * self.form_width,
            voltage_v=self.form_stop,
            current_a=self.form_limit_a,
            width_s=self.form_width,
        )

    def execute(self) -> None:
        """Form the selected cells."""
        cells = self.selected_cells()
        found = self.look_for_shorted(self.form(cells, report=lambda part: self.emit("progress", 100.0 * part)))
        voltages_v = {cell: formed.voltage_v for cell, formed in found.items() if formed.voltage_v is not None}
        self.emit_values("form_voltage", voltages_v, "V")
        self.emit_values(
            "conductance",
            {cell: formed.conductance_s for cell, formed in found.items() if formed.conductance_s is not None},
            "S",
        )
        usable = sum(formed.is_formed for formed in found.values())
        reasons = {cell: formed.why_shorted or _UNFORMED for cell, formed in found.items() if not formed.is_formed}
        shorted = sum(formed.why_shorted is not None for formed in found.values())
        self.emit(
            "summary",
            {
                "cells": len(cells),
                "formed": len(voltages_v),
                "formed_before": usable - len(voltages_v),
                "failed": len(reasons) - shorted,
                "shorted": shorted,
                **estimated("yield", lambda: binomial_yield(usable, len(cells))),
                "form_voltage_mean": sum(voltages_v.values()) / len(voltages_v) if voltages_v else None,
                "failed_cells": [
                    {"row": row, "column": column, "reason": reason}
                    for (row, column), reason in sorted(reasons.items())
                ],
            },
        )
