"""Simulated Keysight 33622A.

Authorities: Agilent 33500 Series Operating and Service Guide (page in each test), 33600A data sheet for limits, and
PyMeasure 0.16's Agilent33500 as an independent reading of the manual.
"""

from math import inf

import pytest

from labctl.clock import VirtualClock
from labctl_mock.bench.terminals import TerminalMode
from labctl_mock.faults import FaultPlan, FaultyInstrument
from labctl_mock.keysight.keysight33622a import SimulatedKeysight33622A
from labctl_mock.models import models
from labctl_mock.visa import LabctlVisaLibrary

RESOURCE = "TCPIP0::192.0.2.12::inst0::INSTR"


class Circuit:
    """Notes the pulses and how often it was settled."""

    def __init__(self):
        self.clock = VirtualClock()
        self.fired = []
        self.settled = []
        self.terminals = {}

    def settle(self):
        self.settled.append({name: (own.mode, own.level) for name, own in self.terminals.items()})

    def fire(self, rectangles):
        self.fired.append(list(rectangles))
        self.clock.sleep(max(one.delay_s + one.width_s for one in rectangles))
        return {}


class Exact(SimulatedKeysight33622A):
    """A specimen without calibration error."""

    def __init__(self, circuit):
        super().__init__("gen1", circuit, serial="MY1", seed=1, options={})
        circuit.terminals = self.terminals
        for channel in self._channels.values():
            channel._gain, channel._error_v = 1.0, 0.0


@pytest.fixture
def circuit():
    return Circuit()


@pytest.fixture
def generator(circuit):
    return Exact(circuit)


def send(generator, *messages):
    for message in messages:
        generator.receive(message.encode() + b"\n", True)


def ask(generator, message):
    send(generator, message)
    return generator.transmit(9999)[0].decode().strip()


def number(generator, message):
    return float(ask(generator, message))


def codes(generator):
    found = []
    while (entry := generator.errors.pop()).code:
        found.append(entry.code)
    return found


def arm(generator, *, width="1E-5", period="1E-3"):
    """Both channels: one pulse per BUS trigger, high impedance, 0 V to 1 V."""
    for n in (1, 2):
        send(
            generator,
            f"OUTP{n}:LOAD INF;:SOUR{n}:FUNC PULS;:SOUR{n}:FUNC:PULS:PER {period};WIDT {width};TRAN 2.9E-9",
            f"SOUR{n}:VOLT:HIGH 1;LOW 0;:SOUR{n}:BURS:STAT ON;NCYC 1;:TRIG{n}:SOUR BUS;:OUTP{n} ON",
        )
    assert codes(generator) == []


def test_identification_names_maker_model_and_serial(generator):
    assert ask(generator, "*IDN?").split(",")[:3] == ["Keysight Technologies", "33622A", "MY1"]


def test_error_queue_is_written_as_the_instrument_writes_it(generator):
    assert ask(generator, "SYST:ERR?") == '+0,"No error"'
    send(generator, "NONSENSE")
    assert ask(generator, "SYST:ERR?").startswith('-113,"Undefined header')


def test_reset_brings_the_factory_settings(generator):
    arm(generator)
    send(generator, "OUTP:POL INV;*RST")
    assert ask(generator, "APPL?") == '"SIN +1.000000000000000E+03,+1.000000000000000E-01,+0.000000000000000E+00"'
    assert ask(generator, "OUTP1?;:OUTP2?;:OUTP:LOAD?;POL?") == "0;0;+5.000000000000000E+01;NORM"
    assert ask(generator, "BURS:STAT?;NCYC?;:TRIG:SOUR?") == "0;+1.000000000000000E+00;IMM"
    assert generator.terminals["gen1.1"].mode is TerminalMode.OPEN


def test_levels_double_when_the_load_is_said_to_be_infinite_and_the_output_stays(generator):
    # p. 61: changing the termination changes what is shown, not what is put out
    send(generator, "FUNC DC;:VOLT:OFFS 1;:OUTP ON")
    assert generator.terminals["gen1.1"].level == pytest.approx(2.0)
    send(generator, "OUTP:LOAD INF")
    assert number(generator, "VOLT:OFFS?") == pytest.approx(2.0)
    assert generator.terminals["gen1.1"].level == pytest.approx(2.0)
    send(generator, "OUTP:LOAD 50")
    assert number(generator, "VOLT:OFFS?") == pytest.approx(1.0)
    assert generator.terminals["gen1.1"].resistance_ohm == 50.0
    assert ask(generator, "OUTP:LOAD INF;LOAD?") == "+9.9E+37"


def test_termination_is_refused_when_voltage_limits_are_on(generator):
    # p. 61
    send(generator, "VOLT:LIM:STAT ON;:OUTP:LOAD INF")
    assert codes(generator) == [-221]
    assert number(generator, "OUTP:LOAD?") == 50.0


def test_high_and_low_set_amplitude_and_offset(generator):
    # p. 323: +2 V and -3 V make 5 Vpp with -500 mV offset
    send(generator, "VOLT:HIGH 2;LOW -3")
    assert number(generator, "VOLT?") == pytest.approx(5.0)
    assert number(generator, "VOLT:OFFS?") == pytest.approx(-0.5)
    assert codes(generator) == []


def test_low_level_is_moved_when_the_high_level_is_set_below_it(generator):
    # p. 323: the low level goes 1 mV below, with an error
    send(generator, "VOLT:HIGH 2;LOW 1;HIGH 0.5")
    assert number(generator, "VOLT:HIGH?") == pytest.approx(0.5)
    assert number(generator, "VOLT:LOW?") == pytest.approx(0.499)
    assert codes(generator) == [-221]
    send(generator, "VOLT:LOW 2")
    assert number(generator, "VOLT:HIGH?") == pytest.approx(2.001)
    assert codes(generator) == [-221]


@pytest.mark.parametrize(
    ("message", "query", "value"),
    [
        ("VOLT:HIGH 5.1", "VOLT:HIGH?", 5.0),
        ("VOLT:LOW -6", "VOLT:LOW?", -5.0),
        ("VOLT 10.5", "VOLT?", 10.0),
        ("VOLT 0.5 MV", "VOLT?", 1e-3),
        ("OUTP:LOAD INF;:VOLT 21", "VOLT?", 20.0),
        ("FUNC PULS;:FUNC:PULS:WIDT 1E-9", "FUNC:PULS:WIDT?", 5e-9),
        ("FUNC PULS;:FUNC:PULS:TRAN 1E-9", "FUNC:PULS:TRAN:LEAD?", 2.9e-9),
        ("FUNC PULS;:FUNC:PULS:TRAN:TRA 1E-3", "FUNC:PULS:TRAN:TRA?", 1e-6),
        ("FUNC PULS;:FUNC:PULS:PER 1E7", "FUNC:PULS:PER?", 1e6),
        ("FREQ 200 MHZ", "FREQ?", 120e6),
        ("OUTP:LOAD 0.5", "OUTP:LOAD?", 1.0),
        ("BURS:NCYC 0", "BURS:NCYC?", 1.0),
        ("TRIG:DEL 2000", "TRIG:DEL?", 1000.0),
        ("FUNC:SQU:DCYC 0", "FUNC:SQU:DCYC?", 0.01),
    ],
)
def test_value_is_clipped_with_an_error_when_out_of_range(generator, message, query, value):
    # data sheet limits; p. 323 and 69 for clipping with "Data out of range"
    send(generator, message)
    found = codes(generator)
    assert found[0] == -222
    assert number(generator, query) == pytest.approx(value)


def test_offset_is_limited_by_the_amplitude_but_not_with_dc(generator):
    # |offset| + Vpp/2 <= 5 V into 50 ohm
    send(generator, "VOLT 4;:VOLT:OFFS 4")
    assert number(generator, "VOLT:OFFS?") == pytest.approx(3.0)
    assert codes(generator) == [-222]
    send(generator, "FUNC DC;:VOLT:OFFS 4.5")
    assert codes(generator) == []


def test_levels_have_four_digits(generator):
    send(generator, "VOLT:HIGH 1.23456;LOW -0.0123456")
    assert number(generator, "VOLT:HIGH?") == pytest.approx(1.235, abs=1e-9)
    assert number(generator, "VOLT:LOW?") == pytest.approx(-0.0123, abs=1e-9)


def test_voltage_limits_clip_the_levels(generator):
    # p. 323: clipped, with "Settings conflict"
    send(generator, "VOLT:LIM:HIGH 1;LOW -1;STAT ON;:VOLT:HIGH 2")
    assert codes(generator) == [-221]
    assert number(generator, "VOLT:HIGH?") == pytest.approx(1.0)


def test_width_ends_before_the_period(generator):
    # p. 69: the width must be less than the period minus the minimum width; the instrument adjusts it
    send(generator, "FUNC PULS;:FUNC:PULS:PER 1E-6;WIDT 2E-6")
    assert number(generator, "FUNC:PULS:WIDT?") == pytest.approx(1e-6 - 5e-9)
    assert set(codes(generator)) == {-221}


def test_duty_cycle_or_width_is_held_when_the_period_changes(generator):
    send(generator, "FUNC PULS;:FUNC:PULS:PER 1E-3;WIDT 1E-4;PER 1E-2")
    assert number(generator, "FUNC:PULS:DCYC?") == pytest.approx(1.0)
    send(generator, "FUNC:PULS:HOLD DCYC;PER 1E-3")
    assert number(generator, "FUNC:PULS:WIDT?") == pytest.approx(1e-5)
    assert codes(generator) == []


def test_edges_give_way_when_the_width_shrinks(generator):
    send(generator, "FUNC PULS;:FUNC:PULS:TRAN 1E-6;WIDT 1E-7")
    assert number(generator, "FUNC:PULS:TRAN:LEAD?") == pytest.approx(8e-8)
    assert codes(generator) == [-221]


def test_frequency_drops_when_the_new_function_cannot_reach_it(generator):
    send(generator, "FREQ 50E6;:FUNC RAMP")
    assert number(generator, "FREQ?") == pytest.approx(800e3)
    assert codes(generator) == [-221]


def test_amplitude_is_shown_in_the_chosen_unit(generator):
    # sine of 1 Vpp into 50 ohm: 353.55 mVrms, 3.979 dBm
    send(generator, "VOLT 1;:VOLT:UNIT VRMS")
    assert number(generator, "VOLT?") == pytest.approx(0.353553, rel=1e-5)
    send(generator, "VOLT:UNIT DBM")
    assert number(generator, "VOLT?") == pytest.approx(3.9794, rel=1e-4)
    send(generator, "VOLT 0")
    send(generator, "VOLT:UNIT VPP")
    assert number(generator, "VOLT?") == pytest.approx(0.6325, rel=1e-3)
    send(generator, "OUTP:LOAD INF;:VOLT:UNIT DBM")
    assert codes(generator) == [-221]


def test_one_trigger_fires_both_waiting_channels_at_once(generator, circuit):
    arm(generator)
    send(generator, "SOUR1:VOLT:HIGH 1.2E0;:SOUR2:VOLT:HIGH 0.7;*TRG")
    (pulses,) = circuit.fired
    assert [(one.terminal, one.level_v, one.delay_s, one.width_s) for one in pulses] == [
        ("gen1.1", pytest.approx(1.2), 0.0, pytest.approx(1e-5)),
        ("gen1.2", pytest.approx(0.7), 0.0, pytest.approx(1e-5)),
    ]
    assert codes(generator) == []


def test_inverted_pulse_rests_high_and_goes_low(generator, circuit):
    # OUTP:POL INV inverts about the offset: a negative pulse from 0 V is HIGH 0, LOW -V, inverted
    arm(generator)
    send(generator, "SOUR2:VOLT:LOW -0.8;HIGH 0;:OUTP2:POL INV;*TRG")
    assert generator.terminals["gen1.1"].level == pytest.approx(0.0)
    assert generator.terminals["gen1.2"].level == pytest.approx(0.0)
    assert circuit.fired[0][1].level_v == pytest.approx(-0.8)
    send(generator, "OUTP2:POL NORM")
    assert generator.terminals["gen1.2"].level == pytest.approx(-0.8)


def test_channel_stays_quiet_when_its_output_is_off_or_it_does_not_wait_for_the_bus(generator, circuit):
    arm(generator)
    send(generator, "OUTP2 OFF;*TRG")
    assert [one.terminal for one in circuit.fired[-1]] == ["gen1.1"]
    assert generator.terminals["gen1.2"].mode is TerminalMode.OPEN
    send(generator, "OUTP2 ON;:TRIG1:SOUR EXT;*TRG")
    assert [one.terminal for one in circuit.fired[-1]] == ["gen1.2"]
    send(generator, "TRIG1")
    assert [one.terminal for one in circuit.fired[-1]] == ["gen1.1"]
    assert codes(generator) == []


def test_trigger_is_ignored_when_nothing_waits_or_the_burst_is_not_over(generator, circuit):
    # SCPI-99 21.8.10: -211
    send(generator, "*TRG")
    assert codes(generator) == [-211]
    arm(generator, period="0.5")
    send(generator, "*TRG;*TRG")
    assert codes(generator) == [-211]
    assert len(circuit.fired) == 1
    send(generator, "*WAI;*TRG")
    assert codes(generator) == []
    assert len(circuit.fired) == 2


def test_completion_comes_with_the_end_of_the_last_period(generator, circuit):
    arm(generator, period="0.1")
    send(generator, "SOUR1:BURS:NCYC 3;:TRIG1:DEL 0.25")
    before_s = circuit.clock.now_s()
    assert ask(generator, "*TRG;*OPC?") == "1"
    elapsed_s = circuit.clock.now_s() - before_s
    assert elapsed_s == pytest.approx(0.25 + 3 * 0.1, abs=5e-3)
    assert [one.delay_s for one in circuit.fired[0] if one.terminal == "gen1.1"] == pytest.approx([0.25, 0.35, 0.45])


@pytest.mark.parametrize("message", ["FUNC SIN", "BURS:NCYC INF", "BURS:NCYC 20000"])
def test_burst_is_refused_loudly_when_it_cannot_be_played(generator, circuit, message):
    arm(generator)
    send(generator, f"{message};*TRG")
    assert codes(generator) == [-310]
    assert circuit.fired == []


def test_circuit_is_settled_before_a_terminal_changes_and_only_then(generator, circuit):
    # the cells must live through the time that passed under the old level
    arm(generator)
    circuit.settled.clear()
    send(generator, "SOUR1:VOLT:HIGH 2")
    assert circuit.settled == []
    send(generator, "SOUR1:VOLT:LOW 0.5")
    assert circuit.settled[0]["gen1.1"] == (TerminalMode.VOLTAGE, pytest.approx(0.0))
    assert generator.terminals["gen1.1"].level == pytest.approx(0.5)


def test_specimens_differ_within_the_data_sheet_and_repeat_with_the_seed():
    def plateau(seed):
        circuit = Circuit()
        generator = SimulatedKeysight33622A("gen1", circuit, serial="1", seed=seed, options={})
        arm(generator)
        send(generator, "*TRG")
        return circuit.fired[0][0].level_v

    levels = [plateau(seed) for seed in range(30)]
    assert levels == [plateau(seed) for seed in range(30)]
    assert len(set(levels)) == 30
    assert all(abs(level - 1.0) <= 0.01 + 1e-3 for level in levels)


def test_apply_sets_the_waveform_and_switches_the_output_on(generator):
    send(generator, "SOUR2:APPL:PULS 2 KHZ,3,0.5")
    assert (
        ask(generator, "SOUR2:APPL?") == '"PULS +2.000000000000000E+03,+3.000000000000000E+00,+5.000000000000000E-01"'
    )
    assert ask(generator, "OUTP2?") == "1"
    assert codes(generator) == []


def test_plain_settings_are_kept_and_bounded(generator):
    send(generator, 'DISP:TEXT "array ""A"""', "SOUR2:PHAS 90 DEG", "OUTP:SYNC:SOUR CH2", "BURS:INT:PER MIN")
    assert ask(generator, "DISP:TEXT?") == '"array ""A"""'
    assert ask(generator, "DISP:TEXT:CLE;:DISP:TEXT?") == '""'
    assert number(generator, "SOUR2:PHAS?") == 90.0
    assert number(generator, "SOUR2:PHAS? MAX") == 360.0
    assert ask(generator, "OUTP:SYNC:SOUR?;:SOUR1:PHAS?;:BURS:INT:PER?").startswith("CH2;+0.0")
    assert codes(generator) == []
    send(generator, "PHAS 400")
    assert codes(generator) == [-222]


def test_options_are_refused(circuit):
    with pytest.raises(ValueError, match="no options"):
        SimulatedKeysight33622A("gen1", circuit, serial="1", seed=1, options={"cards": []})


def test_registry_finds_the_class():
    assert models()["Keysight33622A"] is SimulatedKeysight33622A
    assert "Keysight33622A" in models()
    assert len(list(models())) == len(models())


class OneInstrumentBench:
    """A bench with this generator only."""

    def __init__(self):
        circuit = Circuit()
        self.clock = circuit.clock
        self.instruments = {"gen1": Exact(circuit)}
        self.resources = {RESOURCE: "gen1"}

    def link(self, key):
        return FaultyInstrument(self.instruments[key], FaultPlan(), self)

    def info(self):
        return {"simulated": True}

    def close(self):
        pass


class Library(LabctlVisaLibrary):
    """The backend on that bench."""

    def open_bench(self):
        self.own = OneInstrumentBench()
        return self.own


@pytest.fixture
def driver():
    from pymeasure.instruments.agilent import Agilent33500

    library = Library("generator")
    driver = Agilent33500(RESOURCE, visa_library=library)
    driver.own = library.own.instruments["gen1"]
    yield driver
    driver.adapter.close()
    library.resource_manager.close()


SETTERS = [
    ("shape", "PULS"), ("shape", "DC"), ("shape", "SQU"), ("shape", "TRI"), ("shape", "SIN"), ("frequency", 2e3),
    ("amplitude", 2.0), ("offset", 0.25), ("amplitude_unit", "VRMS"), ("amplitude_unit", "DBM"),
    ("amplitude_unit", "VPP"), ("voltage_high", 1.5), ("voltage_low", -1.25), ("phase", -90), ("square_dutycycle", 25),
    ("ramp_symmetry", 30), ("shape", "PULS"), ("pulse_period", 1e-3), ("pulse_hold", "WIDT"), ("pulse_width", 1e-5),
    ("pulse_transition", 2e-8), ("pulse_dutycycle", 5), ("output_load", 50), ("output_load", "INF"),
    ("burst_state", True), ("burst_mode", "TRIG"), ("burst_period", 0.1), ("burst_ncycles", 3), ("arb_advance", "SRAT"),
    ("arb_filter", "NORM"), ("arb_srate", 1e6), ("output", True), ("output", False),
]  # fmt: skip


def same(read_back, value):
    if value == "INF":
        return read_back in (inf, 9.9e37)
    if value == 2e-8 or not isinstance(value, (int, float)):
        return str(read_back) == str(value) or read_back == pytest.approx(value)
    return read_back == pytest.approx(value)


@pytest.mark.parametrize("where", ["instrument", "channel"])
def test_pymeasure_driver_sets_and_reads_back_everything_without_an_error(driver, where):
    target = driver if where == "instrument" else driver.ch_2
    for name, value in SETTERS:
        setattr(target, name, value)
        assert codes(driver.own) == [], name
        read_back = getattr(target, name)
        assert codes(driver.own) == [], name
        assert same(read_back, value), (name, read_back)


def test_pymeasure_driver_uploads_and_triggers_without_an_error(driver):
    driver.clear()
    driver.reset()
    driver.beep()
    driver.display = "measuring"
    driver.clear_display()
    driver.phase_sync()
    driver.data_volatile_clear()
    driver.data_arb("test", [0, 16000, -16000, 0] * 8, data_format="DAC")
    driver.data_arb("again", [0.0, 0.5, -1.0, 0.0] * 8, data_format="float")
    driver.arb_file = "test"
    driver.shape = "PULS"
    driver.burst_state = True
    driver.trigger_source = "BUS"
    driver.ext_trig_out = True
    driver.output = True
    driver.trigger()
    driver.wait_for_trigger()
    assert codes(driver.own) == []
    assert len(driver.own.circuit.fired) == 1
    assert driver.check_errors() == []
