"""What a run would apply, before anything fires: levels over time, extremes beside the station's limits, time it takes.

Not here: the dry run behind it (:mod:`labctl.run.dry_run`), the line that is drawn (:mod:`labctl.gui.form.waveform`).
"""

from collections.abc import Mapping
from html import escape
from typing import Any

import pyqtgraph
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from labctl.gui.form.extremes import ExtremesTable
from labctl.gui.form.waveform import stepped_line, unpacked
from labctl.gui.theme import Theme
from labctl.units import format_quantity

__all__ = ["PreviewView"]

_CASES = {
    "between": "conducting cells",
    "open": "open cells",
    "short": "shorted cells",
}
_EXPLAINED = {
    "between": "every cell conducts {conductance}, as a formed cell does, and never responds to a pulse",
    "open": "every cell conducts {conductance}, as a virgin or broken cell does, and never responds to a pulse",
    "short": "every cell conducts {conductance}, as a shorted cell does, and never responds to a pulse",
}
# letters of it that are seen where there is little room
_LEAST_LENGTH = 12
_CAVEAT = (
    "Nothing is applied yet. Where a run decides by its readings, real cells may get other pulses than these; the "
    "station's limits always hold."
)


class PreviewView(QWidget):
    """The preview of one run.

    Parameters
    ----------
    theme : Theme
    parent : QWidget, optional
    """

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._cases: dict[str, Mapping[str, Any]] = {}
        self._envelope: Mapping[str, float | None] = {}
        self._estimate: Mapping[str, float | None] = {}
        self._title = QLabel("What would be applied", self)
        font = self._title.font()
        font.setBold(True)
        self._title.setFont(font)
        self._state = QLabel(self)
        self._state.setWordWrap(True)
        self._chooser = QComboBox(self)
        self._chooser.setAccessibleName("cells that the preview assumes")
        self._chooser.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._chooser.setMinimumContentsLength(_LEAST_LENGTH)
        for name, text in _CASES.items():
            self._chooser.addItem(text, name)
        self._chooser.currentIndexChanged.connect(self._draw)
        self._chooser.activated.connect(self._was_chosen)
        self._is_chosen = False
        assumed = QLabel("&Assumed:", self)
        assumed.setBuddy(self._chooser)
        whole = QPushButton("&Whole run", self)
        whole.setToolTip("Show the whole time again. The wheel zooms in time, dragging moves along it")
        whole.clicked.connect(self._show_all)
        self._explained = QLabel(self)
        self._explained.setWordWrap(True)
        self._explained.setProperty("weight", "muted")
        self._plot = pyqtgraph.PlotWidget(self)
        self._plot.setAccessibleName("levels at the terminals over time")
        self._plot.setLabel("bottom", "Time of the rack", units="s")
        self._plot.setLabel("left", "Level", units="V")
        self._plot.setMouseEnabled(x=True, y=False)
        self._names = QLabel(self)
        self._names.setTextFormat(Qt.TextFormat.RichText)
        self._table = ExtremesTable(self)
        top = QHBoxLayout()
        top.addWidget(assumed)
        top.addWidget(self._chooser, 1)
        top.addWidget(whole)
        upper = QWidget(self)
        layout = QVBoxLayout(upper)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(top)
        layout.addWidget(self._explained)
        layout.addWidget(self._names)
        layout.addWidget(self._plot, 1)
        splitter = QSplitter(Qt.Orientation.Vertical, self)
        splitter.addWidget(upper)
        splitter.addWidget(self._table)
        splitter.setStretchFactor(0, 3)
        splitter.setStretchFactor(1, 2)
        whole_layout = QVBoxLayout(self)
        whole_layout.setContentsMargins(0, 0, 0, 0)
        whole_layout.addWidget(self._title)
        whole_layout.addWidget(self._state)
        whole_layout.addWidget(splitter, 1)
        theme.changed.connect(self._recolour)
        self._recolour()
        self.clear("The procedures are being read …")

    @property
    def warning(self) -> str:
        """Which assumed cells lead a run to a refusal, as a sentence; empty: none so far."""
        refused = [case for case in self._cases.values() if case["is_refused"]]
        if not refused:
            return ""
        outcome = str(refused[0]["outcome"]).removeprefix("refused: ")
        return f"with {_CASES[refused[0]['name']]} the run would be stopped: {outcome}"

    def clear(self, why: str) -> None:
        """Show nothing.

        Parameters
        ----------
        why : str
            Sentence.
        """
        self._cases, self._estimate = {}, {}
        self._state.setText(why)
        self._draw()

    def wait(self) -> None:
        """Say that a new preview is being made; the old one stays until it comes, greyed."""
        self._state.setText("Working out what would be applied …")
        self._plot.setEnabled(False)

    def take(self, part: Mapping[str, Any], *, is_first: bool, is_last: bool) -> None:
        """Show a part of a preview.

        Parameters
        ----------
        part : Mapping
            As ``form.preview`` answers.
        is_first, is_last : bool
            Whether the parts of an older preview are dropped, and whether more follow.
        """
        if is_first:
            self._cases = {}
            self._plot.setEnabled(True)
        case = part["case"]
        self._cases[case["name"]] = case
        self._envelope, self._estimate = part["envelope"], part["estimate"] or {}
        self._state.setText(_CAVEAT if is_last else f"{_CAVEAT} Other assumed cells are being worked out …")
        # those that get the most stimuli show the most of the procedure
        most = max(self._cases.values(), key=lambda one: one["stimuli_count"])["name"]
        if not self._is_chosen and most != self._chooser.currentData():
            self._chooser.setCurrentIndex(self._chooser.findData(most))
        elif is_first or case["name"] == self._chooser.currentData():
            self._draw()
        else:
            self._fill_table()

    def _was_chosen(self) -> None:
        self._is_chosen = True

    def _draw(self) -> None:
        self._plot.clear()
        case = self._cases.get(self._chooser.currentData())
        self._fill_table()
        self._names.clear()
        if case is None:
            self._explained.setText("" if not self._cases else "Not worked out yet")
            return
        conductance = format_quantity(case["conductance_s"], "S", digits=3)
        self._explained.setText(f"Assumed: {_EXPLAINED[case['name']].format(conductance=conductance)}. {_shown(case)}")
        until_s = _drawn_until_s(case)
        names = []
        for index, (terminal, trace) in enumerate(case["traces"].items()):
            time_s, level_v = stepped_line(*unpacked(trace), until_s=until_s)
            colour = self._theme.colours.curves[index % len(self._theme.colours.curves)]
            curve = self._plot.plot(time_s, level_v, pen=pyqtgraph.mkPen(colour, width=1), name=terminal)
            curve.setClipToView(True)
            names.append(f'<span style="color: {colour}">\u2501</span> {escape(terminal)}')
        self._names.setText("&nbsp;&nbsp;&nbsp; ".join(names))
        self._show_all()

    def _fill_table(self) -> None:
        shown = self._cases.get(self._chooser.currentData())
        self._table.fill(shown, list(self._cases.values()), self._estimate, self._envelope)

    def _show_all(self) -> None:
        self._plot.enableAutoRange()

    def _recolour(self) -> None:
        colours = self._theme.colours
        self._plot.setBackground(colours.plot)
        for side in ("bottom", "left"):
            axis = self._plot.getAxis(side)
            axis.setPen(colours.axis)
            axis.setTextPen(colours.axis)
        self._draw()


def _shown(case: Mapping[str, Any]) -> str:
    """Return how much of the case is drawn."""
    count, traced = case["stimuli_count"], case["traced"]
    end = "" if case["outcome"] == "finished" else f" It was {case['outcome']}."
    if case["outcome"].startswith("stopped counting"):
        return (
            f"Drawn: the first {traced:,} of more than {count:,} stimuli. Counting ended there, so larger values may "
            'follow; "stated" is what the procedure itself says.'
        )
    if traced < count:
        return f"Drawn: the first {traced:,} of {count:,} stimuli.{end}"
    return f"Drawn: all {count:,} stimuli.{end}"


def _drawn_until_s(case: Mapping[str, Any]) -> float:
    """Return where the lines end: with the run, or with what is drawn of it."""
    return float(case["duration_s"]) if case["traced"] >= case["stimuli_count"] else 0.0
