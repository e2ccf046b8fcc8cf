"""Keithley 2450 against 2461 Reference Manual 2461-901-01 Rev. A, whose command set the 2450 shares; page in each test.

The headers are those that independent drivers send (PyMeasure 0.16, QCoDeS 0.58, comet). No real 2450 has been seen.
"""

import pytest

from labctl.errors import InstrumentFault, UnconfirmedError
from labctl.roles import Flag, Instrument, Reading, SourceMeter
from labctl_instruments.keithley.keithley2450 import Keithley2450

FIXED = (
    ':SOUR:VOLT 0.000000000e+00;:SOUR:FUNC VOLT;:SENS:FUNC "CURR";:OUTP:VOLT:SMOD HIMP;:SENS:CURR:RSEN 0;'
    ":SENS:CURR:AZER 1;:SENS:COUN 1;:SOUR:VOLT:READ:BACK 0;:SOUR:VOLT:DEL:AUTO 1;:FORM:ASC:PREC 10;"
    ":SENS:CURR:NPLC 1.000000000e+00;:SENS:VOLT:NPLC 1.000000000e+00;"
)
PREPARE = f"{FIXED}:SENS:CURR:RANG:AUTO 1;:SOUR:VOLT:RANG 2.000000000e+00;:SOUR:VOLT:ILIM 1.000000000e-03"
RANGED = f"{PREPARE};:SENS:CURR:RANG 1.000000000e-04"
STATE = ":SOUR:VOLT?;:OUTP?;:SYST:ERR:COUN?"
READ = ':READ? "defbuffer1",READ,SOUR,SOURSTAT'
ASKED = (
    ":SOUR:VOLT?;:SOUR:FUNC?;:SENS:FUNC?;:OUTP:VOLT:SMOD?;:SENS:CURR:RSEN?;:SENS:CURR:AZER?;:SENS:COUN?;"
    ":SOUR:VOLT:READ:BACK?;:SOUR:VOLT:DEL:AUTO?;:FORM:ASC:PREC?;:SENS:CURR:NPLC?;:SENS:VOLT:NPLC?;:SOUR:VOLT:RANG?;"
    ":SOUR:VOLT:ILIM?;:SENS:CURR:RANG:AUTO?;:SENS:CURR:RANG?;:OUTP?"
)
ANSWERED = '0;VOLT;"CURR:DC";HIMP;0;1;1;0;1;10;1;1;2;0.001;0;0.0001;1'
LIST = '"VoltCustomSweepList"'


def prepare(channel, **changes):
    """Prepare for 2 V, 1 mA, 100 uA range, 1 PLC unless told otherwise."""
    settings = {"voltage_range_v": 2.0, "current_limit_a": 1e-3, "measure_range_a": 1e-4, "integration_plc": 1.0}
    channel.prepare(**{**settings, **changes})


def test_driver_fulfils_the_roles():
    from pymeasure.adapters import ProtocolAdapter

    driver = Keithley2450(ProtocolAdapter())
    assert isinstance(driver, Instrument)
    assert isinstance(driver.a, SourceMeter)
    assert driver.a.limits.min_pulse_s == 1e-3


def test_identity_is_taken_apart(dialogue):
    # B-5
    with dialogue(Keithley2450, [("*IDN?", dialogue.IDENTITIES["2450"])]) as driver:
        found = driver.identity()
    assert (found.maker, found.model, found.serial) == ("KEITHLEY INSTRUMENTS", "2450", "01419966")


def test_prepare_sends_all_once_and_then_what_changed(dialogue):
    pairs = [
        (RANGED, None),
        (":SENS:CURR:NPLC 1.000000000e-01;:SENS:VOLT:NPLC 1.000000000e-01", None),
        (":SENS:CURR:RANG:AUTO 1;:SOUR:VOLT:RANG 2.000000000e+00;:SOUR:VOLT:ILIM 1.000000000e-05", None),
    ]
    with dialogue(Keithley2450, pairs) as driver:
        prepare(driver.a)
        prepare(driver.a)
        prepare(driver.a, integration_plc=0.1)
        prepare(driver.a, integration_plc=0.1, current_limit_a=1e-5, measure_range_a=None)
        prepare(driver.a, integration_plc=0.1, current_limit_a=1e-5, measure_range_a=None)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"voltage_range_v": 201.0}, "source range must be 0.001 V to 200 V, got 201 V"),
        ({"voltage_range_v": 100.0, "current_limit_a": 0.2}, "current limit must be 1e-11 A to 0.1 A, got 0.2 A"),
        ({"current_limit_a": 1.1}, "current limit must be 1e-11 A to 1 A, got 1.1 A"),
        ({"integration_plc": 0.001}, "integration time must be 0.01 PLC to 10 PLC, got 0.001 PLC"),
        ({"measure_range_a": 2.0}, "measure range must be 1e-11 A to 1 A, got 2 A"),
        # SPEC-2450: limits are specified from a tenth of the range up
        ({"measure_range_a": 0.1}, "at least a tenth of a fixed measure range, 0.01 A, got 0.001 A"),
    ],
)
def test_prepare_refuses_what_the_instrument_cannot_do(dialogue, changes, message):
    with dialogue(Keithley2450, []) as driver, pytest.raises(ValueError, match=message):
        prepare(driver.a, **changes)


def test_output_goes_on_over_settings_that_are_read_back(dialogue):
    pairs = [(RANGED, None), (f":OUTP 1;{ASKED}", ANSWERED), (":OUTP 0", None)]
    with dialogue(Keithley2450, pairs) as driver:
        prepare(driver.a)
        driver.a.output_on()
        driver.a.output_off()


@pytest.mark.parametrize(
    ("old", "new"), [("HIMP", "NORM"), ("0.001", "0.000105"), (";2;", ";20.5;"), ("0.0001;1", "0.0001;0")]
)
def test_output_that_goes_on_over_other_settings_is_a_fault(dialogue, old, new):
    pairs = [(RANGED, None), (f":OUTP 1;{ASKED}", ANSWERED.replace(old, new))]
    with dialogue(Keithley2450, pairs) as driver:
        prepare(driver.a)
        with pytest.raises(InstrumentFault, match="was sent"):
            driver.a.output_on()


def test_reading_carries_the_level_that_stood(dialogue):
    # 6-9 (elements), 8-31 (source status: output on is 128)
    raw = "4.997800123E-06,0.5,128"
    pairs = [
        (RANGED, None),
        (":SOUR:VOLT 5.000000000e-01", None),
        (f"{READ};{STATE}", f"{raw};0.5;1;0"),
        (f':SENS:FUNC "VOLT";{READ};:SENS:FUNC "CURR";{STATE}', "4.998000000E-01,0.5,128;0.5;1;0"),
    ]
    with dialogue(Keithley2450, pairs) as driver:
        prepare(driver.a)
        driver.a.set_voltage(0.5)
        assert driver.a.measure_current() == Reading(4.997800123e-6, "A", frozenset(), raw)
        found = driver.a.measure_voltage()
    assert (found.value, found.unit) == (0.4998, "V")


@pytest.mark.parametrize(
    ("value", "status", "expected", "flags"),
    [
        ("1.000000000E-03", "128", 1e-3, set()),
        # 8-31: bit 5, the source was limited
        ("1.000000000E-03", "160", 1e-3, {Flag.COMPLIANCE}),
        ("9.900000000E+37", "128", None, {Flag.OVERRANGE}),
        ("-9.900000E+37", "160", None, {Flag.OVERRANGE, Flag.COMPLIANCE}),
        ("9.91e37", "128", None, {Flag.OVERRANGE}),
        ("NAN", "128", None, {Flag.OVERRANGE}),
    ],
)
def test_compliance_and_over_range_become_flags(dialogue, value, status, expected, flags):
    with dialogue(Keithley2450, [(f"{READ};{STATE}", f"{value},0,{status};0;1;0")]) as driver:
        found = driver.a.measure_current()
    assert (found.value, found.flags) == (expected, frozenset(flags))


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        ("1.000000000E-06,0,128;0.5;1;0", "stood at 0.5 V, 0 V was sent"),
        ("1.000000000E-06,0.5,128;0;1;0", "stood at 0.5 V, 0 V was sent"),
        ("1.000000000E-06,0,0;0;0;0", "output is off, it was switched on"),
    ],
)
def test_reading_at_another_level_or_behind_an_open_output_is_a_fault(dialogue, answer, what):
    pairs = [(RANGED, None), (f":OUTP 1;{ASKED}", ANSWERED), (f"{READ};{STATE}", answer)]
    with dialogue(Keithley2450, pairs) as driver:
        prepare(driver.a)
        driver.a.output_on()
        with pytest.raises(InstrumentFault, match=what):
            driver.a.measure_current()


def test_error_entry_has_kind_and_time_in_its_text(dialogue):
    # SYSTem:ERRor
    pairs = [
        (":SYST:ERR?", '-113,"Undefined header;1;2015/05/06 12:57:04.484"'),
        (":SYST:ERR?", '0,"No error;0;0 0"'),
    ]
    with dialogue(Keithley2450, pairs) as driver:
        assert driver.drain_errors() == ["-113: Undefined header;1;2015/05/06 12:57:04.484"]


def test_staircase_is_a_trigger_model_that_is_emptied_when_it_is_over(dialogue):
    # 6-101, 6-186 to 6-204; the delay is the dwell less 1 PLC at 60 Hz
    load = (
        ':TRIG:LOAD "Empty";:TRIG:BLOC:BUFF:CLE 1,"defbuffer1";'
        f":TRIG:BLOC:CONF:REC 2,{LIST},1;:TRIG:BLOC:BRAN:ALW 3,5;:TRIG:BLOC:CONF:NEXT 4,{LIST};"
        f':TRIG:BLOC:DEL:CONS 5,{0.1 - 1 / 60:.9e};:TRIG:BLOC:MEAS 6,"defbuffer1";:TRIG:BLOC:BRAN:COUN 7,2,4;'
        f":TRIG:BLOC:CONF:REC 8,{LIST},3"
    )
    start = (
        ':INIT;*WAI;:TRIG:LOAD "Empty";:SOUR:VOLT:DEL:AUTO 1;:TRAC:DATA? 1,2,"defbuffer1",READ,SOUR,SOURSTAT;' + STATE
    )
    levels = "1.000000000e-01,-2.000000000e-01,0.000000000e+00"
    pairs = [
        (RANGED, None),
        (f":SOUR:VOLT 0;:SOUR:VOLT:DEL 0;:SOUR:LIST:VOLT {levels}", None),
        (load, None),
        (":SOUR:LIST:VOLT:POIN?;:SYST:ERR:COUN?", "3;0"),
        (start, "1.000000000E-06,0.1,128,-2.000000000E-06,-0.2,160;0;1;0"),
    ]
    with dialogue(Keithley2450, pairs) as driver:
        prepare(driver.a)
        found = driver.a.staircase([0.1, -0.2], dwell_s=0.1)
    assert [one.value for one in found] == [1e-6, -2e-6]
    assert [one.flags for one in found] == [frozenset(), frozenset({Flag.COMPLIANCE})]


def test_pulse_is_a_delay_between_two_recalls(dialogue):
    # 6-198, 6-199, 6-234
    load = (
        f':TRIG:LOAD "Empty";:TRIG:BLOC:CONF:REC 1,{LIST},1;:TRIG:BLOC:DEL:CONS 2,1.000000000e-02;'
        f":TRIG:BLOC:CONF:REC 3,{LIST},2"
    )
    pairs = [
        (RANGED, None),
        (":SOUR:VOLT 0;:SOUR:VOLT:DEL 0;:SOUR:LIST:VOLT 1.500000000e+00,0.000000000e+00", None),
        (load, None),
        (":SOUR:LIST:VOLT:POIN?;:SYST:ERR:COUN?", "2;0"),
        (f':INIT;*WAI;:TRIG:STAT?;:TRIG:LOAD "Empty";:SOUR:VOLT:DEL:AUTO 1;{STATE}', "IDLE;IDLE;3;0;1;0"),
    ]
    with dialogue(Keithley2450, pairs) as driver:
        prepare(driver.a)
        driver.a.pulse(1.5, width_s=10e-3, partner=None, partner_level_v=0.0)


@pytest.mark.parametrize("answer", ["IDLE;IDLE;1;0;1;0", "FAILED;FAILED;2;0;1;0", "IDLE;3;0;1;0", "3;0;1;0", ""])
def test_pulse_that_is_not_confirmed_is_not_repeated_and_ends_at_zero(answer):
    from pymeasure.adapters import ProtocolAdapter

    driver, asked, written = Keithley2450(ProtocolAdapter()), [], []
    driver.adapter.write = written.append
    prepare(driver.a)

    def untagged(message, tag):
        asked.append(message)
        return "2;0" if message.startswith(":SOUR:LIST") else answer

    driver.untagged = untagged
    driver.resynchronise = driver._mend = lambda: None
    with pytest.raises(UnconfirmedError, match="sent once"):
        driver.a.pulse(1.5, width_s=10e-3, partner=None, partner_level_v=0.0)
    assert sum(message.startswith(":INIT") for message in asked) == 1
    assert written[-1] == ':ABOR;:TRIG:LOAD "Empty";:SOUR:VOLT 0'


@pytest.mark.parametrize(
    ("width_s", "level_v", "message"),
    [
        (0.5e-3, 1.0, "pulse width must be 0.001 s to 10000 s, got 0.0005 s"),
        (1e-2, 2.2, r"within ±2\.1 V \(105 % of the prepared range\), got 2\.2 V"),
    ],
)
def test_pulse_that_the_instrument_cannot_make_is_refused(dialogue, width_s, level_v, message):
    with dialogue(Keithley2450, [(RANGED, None)]) as driver:
        prepare(driver.a)
        with pytest.raises(ValueError, match=message):
            driver.a.pulse(level_v, width_s=width_s, partner=None, partner_level_v=0.0)


def test_pulse_before_prepare_is_refused(dialogue):
    with dialogue(Keithley2450, []) as driver, pytest.raises(ValueError, match="prepare the channel"):
        driver.a.pulse(1.0, width_s=0.01, partner=None, partner_level_v=0.0)


def test_safe_off_empties_the_trigger_model_after_the_output():
    assert Keithley2450.SAFE_OFF[:3] == (":ABOR", ":OUTP 0", ':TRIG:LOAD "Empty"')


def test_settings_are_numbers_and_words(dialogue):
    question = (
        ":SOUR:VOLT:RANG?;:SOUR:VOLT?;:SOUR:VOLT:ILIM?;:SENS:CURR:RANG:AUTO?;:SENS:CURR:RANG?;:SENS:CURR:NPLC?;"
        ":SENS:CURR:AZER?;:SYST:LFR?;:OUTP?;:OUTP:VOLT:SMOD?;:SOUR:FUNC?"
    )
    with dialogue(Keithley2450, [(question, "2;0;0.001;1;0.0001;1;1;60;0;HIMP;VOLT")]) as driver:
        found = driver.settings()
    assert found[":SOUR:VOLT:ILIM"] == 1e-3
    assert found[":OUTP:VOLT:SMOD"] == "HIMP"


def test_session_that_was_opened_again_verifies_what_was_sent(dialogue):
    # the first question's answer breaks its format: session anew, settings compared, asked again
    expected = ASKED.removesuffix(";:OUTP?")
    pairs = [
        (RANGED, None),
        (f"{READ};{STATE}", "1.0E-06,0;0;1;0"),
        dialogue.MEND,
        (expected, ANSWERED.removesuffix(";1")),
        (f"{READ};{STATE}", "1.000000000E-06,0,128;0;1;0"),
    ]
    with dialogue(Keithley2450, pairs, connection_attributes={"resource_class": "SOCKET"}) as driver:
        prepare(driver.a)
        assert driver.a.measure_current().value == 1e-6
