"""Authority: the storage promises of the project (acknowledged means committed; the seal tells the true end)."""

import hashlib
import json
import sqlite3
import struct
import time
import zlib

import numpy as np
import pytest

from labctl.errors import StoreError
from labctl.roles import Flag
from labctl.store import ParameterRecord, RunHeader, RunWriter, list_runs, open_run
from labctl.store import commit as commit_module
from labctl.store import reader as reader_module

COLUMNS = ("Row", "Conductance (S)", "Error (1)", "Flags")


@pytest.fixture
def writer(tmp_path):
    header = RunHeader(
        "read_array",
        COLUMNS,
        parameters=[ParameterRecord("width_s", "Pulse width", 1e-5, "s", "10 µs")],
        station="bench-1",
        simulated=True,
        facts={"seed": 7},
    )
    made = RunWriter.create(tmp_path, header, instrument_clock=iter(range(0, 10000, 10)).__next__)
    yield made
    if not made._group._closing.is_set():
        made.close()


def point(row, conductance=1e-5, error=0.0, flags=None):
    return {"Row": row, "Conductance (S)": conductance, "Error (1)": error, "Flags": flags}


def committed(path):
    """What another program sees in the file."""
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    try:
        return connection.execute("SELECT count(*) FROM point").fetchone()[0]
    finally:
        connection.close()


def test_point_is_committed_at_once_when_points_come_slowly(writer):
    for row in range(3):
        writer.point(point(row))
        assert writer.acknowledged == committed(writer.path) == row + 1
        time.sleep(0.03)


def test_points_are_acknowledged_only_when_committed_while_they_come_fast(writer, monkeypatch):
    monkeypatch.setattr(commit_module, "_GROUP_AGE_S", 1e9)
    # however long this computer stands still between two of them
    monkeypatch.setattr(commit_module, "_SLOW_INTERVAL_S", 1e9)
    for row in range(600):
        writer.point(point(row))
        assert writer.count == row + 1
    # the first at once, then one group of 500, which the thread commits
    deadline = time.monotonic() + 60
    while writer.acknowledged < 501 and time.monotonic() < deadline:
        assert writer.acknowledged <= committed(writer.path)
    assert writer.acknowledged == committed(writer.path) == 501
    writer.flush()
    assert writer.acknowledged == committed(writer.path) == 600


def test_waiting_points_are_committed_when_the_producer_pauses(writer):
    for row in range(5):
        writer.point(point(row))
    deadline = time.monotonic() + 60
    while writer.acknowledged < 5 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert writer.acknowledged == committed(writer.path) == 5


def test_event_commits_the_points_before_it_when_written(writer):
    for row in range(5):
        writer.point(point(row))
    writer.event("warning", "look")
    assert committed(writer.path) == 5
    events = open_run(writer.path).events()
    assert events[["kind", "message", "points"]].to_numpy().tolist() == [["warning", "look", 5]]


def test_values_survive_to_the_bit_when_written_and_read(writer):
    floats = [0.1, -0.0, 5e-324, 1.7976931348623157e308, 1 / 3, float("inf"), None, 2.0]
    for row, value in enumerate(floats):
        writer.point(point(row, value, flags='µ, "quoted"\nnew line'))
    writer.seal("finished", {})
    run = open_run(writer.path)
    assert [repr(cells[1]) for cells in run.rows()] == [repr(value) for value in floats]
    table = run.table()
    assert table["Row"].dtype == np.int64
    assert np.isnan(table["Conductance (S)"].to_numpy()[6])
    assert np.signbit(table["Conductance (S)"].to_numpy()[1])
    assert table["Flags"].tolist() == ['µ, "quoted"\nnew line'] * 8
    assert table.attrs["units"] == {"Conductance (S)": "S", "Error (1)": "1"}


def test_numpy_and_enum_scalars_become_plain_when_written(writer):
    writer.point(point(np.int64(3), np.float32(0.1), np.bool_(True), Flag.COMPLIANCE))
    writer.point(point(True, np.float64(0.1), float("nan"), np.str_("a")))
    writer.seal("finished", {"g": np.float32(0.5), "n": np.int32(4), "list": np.arange(2), "nan": float("nan")})
    run = open_run(writer.path)
    assert run.rows() == [(3, float(np.float32(0.1)), 1, "compliance"), (1, 0.1, None, "a")]
    assert run.summary()["results"] == {"g": 0.5, "n": 4, "list": [0, 1], "nan": None}


def test_missing_column_is_no_value_when_left_out(writer):
    writer.point({"Row": 1})
    writer.seal("finished", {})
    assert open_run(writer.path).rows() == [(1, None, None, None)]


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ({"Row": 1, "Conductance": 1.0}, r"unknown column 'Conductance'; this run has: Row, Conductance \(S\)"),
        ({"Conductance (S)": "1e-5"}, "takes a number or None, got '1e-5'"),
        ({"Conductance (S)": 1j}, "takes a number or None"),
        ({"Conductance (S)": np.complex64(1)}, "takes a number or None"),
        ({"Flags": frozenset({"a"})}, "takes a number, text or None"),
        ({"Flags": b"a"}, "takes a number, text or None"),
        ({"Flags": "\ud800"}, "text that UTF-8 can hold"),
        ({"Row": 2**63}, "64 bits"),
    ],
)
def test_point_is_refused_when_it_breaks_a_rule(writer, values, rule):
    with pytest.raises(StoreError, match=rule):
        writer.point(values)
    assert writer.count == 0


def test_points_are_taken_all_or_none_when_one_is_wrong(writer):
    with pytest.raises(StoreError):
        writer.points([point(1), {"Nope": 1}])
    assert writer.count == 0
    writer.points([point(1), point(2)])
    assert writer.count == 2


@pytest.mark.parametrize(
    ("columns", "rule"),
    [
        (["A", "a"], "clashes with 'A'"),
        (["Seq"], "clashes with seq"),
        ([" "], "empty label"),
        (["_CRC"], "the checksum"),
        (["_action"], "the unit of work"),
        (["\ud800"], "no SQL name can hold"),
        (["a\0"], "no SQL name can hold"),
        (["G (quux)"], "not a unit"),
    ],
)
def test_columns_are_refused_when_sql_or_pint_cannot_take_them(tmp_path, columns, rule):
    with pytest.raises(StoreError, match=rule):
        RunWriter.create(tmp_path, RunHeader("x", columns))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["../x", "Read", "", "a/b", "con.", "x" * 65])
def test_procedure_name_is_refused_when_it_could_leave_the_folder(tmp_path, name):
    with pytest.raises(StoreError, match="procedure's name"):
        RunWriter.create(tmp_path, RunHeader(name, COLUMNS))


def test_data_root_is_named_when_it_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"no run file can be made here.*-o or LABCTL_DATA_ROOT"):
        RunWriter.create(tmp_path / "file" / "runs", RunHeader("x", COLUMNS))


def test_arrays_come_back_with_dims_and_units_when_written(writer):
    floats = np.array([[1.5, -0.0], [np.nan, np.inf]], dtype=">f4")
    writer.array("conductance", floats, ("row", "column"), "S")
    writer.array("formed", [[True, False], [False, True]], ("row", "column"), "1")
    writer.array("reason", np.array([["", "stuck µ"], ["a", "b"]]), ("row", "column"), "1")
    writer.array("level", np.array(3, dtype=np.int16), (), "1")
    writer.seal("finished", {})
    found = open_run("latest", writer.path.parent).arrays()
    np.testing.assert_array_equal(found["conductance"], floats)
    assert found["conductance"].dtype == np.float32
    assert np.signbit(found["conductance"].to_numpy()[0, 1])
    assert found["conductance"].dims == ("row", "column")
    assert found["conductance"].attrs["units"] == "S"
    assert found["reason"].to_numpy().tolist() == [["", "stuck µ"], ["a", "b"]]
    assert found["formed"].dtype == bool
    assert found["level"].item() == 3
    assert found.attrs["station"] == "bench-1"


def test_array_is_refused_when_it_breaks_a_rule(writer):
    writer.array("a", np.zeros((2, 3)), ("row", "column"), "S")
    with pytest.raises(StoreError, match="already"):
        writer.array("a", np.zeros((2, 3)), ("row", "column"), "S")
    with pytest.raises(StoreError, match=r"'row' has length 2 in this run, got 4"):
        writer.array("b", np.zeros(4), ("row",), "S")
    with pytest.raises(StoreError, match="needs 2 different names"):
        writer.array("b", np.zeros((2, 2)), ("row", "row"), "S")
    with pytest.raises(StoreError, match="complex128"):
        writer.array("b", np.zeros(4, dtype=complex), ("x",), "S")


def test_seal_states_rows_and_digests_when_run_finishes(writer):
    writer.points([point(1, 0.1), point(2, 1 / 3, flags="b")])
    writer.instrument("smu1", "start", {"maker": "K", "model": "2636B", "serial": "1", "firmware": "2"}, {"nplc": 1.0})
    writer.percent = 100.0
    assert writer.seal("finished", {"yield": 1.0}) == "finished"
    assert [file.name for file in writer.path.parent.iterdir()] == [writer.path.name]
    run = open_run(writer.path)
    assert run.seal["integrity"] == "ok"
    assert run.seal["rows"]["point"] == 2
    # the checksums, from their definition: table, kinds, eight bytes a value; text is its CRC-32 and its length
    first = zlib.crc32(b"point iiffnn" + struct.pack("<qqddqq", 1, 1, 0.1, 0.0, 0, 0))
    second = zlib.crc32(b"point iifftn" + struct.pack("<qqddIIq", 2, 2, 1 / 3, 0.0, zlib.crc32(b"b"), 1, 0))
    lines = [json.dumps(row) for row in ([1, 1, 0.1, 0.0, None, None, first], [2, 2, 1 / 3, 0.0, "b", None, second])]
    assert run.seal["sha256"]["point"] == hashlib.sha256("".join(line + "\n" for line in lines).encode()).hexdigest()
    block = run.seal["blocks"]
    assert block == {"rows": 10_000, "sha256": [run.seal["sha256"]["point"]]}
    assert run.instruments["smu1"]["settings"] == {"start": {"nplc": 1.0}}
    assert run.instruments["smu1"]["serial"] == "1"
    summary = run.summary()
    assert summary["status"] == "finished"
    assert summary["results"] == {"yield": 1.0}
    assert summary["parameters"] == {"width_s": 1e-5}
    assert (summary["station"], summary["simulated"], summary["points"]) == ("bench-1", True, 2)
    assert summary["instrument_time_s"] > 0
    assert run.progress()["percent"].iloc[-1] == 100.0
    assert run.header["seed"] == 7


def test_seal_is_refused_when_status_is_no_end(writer):
    with pytest.raises(StoreError, match="finished, failed, aborted"):
        writer.seal("running", {})


def test_run_reads_the_same_while_it_grows_when_watched(writer):
    run = open_run(writer.path)
    assert run.status == "running"
    writer.point(point(1))
    assert len(run.table()) == 1
    with run:
        assert len(run.table()) == 1
        writer.event("note", "")
        writer.points([point(2)])
        writer.flush()
        assert len(run.table()) == 1
        # a watcher keeps the file from leaving WAL mode, never from being sealed
        assert writer.seal("aborted", {}, "why") == "aborted"
    assert len(run.table()) == 2
    assert (run.status, run.summary()["error"]) == ("aborted", "why")


def test_table_is_of_one_moment_when_the_writer_appends_while_it_is_read(writer, monkeypatch):
    """Ten rows are committed before each question to the file: a table has as many numbers as values."""
    connect, written = reader_module.connect_to_read, []

    def append(statement):
        if "point" in statement and "sqlite_schema" not in statement:
            writer.points([point(len(written))] * 10)
            writer.flush()
            written.append(statement)

    def connected(path):
        connection = connect(path)
        connection.set_trace_callback(append)
        return connection

    writer.point(point(0))
    run = open_run(writer.path)
    monkeypatch.setattr(reader_module, "connect_to_read", connected)
    table = run.table()
    assert len(written) > 1
    assert len(table) == 11
    assert run.summary()["points"] > 11


def test_point_goes_in_once_when_an_interrupt_cuts_the_commit(writer):
    """A KeyboardInterrupt between COMMIT and its bookkeeping must neither lose nor double a point."""

    class Cut:
        def __init__(self, connection, when):
            self._connection, self._when = connection, when

        def __getattr__(self, name):
            return getattr(self._connection, name)

        def execute(self, sql, *values):
            if sql == self._when:
                writer._group._connection = self._connection
                if self._when == "COMMIT":
                    self._connection.execute(sql)
                raise KeyboardInterrupt
            return self._connection.execute(sql, *values)

        def executemany(self, sql, rows):
            self._connection.executemany(sql, rows)
            if self._when == "insert":
                writer._group._connection = self._connection
                raise KeyboardInterrupt

    for number, when in enumerate(("BEGIN IMMEDIATE", "insert", "COMMIT")):
        writer.flush()
        with writer._group._lock:
            writer._group._connection = Cut(writer._group._connection, when)
        writer._group._last_point_s = -1e9
        with pytest.raises(KeyboardInterrupt):
            writer.point(point(number))
    writer.seal("aborted", {})
    assert [cells[0] for cells in open_run(writer.path).rows()] == [0, 1, 2]


def test_run_is_sealed_failed_when_the_file_is_full(tmp_path):
    # SQLite's own limit stands for a full disk: the same SQLITE_FULL
    writer = RunWriter.create(tmp_path, RunHeader("x", ["Text"]))
    writer.flush()
    (pages,) = writer._group._connection.execute("PRAGMA page_count").fetchone()
    writer._group._connection.execute(f"PRAGMA max_page_count = {pages + 4}").fetchall()

    def fill():
        for _ in range(10000):
            writer.point({"Text": "x" * 1000})

    with pytest.raises(StoreError, match=rf"{writer.run_id}.*full \(\d+ bytes free\); \d+ points are stored") as caught:
        fill()
    stored = writer.acknowledged
    with pytest.raises(StoreError):
        writer.point({"Text": "one more"})
    assert writer.failure == str(caught.value)
    assert writer.seal("finished", {}) == "failed"
    run = open_run(writer.path)
    assert run.status == "failed"
    assert "bytes free" in run.summary()["error"]
    # the limit belonged to the old connection: there is room again, and what had waited is stored
    assert len(run.rows()) >= stored
    assert run.seal["rows"]["point"] == len(run.rows())


def test_list_runs_is_newest_first_and_names_damage_when_files_are_bad(tmp_path):
    ids = []
    for number in range(3):
        writer = RunWriter.create(tmp_path, RunHeader("x", COLUMNS))
        writer.point(point(number))
        writer.seal("finished", {})
        ids.insert(0, writer.run_id)
    (tmp_path / "29991231-000000-bad-0000.run.sqlite").write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    (tmp_path / "29991230-000000-bad-0000.run.sqlite").write_bytes(b"hello")
    (tmp_path / "29991229-000000-bad-0000.run.sqlite").touch()
    (tmp_path / "notes.txt").touch()
    listed = list_runs(tmp_path)
    assert [item["status"] for item in listed] == ["damaged"] * 3 + ["finished"] * 3
    assert [item["run_id"] for item in listed][3:] == ids
    assert set(listed[0]) == set(listed[-1])
    assert open_run("latest", tmp_path).run_id == ids[0]
    with pytest.raises(StoreError, match="damaged"):
        open_run("29991231", tmp_path)
