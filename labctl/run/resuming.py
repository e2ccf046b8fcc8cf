"""Whether a run may be taken up again, and on which rack. Not here: doing it (:mod:`labctl.run.engine`)."""

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from labctl.errors import RunError
from labctl.run.procedure import LabProcedure
from labctl.run.provenance import files_of_parameters, identity_of_rack, station_text, versions
from labctl.store import Run
from labctl.store.plain import plain

if TYPE_CHECKING:
    from labctl.station import Station
    from labctl.store import History

__all__ = ["check_files", "check_procedure", "check_station", "notes_of_resume"]

_RESUMABLE = ("interrupted", "aborted", "failed")
_WHO = ("maker", "model", "serial")
_DIE_IS_OLDER = (
    "the simulated rack died with the process that was interrupted: its die is as it was saved last, without what that "
    "process did to it; `labctl bench serve` keeps a rack alive"
)
# lines of the guardian's log that every run has, or that come once per instrument
_ROUTINE = ("ready", "goodbye", "written", "off")


def check_procedure(run: Run, procedure_class: type[LabProcedure]) -> None:
    """Refuse a run that this procedure cannot go on with.

    Parameters
    ----------
    run : Run
    procedure_class : type of LabProcedure

    Raises
    ------
    RunError
        With the reason.
    """
    name, columns = procedure_class.procedure_name(), list(procedure_class.DATA_COLUMNS)
    status = run.status
    reason = None
    if status not in _RESUMABLE:
        reason = f"is {status}; only runs that are {', '.join(_RESUMABLE)} can be resumed"
    elif "recovered_from" in run.header:
        reason = "was recovered from a damaged file: what was applied is not known for certain; start a new run"
    elif run.header["procedure"] != name:
        reason = f"was made by {run.header['procedure']}, this procedure is {name}"
    elif not procedure_class.resumable:
        reason = f"cannot be resumed: {name} does not say that it does the same again (resumable); start a new run"
    elif [column.name for column in run.columns] != columns:
        reason = f"has the columns {', '.join(item.name for item in run.columns)}, {name} has {', '.join(columns)} now"
    if reason is not None:
        raise RunError(f"run {run.run_id} {reason}")


def check_files(run: Run, procedure: LabProcedure) -> None:
    """Refuse files that are not those that the run began with: the rest of it would follow other ones.

    Parameters
    ----------
    run : Run
    procedure : LabProcedure
        With the parameters of the run.

    Raises
    ------
    RunError
        With the parameters that name a file that changed or is gone.
    """
    now = files_of_parameters(procedure)
    then = run.header.get("parameter_files", {})
    wrong = [
        f"{name} = {getattr(procedure, name)} {'changed' if name in now else 'is not there'}"
        for name, sha256 in then.items()
        if now.get(name) != sha256
    ]
    if wrong:
        raise RunError(
            f"run {run.run_id} began with other files: {'; '.join(wrong)}; put them back, or start a new run; "
            "nothing was sent"
        )


def check_station(run: Run, station: "Station") -> None:
    """Refuse a rack that is not the one that the run began on.

    Parameters
    ----------
    run : Run
    station : Station

    Raises
    ------
    RunError
        With all that differs.
    """
    identity = plain(identity_of_rack(station))
    if "die" in set(run.events()["kind"]):
        # it changed dies, and puts the one that it was cut on in again
        del identity["seed"]
    different = list(_differences(run.header, identity, ""))
    found = plain(station.identities())
    for key, known in run.instruments.items():
        now = found.get(key, {})
        different += [
            f"instruments.{key}.{name}: {known[name]!r} then, {now.get(name)!r} now"
            for name in _WHO
            if known[name] != now.get(name)
        ]
    if different:
        raise RunError(
            f"run {run.run_id} was made on another rack: {'; '.join(different)}; put back what it was made with"
        )


def notes_of_resume(
    run: Run, station: "Station", history: "History", past: Sequence[tuple[str, str]]
) -> list[tuple[str, str]]:
    """Say for the run file what happened between its last record and now.

    Parameters
    ----------
    run : Run
    station : Station
        On which it goes on.
    history : History
    past : sequence of (str, str)
        Kind and message of the events in the file.

    Returns
    -------
    list of (str, str)
        Kind and message of new events.
    """
    away_s = (datetime.now(UTC) - datetime.fromisoformat(history.last_utc)).total_seconds()
    away = f"{max(0.0, away_s):.0f} s"
    done = f"{len(history.rows)} actions are in the file"
    notes = [("resume", f"resumed after {away}; {done}, the run was {run.status}")]
    if station.in_process and run.segments()[-1]["status"] is None:
        notes.append(("warning", _DIE_IS_OLDER))
    then, now = run.header.get("versions", {}), versions()
    notes += [
        ("warning", f"begun with {name} {then.get(name)}, resumed with {now.get(name)}")
        for name in {**then, **now}
        if then.get(name) != now.get(name)
    ]
    text_then, text_now = run.header.get("station_text") or "", station_text(station) or ""
    difference = difflib.unified_diff(text_then.splitlines(), text_now.splitlines(), n=0, lineterm="")
    # after the names of the two files come the changes, and @@ where each lies
    changed = "; ".join(line for line in list(difference)[2:] if line[0] != "@")
    if changed:
        notes.append(("warning", f"the station file is another one since the start (- then, + now): {changed}"))
    log = run.path.with_name(f"{run.run_id}.guardian.log")
    if log.exists():
        known = {message for kind, message in past if kind == "guardian"}
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        notes += [("guardian", line) for line in lines if line not in known and not _is_routine(line)]
    return notes


def _is_routine(line: str) -> bool:
    try:
        entry = json.loads(line)
    except ValueError:  # the line that was being written when the computer failed
        return False
    return isinstance(entry, dict) and entry.get("event") in _ROUTINE


def _differences(then: Mapping[str, Any], now: Mapping[str, Any], place: str) -> Iterator[str]:
    """Compare what ``now`` holds with the same entries of ``then``; a header that lacks one is of an older version."""
    for key, value in now.items():
        if key not in then or then[key] == value:
            continue
        if isinstance(value, Mapping) and isinstance(then[key], Mapping):
            yield from _differences(then[key], value, f"{place}{key}.")
        else:
            yield f"{place}{key}: {json.dumps(then[key])} then, {json.dumps(value)} now"
