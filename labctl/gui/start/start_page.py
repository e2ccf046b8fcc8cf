"""The first screen: a curve of a simulated device at one press, the stations, the recent runs.

Not here: reading station and run files (:mod:`labctl.gui.answers.start`).
"""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from labctl.gui.desk import Desk
from labctl.gui.slots import guarded_slot
from labctl.gui.start.titled_list import TitledList
from labctl.home import labctl_home

if TYPE_CHECKING:
    from labctl.gui.form.run_starter import RunStarter

__all__ = ["FIRST_CURVE", "StartPage"]

# procedure, station and values of the button: three loops of a bipolar sweep on one simulated device
FIRST_CURVE = ("sweep_iv", "single-device", {"cycles": "3"})
_MOST_RUNS = 12
_DATA = Qt.ItemDataRole.UserRole
_FILE_WRONG = "this station file cannot be used: "


class StartPage(QWidget):
    """What a newcomer sees first, and everybody who has chosen no station.

    Parameters
    ----------
    desk : Desk
        Is told what was chosen.
    parent : QWidget, optional
    """

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.desk = desk
        self._starter: RunStarter | None = None
        self.curve_button = QPushButton("Show me an &I-V curve", self)
        self.simulated_list = self._list("Simulated stations", self._choose_station)
        self.own_list = self._list("The lab's own stations", self._choose_station)
        self.runs_list = self._list("Recent runs", self._open_run)
        self._build()
        desk.runs_changed.connect(self._ask_runs)

    def showEvent(self, event: QShowEvent) -> None:
        """Look again for stations and runs; called by Qt."""
        super().showEvent(event)
        self._ask_stations()
        self._ask_runs()

    def _build(self) -> None:
        title = QLabel("labctl", self)
        font = title.font()
        font.setPointSizeF(font.pointSizeF() * 2.2)
        font.setBold(True)
        title.setFont(font)
        purpose = QLabel("Characterise and program resistive-memory devices and arrays.", self)

        font = self.curve_button.font()
        font.setPointSizeF(font.pointSizeF() * 1.35)
        self.curve_button.setFont(font)
        self.curve_button.setProperty("weight", "accent")
        self.curve_button.setDefault(True)
        self.curve_button.setToolTip("Runs sweep_iv on the station single-device, which is simulated")
        self.curve_button.clicked.connect(self._show_curve)
        caption = QLabel(
            "New here? This sweeps the voltage of one <b>simulated</b> device up and down and draws its current,"
            " live. No instrument is needed and none is touched; it takes about ten seconds.",
            self,
        )
        caption.setWordWrap(True)
        first = QFrame(self)
        first.setFrameShape(QFrame.Shape.StyledPanel)
        row = QHBoxLayout(first)
        row.addWidget(self.curve_button)
        row.addWidget(caption, 1)

        lists = QHBoxLayout()
        lists.addLayout(
            _column("&Simulated stations", "Physics instead of hardware: nothing can break.", self.simulated_list)
        )
        lists.addLayout(_column("The lab's &own stations", "Real instruments in a rack of yours.", self.own_list))
        lists.addLayout(_column("Recent r&uns", "Double click, or press Enter, to look at one.", self.runs_list))

        root = QLabel(f"Runs are kept in {self.desk.root}", self)
        root.setProperty("weight", "muted")
        root.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        layout = QVBoxLayout(self)
        margin = self.fontMetrics().height() * 2
        layout.setContentsMargins(margin, margin, margin, margin // 2)
        layout.setSpacing(self.fontMetrics().height() // 2)
        for widget in (title, purpose, first):
            layout.addWidget(widget)
        layout.addSpacing(self.fontMetrics().height())
        layout.addLayout(lists, 1)
        layout.addWidget(root)

    def _list(self, name: str, chosen: Callable[[QListWidgetItem], None]) -> TitledList:
        found = TitledList(name, self)
        found.itemActivated.connect(chosen)
        return found

    def _ask_stations(self) -> None:
        self.desk.backstage.ask("start.stations", self._take_stations, replaces="start.stations")

    @guarded_slot
    def _ask_runs(self) -> None:
        if self.isVisible():
            self.desk.backstage.ask(
                "start.recent_runs",
                self._take_runs,
                replaces="start.recent_runs",
                root=str(self.desk.root),
                most=_MOST_RUNS,
            )

    @guarded_slot
    def _take_stations(self, stations: list[dict[str, Any]]) -> None:
        wrong = [item for item in stations if item["error"]]
        simulated = [item for item in stations if not item["error"] and item["simulated"]]
        real = [item for item in stations if not item["error"] and not item["simulated"]]
        _fill(self.simulated_list, [(_station_text(item), item["name"], item["file"]) for item in simulated])
        _fill(
            self.own_list,
            [(_station_text(item), item["name"], item["file"]) for item in real]
            + [(f"{item['name']}\n{_FILE_WRONG}{item['error']}", "", item["error"]) for item in wrong],
            empty=(
                f"None yet.\nA station file says which instruments there are, how they are wired and what must never"
                f" be exceeded. Put yours into {labctl_home() / 'stations'}; the simulated ones are examples to copy."
            ),
        )

    @guarded_slot
    def _take_runs(self, runs: list[dict[str, Any]]) -> None:
        _fill(
            self.runs_list,
            [(_run_text(run), run["path"], run["path"]) for run in runs],
            empty="None yet.\nEvery run is kept as one file, whatever happens to the window.",
        )

    @guarded_slot
    def _choose_station(self, item: QListWidgetItem) -> None:
        name = str(item.data(_DATA) or "")
        if name:
            self.desk.choose_station(name)
            self.desk.show("form")

    @guarded_slot
    def _open_run(self, item: QListWidgetItem) -> None:
        path = str(item.data(_DATA) or "")
        if path:
            self.desk.watch(Path(path))
            self.desk.show("plots")

    @guarded_slot
    def _show_curve(self) -> None:
        # not at the start of the window: it is not needed before this
        from labctl.gui.form.run_starter import RunStarter

        procedure, station, values = FIRST_CURVE
        self.desk.choose_station(station)
        # nothing is watched: the window takes the next run that starts
        self.desk.watch(None)
        self.desk.show("plots")
        if self._starter is None:
            self._starter = RunStarter(self.desk, self)
        self._starter.start(first=True, procedure=procedure, station=station, parameters=values, simulated=True)


def _column(heading: str, says: str, content: QListWidget) -> QVBoxLayout:
    label = QLabel(f"{heading}")
    font = label.font()
    font.setBold(True)
    label.setFont(font)
    label.setBuddy(content)
    below = QLabel(says)
    below.setProperty("weight", "muted")
    below.setWordWrap(True)
    layout = QVBoxLayout()
    for widget in (label, below):
        layout.addWidget(widget)
    layout.addWidget(content, 1)
    return layout


def _fill(target: QListWidget, entries: list[tuple[str, str, str]], empty: str = "") -> None:
    """Show entries of text, what they mean and a tooltip; the chosen one stays chosen."""
    before = target.currentItem()
    chosen = before.data(_DATA) if before is not None else None
    target.clear()
    for text, meaning, tip in entries:
        item = QListWidgetItem(text)
        item.setData(_DATA, meaning)
        item.setToolTip(tip)
        target.addItem(item)
        if meaning and meaning == chosen:
            target.setCurrentItem(item)
    if not entries and empty:
        item = QListWidgetItem(empty)
        item.setFlags(Qt.ItemFlag.NoItemFlags)
        target.addItem(item)


def _station_text(station: dict[str, Any]) -> str:
    rows, columns = station["rows"], station["columns"]
    size = "" if rows == columns == 1 else f", {rows} × {columns} cells"
    return f"{station['name']}\n{station['sample']}{size}\n{', '.join(station['instruments'])}"


def _run_text(run: dict[str, Any]) -> str:
    when = datetime.fromisoformat(run["started_utc"]).astimezone().strftime("%Y-%m-%d %H:%M")
    kind = "simulated" if run["simulated"] else "real"
    return f"{run['procedure']}, {run['status']}\n{run['station']} ({kind}), {run['points']} points\n{when}"
