"""The engine: runs one procedure on one station and writes its run file.

The end is always the same: ``shutdown`` of the procedure, outputs off, then the seal with a status that is true, be it
after the last point, an error, an abort, or a disk that is full. Not here: queues of runs; the guardian that switches
outputs off when this process dies.
"""

import contextlib
import logging
import math
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from os import PathLike
from typing import TYPE_CHECKING, Any

from labctl.errors import Aborted, RunError, StoreError
from labctl.run.control import Observer, RunControl, signals_abort, signals_wait
from labctl.run.procedure import TOPICS, LabProcedure
from labctl.run.provenance import run_header
from labctl.run.states import RunState, StateMachine
from labctl.store import Run, RunWriter, data_root
from labctl.store.plain import plain

if TYPE_CHECKING:
    from labctl.station import Station

__all__ = ["execute_procedure"]

log = logging.getLogger(__name__)

_PAUSE_POLL_S = 0.05
_SEVERITY = (RunState.FINISHED, RunState.ABORTED, RunState.FAILED)


def execute_procedure(
    procedure_class: type[LabProcedure],
    station: "Station | str | PathLike[str]",
    parameters: Mapping[str, object],
    *,
    out: "str | PathLike[str] | None" = None,
    observer: Observer | None = None,
    control: RunControl | None = None,
    install_signal_handler: bool = False,
) -> Run:
    """Run a procedure to its end, whatever that is, and leave the outputs off.

    Parameters
    ----------
    procedure_class : type of LabProcedure
    station : Station, str or path
        A name or a file is opened first and closed afterwards.
    parameters : mapping of str to object
        Values, or text such as ``"10us"``.
    out : path-like, optional
        The data root.
    observer : Observer, optional
    control : RunControl, optional
        To pause and abort the run from another thread.
    install_signal_handler : bool
        True lets Ctrl-C and SIGTERM abort at the next point, and at once when they come again. False leaves signals
        as they are; a KeyboardInterrupt then aborts at once.

    Returns
    -------
    Run
        Sealed: finished, failed (its ``summary()["error"]`` says why) or aborted.

    Raises
    ------
    RunError, StationError, InstrumentError, StoreError
        If the configuration is refused or the station cannot be opened; there is no run file then.
    StoreError
        If not even the seal could be written; outputs are off, and the run reads as interrupted later.
    """
    procedure = procedure_class()
    procedure.set_values(parameters)
    control = control if control is not None else RunControl()
    root = data_root(out if out is None else str(out))
    signals: AbstractContextManager[None] = signals_abort(control) if install_signal_handler else nullcontext()
    with signals, contextlib.ExitStack() as leaving:
        if isinstance(station, (str, PathLike)):
            from labctl.station import Station

            procedure.station = leaving.enter_context(Station.open(station))
        else:
            procedure.station = station
        procedure.check()
        rack = procedure.station
        writer = RunWriter.create(root, run_header(procedure, rack), instrument_clock=rack.clock.now_s)
        session = _Session(procedure, writer, observer, control)
        # from here on the session closes what was opened, before it seals
        return session.run(closing=leaving.pop_all().close)


class _Session:
    """One run from queued to sealed."""

    def __init__(
        self,
        procedure: LabProcedure,
        writer: RunWriter,
        observer: Observer | None,
        control: RunControl,
    ) -> None:
        self._procedure = procedure
        self._station = procedure.station
        self._writer = writer
        self._observer = observer
        self._control = control
        self._machine = StateMachine()
        self._results: dict[str, Any] = {}
        self._started = False
        self._stop_is_known = False
        self._errors: list[str] = []
        # written after the outputs are off: a slow disk must not come first
        self._notes: list[tuple[str, str]] = []
        self._take: dict[str, Callable[[Any], None]] = {
            "batch results": writer.points,
            "progress": self._progress,
            "array": self._array,
            "event": self._event_record,
            "summary": lambda record: self._results.update(plain(record)),
        }
        procedure.attach(self.emit, self.should_stop)

    def run(self, closing: Callable[[], None]) -> Run:
        """Measure, switch off, close, seal."""
        ends: list[RunState] = []
        try:
            self._tell("started", self._writer.run_id, self._writer.path)
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
                ends.append(self._guarded(closing))
                status = self._seal(max(ends, key=_SEVERITY.index))
        self._tell("finished", status)
        return Run(self._writer.path)

    def emit(self, topic: str, record: Any) -> None:
        """Take a record of the procedure; see :meth:`LabProcedure.emit`."""
        if topic == "results":
            self._writer.point(record)
        else:
            take = self._take.get(topic)
            if take is None:
                raise RunError(f"emit: unknown topic {topic!r}; choose one of {', '.join(TOPICS)}")
            take(record)
        if self._control.asked:
            self._obey()
            if self._control.abort_reason is not None and (not self._stop_is_known or self._control.insisted):
                raise Aborted(self._control.abort_reason)

    def should_stop(self) -> bool:
        """Tell the procedure whether to stop; see :meth:`LabProcedure.should_stop`."""
        if self._writer.failure is not None:
            raise StoreError(self._writer.failure)
        if self._control.asked:
            self._obey()
            self._stop_is_known = self._control.abort_reason is not None
        return self._stop_is_known

    def _obey(self) -> None:
        """Wait while the run is asked to pause."""
        control = self._control
        if control.paused and control.abort_reason is None and self._machine.state is RunState.RUNNING:
            self._machine.to(RunState.PAUSED)
            self._event("state", "paused")
            while control.paused and control.abort_reason is None:
                time.sleep(_PAUSE_POLL_S)
            self._machine.to(RunState.RUNNING)
            self._event("state", "running")

    def _measure(self) -> None:
        self._machine.to(RunState.RUNNING)
        self._record_instruments("start")
        if self._control.abort_reason is not None:
            raise Aborted(self._control.abort_reason)
        self._started = True
        self._procedure.startup()
        self._procedure.execute()
        if self._stop_is_known:
            raise Aborted(self._control.abort_reason)
        self._record_instruments("end")

    def _record_instruments(self, moment: str) -> None:
        settings = self._station.settings()
        for key, identity in self._station.identities().items():
            self._writer.instrument(key, moment, plain(identity), settings.get(key, {}))

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
        for kind, message in self._notes:
            self._note(kind, message)
        self._machine.to(RunState.FAILED if self._writer.failure is not None else state)
        return self._writer.seal(state, self._results, "; ".join(self._errors) or None)

    def _progress(self, percent: float) -> None:
        if not (math.isfinite(percent) and 0.0 <= percent <= 100.0):
            raise RunError(f"emit: progress is 0 to 100 %, got {percent!r}")
        self._writer.percent = float(percent)
        wall_s, instrument_s = self._writer.times()
        self._tell("progress", float(percent), wall_s, instrument_s)

    def _array(self, record: Mapping[str, Any]) -> None:
        _require(record, "array", {"name", "data", "dims", "unit"})
        self._writer.array(record["name"], record["data"], record["dims"], record["unit"])

    def _event_record(self, record: Mapping[str, Any]) -> None:
        _require(record, "event", {"kind", "message"})
        self._event(record["kind"], record["message"])

    def _event(self, kind: str, message: str) -> None:
        self._writer.event(kind, message)
        self._tell("event", kind, message)

    def _note(self, kind: str, message: str) -> None:
        """Write an event though the file may not take it any more."""
        with contextlib.suppress(StoreError):
            self._writer.event(kind, message)
        self._tell("event", kind, message)

    def _tell(self, what: str, *values: object) -> None:
        """Tell the observer; a run does not fail because its watcher did."""
        if self._observer is None:
            return
        try:
            getattr(self._observer, what)(*values)
        except Exception as error:  # the run boundary: a broken window must not touch the run
            log.info("run %s: the observer failed", self._writer.run_id, exc_info=True)
            self._observer = None
            self._note("warning", f"the observer failed and is left out: {type(error).__name__}: {error}")


def _require(record: Mapping[str, Any], topic: str, keys: set[str]) -> None:
    if set(record) != keys:
        raise RunError(f"emit: a record of topic {topic!r} has the keys {', '.join(sorted(keys))}, got {list(record)}")
