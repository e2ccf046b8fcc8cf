"""The in-process PyVISA backend against VPP-4.3 (the VISA library) and PyVISA's own expectations."""

import sys
from types import ModuleType

import pytest
import pyvisa
from pyvisa import constants
from pyvisa.constants import AccessModes, EventMechanism, EventType, ResourceAttribute, StatusCode

from labctl.clock import VirtualClock
from labctl.errors import StationError
from labctl_mock.faults import FaultPlan, FaultyInstrument
from labctl_mock.messages import SimulatedInstrument
from labctl_mock.visa import LabctlVisaLibrary

INSTR = "TCPIP0::192.0.2.12::inst0::INSTR"
SOCKET = "TCPIP0::192.0.2.12::5025::SOCKET"
GPIB = "GPIB0::7::INSTR"


class Circuit:
    """Nothing but a clock."""

    def __init__(self):
        self.clock = VirtualClock()


class Echo(SimulatedInstrument):
    """Answers a question with itself."""

    maker, model, firmware = "Maker", "Echo", "1.0"

    def execute(self, message):
        if message.endswith("?"):
            self.exchange.put(message)

    def reset(self):
        pass

    def on_trigger(self):
        self.report(1, "triggered")


class FakeBench:
    """What the backend asks of a bench, with one echo behind three resource names."""

    def __init__(self, name):
        circuit = Circuit()
        self.name = name
        self.clock = circuit.clock
        self.instruments = {"echo": Echo("echo", circuit, serial="7", seed=1, options={})}
        self.resources = dict.fromkeys((INSTR, SOCKET, GPIB), "echo")
        self.is_closed = False

    def link(self, key):
        return FaultyInstrument(self.instruments[key], FaultPlan(), self)

    def info(self):
        return {"name": self.name, "simulated": True}

    def close(self):
        self.is_closed = True


class FakeLibrary(LabctlVisaLibrary):
    """The backend on a fake bench."""

    def open_bench(self):
        self.fake = FakeBench(str(self.library_path))
        return self.fake


@pytest.fixture
def manager():
    manager = pyvisa.ResourceManager(FakeLibrary("fake"))
    yield manager
    manager.close()


@pytest.fixture
def echo(manager):
    return manager.open_resource(INSTR)


def status_of(call, *arguments, **keywords):
    with pytest.raises(pyvisa.VisaIOError) as caught:
        call(*arguments, **keywords)
    return caught.value.error_code


def test_manager_is_found_by_name_when_asked_for_at_labctl(monkeypatch):
    # PyVISA imports pyvisa_<name> and takes WRAPPER_CLASS; PYVISA_LIBRARY is the default specification
    import pyvisa_labctl

    assert issubclass(pyvisa_labctl.WRAPPER_CLASS, LabctlVisaLibrary)
    module = ModuleType("pyvisa_labctlfake")
    module.WRAPPER_CLASS = FakeLibrary
    monkeypatch.setitem(sys.modules, "pyvisa_labctlfake", module)
    monkeypatch.setenv("PYVISA_LIBRARY", "some/bench.toml@labctlfake")
    manager = pyvisa.ResourceManager()
    assert manager.visalib.bench_info == {"name": "some/bench.toml", "simulated": True}
    assert manager.visalib.library_path != "unset"
    manager.close()


def test_bench_must_be_named():
    with pytest.raises(StationError, match="before @labctl"):
        pyvisa.ResourceManager("@labctl")


def test_managers_share_nothing_when_they_name_the_same_bench():
    first, second = (pyvisa.ResourceManager(FakeLibrary("fake")) for _ in range(2))
    first.visalib.clock.sleep(5.0)
    assert second.visalib.clock.now_s() == 0.0
    first.close()
    assert first.visalib.fake.is_closed
    assert not second.visalib.fake.is_closed
    second.close()


def test_resources_are_listed_by_visa_expression(manager):
    assert set(manager.list_resources()) == {INSTR, GPIB}
    assert manager.list_resources("TCPIP?*::SOCKET") == (SOCKET,)
    assert status_of(manager.open_resource, "GPIB0::8::INSTR") == StatusCode.error_resource_not_found


def test_resource_opens_under_every_spelling_of_its_name(manager):
    # VPP-4.3 section 4.3.1: names are not case-sensitive, defaults may be left out
    assert manager.open_resource("tcpip::192.0.2.12::INSTR").query("a?") == "a?\n"
    assert manager.open_resource("GPIB::7").query("*IDN?") == "Maker,Echo,7,1.0\n"


def test_read_goes_on_when_the_buffer_is_smaller_than_the_response(echo):
    # VPP-4.3 rule 6.1.6: success_max_count_read when count bytes came without END
    echo.chunk_size = 3
    assert echo.query("abcdefgh?") == "abcdefgh?\n"
    echo.write("abcdef?")
    with echo.ignore_warning(StatusCode.success_max_count_read):
        assert echo.visalib.read(echo.session, 2) == (b"ab", StatusCode.success_max_count_read)
    assert echo.visalib.read(echo.session, 99) == (b"cdef?\n", StatusCode.success)


def test_read_stops_at_the_termination_character_when_it_is_enabled(echo):
    # VPP-4.3 rules 6.1.2 and 6.1.5
    echo.read_termination = "c"
    echo.write("abcdef?")
    assert echo.read() == "ab"
    assert echo.visalib.read(echo.session, 99) == (b"def?\n", StatusCode.success)


def test_read_times_out_on_the_virtual_clock_when_there_is_nothing(echo, manager):
    echo.timeout = 1500
    assert status_of(echo.read) == StatusCode.error_timeout
    assert manager.visalib.clock.now_s() == 1.5
    assert manager.visalib.fake.instruments["echo"].errors.pop().code == -420
    echo.timeout = float("inf")
    assert status_of(echo.read) == StatusCode.error_timeout
    assert manager.visalib.clock.now_s() == 1.5


def test_message_is_not_complete_when_end_is_switched_off(echo):
    # VPP-4.3 rule 6.1.10: END only if VI_ATTR_SEND_END_EN
    echo.send_end = False
    echo.write_raw(b"half ")
    echo.send_end = True
    assert echo.query("whole?") == "half whole?\n"


def test_socket_needs_termination_characters_as_on_a_real_rack(manager):
    # raw sockets know no END
    socket = manager.open_resource(SOCKET, write_termination="\n", read_termination="\n")
    assert socket.query("a?") == "a?"
    socket.read_termination = None
    socket.write("b?")
    assert status_of(socket.read) == StatusCode.error_timeout
    assert manager.visalib.fake.instruments["echo"].errors.pop().code == 0


def test_clear_throws_an_unread_response_away(echo):
    echo.write("a?")
    echo.clear()
    assert echo.query("b?") == "b?\n"
    assert echo.read_stb() == 0


def test_status_byte_shows_that_a_message_is_available(echo):
    echo.write("a?")
    assert echo.read_stb() == 16
    assert echo.stb == 16
    echo.read()
    assert echo.read_stb() == 0


def test_trigger_reaches_the_instrument(echo, manager):
    echo.assert_trigger()
    assert manager.visalib.fake.instruments["echo"].errors.pop().text == "triggered"


def test_service_request_is_waited_for(echo, manager):
    echo.write("*SRE 16")
    echo.enable_event(EventType.service_request, EventMechanism.queue)
    assert status_of(echo.wait_on_event, EventType.service_request, 250) == StatusCode.error_timeout
    assert manager.visalib.clock.now_s() == 0.25
    echo.write("a?")
    response = echo.wait_on_event(EventType.service_request, 250)
    assert response.event.event_type == EventType.service_request
    assert echo.read_stb() == 64 + 16
    echo.disable_event(EventType.service_request, EventMechanism.queue)
    assert status_of(echo.wait_on_event, EventType.service_request, 250) == StatusCode.error_not_enabled


def test_exclusive_lock_keeps_other_sessions_out(echo, manager):
    # VPP-4.3 section 3.6
    other = manager.open_resource(INSTR)
    echo.lock_excl()
    assert status_of(other.write, "a?") == StatusCode.error_resource_locked
    assert status_of(other.lock_excl, 100) == StatusCode.error_resource_locked
    assert echo.query("a?") == "a?\n"
    assert other.lock_state == AccessModes.exclusive_lock
    echo.unlock()
    assert other.query("b?") == "b?\n"
    assert status_of(echo.unlock) == StatusCode.error_session_not_locked


def test_shared_lock_admits_sessions_that_know_its_key(echo, manager):
    other, third = manager.open_resource(INSTR), manager.open_resource(INSTR)
    key = echo.lock(requested_key="key")
    assert other.lock(requested_key=key) == "key"
    assert other.query("a?") == "a?\n"
    assert status_of(third.write, "a?") == StatusCode.error_resource_locked
    echo.close()
    other.close()
    assert third.query("b?") == "b?\n"


def test_lock_is_taken_when_asked_for_at_open_and_given_back_at_close(manager):
    with manager.open_resource(INSTR, access_mode=AccessModes.exclusive_lock):
        assert status_of(manager.open_resource, INSTR, AccessModes.exclusive_lock) == StatusCode.error_resource_busy
    assert manager.open_resource(INSTR).query("a?") == "a?\n"


def test_attributes_are_answered_and_guarded(echo):
    assert echo.resource_name == INSTR
    assert echo.interface_type == constants.InterfaceType.tcpip
    assert echo.resource_class == "INSTR"
    assert echo.resource_manufacturer_name == "labctl"
    assert status_of(echo.get_visa_attribute, 0x3FFF0FFF) == StatusCode.error_nonsupported_attribute
    assert status_of(echo.set_visa_attribute, 0x3FFF0FFF, 1) == StatusCode.error_nonsupported_attribute
    read_only = ResourceAttribute.resource_name
    assert status_of(echo.set_visa_attribute, read_only, "x") == StatusCode.error_attribute_read_only


def test_closed_session_is_refused(echo, manager):
    session = echo.session
    echo.close()
    for call in (manager.visalib.read_stb, manager.visalib.clear, manager.visalib.close):
        assert status_of(call, session) == StatusCode.error_invalid_object


def test_pymeasure_adapter_leaves_the_manager_open_when_it_is_closed(manager):
    # PyMeasure closes the whole manager of a library whose path is "unset"
    from pymeasure.adapters import VISAAdapter

    adapter = VISAAdapter(INSTR, visa_library=manager.visalib)
    adapter.write("a?")
    assert adapter.read() == "a?\n"
    adapter.close()
    assert manager.open_resource(INSTR).query("b?") == "b?\n"
