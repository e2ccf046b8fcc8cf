"""Keithley 2400 against Series 2400 User's Manual 2400S-900-01 Rev. K, section 18 and appendices A and B.

The headers are those that independent drivers send (PyMeasure 0.16, QCoDeS 0.58, comet, SweepMe). No real 2400 has been
seen.
"""

import pytest

from labctl.errors import InstrumentFault, ProtocolError, UnconfirmedError
from labctl.roles import Flag, Instrument, Reading, SourceMeter
from labctl_instruments.keithley.keithley2400 import Keithley2400

FIXED = (
    ":SOUR:VOLT 0.000000000e+00;:SOUR:FUNC VOLT;:SOUR:VOLT:MODE FIX;:SOUR:SWE:RANG FIX;:SOUR:CLE:AUTO 0;"
    ":SOUR:DEL:AUTO 1;:OUTP:SMOD HIMP;:SYST:RSEN 0;:SYST:AZER 1;:ARM:SOUR IMM;:ARM:COUN 1;:TRIG:SOUR IMM;:TRIG:COUN 1;"
    ':TRIG:DEL 0;:SENS:FUNC:CONC 0;:SENS:FUNC "CURR";:FORM:ELEM VOLT,CURR,STAT;:SENS:CURR:NPLC 1.000000000e+00;'
)
PREPARE = f"{FIXED}:SENS:CURR:RANG:AUTO 1;:SOUR:VOLT:RANG 2.000000000e+00;:SENS:CURR:PROT 1.000000000e-03"
RANGED = f"{PREPARE};:SENS:CURR:RANG 1.000000000e-04"
STATE = ":SOUR:VOLT?;:OUTP?;:SYST:ERR:COUN?"
QUIET = "+0.000000E+00;1;0"
# bits front terminals, current measured, voltage sourced
STATUS = "+2.048400E+04"
ASKED = (
    ":SOUR:VOLT?;:SOUR:FUNC?;:SOUR:VOLT:MODE?;:SOUR:SWE:RANG?;:SOUR:CLE:AUTO?;:SOUR:DEL:AUTO?;:OUTP:SMOD?;:SYST:RSEN?;"
    ":SYST:AZER?;:ARM:SOUR?;:ARM:COUN?;:TRIG:SOUR?;:TRIG:COUN?;:TRIG:DEL?;:SENS:FUNC:CONC?;:SENS:FUNC?;:FORM:ELEM?;"
    ":SENS:CURR:NPLC?;:SOUR:VOLT:RANG?;:SENS:CURR:PROT?;:SENS:CURR:RANG:AUTO?;:SENS:CURR:RANG?;:OUTP?"
)
ANSWERED = (
    '0.000000E+00;VOLT;FIX;FIX;0;1;HIMP;0;1;IMM;1;IMM;1;0.000000E+00;0;"CURR:DC";VOLT,CURR,STAT;'
    "1.000000E+00;2.100000E+00;1.000000E-03;0;1.050000E-04;1"
)


def prepare(channel, **changes):
    """Prepare for 2 V, 1 mA, 100 uA range, 1 PLC unless told otherwise."""
    settings = {"voltage_range_v": 2.0, "current_limit_a": 1e-3, "measure_range_a": 1e-4, "integration_plc": 1.0}
    channel.prepare(**{**settings, **changes})


def test_driver_fulfils_the_roles():
    from pymeasure.adapters import ProtocolAdapter

    driver = Keithley2400(ProtocolAdapter())
    assert isinstance(driver, Instrument)
    assert isinstance(driver.a, SourceMeter)
    # appendix A: 50 us, 0.385 ms of conversion at 0.01 PLC and 0.64 ms of computing are the least
    assert driver.a.limits.min_pulse_s == 2e-3


def test_identity_is_taken_apart(dialogue):
    with dialogue(Keithley2400, [("*IDN?", dialogue.IDENTITIES["2400"])]) as driver:
        found = driver.identity()
    assert (found.maker, found.model, found.serial) == ("KEITHLEY INSTRUMENTS INC.", "2400", "1163289")


def test_prepare_sends_all_once_and_then_what_changed(dialogue):
    pairs = [
        (RANGED, None),
        (":SENS:CURR:NPLC 1.000000000e-01", None),
        (":SENS:CURR:RANG:AUTO 1;:SOUR:VOLT:RANG 2.000000000e+00;:SENS:CURR:PROT 1.000000000e-05", None),
    ]
    with dialogue(Keithley2400, pairs) as driver:
        prepare(driver.a)
        prepare(driver.a)
        prepare(driver.a, integration_plc=0.1)
        prepare(driver.a, integration_plc=0.1, current_limit_a=1e-5, measure_range_a=None)
        prepare(driver.a, integration_plc=0.1, current_limit_a=1e-5, measure_range_a=None)


def test_limit_comes_down_before_the_200_v_range(dialogue):
    # appendix B, +826: 100 mA at most above 20 V
    high = f"{FIXED}:SENS:CURR:RANG:AUTO 1;:SENS:CURR:PROT 1.000000000e-01;:SOUR:VOLT:RANG 2.000000000e+02"
    with dialogue(Keithley2400, [(high, None)]) as driver:
        prepare(driver.a, voltage_range_v=200.0, current_limit_a=0.1, measure_range_a=None)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"voltage_range_v": 201.0}, "source range must be 0.001 V to 200 V, got 201 V"),
        ({"voltage_range_v": 100.0, "current_limit_a": 0.2}, "current limit must be 1e-09 A to 0.1 A, got 0.2 A"),
        ({"current_limit_a": 1.1}, "current limit must be 1e-09 A to 1 A, got 1.1 A"),
        ({"current_limit_a": 1e-10}, "current limit must be 1e-09 A to 1 A, got 1e-10 A"),
        ({"integration_plc": 0.001}, "integration time must be 0.01 PLC to 10 PLC, got 0.001 PLC"),
        ({"measure_range_a": 2.0}, "measure range must be 1e-09 A to 1 A, got 2 A"),
        # appendix B, +824
        ({"measure_range_a": 1e-2}, "at most that of the current limit, 0.001 A for 0.001 A, got 0.01 A"),
    ],
)
def test_prepare_refuses_what_the_instrument_cannot_do(dialogue, changes, message):
    with dialogue(Keithley2400, []) as driver, pytest.raises(ValueError, match=message):
        prepare(driver.a, **changes)


def test_output_goes_on_over_settings_that_are_read_back(dialogue):
    pairs = [(RANGED, None), (f":OUTP 1;{ASKED}", ANSWERED), (":OUTP 0", None)]
    with dialogue(Keithley2400, pairs) as driver:
        prepare(driver.a)
        driver.a.output_on()
        driver.a.output_off()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("HIMP", "NORM"),
        ("1.000000E-03", "1.050000E-04"),
        ("2.100000E+00", "2.100000E+02"),
        ("1.050000E-04;1", "1.050000E-04;0"),
    ],
)
def test_output_that_goes_on_over_other_settings_is_a_fault(dialogue, old, new):
    pairs = [(RANGED, None), (f":OUTP 1;{ASKED}", ANSWERED.replace(old, new))]
    with dialogue(Keithley2400, pairs) as driver:
        prepare(driver.a)
        with pytest.raises(InstrumentFault, match="was sent"):
            driver.a.output_on()


def test_reading_carries_the_level_that_stood(dialogue):
    # section 18, FORMat:ELEMents: the voltage that is not measured is the programmed one
    raw = f"+5.000000E-01,+4.997800E-06,{STATUS}"
    pairs = [
        (RANGED, None),
        (":SOUR:VOLT 5.000000000e-01", None),
        (f":READ?;{STATE}", f"{raw};5.000000E-01;1;0"),
        (f':SENS:FUNC "VOLT";:READ?;:SENS:FUNC "CURR";{STATE}', "+4.998000E-01,+9.910000E+37,+1.843600E+04;0.5;1;0"),
    ]
    with dialogue(Keithley2400, pairs) as driver:
        prepare(driver.a)
        driver.a.set_voltage(0.5)
        assert driver.a.measure_current() == Reading(4.9978e-6, "A", frozenset(), raw)
        found = driver.a.measure_voltage()
    assert (found.value, found.unit) == (0.4998, "V")


@pytest.mark.parametrize(
    ("amps", "status", "value", "flags"),
    [
        ("+1.000000E-03", STATUS, 1e-3, set()),
        # bit 3: real compliance; bit 16: that of the range
        ("+1.000000E-03", "+2.049200E+04", 1e-3, {Flag.COMPLIANCE}),
        ("+1.050000E-04", "+8.602000E+04", 1.05e-4, {Flag.COMPLIANCE}),
        ("+9.900000E+37", "+2.048500E+04", None, {Flag.OVERRANGE}),
        ("+9.910000E+37", "+2.048400E+04", None, {Flag.OVERRANGE}),
        ("-9.900000E+37", "+2.049300E+04", None, {Flag.OVERRANGE, Flag.COMPLIANCE}),
    ],
)
def test_compliance_and_over_range_become_flags(dialogue, amps, status, value, flags):
    with dialogue(Keithley2400, [(f":READ?;{STATE}", f"+0.000000E+00,{amps},{status};{QUIET}")]) as driver:
        found = driver.a.measure_current()
    assert (found.value, found.flags) == (value, frozenset(flags))


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (f"+0.000000E+00,+1.000000E-06,{STATUS};5.000000E-01;1;0", "stood at 0.5 V, 0 V was sent"),
        (f"+5.000000E-01,+1.000000E-06,{STATUS};0.000000E+00;1;0", "stood at 0.5 V, 0 V was sent"),
        (f"+0.000000E+00,+1.000000E-06,{STATUS};0.000000E+00;0;0", "output is off, it was switched on"),
    ],
)
def test_reading_at_another_level_or_behind_an_open_output_is_a_fault(dialogue, answer, what):
    pairs = [(RANGED, None), (f":OUTP 1;{ASKED}", ANSWERED), (f":READ?;{STATE}", answer)]
    with dialogue(Keithley2400, pairs) as driver:
        prepare(driver.a)
        driver.a.output_on()
        with pytest.raises(InstrumentFault, match=what):
            driver.a.measure_current()


def test_refused_setting_is_a_fault_with_its_number(dialogue):
    pairs = [
        (":SYST:ERR?", '0,"No error"'),
        (RANGED, None),
        (f":READ?;{STATE}", f"+0.000000E+00,+1.000000E-06,{STATUS};0.000000E+00;0;1"),
        (":SYST:ERR?", '+826,"Attempt to exceed power limit"'),
        (":SYST:ERR?", '0,"No error"'),
    ]
    with dialogue(Keithley2400, pairs) as driver:
        assert driver.drain_errors() == []
        prepare(driver.a)
        with pytest.raises(InstrumentFault, match="826: Attempt to exceed power limit"):
            driver.a.measure_current()


def test_staircase_is_a_list_sweep_that_is_taken_out_of_play(dialogue):
    # section 10: the trigger count is the number of points; the source delay is the dwell less 1 PLC at 60 Hz
    delay = f"{0.1 - 1 / 60:.9e}"
    levels = "1.000000000e-01,-2.000000000e-01,0.000000000e+00"
    rows = (
        f"+1.000000E-01,+1.000000E-06,{STATUS},-2.000000E-01,-2.000000E-06,{STATUS},"
        f"+0.000000E+00,+3.000000E-10,{STATUS}"
    )
    pairs = [
        (RANGED, None),
        (f":SOUR:VOLT 0;:SOUR:LIST:VOLT {levels}", None),
        (f":SOUR:DEL {delay};:TRIG:COUN 3;:SOUR:VOLT:MODE LIST", None),
        (":SOUR:LIST:VOLT:POIN?;:SYST:ERR:COUN?", "3;0"),
        (f":READ?;:SOUR:VOLT:MODE FIX;:TRIG:COUN 1;:SOUR:DEL:AUTO 1;{STATE}", f"{rows};{QUIET}"),
    ]
    with dialogue(Keithley2400, pairs) as driver:
        prepare(driver.a)
        found = driver.a.staircase([0.1, -0.2], dwell_s=0.1)
    assert [one.value for one in found] == [1e-6, -2e-6]


def test_pulse_is_two_points_with_the_shortest_integration(dialogue):
    # appendix A: 0.01 PLC at 60 Hz and 185 us of conversion belong to the plateau
    delay = f"{10e-3 - 0.01 / 60 - 185e-6:.9e}"
    rows = f"+1.500000E+00,+1.500000E-05,{STATUS},+0.000000E+00,+1.000000E-09,{STATUS}"
    pairs = [
        (RANGED, None),
        (":SOUR:VOLT 0;:SOUR:LIST:VOLT 1.500000000e+00,0.000000000e+00", None),
        (
            f":SYST:AZER 0;:SENS:CURR:NPLC 0.01;:SENS:CURR:RANG 1.000000000e-03;:SOUR:DEL {delay};:TRIG:COUN 2;"
            ":SOUR:VOLT:MODE LIST",
            None,
        ),
        (":SOUR:LIST:VOLT:POIN?;:SYST:ERR:COUN?", "2;0"),
        (
            ":READ?;:SOUR:VOLT:MODE FIX;:TRIG:COUN 1;:SOUR:DEL:AUTO 1;:SYST:AZER 1;:SENS:CURR:NPLC 1.000000000e+00;"
            f":SENS:CURR:RANG 1.000000000e-04;{STATE}",
            f"{rows};{QUIET}",
        ),
    ]
    with dialogue(Keithley2400, pairs) as driver:
        prepare(driver.a)
        driver.a.pulse(1.5, width_s=10e-3, partner=None, partner_level_v=0.0)


def test_pulse_at_another_level_is_a_fault_and_ends_at_zero(dialogue):
    rows = f"+1.000000E-01,+1.000000E-06,{STATUS},+0.000000E+00,+1.000000E-09,{STATUS}"
    with dialogue(Keithley2400, [(RANGED, None)]) as driver:
        prepare(driver.a)
        sent, answers = [], iter(["2;0", f"{rows};{QUIET}"])
        driver.send = sent.append
        driver.answer = lambda message, parse, expected, **options: parse(next(answers))
        with pytest.raises(InstrumentFault, match=r"stood at 0\.1 V, 1\.5 V was sent"):
            driver.a.pulse(1.5, width_s=10e-3, partner=None, partner_level_v=0.0)
    assert sent[-1] == ":ABOR;:SOUR:VOLT:MODE FIX;:SOUR:VOLT 0"


@pytest.mark.parametrize(
    ("width_s", "level_v", "message"),
    [
        (1e-3, 1.0, "pulse width must be 0.002 s to 999 s, got 0.001 s"),
        (1e4, 1.0, "pulse width must be 0.002 s to 999 s, got 10000 s"),
        (1e-2, 2.2, r"within ±2\.1 V \(105 % of the prepared range\), got 2\.2 V"),
    ],
)
def test_pulse_that_the_instrument_cannot_make_is_refused(dialogue, width_s, level_v, message):
    with dialogue(Keithley2400, [(RANGED, None)]) as driver:
        prepare(driver.a)
        with pytest.raises(ValueError, match=message):
            driver.a.pulse(level_v, width_s=width_s, partner=None, partner_level_v=0.0)


def test_pulse_before_prepare_or_with_a_partner_is_refused(dialogue):
    with dialogue(Keithley2400, []) as driver:
        with pytest.raises(ValueError, match="prepare the channel"):
            driver.a.pulse(1.0, width_s=0.01, partner=None, partner_level_v=0.0)
        with pytest.raises(ValueError, match="one channel"):
            driver.a.pulse(1.0, width_s=0.01, partner=driver.a, partner_level_v=1.0)
        with pytest.raises(ValueError, match="1 to 2499 levels, got 2500"):
            driver.a.staircase([0.0] * 2500, dwell_s=0.1)


def test_list_that_arrived_in_part_is_not_sourced(dialogue):
    question = (":SOUR:LIST:VOLT:POIN?;:SYST:ERR:COUN?", "2;0")
    delay = f"{0.1 - 1 / 60:.9e}"
    with dialogue(Keithley2400, [(RANGED, None)]) as driver:
        prepare(driver.a)
        sent = []
        driver.send = sent.append

        def answer(message, parse, expected, **options):
            assert message == question[0]
            with pytest.raises(ValueError, match="2 of 4 levels"):
                parse(question[1])
            raise ProtocolError("asked 3 times")

        driver.answer = answer
        with pytest.raises(ProtocolError):
            driver.a.staircase([0.1, 0.2, 0.3], dwell_s=0.1)
    assert sent[1] == f":SOUR:DEL {delay};:TRIG:COUN 4;:SOUR:VOLT:MODE LIST"
    assert sent[-1] == ":ABOR;:SOUR:VOLT:MODE FIX;:SOUR:VOLT 0"


@pytest.mark.parametrize(
    "rows",
    [
        f"+1.500000E+00,+1.500000E-05,{STATUS}",  # one point
        f"+1.500000E+00,+1.500000E-05,{STATUS},+0.000000E+00,+1.000000E-09",  # cut
        f"+1.500000E+00,+1.500000E-05,{STATUS},+0.000000E+00,+1.00000E-09,{STATUS}",  # a digit lost
    ],
)
def test_pulse_that_is_not_confirmed_is_not_repeated(rows):
    from pymeasure.adapters import ProtocolAdapter

    driver, asked = Keithley2400(ProtocolAdapter()), []
    driver.adapter.write = lambda message: None
    prepare(driver.a)
    answers = {":SOUR:LIST:VOLT:POIN?;:SYST:ERR:COUN?": "2;0"}

    def untagged(message, tag):
        asked.append(message)
        return answers.get(message, f"{rows};{QUIET}")

    driver.untagged = untagged
    driver.resynchronise = lambda: None
    with pytest.raises(UnconfirmedError, match="sent once"):
        driver.a.pulse(1.5, width_s=10e-3, partner=None, partner_level_v=0.0)
    assert sum(message.startswith(":READ?") for message in asked) == 1


def test_safe_off_ends_a_sweep_then_opens_the_output(dialogue):
    # section 11: only ABORt and device clear are heard while it sweeps
    assert Keithley2400.SAFE_OFF[:2] == (":ABOR", ":OUTP 0")
    with dialogue(Keithley2400, [(":OUTP?;:SOUR:FUNC?", "0;VOLT")]) as driver:
        assert driver.is_off()


def test_settings_are_numbers_and_words(dialogue):
    question = (
        ":SOUR:VOLT:RANG?;:SOUR:VOLT?;:SENS:CURR:PROT?;:SENS:CURR:RANG:AUTO?;:SENS:CURR:RANG?;:SENS:CURR:NPLC?;"
        ":SYST:AZER?;:SYST:LFR?;:OUTP?;:OUTP:SMOD?;:SOUR:FUNC?"
    )
    answer = "2.100000E+00;0.000000E+00;1.000000E-03;1;1.050000E-04;1.000000E+00;1;50;0;HIMP;VOLT"
    with dialogue(Keithley2400, [(question, answer)]) as driver:
        found = driver.settings()
    assert found[":SENS:CURR:PROT"] == 1e-3
    assert found[":OUTP:SMOD"] == "HIMP"
    assert found[":SYST:LFR"] == 50.0


def test_settle_asks_where_the_source_stands(dialogue):
    pairs = [(":SOUR:VOLT 5.000000000e-01", None), (STATE, "5.000000E-01;1;0")]
    with dialogue(Keithley2400, pairs) as driver:
        driver.a.set_voltage(0.5)
        driver.settle()
        driver.settle()


def test_properties_forget_what_was_prepared(dialogue):
    pairs = [
        (RANGED, None),
        (":SENS:CURR:NPLC 1.000000000e-01", None),
        (":SENS:CURR:NPLC?", "1.000000E-01"),
        (RANGED, None),
    ]
    with dialogue(Keithley2400, pairs) as driver:
        prepare(driver.a)
        driver.a.measure_nplc = 0.1
        assert driver.a.measure_nplc == 0.1
        prepare(driver.a)
