"""Recordings of other programs. Authority: the issue (scpi-replay cassettes, NI I/O Trace text and CSV, PyMeasure
protocol pairs); PyMeasure's own ``expected_protocol``, which runs what was exported, and the forms in which the tests
of its drivers give pairs; NI's help for columns and times, published text logs of NI I/O Trace for the lines of a call.
No cassette of scpi-replay was to be had: those here are written from its description.
"""

import runpy
import subprocess
import sys

import pytest
import pyvisa

from labctl.errors import ReplayError
from labctl.replay.exporting import export_pymeasure
from labctl.replay.importing import FORMATS, import_recording
from labctl.replay.traffic import TrafficFile

PYMEASURE = """
from pymeasure.test import expected_protocol
INIT = [(b"*RST", None), ("*IDN?", "Maker,M,1,2")]
def test_init():
    with expected_protocol(Driver, INIT):
        pass
def test_read():
    with expected_protocol(Driver, [("READ?", b"1.5"), (None, "2.5")], name="x") as inst:
        assert inst.value == 1.5
def test_many(pairs):
    with expected_protocol(Driver, pairs):
        pass
"""
IO_TRACE = """
1.  viOpen (0x00A0, "GPIB0::22::INSTR", 0 (0x0), 0 (0x0), 0x00A1)
> Process ID: 0x00000F5C         Thread ID: 0x00000E2C
> Start Time: 14:35:12.000       Call Duration: 00:00:00.015
> Status: 0 (VI_SUCCESS)

2.  viWrite (GPIB0::22::INSTR (0x00A1), "*IDN?.", 6 (0x6), 6 (0x6))
> Process ID: 0x00000F5C         Thread ID: 0x00000E2C
> Start Time: 14:35:12.250       Call Duration: 00:00:00.001
> Status: 0 (VI_SUCCESS)

3.  viRead (GPIB0::22::INSTR (0x00A1), "Maker,M,1,2.", 1024 (0x400), 12 (0xC))
> Start Time: 14:35:12.500       Call Duration: 00:00:00.002
> Status: 0x3FFF0005 (VI_SUCCESS_TERM_CHAR)
"""
# as published logs have it: no marks in front, no colon behind the duration, a status in words
IO_TRACE_PLAIN = """
4209.  DAQReadNChanNSamp1DWfm ("_unnamedTask<1F>", 12 (0xC), {4.7491E-05,8.75428E-05,...}, "")
Process ID: 0x00009DA8         Thread ID: 0x00005068
Start Time: 14:35:12.0000      Call Duration 00:00:00.0000
Status: 0
4210.  Formatted viWrite (GPIB0::22::INSTR (0x00A1), "*IDN?.", 6 (0x6), 6 (0x6))
Process ID: 0x00009DA8         Thread ID: 0x00005068
Start Time: 14:35:12.2500      Call Duration 00:00:00.0000
Status: 0
4211.  viRead (GPIB0::22::INSTR (0x00A1), "Maker,M,1,2.", 1024 (0x400), 12 (0xC))
Process ID: 0x00009DA8         Thread ID: 0x00005068
Start Time: 14:35:12.5000      Call Duration 00:00:00.0000
Status: 0x3FFF0005 (VI_SUCCESS_TERM_CHAR)
"""
# NI's help: hours : minutes : seconds : milliseconds
IO_TRACE_CSV = """Number,Description,Status,Time,Duration
1,"viWrite (GPIB0::22::INSTR (0x00A1), ""*IDN?."", 6 (0x6), 6 (0x6))",0,14:35:12:250,1
2,"viRead (GPIB0::22::INSTR (0x00A1), ""Maker,M,1,2."", 1024 (0x400), 12 (0xC))",0x3FFF0005,14:35:12:500,2
"""
CASSETTES = (
    '{"version": 1, "target": "192.0.2.1:5025"}\n{"t": 0.5, "cmd": "*IDN?", "resp": "Maker,M,1,2"}\n',
    '{"format": "cassette"}\n{"t": 0.5, "dir": "tx", "data": "*IDN?"}\n{"dir": "rx", "data": "Maker,M,1,2\\n"}\n',
)


def imported(tmp_path, form, text):
    source, target = tmp_path / "source", tmp_path / "t.jsonl"
    source.write_text(text)
    count = import_recording(source, target, form)
    with TrafficFile(target) as file:
        return count, file.header, list(file.operations()), target


def said(operations):
    return [(one.op, one.data) for one in operations if one.op in ("w", "r")]


def test_pymeasure_pairs_become_sessions_and_nothing_is_run(tmp_path):
    count, header, operations, _ = imported(tmp_path, "pymeasure", PYMEASURE + "\nraise SystemExit\n")
    # the pairs of the third are a parameter of the test
    assert count == (6, (11,))
    assert header["library"] == "imported from pymeasure"
    assert [one.facts["resource"] for one in operations if one.op == "open"] == [
        "GPIB0::1::INSTR",
        "GPIB0::2::INSTR",
    ]
    assert said(operations) == [
        ("w", b"*RST\n"),
        ("w", b"*IDN?\n"),
        ("r", b"Maker,M,1,2\n"),
        ("w", b"READ?\n"),
        ("r", b"1.5\n"),
        ("r", b"2.5\n"),
    ]


# each as it is found in the tests of PyMeasure's drivers
MADE = """
INIT = [("*RST", None)]
pairs = [("WRONG", None)]; value = "WRONG"
def test_sum():
    with expected_protocol(Driver, INIT + [("A?", "1")]):
        pass
def test_starred():
    with expected_protocol(Driver, [*INIT, ("B" + "?", b"x" * 2)]):
        pass
def test_element():
    with expected_protocol(Driver, [INIT[0]]), expected_protocol(Driver, comm_pairs=[*INIT]):
        pass
def test_own_name():
    pairs = [("C?", "3")]
    pairs += [("D?", "4")]
    with expected_protocol(Driver, pairs):
        pass
def test_other_own_name():
    pairs = [("E?", "5")]
    with expected_protocol(Driver, pairs):
        pass
def test_changed():
    pairs = []
    pairs.append((f"{F}?", "6"))
    with expected_protocol(Driver, pairs):
        pass
@pytest.mark.parametrize("value", (1, 2))
def test_parameter(value):
    assert value
    with expected_protocol(Driver, [("G?", value)]):
        pass
"""


def test_pymeasure_pairs_are_put_together_as_the_test_does_and_what_it_makes_is_named(tmp_path):
    count, _, operations, _ = imported(tmp_path, "pymeasure", MADE)
    reset = ("w", b"*RST\n")
    assert said(operations) == [
        *(reset, ("w", b"A?\n"), ("r", b"1\n")),
        *(reset, ("w", b"B?\n"), ("r", b"xx\n")),
        reset,
        *(("w", b"C?\n"), ("r", b"3\n"), ("w", b"D?\n"), ("r", b"4\n")),
        *(("w", b"E?\n"), ("r", b"5\n")),
    ]
    # the lines of INIT[0], append and the parameter
    assert count.left_out == (11, 25, 30)


# how often, or whether, the pairs are put together is not told without running it
UNTOLD = {
    "for": """
def test(): # 3 times: 1 + 3 pairs
    pairs = [("A", None)]
    for _ in range(3):
        pairs += [("B?", "1")]
    with expected_protocol(Driver, pairs): pass
""",
    "while": """
def test(n):
    pairs = [("A", None)]
    while n:
        with expected_protocol(Driver, pairs): pass
        pairs.append(("B", None))
""",
    "if": """
def test(flag):
    pairs = [("A", None)]
    if flag:
        pairs = [("B", None)]
    with expected_protocol(Driver, pairs): pass
""",
    "else": """
def test(flag):
    pairs = [("A", None)]
    if flag:
        pairs = [("B", None)]
    else:
        with expected_protocol(Driver, pairs): pass
""",
    "except": """
def test():
    try:
        pairs = [("A", None)]
    except ValueError:
        pairs = [("B", None)]
    with expected_protocol(Driver, pairs): pass
""",
    "case": """
def test(model):
    match model:
        case 1:
            pairs = [("A", None)]
        case _:
            pairs = [("B", None)]
    with expected_protocol(Driver, pairs): pass
""",
    "file": """
INIT = [("A", None)]
def test():
    with expected_protocol(Driver, INIT): pass
for one in "BC":
    INIT.append((one, None))
""",
    "other name": """
INIT = [("A", None)]
def test():
    pairs = INIT
    pairs.append(("B", None))
    with expected_protocol(Driver, INIT): pass
""",
}


@pytest.mark.parametrize("text", UNTOLD.values(), ids=UNTOLD)
def test_pymeasure_pairs_that_hang_on_a_branch_or_a_loop_are_named_not_guessed(text, tmp_path):
    line = next(number for number, one in enumerate(text.splitlines(), start=1) if "expected_protocol" in one)
    count, _, operations, _ = imported(tmp_path, "pymeasure", text + "\nexpected_protocol(Driver, [('Z', None)])\n")
    assert count.left_out == (line,)
    assert said(operations) == [("w", b"Z\n")]


WITHIN = """
def test(flag):
    others = [("A", None)]
    if flag:
        pairs = [*others, ("B", None)]
        with expected_protocol(Driver, pairs): pass
"""


def test_pymeasure_pairs_within_one_branch_are_told(tmp_path):
    assert said(imported(tmp_path, "pymeasure", WITHIN)[2]) == [("w", b"A\n"), ("w", b"B\n")]


@pytest.mark.parametrize("text", [IO_TRACE, IO_TRACE_PLAIN, IO_TRACE_CSV], ids=["text", "published", "csv"])
def test_io_trace_becomes_a_recording(text, tmp_path):
    _, _, operations, _ = imported(tmp_path, "io-trace", text)
    assert said(operations) == [("w", b"*IDN?\n"), ("r", b"Maker,M,1,2\n")]
    assert operations[0].facts["resource"] == "GPIB0::22::INSTR"
    # 14:35:12.25 and a quarter of a second later
    assert [one.wall_s for one in operations[1:3]] == [52512.25, 52512.5]


@pytest.mark.parametrize("text", [IO_TRACE, IO_TRACE_PLAIN, IO_TRACE_CSV], ids=["text", "published", "csv"])
def test_io_trace_keeps_the_status(text, tmp_path):
    _, _, operations, _ = imported(tmp_path, "io-trace", text)
    assert operations[2].status == pyvisa.constants.StatusCode.success_termination_character_read


def test_io_trace_keeps_device_clear_serial_poll_and_trigger_and_counts_what_it_cannot_keep(tmp_path):
    """VPP-4.3: viClear, viReadSTB and viAssertTrigger are operations of a recording; viLock needs a key."""
    calls = [
        ("viClear (GPIB0::22::INSTR (0x00A1))", "0 (VI_SUCCESS)"),
        ("viReadSTB (GPIB0::22::INSTR (0x00A1), 80 (0x50))", "0 (VI_SUCCESS)"),
        ("viReadSTB (GPIB0::22::INSTR (0x00A1), 0 (0x0))", "0xBFFF0015 (VI_ERROR_TMO)"),
        ("viReadSTB (GPIB0::22::INSTR (0x00A1))", "0 (VI_SUCCESS)"),
        ("viAssertTrigger (GPIB0::22::INSTR (0x00A1), 0 (0x0))", "0 (VI_SUCCESS)"),
        ("viLock (GPIB0::22::INSTR (0x00A1), 1 (0x1), 2000 (0x7D0))", "0 (VI_SUCCESS)"),
        ("viGetAttribute (GPIB0::22::INSTR (0x00A1), 0x3FFF001A, 2000 (0x7D0))", "0 (VI_SUCCESS)"),
    ]
    more = "".join(
        f"\n{number}.  {call}\n> Start Time: 14:35:13.000       Call Duration: 00:00:00.001\n> Status: {status}\n"
        for number, (call, status) in enumerate(calls, start=4)
    )
    count, _, operations, _ = imported(tmp_path, "io-trace", IO_TRACE + more)
    done = [(one.op, one.facts.get("v"), one.status) for one in operations[3:-1]]
    assert done == [("clear", None, 0), ("stb", 80, 0), ("stb", 0, -1073807339), ("trigger", None, 0)]
    assert count.steps == 6
    # the poll without a byte, and the lock
    assert count.left_out == (7, 9)


@pytest.mark.parametrize("text", CASSETTES)
def test_cassette_becomes_a_recording_that_is_replayed(text, tmp_path):
    _, _, operations, target = imported(tmp_path, "scpi-replay", text)
    assert said(operations) == [("w", b"*IDN?\n"), ("r", b"Maker,M,1,2\n")]
    assert operations[1].wall_s == 0.5
    manager = pyvisa.ResourceManager(f"{target}@replay")
    name = operations[0].facts["resource"]
    meter = manager.open_resource(name, read_termination="\n", write_termination="\n")
    assert meter.query("*IDN?") == "Maker,M,1,2"
    manager.close()


@pytest.mark.parametrize(
    ("form", "text", "says"),
    [
        ("pymeasure", "def (", "line 1 is no Python"),
        ("pymeasure", "x = 1", "nothing of the form"),
        ("pymeasure", UNTOLD["if"], "messages of line 6 are made by running"),
        ("io-trace", IO_TRACE.replace('"Maker,M,1,2."', '"Maker"'), "call 3: viRead moved 12 bytes and shows 5"),
        ("io-trace", IO_TRACE.replace('"*IDN?.", ', ""), "call 2: viWrite shows no buffer"),
        ("scpi-replay", '{"version": 1}\n{"who": 1}\n', "line 2 has 'who'"),
        ("scpi-replay", '{"version": 1}\nno\n', "line 2 is no JSON"),
    ],
)
def test_what_cannot_be_understood_is_named(form, text, says, tmp_path):
    with pytest.raises(ReplayError, match=says):
        imported(tmp_path, form, text)


@pytest.mark.parametrize("form", FORMATS)
def test_missing_file_is_refused(form, tmp_path):
    with pytest.raises(ReplayError, match="cannot be read"):
        import_recording(tmp_path / "gone", tmp_path / "t.jsonl", form)


@pytest.fixture
def exported(tmp_path, monkeypatch):
    """A recording of two of our instruments, as tests."""
    monkeypatch.setenv("LABCTL_HOME", str(tmp_path / "home"))
    source, target = tmp_path / "r.jsonl", tmp_path / "test_exported.py"
    manager = pyvisa.ResourceManager(f"record:{source}>tiox-32x32@labctl@labctl")
    for number, question in ((11, "print(smua.source.limiti)"), (13, "*OPC?")):
        one = manager.open_resource(
            f"TCPIP0::192.0.2.{number}::inst0::INSTR", read_termination="\n", write_termination="\n"
        )
        one.query("*IDN?")
        one.query(question)
    manager.close()
    return export_pymeasure(source, target), source, target


def test_exported_tests_run_green_against_the_drivers_and_can_fail(exported):
    told, _, target = exported
    assert [line.rpartition(": ")[2] for line in told] == ["Keithley2636B", "Keithley707B"]
    found = runpy.run_path(str(target))
    tests = [name for name in found if name.startswith("test_")]
    assert len(tests) == 2
    for name in tests:
        found[name]()
    # one answer changed in the pairs that are spoken, not in those that are expected
    found["PAIRS_1"][1] = (found["PAIRS_1"][1][0] + b" ", found["PAIRS_1"][1][1])
    speak = found["speak"]
    with (
        pytest.raises(AssertionError),
        found["expected_protocol"](found["Keithley2636B"], [(b"*IDN?", b"other")], name="x") as instrument,
    ):
        speak(instrument, [(b"*IDN?", b"wanted")])


def test_exported_tests_are_found_by_pytest(exported):
    _, _, target = exported
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:pytest-qt", "--rootdir", str(target.parent), "-c", "/dev/null"]
    done = subprocess.run([sys.executable, "-m", "pytest", *options, str(target)], capture_output=True, text=True)
    assert "2 passed" in done.stdout, done.stdout + done.stderr


def test_export_comes_back_by_import(exported, tmp_path):
    _, source, target = exported
    back = tmp_path / "back.jsonl"
    import_recording(target, back, "pymeasure")
    with TrafficFile(source) as one, TrafficFile(back) as other:
        assert said(other.operations()) == said(one.operations())
