"""The worker's side of a queue: whose turn it is, and what came of it. Not here: starting and watching the runs."""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from labctl.run.queue.items import ItemState, Policy, QueueItem
from labctl.run.queue.store import RunQueue
from labctl.store.process import ProcessMark

__all__ = ["Turn", "Turns"]


@dataclass(frozen=True, slots=True)
class Turn:
    """An item that is under way.

    Attributes
    ----------
    number : int
        Its own for good; an item that is repeated has several.
    item : QueueItem
    child : ProcessMark or None
        The process of the run; None where the worker died while it was started.
    path : Path or None
        The run file, once it exists.
    started_utc : datetime
    """

    number: int
    item: QueueItem
    child: ProcessMark | None
    path: Path | None
    started_utc: datetime


class Turns(RunQueue):
    """A queue as its worker uses it; there must be only one at a time."""

    def begin(self) -> Turn | None:
        """Make the first waiting item the running one.

        Returns
        -------
        Turn or None
            None where nothing waits, the queue is held, or an item is running.
        """
        with self._edit():
            items = self._items()
            waiting = [item for item in items if item.state is ItemState.WAITING]
            is_busy = any(item.state is ItemState.RUNNING for item in items)
            if not waiting or is_busy or self._setting("held") == "1":
                return None
            self._connection.execute("UPDATE item SET state = 'running', error = NULL WHERE id = ?", [waiting[0].id])
            self._connection.execute(
                "INSERT INTO attempt (item, status, started_utc, run_id) VALUES (?, 'starting', ?, '')",
                [waiting[0].id, datetime.now(UTC).isoformat(timespec="milliseconds")],
            )
            return self._running()

    def running(self) -> Turn | None:
        """Return the turn that is under way.

        Returns
        -------
        Turn or None
        """
        with self._reading():
            return self._running()

    def has_work(self) -> bool:
        """Tell whether an item is running, or one waits and may be started."""
        states = {item.state for item in self.items()}
        return ItemState.RUNNING in states or (ItemState.WAITING in states and not self.is_held)

    def note_child(self, turn: Turn, child: ProcessMark) -> None:
        """Note which process runs it, for the next worker.

        Parameters
        ----------
        turn : Turn
        child : ProcessMark
        """
        with self._edit():
            self._connection.execute(
                "UPDATE attempt SET child = ? WHERE id = ?", [json.dumps(asdict(child)), turn.number]
            )

    def note_run(self, turn: Turn, run_id: str, path: Path, *, simulated: bool | None) -> None:
        """Note the run file.

        Parameters
        ----------
        turn : Turn
        run_id : str
        path : Path
        simulated : bool or None
            Whether its rack is; None where it cannot be read now.
        """
        with self._edit():
            self._connection.execute(
                "UPDATE attempt SET status = 'running', run_id = ?, path = ? WHERE id = ?",
                [run_id, str(path), turn.number],
            )
            self._connection.execute(
                "UPDATE item SET simulated = coalesce(?, simulated) WHERE id = ?", [simulated, turn.item.id]
            )

    def end(
        self,
        turn: Turn,
        status: str,
        error: str | None,
        *,
        path: Path | None = None,
        wall_time_s: float | None = None,
    ) -> None:
        """Note how it ended; an item that did not finish holds the queue where the policy is to stop.

        Parameters
        ----------
        turn : Turn
        status : str
            finished, failed, aborted or interrupted.
        error : str or None
        path : Path, optional
            Where the run file lies now.
        wall_time_s : float, optional
        """
        with self._edit():
            self._connection.execute(
                "UPDATE attempt SET status = ?, path = coalesce(?, path), wall_time_s = ? WHERE id = ?",
                [status, None if path is None else str(path), wall_time_s, turn.number],
            )
            item = self._item(turn.item.id)
            state = ItemState(status)
            if state is ItemState.FINISHED and item.done < item.repeat:
                state = ItemState.WAITING
            self._connection.execute("UPDATE item SET state = ?, error = ? WHERE id = ?", [state, error, item.id])
            if status != ItemState.FINISHED and self._setting("policy") == Policy.STOP:
                self._hold(f"{item.name} {_ENDS[status]}")

    def _running(self) -> Turn | None:
        row = self._connection.execute(
            "SELECT attempt.id, item, child, path, started_utc FROM attempt JOIN item ON item.id = attempt.item"
            " WHERE item.state = 'running' ORDER BY attempt.id DESC LIMIT 1"
        ).fetchone()
        if row is None:
            return None
        number, item, child, path, started_utc = row
        return Turn(
            number,
            self._item(item),
            None if child is None else ProcessMark(**json.loads(child)),
            None if path is None else Path(path),
            datetime.fromisoformat(started_utc),
        )


_ENDS = {"failed": "failed", "aborted": "was aborted", "interrupted": "was interrupted"}
