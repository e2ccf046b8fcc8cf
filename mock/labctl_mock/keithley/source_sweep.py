"""Where a 2400 steps to while it is triggered: fixed, linear and logarithmic staircases, lists.

Source: Series 2400 User's Manual 2400S-900-01 Rev. K, section 10. Not here: source-memory sweeps, which are left out,
and the cycle at each level (:mod:`labctl_mock.keithley.keithley2400`).
"""

from collections.abc import Callable
from math import copysign, log10

from labctl_mock.keithley.scpi_settings import command, in_bounds
from labctl_mock.keithley.sourcemeter import CURR, VOLT
from labctl_mock.messages import MessageFault
from labctl_mock.messages.numeric import Integer, Limit, Number
from labctl_mock.messages.parameters import Choice, Samples
from labctl_mock.messages.tree import Command

__all__ = ["SourceSweep"]

_MOST_PER_MESSAGE = 100
_MOST = 2500
_UNITS = {VOLT: "V", CURR: "A"}
_WORDS = {VOLT: "VOLTage", CURR: "CURRent"}


class SourceSweep:
    """Modes, ends and lists of both sources.

    Parameters
    ----------
    top : callable
        Largest level by source, unit V or A.
    text : callable
        How a number is answered.
    """

    def __init__(self, top: Callable[[str], float], text: Callable[[float], str]) -> None:
        self._top, self._text = top, text
        self.reset()

    def reset(self) -> None:
        """Go back to the defaults."""
        self.mode = {VOLT: "FIX", CURR: "FIX"}
        self._start, self._stop = {VOLT: 0.0, CURR: 0.0}, {VOLT: 0.0, CURR: 0.0}
        self._lists: dict[str, tuple[float, ...]] = {VOLT: (0.0,), CURR: (0.0,)}
        self._points = 2500
        self.spacing, self.direction, self.ranging = "LIN", "UP", "BEST"

    def levels(self, function: str, fixed: float, count: int) -> list[float]:
        """Return the level of each of ``count`` triggers, unit V or A.

        Parameters
        ----------
        function : str
        fixed : float, unit V or A
            Programmed level.
        count : int, unit 1

        Raises
        ------
        MessageFault
            -221 for a logarithmic sweep through zero.
        """
        mode = self.mode[function]
        if mode == "FIX":
            return [fixed] * count
        steps = self._lists[function] if mode == "LIST" else self._staircase(function)
        if mode == "SWE" and self.direction == "DOWN":
            steps = steps[::-1]
        return [steps[index % len(steps)] for index in range(count)]

    def _staircase(self, function: str) -> tuple[float, ...]:
        start, stop, last = self._start[function], self._stop[function], max(self._points - 1, 1)
        if self.spacing == "LIN":
            return tuple(start + (stop - start) * index / last for index in range(last + 1))
        if start * stop <= 0.0:
            raise MessageFault(-221, "logarithmic")
        low, high = log10(abs(start)), log10(abs(stop))
        return tuple(copysign(10 ** (low + (high - low) * index / last), start) for index in range(last + 1))

    def commands(self) -> list[Command]:
        """Return the commands."""
        found = [
            command("SOURce[1|1]:SWEep:POINts", self._set_points, (Integer(),), lambda: str(self._points)),
            *(
                command(
                    f"SOURce[1|1]:SWEep:{node}", self._word_writer(name), (Choice(*words),), self._word_reader(name)
                )
                for node, name, words in (
                    ("SPACing", "spacing", ("LINear", "LOGarithmic")),
                    ("DIRection", "direction", ("UP", "DOWN")),
                    ("RANGing", "ranging", ("BEST", "AUTO", "FIXed")),
                )
            ),
        ]
        for function, word in _WORDS.items():
            source = f"SOURce[1|1]:{word}"
            number = (Number(_UNITS[function]),)
            listed = f"SOURce[1|1]:LIST:{word}"
            found += [
                command(
                    f"{source}:MODE",
                    self._setter(self.__class__._set_mode, function),
                    (Choice("FIXed", "SWEep", "LIST"),),
                    self._getter("mode", function),
                ),
                command(f"{source}:STARt", self._end("_start", function), number, self._getter("_start", function)),
                command(f"{source}:STOP", self._end("_stop", function), number, self._getter("_stop", function)),
                command(
                    f"{source}:STEP",
                    self._setter(self.__class__._set_step, function),
                    number,
                    self._step_reader(function),
                ),
                command(listed, self._lister(function, adds=False), (Samples(),), self._list_reader(function)),
                command(f"{listed}:APPend", self._lister(function, adds=True), (Samples(),)),
                command(f"{listed}:POINts", query=self._counter(function)),
            ]
        return found

    def _set_points(self, value: float | Limit) -> None:
        self._points = int(in_bounds(value, 1, _MOST, _MOST))

    def _set_mode(self, function: str, mode: str) -> None:
        self.mode[function] = mode

    def _set_step(self, function: str, value: float | Limit) -> None:
        step = in_bounds(value, -2 * self._top(function), 2 * self._top(function), 0.0)
        span = self._stop[function] - self._start[function]
        if step == 0.0 or span / step < 0.0:
            raise MessageFault(-221, "step")
        self._points = min(int(span / step + 1e-9) + 1, _MOST)

    def _end(self, name: str, function: str) -> Callable[[float | Limit], None]:
        top = self._top(function)
        return lambda value: getattr(self, name).__setitem__(function, in_bounds(value, -top, top, 0.0))

    def _setter(self, method: Callable[..., None], function: str) -> Callable[..., None]:
        return lambda value: method(self, function, value)

    def _getter(self, name: str, function: str) -> Callable[[], str]:
        def read() -> str:
            value = getattr(self, name)[function]
            return value if isinstance(value, str) else self._text(value)

        return read

    def _step_reader(self, function: str) -> Callable[[], str]:
        return lambda: self._text((self._stop[function] - self._start[function]) / max(self._points - 1, 1))

    def _word_writer(self, name: str) -> Callable[[str], None]:
        return lambda word: setattr(self, name, word)

    def _word_reader(self, name: str) -> Callable[[], str]:
        return lambda: str(getattr(self, name))

    def _lister(self, function: str, *, adds: bool) -> Callable[[tuple[float, ...]], None]:
        def write(values: tuple[float, ...]) -> None:
            kept = self._lists[function] if adds else ()
            if len(values) > _MOST_PER_MESSAGE:
                raise MessageFault(-223)
            if len(kept) + len(values) > _MOST or any(abs(value) > self._top(function) for value in values):
                raise MessageFault(-222)
            self._lists[function] = kept + values

        return write

    def _list_reader(self, function: str) -> Callable[[], str]:
        return lambda: ",".join(self._text(value) for value in self._lists[function])

    def _counter(self, function: str) -> Callable[[], str]:
        return lambda: str(len(self._lists[function]))
