"""Costs of a network on walls and in CMOS. Authority: the sums by hand from the numbers of the design file."""

from functools import partial

import pytest

from labctl.analysis.synapse_costs import MeasuredWalls, cmos_cost, load_design, wall_cost

# joules are smaller than what approx() lets pass by itself
near = partial(pytest.approx, rel=1e-9, abs=0.0)
SIZES = [784, 128, 10]
MEASURED = MeasuredWalls(read_v=0.1, conductance_s=60e-6, pulse_j=2e-15)


def test_walls_cost_readings_conversions_and_cells():
    found = wall_cost(load_design(), SIZES, walls=1, measured=MEASURED)
    # one column of references in each layer
    devices, columns = 784 * 129 + 128 * 11, 129 + 11
    assert found.inference_j == near(devices * 0.01 * 60e-6 * 10e-9 + columns * 2e-12)
    # 17 converters take turns of 8 columns, 2 converters turns of 6
    assert found.inference_s == near(10e-9 + 8 * 10e-9 + 10e-9 + 6 * 10e-9)
    assert found.update_j == near(7e-15)
    assert found.area_m2 == near(devices * 0.25e-12 + 19 * 3e-9)


def test_pairs_take_twice_the_columns():
    found = wall_cost(load_design(), SIZES, walls=2, measured=MEASURED)
    devices, columns = 2 * (784 * 128 + 128 * 10), 2 * 138
    assert found.inference_j == near(devices * 0.01 * 60e-6 * 10e-9 + columns * 2e-12)


def test_cmos_costs_as_many_bits_as_the_levels_need():
    found = cmos_cost(load_design(), SIZES, levels=5)
    weights = 784 * 128 + 128 * 10
    assert found.inference_j == near(weights * (0.2e-12 + 0.1e-12 + 3 * 10e-12 / 64))
    assert found.inference_s == near(794e-9)
    assert found.area_m2 == near(weights * 3 * 0.37e-12 / 0.7 + 128 * (282e-12 + 137e-12))


def test_every_number_of_the_design_has_a_source():
    design = load_design()
    assert all(design.source(key) for key in design)
