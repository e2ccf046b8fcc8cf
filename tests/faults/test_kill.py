"""A run's process is killed, or its disk is full: every acknowledged point is there, and the status is true.

Authority: the project's reliability bar, promises P1, P3 and P14; SQLite's own ``integrity_check``.
"""

import random
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from labctl.store import list_runs, open_run

CHILD = textwrap.dedent("""
    import os, sys, time
    from types import SimpleNamespace
    from labctl.clock import VirtualClock
    from labctl.run import LabProcedure, execute_procedure

    folder, pause_s, limit = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
    log = []
    station = SimpleNamespace(
        name="fake", file="fake.toml", simulated=True, bench_info={"seed": 1}, sample=None, clock=VirtualClock(),
        identities=dict, settings=dict, safe_off=lambda: log.append("off"), close=lambda: None,
    )

    class Hammer(LabProcedure):
        DATA_COLUMNS = ["Number", "Half (1)", "Text"]

        def execute(self):
            writer = self.__dict__["emit"].__self__._writer
            if limit:
                import resource
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            told = 0
            for number in range(10**9):
                self.emitted = number + 1
                self.emit("results", {"Number": number, "Half (1)": number / 2, "Text": f"point {number}"})
                if writer.acknowledged != told:
                    told = writer.acknowledged
                    os.write(1, b"%d\\n" % told)
                if pause_s:
                    time.sleep(pause_s)

        def shutdown(self):
            print("emitted", self.emitted, flush=True)

    run = execute_procedure(Hammer, station, {}, out=folder)
    print("ended", run.status, log, run.summary()["error"], flush=True)
""")


def start(folder, pause_s, limit=0):
    command = [sys.executable, "-c", CHILD, str(folder), str(pause_s), str(limit)]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def kill_after(folder, pause_s, delay_s):
    """Kill a run some time after its first acknowledged point; return how many it had acknowledged."""
    child = start(folder, pause_s)
    lines = [child.stdout.readline()]
    reader = threading.Thread(target=lambda: lines.extend(child.stdout))
    reader.start()
    try:
        time.sleep(delay_s)
        assert [item["status"] for item in list_runs(folder)] == ["running"]
    finally:
        child.kill()
        child.wait()
        reader.join()
        child.stdout.close()
    return int([line for line in lines if line.endswith(b"\n")][-1])


def check_interrupted(folder, acknowledged):
    run = open_run("latest", folder)
    assert run.status == "interrupted"
    rows = run.rows()
    assert len(rows) >= acknowledged
    assert rows == [(number, number / 2, f"point {number}") for number in range(len(rows))]
    assert run.summary()["points"] == len(rows)
    connection = sqlite3.connect(f"{run.path.as_uri()}?mode=ro", uri=True)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    finally:
        connection.close()


@pytest.mark.parametrize("seed", range(10))
def test_acknowledged_points_are_there_when_process_is_killed(tmp_path, seed):
    chance = random.Random(seed)
    pause_s = (0.0, 0.0, 0.0, 0.003, 0.03)[seed % 5]
    check_interrupted(tmp_path, kill_after(tmp_path, pause_s, chance.uniform(0.0, 0.4)))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10, 200))
def test_acknowledged_points_are_there_when_process_is_killed_often(tmp_path, seed):
    chance = random.Random(seed)
    pause_s = chance.choice((0.0, 0.0, 0.001, 0.01, 0.03))
    check_interrupted(tmp_path, kill_after(tmp_path, pause_s, chance.uniform(0.0, 1.0)))


@pytest.mark.skipif(sys.platform == "win32", reason="RLIMIT_FSIZE is of POSIX; max_page_count is tested everywhere")
def test_run_is_failed_and_outputs_off_when_no_byte_more_can_be_written(tmp_path):
    child = start(tmp_path, 0.0, limit=300_000)
    out, _ = child.communicate(timeout=60)
    text = out.decode()
    assert "ended failed ['off']" in text
    assert "bytes free" in text
    run = open_run("latest", tmp_path)
    assert run.status == "failed"
    acknowledged = max(int(line) for line in text.splitlines() if line.isdigit())
    emitted = int(text.partition("emitted ")[2].split()[0])
    assert acknowledged <= len(run.rows()) <= emitted
    # the promise of the run file: at most 500 rows without a commit, and the one whose emit raised
    assert emitted - acknowledged <= 501
