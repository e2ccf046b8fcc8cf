"""Authority: the random-effects model that the data are drawn from; intervals counted by hand."""

import numpy as np
import pytest

from labctl.analysis.variability import cycle_correlation, distinguishable_levels, split_variance


def drawn(chance, devices=12, cycles=50, cycle=0.05, device=0.1):
    return 1.0 + device * chance.standard_normal((devices, 1)) + cycle * chance.standard_normal((devices, cycles))


def test_variance_is_split_as_it_was_drawn():
    chance = np.random.default_rng(2)
    found = [split_variance(drawn(chance)) for _ in range(200)]
    assert np.mean([item.cycle_to_cycle.value for item in found]) == pytest.approx(0.05, rel=0.02)
    assert np.mean([item.device_to_device.value for item in found]) == pytest.approx(0.1, rel=0.05)
    for item in found:
        assert item.device_to_device.low < item.device_to_device.value < item.device_to_device.high
    assert np.median([item.p_value for item in found]) < 1e-6


def test_devices_do_not_differ_when_only_cycles_scatter():
    chance = np.random.default_rng(4)
    found = [split_variance(drawn(chance, device=0.0)).p_value for _ in range(300)]
    # under the null hypothesis p values are uniform
    assert np.mean(np.array(found) < 0.05) == pytest.approx(0.05, abs=0.035)


def test_correlation_of_an_autoregressive_series():
    chance = np.random.default_rng(9)
    found = []
    for _ in range(200):
        series = [0.0]
        for _ in range(400):
            series.append(0.6 * series[-1] + chance.standard_normal())
        found.append(cycle_correlation(series[100:]).value)
    assert np.mean(found) == pytest.approx(0.6, abs=0.03)


@pytest.mark.parametrize("lag", [1, 2, 3])
@pytest.mark.parametrize("series", [np.arange(12.0), (-1.0) ** np.arange(12) + 0.01 * np.arange(12) ** 2])
def test_interval_of_a_strong_memory_holds_it_and_ends_at_1(series, lag):
    found = cycle_correlation(series, lag)
    assert -1.0 <= found.low <= found.value <= found.high <= 1.0
    assert found.high > found.low


def test_levels_are_counted_when_bands_do_not_overlap():
    # bands of +-3 x 1: 0..6 touch, 10 is free, 11 overlaps 10
    assert distinguishable_levels([3.0, 9.0, 16.0, 17.0], [1.0, 1.0, 1.0, 1.0]) == 2
    assert distinguishable_levels([3.0, 9.1, 16.0], [1.0, 1.0, 1.0]) == 3
    # a broad band in the middle is left out where that makes room for two
    assert distinguishable_levels([0.0, 5.0, 10.0], [1.0, 4.0, 1.0]) == 2
    assert distinguishable_levels([], []) == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: split_variance(np.ones((2, 5))), "devices: needs at least 3"),
        (lambda: split_variance(np.ones((5, 2))), "cycles: needs at least 3"),
        (lambda: split_variance([[1.0, float("nan")], [1.0, 2.0]]), "without gaps"),
        (lambda: split_variance(np.zeros((4, 4))), "mean is 0"),
        (lambda: cycle_correlation([1.0] * 6), "at least 8"),
        (lambda: cycle_correlation([1.0] * 60, lag=0), "at least 1"),
        (lambda: distinguishable_levels([1.0], [1.0, 2.0]), "each mean"),
        (lambda: distinguishable_levels([1.0], [-1.0]), "not be negative"),
    ],
)
def test_refuses_what_cannot_be(call, message):
    with pytest.raises(ValueError, match=message):
        call()
