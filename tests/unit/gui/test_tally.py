"""Authority: NumPy's histogram of all values at once, with the same edges; a plain loop over the rows."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from labctl.gui.plots.tally import CellTally, Histogram

VALUES = hnp.arrays(np.float64, st.integers(1, 300), elements=st.floats(-1e3, 1e3, allow_subnormal=False))


@settings(deadline=None)
@given(st.lists(VALUES, min_size=1, max_size=4), st.integers(2, 200))
def test_histogram_counts_as_numpy_does_when_values_come_in_parts(parts, most):
    histogram = Histogram()
    for part in parts:
        histogram.add(part)
    edges, counts = histogram.bars(most)
    values = np.concatenate(parts)
    assert len(counts) <= most
    assert counts.sum() == histogram.count == len(values)
    # NumPy counts a value on the last edge in the last bin; none lies there
    np.testing.assert_array_equal(counts, np.histogram(values, edges)[0])
    assert len(histogram._bins) <= 2 * 4096


@settings(deadline=None)
@given(hnp.arrays(np.float64, st.integers(1, 300), elements=st.floats(1e-12, 1e-3)))
def test_histogram_counts_logarithms_when_it_is_logarithmic(values):
    histogram = Histogram(is_log=True)
    histogram.add(np.concatenate([values, [0.0, -1.0, np.nan]]))
    edges, counts = histogram.bars(64)
    np.testing.assert_array_equal(counts, np.histogram(np.log10(values), edges)[0])
    assert counts.sum() == len(values)


def test_histogram_is_narrow_when_all_values_are_one():
    histogram = Histogram()
    histogram.add(np.full(1000, 12.5e-6))
    edges, counts = histogram.bars(50)
    assert counts.tolist() == [1000]
    assert edges[0] <= 12.5e-6 < edges[1]


def test_cells_keep_their_last_value_and_count_when_rows_come_in_parts():
    generator = np.random.default_rng(3)
    rows, columns = generator.integers(0, 5, 500) * 1.0, generator.integers(0, 7, 500) * 1.0
    values = np.where(generator.random(500) < 0.2, np.nan, generator.normal(size=500))
    tally = CellTally()
    for first in range(0, 500, 60):
        part = slice(first, first + 60)
        tally.add(rows[part], columns[part], values[part])
    counts, last = {}, {}
    for row, column, value in zip(rows, columns, values, strict=True):
        if value == value:
            counts[(row, column)] = counts.get((row, column), 0) + 1
            last[(row, column)] = value
    assert (tally.counts, tally.values) == (counts, last)
