"""The panel "By hand": read, pulse and set the selected cells, with the answers in a small table.

Not here: the session behind it (:mod:`labctl.gui.manual.manual_session`).
"""

import math
from pathlib import Path
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QGridLayout,
    QGroupBox,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from labctl.gui.desk import Desk, StationFacts
from labctl.gui.feed import Batch
from labctl.gui.manual.manual_session import ManualSession
from labctl.gui.slots import guarded_slot
from labctl.units import format_quantity, parse_quantity

__all__ = ["ManualPanel"]

_MOST_ROWS = 100
_MOST_NAMED = 6
_FIELDS = {
    # unit, default, key of the envelope, what it is
    "amplitude": ("V", "1 V", "voltage_v", "Voltage of the cell; positive is the SET direction"),
    "width": ("s", "100 us", "pulse_width_s", "Width of the pulse"),
    "conductance": ("S", "50 uS", "", "Conductance to come to, by pulses with a reading after each"),
}
_COLUMNS = (
    ("Event", ""),
    ("Row", ""),
    ("Voltage (V)", "V"),
    ("Width (s)", "s"),
    ("Conductance (S)", "S"),
    ("Flags", ""),
)
_HEADINGS = ("What", "Cell", "Voltage", "Width", "Conductance", "Flags")


class ManualPanel(QWidget):
    """Cells by hand; everything is recorded in a run of its own.

    Parameters
    ----------
    desk : Desk
    parent : QWidget, optional
    """

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.desk = desk
        self.session = ManualSession(desk, self)
        self.badge = QLabel("simulated", self)
        self.badge.setProperty("badge", "simulated")
        self.cells = QLabel(self)
        self.cells.setWordWrap(True)
        self.fields = {name: self._field(name) for name in _FIELDS}
        self.reasons = {name: QLabel(self) for name in _FIELDS}
        self.buttons = {
            "read": QPushButton("R&ead", self),
            "pulse": QPushButton("P&ulse", self),
            "set_level": QPushButton("Set &level", self),
        }
        self.forms = QCheckBox("For&m virgin cells when a level is set", self)
        self.forms.setToolTip("Forming cannot be undone. Takes effect when a session begins")
        self.state = QLabel(self)
        self.state.setWordWrap(True)
        self.answer = QLabel(self)
        self.answer.setWordWrap(True)
        self.answer.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.end = QPushButton("E&nd session", self)
        self.end.setToolTip("Ends the run that records; outputs are off between requests anyway")
        self.table = QTableWidget(0, len(_HEADINGS), self)
        self._build()
        self._restore()
        for action, button in self.buttons.items():
            button.setObjectName(f"manual_{action}")
            button.clicked.connect(lambda *_, action=action: self._ask(action))
        self.end.clicked.connect(self.session.end)
        self.session.changed.connect(self._draw)
        self.session.batch.connect(self._take_rows)
        self.session.answered.connect(self._take_answer)
        desk.facts_changed.connect(self._take_facts)
        desk.selection_changed.connect(self._draw)
        desk.cell_changed.connect(self._draw)
        desk.theme.changed.connect(self._draw)
        self._take_facts(desk.facts)

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802, RUF100
        """Take up a session that goes on; called by Qt."""
        super().showEvent(event)
        self._find_session()

    def chosen_cells(self) -> list[tuple[int, int]]:
        """Return the selected cells, or else the current one.

        Returns
        -------
        list of (int, int)
            Row by row.
        """
        found = self.desk.selection or ({self.desk.cell} if self.desk.cell is not None else set())
        return sorted(found)

    def refusal(self, name: str) -> str:
        """Say why the value of a field is refused; empty where it is not.

        Parameters
        ----------
        name : str
            "amplitude", "width" or "conductance".

        Returns
        -------
        str
        """
        unit, _, key, _ = _FIELDS[name]
        try:
            value = parse_quantity(self.fields[name].text(), unit)
        except ValueError as error:
            return str(error)
        if name == "amplitude" and value == 0.0:
            return "must not be 0 V"
        if name != "amplitude" and not value > 0.0:
            return "must be positive"
        limit = self.desk.facts.envelope.get(key) if key and self.desk.facts is not None else None
        if limit is not None and not abs(value) <= limit:
            most, got = format_quantity(limit, unit), format_quantity(abs(value), unit)
            return f"at most {most} for this station (its envelope), got {got}"
        return "" if math.isfinite(value) else "must be a number"

    def _build(self) -> None:
        head = QHBoxLayout()
        told = QLabel("Each press is done at once on the selected cells, and recorded in a run of <b>manual</b>.", self)
        told.setWordWrap(True)
        head.addWidget(told, 1)
        head.addWidget(self.badge, 0, Qt.AlignmentFlag.AlignTop)
        boxes = [
            self._action_box("Read", "read", (), "Reads at low voltage and changes nothing."),
            self._action_box("Pulse", "pulse", ("amplitude", "width"), "One pulse, then a reading."),
            self._action_box(
                "Set a level", "set_level", ("conductance",), "Pulses of both signs until a reading is within 5 %."
            ),
        ]
        bottom = QHBoxLayout()
        bottom.addWidget(self.state, 1)
        bottom.addWidget(self.end)
        self._build_table()
        layout = QVBoxLayout(self)
        layout.addLayout(head)
        layout.addWidget(self.cells)
        for box in boxes:
            layout.addWidget(box)
        layout.addLayout(bottom)
        layout.addWidget(self.answer)
        layout.addWidget(self.table, 1)

    def _action_box(self, title: str, action: str, names: tuple[str, ...], meaning: str) -> QGroupBox:
        box = QGroupBox(title, self)
        grid = QGridLayout(box)
        grid.setColumnStretch(1, 1)
        for line, name in enumerate(names):
            label = QLabel(f"{name.capitalize()}:", box)
            label.setBuddy(self.fields[name])
            self.reasons[name].setWordWrap(True)
            self.reasons[name].hide()
            grid.addWidget(label, 2 * line, 0)
            grid.addWidget(self.fields[name], 2 * line, 1)
            grid.addWidget(self.reasons[name], 2 * line + 1, 1)
        last = max(0, 2 * len(names) - 2)
        self.buttons[action].setToolTip(meaning)
        grid.addWidget(self.buttons[action], last, 2)
        note = QLabel(meaning, box)
        note.setProperty("weight", "muted")
        note.setWordWrap(True)
        # beside the button where there is no field, else below the fields
        grid.addWidget(note, last if not names else last + 2, 0, 1, 2 if not names else 3)
        if action == "set_level":
            grid.addWidget(self.forms, last + 3, 0, 1, 3)
        return box

    def _build_table(self) -> None:
        self.table.setHorizontalHeaderLabels(list(_HEADINGS))
        self.table.setAccessibleName("what was done and read, newest first")
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setTabKeyNavigation(False)
        rows, columns = self.table.verticalHeader(), self.table.horizontalHeader()
        assert rows is not None
        assert columns is not None
        rows.hide()
        rows.setDefaultSectionSize(round(1.5 * self.fontMetrics().height()))
        columns.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        columns.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        columns.setStretchLastSection(True)

    def _field(self, name: str) -> QLineEdit:
        unit, _, _, meaning = _FIELDS[name]
        field = QLineEdit(self)
        field.setToolTip(f"{meaning}, unit {unit}; prefixes are read, such as 10u or 2.5 m{unit}")
        field.setAccessibleName(name)
        field.textEdited.connect(self._draw)
        return field

    def _restore(self) -> None:
        for name, field in self.fields.items():
            field.setText(str(self.desk.settings.value(f"manual/{name}", _FIELDS[name][1])))

    @guarded_slot
    def _take_facts(self, facts: StationFacts | None) -> None:
        self.badge.setVisible(facts is not None and facts.simulated)
        self.answer.clear()
        self._show_own_rows()
        self._find_session()
        self._draw()

    def _find_session(self) -> None:
        facts = self.desk.facts
        if facts is not None and self.isVisible() and self.session.state == "none":
            self.desk.backstage.ask(
                "station.live",
                lambda run: self._take_live(run, facts),
                replaces="manual.live",
                root=str(self.desk.root),
                station=facts.name,
            )

    @guarded_slot
    def _take_live(self, run: dict[str, Any] | None, asked_of: StationFacts) -> None:
        # another station may have been chosen meanwhile
        if run is not None and run["procedure"] == "manual" and asked_of is self.desk.facts:
            self.session.join(Path(run["path"]))

    @guarded_slot
    def _ask(self, action: str) -> None:
        names = {"read": (), "pulse": ("amplitude", "width"), "set_level": ("conductance",)}[action]
        refused = [f"{name}: {why}" for name in names if (why := self.refusal(name))]
        if refused:
            raise ValueError(f"{action.replace('_', ' ')} was not asked for: {'; '.join(refused)}")
        values = {name: self.fields[name].text().strip() for name in names}
        for name, text in values.items():
            self.desk.settings.setValue(f"manual/{name}", text)
        cells = ";".join(f"{row},{column}" for row, column in self.chosen_cells())
        self.answer.clear()
        self.session.ask(
            {"action": action, "cell": cells, **values}, {"form_unformed": str(self.forms.isChecked()).lower()}
        )

    @guarded_slot
    def _take_answer(self, kind: str, text: str) -> None:
        severity = "info" if kind == "answer" else "error"
        told = text if kind == "answer" else f"Refused, nothing was sent: {text}"
        if self.session.elsewhere:
            told = f"{self.session.place}: {told}"
        self.answer.setText(told)
        self.answer.setStyleSheet(f"color: {self.desk.theme.colours.severity[severity]};")
        if kind == "refused":
            self.desk.tell("error", f"by hand: {told}")

    @guarded_slot
    def _take_rows(self, batch: Batch) -> None:
        for index in range(max(0, batch.count - _MOST_ROWS), batch.count):
            values = {label: batch.columns[label][index] for label in ("Column", *(label for label, _ in _COLUMNS))}
            self.table.insertRow(0)
            self.table.setVerticalHeaderItem(0, QTableWidgetItem(self.session.station))
            for column, (label, unit) in enumerate(_COLUMNS):
                text = _shown(values[label], unit)
                if label == "Row":
                    text = f"({int(values['Row'])}, {int(values['Column'])})"
                self.table.setItem(0, column, QTableWidgetItem(text))
        self.table.setRowCount(min(self.table.rowCount(), _MOST_ROWS))
        self._show_own_rows()

    def _show_own_rows(self) -> None:
        """Show the rows of the station that is shown: cells of others have the same numbers."""
        shown = "" if self.desk.facts is None else self.desk.facts.name
        for row in range(self.table.rowCount()):
            item = self.table.verticalHeaderItem(row)
            self.table.setRowHidden(row, item is not None and item.text() != shown)

    @guarded_slot
    def _draw(self) -> None:
        cells = self.chosen_cells()
        named = ", ".join(f"({row}, {column})" for row, column in cells[:_MOST_NAMED])
        more = f" and {len(cells) - _MOST_NAMED} more" if len(cells) > _MOST_NAMED else ""
        self.cells.setText(
            f"<b>{'Cell' if len(cells) == 1 else f'{len(cells)} cells'}: {named}{more}</b>"
            if cells
            else "<b>No cell is selected.</b> Click one in the array panel."
        )
        refused = {name: self.refusal(name) for name in _FIELDS}
        for name, why in refused.items():
            self.reasons[name].setText(why)
            self.reasons[name].setVisible(bool(why))
            self.reasons[name].setStyleSheet(f"color: {self.desk.theme.colours.severity['error']};")
            if self.fields[name].property("refused") != bool(why):
                self.fields[name].setProperty("refused", bool(why))
                style = self.fields[name].style()
                assert style is not None
                style.unpolish(self.fields[name])
                style.polish(self.fields[name])
        is_here = self.desk.facts is not None and not self.session.elsewhere
        is_ready = bool(cells) and is_here and not self.session.is_waiting
        self.buttons["read"].setEnabled(is_ready)
        self.buttons["pulse"].setEnabled(is_ready and not refused["amplitude"] and not refused["width"])
        self.buttons["set_level"].setEnabled(is_ready and not refused["conductance"])
        self.forms.setEnabled(self.session.state == "none")
        self.end.setEnabled(self.session.state != "none")
        self.state.setText(self._state_words())

    def _state_words(self) -> str:
        session = self.session
        if session.elsewhere:
            return f"{session.elsewhere[0].upper()}{session.elsewhere[1:]}."
        if session.state == "starting":
            return f"A session on {session.place} is being started{f': {session.why}' if session.why else ' …'}"
        if session.state == "open":
            doing = "working …" if session.is_waiting else session.why or "waits for you; outputs are off"
            return f"Session {session.run_id} on {session.place}: {doing}"
        if self.desk.facts is None:
            return "Choose a station first."
        ended = f"The session has ended ({session.why}). " if session.why else ""
        return f"{ended}No session goes on; the first press begins one, which takes some seconds."


def _shown(value: Any, unit: str) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return format_quantity(float(value), unit, digits=4) if unit else str(value)
