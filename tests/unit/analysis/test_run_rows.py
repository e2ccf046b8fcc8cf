"""Rows in slices, of runs that grow. Authority: the whole table of the same file."""

import contextlib
import json
import sqlite3

import numpy as np
import pytest

from labctl.analysis import die_state
from labctl.analysis.cell_history import history_in_run
from labctl.analysis.die_index import DieIndex
from labctl.analysis.die_maps import DieMaps
from labctl.analysis.history_pack import pack_history, unpack_history
from labctl.analysis.run_rows import RunClock, filled, last_row, read_rows
from labctl.store import Run, RunWriter
from labctl.store.schema import RunHeader

LABELS = ("Event", "Row", "Column", "Voltage (V)", "Width (s)", "Conductance (S)", "Time (s)", "Flags", "Die")


@pytest.fixture
def writer(tmp_path, monkeypatch):
    monkeypatch.setenv("LABCTL_HOME", str(tmp_path / "home"))
    (tmp_path / "runs").mkdir()
    facts = {"bench": {"name": "b", "die_age_s": 0.0}, "seed": 1, "sample": {"name": "s", "rows": 4, "columns": 4}}
    writer = RunWriter.create(tmp_path / "runs", RunHeader("program_array", LABELS, (), "b", True, facts))
    yield writer
    with contextlib.suppress(sqlite3.ProgrammingError):
        writer.close()


def write(writer, count, start=0, die=None):
    writer.points(
        [
            {
                "Event": "verify",
                "Row": number % 4,
                "Column": number // 4 % 4,
                "Voltage (V)": 0.2,
                "Conductance (S)": None if number % 7 == 0 else 1e-5 + 1e-9 * number,
                # every third row has the time of the one before
                "Time (s)": None if number % 3 == 0 else 0.1 * number,
                "Flags": "overrange" if number % 7 == 0 else None,
                "Die": die,
            }
            for number in range(start, start + count)
        ]
    )
    writer.flush()


def test_rows_are_those_between_two_numbers_of_a_cell(writer):
    write(writer, 100)
    run = Run(writer.path)
    assert last_row(run) == 100
    table = run.table()
    found = read_rows(run, ["Conductance (S)", "No such"], 20, 70, (1, 2))
    wanted = table[(table["Row"] == 1) & (table["Column"] == 2)].loc[21:70]
    np.testing.assert_array_equal(found.seqs, wanted.index)
    np.testing.assert_array_equal(found.columns["Conductance (S)"], wanted["Conductance (S)"])
    assert list(found.columns) == ["Conductance (S)"]


def test_time_that_is_missing_is_that_of_the_row_before_also_across_a_slice():
    np.testing.assert_array_equal(filled([np.nan, 2.0, np.nan], 1.5), [1.5, 2.0, 2.0])
    assert filled([]).size == 0


def test_grown_run_is_read_on_and_gives_the_maps_of_the_whole(writer, monkeypatch):
    monkeypatch.setattr(die_state, "SLICE_ROWS", 60)
    stretches = []
    real = die_state.read_rows
    monkeypatch.setattr(
        die_state,
        "read_rows",
        lambda run, labels, after, upto: stretches.append((after, upto)) or real(run, labels, after, upto),
    )
    root = writer.path.parent
    with DieIndex(root) as index:
        write(writer, 100)
        assert index.refresh(0.0) == 1
        assert index.refresh() == 0
        write(writer, 50, 100)
        # somebody else follows it from row 121 on
        assert index.refresh(live=(writer.path, 120)) == 0
        assert index.runs(die_state.die_of(Run(writer.path)))[0].last_seq == 120
        assert index.refresh(live=(writer.path, 0)) == 0
        writer.seal("finished", {"failed_cells": [{"row": 1, "column": 1, "reason": "too many pulses"}]})
        assert index.refresh() == 0
        run = Run(next(root.glob("*.run.sqlite")))
        (one,) = index.runs(die_state.die_of(run))
        assert one.is_sealed
    assert stretches == [(0, 60), (60, 100), (100, 120), (120, 150)]
    # the same rows at once, by the columns of the whole table
    table, wanted = run.table(), DieMaps(4, 4)
    columns = {name: table[name].to_numpy() for name in table.columns}
    wanted.take(columns, RunClock(run).times_s(table["Time (s)"]), die_state.RunRule())
    wanted.judge({(1, 1): "too many pulses"})
    for name, values in wanted.arrays().items():
        np.testing.assert_array_equal(one.maps().arrays()[name], values, err_msg=name)
    assert one.maps().reasons == wanted.reasons


def test_failures_of_a_run_that_changed_dies_are_not_of_the_first_die(writer, monkeypatch):
    monkeypatch.setattr(die_state, "SLICE_ROWS", 16)
    write(writer, 16, die="A1")
    write(writer, 32, 16)
    writer.seal("finished", {"program.failed_cells": [{"row": 1, "column": 1, "reason": "too many pulses"}]})
    run = Run(next(writer.path.parent.parent.rglob("*.run.sqlite")))
    found = die_state.maps_of_run(run, die_state.die_of(run))
    assert found.reasons == {}
    assert found.readings.sum() == 32


def test_unreadable_files_are_told(writer):
    root = writer.path.parent
    (root / "20990101-000000-foreign-aaaa.run.sqlite").write_bytes(b"foreign")
    with DieIndex(root) as index:
        index.refresh()
        (why,) = index.unread()
    assert "foreign-aaaa" in why


def test_history_comes_back_through_json(writer):
    write(writer, 100)
    history = history_in_run(Run(writer.path), (0, 1))
    back = unpack_history(json.loads(json.dumps(pack_history(history))))
    np.testing.assert_array_equal(back["seq"], history.seqs)
    np.testing.assert_array_equal(back["utc_s"], history.utc_s)
    np.testing.assert_array_equal(back["Conductance (S)"], history.columns["Conductance (S)"])
    assert back["Flags"].tolist() == [text or "" for text in history.columns["Flags"]]
    assert "overrange" in back["Flags"].tolist()
