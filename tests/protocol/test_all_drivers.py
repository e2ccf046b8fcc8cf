"""Rules that every driver keeps, by reflection over the registry.

Authority: PyMeasure's "Adding instruments" conventions (adapter first, name keyword, property docstrings) and the
finding that a safe-off which begins with a query never switches anything off when the read path is dead.
"""

import inspect

import pytest
import pyvisa
from pymeasure.adapters import ProtocolAdapter
from pymeasure.instruments import Channel
from pymeasure.test import expected_protocol

from labctl.errors import NotVerifiedOffError, ProtocolError
from labctl.roles import Instrument
from labctl_instruments import drivers

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
            if owner.__module__.startswith("labctl_instruments") and name in vars(owner):
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


def test_leaving_a_with_block_switches_off(driver):
    with expected_protocol(driver, [(message, None) for message in driver.SAFE_OFF]) as instrument, instrument:
        pass


@pytest.mark.parametrize(
    "failure", [OSError("broken pipe"), pyvisa.errors.VisaIOError(pyvisa.constants.StatusCode.error_timeout)]
)
def test_safe_off_tries_every_message_when_each_write_fails(driver, failure):
    tried = []

    class Dead(ProtocolAdapter):
        def _write(self, command, **kwargs):
            tried.append(command)
            raise failure

    with pytest.raises(NotVerifiedOffError, match="by hand"):
        driver(Dead()).safe_off()
    assert tried == list(driver.SAFE_OFF)


def test_silence_is_a_protocol_error_and_the_link_is_cleared_before_the_next_question(driver):
    class Mute(ProtocolAdapter):
        def _write(self, command, **kwargs):
            pass

        def _read(self, **kwargs):
            raise pyvisa.errors.VisaIOError(pyvisa.constants.StatusCode.error_timeout)

    instrument = driver(Mute())
    for cleared in (0, 1):
        with pytest.raises(ProtocolError, match="no answer"):
            instrument.identity()
        assert instrument.adapter.connection.clear.call_count == cleared


def test_registry_names_maker_and_class():
    for name, driver in DRIVERS.items():
        maker, class_name = name.split(".")
        assert driver.__name__ == class_name
        assert driver.__module__ == f"labctl_instruments.{maker}.{class_name.lower()}"
        assert class_name.endswith(driver.MODEL)
