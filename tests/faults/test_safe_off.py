"""P7: safe-off reaches a sick link, for every driver: written before any question, every message tried, never "off"
without an answer that says so.

Authority: reference/reliability.md, finding 9: a safe-off that asks before it acts is not safe. The drivers come from
``drivers()``, so that a new one is tested without a line here.
"""

import itertools
import re

import pytest
import pyvisa
from pymeasure.adapters import Adapter

from labctl.errors import InstrumentError, NotVerifiedOffError
from labctl_instruments import drivers

DRIVERS = drivers()
TIMEOUT = pyvisa.errors.VisaIOError(pyvisa.constants.StatusCode.error_timeout)
LOST = pyvisa.errors.VisaIOError(pyvisa.constants.StatusCode.error_connection_lost)
GARBAGE = ["", "\x00\xff", "nil", "1", "9.91e37", "-113,\"Undefined header\"", "0;0", "0\t0", "#1", "0"]  # fmt: skip
SICK = [
    "read path dead",
    "read path broken",
    "first write fails",
    "first write breaks the pipe",
    "every other write fails",
    "every write fails",
    "garbage answers",
    "unterminated answers",
    "no new session",
    "new session is mute too",
]


class Connection:
    """A session that may refuse to be opened again."""

    resource_class = "SOCKET"
    timeout = 5000.0

    def __init__(self, sick):
        self.sick = sick
        self.openings = 0

    def close(self):
        if self.sick == "no new session":
            raise LOST

    def open(self, open_timeout):
        self.openings += 1
        if self.sick == "no new session":
            raise Exception("could not connect: timeout")  # noqa: TRY002 - what pyvisa-py raises

    def clear(self):
        raise AssertionError("a raw socket has no device clear")


class SickAdapter(Adapter):
    """Writes down what it is given and is sick in one way."""

    def __init__(self, sick):
        super().__init__()
        self.connection = Connection(sick)
        self.sick = sick
        self.tried = []
        self._garbage = itertools.cycle(GARBAGE)

    def _write(self, command, **kwargs):
        self.tried.append(command)
        count = len(self.tried)
        if self.sick == "first write fails" and count == 1:
            raise LOST
        if self.sick == "first write breaks the pipe" and count == 1:
            raise BrokenPipeError(32, "broken pipe")
        if self.sick == "every other write fails" and count % 2:
            raise LOST
        if self.sick in ("every write fails", "no new session"):
            raise LOST

    def _read(self, **kwargs):
        if self.sick == "garbage answers":
            return next(self._garbage)
        if self.sick == "unterminated answers":
            raise UserWarning("read string doesn't end with termination characters")
        if self.sick == "read path broken":
            raise ConnectionResetError(104, "connection reset")
        raise TIMEOUT

    def close(self):
        pass


def is_question(message):
    return "?" in message or "print" in message


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr("labctl_instruments.asking._PAUSES_S", (0.0, 0.0, 0.0))


def attempt(driver, sick, *, slipped):
    """Return what went wrong in one shutdown over a sick link."""
    adapter = SickAdapter(sick)
    instrument = driver(adapter)
    instrument._in_step = not slipped
    wrong = []
    try:
        instrument.safe_off()
    except NotVerifiedOffError as error:
        if "by hand" not in str(error):
            wrong.append("the error does not say what to do")
    else:
        if sick in ("every write fails", "no new session"):
            wrong.append("safe_off() believed writes that failed")
    if any(is_question(message) for message in adapter.tried):
        wrong.append("asked during safe_off()")
    if adapter.tried[: len(driver.SAFE_OFF)] != list(driver.SAFE_OFF):
        wrong.append(f"not every message tried: {adapter.tried}")
    before = len(adapter.tried)
    try:
        if instrument.is_off():
            wrong.append("off without an answer that says so")
    except InstrumentError:
        pass
    # whatever session is opened from now on hears the messages before the first question
    later, openings = adapter.tried[before:], adapter.connection.openings
    if openings and sick in ("read path dead", "read path broken") and later.count(driver.SAFE_OFF[0]) < openings:
        wrong.append(f"a new session was asked before it was told to go off: {later}")
    return wrong


def test_safe_off_is_written_before_any_question_whatever_the_link_does(promise):
    trials = list(itertools.product(sorted(DRIVERS), SICK, (False, True)))
    failures = [
        (name, sick, wrong)
        for name, sick, slipped in trials
        if (wrong := attempt(DRIVERS[name], sick, slipped=slipped))
    ]
    promise(
        "P7",
        "safe-off over a sick link: driver x sickness",
        trials=len(trials),
        failures=len(failures),
        worst=failures[0] if failures else "",
    )
    assert len(DRIVERS) >= 3
    assert not failures


def test_off_checks_take_no_garbage_for_off(promise):
    trials, failures = 0, []
    for name, driver in sorted(DRIVERS.items()):
        for question, pattern in driver.OFF_CHECKS:
            for answer in [*GARBAGE, "0;1", "1;0", "1;1", "0.0e+00\t1.0e+00", "1A01", "nil\nnil", " ", "false", "OFF"]:
                trials += 1
                off = {"0;0": ("Keysight33622A", "LakeShore335"), "0\t0": "Keithley2636B", "nil": "Keithley707B"}
                if bool(re.fullmatch(pattern, answer)) != (answer in off and name.endswith(off[answer])):
                    failures.append((name, question, answer))
    promise("P7", "answers taken for off that do not say so", trials=trials, failures=len(failures))
    assert not failures


def test_safe_off_is_written_again_when_the_first_session_is_dead():
    # the session is only known to be dead by the write that fails; the second one is good
    for driver in DRIVERS.values():
        adapter = SickAdapter("first write breaks the pipe")
        driver(adapter).safe_off()
        assert adapter.tried == [*driver.SAFE_OFF, *driver.SAFE_OFF]
        assert adapter.connection.openings == 1


def test_session_opened_later_is_not_told_off_when_something_else_was_sent_since():
    for driver in DRIVERS.values():
        adapter = SickAdapter("read path dead")
        instrument = driver(adapter)
        instrument.safe_off()
        instrument.send("SETTING 1")
        adapter.tried.clear()
        with pytest.raises(InstrumentError):
            instrument.query("A?")
        assert not set(driver.SAFE_OFF) & set(adapter.tried)
