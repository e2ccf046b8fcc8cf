"""A run's process dies or is interrupted: every acknowledged point is there, the bench goes on, outputs are off.

Authority: the README (states of a run, exit codes); the bench's own record of what is driven and closed.
"""

import signal
import sqlite3
import subprocess
import sys
import textwrap
import time

import pytest

from labctl.store import open_run

STATION = "tiox-32x32"
# both go on for so long after the points that are waited for that no run has ended when it is killed or refused
ALL = ("run", "read_array", "-s", STATION, "-p", "averages=10")
SLOWLY = (*ALL[:-1], "averages=50")


def points_of(folder):
    """How many points the only run file in the folder has committed."""
    files = list(folder.glob("*.run.sqlite")) if folder.is_dir() else []
    if not files:
        return 0
    connection = sqlite3.connect(f"{files[0].as_uri()}?mode=ro", uri=True)
    try:
        return connection.execute("SELECT count(*) FROM point").fetchone()[0]
    except sqlite3.OperationalError:  # the file was made this moment
        return 0
    finally:
        connection.close()


def wait_for_points(child, folder, least):
    """Wait until a run has committed some points, and return how many."""
    for _ in range(9000):
        found = points_of(folder)
        if found >= least:
            return found
        assert child.poll() is None, child.stderr.read()
        time.sleep(0.02)
    raise AssertionError(f"no {least} points in {folder}")


@pytest.mark.parametrize("least", [pytest.param(1, marks=pytest.mark.slow), 300])
def test_killed_run_is_interrupted_and_keeps_its_points(labctl, labctl_process, homes, least):
    with labctl_process(*ALL) as child:
        acknowledged = wait_for_points(child, homes / "runs", least)
        child.kill()
        child.communicate()
    shown = labctl("show", "latest", "--json").json()
    assert shown["status"] == "interrupted"
    assert shown["points"] >= acknowledged
    assert "interrupted" in labctl("show", "latest").out
    assert "interrupted" in labctl("runs").out
    table = open_run("latest").table()
    assert len(table) == shown["points"]
    # every row up to the last one is whole: the cells come row by row, each with its ten readings
    assert list(table["Row"] * 32 + table["Column"]) == [number // 10 for number in range(len(table))]
    assert table["Conductance (S)"].notna().all()
    # the dead process held the die; the next run takes it
    after = labctl("run", "read_array", "-s", STATION, "-p", "cells=0,0", "-q", "--json")
    assert after.code == 0, after.err
    assert after.json()["status"] == "finished"
    assert labctl("report", shown["run_id"], "-o", homes).code == 0
    assert "interrupted" in (homes / f"{shown['run_id']}.html").read_text(encoding="utf-8")


def test_second_run_is_refused_while_the_first_holds_the_die(labctl, labctl_process, homes):
    with labctl_process(*SLOWLY) as child:
        wait_for_points(child, homes / "runs", 1)
        answer = labctl("run", "read_array", "-s", STATION, "-p", "cells=0,0", "-o", homes / "second")
        child.kill()
        child.communicate()
    assert answer.code == 2
    assert str(child.pid) in answer.err
    assert "LABCTL_HOME" in answer.err
    assert "Traceback" not in answer.err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends Ctrl-C to a whole console")
@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_signal_aborts_with_exit_code_4_and_no_traceback(labctl, labctl_process, homes, number):
    with labctl_process(*SLOWLY) as child:
        acknowledged = wait_for_points(child, homes / "runs", 20)
        child.send_signal(number)
        _, err = child.communicate(timeout=60)
    assert child.returncode == 4, err
    assert "Traceback" not in err
    assert "aborted" in err
    shown = labctl("show", "latest", "--json").json()
    assert shown["status"] == "aborted"
    assert acknowledged <= shown["points"] < 50 * 1024


CHILD = textwrap.dedent("""
    from labctl.run.control import RunControl
    from labctl_mock.bench.bench import Bench
    from labctl_mock.bench.terminals import TerminalMode

    benches = []
    make, close, abort = Bench.__init__, Bench.close, RunControl.abort

    def tell(when):
        for bench in benches:
            terminals = bench.circuit.terminals.values()
            live = [item.name for item in terminals if item.mode is not TerminalMode.OPEN and item.level != 0.0]
            print(when, "driven", live, "relays", len(bench.instruments["mat1"]._closed), flush=True)

    def note_and_make(bench, *arguments, **options):
        make(bench, *arguments, **options)
        benches.append(bench)

    def tell_and_close(bench):
        tell("AT CLOSE")
        close(bench)

    def tell_and_abort(control, *arguments):
        tell("AT SIGNAL")
        abort(control, *arguments)

    Bench.__init__, Bench.close, RunControl.abort = note_and_make, tell_and_close, tell_and_abort
    from labctl.cli.main import main

    main()
""")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends Ctrl-C to a whole console")
@pytest.mark.parametrize(
    "arguments",
    [pytest.param(SLOWLY, marks=pytest.mark.slow), ("run", "form_array", "-s", STATION)],
    ids=lambda one: one[1],
)
def test_outputs_are_off_and_relays_open_after_an_abort(homes, arguments):
    command = [sys.executable, "-c", CHILD, *arguments, "-q"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        wait_for_points(child, homes / "runs", 30)
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=60)
    assert child.returncode == 4, err
    # relays were closed when the signal came, so that the look at the end could find them so
    assert "AT SIGNAL" in out
    assert "relays 0" not in out.partition("AT CLOSE")[0]
    assert "AT CLOSE driven [] relays 0" in out
