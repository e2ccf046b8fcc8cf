"""``labctl replay RUN``. Authority: issue "Replay, and the digital twin": a recorded run as if it were live (speed
factor, step, jump), against the table of the same run file.
"""

import csv
import io
import sys
import time

import pandas as pd
import pytest

from labctl.store import RunHeader, RunWriter, open_run

TIMES_S = (0.0, 0.5, 0.5, 20.0, 40.0)
COLUMNS = ("Event", "Current (A)", "Time (s)")


@pytest.fixture
def path(homes):
    writer = RunWriter.create(homes / "data", RunHeader("my_own", COLUMNS, station="probe", simulated=True))
    for number, time_s in enumerate(TIMES_S):
        writer.point(dict(zip(COLUMNS, ("read", number / 3 * 1e-6 if number else None, time_s), strict=True)))
    writer.event("warning", "the needle is loose")
    writer.seal("aborted", {})
    return writer.path


def rows(text):
    return list(csv.reader(io.StringIO(text)))


def test_rows_come_as_lines_in_the_time_that_they_took_by_the_speed(labctl, path):
    begun_s = time.monotonic()
    said = labctl("replay", path, "--speed", "20")
    assert time.monotonic() - begun_s >= 2.0
    assert said.code == 0, said.err
    played = pd.read_csv(io.StringIO(said.out))
    pd.testing.assert_frame_equal(played, open_run(path).table().reset_index(drop=True), check_dtype=False)
    run_id = open_run(path).run_id
    assert f"replay of {run_id} (my_own on probe, simulated)" in said.err
    assert f"end of the replay of {run_id}, which was aborted" in said.err
    assert "warning: the needle is loose" in said.err


def test_rows_before_the_start_come_at_once(labctl, path):
    begun_s = time.monotonic()
    said = labctl("replay", path, "--speed", "0.5", "--from", "40 s", "-q")
    assert time.monotonic() - begun_s < 20.0
    assert len(rows(said.out)) == 1 + len(TIMES_S)
    assert said.err == ""


def test_a_line_is_waited_for_before_each_row_when_stepping(labctl, path, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n\n"))
    said = labctl("replay", path, "--step", "-q")
    assert [row[2] for row in rows(said.out)[1:]] == ["0.0", "0.5", "0.5", "20.0"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--speed", "0"), "speed must be positive"),
        (("--from", "41 s"), "lasts from 0 to 40 s, got 41 s"),
        (("--from", "tomorrow"), "tomorrow"),
        (("--json",), "for a replay against a station"),
        (("--against", "tiox-32x32", "--step"), "without --against"),
    ],
)
def test_what_makes_no_sense_is_refused(labctl, path, options, words):
    said = labctl("replay", path, *options)
    assert said.code != 0
    assert words in " ".join(said.err.replace("│", " ").split())
