"""Several runs drawn over each other: one curve each, x and y chosen from the columns.

The points are read and thinned out by the scanner process. Not here: whether results differ (``labctl compare``).
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pyqtgraph
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor, QIcon, QPainter, QPen, QPixmap
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from labctl.gui.browser.run_columns import die_words, local_time
from labctl.gui.desk import Desk
from labctl.gui.plots.choice import POINT
from labctl.gui.plots.quantity_axis import QuantityAxis, name_and_unit
from labctl.gui.slots import guarded_slot
from labctl.store.run_entry import RunEntry

__all__ = ["MOST_POINTS", "MOST_RUNS", "OverlayDialog"]

MOST_POINTS = 4000
MOST_RUNS = 24
_LINES = (Qt.PenStyle.SolidLine, Qt.PenStyle.DashLine, Qt.PenStyle.DotLine)


class OverlayDialog(QDialog):
    """A window with the curves of several runs.

    Parameters
    ----------
    desk : Desk
    entries : sequence of RunEntry
        The first ``MOST_RUNS`` that can be read are drawn.
    compare : callable
        Takes the entries when results are to be compared.
    parent : QWidget, optional
    """

    def __init__(
        self,
        desk: Desk,
        entries: Sequence[RunEntry],
        compare: Callable[[Sequence[RunEntry]], None],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.desk = desk
        self.entries = [entry for entry in entries if entry.is_readable][:MOST_RUNS]
        self._left_out = len(entries) - len(self.entries)
        self._axes: dict[str, dict[str, Any]] = {}
        self._points: dict[str, tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], int]] = {}
        self._wrong: dict[str, str] = {}
        self._asked: list[int] = []
        self._logs = (False, False)
        self.setWindowTitle(f"Overlay of {len(self.entries)} runs")
        # it lives as long as it is seen
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.x_box, self.y_box, self.event_box = (self._choice(name) for name in ("x axis", "y axis", "Rows"))
        self.log_x, self.log_y, self.absolute = (
            self._check(name) for name in ("lo&g x", "&log y", "&without sign of y")
        )
        self.absolute.setToolTip("Draws |y|, which a logarithmic axis needs where y is negative")
        self.legend = QListWidget(self)
        self.legend.setAccessibleName("Runs")
        self.legend.setWordWrap(True)
        self.legend.itemChanged.connect(self._draw)
        self.status = QLabel("reading the runs …", self)
        self.status.setWordWrap(True)
        self.compare_button = QPushButton("Com&pare results", self)
        self.compare_button.setToolTip("Write a page: results side by side, and whether they differ")
        self.compare_button.setEnabled(len(self.entries) > 1)
        self.compare_button.clicked.connect(lambda: compare(self.entries))
        self.plot = pyqtgraph.PlotWidget(axisItems={side: QuantityAxis(side) for side in ("left", "bottom")})
        self.plot.getPlotItem().hideButtons()
        self.plot.setMenuEnabled(False)
        self.plot.setToolTip("Drag to move, turn the wheel to zoom, double click to see all")
        self._curves = [self.plot.plot(connect="finite") for _ in self.entries]
        self._lay_out()
        desk.theme.changed.connect(self._recolour)
        self._recolour()
        for entry in self.entries:
            self._ask("browser.axes", partial(self._take_axes, entry.name), entry)

    def mouseDoubleClickEvent(self, event: Any) -> None:  # noqa: N802, RUF100
        """Show all; called by Qt."""
        self.plot.getPlotItem().enableAutoRange()
        super().mouseDoubleClickEvent(event)

    def done(self, result: int) -> None:
        """Do without the answers that have not come; called by Qt at the end."""
        for number in self._asked:
            self.desk.scanner.drop(number)
        super().done(result)

    def _ask(self, what: str, done: Callable[[Any], None], entry: RunEntry, **arguments: Any) -> None:
        name = entry.name

        def failed(why: str) -> None:
            self._wrong[name] = why
            self._count()

        number = self.desk.scanner.ask(what, done, failed, path=entry.file, **arguments)
        self._asked.append(number)

    @guarded_slot
    def _take_axes(self, name: str, answer: dict[str, Any]) -> None:
        self._axes[name] = answer
        self._count()
        if len(self._axes) + len(self._wrong) < len(self.entries):
            return
        found = [self._axes[entry.name] for entry in self.entries if entry.name in self._axes]
        if not found:
            return
        # what all of them have, in the order of the first
        labels = [label for label in found[0]["columns"] if all(label in one["columns"] for one in found)]
        events = [event for event in found[0]["events"] if all(event in one["events"] for one in found)]
        with_unit = [label for label in labels if name_and_unit(label)[1] != "1"]
        plain = {"x": POINT, "y": (with_unit or labels)[-1], "event": ""}
        first = next((one for one in found if one["x"] in labels and one["y"] in labels), plain)
        for box, words, chosen in (
            (self.x_box, [(label, label) for label in labels], first["x"]),
            (self.y_box, [(label, label) for label in labels], first["y"]),
            (self.event_box, [("all", ""), *((event, event) for event in events)], first["event"]),
        ):
            box.blockSignals(True)
            for text, value in words:
                box.addItem(text, value)
            box.setCurrentIndex(max(box.findData(chosen), 0))
            box.blockSignals(False)
        self._read()

    @guarded_slot
    def _read(self) -> None:
        """Ask for the curves of the chosen columns."""
        for number in self._asked:
            self.desk.scanner.drop(number)
        self._asked.clear()
        self._points.clear()
        self._wrong.clear()
        chosen = {"x": self.x_box.currentData(), "y": self.y_box.currentData(), "event": self.event_box.currentData()}
        for entry in self.entries:
            name = entry.name
            self._ask("browser.curve", partial(self._take_curve, name), entry, most=MOST_POINTS, **chosen)

    @guarded_slot
    def _take_curve(self, name: str, answer: dict[str, Any]) -> None:
        self._points[name] = (np.asarray(answer["x"], float), np.asarray(answer["y"], float), answer["points"])
        self._count()
        self._draw()

    def _count(self) -> None:
        ready = len(self._points) + len(self._wrong)
        words = []
        if ready < len(self.entries):
            words.append(f"reading the runs … {ready} of {len(self.entries)}")
        elif self._points and max(points for *_, points in self._points.values()) > MOST_POINTS:
            words.append(f"long curves are thinned out to about {MOST_POINTS:,} points; extremes are kept")
        if self._left_out:
            words.append(
                f"not drawn: {self._left_out} selected that cannot be read or come after the first {MOST_RUNS}"
            )
        words += self._wrong.values()
        self.status.setText("; ".join(words))

    @guarded_slot
    def _draw(self) -> None:
        log_x, log_y, is_absolute = self.log_x.isChecked(), self.log_y.isChecked(), self.absolute.isChecked()
        item = self.plot.getPlotItem()
        if (log_x, log_y) != self._logs:
            # the old range would be taken for powers of ten, too large for a float
            item.getViewBox().setRange(xRange=(0.0, 1.0), yRange=(0.0, 1.0))
            self._logs = log_x, log_y
            item.setLogMode(x=log_x, y=log_y)
            item.enableAutoRange()
        for number, entry in enumerate(self.entries):
            listed = self.legend.item(number)
            x, y, _ = self._points.get(entry.name, (np.empty(0), np.empty(0), 0))
            if listed is None or listed.checkState() != Qt.CheckState.Checked:
                x, y = x[:0], y[:0]
            y = np.abs(y) if is_absolute else y
            good = ((x > 0) | (not log_x)) & ((y > 0) | (not log_y))
            few = {"symbol": "o", "symbolSize": 5} if 0 < good.sum() < 60 else {"symbol": None}
            self._curves[number].setData(x[good], y[good], **few)
        item.getAxis("bottom").show_quantity(str(self.x_box.currentData() or ""), is_log=log_x)
        item.getAxis("left").show_quantity(str(self.y_box.currentData() or ""), is_log=log_y, is_absolute=is_absolute)

    @guarded_slot
    def _recolour(self) -> None:
        colours = self.desk.theme.colours
        self.plot.setBackground(colours.plot)
        for side in ("left", "bottom"):
            axis = self.plot.getPlotItem().getAxis(side)
            axis.setPen(colours.axis)
            axis.setTextPen(colours.axis)
        self.plot.showGrid(x=True, y=True, alpha=0.25)
        self.legend.blockSignals(True)
        for number in range(len(self.entries)):
            colour = QColor(colours.curves[number % len(colours.curves)])
            line = _LINES[number // len(colours.curves) % len(_LINES)]
            pen = pyqtgraph.mkPen(colour, width=1.5, style=line)
            self._curves[number].setPen(pen)
            self._curves[number].setSymbolBrush(colour)
            self._curves[number].setSymbolPen(None)
            item = self.legend.item(number)
            if item is not None:
                item.setIcon(QIcon(_sample(pen, self.fontMetrics().height())))
        self.legend.blockSignals(False)

    def _choice(self, name: str) -> QComboBox:
        box = QComboBox(self)
        box.setAccessibleName(name)
        box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        box.currentIndexChanged.connect(self._read)
        return box

    def _check(self, name: str) -> QCheckBox:
        box = QCheckBox(name, self)
        box.toggled.connect(self._draw)
        return box

    def _lay_out(self) -> None:
        for entry in self.entries:
            item = QListWidgetItem(_words(entry), self.legend)
            item.setToolTip(f"{entry.run_id}\n{entry.parameters_text}\n{entry.note}".strip())
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
            item.setCheckState(Qt.CheckState.Checked)
        letter = self.fontMetrics().averageCharWidth()
        self.legend.setMinimumWidth(letter * 34)
        top = QHBoxLayout()
        for name, box in (("&y axis", self.y_box), ("&x axis", self.x_box), ("&Rows", self.event_box)):
            label = QLabel(name, self)
            label.setBuddy(box)
            top.addWidget(label)
            top.addWidget(box)
        for check in (self.log_x, self.log_y, self.absolute):
            top.addWidget(check)
        top.addStretch(1)
        middle = QSplitter(Qt.Orientation.Horizontal, self)
        middle.addWidget(self.plot)
        middle.addWidget(self.legend)
        middle.setStretchFactor(0, 1)
        bottom = QHBoxLayout()
        bottom.addWidget(self.status, 1)
        bottom.addWidget(self.compare_button)
        close = QPushButton("&Close", self)
        close.clicked.connect(self.reject)
        bottom.addWidget(close)
        layout = QVBoxLayout(self)
        layout.addLayout(top)
        layout.addWidget(middle, 1)
        layout.addLayout(bottom)
        self.resize(letter * 150, letter * 90)


def _words(entry: RunEntry) -> str:
    kind = "simulated" if entry.simulated else ""
    parts = (
        local_time(entry.started_utc)[:16],
        entry.procedure,
        kind,
        die_words(entry),
        " ".join(entry.tags),
        entry.note,
    )
    return " · ".join(part for part in parts if part)


def _sample(pen: QPen, size: int) -> QPixmap:
    """Draw a short piece of a line."""
    picture = QPixmap(2 * size, size)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    thick = QPen(pen)
    thick.setCosmetic(False)
    thick.setWidthF(size / 6)
    painter.setPen(thick)
    painter.drawLine(0, size // 2, 2 * size, size // 2)
    painter.end()
    return picture
