"""The measuring process hangs: outputs off within heartbeat + 250 ms, and it cannot come back. Authority: promise P6.

Times are those of the rack's own log and of one monotonic clock; the rack takes 20 ms over each message.
"""

import os
import random
import signal
import time

import pytest

MARGIN_S = 0.25


def stop(measuring):
    now_s = time.monotonic()
    os.kill(measuring.process.pid, signal.SIGSTOP)
    return now_s


def hang(measuring, way):
    """Let a measuring process hang in one way; return when."""
    if way == "SIGSTOP":
        return stop(measuring)
    hung_s = measuring.told_when("spin" if way == "loop" else "endless wait")
    if way == "SIGSTOP in a long wait":
        # the guardian has heard by then that the loop may be quiet for a minute
        time.sleep(0.5)
        hung_s = stop(measuring)
    return hung_s


@pytest.mark.parametrize(
    "trials", [4, pytest.param(12, marks=pytest.mark.slow), pytest.param(50, marks=pytest.mark.long)]
)
def test_outputs_go_off_when_the_measuring_process_hangs(trials, make_rack, make_measuring, ran_s, promise):
    rack = make_rack("scpi", "tsp", "switch")
    when = random.Random(trials)
    late = []
    for trial in range(trials):
        heartbeat_s = 1.0 if trial % 5 == 4 else 0.3
        measuring = make_measuring(rack, heartbeat_s)
        time.sleep(when.uniform(0.0, heartbeat_s))
        hung_s = hang(measuring, ("SIGSTOP", "loop", "SIGSTOP in a long wait")[trial % 3])
        late.append(ran_s(hung_s, rack.wait_until_off()) - heartbeat_s)
        measuring.wait_for_log("VERIFIED OFF")
        assert measuring.wait() == -signal.SIGKILL, "what hung must not wake up and switch on again"
        assert measuring.wait_for_log("fence")["outcome"] == "killed"
    failures = sum(delay > MARGIN_S for delay in late)
    ordered = sorted(late)
    worst = f"heartbeat {1e3 * ordered[-1]:+.0f} ms (median {1e3 * ordered[trials // 2]:+.0f} ms) of +250 ms"
    what = "outputs off after SIGSTOP or an endless loop, heartbeat 0.3 s and 1 s"
    promise("P6", what, trials=trials, failures=failures, worst=worst, seed=trials)
    assert failures == 0, worst


@pytest.mark.parametrize("rule", ["single", "queue"])
def test_outputs_go_off_when_the_hung_process_holds_the_only_connection(
    rule, make_rack, make_measuring, ran_s, promise
):
    rack = make_rack(f"tsp-{rule}", "scpi")
    measuring = make_measuring(rack, heartbeat_s=0.3)
    hung_s = hang(measuring, "SIGSTOP")
    late_s = ran_s(hung_s, rack.wait_until_off()) - 0.3
    measuring.wait_for_log("VERIFIED OFF")
    measuring.wait()
    # the other instrument did not have to wait for the fence
    written = [line for line in measuring.log_lines() if line["event"] == "written" and "scpi" in line["instrument"]]
    assert written[0]["monotonic_s"] <= measuring.wait_for_log("fence")["monotonic_s"]
    what = "outputs off after SIGSTOP of a process that holds an instrument's only connection"
    worst = f"heartbeat {1e3 * late_s:+.0f} ms of +250 ms"
    promise("P6", what, trials=1, failures=int(late_s > MARGIN_S), worst=worst)
    assert late_s <= MARGIN_S


def test_outputs_stay_on_when_a_long_wait_was_announced(make_rack, make_measuring):
    rack = make_rack("scpi")
    measuring = make_measuring(rack, heartbeat_s=1.0)
    measuring.tell("long wait")
    assert measuring.hear() == measuring.guardian_pid, "neither tripped nor restarted"
    assert rack.ask()["on"] == [["1"]]
    measuring.tell("end")
    assert measuring.hear() == "ended"
    assert measuring.wait() == 0
    assert [line["event"] for line in measuring.log_lines()] == ["ready", "goodbye"]


def test_nothing_trips_when_the_whole_computer_was_asleep(make_rack, make_measuring):
    # both processes stand still, as they do when a computer is suspended; on waking up all goes on
    rack = make_rack("scpi")
    measuring = make_measuring(rack, heartbeat_s=1.0)
    pids = [measuring.process.pid, int(measuring.guardian_pid)]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(2.5)
    for pid in reversed(pids):
        os.kill(pid, signal.SIGCONT)
    time.sleep(0.5)
    assert rack.ask()["on"] == [["1"]]
    measuring.tell("end")
    assert measuring.hear() == "ended"
    assert measuring.wait() == 0
