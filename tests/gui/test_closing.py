"""Closing the window while something is under way. Authority: issue 5: "Closing it with a run in progress asks: keep
running, or stop safely"; an auditor's list of what it did not ask about.
"""

import json
import sys

import pytest

from labctl.gui.closing import Choice
from labctl.run.mailbox import mailbox_of
from labctl.run.queue.store import RunQueue
from labctl.run.queue.turns import Turns
from labctl.store import RunHeader, RunWriter

HEADER = RunHeader("sweep_iv", ("Row", "Voltage (V)"), station="single-device", simulated=True)


def said(window):
    return [entry.sentence for entry in window.log.model.entries]


@pytest.mark.parametrize(("button", "is_open"), [("&Cancel", True), ("&Keep it running", False)])
def test_closing_asks_and_leaves_the_run_alone_when_it_is_kept(
    open_window, qtbot, live_run, button, is_open, answer_question
):
    window = open_window("single-device")
    qtbot.waitUntil(lambda: bool(window.running.runs), timeout=5000)
    seen = []
    answer_question(button, seen)
    window.close()
    assert "sweep_iv on single-device (simulated)" in seen[0]
    assert window.isVisible() is is_open
    assert not mailbox_of(live_run.path).exists()


def test_closing_stops_the_run_holds_the_queue_and_closes_when_that_is_chosen(
    open_window, qtbot, live_run, root, answer_question
):
    with RunQueue(root) as queue:
        queue.add("sweep_iv", "single-device", {})
    window = open_window("single-device")
    qtbot.waitUntil(lambda: bool(window.running.runs), timeout=5000)
    answer_question("&Stop safely", [])
    window.close()
    qtbot.waitUntil(lambda: mailbox_of(live_run.path).exists(), timeout=5000)
    assert json.loads(mailbox_of(live_run.path).read_text())["what"] == "abort"
    with RunQueue(root) as queue:
        assert queue.is_held
    qtbot.wait(300)
    # not before the run has ended: its outputs may still be on
    assert window.isVisible()
    live_run.seal("aborted", {})
    qtbot.waitUntil(lambda: not window.isVisible(), timeout=5000)


def test_closing_asks_at_once_about_a_run_that_the_window_has_not_heard_of(open_window, qtbot, root, answer_question):
    """Authority: an auditor closed the window unasked in the second before it looked again."""
    window = open_window("single-device")
    qtbot.waitUntil(lambda: window.running._known is not None)
    writer = RunWriter.create(root, HEADER)
    seen = []
    answer_question("&Cancel", seen)
    window.close()
    assert "sweep_iv on single-device (simulated)</b> is under way" in seen[0]
    assert window.isVisible()
    writer.seal("finished", {})


def test_closing_asks_about_the_watched_run_when_it_is_of_another_data_root(
    open_window, qtbot, tmp_path, answer_question
):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    writer = RunWriter.create(elsewhere, HEADER)
    window = open_window("single-device")
    window.desk.watch(writer.path)
    seen = []
    answer_question("&Cancel", seen)
    window.close()
    assert "is under way" in seen[0]
    writer.seal("finished", {})
    seen.clear()
    window.close()
    assert seen == []
    assert not window.isVisible()


def test_closing_asks_about_a_run_that_is_being_started_and_stops_it_once_it_has_a_file(
    open_window, qtbot, root, answer_question
):
    window = open_window("single-device")
    with Turns(root) as queue:
        queue.add("sweep_iv", "single-device", {}, simulated=True)
        turn = queue.begin()
        seen = []
        answer_question("&Stop safely", seen)
        window.close()
        assert "sweep_iv on single-device (simulated)</b> is being started" in seen[0]
        qtbot.wait(300)
        assert window.isVisible()
        assert queue.is_held
        writer = RunWriter.create(root, HEADER)
        queue.note_run(turn, writer.run_id, writer.path, simulated=True)
        qtbot.waitUntil(lambda: mailbox_of(writer.path).exists())
        assert window.isVisible()
        writer.seal("aborted", {})
    qtbot.waitUntil(lambda: not window.isVisible())


def test_closing_aborts_a_run_once_when_the_queue_has_not_noted_its_file_yet(
    open_window, qtbot, live_run, root, answer_question
):
    """Authority: labctl.run.mailbox: a second abort is one without the consent of the procedure."""
    window = open_window("single-device")
    with Turns(root) as queue:
        queue.add("sweep_iv", "single-device", {})
        turn = queue.begin()
        answer_question("&Stop safely", [])
        window.close()
        qtbot.waitUntil(lambda: mailbox_of(live_run.path).exists())
        queue.note_run(turn, live_run.run_id, live_run.path, simulated=True)
        qtbot.wait(300)
        assert len(mailbox_of(live_run.path).read_text().splitlines()) == 1
        live_run.seal("aborted", {})
    qtbot.waitUntil(lambda: not window.isVisible())


def test_closing_asks_about_a_run_whose_turn_is_next_and_keeps_it_back(open_window, qtbot, root, answer_question):
    window = open_window("single-device")
    with Turns(root) as queue:
        queue.add("sweep_iv", "single-device", {})
        seen = []
        answer_question("&Stop safely", seen)
        window.close()
        qtbot.waitUntil(lambda: not window.isVisible())
        assert "is being started" in seen[0]
        assert queue.begin() is None


def test_closing_stops_no_run_that_the_question_has_not_named(open_window, qtbot, live_run, root, monkeypatch):
    window = open_window("single-device")
    others = []

    def ask(runs, _):
        assert [run.run_id for run in runs] == [live_run.run_id]
        # while the question stands
        others.append(RunWriter.create(root, HEADER))
        return Choice.STOP

    monkeypatch.setattr("labctl.gui.main_window.ask_about_runs", ask)
    window.close()
    qtbot.waitUntil(lambda: mailbox_of(live_run.path).exists())
    live_run.seal("aborted", {})
    qtbot.waitUntil(lambda: not window.isVisible())
    (other,) = others
    assert not mailbox_of(other.path).exists()
    other.seal("finished", {})


def test_closing_asks_about_a_command_and_leaves_it_to_itself(
    open_window, qtbot, monkeypatch, tmp_path, answer_question
):
    done = tmp_path / "done"
    script = f"import time, pathlib; time.sleep(1.0); pathlib.Path({str(done)!r}).touch()"
    monkeypatch.setattr("labctl.gui.commands.labctl_command", lambda *_: [sys.executable, "-c", script])
    window = open_window("single-device")
    window.all_off.button.click()
    for button, is_open in (("&Wait in the window", True), ("&Close, let it go on", False)):
        seen = []
        answer_question(button, seen)
        window.close()
        assert "ALL OUTPUTS OFF of single-device" in seen[0]
        assert "read back as off" in seen[0]
        assert window.isVisible() is is_open
    assert not done.exists()
    qtbot.waitUntil(done.exists)


def test_closing_stays_open_and_says_what_to_do_when_the_run_does_not_end(
    open_window, qtbot, live_run, monkeypatch, answer_question
):
    monkeypatch.setattr("labctl.gui.closing._PATIENCE_S", 0.3)
    window = open_window("single-device")
    qtbot.waitUntil(lambda: bool(window.running.runs), timeout=5000)
    answer_question("&Stop safely", [])
    window.close()
    qtbot.waitUntil(lambda: any("ALL OUTPUTS OFF" in sentence for sentence in said(window)), timeout=5000)
    assert window.isVisible()


def test_closing_asks_nothing_when_nothing_runs(open_window, qtbot):
    window = open_window("single-device")
    qtbot.wait(50)
    window.close()
    assert not window.isVisible()
