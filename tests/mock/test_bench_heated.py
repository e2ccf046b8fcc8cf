"""A die on a heated block, and metal oxide with parts on a bench.

Authority: Arrhenius' law in closed form with the constants of parts_assumed; Die without parts as the other reading of
the same law.
"""

from importlib.resources import files
from math import exp, log, log10

import numpy as np
import pytest

from labctl.errors import StationError
from labctl.physics.presets import load_preset
from labctl_mock.bench.bench import Bench
from labctl_mock.bench.stage import Stage
from labctl_mock.bench.terminals import Rectangle, TerminalMode

QUIET = ("device_spread", "cycle_spread", "read_noise", "stuck_cells")
PARTS = load_preset("parts_assumed")
BOLTZMANN_EV = 8.617333262e-5


@pytest.fixture
def opened(tmp_path):
    """Return a function that opens the single device, quiet, some texts replaced."""
    benches = []

    def open_bench(*changes):
        text = (files("labctl_data") / "benches" / "single-device.toml").read_text(encoding="utf-8")
        for old, new in [*changes, *((f"{flag} = true", f"{flag} = false") for flag in QUIET)]:
            assert old in text
            text = text.replace(old, new, 1)
        path = tmp_path / "single-device.toml"
        path.write_text(text, encoding="utf-8", newline="\n")
        benches.append(Bench.open(path, home=tmp_path))
        return benches[-1]

    yield open_bench
    for bench in benches:
        bench.close()


def pulse(bench, level_v, width_s=1e-3, limit_a=5e-3):
    own = bench.circuit.terminals["smu1.a"]
    bench.circuit.settle()
    own.mode, own.level, own.current_limit_a = TerminalMode.VOLTAGE, 0.0, limit_a
    bench.circuit.fire([Rectangle("smu1.a", level_v, 0.0, width_s)])


def read_s(bench):
    own = bench.circuit.terminals["smu1.a"]
    bench.circuit.settle()
    own.mode, own.level, own.current_limit_a = TerminalMode.VOLTAGE, 0.2, 1e-2
    measured = bench.circuit.measure("smu1.a", aperture_s=1e-3)
    own.level = 0.0
    return measured.current_a / 0.2


def control(bench, set_k):
    bench.circuit.settle()
    bench.circuit._stage.control(set_k, 800.0, bench.clock.now_s())


def form(bench):
    for level_v in np.arange(1.5, 5.0, 0.1):
        pulse(bench, level_v, 1e-2)
        if read_s(bench) > 1e-5:
            return level_v
    raise AssertionError("does not form below 5 V")


def test_metal_oxide_forms_resets_and_sets_with_parts_as_without(opened, tmp_path):
    def cycle(bench):
        assert read_s(bench) < 1e-6
        formed_at_v = form(bench)
        read, programmed = [read_s(bench)], [float(bench._die.programmed_s()[0, 0])]
        for levels_v in (np.repeat([-1.2, -1.6, -2.0, -2.5, -3.0], 3), [1.2] * 5):
            for level_v in levels_v:
                pulse(bench, level_v)
            read.append(read_s(bench))
            programmed.append(float(bench._die.programmed_s()[0, 0]))
        bench.close()
        return formed_at_v, read, programmed

    with_parts = cycle(opened())
    (tmp_path / "benches" / "single-device" / "die.npz").unlink()
    without = cycle(opened(('parts = "parts_assumed"\n', "")))
    formed_at_v, (high_s, low_s, set_s), programmed_s = with_parts
    # parts change what is shown (wear: the window in ln G by 2^-0.1 after one cycle), not what a stress does
    assert formed_at_v == without[0]
    assert programmed_s == pytest.approx(without[2], rel=0.02)
    assert 2.0 < formed_at_v < 4.5
    assert low_s < 0.7 * high_s
    assert set_s > 1.3 * low_s


def test_die_takes_the_temperature_of_its_block_when_that_moves(opened):
    bench = opened()
    assert bench._die.temperature_k == 300.0
    control(bench, 400.0)
    bench.jump(30.0)
    # what the die has is the middle of the last piece of time
    assert bench._die.temperature_k == pytest.approx(400.0 - 100.0 * exp(-1.0), abs=1.5)
    bench.jump(1000.0)
    bench.jump(1.0)
    assert bench._die.temperature_k == pytest.approx(400.0, abs=0.02)


def test_age_is_that_of_arrhenius_when_the_die_was_hot_for_a_time(opened):
    bench = opened()
    form(bench)
    read_s(bench)
    start_s, age_s = bench.clock.now_s(), float(bench._die.state["age_s"][0, 0])
    control(bench, 400.0)
    bench.jump(2e4)
    control(bench, 0.0)
    bench.jump(2e3)
    read_s(bench)
    bench.circuit.settle()
    stage = Stage(start_s)
    stage.control(400.0, 800.0, start_s)
    times_s = np.linspace(0.0, 2e4, 400_001)
    rate = [exp(PARTS["retention.activation"] / BOLTZMANN_EV * (1 / 300 - 1 / stage.temperature_k(start_s + t)))
            for t in times_s[:4000]]  # fmt: skip
    hot = exp(PARTS["retention.activation"] / BOLTZMANN_EV * (1 / 300 - 1 / 400))
    expected_s = float(np.trapezoid(rate, times_s[:4000])) + hot * (2e4 - times_s[3999])
    found_s = float(bench._die.state["age_s"][0, 0]) - age_s
    # cooling adds what a body of 120 s does: below a time constant at full speed
    assert expected_s < found_s < expected_s + 120.0 * hot


def test_conductance_follows_the_law_of_the_parts_when_the_die_is_baked(opened):
    bench = opened()
    form(bench)
    control(bench, 400.0)
    bench.jump(1000.0)
    for _ in range(8):
        pulse(bench, -1.8)
    for _ in range(8):
        pulse(bench, 1.3)
    before_s, programmed_s = read_s(bench), float(bench._die.programmed_s()[0, 0])
    age_s = float(bench._die.state["age_s"][0, 0])
    bench.jump(1e5)
    ratio = read_s(bench) / before_s
    hot = exp(PARTS["retention.activation"] / BOLTZMANN_EV * (1 / 300 - 1 / 400))
    low_s, high_s = bench._die.window_s
    above = log(programmed_s) - 0.5 * log(low_s * high_s)

    def shown(age):
        kept = exp(-((age / PARTS["retention.time"]) ** PARTS["retention.stretch"]))
        return above * kept + PARTS["retention.slope"] * log10(1 + age / PARTS["retention.onset"])

    expected = exp(shown(age_s + 1e5 * hot) - shown(age_s))
    # the family's own relaxation, some per cent over five decades, comes on top; leads of 2 ohm too
    assert ratio == pytest.approx(expected, rel=0.1)
    assert ratio < 0.6


def test_temperature_stays_when_a_stress_is_repeated_on_a_restored_die(opened):
    bench = opened()
    control(bench, 400.0)
    bench.jump(1000.0)
    bench.jump(1.0)
    form(bench)
    pulse(bench, -1.8)
    assert bench._die.temperature_k == pytest.approx(400.0, abs=0.02)


def test_die_is_at_ambient_again_when_the_bench_was_closed_hot(tmp_path):
    with Bench.open("single-device", home=tmp_path) as bench:
        control(bench, 400.0)
        bench.jump(1000.0)
    with Bench.open("single-device", home=tmp_path) as bench:
        assert bench._die.temperature_k == 300.0


def test_bench_is_refused_when_two_things_give_the_temperature(opened):
    heat = 'columns = 1\ntemperature = { value = 358.15, unit = "K", source = "test" }'
    with pytest.raises(StationError, match=r"die\.temperature: the block of a temperature controller gives it"):
        opened(("columns = 1", heat))
    second = '[instruments.tc2]\nmodel = "LakeShore335"\nresource = "GPIB0::13::INSTR"\nserial = "LSA0002"\n\n[die]'
    with pytest.raises(StationError, match=r"instruments\.tc2: the die lies on the block of another"):
        opened(("[die]", second))
