"""A driver that is not ours, unmodified, records through our backend and is replayed without the bench.

Authority: issue "Replay, and the digital twin", Shows 4. PyMeasure's own Keithley 2600 driver, which comes with
PyMeasure and knows nothing of labctl. Not here: QCoDeS (`test_qcodes`).
"""

import pytest
from pymeasure.instruments.keithley import Keithley2600

from labctl.errors import ReplayError

# what PyMeasure says of its own driver
pytestmark = pytest.mark.filterwarnings("ignore:It is not known whether this device support SCPI:FutureWarning")


def measure_with_pymeasure(library, resource, *, level_v=0.1):
    # a computer that stands still for some seconds is not what this test is about
    smu = Keithley2600(resource, visa_library=library, timeout=60_000, read_termination="\n", write_termination="\n")
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


@pytest.mark.slow
def test_driver_of_others_is_recorded_and_replayed_with_the_bench_gone(served, tmp_path):
    resources, end = served
    file = tmp_path / "t.jsonl"
    # PyVISA itself looks behind the last @ for the backend
    recorded = measure_with_pymeasure(f"record:{file}>@py@labctl", resources["smu1"])
    end()
    assert measure_with_pymeasure(f"{file}@replay", resources["smu1"]) == recorded
    assert "2636B" in str(recorded[0])


def test_replay_tells_where_the_driver_of_others_does_something_else(served, tmp_path):
    resources, end = served
    file = tmp_path / "t.jsonl"
    measure_with_pymeasure(f"record:{file}>@py@labctl", resources["smu1"])
    end()
    number = next(n for n, line in enumerate(file.read_text().splitlines(), start=1) if "levelv=" in line)
    with pytest.raises(ReplayError, match=rf"line {number}: .*levelv=0\.1.*, got .*levelv=0\.2"):
        measure_with_pymeasure(f"{file}@replay", resources["smu1"], level_v=0.2)
