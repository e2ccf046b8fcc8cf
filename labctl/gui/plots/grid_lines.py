"""Grid lines behind curves, at the labelled ticks only: pyqtgraph's own cost more time than the curves.

Not here: the axes (:mod:`labctl.gui.plots.quantity_axis`).
"""

from typing import Any

import pyqtgraph
from qtpy.QtCore import QLineF, QRectF
from qtpy.QtGui import QPainter

__all__ = ["GridLines"]


class GridLines(pyqtgraph.GraphicsObject):  # type: ignore[misc]  # pyqtgraph has no types
    """The grid of a plot; it is added to the plot as an item that has no bounds.

    Parameters
    ----------
    item : pyqtgraph.PlotItem
        The plot whose left and bottom axis give the places.
    """

    def __init__(self, item: Any) -> None:
        super().__init__()
        self._item = item
        self._pen = pyqtgraph.mkPen("gray")
        self.setZValue(-1000)

    def set_colour(self, colour: str) -> None:
        """Draw in a colour from now on.

        Parameters
        ----------
        colour : str
            As ``#rrggbb``.
        """
        self._pen = pyqtgraph.mkPen(colour, width=1)
        self.update()

    def boundingRect(self) -> QRectF:
        """Return what is in sight, as Qt asks for it."""
        rect: QRectF = self.viewRect()
        return rect

    def viewRangeChanged(self) -> None:
        """Follow the range, as pyqtgraph tells it."""
        self.prepareGeometryChange()
        self.update()

    def paint(self, painter: QPainter, *_: object) -> None:
        """Draw, as Qt asks for it."""
        box = self.getViewBox()
        (left, right), (bottom, top) = box.viewRange()
        lines = [QLineF(x, bottom, x, top) for x in self._ticks("bottom", left, right, box.width())]
        lines += [QLineF(left, y, right, y) for y in self._ticks("left", bottom, top, box.height())]
        painter.setPen(self._pen)
        painter.drawLines(lines)

    def _ticks(self, side: str, low: float, high: float, pixels: float) -> list[float]:
        if not pixels > 0.0 or not high > low:
            return []
        axis = self._item.getAxis(side)
        levels = axis.tickValues(low, high, pixels)[: 1 if axis.logMode else 2]
        return [float(place) for _, places in levels for place in places]
