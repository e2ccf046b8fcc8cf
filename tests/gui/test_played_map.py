"""The map and a cell's history while a run is played. Authority: issue 7, "plays a recorded run in the window as if it
were live (speed factor, step, jump)"; the values that the test wrote into three runs on one die.
"""

from datetime import datetime

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QMainWindow, QToolBar

from labctl.gui.answers.desk import ANSWERS
from labctl.gui.array.array_panel import ArrayPanel
from labctl.gui.play_bar import SPEEDS, PlayBar
from labctl.store.reader import Run

STATION, CELL, OTHER = "tiox-32x32", (0, 0), (5, 7)
BEFORE_S, PLAYED_S, NOW_S = 2e-5, (4e-5, 6e-5), 9e-5
# hours: nothing comes by itself while a test looks on, unless it is played quicker
TIMES_S = (0.0, 1000.0, 2000.0, 3000.0, 4000.0)


def read(cell, conductance_s, time_s=0.0):
    values = {"Event": "read", "Row": cell[0], "Column": cell[1], "Voltage (V)": 0.2, "Time (s)": time_s}
    return values | {"Conductance (S)": conductance_s, "Current (A)": 0.2 * conductance_s}


def pulse(cell, time_s):
    values = {"Event": "reset", "Row": cell[0], "Column": cell[1], "Voltage (V)": -1.0, "Time (s)": time_s}
    return values | {"Width (s)": 1e-4}


@pytest.fixture
def path(begin_run):
    """The second of three runs; its fourth row pulses the cell."""
    first = begin_run("read_array", 0.0)
    first.points([read(CELL, BEFORE_S), read(OTHER, BEFORE_S)])
    first.seal("finished", {})
    second = begin_run("program_array", 100.0)
    rows = read(OTHER, 7e-5), read(CELL, PLAYED_S[0]), read(OTHER, 8e-5), pulse(CELL, 0.0), read(CELL, PLAYED_S[1])
    second.points([row | {"Time (s)": time_s} for row, time_s in zip(rows, TIMES_S, strict=True)])
    second.seal("finished", {"failed_cells": [{"row": 5, "column": 7, "reason": "too weak"}]})
    third = begin_run("read_array", 5000.0)
    third.points([read(CELL, NOW_S, 9000.0), read(OTHER, NOW_S, 9000.0)])
    third.seal("finished", {})
    return second.path


@pytest.fixture
def panel(qtbot, desk, answers_here):
    desk.station = STATION
    desk._take_facts(ANSWERS["station_facts"](STATION))
    panel = ArrayPanel(desk)
    window = QMainWindow()
    tools = QToolBar(window)
    panel.bar_ = PlayBar(desk, tools)
    tools.addWidget(panel.bar_)
    window.addToolBar(tools)
    window.setCentralWidget(panel)
    window.resize(1300, 700)
    qtbot.addWidget(window)
    window.show()
    yield panel
    assert [sentence for severity, sentence in desk.sentences if severity == "error"] == []


def click(qtbot, button):
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def drag(bar, part):
    bar.slider.setValue(round(part * bar.slider.maximum()))
    bar.slider.sliderReleased.emit()


def wait_for(qtbot, panel, conductance_s, history, *, played):
    """Until the map shows this of the cell, and the table beside it these voltages."""

    def is_there():
        drawn = 10.0 ** panel.map.image.image[CELL]
        voltages_v = panel.history.rows.columns["Voltage (V)"].tolist()
        return drawn == pytest.approx(conductance_s) and voltages_v == history and bool(panel.watch.played) == played

    qtbot.waitUntil(is_there)
    assert panel.played_badge.isVisible() == played
    assert ("NOT as it is now" in panel.facts_line.text()) == played
    assert ("played" in panel.history.title.text()) == played


def test_map_and_history_follow_the_run_that_is_played_and_return(qtbot, desk, panel, path):
    bar = panel.bar_
    desk.select([CELL], CELL)
    wait_for(qtbot, panel, NOW_S, [0.2, 0.2, -1.0, 0.2, 0.2], played=False)
    desk.play(path)
    wait_for(qtbot, panel, BEFORE_S, [0.2], played=True)
    assert panel.watch.maps.conductance_s[OTHER] == 7e-5
    assert "up to point 1" in panel.facts_line.text()
    click(qtbot, bar.step_button)
    wait_for(qtbot, panel, PLAYED_S[0], [0.2, 0.2], played=True)
    drag(bar, 1.0 - 1e-3)
    wait_for(qtbot, panel, PLAYED_S[0], [0.2, 0.2, -1.0], played=True)
    # a verdict that the run gave at its end is not known in its midst
    assert panel.watch.maps.reasons == {}
    # back: what was played after that place is forgotten
    drag(bar, 0.1)
    wait_for(qtbot, panel, BEFORE_S, [0.2], played=True)
    assert panel.watch.maps.pulses[CELL] == 0
    drag(bar, 0.6)
    wait_for(qtbot, panel, PLAYED_S[0], [0.2, 0.2], played=True)
    assert panel.watch.maps.conductance_s[OTHER] == 8e-5
    # values are as old as they are, though they are shown now
    started_s = datetime.fromisoformat(Run(path).header["started_utc"]).timestamp()
    assert panel.watch.maps.measured_utc_s[OTHER] == pytest.approx(started_s + 2000.0, abs=0.01)
    assert panel.history.rows.columns["utc_s"][-1] == pytest.approx(started_s + 1000.0, abs=0.01)
    bar.speed_box.setCurrentIndex(SPEEDS.index(10000.0))
    click(qtbot, bar.pause_button)
    wait_for(qtbot, panel, NOW_S, [0.2, 0.2, -1.0, 0.2, 0.2], played=False)
    assert desk.feed.status == "finished"


def test_map_shows_the_die_as_it_is_when_the_replay_is_ended(qtbot, desk, panel, path):
    desk.select([CELL], CELL)
    desk.play(path, 2500.0, is_paused=True)
    wait_for(qtbot, panel, PLAYED_S[0], [0.2, 0.2], played=True)
    click(qtbot, panel.bar_.end_button)
    wait_for(qtbot, panel, NOW_S, [0.2, 0.2, -1.0, 0.2, 0.2], played=False)
    desk.play(path, 2500.0, is_paused=True)
    wait_for(qtbot, panel, PLAYED_S[0], [0.2, 0.2], played=True)
    desk.watch(None)
    wait_for(qtbot, panel, NOW_S, [0.2, 0.2, -1.0, 0.2, 0.2], played=False)


def test_map_is_of_now_when_the_next_run_measures_before_the_scanner_has_answered(
    qtbot, desk, panel, path, begin_run, monkeypatch
):
    desk.select([CELL], CELL)
    desk.play(path, 2500.0, is_paused=True)
    wait_for(qtbot, panel, PLAYED_S[0], [0.2, 0.2], played=True)
    live = begin_run("read_array", 10_000.0)
    live.point(read(CELL, 3e-5))
    live.flush()
    held, ask = [], desk.scanner.ask
    monkeypatch.setattr(desk.scanner, "ask", lambda *what, **more: held.append((what, more)))
    desk.watch(live.path)
    qtbot.waitUntil(lambda: panel.watch.live is desk.feed and panel.watch.maps.conductance_s[CELL] == 3e-5)
    monkeypatch.setattr(desk.scanner, "ask", ask)
    for what, more in held:
        ask(*what, **more)
    # by the time at which each was measured: the rows of the others are of hours that are still to come
    wait_for(qtbot, panel, 3e-5, [0.2, 0.2, 0.2, -1.0, 0.2, 0.2], played=False)
    assert panel.watch.maps.conductance_s[OTHER] == NOW_S


def test_history_is_that_of_the_cell_that_was_chosen_before_the_station_was_known(qtbot, desk, panel, path):
    desk._take_facts(None)
    desk.select([CELL], CELL)
    desk._take_facts(ANSWERS["station_facts"](STATION))
    wait_for(qtbot, panel, NOW_S, [0.2, 0.2, -1.0, 0.2, 0.2], played=False)


def test_panel_that_comes_late_shows_what_was_played_so_far(qtbot, desk, panel, path):
    desk.select([CELL], CELL)
    desk.play(path, 2500.0, is_paused=True)
    qtbot.waitUntil(lambda: desk.feed.count == 3)
    late = ArrayPanel(desk)
    qtbot.addWidget(late)
    late.show()
    wait_for(qtbot, late, PLAYED_S[0], [0.2, 0.2], played=True)
    assert late.watch.maps.conductance_s[OTHER] == 8e-5


def test_run_from_elsewhere_is_played_on_a_die_of_which_nothing_is_known(qtbot, desk, panel, path, tmp_path):
    elsewhere = path.rename(tmp_path / path.name)
    desk.select([CELL], CELL)
    wait_for(qtbot, panel, NOW_S, [0.2, 0.2], played=False)
    desk.play(elsewhere, 1500.0, is_paused=True)
    wait_for(qtbot, panel, PLAYED_S[0], [0.2], played=True)
    assert np.isfinite(panel.watch.maps.conductance_s).sum() == 2


def test_panel_says_so_when_the_run_that_is_played_is_of_another_die(qtbot, desk, panel, path):
    wait_for(qtbot, panel, NOW_S, [], played=False)
    desk.station = "ecram-32x32"
    desk._take_facts(ANSWERS["station_facts"]("ecram-32x32"))
    desk.play(path, 2500.0, is_paused=True)
    qtbot.waitUntil(lambda: desk.feed.count == 3)
    qtbot.waitUntil(lambda: "played is of another die" in panel.facts_line.text())
    assert not panel.watch.played
    assert not np.isfinite(panel.watch.maps.conductance_s).any()
