"""Bridges of a station: complementary pairs programmed, read cell by cell, and their middles measured.

Not here: what is made of it (``bridge_operations``, ``bridge_bnn``), how a bridge is reached
(:mod:`labctl.array.bridge_access`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labctl.array.bridge_access import BridgeAccess
from labctl.networks.bridge_dies import BridgeProgram
from labctl.run.procedure import Row
from labctl.tuning import Pulse
from labctl_procedures.array_procedure import ArrayProcedure, RecordedCells

__all__ = ["BRIDGE_COLUMNS", "MeasuredBridges", "RowSum", "StationBridges"]

BRIDGE_COLUMNS = ["Lower column", "Middle (V)"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class MeasuredBridges:
    """Bridges of one programming condition.

    Attributes
    ----------
    cells_ohm : ndarray, shape (2, rows, bridges, 2), unit ohm
        Of both cells, for both polarities of the weights; NaN where a meter went over range.
    after_ohm : ndarray, shape (2, rows, bridges, 2), unit ohm
        The same after the middles were measured.
    middle_v : ndarray, shape (2, 2, voltages, rows, bridges, readings), unit V
        By polarity and input (+1, then -1).
    current_a : ndarray, shape (voltages, bridges), unit A
        Of the bridges of the first row at the first polarity, input +1.
    """

    cells_ohm: FloatArray
    after_ohm: FloatArray
    middle_v: FloatArray
    current_a: FloatArray


@dataclass(frozen=True, slots=True)
class RowSum:
    """The currents of a row's conducting cells, together and one by one.

    Attributes
    ----------
    together_a, apart_a : float, unit A
        NaN where a meter went over range.
    cells : int
    """

    together_a: float
    apart_a: float
    cells: int


class StationBridges:
    """The first bridges of the first rows of a station's array; bridge k has columns 2 k and 2 k + 1.

    Parameters
    ----------
    procedure : ArrayProcedure
        Whose rows the measurements become.
    access : BridgeAccess
    is_positive : ndarray of bool, shape (rows, bridges)
        Weights of the first polarity; the second has them all turned.
    """

    def __init__(self, procedure: ArrayProcedure, access: BridgeAccess, is_positive: BoolArray) -> None:
        self._procedure, self._access = procedure, access
        self._port = RecordedCells(procedure, access)
        self._weights = np.stack([is_positive, ~is_positive])

    def measure(
        self,
        program: BridgeProgram,
        levels_v: Sequence[float],
        readings: int,
        report: Callable[[float], None],
    ) -> MeasuredBridges:
        """Program the bridges with both polarities of their weights and measure them.

        Parameters
        ----------
        program : BridgeProgram
        levels_v : sequence of float, unit V
            Read voltages, rising.
        readings : int
            Of each middle.
        report : callable
            Called with the part that is done, 0 to 1.

        Returns
        -------
        MeasuredBridges
        """
        self._access.limit_set(program.gate_set_v)
        _, rows, bridges = self._weights.shape
        before_ohm, after_ohm = (np.full((2, rows, bridges, 2), np.nan) for _ in range(2))
        middle_v = np.full((2, 2, len(levels_v), rows, bridges, readings), np.nan)
        current_a = np.full((len(levels_v), bridges), np.nan)
        for polarity, is_positive in enumerate(self._weights):
            for row in range(rows):
                for bridge in range(bridges):
                    self._program(row, bridge, program, bool(is_positive[row, bridge]))
                before_ohm[polarity, row] = self._read(row, bridges)
                for bridge, number in np.ndindex(bridges, 2 * readings):
                    with_current = polarity == row == number == 0
                    high = 2 * bridge + number % 2
                    found = self._middles(row, high, levels_v, with_current=with_current)
                    middle_v[polarity, number % 2, :, row, bridge, number // 2] = found[0]
                    if with_current:
                        current_a[:, bridge] = found[1]
                after_ohm[polarity, row] = self._read(row, bridges)
                report((polarity + (row + 1) / rows) / 2.0)
        return MeasuredBridges(before_ohm, after_ohm, middle_v, current_a)

    def sum_row(self, row: int, cells_ohm: FloatArray) -> RowSum:
        """Let the low resistances of a row add up their currents at the read voltage.

        Parameters
        ----------
        row : int
        cells_ohm : ndarray, shape (bridges, 2), unit ohm
            As they were read one by one.

        Returns
        -------
        RowSum
        """
        flat_ohm = cells_ohm.ravel()
        columns = [
            2 * bridge + int(np.argmin(pair)) for bridge, pair in enumerate(cells_ohm) if np.isfinite(pair).all()
        ]
        level_v = self._access.read_voltage_v

        def measure() -> Row:
            reading = self._access.sum_row(row, columns, level_v)
            return {
                "Current (A)": reading.current_a,
                "Conductance (S)": reading.conductance_s,
                "Time (s)": self._procedure.elapsed_s(),
                "Flags": ",".join(reading.flags) or None,
                "Raw": reading.raw or None,
            }

        plan: Row = {"Event": "row_sum", "Row": row, "Step": len(columns), "Voltage (V)": level_v}
        (found,) = self._procedure.perform(plan, measure, stimulates=False)
        together_a = found["Current (A)"]
        return RowSum(
            _or_nan(together_a),
            float(level_v * np.sum(1.0 / flat_ohm[columns])),
            len(columns),
        )

    def _program(self, row: int, bridge: int, program: BridgeProgram, is_positive: bool) -> None:
        for column in (2 * bridge, 2 * bridge + 1):
            self._port.apply(row, column, Pulse(program.set_v, program.width_s))
        self._port.apply(row, 2 * bridge + is_positive, Pulse(program.reset_v, program.width_s))

    def _read(self, row: int, bridges: int) -> FloatArray:
        values_s = [self._port.read(row, column) for column in range(2 * bridges)]
        found = np.array(
            [np.nan if value_s is None or value_s <= 0.0 else value_s for value_s in values_s], dtype=float
        )
        return np.asarray(1.0 / found).reshape(bridges, 2)

    def _middles(
        self, row: int, high: int, levels_v: Sequence[float], *, with_current: bool
    ) -> tuple[list[float], list[float]]:
        """Measure a middle at all voltages; return voltages and currents, NaN where there is none."""
        low = high ^ 1

        def measure() -> list[Row]:
            now_s = self._procedure.station.clock.now_s()
            return [
                {
                    "Voltage (V)": one.voltage_v,
                    "Middle (V)": one.middle_v,
                    "Current (A)": one.current_a,
                    "Time (s)": self._procedure.elapsed_s() - (now_s - one.time_s),
                    "Flags": ",".join(one.flags) or None,
                    "Raw": one.raw or None,
                }
                for one in self._access.middle(row, high, low, levels_v, with_current=with_current)
            ]

        plan: Row = {"Event": "bridge", "Row": row, "Column": high, "Lower column": low}
        rows = self._procedure.perform(plan, measure, stimulates=False)
        shown_v, current_a = ([_or_nan(row[name]) for row in rows] for name in ("Middle (V)", "Current (A)"))
        return shown_v, current_a


def _or_nan(value: float | int | str | None) -> float:
    return float("nan") if value is None else float(value)
