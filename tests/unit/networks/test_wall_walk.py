"""Walks along tracks. Authority: a track in this file, whose notches are left with chances that are known."""

import numpy as np
import pytest

from labctl.errors import RunError
from labctl.networks.wall_walk import Place, walk_walls

TEST, DRIVE, END = Place(1.0, 10e-9, 400), Place(1.2, 12e-9, 0), Place(1.15, 20e-9, 0)
DEPINNING_V = 0.05


class Tracks:
    """Five notches; a pulse under test leaves each with its own chance, every other pulse always."""

    def __init__(self, walls, chances, *, reads=lambda position: 1e-5 * (2.0 + position)):
        self.position = np.zeros(walls, dtype=int)
        self.chances, self.reads = np.asarray(chances), reads
        self.rng = np.random.default_rng(1)

    def read_cells(self, cells):
        return np.array([self.reads(self.position[column]) for _, column in cells], dtype=float)

    def pulse_cells(self, cells, voltage_v, width_s):
        for _, column in cells:
            here = self.position[column]
            is_test = width_s == TEST.width_s
            if is_test:
                assert abs(voltage_v) == pytest.approx(TEST.part * DEPINNING_V)
            if not is_test or self.rng.random() < self.chances[here]:
                self.position[column] = np.clip(here + int(np.sign(voltage_v)), 0, 4)


def walk(tracks):
    cells = [(0, column) for column in range(len(tracks.position))]
    return walk_walls(tracks, cells, [TEST], depinning_v=DEPINNING_V, end=END, drive=DRIVE, states=5)


def test_every_notch_is_tried_equally_often_however_hard_it_is_to_leave():
    chances = [0.9, 0.05, 0.9, 0.5, 0.9]
    found = walk(Tracks(3, chances))
    before, after = np.rint(4.0 * found.relative()).astype(int)
    for notch, expected in enumerate(chances):
        begun = before == notch
        # up from notches 0 to 3, down from 4 to 1: those in the middle come twice in eight trials
        assert np.mean(begun) == pytest.approx(0.125 if notch in (0, 4) else 0.25, abs=0.01)
        left = np.mean(after[begun] != notch)
        assert left == pytest.approx(expected, abs=5.0 * np.sqrt(expected * (1.0 - expected) / begun.sum()))


def test_walls_are_pulsed_towards_the_end_that_they_have_not_reached():
    found = walk(Tracks(2, [1.0] * 5))
    before, after = np.rint(4.0 * found.relative()).astype(int)
    np.testing.assert_array_equal(after - before, np.where(found.upwards, 1, -1))
    assert found.ends_s == pytest.approx(np.array([[2e-5, 2e-5], [6e-5, 6e-5]]))


def test_walk_refuses_walls_that_do_not_move_and_readings_without_a_value():
    with pytest.raises(RunError, match=r"2 of 2 do not move, the first at \(0, 0\)"):
        walk(Tracks(2, [1.0] * 5, reads=lambda position: 1e-5))
    with pytest.raises(RunError, match=r"a reading of \(0, 0\) has no value"):
        walk(Tracks(1, [1.0] * 5, reads=lambda position: np.nan if position == 2 else 1e-5 * (1 + position)))
