"""The traffic file. Authority: issue "Replay, and the digital twin" (what is recorded, what a difference must name)."""

import json
import subprocess
import sys
import threading

import pytest
import pyvisa
from hypothesis import given
from hypothesis import strategies as st
from pyvisa.constants import StatusCode

from labctl.errors import ReplayError
from labctl.replay.traffic import OPERATIONS, SCHEMA, TrafficFile
from labctl.replay.writing import TrafficWriter


def written(path, *lines):
    header = json.dumps({"schema": SCHEMA, "library": "@py", "rack_clock": False})
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


def test_operations_come_back_as_they_were_noted(tmp_path):
    path = tmp_path / "t.jsonl"
    writer = TrafficWriter(path, "@py", {"rack_clock": True}, iter([0.0, 1.5, 2.5, 4.5]).__next__)
    writer.note("open", 1, 0, rest=',"resource":"ASRL1::INSTR"')
    writer.note("w", 1, 0, b"*IDN?\r\n")
    writer.note("r", 1, 1073676294, b"\x00\xff#\n", ',"n":20')
    writer.note("r", 1, -1073807339, b"")
    writer.close()
    with TrafficFile(path) as file:
        found = list(file.operations())
    assert [one.op for one in found] == ["open", "w", "r", "r"]
    assert [one.line for one in found] == [2, 3, 4, 5]
    assert [one.data for one in found] == [b"", b"*IDN?\r\n", b"\x00\xff#\n", b""]
    assert [one.rack_s for one in found] == [0.0, 1.5, 2.5, 4.5]
    assert [one.status for one in found] == [0, 0, 1073676294, -1073807339]
    assert found[2].facts["n"] == 20


@given(st.lists(st.binary(max_size=60), min_size=1, max_size=20))
def test_any_bytes_come_back(tmp_path_factory, contents):
    path = tmp_path_factory.mktemp("any") / "t.jsonl"
    writer = TrafficWriter(path, "@py", {})
    for data in contents:
        writer.note("w", 1, 0, data)
    writer.close()
    with TrafficFile(path) as file:
        assert [one.data for one in file.operations()] == contents


LAST_WORDS = """
import os, signal, sys, time
from pathlib import Path
from labctl.replay.writing import TrafficWriter
writer = TrafficWriter(Path(sys.argv[1]), "@py", {})
writer.note("w", 1, 0, b"output on")
# the program waits for its device, and is killed before the next operation
for _ in range(200):
    time.sleep(0.05)
    if Path(sys.argv[1]).read_text().count("\\n") == 2:
        break
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is of POSIX")
def test_last_operation_is_in_the_file_when_the_program_is_killed_in_a_pause(tmp_path):
    path = tmp_path / "t.jsonl"
    done = subprocess.run([sys.executable, "-c", LAST_WORDS, str(path)], check=False)
    assert done.returncode == -9
    with TrafficFile(path) as file:
        assert [one.data for one in file.operations()] == [b"output on"]


@pytest.fixture
def quick_turns():
    """Threads take turns as often as can be."""
    usual_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual_s)


def test_no_line_is_lost_or_twice_when_several_threads_note_and_flush(tmp_path, quick_turns):
    path, each = tmp_path / "t.jsonl", 20_000
    writer = TrafficWriter(path, "@py", {})

    def note(session):
        for number in range(each):
            writer.note("w", session, 0, str(number).encode())
            if number % 100 == 0:
                writer.flush()

    threads = [threading.Thread(target=note, args=(session,)) for session in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.close()
    with TrafficFile(path) as file:
        found = list(file.operations())
    for session in (1, 2, 3):
        assert [int(one.data) for one in found if one.session == session] == list(range(each))


NO_ROOM = """
import resource, signal, sys
from pathlib import Path
from labctl.replay.writing import TrafficWriter
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
writer = TrafficWriter(Path(sys.argv[1]), "@py", {})
usual, most = resource.getrlimit(resource.RLIMIT_FSIZE)
for number in range(3000):
    if number == 600:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, most))
    if number == 1500:
        resource.setrlimit(resource.RLIMIT_FSIZE, (usual, most))
    try:
        writer.note("w", 1, 0, str(number).encode())
    except OSError:
        pass
writer.close()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="RLIMIT_FSIZE is of POSIX")
def test_no_line_is_lost_or_twice_when_there_was_no_room_for_a_while(tmp_path):
    path = tmp_path / "t.jsonl"
    subprocess.run([sys.executable, "-c", NO_ROOM, str(path)], check=True)
    with TrafficFile(path) as file:
        assert [int(one.data) for one in file.operations()] == list(range(3000))


def test_lines_are_given_to_the_system_again_when_it_refused_them_once(tmp_path, monkeypatch):
    path, turns, is_again = tmp_path / "t.jsonl", [], threading.Event()
    usual = TrafficWriter.flush

    def flush(writer):
        if writer.path != path:
            # of another test, which left it open
            return
        turns.append(writer)
        if len(turns) == 1:
            raise OSError("no space left on device")
        usual(writer)
        is_again.set()

    monkeypatch.setattr(TrafficWriter, "flush", flush)
    writer = TrafficWriter(path, "@py", {})
    writer.note("w", 1, 0, b"output on")
    # a fifth of a second each; however long the computer stalls
    assert is_again.wait(30.0)
    assert path.read_text().count("\n") == 2
    writer.close()


def test_recording_is_never_written_over(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text("something else")
    with pytest.raises(ReplayError, match="never written over"):
        TrafficWriter(path, "@py", {})
    assert path.read_text() == "something else"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"op":"w","s":1,"t":0.1,"d":"*ID', "line 3 is cut or damaged"),
        ('["op"]', "line 3 is cut or damaged"),
        ('{"op":"sing","s":1,"t":0.1}', r"line 3 .*'sing'"),
        ('{"op":"w","s":1,"d":"x"}', "line 3 is no operation"),
        ('{"op":"w","s":1,"t":0.1,"x":"???"}', "line 3 is no operation"),
        ('{"op":"w","s":1,"t":0.1,"d":"µ"}', "line 3 is no operation"),
    ],
)
def test_damaged_line_is_named(tmp_path, line, says):
    path = written(tmp_path / "t.jsonl", '{"op":"open","s":1,"t":0.0,"resource":"ASRL1::INSTR"}', line)
    with TrafficFile(path) as file, pytest.raises(ReplayError, match=says):
        list(file.operations())


def test_line_without_end_is_named(tmp_path):
    path = written(tmp_path / "t.jsonl", '{"op":"w","s":1,"t":0.1,"d":"a"}')
    path.write_bytes(path.read_bytes()[:-1])
    with TrafficFile(path) as file, pytest.raises(ReplayError, match="line 2 is cut"):
        list(file.operations())


@pytest.mark.parametrize("header", ['{"a":1}', "3", "#Procedure: x", json.dumps({"schema": SCHEMA + 1})])
def test_foreign_or_newer_file_is_refused(tmp_path, header):
    path = tmp_path / "t.jsonl"
    path.write_text(header + "\n")
    with pytest.raises(ReplayError, match=r"no header|cut or damaged|newer labctl"):
        TrafficFile(path)


def test_every_operation_has_words():
    assert all(OPERATIONS.values())


def test_long_answer_is_recorded_in_pieces_without_a_warning(tmp_path):
    """PyVISA reads on where an answer is longer than its buffer, and warns of it only whoever reads without PyVISA."""
    path = tmp_path / "t.jsonl"
    manager = pyvisa.ResourceManager(f"record:{path}>tiox-32x32@labctl@labctl")
    smu = manager.open_resource("TCPIP0::192.0.2.11::inst0::INSTR", read_termination="\n", write_termination="\n")
    smu.chunk_size = 8
    answer = smu.query("*IDN?")
    manager.close()
    with TrafficFile(path) as file:
        read = [one for one in file.operations() if one.op == "r"]
    assert b"".join(one.data for one in read).decode("ascii").strip() == answer
    assert {one.status for one in read[:-1]} == {StatusCode.success_max_count_read}
