"""Map an array: conductances, classes of cells, sneak paths, and what the wires take off.

Not here: reading without judgement (:mod:`labctl_procedures.read_array`).
"""

from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from pymeasure.experiment import IntegerParameter

from labctl.analysis.distributions import binomial_yield
from labctl.errors import RunError
from labctl.run import QuantityParameter
from labctl.run.parameters import CellsParameter
from labctl.run.preflight import Estimate
from labctl_procedures.array_procedure import ArrayProcedure
from labctl_procedures.cell_port import CELL_COLUMNS, Cell, CellPort, CellRow
from labctl_procedures.cell_procedure import CellProcedure

__all__ = ["CLASSES", "MapArray", "wire_results"]

CLASSES = ("not read", "open", "unformed", "high resistance", "low resistance", "shorted")
_FEW = 20
_LIMIT_A = 0.01
# measured on the reference rack: 0.1 s for a cell that conducts, 0.5 s for one that does not
_READ_S = 0.2


class MapArray(CellProcedure):
    """Read an array, sort its cells into classes, and check for sneak paths and wire resistance.

    Applied: the read voltage, on one word line after another; for the sneak check the other lines float. Read: the
    current of each selected cell, and of some again with all other lines floating. Cells are left as they were; at the
    end, and after an abort, outputs are off and relays open.

    Classes go by the reading alone, in the order of :data:`CLASSES`: a cell that is stuck between open and shorted
    looks as others do, and shows only where it is pulsed. The sneak check needs a crossbar.
    """

    cells = CellsParameter("Cells", default="all", description=ArrayProcedure.cells.description)
    low_resistance_above = QuantityParameter(
        "Low resistance above",
        "S",
        minimum=1e-9,
        maximum=1.0,
        default="50 uS",
        description="Assumed: between the states",
    )
    unformed_below = QuantityParameter(
        "Unformed below",
        "S",
        minimum=1e-12,
        maximum=1.0,
        default="1 uS",
        description="Default: as formed_above; ArC FormFinder calls less than 1 Mohm formed",
    )
    open_below = QuantityParameter(
        "Open below",
        "S",
        minimum=0.0,
        maximum=1.0,
        default="0.1 nS",
        description="A cell that reads less has no contact. Default: assumed, below the leak of any virgin cell",
    )
    sneak_cells = IntegerParameter(
        "Cells of the sneak check", default=8, minimum=0, maximum=1000, description="Drawn from the selected ones"
    )

    DATA_COLUMNS: ClassVar[list[str]] = CELL_COLUMNS

    def check(self) -> None:
        """Refuse cells that are not there, and bounds of the classes that do not rise.

        Raises
        ------
        RunError
            If the bounds are not in order.
        StationError
            If ``cells`` names none, or one outside the array.
        """
        super().check()
        bounds = self._bounds_s()
        if not all(low < high for low, high in pairwise(bounds)):
            told = ", ".join(f"{bound:.4g} S" for bound in bounds)
            raise RunError(
                "map_array: open_below, unformed_below, low_resistance_above, shorted_above must rise in this order, "
                f"got {told}"
            )

    def estimate(self) -> Estimate:
        """Return the number of readings and the time that they take: more where cells do not conduct."""
        cells = len(self.selected_cells())
        readings = cells + self.is_crossbar * min(cells, self.sneak_cells)
        reading_s = max(_READ_S, self.rack_time_s(1))
        return Estimate(readings, readings * reading_s, voltage_v=self.read_voltage, current_a=_LIMIT_A)

    def check_reading(self, row: CellRow, before_s: float | None = None) -> None:
        """Let every reading pass: this procedure is there to see what is shorted or open."""

    def execute(self) -> None:
        """Map the selected cells."""
        cells = self.selected_cells()
        with self.open_access(pulse_voltage_v=self.read_voltage, current_limit_a=_LIMIT_A) as access:
            port = CellPort(self, access)
            found = self.visit(cells, lambda cell: port.read(cell))
        values_s = {cell: np.nan if row.conductance_s is None else row.conductance_s for cell, row in found.items()}
        over_range = [cell for cell, row in found.items() if row.conductance_s is None and "overrange" in row.flags]
        chosen = _some(cells, self.sneak_cells) if self.is_crossbar else []
        sneak = self._sneak(chosen, values_s) if chosen else {}
        conductance_s = self.emit_values("conductance", values_s, "S")
        classes = self._classes(values_s | dict.fromkeys(over_range, np.inf), conductance_s.shape)
        self.emit_map("class", classes, "1")
        if sneak:
            self.emit_values("sneak_ratio", sneak, "1")
        counts = {name.replace(" ", "_"): int(np.count_nonzero(classes == kind)) for kind, name in enumerate(CLASSES)}
        usable = counts["high_resistance"] + counts["low_resistance"]
        interval = binomial_yield(usable, len(cells))
        self.emit(
            "summary",
            self.cell_results()
            | {name: count for name, count in counts.items() if name != "not_read"}
            | {"yield": usable / len(cells), "yield_low": interval.low, "yield_high": interval.high}
            | {"sneak_ratio_median": float(np.median(list(sneak.values()))) if sneak else None}
            | wire_results(conductance_s, classes == CLASSES.index("low resistance")),
        )

    def _sneak(self, cells: list[Cell], grounded_s: dict[Cell, float]) -> dict[Cell, float]:
        """Read with all other lines floating, against the reading with them on ground."""
        with self.open_access(pulse_voltage_v=self.read_voltage, current_limit_a=_LIMIT_A, scheme="floating") as access:
            port = CellPort(self, access)
            rows = self.visit(cells, lambda cell: port.sweep(cell, [self.read_voltage], dwell_s=1e-3, event="floating"))
        return {
            cell: own[0].conductance_s / grounded_s[cell]
            for cell, own in rows.items()
            if own and own[0].conductance_s is not None and grounded_s[cell] > 0.0
        }

    def _bounds_s(self) -> list[float]:
        return [self.open_below, self.unformed_below, self.low_resistance_above, self.shorted_above]

    def _classes(self, values_s: dict[Cell, float], shape: tuple[int, ...]) -> npt.NDArray[np.int64]:
        classes = np.zeros(shape, dtype=np.int64)
        for cell, value_s in values_s.items():
            if not np.isnan(value_s):
                classes[cell] = 1 + int(np.searchsorted(self._bounds_s(), value_s, side="right"))
        return classes


def wire_results(conductance_s: npt.NDArray[np.float64], is_low: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """Fit the resistance of a line segment to what the wires take off low-resistance cells.

    While a cell is read, its whole word line loads the driver at its end, the cell alone its bit line, whose meter sits
    at row 0. To first order ln G falls by the segment resistance times the sum over the word line of G times the
    segments that both currents share, with the cell's own term as the mean of its line: what the spread of the cells
    does to it is no effect of wires. Each word line has a level of its own, which takes up contacts.

    Parameters
    ----------
    conductance_s : ndarray, shape (rows, columns), unit S
        NaN where a cell was not read. Only whole word lines count.
    is_low : ndarray of bool, shape (rows, columns)
        Cells that the fit is made with.

    Returns
    -------
    dict
        ``segment_resistance`` in ohm with its 95 % interval, the spread of the cells beside it, and a remark where that
        spread hides the wires; or the reason why there is none.
    """
    from scipy.stats import t

    whole = np.isfinite(conductance_s).all(axis=1, keepdims=True)
    used: npt.NDArray[np.bool_] = np.logical_and(is_low, whole)
    used &= used.sum(axis=1, keepdims=True) > 1
    lines, cells = int(used.any(axis=1).sum()), int(used.sum())
    if cells < _FEW + lines:
        reason = f"needs at least {_FEW} low-resistance cells on word lines that were read whole, got {cells}"
        return {"segment_resistance": None, "segment_resistance_reason": reason}
    columns = np.arange(conductance_s.shape[1])
    shared = np.minimum.outer(columns, columns).astype(float)
    filled_s = np.where(np.isfinite(conductance_s), conductance_s, 0.0)
    load_s = filled_s @ shared
    own_s = filled_s.mean(axis=1, keepdims=True)
    load_s += (own_s - filled_s) * np.diag(shared) + np.arange(conductance_s.shape[0])[:, np.newaxis] * own_s
    logs = np.log(conductance_s, where=used, out=np.zeros_like(filled_s))
    count = np.maximum(used.sum(axis=1, keepdims=True), 1)
    x_s, y = (
        np.where(used, data - np.where(used, data, 0.0).sum(axis=1, keepdims=True) / count, 0.0)
        for data in (load_s, logs)
    )
    freedom = cells - lines - 1
    slope = float((x_s * y).sum() / (x_s**2).sum())
    spread = float(np.sqrt(((y - slope * x_s) ** 2).sum() / freedom))
    half = float(t.ppf(0.975, freedom)) * spread / float(np.sqrt((x_s**2).sum()))
    low, high = -slope - half, -slope + half
    remark = None
    if low <= 0.0:
        remark = f"hidden by the spread of the cells, {spread:.1%}: the interval holds 0; program all cells alike first"
    return {
        "segment_resistance": -slope,
        "segment_resistance_low": low,
        "segment_resistance_high": high,
        "low_resistance_spread": spread,
        "segment_resistance_remark": remark,
    }


def _some(cells: list[Cell], number: int) -> list[Cell]:
    """Return so many of the cells, in order; drawn, as equal distances would take them all from one line."""
    drawn = np.random.default_rng(0).choice(len(cells), min(number, len(cells)), replace=False)
    return [cells[index] for index in sorted(drawn)]
