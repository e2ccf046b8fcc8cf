"""One pair of axes with its curves, cursor and marks, as an item of a pyqtgraph scene.

Not here: which rows make the curves (:mod:`labctl.gui.plots.series`), the widgets around them
(:mod:`labctl.gui.plots.curve_frame`).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyqtgraph
from qtpy.QtCore import QPointF
from qtpy.QtGui import QColor, QFontMetrics, QGuiApplication

from labctl.gui.plots.choice import CELL, Choice, Kind
from labctl.gui.plots.cursors import Cursors
from labctl.gui.plots.decimated import Floats, Shown
from labctl.gui.plots.dots import Dots
from labctl.gui.plots.grid_lines import GridLines
from labctl.gui.plots.quantity_axis import QuantityAxis, name_and_unit, written
from labctl.gui.plots.series import OTHERS, Series
from labctl.gui.theme import Colours

__all__ = ["CurvePane"]

_FEW_POINTS = 250
_MOST_IN_LEGEND = 10
_LEAST_POINTS = 100


class CurvePane:
    """One pair of axes; a second y axis on the right where the curves have two units.

    Parameters
    ----------
    choice : Choice
    series : sequence of Series
        One per y, of one or two units.
    cursors : Cursors
    leader : CurvePane, optional
        The pane above, whose range of x this one shows; each point then stands on a stem.
    """

    def __init__(
        self, choice: Choice, series: Sequence[Series], cursors: Cursors, leader: "CurvePane | None" = None
    ) -> None:
        self.choice = choice
        self.series = list(series)
        self._cursors = cursors
        self._leader = leader
        self.item = pyqtgraph.PlotItem(
            axisItems={side: QuantityAxis(side) for side in ("left", "bottom", "right")}, enableMenu=False
        )
        self.item.showAxis("right", show=False)
        self._grid = GridLines(self.item)
        self.item.addItem(self._grid, ignoreBounds=True)
        self.item.hideButtons()
        # the compliance lies in the upper right corner of an I-V curve
        self._legend = self.item.addLegend(offset=(-8, -8) if choice.kind is Kind.IV else (-8, 8))
        self._right: Any = None
        self._in_legend: list[tuple[str, str]] = []
        self._curves: dict[tuple[str, str], Any] = {}
        self._dots = {"left": Dots()}
        self.item.addItem(self._dots["left"])
        self._shown: dict[tuple[str, str], Shown] = {}
        self._marks: list[Any] = []
        self._cursor = pyqtgraph.InfiniteLine(angle=90, movable=False)
        self._cursor.setVisible(False)
        self.item.addItem(self._cursor, ignoreBounds=True)
        units = list(dict.fromkeys(name_and_unit(one.y)[1] for one in self.series))
        self._sides = {one.y: "left" if name_and_unit(one.y)[1] == units[0] else "right" for one in self.series}
        if len(units) > 1:
            self._add_right()
        self.item.getAxis("bottom").show_quantity(choice.x, is_log=choice.log_x)
        for side in ("left", "right"):
            names = [one.y for one in self.series if self._sides[one.y] == side]
            if names:
                words = ", ".join(name_and_unit(name)[0] for name in names)
                unit = name_and_unit(names[0])[1]
                label = words if unit == "1" else f"{words} ({unit})"
                self.item.getAxis(side).show_quantity(label, is_log=choice.log_y, is_absolute=choice.is_absolute)

    @property
    def is_zoomed(self) -> bool:
        """Whether the user chose the range of x."""
        # a range that is linked is never automatic
        return not bool((self._leader or self).item.getViewBox().autoRangeEnabled()[0])

    @property
    def shown(self) -> dict[tuple[str, str], Shown]:
        """What is drawn, by y and group."""
        return self._shown

    def x_range(self) -> tuple[float, float]:
        """Return the range of x on the screen, unit as that of x; infinite where all is shown."""
        if not self.is_zoomed:
            return -np.inf, np.inf
        low, high = self.item.getViewBox().viewRange()[0]
        if self.choice.log_x:
            with np.errstate(over="ignore"):
                return float(np.power(10.0, low)), float(np.power(10.0, high))
        return float(low), float(high)

    def draw(self, colours: Colours, series: Sequence[Series] | None = None) -> None:
        """Draw the curves as they are now.

        Parameters
        ----------
        colours : Colours
        series : sequence of Series, optional
            Others in place of the pane's own, of the same y: the same points in more detail.
        """
        parts = [(one, name, curve) for one in series or self.series for name, curve in one.curves.items()]
        width = max(int(self.item.getViewBox().width()), 200)
        # a bucket of four points on every second pixel; of stems one on each
        most = (1 if self._leader else 2) * width
        total = max(sum(curve.count for _, _, curve in parts), 1)
        low, high = self.x_range()
        self._shown = {}
        dots: dict[str, list[Any]] = {side: [] for side in self._dots}
        words: list[tuple[str, str]] = []
        for number, (one, name, curve) in enumerate(parts):
            shown = curve.shown(max(most * curve.count // total, _LEAST_POINTS), low, high)
            if self.choice.log_x or self.choice.log_y:
                good = ((shown.x > 0.0) | (not self.choice.log_x)) & ((shown.y > 0.0) | (not self.choice.log_y))
                shown = Shown(shown.x[good], shown.y[good], shown.seqs[good], shown.each)
            self._shown[one.y, name] = shown
            colour = self._colour(colours, number, len(parts), name)
            words.append((self._words(one.y, name), colour.name()))
            x = np.log10(shown.x) if self.choice.log_x else shown.x
            y = np.log10(shown.y) if self.choice.log_y else shown.y
            # cells are visited in turn: a line from visit to visit would show what was never measured
            if self.choice.group != CELL:
                self._draw_line((one.y, name), x, y, colour)
            # single points of a line are seen only where they are few
            if self.choice.group == CELL or (len(x) <= _FEW_POINTS and self._leader is None):
                dots[self._sides[one.y]].append((x, y, colour))
        for side, found in dots.items():
            self._dots[side].show_parts(found)
        for key in [key for key in self._curves if key not in self._shown]:
            gone = self._curves.pop(key)
            gone.getViewBox().removeItem(gone)
        self._fill_legend(words)
        # else it is painted, then ranged, then painted again
        for box in (self.item.getViewBox(), self._right):
            if box is not None:
                box.prepareForPaint()

    def colour(self, colours: Colours) -> None:
        """Put colours on what is no curve.

        Parameters
        ----------
        colours : Colours
        """
        metrics = QFontMetrics(QGuiApplication.font())
        # the same width for all, so that what is linked stands below each other
        self.item.getAxis("left").setWidth(metrics.horizontalAdvance("−0.00 µA") + metrics.height())
        for side in ("left", "bottom", "right"):
            axis = self.item.getAxis(side)
            axis.setPen(colours.axis)
            axis.setTextPen(colours.axis)
        self._legend.setLabelTextColor(QColor(colours.text))
        ground = QColor(colours.plot)
        ground.setAlpha(215)
        self._legend.setBrush(ground)
        self._grid.set_colour(colours.grid)
        self._cursor.setPen(pyqtgraph.mkPen(colours.muted, width=1))
        for mark in self._marks:
            mark.setPen(pyqtgraph.mkPen(colours.accent, width=1))

    def place_under(self, position: QPointF) -> tuple[float, float] | None:
        """Tell which values lie under a place of the scene.

        Parameters
        ----------
        position : QPointF

        Returns
        -------
        tuple of float or None
            x and y, units as their labels say; None outside the axes.
        """
        box = self.item.getViewBox()
        if not box.sceneBoundingRect().contains(position):
            return None
        point = box.mapSceneToView(position)
        x, y = float(point.x()), float(point.y())
        with np.errstate(over="ignore"):
            x = float(np.power(10.0, x)) if self.choice.log_x else x
            y = float(np.power(10.0, y)) if self.choice.log_y else y
        return x, y

    def point_at(self, x: float | None) -> None:
        """Show the cursor.

        Parameters
        ----------
        x : float or None, unit as that of x
        """
        drawn = self._mapped(x)
        self._cursor.setVisible(drawn is not None)
        if drawn is not None:
            self._cursor.setPos(drawn)

    def values_at(self, x: float) -> list[str]:
        """Write the values of the curves at a place of x; of curves whose x goes back there is none.

        Parameters
        ----------
        x : float, unit as that of x

        Returns
        -------
        list of str
            Such as ``"Conductance 12.5 µS"``.
        """
        texts = []
        for (y, group), shown in self._shown.items():
            if not len(shown.x) or np.any(np.diff(shown.x) < 0.0):
                continue
            place = int(np.searchsorted(shown.x, x))
            near = [at for at in (place - 1, place) if 0 <= at < len(shown.x)]
            at = min(near, key=lambda at: abs(shown.x[at] - x))
            # of twenty groups only those that were measured here
            if group and abs(shown.x[at] - x) > 0.02 * (shown.x[-1] - shown.x[0]):
                continue
            name = name_and_unit(y)[0] if not group else f"{name_and_unit(y)[0]}, {group}:"
            texts.append(f"{name} {written(shown.y[at], y)}")
        return texts

    def show_marks(self, colours: Colours) -> None:
        """Show the marks of this x as they are now.

        Parameters
        ----------
        colours : Colours
        """
        for mark in self._marks:
            self.item.removeItem(mark)
        self._marks = []
        for x in self._cursors.marks(self.choice.x):
            drawn = self._mapped(x)
            if drawn is None:
                continue
            line = pyqtgraph.InfiniteLine(
                drawn,
                angle=90,
                movable=True,
                pen=pyqtgraph.mkPen(colours.accent, width=1),
                label=written(x, self.choice.x),
                labelOpts={"position": 0.06, "color": colours.on_accent, "fill": colours.accent, "movable": False},
            )
            line.sigPositionChangeFinished.connect(lambda moved, old=x: self._drag_mark(old, float(moved.value())))
            self.item.addItem(line, ignoreBounds=True)
            self._marks.append(line)

    def show_all(self) -> None:
        """Show the whole curves again, and follow them."""
        self.item.enableAutoRange()
        if self._right is not None:
            self._right.enableAutoRange()

    def _drag_mark(self, old: float, drawn: float) -> None:
        self._cursors.move_mark(self.choice.x, old, 10.0**drawn if self.choice.log_x else drawn)

    def _mapped(self, x: float | None) -> float | None:
        if x is None or (self.choice.log_x and x <= 0.0):
            return None
        return float(np.log10(x)) if self.choice.log_x else x

    def _draw_line(self, key: tuple[str, str], x: Floats, y: Floats, colour: QColor) -> None:
        curve = self._curves.get(key)
        if curve is None:
            curve = self._curves[key] = pyqtgraph.PlotCurveItem(antialias=False, skipFiniteCheck=True)
            if self._sides[key[0]] == "right":
                self._right.addItem(curve)
            else:
                self.item.addItem(curve)
        pen = pyqtgraph.mkPen(colour, width=1)
        if self._leader is not None:
            stems = np.stack([np.zeros_like(y), y], axis=1).reshape(-1)
            curve.setData(np.repeat(x, 2), stems, pen=pen, connect="pairs")
        else:
            curve.setData(x, y, pen=pen)

    def _words(self, y: str, group: str) -> str:
        name = name_and_unit(y)[0]
        if not group:
            return name
        return group if len(self.series) == 1 else f"{name}, {group}"

    def _fill_legend(self, words: list[tuple[str, str]]) -> None:
        # of many groups the one under the cursor is named
        words = words if 1 < len(words) <= _MOST_IN_LEGEND else []
        self._legend.setVisible(bool(words))
        if words != self._in_legend:
            self._in_legend = words
            self._legend.clear()
            for text, colour in words:
                self._legend.addItem(pyqtgraph.PlotCurveItem(pen=pyqtgraph.mkPen(colour, width=2)), text)

    def _colour(self, colours: Colours, number: int, many: int, group: str) -> QColor:
        if group == OTHERS:
            return QColor(colours.muted)
        if many <= len(colours.curves):
            return QColor(colours.curves[number])
        is_dark = QColor(colours.plot).lightnessF() < 0.5
        return QColor.fromHsvF((number * 0.618) % 1.0, 0.65 if is_dark else 0.95, 0.95 if is_dark else 0.7)

    def _add_right(self) -> None:
        box = self.item.getViewBox()
        self._right = pyqtgraph.ViewBox(enableMenu=False)
        self._dots["right"] = Dots()
        self._right.addItem(self._dots["right"])
        self.item.showAxis("right")
        self.item.getAxis("right").linkToView(self._right)
        self._right.setXLink(self.item)
        box.sigResized.connect(self._fit_right)

    def join_scene(self) -> None:
        """Put what lies beside the item into its scene; to be called when the item is in one."""
        if self._right is not None:
            self.item.scene().addItem(self._right)
            self._fit_right()

    def _fit_right(self, *_: object) -> None:
        self._right.setGeometry(self.item.getViewBox().sceneBoundingRect())
