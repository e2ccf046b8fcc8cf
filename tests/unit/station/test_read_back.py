"""Outputs go on only when the instrument agrees, relays move only cold, and trust that was lost is not assumed again.

Authority: the contract of labctl.station.guard and labctl.station.read_back; the settings are changed behind the
station's back, as a power cycle or a second program would.
"""

import pytest

from labctl.errors import EnvelopeError, InstrumentFault, UnconfirmedError
from labctl.station import Station
from labctl.station.watched import Watched

PREPARED = {"voltage_range_v": 2.0, "current_limit_a": 1e-3, "measure_range_a": 1e-5, "integration_plc": 0.1}
POINT = "1A01"


@pytest.fixture
def station():
    with Station.open("tiox-32x32") as opened:
        yield opened


@pytest.fixture
def behind(station):
    """Write to an instrument past the roles, as another program would."""

    def write(key, message):
        station._rack.drivers[key].adapter.write(message)

    return write


def outputs(station):
    return station._rack.drivers["smu1"].numbers("print(smua.source.output,smub.source.output)", 2)


def ready(station):
    meter = station.source_meter("smu1.a")
    meter.prepare(**PREPARED)
    meter.output_on()
    return meter


@pytest.mark.parametrize(
    "change", ["smua.source.limiti=0.1", "smua.source.rangev=200", "smua.source.levelv=0.5", "reset()"]
)
def test_output_stays_off_when_the_instrument_is_set_otherwise(station, behind, change):
    meter = station.source_meter("smu1.a")
    meter.prepare(**PREPARED)
    behind("smu1", change)
    with pytest.raises(InstrumentFault, match="smu1"):
        meter.output_on()
    assert outputs(station) == [0.0, 0.0]
    # nor does it go on when it is asked again: what was prepared is not known any more
    with pytest.raises(EnvelopeError, match=r"prepare\(\) first"):
        meter.output_on()
    ready(station)
    assert outputs(station) == [1.0, 0.0]


def test_output_stays_off_when_the_error_queue_holds_anything(station, behind):
    meter, generator = station.source_meter("smu1.b"), station.pulse_source("gen1")
    meter.prepare(**PREPARED)
    behind("smu1", "smub.source.limiti=99")
    with pytest.raises(InstrumentFault, match="its error queue held"):
        meter.output_on()
    assert outputs(station) == [0.0, 0.0]
    generator.prepare(width_s=1e-5, edge_s=1e-8)
    behind("gen1", "NONSENSE")
    with pytest.raises(InstrumentFault, match="its error queue held -113"):
        generator.output_on()
    assert station.instruments["gen1"].is_off()


def test_generator_stays_off_when_its_width_was_changed(station, behind):
    generator = station.pulse_source("gen1")
    generator.prepare(width_s=1e-5, edge_s=1e-8)
    behind("gen1", ":SOUR1:FUNC:PULS:WIDT 5e-6")
    with pytest.raises(InstrumentFault, match="WIDT"):
        generator.output_on()
    assert station.instruments["gen1"].is_off()


def test_relays_move_only_cold(station):
    meter, matrix = ready(station), station.switch_matrix("mat1")
    matrix.close([POINT])
    meter.set_voltage(0.1)
    for move in (
        lambda: matrix.close(["1A02"]),
        lambda: matrix.open([POINT]),
        lambda: matrix.exchange(opening=[POINT], closing=["1A02"]),
    ):
        with pytest.raises(EnvelopeError, match=r"mat1: .*smu1\.a stands at 0\.1 V with its output on"):
            move()
    assert matrix.closed() == {POINT}
    meter.set_voltage(0.0)
    matrix.exchange(opening=[POINT], closing=["1A02"])
    meter.set_voltage(0.1)
    meter.output_off()
    matrix.close([POINT])
    # the way to safety is always open
    ready(station).set_voltage(0.1)
    matrix.open_all()
    assert matrix.closed() == frozenset()


def unconfirmed(monkeypatch, channel, note=None):
    """Let the next pulse of a channel go unconfirmed, with its plateau standing."""

    def pulse(level_v, **settings):
        channel.parent.send(f"smu{channel.id}.source.levelv={level_v:.9e}")
        channel._sent.pop("source.levelv", None)
        error = UnconfirmedError("no answer")
        if note:
            error.add_note(note)
        raise error

    monkeypatch.setattr(channel, "pulse", pulse)


def test_unconfirmed_pulse_stops_everything_until_the_station_is_in_step_again(station, monkeypatch):
    meter, matrix, generator = ready(station), station.switch_matrix("mat1"), station.pulse_source("gen1")
    matrix.open_all()
    matrix.close([POINT])
    driver = station._rack.drivers["smu1"]
    unconfirmed(monkeypatch, driver.a)
    with pytest.raises(UnconfirmedError):
        meter.pulse(0.5, width_s=1e-3, partner=None, partner_level_v=0.0)
    generator.prepare(width_s=1e-5, edge_s=1e-8)
    for act in (
        lambda: matrix.close(["1A02"]),
        lambda: meter.set_voltage(0.1),
        lambda: meter.staircase([0.1], dwell_s=1e-3),
        lambda: generator.set_levels({1: 0.1}),
        generator.output_on,
        meter.output_on,
    ):
        with pytest.raises(EnvelopeError, match=r"not confirmed"):
            act()
    # a relay that did not move meanwhile is moved
    station._rack.drivers["mat1"].adapter.write('channel.open("allslots")')
    station._rack.drivers["mat1"].forget()
    station.resynchronise()
    assert driver.numbers("print(smua.source.levelv,smua.source.output)", 2) == [0.0, 1.0]
    assert matrix.closed() == {POINT}
    meter.set_voltage(0.1)


def test_preparing_anew_ends_the_doubt_of_that_terminal_alone(station, monkeypatch):
    meter, other = ready(station), station.source_meter("smu1.b")
    other.prepare(**PREPARED)
    unconfirmed(monkeypatch, station._rack.drivers["smu1"].a)
    with pytest.raises(UnconfirmedError):
        meter.pulse(0.5, width_s=1e-3, partner=other, partner_level_v=0.0)
    ready(station)
    with pytest.raises(EnvelopeError, match=r"level of smu1\.b is not known"):
        meter.set_voltage(0.1)
    other.prepare(**PREPARED)
    other.output_on()
    meter.set_voltage(0.1)


def test_settings_that_were_lost_with_a_confirmation_are_not_trusted(station, monkeypatch):
    meter = ready(station)
    unconfirmed(monkeypatch, station._rack.drivers["smu1"].a, note="smua.source.limiti differs")
    with pytest.raises(UnconfirmedError):
        meter.pulse(0.5, width_s=1e-3, partner=None, partner_level_v=0.0)
    station.resynchronise()
    with pytest.raises(EnvelopeError, match=r"prepare\(\) first"):
        meter.set_voltage(0.1)


def test_resynchronise_fails_when_a_limit_was_changed(station, behind):
    meter = ready(station)
    behind("smu1", "smua.source.limiti=0.1")
    with pytest.raises(InstrumentFault, match="limiti"):
        station.resynchronise()
    with pytest.raises(EnvelopeError, match=r"prepare\(\) first"):
        meter.set_voltage(0.1)


def test_drain_takes_entries_and_link_events_once(station, behind):
    behind("smu1", "smua.source.limiti=99")
    station._rack.drivers["gen1"].link_events.append("session opened again")
    found = station.drain()
    assert [text.partition(":")[0] for text in found] == ["smu1", "gen1"]
    assert found[1] == "gen1: session opened again"
    assert station.drain() == []


def test_watched_names_sources_before_switches(station):
    watched = station.watched()
    assert [(item.key, item.is_switch) for item in watched] == [("smu1", False), ("gen1", False), ("mat1", True)]
    smu = watched[0]
    assert isinstance(smu, Watched)
    assert smu.resource == station.content.instruments["smu1"].resource
    assert not [message for message in smu.safe_off if "print" in message]
    assert [question for question, _ in smu.off_checks if question.startswith("print(")]


def test_waits_are_told_to_the_watcher(station):
    told = []
    station.watch_waits(told.append)
    station.settings()
    assert max(told) > 0.0
    assert told[-1] == 0.0
    station.watch_waits(None)
    count = len(told)
    station.settings()
    assert len(told) == count


def test_safe_off_makes_limits_unknown_and_relays_free(station):
    meter, matrix = ready(station), station.switch_matrix("mat1")
    meter.set_voltage(0.1)
    station.safe_off()
    matrix.close([POINT])
    with pytest.raises(EnvelopeError, match=r"prepare\(\) first"):
        meter.output_on()
