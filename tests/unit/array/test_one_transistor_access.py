"""Cells with a transistor in series. Authority: what a 1T1R array does: the gate of the row selects, SET raises the bit
line, RESET the plate; cells whose transistor is off, or without voltage between bit line and plate, are safe."""

import numpy as np
import pytest

from labctl.array.one_transistor_access import OneTransistorAccess
from labctl.errors import Aborted, StationError

GATES = {"gate_read_v": 3.0, "gate_set_v": 1.2, "gate_reset_v": 3.5}


@pytest.fixture
def rack(gate_rack):
    return gate_rack(plate=True, access=GATES)


@pytest.mark.parametrize("width_s", [1e-3, 1e-6])
@pytest.mark.parametrize(("voltage_v", "gate_v"), [(2.0, 1.2), (-1.5, 3.5)])
def test_only_the_selected_cell_sees_the_pulse_and_nothing_goes_below_ground(rack, voltage_v, gate_v, width_s):
    record = OneTransistorAccess(rack).pulse(1, 2, voltage_v, width_s)
    ((plate, bits, gates),) = [seen[1:] for seen in rack.seen if seen[0] == "pulse"]
    assert gates == pytest.approx([0.0, gate_v, 0.0, 0.0])
    expected = np.zeros(5)
    expected[2] = voltage_v
    assert bits - plate[0] == pytest.approx(expected)
    assert min(entry[2] for entry in rack.log if entry[0] == "level") >= 0.0
    assert min(*plate, *bits, *gates) >= 0.0
    assert rack.levels == dict.fromkeys(rack.levels, 0.0)
    assert record.source == ("smu" if width_s == 1e-3 else "generator")


def test_short_pulses_leave_the_generator_armed_until_release(rack):
    with OneTransistorAccess(rack) as access:
        for voltage_v in (2.0, -1.5, 2.0):
            access.pulse(0, 0, voltage_v, 1e-6)
        prepared = [entry[2] for entry in rack.log if entry[:2] == ("prepare", "gen1")]
        assert prepared == [{"width_s": 1e-6, "edge_s": 1e-8}]
        assert [entry[2] for entry in rack.log if entry[0] == "fire"] == [
            {"gen1.1": 2.0},
            {"gen1.2": 1.5},
            {"gen1.1": 2.0},
        ]
    assert rack.on == set()
    assert rack.closed == {"mat1": set(), "mat2": set()}


def test_set_reset_and_read_of_one_cell_move_no_relay(rack):
    access = OneTransistorAccess(rack)
    access.read(1, 1)
    rack.log.clear()
    access.pulse(1, 1, 2.0, 1e-3)
    access.pulse(1, 1, -1.5, 1e-3)
    access.read(1, 1)
    assert "relays" not in rack.names()


def test_reading_opens_the_gate_wide_and_takes_the_offset_off(rack):
    # authority: i = G V + offset
    rack.offset_a = 3e-9
    rack.conductance[2, 3] = 42e-6
    reading = OneTransistorAccess(rack, read_voltage_v=0.1).read(2, 3)
    assert reading.conductance_s == pytest.approx(42e-6, rel=1e-9)
    assert reading.current_a > 0.0
    measured = [seen for seen in rack.seen if seen[0] == "measure"]
    assert [tuple(gates) for *_, gates in measured] == [(0.0, 0.0, 3.0, 0.0)] * 2
    assert rack.levels == dict.fromkeys(rack.levels, 0.0)


def test_sweep_follows_the_sign_with_gate_and_driven_end(rack):
    readings = OneTransistorAccess(rack).sweep(0, 0, [0.5, 1.0, -0.5, -1.0], dwell_s=0.01)
    assert [reading.current_a for reading in readings] == pytest.approx([50e-6, 100e-6, -50e-6, -100e-6])
    assert [reading.conductance_s for reading in readings] == pytest.approx([100e-6] * 4)
    gates = {round(seen[2][0] - seen[1][0], 3): seen[3][0] for seen in rack.seen if seen[0] == "measure"}
    assert gates == {0.5: 1.2, 1.0: 1.2, -0.5: 3.5, -1.0: 3.5}
    assert rack.levels == dict.fromkeys(rack.levels, 0.0)
    assert min(entry[2] for entry in rack.log if entry[0] == "level") >= 0.0


def test_sweep_that_is_aborted_leaves_nothing_standing(rack):
    class Abort:
        def now_s(self):
            return 0.0

        def sleep(self, duration_s):
            raise Aborted("by the user")

    rack.clock = Abort()
    access = OneTransistorAccess(rack)
    with pytest.raises(Aborted):
        access.staircase(0, 0, [1.0, 2.0], dwell_s=0.1)
    assert max(entry[2] for entry in rack.log if entry[0] == "level") == 1.2
    assert rack.levels == dict.fromkeys(rack.levels, 0.0)


def test_sample_holds_the_gate_as_for_reading(rack):
    readings = OneTransistorAccess(rack).sample(0, 0, -0.2, 3, interval_s=0.5)
    assert [reading.current_a for reading in readings] == pytest.approx([-20e-6] * 3)
    assert np.diff([reading.time_s for reading in readings]) == pytest.approx([0.5, 0.5])
    assert {seen[3][0] for seen in rack.seen if seen[0] == "measure"} == {3.0}


def test_gate_range_and_current_limit_are_prepared(rack):
    access = OneTransistorAccess(rack, pulse_voltage_v=2.0, measure_range_a=1e-4, current_limit_a=1e-2)
    access.read(0, 0)
    prepared = {entry[1]: entry[2] for entry in rack.log if entry[0] == "prepare"}
    assert {key: one["voltage_range_v"] for key, one in prepared.items()} == {
        "smu1.a": 2.0,
        "smu1.b": 2.0,
        "smu2.a": 3.5,
    }
    assert [one["measure_range_a"] for one in prepared.values()] == [None, 1e-4, None]
    access.limit_current(1e-4)
    assert [entry[2]["current_limit_a"] for entry in rack.log if entry[0] == "prepare"][-3:] == [1e-4] * 3


@pytest.mark.parametrize("key", GATES)
def test_gate_voltage_that_the_station_file_does_not_tell_is_asked_for(gate_rack, key):
    access = {name: value for name, value in GATES.items() if name != key}
    with pytest.raises(StationError, match=f"{key} in the table sample.access"):
        OneTransistorAccess(gate_rack(plate=True, access=access))


def test_what_a_transistor_cannot_do_is_refused(rack, gate_rack):
    with pytest.raises(ValueError, match=r"smu1 .*: at least 0.0001 s; gen1 .*: 1e-08 s to 0.01 s"):
        OneTransistorAccess(rack, pulse_with="smu").pulse(0, 0, 1.0, 1e-6)
    with pytest.raises(ValueError, match="scheme = grounded has no meaning for cells with a transistor"):
        OneTransistorAccess(rack, scheme="grounded")
    with pytest.raises(StationError, match="common_source"):
        OneTransistorAccess(gate_rack(access=GATES))
    with pytest.raises(ValueError, match="at least one level"):
        OneTransistorAccess(rack).staircase(0, 0, [], dwell_s=0.1)
    assert not rack.log
