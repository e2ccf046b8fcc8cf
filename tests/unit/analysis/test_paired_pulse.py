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
    for side, at_zero, time in (("causal", 0.8, 0.017), ("acausal", -0.4, 0.034)):
        # the smallest distance that was measured is 2 ms
        amplitude = at_zero * np.exp(-2e-3 / time)
        assert getattr(found[0], side).nearest_s == pytest.approx(2e-3)
        assert covered([getattr(item, side).amplitude for item in found], amplitude) >= 0.93
        assert covered([getattr(item, side).time for item in found], time) >= 0.93
    assert np.mean([item.residual for item in found]) == pytest.approx(0.05, rel=0.03)


def test_amplitude_is_no_change_below_all_there_is():
    chance = np.random.default_rng(3)
    # nearly all is lost 5 ms apart, and it decays with 3 ms: at 0 the law would say -4.8 times what there was
    distance_s = np.repeat(np.linspace(5e-3, 15e-3, 6), 4)
    change = np.clip(-0.9 * np.exp(-(distance_s - 5e-3) / 3e-3) + 0.05 * chance.standard_normal(24), -1.0, None)
    delays_s = np.concatenate([distance_s, -distance_s])
    amplitude = fit_timing_window(delays_s, np.concatenate([-change, change])).acausal.amplitude
    assert amplitude.value == pytest.approx(-0.9, abs=0.06)
    assert -1.0 <= amplitude.low <= amplitude.value <= amplitude.high


def test_index_of_several_cells_counts_each_once():
    chance = np.random.default_rng(8)
    index = np.array([1.0, 2.0, 3.0])[:, np.newaxis]
    first = 1.0 + 0.01 * chance.standard_normal((3, 40))
    found = facilitation_index(first, index * first)
    pooled = facilitation_index(first.ravel(), (index * first).ravel())
    assert found.value == pytest.approx(2.0, rel=0.01)
    # Student's interval of 1, 2, 3: 4.303 / sqrt(3); 120 pairs taken as independent would say 0.15
    assert found.high - found.value == pytest.approx(4.303 / np.sqrt(3.0), rel=0.02)
    assert found.points == 3
    assert pooled.high - pooled.value < 0.16


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
