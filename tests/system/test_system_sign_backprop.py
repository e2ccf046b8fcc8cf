"""Sign back-propagation of Zhang 2018 at a reduced size, and the array of the station against that of the physics.

Authority: issue 6, "Build" (station and physics give the same), "Bad input", "Shows 3"; systems.md section 4.
The NumPy reference of the algorithm is in tests/unit/networks/test_sign_learning.py.
"""

import csv
import re
from collections import Counter

import numpy as np
import pytest

from labctl.networks.images import load_images
from labctl.networks.jump_tables import JumpTables
from labctl.networks.physics_array import PhysicsArray
from labctl.networks.sign_learning import train_sign_network
from labctl.networks.sign_loop import LoopLayout, LoopPulses, SignLoop
from labctl.networks.sign_rule import SignRule
from labctl.physics.fresh_die import Effects
from labctl.physics.presets import load_preset
from labctl.run import RunControl, execute_procedure, resume_run
from labctl.store import export
from labctl_mock.bench.bench import Bench
from labctl_procedures import find_procedure
from labctl_procedures.array_procedure import COLUMNS, ArrayProcedure
from labctl_procedures.system.sign_ablation import ABLATIONS
from labctl_procedures.system.sign_figures import ablation_figures, network_figures
from labctl_procedures.system.sign_parts import ablated_values
from labctl_procedures.system.station_array import StationArray

STATION = "tiox-32x32"
SMALL = {
    "image_set": "digits",
    "hidden": "20",
    "epochs": "2",
    "float_epochs": "2",
    "seeds": "1",
    "ablation_epochs": "1",
    "set_voltages": "0.66 V",
    "reset_voltages": "0.95 V",
    "jump_cells": "24:26,31:32",
    "jump_pulses": "30",
    "jump_cycles": "2",
    "loop_classes": "0, 1",
    "loop_pixels": "5",
    "loop_hidden": "2",
    "loop_images": "6",
}
LAYOUT = LoopLayout(4, 2, 2)
PULSES = LoopPulses(0.66, -0.95, 1e-4, 30e-6, 300e-6)
RULE = SignRule(hidden_threshold=0.05)
OFF = ("cycle_spread", "read_noise", "relaxation", "stuck_cells", "half_select", "wire_resistance")
PATTERNS = np.random.default_rng(2).random((8, 4)) > 0.4


class LoopOnStation(ArrayProcedure):
    """The loop alone, on cells that were programmed before; it keeps what it saw for the test."""

    DATA_COLUMNS = COLUMNS
    seen = None

    def execute(self):
        with self.open_access(pulse_voltage_v=1.0, current_limit_a=0.05) as access:
            type(self).seen = shown(StationArray(self, access))


def shown(array):
    """Show the patterns; give sums of the hidden units, of the outputs, and the errors of both."""
    loop = SignLoop(array, LAYOUT, PULSES, RULE)
    found = []
    for number, pattern in enumerate(PATTERNS):
        hidden, _ = loop.outputs(pattern)
        step = loop.learn(pattern, number % 2)
        found.append((hidden, step.outputs, step.errors, step.wrong, step.updates))
    return found


def pulses_wanted(seen):
    """Return the pulses by cell and direction by systems.md 4.2: up on one device of a pair, down on the other."""
    wanted = Counter()
    for number, (pattern, (hidden, outputs, errors, wrong, _)) in enumerate(zip(PATTERNS, seen, strict=True)):
        wrongness = (np.arange(2) == number % 2) - 1.0 / (1.0 + np.exp(-outputs))
        assert errors.tolist() == (np.sign(wrongness) * (np.abs(wrongness) > 0.3)).tolist()
        # no slope beyond the window of 1
        assert not wrong[np.abs(hidden) > 1.02].any()
        layers = ((hidden > 0.0, errors, 4), (pattern, wrong, 0))
        for ones, signs, first in layers:
            for row, unit in zip(*np.nonzero(np.outer(ones, signs)), strict=True):
                for device in range(2):
                    up = (signs[unit] > 0) == (device == 0)
                    wanted[int(row), first + 2 * int(unit) + device, up] += 1
    return wanted


def pulses_given(run):
    """Return the pulses that the rows tell, by cell and direction."""
    table = run.table()
    pulsed = table[table["Width (s)"].notna()]
    return Counter(zip(pulsed["Row"], pulsed["Column"], pulsed["Voltage (V)"] > 0.0, strict=True))


@pytest.fixture
def programmed(labctl, homes):
    """Form and program the cells of the loop on a die whose cells differ and do nothing else that is not ideal."""
    switches = [word for name in OFF for word in ("--without", name)]
    assert labctl("bench", "reset", STATION, "--seed", "5", *switches).code == 0
    levels = np.zeros((32, 32), dtype=int)
    levels[: LAYOUT.shape[0], : LAYOUT.shape[1]] = np.random.default_rng(4).integers(2, 6, LAYOUT.shape)
    np.savetxt(homes / "map.csv", levels, fmt="%d", delimiter=",")
    given = {"target": str(homes / "map.csv"), "cells": "0:4,0:8", "tolerance": "20 %", "g_max": "300 uS"}
    given |= {"passes": "1", "max_change": "30 %"}
    run = execute_procedure(find_procedure("program_array"), STATION, given, out=homes / "runs")
    assert run.status == "finished"
    return homes


def test_station_learns_what_the_physics_learn_when_nothing_else_is_on(programmed):
    with Bench.open(STATION) as bench:
        before = bench.truth()
    run = execute_procedure(LoopOnStation, STATION, {}, out=programmed / "runs")
    assert run.status == "finished", run.summary()["error"]
    with Bench.open(STATION) as bench:
        after_s = np.asarray(bench.truth()["programmed_s"])
    effects = Effects(**dict.fromkeys(("cycle_spread", "read_noise", "relaxation", "stuck_cells"), False))
    array = PhysicsArray(load_preset("kim2021_tiox_al2o3"), 32, 32, 5, read_voltage_v=0.2, effects=effects)
    array.die.state.conductance_s[...] = before["programmed_s"]
    array.die.state.formed[...] = before["formed"]
    expected, seen = shown(array), LoopOnStation.seen
    for station, physics in zip(seen, expected, strict=True):
        # contacts of 10 ohm and the meter's own accuracy, in units of the working range
        assert station[0] == pytest.approx(physics[0], abs=0.02)
        assert station[1] == pytest.approx(physics[1], abs=0.02)
        assert station[2].tolist() == physics[2].tolist()
        assert station[3].tolist() == physics[3].tolist()
        assert station[4] == physics[4]
    assert pulses_given(run) == pulses_wanted(seen)
    assert sum(step[4] for step in seen) > 20
    assert any(step[3].any() for step in seen)
    block = np.s_[: LAYOUT.shape[0], : LAYOUT.shape[1]]
    moved_s = np.abs(after_s - np.asarray(before["programmed_s"]))[block]
    assert moved_s.max() > 5e-6
    assert after_s[block] == pytest.approx(array.die.programmed_s()[block], abs=0.05 * moved_s.max())


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """Run it once: the run, and the rows of its CSV."""
    place = tmp_path_factory.mktemp("sign")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LABCTL_HOME", str(place / "home"))
        run = execute_procedure(find_procedure("system.sign_backprop"), STATION, SMALL, out=place / "runs")
    assert run.status == "finished", run.summary()["error"]
    with export(run, "csv", place / "run.csv").open(encoding="utf-8", newline="") as lines:
        return run, list(csv.DictReader(line for line in lines if not line.startswith("#")))


def figure(run, quantity, way):
    found = run.summary()["results"]["reproduction"]
    return next(one for one in found if one["quantity"] == quantity and one["way"] == way)


def test_both_devices_are_held_against_the_float_network_that_is_told():
    """Issue 6, "Numbers": MNIST within 2 points of the float MLP with binary inputs."""
    found = {
        one.quantity: one
        for one in network_figures("mnist", [0.955, 0.953], [0.951, 0.949], [0.971, 0.972], [0.90, 0.91])
    }
    default, extracted = (
        found[f"MNIST accuracy by sign back-propagation, {which} device"] for which in ("default", "extracted")
    )
    # 97.15 % less 2 points; the network that saw as few images is no excuse
    assert default.rule == extracted.rule == "within 2 points of the 97.15 % of the float network trained to the end"
    assert (default.holds, extracted.holds) == (True, False)


@pytest.mark.parametrize(
    ("no_window", "states", "holds"), [(0.769, (0.88, 0.90, 0.92), True), (0.771, (0.92, 0.90, 0.92), False)]
)
def test_ablation_is_judged_by_section_8(no_window, states, holds):
    """Section 8.4: at least 15 points without the window; states and non-linearity as in 4.3."""
    means = {"default": 0.92, "no window": no_window, "512 states": 0.80, "C2C 300 %": 0.95}
    means |= dict(zip(("32 states", "64 states", "128 states"), states, strict=True))
    means |= {"non-linearity 1": 0.89, "non-linearity 3": 0.75, "non-linearity 5": 0.70 if holds else 0.76}
    given = {name: mean + np.array([-0.01, 0.01]) for name, mean in means.items()}
    given["64 states"][0] = given["128 states"][0] + 0.001
    found = {one.quantity: one for one in ablation_figures(given, [0.93])}
    window = found["digits accuracy lost without the window"]
    assert (window.rule, window.holds) == ("at least 15 points", holds)
    ruled = {name: one for name in means if (one := found[f"digits accuracy, {name}"]).rule}
    assert ruled["32 states"].rule == "falls from 64 states to 32 states"
    assert ruled["64 states"].rule == "falls from 128 states to 64 states"
    assert ruled["non-linearity 1"].rule == "falls from default to non-linearity 1"
    assert {name: one.holds for name, one in ruled.items()} == {
        "32 states": holds,
        "64 states": True,
        "non-linearity 1": True,
        "non-linearity 3": True,
        "non-linearity 5": holds,
    }
    assert "falls in 1 of 2 networks" in ruled["64 states"].note


@pytest.mark.slow
def test_window_states_and_linearity_are_worth_what_section_8_asks():
    digits, settings = load_images("digits"), {one.name: one for one in ABLATIONS}

    def accuracies(name):
        values = [ablated_values(digits, settings[name], seed, 20, lambda done: None) for seed in range(3)]
        return np.array([one["accuracy"] for one in values])

    default = accuracies("default")
    assert np.mean(default - accuracies("no window")) >= 0.15
    few, some, many = (accuracies(f"{count} states") for count in (32, 64, 128))
    # 128 states are enough; what 64 cost is less than the spread of three networks
    assert (few < some).all()
    assert (few < many).all()
    assert np.abs(many - default).max() < 0.02
    bent = [default, *(accuracies(f"non-linearity {number}") for number in (1, 3, 5))]
    assert (np.diff(bent, axis=0) < 0.0).all()


@pytest.mark.slow
def test_steps_follow_from_the_exported_rows(done):
    run, rows = done
    arrays, low_s, range_s = run.arrays(), 30e-6, 270e-6
    places = arrays["jump_place"].size
    for name, event in (("up", "set"), ("down", "reset")):
        steps = {}
        before_s, kind = {}, {}
        for row in rows:
            if row["Item"] != "pulses_1" or row["Cycle"] == "":
                continue
            cell = (int(row["Row"]), int(row["Column"]))
            if row["Event"] in ("set", "reset"):
                kind[cell] = row["Event"]
            elif row["Event"] == "read":
                now_s = float(row["Conductance (S)"])
                if kind.get(cell) == event:
                    place = round((before_s[cell] - low_s) / range_s * (places - 1))
                    steps.setdefault((cell, place), []).append(
                        abs(now_s - before_s[cell]) * np.sign((now_s - before_s[cell]) * (1 if event == "set" else -1))
                    )
                before_s[cell], kind[cell] = now_s, None
        cells = [tuple(int(line) for line in cell) for cell in arrays["jump_cells"].values]
        told = arrays[f"jump_{name}_mean"].values
        compared = 0
        for (cell, place), sizes in steps.items():
            if len(sizes) >= 4 and 0 <= place < places and np.mean(sizes) > 0.0:
                assert told[cells.index(cell), place] == pytest.approx(np.mean(sizes), rel=1e-4)
                compared += 1
        assert compared >= 4


@pytest.mark.slow
def test_accuracy_of_the_loop_follows_from_the_exported_rows(done):
    run, rows = done
    digits = load_images("digits")
    chosen = np.isin(digits.y_train, [0, 1])
    pixels = np.sort(np.argsort(-(digits.x_train[chosen] > 0.5).var(axis=0), kind="stable")[:5])
    tested = np.isin(digits.y_test, [0, 1])
    inputs, labels = (digits.x_test[tested][:, pixels] > 0.5).astype(float), digits.y_test[tested]
    last_s = np.zeros((5, 8))
    for row in rows:
        if row["Event"] == "read" and row["Item"] == "" and int(row["Row"]) < 5 and int(row["Column"]) < 8:
            last_s[int(row["Row"]), int(row["Column"])] = float(row["Conductance (S)"])
    first, second = last_s[:, 0:4:2] - last_s[:, 1:4:2], last_s[:2, 4::2] - last_s[:2, 5::2]
    wanted = np.mean(np.argmax((inputs @ first > 0.0).astype(float) @ second, axis=1) == labels)
    # cells are measured, images are computed with them
    found = figure(run, "small problem: accuracy after learning in the loop", "readings")
    assert found["ours"] == pytest.approx(wanted, abs=1e-9)


@pytest.mark.slow
def test_network_of_the_extracted_device_is_made_of_the_cells_that_were_measured(done):
    arrays, range_s = done[0].arrays(), 270e-6
    tables = JumpTables(
        *(arrays[f"jump_{name}"].values / range_s for name in ("up_mean", "up_spread", "down_mean", "down_spread"))
    )
    images = load_images("digits")
    # thresholds and window as the parameters have them: 0.3, 0.1 and 2
    for engine in ("numpy", "numba"):
        found = train_sign_network(images, 20, tables, SignRule(0.3, 0.1, 2.0), seed=0, epochs=2, engine=engine)
        assert arrays["accuracy_extracted"].values[0] == pytest.approx(found.accuracies, abs=2 / 540)
    # the same by the ideal device: another network
    assert arrays["accuracy_ideal"].values[0].tolist() != arrays["accuracy_extracted"].values[0].tolist()


@pytest.mark.slow
def test_ledger_counts_what_was_applied_and_what_is_spared(done):
    run, rows = done
    ledger = run.summary()["results"]["ledger"]
    assert ledger["pulses"] == sum(row["Width (s)"] != "" and row["Current (A)"] == "" for row in rows)
    # 64-20-10: 20 fire, 40 window, 20 output and 40 hidden comparisons; 64 + 4 x 20 + 2 x 10 bits against 64 + 8 x 50
    assert ledger["sign_comparisons_per_image"] == 20 + 40 + 20 + 40
    assert ledger["sign_stored_bits_per_image"] == 164
    assert ledger["full_stored_bits_per_image"] == 464
    assert ledger["full_ad_conversions_per_image"] == 50


@pytest.mark.parametrize(
    ("station", "given", "told"),
    [
        (STATION, {"loop_hidden": "20"}, r"2 tiles of the 32\s+x\s+32"),
        (STATION, {"g_high": "1 mS"}, "change g_low and g_high"),
        (STATION, {"image_set": "mnist"}, "give the folder"),
        (STATION, {"reset_voltages": "0.9 V, 1 V"}, "must be as many"),
        (STATION, {"loop_classes": "0, x"}, "loop_classes must be digits"),
        (STATION, {"loop_classes": "0"}, "classes must be two and more"),
        ("hfo2-1t1r-64x64", {"g_low": "5 uS", "g_high": "50 uS", "scheme": "v2"}, "need a crossbar on a switch matrix"),
    ],
)
def test_run_is_refused_before_anything_is_applied_when_it_cannot_be(labctl, homes, monkeypatch, station, given, told):
    monkeypatch.delenv("LABCTL_DATA", raising=False)
    values = [word for name, value in (SMALL | given).items() for word in ("-p", f"{name}={value}")]
    answer = labctl("run", "system.sign_backprop", "-s", station, *values, "-q")
    assert answer.code != 0
    assert re.search(told, answer.err), answer.err
    assert not list((homes / "runs").glob("*.sqlite"))


@pytest.mark.slow
def test_run_goes_on_where_it_was_when_it_was_aborted_in_the_loop(homes, monkeypatch):
    control, learn, shown_to = RunControl(), SignLoop.learn, []

    def learn_and_abort(loop, pixels, label):
        step = learn(loop, pixels, label)
        shown_to.append(label)
        if len(shown_to) == 3:
            control.abort("the test asked for it")
        return step

    monkeypatch.setattr(SignLoop, "learn", learn_and_abort)
    kind = find_procedure("system.sign_backprop")
    cut = execute_procedure(kind, STATION, SMALL, out=homes / "runs", control=control)
    assert cut.status == "aborted"
    before = cut.table()
    resumed = resume_run(cut, kind)
    assert resumed.status == "finished", resumed.summary()["error"]
    after = resumed.table()
    columns = ["Event", "Row", "Column", "Voltage (V)", "Width (s)", "Conductance (S)", "Time (s)"]
    assert after[columns].iloc[: len(before)].equals(before[columns])
    # no pulse is given twice: each has its own time on the rack, and the ledger knows those before the abort too
    pulses = after[after["Width (s)"].notna()]
    assert pulses["Time (s)"].is_unique
    assert resumed.summary()["results"]["ledger"]["pulses"] == len(pulses) > before["Width (s)"].notna().sum()
    # six images, each with the sums of four columns of the first layer and four of the second where a unit fires
    assert len(after[after["Event"] == "sum"]) >= 6 * 4
