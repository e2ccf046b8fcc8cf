"""Currents of the selected cell, with what the meter's own offset drives taken off.

Channel B is never quite at 0 V, and its offset drives a current through every cell of the bit line; so each selection
begins with a reading at 0 V, which is taken off the readings that follow, and taken again once the cell has changed
much. Not here: which lines hang on which channel (:mod:`labctl.array.access`).
"""

from dataclasses import dataclass, replace

from labctl.array.sources import SmuRows
from labctl.roles import Reading

__all__ = ["CellMeter", "has_moved", "turned"]

# a zero holds until the cell has changed by this part: 0.4 mV of offset at 0.2 V then make an error below 0.1 %
_ZERO_HOLDS = 0.4


@dataclass(frozen=True, slots=True)
class _Zero:
    """A current at 0 V, and the reading of the cell that it was taken with."""

    cell: tuple[int, int]
    zero: Reading
    reading: Reading


class CellMeter:
    """Reads the cell between the lines of the two channels.

    Parameters
    ----------
    smu : SmuRows
        Word channel and bit channel, both at 0 V between readings.
    read_voltage_v : float, unit V
        Word line above bit line while reading.
    """

    def __init__(self, smu: SmuRows, read_voltage_v: float) -> None:
        self._smu = smu
        self._read_voltage_v = read_voltage_v
        self._zero: _Zero | None = None

    def forget(self) -> None:
        """Take a new zero with the next reading."""
        self._zero = None

    def zeroed(self, cell: tuple[int, int]) -> tuple[Reading, ...]:
        """Read with the bit channel on the cell's bit line and all other lines on ground.

        Parameters
        ----------
        cell : (int, int)
            The selected cell; another one needs another zero.

        Returns
        -------
        tuple of Reading, unit A
            Currents into the word line, to be added: at the read voltage, and minus that at 0 V.
        """
        reading = self._at_read_voltage() if self._zero is not None and self._zero.cell == cell else None
        if reading is None or self._zero is None or has_moved(reading, self._zero.reading):
            # the offset drives the selected cell too: a zero is as old as its conductance
            zero = self._smu.bit.measure_current()
            reading = reading or self._at_read_voltage()
            self._zero = _Zero(cell, zero, reading)
        return turned(reading), self._zero.zero

    def guarded(self) -> tuple[Reading, ...]:
        """Read with the word channel, the bit channel holding the other bit lines at the same voltage.

        Returns
        -------
        tuple of Reading, unit A
            Currents into the word line, to be added: at the read voltage, and minus that at 0 V.
        """
        zero = self._smu.word.measure_current()
        for channel in (self._smu.bit, self._smu.word):
            channel.set_voltage(self._read_voltage_v)
        reading = self._smu.word.measure_current()
        for channel in (self._smu.word, self._smu.bit):
            channel.set_voltage(0.0)
        return reading, turned(zero)

    def _at_read_voltage(self) -> Reading:
        self._smu.word.set_voltage(self._read_voltage_v)
        reading = self._smu.bit.measure_current()
        self._smu.word.set_voltage(0.0)
        return reading


def turned(reading: Reading) -> Reading:
    """Return the reading with the current flowing the other way.

    Parameters
    ----------
    reading : Reading

    Returns
    -------
    Reading
    """
    return replace(reading, value=None if reading.value is None else -reading.value)


def has_moved(reading: Reading, earlier: Reading) -> bool:
    """Tell whether a current has changed so much that the zero taken with the earlier one no longer holds.

    Parameters
    ----------
    reading, earlier : Reading, unit A

    Returns
    -------
    bool
        True also where one has no value.
    """
    if reading.value is None or earlier.value is None:
        return True
    return abs(reading.value - earlier.value) > _ZERO_HOLDS * min(abs(reading.value), abs(earlier.value))
