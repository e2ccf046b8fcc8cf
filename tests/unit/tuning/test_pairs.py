"""Partners of stuck cells. Authority: the definition of a differential pair, w = k (G+ - G-)."""

import pytest

from labctl.tuning import CellState, PairKeeper

LOW, TOP = 25e-6, 300e-6


def state(target_s, *, stuck_at_s=None):
    found = CellState(target_s)
    if stuck_at_s is not None:
        found.is_given_up, found.verified_s = True, stuck_at_s
    return found


def keeper(states, *, columns=4, unformed=()):
    targets_s = {cell: item.target_s for cell, item in states.items()} | dict.fromkeys(unformed, 100e-6)
    return PairKeeper(targets_s, columns, LOW, TOP, frozenset(unformed))


@pytest.mark.parametrize(("stuck", "partner"), [((0, 0), (0, 1)), ((0, 3), (0, 2))])
def test_partner_moves_so_that_the_difference_survives(stuck, partner):
    states = {stuck: state(50e-6, stuck_at_s=150e-6), partner: state(100e-6)}
    pairs = keeper(states)
    pairs.revise(states)
    assert states[partner].target_s == pytest.approx(150e-6 - (50e-6 - 100e-6))
    assert pairs.moved == {partner: states[partner].target_s}


def test_partner_stays_within_its_range_when_the_difference_cannot_be_kept():
    states = {(0, 0): state(25e-6, stuck_at_s=310e-6), (0, 1): state(200e-6)}
    keeper(states).revise(states)
    assert states[0, 1].target_s == TOP


def test_partner_of_an_unformed_cell_moves_down_to_the_lowest_level_at_most():
    states = {(2, 1): state(150e-6), (3, 1): state(50e-6)}
    keeper(states, unformed=[(2, 0), (3, 0)]).revise(states)
    assert states[2, 1].target_s == pytest.approx(50e-6)
    assert states[3, 1].target_s == LOW


def test_partner_moves_once_when_the_stuck_cell_drifts():
    states = {(0, 0): state(50e-6, stuck_at_s=150e-6), (0, 1): state(100e-6)}
    pairs = keeper(states)
    pairs.revise(states)
    states[0, 0].verified_s = 160e-6
    pairs.revise(states)
    assert states[0, 1].target_s == pytest.approx(200e-6)


@pytest.mark.parametrize("columns", [0, 2])
def test_cells_outside_the_pairs_are_left_alone(columns):
    states = {(0, 2): state(50e-6, stuck_at_s=150e-6), (0, 3): state(100e-6)}
    keeper(states, columns=columns).revise(states)
    assert states[0, 3].target_s == 100e-6


def test_pair_of_two_stuck_cells_is_left_alone():
    states = {(0, 0): state(50e-6, stuck_at_s=150e-6), (0, 1): state(100e-6, stuck_at_s=10e-6)}
    keeper(states).revise(states)
    assert states[0, 1].target_s == 100e-6
