"""The suite from a script or a notebook, in five lines::

    from labctl.script import run

    done = run("read_array", "tiox-32x32", read_voltage_v="0.2 V")
    done.table()       # pandas: one row per point, units in attrs
    done.arrays()      # xarray: maps with named dimensions and units

Not here: the engine (:mod:`labctl.run`), the run files (:mod:`labctl.store`).
"""

from os import PathLike
from typing import TYPE_CHECKING

from labctl.errors import Aborted, RunError
from labctl.run import LabProcedure, Observer, execute_procedure
from labctl.store import Run, open_run
from labctl.store import list_runs as summarise_runs

if TYPE_CHECKING:
    import pandas as pd

    from labctl.station import Station

__all__ = ["list_runs", "open_run", "run"]


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
    if isinstance(procedure, str):
        from labctl_procedures import find_procedure

        procedure = find_procedure(procedure)
    done = execute_procedure(procedure, station, parameters, out=out, observer=observer)
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
