"""States, steps and depinning. Authority: counts by hand; walls drawn in the test from the law of systems.md 5.3."""

import numpy as np
import pytest

from labctl.analysis.wall_steps import find_states, fit_depinning, moved_chance, wall_trials


def test_readings_are_sorted_into_as_many_states_as_they_have():
    rng = np.random.default_rng(1)
    true = rng.integers(0, 8, (200, 3))
    found = find_states(true / 7.0 + rng.normal(0.0, 5e-4, true.shape))
    assert found.centre == pytest.approx(np.arange(8) / 7.0, abs=2e-4)
    assert found.sigma == pytest.approx(np.full(8, 5e-4), rel=0.3)
    np.testing.assert_array_equal(found.index, true)
    assert found.unequal < 0.005


def test_unequal_states_are_told_in_parts_of_their_distance():
    # the third of five states is 0.2 of a distance too high
    assert find_states([0.0, 0.25, 0.55, 0.75, 1.0]).unequal == pytest.approx(0.2)


def test_trials_are_counted_by_hand():
    # one wall: up by one, up by none, up by two to the end; down by two, down by one
    index = np.array([[1], [2], [2], [4], [2], [1]])
    upwards = np.array([[True], [True], [True], [False], [False]])
    found = wall_trials(index[:-1], index[1:], upwards, np.array([0, 1, 0, 0, 1]), 2, 5)
    np.testing.assert_array_equal(found.steps[:, 0], [[0, 1, 2], [1, 1, 0]])
    np.testing.assert_array_equal(found.tried[0, 0], [0, 1, 1, 0, 1])
    np.testing.assert_array_equal(found.moved[1, 0], [0, 0, 1, 0, 0])
    assert found.chances(0) == pytest.approx([0.0, 1 / 3, 2 / 3])


def test_pulses_towards_a_near_end_tell_nothing_of_two_steps():
    # from the last but one state a pulse cannot show two steps; at the end it cannot show any
    found = wall_trials(np.array([[3], [4]]), np.array([[4], [4]]), np.array([[True], [True]]), np.array([0, 0]), 1, 5)
    assert found.steps.sum() == 0
    np.testing.assert_array_equal(found.tried[0, 0], [0, 0, 0, 1, 0])
    assert np.isnan(found.chances(0)).all()


def test_depinning_chance_is_that_of_the_law():
    # 1 - exp(-t / tau), tau = tau0 exp(60 (1 - 0.95)), at 5 attempt times
    assert moved_chance(0.95, 1.0, 60.0, 5.0) == pytest.approx(1.0 - np.exp(-5.0 * np.exp(-3.0)))
    # no barrier is left above the critical current
    assert moved_chance(1.3, 1.0, 60.0, 5.0) == pytest.approx(1.0 - np.exp(-5.0))


@pytest.mark.parametrize("spread", [0.03, 0.05, 0.10])
def test_spread_of_notches_is_found_without_what_few_trials_add(spread):
    rng = np.random.default_rng(3)
    parts, attempts, each = np.array([0.8, 0.85, 0.9, 0.95, 1.0, 1.05, 1.1, 1.2]), np.full(8, 5.0), 6
    critical = 1.02 * (1.0 + spread * rng.normal(size=800))
    tau = np.exp(60.0 * np.maximum(0.0, 1.0 - parts[:, None] / critical))
    moved = rng.binomial(each, 1.0 - np.exp(-attempts[:, None] / tau))
    found = fit_depinning(list(parts), list(attempts), np.full(moved.shape, each), moved)
    assert found.critical == pytest.approx(1.02, rel=0.006)
    assert found.spread == pytest.approx(spread, rel=0.1)
    assert found.barrier == pytest.approx(60.0, rel=0.12)
    assert found.notches == 800
    # 5 attempts of which half is left: 1 - J/Jc = ln(5 / ln 2) / 60
    assert found.half == pytest.approx(1.02 * (1.0 - np.log(5.0 / np.log(2.0)) / 60.0), rel=0.006)


def test_depinning_refuses_to_fit_nothing():
    with pytest.raises(ValueError, match="there are none"):
        fit_depinning([1.0], [5.0], np.zeros((1, 4)), np.zeros((1, 4)))
