"""Status of IEEE 488.2-1992 section 11 and the error queue of SCPI-99 21.8; each test names its paragraph."""

import pytest

from labctl.clock import VirtualClock
from labctl_mock.messages import ErrorQueue, EventRegister, Status
from labctl_mock.messages.faults import event_bit
from labctl_mock.messages.scpi import ScpiInstrument


class Circuit:
    """Nothing but a clock."""

    def __init__(self):
        self.clock = VirtualClock()


class Plain(ScpiInstrument):
    """A SCPI instrument with nothing of its own."""

    maker, model, firmware = "Maker", "Model", "1.0"

    def commands(self):
        return []

    def reset(self):
        pass


@pytest.fixture
def plain():
    return Plain("plain", Circuit(), serial="7", seed=1, options={})


def ask(instrument, text):
    instrument.receive(text.encode() + b"\n", True)
    return instrument.transmit(4096)[0].decode().strip()


def test_power_on_bit_is_set_once_when_the_instrument_starts(plain):
    # 11.5.1.1.2
    assert ask(plain, "*ESR?") == "128"
    assert ask(plain, "*ESR?") == "0"


@pytest.mark.parametrize(
    ("code", "bit"), [(-113, 0x20), (-222, 0x10), (-310, 0x08), (802, 0x08), (-410, 0x04), (-500, 0x80), (-800, 0x01)]
)
def test_error_class_sets_its_bit_of_the_event_register(code, bit):
    # SCPI-99 21.8.9 to 21.8.16
    assert event_bit(code) == bit


def test_error_queue_ends_with_overflow_when_full():
    # SCPI-99 21.8.1: the last entry is replaced by -350, older ones stay, later ones are lost
    queue = ErrorQueue(Status(), 3)
    for code in (-101, -102, -103, -104, -105):
        queue.push(code)
    assert [queue.pop().code for _ in range(4)] == [-101, -102, -350, 0]


def test_error_query_empties_the_queue_oldest_first(plain):
    plain.receive(b"NONE:SUCH 1\n*ESE 999\n", True)
    assert ask(plain, "SYST:ERR:COUN?") == "2"
    assert ask(plain, "SYSTem:ERRor:NEXT?") == '-113,"Undefined header;NONE:SUCH"'
    assert ask(plain, "syst:err?").startswith('-222,"Data out of range')
    assert ask(plain, "SYST:ERR?") == '0,"No error"'


def test_clear_status_empties_queue_and_event_registers_but_not_the_masks(plain):
    # 10.3
    plain.receive(b"*ESE 255;*SRE 255;NONE\n", True)
    plain.operation.set_condition(1)
    assert ask(plain, "*CLS;*ESR?;:SYST:ERR:COUN?;:STAT:OPER?;*ESE?;*SRE?") == "0;0;0;255;191"


def test_event_summary_appears_when_an_enabled_event_is_set(plain):
    # 11.2.1.1 (ESB, bit 5) and SCPI-99 9.1 (bit 2: error queue not empty)
    plain.receive(b"*CLS;*ESE 32\n", True)
    assert ask(plain, "*STB?") == "0"
    plain.receive(b"NONE\n", True)
    assert ask(plain, "*STB?") == str(32 + 4)


def test_request_for_service_is_told_once_by_poll_and_kept_in_mss(plain):
    # 11.2.2.1 RQS falls with the poll, 11.2.2.2 MSS stays while the reason stays
    plain.receive(b"*CLS;*ESE 32;*SRE 32\n", True)
    plain.receive(b"NONE\n", True)
    assert plain.requests_service()
    assert plain.serial_poll() == 64 + 32 + 4
    assert plain.serial_poll() == 32 + 4
    assert ask(plain, "*STB?") == str(64 + 32 + 4)


def test_request_for_service_comes_again_when_a_second_message_is_available(plain):
    # 11.3.3.1: each new reason, here MAV falling and rising again
    plain.receive(b"*SRE 16\n", True)
    for _ in range(2):
        plain.receive(b"*ESE?\n", True)
        assert plain.serial_poll() == 64 + 16
        assert plain.serial_poll() == 16
        plain.transmit(99)
        assert plain.serial_poll() == 0


def test_service_enable_never_holds_bit_six(plain):
    # 11.3.2.2
    assert ask(plain, "*SRE 255;*SRE?") == "191"


def test_event_register_latches_rising_conditions_and_clears_when_read():
    # SCPI-99 9.1.2 and 20.1.4
    register = EventRegister(enable=2)
    register.set_condition(3)
    register.set_condition(0)
    assert register.summary
    assert (register.read_event(), register.read_event(), register.condition) == (3, 0, 0)


def test_scpi_summaries_reach_the_status_byte(plain):
    # SCPI-99 9.1: QUEStionable is bit 3, OPERation bit 7
    plain.receive(b"*CLS;:STAT:OPER:ENAB 1;:STAT:QUES:ENAB 2\n", True)
    plain.operation.set_condition(1)
    assert ask(plain, "*STB?") == "128"
    plain.questionable.set_condition(2)
    assert ask(plain, "*STB?") == "136"
    assert ask(plain, "STAT:OPER?;OPER:COND?;:STAT:QUES:EVEN?") == "1;1;2"
    assert ask(plain, "*STB?") == "0"
    assert ask(plain, "STAT:PRES;OPER:ENAB?;:STAT:QUES:ENAB?") == "0;0"


@pytest.mark.parametrize("value", ["-1", "65536"])
def test_status_enable_is_refused_when_out_of_range(plain, value):
    plain.receive(f"STAT:OPER:ENAB {value}\n".encode(), True)
    assert plain.errors.pop().code == -222
