"""Authority: a Monte-Carlo table of the same law that was made independently of this code (20 000 trials, d = 100 nm,
tau0 = 1 ns, barrier 60 kT, 5 % spread of notches and speed), and Arrhenius' law.
"""

import math

import numpy as np
import pytest

from labctl.physics.domain_wall import DomainWallTrack
from labctl.physics.presets import load_preset

# probabilities of moving by 0, 1 and 2 notches by J/Jc and width in ns
TABLE = {
    (0.90, 8): (0.92, 0.08, 0.00),
    (0.90, 10): (0.90, 0.11, 0.00),
    (0.90, 12): (0.87, 0.13, 0.00),
    (0.90, 15): (0.85, 0.15, 0.00),
    (0.90, 20): (0.81, 0.18, 0.01),
    (1.00, 8): (0.32, 0.68, 0.00),
    (1.00, 10): (0.25, 0.75, 0.00),
    (1.00, 12): (0.21, 0.79, 0.00),
    (1.00, 15): (0.18, 0.79, 0.03),
    (1.00, 20): (0.15, 0.34, 0.51),
    (1.10, 8): (0.04, 0.96, 0.00),
    (1.10, 10): (0.01, 0.99, 0.00),
    (1.10, 12): (0.003, 0.997, 0.00),
    (1.10, 15): (0.00, 0.62, 0.37),
    (1.10, 20): (0.00, 0.03, 0.97),
    (1.20, 8): (0.02, 0.98, 0.00),
    (1.20, 10): (0.003, 0.997, 0.00),
    (1.20, 12): (0.00, 0.99, 0.01),
    (1.20, 15): (0.00, 0.31, 0.69),
    (1.20, 20): (0.00, 0.01, 0.99),
}
TRIALS = 20_000


def tracks(cells=TRIALS, seed=7, **overrides):
    preset = load_preset("dhull2024_domain_wall")
    changes = {key.replace("__", "."): value for key, value in overrides.items()}
    return DomainWallTrack(preset.with_overrides(changes) if changes else preset, cells=cells, seed=seed)


@pytest.mark.parametrize(("drive", "width_ns"), TABLE)
def test_steps_of_one_pulse_follow_the_table(drive, width_ns, number):
    # walls begin in the second notch, away from the end
    made = tracks()
    made.position[:] = 1
    moved = made.pulse(drive * 5e10, width_ns * 1e-9)
    for steps, expected in enumerate(TABLE[drive, width_ns]):
        found = np.mean(moved == steps)
        # four standard errors of both Monte-Carlo runs, and the rounding of the table
        error = math.sqrt(2.0 * max(expected * (1.0 - expected), 1e-4) / TRIALS)
        strain = abs(found - expected) / (4.0 * error + 0.0055)
        number(
            "domain wall: P(0), P(1), P(2 notches) of 20 pulses, worst",
            f"{found:.3f} against {expected:g} at {drive:.2f} Jc, {width_ns} ns: {strain:.2f} of the bar",
            authority="independent Monte-Carlo table, 20 000 trials",
            bar="4 standard errors of both, and half a digit of the table",
            held=strain <= 1.0,
            strain=strain,
        )
        assert strain <= 1.0


def test_waiting_time_is_exponential_with_the_arrhenius_rate():
    # no spread, J = 0.9 Jc: rate = exp(-6) / 1 ns; flight much shorter than the wait
    made = tracks(depinning__notch_spread=0.0, flight__speed_spread=0.0, flight__mobility=1e-8)
    rate_hz = math.exp(-60.0 * 0.1) / 1e-9
    moved = made.pulse(0.9 * 5e10, 0.3 / rate_hz)
    assert np.mean(moved == 0) == pytest.approx(math.exp(-0.3), abs=4.0 * math.sqrt(0.2 / TRIALS))


def test_walls_stay_for_ten_years_when_no_current_flows():
    made = tracks(cells=2000, depinning__notch_spread=0.0)
    made.position[:] = 2
    ten_years_s = 3.156e8
    # attempt time / exp(-60): 1.1e17 s
    assert np.count_nonzero(made.pulse(0.0, ten_years_s)) == 0


def test_walls_diffuse_both_ways_when_barrier_is_low():
    made = tracks(cells=4000, depinning__barrier=5.0)
    made.position[:] = 2
    moved = made.pulse(0.0, 50e-9)
    assert np.mean(moved > 0) == pytest.approx(np.mean(moved < 0), abs=0.04)
    assert np.mean(moved != 0) > 0.1


def test_walls_stop_at_the_ends_of_the_track():
    made = tracks(cells=500)
    for _ in range(20):
        made.pulse(1.15 * 5e10, 12e-9)
    assert (made.position == made.states - 1).mean() > 0.95
    for _ in range(40):
        made.pulse(-1.15 * 5e10, 12e-9)
    assert (made.position == 0).mean() > 0.95
    assert ((made.position >= 0) & (made.position < made.states)).all()


def test_conductance_is_linear_in_position():
    made = tracks(cells=5)
    made.position[:] = range(5)
    assert made.conductance_s()[[0, -1]] == pytest.approx([1 / 30e3, 1 / 10e3], rel=1e-6)
    assert np.ptp(np.diff(made.conductance_s())) < 1e-15


def test_walls_do_not_depend_on_how_many_are_computed():
    few, many = tracks(cells=3), tracks(cells=300)
    for made in (few, many):
        made.pulse(5e10, 12e-9)
        made.pulse(5e10, 12e-9)
    np.testing.assert_array_equal(few.position, many.position[:3])


@pytest.mark.parametrize(("current", "width_s"), [(5e10, -1e-9), (float("nan"), 1e-9), (5e10, float("nan"))])
def test_pulse_refuses_what_cannot_be(current, width_s):
    with pytest.raises(ValueError, match="must"):
        tracks(cells=2).pulse(current, width_s)
