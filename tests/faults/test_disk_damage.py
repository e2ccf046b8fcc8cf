"""Run files that were cut or flipped: nothing wrong is presented as good, and what lay before the damage is saved.

Authority: the project's reliability bar, promise P21. Where a row lies is found by a text of its own in the bytes of
the file, without reading SQLite's format.
"""

import json
import random
import shutil
import sqlite3

import numpy as np
import pytest

from labctl.errors import StoreError
from labctl.store import ParameterRecord, Run, RunHeader, RunWriter
from labctl.store.recover import recover_run
from labctl.store.verify import verify_run

PAGE = 4096
POINTS = 400


def marker(number):
    # no digit of one is a part of another: a marker is found only where its row is
    return f"<row-{number:06d}>"


def make(root, *, sealed, in_log=False):
    """Return the file and, by number of the point, where its marker lies."""
    header = RunHeader(
        "read_array",
        ["Row", "Conductance (S)", "Text"],
        parameters=[ParameterRecord("read_v", "Read voltage", 0.2, "V", "200 mV")],
        facts={"note": "x" * 200},
    )
    writer = RunWriter.create(root, header)
    for number in range(POINTS):
        if number % 100 == 0:
            writer.intent(number, {"Row": number})
        text = marker(number) + ("long " * 2000 if number == 200 else "")
        writer.point({"Row": number, "Conductance (S)": number * 1e-6 / 7, "Text": text}, number)
    writer.event("note", "half way")
    writer.array("conductance", np.arange(300.0).reshape(10, 30) / 7, ("row", "column"), "S")
    if in_log:
        writer.flush()
        copy = root / "copy.run.sqlite"
        for suffix in ("", "-wal"):
            shutil.copy(f"{writer.path}{suffix}", f"{copy}{suffix}")
        writer.close()
        return copy
    if sealed:
        writer.seal("finished", {"yield": 0.5})
    else:
        writer.close()
    return writer.path


def content(path):
    """All that a reader is shown."""
    run = Run(path)
    return json.dumps(
        [
            dict(run.header),
            run.rows(),
            [list(row) for row in run.events().to_numpy().tolist()],
            run.progress().to_numpy().tolist(),
            dict(run.parameters),
            dict(run.parameter_texts),
            {name: array.to_numpy().tolist() for name, array in run.arrays().items()},
            run.segments(),
            run.seal,
        ],
        default=str,
    )


def points_of(path):
    """The points of a file by their number, read by SQLite alone."""
    connection = sqlite3.connect(path)
    try:
        return {row[0]: row[1:5] for row in connection.execute("SELECT * FROM point")}
    finally:
        connection.close()


def recovered(path, out):
    """Return the points that are saved; none where the file is given up."""
    try:
        saved = recover_run(path, out)
    except StoreError:
        return {}
    try:
        assert verify_run(saved.path) == []
        return points_of(saved.path)
    finally:
        saved.path.unlink()


def before(data, places, end):
    """Numbers of the points that lie wholly on pages before a place."""
    last_page = end // PAGE
    return {number for number, place in places.items() if place // PAGE < last_page}


def places_in(data):
    # 201 has its text on pages of its own; the header lies before all of them
    places = {number + 1: data.find(marker(number).encode()) for number in range(POINTS) if number != 200}
    assert min(places.values()) > 0
    return places


def test_rows_before_the_cut_are_recovered_when_file_is_truncated(tmp_path, promise):
    path = make(tmp_path / "data", sealed=True)
    data, truth, whole = path.read_bytes(), points_of(path), content(path)
    places = places_in(data)
    wrong = missing = presented = 0
    cuts = range(0, len(data), PAGE)
    for cut in cuts:
        path.write_bytes(data[:cut])
        found = recovered(path, tmp_path / "out")
        wrong += sum(truth.get(number) != row for number, row in found.items())
        missing += len(before(data, places, cut) - set(found))
        if not verify_run(path):
            presented += content(path) != whole
    failures = wrong + missing + presented
    promise("P21", "rows lost or wrong after truncation at every 4 kB", trials=len(cuts), failures=failures)
    assert len(cuts) > 20
    assert (wrong, missing, presented) == (0, 0, 0)


@pytest.mark.parametrize(
    ("sealed", "seed", "trials"),
    [
        (True, 1, 100),
        (False, 2, 100),
        pytest.param(True, 11, 1000, marks=pytest.mark.long),
        pytest.param(False, 12, 1000, marks=pytest.mark.long),
    ],
)
def test_no_wrong_value_is_presented_when_bytes_are_flipped(tmp_path, promise, sealed, seed, trials):
    path = make(tmp_path / "data", sealed=sealed)
    data, truth, whole = path.read_bytes(), points_of(path), content(path)
    places = places_in(data)
    chance = random.Random(seed)
    wrong = missing = presented = quiet = 0
    for trial in range(trials):
        # a third of them where the header and the first rows are
        place = chance.randrange(min(len(data), 16 * PAGE) if trial % 3 == 0 else len(data))
        flipped = bytearray(data)
        flipped[place] ^= chance.randrange(1, 256)
        path.write_bytes(flipped)
        findings = verify_run(path)
        if not findings:
            quiet += 1
            presented += content(path) != whole
        if findings:
            found = recovered(path, tmp_path / "out")
            wrong += sum(truth.get(number) != row for number, row in found.items())
            if place // PAGE >= min(places.values()) // PAGE:
                missing += len(before(data, places, place) - set(found))
    what = f"wrong values shown or rows lost after flipped bytes, {'sealed' if sealed else 'interrupted'} run"
    promise(
        "P21", what, trials=trials, failures=wrong + missing + presented, seed=seed, worst=f"{quiet} in unused bytes"
    )
    assert (wrong, missing, presented) == (0, 0, 0)


def test_no_wrong_row_is_recovered_when_the_log_is_flipped(tmp_path, promise):
    path = make(tmp_path / "data", sealed=False, in_log=True)
    log = path.with_name(path.name + "-wal")
    data, main = log.read_bytes(), path.read_bytes()
    twin = tmp_path / "twin.sqlite"
    shutil.copy(path, twin)
    shutil.copy(log, f"{twin}-wal")
    truth = points_of(twin)
    assert len(truth) == POINTS
    assert recovered(path, tmp_path / "out") == truth
    chance = random.Random(3)
    wrong = 0
    for _ in range(60):
        flipped = bytearray(data)
        flipped[chance.randrange(len(data))] ^= chance.randrange(1, 256)
        path.write_bytes(main)
        log.write_bytes(flipped)
        wrong += sum(truth.get(number) != row for number, row in recovered(path, tmp_path / "out").items())
    promise("P21", "wrong rows recovered after flipped bytes of the log", trials=60, failures=wrong, seed=3)
    assert wrong == 0
