"""The array of a station, through its instruments, as networks want it; every pulse, reading and sum is a row.

Not here: the array of the physics alone (:mod:`labctl.networks.physics_array`).
"""

from collections.abc import Callable, Collection, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt

from labctl.array import CellReading
from labctl.array.cell_access import CellAccess, SummingAccess, TransposedAccess
from labctl.errors import StationError
from labctl.run.procedure import Row
from labctl.tuning import Pulse
from labctl_procedures.array_procedure import ArrayProcedure, Cell, RecordedCells

__all__ = ["StationArray"]

FloatArray = npt.NDArray[np.float64]


class StationArray(RecordedCells):
    """Cells behind instruments; see :class:`labctl.networks.arrays.TransposableArray`.

    Each sum is measured at the read voltage and, with the same relays, at 0 V; what the offsets of the channels drive
    is thus taken off, whatever the cells conduct at that time.

    Parameters
    ----------
    procedure : ArrayProcedure
        Whose rows they become. Sums have the events ``sum`` and ``sum_zero`` and only a column, sums the other way
        round ``sum_back`` and ``sum_back_zero`` and only a row.
    access : CellAccess
        The array; sums need one whose cells share lines on a switch matrix.
    """

    def __init__(self, procedure: ArrayProcedure, access: CellAccess) -> None:
        super().__init__(procedure, access)
        self.shape = access.shape
        self.read_voltage_v = access.read_voltage_v

    def read_cells(self, cells: Sequence[Cell]) -> FloatArray:
        """Return the conductances of cells, one after another.

        Parameters
        ----------
        cells : sequence of (int, int)

        Returns
        -------
        ndarray, shape (n,), unit S
            NaN where the meter went over range.
        """
        return np.array([self.read(*cell) for cell in cells], dtype=np.float64)

    def pulse_cells(self, cells: Sequence[Cell], voltage_v: float, width_s: float) -> None:
        """Give one equal pulse to each of the cells, one after another.

        Parameters
        ----------
        cells : sequence of (int, int)
        voltage_v : float, unit V
        width_s : float, unit s
        """
        for cell in cells:
            self.apply(*cell, Pulse(voltage_v, width_s))

    def add_up(self, rows: Collection[int], columns: Sequence[int]) -> FloatArray:
        """Return the currents of columns with the read voltage on some rows, offsets taken off.

        Parameters
        ----------
        rows : collection of int
        columns : sequence of int

        Returns
        -------
        ndarray, shape (n,), unit A
            NaN where a meter was over range or in compliance.

        Raises
        ------
        StationError
            If the cells of this station share no lines.
        """
        access = self._access
        if not isinstance(access, SummingAccess):
            raise StationError(
                "array: sums over word lines need cells that share lines on a switch matrix, a crossbar or an array "
                "with gates; this station has none"
            )
        return np.array([self._sum("sum", {"Column": at}, partial(access.add_up, rows, at)) for at in columns])

    def add_up_transposed(self, columns: Collection[int], rows: Sequence[int]) -> FloatArray:
        """Return the currents of rows with the read voltage on some columns, offsets taken off.

        Parameters
        ----------
        columns : collection of int
        rows : sequence of int

        Returns
        -------
        ndarray, shape (n,), unit A
            NaN where a meter was over range or in compliance.

        Raises
        ------
        StationError
            If this station has no crossbar on a switch matrix.
        """
        access = self._access
        if not isinstance(access, TransposedAccess):
            raise StationError("array: sums over bit lines need a crossbar on a switch matrix; this station has none")
        return np.array(
            [self._sum("sum_back", {"Row": at}, partial(access.add_up_transposed, columns, at)) for at in rows]
        )

    def _sum(self, event: str, line: Row, measure: Callable[..., CellReading]) -> float:
        """Measure at the read voltage and at 0 V; return the difference in A, or NaN."""
        currents_a = []
        for kind, level_v in ((event, self.read_voltage_v), (f"{event}_zero", 0.0)):

            def work(level_v: float = level_v) -> Row:
                reading = measure(voltage_v=level_v)
                return {
                    "Current (A)": reading.current_a,
                    "Conductance (S)": reading.conductance_s,
                    "Time (s)": self._procedure.elapsed_s(),
                    "Flags": ",".join(reading.flags) or None,
                    "Raw": reading.raw or None,
                }

            plan: Row = {"Event": kind, **line, "Voltage (V)": level_v}
            (row,) = self._procedure.perform(plan, work, stimulates=False)
            value = row["Current (A)"]
            currents_a.append(np.nan if value is None or row["Flags"] else float(value))
        return currents_a[0] - currents_a[1]
