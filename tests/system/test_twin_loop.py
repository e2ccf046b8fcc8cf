"""``labctl fit`` and ``labctl bench new``: the digital twin from the command line.

Authority: issue "Replay, and the digital twin", Build (a device file with intervals, validity, goodness and provenance;
a bench of such dies), Shows 3 (characterise, fit, new bench, replay, page with both curves) and Bad input (a run from
another geometry, data that cannot identify the model: a clear report of what and where).
"""

import hashlib
from importlib.resources import files
from pathlib import Path

import pytest

from labctl.physics.presets import load_preset
from labctl.store import open_run

OXIDE = files("labctl_data") / "devices" / "kim2021_tiox_al2o3.toml"
CELLS = ("-p", "cells=diagonal:5")


def run(labctl, *words):
    answer = labctl("run", *words, "--json", "-q")
    assert answer.code == 0, answer.err
    return answer.json()


@pytest.mark.slow
def test_twin_loop_leads_from_runs_to_a_page_with_both_curves(labctl, homes):
    measured = [
        run(labctl, "map_pulses", "-s", "tiox-32x32", *CELLS, "-p", "repeats=1", "-p", "widths=3"),
        run(
            labctl,
            *("potentiate_depress", "-s", "tiox-32x32", *CELLS),
            *("-p", "initial=0", "-p", "pulses=15", "-p", "cycles=2"),
        ),
    ]
    names = [one["run_id"] for one in measured]
    fit = labctl("fit", *names, "--model", "metal_oxide", "-o", "my_die.toml", "--json")
    assert fit.code == 0, fit.err
    said = fit.json()
    # the die on the shipped bench is made of this file
    truth = load_preset()
    wanted = {"set.c0": truth["set.c0"], "reset.c0": truth["reset.c0"], "spread.cycle": truth["spread.cycle"]}
    wanted |= {"set.threshold_shift": 0.0, "reset.threshold_shift": 0.0}
    for name, value in wanted.items():
        found = said["parameters"][name]
        middle, reach = 0.5 * (found["low"] + found["high"]), found["high"] - found["low"]
        assert abs(value - middle) < reach, name  # twice the 95 % interval: five cells, one die
    twin = load_preset(homes / "my_die.toml")
    assert said["parameters"]["spread.cycle"]["value"] == twin["spread.cycle"]
    assert "95 % interval" in twin.source("spread.cycle")
    assert names[0] in twin.source("spread.cycle")
    assert twin.source("forming.time").startswith("not fitted, from kim2021_tiox_al2o3: assumed")
    for entry, one in zip(twin.fit["runs"], measured, strict=True):
        assert entry["sha256"] == hashlib.sha256(Path(one["path"]).read_bytes()).hexdigest()
    assert twin.fit["simulated"] is True
    low, high = twin.fit["validity"]["set_voltage_v"]
    assert 0.5 <= low < high <= 1.6

    made = labctl("bench", "new", "--device", "my_die.toml", "--seed", "8", "--json")
    assert made.code == 0, made.err
    station = made.json()["station"]
    run(labctl, "form_array", "-s", station, *CELLS)
    answer = labctl("replay", names[1], "--against", station, "--json", "-q")
    assert answer.code == 0, answer.err
    replayed = answer.json()
    assert replayed["points"] > 5 * 60
    # another die of the same kind: not the same readings, the same distribution of cells
    assert replayed["verdicts"]["Conductance (S)"] == "distributions not told apart"
    page = Path(replayed["page"]).read_text(encoding="utf-8")
    assert names[1] in page
    assert page.count("data:image/svg+xml") >= 1


def test_bench_new_makes_a_station_that_commands_take(labctl, homes):
    made = labctl("bench", "new", "--device", OXIDE, "--name", "twin-a", "--seed", "3", "--json").json()
    assert (made["bench"], made["station"], made["like"]) == ("twin-a", "twin-a", "tiox-32x32")
    assert "twin-a" in labctl("bench", "list", "--json").json()
    assert labctl("bench", "show", "twin-a", "--json").json()["seed"] == 3
    read = run(labctl, "read_array", "-s", "twin-a", "-p", "cells=0:1,0:2")
    assert open_run(read["path"]).header["sample"]["name"] == "twin-a"
    again = labctl("bench", "new", "--device", OXIDE, "--name", "twin-a")
    assert again.code != 0
    assert "twin-a: is there already" in again.err


@pytest.mark.parametrize("name", ["../out", "CON", ""])
def test_bench_new_refuses_names_that_are_no_folder(name, labctl, homes):
    before = sorted(homes.rglob("*"))
    answer = labctl("bench", "new", "--device", OXIDE, "--name", name)
    assert answer.code != 0
    assert sorted(path for path in homes.rglob("*") if path.suffix == ".toml") == [
        path for path in before if path.suffix == ".toml"
    ]


def test_bench_new_refuses_a_device_of_another_family_than_its_rack(labctl, homes):
    answer = labctl("bench", "new", "--device", OXIDE, "--like", "ecram-32x32")
    assert answer.code != 0
    assert "metal_oxide" in answer.err
    assert "--like" in answer.err


@pytest.fixture
def stored(labctl, homes):
    """A run that says nothing of switching: two readings."""

    def make(station="tiox-32x32"):
        return run(labctl, "read_array", "-s", station, "-p", "cells=0:1,0:2")["run_id"]

    return make


def refused(labctl, *words):
    answer = labctl("fit", *words, "-o", "x.toml")
    assert answer.code != 0
    assert not Path("x.toml").exists()
    return answer.err


def test_fit_refuses_what_cannot_identify_the_model(labctl, stored):
    read = stored()
    said = refused(labctl, read, "--model", "metal_oxide")
    assert "0 single pulses count" in said
    assert "map_pulses" in said
    said = refused(labctl, read, "--model", "filament")
    assert "no fit of family 'filament'" in said
    assert "metal_oxide, ecram" in said
    said = refused(labctl, read, "--model", "ecram")
    assert "of family metal_oxide, not ecram" in said
    assert read in said


def test_fit_refuses_runs_of_two_samples_and_a_file_that_is_there(labctl, stored, homes):
    first = stored()
    assert labctl("bench", "new", "--device", OXIDE, "--name", "other").code == 0
    second = stored("other")
    said = refused(labctl, first, second, "--model", "metal_oxide")
    assert "other" in said
    assert "runs of one die" in said
    (homes / "there.toml").write_text("precious")
    answer = labctl("fit", first, "--model", "metal_oxide", "-o", "there.toml")
    assert answer.code != 0
    assert "is there already" in answer.err
    assert (homes / "there.toml").read_text() == "precious"
