"""What recording and replaying VISA traffic costs. Authority: the figures of the issue "Replay, and the digital twin":
recording at most 20 % of the time of a question in process and 5 % over a socket, 50,000 questions a second replayed,
50 MB for a file of 1 GB. Ratios are taken in one run; ``pytest tests/benchmarks/test_traffic_speed.py -m slow -s``
shows the figures.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import pyvisa
from pyvisa.constants import StatusCode

from labctl.replay.answering import ReplayLibrary
from labctl.replay.traffic import TrafficFile
from labctl.replay.writing import new_traffic_file

pytestmark = pytest.mark.slow

SMU = "TCPIP0::192.0.2.11::inst0::INSTR"
QUESTION = "print(smua.measure.i())"
RACK = Path(__file__).parents[1] / "system" / "rack_4x4"
# two lines each: some are put into words and written in every turn
EACH = 34
# what PyVISA itself takes for a question, on the core on which 50,000 a second were asked for: 142,000 a second
MOST_OF_PYVISA = 142.0 / 50.0

# the library is open and has replayed something before the file that counts is opened
MEMORY = """
import json, re, sys, tempfile, pyvisa
from pathlib import Path

def peak_kb():
    # unlike getrusage, not that of the process which started this one
    return re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1]

def opened(name):
    manager = pyvisa.ResourceManager(name + "@replay")
    return manager, manager.open_resource(sys.argv[2], read_termination="\\n", write_termination="\\n")

file, mark, option = sys.argv[1].partition("?")
with tempfile.TemporaryDirectory() as folder:
    short = Path(folder, "short.jsonl")
    with open(file) as whole:
        short.write_text("".join(whole.readline() for _ in range(4)))
    manager, smu = opened(str(short) + mark + option)
    smu.query("CURV?")
    before = peak_kb()
manager, smu = opened(sys.argv[1])
for _ in range(int(sys.argv[3])):
    smu.query("CURV?")
print(before, peak_kb())
"""


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("LABCTL_HOME", str(tmp_path / "home"))


def opened(library, resource=SMU):
    manager = pyvisa.ResourceManager(library)
    return manager, manager.open_resource(resource, read_termination="\n", write_termination="\n")


def written(path, count, question, answer):
    with path.open("w") as file:
        file.write(json.dumps({"schema": 1, "library": "@py", "rack_clock": True}) + "\n")
        file.write(f'{{"op":"open","s":1,"t":0.0,"r":0.0,"resource":"{SMU}"}}\n')
        for number in range(count):
            time_s = number * 1e-3
            rest = f'"s":1,"t":{time_s!r},"r":{time_s!r}'
            file.write(f'{{"op":"w",{rest},"d":"{question}\\n"}}\n')
            file.write(f'{{"op":"r",{rest},"st":1073676293,"d":"{answer}\\n","n":20480}}\n')
    return path


class Nothing(ReplayLibrary):
    """Answers at once, whatever is asked: what is left is PyVISA."""

    def write(self, session, data):
        return len(data), StatusCode.success

    def read(self, session, count):
        status = StatusCode.success_termination_character_read
        self._last_status_in_session[session] = status
        return b"1.23456e-06\n", status


def cpu_s(smu, count):
    begun = time.process_time()
    for _ in range(count):
        smu.query(QUESTION)
    return (time.process_time() - begun) / count


@pytest.mark.parametrize("option", ["", "?lenient"])
@pytest.mark.parametrize("is_protected", [False, True])
def test_replay_takes_little_more_than_pyvisa_itself(option, is_protected, tmp_path):
    each, turns = 10_000, 16
    path = written(tmp_path / "t.jsonl", each * turns, QUESTION, "1.23456e-06")
    with path.open("a") as file:
        file.write('{"op":"close","s":1,"t":0.0}\n')
    if is_protected:
        with TrafficFile(path) as file, new_traffic_file(tmp_path / "p.jsonl", "@py", {"rack_clock": True}) as out:
            for done in file.operations():
                out.write(json.dumps(dict(done.facts), separators=(",", ":")))
        path = tmp_path / "p.jsonl"
    manager, smu = opened(f"{path}{option}@replay")
    library, nothing = smu.visalib, Nothing(f"{path}?paced")
    nothing._last_status_in_session = {}
    replayed, bare = [], []
    for _ in range(turns):
        smu.visalib = library
        replayed.append(cpu_s(smu, each))
        smu.visalib = nothing
        bare.append(cpu_s(smu, each))
    smu.visalib = library
    manager.close()
    # turn by turn, so that no single lucky turn counts
    ratio = float(np.median(np.array(replayed) / np.array(bare)))
    print(f"\n{option or 'strict'} {'with checks' if is_protected else 'without'}:")
    print(f"replay {1 / min(replayed):,.0f} questions/s, PyVISA alone {1 / min(bare):,.0f}, ratio {ratio:.2f}")
    assert ratio < MOST_OF_PYVISA


def recording_costs(smu, *, turns):
    """Return seconds of a question in process and on the wall, recorded and not: (cpu, wall) for each, in turn."""
    recorder = smu.visalib
    times = {recorder: [], recorder._inner: []}
    smu.query(QUESTION)
    for turn in range(turns):
        # who is first changes, so that neither always comes after the other
        for library in list(times)[:: 1 if turn % 2 else -1]:
            smu.visalib = library
            begun = time.process_time(), time.perf_counter()
            for _ in range(EACH):
                smu.query(QUESTION)
            ended = time.process_time(), time.perf_counter()
            times[library].append([(end - begin) / EACH for begin, end in zip(begun, ended, strict=True)])
    smu.visalib = recorder
    return np.array(times[recorder]), np.array(times[recorder._inner])


def test_recording_in_process_adds_no_more_than_a_fifth(tmp_path):
    manager, smu = opened(f"record:{tmp_path / 't.jsonl'}>tiox-32x32@labctl@labctl")
    recorded, bare = recording_costs(smu, turns=91)
    manager.close()
    part = np.median(recorded[:, 0] / bare[:, 0]) - 1.0
    print(f"\nrecording adds {100 * part:.1f} % to {QUESTION} in process")
    assert part < 0.20


def test_recording_over_a_socket_adds_no_more_than_a_twentieth(tmp_path):
    rack = shutil.copytree(RACK, tmp_path / "rack")
    served = ["bench", "serve", rack / "bench_4x4.toml", "-s", rack / "rack_4x4.toml", "--port", "0", "--json"]
    process = subprocess.Popen(
        [sys.executable, "-m", "labctl", *map(str, served)], stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    try:
        said = json.loads(next(line for line in process.stdout if line.startswith("{")))
        resource = re.search(r'resource = "(TCPIP[^"]*)"', Path(said["file"]).read_text())[1]
        manager, smu = opened(f"record:{tmp_path / 't.jsonl'}>@py@labctl", resource)
        recorded, bare = recording_costs(smu, turns=120)
        manager.close()
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    # the time of the processor that it adds, beside the time of an answer, each at its shortest: what else the
    # machine does counts neither here nor there
    (recorded_s, _), (bare_s, answer_s) = recorded.min(axis=0), bare.min(axis=0)
    part = (recorded_s - bare_s) / answer_s
    on_the_wall = np.median(recorded[:, 1] / bare[:, 1]) - 1.0
    print(
        f"\nrecording adds {1e6 * (recorded_s - bare_s):.1f} us of the processor to {1e6 * answer_s:.0f} us of "
        f"{QUESTION} over a socket, {100 * part:.1f} % where 5 % are asked (median of the time that passed:"
        f" {100 * on_the_wall:.1f} %)"
    )
    assert part < 0.05


def written_at_once(path, size_bytes, answer):
    """Write so many bytes of exchanges, a thousand at a time, all at the same moment; return how many."""
    lines = [json.dumps({"schema": 1, "library": "@py", "rack_clock": True})]
    lines.append(f'{{"op":"open","s":1,"t":0.0,"r":0.0,"resource":"{SMU}"}}')
    ask = '{"op":"w","s":1,"t":12.345678,"r":12.345678,"d":"CURV?\\n"}'
    reply = f'{{"op":"r","s":1,"t":12.345678,"r":12.345678,"st":1073676293,"d":"{answer}\\n","n":20480}}'
    block = f"{ask}\n{reply}\n".encode() * 1000
    blocks = -(-size_bytes // len(block))
    with path.open("wb") as file:
        file.write("\n".join([*lines, ""]).encode())
        for _ in range(blocks):
            file.write(block)
        file.write(b'{"op":"close","s":1,"t":13.0}\n')
    return 1000 * blocks


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
@pytest.mark.parametrize(
    ("option", "readings", "part"),
    [
        # curves of 140 readings, all of them; in any order short ones count, each has its place in the look-up
        pytest.param("", 140, 1.0, id="strict"),
        pytest.param("?lenient", 10, 0.02, id="lenient"),
    ],
)
def test_file_of_1_gb_is_replayed_with_50_mb_of_memory(option, readings, part, tmp_path):
    path = tmp_path / "t.jsonl"
    count = written_at_once(path, 1_000_000_000, ",".join(["+1.234567E-06"] * readings))
    size = path.stat().st_size
    assert size >= 1_000_000_000
    asked = int(part * count)
    command = [sys.executable, "-c", MEMORY, f"{path}{option}", SMU, str(asked)]
    begun = time.perf_counter()
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    path.unlink()
    before, after = (int(number) / 1024 for number in told)
    print(
        f"\n{size / 1e6:.0f} MB of {count:,} exchanges, {asked:,} asked {option or 'strictly'} in"
        f" {time.perf_counter() - begun:.0f} s: {before:.0f} MB before, {after - before:.1f} MB more at most"
    )
    assert after - before <= 50.0
