"""Commands of the SCPI SourceMeters written shortly: headers whose node numbers are always 1, numbers with bounds.

Not here: what the commands do (:mod:`labctl_mock.keithley.keithley2400`, :mod:`labctl_mock.keithley.keithley2450`).
"""

from collections.abc import Callable, Mapping
from math import inf
from typing import Any

from labctl_mock.messages import MessageFault
from labctl_mock.messages.numeric import Boolean, Integer, Limit, Number
from labctl_mock.messages.parameters import Choice, Parameter
from labctl_mock.messages.tree import Command

__all__ = ["Rest", "Settings", "command", "flag_text", "in_bounds"]


class Rest:
    """All that is left of a command's data, cut at commas outside of quotes; trailing empty elements do not count."""

    is_optional = True
    takes_rest = True

    def parse(self, text: str) -> tuple[str, ...]:
        """Return the elements as they were sent, quotes taken off.

        Raises
        ------
        MessageFault
            -151 for a quote without its partner.
        """
        parts = [part.strip() for part in text.split(",")]
        while parts and not parts[-1]:
            parts.pop()
        for part in parts:
            if part[:1] in ("'", '"') and (len(part) < 2 or part[-1] != part[0]):
                raise MessageFault(-151, part)
        return tuple(part.strip("'\"") for part in parts)


def command(
    pattern: str,
    write: Callable[..., None] | None = None,
    parameters: tuple[Parameter, ...] = (),
    query: Callable[..., str] | None = None,
    query_parameters: tuple[Parameter, ...] = (),
) -> Command:
    """Return a :class:`Command` whose handlers are not told of the node numbers in ``pattern``.

    Parameters
    ----------
    pattern : str
        With ``[1|1]`` where a node may carry the number 1.
    write, parameters, query, query_parameters
        As :class:`Command`.

    Returns
    -------
    Command
    """
    count = pattern.count("[1|")

    def without(handler: Callable[..., Any] | None) -> Callable[..., Any] | None:
        return None if handler is None else lambda *arguments: handler(*arguments[count:])

    return Command(pattern, without(write), parameters, without(query), query_parameters)


def flag_text(is_on: bool) -> str:
    """Return a truth value as the instruments answer it."""
    return "1" if is_on else "0"


def in_bounds(value: float | Limit, low: float, high: float, default: float) -> float:
    """Return a number inside its bounds, and the number that a word stands for.

    Parameters
    ----------
    value : float or Limit, unit as the setting has it
    low, high, default : float, unit as the setting has it

    Returns
    -------
    float

    Raises
    ------
    MessageFault
        -222 outside of them.
    """
    if isinstance(value, Limit):
        return {Limit.MINIMUM: low, Limit.MAXIMUM: high, Limit.DEFAULT: default}[value]
    if not low * (1 - 1e-9) <= value <= high * (1 + 1e-9):
        raise MessageFault(-222, f"{value:g}")
    return value


class Settings:
    """Settings that are kept and answered, whether or not something reads them.

    Parameters
    ----------
    numbers : mapping of str to (float, float, float), unit as the setting has it
        Lowest, highest and default value by pattern; a pattern that ends with ``#`` means whole numbers.
    words : mapping of str to tuple of str
        Choices by pattern, the default first.
    flags : mapping of str to bool
        Defaults by pattern.
    number_text : callable
        How a number is answered.
    told : callable
        Called with the pattern of a number that was set.
    """

    def __init__(
        self,
        numbers: Mapping[str, tuple[float, float, float]],
        words: Mapping[str, tuple[str, ...]],
        flags: Mapping[str, bool],
        number_text: Callable[[float], str],
        told: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._numbers, self._words, self._flags, self._text = numbers, words, flags, number_text
        self._told = told
        self._values: dict[str, Any] = {}
        self.reset()

    def reset(self) -> None:
        """Go back to the defaults."""
        self._values = {key.removesuffix("#"): bounds[2] for key, bounds in self._numbers.items()}
        self._values |= {key: Choice(words[0]).parse(words[0]) for key, words in self._words.items()}
        self._values |= self._flags

    def number(self, pattern: str) -> float:
        """Return a number, unit as the setting has it."""
        return float(self._values[pattern])

    def word(self, pattern: str) -> str:
        """Return a word in its short form."""
        return str(self._values[pattern])

    def flag(self, pattern: str) -> bool:
        """Return a truth value."""
        return bool(self._values[pattern])

    def put(self, pattern: str, value: float | str | bool) -> None:
        """Set a setting; a number has the unit of the setting."""
        self._values[pattern] = value

    def commands(self) -> list[Command]:
        """Return a command and a query for each."""
        found: list[Command] = []
        limit = Choice("MINimum", "MAXimum", "DEFault", is_optional=True)
        for key, bounds in self._numbers.items():
            pattern = key.removesuffix("#")
            kind = Integer(has_infinity=True) if key.endswith("#") else Number("S", has_infinity=True)
            found.append(
                command(
                    pattern,
                    self._number_writer(pattern, bounds),
                    (kind,),
                    self._number_reader(pattern, bounds),
                    (limit,),
                )
            )
        for pattern, words in self._words.items():
            found.append(command(pattern, self._writer(pattern), (Choice(*words),), self._reader(pattern)))
        for pattern in self._flags:
            found.append(command(pattern, self._writer(pattern), (Boolean(),), self._reader(pattern)))
        return found

    def _number_writer(self, pattern: str, bounds: tuple[float, float, float]) -> Callable[[float | Limit], None]:
        def write(value: float | Limit) -> None:
            self._values[pattern] = in_bounds(value, *bounds)
            self._told(pattern)

        return write

    def _number_reader(self, pattern: str, bounds: tuple[float, float, float]) -> Callable[..., str]:
        low, high, default = bounds
        words = {"MIN": low, "MAX": high, "DEF": default}

        def read(word: str | None = None) -> str:
            value = self._values[pattern] if word is None else words[word]
            return self._text(9.9e37 if value == inf else value)

        return read

    def _writer(self, pattern: str) -> Callable[[Any], None]:
        return lambda value: self._values.__setitem__(pattern, value)

    def _reader(self, pattern: str) -> Callable[[], str]:
        def read() -> str:
            value = self._values[pattern]
            return flag_text(value) if isinstance(value, bool) else str(value)

        return read
