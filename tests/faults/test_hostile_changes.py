"""A sealed run file in which somebody changed one value: verify tells, whatever table it was in.

Authority: promises P20 and P21; the seal holds counts and SHA-256 of every table (the docstring of labctl.store.seal).
"""

import sqlite3

import pytest

from labctl.store.checksum import RowChecksum
from labctl.store.schema import RunHeader
from labctl.store.verify import verify_run
from labctl.store.writer import RunWriter

CHANGES = {
    "run": "UPDATE run SET value = '\"other\"' WHERE key = 'station'",
    "point": "UPDATE point SET Number = 1000 WHERE seq = 7",
    "event": "UPDATE event SET message = 'nothing happened'",
    "array": "UPDATE array SET unit = 'A'",
    "instrument": "UPDATE instrument SET serial = '2'",
    "point gone": "DELETE FROM point WHERE seq = 20",
    "event gone": "DELETE FROM event",
    "point more": "INSERT INTO point SELECT 21, Number, _action, _crc FROM point WHERE seq = 20",
    "seal": "UPDATE seal SET status = 'finished'",
}


@pytest.fixture
def sealed(tmp_path):
    writer = RunWriter.create(tmp_path, RunHeader("changes", ["Number"], station="here"))
    writer.instrument("smu1", "start", {"maker": "m", "model": "n", "serial": "1"}, {"range": 1.0})
    writer.points([{"Number": number} for number in range(20)])
    writer.array("map", [1.0, 2.0], ("x",), "S")
    writer.event("warning", "something happened")
    writer.seal("aborted", {"n": 1})
    return writer.path


def test_untouched_file_has_no_findings(sealed):
    assert verify_run(sealed) == []


def repair(connection, table):
    names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    if names[-1] not in ("_crc", "crc"):
        return
    for rowid, *row in connection.execute(f"SELECT rowid, * FROM {table}").fetchall():
        checksum = RowChecksum(table).of(row[:-1])
        connection.execute(f"UPDATE {table} SET {names[-1]} = ? WHERE rowid = ?", (checksum, rowid))


@pytest.mark.parametrize("what", CHANGES)
def test_change_in_a_sealed_file_is_found(sealed, promise, what):
    # whoever changes a row with care also repairs what the row says of itself
    with sqlite3.connect(sealed) as connection:
        connection.execute(CHANGES[what])
        if what != "seal":  # nothing but its own checksum tells of a seal
            repair(connection, what.partition(" ")[0])
    connection.close()
    found = verify_run(sealed)
    promise("P21", f"changes of a sealed file that verify does not find: {what}", trials=1, failures=int(not found))
    assert found
