"""A published system in the window: chosen, checked, queued, listed. Authority: as for every other procedure."""

import pytest

from labctl.gui.browser.browser_panel import BrowserPanel
from labctl.gui.browser.run_columns import COLUMNS
from labctl.gui.form.form_panel import FormPanel
from labctl.run.queue.store import RunQueue
from labctl.store import ParameterRecord, RunHeader, RunWriter
from labctl.store.catalogue import Catalogue

NAME, STATION = "system.rvc_3bit", "tiox-32x32"
SMALL = {"image_set": "digits", "cells": "0:1,0:2", "epochs": "2"}


@pytest.mark.usefixtures("answers_here")
def test_form_shows_a_system_and_queues_it(desk, qtbot, root):
    panel = FormPanel(desk)
    qtbot.addWidget(panel)
    panel.resize(1300, 850)
    panel.show()
    desk.choose_station(STATION)
    panel.choose(NAME, SMALL)
    qtbot.waitUntil(lambda: panel.procedure == NAME, timeout=30000)
    qtbot.waitUntil(lambda: panel.values() == SMALL, timeout=30000)
    assert {"image_set", "tolerance", "seeds", "data"} <= set(panel._groups.fields)
    qtbot.waitUntil(lambda: panel._bar.run.isEnabled(), timeout=60000)
    with RunQueue(root) as queue:
        queue.hold()
    panel._bar.add.click()

    def is_queued():
        with RunQueue(root) as queue:
            return [item.procedure for item in queue.items()] == [NAME]

    qtbot.waitUntil(is_queued, timeout=60000)


def test_browser_lists_a_run_of_a_system(desk, qtbot, root):
    parameter = ParameterRecord("cells", "Cells", "0,0", "", "0,0")
    writer = RunWriter.create(root, RunHeader(NAME, ("Event",), [parameter], STATION, True, {}))
    writer.seal("finished", {"paper": "A. Author", "reproduction": []})
    with Catalogue(desk.root) as catalogue:
        catalogue.refresh()
    panel = BrowserPanel(desk)
    qtbot.addWidget(panel)
    panel.show()
    qtbot.waitUntil(lambda: panel.table.rowCount() == 1 and panel.feed.is_settled, timeout=30000)
    assert NAME in [panel.table.index(0, column).data() for column in range(len(COLUMNS))]
    panel.feed.close()
