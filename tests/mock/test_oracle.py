"""The bench's own truth against what was sent to it: counted by hand, message by message."""

import json
from pathlib import Path

import pytest

from labctl_mock.bench.bench import Bench

RACK = Path(__file__).with_name("rack-4x4.toml")


@pytest.fixture
def bench(tmp_path):
    with Bench.open(RACK, home=tmp_path) as opened:
        yield opened


def say(bench, key, *messages):
    for message in messages:
        bench.instruments[key].receive(message.encode() + b"\n", True)


def test_pulse_with_partner_is_one_stimulus_and_reading_is_none(bench):
    say(
        bench,
        "smu1",
        "smua.source.rangev=2 smub.source.rangev=2 smua.source.output=1 smub.source.output=1",
        "smua.source.levelv=1 smub.source.levelv=-1 delay(1e-3) smua.source.levelv=0 smub.source.levelv=0",
        "smua.source.levelv=0.2 print(smub.measure.i()) smua.source.levelv=0",
    )
    assert bench.oracle.pulses == {"smu1.a+smu1.b": 1}
    assert bench.oracle.probes == {"smu1.a": 1}
    assert bench.oracle.max_voltage_v == pytest.approx(1.0, rel=2e-3)
    (stimulus,) = bench.oracle.stimuli
    assert stimulus.levels == pytest.approx({"smu1.a": 1.0, "smu1.b": -1.0}, rel=2e-3, abs=1e-3)


def test_dc_staircase_counts_each_step_away_from_zero(bench):
    say(bench, "smu1", "smua.source.output=1", *[f"smua.source.levelv={level}" for level in (1, 1.2, 1.4, 0)])
    assert bench.oracle.pulses == {"smu1.a": 3}


def test_trigger_of_the_generator_is_one_stimulus(bench):
    say(
        bench,
        "gen1",
        ":OUTP1:LOAD INF;:SOUR1:FUNC PULS;:SOUR1:FUNC:PULS:PER 1e-3;WIDT 1e-5;:SOUR1:VOLT:HIGH 2;:SOUR1:VOLT:LOW 0",
        ":SOUR1:BURS:NCYC 1;:SOUR1:BURS:STAT ON;:TRIG1:SOUR BUS;:OUTP1 ON",
        "*TRG",
        "*TRG;*WAI",
    )
    assert bench.oracle.pulses == {"gen1.1": 2}
    assert bench.oracle.max_voltage_v == pytest.approx(2.0, rel=0.02)


def test_outputs_and_moment_of_the_last_off_are_known(bench):
    assert not any(output["on"] for output in bench.oracle.outputs().values())
    say(bench, "smu1", "smua.source.output=1 smub.source.output=1", "smua.source.levelv=0.5")
    assert bench.oracle.outputs()["smu1.a"] == {"on": True, "level_v": pytest.approx(0.5, rel=5e-3)}
    say(bench, "smu1", "smua.source.output=0")
    assert bench.oracle.last_off_time is None
    say(bench, "smu1", "smub.source.output=0")
    assert 0.0 < bench.oracle.last_off_time <= bench.clock.now_s()
    assert bench.oracle.last_off_wall_s is not None


def test_relays_are_those_of_the_contacts_when_one_is_stuck(bench):
    bench.circuit.stick("mat1", "1A02", closed=True)
    bench.circuit.stick("mat1", "1A03", closed=False)
    say(bench, "mat1", 'channel.close("1A01,1A03")')
    assert bench.oracle.closed_relays() == ["1A01", "1A02"]
    say(bench, "mat1", 'channel.open("allslots")')
    assert bench.oracle.closed_relays() == ["1A02"]


def test_everything_is_ready_for_json(bench):
    say(bench, "smu1", "smua.source.output=1", "smua.source.levelv=1", 'print("x")')
    bench.oracle.injected("smu1", "lost", 'print("x")')
    told = json.loads(json.dumps(bench.oracle.as_dict()))
    assert told["pulses"] == {"smu1.a": 1}
    assert told["faults"][0]["kind"] == "lost"
