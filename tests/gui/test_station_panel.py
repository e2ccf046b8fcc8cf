"""The station panel and ALL OUTPUTS OFF. Authority: issue 5, "Station panel"; the packaged station file; the contracts
of the mailbox and the state board.
"""

import json

import numpy as np
import pytest
from qtpy.QtWidgets import QMessageBox

from labctl.gui.answers.desk import station_facts
from labctl.gui.commands import Finished
from labctl.gui.station.all_off import AllOff
from labctl.gui.station.outputs_view import as_ranges, line_rows
from labctl.gui.station.station_panel import StationPanel
from labctl.gui.station.truth_view import deviation
from labctl.run import RunControl
from labctl.run.mailbox import Mailbox
from labctl.run.queue.store import RunQueue
from labctl.run.state_board import StateBoard
from labctl.store import RunHeader, RunWriter

STATION = "tiox-32x32"
BOARD = {
    "state": "running",
    "clock_s": 75.0,
    "outputs": {
        "smu1.a": {"on": True, "level_v": 0.2, "changing": False, "pulsed": False, "limit_a": 0.01},
        "smu1.b": {"on": True, "level_v": None, "changing": False, "pulsed": False, "limit_a": 0.01},
        "gen1.1": {"on": False, "level_v": 0.0, "changing": False, "pulsed": True, "limit_a": None},
    },
    "relays": {"mat1": ["1A04"]},
    "lines": {"word 3": "smu1.a", "bit 4": "smu1.b", "word 0": "ground", "word 1": "ground", "bit 7": "ground"},
    "heaters": {"tc1": True},
    "temperature_k": 350.0,
}


class Commands:
    """In place of the commands that the desk starts: they are noted, and ended by the test."""

    def __init__(self, desk, monkeypatch):
        self.asked, self.done = [], []
        monkeypatch.setattr(desk.commands, "start", self)

    def __call__(self, arguments, done, what=""):
        self.asked.append(list(arguments))
        self.done.append(done)

    def end(self, code=0, out="", error=""):
        self.done.pop(0)(Finished(code, out if isinstance(out, str) else json.dumps(out), error))


@pytest.fixture
def commands(desk, monkeypatch):
    return Commands(desk, monkeypatch)


@pytest.fixture
def live(root):
    """The file of a run that goes on: this process writes it."""
    bench = {"seed": 7, "effects": {"read_noise": True, "half_select": False}, "simulated": True}
    facts = {"bench": bench, "station_file": STATION}
    writer = RunWriter.create(root, RunHeader("read_array", ["Row"], station=STATION, simulated=True, facts=facts))
    who = {"maker": "Keithley Instruments", "model": "2636B", "serial": "42", "firmware": "4.0.3"}
    writer.instrument("smu1", "start", who, {})
    yield writer
    writer.close()


def choose(desk, name=STATION):
    desk.station = name
    desk._take_facts(station_facts(name))


@pytest.fixture
def panel(desk, commands, qtbot):
    panel = StationPanel(desk)
    qtbot.addWidget(panel)
    return panel


def test_all_off_ends_live_runs_at_once_and_then_verifies(desk, commands, live, root, qtbot):
    with RunQueue(root) as queue:
        queue.add("read_array", STATION, {})
    button = AllOff(desk)
    qtbot.addWidget(button)
    choose(desk)
    control = RunControl()
    with Mailbox(live.path, 1, control):
        button.button.click()
        # no command has ended, and none need have begun
        qtbot.waitUntil(lambda: control.insisted, timeout=500)
    assert control.abort_reason == "all outputs off"
    with RunQueue(root) as queue:
        assert queue.is_held
        assert "ALL OUTPUTS OFF" in queue.held_why
    assert commands.asked == [["off", "-s", STATION, "-o", str(root), "--json"]]
    assert "Switching off" in button.outcome.text()
    with qtbot.waitSignal(button.finished) as told:
        commands.end(out={"told": f"{STATION}: verified off: smu1", "is_read_back": True})
    assert told.args[0] is True
    assert button.outcome.text().startswith("Verified off, ")
    assert desk.sentences[-1] == ("info", f"{live.run_id} was ended; {STATION}: verified off: smu1")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ("waiting: x\nlabctl: rack: NOT VERIFIED OFF: smu1 (Keithley2636B): no answer yet", "smu1 (Keithley2636B)"),
        ("labctl: stations/x.toml: no such file", "NOT VERIFIED OFF: tiox-32x32: stations/x.toml"),
        ("", "NOT VERIFIED OFF: tiox-32x32: the command ended without a word"),
    ],
)
def test_all_off_says_what_is_not_verified(desk, commands, qtbot, error, told):
    button = AllOff(desk)
    qtbot.addWidget(button)
    choose(desk)
    button.button.click()
    commands.end(code=3, error=error)
    assert button.outcome.text() == "NOT VERIFIED OFF: see the log"
    severity, sentence = desk.sentences[-1]
    assert severity == "error"
    assert told in sentence
    assert "NOT VERIFIED OFF" in sentence


def test_all_off_switches_off_though_the_runs_cannot_be_asked(desk, commands, qtbot, monkeypatch):
    def fails(*_, **__):
        raise OSError("the disk is gone")

    monkeypatch.setattr("labctl.gui.station.all_off.stop_runs", fails)
    button = AllOff(desk)
    qtbot.addWidget(button)
    choose(desk)
    button.button.click()
    assert [command[0] for command in commands.asked] == ["off"]
    assert any(sentence.startswith("the disk is gone; ") for _, sentence in desk.sentences)


def test_all_off_can_be_pressed_again_while_it_works(desk, commands, qtbot):
    button = AllOff(desk)
    qtbot.addWidget(button)
    choose(desk)
    button.button.click()
    button.button.click()
    assert len(commands.asked) == 2
    commands.end(code=3, error="labctl: first")
    assert "Switching off" in button.outcome.text()
    commands.end(out={"told": "verified off", "is_read_back": True})
    assert "NOT VERIFIED OFF" in button.outcome.text()


def test_all_off_says_that_nothing_is_there_to_switch_off(desk, commands, qtbot):
    button = AllOff(desk)
    qtbot.addWidget(button)
    button.button.click()
    assert commands.asked == []
    assert "nothing to switch off" in desk.sentences[-1][1]


def test_panel_shows_what_the_live_run_has_told_its_instruments(desk, panel, live, qtbot):
    with StateBoard(live.path, lambda: BOARD):
        choose(desk)
        panel.show()
        qtbot.waitUntil(lambda: "has told the instruments" in panel.state.text(), timeout=15000)
        assert live.run_id in panel.state.text()
        assert panel.outputs.shown_rows() == [
            ("smu1.a", "ON", "200 mV", "10 mA"),
            ("smu1.b", "ON", "not known", "10 mA"),
            ("gen1.1", "off", "0 V (top of its pulses)", "none: 50 Ω source"),
            ("tc1 heater", "ON", "350 K", ""),
        ]
        # as high as its rows: nothing is hidden behind a scroll bar
        assert panel.outputs.viewport().height() >= sum(panel.outputs.rowHeight(row) for row in range(4))
        danger = desk.theme.colours.danger
        assert [panel.outputs.item(row, 1).background().color().name() == danger for row in range(4)] == [
            True,
            True,
            False,
            True,
        ]
        assert panel.lines.shown_rows() == [
            ("smu1.a", "word 3"),
            ("smu1.b", "bit 4"),
            ("ground", "word 0\u20131; bit 7"),
        ]
        assert panel.instruments.shown_rows()[0][1:3] == ("Keithley Instruments 2636B, firmware 4.0.3", "42")
        assert panel.bench.values["Seed"].text() == "7"
        assert panel.bench.values["Effects"].text() == "on: read noise; off: half select"
        assert panel.bench.values["Clock of the rack"].text().startswith("1:15")
        assert panel.ask.isHidden()
    live.seal("aborted", {}, "x")
    desk.runs_changed.emit()
    qtbot.waitUntil(lambda: "has ended" in panel.state.text(), timeout=15000)
    assert panel.outputs.shown_rows() == [("not known", "", "", "")]


def test_instruments_are_asked_only_when_the_user_says_so(desk, panel, commands, root):
    choose(desk)
    assert not [command for command in commands.asked if command[0] == "state"]
    assert panel.instruments.shown_rows()[0][1] == "Keithley2636B expected"
    panel.ask.click()
    file = desk.facts.file
    assert commands.asked[-1] == ["state", "-s", file, "-o", str(root), "--json"]
    who = {"maker": "KEITHLEY", "model": "2636B", "serial": "1", "firmware": "2"}
    left = {"left_on": ["smu1 (Keithley2636B)"], "errors": ["smu1: -222"], "identities": {"smu1": who}}
    commands.end(out={**BOARD, **left})
    assert "smu1 (Keithley2636B) had been left on and is off now" in panel.state.text()
    assert "smu1: -222" in panel.state.text()
    assert panel.outputs.shown_rows()[0][1] == "ON"
    assert panel.instruments.shown_rows()[0][1] == "KEITHLEY 2636B, firmware 2"


def test_station_that_does_not_open_is_told(desk, panel, commands):
    choose(desk)
    panel.ask.click()
    commands.end(code=3, error="labctl: smu1 (Keithley2636B): cannot be opened: no route; check power")
    assert "could not be asked: smu1 (Keithley2636B): cannot be opened" in panel.state.text()
    assert panel.ask.isEnabled()


def test_envelope_is_shown_and_a_simulated_station_says_so(desk, panel):
    assert panel.boxes["Envelope"].isHidden()
    choose(desk)
    words = [
        (panel.envelope.itemAt(row, panel.envelope.ItemRole.SpanningRole).widget().text().rpartition(" at most ")[2])
        for row in range(panel.envelope.rowCount())
    ]
    # the station file: 5 V, 0.5 A, 1 s, 0.05 J
    assert words == ["5 V", "500 mA", "1 s", "50 mJ"]
    assert not panel.badge.isHidden()
    assert not panel.boxes["Bench"].isHidden()
    facts = station_facts(STATION) | {"simulated": False, "bench": ""}
    desk._take_facts(facts)
    assert panel.badge.isHidden()
    assert panel.boxes["Bench"].isHidden()


@pytest.mark.parametrize("answer", [QMessageBox.StandardButton.Cancel, QMessageBox.StandardButton.Yes])
def test_reset_asks_first(desk, panel, commands, monkeypatch, answer):
    choose(desk)
    asked = []
    monkeypatch.setattr(QMessageBox, "question", lambda *words: (asked.append(words[2]), answer)[1])
    panel.bench.seed.setText("5")
    panel.bench.reset.click()
    assert "The old die is gone" in asked[0]
    resets = [command for command in commands.asked if command[:2] == ["bench", "reset"]]
    wanted = [["bench", "reset", STATION, "--seed", "5"]] if answer == QMessageBox.StandardButton.Yes else []
    assert resets == wanted


def test_reset_refuses_a_seed_that_is_none_and_a_served_bench(desk, panel, commands):
    choose(desk)
    panel.bench.seed.setText("five")
    panel.bench.reset.click()
    assert "a seed is a whole number such as 7" in desk.sentences[-1][1]
    assert commands.asked == []
    desk._take_facts(station_facts(STATION) | {"bench": ""})
    assert not panel.bench.reset.isEnabled()
    assert "labctl bench reset" in panel.bench.reset.toolTip()


def test_faults_go_into_the_form(desk, panel, commands):
    choose(desk)
    panel.bench.load_kinds()
    assert commands.asked == [["bench", "faults", "--json"]]
    commands.end(out={"disk_full": "the disk is full", "lost_reply": "the reply never comes"})
    panel.bench.load_kinds()
    assert len(commands.asked) == 1
    offered = []
    desk.parameters_offered.connect(lambda *offer: offered.append(offer))
    for index in (2, 1):
        panel.bench.kinds.activated.emit(index)
    assert panel.bench.spec.text() == "lost_reply@smu1#1; disk_full#1"
    panel.bench.offer.click()
    assert offered == [("", {"faults": "lost_reply@smu1#1; disk_full#1"})]


def test_true_state_stands_beside_the_measured_one(desk, panel, commands, monkeypatch):
    from labctl.analysis.die_maps import DieMaps
    from labctl.analysis.die_pack import pack_maps

    answers = []
    monkeypatch.setattr(desk.scanner, "ask", lambda what, done, **_: answers.append((what, done)))
    choose(desk)
    panel.bench.compare.click()
    assert commands.asked[-1] == ["bench", "show", STATION, "--json"]
    true_s = np.full((32, 32), 1e-6)
    bench = {"seed": 3, "effects": {}, "die_age_s": 60.0, "conductance_s": true_s.tolist()}
    commands.end(out=bench)
    assert panel.bench.truth.isHidden()
    maps = DieMaps(32, 32)
    maps.conductance_s[2, 3], maps.touched_utc_s[2, 3] = 2e-6, 1.0
    what, done = answers[0]
    assert what == "array.die"
    done({"maps": pack_maps(maps), "runs": 1, "seed": 3, "left": 0})
    assert not panel.bench.truth.isHidden()
    assert "1 of 1024 cells were measured" in panel.bench.truth.words.text()
    assert "median 2," in panel.bench.truth.words.text()
    true_image, measured_image = (image.image for image in panel.bench.truth._images)
    assert np.all(true_image == -6.0)
    assert np.flatnonzero(np.isfinite(measured_image)).tolist() == [2 * 32 + 3]


def test_truth_that_cannot_be_seen_is_told(desk, panel, commands, monkeypatch):
    monkeypatch.setattr(desk.scanner, "ask", lambda *_, **__: None)
    choose(desk)
    panel.bench.compare.click()
    commands.end(code=2, error="labctl: the die is in use by another process (process id 7)")
    assert "cannot be seen now: the die is in use by another process" in panel.bench.note.text()
    assert panel.bench.compare.isEnabled()


def test_panel_stands_in_dark_as_in_light(desk, panel):
    choose(desk)
    panel._show_board(BOARD)
    for scheme in ("dark", "light"):
        desk.theme.choose(scheme)
        assert panel.outputs.item(0, 1).background().color().name() == desk.theme.colours.danger
        assert not panel.grab().isNull()


def test_lines_are_gathered_by_terminal_with_ground_last():
    lines = {"word 0": "ground", "source plate": "smu1.a", "bit 1": "ground", "bit 2": "ground", "bit 9": "smu1.b"}
    assert line_rows(lines) == [("smu1.a", "source plate"), ("smu1.b", "bit 9"), ("ground", "word 0; bit 1\u20132")]
    assert as_ranges([7, 1, 2, 3, 9]) == "1\u20133, 7, 9"
    assert as_ranges([]) == ""


def test_deviation_counts_only_what_was_measured():
    true_s = np.array([[1.0, 2.0, 0.0]])
    assert deviation(true_s, np.array([[np.nan, np.nan, np.nan]])).startswith("None of the 3 cells")
    assert "1 of 3 cells were measured. Last reading divided by the true value now: median 1.5" in deviation(
        true_s, np.array([[1.5, np.nan, 1.0]])
    )
