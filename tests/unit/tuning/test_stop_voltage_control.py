"""The DC form on a bare cell. Authority: as the pulse form; a monotone G(V_stop) must be inverted by interpolation."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labctl.tuning import (
    Action,
    Done,
    Failed,
    FailureReason,
    Staircase,
    StopVoltageControl,
    StopVoltageCurve,
    StopVoltageSettings,
)

SETTINGS = StopVoltageSettings(0.03)


def test_curve_inverts_an_exponential_exactly_between_its_points():
    # closed form: ln G linear in V, so interpolation in ln G is exact
    curve = StopVoltageCurve()
    for stop_v in (-1.3, -0.9, -1.1):
        curve.learn(stop_v, 2e-4 * 10 ** (2 * (stop_v + 0.9)))
    assert curve.stop_for(2e-4 * 10**-0.5) == pytest.approx(-1.15)
    assert curve.stop_for(3e-4) is None
    assert curve.stop_for(1e-6) is None


def test_curve_stays_monotone_when_a_verify_is_not():
    curve = StopVoltageCurve([(0.9, 2e-4), (1.0, 2.1e-4), (1.1, 1e-4)])
    stops = [curve.stop_for(g) for g in (1.9e-4, 1.5e-4, 1.1e-4)]
    assert all(later < earlier for earlier, later in pairwise(stops))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("target_s", [25e-6, 75e-6, 175e-6])
def test_cell_ends_inside_its_band(make_cell, drive, seed, target_s):
    cell = make_cell(12e-6, seed, noise=0.0)
    tuner = StopVoltageControl(target_s, StopVoltageSettings(0.03, max_attempts=40))
    assert isinstance(drive(tuner, cell)[0], Done)
    assert cell.conductance_s == pytest.approx(target_s, rel=0.03)


def test_learned_curve_shortens_the_next_programming(make_cell, drive):
    counts = {"fresh": 0, "learned": 0}
    for seed in range(10):
        cell, curve = make_cell(300e-6, seed), StopVoltageCurve()
        drive(StopVoltageControl(30e-6, SETTINGS, curve=curve), cell)
        counts["learned"] += drive(StopVoltageControl(60e-6, SETTINGS, curve=curve), cell)[1]
        counts["fresh"] += drive(StopVoltageControl(60e-6, SETTINGS), make_cell(300e-6, seed + 100))[1]
    assert counts["learned"] < counts["fresh"]


def test_stops_only_get_deeper_between_two_sets(make_cell, drive):
    tuner = StopVoltageControl(40e-6, SETTINGS)
    drive(tuner, make_cell(300e-6, seed=4))
    for step, after in pairwise(tuner.trace):
        if step.action is Action.RESET and after.action is Action.RESET:
            assert after.voltage_v < step.voltage_v


@pytest.mark.parametrize(("stuck_s", "reason"), [(3e-4, FailureReason.STUCK_HIGH), (1e-6, FailureReason.STUCK_LOW)])
def test_stuck_cell_is_told_as_such(make_cell, drive, stuck_s, reason):
    assert drive(StopVoltageControl(1e-4, SETTINGS), make_cell(stuck_s, is_stuck=True, noise=0.0))[0] == Failed(reason)


@given(st.lists(st.floats(-1e-5, 1e-3), min_size=1, max_size=60))
def test_limits_hold_for_any_readings(readings_s):
    tuner = StopVoltageControl(100e-6, SETTINGS)
    for reading_s in readings_s:
        decision = tuner.decide(reading_s)
        if not isinstance(decision, Staircase):
            assert isinstance(decision, Done) == (abs(reading_s / 100e-6 - 1.0) <= 0.03)
            break
        assert SETTINGS.reset_stop_v <= min(decision.levels_v())
        assert max(decision.levels_v()) <= SETTINGS.set_stop_v
    assert tuner.sets <= SETTINGS.max_attempts


def test_attempts_are_limited():
    tuner = StopVoltageControl(100e-6, StopVoltageSettings(0.03, max_attempts=2))
    reading_s, decision = 50e-6, None
    for _ in range(100):
        decision = tuner.decide(reading_s)
        if not isinstance(decision, Staircase):
            break
        reading_s = 250e-6 if decision.voltage_v > 0.0 else 50e-6
    assert decision == Failed(FailureReason.ATTEMPTS)


def test_staircase_has_no_step_larger_than_asked_and_ends_at_its_stop():
    levels_v = Staircase(-0.5, -0.62, 0.05, 0.1).levels_v()
    assert levels_v[0] == pytest.approx(-0.5)
    assert levels_v[-1] == -0.62
    assert max(abs(b - a) for a, b in pairwise(levels_v)) <= 0.05


@pytest.mark.parametrize(
    "changes",
    [
        {"tolerance": 0.0},
        {"reset_start_v": -2.0},
        {"set_start_v": -0.1},
        {"fine_step_v": 0.1},
        {"max_attempts": 0},
    ],
)
def test_wrong_settings_are_refused(changes):
    with pytest.raises(ValueError):
        StopVoltageSettings(**{"tolerance": 0.03} | changes)


def test_target_that_is_not_positive_is_refused():
    with pytest.raises(ValueError, match="positive"):
        StopVoltageControl(0.0, SETTINGS)
