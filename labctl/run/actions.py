"""The units of work of a run: numbered, done once, and answered from the run file when the run is resumed.

A procedure is resumed by running it again from its start. As long as the file holds the action that it asks for, it
gets the stored rows and nothing is sent; a stimulus whose intent has no row is flagged and not repeated; from there on
the run is live. Not here: the run around the actions (:mod:`labctl.run.session`), the file (:mod:`labctl.store`).
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from labctl.errors import RunError, UnconfirmedError
from labctl.run.procedure import IN_DOUBT, Row
from labctl.store.columns import Cell, RowMaker, parse_columns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labctl.store import History

__all__ = ["ActionWriter", "Actions"]

_FLAGS = "Flags"


class ActionWriter(Protocol):
    """Where intents and rows go; :class:`labctl.store.RunWriter` is one."""

    def intent(self, action: int, stimulus: Mapping[str, Cell]) -> None:
        """Write what is about to be applied; it is in the file on return."""

    def points(self, rows: Sequence[Mapping[str, Cell]], action: int | None = None) -> None:
        """Write the rows of an action, all or none."""


class Actions:
    """The actions of one run, first number 1.

    Parameters
    ----------
    writer : ActionWriter
    columns : sequence of str
        The data columns.
    went_live : callable
        Called before the first action of a resumed run that the file does not hold, with the row of the stimulus in
        doubt, if there is one. It may read instruments; it performs nothing.
    repair : callable
        Called with the error when a confirmation did not come; raises if the instruments cannot be trusted again.
    tell : callable
        Takes the kind and the message of an event.
    history : History, optional
        What the file of a resumed run holds.
    """

    def __init__(
        self,
        writer: ActionWriter,
        columns: Sequence[str],
        *,
        went_live: Callable[[Mapping[str, Cell] | None], None],
        repair: Callable[[UnconfirmedError], None],
        tell: Callable[[str, str], None],
        history: "History | None" = None,
    ) -> None:
        self.count = 0
        self.is_live = history is None
        self.is_busy = False
        self._writer = writer
        self._names = tuple(columns)
        self._maker = RowMaker(parse_columns(columns))
        self._went_live = went_live
        self._repair = repair
        self._tell = tell
        self._stored = dict(history.rows) if history is not None else {}
        self._in_doubt = history.in_doubt if history is not None else None

    @property
    def is_replaying(self) -> bool:
        """Whether the next action is answered from the file."""
        return bool(self._stored)

    def perform(
        self, plan: Mapping[str, Cell], do: Callable[[], Row | Sequence[Row]], *, stimulates: bool
    ) -> list[dict[str, Cell]]:
        """Do one unit of work, or recall it; see :meth:`labctl.run.LabProcedure.perform`.

        Parameters
        ----------
        plan : mapping of str to float, int, str or None
            What is about to be done, by column label.
        do : callable
            Does it and returns the row or rows that came of it.
        stimulates : bool
            Whether it changes the sample.

        Returns
        -------
        list of dict
            The rows as the file holds them, with every column.

        Raises
        ------
        RunError
            If it is called from inside an action, does not fit the file, or breaks a rule of rows.
        StoreError
            If the file cannot be written.
        """
        planned = self._as_stored(plan, partly=True)
        self._begin()
        if stimulates and _FLAGS not in self._names:
            raise RunError(f"perform: a procedure that stimulates needs the column {_FLAGS!r} to mark what is in doubt")
        if self.count in self._stored:
            stored = self._stored.pop(self.count)
            if not stored:
                raise RunError(f"resume: action {self.count} has no row: the procedure went on after an error in it")
            for row in stored:
                self._compare(planned, row)
            return stored
        return self._settle_doubt(planned) or self._do(planned, do, stimulates)

    def note(self, rows: Sequence[Mapping[str, Cell]]) -> None:
        """Take rows that were measured outside :meth:`perform`; each call with rows is an action, too.

        Parameters
        ----------
        rows : sequence of mappings
            As :meth:`labctl.store.RunWriter.points` takes them.

        Raises
        ------
        RunError
            If it is called from inside an action, or does not fit the file.
        StoreError
            If a row is refused, or the file cannot be written.
        """
        if not rows:
            return
        self._begin()
        if self._stored.pop(self.count, None) is not None:
            return
        if self._in_doubt is not None:
            raise self._mismatch("a row", f"the stimulus {self._in_doubt[1]}")
        self._go_live(None)
        self._writer.points(rows, self.count)

    def finish(self) -> None:
        """Check that the procedure asked for everything that the file holds.

        Raises
        ------
        RunError
            If it did not: it is not the procedure that was interrupted.
        """
        left = len(self._stored) + (self._in_doubt is not None)
        if left:
            raise RunError(f"resume: the procedure ended after {self.count} actions, the file holds {left} more")

    def _begin(self) -> None:
        if self.is_busy:
            raise RunError("perform: called from inside an action; an action is one unit of work, end it first")
        self.count += 1
        if self._stored and self.count not in self._stored:
            raise RunError(f"resume: the file lacks action {self.count} and holds later ones; see `labctl verify`")

    def _settle_doubt(self, planned: dict[str, Cell]) -> list[dict[str, Cell]] | None:
        """Mark the stimulus whose intent has no row; it is not repeated."""
        doubt, self._in_doubt = self._in_doubt, None
        if doubt is None:
            self._go_live(None)
            return None
        if doubt[0] != self.count:
            raise self._mismatch(f"action {self.count}", f"an intent of action {doubt[0]}")
        self._compare(planned, doubt[1])
        row = self._doubtful(planned, "its run was interrupted")
        self._go_live(row)
        return [row]

    def _go_live(self, doubtful: Mapping[str, Cell] | None) -> None:
        if self.is_live:
            return
        self.is_live = True
        with self._busy():
            self._went_live(doubtful)

    def _do(
        self, planned: dict[str, Cell], do: Callable[[], Row | Sequence[Row]], stimulates: bool
    ) -> list[dict[str, Cell]]:
        if stimulates:
            self._writer.intent(self.count, planned)
        with self._busy():
            try:
                given = do()
            except UnconfirmedError as error:
                self._repair(error)
                if stimulates:
                    return [self._doubtful(planned, str(error))]
                # a reading changes nothing: what it had moved has been put back by the repair
                given = do()
        rows = [self._as_stored({**planned, **row}) for row in ([given] if isinstance(given, Mapping) else given)]
        if not rows:
            raise RunError("perform: an action returns at least one row, got none")
        for name, value in planned.items():
            if any(row[name] != value for row in rows):
                raise RunError(
                    f"perform: the plan says {name} = {value!r}, the rows say otherwise; leave it to the plan"
                )
        self._writer.points(rows, self.count)
        return rows

    def _doubtful(self, planned: dict[str, Cell], reason: str) -> dict[str, Cell]:
        row = self._as_stored({**planned, _FLAGS: IN_DOUBT})
        self._writer.points([row], self.count)
        self._tell(IN_DOUBT, f"action {self.count} may or may not have been applied, it is not repeated: {reason}")
        return row

    def _compare(self, planned: dict[str, Cell], stored: Mapping[str, Cell]) -> None:
        """Refuse a plan that is not the one in the file."""
        for name, value in planned.items():
            if stored.get(name) != value:
                raise self._mismatch(f"{name} = {value!r}", repr(stored.get(name)))

    def _mismatch(self, asked: str, held: str) -> RunError:
        return RunError(
            f"resume: action {self.count}: the procedure asks for {asked}, the file holds {held}; nothing was sent. "
            "A run is resumed by the procedure, with the files, that began it"
        )

    def _as_stored(self, row: Mapping[str, object], *, partly: bool = False) -> dict[str, Cell]:
        """Return a row as it will be read back: NaN is None, what is left out is None (or left out, of a plan)."""
        cells = zip(self._names, self._maker.row(row), strict=True)
        return {name: cell for name, cell in cells if not partly or name in row}

    @contextmanager
    def _busy(self) -> "Iterator[None]":
        self.is_busy = True
        try:
            yield
        finally:
            self.is_busy = False
