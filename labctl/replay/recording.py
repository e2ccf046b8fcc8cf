"""A VISA library that passes everything on to another one and writes down what goes to and fro.

``pyvisa.ResourceManager("record:traffic.jsonl>@py@labctl")`` records over ``"@py"``; what stands behind ``>`` is any
VISA library that PyVISA takes, such as ``tiox-32x32@labctl``. A station file may leave the last ``@labctl`` out.
Not here: the format (:mod:`labctl.replay.traffic`), putting it into the file (:mod:`labctl.replay.writing`).
"""

from collections.abc import Callable, Mapping
from json.encoder import encode_basestring_ascii as quoted
from pathlib import Path
from typing import Any

from pyvisa import constants, errors
from pyvisa.constants import EventType, StatusCode
from pyvisa.highlevel import VisaLibraryBase, open_visa_library
from pyvisa.typing import VISAEventContext, VISARMSession, VISASession
from pyvisa.util import LibraryPath

from labctl.clock import Clock, VirtualClock, WallClock
from labctl.errors import ReplayError
from labctl.replay.writing import TrafficWriter

__all__ = ["PREFIX", "OperationClock", "RecordingLibrary"]

PREFIX = "record:"
# the two that an ordinary operation has: PyVISA warns of neither, and need not look
_ORDINARY = frozenset({int(StatusCode.success), int(StatusCode.success_termination_character_read)})


class OperationClock(VirtualClock):
    """The clock of a real rack that is recorded: the time of the last operation and what was slept since.

    A program that asks it gets the same answers when its recording is replayed.

    Parameters
    ----------
    clock : Clock
        Sleeps.
    last : callable
        Returns the time of the last operation, unit s.
    """

    def __init__(self, clock: Clock, last: Callable[[], float]) -> None:
        super().__init__()
        self._clock = clock
        self._last = last

    def now_s(self) -> float:
        """Return the time of the last operation or sleep, unit s, from the start of the recording."""
        self._now_s = max(self._now_s, self._last())
        return self._now_s

    def sleep(self, duration_s: float) -> None:
        """Let ``duration_s`` seconds pass.

        Raises
        ------
        ValueError
            If ``duration_s`` is negative.
        """
        self._clock.sleep(duration_s)
        self.now_s()
        super().sleep(duration_s)


class RecordingLibrary(VisaLibraryBase):
    """A VISA library that records another one.

    Attributes
    ----------
    steady_clock : OperationClock
        For a station without a clock of its own; there once the resource manager is open.
    """

    steady_clock: OperationClock

    def __new__(cls, library_path: str | LibraryPath = "") -> "RecordingLibrary":
        """Create a library for ``"record:FILE>LIBRARY"``.

        Raises
        ------
        ReplayError
            If the text has not this form.
        """
        file, mark, _ = str(library_path).removeprefix(PREFIX).partition(">")
        if not mark or not file:
            raise ReplayError(
                f"a recording is asked for by 'record:FILE>LIBRARY', such as 'record:a.jsonl>@py', got "
                f"{str(library_path)!r}"
            )
        path = library_path if isinstance(library_path, LibraryPath) else LibraryPath(library_path, "user specified")
        known = cls._registry.get((cls, path))
        # programs that ask for a resource manager for each instrument get one recording, as PyVISA gives one manager,
        # also where they close each instrument before the next
        if isinstance(known, cls) and known._writer is not None:
            return known
        cls._registry.pop((cls, path), None)
        library = super().__new__(cls, path)
        assert isinstance(library, cls)
        return library

    def _init(self) -> None:
        file, _, self._inner_name = str(self.library_path).removeprefix(PREFIX).partition(">")
        self._file = Path(file).expanduser()
        self._writer: TrafficWriter | None = None
        self._note: Callable[..., None] = _noted_nowhere
        self._inner: Any = None
        self._manager_session: object = None
        self._numbers: dict[int, int] = {}
        self._known: set[tuple[int, int]] = set()
        self._opened = 0

    def __getattr__(self, name: str) -> Any:
        """Return what the recorded library has besides VISA: a simulated one has a clock."""
        inner = self.__dict__.get("_inner")
        if inner is None:
            raise AttributeError(name)
        return getattr(inner, name)

    def open_default_resource_manager(self) -> tuple[VISARMSession, StatusCode]:
        """Open the library that is recorded, and begin the file (viOpenDefaultRM)."""
        inner: Any = open_visa_library(self._inner_name)
        session, status = inner.open_default_resource_manager()
        clock = getattr(inner, "clock", None)
        bench = getattr(inner, "bench_info", None)
        try:
            facts = {"rack_clock": clock is not None, "bench": bench}
            writer = TrafficWriter(self._file, self._inner_name, facts, None if clock is None else clock.now_s)
        except ReplayError:
            inner.close(session)
            raise
        self._inner, self._manager_session = inner, session
        self._writer, self._note = writer, writer.note
        # PyVISA says here what is not to be warned of, and the recorded library warns
        self._ignore_warning_in_session = inner._ignore_warning_in_session
        self._last_status_in_session = inner._last_status_in_session
        if clock is None:
            self.steady_clock = OperationClock(WallClock(), lambda: writer.last_s)
        return session, self.handle_return_value(session, status)

    def describe_bench(self, info: Mapping[str, Any]) -> None:
        """Say who is recorded where the recorded library cannot: a bench that another process serves.

        Parameters
        ----------
        info : Mapping of str to object
            For the header; before the first operation.
        """
        if self._writer is not None:
            self._writer.header["bench"] = dict(info)

    def open(
        self,
        session: VISARMSession,
        resource_name: str,
        access_mode: constants.AccessModes = constants.AccessModes.no_lock,
        open_timeout: int = constants.VI_TMO_IMMEDIATE,
    ) -> tuple[VISASession, StatusCode]:
        """Open a session (viOpen)."""
        self._opened += 1
        rest = f',"resource":{quoted(resource_name)}'
        try:
            opened, status = self._inner.open(session, resource_name, access_mode, open_timeout)
        except BaseException as error:
            self._note("open", self._opened, _status_of(error), rest=rest)
            raise
        self._numbers[int(opened)] = self._opened
        self._note("open", self._opened, status, rest=rest)
        return opened, self.handle_return_value(opened, status)

    def close(self, session: VISASession | VISARMSession | VISAEventContext) -> StatusCode:
        """Close a session, an event, or with the resource manager the file (viClose)."""
        if session == self._manager_session:
            writer, self._writer, self._note = self._writer, None, _noted_nowhere
            try:
                return self._inner.close(session)  # type: ignore[no-any-return]
            finally:
                if writer is not None:
                    writer.close()
        number = self._numbers.pop(int(session), None)
        status = self._inner.close(session)
        if number is not None:
            self._note("close", number, status)
            # a program that never closes the resource manager may read the file now
            if self._writer is not None and not self._numbers:
                self._writer.flush()
        return self.handle_return_value(session, status)

    def read(self, session: VISASession, count: int) -> tuple[bytes, StatusCode]:
        """Read (viRead)."""
        try:
            data, status = self._inner.read(session, count)
        except BaseException as error:
            self._note("r", self._numbers.get(session, 0), _status_of(error), b"", f',"n":{count}')
            raise
        self._note("r", self._numbers.get(session, 0), status, data, f',"n":{count}')
        if status in _ORDINARY:
            self._last_status = status
            return data, status
        return data, self.handle_return_value(session, status)

    def write(self, session: VISASession, data: bytes) -> tuple[int, StatusCode]:
        """Write (viWrite)."""
        try:
            written, status = self._inner.write(session, data)
        except BaseException as error:
            self._note("w", self._numbers.get(session, 0), _status_of(error), bytes(data))
            raise
        self._note("w", self._numbers.get(session, 0), status, bytes(data))
        if status in _ORDINARY:
            self._last_status = status
            return written, status
        return written, self.handle_return_value(session, status)

    def clear(self, session: VISASession) -> StatusCode:
        """Clear the device (viClear)."""
        status = self._passed("clear", session, lambda: self._inner.clear(session))
        return self.handle_return_value(session, status)

    def read_stb(self, session: VISASession) -> tuple[int, StatusCode]:
        """Return the status byte (viReadSTB)."""
        try:
            value, status = self._inner.read_stb(session)
        except BaseException as error:
            self._note("stb", self._numbers.get(session, 0), _status_of(error))
            raise
        self._note("stb", self._numbers.get(session, 0), status, rest=f',"v":{int(value)}')
        return value, self.handle_return_value(session, status)

    def assert_trigger(self, session: VISASession, protocol: constants.TriggerProtocol) -> StatusCode:
        """Trigger (viAssertTrigger)."""
        status = self._passed("trigger", session, lambda: self._inner.assert_trigger(session, protocol))
        return self.handle_return_value(session, status)

    def lock(
        self, session: VISASession, lock_type: constants.Lock, timeout: int, requested_key: str | None = None
    ) -> tuple[str, StatusCode]:
        """Lock (viLock)."""
        try:
            key, status = self._inner.lock(session, lock_type, timeout, requested_key)
        except BaseException as error:
            self._note("lock", self._numbers.get(session, 0), _status_of(error))
            raise
        self._note("lock", self._numbers.get(session, 0), status, rest=f',"v":{quoted(str(key))}')
        return key, self.handle_return_value(session, status)

    def unlock(self, session: VISASession) -> StatusCode:
        """Give a lock up (viUnlock)."""
        status = self._passed("unlock", session, lambda: self._inner.unlock(session))
        return self.handle_return_value(session, status)

    def wait_on_event(
        self, session: VISASession, in_event_type: EventType, timeout: int
    ) -> tuple[EventType, VISAEventContext, StatusCode]:
        """Wait for an event (viWaitOnEvent)."""
        try:
            kind, context, status = self._inner.wait_on_event(session, in_event_type, timeout)
        except BaseException as error:
            self._note("wait", self._numbers.get(session, 0), _status_of(error))
            raise
        self._note("wait", self._numbers.get(session, 0), status)
        return kind, context, self.handle_return_value(session, status)

    def get_attribute(
        self,
        session: VISASession | VISAEventContext | VISARMSession,
        attribute: constants.ResourceAttribute | constants.EventAttribute,
    ) -> tuple[Any, StatusCode]:
        """Return an attribute (viGetAttribute); its first answer is noted."""
        value, status = self._inner.get_attribute(session, attribute)
        number = self._numbers.get(int(session))
        if number is not None and (number, int(attribute)) not in self._known and isinstance(value, (int, str)):
            self._known.add((number, int(attribute)))
            text = quoted(value) if isinstance(value, str) else repr(int(value))
            self._note("get", number, status, rest=f',"a":{int(attribute)},"v":{text}')
        return value, self.handle_return_value(None, status)

    def _passed(self, op: str, session: VISASession, action: Callable[[], StatusCode]) -> StatusCode:
        try:
            status = action()
        except BaseException as error:
            self._note(op, self._numbers.get(session, 0), _status_of(error))
            raise
        self._note(op, self._numbers.get(session, 0), status)
        return status


def _status_of(error: BaseException) -> int:
    """Return the VISA status of an error; one that is no VISA error counts as a lost connection."""
    if isinstance(error, errors.VisaIOError):
        return int(error.error_code)
    return int(StatusCode.error_connection_lost)


def _noted_nowhere(*_: object, **__: object) -> None:
    """Before the file is begun, and after its end."""


def _forward(name: str) -> Callable[..., Any]:
    def passed(self: RecordingLibrary, *args: Any, **kwargs: Any) -> Any:
        return getattr(self._inner, name)(*args, **kwargs)

    return passed


# what is not recorded is passed on all the same
_PASSED_ON = (
    "buffer_read",
    "buffer_write",
    "disable_event",
    "discard_events",
    "enable_event",
    "flush",
    "gpib_command",
    "gpib_control_atn",
    "gpib_control_ren",
    "gpib_pass_control",
    "gpib_send_ifc",
    "install_handler",
    "install_visa_handler",
    "list_resources",
    "parse_resource",
    "parse_resource_extended",
    "set_attribute",
    "set_buffer",
    "terminate",
    "uninstall_all_visa_handlers",
    "uninstall_handler",
    "uninstall_visa_handler",
    "usb_control_in",
    "usb_control_out",
)
for _name in _PASSED_ON:
    setattr(RecordingLibrary, _name, _forward(_name))
