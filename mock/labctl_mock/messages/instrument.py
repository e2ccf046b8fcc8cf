"""Base of every simulated instrument: exchange, status and the common commands of IEEE 488.2 (section 10).

SCPI instruments build on :class:`labctl_mock.messages.scpi.ScpiInstrument`; TSP instruments build on this class
directly and get the commons before Lua. Not here: any instrument.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from math import inf
from typing import ClassVar

from labctl_mock.bench.terminals import Circuit, Terminal
from labctl_mock.messages.exchange import MessageExchange
from labctl_mock.messages.faults import MessageFault
from labctl_mock.messages.status import ErrorQueue, Status, StatusBit

__all__ = ["SimulatedInstrument"]


class SimulatedInstrument(ABC):
    """An instrument at the end of a cable: bytes in, bytes out, terminals on the bench circuit.

    A subclass sets :attr:`maker`, :attr:`model` and :attr:`firmware`, fills :attr:`terminals`, and writes
    :meth:`execute` and :meth:`reset`. Inside :meth:`execute` it answers with ``self.exchange.put(text)`` (one call per
    response message), reports with ``self.report(code, text)`` or raises :class:`~labctl_mock.messages.MessageFault`,
    and lets time pass with ``self.circuit.clock.sleep(duration_s)``.

    Parameters
    ----------
    key : str
        Name on the bench, such as ``"smu1"``; terminals are named ``"<key>.<channel>"``.
    circuit : Circuit
        The bench's one circuit, with its clock.
    serial : str
        Serial number for ``*IDN?``.
    seed : int, unit 1
        Seed of what differs from one specimen to the next, such as gain errors, and of its noise.
    options : mapping of str to object
        The other keys of the instrument's table in the bench file, such as ``cards`` of a matrix.

    Attributes
    ----------
    terminals : dict of str to Terminal
        Keyed by the terminal's full name, such as ``"smu1.a"``; empty for an instrument without outputs.
    exchange : MessageExchange
        Input buffer and output queue.
    status : Status
        Registers of IEEE 488.2.
    errors : ErrorQueue
        The error queue.
    """

    maker: ClassVar[str]
    model: ClassVar[str]
    firmware: ClassVar[str]
    error_capacity: ClassVar[int] = 20
    is_interruptible: ClassVar[bool] = True
    integer_format: ClassVar[str] = "{:d}"
    fault_kinds: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, key: str, circuit: Circuit, *, serial: str, seed: int, options: Mapping[str, object]) -> None:
        self.key = key
        self.circuit = circuit
        self.serial = serial
        self.seed = seed
        self.options = options
        self.terminals: dict[str, Terminal] = {}
        self.status = Status()
        self.errors = ErrorQueue(self.status, self.error_capacity)
        self.exchange = MessageExchange(self, is_interruptible=self.is_interruptible)
        self._awaits_completion = False
        self._commons: dict[str, Callable[[], str | None]] = {
            "*CLS": self.clear_status,
            "*ESE?": lambda: self._integer(self.status.event_enable),
            "*ESR?": self._read_events,
            "*IDN?": self.identification,
            "*OPC": self._arm_completion,
            "*OPC?": self._query_completion,
            "*RST": self._reset,
            "*SRE?": lambda: self._integer(self.status.service_enable),
            "*STB?": lambda: self._integer(self._status_byte()),
            "*TRG": self.on_trigger,
            "*TST?": lambda: self._integer(self.self_test()),
            "*WAI": self._wait,
        }

    def receive(self, data: bytes, end: bool) -> None:
        """Take bytes from the controller; ``end`` tells whether END came with the last one."""
        self.exchange.receive(data, end)

    def transmit(self, max_bytes: int, stop: int | None = None) -> tuple[bytes, bool]:
        """Give at most ``max_bytes`` bytes of the oldest response, up to ``stop``, and whether END comes with them."""
        chunk = self.exchange.transmit(max_bytes, stop)
        if self.status.service_enable:
            self._update_status()
        return chunk

    def clear(self) -> None:
        """Device clear: both queues emptied, a pending ``*OPC`` or ``*WAI`` dropped; settings and errors stay."""
        self.exchange.clear()
        self._awaits_completion = False

    def serial_poll(self) -> int:
        """Return the status byte with RQS in bit 6 and withdraw the request for service."""
        self.refresh_status()
        return self.status.poll(message_available=self.exchange.message_available, has_errors=len(self.errors) > 0)

    def requests_service(self) -> bool:
        """Tell whether the instrument asserts SRQ."""
        self._update_status()
        return self.status.requests_service

    def trigger(self) -> None:
        """Group execute trigger: the same as ``*TRG`` (IEEE 488.2 10.37)."""
        try:
            self.on_trigger()
        except MessageFault as fault:
            self.report(fault.code, detail=fault.detail)

    def power_cycle(self) -> None:
        """Lose power and come back: settings at their defaults, queues empty, enables 0, the event power-on set."""
        self.clear()
        self.reset()
        self.errors.clear()
        self.status.event_enable = self.status.service_enable = 0
        self.status.events = StatusBit.POWER_ON

    def fail(self, kind: str, value: str, message: str) -> None:
        """Break down in one of the ways that ``fault_kinds`` names.

        Parameters
        ----------
        kind, value : str
            As :mod:`labctl_mock.faults.kinds` describes them.
        message : str
            The message that is about to come.

        Raises
        ------
        ValueError
            If the instrument cannot break down so; always unless overridden.
        """
        raise ValueError(f"{self.key}: a {self.model} cannot have {kind!r}")

    def close(self) -> None:  # noqa: B027 - most instruments hold nothing
        """Release what the instrument holds outside of Python objects, if anything."""

    def message_end(self, buffer: bytes) -> int:
        """Return the index of the line feed that ends the first program message, -1 where there is none yet."""
        return buffer.find(b"\n")

    def handle(self, message: str) -> None:
        """Obey one program message: leading common commands here, the rest by :meth:`execute`.

        ``*CLS;*IDN?`` is two commons, whose responses leave as one message joined by ``;`` (IEEE 488.2 8.4.1); from the
        first unit that is none, everything goes to :meth:`execute` as one text.
        """
        text = message.strip()
        responses: list[str] = []
        try:
            while text.startswith("*"):
                unit, _, text = text.partition(";")
                response = self.common(unit)
                if response is not None:
                    responses.append(response)
                text = text.lstrip()
        except MessageFault as fault:
            text = ""
            self.report(fault.code, detail=fault.detail)
        if responses:
            self.exchange.put(";".join(responses))
        try:
            if text:
                self.execute(text)
        except MessageFault as fault:
            self.report(fault.code, detail=fault.detail)
        if self.status.service_enable:
            self._update_status()

    def report(self, code: int, text: str | None = None, *, detail: str = "") -> None:
        """Put an error into the queue and set its class's event bit.

        Parameters
        ----------
        code : int, unit 1
            Number of the error.
        text : str or None
            What the queue shows; None means SCPI-99's text, with ``detail`` after a semicolon.
        detail : str
            Device-dependent information.
        """
        self.errors.push(code, text, detail=detail)

    @abstractmethod
    def execute(self, message: str) -> None:
        """Obey a message, or the rest of one, in the instrument's own dialect.

        Raises
        ------
        MessageFault
            If the instrument cannot obey; it goes into the error queue.
        """

    @abstractmethod
    def reset(self) -> None:
        """Bring every setting to its ``*RST`` value; queues and status registers stay (IEEE 488.2 10.32)."""

    def on_trigger(self) -> None:
        """Obey ``*TRG`` or a group execute trigger.

        Raises
        ------
        MessageFault
            -211 where nothing waits for a trigger; always so unless overridden.
        """
        raise MessageFault(-211)

    def self_test(self) -> int:
        """Run ``*TST?``: 0 means passed."""
        return 0

    def idle_at_s(self) -> float:
        """Return the clock reading, unit s, at which every pending operation is over; inf if never."""
        return -inf

    def identification(self) -> str:
        """Return the answer to ``*IDN?``: maker, model, serial number, firmware (IEEE 488.2 10.14)."""
        return f"{self.maker},{self.model},{self.serial},{self.firmware}"

    def common(self, unit: str) -> str | None:
        """Obey one common command and return its response, None where there is none.

        Parameters
        ----------
        unit : str
            One program message unit without separators, such as ``"*ESE 255"``; the case does not matter.

        Raises
        ------
        MessageFault
            -113 for an unknown common, -108 and -109 for a parameter too many or too few, -104 for one that is no
            number, -222 for one outside 0 to 255.
        """
        header, _, argument = unit.strip().upper().partition(" ")
        argument = argument.strip()
        if header in ("*ESE", "*SRE"):
            self._set_enable(header, argument)
            return None
        command = self._commons.get(header)
        if command is None:
            raise MessageFault(-113, header)
        if argument:
            raise MessageFault(-108, argument)
        return command()

    def _integer(self, value: int) -> str:
        return self.integer_format.format(value)

    def _set_enable(self, header: str, argument: str) -> None:
        if not argument:
            raise MessageFault(-109, header)
        try:
            value = round(float(argument))
        except (ValueError, OverflowError):
            raise MessageFault(-104, argument) from None
        if not 0 <= value <= 255:
            raise MessageFault(-222, argument)
        if header == "*ESE":
            self.status.event_enable = value
        else:
            self.status.service_enable = value & ~StatusBit.REQUEST_SERVICE

    def clear_status(self) -> None:
        """Obey ``*CLS``: empty the error queue and clear the event registers (IEEE 488.2 10.3)."""
        self.errors.clear()
        self.status.events = 0
        self._awaits_completion = False  # IEEE 488.2 10.3: *CLS brings the *OPC states to idle

    def _read_events(self) -> str:
        self.refresh_status()
        value, self.status.events = self.status.events, 0
        return self._integer(value)

    def _reset(self) -> None:
        self._awaits_completion = False  # IEEE 488.2 10.32: so does *RST
        self.reset()

    def _arm_completion(self) -> None:
        self._awaits_completion = True
        self.refresh_status()

    def refresh_status(self) -> None:
        """Bring the event status register up to date; called before any status is shown."""
        if self._awaits_completion and self.circuit.clock.now_s() >= self.idle_at_s():
            self._awaits_completion = False
            self.status.events |= StatusBit.OPERATION_COMPLETE

    def _query_completion(self) -> str | None:
        self._wait()
        return None if self.idle_at_s() == inf else "1"

    def _wait(self) -> None:
        idle_at_s = self.idle_at_s()
        if idle_at_s == inf:
            self.exchange.hold()
        elif idle_at_s > (now_s := self.circuit.clock.now_s()):
            self.circuit.clock.sleep(idle_at_s - now_s)

    def _status_byte(self) -> int:
        self.refresh_status()
        return self.status.byte(message_available=self.exchange.message_available, has_errors=len(self.errors) > 0)

    def _update_status(self) -> None:
        self.refresh_status()
        self.status.update(message_available=self.exchange.message_available, has_errors=len(self.errors) > 0)
