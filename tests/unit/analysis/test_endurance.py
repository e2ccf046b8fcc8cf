"""Authority: cycles laid out by hand; SciPy's own censored fit; the law that lives are drawn from."""

import numpy as np
import pytest
from scipy.stats import CensoredData, weibull_min

from labctl.analysis.endurance import cell_life, fit_lives
from labctl.analysis.intervals import TooFewPoints


def test_first_failure_and_being_stuck_are_two_things():
    on, off = np.full(20, 1e-4), np.full(20, 1e-5)
    off[6] = 9e-5  # one bad cycle: a failure, not yet stuck
    off[12] = np.nan  # no reading is neither
    off[13:] = 9e-5
    found = cell_life(on, off)
    assert (found.first_failure, found.stuck_from, found.stuck_state) == (7, 14, "on")
    assert (found.cycles, found.unread) == (19, 1)
    on[13:], off[13:] = 1.1e-5, 1e-5
    assert cell_life(on, off).stuck_state == "off"
    assert cell_life(on[:6], off[:6]).first_failure is None
    assert cell_life(np.full(4, 1e-4), np.full(4, 1e-5), least_window=20.0).first_failure == 1


def test_censored_fit_is_that_of_scipy():
    lives = 1e5 * np.random.default_rng(3).weibull(1.7, 40)
    failed = lives < 1.1e5
    lives = np.minimum(lives, 1.1e5)
    found = fit_lives(lives, failed)
    shape, _, scale = weibull_min.fit(CensoredData.right_censored(lives, ~failed), floc=0.0)
    assert found.shape.value == pytest.approx(shape, rel=1e-3)
    assert found.scale.value == pytest.approx(scale, rel=1e-3)
    assert (found.failures, found.survivors) == (failed.sum(), 40 - failed.sum())


@pytest.mark.slow
@pytest.mark.parametrize(("count", "end"), [(20, 1e5), (12, 1e6)])
def test_life_intervals_cover_the_truth(count, end):
    chance = np.random.default_rng(6)
    found = []
    for _ in range(200):
        lives = 1e5 * chance.weibull(2.0, count)
        found.append(fit_lives(np.minimum(lives, end), lives < end))
    assert np.mean([item.shape.low <= 2.0 <= item.shape.high for item in found]) >= 0.93
    assert np.mean([item.scale.low <= 1e5 <= item.scale.high for item in found]) >= 0.93


def test_endurance_refuses_what_cannot_be_fitted():
    with pytest.raises(TooFewPoints, match=r"6 survived.*at least 5 points, got 4"):
        fit_lives(np.arange(1.0, 11.0), [True] * 4 + [False] * 6)
    with pytest.raises(ValueError, match="a spread cannot be fitted"):
        fit_lives([5.0] * 6, [True] * 6)
    with pytest.raises(ValueError, match="positive number"):
        fit_lives([0.0, 1.0, 2.0, 3.0, 4.0], [True] * 5)
    with pytest.raises(TooFewPoints, match="at least 1"):
        cell_life([np.nan], [1.0])
    with pytest.raises(ValueError, match="both states"):
        cell_life([1.0, 2.0], [1.0])
