"""Passes over a small array with half-select disturb by the physics law, no instruments.

Authority: half-select cells see V/2 of the V/2 scheme; the order rules are the module's promise.
"""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from labctl.tuning import (
    FailureReason,
    OverReset,
    PassSettings,
    Pulse,
    RampSettings,
    RvcSettings,
    StopVoltageSettings,
    tune_cells,
)

RVC = RvcSettings(
    tolerance=0.02,
    width_s=1e-4,
    reset=RampSettings(-0.6, -1.7, 0.1, aim=0.5, max_log_change=0.06),
    set=RampSettings(0.5, 1.4, 0.1, aim=0.4, max_log_change=0.06, steep_per_v=10.0, flat_per_v=5.0),
    over_reset=OverReset.NUDGE,
)


class Array:
    """A square of bare cells; every pulse puts V/2 on the cells of its two lines."""

    def __init__(self, make_cell, size=6, seed=0, start_s=300e-6):
        self.size = size
        self.cells = {(r, c): make_cell(start_s, 1000 * seed + size * r + c) for r in range(size) for c in range(size)}
        self.log = []

    def read(self, row, column, note):
        self.log.append(("read", (row, column), note.pass_number, 0.0))
        return self.cells[row, column].read()

    def apply(self, row, column, stimulus, note):
        self.log.append(("apply", (row, column), note.pass_number, stimulus.voltage_v))
        self.cells[row, column].apply(stimulus)
        if isinstance(stimulus, Pulse):
            half = Pulse(stimulus.voltage_v / 2, stimulus.width_s)
            for (r, c), cell in self.cells.items():
                if (r == row) != (c == column):
                    cell.apply(half)


def targets(size=6, seed=0):
    levels_s = np.linspace(25e-6, 200e-6, 8)
    chosen = np.random.default_rng(seed).integers(0, 8, (size, size))
    return {(r, c): float(levels_s[chosen[r, c]]) for r in range(size) for c in range(size)}


def silent(*_):
    return None


def errors(array, wanted):
    return np.array([array.cells[cell].conductance_s / wanted[cell] - 1.0 for cell in wanted])


@pytest.mark.parametrize("seed", range(3))
def test_all_cells_end_in_their_bands_despite_half_select(make_cell, seed):
    array, wanted = Array(make_cell, seed=seed), targets(seed=seed)
    states = tune_cells(array, wanted, PassSettings(RVC), report=silent)
    assert [state.failure for state in states.values()] == [None] * 36
    # 0.3 % read noise and what the last touch-ups disturb come on top of the band
    assert np.abs(errors(array, wanted)).max() < 0.035
    assert np.sqrt(np.mean(errors(array, wanted) ** 2)) < 0.016


def test_later_passes_repair_what_half_select_did(make_cell):
    wanted = targets()
    rms = []
    for passes in (1, 8):
        array = Array(make_cell, size=6)
        tune_cells(array, wanted, PassSettings(RVC, max_passes=passes), report=silent)
        rms.append(np.sqrt(np.mean(errors(array, wanted) ** 2)))
    assert rms[1] < 0.5 * rms[0]


def test_within_a_pass_cells_are_raised_first_and_then_lowered_from_the_lowest_target(make_cell):
    array, wanted = Array(make_cell), targets()
    array.cells[2, 2].conductance_s = 10e-6
    wanted[2, 2] = 100e-6
    tune_cells(array, wanted, PassSettings(RVC, max_passes=1), report=silent)
    pulses = [(cell, voltage_v) for kind, cell, _, voltage_v in array.log if kind == "apply"]
    assert pulses[0][0] == (2, 2)
    assert pulses[0][1] > 0.0
    order = [wanted[cell] for cell, voltage_v in pulses if voltage_v < 0.0]
    first_visits = [order[0], *(b for a, b in pairwise(order) if a != b)]
    assert first_visits == sorted(first_visits)


def test_first_pass_stops_above_the_target_when_more_passes_follow(make_cell):
    array, wanted = Array(make_cell, size=3), targets(size=3)
    states = tune_cells(array, wanted, PassSettings(RVC, max_passes=2), report=silent)
    for state in states.values():
        assert state.first_pass_s > state.target_s


def test_stuck_cell_is_given_up_after_a_second_chance_and_the_others_are_finished(make_cell):
    array, wanted = Array(make_cell, size=4), targets(size=4)
    array.cells[1, 1].is_stuck = True
    settings = PassSettings(RVC)
    coarse = sum(settings.margin(number) > 0.0 for number in range(1, 9))
    states = tune_cells(array, wanted, settings, report=silent)
    assert states[1, 1].failure is FailureReason.STUCK_HIGH
    # a coarse pass is no proof, since the array still loads its lines; two failures in fine passes are
    assert max(number for _, cell, number, _ in array.log if cell == (1, 1)) == coarse + 2
    assert all(state.failure is None for cell, state in states.items() if cell != (1, 1))


def test_cell_that_a_later_survey_finds_in_its_band_is_no_failure(make_cell):
    array, wanted = Array(make_cell, size=2), targets(size=2)
    cell = array.cells[0, 0]
    cell.is_stuck = True
    original = array.read

    def read(row, column, note):
        if (row, column) == (0, 0) and note.pass_number == 3:
            cell.conductance_s = wanted[0, 0]
        return original(row, column, note)

    array.read = read
    assert tune_cells(array, wanted, PassSettings(RVC), report=silent)[0, 0].failure is None


def test_margin_shrinks_from_pass_to_pass_and_is_none_near_the_tolerance_and_in_the_last():
    settings = PassSettings(RVC, first_margin=0.4, margin_ratio=0.25)
    assert [settings.margin(number) for number in (1, 2, 3)] == pytest.approx([0.4, 0.1, 0.0])
    assert PassSettings(RVC, max_passes=1, first_margin=0.4).margin(1) == 0.0


def test_over_range_cell_is_given_up_with_its_reason(make_cell):
    array, wanted = Array(make_cell, size=2), targets(size=2)
    array.cells[0, 0].read = lambda: None
    states = tune_cells(array, wanted, PassSettings(RVC), report=silent)
    assert states[0, 0].failure is FailureReason.UNREADABLE


def test_progress_ends_at_the_total_of_each_pass(make_cell):
    seen = []
    tune_cells(Array(make_cell, size=3), targets(size=3), PassSettings(RVC), report=lambda *args: seen.append(args))
    assert seen[0] == (1, 1, 9)
    last = {number: (finished, total) for number, finished, total in seen}
    assert all(finished == total for finished, total in last.values())


def test_experience_makes_touch_up_start_where_the_cell_switches(make_cell):
    array, wanted = Array(make_cell, size=4), targets(size=4)
    tune_cells(array, wanted, PassSettings(RVC), report=silent)
    later = [voltage_v for kind, _, number, voltage_v in array.log if kind == "apply" and number > 1 and voltage_v < 0]
    assert later
    assert np.median(later) < RVC.reset.start_v - 0.2


def test_dc_form_runs_in_passes_too(make_cell):
    array, wanted = Array(make_cell, size=3), targets(size=3)
    dc = StopVoltageSettings(0.03, max_attempts=40)
    states = tune_cells(array, wanted, PassSettings(dc, max_passes=2), report=silent)
    assert all(state.failure is None for state in states.values())
    assert np.abs(errors(array, wanted)).max() < 0.045


@pytest.mark.parametrize("changes", [{"max_passes": 0}, {"first_margin": -0.1}, {"margin_ratio": 1.0}])
def test_wrong_settings_are_refused(changes):
    with pytest.raises(ValueError):
        replace(PassSettings(RVC), **changes)
