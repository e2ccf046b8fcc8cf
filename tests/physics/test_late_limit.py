"""A compliance that acts late. Authority: the equation of motion, integrated elsewhere with the limit switched on late;
what a loop time must mean (never less than the limit at once, never more than none; current within it afterwards).
"""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from labctl.physics.filament import FilamentLaw
from labctl.physics.filament_die import FilamentDie
from labctl.physics.fresh_die import Effects
from labctl.physics.late_limit import step_until_limited
from labctl.physics.presets import load_preset

PRESET = load_preset("asu_hfox_1t1r")
LAW = FilamentLaw(PRESET)
SET_V, LIMIT_A, START_M = 1.6, 1e-5, 1.4e-9


def step(lag_s, duration_s=1e-3, gap_m=START_M, volts=SET_V, limit_a=LIMIT_A, gate_v=None):
    lag = np.atleast_1d(np.asarray(lag_s, dtype=float))
    wide = [np.full(lag.shape, value) for value in (gap_m, volts, duration_s, limit_a, 1.0)]
    gap, voltage, lasting, limit, gain = wide
    gate = None if gate_v is None else np.full(lag.shape, gate_v)
    return step_until_limited(LAW, gap, voltage, lasting, gate_v=gate, limit_a=limit, lag_s=lag, field_gain=gain)


def crossing_s():
    """Time at which the current without a limit reaches it, by integrating 1 / speed."""
    gaps = np.linspace(START_M, LAW.least_m, 200_001)
    beyond = LAW.current_a(gaps, SET_V) > LIMIT_A
    assert not beyond[0]
    gaps = gaps[: int(np.argmax(beyond)) + 1]
    return float(np.trapezoid(1.0 / LAW.speed_m_s(gaps, SET_V, None), -gaps))


def test_late_limit_equals_the_integrated_equation_with_the_limit_switched_on_late():
    cross_s = crossing_s()
    for lag_s in (0.1 * cross_s, cross_s, 10.0 * cross_s):
        gap, start_s = START_M, 0.0
        for end_s, limit_a in ((cross_s + lag_s, np.inf), (cross_s + lag_s + 1e-4, LIMIT_A)):

            def speed(_, at, limit_a=limit_a):
                inside = np.clip(at, LAW.least_m, LAW.greatest_m)
                return np.where(at > LAW.least_m, -LAW.speed_m_s(inside, SET_V, None, limit_a), 0.0)

            solved = solve_ivp(speed, (start_s, end_s), [gap], method="LSODA", rtol=1e-8, atol=1e-16)
            gap, start_s = float(np.clip(solved.y[0, -1], LAW.least_m, LAW.greatest_m)), end_s
        (found,) = step(lag_s, duration_s=cross_s + lag_s + 1e-4)
        assert LAW.low_field_s(found) == pytest.approx(LAW.low_field_s(gap), rel=5e-3)


def test_set_goes_the_further_the_later_the_limit_acts():
    lags_s = np.array([0.0, 1e-9, 1e-8, 1e-7, 1e-6, 1e-4])
    gaps = step(lags_s)
    at_once = LAW.step([START_M], SET_V, 1e-3, gate_v=None, limit_a=LIMIT_A)[0]
    never = LAW.step([START_M], SET_V, 1e-3, gate_v=None)[0]
    assert gaps[0] == at_once
    assert (np.diff(gaps) <= 0.0).all()
    assert gaps[-1] < gaps[0] - 0.05e-9
    assert never <= gaps[-1]
    # conductance after the overshoot, over what the limit asks for: two and more
    assert LAW.low_field_s(gaps[-1]) > 2.0 * LAW.low_field_s(gaps[0])


def test_pulse_that_ends_before_the_loop_answers_is_not_limited_at_all():
    short_s = crossing_s() + 1e-8
    never = LAW.step([START_M], SET_V, short_s, gate_v=None)[0]
    assert step(1e-4, duration_s=short_s)[0] == pytest.approx(never, rel=1e-12)


@pytest.mark.parametrize(
    "case",
    [
        {"gate_v": 0.6},  # the transistor saturates at 4.5 uA, below the limit
        {"volts": -1.6, "gap_m": 0.3e-9},  # RESET
        {"limit_a": np.inf},
        {"volts": 0.2},
        {"duration_s": 1e-12},  # over before the current crosses
        {"gap_m": 0.4e-9},  # beyond the limit from the start: the circuit has told
    ],
)
def test_lag_changes_nothing_when_the_current_does_not_cross_the_limit(case):
    np.testing.assert_array_equal(step(1e-4, **case), step(0.0, **case))


def test_cells_of_a_die_overshoot_each_by_its_own_lag():
    die = FilamentDie(PRESET, 1, 3, 1, Effects(False, False, False, False, False))
    die.state["gap_m"][:] = START_M
    lags_s = np.array([[0.0, 1e-8, 1e-4]])
    die.stress(np.full((1, 3), SET_V), 1e-3, 0.0, current_limit_a=LIMIT_A, limit_lag_s=lags_s)
    np.testing.assert_allclose(die.state["gap_m"][0], step(lags_s[0]), rtol=1e-12)
