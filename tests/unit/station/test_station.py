"""Opening and closing a station. Authority: identity before anything else, all off before all else at the end."""

import types

import pytest
import pyvisa

from labctl.clock import VirtualClock, WallClock
from labctl.errors import EnvelopeError, InstrumentError, NotVerifiedOffError, ProtocolError, StationError
from labctl.roles import Flag, Instrument
from labctl.station import Station
from labctl_instruments import drivers

READING = (
    "print(smua.measure.i(),smua.source.compliance,smua.source.output,smua.source.levelv,"
    "smub.source.output,smub.source.levelv,errorqueue.count)"
)
ANSWERS = {
    "smu1": {
        "*IDN?": "Keithley Instruments Inc., Model 2636B, 4400001, 3.3.5",
        "print(smua.source.output,smub.source.output)": "0.0e+00\t0.0e+00",
        READING: "1e-3\ttrue\t0e+0\t0e+0\t0e+0\t0e+0\t0e+0",
    },
    "gen1": {"*IDN?": "Keysight Technologies,33622A,MY00000001,A.02.03", ":OUTP1?;:OUTP2?": "0;0"},
    "mat1": {
        "*IDN?": "Keithley Instruments Inc., Model 707B, 1400001, 1.40",
        'print(channel.getclose("allslots"))': "nil",
        "print(channel.connectrule)": "1.0e+00",
        'channel.open("allslots") print(channel.getclose("allslots"),"switched")': "nil\tswitched",
    },
}
IDENTITIES = [("smu1", "*IDN?"), ("gen1", "*IDN?"), ("mat1", "*IDN?")]
ARE_THEY_OFF = [(key, question) for key, name in (("smu1", "keithley.Keithley2636B"),
                ("gen1", "keysight.Keysight33622A"), ("mat1", "keithley.Keithley707B"))
                for question, _ in drivers()[name].OFF_CHECKS]  # fmt: skip
OPENING = IDENTITIES + ARE_THEY_OFF
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
        self.refusal = pyvisa.errors.VisaIOError(pyvisa.constants.StatusCode.error_resource_not_found)
        self._adapter = adapter
        monkeypatch.setattr(pyvisa, "ResourceManager", self._manager)
        monkeypatch.setattr("labctl.station.opening.drivers", self._drivers)

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
                        raise self.refusal
                    super().__init__(self._adapter(self.answers[key], self.log, key), name=name)

            return Opened

        return {name: opener(driver) for name, driver in drivers().items()}


@pytest.fixture
def rack(monkeypatch, answering_adapter):
    return FakeRack(monkeypatch, answering_adapter)


def sent(rack):
    return [entry for entry in rack.log if entry[1] != "<closed>"]


def test_open_asks_only_who_is_there_and_whether_it_is_off_and_close_switches_off_before_it_asks(rack, station_path):
    with Station.open(station_path) as station:
        assert sent(rack) == OPENING
        assert station.identities()["smu1"].serial == "4400001"
    after = sent(rack)[len(OPENING) :]
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


def test_one_instrument_under_two_keys_is_refused(rack, station_path, station_text):
    copy = '[instruments.smu2]\ndriver = "keithley.Keithley2636B"\nresource = "TCPIP0::smu1.example::inst0::INSTR"\n\n'
    station_path.write_text(station_text.replace("[instruments.gen1]", f"{copy}[instruments.gen1]"), encoding="utf-8")
    rack.answers["smu2"] = dict(rack.answers["smu1"])
    with pytest.raises(StationError, match=r"instruments\.smu2\.resource: leads to the same instrument as smu1"):
        Station.open(station_path)
    assert {message for _, message in sent(rack)} == {"*IDN?"}
    # IEEE 488.2: 0 where an instrument has no serial number
    for key in ("smu1", "smu2"):
        rack.answers[key]["*IDN?"] = "Keithley Instruments Inc., Model 2636B, 0, 3.3.5"
    station_path.write_text(
        station_path.read_text(encoding="utf-8").replace('serial = "4400001"', ""), encoding="utf-8"
    )
    Station.open(station_path).close()


def test_error_of_no_class_on_connect_names_the_instrument(rack, station_path):
    # pyvisa-py raises a plain Exception where a name is not resolved or a port does not answer
    rack.unreachable, rack.refusal = {"smu1"}, Exception("could not connect: timed out")
    with pytest.raises(InstrumentError, match=r"smu1 \(.*could not connect: timed out.*instruments\.smu1\.resource"):
        Station.open(station_path)
    assert rack.closed == 1


def test_what_was_left_on_counts_as_on_until_it_is_switched_off(rack, station_path):
    outputs = "print(smua.source.output,smub.source.output)"
    rack.answers["smu1"][outputs] = "1.0e+00\t0.0e+00"
    station = Station.open(station_path)
    assert station.has_output_on()
    assert [message for _, message in sent(rack)].count(outputs) == 3
    rack.log.clear()
    for stimulus in (
        lambda: station.switch_matrix("mat1").close(["1A01"]),
        lambda: station.pulse_source("gen1").set_levels({1: 0.1}),
    ):
        station._guard.prepared.add("gen1")
        with pytest.raises(EnvelopeError, match=r"smu1\.[ab].*nothing was sent"):
            stimulus()
    assert rack.log == []
    rack.answers["smu1"][outputs] = "0.0e+00\t0.0e+00"
    station.safe_off()
    assert not station.has_output_on()
    assert station.left_on() == []
    station.close()


def test_instrument_that_does_not_tell_whether_it_is_off_is_refused(rack, station_path):
    del rack.answers["gen1"][":OUTP1?;:OUTP2?"]
    with pytest.raises(InstrumentError, match="gen1"):
        Station.open(station_path)
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
    rack.answers["smu1"]["smua.source.output=0 smub.source.output=0"] = OSError("link is dead")
    rack.answers["gen1"][":OUTP1?;:OUTP2?"] = "1;0"
    rack.log.clear()
    with pytest.raises(NotVerifiedOffError, match=r"NOT VERIFIED OFF.*link is dead.*gen1 .*still on"):
        station.close()
    # a message that fails is written once more on a new session, with all of its instrument
    assert list(dict.fromkeys(entry for entry in sent(rack) if entry in SAFE_OFF)) == SAFE_OFF
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
