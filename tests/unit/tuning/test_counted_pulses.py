"""Open loop and corrections. Authority: n = round((G_t - G) / dG) (systems.md 2.7) and linear cells in the test."""

import numpy as np
import pytest

from labctl.tuning.counted_pulses import counted_pulses, program_by_count

STEPS = {"up_step_s": 2.0, "down_step_s": 1.0}


def test_pulses_are_those_that_lead_nearest_and_none_without_a_reading():
    found = counted_pulses(np.array([0.0, 10.0, np.nan, 5.0]), np.array([9.1, 6.4, 3.0, 5.4]), **STEPS)
    assert found.tolist() == [5, -4, 0, 0]
    with pytest.raises(ValueError, match="must be positive"):
        counted_pulses(np.zeros(1), np.ones(1), up_step_s=0.0, down_step_s=1.0)


def test_corrections_bring_cells_with_other_steps_to_half_a_step():
    cells = [(0, 0), (0, 1), (3, 2)]
    # what the cells really do by a pulse: half, all and one and a half of what is believed
    own, state, given = np.array([0.5, 1.0, 1.5]), np.zeros(3), []

    def give(chosen, counts):
        given.append(dict(zip(chosen, counts.tolist(), strict=True)))
        for cell, count in zip(chosen, counts, strict=True):
            state[cells.index(cell)] += count * own[cells.index(cell)]

    steps = {"up_step_s": 1.0, "down_step_s": 1.0}
    found, passes = program_by_count(
        cells, np.full(3, 8.0), read=lambda chosen: state.copy(), give=give, corrections=3, **steps
    )
    assert given[0] == {(0, 0): 8, (0, 1): 8, (3, 2): 8}
    assert given[1] == {(0, 0): 4, (3, 2): -4}
    assert len(passes) == 4
    assert np.abs(found - 8.0).max() <= 1.0
    assert passes[0].before_s.tolist() == [0.0, 0.0, 0.0]


def test_nothing_is_given_when_cells_are_there_already():
    def give(chosen, counts):
        raise AssertionError

    found, passes = program_by_count(
        [(0, 0)], np.array([5.0]), read=lambda chosen: np.array([5.3]), give=give, corrections=2, **STEPS
    )
    assert (found.tolist(), passes) == ([5.3], [])
