"""The window on a data root that is not local: runs and queue lie in the spool. Authority: issue 5, "a run started from
the CLI can be watched", "Closing it with a run in progress asks"; labctl.store.spool for what lies where.
"""

import pytest

from labctl.gui.closing import runs_under_way
from labctl.gui.running_runs import RunningRuns
from labctl.run.queue.store import RunQueue
from labctl.run.stopping import stop_runs
from labctl.store import RunHeader, RunWriter
from labctl.store.spool import spool_of

HEADER = RunHeader("sweep_iv", ("Row", "Voltage (V)"), station="single-device", simulated=True)


@pytest.fixture
def root(root):
    """A data root that a client of a cloud has left its mark in."""
    (root / ".dropbox.cache").mkdir()
    return root


@pytest.fixture
def begin(root):
    """Begin a run as a command does; it is sealed at the end."""
    made = []

    def begin():
        writer = RunWriter.create(root, HEADER)
        assert writer.path.parent == spool_of(root)
        made.append(writer)
        return writer

    yield begin
    for writer in made:
        writer.seal("finished", {})


@pytest.mark.usefixtures("answers_here")
def test_run_that_begins_in_the_spool_is_watched_and_asked_about(qtbot, desk, begin):
    running = RunningRuns(desk)
    # it has looked once, and found nothing
    qtbot.waitUntil(lambda: running._known is not None)
    writer = begin()
    qtbot.waitUntil(lambda: desk.feed is not None)
    assert desk.feed.run_id == writer.run_id
    assert [run.run_id for run in running.runs] == [writer.run_id]
    assert [(run.words, run.path) for run in runs_under_way(desk)] == [
        ("sweep_iv on single-device (simulated)", writer.path)
    ]


def test_queue_in_the_spool_is_held_when_all_outputs_go_off(root):
    with RunQueue(root) as queue:
        assert queue.folder == spool_of(root)
        queue.add("sweep_iv", "single-device", {})
        stop_runs(root)
        assert queue.is_held
