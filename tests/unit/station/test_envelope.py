"""No stimulus outside the envelope reaches a driver. Authority: the rules in data/labctl_data/stations/README.md."""

from math import inf, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labctl.errors import EnvelopeError
from labctl.roles import PulseSource, SourceMeter
from labctl.station.envelope import EnvelopedPulseSource, EnvelopedSourceMeter
from labctl.station.guard import Guard
from labctl.station.station_file import Envelope

LIMITS = Envelope(voltage_v=3.0, current_a=0.05, pulse_width_s=0.5, energy_j=2e-3)
PREPARED = {"voltage_range_v": 20.0, "measure_range_a": 1e-5, "integration_plc": 1.0}


class Rack:
    """Two channels and a generator inside one envelope."""

    def __init__(self, meters, generator, limits=LIMITS):
        self.guard = guard = Guard(limits, "stations/small.toml")
        self.fakes = (*meters, generator)
        self.asked = []
        self.a = EnvelopedSourceMeter(meters[0], "smu1.a", guard, lambda: self.asked.append("a"))
        self.b = EnvelopedSourceMeter(meters[1], "smu1.b", guard, lambda: self.asked.append("b"))
        self.generator = EnvelopedPulseSource(generator, "gen1", guard, lambda: self.asked.append("gen"))

    def prepare(self, current_limit_a=1e-3):
        self.a.prepare(current_limit_a=current_limit_a, **PREPARED)
        self.b.prepare(current_limit_a=current_limit_a, **PREPARED)
        self.generator.prepare(width_s=1e-5, edge_s=1e-8)
        for fake in self.fakes:
            fake.calls.clear()

    def sent(self):
        return [call for fake in self.fakes for call in fake.calls]


@pytest.fixture
def rack(meters, generator):
    rack = Rack(meters, generator)
    rack.prepare()
    return rack


def test_wrappers_fulfil_the_roles_with_the_narrower_limits(rack):
    assert isinstance(rack.a, SourceMeter)
    assert isinstance(rack.generator, PulseSource)
    assert (rack.a.limits.max_voltage_v, rack.a.limits.max_current_a) == (3.0, 0.05)
    # 0.05 A into a short circuit behind 50 ohm is 2.5 V
    assert (rack.generator.limits.max_level_v, rack.generator.limits.max_width_s) == (2.5, 0.5)


def test_what_is_allowed_passes_unchanged(rack, meters):
    rack.a.set_voltage(0.2)
    rack.a.output_on()
    assert rack.a.measure_current().value == 1e-6
    assert rack.a.measure_voltage().value == 0.2
    rack.a.staircase([0.1, -0.1], dwell_s=0.01)
    rack.a.pulse(0.5, width_s=1e-3, partner=rack.b, partner_level_v=-0.5)
    rack.a.output_off()
    rack.generator.set_levels({1: 0.9, 2: -0.9})
    rack.generator.output_on()
    rack.generator.fire()
    rack.generator.output_off()
    assert rack.sent() == [
        ("set_voltage", 0.2),
        ("output_on",),
        ("staircase", (0.1, -0.1), 0.01),
        ("pulse", 0.5, 1e-3, meters[1], -0.5),
        ("output_off",),
        ("set_levels", {1: 0.9, 2: -0.9}),
        ("output_on",),
        ("fire",),
        ("output_off",),
    ]


@pytest.mark.parametrize(
    ("key", "act"),
    [
        ("voltage_v", lambda rack: rack.a.set_voltage(3.001)),
        ("voltage_v", lambda rack: rack.a.set_voltage(nan)),
        ("voltage_v", lambda rack: rack.a.set_voltage(-inf)),
        ("voltage_v", lambda rack: rack.a.staircase([0.1, -3.1, 0.0], dwell_s=1e-3)),
        ("voltage_v", lambda rack: rack.a.staircase([0.1, nan], dwell_s=1e-3)),
        ("pulse_width_s", lambda rack: rack.a.staircase([0.1], dwell_s=0.51)),
        ("voltage_v", lambda rack: rack.a.pulse(1.6, width_s=1e-4, partner=rack.b, partner_level_v=-1.6)),
        ("pulse_width_s", lambda rack: rack.a.pulse(0.1, width_s=0.51, partner=None, partner_level_v=0.0)),
        ("pulse_width_s", lambda rack: rack.a.pulse(0.1, width_s=nan, partner=None, partner_level_v=0.0)),
        ("current_a", lambda rack: rack.a.prepare(current_limit_a=0.051, **PREPARED)),
        ("current_a", lambda rack: rack.a.prepare(current_limit_a=nan, **PREPARED)),
        ("current_a", lambda rack: rack.generator.set_levels({1: 2.6})),
        ("voltage_v", lambda rack: rack.generator.set_levels({1: 1.6, 2: -1.6})),
        ("voltage_v", lambda rack: rack.generator.set_levels({1: nan})),
        ("pulse_width_s", lambda rack: rack.generator.prepare(width_s=0.6, edge_s=1e-8)),
    ],
)
def test_refusal_names_value_file_and_key_and_sends_nothing(rack, key, act):
    with pytest.raises(EnvelopeError, match=rf"\(stations/small\.toml, envelope\.{key}\)"):
        act(rack)
    assert rack.sent() == []


def test_energy_of_a_pulse_is_level_times_limit_times_width(meters, generator):
    rack = Rack(meters, generator)
    rack.prepare(current_limit_a=0.01)
    # 2 V x 10 mA x 100 ms = 2 mJ
    rack.a.pulse(2.0, width_s=0.1, partner=None, partner_level_v=0.0)
    with pytest.raises(EnvelopeError, match=r"0\.002 J.*got 0\.0021 J"):
        rack.a.pulse(2.1, width_s=0.1, partner=None, partner_level_v=0.0)
    with pytest.raises(EnvelopeError, match="energy_j"):
        rack.a.pulse(1.1, width_s=0.1, partner=rack.b, partner_level_v=-1.0)
    with pytest.raises(EnvelopeError, match="energy_j"):
        rack.a.staircase([0.1, -2.1], dwell_s=0.1)


def test_energy_of_the_generator_is_its_available_power_times_width(rack):
    # (1 V)^2 / 200 ohm x 0.4 s = 2 mJ
    rack.generator.set_levels({1: 1.0})
    rack.generator.prepare(width_s=0.4, edge_s=1e-8)
    with pytest.raises(EnvelopeError, match="energy_j"):
        rack.generator.prepare(width_s=0.41, edge_s=1e-8)
    with pytest.raises(EnvelopeError, match="energy_j"):
        rack.generator.set_levels({1: 1.0, 2: 0.2})


def test_levels_of_two_terminals_count_together(rack):
    rack.a.set_voltage(2.0)
    with pytest.raises(EnvelopeError, match=r"got 3\.5 V"):
        rack.b.set_voltage(-1.5)
    with pytest.raises(EnvelopeError, match="voltage_v"):
        rack.generator.set_levels({1: -1.5})
    rack.a.pulse(0.1, width_s=1e-3, partner=None, partner_level_v=0.0)
    rack.b.set_voltage(-1.5)


def test_nothing_goes_on_when_nothing_was_prepared(meters, generator):
    rack = Rack(meters, generator)
    for act in (
        rack.a.output_on,
        lambda: rack.a.set_voltage(0.1),
        lambda: rack.a.staircase([0.1], dwell_s=1e-3),
        lambda: rack.a.pulse(0.1, width_s=1e-3, partner=None, partner_level_v=0.0),
        rack.generator.output_on,
        rack.generator.fire,
        lambda: rack.generator.set_levels({1: 0.1}),
    ):
        with pytest.raises(EnvelopeError, match=r"call prepare\(\) first"):
            act()
    assert rack.sent() == []


def test_limits_are_unknown_again_when_the_instrument_was_reset(rack):
    rack.guard.was_reset("smu1")
    rack.guard.was_reset("gen1")
    with pytest.raises(EnvelopeError):
        rack.a.output_on()
    with pytest.raises(EnvelopeError):
        rack.generator.fire()


def test_partner_from_outside_the_station_is_refused(rack, meters):
    with pytest.raises(TypeError, match="same station"):
        rack.a.pulse(0.1, width_s=1e-3, partner=meters[1], partner_level_v=0.1)
    other = Rack(meters, rack.fakes[2])
    other.prepare()
    for partner in (other.b, rack.a):
        with pytest.raises(TypeError, match="another channel of the same station"):
            rack.a.pulse(50.0, width_s=1e-3, partner=partner, partner_level_v=0.1)
    assert rack.sent() == []


def test_single_precision_level_is_as_good_as_any(rack):
    # without a warning of NumPy, which is an error here
    rack.a.set_voltage(np.float32(0.5))
    assert rack.sent() == [("set_voltage", 0.5)]
    with pytest.raises(EnvelopeError, match="level must be at most"):
        rack.a.set_voltage(np.float32("nan"))


NUMBERS = st.floats(min_value=-6, max_value=6) | st.floats()
WIDTHS = st.floats(min_value=0, max_value=1) | st.floats()
STIMULI = st.one_of(
    st.tuples(st.just("prepare"), st.sampled_from("ab"), st.floats(min_value=0, max_value=0.1) | st.floats()),
    st.tuples(st.just("set"), st.sampled_from("ab"), NUMBERS),
    st.tuples(st.just("stairs"), st.sampled_from("ab"), st.lists(NUMBERS, max_size=4), WIDTHS),
    st.tuples(st.just("pulse"), st.sampled_from("ab"), NUMBERS, WIDTHS, st.booleans(), NUMBERS),
    st.tuples(st.just("gen_prepare"), WIDTHS),
    st.tuples(st.just("gen_levels"), st.dictionaries(st.sampled_from([1, 2]), NUMBERS)),
)


class Oracle(Rack):
    """What really stands at every terminal, from the calls that reached the fakes."""

    def __init__(self, fake_meter, fake_generator):
        super().__init__((fake_meter(), fake_meter()), fake_generator())
        self.levels = {"a": 0.0, "b": 0.0, 1: 0.0, 2: 0.0}
        self.limit = {"a": inf, "b": inf}
        self.width = 0.0

    def check(self, now, width=0.0, power=0.0):
        levels = [*(self.levels | now).values(), 0.0]
        assert max(levels) - min(levels) <= LIMITS.voltage_v
        assert width <= LIMITS.pulse_width_s
        assert width * power <= LIMITS.energy_j

    def obey(self, name, call):
        kind, *rest = call
        other = {"a": "b", "b": "a"}.get(name)
        if kind == "prepare" and other:
            assert rest[0] <= LIMITS.current_a
            self.limit[name], self.levels[name] = rest[0], 0.0
        elif kind == "set_voltage":
            self.check({name: rest[0]})
            self.levels[name] = rest[0]
        elif kind == "staircase":
            for level in rest[0]:
                self.check({name: level}, rest[1], abs(level) * self.limit[name])
            self.levels[name] = 0.0
        elif kind == "pulse":
            level, width, partner, partner_level = rest
            now, power = {name: level}, abs(level) * self.limit[name]
            if partner is not None:
                now[other] = partner_level
                power += abs(partner_level) * self.limit[other]
            self.check(now, width, power)
            self.levels |= dict.fromkeys(now, 0.0)
        elif kind == "prepare":
            self.width = rest[0]
        elif kind == "set_levels":
            self.levels |= {1: 0.0, 2: 0.0} | rest[0]
            assert all(abs(level) / 50.0 <= LIMITS.current_a for level in rest[0].values())
        self.check({}, self.width, (self.levels[1] ** 2 + self.levels[2] ** 2) / 200.0)

    def act(self, stimulus):
        kind, *rest = stimulus
        wrapper = {"a": self.a, "b": self.b}.get(rest[0]) if isinstance(rest[0], str) else None
        if kind == "prepare":
            wrapper.prepare(current_limit_a=rest[1], **PREPARED)
        elif kind == "set":
            wrapper.set_voltage(rest[1])
        elif kind == "stairs":
            wrapper.staircase(rest[1], dwell_s=rest[2])
        elif kind == "pulse":
            partner = (self.b if wrapper is self.a else self.a) if rest[3] else None
            wrapper.pulse(rest[1], width_s=rest[2], partner=partner, partner_level_v=rest[4])
        elif kind == "gen_prepare":
            self.generator.prepare(width_s=rest[0], edge_s=1e-8)
        else:
            self.generator.set_levels(rest[0])


@settings(max_examples=300, deadline=None)
@given(stimuli=st.lists(STIMULI, max_size=12))
def test_no_sequence_of_stimuli_leaves_the_envelope(stimuli, fake_types):
    oracle = Oracle(*fake_types)
    for stimulus in stimuli:
        seen = [len(fake.calls) for fake in oracle.fakes]
        try:
            oracle.act(stimulus)
        except EnvelopeError:
            assert [len(fake.calls) for fake in oracle.fakes] == seen
        for name, fake, count in zip(("a", "b", "gen"), oracle.fakes, seen, strict=True):
            for call in fake.calls[count:]:
                oracle.obey(name, call)
