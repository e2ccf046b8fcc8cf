"""Authority: ``Run.table()`` of the same file, which reads it in one go; the contract of resume, spool and damage."""

import os
import shutil
import sqlite3
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from labctl.errors import StoreError
from labctl.store import RunHeader, RunWriter, open_run
from labctl.store import following as following_module
from labctl.store.following import RunFollower
from labctl.store.recover import recover_run
from labctl.store.spool import spool_of

FIXTURES = Path(__file__).parents[2] / "fixtures"
COLUMNS = ("Row", "Voltage (V)", "Conductance (S)", "Flags")


def make(root):
    return RunWriter.create(root, RunHeader("read_array", COLUMNS))


def row(number):
    odd = number % 7 == 0
    return {
        "Row": number % 5,
        "Voltage (V)": 0.2,
        "Conductance (S)": None if odd else number * 1e-6 / 3,
        "Flags": "overrange" if odd else None,
    }


def take_all(follower, most_rows):
    found = []
    while True:
        increment = follower.take(most_rows)
        found.append(increment)
        if increment.count < most_rows:
            return found


def table_of(increments):
    parts = [item for item in increments if item.count]
    return pd.DataFrame(
        {name: np.concatenate([item.columns[name].astype(object) for item in parts]) for name in parts[0].columns},
        index=pd.Index(np.concatenate([item.seqs for item in parts]), name="seq"),
    )


def assert_same(increments, path):
    expected = open_run(path).table()
    found = table_of(increments).astype(expected.dtypes.to_dict())
    pd.testing.assert_frame_equal(found, expected, check_index_type=False, check_exact=True)


@pytest.mark.parametrize("name", sorted(path.name for path in FIXTURES.glob("*.run.sqlite")))
@pytest.mark.parametrize("most_rows", [1, 33, 1000])
def test_increments_make_the_table_when_the_file_is_of_any_schema(tmp_path, name, most_rows):
    path = Path(shutil.copy(FIXTURES / name, tmp_path))
    follower = RunFollower(path)
    found = take_all(follower, most_rows)
    follower.close()
    assert_same(found, path)
    assert {item.status for item in found} == {open_run(path).status}
    assert [event.message for item in found for event in item.events] == ["half way µ"]
    assert [array for item in found for array in item.arrays] == ["conductance"]
    assert found[-1].points_total == found[-1].last_seq == 200
    assert found[0].first_seq == 1
    assert found[-1].first_seq + found[-1].count == 201


def test_columns_have_their_types_when_some_values_are_missing(tmp_path):
    writer = make(tmp_path)
    writer.points([row(number) for number in range(1, 20)])
    writer.flush()
    found = RunFollower(writer.path).take(1000)
    writer.close()
    assert found.columns["Voltage (V)"].dtype == found.columns["Conductance (S)"].dtype == np.float64
    assert np.isnan(found.columns["Conductance (S)"][6])
    assert found.columns["Row"].dtype == np.int64
    assert found.columns["Flags"][6] == "overrange"
    assert found.columns["Flags"][0] is None


def test_follower_gets_each_point_once_when_the_run_grows_and_is_resumed(tmp_path):
    writer = make(tmp_path)
    follower = RunFollower(writer.path)
    found = [follower.take(100)]
    assert (found[0].count, found[0].first_seq, found[0].status) == (0, 1, "running")
    for first in (0, 250, 700):
        writer.points([row(number) for number in range(first, first + 250)])
        writer.event("note", str(first))
        found += take_all(follower, 100)
    writer.seal("aborted", {})
    found += take_all(follower, 100)
    assert found[-1].status == "aborted"
    writer = RunWriter.resume(writer.path)
    writer.points([row(number) for number in range(10)])
    writer.flush()
    found += take_all(follower, 100)
    assert found[-1].status == "running"
    writer.seal("finished", {})
    found += take_all(follower, 100)
    assert found[-1].status == "finished"
    assert_same(found, writer.path)
    assert [event.message for item in found for event in item.events] == ["0", "250", "700"]
    marks = open_run(writer.path).progress()
    assert (found[-1].progress.wall_s, found[-1].progress.points) == (marks.wall_s.iloc[-1], 760)


def test_finished_file_is_whole_without_a_log_when_somebody_followed_it_to_its_end(tmp_path):
    writer = make(tmp_path)
    follower = RunFollower(writer.path)
    writer.points([row(number) for number in range(300)])
    writer.flush()
    take_all(follower, 100)
    writer.seal("finished", {})
    assert [path.name for path in tmp_path.iterdir()] == [writer.path.name]


def test_run_is_interrupted_when_its_process_is_gone(tmp_path, monkeypatch):
    writer = make(tmp_path)
    follower = RunFollower(writer.path)
    assert follower.take(10).status == "running"
    looks = []
    monkeypatch.setattr(following_module, "is_alive", lambda process: looks.append(process.pid))
    # aliveness is looked up once a second at most
    assert follower.take(10).status == "running"
    assert looks == []
    monkeypatch.setattr(following_module, "_LOOK_PERIOD_S", 0.0)
    assert follower.take(10).status == "interrupted"
    assert looks == [os.getpid()]
    writer.close()


def test_page_gives_the_rows_of_the_table_when_asked_anywhere(tmp_path):
    writer = make(tmp_path)
    writer.points([row(number) for number in range(1000)])
    writer.flush()
    path = writer.path
    writer.close()
    expected = open_run(path).table()
    follower = RunFollower(path)
    for first, count in ((1, 10), (400, 256), (990, 256), (1001, 5)):
        page = follower.page(first, count)
        part = expected.loc[first : first + count - 1]
        assert list(page.seqs) == list(part.index)
        assert list(page.columns["Flags"]) == list(part["Flags"])
        np.testing.assert_array_equal(page.columns["Conductance (S)"], part["Conductance (S)"])
    assert list(follower.page(1, 3, ["Row"]).columns) == ["Row"]
    # pages are no part of what is followed
    assert follower.take(10).first_seq == 1
    with pytest.raises(StoreError, match="no column 'Charge'"):
        follower.page(1, 3, ["Charge"])


def test_page_says_that_the_file_is_held_when_somebody_has_it_for_himself(tmp_path):
    writer = make(tmp_path)
    writer.points([row(number) for number in range(20)])
    writer.seal("finished", {})
    holder = sqlite3.connect(writer.path, isolation_level=None)
    follower = RunFollower(writer.path)
    holder.execute("BEGIN EXCLUSIVE")
    held = follower.page(1, 10)
    assert held.is_held
    assert not len(held.seqs)
    holder.execute("ROLLBACK")
    holder.close()
    page, beyond = follower.page(1, 10), follower.page(21, 10)
    assert not page.is_held
    assert not beyond.is_held
    assert (len(page.seqs), len(beyond.seqs)) == (10, 0)


def test_run_is_followed_to_its_root_and_back_when_it_grows_in_the_spool(tmp_path, monkeypatch):
    monkeypatch.setenv("LABCTL_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(following_module, "_LOOK_PERIOD_S", 0.0)
    root = tmp_path / "OneDrive" / "runs"
    root.mkdir(parents=True)
    writer = make(root)
    spooled = writer.path
    assert spooled.parent == spool_of(root)
    follower = RunFollower(spooled)
    writer.points([row(number) for number in range(300)])
    writer.flush()
    found = [follower.take(200)]
    writer.seal("aborted", {})
    found += take_all(follower, 200)
    assert follower.path == root / spooled.name
    assert found[-1].status == "aborted"
    writer = RunWriter.resume(root / spooled.name)
    writer.points([row(number) for number in range(50)])
    writer.flush()
    found += take_all(follower, 200)
    assert (follower.path, found[-1].status) == (spooled, "running")
    writer.points([row(number) for number in range(50)])
    writer.seal("finished", {})
    found += take_all(follower, 200)
    assert (follower.path, found[-1].status) == (root / spooled.name, "finished")
    assert_same(found, root / spooled.name)


def test_gaps_are_kept_when_the_run_was_recovered_with_losses(tmp_path):
    writer = make(tmp_path)
    writer.points([row(number) for number in range(3000)])
    path = writer.path
    writer.seal("finished", {})
    raw = bytearray(path.read_bytes())
    page = len(raw) // 4096 // 2
    raw[page * 4096 : (page + 1) * 4096] = b"\xff" * 4096
    path.write_bytes(raw)
    target = tmp_path / "recovered"
    target.mkdir()
    recovered = recover_run(path, target).path
    follower = RunFollower(recovered)
    found = take_all(follower, 100)
    expected = open_run(recovered)
    assert_same(found, recovered)
    assert found[-1].points_total == len(expected.table()) < found[-1].last_seq == 3000
    assert found[-1].status == expected.status


def test_damaged_file_is_refused_when_a_page_of_points_is_overwritten(tmp_path):
    writer = make(tmp_path)
    writer.points([row(number) for number in range(3000)])
    path = writer.path
    writer.seal("finished", {})
    raw = bytearray(path.read_bytes())
    page = len(raw) // 4096 // 2
    raw[page * 4096 : (page + 1) * 4096] = b"\xff" * 4096
    path.write_bytes(raw)
    follower = RunFollower(path)
    with pytest.raises(StoreError, match="may be damaged"):
        take_all(follower, 100)


def test_text_among_numbers_is_refused_when_somebody_changed_the_file(tmp_path):
    writer = make(tmp_path)
    writer.points([row(number) for number in range(30)])
    writer.seal("finished", {})
    connection = sqlite3.connect(writer.path)
    connection.execute("UPDATE point SET \"Voltage (V)\" = 'many' WHERE seq = 20")
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match="may be damaged"):
        RunFollower(writer.path).take(100)


def test_vanished_file_is_told_when_it_was_deleted(tmp_path):
    writer = make(tmp_path)
    writer.seal("finished", {})
    follower = RunFollower(writer.path)
    writer.path.unlink()
    with pytest.raises(StoreError, match="is gone"):
        follower.take(100)
    with pytest.raises(StoreError, match="no such run file"):
        RunFollower(tmp_path / "none.run.sqlite")


def test_take_waits_for_nobody_when_the_writer_has_the_file_for_itself(tmp_path):
    writer = make(tmp_path)
    writer.points([row(number) for number in range(30)])
    writer.seal("finished", {})
    holder = sqlite3.connect(writer.path, isolation_level=None)
    took_s = []
    # the least of five: this computer may stand still, SQLite's own wait of seconds would be in each
    for _ in range(5):
        follower = RunFollower(writer.path)
        assert follower.take(10).count == 10
        holder.execute("BEGIN EXCLUSIVE")
        start_s = time.monotonic()
        # the second look opens the file again
        looks = [follower.take(10) for _ in range(3)]
        took_s.append(time.monotonic() - start_s)
        holder.execute("ROLLBACK")
        assert {(held.count, held.first_seq, held.status) for held in looks} == {(0, 11, "finished")}
        assert follower.take(10).first_seq == 11
        follower.close()
    holder.close()
    assert min(took_s) < 1.0
