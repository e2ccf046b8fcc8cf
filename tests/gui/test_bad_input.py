"""What goes wrong at a bench, in the real window with its real panels: nothing is lost, nothing freezes or vanishes,
and each sentence says what to do.

Authority: issue 5, "Bad input". Wrong values: test_form_panel.py; no libraries of Qt: tests/system/test_gui_command.py.
"""

import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from importlib import import_module

import pytest
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication, QFileDialog, QPushButton

from labctl.errors import LabError
from labctl.gui.desk import Desk
from labctl.gui.main_window import MainWindow
from labctl.run.mailbox import mailbox_of
from labctl.run.queue.store import RunQueue
from labctl.run.queue.worker import work
from labctl.store import RunHeader, RunWriter, open_run

HEADER = RunHeader("sweep_iv", ("Row", "Voltage (V)"), station="single-device", simulated=True)
STATION = "single-device"
LONG_MS = 120_000
# nobody listens there: every connection is refused at once
UNREACHABLE = """
schema = 1
name = "far-away"
visa_library = "@py"
line_frequency_hz = 50

[instruments.smu1]
driver = "keithley.Keithley2450"
resource = "TCPIP0::127.0.0.1::9::SOCKET"
serial = "04500001"

[sample]
name = "one device"
device = "kim2021_tiox_al2o3"
rows = 1
columns = 1

[wiring.direct]
word = "smu1.a"
bit = "ground"

[envelope]
voltage_v = 5.0
current_a = 0.1
pulse_width_s = 1.0
energy_j = 0.05
"""


@pytest.fixture
def open_window(qtbot, root, monkeypatch):
    """Return a function that opens the real window; what it asks behind itself is answered in this process."""
    windows, waiting, wanted = [], {}, set()

    def ask(backstage, what, done, failed=None, *, part=None, replaces="", **arguments):
        subject, _, name = what.partition(".")
        if what == "form.preview" or (subject == "form" and "form" not in wanted):
            # it takes seconds of this process
            return 0
        later = QTimer(backstage)
        later.setSingleShot(True)

        def answer():
            try:
                found = import_module(f"labctl.gui.answers.{subject}").ANSWERS[name](**arguments)
                parts = list(found) if hasattr(found, "__next__") else [found]
            except LabError as error:
                (failed or (lambda why: backstage.told.emit("warning", why)))(str(error))
                return
            for one in parts[:-1]:
                (part or done)(one)
            done(parts[-1])

        later.timeout.connect(answer)
        later.start(0)
        if replaces:
            older = waiting.get((backstage, replaces))
            if older is not None:
                older.stop()
            waiting[backstage, replaces] = later
        return 1

    monkeypatch.setattr("labctl.gui.backstage.Backstage.ask", ask)

    def open_one(*names, station=STATION):
        wanted.update(names)
        window = MainWindow(Desk(root))
        windows.append(window)
        window.resize(1280, 800)
        window.show()
        window.begin(station)
        for name in names:
            window.show_panel(name)
            assert window.panels.places[name].panel is not None, told(window)
        return window

    yield open_one
    for window in windows:
        window.close_unasked()
        for timer in window.desk.backstage.findChildren(QTimer) + window.desk.scanner.findChildren(QTimer):
            timer.stop()
        window.deleteLater()
    QApplication.processEvents()


def told(window, severity="error"):
    return [entry.sentence for entry in window.log.model.entries if entry.severity == severity]


def make_run(root, points=2000):
    writer = RunWriter.create(root, HEADER)
    writer.points([{"Row": 0, "Voltage (V)": number * 0.1} for number in range(points)])
    writer.seal("finished", {})
    return writer.path


def test_window_goes_on_watching_and_says_why_when_a_wrong_file_is_opened(open_window, qtbot, root, monkeypatch):
    good = make_run(root)
    newer, foreign, cut, inside, gone = (root / f"20260101-000000-x-000{number}.run.sqlite" for number in range(5))
    for path in (newer, inside):
        path.write_bytes(good.read_bytes())
    with closing(sqlite3.connect(newer)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with closing(sqlite3.connect(foreign)) as connection:
        connection.execute("CREATE TABLE recipes (cake TEXT)")
    cut.write_bytes(good.read_bytes()[:30_000])
    with inside.open("r+b") as file:
        file.seek(20_000)
        file.write(b"\x55" * 20_000)
    window = open_window("runs", "array", "table", "plots")
    window.desk.watch(good)
    qtbot.waitUntil(lambda: window.desk.feed.count == 2000, timeout=LONG_MS)
    remedies = {
        newer: "install a newer labctl",
        foreign: "is not a run file of labctl; those are named *.run.sqlite",
        cut: "`labctl recover`",
        inside: "`labctl recover`",
        gone: "there is no such run file",
    }
    for path, remedy in remedies.items():
        monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_, path=path: (str(path), ""))
        before = len(told(window))
        window.open_run_file()
        qtbot.waitUntil(lambda before=before: len(told(window)) > before, timeout=LONG_MS)
        assert path.name in told(window)[before]
        assert remedy in told(window)[before]
        assert window.statusBar().currentMessage() == told(window)[-1]
    window.desk.watch(good)
    qtbot.waitUntil(lambda: window.desk.feed.path == good and window.desk.feed.count == 2000, timeout=LONG_MS)
    assert window.isVisible()
    # told once, not once a second
    assert len(told(window)) == len(set(told(window)))


def test_window_says_so_and_keeps_what_it_shows_when_the_watched_file_is_damaged_meanwhile(open_window, qtbot, root):
    path = make_run(root)
    other = make_run(root)
    window = open_window("array", "table", "plots")
    window.desk.watch(path)
    qtbot.waitUntil(lambda: window.desk.feed.count == 2000, timeout=LONG_MS)
    window.desk.feed.follower.close()
    with path.open("r+b") as file:
        file.write(b"\x55" * 50_000)
    qtbot.waitUntil(lambda: bool(told(window)), timeout=LONG_MS)
    assert path.name in told(window)[0]
    assert "`labctl recover`" in told(window)[0]
    assert window.desk.feed.count == 2000
    window.desk.watch(other)
    qtbot.waitUntil(lambda: window.desk.feed.count == 2000, timeout=LONG_MS)


def test_station_file_that_is_wrong_or_gone_is_told_and_another_can_be_chosen(open_window, qtbot, tmp_path):
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(UNREACHABLE.replace("voltage_v = 5.0", "voltage_v = high"))
    window = open_window("form", station=str(wrong))
    qtbot.waitUntil(lambda: any("wrong.toml" in sentence for sentence in told(window)), timeout=LONG_MS)
    gone = tmp_path / "gone.toml"
    window.desk.choose_station(str(gone))
    qtbot.waitUntil(lambda: any("gone.toml" in sentence for sentence in told(window)), timeout=LONG_MS)
    assert window.desk.facts is None
    run = next(one for one in window.panels.places["form"].findChildren(QPushButton) if one.text() == "&Run")
    assert not run.isEnabled()
    window.desk.choose_station(STATION)
    qtbot.waitUntil(lambda: window.desk.facts is not None, timeout=LONG_MS)
    assert "simulated" in window.windowTitle()


@pytest.mark.slow
def test_station_that_does_not_open_fails_its_item_with_the_reason_and_keeps_the_values(
    open_window, qtbot, root, tmp_path
):
    station = tmp_path / "far-away.toml"
    station.write_text(UNREACHABLE)
    window = open_window("queue", station=str(station))
    qtbot.waitUntil(lambda: window.desk.facts is not None, timeout=LONG_MS)
    with RunQueue(root) as queue:
        queue.add("sweep_iv", str(station), {"cycles": "3"})
    worker = threading.Thread(target=work, args=(root,), kwargs={"idle_s": 0.1})
    worker.start()
    queue_panel = window.panels.places["queue"].panel
    qtbot.waitUntil(lambda: [item.state for item in queue_panel.look.items] == ["failed"], timeout=LONG_MS)
    worker.join(60)
    (item,) = queue_panel.look.items
    assert item.error.startswith("smu1 (Keithley2450): ")
    assert item.error.endswith("check power and cable")
    assert item.parameters == {"cycles": "3"}
    # no file: nothing was measured
    assert list(root.glob("*.run.sqlite")) == []


def test_run_that_fails_is_shown_as_failed_with_the_reason_and_its_points(open_window, qtbot, root):
    window = open_window("plots")
    writer = RunWriter.create(root, HEADER)
    writer.points([{"Row": 0, "Voltage (V)": 0.1}])
    writer.flush()
    qtbot.waitUntil(lambda: window.desk.feed is not None, timeout=LONG_MS)
    qtbot.waitUntil(lambda: window.desk.feed.status == "running", timeout=LONG_MS)
    why = "smu1 (Keithley2450): no answer; check power and cable"
    writer.event("error", why)
    writer.event("traceback", "Traceback (most recent call last):\n  ...")
    writer.seal("failed", {}, why)
    is_shown_as_failed(window, qtbot, why)


@pytest.mark.slow
def test_run_whose_instrument_is_unplugged_is_shown_as_failed_with_the_reason_and_its_points(open_window, qtbot, root):
    window = open_window("plots", "runs", station="tiox-32x32")
    command = ("run", "read_array", "-s", "tiox-32x32", "-o", root, "-q", "-p", "averages=200")
    unplugged = ("-p", "faults=power_cycle@smu1:measure#1500")
    with subprocess.Popen(
        [sys.executable, "-m", "labctl", *map(str, command), *unplugged], stderr=subprocess.PIPE
    ) as run:
        qtbot.waitUntil(lambda: window.desk.feed is not None, timeout=LONG_MS)
        qtbot.waitUntil(lambda: window.desk.feed.status == "failed", timeout=LONG_MS)
        run.communicate(timeout=60)
    why = open_run(window.desk.feed.path).summary()["error"]
    assert why.endswith("check power and cable")
    is_shown_as_failed(window, qtbot, why)


def is_shown_as_failed(window, qtbot, why):
    qtbot.waitUntil(lambda: window.run_bar.state_label.text() == "Failed", timeout=LONG_MS)
    assert why in told(window)
    assert why in window.statusBar().currentMessage()
    # the details are behind the sentence, not lines of their own
    (entry,) = [entry for entry in window.log.model.entries if entry.sentence == why]
    assert entry.details.startswith("Traceback")
    assert not any("Traceback" in entry.sentence for entry in window.log.model.entries)
    assert window.desk.feed.count == open_run(window.desk.feed.path).summary()["points"] > 0


def test_two_windows_on_one_station_share_the_queue_and_the_run(open_window, qtbot, root):
    first, second = open_window("queue"), open_window("queue")
    assert any("another window" in sentence for sentence in told(second, "warning"))
    queues = [window.panels.places["queue"].panel for window in (first, second)]
    with RunQueue(root) as queue:
        queue.hold()
        queue.add("sweep_iv", STATION, {})
    for panel in queues:
        qtbot.waitUntil(lambda panel=panel: len(panel.look.items) == 1, timeout=LONG_MS)
    writer = RunWriter.create(root, HEADER)
    writer.points([{"Row": 0, "Voltage (V)": 0.1}])
    writer.flush()
    for window in (first, second):
        qtbot.waitUntil(lambda window=window: window.desk.feed is not None, timeout=LONG_MS)
        qtbot.waitUntil(lambda window=window: window.desk.feed.status == "running", timeout=LONG_MS)
    first.run_bar.abort()
    assert mailbox_of(writer.path).exists()
    writer.seal("aborted", {})
    for window in (first, second):
        qtbot.waitUntil(lambda window=window: window.run_bar.state_label.text() == "Aborted", timeout=LONG_MS)
        assert told(window) == []
