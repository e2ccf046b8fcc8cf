"""Message exchange of IEEE 488.2-1992 section 6 and its common commands, section 10; tests name the paragraph."""

from math import inf

import pytest

from labctl.clock import VirtualClock
from labctl_mock.messages import MessageExchange, MessageFault, SimulatedInstrument


class Circuit:
    """Nothing but a clock."""

    def __init__(self):
        self.clock = VirtualClock()


class Echo(SimulatedInstrument):
    """Answers each line of its own dialect with itself; ``boom`` is an error."""

    maker, model, firmware = "Maker", "Model", "1.0"

    def __init__(self):
        super().__init__("echo", Circuit(), serial="7", seed=1, options={})
        self.executed = []
        self.idle_s = -inf
        self.resets = self.triggers = 0

    def execute(self, message):
        self.executed.append(message)
        if message == "boom":
            raise MessageFault(-222, "boom")
        if message.endswith("?"):
            self.exchange.put(message)

    def reset(self):
        self.resets += 1

    def on_trigger(self):
        self.triggers += 1

    def idle_at_s(self):
        return self.idle_s


class Patient(Echo):
    """Keeps its responses in line."""

    is_interruptible = False


@pytest.fixture
def echo():
    return Echo()


def ask(instrument, text):
    instrument.receive(text.encode() + b"\n", True)
    return instrument.transmit(4096)[0].decode()


def codes(instrument):
    entries = []
    while (entry := instrument.errors.pop()).code:
        entries.append(entry.code)
    return entries


def test_message_is_obeyed_when_line_feed_or_end_completes_it(echo):
    # IEEE 488.2 7.5: NL, NL^END and END on the last byte are all terminators
    echo.receive(b"one\ntwo\n", False)
    echo.receive(b"three", True)
    echo.receive(b"fo", False)
    assert echo.executed == ["one", "two", "three"]
    echo.receive(b"ur\r\n", True)
    assert echo.executed[-1] == "four"


def test_response_ends_with_line_feed_and_end_when_read_in_pieces(echo):
    # 8.5: response message terminator is NL^END
    echo.receive(b"abc?\n", True)
    assert echo.transmit(2) == (b"ab", False)
    assert echo.exchange.message_available
    assert echo.transmit(100) == (b"c?\n", True)
    assert not echo.exchange.message_available


def test_query_is_interrupted_when_a_new_message_arrives_before_the_read(echo):
    # 6.3.2.3: the response is lost, QYE is set, -410 (SCPI-99 21.8.12)
    echo.receive(b"first?\n", True)
    assert ask(echo, "second?") == "second?\n"
    assert codes(echo) == [-410]
    assert int(ask(echo, "*ESR?")) & 0x04


def test_query_is_interrupted_when_only_the_first_byte_of_a_message_arrives(echo):
    # 6.3.2.3: the first byte is enough
    echo.receive(b"first?\n", True)
    echo.receive(b"s", False)
    assert not echo.exchange.message_available
    assert codes(echo) == [-410]


def test_responses_wait_in_line_when_the_instrument_is_not_interruptible():
    # TSP instruments keep printed lines until they are read
    patient = Patient()
    patient.receive(b"first?\nsecond?\n", True)
    assert [patient.transmit(99)[0] for _ in range(2)] == [b"first?\n", b"second?\n"]
    assert codes(patient) == []


def test_read_is_unterminated_when_nothing_was_asked(echo):
    # 6.3.2.2: -420
    assert echo.transmit(10) == (b"", False)
    assert codes(echo) == [-420]


def test_query_deadlocks_when_both_buffers_are_full():
    # 6.3.1.7: input buffer and output queue full at once; the response is given up with -430
    class Device:
        def __init__(self):
            self.reports = []

        def message_end(self, buffer):
            return buffer.find(b"\n")

        def report(self, code):
            self.reports.append(code)

        def handle(self, message):
            self.exchange.put("x" * 20)

    device = Device()
    device.exchange = MessageExchange(device, input_capacity=8, output_capacity=16)
    device.exchange.receive(b"short?\n", True)
    assert device.exchange.transmit(99)[0] == b"x" * 20 + b"\n"
    device.exchange.receive(b"a long message?\n", True)
    assert device.reports == [-430]
    assert not device.exchange.message_available


def test_input_overrun_is_reported_when_no_terminator_comes():
    # SCPI-99 21.8.11: -363
    echo = Echo()
    exchange = MessageExchange(echo, input_capacity=4)
    exchange.receive(b"12345", False)
    exchange.receive(b"678\n", False)
    assert codes(echo) == [-363]
    assert echo.executed == ["678"]


def test_device_clear_empties_both_queues_and_keeps_errors(echo):
    # 5.8: dcl clears input and output, not the status
    echo.receive(b"boom\n", True)
    echo.receive(b"first?\n", True)
    echo.clear()
    echo.receive(b"half", False)
    echo.clear()
    echo.receive(b"whole\n", True)
    assert not echo.exchange.message_available
    assert echo.executed[-1] == "whole"
    assert codes(echo) == [-222]


def test_commons_are_obeyed_before_the_dialect_when_both_are_in_one_message(echo):
    echo.receive(b" *rst ; *WAI;rest of it;*CLS\n", True)
    assert echo.resets == 1
    assert echo.executed == ["rest of it;*CLS"]


def test_identification_has_four_fields(echo):
    # 10.14
    assert ask(echo, "*IDN?") == "Maker,Model,7,1.0\n"


@pytest.mark.parametrize(
    ("message", "code"),
    [("*FOO", -113), ("*ESE", -109), ("*ESE x", -104), ("*ESE 256", -222), ("*SRE -1", -222), ("*CLS 1", -108)],
)
def test_common_is_refused_when_malformed(echo, message, code):
    # 10.10, 10.34 for the ranges; SCPI-99 21.8 for the numbers
    echo.receive(message.encode(), True)
    assert codes(echo) == [code]


def test_trigger_comes_from_the_common_and_from_the_bus(echo):
    # 10.37: *TRG is equivalent to GET
    echo.receive(b"*trg\n", True)
    echo.trigger()
    assert echo.triggers == 2


def test_completion_waits_on_the_clock_when_an_operation_is_pending(echo):
    # 10.19: *OPC? answers when all pending operations are finished
    echo.idle_s = 3.5
    assert ask(echo, "*OPC?") == "1\n"
    assert echo.circuit.clock.now_s() == 3.5


def test_completion_bit_is_set_when_the_operation_is_over_and_not_before(echo):
    # 10.18: *OPC sets bit 0 of the ESR
    echo.receive(b"*CLS\n", True)
    echo.idle_s = 2.0
    echo.receive(b"*OPC\n", True)
    assert ask(echo, "*ESR?") == "0\n"
    echo.circuit.clock.sleep(2.0)
    assert ask(echo, "*ESR?") == "1\n"
    assert ask(echo, "*ESR?") == "0\n"


@pytest.mark.parametrize("cancel", ["*CLS", "*RST"])
def test_completion_is_forgotten_when_status_is_cleared_or_the_device_reset(echo, cancel):
    # 10.3 and 10.32: both bring the operation complete states to idle
    echo.idle_s = 2.0
    echo.receive(b"*CLS;*OPC;" + cancel.encode() + b"\n", True)
    echo.circuit.clock.sleep(5.0)
    assert ask(echo, "*ESR?") == "0\n"


def test_device_hangs_until_cleared_when_it_waits_for_an_endless_operation(echo):
    # 12.5: nothing after *WAI is executed before the operation ends
    echo.idle_s = inf
    echo.receive(b"*WAI\n", True)
    echo.receive(b"later\n", True)
    assert echo.executed == []
    assert echo.transmit(9) == (b"", False)
    echo.clear()
    echo.idle_s = -inf
    echo.receive(b"now\n", True)
    assert echo.executed == ["now"]
    assert codes(echo) == []
