"""Plots of curves: columns against each other, I-V, over time, pulses and readings.

Not here: drawing (:mod:`labctl.gui.plots.curve_pane`), what makes the curves (:mod:`labctl.gui.plots.series`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray
from qtpy.QtCore import QPointF, Qt, QTimer
from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import QCheckBox, QComboBox, QLabel, QWidget

from labctl.gui.desk import Desk
from labctl.gui.feed import RunFeed
from labctl.gui.plots.choice import CELL, POINT, Choice, Kind
from labctl.gui.plots.cursors import Cursors
from labctl.gui.plots.curve_pane import CurvePane
from labctl.gui.plots.detail import Detail
from labctl.gui.plots.plot_frame import PlotFrame, menu_button
from labctl.gui.plots.quantity_axis import name_and_unit, written
from labctl.gui.plots.series import Series
from labctl.gui.slots import guarded_slot

__all__ = ["CurveFrame"]

_ZOOM_SETTLES_MS = 200
_MOST_DETAIL_ROWS = 200_000
_WIDER = 2.0
# letters of the column that are seen where there is little room
_LEAST_LENGTH = 7
_GROUPS = {"": "nothing", CELL: "cell"}


class CurveFrame(PlotFrame):
    """A plot of curves.

    Parameters
    ----------
    desk : Desk
    feed : RunFeed
    choice : Choice
    cursors : Cursors
        Shared with the other plots.
    events : set of str
        Kinds of rows that have come so far; it grows.
    parent : QWidget, optional
    """

    def __init__(
        self,
        desk: Desk,
        feed: RunFeed,
        choice: Choice,
        cursors: Cursors,
        events: set[str],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(desk, feed, choice, parent)
        self._cursors = cursors
        self._events = events
        self.panes: list[CurvePane] = []
        self._finer: list[Series] | None = None
        self._finer_range = (0.0, 0.0)
        self._detail = Detail(feed.follower, self)
        self._zoom_settles = QTimer(self)
        self._zoom_settles.setSingleShot(True)
        self._zoom_settles.timeout.connect(self._look_closer)
        self._make_controls()
        self.begin()
        self.view.scene().sigMouseMoved.connect(self._point)
        cursors.moved.connect(self._cursor_moved)
        # later: the mark that is being moved is itself replaced
        cursors.marked.connect(self._marks_changed, Qt.ConnectionType.QueuedConnection)

    def begin(self) -> None:
        """Start afresh with what is chosen."""
        self._detail.stop()
        self._finer = None
        choice = self.choice
        is_pairs = choice.kind is Kind.PAIRS
        parts = [(choice.ys[:1], False), (choice.ys[1:], True)] if is_pairs else [(choice.ys, False)]
        self.view.clear()
        self.panes = []
        for row, (ys, only_stimuli) in enumerate(parts):
            # the logarithm is for what is read; pulses have both signs
            part = replace(choice, log_y=False, is_absolute=False) if only_stimuli else choice
            series = [Series(part, y, only_stimuli=only_stimuli) for y in ys]
            if not series:
                continue
            pane = CurvePane(part, series, self._cursors, self.panes[0] if self.panes else None)
            self.view.addItem(pane.item, row=row, col=0)
            pane.join_scene()
            pane.item.getViewBox().sigXRangeChanged.connect(self._zoomed)
            if self.panes:
                pane.item.setXLink(self.panes[0].item)
                self.view.ci.layout.setRowStretchFactor(0, 2)
            self.panes.append(pane)
        self.colour()
        self._settle_controls()

    def add(self, seqs: NDArray[Any], columns: Mapping[str, NDArray[Any]]) -> None:
        """Take rows that are new."""
        for pane in self.panes:
            for one in pane.series:
                one.take(seqs, columns)

    def draw(self) -> None:
        """Draw what there is."""
        for pane in self.panes:
            finer = None
            if self._finer is not None and self._is_inside(pane):
                wanted = {one.y for one in pane.series}
                finer = [one for one in self._finer if one.y in wanted]
            pane.draw(self.desk.theme.colours, finer)

    def colour(self) -> None:
        """Put the desk's colours on."""
        colours = self.desk.theme.colours
        self.view.setBackground(colours.plot)
        for pane in self.panes:
            pane.colour(colours)
            pane.show_marks(colours)
        if self.panes:
            self.put_title(self.panes[0].item)
        self._is_stale = True

    def table(self) -> tuple[list[str], list[str], Sequence[Sequence[object]]]:
        """Return notes, header and rows of what is shown."""
        rows: list[Sequence[object]] = []
        coarsest = 1
        for pane in self.panes:
            for (y, group), shown in pane.shown.items():
                coarsest = max(coarsest, shown.each)
                points = zip(shown.seqs.tolist(), shown.x.tolist(), shown.y.tolist(), strict=True)
                rows += [(int(seq), y, group, x, value) for seq, x, value in points]
        notes = []
        if coarsest > 1:
            notes.append(
                f"of up to {coarsest} points each the first, lowest, highest and last; `labctl export` writes all"
            )
        if self.choice.is_absolute:
            notes.append("the sign of the value is left out")
        return notes, ["Point number", "Column", "Group", self.choice.x, "Value (unit as in Column)"], rows

    @property
    def count(self) -> int:
        """Points of all curves."""
        return sum(one.count for pane in self.panes for one in pane.series)

    def _make_controls(self) -> None:
        names = self._names
        self._x = QComboBox()
        self._x.addItems([POINT, *(column.name for column in self.feed.columns if column.unit or column.name in names)])
        self._x.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._x.setMinimumContentsLength(_LEAST_LENGTH)
        self._x.setToolTip("What runs along x; “Point” is the number of the point")
        self._x.setAccessibleName("x axis")
        self._x.textActivated.connect(self._x_chosen)
        label = QLabel("&x")
        label.setBuddy(self._x)
        self._controls.addWidget(label)
        self._controls.addWidget(self._x)
        button, self._y_menu = menu_button("&y", "What is drawn; several columns of at most two units")
        self._y_button = button
        for name in names:
            action = self._y_menu.addAction(name)
            action.setCheckable(True)
            action.triggered.connect(lambda _=False, name=name: self._y_chosen(name))
        self._controls.addWidget(button)
        self._log_x, self._log_y = QCheckBox("log x"), QCheckBox("&log y")
        self._absolute = QCheckBox("|y|")
        for box, tip in (
            (self._log_x, "Logarithmic x axis; values that are not positive are left out"),
            (self._log_y, "Logarithmic y axis; values that are not positive are left out"),
            (self._absolute, "Leave out the sign of y, as for log |I|"),
        ):
            box.setToolTip(tip)
            box.clicked.connect(self._boxes_changed)
            self._controls.addWidget(box)
        more, menu = menu_button("&Curves", "Which rows are shown, and how curves are coloured")
        self._group_menu = menu.addMenu("&Colour by")
        self._event_menu = menu.addMenu("&Rows")
        self._event_menu.aboutToShow.connect(self._list_events)
        menu.addSeparator()
        menu.addAction("Show &all").triggered.connect(self._show_all)
        self._controls.addWidget(more)
        has_event = "Event" in names
        self._event_menu.menuAction().setVisible(has_event)
        groups = [*_GROUPS] if {"Row", "Column"} <= set(names) else [""]
        groups += [column.name for column in self.feed.columns if not column.unit and column.name in ("Cycle", "Event")]
        for group in groups:
            action = self._group_menu.addAction(_GROUPS.get(group, group.lower()))
            action.setCheckable(True)
            action.setData(group)
            action.triggered.connect(lambda _=False, group=group: self._choose_with(group=group))
        marks, menu = menu_button("&Marks", "Marks stand in all plots with the same x; drag them with the mouse")
        for words, keys, slot in (
            ("&Set at the cursor", "M", self._mark),
            ("&Remove the nearest", "Shift+M", self._unmark),
            ("Remove &all", "", self._unmark_all),
        ):
            menu.addAction(f"{words}\t{keys}" if keys else words).triggered.connect(slot)
            if keys:
                shortcut = QShortcut(QKeySequence(keys), self)
                shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
                shortcut.activated.connect(slot)
        self._controls.addWidget(marks)
        self._end_controls()

    def _settle_controls(self) -> None:
        choice = self.choice
        is_pairs = choice.kind is Kind.PAIRS
        self._x.setCurrentText(choice.x)
        words = ", ".join(name_and_unit(y)[0] for y in choice.ys)
        self._y_button.setText(f"&y: {words}")
        self._y_button.setEnabled(not is_pairs)
        for action in self._y_menu.actions():
            action.setChecked(action.text() in choice.ys)
        for action in self._group_menu.actions():
            action.setChecked(action.data() == choice.group)
        self._log_x.setChecked(choice.log_x)
        self._log_y.setChecked(choice.log_y)
        self._absolute.setChecked(choice.is_absolute)
        self._tell_groups()

    def _tell_groups(self) -> None:
        words = "Each colour is one cell, grey are all others; point at them to read their values."
        self._readout.setText(words if self.choice.group == CELL else "")

    def _choose_with(self, **changes: Any) -> None:
        self.choose(replace(self.choice, **changes))

    @guarded_slot
    def _x_chosen(self, name: str) -> None:
        self._choose_with(x=name)

    @guarded_slot
    def _y_chosen(self, name: str) -> None:
        ys = tuple(y for y in self.choice.ys if y != name)
        if ys == self.choice.ys:
            ys = (*ys, name)
        units = {name_and_unit(y)[1] for y in ys}
        if len(units) > 2 or not ys:
            why = "there is one y axis on either side: at most two units" if ys else "at least one column must be shown"
            self.desk.tell("warning", f"{name}: {why}; take another column away, or add a plot for it.")
            self._settle_controls()
            return
        self._choose_with(ys=ys)

    @guarded_slot
    def _boxes_changed(self) -> None:
        self._choose_with(
            log_x=self._log_x.isChecked(), log_y=self._log_y.isChecked(), is_absolute=self._absolute.isChecked()
        )

    @guarded_slot
    def _list_events(self) -> None:
        self._event_menu.clear()
        for event in ("", *sorted(self._events)):
            action = self._event_menu.addAction(event or "all")
            action.setCheckable(True)
            action.setChecked(event == self.choice.event)
            action.triggered.connect(lambda _=False, event=event: self._choose_with(event=event))

    @guarded_slot
    def _show_all(self) -> None:
        for pane in self.panes:
            pane.show_all()
        self._is_stale = True

    @guarded_slot
    def _point(self, position: QPointF) -> None:
        for pane in self.panes:
            under = pane.place_under(position)
            if under is not None:
                self._cursors.move(self.choice.x, under[0])
                if not all(one.is_monotone for one in pane.series):
                    texts = [written(under[0], self.choice.x, 4), written(under[1], pane.series[0].y, 4)]
                    self._readout.setText("under the pointer: " + ", ".join(texts))
                return

    @guarded_slot
    def _cursor_moved(self, label: str, place: float | None) -> None:
        if label != self.choice.x:
            return
        texts = []
        for pane in self.panes:
            pane.point_at(place)
            if place is not None:
                texts += pane.values_at(place)
        if place is None:
            self._tell_groups()
        elif texts:
            at = f"{POINT} {place:.0f}" if label == POINT else f"{name_and_unit(label)[0]} {written(place, label)}"
            self._readout.setText(f"{at}:  " + "   ".join(texts))

    @guarded_slot
    def _marks_changed(self, label: str) -> None:
        if label == self.choice.x:
            for pane in self.panes:
                pane.show_marks(self.desk.theme.colours)

    @guarded_slot
    def _mark(self) -> None:
        place = self._cursors.place(self.choice.x)
        if place is None:
            self.desk.tell("info", "Point at a place in a plot first; the mark is set there.")
        else:
            self._cursors.mark(self.choice.x, place)

    @guarded_slot
    def _unmark(self) -> None:
        place = self._cursors.place(self.choice.x)
        self._cursors.unmark(self.choice.x, 0.0 if place is None else place)

    @guarded_slot
    def _unmark_all(self) -> None:
        self._cursors.unmark(self.choice.x)

    @guarded_slot
    def _zoomed(self) -> None:
        if self.panes and self.panes[0].is_zoomed:
            self._is_stale = True
            self._zoom_settles.start(_ZOOM_SETTLES_MS)

    def _is_inside(self, pane: CurvePane) -> bool:
        low, high = pane.x_range()
        return pane.is_zoomed and self._finer_range[0] <= low and high <= self._finer_range[1]

    @guarded_slot
    def _look_closer(self) -> None:
        """Read the zoomed range again where the envelope is too coarse for it."""
        pane = self.panes[0]
        series = [one for pane in self.panes for one in pane.series]
        if not pane.is_zoomed or not all(one.is_monotone for one in series):
            return
        low, high = pane.x_range()
        known = series
        if self._finer is not None and self._is_inside(pane):
            if high - low > 0.5 * (self._finer_range[1] - self._finer_range[0]) / _WIDER:
                return
            known = self._finer
        if not any(curve.shown(10**9, low, high).each > 1 for one in known for curve in one.curves.values()):
            return
        curves = [curve for one in series for curve in one.curves.values()]
        # half a screen on either side, so that it can be moved a little
        margin = 0.5 * (_WIDER - 1.0) * (high - low)
        low, high = low - margin, high + margin
        ranges = [found for curve in curves if (found := curve.seq_range(low, high))[1] > 0]
        if not ranges:
            return
        first, last = min(start for start, _ in ranges), max(end for _, end in ranges)
        if last - first + 1 > _MOST_DETAIL_ROWS:
            return
        finer = [
            Series(pane.choice, one.y, only_stimuli=one.only_stimuli) for pane in self.panes for one in pane.series
        ]
        self._detail.read(first, last, finer, sorted(self.needed), lambda: self._show_finer(finer, (low, high)))

    def _show_finer(self, series: list[Series], x_range: tuple[float, float]) -> None:
        self._finer, self._finer_range = series, x_range
        self._is_stale = True
