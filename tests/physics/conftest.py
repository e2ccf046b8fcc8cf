"""What the physics tests share: the table of the numbers that the models are held to, printed at the end of the run.

Each line is a quantity, what was found, on whose authority, the bar, and whether it held. A number that misses its bar
stands in the table all the same: its test is expected to fail, for the reason that the test gives.
"""

from dataclasses import dataclass

import pytest

_LINES = pytest.StashKey[dict[str, "Line"]]()


@dataclass(frozen=True)
class Line:
    """One line of the table."""

    quantity: str
    found: str
    authority: str
    bar: str
    held: bool
    strain: float


def pytest_configure(config):
    config.stash[_LINES] = {}


@pytest.fixture
def number(request):
    """Record a line: ``number("slope", "-1.02", authority="paper", bar="-1 +- 0.15", held=True, strain=0.13)``.

    Of several lines for one quantity (a test with parameters) the one with the greatest strain stays, the part of the
    bar that is used up; it held if all of them did.
    """

    def record(quantity, found, *, authority, bar, held, strain=0.0):
        lines = request.config.stash[_LINES]
        line = Line(quantity, str(found), authority, bar, bool(held), float(strain))
        before = lines.get(quantity, line)
        worst = max(before, line, key=lambda each: each.strain)
        lines[quantity] = Line(
            quantity, worst.found, worst.authority, worst.bar, before.held and line.held, worst.strain
        )

    return record


def pytest_terminal_summary(terminalreporter, config):
    lines = sorted(config.stash[_LINES].values(), key=lambda line: line.quantity)
    if not lines:
        return
    terminalreporter.section("numbers")
    terminalreporter.write_line("| quantity | found | authority | bar | held |")
    terminalreporter.write_line("|---|---|---|---|---|")
    for line in lines:
        held = "yes" if line.held else "NO"
        terminalreporter.write_line(f"| {line.quantity} | {line.found} | {line.authority} | {line.bar} | {held} |")
