"""A day of points through the writer: memory, log and file descriptors stay flat.

Authority: the project's reliability bar, promise P18 (24 h at 100 points/s is 8.64 million points, compressed).
"""

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

CHILD = textwrap.dedent("""
    import json, os, sys
    from pathlib import Path
    from labctl.store import RunHeader, RunWriter

    folder, points, every = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    columns = ["Row", "Column", "Voltage (V)", "Current (A)", "Conductance (S)", "Flags"]
    writer = RunWriter.create(folder, RunHeader("soak", columns), durable_intents=False)
    log = writer.path.with_name(writer.path.name + "-wal")
    for number in range(points):
        if number % 100 == 0:
            writer.intent(number, {"Row": number % 33, "Voltage (V)": 1.5})
        current_a = number * 1e-9 / 7
        writer.point(
            {
                "Row": number % 33,
                "Column": number // 33 % 33,
                "Voltage (V)": 0.2,
                "Current (A)": current_a,
                "Conductance (S)": current_a / 0.2,
                "Flags": f"note {number}" if number % 97 == 0 else None,
            },
            number,
        )
        if number % 10_000 == 0:
            writer.event("note", f"{number} points")
        if number % every == every - 1:
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            open_now = [len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))]
            print(json.dumps([number + 1, pages * os.sysconf("SC_PAGE_SIZE"), log.stat().st_size, *open_now]))
    status = writer.seal("finished", {})
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    print(json.dumps([status, pages * os.sysconf("SC_PAGE_SIZE"), writer.acknowledged]))
""")


def soak(folder, points, every):
    command = [sys.executable, "-c", CHILD, str(folder), str(points), str(every)]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    *samples, end = map(json.loads, lines)
    assert (end[0], end[2]) == ("finished", points)
    return np.array(samples, dtype=float), end[1]


def check(folder, promise, points, every, warm_up, slope_limit_mb):
    samples, at_end = soak(folder, points, every)
    warm = samples[samples[:, 0] > warm_up]
    slope_mb = np.polyfit(warm[:, 0] / 1e6, warm[:, 1] / 2**20, 1)[0]
    total_mb = (max(warm[:, 1].max(), at_end) - warm[0, 1]) / 2**20
    log_mb = samples[:, 2].max() / 2**20
    growing = [name for place, name in ((3, "descriptors"), (4, "threads")) if np.ptp(warm[:, place])]
    failures = int(slope_mb > slope_limit_mb) + int(total_mb > 50.0) + int(log_mb > 64.0) + len(growing)
    worst = f"{slope_mb:.2f} MB per million, {total_mb:.1f} MB in all, log {log_mb:.1f} MB"
    promise("P18", f"growth of memory, log, descriptors over {points} points", trials=1, failures=failures, worst=worst)
    assert growing == []
    assert slope_mb <= slope_limit_mb, worst
    assert total_mb <= 50.0, worst
    assert log_mb <= 64.0, worst


needs_proc = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc, of Linux")


@needs_proc
@pytest.mark.slow
def test_memory_and_log_stay_flat_when_a_run_has_many_points(tmp_path, promise):
    # the allocator takes memory in pieces of up to 1 MB: over 0.3 million points, one piece is 3 MB per million
    check(tmp_path, promise, 400_000, 10_000, 100_000, 4.0)


@needs_proc
@pytest.mark.long
def test_memory_and_log_stay_flat_when_a_run_lasts_a_day(tmp_path, promise):
    check(tmp_path, promise, 8_640_000, 40_000, 1_000_000, 1.0)
