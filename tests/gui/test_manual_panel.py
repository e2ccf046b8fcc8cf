"""The panel "By hand". Authority: issue 5, "Manual panel"; the contract of the mailbox; the procedure ``manual``."""

import json
from importlib.resources import files
from pathlib import Path

import pytest

from labctl.gui.answers.desk import station_facts
from labctl.gui.manual import manual_session
from labctl.gui.manual.manual_panel import ManualPanel
from labctl.run.mailbox import mailbox_of
from labctl.run.queue.store import RunQueue
from labctl.run.queue.turns import Turns
from labctl.store import RunHeader, RunWriter
from labctl_procedures.cell_port import CELL_COLUMNS

STATION = "tiox-32x32"


@pytest.fixture
def panel(desk, qtbot, monkeypatch):
    started = []
    monkeypatch.setattr(manual_session, "ensure_worker", started.append)
    panel = ManualPanel(desk)
    panel.started = started
    qtbot.addWidget(panel)
    yield panel
    panel.session.close()


@pytest.fixture
def session(root):
    """The file of a session that goes on: this process writes it."""
    writer = RunWriter.create(root, RunHeader("manual", CELL_COLUMNS, station=STATION, simulated=True))
    yield writer
    writer.close()


def choose(desk, cells=((3, 4),)):
    desk.station = STATION
    desk._take_facts(station_facts(STATION))
    desk.select(cells)


def asks_of(writer):
    path = mailbox_of(writer.path)
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def usable(panel):
    return {name: button.isEnabled() for name, button in panel.buttons.items()}


def test_nothing_can_be_pressed_when_no_cell_is_selected(desk, panel):
    choose(desk, ())
    assert not any(usable(panel).values())
    assert "No cell is selected" in panel.cells.text()
    desk.select([(3, 4)])
    assert all(usable(panel).values())
    assert "(3, 4)" in panel.cells.text()


@pytest.mark.parametrize(
    ("field", "text", "reason", "action"),
    [
        ("amplitude", "7 V", "at most 5 V for this station (its envelope), got 7 V", "pulse"),
        ("amplitude", "-7", "at most 5 V", "pulse"),
        ("amplitude", "0", "must not be 0 V", "pulse"),
        ("amplitude", "1 A", "A", "pulse"),
        ("amplitude", "", "", "pulse"),
        ("width", "2 s", "at most 1 s for this station (its envelope), got 2 s", "pulse"),
        ("width", "-1us", "must be positive", "pulse"),
        ("conductance", "0", "must be positive", "set_level"),
        ("conductance", "5 V", "V", "set_level"),
    ],
)
def test_value_is_refused_with_the_reason_when_it_is_wrong(desk, panel, field, text, reason, action):
    choose(desk)
    panel.fields[field].setText(text)
    panel.fields[field].textEdited.emit(text)
    assert panel.refusal(field)
    assert reason in panel.reasons[field].text()
    assert panel.fields[field].property("refused") is True
    assert usable(panel) == {"read": True, "pulse": action != "pulse", "set_level": action != "set_level"}
    panel._ask(action)
    assert "was not asked for" in desk.sentences[-1][1]
    assert panel.session.state == "none"


def test_first_press_begins_a_session_before_everything_that_waits(desk, panel, root, qtbot):
    choose(desk)
    with RunQueue(root) as queue:
        queue.add("read_array", STATION, {})
    panel.forms.setChecked(True)
    panel.buttons["read"].click()
    with RunQueue(root) as queue:
        first = queue.items()[0]
        assert (first.procedure, first.station) == ("manual", STATION)
        assert first.parameters == {"form_unformed": "true"}
        queue.hold("lunch")
    assert panel.started == [root]
    assert not any(usable(panel).values())
    qtbot.waitUntil(lambda: "the queue is held (lunch)" in panel.state.text(), timeout=3000)
    panel.end.click()
    assert panel.session.state == "none"
    assert all(usable(panel).values())
    with RunQueue(root) as queue:
        assert [item.procedure for item in queue.items()] == ["read_array"]


def test_requests_go_to_the_session_and_answers_come_back(desk, panel, session, qtbot):
    choose(desk, ((3, 4), (0, 1)))
    panel.session.join(session.path)
    panel.fields["amplitude"].setText("1.2 V")
    panel.fields["width"].setText("20us")
    panel.buttons["pulse"].click()
    (ask,) = asks_of(session)
    told = {name: ask[name] for name in ("what", "by", "action", "cell", "amplitude", "width")}
    assert told == {
        "what": "do",
        "by": "the window",
        "action": "pulse",
        "cell": "0,1;3,4",
        "amplitude": "1.2 V",
        "width": "20us",
    }
    assert not any(usable(panel).values())
    assert "working" in panel.state.text()
    row = dict.fromkeys(CELL_COLUMNS)
    pulse = {**row, "Event": "set", "Row": 3, "Column": 4, "Voltage (V)": 1.2, "Width (s)": 2e-5}
    read = {**row, "Event": "verify", "Row": 3, "Column": 4, "Voltage (V)": 0.2, "Conductance (S)": 51.234e-6}
    session.points([pulse, read])
    session.event("answer", f"#{ask['number']} pulse (3, 4): 1.2 V for 20 µs, then 51.23 µS")
    qtbot.waitUntil(lambda: all(usable(panel).values()), timeout=3000)
    qtbot.waitUntil(lambda: panel.table.rowCount() == 2, timeout=3000)
    shown = [[panel.table.item(row, column).text() for column in range(6)] for row in range(2)]
    assert shown == [["verify", "(3, 4)", "200 mV", "", "51.23 µS", ""], ["set", "(3, 4)", "1.2 V", "20 µs", "", ""]]
    assert panel.answer.text() == "pulse (3, 4): 1.2 V for 20 µs, then 51.23 µS"
    # kept for the next time
    assert desk.settings.value("manual/amplitude") == "1.2 V"


def test_refusal_of_the_run_is_told(desk, panel, session, qtbot):
    choose(desk)
    panel.session.join(session.path)
    panel.buttons["read"].click()
    (ask,) = asks_of(session)
    session.event("refused", f"#{ask['number']} smu1.a: energy must be at most 50 mJ")
    qtbot.waitUntil(lambda: "Refused, nothing was sent: smu1.a" in panel.answer.text(), timeout=3000)
    assert desk.sentences[-1][0] == "error"
    assert all(usable(panel).values())


def test_session_is_ended_by_its_button_and_by_the_end_of_its_run(desk, panel, session, qtbot):
    choose(desk)
    panel.session.join(session.path)
    assert not panel.forms.isEnabled()
    panel.end.click()
    assert [ask["action"] for ask in asks_of(session)] == ["end"]
    session.seal("finished", {}, None)
    qtbot.waitUntil(lambda: panel.session.state == "none", timeout=3000)
    assert "The session has ended (finished)" in panel.state.text()
    assert panel.forms.isEnabled()


def test_failed_session_says_why_and_frees_the_buttons(desk, panel, session, qtbot):
    choose(desk)
    panel.session.join(session.path)
    panel.buttons["read"].click()
    session.event("error", "InstrumentError: smu1: no answer; check the cable")
    session.seal("failed", {}, "x")
    qtbot.waitUntil(lambda: panel.session.state == "none", timeout=3000)
    assert "failed: InstrumentError: smu1: no answer; check the cable" in panel.state.text()
    assert all(usable(panel).values())


def test_session_that_goes_on_is_taken_up_when_the_window_is_opened_again(desk, panel, session, qtbot):
    choose(desk)
    panel.show()
    qtbot.waitUntil(lambda: panel.session.state == "open", timeout=15000)
    assert panel.session.run_id == session.run_id
    assert panel.started == []


@pytest.fixture
def racks(home, root, desk, panel, answers_here, qtbot):
    """Two stations: rack-a allows 2 V, rack-b 5 V; a session of rack-a goes on, which this process writes."""
    text = (Path(str(files("labctl_data"))) / "stations" / f"{STATION}.toml").read_text(encoding="utf-8")
    folder = home / "stations"
    folder.mkdir()
    for name, limit in (("rack-a", "2.0"), ("rack-b", "5.0")):
        own = text.replace(f'name = "{STATION}"', f'name = "{name}"').replace("voltage_v = 5.0", f"voltage_v = {limit}")
        assert own.count(name) == 1
        (folder / f"{name}.toml").write_text(own, encoding="utf-8")
    facts = {"station_file": str(folder / "rack-a.toml")}
    writer = RunWriter.create(root, RunHeader("manual", CELL_COLUMNS, station="rack-a", simulated=True, facts=facts))
    yield writer
    writer.close()


def show_station(desk, qtbot, name):
    desk.choose_station(name)
    qtbot.waitUntil(lambda: desk.facts is not None and desk.facts.name == Path(name).stem)
    desk.select([(3, 4)])


def test_nothing_is_sent_to_another_station_than_the_one_that_is_shown(desk, panel, racks, qtbot):
    """Authority: 4 V, allowed on the rack that was shown, went to the rack of the session, which allows 2 V."""
    show_station(desk, qtbot, "rack-a")
    panel.session.join(racks.path)
    assert panel.state.text().startswith(f"Session {racks.run_id} on rack-a (simulated)")
    racks.points([{**dict.fromkeys(CELL_COLUMNS), "Event": "read", "Row": 3, "Column": 4, "Conductance (S)": 5e-5}])
    qtbot.waitUntil(lambda: panel.table.rowCount() == 1)
    assert not panel.table.isRowHidden(0)
    desk.choose_station("rack-b")
    assert not any(usable(panel).values())
    show_station(desk, qtbot, "rack-b")
    panel.fields["amplitude"].setText("4 V")
    panel.fields["amplitude"].textEdited.emit("4 V")
    assert panel.refusal("amplitude") == ""
    assert not any(usable(panel).values())
    told = panel.state.text()
    assert told.startswith("The session by hand is of rack-a (simulated), the window shows rack-b: nothing can be sent")
    assert "choose rack-a to go on with it, or end the session" in told
    # the cell of the other rack has the same number
    assert panel.table.isRowHidden(0)
    panel._ask("pulse")
    assert desk.sentences[-1][0] == "error"
    assert "choose rack-a" in desk.sentences[-1][1]
    assert asks_of(racks) == []
    # an answer that comes now says whose it is
    racks.event("answer", "#1 read (3, 4): 50 µS")
    qtbot.waitUntil(lambda: panel.answer.text() == "rack-a (simulated): read (3, 4): 50 µS")
    show_station(desk, qtbot, "rack-a")
    assert not panel.table.isRowHidden(0)
    assert usable(panel) == {"read": True, "pulse": False, "set_level": True}
    assert "at most 2 V" in panel.reasons["amplitude"].text()
    panel.buttons["read"].click()
    assert [ask["action"] for ask in asks_of(racks)] == ["read"]


def test_session_of_another_station_is_ended_to_begin_one_here(desk, panel, racks, qtbot, root):
    show_station(desk, qtbot, "rack-a")
    panel.session.join(racks.path)
    show_station(desk, qtbot, "rack-b")
    panel.end.click()
    assert [ask["action"] for ask in asks_of(racks)] == ["end"]
    racks.seal("finished", {}, None)
    qtbot.waitUntil(lambda: all(usable(panel).values()))
    panel.buttons["read"].click()
    with RunQueue(root) as queue:
        assert [(item.procedure, item.station) for item in queue.items()] == [("manual", "rack-b")]


def test_another_file_with_the_same_name_is_another_station(desk, panel, racks, qtbot, tmp_path, home):
    show_station(desk, qtbot, "rack-a")
    panel.session.join(racks.path)
    copy = tmp_path / "rack-a.toml"
    copy.write_bytes((home / "stations" / "rack-a.toml").read_bytes())
    show_station(desk, qtbot, str(copy))
    assert not any(usable(panel).values())
    assert f"the window shows {copy}" in panel.state.text()


def test_what_was_not_sent_yet_is_dropped_when_another_station_is_chosen(desk, panel, racks, qtbot, root):
    show_station(desk, qtbot, "rack-a")
    panel.buttons["read"].click()
    assert panel.state.text().startswith("A session on rack-a is being started")
    show_station(desk, qtbot, "rack-b")
    ((severity, told),) = desk.sentences
    assert severity == "warning"
    assert told.startswith("by hand: read was not sent to rack-a, whose session had not begun when rack-b was chosen")
    assert not any(usable(panel).values())
    # now it begins
    with Turns(root) as turns:
        assert [item.station for item in turns.items()] == ["rack-a"]
        turns.note_run(turns.begin(), racks.run_id, racks.path, simulated=True)
    qtbot.waitUntil(lambda: panel.session.state == "open")
    assert asks_of(racks) == []
    assert not any(usable(panel).values())


def test_session_that_is_found_too_late_is_not_taken_up(desk, panel, racks, qtbot):
    show_station(desk, qtbot, "rack-a")
    of_a = desk.facts
    show_station(desk, qtbot, "rack-b")
    panel._take_live({"procedure": "manual", "path": str(racks.path)}, of_a)
    assert panel.session.state == "none"


def test_panel_stands_in_dark_as_in_light(desk, panel):
    choose(desk)
    for scheme in ("dark", "light"):
        desk.theme.choose(scheme)
        assert not panel.grab().isNull()


@pytest.mark.slow
def test_cell_is_read_through_a_session_of_its_own(desk, qtbot, root):
    panel = ManualPanel(desk)
    qtbot.addWidget(panel)
    choose(desk)
    panel.buttons["read"].click()
    qtbot.waitUntil(lambda: panel.answer.text().startswith("read (3, 4): "), timeout=60000)
    qtbot.waitUntil(lambda: panel.table.rowCount() == 1, timeout=5000)
    panel.end.click()
    qtbot.waitUntil(lambda: panel.session.state == "none", timeout=30000)
    assert len(list(root.glob("*-manual-*.run.sqlite"))) == 1
