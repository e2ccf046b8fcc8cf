"""Bridges as synapses. Authority: reference/systems.md sections 3.2 (Monte Carlo of log-normal bridges with inverter
offsets of 30 mV) and 3.4 (drop-in unit vectors of the published comparator model, to 1e-6 as issue 6 asks), and the
double sum of 3.4 written out here."""

import numpy as np
import pytest
from scipy.stats import binom

from labctl.networks.bridges import (
    CLOCKS,
    PUBLISHED_ERRORS,
    PUBLISHED_OPERATIONS,
    bias_cells,
    expected_error,
    is_wrong,
    middle_v,
    neuron_errors,
    resistance_error,
)

CELLS = 1025 + bias_cells(1025)


def test_bias_cells_and_sigma_are_those_of_the_published_network():
    assert CELLS == 1127
    sigmas = [CLOCKS[clock].sigma(CELLS) for clock in ("6 ns", "8 ns", "20 ns")]
    assert sigmas == pytest.approx([2.928, 2.474, 2.133], abs=5e-4)


@pytest.mark.parametrize(
    ("clock", "error", "distance", "published"),
    [
        ("8 ns", 0.05, 10, 0.123983),
        ("20 ns", 0.10, 10, 0.220008),
        ("20 ns", 0.0, 3, 0.086131),
        ("6 ns", 0.01, 0, 0.497410),
        ("6 ns", 0.01, 3, 0.266583),
        ("6 ns", 0.01, 10, 0.017586),
        ("6 ns", 0.01, 30, 0.0),
    ],
)
def test_neuron_errs_as_the_published_tables_say(clock, error, distance, published):
    assert neuron_errors(CELLS, error, CLOCKS[clock])[distance] == pytest.approx(published, abs=1e-6)


@pytest.mark.parametrize(("cells", "error", "distance"), [(23, 0.05, 0), (23, 0.2, 4), (25, 1.0, 2), (41, 0.01, 7)])
def test_neuron_errors_equal_the_double_sum_written_out(cells, error, distance):
    threshold, sigma = (cells + 1) // 2, CLOCKS["8 ns"].sigma(cells)
    total = 0.0
    for lost in range(threshold + distance + 1):
        for won in range(cells - threshold - distance + 1):
            margin = distance - lost + won
            tail = 0.5 * np.exp(-((abs(margin) + 1) ** 2) / (2 * sigma**2))
            weight = binom.pmf(lost, threshold + distance, error) * binom.pmf(won, cells - threshold - distance, error)
            total += weight * (tail if margin >= 0 else 1.0 - tail)
    assert neuron_errors(cells, error, CLOCKS["8 ns"])[distance] == pytest.approx(total, rel=1e-9)


@pytest.mark.parametrize(("cells", "error"), [(24, 0.1), (0, 0.1), (23, 1.1), (23, float("nan"))])
def test_neuron_errors_refuses_what_is_none(cells, error):
    with pytest.raises(ValueError, match="bridges:"):
        neuron_errors(cells, error, CLOCKS["6 ns"])


def test_published_rates_are_those_of_systems_md():
    percent = [100.0 * wrong / PUBLISHED_OPERATIONS for group in PUBLISHED_ERRORS for wrong in group]
    told = (
        "0.072464 0.036232 0.028986 0.007246 0.144928 0.021739 0.028986 0.014493 0.927536 0.282609 0.260870 0.268116 "
        "7.811594 2.702899 2.289855 2.376812 2.485507"
    )
    assert percent == pytest.approx([float(one) for one in told.split()], abs=5e-7)


@pytest.mark.parametrize(
    ("low", "high", "table"),
    [
        ((6e3, 0.15), (60e3, 0.6), {0.2: 0.0082, 0.3: 0.0012}),
        ((8e3, 0.2), (50e3, 0.6), {0.2: 0.025, 0.3: 0.0082, 0.6: 0.0029, 1.2: 0.0021}),
        ((10e3, 0.25), (40e3, 0.7), {0.2: 0.082, 0.3: 0.052, 0.6: 0.036, 1.2: 0.032}),
    ],
)
def test_lognormal_bridges_err_as_the_monte_carlo_table_of_systems_md(low, high, table):
    rng = np.random.default_rng(1)
    low_ohm, high_ohm = (median * np.exp(sigma * rng.standard_normal(100_000)) for median, sigma in (low, high))
    for voltage_v, rate in table.items():
        error = expected_error(middle_v(low_ohm, high_ohm, voltage_v), voltage_v, True, sigma_v=0.03)
        # the table is of a sample of the size of the paper's, give or take two and a half of its deviations
        assert error.mean() == pytest.approx(rate, abs=2.5 * (rate / PUBLISHED_OPERATIONS) ** 0.5)


def test_expected_error_is_the_mean_of_drawn_offsets_on_both_sides():
    rng = np.random.default_rng(2)
    offset_v = rng.normal(0.0, 0.03, 200_000)
    for is_high, middle in ((True, 0.14), (False, 0.07)):
        drawn = is_wrong(middle, 0.2, is_high, offset_v).mean()
        assert expected_error(middle, 0.2, is_high, sigma_v=0.03) == pytest.approx(drawn, rel=0.03)


def test_middle_divides_the_voltage_and_lines_pull_it_to_half():
    assert middle_v(8e3, 50e3, 0.6) == pytest.approx(0.6 * 50 / 58)
    assert 0.3 < middle_v(8e3, 50e3, 0.6, line_ohm=1e3) < middle_v(8e3, 50e3, 0.6)
    assert middle_v(8e3, 50e3, 0.6) + middle_v(50e3, 8e3, 0.6) == pytest.approx(0.6)


def test_error_of_resistances_is_the_limiting_formula():
    # systems.md 3.2: p = 0.27 % where the medians are 2.78 standard deviations apart
    rng = np.random.default_rng(3)
    low, high = np.exp(0.3 * rng.standard_normal(200_000)), np.exp(2.78 * 0.5 + 0.4 * rng.standard_normal(200_000))
    assert resistance_error(low, high) == pytest.approx(0.0027, rel=0.05)
