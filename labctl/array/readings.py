"""What the array access hands out: one reading of a cell, one pulse as it was sent, a map of readings.

Not here: figures of merit (:mod:`labctl.analysis.programming`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labctl.roles import Reading

__all__ = ["CellMap", "CellReading", "PulseRecord", "as_map", "cell_reading"]


@dataclass(frozen=True, slots=True)
class CellReading:
    """One low-voltage reading of one cell.

    Attributes
    ----------
    row, column : int
        Word and bit line, from 0.
    voltage_v : float, unit V
        Read voltage, word line minus bit line.
    conductance_s : float or None, unit S
        Apparent conductance, the series resistance of the lines included; None when the meter went over range.
    current_a : float or None, unit A
        Current through the cell from word to bit line.
    flags : tuple of str
        Flags of the readings, sorted; empty for a good one.
    time_s : float, unit s
        When the reading was complete, on the station's clock.
    raw : str
        What the instrument sent, of the readings that carry a flag; empty for a good one.
    """

    row: int
    column: int
    voltage_v: float
    conductance_s: float | None
    current_a: float | None
    flags: tuple[str, ...]
    time_s: float
    raw: str = ""


@dataclass(frozen=True, slots=True)
class PulseRecord:
    """One pulse as it was sent.

    Attributes
    ----------
    row, column : int
        Word and bit line, from 0.
    voltage_v : float, unit V
        Cell voltage, word line minus bit line.
    width_s : float, unit s
        Width of the plateau, or of the whole staircase.
    source : str
        ``"smu"`` or ``"generator"``.
    time_s : float, unit s
        When the pulse was over, on the station's clock.
    """

    row: int
    column: int
    voltage_v: float
    width_s: float
    source: str
    time_s: float


@dataclass(frozen=True, slots=True)
class CellMap:
    """Readings as arrays over the whole array.

    Attributes
    ----------
    conductance_s : ndarray, shape (rows, columns), unit S
        NaN where a cell was not read or has no value.
    is_flagged : ndarray of bool, shape (rows, columns)
        Whether a reading carries a flag.
    """

    conductance_s: npt.NDArray[np.float64]
    is_flagged: npt.NDArray[np.bool_]


def cell_reading(
    row: int,
    column: int,
    voltage_v: float,
    currents: Sequence[Reading],
    time_s: float,
    *,
    besides: Sequence[Reading] = (),
) -> CellReading:
    """Make one reading of a cell from the currents that add up to it; where one has no value, the sum has none.

    Parameters
    ----------
    row, column : int
    voltage_v : float, unit V
        Across the cell.
    currents : sequence of Reading, unit A
    time_s : float, unit s
        When it was complete.
    besides : sequence of Reading
        Readings whose flags count too, such as of the other end.

    Returns
    -------
    CellReading
    """
    flagged = [reading for reading in (*currents, *besides) if reading.flags]
    flags = tuple(sorted({str(flag) for reading in flagged for flag in reading.flags}))
    values_a = [reading.value for reading in currents if reading.value is not None]
    current_a = sum(values_a) if len(values_a) == len(currents) else None
    conductance_s = None if current_a is None or voltage_v == 0.0 else current_a / voltage_v
    raw = "; ".join(reading.raw for reading in flagged)
    return CellReading(row, column, voltage_v, conductance_s, current_a, flags, time_s, raw)


def as_map(readings: Iterable[CellReading], shape: tuple[int, int]) -> CellMap:
    """Arrange readings as a map; of several readings of one cell the last counts.

    Parameters
    ----------
    readings : iterable of CellReading
        In any order.
    shape : tuple of int
        Rows and columns of the array.

    Returns
    -------
    CellMap
        Conductances and flags.
    """
    conductance_s = np.full(shape, np.nan)
    is_flagged = np.zeros(shape, dtype=bool)
    for reading in readings:
        value = reading.conductance_s
        conductance_s[reading.row, reading.column] = np.nan if value is None else value
        is_flagged[reading.row, reading.column] = bool(reading.flags)
    return CellMap(conductance_s, is_flagged)
