"""How the plots and the table of the window hold out while a run grows, beside PyMeasure's in the same test.

Authority: the issue's figures: event-loop lag p99 at most 50 ms and at most 250 ms while a run writes 1,000 points/s
and 1,000,000 points are shown; at most 1 MB of memory per 1,000,000 points watched; a table of 1,000,000 rows in at
most 200 ms. Times depend on the machine and are printed, as memory is; asserted is that all of twice as many points are
shown, and that the second million, which fills no buffer for the first time, takes less than a hundredth of
PyMeasure's. Its plot gets 100,000 points and its table 5,000 rows: more of either takes minutes.
``pytest tests/benchmarks/test_window_speed.py -m slow -s`` shows the figures.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).with_name("window_speed")
POINTS, RATE, SECONDS = 2_000_000, 1000, 20
THEIR_POINTS, THEIR_ROWS = 100_000, 5_000


def measured(script, folder, *arguments):
    folder.mkdir()
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "LABCTL_HOME": str(folder / "home")}
    done = subprocess.run(
        [sys.executable, SCRIPTS / script, folder, *map(str, arguments)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_window_shows_all_points_while_a_run_grows(tmp_path):
    before = os.getloadavg()[0]
    ours = measured("measure_labctl.py", tmp_path / "ours", POINTS, RATE, SECONDS)
    theirs = measured("measure_pymeasure.py", tmp_path / "theirs", THEIR_POINTS, RATE, SECONDS, THEIR_ROWS)
    rows = [
        ("points shown", ours["shown"], theirs["shown"]),
        ("lag p50, live (ms)", ours["live"]["p50_ms"], theirs["live"]["p50_ms"]),
        ("lag p99, live (ms)", ours["live"]["p99_ms"], theirs["live"]["p99_ms"]),
        ("lag max, live (ms)", ours["live"]["max_ms"], theirs["live"]["max_ms"]),
        ("work at a time p99, live (ms)", ours["live"]["work_p99_ms"], theirs["live"]["work_p99_ms"]),
        ("work at a time max, live (ms)", ours["live"]["work_max_ms"], theirs["live"]["work_max_ms"]),
        ("lag p99, reading (ms)", ours["catching_up"]["p99_ms"], float("nan")),
        ("lag max, reading (ms)", ours["catching_up"]["max_ms"], theirs["opens_ms"]),
        ("read (points/s)", ours["catching_up"]["points_per_s"], 1000.0 * THEIR_POINTS / theirs["opens_ms"]),
        ("memory of the first million (MB)", ours["first_half_mb_per_million"], theirs["memory_mb_per_million"]),
        ("memory of the second million (MB)", ours["memory_mb_per_million"], theirs["memory_mb_per_million"]),
        ("table rows", ours["table_rows"], theirs["table_rows"]),
        ("table opens (ms)", ours["table_opens_ms"], theirs["table_opens_ms"]),
        ("slowest jump in the table (ms)", ours["table_jumps_ms"], float("nan")),
        ("100 more rows in the table (ms)", ours["table_grows_ms"], float("nan")),
    ]
    # lag holds the work of everybody else on the machine, work at a time is that of the window's thread alone
    print(f"\nload average {before:.1f} before, {os.getloadavg()[0]:.1f} after, {os.cpu_count()} processors")
    print(f"{'':34}{'labctl':>14}{'PyMeasure':>14}{'ratio':>10}")
    for name, our, their in rows:
        print(f"{name:34}{our:14.1f}{their:14.1f}{our / their:10.3f}")
    assert ours["shown"] == ours["written"] == ours["table_rows"]
    assert ours["written"] >= POINTS + 0.9 * RATE * SECONDS
    assert ours["live"]["samples"] > 0
    # resident memory jumps by some MB with what the allocator keeps: 1 MB is seen on the print, a leak is seen here
    assert ours["memory_mb_per_million"] < 0.01 * theirs["memory_mb_per_million"]
    assert theirs["shown"] >= THEIR_POINTS
