"""Authority: changes drawn with a variance that grows linearly in log time; moments of known laws."""

import numpy as np
import pytest

from labctl.analysis.intervals import TooFewPoints
from labctl.analysis.relaxation import relaxation_of_cells

TIMES_S = np.array([0.01, 0.1, 1.0, 4.0, 1e5])
VARIANCE = 4.281e-12 + 1.784e-12 * np.log10(TIMES_S)


def changes(chance, cells):
    steps = np.sqrt(np.diff(VARIANCE, prepend=0.0))
    return np.cumsum(steps * chance.standard_normal((cells, TIMES_S.size)), axis=1)


def test_line_and_moments_are_those_of_the_law():
    table = changes(np.random.default_rng(2), 6000)
    table[:100, 3] = np.nan
    found = relaxation_of_cells(TIMES_S, table)
    # the variance of 6000 Gaussian cells is known to 1.8 %; the interval is checked over many draws below
    assert found.slope.value == pytest.approx(1.784e-12, rel=0.08)
    assert found.intercept.value == pytest.approx(4.281e-12, rel=0.08)
    assert 0.06e-12 < found.slope.high - found.slope.low < 0.3e-12
    assert found.variance[3].points == 5900
    assert all(item.low < 0.0 < item.high for item in found.mean[:2])
    # uniform: excess kurtosis -1.2
    flat = relaxation_of_cells(TIMES_S, 1e-6 * np.random.default_rng(2).random((3000, 5)))
    assert flat.excess_kurtosis[0].value == pytest.approx(-1.2, abs=0.05)


@pytest.mark.slow
def test_line_intervals_cover_the_truth():
    chance = np.random.default_rng(15)
    found = [relaxation_of_cells(TIMES_S, changes(chance, 200), seed=draw) for draw in range(200)]
    for name, truth in (("slope", 1.784e-12), ("intercept", 4.281e-12)):
        inside = [getattr(item, name).low <= truth <= getattr(item, name).high for item in found]
        assert np.mean(inside) >= 0.93, name


def test_relaxation_refuses_what_is_none():
    with pytest.raises(TooFewPoints, match="at least 30 points, got 20"):
        relaxation_of_cells(TIMES_S, np.ones((20, 5)))
    with pytest.raises(TooFewPoints, match="times: needs at least 3"):
        relaxation_of_cells([1.0, 2.0], np.ones((40, 2)))
    with pytest.raises(ValueError, match="must be positive"):
        relaxation_of_cells([0.0, 1.0, 2.0], np.ones((40, 3)))
    with pytest.raises(ValueError, match="changes"):
        relaxation_of_cells(TIMES_S, np.ones((40, 3)))
