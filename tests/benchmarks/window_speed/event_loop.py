"""How long the event loop of a window is held up, and how much memory its process has."""

import ctypes
import gc
import statistics
import time
from pathlib import Path

from qtpy.QtCore import QEventLoop, Qt, QTimer

PERIOD_S = 0.005


class LagProbe:
    """A timer of 5 ms; how much later it comes than it should is the lag.

    On a computer that others use, the lag holds their work too; the processor time of this thread between two ticks
    ("work") does not.
    """

    def __init__(self):
        self.lags_s = []
        self.work_s = []
        self.restart()
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._came)
        self._timer.start(int(PERIOD_S * 1000))

    def _came(self):
        now_s, cpu_s = time.perf_counter(), time.thread_time()
        self.lags_s.append(max(now_s - self._last_s - PERIOD_S, 0.0))
        self.work_s.append(cpu_s - self._last_cpu_s)
        self._last_s, self._last_cpu_s = now_s, cpu_s

    def restart(self):
        self.lags_s.clear()
        self.work_s.clear()
        self._last_s, self._last_cpu_s = time.perf_counter(), time.thread_time()

    def figures(self):
        lags_ms = sorted(1000.0 * lag for lag in self.lags_s)
        work_ms = sorted(1000.0 * work for work in self.work_s)
        return {
            "work_p99_ms": work_ms[int(0.99 * (len(work_ms) - 1))],
            "work_max_ms": work_ms[-1],
            "p50_ms": statistics.median(lags_ms),
            "p99_ms": lags_ms[int(0.99 * (len(lags_ms) - 1))],
            "max_ms": lags_ms[-1],
            "samples": len(lags_ms),
        }


def spin(seconds):
    loop = QEventLoop()
    QTimer.singleShot(int(seconds * 1000), loop.quit)
    loop.exec()


def spin_until(is_done, seconds):
    end_s = time.monotonic() + seconds
    while not is_done():
        if time.monotonic() > end_s:
            raise TimeoutError
        spin(0.02)


def kept_mb():
    """Private memory of this process after all that is free was given back; Linux only."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    lines = Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
    kib = {name: int(value.split()[0]) for name, value in (line.split(":") for line in lines)}
    # what is clean comes and goes with the other processes that have it
    return (kib["Private_Dirty"] + kib["Swap"]) * 1024 / 1e6
