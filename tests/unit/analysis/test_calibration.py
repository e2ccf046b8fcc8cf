"""Authority: tables generated from known parameters; closed forms of the normal law; SciPy's derivative check."""

import numpy as np
import pytest
from scipy.stats import norm

from labctl.analysis.calibration import (
    PARAMETERS,
    UpdateModel,
    calibrate_device,
    calibrate_technology,
    share_inside,
    share_near,
    step_moments,
)
from labctl.analysis.intervals import TooFewPoints
from labctl.analysis.pulse_tables import PulseTable

LEVELS = np.array([0.01, 0.05, 0.1, 0.16, 0.25, 0.4, 0.5, 0.6, 0.75, 0.84, 0.9, 0.95, 0.99])
PLACE = np.linspace(0.0, 1.0, 31)
KNOTS = np.linspace(0.0, 1.0, 11)
LOW_S, RANGE_S = 2e-6, 50e-6
# a soft bound with a spread that falls towards it, leaning to one side
TRUTH = np.concatenate([0.2 * (1.0 - KNOTS) + 0.01, np.log(0.03 - 0.02 * KNOTS), [0.3, 0.1]])


def table(values, *, device="a", noise=0.0, seed=0):
    steps = UpdateModel(values).quantiles(PLACE, LEVELS)
    steps = steps + noise * np.random.default_rng(seed).standard_normal(steps.shape)
    return PulseTable(device, LOW_S + RANGE_S * PLACE, LEVELS, RANGE_S * steps)


def devices(count, spread=0.1):
    generator = np.random.default_rng(5)
    # devices differ in their median alone, so that means differ as medians do
    bent = np.concatenate([np.ones(11), np.zeros(13)])
    return [
        table(TRUTH + spread * generator.standard_normal() * bent * np.abs(TRUTH), device=str(each))
        for each in range(count)
    ]


def test_model_is_normal_when_skew_and_tail_are_zero():
    normal = UpdateModel(np.concatenate([np.full(11, 0.1), np.full(11, np.log(0.02)), [0.0, 0.0]]))
    np.testing.assert_allclose(normal.quantiles([0.3], LEVELS)[:, 0], norm.ppf(LEVELS, 0.1, 0.02), rtol=1e-12)
    mean, sd = step_moments(normal, [0.0, 0.55, 1.0])
    np.testing.assert_allclose(mean, 0.1, rtol=1e-9)
    np.testing.assert_allclose(sd, 0.02, rtol=2e-3)


def test_model_draws_what_its_quantiles_say():
    drawn = UpdateModel(TRUTH).quantiles([0.4], np.random.default_rng(1).uniform(1e-9, 1.0, 200_000))
    np.testing.assert_allclose(np.quantile(drawn, LEVELS), UpdateModel(TRUTH).quantiles([0.4], LEVELS)[:, 0], atol=5e-4)


def test_calibration_finds_parameters_when_table_has_no_noise():
    found = calibrate_device(table(TRUTH))
    np.testing.assert_allclose(found.model.values, TRUTH, atol=1e-5)
    assert list(found.parameters) == list(PARAMETERS)


def test_intervals_of_a_device_hold_the_truth_as_often_as_they_say():
    inside = []
    for seed in range(40):
        found = calibrate_device(table(TRUTH, noise=0.002, seed=seed))
        inside += [each.low <= true <= each.high for each, true in zip(found.parameters.values(), TRUTH, strict=True)]
    # 960 intervals of 95 %, of which the 24 of one table are correlated
    assert 0.88 < np.mean(inside) < 0.99


def test_typical_device_is_the_middle_one_and_the_spread_that_of_the_means():
    made = devices(15)
    found = calibrate_technology(made)
    middle = np.median([each.values for each in found.devices.values()], axis=0)
    np.testing.assert_allclose(found.model.values, middle)
    assert found.parameters["median at 0.5"].low < middle[5] < found.parameters["median at 0.5"].high
    medians = [each.steps[6] for each in made]
    np.testing.assert_allclose(found.device_spread(PLACE), np.std(medians, axis=0, ddof=1), rtol=1e-3)
    assert share_inside(found.model, made) == 1.0
    shifted = UpdateModel(found.model.values + np.concatenate([np.full(11, 0.5), np.zeros(13)]))
    assert share_inside(shifted, made) == 0.0


def test_share_near_counts_a_bin_only_when_all_quantiles_are_near():
    given = table(TRUTH)
    steps = given.steps.copy()
    steps[3, 10] += 0.05
    bent = PulseTable("b", given.conductance_s, LEVELS, steps * RANGE_S)
    assert share_near(UpdateModel(TRUTH), bent, 0.01) == pytest.approx(30 / 31)
    assert share_near(UpdateModel(TRUTH), bent, 0.06) == 1.0


def test_calibration_refuses_too_little():
    few = table(TRUTH)
    with pytest.raises(TooFewPoints, match=r"bins.*at least 16"):
        calibrate_device(PulseTable("a", few.conductance_s[:15], LEVELS, few.increment_s[:, :15]))
    with pytest.raises(TooFewPoints, match="at least 8"):
        calibrate_technology(devices(7))
    with pytest.raises(TooFewPoints, match="device to device"):
        calibrate_device(few).device_spread(PLACE)


@pytest.mark.parametrize(("place", "levels"), [([-0.1], [0.5]), ([1.1], [0.5]), ([0.5], [0.0]), ([0.5], [1.0])])
def test_model_refuses_what_it_was_not_calibrated_for(place, levels):
    with pytest.raises(ValueError, match="update model"):
        UpdateModel(TRUTH).quantiles(place, levels)
