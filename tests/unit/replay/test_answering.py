"""Recording and answering through PyVISA. Authority: the issue; the recorded bench itself, asked without a recorder."""

import json
import re
import time

import numpy as np
import pytest
import pyvisa

from labctl.errors import ReplayError
from labctl.replay.traffic import TrafficFile

SMU = "TCPIP0::192.0.2.11::inst0::INSTR"
MATRIX = "TCPIP0::192.0.2.13::inst0::INSTR"
QUESTIONS = ["*IDN?", "print(smua.source.limiti)", "print(smua.measure.i())", "print(smua.measure.i())"]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("LABCTL_HOME", str(tmp_path / "home"))


def opened(library, resource=SMU):
    manager = pyvisa.ResourceManager(library)
    instrument = manager.open_resource(resource, read_termination="\n", write_termination="\n")
    return manager, instrument


def asked(library, questions=QUESTIONS, resource=SMU):
    manager, instrument = opened(library, resource)
    try:
        return [instrument.query(question) for question in questions], manager.visalib.clock.now_s()
    finally:
        manager.close()


@pytest.fixture
def recording(tmp_path):
    path = tmp_path / "t.jsonl"
    answers = asked(f"record:{path}>tiox-32x32@labctl@labctl")
    return path, answers


def test_recorder_changes_nothing(recording, tmp_path, monkeypatch):
    # the same fresh die, the same questions, without the recorder
    monkeypatch.setenv("LABCTL_HOME", str(tmp_path / "other"))
    assert recording[1] == asked("tiox-32x32@labctl")


def test_replay_answers_as_recorded_and_shows_the_recorded_time(recording):
    path, answers = recording
    assert asked(f"{path}@replay") == answers


def test_file_names_bench_and_library(recording):
    header = json.loads(recording[0].read_text().splitlines()[0])
    assert header["library"] == "tiox-32x32@labctl"
    assert header["bench"]["simulated"] is True


def edited(path, mark, old, new, *, is_protected=True):
    """Change a text in the first line that holds a mark; return its number."""
    lines = path.read_text().splitlines(keepends=True)
    number = next(n for n, line in enumerate(lines, start=1) if mark in line and old in line)
    lines[number - 1] = lines[number - 1].replace(old, new, 1)
    if not is_protected:
        lines[0] = re.sub(r',"c":\d+', "", lines[0])
    path.write_text("".join(lines))
    return number


@pytest.mark.parametrize(
    ("is_protected", "says"),
    [
        (True, r"was changed after it was recorded: it says write .*limitv.* before one byte .* write .*limiti"),
        # what was changed on purpose, as the message says
        (False, r"the recording writes 'print\(smua.source.limitv\)\\n', got 'print\(smua.source.limiti\)\\n'.*; run"),
    ],
)
def test_strict_replay_names_line_and_both_values_when_a_byte_was_edited(recording, is_protected, says):
    path, _ = recording
    number = edited(path, '"op":"w"', "limiti", "limitv", is_protected=is_protected)
    with pytest.raises(ReplayError, match=rf"line {number}:? {says}"):
        asked(f"{path}@replay")


@pytest.mark.parametrize("option", ["", "?lenient"])
def test_edited_answer_is_refused_with_both_values_and_never_given(recording, option):
    """The original is known by its check alone: the one byte whose change explains it is looked for."""
    path, answers = recording
    number = edited(path, '"op":"r"', "1.00000e-01", "1.00000e-07")
    with pytest.raises(ReplayError) as caught:
        asked(f"{path}{option}@replay")
    said = str(caught.value)
    assert f"line {number} was changed" in said
    assert said.index("1.00000e-07") < said.index("1.00000e-01")
    assert 'take "c" out of line 1' in said
    assert answers[0][1] == "1.00000e-01"


def test_recording_that_was_cut_at_a_line_end_warns_and_answers_what_is_there(recording, caplog):
    path, answers = recording
    lines = path.read_text().splitlines(keepends=True)
    last = next(n for n, line in enumerate(lines, start=1) if '"op":"r"' in line and "1.00000e-01" in line)
    path.write_text("".join(lines[:last]))
    for option in ("", "?lenient"):
        caplog.clear()
        manager, instrument = opened(f"{path}{option}@replay")
        assert [instrument.query(question) for question in QUESTIONS[:2]] == answers[0][:2]
        (record,) = caplog.records
        assert f"no end: line {last} is the last" in record.getMessage()
        with pytest.raises(ReplayError, match=r"no end: line|was not asked"):
            instrument.query(QUESTIONS[2])
        manager.close()


def test_whole_recording_warns_of_nothing(recording, caplog):
    for option in ("", "?lenient"):
        asked(f"{recording[0]}{option}@replay")
    assert caplog.records == []


def test_recording_of_an_older_labctl_is_replayed_unprotected(recording):
    path, answers = recording
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[0]["schema"] = 1
    older = [{key: value for key, value in line.items() if key != "c"} for line in lines if line.get("op") != "end"]
    path.write_text("".join(json.dumps(line) + "\n" for line in older))
    assert asked(f"{path}@replay") == answers


@pytest.mark.parametrize(
    ("questions", "says"),
    [
        (["*STB?"], r"writes '\*IDN\?\\n', got '\*STB\?\\n'"),
        ([*QUESTIONS, "*STB?"], r"goes on with: close it .* got: write '\*STB\?\\n'"),
    ],
)
def test_strict_replay_refuses_what_was_not_recorded(recording, questions, says):
    with pytest.raises(ReplayError, match=says):
        asked(f"{recording[0]}@replay", questions)


def test_replay_stays_refused_after_a_difference(recording):
    manager, instrument = opened(f"{recording[0]}@replay")
    with pytest.raises(ReplayError):
        instrument.query("*STB?")
    with pytest.raises(ReplayError):
        instrument.query("*IDN?")
    manager.close()


def test_strict_replay_refuses_another_instrument(recording):
    with pytest.raises(ReplayError, match=r"opens .*11.*, got .*13"):
        asked(f"{recording[0]}@replay", ["*IDN?"], MATRIX)


def test_lenient_replay_answers_in_any_order_and_refuses_what_was_never_asked(recording):
    path, (answers, _) = recording
    manager, instrument = opened(f"{path}?lenient@replay")
    assert instrument.query("print(smua.measure.i())") == answers[2]
    assert instrument.query("*IDN?") == answers[0]
    assert instrument.query("print(smua.measure.i())") == answers[3]
    # the last answer stands
    assert instrument.query("print(smua.measure.i())") == answers[3]
    with pytest.raises(ReplayError, match="was not asked"):
        instrument.query("print(smub.measure.i())")
    manager.close()


def test_programs_that_ask_for_a_manager_per_instrument_share_one_recording(tmp_path):
    """PyVISA gives the same manager to whoever asks for the same library; QCoDeS asks once for each instrument."""
    path = tmp_path / "t.jsonl"
    answers = []
    for library in (f"record:{path}>tiox-32x32@labctl@labctl", f"{path}@replay", f"{path}@replay"):
        _, smu = opened(library)
        manager, matrix = opened(library, MATRIX)
        answers.append([smu.query("*IDN?"), matrix.query("*IDN?"), smu.query(QUESTIONS[1])])
        # nobody closes the manager: what was recorded is in the file all the same, and a replay begins anew
        smu.close()
        matrix.close()
        del manager
    assert answers[1] == answers[2] == answers[0]
    assert "707B" in answers[0][1]


def test_programs_that_close_each_instrument_before_the_next_share_one_recording(tmp_path):
    """PyVISA keeps a manager until it is closed, with or without open instruments; so it is without the recorder."""
    path = tmp_path / "t.jsonl"
    answers = []
    for library in (f"record:{path}>tiox-32x32@labctl@labctl", f"{path}@replay", f"{path}@replay"):
        said, managers = [], []
        for resource in (SMU, MATRIX):
            manager, instrument = opened(library, resource)
            said.append(instrument.query("*IDN?"))
            instrument.close()
            managers.append(manager)
        assert managers[0] is managers[1]
        answers.append(said)
    managers[0].close()
    assert answers[1] == answers[2] == answers[0]


def test_time_out_and_status_byte_are_replayed(tmp_path):
    path = tmp_path / "t.jsonl"
    codes = []
    for library in (f"record:{path}>tiox-32x32@labctl@labctl", f"{path}@replay"):
        manager, instrument = opened(library)
        with pytest.raises(pyvisa.errors.VisaIOError) as caught:
            instrument.read()
        codes.append((caught.value.error_code, instrument.read_stb()))
        instrument.clear()
        manager.close()
    assert codes[0] == codes[1]
    assert codes[0][0] == pyvisa.constants.StatusCode.error_timeout


def test_unknown_option_is_refused(recording):
    with pytest.raises(ReplayError, match="lenient"):
        pyvisa.ResourceManager(f"{recording[0]}?fast@replay")


def timed(path, times_s):
    """A recording of so many questions that were asked and answered at these times, after a setting each."""
    lines = ['{"schema":1,"library":"@py"}', f'{{"op":"open","s":1,"t":0.0,"resource":"{SMU}"}}']
    for number, time_s in enumerate(times_s):
        lines.append(f'{{"op":"w","s":1,"t":{time_s - 0.01!r},"d":"SET {number}\\n"}}')
        lines.append(f'{{"op":"w","s":1,"t":{time_s!r},"d":"Q{number}?\\n"}}')
        lines.append(f'{{"op":"r","s":1,"t":{time_s + 0.05!r},"d":"{number}\\n"}}')
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("is_sleeping", [False, True])
@pytest.mark.parametrize("option", ["?paced", "?lenient&paced", "?lenient", ""])
def test_answers_come_in_recorded_time_only_when_paced(option, is_sleeping, tmp_path):
    """0.1, 0.2 and 0.4 s, each answered 0.05 s later; a program that waits itself waits no longer for that."""
    path = timed(tmp_path / "t.jsonl", [0.1, 0.2, 0.4])
    manager, smu = opened(f"{path}{option}@replay")
    begun, answered = time.monotonic(), []
    for number in range(3):
        if is_sleeping:
            time.sleep(0.08)
        smu.write(f"SET {number}")
        assert smu.query(f"Q{number}?") == str(number)
        answered.append(time.monotonic() - begun)
    # the clock tells recorded time in every way of answering
    assert manager.visalib.clock.now_s() == pytest.approx(0.45)
    manager.close()
    due = np.array([0.15, 0.25, 0.45]) if "paced" in option else np.array([0.0, 0.0, 0.0])
    slept = 0.08 * np.arange(1, 4) if is_sleeping else 0.0
    assert np.all(answered >= due - 0.02)
    # a busy machine is late, never by the whole of the times
    assert answered[-1] < np.max(np.maximum(due, slept)) + 0.19


def test_lenient_paced_answer_comes_as_long_behind_the_one_before_it_in_any_order(tmp_path):
    manager, smu = opened(f"{timed(tmp_path / 't.jsonl', [0.1, 0.2, 0.4])}?lenient&paced@replay")
    begun = time.monotonic()
    for number, gap_s in ((2, 0.2), (0, 0.15), (1, 0.1)):
        before = time.monotonic()
        smu.query(f"Q{number}?")
        assert time.monotonic() - before >= gap_s - 0.02
    assert time.monotonic() - begun < 0.45 + 0.3
    manager.close()


def test_lenient_replay_counts_settings_that_were_never_recorded(recording, caplog):
    manager, smu = opened(f"{recording[0]}?lenient@replay")
    smu.write("smua.source.levelv=5")
    smu.query("*IDN?")
    smu.write("smua.source.levelv=6")
    assert caplog.records == []
    manager.close()
    (record,) = caplog.records
    said = record.getMessage()
    assert said.startswith(f"{recording[0]}: 2 writes are not in the recording")
    assert "levelv=5" in said


def test_lenient_replay_names_file_and_message_when_a_question_without_a_mark_was_never_asked(recording):
    """Keysight's FLEX (B1500A) asks without a question mark; what waits for its answer must not time out."""
    manager, smu = opened(f"{recording[0]}?lenient@replay")
    smu.write("TI 1,0")
    with pytest.raises(ReplayError, match=r"t\.jsonl: TCPIP.*'TI 1,0\\n' was not asked.* record this question"):
        smu.read()
    manager.close()


def test_trigger_lock_and_service_request_are_recorded_and_replayed(tmp_path):
    """VPP-4.3 3.6, 3.7, 6.2; IEEE 488.2, 11.3: *OPC with bit 0 of *ESE and bit 5 of *SRE requests service."""
    path = tmp_path / "t.jsonl"
    request = pyvisa.constants.EventType.service_request
    said = []
    for library in (f"record:{path}>single-device@labctl@labctl", f"{path}@replay"):
        manager, smu = opened(library)
        smu.lock_excl()
        smu.enable_event(request, pyvisa.constants.EventMechanism.queue)
        smu.write("*CLS;*ESE 1;*SRE 32;*OPC")
        smu.wait_on_event(request, 1000)
        byte = smu.read_stb()
        smu.assert_trigger()
        smu.unlock()
        with pytest.raises(pyvisa.errors.VisaIOError) as caught:
            smu.wait_on_event(request, 100)
        said.append((byte, caught.value.error_code))
        manager.close()
    assert said[0] == said[1]
    assert said[0][0] & 64
    with TrafficFile(path) as file:
        ops = [one.op for one in file.operations() if one.op != "get"]
    assert ops == ["open", "lock", "w", "wait", "stb", "trigger", "unlock", "wait", "close"]


def test_other_order_of_lock_and_trigger_is_refused(tmp_path):
    path = tmp_path / "t.jsonl"
    manager, smu = opened(f"record:{path}>single-device@labctl@labctl")
    smu.lock_excl()
    smu.assert_trigger()
    manager.close()
    manager, smu = opened(f"{path}@replay")
    with pytest.raises(ReplayError, match=r"line \d+: the recording goes on with: lock .*, got: trigger"):
        smu.assert_trigger()
    manager.close()
