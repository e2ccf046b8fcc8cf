"""The domain-wall system on its simulated station, small: device figures, device file, networks, refusals.

Authority: a Monte Carlo of the law of systems.md 5.3 in this file, and the table there; section 8 (acceptance).
"""

import math
import re
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import beta

from labctl.errors import RunError
from labctl.networks.images import image_folder, load_images
from labctl.networks.quantised_training import StepChances, WallScheme, train_on_walls
from labctl.physics.domain_wall import DomainWallTrack
from labctl.physics.presets import load_preset
from labctl.store import open_run
from labctl_procedures.system.wall_figures import device_figures

# small numbers of everything; 5 dies, as the figures want
SMALL = {
    "image_set": "digits",
    "widths": "10 ns, 20 ns",
    "amplitudes": "0.9, 1.15",
    "repeats": 1,
    "trials": 8,
    "sweep": "0.9, 0.95, 1.0",
    "tracks": 8,
    "seeds": 5,
    "hidden": 32,
    "epochs": 15,
    "further_states": "8",
    "failing": "30 %",
    "curve_seeds": 1,
}
# P(0), P(1), P(2): 20 000 trials made before and elsewhere
TABLE = {
    (0.90, 10): (0.90, 0.11, 0.00),
    (1.00, 10): (0.25, 0.75, 0.00),
    (1.10, 10): (0.01, 0.99, 0.00),
    (1.10, 12): (0.003, 0.997, 0.00),
    (1.10, 20): (0.00, 0.03, 0.97),
    (1.20, 10): (0.003, 0.997, 0.00),
    (1.20, 12): (0.00, 0.99, 0.01),
    (1.20, 20): (0.00, 0.01, 0.99),
}
# section 8: P(1) > .99 at 1.1-1.2 Jc and 10-12 ns; P(2) ~ 1 at 20 ns, for which the table has the number
LEAST = {(1.1, 10): 0.99, (1.1, 12): 0.99, (1.2, 10): 0.99, (1.2, 12): 0.99, (1.1, 20): 0.97, (1.2, 20): 0.99}
TRIALS = 40_000


def monte_carlo(part, width_ns, rng):
    """Return how many of so many walls, each with notches of its own, a pulse moves by 0, 1 and 2 or more notches."""
    moved = np.zeros(TRIALS, dtype=int)
    left_ns = np.full(TRIALS, float(width_ns))
    # 100 nm at 10 m/s and J = Jc, 5 % spread from pulse to pulse
    flight_ns = 10.0 / (part * (1.0 + 0.05 * rng.normal(size=TRIALS)))
    going = np.ones(TRIALS, dtype=bool)
    while going.any():
        critical = 1.0 + 0.05 * rng.normal(size=TRIALS)
        # tau0 = 1 ns, a barrier of 60 kT that falls linearly with the current
        tau_ns = np.exp(60.0 * np.maximum(0.0, 1.0 - part / critical))
        left_ns = left_ns - rng.exponential(tau_ns)
        # a pulse that ends in flight leaves the wall at the nearest notch
        moved += going & (left_ns >= 0.5 * flight_ns)
        left_ns = left_ns - flight_ns
        going &= left_ns > 0.0
    return np.bincount(np.minimum(moved, 2), minlength=3)


def run_small(labctl, *more, **changed):
    values = [text for key, value in (SMALL | changed).items() for text in ("-p", f"{key}={value}")]
    return labctl("run", "system.domain_wall", "-s", "domain-wall", *values, *more)


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """Run it once for all tests of this file."""
    import contextlib
    import io
    import json
    import sys

    from labctl.cli.main import main

    folder = tmp_path_factory.mktemp("domain-wall")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LABCTL_HOME", str(folder / "home"))
        patch.setenv("LABCTL_DATA_ROOT", str(folder / "runs"))
        values = [text for key, value in SMALL.items() for text in ("-p", f"{key}={value}")]
        given = ["labctl", "run", "system.domain_wall", "-s", "domain-wall", *values, "--json"]
        patch.setattr(sys, "argv", [*given, "-p", f"device_file={folder / 'extracted.toml'}"])
        told = io.StringIO()
        with contextlib.redirect_stdout(told), pytest.raises(SystemExit) as left:
            main()
        assert not left.value.code
    summary = json.loads(told.getvalue())
    return summary["results"], open_run(next((folder / "runs").glob("*.run.sqlite"))), folder / "extracted.toml"


def figures(results, way):
    return {one["quantity"]: one for one in results["reproduction"] if one["way"] == way}


def test_steps_of_pulses_follow_an_independent_monte_carlo_and_the_table(ran):
    results, _, _ = ran
    found, rng = figures(results, "physics"), np.random.default_rng(5)
    for (part, width_ns), table in TABLE.items():
        if part < 1.1:
            continue
        steps = 2 if width_ns == 20 else 1
        far = "two" if steps == 2 else "one state"
        figure = found[f"pulses of {part:g} Jc, {width_ns} ns that move a wall by {far}"]
        expected = monte_carlo(part, width_ns, rng)[steps] / TRIALS
        # 5 dies of 64 tracks with 2 trials, a good half of which have two states ahead; the same notches come again
        error = math.sqrt(max(expected * (1.0 - expected), 1e-3) * (1.0 / TRIALS + 1.0 / (5 * 64)))
        assert figure["ours"] == pytest.approx(expected, abs=5.0 * error)
        assert expected == pytest.approx(
            table[steps], abs=0.0055 + 4.0 * math.sqrt(2.0 * expected * (1 - expected) / 2e4)
        )
        # what the page says of the law
        told = float(re.search(r"dhull2024_domain_wall gives ([\d.]+)", figure["note"])[1]) / 100.0
        assert told == pytest.approx(expected, abs=4.0 * math.sqrt(expected * (1.0 - expected) / TRIALS))
        assert figure["holds"] == (figure["ours"] >= LEAST[part, width_ns])


def test_pulses_of_the_station_are_judged_by_the_same_bar_and_told_with_their_interval(ran):
    results, _, _ = ran
    through, alone = (figures(results, way) for way in ("instruments", "physics"))
    for (part, width_ns), least in LEAST.items():
        far = "two" if width_ns == 20 else "one state"
        name = f"pulses of {part:g} Jc, {width_ns} ns that move a wall by {far}"
        figure = through[name]
        assert (figure["rule"], figure["source"]) == (alone[name]["rule"], alone[name]["source"])
        assert figure["rule"] == f"at least {100 * least:g} %"
        moved, trials = (int(text) for text in re.match(r"(\d+) of (\d+) pulses", figure["note"]).groups())
        assert figure["ours"] == pytest.approx(moved / trials)
        assert figure["holds"] == (moved >= least * trials)
        # Clopper and Pearson, by quantiles of the beta distribution
        low = beta.ppf(0.025, moved, trials - moved + 1) if moved else 0.0
        high = beta.ppf(0.975, moved + 1, trials - moved) if moved < trials else 1.0
        assert f"interval {low:.1%} to {high:.1%}" in figure["note"]
        assert ("is within it" in figure["note"]) == (low <= least <= high)


def extracted(counts):
    """Return what was extracted where each pulse of LEAST moved walls so often by 0, 1 and 2 states."""
    steps = np.array(counts)[:, np.newaxis]
    trials = SimpleNamespace(steps=steps, chances=lambda number: steps[number, 0] / steps[number].sum())
    states, depinning = SimpleNamespace(centre=range(5), unequal=0.0), SimpleNamespace(spread=0.05, notches=4)
    return SimpleNamespace(trials=trials, states=states, depinning=depinning)


def test_pulse_that_misses_the_bar_of_the_table_is_told_so():
    # one state: 98 of 100 misses .99; two states: 96 of 100 misses .97 and .99, though not .95
    missed = [(1, 98, 1)] * 4 + [(0, 4, 96)] * 2
    reached = [(0, 100, 0)] * 4 + [(0, 1, 99)] * 2
    pulses = SimpleNamespace(number=lambda part, width_s: list(LEAST).index((part, round(width_s * 1e9))))
    for station, dies, expected in ((missed, reached, (False, True)), (reached, missed, (True, False))):
        found = device_figures(extracted(station), [extracted(dies)] * 5, pulses, states=5, spread=0.05)
        moving = [one for one in found if one.quantity.startswith("pulses")]
        assert len(moving) == 12
        for way, holds in zip(("instruments", "physics"), expected, strict=True):
            assert [one.holds for one in moving if one.way == way] == [holds] * 6


def test_no_row_makes_up_for_the_pulse_that_misses(ran):
    results, _, _ = ran
    moving = [one for one in results["reproduction"] if "pulses" in one["quantity"] and one["rule"]]
    # four of one state and two of two, on dies and on the station
    assert len(moving) == 12
    assert {one["quantity"] for one in moving} == {
        f"pulses of {part:g} Jc, {width_ns} ns that move a wall by {'two' if width_ns == 20 else 'one state'}"
        for part, width_ns in LEAST
    }


@pytest.mark.parametrize(("part", "width_ns"), TABLE)
def test_monte_carlo_of_this_file_is_that_of_the_table(part, width_ns):
    counts = monte_carlo(part, width_ns, np.random.default_rng(7)) / TRIALS
    for found, expected in zip(counts, TABLE[part, width_ns], strict=True):
        # half a digit of the table, and four errors of its 20 000 trials
        bar = 0.0055 + 4.0 * math.sqrt(max(expected * (1.0 - expected), 1e-4) / 2e4)
        assert found == pytest.approx(expected, abs=bar)


def test_instruments_see_what_the_notches_of_this_very_device_do(ran):
    _, run, _ = ran
    # every trial of the walk that had two states ahead, as the rows of the file have it
    table = run.table()
    walk = table[table["Item"].isna() & table["Event"].isin(["read", "set", "reset"])].reset_index(drop=True)
    reads_s = walk["Conductance (S)"]
    low_s, high_s = reads_s.min(), reads_s.max()
    state = (reads_s - low_s) / (high_s - low_s) * 4.0
    assert np.nanmax(np.abs(state - np.round(state))) < 0.02
    moved = {0: 0, 1: 0, 2: 0}
    first = int(np.flatnonzero(walk["Event"] == "read")[2])
    for place in np.flatnonzero(walk["Event"] != "read"):
        is_programming = np.isclose(abs(walk["Voltage (V)"][place]), 1.15 * 48.75e-3) and np.isclose(
            walk["Width (s)"][place], 10e-9
        )
        if place < first or not is_programming:
            continue
        way = 1 if walk["Event"][place] == "set" else -1
        before, after = round(state[place - 1]), round(state[place + 1])
        if (4 - before if way > 0 else before) >= 2:
            moved[min(way * (after - before), 2)] += 1
    trials = sum(moved.values())
    counted = run.arrays()
    place = int(np.flatnonzero(np.isclose(counted["swept_amplitude"].values, 1.15))[0])
    for steps, name in enumerate(("no_step", "one_step", "two_steps")):
        assert counted[name].values[place] == pytest.approx(moved[steps] / trials)
    # the notches of die 1: each is left within 10 ns with the chance of its own critical current
    critical = DomainWallTrack(load_preset("dhull2024_domain_wall"), cells=1, seed=1).critical_current_a_m2[0] / 5e10
    left = 1.0 - np.exp(-(10.0 - 5.0 / 1.15) * np.exp(-60.0 * np.maximum(0.0, 1.0 - 1.15 / critical)))
    assert moved[1] >= trials * left.min() - 4.0 * math.sqrt(trials * 0.01)


def test_states_are_counted_and_lie_at_equal_distances(ran):
    results, run, _ = ran
    found = figures(results, "instruments")
    assert results["pinned_states"] == 5
    assert found["pinned states"]["holds"]
    assert found["largest deviation of a state from equal distances"]["ours"] < 0.02
    levels_s = run.arrays()["state_conductance"].values
    # R_P = 10 kohm; R_AP = 30 kohm at 0 V, TMR 200 % / 1.04 at 0.1 V
    assert levels_s[-1] == pytest.approx(1e-4, rel=0.01)
    assert levels_s[0] == pytest.approx(1e-4 / (1.0 + 2.0 / 1.04), rel=0.01)
    assert np.diff(levels_s) == pytest.approx(np.full(4, np.ptp(levels_s) / 4.0), rel=0.02)


def test_device_file_holds_what_was_extracted_and_makes_the_same_device(ran):
    results, _, path = ran
    made, base = load_preset(path), load_preset("dhull2024_domain_wall")
    assert made["track.states"] == 5
    assert made["depinning.critical_current"] == pytest.approx(base["depinning.critical_current"], rel=0.06)
    assert made["depinning.notch_spread"] == pytest.approx(0.05, rel=0.15)
    assert made["read.parallel"] == pytest.approx(base["read.parallel"], rel=0.01)
    assert made["read.antiparallel"] == pytest.approx(base["read.antiparallel"], rel=0.01)
    none, two = made.table("steps.none"), made.table("steps.two")
    assert none.shape == two.shape == (64,)
    assert ((none + two) <= 1.0).all()
    assert np.mean(none) == pytest.approx(results["no_step_part"], abs=0.02)
    assert "through simulated instruments" in made.source("depinning.critical_current")
    assert "physics" in made.source("steps.none")
    # it is a device like any other
    assert DomainWallTrack(made, cells=2, seed=1).states == 5


def test_networks_lose_little_on_walls_that_step_as_extracted(ran):
    results, run, _ = ran
    found = figures(results, "computed")
    assert found["digits accuracy with float weights"]["count"] == 5
    assert found["digits accuracy trained on walls of 5 states"]["ours"] > 0.88
    assert found["digits accuracy lost by the devices"]["ours"] < 0.02
    # training makes up for any pulses that fail, a transfer without a look does not
    trained = found["digits accuracy trained on walls of 5 states"]["ours"]
    assert found["digits accuracy after transfer to other devices"]["ours"] > trained - 0.03
    arrays = run.arrays()
    assert arrays["trained_by_states"].values.shape == (1, 2)
    # written at once with three pulses of ten failing, weights are wrong; trained with them they are not
    assert arrays["trained_by_failing"].values.mean() > arrays["transferred_by_failing"].values.mean() + 0.03


def test_networks_are_trained_on_the_devices_that_were_extracted(ran):
    _, run, _ = ran
    arrays, images = run.arrays(), load_images("digits")
    # every device that was seen, none of them perfect on the whole
    chances = StepChances(*(tuple(arrays[name].values.tolist()) for name in ("device_no_step", "device_two_steps")))
    assert len(chances.none) > 200
    scheme = WallScheme(5, 1, 0.1)
    made = {"epochs": 15, "learning_rate": 1e-2, "batch": len(images.y_train) // 40, "seed": 1}
    again = train_on_walls(images, (32,), scheme, chances, **made)
    table = run.table()
    mine = table[(table["Item"] == "network") & (table["Setting"] == "walls") & (table["Seed"] == 1)]
    values = dict(zip(mine["Quantity"], mine["Value"], strict=True))
    assert values["pulses"] == again.pulses
    assert values["trained"] == pytest.approx(again.network.accuracy(images.x_test, images.y_test), abs=2 / 540)
    moved = again.transferred(scheme, chances, seed=1001, looks=0)
    assert values["transferred"] == pytest.approx(moved.accuracy(images.x_test, images.y_test), abs=2 / 540)


def test_papers_accuracies_are_quoted_and_not_claimed(ran):
    results, _, _ = ran
    found = figures(results, "computed")
    for name, paper in (("training", 0.924), ("inference", 0.904)):
        figure = found[f"VGG8 on CIFAR-10, {name}"]
        assert figure["paper"] == paper
        assert figure["ours"] is None
        assert "not run here" in figure["note"]
    assert any("92.4 %" in sentence for sentence in results["assumed"])


def test_energy_of_pulses_is_that_of_the_track(ran):
    results, run, _ = ran
    table = run.table()
    pulsed = table[table["Width (s)"].notna()]
    expected_j = float((pulsed["Voltage (V)"] ** 2 / 16.25e3 * pulsed["Width (s)"]).sum())
    assert results["ledger"]["pulse_energy_j"] / expected_j == pytest.approx(1.0, rel=1e-6)
    assert results["ledger"]["pulses"] == len(pulsed)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"further_states": "2"}, "whole numbers from 3"),
        ({"dies": "A, A"}, "each device once"),
        ({"sweep": "20"}, "0.5 V|envelope"),
        ({"programming_width": "2 ns"}, "5e-09 s to 1 s"),
        ({"device_file": "extracted.csv"}, "new file .toml"),
        ({"vgg8_file": "none.json"}, "vgg8_file"),
        ({"failing": "often"}, "failing"),
    ],
)
def test_system_refuses_before_anything_is_applied(labctl, homes, changed, told):
    answer = run_small(labctl, **changed)
    assert answer.code != 0
    assert any(part in answer.err for part in told.split("|")), answer.err
    assert not list((homes / "runs").glob("*.run.sqlite"))


def test_system_says_how_to_get_the_images_when_they_are_missing(labctl, monkeypatch):
    monkeypatch.delenv("LABCTL_DATA", raising=False)
    answer = run_small(labctl, image_set="mnist")
    assert answer.code != 0
    assert "--data" in answer.err
    assert "digits" in answer.err


def test_system_refuses_a_station_without_a_track(labctl):
    answer = labctl("run", "system.domain_wall", "-s", "tiox-32x32", "-p", "image_set=digits")
    assert answer.code != 0
    assert "kim2021_tiox_al2o3" in answer.err
    assert "domain-wall" in answer.err


@pytest.mark.slow
def test_several_dies_are_put_in_one_after_another_and_fill_the_device_file(labctl, homes):
    answer = run_small(
        labctl, "--json", dies="A1, A2, A3, A4, A5", seeds=1, tracks=4, trials=10, epochs=1, device_file="five.toml"
    )
    assert answer.code == 0, answer.err
    made = load_preset(homes / "five.toml")
    assert made.table("steps.none").shape == (5,)
    for key in ("steps.none", "depinning.notch_spread", "depinning.critical_current"):
        assert "through simulated instruments" in made.source(key)
        assert "on 5 devices" in made.source(key)
    # 25 notches: 5 % with an error of a seventh, and that of the fit
    assert 0.02 < made["depinning.notch_spread"] < 0.08
    run = open_run(next((homes / "runs").glob("*.run.sqlite")))
    assert list(run.table()["Die"].dropna()) == ["A1", "A2", "A3", "A4", "A5"]


@pytest.mark.slow
def test_mnist_loses_at_most_one_point_at_the_extracted_chances(labctl):
    """The issue, system 5: MNIST loss at most 1 point; P(1) at least 99 % at 1.1 to 1.2 Jc and 10 to 12 ns."""
    try:
        load_images("mnist", image_folder())
    except RunError as missing:
        pytest.skip(str(missing))
    answer = labctl("run", "system.domain_wall", "-s", "domain-wall", "-p", "curve_seeds=1", "--json")
    assert answer.code == 0, answer.err
    results = answer.json()["results"]
    computed, physics = figures(results, "computed"), figures(results, "physics")
    for name in ("MNIST accuracy lost by the devices", "MNIST accuracy lost against float weights"):
        assert computed[name]["count"] >= 5
        assert computed[name]["ours"] <= 0.01
    rng = np.random.default_rng(5)
    for (part, width_ns), least in LEAST.items():
        far, name = (2, "two") if width_ns == 20 else (1, "one state")
        figure = physics[f"pulses of {part:g} Jc, {width_ns} ns that move a wall by {name}"]
        assert figure["count"] >= 5
        law = monte_carlo(part, width_ns, rng)[far] / TRIALS
        assert figure["ours"] == pytest.approx(law, abs=0.004)
        # a miss of the law itself: it gives 0.989 at 1.2 Jc and 12 ns, which the table rounds to 0.99
        is_reached = (part, width_ns) != (1.2, 12)
        assert (law >= least) == is_reached
        assert figure["holds"] == (figure["ours"] >= least) == is_reached
