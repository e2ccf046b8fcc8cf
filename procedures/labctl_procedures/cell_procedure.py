"""What the characterisation procedures share: one cell after another, forming where asked, and stop rules.

Not here: the rows (:mod:`labctl_procedures.cell_port`), the procedures (one file each).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

import numpy as np
import numpy.typing as npt
from pymeasure.experiment import BooleanParameter

from labctl.errors import RunError
from labctl.run import QuantityParameter
from labctl.run.parameters import CellsParameter
from labctl_procedures.cell_port import CELL_COLUMNS, Cell, CellRow, CellShorted, CellStopped
from labctl_procedures.forming import why_shorted
from labctl_procedures.forming_procedure import FormingProcedure

__all__ = ["CellProcedure"]

Result = TypeVar("Result")


class CellProcedure(FormingProcedure):
    """Base of procedures that characterise cells one after another; it measures nothing by itself.

    A cell that meets a stop rule is left alone from then on: the rule is an event and a line of the results, and the
    next cell follows.
    """

    cells = CellsParameter(
        "Cells",
        default="0,0",
        description="'3,4', '0,0;1,1', 'diagonal:10', '0:8,0:32', 'all' or the path of a CSV mask of 0 and 1",
    )
    form_unformed = BooleanParameter(
        "Form unformed cells", default=True, description="Otherwise an unformed cell is left alone"
    )
    current_limit = QuantityParameter(
        "Current limit", "A", minimum=1e-9, maximum=1.5, default="10 mA", description="Compliance of both channels"
    )
    open_below = QuantityParameter(
        "Open below",
        "S",
        minimum=0.0,
        maximum=1.0,
        default="0.3 nS",
        description="Stop rule: a cell that reads less has no contact and is left alone; 0 for none. Default: assumed, "
        "3 times the largest virgin resistance",
    )
    leakage_jump = QuantityParameter(
        "Leakage jump",
        "1",
        minimum=0.0,
        maximum=1e6,
        default=10.0,
        description="Stop rule: a cell is left alone that, without a pulse in between, reads more than so many times "
        "its last reading and formed_above; 0 for none. Default: assumed, beyond read noise, telegraph noise and "
        "relaxation",
    )

    parameter_groups: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("current_limit", "open_below", "leakage_jump"), "Stop rules (protect the die)"
    )

    DATA_COLUMNS: ClassVar[list[str]] = CELL_COLUMNS

    def __init__(self, **values: object) -> None:
        super().__init__(**values)
        self._stopped: dict[Cell, str] = {}
        self._part_of_cell = (0, 1)

    def check(self) -> None:
        """Refuse cells that are not there and limits that contradict each other.

        Raises
        ------
        StationError
            If ``cells`` names none, or one outside the array.
        RunError
            If ``open_below`` is not below ``shorted_above``, or ``leakage_jump`` would stop every cell.
        """
        self.selected_cells()
        if not self.open_below < self.shorted_above:
            raise RunError(
                f"{self.procedure_name()}: open_below must be less than shorted_above, got {self.open_below:.4g} S and "
                f"{self.shorted_above:.4g} S"
            )
        if 0.0 < self.leakage_jump <= 1.0:
            raise RunError(
                f"{self.procedure_name()}: leakage_jump must be more than 1, or 0 for none, got {self.leakage_jump:.4g}"
            )

    def check_reading(self, row: CellRow, before_s: float | None = None) -> None:
        """Apply the stop rules to a reading; over range or in compliance it means a short circuit.

        Parameters
        ----------
        row : CellRow
        before_s : float or None, unit S
            Last reading of the cell, where no pulse was given since.

        Raises
        ------
        CellStopped
            With the rule.
        """
        value_s = row.conductance_s
        why = why_shorted(value_s, row.flags, self.shorted_above)
        if why is not None:
            raise CellShorted(why)
        if value_s is None:
            return
        if value_s < self.open_below:
            raise CellStopped(f"reads {value_s:.4g} S, open_below is {self.open_below:.4g} S")
        # what an unformed cell conducts may well grow tenfold and mean nothing
        if before_s is not None and 0.0 < self.leakage_jump * max(before_s, self.formed_above) < value_s:
            raise CellStopped(
                f"reads {value_s:.4g} S after {before_s:.4g} S without a pulse in between, leakage_jump is "
                f"{self.leakage_jump:.4g}"
            )

    def formed_cells(self, cells: Sequence[Cell] | None = None) -> list[Cell]:
        """Survey cells, form what is virgin where ``form_unformed`` says so; sources are off afterwards.

        Parameters
        ----------
        cells : sequence of (int, int), optional
            In place of the selected ones; each may come more than once.

        Returns
        -------
        list of (int, int)
            Those that can be measured. The others are noted as stopped.
        """
        cells = list(dict.fromkeys(self.selected_cells() if cells is None else cells))
        if self.form_unformed:
            found = self.form(cells, report=lambda part: None)
            reason = "does not form at the stop voltage"
        else:
            found = self.survey(cells)
            reason = "not formed: form it with form_array, or set form_unformed"
        for cell, state in found.items():
            if not state.is_formed:
                self._stop(cell, state.why_shorted or reason)
        return [cell for cell in cells if found[cell].is_formed]

    def visit(self, cells: Sequence[Cell], work: Callable[[Cell], Result]) -> dict[Cell, Result]:
        """Do the work of one cell after another; stop rules end a cell, not the run.

        Parameters
        ----------
        cells : sequence of (int, int)
        work : callable
            Takes a cell and returns what came of it.

        Returns
        -------
        dict of (int, int) to what ``work`` returns
            Cells that were stopped are left out.
        """
        found: dict[Cell, Result] = {}
        for index, cell in enumerate(cells):
            self._part_of_cell = (index, len(cells))
            try:
                found[cell] = work(cell)
            except CellStopped as stop:
                self._stop(cell, str(stop))
            self.part_done(1.0)
        return found

    def part_done(self, part: float) -> None:
        """Report progress within the cell that is being visited.

        Parameters
        ----------
        part : float, unit 1
            0 to 1.
        """
        index, count = self._part_of_cell
        self.emit("progress", 100.0 * (index + part) / count)

    def cell_results(self) -> dict[str, Any]:
        """Return what every summary holds: how many cells, and which were stopped by which rule.

        Returns
        -------
        dict
            ``cells``, ``cells_stopped``, ``failed_cells``.
        """
        return {
            "cells": len(self.selected_cells()),
            "cells_stopped": len(self._stopped),
            "failed_cells": [
                {"row": row, "column": column, "reason": reason}
                for (row, column), reason in sorted(self._stopped.items())
            ],
        }

    def emit_curves(self, name: str, curves: Mapping[Cell, npt.ArrayLike], dims: Sequence[str], unit: str) -> None:
        """Store one array per cell as one array over cells; what is shorter is filled up with NaN, within a cell too.

        Parameters
        ----------
        name : str
            Name in the run file. Cells are numbered as in the array ``cells`` (row, column), stored by
            :meth:`emit_cells`.
        curves : Mapping of (int, int) to array-like, unit as ``unit`` says
            Of equal rank.
        dims : sequence of str
            Names of their dimensions.
        unit : str
            SI unit.
        """
        if not curves:
            return
        data = _rectangular(list(curves.values()))
        self.emit("array", {"name": name, "data": data, "dims": ("cell", *dims), "unit": unit})

    def emit_cells(self, cells: Sequence[Cell]) -> None:
        """Store which cells the curves belong to.

        Parameters
        ----------
        cells : sequence of (int, int)
        """
        if cells:
            self.emit("array", {"name": "cells", "data": np.array(cells), "dims": ("cell", "line"), "unit": "1"})

    def _stop(self, cell: Cell, reason: str) -> None:
        self._stopped[cell] = reason
        self.emit("event", {"kind": "cell stopped", "message": f"cell {cell}: {reason}"})


def _rectangular(nested: Any) -> npt.NDArray[np.float64]:
    """Return nested sequences as one array; a sweep that was cut by an interruption is shorter than the others."""
    if isinstance(nested, np.ndarray) or not isinstance(nested, Sequence):
        return np.asarray(nested, dtype=float)
    if not any(isinstance(part, Sequence | np.ndarray) for part in nested):
        return np.asarray(nested, dtype=float)
    parts = [_rectangular(part) for part in nested]
    data = np.full((len(parts), *np.max([part.shape for part in parts], axis=0)), np.nan)
    for index, part in enumerate(parts):
        places: tuple[int | slice, ...] = (index, *(slice(size) for size in part.shape))
        data[places] = part
    return data
