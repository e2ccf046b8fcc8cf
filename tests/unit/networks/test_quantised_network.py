"""A network on differential pairs.

Authority: the mapping w = k (G+ - G-), written out here.
"""

import numpy as np
import pytest

from labctl.array import Levels
from labctl.networks.perceptron import Perceptron
from labctl.networks.quantised_network import QuantisedNetwork

SCALE = Levels(25e-6, 200e-6, 8)


@pytest.fixture
def network():
    rng = np.random.default_rng(0)
    weights = (rng.normal(0.0, 1.0, (6, 40)), rng.normal(0.0, 1.0, (40, 10)))
    biases = (np.zeros(40), np.arange(10.0))
    return QuantisedNetwork.of(
        Perceptron(tuple(w.astype(np.float32) for w in weights), tuple(b.astype(np.float32) for b in biases)), SCALE
    )


def test_weights_lie_on_the_grid_and_biases_stay(network):
    found = network.without_error()
    for rounded, layer in zip(found.weights, network.layers, strict=True):
        steps = rounded / layer.step
        assert np.abs(steps - np.round(steps)).max() < 1e-4
        assert np.abs(np.round(steps)).max() == 7
    assert found.biases == network.network.biases
    same = network.with_errors(lambda level: np.zeros(level.shape))
    np.testing.assert_allclose(same.weights[0], found.weights[0], atol=1e-5)


def test_array_holds_the_hidden_units_with_the_largest_weights(network):
    part = network.part_of_last_layer(32, 32)
    values = network.layers[1].values
    size = np.abs(values).sum(axis=1)
    assert part.inputs.size == 32
    assert size[part.inputs].min() >= np.delete(size, part.inputs).max()
    assert part.outputs == 10
    pairs = part.levels[:, :20]
    assert np.array_equal(pairs[:, 0::2] - pairs[:, 1::2], values[part.inputs])
    assert not np.minimum(pairs[:, 0::2], pairs[:, 1::2]).any()
    # 12 columns are left for all levels equally
    assert np.bincount(part.levels[:, 20:].ravel()).tolist() == [48] * 8


def test_small_array_holds_what_fits_and_a_large_one_has_room_left(network):
    small = network.part_of_last_layer(4, 5)
    assert (small.inputs.size, small.outputs) == (4, 2)
    large = network.part_of_last_layer(64, 32)
    assert (large.inputs.size, large.outputs) == (40, 10)
    assert np.bincount(large.levels[40:].ravel(), minlength=8).min() > 80


def test_cells_that_were_read_stand_in_for_their_weights_only(network):
    part = network.part_of_last_layer(32, 32)
    cells_s = SCALE.conductances_s()[part.levels]
    ideal = network.without_error().weights
    cells_s[3, 4] += 5e-6
    cells_s[7, 1] = np.nan
    found = network.with_cells(part, cells_s).weights
    np.testing.assert_allclose(found[0], ideal[0], atol=1e-6)
    changed = found[1] - ideal[1]
    # output 2 has columns 4 and 5; 5 uS are a fifth of a level
    assert changed[part.inputs[3], 2] == pytest.approx(0.2 * network.layers[1].step, rel=1e-3)
    changed[part.inputs[3], 2] = 0.0
    assert np.abs(changed).max() < 1e-5
