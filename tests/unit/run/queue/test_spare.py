"""The process that is kept ready for the next run. Authority: issue 5 (a curve within ten seconds of the start) and the
contract: what it becomes does what the command does, it ends with its keeper, it never runs code older than the files.
"""

import subprocess
import sys
import time
from types import ModuleType

import pytest

from labctl.cli import spare
from labctl.run.queue import launch
from labctl.run.queue.launch import ensure_worker, labctl_command
from labctl.run.queue.spare import SpareRun
from labctl.run.queue.worker import work
from labctl.store.process import mark_of

REFUSED = ("run", "read_array", "-s", "no-such-station")


@pytest.fixture
def kept(tmp_path):
    with (tmp_path / "said").open("wb") as said:
        run = SpareRun(tmp_path, said)
        yield run
        run.close()


def test_spare_becomes_what_is_ordered_when_it_is_a_command_of_labctl(kept, tmp_path):
    kept.keep()
    child = kept.order(labctl_command(*REFUSED), tmp_path, tmp_path / "errors")
    assert child is not None
    alone = subprocess.run(labctl_command(*REFUSED), cwd=tmp_path, capture_output=True, check=False)
    assert child.wait(300) == alone.returncode == 2
    assert (tmp_path / "errors").read_bytes() == alone.stderr
    assert b"no-such-station" in alone.stderr
    # it is given away
    assert kept.order(labctl_command(*REFUSED), tmp_path, tmp_path / "errors") is None


def test_spare_does_nothing_when_its_keeper_is_gone():
    done = subprocess.run(labctl_command("spare"), input=b"", capture_output=True, timeout=300, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_spare_is_left_alone_when_the_command_is_another(kept, tmp_path):
    kept.keep()
    waiting = kept._process
    assert kept.order([sys.executable, "fake_run.py"], tmp_path, tmp_path / "errors") is None
    kept.keep()
    assert kept._process is waiting
    kept.close()
    assert waiting.returncode is not None


@pytest.mark.parametrize(("age_s", "is_older"), [(60.0, False), (-1.0, True)])
def test_code_is_older_when_a_file_was_changed_since(tmp_path, monkeypatch, age_s, is_older):
    module = ModuleType("labctl_edited")
    file = tmp_path / "labctl_edited.py"
    file.touch()
    module.__file__ = str(file)
    monkeypatch.setattr(spare.sys, "modules", {"labctl_edited": module})
    changed_s = file.stat().st_mtime
    assert spare._is_older_than_its_code(changed_s + age_s) is is_older
    file.unlink()
    assert spare._is_older_than_its_code(time.time() + 60.0)


def test_worker_keeps_a_spare_and_stays_while_its_window_lives(tmp_path, monkeypatch):
    seen = []

    class Kept:
        def __init__(self, folder, said):
            pass

        def keep(self):
            seen.append("kept")

        def close(self):
            seen.append("closed")

    monkeypatch.setattr("labctl.run.queue.worker._POLL_S", 0.02)
    monkeypatch.setattr("labctl.run.queue.worker.SpareRun", Kept)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as window:
        mark, begun_s = mark_of(window.pid), time.monotonic()
        closing = subprocess.Popen([sys.executable, "-c", f"import os, time; time.sleep(1); os.kill({window.pid}, 9)"])
        assert work(tmp_path, idle_s=0.1, stay_for=mark)
        stayed_s = time.monotonic() - begun_s
        closing.wait()
    assert stayed_s > 1.0
    assert seen[0] == "kept"
    assert seen[-1] == "closed"


def test_worker_keeps_no_spare_when_nobody_waits(tmp_path, monkeypatch):
    monkeypatch.setattr(SpareRun, "keep", lambda _: pytest.fail("a process was started for nobody"))
    assert work(tmp_path, idle_s=0.1)


def test_second_worker_is_not_started_when_the_first_has_no_lock_yet(tmp_path, monkeypatch):
    begun = []

    def start(command, folder, said):
        begun.append(command)
        return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])

    monkeypatch.setattr(launch, "start_detached", start)
    monkeypatch.setattr(launch, "_BEGUN", {})
    for _ in range(2):
        ensure_worker(tmp_path, stay=True)
    assert len(begun) == 1
    assert "--stay-for" in begun[0]
    ((worker, _),) = launch._BEGUN.values()
    worker.kill()
    worker.wait()
    ensure_worker(tmp_path)
    assert len(begun) == 2
    assert "--stay-for" not in begun[1]
    ((other, _),) = launch._BEGUN.values()
    other.kill()
    other.wait()
