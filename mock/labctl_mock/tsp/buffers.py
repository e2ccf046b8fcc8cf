"""Reading buffers: what ``smua.nvbuffer1`` and ``smua.makebuffer(n)`` hold.

Not here: their Lua face (:mod:`labctl_mock.tsp.engine`) and the formats of ``printbuffer``
(:mod:`labctl_mock.tsp.output`). Source: 2600BS-901-01 Rev. F, section 9, ``bufferVar``.
"""

from labctl_mock.tsp.faults import TspFault

__all__ = ["COLUMNS", "FLAGS", "ReadingBuffer"]

COLUMNS = ("readings", "sourcevalues", "timestamps", "statuses", "measurefunctions")
_OPTIONAL = {"sourcevalues": "collectsourcevalues", "timestamps": "collecttimestamps"}
FLAGS = ("appendmode", "collectsourcevalues", "collecttimestamps", "cachemode")


class ReadingBuffer:
    """Readings with what was sourced, when, and in which state.

    Parameters
    ----------
    capacity : int, unit 1
        So many readings; more are refused.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.flags = {"appendmode": 0, "collectsourcevalues": 0, "collecttimestamps": 0, "cachemode": 1}
        self.base_time_s = 0.0
        self._columns: dict[str, list[float]] = {name: [] for name in COLUMNS}

    def __len__(self) -> int:
        return len(self._columns["readings"])

    def restart(self) -> None:
        """Begin a new measurement: forget what is stored unless the buffer appends."""
        if not self.flags["appendmode"]:
            self.clear()

    def store(self, reading: float, *, source_value: float, time_s: float, status: int, function: int) -> None:
        """Append one reading; the first one sets the base of the time stamps.

        Parameters
        ----------
        reading, source_value : float, unit V, A, Ω or W
            What was measured and what was sourced.
        time_s : float, unit s
            Clock reading at the start of the integration.
        status, function : int, unit 1
            Bits of ``bufferVar.statuses`` and number of the function.

        Raises
        ------
        TspFault
            4904 (assumed number) where the buffer is full.
        """
        if len(self) >= self.capacity:
            raise TspFault(4904, "Reading buffer is full")
        if not len(self):
            self.base_time_s = time_s
        row = (reading, source_value, time_s - self.base_time_s, status, function)
        for name, value in zip(COLUMNS, row, strict=True):
            self._columns[name].append(value)

    def column(self, name: str) -> list[float]:
        """Return a column by name, empty where the buffer was not told to collect it."""
        flag = _OPTIONAL.get(name)
        if flag is not None and not self.flags[flag]:
            return []
        return self._columns[name]

    def clear(self) -> None:
        """Forget every reading."""
        for values in self._columns.values():
            values.clear()
