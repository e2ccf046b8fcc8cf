"""The suite from a script or a notebook, in five lines::

    from labctl.script import run

    done = run("read_array", "tiox-32x32", read_voltage_v="0.2 V")
    done.table()       # pandas: one row per point, units in attrs
    done.arrays()      # xarray: maps with named dimensions and units

A run that was cut, by a power failure for instance, goes on with ``resume("latest")``.

Not here: the engine (:mod:`labctl.run`), the run files (:mod:`labctl.store`).
"""

from os import PathLike
from typing import TYPE_CHECKING

from labctl.errors import Aborted, RunError
from labctl.run import LabProcedure, Observer, execute_procedure, resume_run
from labctl.store import Run, open_run
from labctl.store import list_runs as summarise_runs

if TYPE_CHECKING:
    import pandas as pd

    from labctl.analysis.comparison import Comparison
    from labctl.run.dry_run import DryRun
    from labctl.station import Station

__all__ = ["compare_runs", "dry_run", "list_runs", "open_run", "resume", "run"]


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


def list_runs(out: "str | PathLike[str] | None" = None) -> "pd.DataFrame":
    """List the runs of a data root as a table, newest first.

    Parameters
    ----------
    out : path-like, optional
        The data root.

    Returns
    -------
    pandas.DataFrame
        Indexed by ``run_id``.

    Raises
    ------
    StoreError
        If the data root is no folder.
    """
    import pandas as pd

    names = ["run_id", "procedure", "status", "station", "simulated", "started_utc", "wall_time_s", "points"]
    summaries = summarise_runs(out if out is None else str(out))
    return pd.DataFrame(summaries, columns=pd.Index(names)).set_index("run_id")


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
