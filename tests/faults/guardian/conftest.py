"""The rack, a measuring process and the guardian's log, as the guardian's tests meet them."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

HERE = Path(__file__).parent
LATENCY_S = 0.02


class RackProcess:
    """Client of ``rack.py``."""

    def __init__(self, *kinds):
        self.kinds = kinds
        command = [sys.executable, str(HERE / "rack.py"), str(LATENCY_S), *kinds]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.ports = json.loads(self.process.stdout.readline())

    @property
    def resources(self):
        return [(kind.partition("-")[0], port) for kind, port in zip(self.kinds, self.ports, strict=True)]

    def ask(self, **request):
        self.process.stdin.write(json.dumps(request).encode("ascii") + b"\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def log(self, what):
        return [(time_s, number, fact) for time_s, number, kind, fact in self.ask()["log"] if kind == what]

    def wait_until_off(self, but=(), within_s=20.0):
        """Return when the last output went off by the rack's own log; inf if one stayed on."""
        until_s = time.monotonic() + within_s
        while time.monotonic() < until_s:
            answer = self.ask()
            if not any(on for number, on in enumerate(answer["on"]) if number not in but):
                return max(row[0] for row in answer["log"] if row[2] == "outputs" and not row[3] and row[1] not in but)
            time.sleep(0.005)
        return float("inf")

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


class Measuring:
    """A measuring process; see ``measuring.py``."""

    def __init__(self, rack, log, heartbeat_s):
        rack.ask(do="reset")
        self.log = log
        orders = {"resources": rack.resources, "log": str(log), "heartbeat_s": heartbeat_s}
        command = [sys.executable, str(HERE / "measuring.py"), json.dumps(orders)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        word, self.guardian_pid = self.hear().split()
        assert word == "on"
        assert all(rack.ask()["on"])

    def hear(self):
        return self.process.stdout.readline().decode("ascii").strip()

    def tell(self, word):
        self.process.stdin.write(word.encode("ascii") + b"\n")
        self.process.stdin.flush()

    def told_when(self, word):
        self.tell(word)
        return float(self.hear())

    def wait(self):
        code = self.process.wait(timeout=60)
        self.process.stdin.close()
        self.process.stdout.close()
        return code

    def log_lines(self):
        text = self.log.read_text(encoding="utf-8") if self.log.exists() else ""
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]

    def wait_for_log(self, beginning, within_s=20.0):
        until_s = time.monotonic() + within_s
        while time.monotonic() < until_s:
            found = [line for line in self.log_lines() if line["event"].startswith(beginning)]
            if found:
                return found[-1]
            time.sleep(0.01)
        raise AssertionError(f"no {beginning!r} in {self.log_lines()}")


@pytest.fixture
def make_rack():
    """Return a function that starts a rack."""
    if sys.platform == "win32":
        pytest.skip(
            "the rack and its clients wait for their standard input by select, which Windows has for sockets only"
        )
    racks = []

    def make(*kinds):
        racks.append(RackProcess(*kinds))
        return racks[-1]

    yield make
    for rack in racks:
        rack.close()


@pytest.fixture
def make_measuring(tmp_path):
    """Return a function that starts a measuring process on a rack, with a guardian's log of its own."""
    started = []

    def make(rack, heartbeat_s=1.0):
        started.append(Measuring(rack, tmp_path / f"{len(started)}.guardian.log", heartbeat_s))
        return started[-1]

    yield make
    for measuring in started:
        if measuring.process.poll() is None:
            measuring.process.kill()
            measuring.wait()
