"""A recording against simulated instruments. Authority: the issue (each difference of format, error, timing class), and
the bench itself, whose own recording has none.
"""

import json
import re

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


def checked(path, resources):
    manager = pyvisa.ResourceManager(LIBRARY)
    try:
        return check_recording(path, manager, resources)
    finally:
        manager.close()


def changed(path, mark, change):
    """Change the first answer behind a written text, on purpose: the recording is unprotected then."""
    lines = path.read_text().splitlines(keepends=True)
    lines[0] = re.sub(r',"c":\d+', "", lines[0])
    place = next(n for n, line in enumerate(lines) if '"op":"w"' in line and mark in line) + 1
    while '"op":"r"' not in lines[place]:
        place += 1
    one = json.loads(lines[place])
    change(one)
    lines[place] = json.dumps(one) + "\n"
    path.write_text("".join(lines))
    return place + 1


def test_bench_agrees_with_its_own_recording(recording):
    found = checked(recording, {})
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
    found = checked(recording, {SMU: SMU})
    assert [(one.kind, one.line) for one in found.differences] == [(kind, line)]


def test_other_number_is_no_difference(recording):
    changed(recording, "measure", lambda one: one.update(d="-3.33333e-09\n"))
    assert checked(recording, {}).differences == ()


def test_recording_without_any_known_instrument_is_refused(recording):
    recording.write_text(re.sub(r',"c":\d+', "", recording.read_text()).replace("2636B", "1234X"))
    with pytest.raises(ReplayError, match=f"nothing in it can be compared.*{SMU.replace('.', '[.]')}"):
        checked(recording, {})


def test_identity_among_other_answers_is_compared_by_maker_and_model(tmp_path):
    """As the drivers ask; the serial number is masked, the firmware another one, and a quoted semicolon is no end."""
    path = tmp_path / "t.jsonl"
    manager = pyvisa.ResourceManager("record:" + str(path) + ">single-device@labctl@labctl")
    smu = manager.open_resource(SMU, read_termination="\n", write_termination="\n")
    answer = smu.query("*ESE 1;*ESE?;*IDN?")
    smu.query(":SYST:ERR?;*IDN?")
    manager.close()
    who = answer.partition(";")[2]
    text = re.sub(r',"c":\d+', "", path.read_text())
    for other, kinds in (
        ("KEITHLEY INSTRUMENTS,MODEL 2450,X,1.0", []),
        ("KEITHLEY INSTRUMENTS,MODEL 2460,1,1", ["words"]),
    ):
        path.write_text(text.replace(who, other))
        manager = pyvisa.ResourceManager("single-device@labctl")
        found = check_recording(path, manager, {SMU: SMU})
        manager.close()
        assert [one.kind for one in found.differences] == 2 * kinds
    assert found.compared == 2


def test_write_that_failed_on_one_side_only_is_listed_as_are_locks_and_service_requests(recording):
    lines = recording.read_text().splitlines()
    lines[0] = re.sub(r',"c":\d+', "", lines[0])
    number = next(n for n, line in enumerate(lines) if "limiti" in line)
    lines[number] = lines[number].replace('"d":', '"st":-1073807298,"d":')
    # the answer to what was not written
    del lines[number + 1]
    last = max(n for n, line in enumerate(lines) if '"op":"stb"' in line)
    time = re.search(r'"t":[^,]*,"r":[^,]*', lines[last])[0]
    more = [("lock", ',"v":""'), ("unlock", ""), ("unlock", ""), ("wait", "")]
    lines[last + 1 : last + 1] = [f'{{"op":"{op}","s":1,{time}{rest}}}' for op, rest in more]
    recording.write_text("\n".join(line for line in lines if '"op":"end"' not in line) + "\n")
    found = checked(recording, {})
    errors = [(one.line, one.message, one.recorded, one.simulated) for one in found.differences if one.kind == "error"]
    assert errors == [
        (number + 1, "'print(smua.source.limiti)\\n'", "error_io", "done"),
        # given up twice; nobody asks for service
        (last + 4, "unlock", "done", "error_session_not_locked"),
        (last + 5, "wait for a service request", "done", "error_timeout"),
    ]


def test_recording_is_not_sent_to_what_is_no_simulated_bench(recording):
    manager = pyvisa.ResourceManager("@py")
    with pytest.raises(ReplayError, match="never sent to real instruments"):
        check_recording(recording, manager, {SMU: SMU})
    manager.close()
