"""Bytes of the Keithley 707B.

Authority: Models 707B and 708B Reference Manual 707B-901-01 Rev. B, section 7: channel.close and channel.open take
a channel list and wait for the settle time; channel.getclose answers names separated by semicolons or nil.
"""

import pytest
from pymeasure.test import expected_protocol

from labctl.errors import ProtocolError
from labctl.roles import SwitchMatrix
from labctl_instruments.keithley.keithley707b import Keithley707B

CLOSED = 'print(channel.getclose("allslots"))'


def test_matrix_fulfils_the_role():
    with expected_protocol(Keithley707B, []) as matrix:
        assert isinstance(matrix, SwitchMatrix)


def test_exchange_opens_before_it_closes_in_one_message():
    sent = 'channel.open("1A01,2B12") channel.close("6H03") print("switched")'
    with expected_protocol(Keithley707B, [(sent, "switched")]) as matrix:
        matrix.exchange(opening=["2B12", "1A01"], closing={"6H03"})


def test_close_open_and_open_all_wait_for_the_relays():
    pairs = [
        ('channel.close("1A01") print("switched")', "switched"),
        ('channel.open("1A01") print("switched")', "switched"),
        ('channel.open("allslots") print("switched")', "switched"),
    ]
    with expected_protocol(Keithley707B, pairs) as matrix:
        matrix.close(["1A01"])
        matrix.open(["1A01"])
        matrix.open_all()


def test_nothing_is_sent_when_nothing_is_to_switch():
    with expected_protocol(Keithley707B, []) as matrix:
        matrix.exchange(opening=[], closing=[])


@pytest.mark.parametrize("name", ["1A13", "1A00", "7A01", "1I01", "1a01", "1A1", "1A01,2A01", "", "1A01\n"])
def test_crosspoint_is_refused_when_it_does_not_exist(name):
    with expected_protocol(Keithley707B, []) as matrix, pytest.raises(ValueError, match="slot 1-6"):
        matrix.close([name])


def test_unconfirmed_switching_is_an_error():
    sent = 'channel.close("1A01") print("switched")'
    with expected_protocol(Keithley707B, [(sent, "nil")]) as matrix, pytest.raises(ProtocolError):
        matrix.close(["1A01"])


def test_closed_reads_nil_and_names():
    pairs = [(CLOSED, "nil"), (CLOSED, "1A01;1B02;6H12")]
    with expected_protocol(Keithley707B, pairs) as matrix:
        assert matrix.closed() == frozenset()
        assert matrix.closed() == {"1A01", "1B02", "6H12"}


@pytest.mark.parametrize("reply", ["", "1A01,1B02", "1A01;", "0.000000000e+00"])
def test_closed_is_an_error_when_garbled(reply):
    with expected_protocol(Keithley707B, [(CLOSED, reply)]) as matrix, pytest.raises(ProtocolError):
        matrix.closed()


def test_is_off_and_settings():
    pairs = [(CLOSED, "nil"), (CLOSED, "1A01"), ("print(channel.connectrule)", "1.000000000e+00"), (CLOSED, "1A01")]
    with expected_protocol(Keithley707B, pairs) as matrix:
        assert matrix.is_off()
        assert not matrix.is_off()
        assert matrix.settings() == {"connect_rule": "break before make", "closed": "1A01"}


def test_error_code_is_read_when_printed_with_ten_digits():
    # format.asciiprecision is 10 on this instrument: a driver that takes int() of the text fails here
    ask = "print(errorqueue.next())"
    pairs = [
        (ask, "1.114000000e+03\tChannel does not exist\t2.000000000e+01\t1.000000000e+00"),
        (ask, "0.000000000e+00\tQueue Is Empty\t0.000000000e+00\t1.000000000e+00"),
    ]
    with expected_protocol(Keithley707B, pairs) as matrix:
        assert matrix.drain_errors() == ["1114: Channel does not exist"]


def test_reset_clears_the_queue():
    with expected_protocol(Keithley707B, [("reset() errorqueue.clear()", None)]) as matrix:
        matrix.reset()
