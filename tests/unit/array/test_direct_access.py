"""One cell without a matrix: two terminals, and a track. Authority: Ohm's law, and the contract of the roles."""

import pytest

from labctl.array.direct_access import DirectAccess
from labctl.array.track_access import TrackAccess
from labctl.errors import StationError


def test_reading_takes_off_the_current_at_zero_volts(direct_rack):
    # authority: i = G V + offset; two readings at different voltages give G exactly
    rack = direct_rack()
    rack.offset_a = 3e-9
    access = DirectAccess(rack)
    assert access.read(0, 0).conductance_s == pytest.approx(100e-6, rel=1e-9)
    assert access.read(0, 0).current_a == pytest.approx(20e-6, rel=1e-9)
    assert rack.names().count("measure") == 3
    rack.conductance[0, 0] = 300e-6
    assert access.read(0, 0).conductance_s == pytest.approx(300e-6, rel=1e-9)
    assert rack.names().count("measure") == 5
    assert rack.levels["smu1.a"] == 0.0


def test_sweep_is_one_staircase_of_the_instrument(direct_rack):
    rack = direct_rack()
    readings = DirectAccess(rack).sweep(0, 0, [0.0, 0.5, -0.5], dwell_s=0.1)
    assert [entry for entry in rack.log if entry[0] == "staircase"] == [("staircase", "smu1.a", (0.0, 0.5, -0.5), 0.1)]
    assert [reading.current_a for reading in readings] == pytest.approx([0.0, 50e-6, -50e-6])
    assert [reading.conductance_s for reading in readings] == [None, pytest.approx(100e-6), pytest.approx(100e-6)]
    assert [reading.time_s for reading in readings] == pytest.approx([0.1, 0.2, 0.3])


def test_samples_are_timed_by_the_instrument(direct_rack):
    rack = direct_rack()
    readings = DirectAccess(rack).sample(0, 0, 0.1, 4, interval_s=1e-3)
    assert ("staircase", "smu1.a", (0.1,) * 4, 1e-3) in rack.log
    assert [reading.current_a for reading in readings] == pytest.approx([10e-6] * 4)
    assert [reading.time_s for reading in readings] == pytest.approx([1e-3, 2e-3, 3e-3, 4e-3])


def test_more_samples_than_an_instrument_times_are_taken_one_by_one_at_one_voltage(direct_rack):
    # authority: 2450 and 2400 sweep at most 2499 and 2500 points
    rack = direct_rack()
    readings = DirectAccess(rack).sample(0, 0, 0.1, 2001, interval_s=0.05)
    assert [reading.current_a for reading in readings] == pytest.approx([10e-6] * 2001)
    assert readings[-1].time_s - readings[0].time_s == pytest.approx(2000 * 0.05)
    assert [entry[2] for entry in rack.log if entry[0] == "level"] == [0.1, 0.0]


def test_staircase_tells_its_last_level_and_duration(direct_rack):
    record = DirectAccess(direct_rack()).staircase(0, 0, [-0.5, -1.0], dwell_s=0.05)
    assert (record.voltage_v, record.width_s, record.source) == (-1.0, 0.1, "smu")


def test_pulse_is_that_of_the_channel(direct_rack):
    rack = direct_rack()
    record = DirectAccess(rack).pulse(0, 0, -1.5, 1e-3)
    assert ("pulse", "smu1.a", -1.5, 1e-3) in rack.log
    assert (record.voltage_v, record.width_s, record.source) == (-1.5, 1e-3, "smu")


def test_width_that_the_channel_cannot_give_is_refused_with_what_it_can(direct_rack):
    rack = direct_rack()
    with pytest.raises(ValueError, match=r"1e-06 s to a cell without a matrix .*smu1 .*: at least 0.0001 s"):
        DirectAccess(rack).pulse(0, 0, 1.0, 1e-6)
    assert not rack.log


def test_other_end_is_held_at_zero_volts_by_its_channel(direct_rack):
    rack = direct_rack(bit="smu1.b")
    access = DirectAccess(rack)
    access.read(0, 0)
    assert rack.on == {"smu1.a", "smu1.b"}
    access.release()
    assert rack.on == set()


def test_current_limit_holds_from_then_on_and_is_prepared_at_zero_volts(direct_rack):
    rack = direct_rack()
    access = DirectAccess(rack, current_limit_a=1e-3, measure_range_a=1e-4, integration_plc=0.1, pulse_voltage_v=3.0)
    access.limit_current(1e-4)
    assert not rack.log
    access.read(0, 0)
    access.limit_current(1e-5)
    settings = [entry[2] for entry in rack.log if entry[0] == "prepare"]
    assert [one["current_limit_a"] for one in settings] == [1e-4, 1e-5]
    assert settings[0] == {
        "voltage_range_v": 3.0,
        "current_limit_a": 1e-4,
        "measure_range_a": 1e-4,
        "integration_plc": 0.1,
    }


def test_release_goes_to_zero_before_the_output_goes_off(direct_rack):
    rack = direct_rack()
    with DirectAccess(rack) as access:
        access.read(0, 0)
        rack.log.clear()
    assert rack.log == [("level", "smu1.a", 0.0), ("off", "smu1.a")]


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"scheme": "grounded"}, "scheme = grounded has no meaning for a cell without a matrix; leave it at v2"),
        ({"may_stress_line": True}, "may_stress_line = True has no meaning"),
        ({"row_stress_v": 0.5}, "row_stress_v = 0.5 has no meaning"),
        ({"pulse_with": "generator"}, "takes auto or smu"),
        ({"read_voltage_v": 0.5}, r"read voltage must lie in \(0, 0.3\] V"),
        ({"scheme": "v9"}, "v9"),
    ],
)
def test_setting_without_a_meaning_is_refused(direct_rack, settings, problem):
    with pytest.raises(ValueError, match=problem):
        DirectAccess(direct_rack(), **settings)


def test_array_is_no_single_cell(gate_rack):
    with pytest.raises(StationError, match=r"wiring\.direct"):
        DirectAccess(gate_rack())


def test_other_cell_than_the_only_one_is_refused(direct_rack):
    with pytest.raises(StationError, match="columns 0 to 0"):
        DirectAccess(direct_rack()).read(0, 1)


@pytest.fixture
def track(direct_rack):
    return direct_rack(control="gen1.1", access={"track_ohm": 450.0})


def test_track_gets_the_voltage_asked_for_behind_the_generators_50_ohm(track):
    # authority: voltage divider; 450 ohm behind 50 ohm keep 90 % of the open-circuit level
    access = TrackAccess(track)
    record = access.pulse(0, 0, 0.09, 1e-8)
    access.pulse(0, 0, -0.09, 1e-8)
    fired = [entry[2] for entry in track.log if entry[0] == "fire"]
    assert fired == [{"gen1.1": pytest.approx(0.1)}, {"gen1.1": pytest.approx(-0.1)}]
    assert (record.voltage_v, record.source) == (0.09, "generator")


def test_track_of_unknown_resistance_gets_the_open_circuit_level(direct_rack):
    rack = direct_rack(control="gen1.2")
    TrackAccess(rack).pulse(0, 0, 0.1, 1e-8)
    assert ("fire", "gen1", {"gen1.2": 0.1}) in rack.log


def test_track_generator_is_armed_once_with_its_shortest_edge_and_goes_off_at_the_end(track):
    with TrackAccess(track) as access:
        access.pulse(0, 0, 0.1, 1e-8)
        access.pulse(0, 0, 0.1, 1e-8)
        prepared = [entry[2] for entry in track.log if entry[:2] == ("prepare", "gen1")]
        assert prepared == [{"width_s": 1e-8, "edge_s": 4e-9}]
    assert track.on == set()


def test_junction_is_read_and_swept_while_the_track_is_left_alone(track):
    access = TrackAccess(track)
    assert access.read(0, 0).conductance_s == pytest.approx(100e-6)
    assert access.sweep(0, 0, [0.1], dwell_s=0.1)[0].current_a == pytest.approx(10e-6)
    assert track.on == {"smu1.a"}


def test_track_refuses_what_its_generator_cannot_do(track):
    access = TrackAccess(track)
    with pytest.raises(ValueError, match=r"gen1 .*: 1e-08 s to 0.01 s"):
        access.pulse(0, 0, 0.1, 1e-9)
    with pytest.raises(StationError, match="staircase of 2 levels"):
        access.staircase(0, 0, [0.1, 0.2], dwell_s=0.1)
    with pytest.raises(ValueError, match="takes auto or generator"):
        TrackAccess(track, pulse_with="smu")
    assert not track.log


def test_track_without_an_output_is_refused(direct_rack):
    with pytest.raises(StationError, match="key control"):
        TrackAccess(direct_rack())
    with pytest.raises(StationError, match=r"gen1\.7 is no output; there are gen1\.1, gen1\.2"):
        TrackAccess(direct_rack(control="gen1.7"))
