"""Matrices larger than an array, and layers on tiles. Authority: matrix multiplication by NumPy; Ohm and Kirchhoff."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labctl.networks.mapping import from_offset, from_slices, quantise, to_offset, to_slices
from labctl.networks.read_out import CurrentScaling
from labctl.networks.tiled_layer import TiledLayer
from labctl.networks.tiles import cut, joined, tile_count

SIZES = st.integers(1, 12)


@given(SIZES, SIZES, SIZES, SIZES)
def test_sums_of_tiles_are_the_product_of_the_whole_matrix(inputs, outputs, rows, columns):
    rng = np.random.default_rng(inputs * 100 + outputs)
    matrix, vectors = rng.integers(-5, 6, (inputs, outputs)), rng.integers(-5, 6, (3, inputs))
    tiles = cut(inputs, outputs, rows=rows, columns=columns)
    assert len(tiles) == tile_count(inputs, outputs, rows=rows, columns=columns)
    assert all(tile.shape[0] <= rows and tile.shape[1] <= columns for tile in tiles)
    parts = [(vectors[:, tile.inputs] @ tile.of(matrix)).astype(float) for tile in tiles]
    np.testing.assert_array_equal(joined(tiles, parts, outputs), vectors @ matrix)


def test_tiles_refuse_what_cannot_be_cut_and_parts_that_do_not_fit():
    with pytest.raises(ValueError, match="at least 1"):
        cut(4, 4, rows=0, columns=4)
    with pytest.raises(ValueError, match="came with 3 columns"):
        joined(cut(4, 2, rows=4, columns=2), [np.zeros((1, 3))], 2)


@given(st.integers(2, 7), st.integers(1, 4), st.integers(0, 10000))
def test_slices_put_together_are_the_weights(base, slices, seed):
    top = base**slices - 1
    values = np.random.default_rng(seed).integers(-top, top + 1, (5, 3))
    digits = to_slices(values, base=base, slices=slices)
    assert np.abs(digits).max(initial=0) < base
    np.testing.assert_array_equal(from_slices(digits.astype(float), base=base), values)


def test_slices_refuse_a_weight_with_too_many_digits():
    with pytest.raises(ValueError, match="2 digits of base 4 reach 15"):
        to_slices(np.array([[16]]), base=4, slices=2)


def test_offset_mapping_gives_the_weights_back_whatever_the_references_are():
    values = np.array([[-3, 0], [2, 3]])
    levels = to_offset(values, middle=3)
    np.testing.assert_array_equal(levels[:, -1], 3)
    # each row shifted by what its reference is off: the difference, which is the weight, stays
    conductance_s = 1e-6 * levels + np.array([[2e-7], [-3e-7]])
    back = from_offset(conductance_s, step=0.5, g_min_s=0.0, g_max_s=6e-6, levels=7)
    np.testing.assert_allclose(back, 0.5 * values)
    with pytest.raises(ValueError, match="at least -2"):
        to_offset(values, middle=2)


def layer_of(weights, **settings):
    told = {"rows": 4, "columns": 3, "levels": 101, "g_min_s": 1e-6, "g_max_s": 11e-6} | settings
    return TiledLayer.of(weights, largest_input=3.0, input_bits=2, **told)


def test_layer_on_exact_devices_is_the_product_of_quantised_weights():
    rng = np.random.default_rng(0)
    weights, inputs = rng.normal(size=(7, 5)), rng.integers(0, 4, (6, 7)).astype(float)
    layer = layer_of(weights)
    # ceil(7 / 4) x ceil(5 / 2) tiles; one reference column each
    assert len(layer.tiles) == 6
    assert layer.shape == (4, 2 * (3 + 3 + 2))
    signed = quantise(weights, levels=51)
    np.testing.assert_allclose(layer.weights_of(layer.targets_s()), signed.values * signed.step, atol=1e-12)
    sums_a = layer.computed_sums_a(inputs, layer.targets_s(), read_voltage_v=0.1)
    outputs = layer.outputs(sums_a, read_voltage_v=0.1)
    np.testing.assert_allclose(outputs, inputs @ (signed.values * signed.step), atol=1e-9)


def test_layer_through_a_fine_converter_differs_by_its_steps_alone():
    rng = np.random.default_rng(1)
    weights, inputs = rng.normal(size=(4, 2)), rng.integers(0, 4, (20, 4)).astype(float)
    layer = layer_of(weights)
    block_s = layer.targets_s()
    scaling = CurrentScaling(4 * 11e-6 * 0.1, bits=12)
    sums_a = layer.computed_sums_a(inputs, block_s, read_voltage_v=0.1, scaling=scaling)
    exact = layer.computed_sums_a(inputs, block_s, read_voltage_v=0.1)
    error_a = np.abs(np.array(sums_a) - np.array(exact))
    assert 0.0 < error_a.max() <= 0.5 * scaling.step_a * scaling.ratios[-1]
    difference = layer.outputs(sums_a, read_voltage_v=0.1) - layer.outputs(exact, read_voltage_v=0.1)
    per_level_a = 1e-7 * 0.1
    # two bits, a column and its reference
    assert np.abs(difference).max() <= 3 * 2 * error_a.max() / per_level_a * layer.weights.step
