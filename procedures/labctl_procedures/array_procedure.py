"""What the array procedures share: parameters of access, the columns, and one row per pulse and per reading.

Not here: the procedures themselves (one file each), addressing (:mod:`labctl.array`), tuning (:mod:`labctl.tuning`).
"""

from collections.abc import Mapping
from typing import Any, ClassVar, cast

import numpy as np
import numpy.typing as npt
from pymeasure.experiment import ListParameter

from labctl.array import CellReading, parse_cells
from labctl.array.cell_access import CellAccess
from labctl.array.opening_cells import open_cells
from labctl.run import LabProcedure, QuantityParameter
from labctl.run.parameters import CellsParameter
from labctl.run.procedure import Row
from labctl.tuning import Note, Pulse, Staircase
from labctl_procedures.stimulus_notes import ACCESS, STIMULUS, write_note

__all__ = ["COLUMNS", "TRAIN", "ArrayProcedure", "RecordedCells"]

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
    "Raw",
]

Cell = tuple[int, int]

# event of a row that holds so many pulses as its column Step says
TRAIN = "train"
# how many of the cells that were read last are read again when an interrupted run goes on
_LOOKED_AT = 4


class ArrayProcedure(LabProcedure):
    """Base of procedures that visit the cells of an array; it measures nothing by itself."""

    cells = CellsParameter(
        "Cells", default="all", description="'all', '3,4', '0:8,0:32' or the path of a CSV mask of 0 and 1"
    )
    scheme = ListParameter(
        "Bias scheme",
        choices=["v2", "v3", "grounded", "floating"],
        default="v2",
        description="How lines that are not selected are held while a pulse lasts",
    )
    read_voltage = QuantityParameter(
        "Read voltage",
        "V",
        minimum=0.01,
        maximum=0.3,
        default=0.2,
        description="Usual: 0.2 V, at most a third of the SET voltage",
    )
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

    parameter_groups: ClassVar[Mapping[str, str]] = {
        "cells": "Cells",
        "scheme": "Cells",
        **dict.fromkeys(("read_voltage", "integration", "read_range"), "Reading"),
    }

    DATA_COLUMNS: ClassVar[list[str]] = COLUMNS
    resumable: ClassVar[bool] = True

    @classmethod
    def catalogue(cls) -> Mapping[str, type[LabProcedure]]:
        """Return the procedures of this package by name."""
        # the registry imports this module
        from labctl_procedures import procedures

        return procedures()

    def __init__(self, **values: object) -> None:
        super().__init__(**values)
        self._access: CellAccess | None = None
        self._last_read: dict[Cell, float | None] = {}
        self._unnoted_access: str | None = None
        self._noted: dict[str, Mapping[str, object]] = {}

    def stand_down(self) -> None:
        """Put the sources to 0 V and off and open the relays; the next reading or pulse prepares them again."""
        if self._access is not None:
            self._access.release()

    def went_live(self, in_doubt: Row | None) -> None:
        """Read the cells again that were read last before the interruption, and note how they drifted.

        Parameters
        ----------
        in_doubt : mapping of str to float, int, str or None, or None
            Row of the stimulus that was cut; its cell is the first.
        """
        if self._access is None:
            return
        cells = list(self._last_read)[::-1]
        if in_doubt is not None:
            doubtful = cast("Cell", (in_doubt["Row"], in_doubt["Column"]))
            cells = [doubtful, *(cell for cell in cells if cell != doubtful)]
        for row, column in cells[:_LOOKED_AT]:
            before_s, now_s = self._last_read.get((row, column)), self._access.read(row, column).conductance_s
            change = f"{now_s / before_s - 1.0:+.2%}" if before_s and now_s is not None else "unknown"
            message = f"cell ({row}, {column}): {_told(before_s)} when last read, {_told(now_s)} now, change {change}"
            self.emit("event", {"kind": "drift", "message": message})

    def rack_time_s(self, readings: int) -> float:
        """Estimate how long readings, and the pulses between them, take.

        Parameters
        ----------
        readings : int, unit 1

        Returns
        -------
        float, unit s
            For a line frequency of 50 Hz: each reading comes with one of the offset, and moves relays.
        """
        return readings * (2.0 * self.integration / 50.0 + 0.05)

    def remember(self, cell: Cell, conductance_s: float | None) -> None:
        """Keep a reading for a comparison after an interruption.

        Parameters
        ----------
        cell : (int, int)
            Word and bit line.
        conductance_s : float or None, unit S
            None where the meter went over range.
        """
        self._last_read.pop(cell, None)
        self._last_read[cell] = conductance_s

    @property
    def is_crossbar(self) -> bool:
        """Whether cells share lines without anything that selects them: then bias schemes have a meaning."""
        wiring = self.station.wiring
        return wiring.direct is None and wiring.control is None

    @property
    def writes_through_cell(self) -> bool:
        """Whether the current of a writing pulse is that of the cell that is read: not with a gate or a track."""
        wiring = self.station.wiring
        if wiring.direct is not None:
            return wiring.direct.control is None
        return wiring.control is None or wiring.control.common_source

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
    ) -> CellAccess:
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
        CellAccess
            Ready for use.
        """
        # readings of another bias scheme or range are not comparable
        self._last_read.clear()
        settings: dict[str, Any] = {
            "scheme": str(scheme or self.scheme),
            "read_voltage_v": self.read_voltage,
            "integration_plc": self.integration,
            "measure_range_a": measure_range_a or self.read_range or None,
            "current_limit_a": current_limit_a,
            "pulse_voltage_v": max(pulse_voltage_v, self.read_voltage),
            "pulse_with": pulse_with,
            "may_stress_line": may_stress_line,
            "row_stress_v": row_stress_v,
        }
        self._access = open_cells(self.station, **settings)
        self._unnoted_access = write_note(settings)
        return self._access

    def note_access(self) -> None:
        """Note with which settings the cells were opened, before the first use: a replay opens them so."""
        message, self._unnoted_access = self._unnoted_access, None
        if message is not None:
            self.emit("event", {"kind": ACCESS, "message": message})

    def note_stimulus(self, event: str, facts: Mapping[str, object]) -> None:
        """Note what a row will not say of a stimulus, where that is another than at the last one of its kind.

        Parameters
        ----------
        event : str
            Column ``Event`` of the row.
        facts : mapping of str to object
            See :mod:`labctl_procedures.recorded_stimuli`; empty for a plain reading or pulse.
        """
        self.note_access()
        if self._noted.get(event, {}) != facts:
            self._noted[event] = facts
            self.emit("event", {"kind": STIMULUS, "message": write_note({"event": event, **facts})})

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
    procedure : ArrayProcedure
        Whose rows they become.
    access : CellAccess
        The array.
    """

    def __init__(self, procedure: ArrayProcedure, access: CellAccess) -> None:
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
        return self.read_flagged(row, column, note, event=event)[0]

    def read_flagged(
        self, row: int, column: int, note: Note | None = None, *, event: str = "read"
    ) -> tuple[float | None, frozenset[str]]:
        """Do as :meth:`read`, and tell the flags of the reading too.

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
        (float or None, frozenset of str), unit S
            Low-field conductance; flags, empty for a good reading.
        """

        def read() -> Row:
            reading: CellReading = self._access.read(row, column)
            return {
                "Current (A)": reading.current_a,
                "Conductance (S)": reading.conductance_s,
                "Time (s)": self._procedure.elapsed_s(),
                "Flags": ",".join(reading.flags) or None,
                "Raw": reading.raw or None,
            }

        kind = event if note is None else "verify"
        plan = self._plan(kind, row, column, self._access.read_voltage_v, None, note)
        self._procedure.note_stimulus(kind, {})
        (found,) = self._procedure.perform(plan, read, stimulates=False)
        conductance_s = cast("float | None", found["Conductance (S)"])
        self._procedure.remember((row, column), conductance_s)
        return conductance_s, frozenset(str(found["Flags"]).split(",")) if found["Flags"] else frozenset()

    def apply(
        self, row: int, column: int, stimulus: Pulse | Staircase, note: Note | None = None, *, event: str | None = None
    ) -> None:
        """Pulse a cell and record it; a pulse that was cut by an interruption is recorded with a flag, not repeated.

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
        facts: dict[str, object] = {}
        if isinstance(stimulus, Staircase):
            levels_v = stimulus.levels_v()
            voltage_v, width_s = levels_v[-1], stimulus.dwell_s * len(levels_v)
            facts = {"do": "staircase", "levels_v": list(levels_v), "dwell_s": stimulus.dwell_s}
        else:
            voltage_v, width_s = stimulus.voltage_v, stimulus.width_s

        def pulse() -> Row:
            if isinstance(stimulus, Staircase):
                self._access.staircase(row, column, levels_v, dwell_s=stimulus.dwell_s)
            else:
                self._access.pulse(row, column, voltage_v, width_s)
            return {"Time (s)": self._procedure.elapsed_s()}

        kind = event or ("set" if voltage_v > 0.0 else "reset")
        self._procedure.note_stimulus(kind, facts)
        self._procedure.perform(self._plan(kind, row, column, voltage_v, width_s, note), pulse, stimulates=True)

    def train(self, row: int, column: int, pulse: Pulse, count: int) -> None:
        """Give a cell the same pulse again and again without a reading; the whole train is one row.

        Parameters
        ----------
        row, column : int
            Word and bit line.
        pulse : Pulse
        count : int
            Pulses; goes into the column Step.
        """

        def apply() -> Row:
            for _ in range(count):
                self._access.pulse(row, column, pulse.voltage_v, pulse.width_s)
            return {"Time (s)": self._procedure.elapsed_s()}

        self._procedure.note_stimulus(TRAIN, {"do": "train", "voltages_v": [pulse.voltage_v]})
        plan = {**self._plan(TRAIN, row, column, pulse.voltage_v, pulse.width_s, None), "Step": count}
        self._procedure.perform(plan, apply, stimulates=True)

    def _plan(
        self, event: str, row: int, column: int, voltage_v: float, width_s: float | None, note: Note | None
    ) -> Row:
        plan: dict[str, float | int | str | None] = {
            "Event": event,
            "Row": row,
            "Column": column,
            "Voltage (V)": voltage_v,
            "Width (s)": width_s,
            "Target (S)": None if note is None else note.target_s,
            "Attempt": None if note is None else note.attempt,
            "Pass": None if note is None else note.pass_number,
        }
        # a procedure without targets has no columns for them
        return {name: value for name, value in plan.items() if name in self._procedure.DATA_COLUMNS}


def _told(conductance_s: float | None) -> str:
    return "no value" if conductance_s is None else f"{conductance_s:.6g} S"
