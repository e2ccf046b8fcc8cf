"""Authority: the closed form of the linear step with soft bounds, with the numbers of the device file (AIHWKIT's fit to
Tang et al., IEDM 2018); the definitions of asymmetry and non-linearity in the literature (NL = 10.1 x largest deviation
from the straight line, reproducing the table of NeuroSim); the stretched exponential.
"""

import numpy as np
import pytest

from labctl.physics.ecram_die import EcramDie
from labctl.physics.fresh_die import Effects
from labctl.physics.presets import load_preset

PRESET = load_preset("um2024_ecram")
QUIET = Effects(False, False, False, False, False)
RESTING = Effects(False, False, False, True, False)
STEP, UP, DOWN, W_MAX, W_MIN = 0.02, 0.1153, 0.5085, 1.1724, -0.8276


def gate(die, gate_v, width_s=0.1, now_s=0.0):
    die.stress(np.zeros(die.shape), width_s, now_s, control_v=np.full(die.shape, gate_v))


def ramp(die, pulses, gate_v, start_s):
    found = []
    for now_s in start_s + np.arange(pulses):
        gate(die, gate_v, now_s=now_s)
        found.append(float(die.coefficients_at(now_s + 1.0)[0][0, 0]))
    return np.array(found)


def closed_form(start, sign, pulses):
    # geometric approach to the fixed point bound / gamma of the recursion
    gamma, bound = (UP, W_MAX) if sign > 0 else (DOWN, W_MIN)
    fixed = bound / gamma
    shrunk = (1.0 - sign * STEP * gamma / bound) ** np.arange(1, pulses + 1)
    return np.clip(fixed + (start - fixed) * shrunk, W_MIN, W_MAX)


def nonlinearity(values):
    part = (values - values[0]) / (values[-1] - values[0])
    deviation = part - np.linspace(0.0, 1.0, part.size)
    return 10.1 * deviation[np.argmax(np.abs(deviation))]


def test_hundred_up_and_hundred_down_have_the_shape_of_the_preset():
    die = EcramDie(PRESET, 1, 1, 1, QUIET)
    ramp(die, 200, -5.0, 0.0)
    low_s = float(die.coefficients_at(200.0)[0][0, 0])
    up, down = ramp(die, 100, 5.0, 200.0), ramp(die, 100, -5.0, 300.0)
    middle_s, half_s = 22.5e-6, 7.5e-6
    start = (low_s - middle_s) / half_s
    expected_up = closed_form(start, 1, 100)
    expected_down = closed_form(expected_up[-1], -1, 100)
    np.testing.assert_allclose(up, middle_s + half_s * expected_up, rtol=1e-9)
    np.testing.assert_allclose(down, middle_s + half_s * expected_down, rtol=1e-9)
    # up: gamma 0.1153 is nearly straight; down: gamma 0.5085 is not
    span = up.max() - low_s
    asymmetry = np.max(np.abs(up - np.append(low_s, down[::-1][:-1]))) / span
    expected = np.max(np.abs(expected_up - np.append(start, expected_down[::-1][:-1]))) * half_s / span
    assert asymmetry == pytest.approx(expected, rel=1e-6)
    assert asymmetry > 0.1
    found = [nonlinearity(np.append(begin, ramped)) for begin, ramped in ((low_s, up), (up[-1], down))]
    wanted = [
        nonlinearity(np.append(begin, ramped))
        for begin, ramped in ((start, expected_up), (expected_up[-1], expected_down))
    ]
    np.testing.assert_allclose(found, wanted, rtol=1e-6)
    assert abs(found[1]) > 2.0 * abs(found[0])


def test_rest_goes_on_between_stresses_and_only_there():
    die = EcramDie(PRESET, 1, 2, 1, RESTING)
    gate(die, 5.0, 4.0)
    written = (die.programmed_s() - 22.5e-6)[0, 0]
    # tau 1e5 s, beta 0.7, towards the middle; looked at often or once, it is the same
    for now_s in np.geomspace(10.0, 1e5 + 4.0, 40):
        die.coefficients_at(now_s, [0])
    found = die.coefficients_at(1e5 + 4.0)[0] - 22.5e-6
    np.testing.assert_allclose(found, written / np.e, rtol=1e-9)
    # a stress in the dead zone, or none, does not hold it up
    gate(die, 2.5, 1e5, now_s=1e5 + 4.0)
    left = die.coefficients_at(2e5 + 4.0)[0] - 22.5e-6
    np.testing.assert_allclose(left, written * np.exp(-(2.0**0.7)), rtol=1e-9)


def test_rest_begins_anew_with_every_write():
    die = EcramDie(PRESET, 1, 1, 1, RESTING)
    gate(die, 5.0, 4.0)
    gate(die, 5.0, 0.1, now_s=1e5)
    written = (die.programmed_s() - 22.5e-6)[0, 0]
    left = (die.coefficients_at(2e5 + 0.1)[0] - 22.5e-6)[0, 0]
    assert left == pytest.approx(written / np.e, rel=1e-9)


def test_cell_that_was_disturbed_in_the_midst_of_a_hold_goes_on_from_there():
    die, alone = (EcramDie(PRESET, 1, 1, 1, QUIET) for _ in range(2))
    gate(die, 5.0, 0.05)
    die.scale(0, 0.9)
    disturbed = die.programmed_s()[0, 0]
    gate(die, 5.0, 0.05, now_s=0.05)
    alone.scale(0, disturbed / alone.programmed_s()[0, 0])
    gate(alone, 5.0, 0.05)
    assert die.programmed_s()[0, 0] == pytest.approx(alone.programmed_s()[0, 0], rel=1e-12)


def test_rest_is_faster_when_hot_as_arrhenius_says():
    hot, long = (EcramDie(PRESET, 1, 1, 1, RESTING) for _ in range(2))
    for die in (hot, long):
        gate(die, 5.0, 4.0)
        die.coefficients_at(4.0)
    hot.temperature_k = 358.0
    # 0.6 eV between 300 K and 358 K
    factor = np.exp(0.6 / 8.617333262e-5 * (1.0 / 300.0 - 1.0 / 358.0))
    assert factor > 30.0
    assert hot.coefficients_at(1004.0)[0][0, 0] == pytest.approx(long.coefficients_at(4.0 + 1e3 * factor)[0][0, 0])


def test_floating_gate_and_channel_voltage_write_nothing():
    die = EcramDie(PRESET, 2, 2, 1)
    before = die.programmed_s()
    die.stress(np.full((2, 2), 4.0), 10.0, 0.0)
    die.stress(np.full((2, 2), 4.0), 10.0, 10.0, control_v=np.full((2, 2), np.nan))
    np.testing.assert_array_equal(die.programmed_s(), before)
    die.stress(np.zeros((2, 2)), 0.1, 20.0, control_v=np.array([[5.0, np.nan], [2.5, 0.0]]))
    np.testing.assert_array_equal(die.programmed_s() != before, [[True, False], [False, False]])


def test_spread_of_one_pulse_is_that_of_the_device_file():
    # dw_min_std 0.3 of AIHWKIT; however the pulse is cut
    whole, cut = (EcramDie(PRESET, 60, 60, 2, Effects(False, True, False, False, False)) for _ in range(2))
    gate(whole, 5.0)
    gate(cut, 5.0, 0.04)
    gate(cut, 5.0, 0.06, now_s=0.04)
    for die in (whole, cut):
        moved = (die.programmed_s() - 22.5e-6) / 7.5e-6
        assert moved.std() / moved.mean() == pytest.approx(0.3, rel=0.05)
    np.testing.assert_allclose(cut.programmed_s(), whole.programmed_s(), rtol=1e-9)
