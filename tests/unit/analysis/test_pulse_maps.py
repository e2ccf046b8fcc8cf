"""Authority: maps computed from a law with one slope and one threshold line."""

import numpy as np
import pytest

from labctl.analysis.intervals import TooFewPoints
from labctl.analysis.pulse_maps import pulse_map_figures

WIDTHS_S = np.logspace(-7, -2, 11)
VOLTAGES_V = np.array([-1.25, -1.0, -0.8, 0.8, 1.0, 1.25])


def law(width_s, voltage_v):
    """Change of 0.1 at a width that falls by 10 decades per volt from 1e-3 s at 0.8 V, 0.05 more each decade."""
    threshold = -3.0 - 10.0 * (np.abs(voltage_v) - 0.8)
    return np.sign(voltage_v) * np.maximum(0.0, 0.1 + 0.05 * (np.log10(width_s) - threshold))


MAP = law(WIDTHS_S[:, None], VOLTAGES_V[None])


def test_figures_are_those_of_the_law():
    found = pulse_map_figures(WIDTHS_S[::-1], VOLTAGES_V, MAP[::-1])
    assert found.polarity == 1
    # on the straight part of each course the crossing is exact
    np.testing.assert_allclose(np.log10(found.threshold_width_s), [-7.0, -5.0, -3.0, -3.0, -5.0, -7.0], atol=1e-9)
    assert found.passed_at_once.tolist() == [True, False, False, False, False, True]
    assert found.slope[-1].value == pytest.approx(0.05)
    assert found.decades_per_volt == {}
    assert pulse_map_figures(WIDTHS_S, -VOLTAGES_V, MAP).polarity == -1
    assert pulse_map_figures(WIDTHS_S, VOLTAGES_V, np.abs(MAP)).polarity is None


def test_dilemma_and_slope_cover_the_truth():
    chance = np.random.default_rng(7)
    voltages = np.array([0.8, 0.85, 0.9, 0.95, 1.0])
    straight = 0.1 + 0.05 * (np.log10(WIDTHS_S)[:, None] + 3.0 + 10.0 * (voltages - 0.8))
    inside, steep = [], []
    for _ in range(200):
        found = pulse_map_figures(WIDTHS_S, voltages, straight + 0.02 * chance.standard_normal((4, *straight.shape)))
        inside.append(found.slope[2].low <= 0.05 <= found.slope[2].high)
        steep.append(found.decades_per_volt["positive"].value)
    assert np.mean(inside) >= 0.93
    assert np.median(steep) == pytest.approx(10.0, rel=0.05)


def test_missing_points_are_left_out():
    holes = MAP.copy()
    holes[:, 0] = np.nan
    found = pulse_map_figures(WIDTHS_S, VOLTAGES_V, holes)
    assert found.slope[0] is None
    assert np.isnan(found.threshold_width_s[0])


def test_map_refuses_what_is_none():
    with pytest.raises(TooFewPoints, match="at least 3 points, got 2"):
        pulse_map_figures(WIDTHS_S[:2], VOLTAGES_V, MAP[:2])
    with pytest.raises(ValueError, match="no voltage may be 0"):
        pulse_map_figures(WIDTHS_S, [0.0, *VOLTAGES_V[1:]], MAP)
    with pytest.raises(ValueError, match="comes twice"):
        pulse_map_figures(WIDTHS_S, [1.0] * 6, MAP)
    with pytest.raises(ValueError, match="no point at all"):
        pulse_map_figures(WIDTHS_S, VOLTAGES_V, MAP * np.nan)
