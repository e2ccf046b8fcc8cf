"""A TSP instrument as a controller meets it: commons, scripts in several messages, output formats, status, error queue.

Authority: 2600BS-901-01 Rev. F, sections 6 (TSP), 9 (commands), 12 (status model); IEEE 488.2 section 10 for the
commons.
"""

import struct

import pytest

from labctl.clock import VirtualClock
from labctl_mock.bench.terminals import Measured
from labctl_mock.keithley.keithley2636b import SimulatedKeithley2636B

EMPTY = "0.00000e+00\tQueue Is Empty\t0.00000e+00\t1.00000e+00"


class QuietCircuit:
    """Nothing is connected."""

    def __init__(self):
        self.clock = VirtualClock()

    def settle(self):
        pass

    def measure(self, terminal, *, aperture_s):
        self.clock.sleep(aperture_s)
        return Measured(0.0, 0.0, False)


class Link:
    def __init__(self):
        self.circuit = QuietCircuit()
        self.smu = SimulatedKeithley2636B("smu1", self.circuit, serial="1", seed=1, options={})

    def write(self, text):
        self.smu.receive(text.encode("latin-1") + b"\n", True)

    def read(self):
        data = self.smu.transmit(1 << 20)[0]
        return data.decode("latin-1").removesuffix("\n") if data else None

    def ask(self, text):
        self.write(text)
        return self.read()


@pytest.fixture
def link():
    return Link()


def test_commons_work_in_either_case_and_before_lua(link):
    assert link.ask("*opc?") == "1"
    assert link.ask("*CLS;*ESE 60;*ESE?") == "60"
    assert link.ask("*TST?") == "0"
    link.write("x = = 1")
    assert int(float(link.ask("*ESR?"))) & 0x10  # execution error, SCPI-99 21.8.10: -200 to -299


def test_each_print_is_a_line_of_its_own_and_lines_wait(link):
    # section 6: the output queue keeps lines until they are read; no -410 as in SCPI
    link.write("print(1) print(2)")
    link.write("print(3)")
    assert [link.read(), link.read(), link.read()] == ["1.00000e+00", "2.00000e+00", "3.00000e+00"]
    assert link.ask("print(errorqueue.count)") == "0.00000e+00"


def test_message_available_tells_of_output(link):
    assert link.smu.serial_poll() & 0x10 == 0
    link.write("print(1)")
    assert link.smu.serial_poll() & 0x10
    link.read()
    assert link.smu.serial_poll() & 0x10 == 0


def test_script_in_one_message_with_carriage_returns_runs(link):
    # the form that QCoDeS sends: loadandrunscript CR LF ... CR LF endscript LF
    link.write(
        "loadandrunscript\r\nlocal sum = 0\r\nfor i = 1, 4 do\r\n  sum = sum + i\r\nend\r\nprint(sum)\r\nendscript"
    )
    assert link.read() == "1.00000e+01"


def test_loadscript_does_not_run_until_it_is_called(link):
    link.write("loadscript twice\nprint(2 * 21)\nendscript")
    assert link.read() is None
    link.write("errorqueue.clear()")
    assert link.ask("twice()") == "4.20000e+01"
    assert link.ask("twice.run()") == "4.20000e+01"
    assert link.ask("script.anonymous.run()") == "4.20000e+01"
    assert link.ask("print(twice.name, twice.source)") == "twice\tprint(2 * 21)"


def test_script_with_syntax_error_is_not_run(link):
    link.write("loadandrunscript\nprint(1)\nfor\nendscript")
    assert link.read() is None
    assert link.ask("print(errorqueue.next())").startswith("-2.85000e+02\tTSP Syntax error at line ")


def test_endless_script_is_given_up(link):
    link.write("loadscript endless")
    for _ in range(40):
        link.write("x = '" + "a" * 60_000 + "'")
    assert "not enough memory" in link.ask("print(errorqueue.next())")
    assert link.ask("print(1)") == "1.00000e+00"


def test_globals_live_on_between_messages(link):
    link.write("function double(x) return 2 * x end")
    assert link.ask("print(double(4))") == "8.00000e+00"


def test_exit_ends_a_chunk_without_error(link):
    assert link.ask("print(1) exit() print(2)") == "1.00000e+00"
    assert link.read() is None


@pytest.mark.parametrize(
    ("data", "order", "form"),
    [
        ("REAL32", "LITTLEENDIAN", "<2f"),
        ("REAL32", "BIGENDIAN", ">2f"),
        ("REAL64", "SWAPPED", "<2d"),
        ("DREAL", "NORMAL", ">2d"),
    ],
)
def test_printnumber_obeys_data_and_byte_order(link, data, order, form):
    # section 9, format.data and format.byteorder
    reply = link.ask(f"format.data=format.{data} format.byteorder=format.{order} printnumber(1.5, -2)")
    assert reply.encode("latin-1") == b"#0" + struct.pack(form, 1.5, -2.0)


def test_printnumber_separates_with_comma_and_space(link):
    assert link.ask("printnumber(1, 2.5, -3e-9)") == "1.00000e+00, 2.50000e+00, -3.00000e-09"
    assert link.ask("format.asciiprecision=3 printnumber(1)") == "1.00e+00"


@pytest.mark.parametrize(
    "chunk", ["printbuffer(1, 2)", "printbuffer(1, 2, 3)", "printbuffer(1, 2, {})", "printnumber('x')"]
)
def test_output_function_refuses_wrong_argument_and_says_nothing(link, chunk):
    assert link.ask(chunk) is None
    assert link.ask("print(errorqueue.next())").startswith("-2.86000e+02\t")


def test_error_queue_is_first_in_first_out_and_clears(link):
    link.write("smua.source.levelv=999")
    link.write("smua.source.levelv=-999")
    assert link.ask("print(errorqueue.count)") == "2.00000e+00"
    assert link.ask("print(errorqueue.next())") == "1.10100e+03\tParameter too big\t2.00000e+01\t1.00000e+00"
    link.write("errorqueue.clear()")
    assert link.ask("print(errorqueue.next())") == EMPTY


def test_status_tree_reads_and_resets(link):
    link.write("status.standard.enable=1 status.request_enable=32 opc()")
    assert link.ask("*STB?") == "96"  # bit 5 and the master summary
    assert link.ask("print(status.standard.event)") == "1.29000e+02"  # power on and operation complete
    assert link.ask("print(status.standard.event, status.condition)").split("\t")[0] == "0.00000e+00"
    link.write("status.measurement.instrument.smua.enable=2 status.reset()")
    assert link.ask("print(status.standard.enable, status.measurement.instrument.smua.enable)") == (
        "0.00000e+00\t0.00000e+00"
    )
    assert link.ask("print(status.measurement.instrument.smub.event)") == "0.00000e+00"


def test_delay_and_timer_run_on_the_virtual_clock(link):
    link.write("timer.reset()")
    start_s = link.circuit.clock.now_s()
    link.write("delay(3600)")
    assert link.circuit.clock.now_s() - start_s == pytest.approx(3600.0, abs=1e-3)
    assert float(link.ask("print(timer.measure.t())")) == pytest.approx(3600.0, abs=0.01)


def test_every_message_takes_time(link):
    # assumed: 200 µs a message and 20 µs an access, see TspInstrument
    start_s = link.circuit.clock.now_s()
    link.write("local a = smua.source.levelv local b = smua.source.limiti")
    assert link.circuit.clock.now_s() - start_s == pytest.approx(240e-6)


def test_device_clear_drops_output(link):
    link.write("print(1)")
    link.smu.clear()
    assert link.read() is None


@pytest.mark.parametrize(
    ("attribute", "wrong"),
    [
        ("display.screen", "9"),
        ("display.smua.digits", "3"),
        ("beeper.enable", "2"),
        ("localnode.linefreq", "55"),
        ("format.data", "7"),
        ("smua.measure.filter.count", "101"),
    ],
)
def test_held_setting_refuses_wrong_value(link, attribute, wrong):
    before = link.ask(f"print({attribute})")
    link.write(f"{attribute}={wrong}")
    assert link.ask(f"print({attribute})") == before
    assert link.ask("print(errorqueue.count)") == "1.00000e+00"
