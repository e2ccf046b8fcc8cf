"""A dry run opens nothing and tells what would be applied.

Authority: the bias schemes (V/2: half the cell voltage on each line; inhibit: all of it on the word line), the rules of
the envelope in data/labctl_data/stations/README.md, and Ohm's law for the readings of cells that never respond.
"""

import json
import socket
from importlib.resources import files

import pytest
import pyvisa
from typer.testing import CliRunner

from labctl import script
from labctl.cli.main import app
from labctl.errors import EnvelopeError, RunError, StationError
from labctl.roles import Flag
from labctl.run import LabProcedure
from labctl.run.dry_run import CASES_S, dry_run, estimate_run
from labctl.station import read_station_file
from labctl.station.paper import PaperStation
from labctl.station.record import Enough, Record
from labctl_procedures import find_procedure


@pytest.fixture(autouse=True)
def _nothing_is_opened(tmp_path, monkeypatch):
    """Any way to an instrument ends the test: a VISA library, a session, a socket."""

    def refuse(*arguments, **settings):
        raise AssertionError("a dry run opened something")

    monkeypatch.setenv("LABCTL_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(pyvisa, "ResourceManager", refuse)
    monkeypatch.setattr(pyvisa.highlevel, "open_visa_library", refuse)
    monkeypatch.setattr("pymeasure.adapters.VISAAdapter.__init__", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture
def nowhere(tmp_path):
    """A station whose instruments do not exist, behind a VISA library that is not installed."""
    text = (files("labctl_data") / "stations" / "tiox-32x32.toml").read_text(encoding="utf-8")
    path = tmp_path / "nowhere.toml"
    path.write_text(text.replace('"tiox-32x32@labctl"', '"@not_installed"'), encoding="utf-8")
    return path


def rehearse(name, station, **parameters):
    return dry_run(find_procedure(name), station, parameters)


def case(done, name):
    (found,) = [item for item in done.cases if item.name == name]
    return found


def test_dry_run_opens_nothing_though_the_instruments_do_not_exist(nowhere, tmp_path):
    done = rehearse("read_array", nowhere, cells="0:2,0:3", averages="2")
    assert [item.outcome for item in done.cases] == ["finished"] * 3
    assert [item.points for item in done.cases] == [12] * 3
    assert not (tmp_path / "home").exists()
    # one level of 0.2 V a reading
    assert done.worst().largest_v == {"smu1.a": 0.2}
    assert case(done, "open").record.stimuli.most_common() == [(next(iter(case(done, "open").record.stimuli)), 12)]


def test_forming_puts_the_whole_voltage_on_the_word_line(nowhere):
    done = rehearse("form_array", nowhere, cells="3,4", form_stop="3 V", form_step="0.4 V", form_row_stress="0.9 V")
    worst = done.worst()
    # cells that never respond get the whole staircase, 2.2 to 3.0 V; the other bit lines follow 0.9 V below
    assert worst.largest_v["smu1.a"] == pytest.approx(3.0)
    assert worst.largest_v["smu1.b"] == pytest.approx(2.1)
    assert (worst.longest_s, worst.largest_a) == (0.01, 0.4)
    assert worst.largest_j == pytest.approx((3.0 + 2.1) * 0.4 * 0.01)
    assert done.largest_cell_v == pytest.approx(3.0)
    assert case(done, "open").record.readings > 2
    # a cell that conducts counts as formed: nothing but readings
    assert set(case(done, "short").record.largest_v.values()) == {0.2}
    assert not done.is_refused


def test_generator_pulses_are_noted_with_half_the_cell_voltage(nowhere):
    done = rehearse("program_array", nowhere, cells="0,0", width="10us", pulse_with="generator", form_unformed="False")
    worst = done.worst()
    # V/2: the word line gets one half, the bit line the other, of opposite sign
    assert worst.largest_v["gen1.1"] == worst.largest_v["gen1.2"] == pytest.approx(done.largest_cell_v / 2.0)
    pulses = [stimulus for stimulus in case(done, "short").record.stimuli if stimulus.kind == "pulse"]
    assert {pulse.width_s for pulse in pulses} == {1e-5}
    for pulse in pulses:
        (_, word_v), (_, bit_v) = pulse.levels_v
        assert word_v == -bit_v
        assert pulse.energy_j == pytest.approx((word_v**2 + bit_v**2) / 200.0 * 1e-5)


def test_refusal_of_the_envelope_is_the_outcome_of_its_case(nowhere):
    done = rehearse("form_array", nowhere, cells="0,0", form_stop="6 V")
    assert done.is_refused
    refused = case(done, "open")
    assert refused.is_refused
    assert "must be at most 5 V for this station, got 5.2 V" in refused.outcome
    assert not case(done, "short").is_refused
    # what was refused was not applied
    assert done.worst().largest_v["smu1.a"] <= 5.0


def test_count_ends_at_the_bound_and_says_so(nowhere):
    done = dry_run(find_procedure("form_array"), nowhere, {}, most_stimuli=50)
    assert case(done, "open").outcome == "stopped counting after 50 stimuli"
    assert case(done, "open").record.count == 50
    assert not done.is_refused
    late = dry_run(find_procedure("form_array"), nowhere, {}, most_wall_s=0.0)
    assert "after 0 s and 1 stimuli" in case(late, "open").outcome


class Hot(LabProcedure):
    DATA_COLUMNS = ("Number",)

    def execute(self):
        meter = self.station.source_meter("smu1.a")
        meter.prepare(voltage_range_v=1.0, current_limit_a=1e-3, measure_range_a=None, integration_plc=1.0)
        meter.output_on()
        meter.set_voltage(0.5)
        self.station.switch_matrix("mat1").close(["1A01"])


def test_hot_switching_is_found_on_paper(nowhere):
    done = dry_run(Hot, nowhere, {})
    assert all("cold switching" in item.outcome for item in done.cases)
    assert done.worst().relays == 0


def test_driver_refuses_on_paper_what_its_instrument_cannot_do(nowhere):
    class Beyond(Hot):
        def execute(self):
            meter = self.station.source_meter("smu1.a")
            meter.prepare(voltage_range_v=1.0, current_limit_a=1e-3, measure_range_a=None, integration_plc=1.0)
            meter.set_voltage(1.5)

    assert all("101 % of the prepared range" in item.outcome for item in dry_run(Beyond, nowhere, {}).cases)


def test_wrong_configuration_is_refused_as_in_a_run(nowhere):
    with pytest.raises(RunError, match="form_start must be positive"):
        rehearse("form_array", nowhere, form_start="5 V")
    with pytest.raises(StationError, match="cells"):
        rehearse("read_array", nowhere, cells="99,0")


def test_cells_on_paper_obey_ohm(nowhere):
    record = Record(1000, 60.0)
    station = PaperStation(read_station_file(nowhere), 1e-4, record)
    a, b, matrix = station.source_meter("smu1.a"), station.source_meter("smu1.b"), station.switch_matrix("mat1")
    for meter, range_a in ((a, None), (b, 1e-6)):
        meter.prepare(voltage_range_v=1.0, current_limit_a=3e-5, measure_range_a=range_a, integration_plc=1.0)
        meter.output_on()
    # two cells of word line 0: to bit line 0 on channel B and to bit line 1 on ground
    matrix.close(["1A01", "3B09", "3E10"])
    start_s = station.clock.now_s()
    a.set_voltage(0.1)
    reading = a.measure_current()
    assert reading.value == pytest.approx(2 * 0.1 * 1e-4)
    assert reading.flags == frozenset()
    # 1 power line cycle of 50 Hz
    assert station.clock.now_s() - start_s > 0.02
    assert a.measure_voltage().value == 0.1
    assert b.measure_current().value is None
    a.set_voltage(0.2)
    assert (a.measure_current().value, a.measure_current().flags) == (3e-5, {Flag.COMPLIANCE})
    a.set_voltage(0.0)
    with pytest.raises(ValueError, match="nothing is wired to 1H01"):
        matrix.close(["1H01"])
    matrix.open_all()
    assert matrix.closed() == frozenset()
    assert record.relays == 6
    with pytest.raises(EnvelopeError):
        a.set_voltage(5.1)
    assert [item.value for item in a.staircase([0.1, 0.2], dwell_s=0.1)] == [0.0, 0.0]
    assert record.longest_s == 0.1


def test_record_stops_once_so_that_a_procedure_can_tidy_up(nowhere):
    record = Record(1, 60.0)
    station = PaperStation(read_station_file(nowhere), 1e-4, record)
    meter = station.source_meter("smu1.a")
    meter.prepare(voltage_range_v=1.0, current_limit_a=3e-5, measure_range_a=None, integration_plc=1.0)
    with pytest.raises(Enough):
        meter.set_voltage(0.1)
    meter.set_voltage(0.0)
    meter.output_off()
    assert record.count == 1


def test_command_line_shows_extremes_and_refuses_with_its_code(nowhere):
    shown = CliRunner().invoke(app, ["run", "read_array", "-s", str(nowhere), "--dry-run", "-p", "cells=0:2,0:2"])
    assert (shown.exit_code, shown.exception) == (0, None)
    assert "no instrument was opened" in shown.stdout
    assert "never respond" in shown.stdout
    assert "200 mV" in shown.stdout
    arguments = [
        "run",
        "form_array",
        "-s",
        str(nowhere),
        "--dry-run",
        "--json",
        "-p",
        "form_stop=6 V",
        "-p",
        "cells=0,0",
    ]
    told = CliRunner().invoke(app, arguments, standalone_mode=False)
    assert told.return_value == 2
    content = json.loads(told.stdout)
    assert [item["name"] for item in content["cases"]] == list(CASES_S)
    assert content["cases"][0]["is_refused"]
    assert content["cases"][0]["stimuli"][0]["count"] > 0
    assert content["worst"]["largest_terminal_v"]["smu1.a"] <= 5.0


def test_script_has_it_too(nowhere):
    assert script.dry_run("read_array", nowhere, cells="0,0").worst().largest_v == {"smu1.a": 0.2}


def test_estimate_needs_no_instrument(nowhere):
    found = estimate_run(find_procedure("read_array"), nowhere, {"cells": "0:2,0:2", "averages": "3"})
    assert (found.points, found.voltage_v) == (12, 0.2)
    assert 12 * 0.02 < found.duration_s < 60.0
