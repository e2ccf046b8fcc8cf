"""Authority: closed forms of Ornstein-Uhlenbeck processes, 1/f noise, random walks and Nyquist; the device file."""

import numpy as np
import pytest
from scipy import integrate, signal

from labctl.physics.die import Die, Effects
from labctl.physics.noise import NoiseBank, Relaxation, aperture_weights, relaxation_decades, thermal_current_rms
from labctl.physics.presets import load_preset

PRESET = load_preset()
ONLY_NOISE = Effects(False, False, read_noise=True, relaxation=False, stuck_cells=False)
ONLY_RELAXATION = Effects(False, False, read_noise=False, relaxation=True, stuck_cells=False)


def formed_die(rows, columns, seed, effects):
    die = Die(PRESET, rows, columns, seed, effects)
    die.state.formed[:] = True
    die.state.conductance_s[:] = 100e-6
    return die


def test_spectrum_falls_as_one_over_f_with_the_density_of_the_device_file():
    die = formed_die(8, 8, 1, ONLY_NOISE)
    rate_hz, count = 400.0, 16384
    cells = np.arange(64)
    trace = np.array([die.conductance_at(k / rate_hz, cells) for k in range(count)]) / 100e-6
    frequency, density = signal.welch(trace, rate_hz, nperseg=4096, axis=0, detrend="linear")
    band = (frequency > 0.3) & (frequency < 60.0)
    mean = density[band].mean(axis=1)
    slope, level = np.polyfit(np.log10(frequency[band]), np.log10(mean), 1, w=1.0 / np.sqrt(frequency[band]))
    assert slope == pytest.approx(-1.0, abs=0.15)
    assert 10**level == pytest.approx(PRESET["noise.spectral_density"], rel=0.25)


def test_readings_of_20_ms_scatter_by_a_third_of_a_percent():
    # 0.3 % within 10 s: S ln(f_high / f_low) with 0.1 and 25 Hz
    die = formed_die(16, 16, 2, ONLY_NOISE)
    readings = np.array([die.conductance_at(0.02 * k, aperture_s=0.02).ravel() for k in range(1, 501)])
    scatter = np.sqrt(np.mean(np.var(readings, axis=0))) / 100e-6
    assert scatter == pytest.approx(0.003, rel=0.12)


def test_noise_is_stationary_from_the_start_and_over_any_span():
    bank = NoiseBank.from_preset(PRESET)
    die = formed_die(64, 64, 3, ONLY_NOISE)
    total = bank.sigma * np.sqrt(len(bank.tau_s))
    for now_s in (0.0, 1e-5, 0.3, 40.0, 1e6):
        relative = die.conductance_at(now_s) / 100e-6 - 1.0
        assert np.std(relative) == pytest.approx(total, rel=0.06)
        assert abs(np.mean(relative)) < 5 * total / 64


def test_two_looks_at_one_time_agree_and_only_the_cells_asked_for_move():
    die = formed_die(8, 8, 4, Effects())
    first = die.conductance_at(1.0)
    np.testing.assert_array_equal(die.conductance_at(1.0), first)
    stamps = die.state.noise_time_s.copy()
    die.conductance_at(2.0, [3, 17])
    moved = np.flatnonzero((die.state.noise_time_s != stamps).any(axis=2))
    np.testing.assert_array_equal(moved, [3, 17])


@pytest.mark.parametrize("aperture_s", [1e-5, 1e-3, 0.02, 1.0])
def test_aperture_weight_is_the_variance_of_the_mean_of_a_pole(aperture_s):
    # variance of the mean: 2/A^2 times the integral of (A - s) exp(-s/tau) from 0 to A
    bank = NoiseBank.from_preset(PRESET)
    for tau, weight in zip(bank.tau_s, aperture_weights(bank, aperture_s), strict=True):
        points = [p for p in (tau, 10 * tau) if p < aperture_s]
        variance = integrate.quad(lambda s, tau=tau: (aperture_s - s) * np.exp(-s / tau), 0, aperture_s, points=points)[
            0
        ]
        assert weight == pytest.approx(np.sqrt(2.0 * variance) / aperture_s, rel=1e-4)


def test_aperture_weight_is_one_at_an_instant_and_refused_below():
    bank = NoiseBank.from_preset(PRESET)
    np.testing.assert_array_equal(aperture_weights(bank, 0.0), 1.0)
    with pytest.raises(ValueError, match="aperture"):
        aperture_weights(bank, -1.0)


def test_variance_of_relaxation_is_linear_in_log_time():
    # the law of RRAM-Relaxation-Master-Model techC, var = a + b log10 t over 7 decades, with this device's own b
    die = formed_die(64, 64, 5, ONLY_RELAXATION)
    sigma = PRESET["relaxation.sigma"]
    decades = np.arange(1, 9)
    variance = [np.var(np.log(die.conductance_at(1e-3 * (10.0**d - 1.0)) / 100e-6)) for d in decades]
    np.testing.assert_allclose(variance, sigma**2 * decades, rtol=0.1)
    slope, intercept = np.polyfit(decades, variance, 1)
    assert slope == pytest.approx(sigma**2, rel=0.1)
    assert abs(intercept) < 0.3 * sigma**2


def test_relaxation_does_not_depend_on_how_often_one_looks():
    # variance after 100 s: 1000 looks against one
    often, once = (formed_die(64, 64, seed, ONLY_RELAXATION) for seed in (6, 7))
    for k in range(1, 1001):
        looked = often.conductance_at(0.1 * k)
    spread = [np.std(np.log(g / 100e-6)) for g in (looked, once.conductance_at(100.0))]
    assert spread[0] == pytest.approx(spread[1], rel=0.06)


def test_relaxation_starts_anew_after_programming_but_not_after_a_disturb():
    relaxation = Relaxation.from_preset(PRESET)
    die = formed_die(4, 4, 8, ONLY_RELAXATION)
    die.stress(np.full((4, 4), -0.6), 1e-5, 1000.0)
    assert np.all(1000.0 - die.state.last_program_time_s > 990.0)
    before = die.state.conductance_s.copy()
    die.stress(np.full((4, 4), -1.4), 1e-3, 2000.0)
    age = 2000.001 - die.state.last_program_time_s
    # a change of ln G by 0.1 takes the age to 1/e; relaxation since the last look moves G by 1 % at most
    np.testing.assert_allclose(np.log(age / 2000.0), np.log(die.state.conductance_s / before) / 0.1, atol=0.25)
    assert np.all(age < 50.0)
    assert relaxation_decades(-5.0, relaxation) == 0.0
    assert relaxation_decades(0.999, relaxation) == pytest.approx(3.0)


def test_virgin_and_stuck_cells_do_not_relax():
    die = Die(PRESET.with_overrides({"stuck.fraction": 0.2}), 16, 16, 9, Effects(read_noise=False))
    before = die.state.conductance_s.copy()
    assert die.state.formed.any()
    np.testing.assert_array_equal(die.conductance_at(1e5), before)


def test_thermal_noise_is_nyquists():
    # 4kTG B: 1 mS at 300 K in 1 Hz is 4.07 pA
    assert thermal_current_rms(1e-3, 1.0) == pytest.approx(4.07e-12, rel=1e-3)
    with pytest.raises(ValueError, match="negative"):
        thermal_current_rms(-1.0, 1.0)
