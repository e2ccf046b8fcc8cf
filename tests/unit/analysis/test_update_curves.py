"""Authority: NeuroSim's published table of labels; curves whose law is known; algebra."""

import numpy as np
import pytest

from labctl.analysis.intervals import TooFewPoints
from labctl.analysis.update_curves import (
    fit_curvature,
    neurosim_label,
    reading_noise,
    step_spread,
    update_figures,
)

# DNN+NeuroSim: A / Pmax by label
NEUROSIM = {1.0: 1.25165, 1.46: 0.84868, 1.75: 0.70208, 2.0: 0.60904, 2.4: 0.49918, 3.0: 0.38683, 4.0: 0.26909}
NEUROSIM |= {5.0: 0.19241, 6.0: 0.13562, 7.0: 0.09014, 8.0: 0.05278, 9.0: 0.02281, 0.1: 12.626, 0.5: 2.5199}


def exponential(curvature, points=101):
    place = np.linspace(0.0, 1.0, points)
    return 1e-6 + 9e-6 * np.expm1(-place / curvature) / np.expm1(-1.0 / curvature)


@pytest.mark.parametrize("label", NEUROSIM)
def test_label_is_that_of_neurosim(label):
    assert neurosim_label(NEUROSIM[label]) == pytest.approx(label, rel=5e-3)


@pytest.mark.parametrize("label", [1.0, 2.4, 4.0])
def test_figures_of_an_exponential_cycle(label):
    curvature = NEUROSIM[label]
    up = exponential(curvature)
    down = 11e-6 - up
    found = update_figures(up, down)
    assert found.label_up == pytest.approx(label, rel=0.01)
    assert found.label_down == pytest.approx(label, rel=0.01)
    assert found.curvature_up == pytest.approx(curvature, rel=1e-4)
    assert found.symmetry_point_s == pytest.approx(5.5e-6, rel=1e-3)
    # the mirrored branches part most in the middle: 2 n(1/2) - 1 with n(x) the normalised curve
    assert found.asymmetry == pytest.approx(np.tanh(0.25 / curvature), rel=1e-3)


def test_straight_symmetric_cycle_has_no_figure():
    up = np.linspace(1e-6, 2e-6, 51)
    found = update_figures(up, up[::-1])
    assert found.label_up == pytest.approx(0.0, abs=1e-9)
    assert found.asymmetry == pytest.approx(0.0, abs=1e-9)
    assert abs(found.curvature_up) >= 99.0


def test_growing_steps_have_negative_curvature():
    assert fit_curvature(exponential(-0.4)) == pytest.approx(-0.4, rel=1e-3)


@pytest.mark.parametrize(
    ("up", "down", "message"),
    [
        ([1.0, 2.0, 3.0, 4.0], [4.0, 3.0, 2.0, 1.0], "at least 5 points, got 4"),
        ([1.0] * 6, [2.0] * 5, "same number of points"),
        ([1.0, 2.0, 3.0, 4.0, float("nan")], [5.0, 4.0, 3.0, 2.0, 1.0], "must be a number"),
        ([5.0, 4.0, 3.0, 2.0, 1.0], [5.0, 4.0, 3.0, 2.0, 1.0], "must end higher"),
    ],
)
def test_figures_refuse_what_is_no_cycle(up, down, message):
    with pytest.raises(ValueError, match=message) as refused:
        update_figures(up, down)
    assert isinstance(refused.value, TooFewPoints) == ("at least" in message)


def told(up, down):
    """The figures, or None where they are refused as noise."""
    try:
        return update_figures(up, down)
    except ValueError:
        return None


@pytest.mark.parametrize("points", [6, 21, 51])
def test_stuck_cell_has_no_figures_whatever_its_noise(points):
    chance = np.random.default_rng(points)
    noisy = 1e-4 * (1.0 + 0.01 * chance.standard_normal((500, 2, points)))
    # without the rule about every fifth cycle has figures: both branches end on the right side by chance
    assert np.mean([up[-1] > up[0] and down[-1] < down[0] for up, down in noisy]) > 0.15
    assert sum(told(up, down) is not None for up, down in noisy) <= 2
    with pytest.raises(ValueError, match=r"lead somewhere.*this is noise"):
        step_spread(noisy[:5, 0])


@pytest.mark.parametrize("points", [21, 51, 101])
def test_straight_device_has_no_label_and_no_symmetry_point_of_noise(points):
    chance = np.random.default_rng(points)
    place = np.linspace(0.0, 1.0, points)
    noise = 0.02 * chance.standard_normal((300, 2, points))
    found = [told(1.0 + place + one, 2.0 - place + other) for one, other in noise]
    assert None not in found
    # 4 standard deviations of any of so many distances: at most a few in a hundred
    for name in ("label_up", "label_down", "curvature_up", "asymmetry", "mean_asymmetry"):
        assert sum(getattr(one, name) is not None for one in found) <= 12
    assert sum(one.symmetry_point_s is not None for one in found) <= 3
    assert np.mean([one.noise_s for one in found]) == pytest.approx(0.02, rel=0.05)


@pytest.mark.parametrize("points", [21, 51, 101])
def test_bent_device_keeps_its_figures_under_the_same_noise(points):
    chance = np.random.default_rng(points)
    bent = (exponential(NEUROSIM[3.0], points) - 1e-6) / 9e-6
    noise = 0.02 * chance.standard_normal((100, 2, points))
    found = [told(1.0 + bent + one, 2.0 - bent + other) for one, other in noise]
    assert np.median([one.label_up for one in found]) == pytest.approx(3.0, abs=0.4)
    points_s = [one.symmetry_point_s for one in found if one.symmetry_point_s is not None]
    assert len(points_s) >= 95
    # mirrored branches cross in the middle of their range
    assert np.mean(points_s) == pytest.approx(1.5, abs=0.02)


def test_single_jump_is_no_noise():
    up = np.where(np.arange(13) < 6, 1e-6, 5e-6)
    assert reading_noise([up]) == 0.0
    assert update_figures(up, up[::-1]).range_s == pytest.approx(4e-6)
