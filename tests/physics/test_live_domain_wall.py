"""Authority: the published Monte-Carlo table of one pulse (20,000 trials of the same pinning law: probabilities of 0, 1
and 2 steps against amplitude and width); Ohm's law along the track; the definition of tunnel magnetoresistance.
"""

import numpy as np
import pytest

from labctl.physics.domain_wall_die import DomainWallDie
from labctl.physics.fresh_die import Effects
from labctl.physics.presets import load_preset

PRESET = load_preset("dhull2024_domain_wall")
CRITICAL_V = 5e10 * 60e-18 * 16250.0
SIDE = 100
# J / Jc, width in ns: P(0), P(1), P(2 steps), to two digits
TABLE = {
    (0.90, 8): (0.92, 0.08, 0.0),
    (0.90, 20): (0.81, 0.18, 0.01),
    (1.00, 10): (0.25, 0.75, 0.0),
    (1.00, 20): (0.15, 0.34, 0.51),
    (1.10, 8): (0.04, 0.96, 0.0),
    (1.10, 10): (0.01, 0.99, 0.0),
    (1.10, 12): (0.003, 0.997, 0.0),
    (1.10, 15): (0.0, 0.62, 0.37),
    (1.10, 20): (0.0, 0.03, 0.97),
    (1.20, 10): (0.003, 0.997, 0.0),
    (1.20, 15): (0.0, 0.31, 0.69),
}


def drive(die, track_v, width_s, now_s=0.0):
    die.stress(np.zeros(die.shape), width_s, now_s, control_v=np.broadcast_to(track_v, die.shape))


@pytest.mark.parametrize(("reduced", "width_ns"), TABLE)
def test_one_pulse_moves_as_many_notches_as_the_table_says(reduced, width_ns):
    die = DomainWallDie(PRESET, SIDE, SIDE, 1)
    drive(die, reduced * CRITICAL_V, width_ns * 1e-9)
    moved = die.state["notch"].ravel()
    found = np.array([np.mean(moved == steps) for steps in (0, 1, 2)])
    expected = np.array(TABLE[reduced, width_ns])
    # three sigma of both Monte Carlos and the rounding of the table
    error = 3.0 * np.sqrt(expected * (1.0 - expected) * (1.0 / SIDE**2 + 1.0 / 20_000)) + 0.006
    np.testing.assert_array_less(np.abs(found - expected), error)


def test_walls_move_to_the_ends_and_stay_there():
    die = DomainWallDie(PRESET, 4, 4, 1)
    drive(die, 1.2 * CRITICAL_V, 1.0)
    np.testing.assert_allclose(die.programmed_s(), 1e-4, rtol=1e-6)
    drive(die, -1.2 * CRITICAL_V, 1.0, now_s=2.0)
    np.testing.assert_allclose(die.programmed_s(), 1e-4 / 3.0, rtol=1e-6)


def test_notches_give_equal_steps_of_conductance():
    die = DomainWallDie(PRESET, 1, 5, 1, Effects(False, False, False, False, False))
    die.state["notch"][:] = np.arange(5)
    np.testing.assert_allclose(die.coefficients_at(0.0)[0][0], np.linspace(1.0 / 3.0, 1.0, 5) * 1e-4, rtol=1e-6)


def test_magnetoresistance_halves_at_its_voltage_and_spares_the_parallel_state():
    die = DomainWallDie(PRESET, 1, 2, 1, Effects(False, False, False, False, False))
    die.state["notch"][:] = [0, 4]
    at_half, _ = die.coefficients_at(0.0, voltage_v=np.full((1, 2), 0.5))
    # TMR 200 % at low field, R_AP / R_P - 1
    assert at_half[0, 1] == pytest.approx(1e-4)
    assert at_half[0, 1] / at_half[0, 0] - 1.0 == pytest.approx(1.0, rel=1e-5)


def test_junction_voltage_moves_no_wall_and_the_track_is_a_resistor():
    die = DomainWallDie(PRESET, 3, 3, 1)
    die.stress(np.full((3, 3), 1.0), 1e3, 0.0)
    assert not die.state["notch"].any()
    assert die.control.kind == "track"
    assert die.control.resistance_ohm == 16250.0
    assert die.dead_zone_v == np.inf


def test_walls_keep_their_notch_for_ten_years_and_hop_by_heat_over_a_low_barrier():
    kept = DomainWallDie(PRESET, 50, 50, 1)
    kept.coefficients_at(3e8)
    # exp(60) ns is 3.6e9 years
    assert not kept.state["notch"].any()
    loose = DomainWallDie(PRESET.with_overrides({"depinning.barrier": 20.0}), 100, 100, 1)
    lives = 0.3
    for now_s in np.linspace(0.0, lives * 1e-9 * np.exp(20.0), 7):
        loose.coefficients_at(now_s)
    # a Poisson process from the lower end: the first hop goes up with one half, whatever the number of looks
    part = np.mean(loose.state["rest_hops"] == 0)
    assert part == pytest.approx(np.exp(-lives), abs=0.015)
    one_hop = loose.state["notch"][loose.state["rest_hops"] == 1]
    assert np.mean(one_hop == 1) == pytest.approx(0.5, abs=0.03)


def test_heat_of_another_temperature_changes_the_barrier():
    hot = DomainWallDie(PRESET.with_overrides({"depinning.barrier": 30.0}), 60, 60, 1)
    hot.temperature_k = 450.0
    # 30 kT at 300 K are 20 kT at 450 K
    hot.coefficients_at(0.5e-9 * np.exp(20.0))
    assert np.mean(hot.state["rest_hops"] == 0) == pytest.approx(np.exp(-0.5), abs=0.03)
