"""The run browser: all runs of the data root, found by what they are, drawn over each other, noted, done again.

Not here: reading them (:mod:`labctl.gui.browser.catalogue_feed`), what is done with them
(:mod:`labctl.gui.browser.run_actions`).
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from qtpy.QtCore import QByteArray, QItemSelectionModel, QPoint, Qt
from qtpy.QtGui import QGuiApplication, QKeySequence, QShortcut
from qtpy.QtWidgets import (
    QAbstractItemView,
    QFileDialog,
    QHBoxLayout,
    QInputDialog,
    QLabel,
    QMenu,
    QMessageBox,
    QPushButton,
    QSplitter,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from labctl.gui.browser.catalogue_feed import CatalogueFeed
from labctl.gui.browser.filter_bar import FilterBar
from labctl.gui.browser.overlay import OverlayDialog
from labctl.gui.browser.run_actions import FAMILIES, FORMATS, RESUMABLE, RunActions
from labctl.gui.browser.run_columns import COLUMNS
from labctl.gui.browser.run_detail import RunDetail
from labctl.gui.browser.run_table import RunTable
from labctl.gui.desk import Desk
from labctl.gui.slots import guarded_slot
from labctl.store.run_entry import RunEntry, RunFilter

__all__ = ["BrowserPanel"]

_HEADER = "browser/header"
_NO_RUNS = "there is no run here yet: choose a procedure in the form and press Run"


class BrowserPanel(QWidget):
    """All runs.

    Parameters
    ----------
    desk : Desk
    parent : QWidget, optional
    """

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.desk = desk
        self.filter_bar = FilterBar(self)
        self.table = RunTable(desk.theme, self)
        self.view = QTableView(self)
        self.detail = RunDetail(desk, self)
        self.status = QLabel(self)
        self.actions_ = RunActions(desk, self)
        self.feed = CatalogueFeed(desk, self.table, self)
        self.buttons: dict[str, QPushButton] = {}
        self._left, self._total = 0, 0
        self._in_trash: list[str] = []
        self._kept: tuple[set[str], int] = (set(), 0)
        self._dress_view()
        self._make_buttons()
        self._lay_out()
        self._connect()
        self._show_selection()
        self._count()

    def selected(self) -> list[RunEntry]:
        """Return the selected runs, in the order of the table.

        Returns
        -------
        list of RunEntry
        """
        model = self.view.selectionModel()
        rows = sorted(index.row() for index in model.selectedRows()) if model is not None else []
        return [self.table.entry(row) for row in rows]

    def _dress_view(self) -> None:
        view, header = self.view, self.view.horizontalHeader()
        view.setModel(self.table)
        view.setAccessibleName("Runs")
        view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        view.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        view.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        view.setAlternatingRowColors(True)
        view.setShowGrid(False)
        view.setWordWrap(False)
        view.setTabKeyNavigation(False)
        view.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        rows = view.verticalHeader()
        rows.hide()
        rows.setDefaultSectionSize(int(self.fontMetrics().height() * 1.5))
        header.setSectionsMovable(True)
        header.setHighlightSections(False)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setSortIndicator(0, Qt.SortOrder.DescendingOrder)
        view.setSortingEnabled(True)
        kept = self.desk.settings.value(_HEADER)
        if not (isinstance(kept, QByteArray) and header.restoreState(kept)):
            padding = self.fontMetrics().averageCharWidth() * 3
            for place, column in enumerate(COLUMNS):
                widest = max((column.typical, column.heading + "  "), key=len)
                view.setColumnWidth(place, self.fontMetrics().horizontalAdvance(widest) + padding)

    def _make_buttons(self) -> None:
        for name, words, tip, act in (
            ("open", "&Open", "Show the run in plots and table (Enter, or double click)", self._open),
            ("play", "P&lay", "Show the run as if it were measured now, at any speed or row by row", self._play),
            ("overlay", "Overla&y", "Draw the selected runs over each other (Ctrl+Y)", self._overlay),
            ("compare", "Com&pare", "Write a page: results side by side, and whether they differ", self._compare),
            ("fit", "&Fit a device", "Fit a device file to the selected runs of one die: a simulated twin", self._fit),
            ("report", "Repor&t", "Write the page about this run and open it", self._report),
            ("again", "Run &again", "Fill the form with the values of this run; nothing starts yet", self._again),
            ("resume", "R&esume", "Put the rest of an interrupted, aborted or failed run into the queue", self._resume),
            ("export", "E&xport", "Write the run as CSV, Parquet, HDF5 or netCDF", self._export),
            ("trash", "&Delete", "Move the selected runs to the trash; they can be brought back (Del)", self._trash),
            ("restore", "Bring bac&k", "Bring runs back from the trash", self._restore),
        ):
            button = QPushButton(words, self)
            button.setToolTip(tip)
            button.clicked.connect(act)
            self.buttons[name] = button

    def _lay_out(self) -> None:
        middle = QSplitter(Qt.Orientation.Horizontal, self)
        middle.addWidget(self.view)
        middle.addWidget(self.detail)
        middle.setStretchFactor(0, 4)
        middle.setStretchFactor(1, 1)
        self.detail.setMinimumWidth(self.fontMetrics().averageCharWidth() * 34)
        row = QHBoxLayout()
        for button in self.buttons.values():
            row.addWidget(button)
        row.addStretch(1)
        layout = QVBoxLayout(self)
        layout.addWidget(self.filter_bar)
        layout.addWidget(self.status)
        layout.addWidget(middle, 1)
        layout.addLayout(row)

    def _connect(self) -> None:
        self.filter_bar.changed.connect(self._filter)
        self.feed.progressed.connect(self._note_progress)
        self.feed.settled.connect(self._settle)
        self.table.modelAboutToBeReset.connect(self._keep_selection)
        self.table.modelReset.connect(self._select_again)
        for signal in (self.table.rowsInserted, self.table.rowsRemoved, self.table.modelReset):
            signal.connect(self._count)
        self.table.dataChanged.connect(self._show_selection)
        self.view.selectionModel().selectionChanged.connect(self._show_selection)
        self.view.doubleClicked.connect(self._open)
        self.view.customContextMenuRequested.connect(self._show_menu)
        self.view.horizontalHeader().sectionResized.connect(self._keep_header)
        self.view.horizontalHeader().sectionMoved.connect(self._keep_header)
        self.actions_.trashed.connect(self._offer_undo)
        here, below = Qt.ShortcutContext.WidgetShortcut, Qt.ShortcutContext.WidgetWithChildrenShortcut
        for keys, act in (("Return", self._open), ("Enter", self._open), ("Del", self._trash)):
            self._shortcut(keys, self.view, here, act)
        self._shortcut("Ctrl+Y", self, below, self._overlay)
        self._shortcut("Ctrl+F", self, below, self.filter_bar.text.setFocus)
        self._shortcut("F5", self, below, self.feed.refresh)

    def _shortcut(self, keys: str, owner: QWidget, where: Qt.ShortcutContext, act: Callable[[], Any]) -> None:
        shortcut = QShortcut(QKeySequence(keys), owner)
        shortcut.setContext(where)
        shortcut.activated.connect(act)

    @guarded_slot
    def _filter(self, wanted: RunFilter) -> None:
        self.feed.choose(wanted)
        self._count()

    @guarded_slot
    def _note_progress(self, left: int, total: int) -> None:
        self._left, self._total = left, total
        self._count()

    @guarded_slot
    def _settle(self) -> None:
        self.filter_bar.offer(self.table.known.values())
        self._count()

    @guarded_slot
    def _count(self) -> None:
        shown, known, chosen = self.table.rowCount(), len(self.table.known), len(self.selected())
        words = [f"{shown:,} of {known:,} runs" if shown != known else f"{known:,} runs"]
        if self._left:
            words = [f"reading {self._total - self._left:,} of {self._total:,} runs …", f"{shown:,} shown"]
        elif not known:
            words = [_NO_RUNS]
        elif not shown:
            words.append("none fits the filter; press Show all")
        if chosen > 1:
            words.append(f"{chosen:,} selected")
        self.status.setText("; ".join(words))

    @guarded_slot
    def _show_selection(self) -> None:
        chosen = self.selected()
        self.detail.show_entries(chosen)
        readable = [entry for entry in chosen if entry.is_readable]
        single = len(chosen) == 1 and bool(readable)
        can = {
            "open": single,
            "play": single and chosen[0].status != "running",
            "report": single,
            "again": single,
            "export": single,
            "overlay": bool(readable),
            "compare": len(readable) > 1,
            "fit": bool(readable),
            "resume": single and chosen[0].status in RESUMABLE,
            "trash": bool(chosen) and all(entry.status != "running" for entry in chosen),
            "restore": True,
        }
        for name, is_possible in can.items():
            self.buttons[name].setEnabled(is_possible)
        self._count()

    @guarded_slot
    def _keep_selection(self) -> None:
        self._kept = {entry.name for entry in self.selected()}, self.view.verticalScrollBar().value()

    @guarded_slot
    def _select_again(self) -> None:
        names, place = self._kept
        model = self.view.selectionModel()
        flags = QItemSelectionModel.SelectionFlag.Select | QItemSelectionModel.SelectionFlag.Rows
        for name in names:
            row = self.table.row_of(name)
            if row is not None:
                model.select(self.table.index(row, 0), flags)
        self.view.verticalScrollBar().setValue(place)
        self._show_selection()

    @guarded_slot
    def _keep_header(self) -> None:
        self.desk.settings.setValue(_HEADER, self.view.horizontalHeader().saveState())

    @guarded_slot
    def _show_menu(self, place: QPoint) -> None:
        menu = QMenu(self)
        for name, button in self.buttons.items():
            if name in {"resume", "trash"}:
                menu.addSeparator()
            action = menu.addAction(button.text())
            action.setEnabled(button.isEnabled())
            action.triggered.connect(button.click)
        action = menu.addAction("Add ta&gs …")
        action.setEnabled(bool(self.selected()))
        action.triggered.connect(self._add_tags)
        action = menu.addAction("Copy the &ids")
        action.setEnabled(bool(self.selected()))
        action.triggered.connect(self._copy_ids)
        menu.popup(self.view.viewport().mapToGlobal(place))

    @guarded_slot
    def _open(self) -> None:
        for entry in self.selected()[:1]:
            self.actions_.open(entry)

    @guarded_slot
    def _play(self) -> None:
        self.actions_.play(self.selected()[0])

    @guarded_slot
    def _overlay(self) -> None:
        chosen = self.selected()
        if any(entry.is_readable for entry in chosen):
            OverlayDialog(self.desk, chosen, self.actions_.compare, self).show()

    @guarded_slot
    def _compare(self) -> None:
        self.actions_.compare([entry for entry in self.selected() if entry.is_readable])

    @guarded_slot
    def _fit(self) -> None:
        chosen = [entry for entry in self.selected() if entry.is_readable]
        file, kind = QFileDialog.getSaveFileName(
            self,
            "Fit a device to these runs",
            str(Path.home() / "my_die.toml"),
            ";;".join(FAMILIES),
            # the fit itself refuses to write over a file
            options=QFileDialog.Option.DontConfirmOverwrite,
        )
        if file:
            self.actions_.fit(chosen, FAMILIES[kind], Path(file).with_suffix(".toml"))

    @guarded_slot
    def _report(self) -> None:
        self.actions_.report(self.selected()[0])

    @guarded_slot
    def _again(self) -> None:
        self.actions_.run_again(self.selected()[0])

    @guarded_slot
    def _resume(self) -> None:
        self.actions_.resume(self.selected()[0])

    @guarded_slot
    def _export(self) -> None:
        entry = self.selected()[0]
        file, chosen = QFileDialog.getSaveFileName(
            self,
            "Export a run",
            str(Path.home() / f"{entry.run_id}.csv"),
            ";;".join(FORMATS),
            # the export itself refuses to write over a file
            options=QFileDialog.Option.DontConfirmOverwrite,
        )
        if file:
            to, suffix = FORMATS[chosen]
            path = Path(file)
            known = {ending for _, ending in FORMATS.values()}
            self.actions_.export(entry, to, path.with_suffix(suffix) if path.suffix in known else path)

    @guarded_slot
    def _trash(self) -> None:
        chosen = self.selected()
        if not chosen or not self.buttons["trash"].isEnabled():
            return
        what = f"run {chosen[0].run_id}" if len(chosen) == 1 else f"{len(chosen)} runs"
        words = f"Move {what} to the trash?\n\nBring back returns it, as long as nobody empties the folder .trash."
        if QMessageBox.question(self, "Delete runs", words) == QMessageBox.StandardButton.Yes:
            self.actions_.trash(chosen)

    @guarded_slot
    def _offer_undo(self, paths: list[str]) -> None:
        self._in_trash = paths
        count = len(paths)
        self.desk.tell("info", f"{count} {'run is' if count == 1 else 'runs are'} in the trash; Bring back undoes it")

    @guarded_slot
    def _restore(self) -> None:
        if self._in_trash:
            paths, self._in_trash = self._in_trash, []
            self.actions_.restore(paths)
        else:
            self.desk.backstage.ask("browser.trashed", self._choose_from_trash, root=str(self.desk.root))

    @guarded_slot
    def _choose_from_trash(self, found: dict[str, str]) -> None:
        if not found:
            self.desk.tell("info", "the trash is empty")
            return
        chosen, is_chosen = QInputDialog.getItem(self, "Trash", "Run to bring back", list(found), 0, False)
        if is_chosen:
            self.actions_.restore([found[chosen]])

    @guarded_slot
    def _add_tags(self) -> None:
        words, is_given = QInputDialog.getText(self, "Tags", "Words to add to the selected runs, such as good corner")
        if is_given and words.split():
            self.actions_.tag(self.selected(), words.replace(",", " ").split())

    @guarded_slot
    def _copy_ids(self) -> None:
        clipboard = QGuiApplication.clipboard()
        if clipboard is not None:
            clipboard.setText("\n".join(entry.run_id for entry in self.selected()))
