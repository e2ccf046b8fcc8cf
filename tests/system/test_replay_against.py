"""``labctl replay RUN --against STATION``. Authority: issue "Replay, and the digital twin", Shows 2 (a fresh die of the
same seed: identical; another seed: statistics agree, differences shown), Build (the envelope of the target applies) and
Bad input (a real instrument only where the operator confirms; a run of another geometry).
"""

import io
import shutil
import threading
import time
from pathlib import Path

import pytest

from labctl import script
from labctl.run.by_hand import do_by_hand
from labctl.run.live import live_runs
from labctl.store import open_run

RACK = Path(__file__).with_name("rack_4x4")


@pytest.fixture
def rack(homes):
    """A small bench with its station, copied."""
    return shutil.copytree(RACK, homes / "rack")


def against(labctl, station, *options):
    return labctl("replay", "latest", "--against", station, "--json", "-q", *options)


def reset(labctl, rack, *options):
    assert labctl("bench", "reset", rack / "bench_4x4.toml", *options).code == 0


@pytest.mark.parametrize(
    "run",
    [
        ("write_verify", "-p", "cells=0:1,0:2", "-p", "targets=50 uS", "-p", "rounds=1"),
        ("sweep_iv", "-p", "cells=0,0", "-p", "cycles=1", "-p", "step=0.3 V"),
        ("stdp", "-p", "distances=3", "-p", "repeats=1"),
        pytest.param(("program_array", "-p", "cells=0:2,0:2", "-p", "target=target.csv"), marks=pytest.mark.slow),
        pytest.param(("endurance", "-p", "cycles=10"), marks=pytest.mark.slow),
        pytest.param(("retention", "-p", "last=1 ks"), marks=pytest.mark.slow),
    ],
    ids=lambda run: run[0],
)
def test_replay_is_identical_on_a_fresh_die_of_the_same_seed(run, labctl, rack, homes):
    (homes / "target.csv").write_text("\n".join([",".join(["50e-6", "80e-6", "100e-6", "120e-6"])] * 4))
    station = rack / "rack_4x4.toml"
    recorded = labctl("run", *run, "-s", station, "--json", "-q")
    assert recorded.code == 0, recorded.err
    reset(labctl, rack)
    answer = against(labctl, station)
    assert answer.code == 0, answer.err
    said = answer.json()
    assert said["points"] == recorded.json()["points"] > 10
    assert set(said["verdicts"]) == {"Current (A)", "Conductance (S)", "Time (s)"}
    assert set(said["verdicts"].values()) == {"identical"}
    assert said["left_out"] == []
    assert said["circumstances"] == {}
    page = Path(said["page"]).read_text(encoding="utf-8")
    assert "Simulated: every value" in page
    assert page.count("data:image/svg+xml") >= 1


def test_replay_shows_the_difference_on_another_seed_and_a_replay_can_be_replayed(labctl, rack, homes):
    station = rack / "rack_4x4.toml"
    run = ("write_verify", "-p", "cells=0:1,0:2", "-p", "targets=50 uS", "-p", "rounds=1")
    recorded = labctl("run", *run, "-s", station, "--json", "-q").json()
    reset(labctl, rack, "--seed", "99")
    said = against(labctl, station).json()
    assert said["recorded"] == recorded["run_id"]
    assert said["circumstances"] == {"bench seed": ["7", "99"]} or "bench seed" in said["circumstances"]
    assert "differs" in said["verdicts"]["Conductance (S)"]
    # stimuli, not parameters: nothing was decided anew
    first, second = (open_run(said[which]).table() for which in ("recorded", "replayed"))
    assert second["Voltage (V)"].tolist() == first["Voltage (V)"].tolist()
    reset(labctl, rack, "--seed", "99")
    again = against(labctl, station).json()
    assert again["recorded"] == said["replayed"]
    assert set(again["verdicts"].values()) == {"identical"}


SOME = ("-p", "cells=0:3,0:4")


@pytest.mark.parametrize(
    "run", [("read_array",), ("sweep_iv", "-p", "cycles=1", "-p", "step=0.3 V")], ids=lambda run: run[0]
)
def test_statistics_of_another_seed_agree_where_all_cells_got_the_same(run, labctl, rack, homes):
    station = rack / "rack_4x4.toml"
    assert labctl("run", "form_array", *SOME, "-s", station, "-q").code == 0
    recorded = labctl("run", *run, *SOME, "-s", station, "--json", "-q").json()["run_id"]
    reset(labctl, rack, "--seed", "99")
    assert labctl("run", "form_array", *SOME, "-s", station, "-q").code == 0
    said = labctl("replay", recorded, "--against", station, "--json", "-q").json()
    assert said["verdicts"]["Conductance (S)"] == "distributions not told apart"
    assert said["verdicts"]["Current (A)"] == "distributions not told apart"
    assert said["remark"] == ""
    first, second = (open_run(said[which]).table()["Conductance (S)"] for which in ("recorded", "replayed"))
    assert first.tolist() != second.tolist()


def test_replay_on_another_seed_says_that_readings_chose_the_stimuli(labctl, rack, homes):
    station = rack / "rack_4x4.toml"
    assert labctl("run", "form_array", *SOME, "-s", station, "-q").code == 0
    levels = ("-p", "targets=50 uS", "-p", "rounds=1")
    recorded = labctl("run", "write_verify", *SOME, *levels, "-s", station, "--json", "-q").json()["run_id"]
    reset(labctl, rack, "--seed", "99")
    assert labctl("run", "form_array", *SOME, "-s", station, "-q").code == 0
    said = labctl("replay", recorded, "--against", station, "--json", "-q").json()
    # how far apart the end values are is left to the seeds; that they judge no die must be said
    assert said["verdicts"]["Conductance (S)"] != "differs"
    assert "write_verify chose by what it read" in said["remark"]
    assert "labctl compare" in said["remark"]
    assert said["remark"] in Path(said["page"]).read_text(encoding="utf-8")


def test_stimuli_that_parameters_set_are_no_excuse(labctl, rack, homes):
    near = ("-p", "cells=0:3,0:3")
    station = rack / "rack_4x4.toml"
    assert labctl("run", "form_array", *near, "-s", station, "-q").code == 0
    # an aggressor gets pulses, its victims none: by parameters
    disturb = ("-p", "cells=1,1", "-p", "pulses=3")
    recorded = labctl("run", "half_select_disturb", *disturb, "-s", station, "--json", "-q").json()["run_id"]
    assert not {"form", "verify"} & set(open_run(recorded).table()["Event"])
    reset(labctl, rack, "--seed", "99")
    assert labctl("run", "form_array", *near, "-s", station, "-q").code == 0
    said = labctl("replay", recorded, "--against", station, "--json", "-q").json()
    assert not [verdict for verdict in said["verdicts"].values() if "chosen by readings" in verdict]
    assert said["verdicts"]["Conductance (S)"] != "identical"
    assert said["remark"] == ""


def test_run_made_by_hand_is_replayed(labctl, rack, homes):
    def operate():
        while not (found := live_runs(homes / "runs")):
            time.sleep(0.05)
        session = open_run(found[0].path)
        do_by_hand(session, "read", "0,1", {})
        do_by_hand(session, "pulse", "0,1", {"amplitude": "1 V", "width": "100 us"})
        do_by_hand(session, "end", "", {})

    thread = threading.Thread(target=operate)
    thread.start()
    done = script.run("manual", rack / "rack_4x4.toml", idle_time="1 min")
    thread.join()
    assert done.point_count == 3
    reset(labctl, rack)
    said = against(labctl, rack / "rack_4x4.toml").json()
    assert said["points"] == 3
    assert set(said["verdicts"].values()) == {"identical"}


def test_envelope_of_the_target_refuses_before_anything_is_sent(labctl, rack, homes):
    station = rack / "rack_4x4.toml"
    assert labctl("run", "sweep_iv", "-p", "cells=0,0", "-p", "cycles=1", "-p", "step=0.5 V", "-s", station).code == 0
    text = station.read_text()
    lower = rack / "lower.toml"
    before, mark, behind = text.partition("voltage_v = ")
    lower.write_text(f"{before}{mark}1.0{behind[len(behind.split()[0]) :]}")
    answer = against(labctl, lower)
    assert answer.code == 2
    assert "1 V (envelope.voltage_v)" in answer.err
    assert len(list((homes / "runs").rglob("*.run.sqlite"))) == 1


def test_run_of_another_geometry_is_refused(labctl, rack, homes):
    assert labctl("run", "read_array", "-p", "cells=20,20", "-s", "tiox-32x32", "-q").code == 0
    answer = against(labctl, rack / "rack_4x4.toml")
    assert answer.code == 2
    assert "touches cell (20, 20)" in answer.err
    assert "4 x 4" in answer.err


def test_run_without_cells_is_refused(labctl, rack, homes):
    values = ("-p", "cells=0:2,0:2", "-p", "vectors=5")
    assert labctl("run", "multiply_vectors", *values, "-s", rack / "rack_4x4.toml", "-q").code == 0
    answer = against(labctl, rack / "rack_4x4.toml")
    # its readings of cells are replayed, its sums are named
    assert answer.code in (0, 2)
    assert "belong to no cell" in (answer.out + answer.err)


@pytest.fixture
def real(labctl, rack):
    """The station of the rack as if its instruments were real, and a run that could be applied to them."""
    assert labctl("run", "read_array", "-p", "cells=0,0", "-s", rack / "rack_4x4.toml", "-q").code == 0
    station = rack / "real.toml"
    text = (rack / "rack_4x4.toml").read_text()
    line = next(one for one in text.splitlines() if one.startswith("visa_library"))
    station.write_text(text.replace(line, 'visa_library = "@py"'))
    return station


def test_real_instruments_are_not_touched_without_a_word_of_the_operator(labctl, real, monkeypatch):
    monkeypatch.setattr("pyvisa.ResourceManager", lambda *_: pytest.fail("something was opened"))
    answer = against(labctl, real)
    assert answer.code == 2
    assert "real.toml has real instruments" in answer.err
    assert "--yes" in answer.err


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("options", "word", "is_opened"),
    [(["--yes"], None, True), ([], "y", True), ([], "n", False), ([], "", False)],
)
def test_real_instruments_are_opened_where_the_operator_says_so(labctl, real, monkeypatch, options, word, is_opened):
    opened = []

    def open_library(*arguments):
        opened.append(arguments)
        raise OSError("no instrument here")

    monkeypatch.setattr("pyvisa.ResourceManager", open_library)
    if word is not None:
        monkeypatch.setattr("sys.stdin", Terminal(f"{word}\n"))
    answer = against(labctl, real, *options)
    assert bool(opened) == is_opened
    assert ("Apply the stimuli" in answer.out + answer.err) == (word is not None)
    assert answer.code != 0
