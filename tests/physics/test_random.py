"""Authority: known-answer vectors of Random123 (kat_vectors, release 1.14); definitions of the distributions."""

import numpy as np
import pytest
from scipy import stats

from labctl.physics.random import Stream, cell_ids, normals, philox4x32, uniforms


@pytest.mark.parametrize(
    ("counter", "key", "answer"),
    [
        ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
    ],
)
def test_philox_gives_the_known_answers(counter, key, answer):
    words = philox4x32([int(w, 16) for w in counter.split()], [int(w, 16) for w in key.split()])
    assert " ".join(f"{word:08x}" for word in words) == answer


def test_draws_do_not_depend_on_order_shape_or_chunks():
    cells, events = cell_ids(6, 5), np.arange(30).reshape(6, 5)
    whole = normals(7, Stream.CYCLE, cells, events)
    for row, column in [(5, 4), (0, 0), (3, 2)]:
        assert normals(7, Stream.CYCLE, row * 65536 + column, events[row, column]) == whole[row, column]
    backwards = normals(7, Stream.CYCLE, cells[::-1], events[::-1])[::-1]
    np.testing.assert_array_equal(backwards, whole)
    np.testing.assert_array_equal(normals(7, Stream.CYCLE, cell_ids(3, 2), events[:3, :2]), whole[:3, :2])


def test_draws_differ_between_seeds_streams_cells_events_and_lanes():
    base = (3, Stream.NOISE, 11, 5, 2)
    others = [(4, *base[1:]), (3 + 2**32, *base[1:]), (3, Stream.CYCLE, 11, 5, 2), (3, Stream.NOISE, 12, 5, 2)]
    others += [(3, Stream.NOISE, 11, 6, 2), (3, Stream.NOISE, 11, 5, 3)]
    values = [float(uniforms(*key)) for key in (base, *others)]
    assert len(set(values)) == len(values)


def test_draws_follow_their_distributions():
    cells = cell_ids(200, 100).ravel()
    assert stats.kstest(uniforms(1, Stream.STUCK, cells), "uniform").pvalue > 1e-3
    drawn = normals(1, Stream.CYCLE, cells)
    assert stats.kstest(drawn, "norm").pvalue > 1e-3
    assert abs(np.corrcoef(drawn, normals(1, Stream.CYCLE, cells, 1))[0, 1]) < 0.03
    assert abs(np.corrcoef(drawn[1:], drawn[:-1])[0, 1]) < 0.03


def test_uniforms_never_reach_their_bounds():
    # the least and the greatest word: 0.5 / 2**32 away from the bounds
    drawn = uniforms(1, Stream.STUCK, np.arange(100_000))
    assert drawn.min() > 0.0
    assert drawn.max() < 1.0


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_seed_is_refused_when_out_of_range(seed):
    with pytest.raises(ValueError, match="seed"):
        normals(seed, Stream.CYCLE, 0)


@pytest.mark.parametrize("shape", [(0, 1), (1, 65537)])
def test_cell_ids_refuse_sizes_out_of_range(shape):
    with pytest.raises(ValueError, match="65536"):
        cell_ids(*shape)
