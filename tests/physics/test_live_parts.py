"""Authority: the two-state Markov process (exponential dwell times, stationary occupancy, mean and variance of a time
average); Arrhenius; the definitions of the parts in the parameter file; a die without parts as the reference.
"""

from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import kstest

from labctl.physics.fluctuations import LogWalk
from labctl.physics.fresh_die import Effects
from labctl.physics.live_die import make_die
from labctl.physics.parts.retention import Retention
from labctl.physics.parts.rtn import Traps
from labctl.physics.parts.temperature import arrhenius
from labctl.physics.parts.wear import Wear
from labctl.physics.presets import load_preset
from labctl.physics.random import cell_ids

PARTS = load_preset("parts_assumed")
QUIET = Effects(False, False, False, False, False)


def traps_of(cells, capture_s, emission_s, seed=5):
    ones = np.ones((cells, 1))
    return Traps(0.1 * ones, capture_s * ones, emission_s * ones, seed, np.arange(cells))


def test_dwell_times_of_a_trap_are_exponential():
    cells, step_s, count = 25, 2e-3, 4_000
    traps = traps_of(cells, 0.3, 0.1)
    state, index = traps.fresh(), np.arange(cells)
    full = np.array([traps.factor(state, index, step_s * n, 0.0, 1.0) < 0.95 for n in range(1, count)]).T
    dwells = {True: [], False: []}
    for cell in full:
        edges = np.flatnonzero(np.diff(cell.astype(int)))
        for begin, end in pairwise(edges):
            # times come on a grid: spread over its step for the continuous test
            dwells[bool(cell[begin + 1])].append((end - begin - begin * 0.618 % 1.0) * step_s)
    for is_full, mean_s in ((True, 0.1), (False, 0.3)):
        assert len(dwells[is_full]) > 300
        assert kstest(dwells[is_full], "expon", args=(0.0, mean_s)).pvalue > 0.01
        # of the other state's time it is not
        assert kstest(dwells[is_full], "expon", args=(0.0, 0.4 - mean_s)).pvalue < 1e-6


@pytest.mark.parametrize("gap_s", [1e-3, 0.05, 3.0])
def test_occupancy_stays_stationary_over_gaps_of_any_length(gap_s):
    traps = traps_of(20_000, 0.3, 0.1)
    state, index = traps.fresh(), np.arange(20_000)
    for number in range(1, 6):
        before = state["trap_full"][:, 0].copy()
        traps.factor(state, index, number * gap_s, 0.0, 1.0)
    full = state["trap_full"][:, 0]
    assert full.mean() == pytest.approx(0.25, abs=0.012)
    # conditional on the last state: p + (s - p) exp(-gap / tau), tau = 0.075 s
    kept = np.exp(-gap_s / 0.075)
    assert full[before].mean() == pytest.approx(0.25 + 0.75 * kept, abs=0.03)
    assert full[~before].mean() == pytest.approx(0.25 - 0.25 * kept, abs=0.015)


@pytest.mark.parametrize("aperture_s", [0.02, 0.3, 40.0])
def test_reading_sees_the_mean_occupancy_over_its_aperture(aperture_s):
    cells = 4_000
    traps = traps_of(cells, 0.3, 0.1)
    factor = traps.factor(traps.fresh(), np.arange(cells), aperture_s, aperture_s, 1.0)
    mean = (1.0 - factor) / 0.1
    # variance of the time average of a two-state process
    u = aperture_s / 0.075
    variance = 2.0 * 0.25 * 0.75 / u * (1.0 - (1.0 - np.exp(-u)) / u)
    assert mean.mean() == pytest.approx(0.25, abs=4.0 * np.sqrt(variance / cells))
    assert mean.var() == pytest.approx(variance, rel=0.1)


def test_cells_have_none_to_two_traps_of_the_stated_sizes_and_heat_speeds_them_up():
    traps = Traps.from_preset(PARTS, 3, cell_ids(60, 60).ravel())
    count = np.count_nonzero(traps.amplitude, axis=1)
    np.testing.assert_allclose(np.bincount(count) / 3600.0, 1.0 / 3.0, atol=0.03)
    some = traps.amplitude[traps.amplitude > 0.0]
    assert 0.005 <= some.min() < 0.006
    assert 0.045 < some.max() <= 0.05
    assert min(traps.capture_s.min(), traps.emission_s.min()) >= 1e-3
    assert max(traps.capture_s.max(), traps.emission_s.max()) <= 10.0
    fast, slow = traps_of(3_000, 0.3, 0.1), traps_of(3_000, 0.03, 0.01)
    index = np.arange(3_000)
    found = [made.factor(made.fresh(), index, 1.0, 0.1, speed) for made, speed in ((fast, 10.0), (slow, 1.0))]
    np.testing.assert_array_equal(*found)


def test_retention_follows_its_two_laws_and_arrhenius():
    law = Retention.from_preset(PARTS)
    state, index = law.fresh(1), np.array([0])
    law.grow_old(state, index, 1e6, 300.0)
    found = law.log_g(state, index, np.array([2.0]))[0]
    assert found == pytest.approx(2.0 * np.exp(-((1e6 / 3e8) ** 0.7)) - 0.01 * np.log10(1.0 + 1e8))
    hot, cut = law.fresh(1), law.fresh(1)
    law.grow_old(hot, index, 1e3, 400.0)
    for end_s in (10.0, 300.0, 1e3):
        law.grow_old(cut, index, end_s, 400.0)
    assert cut["age_s"][0] == pytest.approx(hot["age_s"][0], rel=1e-12)
    assert hot["age_s"][0] / 1e3 == pytest.approx(np.exp(0.85 / 8.617333262e-5 * (1.0 / 300.0 - 1.0 / 400.0)))
    law.reprogram(hot, index, np.array([-0.1]))
    assert hot["age_s"][0] == pytest.approx(cut["age_s"][0] / np.e)
    with pytest.raises(ValueError, match="temperature must be positive"):
        arrhenius(0.5, 0.0)


def test_cycles_are_counted_by_turns_however_a_change_is_cut():
    wear = Wear(0.1, 0.1, np.full(2, 1e9))
    state, index = wear.fresh(), np.arange(2)
    before = np.zeros(2)
    path = [1.0, 0.95, 1.2, 0.0, 1.0, 0.0, 0.05, -0.2, 1.0]
    for target in path:
        # the second cell gets there in seven steps
        steps = np.linspace(before, target, 8)
        wear.count(state, index[:1], before[:1], np.array([target]))
        for number in range(7):
            wear.count(state, index[1:], steps[number][1:], steps[number + 1][1:])
        before = np.full(2, target)
    # up, down, up, down, up: turns of less than 0.1 do not count
    np.testing.assert_array_equal(state["half_cycles"], [5, 5])


def test_window_shrinks_with_the_tenth_root_of_cycles_and_cells_stick_in_the_end():
    wear = Wear.from_preset(PARTS, 1, np.arange(4_000))
    state, index = wear.fresh(), np.arange(4_000)
    assert (wear.width(state, index) == 1.0).all()
    state["half_cycles"][:] = 2 * 10**4
    np.testing.assert_allclose(wear.width(state, index), 10**-0.4)
    state["half_cycles"][:] = 2 * 10**5
    assert not wear.worn_out(state).any() or wear.life.min() <= 1e5
    state["half_cycles"][:] = 2 * int(1e5 + 1e6)
    # constant hazard of 1e-6 per cycle beyond 1e5
    assert wear.worn_out(state).mean() == pytest.approx(1.0 - np.exp(-1.0), abs=0.025)


@pytest.mark.parametrize("name", ["kim2021_tiox_al2o3", "asu_hfox_1t1r", "um2024_ecram", "dhull2024_domain_wall"])
def test_parts_leave_the_numbers_of_the_die_alone(name):
    bare, fitted = (make_die(load_preset(name), 4, 4, 2, parts=parts) for parts in (None, PARTS))
    control_v = None if bare.control is None else np.full((4, 4), 5.0 if name.startswith("um") else 0.06)
    for now_s, cell_v in ((1.0, 3.4), (2.0, -1.2), (3.0, 1.0)):
        for die in (bare, fitted):
            die.stress(np.full((4, 4), cell_v), 1e-8 if name.startswith("dhull") else 0.01, now_s, control_v=control_v)
            die.coefficients_at(now_s + 0.5)
    np.testing.assert_array_equal(fitted.programmed_s(), bare.programmed_s())
    for key, value in bare.to_arrays().items():
        np.testing.assert_array_equal(fitted.to_arrays()[key], value, err_msg=key)


def test_parts_show_noise_loss_and_wear_of_a_die_that_has_none():
    die = make_die(load_preset("asu_hfox_1t1r"), 6, 6, 2, Effects(False, False, True, True, False), parts=PARTS)
    quiet = make_die(load_preset("asu_hfox_1t1r"), 6, 6, 2, QUIET, parts=PARTS)
    start_s = quiet.coefficients_at(1.0)[0]
    np.testing.assert_allclose(quiet.coefficients_at(1e9)[0], start_s)
    assert np.std(die.coefficients_at(1e9)[0] / die.programmed_s()) > 0.01
    quiet.state["half_cycles"][:] = 2 * 10**5
    quiet.state["half_cycles"][0, 0] = 10**9
    middle_s = np.sqrt(np.prod(quiet.window_s))
    shown_s = quiet.coefficients_at(1.0)[0]
    np.testing.assert_allclose(np.log(shown_s[1:] / middle_s), np.log(start_s[1:] / middle_s) * 10**-0.5, rtol=1e-4)
    before_s = quiet.programmed_s()
    quiet.stress(np.full((6, 6), 1.9), 1e-5, 2.0, control_v=np.full((6, 6), 1.2))
    moved = quiet.programmed_s() != before_s
    assert not moved[0, 0]
    assert moved.sum() == 35
    assert quiet.truth(3.0)["stuck"].sum() == 1


def test_cycles_of_a_die_count_and_stick_it():
    parts = PARTS.with_overrides({"endurance.safe_cycles": 3.0, "endurance.mean_life": 1.0})
    die = make_die(load_preset("asu_hfox_1t1r"), 3, 3, 2, QUIET, parts=parts)
    for cycle in range(40):
        for offset_s, cell_v, gate_v in ((0.0, 1.9, 1.2), (0.5, -1.7, 3.0)):
            die.stress(np.full((3, 3), cell_v), 1e-6, cycle + offset_s, control_v=np.full((3, 3), gate_v))
    assert (die.stuck == 3).all()
    cycles = die.state["half_cycles"] / 2.0
    assert cycles.min() >= 3.0
    assert cycles.max() < 20.0


def test_walk_is_normal_without_tails_and_has_one_unit_of_variance_per_decade():
    number = np.arange(20_000)
    walk = LogWalk(1e-3, 0.1, 0.0, 1, number)
    state = walk.fresh()
    walk.carry(state, number, 0.5)
    found = walk.carry(state, number, 99.999)
    assert found.var() == pytest.approx(5.0, rel=0.04)
    assert kstest(found / np.sqrt(5.0), "norm").pvalue > 0.01


def test_heat_lowers_a_low_resistance_state_and_raises_a_high_one():
    preset = load_preset("asu_hfox_1t1r")
    # retention is switched off with relaxation, telegraph noise with read noise
    die = make_die(preset, 1, 3, 1, QUIET, parts=PARTS)
    die.die.state["gap_m"][:] = [[0.1e-9, 0.9e-9, 1.7e-9]]
    cold = die.coefficients_at(1.0)[0][0]
    np.testing.assert_allclose(cold, die.programmed_s()[0], rtol=1e-5)
    die.temperature_k = 400.0
    change = np.log(die.coefficients_at(1.0)[0][0] / cold)
    activated = 0.05 / 8.617333262e-5 * (1.0 / 300.0 - 1.0 / 400.0)
    np.testing.assert_allclose(change, [-0.2, 0.5 * (activated - 0.2), activated], rtol=1e-9)
    np.testing.assert_allclose(np.log(die.truth(1.0)["conductance_s"][0] / cold), change)
    die.temperature_k = 300.0
    np.testing.assert_allclose(die.coefficients_at(1.0)[0][0], cold)
