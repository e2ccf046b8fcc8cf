"""The packaged stations of the device families on their simulated racks, through PyVISA.

Authority: station and bench files are written apart; drivers and simulated instruments are independent readings of the
manuals.
"""

from itertools import pairwise

import pytest

from labctl.array.gated_access import GatedAccess
from labctl.array.one_transistor_access import OneTransistorAccess
from labctl.array.track_access import TrackAccess
from labctl.station import Station, read_station_file
from labctl.station.doctor import check


@pytest.mark.parametrize(
    "name",
    [
        "ecram-32x32",
        pytest.param("hfo2-1t1r-64x64", marks=pytest.mark.slow),
        "domain-wall",
        "single-device",
        "single-device-2400",
    ],
)
def test_every_check_passes_on_a_packaged_station(name):
    with Station.open(name) as station:
        assert station.bench_info["name"] == name
        assert [item for item in check(station) if not item.ok] == []


@pytest.mark.parametrize(
    ("name", "voltage_v", "current_a"),
    [
        ("ecram-32x32", 10.0, 0.05),
        ("hfo2-1t1r-64x64", 5.0, 0.06),
        ("domain-wall", 0.5, 0.01),
        ("single-device", 5.0, 0.1),
        ("single-device-2400", 5.0, 0.1),
    ],
)
def test_envelope_protects_the_family(name, voltage_v, current_a):
    envelope = read_station_file(name).envelope
    assert (envelope.voltage_v, envelope.current_a) == (voltage_v, current_a)


def test_sources_are_watched_before_both_matrices():
    with Station.open("ecram-32x32") as station:
        assert [one.key for one in station.watched()] == ["smu1", "smu2", "mat1", "mat2"]


def test_gate_pulses_move_a_channel_both_ways_and_leave_its_neighbours():
    # authority: preset um2024_ecram: a step of 0.02 x 7.5 uS at +-5 V, 100 ms; nothing at half of that
    with Station.open("ecram-32x32") as station, GatedAccess(station, pulse_voltage_v=5.0) as cells:
        neighbours = [(3, 5), (4, 4)]
        before = [cells.read(*cell).conductance_s for cell in neighbours]
        found = [cells.read(3, 4).conductance_s]
        for voltage_v in (5.0, -5.0):
            for _ in range(10):
                cells.pulse(3, 4, voltage_v, 0.1)
            found.append(cells.read(3, 4).conductance_s)
        # ten steps with a spread of 10 % from device to device, 30 % from step to step
        assert found[1] - found[0] == pytest.approx(10 * 0.02 * 7.5e-6, rel=0.5)
        assert found[2] - found[1] == pytest.approx(-10 * 0.02 * 7.5e-6, rel=0.5)
        assert [cells.read(*cell).conductance_s for cell in neighbours] == pytest.approx(before, rel=2e-3)


def test_cell_with_a_transistor_resets_and_sets_again():
    settings = {"current_limit_a": 0.01, "pulse_voltage_v": 3.0, "read_voltage_v": 0.1}
    with Station.open("hfo2-1t1r-64x64") as station, OneTransistorAccess(station, **settings) as cells:
        cells.staircase(1, 2, [-0.5, -1.0, -1.5, -2.0, -2.5], dwell_s=0.05)
        high_s = cells.read(1, 2).conductance_s
        readings = cells.sweep(1, 2, [0.5, 1.0, 1.5, 2.0, 2.5], dwell_s=0.05)
        low_s = cells.read(1, 2).conductance_s
    assert low_s > 1.2 * high_s
    # the transistor is the limit: above its saturation the current stays
    assert readings[-1].current_a == pytest.approx(readings[-2].current_a, rel=0.05)


def test_pulses_along_a_track_move_its_wall_by_notches():
    # authority: five notches between 33.3 and 100 uS; 1.1 of the critical current for 12 ns is one notch (0.997)
    with Station.open("domain-wall") as station, TrackAccess(station, current_limit_a=1e-3) as cells:
        found = [cells.read(0, 0).conductance_s]
        for voltage_v in (0.0536, 0.0536, -0.0536):
            cells.pulse(0, 0, voltage_v, 12e-9)
            found.append(cells.read(0, 0).conductance_s)
    notch_s = (100e-6 - 33.333e-6) / 4
    steps = [(late - early) / notch_s for early, late in pairwise(found)]
    assert steps == pytest.approx([1.0, 1.0, -1.0], abs=0.1)
