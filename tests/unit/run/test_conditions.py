"""Authority: the contract of holds: what is broken, and in which words."""

from datetime import datetime
from types import SimpleNamespace

import pytest

from labctl.errors import StoreError
from labctl.run import conditions
from labctl.run.conditions import DiskSpace, Limit, TimeWindow

MIB = 1024 * 1024


def at(text):
    moment = datetime.fromisoformat(f"2026-05-04T{text}")
    return lambda: moment


@pytest.mark.parametrize(
    ("window", "open_at", "shut_at"),
    [
        ("20:00-06:00", ("20:00", "23:59:59", "00:00", "05:59:59"), ("06:00", "12:00", "19:59:59")),
        ("08:30-17:00", ("08:30", "16:59:59"), ("08:29:59", "17:00", "00:00")),
    ],
)
def test_time_window_is_broken_outside_of_it(window, open_at, shut_at):
    parsed = TimeWindow.parse(window)
    for times, is_open in ((open_at, True), (shut_at, False)):
        for text in times:
            now = TimeWindow(parsed._begin, parsed._end, at(text))
            assert (now.violation({}) is None) is is_open, text
    shut = TimeWindow(parsed._begin, parsed._end, at("12:00" if window.startswith("2") else "23:00"))
    assert window in shut.violation({})


@pytest.mark.parametrize("text", ["", "20:00", "20:00-20:00", "25:00-06:00", "20:00-06:61", "8:00-9:00", "a-b"])
def test_time_window_is_refused_when_it_is_none(text):
    with pytest.raises(ValueError, match="like 20:00-06:00"):
        TimeWindow.parse(text)


@pytest.mark.parametrize(
    ("text", "good", "bad"),
    [
        ("Current (A) <= 1e-6", 1e-6, 1.001e-6),
        ("Current (A)<1 uA", 0.999e-6, 1e-6),
        ("Temperature (K) >= 290", 290, 289.9),
        ("loops > 3", 4, 3),
    ],
)
def test_limit_is_broken_on_its_far_side(text, good, bad):
    limit = Limit.parse(text)
    assert limit.violation({limit.name: good}) is None
    assert limit.name in limit.violation({limit.name: bad})


def test_limit_says_value_and_bound_with_their_unit():
    said = Limit.parse("Current (A) <= 1 uA").violation({"Current (A)": 2.5e-6})
    assert said == "limit: Current (A) is 2.5 µA, allowed is <= 1 µA"


@pytest.mark.parametrize("values", [{}, {"Current (A)": None}, {"Current (A)": "text"}])
def test_limit_is_not_broken_by_what_has_no_value(values):
    assert Limit.parse("Current (A) <= 1e-6").violation(values) is None


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("Current (A)", ValueError),
        ("<= 3", ValueError),
        ("Current (A) == 3", ValueError),
        ("Current (A) <= 3 V", ValueError),
        ("Current (A) <= inf", ValueError),
        ("Current (A) <= 1 <= 2", ValueError),
        ("Current (quux) <= 1", StoreError),
    ],
)
def test_limit_is_refused_when_it_is_none(text, error):
    with pytest.raises(error):
        Limit.parse(text)


@pytest.mark.parametrize(("free_at_start", "floor"), [(10_000 * MIB, 64 * MIB), (80 * MIB, 20 * MIB)])
def test_disk_space_is_broken_below_its_floor(tmp_path, monkeypatch, free_at_start, floor):
    free = [free_at_start]
    monkeypatch.setattr(conditions.shutil, "disk_usage", lambda folder: SimpleNamespace(free=free[0]))
    space = DiskSpace(tmp_path)
    assert space.violation({}) is None
    free[0] = floor
    assert space.violation({}) is None
    free[0] = floor - 1
    assert f"{floor - 1} bytes free" in space.violation({})
