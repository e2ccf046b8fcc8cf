"""A run ends early: the first OFF is out within 50 ms and all is verified within 250 ms. Authority: promise P4.

The run itself switches off here; its guardian hears goodbye. Times are those of the rack's own log and of one monotonic
clock; the rack takes 20 ms over each message, and the procedure asks and stores a reading in each turn of its loop.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

FIRST_OFF_S, VERIFIED_S = 0.05, 0.25
STATUS = {"abort": "aborted", "exception": "failed", "SIGTERM": "aborted", "closed terminal": "aborted"}


class Running:
    """The process of ``running.py``."""

    def __init__(self, rack, folder):
        self.rack = rack
        orders = {"resources": rack.resources, "folder": str(folder)}
        command = [sys.executable, str(Path(__file__).with_name("running.py")), json.dumps(orders)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, start_new_session=True)

    def tell(self, *words):
        self.process.stdin.write(" ".join(words).encode("ascii") + b"\n")
        self.process.stdin.flush()

    def hear(self):
        return self.process.stdout.readline().decode("ascii").strip()

    def end(self, way, ran_s):
        """Start a run and end it in one way; return how long the first OFF and the last verification took, and how."""
        self.rack.ask(do="reset")
        ours, theirs = os.openpty() if way == "closed terminal" else (None, None)
        self.tell("run", *([] if theirs is None else [os.ttyname(theirs)]))
        assert self.hear() == "on"
        time.sleep(0.05)
        if way in ("abort", "exception"):
            self.tell(way)
            ended_s = float(self.hear())
        else:
            self.tell("signal")
            ended_s = time.monotonic()
            if ours is None:
                os.kill(self.process.pid, signal.SIGTERM)
            else:
                os.close(theirs)
                os.close(ours)
        status = self.hear()
        assert self.rack.ask()["on"] == [[], [], []]
        first_s = min(time_s for time_s, _, text in self.rack.log("received") if "OFF" in text or "=0" in text)
        last_s = max(time_s for time_s, _, text in self.rack.log("answered") if text in {"0;0", "nil"})
        return ran_s(ended_s, first_s), ran_s(ended_s, last_s), status.removeprefix("ended ")

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture
def running(make_rack, tmp_path):
    process = Running(make_rack("scpi", "tsp", "switch"), tmp_path)
    yield process
    process.close()


@pytest.mark.parametrize(
    "trials", [5, pytest.param(20, marks=pytest.mark.slow), pytest.param(100, marks=pytest.mark.long)]
)
@pytest.mark.parametrize("way", list(STATUS))
def test_outputs_go_off_when_a_run_ends_early(way, trials, running, ran_s, promise, tmp_path):
    ends = [running.end(way, ran_s) for _ in range(trials)]
    firsts, verified, statuses = ([end[which] for end in ends] for which in range(3))
    # p99: of 100 trials one may be later
    first_s, verified_s = (sorted(times)[-1 - trials // 100] for times in (firsts, verified))
    late = sum(one > FIRST_OFF_S or all_ > VERIFIED_S for one, all_ in zip(firsts, verified, strict=True))
    worst = f"{1e3 * first_s:.0f} ms of 50 ms, verified {1e3 * verified_s:.0f} ms of 250 ms (p99)"
    promise("P4", f"first OFF and verified off on {way}", trials=trials, failures=late, worst=worst)
    assert set(statuses) == {STATUS[way]}
    assert first_s <= FIRST_OFF_S, worst
    assert verified_s <= VERIFIED_S, worst
    # each run had its guardian, which had nothing to do
    logs = [path.read_text(encoding="utf-8") for path in tmp_path.rglob("*.guardian.log")]
    assert len(logs) == trials
    assert all("goodbye" in text and "switching off" not in text for text in logs)
