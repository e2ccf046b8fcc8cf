"""SET/RESET cycles on many cells: how much states scatter from cycle to cycle and from cell to cell.

Not here: the life of a cell (:mod:`labctl_procedures.endurance`), the statistics
(:mod:`labctl.analysis.variability`, :mod:`labctl.analysis.distributions`).
"""

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from pymeasure.experiment import IntegerParameter

from labctl.analysis.cell_intervals import lognormal_over_cells, mean_over_cells
from labctl.analysis.variability import cycle_correlation, split_variance
from labctl.errors import RunError
from labctl.run.parameters import CellsParameter
from labctl.run.preflight import Estimate
from labctl_procedures.cell_port import CELL_COLUMNS, Cell, CellPort, CellStopped
from labctl_procedures.cycling_procedure import CyclingProcedure
from labctl_procedures.estimated import estimated, estimated_over

__all__ = ["CycleStatistics"]

_STATES = ("low_resistance", "high_resistance")
_LAGS = 10
# a cell is given up whose states differ by less than this in so many cycles in a row
_STUCK_WINDOW, _PATIENCE = 1.02, 5


class CycleStatistics(CyclingProcedure):
    """Switch cells with the same SET and RESET pulses again and again, and read both states of every cycle.

    Applied: SET and RESET pulses, always the same, no verify. Read: after SET and after RESET of every cycle. The
    variance is split into cycle-to-cycle and device-to-device; for less than 3 cells, or 3 cycles, the results say that
    it cannot be. A cell that does not switch is given up after five cycles. Cells are left at high resistance; at the
    end, and after an abort, outputs are off and relays open.
    """

    cells = CellsParameter(
        "Cells",
        default="diagonal:3",
        description="As of all procedures; a split needs 3 and more, a publication 10 and more",
    )
    cycles = IntegerParameter(
        "Cycles", default=50, minimum=1, maximum=1000000, description="Common: 50 and more on 10 and more cells"
    )
    left_out = IntegerParameter(
        "Left-out cycles",
        default=0,
        minimum=0,
        maximum=999999,
        description="First cycles of each cell, often still forming, that statistics leave out; rows hold them",
    )
    DATA_COLUMNS: ClassVar[list[str]] = CELL_COLUMNS

    def check(self) -> None:
        """Refuse cells that are not there, pulses that no source can give, and statistics of no cycle.

        Raises
        ------
        RunError
            If no cycle is left.
        LabError
            If another parameter breaks its rule.
        """
        super().check()
        if self.left_out >= self.cycles:
            raise RunError(f"cycle_statistics: left_out must be less than cycles, got {self.left_out} of {self.cycles}")

    def estimate(self) -> Estimate:
        """Return the pulses and the two readings of all cycles."""
        voltages_v = self.cycle_voltages_v
        pulses = self.cycles * len(voltages_v)
        return self.pulse_estimate(2 * self.cycles, pulses, voltages_v=voltages_v, widths_s=(self.width,))

    def execute(self) -> None:
        """Cycle the selected cells one after another."""
        cells = self.formed_cells()
        found = {cell: np.full((2, self.cycles), np.nan) for cell in cells}
        with self.open_pulses(self.cycle_voltages_v) as access:
            port = CellPort(self, access)
            self.visit(cells, lambda cell: self._cycles(cell, port, found[cell]))
        for data in found.values():
            data[:, : self.left_out] = np.nan
        self.emit_cells(cells)
        results = self.cell_results()
        for index, name in enumerate(_STATES):
            states = {cell: data[index] for cell, data in found.items()}
            self.emit_curves(f"{name}_state", states, ("cycle",), "S")
            kept = {cell: state[self.left_out :] for cell, state in states.items()}
            correlations = {cell: _correlations(state) for cell, state in kept.items()}
            self.emit_curves(f"{name}_correlation", correlations, ("lag",), "1")
            results |= _statistics(name, kept, correlations)
        ratios = np.concatenate([data[0] / data[1] for data in found.values()]) if found else np.empty(0)
        ratios = ratios[np.isfinite(ratios)]
        results["window_median"] = float(np.median(ratios)) if ratios.size else None
        self.emit("summary", results)

    def _cycles(self, cell: Cell, port: CellPort, states: npt.NDArray[np.float64]) -> None:
        for cycle in range(self.cycles):
            states[:, cycle] = self.read_cycle(cell, port, cycle)
            last = states[:, max(0, cycle + 1 - _PATIENCE) : cycle + 1]
            if last.shape[1] == _PATIENCE and (last[0] < _STUCK_WINDOW * last[1]).all():
                raise CellStopped(f"does not switch: both states read {last.mean():.4g} S in {_PATIENCE} cycles")
            self.part_done((cycle + 1) / self.cycles)


def _correlations(states_s: npt.NDArray[np.float64]) -> list[float]:
    """Correlation of a cell's cycles, lag 1 and up; NaN where there are too few."""
    found = []
    for lag in range(1, _LAGS + 1):
        try:
            found.append(cycle_correlation(states_s, lag).value)
        except ValueError:
            found.append(np.nan)
    return found


def _statistics(
    name: str, states: dict[Cell, npt.NDArray[np.float64]], correlations: dict[Cell, list[float]]
) -> dict[str, Any]:
    """Return the figures of one state: split of the variance, correlation, log-normal law of all cycles."""
    whole = np.array([state for state in states.values() if np.isfinite(state).all()])
    results: dict[str, Any] = {f"{name}_mean": float(whole.mean()) if whole.size else None}
    try:
        split = split_variance(whole)
    except ValueError as error:
        results |= {f"{name}_device_to_device": None, f"{name}_split_reason": str(error)}
    else:
        results |= estimated(f"{name}_cycle_to_cycle", lambda: split.cycle_to_cycle)
        results |= estimated(f"{name}_device_to_device", lambda: split.device_to_device)
        results |= {f"{name}_device_p_value": split.p_value}
    cells = [kept for state in states.values() if (kept := state[np.isfinite(state)]).size]
    for figure, fit in (
        ("median", lambda: lognormal_over_cells(cells, "S").median),
        ("log_sigma", lambda: lognormal_over_cells(cells, "S").sigma),
    ):
        results |= estimated_over(f"{name}_{figure}", len(cells), fit)
    first = [of_cell[0] for of_cell in correlations.values() if np.isfinite(of_cell[0])]
    if len(first) > 1:
        return results | estimated_over(f"{name}_correlation", len(first), lambda: mean_over_cells(first, "1"))
    return results | {f"{name}_correlation": first[0] if first else None}
