"""The heat map of a die: one picture, marks and outlines as a few paths, mouse and keys that pick cells.

Nothing is made per cell, so that a map of 128 x 128 can follow a run. Not here: which values (:mod:`labctl.gui.array.
array_panel`), sets of cells (:mod:`labctl.gui.array.picking`).
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyqtgraph as pg
from qtpy.QtCore import QPointF, QRectF, Qt, Signal
from qtpy.QtGui import QBrush, QColor, QKeyEvent, QMouseEvent, QPainterPath
from qtpy.QtWidgets import QGraphicsPathItem, QGraphicsRectItem, QWidget

from labctl.gui.array.axes import LineAxis, ScaleAxis
from labctl.gui.array.picking import Cell, mask_of, outline, rectangle
from labctl.gui.array.quantities import Quantity
from labctl.gui.theme import Colours

__all__ = ["MapView"]

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]

_STEPS = {
    Qt.Key.Key_Up: (-1, 0),
    Qt.Key.Key_Down: (1, 0),
    Qt.Key.Key_Left: (0, -1),
    Qt.Key.Key_Right: (0, 1),
}
# parts of a cell's side: the strokes of the marks
_CROSS = np.array([[0.25, 0.25], [0.75, 0.75], [0.25, 0.75], [0.75, 0.25]])
_PEAK = np.array([[0.2, 0.75], [0.5, 0.25], [0.5, 0.25], [0.8, 0.75], [0.8, 0.75], [0.2, 0.75]])
_MARGIN = 0.02
_SIDES = ("left", "right", "top", "bottom")


class MapView(pg.GraphicsLayoutWidget):  # type: ignore[misc]  # pyqtgraph has no types
    """One die.

    Click, drag, Ctrl and Shift select; a click on a line's number selects the line; arrow keys move the current cell,
    with Shift they extend the selection; Ctrl+A selects all, Escape nothing; the wheel zooms, Home shows all.

    Parameters
    ----------
    parent : QWidget, optional

    Attributes
    ----------
    picked : Signal of ndarray of bool, (int, int) or None
        The user selected cells; the current one.
    hovered : Signal of (int, int) or None
        The cell under the cursor.
    selected : ndarray of bool, shape (rows, columns)
    current : (int, int) or None
    """

    picked = Signal(object, object)
    hovered = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setAccessibleName("Map of the array")
        self.shape = (1, 1)
        self.selected = np.zeros(self.shape, dtype=np.bool_)
        self.current: Cell | None = None
        self._anchor: Cell | None = None
        self._drag: tuple[Cell, str] | None = None
        self._base = self.selected
        self._adds = True
        self._under: Cell | None = None
        self._scale: object = None
        self.image = pg.ImageItem(axisOrder="row-major")
        self._ground = QGraphicsRectItem()
        self._lines = {
            name: (QGraphicsPathItem(), QGraphicsPathItem()) for name in ("failed", "over range", "selected", "current")
        }
        self._scale_axis = ScaleAxis()
        self.bar = pg.ColorBarItem(interactive=False, colorMapMenu=False, width=18)
        self.bar.setAxisItems({"right": self._scale_axis})
        self.bar.axis = self._scale_axis
        self._scale_axis.unlinkFromView()
        self._axes = {side: LineAxis(side) for side in ("left", "top")}
        self.plot: Any = self.addPlot(0, 0, axisItems=self._axes, enableMenu=False)
        self.addItem(self.bar, 0, 1)
        self.plot.hideAxis("bottom")
        self.plot.hideButtons()
        self.plot.setLabel("left", "Row (word line)")
        self.plot.setLabel("top", "Column (bit line)")
        self.plot.getViewBox().invertY(True)
        self.plot.getViewBox().setAspectLocked(True)
        for item in (self._ground, self.image, *(path for pair in self._lines.values() for path in pair)):
            self.plot.addItem(item, ignoreBounds=True)
        self.set_shape(self.shape)

    def set_shape(self, shape: tuple[int, int]) -> None:
        """Show an array of another size, at first without values.

        Parameters
        ----------
        shape : (int, int)
            Rows and columns.
        """
        self.shape = rows, columns = shape
        self.selected = np.zeros(shape, dtype=np.bool_)
        self.current = self._anchor = self._drag = self._under = None
        for axis, count in zip(self._axes.values(), shape, strict=True):
            axis.count = count
        self._ground.setRect(QRectF(0.0, 0.0, columns, rows))
        self.image.setImage(np.full(shape, np.nan), autoLevels=False, levels=(0.0, 1.0))
        self.show_all()
        self._draw_picks()

    def set_colours(self, colours: Colours) -> None:
        """Take the colours of a theme.

        Parameters
        ----------
        colours : Colours
        """
        self.setBackground(colours.plot)
        hatch = QBrush(QColor(colours.muted), Qt.BrushStyle.BDiagPattern)
        self._ground.setBrush(hatch)
        self._ground.setPen(pg.mkPen(colours.border, width=1, cosmetic=True))
        for axis in (*self._axes.values(), *(self.bar.getAxis(side) for side in _SIDES)):
            axis.setPen(colours.axis)
            axis.setTextPen(colours.axis)
        for name, (under, over) in self._lines.items():
            is_pick = name in ("selected", "current")
            width = 2.0 if is_pick else 1.5
            over_colour = colours.curves[1] if name == "current" else "#ffffff" if is_pick else "#000000"
            under_colour = "#000000" if is_pick else "#ffffff"
            under.setPen(pg.mkPen(under_colour, width=width + 2.0, cosmetic=True))
            over.setPen(pg.mkPen(over_colour, width=width, cosmetic=True))

    def show_values(
        self,
        values: FloatArray,
        quantity: Quantity,
        levels: tuple[float, float],
        *,
        is_log: bool,
        failed: BoolArray,
        over_range: BoolArray,
        ticks: list[tuple[float, str]] | None = None,
    ) -> None:
        """Draw values.

        Parameters
        ----------
        values : ndarray, shape (rows, columns), unit of the quantity
            NaN where a cell has none: hatched.
        quantity : Quantity
        levels : (float, float), unit of the quantity
            Ends of the colour scale.
        is_log : bool
            Logarithmic colour scale; what is not positive has the colour of its lower end.
        failed, over_range : ndarray of bool, shape (rows, columns)
            Cells to mark with a cross; with a triangle.
        ticks : list of (float, str), optional
            What to write beside the scale in place of values.
        """
        shown, ends = values, levels
        if is_log:
            ends = (float(np.log10(levels[0])), float(np.log10(levels[1])))
            with np.errstate(divide="ignore", invalid="ignore"):
                shown = np.log10(np.where(values > 0.0, values, np.where(np.isnan(values), np.nan, levels[0])))
        colours = quantity.colours()
        key = (quantity.key, is_log, ends, tuple(ticks or ()))
        if key != self._scale:
            self._scale = key
            self._scale_axis.show_quantity(quantity, is_log=is_log, ticks=ticks)
            self.bar.setColorMap(colours)
            self.bar.setLevels(values=ends)
            self._scale_axis.setRange(*ends)
            self.image.setLookupTable(colours.getLookupTable(nPts=256))
        self.image.setImage(shown, autoLevels=False, levels=ends)
        self._mark("failed", failed, _CROSS)
        self._mark("over range", over_range, _PEAK)

    def set_selection(self, cells: frozenset[Cell], current: Cell | None) -> None:
        """Show a selection that was made elsewhere.

        Parameters
        ----------
        cells : frozenset of (int, int)
        current : (int, int) or None
            The current cell.
        """
        self.selected = mask_of(cells, self.shape)
        inside = current is not None and current[0] < self.shape[0] and current[1] < self.shape[1]
        self.current = current if inside else None
        if self._anchor is None:
            self._anchor = self.current
        self._draw_picks()

    def show_all(self) -> None:
        """Show the whole array."""
        rows, columns = self.shape
        self.plot.getViewBox().setRange(QRectF(0.0, 0.0, columns, rows), padding=_MARGIN)

    def place_of(self, cell: Cell) -> QPointF:
        """Return where the middle of a cell is, in pixels of this widget.

        Parameters
        ----------
        cell : (int, int)

        Returns
        -------
        QPointF
        """
        scene = self.plot.getViewBox().mapViewToScene(QPointF(cell[1] + 0.5, cell[0] + 0.5))
        return QPointF(self.mapFromScene(scene))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begin to select."""
        found = self._hit(event.position()) if event.button() == Qt.MouseButton.LeftButton else None
        if found is None:
            super().mousePressEvent(event)
            return
        event.accept()
        cell, _ = found
        self._drag = found
        shift = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        control = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
        self._base = self.selected.copy() if control else np.zeros(self.shape, dtype=np.bool_)
        self._adds = not (control and bool(self._base[self._region(cell, cell, found[1])].all()))
        if not (shift and self._anchor is not None):
            self._anchor = cell
        self._drag_to(cell)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Select what lies between, or tell what is under the cursor."""
        if self._drag is not None:
            found = self._hit(event.position(), is_drag=True)
            if found is not None:
                self._drag_to(found[0])
        else:
            super().mouseMoveEvent(event)
        self._tell_under(event.position())

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Hand the selection on."""
        if self._drag is None:
            super().mouseReleaseEvent(event)
            return
        self._drag = None
        event.accept()
        self.picked.emit(self.selected.copy(), self.current)

    def leaveEvent(self, event: Any) -> None:
        """Forget what was under the cursor."""
        self._under = None
        self.hovered.emit(None)
        super().leaveEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Move the current cell, extend the selection, select all or nothing, show all."""
        key = Qt.Key(event.key())
        if key in _STEPS:
            step = _STEPS[key]
            row, column = self.current or (0, 0)
            if self.current is not None:
                row = min(max(row + step[0], 0), self.shape[0] - 1)
                column = min(max(column + step[1], 0), self.shape[1] - 1)
            if not event.modifiers() & Qt.KeyboardModifier.ShiftModifier or self._anchor is None:
                self._anchor = (row, column)
            self.selected = rectangle(self._anchor, (row, column), self.shape)
            self.current = (row, column)
        elif key == Qt.Key.Key_A and event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self.selected = np.ones(self.shape, dtype=np.bool_)
        elif key == Qt.Key.Key_Escape:
            self.selected, self.current = np.zeros(self.shape, dtype=np.bool_), None
        elif key == Qt.Key.Key_Home:
            self.show_all()
            return
        else:
            super().keyPressEvent(event)
            return
        self._draw_picks()
        self.picked.emit(self.selected.copy(), self.current)

    def _drag_to(self, cell: Cell) -> None:
        assert self._drag is not None
        kind = self._drag[1]
        region = self._region(self._anchor or cell, cell, kind)
        self.selected = self._base | region if self._adds else self._base & ~region
        self.current = cell
        self._draw_picks()

    def _region(self, first: Cell, last: Cell, kind: str) -> BoolArray:
        rows, columns = self.shape
        if kind == "row":
            first, last = (first[0], 0), (last[0], columns - 1)
        elif kind == "column":
            first, last = (0, first[1]), (rows - 1, last[1])
        return rectangle(first, last, self.shape)

    def _hit(self, position: QPointF, *, is_drag: bool = False) -> tuple[Cell, str] | None:
        """Return the cell at a place and whether the cell, its row's or its column's number was hit."""
        scene = self.mapToScene(position.toPoint())
        view = self.plot.getViewBox()
        point = view.mapSceneToView(scene)
        row, column = int(np.floor(point.y())), int(np.floor(point.x()))
        rows, columns = self.shape
        kind = self._drag[1] if is_drag and self._drag is not None else None
        if kind is None:
            for name, side in (("row", "left"), ("column", "top")):
                if self.plot.getAxis(side).sceneBoundingRect().contains(scene):
                    kind = name
            if kind is None:
                kind = "cell" if 0 <= row < rows and 0 <= column < columns else None
            inside = 0 <= row < rows if kind == "row" else 0 <= column < columns
            if kind is None or (kind != "cell" and not inside):
                return None
        return (min(max(row, 0), rows - 1), min(max(column, 0), columns - 1)), kind

    def _tell_under(self, position: QPointF) -> None:
        found = self._hit(position)
        under = found[0] if found is not None and found[1] == "cell" else None
        if under != self._under:
            self._under = under
            self.hovered.emit(under)

    def _draw_picks(self) -> None:
        x, y = outline(self.selected)
        self._set_path("selected", x, y)
        current = np.zeros(self.shape, dtype=np.bool_)
        if self.current is not None:
            current[self.current] = True
        self._set_path("current", *outline(current))

    def _mark(self, name: str, mask: BoolArray, strokes: FloatArray) -> None:
        places = np.argwhere(mask)[:, ::-1]
        points = (places[:, None, :] + strokes[None]).reshape(-1, 2)
        self._set_path(name, points[:, 0], points[:, 1])

    def _set_path(self, name: str, x: FloatArray, y: FloatArray) -> None:
        path = pg.arrayToQPath(x, y, connect="pairs") if len(x) else QPainterPath()
        for item in self._lines[name]:
            item.setPath(path)
