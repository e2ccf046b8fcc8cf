"""The trigger model of a 2450: blocks that are executed in turn, and the source configuration lists that they recall.

Source: 2461 Reference Manual 2461-901-01 Rev. A, whose commands the 2450 shares: ``:TRIGger:BLOCk`` 6-186 to 6-210,
``:TRIGger:LOAD`` 6-222 to 6-233, ``:TRIGger:STATe?`` 6-234, ``:SOURce[1]:LIST`` 6-101, ``:SOURce[1]:SWEep`` 6-124 to
6-131. Not here: source, meter and buffers (:mod:`labctl_mock.keithley.keithley2450`). Assumed: a sweep's trigger model
switches the output on at its start and off at its end; a recall takes 200 µs, every other block 10 µs; nobody talks to
the instrument while the model runs, so that ``INITiate`` returns when it is over. Not imitated: waits, notifies,
timers, digital lines, limits and templates other than Empty and SimpleLoop; a model that runs for ever is stopped with
error -221 after a hundred thousand blocks.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from labctl_mock.messages import MessageFault

__all__ = ["Block", "TriggerBlocks"]

_MOST_BLOCKS = 100_000
_MOST_NUMBER = 255
_RECALL_S, _BLOCK_S = 200e-6, 10e-6


@dataclass(slots=True)
class Block:
    """One block.

    Attributes
    ----------
    kind : str
        Such as ``"MEAS"``.
    values : tuple of float, unit as the kind has it
    name : str
        Buffer or configuration list.
    """

    kind: str
    values: tuple[float, ...] = ()
    name: str = ""


@dataclass(slots=True)
class _List:
    """A source configuration list and the index that was last recalled, from 1; 0 for none."""

    settings: list[dict[str, object]] = field(default_factory=list)
    index: int = 0


class TriggerBlocks:
    """Blocks and lists.

    Parameters
    ----------
    sleep : callable
        Lets time pass, unit s.
    recall : callable
        Takes over the settings of a list's index.
    measure : callable
        Makes a reading into the named buffer and tells whether the source was at its limit.
    clear : callable
        Empties the named buffer.
    switch : callable
        Switches the output.
    """

    def __init__(
        self,
        *,
        sleep: Callable[[float], None],
        recall: Callable[[dict[str, object]], None],
        measure: Callable[[str], bool],
        clear: Callable[[str], None],
        switch: Callable[[bool], None],
    ) -> None:
        self._sleep, self._recall, self._measure, self._clear, self._switch = sleep, recall, measure, clear, switch
        self.lists: dict[str, _List] = {}
        self.reset()

    def reset(self) -> None:
        """Forget blocks and lists."""
        self.lists.clear()
        self.load_empty()

    def load_empty(self) -> None:
        """Forget the blocks."""
        self._blocks: dict[int, Block] = {}
        self._last = 0
        self._has_run = False

    def put(self, number: float, block: Block) -> None:
        """Define block ``number``, unit 1; a gap before it is filled with nothing to do.

        Raises
        ------
        MessageFault
            -222 for a number that cannot be, -221 for a list that does not exist.
        """
        if not 1 <= number <= _MOST_NUMBER:
            raise MessageFault(-222, f"{number:g}")
        if block.kind in ("REC", "NEXT"):
            self.list_of(block.name)
        self._blocks[int(number)] = block
        self._has_run = False

    def list_of(self, name: str) -> _List:
        """Return a configuration list.

        Raises
        ------
        MessageFault
            -221 where there is none.
        """
        try:
            return self.lists[name.upper()]
        except KeyError:
            raise MessageFault(-221, f"no configuration list {name}") from None

    def define(self, name: str, settings: Sequence[dict[str, object]], *, adds: bool) -> None:
        """Fill a configuration list, or add to it.

        Parameters
        ----------
        name : str
        settings : sequence of dict
            One for each index.
        adds : bool
        """
        kept = self.lists[name.upper()].settings if adds and name.upper() in self.lists else []
        self.lists[name.upper()] = _List([*kept, *settings])

    def sweep(self, name: str, *, delay_s: float, count: int, start: int, aborts: bool, buffer: str) -> None:
        """Load the blocks of a sweep through a configuration list.

        Parameters
        ----------
        name : str
        delay_s : float, unit s
        count : int, unit 1
            How often the list is gone through.
        start : int, unit 1
            First index.
        aborts : bool
            Whether the limit ends the sweep.
        buffer : str

        Raises
        ------
        MessageFault
            -222 for a first index that is not in the list.
        """
        length = len(self.list_of(name).settings) - start + 1
        if length < 1:
            raise MessageFault(-222, f"{start}")
        self.load_empty()
        for number, block in enumerate(
            (
                Block("CLE", name=buffer),
                Block("REC", (float(start),), name),
                Block("STAT", (1.0,)),
                Block("ALW", (6.0,)),
                Block("NEXT", name=name),
                Block("CONS", (delay_s,)),
                Block("MEAS", (10.0 if aborts else 0.0,), buffer),
                Block("COUN", (float(length * count), 5.0)),
                Block("ALW", (10.0,)),
                Block("STAT", (0.0,)),
            ),
            start=1,
        ):
            self._blocks[number] = block

    def state(self) -> str:
        """Answer ``:TRIGger:STATe?``."""
        word = "EMPTY" if not self._blocks else "IDLE" if self._has_run else "BUILDING"
        return f"{word};{word};{self._last}"

    def run(self) -> None:
        """Execute the blocks.

        Raises
        ------
        MessageFault
            -221 where there are none, or no end.
        """
        if not self._blocks:
            raise MessageFault(-221, "trigger model is empty")
        counters: dict[int, int] = {}
        for one in self.lists.values():
            one.index = 0
        number, end = 1, max(self._blocks)
        self._has_run = True
        for _ in range(_MOST_BLOCKS):
            if number > end:
                return
            self._last = number
            block = self._blocks.get(number, Block("NOP"))
            number = self._execute(number, block, counters)
        raise MessageFault(-221, "trigger model without end")

    def _execute(self, number: int, block: Block, counters: dict[int, int]) -> int:
        self._sleep(_RECALL_S if block.kind in ("REC", "NEXT") else _BLOCK_S)
        if block.kind == "CONS":
            self._sleep(block.values[0])
        elif block.kind == "CLE":
            self._clear(block.name)
        elif block.kind == "STAT":
            self._switch(bool(block.values[0]))
        elif block.kind in ("REC", "NEXT"):
            found = self.list_of(block.name)
            found.index = int(block.values[0]) if block.kind == "REC" else found.index % len(found.settings) + 1
            if not 1 <= found.index <= len(found.settings):
                raise MessageFault(-222, f"index {found.index}")
            self._recall(found.settings[found.index - 1])
        elif block.kind == "MEAS":
            if self._measure(block.name) and block.values[0]:
                return int(block.values[0])
        elif block.kind == "ALW":
            return int(block.values[0])
        elif block.kind == "COUN":
            # 6-186: the counter goes up first; below the target the model branches
            counters[number] = counters.get(number, 0) + 1
            if counters[number] < block.values[0]:
                return int(block.values[1])
            counters[number] = 0
        return number + 1
