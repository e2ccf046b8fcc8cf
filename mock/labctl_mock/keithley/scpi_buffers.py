"""Reading buffers of a 2450 with SCPI commands: what a reading carries, how it is asked for, statistics.

Source: 2461 Reference Manual 2461-901-01 Rev. A, whose commands the 2450 shares: ``:READ?`` 6-9 (elements), ``:TRACe``
6-156 to 6-177, source status bits 8-31. Not here: who fills them (:mod:`labctl_mock.keithley.keithley2450`). Left out:
formatted elements, dates, binary formats, limits.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import mean, stdev

from labctl_mock.messages import MessageFault
from labctl_mock.messages.parameters import Choice

__all__ = ["ReadingBuffers", "StoredReading"]

_DEFAULTS = ("defbuffer1", "defbuffer2")
_DEFAULT_SIZE = 100_000
_LEAST_SIZE, _MOST_SIZE = 10, 6_875_000
_MOST_ELEMENTS = 14
_ELEMENT = Choice("READing", "SOURce", "SOURSTATus", "STATus", "RELative", "SEConds", "FRACtional", "UNIT", "SOURUNIT")


@dataclass(frozen=True, slots=True)
class StoredReading:
    """One reading.

    Attributes
    ----------
    value : float, unit as ``unit`` says
        9.9e37 beyond the range.
    source : float, unit as ``source_unit`` says
    unit, source_unit : str
    source_status, status : int, unit 1
    time_s : float, unit s
    """

    value: float
    source: float
    unit: str
    source_unit: str
    source_status: int
    status: int
    time_s: float


class ReadingBuffers:
    """All buffers by name; ``defbuffer1`` and ``defbuffer2`` are always there.

    Parameters
    ----------
    text : callable
        How a number is answered.
    """

    def __init__(self, text: Callable[[float], str]) -> None:
        self._text = text
        self.reset()

    def reset(self) -> None:
        """Go back to two empty buffers (``*RST`` clears readings, B-7)."""
        self._buffers: dict[str, deque[StoredReading]] = {
            name.upper(): deque(maxlen=_DEFAULT_SIZE) for name in _DEFAULTS
        }

    def find(self, name: str) -> deque[StoredReading]:
        """Return a buffer.

        Raises
        ------
        MessageFault
            -221 where there is none of this name.
        """
        try:
            return self._buffers[name.upper()]
        except KeyError:
            raise MessageFault(-221, f"no buffer {name}") from None

    def make(self, name: str, rest: Sequence[str] = ()) -> None:
        """Create a buffer; what follows the size, such as a style, is not looked at.

        Raises
        ------
        MessageFault
            -221 where the name is taken, -222 for a size that cannot be.
        """
        if name.upper() in self._buffers:
            raise MessageFault(-221, f"buffer {name} exists")
        self._buffers[name.upper()] = deque(maxlen=self._size(rest[0] if rest else str(_LEAST_SIZE)))

    def _size(self, text: str) -> int:
        try:
            size = round(float(text))
        except ValueError:
            raise MessageFault(-104, text) from None
        if not _LEAST_SIZE <= size <= _MOST_SIZE:
            raise MessageFault(-222, text)
        return size

    def delete(self, name: str) -> None:
        """Delete a buffer.

        Raises
        ------
        MessageFault
            -221 for one of the default buffers or an unknown one.
        """
        self.find(name)
        if name.lower() in _DEFAULTS:
            raise MessageFault(-221, name)
        del self._buffers[name.upper()]

    def resize(self, size: float, rest: Sequence[str] = ()) -> None:
        """Set a buffer's size, unit 1, which empties it.

        Raises
        ------
        MessageFault
            As :meth:`find` and for a size that cannot be.
        """
        name = rest[0] if rest else _DEFAULTS[0]
        self.find(name)
        self._buffers[name.upper()] = deque(maxlen=self._size(str(size)))

    def size(self, rest: Sequence[str] = ()) -> str:
        """Answer a buffer's size."""
        return str(self.find(rest[0] if rest else _DEFAULTS[0]).maxlen)

    def count(self, rest: Sequence[str] = ()) -> str:
        """Answer how many readings a buffer holds."""
        return str(len(self.find(rest[0] if rest else _DEFAULTS[0])))

    def clear(self, rest: Sequence[str] = ()) -> None:
        """Empty a buffer."""
        self.find(rest[0] if rest else _DEFAULTS[0]).clear()

    def data(self, start: float, end: float, rest: Sequence[str] = ()) -> str:
        """Answer readings ``start`` to ``end``, unit 1, counted from 1.

        Raises
        ------
        MessageFault
            -222 where there are not so many, -223 or -224 for the elements.
        """
        name, elements = self.arguments(rest)
        readings = list(self.find(name))
        first, last = int(start), int(end)
        if not 1 <= first <= last <= len(readings):
            raise MessageFault(-222, f"{first:d} to {last:d} of {len(readings)}")
        return ",".join(self.show(reading, elements) for reading in readings[first - 1 : last])

    def arguments(self, rest: Sequence[str]) -> tuple[str, list[str]]:
        """Return buffer and elements of a query; ``defbuffer1`` and READing are the defaults.

        Raises
        ------
        MessageFault
            -223 for more than 13 elements, -224 for an unknown one.
        """
        if not rest:
            return _DEFAULTS[0], ["READ"]
        elements = [_ELEMENT.parse(word) for word in rest[1:]] or ["READ"]
        if len(elements) >= _MOST_ELEMENTS:
            raise MessageFault(-223)
        return rest[0], elements

    def show(self, reading: StoredReading, elements: Sequence[str]) -> str:
        """Return elements of a reading as text."""
        made: dict[str, Callable[[], str]] = {
            "READ": lambda: self._text(reading.value),
            "SOUR": lambda: self._text(reading.source),
            "SOURSTAT": lambda: str(reading.source_status),
            "STAT": lambda: str(reading.status),
            "REL": lambda: self._text(reading.time_s),
            "SEC": lambda: str(int(reading.time_s)),
            "FRAC": lambda: self._text(reading.time_s % 1.0),
            "UNIT": lambda: reading.unit,
            "SOURUNIT": lambda: reading.source_unit,
        }
        return ",".join(made[element]() for element in elements)

    def statistics(self, word: str, rest: Sequence[str] = ()) -> str:
        """Answer AVER, MAX, MIN or STDD of a buffer.

        Raises
        ------
        MessageFault
            -221 for an empty buffer.
        """
        values = [reading.value for reading in self.find(rest[0] if rest else _DEFAULTS[0])]
        if not values:
            raise MessageFault(-221, "empty buffer")
        return self._text(
            {
                "AVER": mean(values),
                "MAX": max(values),
                "MIN": min(values),
                "STDD": stdev(values) if len(values) > 1 else 0.0,
            }[word]
        )
