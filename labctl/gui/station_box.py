"""The chooser of the station in the tool bar. Not here: facts of stations (:mod:`labctl.gui.desk`)."""

from pathlib import Path
from typing import Any

from qtpy.QtWidgets import QComboBox, QWidget

from labctl.gui.desk import Desk
from labctl.gui.slots import guarded_slot

__all__ = ["StationBox"]


class StationBox(QComboBox):
    """All stations whose files are right, and the one that the window was started with.

    Parameters
    ----------
    desk : Desk
        Is told what was chosen.
    parent : QWidget, optional
    """

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.desk = desk
        self.setAccessibleName("Station")
        self.setToolTip("The station that the panels work with")
        self.setPlaceholderText("choose a station")
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.activated.connect(self._choose)
        desk.station_changed.connect(self._show_chosen)
        desk.backstage.ask("start.stations", self._fill)

    @guarded_slot
    def _fill(self, stations: list[dict[str, Any]]) -> None:
        self.clear()
        for station in stations:
            if not station["error"]:
                kind = " (simulated)" if station["simulated"] else ""
                self.addItem(f"{station['name']}{kind}", station["name"])
        self._show_chosen(self.desk.station)

    @guarded_slot
    def _show_chosen(self, name: str) -> None:
        if name and self.findData(name) < 0:
            self.addItem(Path(name).stem, name)
        self.setCurrentIndex(self.findData(name) if name else -1)

    @guarded_slot
    def _choose(self) -> None:
        self.desk.choose_station(str(self.currentData()))
        self.desk.show("form")
