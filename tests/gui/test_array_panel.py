"""The array panel with real mouse and keys. Authority: issue 5, "Array view"; values of the run files' own tables."""

import numpy as np
import pytest
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent, QWheelEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QFileDialog

from labctl.analysis.die_maps import CellClass
from labctl.analysis.die_pack import pack_maps
from labctl.analysis.die_state import die_state
from labctl.array import parse_cells
from labctl.gui.answers.desk import ANSWERS
from labctl.gui.array.array_panel import ArrayPanel
from labctl.gui.desk import Desk
from labctl.store import Run

STATION = "tiox-32x32"
LEFT = Qt.MouseButton.LeftButton
CONTROL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
PLAIN = Qt.KeyboardModifier.NoModifier


@pytest.fixture(scope="module")
def shared(qapp, tmp_path_factory):
    """A panel that nobody answers: for the mouse and the keys; making one takes a third of a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LABCTL_HOME", str(tmp_path_factory.mktemp("home")))
        desk = Desk(tmp_path_factory.mktemp("runs"))
        patch.setattr(desk.scanner, "ask", lambda *_, **__: 0)
        desk.sentences = []
        desk.told.connect(lambda severity, sentence: desk.sentences.append((severity, sentence)))
        panel = shown_panel(desk)
        yield panel
        panel.close()
        desk.close()
        panel.deleteLater()


@pytest.fixture
def panel(shared):
    """The shared panel as it was at first."""
    shared.desk.facts_changed.emit(shared.desk.facts)
    shared.desk.select(())
    shared.desk.sentences.clear()
    shared.bar.field.clear()
    shared.is_log.setChecked(True)
    shared.quantity_box.setCurrentIndex(0)
    shared.low_field.clear()
    shared.high_field.clear()
    shared.draw()
    yield shared
    shared.map.show_all()


def shown_panel(desk):
    """A panel with its station chosen."""
    panel = ArrayPanel(desk)
    panel.resize(1200, 800)
    panel.show()
    desk.station = STATION
    desk._take_facts(ANSWERS["station_facts"](STATION))
    QApplication.processEvents()
    return panel


def answer(maps, runs, **more):
    plain = {"seed": 1, "die": None, "live": None, "live_seq": 0, "is_fresh": False, "socket": ""}
    return {"maps": maps, "runs": runs} | plain | more


def block(rows, columns):
    return {(row, column) for row in rows for column in columns}


def at(panel, cell):
    return panel.map.place_of(cell).toPoint()


def drag(qtbot, panel, first, last, modifier=PLAIN):
    view = panel.map.viewport()
    qtbot.mousePress(view, LEFT, modifier, at(panel, first))
    qtbot.mouseMove(view, at(panel, ((first[0] + last[0]) // 2, (first[1] + last[1]) // 2)))
    qtbot.mouseMove(view, at(panel, last))
    qtbot.mouseRelease(view, LEFT, modifier, at(panel, last))


def click(qtbot, panel, cell, modifier=PLAIN):
    qtbot.mouseClick(panel.map.viewport(), LEFT, modifier, at(panel, cell))


def header(panel, side, line):
    """The middle of a line's number."""
    area = panel.map.mapFromScene(panel.map.plot.getAxis(side).sceneBoundingRect()).boundingRect()
    place = at(panel, (line, line))
    return QPoint(area.center().x(), place.y()) if side == "left" else QPoint(place.x(), area.bottom() - 5)


def test_click_selects_one_cell_and_makes_it_current(qtbot, panel):
    click(qtbot, panel, (3, 4))
    assert panel.desk.selection == {(3, 4)}
    assert panel.desk.cell == (3, 4)
    assert panel.bar.told.text() == "1 of 1024 cells selected"


def test_drag_selects_a_rectangle_either_way(qtbot, panel):
    drag(qtbot, panel, (2, 3), (5, 9))
    assert panel.desk.selection == block(range(2, 6), range(3, 10))
    drag(qtbot, panel, (8, 8), (7, 6))
    assert panel.desk.selection == block(range(7, 9), range(6, 9))


def test_control_adds_and_removes(qtbot, panel):
    drag(qtbot, panel, (0, 0), (3, 3))
    drag(qtbot, panel, (10, 10), (11, 11), CONTROL)
    assert panel.desk.selection == block(range(4), range(4)) | block(range(10, 12), range(10, 12))
    click(qtbot, panel, (1, 1), CONTROL)
    assert (1, 1) not in panel.desk.selection
    click(qtbot, panel, (1, 1), CONTROL)
    assert (1, 1) in panel.desk.selection


def test_shift_selects_from_the_last_cell(qtbot, panel):
    click(qtbot, panel, (4, 4))
    click(qtbot, panel, (6, 8), SHIFT)
    assert panel.desk.selection == block(range(4, 7), range(4, 9))
    click(qtbot, panel, (2, 3), SHIFT)
    assert panel.desk.selection == block(range(2, 5), range(3, 5))


def test_number_of_a_line_selects_the_line(qtbot, panel):
    qtbot.mouseClick(panel.map.viewport(), LEFT, PLAIN, header(panel, "left", 5))
    assert panel.desk.selection == block([5], range(32))
    qtbot.mouseClick(panel.map.viewport(), LEFT, PLAIN, header(panel, "top", 7))
    assert panel.desk.selection == block(range(32), [7])
    qtbot.mouseClick(panel.map.viewport(), LEFT, SHIFT, header(panel, "top", 9))
    assert panel.desk.selection == block(range(32), range(7, 10))
    qtbot.mouseClick(panel.map.viewport(), LEFT, CONTROL, header(panel, "top", 8))
    assert panel.desk.selection == block(range(32), [7, 9])


def test_keys_move_extend_select_all_and_nothing(qtbot, panel):
    click(qtbot, panel, (0, 0))
    for key in (Qt.Key.Key_Up, Qt.Key.Key_Left):
        qtbot.keyClick(panel.map, key)
    assert panel.desk.cell == (0, 0)
    qtbot.keyClick(panel.map, Qt.Key.Key_Down)
    qtbot.keyClick(panel.map, Qt.Key.Key_Right)
    assert panel.desk.selection == {(1, 1)}
    qtbot.keyClick(panel.map, Qt.Key.Key_Down, SHIFT)
    qtbot.keyClick(panel.map, Qt.Key.Key_Right, SHIFT)
    assert panel.desk.selection == block(range(1, 3), range(1, 3))
    qtbot.keyClick(panel.map, Qt.Key.Key_A, CONTROL)
    assert len(panel.desk.selection) == 1024
    qtbot.keyClick(panel.map, Qt.Key.Key_Escape)
    assert not panel.desk.selection
    assert panel.desk.cell is None


@pytest.mark.parametrize("text", ["all", "3,4", "0:8,0:32", "diagonal", "1,1;5:7,2"])
def test_text_selects_what_a_run_would_visit(qtbot, panel, text):
    panel.bar.field.setText(text)
    qtbot.keyClick(panel.bar.field, Qt.Key.Key_Return)
    assert panel.desk.selection == set(parse_cells(text, (32, 32)))


@pytest.mark.parametrize("text", ["32,0", "nonsense", "> 5 V", "> 50 uS", "stuck"])
def test_text_that_names_no_cell_says_why_and_keeps_the_selection(qtbot, panel, text):
    click(qtbot, panel, (3, 4))
    panel.bar.field.setText(text)
    qtbot.keyClick(panel.bar.field, Qt.Key.Key_Return)
    assert panel.desk.selection == {(3, 4)}
    assert panel.bar.field.property("refused")
    assert len(panel.bar.told.text()) > 20
    assert "failed" not in panel.bar.told.text()


def test_selection_made_elsewhere_is_shown(panel):
    panel.desk.select([(1, 1), (2, 2)], (2, 2))
    assert set(map(tuple, np.argwhere(panel.map.selected).tolist())) == {(1, 1), (2, 2)}
    assert panel.map.current == (2, 2)


def test_form_is_offered_cell_selection_and_all(qtbot, panel):
    offered, shown = [], []
    panel.desk.parameters_offered.connect(lambda *what: offered.append(what))
    panel.desk.show_requested.connect(shown.append)
    assert not panel.bar.buttons["selection"].isEnabled()
    assert not panel.bar.buttons["cell"].isEnabled()
    drag(qtbot, panel, (0, 0), (7, 31))
    for which in ("cell", "selection", "all"):
        qtbot.mouseClick(panel.bar.buttons[which], LEFT)
    assert offered == [("", {"cells": "7,31"}), ("", {"cells": "0:8,:"}), ("", {"cells": "all"})]
    assert shown == ["form"] * 3


def test_invert_and_mask_that_a_run_can_read(qtbot, panel, tmp_path, monkeypatch):
    drag(qtbot, panel, (0, 0), (31, 30))
    panel.bar.invert_wanted.emit()
    assert panel.desk.selection == block(range(32), [31])
    path = tmp_path / "mask.csv"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    panel.bar.save_wanted.emit()
    assert set(parse_cells(str(path), (32, 32))) == panel.desk.selection


def test_empty_die_says_what_to_do(qtbot, panel):
    panel.watch._take_maps(answer(None, 0))
    assert "read_array" in panel.facts_line.text()
    assert not panel.badge.isHidden()
    panel.quantity_box.setCurrentIndex(panel.quantity_box.findData("class"))
    click(qtbot, panel, (0, 0))
    assert "never measured" in panel.cursor_line.text()


def test_wheel_zooms_middle_drag_moves_and_home_or_the_button_show_all(qtbot, panel):
    view, box = panel.map.viewport(), panel.map.plot.getViewBox()
    whole = box.viewRange()

    def turn(steps):
        place = QPointF(at(panel, (8, 24)))
        QApplication.sendEvent(
            view,
            QWheelEvent(
                place,
                QPointF(view.mapToGlobal(place.toPoint())),
                QPoint(),
                QPoint(0, 120 * steps),
                Qt.MouseButton.NoButton,
                PLAIN,
                Qt.ScrollPhase.NoScrollPhase,
                False,
            ),
        )

    turn(5)
    zoomed = box.viewRange()
    assert zoomed[0][1] - zoomed[0][0] < 0.7 * (whole[0][1] - whole[0][0])
    # the cell under the cursor stays there
    assert zoomed[0][0] < 24.5 < zoomed[0][1]
    assert zoomed[1][0] < 8.5 < zoomed[1][1]
    start, middle = at(panel, (8, 24)), Qt.MouseButton.MiddleButton
    QTest.mousePress(view, middle, PLAIN, start)
    for step in range(1, 6):
        move(view, start + QPoint(-8 * step, 4 * step), middle)
    QTest.mouseRelease(view, middle, PLAIN, start + QPoint(-40, 20))
    moved = box.viewRange()
    assert moved[0][0] > zoomed[0][0]
    assert moved[1][0] < zoomed[1][0]
    assert moved[0][1] - moved[0][0] == pytest.approx(zoomed[0][1] - zoomed[0][0])
    assert not panel.desk.selection
    qtbot.keyClick(panel.map, Qt.Key.Key_Home)
    np.testing.assert_allclose(box.viewRange(), whole)
    turn(3)
    qtbot.mouseClick(panel.whole, LEFT)
    np.testing.assert_allclose(box.viewRange(), whole)


def move(view, place, button):
    """QTest moves without a button."""
    there = QPointF(view.mapToGlobal(place))
    QApplication.sendEvent(
        view, QMouseEvent(QEvent.Type.MouseMove, QPointF(place), there, Qt.MouseButton.NoButton, button, PLAIN)
    )


def reading(row, column, conductance_s, event="read"):
    voltage_v = 0.2
    return {
        "Event": event,
        "Row": row,
        "Column": column,
        "Voltage (V)": voltage_v,
        "Current (A)": voltage_v * conductance_s,
        "Conductance (S)": conductance_s,
    }


@pytest.fixture
def runs(begin_run):
    """Four cells that are formed, one of them not to be RESET, and nine that are read."""
    forming = begin_run("form_array", 0.0)
    for row, column in np.ndindex(2, 2):
        forming.point(reading(row, column, 1e-9, "survey"))
        forming.point({"Event": "form", "Row": row, "Column": column, "Voltage (V)": 3.0, "Width (s)": 0.01})
        forming.point(reading(row, column, (5 + row + column) * 1e-5, "verify"))
    forming.seal(
        "finished", {"failed_cells": [{"row": 0, "column": 0, "reason": "does not RESET at the stop voltage"}]}
    )
    reads = begin_run("read_array", 10.0)
    for row, column in np.ndindex(3, 3):
        is_formed = row < 2 and column < 2
        reads.point(reading(row, column, (1 + row + 3 * column) * (1e-5 if is_formed else 1e-9)))
    reads.seal("finished", {})
    return [Run(writer.path) for writer in (forming, reads)]


@pytest.mark.usefixtures("answers_here")
def test_map_and_history_show_the_runs_and_a_double_click_opens_one(qtbot, runs, desk):
    panel = shown_panel(desk)
    qtbot.addWidget(panel)
    qtbot.waitUntil(lambda: panel.watch.runs == 2, timeout=15_000)
    table = runs[1].table()
    for row, column, value in zip(table["Row"], table["Column"], table["Conductance (S)"], strict=True):
        if value > 0.0:
            assert panel.map.image.image[row, column] == pytest.approx(np.log10(value))
    assert np.isnan(panel.map.image.image[3:]).all()
    click(qtbot, panel, (1, 1))
    rows = panel.history.rows
    qtbot.waitUntil(lambda: rows.rowCount() > 0, timeout=15_000)
    mine = [run.table().query("Row == 1 and Column == 1") for run in runs]
    assert rows.rowCount() == sum(map(len, mine))
    assert "2 runs" in panel.history.title.text()
    assert "simulated" in panel.history.title.text()
    last = rows.index(rows.rowCount() - 1, 1)
    assert last.data() == "read_array"
    shown = []
    panel.desk.show_requested.connect(shown.append)
    panel.history.table.scrollTo(last)
    place = panel.history.table.visualRect(last).center()
    qtbot.mouseClick(panel.history.table.viewport(), LEFT, pos=place)
    qtbot.mouseDClick(panel.history.table.viewport(), LEFT, pos=place)
    assert panel.desk.feed.run_id == runs[1].run_id
    assert shown == ["plots"]
    # an old run that is watched counts once
    qtbot.waitUntil(lambda: panel.desk.feed.status == "finished", timeout=5000)
    assert not panel.watch._waiting
    assert panel.watch.maps.readings[1, 1] == sum(int(part["Width (s)"].isna().sum()) for part in mine)


def show_state(panel, runs):
    panel.watch._take_maps(answer(pack_maps(die_state(runs)), len(runs)))


def test_levels_and_quantities_can_be_chosen(qtbot, runs, panel):
    show_state(panel, runs)
    panel.low_field.setText("1 uS")
    panel.high_field.setText("500 uS")
    panel.high_field.editingFinished.emit()
    assert panel.map.bar.levels() == pytest.approx((-6.0, np.log10(500e-6)))
    panel.is_log.setChecked(False)
    assert panel.map.bar.levels() == pytest.approx((1e-6, 500e-6))
    panel.high_field.setText("500 V")
    panel.high_field.editingFinished.emit()
    assert panel.high_field.property("refused")
    # said once, however often the map is drawn anew
    for _ in range(3):
        panel.draw()
    assert [sentence for _, sentence in panel.desk.sentences if "colour scale" in sentence] != []
    assert len(panel.desk.sentences) == 1
    for key in ("resistance", "current", "error", "change", "class"):
        panel.quantity_box.setCurrentIndex(panel.quantity_box.findData(key))
        assert not panel.high_field.property("refused")
    assert panel.map.image.image[0, 0] == CellClass.STUCK
    assert panel.map.image.image[1, 1] == CellClass.FORMED
    assert panel.map.image.image[2, 0] == CellClass.NOT_FORMED
    panel.bar.field.setText("not formed")
    qtbot.keyClick(panel.bar.field, Qt.Key.Key_Return)
    assert panel.desk.selection == block([2], range(3)) | block([0, 1], [2])


def test_cursor_tells_cell_and_value(qtbot, runs, panel):
    show_state(panel, runs)
    qtbot.mouseMove(panel.map.viewport(), at(panel, (0, 1)))
    assert panel.cursor_line.text().startswith("Row 0, column 1: conductance ")
    assert "S ·" in panel.cursor_line.text()
    assert "simulated" in panel.cursor_line.text()
    qtbot.mouseMove(panel.map.viewport(), at(panel, (9, 9)))
    assert "no value" in panel.cursor_line.text()
