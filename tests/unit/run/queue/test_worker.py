"""The worker with runs that only write a file. Authority: issue 5 (order, repeat, policy) and the contract: a worker's
death leaves the run alone, the next one takes it up; a refused run fails its item with its own sentence.
"""

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from labctl.run.queue.launch import is_worker_alive, labctl_command, take_worker_lock
from labctl.run.queue.store import RunQueue
from labctl.run.queue.turns import Turns
from labctl.run.queue.worker import run_command, work
from labctl.store import open_run
from labctl.store.process import mark_of, this_process

FAKE = Path(__file__).with_name("fake_run.py")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Look often: the runs here take no time."""
    monkeypatch.setattr("labctl.run.queue.worker._POLL_S", 0.02)


def fake_command(item, root, announce):
    return [sys.executable, str(FAKE), item.parameters["behaviour"], str(root), str(announce)]


def fill(root, *behaviours, **options):
    with RunQueue(root) as queue:
        for behaviour in behaviours:
            queue.add("fake", "nowhere", {"behaviour": behaviour}, **options)


def states(root):
    with RunQueue(root) as queue:
        return [str(item.state) for item in queue.items()]


def do_work(root, **options):
    return work(root, command=fake_command, idle_s=0.05, **options)


def wait_until(is_so):
    for _ in range(3000):
        if is_so():
            return
        time.sleep(0.02)
    raise AssertionError("it never came")


def test_items_run_in_their_order_and_as_often_as_asked(tmp_path):
    fill(tmp_path, "finished", repeat=2)
    fill(tmp_path, "finished")
    assert do_work(tmp_path)
    with RunQueue(tmp_path) as queue:
        first, second = queue.items()
    assert (first.state, first.done, second.state) == ("finished", 2, "finished")
    ids = [*first.run_ids, *second.run_ids]
    assert [open_run(id, tmp_path).status for id in ids] == ["finished"] * 3
    started = [open_run(id, tmp_path).header["started_utc"] for id in ids]
    assert started == sorted(started)
    assert first.simulated is True
    assert all(attempt.wall_time_s >= 0.0 for attempt in first.attempts)
    # nothing is left beside the queue and its runs
    left = {path.name for path in tmp_path.iterdir()} - {path.name for path in tmp_path.glob("*.run.sqlite*")}
    assert left == {"queue.sqlite", "queue.lock"}


@pytest.mark.parametrize(
    ("behaviour", "state", "error"),
    [
        ("failed", "failed", "the probe lifted off"),
        ("aborted", "aborted", "the probe lifted off"),
        ("vanish", "interrupted", "its process ended before the run did"),
        ("refuse", "failed", "cells: 99,99 is outside the array"),
    ],
)
def test_queue_is_held_when_a_run_does_not_finish(tmp_path, behaviour, state, error):
    fill(tmp_path, behaviour, "finished")
    do_work(tmp_path)
    with RunQueue(tmp_path) as queue:
        first, second = queue.items()
        assert queue.is_held
    assert (first.state, second.state) == (state, "waiting")
    assert error in first.error
    assert len(first.run_ids) == (behaviour != "refuse")


def test_queue_goes_on_behind_what_failed_when_it_is_told_to(tmp_path):
    with RunQueue(tmp_path) as queue:
        queue.policy = "continue"
    fill(tmp_path, "refuse", "vanish", "finished")
    do_work(tmp_path)
    assert states(tmp_path) == ["failed", "interrupted", "finished"]


def test_run_that_cannot_be_started_fails_its_item(tmp_path):
    fill(tmp_path, "finished", folder=tmp_path / "gone")
    do_work(tmp_path)
    with RunQueue(tmp_path) as queue:
        (item,) = queue.items()
    assert item.state == "failed"
    assert "could not be started in" in item.error


def test_second_worker_leaves_at_once(tmp_path):
    lock = take_worker_lock(tmp_path)
    fill(tmp_path, "finished")
    assert is_worker_alive(tmp_path)
    assert not do_work(tmp_path)
    assert states(tmp_path) == ["waiting"]
    os.close(lock)
    assert not is_worker_alive(tmp_path)


WORKER = textwrap.dedent("""
    import sys
    from pathlib import Path
    sys.path.insert(0, sys.argv[2])
    from test_worker import fake_command
    from labctl.run.queue.worker import work

    work(Path(sys.argv[1]), command=fake_command)
""")


def test_run_goes_on_and_is_taken_up_when_its_worker_is_killed(tmp_path):
    fill(tmp_path, "slow", "finished")
    command = [sys.executable, "-c", WORKER, str(tmp_path), str(FAKE.parent)]
    worker = subprocess.Popen(command, start_new_session=True)
    with Turns(tmp_path) as turns:
        wait_until(lambda: turns.running() is not None and turns.running().path is not None)
        turn = turns.running()
        # with everything in its group, as a terminal that closes does
        os.killpg(worker.pid, signal.SIGKILL) if sys.platform != "win32" else worker.kill()
        worker.wait(60)
        assert open_run(turn.path).status == "running"
        assert not is_worker_alive(tmp_path)
    (tmp_path / "go").touch()
    do_work(tmp_path)
    assert states(tmp_path) == ["finished", "finished"]
    with RunQueue(tmp_path) as queue:
        assert queue.items()[0].run_ids == (turn.path.name.removesuffix(".run.sqlite"),)


@pytest.mark.parametrize(
    "verdict", ["VERIFIED OFF", "NOT VERIFIED OFF: smu1; given up: switch it off by hand", "goodbye"]
)
def test_next_item_starts_only_after_the_guardian_has_switched_off(tmp_path, verdict):
    with RunQueue(tmp_path) as queue:
        queue.policy = "continue"
    fill(tmp_path, "guarded", "finished")
    seen = []

    def switch_off():
        wait_until(lambda: list(tmp_path.glob("*.guardian.log")))
        (log,) = tmp_path.glob("*.guardian.log")
        with log.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps({"event": "NOT VERIFIED OFF: smu1", "going_on_for_s": 60.0}) + "\n")
        time.sleep(0.3)
        seen.extend(states(tmp_path))
        with log.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps({"event": verdict}) + "\n")

    guardian = threading.Thread(target=switch_off)
    guardian.start()
    do_work(tmp_path)
    guardian.join(60)
    assert seen == ["running", "waiting"]
    assert states(tmp_path) == ["interrupted", "finished"]


def test_run_that_died_with_its_worker_is_interrupted(tmp_path):
    fill(tmp_path, "vanish")
    announce = tmp_path / "queue-1.announced"
    child = subprocess.Popen([sys.executable, str(FAKE), "vanish", str(tmp_path), str(announce)])
    mark = mark_of(child.pid)
    child.wait(60)
    with Turns(tmp_path) as turns:
        turns.note_child(turns.begin(), mark)
    do_work(tmp_path)
    assert states(tmp_path) == ["interrupted"]


def test_run_is_waited_for_while_its_file_says_that_it_runs(tmp_path):
    # on Windows a virtual environment's python is a launcher: another process than the one that measures
    fill(tmp_path, "slow")
    launcher = subprocess.Popen([sys.executable, "-c", ""])
    mark = mark_of(launcher.pid)
    launcher.wait(60)
    announce = tmp_path / "queue-1.announced"
    with subprocess.Popen([sys.executable, str(FAKE), "slow", str(tmp_path), str(announce)]) as child:
        wait_until(announce.exists)
        with Turns(tmp_path) as turns:
            turns.note_child(turns.begin(), mark)
        threading.Timer(0.3, (tmp_path / "go").touch).start()
        do_work(tmp_path)
        assert child.wait(60) == 0
    assert states(tmp_path) == ["finished"]


def test_run_whose_start_nobody_noted_is_given_up_after_a_while(tmp_path):
    fill(tmp_path, "finished")
    with Turns(tmp_path) as turns:
        turns.begin()
    do_work(tmp_path, start_s=0.1)
    with RunQueue(tmp_path) as queue:
        (item,) = queue.items()
    assert item.state == "failed"
    assert "labctl runs" in item.error


def test_mark_of_a_living_process_is_its_own():
    assert mark_of(os.getpid()) == this_process()


def test_command_has_all_that_the_item_says(tmp_path):
    with RunQueue(tmp_path) as queue:
        options = {"holds": ["T (K) <= 300 K"], "between": "20:00-06:00"}
        run = queue.item(queue.add("sweep_iv", "s.toml", {"top": "2 V", "cells": "1,1"}, **options))
        rest = queue.item(queue.add("sweep_iv", "s", {"top": "2 V"}, resume_of="20260101-x"))
    end = ["-o", str(tmp_path), "--quiet", "--announce", str(tmp_path / "a")]
    told = ["run", "sweep_iv", "-s", "s.toml", "-p", "top=2 V", "-p", "cells=1,1", "--hold", "T (K) <= 300 K"]
    assert run_command(run, tmp_path, tmp_path / "a") == labctl_command(*told, "--between", "20:00-06:00", *end)
    assert run_command(rest, tmp_path, tmp_path / "a") == labctl_command("resume", "20260101-x", *end)
