"""``labctl traffic`` and ``labctl bench check``. Authority: issue "Replay, and the digital twin", Build
(importers, exporter, ``labctl bench check FILE`` lists every difference) and Bad input.
"""

import json
import re
import shutil
from importlib.resources import files
from pathlib import Path

import pytest

SAMPLE = Path(str(files("labctl_data"))) / "runs" / "read_array.jsonl"
IDENTITIES = ("KEITHLEY INSTRUMENTS,MODEL 2450,04500001,1.7.12b", "LSCI,MODEL335,LSA0001/#######,2.0")


@pytest.fixture
def recording(homes):
    return Path(shutil.copy(SAMPLE, homes / "t.jsonl"))


def die_of(labctl):
    told = labctl("bench", "show", "single-device", "--json").json()
    return told["die_age_s"], told["conductance_s"], told["formed"]


def test_show_tells_who_was_spoken_to_by_name_and_identity_and_how_it_is_protected(labctl, recording):
    shown = labctl("traffic", "show", recording, "--count", "3")
    assert shown.code == 0, shown.err
    for word in ("TCPIP0::192.0.2.11::inst0::INSTR", "GPIB0::12::INSTR", *IDENTITIES, "up to the end", "labctl 0.1.0"):
        assert word in shown.out


@pytest.mark.parametrize(
    ("change", "code", "says"),
    [
        (lambda lines: lines[:-1], 0, "line 70 is the last whole one and no end line follows"),
        (lambda lines: [re.sub(r',"c":\d+', "", lines[0]), *lines[1:]], 0, "not protected"),
        (lambda lines: [line.replace("1.7.12b", "1.7.13b") for line in lines], None, "line 5 was changed after it was"),
    ],
)
def test_show_tells_what_is_missing_or_changed(labctl, recording, change, code, says):
    recording.write_text("".join(change(recording.read_text().splitlines(keepends=True))))
    shown = labctl("traffic", "show", recording, "--count", "1")
    assert shown.code == code if code is not None else shown.code != 0
    assert says in shown.out + shown.err


@pytest.mark.parametrize("chosen", [(), ("-b", "single-device")])
def test_check_finds_no_difference_in_the_benchs_own_recording_and_leaves_the_die_alone(labctl, recording, chosen):
    before = die_of(labctl)
    answer = labctl("bench", "check", recording, *chosen, "--json")
    assert answer.code == 0, answer.err
    told = answer.json()
    assert (told["compared"], told["missing"], told["differences"]) == (23, [], [])
    assert die_of(labctl) == before


def test_check_takes_a_fresh_die_each_time_whatever_was_done_to_the_own_one(labctl, homes):
    run = ("run", "sweep_iv", "-s", "single-device", "-p", "cells=0,0", "-p", "cycles=1", "-p", "step=0.5 V", "-q")
    assert labctl(*run, "--record", "t.jsonl").code == 0
    before = die_of(labctl)
    assert before[0] > 0.0
    for _ in range(2):
        answer = labctl("bench", "check", "t.jsonl")
        assert answer.code == 0, answer.out
        assert die_of(labctl) == before


def test_masked_recording_has_no_false_differences_and_a_true_one_is_listed(labctl, recording):
    assert labctl("traffic", "mask", recording, "-o", "masked.jsonl").code == 0
    assert labctl("bench", "check", "masked.jsonl").code == 0
    text = re.sub(r',"c":\d+', "", recording.read_text())
    recording.write_text(text.replace('"d":"1;0;VOLT', '"d":"1;0;CURR').replace('"d":"2;0;VOLT', '"d":"2;0;CURR'))
    answer = labctl("bench", "check", recording, "--json")
    assert answer.code == 3
    assert [(one["line"], one["kind"]) for one in answer.json()["differences"]] == [(9, "words")]
    assert "CURR" in labctl("bench", "check", recording).out


def test_check_asks_for_the_bench_when_the_recording_names_none(labctl, homes):
    Path("pairs.py").write_text(
        'def test():\n    with expected_protocol(None, [("*IDN?", "a,b,c,d")]):\n        pass\n'
    )
    made = labctl("traffic", "import", "pairs.py", "-o", "t.jsonl", "--format", "pymeasure")
    assert made.code == 0, made.err
    assert "2 writes and reads" in made.out
    asked = labctl("bench", "check", "t.jsonl")
    assert asked.code == 2
    assert "name one with -b" in asked.err
    # another instrument than the bench has
    missing = labctl("bench", "check", "t.jsonl", "-b", "single-device")
    assert missing.code == 2
    assert "GPIB0::1::INSTR" in missing.err


def test_export_makes_tests_that_import_takes_again(labctl, recording):
    exported = labctl("traffic", "export", recording, "-o", "test_pairs.py", "--to", "pymeasure")
    assert exported.code == 0, exported.err
    assert "Keithley2450" in exported.out
    again = labctl("traffic", "import", "test_pairs.py", "-o", "again.jsonl", "--format", "pymeasure")
    assert again.code == 0, again.err
    lines = [json.loads(line) for line in recording.read_text().splitlines()]
    assert f"{sum(line.get('op') in ('w', 'r') for line in lines)} writes and reads" in again.out
    assert labctl("traffic", "show", "again.jsonl").code == 0


def test_import_tells_the_calls_that_it_left_out(labctl, homes):
    Path("trace.txt").write_text(
        '1.  viWrite (GPIB0::22::INSTR (0x00A1), "*CLS.", 5 (0x5), 5 (0x5))\n> Status: 0 (VI_SUCCESS)\n'
        "2.  viLock (GPIB0::22::INSTR (0x00A1), 1 (0x1))\n> Status: 0 (VI_SUCCESS)\n"
    )
    made = labctl("traffic", "import", "trace.txt", "-o", "t.jsonl", "--format", "io-trace")
    assert made.code == 0, made.err
    assert "1 left out, calls that a recording does not hold; at 2" in made.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("traffic", "import", "a", "-o", "b", "--format", "midi"), "--format must be one of"),
        (("traffic", "export", "a", "-o", "b", "--to", "midi"), "--to must be pymeasure"),
        (("bench", "check", "gone.jsonl"), "gone.jsonl: the recording cannot be read"),
        (("bench", "check", "gone.jsonl", "--pair", "A"), "RECORDED=SIMULATED"),
    ],
)
def test_what_cannot_be_meant_is_refused(labctl, arguments, says):
    refused = labctl(*arguments)
    assert refused.code == 2
    assert says in " ".join(refused.err.split())
