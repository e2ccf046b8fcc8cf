"""Authority: I-V cycles whose switching points were put in by hand; laws that series are drawn from."""

import numpy as np
import pytest

from labctl.analysis.intervals import TooFewPoints
from labctl.analysis.switching import cycle_figures, switching_statistics

UP = np.arange(0.0, 2.01, 0.05)
VOLTAGE = np.concatenate([UP, UP[-2::-1], -UP[1:], -UP[-2::-1]])
LIMIT_A = 1e-3


def cycle(set_v=1.0, reset_v=1.2, on_ohm=1e3, off_ohm=1e5, noise=0.0, chance=None):
    """Switch at the first level beyond set_v and beyond -reset_v; compliance on the SET side only."""
    on, current, limited = False, [], []
    for level in VOLTAGE:
        if level >= set_v - 1e-9:
            on = True
        if level < -reset_v - 1e-9:
            on = False
        value = level / (on_ohm if on else off_ohm)
        limited.append(value > LIMIT_A)
        current.append(min(value, LIMIT_A))
    current = np.array(current)
    if noise:
        current = current * (1.0 + noise * chance.standard_normal(current.size))
    return VOLTAGE, current, np.array(limited)


def test_cycle_gives_what_was_put_in():
    found = cycle_figures(*cycle(set_v=0.8), read_voltage_v=0.2)
    assert found.flags == ()
    assert (found.set_voltage_v, found.set_by) == (pytest.approx(0.8), "jump")
    # the last level before the drop carries the largest current
    assert found.reset_voltage_v == pytest.approx(-1.2)
    assert (found.on_resistance_ohm, found.off_resistance_ohm) == (pytest.approx(1e3), pytest.approx(1e5))
    assert found.ratio == pytest.approx(100.0)


def test_cycle_is_found_under_noise_and_missing_readings():
    voltage, current, limited = cycle(noise=0.2, chance=np.random.default_rng(1))
    current[[3, 25, 90]] = np.nan
    found = cycle_figures(voltage, current, limited, read_voltage_v=0.2)
    assert found.set_voltage_v == pytest.approx(1.0)
    assert found.reset_voltage_v == pytest.approx(-1.2, abs=0.25)


def test_negative_set_polarity_mirrors_the_figures():
    voltage, current, limited = cycle()
    found = cycle_figures(-voltage, -current, limited, read_voltage_v=0.2, set_polarity=-1)
    assert (found.set_voltage_v, found.reset_voltage_v) == (pytest.approx(-1.0), pytest.approx(1.2))


def test_gradual_set_that_ends_in_compliance_is_told_by_compliance():
    growing = 1e-6 * np.sinh(3.0 * UP) / 3.0
    current = np.concatenate([np.minimum(growing, 3e-5), UP[-2::-1] / 2e4, -UP[1:] / 2e4, -UP[-2::-1] / 1e6])
    current[UP.size + 40 : UP.size + 80] = -UP[1:] / 2e4
    limited = np.concatenate([growing > 3e-5, np.zeros(VOLTAGE.size - UP.size, dtype=bool)])
    found = cycle_figures(VOLTAGE, current, limited, read_voltage_v=0.2)
    assert found.set_by == "compliance"
    assert found.set_voltage_v == pytest.approx(UP[np.argmax(growing > 3e-5)])


def test_cycle_without_a_switch_is_flagged():
    resistor = cycle_figures(VOLTAGE, VOLTAGE / 1e4, np.zeros(VOLTAGE.size, dtype=bool), read_voltage_v=0.2)
    assert (resistor.set_voltage_v, resistor.reset_voltage_v) == (None, None)
    assert [flag.split(":")[0] for flag in resistor.flags] == ["no SET", "no RESET"]
    # RESET at the very last level: no drop was seen
    stays = cycle_figures(*cycle(reset_v=2.0), read_voltage_v=0.2)
    assert (stays.reset_voltage_v, len(stays.flags)) == (None, 1)


def test_series_fits_only_cycles_that_switched():
    chance = np.random.default_rng(4)
    cycles = [
        cycle_figures(*cycle(set_v, reset_v, off_ohm=off_ohm), read_voltage_v=0.2)
        for set_v, reset_v, off_ohm in zip(
            0.6 + 0.8 * chance.random(60),
            1.0 + 0.5 * chance.random(60),
            1e5 * np.exp(0.3 * chance.standard_normal(60)),
            strict=True,
        )
    ]
    cycles[7] = cycle_figures(VOLTAGE, VOLTAGE / 1e4, np.zeros(VOLTAGE.size, dtype=bool), read_voltage_v=0.2)
    found = switching_statistics(cycles)
    assert (found.switched, found.cycles) == (59, 60)
    assert np.isnan(found.set_voltage.values[7])
    assert found.set_voltage.weibull.scale.points == 59
    sigma = found.off_resistance.lognormal.sigma
    assert sigma.low < 0.3 < sigma.high
    # the on resistance is 1 kohm in every cycle: no spread to fit, and the series says so
    assert found.on_resistance.lognormal is None
    assert found.reset_to_next_set.low < 0.0 < found.reset_to_next_set.high


def test_series_says_how_many_cycles_a_fit_needs():
    found = switching_statistics([cycle_figures(*cycle(), read_voltage_v=0.2)] * 3)
    assert "at least 8 points, got 3" in found.set_voltage.flags[0]
    with pytest.raises(TooFewPoints):
        switching_statistics([])


@pytest.mark.parametrize(
    ("voltage", "current", "read_v", "message"),
    [
        (VOLTAGE, VOLTAGE[:-1], 0.2, "one shape"),
        (VOLTAGE, VOLTAGE * 1e-3, 3.0, "read voltage must be between"),
        (VOLTAGE, VOLTAGE * np.nan, 0.2, "at least 5 points, got 0"),
    ],
)
def test_cycle_refuses_what_is_none(voltage, current, read_v, message):
    with pytest.raises(ValueError, match=message):
        cycle_figures(voltage, current, np.zeros(VOLTAGE.size, dtype=bool), read_voltage_v=read_v)
