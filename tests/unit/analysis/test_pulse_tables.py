"""Authority: the rules of a table; counting by hand."""

import numpy as np
import pytest

from labctl.analysis.intervals import TooFewPoints
from labctl.analysis.pulse_tables import PulseTable, device_range, measured_pulse_tables

LEVELS = np.array([0.25, 0.5, 0.75])
CONDUCTANCE_S = np.array([1e-6, 2e-6, 5e-6])


def table(increment_s, conductance_s=CONDUCTANCE_S, device="a"):
    return PulseTable(device, conductance_s, LEVELS, np.asarray(increment_s, dtype=float))


def test_table_counts_in_parts_of_its_own_range():
    given = table(np.full((3, 3), 2e-6))
    assert given.range_s == pytest.approx(4e-6)
    np.testing.assert_allclose(given.place, [0.0, 0.25, 1.0])
    np.testing.assert_allclose(given.steps, 0.5)


@pytest.mark.parametrize(
    ("increment_s", "conductance_s", "message"),
    [
        (np.zeros((2, 3)), CONDUCTANCE_S, r"shape \(3, 3\)"),
        (np.full((3, 3), np.nan), CONDUCTANCE_S, "every quantile must be a number"),
        (np.zeros((3, 3)), CONDUCTANCE_S[::-1], "must ascend"),
    ],
)
def test_table_refuses_what_is_no_table(increment_s, conductance_s, message):
    with pytest.raises(ValueError, match=message):
        table(increment_s, conductance_s)


def test_device_range_is_the_middle_nine_tenths_of_the_devices():
    # 21 devices at 0, 0.05, ... 1.0 of the range: the 5 and 95 % points are the second and the last but one
    made = [table(np.full((3, 3), 4e-6 * k / 20), device=str(k)) for k in range(21)]
    low, high = device_range(made)
    np.testing.assert_allclose(low, 0.05)
    np.testing.assert_allclose(high, 0.95)


def test_device_range_refuses_few_devices_and_other_places():
    made = [table(np.zeros((3, 3)), device=str(k)) for k in range(8)]
    with pytest.raises(TooFewPoints, match="at least 8"):
        device_range(made[:7])
    other = table(np.zeros((3, 3)), np.array([1e-6, 3e-6, 5e-6]), "other")
    with pytest.raises(ValueError, match="places and levels"):
        device_range([*made, other])


def test_measured_tables_are_every_second_bin_of_the_file(tmp_path):
    (tmp_path / "measured").mkdir()
    bins = np.linspace(18.63e-6, 118.64e-6, 61)
    steps = np.linspace(-1.0, 1.0, 13)[:, np.newaxis] * bins
    arrays = {"quantiles": np.linspace(0.02, 0.98, 13), "ENODe_increasing_G": bins, "ENODe_increasing_dGq": steps}
    np.savez(tmp_path / "measured" / "pulse_update_tables.npz", **arrays)
    (found,) = measured_pulse_tables("enode", "up", tmp_path)
    assert found.increment_s.shape == (13, 31)
    np.testing.assert_array_equal(found.conductance_s, bins[::2])
    np.testing.assert_array_equal(found.increment_s, steps[:, ::2])
