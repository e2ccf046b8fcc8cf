"""Bytes of the Keithley 2636B, pair by pair.

Authority: Series 2600B Reference Manual 2600BS-901-01 Rev. F, section 9 (attributes, errorqueue.next, delay), and the
answers that independent drivers expect (``print`` separates by TAB; ``9.91e37`` for over-range).
"""

import pytest

from labctl.errors import InstrumentFault, ProtocolError
from labctl.roles import Flag, Identity, SourceMeter
from labctl_instruments.keithley.keithley2636b import Keithley2636B

PREPARE_A = (
    "labctl_pulse=0 format.asciiprecision=10 smua.source.levelv=0.000000000e+00 smua.source.func=1 "
    "smua.source.offmode=2 smua.sense=0 smua.source.autorangev=0 smua.source.rangev=2.000000000e+00 "
    "smua.source.limiti=1.000000000e-03 smua.measure.nplc=1.000000000e+00 smua.measure.autorangei=0 "
    "smua.measure.rangei=1.000000000e-05"
)


def prepare(channel, **changes):
    settings = {"voltage_range_v": 2.0, "current_limit_a": 1e-3, "measure_range_a": 1e-5, "integration_plc": 1.0}
    channel.prepare(**(settings | changes))


def test_channel_fulfils_the_role(dialogue):
    with dialogue(Keithley2636B, []) as smu:
        assert isinstance(smu.a, SourceMeter)
        assert isinstance(smu.b, SourceMeter)


def test_prepare_sends_everything_once_then_only_what_changed(dialogue):
    pairs = [
        (PREPARE_A, None),
        ("smua.source.limiti=2.000000000e-07", None),
        ("smua.measure.autorangei=1", None),
        ("smua.measure.autorangei=0 smua.measure.rangei=1.000000000e-05", None),
    ]
    with dialogue(Keithley2636B, pairs) as smu:
        prepare(smu.a)
        prepare(smu.a)
        prepare(smu.a, current_limit_a=2e-7)
        prepare(smu.a, current_limit_a=2e-7, measure_range_a=None)
        prepare(smu.a, current_limit_a=2e-7)


def test_prepare_sends_everything_again_when_reset_or_a_property_came_between(dialogue):
    pairs = [
        (PREPARE_A, None),
        ("reset() errorqueue.clear()", None),
        (PREPARE_A, None),
        ("smua.source.limiti=1.000000000e-07", None),
        (PREPARE_A, None),
    ]
    with dialogue(Keithley2636B, pairs) as smu:
        prepare(smu.a)
        smu.reset()
        prepare(smu.a)
        smu.a.current_limit = 1e-7
        prepare(smu.a)


def test_prepare_lowers_the_current_limit_first_when_the_200_v_range_comes(dialogue):
    # data sheet: 1.5 A up to 20 V, 0.1 A at 200 V
    sent = (
        "labctl_pulse=0 format.asciiprecision=10 smub.source.levelv=0.000000000e+00 smub.source.func=1 "
        "smub.source.offmode=2 smub.sense=0 smub.source.autorangev=0 smub.source.limiti=1.000000000e-01 "
        "smub.source.rangev=2.000000000e+02 smub.measure.nplc=1.000000000e-03 smub.measure.autorangei=1"
    )
    with dialogue(Keithley2636B, [(sent, None)]) as smu:
        prepare(smu.b, voltage_range_v=200.0, current_limit_a=0.1, measure_range_a=None, integration_plc=0.001)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"voltage_range_v": 201.0}, "source range"),
        ({"voltage_range_v": float("nan")}, "source range"),
        ({"current_limit_a": 1.6}, "current limit"),
        ({"voltage_range_v": 40.0, "current_limit_a": 0.2}, "0.1 A"),
        ({"current_limit_a": 0.0}, "current limit"),
        ({"measure_range_a": 1e-12}, "measure range"),
        ({"integration_plc": 26.0}, "integration time"),
    ],
)
def test_prepare_refuses_and_sends_nothing_when_the_instrument_cannot(dialogue, changes, rule):
    with dialogue(Keithley2636B, []) as smu, pytest.raises(ValueError, match=rule):
        prepare(smu.a, **changes)


def test_level_goes_out_with_ten_digits(dialogue):
    with dialogue(Keithley2636B, [("smua.source.levelv=-1.234567891e-01", None)]) as smu:
        smu.a.set_voltage(-0.1234567891)


@pytest.mark.parametrize("level_v", [2.03, -2.03, float("nan"), float("inf")])
def test_level_is_refused_when_outside_101_percent_of_the_range(dialogue, level_v):
    with dialogue(Keithley2636B, [(PREPARE_A, None)]) as smu:
        prepare(smu.a)
        with pytest.raises(ValueError, match=r"2\.02 V"):
            smu.a.set_voltage(level_v)


# what was prepared, as section 9 names it, and the output that goes on
KEYS = ["source.levelv", "source.func", "source.offmode", "sense", "source.autorangev", "source.rangev"]
KEYS += ["source.limiti", "measure.nplc", "measure.autorangei", "measure.rangei", "source.output"]
HOLDS = (0, 1, 2, 0, 0, 2, 1e-3, 1, 0, 1e-5, 1)


def read_back(smu):
    return f"print({','.join(f'{smu}.{key}' for key in KEYS)})"


def printed(values):
    return "\t".join(f"{value:.9e}" for value in values)


def on(smu):
    """Return the pair by which a prepared channel goes on."""
    return (f"{smu}.source.output=1 {read_back(smu)}", printed(HOLDS))


def test_output_goes_on_together_with_the_question_for_its_settings(dialogue):
    pairs = [(PREPARE_A, None), on("smua"), ("smua.source.output=0", None)]
    with dialogue(Keithley2636B, pairs) as smu:
        prepare(smu.a)
        smu.a.output_on()
        smu.a.output_off()


def test_output_of_a_channel_that_was_not_prepared_goes_on_by_itself(dialogue):
    with dialogue(Keithley2636B, [("smub.source.output=1 print(smub.source.output)", "1.00000e+00")]) as smu:
        smu.b.output_on()


@pytest.mark.parametrize(("index", "value", "what"), [(-1, 0, "output is 0, 1"), (6, 0.1, "limiti is 0.1, 0.001")])
def test_output_that_went_on_over_other_settings_is_a_fault(dialogue, index, value, what):
    # a reset right before it leaves the limit at 0.1 A; an open interlock leaves the output off
    found = list(HOLDS)
    found[index] = value
    pairs = [(PREPARE_A, None), (on("smua")[0], printed(found))]
    with dialogue(Keithley2636B, pairs) as smu:
        prepare(smu.a)
        with pytest.raises(InstrumentFault, match=what):
            smu.a.output_on()


MEASURE = (
    "print(smub.measure.i(),smub.source.compliance,smub.source.output,smub.source.levelv,"
    "smua.source.output,smua.source.levelv,errorqueue.count)"
)
OFF_0_V = "\t0.000000000e+00" * 5


def test_current_is_one_message(dialogue):
    with dialogue(Keithley2636B, [(MEASURE, f"-1.234567890e-06\tfalse{OFF_0_V}")]) as smu:
        reading = smu.b.measure_current()
    assert reading.value == pytest.approx(-1.23456789e-6, rel=1e-12)
    assert (reading.unit, reading.flags, reading.raw) == ("A", frozenset(), f"-1.234567890e-06\tfalse{OFF_0_V}")


def test_voltage_tells_compliance(dialogue):
    ask = MEASURE.replace("smub", "smux").replace("smua", "smub").replace("smux", "smua").replace(".i()", ".v()")
    with dialogue(Keithley2636B, [(ask, f"2.000000000e-01\ttrue{OFF_0_V}")]) as smu:
        reading = smu.a.measure_voltage()
    assert (reading.value, reading.unit, reading.flags) == (0.2, "V", {Flag.COMPLIANCE})


GARBLED = ["", "1.0e-06", f"1.000000000e-06\tmaybe{OFF_0_V}", f"nil\tfalse{OFF_0_V}", "1e-6\tfalse\t1",
           f"1.000000000e-6x\ttrue{OFF_0_V}", f"1.000000000e-06\tfalse{OFF_0_V}"[:-15] + "nan", "1e-6\tfalse\t0\t0\t0",
           f"1.000000000e-06\tfalse{OFF_0_V[16:]}", f"1.000000000e-06\tfalse{OFF_0_V}{OFF_0_V[:16]}", "#1",
           f"1.00000000e-06\tfalse{OFF_0_V}", f"1.000000000e-6\tfalse{OFF_0_V}"]  # fmt: skip


@pytest.mark.parametrize("reply", GARBLED)
def test_garbled_reading_is_read_again_on_a_new_session(dialogue, reply):
    with dialogue(
        Keithley2636B, [(MEASURE, reply), dialogue.MEND, (MEASURE, f"1.000000000e-06\tfalse{OFF_0_V}")]
    ) as smu:
        assert smu.b.measure_current().value == 1e-6
        assert smu.adapter.connection.open.call_count == smu.adapter.connection.clear.call_count == 1
    assert "opened again, serial 4400001" in smu.link_events[1]


def test_garbled_reading_is_an_error_the_third_time(dialogue):
    pairs = [(MEASURE, "1"), dialogue.MEND, (MEASURE, "2"), dialogue.MEND, (MEASURE, "3")]
    with dialogue(Keithley2636B, pairs) as smu, pytest.raises(ProtocolError, match=r"smub\.measure\.i.*asked 3 times"):
        smu.b.measure_current()


PREPARE_B = PREPARE_A.replace("smua", "smub")
ON, OFF, LEVEL = "1.000000000e+00", "0.000000000e+00", "1.000000000e-01"


@pytest.mark.parametrize(
    ("states", "what"),
    [
        ((OFF, LEVEL, ON, OFF), "smub is off, it was switched on"),
        ((ON, OFF, ON, OFF), "smub stood at 0 V, 0.1 V was sent"),
        ((ON, LEVEL, OFF, OFF), "smua is off, it was switched on"),
        ((ON, LEVEL, ON, LEVEL), "smua stood at 0.1 V, 0 V was sent"),
    ],
)
def test_reading_is_a_fault_when_an_output_went_off_or_a_level_is_another(dialogue, states, what):
    # a reset or a power cycle leaves 0 V and the output off: a current of 1e-13 A there is no reading of the device;
    # the other channel drives what this one measures
    pairs = [(PREPARE_A, None), (PREPARE_B, None), on("smua"), on("smub"), (f"smub.source.levelv={LEVEL}", None)]
    reply = "\t".join(("1.000000000e-13", "false", *states, OFF))
    with dialogue(Keithley2636B, [*pairs, (MEASURE, reply)]) as smu:
        prepare(smu.a)
        prepare(smu.b)
        smu.a.output_on()
        smu.b.output_on()
        smu.b.set_voltage(0.1)
        with pytest.raises(InstrumentFault, match=what):
            smu.b.measure_current()


STATES = "print(smua.source.output,smua.source.levelv,smub.source.output,smub.source.levelv,errorqueue.count)"


def test_settling_asks_where_both_channels_stand(dialogue):
    # what a message that got lost should have brought to 0 V would be switched hot by the matrix
    pairs = [(PREPARE_A, None), (STATES, printed((0, 0, 0, 0, 0))), ("smua.source.levelv=0.000000000e+00", None)]
    with dialogue(Keithley2636B, [*pairs, (STATES, printed((0, 0.05, 0, 0, 0)))]) as smu:
        prepare(smu.a)
        smu.settle()
        smu.settle()
        smu.a.set_voltage(0.0)
        with pytest.raises(InstrumentFault, match=r"smua stood at 0\.05 V, 0 V was sent"):
            smu.settle()


def test_output_that_is_on_though_it_was_switched_off_is_a_fault(dialogue):
    pairs = [(PREPARE_A, None), on("smua"), ("smua.source.output=0", None), (STATES, printed((1, 0, 0, 0, 0)))]
    with dialogue(Keithley2636B, pairs) as smu:
        prepare(smu.a)
        smu.a.output_on()
        smu.a.output_off()
        with pytest.raises(InstrumentFault, match="smua is on, it was switched off"):
            smu.settle()


QUEUE = "print(errorqueue.next())"
REFUSED = "-2.850000000e+02\tTSP Syntax error at line 1: unexpected symbol\t2.000000000e+01\t1.000000000e+00"
EMPTY = "0.000000000e+00\tQueue Is Empty\t0.000000000e+00\t1.000000000e+00"


def test_reading_is_a_fault_when_something_that_was_sent_was_refused(dialogue):
    # a garbled setting is a syntax error in the queue; nothing else tells that it was not obeyed
    reply = f"1.000000000e-06\tfalse{OFF_0_V}"[: -len("0.000000000e+00")] + "1.000000000e+00"
    pairs = [(QUEUE, EMPTY), (MEASURE, reply), (QUEUE, REFUSED), (QUEUE, EMPTY)]
    with dialogue(Keithley2636B, pairs) as smu:
        smu.drain_errors()
        with pytest.raises(InstrumentFault, match=r"refused.*-285"):
            smu.b.measure_current()


def test_errors_from_before_do_not_spoil_a_reading_but_are_told(dialogue):
    reply = f"1.000000000e-06\tfalse{OFF_0_V}"[: -len("0.000000000e+00")] + "1.000000000e+00"
    with dialogue(Keithley2636B, [(MEASURE, reply), (QUEUE, REFUSED), (QUEUE, EMPTY)]) as smu:
        assert smu.b.measure_current().value == 1e-6
        assert smu.link_events == ["-285: TSP Syntax error at line 1: unexpected symbol"]


def test_identity_has_four_fields(dialogue):
    reply = "Keithley Instruments Inc., Model 2636B, 4400001, 3.3.5"
    pairs = [("*IDN?", reply), *[("*IDN?", "Keithley"), dialogue.MEND] * 2, ("*IDN?", "Keithley")]
    with dialogue(Keithley2636B, pairs) as smu:
        assert smu.identity() == Identity("Keithley Instruments Inc.", "2636B", "4400001", "3.3.5")
        with pytest.raises(ProtocolError):
            smu.identity()


def test_error_queue_is_drained_to_its_end(dialogue):
    ask = "print(errorqueue.next())"
    pairs = [
        (ask, "-2.85000e+02\tTSP Syntax error at line 1: unexpected symbol\t2.00000e+01\t1.00000e+00"),
        (ask, "0.00000e+00\tQueue Is Empty\t0.00000e+00\t1.00000e+00"),
    ]
    with dialogue(Keithley2636B, pairs) as smu:
        assert smu.drain_errors() == ["-285: TSP Syntax error at line 1: unexpected symbol"]


def test_overflow_of_the_error_queue_is_noted(dialogue):
    ask = "print(errorqueue.next())"
    pairs = [(ask, "-3.50000e+02\tQueue overflow\t2.00000e+01\t1.00000e+00"), (ask, EMPTY)]
    with dialogue(Keithley2636B, pairs) as smu:
        assert smu.drain_errors() == ["-350: Queue overflow (the queue was full: later errors are lost)"]


OUTPUTS = "print(smua.source.output,smub.source.output)"


@pytest.mark.parametrize("reply", ["0.00000e+00\t0.00000e+00", "0.000000000e+00\t2.000000000e+00", "0\t2"])
def test_is_off_reads_both_outputs(dialogue, reply):
    # output 2 is off with the relay open
    with dialogue(Keithley2636B, [(OUTPUTS, reply)]) as smu:
        assert smu.is_off()


@pytest.mark.parametrize(
    "reply", ["0.0e+00\t1.0e+00", "1.0e+00\t0.0e+00", "", "nil", "0", "0.0e+01\t0", "2e-1\t0", "20\t0"]
)
def test_is_off_is_false_when_three_answers_do_not_say_so(dialogue, reply):
    with dialogue(Keithley2636B, [(OUTPUTS, reply)] * 3) as smu:
        assert not smu.is_off()


def test_settings_are_compared_after_a_slip(dialogue):
    # reset values of section 9: range 0.2 V, limit 0.1 A, off mode normal
    ask, reset = read_back("smua"), "\t".join(f"{value:.5e}" for value in (0, 1, 0, 0, 1, 0.2, 0.1, 1, 1, 1e-7, 0))
    pairs = [(PREPARE_A, None), on("smua"), (ask, printed(HOLDS)), (ask, reset)]
    with dialogue(Keithley2636B, pairs) as smu:
        prepare(smu.a)
        smu.a.output_on()
        smu.verify_settings()
        with pytest.raises(InstrumentFault, match=r"smua\.source\.offmode is 0, 2 was sent"):
            smu.verify_settings()


SETTINGS = [f"smu{name}.{key}" for name in ("a", "b") for key in (
    "source.output", "source.func", "source.offmode", "source.rangev", "source.levelv", "source.limiti",
    "measure.autorangei", "measure.rangei", "measure.nplc")]  # fmt: skip
SETTINGS = f"print({','.join(SETTINGS)},localnode.linefreq)"
VALUES = printed([*[1.0] * 18, 50.0])


def test_settings_are_read_back_in_one_message(dialogue):
    with dialogue(Keithley2636B, [(SETTINGS, VALUES)]) as smu:
        settings = smu.settings()
    assert settings["a.measure.nplc"] == 1.0
    assert settings["localnode.linefreq"] == 50.0


@pytest.mark.parametrize("instead", ["9.91e+37", "9.910000000e+37", "-9.900000000e+37", "inf", "nan", "5.00000", "5"])
def test_settings_are_asked_again_when_a_number_is_none_or_was_cut(dialogue, instead):
    bad = VALUES.replace("5.000000000e+01", instead)
    with dialogue(Keithley2636B, [(SETTINGS, bad), dialogue.MEND, (SETTINGS, VALUES)]) as smu:
        assert smu.settings()["localnode.linefreq"] == 50.0


def test_properties_read_and_write(dialogue):
    pairs = [
        ("smua.measure.nplc=1.000000000e-01", None),
        ("print(smua.measure.nplc)", "1.00000e-01"),
        ("smub.source.output=1", None),
        ("print(smub.source.output)", "1.00000e+00"),
        ("print(smub.source.levelv)", "nil"),
    ]
    with dialogue(Keithley2636B, pairs) as smu:
        smu.a.measure_nplc = 0.1
        assert smu.a.measure_nplc == 0.1
        smu.b.output_enabled = True
        assert smu.b.output_enabled is True
        with pytest.raises(ProtocolError):
            _ = smu.b.source_voltage
