"""The history of the current cell, kept up to date: older runs are read once, rows of the live run come by its feed.

Not here: drawing (:mod:`labctl.gui.array.history_view`), reading files (:mod:`labctl.gui.answers.array`).
"""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from qtpy.QtCore import QObject, QTimer, Signal

from labctl.analysis.history_pack import HISTORY_NUMBERS, HISTORY_TEXTS, unpack_history
from labctl.gui.array.die_watch import DieWatch
from labctl.gui.desk import Cell, Desk
from labctl.gui.feed import Batch, RunFeed, numbers
from labctl.gui.slots import guarded_slot

__all__ = ["CellRun", "CellWatch"]

Columns = dict[str, npt.NDArray[Any]]

# of one run; what is older is let go, a part at a time
MOST_ROWS = 20_000
_SPARE_ROWS = 5_000
# of all cells that were looked at
_KEPT_ROWS = 100_000
_FRAME_MS = 250


class CellRun:
    """Rows of one cell in one run.

    Parameters
    ----------
    facts : mapping
        ``run_id``, ``procedure``, ``path`` and ``simulated``.

    Attributes
    ----------
    run_id, procedure, path : str
    simulated : bool
    upto : int
        Number of the row of the run up to which all are known.
    asked : int
        Number of the row up to which they have been asked for.
    changes : int
        How often rows came or went that are not the newest.
    """

    def __init__(self, facts: Mapping[str, Any]) -> None:
        self.run_id, self.procedure, self.path = str(facts["run_id"]), str(facts["procedure"]), str(facts["path"])
        self.simulated = bool(facts["simulated"])
        self.upto = self.asked = self.changes = 0
        self._reached = 0
        self._parts: list[Columns] = []
        self._count = 0

    def __len__(self) -> int:
        """Count the rows."""
        return self._count

    def columns(self) -> Columns:
        """Return all rows, in their order.

        Returns
        -------
        dict of str to ndarray, shape (rows,)
            As :func:`labctl.analysis.history_pack.unpack_history` has them.
        """
        if len(self._parts) > 1:
            self._parts = [joined(self._parts)]
        return self._parts[0] if self._parts else joined([])

    def put_older(self, part: Columns) -> None:
        """Take rows that were read from the file.

        Parameters
        ----------
        part : dict of str to ndarray, shape (rows,)
        """
        if part["seq"].size:
            self._parts.append(part)
            self._parts.sort(key=lambda one: float(one["seq"][0]))
            self._count += part["seq"].size
            self.changes += 1

    def put_newer(self, part: Columns, last_seq: int) -> None:
        """Take rows that were just measured.

        Parameters
        ----------
        part : dict of str to ndarray, shape (rows,)
            Rows that are known, or asked for, are left out.
        last_seq : int
            Number of the row of the run that is known now.
        """
        is_new = part["seq"] > max(self.upto, self.asked)
        count = int(is_new.sum())
        if count:
            self._parts.append({name: values[is_new] for name, values in part.items()})
            self._count += count
        self._reached = max(self._reached, last_seq)
        if not self.asked:
            self.upto = max(self.upto, last_seq)
        if self._count > MOST_ROWS + _SPARE_ROWS:
            self._parts = [{name: values[-MOST_ROWS:].copy() for name, values in self.columns().items()}]
            self._count = MOST_ROWS
            self.changes += 1

    def begin_to_ask(self, live_seq: int = 0) -> None:
        """Note that rows are asked for; what came meanwhile of them will come again.

        Parameters
        ----------
        live_seq : int
            Number of the last of them in a live run.
        """
        if not self.asked and live_seq <= self.upto:
            return
        self.asked = self._reached = live_seq if live_seq > self.upto else 0
        whole = self.columns()
        known = whole["seq"] <= self.upto
        if not known.all():
            self._count = int(known.sum())
            self._parts = [{name: values[known] for name, values in whole.items()}] if self._count else []
            self.changes += 1

    def end_to_ask(self, upto: int) -> None:
        """Note that all rows that were asked for are there.

        Parameters
        ----------
        upto : int
            Number of the last row of the run that was read.
        """
        self.upto = max(self.upto, upto, self._reached if self.asked else 0)
        self.asked = 0


class CellWatch(QObject):
    """The current cell of the desk's die.

    Parameters
    ----------
    desk : Desk
    watch : DieWatch
        Says which run is live.
    parent : QObject, optional

    Attributes
    ----------
    changed : Signal
        There are more rows; a few times a second at most.
    cell : (int, int) or None
    is_read : bool
        Whether the older runs have been read.
    left_out : int, unit 1
        Older runs that are not shown from their beginning.
    """

    changed = Signal()

    def __init__(self, desk: Desk, watch: DieWatch, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.desk = desk
        self.watch = watch
        self.cell: Cell | None = None
        self.is_read = False
        self.left_out = 0
        self._cells: OrderedDict[Cell, dict[str, CellRun]] = OrderedDict()
        # run ids of the present answer, the newest first; the live run that the question knew of
        self._listed: list[str] = []
        self._is_asking, self._asked_beside = False, ""
        self._frame = QTimer(self, singleShot=True, interval=_FRAME_MS)
        self._frame.timeout.connect(self.changed)
        watch.live_batch.connect(self._take_batch)
        watch.files_read.connect(self._ask)
        watch.shape_changed.connect(self._forget)
        watch.turned.connect(self._turn)

    def show(self, cell: Cell | None) -> None:
        """Watch another cell.

        Parameters
        ----------
        cell : (int, int) or None
            Row and column.
        """
        if cell == self.cell:
            return
        self.cell, self.is_read, self.left_out = cell, False, 0
        self._ask()

    def runs(self) -> list[CellRun]:
        """Return the runs that have rows of the cell, oldest first.

        Returns
        -------
        list of CellRun
        """
        if self.cell is None:
            return []
        held = self._cells.get(self.cell, {})
        return sorted((run for run in held.values() if len(run)), key=lambda run: float(run.columns()["utc_s"][0]))

    @guarded_slot
    def _forget(self) -> None:
        self._cells.clear()
        self.is_read = False

    @guarded_slot
    def _turn(self) -> None:
        # what was known of the run that is played is of its whole, or of what was played before
        self._forget()
        self._ask()
        self.changed.emit()

    @guarded_slot
    def _ask(self) -> None:
        if self.cell is None or self.desk.facts is None:
            return
        held = self._cells.setdefault(self.cell, {})
        self._cells.move_to_end(self.cell)
        live: dict[str, Any] = {}
        feed = self.watch.live
        if feed is not None:
            live = {"live_path": str(feed.path), "live_seq": feed.last_seq, "is_played": feed.player is not None}
            self._live_run(held, feed)
        for run in held.values():
            run.begin_to_ask(feed.last_seq if feed is not None and run.run_id == feed.run_id else 0)
        cell, self._listed = self.cell, []
        self._is_asking, self._asked_beside = True, "" if feed is None else feed.run_id
        self.desk.scanner.ask(
            "array.history",
            lambda last: self._take_last(cell, last),
            part=lambda part: self._take_part(cell, part),
            replaces="array.history",
            root=str(self.desk.root),
            station=self.desk.station,
            row=cell[0],
            column=cell[1],
            known={run.run_id: (run.upto, len(run)) for run in held.values()},
            **live,
        )

    @guarded_slot
    def _take_part(self, cell: Cell, part: Mapping[str, Any]) -> None:
        held = self._cells.get(cell)
        if held is None or "run_id" not in part:
            return
        run_id = str(part["run_id"])
        if run_id not in self._listed:
            self._listed.append(run_id)
        if part["rows"] is None:
            return
        run = held.setdefault(run_id, CellRun(part))
        run.put_older(unpack_history(part["rows"]))
        run.asked = max(run.asked, int(part["upto"]))
        self._wait_a_frame()

    @guarded_slot
    def _take_last(self, cell: Cell, last: Mapping[str, Any]) -> None:
        self._is_asking = False
        held = self._cells.get(cell)
        if held is None:
            return
        live = None if self.watch.live is None else self.watch.live.run_id
        for run in list(held.values()):
            if run.run_id in self._listed or run.run_id == live:
                run.end_to_ask(run.asked)
            else:
                # its file is gone, or it is of the die before
                del held[run.run_id]
        self._let_go()
        if cell == self.cell:
            self.is_read, self.left_out = True, int(last["left_out"])
            self._frame.stop()
            self.changed.emit()

    @guarded_slot
    def _take_batch(self, batch: Batch) -> None:
        feed, held = self.watch.live, self._cells.get(self.cell) if self.cell is not None else None
        if feed is None or held is None or self.cell is None or not {"Row", "Column"} <= batch.columns.keys():
            return
        run = self._live_run(held, feed)
        is_unforeseen = self._is_asking and self._asked_beside != feed.run_id
        if is_unforeseen or batch.first_seq > max(run.upto, run.asked) + 1:
            # the answer would have these rows too, or those before them were never seen
            self._ask()
            return
        columns = batch.columns
        mine = (numbers(columns["Row"]) == self.cell[0]) & (numbers(columns["Column"]) == self.cell[1])
        if "Die" in columns:
            mine &= np.array([not name for name in columns["Die"]], dtype=bool)
        last_seq = int(batch.seqs[-1])
        rows = {name: values[mine] for name, values in columns.items()}
        times_s = self.watch.times_s(feed, rows, int(mine.sum()))
        run.put_newer(_rows_of(batch.seqs[mine], times_s, rows), last_seq)
        if mine.any():
            self._wait_a_frame()

    def _live_run(self, held: dict[str, CellRun], feed: RunFeed) -> CellRun:
        facts = {"run_id": feed.run_id, "procedure": feed.procedure, "path": feed.path, "simulated": feed.simulated}
        return held.setdefault(feed.run_id, CellRun(facts))

    def _wait_a_frame(self) -> None:
        if not self._frame.isActive():
            self._frame.start()

    def _let_go(self) -> None:
        """Forget the cells that were looked at longest ago."""
        while len(self._cells) > 1 and sum(len(run) for held in self._cells.values() for run in held.values()) > (
            _KEPT_ROWS
        ):
            self._cells.popitem(last=False)


def joined(parts: list[Columns]) -> Columns:
    """Put rows together.

    Parameters
    ----------
    parts : list of dict of str to ndarray

    Returns
    -------
    dict of str to ndarray
        All columns, also where there is no row.
    """
    found: Columns = {name: np.concatenate([np.empty(0), *(one[name] for one in parts)]) for name in HISTORY_NUMBERS}
    for name in HISTORY_TEXTS:
        found[name] = np.concatenate([np.empty(0, dtype=object), *(one[name] for one in parts)])
    return found


def _rows_of(seqs: npt.NDArray[np.int64], times_s: npt.NDArray[np.float64], columns: Columns) -> Columns:
    found: Columns = {"seq": seqs.astype(float), "utc_s": times_s}
    for name in HISTORY_NUMBERS[2:]:
        found[name] = numbers(columns[name]) if name in columns else np.full(len(seqs), np.nan)
    for name in HISTORY_TEXTS:
        texts = columns.get(name, np.full(len(seqs), None, dtype=object))
        found[name] = np.array([text if isinstance(text, str) else "" for text in texts], dtype=object)
    return found
