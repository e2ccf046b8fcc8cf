"""The packaged station on its simulated rack, through PyVISA.

Authority: the two files are written apart, the station file says how the rack is believed to be wired, the bench file
how it is; the drivers and the simulated instruments are independent readings of the manuals.
"""

from importlib.resources import files

import pytest

from labctl.errors import EnvelopeError, StationError
from labctl.station import Station
from labctl.station.doctor import check


@pytest.fixture
def station_on_changed_bench(tmp_path):
    def make(*changes):
        bench = (files("labctl_data") / "benches" / "tiox-32x32.toml").read_text(encoding="utf-8")
        for old, new in changes:
            assert old in bench
            bench = bench.replace(old, new)
        (tmp_path / "bench.toml").write_text(bench, encoding="utf-8")
        station = (files("labctl_data") / "stations" / "tiox-32x32.toml").read_text(encoding="utf-8")
        path = tmp_path / "station.toml"
        path.write_text(station.replace("tiox-32x32@labctl", "bench.toml@labctl"), encoding="utf-8")
        return path

    return make


def test_every_check_passes_on_the_packaged_station():
    with Station.open("tiox-32x32") as station:
        assert station.simulated
        assert station.bench_info["name"] == "tiox-32x32"
        start_s = station.clock.now_s()
        assert [item for item in check(station) if not item.ok] == []
        # 128 readings of one power line cycle at 50 Hz cannot take less on the rack's clock
        assert station.clock.now_s() - start_s > 128 * 0.02


def test_swapped_lines_of_the_bench_alone_are_named(station_on_changed_bench):
    path = station_on_changed_bench(('"104"', '"X"'), ('"310"', '"104"'), ('"X"', '"310"'))
    with Station.open(path) as station:
        wrong = [item for item in check(station) if not item.ok]
    assert [item.name for item in wrong] == ["addressing"]
    assert "word line 3 and bit line 1 are swapped" in wrong[0].detail


def test_swapped_rows_of_the_bench_alone_are_named(station_on_changed_bench):
    path = station_on_changed_bench(('A = "smu1.a"', 'A = "smu1.b"'), ('\nB = "smu1.b"', '\nB = "smu1.a"'))
    with Station.open(path) as station:
        wrong = [item for item in check(station) if not item.ok]
    assert [item.name for item in wrong] == ["rows"]


def test_other_serial_number_of_the_bench_is_refused(station_on_changed_bench):
    with pytest.raises(StationError, match=r"instruments\.smu1\.serial: 4400001 expected, 4400009 answered"):
        Station.open(station_on_changed_bench(("4400001", "4400009")))


def test_every_role_works_without_an_entry_in_any_error_queue():
    with Station.open("tiox-32x32") as station:
        wiring, matrix = station.wiring, station.switch_matrix("mat1")
        a, b, generator = (station.source_meter("smu1.a"), station.source_meter("smu1.b"), station.pulse_source("gen1"))
        for meter in (a, b):
            meter.prepare(voltage_range_v=2.0, current_limit_a=1e-3, measure_range_a=1e-5, integration_plc=1.0)
        generator.prepare(width_s=1e-5, edge_s=1e-8)
        smu_points = [wiring.crosspoint("A", wiring.word(0)), wiring.crosspoint("B", wiring.bit(0))]
        generator_points = [wiring.crosspoint("C", wiring.word(0)), wiring.crosspoint("D", wiring.bit(0))]
        matrix.close(smu_points)
        a.output_on()
        b.output_on()
        a.set_voltage(0.2)
        # the current flows into channel B, so what leaves its terminal is negative
        current = b.measure_current()
        assert current.value < 0.0
        assert a.measure_voltage().value == pytest.approx(0.2, abs=2e-3)
        a.set_voltage(0.0)
        a.pulse(0.3, width_s=1e-3, partner=b, partner_level_v=-0.3)
        assert len(a.staircase([0.1, -0.1], dwell_s=0.05)) == 2
        a.output_off()
        b.output_off()
        matrix.exchange(opening=smu_points, closing=generator_points)
        assert matrix.closed() == set(generator_points)
        generator.output_on()
        for levels_v in ({1: 0.1, 2: -0.1}, {1: -0.1, 2: 0.1}, {2: 0.1}):
            generator.set_levels(levels_v)
            generator.fire()
        with pytest.raises(EnvelopeError):
            generator.set_levels({1: 2.6, 2: -2.6})
        assert {key: instrument.drain_errors() for key, instrument in station.instruments.items()} == {
            "smu1": [],
            "gen1": [],
            "mat1": [],
        }
        station.safe_off()
        assert all(instrument.is_off() for instrument in station.instruments.values())
        assert station.settings()["mat1"]["closed"] == ""
