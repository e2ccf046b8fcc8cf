"""Contacts, DC forming, I-V cycles and ladders on the simulated rack.

Authority: the truth of the die, which no instrument sees; figures taken anew from the rows; the docstrings.
"""

import shutil

import numpy as np
import pytest

from labctl.analysis.switching import CycleFigures
from labctl.errors import LabError
from labctl.physics.presets import load_preset
from labctl.run import execute_procedure
from labctl_mock.bench.bench import Bench
from labctl_procedures import find_procedure
from labctl_procedures.check_contacts import CLASSES
from labctl_procedures.spacing import one_two_five, there_and_back
from labctl_procedures.switching_results import switching_results

QUICK = {"cells": "0,0", "step": "0.1 V", "dwell": "5 ms", "integration": "0.1"}


@pytest.fixture(scope="module")
def formed_die(tmp_path_factory):
    """A home whose die has one formed cell, (0, 0), and the run that formed it."""
    home = tmp_path_factory.mktemp("formed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LABCTL_HOME", str(home))
        run = execute_procedure(find_procedure("form_dc"), "tiox-32x32", {"cells": "0,0"}, out=home / "runs")
    return home, run


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty home: a virgin die."""
    monkeypatch.setenv("LABCTL_HOME", str(tmp_path))
    return tmp_path / "runs"


@pytest.fixture
def formed_home(formed_die, tmp_path, monkeypatch):
    """A home of its own, as forming left it."""
    shutil.copytree(formed_die[0], tmp_path, dirs_exist_ok=True)
    monkeypatch.setenv("LABCTL_HOME", str(tmp_path))
    return tmp_path / "runs"


def measure(name, runs, **parameters):
    return execute_procedure(find_procedure(name), "tiox-32x32", parameters, out=runs)


def results(run):
    summary = run.summary()
    assert summary["status"] == "finished", summary["error"]
    return summary["results"]


def truth():
    with Bench.open("tiox-32x32") as bench:
        return {name: np.asarray(values) for name, values in bench.truth().items()}


def array(run, name):
    return np.asarray(run.arrays()[name])


def test_contacts_are_classed_as_the_die_is_when_one_cell_conducts(formed_home):
    run = measure("check_contacts", formed_home, cells="0:2,0:4", readings="2")
    found = results(run)
    die = truth()
    part = np.s_[0:2, 0:4]
    expected = np.where(die["conductance_s"] > 1e-6, CLASSES.index("formed"), CLASSES.index("leaking"))[part]
    np.testing.assert_array_equal(array(run, "contact_class")[part], expected)
    assert found["formed_cells"] == 1
    assert found["leaking_cells"] == 7
    # Clopper-Pearson for 1 of 8, tables
    assert (found["formed_part_low"], found["formed_part_high"]) == pytest.approx((0.0032, 0.5265), abs=1e-4)
    virgin = expected == CLASSES.index("leaking")
    np.testing.assert_allclose(array(run, "conductance")[part][virgin], die["conductance_s"][part][virgin], rtol=0.04)
    table = run.table()
    assert table["Voltage (V)"].abs().max() <= 0.3
    assert set(table["Event"]) == {"sample", "sweep"}


def test_contacts_tell_the_linearity_of_the_law_when_a_cell_is_formed(formed_home):
    run = measure("check_contacts", formed_home, cells="0,0")
    linear_s = float(truth()["conductance_s"][0, 0])
    # the read polynomial of the device file, 25 degrees Celsius
    preset = load_preset("kim2021_tiox_al2o3")
    state_s = (linear_s - preset["read.a1_offset"] - 25.0 * preset["read.a1_temperature"]) / preset["read.a1_gain"]
    cubic = preset["read.a3_gain"] * state_s + preset["read.a3_square"] * state_s**2
    cubic += preset["read.a3_temperature"] * 25.0 ** preset["read.a3_exponent"]
    expected = (linear_s + 0.09 * cubic) / (linear_s + 0.01 * cubic)
    assert results(run)["linearity_median"] == pytest.approx(expected, rel=0.02)


def test_contacts_call_a_cell_shorted_and_spare_it_when_the_compliance_is_met(formed_home):
    # 300 uS at 0.1 V are 30 uA
    run = measure("check_contacts", formed_home, cells="0,0", current_limit="10 uA")
    assert results(run)["shorted_cells"] == 1
    assert run.table()["Voltage (V)"].abs().max() == pytest.approx(0.1)


def test_dc_forming_ends_with_the_level_that_breaks_the_cell_down(formed_die):
    _, run = formed_die
    found = results(run)
    table = run.table()
    levels = table[table["Event"] == "form"]
    limited = levels["Flags"].fillna("").str.contains("compliance")
    assert limited.to_list() == [False] * (len(levels) - 1) + [True]
    assert found["form_voltage_max"] == array(run, "form_voltage")[0, 0] == levels["Voltage (V)"].iloc[-1]
    assert levels["Current (A)"].abs().max() <= 100e-6 * 1.01
    assert array(run, "conductance")[0, 0] > 1e-6
    # device file: V_form 2.8 V, sigma 0.25 V, for a dwell of 50 ms
    assert 2.0 < found["form_voltage_max"] < 3.6
    assert found["form_voltage_weibull_scale"] is None
    assert "at least 8 points" in found["form_voltage_weibull_scale_reason"]


def test_dc_forming_leaves_a_formed_cell_alone(formed_home):
    run = measure("form_dc", formed_home, cells="0,0")
    assert results(run)["formed_before"] == 1
    assert set(run.table()["Event"]) == {"survey"}


def test_dc_forming_stops_when_neighbours_meet_the_compliance(formed_home):
    run = measure("form_dc", formed_home, cells="0,1")
    found = results(run)
    assert (found["formed"], found["failed"]) == (0, 1)
    assert "neighbours" in found["failed_cells"][0]["reason"]
    assert not truth()["formed"][0, 1]


def test_dc_forming_gives_up_at_the_stop_voltage(home):
    run = measure("form_dc", home, cells="1,1", form_stop="0.5 V")
    assert "stop voltage" in results(run)["failed_cells"][0]["reason"]
    assert run.table()["Voltage (V)"].max() == pytest.approx(0.5)
    assert results(run)["yield"] == 0.0


def test_iv_figures_are_those_of_the_rows(formed_home):
    run = measure("sweep_iv", formed_home, **QUICK, cycles="2")
    found = results(run)
    table = run.table().query("Event == 'sweep'")
    for cycle in range(2):
        rows = table[table["Cycle"] == cycle]
        down = rows[rows["Voltage (V)"] < 0.0]
        largest = down.loc[down["Current (A)"].abs().idxmax(), "Voltage (V)"]
        assert array(run, "reset_voltage")[0, cycle] == pytest.approx(largest)
        at_read = rows[np.isclose(rows["Voltage (V)"], 0.2)]["Current (A)"]
        off, on = array(run, "off_resistance")[0, cycle], array(run, "on_resistance")[0, cycle]
        assert (off, on) == pytest.approx(tuple(0.2 / at_read), rel=1e-6)
    assert found["cycles"] == 2
    assert found["set_voltage_weibull"] is None
    assert "at least 8" in found["set_voltage_weibull_reason"]


def test_compliance_ladder_climbs_and_keeps_its_compliance(formed_home):
    run = measure(
        "ladder_compliance", formed_home, **QUICK | {"step": "0.2 V"}, rung_count="3", limit_first="30 uA", repeats="3"
    )
    found = results(run)
    conductance = array(run, "conductance")[0]
    assert (np.diff(conductance.mean(axis=0)) > 0.0).all()
    table = run.table()
    reads = table[(table["Event"] == "read")]["Conductance (S)"].to_numpy().reshape(3, 3)
    np.testing.assert_allclose(conductance, reads)
    sets = table[(table["Event"] == "sweep") & (table["Voltage (V)"] > 0.0)]
    for step, limit_a in enumerate(array(run, "rung")):
        assert sets[sets["Step"] == step]["Current (A)"].max() <= 1.01 * limit_a
    relative = conductance / conductance.mean(axis=0)
    assert found["cycle_to_cycle"] == pytest.approx(np.sqrt(relative.var(axis=0, ddof=1).mean()))
    assert found["rung_correlation_low"] > 0.0


def test_stop_voltage_ladder_descends(formed_home):
    run = measure("ladder_stop_voltage", formed_home, **QUICK | {"step": "0.2 V"}, rung_count="3", repeats="3")
    conductance = array(run, "conductance")[0].mean(axis=0)
    assert conductance[0] > 3.0 * conductance[-1]
    assert results(run)["rung_correlation_high"] < 0.0
    table = run.table()
    lowest = table[table["Event"] == "sweep"].groupby("Step")["Voltage (V)"].min()
    np.testing.assert_allclose(lowest, [-0.8, -1.2, -1.6])


@pytest.mark.parametrize(
    ("name", "parameters", "word"),
    [
        ("check_contacts", {"high_voltage": "0.4 V"}, "300 mV"),
        ("check_contacts", {"low_voltage": "0.3 V"}, "less than high_voltage"),
        ("check_contacts", {"form_unformed": "true"}, "form_dc"),
        ("check_contacts", {"open_below": "2 uS"}, "formed_above"),
        ("form_dc", {"form_start": "5 V"}, "form_stop"),
        ("form_dc", {"form_unformed": "false"}, "check_contacts"),
        ("form_dc", {"cells": "32,0"}, "0 to 31"),
        ("form_dc", {"form_stop": "6 V"}, "envelope"),
        ("ladder_compliance", {"limit_last": "1 uA"}, "limit_first < limit_last"),
        ("ladder_compliance", {"limit_last": "20 mA"}, "current_limit"),
        ("ladder_stop_voltage", {"stop_last": "-0.5 V"}, "beyond stop_first"),
        ("ladder_stop_voltage", {"set_limit": "20 mA"}, "current_limit"),
        ("sweep_iv", {"set_limit": "20 mA"}, "current_limit"),
    ],
)
def test_wrong_configuration_is_refused_before_a_run_file_exists(home, name, parameters, word):
    with pytest.raises(LabError, match=word):
        measure(name, home, **{"cells": "0,0", **parameters})
    assert not list(home.glob("**/*.sqlite"))


def test_switching_results_are_empty_when_no_cell_could_be_measured():
    assert switching_results([]) == {}


def test_switching_results_of_several_cells_count_each_cell_once():
    chance = np.random.default_rng(4)
    cells_v = 0.8 + 0.1 * chance.standard_normal((5, 1)) + 0.01 * chance.standard_normal((5, 30))
    devices = [
        [CycleFigures(value, -value, 1e4, 1e5 * value, 10.0 * value, "jump", ()) for value in cell] for cell in cells_v
    ]
    found, single = switching_results(devices), switching_results(devices[:1])
    means = cells_v.mean(axis=1)
    assert found["set_voltage_mean"] == pytest.approx(means.mean())
    reach = 2.7764 * means.std(ddof=1) / np.sqrt(5.0)
    assert found["set_voltage_mean_high"] == pytest.approx(means.mean() + reach, rel=1e-4)
    # 150 cycles taken as independent would tell the scale, and the ratio, to 2 %
    assert found["set_voltage_weibull_scale_high"] > 1.05 * found["set_voltage_weibull_scale"]
    assert found["on_off_ratio_high"] > 1.05 * found["on_off_ratio"]
    assert "5 cells, each counted once" in found["on_off_ratio_statement"]
    assert found["set_voltage_d2d_low"] < found["set_voltage_d2d"] < found["set_voltage_d2d_high"]
    assert "on_off_ratio_statement" not in single
    assert single["set_voltage_weibull_scale_high"] < 1.02 * single["set_voltage_weibull_scale"]


def test_levels_go_there_and_back_with_the_turning_point_once():
    assert there_and_back(-0.3, 0.1) == pytest.approx([-0.1, -0.2, -0.3, -0.2, -0.1, 0.0])
    assert there_and_back(0.05, 0.1) == [0.05, 0.0]


def test_one_two_five_holds_both_limits_once():
    assert one_two_five(1.0, 100.0) == [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0]
    assert one_two_five(3e-3, 0.06) == [3e-3, 5e-3, 0.01, 0.02, 0.05, 0.06]
    assert one_two_five(7.0, 7.0) == [7.0]
    with pytest.raises(ValueError, match="first <= last"):
        one_two_five(0.0, 1.0)


def test_sweep_that_was_cut_is_filled_up_when_curves_are_stored():
    # a sweep in doubt after an interruption has no rows; the other cycles of the cell and the other cells have theirs
    procedure, stored = find_procedure("sweep_iv")(), []
    procedure.attach(lambda topic, record: stored.append(record), lambda: False)
    procedure.emit_curves("current", {(0, 0): [[1.0, 2.0], [3.0]], (1, 1): [[4.0, 5.0], []]}, ("cycle", "step"), "A")
    (record,) = stored
    assert record["dims"] == ("cell", "cycle", "step")
    np.testing.assert_array_equal(record["data"], [[[1.0, 2.0], [3.0, np.nan]], [[4.0, 5.0], [np.nan, np.nan]]])


def test_first_cycles_are_left_out_of_figures_and_statistics_when_that_is_asked_for(formed_home):
    run = measure("sweep_iv", formed_home, **QUICK, cycles=3, left_out=1)
    found, set_v = results(run), array(run, "set_voltage")
    assert set_v.shape == (1, 3)
    assert np.isnan(set_v[0, 0])
    assert found["cycles"] == 2
    assert found["set_voltage_mean"] == pytest.approx(np.nanmean(set_v[0, 1:]))
    # the curves hold all of them
    assert np.isfinite(array(run, "current")).all()
    assert array(run, "current").shape[:2] == (1, 3)


@pytest.mark.parametrize("name", ["sweep_iv", "cycle_statistics"])
def test_statistics_of_no_cycle_are_refused(home, name):
    with pytest.raises(LabError, match="left_out must be less than cycles, got 3 of 3"):
        measure(name, home, cells="0,0", cycles=3, left_out=3)
