"""The array panel: the die as a map, the cells that are selected, the history of the current one.

Not here: the maps (:mod:`labctl.gui.array.die_watch`), drawing (:mod:`labctl.gui.array.map_view`).
"""

import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
from qtpy.QtCore import Qt
from qtpy.QtGui import QCursor
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSplitter,
    QToolTip,
    QVBoxLayout,
    QWidget,
)

from labctl.analysis.die_maps import CellClass
from labctl.array import format_cells
from labctl.errors import StationError
from labctl.gui.array.cell_watch import CellWatch
from labctl.gui.array.describing import age, describe_cell
from labctl.gui.array.die_watch import DieWatch
from labctl.gui.array.history_view import HistoryView
from labctl.gui.array.map_view import MapView
from labctl.gui.array.pick_bar import PickBar
from labctl.gui.array.picking import Cell, cells_of, find_cells, mask_text
from labctl.gui.array.quantities import QUANTITIES, Quantity, levels_of, written
from labctl.gui.desk import Desk
from labctl.gui.slots import guarded_slot
from labctl.gui.wanted_file import wanted_file
from labctl.units import parse_quantity

__all__ = ["ArrayPanel"]

_HISTORY_AGAIN_S = 2.0
# how the width is shared at first
_MAP_CHARACTERS, _HISTORY_CHARACTERS = 65, 35


class ArrayPanel(QWidget):
    """The array of the chosen station.

    Parameters
    ----------
    desk : Desk
    parent : QWidget, optional
    """

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.desk = desk
        self.map, self.bar, self.history = MapView(), PickBar(), HistoryView()
        self.quantity_box, self.is_log = QComboBox(), QCheckBox("Lo&garithmic colours")
        self.low_field, self.high_field = QLineEdit(), QLineEdit()
        self.whole = QPushButton("W&hole die")
        self.facts_line, self.badge, self.cursor_line, self.legend = QLabel(), QLabel("simulated"), QLabel(), QLabel()
        self.played_badge = QLabel("played")
        self._under: Cell | None = None
        # the complaint of each end of the colour scale that was told last
        self._refused = ["", ""]
        self._lay_out()
        self._restore()
        self.watch = DieWatch(desk, self)
        self.cell_watch = CellWatch(desk, self.watch, self)
        self._connect()
        self._take_theme()
        self._take_shape(self.watch.maps.rows, self.watch.maps.columns)
        self.draw()

    @property
    def quantity(self) -> Quantity:
        """What the map shows."""
        return QUANTITIES[str(self.quantity_box.currentData())]

    def draw(self) -> None:
        """Draw the map from what is known now."""
        maps, quantity = self.watch.maps, self.quantity
        values = quantity.of(maps)
        classes = maps.classes()
        is_log = self.is_log.isChecked() and quantity.may_be_log
        failed = (classes == CellClass.FAILED) | (classes == CellClass.STUCK)
        over_range = maps.over_range
        ticks = None
        if quantity.is_class:
            counts = np.bincount(classes.ravel(), minlength=len(CellClass))
            ticks = [(float(kind), f"{kind.label} ({counts[kind]})") for kind in CellClass]
            values = np.where(classes == CellClass.NEVER_MEASURED, np.nan, values)
            failed = over_range = np.zeros_like(failed)
        self.map.show_values(
            values,
            quantity,
            self._levels(values, quantity, is_log=is_log),
            is_log=is_log,
            failed=failed,
            over_range=over_range,
            ticks=ticks,
        )
        self._tell_facts()
        self._tell_cell()

    def _lay_out(self) -> None:
        for quantity in QUANTITIES.values():
            self.quantity_box.addItem(quantity.label, quantity.key)
            self.quantity_box.setItemData(self.quantity_box.count() - 1, quantity.meaning, Qt.ItemDataRole.ToolTipRole)
        show = QLabel("Sho&w")
        show.setBuddy(self.quantity_box)
        for field, end in ((self.low_field, "lower"), (self.high_field, "upper")):
            field.setPlaceholderText("auto")
            field.setToolTip(f"The {end} end of the colour scale, such as 10 uS; empty: from the values")
            field.setAccessibleName(f"{end} end of the colour scale")
            field.setMaximumWidth(field.fontMetrics().horizontalAdvance("000.00 mS  "))
        self.whole.setToolTip("Show all cells again, also with the key Home; the wheel zooms, the middle button moves")
        self.badge.setProperty("badge", "simulated")
        self.played_badge.setProperty("badge", "played")
        self.played_badge.setToolTip(
            "The map and the history show the die as it was during the run that is played, up to the place where it is"
        )
        self.facts_line.setProperty("weight", "muted")
        self.legend.setProperty("weight", "muted")
        self.facts_line.setWordWrap(True)
        self.legend.setWordWrap(True)
        self.legend.setText(
            "Hatched: no value · × failed or stuck · △ over range · click or drag selects, Ctrl adds or removes, "
            "Shift extends, a click on a number takes the line"
        )
        self.cursor_line.setWordWrap(True)
        self.cursor_line.setTextFormat(Qt.TextFormat.PlainText)
        self.cursor_line.setMinimumHeight(2 * self.cursor_line.fontMetrics().lineSpacing())
        top = QHBoxLayout()
        for widget in (show, self.quantity_box, self.is_log, QLabel("from"), self.low_field, QLabel("to")):
            top.addWidget(widget)
        top.addWidget(self.high_field)
        top.addStretch(1)
        top.addWidget(self.whole)
        facts = QHBoxLayout()
        facts.addWidget(self.badge, 0, Qt.AlignmentFlag.AlignTop)
        facts.addWidget(self.played_badge, 0, Qt.AlignmentFlag.AlignTop)
        facts.addWidget(self.facts_line, 1)
        left = QWidget()
        column = QVBoxLayout(left)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(top)
        column.addLayout(facts)
        column.addWidget(self.map, 1)
        column.addWidget(self.cursor_line)
        column.addWidget(self.legend)
        column.addWidget(self.bar)
        self.split = QSplitter(Qt.Orientation.Horizontal)
        self.split.addWidget(left)
        self.split.addWidget(self.history)
        self.split.setStretchFactor(0, 3)
        self.split.setStretchFactor(1, 2)
        width = self.fontMetrics().horizontalAdvance("0")
        self.split.setSizes([_MAP_CHARACTERS * width, _HISTORY_CHARACTERS * width])
        layout = QVBoxLayout(self)
        layout.addWidget(self.split)

    def _connect(self) -> None:
        self.quantity_box.currentIndexChanged.connect(self._quantity_chosen)
        self.is_log.toggled.connect(self._scale_chosen)
        self.low_field.editingFinished.connect(self._scale_chosen)
        self.high_field.editingFinished.connect(self._scale_chosen)
        self.watch.changed.connect(self._die_changed)
        self.watch.shape_changed.connect(self._take_shape)
        self.watch.left.connect(self._tell_left)
        self.cell_watch.changed.connect(self._show_history)
        self.whole.clicked.connect(self.map.show_all)
        self.map.picked.connect(self._picked)
        self.map.hovered.connect(self._hovered)
        self.bar.text_entered.connect(self._select_text)
        self.bar.invert_wanted.connect(self._invert)
        self.bar.none_wanted.connect(self._select_none)
        self.bar.save_wanted.connect(self._save_mask)
        self.bar.apply_wanted.connect(self._apply)
        self.history.run_wanted.connect(self._open_run)
        self.desk.selection_changed.connect(self._take_selection)
        self.desk.cell_changed.connect(self._cell_changed)
        self.desk.feed_changed.connect(self._tell_facts)
        self.desk.theme.changed.connect(self._take_theme)

    def _restore(self) -> None:
        settings = self.desk.settings
        place = self.quantity_box.findData(settings.value("array/quantity", "conductance"))
        self.quantity_box.setCurrentIndex(max(place, 0))
        self.is_log.setChecked(settings.value("array/log", "true") == "true")

    def _levels(self, values: npt.NDArray[np.float64], quantity: Quantity, *, is_log: bool) -> tuple[float, float]:
        """Return the ends of the scale: typed where they can be read, else from the values."""
        low, high = levels_of(values, quantity, is_log=is_log)
        ends, refused = [low, high], ["", ""]
        for place, field in enumerate((self.low_field, self.high_field)):
            text = field.text().strip()
            if text and not quantity.is_class:
                try:
                    unit = "1" if quantity.unit == "%" else quantity.unit
                    value = parse_quantity(text if unit != "1" or "%" in text else f"{text} %", unit)
                    if is_log and value <= 0.0:
                        refused[place] = "a logarithmic scale needs values above 0"
                    else:
                        ends[place] = value
                except ValueError as error:
                    refused[place] = str(error)
        if ends[0] >= ends[1]:
            refused[1] = refused[1] or "the upper end must be above the lower one"
            ends = [low, high]
        self._mark_refused(refused)
        return ends[0], ends[1]

    def _mark_refused(self, refused: list[str]) -> None:
        """Mark the ends that cannot be used, and say why once."""
        for field, why, before in zip((self.low_field, self.high_field), refused, self._refused, strict=True):
            if why != before:
                field.setProperty("refused", bool(why))
                field.style().unpolish(field)
                field.style().polish(field)
                if why:
                    self.desk.tell("warning", f"colour scale: {why}")
        self._refused = refused

    @guarded_slot
    def _tell_facts(self, *_: object) -> None:
        facts, maps = self.desk.facts, self.watch.maps
        self.badge.setVisible(facts is not None and facts.simulated)
        self.played_badge.setVisible(bool(self.watch.played))
        if facts is None:
            self.facts_line.setText("Choose a station to see its array.")
            return
        known = maps.measured_utc_s[np.isfinite(maps.measured_utc_s)]
        words = [f"{facts.sample}, {facts.rows} × {facts.columns} cells"]
        feed, live = self.desk.feed, self.watch.live
        if self.watch.played:
            place = f" up to point {live.last_seq:,}".replace(",", "\u2009") if live is not None else ""
            words.insert(0, f"NOT as it is now: the die as it was in run {self.watch.played}{place}")
        elif feed is not None and feed.player is not None and not self.watch.is_of_die(feed):
            words.insert(0, "the run that is played is of another die and is not shown here")
        if self.watch.seed is not None:
            words.append(f"seed {self.watch.seed}")
        if self.watch.is_fresh:
            words.append("a fresh die is in; nothing of it is measured: run a procedure such as read_array")
        elif known.size == 0 and not self.watch.is_read:
            words.append("reading the runs of this data root …")
        elif known.size == 0:
            words.append("nothing measured yet: run a procedure such as read_array")
        else:
            now_s = time.time()
            never = int((maps.readings == 0).sum())
            words.append(f"{self.watch.runs} runs")
            newest, oldest = age(now_s - float(known.max())), age(now_s - float(known.min()))
            words.append(f"values {oldest} old" if newest == oldest else f"newest value {newest} old, oldest {oldest}")
            words.append(f"{never} cells never measured" if never else "all cells measured")
        if live is not None and not self.watch.played:
            words.append("live")
        self.facts_line.setText(" · ".join(words))

    @guarded_slot
    def _tell_left(self, left: int) -> None:
        if left:
            self.facts_line.setText(f"Reading the runs of this data root: {left} files left …")
        else:
            self._tell_facts()

    def _tell_cell(self) -> None:
        cell = self._under or self.map.current
        maps, facts = self.watch.maps, self.desk.facts
        if cell is None or facts is None or not (cell[0] < maps.rows and cell[1] < maps.columns):
            self.cursor_line.setText("")
            return
        self.cursor_line.setText(describe_cell(maps, cell, self.quantity, simulated=facts.simulated, now_s=time.time()))

    @guarded_slot
    def _die_changed(self) -> None:
        self.draw()

    @guarded_slot
    def _take_shape(self, rows: int, columns: int) -> None:
        self.map.set_shape((rows, columns))
        self._under = None
        # a cell that was chosen before the die was known
        self._cell_changed()

    @guarded_slot
    def _quantity_chosen(self) -> None:
        self.low_field.clear()
        self.high_field.clear()
        quantity = self.quantity
        self.is_log.setEnabled(quantity.may_be_log)
        for field in (self.low_field, self.high_field):
            field.setEnabled(not quantity.is_class)
        self.quantity_box.setToolTip(quantity.meaning)
        self.desk.settings.setValue("array/quantity", quantity.key)
        self.draw()

    @guarded_slot
    def _scale_chosen(self) -> None:
        self.desk.settings.setValue("array/log", "true" if self.is_log.isChecked() else "false")
        self.draw()

    @guarded_slot
    def _picked(self, mask: npt.NDArray[np.bool_], current: Cell | None) -> None:
        self.desk.select(cells_of(mask), current)

    @guarded_slot
    def _hovered(self, cell: Cell | None) -> None:
        self._under = cell
        self._tell_cell()
        if cell is None:
            QToolTip.hideText()
            return
        value = float(self.quantity.of(self.watch.maps)[cell])
        text = written(value, self.quantity) or "no value"
        QToolTip.showText(QCursor.pos(), f"row {cell[0]}, column {cell[1]}: {text}", self.map)

    @guarded_slot
    def _take_selection(self) -> None:
        self.map.set_selection(self.desk.selection, self.desk.cell)
        count = int(self.map.selected.sum())
        total = self.map.selected.size
        self.bar.show_picked(count, total, has_current=self.map.current is not None)
        self._tell_cell()

    @guarded_slot
    def _cell_changed(self) -> None:
        self._take_selection()
        self.cell_watch.show(self.map.current)
        self._show_history()

    @guarded_slot
    def _show_history(self) -> None:
        shown = self.cell_watch
        self.history.show_history(
            shown.cell, shown.runs(), shown.left_out, is_read=shown.is_read, is_played=bool(self.watch.played)
        )

    @guarded_slot
    def _select_text(self, text: str) -> None:
        try:
            mask = find_cells(text, self.watch.maps, self.quantity)
        except StationError as error:
            self.bar.refuse(str(error).removeprefix("cells: "))
            return
        self.desk.select(cells_of(mask), self._kept_current(mask))
        self._take_selection()

    @guarded_slot
    def _invert(self) -> None:
        mask = ~self.map.selected
        self.desk.select(cells_of(mask), self._kept_current(mask))

    @guarded_slot
    def _select_none(self) -> None:
        self.desk.select(())

    def _kept_current(self, mask: npt.NDArray[np.bool_]) -> Cell | None:
        """Return the current cell if it is among the cells, else the first of them."""
        if self.map.current is not None and mask[self.map.current]:
            return self.map.current
        first = np.argwhere(mask)
        return (int(first[0][0]), int(first[0][1])) if len(first) else None

    @guarded_slot
    def _save_mask(self) -> None:
        if not self.map.selected.any():
            self.desk.tell("warning", "no cell is selected, so there is no mask to save; drag on the map first")
            return
        path = wanted_file(self, "Save the selection as a mask", "mask.csv", (".csv",))
        if path is not None:
            path.write_text(mask_text(self.map.selected), encoding="utf-8")
            self.desk.tell("info", f"{path}: {int(self.map.selected.sum())} cells saved; use the path as `cells`")

    @guarded_slot
    def _apply(self, which: str) -> None:
        shape = self.map.shape
        cells: frozenset[Cell] | list[Cell] = cells_of(self.map.selected)
        if which == "cell":
            cells = [] if self.map.current is None else [self.map.current]
        text = "all" if which == "all" else format_cells(cells, shape)
        self.desk.offer("", {"cells": text})
        self.desk.show("form")

    @guarded_slot
    def _open_run(self, path: str) -> None:
        self.desk.watch(Path(path))
        self.desk.show("plots")

    @guarded_slot
    def _take_theme(self) -> None:
        colours = self.desk.theme.colours
        self.map.set_colours(colours)
        self.history.set_colours(colours)
