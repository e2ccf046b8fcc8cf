"""The state board: true, small, at most five times a second, and harmless to its run.

Authority: the contract of the board; the wiring of the packaged station file.
"""

import errno
import json
import os
import time

import pytest

from labctl.run import state_board
from labctl.run.state_board import StateBoard, board_of, read_state
from labctl.station.guard import Guard
from labctl.station.present import connected_lines, present_outputs
from labctl.station.station_file import read_station_file


class Look:
    """What the board is to show; counts how often it is asked."""

    def __init__(self):
        self.shown = {"state": "running", "outputs": {}}
        self.clock_s = 0.0

    def __call__(self):
        self.clock_s += 1.0
        return self.shown | {"clock_s": self.clock_s}


def wait_for(condition):
    end_s = time.monotonic() + 60.0
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.005)


def test_board_follows_and_goes_with_the_run(tmp_path):
    path, look = tmp_path / "a.run.sqlite", Look()
    assert read_state(path) is None
    with StateBoard(path, look):
        wait_for(lambda: read_state(path) is not None)
        assert read_state(path)["state"] == "running"
        look.shown = {"state": "paused", "outputs": {"smu1.a": {"on": True}}}
        wait_for(lambda: read_state(path)["state"] == "paused")
        assert read_state(path)["outputs"]["smu1.a"]["on"]
    assert list(tmp_path.iterdir()) == []


def test_board_is_written_at_most_five_times_a_second_when_everything_changes(tmp_path, monkeypatch):
    replaced = []
    replace = os.replace
    monkeypatch.setattr(state_board.os, "replace", lambda *names: (replaced.append(names), replace(*names)))
    look = Look()
    begun_s = time.monotonic()
    with StateBoard(tmp_path / "a.run.sqlite", lambda: {"count": look()["clock_s"]}):
        wait_for(lambda: len(replaced) >= 5)
    # the first at once
    assert len(replaced) <= 1.0 + 5.0 * (time.monotonic() - begun_s)


def test_board_is_not_written_again_when_only_the_clock_goes_on(tmp_path, monkeypatch):
    replaced = []
    replace = os.replace
    monkeypatch.setattr(state_board.os, "replace", lambda *names: (replaced.append(names), replace(*names)))
    board = StateBoard(tmp_path / "a.run.sqlite", Look())
    monkeypatch.setattr(state_board, "_IDLE_S", 1e9)
    for _ in range(5):
        board.write()
    assert len(replaced) == 1
    monkeypatch.setattr(state_board, "_IDLE_S", 0.0)
    board.write()
    assert len(replaced) == 2


def test_board_is_tried_again_when_the_disk_was_full(tmp_path, monkeypatch):
    path, look = tmp_path / "a.run.sqlite", Look()
    board = StateBoard(path, look)
    board.write()

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(state_board.Path, "write_text", full)
        look.shown = {"state": "paused"}
        board.write()
        assert read_state(path)["state"] == "running"
    board.write()
    assert read_state(path)["state"] == "paused"


def test_board_that_fails_is_left_out_and_touches_nothing(tmp_path):
    def fails():
        raise ValueError("nobody knows")

    with StateBoard(tmp_path / "a.run.sqlite", fails) as board:
        wait_for(lambda: not board._thread.is_alive())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"', "\x00"])
def test_damaged_board_is_none(tmp_path, text):
    path = tmp_path / "a.run.sqlite"
    board_of(path).write_text(text, encoding="utf-8")
    assert read_state(path) is None


def test_lines_hang_on_what_the_closed_crosspoints_say():
    wiring = read_station_file("tiox-32x32").wiring
    # word line 3 is on column 104, bit line 4 on 401; row A is smu1.a, B smu1.b, E ground (the station file)
    closed = {"1A04", "4B01", "1E01", "3E09", "6E11"}
    assert connected_lines(wiring, {"mat1": closed}) == {
        "word 3": "smu1.a",
        "bit 4": "smu1.b",
        "word 0": "ground",
        "bit 0": "ground",
        "identification pad": "ground",
    }
    assert connected_lines(wiring, {"mat1": {"1A04", "1C04"}}) == {"word 3": "smu1.a and gen1.1"}
    assert connected_lines(wiring, {"mat1": None}) == {}


def test_gates_and_direct_wiring_are_named_too():
    transistors = read_station_file("hfo2-1t1r-64x64").wiring
    gate = transistors.control
    row, terminal = next(iter(gate.rows.items()))
    closed = {str(gate.matrix): {gate.crosspoint(row, gate.line(5))}, str(transistors.matrix): set()}
    assert connected_lines(transistors, closed) == {"gate 5": terminal}
    direct = read_station_file("single-device").wiring
    assert connected_lines(direct, {}) == {"word 0": direct.direct.word, "bit 0": direct.direct.bit}


def test_outputs_tell_what_is_not_known():
    guard = Guard(read_station_file("tiox-32x32").envelope, "file")
    guard.levels_v = {"smu1.a": 0.2, "gen1.1": 1.5}
    guard.standing = {"smu1.a"}
    guard.on = {"smu1.a"}
    assert present_outputs(guard) == {
        "smu1.a": {"on": True, "level_v": 0.2, "changing": False, "pulsed": False, "limit_a": None},
        "gen1.1": {"on": False, "level_v": 1.5, "changing": False, "pulsed": True, "limit_a": None},
    }
    guard.in_doubt = {"smu1.a": 0.0}
    told = present_outputs(guard)["smu1.a"]
    assert (told["level_v"], told["changing"]) == (None, False)
    guard.in_doubt = {}
    with guard.stimulating(["smu1.a"], 0.0):
        told = present_outputs(guard)["smu1.a"]
        assert (told["level_v"], told["changing"]) == (None, True)
    assert present_outputs(guard)["smu1.a"]["level_v"] == 0.2


def test_board_of_a_real_station_is_json(tmp_path, monkeypatch):
    from labctl.station.paper import PaperStation
    from labctl.station.record import Record

    paper = PaperStation(read_station_file("tiox-32x32"), 1e-5, Record(1000, 10.0))
    meter = paper.source_meter("smu1.a")
    meter.prepare(voltage_range_v=2.0, current_limit_a=1e-3, measure_range_a=None, integration_plc=1.0)
    paper.switch_matrix("mat1").open_all()
    paper.switch_matrix("mat1").close(["1A04"])
    meter.output_on()
    meter.set_voltage(0.2)
    told = json.loads(json.dumps(paper.present()))
    assert told["outputs"]["smu1.a"] == {
        "on": True,
        "level_v": 0.2,
        "changing": False,
        "pulsed": False,
        "limit_a": 1e-3,
    }
    assert told["outputs"]["smu1.b"]["limit_a"] is None
    assert told["relays"] == {"mat1": ["1A04"]}
    assert told["lines"] == {"word 3": "smu1.a"}
    assert told["heaters"] == {}
    assert told["temperature_k"] is None
