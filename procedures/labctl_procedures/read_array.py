"""Read the cells of an array at low voltage. Not here: programming (:mod:`labctl_procedures.program_array`)."""

from typing import ClassVar

import numpy as np
from pymeasure.experiment import IntegerParameter

from labctl.analysis.programming import read_noise
from labctl.run.preflight import Estimate
from labctl_procedures.array_procedure import COLUMNS, ArrayProcedure, RecordedCells

__all__ = ["ReadArray"]

# reading needs little; the driven line carries one row of cells at the read voltage
_READ_LIMIT_A = 0.01


class ReadArray(ArrayProcedure):
    """Read cells at low voltage.

    Applied: the read voltage on the word line of one cell after another, all other lines on ground. Read: the current
    into the bit line. The cells are left as they were; at the end, and after an abort, outputs are off and relays open.
    """

    averages = IntegerParameter(
        "Readings per cell", default=1, minimum=1, maximum=1000, description="Readings of each cell; their mean counts"
    )

    DATA_COLUMNS: ClassVar[list[str]] = COLUMNS

    def check(self) -> None:
        """Refuse cells that are not there.

        Raises
        ------
        StationError
            If ``cells`` names none, or one outside the array.
        """
        self.selected_cells()

    def estimate(self) -> Estimate:
        """Return the number of readings and the time that they take."""
        readings = len(self.selected_cells()) * self.averages
        return Estimate(readings, self.rack_time_s(readings), voltage_v=self.read_voltage, current_a=_READ_LIMIT_A)

    def execute(self) -> None:
        """Read the selected cells, ``averages`` times each."""
        cells = self.selected_cells()
        mean_s: dict[tuple[int, int], float] = {}
        scatter: dict[tuple[int, int], float] = {}
        readings_s = np.full((len(cells), self.averages), np.nan)
        with self.open_access(pulse_voltage_v=self.read_voltage, current_limit_a=_READ_LIMIT_A) as access:
            port = RecordedCells(self, access)
            for index, cell in enumerate(cells):
                for number in range(self.averages):
                    value = port.read(*cell)
                    readings_s[index, number] = np.nan if value is None else value
                mean_s[cell] = float(readings_s[index].mean())
                if self.averages > 1:
                    scatter[cell] = float(readings_s[index].std(ddof=1))
                self.emit("progress", 100.0 * (index + 1) / len(cells))
        self.emit_values("conductance", mean_s, "S")
        if scatter:
            self.emit_values("conductance_std", scatter, "S")
        good = readings_s[np.isfinite(readings_s).all(axis=1)]
        self.emit(
            "summary",
            {
                "cells": len(cells),
                "cells_without_reading": len(cells) - good.shape[0],
                "conductance_mean": float(good.mean()) if good.size else None,
                "conductance_min": float(good.min()) if good.size else None,
                "conductance_max": float(good.max()) if good.size else None,
                "read_noise": read_noise(readings_s),
            },
        )
