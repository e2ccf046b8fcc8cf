"""Authority: Gaussian states whose bands and overlaps are known."""

import numpy as np
import pytest
from scipy.stats import norm

from labctl.analysis.intervals import TooFewPoints
from labctl.analysis.states import count_states


def test_states_are_counted_with_their_bands():
    chance = np.random.default_rng(1)
    # bands of +-3: 0, 8 and 30 are apart, 16 from 19 are not
    found = count_states([mean + chance.standard_normal(200) for mean in (30.0, 0.0, 8.0, 16.0, 19.0)], wait_s=60.0)
    assert found.separated.value == 4.0
    assert found.separated.low <= 4.0 <= found.separated.high
    assert found.mean_s.tolist() == sorted(found.mean_s)
    assert found.wait_s == 60.0


def test_confusion_is_the_overlap():
    chance = np.random.default_rng(2)
    # three states 3 sigma apart, thresholds in the middle: four tails of three states; how often the interval covers
    # that: tests/physics/test_interval_coverage.py
    truth = 4.0 * norm.sf(1.5) / 3.0
    found = [
        count_states([mean + chance.standard_normal(60) for mean in (0.0, 3.0, 6.0)], wait_s=1.0, seed=draw)
        for draw in range(20)
    ]
    assert np.mean([item.confusion.value for item in found]) == pytest.approx(truth, rel=0.15)
    assert np.mean([item.expected_confusion for item in found]) == pytest.approx(truth, rel=0.1)


def test_states_refuse_what_is_none():
    good = np.arange(10.0)
    with pytest.raises(TooFewPoints, match="states: needs at least 2"):
        count_states([good], wait_s=1.0)
    with pytest.raises(TooFewPoints, match="at least 8 points, got 3"):
        count_states([good, [1.0, 2.0, 3.0, np.nan]], wait_s=1.0)
    with pytest.raises(ValueError, match="are equal"):
        count_states([good, np.ones(10)], wait_s=1.0)
    with pytest.raises(ValueError, match="wait"):
        count_states([good, good + 9.0], wait_s=-1.0)
