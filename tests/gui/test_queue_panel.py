"""The queue's panel on a real queue; no run is started. Authority: issue 5, "Queue", and house rules of the window
(what fails is a sentence; simulated is said; keyboard).
"""

import os
import subprocess
import sys

import pytest
from qtpy.QtCore import QModelIndex, Qt
from qtpy.QtWidgets import QInputDialog, QMessageBox

from labctl.errors import StoreError
from labctl.gui.queue import queue_look, queue_panel
from labctl.gui.queue.queue_model import PERCENT_ROLE, PROGRESS, RUN, RUNS, STATE
from labctl.gui.queue.queue_panel import QueuePanel
from labctl.gui.queue.words import footer_words, span_words
from labctl.run.mailbox import mailbox_of
from labctl.run.queue.launch import take_worker_lock
from labctl.run.queue.remaining import RunProgressMark, progress_of_queue
from labctl.run.queue.turns import Turns
from labctl.store import RunHeader, RunWriter

STATION = "tiox-32x32"


@pytest.fixture
def turns(root):
    """The queue as its worker has it; a worker seems to be alive."""
    with Turns(root) as opened:
        lock = take_worker_lock(opened.folder)
        yield opened
        os.close(lock)


@pytest.fixture
def started(monkeypatch):
    """Count the workers that are asked for, without starting one."""
    asked = []
    monkeypatch.setattr(queue_look, "ensure_worker", asked.append)
    return asked


@pytest.fixture
def panel(qtbot, desk, turns, started):
    panel = QueuePanel(desk)
    qtbot.addWidget(panel)
    panel.show()
    yield panel
    panel.close()


@pytest.fixture
def run(root, turns):
    """The first item is running and has a run file."""

    def begin():
        turn = turns.begin()
        writer = RunWriter.create(root, RunHeader("read_array", ["Voltage (V)"], simulated=True))
        turns.note_run(turn, writer.run_id, writer.path, simulated=True)
        return turn, writer

    made = []
    yield lambda: made.append(begin()) or made[-1]
    for _, writer in made:
        writer.close()


def fill(turns, *labels, **options):
    return [turns.add("read_array", STATION, {"cells": "0,0", "read_voltage": "0.2 V"}, label=name, **options)
            for name in labels]  # fmt: skip


def shown(panel, column=RUN):
    return [panel.model.index(row, column).data() for row in range(panel.model.rowCount())]


def order(turns):
    return "".join(item.label for item in turns.items())


def test_list_says_what_where_and_how_often_when_somebody_else_adds(panel, turns, qtbot):
    assert not panel.view.isVisible()
    assert "Nothing is queued" in panel.empty.text()
    fill(turns, "night", repeat=3, estimate_s=120.0, simulated=True)
    qtbot.waitUntil(lambda: panel.model.rowCount() == 1, timeout=2000)
    assert shown(panel, STATE) == ["○ waiting"]
    assert shown(panel) == ["night (read_array), cells 0,0\nsimulated tiox-32x32: read_voltage 0.2 V"]
    assert (shown(panel, RUNS), shown(panel, PROGRESS)) == (["0 of 3"], ["about 6 min"])
    assert panel.footer.text() == "0 of 3 done, about 6 min left"
    tooltip = panel.model.index(0, RUN).data(Qt.ItemDataRole.ToolTipRole)
    assert "read_voltage = 0.2 V" in tooltip
    assert "estimated: 2 min" in tooltip


def test_nothing_is_read_again_when_nothing_changed(panel, turns, monkeypatch):
    fill(turns, "a")
    panel.look.look()
    monkeypatch.setattr(panel.look.queue, "items", lambda: pytest.fail("read again"))
    panel.look._look()


def test_buttons_change_the_queue(panel, turns, monkeypatch, started):
    fill(turns, *"abc")
    panel.look.look()
    panel.select(3)
    panel.buttons["up"].click()
    assert order(turns) == "acb"
    assert [item.id for item in panel.selected()] == [3]
    panel.buttons["down"].click()
    assert order(turns) == "abc"
    assert not panel.buttons["down"].isEnabled()
    panel.buttons["duplicate"].click()
    assert order(turns) == "abcc"
    panel.select(1, 2)
    assert not panel.buttons["edit"].isEnabled()
    monkeypatch.setattr(QMessageBox, "question", lambda *_: QMessageBox.StandardButton.Yes)
    panel.buttons["remove"].click()
    assert order(turns) == "cc"
    panel.select(3)
    monkeypatch.setattr(QInputDialog, "getInt", lambda *_: (7, True))
    panel.buttons["repeat"].click()
    assert turns.item(3).repeat == 7
    assert started, "somebody must work through what waits"


def test_keys_do_what_the_buttons_do(panel, turns, qtbot, monkeypatch):
    monkeypatch.setattr(QMessageBox, "question", lambda *_: QMessageBox.StandardButton.Yes)
    fill(turns, *"ab")
    panel.look.look()
    panel.select(2)
    panel.view.setFocus()
    for key, modifier, expected in (
        (Qt.Key.Key_Up, Qt.KeyboardModifier.ControlModifier, "ba"),
        (Qt.Key.Key_D, Qt.KeyboardModifier.ControlModifier, "bab"),
        (Qt.Key.Key_Delete, Qt.KeyboardModifier.NoModifier, "ba"),
    ):
        qtbot.keyClick(panel.view, key, modifier)
        assert order(turns) == expected
    # elsewhere they mean something else
    panel.select(1)
    panel.policy.setFocus()
    qtbot.keyClick(panel.policy, Qt.Key.Key_Delete)
    assert order(turns) == "ba"


@pytest.mark.parametrize(
    ("id", "row", "expected"), [(1, 3, "bca"), (3, 0, "cab"), (3, 1, "acb"), (1, 2, "bac"), (2, -1, "acb")]
)
def test_row_goes_where_it_is_dropped(panel, turns, id, row, expected):
    fill(turns, *"abc")
    panel.look.look()
    dragged = panel.model.mimeData([panel.model.index(id - 1, 0)])
    panel.model.dropMimeData(dragged, Qt.DropAction.MoveAction, row, 0, QModelIndex())
    assert order(turns) == expected


def test_waiting_items_are_taken_out_only_after_a_question(panel, turns, qtbot, monkeypatch):
    """Authority: an item that waits is nowhere else: Del took it away for good, unasked."""
    fill(turns, *"abc")
    turns.end(turns.begin(), "failed", "cells: 99,99 is outside the array")
    panel.look.look()
    asked, answers = [], [QMessageBox.StandardButton.No, QMessageBox.StandardButton.Yes]
    monkeypatch.setattr(QMessageBox, "question", lambda *told: asked.append(told[2]) or answers[len(asked) - 1])
    panel.select(2, 3)
    panel.view.setFocus()
    qtbot.keyClick(panel.view, Qt.Key.Key_Delete)
    assert order(turns) == "abc"
    # one question for all of them, which names them
    assert len(asked) == 1
    assert "these 2 waiting runs" in asked[0]
    assert "b (queue item 2) on tiox-32x32\nc (queue item 3) on tiox-32x32" in asked[0]
    qtbot.keyClick(panel.view, Qt.Key.Key_Delete)
    assert order(turns) == "a"
    # of what is over the run file tells
    panel.select(1)
    qtbot.keyClick(panel.view, Qt.Key.Key_Delete)
    assert order(turns) == ""
    assert len(asked) == 2


def test_item_is_offered_to_the_form_when_it_is_edited(panel, turns, desk, monkeypatch):
    offered = []
    monkeypatch.setattr(desk, "choose_station", lambda name: offered.append(name))
    desk.parameters_offered.connect(lambda *told: offered.append((*told, desk.editing_item)))
    desk.show_requested.connect(offered.append)
    fill(turns, "a")
    panel.look.look()
    panel.select(1)
    panel.buttons["edit"].click()
    values = {"cells": "0,0", "read_voltage": "0.2 V"}
    assert offered == [STATION, ("read_array", values, 1), "form"]
    panel.buttons["add"].click()
    assert desk.editing_item is None


def test_running_item_shows_its_bar_and_is_only_aborted_or_paused(panel, turns, run, desk, monkeypatch):
    monkeypatch.setattr(queue_look, "progress_of_run", lambda path: RunProgressMark(50.0, 5.0))
    fill(turns, "a", "b")
    _, writer = run()
    panel.look.look()
    panel.select(1)
    assert shown(panel, STATE)[0] == "▶ running"
    cell = panel.model.index(0, PROGRESS)
    assert cell.data(PERCENT_ROLE) == 50.0
    assert cell.data() == "50 %, less than 10 s left"
    assert "simulated" in shown(panel)[0]
    assert not panel.buttons["remove"].isEnabled()
    assert not panel.buttons["edit"].isEnabled()
    assert not panel.model.flags(cell) & Qt.ItemFlag.ItemIsDragEnabled
    assert not panel.grab().isNull()
    panel.pause.click()
    panel.abort_button.click()
    asks = mailbox_of(writer.path).read_text(encoding="utf-8")
    assert '"what": "pause"' in asks
    assert '"what": "abort"' in asks
    assert ("info", "read_array was asked to abort") in desk.sentences


def test_paused_run_can_be_continued(panel, turns, run, monkeypatch):
    fill(turns, "a")
    _, writer = run()
    monkeypatch.setattr(queue_look, "read_state", lambda path: {"state": "paused"})
    panel.look.look()
    assert shown(panel, STATE) == ["‖ paused"]
    assert panel.pause.text() == "&Continue"
    panel.pause.click()
    assert '"what": "continue"' in mailbox_of(writer.path).read_text(encoding="utf-8")


def test_run_without_a_file_is_not_asked(panel, turns, desk):
    fill(turns, "a")
    turns.begin()
    panel.look.look()
    assert shown(panel, STATE) == ["▷ starting"]
    panel.abort_button.click()
    assert desk.sentences[-1][0] == "error"
    assert "still opening its instruments; try again" in desk.sentences[-1][1]


def test_failure_is_told_in_its_row_and_the_held_queue_is_released(panel, turns, started):
    fill(turns, "a", "b")
    turns.end(turns.begin(), "failed", "cells: 99,99 is outside the array")
    panel.look.look()
    assert shown(panel)[0].endswith("\ncells: 99,99 is outside the array")
    panel.select(1)
    assert panel.detail.text() == "a (queue item 1): cells: 99,99 is outside the array"
    assert panel.buttons["edit"].isEnabled()
    assert "The queue is held: a (queue item 1) failed" in panel.banner.text()
    assert panel.hold.text() == "&Release the queue"
    panel.hold.click()
    assert not turns.is_held
    assert started
    assert not panel.banner.isVisible()
    panel.hold.click()
    assert turns.is_held
    panel.buttons["clear"].click()
    assert order(turns) == "b"


def test_policy_is_chosen(panel, turns):
    assert panel.policy.currentData() == "stop"
    panel.policy.setCurrentIndex(1)
    panel.policy.activated.emit(1)
    assert turns.policy == "continue"


def test_queue_that_nobody_works_through_says_so_and_is_started_by_hand(qtbot, desk, root, started):
    with Turns(root) as turns:
        fill(turns, "a")
        panel = QueuePanel(desk)
        qtbot.addWidget(panel)
        panel.show()
        assert not started, "opening a window must not start a run"
        assert "Nobody works through the queue" in panel.banner.text()
        panel.buttons["duplicate"].setEnabled(True)
        panel.select(1)
        panel.buttons["duplicate"].click()
        assert not started
        panel.hold.click()
        assert started == [root]
        panel.close()


def test_run_whose_worker_died_is_taken_up(qtbot, desk, root, started):
    with Turns(root) as turns:
        fill(turns, "a")
        turns.begin()
        panel = QueuePanel(desk)
        qtbot.addWidget(panel)
        panel.look._asked_s = -100.0
        panel.look._look()
        assert started == [root]
        panel.close()


def test_run_is_watched_when_its_row_is_opened(panel, turns, run, desk, monkeypatch):
    watched = []
    monkeypatch.setattr(desk, "watch", watched.append)
    fill(turns, "a")
    _, writer = run()
    panel.look.look()
    panel.view.activated.emit(panel.model.index(0, RUN))
    assert watched == [writer.path]


def test_unreadable_queue_is_told_once(panel, desk, monkeypatch):
    def fail():
        raise StoreError("queue.sqlite: the queue cannot be read; check the disk")

    monkeypatch.setattr(panel.look.queue, "version", fail)
    for _ in range(3):
        panel.look.look()
    assert desk.sentences == [("error", "queue.sqlite: the queue cannot be read; check the disk")]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(3, "less than 10 s"), (42, "40 s"), (59.9, "60 s"), (7800, "2 h 10 min"), (90, "2 min"), (273_600, "3 d 4 h")],
)
def test_spans_are_said_as_people_say_them(seconds, words):
    assert span_words(float(seconds)) == words


def test_footer_does_not_say_about_less(turns):
    fill(turns, "a", estimate_s=3.0)
    assert footer_words(progress_of_queue(turns.items(), None)) == "0 of 1 done, less than 10 s left"


def test_footer_adds_up_runs_and_their_times(turns):
    # by hand: 3 x 60 s are known, 2 are not
    fill(turns, "a", repeat=3, estimate_s=60.0)
    fill(turns, "b", repeat=2)
    assert (
        footer_words(progress_of_queue(turns.items(), None))
        == "0 of 5 done, about 3 min left, 2 of unknown length besides"
    )


def test_panel_is_imported_without_what_the_window_must_not_load():
    asked = "import sys, labctl.gui.queue.queue_panel; print(*sorted(sys.modules))"
    modules = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout.split()
    # principle 1 of the window
    assert not {"pyvisa", "pymeasure", "numba", "pandas", "scipy", "labctl_procedures"} & set(modules)
    assert queue_panel.__name__ in modules


def test_headings_say_what_they_mean(panel):
    role = Qt.ItemDataRole
    told = [panel.model.headerData(column, Qt.Orientation.Horizontal, role.ToolTipRole) for column in range(4)]
    assert all(told)
    assert panel.model.headerData(STATE, Qt.Orientation.Horizontal, role.DisplayRole) == "State"
    assert panel.model.headerData(0, Qt.Orientation.Vertical, role.DisplayRole) is None


def test_no_two_buttons_have_one_key(panel):
    buttons = [*panel.buttons.values(), panel.pause, panel.abort_button, panel.hold]
    keys = [button.text().partition("&")[2][:1].lower() for button in buttons]
    # of the label and of the button's other words
    keys += ["f", "c", "r"]
    assert sorted(set(keys)) == sorted(keys)
    assert "" not in keys
