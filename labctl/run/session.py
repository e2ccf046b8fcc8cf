"""One run from queued to sealed: what its procedure hands out is written, what it is asked to do is obeyed.

The end is always the same: ``shutdown`` of the procedure, outputs off, then the seal with a status that is true, be it
after the last point, an error, an abort, or a disk that is full. Not here: how a run begins or is taken up again
(:mod:`labctl.run.engine`), its units of work (:mod:`labctl.run.actions`), waiting (:mod:`labctl.run.holds`).
"""

import contextlib
import logging
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from labctl.errors import Aborted, RunError, StoreError, UnconfirmedError
from labctl.run.actions import Actions
from labctl.run.conditions import Condition
from labctl.run.control import Observer, RunControl, signals_wait
from labctl.run.guarded_writer import GuardedWriter
from labctl.run.guardian import guard_run
from labctl.run.holds import Holds
from labctl.run.logbook import Logbook
from labctl.run.mailbox import Mailbox
from labctl.run.procedure import TOPICS, LabProcedure, Row
from labctl.run.sleeping import InterruptibleClock
from labctl.run.state_board import StateBoard
from labctl.run.states import RunState, StateMachine
from labctl.store import Run, RunWriter
from labctl.store.columns import Cell
from labctl.store.plain import plain

if TYPE_CHECKING:
    from labctl.store import History

__all__ = ["Session"]

log = logging.getLogger(__name__)

_DRAIN_PERIOD_S = 5.0
_QUIET_S = 60.0
_REQUEST_POLL_S = 0.02
_SEVERITY = (RunState.FINISHED, RunState.ABORTED, RunState.FAILED)


class Session:
    """One run.

    Parameters
    ----------
    procedure : LabProcedure
        With its parameters and its station.
    writer : RunWriter
        Of the new file, or of the file that is taken up again.
    observer : Observer or None
    control : RunControl
    conditions : sequence of Condition
        What holds the run.
    history : History, optional
        What the file of a resumed run holds.
    past_events : sequence of (str, str)
        Kind and message of the events in that file.
    notes : sequence of (str, str)
        Events to begin with.
    """

    def __init__(
        self,
        procedure: LabProcedure,
        writer: RunWriter,
        observer: Observer | None,
        control: RunControl,
        conditions: Sequence[Condition],
        *,
        history: "History | None" = None,
        past_events: Sequence[tuple[str, str]] = (),
        notes: Sequence[tuple[str, str]] = (),
    ) -> None:
        self._procedure = procedure
        self._station = procedure.station
        self._writer = writer
        self._file = GuardedWriter(writer)
        self._book = Logbook(writer, self._file, observer, history.arrays if history is not None else (), past_events)
        self._guard = contextlib.ExitStack()
        self._control = control
        self._machine = StateMachine()
        self._mailbox = Mailbox(writer.path, writer.segment, control)
        self._board = StateBoard(writer.path, self._present)
        self._results: dict[str, Any] = {}
        self._started = False
        self._stop_is_known = False
        self._errors: list[str] = []
        self._moment = "start" if history is None else "resume"
        self._first_notes = tuple(notes)
        # written after the outputs are off: a slow disk must not come first
        self._notes: list[tuple[str, str]] = []
        # on the clock of the rack: a simulated run then is the same on every computer
        self._drained_s = self._station.clock.now_s()
        self._holds = Holds(conditions, procedure.DATA_COLUMNS, procedure.monitors, control, self._book.event)
        self._actions = Actions(
            self._file,
            procedure.DATA_COLUMNS,
            went_live=self._go_live,
            repair=self._repair,
            tell=self._book.event,
            history=history,
        )
        self._take: dict[str, Callable[[Any], None]] = {
            "results": lambda record: self._rows([record]),
            "batch results": self._rows,
            "progress": self._book.progress,
            "array": self._book.array,
            "event": lambda record: self._book.take_event(record, self._actions),
            "summary": lambda record: self._results.update(plain(record)),
        }
        procedure.attach(self.emit, self.should_stop, self.perform, self.elapsed_s, self.next_request)

    def run(self, closing: Callable[[], None]) -> Run:
        """Measure, switch off, close, seal; raise StoreError if not even the seal could be written.

        Parameters
        ----------
        closing : callable
            Closes what was opened for the run; called when the outputs are off, before the seal.
        """
        with self._mailbox, self._board:
            return self._run(closing)

    def _run(self, closing: Callable[[], None]) -> Run:
        ends: list[RunState] = []
        clock = self._station.clock
        try:
            self._book.tell("started", self._writer.run_id, self._writer.path)
            self._station.clock = InterruptibleClock(clock, self._meanwhile, is_virtual=self._station.in_process)
            ends.append(self._guarded(self._watch))
            if ends == [RunState.FINISHED]:
                ends.append(self._guarded(self._measure))
            if self._started:
                self._stop_is_known = True
                ends.append(self._guarded(self._procedure.shutdown))
        except KeyboardInterrupt:
            # it came again while the first one was being noted
            self._errors.append("aborted: interrupted from the keyboard")
            ends.append(RunState.ABORTED)
        finally:
            with signals_wait():
                ends.append(self._guarded(self._station.safe_off))
                if ends[-1] is not RunState.FINISHED and self._file.guardian is not None:
                    self._file.guardian.take_over(self._errors[-1])
                ends.append(self._guarded(self._drain))
                self._file.guardian = None
                ends.append(self._guarded(self._guard.close))
                self._station.clock = clock
                ends.append(self._guarded(closing))
                status = self._seal(max(ends, key=_SEVERITY.index))
        self._book.tell("finished", status)
        return Run(self._writer.path)

    def emit(self, topic: str, record: Any) -> None:
        """Take a record or raise RunError; see :meth:`labctl.run.LabProcedure.emit`."""
        take = self._take.get(topic)
        if take is None:
            raise RunError(f"emit: unknown topic {topic!r}; choose one of {', '.join(TOPICS)}")
        take(record)
        if not self._actions.is_busy:
            self._obey()

    def perform(
        self, plan: Mapping[str, Cell], do: Callable[[], Row | Sequence[Row]], *, stimulates: bool
    ) -> list[dict[str, Cell]]:
        """Do one unit of work; see :meth:`labctl.run.LabProcedure.perform`."""
        if not self._actions.is_busy:
            self._obey()
        rows = self._actions.perform(plan, do, stimulates=stimulates)
        if self._actions.is_live:
            for row in rows:
                self._holds.judge(row)
        return rows

    def should_stop(self) -> bool:
        """Tell whether to stop, or raise StoreError; see :meth:`labctl.run.LabProcedure.should_stop`."""
        if self._writer.failure is not None:
            raise StoreError(self._writer.failure)
        self._say_alive()
        self._wait()
        self._stop_is_known = self._stop_is_known or self._control.abort_reason is not None
        return self._stop_is_known

    def elapsed_s(self) -> float:
        """Return the time since the run began; see :meth:`labctl.run.LabProcedure.elapsed_s`."""
        return self._writer.times()[1] or 0.0

    def next_request(self, within_s: float) -> Mapping[str, object] | None:
        """Wait for what an operator wants; see :meth:`labctl.run.LabProcedure.next_request`."""
        end_s = time.monotonic() + within_s
        while not self.should_stop():
            with contextlib.suppress(IndexError):
                return self._control.requests.popleft()
            if time.monotonic() >= end_s:
                break
            time.sleep(_REQUEST_POLL_S)
        return None

    def stand_down(self) -> None:
        """Become paused."""
        self._procedure.stand_down()
        self._machine.to(RunState.PAUSED)
        self._book.event("state", "paused")

    def stay_alive(self) -> None:
        """Show that a wait is meant, or raise StoreError."""
        self._say_alive()
        if self._writer.failure is not None:
            raise StoreError(self._writer.failure)

    def stand_up(self) -> None:
        """Be running again."""
        self._machine.to(RunState.RUNNING)
        self._book.event("state", "running")

    def _obey(self) -> None:
        """Between two actions: wait if the run is held, stop it if that was asked for, look after the instruments."""
        self._wait()
        self._meanwhile()
        if self._station.clock.now_s() - self._drained_s >= _DRAIN_PERIOD_S:
            self._drain()

    def _wait(self) -> None:
        is_between = not (self._actions.is_busy or self._actions.is_replaying)
        if is_between and self._machine.state is RunState.RUNNING and self._control.abort_reason is None:
            self._holds.wait(self)

    def _meanwhile(self) -> None:
        self._say_alive()
        control = self._control
        if control.abort_reason is not None and (not self._stop_is_known or control.insisted):
            raise Aborted(control.abort_reason)

    def _present(self) -> Mapping[str, Any]:
        """What the state board shows."""
        state = {"state": str(self._machine.state), "clock_s": self._station.clock.now_s()}
        return state | self._station.present()

    def _say_alive(self) -> None:
        if self._mailbox.notes:
            self._note_asks()
        if self._file.guardian is not None:
            is_quiet = self._actions.is_replaying or not self._station.has_output_on()
            self._file.guardian.progress(_QUIET_S if is_quiet else None)

    def _note_asks(self) -> None:
        while self._mailbox.notes:
            self._book.note("asked", self._mailbox.notes.popleft())

    def _watch(self) -> None:
        """From here on a guardian switches off when this process cannot."""
        log_path = self._writer.path.with_name(f"{self._writer.run_id}.guardian.log")
        self._file.guardian = self._guard.enter_context(guard_run(self._station, log_path, on_event=self._book.note))

    def _measure(self) -> None:
        self._machine.to(RunState.RUNNING)
        for kind, message in self._first_notes:
            self._book.event(kind, message)
        self._record_instruments(self._moment)
        self._drain()
        self._meanwhile()
        self._started = True
        self._procedure.startup()
        self._procedure.execute()
        if self._stop_is_known:
            raise Aborted(self._control.abort_reason)
        self._actions.finish()
        self._record_instruments("end")

    def _record_instruments(self, moment: str) -> None:
        settings = self._station.settings()
        for key, identity in self._station.identities().items():
            self._file.instrument(key, moment, plain(identity), settings.get(key, {}))

    def _go_live(self, in_doubt: Row | None) -> None:
        """Take up a resumed run where its file ends."""
        self._book.event("state", f"resumed before action {self._actions.count}")
        self._procedure.went_live(in_doubt)

    def _repair(self, error: UnconfirmedError) -> None:
        """Make the instruments trustworthy again after a confirmation that did not come, or raise."""
        self._book.event("unconfirmed", str(error))
        try:
            self._station.resynchronise()
        finally:
            self._drain()
        # what the procedure believes of relays and outputs may be wrong now
        self._procedure.stand_down()

    def _drain(self) -> None:
        for text in self._station.drain():
            self._book.note("instrument", text)
        self._drained_s = self._station.clock.now_s()

    def _guarded(self, action: Callable[[], None]) -> RunState:
        """Do something of the run and say how it ended: here every error of a procedure or driver is met."""
        try:
            action()
        except (Aborted, KeyboardInterrupt) as error:
            reason = str(error) or "interrupted from the keyboard"
            self._errors.append(f"aborted: {reason}")
            self._notes.append(("aborted", reason))
            return RunState.ABORTED
        except (Exception, SystemExit) as error:
            message = f"{type(error).__name__}: {error}"
            log.info("run %s: %s", self._writer.run_id, message, exc_info=True)
            if message not in self._errors:
                self._errors.append(message)
            self._notes += [("error", message), ("traceback", traceback.format_exc())]
            return RunState.FAILED
        return RunState.FINISHED

    def _seal(self, state: RunState) -> str:
        self._note_asks()
        for kind, message in self._notes:
            self._book.note(kind, message)
        self._machine.to(RunState.FAILED if self._writer.failure is not None else state)
        return self._writer.seal(state, self._results, "; ".join(self._errors) or None)

    def _rows(self, rows: Sequence[Row]) -> None:
        self._actions.note(rows)
        if self._actions.is_live:
            for row in rows:
                self._holds.judge(row)
