"""The panel of plots: several of the run that is watched, docked side by side, fed by one pass over its points.

Not here: the plots themselves (:mod:`labctl.gui.plots.curve_frame`, :mod:`labctl.gui.plots.count_frame`).
"""

import time
from collections.abc import Callable, Sequence
from itertools import count

from qtpy.QtCore import QByteArray, Qt, QTimer
from qtpy.QtGui import QCloseEvent, QResizeEvent
from qtpy.QtWidgets import QDockWidget, QHBoxLayout, QLabel, QMainWindow, QStackedWidget, QVBoxLayout, QWidget

from labctl.gui.desk import Desk
from labctl.gui.feed import Batch, RunFeed
from labctl.gui.plots.choice import Choice, Kind, choice_of, first_choices, kinds_of
from labctl.gui.plots.count_frame import CountFrame
from labctl.gui.plots.cursors import Cursors
from labctl.gui.plots.curve_frame import CurveFrame
from labctl.gui.plots.kept_plots import KeptPlots, keep_plots, kept_plots
from labctl.gui.plots.plot_frame import menu_button
from labctl.gui.plots.quantity_axis import name_and_unit
from labctl.gui.slots import guarded_slot

__all__ = ["PlotsPanel"]

Frame = CurveFrame | CountFrame
_NAME = "plot-{}"
_DRAW_MS = 50
# drawing takes at most a quarter of the time
_REST = 4.0
_SLICE_S = 0.008
_ROWS = 1000
_NOTHING = (
    "No run is watched.\n\nA run that you start appears here as soon as it measures; "
    "older ones are opened in the list of runs."
)


class PlotsPanel(QWidget):
    """Plots of the run that is watched.

    Parameters
    ----------
    desk : Desk
    parent : QWidget, optional

    Attributes
    ----------
    frames : list of CurveFrame or CountFrame
        The plots, in the order in which they were added.
    """

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.desk = desk
        self.frames: list[Frame] = []
        self._feed: RunFeed | None = None
        self._cursors = Cursors(self)
        self._events: set[str] = set()
        # number of the last point that the feed handed out
        self._handed = 0
        # where the docks stood in a narrow panel and in a wider one
        self._places: dict[bool, QByteArray] = {}
        # what stands in for kept plots that this run cannot show
        self._stand_ins: dict[str, Choice] | None = None
        self._turn = 0
        self._is_narrow = False
        self._make_widgets()
        self._placing = QTimer(self)
        self._placing.setSingleShot(True)
        self._placing.timeout.connect(self._place_all)
        # sizes hold only once the docks have been laid out
        self._sharing = QTimer(self)
        self._sharing.setSingleShot(True)
        self._sharing.timeout.connect(self._share_out)
        self._drawing = QTimer(self)
        self._drawing.setSingleShot(True)
        self._drawing.timeout.connect(self._draw_next)
        self._drawing.start(_DRAW_MS)
        self._refilling = QTimer(self)
        self._refilling.setSingleShot(True)
        self._refilling.timeout.connect(self._refill)
        desk.feed_changed.connect(self._watch)
        desk.theme.changed.connect(self._colour)
        desk.layout_reset.connect(self._put_back)
        self._watch(desk.feed)

    def add_plot(self, choice: Choice) -> Frame:
        """Add a plot of the run that is watched.

        Parameters
        ----------
        choice : Choice

        Returns
        -------
        CurveFrame or CountFrame

        Raises
        ------
        ValueError
            If no run is watched.
        """
        if self._feed is None:
            raise ValueError("no run is watched: open one in the list of runs first")
        # those do not know of it
        self._places.clear()
        taken = {dock.objectName() for dock in self._area.findChildren(_PlotDock)}
        return self._dock(self._feed, next(name for name in map(_NAME.format, count(1)) if name not in taken), choice)

    def _dock(self, feed: RunFeed, name: str, choice: Choice) -> Frame:
        frame: Frame
        if choice.kind in (Kind.LEVELS, Kind.PULSES):
            frame = CountFrame(self.desk, feed, choice)
        else:
            frame = CurveFrame(self.desk, feed, choice, self._cursors, self._events)
        frame.choice_changed.connect(lambda: self._rename(frame))
        dock = _PlotDock(frame, self._forget, self._area)
        dock.setObjectName(name)
        placed = self._docked()
        self._is_narrow = self._has_no_room([*placed, dock]) if len(placed) < 2 else self._is_narrow
        self._place(dock, placed)
        self.frames.append(frame)
        self._rename(frame)
        return frame

    def _make_widgets(self) -> None:
        self._title, self._badge, self._points = QLabel(), QLabel("simulated"), QLabel()
        self._title.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._badge.setProperty("badge", "simulated")
        self._badge.setToolTip("These values come from a simulated bench, not from a device")
        self._points.setProperty("weight", "muted")
        self._add, self._add_menu = menu_button("&Add plot", "Another plot of this run")
        self._add_menu.aboutToShow.connect(self._list_kinds)
        header = QHBoxLayout()
        for widget in (self._title, self._badge, self._points):
            header.addWidget(widget)
        header.addStretch(1)
        header.addWidget(self._add)
        self._area = QMainWindow()
        self._area.setWindowFlags(Qt.WindowType.Widget)
        self._area.setDockNestingEnabled(True)
        self._nothing = QLabel(_NOTHING)
        self._nothing.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._nothing.setWordWrap(True)
        self._stack = QStackedWidget()
        self._stack.addWidget(self._nothing)
        self._stack.addWidget(self._area)
        layout = QVBoxLayout(self)
        layout.addLayout(header)
        layout.addWidget(self._stack, 1)

    @guarded_slot
    def _watch(self, feed: RunFeed | None) -> None:
        self._keep()
        self._clear()
        self._cursors.clear()
        self._events.clear()
        self._feed, self._handed = feed, 0
        self._stack.setCurrentIndex(0 if feed is None else 1)
        self._add.setEnabled(feed is not None)
        self._badge.setVisible(feed is not None and feed.simulated)
        self._title.setText("" if feed is None else f"<b>{feed.procedure.replace('_', ' ')}</b>  {feed.title}")
        self._points.clear()
        if feed is None:
            return
        self._handed = feed.last_seq
        feed.batch.connect(self._take)
        feed.status_changed.connect(self._tell_state)
        self._fill(feed)
        self._tell_state()

    def _keep(self) -> None:
        """Keep what was arranged for the procedure of the run that was watched."""
        choices = {dock.objectName(): dock.frame.choice for dock in self._docks()}
        # the next run is not shown without any plot because all of this one were closed
        if self._feed is None or not choices or choices == self._stand_ins:
            return
        self._places[self._is_narrow] = self._area.saveState()
        keep_plots(self.desk.settings, self._feed.procedure, KeptPlots(choices, self._places))

    def _fill(self, feed: RunFeed) -> None:
        """Add the plots that the user arranged for this procedure, else the first ones."""
        kept = kept_plots(self.desk.settings, feed.procedure, feed.columns)
        first = first_choices(feed.procedure, feed.columns)
        choices = kept.choices or dict(zip(map(_NAME.format, count(1)), first, strict=False))
        for name, choice in choices.items():
            self._dock(feed, name, choice)
        self._stand_ins = choices if kept.needs_more else None
        self._places = kept.places
        self._stand_as_kept()

    def _clear(self) -> None:
        self._placing.stop()
        self._refilling.stop()
        for dock in self._area.findChildren(_PlotDock):
            self._area.removeDockWidget(dock)
            # until it is deleted, Qt would take it for the next plot of its name
            dock.setObjectName("gone")
            dock.deleteLater()
        self.frames.clear()
        self._places = {}

    @guarded_slot
    def _put_back(self) -> None:
        self._clear()
        if self._feed is not None:
            self._fill(self._feed)

    @guarded_slot
    def _take(self, batch: Batch) -> None:
        before, self._handed = self._handed, int(batch.seqs[-1])
        if "Event" in batch.columns:
            self._events.update(value for value in set(batch.columns["Event"].tolist()) if isinstance(value, str))
        for frame in self.frames:
            # a plot that still reads the file again gets these rows from there
            if frame.taken >= before:
                frame.take(batch.seqs, batch.columns)
        self._tell_state()

    @guarded_slot
    def _refill(self) -> None:
        """Read for plots that were added or changed what the others had already, in one pass for all of them."""
        feed = self._feed
        until_s = time.monotonic() + _SLICE_S
        while feed is not None and time.monotonic() < until_s:
            behind = [frame for frame in self.frames if frame.taken < self._handed]
            if not behind:
                break
            first = min(frame.taken for frame in behind) + 1
            count = min(_ROWS, self._handed - first + 1)
            labels = frozenset[str]().union(*(frame.needed for frame in behind))
            page = feed.follower.page(first, count, sorted(labels))
            if page.is_held:
                break
            for frame in behind:
                # the first rows that it lacks may come in a later page
                if frame.taken + 1 >= first:
                    frame.take(page.seqs, page.columns)
                    frame.taken = max(frame.taken, first + count - 1)
        if any(frame.taken < self._handed for frame in self.frames):
            self._refilling.start(1)
        self._tell_state()

    @guarded_slot
    def _draw_next(self) -> None:
        """Draw one plot, so that the window is never busy for long."""
        self._drawing.start(_DRAW_MS)
        if not self.frames or not self.isVisible():
            return
        is_under_way = self._placing.isActive() or self._sharing.isActive()
        if not is_under_way and self._is_narrow == self._has_no_room(self._docks()):
            # once the panel is too narrow for it, Qt has squeezed them
            self._places[self._is_narrow] = self._area.saveState()
        self._turn = (self._turn + 1) % len(self.frames)
        frame = self.frames[self._turn]
        frame.tell_message(self._message(frame))
        if frame.isVisible():
            self._drawing.start(max(_DRAW_MS, round(1000.0 * _REST * frame.redraw_if_stale())))

    @guarded_slot
    def _colour(self) -> None:
        for frame in self.frames:
            frame.colour()

    @guarded_slot
    def _tell_state(self, *_: object) -> None:
        feed = self._feed
        if feed is None:
            return
        behind = [frame.taken for frame in self.frames if frame.taken < self._handed]
        words = f"{feed.count:,} points".replace(",", "\u2009")
        if feed.count < feed.points_total:
            words += f", reading: {100 * feed.count // feed.points_total} %"
        elif behind:
            words += f", reading again for a changed plot: {100 * min(behind) // self._handed} %"
        status = f"{feed.status} · " if feed.status else ""
        self._points.setText(status + words)

    @guarded_slot
    def _list_kinds(self) -> None:
        self._add_menu.clear()
        if self._feed is None:
            return
        columns = self._feed.columns
        for kind in kinds_of(columns):
            action = self._add_menu.addAction(kind.value)
            action.triggered.connect(lambda _=False, kind=kind: self._add_kind(kind))

    @guarded_slot
    def _add_kind(self, kind: Kind) -> None:
        if self._feed is not None:
            self.add_plot(choice_of(kind, self._feed.columns))

    def _message(self, frame: Frame) -> str:
        feed = self._feed
        if frame.count or feed is None:
            return ""
        if not feed.status or frame.taken < self._handed or feed.count < feed.points_total:
            return "Reading the run file …"
        if feed.is_live:
            return "Waiting for the first value …" if feed.count else "Waiting for the first point of this run …"
        if feed.count:
            return "No row of this run fits this plot. Choose other columns above, or other rows under Curves."
        return "This run has no points."

    def _rename(self, frame: Frame) -> None:
        dock = frame.parentWidget()
        choice = frame.choice
        if isinstance(dock, QDockWidget):
            ys = ", ".join(name_and_unit(y)[0] for y in choice.ys)
            words = f"{choice.kind.value}: {ys} over {name_and_unit(choice.x)[0]}" if ys else choice.kind.value
            words += ", logarithmic" if choice.log_y else ""
            dock.setWindowTitle(words)
        if frame.taken < self._handed:
            self._refilling.start(0)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Put plots below each other where they do not fit side by side, and back; called by Qt."""
        super().resizeEvent(event)
        docks = self._docks()
        if len(docks) > 1 and self._is_narrow != self._has_no_room(docks):
            self._placing.start(0)

    @guarded_slot
    def _place_all(self) -> None:
        self._is_narrow = self._has_no_room(self._docks())
        if not self._stand_as_kept():
            docks = self._docked()
            for number, dock in enumerate(docks):
                self._place(dock, docks[:number])

    def _stand_as_kept(self) -> bool:
        """Put the docks where they stood when the panel was as wide as now, and tell whether that is known."""
        kept = self._places.get(self._is_narrow)
        if kept is None or not self._area.restoreState(kept):
            return False
        self._sharing.stop()
        return True

    @guarded_slot
    def _share_out(self) -> None:
        across = Qt.Orientation.Vertical if self._is_narrow else Qt.Orientation.Horizontal
        first = self._docked()[:2]
        self._area.resizeDocks(first, [1] * len(first), across)

    def _docked(self) -> list["_PlotDock"]:
        return [dock for dock in self._docks() if not dock.isFloating()]

    def _docks(self) -> list["_PlotDock"]:
        docks = [frame.parentWidget() for frame in self.frames]
        return [dock for dock in docks if isinstance(dock, _PlotDock)]

    def _has_no_room(self, docks: Sequence[QDockWidget]) -> bool:
        widest = max(dock.minimumSizeHint().width() for dock in docks)
        # the panel may become so narrow that they cannot stay side by side
        self._stack.setMinimumWidth(widest)
        return self.width() < 2 * widest

    def _place(self, dock: QDockWidget, placed: Sequence[QDockWidget]) -> None:
        """Put a plot beside the last one, below it where it is narrow; after every second comes a new row or a tab."""
        count = len(placed)
        across = Qt.Orientation.Vertical if self._is_narrow else Qt.Orientation.Horizontal
        if not placed:
            self._area.addDockWidget(Qt.DockWidgetArea.TopDockWidgetArea, dock)
        elif count == 1 or (count % 2 and not self._is_narrow):
            self._area.splitDockWidget(placed[-1], dock, across)
            self._sharing.start(0)
        elif self._is_narrow:
            self._area.tabifyDockWidget(placed[-2], dock)
            placed[-2].raise_()
        else:
            self._area.splitDockWidget(placed[-2], dock, Qt.Orientation.Vertical)

    def _forget(self, frame: Frame) -> None:
        if frame in self.frames:
            self.frames.remove(frame)


class _PlotDock(QDockWidget):
    """The frame of a plot in the panel; closing it removes the plot."""

    def __init__(self, frame: Frame, forget: Callable[[Frame], None], parent: QMainWindow) -> None:
        super().__init__(parent)
        self.setWidget(frame)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.frame = frame
        self._forget = forget

    def closeEvent(self, event: QCloseEvent) -> None:
        self._forget(self.frame)
        super().closeEvent(event)
