"""Authority: ``Run.table()`` of the same file; the issue: a table of 1,000,000 rows, followed while it grows."""

import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QAbstractSlider

from labctl.gui.plots import table_model as table_model_module
from labctl.gui.plots.table_model import PAGE_ROWS
from labctl.gui.plots.table_panel import TablePanel
from labctl.store import RunHeader, RunWriter, open_run

COLUMNS = ("Event", "Row", "Voltage (V)", "Conductance (S)", "Flags")


def row(number):
    odd = number % 5 == 0
    values = ("read", number % 4, 0.2, None if odd else number * 1e-9 / 3, "overrange" if odd else None)
    return dict(zip(COLUMNS, values, strict=True))


def write(writer, first, count):
    writer.points([row(number) for number in range(first, first + count)])
    writer.flush()


@pytest.fixture
def run(root):
    writer = RunWriter.create(root, RunHeader("read_array", COLUMNS, simulated=True))
    yield writer
    writer.close()


@pytest.fixture
def panel(qtbot, desk):
    panel = TablePanel(desk)
    qtbot.addWidget(panel)
    panel.resize(900, 400)
    panel.show()
    return panel


def numbers_in_sight(panel):
    model = panel.model
    return [int(model.headerData(row, Qt.Orientation.Vertical)) for row in range(model.rowCount())]


def marked(panel):
    """Numbers of the points that are drawn as selected."""
    rows = panel.view.selectionModel().selectedRows()
    return [int(panel.model.headerData(index.row(), Qt.Orientation.Vertical)) for index in rows]


def test_panel_says_what_to_do_when_no_run_is_watched(panel):
    assert "No run is watched" in panel._nothing.text()
    assert panel._stack.currentIndex() == 0


def test_table_shows_every_value_when_asked_anywhere(qtbot, desk, panel, run):
    write(run, 0, 3000)
    desk.watch(run.path)
    qtbot.waitUntil(lambda: panel.model.total == 3000)
    expected = open_run(run.path).table()
    for place in (0, 255, 256, 1234, 2999):
        found = [panel.model.value(place, column) for column in range(len(COLUMNS))]
        wanted = [None if value != value else value for value in expected.iloc[place]]
        assert found == wanted
    panel.jump(1235)
    in_sight = numbers_in_sight(panel)
    index = panel.model.index(in_sight.index(1235), 3)
    # 1234e-9 / 3 S
    assert panel.model.data(index) == "411.333 nS"
    assert panel.model.data(index, Qt.ItemDataRole.ToolTipRole) == repr(1234 * 1e-9 / 3)
    assert panel.model.data(panel.model.index(in_sight.index(1231), 3)) == ""
    assert not panel._badge.isHidden()


def test_table_follows_the_tail_when_the_run_grows(qtbot, desk, panel, run):
    write(run, 0, 300)
    desk.watch(run.path)
    qtbot.waitUntil(lambda: panel.model.total == 300)
    # the half-filled page is read anew when it has grown
    assert panel.model.value(299, 2) == 0.2
    write(run, 300, 500)
    qtbot.waitUntil(lambda: panel.model.total == 800)
    assert [panel.model.value(place, 1) for place in (300, 511, 799)] == [0, 3, 3]
    bar = panel.view.bar
    qtbot.waitUntil(lambda: bar.value() == bar.maximum() > 700)
    panel._follow.setChecked(False)
    place = bar.value()
    write(run, 800, 500)
    qtbot.waitUntil(lambda: panel.model.total == 1300)
    qtbot.waitUntil(lambda: bar.maximum() > place + 400)
    assert bar.value() == place


def test_jump_shows_the_point_when_its_number_is_given(qtbot, desk, panel, run):
    write(run, 0, 3000)
    desk.watch(run.path)
    qtbot.waitUntil(lambda: panel.model.total == 3000)
    panel._number.setValue(1500)
    qtbot.keyClick(panel._number.lineEdit(), Qt.Key.Key_Return)
    assert panel.view.selected == range(1499, 1500)
    assert numbers_in_sight(panel)[0] < 1500 < numbers_in_sight(panel)[-1]
    assert marked(panel) == [1500]
    assert not panel._follow.isChecked()
    panel.jump(10**6)
    assert panel.view.selected == range(2999, 3000)
    assert numbers_in_sight(panel)[-1] == 3000


def test_table_selects_a_range_when_mouse_and_keys_say_so(qtbot, desk, panel, run):
    write(run, 0, 3000)
    desk.watch(run.path)
    qtbot.waitUntil(lambda: panel.model.total == 3000)
    view, body = panel.view, panel.view.viewport()
    view.bar.triggerAction(QAbstractSlider.SliderAction.SliderToMinimum)
    # who scrolls away is not drawn back to the end
    assert not panel._follow.isChecked()
    x = body.width() // 2
    fitting = len(numbers_in_sight(panel))
    qtbot.mouseClick(body, Qt.MouseButton.LeftButton, pos=QPoint(x, view.rowViewportPosition(3) + 2))
    assert marked(panel) == [4]
    view.bar.setValue(2000)
    assert numbers_in_sight(panel) == list(range(2001, 2001 + fitting))
    assert marked(panel) == []
    at = QPoint(x, view.rowViewportPosition(1) + 2)
    qtbot.mouseClick(body, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ShiftModifier, at)
    assert view.selected == range(3, 2002)
    assert marked(panel) == [2001, 2002]
    qtbot.keyClick(view, Qt.Key.Key_End)
    assert (view.selected, numbers_in_sight(panel)[-1]) == (range(2999, 3000), 3000)
    qtbot.keyClick(view, Qt.Key.Key_PageUp, Qt.KeyboardModifier.ShiftModifier)
    assert view.selected == range(2999 - fitting, 3000)
    assert numbers_in_sight(panel)[0] == 3000 - fitting
    qtbot.keyClick(view, Qt.Key.Key_Home)
    # dragged beyond the lower edge
    qtbot.mousePress(body, Qt.MouseButton.LeftButton, pos=QPoint(x, view.rowViewportPosition(2) + 2))
    qtbot.mouseMove(body, QPoint(x, body.height() + 50))
    qtbot.mouseRelease(body, Qt.MouseButton.LeftButton)
    assert view.selected == range(2, fitting + 1)
    qtbot.keyClick(view, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    assert view.selected == range(3000)


def test_table_knows_only_rows_in_sight_when_there_are_many(qtbot, desk, panel, run):
    write(run, 0, 3000)
    desk.watch(run.path)
    qtbot.waitUntil(lambda: panel.model.total == 3000)
    # what Qt lays out, and what grows with each row: issue 5, at most 1 MB per 1,000,000 points
    assert 3 < panel.model.rowCount() < 50
    before = panel.model.rowCount()
    panel.resize(900, 600)
    qtbot.waitUntil(lambda: panel.model.rowCount() > before)
    rows, height = panel.model.rowCount(), panel.view.viewport().height()
    assert panel.view.rowAt(height - panel.view.rowHeight(0)) == rows - 1
    panel.view.bar.setValue(panel.view.bar.maximum())
    assert numbers_in_sight(panel)[-1] == 3000
    panel.resize(900, 400)
    qtbot.waitUntil(lambda: panel.model.rowCount() == before)


def test_copy_gives_rows_with_all_digits_when_they_are_selected(qtbot, desk, panel, run):
    write(run, 0, 600)
    desk.watch(run.path)
    qtbot.waitUntil(lambda: panel.model.total == 600)
    panel.view.select_row(254)
    panel.view.select_row(257, extend=True)
    panel._copy.click()
    lines = QGuiApplication.clipboard().text().splitlines()
    assert lines[0].split("\t") == ["Point", *COLUMNS]
    assert lines[1].split("\t") == ["255", "read", "2", "0.2", repr(254 * 1e-9 / 3), ""]
    assert lines[2].split("\t") == ["256", "read", "3", "0.2", "", "overrange"]
    assert len(lines) == 5
    panel.view.clearSelection()
    panel._copy.click()
    assert ("error", "no row is selected: click rows, or drag over them, then copy") in desk.sentences


def test_model_keeps_few_pages_when_all_rows_are_visited(qtbot, desk, panel, run, monkeypatch):
    monkeypatch.setattr(table_model_module, "_PAGES", 3)
    write(run, 0, 3000)
    desk.watch(run.path)
    qtbot.waitUntil(lambda: panel.model.total == 3000)
    reads = []
    page = desk.feed.follower.page
    monkeypatch.setattr(desk.feed.follower, "page", lambda first, count: reads.append(first) or page(first, count))
    panel.model._pages.clear()
    for place in range(3000):
        panel.model.value(place, 2)
    assert len(panel.model._pages) == 3
    # the view may read pages of its own in between
    assert len(reads) == -(-3000 // PAGE_ROWS)


def test_panel_tells_why_when_the_file_is_gone(qtbot, desk, panel, run):
    write(run, 0, 600)
    desk.watch(run.path)
    qtbot.waitUntil(lambda: panel.model.total == 600)
    run.close()
    for path in run.path.parent.iterdir():
        path.unlink()
    panel.model._pages.clear()
    panel.model.value(0, 0)
    qtbot.waitUntil(lambda: any("is gone" in sentence for _, sentence in desk.sentences))
    desk.watch(None)
    assert panel.model is None
