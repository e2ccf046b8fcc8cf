"""Authority: the project's contract of intents, segments and resume; reliability bar, promises P3 and P12."""

import json
import os
import shutil
import sqlite3
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from labctl.errors import StoreError
from labctl.store import RunHeader, RunWriter, open_run
from labctl.store import commit as commit_module
from labctl.store import segments as segments_module

FIXTURES = Path(__file__).parents[2] / "fixtures"
COLUMNS = ("Row", "Conductance (S)", "Flags")


def make(root, **options):
    return RunWriter.create(root, RunHeader("form_array", COLUMNS), **options)


def row(number, flags=None):
    return {"Row": number, "Conductance (S)": number * 1e-6, "Flags": flags}


def stored(path, table="point"):
    """What another program sees in the file."""
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    try:
        return connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    finally:
        connection.close()


@pytest.mark.parametrize("durable", [True, False])
def test_intent_and_points_before_it_are_in_the_file_when_it_returns(tmp_path, durable):
    writer = make(tmp_path, durable_intents=durable)
    for action in range(20):
        writer.intent(action, {"Row": action, "Voltage (V)": 1.5})
        assert (stored(writer.path, "intent"), stored(writer.path)) == (action + 1, action)
        writer.point(row(action), action)
    writer.flush()
    assert writer.acknowledged == stored(writer.path) == 20
    writer.close()
    connection = sqlite3.connect(writer.path)
    (stimulus,) = connection.execute("SELECT stimulus FROM intent WHERE action = 3").fetchone()
    connection.close()
    assert json.loads(stimulus) == {"Row": 3, "Voltage (V)": 1.5}


def test_intent_waits_for_the_disk_only_when_it_is_durable(tmp_path, monkeypatch):
    for durable, mode in ((True, 2), (False, 1)):
        writer = make(tmp_path, durable_intents=durable)
        writer.intent(0, {})
        # SQLite: synchronous 2 is FULL (a sync at each commit), 1 is NORMAL
        assert writer._group._connection.execute("PRAGMA synchronous").fetchone() == (mode,)
        writer.event("note", "")
        assert writer._group._connection.execute("PRAGMA synchronous").fetchone() == (2,)
        writer.close()


def test_points_count_only_when_the_log_is_synchronised_after_a_quick_intent(tmp_path, monkeypatch):
    monkeypatch.setattr(commit_module, "_GROUP_AGE_S", 1e9)
    synchronised = []
    monkeypatch.setattr(commit_module.os, "fsync", synchronised.append)
    writer = make(tmp_path, durable_intents=False)
    writer._group._last_point_s = float("inf")  # no point is slow
    writer.points([row(0)], 0)
    writer.intent(1, {})
    assert (stored(writer.path), writer.count, writer.acknowledged) == (1, 1, 0)
    writer.flush()
    assert (writer.acknowledged, len(synchronised)) == (1, 1)
    writer.close()


def test_run_cannot_go_on_when_the_log_cannot_be_synchronised(tmp_path, monkeypatch):
    def broken(file):
        raise OSError(5, "Input/output error")

    writer = make(tmp_path, durable_intents=False)
    writer._group._last_point_s = float("inf")
    writer.points([row(0)], 0)
    writer.intent(1, {})
    monkeypatch.setattr(commit_module.os, "fsync", broken)
    with pytest.raises(StoreError, match=r"Input/output error \(\d+ bytes free\)"):
        writer.flush()
    with pytest.raises(StoreError):
        writer.intent(2, {})
    monkeypatch.undo()
    assert writer.seal("finished", {}) == "failed"
    assert open_run(writer.path).rows() == [(0, 0.0, None)]


def test_seal_says_so_when_the_disk_has_lost_what_was_stored(tmp_path, monkeypatch):
    # reliability bar, section 5.4.7: after a failed sync, re-verify the last acknowledged point
    writer = make(tmp_path)
    writer.points([row(0), row(1), row(2)])
    writer.flush()
    connection = sqlite3.connect(writer.path)
    connection.execute("DELETE FROM point WHERE seq = 3")
    connection.commit()
    connection.close()
    writer._group.failure = "the disk failed"
    assert writer.seal("finished", {}) == "failed"
    error = open_run(writer.path).summary()["error"]
    assert "3 points were stored, 2 are found after an error of the disk" in error
    assert "in the end 2 of 3 points are stored" in error


def test_intent_is_refused_when_its_action_is_not_new(tmp_path):
    writer = make(tmp_path)
    writer.intent(4, {})
    for action in (4, 3):
        with pytest.raises(StoreError, match=f"action {action} must be higher than the last one, 4"):
            writer.intent(action, {})
    writer.seal("finished", {})


def test_history_tells_rows_by_action_and_the_intent_in_doubt_when_run_was_cut(tmp_path):
    writer = make(tmp_path)
    writer.point(row(0))
    writer.intent(1, {"v": 1})
    writer.points([row(1), row(2, "compliance")], 1)
    writer.intent(2, {"v": 2})  # gave no row
    writer.intent(3, {"v": 3})
    writer.point(row(3), 3)
    writer.point(row(4), 4)
    writer.array("g", [1.0], ("row",), "S")
    writer.close()
    history = open_run(writer.path).history()
    assert history.rows == {1: [row(1), row(2, "compliance")], 2: [], 3: [row(3)], 4: [row(4)]}
    assert history.in_doubt is None
    assert history.arrays == {"g"}
    writer = resume(writer.path)
    writer.intent(5, {"v": 5})
    writer.close()
    history = open_run(writer.path).history()
    assert history.in_doubt == (5, {"v": 5})
    assert 5 not in history.rows
    segments = open_run(writer.path).segments()
    assert [item["kind"] for item in segments] == ["start", "resume"]
    assert history.boot_id == segments[-1]["boot_id"]
    assert datetime.fromisoformat(history.last_utc) >= datetime.fromisoformat(segments[-1]["utc"])


def resume(path):
    """Resume a run that this process made, as if another had."""
    connection = sqlite3.connect(path)
    for seq, *values, _ in connection.execute("SELECT * FROM segment").fetchall():
        values[2] = "elsewhere"
        _, row = segments_module.insertion("segment", (seq, *values))
        connection.execute("UPDATE segment SET host = ?, _crc = ? WHERE seq = ?", ("elsewhere", row[-1], seq))
    connection.commit()
    connection.close()
    return RunWriter.resume(path)


def test_points_go_on_without_gap_when_run_is_resumed(tmp_path):
    writer = make(tmp_path)
    writer.intent(0, {})
    writer.point(row(0), 0)
    assert writer.seal("failed", {"a": 1}, "the disk is full") == "failed"
    assert open_run(writer.path).status == "failed"
    writer = RunWriter.resume(writer.path)
    assert (writer.count, writer.acknowledged) == (1, 1)
    assert open_run(writer.path).status == "running"
    writer.intent(1, {})
    writer.points([row(1), row(2)], 1)
    assert writer.seal("finished", {"b": 2}) == "finished"
    run = open_run(writer.path)
    assert [cells[0] for cells in run.rows()] == [0, 1, 2]
    assert run.status == "finished"
    assert run.summary()["results"] == {"b": 2}
    assert [item["status"] for item in run.segments()] == ["failed", "finished"]
    assert run.seal["rows"]["point"] == 3
    assert list(tmp_path.iterdir()) == [writer.path]


def test_run_is_not_resumed_when_it_finished_or_still_runs_or_is_old(tmp_path):
    writer = make(tmp_path)
    with pytest.raises(StoreError, match=f"still running in process {os.getpid()}"):
        RunWriter.resume(writer.path)
    writer.seal("finished", {})
    before = writer.path.read_bytes()
    with pytest.raises(StoreError, match="the run finished"):
        RunWriter.resume(writer.path)
    assert [item["kind"] for item in open_run(writer.path).segments()] == ["start"]
    assert list(tmp_path.iterdir()) == [writer.path]
    assert before[100:] == writer.path.read_bytes()[100:]
    old = tmp_path / "old.run.sqlite"
    shutil.copy(FIXTURES / "schema1-interrupted.run.sqlite", old)
    with pytest.raises(StoreError, match=r"schema 1.*can be read, not resumed"):
        RunWriter.resume(old)
    with pytest.raises(StoreError, match="schema 1"):
        open_run(old).history()


@pytest.mark.parametrize("away_s", [3600.0, -3600.0])
def test_times_go_on_with_the_gap_by_utc_when_run_is_resumed(tmp_path, monkeypatch, away_s):
    writer = make(tmp_path, instrument_clock=lambda: 7.0)
    writer.seal("aborted", {})
    wall_s = open_run(writer.path).summary()["wall_time_s"]
    now = datetime.now(segments_module.UTC)

    class Later(datetime):
        @classmethod
        def now(cls, tz=None):
            return now + timedelta(seconds=away_s)

    monkeypatch.setattr(segments_module, "datetime", Later)
    writer = RunWriter.resume(writer.path, instrument_clock=lambda: 100.0)
    times = writer.times()
    writer.close()
    gap_s = max(0.0, away_s)
    assert times[0] - wall_s - gap_s == pytest.approx(0.0, abs=30.0)
    assert times[1] == pytest.approx(gap_s, abs=30.0)
    events = open_run(writer.path).events()
    # promise P17: no negative interval, and the jump is recorded
    assert events["kind"].tolist() == ([] if away_s > 0 else ["clock"])
    assert events["message"].str.contains(r"went back by 3(?:5\d\d|600)").tolist() == ([] if away_s > 0 else [True])


@pytest.mark.parametrize("schema", [1, 2])
def test_run_files_of_every_schema_open_when_they_are_read(tmp_path, schema):
    # authority: tests/fixtures/README.md says what is in them
    for end in ("finished", "interrupted"):
        shutil.copy(FIXTURES / f"schema{schema}-{end}.run.sqlite", tmp_path)
        run = open_run(tmp_path / f"schema{schema}-{end}.run.sqlite")
        summary = run.summary()
        assert (run.schema, summary["status"], summary["points"]) == (schema, end, 200)
        table = run.table()
        assert table["Row"].tolist() == list(range(200))
        assert table["Conductance (S)"].isna().tolist() == [number == 7 for number in range(200)]
        assert table["Conductance (S)"][2] == 1e-6 / 3
        assert table["Flags"][8] == "overrange"
        assert run.parameters == {"read_v": 0.2}
        assert run.instruments["smu1"]["settings"] == {"start": {"nplc": 1.0}}
        assert run.events()["message"].tolist() == ["half way µ"]
        assert run.arrays()["conductance"].to_numpy()[1, 2] == 5.0 / 7
        assert [item["kind"] for item in run.segments()] == ["start"]
        assert run.segments()[0]["host"] == "lab"
        if end == "finished":
            assert summary["results"] == {"yield": 0.5}
            assert run.seal["rows"]["point"] == 200
