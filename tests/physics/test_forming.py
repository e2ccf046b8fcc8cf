"""Authority: closed forms of the Weibull law and of cumulative exposure; the forming figures of the device file."""

import numpy as np
import pytest

from labctl.physics.die import Die, Effects
from labctl.physics.forming import FormingLaw, breakdown_rate, conductance_after_breakdown, life_from_uniform
from labctl.physics.metal_oxide import MetalOxideLaw
from labctl.physics.presets import load_preset

PRESET = load_preset()
FORMING = FormingLaw.from_preset(PRESET)
LAW = MetalOxideLaw.from_preset(PRESET)
QUIET = Effects(read_noise=False, relaxation=False, stuck_cells=False)


def staircase(die, current_limit_a, step_v=0.05, dwell_s=0.05):
    """Ramp all cells together and return the voltage at which each broke down."""
    formed_at = np.full(die.shape, np.nan)
    for k in range(1, round(5.0 / step_v) + 1):
        die.stress(np.full(die.shape, k * step_v), dwell_s, k * 0.1, current_limit_a=current_limit_a)
        formed_at[np.isnan(formed_at) & die.state.formed] = k * step_v
    return formed_at


def test_virgin_cells_leak_1_to_100_ns():
    die = Die(PRESET, 32, 32, seed=1, effects=QUIET)
    g = die.state.conductance_s
    assert not die.state.formed.any()
    assert g.min() >= 1e-9
    assert g.max() <= 1e-7
    assert np.median(g) == pytest.approx(1e-8, rel=0.2)


def test_forming_voltages_are_spread_as_the_device_file_says():
    # N(2.8, 0.25) V for a dwell of 50 ms. On a staircase of 50 mV the dwells before count too: with rates of ratio
    # e^-0.6 they add up to 2.2 lives, ln(2.2)/12 V = 66 mV earlier; the Weibull life adds a spread of (0.73/1.5)/12 V
    formed_at = staircase(Die(PRESET, 32, 32, seed=3, effects=QUIET), 1e-4)
    assert not np.isnan(formed_at).any()
    assert np.mean(formed_at) == pytest.approx(2.8 - 0.066, abs=0.06)
    assert np.std(formed_at) == pytest.approx(0.25, rel=0.12)


def test_lives_follow_weibull():
    u = (np.arange(100_000) + 0.5) / 100_000
    lives = life_from_uniform(u, FORMING)
    assert np.mean(lives > 1.0) == pytest.approx(np.exp(-1.0), abs=1e-4)
    assert np.mean(lives > 2.0) == pytest.approx(np.exp(-(2.0**FORMING.shape)), abs=1e-4)


def test_rate_grows_exponentially_with_voltage_and_is_zero_without_field():
    assert breakdown_rate(2.8, 2.8, FORMING) == pytest.approx(1.0 / 0.05)
    assert breakdown_rate(3.0, 2.8, FORMING) / breakdown_rate(2.9, 2.8, FORMING) == pytest.approx(np.exp(1.2))
    assert breakdown_rate(0.0, 2.8, FORMING) == 0.0
    assert breakdown_rate(-3.0, 2.8, FORMING) == 0.0


@pytest.mark.parametrize(
    ("limit_a", "conductance_s"), [(10e-6, 50e-6), (40e-6, 200e-6), (1e-4, 316e-6), (1e-7, 3.16e-6), (np.inf, 316e-6)]
)
def test_breakdown_leaves_five_times_the_limit_per_volt_within_the_range(limit_a, conductance_s):
    # G = 5 I_cc / 1 V, clipped to the law's range
    assert conductance_after_breakdown(limit_a, FORMING, LAW) == pytest.approx(conductance_s)


@pytest.mark.parametrize(("limit_a", "conductance_s"), [(20e-6, 100e-6), (None, 316e-6)])
def test_die_forms_to_the_limited_conductance(limit_a, conductance_s):
    die = Die(PRESET, 8, 8, seed=1, effects=QUIET)
    die.stress(np.full((8, 8), 4.5), 0.1, 0.0, current_limit_a=limit_a)
    assert die.state.formed.all()
    np.testing.assert_allclose(die.state.conductance_s, conductance_s)


def test_forming_depends_on_exposure_and_not_on_how_it_was_cut():
    whole, cut = (Die(PRESET, 16, 16, seed=5, effects=QUIET) for _ in range(2))
    voltage = np.full((16, 16), 2.8)
    whole.stress(voltage, 0.05, 0.0, current_limit_a=2e-5)
    for k in range(50):
        # a pause after every piece: exposure adds up over pauses too
        cut.stress(voltage, 0.001, 0.01 * k, current_limit_a=2e-5)
    np.testing.assert_array_equal(whole.state.formed, cut.state.formed)
    assert 0.2 < whole.state.formed.mean() < 0.9
    virgin = ~whole.state.formed
    np.testing.assert_allclose(whole.state.forming_exposure[virgin], cut.state.forming_exposure[virgin], rtol=1e-12)


def test_virgin_cells_ignore_programming_voltages():
    die = Die(PRESET, 16, 16, seed=5, effects=QUIET)
    before = die.state.conductance_s.copy()
    for k in range(100):
        die.stress(np.full((16, 16), 1.15 * (-1) ** k), 1e-4, float(k))
    assert not die.state.formed.any()
    np.testing.assert_array_equal(die.state.conductance_s, before)
