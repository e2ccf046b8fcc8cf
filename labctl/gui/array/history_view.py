"""The history of one cell: its conductance, its pulses below, and a table of every row; a double click opens the run.

Not here: its rows (:mod:`labctl.gui.array.history_rows`).
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyqtgraph as pg
from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QSplitter,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from labctl.gui.array.cell_watch import CellRun
from labctl.gui.array.history_rows import COLUMNS, EVENT, FLAGS, RUN, HistoryRows
from labctl.gui.array.thinning import seen_places
from labctl.gui.theme import LIGHT, Colours

__all__ = ["HistoryView"]

FloatArray = npt.NDArray[np.float64]
# what a column holds at most
_WIDEST = ("00-00 00:00:00", "", "", "-000.0 mV", "000.0 ms", "-000.0 mA", "-000.0 mS", "")
# labels of runs that begin closer than this part of the plot would lie on each other
_LABEL_ROOM = 0.03
# from here on points are thinned to the screen, anew when what is seen changes
_MOST_DRAWN = 1600
_REDRAW_MS = 60


class HistoryView(QWidget):
    """The history of the current cell.

    Parameters
    ----------
    parent : QWidget, optional

    Attributes
    ----------
    run_wanted : Signal of str
        The file of a run that was double clicked.
    """

    run_wanted = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title = QLabel("Click a cell to see its history")
        self.title.setWordWrap(True)
        self.along = QComboBox()
        self.along.addItems(["Point number", "Time"])
        self.along.setAccessibleName("What the plot is drawn over")
        self.along.setToolTip("Draw over the number of the point, or over the time of the day")
        self.is_log = QCheckBox("&Logarithmic")
        self.is_log.setToolTip("Logarithmic axis of the conductance")
        self.rows = HistoryRows(self)
        self.table = QTableView()
        self.table.setModel(self.rows)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setAccessibleName("Every pulse and reading of the cell")
        self.table.setToolTip("A double click opens the run")
        self.table.setWordWrap(False)
        self.table.verticalHeader().hide()
        self.table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        self.table.horizontalHeader().setStretchLastSection(True)
        for column, text in enumerate(_WIDEST):
            self.table.setColumnWidth(column, 0)
            self._widen(column, {text, COLUMNS[column][0]})
        self.plots = pg.GraphicsLayoutWidget()
        self.plots.setAccessibleName("Conductance and pulses of the cell")
        self._readings: Any = self.plots.addPlot(0, 0, enableMenu=False)
        self._pulses: Any = self.plots.addPlot(1, 0, enableMenu=False)
        self._borders: list[Any] = []
        nothing = np.empty(0), np.empty(0)
        # places and values of readings and of pulses
        self._points = nothing, nothing
        self._redraw = QTimer(self, singleShot=True, interval=_REDRAW_MS)
        self._redraw.timeout.connect(self._draw_seen)
        self._colours: Colours = LIGHT
        self._build_plots()
        self._lay_out()
        self._change_axis()
        self.along.currentIndexChanged.connect(self._change_axis)
        self.is_log.toggled.connect(self._draw)
        self.table.doubleClicked.connect(lambda index: self._want(index.row()))
        self.plots.scene().sigMouseClicked.connect(self._clicked)

    def show_history(
        self,
        cell: tuple[int, int] | None,
        runs: list[CellRun],
        left_out: int,
        *,
        is_read: bool,
        is_played: bool = False,
    ) -> None:
        """Show a history.

        Parameters
        ----------
        cell : (int, int) or None
            None: no cell.
        runs : list of CellRun
            Oldest first.
        left_out : int, unit 1
            Runs that are not shown from their beginning.
        is_read : bool
            Whether all older runs have been read.
        is_played : bool
            Whether a run is played, and what came later is left out.
        """
        was_empty = not self.rows.rowCount()
        at_end = self._is_at_end()
        if self.rows.show_runs(runs):
            self._fit_columns()
            if was_empty or at_end:
                self.table.scrollToBottom()
            self._draw()
        if cell is None:
            self.title.setText("Click a cell to see its history")
            return
        name = f"<b>Row {cell[0]}, column {cell[1]}</b>" + (", <b>played</b>" if is_played else "")
        if not runs:
            self.title.setText(
                f"{name}: no run has touched this cell yet" if is_read else f"{name}: reading its runs …"
            )
            return
        pulses = int(self._is_pulse().sum())
        count = f"{len(runs)} runs" if len(runs) > 1 else "1 run"
        text = f"{name}: {pulses} pulses and {self.rows.rowCount() - pulses} readings in {count}"
        if any(run.simulated for run in runs):
            text += ", simulated"
        if not is_read:
            text += "; reading its older runs …"
        if left_out:
            text += f"; older rows of {left_out} runs are not shown"
        self.title.setText(text)

    def set_colours(self, colours: Colours) -> None:
        """Take the colours of a theme.

        Parameters
        ----------
        colours : Colours
        """
        self._colours = colours
        self.plots.setBackground(colours.plot)
        self._curve.setPen(colours.curves[0])
        self._curve.setSymbolBrush(colours.curves[0])
        for stick, colour in zip(self._sticks, colours.curves[1:], strict=False):
            stick.setPen(pg.mkPen(colour, width=1.5))
        self._colour_axes()
        self._draw_borders(self._x())

    def _colour_axes(self) -> None:
        for plot in (self._readings, self._pulses):
            for side in ("left", "bottom"):
                plot.getAxis(side).setPen(self._colours.axis)
                plot.getAxis(side).setTextPen(self._colours.axis)

    def _lay_out(self) -> None:
        over = QHBoxLayout()
        over.addWidget(self.title, 1)
        over.addWidget(self.along)
        over.addWidget(self.is_log)
        split = QSplitter(Qt.Orientation.Vertical)
        split.addWidget(self.plots)
        split.addWidget(self.table)
        split.setStretchFactor(0, 3)
        split.setStretchFactor(1, 2)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(over)
        layout.addWidget(split, 1)

    def _is_at_end(self) -> bool:
        bar = self.table.verticalScrollBar()
        return bool(bar.value() >= bar.maximum())

    def _fit_columns(self) -> None:
        """Make columns as wide as their words."""
        words = {
            RUN: {run.procedure for run in self.rows.runs},
            EVENT: set(self.rows.columns["Event"].tolist()),
            FLAGS: set(self.rows.columns["Flags"].tolist()),
        }
        for column, texts in words.items():
            self._widen(column, texts)
        # room for the others where there is nothing to tell
        self.table.setColumnHidden(FLAGS, not any(words[FLAGS]))

    def _widen(self, column: int, texts: set[str]) -> None:
        widest = max((self.fontMetrics().horizontalAdvance(f"{text}   ") for text in texts), default=0)
        if widest > self.table.columnWidth(column):
            self.table.setColumnWidth(column, widest)

    def _is_pulse(self) -> npt.NDArray[np.bool_]:
        return np.asarray(np.isfinite(self.rows.columns["Width (s)"]))

    def _build_plots(self) -> None:
        """Make the plots and their curves, once: a plot takes tens of milliseconds to make."""
        for plot, label, unit in ((self._readings, "Conductance", "S"), (self._pulses, "Pulse", "V")):
            plot.setLabel("left", label, units=unit)
            plot.getAxis("left").setWidth(5.0 * self.fontMetrics().horizontalAdvance("0") + 40.0)
            plot.showGrid(x=True, y=True, alpha=0.15)
        self._pulses.setXLink(self._readings)
        self._readings.hideAxis("bottom")
        self._readings.getViewBox().sigXRangeChanged.connect(self._range_changed)
        self._curve = self._readings.plot(symbol="o", symbolSize=4, symbolPen=None)
        self._sticks = [self._pulses.plot(connect="pairs") for _ in range(2)]
        self.plots.ci.layout.setRowStretchFactor(0, 2)
        self.plots.ci.layout.setRowStretchFactor(1, 1)

    def _change_axis(self) -> None:
        axis = pg.DateAxisItem() if self._is_over_time else pg.AxisItem("bottom")
        self._pulses.setAxisItems({"bottom": axis})
        self._pulses.setLabel("bottom", "Time" if self._is_over_time else "Point number")
        self._colour_axes()
        self._draw()

    @property
    def _is_over_time(self) -> bool:
        return self.along.currentIndex() == 1

    def _x(self) -> FloatArray:
        """Return where the rows are drawn."""
        if self._is_over_time:
            return np.asarray(self.rows.columns["utc_s"], dtype=float)
        return np.arange(1.0, self.rows.rowCount() + 1.0)

    def _draw(self) -> None:
        x, columns = self._x(), self.rows.columns
        is_pulse, conductance_s, voltage_v = self._is_pulse(), columns["Conductance (S)"], columns["Voltage (V)"]
        shown = ~is_pulse & np.isfinite(conductance_s)
        is_log = self.is_log.isChecked()
        if is_log:
            shown &= conductance_s > 0.0
        self._readings.setLogMode(y=is_log)
        pulsed = is_pulse & np.isfinite(voltage_v)
        self._points = (x[shown], conductance_s[shown]), (x[pulsed], voltage_v[pulsed])
        self._draw_seen()
        self._draw_borders(x)

    def _draw_seen(self) -> None:
        """Draw so many points as can be told from each other; a pulse is a line from zero."""
        seen = tuple(self._readings.getViewBox().viewRange()[0])
        (x, conductance_s), (pulse_x, voltage_v) = self._points
        places = seen_places(x, conductance_s, seen)
        self._curve.setData(x[places], conductance_s[places])
        places = seen_places(pulse_x, voltage_v, seen)
        pulse_x, voltage_v = pulse_x[places], voltage_v[places]
        # each polarity is a curve of its own colour
        for stick, is_sign in zip(self._sticks, (voltage_v > 0.0, voltage_v < 0.0), strict=True):
            heights = np.column_stack([np.zeros(int(is_sign.sum())), voltage_v[is_sign]]).ravel()
            stick.setData(np.repeat(pulse_x[is_sign], 2), heights)

    def _range_changed(self) -> None:
        # where all points are drawn, they stay
        if max(len(x) for x, _ in self._points) > _MOST_DRAWN and not self._redraw.isActive():
            self._redraw.start()

    def _draw_borders(self, x: FloatArray) -> None:
        """Draw a thin line where a run begins, with the name of its procedure."""
        for line in self._borders:
            self._readings.removeItem(line)
        self._borders.clear()
        muted = self._colours.muted
        first = np.flatnonzero(np.diff(self.rows.run_of_row, prepend=-1))
        labelled = -np.inf
        for row in first:
            run = self.rows.runs[self.rows.run_of_row[row]]
            has_room = x[row] - labelled >= _LABEL_ROOM * (x[-1] - x[0])
            labelled = x[row] if has_room else labelled
            line = pg.InfiniteLine(
                x[row] - (0.0 if self._is_over_time else 0.5),
                pen=pg.mkPen(muted, style=Qt.PenStyle.DashLine),
                label=run.procedure if has_room else None,
                labelOpts={"position": 0.97, "color": muted, "rotateAxis": (1, 0), "anchors": [(1, 0), (1, 0)]},
            )
            self._borders.append(line)
            self._readings.addItem(line, ignoreBounds=True)

    def _want(self, row: int) -> None:
        self.run_wanted.emit(self.rows.runs[self.rows.run_of_row[row]].path)

    def _clicked(self, event: Any) -> None:
        """Open the run of the point that is nearest to a double click; a single click shows the point in the table."""
        if not self.rows.rowCount():
            return
        x = float(self._readings.getViewBox().mapSceneToView(event.scenePos()).x())
        row = int(np.argmin(np.abs(self._x() - x)))
        self.table.selectRow(row)
        if event.double():
            self._want(row)
