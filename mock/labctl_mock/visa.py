"""PyVISA backend of the simulated bench, in process: ``pyvisa.ResourceManager("tiox-32x32@labctl")``.

The part before ``@`` is a bench's name or the path of a bench file. Each resource manager opens a bench of its own and
closes it, which saves the die, when it is closed. Not here: sessions (:mod:`labctl_mock.visa_session`), instruments and
the bench; transports over the network.

Rules: VPP-4.3 (the VISA library). Asynchronous I/O, event handlers (queued events only) and serial port attributes
are not imitated.
"""

from collections.abc import Mapping
from itertools import count
from typing import Any, Protocol

from pyvisa import constants, rname
from pyvisa.constants import EventType, StatusCode
from pyvisa.highlevel import VisaLibraryBase
from pyvisa.typing import VISAEventContext, VISARMSession, VISASession
from pyvisa.util import LibraryPath

from labctl.clock import VirtualClock
from labctl.errors import StationError
from labctl_mock.faults import FaultyInstrument
from labctl_mock.messages import SimulatedInstrument
from labctl_mock.visa_session import InstrumentSession, ResourceLock

__all__ = ["LabctlVisaLibrary", "OpenBench"]


class OpenBench(Protocol):
    """What the backend asks of a bench."""

    clock: VirtualClock

    @property
    def instruments(self) -> Mapping[str, SimulatedInstrument]:
        """Instruments by key."""
        ...

    def link(self, key: str) -> FaultyInstrument:
        """Return the cable to an instrument."""
        ...

    def inject_faults(self, spec: str) -> None:
        """Let faults happen from now on."""
        ...

    def insert_die(self, name: str) -> None:
        """Put another die into the socket."""
        ...

    @property
    def resources(self) -> Mapping[str, str]:
        """Key of the instrument by resource name."""
        ...

    def info(self) -> dict[str, object]:
        """Return name, file, seed, effects and ``simulated``."""
        ...

    def close(self) -> None:
        """Save the die and let go of everything."""
        ...


class LabctlVisaLibrary(VisaLibraryBase):
    """The VISA library of one simulated bench.

    Attributes
    ----------
    clock : VirtualClock
        The bench's clock; there once the resource manager is open.
    bench_info : dict
        What the bench tells of itself: name, file, seed, effects, ``simulated``.
    """

    clock: VirtualClock
    bench_info: dict[str, object]

    def __new__(cls, library_path: str | LibraryPath = "") -> "LabctlVisaLibrary":
        """Create a library for the bench ``library_path``; never one that is in use.

        Raises
        ------
        StationError
            If no bench is named.
        """
        if not library_path:
            raise StationError(
                "simulated bench: its name or the path of its file must stand before @labctl, got '@labctl'; "
                "write for instance 'tiox-32x32@labctl'"
            )
        path = library_path if isinstance(library_path, LibraryPath) else LibraryPath(library_path, "user specified")
        # PyVISA hands out one library per path; here each resource manager has a bench, and a clock, of its own
        cls._registry.pop((cls, path), None)
        library = super().__new__(cls, path)
        assert isinstance(library, cls)
        return library

    def _init(self) -> None:
        self._bench: OpenBench | None = None
        self._manager_session = 0
        self._sessions: dict[int, InstrumentSession] = {}
        self._contexts: dict[int, EventType] = {}
        self._locks: dict[str, ResourceLock] = {}
        self._handles = count(1)

    def open_bench(self) -> OpenBench:
        """Open the bench that the library path names.

        Raises
        ------
        StationError
            If there is no such bench or its file is wrong.
        """
        from labctl_mock.bench.bench import Bench

        return Bench.open(str(self.library_path))

    def inject_faults(self, spec: str) -> None:
        """Let faults happen on the open bench from now on.

        Parameters
        ----------
        spec : str
            See :mod:`labctl_mock.faults.plan`.

        Raises
        ------
        StationError
            If the spec is wrong, or no resource manager is open.
        """
        if self._bench is None:
            raise StationError("simulated bench: it is closed; open a resource manager before faults are injected")
        self._bench.inject_faults(spec)

    def insert_die(self, name: str) -> None:
        """Put another die into the socket of the open bench; ``bench_info`` tells of it from then on.

        Parameters
        ----------
        name : str
            See :meth:`labctl_mock.bench.bench.Bench.insert_die`.

        Raises
        ------
        StationError
            If that cannot be, or no resource manager is open.
        """
        if self._bench is None:
            raise StationError("simulated bench: it is closed; open a resource manager before the die is changed")
        self._bench.insert_die(name)
        self.bench_info = self._bench.info()

    def open_default_resource_manager(self) -> tuple[VISARMSession, StatusCode]:
        """Open the bench (viOpenDefaultRM)."""
        self._bench = self.open_bench()
        self.clock = self._bench.clock
        self.bench_info = self._bench.info()
        self._manager_session = next(self._handles)
        session = VISARMSession(self._manager_session)
        return session, self.handle_return_value(session, StatusCode.success)

    def list_resources(self, session: VISARMSession, query: str = "?*::INSTR") -> tuple[str, ...]:
        """Return the bench's resource names that match the VISA expression ``query`` (viFindRsrc)."""
        return rname.filter(self._open_bench(session).resources, query)

    def open(
        self,
        session: VISARMSession,
        resource_name: str,
        access_mode: constants.AccessModes = constants.AccessModes.no_lock,
        open_timeout: int = constants.VI_TMO_IMMEDIATE,
    ) -> tuple[VISASession, StatusCode]:
        """Open a session to an instrument (viOpen)."""
        bench = self._open_bench(session)
        try:
            name = rname.to_canonical_name(resource_name)
        except rname.InvalidResourceName:
            return VISASession(0), self.handle_return_value(session, StatusCode.error_invalid_resource_name)
        keys = {rname.to_canonical_name(known): key for known, key in bench.resources.items()}
        if name not in keys:
            return VISASession(0), self.handle_return_value(session, StatusCode.error_resource_not_found)
        lock = self._locks.setdefault(name, ResourceLock())
        if access_mode == constants.AccessModes.exclusive_lock and (lock.exclusive is not None or lock.shared):
            return VISASession(0), self.handle_return_value(session, StatusCode.error_resource_busy)
        link = bench.link(keys[name])
        generation = link.connect()
        if generation is None:
            return VISASession(0), self.handle_return_value(session, StatusCode.error_resource_not_found)
        number = next(self._handles)
        opened = InstrumentSession(number, link, bench.clock, lock, name, generation)
        self._sessions[number] = opened
        if access_mode == constants.AccessModes.exclusive_lock:
            lock.exclusive = number
        return VISASession(number), self.handle_return_value(session, StatusCode.success)

    def close(self, session: VISASession | VISARMSession | VISAEventContext) -> StatusCode:
        """Close a session, an event, or with the resource manager the bench (viClose)."""
        number = int(session)
        if number in self._sessions:
            closed = self._sessions.pop(number)
            closed.lock.release(number)
            closed.hang_up()
        elif number in self._contexts:
            del self._contexts[number]
        elif self._bench is not None and number == self._manager_session:
            bench, self._bench = self._bench, None
            self._sessions.clear()
            bench.close()
        else:
            return self.handle_return_value(None, StatusCode.error_invalid_object)
        return self.handle_return_value(session, StatusCode.success)

    def read(self, session: VISASession, count: int) -> tuple[bytes, StatusCode]:
        """Read at most ``count`` bytes (viRead)."""
        found = self._session(session)
        data, status = found.read(count)
        return data, self.handle_return_value(session, status)

    def write(self, session: VISASession, data: bytes) -> tuple[int, StatusCode]:
        """Write ``data`` (viWrite)."""
        found = self._session(session)
        written, status = found.write(data)
        return written, self.handle_return_value(session, status)

    def clear(self, session: VISASession) -> StatusCode:
        """Clear the device (viClear)."""
        return self.handle_return_value(session, self._session(session).clear())

    def read_stb(self, session: VISASession) -> tuple[int, StatusCode]:
        """Return the status byte of a serial poll (viReadSTB)."""
        status_byte, status = self._session(session).poll()
        return status_byte, self.handle_return_value(session, status)

    def assert_trigger(self, session: VISASession, protocol: constants.TriggerProtocol) -> StatusCode:
        """Send a group execute trigger (viAssertTrigger)."""
        found = self._session(session)
        if protocol != constants.TriggerProtocol.default:
            return self.handle_return_value(session, StatusCode.error_invalid_protocol)
        found.instrument.trigger()
        return self.handle_return_value(session, StatusCode.success)

    def flush(self, session: VISASession, mask: constants.BufferOperation) -> StatusCode:
        """Do nothing (viFlush): the backend keeps no formatted buffers."""
        self._session(session)
        return self.handle_return_value(session, StatusCode.success)

    def gpib_control_ren(self, session: VISASession, mode: constants.RENLineOperation) -> StatusCode:
        """Do nothing (viGpibControlREN): the instruments have no front panel to lock."""
        self._session(session)
        return self.handle_return_value(session, StatusCode.success)

    def get_attribute(
        self,
        session: VISASession | VISAEventContext | VISARMSession,
        attribute: constants.ResourceAttribute | constants.EventAttribute,
    ) -> tuple[Any, StatusCode]:
        """Return an attribute of a session or an event (viGetAttribute)."""
        number = int(session)
        if number in self._contexts:
            if attribute == constants.EventAttribute.event_type:
                return self._contexts[number], self.handle_return_value(session, StatusCode.success)
            return None, self.handle_return_value(session, StatusCode.error_nonsupported_attribute)
        state, status = self._session(session, is_io=False).get_attribute(attribute)
        return state, self.handle_return_value(session, status)

    def set_attribute(
        self, session: VISASession, attribute: constants.ResourceAttribute, attribute_state: Any
    ) -> StatusCode:
        """Set an attribute of a session (viSetAttribute)."""
        status = self._session(session, is_io=False).set_attribute(attribute, attribute_state)
        return self.handle_return_value(session, status)

    def lock(
        self, session: VISASession, lock_type: constants.Lock, timeout: int, requested_key: str | None = None
    ) -> tuple[str, StatusCode]:
        """Lock a resource (viLock); a lock that another session holds costs the time-out on the clock."""
        found = self._session(session, is_io=False)
        lock = found.lock
        is_exclusive = lock_type == constants.Lock.exclusive
        others = (lock.shared - {found.number}) if is_exclusive else set()
        is_foreign_key = bool(lock.shared) and not is_exclusive and requested_key != lock.key
        if lock.exclusive not in (None, found.number) or others or is_foreign_key:
            found.wait_out(timeout)
            return "", self.handle_return_value(session, StatusCode.error_resource_locked)
        if is_exclusive:
            lock.exclusive = found.number
            return "", self.handle_return_value(session, StatusCode.success)
        lock.key = requested_key or f"labctl-{found.number}"
        lock.shared.add(found.number)
        return lock.key, self.handle_return_value(session, StatusCode.success)

    def unlock(self, session: VISASession) -> StatusCode:
        """Give a lock up (viUnlock)."""
        found = self._session(session, is_io=False)
        is_released = found.lock.release(found.number)
        return self.handle_return_value(
            session, StatusCode.success if is_released else StatusCode.error_session_not_locked
        )

    def enable_event(
        self,
        session: VISASession,
        event_type: EventType,
        mechanism: constants.EventMechanism,
        context: None = None,
    ) -> StatusCode:
        """Queue events of a type (viEnableEvent); only service requests, only the queue."""
        found = self._session(session, is_io=False)
        if event_type != EventType.service_request:
            return self.handle_return_value(session, StatusCode.error_invalid_event)
        if mechanism != constants.EventMechanism.queue:
            return self.handle_return_value(session, StatusCode.error_nonsupported_mechanism)
        found.enabled_events.add(event_type)
        return self.handle_return_value(session, StatusCode.success)

    def disable_event(
        self, session: VISASession, event_type: EventType, mechanism: constants.EventMechanism
    ) -> StatusCode:
        """Queue no more events of a type (viDisableEvent)."""
        events = self._session(session, is_io=False).enabled_events
        if event_type == EventType.all_enabled:
            events.clear()
        events.discard(event_type)
        return self.handle_return_value(session, StatusCode.success)

    def discard_events(
        self, session: VISASession, event_type: EventType, mechanism: constants.EventMechanism
    ) -> StatusCode:
        """Do nothing (viDiscardEvents): a request for service stays with the instrument until it is polled."""
        self._session(session, is_io=False)
        return self.handle_return_value(session, StatusCode.success)

    def wait_on_event(
        self, session: VISASession, in_event_type: EventType, timeout: int
    ) -> tuple[EventType, VISAEventContext, StatusCode]:
        """Wait for a service request (viWaitOnEvent); the time-out passes on the clock at once."""
        found = self._session(session, is_io=False)
        if not found.enabled_events:
            status = self.handle_return_value(session, StatusCode.error_not_enabled)
            return in_event_type, VISAEventContext(0), status
        if not found.instrument.requests_service():
            found.wait_out(timeout)
            if not found.instrument.requests_service():
                status = self.handle_return_value(session, StatusCode.error_timeout)
                return in_event_type, VISAEventContext(0), status
        context = VISAEventContext(next(self._handles))
        self._contexts[context] = EventType.service_request
        return EventType.service_request, context, self.handle_return_value(session, StatusCode.success)

    def _open_bench(self, session: VISARMSession) -> OpenBench:
        if self._bench is None or session != self._manager_session:
            self.handle_return_value(None, StatusCode.error_invalid_object)
        assert self._bench is not None
        return self._bench

    def _session(
        self, session: VISASession | VISAEventContext | VISARMSession, *, is_io: bool = True
    ) -> InstrumentSession:
        """Find a session; raises VisaIOError for a closed one and, for input and output, where another holds a lock."""
        found = self._sessions.get(session)
        if found is None:
            self.handle_return_value(None, StatusCode.error_invalid_object)
            raise AssertionError  # handle_return_value raises on every negative status
        if is_io and not found.lock.admits(found.number):
            self.handle_return_value(session, StatusCode.error_resource_locked)
        return found
