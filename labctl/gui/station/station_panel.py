"""The station panel: who the instruments are, what every output does, where the lines hang, what must never happen.

A live run tells it by its state board; without one the instruments are asked only when the user says so. Not here:
opening instruments (``labctl state``, ``labctl off``).
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qtpy.QtCore import Qt, QTimer
from qtpy.QtGui import QHideEvent, QShowEvent
from qtpy.QtWidgets import (
    QFormLayout,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from labctl.gui.commands import Finished
from labctl.gui.desk import Desk, StationFacts
from labctl.gui.slots import guarded_slot
from labctl.gui.station.bench_view import BenchView
from labctl.gui.station.outputs_view import FactTable, instrument_rows, line_rows, output_rows
from labctl.run.state_board import read_state
from labctl.units import format_quantity

__all__ = ["StationPanel"]

_LOOK_MS = 300
_ENVELOPE = {
    "voltage_v": ("Voltage between two outputs or to ground", "V"),
    "current_a": ("Current of a source", "A"),
    "pulse_width_s": ("Width of a pulse or step", "s"),
    "energy_j": ("Energy of a pulse or step", "J"),
    "temperature_k": ("Temperature of the sample", "K"),
}
_IDLE = "No run goes on with this station. Its instruments are asked only when you say so."


class StationPanel(QWidget):
    """The chosen station.

    Parameters
    ----------
    desk : Desk
    parent : QWidget, optional
    """

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.desk = desk
        self._run: Mapping[str, Any] | None = None
        self._identities: Mapping[str, Any] = {}
        self.title = QLabel(self)
        self.title.setWordWrap(True)
        self.badge = QLabel("simulated", self)
        self.badge.setProperty("badge", "simulated")
        self.state = QLabel(self)
        self.state.setWordWrap(True)
        self.ask = QPushButton("As&k the instruments", self)
        self.ask.setToolTip(
            "Opens every instrument and reads identity, outputs, relays and error queue. What was left on is switched "
            "off afterwards."
        )
        self.ask.clicked.connect(self._ask)
        self.outputs = FactTable(("Output", "State", "Level", "Compliance"), "state of every output", (2, 3), self)
        self.lines = FactTable(("Hangs on", "Lines of the array"), "what the lines are connected to", (1,), self)
        self.instruments = FactTable(("Name", "Instrument", "Serial number", "Address"), "instruments", (1, 3), self)
        self.envelope = QFormLayout()
        self.bench = BenchView(desk, self)
        self.boxes: dict[str, QGroupBox] = {}
        self._build()
        self._looking = QTimer(self)
        self._looking.setInterval(_LOOK_MS)
        self._looking.timeout.connect(self.look)
        desk.facts_changed.connect(self._take_facts)
        desk.runs_changed.connect(self._find_run)
        desk.theme.changed.connect(self._draw_marks)
        self._take_facts(desk.facts)

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802, RUF100
        """Look at the live run while the panel is seen; called by Qt."""
        super().showEvent(event)
        self._find_run()
        self._looking.start()
        if self.desk.facts is not None and self.desk.facts.simulated:
            self.bench.load_kinds()

    def hideEvent(self, event: QHideEvent) -> None:  # noqa: N802, RUF100
        """Look no more; called by Qt."""
        super().hideEvent(event)
        self._looking.stop()

    @guarded_slot
    def look(self) -> None:
        """Show what the live run has on its state board."""
        board = None if self._run is None else read_state(Path(self._run["path"]))
        if self._run is None or board is None:
            return
        self._show_board(board)
        held = "paused" if board.get("state") == "paused" else "running"
        self.state.setText(f"As run {self._run['run_id']} has told the instruments; it is {held}.")
        if self._is_simulated():
            self.bench.show_bench(self._run["bench"], board["clock_s"])

    def _build(self) -> None:
        head = QHBoxLayout()
        head.addWidget(self.title, 1)
        head.addWidget(self.badge, 0, Qt.AlignmentFlag.AlignTop)
        told = QHBoxLayout()
        told.addWidget(self.state, 1)
        told.addWidget(self.ask)
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(0, 0, 0, 0)
        self.boxes = {
            "Outputs": _box("Outputs", self.outputs),
            "Lines": _box("Lines of the array", self.lines),
            "Bench": _box("Simulated bench", self.bench),
            "Instruments": _box("Instruments", self.instruments),
            "Envelope": _box("Envelope: limits of every stimulus", self.envelope),
        }
        for box in self.boxes.values():
            column.addWidget(box)
        column.addStretch(1)
        area = QScrollArea(self)
        area.setWidgetResizable(True)
        area.setFrameShape(QScrollArea.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(inside)
        # what does not fit is scrolled in here, not the whole panel as well
        area.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Ignored)
        area.setMinimumHeight(8 * self.fontMetrics().lineSpacing())
        layout = QVBoxLayout(self)
        layout.addLayout(head)
        layout.addLayout(told)
        layout.addWidget(area, 1)

    def _is_simulated(self) -> bool:
        return self.desk.facts is not None and self.desk.facts.simulated

    @guarded_slot
    def _take_facts(self, facts: StationFacts | None) -> None:
        self._run, self._identities = None, {}
        self.badge.setVisible(self._is_simulated())
        for box in self.boxes.values():
            box.setVisible(facts is not None)
        self.boxes["Bench"].setVisible(self._is_simulated())
        self.ask.setEnabled(facts is not None)
        self.bench.show_station(facts if self._is_simulated() else None)
        while self.envelope.rowCount():
            self.envelope.removeRow(0)
        self._forget()
        if facts is None:
            self.title.setText("<b>No station chosen</b>")
            self.state.setText("Choose a station above, or on the start page.")
            return
        cells = "" if facts.rows == facts.columns == 1 else f", {facts.rows} × {facts.columns} cells"
        self.title.setText(f"<b>{facts.name}</b>: {facts.sample}{cells}")
        self.title.setToolTip(facts.file)
        self._show_instruments()
        for key, (what, unit) in _ENVELOPE.items():
            limit = facts.envelope.get(key)
            if limit is not None:
                said = QLabel(f"{what}: at most {format_quantity(limit, unit)}")
                said.setWordWrap(True)
                self.envelope.addRow(said)
        if self.isVisible() and facts.simulated:
            self.bench.load_kinds()
        self._find_run()

    @guarded_slot
    def _find_run(self) -> None:
        if self.isVisible() and self.desk.facts is not None:
            name = self.desk.facts.name
            self.desk.backstage.ask(
                "station.live",
                lambda run: self._take_run(name, run),
                replaces="station.live",
                root=str(self.desk.root),
                station=name,
            )

    @guarded_slot
    def _take_run(self, station: str, run: dict[str, Any] | None) -> None:
        if self.desk.facts is None or self.desk.facts.name != station:
            return
        was, self._run = self._run, run
        self.ask.setVisible(run is None)
        if run is not None:
            # the run writes who answered before it measures
            self._identities = run["identities"] or self._identities
            self._show_instruments()
            self.look()
        elif was is not None:
            self.state.setText(f"Run {was['run_id']} has ended, and its outputs are off. {_IDLE}")
            self._show_board({})

    @guarded_slot
    def _ask(self) -> None:
        facts = self.desk.facts
        if facts is None:
            return
        self.ask.setEnabled(False)
        self.state.setText("Asking the instruments …")
        self.desk.commands.start(
            ["state", "-s", facts.file, "-o", str(self.desk.root), "--json"], lambda done: self._take_state(facts, done)
        )

    @guarded_slot
    def _take_state(self, facts: StationFacts, done: Finished) -> None:
        self.ask.setEnabled(self.desk.facts is not None)
        if facts is not self.desk.facts:
            return
        if done.code != 0:
            lines = done.error.strip().splitlines() or ["the command ended without a word"]
            why = lines[-1].removeprefix("labctl: ")
            self.state.setText(f"The instruments could not be asked: {why}")
            self.desk.tell("error", why)
            return
        told = json.loads(done.out)
        self._identities = told["identities"]
        self._show_instruments()
        self._show_board(told)
        left = f" {', '.join(told['left_on'])} had been left on and is off now." if told["left_on"] else ""
        errors = f" Their error queues held: {'; '.join(told['errors'])}." if told["errors"] else ""
        self.state.setText(f"As the instruments answered a moment ago.{left}{errors}")

    def _forget(self) -> None:
        self.state.setText(_IDLE)
        self._show_board({})

    def _show_instruments(self) -> None:
        facts = self.desk.facts
        self.instruments.show_rows([] if facts is None else instrument_rows(facts.instruments, self._identities))

    def _show_board(self, board: Mapping[str, Any]) -> None:
        unknown = [("not known", "", "", "")]
        self.outputs.show_rows(output_rows(board) or unknown)
        lines = line_rows(board.get("lines") or {})
        self.lines.show_rows(lines or [("nothing" if board else "not known", "every line is open" if board else "")])
        self._draw_marks()

    @guarded_slot
    def _draw_marks(self) -> None:
        self.outputs.mark(1, "ON", self.desk.theme.colours)


def _box(title: str, content: QWidget | QFormLayout) -> QGroupBox:
    box = QGroupBox(title)
    if isinstance(content, QWidget):
        layout = QVBoxLayout(box)
        layout.addWidget(content)
    else:
        box.setLayout(content)
    return box
