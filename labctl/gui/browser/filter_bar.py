"""The filter of the run browser, in plain fields that combine. Not here: what a filter finds."""

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QComboBox, QGridLayout, QLabel, QLineEdit, QPushButton, QWidget

from labctl.store.moments import moment_utc
from labctl.store.run_entry import STATUSES, RunEntry, RunFilter

__all__ = ["FilterBar"]

_TYPING_MS = 200
_ANY = "any"
# letters that are seen where there is little room
_LEAST_LENGTH = 6


class FilterBar(QWidget):
    """The fields of the filter.

    Parameters
    ----------
    parent : QWidget, optional

    Attributes
    ----------
    changed : Signal of RunFilter
        Sent when the fields say something else; never while a field is wrong.
    """

    changed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._last = RunFilter()
        self._typing = QTimer(self)
        self._typing.setSingleShot(True)
        self._typing.timeout.connect(self._tell)
        self.text = self._line("words in id, procedure, sample, note, tags", "Each word must be found; Ctrl+F")
        self.cell = self._line(
            "row,column from 0", "Runs that measured this cell, such as 3,4; rows and columns from 0"
        )
        self.since = self._line(
            "day, such as 2026-01-31", "Runs from the beginning of this day on, time of this computer"
        )
        self.until = self._line("day, such as 2026-01-31", "Runs up to the end of this day, time of this computer")
        self.procedure = self._choice("Runs of this procedure")
        self.sample = self._choice("Runs on this sample")
        self.die = self._choice("Runs on the simulated die with this seed")
        self.status = self._choice("How the run ended", [(status, status) for status in STATUSES])
        self.bench = self._choice("Simulated runs, or runs on a real rack", [("simulated", True), ("real", False)])
        self.tag = self._choice("Runs with this tag")
        self.clear_button = QPushButton("Show a&ll", self)
        self.clear_button.setToolTip("Empty all fields of the filter")
        self.clear_button.clicked.connect(self.clear)
        self._lay_out()

    def wanted(self) -> RunFilter:
        """Return what the fields say.

        Returns
        -------
        RunFilter

        Raises
        ------
        ValueError
            If a field cannot be understood.
        """
        return RunFilter(
            text=self.text.text().strip(),
            procedure=self.procedure.currentData() or "",
            sample=self.sample.currentData() or "",
            status=self.status.currentData() or "",
            seed=self.die.currentData(),
            cell=_cell(self.cell.text()),
            simulated=self.bench.currentData(),
            since_utc=_moment(self.since.text(), is_end=False),
            until_utc=_moment(self.until.text(), is_end=True),
            tags=(self.tag.currentData(),) if self.tag.currentData() else (),
        )

    def clear(self) -> None:
        """Empty all fields."""
        for line in (self.text, self.cell, self.since, self.until):
            line.clear()
        for choice in (self.procedure, self.sample, self.die, self.status, self.bench, self.tag):
            choice.setCurrentIndex(0)
        self._tell()

    def offer(self, entries: Iterable[RunEntry]) -> None:
        """Offer what there is: procedures, samples, dies, tags.

        Parameters
        ----------
        entries : iterable of RunEntry
            All that are known.
        """
        procedures: set[str] = set()
        samples: set[str] = set()
        seeds: set[int | None] = set()
        tags: set[str] = set()
        for entry in entries:
            procedures.add(entry.procedure)
            samples.add(entry.sample)
            seeds.add(entry.seed)
            tags.update(entry.tags)
        for box, found in ((self.procedure, procedures), (self.sample, samples), (self.tag, tags)):
            _fill(box, [(word, word) for word in sorted(found - {""}, key=str.casefold)])
        _fill(self.die, [(f"seed {seed}", seed) for seed in sorted(seed for seed in seeds if seed is not None)])

    def _line(self, example: str, tip: str) -> QLineEdit:
        line = QLineEdit(self)
        line.setPlaceholderText(example)
        line.setToolTip(tip)
        line.setClearButtonEnabled(True)
        line.setMinimumWidth(line.fontMetrics().horizontalAdvance("2026-01-31 000"))
        line.textChanged.connect(lambda: self._typing.start(_TYPING_MS))
        line.returnPressed.connect(self._tell)
        return line

    def _choice(self, tip: str, items: Iterable[tuple[str, Any]] = ()) -> QComboBox:
        box = QComboBox(self)
        box.setToolTip(tip)
        box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        box.setMinimumContentsLength(_LEAST_LENGTH)
        _fill(box, list(items))
        box.currentIndexChanged.connect(self._tell)
        return box

    def _lay_out(self) -> None:
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        rows: tuple[tuple[tuple[str, QWidget], ...], ...] = (
            (
                ("&Find", self.text),
                ("P&rocedure", self.procedure),
                ("&Sample", self.sample),
                ("D&ie", self.die),
                ("&Cell", self.cell),
            ),
            (
                ("Fro&m", self.since),
                ("U&ntil", self.until),
                ("Stat&us", self.status),
                ("&Bench", self.bench),
                ("Ta&g", self.tag),
            ),
        )
        for row, fields in enumerate(rows):
            for place, (name, field) in enumerate(fields):
                label = QLabel(name, self)
                label.setBuddy(field)
                field.setAccessibleName(name.replace("&", ""))
                grid.addWidget(label, row, 2 * place)
                grid.addWidget(field, row, 2 * place + 1)
                grid.setColumnStretch(2 * place + 1, 2 if place == 0 else 1)
        grid.addWidget(self.clear_button, 1, 10)
        order = [field for fields in rows for _, field in fields] + [self.clear_button]
        for before, after in pairwise(order):
            QWidget.setTabOrder(before, after)

    def _tell(self) -> None:
        self._typing.stop()
        checks: tuple[tuple[QLineEdit, Callable[[str], object]], ...] = (
            (self.cell, _cell),
            (self.since, lambda text: _moment(text, is_end=False)),
            (self.until, lambda text: _moment(text, is_end=True)),
        )
        refused = [line for line, check in checks if _is_refused(line, check)]
        if refused:
            return
        wanted = self.wanted()
        if wanted != self._last:
            self._last = wanted
            self.changed.emit(wanted)


def _is_refused(line: QLineEdit, check: Callable[[str], object]) -> bool:
    """Colour a field that cannot be understood, with the reason as its tooltip."""
    why = ""
    try:
        check(line.text())
    except ValueError as error:
        why = str(error)
    if line.property("tip") is None:
        line.setProperty("tip", line.toolTip())
    line.setToolTip(why or str(line.property("tip")))
    line.setProperty("refused", "true" if why else "false")
    style = line.style()
    if style is not None:
        style.unpolish(line)
        style.polish(line)
    return bool(why)


def _cell(text: str) -> tuple[int, int] | None:
    if not text.strip():
        return None
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 2 or not all(part.isdecimal() for part in parts):
        raise ValueError(f"a cell is a row and a column, counted from 0, such as 3,4; got {text!r}")
    return int(parts[0]), int(parts[1])


def _moment(text: str, *, is_end: bool) -> str:
    return moment_utc(text, is_end=is_end) if text.strip() else ""


def _fill(box: QComboBox, items: list[tuple[str, Any]]) -> None:
    """Replace the items of a box; what was chosen stays chosen if it is still there."""
    chosen = box.currentData()
    if chosen is not None and chosen not in [value for _, value in items]:
        # what is filtered for stays visible, though no run has it any more
        items = [*items, (str(chosen), chosen)]
    wanted = [(_ANY, None), *items]
    if [(box.itemText(place), box.itemData(place)) for place in range(box.count())] == wanted:
        return
    was_blocked = box.blockSignals(True)
    box.clear()
    for words, value in wanted:
        box.addItem(words, value)
    box.setCurrentIndex(max(box.findData(chosen), 0))
    box.blockSignals(was_blocked)
