"""An instrument that loses power in mid-run, without a word on the link, is noticed at the next thing it is asked.

Authority: reference/reliability.md, section 2 ("instrument power cycle": treat as total loss of configuration). The
simulated rack knows what its instruments forget.
"""

import pytest
import pyvisa

from labctl.errors import InstrumentFault
from labctl_instruments import drivers

RESOURCES = {"keithley.Keithley2636B": "smu1", "keysight.Keysight33622A": "gen1", "keithley.Keithley707B": "mat1"}


@pytest.fixture(name="rack")
def _rack(tmp_path, monkeypatch):
    monkeypatch.setenv("LABCTL_HOME", str(tmp_path))
    manager = pyvisa.ResourceManager("tiox-32x32@labctl")
    bench = manager.visalib._bench
    names = {key: resource for resource, key in bench.resources.items()}
    opened = {
        key: drivers()[driver](names[key], name=key, visa_library=manager.visalib) for driver, key in RESOURCES.items()
    }
    smu, generator, matrix = opened["smu1"], opened["gen1"], opened["mat1"]
    matrix.open_all()
    matrix.close(["1A01", "1B02"])
    for channel in (smu.a, smu.b):
        channel.prepare(voltage_range_v=2.0, current_limit_a=1e-4, measure_range_a=1e-5, integration_plc=0.1)
        channel.output_on()
    generator.prepare(width_s=1e-5, edge_s=1e-8)
    generator.set_levels({1: 0.3, 2: -0.2})
    generator.output_on()
    yield opened, bench.instruments
    for driver in opened.values():
        driver.adapter.close()
    manager.close()


ACTIONS = {
    "reading": ("smu1", lambda smu: smu.a.measure_current()),
    "reading of the voltage": ("smu1", lambda smu: smu.b.measure_voltage()),
    "pulse": ("smu1", lambda smu: smu.a.pulse(0.1, width_s=1e-3, partner=smu.b, partner_level_v=-0.1)),
    "staircase": ("smu1", lambda smu: smu.a.staircase([0.1, 0.2], dwell_s=1e-3)),
    "trigger": ("gen1", lambda generator: generator.fire()),
    "exchange": ("mat1", lambda matrix: matrix.exchange(opening=["1A01"], closing=["1A03"])),
    "smu": ("smu1", lambda smu: smu.resynchronise()),
    "generator": ("gen1", lambda generator: generator.resynchronise()),
    "matrix": ("mat1", lambda matrix: matrix.resynchronise()),
}


@pytest.mark.parametrize("what", sorted(ACTIONS))
def test_loss_of_power_is_a_fault_at_the_next_answer(rack, what):
    opened, instruments = rack
    key, act = ACTIONS[what]
    act(opened[key])
    instruments[key].power_cycle()
    with pytest.raises(InstrumentFault, match="prepare it anew"):
        act(opened[key])


def test_settings_hold_on_a_rack_that_kept_its_power(rack):
    opened, _ = rack
    for driver in opened.values():
        driver._in_step = False
        driver.resynchronise()
        assert "opened again" in driver.link_events[-1]
        assert driver.drain_errors() == []


def test_generator_refuses_a_level_beyond_those_that_were_set(rack):
    # 33500 guide p. 323: a level beyond the voltage limit is refused with -221
    opened, _ = rack
    opened["gen1"].send(":SOUR1:VOLT:HIGH 5")
    assert opened["gen1"].settings()["1.SOUR:VOLT:HIGH"] == pytest.approx(0.304)
    assert opened["gen1"].drain_errors()[0].startswith("-221")
