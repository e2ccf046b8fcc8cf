"""A simulated TSP instrument: messages become chunks of Lua; scripts are loaded; the common part of the command tree.

Not here: commons, exchange and queues (:mod:`labctl_mock.messages`), the Lua engine (:mod:`labctl_mock.tsp.engine`),
a model's own commands. Sources: 2600BS-901-01 Rev. F and 707B-901-01 Rev. B, sections "Introduction to TSP
operation" and "TSP command reference". Left out: TSP-Link, TSP-Net, file system, saved setups, ``settime`` and the
like.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import ClassVar

from labctl_mock.bench.terminals import Circuit
from labctl_mock.messages import SimulatedInstrument
from labctl_mock.tsp.engine import TspEngine
from labctl_mock.tsp.faults import TspFault
from labctl_mock.tsp.front_panel import beeper_tree, display_tree
from labctl_mock.tsp.objects import TspObject, Value, choice, number
from labctl_mock.tsp.output import OutputFormat
from labctl_mock.tsp.status_tree import status_tree

__all__ = ["TspInstrument"]

_MESSAGE_S = 200e-6  # assumed: from the message's last byte to its first statement
_STATEMENT_S = 20e-6  # assumed: one access to the command tree
_MAX_SCRIPT = 1 << 20  # characters
_RECOVERABLE = 20  # severity, 2600BS-901-01 section "errorqueue.next()"
_NODE = 1


class TspInstrument(SimulatedInstrument):
    """Base of the simulated instruments that speak TSP.

    A subclass writes :meth:`tree`, :meth:`conditions`, :meth:`reset_model` and, if it has overlapped operations,
    :meth:`complete`. Every message takes 200 µs and each access to the command tree 20 µs (both assumed); the latter is
    charged at the end of the chunk, so that between two levels set side by side no time passes.
    """

    ascii_precision: ClassVar[int]
    is_interruptible: ClassVar[bool] = False
    error_capacity: ClassVar[int] = 100

    def __init__(self, key: str, circuit: Circuit, *, serial: str, seed: int, options: Mapping[str, object]) -> None:
        super().__init__(key, circuit, serial=serial, seed=seed, options=options)
        self.line_frequency_hz = 50
        self._capture: list[str] | None = None
        self._capture_head = ""
        self._timer_start_s = circuit.clock.now_s()
        self._format = OutputFormat(self.ascii_precision, lambda digits: self.engine.set_precision(digits))

    @cached_property
    def engine(self) -> TspEngine:
        """The Lua engine; made at the first message."""
        engine = TspEngine(
            report=self.report,
            emit=self.exchange.put,
            globals_=self._globals,
            precision=self.ascii_precision,
            startup=self.factory_script(),
        )
        engine.crossings = 0
        return engine

    # --- what a model writes --------------------------------------------------------------------------------------

    @abstractmethod
    def tree(self) -> TspObject:
        """Return the model's own globals."""

    @abstractmethod
    def reset_model(self) -> None:
        """Bring the model's own settings to their reset values."""

    def factory_script(self) -> str:
        """Return the TSP functions that the instrument comes with."""
        return ""

    def conditions(self) -> Mapping[str, Callable[[], int]]:
        """Return the condition registers of the model's status tree, by dotted path."""
        return {}

    def complete(self) -> None:
        """Carry out overlapped operations that were started and not waited for."""

    # --- messages -------------------------------------------------------------------------------------------------

    def reset(self) -> None:
        """Reset everything: ``*RST`` and ``reset()``."""
        self._format.reset()
        self.reset_model()

    def power_cycle(self) -> None:
        """Lose scripts and variables too."""
        super().power_cycle()
        self._capture = None
        self.__dict__.pop("engine", None)

    def handle(self, message: str) -> None:
        """Obey one message; between ``loadscript`` and ``endscript`` it is a line of the script."""
        if self._capture is None:
            super().handle(message)
        elif message.strip() == "endscript":
            lines, self._capture = self._capture, None
            self._load("\n".join(lines))
        elif sum(map(len, self._capture)) + len(message) <= _MAX_SCRIPT:
            self._capture.append(message.rstrip("\r"))
        else:
            self._capture = None
            self.report(-286, "TSP Runtime error at line 1: not enough memory")

    def execute(self, message: str) -> None:
        """Run one chunk, or begin to take a script in."""
        self.circuit.clock.sleep(_MESSAGE_S)
        words = message.split(None, 2) if message.startswith("load") else []
        if words and words[0] in ("loadscript", "loadandrunscript") and len(words) <= 2:
            self._capture, self._capture_head = [], message
            return
        if message == "abort":
            return
        self.engine.run(message)
        self._after_chunk()

    def _load(self, source: str) -> None:
        word, _, name = self._capture_head.partition(" ")
        self.circuit.clock.sleep(_MESSAGE_S)
        if self.engine.define_script(name.strip(), source) and word == "loadandrunscript":
            self.engine.run_script()
            self._after_chunk()

    def obey(self, action: Callable[[], None]) -> None:
        """Do what may fail outside of a chunk; a fault goes into the error queue."""
        try:
            action()
        except TspFault as fault:
            self.report(fault.code, fault.text)

    def _after_chunk(self) -> None:
        self.obey(self.complete)
        count, self.engine.crossings = self.engine.crossings, 0
        self.circuit.clock.sleep(count * _STATEMENT_S)

    # --- the common part of the command tree ------------------------------------------------------------------------

    def _globals(self) -> TspObject:
        tree = self.tree()
        tree.functions.update(
            delay=self._delay,
            opc=self._opc,
            printbuffer=self._print_buffer,
            printnumber=self._print_number,
        )
        tree.functions.setdefault("waitcomplete", self.complete)
        tree.functions["reset"] = self.reset
        tree.children.update(
            beeper=beeper_tree(),
            display=display_tree(),
            errorqueue=self._error_queue_tree(),
            format=self._format.tree(),
            localnode=self._localnode_tree(),
            status=status_tree(self.status, self._byte, self.conditions()),
            timer=self._timer_tree(),
        )
        return tree

    def _delay(self, seconds: Value) -> None:
        duration_s = number(seconds, 0.0, 100_000.0)
        self.complete()
        self.circuit.clock.sleep(duration_s)

    def _opc(self) -> None:
        self.complete()
        self.common("*OPC")

    def _print_number(self, *values: Value) -> None:
        self.exchange.put(self._format.numbers([number(value) for value in values]))

    def _print_buffer(self, *arguments: Value) -> None:
        self.complete()
        first, last = (*arguments, None, None)[:2]
        columns = [self.engine.buffer(reference) for reference in arguments[2:]]
        self.exchange.put(self._format.numbers(self._format.rows(columns, first, last)))

    def _error_queue_tree(self) -> TspObject:
        tree = TspObject(getters={"count": lambda: len(self.errors)})
        tree.functions.update(next=self._next_error, clear=self.errors.clear)
        return tree

    def _byte(self) -> int:
        return self.status.byte(message_available=self.exchange.message_available, has_errors=len(self.errors) > 0)

    def _next_error(self) -> tuple[int, str, int, int]:
        entry = self.errors.pop()
        if entry.code == 0:
            return 0, "Queue Is Empty", 0, _NODE
        return entry.code, entry.text, _RECOVERABLE, _NODE

    def _localnode_tree(self) -> TspObject:
        tree = TspObject(
            getters={
                "model": lambda: self.model.rpartition(" ")[2],
                "serialno": lambda: self.serial,
                "revision": lambda: self.firmware,
                "description": lambda: f"{self.maker} {self.model}",
                "linefreq": lambda: self.line_frequency_hz,
            }
        )
        tree.setters["linefreq"] = self._set_line_frequency
        tree.functions["reset"] = self.reset
        for name in ("prompts", "prompts4882", "showerrors", "autolinefreq"):
            tree.hold(name, 0, lambda value: choice(value, (0, 1)))
        return tree

    def _set_line_frequency(self, value: Value) -> None:
        self.line_frequency_hz = choice(value, (50, 60))

    def _timer_tree(self) -> TspObject:
        now_s = self.circuit.clock.now_s

        def restart() -> None:
            self._timer_start_s = now_s()

        measure = TspObject(functions={"t": lambda: now_s() - self._timer_start_s})
        return TspObject(functions={"reset": restart}, children={"measure": measure})
