"""An array that is nothing but the shared device physics: no wires, no neighbours, no instruments; for whole networks.

Cells are those of the die that a simulated bench with the same device file, size and seed has. Not here: wires and
half-selected neighbours (:mod:`labctl.physics.crossbar`).
"""

from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt

from labctl.networks.arrays import Cell
from labctl.physics.fresh_die import Effects
from labctl.physics.live_die import LiveDie, make_die
from labctl.physics.presets import Preset
from labctl.tuning import Note, Pulse, Staircase

__all__ = ["PhysicsArray"]

FloatArray = npt.NDArray[np.float64]

# a meter that averages over one power line cycle
_APERTURE_S = 0.02


class PhysicsArray:
    """Cells without a rack; see :class:`labctl.networks.arrays.CellArray`.

    Time passes by what is done: the width of each pulse and the gap after it, the aperture of each reading; readings of
    many cells are made at once.

    Parameters
    ----------
    preset : Preset
        Device file.
    rows, columns : int
        Size.
    seed : int
        Of the die.
    read_voltage_v : float, unit V
        Small enough to change nothing.
    effects : Effects or None
        Imperfections in force; all of them unless given.
    gap_s : float, unit s
        From the end of a pulse to what comes next.

    Raises
    ------
    StationError
        If no die is known of the family, or the file lacks a key.
    ValueError
        If size or seed is out of range.
    """

    def __init__(
        self,
        preset: Preset,
        rows: int,
        columns: int,
        seed: int,
        *,
        read_voltage_v: float,
        effects: Effects | None = None,
        gap_s: float = 0.05,
    ) -> None:
        self.die: LiveDie = make_die(preset, rows, columns, seed, effects)
        self.shape = (rows, columns)
        self.read_voltage_v = read_voltage_v
        self.now_s = 0.0
        self.gap_s = gap_s
        self._writes_by_control = self.die.control is not None

    def read(self, row: int, column: int, note: Note | None = None) -> float | None:
        """Return the conductance of a cell, unit S.

        Parameters
        ----------
        row, column : int
        note : Note or None
            For records; there are none here.

        Returns
        -------
        float
        """
        return float(self.read_cells([(row, column)])[0])

    def read_cells(self, cells: Sequence[Cell]) -> FloatArray:
        """Return the conductances of cells at the read voltage.

        Parameters
        ----------
        cells : sequence of (int, int)

        Returns
        -------
        ndarray, shape (n,), unit S
        """
        return self._conductance_s(self._flat(cells))

    def map_s(self) -> FloatArray:
        """Return the conductances of all cells at the read voltage.

        Returns
        -------
        ndarray, shape (rows, columns), unit S
        """
        return self._conductance_s(np.arange(self.die.rows * self.die.columns)).reshape(self.shape)

    def apply(self, row: int, column: int, stimulus: Pulse | Staircase, note: Note | None = None) -> None:
        """Pulse a cell.

        Parameters
        ----------
        row, column : int
        stimulus : Pulse or Staircase
        note : Note or None
            For records; there are none here.
        """
        if isinstance(stimulus, Pulse):
            self.pulse_cells([(row, column)], stimulus.voltage_v, stimulus.width_s)
            return
        for level_v in stimulus.levels_v():
            self._stress(self._flat([(row, column)]), level_v, stimulus.dwell_s)
        self.now_s += self.gap_s

    def pulse_cells(self, cells: Sequence[Cell], voltage_v: float, width_s: float) -> None:
        """Give one equal pulse to each of the cells, all at the same time.

        Parameters
        ----------
        cells : sequence of (int, int)
            Each at most once.
        voltage_v : float, unit V
            Across the cell, of a third terminal against the cell where that writes.
        width_s : float, unit s
        """
        if cells:
            self._stress(self._flat(cells), voltage_v, width_s)
            self.now_s += self.gap_s

    def add_up(self, rows: Collection[int], columns: Sequence[int]) -> FloatArray:
        """Return the currents of columns with the read voltage on some rows and 0 V on the others.

        Parameters
        ----------
        rows : collection of int
        columns : sequence of int

        Returns
        -------
        ndarray, shape (n,), unit A
        """
        cells = [(row, column) for column in columns for row in rows]
        if not cells:
            return np.zeros(len(columns))
        sums_s: FloatArray = self.read_cells(cells).reshape(len(columns), len(rows)).sum(axis=1)
        return sums_s * self.read_voltage_v

    def add_up_transposed(self, columns: Collection[int], rows: Sequence[int]) -> FloatArray:
        """Return the currents of rows with the read voltage on some columns and 0 V on the others.

        Parameters
        ----------
        columns : collection of int
        rows : sequence of int

        Returns
        -------
        ndarray, shape (n,), unit A
        """
        cells = [(row, column) for row in rows for column in columns]
        if not cells:
            return np.zeros(len(rows))
        sums_s: FloatArray = self.read_cells(cells).reshape(len(rows), len(columns)).sum(axis=1)
        return sums_s * self.read_voltage_v

    def rest(self, duration_s: float) -> None:
        """Let time pass.

        Parameters
        ----------
        duration_s : float, unit s
        """
        self.now_s += duration_s

    def _conductance_s(self, index: npt.NDArray[np.int64]) -> FloatArray:
        self.now_s += _APERTURE_S
        voltage_v = np.full(self.shape, self.read_voltage_v)
        linear_s, cubic = self.die.coefficients_at(self.now_s, index, aperture_s=_APERTURE_S, voltage_v=voltage_v)
        return np.asarray(linear_s + cubic * self.read_voltage_v**2, dtype=np.float64)

    def _stress(self, index: npt.NDArray[np.int64], voltage_v: float, width_s: float) -> None:
        levels_v = np.zeros(self.shape)
        levels_v.ravel()[index] = voltage_v
        if self._writes_by_control:
            self.die.stress(np.zeros(self.shape), width_s, self.now_s, control_v=levels_v, active=index)
        else:
            self.die.stress(levels_v, width_s, self.now_s, active=index)
        self.now_s += width_s

    def _flat(self, cells: Sequence[Cell]) -> npt.NDArray[np.int64]:
        places = np.asarray(cells, dtype=np.int64).reshape(-1, 2)
        return places[:, 0] * self.shape[1] + places[:, 1]
