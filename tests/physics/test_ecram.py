"""Authority: the recursion of AIHWKIT's linear-step device, done pulse by pulse; the preset's own numbers; algebra."""

import numpy as np
import pytest

from labctl.physics.ecram import EcramCells
from labctl.physics.presets import load_preset

UP, DOWN, WIDTH = 5.0, -5.0, 0.1


def cells(count=1, seed=3, **without):
    flags = {"device_spread": False, "cycle_spread": False} | without
    return EcramCells(load_preset("um2024_ecram"), cells=count, seed=seed, **flags)


def recursion(pulses, sign, start):
    """AIHWKIT, LinearStep: w += dir dw (1 - gamma w / bound), clipped."""
    step, gamma, bound = {1: (0.02, 0.1153, 1.1724), -1: (0.02, 0.5085, -0.8276)}[sign]
    w, found = start, []
    for _ in range(pulses):
        w = np.clip(w + sign * step * (1.0 - gamma * w / bound), -0.8276, 1.1724)
        found.append(w)
    return found


@pytest.mark.parametrize(("sign", "gate_v", "start"), [(1, UP, -0.8276), (-1, DOWN, 1.1724), (1, UP, 0.0)])
def test_nominal_pulses_follow_the_recursion(sign, gate_v, start):
    made = cells()
    made.w[:] = start
    found = []
    for _ in range(100):
        # no rest between them: relaxation does not enter
        made.pulse(gate_v, WIDTH, now_s=0.0)
        found.append(made.w[0])
    np.testing.assert_allclose(found, recursion(100, sign, start), rtol=1e-12, atol=1e-14)


def test_hundred_levels_span_the_range():
    # Um 2024: 100 levels; 100 steps of the preset take the state through at least 95 % of its range
    made = cells()
    made.w[:] = -0.8276
    for _ in range(100):
        made.pulse(UP, WIDTH, now_s=0.0)
    assert (made.w[0] + 0.8276) / 2.0 > 0.95


@pytest.mark.parametrize("gate_v", [UP, DOWN, 4.1])
def test_pulse_equals_its_halves(gate_v):
    whole, halves = cells(), cells()
    for made in (whole, halves):
        made.w[:] = 0.3
    whole.pulse(gate_v, 0.5, now_s=0.0)
    halves.pulse(gate_v, 0.25, now_s=0.0)
    halves.pulse(gate_v, 0.25, now_s=0.25)
    # the relaxation inside 0.25 s is not counted while a pulse lasts
    assert halves.w == pytest.approx(whole.w, rel=1e-9)


def test_half_selected_cell_does_not_move():
    # systems: V/2 of the parallel update must not switch
    made = cells()
    made.pulse(UP / 2, 10.0, now_s=0.0)
    made.pulse(DOWN / 2, 10.0, now_s=0.0)
    assert made.w[0] == 0.0


def test_step_is_linear_in_width_and_amplitude_when_small():
    # Tang et al. 2018: linear in width, amplitude and charge
    def moved(gate_v, width_s):
        made = cells()
        made.pulse(gate_v, width_s, now_s=0.0)
        return made.w[0]

    assert moved(UP, 0.01) == pytest.approx(moved(UP, 0.001) * 10.0, rel=2e-3)
    assert moved(5.0, 0.01) == pytest.approx(moved(4.0, 0.01) * 2.0, rel=2e-3)


def test_state_relaxes_to_the_convergence_point():
    made = cells()
    made.w[:] = 0.8
    # stretched exponential of the preset: tau 1e5 s, beta 0.7
    assert made.relaxed(1e5)[0] == pytest.approx(0.8 / np.e)
    assert made.relaxed(1e3)[0] == pytest.approx(0.8 * np.exp(-(0.01**0.7)))
    assert made.conductance_s(1e12)[0] == pytest.approx(22.5e-6)


def test_cycle_spread_is_that_of_the_preset():
    made = cells(20_000, cycle_spread=True)
    made.pulse(UP, WIDTH, now_s=0.0)
    assert made.w.mean() == pytest.approx(0.02, rel=0.01)
    assert made.w.std() / 0.02 == pytest.approx(0.3, rel=0.03)


def test_spread_of_a_long_pulse_grows_with_the_root_of_its_length():
    made = cells(20_000, cycle_spread=True)
    made.pulse(UP, 9 * WIDTH, now_s=0.0)
    assert made.w.std() / made.w.mean() == pytest.approx(0.3 / 3.0, rel=0.03)


def test_device_spread_is_that_of_the_preset():
    made = cells(20_000, device_spread=True)
    assert made.w_max.std() / made.w_max.mean() == pytest.approx(0.05, rel=0.05)
    made.pulse(UP, WIDTH, now_s=0.0)
    assert made.w.std() / made.w.mean() == pytest.approx(np.hypot(0.1, 0.01), rel=0.05)


def test_state_stays_inside_its_bounds():
    made = cells(200, device_spread=True, cycle_spread=True)
    chance = np.random.default_rng(1)
    for number in range(300):
        made.pulse(chance.choice([UP, DOWN], 200), WIDTH * chance.uniform(0.1, 30.0), now_s=float(number))
    assert (made.w <= made.w_max + 1e-12).all()
    assert (made.w >= made.w_min - 1e-12).all()


@pytest.mark.parametrize(("gate_v", "width_s"), [(UP, -1.0), (float("inf"), 0.1), (UP, float("nan"))])
def test_pulse_refuses_what_cannot_be(gate_v, width_s):
    with pytest.raises(ValueError, match="must"):
        cells().pulse(gate_v, width_s, now_s=0.0)
