"""Declaration of TSP objects: what an instrument shows to scripts, as plain Python data and functions.

Not here: the Lua tables made from them (:mod:`labctl_mock.tsp.engine`). Instruments describe; the engine builds.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import isfinite

from labctl_mock.tsp.buffers import ReadingBuffer
from labctl_mock.tsp.faults import TspFault, too_big, too_small

__all__ = ["Key", "TspObject", "Value", "choice", "number", "switch", "text"]

Value = float | int | str | bool | None
Key = str | int


@dataclass(slots=True)
class TspObject:
    """One table of the command tree, such as ``smua.source``.

    Attributes
    ----------
    luatype : str
        What ``getmetatable(object).luatype`` says.
    getters : dict
        Attributes that can be read.
    setters : dict
        Attributes that can be written; each takes the raw value of the script.
    functions : dict
        Functions with positional parameters; a missing one arrives as None.
    list_functions : dict
        Functions that take one Lua list.
    constants : dict
        Fixed values.
    children : dict
        Nested tables; integer keys make arrays such as ``trigger.timer[1]``.
    buffers : dict
        Reading buffers.
    makers : dict
        Functions that return a new reading buffer for a size.
    """

    luatype: str = "object"
    getters: dict[Key, Callable[[], Value]] = field(default_factory=dict)
    setters: dict[Key, Callable[[Value], None]] = field(default_factory=dict)
    functions: dict[str, Callable[..., object]] = field(default_factory=dict)
    list_functions: dict[str, Callable[[Sequence[Value]], None]] = field(default_factory=dict)
    constants: dict[str, Value] = field(default_factory=dict)
    children: dict[Key, "TspObject"] = field(default_factory=dict)
    buffers: dict[str, ReadingBuffer] = field(default_factory=dict)
    makers: dict[str, Callable[[Value], ReadingBuffer]] = field(default_factory=dict)

    def hold(self, key: Key, start: Value, check: Callable[[Value], Value]) -> dict[Key, Value]:
        """Add an attribute that only remembers; returns the cell that holds it, keyed by ``key``."""
        cell: dict[Key, Value] = {key: start}
        self.getters[key] = lambda: cell[key]

        def write(value: Value) -> None:
            cell[key] = check(value)

        self.setters[key] = write
        return cell


def number(value: Value, low: float | None = None, high: float | None = None) -> float:
    """Return ``value`` as a float inside [low, high].

    Parameters
    ----------
    value : Value
        What the script gave.
    low, high : float or None, unit of the value
        Limits; None where there is none.

    Raises
    ------
    TspFault
        -286 where it is no number, 1101 where it is too big, 1102 where it is too small.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise TspFault(-286, f"TSP Runtime error: number expected, got {_lua_type(value)}")
    try:
        result = float(value)  # Lua turns numerals in strings into numbers, too
    except ValueError:
        raise TspFault(-286, "TSP Runtime error: number expected, got string") from None
    if high is not None and result > high:
        raise too_big()
    if low is not None and result < low:
        raise too_small()
    if not isfinite(result):
        raise too_big()
    return result


def switch(value: Value) -> int:
    """Return 0 or 1 of a number or boolean.

    Raises
    ------
    TspFault
        As :func:`choice`.
    """
    return choice(value, (0, 1))


def choice(value: Value, allowed: Sequence[int]) -> int:
    """Return ``value`` as one of the ``allowed`` integers.

    Raises
    ------
    TspFault
        -286 where it is no number or lies between the allowed, 1101 and 1102 where it lies outside them.
    """
    result = number(int(value) if isinstance(value, bool) else value, min(allowed), max(allowed))
    if result not in allowed:
        raise TspFault(-286, f"TSP Runtime error: invalid value, allowed: {', '.join(map(str, allowed))}")
    return int(result)


def text(value: Value) -> str:
    """Return ``value`` if it is a string.

    Raises
    ------
    TspFault
        -286 otherwise.
    """
    if not isinstance(value, str):
        raise TspFault(-286, f"TSP Runtime error: string expected, got {_lua_type(value)}")
    return value


def _lua_type(value: Value) -> str:
    if value is None:
        return "nil"
    if isinstance(value, bool):
        return "boolean"
    return "string" if isinstance(value, str) else "number"
