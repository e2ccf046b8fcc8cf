"""A bench that is served over sockets: nothing in the process of the test could answer in its place."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import pyvisa

RACK = Path(__file__).parents[1] / "system" / "rack_4x4"


@pytest.fixture
def served(tmp_path, monkeypatch):
    """Addresses of the served instruments by name, and a way to end the bench."""
    monkeypatch.setenv("LABCTL_HOME", str(tmp_path / "home"))
    rack = shutil.copytree(RACK, tmp_path / "rack")
    options = ["bench", "serve", rack / "bench_4x4.toml", "-s", rack / "rack_4x4.toml", "--port", "0", "--json"]
    process = subprocess.Popen(
        [sys.executable, "-m", "labctl", *map(str, options)], stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    said = json.loads(next(line for line in process.stdout if line.startswith("{")))
    station = Path(said["file"]).read_text()
    resources = dict(re.findall(r'\[instruments\.(\w+)\][^\[]*?resource = "(TCPIP[^"]*)"', station))

    # on a computer that has compiled nothing yet the first measurement takes longer than their time-out of 2 s
    manager = pyvisa.ResourceManager("@py")
    first = manager.open_resource(resources["smu1"], timeout=120_000, read_termination="\n", write_termination="\n")
    first.query("print(smua.measure.i())")
    manager.close()

    def end():
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)

    yield resources, end
    if process.poll() is None:
        end()
