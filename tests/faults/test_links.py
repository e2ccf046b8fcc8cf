"""P8: no reading is filed under another set-point, whatever happens to replies, over real sockets and pyvisa-py.

Authority: reference/reliability.md, finding 3 (one time-out, then 180 of 200 readings under the wrong set-point) and
section 3.2. A reading of the scripted instrument is its level. The same run with tags and new sessions taken out of the
driver must file wrongly: a test that cannot fail proves nothing.
"""

import re
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from labctl.errors import InstrumentError, InstrumentFault, ProtocolError, UnconfirmedError
from labctl_instruments.keithley.keithley2636b import Keithley2636B
from labctl_instruments.keysight.keysight33622a import Keysight33622A

SPEC = spec_from_file_location("scripted_instrument", Path(__file__).with_name("scripted_instrument.py"))
scripted = module_from_spec(SPEC)
SPEC.loader.exec_module(scripted)
ScriptedInstrument, LATE, TWICE = scripted.ScriptedInstrument, scripted.LATE, scripted.TWICE
TIMEOUT_MS = 50
LATE_S = 0.075
DRIVERS = {"tsp": Keithley2636B, "scpi": Keysight33622A}
LEVEL = {"tsp": "smua.source.levelv={:.9e}", "scpi": ":SOUR1:VOLT:HIGH {:.9e}"}
READING = {"tsp": "print(smua.source.levelv)", "scpi": ":SOUR1:VOLT:HIGH?"}


def exact(reply):
    """Take a number as the scripted instrument prints it; a lost digit or an early line end breaks the format."""
    if re.fullmatch(r"[+-]?\d\.\d{9}[eE][+-]\d\d", reply) is None:
        raise ValueError(reply)
    return float(reply)


def unsynchronised(driver):
    """Return ``driver`` without tags and without new sessions."""

    class Unsynchronised(driver):
        def tagged(self, message, tag):
            return message

        def untagged(self, message, tag):
            return self.adapter.read()

        def _mend(self):
            self._in_step = True

    return Unsynchronised


def measure(driver, server, points):
    """Return how many readings were right, wrong, and refused with an error; read each point once."""
    right = wrong = refused = 0
    instrument = driver(server.resource, visa_library="@py", timeout=TIMEOUT_MS)
    try:
        for index in range(1, points + 1):
            level_v = index * 1e-4
            try:
                instrument.send(LEVEL[server.dialect].format(level_v))
                found = instrument.answer(READING[server.dialect], exact, "a number with nine decimals")
            except InstrumentError:
                refused += 1
                continue
            if abs(found - level_v) < 1e-9:
                right += 1
            else:
                wrong += 1
    finally:
        instrument.adapter.close()
    return right, wrong, refused


@pytest.mark.parametrize("dialect", ["tsp", "scpi"])
@pytest.mark.parametrize(
    ("points", "bad"), [(1000, 50), pytest.param(5000, 250, marks=pytest.mark.slow)], ids=["short", "long"]
)
def test_no_reading_is_misattributed_when_replies_are_spoilt(promise, dialect, points, bad):
    with ScriptedInstrument(dialect, readings=points, bad=bad, seed=8, late_s=LATE_S) as server:
        right, wrong, refused = measure(DRIVERS[dialect], server, points)
    promise(
        "P8",
        f"readings under another set-point, {dialect}, {sum(server.spoilt.values())} replies spoilt",
        trials=points,
        failures=wrong,
        worst=f"{refused} refused",
        seed=8,
    )
    assert min(server.spoilt.values()) > 0
    assert wrong == 0
    assert right + refused == points
    # an answer that is spoilt three times over is an error, never a number; a loaded machine may add some
    assert refused <= points // 50


@pytest.mark.parametrize("dialect", ["tsp", "scpi"])
def test_readings_are_misattributed_when_the_driver_does_not_resynchronise(dialect):
    # a session that breaks would end this driver's run: only answers that come late or twice
    with ScriptedInstrument(dialect, readings=300, bad=15, seed=8, late_s=LATE_S, kinds=(LATE, TWICE)) as server:
        _, wrong, _ = measure(unsynchronised(DRIVERS[dialect]), server, 300)
    assert wrong > 30


def prepared(server):
    instrument = DRIVERS[server.dialect](server.resource, visa_library="@py", timeout=TIMEOUT_MS)
    # the scripted instrument has no settings to compare
    instrument.verify_settings = lambda: None
    if server.dialect == "scpi":
        instrument._taking_part, instrument._levels_v = {1: True}, {1: 0.1}
        return instrument, instrument.fire
    return instrument, lambda: instrument.a.pulse(0.1, width_s=1e-4, partner=None, partner_level_v=0.0)


@pytest.mark.parametrize("dialect", ["tsp", "scpi"])
def test_stimulus_is_given_once_when_its_confirmation_is_spoilt(promise, dialect):
    trials, unconfirmed = 200, 0
    with ScriptedInstrument(dialect, readings=trials, bad=40, seed=12, late_s=LATE_S) as server:
        instrument, stimulate = prepared(server)
        for _ in range(trials):
            try:
                stimulate()
            except UnconfirmedError:
                unconfirmed += 1
        instrument.adapter.close()
    promise(
        "P12",
        f"stimuli given twice, {dialect}, {unconfirmed} unconfirmed",
        trials=trials,
        failures=abs(server.stimuli - trials),
        seed=12,
    )
    assert server.stimuli == trials
    assert unconfirmed > 10
    assert instrument.link_events


def test_other_serial_on_the_new_session_is_a_fault(monkeypatch):
    with ScriptedInstrument("tsp", readings=1, bad=0, seed=0, late_s=LATE_S) as server:
        instrument = Keithley2636B(server.resource, visa_library="@py", timeout=TIMEOUT_MS)
        instrument.identity()
        monkeypatch.setitem(scripted.IDENTITIES, "tsp", "Keithley Instruments Inc., Model 2636B, 4400002, 3.3.5")
        instrument._in_step = False
        with pytest.raises(InstrumentFault, match="4400002 answers where 2636B 4400001 did"):
            instrument.query(READING["tsp"])
        # and again: it is never taken for the right one
        with pytest.raises(InstrumentFault, match="4400002"):
            instrument.query(READING["tsp"])
        instrument.adapter.close()


def test_server_that_is_gone_is_an_error_and_comes_back_into_step(monkeypatch):
    monkeypatch.setattr("labctl_instruments.asking._PAUSES_S", (0.0, 0.0, 0.0))
    with ScriptedInstrument("tsp", readings=1, bad=0, seed=0, late_s=LATE_S) as server:
        instrument = Keithley2636B(server.resource, visa_library="@py", timeout=TIMEOUT_MS)
        assert instrument.numbers(READING["tsp"], 1) == [0.0]
        good = instrument.adapter.connection._resource_name
        instrument.adapter.connection._resource_name = "TCPIP0::127.0.0.1::1::SOCKET"
        instrument._in_step = False
        with pytest.raises(ProtocolError, match="no answer on a new session either"):
            instrument.numbers(READING["tsp"], 1)
        instrument.adapter.connection._resource_name = good
        assert instrument.numbers(READING["tsp"], 1) == [0.0]
        assert instrument.adapter.connection.timeout == TIMEOUT_MS
        assert instrument.adapter.connection.read_termination == "\n"
        instrument.adapter.close()
