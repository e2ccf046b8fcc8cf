"""The state of a die from the run files alone: which die a run was made on, and the maps that its runs give together.

Not here: the maps and their rules (:mod:`labctl.analysis.die_maps`), which runs there are
(:mod:`labctl.analysis.die_index`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from labctl.analysis.die_maps import DieMaps, RunRule
from labctl.analysis.run_rows import RunClock, filled, last_row, read_rows
from labctl.errors import RunError
from labctl.store import Run

__all__ = ["SLICE_ROWS", "Die", "Taken", "die_of", "die_state", "judge_cells", "maps_of_run", "take_rows"]

_LABELS = (
    "Event",
    "Row",
    "Column",
    "Step",
    "Voltage (V)",
    "Width (s)",
    "Current (A)",
    "Conductance (S)",
    "Target (S)",
    "Time (s)",
    "Flags",
    "Die",
)
# so few that whoever reads a long run can stop in between
SLICE_ROWS = 20_000


@dataclass(frozen=True, slots=True)
class Taken:
    """How far a run has been read.

    Attributes
    ----------
    seq : int
        Number of the last row; 0: none.
    time_s : float, unit s
        Its time, on the clock of the rack.
    changed_dies : bool
        Whether some of its rows are of dies that the run put in itself.
    """

    seq: int = 0
    time_s: float = 0.0
    changed_dies: bool = False


@dataclass(frozen=True, slots=True)
class Die:
    """What makes two runs runs of the same die.

    Attributes
    ----------
    sample : str
        Name of the sample in the station file; whoever puts another die in the socket gives it another name.
    rows, columns : int, unit 1
        Word lines and bit lines.
    bench : str
        Name of the simulated bench; empty for a real die.
    seed : int or None
        Of the simulated die.
    """

    sample: str
    rows: int
    columns: int
    bench: str = ""
    seed: int | None = None

    @property
    def simulated(self) -> bool:
        """Whether it is a simulated die."""
        return bool(self.bench)


class _Headed(Protocol):
    @property
    def header(self) -> Mapping[str, Any]: ...


def die_of(run: _Headed) -> Die | None:
    """Tell which die a run was made on.

    Parameters
    ----------
    run : Run
        Or whatever else has the header of one, such as a follower.

    Returns
    -------
    Die or None
        None where the run names no sample.
    """
    sample = run.header.get("sample")
    if not isinstance(sample, dict) or not {"name", "rows", "columns"} <= sample.keys():
        return None
    bench = run.header.get("bench") or {}
    simulated = bool(run.header["simulated"])
    return Die(
        str(sample["name"]),
        int(sample["rows"]),
        int(sample["columns"]),
        str(bench.get("name") or "simulated") if simulated else "",
        run.header.get("seed"),
    )


def die_state(runs: Iterable[Run]) -> DieMaps:
    """Return what all runs of a die together say of its cells.

    Parameters
    ----------
    runs : iterable of Run
        Of one die, in any order.

    Returns
    -------
    DieMaps
        Of each cell the last that was measured, in the order in which the runs began.

    Raises
    ------
    RunError
        If there is no run, or they are of several dies.
    StoreError
        If a file is damaged.
    """
    ordered = sorted(runs, key=lambda run: str(run.header["started_utc"]))
    dies = {die_of(run) for run in ordered}
    if len(dies) != 1 or None in dies:
        told = "; ".join(sorted(str(die) for die in dies)) or "no run"
        raise RunError(f"die state: all runs must be of one die, got {told}; choose those of one sample and seed")
    (die,) = dies
    assert die is not None
    found = DieMaps(die.rows, die.columns)
    for run in ordered:
        found.merge(maps_of_run(run, die))
    return found


def maps_of_run(run: Run, die: Die) -> DieMaps:
    """Return what one run says of the cells of its die.

    Parameters
    ----------
    run : Run
    die : Die
        Its die.

    Returns
    -------
    DieMaps
        Empty where the run has no columns "Row" and "Column", as one that only waits.

    Raises
    ------
    StoreError
        If the file is damaged.
    """
    found, taken, last = DieMaps(die.rows, die.columns), Taken(), last_row(run)
    while taken.seq < last:
        taken = take_rows(found, run, taken, last)
    judge_cells(found, run, taken)
    return found


def take_rows(maps: DieMaps, run: Run, taken: Taken, upto: int) -> Taken:
    """Take the next rows of a run, at most :data:`SLICE_ROWS`.

    Parameters
    ----------
    maps : DieMaps
        What its rows so far said; changed.
    run : Run
    taken : Taken
        How far it was read.
    upto : int
        Number of the last row that is wanted.

    Returns
    -------
    Taken
        How far it is read now; without columns "Row" and "Column" at once to the end.

    Raises
    ------
    StoreError
        If the file is damaged.
    """
    names = {column.name for column in run.columns}
    if not {"Row", "Column"} <= names:
        return Taken(upto)
    end = min(upto, taken.seq + SLICE_ROWS)
    columns = read_rows(run, _LABELS, taken.seq, end).columns
    time_s = filled(columns.get("Time (s)", np.full(len(columns["Row"]), np.nan)), taken.time_s)
    if not time_s.size:
        return Taken(end, taken.time_s, taken.changed_dies)
    rule = RunRule.of(str(run.header["procedure"]), run.parameter_texts)
    maps.take(columns, RunClock(run).times_s(time_s), rule)
    return Taken(end, float(time_s[-1]), taken.changed_dies or any(map(bool, columns.get("Die", ()))))


def judge_cells(maps: DieMaps, run: Run, taken: Taken) -> None:
    """Take what a run that has ended said of the cells that failed.

    Parameters
    ----------
    maps : DieMaps
        What all its rows said; changed.
    run : Run
    taken : Taken
        That all its rows were taken.

    Raises
    ------
    StoreError
        If the file is damaged.
    """
    results = (run.seal or {}).get("results") or {}
    # a sequence puts the name of the step in front
    lists = [value for name, value in results.items() if name.split(".")[-1] == "failed_cells"]
    # those of a sequence that changed dies are of other dies
    if lists and not taken.changed_dies:
        maps.judge({cell: reason for listed in lists for cell, reason in _failed(listed)})


def _failed(listed: Any) -> Iterable[tuple[tuple[int, int], str]]:
    for item in listed if isinstance(listed, list) else []:
        yield (int(item["row"]), int(item["column"])), str(item["reason"])
