"""The map and a cell's history while a run measures. Authority: issue 5, "Live while programming"; the files."""

import json
import subprocess
import sys
from collections import defaultdict
from itertools import pairwise

import numpy as np
import pytest

from labctl.analysis import cell_history, die_state
from labctl.analysis.die_maps import CellClass
from labctl.gui.answers.desk import ANSWERS
from labctl.gui.array import die_watch
from labctl.gui.array.array_panel import ArrayPanel
from labctl.home import labctl_home
from labctl.store import Run, RunHeader, RunWriter
from labctl.store.following import RunFollower

STATION = "tiox-32x32"
LABELS = ("Event", "Row", "Column", "Voltage (V)", "Conductance (S)")


def verify(row, column, conductance_s, **more):
    return {
        "Event": "verify",
        "Row": row,
        "Column": column,
        "Voltage (V)": 0.2,
        "Conductance (S)": conductance_s,
    } | more


def pulse(row, column, voltage_v=-1.0):
    return {"Event": "reset", "Row": row, "Column": column, "Voltage (V)": voltage_v, "Width (s)": 1e-4}


@pytest.fixture
def measured(begin_run):
    """A run that has ended, which found two cells failed."""
    writer = begin_run("program_array", 0.0)
    for row, column in np.ndindex(2, 2):
        writer.point(pulse(row, column))
        writer.point(verify(row, column, 2e-5))
    failed = [{"row": 1, "column": column, "reason": "too many pulses"} for column in (0, 1)]
    writer.seal("finished", {"failed_cells": failed})
    return Run(writer.path)


@pytest.fixture
def writer(begin_run, measured):
    """A run on the same die that goes on."""
    return begin_run("program_array", 100.0)


@pytest.fixture
def panel(qtbot, desk, answers_here):
    desk.station = STATION
    desk._take_facts(ANSWERS["station_facts"](STATION))
    panel = ArrayPanel(desk)
    qtbot.addWidget(panel)
    panel.show()
    return panel


@pytest.fixture
def reads(monkeypatch):
    """By file and cell (None: all): the stretches of rows that were read from files."""
    found = defaultdict(list)
    real = die_state.read_rows

    def counted(run, labels, after, upto, cell=None):
        found[run.path.name, cell].append((after, upto))
        return real(run, labels, after, upto, cell)

    for module in (die_state, cell_history):
        monkeypatch.setattr(module, "read_rows", counted)
    monkeypatch.setattr(RunFollower, "page", lambda *_: pytest.fail("read rows beside the feed"))
    return found


def assert_none_twice(reads):
    for what, stretches in reads.items():
        ordered = sorted(stretches)
        assert all(one[1] <= two[0] for one, two in pairwise(ordered)), (what, ordered)


@pytest.mark.parametrize("is_late", [False, True])
def test_rows_of_a_run_that_goes_on_are_drawn_once(qtbot, desk, panel, measured, writer, is_late):
    for number in range(5):
        writer.point(verify(0, number, 1e-5 * (number + 1), **{"Target (S)": 1e-5}))
    writer.point(pulse(0, 0))
    writer.flush()
    desk.watch(writer.path)
    if is_late:
        qtbot.waitUntil(lambda: desk.feed.count == 6, timeout=10_000)
        panel = ArrayPanel(desk)
        qtbot.addWidget(panel)
        panel.show()
    qtbot.waitUntil(lambda: panel.watch.live is not None and panel.watch.runs == 2, timeout=15_000)
    qtbot.waitUntil(lambda: panel.watch.maps.readings[0, 4] == 1, timeout=15_000)
    for value_s in (3e-4, 1.02e-5):
        writer.point(verify(0, 4, value_s, **{"Target (S)": 1e-5}))
    writer.point(pulse(0, 0, -1.1))
    writer.flush()
    qtbot.waitUntil(lambda: panel.watch.maps.pulses[0, 0] == 3, timeout=10_000)
    assert "live" in panel.facts_line.text()
    qtbot.waitUntil(lambda: panel.map.image.image[0, 4] == pytest.approx(np.log10(1.02e-5)), timeout=5000)
    assert panel.watch.maps.change[0, 4] == pytest.approx(1.02e-5 / 3e-4 - 1.0)
    writer.seal("finished", {"failed_cells": [{"row": 0, "column": 1, "reason": "too weak"}]})
    qtbot.waitUntil(lambda: (0, 1) in panel.watch.maps.reasons, timeout=15_000)
    wanted = die_state.die_state([measured, Run(writer.path)])
    assert panel.watch.maps.reasons == wanted.reasons
    for name in ("conductance_s", "previous_s", "readings", "pulses", "target_s", "tolerance"):
        np.testing.assert_array_equal(getattr(panel.watch.maps, name), getattr(wanted, name), err_msg=name)
    assert panel.watch.live is None


def test_class_follows_the_readings_while_the_run_goes_on(qtbot, desk, panel, measured, writer):
    qtbot.waitUntil(lambda: panel.watch.runs == 2, timeout=10_000)
    assert panel.watch.maps.classes()[1, 0] == panel.watch.maps.classes()[1, 1] == CellClass.FAILED
    desk.watch(writer.path)
    target = {"Target (S)": 1e-5}
    for conductance_s, kind in ((2e-5, CellClass.OUT_OF_TOLERANCE), (1.04e-5, CellClass.IN_TOLERANCE)):
        writer.point(pulse(1, 0))
        writer.point(verify(1, 0, conductance_s, **target))
        writer.flush()
        qtbot.waitUntil(lambda kind=kind: panel.watch.maps.classes()[1, 0] == kind, timeout=10_000)
        assert panel.watch.maps.error[1, 0] == pytest.approx(conductance_s / 1e-5 - 1.0)
    # of a cell that it has not pulsed, the run before has the word
    assert panel.watch.maps.classes()[1, 1] == CellClass.FAILED


def test_answer_that_is_under_way_when_a_run_goes_live_counts_no_row_twice(qtbot, desk, panel, writer):
    writer.points([verify(0, 0, 1e-5 + 1e-9 * number) for number in range(3000)])
    writer.flush()
    qtbot.waitUntil(lambda: panel.watch.runs == 2, timeout=10_000)
    held = []
    real, desk.scanner.ask = desk.scanner.ask, lambda *what, **more: held.append((what, more))
    desk.select([(0, 0)])
    desk.watch(writer.path)
    # the scanner is busy until all rows have come by the feed
    qtbot.waitUntil(lambda: panel.watch.live is not None and desk.feed.count == 3000, timeout=10_000)
    what, more = next(one for one in reversed(held) if one[0][0] == "array.history")
    real(*what, **more)
    qtbot.waitUntil(lambda: panel.cell_watch.is_read, timeout=10_000)
    mine = next(run for run in panel.cell_watch.runs() if run.run_id == desk.feed.run_id)
    np.testing.assert_array_equal(mine.columns()["seq"], np.arange(1, 3001))


@pytest.mark.parametrize("is_read", [False, True])
def test_rows_from_before_the_abort_stay_when_the_run_is_resumed(qtbot, desk, panel, writer, is_read):
    writer.points([verify(2, number, 1e-5) for number in range(4)])
    writer.flush()
    desk.watch(writer.path)
    qtbot.waitUntil(lambda: panel.watch.live is not None and panel.watch.runs == 2)
    writer.seal("aborted", {})
    qtbot.waitUntil(lambda: panel.watch.live is None)
    if is_read:
        with qtbot.waitSignal(panel.watch.files_read):
            panel.watch._again.start(0)
    else:
        panel.watch._again.stop()
    resumed = RunWriter.resume(writer.path)
    for row, count in ((3, 4), (4, 8)):
        resumed.points([verify(row, number, 2e-5) for number in range(4)])
        resumed.flush()
        desk.feed.start()
        qtbot.waitUntil(lambda count=count: desk.feed.count == 4 + count and panel.watch._own is not None)
        qtbot.waitUntil(lambda row=row: panel.watch.maps.readings[row, :4].tolist() == [1, 1, 1, 1])
        assert panel.watch.live is not None
        assert panel.watch.maps.readings[2, :4].tolist() == [1, 1, 1, 1]
    resumed.seal("finished", {})


def test_rows_wait_in_a_bounded_number_when_the_scanner_is_slow_or_fails(qtbot, desk, panel, writer, monkeypatch):
    monkeypatch.setattr(die_watch, "_MOST_WAITING", 3)
    panel.watch._again.setInterval(0)
    qtbot.waitUntil(lambda: panel.watch.runs == 2)
    desk._take_facts(None)
    desk.watch(writer.path)

    def grow(count):
        for _ in range(count):
            rows = desk.feed.count + 1
            writer.point(verify(2, 0, 1e-5))
            writer.flush()
            desk.feed.start()
            qtbot.waitUntil(lambda rows=rows: desk.feed.count == rows)
            assert len(panel.watch._waiting) <= 3

    grow(2)
    held, ask = [], desk.scanner.ask
    monkeypatch.setattr(desk.scanner, "ask", lambda *what, **more: held.append((what, more)))
    desk._take_facts(ANSWERS["station_facts"](STATION))
    grow(6)
    for _ in range(2):
        dies = [what for what, _ in held if what[0] == "array.die"]
        held.clear()
        dies[-1][2]("the disk is slow")
        qtbot.waitUntil(lambda: "array.die" in [what[0] for what, _ in held])
    # the same is told once
    assert desk.sentences.count(("warning", "the disk is slow")) == 1
    # its answer will be of rows before those that were let go
    grow(5)
    monkeypatch.setattr(desk.scanner, "ask", ask)
    for what, more in held:
        ask(*what, **more)
    qtbot.waitUntil(lambda: panel.watch.maps.readings[2, 0] == 13)
    grow(1)
    qtbot.waitUntil(lambda: panel.watch.maps.readings[2, 0] == 14)


@pytest.mark.parametrize("is_late", [False, True])
def test_no_row_is_read_twice_while_a_run_is_watched(qtbot, desk, panel, reads, measured, writer, is_late):
    cell, other = (0, 1), (0, 2)
    rows, history = panel.history.rows, panel.cell_watch
    wanted = 0

    def write(count):
        nonlocal wanted
        writer.points([verify(0, number % 4, 1e-5 + 1e-9 * number) for number in range(count)])
        writer.flush()
        wanted += count // 4

    def of_live():
        return sum(len(run) for run in history.runs() if run.run_id == desk.feed.run_id)

    qtbot.waitUntil(lambda: panel.watch.runs == 2, timeout=10_000)
    write(4000)
    if not is_late:
        desk.select([cell])
        qtbot.waitUntil(lambda: rows.rowCount() > 0, timeout=10_000)
        reads.clear()
    desk.watch(writer.path)
    qtbot.waitUntil(lambda: desk.feed.count == 4000, timeout=10_000)
    if is_late:
        desk.select([cell])
    qtbot.waitUntil(lambda: history.is_read and of_live() == wanted, timeout=10_000)
    for _ in range(3):
        write(400)
        qtbot.waitUntil(lambda: of_live() == wanted, timeout=10_000)
    # another cell and back: only what came meanwhile is looked for
    for chosen in (other, cell):
        desk.select([chosen])
        write(400)
        qtbot.waitUntil(lambda: history.is_read and of_live() == wanted, timeout=10_000)
    live = Run(writer.path).path.name
    assert (live, None) not in reads
    assert_none_twice(reads)
    if not is_late:
        assert reads[measured.path.name, cell] == []
    writer.seal("finished", {})
    qtbot.waitUntil(lambda: panel.watch.live is None and (live, None) in reads, timeout=10_000)
    qtbot.wait(300)
    assert_none_twice(reads)
    table = Run(writer.path).table().query("Row == 0 and Column == 1")
    mine = next(run for run in history.runs() if run.run_id == desk.feed.run_id).columns()
    np.testing.assert_array_equal(mine["seq"], table.index)
    np.testing.assert_array_equal(mine["Conductance (S)"], table["Conductance (S)"])
    qtbot.waitUntil(lambda: rows.rowCount() == wanted + len(measured.table().query("Row == 0 and Column == 1")))
    np.testing.assert_array_equal(rows.columns["seq"][-wanted:], table.index)


def test_fresh_die_is_noticed_when_it_was_put_in_elsewhere(qtbot, desk, panel, measured):
    socket = labctl_home() / "benches" / STATION
    socket.mkdir(parents=True)
    (socket / "die.npz").write_bytes(b"the bench's own")
    desk.select([(0, 0)])
    qtbot.waitUntil(lambda: panel.watch.runs == 1 and panel.history.rows.rowCount() == 2, timeout=10_000)
    assert not panel.watch.is_fresh
    # what `labctl bench reset` does, see test_bench_reset_takes_the_die_away
    (socket / "die.npz").unlink()
    qtbot.waitUntil(lambda: panel.watch.is_fresh, timeout=10_000)
    assert "a fresh die is in; nothing of it is measured" in panel.facts_line.text()
    assert np.isnan(panel.map.image.image).all()
    qtbot.waitUntil(lambda: panel.history.rows.rowCount() == 0, timeout=10_000)


@pytest.mark.parametrize("is_known", [False, True])
def test_run_on_the_bench_of_another_station_is_not_drawn_as_live(qtbot, desk, root, answers_here, is_known):
    """Authority: labctl.analysis.die_state.Die: a simulated die is one of its bench, whatever its sample is called."""

    def begin(station):
        sample = {"name": "one TiOx/Al2O3 device", "rows": 1, "columns": 1}
        facts = {"bench": {"name": station, "die_age_s": 0.0}, "seed": 1, "sample": sample}
        writer = RunWriter.create(root, RunHeader("read_array", LABELS, (), station, True, facts))
        writer.point(verify(0, 0, 2e-5))
        writer.flush()
        return writer

    if is_known:
        begin("single-device").seal("finished", {})
    desk.station = "single-device"
    desk._take_facts(ANSWERS["station_facts"]("single-device"))
    panel = ArrayPanel(desk)
    qtbot.addWidget(panel)
    panel.show()
    foreign = begin("single-device-2400")
    desk.watch(foreign.path)
    qtbot.waitUntil(lambda: panel.watch.is_read and desk.feed.count == 1 and desk.feed.status == "running")
    assert panel.watch.live is None
    assert "live" not in panel.facts_line.text()
    assert panel.watch.maps.readings[0, 0] == is_known
    foreign.seal("finished", {})
    own = begin("single-device")
    desk.watch(own.path)
    qtbot.waitUntil(lambda: panel.watch.live is desk.feed)
    own.seal("finished", {})


@pytest.mark.slow
def test_map_history_and_fresh_die_with_real_processes(qtbot, desk, root, home):
    def labctl(*arguments):
        told = subprocess.run(
            [sys.executable, "-m", "labctl", *arguments], check=True, capture_output=True, text=True, timeout=300
        )
        return told.stdout

    labctl("run", "read_array", "-s", STATION, "-o", str(root), "-p", "cells=0:3,0:3")
    panel = ArrayPanel(desk)
    qtbot.addWidget(panel)
    panel.show()
    desk.choose_station(STATION)
    qtbot.waitUntil(lambda: panel.watch.runs == 1, timeout=60_000)
    desk.select([(1, 1)])
    qtbot.waitUntil(lambda: panel.history.rows.rowCount() > 0, timeout=60_000)
    assert json.loads(labctl("bench", "show", STATION, "--json"))["die_age_s"] > 0.0
    labctl("bench", "reset", STATION)
    qtbot.waitUntil(lambda: panel.watch.is_fresh, timeout=60_000)
    # the die is made anew with the next run, which takes the rows of the one before out of the map
    labctl("run", "read_array", "-s", STATION, "-o", str(root), "-p", "cells=0,0")
    qtbot.waitUntil(lambda: panel.watch.maps.readings.sum() == 1, timeout=60_000)
    assert not panel.watch.is_fresh
