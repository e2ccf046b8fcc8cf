"""ALL OUTPUTS OFF: the one button that works while everything else is busy.

It first writes into the mailboxes of the live runs itself, so that they stop within hundredths of a second, then lets
``labctl off`` see to it that every output was read back as off, also when the window is closed meanwhile. Not here:
what that does (:mod:`labctl.run.switching_off`).
"""

import json
import time
from functools import partial

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QWidget

from labctl.gui.commands import Finished
from labctl.gui.desk import Desk
from labctl.gui.slots import guarded_slot
from labctl.run.stopping import stop_runs

__all__ = ["AllOff"]

_WHO = "the window"
_TIP = (
    "Ends every run of this data root at once, holds the queue, switches off every output of the chosen station and "
    "reads them back. Ended runs keep their points and can be resumed."
)


class AllOff(QWidget):
    """The button, and beside it what came of it.

    Parameters
    ----------
    desk : Desk
    parent : QWidget, optional

    Attributes
    ----------
    finished : Signal of bool, str
        Whether everything is off, and one sentence.
    button : QPushButton
    outcome : QLabel
    """

    finished = Signal(bool, str)

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.desk = desk
        self._waiting = 0
        self._told: list[tuple[bool, str]] = []
        self._is_read_back = False
        self._done_at = ""
        self.button = QPushButton("ALL OUTPUTS OFF", self)
        self.button.setObjectName("all_off")
        self.button.setProperty("weight", "danger")
        self.button.setToolTip(_TIP)
        self.button.setAccessibleDescription(_TIP)
        self.button.clicked.connect(self.press)
        self.outcome = QLabel(self)
        self.outcome.setObjectName("all_off_outcome")
        self.outcome.setTextFormat(Qt.TextFormat.PlainText)
        self.outcome.hide()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.button)
        layout.addWidget(self.outcome)
        desk.theme.changed.connect(self._draw)

    @guarded_slot
    def press(self) -> None:
        """Switch everything off; may be pressed again while that goes on."""
        stations: dict[str, str] = {}
        ended: list[str] = []
        try:
            for run in stop_runs(self.desk.root, by=_WHO):
                ended.append(run.run_id)
                stations[str(run.header["station"])] = str(run.header.get("station_file") or run.header["station"])
        finally:
            # whatever went wrong with the runs, the instruments are switched off
            if self.desk.station:
                name = self.desk.station if self.desk.facts is None else self.desk.facts.name
                stations[name] = self.desk.station
            if not self._waiting:
                self._told, self._is_read_back = [(True, f"{run_id} was ended") for run_id in ended], False
            for name, file in stations.items():
                self._waiting += 1
                command = ["off", "-s", file, "-o", str(self.desk.root), "--json"]
                self.desk.commands.start(command, partial(self._take, name), f"ALL OUTPUTS OFF of {name}")
            if not self._waiting:
                self._told.append((True, "No station is chosen and no run goes on: there is nothing to switch off"))
                self._tell()
            self._draw()

    @guarded_slot
    def _take(self, name: str, done: Finished) -> None:
        self._waiting -= 1
        if done.code == 0:
            answer = json.loads(done.out)
            told, self._is_read_back = answer["told"], self._is_read_back or answer["is_read_back"]
        else:
            # what the command did on the way, then why it failed
            last = (done.error.strip().splitlines() or ["the command ended without a word"])[-1]
            told = f"{name}: {last.removeprefix('labctl: ')}"
            if "NOT " not in told:
                told = f"NOT VERIFIED OFF: {told}; switch off by hand at the instruments"
        self._told.append((done.code == 0, told))
        if not self._waiting:
            self._tell()
        self._draw()

    def _tell(self) -> None:
        self._done_at = time.strftime("%H:%M:%S")
        is_off = all(good for good, _ in self._told)
        sentence = "; ".join(text for _, text in self._told)
        self.desk.tell("info" if is_off else "error", sentence)
        self.finished.emit(is_off, sentence)

    @guarded_slot
    def _draw(self) -> None:
        self.outcome.setVisible(bool(self._waiting or self._told))
        severity = self.desk.theme.colours.severity
        if self._waiting:
            text, colour = "Switching off …", severity["warning"]
        elif all(good for good, _ in self._told):
            what = "Verified off" if self._is_read_back else "Nothing is on"
            text, colour = f"{what}, {self._done_at}", self.desk.theme.colours.status["finished"]
        else:
            text, colour = "NOT VERIFIED OFF: see the log", severity["error"]
        self.outcome.setText(text)
        self.outcome.setToolTip("\n".join(told for _, told in self._told))
        self.outcome.setStyleSheet(f"color: {colour}; font-weight: 600;")
