"""Authority: the points themselves: NumPy's minimum and maximum of all of them, and of any range of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from labctl.gui.plots.decimated import Decimated


def fed(x, y, sizes, most_buckets=8):
    curve = Decimated(most_buckets)
    start = 0
    place = 0
    while start < len(x):
        end = start + sizes[place % len(sizes)]
        curve.append(x[start:end], y[start:end], np.arange(start, min(end, len(x))) + 1)
        start, place = end, place + 1
    return curve


VALUES = hnp.arrays(np.float64, st.integers(1, 700), elements=st.floats(-1e6, 1e6))
SIZES = st.lists(st.integers(1, 90), min_size=1, max_size=5)


@settings(deadline=None)
@given(VALUES, SIZES, st.integers(8, 200))
def test_extremes_and_ends_are_never_lost_when_a_curve_is_decimated(y, sizes, most):
    x = np.arange(len(y)) * 0.5
    curve = fed(x, y, sizes)
    shown = curve.shown(most)
    assert curve.count == len(y)
    assert (shown.y.min(), shown.y.max()) == (y.min(), y.max())
    assert (shown.y[0], shown.y[-1], shown.x[0], shown.x[-1]) == (y[0], y[-1], x[0], x[-1])
    # points are the curve's own and in order
    places = shown.seqs.astype(int) - 1
    assert np.all(np.diff(places) >= 0)
    np.testing.assert_array_equal(shown.y, y[places])
    np.testing.assert_array_equal(shown.x, x[places])


@settings(deadline=None)
@given(VALUES, SIZES)
def test_each_bucket_holds_the_extremes_of_its_points(y, sizes):
    curve = fed(np.arange(len(y)) * 1.0, y, sizes)
    each = curve.each
    for number in range(curve._buckets.shape[1]):
        _, kept, seqs = curve._buckets[:, number]
        part = y[number * each : (number + 1) * each]
        assert (seqs[0], seqs[-1]) == (number * each + 1, (number + 1) * each)
        assert (kept.min(), kept.max(), kept[0], kept[-1]) == (part.min(), part.max(), part[0], part[-1])


@settings(deadline=None)
@given(VALUES, SIZES, st.data())
def test_range_holds_its_extremes_when_only_a_part_is_shown(y, sizes, data):
    curve = fed(np.arange(len(y)) * 1.0, y, sizes)
    low = data.draw(st.integers(0, len(y) - 1))
    high = data.draw(st.integers(low, len(y) - 1))
    shown = curve.shown(64, low, high)
    inside = y[low : high + 1]
    assert shown.y.min() <= inside.min()
    assert shown.y.max() >= inside.max()
    first, last = curve.seq_range(low, high)
    assert first <= low + 1
    assert last >= high + 1
    # and little else: a bucket that lies in part in the range, and a neighbour
    assert first > low + 1 - 2 * curve.each
    assert last < high + 1 + 2 * curve.each


def test_memory_and_points_stay_bounded_when_a_million_points_come():
    curve = Decimated()
    generator = np.random.default_rng(5)
    for first in range(0, 1_000_000, 1000):
        seqs = np.arange(first, first + 1000) + 1
        curve.append(seqs * 1.0, generator.normal(size=1000), seqs)
    assert curve._buckets.nbytes + curve._tail.nbytes <= 1_000_000
    shown = curve.shown(2000)
    assert len(shown.x) <= 4000
    assert shown.each > 1
    # the latest points are there as they came
    exact = curve.shown(100_000, 999_000)
    np.testing.assert_array_equal(exact.seqs[-1000:], np.arange(999_001, 1_000_001))


def test_loop_keeps_its_order_when_x_goes_back():
    x = np.tile(np.concatenate([np.arange(50), np.arange(50)[::-1]]), 20) * 1.0
    curve = fed(x, np.sin(x), [100])
    assert not curve.is_monotone
    shown = curve.shown(64, 10, 20)
    assert np.all(np.diff(shown.seqs) >= 0)
    # a range of x means nothing where x goes back: all of it is shown
    assert (shown.seqs[0], shown.seqs[-1]) == (1, len(x))


def test_points_without_a_number_are_left_out():
    curve = Decimated()
    curve.append(np.array([1.0, np.nan, 3.0, 4.0]), np.array([1.0, 2.0, np.inf, 4.0]), np.arange(4) + 1)
    assert curve.shown(100).seqs.tolist() == [1, 4]
    assert curve.latest == (4.0, 4.0)


def test_decimated_refuses_a_count_that_cannot_be_halved():
    with pytest.raises(ValueError, match="even"):
        Decimated(7)
