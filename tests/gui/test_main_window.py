"""Authority: issue 5 (layout kept, closing asks, reattaching, two windows, what is simulated says so, keyboard)."""

import json
from importlib import import_module
from types import SimpleNamespace

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QLabel, QPushButton

from labctl.gui import panels
from labctl.run.mailbox import mailbox_of
from labctl.store import RunHeader, RunWriter

HEADER = RunHeader("sweep_iv", ("Row", "Voltage (V)"), station="single-device", simulated=True)


def said(window):
    return [entry.sentence for entry in window.log.model.entries]


def test_window_begins_with_the_start_page_alone_when_no_station_was_ever_chosen(open_window):
    window = open_window()
    assert window.start_page.isVisible()
    assert not any(dock.isVisible() for dock in window.panels.docks.values())
    assert window.windowTitle() == "labctl"
    # the key that is nearest to a newcomer's finger
    assert window.focusWidget() is window.start_page.curve_button


def test_window_says_simulated_in_title_and_status_bar_when_the_station_is(open_window, qtbot, root):
    window = open_window("single-device")
    qtbot.waitUntil(lambda: window.windowTitle() == "single-device (simulated) - labctl", timeout=5000)
    labels = [label.text() for label in window.statusBar().findChildren(QLabel)]
    assert "single-device (simulated)" in labels
    assert any(label.startswith("runs in ") for label in labels)
    assert not window.start_page.isVisible()
    assert window.station_box.currentText() == "single-device (simulated)"


def test_panel_loads_only_when_it_is_first_seen(open_window, qtbot):
    window = open_window("single-device")
    places = window.panels.places
    qtbot.waitUntil(lambda: places["form"].panel is not None, timeout=5000)
    assert places["manual"].panel is None
    window.desk.show("manual")
    assert places["manual"].panel is not None
    qtbot.waitUntil(lambda: not window.panels.docks["manual"].visibleRegion().isEmpty())


def test_panel_that_cannot_be_loaded_says_so_in_its_place_and_leaves_the_others(open_window, qtbot):
    window = open_window("single-device")
    window.desk.show("array")
    label = window.panels.places["array"].findChild(QLabel)
    assert "the panel Array cannot be shown" in label.text()
    assert "libthing.so.1" in label.text()
    assert any("the panel Array cannot be shown" in sentence for sentence in said(window))
    window.desk.show("plots")
    assert window.panels.places["plots"].panel is not None


def test_keys_raise_panels_and_the_list_of_keys_names_them(open_window, qtbot, answer_question):
    window = open_window("single-device")
    shortcuts = {
        action.shortcut().toString(): action for action in window.findChildren(type(window.menu.scheme_actions["dark"]))
    }
    for number, entry in enumerate(panels.PANELS, 1):
        if entry.name == "array":
            continue
        shortcuts[f"Ctrl+{number}"].trigger()
        qtbot.waitUntil(lambda name=entry.name: not window.panels.docks[name].visibleRegion().isEmpty())
    seen = []
    answer_question("OK", seen)
    shortcuts["F1"].trigger()
    for keys in ("Ctrl+R", "Ctrl+.", "Ctrl+Shift+O", "Ctrl+1", "F1"):
        assert keys in seen[0]
    assert {"Ctrl+.", "Ctrl+Shift+O"} <= set(shortcuts)


def test_run_key_presses_the_forms_own_button(open_window, qtbot):
    window = open_window("single-device")
    window.desk.show("form")
    button = QPushButton("Run", window.panels.places["form"])
    button.setObjectName("run")
    with qtbot.waitSignal(button.clicked, timeout=1000):
        window.run_form()


def test_keys_of_a_panel_do_nothing_when_it_is_behind_another(open_window, qtbot):
    """Authority: Alt and a letter pressed nothing, because panels behind had the same letter."""
    window = open_window("single-device")
    for front, behind in (("log", "form"), ("form", "log")):
        window.desk.show(front)
        qtbot.waitUntil(lambda front=front: window.panels.places[front].panel.isVisible())
        qtbot.waitUntil(
            lambda behind=behind: (
                window.panels.places[behind].panel is None or not window.panels.places[behind].panel.isVisible()
            )
        )


def test_right_docks_stay_as_wide_when_the_window_grows(open_window, qtbot):
    """Authority: they took 45 % of a window of 1600 pixels; they grew by themselves at every layout."""
    window = open_window("single-device")
    window.resize(1280, 800)
    window.reset_layout()
    station = window.panels.docks["station"]
    qtbot.waitUntil(lambda: 0.25 * 1280 < station.width() < 0.31 * 1280)
    qtbot.wait(100)
    assert 0.25 * 1280 < station.width() < 0.31 * 1280
    width = station.width()
    for size in ((1600, 1000), (1900, 1000), (1280, 800)):
        window.resize(*size)
        qtbot.wait(100)
        assert station.width() == width


def test_window_comes_back_as_it_was_left(open_window, qtbot):
    window = open_window("single-device")
    window.panels.docks["station"].hide()
    window.menu.scheme_actions["dark"].trigger()
    window.resize(1111, 777)
    window.close()
    again = open_window()
    assert again.desk.station == "single-device"
    assert again.desk.theme.is_dark
    assert not again.start_page.isVisible()
    qtbot.waitUntil(lambda: again.panels.docks["form"].isVisible())
    assert not again.panels.docks["station"].isVisible()
    again.reset_layout()
    assert again.panels.docks["station"].isVisible()


@pytest.fixture
def real_plots(monkeypatch, loaded):
    """The panel of plots is the real one."""
    name = "labctl.gui.plots.plots_panel"
    monkeypatch.setattr(panels, "import_module", lambda one: import_module(one) if one == name else loaded(one))


@pytest.fixture
def sweep(root):
    """A run that has ended, whose procedure gets two plots at first."""
    columns = ("Event", "Cycle", "Voltage (V)", "Current (A)", "Time (s)")
    writer = RunWriter.create(root, RunHeader("sweep_iv", columns, station="single-device", simulated=True))
    for number in range(50):
        values = ("sweep", number // 25, 0.02 * number, 1e-6 * number, 0.1 * number)
        writer.point(dict(zip(columns, values, strict=True)))
    writer.seal("finished", {})
    return writer.path


def watch_plots(window, qtbot, path, count):
    window.desk.watch(path)
    window.show_panel("plots")
    plots = window.panels.places["plots"].panel
    qtbot.waitUntil(lambda: len(plots.frames) == count and all(frame.count for frame in plots.frames))
    # no layout is under way
    qtbot.waitUntil(lambda: not (plots._placing.isActive() or plots._sharing.isActive()))
    qtbot.wait(50)
    return plots


def plots_seen(plots):
    """What each plot shows and where, by the name of its dock."""
    docks = [frame.parentWidget() for frame in plots.frames]
    return {
        dock.objectName(): (dock.widget().choice, dock.isFloating(), dock.windowTitle(), dock.geometry().getRect())
        for dock in docks
    }


def assert_same_plots(seen, wanted):
    assert seen.keys() == wanted.keys()
    for name, (choice, is_floating, title, place) in wanted.items():
        assert seen[name][:3] == (choice, is_floating, title)
        # to the width of a handle
        assert np.abs(np.subtract(seen[name][3], place)).max() <= 6, (name, seen[name], place)


@pytest.mark.parametrize("width", [1280, 1900])
def test_plots_come_back_where_they_stood_when_the_window_is_opened_again(
    open_window, qtbot, real_plots, sweep, root, width
):
    window = open_window("single-device")
    window.resize(width, 900)
    plots = watch_plots(window, qtbot, sweep, 2)
    at_first = plots_seen(plots)
    qtbot.mouseClick(plots.frames[0]._log_x, Qt.MouseButton.LeftButton, pos=QPoint(8, 8))
    plots._list_kinds()
    next(one for one in plots._add_menu.actions() if one.text() == "Over time").trigger()
    first, second, third = (frame.parentWidget() for frame in plots.frames)
    plots._area.addDockWidget(Qt.DockWidgetArea.BottomDockWidgetArea, first)
    plots._area.tabifyDockWidget(second, third)
    plots._area.resizeDocks([second, first], [600, 100], Qt.Orientation.Vertical)
    if width > 1500:
        for number, dock in enumerate((second, third)):
            dock.setFloating(True)
            dock.setGeometry(100 + 50 * number, 120, 500, 300)
    wanted = plots_seen(watch_plots(window, qtbot, sweep, 3))
    # another procedure has plots of its own
    other = RunWriter.create(root, RunHeader("read_array", ("Row", "Column", "Conductance (S)")))
    other.point({"Row": 0, "Column": 0, "Conductance (S)": 1e-5})
    other.seal("finished", {})
    watch_plots(window, qtbot, other.path, 1)
    assert_same_plots(plots_seen(watch_plots(window, qtbot, sweep, 3)), wanted)
    window.close()
    again = open_window("single-device")
    again.resize(width, 900)
    plots = watch_plots(again, qtbot, sweep, 3)
    assert_same_plots(plots_seen(plots), wanted)
    again.reset_layout()
    assert_same_plots(plots_seen(watch_plots(again, qtbot, sweep, 2)), at_first)
    again.close()
    third = open_window("single-device")
    third.resize(width, 900)
    assert_same_plots(plots_seen(watch_plots(third, qtbot, sweep, 2)), at_first)


@pytest.mark.parametrize("kept", ["nonsense", '{"choices": {"plot-1": {"kind": "Pie"}}}', '{"choices": []}', "[]"])
def test_plots_are_the_first_ones_when_what_was_kept_cannot_be_read(open_window, qtbot, real_plots, sweep, kept):
    window = open_window("single-device")
    window.desk.settings.setValue("plots/sweep_iv", kept)
    assert len(watch_plots(window, qtbot, sweep, 2).frames) == 2
    assert not [entry for entry in window.log.model.entries if entry.severity == "error"]


def test_window_watches_a_run_that_is_under_way_when_it_opens_and_says_so(open_window, qtbot, live_run):
    window = open_window()
    qtbot.waitUntil(lambda: window.desk.feed is not None, timeout=5000)
    assert window.desk.feed.run_id == live_run.run_id
    assert any("under way" in sentence and live_run.run_id in sentence for sentence in said(window))
    qtbot.waitUntil(lambda: window.run_bar.state_label.text() == "Running", timeout=5000)
    assert window.run_bar.badge.isVisible()
    assert window.run_bar.abort_button.isEnabled()


def test_window_watches_the_next_run_when_the_watched_one_has_ended(open_window, qtbot, live_run, root):
    window = open_window("single-device")
    qtbot.waitUntil(lambda: window.desk.feed is not None and window.desk.feed.status == "running", timeout=5000)
    live_run.seal("finished", {})
    qtbot.waitUntil(lambda: window.desk.feed.status == "finished", timeout=5000)
    following = RunWriter.create(root, HEADER)
    window.running.look()
    qtbot.waitUntil(lambda: window.desk.feed.run_id == following.run_id, timeout=5000)
    following.seal("finished", {})


def test_window_leaves_an_old_run_in_sight_and_offers_the_new_one_when_the_user_chose_it(open_window, qtbot, root):
    old = RunWriter.create(root, HEADER)
    old.seal("finished", {})
    window = open_window("single-device")
    qtbot.wait(50)
    window.desk.watch(old.path)
    qtbot.waitUntil(lambda: window.desk.feed.status == "finished", timeout=5000)
    new = RunWriter.create(root, HEADER)
    window.running.look()
    qtbot.waitUntil(window.run_bar.other_button.isVisible, timeout=5000)
    assert window.desk.feed.run_id == old.run_id
    assert "sweep_iv" in window.run_bar.other_button.text()
    qtbot.mouseClick(window.run_bar.other_button, Qt.MouseButton.LeftButton)
    assert window.desk.feed.run_id == new.run_id
    new.seal("finished", {})


def test_bar_offers_not_to_watch_the_run_that_is_watched_when_the_list_of_runs_is_late(open_window, qtbot, live_run):
    window = open_window()
    qtbot.waitUntil(lambda: window.desk.feed is not None and window.desk.feed.is_live and bool(window.running.runs))
    (late,) = window.running.runs
    live_run.seal("finished", {})
    qtbot.waitUntil(lambda: window.desk.feed.status == "finished")
    window.running.runs = [late]
    window.running.changed.emit([late])
    assert not window.run_bar.other_button.isVisible()


def test_bar_asks_the_run_to_pause_and_to_end_when_its_buttons_are_pressed(open_window, qtbot, live_run):
    window = open_window("single-device")
    bar = window.run_bar
    qtbot.waitUntil(bar.pause_button.isVisible, timeout=5000)
    qtbot.mouseClick(bar.pause_button, Qt.MouseButton.LeftButton)
    assert not bar.pause_button.isEnabled()
    assert bar.abort_button.isEnabled()
    qtbot.mouseClick(bar.abort_button, Qt.MouseButton.LeftButton)
    asked = [json.loads(line) for line in mailbox_of(live_run.path).read_text().splitlines()]
    assert [ask["what"] for ask in asked] == ["pause", "abort"]
    assert "window" in asked[1]["by"]
    assert bar.state_label.text() == "Ending …"
    live_run.seal("aborted", {})
    qtbot.waitUntil(lambda: bar.state_label.text() == "Aborted", timeout=5000)
    assert not bar.abort_button.isVisible()


def test_bar_says_so_when_there_is_nothing_to_abort(open_window):
    window = open_window("single-device")
    window.run_bar.abort()
    assert any("nothing to abort" in sentence for sentence in said(window))


def test_bar_shows_how_far_the_run_is_when_it_tells(open_window, qtbot, live_run):
    window = open_window("single-device")
    live_run.percent = 25.0

    def is_shown():
        # marks are written now and then, not with every point
        live_run.points([{"Row": 0, "Voltage (V)": 0.2}])
        return window.run_bar.bar.value() == 250

    qtbot.waitUntil(is_shown, timeout=8000)
    qtbot.waitUntil(lambda: window.run_bar.left_label.text().endswith("left"), timeout=5000)


def test_second_window_says_that_there_is_another_when_the_data_root_is_the_same(open_window, tmp_path):
    first = open_window("single-device")
    second = open_window("single-device")
    assert not any("another window" in sentence for sentence in said(first))
    assert any("another window" in sentence for sentence in said(second))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert not any("another window" in sentence for sentence in said(open_window(root=elsewhere)))
    for window in (first, second):
        window.close_unasked()
    assert not any("another window" in sentence for sentence in said(open_window("single-device")))


def test_values_reach_the_form_when_they_are_offered_before_it_was_loaded(open_window, qtbot, monkeypatch, loaded):
    taken = []

    class Form(QLabel):
        def __init__(self, desk, parent=None):
            super().__init__("a form", parent)
            desk.parameters_offered.connect(lambda *offered: taken.append(offered))

    form = SimpleNamespace(FormPanel=Form)
    monkeypatch.setattr(panels, "import_module", lambda name: form if "form" in name else loaded(name))
    window = open_window()
    window.desk.offer("sweep_iv", {"cycles": "3"})
    qtbot.waitUntil(lambda: taken == [("sweep_iv", {"cycles": "3"})], timeout=2000)
