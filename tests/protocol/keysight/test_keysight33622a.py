"""Bytes of the Keysight 33622A.

Authority: Trueform Series Operating and Service Guide, SCPI reference: a burst rests at the start of the cycle, which
is the low level of a pulse; OUTPut:POLarity INVerted mirrors about the offset; OUTPut:LOAD rescales the levels, so it
comes first; edges fit into 0.625 of the width; 1 mVpp to 10 Vpp into 50 ohm is 2 mVpp to 20 Vpp into an open circuit.
"""

import re

import pytest

from labctl.errors import InstrumentFault, ProtocolError, UnconfirmedError
from labctl.roles import PulseSource
from labctl_instruments.keysight.keysight33622a import Keysight33622A

TIMING = (
    ":SOUR{0}:FUNC:PULS:TRAN:BOTH 2.900000000e-09;:SOUR{0}:FUNC:PULS:WIDT 5.000000000e-09;"
    ":SOUR{0}:FUNC:PULS:PER 1.262500000e-05;:SOUR{0}:FUNC:PULS:WIDT 1.000000000e-05;"
    ":SOUR{0}:FUNC:PULS:TRAN:BOTH 1.000000000e-08"
)
FRESH = (
    ":SOUR{0}:VOLT:LIM:STAT OFF;"
    ":OUTP{0}:LOAD INF;:SOUR{0}:FUNC PULS;:SOUR{0}:BURS:MODE TRIG;:SOUR{0}:BURS:NCYC 1;:TRIG{0}:SOUR EXT;"
    ":SOUR{0}:BURS:STAT ON;:OUTP{0}:POL NORM;:SOUR{0}:VOLT 2.000000000e-03;:SOUR{0}:VOLT:OFFS 1.000000000e-03;"
    ":SOUR{0}:VOLT:LIM:HIGH 3.020000000e-03;:SOUR{0}:VOLT:LIM:LOW -3.020000000e-03;:SOUR{0}:VOLT:LIM:STAT ON;" + TIMING
)
PREPARE = f"{FRESH.format(1)};{FRESH.format(2)}"


class Rest:
    """The generator's levels as the guide describes them; the largest resting voltage seen."""

    def __init__(self):
        self.high, self.low, self.inverted, self.worst = 2e-3, 0.0, False, 0.0

    def obey(self, message):
        for command in message.split(";"):
            if match := re.fullmatch(r":SOUR1:VOLT:(HIGH|LOW) (\S+)", command):
                setattr(self, match[1].lower(), float(match[2]))
                assert self.high - self.low >= 2e-3 - 1e-12, "settings conflict"
            elif command.startswith(":OUTP1:POL"):
                self.inverted = command.endswith("INV")
            self.worst = max(self.worst, abs(self.rest))

    @property
    def rest(self):
        return self.high if self.inverted else self.low

    @property
    def plateau(self):
        return self.low if self.inverted else self.high


def test_generator_fulfils_the_role(dialogue):
    with dialogue(Keysight33622A, []) as generator:
        assert isinstance(generator, PulseSource)


def test_prepare_sends_everything_once_then_only_the_timing(dialogue):
    shorter = TIMING.replace("1.262500000e-05", "1.350000000e-06").replace(
        "WIDT 1.000000000e-05", "WIDT 9.800000000e-07"
    )
    shorter = f"{shorter.format(1)};{shorter.format(2)}"
    with dialogue(Keysight33622A, [(PREPARE, None), (shorter, None)]) as g:
        g.prepare(width_s=1e-5, edge_s=1e-8)
        g.prepare(width_s=1e-5, edge_s=1e-8)
        g.prepare(width_s=0.98e-6, edge_s=1e-8)


@pytest.mark.parametrize(
    ("width_s", "edge_s", "rule"),
    [
        (4.9e-9, 2.9e-9, "pulse width"),
        (101.0, 1e-6, "pulse width"),
        (float("nan"), 1e-8, "pulse width"),
        (1e-5, 2.8e-9, "edge time"),
        (1e-5, 1.1e-6, "edge time"),
        (1e-8, 7e-9, "edge time"),
    ],
)
def test_prepare_refuses_and_sends_nothing_when_the_instrument_cannot(dialogue, width_s, edge_s, rule):
    with dialogue(Keysight33622A, []) as generator, pytest.raises(ValueError, match=rule):
        generator.prepare(width_s=width_s, edge_s=edge_s)


@pytest.fixture
def prepared(dialogue):
    return lambda pairs: dialogue(Keysight33622A, [(PREPARE, None), *pairs])


def limit(output, side, level_v):
    """1 % and 1 mV beyond the level: the instrument rounds levels to four digits."""
    return f":SOUR{output}:VOLT:LIM:{side} {1.01 * level_v + (1e-3 if level_v > 0 else -1e-3):.9e}"


def test_positive_level_is_one_command_and_arms_the_output(prepared):
    pairs = [
        (f"{limit(1, 'HIGH', 0.9)};:SOUR1:VOLT:HIGH 9.000000000e-01;:TRIG1:SOUR BUS", None),
        (f"{limit(1, 'HIGH', 0.95)};:SOUR1:VOLT:HIGH 9.500000000e-01", None),
        (f":SOUR1:VOLT:HIGH 5.000000000e-01;{limit(1, 'HIGH', 0.5)}", None),
    ]
    with prepared(pairs) as generator:
        generator.prepare(width_s=1e-5, edge_s=1e-8)
        generator.set_levels({1: 0.9})
        generator.set_levels({1: 0.9})
        generator.set_levels({1: 0.95})
        generator.set_levels({1: 0.5})


def test_both_outputs_change_in_one_message_and_negative_is_inverted_polarity(prepared):
    pairs = [
        (
            f"{limit(1, 'HIGH', 0.45)};:SOUR1:VOLT:HIGH 4.500000000e-01;:TRIG1:SOUR BUS;"
            f"{limit(2, 'LOW', -0.45)};:SOUR2:VOLT:HIGH 2.000000000e-03;:OUTP2:POL INV;"
            ":SOUR2:VOLT:LOW -2.000000000e-03;:SOUR2:VOLT:HIGH 0.000000000e+00;:SOUR2:VOLT:LOW -4.500000000e-01;"
            ":TRIG2:SOUR BUS",
            None,
        ),
    ]
    with prepared(pairs) as generator:
        generator.prepare(width_s=1e-5, edge_s=1e-8)
        generator.set_levels({1: 0.45, 2: -0.45})


def test_output_that_is_not_named_is_not_triggered(prepared):
    pairs = [
        (f"{limit(1, 'HIGH', 0.5)};:SOUR1:VOLT:HIGH 5.000000000e-01;:TRIG1:SOUR BUS", None),
        (
            f":TRIG1:SOUR EXT;:SOUR1:VOLT:HIGH 2.000000000e-03;{limit(1, 'HIGH', 2e-3)};"
            f"{limit(2, 'HIGH', 1.0)};:SOUR2:VOLT:HIGH 1.000000000e+00;:TRIG2:SOUR BUS",
            None,
        ),
    ]
    with prepared(pairs) as generator:
        generator.prepare(width_s=1e-5, edge_s=1e-8)
        generator.set_levels({1: 0.5, 2: 0.0})
        generator.set_levels({2: 1.0})


def test_output_never_rests_above_2_mv_whatever_the_sequence_of_levels(dialogue):
    rest, levels = Rest(), [0.9, -0.9, -3.0, 0.002, 10.0, -10.0, 0.0, 5.0, 0.0, -1.0, -0.002, 0.5]
    with dialogue(Keysight33622A, []) as generator:
        generator.send = rest.obey
        generator.prepare(width_s=1e-5, edge_s=1e-8)
        for level_v in levels:
            generator.set_levels({1: level_v})
            if level_v:
                assert rest.plateau == level_v
                assert rest.rest == 0.0
    assert rest.worst <= 2e-3


@pytest.mark.parametrize("levels_v", [{1: 10.1}, {2: -10.1}, {1: 1e-3}, {1: float("nan")}, {3: 1.0}])
def test_levels_are_refused_when_the_instrument_cannot(prepared, levels_v):
    with prepared([]) as generator:
        generator.prepare(width_s=1e-5, edge_s=1e-8)
        with pytest.raises(ValueError):
            generator.set_levels(levels_v)


def test_levels_are_refused_when_nothing_is_prepared(dialogue):
    with dialogue(Keysight33622A, []) as generator, pytest.raises(ValueError, match="prepare"):
        generator.set_levels({1: 1.0})


LEVEL = (f"{limit(1, 'HIGH', 0.9)};:SOUR1:VOLT:HIGH 9.000000000e-01;:TRIG1:SOUR BUS", None)
SHAPE_KEYS = "OUTP{0}:POL SOUR{0}:VOLT:HIGH SOUR{0}:VOLT:LOW SOUR{0}:FUNC SOUR{0}:FUNC:PULS:WIDT SOUR{0}:BURS:STAT"
SHAPE_KEYS += " SOUR{0}:BURS:NCYC TRIG{0}:SOUR"
ALL_KEYS = "OUTP{0} OUTP{0}:LOAD OUTP{0}:POL SOUR{0}:VOLT:HIGH SOUR{0}:VOLT:LOW SOUR{0}:VOLT:LIM:HIGH"
ALL_KEYS += " SOUR{0}:VOLT:LIM:LOW SOUR{0}:VOLT:LIM:STAT SOUR{0}:FUNC SOUR{0}:FUNC:PULS:PER SOUR{0}:FUNC:PULS:WIDT"
ALL_KEYS += " SOUR{0}:FUNC:PULS:TRAN SOUR{0}:BURS:STAT SOUR{0}:BURS:MODE SOUR{0}:BURS:NCYC TRIG{0}:SOUR"


def asked(keys):
    return ";".join(f":{key.format(output)}?" for output in (1, 2) for key in keys.split())


def answered(keys, **changes):
    """Return what a generator answers that pulses output 1 to 0.9 V; ``changes`` by the last word of a key."""
    found = []
    for high, limit_high, trigger in ((0.9, 0.91, "BUS"), (2e-3, 3.02e-3, "EXT")):
        values = {
            "OUTP{0}": "1", "LOAD": "+9.9E+37", "POL": "NORM", "VOLT:HIGH": high, "VOLT:LOW": 0.0,
            "LIM:HIGH": limit_high, "LIM:LOW": -3.02e-3, "LIM:STAT": "1", "FUNC": "PULS", "PER": 1.2625e-5,
            "WIDT": 1e-5, "TRAN": 1e-8, "BURS:STAT": "1", "MODE": "TRIG", "NCYC": 1.0, "TRIG{0}:SOUR": trigger,
        }  # fmt: skip
        for key in keys.split():
            word = next(word for word in values if key.endswith(word))
            value = changes.get(word.rpartition(":")[2].strip("{0}"), values[word])
            found.append(value if isinstance(value, str) else f"{value:+.15E}")
    return ";".join(found)


ASK, HOLDS = asked(ALL_KEYS), answered(ALL_KEYS)
TRIGGER = f"{asked(SHAPE_KEYS)};*TRG;*OPC?"
SHAPE = answered(SHAPE_KEYS)
AFTER = ":OUTP1?;:OUTP2?;:SYST:ERR?"
NONE = ';+0,"No error"'
FIRED = (TRIGGER, f"{SHAPE};1")
ON = (f":OUTP1 ON;:OUTP2 ON;{ASK}", HOLDS)


def test_fire_waits_for_the_end(prepared):
    with prepared([LEVEL, FIRED, (AFTER, f"0;0{NONE}")]) as generator:
        generator.prepare(width_s=1e-5, edge_s=1e-8)
        generator.set_levels({1: 0.9})
        generator.fire()


@pytest.mark.parametrize("reply", ["0", "", f"{SHAPE};0", SHAPE, "1", f"NORM;{SHAPE};1", f"{SHAPE};2"])
def test_fire_that_is_not_confirmed_is_not_repeated_and_settings_are_compared(prepared, dialogue, reply):
    pairs = [LEVEL, ON, (TRIGGER, reply), dialogue.MEND, (ASK, HOLDS)]
    with prepared(pairs) as generator:
        generator.prepare(width_s=1e-5, edge_s=1e-8)
        generator.set_levels({1: 0.9})
        generator.output_on()
        with pytest.raises(UnconfirmedError, match="sent once"):
            generator.fire()


def test_fire_is_in_doubt_when_an_answer_comes_that_was_not_asked_for(prepared, dialogue):
    # a message that arrives twice is obeyed twice and answered twice; the second answer stands before the next one
    pairs = [LEVEL, ON, FIRED, (AFTER, "x"), dialogue.MEND, (ASK, HOLDS), (AFTER, f"1;1{NONE}")]
    with prepared(pairs) as generator:
        generator.prepare(width_s=1e-5, edge_s=1e-8)
        generator.set_levels({1: 0.9})
        generator.output_on()
        with pytest.raises(UnconfirmedError, match="obeyed twice"):
            generator.fire()


@pytest.mark.parametrize(
    ("key", "value"), [("HIGH", 2e-3), ("POL", "INV"), ("FUNC", "SIN"), ("WIDT", 2e-5), ("NCYC", 2.0), ("SOUR", "IMM")]
)
def test_fire_is_a_fault_when_the_pulse_had_another_shape(prepared, key, value):
    pairs = [LEVEL, (TRIGGER, f"{answered(SHAPE_KEYS, **{key: value})};1"), (AFTER, f"0;0{NONE}")]
    with prepared(pairs) as generator:
        generator.prepare(width_s=1e-5, edge_s=1e-8)
        generator.set_levels({1: 0.9})
        with pytest.raises(InstrumentFault, match="was sent"):
            generator.fire()


@pytest.mark.parametrize("reply", ["0;0", "1;0"])
def test_fire_is_a_fault_when_an_output_went_off(prepared, reply):
    # an overload opens the relay, a power cycle too; *OPC? answers 1 all the same
    with prepared([LEVEL, ON, FIRED, (AFTER, f"{reply}{NONE}")]) as generator:
        generator.prepare(width_s=1e-5, edge_s=1e-8)
        generator.set_levels({1: 0.9})
        generator.output_on()
        with pytest.raises(InstrumentFault, match="is off"):
            generator.fire()


def test_fire_is_a_fault_when_something_that_was_sent_was_refused(prepared):
    # a setting that was not obeyed, or a trigger that was ignored (-211): *OPC? answers 1 all the same
    none = NONE[1:]
    pairs = [LEVEL, ("SYST:ERR?", none), FIRED, (AFTER, '0;0;-211,"Trigger ignored; twice"'), ("SYST:ERR?", none)]
    with prepared(pairs) as generator:
        generator.prepare(width_s=1e-5, edge_s=1e-8)
        generator.set_levels({1: 0.9})
        generator.drain_errors()
        with pytest.raises(InstrumentFault, match=r"refused.*-211: Trigger ignored; twice"):
            generator.fire()


@pytest.mark.parametrize(
    ("key", "value"),
    [("LOAD", 50.0), ("POL", "INV"), ("HIGH", 0.95), ("FUNC", "SIN"), ("SOUR", "IMM"), ("NCYC", 2.0), ("MODE", "GAT")],
)
def test_settings_are_a_fault_when_one_is_another(prepared, key, value):
    pairs = [LEVEL, ON, (ASK, answered(ALL_KEYS, **{key: value}))]
    with prepared(pairs) as generator:
        generator.prepare(width_s=1e-5, edge_s=1e-8)
        generator.set_levels({1: 0.9})
        generator.output_on()
        with pytest.raises(InstrumentFault, match="was sent"):
            generator.verify_settings()


def test_outputs_that_went_on_over_other_settings_are_a_fault(prepared):
    # a reset right before leaves a sine, which an output gives without a trigger
    pairs = [LEVEL, (ON[0], answered(ALL_KEYS, FUNC="SIN"))]
    with prepared(pairs) as generator:
        generator.prepare(width_s=1e-5, edge_s=1e-8)
        generator.set_levels({1: 0.9})
        with pytest.raises(InstrumentFault, match=r"FUNC is SIN, PULS was sent"):
            generator.output_on()


def test_fire_is_refused_when_no_output_takes_part(prepared):
    # *TRG with no output on source BUS is error -211, trigger ignored
    with prepared(
        [LEVEL, (f":TRIG1:SOUR EXT;:SOUR1:VOLT:HIGH 2.000000000e-03;{limit(1, 'HIGH', 2e-3)}", None)]
    ) as generator:
        generator.prepare(width_s=1e-5, edge_s=1e-8)
        with pytest.raises(ValueError, match="set_levels"):
            generator.fire()
        generator.set_levels({1: 0.9})
        generator.set_levels({1: 0.0})
        with pytest.raises(ValueError, match="set_levels"):
            generator.fire()


def test_long_pulse_is_waited_for_longer_than_the_timeout(dialogue):
    waited = []
    with dialogue(Keysight33622A, [FIRED, (AFTER, f"0;0{NONE}")]) as generator:
        type(generator.adapter.connection).timeout = property(lambda _: 0.0, lambda _, value: waited.append(value))
        generator.send = lambda message: None
        generator._compare = lambda found, expected: None
        generator.prepare(width_s=10.0, edge_s=1e-6)
        generator.set_levels({1: 0.9})
        generator.fire()
    assert waited[0] > 5000.0 + 10.0e3
    assert waited[-1] == 5000.0


def test_outputs_switch_together(dialogue):
    pairs = [ON, (":OUTP1 OFF;:OUTP2 OFF", None), (":OUTP1?;:OUTP2?", "0;0")]
    with dialogue(Keysight33622A, pairs) as generator:
        generator.output_on()
        generator.output_off()
        assert generator.is_off()


@pytest.mark.parametrize("reply", ["0;1", "1;0", "0", "0;2", "", "0;0;0", "OFF;OFF"])
def test_is_off_is_false_when_three_answers_do_not_say_so(dialogue, reply):
    with dialogue(Keysight33622A, [(":OUTP1?;:OUTP2?", reply)] * 3) as generator:
        assert not generator.is_off()


def test_error_queue_is_drained_to_its_end(dialogue):
    pairs = [
        ("SYST:ERR?", '-221,"Settings conflict; pulse width decreased"'),
        ("SYST:ERR?", '-350,"Queue ""overflow"""'),
        ("SYST:ERR?", '+0,"No error"'),
        *[("SYST:ERR?", "No error"), dialogue.MEND] * 2,
        ("SYST:ERR?", "No error"),
    ]
    with dialogue(Keysight33622A, pairs) as generator:
        first, second = generator.drain_errors()
        assert first == "-221: Settings conflict; pulse width decreased"
        assert second == '-350: Queue "overflow" (the queue was full: later errors are lost)'
        with pytest.raises(ProtocolError):
            generator.drain_errors()


def test_reset_forgets_what_was_prepared(dialogue):
    with dialogue(Keysight33622A, [(PREPARE, None), ("*RST;*CLS", None), (PREPARE, None)]) as generator:
        generator.prepare(width_s=1e-5, edge_s=1e-8)
        generator.reset()
        generator.prepare(width_s=1e-5, edge_s=1e-8)


def test_settings_are_read_back_in_one_message(dialogue):
    with dialogue(Keysight33622A, [(ASK, answered(ALL_KEYS, LOW=-0.9, LOAD=50.0))]) as generator:
        settings = generator.settings()
    assert settings["1.SOUR:VOLT:LOW"] == -0.9
    assert settings["2.OUTP:LOAD"] == 50.0
    assert settings["2.TRIG:SOUR"] == "EXT"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *[("TRAN", text) for text in ("+9.91E+37", "-9.9E+37", "+9.900000000000000E+37", "inf", "nan", "+1.00000000")],
        ("LOAD", "-9.9E+37"),
        ("STAT", "2"),
        ("POL", "NOR"),
        ("FUNC", ""),
        ("SOUR", "B"),
    ],
)
def test_settings_are_asked_again_when_an_answer_is_none_or_was_cut(dialogue, key, value):
    pairs = [(ASK, answered(ALL_KEYS, **{key: value})), dialogue.MEND, (ASK, HOLDS)]
    with dialogue(Keysight33622A, pairs) as generator:
        assert generator.settings()["1.OUTP:LOAD"] == 9.9e37


def test_properties_read_and_write(dialogue):
    pairs = [
        ("OUTP1:POL INV", None),
        ("OUTP2:POL?", "NORM\n"),
        ("OUTP2?", "1"),
        ("SOUR1:FUNC:PULS:WIDT 1.000000000e-07", None),
    ]
    with dialogue(Keysight33622A, pairs) as generator:
        generator.output_1.polarity = "INV"
        assert generator.output_2.polarity == "NORM"
        assert generator.output_2.output_enabled is True
        generator.output_1.pulse_width = 1e-7
        with pytest.raises(ValueError):
            generator.output_1.pulse_width = 1e-9
