"""The switch matrix inside the rule of cold switching, with sources that say where they stand.

Authority: reference/reliability.md, P9 and P13: a source that is not where it was sent to is an error, never a reading;
opening every relay is the way to safety and is never held up.
"""

import pytest

from labctl.clock import VirtualClock
from labctl.errors import InstrumentError, InstrumentFault, ProtocolError
from labctl.station.guard import Guard
from labctl.station.read_back import ReadBack
from labctl.station.station_file import Envelope
from labctl.station.switching import EnvelopedSwitchMatrix

ENVELOPE = Envelope(voltage_v=2.0, current_a=1e-3, pulse_width_s=1.0, energy_j=1.0)


class Relays:
    def __init__(self):
        self.calls = []

    def open_all(self):
        self.calls.append("open_all")

    def exchange(self, *, opening, closing):
        self.calls.append("exchange")


class Source:
    def __init__(self, failure=None):
        self.failure, self.settled = failure, 0

    def settle(self):
        self.settled += 1
        if self.failure is not None:
            raise self.failure


def rack(*sources):
    guard = Guard(ENVELOPE, "station.toml")
    drivers = {f"smu{number}": source for number, source in enumerate(sources)}
    guard.prepared = {"smu0.a", "smu1.a"}
    read_back = ReadBack(drivers, guard, VirtualClock(0.0))
    relays = Relays()
    return EnvelopedSwitchMatrix(relays, "mat1", guard, lambda: read_back.settle(drivers)), relays, guard


def test_relays_do_not_move_when_a_source_stands_elsewhere():
    sources = Source(InstrumentFault("smu0: stood at 0.05 V")), Source()
    matrix, relays, guard = rack(*sources)
    with pytest.raises(InstrumentFault, match=r"0\.05 V"):
        matrix.close(["1A01"])
    assert relays.calls == []
    assert [source.settled for source in sources] == [1, 1]
    assert guard.prepared == {"smu1.a"}


@pytest.mark.parametrize("other", [None, ProtocolError("smu1: no answer")])
def test_every_relay_opens_and_the_fault_is_told_when_a_source_stands_elsewhere(other):
    matrix, relays, _ = rack(Source(InstrumentFault("smu0: stood at 0.05 V")), Source(other))
    with pytest.raises(InstrumentFault, match=r"0\.05 V"):
        matrix.open_all()
    assert relays.calls == ["open_all"]


def test_every_relay_opens_without_a_word_when_a_source_does_not_answer():
    matrix, relays, _ = rack(Source(ProtocolError("smu0: no answer")), Source())
    matrix.open_all()
    assert relays.calls == ["open_all"]
    with pytest.raises(InstrumentError, match="no answer"):
        matrix.close(["1A01"])
