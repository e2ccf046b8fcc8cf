"""Half-selected neighbours on the device physics alone.

Authority: the scheme V/2 (systems.md 1.4: half of the voltage on 62 of 1024 cells), against the plain array of the same
die.
"""

import numpy as np
import pytest

from labctl.networks.half_selected import HalfSelectedArray
from labctl.networks.physics_array import PhysicsArray
from labctl.physics.fresh_die import Effects
from labctl.physics.presets import load_preset
from labctl.tuning import Pulse, Staircase

QUIET = Effects(device_spread=False, cycle_spread=False, read_noise=False, relaxation=False, stuck_cells=False)


@pytest.fixture
def arrays():
    both = [
        kind(load_preset("kim2021_tiox_al2o3"), 4, 5, 1, read_voltage_v=0.2, effects=QUIET)
        for kind in (PhysicsArray, HalfSelectedArray)
    ]
    for array in both:
        array.pulse_cells(list(np.ndindex(array.shape)), 3.6, 10e-3)
        for _ in range(12):
            array.pulse_cells(list(np.ndindex(array.shape)), -1.5, 1e-4)
    return both


@pytest.mark.parametrize("stimulus", [Pulse(1.2, 1e-4), Staircase(0.6, 1.2, 0.2, 1e-4)])
def test_selected_cell_is_as_alone_and_only_its_lines_are_disturbed(arrays, stimulus):
    alone, crossbar = arrays
    before_s = crossbar.map_s()
    for array in arrays:
        array.apply(1, 2, stimulus)
    after_s, alone_s = crossbar.map_s(), alone.map_s()
    assert after_s[1, 2] == pytest.approx(alone_s[1, 2], rel=1e-9)
    assert after_s[1, 2] > 1.05 * before_s[1, 2]
    lines = np.zeros(crossbar.shape, dtype=bool)
    lines[1, :] = lines[:, 2] = True
    lines[1, 2] = False
    others = ~lines
    others[1, 2] = False
    assert (after_s[lines] > before_s[lines]).all()
    assert after_s[others] == pytest.approx(before_s[others], rel=1e-12)
    # half of 1.2 V disturbs far less than it writes
    assert (after_s - before_s)[lines].max() < 0.05 * (after_s - before_s)[1, 2]


def test_pulses_of_several_cells_stay_with_them(arrays):
    _, crossbar = arrays
    before_s = crossbar.map_s()
    crossbar.pulse_cells([(0, 0), (2, 2)], 1.2, 1e-4)
    changed = crossbar.map_s() / before_s - 1.0 > 1e-9
    assert [tuple(place) for place in np.argwhere(changed)] == [(0, 0), (2, 2)]
