"""ECRAM measured through instruments: 100 pulses up, 100 down. Authority: the closed form of the linear step with soft
bounds (AIHWKIT) with the numbers of the preset file; NL is 10.1 times the largest distance from a straight line
(NeuroSim), asymmetry the largest distance of the branch up from the branch down run backwards.
"""

import tomllib
from importlib.resources import files

import numpy as np
import pytest

from labctl.run import execute_procedure
from labctl_mock.bench.bench import Bench
from labctl_procedures import find_procedure

PULSES, CELL = 100, (3, 4)
# no spread between devices and pulses, no noise, no wires between source and gate: what is left is the law
LAW_ONLY = dict.fromkeys(("device_spread", "cycle_spread", "read_noise", "relaxation", "wire_resistance"), False)
# steps are smaller by 1.5 % through what the contact and two instruments take off the pulse
STEPS = 0.015


@pytest.fixture(scope="module")
def own():
    text = (files("labctl_data") / "devices" / "um2024_ecram.toml").read_text(encoding="utf-8")
    tables = tomllib.loads(text)
    return {name: entry["value"] for part in ("update", "read") for name, entry in tables[part].items()}


def soft_bounds(start_s, own, part):
    """Return the conductance before the first pulse up and after each, and the same down; no step passes a bound."""
    step, branches, w = part * own["step"], [], (start_s - own["middle"]) / own["half_range"]
    for sign, bound, gamma in ((1.0, own["w_max"], own["gamma_up"]), (-1.0, own["w_min"], own["gamma_down"])):
        curve = [w]
        for _ in range(PULSES):
            w = sign * min(sign * (w + sign * step * (1.0 - gamma * w / bound)), abs(bound))
            curve.append(w)
        branches.append(own["middle"] + own["half_range"] * np.array(curve))
    return branches


def figures(up_s, down_s):
    """Return NL up and down, largest and mean asymmetry."""
    straight = np.linspace(0.0, 1.0, PULSES + 1)
    bends = [(one - one[0]) / (one[-1] - one[0]) - straight for one in (up_s, down_s)]
    gap = np.abs(up_s - down_s[::-1]) / np.ptp(np.concatenate([up_s, down_s]))
    return [10.1 * bend[np.argmax(np.abs(bend))] for bend in bends] + [gap.max(), gap.mean()]


@pytest.mark.parametrize("effects", [LAW_ONLY, {}], ids=["law", "shipped"])
def test_nonlinearity_and_asymmetry_are_those_of_the_preset(effects, own, tmp_path, monkeypatch, number):
    monkeypatch.setenv("LABCTL_HOME", str(tmp_path))
    Bench.reset("ecram-32x32", effects=effects)
    values = {"cells": "{},{}".format(*CELL), "pulses": PULSES, "cycles": 1}
    run = execute_procedure(find_procedure("ecram_update"), "ecram-32x32", values, out=tmp_path / "runs")
    assert run.status == "finished"
    found = run.summary()["results"]
    measured = [
        found[name] for name in ("nonlinearity_label_up", "nonlinearity_label_down", "asymmetry", "mean_asymmetry")
    ]
    start_s = float(run.arrays()["potentiation"].values[0, 0, 0])
    expected = figures(*soft_bounds(start_s, own, 1.0))
    smaller = figures(*soft_bounds(start_s, own, 1.0 - STEPS))
    # noise of readings and the spread of steps, 30 % each of 100; of this device it may be another step
    bars = (0.1, 0.1, 0.01, 0.01) if effects else (1.0, 1.0, 0.1, 0.1)
    for name, shown, right, reduced, bar in zip(
        ("NL up", "NL down", "asymmetry", "mean asymmetry"), measured, expected, smaller, bars, strict=True
    ):
        off, room = abs(shown - right), bar + abs(right - reduced)
        number(
            f"ECRAM, 100 up and 100 down through instruments, {name}" + ("" if effects else ", all effects on"),
            f"{shown:.3f}, closed form {right:.3f}",
            authority="linear step with soft bounds, numbers of um2024_ecram",
            bar=f"within {bar:g}, and what pulses smaller by {STEPS:.1%} change",
            held=off <= room,
            strain=off / room,
        )
        assert off <= room, name
