"""Authority: a normal law, whose quantiles are known; what a table says at its own bins."""

import numpy as np
import pytest
from scipy.stats import norm

from labctl.analysis.intervals import TooFewPoints
from labctl.analysis.pulse_tables import PulseTable
from labctl.analysis.quantile_curves import calibrate_curves, calibrate_technology_curves

LEVELS = np.array([0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99])


def normal_table(bins, levels=LEVELS):
    # a soft bound: the mean step falls to 0 at the upper end, the spread rises from there
    place = np.linspace(0.0, 1.0, bins)
    steps = 0.1 * (1.0 - place) + (0.02 + 0.03 * place) * norm.ppf(levels)[:, np.newaxis]
    return PulseTable("made", 1e-6 + 9e-5 * place, levels, 9e-5 * steps)


@pytest.mark.parametrize("bins", [20, 31, 47, 200])
def test_curves_are_the_law_between_bins_and_between_and_beyond_levels(bins):
    curves = calibrate_curves(normal_table(bins))
    place, levels = np.linspace(0.0, 1.0, 57), np.array([0.001, 0.03, 0.4, 0.9, 0.9999])
    expected = 0.1 * (1.0 - place) + (0.02 + 0.03 * place) * norm.ppf(levels)[:, np.newaxis]
    np.testing.assert_allclose(curves.quantiles(place, levels), expected, atol=1e-6)


def test_curves_pass_through_the_table_when_it_has_as_many_bins_as_knots():
    generator = np.random.default_rng(4)
    table = normal_table(31)
    rough = PulseTable("rough", table.conductance_s, LEVELS, np.sort(generator.normal(size=(7, 31)), axis=0) * 1e-6)
    np.testing.assert_allclose(calibrate_curves(rough).quantiles(rough.place, LEVELS), rough.steps, atol=1e-6)


def test_quantiles_that_cross_in_the_table_come_out_in_order():
    table = normal_table(31)
    crossed = table.increment_s.copy()
    crossed[[2, 3], 10] = crossed[[3, 2], 10]
    found = calibrate_curves(PulseTable("crossed", table.conductance_s, LEVELS, crossed))
    assert (np.diff(found.quantiles(table.place, LEVELS), axis=0) > 0.0).all()


def test_curves_refuse_what_they_do_not_know():
    curves = calibrate_curves(normal_table(31))
    with pytest.raises(ValueError, match="within the range"):
        curves.quantiles([1.2], [0.5])
    with pytest.raises(ValueError, match="between 0 and 1"):
        curves.quantiles([0.5], [1.0])
    with pytest.raises(TooFewPoints, match="16"):
        calibrate_curves(normal_table(12))
    with pytest.raises(TooFewPoints, match="5"):
        calibrate_curves(normal_table(31, LEVELS[:4]))


def test_typical_device_of_curves_is_the_middle_one_whatever_the_bins():
    # nine devices that differ in size alone, one of them far out; three have other bins
    sizes = [0.8, 0.85, 0.9, 0.95, 1.0, 1.05, 1.1, 1.15, 30.0]
    tables = []
    for number, size in enumerate(sizes):
        table = normal_table(31 if number % 3 else 47)
        tables.append(PulseTable(f"{number}", table.conductance_s, LEVELS, table.increment_s * size))
    found = calibrate_technology_curves(tables)
    middle = normal_table(31)
    quantiles = found.model.quantiles(middle.place, LEVELS)
    # where a quantile is negative, the order of the devices turns round, and the middle one stays the same
    np.testing.assert_allclose(quantiles, middle.steps, atol=1e-6)
    means = [each.steps.mean(axis=0)[0] for each in tables]
    assert set(found.devices) == {table.device for table in tables}
    assert found.device_spread([0.0]) == pytest.approx(np.std(means, ddof=1), rel=0.02)


def test_typical_device_of_curves_refuses_few_devices_and_other_levels():
    table = normal_table(31)
    with pytest.raises(TooFewPoints, match="8"):
        calibrate_technology_curves([table] * 7)
    with pytest.raises(ValueError, match="levels must agree"):
        calibrate_technology_curves([*[table] * 8, normal_table(31, LEVELS[:6])])
