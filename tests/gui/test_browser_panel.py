"""The run browser with real widgets and processes. Authority: the issue's list of what it does, the run files."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QFileDialog, QMessageBox

from labctl.gui.browser.browser_panel import BrowserPanel
from labctl.gui.browser.overlay import OverlayDialog
from labctl.gui.browser.run_columns import COLUMNS
from labctl.gui.commands import Finished
from labctl.run.queue.turns import Turns
from labctl.store import ParameterRecord, Run, RunHeader, RunWriter
from labctl.store.catalogue import Catalogue
from labctl.store.notes import Notes, read_notes, write_notes

HEADINGS = [column.heading for column in COLUMNS]
LABELS = ("Row", "Column", "Voltage (V)", "Current (A)")


def begin_run(root, procedure="read_array", *, cells=((0, 0), (0, 1)), simulated=True):
    facts = {"sample": {"name": "wafer 7"}, "seed": 3 if simulated else None}
    parameter = ParameterRecord("read_voltage", "Read voltage", 0.2, "V", "200 mV")
    writer = RunWriter.create(root, RunHeader(procedure, LABELS, [parameter], "tiox-32x32", simulated, facts))
    for number, (row, column) in enumerate(cells):
        writer.point({"Row": row, "Column": column, "Voltage (V)": 0.1 * number, "Current (A)": -1e-6 * number})
    writer.flush()
    return writer


def make_run(root, *arguments, status="finished", **named):
    writer = begin_run(root, *arguments, **named)
    writer.seal(status, {})
    return writer.path


@pytest.fixture
def shown(desk, qtbot):
    """Open the panel and wait until it has read everything."""

    def open_panel(*, is_known=True):
        if is_known:
            with Catalogue(desk.root) as catalogue:
                catalogue.refresh()
        panel = BrowserPanel(desk)
        qtbot.addWidget(panel)
        panel.resize(1400, 500)
        panel.show()
        count = len(list(desk.root.glob("*.run.sqlite")))
        qtbot.waitUntil(lambda: panel.table.rowCount() == count and panel.feed.is_settled, timeout=15000)
        opened.append(panel)
        return panel

    opened = []
    yield open_panel
    for panel in opened:
        panel.feed.close()


def texts(panel, heading):
    column = HEADINGS.index(heading)
    return [panel.table.index(row, column).data() for row in range(panel.table.rowCount())]


def select(panel, *paths):
    panel.view.clearSelection()
    for path in paths:
        panel._kept = {path.name}, 0
        panel._select_again()


def test_panel_lists_every_file_newest_first_when_opened(shown, root, qtbot):
    first = make_run(root)
    second = make_run(root, "sweep_iv", status="failed", simulated=False)
    (root / "20200101-000000-x-0000.run.sqlite").write_bytes(b"no run")
    newer = make_run(root)
    with closing(sqlite3.connect(newer)) as connection:
        connection.execute("PRAGMA user_version = 99")
    panel = shown(is_known=False)
    facts = zip(*(texts(panel, name) for name in ("Status", "Bench", "Die")), strict=True)
    rows = dict(zip(texts(panel, "Run"), facts, strict=True))
    newer_id = newer.name.removesuffix(".run.sqlite")
    # of a file that cannot be read only the second in its name is known
    assert [run_id for run_id in rows if run_id != newer_id] == [
        Run(second).run_id,
        Run(first).run_id,
        "20200101-000000-x-0000",
    ]
    assert rows[Run(first).run_id] == ("finished", "simulated", "seed 3")
    assert rows[Run(second).run_id] == ("failed", "real", "")
    assert rows[newer_id] == ("newer version", "", "")
    assert rows["20200101-000000-x-0000"] == ("damaged", "", "")
    place = panel.table.index(panel.table.row_of(newer.name), 0)
    tip = place.data(Qt.ItemDataRole.ToolTipRole)
    assert "install a newer labctl" in tip
    qtbot.waitUntil(lambda: panel.status.text() == "4 runs", timeout=10000)
    select(panel, newer)
    assert not panel.buttons["open"].isEnabled()
    assert "install a newer labctl" in panel.detail.facts.toPlainText()


def test_fields_of_the_filter_combine_when_filled(shown, root, qtbot):
    first = make_run(root, cells=[(3, 4)])
    make_run(root, cells=[(3, 4)], simulated=False)
    make_run(root, "sweep_iv")
    write_notes(first, Notes("odd corner", ("good",)))
    panel = shown()
    bar = panel.filter_bar
    bar.cell.setText("3,4")
    qtbot.waitUntil(lambda: panel.table.rowCount() == 2)
    bar.bench.setCurrentIndex(bar.bench.findText("simulated"))
    assert panel.table.rowCount() == 1
    assert panel.status.text() == "1 of 3 runs"
    qtbot.keyClicks(bar.text, "ODD wafer")
    qtbot.keyClick(bar.text, Qt.Key.Key_Return)
    assert texts(panel, "Run") == [Run(first).run_id]
    bar.tag.setCurrentIndex(bar.tag.findText("good"))
    bar.die.setCurrentIndex(bar.die.findText("seed 3"))
    assert panel.table.rowCount() == 1
    bar.procedure.setCurrentIndex(bar.procedure.findText("sweep_iv"))
    assert panel.table.rowCount() == 0
    assert "press Show all" in panel.status.text()
    bar.clear_button.click()
    assert panel.table.rowCount() == 3
    for field, wrong in ((bar.cell, "3"), (bar.since, "yesterday"), (bar.until, "31.1.")):
        field.setText(wrong)
        qtbot.keyClick(field, Qt.Key.Key_Return)
        assert field.property("refused") == "true"
        assert repr(wrong) in field.toolTip()
        assert panel.table.rowCount() == 3
        field.clear()
        qtbot.keyClick(field, Qt.Key.Key_Return)
        assert field.property("refused") == "false"
    bar.until.setText("2020-01-01")
    qtbot.keyClick(bar.until, Qt.Key.Key_Return)
    assert panel.table.rowCount() == 0


def test_run_is_seen_to_grow_and_end_and_the_selection_stays_when_others_come(shown, root, qtbot):
    old = make_run(root)
    panel = shown()
    select(panel, old)
    writer = begin_run(root)
    qtbot.waitUntil(lambda: texts(panel, "Status") == ["running", "finished"], timeout=10000)
    assert [entry.path for entry in panel.selected()] == [old]
    select(panel, writer.path)
    assert not panel.buttons["trash"].isEnabled()
    writer.point({"Row": 1})
    writer.seal("aborted", {}, error="enough")
    qtbot.waitUntil(lambda: texts(panel, "Status") == ["aborted", "finished"], timeout=10000)
    assert texts(panel, "Points") == ["3", "2"]
    assert panel.buttons["resume"].isEnabled()
    old.unlink()
    qtbot.waitUntil(lambda: texts(panel, "Status") == ["aborted"], timeout=10000)


def test_run_shows_as_interrupted_when_its_process_was_killed_and_no_file_changed(shown, root, qtbot):
    code = (
        "import sys, time; from pathlib import Path; from labctl.store import RunHeader, RunWriter;"
        "RunWriter.create(Path(sys.argv[1]), RunHeader('read_array', ['Row'])); print('begun', flush=True); input()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert child.stdout.readline() == "begun\n"
        panel = shown()
        panel.desk.runs_changed.disconnect(panel.feed.refresh)
        # the first look of the scanner was before the kill
        qtbot.waitUntil(lambda: panel._total == 1 and not panel.feed._is_asking, timeout=15000)
        assert texts(panel, "Status") == ["running"]
    finally:
        child.kill()
        child.communicate()
    qtbot.waitUntil(lambda: texts(panel, "Status") == ["interrupted"], timeout=15000)


def test_run_is_watched_when_opened_by_enter_or_double_click(shown, root, desk, qtbot):
    first, second = make_run(root), make_run(root)
    raised = []
    desk.show_requested.connect(raised.append)
    panel = shown()
    select(panel, first)
    panel.view.setFocus()
    qtbot.keyClick(panel.view, Qt.Key.Key_Return)
    assert desk.feed.path == first
    place = panel.view.visualRect(panel.table.index(panel.table.row_of(second.name), 1)).center()
    qtbot.mouseClick(panel.view.viewport(), Qt.MouseButton.LeftButton, pos=place)
    qtbot.mouseDClick(panel.view.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert desk.feed.path == second
    assert raised == ["plots", "plots"]


def test_note_is_kept_beside_the_file_when_saved_or_another_run_is_selected(shown, root, qtbot):
    first, second = make_run(root), make_run(root)
    before = first.read_bytes()
    panel = shown()
    select(panel, first)
    panel.detail.note.setPlainText("needle lifted")
    panel.detail.tags.setText("good, corner good")
    panel.detail.save_button.click()
    qtbot.waitUntil(lambda: texts(panel, "Note")[1] == "needle lifted", timeout=10000)
    assert read_notes(first) == Notes("needle lifted", ("good", "corner"))
    assert first.read_bytes() == before
    assert panel.filter_bar.tag.findText("corner") > 0
    panel.detail.note.setPlainText("needle lifted twice")
    select(panel, second)
    assert panel.detail.note.toPlainText() == ""
    qtbot.waitUntil(lambda: read_notes(first).text == "needle lifted twice", timeout=10000)


def test_form_is_filled_when_a_run_is_to_be_done_again(shown, root, desk, qtbot):
    path = make_run(root)
    panel = shown()
    select(panel, path)
    with qtbot.waitSignal(desk.parameters_offered, timeout=10000) as offered:
        panel.buttons["again"].click()
    assert offered.args == ["read_array", {"read_voltage": "200 mV"}]
    assert desk.station == "tiox-32x32"


def test_rest_of_a_run_goes_through_the_queue_when_resumed(shown, root, desk, monkeypatch):
    path = make_run(root, status="aborted")
    panel = shown()
    select(panel, path)
    asked = []
    monkeypatch.setattr(desk.commands, "start", lambda arguments, done, what: asked.append((arguments, done)))
    panel.buttons["resume"].click()
    ((arguments, done),) = asked
    assert arguments == ["queue", "resume", str(path), "--first", "-o", str(root)]
    raised = []
    desk.show_requested.connect(raised.append)
    done(Finished(2, "", "labctl: cannot be resumed: start a new run\n"))
    assert desk.sentences[-1] == ("error", "cannot be resumed: start a new run")
    done(Finished(0, "item 1", ""))
    assert raised == ["queue"]


@pytest.fixture
def aborted(root):
    """A run of the queue that was aborted, and whose rest was put into the queue; its end is not noted yet."""
    path = make_run(root, status="aborted")
    with Turns(root) as queue:
        queue.add("read_array", "tiox-32x32", {})
        turn = queue.begin()
        queue.note_run(turn, Run(path).run_id, path, simulated=True)
        queue.add("read_array", "tiox-32x32", {}, resume_of=str(path), first=True)
    return path, turn


def resume(panel, path, monkeypatch):
    monkeypatch.setattr("labctl.gui.browser.run_actions.ensure_worker", lambda root: None)
    started = []
    monkeypatch.setattr(panel.desk.commands, "start", lambda arguments, done, what: started.append(done))
    select(panel, path)
    panel.buttons["resume"].click()
    started[0](Finished(0, "item 2", ""))


def test_rest_of_a_run_goes_on_by_itself_when_nothing_else_waits(shown, root, desk, qtbot, aborted, monkeypatch):
    """Authority: README, "*Resume* goes on where it stopped"; the worker holds the queue when it notes the abort."""
    path, turn = aborted
    panel = shown()
    resume(panel, path, monkeypatch)
    with Turns(root) as queue:
        # later than the press
        queue.end(turn, "aborted", "abort was pressed")
        assert queue.is_held
        qtbot.waitUntil(lambda: not queue.is_held)
        assert queue.begin().item.resume_of == str(path)
    assert desk.sentences[-1] == ("info", f"the rest of run {Run(path).run_id} is in the queue and is its next run")


def test_rest_of_a_run_waits_and_says_why_when_other_runs_are_held_too(shown, root, desk, qtbot, aborted, monkeypatch):
    path, turn = aborted
    with Turns(root) as queue:
        queue.end(turn, "aborted", "abort was pressed")
        queue.add("sweep_iv", "tiox-32x32", {})
        resume(shown(), path, monkeypatch)
        qtbot.waitUntil(lambda: any("the rest of run" in sentence for _, sentence in desk.sentences))
        severity, sentence = desk.sentences[-1]
        assert severity == "warning"
        assert "the queue is held (" in sentence
        assert "release it in the queue panel" in sentence
        assert queue.is_held


def test_runs_go_to_the_trash_and_come_back_when_asked(shown, root, desk, qtbot, monkeypatch):
    first, second = make_run(root), make_run(root)
    panel = shown()
    desk.watch(first)
    asked = []
    answers = [QMessageBox.StandardButton.No, QMessageBox.StandardButton.Yes]
    monkeypatch.setattr(QMessageBox, "question", lambda *a: asked.append(a[2]) or answers[len(asked) - 1])
    select(panel, first)
    panel.view.setFocus()
    qtbot.keyClick(panel.view, Qt.Key.Key_Delete)
    assert first.is_file()
    qtbot.keyClick(panel.view, Qt.Key.Key_Delete)
    qtbot.waitUntil(lambda: panel.table.rowCount() == 1, timeout=10000)
    assert not first.exists()
    assert second.is_file()
    assert len(asked) == 2
    assert desk.feed is None
    panel.buttons["restore"].click()
    qtbot.waitUntil(lambda: panel.table.rowCount() == 2, timeout=10000)
    assert first.is_file()


def test_overlay_draws_the_points_of_each_run_when_several_are_selected(shown, root, desk, qtbot, monkeypatch):
    paths = [make_run(root, "sweep_iv", cells=[(0, 0)] * count) for count in (5, 9)]
    panel = shown()
    select(panel, *paths)
    assert panel.detail.title.text() == "2 runs"
    panel.buttons["overlay"].click()
    dialog = panel.findChild(OverlayDialog)
    qtbot.waitUntil(lambda: len(dialog._points) == 2, timeout=10000)
    assert (dialog.x_box.currentText(), dialog.y_box.currentText()) == ("Voltage (V)", "Current (A)")
    for number, entry in enumerate(dialog.entries):
        x, y = dialog._curves[number].getData()
        table = Run(entry.path).table()
        np.testing.assert_array_equal(x, table["Voltage (V)"])
        np.testing.assert_array_equal(y, table["Current (A)"])
    assert "simulated" in dialog.legend.item(0).text()
    dialog.log_y.setChecked(True)
    dialog.absolute.setChecked(True)
    assert len(dialog._curves[0].getOriginalDataset()[0]) == 8, "what is zero has no place on a logarithmic axis"
    dialog.legend.item(0).setCheckState(Qt.CheckState.Unchecked)
    assert dialog._curves[0].getData()[0] is None
    dialog.x_box.setCurrentIndex(dialog.x_box.findText("Point"))
    qtbot.waitUntil(lambda: len(dialog._points) == 2, timeout=10000)
    np.testing.assert_array_equal(dialog._curves[1].getOriginalDataset()[0], np.arange(2, 6))
    asked = []
    monkeypatch.setattr(desk.commands, "start", lambda arguments, done, what: asked.append((arguments, done)))
    opened = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(url.toLocalFile()) or True)
    dialog.compare_button.click()
    ((arguments, done),) = asked
    assert arguments == ["compare", *(str(entry.path) for entry in dialog.entries), "-o", str(root / "reports")]
    done(Finished(0, f"{root}/reports/page.html\n", ""))
    assert opened == [f"{root}/reports/page.html"]
    dialog.close()


@pytest.mark.slow
def test_export_and_report_write_their_files_when_asked(shown, root, desk, tmp_path, qtbot, monkeypatch):
    path = make_run(root, cells=[(row, 0) for row in range(3)])
    panel = shown()
    select(panel, path)
    chosen = (str(tmp_path / "out.csv"), "CSV, points with provenance (*.csv)")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a, **named: chosen)
    panel.buttons["export"].click()
    qtbot.waitUntil(lambda: (tmp_path / "out.csv").is_file(), timeout=20000)
    opened = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(url.toLocalFile()) or False)
    panel.buttons["report"].click()
    qtbot.waitUntil(lambda: bool(opened), timeout=30000)
    assert os.path.isfile(opened[0])
    assert opened[0].endswith(".html")
    assert "open " + opened[0] in desk.sentences[-1][1]


@pytest.mark.parametrize(
    ("kind", "family"), [("Metal-oxide device (*.toml)", "metal_oxide"), ("ECRAM device (*.toml)", "ecram")]
)
def test_device_is_fitted_to_the_selected_runs(kind, family, shown, root, desk, tmp_path, monkeypatch):
    paths = {make_run(root, "map_pulses", cells=[(0, 0)]), make_run(root, "sweep_iv", cells=[(0, 0)])}
    panel = shown()
    assert not panel.buttons["fit"].isEnabled()
    select(panel, *paths)
    asked = []
    monkeypatch.setattr(desk.commands, "start", lambda arguments, done, what: asked.append((arguments, done)))
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a, **named: (str(tmp_path / "mine"), kind))
    panel.buttons["fit"].click()
    ((arguments, done),) = asked
    assert arguments[0] == "fit"
    assert set(arguments[1:3]) == {str(path) for path in paths}
    assert arguments[3:] == ["--model", family, "-o", str(tmp_path / "mine.toml"), "-q"]
    done(Finished(0, f"{tmp_path}/mine.toml\n", ""))
    assert f"{tmp_path}/mine.toml" in desk.sentences[-1][1]


def test_rows_follow_the_heading_when_it_is_clicked(shown, root):
    make_run(root, "sweep_iv", cells=[(0, 0)] * 12)
    kept = make_run(root, "form_dc", cells=[(0, 0)] * 3)
    make_run(root, "read_array", cells=[(0, 0)] * 100)
    panel = shown()
    select(panel, kept)
    panel.view.sortByColumn(HEADINGS.index("Points"), Qt.SortOrder.AscendingOrder)
    assert texts(panel, "Points") == ["3", "12", "100"]
    assert [entry.path for entry in panel.selected()] == [kept]
    panel.view.sortByColumn(HEADINGS.index("Procedure"), Qt.SortOrder.DescendingOrder)
    assert texts(panel, "Procedure") == ["sweep_iv", "read_array", "form_dc"]
    assert [entry.path for entry in panel.selected()] == [kept]
    # a run that changes may change places
    panel.table.take([replace(panel.table.known[kept.name], procedure="zzz")])
    panel.table.arrange(None)
    assert texts(panel, "Procedure") == ["zzz", "sweep_iv", "read_array"]
    assert [entry.path for entry in panel.selected()] == [kept]


def test_table_is_filled_anew_when_the_catalogue_was_deleted(shown, root, qtbot):
    lost = make_run(root)
    panel = shown()
    lost.unlink()
    for file in Catalogue(root).path.parent.iterdir():
        file.unlink()
    fresh = make_run(root)
    panel.feed.refresh()
    qtbot.waitUntil(lambda: texts(panel, "Run") == [Run(fresh).run_id], timeout=10000)


def test_empty_data_root_says_what_to_do_when_there_is_no_run(shown):
    assert "there is no run here yet" in shown().status.text()


def test_run_can_be_resumed_in_the_list_as_soon_as_the_watched_one_has_ended(shown, root, desk, qtbot):
    writer = begin_run(root)
    panel = shown()
    select(panel, writer.path)
    assert texts(panel, "Status") == ["running"]
    desk.watch(writer.path)
    qtbot.waitUntil(lambda: desk.feed.status == "running", timeout=10000)
    qtbot.waitUntil(lambda: not panel.feed._is_asking, timeout=30000)
    # what looks every second or two finds it later, or never on a file system without times
    desk._looking.stop()
    panel.feed._looking.stop()
    writer.seal("aborted", {})
    qtbot.waitUntil(lambda: texts(panel, "Status") == ["aborted"], timeout=30000)
    assert panel.buttons["resume"].isEnabled()
