"""What stands in a queue: its items, and the times that they were run. Not here: where they are kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

__all__ = ["ENDED_BADLY", "Attempt", "ItemState", "Policy", "QueueItem", "short_parameters"]

_SHORT_LENGTH = 60


class ItemState(StrEnum):
    """Where an item stands."""

    WAITING = "waiting"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    ABORTED = "aborted"
    INTERRUPTED = "interrupted"


ENDED_BADLY = frozenset({ItemState.FAILED, ItemState.ABORTED, ItemState.INTERRUPTED})


class Policy(StrEnum):
    """What becomes of the queue when an item did not finish."""

    STOP = "stop"
    CONTINUE = "continue"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One time that an item was run.

    Attributes
    ----------
    run_id : str
        Empty until the run file exists, and for good where the run was refused.
    path : Path or None
        The run file.
    status : str
        "starting", or as the run file has it: running, finished, failed, aborted, interrupted.
    started_utc : str
    wall_time_s : float or None, unit s
        From start to end, once it has ended.
    """

    run_id: str
    path: Path | None
    status: str
    started_utc: str
    wall_time_s: float | None = None


@dataclass(frozen=True, slots=True)
class QueueItem:
    """A run that waits, is under way or is done.

    Attributes
    ----------
    id : int
        Its own for good; a removed item's is not given again.
    place : int, unit 1
        From 1, in the order in which they run.
    procedure, station : str
    parameters : mapping of str to str
        As a person writes them.
    repeat : int, unit 1
        Times that it is to be run.
    done : int, unit 1
        Times that it has finished.
    state : ItemState
        An item between two repetitions is waiting.
    attempts : tuple of Attempt
        Oldest first.
    holds : tuple of str
        What holds the run, such as ``"Current (A) <= 1 uA"``.
    between : str or None
        Time of day at which it may measure, such as ``"20:00-06:00"``.
    label : str
        What somebody calls it.
    resume_of : str or None
        Id or path of the run that it goes on with.
    error : str or None
        Why it did not finish.
    estimate_s : float or None, unit s
        Time of the rack for one repetition, as estimated when it was added.
    simulated : bool or None
        Whether its rack is simulated; None where nobody has said yet.
    folder : Path
        Where relative names of files in ``station`` and ``parameters`` begin.
    """

    id: int
    place: int
    procedure: str
    station: str
    parameters: Mapping[str, str]
    repeat: int
    done: int
    state: ItemState
    attempts: tuple[Attempt, ...]
    holds: tuple[str, ...]
    between: str | None
    label: str
    resume_of: str | None
    error: str | None
    estimate_s: float | None
    simulated: bool | None
    folder: Path

    @property
    def run_ids(self) -> tuple[str, ...]:
        """Ids of the runs that it became, oldest first."""
        return tuple(attempt.run_id for attempt in self.attempts if attempt.run_id)

    @property
    def run_path(self) -> Path | None:
        """File of the newest run that it became."""
        return next((attempt.path for attempt in reversed(self.attempts) if attempt.path is not None), None)

    @property
    def name(self) -> str:
        """How a sentence calls it."""
        return f"{self.label or self.procedure} (queue item {self.id})"


def short_parameters(item: QueueItem) -> str:
    """Return what a list shows of an item's parameters; cells have a column of their own.

    Parameters
    ----------
    item : QueueItem

    Returns
    -------
    str
        One line, cut where it is long; a sequence is its file, a resumed run its id.
    """
    if item.resume_of is not None:
        return f"goes on with {Path(item.resume_of).name.removesuffix('.run.sqlite')}"
    if item.procedure == "sequence":
        return item.parameters.get("file", "")
    text = ", ".join(f"{name} {value}" for name, value in item.parameters.items() if name != "cells")
    return text if len(text) <= _SHORT_LENGTH else f"{text[: _SHORT_LENGTH - 2].rstrip(' ,')} …"
