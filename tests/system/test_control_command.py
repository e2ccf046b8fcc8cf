"""Runs as processes, steered by other processes: pause, continue, abort, a session by hand, state, ALL OUTPUTS OFF.

Authority: the README (exit codes, states of a run); the served bench's own record of which outputs are on.
"""

import json
import shutil
import signal
import sqlite3
import sys
import time
from pathlib import Path

import pytest

from labctl.run.mailbox import mailbox_of
from labctl.run.state_board import board_of, read_state
from labctl.station.bench_control import BenchControl
from labctl.store import RunHeader, RunWriter, open_run

RACK = Path(__file__).with_name("rack_4x4")
STATION = "bench-4x4-served"
# it goes on until it is ended
LONG = ("run", "read_array", "-s", STATION, "-q", "-p", "averages=1000", "-p", "integration=10")


def wait_for(condition, within_s=60.0):
    end_s = time.monotonic() + within_s
    while not (found := condition()):
        assert time.monotonic() < end_s
        time.sleep(0.01)
    return found


def file_of_run(homes):
    found = list((homes / "runs").glob("*.run.sqlite-wal"))
    return found[0].with_name(found[0].name.removesuffix("-wal")) if found else None


def points_of(path):
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    try:
        return connection.execute("SELECT count(*) FROM point").fetchone()[0]
    except sqlite3.OperationalError:  # the file was made this moment
        return 0
    finally:
        connection.close()


@pytest.fixture
def served(homes, labctl_process):
    """A small bench that is served at the speed of the world, and its operator's port."""
    rack = shutil.copytree(RACK, homes / "rack")
    arguments = ("bench", "serve", rack / "bench_4x4.toml", "--station", rack / "rack_4x4.toml", "--port", 0, "--json")
    process = labctl_process(*arguments, "--speed", "1")
    said = next(line for line in process.stdout if line.startswith("{"))
    yield BenchControl(json.loads(said)["control"])
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)


def outputs_on(control):
    return [terminal for terminal, output in control.ask("outputs").items() if output["on"]]


@pytest.fixture
def running(served, homes, labctl_process):
    """A run that has begun to measure."""
    child = labctl_process(*LONG)
    try:
        path = wait_for(lambda: file_of_run(homes))
        wait_for(lambda: points_of(path) > 1)
        yield child, path
    finally:
        child.kill()
        child.communicate(timeout=60)


@pytest.mark.skipif(sys.platform == "win32", reason="the served bench ends by a signal")
def test_run_is_paused_continued_and_aborted_by_commands(running, served, labctl):
    child, path = running
    assert outputs_on(served)
    assert labctl("pause").code == 0
    wait_for(lambda: read_state(path)["state"] == "paused")
    wait_for(lambda: not outputs_on(served))
    board = read_state(path)
    assert [key for key, output in board["outputs"].items() if output["on"]] == []
    held = points_of(path)
    time.sleep(0.3)
    assert points_of(path) == held
    assert labctl("continue").code == 0
    wait_for(lambda: points_of(path) > held)
    wait_for(lambda: any(output["on"] for output in read_state(path)["outputs"].values()))
    assert {"word 0": "smu1.a", "bit 0": "smu1.b"}.items() <= read_state(path)["lines"].items()
    tell_state(path, labctl)
    aborted = labctl("abort", "--reason", "tea")
    assert aborted.code == 0, aborted.err
    child.wait(timeout=60)
    assert child.returncode == 4
    assert outputs_on(served) == []
    shown = labctl("show", "latest", "--json").json()
    assert (shown["status"], shown["error"]) == ("aborted", "aborted: tea")
    assert not mailbox_of(path).exists()
    assert not board_of(path).exists()
    again = labctl("pause")
    assert again.code == 2
    assert "is aborted: only a running one" in again.err


def tell_state(path, labctl):
    """The live run is told of, and not disturbed."""
    found = labctl("state", "-s", STATION, "--json").json()
    assert found["run"] == open_run(path).run_id
    assert found["simulated"] is True
    assert found["identities"]["smu1"]["model"] == "2636B"
    assert found["outputs"]["smu1.a"]["on"] is True
    assert found["lines"]["word 0"] == "smu1.a"
    assert found["envelope"]["voltage_v"] > 0
    assert len(found["truth"]["conductance_s"]) == 4
    assert "smu1.a" in labctl("state", "-s", STATION).out
    assert open_run(path).status == "running"


@pytest.mark.skipif(sys.platform == "win32", reason="the served bench ends by a signal")
@pytest.mark.parametrize("is_deaf", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["obeys", "stopped"])
def test_all_outputs_off_ends_the_run_and_reads_back(running, served, labctl, homes, is_deaf):
    child, path = running
    assert outputs_on(served)
    elsewhere = labctl("off", "-s", STATION, "-o", homes / "other")
    assert elsewhere.code == 2
    assert str(child.pid) in elsewhere.err
    assert "name that with -o" in elsewhere.err
    assert open_run(path).status == "running"
    if is_deaf:
        child.send_signal(signal.SIGSTOP)
    started_s = time.monotonic()
    off = labctl("off", "-s", STATION, "--json")
    took_s = time.monotonic() - started_s
    assert off.code == 0, off.err
    assert outputs_on(served) == []
    assert served.ask("oracle")["closed_relays"] == []
    done = off.json()
    assert done["is_read_back"] is True
    assert "verified off" in done["told"]
    assert [run for run, _ in done["ended"]] == [path.name.removesuffix(".run.sqlite")]
    assert open_run(path).status == ("interrupted" if is_deaf else "aborted")
    assert took_s < 15.0
    # and once more without a run
    off = labctl("off", "-s", STATION)
    assert off.code == 0, off.err
    assert "verified off: smu1, gen1, mat1 were switched off and read back" in off.out


def test_all_outputs_off_says_that_a_bench_in_process_has_nothing_on(labctl, homes):
    off = labctl("off", "-s", "tiox-32x32")
    assert off.code == 0
    assert "nothing to switch off" in off.out


@pytest.mark.slow
def test_session_by_hand_answers_refuses_and_ends(labctl, labctl_process, homes):
    child = labctl_process("run", "manual", "-s", "tiox-32x32", "-q", "--json", "-p", "form_unformed=true")
    path = wait_for(lambda: file_of_run(homes))
    wait_for(lambda: read_state(path))
    read = labctl("do", "latest", "read", "3,4")
    assert read.code == 0, read.err
    assert read.out.startswith("read (3, 4): ")
    refused = labctl("do", "latest", "pulse", "3,4", "amplitude=7V", "width=10us")
    assert refused.code == 2
    assert "at most 5 V" in refused.err
    done = labctl("do", "latest", "set_level", "3,4", "conductance=50uS")
    assert done.code == 0
    assert "target 50" in done.out
    assert labctl("do", "latest", "end").code == 0
    out, err = child.communicate(timeout=60)
    assert child.returncode == 0, err
    summary = json.loads(out)
    assert summary["results"]["ended_by"] == "operator"
    table = open_run("latest").table()
    assert set(table["Row"]) == {3}
    assert abs(table["Conductance (S)"].dropna().iloc[-1] / 50e-6 - 1.0) < 0.05
    assert table["Voltage (V)"].abs().max() <= 5.0
    report = labctl("report", "latest", "-o", homes)
    assert report.code == 0, report.err


def test_request_is_refused_when_the_run_takes_none(labctl, homes):
    (homes / "runs").mkdir()
    RunWriter.create(homes / "runs", RunHeader("read_array", ["Row"])).seal("finished", {})
    answer = labctl("do", "latest", "read", "0,0")
    assert answer.code == 2
    assert "only `manual` takes requests" in answer.err
