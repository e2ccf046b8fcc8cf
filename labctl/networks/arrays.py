"""What a network asks of an array of cells, whoever stands behind it: instruments, or the physics alone.

The two makers: :class:`labctl.networks.physics_array.PhysicsArray`, and the station's
(``labctl_procedures.system.station_array``). Not here: tuning (:mod:`labctl.tuning`), which drives either of them.
"""

from collections.abc import Collection, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from labctl.tuning import Note, Pulse, Staircase

__all__ = ["Cell", "CellArray", "TransposableArray"]

Cell = tuple[int, int]
FloatArray = npt.NDArray[np.float64]


class CellArray(Protocol):
    """An array that computes with its conductances; a positive pulse leads towards higher conductance.

    It is also a port for :func:`labctl.tuning.tune_cells`.

    Attributes
    ----------
    shape : tuple of two ints
        Rows and columns.
    read_voltage_v : float, unit V
        Of readings and sums.
    """

    shape: tuple[int, int]
    read_voltage_v: float

    def read(self, row: int, column: int, note: Note | None = None) -> float | None:
        """Return the apparent conductance of a cell, unit S; None where the meter went over range."""
        ...

    def apply(self, row: int, column: int, stimulus: Pulse | Staircase, note: Note | None = None) -> None:
        """Pulse a cell."""
        ...

    def read_cells(self, cells: Sequence[Cell]) -> FloatArray:
        """Return the conductances of cells, shape (n,), unit S; NaN where the meter went over range."""
        ...

    def pulse_cells(self, cells: Sequence[Cell], voltage_v: float, width_s: float) -> None:
        """Give one equal pulse to each of the cells, one after another."""
        ...

    def add_up(self, rows: Collection[int], columns: Sequence[int]) -> FloatArray:
        """Return the currents of columns with the read voltage on some rows, offsets taken off, shape (n,), unit A."""
        ...


class TransposableArray(CellArray, Protocol):
    """An array that also adds up the other way round, as backward passes want it."""

    def add_up_transposed(self, columns: Collection[int], rows: Sequence[int]) -> FloatArray:
        """Return the currents of rows with the read voltage on some columns, offsets taken off, shape (n,), unit A."""
        ...
