"""``labctl queue`` with real runs on a simulated station. Authority: issue 5, "Queue": add, edit, duplicate, reorder,
remove, repeat, policy on failure, and that it survives a crash.
"""

import time

import pytest

from labctl.cli.main import app
from labctl.run.queue.launch import is_worker_alive, labctl_command
from labctl.run.queue.store import RunQueue
from labctl.script import queue_run
from labctl.store import open_run

STATION = "tiox-32x32"
READ = ("read_array", "-s", STATION)


def wait_until(is_so, *, within_s=300.0):
    end_s = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < end_s, "it never came"
        time.sleep(0.05)


@pytest.fixture
def root(homes, monkeypatch):
    """The data root; no worker is left behind."""

    def command(*arguments):
        # the workers that are started here wait for more to do only a moment
        return labctl_command(*arguments, *(("--idle", "0.5") if arguments[:2] == ("queue", "work") else ()))

    monkeypatch.setattr("labctl.run.queue.launch.labctl_command", command)
    runs = homes / "runs"
    runs.mkdir()
    yield runs
    with RunQueue(runs) as queue:
        queue.hold()
    wait_until(lambda: not is_worker_alive(runs), within_s=120.0)


def items(root):
    with RunQueue(root) as queue:
        return queue.items()


@pytest.mark.slow
def test_killed_worker_leaves_its_run_alone_and_the_next_one_goes_on(labctl, labctl_process, root):
    with RunQueue(root) as queue:
        queue.hold()
    assert labctl("queue", "add", *READ).code == 0
    assert labctl("queue", "add", *READ, "-p", "cells=0,0").code == 0
    with RunQueue(root) as queue:
        queue.release()
    with labctl_process("queue", "work") as worker:
        wait_until(lambda: items(root)[0].run_path is not None)
        path = items(root)[0].run_path
        worker.kill()
        worker.communicate()
    assert open_run(path).status == "running"
    shown = labctl("queue", "list")
    assert "running" in shown.out
    assert "Nobody works through the queue" in shown.out
    assert "(simulated)" in shown.out
    refused = labctl("queue", "remove", 1)
    assert refused.code == 2
    assert f"is running; abort it first (labctl abort {open_run(path).run_id})" in " ".join(refused.err.split())

    # the same that every other command does by itself
    assert labctl("queue", "release").code == 0
    wait_until(lambda: items(root)[-1].state == "finished")
    first, second = items(root)
    assert (first.state, first.run_path, len(first.attempts)) == ("finished", path, 1)
    assert open_run(path).summary()["points"] == 1024
    assert open_run(path).summary()["segments"] == 1
    assert second.done == 1
    told = labctl("queue", "list", "--json").json()
    assert (told["done"], told["total"]) == (2, 2)
    assert "taken up" in (root / "queue.log").read_text(encoding="utf-8")


@pytest.mark.slow
def test_queue_stops_at_what_fails_until_it_was_mended_unless_it_is_to_go_on(labctl, root):
    # refused when its turn comes, not before: nobody checked it
    with RunQueue(root) as queue:
        queue.add("read_array", STATION, {"cells": "99,99"})
    assert queue_run("read_array", STATION, cells="0,1", read_voltage=0.1) == 2
    wait_until(lambda: items(root)[0].state == "failed")
    assert "99,99" in items(root)[0].error
    assert not items(root)[0].error.startswith("labctl")
    listed = " ".join(labctl("queue", "list").out.split())
    assert "The queue is held: read_array (queue item 1) failed; `labctl queue release`" in listed
    assert items(root)[1].state == "waiting"
    assert labctl("queue", "edit", 1, "-p", "cells=0,0").code == 0
    assert labctl("queue", "policy", "continue").code == 0
    with RunQueue(root) as queue:
        queue.move(queue.add("read_array", STATION, {"cells": "99,99"}), 2)
    assert labctl("queue", "release").code == 0
    wait_until(lambda: items(root)[-1].state == "finished")
    assert [item.state for item in items(root)] == ["finished", "failed", "finished"]
    assert open_run(items(root)[0].run_path).parameters["cells"] == "0,0"
    assert open_run(items(root)[-1].run_path).parameters["read_voltage"] == 0.1


def test_wrong_configuration_is_refused_before_it_waits(labctl, root):
    answer = labctl("queue", "add", *READ, "-p", "cells=99,99")
    assert answer.code == 2
    assert "99" in answer.err
    assert labctl("queue", "add", *READ, "--hold", "Current (A)").code == 2
    assert items(root) == []


def test_list_is_edited_by_commands(labctl, root):
    labctl("queue", "hold")
    for cells in ("0,0", "0,1", "0,2"):
        labctl("queue", "add", *READ, "-p", f"cells={cells}", "--label", cells)
    assert labctl("queue", "add", *READ, "--first", "--label", "first").code == 0
    assert labctl("queue", "move", 3, 2).code == 0
    assert labctl("queue", "duplicate", 1).code == 0
    assert labctl("queue", "edit", 1, "-p", "cells=", "-p", "read_voltage=0.1 V", "--repeat", 3).code == 0
    assert labctl("queue", "remove", 2).code == 0
    found = items(root)
    assert [item.label for item in found] == ["first", "0,2", "0,0", "0,0"]
    assert (found[2].parameters, found[2].repeat) == ({"read_voltage": "0.1 V"}, 3)
    assert found[3].parameters == {"cells": "0,0"}
    assert labctl("queue", "edit", 1, "-p", "cells=99,99").code == 2
    assert labctl("queue", "policy", "maybe").code == 2
    assert not is_worker_alive(root)


def test_run_announces_its_file(labctl, root):
    announced = root / "a.json"
    assert labctl("run", *READ, "-p", "cells=0,0", "-q", "--announce", announced).code == 0
    (file,) = root.glob("*.run.sqlite")
    assert f'"path": "{file}"' in announced.read_text(encoding="utf-8")
    assert f'"run_id": "{open_run(file).run_id}"' in announced.read_text(encoding="utf-8")


def test_every_command_of_the_queue_says_what_it_does():
    (group,) = [group for group in app.registered_groups if group.name == "queue"]
    for command in group.typer_instance.registered_commands:
        assert command.callback.__doc__, command.name
