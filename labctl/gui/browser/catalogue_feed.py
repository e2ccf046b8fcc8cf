"""Keeping the table of runs in step with the data root: files are read by the scanner process, entries taken in slices.

Not here: the catalogue (:mod:`labctl.store.catalogue`), the table (:mod:`labctl.gui.browser.run_table`).
"""

import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

from qtpy.QtCore import QObject, QTimer, Signal

from labctl.gui.browser.run_table import RunTable
from labctl.gui.desk import Desk
from labctl.gui.feed import RunFeed
from labctl.gui.slots import guarded_slot
from labctl.store.catalogue import Catalogue, Mark
from labctl.store.run_entry import RunEntry, RunFilter

__all__ = ["CatalogueFeed"]

_READ_S = 0.3
_SLICE_S = 0.006
_ROWS_AT_ONCE = 50
_LOOK_MS = 2000


class CatalogueFeed(QObject):
    """What fills a table of runs.

    Parameters
    ----------
    desk : Desk
    table : RunTable
    parent : QObject, optional

    Attributes
    ----------
    progressed : Signal of int, int
        Run files that are still to be read, and all there are.
    settled : Signal
        All entries of the catalogue are in the table.
    is_settled : bool
        Whether they are.
    """

    progressed = Signal(int, int)
    settled = Signal()

    def __init__(self, desk: Desk, table: RunTable, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.desk = desk
        self.is_settled = False
        self._table = table
        self._wanted = RunFilter()
        self._catalogue: Catalogue | None = None
        self._mark = Mark()
        self._entries: Iterator[RunEntry] | None = None
        self._is_asking = self._ask_again = False
        self._taking = QTimer(self)
        self._taking.timeout.connect(self._take)
        # a run grows, and its process may end, without any file coming or going
        self._looking = QTimer(self)
        self._looking.timeout.connect(self._look)
        self._looking.start(_LOOK_MS)
        desk.runs_changed.connect(self.refresh)
        desk.feed_changed.connect(self._take_feed)
        self._take_feed(desk.feed)
        self._begin()
        self.refresh()

    @property
    def wanted(self) -> RunFilter:
        """The filter."""
        return self._wanted

    @guarded_slot
    def choose(self, wanted: RunFilter) -> None:
        """Show other runs.

        Parameters
        ----------
        wanted : RunFilter
        """
        self._wanted = wanted
        self._arrange()

    @guarded_slot
    def refresh(self) -> None:
        """Look for run files that are new or have changed."""
        if self._is_asking:
            self._ask_again = True
            return
        self._is_asking = True
        self.desk.scanner.ask(
            "browser.refresh", self._refreshed, self._failed, root=str(self.desk.root), within_s=_READ_S
        )

    def close(self) -> None:
        """Stop looking."""
        self._looking.stop()
        self._taking.stop()
        self._end()

    @guarded_slot
    def _refreshed(self, answer: dict[str, Any]) -> None:
        self._is_asking = False
        self.progressed.emit(answer["left"], answer["total"])
        if not answer["is_kept"]:
            self.close()
            self.desk.tell("error", f"the list of runs cannot be kept in {answer['path']}; make this folder writable")
            return
        if self._catalogue is None and Mark(answer["born"], answer["revision"]) != self._mark:
            self._begin()
        if answer["left"] or self._ask_again:
            self._ask_again = False
            self.refresh()

    def _failed(self, why: str) -> None:
        self._is_asking = False
        self.desk.tell("error", why)

    def _begin(self) -> None:
        self._catalogue = Catalogue(self.desk.root)
        changes = self._catalogue.changes(self._mark)
        if changes.is_new:
            self._table.forget()
        self._mark = changes.mark
        self._table.take((), changes.gone)
        self._entries = changes.entries
        self._taking.start(0)

    @guarded_slot
    def _take(self) -> None:
        """Take entries for a moment too short to be felt."""
        if self._entries is None:
            self._taking.stop()
            return
        end_s = time.monotonic() + _SLICE_S
        while time.monotonic() < end_s:
            some = list(islice(self._entries, _ROWS_AT_ONCE))
            self._table.take(some)
            if len(some) < _ROWS_AT_ONCE:
                self._end()
                self._arrange()
                self.is_settled = True
                self.settled.emit()
                return
        if not self._table.rowCount():
            # the newest are seen at once, all of them at the end
            self._arrange()

    def _end(self) -> None:
        self._taking.stop()
        self._entries = None
        if self._catalogue is not None:
            self._catalogue.close()
            self._catalogue = None

    def _arrange(self) -> None:
        if self._wanted == RunFilter():
            self._table.arrange(None)
            return
        with Catalogue(self.desk.root) as catalogue:
            self._table.arrange(catalogue.names(self._wanted))

    @guarded_slot
    def _take_feed(self, feed: RunFeed | None) -> None:
        # whoever saw the run end wants to go on with it
        if feed is not None:
            feed.status_changed.connect(self.refresh)

    @guarded_slot
    def _look(self) -> None:
        if any(entry.status == "running" for entry in self._table.known.values()):
            self.refresh()
