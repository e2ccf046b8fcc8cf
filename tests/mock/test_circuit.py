"""The bench circuit against closed forms. Authority: Ohm, Kirchhoff, Tellegen; systems.md 1.4 for the schemes."""

from types import MappingProxyType, SimpleNamespace

import numpy as np
import pytest
from scipy.optimize import brentq

from labctl.clock import VirtualClock
from labctl.physics.crossbar import Crossbar
from labctl.physics.crossbar_network import Wires
from labctl.physics.die import Die, Effects
from labctl.physics.presets import load_preset
from labctl_mock.bench.circuit import BenchCircuit
from labctl_mock.bench.hot_switching import HotSwitching
from labctl_mock.bench.live_cells import LiveCells
from labctl_mock.bench.log import BenchLog
from labctl_mock.bench.oracle import Oracle
from labctl_mock.bench.strict_toml import Quantity
from labctl_mock.bench.terminals import Rectangle, Terminal, TerminalMode
from labctl_mock.bench.thermal import ThermalNoise
from labctl_mock.bench.wiring import Wiring
from labctl_mock.bench.wiring_entry import WiringEntry

CROSSPOINT_OHM = 0.5
QUIET = Effects(device_spread=False, cycle_spread=False, read_noise=False, relaxation=False, stuck_cells=False)


def make_bench(size=4, *, wires=None, effects=QUIET, half_select=True, formed_s=100e-6):
    """Word lines on 1.., bit lines on 2..; A smu1.a, B smu1.b, C gen1.1, D gen1.2, E ground; pad on 611."""
    entry = WiringEntry(
        "mat1",
        MappingProxyType({"A": "smu1.a", "B": "smu1.b", "C": "gen1.1", "D": "gen1.2", "E": "ground"}),
        Quantity(CROSSPOINT_OHM, "ohm", "test"),
        tuple(f"1{line + 1:02d}" for line in range(size)),
        tuple(f"2{line + 1:02d}" for line in range(size)),
        "611",
        tuple(Quantity(1e6 + 1e4 * line, "ohm", "test") for line in range(2 * size)),
    )
    die = Die(load_preset("kim2021_tiox_al2o3"), size, size, 1, effects)
    if formed_s is not None:
        die.state.formed[...] = True
        die.state.conductance_s[...] = formed_s
    wiring, log, clock = Wiring(entry, (size, size)), BenchLog(), VirtualClock()
    cells = LiveCells(die, half_select=half_select)
    circuit = BenchCircuit(
        wiring,
        Crossbar(size, size, wires or Wires()),
        cells,
        clock,
        hot_switching=HotSwitching(wiring, log),
        thermal=ThermalNoise(1, 298.15, enabled=effects.read_noise),
        oracle=Oracle(log, cells.dead_zone_v),
        after_change=lambda: None,
    )
    circuit.attach({name: Terminal(name) for name in ("smu1.a", "smu1.b", "gen1.1", "gen1.2")})
    return SimpleNamespace(circuit=circuit, die=die, log=log, clock=clock, cells=cells, terminals=circuit.terminals)


def drive(bench, name, level, *, ohm=0.0, limit_a=np.inf):
    bench.circuit.settle()
    own = bench.terminals[name]
    own.mode, own.level, own.resistance_ohm, own.current_limit_a = TerminalMode.VOLTAGE, level, ohm, limit_a


def close(bench, *names):
    bench.circuit.switch("mat1", opening=(), closing=names)


def select(bench, size, row, column, word_row, bit_row, rest="E"):
    """Close the crosspoints of one cell; all other lines on ``rest``, or floating where that is empty."""
    names = [f"1{word_row}{row + 1:02d}", f"2{bit_row}{column + 1:02d}"]
    if rest:
        names += [f"1{rest}{line + 1:02d}" for line in range(size) if line != row]
        names += [f"2{rest}{line + 1:02d}" for line in range(size) if line != column]
    close(bench, *names)


def coefficients(bench):
    return bench.die.coefficients_at(bench.clock.now_s())


def instant_of(bench, levels):
    """The instant of a pulse with these levels, through the same path as fire()."""
    network = bench.circuit._present_network()
    return bench.circuit._solve(network, network.drives(levels))


def test_current_is_that_of_a_divider_when_one_cell_hangs_behind_50_ohm():
    bench = make_bench(1, wires=Wires(2.0, 2.0, 10.0, 10.0))
    select(bench, 1, 0, 0, "C", "E")
    drive(bench, "gen1.1", 0.2, ohm=50.0)
    (a1,), (a3,) = (part.ravel() for part in coefficients(bench))
    # one segment-less cell: 50 ohm, two crosspoints, two contacts in series
    series_ohm = 50.0 + 2 * CROSSPOINT_OHM + 20.0
    cell_v = brentq(lambda v: 0.2 - v - series_ohm * (a1 * v + a3 * v**3), 0.0, 0.2, xtol=1e-15)
    measured = bench.circuit.measure("gen1.1", aperture_s=1e-3)
    assert measured.current_a == pytest.approx((0.2 - cell_v) / series_ohm, rel=1e-9)
    assert measured.voltage_v == pytest.approx(0.2 - 50.0 * measured.current_a, rel=1e-9)
    assert bench.clock.now_s() == pytest.approx(1e-3)


def test_cells_see_v_and_half_v_when_scheme_is_half_v():
    bench = make_bench(4)
    select(bench, 4, 1, 2, "C", "D")
    drive(bench, "gen1.1", 0.0)
    drive(bench, "gen1.2", 0.0)
    seen = instant_of(bench, {"gen1.1": 0.7, "gen1.2": -0.7}).array.cell_voltage_v
    wanted = np.zeros((4, 4))
    wanted[1, :] = wanted[:, 2] = 0.7
    wanted[1, 2] = 1.4
    # crosspoints of 0.5 ohm carry up to 1 mA here
    np.testing.assert_allclose(seen, wanted, atol=1.5e-3)


def test_sneak_current_is_that_of_three_cells_in_series_when_the_rest_floats():
    bench = make_bench(2, formed_s=None)
    # virgin cells are ohmic
    bench.die.state.conductance_s[...] = [[1e-9, 20e-9], [30e-9, 60e-9]]
    select(bench, 2, 0, 0, "A", "B", rest="")
    drive(bench, "smu1.a", 0.2)
    drive(bench, "smu1.b", 0.0)
    measured = bench.circuit.measure("smu1.b", aperture_s=1e-3)
    sneak_s = 1.0 / (1 / 20e-9 + 1 / 60e-9 + 1 / 30e-9)
    assert measured.current_a == pytest.approx(-0.2 * (1e-9 + sneak_s), rel=1e-6, abs=0.0)


def test_reading_is_of_the_cell_alone_when_the_rest_is_grounded():
    bench = make_bench(2, formed_s=None)
    bench.die.state.conductance_s[...] = [[1e-9, 20e-9], [30e-9, 60e-9]]
    select(bench, 2, 0, 0, "A", "B")
    drive(bench, "smu1.a", 0.2)
    drive(bench, "smu1.b", 0.0)
    assert bench.circuit.measure("smu1.b", aperture_s=1e-3).current_a == pytest.approx(-0.2e-9, rel=1e-6, abs=0.0)
    # the driving side feeds the whole word line
    assert bench.circuit.measure("smu1.a", aperture_s=1e-3).current_a == pytest.approx(0.2 * 21e-9, rel=1e-6, abs=0.0)


def test_current_stops_at_the_limit_when_the_source_is_in_compliance():
    bench = make_bench(4)
    select(bench, 4, 0, 0, "A", "B")
    drive(bench, "smu1.a", 0.25, limit_a=50e-6)
    drive(bench, "smu1.b", 0.0)
    measured = bench.circuit.measure("smu1.a", aperture_s=1e-3)
    assert measured.in_compliance
    assert measured.current_a == pytest.approx(50e-6, rel=1e-6)
    # 4 cells of about 100 uS share it
    assert 0.11 < measured.voltage_v < 0.14
    drive(bench, "smu1.a", 0.05, limit_a=50e-6)
    assert not bench.circuit.measure("smu1.a", aperture_s=1e-3).in_compliance


def test_power_of_the_sources_is_that_of_the_cells_and_wires():
    # Tellegen's theorem, with the wires left out of the array and the crosspoints added by hand
    bench = make_bench(8, formed_s=np.linspace(20e-6, 300e-6, 64).reshape(8, 8))
    select(bench, 8, 3, 5, "C", "D")
    drive(bench, "gen1.1", 0.0, ohm=50.0)
    drive(bench, "gen1.2", 0.0, ohm=50.0)
    levels = {"gen1.1": 0.7, "gen1.2": -0.65}
    instant = instant_of(bench, levels)
    a1, a3 = coefficients(bench)
    v = instant.array.cell_voltage_v
    cells_w = np.sum(a1 * v**2 + a3 * v**4)
    assert (a1 * v**2 + a3 * v**4 >= 0.0).all()
    sources_w = sum(level * instant.terminal_current_a[name] for name, level in levels.items())
    crosspoints_w = np.sum(bench.circuit._present_network().felt(instant).current_a ** 2) * CROSSPOINT_OHM
    inside_w = 50.0 * sum(instant.terminal_current_a[name] ** 2 for name in levels)
    assert sources_w == pytest.approx(cells_w + crosspoints_w + inside_w, rel=1e-8)


def test_two_sources_meet_through_two_crosspoints_when_a_column_joins_their_rows():
    bench = make_bench(2, formed_s=1e-6)
    drive(bench, "smu1.a", 0.005)
    drive(bench, "smu1.b", -0.005)
    close(bench, "1A01", "1B01")
    # 10 mV over 2 x 0.5 ohm; the floating line takes nothing
    assert bench.circuit.measure("smu1.a", aperture_s=1e-3).current_a == pytest.approx(0.01, rel=1e-6)
    assert bench.circuit.measure("smu1.b", aperture_s=1e-3).current_a == pytest.approx(-0.01, rel=1e-6)
    drive(bench, "smu1.b", -0.005, limit_a=1e-3)
    limited = bench.circuit.measure("smu1.b", aperture_s=1e-3)
    assert limited.in_compliance
    assert limited.current_a == pytest.approx(-1e-3, rel=1e-9)


def test_open_terminal_neither_drives_nor_reads():
    bench = make_bench(2)
    select(bench, 2, 0, 0, "A", "B")
    drive(bench, "smu1.b", 0.0)
    bench.terminals["smu1.a"].level = 5.0
    assert bench.circuit.measure("smu1.a", aperture_s=1e-3).current_a == 0.0
    assert bench.circuit.measure("smu1.b", aperture_s=1e-3).current_a == pytest.approx(0.0, abs=1e-12)


def test_unknown_names_are_refused():
    bench = make_bench(2)
    with pytest.raises(ValueError, match=r"no terminal 'smu2.a'; there are gen1.1"):
        bench.circuit.measure("smu2.a", aperture_s=1e-3)
    with pytest.raises(ValueError, match="no terminal"):
        bench.circuit.fire([Rectangle("gen9.1", 1.0, 0.0, 1e-6)])
    with pytest.raises(ValueError, match="not on 'mat2'"):
        bench.circuit.switch("mat2", opening=(), closing=["1A01"])
    with pytest.raises(ValueError, match="aperture must be positive"):
        bench.circuit.measure("smu1.a", aperture_s=0.0)


@pytest.mark.parametrize("line", [0, 3, 5])
def test_identification_resistor_is_read_when_pad_is_closed(line):
    # doctor's round trip: SMU A on the line, SMU B on the pad at 0 V, all other lines grounded
    bench = make_bench(4, formed_s=100e-6, wires=Wires(2.0, 2.0, 10.0, 10.0))
    names = [f"1{'A' if line == i else 'E'}{i + 1:02d}" for i in range(4)]
    names += [f"2{'A' if line == 4 + i else 'E'}{i + 1:02d}" for i in range(4)]
    close(bench, *names, "6B11")
    drive(bench, "smu1.a", 0.2)
    drive(bench, "smu1.b", 0.0)
    current_a = bench.circuit.measure("smu1.b", aperture_s=20e-3).current_a
    assert -0.2 / current_a == pytest.approx(1e6 + 1e4 * line, rel=3e-3)
    # the other way about, as the wires allow: pad driven, line held at 0 V
    drive(bench, "smu1.a", 0.0)
    drive(bench, "smu1.b", 0.2)
    current_a = bench.circuit.measure("smu1.a", aperture_s=20e-3).current_a
    assert -0.2 / current_a == pytest.approx(1e6 + 1e4 * line, rel=3e-4)


def test_relays_are_noted_when_they_move_under_current():
    bench = make_bench(2)
    select(bench, 2, 0, 0, "A", "B")
    drive(bench, "smu1.b", 0.0)
    drive(bench, "smu1.a", 0.2)
    bench.circuit.switch("mat1", opening=["1A01"], closing=[])
    assert bench.log.counts["hot switching"] == 1
    # 2 cells of about 100 uS at 0.2 V
    assert "1A01 opened while it carried 4" in bench.log.violations[0].detail
    bench.circuit.switch("mat1", opening=[], closing=["1A01"])
    assert bench.log.counts["hot switching"] == 2
    assert "1A01 closed across 2" in bench.log.violations[1].detail
    # a repeated command moves nothing
    bench.circuit.switch("mat1", opening=["1A02"], closing=["1A01"])
    assert bench.log.counts["hot switching"] == 2


def test_relays_are_not_noted_when_sources_are_at_zero():
    bench = make_bench(2)
    drive(bench, "smu1.b", 0.0)
    drive(bench, "smu1.a", 0.4e-3)
    select(bench, 2, 0, 0, "A", "B")
    bench.circuit.switch("mat1", opening=["1A01"], closing=["1C01"])
    assert not bench.log.counts


def test_half_selected_cells_move_only_when_the_effect_is_on():
    # systems.md 1.4: SET 1.15 V at V/2 disturbs by about 0.65 uS per 100 us
    moved = {}
    for half_select in (True, False):
        bench = make_bench(4, half_select=half_select)
        select(bench, 4, 0, 0, "C", "D")
        drive(bench, "gen1.1", 0.0, ohm=50.0)
        drive(bench, "gen1.2", 0.0, ohm=50.0)
        bench.circuit.fire([Rectangle("gen1.1", 0.575, 0.0, 1e-4), Rectangle("gen1.2", -0.575, 0.0, 1e-4)])
        assert bench.clock.now_s() == pytest.approx(1e-4)
        moved[half_select] = bench.die.state.conductance_s - 100e-6
    others = np.ones((4, 4), dtype=bool)
    others[0, 0] = False
    half = np.zeros((4, 4), dtype=bool)
    half[0, :] = half[:, 0] = True
    assert moved[True][0, 0] > 10e-6
    assert (moved[True][half & others] > 0.1e-6).all()
    assert (moved[True][half & others] < 1.5e-6).all()
    assert (moved[True][~half] == 0.0).all()
    assert moved[False][0, 0] == pytest.approx(moved[True][0, 0], rel=0.02)
    assert (moved[False][others] == 0.0).all()


def test_selected_cell_is_the_one_with_the_largest_voltage_when_the_rest_is_held_at_half():
    # systems.md 1.4, V/2 with word line V, bit line 0 and all others V/2: the selected bit line is on ground
    bench = make_bench(4, half_select=False)
    close(bench, "1A01", "2E01", "1B02", "1B03", "1B04", "2B02", "2B03", "2B04")
    drive(bench, "smu1.a", 1.2)
    drive(bench, "smu1.b", 0.6)
    bench.clock.sleep(1e-4)
    drive(bench, "smu1.a", 0.0)
    moved = bench.die.state.conductance_s != 100e-6
    assert moved[0, 0]
    assert moved.sum() == 1


def test_selected_cell_is_between_driven_lines_when_grounded_ones_are_as_far_apart():
    bench = make_bench(4, half_select=False)
    select(bench, 4, 0, 0, "A", "B")
    drive(bench, "smu1.b", 0.0)
    drive(bench, "smu1.a", 1.2)
    bench.clock.sleep(1e-4)
    drive(bench, "smu1.a", 0.0)
    moved = bench.die.state.conductance_s != 100e-6
    assert moved[0, 0]
    assert moved.sum() == 1


def test_reading_changes_no_cell_when_it_stays_in_the_dead_zone():
    bench = make_bench(4)
    select(bench, 4, 0, 0, "A", "B")
    drive(bench, "smu1.a", 0.2)
    drive(bench, "smu1.b", 0.0)
    before = bench.die.state.conductance_s.copy()
    bench.clock.sleep(1e5)
    bench.circuit.measure("smu1.b", aperture_s=1.0)
    np.testing.assert_array_equal(bench.die.state.conductance_s, before)


@pytest.mark.parametrize(("level", "least", "most"), [(-1.2, 85e-6, 92e-6), (1.1, 140e-6, 170e-6)])
def test_hold_ages_the_cell_the_same_when_it_is_cut_into_pieces(level, least, most):
    # the SET draws so much current through 200 ohm that its own voltage sags by tens of mV
    ends = []
    for pieces in (1, 10):
        bench = make_bench(2, wires=Wires(2.0, 2.0, 100.0, 100.0))
        select(bench, 2, 0, 0, "A", "B")
        drive(bench, "smu1.b", 0.0)
        drive(bench, "smu1.a", level)
        for _ in range(pieces):
            bench.clock.sleep(1e-3 / pieces)
            bench.circuit.settle()
        drive(bench, "smu1.a", 0.0)
        ends.append(bench.die.state.conductance_s[0, 0])
    assert least < ends[0] < most
    assert ends[1] == pytest.approx(ends[0], rel=0.03)


def test_forming_leaves_what_the_compliance_allows():
    # systems.md 7.3: G after forming is about 5 I_cc / 1 V
    bench = make_bench(4, formed_s=None)
    select(bench, 4, 1, 1, "A", "B")
    drive(bench, "smu1.b", 0.0, limit_a=1e-3)
    drive(bench, "smu1.a", 3.2, limit_a=30e-6)
    bench.clock.sleep(50e-3)
    measured = bench.circuit.measure("smu1.a", aperture_s=1e-3)
    assert bench.die.state.formed[1, 1]
    assert measured.in_compliance
    assert measured.current_a == pytest.approx(30e-6, rel=1e-3)
    drive(bench, "smu1.a", 0.0)
    assert bench.die.state.conductance_s[1, 1] == pytest.approx(150e-6, rel=0.05)


def test_first_breakdown_saves_its_neighbours_when_they_share_a_limit():
    # once one cell conducts, the source is in compliance and the line sags: breakdowns come in order, not all at once
    bench = make_bench(4, formed_s=None, effects=Effects(cycle_spread=False, read_noise=False, stuck_cells=False))
    close(bench, "1A01", "1E02", "1E03", "1E04", "2E01", "2E02", "2E03", "2E04")
    drive(bench, "smu1.a", 3.4, limit_a=30e-6)
    bench.clock.sleep(1.0)
    bench.circuit.settle()
    assert bench.die.state.formed[0].sum() == 1
    assert not bench.die.state.formed[1:].any()


def test_set_is_weaker_when_a_resistance_takes_its_share():
    ends = {}
    for ohm in (0.0, 2000.0):
        bench = make_bench(1, formed_s=20e-6)
        select(bench, 1, 0, 0, "C", "E")
        drive(bench, "gen1.1", 0.0, ohm=ohm)
        bench.circuit.fire([Rectangle("gen1.1", 1.1, 0.0, 1e-4)])
        ends[ohm] = bench.die.state.conductance_s[0, 0]
    assert ends[0.0] > 100e-6
    # the law at the mean of the voltages before and after
    a1, a3 = (part[0, 0] for part in make_bench(1, formed_s=20e-6).die.coefficients_at(0.0))
    b1, b3 = (part[0, 0] for part in make_bench(1, formed_s=ends[2000.0]).die.coefficients_at(0.0))
    series_ohm = 2000.0 + 2 * CROSSPOINT_OHM
    start_v = brentq(lambda v: 1.1 - v - series_ohm * (a1 * v + a3 * v**3), 0.0, 1.1)
    end_v = brentq(lambda v: 1.1 - v - series_ohm * (b1 * v + b3 * v**3), 0.0, 1.1)
    alone = make_bench(1, formed_s=20e-6).die
    alone.stress(np.array([[0.5 * (start_v + end_v)]]), 1e-4, 0.0)
    assert end_v < start_v - 0.02
    assert ends[2000.0] == pytest.approx(alone.state.conductance_s[0, 0], rel=0.02)
    assert 30e-6 < ends[2000.0] < 0.8 * ends[0.0]


def test_levels_of_two_terminals_are_told_apart_when_lines_are_swapped():
    # a swapped wire changes what is measured: 1E01 against 1E02
    bench = make_bench(2, formed_s=np.array([[50e-6, 100e-6], [150e-6, 200e-6]]))
    currents = {}
    for row in (0, 1):
        bench.circuit.switch("mat1", opening=list(bench.circuit._relays.closed), closing=[])
        select(bench, 2, row, 0, "A", "B")
        drive(bench, "smu1.b", 0.0)
        drive(bench, "smu1.a", 0.1)
        currents[row] = -bench.circuit.measure("smu1.b", aperture_s=1e-3).current_a
        drive(bench, "smu1.a", 0.0)
    assert currents[1] / currents[0] == pytest.approx(3.0, rel=0.05)


def test_thermal_noise_has_the_power_of_johnson_and_nyquist():
    noise = ThermalNoise(3, 300.0, enabled=True)
    drawn = np.array([noise.draw_a(1e-3, 20e-3) for _ in range(4000)])
    # 4 k T G over a noise bandwidth of 1 / (2 T); 4000 draws: 2.2 % on the variance
    assert np.var(drawn) / (4 * 1.380649e-23 * 300.0 * 1e-3 / 0.04) == pytest.approx(1.0, rel=0.1)
    again = ThermalNoise(3, 300.0, enabled=True)
    again.draws = 3999
    assert again.draw_a(1e-3, 20e-3) == drawn[-1]
    assert ThermalNoise(3, 300.0, enabled=False).draw_a(1e-3, 20e-3) == 0.0


@pytest.mark.parametrize("levels_v", [(0.75, 0.85), (-1.2, -1.0), (0.85, -1.2), (0.8, 0.8)])
def test_a_waveform_of_two_samples_is_two_pulses_to_the_cells(levels_v):
    # the semigroup of the physics: what lives through 2 t has lived through t twice, half-selected cells as well
    states = []
    for bursts in (((0, 1),), ((0,), (1,))):
        bench = make_bench(size=2)
        for name in ("gen1.1", "gen1.2"):
            drive(bench, name, 0.0, ohm=50.0)
        select(bench, 2, 0, 0, "C", "D")
        for burst in bursts:
            pulses = [
                Rectangle(f"gen1.{output}", share * levels_v[index], place * 1e-5, 1e-5)
                for place, index in enumerate(burst)
                for output, share in ((1, 0.5), (2, -0.5))
            ]
            bench.circuit.fire(pulses)
        states.append(bench.die.state.conductance_s.copy())
    assert states[0] == pytest.approx(states[1], rel=1e-9)
    assert abs(states[0][0, 0] / 100e-6 - 1.0) > 1e-2
