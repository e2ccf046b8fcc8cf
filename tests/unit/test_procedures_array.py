"""The three array procedures end to end on the simulated rack, on a corner of the array.

Authority: what the procedures promise in their docstrings; the target map; an independent reading afterwards.
"""

import numpy as np
import pytest

from labctl.errors import LabError, RunError
from labctl.run import execute_procedure
from labctl_mock.bench.bench import Bench
from labctl_procedures import find_procedure, procedures

CORNER = {"cells": "0:3,0:3"}


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("LABCTL_HOME", str(tmp_path / "home"))
    return tmp_path / "runs"


def measure(name, home, **parameters):
    return execute_procedure(find_procedure(name), "tiox-32x32", parameters, out=home)


def results(run):
    summary = run.summary()
    assert summary["status"] == "finished", summary["error"]
    return summary["results"]


def test_all_procedures_are_known_by_their_names():
    assert set(procedures()) >= {"form_array", "read_array", "program_array"}
    with pytest.raises(RunError, match=r"form_array, .*program_array, .*read_array"):
        find_procedure("nothing")


def test_virgin_corner_is_formed_programmed_and_confirmed_by_a_separate_reading(home):
    programmed = measure("program_array", home, **CORNER)
    found = results(programmed)
    arrays = programmed.arrays()
    target, achieved = np.asarray(arrays["target"]), np.asarray(arrays["achieved"])
    good = np.asarray(arrays["status"]) == 1
    assert found["cells"] == 9
    assert found["programmed"] == good.sum() == 9 - len(found["failed_cells"])
    assert found["programmed"] >= 8
    assert np.isfinite(target).sum() == 9
    assert found["rmse_relative"] == pytest.approx(np.sqrt(np.mean((achieved[good] / target[good] - 1.0) ** 2)))
    read = measure("read_array", home, **CORNER, averages="3")
    again = np.asarray(read.arrays()["conductance"])
    assert np.abs(again[good] / target[good] - 1.0).max() < 0.05
    assert results(read)["cells"] == 9
    assert results(read)["read_noise"] > 0.0


def test_every_pulse_and_reading_is_a_row_in_the_order_of_the_clock(home):
    run = measure("program_array", home, cells="0,0")
    table = run.table()
    assert {"survey", "form", "read", "verify", "reset", "read_back", "noise"} <= set(table["Event"])
    assert (np.diff(table["Time (s)"]) >= 0.0).all()
    pulses = table[table["Event"].isin(["set", "reset"])]
    assert len(pulses) == np.nansum(np.asarray(run.arrays()["pulses"]))
    assert (pulses["Width (s)"] == 1e-4).all()


def test_forming_skips_what_is_formed(home):
    first = results(measure("form_array", home, **CORNER))
    again = results(measure("form_array", home, **CORNER))
    assert first["formed"] + first["formed_before"] + first["failed"] == 9
    assert first["formed"] > 0
    assert again["formed"] == 0


def test_dc_form_and_short_pulses_of_the_generator_program_too(home):
    assert results(measure("program_array", home, cells="0,0", algorithm="stop_voltage"))["programmed"] == 1
    run = measure("program_array", home, cells="0,1", width="10us")
    assert results(run)["programmed"] == 1
    pulses = run.table().query("Event in ['set', 'reset']")
    assert (pulses["Width (s)"] == 1e-5).all()


@pytest.mark.parametrize(
    ("name", "parameters", "word"),
    [
        ("read_array", {"cells": "32,0"}, "0 to 31"),
        ("read_array", {"cells": "some"}, "allowed are"),
        ("form_array", {"form_start": "5 V"}, "form_stop"),
        ("program_array", {"target": "nothing"}, "digits_3bit_32x32"),
        ("program_array", {"g_min": "300 uS"}, "g_min"),
        ("program_array", {"levels": "4"}, "level"),
        ("program_array", {"reset_start": "-3 V"}, "stop voltage"),
        ("program_array", {"pair_columns": "3"}, "even"),
        ("program_array", {"pair_columns": "34"}, "at most 32"),
    ],
)
def test_wrong_configuration_is_refused_before_a_run_file_exists(home, name, parameters, word):
    with pytest.raises(LabError, match=word):
        measure(name, home, **parameters)
    assert not list(home.glob("**/*.sqlite"))


def test_partner_of_a_stuck_cell_is_moved_when_columns_are_pairs(home):
    # seed 1 has a cell stuck near 300 uS at (3, 3); its bench knows it
    with Bench.open("tiox-32x32") as bench:
        assert np.asarray(bench.truth()["stuck"])[3, 3]
    run = measure("program_array", home, cells="3:4,2:4", pair_columns="4")
    assert results(run)["moved_partners"] == 1
    maps = run.arrays()
    target, aim, achieved = (np.asarray(maps[name]) for name in ("target", "aim", "achieved"))
    assert aim[3, 2] == pytest.approx(min(achieved[3, 3] - (target[3, 3] - target[3, 2]), 300e-6), rel=0.02)
    assert achieved[3, 2] > target[3, 2] + 50e-6
