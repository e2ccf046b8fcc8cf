"""Walls that pulses move by no, one or two states. Authority: binomial statistics; states counted by hand."""

import numpy as np
import pytest

from labctl.networks.wall_synapses import WallSynapses


def walls(count, *, none=0.0, two=0.0, states=5, walls=1, margin=0.0, seed=1):
    rng = np.random.default_rng(seed)
    return WallSynapses(
        [np.zeros(count) for _ in range(walls)],
        [np.full(count, none) for _ in range(walls)],
        [np.full(count, two) for _ in range(walls)],
        states=states,
        margin=margin,
        draw=rng.random,
    )


def test_walls_come_to_the_nearest_state_when_pulses_never_miss():
    made = walls(5)
    # five states stand for -1, -0.5, 0, 0.5 and 1
    given = made.write(np.array([-1.0, -0.6, 0.1, 0.74, 7.0]))
    np.testing.assert_array_equal(made.positions[0], [0, 1, 2, 3, 4])
    assert given == made.pulses == 0 + 1 + 2 + 3 + 4
    np.testing.assert_allclose(made.weights(), [-1.0, -0.5, 0.0, 0.5, 1.0])
    # downwards again
    assert made.write(np.full(5, -1.0)) == 10
    np.testing.assert_array_equal(made.positions[0], 0)


def test_pair_keeps_one_wall_at_the_start_and_has_both_signs():
    made = walls(3, walls=2)
    made.write(np.array([-0.5, 0.0, 1.0]))
    np.testing.assert_array_equal(made.positions, [[0, 0, 4], [2, 0, 0]])
    np.testing.assert_allclose(made.weights(), [-0.5, 0.0, 1.0])


def test_pulses_miss_as_often_as_the_devices_do():
    count, none, two = 200_000, 0.1, 0.05
    made = walls(count, none=none, two=two)
    # one pulse each
    made.write(np.full(count, -0.5))
    found = np.bincount(made.positions[0].astype(int), minlength=5) / count
    for part, expected in zip(found, (none, 1.0 - none - two, two, 0.0, 0.0), strict=True):
        assert part == pytest.approx(expected, abs=5.0 * np.sqrt(max(expected, 1e-9) / count))


def test_walls_stop_at_the_end_of_the_track_when_a_pulse_moves_two():
    made = walls(1000, two=1.0, states=4)
    # wanted in the second state: two steps lead to the third
    made.write(np.full(1000, -1.0 / 3.0))
    np.testing.assert_array_equal(made.positions[0], 2)
    # one state is left to the end
    made.write(np.full(1000, 1.0))
    np.testing.assert_array_equal(made.positions[0], 3)


def test_margin_leaves_walls_alone_that_are_a_little_out():
    made = walls(2, margin=0.2)
    made.write(np.array([0.0, 0.0]))
    # 0.65 and 0.75 of a state away from state 2
    assert made.write(np.array([0.325, 0.375])) == 1
    np.testing.assert_array_equal(made.positions[0], [2, 3])


def test_walls_refuse_three_for_a_weight_and_a_single_state():
    with pytest.raises(ValueError, match="got 3 of 5"):
        walls(1, walls=3)
    with pytest.raises(ValueError, match="got 1 of 1"):
        walls(1, states=1)
