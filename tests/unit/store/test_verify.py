"""Authority: the contract of verify and recover; reliability bar, promises P20 and P21 (damage is in tests/faults)."""

import json
import sqlite3
import zlib

import numpy as np
import pytest
from typer.testing import CliRunner

from labctl.cli.main import app
from labctl.errors import StoreError
from labctl.store import Run, RunHeader, RunWriter, open_run
from labctl.store.blob import packed, unpacked
from labctl.store.recover import recover_run
from labctl.store.verify import verify_run


@pytest.fixture
def path(tmp_path):
    writer = RunWriter.create(tmp_path / "data", RunHeader("x", ["Row", "G (S)"]))
    for number in range(25):
        writer.intent(number, {"Row": number})
        writer.point({"Row": number, "G (S)": number / 7}, number)
    writer.event("note", "look")
    writer.array("g", np.arange(6.0), ("row",), "S")
    writer.seal("finished", {"yield": 0.5})
    return writer.path


def change(path, *statements):
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()


@pytest.mark.parametrize(
    ("statement", "place"),
    [
        ('UPDATE point SET "G (S)" = 0.5 WHERE seq = 3', "point 3"),
        ("UPDATE point SET _action = 9 WHERE seq = 3", "point 3"),
        ("DELETE FROM point WHERE seq = 3", "point 3"),
        ("DELETE FROM point WHERE seq = 25", "seal 1"),
        ("UPDATE event SET message = 'other'", "event 1"),
        ("UPDATE intent SET stimulus = '{}' WHERE seq = 2", "intent 2"),
        ("UPDATE parameter SET value = '1'", None),
        ("UPDATE run SET value = '\"y\"' WHERE key = 'procedure'", "run procedure"),
        ("UPDATE seal SET status = 'failed'", "seal 1"),
        ("DELETE FROM event", "seal 1"),
        ("UPDATE array SET crc32 = 1", "array g"),
        ("UPDATE segment SET pid = 1", "segment 1"),
        ("CREATE TABLE other (a)", "table other"),
        ('ALTER TABLE point RENAME COLUMN "G (S)" TO "H (S)"', "table point"),
        ("CREATE TRIGGER t AFTER INSERT ON event BEGIN SELECT 1; END", "file"),
        ("CREATE VIEW v AS SELECT 1", "file"),
    ],
)
def test_verify_names_the_place_when_something_was_changed(path, statement, place):
    assert verify_run(path) == []
    change(path, statement)
    found = [finding.place for finding in verify_run(path)]
    assert (place in found) if place else (found == [])


def test_value_is_never_the_name_of_its_column_when_the_column_is_lost(path):
    # SQLite takes an unknown name in double quotes for a text
    change(path, 'ALTER TABLE point RENAME COLUMN "G (S)" TO "H (S)"')
    for read in (open_run(path).table, open_run(path).rows):
        with pytest.raises(StoreError, match="no such column"):
            read()


def test_history_and_resume_are_refused_when_a_point_is_damaged(path):
    change(path, "DELETE FROM seal", 'UPDATE point SET "G (S)" = 0.5 WHERE seq = 3', "UPDATE segment SET host = 'x'")
    with pytest.raises(StoreError, match="point 3 is damaged or missing"):
        open_run(path).history()
    with pytest.raises(StoreError, match="a damaged run is not resumed"):
        RunWriter.resume(path)


def test_recovered_run_keeps_numbers_and_says_what_is_lost_when_rows_are_gone(path, tmp_path):
    change(path, "DELETE FROM point WHERE seq IN (4, 5)", 'UPDATE point SET "G (S)" = 0.5 WHERE seq = 9', "VACUUM")
    saved = recover_run(path, tmp_path / "out")
    assert (saved.points, saved.lost) == (22, 3)
    run = Run(saved.path)
    assert run.status == "interrupted"
    assert run.run_id == f"{Run(path).run_id}-recovered"
    assert run.summary()["points"] == 22
    table = run.table()
    assert table.index.tolist() == [n for n in range(1, 26) if n not in (4, 5, 9)]
    assert table["G (S)"][10] == 9 / 7
    assert "22 points are whole, 3 are known to be lost" in run.events()["message"].iloc[-1]
    np.testing.assert_array_equal(run.arrays()["g"], np.arange(6.0))
    assert verify_run(saved.path) == []
    with pytest.raises(StoreError, match="was recovered"):
        RunWriter.resume(saved.path)
    with pytest.raises(StoreError, match="exists already"):
        recover_run(path, tmp_path / "out")


def test_command_line_tells_damage_by_its_exit_code_when_run_files_are_checked(path, tmp_path):
    runner = CliRunner()

    def call(*arguments):
        result = runner.invoke(app, arguments, standalone_mode=False)
        return result.return_value, result.stdout

    root = str(path.parent)
    code, text = call("verify", "--root", root, "--json")
    assert code == 0
    assert json.loads(text) == [{"path": str(path), "whole": True, "findings": []}]
    change(path, "UPDATE event SET message = 'other'")
    code, text = call("verify", "--all", "--root", root, "--json")
    assert code == 3
    assert {"place": "event 1", "message": "the checksum of the row is wrong"} in json.loads(text)[0]["findings"]
    code, text = call("verify", str(path))
    assert (code, "event 1" in text) == (3, True)
    code, text = call("recover", str(path), "-o", str(tmp_path / "out"), "--json")
    assert (code, json.loads(text)["points"]) == (0, 25)


@pytest.mark.parametrize(
    ("shape", "dtype", "rule"),
    [
        ("[1000000000]", "<f8", "cannot hold"),
        ("[6, 100000]", "<f8", "cannot hold"),
        ("[5]", "<f8", "checksum"),
        ("[7]", "<f8", "checksum"),
        ("[-6]", "<f8", "cannot be"),
        ("[6.0]", "<f8", "cannot be"),
        ("6", "<f8", "cannot be"),
        ("[" * 5000, "<f8", "damaged"),
        ("[6]", "O", "cannot be"),
        ("[6]", "<f8,<f8", "cannot be"),
        ("[6]", "<M8[s]", "cannot be"),
    ],
)
def test_array_is_refused_when_its_declaration_cannot_be(shape, dtype, rule):
    _, _, blob, crc32 = packed("g", np.arange(6.0), ("row",))
    np.testing.assert_array_equal(unpacked("g", "[6]", "<f8", blob, crc32), np.arange(6.0))
    with pytest.raises(StoreError, match=rule):
        unpacked("g", shape, dtype, blob, crc32)


def test_array_is_not_inflated_when_it_is_a_bomb():
    bomb = zlib.compress(b"\0" * 50_000_000, 9)
    with pytest.raises(StoreError, match="its checksum is wrong"):
        unpacked("g", "[4]", "<f8", bomb, 0)


def test_copy_of_an_interrupted_run_is_not_whole_when_its_log_was_left_behind(tmp_path, monkeypatch):
    # reliability bar, P12: what is missing would be applied a second time
    writer = RunWriter.create(tmp_path, RunHeader("x", ["Row"]))
    copies = []
    for number in range(600):
        writer.intent(number, {"Row": number})
        writer.point({"Row": number}, number)
        if number in (0, 599):
            copies.append(tmp_path / f"copy{number}" / writer.path.name)
            copies[-1].parent.mkdir()
            copies[-1].write_bytes(writer.path.read_bytes())
    monkeypatch.setattr("labctl.store.reader.is_alive", lambda process: False)
    monkeypatch.setattr("labctl.store.segments.is_alive", lambda process: False)
    early, late = copies
    with pytest.raises(StoreError, match=r"is not a run file of labctl, or its log .* is missing"):
        Run(early)
    # SQLite has taken part of the log into the file: it looks like a run of fewer points
    assert 0 < Run(late).summary()["points"] < 600
    assert "its log" in Run(late).summary()["error"]
    assert [finding.place for finding in verify_run(late)] == ["log"]
    with pytest.raises(StoreError, match=r"its log .* is missing.*is not resumed"):
        RunWriter.resume(late)
    # with the log it is whole, and so is a run that was closed without a seal
    late.with_name(late.name + "-wal").write_bytes(writer.path.with_name(writer.path.name + "-wal").read_bytes())
    assert verify_run(late) == []
    assert Run(late).summary()["points"] >= 599
    writer.close()
    assert verify_run(writer.path) == []
    assert "its log" not in Run(writer.path).summary()["error"]


def test_recovered_run_says_when_and_what_is_no_file_is_refused(path, tmp_path):
    saved = recover_run(path, tmp_path / "out")
    events = Run(saved.path).events()
    # the note comes last, not at the start of the run
    assert events["wall_s"].iloc[-1] >= events["wall_s"].iloc[0] > 0.0
    with pytest.raises(StoreError, match="there is no such run file"):
        recover_run(tmp_path / "nothing", tmp_path / "out")
