"""``labctl resume`` and the options that hold a run. Authority: the command's contract; kills are in tests/faults."""

import pytest

STATION = "tiox-32x32"


def test_finished_run_is_not_resumed(labctl, homes):
    assert labctl("run", "read_array", "-s", STATION, "-p", "cells=0,0", "-q").code == 0
    answer = labctl("resume", "latest")
    assert answer.code == 2
    assert "is finished; only runs that are interrupted, aborted, failed" in answer.err


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        (("--between", "8-9"), "a time window is like 20:00-06:00"),
        (("--hold", "Current (A)"), "a limit is like"),
        (("--hold", "Voltage (quux) <= 1"), "not a unit"),
        (("--hold", "Temperature (K) <= 300"), "read_array has no such column or monitor"),
    ],
)
def test_wrong_hold_is_refused_before_a_run_file_exists(labctl, homes, options, rule):
    answer = labctl("run", "read_array", "-s", STATION, "-p", "cells=0,0", *options)
    assert answer.code == 2
    assert rule in " ".join(answer.err.split())
    assert not list((homes / "runs").glob("*.sqlite"))


def test_run_is_not_held_by_what_it_keeps_to(labctl, homes):
    answer = labctl("run", "read_array", "-s", STATION, "-p", "cells=0,0", "-q", "--hold", "Current (A) <= 1 A")
    assert answer.code == 0, answer.err
