"""P17: the clock on the wall may jump; no interval turns negative and nothing times out that did not wait.

Authority: the promise itself. A step of the wall clock is what a time server, an operator or the end of a suspend
makes; after a suspend the monotonic clock stands where it was (Linux) or is ahead by the time slept (Windows).
"""

import sqlite3
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

import labctl.store.segments
from labctl.clock import WallClock
from labctl.run import execute_procedure
from labctl_procedures import find_procedure

HOUR_S = 3600.0


class Jumper:
    """An observer of a run that lets the clocks jump when the run is at some percentage."""

    def __init__(self, monkeypatch, wall_s, monotonic_s, at_percent=(30.0, 60.0)):
        self.at = list(at_percent)
        self.jumps = 0
        self.wall_s = self.monotonic_s = 0.0
        self._steps = (wall_s, monotonic_s)
        jumper, wall, monotonic = self, time.time, time.monotonic

        class Jumping(datetime):
            @classmethod
            def now(cls, tz=None):
                return datetime.fromtimestamp(wall() + jumper.wall_s, tz or UTC)

        monkeypatch.setattr(labctl.store.segments, "datetime", Jumping)
        monkeypatch.setattr(time, "time", lambda: wall() + self.wall_s)
        monkeypatch.setattr(time, "monotonic", lambda: monotonic() + self.monotonic_s)

    def started(self, run_id, path):
        pass

    def progress(self, percent, wall_s, instrument_s):
        if self.at and percent >= self.at[0]:
            self.at.pop(0)
            self.jumps += 1
            self.wall_s += self._steps[0]
            self.monotonic_s += self._steps[1]

    def event(self, kind, message):
        pass

    def finished(self, status):
        pass


JUMPS = [
    pytest.param(HOUR_S, 0.0, id="an hour ahead"),
    pytest.param(-HOUR_S, 0.0, id="an hour back"),
    pytest.param(8 * HOUR_S, 0.0, id="suspended for 8 h, Linux"),
    pytest.param(8 * HOUR_S, 8 * HOUR_S, id="suspended for 8 h, Windows"),
]


@pytest.mark.parametrize(("wall_s", "monotonic_s"), JUMPS)
def test_run_goes_on_and_its_times_never_go_back(tmp_path, monkeypatch, promise, wall_s, monotonic_s):
    monkeypatch.setenv("LABCTL_HOME", str(tmp_path / "home"))
    jumper = Jumper(monkeypatch, wall_s, monotonic_s)
    parameters = {"cells": "0:4,0:5", "integration": "0.01"}
    run = execute_procedure(find_procedure("read_array"), "tiox-32x32", parameters, out=tmp_path, observer=jumper)
    assert jumper.jumps == 2
    back = intervals = 0
    with sqlite3.connect(run.path) as connection:
        for table in ("event", "progress"):
            rows = connection.execute(f"SELECT wall_s, instrument_s FROM {table} ORDER BY seq").fetchall()
            for column in zip(*rows, strict=True):
                intervals += len(column) - 1
                back += sum(later < earlier for earlier, later in pairwise(column))
    connection.close()
    moments = run.table()["Time (s)"].to_numpy()
    intervals += len(moments) - 1
    back += int((moments[1:] < moments[:-1]).sum())
    failed = run.status != "finished"
    what = f"wall clock {wall_s / HOUR_S:+g} h, monotonic {monotonic_s / HOUR_S:+g} h: negative intervals, time-outs"
    promise("P17", what, trials=intervals, failures=back + failed)
    assert intervals > 20
    assert (back, run.status) == (0, "finished"), run.summary()["error"]


def test_clock_of_a_rack_does_not_follow_the_wall(monkeypatch):
    clock, wall = WallClock(), time.time
    before_s = clock.now_s()
    monkeypatch.setattr(time, "time", lambda: wall() - HOUR_S)
    assert 0.0 <= clock.now_s() - before_s < HOUR_S / 2.0
    start = datetime.now(UTC)
    clock.sleep(0.01)
    assert datetime.now(UTC) - start < timedelta(minutes=30)
