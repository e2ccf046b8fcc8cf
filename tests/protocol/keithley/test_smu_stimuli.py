"""Pulses and staircases of the Keithley 2636B, pair by pair.

Authority: Series 2600B Reference Manual 2600BS-901-01 Rev. F, sections 6 (Lua) and 9 (attributes, delay). A message
that arrives twice stimulates once; what stood meanwhile comes back with the confirmation.
"""

import pytest

from labctl.errors import InstrumentFault, ProtocolError, UnconfirmedError
from labctl.roles import Flag
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


QUEUE = "print(errorqueue.next())"
REFUSED = "-2.850000000e+02\tTSP Syntax error at line 1: unexpected symbol\t2.000000000e+01\t1.000000000e+00"
EMPTY = "0.000000000e+00\tQueue Is Empty\t0.000000000e+00\t1.000000000e+00"


def pulse(number, levels, width):
    held = ",".join(f"held{index}" for index in range(len(levels)))
    names = [smu for smu, _ in levels]
    up = " ".join(f"{smu}.source.levelv={level:.9e}" for smu, level in levels)
    return (
        f'if labctl_pulse=={number} then print("nothing") else labctl_pulse={number} {up} delay({width:.9e}) '
        f"local {held}={','.join(f'{smu}.source.levelv' for smu in names)} "
        f"{' '.join(f'{smu}.source.levelv=0' for smu in names)} "
        f'print("pulsed",{held},{",".join(f"{smu}.source.output" for smu in names)},errorqueue.count) end'
    )


def test_pulse_is_one_chunk_that_answers_when_it_is_over(dialogue):
    sent = pulse(1, [("smua", 0.45), ("smub", -0.45)], 1e-4)
    with dialogue(Keithley2636B, [(sent, f"pulsed\t{printed((0.45, -0.45, 1, 1, 0))}")]) as smu:
        smu.a.pulse(0.45, width_s=1e-4, partner=smu.b, partner_level_v=-0.45)


def test_pulse_of_one_channel_leaves_the_other_alone_and_has_the_next_number(dialogue):
    pairs = [
        (pulse(number, [(smu, 1.0)], 1e-2), f"pulsed\t{printed((1, 1, 0))}")
        for number, smu in ((1, "smub"), (2, "smua"))
    ]
    with dialogue(Keithley2636B, pairs) as smu:
        smu.b.pulse(1.0, width_s=1e-2, partner=None, partner_level_v=0.0)
        smu.a.pulse(1.0, width_s=1e-2, partner=None, partner_level_v=0.0)


@pytest.mark.parametrize("held", [(0.45, -0.3), (0.675, -0.45)])
def test_pulse_is_a_fault_when_another_level_stood(dialogue, held):
    sent = pulse(1, [("smua", 0.45), ("smub", -0.45)], 1e-4)
    with (
        dialogue(Keithley2636B, [(sent, f"pulsed\t{printed((*held, 1, 1, 0))}")]) as smu,
        pytest.raises(InstrumentFault, match="stood at"),
    ):
        smu.a.pulse(0.45, width_s=1e-4, partner=smu.b, partner_level_v=-0.45)


def test_pulse_is_a_fault_when_something_that_was_sent_was_refused(dialogue):
    pairs = [(QUEUE, EMPTY), (PULSE, f"pulsed\t{printed((0.1, 1, 1))}"), (QUEUE, REFUSED), (QUEUE, EMPTY)]
    with dialogue(Keithley2636B, pairs) as smu:
        smu.drain_errors()
        with pytest.raises(InstrumentFault, match=r"refused.*-285"):
            smu.a.pulse(0.1, width_s=1e-3, partner=None, partner_level_v=0.0)


def test_pulse_that_the_instrument_takes_for_the_one_before_is_an_error(dialogue):
    with dialogue(Keithley2636B, [(PULSE, "nothing")]) as smu, pytest.raises(ProtocolError, match="gave no pulse"):
        smu.a.pulse(0.1, width_s=1e-3, partner=None, partner_level_v=0.0)


def test_pulse_is_refused_when_shorter_than_100_us(dialogue):
    with dialogue(Keithley2636B, []) as smu, pytest.raises(ValueError, match=r"0\.0001 s"):
        smu.a.pulse(0.1, width_s=99e-6, partner=None, partner_level_v=0.0)


def test_pulse_refuses_a_partner_of_another_instrument(dialogue):
    with dialogue(Keithley2636B, []) as smu, dialogue(Keithley2636B, []) as other:
        for partner in (other.b, smu.a):
            with pytest.raises(ValueError, match="partner"):
                smu.a.pulse(0.1, width_s=1e-3, partner=partner, partner_level_v=0.0)


def test_pulse_refuses_the_partner_level_outside_the_partner_range(dialogue):
    with dialogue(Keithley2636B, [(PREPARE_A, None)]) as smu:
        prepare(smu.a)
        with pytest.raises(ValueError, match="smua level"):
            smu.b.pulse(0.1, width_s=1e-3, partner=smu.a, partner_level_v=2.5)


PULSE = pulse(1, [("smua", 0.1)], 1e-3)


@pytest.mark.parametrize(
    "reply",
    [
        "1.0e-06\tfalse",
        "pulsed",
        f"pulse\t{printed((0.1, 1, 0))}",
        f"pulsed\t{printed((0.1, 1))}",
        f"pulsed\t{printed((0.1, 1, 0, 0))}",
        "pulsed\t1.000000000e-01\t1.000000000e+00\t0.0",
    ],
)
def test_pulse_that_is_not_confirmed_is_not_repeated_and_the_level_goes_to_0(dialogue, reply):
    pairs = [(PULSE, reply), dialogue.MEND, ("smua.source.levelv=0", None)]
    with dialogue(Keithley2636B, pairs) as smu, pytest.raises(UnconfirmedError, match="sent once"):
        smu.a.pulse(0.1, width_s=1e-3, partner=None, partner_level_v=0.0)


def test_pulse_is_a_fault_when_the_output_went_off(dialogue):
    pairs = [(PREPARE_A, None), on("smua"), (PULSE, f"pulsed\t{printed((0.1, 0, 0))}")]
    with dialogue(Keithley2636B, pairs) as smu:
        prepare(smu.a)
        smu.a.output_on()
        with pytest.raises(InstrumentFault, match="smua is off"):
            smu.a.pulse(0.1, width_s=1e-3, partner=None, partner_level_v=0.0)


def loop(number, levels):
    return (
        "local levels=labctl_levels labctl_levels=nil "
        f"if not levels or levels.id~={number} or table.getn(levels)~={levels} "
        'then print("nothing") else '
        "local rest=2.000000000e-02-smua.measure.nplc/localnode.linefreq local out={} "
        "for _,v in ipairs(levels) do smua.source.levelv=v if rest>0 then delay(rest) end local i=smua.measure.i() "
        'table.insert(out,string.format("%.9e,%s,%.9e",i,tostring(smua.source.compliance),smua.source.levelv)) '
        'end smua.source.levelv=0 print(table.concat(out,";"),smua.source.output) end'
    )


def test_staircase_reads_one_current_per_level(dialogue):
    pairs = [
        ("labctl_levels={1.000000000e-01,-2.000000000e-01} labctl_levels.id=1", None),
        (loop(1, 2), "1.000000000e-06,false,1.000000000e-01;9.910000000e+37,true,-2.000000000e-01\t1.0e+00"),
    ]
    with dialogue(Keithley2636B, pairs) as smu:
        first, second = smu.a.staircase([0.1, -0.2], dwell_s=0.02)
    assert (first.value, first.flags) == (1e-6, frozenset())
    assert (second.value, second.flags) == (None, {Flag.COMPLIANCE, Flag.OVERRANGE})


@pytest.mark.parametrize(
    "reply",
    [
        "1e-6,false,0.1\t1",
        "1e-6,false,0.1;1e-6,false,0.2;1e-6,false,0.2\t1",
        "1e-6,false,0.1;,true,0.2\t1",
        "1e-6,false,0.1;1e-6,true\t1",
        "1e-6,false,0.1;1e-6,true,0.2",
        "nil",
    ],
)
def test_staircase_is_unconfirmed_when_readings_are_missing_or_garbled(dialogue, reply):
    pairs = [
        ("labctl_levels={1.000000000e-01,2.000000000e-01} labctl_levels.id=1", None),
        (loop(1, 2), reply),
        dialogue.MEND,
        ("smua.source.levelv=0", None),
    ]
    with dialogue(Keithley2636B, pairs) as smu, pytest.raises(UnconfirmedError):
        smu.a.staircase([0.1, 0.2], dwell_s=0.02)


def test_staircase_is_a_fault_when_another_level_stood(dialogue):
    pairs = [
        ("labctl_levels={1.000000000e-01,2.000000000e-01} labctl_levels.id=1", None),
        (loop(1, 2), "1e-6,false,0.1;1e-6,false,0.3\t1"),
    ]
    with (
        dialogue(Keithley2636B, pairs) as smu,
        pytest.raises(InstrumentFault, match=r"stood at 0\.3 V, 0\.2 V was sent"),
    ):
        smu.a.staircase([0.1, 0.2], dwell_s=0.02)


def test_staircase_is_not_given_when_its_levels_did_not_arrive(dialogue):
    # the levels of an earlier staircase must never be played for a later one
    pairs = [("labctl_levels={1.000000000e-01} labctl_levels.id=1", None), (loop(1, 1), "nothing")]
    with dialogue(Keithley2636B, pairs) as smu, pytest.raises(ProtocolError, match="gave none"):
        smu.a.staircase([0.1], dwell_s=0.02)


def test_long_staircase_is_sent_in_parts_of_50_that_may_arrive_twice(dialogue):
    part = ",".join(["1.000000000e-01"] * 50)
    pairs = [
        (f"labctl_levels={{{part}}} labctl_levels.id=1", None),
        ("for i,v in ipairs({1.000000000e-01}) do labctl_levels[50+i]=v end", None),
        (loop(1, 51), ";".join(["1e-6,false,0.1"] * 51) + "\t1"),
    ]
    with dialogue(Keithley2636B, pairs) as smu:
        assert len(smu.a.staircase([0.1] * 51, dwell_s=0.02)) == 51


@pytest.mark.parametrize(("levels_v", "dwell_s"), [([], 0.1), ([0.1, 300.0], 0.1), ([0.1], -1.0)])
def test_staircase_is_refused_when_a_level_or_the_dwell_is_impossible(dialogue, levels_v, dwell_s):
    with dialogue(Keithley2636B, []) as smu, pytest.raises(ValueError):
        smu.a.staircase(levels_v, dwell_s=dwell_s)
