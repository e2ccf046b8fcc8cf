"""The engine: begins a run, or takes one up again, on a station that it opens and closes.

Not here: what happens while a run lasts (:mod:`labctl.run.session`); queues of runs.
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from labctl.errors import RunError
from labctl.run.conditions import Condition, DiskSpace
from labctl.run.control import Observer, RunControl, signals_abort
from labctl.run.holds import check_limits
from labctl.run.preflight import preflight
from labctl.run.procedure import LabProcedure
from labctl.run.provenance import run_header
from labctl.run.resuming import check_files, check_procedure, check_station, notes_of_resume
from labctl.run.session import Session
from labctl.run.station_defaults import MergedValues, defaults_of_run, merged_values
from labctl.store import Run, RunWriter, data_root

if TYPE_CHECKING:
    from labctl.station import Station
    from labctl.station.station_file import StationFile

__all__ = ["execute_procedure", "resume_run"]


def execute_procedure(
    procedure_class: type[LabProcedure],
    station: "Station | StationFile | str | PathLike[str]",
    parameters: Mapping[str, object],
    *,
    out: "str | PathLike[str] | None" = None,
    observer: Observer | None = None,
    control: RunControl | None = None,
    conditions: Sequence[Condition] = (),
    install_signal_handler: bool = False,
) -> Run:
    """Run a procedure to its end, whatever that is, and leave the outputs off.

    Parameters
    ----------
    procedure_class : type of LabProcedure
    station : Station, StationFile, str or path
        What is not open is opened first and closed afterwards.
    parameters : mapping of str to object
        Values, or text such as ``"10us"``; what is left out is taken from the station's defaults, then from the class.
    out : path-like, optional
        The data root.
    observer : Observer, optional
    control : RunControl, optional
        To pause and abort the run from another thread.
    conditions : sequence of Condition
        What holds the run while it is broken, besides room on the disk.
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
    procedure, merged = _procedure(procedure_class, station, parameters)
    root = data_root(out if out is None else str(out))
    control = control if control is not None else RunControl()

    def begin(rack: "Station") -> Session:
        procedure.check()
        check_limits(conditions, procedure)
        warnings = preflight(procedure, rack, root)
        if procedure.faults:
            rack.inject_faults(procedure.faults)
        header = run_header(procedure, rack)
        writer = RunWriter.create(root, header, instrument_clock=rack.clock.now_s, durable_intents=not rack.in_process)
        held_by = [DiskSpace(writer.path.parent), *conditions]
        told = merged.note()
        notes = [] if told is None else [("defaults", told)]
        if rack.replay_of is not None:
            notes.append(("replay", f"the answers come from {rack.replay_of}: nothing was applied, nothing measured"))
        notes += [("warning", text) for text in warnings]
        return Session(procedure, writer, observer, control, held_by, notes=notes)

    return _on_station(procedure, station, begin, control if install_signal_handler else None)


def resume_run(
    run: Run,
    procedure_class: type[LabProcedure],
    *,
    station: "Station | str | PathLike[str] | None" = None,
    observer: Observer | None = None,
    control: RunControl | None = None,
    conditions: Sequence[Condition] = (),
    install_signal_handler: bool = False,
) -> Run:
    """Go on with a run that was interrupted, aborted or failed; what its file holds is not done again.

    Parameters
    ----------
    run : Run
    procedure_class : type of LabProcedure
        The one that began it.
    station : Station, str or path, optional
        The one that it ran on; left out, the station file that it names.
    observer, control, conditions, install_signal_handler
        As :func:`execute_procedure` takes them.

    Returns
    -------
    Run
        The same file, sealed again.

    Raises
    ------
    RunError
        If the run cannot be resumed, or the station is not the one it ran on; what differs is said.
    StationError, InstrumentError
        If the station cannot be opened.
    StoreError
        If the file cannot be written, or is damaged.
    """
    check_procedure(run, procedure_class)
    procedure = procedure_class()
    procedure.set_values(run.parameters)
    check_files(run, procedure)
    named = run.header.get("station_file")
    if station is None and not isinstance(named, str):
        raise RunError(f"run {run.run_id} does not say which station file it began with; name the station")
    control = control if control is not None else RunControl()

    def begin(rack: "Station") -> Session:
        check_station(run, rack)
        then = defaults_of_run(run)
        procedure.station_defaults = rack.content.defaults if then is None else then
        procedure.check()
        check_limits(conditions, procedure)
        warnings = preflight(procedure, rack, run.path.parent)
        history = run.history()
        past = [(str(kind), str(message)) for kind, message in run.events()[["kind", "message"]].to_numpy().tolist()]
        notes = [*notes_of_resume(run, rack, history, past), *(("warning", text) for text in warnings)]
        writer = RunWriter.resume(run.path, instrument_clock=rack.clock.now_s, durable_intents=not rack.in_process)
        held_by = [DiskSpace(writer.path.parent), *conditions]
        return Session(procedure, writer, observer, control, held_by, history=history, past_events=past, notes=notes)

    chosen = station if station is not None else Path(str(named))
    return _on_station(procedure, chosen, begin, control if install_signal_handler else None)


def _procedure(
    procedure_class: type[LabProcedure],
    station: "Station | StationFile | str | PathLike[str]",
    parameters: Mapping[str, object],
) -> tuple[LabProcedure, MergedValues]:
    """Return a new procedure with its values, those of the station included."""
    from labctl.station import read_station_file
    from labctl.station.station_file import StationFile

    if isinstance(station, (str, PathLike)):
        defaults = read_station_file(station).defaults
    else:
        defaults = station.defaults if isinstance(station, StationFile) else station.content.defaults
    procedure = procedure_class()
    merged = merged_values(procedure_class, defaults, parameters)
    procedure.set_values(merged.values)
    procedure.station_defaults = defaults
    return procedure, merged


def _on_station(
    procedure: LabProcedure,
    station: "Station | StationFile | str | PathLike[str]",
    begin: "Callable[[Station], Session]",
    signalled: RunControl | None,
) -> Run:
    """Open the station if it is not open, and run on it."""
    from labctl.station import Station
    from labctl.station.station_file import StationFile

    with signals_abort(signalled) if signalled is not None else nullcontext(), contextlib.ExitStack() as leaving:
        if isinstance(station, (str, PathLike, StationFile)):
            procedure.station = leaving.enter_context(Station.open(station))
        else:
            procedure.station = station
        session = begin(procedure.station)
        # from here on the session closes what was opened, before it seals
        return session.run(closing=leaving.pop_all().close)
