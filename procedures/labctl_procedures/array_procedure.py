"""What the array procedures share: parameters of access, the columns, and one row per pulse and per reading.

Not here: the procedures themselves (one file each), addressing (:mod:`labctl.array`), tuning (:mod:`labctl.tuning`).
"""

from typing import Any, ClassVar, cast

import numpy as np
import numpy.typing as npt
from pymeasure.experiment import ListParameter, Parameter

from labctl.array import CellReading, CrossbarAccess, PulseRecord, parse_cells
from labctl.array.access import PulseWith
from labctl.run import LabProcedure, QuantityParameter
from labctl.tuning import Note, Pulse, Staircase

__all__ = ["COLUMNS", "ArrayProcedure", "RecordedCells"]

COLUMNS = [
    "Event",
    "Row",
    "Column",
    "Voltage (V)",
    "Width (s)",
    "Current (A)",
    "Conductance (S)",
    "Target (S)",
    "Attempt",
    "Pass",
    "Time (s)",
    "Flags",
]


class ArrayProcedure(LabProcedure):
    """Base of procedures that visit the cells of an array; it measures nothing by itself."""

    cells = Parameter(
        "Cells", default="all", description="'all', '3,4', '0:8,0:32' or the path of a CSV mask of 0 and 1"
    )
    scheme = ListParameter(
        "Bias scheme",
        choices=["v2", "v3", "grounded", "floating"],
        default="v2",
        description="How lines that are not selected are held while a pulse lasts",
    )
    read_voltage = QuantityParameter("Read voltage", "V", minimum=0.01, maximum=0.3, default=0.2)
    integration = QuantityParameter(
        "Integration", "1", minimum=0.001, maximum=25.0, default=1.0, description="In power-line cycles"
    )
    read_range = QuantityParameter(
        "Read range",
        "A",
        minimum=0.0,
        maximum=0.1,
        default=0.0,
        description="Current range of readings; 0 is auto-range. A fixed range limits pulses too",
    )

    DATA_COLUMNS: ClassVar[list[str]] = COLUMNS

    def selected_cells(self) -> list[tuple[int, int]]:
        """Return the cells of the parameter ``cells``.

        Raises
        ------
        StationError
            If it names none, or one outside the array.
        """
        sample = self.station.sample
        return parse_cells(self.cells, (sample.rows, sample.columns))

    def open_access(
        self,
        *,
        pulse_voltage_v: float,
        current_limit_a: float,
        pulse_with: str = "auto",
        may_stress_line: bool = False,
        scheme: str | None = None,
        row_stress_v: float = 0.9,
        measure_range_a: float | None = None,
    ) -> CrossbarAccess:
        """Return the access to the array of the station; nothing is sent yet.

        Parameters
        ----------
        pulse_voltage_v : float, unit V
            Largest voltage of a line.
        current_limit_a : float, unit A
            Compliance of both channels.
        pulse_with : str
            "auto", "smu" or "generator".
        may_stress_line : bool
            Whether ``grounded`` pulses may stress a whole line.
        scheme : str or None
            Bias scheme in place of the parameter ``scheme``.
        row_stress_v : float, unit V
            Scheme ``inhibit``: what the other cells of the selected word line see at most.
        measure_range_a : float or None, unit A
            Current range in place of the parameter ``read_range``.

        Returns
        -------
        CrossbarAccess
            Ready for use.
        """
        return CrossbarAccess(
            self.station,
            scheme=scheme or self.scheme,
            read_voltage_v=self.read_voltage,
            integration_plc=self.integration,
            measure_range_a=measure_range_a or self.read_range or None,
            current_limit_a=current_limit_a,
            pulse_voltage_v=pulse_voltage_v,
            pulse_with=cast("PulseWith", pulse_with),
            may_stress_line=may_stress_line,
            row_stress_v=row_stress_v,
        )

    def emit_map(self, name: str, data: npt.NDArray[Any], unit: str) -> None:
        """Store an array over the cells.

        Parameters
        ----------
        name : str
            Name in the run file.
        data : ndarray, shape (rows, columns), unit as ``unit`` says
            Values; NaN where there is none.
        unit : str
            SI unit, "1" for pure numbers.
        """
        self.emit("array", {"name": name, "data": data, "dims": ("row", "column"), "unit": unit})

    def emit_values(self, name: str, values: dict[tuple[int, int], float], unit: str) -> npt.NDArray[np.float64]:
        """Store values per cell as an array over all cells, and return it.

        Parameters
        ----------
        name : str
            Name in the run file.
        values : dict of (int, int) to float, unit as ``unit`` says
            Cells that are left out become NaN.
        unit : str
            SI unit.

        Returns
        -------
        ndarray, shape (rows, columns)
            What was stored.
        """
        data = np.full((self.station.sample.rows, self.station.sample.columns), np.nan)
        for cell, value in values.items():
            data[cell] = value
        self.emit_map(name, data, unit)
        return data


class RecordedCells:
    """The cells of an access, with a row for each pulse and each reading; the port of :func:`labctl.tuning.tune_cells`.

    Parameters
    ----------
    procedure : LabProcedure
        Whose rows they become.
    access : CrossbarAccess
        The array.
    """

    def __init__(self, procedure: LabProcedure, access: CrossbarAccess) -> None:
        self._procedure = procedure
        self._access = access

    def read(self, row: int, column: int, note: Note | None = None, *, event: str = "read") -> float | None:
        """Read a cell and record it; None where the meter went over range.

        Parameters
        ----------
        row, column : int
            Word and bit line.
        note : Note or None
            Why; goes into the row.
        event : str
            Kind of reading.

        Returns
        -------
        float or None, unit S
            Low-field conductance.
        """
        reading: CellReading = self._access.read(row, column)
        self._procedure.emit(
            "results",
            {
                "Event": event if note is None else "verify",
                "Row": row,
                "Column": column,
                "Voltage (V)": reading.voltage_v,
                "Width (s)": None,
                "Current (A)": reading.current_a,
                "Conductance (S)": reading.conductance_s,
                "Target (S)": None if note is None else note.target_s,
                "Attempt": None if note is None else note.attempt,
                "Pass": None if note is None else note.pass_number,
                "Time (s)": reading.time_s,
                "Flags": ",".join(reading.flags) or None,
            },
        )
        return reading.conductance_s

    def apply(
        self, row: int, column: int, stimulus: Pulse | Staircase, note: Note | None = None, *, event: str | None = None
    ) -> None:
        """Pulse a cell and record it.

        Parameters
        ----------
        row, column : int
            Word and bit line.
        stimulus : Pulse or Staircase
            What to apply.
        note : Note or None
            Why; goes into the row.
        event : str or None
            Kind of pulse; None tells SET from RESET by the sign.
        """
        record: PulseRecord
        if isinstance(stimulus, Staircase):
            record = self._access.staircase(row, column, stimulus.levels_v(), dwell_s=stimulus.dwell_s)
        else:
            record = self._access.pulse(row, column, stimulus.voltage_v, stimulus.width_s)
        self._procedure.emit(
            "results",
            {
                "Event": event or ("set" if record.voltage_v > 0.0 else "reset"),
                "Row": row,
                "Column": column,
                "Voltage (V)": record.voltage_v,
                "Width (s)": record.width_s,
                "Current (A)": None,
                "Conductance (S)": None,
                "Target (S)": None if note is None else note.target_s,
                "Attempt": None if note is None else note.attempt,
                "Pass": None if note is None else note.pass_number,
                "Time (s)": record.time_s,
                "Flags": None,
            },
        )
