"""The ECRAM system of Um 2024, at a reduced size; two full tiles on MNIST are slow.

Authority: issue 6, "Numbers" (2.59 % in the worst column, at most 0.5 points), "Bad input" and "Shows 3" (a plain NumPy
recomputation from the exported CSV); systems.md section 2.6 (error of a column, asymmetry) and 2.7 (mapping).
"""

import csv
import os
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest

from labctl.errors import LabError
from labctl.networks.images import load_images
from labctl.physics.presets import load_preset
from labctl.run import execute_procedure
from labctl.store import export
from labctl_procedures import find_procedure
from labctl_procedures.system.ecram_parts import EXPECTED, expected_updates, update_summary

STATION = "ecram-32x32"
READ_V, G_MIN_S, G_MAX_S, LEVELS, TOP = 0.1, 17.5e-6, 27.5e-6, 100, 49
INPUTS = 4
SMALL = {
    "image_set": "digits",
    "hidden": "4",
    "epochs": "80",
    "seeds": "2",
    "cells": "0,24;1,25",
    "update_pulses": "8",
    "update_cycles": "2",
    "endurance_cycles": "1",
    "vectors": "30",
    "images_measured": "1",
    "input_bits": "3",
    "training_images": "100",
}


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """Run it once: the run, the rows of its CSV, and the weights of its networks."""
    place = tmp_path_factory.mktemp("ecram")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LABCTL_HOME", str(place / "home"))
        run = execute_procedure(find_procedure("system.ecram"), STATION, SMALL, out=place / "runs")
    with export(run, "csv", place / "run.csv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    networks = []
    for file in sorted((place / "home" / "networks").glob("*.npz")):
        with np.load(file) as held:
            networks.append({name: held[name].astype(float) for name in held.files})
    return run, rows, networks


def figures(run):
    summary = run.summary()
    assert summary["status"] == "finished", summary["error"]
    return {(one["quantity"], one["way"]): one for one in summary["results"]["reproduction"]}


def computed(rows, item, quantity, seed="0"):
    (value,) = [
        float(row["Value"])
        for row in rows
        if row["Event"] == "computed" and (row["Item"], row["Quantity"], row["Seed"]) == (item, quantity, seed)
    ]
    return value


@pytest.mark.slow
def test_error_of_the_columns_follows_from_the_exported_rows(done):
    run, rows, _ = done
    mine = [row for row in rows if row["Item"] == "columns"]
    weights_s, zero_a, driven_a, shown_a = np.zeros((INPUTS, 11)), np.zeros(11), np.zeros(11), np.zeros((30, 11))
    for row in mine:
        column, current_a = int(row["Column"]), float(row["Current (A)"])
        match row["Event"]:
            case "read":
                weights_s[int(row["Row"]), column] = float(row["Conductance (S)"])
            case "zero":
                zero_a[column] = current_a
            case "zero_driven":
                driven_a[column] = current_a
            case "multiply":
                shown_a[int(row["Step"]), column] = current_a
    # as the parameter says: seed 1, half of them ones
    ones = np.random.default_rng(1).random((30, INPUTS)) < 0.5
    sums_s = ones @ weights_s
    measured_a = shown_a - zero_a - sums_s / weights_s.sum(axis=0) * (driven_a - zero_a)
    error = (measured_a - READ_V * sums_s) / (INPUTS * weights_s.max() * READ_V)
    worst = np.sqrt(np.mean(error**2, axis=0)).max()
    figure = figures(run)["error of the worst column", "instruments"]
    assert figure["ours"] == pytest.approx(worst, rel=1e-6)
    assert worst <= 0.0259
    assert figure["holds"]
    assert worst > 1e-6


def quantised(weights):
    """Signed levels and step with the least square error."""
    best = min(
        (np.abs(weights).max() * part / TOP for part in np.linspace(0.5, 1.0, 21)),
        key=lambda step: np.mean((np.clip(np.round(weights / step), -TOP, TOP) * step - weights) ** 2),
    )
    return np.clip(np.round(weights / best), -TOP, TOP), best


def right(network, last, images):
    hidden = np.maximum(images.x_test.astype(float) @ network["w_0"] + network["b_0"], 0.0)
    return np.mean(np.argmax(hidden @ last + network["b_1"], axis=1) == images.y_test)


def first_network(rows, networks, images):
    """Return the network that was programmed."""
    software = computed(rows, "software", "accuracy")
    (network,) = [one for one in networks if right(one, one["w_1"], images) == pytest.approx(software, abs=1e-9)]
    return network


def last_read_s(rows):
    """Return what the cells of the layer said at the end."""
    found_s = np.zeros((INPUTS, 11))
    for row in rows:
        if row["Event"] == "read_back":
            # the last one stays
            found_s[int(row["Row"]), int(row["Column"])] = float(row["Conductance (S)"])
    return found_s


def chain(sums_a, divided, known):
    """Convert sums, shape (samples, columns): 8 bits behind mirrors 1, 2, 4, 8 that follow the current (2.6)."""
    lsb_a = 32 * G_MAX_S * READ_V / 8 / 255
    found_a = np.empty(sums_a.shape)
    for column, samples_a in enumerate(sums_a.T):
        place, low = 3, 0
        for number, sample_a in enumerate(samples_a):

            def share(at, sample_a=sample_a, column=column):
                return sample_a / divided[column][at] / lsb_a / 255

            low = low + 1 if share(place) < 0.08 else 0
            while low >= 2 and place > 0 and share(place) < 0.08:
                place -= 1
            while place < 3 and share(place) > 0.95:
                place += 1
            found_a[number, column] = round(min(max(share(place), 0.0), 1.0) * 255) * lsb_a * known[column][place]
    return found_a


@pytest.mark.slow
def test_accuracy_follows_from_the_weights_and_the_exported_rows(done):
    run, rows, networks = done
    images = load_images("digits")
    network = first_network(rows, networks, images)
    signed, step = quantised(network["w_1"])
    level_s = (G_MAX_S - G_MIN_S) / (LEVELS - 1)
    target_s = G_MIN_S + level_s * np.concatenate([signed + TOP, np.full((INPUTS, 1), TOP)], axis=1)
    np.testing.assert_allclose(run.arrays()["target"].values[:INPUTS, :11], target_s, rtol=1e-9)
    found_s = last_read_s(rows)
    last = (found_s[:, :10] - found_s[:, 10:]) / level_s * step
    assert computed(rows, "station", "weights") == pytest.approx(right(network, last, images), abs=1e-9)
    # the same sums bit by bit through the read-out chain, 99.9 % of the inputs within the largest number
    shown, tested = (
        np.maximum(part.astype(float) @ network["w_0"] + network["b_0"], 0.0)
        for part in (images.x_train, images.x_test)
    )
    largest = np.percentile(shown, 99.9)
    codes = np.rint(np.clip(tested / largest, 0.0, 1.0) * 7).astype(int)
    ones = np.stack([codes >> bit & 1 for bit in range(3)], axis=1).reshape(-1, INPUTS)
    nominal = [[1.0, 2.0, 4.0, 8.0]] * 11
    sums_a = chain(READ_V * ones @ found_s, nominal, nominal).reshape(-1, 3, 11)
    whole_a = np.einsum("b,nbc->nc", [1.0, 2.0, 4.0], sums_a)
    outputs = (whole_a[:, :10] - whole_a[:, 10:]) / (level_s * READ_V) * step * largest / 7 + network["b_1"]
    through = computed(rows, "station", "read_out")
    assert through == pytest.approx(np.mean(np.argmax(outputs, axis=1) == images.y_test), abs=2 / 540)
    # three bits and codes cost something, so that a chain which does nothing is seen
    assert through != computed(rows, "station", "weights")
    # other dies were programmed by themselves
    physics = [computed(rows, "physics", "weights", seed) for seed in ("0", "1")]
    assert physics != [computed(rows, "levels", "weights", seed) for seed in ("0", "1")]
    residual = (found_s - target_s) / (G_MAX_S - G_MIN_S)
    shown = figures(run)["programming error, root mean square", "instruments"]["ours"]
    assert shown == pytest.approx(np.sqrt(np.mean(residual**2)), rel=1e-6)
    # half a pulse of 0.15 uS, and the spread of the last one of 30 %: a quarter of a microsiemens at the worst
    assert np.abs(found_s - target_s).max() < 0.25e-6


@pytest.mark.slow
def test_error_of_the_read_out_chain_follows_from_the_measured_sums(done):
    run, _, _ = done
    arrays = run.arrays()
    measured_a, ones = arrays["columns.measured"].values, arrays["columns.vectors"].values
    target_s = arrays["target"].values[:INPUTS, :11]
    # mirrors of 1 %, one draw for two seeds, each calibrated at 90 % of its range; the first is exact
    nominal, lsb_a = np.array([1.0, 2.0, 4.0, 8.0]), 32 * G_MAX_S * READ_V / 8 / 255
    divided = nominal * (1.0 + 0.01 * np.random.default_rng(2).normal(size=(11, 4)) * (nominal > 1.0))
    reference_a = 0.9 * nominal * lsb_a * 255
    known = reference_a / (np.rint(reference_a / divided / lsb_a) * lsb_a)
    error = (chain(measured_a, divided, known) - READ_V * ones @ target_s) / (INPUTS * target_s.max() * READ_V)
    figure = figures(run)["error of the worst column with the read-out chain", "readings"]
    assert figure["ours"] == pytest.approx(np.sqrt(np.mean(error**2, axis=0)).max(), rel=1e-6)


@pytest.mark.slow
def test_programming_gives_the_counted_pulses_and_no_more(done):
    _, rows, _ = done
    given = {}
    before = {}
    for row in rows:
        cell = (row["Row"], row["Column"])
        if row["Event"] == "read_back":
            before[cell] = float(row["Conductance (S)"])
        elif row["Event"] == "train":
            given.setdefault(cell, []).append((before[cell], np.sign(float(row["Voltage (V)"])), int(row["Step"])))
    assert len(given) > 30
    # open loop and two corrections
    assert max(map(len, given.values())) <= 3
    assert all(count >= 1 for passes in given.values() for _, _, count in passes)


@pytest.mark.slow
def test_asymmetry_follows_from_the_exported_rows(done):
    run, rows, _ = done
    found = []
    for cell in (("0", "24"), ("1", "25")):
        curve = [
            float(row["Conductance (S)"])
            for row in rows
            if row["Item"] == "update" and row["Event"] == "read" and (row["Row"], row["Column"]) == cell
            if row["Cycle"] == "1"
        ]
        up, down = np.array(curve[:9]), np.array(curve[9:])
        assert up.size == down.size == 9
        found.append(np.max(np.abs(up - down[::-1])) / (max(curve) - min(curve)))
    figure, alone = (figures(run)["asymmetry of up and down", way] for way in ("instruments", "physics"))
    assert figure["ours"] == pytest.approx(np.mean(found), rel=1e-6)
    # two standard deviations, as the rule says
    assert figure["holds"] == (abs(np.mean(found) - alone["ours"]) <= 2.0 * alone["spread"])
    assert alone["count"] == 50
    # systems.md, section 8: below 0.1; the device file does not reach it, and the page says so
    called = figures(run)["asymmetry of up and down, as an update that is called symmetric", "instruments"]
    assert called["ours"] == figure["ours"]
    assert called["holds"] == (np.mean(found) < 0.1)
    for way in ("up", "down"):
        assert ("non-linearity NL of an exponential fit, " + way, "instruments") in figures(run)


def test_fitted_label_is_that_of_the_table_of_neurosim():
    """Section 8.2 asks for a fit of NL; systems.md 2.6: G = B (1 - exp(-P / A)), and A / Pmax over NL."""
    place = np.linspace(0.0, 1.0, 101)

    def branch(share, *, late=False):
        curve = (1.0 - np.exp(-place / share)) / (1.0 - np.exp(-1.0 / share))
        return 20e-6 + 5e-6 * (1.0 - curve[::-1] if late else curve)

    # NL 1.46 has A / Pmax .84868, NL 2.4 has .49918; larger steps late count as negative
    for up, down, labels in (
        (branch(0.84868), branch(0.49918)[0] + branch(0.49918)[-1] - branch(0.49918), (1.46, 2.4)),
        (branch(0.49918, late=True), np.linspace(25e-6, 20e-6, 101), (-2.4, 0.0)),
    ):
        curves = (np.tile(one, (2, 2, 1)) for one in (up, down))
        told = update_summary(*curves)
        assert (told["nl_up"], told["nl_down"]) == pytest.approx(labels, abs=0.02)
        assert told["inl_up"] == pytest.approx(abs(labels[0]) / 10.1, abs=0.002)


def linear_step(sets, cells, cycles, pulses, rng):
    """The linear step of systems.md 2.5 with the spreads there: curves up and down, shape (sets, cells, cycles, n)."""
    size = (sets, cells)
    step, w_max, w_min, gamma_up, gamma_down, ratio = (
        1.0 + spread * rng.standard_normal(size) for spread in (0.1, 0.05, 0.05, 0.05, 0.05, 0.01)
    )
    up, down = 0.02 * step * ratio, 0.02 * step * (2.0 - ratio)
    w_max, w_min, gamma_up, gamma_down = 1.1724 * w_max, -0.8276 * w_min, 0.1153 * gamma_up, 0.5085 * gamma_down
    w, curves = np.zeros(size), np.empty((2, *size, cycles, pulses + 1))
    for cycle in range(cycles):
        for branch in range(2):
            curves[branch, :, :, cycle, 0] = w
            for pulse in range(pulses):
                noise = 1.0 + 0.3 * rng.standard_normal(size)
                moved = up * (1.0 - gamma_up * w / w_max) if branch == 0 else -down * (1.0 - gamma_down * w / w_min)
                w = np.clip(w + moved * noise, w_min, w_max)
                curves[branch, :, :, cycle, pulse + 1] = w
    return curves


def test_updates_that_the_device_file_foretells_are_those_of_the_linear_step():
    """Issue 4, "Numbers": 100 up, 100 down, asymmetry and NL as the preset says; the metrics of systems.md 2.6."""
    sets, cells, cycles, pulses = 40, 4, 2, 100
    told = []
    found = expected_updates(
        load_preset("um2024_ecram"),
        cells=cells,
        cycles=cycles,
        pulses=pulses,
        gates=(5.0, -5.0, 0.1),
        read_voltage_v=0.1,
        sets=sets,
        seed=3,
        report=told.append,
    )
    # house style: progress on what takes longer than 2 s
    assert np.diff(told).max() < 0.01
    assert told[-1] == 1.0
    # the first cycle comes from where the cell stood
    up, down = linear_step(1000, cells, cycles, pulses, np.random.default_rng(8))[:, :, :, 1:]
    reach = np.maximum(up, down).max(axis=-1) - np.minimum(up, down).min(axis=-1)
    line = np.linspace(0.0, 1.0, pulses + 1)

    def bend(branch):
        ends = branch[..., -1:] - branch[..., :1]
        return np.abs((branch - branch[..., :1]) / ends - line).max(axis=-1)

    wanted = {
        "asymmetry": np.abs(up - down[..., ::-1]).max(axis=-1) / reach,
        "inl_up": bend(up),
        "inl_down": bend(down),
    }
    for name, values in wanted.items():
        ours, theirs = np.array([found[f"{name} {number + 1}"] for number in range(sets)]), values.mean(axis=(1, 2))
        # both are samples of one law: four errors of the difference of the means
        error = np.hypot(ours.std(ddof=1) / np.sqrt(sets), theirs.std(ddof=1) / np.sqrt(len(theirs)))
        assert ours.mean() == pytest.approx(theirs.mean(), abs=4.0 * error)
        assert ours.std(ddof=1) == pytest.approx(theirs.std(ddof=1), rel=0.5)


@pytest.mark.parametrize(
    ("cells", "of_set", "says"), [(4, 4, []), (1024, 64, ["1024 cells", "sets of 64", " 4 times"])]
)
def test_few_cells_stand_for_a_whole_die_and_it_says_so(cells, of_set, says, monkeypatch):
    procedure, asked, assumed = find_procedure("system.ecram")(), [], []
    procedure.station = SimpleNamespace(sample=SimpleNamespace(device="um2024_ecram"))
    monkeypatch.setattr(procedure, "part", lambda *_: nullcontext(asked.append))
    monkeypatch.setattr(procedure, "assume", assumed.append)
    monkeypatch.setattr(procedure, "computed", lambda label, do: do())

    def foretell(preset, *, cells, sets, report, **_):
        report(cells)
        return {f"{name} {number + 1}": 0.1 for name in EXPECTED for number in range(sets)}

    monkeypatch.setattr("labctl_procedures.system.ecram.expected_updates", foretell)
    procedure._expected(cells)
    assert asked == [of_set]
    assert all(word in " ".join(assumed) for word in says)
    assert len(assumed) == bool(says)


@pytest.mark.slow
def test_every_figure_says_how_it_was_had_and_how_often(done):
    found = figures(done[0])
    ways = {way for _, way in found}
    assert ways == {"instruments", "readings", "physics", "computed"}
    # conductances are measured, images and read-out chain are not
    assert ("digits accuracy with the layer that was read", "readings") in found
    assert ("digits accuracy lost by the layer that was read", "readings") in found
    assert found["digits accuracy with the layer on further dies", "physics"]["count"] == 2
    # no comparison with MNIST
    assert all(one["paper"] is None for (quantity, _), one in found.items() if quantity.startswith("digits"))
    # ten classes: three times as often right as by chance, so that the weights mean something
    assert found["digits accuracy in software", "computed"]["ours"] > 0.3


@pytest.mark.slow
def test_ledger_counts_every_pulse_of_a_train(done):
    run, rows, _ = done
    ledger = run.summary()["results"]["ledger"]
    pulses = sum(
        int(row["Step"]) if row["Event"] in ("train", "unread") or row["Item"] == "endurance" else 1
        for row in rows
        if row["Width (s)"] and not row["Conductance (S)"] and row["Event"] != "computed"
    )
    # one cycle of twenty up and twenty down, as the station file says
    assert (
        sum(int(row["Step"]) for row in rows if row["Item"] == "endurance" and row["Event"] in ("set", "reset")) == 40
    )
    assert ledger["pulses"] == pulses
    assert ledger["device_time_s"] == pytest.approx(0.1 * pulses)


@pytest.mark.parametrize(
    ("station", "parameters", "told"),
    [
        (STATION, {"hidden": "65"}, "needs 3 tiles of 32 x 11 devices .* takes 2: at most 64"),
        (STATION, {"hidden": "2.5"}, "whole numbers"),
        (STATION, {"levels": 400}, "at most 134 levels"),
        (STATION, {"g_min": "5 uS"}, "programmed between"),
        (STATION, {"ratios": "1, 30"}, "current scaling"),
        (STATION, {"cells": "40,0"}, "40"),
        (STATION, {"image_set": "mnist", "data": "nowhere"}, "--data|LABCTL_DATA"),
        ("tiox-32x32", {}, "electrochemical"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_applied(tmp_path, monkeypatch, station, parameters, told):
    monkeypatch.setenv("LABCTL_HOME", str(tmp_path / "home"))
    with pytest.raises(LabError, match=told):
        execute_procedure(find_procedure("system.ecram"), station, SMALL | parameters, out=tmp_path / "runs")
    assert not list((tmp_path / "runs").glob("**/*.sqlite"))


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get("LABCTL_DATA"), reason="needs MNIST in LABCTL_DATA")
def test_two_full_tiles_reach_the_figures_of_the_paper_on_mnist(tmp_path, monkeypatch):
    monkeypatch.setenv("LABCTL_HOME", str(tmp_path / "home"))
    some = {"update_cycles": 2, "endurance_cycles": 3, "vectors": 60, "seeds": 2, "training_images": 2000}
    run = execute_procedure(find_procedure("system.ecram"), STATION, some, out=tmp_path / "runs")
    found = figures(run)
    # issue 6, "Numbers"
    assert found["error of the worst column", "instruments"]["ours"] <= 0.0259
    assert found["error of the worst column with the read-out chain", "readings"]["ours"] <= 0.0259
    assert found["MNIST accuracy lost by the layer that was read", "readings"]["ours"] <= 0.005
    assert found["MNIST accuracy lost by the layer on further dies", "physics"]["ours"] <= 0.005
    # systems.md 2.7: 97.3 % less 0.5 points
    assert found["MNIST accuracy with the layer that was read", "readings"]["ours"] >= 0.968
    for way in ("plain", "TTv2, zero at the symmetry point", "TTv2, zero at the convergence point"):
        # from weights of 0; untrained it would be 10 %
        assert found[f"MNIST accuracy trained on the array: {way}", "physics"]["ours"] > 0.85
