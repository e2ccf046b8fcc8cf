"""The output formats of TSP: ``format.*``, ``printnumber`` and ``printbuffer``.

Not here: ``print``, which knows ``format.asciiprecision`` only and lies in the sandbox. Source: 2600BS-901-01 Rev.
F, section 9, ``format.asciiprecision`` (default 6), ``format.byteorder``, ``format.data``, ``printbuffer()``;
707B-901-01 Rev. B, section 7 (default precision 10).
"""

import struct
from collections.abc import Callable, Sequence

from labctl_mock.tsp.buffers import ReadingBuffer
from labctl_mock.tsp.faults import TspFault, too_big, too_small
from labctl_mock.tsp.objects import TspObject, Value, choice, number

__all__ = ["OutputFormat"]

_ASCII, _REAL32, _REAL64 = 1, 2, 3
_BIG, _LITTLE = 1, 0
_CONSTANTS: dict[str, Value] = {
    "ASCII": _ASCII,
    "SREAL": _REAL32,
    "REAL32": _REAL32,
    "DREAL": _REAL64,
    "REAL": _REAL64,
    "REAL64": _REAL64,
    "NORMAL": _BIG,
    "BIGENDIAN": _BIG,
    "NETWORK": _BIG,
    "SWAPPED": _LITTLE,
    "LITTLEENDIAN": _LITTLE,
}


class OutputFormat:
    """State of ``format.*`` and the two functions that obey all of it.

    Parameters
    ----------
    default_precision : int, unit 1
        Significant digits after a reset.
    set_precision : callable
        Told of every new precision; ``print`` needs it.
    """

    def __init__(self, default_precision: int, set_precision: Callable[[int], None]) -> None:
        self._default = default_precision
        self._set_precision = set_precision
        self._precision = default_precision
        self._data = _ASCII
        self._order = _LITTLE

    def reset(self) -> None:
        """Go back to ASCII, the model's precision and little-endian."""
        self._data, self._order = _ASCII, _LITTLE
        self._write_precision(self._default)

    def tree(self) -> TspObject:
        """Return the global table ``format``."""
        tree = TspObject(constants=dict(_CONSTANTS))
        tree.getters.update(
            asciiprecision=lambda: self._precision, data=lambda: self._data, byteorder=lambda: self._order
        )
        tree.setters.update(
            asciiprecision=self._write_precision, data=self._write_data, byteorder=self._write_byteorder
        )
        return tree

    def _write_precision(self, value: Value) -> None:
        self._precision = int(number(value, 1, 16))
        self._set_precision(self._precision)

    def _write_data(self, value: Value) -> None:
        self._data = choice(value, (_ASCII, _REAL32, _REAL64))

    def _write_byteorder(self, value: Value) -> None:
        self._order = choice(value, (_LITTLE, _BIG))

    def numbers(self, values: Sequence[float]) -> str:
        """Return one response with ``values`` in the chosen format, without its final line feed.

        Binary data is ``#0``, the values, then the line feed; bytes are mapped one to one to characters.
        """
        if self._data == _ASCII:
            return ", ".join(f"{value:.{self._precision - 1}e}" for value in values)
        order = ">" if self._order == _BIG else "<"
        kind = "f" if self._data == _REAL32 else "d"
        return "#0" + struct.pack(f"{order}{len(values)}{kind}", *values).decode("latin-1")

    def rows(self, columns: Sequence[tuple[ReadingBuffer, str | None]], first: Value, last: Value) -> list[float]:
        """Return readings ``first`` to ``last`` of each column, interleaved, as ``printbuffer`` gives them.

        Raises
        ------
        TspFault
            1101 or 1102 where there is nothing between ``first`` and ``last``, -286 where no buffer was given.
        """
        if not columns:
            raise TspFault(-286, "TSP Runtime error: reading buffer expected")
        lists = [buffer.column(name or "readings") for buffer, name in columns]
        start, end = max(int(number(first)), 1), min(int(number(last)), *(len(values) for values in lists), 1 << 30)
        if end < 1:
            raise too_small()
        if start > end:
            raise too_big()
        return [values[index] for index in range(start - 1, end) for values in lists]
