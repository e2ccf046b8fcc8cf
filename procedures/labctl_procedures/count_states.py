"""How many states of a cell can be told apart after a wait. Not here: the count (:mod:`labctl.analysis.states`)."""

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from pymeasure.experiment import IntegerParameter, ListParameter

from labctl.analysis.states import count_states
from labctl.errors import RunError
from labctl.run import QuantityParameter
from labctl.run.preflight import Estimate
from labctl_procedures.cell_port import CELL_COLUMNS, Cell, CellPort
from labctl_procedures.levelling import Leveller, read_conductance
from labctl_procedures.pulse_procedure import PulseProcedure
from labctl_procedures.spacing import log_spaced

__all__ = ["CountStates"]

_USUAL_LEVEL_PULSES = 6


class CountStates(PulseProcedure):
    """Program levels, wait, read each many times, and count those whose bands do not overlap.

    Applied: write-verify to each level. Read: after each pulse; after the wait ``readings`` times. A state is what all
    readings of a level show, over all rounds: read noise, relaxation and programming error are in its width. A level
    that was not reached is left out. Cells are left at the last level; at the end, and after an abort, outputs are off
    and relays open.
    """

    lowest = QuantityParameter(
        "Lowest level", "S", minimum=1e-9, maximum=1e-2, default="20 uS", description="Of TiOx/Al2O3: 20 to 300 uS"
    )
    highest = QuantityParameter(
        "Highest level",
        "S",
        minimum=1e-9,
        maximum=1e-2,
        default="200 uS",
        description="Default: as program_array, 40 uA at 0.2 V",
    )
    levels = IntegerParameter(
        "Levels", default=8, minimum=2, maximum=4096, description="Default: as program_array, 3 bit"
    )
    spacing = ListParameter("Spacing", choices=["linear", "log"], default="linear")
    wait = QuantityParameter(
        "Wait",
        "s",
        minimum=0.0,
        maximum=1e7,
        default="1 s",
        description="From the last verify to the readings; 1 s, 1 h, 1 d",
    )
    readings = IntegerParameter("Readings", default=10, minimum=2, maximum=100000, description="Of each level")
    rounds = IntegerParameter("Rounds", default=2, minimum=1, maximum=10000, description="Programmings of each level")
    sigmas = QuantityParameter(
        "Separation",
        "1",
        minimum=0.5,
        maximum=10.0,
        default=3.0,
        description="Half width of a state in standard deviations; MultiStateSeeker: 3",
    )
    level_tolerance = QuantityParameter(
        "Level tolerance", "1", minimum=1e-3, maximum=0.5, default="3 %", description="Relative to the target; ArC: 5 %"
    )

    DATA_COLUMNS: ClassVar[list[str]] = CELL_COLUMNS

    def check(self) -> None:
        """Refuse cells that are not there, levels that run backwards, and pulses that no source can give.

        Raises
        ------
        RunError
            If a parameter breaks its rule.
        StationError
            If cells are not there.
        """
        super().check()
        if not self.lowest < self.highest:
            raise RunError(
                f"count_states: lowest must be less than highest, got {self.lowest:.4g} S and {self.highest:.4g} S"
            )
        self.check_pulses(())

    def estimate(self) -> Estimate:
        """Return the readings, and the pulses that levels usually take."""
        visits = self.rounds * self.levels
        pulses = visits * _USUAL_LEVEL_PULSES
        readings = pulses + visits * (1 + self.readings)
        return self.pulse_estimate(readings, pulses, voltages_v=(), widths_s=(), waits_s=visits * self.wait)

    def execute(self) -> None:
        """Visit the selected cells one after another."""
        cells = self.formed_cells()
        found = {cell: np.full((self.levels, self.rounds, self.readings), np.nan) for cell in cells}
        with self.open_pulses(()) as access:
            port, leveller = CellPort(self, access), Leveller.of(self)
            self.visit(cells, lambda cell: self._levels(cell, port, leveller, found[cell]))
        self.emit_cells(cells)
        self.emit("array", {"name": "level_target", "data": self._targets_s(), "dims": ("level",), "unit": "S"})
        self.emit_curves("level_reading", found, ("level", "round", "reading"), "S")
        pooled = {
            cell: [row[np.isfinite(row)] for row in data.reshape(self.levels, -1)] for cell, data in found.items()
        }
        means = {cell: [row.mean() if row.size else np.nan for row in rows] for cell, rows in pooled.items()}
        sigmas = {cell: [row.std(ddof=1) if row.size > 1 else np.nan for row in rows] for cell, rows in pooled.items()}
        self.emit_curves("level_mean", means, ("level",), "S")
        self.emit_curves("level_sigma", sigmas, ("level",), "S")
        self.emit("summary", self.cell_results() | self._results(pooled))

    def _targets_s(self) -> npt.NDArray[np.float64]:
        if self.spacing == "log":
            return log_spaced(self.lowest, self.highest, self.levels)
        return np.linspace(self.lowest, self.highest, self.levels)

    def _levels(self, cell: Cell, port: CellPort, leveller: Leveller, data: npt.NDArray[np.float64]) -> None:
        visits = [(turn, level) for turn in range(self.rounds) for level in range(self.levels)]
        for number, (turn, level) in enumerate(visits, start=1):
            target_s = float(self._targets_s()[level])
            levelled = leveller.bring_to(port, cell, target_s, cycle=turn, step=level)
            if levelled.is_reached:
                for index in range(self.readings):
                    wait_s = self.wait if index == 0 else 0.0
                    data[level, turn, index] = read_conductance(port, cell, cycle=turn, step=level, after_s=wait_s)
            else:
                message = f"cell {cell}, {target_s:.4g} S: {levelled.reason}"
                self.emit("event", {"kind": "target missed", "message": message})
            self.part_done(number / len(visits))

    def _results(self, pooled: dict[Cell, list[npt.NDArray[np.float64]]]) -> dict[str, Any]:
        """Count the states of each cell."""
        cells, counts = [], []
        for (row, column), levels in pooled.items():
            reached = [level for level in levels if level.size]
            told: dict[str, Any] = {"row": row, "column": column, "levels_reached": len(reached)}
            try:
                states = count_states(reached, wait_s=self.wait, sigmas=self.sigmas)
            except ValueError as error:
                cells.append(told | {"states": None, "reason": str(error)})
                continue
            counts.append(states.separated.value)
            told |= {"states": states.separated.value, "states_low": states.separated.low}
            told |= {"states_high": states.separated.high, "confusion": states.confusion.value}
            cells.append(told | {"confusion_low": states.confusion.low, "confusion_high": states.confusion.high})
        return {
            "wait": self.wait,
            "levels_asked": self.levels,
            "states_by_cell": cells,
            "states_mean": float(np.mean(counts)) if counts else None,
        }
