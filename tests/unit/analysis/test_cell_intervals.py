"""Authority: Student's t by hand; SciPy; what the functions promise. How often intervals cover: tests/physics."""

import numpy as np
import pytest
from scipy.stats import t, ttest_1samp

from labctl.analysis.cell_intervals import lognormal_over_cells, mean_over_cells, over_cells, weibull_over_cells
from labctl.analysis.distributions import fit_lognormal, fit_weibull
from labctl.analysis.intervals import TooFewPoints


def drawn(cells, cycles, seed=1):
    chance = np.random.default_rng(seed)
    return np.exp(0.2 * chance.standard_normal((cells, 1)) + 0.1 * chance.standard_normal((cells, cycles)))


def test_mean_of_several_cells_is_that_of_their_means():
    cells = [[1.0, 3.0, np.nan], [4.0] * 7, [np.nan] * 3, [9.0]]
    found = mean_over_cells(cells, "S")
    expected = ttest_1samp([2.0, 4.0, 9.0], 0.0).confidence_interval(0.95)
    assert found.value == pytest.approx(5.0)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert found.points == 3


def test_mean_does_not_know_more_for_more_cycles_of_the_same_cells():
    widths = [(lambda one: one.high - one.low)(mean_over_cells(list(drawn(5, cycles)), "1")) for cycles in (5, 500)]
    # cells alone set it
    assert widths[1] > 0.6 * widths[0]


def test_single_cell_has_the_interval_of_its_cycles():
    cycles = drawn(1, 30)[0]
    reach = t.ppf(0.975, 29) * cycles.std(ddof=1) / np.sqrt(30.0)
    assert mean_over_cells([cycles, [np.nan]], "1").high - cycles.mean() == pytest.approx(reach)
    assert lognormal_over_cells([cycles], "1") == fit_lognormal(cycles, "1")
    assert weibull_over_cells([cycles], "1") == fit_weibull(cycles, "1")


def test_jackknife_of_a_mean_is_student_s_interval():
    values = [1.0, 2.0, 4.0, 8.0]
    found = over_cells(values, lambda some: float(np.mean(some)), "1")
    expected = ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_laws_of_several_cells_have_the_values_of_all_cycles_and_wider_intervals():
    values = drawn(6, 20)
    lognormal, pooled = lognormal_over_cells(list(values), "S"), fit_lognormal(values, "S")
    assert lognormal.median.value == pytest.approx(pooled.median.value)
    assert lognormal.median.high / lognormal.median.low > (pooled.median.high / pooled.median.low) ** 1.5
    # the variance of all cycles misses a part of that between so few cells
    assert lognormal.sigma.value == pytest.approx(pooled.sigma.value, rel=0.15)
    assert lognormal.sigma.value > pooled.sigma.value
    weibull, pooled_weibull = weibull_over_cells(list(values), "S"), fit_weibull(values, "S")
    assert (weibull.shape.value, weibull.scale.value) == (pooled_weibull.shape.value, pooled_weibull.scale.value)
    assert weibull.scale.high / weibull.scale.low > pooled_weibull.scale.high / pooled_weibull.scale.low
    assert weibull.scale.unit == "S"


def test_refuses_what_cells_do_not_tell():
    with pytest.raises(TooFewPoints, match="single cell: needs at least 5 points, got 4"):
        mean_over_cells([[1.0, 2.0, 3.0, 4.0]], "1")
    with pytest.raises(TooFewPoints, match="got 0"):
        mean_over_cells([], "1")
    with pytest.raises(TooFewPoints, match="at least 2 points, got 1"):
        over_cells([1.0], lambda some: some[0], "1")
    with pytest.raises(TooFewPoints, match="at least 8 points, got 6"):
        lognormal_over_cells([[1.0, 2.0, 3.0]] * 2, "S")
    with pytest.raises(ValueError, match="must be positive"):
        lognormal_over_cells([[1.0, 2.0, 3.0, -1.0]] * 2, "S")
    with pytest.raises(ValueError, match=r"one cell left out, all 4 values are 0\.7"):
        weibull_over_cells([[0.7] * 4, [0.75] * 4], "V")
