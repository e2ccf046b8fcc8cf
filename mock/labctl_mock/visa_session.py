"""One VISA session to a simulated instrument: reading, writing, attributes, lock and service requests of VPP-4.3.

Not here: the functions that PyVISA calls (:mod:`labctl_mock.visa`) and the instruments.
"""

from dataclasses import dataclass, field
from math import inf
from typing import Any

from pyvisa import constants, rname
from pyvisa.constants import ResourceAttribute, StatusCode

from labctl.clock import VirtualClock
from labctl_mock.faults import FaultyInstrument

__all__ = ["InstrumentSession", "ResourceLock"]

_INFINITE_MS = constants.VI_TMO_INFINITE
_READ_ONLY = frozenset(
    {
        ResourceAttribute.resource_name,
        ResourceAttribute.resource_class,
        ResourceAttribute.interface_type,
        ResourceAttribute.interface_number,
        ResourceAttribute.resource_lock_state,
        ResourceAttribute.resource_manufacturer_name,
        ResourceAttribute.resource_spec_version,
        ResourceAttribute.resource_impl_version,
    }
)


@dataclass(slots=True)
class ResourceLock:
    """Who has locked a resource (VPP-4.3 section 3.6).

    Attributes
    ----------
    exclusive : int or None
        Session that holds the exclusive lock.
    shared : set of int
        Sessions that share a lock.
    key : str
        Access key of the shared lock.
    """

    exclusive: int | None = None
    shared: set[int] = field(default_factory=set)
    key: str = ""

    def admits(self, session: int) -> bool:
        """Tell whether ``session`` may read and write."""
        if self.exclusive is not None:
            return self.exclusive == session
        return not self.shared or session in self.shared

    def release(self, session: int) -> bool:
        """Give up what ``session`` holds; False when it held nothing."""
        if self.exclusive == session:
            self.exclusive = None
            return True
        if session in self.shared:
            self.shared.remove(session)
            return True
        return False


class InstrumentSession:
    """A session to one instrument.

    Parameters
    ----------
    number : int
        VISA session handle.
    instrument : FaultyInstrument
        The link to the instrument.
    clock : VirtualClock
        A time-out lets its time pass here.
    lock : ResourceLock
        Shared by the sessions of one resource.
    name : str
        Canonical resource name.
    generation : int, unit 1
        Of the connection; a link whose generation is another has lost it.

    Attributes
    ----------
    enabled_events : set of int
        Event types that are queued.
    """

    def __init__(
        self,
        number: int,
        instrument: FaultyInstrument,
        clock: VirtualClock,
        lock: ResourceLock,
        name: str,
        generation: int = 0,
    ) -> None:
        self.number = number
        self.instrument = instrument
        self.lock = lock
        self.enabled_events: set[int] = set()
        self._clock = clock
        self._generation = generation
        parsed = rname.ResourceName.from_string(name)
        # raw sockets carry no END: a message ends with a line feed only, a read with the termination character
        self._has_end = parsed.resource_class != "SOCKET"
        self._attributes: dict[int, Any] = {
            ResourceAttribute.resource_name: name,
            ResourceAttribute.resource_class: parsed.resource_class,
            ResourceAttribute.interface_type: parsed.interface_type_const,
            ResourceAttribute.interface_number: int(getattr(parsed, "board", 0) or 0),
            ResourceAttribute.resource_lock_state: constants.AccessModes.no_lock,
            ResourceAttribute.resource_manufacturer_name: "labctl",
            ResourceAttribute.resource_spec_version: 0x00700200,
            ResourceAttribute.resource_impl_version: 1,
            ResourceAttribute.timeout_value: 2000,
            ResourceAttribute.termchar: ord("\n"),
            ResourceAttribute.termchar_enabled: constants.VI_FALSE,
            ResourceAttribute.send_end_enabled: constants.VI_TRUE,
            ResourceAttribute.suppress_end_enabled: constants.VI_FALSE,
            ResourceAttribute.io_prot: constants.IOProtocol.normal,
            ResourceAttribute.user_data: 0,
            ResourceAttribute.max_queue_length: 50,
        }

    def read(self, count: int) -> tuple[bytes, StatusCode]:
        """Read up to END, the termination character if it is enabled, or ``count`` bytes (VPP-4.3 rules 6.1.1-6.1.6).

        A time-out lets the session's time-out pass on the bench's clock.
        """
        if self._is_lost:
            return b"", StatusCode.error_connection_lost
        attributes = self._attributes
        stop = attributes[ResourceAttribute.termchar] if attributes[ResourceAttribute.termchar_enabled] else None
        self._wait_for_reply(attributes[ResourceAttribute.timeout_value])
        if not self._has_end and (stop is None or not self.instrument.exchange.message_available):
            if stop is None:
                self.instrument.exchange.discard_output()  # it arrived, but nothing says that it is complete
            return self._time_out()
        if self.instrument.wait_s() not in (0.0, inf):
            return self._time_out()
        data, end = self.instrument.transmit(count, stop)
        if not data:
            return self._time_out()
        if end and self._has_end:
            return data, StatusCode.success  # rule 6.1.4: END comes before the termination character
        if stop is not None and data[-1] == stop:
            return data, StatusCode.success_termination_character_read
        return data, StatusCode.success_max_count_read

    @property
    def _is_lost(self) -> bool:
        return self._generation != self.instrument.generation

    def _wait_for_reply(self, timeout_ms: int) -> None:
        """Let the time pass until a reply that is under way is there, if that is before the time-out."""
        wait_s = self.instrument.wait_s()
        if 0.0 < wait_s < inf and (timeout_ms == _INFINITE_MS or wait_s <= timeout_ms / 1000.0):
            self._clock.sleep(wait_s)

    def clear(self) -> StatusCode:
        """Clear the device (viClear)."""
        if self._is_lost:
            return StatusCode.error_connection_lost
        self.instrument.clear()
        return StatusCode.success

    def poll(self) -> tuple[int, StatusCode]:
        """Return the status byte of a serial poll (viReadSTB)."""
        if self._is_lost:
            return 0, StatusCode.error_connection_lost
        return self.instrument.serial_poll(), StatusCode.success

    def hang_up(self) -> None:
        """End the connection: a raw socket loses what it has not read."""
        if not self._has_end and not self._is_lost:
            self.instrument.disconnect()

    def _time_out(self) -> tuple[bytes, StatusCode]:
        self.wait_out(self._attributes[ResourceAttribute.timeout_value])
        return b"", StatusCode.error_timeout

    def wait_out(self, timeout_ms: int) -> None:
        """Let a time-out pass on the clock; an infinite one would stop a real program for ever, so it passes none."""
        if timeout_ms != _INFINITE_MS:
            self._clock.sleep(timeout_ms / 1000.0)

    def write(self, data: bytes) -> tuple[int, StatusCode]:
        """Send ``data``; END goes with the last byte unless VI_ATTR_SEND_END_EN is false (VPP-4.3 rule 6.1.10)."""
        if self._is_lost:
            return 0, StatusCode.error_connection_lost
        end = self._has_end and bool(self._attributes[ResourceAttribute.send_end_enabled])
        self.instrument.receive(data, end)
        return len(data), StatusCode.success

    def get_attribute(self, attribute: int) -> tuple[Any, StatusCode]:
        """Return the state of an attribute (viGetAttribute)."""
        if attribute == ResourceAttribute.resource_lock_state:
            return self._lock_state(), StatusCode.success
        try:
            return self._attributes[attribute], StatusCode.success
        except KeyError:
            return None, StatusCode.error_nonsupported_attribute

    def set_attribute(self, attribute: int, state: object) -> StatusCode:
        """Set an attribute (viSetAttribute)."""
        if attribute in _READ_ONLY:
            return StatusCode.error_attribute_read_only
        if attribute not in self._attributes:
            return StatusCode.error_nonsupported_attribute
        self._attributes[attribute] = state
        return StatusCode.success

    def _lock_state(self) -> constants.AccessModes:
        if self.lock.exclusive is not None:
            return constants.AccessModes.exclusive_lock
        return constants.AccessModes.shared_lock if self.lock.shared else constants.AccessModes.no_lock
