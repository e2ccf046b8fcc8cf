"""What procedures share that form cells: the parameters, the survey and the forming itself.

Not here: how one cell is formed (:mod:`labctl_procedures.forming`).
"""

from collections.abc import Callable, Sequence

from labctl_procedures.array_procedure import ArrayProcedure, RecordedCells
from labctl_procedures.forming import (
    Formed,
    FormingParameters,
    FormingSettings,
    find_shorted,
    find_unformed,
    form_cells,
)

__all__ = ["FormingProcedure"]


# enough for the survey of a crossbar; where cells share no line, forming needs no more than its cell
_READ_LIMIT_A, _ONE_CELL_LIMIT_A = 0.01, 1e-3


class FormingProcedure(FormingParameters, ArrayProcedure):
    """Base of procedures that form cells; it measures nothing by itself."""

    @property
    def form_limit_a(self) -> float:
        """Compliance while forming, unit A: ``form_limit`` in a crossbar, where cells share it; else at most 1 mA."""
        limit_a = float(self.form_limit)
        return limit_a if self.is_crossbar else min(limit_a, _ONE_CELL_LIMIT_A)

    def form(
        self, cells: Sequence[tuple[int, int]], *, report: Callable[[float], None]
    ) -> dict[tuple[int, int], Formed]:
        """Read all cells, then form those that are virgin; outputs are off and relays open afterwards.

        Parameters
        ----------
        cells : sequence of (int, int)
            Cells to look at.
        report : callable
            Told the part of the work that is done, 0 to 1.

        Returns
        -------
        dict of (int, int) to Formed
            One for each cell.
        """
        settings = FormingSettings.of(self)
        found = self.survey(cells)
        virgin = [cell for cell, state in found.items() if not state.is_formed]
        if not virgin:
            return found
        with self.open_access(
            pulse_voltage_v=settings.stop_v,
            current_limit_a=self.form_limit_a,
            scheme=self.form_scheme if self.is_crossbar else None,
            **({"row_stress_v": self.form_row_stress} if self.is_crossbar else {}),
        ) as access:
            port = RecordedCells(self, access)
            found |= form_cells(virgin, port, settings, report=lambda finished: report(finished / len(virgin)))
        return found

    def survey(self, cells: Sequence[tuple[int, int]]) -> dict[tuple[int, int], Formed]:
        """Read cells and tell which are formed; outputs are off and relays open afterwards.

        Parameters
        ----------
        cells : sequence of (int, int)

        Returns
        -------
        dict of (int, int) to Formed
            One for each cell.
        """
        # a range that shows a formed cell as over range spares the long settling of the lowest ranges
        range_a = 10.0 * self.formed_above * self.read_voltage
        with self.open_access(
            pulse_voltage_v=self.read_voltage, current_limit_a=_READ_LIMIT_A, measure_range_a=range_a
        ) as access:
            return find_unformed(cells, RecordedCells(self, access), FormingSettings.of(self))

    def look_for_shorted(self, found: dict[tuple[int, int], Formed]) -> dict[tuple[int, int], Formed]:
        """Read what conducted in a survey again, now on a range that tells formed from shorted; sources are off then.

        Parameters
        ----------
        found : dict of (int, int) to Formed
            Of :meth:`survey` or :meth:`form`.

        Returns
        -------
        dict of (int, int) to Formed
            The same cells; what this run formed is as it was.
        """
        before = [cell for cell, state in found.items() if state.is_formed and state.voltage_v is None]
        if not before:
            return found
        with self.open_access(pulse_voltage_v=self.read_voltage, current_limit_a=_READ_LIMIT_A) as access:
            return found | find_shorted(before, RecordedCells(self, access), FormingSettings.of(self))
