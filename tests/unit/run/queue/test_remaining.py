"""How long runs and queues still take. Authority: issue 5 (remaining time per run and for the queue); sums by hand."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from labctl.run.queue.items import Attempt, ItemState, QueueItem
from labctl.run.queue.remaining import RunProgressMark, progress_of_queue, progress_of_run
from labctl.store.connection import connect
from labctl.store.schema import create_tables, insertion


@pytest.fixture
def run_file(tmp_path):
    """Make a run file of segments (wall seconds at which they began) and marks (wall seconds, percent)."""

    def make(segments, marks):
        path = tmp_path / "a.run.sqlite"
        path.touch()
        connection = connect(path)
        create_tables(connection, [])
        for seq, wall_s in enumerate(segments, 1):
            connection.execute(*insertion("segment", (seq, "start", "", "host", 1, "x", "", wall_s, None)))
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        for seq, (wall_s, percent) in enumerate(marks, 1):
            connection.execute(*insertion("progress", (seq, now, wall_s, None, 0, percent)))
        connection.close()
        return path

    return make


@pytest.mark.parametrize(
    ("segments", "marks", "percent", "remaining_s"),
    [
        # 25 % in 100 s: 300 s to go
        ([0.0], [(10.0, None), (50.0, 10.0), (100.0, 25.0)], 25.0, 300.0),
        # resumed at 1000 s with 50 %: 10 % in 20 s, 40 % to go
        ([0.0, 1000.0], [(900.0, 50.0), (1020.0, 60.0)], 60.0, 80.0),
        # resumed, and recalling what it had done
        ([0.0, 1000.0], [(900.0, 50.0), (1001.0, 3.0)], 3.0, None),
        ([0.0], [(30.0, 0.0)], 0.0, None),
        ([0.0], [(30.0, 100.0)], 100.0, 0.0),
    ],
)
def test_rest_of_a_run_follows_from_its_marks(run_file, segments, marks, percent, remaining_s):
    written = datetime.now(UTC)
    mark = progress_of_run(run_file(segments, marks))
    passed_s = (datetime.now(UTC) - written).total_seconds()
    assert mark.percent == percent
    if remaining_s is None:
        assert mark.remaining_s is None
    else:
        # the mark is some milliseconds old; its time is in whole ones
        assert remaining_s - passed_s - 0.001 <= mark.remaining_s <= remaining_s


def test_run_that_says_nothing_has_no_mark(run_file, tmp_path):
    assert progress_of_run(run_file([0.0], [(1.0, None)])) is None
    assert progress_of_run(tmp_path / "none.run.sqlite") is None


def item(id, state="waiting", *, repeat=1, estimate_s=None, took_s=(), station="s"):
    attempts = tuple(Attempt("x", None, "finished", "", taken_s) for taken_s in took_s)
    return QueueItem(
        id, id, "p", station, {}, repeat, len(took_s), ItemState(state), attempts, (), None, "", None, None,
        estimate_s, None, Path(),
    )  # fmt: skip


def test_waiting_runs_take_their_estimates_and_the_running_one_its_rest():
    items = [item(1, "running", repeat=3, estimate_s=100.0), item(2, estimate_s=50.0, repeat=2), item(3)]
    progress = progress_of_queue(items, RunProgressMark(90.0, 7.0))
    assert progress.items_s == {1: 207.0, 2: 100.0}
    assert (progress.remaining_s, progress.unknown, progress.done, progress.total) == (307.0, 1, 0, 6)


def test_running_item_counts_with_its_estimate_until_its_file_tells_more():
    assert progress_of_queue([item(1, "running", estimate_s=60.0)], None).items_s == {1: 60.0}


def test_repetitions_take_what_the_earlier_ones_took():
    assert progress_of_queue([item(1, repeat=4, estimate_s=500.0, took_s=(20.0, 30.0))], None).items_s == {1: 50.0}


def test_estimates_are_corrected_by_what_runs_took_on_the_same_station():
    # a simulated rack: 400 s of its time in 40 s on the wall
    done = item(1, "finished", estimate_s=400.0, took_s=(40.0,))
    items = [done, item(2, estimate_s=1000.0), item(3, estimate_s=1000.0, station="other")]
    assert progress_of_queue(items, None).items_s == {2: 100.0, 3: 1000.0}


def test_short_runs_say_nothing_about_pace():
    items = [item(1, "finished", estimate_s=0.1, took_s=(2.0,)), item(2, estimate_s=100.0)]
    assert progress_of_queue(items, None).items_s == {2: 100.0}


def test_items_that_ended_badly_are_over():
    items = [item(1, "failed", repeat=5, took_s=(20.0,)), item(2, "interrupted"), item(3, "finished", took_s=(20.0,))]
    progress = progress_of_queue(items, None)
    assert (progress.done, progress.total, progress.remaining_s, progress.items_s) == (7, 7, 0.0, {})
