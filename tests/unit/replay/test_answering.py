"""Recording and answering through PyVISA. Authority: the issue; the recorded bench itself, asked without a recorder."""

import json

import pytest
import pyvisa

from labctl.errors import ReplayError

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


def test_strict_replay_names_line_and_both_values_when_a_byte_was_edited(recording):
    path, _ = recording
    lines = path.read_text().splitlines(keepends=True)
    number = next(n for n, line in enumerate(lines, start=1) if "limiti" in line)
    lines[number - 1] = lines[number - 1].replace("limiti", "limitv")
    path.write_text("".join(lines))
    with pytest.raises(ReplayError) as caught:
        asked(f"{path}@replay")
    assert f"line {number}:" in str(caught.value)
    assert "limitv" in str(caught.value)
    assert "limiti" in str(caught.value)


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
