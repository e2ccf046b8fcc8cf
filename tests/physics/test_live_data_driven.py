"""Authority: the closed form of the law with Messaris's constants; Ohm's law at the compliance; the rule that a stress
starts from what the cell has become since the last one.
"""

import numpy as np
import pytest

from labctl.physics.data_driven import DataDrivenLaw
from labctl.physics.data_driven_die import DataDrivenDie
from labctl.physics.fresh_die import Effects
from labctl.physics.presets import load_preset

PRESET = load_preset("messaris2018_tiox_dut2")
QUIET = Effects(False, False, False, False, False)


def test_positive_voltage_raises_the_conductance_as_the_law_with_the_other_sign():
    die = DataDrivenDie(PRESET, 1, 3, 1, QUIET)
    die.stress(np.array([[0.8, -0.8, 0.5]]), 1e-4, 0.0)
    expected = DataDrivenLaw(PRESET).step(14_000.0, np.array([-0.8, 0.8, 0.0]), 1e-4)
    np.testing.assert_allclose(die.state["resistance_ohm"][0], expected, rtol=1e-12)
    assert expected[0] < 14_000.0 < expected[1]


def test_static_curve_is_the_hyperbolic_sine_of_the_paper():
    die = DataDrivenDie(PRESET, 1, 2, 1, QUIET)
    secant, cubic = die.coefficients_at(1.0, voltage_v=np.array([[0.5, -0.5]]))
    # i = (0.24 / R) sinh(2.81 V)
    np.testing.assert_allclose(secant * 0.5, 0.24 / 14_000.0 * np.sinh(1.405), rtol=1e-12)
    assert not cubic.any()


def test_compliance_stops_a_set_where_the_cell_would_carry_more():
    die = DataDrivenDie(PRESET, 1, 2, 1, QUIET)
    limit_a = 0.24 / 13_000.0 * np.sinh(2.81 * 0.8)
    die.stress(np.full((1, 2), 0.8), 1.0, 0.0, current_limit_a=np.array([[limit_a, 1.0]]))
    assert die.state["resistance_ohm"][0, 0] == pytest.approx(13_000.0, rel=1e-9)
    assert die.state["resistance_ohm"][0, 1] < 12_000.0


def test_stress_starts_from_the_relaxed_state():
    preset = PRESET.with_overrides({"relaxation.sigma": 0.1})
    die = DataDrivenDie(preset, 1, 50, 1, Effects(False, False, False, True, False))
    relaxed_s = die.coefficients_at(1e5)[0]
    assert np.std(np.log(relaxed_s)) > 0.1
    # a stress that hardly changes a cell leaves what it became, once
    die.stress(np.full((1, 50), -0.51), 1e-9, 1e5)
    np.testing.assert_allclose(die.programmed_s(), relaxed_s, rtol=1e-3)
    np.testing.assert_allclose(die.coefficients_at(1e5 + 1e-9)[0], relaxed_s, rtol=1e-3)


def test_resistance_stays_positive_far_beyond_the_voltages_of_the_fit():
    # at +1.5 V the fitted boundary of this device is negative
    die = DataDrivenDie(PRESET, 4, 4, 1)
    die.stress(np.full((4, 4), 1.5), 10.0, 0.0)
    assert (die.state["resistance_ohm"] > 500.0).all()
