"""Simulated Lake Shore 335, and the block under the die.

Authority: Model 335 User's Manual, chapter 6 (page 108), PyMeasure 0.16's Lake Shore channels as another reading of it;
Newton's law of cooling in closed form. Formats besides are from memory, as the module says.
"""

from itertools import pairwise
from math import exp

import pytest
from pymeasure.instruments.lakeshore.lakeshore_base import LakeShoreHeaterChannel, LakeShoreTemperatureChannel

from labctl.clock import VirtualClock
from labctl_mock.bench.stage import AMBIENT_K, Stage
from labctl_mock.lakeshore.lakeshore335 import SimulatedLakeShore335
from labctl_mock.models import models


class Circuit:
    """A clock and a block."""

    def __init__(self):
        self.clock, self.stage = VirtualClock(), None

    def settle(self):
        pass

    def heat(self, stage):
        self.stage = stage


class Wire:
    """The controller at the end of a cable, as PyMeasure's channels see their parent."""

    def __init__(self, seed=1):
        self.circuit = Circuit()
        self.own = SimulatedLakeShore335("tc1", self.circuit, serial="LSA0001", seed=seed, options={})

    def write(self, text, **_):
        self.own.receive(text.encode() + b"\n", True)

    def ask(self, text):
        self.write(text)
        data, _ = self.own.transmit(1 << 16)
        return data.decode().strip()

    def read(self, **_):
        data, _ = self.own.transmit(1 << 16)
        return data.decode().strip()

    def wait_for(self, query_delay=None):
        pass

    def wait(self, duration_s):
        self.circuit.clock.sleep(duration_s)


@pytest.fixture
def wire():
    return Wire()


def test_model_is_in_the_registry_and_answers_as_page_108_shows_when_asked(wire):
    assert models()["LakeShore335"] is SimulatedLakeShore335
    assert wire.ask("*IDN?") == "LSCI,MODEL335,LSA0001/#######,2.0"
    wire.write("*CLS")
    assert wire.ask("*ESR?") == "000"
    assert wire.ask("*ESE 7;*ESE?") == "007"


def test_options_are_refused_when_given():
    with pytest.raises(ValueError, match="no options"):
        SimulatedLakeShore335("tc1", Circuit(), serial="1", seed=1, options={"cards": []})


@pytest.mark.parametrize(
    ("message", "bit"),
    [
        ("SETP 3,300", 16),
        ("SETP 1,-5", 16),
        ("SETP 1,2000", 16),
        ("RANGE 1,7", 16),
        ("OUTMODE 1,9,1,0", 16),
        ("PID 1,5000,1,1", 16),
        ("FROBNICATE 1", 32),
        ("SETP 1", 32),
        ("SYST:ERR?", 32),
        ("SETP 1,hot", 32),
    ],
)
def test_refusal_sets_the_event_bit_and_changes_nothing_when_a_message_is_wrong(wire, message, bit):
    wire.write("*CLS")
    before = wire.ask("SETP? 1;RANGE? 1;OUTMODE? 1;PID? 1")
    wire.write(message)
    assert int(wire.ask("*ESR?")) == bit
    assert wire.ask("*ESR?") == "000"
    assert wire.ask("SETP? 1;RANGE? 1;OUTMODE? 1;PID? 1") == before


def test_pymeasure_reads_and_sets_it_when_it_speaks_its_own_way(wire):
    heater, sensor = LakeShoreHeaterChannel(wire, 1), LakeShoreTemperatureChannel(wire, "A")
    heater.setpoint, heater.range = 358.0, "high"
    assert heater.setpoint == 358.0
    assert heater.range == "high"
    wire.wait(1000.0)
    assert sensor.kelvin == pytest.approx(358.0, abs=0.05)
    # 58 K of the 500 K that full power holds: the share that the model's docstring states
    assert heater.output == pytest.approx(11.6, abs=0.2)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_block_follows_newtons_law_when_heated_and_when_left_alone(seed):
    wire = Wire(seed)
    wire.write("SETP 1,400;RANGE 1,3")
    start_s = wire.circuit.clock.now_s()
    wire.wait(30.0)
    rise = (wire.circuit.stage.temperature_k(start_s + 30.0) - AMBIENT_K) / (400.0 - AMBIENT_K)
    assert rise == pytest.approx(1.0 - exp(-1.0), abs=2e-3)
    wire.wait(1000.0)
    assert float(wire.ask("KRDG? A")) == pytest.approx(400.0, abs=0.03)
    wire.write("RANGE 1,0")
    off_s, hot_k = wire.circuit.clock.now_s(), wire.circuit.stage.temperature_k(wire.circuit.clock.now_s())
    cooled = wire.circuit.stage.temperature_k(off_s + 240.0) - AMBIENT_K
    assert cooled == pytest.approx((hot_k - AMBIENT_K) * exp(-2.0), rel=1e-6)


def test_low_range_reaches_no_further_than_its_power_when_more_is_asked(wire):
    wire.write("SETP 1,400;RANGE 1,1")
    wire.wait(5000.0)
    assert float(wire.ask("KRDG? A")) == pytest.approx(305.0, abs=0.15)


def test_nothing_heats_when_the_output_is_not_in_closed_loop_on_input_a(wire):
    for mode in ("0,1", "3,1", "1,2"):
        wire.write(f"OUTMODE 1,{mode},0;SETP 1,400;RANGE 1,3")
        wire.wait(1000.0)
        assert float(wire.ask("KRDG? A")) == pytest.approx(AMBIENT_K, abs=0.15)


def test_sensor_noise_and_error_are_small_and_drawn_from_the_seed():
    readings = [[float(Wire.ask(wire, "KRDG? A")) for _ in range(50)] for wire in map(Wire, (1, 1, 2))]
    assert readings[0] == readings[1] != readings[2]
    assert len(set(readings[0])) > 10
    assert all(abs(value - AMBIENT_K) < 0.15 for row in readings for value in row)


def test_sensor_without_a_reading_says_so_in_its_status_when_asked(wire):
    assert wire.ask("RDGST? A;RDGST? B") == "000;001"
    wire.write("SETP 1,900;RANGE 1,3")
    # 500 K above ambient is 800 K, which the sensor just reads or just not
    wire.wait(5000.0)
    assert wire.ask("RDGST? A") in ("000", "032")


def test_heater_is_off_when_power_failed_or_it_tripped(wire):
    wire.write("SETP 1,400;RANGE 1,3")
    wire.own.fail("output_trip", "", "")
    assert wire.ask("RANGE? 1;SETP? 1") == "0;+400.000"
    wire.write("RANGE 1,3")
    wire.own.power_cycle()
    assert wire.ask("RANGE? 1;RANGE? 2;SETP? 1") == "0;0;+000.000"


def test_pieces_of_time_cover_it_and_hold_one_kelvin_when_the_block_moves():
    stage = Stage(0.0)
    stage.control(400.0, 800.0, 10.0)
    pieces = list(stage.pieces(0.0, 1000.0))
    assert pieces[0][0] == 0.0
    assert pieces[-1][1] == 1000.0
    assert all(left[1] == right[0] for left, right in pairwise(pieces))
    # 100 K over 30 s begins with 3.3 K/s, cut no finer than half a second
    assert all(abs(stage.temperature_k(end) - stage.temperature_k(start)) < 1.7 for start, end, _ in pieces)
    assert list(Stage(0.0).pieces(5.0, 1e6)) == [(5.0, 1e6, AMBIENT_K)]
