"""What ladders share: SET and RESET sweeps whose one limit climbs from rung to rung, and the conductance after each.

Not here: which limit climbs (``ladder_compliance``, ``ladder_stop_voltage``).
"""

from abc import abstractmethod
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from pymeasure.experiment import IntegerParameter

from labctl.analysis.intervals import Estimate as Interval
from labctl.analysis.intervals import require
from labctl.analysis.variability import correlation, distinguishable_levels, split_variance
from labctl.run import QuantityParameter
from labctl.run.preflight import Estimate
from labctl_procedures.cell_port import CELL_COLUMNS, Cell, CellPort, CellRow, or_nan
from labctl_procedures.cell_procedure import CellProcedure
from labctl_procedures.estimated import estimated
from labctl_procedures.spacing import there_and_back

__all__ = ["LadderProcedure"]

_LEAST_REPEATS = 3
# on auto-range, a level takes so much longer on the mean of a sweep through 0 V (reference rack)
_RANGING_S = 0.05

FloatArray = npt.NDArray[np.float64]


class LadderProcedure(CellProcedure):
    """Base of ladders; it measures nothing by itself. ``Cycle`` counts repeats, ``Step`` counts rungs."""

    step = QuantityParameter(
        "Voltage step",
        "V",
        minimum=1e-3,
        maximum=1.0,
        default=0.1,
        description="Of every sweep; Lanza et al., ACS Nano 15, 17214 (2021): 10 to 50 mV, here coarser for speed",
    )
    dwell = QuantityParameter(
        "Dwell", "s", minimum=1e-4, maximum=100.0, default="10 ms", description="At each level before its measurement"
    )
    repeats = IntegerParameter(
        "Repeats", default=3, minimum=1, maximum=10000, description="Ladders per cell; C2C needs 3 and more"
    )

    DATA_COLUMNS: ClassVar[list[str]] = CELL_COLUMNS

    @abstractmethod
    def rungs(self) -> list[float]:
        """Return the values of the limit that climbs, in order.

        Returns
        -------
        list of float, unit as :meth:`rung_unit` says
        """

    @abstractmethod
    def rung_unit(self) -> str:
        """Return the SI unit of the rungs."""

    @abstractmethod
    def sides(self, rung: float) -> list[tuple[float, float]]:
        """Return the sweeps of one rung in order.

        Parameters
        ----------
        rung : float, unit as :meth:`rung_unit` says

        Returns
        -------
        list of (float, float), units V and A
            Turning point and compliance of each.
        """

    def estimate(self) -> Estimate:
        """Return the number of levels and the time that they take."""
        sides = [side for rung in self.rungs() for side in self.sides(rung)]
        largest_v = max(abs(stop_v) for stop_v, _ in sides)
        levels = sum(len(there_and_back(stop_v, self.step)) for stop_v, _ in sides)
        count = len(self.selected_cells()) * self.repeats
        level_s = self.dwell + 2.0 * self.integration / 50.0 + _RANGING_S
        return Estimate(
            count * (levels + len(self.rungs())),
            count * (levels * level_s + self.rack_time_s(len(self.rungs()))),
            voltage_v=max(largest_v, self.form_stop if self.form_unformed else 0.0),
            current_a=max(float(self.current_limit), self.form_limit_a),
        )

    def execute(self) -> None:
        """Climb the ladder on the selected cells, ``repeats`` times each."""
        sides = [side for rung in self.rungs() for side in self.sides(rung)]
        cells = self.formed_cells()
        with self.open_access(
            pulse_voltage_v=max(abs(stop_v) for stop_v, _ in sides), current_limit_a=self.current_limit
        ) as access:
            port = CellPort(self, access)
            found = self.visit(cells, lambda cell: [self._climb(cell, port, cycle) for cycle in range(self.repeats)])
        ladders_s = {cell: [[value for value, _ in ladder] for ladder in ladders] for cell, ladders in found.items()}
        self.emit_cells(list(found))
        self.emit("array", {"name": "rung", "data": self.rungs(), "dims": ("step",), "unit": self.rung_unit()})
        self.emit_curves("conductance", ladders_s, ("cycle", "step"), "S")
        for name, unit, of in (("voltage", "V", _voltage_v), ("current", "A", _current_a)):
            curves = {
                cell: [[[of(row) for row in rows] for _, rows in ladder] for ladder in ladders]
                for cell, ladders in found.items()
            }
            self.emit_curves(name, curves, ("cycle", "step", "level"), unit)
        self.emit("summary", {**self.cell_results(), **self._results(np.array(list(ladders_s.values()), dtype=float))})

    def _climb(self, cell: Cell, port: CellPort, cycle: int) -> list[tuple[float, list[CellRow]]]:
        """Return the conductance after each rung, and its sweeps."""
        ladder = []
        for step, rung in enumerate(self.rungs()):
            rows: list[CellRow] = []
            for stop_v, limit_a in self.sides(rung):
                port.limit_current(limit_a)
                levels_v = there_and_back(stop_v, self.step)
                rows += port.sweep(cell, levels_v, dwell_s=self.dwell, cycle=cycle, step=step)
            # the compliance of a rung is too small for what it left
            port.limit_current(self.current_limit)
            conductance_s = port.read(cell, cycle=cycle, step=step).conductance_s
            ladder.append((or_nan(conductance_s), rows))
            self.part_done((cycle + (step + 1) / len(self.rungs())) / self.repeats)
        return ladder

    def _results(self, conductance_s: FloatArray) -> dict[str, object]:
        """Sum up conductances, shape (cells, repeats, rungs)."""
        if not conductance_s.size:
            return {}
        rungs = np.abs(self.rungs())
        levels_s, mean_s = conductance_s.reshape(-1, rungs.size), np.nanmean(conductance_s, axis=1)
        results: dict[str, object] = {
            "rungs": int(rungs.size),
            "conductance_first_rung": float(np.nanmean(levels_s[:, 0])),
            "conductance_last_rung": float(np.nanmean(levels_s[:, -1])),
        }
        results |= estimated("cycle_to_cycle", lambda: _cycle_to_cycle(conductance_s))
        results |= estimated(
            "rung_correlation",
            lambda: correlation(np.tile(np.log(rungs), levels_s.shape[0]), np.log(levels_s.ravel()), "a ladder"),
        )
        if self.repeats >= _LEAST_REPEATS:
            sigma_s = conductance_s.std(axis=1, ddof=1)
            counts = [distinguishable_levels(*cell) for cell in zip(mean_s, sigma_s, strict=True)]
            results["levels_apart_3_sigma"] = float(np.median(counts))
        return results


def _cycle_to_cycle(conductance_s: FloatArray) -> Interval:
    """Return the scatter between repeats over the mean of each rung, pooled over rungs and cells."""
    require("the cycle-to-cycle scatter of a ladder, repeats", conductance_s.shape[1], _LEAST_REPEATS)
    relative = conductance_s / conductance_s.mean(axis=1, keepdims=True)
    return split_variance(np.moveaxis(relative, 1, 2).reshape(-1, conductance_s.shape[1])).cycle_to_cycle


def _voltage_v(row: CellRow) -> float:
    return or_nan(row.voltage_v)


def _current_a(row: CellRow) -> float:
    return or_nan(row.current_a)
