"""The suite from a script or a notebook, in five lines::

    from labctl.script import run

    done = run("read_array", "tiox-32x32", read_voltage_v="0.2 V")
    done.table()       # pandas: one row per point, units in attrs
    done.arrays()      # xarray: maps with named dimensions and units

A run that was cut, by a power failure for instance, goes on with ``resume("latest")``. One that goes on in
another process is paused with ``ask_run(live_runs(data_root())[0].path, "pause")``; ``switch_off`` is ALL OUTPUTS OFF;
``for rows in play("latest", speed=10)`` plays an old run as if it were measured now.

Not here: the engine (:mod:`labctl.run`), the run files (:mod:`labctl.store`).
"""

from collections.abc import Sequence
from dataclasses import fields
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from labctl.errors import Aborted, RunError
from labctl.replay.tables import play
from labctl.run import LabProcedure, Observer, execute_procedure, resume_run
from labctl.run.by_hand import do_by_hand
from labctl.run.live import live_runs
from labctl.run.looking import look_at_station
from labctl.run.mailbox import ask_run
from labctl.run.switching_off import switch_off
from labctl.store import Run, data_root, find_run, open_run
from labctl.store.catalogue import Catalogue
from labctl.store.notes import Notes, read_notes, write_notes
from labctl.store.run_entry import RunEntry, RunFilter
from labctl.store.trash import restore_run
from labctl.store.trash import trash_run as move_to_trash

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from labctl.analysis.comparison import Comparison
    from labctl.analysis.die_index import DieIndex
    from labctl.analysis.die_state import Die
    from labctl.run.dry_run import DryRun
    from labctl.run.queue.store import RunQueue
    from labctl.station import Station

__all__ = [
    "Notes",
    "RunFilter",
    "ask_run",
    "cell_history",
    "compare_runs",
    "die_state",
    "do_by_hand",
    "dry_run",
    "list_runs",
    "live_runs",
    "look_at_station",
    "note_run",
    "open_queue",
    "open_run",
    "play",
    "queue_run",
    "restore_run",
    "resume",
    "run",
    "switch_off",
    "trash_run",
]


def run(
    procedure: str | type[LabProcedure],
    station: "Station | str | PathLike[str]",
    *,
    out: "str | PathLike[str] | None" = None,
    observer: Observer | None = None,
    **parameters: object,
) -> Run:
    """Run a procedure and return its finished run.

    Parameters
    ----------
    procedure : str or type of LabProcedure
        A name that ``labctl procedures`` lists, or a class of your own.
    station : str, path or Station
    out : path-like, optional
        The data root.
    observer : Observer, optional
    **parameters
        Values in SI units, or text such as ``"10us"``.

    Returns
    -------
    Run

    Raises
    ------
    RunError
        If the run failed; its file is named and keeps every point.
    Aborted
        If it was aborted.
    LabError
        If the configuration is refused; there is no run file then.
    """
    done = execute_procedure(_class_of(procedure), station, parameters, out=out, observer=observer)
    return _finished(done)


def resume(
    reference: str | Run = "latest",
    *,
    station: "Station | str | PathLike[str] | None" = None,
    procedure: type[LabProcedure] | None = None,
    out: "str | PathLike[str] | None" = None,
    observer: Observer | None = None,
) -> Run:
    """Go on with a run that was interrupted, aborted or failed, and return it finished.

    Parameters
    ----------
    reference : str or Run
        Id, path or ``"latest"``.
    station : str, path or Station, optional
        Left out, the station file that the run names.
    procedure : type of LabProcedure, optional
        The class that began it, if ``labctl procedures`` does not list it.
    out : path-like, optional
        The data root.
    observer : Observer, optional

    Returns
    -------
    Run

    Raises
    ------
    RunError
        If the run cannot be resumed, or failed again.
    Aborted
        If it was aborted again.
    LabError
        If the station cannot be opened, or the file is damaged.
    """
    found = reference if isinstance(reference, Run) else open_run(reference, out if out is None else str(out))
    return _finished(
        resume_run(found, procedure or _class_of(str(found.header["procedure"])), station=station, observer=observer)
    )


def _class_of(procedure: str | type[LabProcedure]) -> type[LabProcedure]:
    if not isinstance(procedure, str):
        return procedure
    from labctl_procedures import find_procedure

    return find_procedure(procedure)


def _finished(done: Run) -> Run:
    summary = done.summary()
    if summary["status"] == "aborted":
        raise Aborted(f"run {done.run_id} was aborted: {summary['error']} ({done.path})")
    if summary["status"] != "finished":
        raise RunError(f"run {done.run_id} {summary['status']}: {summary['error']} ({done.path})")
    return done


def list_runs(out: "str | PathLike[str] | None" = None, wanted: RunFilter | None = None) -> "pd.DataFrame":
    """List the runs of a data root as a table, newest first.

    Parameters
    ----------
    out : path-like, optional
        The data root.
    wanted : RunFilter, optional
        Which ones, such as ``RunFilter(procedure="sweep_iv", cell=(3, 4), tags=("good",))``; left out: all.

    Returns
    -------
    pandas.DataFrame
        Indexed by ``run_id``; the other columns are the attributes of a
        :class:`~labctl.store.run_entry.RunEntry`, ``wall_time_s`` in s.

    Raises
    ------
    StoreError
        If the data root is no folder.
    """
    import pandas as pd

    with Catalogue(data_root(out if out is None else str(out))) as catalogue:
        catalogue.refresh()
        found = catalogue.find(wanted)
    names = ["path" if item.name == "file" else item.name for item in fields(RunEntry)]
    return pd.DataFrame({name: [getattr(entry, name) for entry in found] for name in names}).set_index("run_id")


def note_run(
    reference: str | Run,
    text: str | None = None,
    *,
    tags: Sequence[str] | None = None,
    out: "str | PathLike[str] | None" = None,
) -> Notes:
    """Write a note or tags about a run and return what is noted; the run file is not changed.

    Parameters
    ----------
    reference : str or Run
        Id, path or ``"latest"``.
    text : str, optional
        Replaces the note; left out, it stays.
    tags : sequence of str, optional
        Replace the tags; left out, they stay.
    out : path-like, optional
        The data root.

    Returns
    -------
    Notes

    Raises
    ------
    StoreError
        If the run is not found, a tag is no single word, or the notes cannot be read or written.
    """
    path = _path_of(reference, out)
    known = read_notes(path)
    wanted = Notes(known.text if text is None else text, known.tags if tags is None else tuple(tags))
    if wanted != known:
        write_notes(path, wanted)
    return read_notes(path)


def trash_run(reference: str | Run, out: "str | PathLike[str] | None" = None) -> Path:
    """Move a run to the trash of its data root.

    Parameters
    ----------
    reference : str or Run
        Id or path.
    out : path-like, optional
        The data root.

    Returns
    -------
    Path
        Where it is now, for :func:`restore_run`.

    Raises
    ------
    RunError
        If it is running.
    StoreError
        If it is not found or cannot be moved.
    """
    return move_to_trash(_path_of(reference, out))


def _path_of(reference: str | Run, out: "str | PathLike[str] | None") -> Path:
    return reference.path if isinstance(reference, Run) else find_run(reference, out if out is None else str(out))


def compare_runs(*runs: str | Run, out: "str | PathLike[str] | None" = None) -> "Comparison":
    """Compare runs of one procedure, or sequences that have a step in common.

    Parameters
    ----------
    *runs : str or Run
        At least two: runs, ids or paths.
    out : path-like, optional
        The data root.

    Returns
    -------
    Comparison
        Its ``table()`` has one row per result, with the test and whether the runs differ.

    Raises
    ------
    RunError
        If the runs have no procedure in common, or one is named twice.
    StoreError
        If a run is not found, or its file is damaged.
    """
    from labctl.analysis.comparison import compare

    root = out if out is None else str(out)
    return compare([run if isinstance(run, Run) else open_run(run, root) for run in runs])


def dry_run(procedure: str | type[LabProcedure], station: "str | PathLike[str]", **parameters: object) -> "DryRun":
    """Tell what a run would apply, at most, without opening an instrument.

    Parameters
    ----------
    procedure : str or type of LabProcedure
    station : str or path
        Name of a known station, or a station file.
    **parameters
        Values in SI units, or text such as ``"10us"``.

    Returns
    -------
    DryRun
        Its cases are cells that never respond: open, between and short; ``worst()`` has the extremes over them.

    Raises
    ------
    LabError
        If the configuration is refused.
    """
    from labctl.run.dry_run import dry_run as rehearse

    return rehearse(_class_of(procedure), station, parameters)


def open_queue(out: "str | PathLike[str] | None" = None) -> "RunQueue":
    """Open the queue of a data root, to look at it and to edit it; close it, or use it as a context.

    Parameters
    ----------
    out : path-like, optional
        The data root.

    Returns
    -------
    RunQueue

    Raises
    ------
    StoreError
        If it cannot be opened.
    """
    from labctl.run.queue.store import RunQueue

    return RunQueue(data_root(out if out is None else str(out)))


def queue_run(
    procedure: str,
    station: "str | PathLike[str]",
    *,
    repeat: int = 1,
    out: "str | PathLike[str] | None" = None,
    **parameters: object,
) -> int:
    """Put a run into the queue and return at once; it starts when its turn comes, though this script has ended.

    Parameters
    ----------
    procedure : str
        A name that ``labctl procedures`` lists.
    station : str or path
    repeat : int, unit 1
        Run it so many times.
    out : path-like, optional
        The data root.
    **parameters
        Values in SI units, or text such as ``"10us"``.

    Returns
    -------
    int
        Number of its item in the queue.

    Raises
    ------
    LabError
        If the configuration is refused, or the queue cannot be changed.
    """
    from labctl.run.queue.adding import add_run
    from labctl.run.queue.launch import ensure_worker

    with open_queue(out) as queue:
        id = add_run(queue, _class_of(procedure), station, parameters, repeat=repeat)
        if not queue.is_held:
            ensure_worker(queue.root)
    return id


def die_state(station: "str | PathLike[str]", *, out: "str | PathLike[str] | None" = None) -> "xr.Dataset":
    """Return what all runs of the die of a station together say of its cells.

    Parameters
    ----------
    station : str or path
        Name of a known station, or a station file; nothing is opened.
    out : path-like, optional
        The data root.

    Returns
    -------
    xarray.Dataset
        Maps over ``row`` and ``column`` with units: ``conductance``, ``resistance``, ``current``, ``target``,
        ``tolerance``, ``error``, ``change``, ``measured`` and ``touched`` (seconds since 1970), ``readings``,
        ``pulses``, ``over_range``, ``class`` (:class:`labctl.analysis.die_maps.CellClass`). In ``attrs``: ``sample``,
        ``simulated``, ``seed``, ``runs``, ``reasons`` (row, column and why, of failed cells), ``unread`` (why files of
        the data root say nothing).

    Raises
    ------
    RunError
        If there is no run on this die.
    StoreError
        If the data root is no folder.
    LabError
        If the station file is wrong.
    """
    from labctl.analysis.die_index import DieIndex
    from labctl.analysis.die_maps import DieMaps
    from labctl.analysis.die_table import die_dataset

    with DieIndex(data_root(out if out is None else str(out))) as index:
        index.refresh()
        die = _die_on(station, index)
        maps = DieMaps(die.rows, die.columns)
        runs, unread = index.runs(die), index.unread()
    for one in runs:
        maps.merge(one.maps())
    return die_dataset(maps, die, len(runs), unread)


def cell_history(
    station: "str | PathLike[str]", cell: str | tuple[int, int], *, out: "str | PathLike[str] | None" = None
) -> "pd.DataFrame":
    """Return every pulse and reading of a cell, over all runs of its die, oldest first.

    Parameters
    ----------
    station : str or path
        Name of a known station, or a station file; nothing is opened.
    cell : (int, int) or str
        Row and column, from 0; or as text, ``"3,4"``.
    out : path-like, optional
        The data root.

    Returns
    -------
    pandas.DataFrame
        Columns ``utc``, ``run_id``, ``seq`` and those of the run files, such as ``"Conductance (S)"``.

    Raises
    ------
    RunError
        If there is no run on this die.
    StationError
        If the cell is none of the array.
    StoreError
        If a file is damaged.
    """
    from labctl.analysis.cell_history import cell_history as history_of
    from labctl.analysis.die_index import DieIndex
    from labctl.analysis.die_table import history_table
    from labctl.array import parse_cells
    from labctl.errors import StationError

    with DieIndex(data_root(out if out is None else str(out))) as index:
        index.refresh()
        die = _die_on(station, index)
        runs = index.runs(die)
    text = cell if isinstance(cell, str) else "{},{}".format(*cell)
    cells = parse_cells(text, (die.rows, die.columns))
    if len(cells) != 1:
        raise StationError(f"cell: {text!r} names {len(cells)} cells; a history is that of one, such as '3,4'")
    return history_table(history_of((Run(one.path) for one in runs if one.touches(cells[0])), cells[0]))


def _die_on(station: "str | PathLike[str]", index: "DieIndex") -> "Die":
    from labctl.station import read_station_file

    content = read_station_file(station)
    sample = content.sample
    found = index.find_die(content.name, sample.name, (sample.rows, sample.columns))
    if found is None:
        raise RunError(
            f"die: no run in the data root was made on {sample.name!r} of station {content.name!r}; make one with "
            f"`labctl run read_array -s {content.name}`, or name another data root"
        )
    return found
