"""Simulated Keithley 707B with 7174A cards.

Authorities: 707B-901-01 Rev. B (page in each test), the data sheet of the 7174A, and the strings that the public
SweepMe and comet drivers send.
"""

import pytest

from labctl.clock import VirtualClock
from labctl.errors import StationError
from labctl_mock.keithley.keithley707b import SimulatedKeithley707B


class SwitchLog:
    """Notes each change of crosspoints with its time."""

    def __init__(self):
        self.clock = VirtualClock()
        self.changes = []
        self.settled = 0

    def settle(self):
        self.settled += 1

    def switch(self, matrix, *, opening, closing):
        self.changes.append((self.clock.now_s(), matrix, tuple(opening), tuple(closing)))


class Rack:
    def __init__(self, cards=("7174A",) * 6):
        self.circuit = SwitchLog()
        self.matrix = SimulatedKeithley707B(
            "mat1", self.circuit, serial="1400001", seed=1, options={"cards": list(cards)}
        )

    def write(self, text):
        self.matrix.receive(text.encode() + b"\n", True)

    def ask(self, text):
        self.write(text)
        return self.matrix.transmit(1 << 20)[0].decode("latin-1").removesuffix("\n")

    def closed(self):
        return self.ask('print(channel.getclose("allslots"))')

    def codes(self):
        codes = []
        while (code := int(float(self.ask("print(errorqueue.next())").split("\t")[0]))) != 0:
            codes.append(code)
        return codes


@pytest.fixture
def rack():
    return Rack()


def test_identity_and_number_format(rack):
    # 707B-901-01 section 7: format.asciiprecision is 10 by default
    assert rack.ask("*IDN?").split(",")[1:3] == ["MODEL 707B", "1400001"]
    assert rack.ask("print(localnode.model, 0)") == "707B\t0.000000000e+00"
    assert rack.ask("print(errorqueue.next())").startswith("0.000000000e+00\tQueue Is Empty\t")


def test_getclose_is_nil_when_everything_is_open(rack):
    assert rack.closed() == "nil"


def test_close_and_open_change_the_circuit(rack):
    rack.write('channel.close("1B02, 1A01")')
    assert rack.closed() == "1A01;1B02"  # page 2-82: lowest first
    rack.write('channel.close("6H12")')
    assert rack.closed() == "1A01;1B02;6H12"
    rack.write('channel.open("1A01")')
    assert rack.closed() == "1B02;6H12"
    assert [change[1:] for change in rack.circuit.changes] == [
        ("mat1", (), ("1B02", "1A01")),
        ("mat1", (), ("6H12",)),
        ("mat1", ("1A01",), ()),
    ]
    assert rack.circuit.settled == 3
    rack.write('channel.open("allslots")')
    assert rack.closed() == "nil"


@pytest.mark.parametrize(
    ("text", "closed"),
    [
        ("1A01:1A03", "1A01;1A02;1A03"),
        ("1A11:1B02", "1A11;1A12;1B01;1B02"),
        ("1A01;2B01,3C12", "1A01;2B01;3C12"),
        ("1A01,1A01", "1A01"),
        ("1a01", "1A01"),
    ],
)
def test_channel_list_names_crosspoints(rack, text, closed):
    # pages 2-81 and 2-82: comma or semicolon between, colon for a range
    rack.write(f'channel.close("{text}")')
    assert rack.closed() == closed


def test_slot_and_allslots_name_every_crosspoint(rack):
    rack.write('channel.close("slot2")')
    assert len(rack.ask('print(channel.getclose("slot2"))').split(";")) == 96
    assert rack.ask('print(channel.getclose("slot1"))') == "nil"
    rack.write('channel.open("slot2") channel.close("allslots")')
    assert len(rack.closed().split(";")) == 576


@pytest.mark.parametrize(
    "text", ["", "1A13", "1A00", "1I01", "7A01", "A01", "1A1", "1A01:2A01", "1A03:1A01", "slot7", "1A01,nonsense"]
)
def test_close_refuses_whole_list_when_one_channel_is_wrong(rack, text):
    rack.write(f'channel.close("{text}")')
    assert rack.codes() == [1115]
    assert rack.closed() == "nil"
    assert not rack.circuit.changes


def test_empty_slot_has_no_channels():
    rack = Rack(cards=["7174A", "", "7174A"])
    assert rack.ask("print(slot[2].idn)") == "Empty Slot"
    assert rack.ask("print(slot[1].idn)").startswith("7174A,")
    rack.write('channel.close("2A01")')
    assert rack.codes() == [1115]
    rack.write('channel.close("3A01")')
    assert rack.closed() == "3A01"


def test_exclusiveclose_opens_first_and_then_closes(rack):
    # page 2-82: break before make is the default; both settling times pass
    rack.write('channel.close("1A01,2A01")')
    rack.circuit.changes.clear()
    start_s = rack.circuit.clock.now_s()
    rack.write('channel.exclusiveclose("2A01,3B05")')
    assert rack.closed() == "2A01;3B05"
    (opened_s, _, opening, none), (closed_s, _, nothing, closing) = rack.circuit.changes
    assert (opening, none, nothing, closing) == (("1A01",), (), (), ("3B05",))
    assert closed_s - opened_s == pytest.approx(1e-3)
    assert rack.circuit.clock.now_s() - start_s > 2e-3


def test_make_before_break_closes_first(rack):
    rack.write('channel.close("1A01") channel.connectrule=channel.MAKE_BEFORE_BREAK channel.exclusiveclose("1B01")')
    assert [change[2:] for change in rack.circuit.changes[1:]] == [((), ("1B01",)), (("1A01",), ())]


def test_no_rule_changes_both_at_once(rack):
    rack.write('channel.close("1A01") channel.connectrule=channel.OFF channel.exclusiveclose("1B01")')
    assert [change[2:] for change in rack.circuit.changes[1:]] == [(("1A01",), ("1B01",))]


def test_exclusiveslotclose_leaves_other_slots(rack):
    rack.write('channel.close("1A01,2A01") channel.exclusiveslotclose("1B01")')
    assert rack.closed() == "1B01;2A01"


def test_exclusiveclose_opens_everything_when_list_is_empty(rack):
    rack.write('channel.close("1A01,2A01") channel.exclusiveclose("")')
    assert rack.closed() == "nil"


def test_sequential_and_user_delays_add_up(rack):
    # page 2-84: with sequential on, three channels take three settling times; user delays come on top
    rack.write('channel.connectsequential=channel.ON channel.setdelay("1A02", 0.05)')
    assert float(rack.ask('print(channel.getdelay("1A02"))')) == 0.05
    start_s = rack.circuit.clock.now_s()
    rack.write('channel.close("1A01:1A03")')
    assert rack.circuit.clock.now_s() - start_s == pytest.approx(3e-3 + 0.05, abs=0.5e-3)


def test_closing_what_is_closed_moves_no_relay_and_takes_no_settling(rack):
    rack.write('channel.close("1A01")')
    start_s = rack.circuit.clock.now_s()
    rack.write('channel.close("1A01") channel.open("2A01")')
    assert rack.circuit.clock.now_s() - start_s < 0.5e-3
    assert len(rack.circuit.changes) == 1
    assert rack.ask('print(channel.getcount("1A01,2A01"))') == "1;0"


def test_forbidden_channel_opens_and_stays_open(rack):
    rack.write('channel.close("1A01") channel.setforbidden("1A01")')
    assert rack.closed() == "nil"
    assert rack.ask('print(channel.getforbidden("allslots"))') == "1A01"
    rack.write('channel.close("1A01,1A02")')
    assert rack.codes() == [1114]
    assert rack.closed() == "nil"
    rack.write('channel.clearforbidden("allslots") channel.close("1A01")')
    assert rack.closed() == "1A01"


@pytest.mark.parametrize("text", ["*RST", "reset()", 'channel.reset("allslots")'])
def test_reset_opens_everything(rack, text):
    rack.write('channel.close("1A01,5C07")')
    rack.write(text)
    assert rack.closed() == "nil"
    assert rack.ask("print(channel.connectrule)") == "1.000000000e+00"


def test_strings_of_other_drivers_work(rack):
    # SweepMe 707B and comet 707B: closing, state and questions after each write
    rack.write("errorqueue.clear() dataqueue.clear() beeper.enable=beeper.ON beeper.beep(0.2, 2400)")
    rack.write("channel.reset('allslots')")
    rack.write("channel.close('1A01')")
    assert rack.ask("*OPC?") == "1"
    assert rack.ask("print(channel.getstate('1A01,1A02'))") == "1;0"
    assert rack.ask("print(channel.getclose('1A01'))") == "1A01"
    assert rack.ask("print(slot[1].rows.matrix, slot[1].columns.matrix)") == "8.000000000e+00\t1.200000000e+01"
    assert rack.codes() == []


@pytest.mark.parametrize("cards", ["7174A", ["7072"], ["7174A"] * 7])
def test_card_list_is_refused_when_it_names_what_is_not_there(cards):
    with pytest.raises(StationError, match=r"instruments\.mat1\.cards"):
        SimulatedKeithley707B("mat1", SwitchLog(), serial="1", seed=1, options={"cards": cards})
