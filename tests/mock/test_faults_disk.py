"""Disk faults through SQLite's file layer. Authority: sqlite.org, "The SQLite OS Interface or VFS", result codes."""

import gc
import shutil
import sqlite3
import subprocess
import sys

import pytest

from labctl.errors import StationError
from labctl_mock.faults import sqlite_vfs
from labctl_mock.faults.disk import DiskFaults


def fill(path, rows=20):
    """Write rows in one transaction each, WAL and FULL as run files; return how many were acknowledged."""
    connection = sqlite3.connect(path, isolation_level=None)
    done = 0
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE IF NOT EXISTS t(n INTEGER)")
        for number in range(rows):
            connection.execute("INSERT INTO t VALUES(?)", (number,))
            done += 1
    finally:
        connection.close()
    return done


def rows_of(path):
    connection = sqlite3.connect(path)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return [number for (number,) in connection.execute("SELECT n FROM t ORDER BY n")]
    finally:
        connection.close()


def test_calls_are_counted_and_pass_when_none_shall_fail(tmp_path):
    with DiskFaults(call="any", first=0) as disk:
        assert fill(tmp_path / "a.db") == 20
    assert disk.failed == 0
    assert disk.counts["write"] > 40  # a frame is a header and a page
    assert disk.counts["sync"] >= 20  # synchronous=FULL: one per commit in WAL mode
    assert disk.counts["open"] >= 2
    assert rows_of(tmp_path / "a.db") == list(range(20))


@pytest.mark.parametrize(
    ("error", "message", "name"), [("full", "disk is full", "SQLITE_FULL"), ("ioerr", "disk I/O", "SQLITE_IOERR_WRITE")]
)
def test_write_fails_with_the_code_asked_for(tmp_path, error, message, name):
    with DiskFaults(call="write", error=error, first=30) as disk, pytest.raises(sqlite3.OperationalError) as caught:
        fill(tmp_path / "a.db")
    assert message in str(caught.value)
    assert caught.value.sqlite_errorname == name
    assert disk.failed >= 1


def test_sync_and_truncate_and_open_fail_when_they_are_meant(tmp_path):
    with DiskFaults(call="sync", error="ioerr", first=3), pytest.raises(sqlite3.OperationalError) as caught:
        fill(tmp_path / "a.db")
    assert caught.value.sqlite_errorname == "SQLITE_IOERR_FSYNC"
    with (
        DiskFaults(call="open", error="ioerr", first=1),
        pytest.raises(sqlite3.OperationalError, match="unable to open"),
    ):
        fill(tmp_path / "b.db")
    with DiskFaults(call="truncate", first=0) as counting:
        rollback_journal(tmp_path / "c.db")
    disk = DiskFaults(call="truncate", error="ioerr", first=counting.counts["truncate"])
    with disk, pytest.raises(sqlite3.OperationalError, match="disk I/O"):
        rollback_journal(tmp_path / "d.db")
    assert disk.failed >= 1


def rollback_journal(path):
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode=TRUNCATE")
        connection.execute("CREATE TABLE t(n)")
        connection.execute("INSERT INTO t VALUES(1)")
    finally:
        connection.close()


def test_a_disk_that_is_freed_again_takes_rows_again(tmp_path):
    path = tmp_path / "a.db"
    fill(path, rows=1)
    with DiskFaults(call="write", first=1, last=1):
        connection = sqlite3.connect(path, isolation_level=None)
        with pytest.raises(sqlite3.OperationalError, match="full"):
            connection.execute("INSERT INTO t VALUES(100)")
        connection.execute("INSERT INTO t VALUES(101)")
        connection.close()
    assert rows_of(path) == [0, 101]


def test_every_call_once_leaves_each_acknowledged_row_in_the_file(tmp_path):
    # the property that SQLite promises, and that a shim must not break: reliability.md 3.4
    with DiskFaults(call="any", first=0) as counting:
        fill(tmp_path / "count.db", rows=3)
    total = sum(counting.counts.values())
    for number in range(1, total + 1):
        folder = tmp_path / str(number)
        folder.mkdir()
        acknowledged = []
        with DiskFaults(call="any", error="ioerr", first=number, last=number):
            connection = None
            try:
                connection = sqlite3.connect(folder / "a.db", isolation_level=None)
                connection.execute("PRAGMA journal_mode=WAL")
                connection.execute("PRAGMA synchronous=FULL")
                connection.execute("CREATE TABLE IF NOT EXISTS t(n INTEGER)")
                for row in range(3):
                    connection.execute("INSERT INTO t VALUES(?)", (row,))
                    acknowledged.append(row)
            except sqlite3.OperationalError:
                pass
            finally:
                if connection is not None:
                    connection.close()
        if acknowledged:
            assert set(acknowledged) <= set(rows_of(folder / "a.db")), number
        shutil.rmtree(folder)


def test_shim_leaves_no_trace_when_it_is_left_with_a_file_open(tmp_path):
    with DiskFaults(call="write", first=1000) as disk:
        connection = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE t(n)")
    seen = disk.counts["write"]
    assert seen > 0
    counts = disk.counts
    del disk
    gc.collect()
    connection.execute("INSERT INTO t VALUES(1)")
    connection.close()
    assert counts["write"] == seen
    assert rows_of(tmp_path / "a.db") == [1]
    with DiskFaults(first=0):
        pass  # and it can be installed again


# sqlite.org, "c3ref/vfs.html": a file layer must stay where it is for as long as a connection uses it
LEFT_OPEN = """
import ctypes, gc, sqlite3, sys
from labctl_mock.faults.disk import DiskFaults

disk = DiskFaults(call="write", first=1000)
disk.install()
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA journal_mode=WAL")
connection.execute("CREATE TABLE t(n)")
if sys.argv[2] == "uninstalled":
    disk.uninstall()
size = ctypes.sizeof(disk._vfs)
del disk
gc.collect()
# whatever comes next takes memory that was given back
blocks = [(ctypes.c_char * size)(*(b"\\xff" * size)) for _ in range(20000)]
connection.execute("INSERT INTO t VALUES(1)")
if sys.argv[3] == "closed":
    connection.close()
"""


@pytest.mark.parametrize("disk", ["uninstalled", "installed"])
@pytest.mark.parametrize("connection", ["closed", "left open"])
def test_process_lives_on_when_a_connection_outlives_the_shim(disk, connection, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", LEFT_OPEN, str(tmp_path / "a.db"), disk, connection], capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert rows_of(tmp_path / "a.db") == [1]


def test_second_shim_is_refused():
    with DiskFaults(first=0), pytest.raises(StationError, match="already"):
        DiskFaults(first=0).install()


def test_library_out_of_reach_is_refused_clearly(monkeypatch):
    monkeypatch.setattr(sqlite_vfs, "_candidates", lambda: iter(()))
    with pytest.raises(StationError, match="leave disk_\\* faults out"):
        DiskFaults().install()


def test_numbers_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="last not before"):
        DiskFaults(first=3, last=2)
