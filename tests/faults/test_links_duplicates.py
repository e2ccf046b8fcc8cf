"""P12: a message that arrives twice stimulates once, or its row is in doubt.

Authority: reference/reliability.md, P12 (exactly once, or flagged). Seen by the bench's oracle, not by the drivers.
"""

import pytest
import pyvisa

from labctl.errors import UnconfirmedError
from labctl_instruments import drivers


@pytest.fixture(name="rack")
def _rack(tmp_path, monkeypatch):
    monkeypatch.setenv("LABCTL_HOME", str(tmp_path))
    manager = pyvisa.ResourceManager("tiox-32x32@labctl")
    bench = manager.visalib._bench
    names = {key: resource for resource, key in bench.resources.items()}
    opened = {
        key: drivers()[driver](names[key], name=key, visa_library=manager.visalib)
        for key, driver in (("smu1", "keithley.Keithley2636B"), ("gen1", "keysight.Keysight33622A"))
    }
    smu, generator = opened["smu1"], opened["gen1"]
    for channel in (smu.a, smu.b):
        channel.prepare(voltage_range_v=2.0, current_limit_a=1e-4, measure_range_a=1e-5, integration_plc=0.1)
        channel.output_on()
    generator.prepare(width_s=1e-5, edge_s=1e-8)
    generator.set_levels({1: 1.0, 2: -0.9})
    generator.output_on()
    yield bench, smu, generator
    for driver in opened.values():
        driver.adapter.close()
    manager.close()


def test_pulse_is_given_once_when_its_message_arrives_twice(rack):
    bench, smu, _ = rack
    bench.inject_faults("command_duplicated@smu1:delay#1-")
    for number in range(3):
        smu.a.pulse(1.0, width_s=1e-3, partner=smu.b, partner_level_v=-0.9)
        assert sum(bench.oracle.pulses.values()) == number + 1
        assert smu.b.measure_current().value is not None
    assert len(bench.oracle.faults) == 3


def test_staircase_is_given_once_when_its_messages_arrive_twice(rack):
    bench, smu, _ = rack
    bench.inject_faults("command_duplicated@smu1:labctl_levels#1-")
    assert len(smu.a.staircase([1.0, 1.2, 1.4], dwell_s=1e-3)) == 3
    assert sum(bench.oracle.pulses.values()) == 3
    assert len(bench.oracle.faults) == 2


def test_trigger_that_arrives_twice_is_in_doubt_as_nothing_tells_how_often_it_was_obeyed(rack):
    bench, _, generator = rack
    generator.drain_errors()
    bench.inject_faults(r"command_duplicated@gen1:\*TRG")
    with pytest.raises(UnconfirmedError, match="obeyed twice"):
        generator.fire()
    assert sum(bench.oracle.pulses.values()) == 2
    generator.fire()
    assert sum(bench.oracle.pulses.values()) == 3
