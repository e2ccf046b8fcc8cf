"""Tables of steps, from curves of devices whose law is known. Authority: that law, dG = exp(-nl g) / N."""

import numpy as np
import pytest

from labctl.networks.jump_tables import JumpTables, exponential_tables, tables_of_curves
from labctl_procedures.system.sign_parts import most_even

LOW_S, HIGH_S = 50e-6, 250e-6


def curves(gains, *, states, slope, spread, cycles=6, pulses=150, seed=0):
    """Pulse devices up and down by the law alone; give both branches in S."""
    rng = np.random.default_rng(seed)
    found = np.empty((2, len(gains), cycles, pulses + 1))
    for device, (up, down) in enumerate(gains):
        for cycle in range(cycles):
            place = 0.1
            for branch, sign in enumerate((1.0, -1.0)):
                found[branch, device, cycle, 0] = place
                for pulse in range(1, pulses + 1):
                    gain = up if sign > 0 else down
                    step = gain * np.exp(-slope * (place if sign > 0 else 1.0 - place)) / states
                    place += sign * step * (1.0 + spread * rng.standard_normal())
                    found[branch, device, cycle, pulse] = place
    return LOW_S + (HIGH_S - LOW_S) * found


def test_tables_hold_the_law_when_curves_obey_it():
    gains = [(1.0, 1.0), (1.6, 0.7), (0.8, 1.3)]
    up_s, down_s = curves(gains, states=120, slope=0.8, spread=0.3)
    tables, usable, _ = tables_of_curves(up_s, down_s, low_s=LOW_S, high_s=HIGH_S)
    assert usable.all()
    place = np.linspace(0.0, 1.0, tables.up_mean.shape[1])
    for device, gain in enumerate(gains):
        for branch, law, size in ((up_s, place, tables.up_mean), (down_s, 1.0 - place, tables.down_mean)):
            before = (branch[device, :, :-1].ravel() - LOW_S) / (HIGH_S - LOW_S)
            near = np.round(before * (len(place) - 1))
            count = np.array([(near == index).sum() for index in range(len(place))])
            wanted = gain[branch is down_s] * np.exp(-0.8 * law) / 120
            # five standard errors of the mean, and what the law changes within half a bin
            well = count >= 20
            allowed = 5.0 * 0.3 / np.sqrt(np.maximum(count, 1)) + 0.5 * 0.8 / (len(place) - 1)
            assert well.sum() >= 5
            assert np.all(np.abs(size[device] / wanted - 1.0) < allowed, where=well)
    assert tables.cycle_spread == pytest.approx(0.3, rel=0.15)
    assert tables.device_spread[0] == pytest.approx(np.log([1.0, 1.6, 0.8]).std(ddof=1), abs=0.08)


def test_nonlinearity_is_the_exponent_when_curves_cover_the_range():
    up_s, down_s = curves([(1.0, 1.0)] * 4, states=80, slope=0.8, spread=0.3)
    tables, _, _ = tables_of_curves(up_s, down_s, low_s=LOW_S, high_s=HIGH_S)
    assert tables.nonlinearity == pytest.approx((0.8, 0.8), abs=0.1)


def test_states_and_imbalance_are_those_of_the_law():
    tables = exponential_tables(200, 0.3)
    assert tables.states == pytest.approx(200)
    assert tables.nonlinearity == pytest.approx((0.0, 0.0), abs=1e-9)
    assert tables.imbalance == pytest.approx(0.0, abs=1e-12)
    twice = JumpTables(2.0 * tables.up_mean, tables.up_spread, tables.down_mean, tables.down_spread)
    assert twice.imbalance == pytest.approx(np.log(2.0))


def test_cell_takes_the_others_shape_where_it_was_not_measured():
    up_s, down_s = curves([(1.0, 1.0), (2.0, 2.0)], states=120, slope=0.0, spread=0.1)
    # the second device shows the upper half of the range only
    for branch in (up_s, down_s):
        branch[1][branch[1] < 0.5 * (LOW_S + HIGH_S)] = np.nan
    tables, _, own = tables_of_curves(up_s, down_s, low_s=LOW_S, high_s=HIGH_S)
    assert tables.up_mean[1] == pytest.approx(2.0 / 120, rel=0.25)
    middle = own.shape[1] // 2
    assert not own[1, : middle - 1].any()
    assert own[1, middle + 1 : -1].all()


def test_cell_is_left_out_when_it_does_not_move():
    up_s, down_s = curves([(1.0, 1.0), (1.0, 1.0)], states=100, slope=0.0, spread=0.2)
    up_s[1] = down_s[1] = 1e-3
    tables, usable, own = tables_of_curves(up_s, down_s, low_s=LOW_S, high_s=HIGH_S)
    assert usable.tolist() == [True, False]
    assert own.shape == tables.up_mean.shape
    assert tables.devices == 1
    with pytest.raises(ValueError, match="at least 1"):
        tables_of_curves(up_s[1:], down_s[1:], low_s=LOW_S, high_s=HIGH_S)


@pytest.mark.parametrize("steps", [np.full((1, 4), np.nan), np.full((1, 4), -0.1), np.ones(4)])
def test_tables_refuse_when_steps_are_no_sizes(steps):
    with pytest.raises(ValueError, match="jump tables"):
        JumpTables(steps, steps, steps, steps)


@pytest.mark.parametrize("wrong", [{"states": 1.0}, {"cycle_spread": -0.1}, {"device_spread": -1.0}])
def test_model_device_refuses_when_it_is_none(wrong):
    with pytest.raises(ValueError, match="at least 2 states"):
        exponential_tables(**({"states": 64.0, "cycle_spread": 0.3} | wrong))


def test_pulses_are_the_most_even_of_those_that_got_through_the_range():
    even, sloped = exponential_tables(100, 0.3), exponential_tables(100, 0.3, nonlinearity=1.0)
    flags = {share: np.arange(10)[None, :] < 10 * share for share in (0.5, 0.6, 0.9, 1.0)}
    # half a range measured: it only looks even
    assert most_even({0: even, 1: sloped}, {0: flags[0.5], 1: flags[0.9]}) == 1
    assert most_even({0: even, 1: sloped}, {0: flags[1.0], 1: flags[0.9]}) == 0
    assert most_even({0: sloped, 1: even}, {0: flags[0.6], 1: flags[0.5]}) == 0
