"""What the cells of several word lines add up to in a bit line: one channel drives, the other measures.

Not here: which lines hang on which channel (:mod:`labctl.array.access`, :mod:`labctl.array.gated_access`).
"""

from collections.abc import Collection

from labctl.array.meter import turned
from labctl.array.readings import CellReading, cell_reading
from labctl.array.schemes import FULL_STRESS_V
from labctl.clock import Clock
from labctl.roles import Reading, SourceMeter

__all__ = ["LineSums", "sum_level_v"]


class LineSums:
    """Measures sums, and asks once for each change of rows whether the driving channel is in compliance.

    Parameters
    ----------
    driving, measuring : SourceMeter
        Both at 0 V between measurements.
    clock : Clock
    """

    def __init__(self, driving: SourceMeter, measuring: SourceMeter, clock: Clock) -> None:
        self._driving, self._measuring, self._clock = driving, measuring, clock
        self._asked: tuple[frozenset[int], Reading] | None = None

    def forget(self) -> None:
        """Ask again with the next sum: other lines, or another compliance, came in between."""
        self._asked = None

    def measure(self, rows: Collection[int], column: int, level_v: float) -> CellReading:
        """Measure one sum with the lines connected already.

        Parameters
        ----------
        rows : collection of int
            Word lines on the driving channel; may be empty.
        column : int
            Bit line on the measuring channel.
        level_v : float, unit V
            Where the driving channel goes for the measurement.

        Returns
        -------
        CellReading
            Of row -1; ``conductance_s`` is the sum of the selected cells, None at 0 V.
        """
        chosen, besides = frozenset(rows), []
        try:
            self._driving.set_voltage(level_v)
            if level_v != 0.0:
                if self._asked is None or self._asked[0] != chosen:
                    self._asked = chosen, self._driving.measure_current()
                besides.append(self._asked[1])
            current = turned(self._measuring.measure_current())
        finally:
            self._driving.set_voltage(0.0)
        return cell_reading(-1, column, level_v, (current,), self._clock.now_s(), besides=besides)


def sum_level_v(voltage_v: float | None, read_voltage_v: float) -> float:
    """Return the voltage of a sum, which all cells of the chosen word lines see.

    Parameters
    ----------
    voltage_v : float or None, unit V
        At most 0.3 V; None is the read voltage.
    read_voltage_v : float, unit V

    Returns
    -------
    float, unit V

    Raises
    ------
    ValueError
        If the voltage would stress the cells.
    """
    level_v = read_voltage_v if voltage_v is None else voltage_v
    if not abs(level_v) <= FULL_STRESS_V:
        raise ValueError(f"array: sums are measured at no more than {FULL_STRESS_V} V, got {level_v:.4g} V")
    return level_v
