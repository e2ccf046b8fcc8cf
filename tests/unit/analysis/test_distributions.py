"""Authority: the laws that the data are drawn from; SciPy's own fit; tables of Clopper and Pearson."""

import numpy as np
import pytest
from scipy.stats import weibull_min

from labctl.analysis.distributions import binomial_yield, fit_lognormal, fit_weibull
from labctl.analysis.intervals import TooFewPoints, bootstrap

DRAWS = 200


def covered(estimates, truth):
    return np.mean([estimate.low <= truth <= estimate.high for estimate in estimates])


@pytest.mark.parametrize(("shape", "scale", "count"), [(8.0, 1.2, 50), (1.5, 3e5, 20)])
def test_weibull_intervals_cover_the_truth(shape, scale, count):
    chance = np.random.default_rng(11)
    fits = [fit_weibull(scale * chance.weibull(shape, count), "V", seed=draw) for draw in range(DRAWS)]
    # 95 % intervals over 200 draws: at least 93 %
    assert covered([fit.shape for fit in fits], shape) >= 0.93
    assert covered([fit.scale for fit in fits], scale) >= 0.93


def test_weibull_fit_is_that_of_scipy():
    data = 0.8 * np.random.default_rng(3).weibull(6.0, 40)
    fit = fit_weibull(data, "V")
    shape, _, scale = weibull_min.fit(data, floc=0.0)
    assert fit.shape.value == pytest.approx(shape, rel=1e-3)
    assert fit.scale.value == pytest.approx(scale, rel=1e-3)


def test_lognormal_intervals_cover_the_truth():
    chance = np.random.default_rng(6)
    fits = [fit_lognormal(1e-5 * np.exp(0.4 * chance.standard_normal(25)), "S") for _ in range(DRAWS)]
    assert covered([fit.median for fit in fits], 1e-5) >= 0.93
    assert covered([fit.sigma for fit in fits], 0.4) >= 0.93


def test_yield_interval_is_the_exact_one():
    # rule of three: 0 of 100 failed gives an upper end of 3.6 % (two-sided Clopper-Pearson)
    found = binomial_yield(100, 100)
    assert (found.value, found.high) == (1.0, 1.0)
    assert found.low == pytest.approx(1.0 - 0.0362, abs=1e-3)


def test_bootstrap_of_a_mean_covers_the_truth():
    chance = np.random.default_rng(8)
    found = [
        bootstrap(chance.exponential(2.0, 60), lambda rows: rows.mean(axis=1), unit="s", seed=draw)
        for draw in range(DRAWS)
    ]
    assert covered(found, 2.0) >= 0.93


@pytest.mark.parametrize("fit", [fit_weibull, fit_lognormal])
def test_fit_refuses_what_is_no_sample(fit):
    with pytest.raises(TooFewPoints, match="at least 8 points, got 3"):
        fit([1.0, 2.0, 3.0, float("nan")], "V")
    with pytest.raises(ValueError, match="must be positive"):
        fit([1.0] * 8 + [-1.0], "V")
    with pytest.raises(ValueError, match="a spread cannot be fitted"):
        fit([2.0] * 9, "V")


@pytest.mark.parametrize(("good", "cells"), [(1, 0), (5, 4), (-1, 4)])
def test_yield_refuses_what_cannot_be(good, cells):
    with pytest.raises(ValueError, match="yield needs"):
        binomial_yield(good, cells)
