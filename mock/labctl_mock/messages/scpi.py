"""A SCPI instrument: program messages cut into units, paths, dispatch, and the commands that SCPI-99 requires.

Not here: the exchange of bytes and the common commands (:mod:`labctl_mock.messages.instrument`), the tree
(:mod:`labctl_mock.messages.tree`).
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from labctl_mock.bench.terminals import Circuit
from labctl_mock.messages.faults import MessageFault
from labctl_mock.messages.instrument import SimulatedInstrument
from labctl_mock.messages.lexer import message_end, split
from labctl_mock.messages.numeric import Integer
from labctl_mock.messages.parameters import Parameter
from labctl_mock.messages.status import EventRegister, StatusBit
from labctl_mock.messages.tree import Command, CommandTree

__all__ = ["ScpiInstrument"]


class ScpiInstrument(SimulatedInstrument):
    """Base of simulated instruments that speak SCPI.

    A subclass writes :meth:`commands`, :meth:`reset` and, where it has triggers, ``on_trigger``. Each obeyed unit lets
    :attr:`write_time_s` or :attr:`query_time_s` pass on the bench's clock.

    Parameters
    ----------
    key, circuit, serial, seed, options
        As :class:`~labctl_mock.messages.SimulatedInstrument`.

    Attributes
    ----------
    operation, questionable : EventRegister
        SCPI's two status registers, summed up in bits 7 and 3 of the status byte.
    """

    write_time_s: ClassVar[float] = 0.0
    query_time_s: ClassVar[float] = 0.0
    scpi_version: ClassVar[str] = "1999.0"

    def __init__(self, key: str, circuit: Circuit, *, serial: str, seed: int, options: Mapping[str, object]) -> None:
        super().__init__(key, circuit, serial=serial, seed=seed, options=options)
        self.operation = EventRegister()
        self.questionable = EventRegister()
        self._tree = CommandTree([*self._required_commands(), *self.commands()])

    @abstractmethod
    def commands(self) -> list[Command]:
        """Return the instrument's commands; ``SYSTem:ERRor``, ``SYSTem:VERSion`` and ``STATus`` are there already."""

    def message_end(self, buffer: bytes) -> int:
        """Return the index of the line feed that ends the first program message, outside of blocks; -1 if none."""
        return message_end(buffer)

    def handle(self, message: str) -> None:
        """Obey one program message; its responses leave as one response message joined by ``;`` (488.2 8.4.1)."""
        self.execute(message)
        if self.status.service_enable:
            self._update_status()

    def execute(self, message: str) -> None:
        """Obey the units of a message in turn.

        A command error (-100 to -199) ends the message, since the parser has lost its place (IEEE 488.2
        6.1.6.1.1); after an execution error the next unit is obeyed.
        """
        responses: list[str] = []
        path = ""
        try:
            for unit in split(message, ";"):
                path = self._obey_unit(unit.strip(), path, responses)
                if self.exchange.is_held:
                    return
        except MessageFault as fault:
            self.report(fault.code, detail=fault.detail)
        if responses:
            self.exchange.put(";".join(responses))

    def _obey_unit(self, unit: str, path: str, responses: list[str]) -> str:
        """Obey one unit and return the path for the next."""
        if not unit:
            return path
        header, _, argument = unit.partition(" ")
        if header[0] == "*":
            # SCPI-99 volume 1, 6.2.4: common commands leave the path as it is
            self._obey(None, unit, "", responses)
            return path
        if "\t" in header:
            header, _, argument = unit.replace("\t", " ").partition(" ")
        full = header[1:] if header[0] == ":" else path + header
        self._obey(full, unit, argument.strip(), responses)
        return full[: full.rfind(":") + 1]

    def _obey(self, header: str | None, unit: str, argument: str, responses: list[str]) -> None:
        try:
            if header is None:
                self.circuit.clock.sleep(self.write_time_s)
                response = self.common(unit)
            else:
                handler, parameters, suffixes, is_query = self._tree.find(header)
                self.circuit.clock.sleep(self.query_time_s if is_query else self.write_time_s)
                values = _values(argument, parameters) if parameters or argument else ()
                response = handler(*suffixes, *values)
        except MessageFault as fault:
            if -200 < fault.code <= -100:
                raise
            self.report(fault.code, detail=fault.detail)
            return
        if response is not None:
            responses.append(response)

    def refresh_status(self) -> None:
        """Bring the event status register and the summaries of SCPI's registers up to date."""
        super().refresh_status()
        extra = StatusBit.OPERATION if self.operation.summary else 0
        if self.questionable.summary:
            extra |= StatusBit.QUESTIONABLE
        self.status.extra = extra

    def clear_status(self) -> None:
        """Obey ``*CLS``: SCPI's event registers too (SCPI-99 volume 1, 4.1.3.3)."""
        super().clear_status()
        self.operation.event = self.questionable.event = 0

    def _required_commands(self) -> list[Command]:
        commands = [
            Command("SYSTem:ERRor[:NEXT]", query=self._next_error),
            Command("SYSTem:ERRor:COUNt", query=lambda: self.integer_format.format(len(self.errors))),
            Command("SYSTem:VERSion", query=lambda: self.scpi_version),
            Command("STATus:PRESet", write=self._preset_status),
        ]
        for name, register in (("OPERation", self.operation), ("QUEStionable", self.questionable)):
            commands += [
                Command(f"STATus:{name}[:EVENt]", query=self._event_query(register)),
                Command(f"STATus:{name}:CONDition", query=self._condition_query(register)),
                Command(
                    f"STATus:{name}:ENABle",
                    write=self._enable_writer(register),
                    parameters=(Integer(limits=()),),
                    query=self._enable_query(register),
                ),
            ]
        return commands

    def _next_error(self) -> str:
        entry = self.errors.pop()
        text = entry.text.replace('"', '""')
        return f'{self.integer_format.format(entry.code)},"{text}"'

    def _preset_status(self) -> None:
        self.operation.enable = self.questionable.enable = 0  # SCPI-99 volume 2, 20.2

    def _event_query(self, register: EventRegister) -> Callable[[], str]:
        return lambda: self.integer_format.format(register.read_event())

    def _condition_query(self, register: EventRegister) -> Callable[[], str]:
        return lambda: self.integer_format.format(register.condition)

    def _enable_query(self, register: EventRegister) -> Callable[[], str]:
        return lambda: self.integer_format.format(register.enable)

    def _enable_writer(self, register: EventRegister) -> Callable[[float], None]:
        def write(value: float) -> None:
            if not 0 <= value <= 65535:
                raise MessageFault(-222, f"{value:g}")
            register.enable = int(value) & 0x7FFF  # bit 15 is never used (SCPI-99 volume 1, 9.1)

        return write


def _values(argument: str, parameters: tuple[Parameter, ...]) -> Sequence[object]:
    """Parse the data of one unit; too many elements are -108, too few -109."""
    if not parameters:
        raise MessageFault(-108, argument[:40])
    if not argument:
        texts = []
    elif "," not in argument:
        texts = [argument]
    else:
        texts = split(argument, ",")
        if len(texts) > len(parameters):
            if not parameters[-1].takes_rest:
                raise MessageFault(-108, texts[len(parameters)].strip()[:40])
            last = len(parameters) - 1
            texts[last:] = [",".join(texts[last:])]
    values: list[object] = []
    for parameter, text in zip(parameters, texts, strict=False):
        element = text.strip()
        if not element:
            raise MessageFault(-109)
        values.append(parameter.parse(element))
    if len(texts) < len(parameters) and not parameters[len(texts)].is_optional:
        raise MessageFault(-109)
    return values
