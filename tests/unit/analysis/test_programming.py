"""Figures of merit. Authority: closed forms, each worked out by hand in the test."""

import numpy as np
import pytest

from labctl.analysis.programming import read_noise, relative_rmse, rmse, spread, voltage_gradient


def test_the_three_definitions_differ_as_they_should():
    target = np.array([[25e-6, 200e-6]])
    achieved = np.array([[27.5e-6, 200e-6]])  # +10 % of the first, 0 of the second
    found = rmse(achieved, target, lowest_s=25e-6, highest_s=200e-6)
    assert found.relative == pytest.approx(0.1 / np.sqrt(2))
    assert found.range == pytest.approx(2.5 / 175 / np.sqrt(2))
    assert found.gmax == pytest.approx(2.5 / 200 / np.sqrt(2))
    assert relative_rmse(achieved, target) == pytest.approx(found.relative)


def test_uniform_residuals_give_tolerance_over_root_three():
    target = np.full(100001, 1e-4)
    achieved = target * (1 + np.linspace(-0.03, 0.03, target.size))
    assert rmse(achieved, target, lowest_s=0.0, highest_s=1e-4).relative == pytest.approx(0.03 / np.sqrt(3), rel=1e-4)


def test_cells_without_a_value_do_not_count():
    target = np.array([1e-4, 1e-4, np.nan])
    assert rmse(np.array([1.1e-4, np.nan, 1e-4]), target, lowest_s=0.0, highest_s=1e-4).relative == pytest.approx(0.1)
    assert rmse(np.full(3, np.nan), target, lowest_s=0.0, highest_s=1e-4) is None


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="shapes"):
        rmse(np.ones(2), np.ones(3), lowest_s=0.0, highest_s=1.0)
    with pytest.raises(ValueError, match="lowest"):
        rmse(np.ones(2), np.ones(2), lowest_s=1.0, highest_s=1.0)


def test_spread_interpolates_the_percentile():
    found = spread(range(101))
    assert (found.mean, found.p95) == (50.0, 95.0)
    assert spread([]) is None


def test_read_noise_pools_the_relative_variance():
    readings = np.array([[0.9e-4, 1.1e-4], [1.8e-4, 2.2e-4], [1e-4, np.nan]])
    assert read_noise(readings) == pytest.approx(0.1 * np.sqrt(2))  # two values at mean -+ 10 %, ddof 1
    assert read_noise(np.ones((3, 1))) is None
    assert read_noise(np.empty((0, 4))) is None


def test_voltage_gradient_is_the_slope_over_the_distance_whatever_the_target_map():
    # a plane over row + column plus a dependence on ln(target): the least-squares fit gives its slope back
    rows, columns = np.indices((6, 5))
    target_s = 25e-6 * (1 + (3 * rows + 5 * columns) % 8)
    voltage_v = 1.0 + 3e-3 * (rows + columns) - 0.2 * np.log(target_s / 25e-6)
    voltage_v[2, 3] = np.nan
    assert voltage_gradient(voltage_v, target_s) == pytest.approx(3e-3)
    assert voltage_gradient(voltage_v, np.full((6, 5), 50e-6)) != pytest.approx(3e-3, rel=0.01)
    assert voltage_gradient(np.full((2, 2), np.nan), np.full((2, 2), 50e-6)) is None
