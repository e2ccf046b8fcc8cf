"""The queue: what runs, what waits, what came of the rest, and everything that can be done with it.

Not here: starting runs (the form), the queue and its worker (:mod:`labctl.run.queue`).
"""

from collections.abc import Callable
from itertools import pairwise

from qtpy.QtCore import QModelIndex, Qt
from qtpy.QtGui import QAction, QCloseEvent, QKeySequence
from qtpy.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QHeaderView,
    QInputDialog,
    QLabel,
    QMessageBox,
    QPushButton,
    QTreeView,
    QVBoxLayout,
    QWidget,
)

from labctl.errors import RunError
from labctl.gui.desk import Desk
from labctl.gui.queue.bar_delegate import BarDelegate
from labctl.gui.queue.queue_look import QueueLook
from labctl.gui.queue.queue_model import PROGRESS, RUN, RUNS, STATE, QueueModel
from labctl.gui.queue.words import PAUSE_HINT, footer_words
from labctl.gui.slots import guarded_slot
from labctl.run.mailbox import ask_run
from labctl.run.queue.items import ENDED_BADLY, ItemState, Policy, QueueItem

__all__ = ["QueuePanel"]

_BY = "window"
_MOST_REPEATS = 100_000
_COLUMNS = 4
_MOST_NAMED = 10
# letters of the policy that are seen where there is little room
_LEAST_LENGTH = 12
_POLICIES = {Policy.STOP: "hold the queue", Policy.CONTINUE: "go on with the next run"}


class QueuePanel(QWidget):
    """The queue of the desk's data root.

    Parameters
    ----------
    desk : Desk
    parent : QWidget, optional

    Raises
    ------
    StoreError
        If there is no queue to be opened.
    """

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.desk = desk
        self.look = QueueLook(desk, self)
        self.model = QueueModel(self.look, self)
        self.actions_by_name: dict[str, QAction] = {}
        self._build()
        self._lay_out()
        self.look.changed.connect(self._take)
        self.look.moved_on.connect(self._take_progress)
        self.model.dragged.connect(self._move)
        desk.theme.changed.connect(self.view.viewport().update)
        self._take()

    def closeEvent(self, event: QCloseEvent | None) -> None:
        """Let go of the queue."""
        self.look.close()
        if event is not None:
            super().closeEvent(event)

    def selected(self) -> list[QueueItem]:
        """Return the items whose rows are selected, in their order.

        Returns
        -------
        list of QueueItem
        """
        chosen = self.view.selectionModel()
        rows = sorted(index.row() for index in chosen.selectedRows()) if chosen is not None else []
        return [self.model.items[row] for row in rows]

    def select(self, *ids: int) -> None:
        """Select the rows of items.

        Parameters
        ----------
        *ids : int
        """
        chosen = self.view.selectionModel()
        assert chosen is not None
        chosen.clearSelection()
        for row, item in enumerate(self.model.items):
            if item.id in ids:
                flags = chosen.SelectionFlag.Select | chosen.SelectionFlag.Rows
                chosen.setCurrentIndex(self.model.index(row, 0), chosen.SelectionFlag.NoUpdate)
                chosen.select(self.model.index(row, 0), flags)

    @guarded_slot
    def edit(self) -> None:
        """Offer the selected item to the form, which can change it."""
        (item,) = self.selected()
        self.desk.editing_item = item.id
        self.desk.choose_station(item.station)
        self.desk.offer(item.procedure, item.parameters)
        self.desk.show("form")

    @guarded_slot
    def abort(self) -> None:
        """Ask the run under way to end."""
        self._ask("abort", reason="the operator asked for it in the window")

    @guarded_slot
    def pause_or_continue(self) -> None:
        """Ask the run under way to wait, or to go on."""
        self._ask("continue" if self.look.is_paused else "pause")

    @guarded_slot
    def hold_or_release(self) -> None:
        """Let nothing further start, or let the queue go on."""
        if self.look.is_held or not self.look.is_worked:
            self.look.queue.release()
            self.look.start_worker()
        else:
            self.look.queue.hold()
        self.look.look()
        self._take()

    @guarded_slot
    def _add(self) -> None:
        self.desk.editing_item = None
        # nothing but the news that no item is edited any more
        self.desk.offer("", {})
        self.desk.show("form")

    @guarded_slot
    def _duplicate(self) -> None:
        copies = [self.look.queue.duplicate(item.id) for item in self.selected()]
        self._changed(*copies)

    @guarded_slot
    def _repeat(self) -> None:
        (item,) = self.selected()
        times, is_given = QInputDialog.getInt(
            self,
            "Repeat",
            f"{item.procedure}: how many times in all? It has finished {item.done} times.",
            max(item.repeat, item.done + 1),
            item.done + 1,
            _MOST_REPEATS,
        )
        if is_given:
            self.look.queue.edit(item.id, repeat=times)
            self._changed(item.id)

    @guarded_slot
    def _up(self) -> None:
        (item,) = self.selected()
        self._move(item.id, item.place - 1)

    @guarded_slot
    def _down(self) -> None:
        (item,) = self.selected()
        self._move(item.id, item.place + 1)

    @guarded_slot
    def _move(self, id: int, place: int) -> None:
        self.look.queue.move(id, place)
        self._changed(id)

    @guarded_slot
    def _remove(self) -> None:
        chosen = self.selected()
        waiting = [item for item in chosen if item.state is ItemState.WAITING]
        if waiting and not self._may_lose(waiting):
            return
        for item in chosen:
            self.look.queue.remove(item.id)
        self._changed()

    def _may_lose(self, waiting: list[QueueItem]) -> bool:
        """Ask whether items are to go that have their runs still before them: nothing else holds their values."""
        named = "\n".join(f"{item.name} on {item.station}" for item in waiting[:_MOST_NAMED])
        more = f"\nand {len(waiting) - _MOST_NAMED} more" if len(waiting) > _MOST_NAMED else ""
        count = "this waiting run" if len(waiting) == 1 else f"these {len(waiting)} waiting runs"
        words = f"Take {count} out of the queue? This cannot be undone.\n\n{named}{more}"
        return QMessageBox.question(self, "Remove from the queue", words) == QMessageBox.StandardButton.Yes

    @guarded_slot
    def _clear(self) -> None:
        self.look.queue.clear_done()
        self._changed()

    @guarded_slot
    def _choose_policy(self) -> None:
        self.look.queue.policy = Policy(self.policy.currentData())
        self.look.look()

    @guarded_slot
    def _open(self, index: QModelIndex) -> None:
        item = self.model.items[index.row()]
        path = item.run_path
        if path is not None:
            self.desk.watch(path)
            self.desk.show("plots")
        elif item.state is not ItemState.RUNNING:
            self.edit()

    def _ask(self, what: str, **arguments: str) -> None:
        running = self.look.running
        if running is None:
            raise RunError("nothing is running now")
        path = running.attempts[-1].path
        if path is None:
            raise RunError(f"{running.name} is still opening its instruments; try again in a few seconds")
        ask_run(path, what, by=_BY, **arguments)
        self.desk.tell("info", f"{running.procedure} was asked to {what}")

    def _changed(self, *ids: int) -> None:
        """Show what was changed here, with these items selected; somebody must work through what waits."""
        if self.look.is_waiting and not self.look.is_held and self.look.is_worked:
            self.look.start_worker()
        self.look.look()
        if ids:
            self.select(*ids)

    @guarded_slot
    def _take(self) -> None:
        chosen = [item.id for item in self.selected()]
        self.model.take()
        self.select(*chosen)
        self._take_progress()

    @guarded_slot
    def _take_progress(self) -> None:
        look = self.look
        self.model.tell_progress()
        self.footer.setText(footer_words(look.progress))
        self.footer.setVisible(bool(look.items))
        self.policy.setCurrentIndex(self.policy.findData(look.policy))
        self.pause.setText("&Continue" if look.is_paused else "&Pause")
        self.pause.setToolTip("Let the run go on" if look.is_paused else PAUSE_HINT)
        is_stopped = look.is_waiting and not look.is_held and not look.is_worked
        self.hold.setText("&Release the queue" if look.is_held else "Sta&rt the queue" if is_stopped else "&Hold queue")
        self.hold.setProperty("weight", "accent" if look.is_held or is_stopped else "")
        style = self.hold.style()
        if style is not None:
            style.polish(self.hold)
        if look.is_held:
            self.banner.setText(f"The queue is held: {look.held_why}. Nothing further starts.")
        elif is_stopped:
            self.banner.setText("Nobody works through the queue: its process was ended. Nothing further starts.")
        self.banner.setVisible(look.is_held or is_stopped)
        self.empty.setVisible(not look.items)
        self.view.setVisible(bool(look.items))
        self._enable()

    @guarded_slot
    def _enable(self) -> None:
        chosen = self.selected()
        one = chosen[0] if len(chosen) == 1 else None
        is_idle = bool(chosen) and all(item.state is not ItemState.RUNNING for item in chosen)
        is_waiting = one is not None and one.state is ItemState.WAITING
        can = {
            "add": True,
            "edit": is_waiting or (one is not None and one.state in ENDED_BADLY),
            "duplicate": bool(chosen),
            "repeat": one is not None and is_idle and one.resume_of is None,
            "up": is_waiting and one is not None and one.place > 1,
            "down": is_waiting and one is not None and one.place < len(self.model.items),
            "remove": is_idle,
            "clear": any(item.state not in (ItemState.WAITING, ItemState.RUNNING) for item in self.model.items),
        }
        for name, is_possible in can.items():
            self.actions_by_name[name].setEnabled(is_possible)
            self.buttons[name].setEnabled(is_possible)
        said = one.error if one is not None and one.state in ENDED_BADLY else None
        self.detail.setText(f"{one.name}: {said}" if one is not None and said else "")
        self.detail.setVisible(said is not None)
        is_running = self.look.running is not None
        self.pause.setEnabled(is_running)
        self.abort_button.setEnabled(is_running)

    def _build(self) -> None:
        self.banner = QLabel(self)
        self.banner.setWordWrap(True)
        self.empty = QLabel(
            "Nothing is queued. Choose a procedure in the form and press Run or Add to queue; runs then start one "
            "after another, also when this window is closed.",
            self,
        )
        self.empty.setWordWrap(True)
        self.empty.setProperty("weight", "muted")
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.view = self._list()
        self.detail = QLabel(self)
        self.detail.setWordWrap(True)
        self.detail.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.footer = QLabel(self)
        self.policy = QComboBox(self)
        self.policy.setAccessibleName("What happens when a run does not finish")
        self.policy.setToolTip("What happens when a run fails, is aborted or is interrupted")
        for value, words in _POLICIES.items():
            self.policy.addItem(words, str(value))
        self.policy.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.policy.setMinimumContentsLength(_LEAST_LENGTH)
        self.policy.activated.connect(self._choose_policy)
        self.buttons: dict[str, QPushButton] = {}
        for name, words, hint, keys, do in (
            ("add", "&Add…", "Choose a run in the form", "", self._add),
            ("edit", "&Edit", "Change this run in the form", "F2", self.edit),
            ("duplicate", "D&uplicate", "Add a copy behind the others", "Ctrl+D", self._duplicate),
            ("repeat", "Repea&t…", "Choose how many times it is run", "", self._repeat),
            ("up", "Mo&ve up", "Earlier; or drag the row", "Ctrl+Up", self._up),
            ("down", "Move do&wn", "Later; or drag the row", "Ctrl+Down", self._down),
            ("remove", "Re&move", "Take it out; the files of its runs stay", "Del", self._remove),
            ("clear", "C&lear done", "Take out all that is over; the files of the runs stay", "", self._clear),
        ):
            self._add_action(name, words, hint, keys, do)
        self.pause = self._button("&Pause", PAUSE_HINT, self.pause_or_continue)
        self.abort_button = self._button(
            "A&bort run", "End the run safely: outputs off, every point kept, and it can be resumed", self.abort
        )
        self.hold = self._button("&Hold queue", "Nothing further starts; what runs goes on", self.hold_or_release)

    def _list(self) -> QTreeView:
        view = QTreeView(self)
        view.setModel(self.model)
        view.setRootIsDecorated(False)
        view.setUniformRowHeights(True)
        view.setAlternatingRowColors(True)
        view.setAllColumnsShowFocus(True)
        view.setAccessibleName("Queue")
        view.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        view.setDragDropMode(QAbstractItemView.DragDropMode.InternalMove)
        view.setDragDropOverwriteMode(False)
        view.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)
        view.setItemDelegate(BarDelegate(self.desk.theme))
        view.activated.connect(self._open)
        header = view.header()
        assert header is not None
        header.setStretchLastSection(False)
        for column in (STATE, RUNS, PROGRESS):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(RUN, QHeaderView.ResizeMode.Stretch)
        header.setMinimumSectionSize(5 * view.fontMetrics().averageCharWidth())
        chosen = view.selectionModel()
        assert chosen is not None
        chosen.selectionChanged.connect(self._enable)
        return view

    def _add_action(self, name: str, words: str, hint: str, keys: str, do: Callable[[], None]) -> None:
        action = QAction(words, self)
        action.setShortcut(QKeySequence(keys))
        action.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
        action.triggered.connect(do)
        self.view.addAction(action)
        self.actions_by_name[name] = action
        self.buttons[name] = self._button(words, f"{hint} ({keys})" if keys else hint, do)

    def _button(self, words: str, hint: str, do: Callable[[], None]) -> QPushButton:
        button = QPushButton(words, self)
        button.setToolTip(hint)
        button.clicked.connect(do)
        return button

    def _lay_out(self) -> None:
        edits = QGridLayout()
        for place, button in enumerate(self.buttons.values()):
            edits.addWidget(button, place // _COLUMNS, place % _COLUMNS)
        run = QHBoxLayout()
        for button in (self.pause, self.abort_button, self.hold):
            run.addWidget(button)
        policy = QHBoxLayout()
        said = QLabel("I&f a run does not finish:", self)
        said.setBuddy(self.policy)
        policy.addWidget(said)
        policy.addWidget(self.policy, 1)
        whole = QVBoxLayout(self)
        margin = self.fontMetrics().horizontalAdvance(" ")
        whole.setContentsMargins(margin, margin, margin, margin)
        whole.addWidget(self.banner)
        whole.addLayout(run)
        whole.addWidget(self.view, 1)
        whole.addWidget(self.empty, 1)
        whole.addWidget(self.detail)
        whole.addWidget(self.footer)
        whole.addLayout(edits)
        whole.addLayout(policy)
        order = [self.pause, self.abort_button, self.hold, self.view, *self.buttons.values(), self.policy]
        for before, after in pairwise(order):
            QWidget.setTabOrder(before, after)
