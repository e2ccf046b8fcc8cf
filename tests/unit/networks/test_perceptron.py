"""Training and inference of perceptrons.

Authority: gradients taken numerically here, in double precision; the algorithm of D. P. Kingma and J. Ba (ICLR 2015)
written again; scikit-learn's MLPClassifier.
"""

import numpy as np
import pytest

from labctl.networks.images import Images, load_images
from labctl.networks.perceptron import Perceptron, classified, train_perceptron

RATE, STEPS = 0.01, 6


@pytest.fixture
def few():
    rng = np.random.default_rng(5)
    x = rng.uniform(0.0, 1.0, (12, 3)).astype(np.float32)
    y = np.arange(12) % 3
    return Images("few", x, y, x, y)


def start_of(rng):
    sizes = [(3, 4), (4, 3)]
    weights = tuple(rng.normal(0.0, 0.8, size).astype(np.float32) for size in sizes)
    return Perceptron(weights, tuple(rng.normal(0.3, 0.1, size[1]).astype(np.float32) for size in sizes))


def loss(parameters, used, x, y):
    first, second, bias, last = parameters
    hidden = np.maximum(x @ used(0, first) + bias, 0.0)
    outputs = hidden @ used(1, second) + last
    return -np.mean(outputs[np.arange(len(y)), y] - np.log(np.exp(outputs).sum(axis=1)))


def numeric_slopes(parameters, used, x, y, size=1e-6):
    """Slopes of the loss at the weights that are used, one parameter at a time."""
    at = [used(0, parameters[0]), used(1, parameters[1]), parameters[2], parameters[3]]
    slopes = []
    for place, values in enumerate(at):
        slope = np.zeros_like(values)
        for index in np.ndindex(values.shape):
            ends = []
            for sign in (1.0, -1.0):
                moved = [one.copy() for one in at]
                moved[place][index] += sign * size
                ends.append(loss(moved, lambda layer, weights: weights, x, y))
            slope[index] = (ends[0] - ends[1]) / (2.0 * size)
        slopes.append(slope)
    return slopes


def trained_again(start, used, images, *, has_bias=True):
    parameters = [np.asarray(one, dtype=float) for one in (*start.weights, *start.biases)]
    x, y = images.x_train.astype(float), images.y_train
    means, squares = ([np.zeros_like(one) for one in parameters] for _ in range(2))
    for step in range(1, STEPS + 1):
        rate = RATE * (1.0 - 0.9 * step / STEPS)
        for place, slope in enumerate(numeric_slopes(parameters, used, x, y)):
            if place >= 2 and not has_bias:
                continue
            means[place] = 0.9 * means[place] + 0.1 * slope
            squares[place] = 0.999 * squares[place] + 0.001 * slope**2
            mean, square = means[place] / (1.0 - 0.9**step), squares[place] / (1.0 - 0.999**step)
            parameters[place] = parameters[place] - rate * mean / (np.sqrt(square) + 1e-8)
    return parameters


@pytest.mark.parametrize(
    ("used", "has_bias"),
    [
        (lambda layer, weights: weights, True),
        (lambda layer, weights: weights, False),
        (lambda layer, weights: np.round(weights * 4.0) / 4.0 * (1.0 + layer), True),
    ],
    ids=["stored", "no bias", "straight through"],
)
def test_training_follows_numeric_slopes_and_adam(few, used, has_bias):
    start = start_of(np.random.default_rng(1))
    found = train_perceptron(
        few,
        (4,),
        seed=0,
        epochs=STEPS,
        batch=12,
        learning_rate=RATE,
        start=start,
        weights_used=lambda layer, weights: used(layer, weights).astype(np.float32),
        has_bias=has_bias,
    )
    wanted = trained_again(start, used, few, has_bias=has_bias)
    for one, other in zip((*found.weights, *found.biases), wanted, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-4)
    assert not np.allclose(found.weights[0], start.weights[0], atol=1e-3)


def test_training_is_as_good_as_that_of_scikit_learn_on_digits():
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    digits = load_images("digits")
    settings = {"batch_size": 50, "learning_rate_init": 3e-3, "max_iter": 30, "random_state": 0}
    with pytest.warns(ConvergenceWarning):
        theirs = MLPClassifier((32,), **settings).fit(digits.x_train, digits.y_train)
    ours = train_perceptron(digits, (32,), seed=0, epochs=30, batch=50, learning_rate=3e-3)
    assert ours.accuracy(digits.x_test, digits.y_test) >= theirs.score(digits.x_test, digits.y_test) - 0.015


def test_same_seed_gives_the_same_network_and_another_seed_another(few):
    once, again, other = (train_perceptron(few, (4,), seed=seed, epochs=2, batch=4) for seed in (3, 3, 4))
    assert all(np.array_equal(a, b) for a, b in zip(once.weights, again.weights, strict=True))
    assert not np.array_equal(once.weights[0], other.weights[0])


def test_training_that_is_told_to_stop_stops(few):
    def stop(part):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        train_perceptron(few, (4,), seed=0, epochs=1, batch=4, report=stop)


def test_inference_is_that_of_matrices_in_steps_of_any_size(monkeypatch):
    network = start_of(np.random.default_rng(2))
    x = np.random.default_rng(3).uniform(0.0, 1.0, (41, 3)).astype(np.float32)
    hidden = np.maximum(x @ network.weights[0] + network.biases[0], 0.0)
    outputs = hidden @ network.weights[1] + network.biases[1]
    np.testing.assert_allclose(network.outputs(x), outputs, rtol=1e-5)
    y = np.argmax(outputs, axis=1)
    y[:7] = (y[:7] + 1) % 3
    assert network.accuracy(x, y) == pytest.approx(34 / 41)
    monkeypatch.setattr("labctl.networks.perceptron._AT_ONCE", 10)
    assert network.accuracy(x, y) == pytest.approx(34 / 41)
    assert np.array_equal(classified(outputs)[7:], y[7:])


def test_weights_of_another_shape_are_refused():
    network = start_of(np.random.default_rng(2))
    with pytest.raises(ValueError, match=r"\(3, 4\)"):
        network.with_weights([network.weights[0].T, network.weights[1]])
