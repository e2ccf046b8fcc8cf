"""Which runs of the data root are under way, and watching one that has begun, here or elsewhere.

Not here: starting runs (the queue), the bar that shows one (:mod:`labctl.gui.run_bar`).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qtpy.QtCore import QObject, Signal

from labctl.gui.desk import Desk
from labctl.gui.slots import guarded_slot

__all__ = ["RunningRun", "RunningRuns", "run_in_words"]


@dataclass(frozen=True, slots=True)
class RunningRun:
    """A run under way.

    Attributes
    ----------
    run_id : str
    path : Path
    procedure, station : str
    simulated : bool
    """

    run_id: str
    path: Path
    procedure: str
    station: str
    simulated: bool

    def as_words(self) -> str:
        """Name the run for people.

        Returns
        -------
        str
        """
        return run_in_words(self.procedure, self.station, simulated=self.simulated)


def run_in_words(procedure: str, station: str, *, simulated: bool) -> str:
    """Name a run for people.

    Parameters
    ----------
    procedure, station : str
    simulated : bool

    Returns
    -------
    str
    """
    return f"{procedure} on {station}{' (simulated)' if simulated else ''}"


class RunningRuns(QObject):
    """The runs under way, looked for whenever the data root changes.

    A run that begins is watched, unless the user looks at an old one that he has chosen.

    Attributes
    ----------
    changed : Signal of list of RunningRun
    runs : list of RunningRun
        The newest first.

    Parameters
    ----------
    desk : Desk
    parent : QObject, optional
    """

    changed = Signal(object)

    def __init__(self, desk: Desk, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.desk = desk
        self.runs: list[RunningRun] = []
        self._known: set[str] | None = None
        self._taken: Path | None = None
        desk.runs_changed.connect(self.look)

    @guarded_slot
    def look(self) -> None:
        """Look for runs under way."""
        self.desk.backstage.ask("start.running", self._take, replaces="start.running", root=str(self.desk.root))

    def watch(self, run: RunningRun) -> None:
        """Watch a run under way; the next one that begins after it has ended is watched then.

        Parameters
        ----------
        run : RunningRun
        """
        self._taken = run.path
        self.desk.watch(run.path)

    @guarded_slot
    def _take(self, found: list[dict[str, Any]]) -> None:
        runs = [RunningRun(**{**item, "path": Path(item["path"])}) for item in found]
        is_first, known = self._known is None, self._known or set()
        new = [run for run in runs if run.run_id not in known]
        self._known = known | {run.run_id for run in runs}
        is_other = {run.run_id for run in runs} != {run.run_id for run in self.runs}
        self.runs = runs
        if is_other:
            self.changed.emit(runs)
        if not new:
            return
        feed = self.desk.feed
        if feed is None or (feed.path == self._taken and not feed.is_live):
            if is_first:
                self.desk.tell("info", f"{new[0].as_words()} is under way ({new[0].run_id}): the window watches it")
            self.watch(new[0])
