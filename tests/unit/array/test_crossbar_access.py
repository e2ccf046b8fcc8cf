"""Addressing and biasing, watched by a rack that works out every cell's voltage and fails on hot switching.

Authority: the bias schemes as the literature defines them (V/2, V/3), 7174A practice of cold switching.
"""

import numpy as np
import pytest

from labctl.array import CrossbarAccess
from labctl.errors import StationError
from labctl.roles import Flag, Reading


def test_read_gives_the_cell_with_its_sign(make_rack):
    rack = make_rack()
    rack.conductance[2, 3] = 42e-6
    reading = CrossbarAccess(rack).read(2, 3)
    assert reading.conductance_s == pytest.approx(42e-6)
    assert reading.current_a == pytest.approx(0.2 * 42e-6)  # Ohm; from word to bit line
    assert reading.flags == ()


def test_read_stresses_only_the_word_line_of_its_cell_and_only_at_the_read_voltage(make_rack):
    rack = make_rack()
    CrossbarAccess(rack, read_voltage_v=0.15).read(1, 1)
    seen = np.nanmax(np.abs(rack.stress), axis=0)
    assert seen[1] == pytest.approx(0.15)
    assert np.delete(seen, 1, axis=0) == pytest.approx(0.0)


@pytest.mark.parametrize("voltage_v", [1.2, -1.4])
@pytest.mark.parametrize("width_s", [1e-3, 1e-6], ids=["smu", "generator"])
def test_v2_pulse_puts_half_on_the_lines_and_nothing_elsewhere(make_rack, voltage_v, width_s):
    rack = make_rack()
    CrossbarAccess(rack).pulse(1, 2, voltage_v, width_s)
    expected = np.zeros(rack.conductance.shape)
    expected[1, :] = expected[:, 2] = voltage_v / 2
    expected[1, 2] = voltage_v
    assert rack.stress[-1] == pytest.approx(expected)


def test_v3_pulse_leaves_a_third_on_every_other_cell(make_rack):
    rows = {"A": "smu1.a", "B": "smu1.b", "C": "gen1.1", "D": "gen1.2", "F": "gen1.3", "G": "gen1.4", "E": "ground"}
    rack = make_rack(rows)
    access = CrossbarAccess(rack, scheme="v3")
    access.pulse(1, 2, 1.2, 1e-6)
    magnitudes = np.abs(rack.stress[-1])
    assert rack.stress[-1][1, 2] == pytest.approx(1.2)
    magnitudes[1, 2] = 0.4
    assert magnitudes == pytest.approx(0.4)
    access.pulse(3, 0, -1.2, 1e-6)
    assert rack.stress[-1][3, 0] == pytest.approx(-1.2)
    assert access.read(3, 0).conductance_s == pytest.approx(100e-6)


def test_v3_is_refused_with_two_outputs(make_rack):
    with pytest.raises(StationError, match=r"four pulsed outputs.*v2, grounded or floating"):
        CrossbarAccess(make_rack(), scheme="v3")


def test_floating_pulse_leaves_all_other_lines_open_and_reading_grounds_them(make_rack):
    rack = make_rack()
    access = CrossbarAccess(rack, scheme="floating")
    access.pulse(0, 0, 1.0, 1e-3)
    assert rack.stress[-1][0, 0] == pytest.approx(1.0)
    assert np.isfinite(rack.stress[-1]).sum() == 1
    access.read(0, 0)
    assert len(rack.closed) == 9


def test_grounded_pulse_needs_a_word_of_consent_above_the_safe_voltage(make_rack):
    with pytest.raises(ValueError, match="may_stress_line"):
        CrossbarAccess(make_rack(), scheme="grounded").pulse(0, 0, 1.0, 1e-3)
    rack = make_rack()
    CrossbarAccess(rack, scheme="grounded", may_stress_line=True).pulse(0, 0, 1.0, 1e-3)
    assert rack.stress[-1][0] == pytest.approx(1.0)
    assert rack.stress[-1][1:] == pytest.approx(0.0)


def test_smu_pulse_and_read_of_one_cell_move_no_relay(make_rack):
    rack = make_rack()
    access = CrossbarAccess(rack)
    access.read(1, 1)
    rack.log.clear()
    access.pulse(1, 1, -1.0, 1e-4)
    access.read(1, 1)
    assert rack.names() == ["pulse", "level", "measure", "level"]


def test_generator_pulse_exchanges_two_crosspoints_and_is_armed_once(make_rack):
    rack = make_rack()
    access = CrossbarAccess(rack)
    access.read(1, 1)
    access.pulse(1, 1, -1.0, 1e-6)
    access.read(1, 1)
    rack.log.clear()
    access.pulse(1, 1, -1.1, 1e-6)
    access.read(1, 1)
    assert [entry for entry in rack.log if entry[0] == "relays"] == [("relays", 2, 2), ("relays", 2, 2)]
    assert "prepare" not in rack.names()


@pytest.mark.parametrize(("cell", "relays"), [((1, 2), 2), ((2, 1), 2), ((3, 3), 4)])
def test_next_cell_moves_only_the_lines_that_change(make_rack, cell, relays):
    rack = make_rack()
    access = CrossbarAccess(rack)
    access.read(1, 1)
    rack.log.clear()
    access.read(*cell)
    assert [entry for entry in rack.log if entry[0] == "relays"] == [("relays", relays, relays)]


def test_release_puts_levels_to_zero_before_the_relays_open(make_rack):
    rack = make_rack()
    with CrossbarAccess(rack) as access:
        access.pulse(0, 0, 1.0, 1e-6)
        rack.log.clear()
    names = rack.names()
    assert names[-1] == "open_all"
    assert ("off", "smu1.a") in rack.log
    assert ("off", "gen1") in rack.log
    assert not rack.closed


def test_staircase_steps_through_the_levels_and_ends_at_zero(make_rack):
    rack = make_rack()
    CrossbarAccess(rack).staircase(2, 2, [-0.5, -1.0], dwell_s=0.05)
    assert rack.level == dict.fromkeys(rack.level, 0.0)
    assert np.nanmin(rack.stress, axis=0)[2, 2] == pytest.approx(-1.0)
    assert np.nanmin(rack.stress, axis=0)[2, 0] == pytest.approx(-0.5)
    assert rack.clock.now_s() == pytest.approx(0.1)


def test_over_range_reading_is_no_number(make_rack):
    rack = make_rack()
    rack.over_range = True
    reading = CrossbarAccess(rack).read(0, 0)
    assert reading.conductance_s is None
    assert reading.flags == ("overrange",)


@pytest.mark.parametrize("cell", [(4, 0), (0, 5), (-1, 0)])
def test_cell_outside_the_array_is_refused_before_anything_is_sent(make_rack, cell):
    rack = make_rack()
    with pytest.raises(StationError, match="rows are 0 to 3, columns 0 to 4"):
        CrossbarAccess(rack).read(*cell)
    assert not rack.log


def test_unwired_line_is_refused_before_anything_is_sent(make_rack):
    rack = make_rack()
    rack.sample.rows = 6
    with pytest.raises(StationError, match="line 4 is not wired"):
        CrossbarAccess(rack)
    assert not rack.log


def test_width_that_no_source_can_give_lists_what_they_can(make_rack):
    access = CrossbarAccess(make_rack(), pulse_with="smu")
    with pytest.raises(
        ValueError, match=r"smu1 \(Fake\): at least 0.0001 s; gen1 \(Fake\): 1e-08 s to 0.01 s"
    ) as refusal:
        access.pulse(0, 0, 1.0, 1e-6)
    assert "nearest is 0.0001 s with smu1 (Fake): set the width of the pulse to it" in str(refusal.value)
    assert "pulse_with or scheme, so that gen1 (Fake) may pulse" in str(refusal.value)


def test_read_voltage_that_would_switch_is_refused(make_rack):
    with pytest.raises(ValueError, match="read voltage"):
        CrossbarAccess(make_rack(), read_voltage_v=0.5)


def test_reading_takes_off_the_offset_of_the_meter_once_per_selection(make_rack):
    # authority: the model i = G V + offset; two readings at different voltages give G exactly
    rack = make_rack()
    rack.offset_a["smu1.b"] = 3e-9
    access = CrossbarAccess(rack)
    assert access.read(1, 1).conductance_s == pytest.approx(100e-6, rel=1e-9)
    assert access.read(1, 1).current_a == pytest.approx(20e-6, rel=1e-9)
    assert rack.names().count("measure") == 3
    access.read(1, 2)
    assert rack.names().count("measure") == 5


@pytest.mark.parametrize(("conductance_s", "measurements"), [(90e-6, 3), (110e-6, 3), (60e-6, 4), (160e-6, 4)])
def test_zero_is_taken_again_once_the_cell_has_changed_much(make_rack, conductance_s, measurements):
    # authority: the offset drives the selected cell too, so its part of the zero is as wrong as the cell has changed
    rack = make_rack()
    access = CrossbarAccess(rack)
    access.read(1, 1)
    rack.conductance[1, 1] = conductance_s
    assert access.read(1, 1).conductance_s == pytest.approx(conductance_s, rel=1e-9)
    assert rack.names().count("measure") == measurements


def test_inhibit_reading_takes_off_the_offset_of_the_word_channel(make_rack):
    # authority: the same model, i = G V + offset
    rack = make_rack()
    rack.offset_a["smu1.a"] = 4e-6
    assert CrossbarAccess(rack, scheme="inhibit").read(1, 1).conductance_s == pytest.approx(100e-6, rel=1e-9)


def test_inhibit_pulse_resets_the_other_rows_and_stresses_its_row_little(make_rack):
    rack = make_rack()
    CrossbarAccess(rack, scheme="inhibit", row_stress_v=0.9).pulse(1, 2, 3.0, 1e-2)
    expected = np.full(rack.conductance.shape, -2.1)
    expected[1, :] = 0.9
    expected[:, 2] = 0.0
    expected[1, 2] = 3.0
    assert rack.stress[-1] == pytest.approx(expected)


def test_inhibit_reading_keeps_the_other_cells_of_the_row_at_zero(make_rack):
    rack = make_rack()
    rack.conductance[2, 3] = 42e-6
    reading = CrossbarAccess(rack, scheme="inhibit").read(2, 3)
    assert reading.conductance_s == pytest.approx(42e-6)
    others = np.delete(np.array(rack.stress)[:, 2, :], 3, axis=1)
    # the guard goes up first, so that the row never sees the read voltage in the SET direction
    assert others.max() == pytest.approx(0.0)


def test_inhibit_has_neither_short_pulses_nor_a_staircase(make_rack):
    access = CrossbarAccess(make_rack(), scheme="inhibit")
    with pytest.raises(ValueError, match="no source can give a pulse of 1e-06 s"):
        access.pulse(0, 0, 3.0, 1e-6)
    with pytest.raises(StationError, match="no DC form"):
        access.staircase(0, 0, [1.0], dwell_s=0.1)


@pytest.mark.parametrize("measured", ["sweep", "sample"])
def test_what_flows_at_zero_volts_is_taken_off_sweeps_and_samples(make_rack, measured):
    rack = make_rack()
    rack.conductance[1, 2] = 50e-6
    rack.offset_a["smu1.b"] = 4e-6
    access = CrossbarAccess(rack, scheme="grounded")
    if measured == "sweep":
        readings = access.sweep(1, 2, [0.1, 0.2], dwell_s=0.01)
    else:
        readings = access.sample(1, 2, 0.2, 3, interval_s=0.1)
    # Ohm
    assert [one.current_a for one in readings] == pytest.approx([50e-6 * one.voltage_v for one in readings])
    assert not any(rack.level.values())


def test_cells_of_several_word_lines_add_up_in_a_bit_line(make_rack):
    rack = make_rack()
    rack.conductance[:, 3] = [10e-6, 20e-6, 40e-6, 80e-6]
    access = CrossbarAccess(rack)
    # Kirchhoff
    assert access.add_up([0, 2], 3).current_a == pytest.approx(0.2 * 50e-6)
    stress = np.zeros(rack.conductance.shape)
    stress[[0, 2]] = 0.2
    seen = [one for one in rack.stress if np.isfinite(one).all()]
    assert np.max(np.abs(seen), axis=0) == pytest.approx(stress)
    rack.offset_a["smu1.b"] = 4e-6
    assert access.add_up([], 3).current_a == pytest.approx(-4e-6)
    assert access.add_up([0, 1, 2, 3], 3, voltage_v=0.0).current_a == pytest.approx(-4e-6)
    assert access.add_up([1], 3, voltage_v=0.0).conductance_s is None
    with pytest.raises(ValueError, match="no more than"):
        access.add_up([1], 3, voltage_v=0.5)


def test_sums_carry_the_compliance_of_the_word_channel_which_is_asked_once_for_each_choice_of_rows(
    make_rack, monkeypatch
):
    rack = make_rack()
    access = CrossbarAccess(rack)
    word, asked = access._smu.word, []

    def in_compliance():
        asked.append(sorted(point[0] + point[2:] for point in rack.closed if point[1] == "A"))
        return Reading(0.05, "A", frozenset({Flag.COMPLIANCE}), "")

    monkeypatch.setattr(word, "measure_current", in_compliance)
    for column in (0, 1):
        assert access.add_up([0, 1], column).flags == ("compliance",)
    assert access.add_up([0, 1], 1, voltage_v=0.0).flags == ()
    assert access.add_up([2], 1).flags == ("compliance",)
    assert asked == [["101", "102"], ["103"]]


def test_edges_of_short_pulses_fit_into_them(make_rack):
    rack = make_rack()
    access = CrossbarAccess(rack)
    for width_s in (1e-8, 1e-6):
        access.pulse(0, 0, 0.5, width_s)
    edges = [entry[2]["edge_s"] for entry in rack.log if entry[:2] == ("prepare", "gen1")]
    # 33622A: an edge of at most 0.625 of the width
    assert edges[0] <= 0.625 * 1e-8
    assert edges[1] == 1e-8
