"""Authority: issue 5 ("log panel with filters, errors as plain sentences with a remedy"); the run file's own events."""

import logging
import threading

import pytest
from qtpy.QtGui import QGuiApplication

from labctl.gui.log_entries import EntryModel, LogEntry
from labctl.gui.log_panel import LogPanel
from labctl.gui.slots import guarded_slot
from labctl.store import RunHeader, RunWriter


@pytest.fixture
def panel(qtbot, desk):
    panel = LogPanel(desk)
    qtbot.addWidget(panel)
    panel.resize(900, 200)
    panel.show()
    yield panel
    panel.close_log()


def sentences(panel):
    return [panel.shown.entry_at(row).sentence for row in range(panel.shown.rowCount())]


def test_log_shows_what_the_desk_tells_when_it_tells_it(panel, desk):
    desk.tell("info", "a note")
    desk.tell("error", "station x: no such file; see `labctl stations`")
    assert sentences(panel) == ["a note", "station x: no such file; see `labctl stations`"]
    # a word, not the colour alone
    shown = panel.shown.index(1, 2).data()
    assert shown.startswith("Error: ")


def test_log_shows_only_errors_when_the_other_buttons_are_off(panel, desk):
    for severity in ("info", "warning", "error"):
        desk.tell(severity, severity)
    panel.severity_buttons["info"].click()
    panel.severity_buttons["warning"].click()
    assert sentences(panel) == ["error"]
    panel.severity_buttons["warning"].click()
    assert sentences(panel) == ["warning", "error"]


def test_log_shows_matching_lines_when_a_text_is_typed(panel, desk, qtbot):
    desk.tell("info", "sweep_iv starts")
    desk.tell("info", "the queue is held")
    qtbot.keyClicks(panel.text_edit, "QUEUE")
    assert sentences(panel) == ["the queue is held"]


def test_log_shows_one_source_when_it_is_chosen(panel, desk):
    desk.tell("info", "said by the window")
    logging.getLogger("pyqtgraph.thing").warning("said by a library")
    panel.source_box.setCurrentIndex(panel.source_box.findData("pyqtgraph"))
    assert sentences(panel) == ["said by a library"]


def test_log_keeps_the_newest_in_sight_when_lines_come_unless_the_user_scrolled_up(panel, desk, qtbot):
    for number in range(200):
        desk.tell("info", f"line {number}")
    bar = panel.view.verticalScrollBar()
    qtbot.waitUntil(lambda: bar.maximum() > 0 and bar.value() == bar.maximum())
    bar.setValue(0)
    desk.tell("info", "one more")
    assert bar.value() == 0


def test_log_copies_all_that_is_shown_when_nothing_is_selected(panel, desk):
    desk.tell("warning", "one")
    desk.tell("info", "two")
    panel.copy()
    lines = QGuiApplication.clipboard().text().splitlines()
    assert [line.split("\t")[1:] for line in lines] == [["warning", "window", "one"], ["note", "window", "two"]]
    panel.view.selectRow(1)
    panel.copy()
    assert QGuiApplication.clipboard().text().endswith("two")
    assert "one" not in QGuiApplication.clipboard().text()


def test_log_shows_one_line_with_the_traceback_behind_it_when_a_slot_fails(panel, desk):
    class Owner:
        def __init__(self):
            self.desk = desk

        @guarded_slot
        def fail(self):
            raise ValueError("width: must be positive, got 0 s; raise it")

    Owner().fail()
    assert sentences(panel) == ["width: must be positive, got 0 s; raise it"]
    panel.view.selectRow(0)
    assert panel.details.isVisible()
    assert "Traceback" in panel.details.toPlainText()
    assert "in fail" in panel.details.toPlainText()


def test_log_takes_records_when_they_come_from_another_thread(panel, qtbot):
    thread = threading.Thread(target=lambda: logging.getLogger("labctl.gui.test").error("from a thread"))
    thread.start()
    thread.join()
    with qtbot.waitSignal(panel.noticed, timeout=2000) as noticed:
        pass
    assert noticed.args == ["error", "from a thread"]
    assert sentences(panel) == ["from a thread"]


def test_log_takes_nothing_more_when_it_was_closed(panel):
    panel.close_log()
    logging.getLogger("labctl.gui.test").error("too late")
    assert sentences(panel) == []


def test_log_shows_the_events_of_a_run_once_when_it_is_watched_twice(panel, desk, root, qtbot):
    writer = RunWriter.create(root, RunHeader("read_array", ("Row", "Voltage (V)")))
    for number in range(3):
        writer.event("warning", f"event {number}")
    writer.flush()
    desk.watch(writer.path)
    qtbot.waitUntil(lambda: len(sentences(panel)) >= 3, timeout=5000)
    desk.watch(None)
    writer.event("info", "event 3")
    writer.flush()
    desk.watch(writer.path)
    qtbot.waitUntil(lambda: "event 3" in sentences(panel), timeout=5000)
    assert [line for line in sentences(panel) if line.startswith("event")] == [f"event {n}" for n in range(4)]
    desk.watch(None)
    writer.seal("finished", {})


def test_model_forgets_the_oldest_when_there_are_too_many(qtbot, desk):
    model = EntryModel(desk.theme)
    for start in range(0, 21_000, 1000):
        model.add([LogEntry("00:00:00", "info", "window", str(start + n)) for n in range(1000)])
    assert model.rowCount() == 19_000
    assert model.entries[-1].sentence == "20999"
