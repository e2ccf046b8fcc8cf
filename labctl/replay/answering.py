"""A VISA library that answers from a traffic file, with no instrument: ``"traffic.jsonl@replay"``.

Strictly, which is the default: what the program does must be what was recorded, operation by operation; the first
difference is an error that names the line and both values, and nothing is answered after it. Leniently,
``"traffic.jsonl?lenient@replay"``: each write to a resource is answered as the same write was when it was recorded,
whatever the order; the last answer stands for all that come later. ``?paced`` answers in the recorded time, otherwise
at once; ``?lenient&paced`` does both: each answer comes no sooner behind the answer before it than it did. The clock
shows recorded time; where the order is free, the latest of what was answered.
Not here: the format (:mod:`labctl.replay.traffic`).
"""

import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pyvisa import constants, rname
from pyvisa.constants import EventType, ResourceAttribute, StatusCode
from pyvisa.highlevel import VisaLibraryBase
from pyvisa.typing import VISAEventContext, VISARMSession, VISASession
from pyvisa.util import LibraryPath

from labctl.clock import VirtualClock
from labctl.errors import ReplayError
from labctl.replay.lookup import Answers
from labctl.replay.traffic import OPERATIONS, Operation, TrafficFile, shown, shown_apart

__all__ = ["RecordedClock", "ReplayLibrary"]

log = logging.getLogger(__name__)

_REMEDY = (
    "nothing is answered from here on; run what was recorded with the same settings, record this program, or replay"
    " FILE?lenient, where the order is free"
)
_OPTIONS = frozenset({"lenient", "paced"})
# looked up: StatusCode(number) takes as long as the rest of an operation
_STATUS = {int(code): code for code in StatusCode}
# the two that an ordinary operation has; PyVISA warns of neither
_ORDINARY = {int(code): code for code in (StatusCode.success, StatusCode.success_termination_character_read)}
_SET_BY_PROGRAM = {
    ResourceAttribute.timeout_value: 2000,
    ResourceAttribute.termchar: ord("\n"),
    ResourceAttribute.termchar_enabled: constants.VI_FALSE,
    ResourceAttribute.send_end_enabled: constants.VI_TRUE,
    ResourceAttribute.suppress_end_enabled: constants.VI_FALSE,
    ResourceAttribute.resource_lock_state: constants.AccessModes.no_lock,
}


class RecordedClock(VirtualClock):
    """The clock of a recording: the time of the last operation, and what was slept since."""

    def reach(self, now_s: float) -> None:
        """Show this time from now on.

        Parameters
        ----------
        now_s : float, unit s
        """
        self._now_s = now_s

    def pass_by(self, now_s: float) -> None:
        """Show this time from now on, unless a later one is shown.

        Parameters
        ----------
        now_s : float, unit s
        """
        if now_s > self._now_s:
            self._now_s = now_s


class ReplayLibrary(VisaLibraryBase):
    """The VISA library of one traffic file.

    Attributes
    ----------
    clock : RecordedClock
        There once the resource manager is open.
    bench_info : dict or None
        What the recorded rack told of itself; a real one told nothing.
    masked_serials : frozenset of str
        Serial numbers that stand in it for others.
    replay_of : str
        The traffic file.
    """

    clock: RecordedClock
    bench_info: dict[str, Any] | None
    masked_serials: frozenset[str]
    replay_of: str

    def __new__(cls, library_path: str | LibraryPath = "") -> "ReplayLibrary":
        """Create a library for ``"FILE"`` or ``"FILE?options"``.

        Raises
        ------
        ReplayError
            If no file is named, or an option is unknown.
        """
        file, _, options = str(library_path).partition("?")
        unknown = set(filter(None, options.split("&"))) - _OPTIONS
        if not file or unknown:
            raise ReplayError(
                "a recording is replayed by 'FILE@replay', with all options 'FILE?lenient&paced@replay', got"
                f" '{library_path!s}@replay'"
            )
        path = library_path if isinstance(library_path, LibraryPath) else LibraryPath(library_path, "user specified")
        known = cls._registry.get((cls, path))
        # as it was recorded: who asks again before the end goes on, else it begins at the first line
        if isinstance(known, cls) and not known._refusal and (known._numbers or known._goes_on()):
            return known
        cls._registry.pop((cls, path), None)
        library = super().__new__(cls, path)
        assert isinstance(library, cls)
        return library

    def _init(self) -> None:
        file, _, options = str(self.library_path).partition("?")
        self._path = Path(file).expanduser()
        self._chosen = frozenset(filter(None, options.split("&")))
        self._file: TrafficFile | None = None
        self._chunks: Iterator[tuple[int, list[dict[str, Any]]]] = iter(())
        self._lines: list[dict[str, Any]] = []
        self._first = self._place = 0
        self._is_quick = False
        self._book: Answers | None = None
        self._attributes: dict[int, dict[int, Any]] = {}
        self._recorded: dict[int, dict[int, Any]] = {}
        self._numbers: dict[int, int] = {}
        self._names: dict[int, str] = {}
        self._handle = 0
        self._opened = 0
        self._refusal = ""
        self._start_s = self._answered_s = 0.0
        self._unfinished = ""

    def open_default_resource_manager(self) -> tuple[VISARMSession, StatusCode]:
        """Open the traffic file (viOpenDefaultRM)."""
        file = TrafficFile(self._path)
        try:
            self._unfinished = file.unfinished()
            if "lenient" in self._chosen:
                self._book = Answers(file, is_paced="paced" in self._chosen)
        except BaseException:
            file.close()
            raise
        self._file, self._chunks = file, file.chunks()
        self._is_quick = not self._chosen
        if self._unfinished:
            log.warning("%s", self._unfinished)
        self.clock = RecordedClock()
        self.bench_info = self._file.header.get("bench")
        self.masked_serials = frozenset(self._file.header.get("masked_serials", ()))
        self.replay_of = str(self._path.absolute())
        self._start_s = self._answered_s = time.monotonic()
        session = VISARMSession(self._next_handle())
        return session, self.handle_return_value(session, StatusCode.success)

    def list_resources(self, session: VISARMSession, query: str = "?*::INSTR") -> tuple[str, ...]:
        """Return the resources that the recording opens and that match ``query`` (viFindRsrc)."""
        with TrafficFile(self._path) as file:
            found = dict.fromkeys(str(one.facts["resource"]) for one in file.operations() if one.op == "open")
        return rname.filter(found, query)

    def open(
        self,
        session: VISARMSession,
        resource_name: str,
        access_mode: constants.AccessModes = constants.AccessModes.no_lock,
        open_timeout: int = constants.VI_TMO_IMMEDIATE,
    ) -> tuple[VISASession, StatusCode]:
        """Open a session (viOpen)."""
        self._opened += 1
        number = self._opened
        status = int(StatusCode.success)
        if self._book is None:
            done = self._next("open", number, resource_name)
            if done.facts.get("resource") != resource_name:
                self._refuse(done, f"the recording opens {done.facts.get('resource')!r}, got {resource_name!r}")
            status = done.status
        elif resource_name not in self._book.resources:
            status = int(StatusCode.error_resource_not_found)
        handle = self._next_handle()
        if status >= 0:
            self._numbers[handle] = number
            self._names[handle] = resource_name
        return VISASession(handle), self.handle_return_value(None, StatusCode(status))

    def close(self, session: VISASession | VISARMSession | VISAEventContext) -> StatusCode:
        """Close a session, an event, or with the resource manager the file (viClose)."""
        number = self._numbers.pop(int(session), None)
        if number is not None:
            # a recorder that was killed noted no close
            if self._book is None and not self._refusal and self._ahead() is not None:
                self._next("close", number)
        elif self._file is not None and int(session) == 1:
            unrecorded = "" if self._book is None else self._book.unrecorded()
            if unrecorded:
                log.warning("%s", unrecorded)
            self._file.close()
            self._file = None
        return self.handle_return_value(None, StatusCode.success)

    def write(self, session: VISASession, data: bytes) -> tuple[int, StatusCode]:
        """Write (viWrite)."""
        # writes and reads are what a replay consists of; what is out of the ordinary goes the long way
        if self._is_quick and self._place < len(self._lines):
            line = self._lines[self._place]
            if (
                line.get("d") == data.decode("latin-1")
                and line.get("op") == "w"
                and line.get("s") == self._numbers.get(session)
                and "st" not in line
                and self._passed(session, line, StatusCode.success)
            ):
                return len(data), StatusCode.success
        if self._book is not None:
            self._book.ask(self._names[session], bytes(data))
            self._last_status = self._last_status_in_session[session] = StatusCode.success
            return len(data), StatusCode.success
        done = self._next("w", self._number(session), bytes(data))
        if done.data != data:
            recorded, got = shown_apart(done.data, bytes(data))
            self._refuse(done, f"the recording writes {recorded}, got {got}")
        return len(data), self._status(session, done)

    def read(self, session: VISASession, count: int) -> tuple[bytes, StatusCode]:
        """Read (viRead)."""
        if self._is_quick and self._place < len(self._lines):
            line = self._lines[self._place]
            text, status = line.get("d"), _ORDINARY.get(line.get("st", 0))
            if (
                status is not None
                and text.__class__ is str
                and text.isascii()
                and line.get("op") == "r"
                and line.get("s") == self._numbers.get(session)
                and line.get("n", count) == count
                and self._passed(session, line, status)
            ):
                return text.encode("ascii"), status
        if self._book is not None:
            data, code, now_s, gap_s = self._book.answer(self._names[session], count)
            self.clock.pass_by(now_s)
            if gap_s:
                self._wait_until(self._answered_s + gap_s)
                self._answered_s = time.monotonic()
            status = _ORDINARY.get(code)
            if status is None:
                return data, self.handle_return_value(session, StatusCode(code))
            self._last_status = self._last_status_in_session[session] = status
            return data, status
        done = self._next("r", self._number(session))
        if done.facts.get("n", count) != count:
            self._refuse(done, f"the recording reads at most {done.facts['n']} bytes, got {count}")
        return done.data, self._status(session, done)

    def clear(self, session: VISASession) -> StatusCode:
        """Clear the device (viClear)."""
        return self._same("clear", session)

    def assert_trigger(self, session: VISASession, protocol: constants.TriggerProtocol) -> StatusCode:
        """Trigger (viAssertTrigger)."""
        return self._same("trigger", session)

    def unlock(self, session: VISASession) -> StatusCode:
        """Give a lock up (viUnlock)."""
        return self._same("unlock", session)

    def lock(
        self, session: VISASession, lock_type: constants.Lock, timeout: int, requested_key: str | None = None
    ) -> tuple[str, StatusCode]:
        """Lock (viLock)."""
        if self._book is not None:
            return requested_key or "", self.handle_return_value(session, StatusCode.success)
        done = self._next("lock", self._number(session))
        return str(done.facts.get("v", "")), self._status(session, done)

    def read_stb(self, session: VISASession) -> tuple[int, StatusCode]:
        """Return the status byte (viReadSTB)."""
        if self._book is not None:
            return self._book.status_byte(self._names[int(session)]), self.handle_return_value(
                session, StatusCode.success
            )
        done = self._next("stb", self._number(session))
        return int(done.facts.get("v", 0)), self._status(session, done)

    def wait_on_event(
        self, session: VISASession, in_event_type: EventType, timeout: int
    ) -> tuple[EventType, VISAEventContext, StatusCode]:
        """Wait for an event (viWaitOnEvent)."""
        status = self._same("wait", session)
        return EventType.service_request, VISAEventContext(self._next_handle()), status

    def get_attribute(
        self,
        session: VISASession | VISAEventContext | VISARMSession,
        attribute: constants.ResourceAttribute | constants.EventAttribute,
    ) -> tuple[Any, StatusCode]:
        """Return an attribute (viGetAttribute): as the program set it, else as recorded."""
        handle = int(session)
        own = self._attributes.get(handle, {})
        if attribute in own:
            return own[attribute], StatusCode.success
        if self._book is None and handle in self._numbers:
            # they were noted right behind the opening, when they were first asked for
            self._ahead()
        if self._book is None:
            recorded = self._recorded.get(self._numbers.get(handle, 0), {})
        else:
            recorded = self._book.attributes.get(self._names.get(handle, ""), {})
        if attribute in recorded:
            return recorded[attribute], StatusCode.success
        if attribute in _SET_BY_PROGRAM:
            return _SET_BY_PROGRAM[ResourceAttribute(attribute)], StatusCode.success
        if handle in self._names:
            name = rname.ResourceName.from_string(self._names[handle])
            if attribute == ResourceAttribute.interface_type:
                return name.interface_type_const, StatusCode.success
            if attribute == ResourceAttribute.resource_class:
                return name.resource_class, StatusCode.success
        return None, self.handle_return_value(None, StatusCode.error_nonsupported_attribute)

    def set_attribute(
        self, session: VISASession, attribute: constants.ResourceAttribute, attribute_state: Any
    ) -> StatusCode:
        """Set an attribute (viSetAttribute); it is kept, not compared."""
        self._attributes.setdefault(int(session), {})[int(attribute)] = attribute_state
        return self.handle_return_value(session, StatusCode.success)

    def enable_event(
        self, session: VISASession, event_type: EventType, mechanism: constants.EventMechanism, context: None = None
    ) -> StatusCode:
        """Do nothing (viEnableEvent): events come as they were recorded."""
        return self.handle_return_value(session, StatusCode.success)

    def disable_event(
        self, session: VISASession, event_type: EventType, mechanism: constants.EventMechanism
    ) -> StatusCode:
        """Do nothing (viDisableEvent)."""
        return self.handle_return_value(session, StatusCode.success)

    def discard_events(
        self, session: VISASession, event_type: EventType, mechanism: constants.EventMechanism
    ) -> StatusCode:
        """Do nothing (viDiscardEvents)."""
        return self.handle_return_value(session, StatusCode.success)

    def flush(self, session: VISASession, mask: constants.BufferOperation) -> StatusCode:
        """Do nothing (viFlush): no buffers are kept."""
        return self.handle_return_value(session, StatusCode.success)

    def gpib_control_ren(self, session: VISASession, mode: constants.RENLineOperation) -> StatusCode:
        """Do nothing (viGpibControlREN)."""
        return self.handle_return_value(session, StatusCode.success)

    def _next_handle(self) -> int:
        self._handle += 1
        return self._handle

    def _number(self, session: int) -> int:
        number = self._numbers.get(int(session))
        if number is None:
            self.handle_return_value(None, StatusCode.error_invalid_object)
        assert number is not None
        return number

    def _same(self, op: str, session: VISASession) -> StatusCode:
        if self._book is not None:
            return self.handle_return_value(session, StatusCode.success)
        return self._status(session, self._next(op, self._number(session)))

    def _status(self, session: VISASession, done: Operation) -> StatusCode:
        return self.handle_return_value(session, _STATUS.get(done.status) or StatusCode(done.status))

    def _next(self, op: str, number: int, wanted: bytes | str = b"") -> Operation:
        """Return the next recorded operation; it must be this one."""
        if self._refusal:
            raise ReplayError(self._refusal)

        def what() -> str:
            given = shown(wanted) if isinstance(wanted, bytes) else wanted
            return f"{OPERATIONS[op]} {given}" if wanted else OPERATIONS[op]

        try:
            done = self._ahead()
        except ReplayError as error:
            # both values, also where it is the recording that is wrong
            raise self._ended(f"{error}; the program goes on with: {what()}") from error
        self._place += 1
        if done is None or done.op != op or done.session != number:
            if done is None:
                ends = self._unfinished or f"{self._path}: the recording ends"
                raise self._ended(f"{ends}; the program goes on with: {what()}; {_REMEDY}")
            recorded = OPERATIONS[done.op] + (f" {shown(done.data)}" if done.data else "")
            self._refuse(
                done,
                f"the recording goes on with: {recorded} (session {done.session}), got: {what()} (session {number})",
            )
        self.clock.reach(done.wall_s if done.rack_s is None else done.rack_s)
        if "paced" in self._chosen:
            self._wait_until(self._start_s + done.wall_s)
        return done

    @staticmethod
    def _wait_until(due_s: float) -> None:
        time.sleep(max(0.0, due_s - time.monotonic()))

    def _passed(self, session: VISASession, line: dict[str, Any], status: StatusCode) -> bool:
        """Take a line that is what the program does, if its time is one."""
        now_s = line.get("r", line.get("t"))
        if now_s.__class__ is not float:
            return False
        self._place += 1
        self.clock.reach(now_s)
        self._last_status = self._last_status_in_session[session] = status
        return True

    def _goes_on(self) -> bool:
        """Whether the resource manager is open and the order of the recording holds and is not at its end."""
        return self._file is not None and self._book is None and self._ahead() is not None

    def _ahead(self) -> Operation | None:
        """Return the next operation without taking it; attributes on the way are noted."""
        assert self._file is not None
        while True:
            if self._place >= len(self._lines):
                self._place = 0
                try:
                    self._first, self._lines = next(self._chunks, (0, []))
                except ReplayError as error:
                    raise self._ended(str(error)) from error
                if not self._lines:
                    return None
            done = self._file.operation(self._first + self._place, self._lines[self._place])
            if done.op != "get":
                return done
            self._recorded.setdefault(done.session, {})[done.facts["a"]] = done.facts["v"]
            self._place += 1

    def _refuse(self, done: Operation, difference: str) -> None:
        raise self._ended(f"{self._path}: line {done.line}: {difference}; {_REMEDY}")

    def _ended(self, why: str) -> ReplayError:
        """Answer nothing from here on; who asks all the same, as to switch off, is told the same first difference."""
        self._is_quick, self._refusal = False, why
        return ReplayError(why)
