"""Bytes of the Keithley 707B.

Authority: Models 707B and 708B Reference Manual 707B-901-01 Rev. B, section 7: channel.close and channel.open take
a channel list and wait for the settle time; channel.getclose answers names separated by semicolons or nil.
"""

import pytest

from labctl.errors import InstrumentFault, ProtocolError, UnconfirmedError
from labctl.roles import SwitchMatrix
from labctl_instruments.keithley.keithley707b import Keithley707B

OFF = 'print(channel.getclose("allslots"))'
CLOSED = 'print(channel.getclose("allslots"),"closed")'


def test_matrix_fulfils_the_role(dialogue):
    with dialogue(Keithley707B, []) as matrix:
        assert isinstance(matrix, SwitchMatrix)


CLOSE = 'channel.close("1A01") print(channel.getclose("1A01"),"switched")'
OPEN_ALL = 'channel.open("allslots") print(channel.getclose("allslots"),"switched")'


def test_exchange_opens_before_it_closes_in_one_message_and_reads_back(dialogue):
    sent = 'channel.open("1A01,2B12") channel.close("6H03") print(channel.getclose("1A01,2B12,6H03"),"switched")'
    with dialogue(Keithley707B, [(sent, "6H03\tswitched")]) as matrix:
        matrix.exchange(opening=["2B12", "1A01"], closing={"6H03"})


def test_close_open_and_open_all_wait_for_the_relays(dialogue):
    opening = 'channel.open("1A01") print(channel.getclose("1A01"),"switched")'
    pairs = [(CLOSE, "1A01\tswitched"), (opening, "nil\tswitched"), (OPEN_ALL, "nil\tswitched")]
    with dialogue(Keithley707B, pairs) as matrix:
        matrix.close(["1A01"])
        matrix.open(["1A01"])
        matrix.open_all()


def test_exchange_looks_at_one_crosspoint_that_should_have_stayed(dialogue):
    # a matrix that lost power between two exchanges confirms the second one all the same
    second = 'channel.close("2B02") print(channel.getclose("1A01,2B02"),"switched")'
    pairs = [(OPEN_ALL, "nil\tswitched"), (CLOSE, "1A01\tswitched"), (second, "2B02\tswitched")]
    with dialogue(Keithley707B, pairs) as matrix:
        matrix.open_all()
        matrix.close(["1A01"])
        with pytest.raises(InstrumentFault, match="open that should be closed: 1A01"):
            matrix.close(["2B02"])


@pytest.mark.parametrize(("reply", "what"), [("nil\tswitched", "1A01; "), ("1A01;2B02\tswitched", "open: 2B02")])
def test_relay_that_is_not_where_it_should_be_is_a_fault(dialogue, reply, what):
    with dialogue(Keithley707B, [(CLOSE, reply)]) as matrix, pytest.raises(InstrumentFault, match=what):
        matrix.close(["1A01"])


def test_settings_are_compared_after_a_slip(dialogue):
    pairs = [(OPEN_ALL, "nil\tswitched"), (CLOSE, "1A01\tswitched"), (CLOSED, "1A01\tclosed"), (CLOSED, "nil\tclosed")]
    with dialogue(Keithley707B, pairs) as matrix:
        matrix.open_all()
        matrix.close(["1A01"])
        matrix.verify_settings()
        with pytest.raises(InstrumentFault, match="1A01"):
            matrix.verify_settings()


def test_nothing_is_sent_when_nothing_is_to_switch(dialogue):
    with dialogue(Keithley707B, []) as matrix:
        matrix.exchange(opening=[], closing=[])


@pytest.mark.parametrize("name", ["1A13", "1A00", "7A01", "1I01", "1a01", "1A1", "1A01,2A01", "", "1A01\n"])
def test_crosspoint_is_refused_when_it_does_not_exist(dialogue, name):
    with dialogue(Keithley707B, []) as matrix, pytest.raises(ValueError, match="slot 1-6"):
        matrix.close([name])


@pytest.mark.parametrize("reply", ["nil", "switched", "1A01\tswitched\t1", "1A01\tdone", "1A01,1B02\tswitched"])
def test_switching_is_not_repeated_when_reading_back_confirms_it(dialogue, reply):
    with dialogue(Keithley707B, [(CLOSE, reply), dialogue.MEND, (CLOSED, "1A01\tclosed")]) as matrix:
        matrix.close(["1A01"])


def test_switching_is_unconfirmed_when_reading_back_does_not_confirm_it(dialogue):
    pairs = [(CLOSE, "nil"), dialogue.MEND, (CLOSED, "nil\tclosed")]
    with dialogue(Keithley707B, pairs) as matrix, pytest.raises(UnconfirmedError):
        matrix.close(["1A01"])


def test_closed_reads_nil_and_names(dialogue):
    pairs = [(CLOSED, "nil\tclosed"), (CLOSED, "1A01;1B02;6H12\tclosed")]
    with dialogue(Keithley707B, pairs) as matrix:
        assert matrix.closed() == frozenset()
        assert matrix.closed() == {"1A01", "1B02", "6H12"}


@pytest.mark.parametrize(
    "reply", ["", "1A01,1B02\tclosed", "1A01;\tclosed", "1A01;1B02", "1A01\tclos", "0.000000000e+00\tclosed"]
)
def test_closed_is_an_error_when_garbled(dialogue, reply):
    pairs = [(CLOSED, reply), dialogue.MEND, (CLOSED, reply), dialogue.MEND, (CLOSED, reply)]
    with dialogue(Keithley707B, pairs) as matrix, pytest.raises(ProtocolError):
        matrix.closed()


SETTINGS = 'print(channel.connectrule,channel.getclose("allslots"),"closed")'


@pytest.mark.parametrize(
    "reply", ["1.0e+00\t1A01", "1.0e+00", "9.91e+37\t1A01\tclosed", "3\tnil\tclosed", "x\tnil\tclosed"]
)
def test_settings_are_asked_again_when_they_were_cut_or_are_none(dialogue, reply):
    pairs = [(SETTINGS, reply), dialogue.MEND, (SETTINGS, "2.0e+00\tnil\tclosed")]
    with dialogue(Keithley707B, pairs) as matrix:
        assert matrix.settings() == {"connect_rule": "make before break", "closed": ""}


def test_is_off_and_settings(dialogue):
    pairs = [(OFF, "nil"), *[(OFF, "1A01")] * 3, (SETTINGS, "1.000000000e+00\t1A01\tclosed")]
    with dialogue(Keithley707B, pairs) as matrix:
        assert matrix.is_off()
        assert not matrix.is_off()
        assert matrix.settings() == {"connect_rule": "break before make", "closed": "1A01"}


def test_error_code_is_read_when_printed_with_ten_digits(dialogue):
    # format.asciiprecision is 10 on this instrument: a driver that takes int() of the text fails here
    ask = "print(errorqueue.next())"
    pairs = [
        (ask, "1.114000000e+03\tChannel does not exist\t2.000000000e+01\t1.000000000e+00"),
        (ask, "0.000000000e+00\tQueue Is Empty\t0.000000000e+00\t1.000000000e+00"),
    ]
    with dialogue(Keithley707B, pairs) as matrix:
        assert matrix.drain_errors() == ["1114: Channel does not exist"]


def test_reset_clears_the_queue(dialogue):
    with dialogue(Keithley707B, [("reset() errorqueue.clear()", None)]) as matrix:
        matrix.reset()
