"""A simulated bench: its clock, seed and effects, faults for the next run, a fresh die, truth beside measurement.

All of it comes from ``labctl`` commands and, while a run goes on, from its file. Not here: the rest of the station
(:mod:`labctl.gui.station.station_panel`).
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMessageBox,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from labctl.analysis.die_pack import unpack_maps
from labctl.gui.commands import Finished
from labctl.gui.desk import Desk, StationFacts
from labctl.gui.run_bar import in_words
from labctl.gui.slots import guarded_slot
from labctl.gui.station.truth_view import TruthView

__all__ = ["BenchView"]

_FAULT_TIP = (
    "kind@instrument:text#n=value, such as lost_reply@smu1:measure#3 : the third message of smu1 that holds 'measure' "
    "gets no reply. Several are separated by ';'."
)
_LEAST_LENGTH = 16
_UNKNOWN = "not known yet; press Compare"


class BenchView(QWidget):
    """What only a simulated station has.

    Parameters
    ----------
    desk : Desk
    parent : QWidget, optional
    """

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.desk = desk
        self._facts: StationFacts | None = None
        self._is_looking = False
        self._true_s: Any = None
        self._maps: Mapping[str, Any] | None = None
        self.values = {name: QLabel(_UNKNOWN, self) for name in ("Clock of the rack", "Seed", "Effects")}
        self.kinds = QComboBox(self)
        self.kinds.setAccessibleName("kind of fault")
        self.kinds.addItem("Choose a fault …")
        # the kinds explain themselves at length
        self.kinds.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.kinds.setMinimumContentsLength(_LEAST_LENGTH)
        self.kinds.activated.connect(self._add_kind)
        self.spec = QLineEdit(self)
        self.spec.setPlaceholderText("kind@instrument:text#n=value")
        self.spec.setToolTip(_FAULT_TIP)
        self.spec.setAccessibleName("faults for the next run")
        self.offer = QPushButton("&Take into the form", self)
        self.offer.setToolTip("Puts these faults into the procedure form: the next run from there meets them")
        self.offer.clicked.connect(self._offer)
        self.seed = QLineEdit(self)
        self.seed.setPlaceholderText("seed of the bench file")
        self.seed.setToolTip("A whole number; the same seed gives the same die. Empty: the seed of the bench file")
        self.seed.setAccessibleName("seed of the fresh die")
        self.reset = QPushButton("Put in a fresh &die …", self)
        self.reset.clicked.connect(self._ask_reset)
        self.compare = QPushButton("&Compare true and measured", self)
        self.compare.setToolTip("Asks the simulated bench for the conductance of every cell, which no instrument sees")
        self.compare.clicked.connect(self.look)
        self.note = QLabel(self)
        self.note.setWordWrap(True)
        self.note.hide()
        self.truth = TruthView(desk.theme, self)
        self.truth.hide()
        self._build()

    def show_station(self, facts: StationFacts | None) -> None:
        """Work with another station.

        Parameters
        ----------
        facts : StationFacts or None
        """
        self._facts, self._true_s, self._maps = facts, None, None
        self.truth.hide()
        self.note.hide()
        for value in self.values.values():
            value.setText(_UNKNOWN)
        is_served = facts is not None and facts.simulated and not facts.bench
        self.reset.setEnabled(not is_served)
        self.reset.setToolTip(
            "A served bench keeps its die: end `labctl bench serve`, then `labctl bench reset NAME`"
            if is_served
            else "Throws the present die of the simulated bench away and makes a new one; asks first"
        )

    def show_bench(self, bench: Mapping[str, Any] | None, clock_s: float | None) -> None:
        """Show what the bench of a live run tells.

        Parameters
        ----------
        bench : mapping or None
            As the header of the run has it.
        clock_s : float or None, unit s
            Of the rack, now.
        """
        if clock_s is not None:
            self.values["Clock of the rack"].setText(f"{in_words(clock_s)} since the die was made")
        if bench is None:
            return
        self.values["Seed"].setText(str(bench.get("seed", "not known")))
        effects = bench.get("effects", {})
        off = [name.replace("_", " ") for name, is_on in effects.items() if not is_on]
        on = [name.replace("_", " ") for name, is_on in effects.items() if is_on]
        self.values["Effects"].setText(f"on: {', '.join(on) or 'none'}" + (f"; off: {', '.join(off)}" if off else ""))

    @guarded_slot
    def look(self) -> None:
        """Ask the bench for the truth, and the run files for what was measured."""
        if self._facts is None or self._is_looking:
            return
        facts, self._is_looking = self._facts, True
        self.compare.setEnabled(False)
        self._say("Asking the simulated bench …")
        command = ["bench", "show", facts.bench] if facts.bench else ["state", "-s", facts.file, "-o", self._root()]
        self.desk.commands.start([*command, "--json"], lambda done: self._take_truth(facts, done))
        self.desk.scanner.ask(
            "array.die",
            lambda answer: self._take_die(facts, answer),
            part=lambda _: None,
            replaces="station.die",
            root=self._root(),
            station=facts.file,
        )

    @guarded_slot
    def load_kinds(self) -> None:
        """Learn which faults there are; once."""
        if self.kinds.count() == 1:
            self.desk.commands.start(["bench", "faults", "--json"], self._take_kinds)

    def _build(self) -> None:
        facts = QFormLayout()
        for name, value in self.values.items():
            value.setWordWrap(True)
            value.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            facts.addRow(f"{name}:", value)
        faults = QHBoxLayout()
        faults.addWidget(self.spec, 1)
        faults.addWidget(self.offer)
        renewal = QHBoxLayout()
        renewal.addWidget(self.seed, 1)
        renewal.addWidget(self.reset)
        facts.addRow("Faults:", self.kinds)
        facts.addRow("", faults)
        facts.addRow("Fresh die:", renewal)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(facts)
        layout.addWidget(self.compare)
        layout.addWidget(self.note)
        layout.addWidget(self.truth)

    def _root(self) -> str:
        return str(self.desk.root)

    def _say(self, text: str) -> None:
        self.note.setText(text)
        self.note.setVisible(bool(text))

    @guarded_slot
    def _take_kinds(self, done: Finished) -> None:
        if done.code != 0 or self.kinds.count() > 1:
            return
        for kind, what in json.loads(done.out).items():
            self.kinds.addItem(f"{kind.replace('_', ' ')}: {what}", kind)

    @guarded_slot
    def _add_kind(self, index: int) -> None:
        kind = self.kinds.itemData(index)
        if kind:
            before = self.spec.text().strip()
            place = "" if str(kind).startswith("disk_") else "@smu1"
            self.spec.setText(f"{before}; {kind}{place}#1" if before else f"{kind}{place}#1")
            self.kinds.setCurrentIndex(0)
            self.spec.setFocus()

    @guarded_slot
    def _offer(self) -> None:
        self.desk.offer("", {"faults": self.spec.text().strip()})
        self.desk.show("form")
        told = self.spec.text().strip()
        self.desk.tell("info", f"the next run from the form meets: {told}" if told else "the next run meets no faults")

    @guarded_slot
    def _ask_reset(self) -> None:
        facts = self._facts
        if facts is None:
            return
        seed = self.seed.text().strip()
        if seed and not seed.isdecimal():
            self.desk.tell("error", f"a seed is a whole number such as 7, got {seed!r}; correct it or leave it empty")
            return
        told = f"with seed {seed}" if seed else "with the seed of the bench file"
        answer = QMessageBox.question(
            self,
            "Fresh die",
            f"Put a fresh die on the simulated bench {facts.bench}, {told}?\n\nThe old die is gone: its formed cells "
            "and their levels cannot be brought back. Run files stay.",
            QMessageBox.StandardButton.Yes | QMessageBox.StandardButton.Cancel,
            QMessageBox.StandardButton.Cancel,
        )
        if answer == QMessageBox.StandardButton.Yes:
            command = ["bench", "reset", facts.bench, *(["--seed", seed] if seed else [])]
            self.desk.commands.start(command, self._take_reset, f"the fresh die of {facts.bench}")

    @guarded_slot
    def _take_reset(self, done: Finished) -> None:
        if done.code != 0:
            self.desk.tell("error", f"the die stays: {_last(done.error)}")
            return
        self.desk.tell("info", done.out.strip())
        self.truth.hide()
        self.look()

    @guarded_slot
    def _take_truth(self, facts: StationFacts, done: Finished) -> None:
        self._is_looking = False
        self.compare.setEnabled(True)
        if facts is not self._facts:
            return
        if done.code != 0:
            self._say(f"The true state cannot be seen now: {_last(done.error)}")
            return
        told = json.loads(done.out)
        truth, bench = (told, told) if facts.bench else (told["truth"], told["bench"])
        self._say("")
        self.show_bench(bench, bench.get("die_age_s"))
        self._true_s = np.asarray(truth["conductance_s"], dtype=float)
        self._draw()

    @guarded_slot
    def _take_die(self, facts: StationFacts, answer: Mapping[str, Any]) -> None:
        if facts is self._facts:
            self._maps = answer
            self._draw()

    def _draw(self) -> None:
        if self._true_s is None or self._maps is None:
            return
        packed = self._maps.get("maps")
        measured_s = np.full(self._true_s.shape, np.nan) if packed is None else unpack_maps(packed).conductance_s
        if measured_s.shape == self._true_s.shape:
            self.truth.show_maps(self._true_s, measured_s)
            self.truth.show()


def _last(error: str) -> str:
    lines = error.strip().splitlines() or ["the command ended without a word"]
    return lines[-1].removeprefix("labctl: ")
