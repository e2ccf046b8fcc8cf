"""Measured errors drawn again for a larger network.

Authority: statistics of the drawn errors against those that were measured; a differential pair written out by hand.
"""

import numpy as np
import pytest

from labctl.array import Levels
from labctl.networks.mapping import QuantisedWeights
from labctl.networks.residuals import Residuals, normal_errors, weights_with_errors

LEVELS = Levels(25e-6, 200e-6, 8)


@pytest.fixture
def measured():
    rng = np.random.default_rng(0)
    level = np.repeat(np.arange(8), 64).reshape(32, 16)
    target_s = LEVELS.conductances_s()[level]
    # each level errs in its own way, and level 7 has few cells
    error = 0.01 * (level - 3.0) + 0.001 * rng.standard_normal(level.shape)
    conductance_s = target_s * (1.0 + error)
    conductance_s[level == 7] = np.where(np.arange(64) < 5, conductance_s[level == 7], np.nan)
    return conductance_s, target_s, level, error


def test_errors_are_drawn_from_those_of_their_own_level(measured):
    conductance_s, target_s, level, error = measured
    residuals = Residuals.measured(conductance_s, target_s, level, levels=8)
    wanted = np.tile(np.arange(8), (500, 1))
    drawn = residuals.drawn(np.random.default_rng(1))(wanted)
    for number in range(7):
        own = error[level == number]
        assert np.isin(np.round(drawn[:, number], 12), np.round(own, 12)).all()
        # 500 draws of a scatter of 0.001
        assert drawn[:, number].mean() == pytest.approx(own.mean(), abs=5 * 0.001 / 500**0.5)
    assert residuals.is_own == (True,) * 7 + (False,)


def test_level_with_too_few_cells_takes_the_errors_of_all(measured):
    conductance_s, target_s, level, error = measured
    residuals = Residuals.measured(conductance_s, target_s, level, levels=8)
    good = np.isfinite(conductance_s)
    assert good.sum() == 7 * 64 + 5
    assert np.sort(residuals.by_level[7]) == pytest.approx(np.sort(error[good]))
    assert Residuals.measured(conductance_s, target_s, level, levels=8, least=5).is_own[7]


def test_nothing_measured_is_refused():
    with pytest.raises(ValueError, match="no cell"):
        Residuals.measured(np.full((2, 2), np.nan), np.ones((2, 2)), np.zeros((2, 2), dtype=int), levels=2)


def test_same_generator_draws_the_same_errors(measured):
    conductance_s, target_s, level, _ = measured
    residuals = Residuals.measured(conductance_s, target_s, level, levels=8)
    first, second, third = (residuals.drawn(np.random.default_rng(seed))(level) for seed in (1, 1, 2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, third)


def test_normal_errors_have_their_rmse():
    drawn = normal_errors(0.0179, np.random.default_rng(0))(np.zeros((300, 300), dtype=int))
    # the relative error of a standard deviation of n values is 1 / sqrt(2 n)
    assert np.sqrt(np.mean(drawn**2)) == pytest.approx(0.0179, rel=5 / np.sqrt(2 * 90000))


def test_weights_are_the_differences_of_cells_that_missed():
    weights = QuantisedWeights(np.array([[3, -7], [0, 1]]), 0.5)

    def errors(level):
        assert level.tolist() == [[3, 0, 0, 7], [0, 0, 1, 0]]
        return np.array([[0.02, -0.04, 0.1, -0.01], [0.0, 0.2, -2.0, 0.0]])

    found = weights_with_errors(weights, errors, LEVELS)
    # one level is 25 uS; a conductance does not go below 0, so the cell at 50 uS with an error of -200 % is at 0
    by_hand = [[100e-6 * 1.02 - 25e-6 * 0.96, 25e-6 * 1.1 - 200e-6 * 0.99], [25e-6 - 25e-6 * 1.2, 0.0 - 25e-6]]
    assert found == pytest.approx(np.array(by_hand) / 25e-6 * 0.5)
    assert weights_with_errors(weights, lambda level: np.zeros(level.shape), LEVELS) == pytest.approx(
        weights.values * 0.5
    )
