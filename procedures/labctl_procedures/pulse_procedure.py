"""What the procedures share that pulse cells and read them: parameters, refusals, and the open cells.

Not here: write-verify of one cell (:mod:`labctl_procedures.levelling`), the procedures (one file each).
"""

from collections.abc import Iterable

import numpy as np
from pymeasure.experiment import ListParameter

from labctl.array.cell_access import CellAccess
from labctl.errors import RunError
from labctl.run.preflight import Estimate
from labctl_procedures.cell_procedure import CellProcedure
from labctl_procedures.levelling import Leveller, LevellingParameters

__all__ = ["PulseProcedure"]

# measured on the reference rack: a pulse beside its width, the survey of a cell, its forming, and what a reading takes
# more where the cell moves between current ranges
_PULSE_S, _CELL_S, _FORMING_S, _RANGING = 0.001, 1.0, 7.0, 1.5
_FORMING_ROWS = 30


class PulseProcedure(LevellingParameters, CellProcedure):
    """Base of procedures that pulse one cell after another; it measures nothing by itself."""

    pulse_with = ListParameter(
        "Pulse source",
        choices=["auto", "smu", "generator"],
        default="auto",
        description="auto: the source-measure unit where it can give the width",
    )

    def check_pulses(self, widths_s: Iterable[float]) -> None:
        """Refuse widths that no source of the station can give, and levelling that runs backwards.

        Parameters
        ----------
        widths_s : iterable of float, unit s
            Besides the pulses of levelling.

        Raises
        ------
        RunError
            With what each source can do.
        StationError
            If the station lacks what the cells need.
        """
        Leveller.of(self)
        level_width_s: float = self.level_width
        try:
            access = self.open_pulses(())
            for width_s in (*widths_s, level_width_s):
                access.source_for(width_s)
        except ValueError as error:
            raise RunError(f"{self.procedure_name()}: {error}") from error

    def open_pulses(self, voltages_v: Iterable[float]) -> CellAccess:
        """Return the access for pulses up to these voltages and those of levelling; nothing is sent yet.

        Parameters
        ----------
        voltages_v : iterable of float, unit V

        Returns
        -------
        CellAccess
        """
        return self.open_access(
            pulse_voltage_v=self._largest_v(voltages_v), current_limit_a=self.current_limit, pulse_with=self.pulse_with
        )

    def pulse_estimate(
        self,
        readings: int,
        pulses: int,
        *,
        voltages_v: Iterable[float],
        widths_s: Iterable[float],
        waits_s: float = 0.0,
    ) -> Estimate:
        """Estimate a run from what is done to each cell; survey and forming are added.

        Parameters
        ----------
        readings, pulses : int
            Of one cell.
        voltages_v : iterable of float, unit V
            Besides those of levelling.
        widths_s : iterable of float, unit s
            Taken as equally frequent.
        waits_s : float, unit s
            Waits of one cell.

        Returns
        -------
        Estimate
        """
        cells = len(self.selected_cells())
        current_a: float = self.current_limit
        widths = np.fromiter((*widths_s, self.level_width), dtype=float)
        each_s = _RANGING * self.rack_time_s(readings) + pulses * (_PULSE_S + float(widths.mean())) + waits_s + _CELL_S
        voltages = [self._largest_v(voltages_v)]
        if self.form_unformed:
            each_s += _FORMING_S
            voltages.append(self.form_stop)
        return Estimate(
            cells * (readings + pulses + 1 + self.form_unformed * _FORMING_ROWS),
            cells * each_s,
            voltage_v=max(voltages),
            current_a=max(current_a, self.form_limit_a if self.form_unformed else 0.0),
            width_s=max(float(widths.max()), self.form_width if self.form_unformed else 0.0),
        )

    def _largest_v(self, voltages_v: Iterable[float]) -> float:
        bounds_v: tuple[float, float] = (self.level_set_stop, self.level_reset_stop)
        return max(abs(value_v) for value_v in (*voltages_v, *bounds_v))
