"""The list of waiting runs. Authority: issue 5, "Queue" (add, edit, duplicate, reorder, remove, repeat, survives)."""

import sqlite3
import subprocess
import sys

import pytest

from labctl.errors import RunError, StoreError
from labctl.run.queue.items import ItemState
from labctl.run.queue.store import FILE_NAME, RunQueue
from labctl.run.queue.turns import Turns


@pytest.fixture
def queue(tmp_path):
    with RunQueue(tmp_path) as opened:
        yield opened


@pytest.fixture
def turns(tmp_path):
    with Turns(tmp_path) as opened:
        yield opened


def fill(queue, *names):
    return [queue.add("read_array", "tiox-32x32", {"cells": "0,0"}, label=name) for name in names]


def order(queue):
    return "".join(item.label for item in queue.items())


def end(turns, status, error=None):
    turns.end(turns.running(), status, error)


def test_queue_keeps_what_was_added_when_it_is_opened_again(tmp_path, queue):
    id = queue.add("sweep_iv", "s.toml", {"top": "2 V"}, repeat=3, holds=["T (K) <= 300 K"], between="20:00-06:00")
    queue.close()
    with RunQueue(tmp_path) as again:
        (item,) = again.items()
    assert (item.id, item.place, item.procedure, item.station) == (id, 1, "sweep_iv", "s.toml")
    assert (item.parameters, item.repeat, item.done) == ({"top": "2 V"}, 3, 0)
    assert (item.holds, item.between, item.state) == (("T (K) <= 300 K",), "20:00-06:00", "waiting")


def test_number_is_not_given_again_when_its_item_was_removed(queue):
    fill(queue, "a", "b")
    queue.remove(2)
    assert fill(queue, "c") == [3]
    assert [item.place for item in queue.items()] == [1, 2]


def test_first_goes_before_all_that_wait_and_behind_what_runs(queue, turns):
    fill(queue, "a", "b")
    turns.begin()
    queue.add("read_array", "s", {}, label="c", first=True)
    assert order(queue) == "acb"


@pytest.mark.parametrize(("place", "expected"), [(1, "cab"), (2, "acb"), (99, "abc"), (-5, "cab")])
def test_item_goes_where_it_is_moved(queue, place, expected):
    fill(queue, "a", "b", "c")
    queue.move(3, place)
    assert order(queue) == expected


def test_duplicate_is_a_waiting_copy_without_runs_when_the_item_has_ended(queue, turns):
    queue.add("read_array", "s", {"cells": "1,1"}, repeat=2, label="a")
    turns.begin()
    end(turns, "failed", "broken")
    copy = queue.item(queue.duplicate(1))
    assert (copy.state, copy.error, copy.attempts) == ("waiting", None, ())
    assert (copy.parameters, copy.repeat, copy.label, copy.place) == ({"cells": "1,1"}, 2, "a", 2)


@pytest.mark.parametrize("do", [lambda queue: queue.edit(1, label="b"), lambda queue: queue.remove(1)])
def test_running_item_is_left_alone(queue, turns, tmp_path, do):
    fill(queue, "a")
    turn = turns.begin()
    turns.note_run(turn, "20260101-000000-x", tmp_path / "x.run.sqlite", simulated=True)
    with pytest.raises(
        RunError, match=r"a \(queue item 1\) is running; abort it first \(labctl abort 20260101-000000-x\)"
    ):
        do(queue)
    assert queue.item(1).label == "a"


def test_only_waiting_items_are_moved(queue, turns):
    fill(queue, "a", "b")
    turns.begin()
    with pytest.raises(RunError, match="only waiting items"):
        queue.move(1, 2)


def test_failed_item_waits_again_when_it_was_edited(queue, turns):
    fill(queue, "a")
    turns.begin()
    end(turns, "failed", "cells: 99,99 is outside")
    assert queue.item(1).error == "cells: 99,99 is outside"
    queue.edit(1, parameters={"cells": "1,1"}, estimate_s=2.0)
    item = queue.item(1)
    assert (item.state, item.error, item.parameters, item.estimate_s) == ("waiting", None, {"cells": "1,1"}, 2.0)


def test_finished_item_waits_again_only_for_more_repetitions(queue, turns):
    fill(queue, "a")
    turns.begin()
    end(turns, "finished")
    with pytest.raises(RunError, match="has finished 1 times; set repeat to more"):
        queue.edit(1, label="b")
    queue.edit(1, repeat=3)
    assert (queue.item(1).state, queue.item(1).done, queue.item(1).label) == ("waiting", 1, "a")


def test_item_is_refused_with_the_known_ones_when_it_is_not_there(queue):
    fill(queue, "a", "b")
    with pytest.raises(RunError, match=r"item 7 is not in the queue of .*; it has: 1, 2"):
        queue.remove(7)


def test_wrong_values_are_refused(queue):
    with pytest.raises(ValueError, match="repeat must be a whole number from 1, got 0"):
        queue.add("p", "s", {}, repeat=0)
    with pytest.raises(ValueError, match="resumed once"):
        queue.add("p", "s", {}, repeat=2, resume_of="x")
    with pytest.raises(ValueError, match="stop, continue, got 'skip'"):
        queue.policy = "skip"
    fill(queue, "a")
    with pytest.raises(TypeError, match="no place"):
        queue.edit(1, place=3)


def test_clear_takes_out_what_is_over(queue, turns):
    fill(queue, "a", "b", "c")
    queue.policy = "continue"
    for status in ("finished", "failed"):
        turns.begin()
        end(turns, status)
    assert queue.clear_done() == 2
    assert [(item.label, item.place) for item in queue.items()] == [("c", 1)]


def test_change_by_somebody_else_is_noticed_and_a_look_is_not(tmp_path, queue):
    fill(queue, "a")
    before = queue.version()
    queue.items()
    assert queue.version() == before
    with RunQueue(tmp_path) as other:
        other.items()
        assert queue.version() == before
        other.hold()
    after = queue.version()
    assert after != before
    queue.release()
    assert queue.version() != after


def test_item_goes_on_waiting_until_it_was_run_so_often(queue, turns):
    queue.add("p", "s", {}, repeat=2)
    for done, state in ((1, "waiting"), (2, "finished")):
        turns.begin()
        end(turns, "finished")
        assert (queue.item(1).done, queue.item(1).state) == (done, state)
    assert turns.begin() is None


@pytest.mark.parametrize("status", ["failed", "aborted", "interrupted"])
def test_item_that_does_not_finish_holds_the_queue_unless_told_otherwise(queue, turns, status):
    fill(queue, "a", "b", "c")
    turns.begin()
    end(turns, status, "why")
    assert queue.is_held
    assert "a (queue item 1)" in queue.held_why
    assert turns.begin() is None
    queue.release()
    assert (queue.is_held, queue.held_why) == (False, "")
    queue.policy = "continue"
    assert turns.begin().item.label == "b"
    end(turns, status, "why")
    assert turns.begin().item.label == "c"


def test_one_item_runs_at_a_time(queue, turns):
    fill(queue, "a", "b")
    assert turns.begin().item.state is ItemState.RUNNING
    assert turns.begin() is None


ADDING = """
import os, sys
from pathlib import Path
from labctl.run.queue.store import RunQueue
queue = RunQueue(Path(sys.argv[1]))
for number in range(20):
    queue.add("p", "s", {"n": str(number)})
queue._connection.execute("BEGIN IMMEDIATE")
queue._connection.execute("DELETE FROM item")
os._exit(1)
"""


def test_edits_of_several_processes_that_die_are_all_there_and_nothing_half(tmp_path):
    children = [subprocess.Popen([sys.executable, "-c", ADDING, str(tmp_path)]) for _ in range(3)]
    assert [child.wait(120) for child in children] == [1, 1, 1]
    with RunQueue(tmp_path) as queue:
        items = queue.items()
    assert sorted(item.id for item in items) == list(range(1, 61))
    assert [item.place for item in items] == list(range(1, 61))


def test_foreign_file_is_refused_and_left_as_it_is(tmp_path):
    path = tmp_path / FILE_NAME
    path.write_bytes(b"no database at all, but long enough to be looked at" * 100)
    with pytest.raises(StoreError, match="cannot be opened"):
        RunQueue(tmp_path)
    path.unlink()
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE mine (x)")
    other.close()
    with pytest.raises(StoreError, match="no queue that this labctl knows"):
        RunQueue(tmp_path)


def test_damaged_row_is_a_sentence(tmp_path, queue):
    fill(queue, "a")
    queue._connection.execute("UPDATE item SET parameters = 'x'")
    with pytest.raises(StoreError, match="cannot be read"):
        queue.items()
