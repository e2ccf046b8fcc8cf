"""Relays wait for the sources: a write returns while its message is on its way, and instruments do not wait for others.

Authority: the contract of labctl.station.switching, and of ``settle`` in labctl_instruments.asking.
"""

import pytest

from labctl.errors import InstrumentError, ProtocolError
from labctl.station.guard import Guard
from labctl.station.station_file import Envelope
from labctl.station.switching import EnvelopedSwitchMatrix
from labctl_instruments import drivers

DRIVER = drivers()["keysight.Keysight33622A"]
IDENTITY = {"*IDN?": "Keysight Technologies,33622A,MY1,1"}


def test_settling_is_asked_only_after_what_was_sent_and_not_answered(answering_adapter):
    log = []
    answers = {**IDENTITY, DRIVER.SETTLING: "1"}
    driver = DRIVER(answering_adapter(answers, log, "gen1"), name="gen1")
    driver.settle()
    assert log == []
    driver.send(":SOUR1:VOLT:HIGH 1")
    driver.settle()
    assert [message for _, message in log][1:] == [DRIVER.SETTLING]
    driver.settle()
    driver.send(":SOUR1:VOLT:HIGH 0")
    # any answer says that what came before was obeyed
    driver.identity()
    driver.settle()
    assert [message for _, message in log].count(DRIVER.SETTLING) == 1


def test_settling_that_is_not_answered_is_an_error(answering_adapter):
    driver = DRIVER(answering_adapter(IDENTITY, [], "gen1"), name="gen1")
    driver.send(":SOUR1:VOLT:HIGH 1")
    with pytest.raises(ProtocolError, match="gen1"):
        driver.settle()


class Matrix:
    def __init__(self, log):
        self.log = log

    def exchange(self, *, opening, closing):
        self.log.append("move")

    def open_all(self):
        self.log.append("open all")


def matrix(log, settle):
    return EnvelopedSwitchMatrix(Matrix(log), "mat1", Guard(Envelope(3.0, 0.05, 0.5, 2e-3), "small.toml"), settle)


def test_sources_settle_before_every_move():
    log = []
    switches = matrix(log, lambda: log.append("settled"))
    switches.close(["1A01"])
    switches.open(["1A01"])
    switches.open_all()
    assert log == ["settled", "move", "settled", "move", "settled", "open all"]


def test_relays_stay_when_a_source_does_not_settle_but_can_always_be_opened():
    def deaf():
        raise InstrumentError("smu1: no answer")

    log = []
    switches = matrix(log, deaf)
    with pytest.raises(InstrumentError, match="smu1"):
        switches.close(["1A01"])
    assert log == []
    switches.open_all()
    assert log == ["open all"]
