"""Authority: responses and windows drawn from known laws."""

import numpy as np
import pytest

from labctl.analysis.intervals import TooFewPoints
from labctl.analysis.paired_pulse import facilitation_index, fit_timing_window

SIDE_S = np.linspace(2e-3, 80e-3, 10)
DIFFERENCE_S = np.repeat(np.concatenate([-SIDE_S[::-1], SIDE_S]), 3)
WINDOW = np.where(DIFFERENCE_S > 0, 0.8 * np.exp(-DIFFERENCE_S / 0.017), -0.4 * np.exp(DIFFERENCE_S / 0.034))


def covered(estimates, truth):
    return np.mean([estimate.low <= truth <= estimate.high for estimate in estimates])


def test_index_covers_the_truth():
    chance = np.random.default_rng(5)
    found = [
        facilitation_index(1.0 + 0.3 * chance.standard_normal(12), 1.5 + 0.3 * chance.standard_normal(12))
        for _ in range(200)
    ]
    assert covered(found, 1.5) >= 0.93
    assert facilitation_index([1.0, 2.0] * 5 + [np.nan], [2.0, 4.0] * 5 + [9.0]).value == pytest.approx(2.0)


def test_window_covers_the_truth():
    chance = np.random.default_rng(6)
    found = [fit_timing_window(DIFFERENCE_S, WINDOW + 0.05 * chance.standard_normal(60)) for _ in range(200)]
    for side, amplitude, time in (("causal", 0.8, 0.017), ("acausal", -0.4, 0.034)):
        assert covered([getattr(item, side).amplitude for item in found], amplitude) >= 0.93
        assert covered([getattr(item, side).time for item in found], time) >= 0.93
    assert np.mean([item.residual for item in found]) == pytest.approx(0.05, rel=0.03)


def test_paired_pulses_refuse_what_cannot_be_told():
    with pytest.raises(TooFewPoints, match="at least 8 points, got 2"):
        facilitation_index([1.0, 1.0], [1.0, 1.0])
    with pytest.raises(ValueError, match="cannot be told from 0"):
        facilitation_index([1.0, -1.0] * 6, [1.0] * 12)
    with pytest.raises(TooFewPoints, match="negative time differences: needs at least 5"):
        fit_timing_window(SIDE_S, np.exp(-SIDE_S / 0.02))
    # a side that does not decay has no time
    with pytest.raises(ValueError, match="no decay"):
        fit_timing_window(DIFFERENCE_S, np.ones(60))
