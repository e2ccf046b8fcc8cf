"""Thinned curves. Authority: what a screen shows of a group of points is its lowest and its highest value."""

import numpy as np
import pytest

from labctl.gui.array.thinning import seen_places, thinned_places


@pytest.mark.parametrize("count", [0, 1, 1600])
def test_few_points_are_all_kept(count):
    np.testing.assert_array_equal(thinned_places(np.arange(float(count)), 0, count), np.arange(count))


@pytest.mark.parametrize("count", [1601, 20_000, 123_457])
def test_every_spike_of_many_points_is_kept(count):
    generator = np.random.default_rng(1)
    values = generator.normal(size=count)
    spikes = generator.choice(count, 20, replace=False)
    values[spikes] = 100.0 * np.where(np.arange(20) % 2, 1.0, -1.0) + np.arange(20)
    places = thinned_places(values, 0, count)
    assert len(places) <= 1604
    assert (np.diff(places) > 0).all()
    assert {0, count - 1} <= set(places.tolist())
    # two spikes of one group hide each other only where the screen would too
    assert len(set(spikes.tolist()) & set(places.tolist())) >= 18


def test_what_is_seen_is_drawn_finely_and_the_rest_coarsely():
    x = np.arange(100_000.0)
    values = np.sin(x)
    places = seen_places(x, values, (50_000.0, 50_500.0))
    assert set(range(50_000, 50_501)) <= set(places.tolist())
    assert {0, 99_999} <= set(places.tolist())
    assert len(places) < 2_500
