"""A Lua 5.1 engine that runs TSP chunks in a sandbox with a limit on instructions and on memory.

TSP is Lua 5.0 with the instrument's command tree as global tables (2600BS-901-01, section 6); Lua 5.1 differs from
it in nothing that drivers use. Scripts see plain tables and Lua functions only: no Python object ever crosses, the
libraries ``io``, ``os``, ``debug``, ``package``, ``coroutine`` and the loaders of byte code are absent, and a chunk
that runs away or eats memory ends in error -286 and leaves the engine usable. Not here: the inside of the sandbox
(``sandbox.lua``), the command tree (:mod:`labctl_mock.tsp.objects`), messages (:mod:`labctl_mock.tsp.instrument`).
"""

import re
from collections.abc import Callable, Sequence
from importlib.resources import files
from inspect import CO_VARARGS, CO_VARKEYWORDS, Parameter, signature
from types import CodeType, MethodType
from typing import Any

from lupa.lua51 import LuaError, LuaRuntime

from labctl_mock.tsp.buffers import COLUMNS, FLAGS, ReadingBuffer
from labctl_mock.tsp.faults import TspFault, too_big
from labctl_mock.tsp.objects import TspObject, Value, choice

__all__ = ["TspEngine"]

_FAULT = "\1fault"  # the same text as in sandbox.lua
_SOFT_BYTES = 16 << 20  # above this a crossing collects garbage or refuses
_HARD_BYTES = 32 << 20  # above this Lua itself refuses
_TICKS = 1000  # of 10 000 instructions each: about a quarter of a second
_MAX_OUTPUT = 16 << 20  # characters printed by one chunk
_MAX_LIST = 60_000  # values in a list given to the instrument
_MAX_BUFFERS = 250
_MAX_ARITY = 2
_POSITION = re.compile(r"^tsp:(\d+): (.*)$", re.DOTALL)


def _refuse_attribute(_owner: object, name: str, _is_setting: bool) -> str:
    raise AttributeError(f"scripts cannot reach {name!r}")


class TspEngine:
    """Runs chunks of one instrument.

    Parameters
    ----------
    report : callable
        Takes the number and the text of each error.
    emit : callable
        Takes each printed line.
    globals_ : callable
        Returns the command tree as a :class:`TspObject` whose functions and children become global; called again when
        the engine has to start afresh after a script filled its memory.
    precision : int, unit 1
        Significant digits of printed numbers.
    startup : str
        A chunk that runs first: the instrument's factory scripts.

    Attributes
    ----------
    crossings : int, unit 1
        How often scripts called into the instrument; whoever keeps time reads and zeroes it.
    """

    def __init__(
        self,
        *,
        report: Callable[[int, str], None],
        emit: Callable[[str], None],
        globals_: Callable[[], TspObject],
        precision: int,
        startup: str = "",
    ) -> None:
        self._report = report
        self._emit_line = emit
        self._globals = globals_
        self._printed = 0
        self._last_fault = ""
        self._list: list[Value] = []
        self._precision = precision
        self._startup = startup
        self.crossings = 0
        self._open()

    def _open(self) -> None:
        self._lua = LuaRuntime(
            unpack_returned_tuples=True,
            register_eval=False,
            register_builtins=False,
            attribute_filter=_refuse_attribute,
            encoding="latin-1",
            max_memory=_HARD_BYTES,
        )
        source = files("labctl_mock.tsp").joinpath("sandbox.lua").read_text(encoding="utf-8")
        self._api: Any = self._lua.execute(
            source, self._guard(self._emit), self._take_fault_text, self._push, _SOFT_BYTES >> 10, _TICKS
        )
        self._buffers: list[ReadingBuffer] = []
        self._run = self._api.run
        self.set_precision(self._precision)
        self._build_globals(self._globals())
        if self._startup:
            self.run(self._startup)

    # --- what the instrument calls --------------------------------------------------------------------------------

    def run(self, chunk: str) -> None:
        """Run one chunk; errors go to ``report``, printed lines to ``emit``."""
        self._printed = 0
        self._finish(lambda: self._run(chunk))

    def define_script(self, name: str, source: str) -> bool:
        """Compile a script that came with ``loadscript``; returns whether it compiled."""
        problem = self._finish(lambda: self._api.script(name, source))
        return problem is None

    def run_script(self) -> None:
        """Run the script that was defined last."""
        self._printed = 0
        self._finish(self._api.run_script)

    def set_precision(self, digits: int) -> None:
        """Set the significant digits of printed numbers (``format.asciiprecision``)."""
        self._precision = digits
        self._api.precision(digits)

    def buffer(self, reference: object) -> tuple[ReadingBuffer, str | None]:
        """Return the buffer that a script handed over, and the column if it handed over one.

        Raises
        ------
        TspFault
            -286 where it is no reading buffer.
        """
        if not isinstance(reference, str) or not reference.startswith("\1b"):
            raise TspFault(-286, "TSP Runtime error: reading buffer expected")
        index, _, column = reference[2:].partition(":")
        return self._buffers[int(index)], column or None

    def _finish(self, action: Callable[[], Any]) -> str | None:
        try:
            outcome = action()
        except LuaError as error:  # memory ran out where no protected call was under way
            outcome = ("runtime", str(error))
        kind: str | None = None
        if outcome is not None:
            kind, detail = outcome if isinstance(outcome, tuple) else (outcome, "")
            if kind != "fault":
                self._report_lua(-285 if kind == "syntax" else -286, detail)
        if self._lua.get_memory_used() > _SOFT_BYTES:
            self._lua.gccollect()
            if self._lua.get_memory_used() > _SOFT_BYTES:
                self._open()
                self._report(-286, "TSP Runtime error at line 1: not enough memory; scripts and globals were lost")
        return kind

    def _report_lua(self, code: int, detail: str) -> None:
        match = _POSITION.match(detail)
        line, text = match.groups() if match else ("1", detail)
        # the real instrument quotes the token as `x', Lua 5.1 as 'x'
        name = "Syntax" if code == -285 else "Runtime"
        self._report(code, f"TSP {name} error at line {line}: {text}")

    # --- what scripts call ----------------------------------------------------------------------------------------

    def _guard(self, function: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object) -> object:
            self.crossings += 1
            try:
                return function(*arguments)
            except TspFault as fault:
                self._last_fault = fault.text
                self._report(fault.code, fault.text)
                return _FAULT

        return call

    def _emit(self, line: str) -> None:
        self._printed += len(line) + 1
        if self._printed > _MAX_OUTPUT:
            raise TspFault(-286, "TSP Runtime error: output queue is full")
        self._emit_line(line)

    def _take_fault_text(self) -> str:
        return self._last_fault

    def _push(self, value: Value) -> None:
        if value is None:
            self._list = []
        elif len(self._list) <= _MAX_LIST:
            self._list.append(value)

    def _list_call(self, function: Callable[[Sequence[Value]], None]) -> Callable[[], None]:
        def call() -> None:
            if len(self._list) > _MAX_LIST:
                raise too_big()
            function(self._list)

        return call

    # --- building tables ------------------------------------------------------------------------------------------

    def _build_globals(self, tree: TspObject) -> None:
        for name, function in tree.functions.items():
            self._api.global_call(name, self._guard(function), _arity(function))
        for name, value in tree.constants.items():
            self._api.set_global(name, value)
        for key, child in tree.children.items():
            self._api.set_global(key, self._build(child))

    def _build(self, tree: TspObject) -> Any:
        api = self._api
        table = api.new(tree.luatype)
        # one crossing for a whole table: kind, key, value and number of parameters of each entry
        entries: list[object] = []
        for key, get in tree.getters.items():
            entries += ("getter", key, self._guard(get), 0)
        for key, put in tree.setters.items():
            entries += ("setter", key, self._guard(put), 1)
        for name, function in tree.functions.items():
            entries += ("call", name, self._guard(function), _arity(function))
        for name, list_function in tree.list_functions.items():
            entries += ("list", name, self._guard(self._list_call(list_function)), 1)
        for name, value in tree.constants.items():
            entries += ("object", name, value, 0)
        api.fill(table, *entries)
        for key, child in tree.children.items():
            api.object(table, key, self._build(child))
        for name, buffer in tree.buffers.items():
            api.object(table, name, self._build_buffer(self._register(buffer)))
        for name, make in tree.makers.items():
            api.maker(table, name, self._guard(self._maker(make)), self._build_buffer)
        return table

    def _maker(self, make: Callable[[Value], ReadingBuffer]) -> Callable[[Value], int]:
        return lambda size: self._register(make(size))

    def _register(self, buffer: ReadingBuffer) -> int:
        if len(self._buffers) >= _MAX_BUFFERS:
            raise TspFault(-286, "TSP Runtime error: no memory for another reading buffer")
        self._buffers.append(buffer)
        return len(self._buffers) - 1

    def _build_buffer(self, index: int) -> Any:
        buffer = self._buffers[index]
        api = self._api
        readings = _element(buffer, "readings")
        table = api.new("reading_buffer", self._guard(readings))
        api.refer(table, f"\1b{index}")
        entries: list[object] = ["getter", "n", self._guard(lambda: len(buffer)), 0]
        entries += ("getter", "capacity", self._guard(lambda: buffer.capacity), 0)
        entries += ("getter", "basetimestamp", self._guard(lambda: buffer.base_time_s), 0)
        for flag in FLAGS:
            entries += ("getter", flag, self._guard(_read_flag(buffer, flag)), 0)
            entries += ("setter", flag, self._guard(_write_flag(buffer, flag)), 1)
        for name, function in (("clear", buffer.clear), ("clearcache", _nothing)):
            entries += ("call", name, self._guard(function), 0)
        for name in COLUMNS:
            element = self._guard(_element(buffer, name))
            column = api.new("synchronous_table", element)
            api.refer(column, f"\1b{index}:{name}")
            api.fill(column, "call", "getreading", element, 1)
            entries += ("object", name, column, 0)
        api.fill(table, *entries)
        return table


def _nothing() -> None:
    return None


def _element(buffer: ReadingBuffer, name: str) -> Callable[[Value], float | None]:
    def at(index: Value) -> float | None:
        values = buffer.column(name)
        if not isinstance(index, (int, float)) or not 1 <= index <= len(values):
            return None
        return values[int(index) - 1]

    return at


def _read_flag(buffer: ReadingBuffer, flag: str) -> Callable[[], int]:
    return lambda: buffer.flags[flag]


def _write_flag(buffer: ReadingBuffer, flag: str) -> Callable[[Value], None]:
    def write(value: Value) -> None:
        buffer.flags[flag] = choice(value, (0, 1))

    return write


def _arity(function: Callable[..., object]) -> int:
    """Count positional parameters; -1 where there may be any number."""
    code = getattr(function, "__code__", None)
    if isinstance(code, CodeType) and not code.co_flags & CO_VARKEYWORDS and not code.co_kwonlyargcount:
        # plain functions and methods, which nearly all are: their signature takes twenty times as long
        count = code.co_argcount - isinstance(function, MethodType)
        if not code.co_flags & CO_VARARGS and count <= _MAX_ARITY:
            return count
    parameters = signature(function).parameters.values()
    if any(parameter.kind is Parameter.VAR_POSITIONAL for parameter in parameters):
        return -1
    if len(parameters) > _MAX_ARITY:
        raise TypeError(f"{function}: a TSP function takes at most two parameters, or *arguments")
    return len(parameters)
