"""Plots of counts: the histogram of levels, and how many cells needed how many pulses.

Not here: counting (:mod:`labctl.gui.plots.tally`), curves (:mod:`labctl.gui.plots.curve_frame`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyqtgraph
from numpy.typing import NDArray
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QCheckBox, QComboBox, QWidget

from labctl.gui.desk import Desk
from labctl.gui.feed import RunFeed, numbers
from labctl.gui.plots.choice import CELL, Choice, Kind
from labctl.gui.plots.grid_lines import GridLines
from labctl.gui.plots.plot_frame import PlotFrame
from labctl.gui.plots.quantity_axis import QuantityAxis, name_and_unit
from labctl.gui.plots.tally import CellTally, Histogram
from labctl.gui.slots import guarded_slot

__all__ = ["CountFrame"]

_MOST_BARS = 64
_EACH, _ALL = "last reading of each cell", "all readings"


class CountFrame(PlotFrame):
    """A plot of counts.

    Parameters
    ----------
    desk : Desk
    feed : RunFeed
    choice : Choice
        Of levels: ``x`` is the column, ``group`` "Cell" counts the last reading of each cell only, ``log_x`` counts in
        bins of equal ratio. Of pulses per cell: only its kind.
    parent : QWidget, optional
    """

    def __init__(self, desk: Desk, feed: RunFeed, choice: Choice, parent: QWidget | None = None) -> None:
        super().__init__(desk, feed, choice, parent)
        self._is_levels = choice.kind is Kind.LEVELS
        self.cells = CellTally()
        self.histogram = Histogram(is_log=choice.log_x)
        self._edges: NDArray[np.float64] = np.zeros(1)
        self._counts: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self.item = pyqtgraph.PlotItem(
            axisItems={side: QuantityAxis(side) for side in ("left", "bottom")}, enableMenu=False
        )
        self._grid = GridLines(self.item)
        self.item.addItem(self._grid, ignoreBounds=True)
        self.item.hideButtons()
        self.view.addItem(self.item)
        self._bars = pyqtgraph.PlotCurveItem([0.0, 1.0], [0.0], stepMode="center", fillLevel=0.0)
        self.item.addItem(self._bars)
        self._make_controls()
        self.begin()

    @property
    def count(self) -> int:
        """Readings or cells that were counted."""
        return self.histogram.count if self._is_levels and not self._is_by_cell else len(self.cells.values)

    def begin(self) -> None:
        """Start afresh with what is chosen."""
        self.cells = CellTally()
        self.histogram = Histogram(is_log=self.choice.log_x)
        bottom = self.item.getAxis("bottom")
        if self._is_levels:
            bottom.show_quantity(self.choice.x, is_log=self.choice.log_x)
            counted = "Cells" if self._is_by_cell else "Readings"
        else:
            bottom.show_quantity("Pulses that a cell got", is_log=False)
            counted = "Cells"
        self.item.getAxis("left").show_quantity(counted, is_log=False)
        self.colour()

    def add(self, seqs: NDArray[Any], columns: Mapping[str, NDArray[Any]]) -> None:
        """Take rows that are new."""
        name = self.choice.x if self._is_levels else "Width (s)"
        values = numbers(columns[name])
        if self._is_by_cell or not self._is_levels:
            self.cells.add(numbers(columns["Row"]), numbers(columns["Column"]), values)
        else:
            self.histogram.add(values)

    def draw(self) -> None:
        """Draw what there is."""
        if not self._is_levels:
            self._count_pulses()
        else:
            histogram = self.histogram
            if self._is_by_cell:
                histogram = Histogram(is_log=self.choice.log_x)
                histogram.add(np.array(list(self.cells.values.values())))
            self._edges, self._counts = histogram.bars(_MOST_BARS)
        if len(self._counts):
            self._bars.setData(self._edges, self._counts)
            self._readout.setText(self._sentence())

    def colour(self) -> None:
        """Put the desk's colours on."""
        colours = self.desk.theme.colours
        self.view.setBackground(colours.plot)
        for side in ("left", "bottom"):
            axis = self.item.getAxis(side)
            axis.setPen(colours.axis)
            axis.setTextPen(colours.axis)
        self._grid.set_colour(colours.grid)
        fill = QColor(colours.curves[0])
        self._bars.setPen(pyqtgraph.mkPen(fill, width=1))
        fill.setAlpha(120)
        self._bars.setBrush(fill)
        self.put_title(self.item)
        self._is_stale = True

    def table(self) -> tuple[list[str], list[str], Sequence[Sequence[object]]]:
        """Return notes, header and rows of what is shown."""
        if not self._is_levels:
            rows = [(row, column, count) for (row, column), count in sorted(self.cells.counts.items())]
            return ["pulses that each cell got"], ["Row", "Column", "Pulses"], rows
        edges = 10.0**self._edges if self.choice.log_x else self._edges
        unit = name_and_unit(self.choice.x)[1]
        notes = [_EACH if self._is_by_cell else _ALL]
        bars = zip(edges[:-1].tolist(), edges[1:].tolist(), self._counts.tolist(), strict=True)
        return notes, [f"From ({unit})", f"Below ({unit})", "Count"], list(bars)

    @property
    def _is_by_cell(self) -> bool:
        return self.choice.group == CELL

    def _count_pulses(self) -> None:
        counts = np.array(list(self.cells.counts.values()), dtype=np.int64)
        if not len(counts):
            return
        # whole numbers stand in the middle of their bins
        low, high = int(counts.min()), int(counts.max())
        step = max(1, -(-(high - low + 1) // _MOST_BARS))
        self._edges = np.arange(low, high + step + 1, step, dtype=np.float64) - 0.5
        self._counts = np.histogram(counts, self._edges)[0]

    def _sentence(self) -> str:
        if self._is_levels:
            return f"{self.count} cells" if self._is_by_cell else f"{self.count} readings"
        counts = list(self.cells.counts.values())
        return f"{len(counts)} cells, {sum(counts)} pulses; most for one cell: {max(counts)}"

    def _make_controls(self) -> None:
        if self._is_levels:
            self._what = QComboBox()
            self._what.setAccessibleName("what is counted")
            self._what.setToolTip("Which readings are counted")
            has_cells = {"Row", "Column"} <= set(self._names)
            self._what.addItems([_EACH, _ALL] if has_cells else [_ALL])
            self._what.setCurrentText(_EACH if self._is_by_cell else _ALL)
            self._what.textActivated.connect(self._what_chosen)
            self._column = QComboBox()
            self._column.setAccessibleName("column that is counted")
            self._column.setToolTip("The column whose values are counted")
            self._column.addItems([column.name for column in self.feed.columns if column.unit])
            self._column.setCurrentText(self.choice.x)
            self._column.textActivated.connect(self._column_chosen)
            self._log = QCheckBox("&log x")
            self._log.setToolTip("Bins of equal ratio; values that are not positive are left out")
            self._log.setChecked(self.choice.log_x)
            self._log.clicked.connect(self._log_changed)
            for widget in (self._column, self._what, self._log):
                self._controls.addWidget(widget)
        self._end_controls()

    @guarded_slot
    def _what_chosen(self, words: str) -> None:
        self.choose(replace(self.choice, group=CELL if words == _EACH else ""))

    @guarded_slot
    def _column_chosen(self, name: str) -> None:
        self.choose(replace(self.choice, x=name))

    @guarded_slot
    def _log_changed(self) -> None:
        self.choose(replace(self.choice, log_x=self._log.isChecked()))
