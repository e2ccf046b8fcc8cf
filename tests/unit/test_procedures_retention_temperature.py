"""Retention at several temperatures, through the simulated instruments of the single device.

Authority: the activation energy in the parameter file of the die's parts, which the analysis does not read; Arrhenius'
law on given curves; what ``LabProcedure.perform`` promises of a resumed run.
"""

import shutil

import numpy as np
import pytest

from labctl.analysis.retention import fit_retention, time_to_change
from labctl.errors import RunError, StationError
from labctl.physics.presets import load_preset
from labctl.run import RunControl, execute_procedure, resume_run
from labctl.station import Station
from labctl_mock.bench.bench import Bench
from labctl_procedures import find_procedure
from labctl_procedures.retention import Retention
from labctl_procedures.sample_heater import read_temperatures

STATION = "single-device"
FAST = {"cells": "0,0", "integration": "0.1"}
STRONG = {"set_voltage": "1.2 V", "reset_voltage": "-2.0 V"}


@pytest.fixture(scope="module")
def formed_die(tmp_path_factory):
    """A home whose device is formed."""
    home = tmp_path_factory.mktemp("formed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LABCTL_HOME", str(home))
        execute_procedure(find_procedure("form_array"), STATION, FAST, out=home / "runs")
    return home


@pytest.fixture
def runs(formed_die, tmp_path, monkeypatch):
    shutil.copytree(formed_die, tmp_path, dirs_exist_ok=True)
    monkeypatch.setenv("LABCTL_HOME", str(tmp_path))
    return tmp_path / "runs"


def measure(runs, station=STATION, **parameters):
    return execute_procedure(Retention, station, {**FAST, **parameters}, out=runs)


def results(run):
    summary = run.summary()
    assert summary["status"] == "finished", summary["error"]
    return summary["results"]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 4])
def test_activation_energy_of_the_parts_is_found_when_the_device_is_baked(runs, seed):
    Bench.reset(STATION, seed=seed)
    # a SET after a deep RESET renews the cell; the SET state, far above the middle of the window, loses most
    run = measure(
        runs,
        states="reset:12, set:12",
        set_voltage="1.2 V",
        reset_voltage="-3 V",
        last="1e5 s",
        temperatures="358 K, 373 K, 388 K, 403 K, 418 K",
    )
    found = results(run)
    true_ev = load_preset("parts_assumed")["retention.activation"]
    assert found["activation_energy_1_low"] < true_ev < found["activation_energy_1_high"]
    assert abs(found["activation_energy_1"] - true_ev) < 0.1
    assert found["activation_energy_1_high"] - found["activation_energy_1_low"] < 1.0
    times_s = [found[f"time_to_loss_{cycle}"] for cycle in range(1, 10, 2)]
    assert times_s[0] > 5.0 * times_s[-1]
    table = run.table()
    heated = table[table["Event"] == "temperature"]
    assert list(heated["Cycle"]) == [0, 2, 4, 6, 8]
    reached_k = [float(text.removesuffix(" K")) for text in heated["Raw"]]
    assert reached_k == pytest.approx([358.0, 373.0, 388.0, 403.0, 418.0], abs=0.5)
    assert np.asarray(run.arrays()["temperature"]) == pytest.approx(np.repeat(reached_k, 2))
    assert table["Event"].iloc[-1] == "heater off"
    # the time to the loss, taken anew from the readings of the hottest SET state
    conductance_s = np.asarray(run.arrays()["conductance"])[0][9, 1:]
    age_s = np.asarray(run.arrays()["age"])[0][9, 1:]
    lost = conductance_s < 0.9 * conductance_s[0]
    assert age_s[~lost].max() * 0.3 < times_s[-1] < age_s[lost].min() * 3.0


def test_activation_energy_says_how_many_temperatures_it_needs_when_there_are_two(runs):
    found = results(measure(runs, states="set:6", last="1e4 s", temperatures="400 K, 420 K", **STRONG))
    assert found["activation_energy_0"] is None
    assert "needs at least 3" in found["activation_energy_0_reason"]
    assert found["temperature_0"] == pytest.approx(400.0, abs=0.5)


def test_loss_that_is_not_reached_is_said_when_the_readings_end_before(runs):
    found = results(measure(runs, states="set:3", last="200 s", temperatures="305 K", **STRONG))
    assert found["time_to_loss_0"] is None
    assert "no change by 0.1 within 200 s; read longer" in found["time_to_loss_0_reason"]
    assert found["activation_energy_0"] is None


def test_nothing_of_temperature_happens_when_none_is_asked_for(runs):
    run = measure(runs, states="set:1", last="10 s")
    assert not [name for name in results(run) if "temperature" in name or "activation" in name or "time_to" in name]
    assert not set(run.table()["Event"]) & {"temperature", "heater off"}
    assert "temperature" not in run.arrays()


def test_heater_is_off_when_the_run_is_over_or_failed(runs):
    for parameters, status in (
        ({"temperatures": "320 K"}, "finished"),
        ({"temperatures": "420 K", "temperature_timeout": "20 s"}, "failed"),
    ):
        with Station.open(STATION) as station:
            run = measure(runs, station, states="as_is", last="10 s", **parameters)
            assert run.status == status
            assert station.instruments["tc1"].is_off()
    message = run.summary()["error"]
    assert "must be within 0.5 K of 420 K after 20 s, the sensor reads 3" in message
    assert "temperature_timeout" in message


def test_temperature_below_ambient_ends_in_the_time_out_when_there_is_only_a_heater(runs):
    run = measure(runs, states="as_is", last="10 s", temperatures="280 K", temperature_timeout="100 s")
    assert run.status == "failed"
    assert "below ambient" in run.summary()["error"]


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("500 K", RunError, r"0\.3 K to 450 K on this station, got 500 K; .*envelope\.temperature_k"),
        ("300 K, 300 K", RunError, "each counts once"),
        ("300 V", RunError, "temperatures: '300 V'"),
        ("-5 K", RunError, "above 0 K"),
        ("300 K,,310 K", RunError, "temperatures: ''"),
    ],
)
def test_temperatures_are_refused_before_anything_is_sent_when_they_are_wrong(runs, text, error, message):
    with pytest.raises(error, match=message):
        measure(runs, temperatures=text)


def test_station_without_a_controller_refuses_the_parameter(runs):
    with pytest.raises(StationError, match=r"no temperature controller; name one in a table \[temperature\]"):
        measure(runs, "single-device-2400", temperatures="320 K")


def test_resumed_run_is_heated_again_before_it_reads_when_it_was_aborted_hot(runs):
    class Aborter:
        def __init__(self, control):
            self.control = control

        def started(self, run_id, path):
            pass

        def event(self, kind, message):
            pass

        def progress(self, percent, wall_s, instrument_s):
            # after the first of the two states at the second temperature
            if percent == 75.0:
                self.control.abort()

        def finished(self, status):
            pass

    control = RunControl()
    parameters = {**FAST, "states": "as_is, set:1", "last": "10 s", "temperatures": "380 K, 400 K"}
    aborted = execute_procedure(Retention, STATION, parameters, out=runs, observer=Aborter(control), control=control)
    assert aborted.status == "aborted"
    before = aborted.rows()
    assert aborted.table()["Event"].tolist().count("temperature") == 2
    done = resume_run(aborted, Retention)
    assert done.status == "finished", done.summary()["error"]
    assert done.rows()[: len(before)] == before
    assert done.table()["Event"].tolist().count("temperature") == 2
    events = done.events()
    (hot,) = events[events["kind"] == "temperature"]["message"]
    # the heater went off with the first run, and the block of a bench that is opened again is at ambient
    assert "the sample was at 300" in hot or "the sample was at 299.9" in hot
    assert "heated to 400.0 K again" in hot or "heated to 399." in hot or "heated to 400." in hot
    kinds = events["kind"].tolist()
    assert kinds.index("temperature") < kinds.index("drift")


def test_time_to_change_is_that_of_the_law_when_the_curve_is_exact():
    time_s = np.logspace(0, 5, 30)
    stretched = fit_retention(time_s, 1e-4 * np.exp(-((time_s / 1e4) ** 0.7)) * (1 + 1e-6 * np.sin(9 * time_s)))
    assert stretched.chosen == "stretched exponential"
    # exp(-(t/tau)^b) / exp(-(t0/tau)^b) = 0.8
    expected_s = 1e4 * ((1.0 / 1e4) ** 0.7 - np.log(0.8)) ** (1.0 / 0.7)
    assert time_to_change(stretched, 0.2, first_s=1.0) == pytest.approx(expected_s, rel=1e-3)
    rising = fit_retention(time_s, 1e-5 * (1.0 + 0.1 * np.log10(time_s)) * (1 + 1e-6 * np.sin(9 * time_s)))
    assert rising.chosen == "log time"
    assert time_to_change(rising, 0.3, first_s=1.0) == pytest.approx(1e3, rel=1e-2)
    for part, first_s in ((0.0, 1.0), (1.0, 1.0), (0.1, 0.0)):
        with pytest.raises(ValueError, match="0 < part < 1"):
            time_to_change(rising, part, first_s=first_s)


def test_list_of_temperatures_is_read_with_and_without_a_unit():
    assert read_temperatures("300 K, 358.5 K,400") == [300.0, 358.5, 400.0]
    assert read_temperatures(" ") == []
