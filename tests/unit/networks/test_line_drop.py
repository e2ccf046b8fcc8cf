"""What lines take from a read-out. Authority: Kirchhoff's laws, as a dense system of equations solved here."""

import numpy as np
import pytest

from labctl.networks.line_drop import bridge_shifts_v, lost_counts


def ladder_current(conductance_s, segment_ohm):
    """Current at the grounded end of a line whose cells hang on 1 V."""
    count = len(conductance_s)
    wire_s = 1.0 / segment_ohm
    matrix = np.diag(conductance_s)
    for place in range(count - 1):
        matrix[place : place + 2, place : place + 2] += wire_s * np.array([[1.0, -1.0], [-1.0, 1.0]])
    # the cell at the end is at 0 V
    volts = np.zeros(count)
    volts[1:] = np.linalg.solve(matrix[1:, 1:], conductance_s[1:])
    return float((conductance_s * (1.0 - volts)).sum())


def test_counts_are_lost_as_kirchhoff_says():
    rng = np.random.default_rng(1)
    low_ohm, high_ohm = 2e4 * np.exp(0.1 * rng.standard_normal(40)), 1e6 * np.exp(0.6 * rng.standard_normal(40))
    agrees = rng.random((3, 40)) < 0.5
    count_s = np.mean(1.0 / low_ohm) - np.mean(1.0 / high_ohm)
    conductance_s = 1.0 / np.where(agrees, low_ohm, high_ohm)
    wanted = [(one.sum() - ladder_current(one, 25.0)) / count_s for one in conductance_s]
    assert min(wanted) > 1.0
    assert lost_counts(low_ohm, high_ohm, agrees, segment_ohm=25.0) == pytest.approx(wanted, rel=1e-6)
    assert lost_counts(low_ohm, high_ohm, agrees, segment_ohm=0.0) == pytest.approx([0.0] * 3, abs=1e-6)


def test_bridges_hardly_move_on_the_same_lines():
    low_ohm, high_ohm = np.array([2e4]), np.array([1e6])
    shift_v = bridge_shifts_v(low_ohm, high_ohm, 0.2, segment_ohm=25.0, segments=40)
    assert shift_v == pytest.approx([0.2 * (1e6 / 1.02e6 - 1.001e6 / 1.022e6)])
