"""Status of a simulated instrument: the error queue, the registers of IEEE 488.2 and SCPI's event registers.

Not here: when they change (:mod:`labctl_mock.messages.exchange`, :mod:`labctl_mock.messages.instrument`).
"""

from collections import deque
from dataclasses import dataclass

from labctl_mock.messages.faults import event_bit, fault_text

__all__ = ["ErrorEntry", "ErrorQueue", "EventRegister", "Status", "StatusBit"]


class StatusBit:
    """Bits of the status byte (IEEE 488.2 11.2.1, SCPI-99 volume 1 section 9) and of the event status register."""

    ERROR_QUEUE = 0x04
    QUESTIONABLE = 0x08
    MESSAGE_AVAILABLE = 0x10
    EVENT_SUMMARY = 0x20
    REQUEST_SERVICE = 0x40
    OPERATION = 0x80

    OPERATION_COMPLETE = 0x01
    POWER_ON = 0x80


@dataclass(frozen=True, slots=True)
class ErrorEntry:
    """One entry of an error queue.

    Attributes
    ----------
    code : int, unit 1
        Number of the error, 0 when the queue was empty.
    text : str
        What the instrument says of it.
    """

    code: int
    text: str


class Status:
    """The standard event status register, the status byte and the request for service.

    Attributes
    ----------
    events : int, unit 1
        Standard event status register (ESR). Starts with the power-on bit set (IEEE 488.2 11.5.1.1.2).
    event_enable : int, unit 1
        ESE, 0 to 255.
    service_enable : int, unit 1
        SRE, 0 to 255 without bit 6 (IEEE 488.2 11.3.2.2).
    extra : int, unit 1
        Bits of the status byte that the instrument itself keeps, such as summaries of SCPI registers.
    """

    __slots__ = ("_previous", "_request", "event_enable", "events", "extra", "service_enable")

    def __init__(self) -> None:
        self.events = StatusBit.POWER_ON
        self.event_enable = 0
        self.service_enable = 0
        self.extra = 0
        self._previous = 0
        self._request = False

    def byte(self, *, message_available: bool, has_errors: bool) -> int:
        """Return the status byte with MSS in bit 6, as ``*STB?`` shows it (IEEE 488.2 11.2.2.2)."""
        value = self.extra
        if has_errors:
            value |= StatusBit.ERROR_QUEUE
        if message_available:
            value |= StatusBit.MESSAGE_AVAILABLE
        if self.events & self.event_enable:
            value |= StatusBit.EVENT_SUMMARY
        if value & self.service_enable:
            value |= StatusBit.REQUEST_SERVICE
        return value

    def update(self, *, message_available: bool, has_errors: bool) -> None:
        """Latch a request for service if a new reason appeared (IEEE 488.2 11.3.3.1); call it after each change."""
        reasons = self.byte(message_available=message_available, has_errors=has_errors) & self.service_enable
        if reasons & ~self._previous:
            self._request = True
        elif not reasons:
            self._request = False
        self._previous = reasons

    @property
    def requests_service(self) -> bool:
        """Whether SRQ is asserted."""
        return self._request

    def poll(self, *, message_available: bool, has_errors: bool) -> int:
        """Return the status byte with RQS in bit 6 and withdraw the request, as a serial poll does (11.2.2.1)."""
        self.update(message_available=message_available, has_errors=has_errors)
        value = self.byte(message_available=message_available, has_errors=has_errors) & ~StatusBit.REQUEST_SERVICE
        if self._request:
            value |= StatusBit.REQUEST_SERVICE
            self._request = False
        return value


class ErrorQueue:
    """First-in first-out queue of errors that turns its last entry into -350 when it overflows.

    Parameters
    ----------
    status : Status
        Its event status register gets the bit of each error's class.
    capacity : int, unit 1
        Number of entries, the overflow mark included (SCPI-99 21.8.1: at least two).
    """

    __slots__ = ("_capacity", "_entries", "_status")

    def __init__(self, status: Status, capacity: int) -> None:
        self._status = status
        self._capacity = capacity
        self._entries: deque[ErrorEntry] = deque()

    def __len__(self) -> int:
        return len(self._entries)

    def push(self, code: int, text: str | None = None, *, detail: str = "") -> None:
        """Append an error; ``text`` None takes SCPI-99's, with ``detail`` after a semicolon."""
        self._status.events |= event_bit(code)
        if len(self._entries) >= self._capacity:
            # SCPI-99 21.8.1: the last entry becomes -350; errors that come later are lost
            self._entries[-1] = ErrorEntry(-350, fault_text(-350))
            self._status.events |= event_bit(-350)
            return
        self._entries.append(ErrorEntry(code, fault_text(code, detail) if text is None else text))

    def pop(self) -> ErrorEntry:
        """Remove and return the oldest entry; code 0, "No error", when there is none."""
        return self._entries.popleft() if self._entries else ErrorEntry(0, fault_text(0))

    def clear(self) -> None:
        """Forget every entry; the event status register stays."""
        self._entries.clear()


@dataclass(slots=True)
class EventRegister:
    """Condition, event and enable of one SCPI status register; positive transitions only.

    Attributes
    ----------
    condition, event, enable : int, unit 1
        15-bit registers (SCPI-99 volume 1, section 9.1).
    """

    condition: int = 0
    event: int = 0
    enable: int = 0

    def set_condition(self, bits: int) -> None:
        """Set the condition register and latch the bits that rose."""
        self.event |= bits & ~self.condition
        self.condition = bits

    def read_event(self) -> int:
        """Return the event register and clear it (SCPI-99 volume 2, 20.1.4)."""
        value, self.event = self.event, 0
        return value

    @property
    def summary(self) -> bool:
        """Whether an enabled event is set."""
        return bool(self.event & self.enable)
