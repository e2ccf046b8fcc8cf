"""The demo's network. Authority: scikit-learn's own trainer and its digits."""

import numpy as np
import pytest

from labctl.networks.digits import classify_digits, demo_target, demo_weights, pooled_digits, train_digits
from labctl.networks.mapping import quantise, to_differential


def test_shipped_weights_are_those_that_the_script_trains():
    assert np.allclose(demo_weights(), train_digits(), atol=1e-3)


def test_shipped_target_holds_the_rounded_shipped_weights():
    levels = demo_target()
    assert levels.shape == (32, 32)
    assert set(np.unique(levels)) == set(range(8))
    assert np.array_equal(levels[:, :20], to_differential(quantise(demo_weights(), levels=8).values))


def test_ideal_conductances_classify_as_the_ideal_levels_do():
    conductance_s = np.linspace(25e-6, 200e-6, 8)[demo_target()]
    found = classify_digits(conductance_s, g_min_s=25e-6, g_max_s=200e-6)
    # rounding may move digits whose two best classes tie, one of 540 at the most
    assert abs(found.read_back - found.ideal_levels) <= 2 / found.test_digits
    assert found.float_weights > 0.9


def test_swapped_columns_ruin_the_classes():
    conductance_s = np.linspace(25e-6, 200e-6, 8)[demo_target()]
    conductance_s[:, [0, 1, 2, 3]] = conductance_s[:, [1, 0, 3, 2]]
    found = classify_digits(conductance_s, g_min_s=25e-6, g_max_s=200e-6)
    assert found.read_back < found.ideal_levels - 0.1


def test_training_and_test_digits_do_not_overlap():
    x_train, _, x_test, _ = pooled_digits()
    assert len(x_train) + len(x_test) == 1797
    assert x_train.min() >= 0.0
    assert x_train.max() <= 1.0


def test_map_of_another_shape_is_refused():
    with pytest.raises(ValueError, match="32 x 32"):
        classify_digits(np.ones((4, 4)), g_min_s=1e-6, g_max_s=2e-6)
