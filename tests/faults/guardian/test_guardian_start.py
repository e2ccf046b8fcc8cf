"""How the guardian starts: fast, apart from the terminal, and not at all when it could not do its duty.

Authority: the issue's wishes ("a small process, started with every run that has outputs").
"""

import json
import os
import subprocess
import sys
import time
from types import SimpleNamespace

import psutil
import pytest

from labctl.errors import RunError
from labctl.run.guardian import guard_run
from labctl.run.guardian.launch import launch
from labctl.run.guardian.messages import Charge, Orders, Word, WordKind

CHARGE = Charge("smu1", "smu1 (X)", "TCPIP0::127.0.0.1::1::SOCKET", ("off",), (("off?", "1"),), False)


def orders(tmp_path, **changes):
    table = {"pid": os.getpid(), "heartbeat_s": 5.0, "visa_library": "@py", "log_path": str(tmp_path / "g.log")}
    return Orders(**{**table, "charges": (CHARGE,), **changes})


def close(process):
    process.stdin.close()
    process.kill()
    process.wait()


def test_guardian_loads_neither_pymeasure_nor_numpy_nor_pandas_when_it_starts(tmp_path):
    command = [sys.executable, "-X", "importtime", "-m", "labctl.run.guardian"]
    told = orders(tmp_path).line() + Word(WordKind.GOODBYE).line()
    result = subprocess.run(command, input=told, capture_output=True, check=True)
    loaded = {line.rpartition("|")[2].strip() for line in result.stderr.decode("utf-8").splitlines()}
    assert "pyvisa" in loaded
    # numpy is asked for by pyvisa and refused; its parts tell whether it was loaded
    assert not loaded & {"pymeasure", "numpy.linalg", "pandas", "scipy", "labctl.run.engine", "labctl.station"}


@pytest.mark.skipif(os.name == "nt", reason="sessions are POSIX's")
def test_guardian_has_a_session_of_its_own_when_it_is_started(tmp_path):
    process = launch(orders(tmp_path))
    try:
        assert os.getsid(process.pid) == process.pid != os.getsid(0)
    finally:
        close(process)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_guardian_holds_no_pipe_to_write_to_when_it_is_ready(tmp_path):
    process = launch(orders(tmp_path))
    try:
        assert [os.readlink(f"/proc/{process.pid}/fd/{number}") for number in (1, 2)] == [os.devnull] * 2
    finally:
        close(process)


def test_guardian_ignores_a_module_in_the_present_folder_when_it_is_started(tmp_path, monkeypatch):
    (tmp_path / "json.py").write_text("raise SystemExit('loaded from the present folder')\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    close(launch(orders(tmp_path)))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [({"visa_library": "@nothing"}, "nothing"), ({"log_path": "/nowhere/at/all/g.log"}, "nowhere")],
)
def test_run_is_refused_when_the_guardian_cannot_start(tmp_path, changes, expected):
    with pytest.raises(RunError, match=f"guardian: it does not start: .*{expected}"):
        launch(orders(tmp_path, **changes))
    assert not [child for child in psutil.Process().children() if "guardian" in " ".join(child.cmdline())]


@pytest.mark.parametrize(("in_process", "watched"), [(True, [SimpleNamespace()]), (False, [])])
def test_no_guardian_is_started_when_nothing_can_stay_on(tmp_path, in_process, watched):
    station = SimpleNamespace(in_process=in_process, watched=lambda: watched)
    with guard_run(station, tmp_path / "g.log") as guardian:
        assert guardian is None
    assert not (tmp_path / "g.log").exists()


def test_log_is_json_lines_when_read(tmp_path):
    process = launch(orders(tmp_path))
    log = tmp_path / "g.log"
    # its lines are written beside its work
    for _ in range(3000):
        if log.read_text(encoding="utf-8").endswith("\n"):
            break
        time.sleep(0.01)
    close(process)
    (line,) = log.read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["event"] == "ready"
