"""Drivers on the simulated 2450 and 2400: PyMeasure's, unmodified, through VISA, and our own.

Authorities: PyMeasure 0.16's Keithley2400 and Keithley2450 as independent readings of the manuals; Ohm's law at a known
resistor; the times of Series 2400 User's Manual 2400S-900-01 Rev. K, appendix A. Not here: the instruments by
themselves (``test_keithley2400_simulated.py``, ``test_keithley2450_simulated.py``).
"""

from contextlib import suppress
from itertools import product

import pytest
import pyvisa
from pymeasure.instruments.keithley import Keithley2400 as PyMeasure2400
from pymeasure.instruments.keithley import Keithley2450 as PyMeasure2450

from labctl.errors import InstrumentFault, UnconfirmedError
from labctl.roles import Flag
from labctl_instruments.keithley.keithley2400 import Keithley2400
from labctl_instruments.keithley.keithley2450 import Keithley2450
from labctl_mock.bench.terminals import Measured
from labctl_mock.keithley.keithley2400 import SimulatedKeithley2400
from labctl_mock.keithley.keithley2450 import SimulatedKeithley2450

RESISTANCE_OHM = 100e3
GPIB = "GPIB0::24::INSTR"
USB = "USB0::0x05E6::0x2450::04400001::INSTR"
BOTH = [(SimulatedKeithley2400, Keithley2400), (SimulatedKeithley2450, Keithley2450)]


def connect(sourcemeters, *crosspoints):
    """Close relays; the pad's resistors hang between a line and column 105."""
    matrix = sourcemeters.open_resource("TCPIP0::192.0.2.13::inst0::INSTR")
    matrix.write(f"channel.close('{','.join(crosspoints)}')")


def test_gpib_resource_opens_and_is_listed(sourcemeters):
    # VPP-4.3 section 4.3.1
    assert GPIB in sourcemeters.list_resources()
    resource = sourcemeters.open_resource(GPIB)
    assert resource.interface_type == pyvisa.constants.InterfaceType.gpib
    assert "MODEL 2400" in resource.query("*IDN?")
    resource.write(":READ?")
    assert resource.read_stb() & 4
    resource.clear()
    assert resource.query(":SYST:ERR?").strip() == '+803,"Not permitted with OUTPUT off"'


def test_pymeasure_keithley2400_works_unmodified(sourcemeters):
    # 2450 at 0 V on the line, 2400 on the pad: 100 kohm between them
    connect(sourcemeters, "1A01", "1B05")
    sourcemeters.open_resource(USB).write(":SOUR:VOLT 0;:OUTP ON")
    driver = PyMeasure2400(GPIB, visa_library=sourcemeters.visalib)
    driver.reset()
    driver.reset_data_format()
    driver.source_mode = "voltage"
    driver.source_voltage_range = 2
    driver.compliance_current = 1e-3
    driver.source_voltage = 1.0
    driver.current_nplc = 1
    driver.source_enabled = True
    # 0.02 % + 600 uV, 0.027 % + 700 pA, and the other unit's 200 uV; lines and relays are a few ohms
    assert driver.current == pytest.approx(1e-5, rel=2e-3)
    assert driver.voltage == pytest.approx(1.0, rel=2e-3)
    everything = driver.measure_all()
    assert everything["resistance"] == pytest.approx(100e3, rel=3e-3)
    assert everything["status"] & 1 << 12
    assert driver.source_mode == "voltage"
    assert driver.compliance_current == 1e-3
    assert driver.output_off_state == "NORM" or driver.output_off_state == "normal"
    driver.trigger_count = 5
    driver.buffer_points = 5
    driver.write(":TRAC:CLE;:TRAC:FEED SENS;:TRAC:FEED:CONT NEXT;:STAT:MEAS:ENAB 512;*SRE 1")
    driver.start_buffer()
    driver.wait_for_buffer(interval=0.0)
    assert len(driver.buffer_data) == 25
    assert driver.mean_current == pytest.approx(1e-5, rel=2e-3)
    driver.source_enabled = False
    assert driver.source_enabled is False
    assert driver.next_error[0] == 0


def test_pymeasure_keithley2450_works_unmodified(sourcemeters):
    # 2400 at 0 V on the pad, 2450 on the line: 100 kohm between them
    connect(sourcemeters, "1A01", "1B05")
    sourcemeters.open_resource(GPIB).write(":SENS:CURR:PROT 1e-3;:SOUR:VOLT 0;:OUTP ON")
    driver = PyMeasure2450(USB, visa_library=sourcemeters.visalib)
    driver.write("*RST")
    driver.apply_voltage(voltage_range=2, compliance_current=1e-3)
    driver.source_voltage = 1.0
    driver.enable_source()
    driver.measure_current(nplc=1, auto_range=True)
    # 0.02 % + 300 uV, 0.025 % + 700 pA, and the other unit's 600 uV; lines and relays are a few ohms
    assert driver.current == pytest.approx(1e-5, rel=2e-3)
    driver.measure_voltage()
    assert driver.voltage == pytest.approx(1.0, rel=2e-3)
    assert driver.source_mode == "voltage"
    assert driver.compliance_current == 1e-3
    assert driver.source_enabled
    assert driver.check_errors() == []
    driver.ramp_to_voltage(0.5, steps=3, pause=0.0)
    assert driver.source_voltage == 0.5
    driver.disable_source()
    assert not driver.source_enabled
    assert driver.check_errors() == []
    # its buffer methods send words of the 2400, as its own docstring says
    driver.write(":TRAC:FEED SENSE;:TRAC:FEED:CONT NEXT")
    assert driver.next_error[0] == -113


@pytest.mark.parametrize(("resource", "other", "driver_class"), [(GPIB, USB, Keithley2400), (USB, GPIB, Keithley2450)])
def test_our_driver_reads_steps_and_pulses(sourcemeters, resource, other, driver_class):
    connect(sourcemeters, "1A01", "1B05")
    sourcemeters.open_resource(other).write(":SOUR:VOLT 0;:OUTP ON")
    driver = driver_class(resource, visa_library=sourcemeters.visalib)
    channel = driver.a
    assert driver.identity().model == driver.MODEL
    assert driver.drain_errors() == []
    channel.prepare(voltage_range_v=2.0, current_limit_a=1e-3, measure_range_a=None, integration_plc=1.0)
    channel.output_on()
    channel.set_voltage(0.5)
    reading = channel.measure_current()
    assert reading.value == pytest.approx(5e-6, rel=4e-3)
    assert reading.flags == frozenset()
    assert channel.measure_voltage().value == pytest.approx(0.5, rel=3e-3)
    steps = channel.staircase([0.1, -0.2, 0.3], dwell_s=0.02)
    assert [step.value for step in steps] == pytest.approx([1e-6, -2e-6, 3e-6], abs=2e-8)
    channel.pulse(1.5, width_s=5e-3, partner=None, partner_level_v=0.0)
    driver.verify_settings()
    driver.settle()
    assert driver.settings()[":SENS:CURR:NPLC"] == 1.0
    assert (driver.drain_errors(), driver.link_events) == ([], [])
    assert not driver.is_off()
    driver.safe_off()
    assert driver.is_off()


# what comes on top of a pulse: the 2400 converts and computes (appendix A), the 2450 recalls (assumed)
EXTRA_S = {Keithley2400: 0.8e-3, Keithley2450: 0.3e-3}


@pytest.mark.parametrize("width_s", [2e-3, 10e-3, 0.2])
@pytest.mark.parametrize(("model", "driver_class"), BOTH)
def test_pulse_lasts_at_least_its_width(make_driver, model, driver_class, width_s):
    rack, driver = make_driver(model, driver_class)
    driver.a.prepare(voltage_range_v=2.0, current_limit_a=1e-3, measure_range_a=None, integration_plc=1.0)
    driver.a.output_on()
    rack.circuit.past.clear()
    driver.a.pulse(1.25, width_s=width_s, partner=None, partner_level_v=0.0)
    assert width_s <= rack.circuit.held_s(1.25) <= width_s + EXTRA_S[driver_class]
    assert abs(rack.terminal.level) < 1e-3
    # ranges, integration and delay are those of before
    driver.a.verify()
    driver.a.set_voltage(1.0)
    assert driver.a.measure_current().value == pytest.approx(1e-5, rel=2e-3)


@pytest.mark.parametrize(("model", "driver_class"), BOTH)
def test_staircase_holds_each_level_for_its_dwell(make_driver, model, driver_class):
    rack, driver = make_driver(model, driver_class)
    driver.a.prepare(voltage_range_v=2.0, current_limit_a=1e-3, measure_range_a=1e-4, integration_plc=0.1)
    driver.a.output_on()
    rack.circuit.past.clear()
    levels_v = [0.5, 1.0, -1.5]
    found = driver.a.staircase(levels_v, dwell_s=0.05)
    assert [one.value for one in found] == pytest.approx([level_v / RESISTANCE_OHM for level_v in levels_v], rel=5e-3)
    for level_v in levels_v:
        # auto-zero measures reference and zero too: two more integrations of 2 ms
        assert 0.05 <= rack.circuit.held_s(level_v) <= 0.06
    assert abs(rack.terminal.level) < 1e-3


@pytest.mark.parametrize(("model", "driver_class"), BOTH)
def test_long_staircase_goes_in_parts_of_a_hundred_levels(make_driver, model, driver_class):
    # 2400S-900-01 section 18 and 2461-901-01 6-101: up to 100 values in one list command, 2500 in all
    _, driver = make_driver(model, driver_class)
    driver.a.prepare(voltage_range_v=2.0, current_limit_a=1e-3, measure_range_a=1e-4, integration_plc=0.01)
    driver.a.output_on()
    found = driver.a.staircase([0.01 * index for index in range(150)], dwell_s=0.0)
    assert len(found) == 150
    assert found[-1].value == pytest.approx(1.49e-5, rel=5e-3)
    assert driver.drain_errors() == []


@pytest.mark.parametrize(("model", "driver_class"), BOTH)
def test_compliance_and_over_range_are_flags(make_driver, model, driver_class):
    rack, driver = make_driver(model, driver_class)
    driver.a.prepare(voltage_range_v=2.0, current_limit_a=5e-6, measure_range_a=None, integration_plc=1.0)
    driver.a.output_on()
    driver.a.set_voltage(1.0)
    reading = driver.a.measure_current()
    assert reading.value == pytest.approx(5e-6, rel=2e-3)
    assert reading.flags == frozenset({Flag.COMPLIANCE})
    driver.a.set_voltage(0.0)
    steps = driver.a.staircase([0.1, 1.0], dwell_s=0.0)
    assert [step.flags for step in steps] == [frozenset(), frozenset({Flag.COMPLIANCE})]
    # the top of a fixed range holds the output too
    driver.a.prepare(voltage_range_v=2.0, current_limit_a=1e-3, measure_range_a=1e-6, integration_plc=1.0)
    driver.a.set_voltage(1.0)
    assert Flag.COMPLIANCE in driver.a.measure_current().flags
    rack.circuit.measure = lambda terminal, *, aperture_s: Measured(1.0, 1e-5, False)
    reading = driver.a.measure_current()
    assert (reading.value, reading.flags) == (None, frozenset({Flag.OVERRANGE}))


@pytest.mark.parametrize(("model", "driver_class"), BOTH)
def test_automatic_range_goes_up_instead_of_over_range(make_driver, model, driver_class):
    # 2461-901-01 2-127: a measurement, noise and error and all, that reaches 105 % takes the next range
    rack, driver = make_driver(model, driver_class)
    driver.a.prepare(voltage_range_v=2.0, current_limit_a=1e-3, measure_range_a=None, integration_plc=0.01)
    driver.a.output_on()
    for edge_a, part in product((1.05e-5, 1.055e-5), range(-10, 11)):
        amps = edge_a * (1.0 + 1e-5 * part)
        rack.circuit.measure = lambda terminal, *, aperture_s, amps=amps: Measured(1.0, amps, False)
        reading = driver.a.measure_current()
        assert (reading.value, reading.flags) == (pytest.approx(amps, rel=2e-3), frozenset()), part


@pytest.mark.parametrize(("model", "driver_class"), BOTH)
def test_settings_change_when_limits_and_ranges_change_in_any_order(make_driver, model, driver_class):
    rack, driver = make_driver(model, driver_class)
    for volt, limit_a, range_a in [(2, 1e-3, 1e-4), (200, 0.1, 1e-6), (20, 1.0, 0.1), (0.2, 1e-5, None), (20, 1, 1.0)]:
        driver.a.prepare(voltage_range_v=volt, current_limit_a=limit_a, measure_range_a=range_a, integration_plc=0.1)
        driver.a.verify()
        assert driver.drain_errors() == []
        held_a = rack.smu._smu.limits["VOLT"]
        assert held_a == pytest.approx(limit_a)


@pytest.mark.parametrize(("model", "driver_class"), BOTH)
def test_message_that_arrives_twice_pulses_once(make_driver, model, driver_class):
    # the start takes the list out of play: what comes after it finds 0 V, or nothing to start
    rack, driver = make_driver(model, driver_class)
    driver.a.prepare(voltage_range_v=2.0, current_limit_a=1e-3, measure_range_a=None, integration_plc=1.0)
    driver.a.output_on()
    write = rack.write
    word = ":READ?" if driver_class is Keithley2400 else ":INIT"
    rack.write = lambda text: [write(text) for _ in range(2 if word in text else 1)]
    rack.circuit.past.clear()
    # an interrupted query is told, not hidden
    with suppress(UnconfirmedError, InstrumentFault):
        driver.a.pulse(1.25, width_s=0.01, partner=None, partner_level_v=0.0)
    assert 0.01 <= rack.circuit.held_s(1.25) <= 0.011
    assert abs(rack.terminal.level) < 1e-3
