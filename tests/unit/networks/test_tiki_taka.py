"""Training by stochastic pulses. Authority: the mean of a product of Bernoulli trains; the closed form of the symmetry
point of the linear step; the stretched exponential of the device file; Tiki-Taka version 2 as its paper states it."""

import numpy as np
import pytest

from labctl.networks.tiki_taka import EcramLayer, PulseTraining, coincidences, train_plain, train_tiki_taka
from labctl.physics.presets import load_preset

PRESET = load_preset("um2024_ecram")
SETTINGS = PulseTraining(learning_rate=0.05, output_scale=10.0, transfer_rate=0.5)


def problem(count, seed=0):
    """Three classes that a straight cut parts; inputs from 0 to 1."""
    rng = np.random.default_rng(seed)
    classes = rng.integers(0, 3, count)
    inputs = np.clip(0.5 * np.eye(3)[classes].repeat(4, axis=1) + 0.25 * rng.random((count, 12)), 0.0, 1.0)
    return inputs, classes


def accuracy(weights, inputs, classes):
    return np.mean(np.argmax(inputs @ weights, axis=1) == classes)


def test_mean_of_coincidences_is_the_outer_product():
    rng = np.random.default_rng(1)
    inputs, errors = np.array([0.0, 0.3, 1.0]), np.array([-0.8, 0.2])
    drawn = np.mean([coincidences(inputs, errors, amount=2.0, length=31, rng=rng) for _ in range(4000)], axis=0)
    # 4000 draws of at most 31 trials with a mean of 1.6: a standard error of 0.02
    np.testing.assert_allclose(drawn, 2.0 * np.outer(inputs, errors), atol=0.08)


def test_pulses_up_and_down_lead_to_where_both_steps_are_equal():
    layer = EcramLayer(PRESET, 20, 20, seed=3)
    found = layer.symmetry_points()
    cells = layer._cells
    slope = cells._steps[1] * cells._gammas[1] / cells.w_max - cells._steps[-1] * cells._gammas[-1] / cells.w_min
    expected = ((cells._steps[1] - cells._steps[-1]) / slope).reshape(20, 20)
    # a step of 0.02 with 30 % from cycle to cycle wanders by 0.05 about the point, seen over 70 pulses at a time
    assert np.sqrt(np.mean((found - expected) ** 2)) < 0.03
    assert abs(np.mean(found - expected)) < 0.01


def test_rest_leads_to_the_convergence_points_and_zero_shifting_takes_them_as_reference():
    layer = EcramLayer(PRESET, 4, 4, seed=3)
    layer.give(np.full((4, 4), 20))
    assert layer.states().min() > 0.2
    # exp(-10**0.7) of them is left
    expected = PRESET["retention.convergence"] + layer.states() * np.exp(-(10.0 ** PRESET["retention.stretch"]))
    np.testing.assert_allclose(layer.convergence_points(), expected, rtol=1e-6)
    apart = layer.shift_zero("convergence", pulses=200)
    shifted = EcramLayer(PRESET, 4, 4, seed=3)
    shifted.give(np.full((4, 4), 20))
    shifted.shift_zero("symmetry", pulses=200)
    np.testing.assert_allclose(shifted.reference - layer.reference, apart)


@pytest.mark.parametrize("way", ["plain", "tiki-taka"])
def test_layer_learns_what_a_straight_cut_parts(way):
    inputs, classes = problem(400)
    tested = problem(300, seed=9)
    slow = EcramLayer(PRESET, 12, 3, seed=1)
    before = accuracy(slow.weights() + 1e-6 * np.random.default_rng(0).normal(size=(12, 3)), *tested)
    if way == "plain":
        train_plain(slow, inputs, classes, SETTINGS, seed=2)
    else:
        fast = EcramLayer(PRESET, 12, 3, seed=7)
        fast.shift_zero("symmetry", pulses=400)
        train_tiki_taka(fast, slow, inputs, classes, SETTINGS, seed=2)
    assert before < 0.6
    assert accuracy(slow.weights(), *tested) > 0.95
    # a train up and one down for each image
    assert slow.now_s == pytest.approx(400 * 2 * 31 * PRESET["gate.width"])


def test_tiki_taka_writes_the_slow_array_by_whole_pulses_of_what_the_fast_one_says():
    fast, slow = EcramLayer(PRESET, 12, 3, seed=7), EcramLayer(PRESET, 12, 3, seed=1)
    inputs, classes = problem(1)
    given = []
    slow.give = lambda counts: given.append(counts.copy())
    # the first transfer is of row 0, whose state of A stands far up
    fast.give(np.full((12, 3), 30) * (np.arange(12) == 0)[:, np.newaxis])
    train_tiki_taka(fast, slow, inputs, classes, PulseTraining(1e-6, 1.0, transfer_rate=10.0), seed=0)
    expected = np.zeros((12, 3))
    expected[0] = np.trunc(10.0 * fast.weights()[0])
    assert len(given) == 1
    # read before the retention of one train
    np.testing.assert_allclose(given[0], expected, atol=1)
    assert given[0][0].min() > 0
    assert not given[0][1:].any()
