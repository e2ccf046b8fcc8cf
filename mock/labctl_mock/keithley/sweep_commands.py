"""Lists, sweeps and trigger blocks of a 2450 as commands.

Source: 2461 Reference Manual 2461-901-01 Rev. A, whose commands the 2450 shares: ``:SOURce[1]:LIST`` 6-101,
``:SOURce[1]:SWEep`` 6-124 to 6-131, ``:TRIGger:BLOCk`` 6-186 to 6-208, ``:TRIGger:LOAD`` 6-225 and 6-231. Not here:
what blocks do (:mod:`labctl_mock.keithley.trigger_blocks`).
"""

from collections.abc import Callable, Sequence
from math import copysign, inf, log10

from labctl_mock.keithley.scpi_settings import Rest, command, in_bounds
from labctl_mock.keithley.sourcemeter import CURR, VOLT
from labctl_mock.keithley.sourcemeter_2450 import SOURCE, SWEEPS, WORDS
from labctl_mock.keithley.trigger_blocks import Block, TriggerBlocks
from labctl_mock.messages import MessageFault
from labctl_mock.messages.numeric import Boolean, Integer, Limit, Number
from labctl_mock.messages.parameters import Samples, Text
from labctl_mock.messages.tree import Command

__all__ = ["SweepCommands"]

_UNITS = {VOLT: "V", CURR: "A"}
_LISTS = {VOLT: "VoltCustomSweepList", CURR: "CurrCustomSweepList"}
_SWEPT = {VOLT: "VoltLinearSweep", CURR: "CurrLinearSweep"}
_MOST_PER_MESSAGE, _MOST_LISTED = 100, 2500


class SweepCommands:
    """Lists of levels, and what fills the trigger model.

    Parameters
    ----------
    triggers : TriggerBlocks
    check_buffer : callable
        Raises where there is no buffer of this name.
    top : callable
        Largest level by source, unit V or A.
    store : callable
        Returns what a configuration list keeps of a source at a level, unit V or A.
    text : callable
        How a number is answered.
    """

    def __init__(
        self,
        triggers: TriggerBlocks,
        *,
        check_buffer: Callable[[str], object],
        top: Callable[[str], float],
        store: Callable[[str, float], dict[str, object]],
        text: Callable[[float], str],
    ) -> None:
        self._triggers, self._check_buffer, self._top, self._store, self._text = (
            triggers,
            check_buffer,
            top,
            store,
            text,
        )
        self.reset()

    def reset(self) -> None:
        """Forget lists and blocks."""
        self._triggers.reset()
        self._lists: dict[str, tuple[float, ...]] = {VOLT: (), CURR: ()}

    def commands(self) -> list[Command]:
        """Return the commands."""
        found = self._block_commands()
        for function, word in WORDS.items():
            listed, number = f"{SOURCE}:LIST:{word}", Number(_UNITS[function])
            three = (number, number, number, Rest())
            found += [
                command(listed, self._lister(function, adds=False), (Samples(),), self._list_text(function)),
                command(f"{listed}:APPend", self._lister(function, adds=True), (Samples(),)),
                command(f"{listed}:POINts", query=self._counter(function)),
                command(f"{SOURCE}:SWEep:{word}:LIST", self._sweep_list(function), (Integer(), Rest())),
                *(
                    command(f"{SOURCE}:SWEep:{word}:{node}", self._sweep_steps(function, kind), three)
                    for kind, node in SWEEPS.items()
                ),
            ]
        return found

    def _lister(self, function: str, *, adds: bool) -> Callable[[tuple[float, ...]], None]:
        def write(values: tuple[float, ...]) -> None:
            top = self._top(function)
            if len(values) > _MOST_PER_MESSAGE:
                raise MessageFault(-223)
            kept = self._lists[function] if adds else ()
            if len(kept) + len(values) > _MOST_LISTED or any(abs(value) > top for value in values):
                raise MessageFault(-222)
            self._lists[function] = kept + values
            self._triggers.define(_LISTS[function], [self._store(function, one) for one in values], adds=adds)

        return write

    def _sweep_list(self, function: str) -> Callable[..., None]:
        def write(start: float, rest: Sequence[str] = ()) -> None:
            delay, count, aborts, buffer, name, *_ = (
                *rest,
                *("0", "1", "ON", "defbuffer1", _LISTS[function])[len(rest) :],
            )
            self._check_buffer(buffer)
            self._triggers.sweep(
                name,
                delay_s=_seconds(delay),
                count=_whole(count),
                start=int(start),
                aborts=Boolean().parse(aborts),
                buffer=buffer,
            )

        return write

    def _sweep_steps(self, function: str, kind: str) -> Callable[..., None]:
        def write(start: float, stop: float, third: float, rest: Sequence[str] = ()) -> None:
            delay, count, _, aborts, dual, buffer, *_ = (
                *rest,
                *("-1", "1", "BEST", "ON", "OFF", "defbuffer1")[len(rest) :],
            )
            points = int((stop - start) / third + 1.0 + 1e-9) if kind == "STEP" and third else int(third)
            if not 2 <= points <= 1_000_000 or max(abs(start), abs(stop)) > self._top(function):
                raise MessageFault(-222)
            if kind == "LOG":
                if start * stop <= 0.0:
                    raise MessageFault(-222)
                low, high = log10(abs(start)), log10(abs(stop))
                levels = [copysign(10 ** (low + (high - low) * i / (points - 1)), start) for i in range(points)]
            else:
                levels = [start + (stop - start) * i / (points - 1) for i in range(points)]
            if Boolean().parse(dual):
                levels += levels[-2::-1]
            self._check_buffer(buffer)
            self._triggers.define(_SWEPT[function], [self._store(function, one) for one in levels], adds=False)
            self._triggers.sweep(
                _SWEPT[function],
                delay_s=max(_seconds(delay), 0.0),
                count=_whole(count),
                start=1,
                aborts=Boolean().parse(aborts),
                buffer=buffer,
            )

        return write

    def _load(self, name: str, rest: Sequence[str] = ()) -> None:
        if name.upper() == "EMPTY":
            self._triggers.load_empty()
        elif name.upper() == "SIMPLELOOP" and rest:
            delay, buffer, *_ = (*rest[1:], *("0", "defbuffer1")[len(rest) - 1 :])
            self._triggers.load_empty()
            blocks = (
                Block("CLE", name=buffer),
                Block("CONS", (_seconds(delay),)),
                Block("MEAS", (0.0,), buffer),
                Block("COUN", (float(_whole(rest[0])), 2.0)),
            )
            for number, block in enumerate(blocks, start=1):
                self._triggers.put(number, block)
        else:
            raise MessageFault(-224)

    def _block(self, kind: str, *, named: bool) -> Callable[..., None]:
        def write(number: float, *arguments: object) -> None:
            if not named:
                values = tuple(float(one) for one in arguments if isinstance(one, (int, float)))
                self._triggers.put(number, Block(kind, values))
                return
            rest: Sequence[str] = arguments[0] if arguments and isinstance(arguments[0], tuple) else ()
            if kind in ("CLE", "MEAS"):
                buffer = rest[0] if rest else "defbuffer1"
                self._check_buffer(buffer)
                self._triggers.put(number, Block(kind, (0.0,), buffer))
            elif not rest:
                raise MessageFault(-109)
            else:
                self._triggers.put(number, Block(kind, (_seconds(rest[1]) if len(rest) > 1 else 1.0,), rest[0]))

        return write

    def _block_commands(self) -> list[Command]:
        block, whole = "TRIGger:BLOCk", Integer(limits=())
        return [
            command("INITiate[:IMMediate]", self._triggers.run),
            command("ABORt", lambda: None),
            command("TRIGger:LOAD", self._load, (Text(), Rest())),
            command("TRIGger:STATe", query=self._triggers.state),
            command(f"{block}:BUFFer:CLEar", self._block("CLE", named=True), (whole, Rest())),
            command(f"{block}:MEASure", self._block("MEAS", named=True), (whole, Rest())),
            command(f"{block}:CONFig:RECall", self._block("REC", named=True), (whole, Rest())),
            command(f"{block}:CONFig:NEXT", self._block("NEXT", named=True), (whole, Rest())),
            command(f"{block}:DELay:CONStant", self._delay_block, (whole, Number("S"))),
            command(f"{block}:BRANch:ALWays", self._block("ALW", named=False), (whole, whole)),
            command(f"{block}:BRANch:COUNter", self._block("COUN", named=False), (whole, whole, whole)),
            command(f"{block}:SOURce:STATe", self._block("STAT", named=False), (whole, Boolean())),
            command(f"{block}:NOP", self._block("NOP", named=False), (whole,)),
        ]

    def _delay_block(self, number: float, value: float | Limit) -> None:
        delay_s = 0.0 if value == 0.0 else in_bounds(value, 167e-9, 1e4, 0.0)
        self._triggers.put(number, Block("CONS", (delay_s,)))

    def _counter(self, function: str) -> Callable[[], str]:
        return lambda: str(len(self._lists[function]))

    def _list_text(self, function: str) -> Callable[[], str]:
        return lambda: ",".join(self._text(value) for value in self._lists[function])


def _seconds(text: str) -> float:
    value = Number("S").parse(text)
    if isinstance(value, Limit) or not value < inf:
        raise MessageFault(-222, text)
    return value


def _whole(text: str) -> int:
    value = round(_seconds(text))
    if value < 1:
        raise MessageFault(-222, text)
    return value
