"""Simulated Keithley 2450: answers, refusals, buffers, trigger model, times.

Authorities: 2461 Reference Manual 2461-901-01 Rev. A, whose command set the 2450 shares (page in each test),
SPEC-2450 Rev. A, Ohm's law at a known resistor. No real 2450 has been seen. Not here: drivers on it
(``test_sourcemeters_on_bench.py``).
"""

import re

import numpy as np
import pytest

from labctl_mock.bench.terminals import Measured, TerminalMode
from labctl_mock.keithley.keithley2450 import SimulatedKeithley2450

RESISTANCE_OHM = 100e3
PERIOD_S = 1.0 / 50.0
READING = r"-?\d\.\d{6}E[+-]\d\d"


@pytest.fixture
def rack(make_rack):
    return make_rack(SimulatedKeithley2450)


def sourcing(rack, *settings):
    for setting in (":SENS:FUNC 'CURR'", ":SOUR:VOLT:ILIM 1e-3", ":SOUR:VOLT 1", ":OUTP ON", *settings):
        rack.write(setting)


def test_idn_and_language_are_those_of_the_scpi_command_set(rack):
    # B-5
    assert rack.ask("*IDN?") == "KEITHLEY INSTRUMENTS,MODEL 2450,1163289,1.7.12b"
    assert rack.ask("*LANG?") == "SCPI"
    rack.write("*LANG SCPI")
    assert rack.codes() == []


@pytest.mark.parametrize(("language", "code"), [("TSP", -221), ("SCPI2400", -221), ("BASIC", -224)])
def test_other_languages_are_refused(rack, language, code):
    rack.write(f"*LANG {language}")
    assert rack.codes() == [code]
    assert rack.ask("*LANG?") == "SCPI"


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (":SOUR:FUNC?", "VOLT"),  # 6-95
        (":SOUR:VOLT?", "0"),  # 6-93
        (":SOUR:VOLT:RANG:AUTO?", "1"),  # 6-98
        (":SOUR:VOLT:ILIM?", "0.000105"),  # 6-94
        (":SOUR:VOLT:READ:BACK?", "1"),  # 6-99
        (":SOUR:VOLT:DEL:AUTO?", "1"),  # 6-90
        (":OUTP?", "0"),  # 6-49
        (":OUTP:VOLT:SMOD?", "NORM"),  # 6-47
        (":SENS:FUNC?", '"CURR:DC"'),
        (":SENS:CURR:NPLC?", "1"),
        (":SENS:CURR:RANG:AUTO?", "1"),
        (":SENS:CURR:AZER?", "1"),
        (":SENS:COUN?", "1"),
        (":TRAC:ACT?", "0"),
        (":TRAC:POIN?", "100000"),
        (":TRIG:STAT?", "EMPTY;EMPTY;0"),  # 6-234
        (":SYST:LFR?", "50"),
        (":SYST:ERR?", '0,"No error;0;0 0"'),
    ],
)
def test_reset_gives_manuals_default(rack, question, answer):
    rack.write(":SOUR:VOLT 5;:SOUR:VOLT:ILIM 1e-3;:SENS:CURR:NPLC 0.1;:OUTP:SMOD HIMP;:OUTP ON")
    rack.ask(":READ?")
    rack.write(":SENS:COUN 5;:SOUR:VOLT:READ:BACK OFF;:TRIG:LOAD 'SimpleLoop', 5;*RST")
    assert rack.ask(question) == answer


def test_reading_is_ohms_law_within_specification(rack):
    sourcing(rack)
    text = rack.ask(":READ?")
    # 6-9: such as -6.580474E-05
    assert re.fullmatch(READING, text)
    # SPEC-2450: source 2 V range 0.02 % + 300 uV, 10 uA range 0.025 % + 700 pA
    allowed_a = (2e-4 + 300e-6) / RESISTANCE_OHM + 1e-5 * 2.5e-4 + 700e-12
    assert abs(float(text) - 1e-5) < allowed_a


def test_elements_come_in_the_order_that_was_asked(rack):
    # 6-9; source status 8-31: output on 128, read back 8
    sourcing(rack, ":SOUR:VOLT:READ:BACK OFF")
    level, value, status, unit = rack.ask(':READ? "defbuffer1", SOUR, READ, SOURSTAT, UNIT').split(",")
    assert (float(level), status, unit) == (1.0, "128", "Amp DC")
    assert float(value) == pytest.approx(1e-5, rel=1e-3)
    rack.write(":SOUR:VOLT:READ:BACK ON")
    level, status = rack.ask(":READ? 'defbuffer1',SOUR,SOURSTAT").split(",")
    # what is read back is measured: 0.012 % + 300 uV, and what the source gives
    assert float(level) != 1.0
    assert float(level) == pytest.approx(1.0, abs=1.2e-3)
    assert int(status) == 128 + 8


def test_limit_trips_and_marks_the_reading(rack):
    # 6-95: the source is held at its limit; 8-31: bit 5
    sourcing(rack, ":SOUR:VOLT:ILIM 5e-6")
    value, status = rack.ask(':READ? "defbuffer1",READ,SOURSTAT').split(",")
    assert float(value) == pytest.approx(5e-6, rel=2e-3)
    assert int(status) & 32
    assert rack.ask(":SOUR:VOLT:ILIM:TRIP?") == "1"
    rack.write(":SOUR:VOLT:ILIM 1e-3")
    rack.ask(":READ?")
    assert rack.ask(":SOUR:VOLT:ILIM:LEV:TRIP?") == "0"


def test_reading_beyond_a_fixed_range_is_the_sentinel(rack):
    sourcing(rack, ":SENS:CURR:RANG 1e-6")
    # assumed: the range holds the current just above what it can show
    assert rack.ask(":READ?") == "9.900000E+37"
    assert int(rack.ask(":FETC? 'defbuffer1',SOURSTAT")) & 32
    rack.circuit.measure = lambda terminal, *, aperture_s: Measured(1.0, 2e-6, False)
    assert rack.ask(":READ?") == "9.900000E+37"


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("X:Y", -113),
        # words of the 2400
        (":TRAC:FEED SENS", -113),
        (":STAT:MEAS:ENAB 512", -113),
        (":SENS:CURR:PROT 1e-3", -113),
        (":FORM:ELEM CURR", -113),
        (":SOUR:VOLT", -109),
        (":SOUR:VOLT 1,2", -108),
        (":SOUR:VOLT 211", -222),
        (":SOUR:VOLT:RANG 2;:SOUR:VOLT 3", -222),
        (":SOUR:VOLT:ILIM 2", -222),
        (":SOUR:VOLT:ILIM 1e-10", -222),
        # 6-94: more than 0.1 % of a fixed measure range
        (":SENS:CURR:RANG 0.1;:SOUR:VOLT:ILIM 5e-5", -221),
        (":SENS:CURR:NPLC 0.001", -222),
        (":SENS:CURR:NPLC 11", -222),
        (":SENS:COUN 0", -222),
        (":SOUR:VOLT:DEL 1e5", -222),
        (":OUTP:VOLT:SMOD OPEN", -224),
        (":FORM REAL", -224),
        (":SENS:FUNC 'PRESSURE'", -224),
        (":READ? 'nowhere'", -221),
        (":READ? 'defbuffer1',COLOUR", -224),
        (":FETC?", -221),
        (":TRAC:DATA? 1,2", -222),
        (":TRAC:MAKE 'small',5", -222),
        (":TRAC:MAKE 'defbuffer1',50", -221),
        (":TRAC:DEL 'defbuffer2'", -221),
        (":SOUR:LIST:VOLT " + ",".join(["1"] * 101), -223),
        (":SOUR:LIST:VOLT 300", -222),
        (":INIT", -221),
        (":TRIG:BLOC:CONF:REC 1,'VoltCustomSweepList'", -221),
        (":TRIG:BLOC:MEAS 1,'nowhere'", -221),
        (":TRIG:BLOC:DEL:CONS 1,1e-8", -222),
        (":TRIG:BLOC:NOP 0", -222),
        (":TRIG:BLOC:BRAN:ALW 1,1;:INIT", -221),
        (":TRIG:LOAD 'GradeBinning'", -224),
    ],
)
def test_refusal_is_in_the_error_queue_and_nothing_is_answered(rack, command, code):
    rack.write(command)
    assert not rack.smu.exchange.message_available
    assert rack.codes() == [code]


def test_error_tells_its_kind_and_the_time(rack):
    # reference manual, SYSTem:ERRor: code,"text;kind;date time"
    rack.circuit.clock.sleep(3661.0)
    rack.write("X:Y")
    assert re.fullmatch(r'-113,"Undefined header;1;2026/01/01 01:01:01\.\d{3}"', rack.ask(":SYST:ERR?"))
    rack.write("X:Y;:X:Y")
    # section 5: what follows a command that is not understood is left out
    assert rack.ask(":SYST:ERR:COUN?") == "1"
    rack.write(":SYST:CLE")
    assert rack.ask(":SYST:ERR:COUN?") == "0"


def test_limit_comes_down_with_a_warning_when_the_range_does_not_allow_it(rack):
    # 6-94: a source range that is not appropriate for the limit changes the limit, and a warning is generated
    rack.write(":SOUR:VOLT:ILIM 1;:SOUR:VOLT:RANG 200")
    assert float(rack.ask(":SOUR:VOLT:ILIM?")) == pytest.approx(0.105)
    code, text = rack.ask(":SYST:ERR?").split(",", 1)
    assert int(code) > 0
    assert text.split(";")[1] == "2"


def test_off_state_is_what_was_chosen(rack):
    # 6-47: normal is 0 V with a tenth of the range as limit, high impedance opens the relay
    rack.write(":SENS:CURR:RANG 1e-4")
    assert rack.terminal.mode is TerminalMode.VOLTAGE
    assert abs(rack.terminal.level) < 1e-3
    assert rack.terminal.current_limit_a == pytest.approx(1e-5)
    rack.write(":OUTP:VOLT:SMOD HIMP")
    assert rack.terminal.mode is TerminalMode.OPEN
    rack.write(":SOUR:VOLT 2;:OUTP ON")
    assert rack.terminal.level == pytest.approx(2.0, rel=1e-3)
    rack.write(":OUTP OFF")
    assert (rack.terminal.mode, rack.terminal.is_on) == (TerminalMode.OPEN, False)
    assert rack.ask(":OUTP:CURR:SMOD?") == "NORM"


@pytest.mark.parametrize(("plc", "azero"), [(0.01, 0), (1, 0), (1, 1), (10, 1)])
def test_reading_takes_its_integration(rack, plc, azero):
    sourcing(rack, f":SENS:CURR:NPLC {plc};AZER {azero}", ":SENS:CURR:RANG 1e-4;:SOUR:VOLT:READ:BACK OFF")
    rack.ask(":READ?")
    start_s = rack.circuit.clock.now_s()
    rack.ask(":READ?")
    took_s = rack.circuit.clock.now_s() - start_s - SimulatedKeithley2450.query_time_s
    # with auto-zero the reference and the zero are measured too; 0.3 ms besides are assumed
    assert took_s == pytest.approx((3 if azero else 1) * plc * PERIOD_S + 0.3e-3, abs=1e-5)


def test_source_delay_comes_before_the_first_reading_only(rack):
    # 6-90: applied when the magnitude of the source changes
    sourcing(rack, ":SENS:CURR:RANG 1e-4;:SOUR:VOLT:READ:BACK OFF;:SENS:CURR:AZER OFF", ":SOUR:VOLT:DEL 0.2")
    rack.write(":SOUR:VOLT 0.5")
    times_s = []
    for _ in range(2):
        start_s = rack.circuit.clock.now_s()
        rack.ask(":READ?")
        times_s.append(rack.circuit.clock.now_s() - start_s)
    # the output was already at its level while the question was on its way
    assert times_s[0] - times_s[1] == pytest.approx(0.2, abs=5e-3)


def test_autorange_takes_time_and_finds_the_range(rack):
    sourcing(rack)
    rack.ask(":READ?")
    assert rack.ask(":SENS:CURR:RANG?") == "1E-05"
    start_s = rack.circuit.clock.now_s()
    rack.ask(":READ?")
    settled_s = rack.circuit.clock.now_s() - start_s
    rack.write(":SOUR:VOLT 0.0005")
    start_s = rack.circuit.clock.now_s()
    value = float(rack.ask(":READ?"))
    # down to the 10 nA range, which settles in 150 ms
    assert rack.circuit.clock.now_s() - start_s > settled_s + 0.15
    assert rack.ask(":SENS:CURR:RANG?") == "1E-08"
    # SPEC-2450: source 20 mV range 0.1 % + 200 uV, 10 nA range 0.1 % + 50 pA
    assert abs(value - 5e-9) < 201e-6 / RESISTANCE_OHM + 50e-12 + 5e-12


def test_errors_are_within_the_data_sheet_and_noise_falls_with_integration(make_rack):
    # SPEC-2450: source 2 V range 0.02 % + 300 uV, 100 uA range 0.02 % + 6 nA
    errors, spreads = [], {}
    for seed in range(10):
        rack = make_rack(SimulatedKeithley2450, seed=seed)
        sourcing(rack, ":SENS:CURR:RANG 1e-4;:SOUR:VOLT:READ:BACK OFF;:SENS:CURR:AZER OFF;:SENS:COUN 30")
        for plc in (10, 0.01):
            rack.write(f":TRAC:CLE;:SENS:CURR:NPLC {plc}")
            rack.ask(":READ?")
            found = rack.numbers(":TRAC:DATA? 1,30,'defbuffer1'")
            spreads.setdefault(plc, []).append(np.std(found))
            if plc == 10:
                errors.append(np.mean(found) - 1e-5)
    allowed_a = (2e-4 + 300e-6) / RESISTANCE_OHM + 1e-5 * 2e-4 + 6e-9
    assert np.max(np.abs(errors)) < allowed_a
    assert np.std(errors) > 0.05 * allowed_a
    assert np.mean(spreads[0.01]) > 3.0 * np.mean(spreads[10])


def test_manuals_readback_example_fills_a_named_buffer(rack):
    # 6-99, with 10 readings
    for command in (
        "*RST",
        'TRAC:MAKE "MyBuffer", 100',
        "SOUR:FUNC VOLT",
        'SENS:FUNC "CURR"',
        "SOUR:VOLT:READ:BACK ON",
        "SOUR:VOLT 1",
        "COUNT 10",
        "OUTP ON",
    ):
        rack.write(command)
    rack.ask('READ? "MyBuffer"')
    rack.write("OUTP OFF")
    values = rack.numbers('TRAC:DATA? 1, 10, "MyBuffer", SOUR, READ')
    assert values[0::2] == pytest.approx([1.0] * 10, rel=2e-3)
    assert values[1::2] == pytest.approx([1e-5] * 10, rel=2e-3)
    assert rack.ask('TRAC:ACT? "MyBuffer"') == "10"
    assert float(rack.ask('TRAC:STAT:AVER? "MyBuffer"')) == pytest.approx(np.mean(values[1::2]), rel=1e-6)
    assert rack.codes() == []


def test_manuals_list_sweep_sources_and_measures_each_level(rack):
    # 6-102: a list and what is appended to it, six times 1 V and 5 V, 200 ms each
    for command in (
        "*RST",
        'SENS:FUNC "CURR"',
        "SENS:CURR:RANG:AUTO ON",
        "SENS:CURR:RSEN OFF",
        "SOUR:FUNC VOLT",
        "SOUR:VOLT:RANG 20",
        "SOUR:VOLT:ILIM 1",
        "SOUR:LIST:VOLT 1, 5, 1, 5, 1, 5",
        "SOUR:LIST:VOLT:APP 1, 5, 1, 5, 1, 5",
        "SOUR:SWE:VOLT:LIST 1, 0.2",
    ):
        rack.write(command)
    assert rack.ask("SOUR:LIST:VOLT:POIN?") == "12"
    rack.circuit.past.clear()
    rack.write("INIT")
    rack.write("*WAI")
    values = rack.numbers('TRAC:DATA? 1, 12, "defbuffer1", SOUR, READ')
    assert values[0::2] == pytest.approx([1.0, 5.0] * 6, rel=5e-3)
    assert values[1::2] == pytest.approx([1e-5, 5e-5] * 6, rel=5e-3)
    assert rack.circuit.held_s(5.0) > 6 * 0.2
    # assumed: the sweep's trigger model switches the output off at its end
    assert rack.ask(":OUTP?") == "0"
    assert rack.codes() == []


def test_linear_sweep_as_qcodes_sends_it(rack):
    # QCoDeS 0.58: long forms in lower case, and a sweep there and back
    rack.write(":SOUR:VOLT:ILIM 1e-3")
    rack.write(":SOURce:SWEep:voltage:LINear 0,1,11,0,1,AUTO,ON,ON,'defbuffer1'")
    rack.write(":INITiate")
    rack.write("*WAI")
    values = rack.numbers(":TRACe:DATA? 1, 21, 'defbuffer1'")
    expected = [*np.linspace(0, 1, 11), *np.linspace(0.9, 0, 10)]
    assert np.array(values) * RESISTANCE_OHM == pytest.approx(expected, abs=3e-3)
    rack.write(":TRACe:MAKE 'b1', 100, ")
    assert rack.ask(":TRACe:POINts? 'b1'") == "100"
    assert rack.codes() == []


def test_sweep_ends_at_the_limit_when_told_to(rack):
    # 6-124, failAbort
    rack.write(":SOUR:VOLT:ILIM 5e-6;:SOUR:SWE:VOLT:LIN 0,1,11,0,1,FIX,ON;:INIT;*WAI")
    assert 5 <= int(rack.ask(":TRAC:ACT?")) <= 7
    rack.write(":SOUR:SWE:VOLT:LIN 0,1,11,0,1,FIX,OFF;:INIT;*WAI")
    assert rack.ask(":TRAC:ACT?") == "11"


def test_counter_block_loops_as_the_manual_says(rack):
    # 6-186: five readings, three times
    for command in (
        'TRIG:LOAD "EMPTY"',
        "TRIG:BLOC:BUFF:CLEAR 1",
        "TRIG:BLOC:MEAS 2",
        "TRIG:BLOC:BRAN:COUN 3, 5, 2",
        "TRIG:BLOC:DEL:CONS 4, 1",
        "TRIG:BLOC:BRAN:COUN 5, 3, 2",
        "OUTP ON",
    ):
        rack.write(command)
    assert rack.ask(":TRIG:STAT?").startswith("BUILDING")
    start_s = rack.circuit.clock.now_s()
    rack.write("INIT")
    assert rack.ask("TRAC:ACT?") == "15"
    assert rack.circuit.clock.now_s() - start_s > 3.0
    assert rack.ask(":TRIG:STAT?") == "IDLE;IDLE;5"


def test_recalled_levels_are_held_for_the_delay(rack):
    # 6-198, 6-199; a recall takes 200 us, which is assumed
    sourcing(rack, ":SOUR:VOLT 0", ":SOUR:VOLT:RANG 2", ":SOUR:VOLT:DEL 0", ":SOUR:LIST:VOLT 1.5,0")
    blocks = "CONF:REC 1,'VoltCustomSweepList',1", "DEL:CONS 2,0.005", "CONF:REC 3,'VoltCustomSweepList',2"
    for block in blocks:
        rack.write(f":TRIG:BLOC:{block}")
    rack.circuit.past.clear()
    rack.write(":INIT")
    assert rack.circuit.held_s(1.5) == pytest.approx(0.005 + 200e-6, abs=2e-5)
    assert abs(rack.terminal.level) < 1e-3
    assert rack.ask(":OUTP?;:SOUR:VOLT?") == "1;0"


def test_recall_leaves_the_output_as_it_is(rack):
    # 6-101: a list made with the output off is swept with the output on
    rack.write(":SOUR:LIST:VOLT 1;:OUTP ON;:TRIG:BLOC:CONF:REC 1,'VoltCustomSweepList',1;:INIT")
    assert rack.ask(":OUTP?;:SOUR:VOLT?") == "1;1"
    rack.write(":TRIG:LOAD 'Empty';:INIT")
    assert rack.codes() == [-221]


@pytest.mark.parametrize(
    "commands",
    [
        # what independent drivers send, header by header (PyMeasure 0.16, QCoDeS 0.58, comet, SweepMe)
        "*RST;:stat:pres;:*CLS;",
        ":SENS:FUNC 'CURR';:SENS:CURR:NPLC 1.000000;",
        ":SENS:CURR:RANG:AUTO 0;:SENS:CURR:RANG 0.001",
        ":SENS:CURR:AVER:TCON REP;:SENS:CURR:AVER:COUNT 5;:SENS:CURR:AVER ON",
        ":SENS:voltage:NPLC 1;:SENS:voltage:RSEN 0;:SENS:voltage:AZER 1;:SENS:AZER:ONCE",
        ":SOUR:FUNC:MODE VOLT;:SOUR:VOLT:LEV 0.1;:SOUR:CURR:LEV 0;:SOUR:CURR:VLIM 1",
        ":SOUR:VOLT:RANG:AUTO 0;:SOUR:VOLT:RANG 2;:SOUR:VOLT:DEL 0.01;:SOUR:VOLT:DEL:AUTO 1;:SOUR:VOLT:READ:BACK 0",
        ":OUTP:CURR:SMOD HIMP;:OUTP:VOLT:SMOD NORM;:OUTP:SMOD ZERO;:OUTP:STAT OFF",
        ":TRAC:CLE;:TRAC:POIN 100;:TRAC:MAKE 'x', 100;:TRAC:TRIG 'x';:TRAC:DEL 'x'",
        ":FORM:DATA ASCII;:ROUT:TERM REAR;:SYST:BEEP 440,0.1;:DISP:CLE;:STAT:CLE;:SYST:CLE;:ABOR",
    ],
)
def test_commands_of_independent_drivers_are_accepted(rack, commands):
    rack.write(commands.replace(":*CLS", "*CLS"))
    assert rack.codes() == []


def test_options_are_refused(rack):
    with pytest.raises(ValueError, match="no options, got cards"):
        SimulatedKeithley2450("smu1", rack.circuit, serial="1", seed=1, options={"cards": []})


def test_welded_output_stays_on_until_the_power_fails(rack):
    rack.write(":OUTP ON")
    rack.smu.fail("output_ignores_off", "", "")
    rack.write(":OUTP OFF;*RST")
    assert rack.ask(":OUTP?") == "1"
    rack.smu.power_cycle()
    assert rack.ask(":OUTP?") == "0"


def test_open_interlock_blocks_a_dangerous_level(rack):
    # 6-49
    assert rack.ask(":OUTP:INT:TRIP?") == "1"
    rack.smu.fail("interlock_open", "", "")
    assert rack.ask(":OUTP:INT:TRIP?") == "0"
    rack.write(":SYST:CLE;:SOUR:VOLT 100;:OUTP ON")
    assert rack.ask(":OUTP?") == "0"
    assert rack.codes() == [802]
