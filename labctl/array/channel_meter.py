"""Currents of a cell that one channel drives and measures, with what flows at 0 V taken off.

Not here: cells between two channels (:mod:`labctl.array.meter`).
"""

from labctl.array.meter import has_moved, turned
from labctl.roles import Reading, SourceMeter

__all__ = ["ChannelMeter"]


class ChannelMeter:
    """Reads with a channel whose own current flows through the cell.

    Parameters
    ----------
    driving, measuring : SourceMeter
        The channel that goes to the read voltage, and the one whose current counts; often the same.
    level_v : float, unit V
        Where the driving channel goes.
    """

    def __init__(self, driving: SourceMeter, measuring: SourceMeter, level_v: float) -> None:
        self._driving, self._measuring, self._level_v = driving, measuring, level_v
        self._cell: tuple[int, int] | None = None
        self._zero: tuple[Reading, Reading] | None = None

    def forget(self) -> None:
        """Take a new zero with the next reading."""
        self._zero = None

    def zeroed(self, cell: tuple[int, int]) -> tuple[Reading, Reading]:
        """Read at the level; the zero is taken anew for another cell, or once the cell has changed much.

        Parameters
        ----------
        cell : (int, int)

        Returns
        -------
        tuple of Reading, unit A
            Currents out of the measuring channel, to be added: at the level, and minus that at 0 V.
        """
        if cell != self._cell:
            self._cell, self._zero = cell, None
        reading = None if self._zero is None else self._at_level()
        if self._zero is None or reading is None or has_moved(reading, self._zero[1]):
            zero = self._measuring.measure_current()
            reading = reading or self._at_level()
            self._zero = (zero, reading)
        return reading, turned(self._zero[0])

    def _at_level(self) -> Reading:
        self._driving.set_voltage(self._level_v)
        try:
            return self._measuring.measure_current()
        finally:
            self._driving.set_voltage(0.0)
