"""Networks that were trained already.

Authority: what the module promises: found again by all that they depend on, never taken from a damaged file.
"""

import numpy as np
import pytest

from labctl.networks.images import load_images
from labctl.networks.perceptron import train_perceptron
from labctl.networks.trained import kept_arrays, kept_perceptron

SETTINGS = {"epochs": 2, "batch": 100, "learning_rate": 1e-2}


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("LABCTL_HOME", str(tmp_path))
    return tmp_path / "networks"


def test_arrays_are_made_once_for_each_description(home):
    made = []

    def make():
        made.append(1)
        return {"w": np.arange(3.0)}

    for described in ({"a": 1}, {"a": 1}, {"a": 2}):
        assert kept_arrays("kind", described, make)["w"].tolist() == [0.0, 1.0, 2.0]
    assert len(made) == 2
    assert sorted(path.suffix for path in home.iterdir()) == [".npz", ".npz"]
    kept_arrays("other", {"a": 1}, make)
    assert len(made) == 3


def test_damaged_file_is_made_again(home):
    for damage in (lambda raw: raw[:50], lambda raw: b"", lambda raw: b"nothing"):
        kept_arrays("kind", {}, lambda: {"w": np.zeros(2)})
        (file,) = home.iterdir()
        file.write_bytes(damage(file.read_bytes()))
        assert kept_arrays("kind", {}, lambda: {"w": np.ones(2)})["w"].tolist() == [1.0, 1.0]
        assert kept_arrays("kind", {}, dict)["w"].tolist() == [1.0, 1.0]
        file.unlink()


def test_failed_training_keeps_nothing(home):
    def fail():
        raise InterruptedError

    with pytest.raises(InterruptedError):
        kept_arrays("kind", {}, fail)
    assert not home.exists() or not list(home.iterdir())


def test_kept_network_is_the_trained_one_and_depends_on_images_seed_and_settings(home):
    digits = load_images("digits").first(300, 50)
    wanted = train_perceptron(digits, (8,), seed=1, **SETTINGS)
    for _ in range(2):
        found = kept_perceptron(digits, (8,), seed=1, **SETTINGS)
        for one, other in zip((*found.weights, *found.biases), (*wanted.weights, *wanted.biases), strict=True):
            np.testing.assert_array_equal(one, other)
    assert len(list(home.iterdir())) == 1
    kept_perceptron(digits, (8,), seed=2, **SETTINGS)
    kept_perceptron(digits.first(200, 0), (8,), seed=1, **SETTINGS)
    kept_perceptron(digits, (8, 8), seed=1, **SETTINGS)
    kept_perceptron(digits, (8,), seed=1, **SETTINGS | {"epochs": 1})
    assert len(list(home.iterdir())) == 5
