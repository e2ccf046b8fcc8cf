"""Putting a run into a queue after its configuration was checked, with its estimate. Not here: the queue itself."""

from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from typing import Any

from labctl.run.dry_run import estimate_run
from labctl.run.procedure import LabProcedure
from labctl.run.queue.store import RunQueue
from labctl.run.resuming import check_procedure
from labctl.station.station_file import read_station_file
from labctl.store import Run

__all__ = ["add_resume", "add_run", "check_run"]


def add_run(
    queue: RunQueue,
    procedure_class: type[LabProcedure],
    station: "str | PathLike[str]",
    parameters: Mapping[str, object],
    *,
    repeat: int = 1,
    holds: Sequence[str] = (),
    between: str | None = None,
    label: str = "",
    first: bool = False,
) -> int:
    """Check a configuration, estimate it, and put it into a queue.

    Parameters
    ----------
    queue : RunQueue
    procedure_class : type of LabProcedure
        One that ``labctl procedures`` lists.
    station : str or path
        Name of a known station, or a station file.
    parameters : mapping of str to object
        Values in SI units, or text such as ``"10us"``.
    repeat : int, unit 1
    holds : sequence of str
    between : str, optional
    label : str
    first : bool

    Returns
    -------
    int
        Id of the item.

    Raises
    ------
    StationError, RunError
        If the configuration is refused.
    ValueError
        If it is to be run less than once.
    StoreError
        If the queue cannot be changed.
    """
    facts = check_run(procedure_class, station, parameters)
    return queue.add(
        procedure_class.procedure_name(),
        fspath(station),
        {name: str(value) for name, value in parameters.items() if value is not None},
        repeat=repeat,
        holds=holds,
        between=between,
        label=label,
        first=first,
        **facts,
    )


def check_run(
    procedure_class: type[LabProcedure], station: "str | PathLike[str]", parameters: Mapping[str, object]
) -> dict[str, Any]:
    """Check a configuration and return what its item in a queue says besides.

    Parameters
    ----------
    procedure_class : type of LabProcedure
    station : str or path
    parameters : mapping of str to object

    Returns
    -------
    dict
        ``estimate_s`` and ``simulated``, as :meth:`~labctl.run.queue.store.RunQueue.add` takes them.

    Raises
    ------
    StationError, RunError
        If the configuration is refused.
    """
    estimate = estimate_run(procedure_class, station, parameters)
    content = read_station_file(station)
    return {
        "estimate_s": None if estimate is None else estimate.duration_s,
        # a served bench names its operator's port, one in process its library
        "simulated": content.bench is not None or content.unrecorded_library.endswith("@labctl"),
    }


def add_resume(
    queue: RunQueue,
    run: Run,
    procedure_class: type[LabProcedure],
    *,
    holds: Sequence[str] = (),
    between: str | None = None,
    label: str = "",
    first: bool = False,
) -> int:
    """Put the rest of a run into a queue.

    Parameters
    ----------
    queue : RunQueue
    run : Run
        Interrupted, aborted or failed.
    procedure_class : type of LabProcedure
        The class that began it.
    holds : sequence of str
    between : str, optional
    label : str
    first : bool

    Returns
    -------
    int
        Id of the item.

    Raises
    ------
    RunError
        If the run cannot be resumed as it is now.
    StoreError
        If the queue cannot be changed.
    """
    check_procedure(run, procedure_class)
    return queue.add(
        str(run.header["procedure"]),
        str(run.header["station"]),
        run.parameter_texts,
        holds=holds,
        between=between,
        label=label,
        resume_of=str(run.path),
        first=first,
        simulated=bool(run.header["simulated"]),
    )
