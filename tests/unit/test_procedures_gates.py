"""Electrochemical transistors and a magnetic domain wall, measured through the instruments of their simulated stations.

Authority: the closed form of the linear step with soft bounds (AIHWKIT), with the numbers of the preset file; the
closed form of the pinning model above the depinning current; what a rack without an array can do.
"""

import tomllib
from importlib.resources import files

import numpy as np
import pytest

from labctl.errors import LabError
from labctl.run import execute_procedure
from labctl_mock.bench.bench import Bench
from labctl_procedures import find_procedure

# no spread between devices and pulses, no noise, no wires between source and gate: what is left is the law
LAW_ONLY = dict.fromkeys(("device_spread", "cycle_spread", "read_noise", "relaxation", "wire_resistance"), False)


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("LABCTL_HOME", str(tmp_path / "home"))
    return tmp_path / "runs"


def measure(name, home, station=None, **parameters):
    procedure = find_procedure(name)
    run = execute_procedure(procedure, station or procedure.default_station, parameters, out=home)
    assert run.status == "finished", run.summary()["error"]
    return run, run.summary()["results"]


def numbers(preset):
    text = (files("labctl_data") / "devices" / f"{preset}.toml").read_text(encoding="utf-8")
    return {
        f"{part}.{name}": entry["value"]
        for part, table in tomllib.loads(text).items()
        if isinstance(table, dict)
        for name, entry in table.items()
    }


def soft_bounds(start, pulses, own):
    """Return w after each pulse: up, then as many down."""
    step, w = own["update.step"], start
    curves = [[w], []]
    for _ in range(pulses):
        w += step * (1.0 - own["update.gamma_up"] * w / own["update.w_max"])
        curves[0].append(w)
    curves[1].append(w)
    for _ in range(pulses):
        w -= step * (1.0 - own["update.gamma_down"] * w / own["update.w_min"])
        curves[1].append(w)
    return [np.array(curve) for curve in curves]


def test_ecram_follows_the_linear_step_with_soft_bounds_and_spares_its_neighbours(home):
    own, pulses = numbers("um2024_ecram"), 30
    Bench.reset("ecram-32x32", effects=LAW_ONLY)
    with Bench.open("ecram-32x32") as bench:
        before_s = np.asarray(bench.truth()["conductance_s"])
    run, found = measure("ecram_update", home, cells="3,4", pulses=pulses, cycles=1)
    curves_s = [run.arrays()[name].values[0, 0] for name in ("potentiation", "depression")]
    # of the 2 V above the dead zone, the column's channels take 20 mV off at the contact of the source line, and two
    # instruments are off by 5 mV each: 1.5 % of every step
    start = (before_s[3, 4] - own["read.middle"]) / own["read.half_range"]
    expected_s = [own["read.middle"] + own["read.half_range"] * w for w in soft_bounds(start, pulses, own)]
    for shown_s, right_s in zip(curves_s, expected_s, strict=True):
        assert shown_s / right_s == pytest.approx(1.0, abs=0.01)
        assert np.diff(shown_s) == pytest.approx(np.diff(right_s), abs=0.03 * np.abs(np.diff(right_s)).mean())
    # the definitions, from the closed form: what one cycle leaves behind, and NL = 10.1 times the largest deviation
    lines = [(one - one[0]) / (one[-1] - one[0]) - np.linspace(0.0, 1.0, pulses + 1) for one in expected_s]
    labels = [10.1 * line[np.argmax(np.abs(line))] for line in lines]
    assert found["nonlinearity_label_up"] == pytest.approx(labels[0], abs=0.1)
    assert found["nonlinearity_label_down"] == pytest.approx(labels[1], abs=0.1)
    with Bench.open("ecram-32x32") as bench:
        after_s = np.asarray(bench.truth()["conductance_s"])
    others = np.ones(after_s.shape, dtype=bool)
    others[3, 4] = False
    assert after_s[others] == pytest.approx(before_s[others], rel=1e-9)
    assert abs(after_s[3, 4] / before_s[3, 4] - 1.0) > 1e-3


def test_ecram_estimate_holds_the_wait_after_each_pulse(home):
    from labctl.run.dry_run import estimate_run

    parameters = {"pulses": 6, "cycles": 2}
    told = estimate_run(find_procedure("ecram_update"), "ecram-32x32", parameters)
    run, _ = measure("ecram_update", home, **parameters)
    took_s = float(run.table()["Time (s)"].max())
    assert took_s > 24.0 * 1.0
    assert 0.5 < told.duration_s / took_s < 2.0
    assert 0.5 < told.points / len(run.table()) < 2.0


def test_every_move_of_the_wall_is_counted_from_readings_on_both_sides_of_the_pulse(home):
    Bench.reset("domain-wall", effects={"device_spread": False})
    run, found = measure("domain_wall_map", home, widths="8 ns, 20 ns", amplitudes="0.9, 1.1", repeats=4)
    table, moves = run.table(), run.arrays()["moves"].values[0]
    levels_s = run.arrays()["level"].values[0]
    assert moves.sum(axis=-1) == pytest.approx(4.0)
    tested = table.index[table["Event"] == "pulse"]
    counts = np.zeros(moves.shape)
    for place in tested:
        before, after = (int(np.argmin(np.abs(levels_s - table["Conductance (S)"][place + side]))) for side in (-1, 1))
        assert before == 0
        row, column = divmod(int(table["Step"][place]), 2)
        counts[row, column, min(after, 2)] += 1
    assert counts.tolist() == moves.tolist()
    # 0.9 Jc for 8 ns moves one wall of twelve, 1.1 Jc for 20 ns nearly every wall by two states
    assert moves[0, 0, 0] >= 2
    assert moves[1, 1, 2] >= 2
    assert found["one_step"] == pytest.approx((counts[..., 1] / counts.sum(axis=-1)).max())


def pinning(part, width_ns):
    """Return P(0), P(1), P(2 and more) of equal notches above the depinning current.

    There every notch lets go at 1 / ns. A flight to the next one, 100 nm at 10 m/s times J / Jc, counts from its middle
    on. A second step needs two waits, one flight and a half: the sum of two exponential waits is an Erlang law.
    """
    flight_ns = 10.0 / part
    first_ns, second_ns = max(0.0, width_ns - 0.5 * flight_ns), max(0.0, width_ns - 1.5 * flight_ns)
    none, two = np.exp(-first_ns), 1.0 - np.exp(-second_ns) * (1.0 + second_ns)
    return np.array([none, 1.0 - none - two, two])


@pytest.mark.slow
def test_wall_moves_with_the_probabilities_of_the_pinning_model(home):
    # up to the depinning current the rate goes as exp(-60 (1 - J / Jc)): 1 % of amplitude is a factor of 2 there
    Bench.reset("domain-wall", effects={"device_spread": False})
    repeats, parts, widths_ns = 100, (1.1, 1.2), (8, 15, 20)
    text = ", ".join(f"{width} ns" for width in widths_ns)
    run, _ = measure("domain_wall_map", home, widths=text, amplitudes="1.1, 1.2", repeats=repeats)
    shares = run.arrays()["moves"].values[0] / repeats
    for place in np.ndindex(shares.shape[:2]):
        expected = pinning(parts[place[0]], widths_ns[place[1]])
        # four standard deviations of a binomial, and what 1 % of the amplitude and the spread of the speed do
        allowed = 4.0 * np.sqrt(np.maximum(expected * (1.0 - expected), 0.01) / repeats) + 0.03
        assert (np.abs(shares[place] - expected) <= allowed).all(), (place, shares[place], expected)


@pytest.mark.parametrize(
    ("name", "station", "parameters", "told"),
    [
        ("domain_wall_map", None, {"widths": "8 ns, soon"}, "widths"),
        ("domain_wall_map", None, {"widths": "1 ns"}, "Keysight33622A.: 5e-09 s"),
        ("domain_wall_map", None, {"amplitudes": "0"}, "above 0"),
        ("domain_wall_map", None, {"amplitudes": "20"}, "envelope|0.5 V"),
        ("domain_wall_map", None, {"cells": "0,1"}, "must lie in 0 to 0"),
        ("ecram_update", None, {"width": "1 us"}, "smu"),
        ("ecram_update", None, {"up_voltage": "10 V", "pulse_form": "incremental", "up_step": "1 V"}, "at most 10 V"),
        ("multiply_vectors", "hfo2-1t1r-64x64", {"cells": "0:2,0:2"}, "share lines"),
        ("half_select_disturb", "domain-wall", {"cells": "0,0"}, "no neighbours"),
    ],
)
def test_what_the_rack_cannot_do_is_refused_before_a_run_file_exists(home, name, station, parameters, told):
    with pytest.raises(LabError, match=told):
        measure(name, home, station, **parameters)
    assert not list(home.glob("**/*.sqlite"))


@pytest.mark.parametrize("station", ["ecram-32x32", "domain-wall"])
def test_energy_is_refused_where_a_gate_or_track_writes(home, station):
    with pytest.raises(LabError, match="two terminals"):
        measure("pulse_energy", home, station)
    assert not list(home.glob("*"))


def test_sums_in_a_source_line_are_those_of_its_channels_when_vectors_are_multiplied(home):
    # Kirchhoff, with the conductances of the bench; a 2636B is off by at most 0.02 % + 25 nA / 10 uA of its ranges
    Bench.reset("ecram-32x32", effects=LAW_ONLY)
    run, results = measure("multiply_vectors", home, "ecram-32x32", cells="0:3,0:2", vectors=30)
    with Bench.open("ecram-32x32") as bench:
        channels_s = np.asarray(bench.truth()["conductance_s"])[:3, :2]
    arrays = run.arrays()
    expected = arrays["vectors"].values.astype(float) @ channels_s * 0.1
    full_scale_a = 3 * channels_s.max() * 0.1
    np.testing.assert_allclose(arrays["measured"].values, expected, atol=5e-3 * full_scale_a)
    assert np.ptp(expected) > 0.6 * full_scale_a
    assert results["column_error_worst"] < 5e-3
    assert results["readings_missing"] == 0
