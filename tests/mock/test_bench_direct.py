"""One cell without a matrix: a device at a source-measure unit, a wall on its track. Authority: Ohm and the laws."""

from importlib.resources import files

import numpy as np
import pytest
from scipy.optimize import brentq

from labctl_mock.bench.bench import Bench
from labctl_mock.bench.terminals import Rectangle, TerminalMode

QUIET = [f"{name} = true" for name in ("device_spread", "cycle_spread", "read_noise", "relaxation", "stuck_cells")]
# two leads of 1 ohm, see the bench files
LEADS_OHM = 2.0


@pytest.fixture
def quiet(tmp_path):
    """Return a function that opens a packaged bench without spread and noise, some texts replaced."""
    opened = []

    def open_bench(name, *changes):
        text = (files("labctl_data") / "benches" / f"{name}.toml").read_text(encoding="utf-8")
        text = text.replace('parts = "parts_assumed"\n', "")
        for old, new in [*changes, *((flag, flag.replace("true", "false")) for flag in QUIET)]:
            assert old in text
            text = text.replace(old, new, 1)
        path = tmp_path / f"{name}.toml"
        path.write_text(text, encoding="utf-8", newline="\n")
        opened.append(Bench.open(path, home=tmp_path))
        return opened[-1]

    yield open_bench
    for bench in opened:
        bench.close()


def drive(bench, name, level, *, ohm=0.0, limit_a=np.inf, mode=TerminalMode.VOLTAGE, limit_v=np.inf):
    bench.circuit.settle()
    own = bench.circuit.terminals[name]
    own.mode, own.level, own.resistance_ohm = mode, level, ohm
    own.current_limit_a, own.voltage_limit_v = limit_a, limit_v


@pytest.mark.parametrize("name", ["single-device", "single-device-2400"])
def test_reading_is_of_the_device_behind_its_leads_when_there_is_no_matrix(quiet, name):
    bench = quiet(name)
    bench._die.state.formed[...] = True
    bench._die.state.conductance_s[...] = 300e-6
    (a1,), (a3,) = (part.ravel() for part in bench._die.coefficients_at(0.0))
    drive(bench, "smu1.a", 0.25)
    cell_v = brentq(lambda v: 0.25 - v - LEADS_OHM * (a1 * v + a3 * v**3), 0.0, 0.25, xtol=1e-15)
    measured = bench.circuit.measure("smu1.a", aperture_s=1e-3)
    assert measured.current_a == pytest.approx((0.25 - cell_v) / LEADS_OHM, rel=1e-6)
    assert measured.voltage_v == pytest.approx(0.25, rel=1e-9)
    with pytest.raises(ValueError, match="hang on no matrix at all, not on 'mat1'"):
        bench.circuit.switch("mat1", opening=(), closing=["1A01"])


@pytest.mark.parametrize("is_limited", [False, True])
def test_steep_device_is_solved_when_its_secant_depends_on_the_voltage(quiet, is_limited):
    # Messaris 2018, static I-V: i = (a / R) sinh(b V); leads of 1 kohm take half of it, or a compliance 9 parts of 10
    leads = [("word_contact_ohm = { value = 1.0", "word_contact_ohm = { value = 1000.0")]
    bench = quiet("single-device", ('"kim2021_tiox_al2o3"', '"messaris2018_tiox_dut1"'), *leads)
    preset, series_ohm = bench._preset, 1001.0
    bench._cells.static.linear_s[...] = 1e-9
    limit_a = 20e-6 if is_limited else np.inf
    drive(bench, "smu1.a", 0.9, limit_a=limit_a)
    measured = bench.circuit.measure("smu1.a", aperture_s=1e-9)
    # low-field conductance a b / R
    r_ohm = preset["read.a"] * preset["read.b"] / bench.truth()["conductance_s"][0, 0]

    def current_a(volt):
        return preset["read.a"] / r_ohm * np.sinh(preset["read.b"] * volt)

    if is_limited:
        cell_v = np.arcsinh(limit_a * r_ohm / preset["read.a"]) / preset["read.b"]
        assert measured.in_compliance
        assert measured.voltage_v == pytest.approx(cell_v + series_ohm * limit_a, rel=2e-4)
    else:
        cell_v = brentq(lambda v: 0.9 - v - series_ohm * current_a(v), 0.0, 0.9, xtol=1e-15)
        assert cell_v < 0.85
        assert measured.current_a == pytest.approx(current_a(cell_v), rel=3e-4)


def test_device_lives_through_a_pulse_at_the_mean_of_its_voltages_when_leads_take_a_share(quiet):
    # one hold against the same in 64 pieces, each at the voltage that its start finds
    leads = [("word_contact_ohm = { value = 1.0", "word_contact_ohm = { value = 1000.0")]
    moved_s = []
    for pieces in (1, 64):
        change = ('name = "single-device"', f'name = "single-device-{pieces}"')
        bench = quiet("single-device", change, ('"kim2021_tiox_al2o3"', '"messaris2018_tiox_dut1"'), *leads)
        start_s = bench.truth()["programmed_s"][0, 0]
        for piece in range(pieces):
            # another compliance is another hold
            drive(bench, "smu1.a", 2.5, limit_a=1.0 + piece)
            bench.clock.sleep(5.0 / pieces)
        drive(bench, "smu1.a", 0.0)
        moved_s.append(bench.truth()["programmed_s"][0, 0] - start_s)
        assert bench.oracle.pulses == {"smu1.a": 1}
    assert moved_s[1] > 0.1 * start_s
    # at the first voltage throughout it would be 2.2 % more
    assert moved_s[0] == pytest.approx(moved_s[1], rel=0.015)


def test_track_takes_its_current_from_the_control_terminal(quiet):
    bench = quiet("domain-wall")
    ohm = bench._preset["track.resistance"]
    drive(bench, "gen1.1", 0.005, ohm=50.0)
    measured = bench.circuit.measure("gen1.1", aperture_s=1e-3)
    assert measured.current_a == pytest.approx(0.005 / (50.0 + ohm), rel=1e-9)
    assert measured.voltage_v == pytest.approx(0.005 * ohm / (50.0 + ohm), rel=1e-9)
    assert not measured.in_compliance
    # a source of current, and one whose voltage compliance rules
    drive(bench, "gen1.1", 1e-7, mode=TerminalMode.CURRENT, limit_v=1.0)
    assert bench.circuit.measure("gen1.1", aperture_s=1e-3).voltage_v == pytest.approx(1e-7 * ohm, rel=1e-9)
    drive(bench, "gen1.1", 1.0, limit_a=3e-7)
    limited = bench.circuit.measure("gen1.1", aperture_s=1e-9)
    assert (limited.in_compliance, limited.current_a) == (True, pytest.approx(3e-7, rel=1e-9))
    # nothing of it reaches the junction
    drive(bench, "smu1.a", 0.0)
    assert bench.circuit.measure("smu1.a", aperture_s=1e-3).current_a == pytest.approx(0.0, abs=1e-15)


def test_wall_goes_one_notch_a_pulse_and_back_when_the_junction_reads_it(quiet):
    # systems.md 5.3: at 1.2 Jc and 10 ns one notch in 99.7 % of the pulses; J = V / (R A)
    bench = quiet("domain-wall")
    preset = bench._preset
    pulse_v = 1.2 * preset["depinning.critical_current"] * preset["track.area"] * (preset["track.resistance"] + 50.0)
    low_s, high_s, notches = preset["read.antiparallel"], preset["read.parallel"], preset["track.states"]
    drive(bench, "gen1.1", 0.0, ohm=50.0)
    drive(bench, "smu1.a", 0.0)

    def notch():
        drive(bench, "smu1.a", 1e-3)
        seen_s = bench.circuit.measure("smu1.a", aperture_s=1e-3).current_a / 1e-3
        drive(bench, "smu1.a", 0.0)
        device_s = 1.0 / (1.0 / seen_s - LEADS_OHM)
        return (device_s - low_s) / (high_s - low_s) * (notches - 1)

    places = [notch()]
    for sign in (1, 1, 1, -1, 1):
        bench.circuit.fire([Rectangle("gen1.1", sign * pulse_v, 0.0, 10e-9)])
        places.append(notch())
    assert places == pytest.approx([0, 1, 2, 3, 2, 3], abs=1e-3)
    # far below the critical current nothing moves, however often: a reading along the track is no stimulus
    bench.circuit.fire([Rectangle("gen1.1", 0.005, 0.0, 1e-3)])
    assert notch() == pytest.approx(3, abs=1e-3)
    assert bench.oracle.pulses == {"gen1.1": 5}


def test_fire_tells_compliance_when_the_track_asks_for_too_much(quiet):
    bench = quiet("domain-wall")
    drive(bench, "gen1.1", 0.0, ohm=50.0, limit_a=1e-7)
    assert bench.circuit.fire([Rectangle("gen1.1", 0.05, 0.0, 1e-8)]) == {"gen1.1": True}
    assert bench.circuit.fire([Rectangle("gen1.1", 0.001, 0.0, 1e-8)]) == {"gen1.1": False}


def test_wall_and_clock_are_found_again_when_the_bench_is_opened_again(tmp_path):
    with Bench.open("domain-wall", home=tmp_path) as first:
        drive(first, "gen1.1", 0.0, ohm=50.0)
        for _ in range(3):
            first.circuit.fire([Rectangle("gen1.1", 0.07, 0.0, 10e-9)])
        left = first.truth()
    with Bench.open("domain-wall", home=tmp_path) as second:
        found = second.truth()
    assert left["programmed_s"][0, 0] > 4e-5
    for name, value in left.items():
        np.testing.assert_array_equal(found[name], value)
