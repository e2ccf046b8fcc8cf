"""The queue of a data root, on disk: windows and commands may edit it at once, and nobody's crash loses an edit.

Not here: who works through it (:mod:`labctl.run.queue.worker`), its tables (:mod:`labctl.run.queue.schema`).
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from labctl.errors import RunError, StoreError
from labctl.run.queue.items import Attempt, ItemState, Policy, QueueItem
from labctl.run.queue.schema import connect_to_queue, queue_folder

__all__ = ["FILE_NAME", "RunQueue"]

FILE_NAME = "queue.sqlite"
_ITEM = (
    "id, place, procedure, station, parameters, repeat, state, holds, between_times, label, resume_of, error,"
    " estimate_s, simulated, folder"
)
_BY_HAND = "held by hand"


class RunQueue:
    """The queue of a data root, open until :meth:`close`; each method is one transaction. For use by one thread.

    Parameters
    ----------
    root : Path
        The data root; made if it is not there.

    Attributes
    ----------
    root : Path
    folder : Path
        Where the queue lies: the data root, or a local folder where that is none.
    path : Path
        Its file.

    Raises
    ------
    StoreError
        If the queue cannot be opened, here or in a method.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.folder = queue_folder(root)
        self.path = self.folder / FILE_NAME
        self._connection = connect_to_queue(self.path)

    def __enter__(self) -> Self:
        """Return the queue; the end of the block closes it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the queue."""
        self.close()

    def close(self) -> None:
        """Let go of the file; may be called twice."""
        self._connection.close()

    def version(self) -> tuple[int, int]:
        """Return what differs after every change, by this or another process; cheap enough to be asked often."""
        with self._reading():
            (others,) = self._connection.execute("PRAGMA data_version").fetchone()
        return int(others), self._connection.total_changes

    @property
    def policy(self) -> Policy:
        """What becomes of the queue when an item did not finish: "stop" holds it, "continue" goes on."""
        return Policy(self._setting("policy"))

    @policy.setter
    def policy(self, policy: str) -> None:
        if policy not in list(Policy):
            raise ValueError(f"queue: the policy must be one of {', '.join(Policy)}, got {policy!r}")
        with self._edit():
            self._set("policy", str(policy))

    @property
    def is_held(self) -> bool:
        """Whether no further item is started; what is running goes on."""
        return self._setting("held") == "1"

    @property
    def held_why(self) -> str:
        """Why the queue is held; empty where it is not."""
        return self._setting("held_why")

    def hold(self, why: str = _BY_HAND) -> None:
        """Start no further item until :meth:`release`; what is running goes on.

        Parameters
        ----------
        why : str
        """
        with self._edit():
            self._hold(why)

    def release(self) -> None:
        """Let items be started again."""
        with self._edit():
            self._set("held", "0")
            self._set("held_why", "")

    def items(self) -> list[QueueItem]:
        """Return all items in their order.

        Returns
        -------
        list of QueueItem
        """
        with self._reading():
            self._connection.execute("BEGIN")
            try:
                return self._items()
            finally:
                self._connection.execute("COMMIT")

    def item(self, id: int) -> QueueItem:
        """Return one item.

        Parameters
        ----------
        id : int

        Returns
        -------
        QueueItem

        Raises
        ------
        RunError
            If it is not there; the others are named.
        """
        with self._reading():
            return self._item(id)

    def add(
        self,
        procedure: str,
        station: str,
        parameters: Mapping[str, str],
        *,
        repeat: int = 1,
        holds: Sequence[str] = (),
        between: str | None = None,
        label: str = "",
        resume_of: str | None = None,
        first: bool = False,
        estimate_s: float | None = None,
        simulated: bool | None = None,
        folder: Path | None = None,
    ) -> int:
        """Put an item behind the others, or before all that wait.

        Parameters
        ----------
        procedure, station : str
        parameters : mapping of str to str
            As a person writes them.
        repeat : int, unit 1
            Times that it is to be run.
        holds : sequence of str
        between : str, optional
        label : str
        resume_of : str, optional
            Id or path of the run that it goes on with; ``parameters`` are those of that run then.
        first : bool
        estimate_s : float, optional, unit s
            Time of the rack for one repetition.
        simulated : bool, optional
            Whether the rack is.
        folder : Path, optional
            Where relative names of files begin; left out, the working folder.

        Returns
        -------
        int
            Its id.

        Raises
        ------
        ValueError
            If it is to be run less than once, or a resumed run more than once.
        """
        _check_repeat(repeat)
        if resume_of is not None and repeat != 1:
            raise ValueError(f"queue: a run is resumed once, got repeat {repeat}; leave repeat at 1")
        values = {
            "procedure": procedure,
            "station": station,
            "parameters": json.dumps(dict(parameters)),
            "repeat": repeat,
            "state": str(ItemState.WAITING),
            "holds": json.dumps(list(holds)),
            "between_times": between or None,
            "label": label,
            "resume_of": resume_of,
            "estimate_s": estimate_s,
            "simulated": simulated,
            "folder": str((folder or Path()).absolute()),
        }
        with self._edit():
            return self._insert(values, 0 if first else None)

    def edit(self, id: int, **changes: Any) -> None:
        """Change an item that is not running; one that had ended waits again.

        Parameters
        ----------
        id : int
        **changes
            Any of ``procedure``, ``station``, ``parameters``, ``repeat``, ``holds``, ``between``, ``label``,
            ``estimate_s``, ``simulated``, ``folder``, as :meth:`add` takes them. ``parameters`` replaces all of them.

        Raises
        ------
        RunError
            If the item is running or is not there, or has finished as often as it is to be run.
        TypeError
            If something else is to be changed.
        ValueError
            If it is to be run less than once.
        """
        values = _stored(changes)
        with self._edit():
            item = self._idle(id)
            if values.get("repeat", item.repeat) <= item.done:
                raise RunError(
                    f"{item.name} has finished {item.done} times; set repeat to more than that to run it again, "
                    "or duplicate it"
                )
            values |= {"state": str(ItemState.WAITING), "error": None}
            names = ", ".join(f"{name} = :{name}" for name in values)
            self._connection.execute(f"UPDATE item SET {names} WHERE id = :id", {**values, "id": id})  # noqa: S608

    def duplicate(self, id: int) -> int:
        """Put a copy of an item behind the others; it has not been run yet.

        Parameters
        ----------
        id : int

        Returns
        -------
        int
            The id of the copy.

        Raises
        ------
        RunError
            If the item is not there.
        """
        with self._edit():
            self._item(id)
            names = [name for name in _ITEM.split(", ") if name not in ("id", "place", "state", "error")]
            row = self._connection.execute(f"SELECT {', '.join(names)} FROM item WHERE id = ?", [id]).fetchone()  # noqa: S608
            return self._insert({**dict(zip(names, row, strict=True)), "state": str(ItemState.WAITING)}, None)

    def move(self, id: int, place: int) -> None:
        """Give a waiting item another place.

        Parameters
        ----------
        id : int
        place : int, unit 1
            From 1, counted over all items; beyond the last is the last.

        Raises
        ------
        RunError
            If the item is not there or does not wait.
        """
        with self._edit():
            item = self._item(id)
            if item.state is not ItemState.WAITING:
                raise RunError(f"{item.name} is {item.state}; only waiting items have a turn that can change")
            order = [known for known in self._order() if known != id]
            order.insert(max(0, place - 1), id)
            self._number(order)

    def remove(self, id: int) -> None:
        """Take an item out; the runs that it became stay.

        Parameters
        ----------
        id : int

        Raises
        ------
        RunError
            If it is running, or is not there.
        """
        with self._edit():
            self._idle(id)
            self._connection.execute("DELETE FROM item WHERE id = ?", [id])
            self._number(self._order())

    def clear_done(self) -> int:
        """Take out the items that are over, however they ended; their runs stay.

        Returns
        -------
        int
            How many there were.
        """
        kept = (str(ItemState.WAITING), str(ItemState.RUNNING))
        with self._edit():
            removed = self._connection.execute("DELETE FROM item WHERE state NOT IN (?, ?)", kept).rowcount
            self._number(self._order())
        return int(removed)

    def _items(self) -> list[QueueItem]:
        attempts: dict[int, list[Attempt]] = {}
        done: dict[int, int] = {}
        for item, status, started_utc, run_id, path, wall_time_s in self._connection.execute(
            "SELECT item, status, started_utc, run_id, path, wall_time_s FROM attempt ORDER BY id"
        ):
            place = None if path is None else Path(path)
            attempts.setdefault(item, []).append(Attempt(run_id, place, status, started_utc, wall_time_s))
            done[item] = done.get(item, 0) + (status == ItemState.FINISHED)
        found = []
        for row in self._connection.execute(f"SELECT {_ITEM} FROM item ORDER BY place"):  # noqa: S608 - our names
            values = dict(zip(_ITEM.split(", "), row, strict=True))
            simulated = values["simulated"]
            found.append(
                QueueItem(
                    **{name: values[name] for name in ("id", "place", "procedure", "station", "repeat", "label")},
                    **{name: values[name] for name in ("resume_of", "error", "estimate_s")},
                    parameters=json.loads(values["parameters"]),
                    done=done.get(values["id"], 0),
                    state=ItemState(values["state"]),
                    attempts=tuple(attempts.get(values["id"], ())),
                    holds=tuple(json.loads(values["holds"])),
                    between=values["between_times"],
                    simulated=None if simulated is None else bool(simulated),
                    folder=Path(values["folder"]),
                )
            )
        return found

    def _item(self, id: int) -> QueueItem:
        items = self._items()
        for item in items:
            if item.id == id:
                return item
        known = ", ".join(str(item.id) for item in items) or "none"
        raise RunError(f"queue item {id} is not in the queue of {self.root}; it has: {known}")

    def _idle(self, id: int) -> QueueItem:
        item = self._item(id)
        if item.state is ItemState.RUNNING:
            run = item.attempts[-1].run_id
            how = f" (labctl abort {run})" if run else ""
            raise RunError(f"{item.name} is running; abort it first{how}, or wait until it has ended")
        return item

    def _order(self) -> list[int]:
        return [id for (id,) in self._connection.execute("SELECT id FROM item ORDER BY place")]

    def _number(self, order: Sequence[int]) -> None:
        self._connection.executemany(
            "UPDATE item SET place = ? WHERE id = ?", [(place, id) for place, id in enumerate(order, 1)]
        )

    def _insert(self, values: Mapping[str, object], among_waiting: int | None) -> int:
        """Insert an item as the last, or at this position among those that wait."""
        order = self._order()
        marks = ", ".join(f":{name}" for name in values)
        id = self._connection.execute(
            f"INSERT INTO item (place, {', '.join(values)}) VALUES (0, {marks})",  # noqa: S608 - our names
            dict(values),
        ).lastrowid
        assert id is not None
        waiting = {known for (known,) in self._connection.execute("SELECT id FROM item WHERE state = 'waiting'")}
        places = [place for place, known in enumerate(order) if known in waiting]
        order.insert(len(order) if among_waiting is None or not places else places[among_waiting], id)
        self._number(order)
        return id

    def _hold(self, why: str) -> None:
        self._set("held", "1")
        self._set("held_why", why)

    def _setting(self, key: str) -> str:
        with self._reading():
            (value,) = self._connection.execute("SELECT value FROM setting WHERE key = ?", [key]).fetchone()
        return str(value)

    def _set(self, key: str, value: str) -> None:
        self._connection.execute("UPDATE setting SET value = ? WHERE key = ?", [value, key])

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, ValueError, TypeError) as error:
            raise StoreError(
                f"{self.path}: the queue cannot be read: {error}; check the disk, or move the file away: runs lose "
                "nothing"
            ) from error

    @contextmanager
    def _edit(self) -> Iterator[None]:
        """Make what is done in the block one change, or none."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise StoreError(f"{self.path}: the queue cannot be changed: {error}; nothing was changed") from error
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")


def _check_repeat(repeat: int) -> None:
    if isinstance(repeat, bool) or not isinstance(repeat, int) or repeat < 1:
        raise ValueError(f"queue: repeat must be a whole number from 1, got {repeat!r}")


def _stored(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return changes as they are stored."""
    ways: dict[str, Any] = {
        "parameters": lambda value: json.dumps(dict(value)),
        "holds": lambda value: json.dumps(list(value)),
        "between": lambda value: value or None,
        "folder": lambda value: str(value.absolute()),
    }
    plain = ("procedure", "station", "repeat", "label", "estimate_s", "simulated")
    unknown = sorted(set(changes) - {*ways, *plain})
    if unknown:
        raise TypeError(f"queue: an item has no {', '.join(unknown)} to change; it has {', '.join((*plain, *ways))}")
    if "repeat" in changes:
        _check_repeat(changes["repeat"])
    columns = {"between": "between_times"}
    return {columns.get(name, name): ways.get(name, lambda same: same)(value) for name, value in changes.items()}
