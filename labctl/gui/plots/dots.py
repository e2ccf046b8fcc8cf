"""Dots of many curves as one item of a scene: one for each curve, or a symbol for each point, takes ten times as long.

Not here: which points (:mod:`labctl.gui.plots.curve_pane`).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyqtgraph
from numpy.typing import NDArray
from qtpy.QtCore import QRectF, Qt
from qtpy.QtGui import QColor, QPainter

__all__ = ["Dots"]

_PIXELS = 4.0
_Part = tuple[NDArray[np.float64], NDArray[np.float64], QColor]


class Dots(pyqtgraph.GraphicsObject):  # type: ignore[misc]  # pyqtgraph has no types
    """Dots of one size, in the colours of their curves.

    Attributes
    ----------
    parts : sequence of (ndarray, ndarray, QColor)
        x and y as drawn (where an axis is logarithmic, logarithms), and the colour of each curve.
    """

    def __init__(self) -> None:
        super().__init__()
        self.parts: Sequence[_Part] = ()

    def show_parts(self, parts: Sequence[_Part]) -> None:
        """Show other dots.

        Parameters
        ----------
        parts : sequence of (ndarray, ndarray, QColor)
            As the attribute.
        """
        if not parts and not self.parts:
            return
        self.parts = [part for part in parts if len(part[0])]
        self.prepareGeometryChange()
        self.informViewBoundsChanged()
        self.update()

    def dataBounds(self, ax: int, frac: float = 1.0, orthoRange: object = None) -> tuple[float | None, float | None]:
        """Return the lowest and the highest x (axis 0) or y (axis 1), as pyqtgraph asks for it; ``frac``, unit 1."""
        if not self.parts:
            return None, None
        along = [(x, y)[ax] for x, y, _ in self.parts]
        return min(float(one.min()) for one in along), max(float(one.max()) for one in along)

    def pixelPadding(self) -> float:
        """Return how far a dot reaches beyond its place, unit pixels, as pyqtgraph asks for it."""
        return _PIXELS / 2.0

    def boundingRect(self) -> QRectF:
        """Return what is in sight, as Qt asks for it."""
        rect: QRectF = self.viewRect()
        return rect

    def viewRangeChanged(self) -> None:
        """Follow the range, as pyqtgraph tells it."""
        self.prepareGeometryChange()
        self.update()

    def paint(self, painter: QPainter, *_: Any) -> None:
        """Draw, as Qt asks for it."""
        box = self.getViewBox()
        wide, high = (_PIXELS * abs(float(size)) for size in box.viewPixelSize())
        (left, right), (bottom, top) = box.viewRange()
        painter.setPen(Qt.PenStyle.NoPen)
        for x, y, colour in self.parts:
            seen = (x >= left - wide) & (x <= right + wide) & (y >= bottom - high) & (y <= top + high)
            corners = zip((x[seen] - wide / 2.0).tolist(), (y[seen] - high / 2.0).tolist(), strict=True)
            painter.setBrush(colour)
            painter.drawRects([QRectF(at_x, at_y, wide, high) for at_x, at_y in corners])
