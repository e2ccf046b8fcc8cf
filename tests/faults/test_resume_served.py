"""A run on the served bench, killed from outside and taken up by the command line. Authority: P12, P3, issue show 3."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from labctl.errors import StoreError
from labctl.run.procedure import IN_DOUBT
from labctl.station.bench_control import BenchControl
from labctl.store import open_run

CELLS = "0:2,0:3"
LABCTL = [sys.executable, "-m", "labctl"]


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("LABCTL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LABCTL_DATA_ROOT", str(tmp_path / "runs"))
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.setenv(name, "1")
    return tmp_path


@pytest.fixture
def served(home):
    """Serve a bench; give its control."""
    command = [*LABCTL, "bench", "serve", "tiox-32x32", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        line = ""
        while not line.startswith("ready"):
            line = server.stdout.readline()
            assert line, "the bench does not start"
        address = line.partition("operator's port ")[2].partition(";")[0]
        control = BenchControl(address)
        yield control
        control.do("stop")
        server.communicate(timeout=60)


def labctl(*arguments):
    done = subprocess.run([*LABCTL, *arguments], capture_output=True, text=True, timeout=300)
    return done.returncode, done.stderr


def points():
    files = list(Path(os.environ["LABCTL_DATA_ROOT"]).glob("*.run.sqlite"))
    try:
        return len(open_run(files[0]).rows()) if files else 0
    except StoreError:  # the file is being made
        return 0


def kill_after(more_points, *arguments):
    """Start a command, and kill it when the run file has so many points more."""
    wanted = points() + more_points
    with subprocess.Popen([*LABCTL, *arguments], stderr=subprocess.DEVNULL) as child:
        while points() < wanted:
            assert child.poll() is None, "it ended before it was killed"
            time.sleep(0.005)
        child.kill()


def test_killed_run_is_off_and_goes_on_to_its_end(home, served, promise):
    kill_after(12, "run", "form_array", "-s", "tiox-32x32-served", "-p", f"cells={CELLS}", "-q")
    statuses = [open_run("latest").status]
    first = open_run("latest").rows()
    deadline_s = time.monotonic() + 60.0
    while any(output["on"] for output in served.ask("outputs").values()) and time.monotonic() < deadline_s:
        time.sleep(0.01)
    left_on = [name for name, output in served.ask("outputs").items() if output["on"]]
    kill_after(10, "resume", "latest", "-q")
    statuses.append(open_run("latest").status)
    code, err = labctl("resume", "latest", "-q")
    run = open_run("latest")
    statuses.append(run.status)
    pulses = sum(served.ask("oracle")["pulses"].values())
    table = run.table()
    forming = table[table["Event"] == "form"]
    in_doubt = int((forming["Flags"] == IN_DOUBT).sum())
    unaccounted = max(0, pulses - len(forming)) + max(0, len(forming) - in_doubt - pulses)
    wrong = [status for status, true in zip(statuses, ["interrupted", "interrupted", "finished"], strict=True)
             if status != true]  # fmt: skip
    promise("P12", "pulses by the served bench = rows, those in doubt flagged", trials=2, failures=unaccounted,
            worst=f"{pulses} pulses, {len(forming)} rows, {in_doubt} in doubt")  # fmt: skip
    promise("P3", "end status true of a run on the served bench, killed twice", trials=3, failures=len(wrong))
    assert code == 0, err
    assert left_on == []
    assert wrong == []
    assert unaccounted == 0
    assert in_doubt <= 2
    assert run.rows()[: len(first)] == first
    assert [segment["kind"] for segment in run.segments()] == ["start", "resume", "resume"]
    events = run.events()
    assert events[events["kind"] == "guardian"]["message"].str.contains('"VERIFIED OFF"').sum() == 2
    assert len(events[events["kind"] == "drift"]) >= 2
    assert run.summary()["results"]["cells"] == 6
    # a finished run is left alone
    assert labctl("resume", "latest", "-q")[0] == 2
