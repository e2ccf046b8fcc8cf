"""Reads every file of a hostile corpus in a process that watches itself; told what it saw as JSON on standard output.

Started by test_hostile_files.py: ``hostile_reader.py FOLDER``; ``manifest.json`` there holds [reader, file] pairs.
"""

import json
import os
import shutil
import sys
import sysconfig
import time
from pathlib import Path

import matplotlib  # noqa: F401 - what readers import lazily is there before the watch begins
import numpy as np
import pandas as pd
import pyarrow.parquet  # noqa: F401
import xarray as xr

from labctl.array import Levels, load_target, parse_cells
from labctl.errors import LabError
from labctl.physics.metal_oxide import MetalOxideLaw
from labctl.physics.presets import load_preset
from labctl.station.station_file import read_station_file
from labctl.store import export
from labctl.store.reader import Run
from labctl_mock.bench.bench_file import load_bench_file
from labctl_mock.bench.die_store import DieIdentity, load_die
from labctl_mock.bench.overrides import read_overrides

try:
    from labctl.store.verify import verify_run
except ImportError:
    verify_run = None
try:
    from labctl.store.recover import recover_run
except ImportError:
    recover_run = None

LEVELS = Levels(25e-6, 200e-6, 8)
IDENTITY = DieIdentity("b", "d", 2, 2, 1)
FORBIDDEN = {
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.fork",
    "os.forkpty",
    "os.posix_spawn",
    "os.startfile",
    "pty.spawn",
    "socket.connect",
    "socket.bind",
    "socket.getaddrinfo",
    "pickle.find_class",
    "sqlite3.load_extension",
    "sqlite3.enable_load_extension",
    "marshal.loads",
    "code.__new__",
    "webbrowser.open",
    "urllib.Request",
    "ctypes.dlopen",
}
CHANGES = {"os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.chmod", "os.link", "os.symlink", "os.truncate"}


def read_run(path, out):
    run = Run(path)
    with run:
        run.summary()
        run.rows()
        run.table()
        run.events()
        run.progress()
        _ = (run.parameters, run.parameter_texts, run.instruments, run.seal, run.status, run.columns)
        run.arrays()
    for to in ("csv", "hdf5", "parquet"):
        export(run, to, out)


def read_die(path, out):
    load_die(path, IDENTITY)


READERS = {
    "station": lambda path, out: read_station_file(path),
    "bench": lambda path, out: load_bench_file(path),
    "preset": lambda path, out: MetalOxideLaw.from_preset(load_preset(path)),
    "overrides": lambda path, out: read_overrides(path),
    "target": lambda path, out: load_target(str(path), (2, 2), LEVELS),
    "mask": lambda path, out: parse_cells(str(path), (2, 2)),
    "die": read_die,
    "run": read_run,
    "verify": lambda path, out: verify_run(path),
    "recover": lambda path, out: recover_run(path, out),
}
if verify_run is None:
    del READERS["verify"]
if recover_run is None:
    del READERS["recover"]


def peak_bytes():
    """The most memory that this process ever had."""
    try:
        import resource
    except ImportError:
        import psutil

        return psutil.Process().memory_info().peak_wset
    kilobyte = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * kilobyte


def empty(folder):
    shutil.rmtree(folder)
    folder.mkdir()


class Watch:
    """Notes every audit event that reading must never raise."""

    def __init__(self, folder, out):
        self.on, self.seen = False, []
        self.out = os.path.abspath(out)
        paths = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
        root = Path(__file__).parents[2]
        self.roots = tuple(str(path) for path in (*paths, sys.prefix, sys.base_prefix, root) if path)

    def __call__(self, event, arguments):
        if not self.on:
            return
        if event in FORBIDDEN:
            self.note(event, arguments)
        elif event == "exec":
            name = getattr(arguments[0], "co_filename", "?")
            # dataclasses and the like make functions of their own at import; those are lazily imported modules of ours
            if not name.startswith((*self.roots, "<frozen", "<string>", "<__array_function__", "<lambdifygenerated")):
                self.note(event, name)
        elif event == "open" and isinstance(arguments[0], (str, bytes)):
            path, mode, flags = os.fsdecode(arguments[0]), arguments[1] or "", arguments[2] or 0
            writes = any(letter in mode for letter in "wax+") or flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if writes and not self.inside(path):
                self.note("open for writing", path)
        elif event in CHANGES and isinstance(arguments[0], (str, bytes)):
            path = os.fsdecode(arguments[0])
            if not self.inside(path):
                self.note(event, path)

    def inside(self, path):
        return os.path.abspath(path).startswith(self.out) or path == os.devnull or "__pycache__" in path

    def note(self, event, detail):
        self.seen.append(f"{event}: {str(detail)[:200]}")


def main():
    folder = Path(sys.argv[1])
    out = Path(sys.argv[2])
    try:
        import resource

        limit = 6 << 30
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        resource.setrlimit(resource.RLIMIT_FSIZE, (256 << 20, 256 << 20))
    except ImportError:
        pass
    pd.DataFrame({"a": [1.0]}).to_json()
    xr.Dataset({"a": ("x", np.zeros(2))})
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    # good files first: whatever is imported lazily is imported by them
    for reader, name in manifest["good"]:
        if reader in READERS:
            READERS[reader](folder / name, out)
    empty(out)
    watch = Watch(folder, out)
    sys.addaudithook(watch)
    report = {"files": 0, "readers": sorted(READERS), "refused": 0, "problems": [], "slowest_s": 0.0, "peak_bytes": 0}
    for reader, name in manifest["hostile"]:
        if reader not in READERS:
            continue
        report["files"] += 1
        outcome = "read"
        before = peak_bytes()
        start = time.perf_counter()
        watch.on = True
        try:
            READERS[reader](folder / name, out)
        except LabError:
            report["refused"] += 1
        except BaseException as error:  # noqa: BLE001 - every other kind of error is the finding
            outcome = f"{type(error).__name__}: {str(error)[:200]}"
        watch.on = False
        took = time.perf_counter() - start
        peak = peak_bytes() - before
        if outcome != "read":
            report["problems"].append([reader, name, outcome])
        report["problems"] += [[reader, name, what] for what in watch.seen]
        watch.seen.clear()
        # generous for a loaded machine; a bomb takes minutes
        if took > 8.0:
            report["problems"].append([reader, name, f"took {took:.1f} s"])
        if peak > (200 << 20):
            report["problems"].append([reader, name, f"took {peak >> 20} MiB"])
        report["slowest_s"] = max(report["slowest_s"], took)
        report["peak_bytes"] = max(report["peak_bytes"], peak)
        empty(out)
    print(json.dumps(report))


main()
