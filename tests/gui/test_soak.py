"""The real window with a real run, for a minute; ``LABCTL_SOAK_S=600`` for the ten of issue 5.

Authority: issue 5 ("soak >= 10 minutes without a crash (60 s in CI)").
"""

import itertools
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from labctl.gui.desk import Desk
from labctl.gui.main_window import MainWindow
from labctl.gui.panels import PANELS
from labctl.store import open_run

SOAK_S = float(os.environ.get("LABCTL_SOAK_S", "60"))
STEP_MS = 400
PAUSE_STEPS = 20
# what is drawn and kept for some ten thousand points, and caches of Qt
MOST_GROWTH_MB = 60.0


def memory_mb():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


@pytest.fixture
def live_run(home, root):
    arguments = ["run", "sweep_iv", "-s", "single-device", "-p", "cycles=100000", "-o", str(root), "--quiet"]
    run = subprocess.Popen(
        [sys.executable, "-m", "labctl", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    yield run
    if run.poll() is None:
        run.kill()
    run.communicate()


@pytest.fixture
def window(qtbot, home, root):
    window = MainWindow(Desk(root))
    window.resize(1280, 800)
    window.show()
    yield window
    window.close_unasked()
    window.deleteLater()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_window_stays_whole_when_a_run_goes_on_and_everything_is_used(qtbot, window, live_run, capsys):
    window.begin("single-device")
    qtbot.waitUntil(lambda: window.desk.feed is not None and window.desk.feed.count > 0, timeout=60_000)
    bar = window.run_bar
    begun_s, warm_mb = time.monotonic(), 0.0
    panels = itertools.cycle(entry.name for entry in PANELS)
    for step in itertools.count():
        gone_s = time.monotonic() - begun_s
        if gone_s > SOAK_S:
            break
        window.desk.show(next(panels))
        if step % PAUSE_STEPS == PAUSE_STEPS // 2:
            window.menu.scheme_actions["dark" if step % (2 * PAUSE_STEPS) < PAUSE_STEPS else "light"].trigger()
            bar.pause_or_continue()
            qtbot.waitUntil(lambda: window.desk.feed.status == "paused", timeout=20_000)
            bar.pause_or_continue()
            qtbot.waitUntil(lambda: window.desk.feed.status == "running", timeout=20_000)
        if not warm_mb and gone_s > SOAK_S / 4:
            warm_mb = memory_mb()
        qtbot.wait(STEP_MS)
    grown_mb = memory_mb() - warm_mb
    points = window.desk.feed.count
    bar.abort()
    qtbot.waitUntil(lambda: window.desk.feed.status == "aborted", timeout=30_000)
    with capsys.disabled():
        print(f"\nsoak of {SOAK_S:g} s: {points} points watched, memory grew by {grown_mb:.1f} MB after the warm-up")
    qtbot.waitUntil(lambda: window.desk.feed.count == open_run(window.desk.feed.path).summary()["points"], timeout=5000)
    assert points > 100
    assert window.isVisible()
    assert [entry.as_text() for entry in window.log.model.entries if entry.severity == "error"] == []
    assert grown_mb < MOST_GROWTH_MB
