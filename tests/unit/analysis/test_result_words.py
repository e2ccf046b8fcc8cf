"""The words and units of results. Authority: what the procedures say of their results in their docstrings."""

import pytest

from labctl.analysis.result_words import unit_of, words_of
from labctl.analysis.wording import describe_results


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("set_voltage_mean", "V"),
        ("iv.set_voltage_mean", "V"),
        ("high_resistance", ""),
        ("high_resistance_mean", "S"),
        ("set_energy_by_conductance_before_mean", "J"),
        ("leakage_median", "S"),
        ("symmetry_point", "S"),
        ("trap_12_capture_time", "s"),
        ("drift_per_decade_2", "% per decade"),
        ("conductance_ten_years_0", "S"),
        ("set_voltage_c2c", "%"),
        ("activation_energy_0", "eV"),
        ("of_my_own_current", "A"),
        ("of_my_own_current_ratio", ""),
        ("of_my_own", ""),
    ],
)
def test_unit_is_that_of_the_quantity(name, unit):
    assert unit_of(name) == unit


def test_number_in_a_name_stands_in_its_label():
    assert words_of("trap_3_amplitude").label == "Trap 3: amplitude"
    assert words_of("conductance_1").label == "State 1: conductance"


def texts(results):
    return {name: word.text for name, word in describe_results(results).items()}


def test_interval_stands_with_its_value_and_shares_its_unit():
    assert texts({"set_voltage_mean": 1.0, "set_voltage_mean_low": 0.9, "set_voltage_mean_high": 1.12}) == {
        "set_voltage_mean": "1 V (900 mV to 1.12 V)"
    }
    assert texts({"yield": 0.5, "yield_low": 0.25, "yield_high": 0.75}) == {"yield": "50 (25 to 75) %"}
    assert texts({"on_off_ratio": 20.0, "on_off_ratio_low": 18.0, "on_off_ratio_high": 22.5}) == {
        "on_off_ratio": "20 (18 to 22.5)"
    }


def test_missing_value_has_its_reason_and_statement_is_the_meaning():
    words = describe_results({"psd_slope": None, "psd_slope_reason": "too few points"})
    assert (words["psd_slope"].text, words["psd_slope"].meaning) == ("no value", "too few points")
    words = describe_results({"conductance_ten_years_0": 1e-4, "conductance_ten_years_0_statement": "if it holds"})
    assert list(words) == ["conductance_ten_years_0"]
    assert words["conductance_ten_years_0"].meaning == "if it holds"


def test_lists_are_short_texts():
    lives = [{"row": n, "column": 0, "first_failure": None, "held_time": 2e-3} for n in range(5)]
    found = texts(
        {"lives": lives, "target_success": [1.0, 0.5], "polarity": [], "decades_per_volt_positive": [0.1] * 12}
    )
    assert found["lives"].startswith("row 0, column 0, first failure not measured, held time 2 ms; row 1")
    assert found["lives"].endswith("; and 2 more")
    assert found["target_success"] == "100 %, 50 %"
    assert found["polarity"] == "none"
    assert found["decades_per_volt_positive"].endswith("0.1, and 2 more")
