"""Playing a run in the window. Authority: issue "Replay, and the digital twin": a recorded run as if it were live, with
speed factor, step and jump; the rows and times of the run file; nothing of it may be taken for a measurement.
"""

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QMainWindow, QToolBar

from labctl.gui.array.die_watch import DieWatch
from labctl.gui.browser.browser_panel import BrowserPanel
from labctl.gui.play_bar import SPEEDS, PlayBar
from labctl.gui.plots.plots_panel import PlotsPanel
from labctl.gui.run_bar import RunBar
from labctl.gui.running_runs import RunningRuns
from labctl.store import RunHeader, RunWriter
from labctl.store.catalogue import Catalogue

WAIT_MS = 20_000
COLUMNS = ("Event", "Row", "Column", "Voltage (V)", "Current (A)", "Time (s)")
# hours: nothing comes by itself while a test looks on, unless it is played quicker
TIMES_S = (0.0, 0.0, 1000.0, 2000.0, 2000.0, 4000.0)


@pytest.fixture
def path(root):
    header = RunHeader("my_own", COLUMNS, station="tiox-32x32", simulated=True)
    writer = RunWriter.create(root, header)
    for number, time_s in enumerate(TIMES_S):
        writer.point(dict(zip(COLUMNS, ("sweep", 0, 0, 0.1 * number, 1e-6 * number, time_s), strict=True)))
    writer.seal("finished", {})
    return writer.path


@pytest.fixture
def bar(desk, qtbot):
    window = QMainWindow()
    tools = QToolBar(window)
    bar = PlayBar(desk, tools)
    tools.addWidget(bar)
    window.addToolBar(tools)
    window.resize(1000, 60)
    qtbot.addWidget(window)
    window.show()
    bar.window_ = window
    return bar


def count_is(desk, qtbot, count):
    qtbot.waitUntil(lambda: desk.feed is not None and desk.feed.count == count, timeout=WAIT_MS)


def click(qtbot, button):
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def test_bar_is_there_only_while_a_replay_is_watched(desk, bar, path, qtbot):
    assert not bar.isVisible()
    desk.watch(path)
    count_is(desk, qtbot, 6)
    assert not bar.isVisible()
    desk.play(path)
    count_is(desk, qtbot, 2)
    assert bar.isVisible()
    assert bar.name_label.text() == f"<b>Replay of</b> {desk.feed.run_id} (simulated)"
    assert desk.feed.status == "running"
    click(qtbot, bar.end_button)
    count_is(desk, qtbot, 6)
    assert not bar.isVisible()
    assert desk.feed.player is None


def test_run_plays_to_its_end_when_it_is_made_fast(desk, bar, path, qtbot):
    seen = []
    desk.feed_changed.connect(lambda feed: feed and feed.batch.connect(lambda batch: seen.append(batch.count)))
    desk.play(path)
    count_is(desk, qtbot, 2)
    bar.speed_box.setCurrentIndex(SPEEDS.index(10000.0))
    qtbot.waitUntil(lambda: desk.feed.status == "finished", timeout=WAIT_MS)
    assert desk.feed.count == 6
    assert sum(seen) == 6
    qtbot.waitUntil(lambda: bar.time_label.text() == "4 ks of 4 ks", timeout=WAIT_MS)
    # the label rounds: it says so a little before the end
    qtbot.waitUntil(lambda: not bar.step_button.isEnabled(), timeout=WAIT_MS)


def test_rows_of_the_next_moment_come_when_step_is_pressed(desk, bar, path, qtbot):
    desk.play(path)
    count_is(desk, qtbot, 2)
    for count in (3, 5, 6):
        click(qtbot, bar.step_button)
        count_is(desk, qtbot, count)
    assert bar.pause_button.text().replace("&", "") == "Go on"


def test_paused_replay_stands_still_until_it_goes_on(desk, bar, path, qtbot):
    desk.play(path, speed=1000.0)
    click(qtbot, bar.pause_button)
    at_s = bar.player.position_s
    qtbot.waitUntil(lambda: desk.feed.status == "paused", timeout=WAIT_MS)
    qtbot.wait(300)
    assert bar.player.position_s == at_s
    click(qtbot, bar.pause_button)
    qtbot.waitUntil(lambda: bar.player.position_s > at_s, timeout=WAIT_MS)


def test_plots_begin_again_when_the_replay_jumps_back(desk, bar, path, qtbot):
    plots = PlotsPanel(desk)
    qtbot.addWidget(plots)
    plots.show()
    desk.play(path)
    count_is(desk, qtbot, 2)
    assert "replay of" in plots._title.text()
    first = desk.feed
    bar.slider.setValue(600)
    bar.slider.sliderReleased.emit()
    count_is(desk, qtbot, 5)
    assert desk.feed is first
    click(qtbot, bar.pause_button)
    bar.slider.setValue(300)
    bar.slider.sliderReleased.emit()
    count_is(desk, qtbot, 3)
    assert desk.feed is not first
    assert desk.feed.player.is_paused
    qtbot.waitUntil(lambda: {frame.taken for frame in plots.frames} == {3}, timeout=WAIT_MS)


def test_nothing_is_asked_of_a_run_that_is_played(desk, path, qtbot, root):
    run_bar = RunBar(desk, RunningRuns(desk))
    qtbot.addWidget(run_bar)
    run_bar.show()
    watch = DieWatch(desk)
    desk.play(path)
    count_is(desk, qtbot, 2)
    assert run_bar.name_label.text().startswith("replay of my_own")
    assert not run_bar.abort_button.isVisible()
    before = {file.name: file.read_bytes() for file in root.iterdir() if file.name.endswith(".sqlite")}
    run_bar.abort()
    assert desk.sentences[-1][0] == "warning"
    desk.feed.player.jump(4000.0)
    count_is(desk, qtbot, 6)
    # the map shows the cells as they are now
    assert watch.live is None
    desk.watch(None)
    assert {file.name: file.read_bytes() for file in root.iterdir() if file.name.endswith(".sqlite")} == before


def test_selected_run_is_played_from_the_list(desk, bar, path, qtbot):
    with Catalogue(desk.root) as catalogue:
        catalogue.refresh()
    panel = BrowserPanel(desk)
    qtbot.addWidget(panel)
    panel.show()
    qtbot.waitUntil(lambda: panel.table.rowCount() == 1, timeout=WAIT_MS)
    panel.view.selectRow(0)
    click(qtbot, panel.buttons["play"])
    count_is(desk, qtbot, 2)
    assert bar.isVisible()
    panel.feed.close()


def test_reason_is_told_when_a_run_cannot_be_played(desk, bar, root):
    writer = RunWriter.create(root, RunHeader("my_own", COLUMNS))
    desk.play(writer.path)
    assert desk.feed is None
    assert desk.sentences[-1] == (
        "error",
        f"run {writer.path.name.removesuffix('.run.sqlite')} goes on: watch it, and play it when it has ended",
    )
    writer.seal("finished", {})
