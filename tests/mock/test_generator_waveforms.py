"""Arbitrary waveforms of the simulated Keysight 33622A, driven by the real driver.

Authority: the area under the given samples, summed here; Keysight 33500 series web help (32 points at least on a
33600A) and guide (a taken name is an error, the burst rests at its first point, high and low level are those of the
codes +32767 and -32767).
"""

import numpy as np
import pytest

from labctl.clock import VirtualClock
from labctl_instruments.keysight.keysight33622a import Keysight33622A
from labctl_mock.bench.pulses import segments_of
from labctl_mock.bench.terminals import Rectangle
from labctl_mock.faults import FaultPlan, FaultyInstrument
from labctl_mock.keysight.keysight33622a import SimulatedKeysight33622A
from labctl_mock.visa import LabctlVisaLibrary

RESOURCE = "TCPIP0::192.0.2.12::inst0::INSTR"
MEMORY = ",".join(["0", "32767", "-32767", *["0"] * 29])


class Circuit:
    """Notes the pulses."""

    def __init__(self):
        self.clock, self.fired, self.settled = VirtualClock(), [], 0

    def settle(self):
        self.settled += 1

    def fire(self, rectangles):
        self.fired.append(list(rectangles))
        self.clock.sleep(max(one.delay_s + one.width_s for one in rectangles))
        return {}


class Exact(SimulatedKeysight33622A):
    """A specimen without calibration error."""

    def __init__(self, circuit):
        super().__init__("gen1", circuit, serial="MY1", seed=1, options={})
        for channel in self._channels.values():
            channel._gain, channel._error_v = 1.0, 0.0


class OneInstrumentBench:
    """A bench with this generator only."""

    def __init__(self):
        circuit = Circuit()
        self.clock = circuit.clock
        self.instruments = {"gen1": Exact(circuit)}
        self.resources = {RESOURCE: "gen1"}

    def link(self, key):
        return FaultyInstrument(self.instruments[key], FaultPlan(), self)

    def info(self):
        return {"simulated": True}

    def close(self):
        pass


class Library(LabctlVisaLibrary):
    """The backend on that bench."""

    def open_bench(self):
        self.own = OneInstrumentBench()
        return self.own


@pytest.fixture
def driver():
    library = Library("waveforms")
    driver = Keysight33622A(RESOURCE, visa_library=library)
    driver.own = library.own.instruments["gen1"]
    yield driver
    driver.adapter.close()
    library.resource_manager.close()


@pytest.fixture
def generator():
    return Exact(Circuit())


def send(generator, *messages):
    for message in messages:
        generator.receive(message.encode() + b"\n", True)


def codes(generator):
    found = []
    while (entry := generator.errors.pop()).code:
        found.append(entry.code)
    return found


def load(generator, *more):
    send(
        generator,
        f"OUTP1:LOAD INF;:DATA:ARB:DAC SPIKE,{MEMORY}",
        'FUNC:ARB "SPIKE";:FUNC:ARB:FILT OFF;SRAT 1E5;:FUNC ARB;:VOLT 2;:VOLT:OFFS 0;:BURS:STAT ON;:TRIG:SOUR BUS',
        ";".join(more),
    )


@pytest.mark.parametrize("count", [2, 400])
def test_what_is_played_has_the_area_and_the_energy_of_the_samples_that_were_given(driver, count):
    given_v = np.random.default_rng(count).uniform(-1.5, 2.5, (2, count))
    given_v[:, 1::7] = 0.0
    driver.load_waveforms({1: given_v[0].tolist(), 2: given_v[1].tolist()}, sample_s=2e-6)
    assert not driver.own.circuit.fired
    driver.output_on()
    before_s = driver.own.circuit.clock.now_s()
    driver.play()
    (played,) = driver.own.circuit.fired
    assert driver.own.circuit.clock.now_s() - before_s >= 2e-6 * count
    for output, samples_v in zip((1, 2), given_v, strict=True):
        steps = [one for one in played if one.terminal == f"gen1.{output}"]
        # the amplitude has four digits
        area_vs, square_v2s = 2e-6 * np.array([samples_v.sum(), (samples_v**2).sum()])
        assert sum(one.level_v * one.width_s for one in steps) == pytest.approx(area_vs, rel=1e-3, abs=1e-9)
        assert sum(one.level_v**2 * one.width_s for one in steps) == pytest.approx(square_v2s, rel=2e-3)
        # each level at its own time, one point of rest before the first
        for one in steps:
            assert one.level_v == pytest.approx(samples_v[round(one.delay_s / 2e-6) - 1], abs=2e-3)
        assert driver.own.terminals[f"gen1.{output}"].level == pytest.approx(0.0)
    assert codes(driver.own) == []
    # and pulses again
    driver.prepare(width_s=1e-5, edge_s=1e-8)
    driver.set_levels({1: -0.5})
    driver.output_on()
    driver.fire()
    assert [(one.level_v, one.width_s) for one in driver.own.circuit.fired[-1]] == [(-0.5, pytest.approx(1e-5))]


def test_waveform_plays_between_high_and_low_about_the_offset_and_is_mirrored_when_inverted(generator):
    load(generator, ":VOLT:OFFS 0.5", ":OUTP ON")
    assert generator.terminals["gen1.1"].level == pytest.approx(0.5)
    send(generator, "*TRG")
    assert [one.level_v for one in generator.circuit.fired[-1]] == pytest.approx([1.5, -0.5])
    send(generator, "*WAI;:OUTP:POL INV;*TRG")
    assert [one.level_v for one in generator.circuit.fired[-1]] == pytest.approx([-0.5, 1.5])
    assert codes(generator) == []


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (f"DATA:ARB:DAC SPIKE,{MEMORY}", 786),
        (f"DATA:ARB:DAC SHORT,{','.join(['0'] * 31)}", -222),
        (f"DATA:ARB:DAC LOUD,{','.join(['32768'] * 32)}", -222),
        (f"DATA:ARB LOUD,{','.join(['1.01'] * 32)}", -222),
        (f"DATA:ARB:DAC LONG,{','.join(['0'] * 65_537)}", -223),
        ('FUNC:ARB "NOBODY"', 785),
        ("FUNC:ARB:SRAT 2E9", -222),
        ("FUNC:ARB:FILT STEP;*TRG", -310),
        ("FUNC:ARB:ADV TRIG;*TRG", -310),
        ("DATA:VOL:CLE;*TRG", -310),
    ],
)
def test_waveform_is_refused_when_the_instrument_or_the_simulation_cannot(generator, message, code):
    load(generator, "OUTP ON")
    assert codes(generator) == []
    send(generator, message)
    assert codes(generator) == [code]
    assert generator.circuit.fired == []


def test_memory_is_volatile(generator):
    load(generator)
    generator.power_cycle()
    load(generator, "OUTP ON", "*TRG")
    assert codes(generator) == []
    assert len(generator.circuit.fired) == 1


def test_steps_that_only_rounding_keeps_apart_make_no_sliver():
    rate_hz, count = 3e5, 1000
    rectangles = [
        Rectangle(f"gen1.{output}", 1.0 + step + output, step / rate_hz, 1 / rate_hz)
        for output in (1, 2)
        for step in range(count)
    ]
    segments = segments_of(rectangles)
    assert len(segments) == count
    assert [segment.duration_s for segment in segments] == pytest.approx([1 / rate_hz] * count)
    assert [segment.levels_v["gen1.2"] for segment in segments] == [3.0 + step for step in range(count)]
