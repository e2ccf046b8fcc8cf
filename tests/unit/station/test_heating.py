"""The temperature of the sample at a station. Authority: data/labctl_data/stations/README.md; the simulated rack."""

from dataclasses import replace
from importlib.resources import files
from math import inf, nan

import pytest

from labctl.errors import EnvelopeError, StationError
from labctl.roles import TemperatureController
from labctl.run.dry_run import dry_run
from labctl.station import Station, read_station_file
from labctl_procedures import find_procedure

NAME = "single-device"
TABLE = '[temperature]\ncontroller = "tc1"\n'
LIMIT = "temperature_k = 450.0\n"


@pytest.fixture(autouse=True)
def _home(tmp_path, monkeypatch):
    monkeypatch.setenv("LABCTL_HOME", str(tmp_path))


@pytest.fixture
def station():
    with Station.open(NAME) as opened:
        yield opened


def wait(station, duration_s):
    station.clock.sleep(duration_s)


def test_controller_is_inside_the_envelope_when_the_station_names_it(station):
    controller = station.temperature_controller()
    assert isinstance(controller, TemperatureController)
    assert controller is station.temperature_controller()
    assert controller.limits.highest_k == station.envelope.temperature_k == 450.0


@pytest.mark.parametrize("temperature_k", [450.01, 1000.0, inf, nan])
def test_set_point_beyond_the_envelope_is_refused_when_asked_for(station, temperature_k):
    controller = station.temperature_controller()
    with pytest.raises(EnvelopeError, match=r"tc1: temperature must be at most 450 K .*envelope\.temperature_k"):
        controller.set_temperature(temperature_k)
    assert station.settings()["tc1"]["RANGE"] == 0.0
    assert not station.has_output_on()


def test_heater_counts_as_on_until_it_is_off_when_a_sample_is_heated(station):
    controller = station.temperature_controller()
    with pytest.raises(EnvelopeError, match="set-point is not known"):
        controller.is_stable(1.0)
    controller.set_temperature(350.0)
    assert station.has_output_on()
    assert not controller.is_stable(1.0)
    wait(station, 300.0)
    assert controller.is_stable(1.0)
    assert controller.measure_temperature().value == pytest.approx(350.0, abs=0.05)
    assert station.left_on() == ["tc1 (LakeShore335)"]
    controller.heater_off()
    assert not station.has_output_on()
    controller.set_temperature(350.0)
    station.safe_off()
    assert not station.has_output_on()
    with pytest.raises(EnvelopeError, match="set-point is not known"):
        controller.is_stable(1.0)


def test_guardian_knows_how_to_switch_the_heater_off_when_a_run_begins(station):
    (watched,) = (one for one in station.watched() if one.key == "tc1")
    assert "RANGE 1,0" in watched.safe_off


def test_station_without_a_controller_says_what_to_add_when_asked_for_it():
    with Station.open("single-device-2400") as plain, pytest.raises(StationError, match=r"a table \[temperature\]"):
        plain.temperature_controller()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (LIMIT, "", r"envelope\.temperature_k: is missing"),
        (TABLE, "", r"envelope\.temperature_k: unknown key"),
        (LIMIT, "temperature_k = -1.0\n", r"envelope\.temperature_k"),
        (
            'controller = "tc1"',
            'controller = "tc9"',
            r"temperature\.controller: no instrument 'tc9'; there are smu1, tc1",
        ),
        ('controller = "tc1"', 'controller = "tc1"\nmode = 1', r"temperature\.mode: unknown key"),
    ],
)
def test_file_is_refused_when_the_temperature_is_said_wrongly(tmp_path, old, new, message):
    text = (files("labctl_data") / "stations" / f"{NAME}.toml").read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "wrong.toml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(StationError, match=message):
        read_station_file(path)


def test_station_is_refused_when_the_controller_controls_no_temperature(tmp_path):
    text = (files("labctl_data") / "stations" / f"{NAME}.toml").read_text(encoding="utf-8")
    path = tmp_path / "wrong.toml"
    path.write_text(text.replace('controller = "tc1"', 'controller = "smu1"'), encoding="utf-8")
    with pytest.raises(StationError, match=r"smu1 .* controls no temperature"):
        Station.open(path)


def test_plain_content_has_the_limit_only_where_there_is_a_controller():
    content = read_station_file(NAME)
    assert content.as_dict()["envelope"]["temperature_k"] == 450.0
    plain = replace(content, envelope=replace(content.envelope, temperature_k=None))
    assert "temperature_k" not in plain.as_dict()["envelope"]


def test_dry_run_heats_on_paper_and_refuses_what_the_envelope_refuses():
    parameters = {"cells": "0,0", "states": "set:1", "last": "10 s", "temperatures": "350 K, 400 K"}
    dry = dry_run(find_procedure("retention"), NAME, parameters)
    assert not dry.is_refused, [case.outcome for case in dry.cases]
    with pytest.raises(StationError, match=r"a table \[temperature\]"):
        dry_run(find_procedure("retention"), "single-device-2400", parameters)
