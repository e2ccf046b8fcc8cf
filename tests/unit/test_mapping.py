"""Weights to levels and back. Authority: the definition of a differential pair, w = k (G+ - G-)."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from labctl.networks.mapping import from_differential, quantise, to_differential

WEIGHTS = arrays(float, (6, 4), elements=st.floats(-3.0, 3.0)).filter(lambda w: np.max(np.abs(w)) > 1e-3)


@given(WEIGHTS, st.integers(2, 16))
def test_weights_come_back_within_half_a_step_or_are_clipped(weights, levels):
    quantised = quantise(weights, levels=levels)
    conductance_s = np.linspace(25e-6, 200e-6, levels)[to_differential(quantised.values)]
    back = from_differential(conductance_s, step=quantised.step, g_min_s=25e-6, g_max_s=200e-6, levels=levels)
    top = quantised.step * (levels - 1)
    inside = np.abs(weights) <= top
    assert np.all(np.abs(back - weights)[inside] <= quantised.step / 2 * (1 + 1e-9))
    assert np.allclose(np.abs(back[~inside]), top)
    assert np.all(np.sign(back[~inside]) == np.sign(weights[~inside]))


@given(WEIGHTS)
def test_pair_leaves_one_side_at_the_lowest_level(weights):
    pairs = to_differential(quantise(weights, levels=8).values)
    assert np.all(np.minimum(pairs[:, 0::2], pairs[:, 1::2]) == 0)


@given(WEIGHTS)
def test_clipping_is_never_worse_than_the_full_range(weights):
    best = quantise(weights, levels=8)
    full = quantise(weights, levels=8, clips=np.array([1.0]))
    error = [np.mean((item.values * item.step - weights) ** 2) for item in (best, full)]
    assert error[0] <= error[1] * (1 + 1e-12)


def test_unreadable_cell_counts_as_balance_when_its_partner_is_fine():
    conductance_s = np.array([[np.nan, 50e-6]])
    assert from_differential(conductance_s, step=0.1, g_min_s=25e-6, g_max_s=200e-6, levels=8)[0, 0] == 0.0


@pytest.mark.parametrize("weights", [np.zeros((2, 2)), np.array([[np.nan, 1.0]])])
def test_quantise_refuses_when_weights_mean_nothing(weights):
    with pytest.raises(ValueError, match="not all zero"):
        quantise(weights, levels=8)
