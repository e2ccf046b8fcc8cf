"""Authority: noise shaped to a known power law; 4 k T G and the variance of white noise; Welch's own variance."""

import numpy as np
import pytest

from labctl.analysis.intervals import TooFewPoints
from labctl.analysis.spectra import noise_slope, noise_spectrum


def coloured(chance, count, slope):
    """Cut a piece out of a longer record whose spectrum is f^slope."""
    frequency = np.fft.rfftfreq(4 * count)
    frequency[0] = frequency[1]
    lines = chance.standard_normal(frequency.size) + 1j * chance.standard_normal(frequency.size)
    return np.fft.irfft(lines * frequency ** (0.5 * slope), 4 * count)[:count]


def test_white_noise_has_the_density_of_its_variance():
    # variance over the Nyquist band: S = 2 sigma^2 interval
    current = 1e-6 + 3e-9 * np.random.default_rng(1).standard_normal(40_000)
    found = noise_spectrum(current, 1e-3, segments=16)
    assert found.density_a2_per_hz.mean() == pytest.approx(2.0 * 9e-18 * 1e-3, rel=0.02)
    assert found.frequency_hz[-1] == pytest.approx(500.0)
    # scatter of the ordinates about the mean: 1 / averages
    assert found.density_a2_per_hz.var() / found.density_a2_per_hz.mean() ** 2 == pytest.approx(
        1.0 / found.averages, rel=0.15
    )


@pytest.mark.slow
@pytest.mark.parametrize(("slope", "count", "segments"), [(-1.0, 2**13, 2), (-1.4, 2**13, 4)])
def test_slope_interval_covers_the_truth(slope, count, segments):
    chance = np.random.default_rng(3)
    found = [
        noise_slope(noise_spectrum(1e-9 * coloured(chance, count, slope), 1e-3, segments=segments), seed=draw).slope
        for draw in range(200)
    ]
    assert np.mean([item.low <= slope <= item.high for item in found]) >= 0.93
    assert np.mean([item.value for item in found]) == pytest.approx(slope, abs=0.02)


def test_floor_is_recognised_and_left_out():
    chance = np.random.default_rng(5)
    noise = coloured(chance, 2**16, -1.0)
    current = 1e-9 * noise / noise.std() + 5e-10 * chance.standard_normal(2**16)
    found = noise_slope(noise_spectrum(current, 1e-3))
    assert found.floor_a2_per_hz == pytest.approx(2.0 * 25e-20 * 1e-3, rel=0.1)
    assert found.slope.low < -1.0 < found.slope.high
    # where the two are equal
    corner = found.density_at_1_hz_a2_per_hz / found.floor_a2_per_hz
    assert found.highest_hz < corner ** (-1.0 / found.slope.value) * 1.01
    without = noise_slope(noise_spectrum(1e-9 * noise, 1e-3))
    assert without.floor_a2_per_hz is None
    assert without.decades == pytest.approx(np.log10(without.highest_hz / without.lowest_hz))


def test_spectrum_refuses_what_is_none():
    with pytest.raises(TooFewPoints, match="at least 1024 points, got 100"):
        noise_spectrum(np.arange(100.0), 1e-3)
    with pytest.raises(ValueError, match="a gap breaks"):
        noise_spectrum([*range(2000), float("nan")], 1e-3)
    with pytest.raises(ValueError, match="below the resolution"):
        noise_spectrum(np.ones(2000), 1e-3)
    with pytest.raises(ValueError, match="interval > 0"):
        noise_spectrum(np.arange(2000.0), 0.0)
    with pytest.raises(TooFewPoints, match="at least 8 points"):
        noise_slope(noise_spectrum(np.random.default_rng(1).random(2000), 1e-3), lowest_hz=100.0, highest_hz=200.0)
