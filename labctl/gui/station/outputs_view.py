"""Tables of a station: its instruments, the state of every output, and what each line of the array hangs on.

Not here: where the state comes from (:mod:`labctl.gui.station.station_panel`).
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtGui import QColor, QPalette
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem, QWidget

from labctl.gui.theme import Colours
from labctl.units import format_quantity

__all__ = ["FactTable", "as_ranges", "instrument_rows", "line_rows", "output_rows"]

Row = Sequence[str]


class FactTable(QTableWidget):
    """A small table to read and copy from, as high as its rows.

    Parameters
    ----------
    headings : sequence of str
    name : str
        For people who hear the window.
    wide : sequence of int
        Columns that share the room that is left, and break their text.
    parent : QWidget, optional
    """

    def __init__(self, headings: Sequence[str], name: str, wide: Sequence[int], parent: QWidget | None = None) -> None:
        super().__init__(0, len(headings), parent)
        self.setHorizontalHeaderLabels(list(headings))
        self.setAccessibleName(name)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setTabKeyNavigation(False)
        self.setShowGrid(False)
        self.setWordWrap(True)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        rows, columns = self.verticalHeader(), self.horizontalHeader()
        assert rows is not None
        assert columns is not None
        rows.hide()
        columns.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        columns.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        for column in wide:
            columns.setSectionResizeMode(column, QHeaderView.ResizeMode.Stretch)
        columns.setHighlightSections(False)

    def show_rows(self, rows: Sequence[Row]) -> None:
        """Show rows in place of what is shown; the same rows again cost nothing.

        Parameters
        ----------
        rows : sequence of sequences of str
        """
        if rows == self.shown_rows():
            return
        self.setRowCount(len(rows))
        for index, row in enumerate(rows):
            for column, text in enumerate(row):
                item = QTableWidgetItem(text)
                item.setToolTip(text)
                self.setItem(index, column, item)
        self._fit()

    def shown_rows(self) -> list[tuple[str, ...]]:
        """Return the texts that are shown.

        Returns
        -------
        list of tuple of str
        """
        return [
            tuple(item.text() if (item := self.item(row, column)) else "" for column in range(self.columnCount()))
            for row in range(self.rowCount())
        ]

    def mark(self, column: int, text: str, colours: Colours) -> None:
        """Show the rows with this text in a column on the colour of danger, the others as ever.

        Parameters
        ----------
        column : int
        text : str
        colours : Colours
        """
        for row in range(self.rowCount()):
            is_marked = (item := self.item(row, column)) is not None and item.text().startswith(text)
            if item is not None:
                palette = self.palette()
                plain = palette.color(QPalette.ColorRole.Base), palette.color(QPalette.ColorRole.Text)
                marked = QColor(colours.danger), QColor(colours.on_danger)
                ground, words = marked if is_marked else plain
                item.setBackground(ground)
                item.setForeground(words)

    def resizeEvent(self, event: Any) -> None:  # noqa: N802, RUF100
        """Stay as high as the rows; called by Qt."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        self.resizeRowsToContents()
        header = self.horizontalHeader()
        height = 0 if header is None else header.sizeHint().height()
        height += sum(self.rowHeight(row) for row in range(self.rowCount())) + 2 * self.frameWidth()
        self.setFixedHeight(height)


def instrument_rows(
    entries: Mapping[str, Mapping[str, Any]], identities: Mapping[str, Mapping[str, str]]
) -> list[tuple[str, ...]]:
    """Return a row per instrument: key, who answered (or what is expected), serial number, address.

    Parameters
    ----------
    entries : mapping
        Of the station file, by key.
    identities : mapping
        Who answered, by key; may be empty.

    Returns
    -------
    list of tuple of str
    """
    rows: list[tuple[str, ...]] = []
    for key, entry in entries.items():
        who = identities.get(key)
        if who is None:
            told, serial = f"{entry['driver'].rpartition('.')[2]} expected", entry.get("serial") or "any"
        else:
            told, serial = f"{who['maker']} {who['model']}, firmware {who['firmware']}", who["serial"]
        rows.append((key, told, serial, entry["resource"]))
    return rows


def output_rows(board: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return a row per output and heater: name, ON or off, level, compliance.

    Parameters
    ----------
    board : mapping
        As :func:`labctl.run.state_board.read_state` gives it.

    Returns
    -------
    list of tuple of str
    """
    rows: list[tuple[str, ...]] = []
    for terminal, output in board.get("outputs", {}).items():
        level_v, limit_a = output["level_v"], output["limit_a"]
        if level_v is None:
            level = "changing" if output["changing"] else "not known"
        else:
            level = format_quantity(level_v, "V")
        if output["pulsed"]:
            level += " (top of its pulses)"
        limit = "none: 50 Ω source" if output["pulsed"] else "not set" if limit_a is None else ""
        rows.append((terminal, "ON" if output["on"] else "off", level, limit or format_quantity(limit_a, "A")))
    for key, is_on in board.get("heaters", {}).items():
        kelvin = board.get("temperature_k")
        level = "not read yet" if kelvin is None else format_quantity(kelvin, "K")
        rows.append((f"{key} heater", "ON" if is_on else "off", level, ""))
    return rows


def line_rows(lines: Mapping[str, str]) -> list[tuple[str, ...]]:
    """Return a row per terminal: what it is, and which lines hang on it.

    Parameters
    ----------
    lines : mapping of str to str
        Terminal by line, such as ``{"word 3": "smu1.a"}``.

    Returns
    -------
    list of tuple of str
        Ground last.
    """
    by_terminal: dict[str, list[str]] = {}
    for line, terminal in lines.items():
        by_terminal.setdefault(terminal, []).append(line)
    order = sorted(by_terminal, key=lambda terminal: (terminal == "ground", terminal))
    return [(terminal, _gathered(by_terminal[terminal])) for terminal in order]


def as_ranges(numbers: Iterable[int]) -> str:
    """Return numbers as people write them: ``"0–2, 4, 7–9"``.

    Parameters
    ----------
    numbers : iterable of int

    Returns
    -------
    str
    """
    groups = groupby(enumerate(sorted(numbers)), key=lambda pair: pair[1] - pair[0])
    parts = []
    for _, group in groups:
        run = [number for _, number in group]
        parts.append(str(run[0]) if len(run) == 1 else f"{run[0]}\u2013{run[-1]}")
    return ", ".join(parts)


def _gathered(lines: Sequence[str]) -> str:
    """Return ``["word 3", "word 4", "bit 0"]`` as ``"word 3–4; bit 0"``."""
    numbered: dict[str, list[int]] = {}
    others = []
    for line in lines:
        kind, _, number = line.rpartition(" ")
        if number.isdecimal():
            numbered.setdefault(kind, []).append(int(number))
        else:
            others.append(line)
    return "; ".join([*(f"{kind} {as_ranges(numbers)}" for kind, numbers in numbered.items()), *others])
