"""Authority: issue 5 ("Start": simulated stations, the lab's own, recent runs, one press to an I-V curve)."""

import subprocess
import sys

import pytest
from qtpy.QtCore import Qt, QTimer

from labctl.gui.answers import start as answers
from labctl.gui.start.start_page import FIRST_CURVE, StartPage
from labctl.run.queue.store import RunQueue
from labctl.store import RunHeader, RunWriter

OWN = """
schema = 1
name = "probe-2"
visa_library = "@py"
line_frequency_hz = 50
[instruments.smu1]
driver = "keithley.Keithley2450"
resource = "TCPIP0::192.0.2.99::inst0::INSTR"
[sample]
name = "wafer 7"
device = "kim2021_tiox_al2o3"
rows = 1
columns = 1
[wiring.direct]
word = "smu1.a"
bit = "ground"
[envelope]
voltage_v = 2.0
current_a = 0.01
pulse_width_s = 1.0
energy_j = 0.02
"""


@pytest.fixture
def page(qtbot, desk, monkeypatch):
    # answered in this process: what is asked is what counts, not who answers
    def ask(what, done, failed=None, **rest):
        rest.pop("replaces", None)
        subject, _, name = what.partition(".")
        if subject == "start":
            answer = answers.ANSWERS[name](**rest)
            QTimer.singleShot(0, lambda: done(answer))

    monkeypatch.setattr(desk.backstage, "ask", ask)
    page = StartPage(desk)
    qtbot.addWidget(page)
    page.resize(1200, 700)
    yield page
    page.hide()


def texts(listed):
    return [listed.item(row).text() for row in range(listed.count())]


def show(page, qtbot):
    page.show()
    qtbot.waitUntil(lambda: page.simulated_list.count() > 0 and page.runs_list.count() > 0, timeout=5000)


def choose(listed, row):
    listed.setCurrentRow(row)
    listed.itemActivated.emit(listed.item(row))


def test_page_lists_the_simulated_stations_when_the_lab_has_none_of_its_own(page, qtbot, home):
    show(page, qtbot)
    names = [text.splitlines()[0] for text in texts(page.simulated_list)]
    assert {"single-device", "tiox-32x32", "domain-wall"} <= set(names)
    (hint,) = texts(page.own_list)
    assert str(home / "stations") in hint
    assert not page.own_list.item(0).flags() & Qt.ItemFlag.ItemIsEnabled


def test_page_lists_own_stations_and_says_what_is_wrong_when_a_file_is(page, qtbot, home):
    (home / "stations").mkdir()
    (home / "stations" / "probe-2.toml").write_text(OWN)
    (home / "stations" / "broken.toml").write_text("schema = 1\nname = 3\n")
    show(page, qtbot)
    right, wrong = texts(page.own_list)
    assert right.startswith("probe-2\nwafer 7")
    assert wrong.startswith("broken\n")
    assert "cannot be used" in wrong
    choose(page.own_list, 1)
    assert page.desk.station == ""


def test_page_chooses_a_station_and_opens_the_form_when_it_is_activated(page, qtbot):
    show(page, qtbot)
    names = [text.splitlines()[0] for text in texts(page.simulated_list)]
    with qtbot.waitSignal(page.desk.show_requested, timeout=1000) as shown:
        choose(page.simulated_list, names.index("tiox-32x32"))
    assert page.desk.station == "tiox-32x32"
    assert shown.args == ["form"]


def test_page_lists_recent_runs_and_watches_the_one_that_is_activated(page, qtbot, root):
    for procedure in ("read_array", "sweep_iv"):
        header = RunHeader(procedure, ("Row", "Voltage (V)"), station="probe-2", simulated=procedure == "sweep_iv")
        RunWriter.create(root, header).seal("finished", {})
    (root / "20990101-000000-broken-0000.run.sqlite").write_bytes(b"not a run")
    show(page, qtbot)
    found = {text.split(",")[0]: row for row, text in enumerate(texts(page.runs_list))}
    assert set(found) == {"read_array", "sweep_iv"}
    assert "probe-2 (simulated)" in page.runs_list.item(found["sweep_iv"]).text()
    assert "probe-2 (real)" in page.runs_list.item(found["read_array"]).text()
    choose(page.runs_list, found["read_array"])
    assert page.desk.feed.procedure == "read_array"
    page.desk.watch(None)


def test_page_queues_one_simulated_sweep_before_all_others_when_the_button_is_pressed(page, qtbot, root, monkeypatch):
    started = []
    monkeypatch.setattr("labctl.gui.form.run_starter.ensure_worker", started.append)
    show(page, qtbot)
    with RunQueue(root) as queue:
        queue.add("read_array", "tiox-32x32", {})
    with qtbot.waitSignal(page.desk.show_requested, timeout=1000) as shown:
        qtbot.mouseClick(page.curve_button, Qt.MouseButton.LeftButton)
    assert shown.args == ["plots"]
    with RunQueue(root) as queue:
        first, _ = queue.items()
    assert (first.procedure, first.station, dict(first.parameters)) == FIRST_CURVE
    assert started == [root]
    assert page.desk.station == "single-device"
    assert "simulated" in page.findChildren(type(page.curve_button))[0].toolTip()


KILLED = """
import os, sys
from pathlib import Path
from labctl.store import RunHeader, RunWriter
writer = RunWriter.create(Path(sys.argv[1]), RunHeader("sweep_iv", ("Row", "Voltage (V)")))
os._exit(0)
"""


def test_running_finds_a_run_when_its_process_lives_and_not_when_it_was_sealed_or_killed(root):
    header = RunHeader("sweep_iv", ("Row", "Voltage (V)"), station="single-device", simulated=True)
    RunWriter.create(root, header).seal("finished", {})
    subprocess.run([sys.executable, "-c", KILLED, str(root)], check=True)
    assert len(list(root.glob("*.run.sqlite-wal"))) == 1
    live = RunWriter.create(root, header)
    (found,) = answers.running(str(root))
    assert found == {
        "run_id": live.run_id,
        "path": str(live.path),
        "procedure": "sweep_iv",
        "station": "single-device",
        "simulated": True,
    }
    live.seal("finished", {})
    assert answers.running(str(root)) == []
