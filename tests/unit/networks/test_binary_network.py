"""Networks of binary weights. Authority: integer arithmetic written out here; systems.md section 3.4 (bias cells); an
untrained guess for accuracy."""

import numpy as np
import pytest

from labctl.errors import RunError
from labctl.networks.binary_network import erring, load_binary_network
from labctl.networks.binary_training import train_binary_network
from labctl.networks.images import Images, load_images
from labctl.networks.train_binary import main


@pytest.fixture(scope="module")
def digits():
    return load_images("digits")


@pytest.fixture(scope="module")
def network(digits):
    return train_binary_network(digits, [31, 31, 31], seed=1, epochs=15, batch=50, learning_rate=3e-3)


def test_training_learns_digits(network, digits):
    # 10 % is a guess; the same layers without training stay below 30 %
    untrained = train_binary_network(digits, [31, 31, 31], seed=1, epochs=0)
    assert untrained.accuracy(digits.x_test, digits.y_test) < 0.4
    assert network.accuracy(digits.x_test, digits.y_test) > 0.85
    assert network.sizes == (64, 31, 31, 31, 10)
    assert network.cells(1) == 31 + 2


def test_hidden_layers_are_counts_of_agreements_with_bias_cells(network, digits):
    # a neuron of 31 inputs and 2 bias cells fires when more than half of its 33 cells agree
    signs = network.first_signs(digits.x_test[:50])
    agreements = (signs[:, :, np.newaxis] == network.weights[1][np.newaxis]).sum(axis=1)
    bias_ones = (network.biases[0] + 2) / 2
    assert set(np.unique(network.biases[0])) <= {-2.0, 0.0, 2.0}
    fires = agreements + bias_ones > 33 / 2
    sums = network.sums(1, signs)
    assert np.array_equal(sums > 0.0, fires)
    assert np.array_equal(np.abs(sums) % 2, np.ones_like(sums))


def test_packed_network_comes_back_as_it_was(network, digits, tmp_path):
    path = tmp_path / "own.npz"
    np.savez_compressed(path, **network.as_arrays())
    loaded = load_binary_network(path)
    for one, other in zip(loaded.weights, network.weights, strict=True):
        assert np.array_equal(one, other)
    assert loaded.facts == network.facts
    assert loaded.accuracy(digits.x_test, digits.y_test) == network.accuracy(digits.x_test, digits.y_test)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda held: held.pop("bias_1"), "missing"),
        (lambda held: held.update(bias_1=held["bias_1"] + 1), "even biases"),
        (lambda held: held.update(bias_1=held["bias_1"] + 4), "even biases"),
        (lambda held: held.update(threshold=held["threshold"][:-1]), "thresholds"),
        (lambda held: held.update(weights_0=held["weights_0"][:-9]), "cannot reshape"),
    ],
)
def test_damaged_network_is_refused_with_the_file(network, tmp_path, change, told):
    held = network.as_arrays()
    change(held)
    path = tmp_path / "own.npz"
    np.savez_compressed(path, **held)
    with pytest.raises(RunError, match=rf"own\.npz.*{told}"):
        load_binary_network(path)


def test_unknown_network_is_refused():
    with pytest.raises(RunError, match="no such network"):
        load_binary_network("nothing")


def test_erring_neurons_err_as_often_as_the_table_says():
    rng = np.random.default_rng(1)
    table = np.array([0.5, 0.1, 0.0])
    sums = np.tile(np.array([1.0, -1.0, 3.0, -3.0, 5.0, -5.0], dtype=np.float32), (20_000, 1))
    wrong = (erring(table, rng)(sums) != np.sign(sums)).mean(axis=0)
    assert wrong == pytest.approx([0.5, 0.5, 0.1, 0.1, 0.0, 0.0], abs=0.015)


def test_even_layers_are_refused():
    images = Images(
        "none", np.zeros((2, 4), np.float32), np.array([0, 1]), np.zeros((2, 4), np.float32), np.array([0, 1])
    )
    with pytest.raises(ValueError, match="odd sizes"):
        train_binary_network(images, [10], seed=1, epochs=1)


def test_training_script_says_what_it_needs_without_pytorch(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    with pytest.raises(ImportError, match="needs PyTorch"):
        main([str(tmp_path), str(tmp_path / "out.npz")])
