"""The right end of the status bar: which station and whether it is simulated, the clock of the rack, the data root.

Not here: sentences (:mod:`labctl.gui.log_panel`).
"""

from pathlib import Path

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QHBoxLayout, QLabel, QWidget

from labctl.gui.desk import Desk
from labctl.gui.run_bar import in_words
from labctl.gui.slots import guarded_slot

__all__ = ["PlaceLabels", "station_in_words"]

_TICK_MS = 500


class PlaceLabels(QWidget):
    """Station, clock of the rack and data root.

    Parameters
    ----------
    desk : Desk
    parent : QWidget, optional
    """

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.desk = desk
        self.station_label, self.clock_label, self.root_label = QLabel(self), QLabel(self), QLabel(self)
        self.station_label.setToolTip("The station that was chosen, and whether it is simulated")
        self.clock_label.setToolTip("Since the run began, by the clock of the rack; a simulated rack has its own")
        self.root_label.setToolTip(f"The data root, in which runs are kept: {desk.root}")
        width = self.fontMetrics().horizontalAdvance("0" * 34)
        root = self.fontMetrics().elidedText(str(desk.root), Qt.TextElideMode.ElideMiddle, width)
        self.root_label.setText(f"runs in {root}")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(self.fontMetrics().height())
        for label in (self.station_label, self.clock_label, self.root_label):
            layout.addWidget(label)
        desk.station_changed.connect(self._draw_station)
        desk.facts_changed.connect(self._draw_station)
        desk.feed_changed.connect(self._draw_clock)
        ticking = QTimer(self)
        ticking.timeout.connect(self._draw_clock)
        ticking.start(_TICK_MS)
        self._draw_station()
        self._draw_clock()

    @guarded_slot
    def _draw_station(self) -> None:
        facts = self.desk.facts
        self.station_label.setText(station_in_words(self.desk) or "no station chosen")
        self.station_label.setProperty("badge", "simulated" if facts is not None and facts.simulated else "")
        style = self.station_label.style()
        if style is not None:
            # a property that a style sheet looks at is looked at again only so
            style.unpolish(self.station_label)
            style.polish(self.station_label)

    @guarded_slot
    def _draw_clock(self) -> None:
        feed = self.desk.feed
        mark = feed.last_progress if feed is not None else None
        time_s = mark.instrument_s if mark is not None else None
        self.clock_label.setVisible(time_s is not None)
        if time_s is not None:
            self.clock_label.setText(f"rack clock {in_words(time_s)}")


def station_in_words(desk: Desk) -> str:
    """Name the chosen station, and say whether it is simulated.

    Parameters
    ----------
    desk : Desk

    Returns
    -------
    str
        Empty without a station.
    """
    if desk.facts is None:
        return Path(desk.station).stem if desk.station else ""
    return f"{desk.facts.name} ({'simulated' if desk.facts.simulated else 'real instruments'})"
