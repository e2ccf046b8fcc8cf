"""What the fault tests share: each states a promise with its counts, and the table of all of them is the report.

``python -m pytest tests/faults --report`` writes ``tests/faults/REPORT.md``; the table is printed in any case.
Property tests draw the same examples in each run. ``LABCTL_EXAMPLES=6000 python -m pytest tests/faults -k properties``
draws so many per property (a million in all), other ones each time.
"""

import os
import platform
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# fixtures of a function are fine here: no property changes what its fixture gave it
_HEALTH = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much]
_EXAMPLES = int(os.environ.get("LABCTL_EXAMPLES", "0"))
settings.register_profile(
    "labctl",
    max_examples=_EXAMPLES or 200,
    derandomize=not _EXAMPLES,
    database=None,
    deadline=None,
    suppress_health_check=_HEALTH,
)
settings.load_profile("labctl")

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
        "| promise | what | trials | failures | worst | seeds | test |",
        "|---|---|---|---|---|---|---|",
    ]
    rows += [
        f"| {line.number} | {line.what} | {line.trials} | {line.failures} | {line.worst} | {line.seed} | {line.test} |"
        for line in lines
    ]
    return "\n".join(rows)
