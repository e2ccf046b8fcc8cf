"""The true state of a simulated die beside the measured one, with one colour scale for both.

Not here: where they come from (:mod:`labctl.gui.station.bench_view`), the array panel.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pyqtgraph as pg
from qtpy.QtCore import QRectF
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QGraphicsRectItem, QLabel, QVBoxLayout, QWidget

from labctl.gui.theme import Theme
from labctl.units import format_quantity

__all__ = ["TruthView", "deviation"]

FloatArray = npt.NDArray[np.float64]
_TITLES = ("true (simulated)", "measured")
_COLOURS = "viridis"
_TEXT_LINES = 14
_MARGIN = 0.02


class TruthView(QWidget):
    """Two small maps of conductance, one scale, and in words how far they are from each other.

    Parameters
    ----------
    theme : Theme
    parent : QWidget, optional
    """

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._maps: tuple[FloatArray, FloatArray] | None = None
        self.words = QLabel(self)
        self.words.setWordWrap(True)
        self._canvas = pg.GraphicsLayoutWidget()
        self._canvas.setAccessibleName("maps of true and measured conductance")
        self._canvas.setFixedHeight(self.fontMetrics().height() * _TEXT_LINES)
        self._images = [pg.ImageItem(axisOrder="row-major") for _ in _TITLES]
        self._plots: list[pg.PlotItem] = []
        self._grounds: list[QGraphicsRectItem] = []
        for column, (title, image) in enumerate(zip(_TITLES, self._images, strict=True)):
            plot = self._canvas.addPlot(row=0, col=column, title=title, enableMenu=False)
            plot.setAspectLocked(True)
            plot.invertY(True)
            plot.setMouseEnabled(x=False, y=False)
            plot.hideButtons()
            # what a cell shows that was never measured
            ground = QGraphicsRectItem()
            plot.addItem(ground)
            plot.addItem(image)
            self._grounds.append(ground)
            self._plots.append(plot)
        self._bar = pg.ColorBarItem(interactive=False, colorMapMenu=False, colorMap=pg.colormap.get(_COLOURS))
        self._bar.setImageItem(self._images)
        self._canvas.addItem(self._bar, row=0, col=2)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._canvas)
        layout.addWidget(self.words)
        theme.changed.connect(self._draw)

    def show_maps(self, true_s: FloatArray, measured_s: FloatArray) -> None:
        """Show a die.

        Parameters
        ----------
        true_s, measured_s : ndarray, shape (rows, columns), unit S
            NaN where a cell was never measured.
        """
        self._maps = true_s, measured_s
        self.words.setText(deviation(true_s, measured_s))
        self._draw()

    def _draw(self, *_: Any) -> None:
        colours = self._theme.colours
        self._canvas.setBackground(colours.plot)
        for title, plot, ground in zip(_TITLES, self._plots, self._grounds, strict=True):
            plot.setTitle(title, color=colours.text)
            ground.setBrush(QColor(colours.missing))
            ground.setPen(QColor(colours.border))
            for side in ("left", "bottom"):
                plot.getAxis(side).setPen(colours.axis)
                plot.getAxis(side).setStyle(maxTickLevel=0)
                plot.getAxis(side).setTextPen(colours.axis)
        axis = self._bar.getAxis("right")
        axis.setTextPen(colours.axis)
        if self._maps is None:
            return
        shown = [np.log10(np.where(values > 0.0, values, np.nan)) for values in self._maps]
        finite = np.concatenate([values[np.isfinite(values)] for values in shown])
        if not finite.size:
            return
        low, high = float(finite.min()), float(finite.max())
        if high - low < 1.0:
            low, high = low - 0.5, high + 0.5
        rows, columns = self._maps[0].shape
        for image, values, plot, ground in zip(self._images, shown, self._plots, self._grounds, strict=True):
            image.setImage(values, autoLevels=False)
            ground.setRect(0.0, 0.0, columns, rows)
            plot.getViewBox().setRange(QRectF(0.0, 0.0, columns, rows), padding=_MARGIN)
        self._bar.setLevels(values=(low, high))
        decades = range(math.ceil(low), math.floor(high) + 1)
        axis.setTicks([[(decade, format_quantity(10.0**decade, "S")) for decade in decades]])


def deviation(true_s: FloatArray, measured_s: FloatArray) -> str:
    """Say how far measured values are from the true ones.

    Parameters
    ----------
    true_s, measured_s : ndarray, shape (rows, columns), unit S
        NaN where a cell was never measured.

    Returns
    -------
    str
        One sentence.
    """
    both = np.isfinite(measured_s) & (true_s > 0.0)
    if not both.any():
        return f"None of the {true_s.size} cells has been measured on this die; grey: not measured."
    ratio = measured_s[both] / true_s[both]
    low, middle, high = np.percentile(ratio, (5.0, 50.0, 95.0))
    return (
        f"{int(both.sum())} of {true_s.size} cells were measured. Last reading divided by the true value now: median "
        f"{middle:.3g}, 90 % of the cells between {low:.3g} and {high:.3g}. Grey: not measured."
    )
