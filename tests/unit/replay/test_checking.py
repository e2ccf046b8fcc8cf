"""A recording against simulated instruments. Authority: the issue (each difference of format, error, timing class), and
the bench itself, whose own recording has none.
"""

import json

import pytest
import pyvisa

from labctl.errors import ReplayError
from labctl.replay.checking import check_recording

SMU = "TCPIP0::192.0.2.11::inst0::INSTR"
LIBRARY = "tiox-32x32@labctl"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("LABCTL_HOME", str(tmp_path / "home"))


@pytest.fixture
def recording(tmp_path):
    """Identity, a setting, a reading, an error of the instrument's own, a time-out."""
    path = tmp_path / "t.jsonl"
    manager = pyvisa.ResourceManager(f"record:{path}>{LIBRARY}@labctl")
    smu = manager.open_resource(SMU, read_termination="\n", write_termination="\n")
    for question in ("*IDN?", "print(smua.source.limiti)", "print(smua.measure.i())", "print(errorqueue.next())"):
        smu.query(question)
    with pytest.raises(pyvisa.errors.VisaIOError):
        smu.read()
    smu.read_stb()
    manager.close()
    return path


def changed(path, mark, change):
    """Change the first answer behind a written text."""
    lines = path.read_text().splitlines(keepends=True)
    place = next(n for n, line in enumerate(lines) if '"op":"w"' in line and mark in line) + 1
    while '"op":"r"' not in lines[place]:
        place += 1
    one = json.loads(lines[place])
    change(one)
    lines[place] = json.dumps(one) + "\n"
    path.write_text("".join(lines))
    return place + 1


def test_bench_agrees_with_its_own_recording(recording):
    found = check_recording(recording, LIBRARY, {})
    assert found.compared == 6
    assert found.differences == ()


@pytest.mark.parametrize(
    ("mark", "change", "kind"),
    [
        ("limiti", lambda one: one.update(d="+1.00E-01\n"), "format"),
        ("errorqueue", lambda one: one.update(d=one["d"].replace("Queue", "Pile")), "words"),
        ("IDN", lambda one: one.update(d="Keithley Instruments,Model 2602B,1,1\n"), "words"),
        ("limiti", lambda one: one.update(d="", st=-1073807339), "answer"),
        ("measure", lambda one: one.update(r=one["r"] + 30.0), "time"),
    ],
)
def test_difference_is_named_by_kind_and_line(recording, mark, change, kind):
    line = changed(recording, mark, change)
    found = check_recording(recording, LIBRARY, {SMU: SMU})
    assert [(one.kind, one.line) for one in found.differences] == [(kind, line)]


def test_other_number_is_no_difference(recording):
    changed(recording, "measure", lambda one: one.update(d="-3.33333e-09\n"))
    assert check_recording(recording, LIBRARY, {}).differences == ()


def test_recording_without_any_known_instrument_is_refused(recording):
    recording.write_text(recording.read_text().replace("2636B", "1234X"))
    with pytest.raises(ReplayError, match=f"nothing in it can be compared.*{SMU.replace('.', '[.]')}"):
        check_recording(recording, LIBRARY, {})
