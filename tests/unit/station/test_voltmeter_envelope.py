"""A channel at 0 A inside the envelope. Authority: it drives nothing, and everything else of the envelope stays."""

from types import SimpleNamespace

import pytest

from labctl.errors import EnvelopeError
from labctl.roles import Reading, SourceMeterLimits, VoltageMeter
from labctl.station.guard import Guard
from labctl.station.station_file import Envelope
from labctl.station.voltmeter_envelope import EnvelopedVoltageMeter, enveloped_channel


class Channel:
    limits = SourceMeterLimits(max_voltage_v=200.0, max_current_a=1.5, min_pulse_s=1e-4)

    def __init__(self):
        self.log = []

    def prepare(self, **settings):
        self.log.append("prepare")

    def output_on(self):
        self.log.append("on")

    def output_off(self):
        self.log.append("off")

    def set_voltage(self, voltage_v):
        if voltage_v and self.log[-1] != "prepare":
            raise ValueError("no level at 0 A")
        self.log.append(voltage_v)

    def measure_current(self):
        return Reading(0.0, "A", frozenset(), "")

    def measure_voltage(self):
        return Reading(0.5, "V", frozenset(), "")

    def staircase(self, levels_v, *, dwell_s):
        return []

    def pulse(self, level_v, *, width_s, partner, partner_level_v):
        self.log.append("pulse")


class MeteringChannel(Channel):
    def prepare_voltmeter(self, *, range_v, integration_plc):
        self.log.append(("voltmeter", range_v, integration_plc))


@pytest.fixture
def guard():
    return Guard(Envelope(voltage_v=5.0, current_a=0.06, pulse_width_s=1.0, energy_j=0.05), "here.toml")


def test_voltmeter_is_inside_the_envelope_where_the_driver_has_one(guard):
    meter = enveloped_channel(MeteringChannel(), "smu1.a", guard, lambda: None)
    assert isinstance(meter, EnvelopedVoltageMeter)
    assert isinstance(meter, VoltageMeter)
    plain = enveloped_channel(Channel(), "smu1.b", guard, lambda: None)
    assert not isinstance(plain, VoltageMeter)


def test_voltmeter_goes_on_after_a_read_back_and_stands_at_nothing(guard):
    asked = SimpleNamespace(count=0)

    def read_back():
        asked.count += 1

    inner = MeteringChannel()
    meter = enveloped_channel(inner, "smu1.a", guard, read_back)
    with pytest.raises(EnvelopeError, match="prepare"):
        meter.output_on()
    meter.prepare(voltage_range_v=2.0, current_limit_a=1e-3, measure_range_a=None, integration_plc=1.0)
    meter.set_voltage(1.0)
    meter.set_voltage(0.0)
    meter.prepare_voltmeter(range_v=1.2, integration_plc=0.01)
    meter.output_on()
    assert asked.count == 1
    assert inner.log[-2:] == [("voltmeter", 1.2, 0.01), "on"]
    assert meter.measure_voltage().value == 0.5
    assert meter.prepared_limit_a == 0.0
    assert guard.levels_v["smu1.a"] == 0.0
    # relays may move: nothing drives
    guard.check_cold("mat1")


def test_level_that_the_driver_refuses_leaves_nothing_in_doubt(guard):
    meter = enveloped_channel(MeteringChannel(), "smu1.a", guard, lambda: None)
    meter.prepare_voltmeter(range_v=1.2, integration_plc=0.01)
    with pytest.raises(ValueError, match="no level"):
        meter.set_voltage(0.1)
    assert not guard.in_doubt
