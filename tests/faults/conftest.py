"""What the fault tests share: each states a promise with its counts, and the table of all of them is the report.

``python -m pytest tests/faults --report`` writes ``tests/faults/REPORT.md``; the table is printed in any case.
"""

import platform
import sys
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

_LINES = pytest.StashKey[list["Line"]]()


@dataclass(frozen=True)
class Line:
    """One line of the report."""

    number: str
    what: str
    trials: int
    failures: int
    worst: str
    seed: str
    test: str


def pytest_addoption(parser):
    parser.addoption("--report", action="store_true", help="write tests/faults/REPORT.md")


def pytest_configure(config):
    config.stash[_LINES] = []


@pytest.fixture
def promise(request):
    """Record a line: ``promise("P1", "points lost after SIGKILL", trials=30, failures=0, worst="", seed="0..29")``."""

    def record(number, what, *, trials, failures, worst="", seed=""):
        name = request.node.nodeid.rpartition("/")[2]
        request.config.stash[_LINES].append(Line(number, what, trials, failures, str(worst), str(seed), name))

    return record


class Pulse(threading.Thread):
    """Wakes every 5 ms, and notes when this computer did not let it."""

    def __init__(self):
        super().__init__(daemon=True)
        self.is_over = threading.Event()
        self.gaps, self.woke_s = [], time.monotonic()

    def run(self):
        while not self.is_over.wait(0.005):
            now_s = time.monotonic()
            if now_s - self.woke_s > 0.02:
                self.gaps.append((self.woke_s, now_s))
            self.woke_s = now_s

    def ran_s(self, since_s, until_s):
        """Return how long this computer ran between two moments of the monotonic clock."""
        while self.woke_s < min(until_s, time.monotonic() - 0.005):
            time.sleep(0.001)
        stood_still_s = sum(max(0.0, min(end_s, until_s) - max(begin_s, since_s)) for begin_s, end_s in self.gaps)
        return until_s - since_s - stood_still_s


@pytest.fixture
def ran_s():
    """Return :meth:`Pulse.ran_s`: promises are about our programs, not about a computer that stands still itself."""
    pulse = Pulse()
    pulse.start()
    yield pulse.ran_s
    pulse.is_over.set()
    pulse.join()


def pytest_terminal_summary(terminalreporter, config):
    lines = sorted(config.stash[_LINES], key=lambda line: (int(line.number[1:]), line.test))
    if not lines:
        return
    text = report(lines)
    terminalreporter.section("promises")
    terminalreporter.write_line(text)
    if config.getoption("--report", default=False):
        Path(__file__).with_name("REPORT.md").write_text(text + "\n", encoding="utf-8", newline="\n")


def report(lines):
    """Return the table as Markdown."""
    rows = [
        "# What the fault tests counted",
        "",
        f"Python {platform.python_version()} on {sys.platform}, {datetime.now(UTC):%Y-%m-%d}. Written by"
        " `python -m pytest tests/faults -m 'not long' --report`.",
        "",
        "Delays of the guardian and of ownership are without the time in which the computer itself stood still: a"
        " thread that wakes every 5 ms was kept from it for more than 20 ms.",
        "",
        "| promise | what | trials | failures | worst | seeds | test |",
        "|---|---|---|---|---|---|---|",
    ]
    rows += [
        f"| {line.number} | {line.what} | {line.trials} | {line.failures} | {line.worst} | {line.seed} | {line.test} |"
        for line in lines
    ]
    return "\n".join(rows)
