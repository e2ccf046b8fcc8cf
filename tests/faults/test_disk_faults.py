"""Every write, sync and truncate of a run fails, once and from then on: nothing acknowledged is lost or corrupt.

Authority: the project's reliability bar, promises P14 and P15; the numbers of the points are their own truth.
"""

import shutil
import tempfile
from pathlib import Path

import pytest

from labctl.errors import StoreError
from labctl.store import Run, RunHeader, RunWriter
from labctl.store.verify import verify_run
from labctl_mock.faults.disk import DiskFaults

POINTS = 20  # so few that every call can fail


@pytest.fixture
def quick_folder(tmp_path):
    """A folder in memory where there is one: the faults come from SQLite's file layer, not from the disk below it."""
    memory = Path("/dev/shm")
    if not memory.is_dir():
        yield tmp_path
        return
    folder = Path(tempfile.mkdtemp(dir=memory))
    yield folder
    shutil.rmtree(folder)


def row(number):
    return {"Row": number, "Half (1)": number / 2, "Text": f"point {number} " + "x" * 300}


def cells(number):
    return tuple(row(number).values())


class Lab:
    """Stimuli that were applied, and what was acknowledged; it stops at the first error, as a run does."""

    def __init__(self):
        self.applied = []
        self.acknowledged = 0
        self.path = None
        self.after_failure = 0
        self.sealed = None

    def measure(self, folder, disk=None):
        try:
            writer = RunWriter.create(folder, RunHeader("x", list(row(0))))
        except StoreError:
            return
        self.path = writer.path
        try:
            self.go_on(writer, disk)
            status = "finished"
        except StoreError:
            status = "failed"
        self.acknowledged = writer.acknowledged
        try:
            self.sealed = writer.seal(status, {})
        except StoreError:
            return

    def go_on(self, writer, disk=None, first=0):
        for number in range(first, POINTS):
            writer.intent(number, {"Row": number})
            self.after_failure += bool(disk is not None and disk.failed)
            self.applied.append(number)
            writer.point(row(number), number)
            self.acknowledged = writer.acknowledged
            if number % 10 == 9:
                writer.event("note", "ten more")


def calls_of(kind, folder):
    with DiskFaults(call=kind, first=0) as disk:
        Lab().measure(folder)
    return disk.counts[kind]


@pytest.mark.parametrize("kind", [pytest.param("write", marks=pytest.mark.slow), "sync", "truncate"])
def test_no_acknowledged_row_is_lost_when_a_call_of_the_disk_fails(quick_folder, promise, kind):
    count = calls_of(kind, quick_folder)
    assert count >= (1 if kind == "truncate" else POINTS)
    trials = lost = corrupt = untrue = late = 0
    for error in ("ioerr", "full"):
        for first in range(1, count + 1):
            for last in (first, None):
                trials += 1
                lab = Lab()
                with DiskFaults(call=kind, error=error, first=first, last=last) as disk:
                    lab.measure(quick_folder, disk)
                late += lab.after_failure > 1
                if lab.path is not None:
                    corrupt += bool(verify_run(lab.path))
                    run = Run(lab.path)
                    rows = run.rows()
                    lost += rows[: lab.acknowledged] != [cells(n) for n in range(lab.acknowledged)]
                    corrupt += rows != [cells(n) for n in range(len(rows))]
                    untrue += run.status == "finished" and len(rows) < POINTS
                    lab.path.unlink()
                for left in quick_folder.iterdir():
                    left.unlink()
    failures = lost + corrupt + untrue + late
    what = f"acknowledged rows lost, files corrupt, status untrue or a second stimulus after a failed {kind}"
    promise("P15", what, trials=trials, failures=failures, worst=f"each of {count} calls, 2 errors, once and on")
    assert (lost, corrupt, untrue, late) == (0, 0, 0, 0)


def test_stimuli_stop_and_resume_goes_on_without_gap_when_disk_is_full(quick_folder, promise):
    count = calls_of("write", quick_folder)
    trials = late = gaps = doubled = unflagged = 0
    for first in range(60, count - 30, 3):
        lab = Lab()
        with DiskFaults(call="write", error="full", first=first, last=first + 3) as disk:
            lab.measure(quick_folder, disk)
        late += lab.after_failure > 1
        if lab.sealed != "failed":
            continue
        trials += 1
        # there is room again
        history = Run(lab.path).history()
        writer = RunWriter.resume(lab.path)
        in_doubt = [] if history.in_doubt is None else [history.in_doubt[0]]
        for number in in_doubt:
            writer.point(row(number), number)
        unflagged += set(lab.applied) - set(history.rows) - set(in_doubt) != set()
        before = list(lab.applied)
        lab.go_on(writer, first=writer.count)
        doubled += len(lab.applied) - len(set(lab.applied))
        assert lab.applied[: len(before)] == before
        writer.seal("finished", {})
        run = Run(lab.path)
        gaps += run.rows() != [cells(n) for n in range(POINTS)] or run.status != "finished"
        gaps += bool(verify_run(lab.path))
        assert [item["status"] for item in run.segments()] == ["failed", "finished"]
        lab.path.unlink()
    assert trials > 5
    promise("P14", "stimuli after the first failed commit beyond one", trials=trials, failures=late)
    promise("P14", "gaps or repeated stimuli after resume", trials=trials, failures=gaps + doubled + unflagged)
    assert (late, gaps, doubled, unflagged) == (0, 0, 0, 0)


def fill(writer):
    for number in range(1000):
        writer.point(row(number))
        writer.flush()


def test_message_names_path_and_room_when_the_disk_is_full(quick_folder):
    lab_path = None
    with DiskFaults(call="write", error="full", first=40):
        writer = RunWriter.create(quick_folder, RunHeader("x", list(row(0))))
        lab_path = writer.path
        with pytest.raises(StoreError, match=r"cannot be written: .*full.*bytes free.*make room") as caught:
            fill(writer)
        assert str(lab_path) in str(caught.value)
        stored, taken = writer.acknowledged, writer.count
        assert taken > stored, "what could not be stored is still in memory"
    # there is room again before the run is sealed: what waited in memory goes in
    assert writer.seal("finished", {}) == "failed"
    assert Run(lab_path).rows() == [cells(n) for n in range(taken)]
