"""Bytes of the Keithley 2636B, pair by pair.

Authority: Series 2600B Reference Manual 2600BS-901-01 Rev. F, section 9 (attributes, errorqueue.next, delay), and the
answers that independent drivers expect (``print`` separates by TAB; ``9.91e37`` for over-range).
"""

import pytest
from pymeasure.test import expected_protocol

from labctl.errors import ProtocolError
from labctl.roles import Flag, Identity, SourceMeter
from labctl_instruments.keithley.keithley2636b import Keithley2636B

PREPARE_A = (
    "format.asciiprecision=10 smua.source.levelv=0.000000000e+00 smua.source.func=1 smua.source.offmode=2 "
    "smua.sense=0 smua.source.autorangev=0 smua.source.rangev=2.000000000e+00 smua.source.limiti=1.000000000e-03 "
    "smua.measure.nplc=1.000000000e+00 smua.measure.autorangei=0 smua.measure.rangei=1.000000000e-05"
)


def prepare(channel, **changes):
    settings = {"voltage_range_v": 2.0, "current_limit_a": 1e-3, "measure_range_a": 1e-5, "integration_plc": 1.0}
    channel.prepare(**(settings | changes))


def test_channel_fulfils_the_role():
    with expected_protocol(Keithley2636B, []) as smu:
        assert isinstance(smu.a, SourceMeter)
        assert isinstance(smu.b, SourceMeter)


def test_prepare_sends_everything_once_then_only_what_changed():
    pairs = [
        (PREPARE_A, None),
        ("smua.source.limiti=2.000000000e-07", None),
        ("smua.measure.autorangei=1", None),
        ("smua.measure.autorangei=0 smua.measure.rangei=1.000000000e-05", None),
    ]
    with expected_protocol(Keithley2636B, pairs) as smu:
        prepare(smu.a)
        prepare(smu.a)
        prepare(smu.a, current_limit_a=2e-7)
        prepare(smu.a, current_limit_a=2e-7, measure_range_a=None)
        prepare(smu.a, current_limit_a=2e-7)


def test_prepare_sends_everything_again_when_reset_or_a_property_came_between():
    pairs = [
        (PREPARE_A, None),
        ("reset() errorqueue.clear()", None),
        (PREPARE_A, None),
        ("smua.source.limiti=1.000000000e-07", None),
        (PREPARE_A, None),
    ]
    with expected_protocol(Keithley2636B, pairs) as smu:
        prepare(smu.a)
        smu.reset()
        prepare(smu.a)
        smu.a.current_limit = 1e-7
        prepare(smu.a)


def test_prepare_lowers_the_current_limit_first_when_the_200_v_range_comes():
    # data sheet: 1.5 A up to 20 V, 0.1 A at 200 V
    sent = (
        "format.asciiprecision=10 smub.source.levelv=0.000000000e+00 smub.source.func=1 smub.source.offmode=2 "
        "smub.sense=0 smub.source.autorangev=0 smub.source.limiti=1.000000000e-01 smub.source.rangev=2.000000000e+02 "
        "smub.measure.nplc=1.000000000e-03 smub.measure.autorangei=1"
    )
    with expected_protocol(Keithley2636B, [(sent, None)]) as smu:
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
def test_prepare_refuses_and_sends_nothing_when_the_instrument_cannot(changes, rule):
    with expected_protocol(Keithley2636B, []) as smu, pytest.raises(ValueError, match=rule):
        prepare(smu.a, **changes)


def test_level_goes_out_with_ten_digits():
    with expected_protocol(Keithley2636B, [("smua.source.levelv=-1.234567891e-01", None)]) as smu:
        smu.a.set_voltage(-0.1234567891)


@pytest.mark.parametrize("level_v", [2.03, -2.03, float("nan"), float("inf")])
def test_level_is_refused_when_outside_101_percent_of_the_range(level_v):
    with expected_protocol(Keithley2636B, [(PREPARE_A, None)]) as smu:
        prepare(smu.a)
        with pytest.raises(ValueError, match=r"2\.02 V"):
            smu.a.set_voltage(level_v)


def test_output_switches():
    pairs = [("smua.source.output=1", None), ("smub.source.output=0", None)]
    with expected_protocol(Keithley2636B, pairs) as smu:
        smu.a.output_on()
        smu.b.output_off()


MEASURE = "print(smub.measure.i(),smub.source.compliance)"


def test_current_is_one_message():
    with expected_protocol(Keithley2636B, [(MEASURE, "-1.234567890e-06\tfalse")]) as smu:
        reading = smu.b.measure_current()
    assert reading.value == pytest.approx(-1.23456789e-6, rel=1e-12)
    assert (reading.unit, reading.flags, reading.raw) == ("A", frozenset(), "-1.234567890e-06\tfalse")


def test_voltage_tells_compliance():
    with expected_protocol(Keithley2636B, [("print(smua.measure.v(),smua.source.compliance)", "2.0e-01\ttrue")]) as smu:
        reading = smu.a.measure_voltage()
    assert (reading.value, reading.unit, reading.flags) == (0.2, "V", {Flag.COMPLIANCE})


@pytest.mark.parametrize("sentinel", ["9.910000000e+37", "-9.910000000e+37", "9.9e37", "-9.9E+37"])
def test_overrange_never_becomes_a_number(sentinel):
    with expected_protocol(Keithley2636B, [(MEASURE, f"{sentinel}\tfalse")]) as smu:
        reading = smu.b.measure_current()
    assert reading.value is None
    assert reading.flags == {Flag.OVERRANGE}
    assert reading.raw.startswith(sentinel)


@pytest.mark.parametrize("reply", ["", "1.0e-06", "1.0e-06\tmaybe", "nil\tfalse", "1.0e-06\tfalse\t1", "1e-6x\ttrue"])
def test_garbled_answer_is_an_error_and_the_link_is_cleared_before_the_next_question(reply):
    with expected_protocol(Keithley2636B, [(MEASURE, reply), (MEASURE, "1e-6\tfalse")]) as smu:
        with pytest.raises(ProtocolError, match=r"smub\.measure\.i"):
            smu.b.measure_current()
        assert not smu.adapter.connection.clear.called
        assert smu.b.measure_current().value == 1e-6
        assert smu.adapter.connection.clear.call_count == 1


def test_pulse_is_one_chunk_that_answers_when_it_is_over():
    sent = (
        "smua.source.levelv=4.500000000e-01 smub.source.levelv=-4.500000000e-01 delay(1.000000000e-04) "
        'smua.source.levelv=0 smub.source.levelv=0 print("pulsed")'
    )
    with expected_protocol(Keithley2636B, [(sent, "pulsed")]) as smu:
        smu.a.pulse(0.45, width_s=1e-4, partner=smu.b, partner_level_v=-0.45)


def test_pulse_of_one_channel_leaves_the_other_alone():
    sent = 'smub.source.levelv=1.000000000e+00 delay(1.000000000e-02) smub.source.levelv=0 print("pulsed")'
    with expected_protocol(Keithley2636B, [(sent, "pulsed")]) as smu:
        smu.b.pulse(1.0, width_s=1e-2, partner=None, partner_level_v=0.0)


def test_pulse_is_refused_when_shorter_than_100_us():
    with expected_protocol(Keithley2636B, []) as smu, pytest.raises(ValueError, match=r"0\.0001 s"):
        smu.a.pulse(0.1, width_s=99e-6, partner=None, partner_level_v=0.0)


def test_pulse_refuses_a_partner_of_another_instrument():
    with expected_protocol(Keithley2636B, []) as smu, expected_protocol(Keithley2636B, []) as other:
        for partner in (other.b, smu.a):
            with pytest.raises(ValueError, match="partner"):
                smu.a.pulse(0.1, width_s=1e-3, partner=partner, partner_level_v=0.0)


def test_pulse_refuses_the_partner_level_outside_the_partner_range():
    with expected_protocol(Keithley2636B, [(PREPARE_A, None)]) as smu:
        prepare(smu.a)
        with pytest.raises(ValueError, match="smua level"):
            smu.b.pulse(0.1, width_s=1e-3, partner=smu.a, partner_level_v=2.5)


def test_pulse_tells_when_the_end_is_not_confirmed():
    sent = 'smua.source.levelv=1.000000000e-01 delay(1.000000000e-03) smua.source.levelv=0 print("pulsed")'
    with expected_protocol(Keithley2636B, [(sent, "1.0e-06\tfalse")]) as smu, pytest.raises(ProtocolError):
        smu.a.pulse(0.1, width_s=1e-3, partner=None, partner_level_v=0.0)


LOOP = (
    "local rest=2.000000000e-02-smua.measure.nplc/localnode.linefreq local out={} "
    "for _,v in ipairs(labctl_levels) do smua.source.levelv=v if rest>0 then delay(rest) end "
    'local i=smua.measure.i() table.insert(out,string.format("%.9e,%s",i,tostring(smua.source.compliance))) '
    'end smua.source.levelv=0 print(table.concat(out,";"))'
)


def test_staircase_reads_one_current_per_level():
    pairs = [
        ("labctl_levels={1.000000000e-01,-2.000000000e-01}", None),
        (LOOP, "1.000000000e-06,false;9.910000000e+37,true"),
    ]
    with expected_protocol(Keithley2636B, pairs) as smu:
        first, second = smu.a.staircase([0.1, -0.2], dwell_s=0.02)
    assert (first.value, first.flags) == (1e-6, frozenset())
    assert (second.value, second.flags) == (None, {Flag.COMPLIANCE, Flag.OVERRANGE})


@pytest.mark.parametrize("reply", ["1e-6,false", "1e-6,false;1e-6,false;1e-6,false", "1e-6,false;,true", "nil"])
def test_staircase_is_an_error_when_readings_are_missing_or_garbled(reply):
    pairs = [("labctl_levels={1.000000000e-01,2.000000000e-01}", None), (LOOP, reply)]
    with expected_protocol(Keithley2636B, pairs) as smu, pytest.raises(ProtocolError):
        smu.a.staircase([0.1, 0.2], dwell_s=0.02)


def test_long_staircase_is_sent_in_parts_of_50():
    part = ",".join(["1.000000000e-01"] * 50)
    pairs = [
        (f"labctl_levels={{{part}}}", None),
        ("for _,v in ipairs({1.000000000e-01}) do table.insert(labctl_levels,v) end", None),
        (LOOP, ";".join(["1e-6,false"] * 51)),
    ]
    with expected_protocol(Keithley2636B, pairs) as smu:
        assert len(smu.a.staircase([0.1] * 51, dwell_s=0.02)) == 51


@pytest.mark.parametrize(("levels_v", "dwell_s"), [([], 0.1), ([0.1, 300.0], 0.1), ([0.1], -1.0)])
def test_staircase_is_refused_when_a_level_or_the_dwell_is_impossible(levels_v, dwell_s):
    with expected_protocol(Keithley2636B, []) as smu, pytest.raises(ValueError):
        smu.a.staircase(levels_v, dwell_s=dwell_s)


def test_identity_has_four_fields():
    reply = "Keithley Instruments Inc., Model 2636B, 4400001, 3.3.5"
    with expected_protocol(Keithley2636B, [("*IDN?", reply), ("*IDN?", "Keithley")]) as smu:
        assert smu.identity() == Identity("Keithley Instruments Inc.", "2636B", "4400001", "3.3.5")
        with pytest.raises(ProtocolError):
            smu.identity()


def test_error_queue_is_drained_to_its_end():
    ask = "print(errorqueue.next())"
    pairs = [
        (ask, "-2.85000e+02\tTSP Syntax error at line 1: unexpected symbol\t2.00000e+01\t1.00000e+00"),
        (ask, "0.00000e+00\tQueue Is Empty\t0.00000e+00\t1.00000e+00"),
    ]
    with expected_protocol(Keithley2636B, pairs) as smu:
        assert smu.drain_errors() == ["-285: TSP Syntax error at line 1: unexpected symbol"]


@pytest.mark.parametrize(("reply", "off"), [("0.0e+00\t0.0e+00", True), ("0.0e+00\t1.0e+00", False)])
def test_is_off_reads_both_outputs(reply, off):
    with expected_protocol(Keithley2636B, [("print(smua.source.output,smub.source.output)", reply)]) as smu:
        assert smu.is_off() is off


def test_settings_are_read_back():
    keys = ("source.output", "source.func", "source.offmode", "source.rangev", "source.levelv", "source.limiti")
    keys += ("measure.autorangei", "measure.rangei", "measure.nplc")
    pairs = [
        (f"print({','.join(f'smu{name}.{key}' for key in keys)})", "\t".join(["1.0e+00"] * 9)) for name in ("a", "b")
    ]
    with expected_protocol(Keithley2636B, [*pairs, ("print(localnode.linefreq)", "5.0e+01")]) as smu:
        settings = smu.settings()
    assert settings["a.measure.nplc"] == 1.0
    assert settings["localnode.linefreq"] == 50.0


def test_properties_read_and_write():
    pairs = [
        ("smua.measure.nplc=1.000000000e-01", None),
        ("print(smua.measure.nplc)", "1.00000e-01"),
        ("smub.source.output=1", None),
        ("print(smub.source.output)", "1.00000e+00"),
        ("print(smub.source.levelv)", "nil"),
    ]
    with expected_protocol(Keithley2636B, pairs) as smu:
        smu.a.measure_nplc = 0.1
        assert smu.a.measure_nplc == 0.1
        smu.b.output_enabled = True
        assert smu.b.output_enabled is True
        with pytest.raises(ProtocolError):
            _ = smu.b.source_voltage
