"""Filament cells with transistors on a common source plate. Authority: the series circuit, solved by hand.

The plate is the word line of every row: cell voltage is bit line above plate, gate voltage is gate line above plate.
"""

from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import brentq

from labctl_mock.bench.bench import Bench
from labctl_mock.bench.terminals import Rectangle, TerminalMode

RACK = Path(__file__).with_name("transistors-3x2.toml")
# a gap of the high resistance
OPEN_M = 1.65e-9
# ohm, from the bench file
CROSSPOINT, WORD_CONTACT, WORD, BIT_CONTACT, BIT = 0.5, 100.0, 20.0, 200.0, 30.0


@pytest.fixture
def bench(tmp_path):
    """Plate on smu1.b at 0 V, bit line 1 on smu1.a, the other on ground; gate of row 2 on smu2.a, the others at 0 V."""
    with Bench.open(RACK, home=tmp_path) as opened:
        opened.circuit.switch("mat1", opening=(), closing=["1B12", "2A02", "2E01"])
        opened.circuit.switch("mat2", opening=(), closing=["1E01", "1E02", "1A03"])
        drive(opened, "smu1.b", 0.0)
        drive(opened, "smu1.a", 0.0)
        yield opened


def drive(bench, name, level, *, limit_a=np.inf, ohm=0.0):
    bench.circuit.settle()
    own = bench.circuit.terminals[name]
    own.mode, own.level, own.current_limit_a, own.resistance_ohm = TerminalMode.VOLTAGE, level, limit_a, ohm


def set_gap(bench, row, column, gap_m):
    bench._die.state["gap_m"][row, column] = gap_m
    bench._die.state["formed"][row, column] = True
    bench._cells._is_stale[...] = True


def cell_a(preset, gap_m, cell_v, gate_v):
    """Current of filament and transistor in series, solved for the voltage between them."""
    threshold, slope = preset["transistor.threshold"], preset["transistor.transconductance"]

    def filament_a(volt):
        return preset["current.i0"] * np.exp(-gap_m / preset["current.g0"]) * np.sinh(volt / preset["current.v0"])

    def transistor_a(drop):
        over = max(gate_v - threshold, 0.0)
        drop = min(drop, over)
        return slope * (over - 0.5 * drop) * drop

    middle = brentq(lambda v: filament_a(v) - transistor_a(cell_v - v), 0.0, cell_v, xtol=1e-15)
    return filament_a(middle)


def series_a(preset, gap_m, volt, gate_v, word_ohm, bit_ohm):
    """Current through cell and wires; the gate counts from the source node, which the wires of the plate lift."""

    def excess(current_a):
        cell_v = volt - current_a * (word_ohm + bit_ohm)
        return cell_a(preset, gap_m, cell_v, gate_v - current_a * word_ohm) - current_a

    return brentq(excess, 0.0, 0.99 * volt / (word_ohm + bit_ohm), xtol=1e-18, rtol=1e-12)


@pytest.mark.parametrize(("volt", "gate_v"), [(0.15, 3.0), (0.15, 1.0), (1.6, 0.9), (0.9, 3.0)])
def test_current_is_that_of_filament_transistor_and_wires_in_series(bench, volt, gate_v):
    gap_m = 0.6e-9
    set_gap(bench, 2, 1, gap_m)
    drive(bench, "smu2.a", gate_v)
    drive(bench, "smu1.a", volt)
    # short, so that the cell stays where it is
    measured = bench.circuit.measure("smu1.a", aperture_s=1e-15)
    word_ohm, bit_ohm = CROSSPOINT + WORD_CONTACT + WORD, CROSSPOINT + BIT_CONTACT + 2 * BIT
    expected = series_a(bench._preset, gap_m, volt, gate_v, word_ohm, bit_ohm)
    assert expected > 3e-6
    # the other two cells of the bit line leak 1e-12 S each
    assert measured.current_a == pytest.approx(expected, rel=2e-4)
    assert not measured.in_compliance
    saturation_a = 0.5 * bench._preset["transistor.transconductance"] * (gate_v - 0.45) ** 2
    assert measured.current_a < 1.001 * saturation_a


def test_current_stops_at_the_compliance_when_the_cell_could_carry_more(bench):
    gap_m = 0.4e-9
    set_gap(bench, 2, 1, gap_m)
    drive(bench, "smu2.a", 3.0)
    drive(bench, "smu1.a", 0.19, limit_a=10e-6)
    measured = bench.circuit.measure("smu1.a", aperture_s=1e-12)
    assert measured.in_compliance
    assert measured.current_a == pytest.approx(10e-6, rel=1e-6)
    # what the terminal is left with is what the series circuit needs for that current
    word_ohm, bit_ohm = CROSSPOINT + WORD_CONTACT + WORD, CROSSPOINT + BIT_CONTACT + 2 * BIT
    needed_v = brentq(lambda v: series_a(bench._preset, gap_m, v, 3.0, word_ohm, bit_ohm) - 10e-6, 1e-3, 0.19)
    assert measured.voltage_v == pytest.approx(needed_v, rel=5e-4)


@pytest.mark.parametrize("gate", [0.0, None])
def test_cell_is_cut_off_when_its_gate_is_at_ground_or_floats(bench, gate):
    set_gap(bench, 2, 1, 0.3e-9)
    if gate is None:
        bench.circuit.switch("mat2", opening=["1A03"], closing=())
    else:
        drive(bench, "smu2.a", gate)
    before = bench.truth()["programmed_s"]
    drive(bench, "smu1.a", 2.0)
    measured = bench.circuit.measure("smu1.a", aperture_s=1e-3)
    # three transistors that are off, 1e-12 S each
    assert measured.current_a == pytest.approx(3 * 2.0 * bench._preset["transistor.off"], rel=1e-3)
    np.testing.assert_array_equal(bench.truth()["programmed_s"], before)


def test_positive_bit_line_sets_and_negative_resets_the_cell_whose_gate_is_on(bench):
    start = np.full((3, 2), OPEN_M)
    for row in range(3):
        for column in range(2):
            set_gap(bench, row, column, start[row, column])
    before = bench.truth()["programmed_s"]
    drive(bench, "smu2.a", 3.0)
    drive(bench, "smu1.a", 2.2)
    bench.clock.sleep(1e-3)
    drive(bench, "smu1.a", 0.0)
    middle = bench.truth()["programmed_s"]
    assert middle[2, 1] > 2.0 * before[2, 1]
    drive(bench, "smu2.a", 3.0)
    drive(bench, "smu1.a", -2.0)
    bench.clock.sleep(1e-2)
    drive(bench, "smu1.a", 0.0)
    last = bench.truth()["programmed_s"]
    assert last[2, 1] < 0.7 * middle[2, 1]
    others = np.ones((3, 2), dtype=bool)
    others[2, 1] = False
    np.testing.assert_array_equal(last[others], before[others])
    # the gate lets through, the bit line changes: two stimuli, whatever the gate did
    assert bench.oracle.pulses == {"smu1.a": 2}
    assert bench.log.counts == {}


def test_set_ends_where_the_transistor_takes_the_voltage(bench):
    # the more the gate allows, the lower the resistance after the SET
    ends = []
    for gate_v in (1.6, 2.0, 3.0):
        set_gap(bench, 2, 1, OPEN_M)
        drive(bench, "smu2.a", gate_v)
        drive(bench, "smu1.a", 2.2)
        bench.clock.sleep(1e-3)
        drive(bench, "smu1.a", 0.0)
        ends.append(bench.truth()["programmed_s"][2, 1])
    assert ends[0] * 1.2 < ends[1]
    assert ends[1] * 1.2 < ends[2]


def test_generator_pulse_sets_what_a_held_level_sets(bench):
    gaps = []
    for source in ("smu1.a", "gen1.1"):
        set_gap(bench, 2, 1, OPEN_M)
        drive(bench, "smu2.a", 3.0)
        if source == "gen1.1":
            bench.circuit.switch("mat1", opening=["2A02"], closing=["2C02"])
            drive(bench, "gen1.1", 0.0)
            assert bench.circuit.fire([Rectangle("gen1.1", 2.2, 0.0, 1e-3)]) == {"gen1.1": False}
        else:
            drive(bench, source, 2.2)
            bench.clock.sleep(1e-3)
            drive(bench, source, 0.0)
            bench.clock.sleep(1.0)
        gaps.append(bench._die.state["gap_m"][2, 1])
    assert gaps[0] < 1.5e-9
    assert gaps[1] == pytest.approx(gaps[0], rel=1e-6)
    assert bench.oracle.pulses == {"smu1.a": 1, "gen1.1": 1}


def test_hold_is_one_hold_when_it_is_read_in_its_midst(bench):
    ends = []
    for pieces in (1, 8):
        set_gap(bench, 2, 1, OPEN_M)
        drive(bench, "smu2.a", 2.0)
        drive(bench, "smu1.a", 2.2)
        for _ in range(pieces):
            bench.circuit.measure("smu1.a", aperture_s=1e-3 / pieces)
        drive(bench, "smu1.a", 0.0)
        bench.clock.sleep(1.0)
        ends.append(bench._die.state["gap_m"][2, 1])
    assert ends[0] < 1.5e-9
    assert ends[1] == pytest.approx(ends[0], rel=0.01)


def test_plate_carries_the_current_of_all_rows_to_its_one_column(bench):
    for row in range(3):
        set_gap(bench, row, 1, 0.6e-9)
    bench.circuit.switch("mat2", opening=["1E01", "1E02"], closing=["1A01", "1A02"])
    bench.circuit.switch("mat1", opening=["2E01"], closing=())
    drive(bench, "smu2.a", 3.0)
    drive(bench, "smu1.a", 0.15)
    into, out = (bench.circuit.measure(name, aperture_s=1e-12).current_a for name in ("smu1.a", "smu1.b"))
    assert into == pytest.approx(-out, rel=1e-6)
    alone = series_a(bench._preset, 0.6e-9, 0.15, 3.0, 120.5, 260.5)
    assert 2.5 * alone < into < 3.0 * alone
    bench.circuit.switch("mat1", opening=["1B12"], closing=())
    assert bench.log.counts == {"hot switching": 1}
    assert f"1B12 opened while it carried {into:.1e}"[:-4] in bench.log.violations[0].detail


def test_half_select_flag_spares_the_cells_of_other_bit_lines(tmp_path):
    path = tmp_path / "rack.toml"
    text = RACK.read_text(encoding="utf-8").replace("half_select = true", "half_select = false")
    path.write_text(text, encoding="utf-8", newline="\n")
    with Bench.open(path, home=tmp_path) as bench:
        bench.circuit.switch("mat1", opening=(), closing=["1B12", "2A02", "2C01"])
        bench.circuit.switch("mat2", opening=(), closing=["1A03"])
        for name in ("smu1.b", "smu1.a", "gen1.1"):
            drive(bench, name, 0.0)
        drive(bench, "smu2.a", 3.0)
        for column in range(2):
            set_gap(bench, 2, column, OPEN_M)
        drive(bench, "gen1.1", 2.0)
        drive(bench, "smu1.a", 2.2)
        bench.clock.sleep(1e-3)
        drive(bench, "smu1.a", 0.0)
        drive(bench, "gen1.1", 0.0)
        gap = bench._die.state["gap_m"][2]
        assert gap[1] < 1.5e-9
        assert gap[0] == OPEN_M


def test_array_is_found_again_when_the_bench_is_opened_again(tmp_path):
    # with all effects: the packaged bench
    with Bench.open("hfo2-1t1r-64x64", home=tmp_path) as first:
        wiring = first._file.wiring
        plate, bits, gates = wiring.word_lines[0], wiring.bit_lines, wiring.control.lines
        names = [plate[0] + "B" + plate[1:], *(bit[0] + "A" + bit[1:] for bit in bits[:4])]
        first.circuit.switch("mat1", opening=(), closing=names)
        first.circuit.switch("mat2", opening=(), closing=[gates[5][0] + "A" + gates[5][1:]])
        drive(first, "smu1.b", 0.0)
        drive(first, "smu2.a", 1.4)
        drive(first, "smu1.a", 2.2)
        first.clock.sleep(1e-3)
        drive(first, "smu1.a", 0.0)
        first.clock.sleep(1000.0)
        left, state = first.truth(), first._die.to_arrays()
    with Bench.open("hfo2-1t1r-64x64", home=tmp_path) as second:
        found = second.truth()
        for name, value in second._die.to_arrays().items():
            np.testing.assert_array_equal(value, state[name])
    assert np.unique(left["programmed_s"][5, :4]).size == 4
    for name, value in left.items():
        np.testing.assert_array_equal(found[name], value)


@pytest.mark.parametrize(("gate_v", "overshoots"), [(3.0, True), (1.0, False)])
def test_set_overshoots_a_compliance_by_its_loop_time_unless_the_transistor_limits(bench, gate_v, overshoots):
    # what the loop time is for: the compliance of a source-measure unit reacts late, a transistor at once
    limit_a, reached_s = 260e-6, []
    saturation_a = 0.5 * bench._preset["transistor.transconductance"] * (gate_v - 0.45) ** 2
    assert (saturation_a > limit_a) == overshoots
    for lag_s in (0.0, 3e-3):
        set_gap(bench, 2, 1, OPEN_M)
        bench.circuit.terminals["smu1.a"].limit_lag_s = lag_s
        bench.circuit._networks.clear()
        bench.circuit._network = None
        drive(bench, "smu2.a", gate_v)
        drive(bench, "smu1.a", 1.8, limit_a=limit_a)
        bench.clock.sleep(10e-3)
        drive(bench, "smu1.a", 0.0)
        drive(bench, "smu2.a", 0.0)
        reached_s.append(bench._die.programmed_s()[2, 1])
    if overshoots:
        assert reached_s[1] > 1.1 * reached_s[0]
    else:
        assert reached_s[1] == pytest.approx(reached_s[0], rel=1e-9)


def test_sources_of_the_rack_have_loop_times_of_their_own(bench):
    lags_s = [own.limit_lag_s for name, own in bench.circuit.terminals.items() if name.startswith("smu")]
    assert lags_s
    assert all(10e-6 <= lag_s <= 250e-6 for lag_s in lags_s)
