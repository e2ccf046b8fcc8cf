"""Authority: the definition, worked out by hand; columns whose errors are drawn from a known law."""

import numpy as np
import pytest

from labctl.analysis.intervals import TooFewPoints
from labctl.analysis.vector_multiplication import multiplication_error

SCALE = {"largest_conductance_s": 1e-4, "largest_voltage_v": 0.2}


def drawn(chance, errors, vectors=200):
    voltage, matrix = 0.2 * chance.random((vectors, 8)), 1e-4 * chance.random((8, errors.size))
    full_scale = 8 * 1e-4 * 0.2
    return voltage, voltage @ matrix + full_scale * errors * chance.standard_normal((vectors, errors.size)), matrix


def test_offset_gain_and_error_are_those_put_in():
    voltage, _, matrix = drawn(np.random.default_rng(1), np.zeros(3))
    ideal, full_scale = voltage @ matrix, 8 * 1e-4 * 0.2
    current = ideal.copy()
    current[:, 1] = 1e-6 + 0.9 * ideal[:, 1]
    current[0, 0] = np.nan
    found = multiplication_error(voltage, current, matrix, **SCALE)
    assert found.full_scale_a == pytest.approx(full_scale)
    assert (found.worst_column, found.missing) == (1, 1)
    assert (found.offset_a[1], found.gain[1]) == (pytest.approx(1e-6), pytest.approx(0.9))
    error = (1e-6 - 0.1 * ideal[:, 1]) / full_scale
    assert found.rms[1] == pytest.approx(np.sqrt(np.mean(error**2)))
    assert found.largest[1] == pytest.approx(np.abs(error).max())
    assert found.residual_rms[1] == pytest.approx(0.0, abs=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("errors", [np.full(6, 0.01), np.array([0.01, 0.01, 0.02, 0.01])])
def test_worst_column_interval_covers_the_truth(errors):
    chance = np.random.default_rng(4)
    found = [multiplication_error(*drawn(chance, errors), **SCALE, seed=draw).worst for draw in range(200)]
    assert np.mean([item.low <= errors.max() <= item.high for item in found]) >= 0.93


def test_multiplication_refuses_what_does_not_fit():
    voltage, current, matrix = drawn(np.random.default_rng(2), np.zeros(3), 20)
    with pytest.raises(TooFewPoints, match="at least 30 points, got 20"):
        multiplication_error(voltage, current, matrix, **SCALE)
    with pytest.raises(ValueError, match="beyond the full scale"):
        multiplication_error(10.0 * voltage, current, matrix, **SCALE)
    with pytest.raises(ValueError, match="needs voltages"):
        multiplication_error(voltage, current[:, :2], matrix, **SCALE)
    with pytest.raises(ValueError, match="must be a number"):
        multiplication_error(voltage * np.nan, current, matrix, **SCALE)
