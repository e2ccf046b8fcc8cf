"""Rules that every driver keeps, by reflection over the registry.

Authority: PyMeasure's "Adding instruments" conventions (adapter first, name keyword, property docstrings) and the
finding that a safe-off which begins with a query never switches anything off when the read path is dead.
"""

import inspect
import re

import pytest
from pymeasure.adapters import ProtocolAdapter
from pymeasure.instruments import Channel
from pymeasure.test import expected_protocol

from labctl.roles import Instrument
from labctl_instruments import drivers
from labctl_instruments.tsp import TspInstrument

DRIVERS = drivers()
VERBS = ("Control ", "Get ", "Measure ", "Set ")


def with_channels(driver):
    instrument = driver(ProtocolAdapter())
    found = [driver]
    found += [type(value) for value in vars(instrument).values() if isinstance(value, Channel)]
    return found


@pytest.fixture(params=sorted(DRIVERS), name="driver")
def _driver(request):
    return DRIVERS[request.param]


def test_constructor_takes_adapter_first_and_name_as_keyword(driver):
    parameters = list(inspect.signature(driver.__init__).parameters.values())
    assert parameters[1].name == "adapter"
    assert parameters[2].name == "name"
    assert isinstance(parameters[2].default, str)
    assert parameters[-1].kind is inspect.Parameter.VAR_KEYWORD


def test_constructor_sends_nothing_and_driver_fulfils_the_role(driver):
    with expected_protocol(driver, [], name="x1") as instrument:
        assert isinstance(instrument, Instrument)
        assert instrument.name == "x1"


def test_properties_say_what_they_do(driver):
    checked = 0
    for owner in with_channels(driver):
        for name, member in inspect.getmembers(owner, lambda member: isinstance(member, property)):
            definer = next(base for base in owner.__mro__ if name in vars(base))
            if definer.__module__.startswith("labctl_instruments"):
                assert member.__doc__.startswith(VERBS), f"{owner.__name__}.{name}"
                checked += 1
    assert checked


def test_safe_off_only_writes(driver):
    assert driver.SAFE_OFF
    for message in driver.SAFE_OFF:
        assert "?" not in message
        assert "print" not in message
    with expected_protocol(driver, [(message, None) for message in driver.SAFE_OFF]) as instrument:
        instrument.safe_off()


def test_off_checks_only_ask(driver):
    assert driver.OFF_CHECKS
    for question, pattern in driver.OFF_CHECKS:
        assert "=" not in question
        assert "?" in question or question.startswith("print(")
        assert re.fullmatch(pattern, "") is None


def test_leaving_a_with_block_switches_off(driver):
    with expected_protocol(driver, [(message, None) for message in driver.SAFE_OFF]) as instrument, instrument:
        pass


def test_tags_as_bytes(driver):
    # IEEE 488.2, 6.1.10: the answers of one message come in order, joined by semicolons; TSP prints line by line
    if issubclass(driver, TspInstrument):
        pairs = [('print("#1") print(1)', "#1"), (None, "one"), ('print("#2") print(2)', "#2"), (None, "two")]
        questions = ("print(1)", "print(2)")
    else:
        pairs = [("*ESE 1;*ESE?;A?", "+1;one"), ("*ESE 2;*ESE?;B?", "2;two")]
        questions = ("A?", "B?")
    with expected_protocol(driver, pairs) as instrument:
        assert [instrument.query(question) for question in questions] == ["one", "two"]


def test_tag_rolls_through_255_values(driver):
    instrument = driver(ProtocolAdapter())
    is_tsp = issubclass(driver, TspInstrument)
    sent = []
    instrument.adapter.write = sent.append
    instrument.adapter.read = lambda: ""
    instrument.untagged = lambda message, tag: str(tag)
    tags = [int(instrument.query("print(1)" if is_tsp else "A?")) for _ in range(300)]
    assert tags == [*range(1, 256), *range(1, 46)]
    assert str(tags[-1]) in sent[-1]


def test_blocking_calls_are_announced_and_ended(driver, dialogue):
    waits = []
    with dialogue(driver, [("*IDN?", dialogue.IDENTITIES[driver.MODEL]), ("*X", None)]) as instrument:
        instrument.on_wait = waits.append
        instrument.identity()
        instrument.send("*X")
    assert waits[0] == 5.0
    assert waits[-1] == 0.0
    assert waits.count(0.0) == 2


def test_questions_are_asked_with_the_longer_patience_that_they_need(driver):
    instrument, waits = driver(ProtocolAdapter()), []
    instrument.on_wait = waits.append
    instrument.adapter.write = lambda message: None
    instrument.untagged = lambda message, tag: "x"
    instrument.query("print(1)", lasting_s=10.0)
    assert waits == [17.0, 0.0]
    assert instrument.adapter.connection.timeout == 5000.0


def test_registry_names_maker_and_class():
    for name, driver in DRIVERS.items():
        maker, class_name = name.split(".")
        assert driver.__name__ == class_name
        assert driver.__module__ == f"labctl_instruments.{maker}.{class_name.lower()}"
        assert class_name.endswith(driver.MODEL)
