"""What must not be loaded before it is needed: the issue wants a window in 3 s and a curve in ten.

PyMeasure brings Pandas with it; what a run needs only at its end, or never, comes later or not at all.
"""

import json
import subprocess
import sys

import pytest

from labctl_procedures import procedures

HEAVY = {"scipy.stats", "scipy.optimize", "sklearn", "matplotlib", "xarray", "h5py", "netCDF4", "IPython", "zmq"}
# PyMeasure's experiments load them where they are installed
OF_PYMEASURE = {"IPython", "zmq"}
ONLY_IN_RUNS = {"pandas", "pyarrow", "pymeasure", "pyvisa", "numba", "labctl_procedures", "labctl.station.station"}

WINDOW = "import labctl.gui.main_window"
WORKER = "import labctl.cli.main, labctl.run.queue.worker"
STATIONS = "from labctl.station import read_station_file; read_station_file('single-device')"
RUN = """
import sys
from labctl.station import Station
import labctl.cli.main
class Opened(Exception): pass
def opened(*_, **__): raise Opened
Station.open = opened
sys.argv[1:] = ["run", "read_array", "-s", "tiox-32x32", "-p", "cells=0,0", "-p", "read_voltage=0.1 V", "-q"]
try:
    labctl.cli.main.main()
except Opened:
    pass
else:
    raise AssertionError("it never opened the station")
"""


def loaded(script, home):
    """Return the modules that a new process has loaded at the end of a script."""
    told = f"{script}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", told], capture_output=True, text=True, check=False, cwd=home, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    # what PyMeasure logs about packages that are not there is nobody's business
    assert done.stderr == ""
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("script", [WINDOW, WORKER, STATIONS], ids=["window", "queue's worker", "station file"])
def test_process_loads_nothing_of_runs_when_it_starts_none(tmp_path, monkeypatch, script):
    monkeypatch.setenv("LABCTL_HOME", str(tmp_path / "home"))
    assert loaded(script, tmp_path) & (HEAVY | ONLY_IN_RUNS) == set()


def test_run_loads_only_its_own_procedure_when_it_opens_the_station(tmp_path, monkeypatch):
    monkeypatch.setenv("LABCTL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LABCTL_DATA_ROOT", str(tmp_path / "runs"))
    modules = loaded(RUN, tmp_path)
    assert modules & (HEAVY - OF_PYMEASURE | {"numba", "labctl_mock"}) == set()
    known = {f"labctl_procedures.{name}" for name in procedures()}
    assert modules & known == {"labctl_procedures.read_array"}


def test_units_of_the_suite_need_no_table_of_all_units(tmp_path):
    script = (
        "import labctl.units\n"
        "def built(): raise AssertionError('the table takes 0.3 s to build')\n"
        "labctl.units._registry = built\n"
        "from labctl_procedures import procedures\n"
        "for kind in dict(procedures()).values(): kind()\n"
    )
    assert "pint" in loaded(script, tmp_path)
