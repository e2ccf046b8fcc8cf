"""A driver that is not ours, unmodified, records through our backend and is replayed without the bench.

Authority: issue "Replay, and the digital twin", Shows 4. QCoDeS where it is installed; PyMeasure's own Keithley 2600
driver, which comes with PyMeasure and knows nothing of labctl, in any case. The bench is served over sockets: there is
nothing in this process that could answer in its place.
"""

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
from pymeasure.instruments.keithley import Keithley2600

from labctl.errors import ReplayError

RACK = Path(__file__).parents[1] / "system" / "rack_4x4"
# what PyMeasure says of its own driver
pytestmark = pytest.mark.filterwarnings("ignore:It is not known whether this device support SCPI:FutureWarning")


@pytest.fixture
def served(tmp_path, monkeypatch):
    """Address of the served source-measure unit, and a way to end the bench."""
    monkeypatch.setenv("LABCTL_HOME", str(tmp_path / "home"))
    rack = shutil.copytree(RACK, tmp_path / "rack")
    options = ["bench", "serve", rack / "bench_4x4.toml", "-s", rack / "rack_4x4.toml", "--port", "0", "--json"]
    process = subprocess.Popen(
        [sys.executable, "-m", "labctl", *map(str, options)], stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    said = json.loads(next(line for line in process.stdout if line.startswith("{")))
    resource = re.search(r'resource = "(TCPIP[^"]*)"', Path(said["file"]).read_text())[1]

    # on a computer that has compiled nothing yet the first measurement takes longer than their time-out of 2 s
    manager = pyvisa.ResourceManager("@py")
    first = manager.open_resource(resource, timeout=120_000, read_termination="\n", write_termination="\n")
    first.query("print(smua.measure.i())")
    manager.close()

    def end():
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)

    yield resource, end
    if process.poll() is None:
        end()


def measure_with_pymeasure(library, resource, *, level_v=0.1):
    smu = Keithley2600(resource, visa_library=library, read_termination="\n", write_termination="\n")
    try:
        found = [smu.ask("*IDN?")]
        for channel in (smu.ChA, smu.ChB):
            channel.source_mode = "voltage"
            channel.compliance_current = 1e-3
            channel.source_voltage = level_v
            channel.source_output = "ON"
            found += [channel.current, channel.voltage, channel.source_voltage, channel.measure_nplc]
            channel.source_output = "OFF"
        return [*found, smu.next_error]
    finally:
        smu.adapter.close()
        smu.adapter.manager.close()


def measure_with_qcodes(library, resource):
    keithley = pytest.importorskip("qcodes.instrument_drivers.Keithley", reason="QCoDeS is not installed")
    smu = keithley.Keithley2636B("smu", resource, visalib=library)
    try:
        smu.smua.limiti(1e-3)
        smu.smua.volt(0.1)
        smu.smua.output("on")
        found = [smu.get_idn(), smu.smua.curr(), smu.smua.volt()]
        smu.smua.output("off")
        return found
    finally:
        smu.close()


@pytest.mark.parametrize("measure", [measure_with_pymeasure, measure_with_qcodes])
@pytest.mark.slow
def test_driver_of_others_is_recorded_and_replayed_with_the_bench_gone(measure, served, tmp_path):
    resource, end = served
    file = tmp_path / "t.jsonl"
    # QCoDeS and PyVISA itself look behind the last @ for the backend
    recorded = measure(f"record:{file}>@py@labctl", resource)
    end()
    assert measure(f"{file}@replay", resource) == recorded
    assert "2636B" in str(recorded[0])


def test_replay_tells_where_the_driver_of_others_does_something_else(served, tmp_path):
    resource, end = served
    file = tmp_path / "t.jsonl"
    measure_with_pymeasure(f"record:{file}>@py@labctl", resource)
    end()
    number = next(n for n, line in enumerate(file.read_text().splitlines(), start=1) if "levelv=" in line)
    with pytest.raises(ReplayError, match=rf"line {number}: .*levelv=0\.1.*, got .*levelv=0\.2"):
        measure_with_pymeasure(f"{file}@replay", resource, level_v=0.2)
