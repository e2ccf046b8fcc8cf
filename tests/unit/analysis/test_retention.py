"""Authority: the laws that data are drawn from; Student's prediction interval; Arrhenius' law."""

import numpy as np
import pytest

from labctl.analysis.intervals import TooFewPoints
from labctl.analysis.retention import TEN_YEARS_S, activation_energy, fit_retention

DRAWS = 200
BOLTZMANN = 8.617333262e-5


def covered(estimates, truth):
    return np.mean([estimate.low <= truth <= estimate.high for estimate in estimates])


@pytest.mark.slow
def test_log_time_intervals_cover_the_truth():
    chance = np.random.default_rng(12)
    time_s = np.logspace(0, 4, 25)
    found, inside = [], []
    for _ in range(DRAWS):
        fit = fit_retention(time_s, 5e-5 - 1e-6 * np.log10(time_s) + 3e-7 * chance.standard_normal(25))
        found.append(fit.log_time)
        one_more = 5e-5 - 1e-6 * np.log10(TEN_YEARS_S) + 3e-7 * chance.standard_normal()
        line_predicts = fit.chosen == "log time"
        inside.append(fit.extrapolated.low <= one_more <= fit.extrapolated.high if line_predicts else np.nan)
    assert covered([law.per_decade for law in found], -1e-6) >= 0.93
    assert covered([law.at_one_second for law in found], 5e-5) >= 0.93
    assert np.nanmean(inside) >= 0.93


@pytest.mark.slow
def test_stretched_intervals_cover_the_truth():
    chance = np.random.default_rng(13)
    time_s = np.logspace(0, 5, 60)
    fits, inside = [], []
    for _ in range(DRAWS):
        noise = 3e-7 * chance.standard_normal(61)
        law = 5e-5 * np.exp(-((np.append(time_s, 1e6) / 1e5) ** 0.4)) + noise
        fits.append(fit_retention(time_s, law[:-1], until_s=1e6))
        inside.append(fits[-1].extrapolated.low <= law[-1] <= fits[-1].extrapolated.high)
    assert all(fit.chosen == "stretched exponential" for fit in fits)
    assert covered([fit.stretched.initial for fit in fits], 5e-5) >= 0.93
    assert covered([fit.stretched.time for fit in fits], 1e5) >= 0.93
    assert covered([fit.stretched.exponent for fit in fits], 0.4) >= 0.93
    assert np.mean(inside) >= 0.93


def test_extrapolation_says_how_far_it_goes():
    time_s = np.logspace(0, 4, 25)
    conductance = 5e-5 - 1e-6 * np.log10(time_s) + 1e-8 * np.random.default_rng(1).standard_normal(25)
    found = fit_retention(time_s, conductance)
    assert found.chosen == "log time"
    assert found.extrapolated.value == pytest.approx(5e-5 - 1e-6 * np.log10(TEN_YEARS_S), rel=1e-2)
    assert found.decades_beyond == pytest.approx(np.log10(3.15576e8) - 4.0)
    assert "4.5 decades of time beyond the last point" in found.statement
    # a state that is gone before ten years is said to be
    lost = fit_retention(time_s, 5e-6 - 1e-6 * np.log10(time_s) + 1e-10 * np.random.default_rng(2).standard_normal(25))
    assert "the state is lost" in lost.statement


def test_growing_conductance_is_never_a_decay():
    time_s = np.logspace(0, 3, 20)
    found = fit_retention(time_s, 1e-5 + 1e-7 * np.log10(time_s) + 1e-9 * np.random.default_rng(3).random(20))
    assert found.stretched is None


def test_activation_energy_covers_the_truth():
    chance = np.random.default_rng(14)
    kelvin = np.array([358.0, 398.0, 423.0, 448.0])
    found = [
        activation_energy(
            kelvin, 1e-9 * np.exp(1.1 / (BOLTZMANN * kelvin) + 0.3 * chance.standard_normal(4)), use_k=300.0
        )
        for _ in range(DRAWS)
    ]
    assert covered([item.energy for item in found], 1.1) >= 0.93
    assert covered([item.time_at_use for item in found], 1e-9 * np.exp(1.1 / (BOLTZMANN * 300.0))) >= 0.93
    assert found[0].kelvin_beyond == pytest.approx(58.0)


def test_retention_refuses_what_cannot_be_fitted():
    with pytest.raises(TooFewPoints, match="at least 8 points, got 3"):
        fit_retention([1.0, 10.0, 100.0, 1000.0], [1e-5, 1e-5, 1e-5, float("nan")])
    with pytest.raises(ValueError, match="at least 2 decades"):
        fit_retention(np.linspace(1.0, 50.0, 20), np.ones(20))
    with pytest.raises(ValueError, match="must be positive"):
        fit_retention(np.arange(20.0), np.ones(20))
    with pytest.raises(TooFewPoints, match="at least 3 points, got 2"):
        activation_energy([300.0, 350.0, 350.0], [1e5, 1e3, 1e3])
