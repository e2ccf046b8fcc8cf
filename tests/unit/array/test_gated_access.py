"""Gates on a matrix of their own. Authority: the three-terminal protocol: write with V between gate and source, at most
half of it on other cells; read with the gate open, after a wait."""

import numpy as np
import pytest

from labctl.array.gated_access import GatedAccess
from labctl.errors import InstrumentError, StationError
from labctl.roles import Flag, Reading


def pulses(rack):
    return [seen[1:] for seen in rack.seen if seen[0] == "pulse"]


@pytest.mark.parametrize("voltage_v", [5.0, -5.0])
def test_half_bias_puts_all_on_the_cell_and_half_on_its_row_and_column(gate_rack, voltage_v):
    rack = gate_rack()
    record = GatedAccess(rack).pulse(1, 2, voltage_v, 0.1)
    ((words, bits, gates),) = pulses(rack)
    expected = np.zeros((4, 5))
    expected[1, :] = expected[:, 2] = 0.5 * voltage_v
    expected[1, 2] = voltage_v
    assert np.subtract.outer(gates, bits) == pytest.approx(expected)
    # no other cell has more than half between gate and drain
    assert np.abs(np.subtract.outer(gates, words)).max() == pytest.approx(2.5)
    # on ground, not on the channel that measures: its fixed range would limit the pulse
    assert words == pytest.approx(0.0)
    assert {f"1E{line:02d}" for line in range(1, 5)} <= rack.closed["mat1"]
    assert (record.voltage_v, record.width_s, record.source) == (voltage_v, 0.1, "smu")


def test_no_cell_sees_more_than_half_before_and_after_the_pulse(gate_rack):
    rack = gate_rack()
    GatedAccess(rack).pulse(0, 0, 5.0, 0.1)
    for what, _, bits, gates in rack.seen:
        if what != "pulse":
            assert np.nan_to_num(np.abs(np.subtract.outer(gates, bits))).max() <= 2.5


def test_grounded_scheme_writes_a_row_and_must_be_confirmed(gate_rack):
    rack = gate_rack()
    with pytest.raises(ValueError, match="may_stress_line"):
        GatedAccess(rack, scheme="grounded").pulse(1, 2, 5.0, 0.1)
    assert not rack.log
    GatedAccess(rack, scheme="grounded", may_stress_line=True).pulse(1, 2, 5.0, 0.1)
    ((words, bits, gates),) = pulses(rack)
    assert gates == pytest.approx([0.0, 5.0, 0.0, 0.0])
    assert [*words, *bits] == pytest.approx([0.0] * 9)


def test_nothing_is_measured_while_a_gate_is_connected(gate_rack):
    rack = gate_rack()
    rack.conductance[1, 2] = 42e-6
    access = GatedAccess(rack)
    access.pulse(1, 2, 5.0, 0.1)
    assert access.read(1, 2).conductance_s == pytest.approx(42e-6)
    access.sweep(1, 2, [0.1, -0.1], dwell_s=0.01)
    access.sample(1, 2, 0.1, 2, interval_s=0.1)
    measured = [gates for what, _, _, gates in rack.seen if what == "measure"]
    # reading and zero; zero and two ends of two levels; zero and two samples
    assert len(measured) == 2 + 5 + 3
    assert np.isnan(measured).all()


def test_reading_is_drain_above_source_with_the_offset_taken_off(gate_rack):
    # authority: i = G V + offset
    rack = gate_rack()
    rack.offset_a = 3e-9
    reading = GatedAccess(rack, read_voltage_v=0.1).read(2, 3)
    assert reading.current_a == pytest.approx(10e-6, rel=1e-9)
    assert reading.voltage_v == 0.1
    words, bits = next(seen[1:3] for seen in rack.seen if seen[0] == "level" and seen[2][3] != 0.0)
    assert (words[2] - bits[3], bits[3]) == pytest.approx((0.1, -0.1))


def test_reading_after_a_pulse_takes_its_own_zero(gate_rack):
    # authority: i = G V + offset; in the range of a pulse a 2636B may be off by 5 mV, which drive 5 % of what 0.1 V
    # drives, so the zero of another state is off by more than the step of the pulse
    rack = gate_rack()
    cells = GatedAccess(rack, read_voltage_v=0.1)
    rack.offset_a = 3e-9
    cells.read(2, 3)
    cells.pulse(2, 3, 5.0, 0.1)
    rack.offset_a = 5e-9
    assert cells.read(2, 3).current_a == pytest.approx(10e-6, rel=1e-9)


@pytest.mark.parametrize(("access", "wait_s"), [({"settle_s": 3.0}, 3.0), ({}, 1.0)])
def test_reading_waits_for_the_channel_to_settle(gate_rack, access, wait_s):
    # authority of the default: ten pulse widths
    rack = gate_rack(access=access)
    cells = GatedAccess(rack)
    over_s = cells.pulse(0, 0, 5.0, 0.1).time_s
    # two measurements of 20 ms
    assert cells.read(0, 0).time_s == pytest.approx(over_s + wait_s + 0.04)
    again_s = rack.clock.now_s()
    assert cells.read(0, 0).time_s == pytest.approx(again_s + 0.02)


def test_staircase_steps_gate_and_source_together(gate_rack):
    rack = gate_rack()
    GatedAccess(rack).staircase(3, 4, [2.0, 4.0], dwell_s=0.5)
    on_cell = [gates[3] - bits[4] for _, _, bits, gates in rack.seen]
    assert max(on_cell) == pytest.approx(4.0)
    assert rack.levels == dict.fromkeys(rack.levels, 0.0)


def test_sweep_is_the_current_along_the_channel_without_the_offset(gate_rack):
    rack = gate_rack()
    rack.offset_a = 3e-9
    readings = GatedAccess(rack).sweep(0, 0, [0.0, 0.2, -0.2], dwell_s=0.01)
    assert [reading.current_a for reading in readings] == pytest.approx([0.0, 20e-6, -20e-6], abs=1e-15)
    readings = GatedAccess(rack).sample(0, 0, 0.1, 2, interval_s=0.1)
    assert [reading.current_a for reading in readings] == pytest.approx([10e-6, 10e-6], rel=1e-9)


def test_high_voltage_along_a_channel_must_be_confirmed(gate_rack):
    rack = gate_rack()
    for measure in (
        lambda access: access.sweep(0, 0, [0.1, 0.5], dwell_s=0.1),
        lambda access: access.sample(0, 0, -0.5, 1, interval_s=0.1),
    ):
        with pytest.raises(ValueError, match="may_stress_line"):
            measure(GatedAccess(rack))
    assert not rack.log
    GatedAccess(gate_rack()).sweep(0, 0, [3 * 0.1], dwell_s=0.1)
    readings = GatedAccess(rack, may_stress_line=True).sample(0, 0, -0.5, 1, interval_s=0.1)
    assert readings[0].current_a == pytest.approx(-50e-6)


def test_pulse_that_failed_passes_its_error_on_and_the_next_reading_opens_the_gates(gate_rack):
    rack = gate_rack()
    access = GatedAccess(rack)
    rack.fails = InstrumentError("smu2: no answer")
    with pytest.raises(InstrumentError, match="no answer"):
        access.pulse(0, 0, 5.0, 0.1)
    assert rack.levels == dict.fromkeys(rack.levels, 0.0)
    access.read(0, 0)
    assert rack.closed["mat2"] == set()


def test_release_switches_sources_off_before_the_relays_open(gate_rack):
    rack = gate_rack()
    with GatedAccess(rack) as access:
        access.read(0, 0)
        rack.log.clear()
    assert rack.names()[-2:] == ["open_all", "open_all"]
    assert rack.on == set()
    assert rack.closed == {"mat1": set(), "mat2": set()}


def test_pulse_that_the_channel_cannot_give_is_refused(gate_rack):
    with pytest.raises(ValueError, match=r"to gates .* smu\d .*: at least 0.0001 s"):
        GatedAccess(gate_rack()).pulse(0, 0, 5.0, 1e-5)


def test_what_gates_cannot_do_is_refused(gate_rack):
    with pytest.raises(StationError, match="choose v2 or grounded"):
        GatedAccess(gate_rack(), scheme="inhibit")
    with pytest.raises(ValueError, match="row_stress_v"):
        GatedAccess(gate_rack(), row_stress_v=0.1)
    with pytest.raises(StationError, match="common source"):
        GatedAccess(gate_rack(plate=True))
    with pytest.raises(StationError, match="rows are 0 to 3"):
        GatedAccess(gate_rack()).read(4, 0)
    with pytest.raises(ValueError, match="at least one level"):
        GatedAccess(gate_rack()).sweep(0, 0, [], dwell_s=0.1)


def test_drains_of_several_rows_add_up_in_a_source_line_while_all_gates_float(gate_rack):
    rack = gate_rack()
    rack.conductance[:, 3] = [10e-6, 20e-6, 40e-6, 80e-6]
    access = GatedAccess(rack, read_voltage_v=0.1)
    access.pulse(0, 0, 5.0, 0.1)
    pulsed_s = rack.clock.now_s()
    # Kirchhoff
    reading = access.add_up([0, 2], 3)
    assert reading.current_a == pytest.approx(0.1 * 50e-6)
    assert reading.conductance_s == pytest.approx(50e-6)
    # the settling of the pulse before: ten widths
    assert reading.time_s >= pulsed_s + 1.0
    measured = [seen[1:] for seen in rack.seen if seen[0] == "measure"]
    for words, bits, gates in measured:
        assert np.isnan(gates).all()
        assert words == pytest.approx([0.1, 0.0, 0.1, 0.0])
        assert bits == pytest.approx(0.0)
    rack.offset_a = 4e-9
    assert access.add_up([], 3).current_a == pytest.approx(-4e-9)
    assert access.add_up([0, 1], 3, voltage_v=0.0).conductance_s is None
    with pytest.raises(ValueError, match="no more than"):
        access.add_up([1], 3, voltage_v=0.5)
    with pytest.raises(StationError, match="no cell"):
        access.add_up([4], 3)
    # a cell read afterwards is connected as ever
    rack.offset_a = 0.0
    assert access.read(2, 3).current_a == pytest.approx(0.1 * 40e-6)
    assert not any(rack.levels.values())
    access.release()
    assert not rack.on


def test_driving_channel_of_sums_is_asked_for_compliance_once_for_each_choice_of_rows(gate_rack, monkeypatch):
    rack = gate_rack()
    access, asked = GatedAccess(rack), []
    access.add_up([0], 0)
    monkeypatch.setattr(
        access._source, "measure_current", lambda: asked.append(1) or Reading(0.05, "A", {Flag.COMPLIANCE}, "")
    )
    assert [access.add_up([0, 1], column).flags for column in (0, 1)] == [("compliance",), ("compliance",)]
    assert len(asked) == 1
    access.read(0, 0)
    access.add_up([0, 1], 1)
    assert len(asked) == 2
