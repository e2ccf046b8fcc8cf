"""One story through the whole window, with a simulated bench and nothing replaced: form, preview, queue, run, live map,
abort, resume, run browser, overlay, export.

Authority: issue 5, Shows 1. Pictures go to build/window (build/ stays out of the repository), to be looked at.
"""

import csv
from pathlib import Path

import numpy as np
import pyqtgraph
import pytest
from qtpy.QtCore import QItemSelectionModel, Qt
from qtpy.QtWidgets import QApplication, QFileDialog, QPushButton

from labctl.gui.array.array_panel import ArrayPanel
from labctl.gui.browser.browser_panel import FORMATS, BrowserPanel
from labctl.gui.browser.overlay import OverlayDialog
from labctl.gui.desk import Desk
from labctl.gui.form.extremes import ExtremesTable
from labctl.gui.form.form_panel import FormPanel
from labctl.gui.form.preview_view import PreviewView
from labctl.gui.main_window import MainWindow
from labctl.gui.plots.plots_panel import PlotsPanel
from labctl.gui.queue.queue_panel import QueuePanel
from labctl.store import open_run

PICTURES = Path(__file__).parents[2] / "build" / "window"
STATION = "tiox-32x32"
LONG_MS = 300_000


@pytest.fixture
def window(qtbot, root, home):
    """The window as `labctl gui` opens it."""
    desk = Desk(root)
    desk.theme.choose("light")
    window = MainWindow(desk)
    window.resize(1600, 1000)
    window.show()
    window.begin(STATION)
    window.told = []
    desk.told.connect(lambda severity, sentence: window.told.append((severity, sentence)))
    yield window
    window.close_unasked()
    window.deleteLater()
    QApplication.processEvents()


def picture(window, name):
    PICTURES.mkdir(parents=True, exist_ok=True)
    QApplication.processEvents()
    assert window.grab().save(str(PICTURES / f"{name}.png"))


def press(qtbot, widget, words):
    """Press the button with these words."""
    found = [one for one in widget.findChildren(QPushButton) if one.text().replace("&", "") == words]
    assert len(found) == 1, [one.text() for one in widget.findChildren(QPushButton)]
    # what it needs may be under way: the list hears of a run's end a moment after the plots
    qtbot.waitUntil(found[0].isEnabled, timeout=LONG_MS)
    qtbot.mouseClick(found[0], Qt.MouseButton.LeftButton)


def shown(window, desk, qtbot, name, panel):
    desk.show(name)
    qtbot.waitUntil(
        lambda: window.findChild(panel) is not None and window.findChild(panel).isVisible(), timeout=LONG_MS
    )
    return window.findChild(panel)


def run_from_form(window, qtbot, procedure, **values):
    """Fill the form, look at the preview, press Run, and wait for the run's file."""
    desk = window.desk
    form = shown(window, desk, qtbot, "form", FormPanel)
    desk.offer(procedure, {name: str(value) for name, value in values.items()})
    before = desk.feed
    run = next(one for one in form.findChildren(QPushButton) if one.text().replace("&", "") == "Run")
    # the reason why not stands beside the button as long as it cannot
    qtbot.waitUntil(lambda: form.procedure == procedure and run.isEnabled(), timeout=LONG_MS)
    press(qtbot, form, "Run")
    qtbot.waitUntil(lambda: desk.feed is not None and desk.feed is not before, timeout=LONG_MS)
    return desk.feed


def ended(qtbot, feed):
    qtbot.waitUntil(lambda: feed.status != "" and not feed.is_live and feed.count == feed.points_total, timeout=LONG_MS)
    return feed.status


def test_newcomer_measures_aborts_resumes_compares_and_exports(window, qtbot, monkeypatch, tmp_path):
    desk = window.desk
    qtbot.waitUntil(lambda: desk.facts is not None, timeout=LONG_MS)
    assert "simulated" in window.windowTitle()

    # select cells in the map, and let the form take them
    array = shown(window, desk, qtbot, "array", ArrayPanel)
    desk.select([(row, column) for row in range(3) for column in range(3)], (1, 1))
    form = shown(window, desk, qtbot, "form", FormPanel)
    desk.offer("form_array", {})
    qtbot.waitUntil(lambda: form.procedure == "form_array", timeout=LONG_MS)
    press(qtbot, form, "Selection")
    qtbot.waitUntil(lambda: form.values().get("cells") == "0:3,0:3", timeout=LONG_MS)
    # the preview: what would be applied, before anything fires
    extremes = form.findChild(ExtremesTable)
    # the staircase of forming goes to 4.4 V, the envelope allows 5 V
    qtbot.waitUntil(lambda: {"4.4 V", "5 V"} <= texts(extremes), timeout=LONG_MS)
    assert list(desk.root.glob("*.run.sqlite")) == []
    run = next(one for one in form.findChildren(QPushButton) if one.text().replace("&", "") == "Run")
    qtbot.waitUntil(lambda: run.isEnabled() and is_drawn(form.findChild(PreviewView)), timeout=LONG_MS)
    picture(window, "1-form")
    forming = run_from_form(window, qtbot, "form_array", cells="0:3,0:3")
    assert ended(qtbot, forming) == "finished"
    assert forming.simulated

    # the map shows what the file holds
    shown(window, desk, qtbot, "array", ArrayPanel)
    table = open_run(forming.path).table()
    last = table[(table["Row"] == 1) & (table["Column"] == 1)]["Conductance (S)"].dropna().iloc[-1]
    array.is_log.setChecked(False)
    qtbot.waitUntil(lambda: np.isclose(array.map.image.image[1, 1], last, rtol=1e-6), timeout=LONG_MS)
    assert np.isnan(array.map.image.image[10, 10])
    picture(window, "2-map")

    # a long run, watched live, aborted in the middle
    writing = run_from_form(window, qtbot, "write_verify", cells="0:3,0:3", targets="50 uS, 100 uS, 150 uS", rounds=8)
    plots = shown(window, desk, qtbot, "plots", PlotsPanel)
    qtbot.waitUntil(lambda: writing.count > 30, timeout=LONG_MS)
    assert writing.is_live
    assert plots.frames
    picture(window, "3-live")
    qtbot.mouseClick(window.run_bar.abort_button, Qt.MouseButton.LeftButton)
    assert ended(qtbot, writing) == "aborted"
    at_abort = writing.count
    assert 30 < at_abort < 5000

    # the queue holds after a run that was aborted; nothing else waits, so the rest of the run goes on at once
    browser = shown(window, desk, qtbot, "runs", BrowserPanel)
    qtbot.waitUntil(lambda: browser.table.rowCount() == 2, timeout=LONG_MS)
    select(browser, qtbot, writing.run_id)
    picture(window, "4-runs")
    press(qtbot, browser, "Resume")
    queue = shown(window, desk, qtbot, "queue", QueuePanel)
    qtbot.waitUntil(lambda: queue.look.running is not None, timeout=LONG_MS)
    qtbot.waitUntil(lambda: any("rest of run" in text for _, text in window.told), timeout=LONG_MS)
    qtbot.waitUntil(lambda: writing.count > at_abort, timeout=LONG_MS)
    picture(window, "5-queue")
    qtbot.waitUntil(lambda: open_run(writing.path).status in ("running", "finished"), timeout=LONG_MS)
    window.run_bar.abort()
    qtbot.waitUntil(lambda: open_run(writing.path).status in ("aborted", "finished"), timeout=LONG_MS)
    assert len(open_run(writing.path).segments()) == 2

    # both runs over each other, and one of them as CSV
    shown(window, desk, qtbot, "runs", BrowserPanel)
    browser.view.selectAll()
    press(qtbot, browser, "Overlay")
    qtbot.waitUntil(lambda: browser.findChild(OverlayDialog) is not None, timeout=LONG_MS)
    overlay = browser.findChild(OverlayDialog)
    curves = overlay.plot.getPlotItem().listDataItems()
    qtbot.waitUntil(lambda: all(one.xData is not None and len(one.xData) for one in curves), timeout=LONG_MS)
    assert len(curves) == 2
    picture(overlay, "6-overlay")
    overlay.close()
    select(browser, qtbot, forming.run_id)
    target = tmp_path / "forming.csv"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, **__: (str(target), next(iter(FORMATS))))
    press(qtbot, browser, "Export")
    qtbot.waitUntil(lambda: target.exists() and any("forming.csv" in text for _, text in window.told), timeout=LONG_MS)
    with target.open(newline="", encoding="utf-8") as file:
        lines = list(csv.reader(row for row in file if not row.startswith("#")))
    assert len(lines) == 1 + len(table)
    assert [text for severity, text in window.told if severity == "error"] == []


def is_drawn(preview):
    curves = preview.findChild(pyqtgraph.PlotWidget).getPlotItem().listDataItems()
    return preview.isVisible() and any(curve.xData is not None and len(curve.xData) > 1 for curve in curves)


def texts(table):
    places = [(row, column) for row in range(table.rowCount()) for column in range(table.columnCount())]
    return {table.item(*place).text() for place in places if table.item(*place) is not None}


def select(browser, qtbot, run_id):
    row = next(row for row in range(browser.table.rowCount()) if browser.table.entry(row).run_id == run_id)
    flags = QItemSelectionModel.SelectionFlag.ClearAndSelect | QItemSelectionModel.SelectionFlag.Rows
    browser.view.selectionModel().select(browser.table.index(row, 0), flags)
    qtbot.waitUntil(lambda: [entry.run_id for entry in browser.selected()] == [run_id], timeout=LONG_MS)
