"""Opening and closing a station. Authority: identity before anything else, all off before all else at the end."""

import types

import pytest
import pyvisa

from labctl.clock import VirtualClock, WallClock
from labctl.errors import InstrumentError, NotVerifiedOffError, ProtocolError, StationError
from labctl.roles import Flag, Instrument
from labctl.station import Station
from labctl_instruments import drivers

ANSWERS = {
    "smu1": {
        "*IDN?": "Keithley Instruments Inc., Model 2636B, 4400001, 3.3.5",
        "print(smua.source.output,smub.source.output)": "0.0e+00\t0.0e+00",
        "print(smua.measure.i(),smua.source.compliance)": "1.0e-03\ttrue",
    },
    "gen1": {"*IDN?": "Keysight Technologies,33622A,MY00000001,A.02.03", ":OUTP1?;:OUTP2?": "0;0"},
    "mat1": {
        "*IDN?": "Keithley Instruments Inc., Model 707B, 1400001, 1.40",
        'print(channel.getclose("allslots"))': "nil",
        "print(channel.connectrule)": "1.0e+00",
        'channel.open("allslots") print("switched")': "switched",
    },
}
IDENTITIES = [("smu1", "*IDN?"), ("gen1", "*IDN?"), ("mat1", "*IDN?")]
SAFE_OFF = [(key, message) for key, name in (("smu1", "keithley.Keithley2636B"), ("gen1", "keysight.Keysight33622A"))
            for message in drivers()[name].SAFE_OFF] + [("mat1", 'channel.open("allslots")')]  # fmt: skip


class FakeRack:
    """PyVISA's resource manager and the drivers' way to it, replaced by tables of answers."""

    def __init__(self, monkeypatch, adapter):
        self.answers = {key: dict(table) for key, table in ANSWERS.items()}
        self.log = []
        self.visalib = types.SimpleNamespace()
        self.closed = 0
        self.unreachable = set()
        self._adapter = adapter
        monkeypatch.setattr(pyvisa, "ResourceManager", self._manager)
        monkeypatch.setattr("labctl.station.station.drivers", self._drivers)

    def _manager(self, library):
        assert library == "@fake"
        return self

    def close(self):
        self.closed += 1

    def _drivers(self):
        def opener(driver):
            class Opened(driver):
                def __init__(opened, resource, name, visa_library):
                    assert visa_library is self.visalib
                    key = name.partition(" ")[0]
                    if key in self.unreachable:
                        raise pyvisa.errors.VisaIOError(pyvisa.constants.StatusCode.error_resource_not_found)
                    super().__init__(self._adapter(self.answers[key], self.log, key), name=name)

            return Opened

        return {name: opener(driver) for name, driver in drivers().items()}


@pytest.fixture
def rack(monkeypatch, answering_adapter):
    return FakeRack(monkeypatch, answering_adapter)


def sent(rack):
    return [entry for entry in rack.log if entry[1] != "<closed>"]


def test_open_asks_only_who_is_there_and_close_switches_off_before_it_asks(rack, station_path):
    with Station.open(station_path) as station:
        assert sent(rack) == IDENTITIES
        assert station.identities()["smu1"].serial == "4400001"
    after = sent(rack)[len(IDENTITIES) :]
    assert after[: len(SAFE_OFF)] == SAFE_OFF
    assert len(after) == len(SAFE_OFF) + 3
    assert rack.closed == 1
    assert [key for key, message in rack.log if message == "<closed>"] == ["smu1", "gen1", "mat1"]
    station.close()
    assert rack.closed == 1


@pytest.mark.parametrize(
    ("key", "reply", "named"),
    [
        ("smu1", "Keithley Instruments Inc., Model 2636B, 4400002, 3.3.5", "instruments.smu1.serial: 4400001 expected"),
        ("gen1", "Keysight Technologies,33522B,MY00000001,A.02.03", "instruments.gen1.driver: model 33622A expected"),
    ],
)
def test_other_instrument_is_refused_before_anything_else_is_sent(rack, station_path, key, reply, named):
    rack.answers[key]["*IDN?"] = reply
    with pytest.raises(StationError, match=named):
        Station.open(station_path)
    assert sent(rack) == IDENTITIES
    assert rack.closed == 1


def test_unreachable_instruments_are_reported_together(rack, station_path):
    rack.unreachable = {"smu1", "mat1"}
    with pytest.raises(InstrumentError, match=r"smu1 \(.*mat1 \("):
        Station.open(station_path)
    assert sent(rack) == []
    assert rack.closed == 1


def test_silent_instrument_is_reported(rack, station_path):
    del rack.answers["gen1"]["*IDN?"]
    with pytest.raises(InstrumentError, match=r"gen1 .*no answer"):
        Station.open(station_path)


def test_unknown_driver_lists_the_known(rack, station_path, station_text):
    station_path.write_text(station_text.replace("Keithley707B", "Keithley708B"), encoding="utf-8")
    with pytest.raises(StationError, match=r"instruments\.mat1\.driver.*keithley\.Keithley707B"):
        Station.open(station_path)


def test_visa_library_that_is_not_installed_is_a_station_error(station_path, station_text):
    station_path.write_text(station_text.replace("@fake", "@nothing_like_it"), encoding="utf-8")
    with pytest.raises(StationError, match="visa_library"):
        Station.open(station_path)


def test_roles_are_found_by_name_and_unknown_ones_list_the_known(rack, station_path):
    with Station.open(station_path) as station:
        reading = station.source_meter("smu1.a").measure_current()
        assert (reading.value, reading.flags) == (1e-3, {Flag.COMPLIANCE})
        assert station.source_meter("smu1.b") is station.source_meter("smu1.b")
        assert station.pulse_source("gen1").outputs == (1, 2)
        station.switch_matrix("mat1").open_all()
        with pytest.raises(StationError, match=r"smu1\.a, smu1\.b"):
            station.source_meter("gen1.1")
        with pytest.raises(StationError, match="there are gen1"):
            station.pulse_source("smu1")
        with pytest.raises(StationError, match="there are mat1"):
            station.switch_matrix("gen1")


def test_instruments_offer_no_way_around_the_envelope(rack, station_path):
    with Station.open(station_path) as station:
        for instrument in station.instruments.values():
            assert isinstance(instrument, Instrument)
            public = {name for name in dir(instrument) if not name.startswith("_")}
            assert public == {"identity", "safe_off", "is_off", "reset", "drain_errors", "settings"}


def test_reset_makes_the_limits_unknown(rack, station_path):
    with Station.open(station_path) as station:
        meter, generator = station.source_meter("smu1.a"), station.pulse_source("gen1")
        meter.prepare(voltage_range_v=2.0, current_limit_a=1e-3, measure_range_a=None, integration_plc=1.0)
        generator.prepare(width_s=1e-6, edge_s=1e-8)
        for instrument in station.instruments.values():
            instrument.reset()
        for action in (meter.output_on, generator.output_on):
            with pytest.raises(Exception, match=r"prepare\(\) first"):
                action()


def test_safe_off_tries_every_instrument_and_reports_all_failures(rack, station_path):
    station = Station.open(station_path)
    rack.answers["smu1"]["smua.source.output=0 smua.source.levelv=0"] = OSError("link is dead")
    rack.answers["gen1"][":OUTP1?;:OUTP2?"] = "1;0"
    rack.log.clear()
    with pytest.raises(NotVerifiedOffError, match=r"NOT VERIFIED OFF.*link is dead.*gen1 .*still on"):
        station.close()
    assert [entry for entry in sent(rack) if entry in SAFE_OFF] == SAFE_OFF
    assert rack.closed == 1


def test_safe_off_reaches_the_others_when_one_driver_breaks_unforeseen(rack, station_path):
    station = Station.open(station_path)
    rack.answers["smu1"]["abort"] = ZeroDivisionError("a bug")
    rack.log.clear()
    with pytest.raises(ZeroDivisionError):
        station.close()
    assert {key for key, message in sent(rack) if (key, message) in SAFE_OFF} == {"smu1", "gen1", "mat1"}
    assert rack.closed == 1


def test_failed_close_does_not_hide_the_error_that_came_first(rack, station_path):
    rack.answers["gen1"][":OUTP1?;:OUTP2?"] = "1;0"

    def fail():
        with Station.open(station_path):
            raise ProtocolError("the first")

    with pytest.raises(ProtocolError, match="the first") as caught:
        fail()
    assert "still on" in caught.value.__notes__[0]


def test_clock_and_bench_come_from_the_visa_library_when_it_has_them(rack, station_path):
    with Station.open(station_path) as station:
        assert isinstance(station.clock, WallClock)
        assert (station.simulated, station.bench_info) == (False, None)
    rack.visalib.clock = VirtualClock()
    rack.visalib.bench_info = {"name": "small", "simulated": True}
    with Station.open(station_path) as station:
        assert station.clock is rack.visalib.clock
        assert station.simulated
        assert station.bench_info == {"name": "small", "simulated": True}


def test_settings_are_collected_from_every_instrument(rack, station_path):
    with Station.open(station_path) as station, pytest.raises(InstrumentError, match="smu1"):
        station.settings()
