"""A wiring swap in the bench file alone is found by the addressing check.

Authority: the README (`labctl doctor`, exit codes); the truth is the bench file that the test wrote.
"""

import re
from importlib.resources import files

import pytest

STATION = BENCH = "tiox-32x32"


@pytest.fixture
def rack(homes):
    """Write a bench of this wiring and a station that points to it and believes the packaged wiring."""

    def write(swap=None):
        bench = (files("labctl_data") / "benches" / f"{BENCH}.toml").read_text(encoding="utf-8")
        if swap is not None:
            bench = exchanged(bench, *swap)
        bench_file = homes / "swapped-bench.toml"
        bench_file.write_text(bench.replace(f'name = "{BENCH}"', 'name = "swapped"', 1), encoding="utf-8")
        text = (files("labctl_data") / "stations" / f"{STATION}.toml").read_text(encoding="utf-8")
        text, count = re.subn(r"(?m)^visa_library = .*$", f"visa_library = '{bench_file.as_posix()}@labctl'", text)
        assert count == 1
        station_file = homes / "station.toml"
        station_file.write_text(text, encoding="utf-8")
        return station_file

    return write


def exchanged(text, one, other):
    """Exchange two matrix columns in the lists of lines."""
    start = text.index("word_lines = [")
    end = text.index("]", text.index("bit_lines = [")) + 1
    lists = text[start:end]
    assert lists.count(f'"{one}"') == lists.count(f'"{other}"') == 1
    lists = lists.replace(f'"{one}"', '"?"').replace(f'"{other}"', f'"{one}"').replace('"?"', f'"{other}"')
    return text[:start] + lists + text[end:]


def test_doctor_is_content_when_nothing_is_swapped(labctl, rack):
    answer = labctl("doctor", "-s", rack())
    assert answer.code == 0, answer.err
    assert "64 lines answer as wired" in answer.out
    assert "WRONG" not in answer.out


@pytest.mark.parametrize(
    ("swap", "lines"),
    [
        (("101", "102"), ("word line 0", "word line 1")),
        (("105", "308"), ("word line 4", "word line 31")),
        (("309", "604"), ("bit line 0", "bit line 31")),
        (("103", "402"), ("word line 2", "bit line 5")),
    ],
    ids=["neighbouring word lines", "far word lines", "bit lines", "word and bit line"],
)
def test_doctor_names_both_lines_when_they_are_swapped(labctl, rack, swap, lines):
    answer = labctl("doctor", "-s", rack(swap))
    assert answer.code == 3
    assert f"{lines[0]} and {lines[1]} are swapped" in answer.err
    assert "station.toml" in answer.err
    assert "WRONG" in answer.out
    assert "Traceback" not in answer.err
    as_json = labctl("doctor", "-s", rack(swap), "--json").json()
    assert [item["name"] for item in as_json if not item["ok"]] == ["addressing"]
