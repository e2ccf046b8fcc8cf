"""Authority: the rows of the run file, counted and compared one by one; the issue's list of plots."""

import csv
import sqlite3
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from qtpy.QtCore import QPointF, Qt
from qtpy.QtGui import QImage

from labctl.errors import StoreError
from labctl.gui.plots import series as series_module
from labctl.gui.plots.choice import CELL, Choice, Kind, kinds_of
from labctl.gui.plots.plots_panel import PlotsPanel
from labctl.store import RunHeader, RunWriter, open_run

COLUMNS = (
    "Event", "Row", "Column", "Cycle", "Voltage (V)", "Width (s)", "Current (A)", "Conductance (S)", "Time (s)",
)  # fmt: skip


def row(number):
    """A pulse, then a reading, of cell after cell."""
    is_pulse = number % 2 == 0
    cell = number // 2 % 30
    values = (
        "set" if is_pulse else "read",
        cell // 6,
        cell % 6,
        number // 100,
        1.5 if is_pulse else 0.2,
        1e-6 if is_pulse else None,
        None if is_pulse else 0.2e-6 * (1 + number % 7),
        None if is_pulse else 1e-6 * (1 + number % 7),
        number * 0.01,
    )
    return dict(zip(COLUMNS, values, strict=True))


def sweep(number):
    voltage = float(np.sin(number / 25))
    values = ("sweep", 0, 0, number // 157, voltage, 1e-3, voltage**3 * 1e-6, None, number * 0.01)
    return dict(zip(COLUMNS, values, strict=True))


def write(writer, first, count, make=row):
    for start in range(first, first + count, 500):
        writer.points([make(number) for number in range(start, min(start + 500, first + count))])
    writer.flush()


@pytest.fixture
def new_run(root):
    writers = []

    def make(procedure, *, simulated=True):
        writers.append(RunWriter.create(root, RunHeader(procedure, COLUMNS, simulated=simulated)))
        return writers[-1]

    yield make
    for writer in writers:
        writer.close()


@pytest.fixture
def panel(qtbot, desk):
    panel = PlotsPanel(desk)
    qtbot.addWidget(panel)
    panel.resize(1000, 500)
    panel.show()
    yield panel
    assert [sentence for severity, sentence in desk.sentences if severity == "error"] == []


def drawn(pane):
    """What pyqtgraph was given to draw: x and y by curve."""
    return {key: (curve.xData, curve.yData) for key, curve in pane._curves.items()}


def settled(panel, count):
    return all(frame.taken == count and not frame._is_stale for frame in panel.frames)


def test_panel_says_what_to_do_when_no_run_is_watched(panel):
    assert "No run is watched" in panel._nothing.text()
    assert panel._stack.currentIndex() == 0
    assert not panel._add.isEnabled()
    with pytest.raises(ValueError, match="no run is watched"):
        panel.add_plot(Choice(Kind.COLUMNS))


def test_sweep_gets_a_linear_and_a_logarithmic_curve_when_it_is_watched(qtbot, desk, panel, new_run):
    run = new_run("sweep_iv")
    desk.watch(run.path)
    linear, logarithmic = panel.frames
    qtbot.waitUntil(lambda: "Waiting for the first point" in linear._message.text())
    write(run, 0, 600, sweep)
    qtbot.waitUntil(lambda: settled(panel, 600))
    table = open_run(run.path).table()
    for cycle in range(4):
        part = table[table["Cycle"] == cycle]
        x, y = drawn(linear.panes[0])["Current (A)", f"cycle {cycle}"]
        np.testing.assert_array_equal(x, part["Voltage (V)"])
        np.testing.assert_array_equal(y, part["Current (A)"])
        x, y = drawn(logarithmic.panes[0])["Current (A)", f"cycle {cycle}"]
        good = part[part["Current (A)"] != 0.0]
        np.testing.assert_allclose(y, np.log10(np.abs(good["Current (A)"])))
    assert logarithmic.panes[0].item.getAxis("left").labelText.startswith("|Current|")
    assert linear._stack.currentIndex() == 1
    assert run.run_id in linear.title
    assert linear.title.endswith("simulated")
    assert not panel._badge.isHidden()


def test_real_run_is_not_called_simulated(qtbot, desk, panel, new_run):
    desk.watch(new_run("sweep_iv", simulated=False).path)
    assert panel._badge.isHidden()
    assert "simulated" not in panel.frames[0].title


def test_plot_takes_only_new_points_when_the_run_grows(qtbot, desk, panel, new_run, monkeypatch):
    run = new_run("potentiate_depress")
    write(run, 0, 500)
    desk.watch(run.path)
    qtbot.waitUntil(lambda: settled(panel, 500))
    pages = []
    monkeypatch.setattr(desk.feed.follower, "page", lambda *arguments: pages.append(arguments))
    write(run, 500, 300)
    qtbot.waitUntil(lambda: settled(panel, 800))
    # what came was drawn, and nothing was read again for it
    assert pages == []
    above, below = panel.frames[0].panes
    x, y = drawn(above)["Conductance (S)", ""]
    table = open_run(run.path).table()
    reads, pulses = table[table["Event"] == "read"], table[table["Event"] == "set"]
    np.testing.assert_array_equal(x, reads.index)
    np.testing.assert_array_equal(y, reads["Conductance (S)"])
    x, y = drawn(below)["Voltage (V)", ""]
    # each pulse is a stem from 0 V
    np.testing.assert_array_equal(x, np.repeat(pulses.index, 2))
    np.testing.assert_array_equal(y[1::2], pulses["Voltage (V)"])
    assert not y[::2].any()


def test_added_plots_read_the_file_once_when_they_come_later(qtbot, desk, panel, new_run, monkeypatch):
    run = new_run("potentiate_depress")
    write(run, 0, 2500)
    desk.watch(run.path)
    qtbot.waitUntil(lambda: settled(panel, 2500))
    pages = []
    page = desk.feed.follower.page
    monkeypatch.setattr(
        desk.feed.follower, "page", lambda first, count, labels: pages.append(first) or page(first, count, labels)
    )
    levels = panel.add_plot(Choice(Kind.LEVELS, "Conductance (S)"))
    each = panel.add_plot(Choice(Kind.LEVELS, "Conductance (S)", group=CELL))
    pulses = panel.add_plot(Choice(Kind.PULSES, "Pulses"))
    over_time = panel.add_plot(Choice(Kind.TIME, "Time (s)", ("Conductance (S)", "Current (A)")))
    assert "reading again" in panel._points.text() or not panel._points.text().endswith("%")
    write(run, 2500, 100)
    qtbot.waitUntil(lambda: settled(panel, 2600) and desk.feed.count == 2600)
    # one pass for all four, in slices, and no row twice
    assert len(pages) <= 5
    assert pages == sorted(set(pages))
    table = open_run(run.path).table()
    values = table["Conductance (S)"].dropna()
    np.testing.assert_array_equal(levels._counts, np.histogram(values, levels._edges)[0])
    assert levels.count == len(values) == levels._counts.sum()
    assert each.cells.values == table.groupby(["Row", "Column"])["Conductance (S)"].last().to_dict()
    expected = table[table["Width (s)"].notna()].groupby(["Row", "Column"]).size()
    assert pulses.cells.counts == expected.to_dict()
    assert pulses._counts.sum() == 30
    pane = over_time.panes[0]
    assert pane.item.getAxis("right").isVisible()
    assert set(drawn(pane)) == {("Conductance (S)", ""), ("Current (A)", "")}


def test_kinds_are_offered_only_when_the_run_has_their_columns(qtbot, desk, panel, new_run, root):
    desk.watch(new_run("potentiate_depress").path)
    assert kinds_of(desk.feed.columns) == list(Kind)
    panel._add_menu.aboutToShow.emit()
    assert [action.text() for action in panel._add_menu.actions()] == [kind.value for kind in Kind]
    panel._add_menu.actions()[2].trigger()
    assert panel.frames[-1].choice.kind is Kind.TIME
    other = RunWriter.create(root, RunHeader("other", ["Temperature (K)"]))
    desk.watch(other.path)
    assert kinds_of(desk.feed.columns) == [Kind.COLUMNS]
    assert panel.frames[0].choice.ys == ("Temperature (K)",)
    other.close()


def test_axes_and_colours_change_when_the_user_chooses(qtbot, desk, panel, new_run):
    run = new_run("program_array")
    write(run, 0, 700)
    desk.watch(run.path)
    frame = panel.add_plot(Choice(Kind.COLUMNS, "Point", ("Conductance (S)",)))
    qtbot.waitUntil(lambda: settled(panel, 700))
    frame._x.textActivated.emit("Time (s)")
    frame._log_y.click()
    qtbot.waitUntil(lambda: settled(panel, 700))
    table = open_run(run.path).table()
    reads = table[table["Event"] == "read"]
    x, y = drawn(frame.panes[0])["Conductance (S)", ""]
    np.testing.assert_allclose(x, reads["Time (s)"])
    np.testing.assert_allclose(y, np.log10(reads["Conductance (S)"]))
    frame._group_menu.actions()[1].trigger()
    qtbot.waitUntil(lambda: settled(panel, 700))
    groups = [group for _, group in frame.panes[0].shown]
    # 30 cells: twenty have colours, the others are grey
    assert len(groups) == 21
    assert groups[:2] == ["cell 0,0", "cell 0,1"]
    assert groups[-1] == "others"
    dots = frame.panes[0]._dots["left"].parts
    assert len({colour.name() for _, _, colour in dots}) == 21
    found = sorted((x, y) for xs, ys, _ in dots for x, y in zip(xs, ys, strict=True))
    np.testing.assert_allclose(found, list(zip(reads["Time (s)"], np.log10(reads["Conductance (S)"]), strict=True)))
    assert not drawn(frame.panes[0])
    # a third unit is refused in words
    frame._y_chosen("Voltage (V)")
    frame._y_chosen("Current (A)")
    assert frame.choice.ys == ("Conductance (S)", "Voltage (V)")
    assert any("at most two units" in sentence for _, sentence in desk.sentences)
    frame._event_menu.aboutToShow.emit()
    assert [action.text() for action in frame._event_menu.actions()] == ["all", "read", "set"]


def test_plots_of_a_procedure_are_kept_when_its_next_run_is_watched(qtbot, desk, panel, new_run):
    desk.watch(new_run("potentiate_depress").path)
    panel.add_plot(Choice(Kind.TIME, "Time (s)", ("Current (A)",)))
    panel.frames[0].parentWidget().close()
    assert len(panel.frames) == 1
    desk.watch(new_run("potentiate_depress").path)
    assert [frame.choice.kind for frame in panel.frames] == [Kind.TIME]
    desk.watch(None)
    assert panel.frames == []


def test_cursor_and_marks_stand_in_all_plots_when_their_x_is_the_same(qtbot, desk, panel, new_run):
    run = new_run("potentiate_depress")
    write(run, 0, 400)
    desk.watch(run.path)
    other = panel.add_plot(Choice(Kind.COLUMNS, "Point", ("Current (A)",)))
    in_time = panel.add_plot(Choice(Kind.TIME, "Time (s)", ("Current (A)",)))
    qtbot.waitUntil(lambda: settled(panel, 400))
    pane = panel.frames[0].panes[0]
    panel.frames[0].view.scene().sigMouseMoved.emit(pane.item.getViewBox().mapViewToScene(QPointF(102.0, 3e-6)))
    assert other.panes[0]._cursor.isVisible()
    assert other.panes[0]._cursor.value() == pytest.approx(102.0)
    assert not in_time.panes[0]._cursor.isVisible()
    # point 102 is row 101: 101 % 7 = 3, 4 * 0.2 µA
    assert other._readout.text() == "Point 102:  Current 800 nA"
    panel.frames[0]._mark()
    qtbot.waitUntil(lambda: len(other.panes[0]._marks) == 1)
    assert in_time.panes[0]._marks == []
    mark = other.panes[0]._marks[0]
    mark.setValue(200.0)
    mark.sigPositionChangeFinished.emit(mark)
    qtbot.waitUntil(lambda: [line.value() for line in pane._marks] == [200.0])
    panel.frames[0]._unmark()
    qtbot.waitUntil(lambda: not other.panes[0]._marks)


def test_zoomed_range_is_read_again_when_the_envelope_is_too_coarse(qtbot, desk, panel, new_run, monkeypatch):
    monkeypatch.setattr(series_module, "_MANY_BUCKETS", 256)
    run = new_run("potentiate_depress")
    write(run, 0, 6000)
    desk.watch(run.path)
    frame = panel.frames[0]
    qtbot.waitUntil(lambda: settled(panel, 6000), timeout=10_000)
    curve = frame.panes[0].series[0].curves[""]
    assert curve.each > 4
    assert len(curve.shown(10**9).x) < 1600
    frame.panes[0].item.setXRange(1000, 1300, padding=0)
    qtbot.waitUntil(lambda: frame._finer is not None)
    qtbot.waitUntil(lambda: not frame._is_stale)
    x, y = drawn(frame.panes[0])["Conductance (S)", ""]
    table = open_run(run.path).table()
    part = table.loc[1001:1299]
    part = part[part["Event"] == "read"]
    inside = (x > 1000) & (x < 1300)
    np.testing.assert_array_equal(x[inside], part.index)
    np.testing.assert_array_equal(y[inside], part["Conductance (S)"])
    frame._show_all()
    qtbot.waitUntil(lambda: not frame._is_stale)
    assert drawn(frame.panes[0])["Conductance (S)", ""][0][-1] == 6000


def test_export_writes_picture_drawing_and_table_of_what_is_shown(qtbot, desk, panel, new_run, tmp_path):
    run = new_run("potentiate_depress")
    write(run, 0, 200)
    desk.watch(run.path)
    levels = panel.add_plot(Choice(Kind.LEVELS, "Conductance (S)"))
    qtbot.waitUntil(lambda: settled(panel, 200))
    for frame, name in ((panel.frames[0], "pairs"), (levels, "levels")):
        for suffix in (".png", ".svg", ".csv"):
            frame.export(tmp_path / f"{name}{suffix}")
        picture = QImage(str(tmp_path / f"{name}.png"))
        assert picture.width() == 1600
        assert len({picture.pixel(x, y) for x in range(0, 1600, 5) for y in range(0, picture.height(), 5)}) > 3
        assert ElementTree.parse(tmp_path / f"{name}.svg").getroot().tag.endswith("svg")
    lines = (tmp_path / "pairs.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == f"# {run.run_id} · simulated"
    rows = list(csv.DictReader(lines[1:]))
    table = open_run(run.path).table()
    reads = table[table["Event"] == "read"]
    found = [item for item in rows if item["Column"] == "Conductance (S)"]
    assert [int(item["Point number"]) for item in found] == list(reads.index)
    assert [float(item["Value (unit as in Column)"]) for item in found] == list(reads["Conductance (S)"])
    lines = (tmp_path / "levels.csv").read_text(encoding="utf-8").splitlines()
    counts = [item["Count"] for item in csv.DictReader(lines[2:])]
    assert sum(map(int, counts)) == 100
    with pytest.raises(StoreError, match=r"one of \.png, \.svg, \.csv"):
        levels.export(tmp_path / "levels.bmp")
    with pytest.raises(StoreError, match="choose another folder"):
        levels.export(tmp_path / "none" / "levels.csv")


def test_added_plot_has_all_points_when_the_file_of_an_old_run_was_held_meanwhile(qtbot, desk, panel, new_run):
    run = new_run("potentiate_depress")
    write(run, 0, 100)
    run.seal("finished", {})
    desk.watch(run.path)
    qtbot.waitUntil(lambda: settled(panel, 100) and not desk.feed.is_live)
    holder = sqlite3.connect(run.path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    added = panel.add_plot(Choice(Kind.COLUMNS, "Point", ("Time (s)",)))
    panel._refill()
    assert added.taken == 0
    holder.execute("ROLLBACK")
    holder.close()
    qtbot.waitUntil(lambda: added.count == 100)


def test_kept_plots_stay_kept_when_a_run_that_lacks_a_column_of_theirs_is_looked_at(qtbot, desk, panel, new_run, root):
    run = new_run("sweep_iv")
    desk.watch(run.path)
    panel.add_plot(Choice(Kind.TIME, "Time (s)", ("Current (A)",)))
    kept = [frame.choice for frame in panel.frames]
    older = RunWriter.create(root, RunHeader("sweep_iv", [name for name in COLUMNS if name != "Time (s)"]))
    desk.watch(older.path)
    assert len(panel.frames) == len(kept) - 1
    desk.watch(run.path)
    assert [frame.choice for frame in panel.frames] == kept
    # what is arranged for the older run counts
    desk.watch(older.path)
    panel.frames[0].parentWidget().close()
    wanted = [frame.choice for frame in panel.frames]
    desk.watch(run.path)
    assert [frame.choice for frame in panel.frames] == wanted
    older.close()


def test_colours_change_when_the_theme_does(qtbot, desk, panel, new_run):
    run = new_run("potentiate_depress")
    write(run, 0, 100)
    desk.theme.choose("light")
    desk.watch(run.path)
    qtbot.waitUntil(lambda: settled(panel, 100))
    grounds = []
    for scheme in ("light", "dark"):
        desk.theme.choose(scheme)
        qtbot.waitUntil(lambda: settled(panel, 100))
        grounds.append(panel.frames[0].view.grab().toImage().pixelColor(3, 3).name())
        assert grounds[-1] == desk.theme.colours.plot
    assert grounds[0] != grounds[1]


def test_plot_says_why_it_is_empty_when_no_row_fits(qtbot, desk, panel, new_run):
    run = new_run("potentiate_depress")
    write(run, 0, 100)
    run.seal("finished", {})
    desk.watch(run.path)
    frame = panel.add_plot(Choice(Kind.COLUMNS, "Point", ("Current (A)",), event="set"))
    qtbot.waitUntil(lambda: "No row of this run fits" in frame._message.text())
    empty = new_run("potentiate_depress")
    empty.seal("finished", {})
    desk.watch(empty.path)
    qtbot.waitUntil(lambda: panel.frames[0]._message.text() == "This run has no points.")


def test_plots_stand_below_each_other_when_they_do_not_fit_side_by_side(qtbot, desk, panel, new_run):
    """Authority: at 1280 x 800 two plots side by side had to be scrolled."""

    def places():
        docks = [frame.parentWidget() for frame in panel.frames]
        return [(dock.x(), dock.y(), dock.width(), dock.height()) for dock in docks]

    panel.resize(1600, 700)
    write(new_run("sweep_iv"), 0, 500, sweep)
    desk.watch(next(desk.root.glob("*.run.sqlite")))
    qtbot.waitUntil(lambda: len(panel.frames) == 2)

    def beside():
        first, second = places()
        return first[1] == second[1] and second[0] > first[0] and abs(first[2] - second[2]) < 20

    def below():
        first, second = places()
        return first[0] == second[0] and second[1] > first[1] and abs(first[3] - second[3]) < 20

    qtbot.waitUntil(beside)
    panel.resize(700, 700)
    qtbot.waitUntil(below)
    panel.resize(1600, 700)
    qtbot.waitUntil(beside)
    # none was lost on the way
    qtbot.waitUntil(lambda: all(frame.isVisible() and frame.count for frame in panel.frames))


def test_plots_stand_where_they_were_put_when_the_panel_was_narrow_meanwhile(qtbot, desk, panel, new_run):
    run = new_run("sweep_iv")
    panel.resize(1600, 700)
    desk.watch(run.path)
    first, second = (frame.parentWidget() for frame in panel.frames)
    qtbot.waitUntil(lambda: second.x() > first.x() and not panel._is_narrow)
    panel._area.splitDockWidget(first, second, Qt.Orientation.Vertical)
    qtbot.waitUntil(lambda: second.y() > first.y() and panel._places.get(False) == panel._area.saveState())

    def widen():
        panel.resize(1600, 700)
        qtbot.waitUntil(lambda: not (panel._is_narrow or panel._placing.isActive() or panel._sharing.isActive()))
        first, second = (frame.parentWidget() for frame in panel.frames)
        qtbot.waitUntil(lambda: second.y() > first.y() and second.x() == first.x())

    for _ in range(2):
        panel.resize(700, 700)
        qtbot.waitUntil(lambda: panel._is_narrow and not panel._placing.isActive())
        widen()
    # as well when it was narrow at the end
    panel.resize(700, 700)
    qtbot.waitUntil(lambda: panel._is_narrow and not panel._placing.isActive())
    desk.watch(None)
    panel.resize(1600, 700)
    desk.watch(run.path)
    widen()
