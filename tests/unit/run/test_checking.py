"""What a form is told while it is filled in.

Authority: the limits that the procedures declare and the envelope of tiox-32x32 (5 V, 0.5 A, 1 s, read from the file);
issue 5, "limits from procedure and station envelope shown while typing", "field turns red with the reason"; that a run
with the values is refused, or not, by the estimate that `labctl run` makes.
"""

import json
import tomllib
from importlib.resources import files

import pytest

from labctl.errors import LabError
from labctl.run.checking import check_values, station_limits
from labctl.run.dry_run import estimate_run
from labctl_procedures import find_procedure, procedures
from labctl_procedures.purposes import PURPOSES, purpose_of

STATION = "tiox-32x32"


@pytest.fixture(autouse=True)
def _home(tmp_path, monkeypatch):
    monkeypatch.setenv("LABCTL_HOME", str(tmp_path))


def check(name, **values):
    return check_values(find_procedure(name), STATION, values)


def envelope():
    return tomllib.loads((files("labctl_data") / "stations" / f"{STATION}.toml").read_text(encoding="utf-8"))[
        "envelope"
    ]


def test_defaults_are_taken_with_the_estimate_of_a_run():
    verdict = check("sweep_iv")
    assert not verdict.is_refused
    assert verdict.estimate == estimate_run(find_procedure("sweep_iv"), STATION, {})


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("set_stop", "3 mA", "not a unit of this quantity"),
        ("set_stop", "11 V", "10 mV to 10 V"),
        ("set_stop", "fast", "not a number"),
        ("set_stop", "", "not a number"),
        ("cycles", "2.5", "whole number"),
        ("scheme", "v9", "one of: v2"),
        ("form_unformed", "perhaps", "true or false"),
    ],
)
def test_rule_of_a_parameter_is_told_at_that_parameter(name, text, reason):
    verdict = check("sweep_iv", **{name: text})
    assert list(verdict.refusals) == [name]
    assert reason in verdict.refusals[name]
    assert verdict.general == ""


def test_value_beyond_the_envelope_is_told_at_its_parameter_alone():
    verdict = check("sweep_iv", set_stop="6 V", cycles="3", dwell="20 ms")
    assert list(verdict.refusals) == ["set_stop"]
    assert "6 V where this station allows 5 V (envelope.voltage_v)" in verdict.refusals["set_stop"]
    assert not check("sweep_iv", set_stop="5 V").is_refused


def test_refusal_of_the_procedure_is_told_at_the_value_that_cures_it():
    # SET compliance must not exceed the current limit, 10 mA by default
    assert list(check("sweep_iv", set_limit="20 mA", cycles="3").refusals) == ["set_limit"]
    assert list(check("form_array", form_start="4.5 V").refusals) == ["form_start"]
    assert list(check("read_array", cells="99,0").refusals) == ["cells"]
    assert list(check("sequence", file="missing.toml").refusals) == ["file"]


def test_refusals_that_hide_behind_each_other_are_all_told():
    verdict = check("sweep_iv", set_stop="6 V", cells="99,0", dwell="3 A")
    assert set(verdict.refusals) == {"set_stop", "cells", "dwell"}
    assert "unit" in verdict.refusals["dwell"]
    assert "31" in verdict.refusals["cells"]


def test_refusal_that_no_single_value_cures_is_general():
    # each bound is beyond the other's default, too
    verdict = check("program_array", g_min="300 uS", g_max="20 uS")
    assert verdict.refusals == {}
    assert "300" in verdict.general or "0.0003" in verdict.general


def test_wrong_station_or_name_is_general():
    assert "is unknown" in check_values(find_procedure("sweep_iv"), "nowhere", {}).general
    assert "no parameter 'speed'" in check("sweep_iv", speed="3").general


def test_verdict_is_plain_values():
    assert json.loads(json.dumps(check("sweep_iv", set_stop="6 V").as_dict()))["estimate"] is None
    assert json.loads(json.dumps(check("sweep_iv").as_dict()))["estimate"]["points"] > 0


@pytest.mark.parametrize("name", ["sweep_iv", "form_array", "endurance"])
def test_station_limits_are_where_a_run_begins_to_be_refused(name):
    found = station_limits(find_procedure(name), STATION)
    assert set(found.values()) <= {envelope()["voltage_v"], envelope()["current_a"], envelope()["pulse_width_s"]}
    assert found["form_stop"] == envelope()["voltage_v"]
    parameters = find_procedure(name)().parameter_objects()
    for key, limit in found.items():
        sign = 1.0 if parameters[key].maximum > 0.0 else -1.0
        assert check(name, **{key: sign * limit * 1.01}).is_refused, key
        assert "envelope" not in str(check(name, **{key: sign * limit}).refusals), key


def test_every_procedure_stands_under_one_heading():
    listed = [name for names in PURPOSES.values() for name in names]
    assert len(listed) == len(set(listed))
    assert set(procedures()) <= set(listed)
    assert purpose_of("sweep_iv") == "I-V curves and levels"
    assert purpose_of("of_a_lab") == "Other"


def test_estimate_of_a_run_agrees_when_the_check_refuses():
    for values in ({"cells": "99,0"}, {"set_limit": "20 mA"}):
        assert check("sweep_iv", **values).is_refused
        with pytest.raises(LabError):
            estimate_run(find_procedure("sweep_iv"), STATION, values)
