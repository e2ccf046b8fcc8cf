"""Training on walls. Authority: Misba 2022 (a memory for gradients makes few states train); the network itself."""

import numpy as np
import pytest

from labctl.networks.images import load_images
from labctl.networks.quantised_training import NO_ERRORS, StepChances, WallScheme, train_on_walls

REFERENCE = WallScheme(states=5, walls=1, margin=0.1)


@pytest.fixture(scope="module")
def images():
    return load_images("digits")


def train(images, scheme, chances, seed=1, epochs=10):
    return train_on_walls(images, [32], scheme, chances, seed=seed, epochs=epochs, learning_rate=3e-3, batch=30)


def accuracy(network, images):
    return network.accuracy(images.x_test, images.y_test)


@pytest.mark.parametrize("walls", [1, 2])
def test_weights_are_states_of_the_track_when_trained_on_walls(images, walls):
    found = train(images, WallScheme(5, walls, 0.1), StepChances((0.05,), (0.02,)))
    for weights, reach in zip(found.network.weights, found.ranges, strict=True):
        in_states = (weights / reach + 1.0) * (2.0 if walls == 1 else 4.0)
        np.testing.assert_allclose(in_states, np.round(in_states), atol=1e-5)
        assert np.abs(weights).max() <= reach * (1.0 + 1e-6)
    assert accuracy(found.network, images) > 0.88


def test_training_makes_up_for_pulses_that_miss_and_a_single_transfer_does_not(images):
    # a third of the pulses fails: the next update sees where the wall is
    chances = StepChances((0.3,), (0.0,))
    trained, moved, looked = [], [], []
    for seed in (1, 2):
        found = train(images, REFERENCE, chances, seed=seed)
        trained.append(accuracy(found.network, images))
        moved.append(accuracy(found.transferred(REFERENCE, chances, seed=9, looks=0), images))
        looked.append(accuracy(found.transferred(REFERENCE, chances, seed=9, looks=4), images))
    assert np.mean(trained) > 0.88
    assert np.mean(moved) < np.mean(trained) - 0.03
    assert np.mean(looked) > np.mean(trained) - 0.02


def test_transfer_is_exact_when_pulses_never_miss(images):
    found = train(images, REFERENCE, NO_ERRORS, epochs=2)
    other = found.transferred(REFERENCE, NO_ERRORS, seed=5, looks=0)
    for weights, written in zip(found.network.weights, other.weights, strict=True):
        np.testing.assert_allclose(written, weights, atol=1e-6)


def test_each_wall_is_like_one_of_the_measured_devices(images):
    # half of the devices never move: about half of the weights stay at the start of the track
    found = train(images, REFERENCE, StepChances((0.0, 1.0), (0.0, 0.0)), epochs=3)
    stuck = np.mean(found.network.weights[0] <= -found.ranges[0] * (1.0 - 1e-6))
    assert 0.45 < stuck < 0.6


def test_training_is_the_same_again_when_the_seed_is(images):
    chances = StepChances((0.05,), (0.02,))
    one, other, third = (train(images, REFERENCE, chances, seed=seed, epochs=2) for seed in (4, 4, 5))
    assert one.pulses == other.pulses != third.pulses
    np.testing.assert_array_equal(one.network.weights[0], other.network.weights[0])
