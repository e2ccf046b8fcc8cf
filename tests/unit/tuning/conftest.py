"""A bare metal-oxide cell, by the law of the physics room, with spread, noise and an optional stuck state."""

from math import exp

import numpy as np
import pytest

from labctl.physics.metal_oxide import MetalOxideLaw, delta_conductance, saturated_step
from labctl.physics.presets import load_preset
from labctl.tuning import Staircase

LAW = MetalOxideLaw.from_preset(load_preset("kim2021_tiox_al2o3"))


class BareCell:
    def __init__(self, conductance_s, seed=0, *, is_stuck=False, noise=0.003):
        self.conductance_s, self.is_stuck, self.noise = conductance_s, is_stuck, noise
        self.rng = np.random.default_rng(seed)
        self.gain = exp(0.2 * self.rng.normal())
        self.offset_v = 0.05 * self.rng.normal()
        self.voltages = []

    def apply(self, stimulus):
        if isinstance(stimulus, Staircase):
            for level_v in stimulus.levels_v():
                self._hit(level_v, stimulus.dwell_s)
        else:
            self._hit(stimulus.voltage_v, stimulus.width_s)

    def _hit(self, voltage_v, width_s):
        self.voltages.append(voltage_v)
        if self.is_stuck:
            return
        step_s = float(delta_conductance(self.conductance_s, voltage_v, width_s, LAW, offset_v=self.offset_v))
        step_s *= self.gain * exp(0.3 * self.rng.normal())
        self.conductance_s += float(saturated_step(self.conductance_s, step_s, LAW))

    def read(self):
        return self.conductance_s * (1.0 + self.noise * self.rng.normal())


def run(tuner, cell, limit=10000):
    for count in range(limit):
        decision = tuner.decide(cell.read())
        if not hasattr(decision, "voltage_v"):
            return decision, count
        cell.apply(decision)
    raise AssertionError("the tuner does not end")


@pytest.fixture
def make_cell():
    return BareCell


@pytest.fixture
def drive():
    return run
