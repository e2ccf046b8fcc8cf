"""A measuring process is killed: every acknowledged point is there once, the status is true, and only what is in doubt
is in doubt.

Authority: the project's reliability bar, promises P1, P3 and P12; SQLite's own ``integrity_check``.
"""

import random
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from labctl.store import RunWriter, list_runs, open_run
from labctl.store.verify import verify_run

# tells on its standard output, unbuffered: "a N" N points are acknowledged, "s N" stimulus N is applied
CHILD = textwrap.dedent("""
    import os, sys, time
    from pathlib import Path
    from labctl.store import RunHeader, RunWriter

    folder, pause_s, intents = Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
    writer = RunWriter.create(
        folder, RunHeader("hammer", ["Number", "Half (1)", "Text"]), durable_intents=intents == "durable"
    )
    told = 0
    for number in range(10**9):
        if intents != "none":
            writer.intent(number, {"Number": number})
            os.write(1, b"s %d\\n" % number)
        writer.point({"Number": number, "Half (1)": number / 2, "Text": f"point {number}"}, number)
        if writer.acknowledged != told:
            told = writer.acknowledged
            os.write(1, b"a %d\\n" % told)
        if pause_s:
            time.sleep(pause_s)
""")
PAUSES_S = {"1/s": 1.0, "100/s": 0.01, "max": 0.0}
RATES = ["max", "max", "100/s", "max", "100/s", "max", "max", "100/s", "max", "1/s"]
INTENTS = ["none", "durable", "in-process"]


def run_and_kill(folder, pause_s, intents, delay_s):
    """Kill a run some time after its first acknowledged point; return the last of each kind that it told."""
    command = [sys.executable, "-c", CHILD, str(folder), str(pause_s), intents]
    child = subprocess.Popen(command, stdout=subprocess.PIPE)
    lines = []
    while not lines or not lines[-1].startswith(b"a"):
        lines.append(child.stdout.readline())
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
    told = {"a": 0, "s": -1}
    for line in lines:
        if line.endswith(b"\n"):
            told[line[:1].decode()] = int(line[2:])
    return told["a"], told["s"]


def failures_of(folder, acknowledged, stimulus):
    """Return what is wrong with a killed run, in words."""
    run = open_run("latest", folder)
    wrong = []
    rows = run.rows()
    if len(rows) < acknowledged:
        wrong.append(f"{acknowledged - len(rows)} of {acknowledged} acknowledged points lost")
    if rows != [(number, number / 2, f"point {number}") for number in range(len(rows))]:
        wrong.append("a point is torn, doubled or wrong")
    if run.status != "interrupted":
        wrong.append(f"status {run.status}")
    wrong += [str(finding) for finding in verify_run(run.path)]
    connection = sqlite3.connect(f"{run.path.as_uri()}?mode=ro", uri=True)
    try:
        wrong += [text for (text,) in connection.execute("PRAGMA integrity_check") if text != "ok"]
    finally:
        connection.close()
    history = run.history()
    if sorted(history.rows) != list(range(len(rows))):
        wrong.append("the history is not that of the rows")
    # the intent of a stimulus is in the file before it is applied, and without its row it is in doubt
    if stimulus >= len(rows) and (history.in_doubt is None or history.in_doubt[0] < stimulus):
        wrong.append(f"stimulus {stimulus} was applied and is not in doubt, {len(rows)} points")
    if history.in_doubt is not None and history.in_doubt != (len(rows), {"Number": len(rows)}):
        wrong.append(f"in doubt is {history.in_doubt}, with {len(rows)} points")
    return wrong


def kill_often(tmp_path, promise, seeds):
    failed, in_doubt, points = {}, 0, 0
    for seed in seeds:
        chance = random.Random(seed)
        rate, intents = RATES[seed % len(RATES)], INTENTS[seed % len(INTENTS)]
        folder = tmp_path / str(seed)
        told = run_and_kill(folder, PAUSES_S[rate], intents, chance.uniform(0.0, 0.4))
        wrong = failures_of(folder, *told)
        in_doubt += open_run("latest", folder).history().in_doubt is not None
        points += told[0]
        if wrong:
            failed[seed] = (rate, intents, wrong)
    promise(
        "P1",
        f"acknowledged points lost, torn or doubled, or status untrue, after SIGKILL ({points} points acknowledged)",
        trials=len(seeds),
        failures=len(failed),
        seed=f"{seeds[0]}..{seeds[-1]}",
        worst=f"{in_doubt} intents in doubt, each of them alone",
    )
    assert failed == {}


@pytest.mark.parametrize(
    "seeds",
    [
        range(4),
        pytest.param(range(9, 39), marks=pytest.mark.slow),
        pytest.param(range(39, 239), marks=pytest.mark.long),
    ],
    ids=len,
)
def test_acknowledged_points_are_there_when_process_is_killed(tmp_path, promise, seeds):
    kill_often(tmp_path, promise, seeds)


@pytest.mark.parametrize("intents", ["durable", "in-process"])
def test_only_the_intent_without_row_is_in_doubt_when_killed_between_them(tmp_path, promise, intents):
    """Kill at exactly that place: the child kills itself after the n-th intent or after the n-th row."""
    child = textwrap.dedent("""
        import os, signal, sys
        from pathlib import Path
        from labctl.store import RunHeader, RunWriter

        durable = sys.argv[2] == "durable"
        writer = RunWriter.create(Path(sys.argv[1]), RunHeader("x", ["Number"]), durable_intents=durable)
        last, place = int(sys.argv[3]), sys.argv[4]
        for number in range(last + 1):
            writer.intent(number, {"Number": number})
            if number == last and place == "intent":
                os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
            writer.point({"Number": number}, number)
        writer.flush()
        os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
    """)
    wrong = []
    cases = [(last, place) for last in (0, 40) for place in ("intent", "row")]
    for last, place in cases:
        folder = tmp_path / f"{last}-{place}"
        subprocess.run([sys.executable, "-c", child, str(folder), intents, str(last), place], check=False)
        run = open_run("latest", folder)
        history = run.history()
        expected = (last, {"Number": last}) if place == "intent" else None
        if history.in_doubt != expected or sorted(history.rows) != list(range(last + (place == "row"))):
            wrong.append((last, place, history))
        # and a resumed run goes on behind it
        writer = RunWriter.resume(run.path)
        if history.in_doubt is not None:
            writer.point({"Number": last}, last)
        writer.intent(last + 1, {})
        writer.point({"Number": last + 1}, last + 1)
        writer.seal("finished", {})
        if [row[0] for row in run.rows()] != list(range(last + 2)) or verify_run(run.path):
            wrong.append((last, place, run.rows()))
    promise(
        "P12", f"intents wrongly in doubt after a kill beside them, {intents}", trials=len(cases), failures=len(wrong)
    )
    assert wrong == []
