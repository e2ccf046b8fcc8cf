"""Reset-voltage control on a bare cell of the physics law.

Authority: the scheme (S. Kim et al., Nanotechnology 32 (2021) 295201: SET high, RESET ramp, verify); termination and
limits are properties that must hold for any reading whatever.
"""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labctl.tuning import (
    Action,
    Done,
    Experience,
    Failed,
    FailureReason,
    OverReset,
    Pulse,
    Raise,
    Ramp,
    RampSettings,
    ResetVoltageControl,
    RvcSettings,
)

RESET = RampSettings(-0.6, -1.7, 0.1, aim=0.5, max_log_change=0.06)
SET = RampSettings(0.5, 1.4, 0.1, aim=0.4, max_log_change=0.06, steep_per_v=10.0, flat_per_v=5.0)


def settings(**changes):
    values = {"tolerance": 0.02, "width_s": 1e-4, "reset": RESET, "set": SET}
    return RvcSettings(**values | changes)


def plain(step_v=0.01, **changes):
    """Fixed steps and full SETs: the scheme as published."""
    ramps = {
        "reset": RampSettings(-0.5, -1.7, step_v, is_adaptive=False),
        "set": RampSettings(0.7, 1.4, 0.05, is_adaptive=False),
    }
    values = {"tolerance": 0.03, "width_s": 1e-5, "over_reset": OverReset.SET, "max_pulses": 3000}
    return settings(**values | ramps | changes)


@pytest.mark.parametrize("over_reset", ["nudge", "set"])
@pytest.mark.parametrize("start_s", [5e-6, 60e-6, 310e-6])
@pytest.mark.parametrize("target_s", [25e-6, 100e-6, 200e-6])
def test_cell_ends_inside_its_band_from_either_side(make_cell, drive, over_reset, start_s, target_s):
    cell = make_cell(start_s, seed=3, noise=0.0)
    decision, _ = drive(ResetVoltageControl(target_s, settings(over_reset=OverReset(over_reset))), cell)
    assert isinstance(decision, Done)
    assert cell.conductance_s == pytest.approx(target_s, rel=0.02)


def test_adaptive_steps_need_fewer_pulses_than_the_published_fixed_ramp(make_cell, drive):
    counts = {}
    for name, chosen in (("adaptive", settings(tolerance=0.03, width_s=1e-5)), ("fixed", plain())):
        counts[name] = [drive(ResetVoltageControl(75e-6, chosen), make_cell(220e-6, seed))[1] for seed in range(12)]
    assert np.mean(counts["adaptive"]) < 0.4 * np.mean(counts["fixed"])


def test_fixed_ramp_rises_by_the_step_and_never_back(make_cell, drive):
    tuner = ResetVoltageControl(50e-6, plain())
    drive(tuner, make_cell(220e-6, seed=1))
    ramp = []
    for step in tuner.trace:
        if step.action is Action.RESET:
            ramp.append(step.voltage_v)
        else:
            break
    assert ramp[0] == pytest.approx(-0.5)
    assert np.diff(ramp) == pytest.approx(-0.01)


def test_full_set_goes_to_the_initial_conductance_before_the_ramp():
    tuner = ResetVoltageControl(50e-6, plain(initial_s=220e-6))
    # told by hand: passing the target on the way up must not end the SET
    actions = []
    for reading_s in (10e-6, 90e-6, 180e-6, 230e-6):
        decision = tuner.decide(reading_s)
        actions.append((tuner.trace[-1].action, decision.voltage_v > 0.0))
    assert actions == [(Action.SET, True)] * 3 + [(Action.RESET, False)]


def test_cell_inside_its_band_gets_no_pulse():
    tuner = ResetVoltageControl(100e-6, settings())
    assert isinstance(tuner.decide(101.9e-6), Done)
    assert tuner.pulses == 0


def test_over_reset_is_left_alone_when_deferred():
    tuner = ResetVoltageControl(100e-6, settings(over_reset=OverReset.DEFER))
    assert tuner.decide(97e-6) == Failed(FailureReason.OVER_RESET)


@pytest.mark.parametrize(("stuck_s", "reason"), [(300e-6, FailureReason.STUCK_HIGH), (1e-6, FailureReason.STUCK_LOW)])
def test_stuck_cell_is_told_as_such(make_cell, drive, stuck_s, reason):
    cell = make_cell(stuck_s, is_stuck=True, noise=0.0)
    decision, count = drive(ResetVoltageControl(100e-6, settings()), cell)
    assert decision == Failed(reason)
    assert count <= 60
    # the stop voltage itself is tried and never passed
    assert max(cell.voltages, key=abs) == (RESET.stop_v if stuck_s > 100e-6 else SET.stop_v)


@pytest.mark.parametrize("is_adaptive", [True, False])
def test_ramp_ends_at_its_stop_even_when_the_step_does_not_divide_the_span(is_adaptive):
    ramp = Ramp(RampSettings(-0.6, -1.45, 0.1, is_adaptive=is_adaptive))
    voltages = []
    while (voltage_v := ramp.next_voltage(300e-6, 25e-6)) is not None:
        voltages.append(voltage_v)
    assert min(voltages) == -1.45
    assert max(abs(b - a) for a, b in pairwise(voltages)) < 0.1 + 1e-9


def test_experience_never_leads_past_the_stop():
    ramp = Ramp(RampSettings(-0.6, -1.45, 0.1), Experience(-1.4, 0.006))
    assert ramp.next_voltage(300e-6, 25e-6) == -1.45


@pytest.mark.parametrize(("limit", "reason"), [({"max_pulses": 5}, "PULSES"), ({"max_attempts": 1}, "ATTEMPTS")])
def test_budget_ends_a_hopeless_cell(limit, reason):
    tuner = ResetVoltageControl(100e-6, settings(**limit))
    reading_s, decision = 50e-6, None
    for _ in range(100):
        decision = tuner.decide(reading_s)
        if isinstance(decision, Failed):
            break
        # a cell that jumps over its band with every pulse
        reading_s = 150e-6 if decision.voltage_v > 0.0 else 50e-6
    assert decision == Failed(FailureReason[reason])


def test_experience_starts_the_next_ramp_where_the_last_one_worked(make_cell, drive):
    cell = make_cell(300e-6, seed=5)
    first = ResetVoltageControl(100e-6, settings())
    drive(first, cell)
    again = ResetVoltageControl(60e-6, settings(), reset_experience=first.reset_experience)
    decision = again.decide(cell.read())
    assert isinstance(decision, Pulse)
    assert decision.voltage_v < -0.75


@given(st.lists(st.floats(-1e-5, 1e-3), min_size=1, max_size=40), st.sampled_from(list(OverReset)), st.booleans())
def test_limits_hold_for_any_readings(readings_s, over_reset, is_adaptive):
    ramps = {
        "reset": RampSettings(-0.6, -1.7, 0.1, is_adaptive=is_adaptive),
        "set": RampSettings(0.5, 1.4, 0.1, is_adaptive=is_adaptive),
    }
    tuner = ResetVoltageControl(100e-6, settings(over_reset=over_reset, **ramps))
    for reading_s in readings_s:
        decision = tuner.decide(reading_s)
        if isinstance(decision, Pulse):
            assert -1.7 <= decision.voltage_v <= -0.6 or 0.5 <= decision.voltage_v <= 1.4
            continue
        assert isinstance(decision, Done) == (abs(reading_s / 100e-6 - 1.0) <= 0.02)
        break


@given(st.integers(0, 2**32 - 1), st.sampled_from([OverReset.SET, OverReset.NUDGE]))
def test_tuner_ends_within_its_budget_whatever_it_reads(seed, over_reset):
    rng = np.random.default_rng(seed)
    tuner = ResetVoltageControl(100e-6, settings(over_reset=over_reset, max_pulses=50))
    decisions = [tuner.decide(float(reading_s)) for reading_s in rng.uniform(0, 3e-4, 51)]
    assert any(not isinstance(decision, Pulse) for decision in decisions)


def test_raise_stops_as_soon_as_the_cell_is_not_below_its_band(make_cell, drive):
    cell = make_cell(60e-6, seed=2, noise=0.0)
    tuner = Raise(100e-6, settings())
    decision, count = drive(tuner, cell)
    assert isinstance(decision, Done)
    assert cell.conductance_s >= 98e-6
    assert count == tuner.pulses > 0
    assert min(cell.voltages) > 0.0


def test_raise_of_a_stuck_cell_fails(make_cell, drive):
    assert drive(Raise(1e-4, settings()), make_cell(1e-6, is_stuck=True, noise=0.0))[0] == Failed(
        FailureReason.STUCK_LOW
    )


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: RampSettings(-0.5, 1.0, 0.1),
        lambda: RampSettings(-1.5, -0.5, 0.1),
        lambda: RampSettings(-0.5, -1.5, 0.0),
        lambda: RampSettings(-0.5, -1.5, 0.1, aim=0.0),
        lambda: RampSettings(-0.5, -1.5, 0.1, max_log_change=0.0),
        lambda: settings(tolerance=0.0),
        lambda: settings(width_s=0.0),
        lambda: settings(reset=SET, set=RESET),
        lambda: settings(max_attempts=0),
        lambda: ResetVoltageControl(0.0, settings()),
    ],
)
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(ValueError):
        wrong()
