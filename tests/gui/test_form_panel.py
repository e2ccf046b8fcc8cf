"""The form, driven by its real widgets. The questions that it asks are answered in this process, but for one test.

Authority: issue 5, "Procedure form" and "Bad input"; the envelope of tiox-32x32 (5 V); the triangle of sweep_iv,
computed here.
"""

import numpy as np
import pytest
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QCheckBox, QComboBox, QLineEdit, QPushButton, QTreeWidget

from labctl.errors import LabError
from labctl.gui.answers.form import ANSWERS
from labctl.gui.browser.run_actions import RunActions
from labctl.gui.form.form_panel import FormPanel
from labctl.gui.queue.queue_panel import QueuePanel
from labctl.run.queue.store import RunQueue

STATION = "tiox-32x32"


class InProcess:
    """Answers as the process behind the window does, in the next turn of the event loop."""

    def __init__(self, *silent):
        self.silent, self.waiting, self.is_busy = silent, {}, False
        self.asked = 0

    def ask(self, what, done, failed=None, *, part=None, replaces="", **arguments):
        subject, _, name = what.partition(".")
        assert subject in ("form", "desk")
        self.asked += 1
        if name in self.silent:
            return self.asked
        key = replaces or object()
        self.waiting[key] = number = self.asked

        def answer():
            if self.waiting.get(key) != number:
                return
            del self.waiting[key]
            if subject == "desk":
                from labctl.gui.answers import desk as module

                done(module.ANSWERS[name](**arguments))
                return
            try:
                found = ANSWERS[name](**arguments)
                parts = list(found) if hasattr(found, "__next__") else [found]
            except LabError as error:
                (failed or pytest.fail)(str(error))
                return
            for one in parts[:-1]:
                part(one)
            done(parts[-1])

        QTimer.singleShot(0, answer)
        return number

    def close(self):
        self.waiting.clear()


@pytest.fixture
def panel(desk, qtbot, monkeypatch):
    monkeypatch.setattr("labctl.gui.form.form_panel._CHECK_MS", 0)
    monkeypatch.setattr("labctl.gui.form.form_panel._PREVIEW_MS", 0)
    desk.backstage, desk.scanner = InProcess(), InProcess("preview")
    desk.theme.choose("light")
    panel = FormPanel(desk)
    qtbot.addWidget(panel)
    panel.resize(1300, 850)
    panel.show()
    desk.choose_station(STATION)
    panel.choose("sweep_iv")
    qtbot.waitUntil(lambda: panel.procedure == "sweep_iv", timeout=20000)
    settle(panel, qtbot)
    return panel


def settle(panel, qtbot):
    """Wait until nothing is asked or about to be."""

    def is_quiet():
        timers = panel._checking.isActive() or panel._previewing.isActive()
        return not (timers or panel.desk.backstage.waiting or panel.desk.scanner.waiting)

    qtbot.waitUntil(is_quiet, timeout=20000)


def field(panel, name):
    return panel._groups.fields[name]


def typed(panel, qtbot, name, text):
    line = field(panel, name)._input
    assert isinstance(line, QLineEdit)
    line.selectAll()
    qtbot.keyClicks(line, text)
    settle(panel, qtbot)


def button(panel, text):
    (found,) = [one for one in panel.findChildren(QPushButton) if one.text().replace("&", "") == text]
    return found


def test_prefix_alone_is_understood_and_echoed(panel, qtbot):
    typed(panel, qtbot, "dwell", "10m")
    assert field(panel, "dwell").hint.text().startswith("= 10 ms")
    assert field(panel, "dwell").refusal == ""
    # ten milliseconds is the default, however it is written
    assert panel.values() == {}
    typed(panel, qtbot, "dwell", "10n")
    assert "100 µs to 100 s" in field(panel, "dwell").refusal
    assert "10 ns" in field(panel, "dwell").refusal


def test_wrong_unit_turns_the_field_red_and_the_run_button_explains(panel, qtbot):
    run = button(panel, "Run")
    assert run.isEnabled()
    typed(panel, qtbot, "set_stop", "3 mA")
    one = field(panel, "set_stop")
    assert one._input.property("refused") == "true"
    assert one.reason.isVisible()
    assert "unit" in one.reason.text()
    assert not run.isEnabled()
    assert "SET voltage" in run.toolTip()
    assert "SET voltage" in panel._bar.sentence.text()
    assert panel._bar.sentence.isVisible()
    typed(panel, qtbot, "set_stop", "1.2 V")
    assert one._input.property("refused") == "false"
    assert not one.reason.isVisible()
    assert run.isEnabled()
    assert "rows of data" in panel._bar.sentence.text()
    assert "simulated" in panel._bar.sentence.text()
    assert panel.values() == {"set_stop": "1.2 V"}
    assert one.label.font().bold()


def test_value_beyond_the_envelope_is_refused_before_a_preview(panel, qtbot):
    assert "this station: at most 5 V" in field(panel, "set_stop").hint.text()
    typed(panel, qtbot, "set_stop", "5.5 V")
    assert "this station allows 5 V" in field(panel, "set_stop").refusal
    assert not button(panel, "Add to queue").isEnabled()
    assert panel._preview._cases == {}
    # what is folded unfolds when it is refused
    typed(panel, qtbot, "set_stop", "1 V")
    group = field(panel, "form_stop").editor
    assert not group.isVisible()
    field(panel, "form_stop").set_text("6 V")
    settle(panel, qtbot)
    assert group.isVisible()


def test_preview_is_the_sweep(panel, qtbot, desk):
    desk.scanner = InProcess()
    changes = {"cycles": "1", "set_stop": "0.3", "reset_stop": "-0.5 V", "step": "0.1", "form_unformed": "false"}
    desk.offer("sweep_iv", changes)
    settle(panel, qtbot)
    names = [item.name() for item in panel._preview._plot.listDataItems()]
    assert names == ["smu1.a", "smu1.b"]
    bit = panel._preview._plot.listDataItems()[1].getOriginalDataset()[1]
    turning = [level for level, before in zip(bit[1:], bit[:-1], strict=True) if level != before]
    up, down = np.arange(1, 4) * 0.1, np.arange(1, 6) * -0.1
    triangle = [*up, *up[-2::-1], 0.0, *down, *down[-2::-1], 0.0]
    # V/2: half of it on the bit line, with the other sign
    assert turning == pytest.approx([-0.5 * level for level in triangle])
    table = panel._preview._table
    cells = {table.item(row, 0).text(): table.item(row, 1).text() for row in range(table.rowCount())}
    assert cells["Voltage of a cell"] == "5 V"
    assert "Drawn: all" in panel._preview._explained.text()


def test_preset_and_last_values_come_back(panel, qtbot, desk):
    typed(panel, qtbot, "set_stop", "1.1 V")
    panel.kept.save_preset("gentle")
    settle(panel, qtbot)
    assert any("gentle" in sentence for _, sentence in desk.sentences)
    qtbot.mouseClick(button(panel, "Defaults"), Qt.MouseButton.LeftButton)
    settle(panel, qtbot)
    assert panel.values() == {}
    (gentle,) = [one for one in panel.kept._presets.actions() if one.text() == "gentle"]
    gentle.trigger()
    settle(panel, qtbot)
    assert panel.values() == {"set_stop": "1.1 V"}


@pytest.fixture
def no_worker(monkeypatch):
    started = []
    monkeypatch.setattr("labctl.gui.form.run_starter.ensure_worker", started.append)
    return started


def test_add_to_queue_holds_what_is_seen(panel, qtbot, root, desk, no_worker):
    typed(panel, qtbot, "set_stop", "1.1 V")
    panel._bar.repeat.setValue(3)
    qtbot.mouseClick(button(panel, "Add to queue"), Qt.MouseButton.LeftButton)
    with RunQueue(root) as queue:
        (item,) = queue.items()
    assert (item.procedure, item.station, item.parameters) == ("sweep_iv", STATION, {"set_stop": "1.1 V"})
    assert (item.repeat, item.simulated) == (3, True)
    assert item.estimate_s == pytest.approx(panel._verdict["estimate"]["duration_s"])
    assert no_worker == [root]
    # the values of the last run are kept
    qtbot.mouseClick(button(panel, "Defaults"), Qt.MouseButton.LeftButton)
    settle(panel, qtbot)
    qtbot.mouseClick(button(panel, "Last values"), Qt.MouseButton.LeftButton)
    assert panel.values() == {"set_stop": "1.1 V"}
    # an item that is edited
    desk.editing_item = item.id
    desk.offer("sweep_iv", {"set_stop": "0.9 V"})
    settle(panel, qtbot)
    assert panel._bar.repeat.value() == 3
    qtbot.mouseClick(button(panel, f"Save to queue item {item.id}"), Qt.MouseButton.LeftButton)
    with RunQueue(root) as queue:
        (item,) = queue.items()
    assert item.parameters == {"set_stop": "0.9 V"}
    assert desk.editing_item is None
    assert not panel._bar.save.isVisible()


@pytest.fixture
def queue_panel(desk, qtbot, root, no_worker, panel):
    """The queue beside the form, with a sweep_iv on another station."""
    with RunQueue(root) as queue:
        queue.add("sweep_iv", "single-device", {"cycles": "7"})
    beside = QueuePanel(desk)
    qtbot.addWidget(beside)
    beside.select(1)
    yield beside
    beside.close()


def items(root):
    with RunQueue(root) as queue:
        return [(item.procedure, item.station, item.parameters) for item in queue.items()]


def test_values_of_an_item_on_another_station_are_shown_when_it_is_edited(panel, queue_panel, qtbot, desk):
    """Authority: the item had 7 cycles, the form ended at the 2 that it had shown before, without a word."""
    typed(panel, qtbot, "cycles", "2")
    queue_panel.buttons["edit"].click()
    settle(panel, qtbot)
    assert desk.station == "single-device"
    assert field(panel, "cycles").text() == "7"
    assert panel.values() == {"cycles": "7"}
    assert panel._verdict["refusals"] == {}
    assert panel._bar.save.isVisible()
    # a new run is no change of the item
    queue_panel.buttons["add"].click()
    assert not panel._bar.save.isVisible()
    assert panel.values() == {"cycles": "7"}


def test_values_of_a_run_on_another_station_are_shown_when_it_is_done_again(panel, qtbot, desk):
    typed(panel, qtbot, "cycles", "2")
    answer = {"procedure": "sweep_iv", "station": "single-device", "values": {"cycles": "7"}}
    RunActions(desk)._fill_form(answer)
    settle(panel, qtbot)
    assert (desk.station, field(panel, "cycles").text()) == ("single-device", "7")
    # whoever chooses another station himself keeps what he typed, until the last moment
    desk.choose_station(STATION)
    field(panel, "cycles").set_text("5")
    settle(panel, qtbot)
    assert field(panel, "cycles").text() == "5"


def test_editing_of_an_item_ends_when_another_procedure_is_shown(panel, queue_panel, qtbot, desk, root):
    """Authority: Save made the item of sweep_iv one of read_noise."""
    before = items(root)
    told = ("info", "queue item 1 is left as it was: the form shows read_noise now")
    for show in (lambda: desk.offer("read_noise", {}), lambda: panel._chooser.choose("read_noise")):
        desk.sentences.clear()
        queue_panel.select(1)
        queue_panel.buttons["edit"].click()
        assert panel._bar.save.isVisible()
        show()
        assert desk.editing_item is None
        assert not panel._bar.save.isVisible()
        assert told in desk.sentences
    settle(panel, qtbot)
    assert panel._bar.run.isEnabled()
    panel._bar.save.click()
    assert items(root) == before
    # whatever led there: nothing is written into an item of another procedure
    desk.editing_item = 1
    panel._bar.save.click()
    assert items(root) == before


def test_values_that_were_never_run_are_there_when_the_procedure_is_shown_again(panel, qtbot, desk):
    typed(panel, qtbot, "set_stop", "1.1 V")
    panel._chooser.choose("read_noise")
    settle(panel, qtbot)
    assert panel.values() == {}
    typed(panel, qtbot, "read_voltage", "0.1 V")
    desk.choose_station("single-device")
    panel._chooser.choose("sweep_iv")
    settle(panel, qtbot)
    assert panel.values() == {"set_stop": "1.1 V"}
    panel._chooser.choose("read_noise")
    settle(panel, qtbot)
    assert panel.values() == {"read_voltage": "0.1 V"}
    # values that are offered come before those
    desk.offer("sweep_iv", {"cycles": "7"})
    settle(panel, qtbot)
    assert panel.values() == {"cycles": "7"}


def test_wrong_condition_is_told_before_it_is_queued(panel, qtbot):
    panel._bar.fill(1, ["Current (A) <="], "")
    settle(panel, qtbot)
    assert not button(panel, "Run").isEnabled()
    panel._bar.fill(1, ["Current (A) <= 1 uA"], "20:00-06:00")
    settle(panel, qtbot)
    assert button(panel, "Run").isEnabled()


def test_cells_come_from_the_array_view(panel, qtbot, desk):
    desk.select([(3, 4)])
    qtbot.mouseClick(button(panel, "Cell"), Qt.MouseButton.LeftButton)
    settle(panel, qtbot)
    assert field(panel, "cells").text() == "3,4"
    desk.select([(0, 0), (0, 1), (1, 0), (1, 1)])
    qtbot.mouseClick(button(panel, "Selection"), Qt.MouseButton.LeftButton)
    settle(panel, qtbot)
    assert field(panel, "cells").text() == "0:2,0:2"
    qtbot.mouseClick(button(panel, "All"), Qt.MouseButton.LeftButton)
    assert field(panel, "cells").text() == "all"
    # offered cells change the cells alone
    field(panel, "set_stop").set_text("1.1 V")
    desk.offer("", {"cells": "5,6"})
    assert panel.values() == {"set_stop": "1.1 V", "cells": "5,6"}


def test_cells_that_are_offered_are_kept_when_the_form_has_no_fields_yet(panel, qtbot, desk):
    """Authority: cells applied right after the choice of a station were lost."""
    panel.choose("read_array")
    desk.offer("", {"cells": "2:4,3:5"})
    qtbot.waitUntil(lambda: panel.procedure == "read_array", timeout=20000)
    assert panel.values() == {"cells": "2:4,3:5"}


def test_run_releases_a_queue_when_nothing_waits_in_it(panel, qtbot, root, no_worker):
    """Authority: after an abort, which holds the queue, Run started nothing."""
    with RunQueue(root) as queue:
        queue.hold("the run was aborted")
        button(panel, "Run").click()
        assert not queue.is_held
        assert [item.procedure for item in queue.items()] == ["sweep_iv"]
        # what waits is kept back, and the new run with it
        queue.hold("the run was aborted")
        button(panel, "Run").click()
        assert queue.is_held
        assert len(queue.items()) == 2


def test_every_procedure_has_a_form(panel, qtbot):
    tree = panel.findChild(QTreeWidget)
    names = [item.text(0) for item in panel._chooser._items()]
    assert len(names) == len(ANSWERS["procedures"]())
    for name in names:
        panel._groups.describe(ANSWERS["describe"](name, STATION)["parameters"])
        assert panel.values() == {}, name
        assert panel._groups.fields["faults"].group == "Simulation"
    kinds = {type(one._input) for one in panel._groups.fields.values()}
    assert kinds <= {QLineEdit, QComboBox, QCheckBox}
    panel._chooser._search.setText("noise")
    shown = [item.text(0) for item in panel._chooser._items() if not item.isHidden()]
    assert "read_noise" in shown
    assert "sweep_iv" not in shown
    assert tree.isVisible()


def test_station_that_is_not_there_leaves_the_form_standing(panel, qtbot, desk):
    desk.backstage.ask = lambda what, done, failed=None, **_: failed and failed("station 'x' is unknown; known are ...")
    desk.choose_station("x")
    assert "is unknown" in panel._bar.sentence.text()
    assert not button(panel, "Run").isEnabled()


def test_tabulator_goes_down_the_form(panel, qtbot):
    field(panel, "set_stop").focus()
    qtbot.waitUntil(lambda: field(panel, "set_stop")._input.hasFocus())
    visited = []
    for _ in range(3):
        qtbot.keyClick(panel.focusWidget(), Qt.Key.Key_Tab)
        visited.append(panel.focusWidget())
    # an unchanged value has nothing to reset
    assert visited == [field(panel, name)._input for name in ("reset_stop", "step", "dwell")]
    assert "At each level before its measurement" in panel._help.text()


@pytest.mark.slow
def test_run_button_leads_to_a_watched_run(desk, qtbot, root):
    # with all processes as they are in the window
    panel = FormPanel(desk)
    qtbot.addWidget(panel)
    desk.choose_station("single-device")
    panel.choose("read_array", {"averages": "2"})
    qtbot.waitUntil(lambda: panel._bar.run.isEnabled(), timeout=60000)
    panel._bar.run.click()
    qtbot.waitUntil(lambda: desk.feed is not None and desk.feed.status == "finished", timeout=120000)
    assert desk.feed.parameter_texts["averages"] == "2"
    assert desk.feed.simulated
