"""Form the virgin cells of an array. Not here: how one cell is formed (:mod:`labctl_procedures.forming`)."""

from typing import ClassVar

from labctl.run.preflight import Estimate
from labctl.tuning import Staircase
from labctl_procedures.array_procedure import COLUMNS
from labctl_procedures.forming import FormingSettings
from labctl_procedures.forming_procedure import FormingProcedure

__all__ = ["FormArray"]


class FormArray(FormingProcedure):
    """Form virgin cells with a staircase of pulses and a verify after each.

    Applied: positive pulses of growing voltage on the word line, the other bit lines raised with it. Read: the
    conductance after each pulse. Formed cells are skipped. Cells are left at low resistance; at the end, and after an
    abort, outputs are off and relays open.
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
        found = self.form(cells, report=lambda part: self.emit("progress", 100.0 * part))
        voltages_v = {cell: formed.voltage_v for cell, formed in found.items() if formed.voltage_v is not None}
        self.emit_values("form_voltage", voltages_v, "V")
        self.emit_values(
            "conductance",
            {cell: formed.conductance_s for cell, formed in found.items() if formed.conductance_s is not None},
            "S",
        )
        failed = [cell for cell, formed in found.items() if not formed.is_formed]
        self.emit(
            "summary",
            {
                "cells": len(cells),
                "formed": len(voltages_v),
                "formed_before": len(cells) - len(voltages_v) - len(failed),
                "failed": len(failed),
                "yield": 1.0 - len(failed) / len(cells),
                "form_voltage_mean": sum(voltages_v.values()) / len(voltages_v) if voltages_v else None,
                "failed_cells": [
                    {"row": row, "column": column, "reason": "does not form at the stop voltage"}
                    for row, column in sorted(failed)
                ],
            },
        )
