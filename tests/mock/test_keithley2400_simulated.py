"""Simulated Keithley 2400: answers, refusals, ranges, cycles, times.

Authorities: Series 2400 User's Manual 2400S-900-01 Rev. K (section in each test), SPEC-2400 Rev. H, Ohm's law at a
known resistor. No real 2400 has been seen. Not here: drivers on it (``test_sourcemeters_on_bench.py``).
"""

import numpy as np
import pytest

from labctl_mock.bench.terminals import Measured, TerminalMode
from labctl_mock.keithley.keithley2400 import SimulatedKeithley2400

RESISTANCE_OHM = 100e3
PERIOD_S = 1.0 / 50.0
NOT_A_NUMBER, OVERFLOW = "+9.910000E+37", "+9.900000E+37"


@pytest.fixture
def rack(make_rack):
    return make_rack(SimulatedKeithley2400)


def sourcing(rack, *settings):
    rack.write(":SENS:FUNC:CONC OFF;:SENS:FUNC 'CURR';:SOUR:VOLT 1;:SENS:CURR:PROT 1e-3;:OUTP ON")
    for setting in settings:
        rack.write(setting)


def test_idn_names_maker_model_serial_and_firmware(rack):
    # section 16, *IDN?
    maker, model, serial, firmware = rack.ask("*IDN?").split(",")
    assert (maker, model, serial) == ("KEITHLEY INSTRUMENTS INC.", "MODEL 2400", "1163289")
    assert firmware.startswith("C32 ")


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        # section 18, *RST column
        (":SOUR:FUNC?", "VOLT"),
        (":SOUR:VOLT?", "0.000000E+00"),
        (":SOUR:VOLT:RANG?", "2.100000E+01"),
        (":SENS:CURR:PROT?", "1.050000E-04"),
        (":SENS:VOLT:PROT?", "2.100000E+01"),
        (":SENS:CURR:RANG?", "1.050000E-04"),
        (":SENS:CURR:RANG:AUTO?", "1"),
        (":SENS:CURR:NPLC?", "1.000000E+00"),
        (":SENS:FUNC?", '"CURR:DC"'),
        (":FORM:ELEM?", "VOLT,CURR,RES,TIME,STAT"),
        (":SOUR:DEL:AUTO?", "1"),
        (":OUTP?", "0"),
        (":OUTP:SMOD?", "NORM"),
        (":ARM:SOUR?", "IMM"),
        (":SYST:AZER:STAT?", "1"),
        (":SYST:ERR?", '0,"No error"'),
    ],
)
def test_reset_gives_manuals_default(rack, question, answer):
    rack.write(":SOUR:VOLT 5;:SENS:CURR:PROT 1e-3;:SENS:CURR:NPLC 0.1;:SENS:CURR:RANG 1e-3;:OUTP:SMOD HIMP;:OUTP ON")
    rack.write("*RST")
    assert rack.ask(question) == answer


def test_simplest_example_of_the_manual_reads_ohms_law(rack):
    # section 3, remote example: 10 V on the 20 V range, 10 mA compliance and range
    for command in (
        "*RST",
        ":SOUR:FUNC VOLT",
        ":SOUR:VOLT:MODE FIX",
        ":SOUR:VOLT:RANG 20",
        ":SOUR:VOLT:LEV 10",
        ":SENS:CURR:PROT 10E-3",
        ':SENS:FUNC "CURR"',
        ":SENS:CURR:RANG 10E-3",
        ":FORM:ELEM CURR",
        ":OUTP ON",
    ):
        rack.write(command)
    (amps,) = rack.numbers(":READ?")
    # SPEC-2400: source 0.02 % + 2.4 mV, 10 mA range 0.035 % + 600 nA
    assert abs(amps - 100e-6) < (10 * 2e-4 + 2.4e-3) / RESISTANCE_OHM + 1e-4 * 3.5e-4 + 600e-9 + 1e-6
    assert rack.codes() == []


def test_reading_has_elements_in_their_own_order_and_not_a_number_for_what_was_not_measured(rack):
    # section 18, FORMat:ELEMents: the order is fixed; a source that is not measured shows its programmed level
    sourcing(rack, ":FORM:ELEM STAT,VOLT,RES,CURR")
    volts, amps, ohms, status = rack.ask(":READ?").split(",")
    assert volts == "+1.000000E+00"
    assert float(amps) == pytest.approx(1e-5, rel=2e-3)
    assert ohms == NOT_A_NUMBER
    # section 18: bits front terminals, current measured, voltage sourced
    assert int(float(status)) == 1 << 2 | 1 << 12 | 1 << 14


def test_resistance_is_measured_from_both_quantities(rack):
    rack.write(":SOUR:VOLT 1;:SENS:CURR:PROT 1e-3;:SENS:FUNC:ALL;:OUTP ON")
    volts, amps, ohms, _, status = rack.numbers(":READ?")
    assert ohms == pytest.approx(volts / amps, rel=1e-5)
    assert ohms == pytest.approx(RESISTANCE_OHM, rel=3e-3)
    assert int(status) & (7 << 11) == 7 << 11


def test_compliance_is_bit_3_when_the_limit_holds_and_bit_16_when_the_range_does(rack):
    # section 6: real compliance at the programmed value, range compliance at the top of a fixed range
    sourcing(rack, ":FORM:ELEM CURR,STAT", ":SENS:CURR:PROT 5e-6")
    amps, status = rack.numbers(":READ?")
    assert amps == pytest.approx(5e-6, rel=2e-3)
    assert int(status) & (1 << 3 | 1 << 16) == 1 << 3
    assert rack.ask(":SENS:CURR:PROT:TRIP?") == "1"
    rack.write(":SENS:CURR:PROT 1e-3;:SENS:CURR:RANG 1e-6")
    amps, status = rack.numbers(":READ?")
    assert amps == pytest.approx(1.05e-6, rel=2e-3)
    assert int(status) & (1 << 3 | 1 << 16) == 1 << 16


def test_reading_beyond_its_range_is_the_overflow_sentinel(rack):
    # section 7: full scale is 105.5 %; a range that limits nothing is that of what is sourced
    rack.write(":SOUR:FUNC CURR;:SOUR:CURR 1e-5;:SENS:VOLT:PROT 20;:SENS:FUNC 'VOLT'")
    rack.write(":SENS:VOLT:RANG 0.2;:FORM:ELEM VOLT,STAT;:OUTP ON")
    # 1 V cannot be: the 200 mV range holds at 210 mV
    volts, status = rack.numbers(":READ?")
    assert volts == pytest.approx(0.21, rel=5e-3)
    assert int(status) & 1 << 16
    rack.circuit.measure = lambda terminal, *, aperture_s: Measured(1.0, 1e-5, False)
    assert rack.ask(":READ?").split(",")[0] == OVERFLOW
    assert int(float(rack.ask(":FETC?").split(",")[1])) & 1


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("X:Y", -113),
        (":SOUR:VOLT", -109),
        (":SOUR:VOLT 1,2", -108),
        (":SOUR:VOLT abc", -141),
        (":SOUR:VOLT 211", -222),
        (":SOUR:VOLT:RANG 20;:SOUR:VOLT 25", -222),
        (":SOUR:CURR 1.1", -222),
        (":SENS:CURR:PROT 1e-10", -222),
        (":SENS:CURR:NPLC 0.001", -222),
        (":SENS:CURR:NPLC 11", -222),
        (":SOUR:DEL 1000", -222),
        (":TRIG:COUN 2501", -222),
        (":SENS:AVER:COUN 101", -222),
        (":OUTP:SMOD OPEN", -224),
        (":SENS:FUNC 'PRESSURE'", -224),
        # appendix B: the measure range may not exceed that of the limit
        (":SENS:CURR:PROT 1e-6;:SENS:CURR:RANG 1e-3", 824),
        # appendix B: 100 mA at most above 20 V
        (":SENS:CURR:PROT 0.5;:SOUR:VOLT 100", 826),
        (":SOUR:VOLT 100;:SENS:CURR:PROT 0.5", 826),
        (":READ?", 803),
        (":INIT", 803),
        (":FETC?", -230),
        ("*TRG", -211),
        (":SOUR:LIST:VOLT " + ",".join(["1"] * 101), -223),
        (
            ":SOUR:VOLT:STAR -1;:SOUR:VOLT:STOP 1;:SOUR:SWE:SPAC LOG;:SOUR:VOLT:MODE SWE;:OUTP ON;:TRIG:COUN 3;:INIT",
            -221,
        ),
        (":ARM:SOUR TIM;:OUTP ON;:INIT", -221),
        (":ARM:SOUR BUS;:OUTP ON;:READ?", -214),
        (":ARM:COUN 100;:TRIG:COUN 100;:OUTP ON;:INIT", -221),
    ],
)
def test_refusal_is_in_the_error_queue_and_nothing_is_answered(rack, command, code):
    rack.write(command)
    assert not rack.smu.exchange.message_available
    assert rack.codes() == [code]


def test_refused_setting_leaves_the_old_one(rack):
    rack.write(":SOUR:VOLT 1;:SOUR:VOLT 300;:SENS:CURR:PROT 9")
    assert rack.ask(":SOUR:VOLT?;:SENS:CURR:PROT?") == "1.000000E+00;1.050000E-04"
    # appendix B
    assert rack.ask(":SYST:ERR?") == '-222,"Parameter data out of range"'


def test_error_queue_holds_ten_and_says_that_it_overflowed(rack):
    # section 15: ten messages; the status byte shows it in bit 2
    for _ in range(12):
        rack.write(":READ?")
    assert int(rack.ask("*STB?")) & 4
    codes = rack.codes()
    assert len(codes) == 10
    assert codes == [*[803] * 9, -350]
    assert rack.ask(":SYST:ERR:COUN?") == "0"


def test_output_off_state_is_zero_volts_at_half_a_percent_of_the_range_unless_the_relay_opens(rack):
    # section 13
    assert rack.terminal.mode is TerminalMode.VOLTAGE
    assert rack.terminal.current_limit_a == pytest.approx(0.005 * 100e-6)
    rack.write(":OUTP:SMOD HIMP")
    assert rack.terminal.mode is TerminalMode.OPEN
    rack.write(":SOUR:VOLT 2;:OUTP ON")
    assert rack.terminal.level == pytest.approx(2.0, rel=1e-3)
    assert rack.terminal.is_on
    rack.write(":OUTP OFF")
    assert (rack.terminal.mode, rack.terminal.is_on) == (TerminalMode.OPEN, False)


def test_output_goes_off_after_each_cycle_when_auto_clear_is_on(rack):
    # section 18, SOURce:CLEar:AUTO
    rack.write(":SOUR:VOLT 1;:SOUR:CLE:AUTO ON")
    assert len(rack.numbers(":READ?")) == 5
    assert rack.ask(":OUTP?") == "0"


@pytest.mark.parametrize(("plc", "azero", "firmware_s"), [(0.01, 0, 0.64e-3), (1, 0, 0.64e-3), (10, 1, 2.15e-3)])
def test_cycle_takes_what_appendix_a_says(rack, plc, azero, firmware_s):
    sourcing(rack, f":SENS:CURR:NPLC {plc}", f":SYST:AZER {azero}", ":SOUR:DEL 0.01", ":SENS:CURR:RANG 1e-4")
    rack.ask(":READ?")
    start_s = rack.circuit.clock.now_s()
    rack.ask(":READ?")
    conversions = 3 if azero else 1
    expected_s = 50e-6 + 0.01 + conversions * (plc * PERIOD_S + 185e-6) + firmware_s
    took_s = rack.circuit.clock.now_s() - start_s - SimulatedKeithley2400.query_time_s
    assert took_s == pytest.approx(expected_s, abs=1e-5)


def test_autorange_takes_time_and_finds_the_range(rack):
    sourcing(rack, ":FORM:ELEM CURR")
    rack.ask(":READ?")
    start_s = rack.circuit.clock.now_s()
    rack.ask(":READ?")
    settled_s = rack.circuit.clock.now_s() - start_s
    rack.write(":SOUR:VOLT 0.01")
    start_s = rack.circuit.clock.now_s()
    (amps,) = rack.numbers(":READ?")
    assert rack.circuit.clock.now_s() - start_s > settled_s + PERIOD_S
    assert rack.ask(":SENS:CURR:RANG?") == "1.050000E-06"
    # SPEC-2400: source 0.02 % + 600 uV, 1 uA range 0.029 % + 300 pA
    assert abs(amps - 1e-7) < (600e-6 + 2e-6) / RESISTANCE_OHM + 300e-12 + 1e-7 * 2.9e-4


def test_errors_are_within_the_data_sheet_and_noise_falls_with_integration(make_rack):
    # SPEC-2400: source 2 V range 0.02 % + 600 uV, measure 100 uA range 0.025 % + 6 nA
    errors, spreads = [], {}
    for seed in range(12):
        rack = make_rack(SimulatedKeithley2400, seed=seed)
        sourcing(rack, ":FORM:ELEM CURR", ":SENS:CURR:RANG 1e-4", ":SYST:AZER 0", ":TRIG:COUN 40")
        for plc in (10, 0.01):
            rack.write(f":SENS:CURR:NPLC {plc}")
            found = rack.numbers(":READ?")
            spreads.setdefault(plc, []).append(np.std(found))
            if plc == 10:
                errors.append(np.mean(found) - 1e-5)
    allowed_a = (2e-4 + 600e-6) / RESISTANCE_OHM + 1e-5 * 2.5e-4 + 6e-9
    assert np.max(np.abs(errors)) < allowed_a
    assert np.std(errors) > 0.05 * allowed_a
    assert np.mean(spreads[0.01]) > 3.0 * np.mean(spreads[10])


def test_linear_sweep_steps_from_start_to_stop_and_ends_at_the_programmed_level(rack):
    # section 10: staircase by start, stop and step; the trigger count is the number of points
    sourcing(rack, ":SOUR:VOLT 0;:SOUR:VOLT:STAR 1;:SOUR:VOLT:STOP 2;:SOUR:VOLT:STEP 0.25", ":FORM:ELEM VOLT,CURR")
    assert rack.ask(":SOUR:SWE:POIN?") == "5"
    rack.write(":SOUR:VOLT:MODE SWE;:TRIG:COUN 5")
    values = rack.numbers(":READ?")
    assert values[0::2] == pytest.approx([1.0, 1.25, 1.5, 1.75, 2.0])
    assert values[1::2] == pytest.approx(np.array(values[0::2]) / RESISTANCE_OHM, rel=5e-3)
    assert rack.terminal.level == pytest.approx(0.0, abs=3e-3)


def test_logarithmic_sweep_has_equal_ratios(rack):
    sourcing(rack, ":SOUR:VOLT:STAR 0.1;:SOUR:VOLT:STOP 10;:SOUR:SWE:POIN 5;:SOUR:SWE:SPAC LOG", ":FORM:ELEM VOLT")
    rack.write(":SOUR:VOLT:MODE SWE;:TRIG:COUN 5")
    values = np.array(rack.numbers(":READ?"))
    assert values[1:] / values[:-1] == pytest.approx([10**0.5] * 4, rel=1e-5)


def test_list_sweep_gives_each_level_the_source_delay(rack):
    # section 10, custom sweep; section 6: source, delay, measure
    sourcing(rack, ":SOUR:LIST:VOLT 1.5,-0.5", ":SOUR:LIST:VOLT:APP 0.7", ":SOUR:DEL 0.1", ":FORM:ELEM VOLT")
    assert rack.ask(":SOUR:LIST:VOLT:POIN?") == "3"
    rack.write(":SOUR:VOLT 0;:SOUR:VOLT:MODE LIST;:TRIG:COUN 3;:SENS:CURR:NPLC 0.1;:SYST:AZER 0;:SENS:CURR:RANG 1e-4")
    rack.circuit.past.clear()
    assert rack.numbers(":READ?") == [1.5, -0.5, 0.7]
    for level_v in (1.5, -0.5, 0.7):
        # the aperture of 0.1 PLC, its conversion and the firmware come after the delay, the next source setting too
        assert rack.circuit.held_s(level_v) == pytest.approx(0.1 + 2e-3 + 185e-6 + 640e-6, abs=1.2e-4)


def test_bus_trigger_runs_what_waits_for_it(rack):
    # section 11: ARM:SOURce BUS waits for *TRG; *OPC? would wait for ever, a device clear helps
    sourcing(rack, ":ARM:SOUR BUS", ":TRIG:COUN 3", ":FORM:ELEM VOLT")
    rack.write(":INIT")
    rack.write("*TRG")
    assert rack.numbers(":FETC?") == [1.0, 1.0, 1.0]


def test_buffer_fills_and_the_measurement_register_tells(rack):
    # section 15: buffer full is bit 9, summed up in bit 0 of the status byte; statistics come from the buffer
    sourcing(rack, ":STAT:PRES;*CLS;*SRE 1;:STAT:MEAS:ENAB 512", ":TRAC:CLE;:TRAC:POIN 4")
    rack.write(":TRAC:FEED SENS;:TRAC:FEED:CONT NEXT;:TRIG:COUN 4;:FORM:ELEM CURR")
    assert int(rack.ask("*STB?")) & 65 == 0
    rack.write(":INIT")
    assert int(rack.ask("*STB?")) & 65 == 65
    values = rack.numbers(":TRAC:DATA?")
    assert len(values) == 4
    assert rack.numbers(":CALC3:FORM MEAN;:CALC3:DATA?") == [pytest.approx(np.mean(values), rel=1e-6)]
    assert rack.numbers(":CALC3:FORM MAX;:CALC3:DATA?") == [max(values)]
    rack.write("*CLS")
    assert int(rack.ask("*STB?")) & 1 == 0
    assert rack.codes() == []


@pytest.mark.parametrize(
    "commands",
    [
        # what independent drivers send, header by header (PyMeasure 0.16, QCoDeS 0.58, comet, SweepMe, Auspex)
        ":STAT:PRES;:STAT:QUE:CLE;*CLS",
        ":SENS:FUNC 'CURR';:SENS:CURR:NPLC 1.000000;",
        ":SENS:FUNC 'VOLT';:SENS:VOLT:NPLC 1.000000;:SENS:VOLT:RANG:AUTO 1;",
        ":SENS:RES:MODE MAN;:SENS:RES:NPLC 1",
        ":SENS:CURR:DC:NPLC 0.1;:SENS:VOLT:DC:NPLC 0.1",
        ":SENS:AVER:TCON REP;:SENS:AVER:COUN 5;:SENS:AVER ON",
        ":SENS:FUNC:CONC OFF;:SENS:FUNC:CONC ON",
        ":SOUR:FUNC:MODE VOLT;:SOUR:VOLT:LEV:IMM:AMPL 1;:SOUR:CURR:LEV 0",
        ":SOUR:CLE:AUTO OFF;:SOUR:DEL:AUTO ON;:SOUR:DEL 0.001",
        ":SOUR:CURR:MODE FIX;:SOUR:CURR:STAR 0;:SOUR:CURR:STOP 1e-3;:SOUR:CURR:STEP 1e-4",
        ":SOUR:SWE:SPAC LIN;:SOUR:SWE:DIR UP;:SOUR:SWE:RANG FIX",
        ":SYST:RSEN 0;:SYST:BEEP:STAT 0;:SYST:BEEP 400,0.1;:SYST:AZER:STAT ONCE",
        ":SYST:LFR 60;:SYST:LFR:AUTO ON;:SYST:LOC",
        ":ROUT:TERM REAR;:DISP:ENAB OFF;:FORM:DATA ASC",
        ":ARM:COUN 1;:ARM:SOUR IMM;:ARM:TIM 0.1;:ARM:OUTP NONE;:ARM:ILIN 1;:ARM:OLIN 3",
        ":TRIG:COUN 1;:TRIG:SEQ:DEL 0;:TRIG:SOUR IMM;:TRIG:OUTP NONE;:TRIG:ILIN 1;:TRIG:OLIN 2;:TRIG:CLE;:ABOR",
        ":TRAC:CLEAR;:TRAC:POIN 25;:TRAC:FEED SENSE;:TRAC:FEED:CONT NEXT",
        ":OUTPUT:SMODE HIMP;:OUTPUT 0",
    ],
)
def test_commands_of_independent_drivers_are_accepted(rack, commands):
    rack.write(commands)
    assert rack.codes() == []


def test_options_are_refused(rack):
    with pytest.raises(ValueError, match="no options, got cards"):
        SimulatedKeithley2400("smu1", rack.circuit, serial="1", seed=1, options={"cards": []})


def test_welded_output_stays_on_until_the_power_fails(rack):
    rack.write(":OUTP ON")
    rack.smu.fail("output_ignores_off", "", "")
    rack.write(":OUTP OFF;*RST")
    assert rack.ask(":OUTP?") == "1"
    rack.smu.power_cycle()
    assert rack.ask(":OUTP?") == "0"
    assert int(rack.ask("*ESR?")) & 128


def test_open_output_enable_blocks_a_dangerous_level(rack):
    # appendix B, +802; section 13
    rack.smu.fail("interlock_open", "", "")
    assert rack.codes() == [802]
    rack.write(":SENS:CURR:PROT 1e-3;:SOUR:VOLT 100;:OUTP ON")
    assert rack.ask(":OUTP?") == "0"
    assert rack.codes() == [802]
