"""Bytes of the Keysight 33622A.

Authority: Trueform Series Operating and Service Guide, SCPI reference: a burst rests at the start of the cycle, which
is the low level of a pulse; OUTPut:POLarity INVerted mirrors about the offset; OUTPut:LOAD rescales the levels, so it
comes first; edges fit into 0.625 of the width; 1 mVpp to 10 Vpp into 50 ohm is 2 mVpp to 20 Vpp into an open circuit.
"""

import re
from contextlib import nullcontext

import pytest
from pymeasure.test import expected_protocol

from labctl.errors import ProtocolError
from labctl.roles import PulseSource
from labctl_instruments.keysight.keysight33622a import Keysight33622A

TIMING = (
    ":SOUR{0}:FUNC:PULS:TRAN:BOTH 2.900000000e-09;:SOUR{0}:FUNC:PULS:WIDT 5.000000000e-09;"
    ":SOUR{0}:FUNC:PULS:PER 1.262500000e-05;:SOUR{0}:FUNC:PULS:WIDT 1.000000000e-05;"
    ":SOUR{0}:FUNC:PULS:TRAN:BOTH 1.000000000e-08"
)
FRESH = (
    ":OUTP{0}:LOAD INF;:SOUR{0}:FUNC PULS;:SOUR{0}:BURS:MODE TRIG;:SOUR{0}:BURS:NCYC 1;:TRIG{0}:SOUR EXT;"
    ":SOUR{0}:BURS:STAT ON;:OUTP{0}:POL NORM;:SOUR{0}:VOLT 2.000000000e-03;:SOUR{0}:VOLT:OFFS 1.000000000e-03;" + TIMING
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


def test_generator_fulfils_the_role():
    with expected_protocol(Keysight33622A, []) as generator:
        assert isinstance(generator, PulseSource)


def test_prepare_sends_everything_once_then_only_the_timing():
    shorter = TIMING.replace("1.262500000e-05", "1.350000000e-06").replace(
        "WIDT 1.000000000e-05", "WIDT 9.800000000e-07"
    )
    shorter = f"{shorter.format(1)};{shorter.format(2)}"
    with expected_protocol(
        Keysight33622A, [(PREPARE.replace("1.262500000e-05", "1.262500000e-05"), None), (shorter, None)]
    ) as g:
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
def test_prepare_refuses_and_sends_nothing_when_the_instrument_cannot(width_s, edge_s, rule):
    with expected_protocol(Keysight33622A, []) as generator, pytest.raises(ValueError, match=rule):
        generator.prepare(width_s=width_s, edge_s=edge_s)


def prepared(pairs):
    return expected_protocol(
        Keysight33622A,
        [(PREPARE.replace("1.262500000e-05", "1.262500000e-05"), None), *pairs],
    )


def test_positive_level_is_one_command_and_arms_the_output():
    pairs = [
        (":SOUR1:VOLT:HIGH 9.000000000e-01;:TRIG1:SOUR BUS", None),
        (":SOUR1:VOLT:HIGH 9.500000000e-01", None),
    ]
    with prepared(pairs) as generator:
        generator.prepare(width_s=1e-5, edge_s=1e-8)
        generator.set_levels({1: 0.9})
        generator.set_levels({1: 0.9})
        generator.set_levels({1: 0.95})


def test_both_outputs_change_in_one_message_and_negative_is_inverted_polarity():
    pairs = [
        (
            ":SOUR1:VOLT:HIGH 4.500000000e-01;:TRIG1:SOUR BUS;:SOUR2:VOLT:HIGH 2.000000000e-03;:OUTP2:POL INV;"
            ":SOUR2:VOLT:LOW -2.000000000e-03;:SOUR2:VOLT:HIGH 0.000000000e+00;:SOUR2:VOLT:LOW -4.500000000e-01;"
            ":TRIG2:SOUR BUS",
            None,
        ),
    ]
    with prepared(pairs) as generator:
        generator.prepare(width_s=1e-5, edge_s=1e-8)
        generator.set_levels({1: 0.45, 2: -0.45})


def test_output_that_is_not_named_is_not_triggered():
    pairs = [
        (":SOUR1:VOLT:HIGH 5.000000000e-01;:TRIG1:SOUR BUS", None),
        (":TRIG1:SOUR EXT;:SOUR1:VOLT:HIGH 2.000000000e-03;:SOUR2:VOLT:HIGH 1.000000000e+00;:TRIG2:SOUR BUS", None),
    ]
    with prepared(pairs) as generator:
        generator.prepare(width_s=1e-5, edge_s=1e-8)
        generator.set_levels({1: 0.5, 2: 0.0})
        generator.set_levels({2: 1.0})


def test_output_never_rests_above_2_mv_whatever_the_sequence_of_levels():
    rest, levels = Rest(), [0.9, -0.9, -3.0, 0.002, 10.0, -10.0, 0.0, 5.0, 0.0, -1.0, -0.002, 0.5]
    with expected_protocol(Keysight33622A, []) as generator:
        generator.send = rest.obey
        generator.prepare(width_s=1e-5, edge_s=1e-8)
        for level_v in levels:
            generator.set_levels({1: level_v})
            if level_v:
                assert rest.plateau == level_v
                assert rest.rest == 0.0
    assert rest.worst <= 2e-3


@pytest.mark.parametrize("levels_v", [{1: 10.1}, {2: -10.1}, {1: 1e-3}, {1: float("nan")}, {3: 1.0}])
def test_levels_are_refused_when_the_instrument_cannot(levels_v):
    with prepared([]) as generator:
        generator.prepare(width_s=1e-5, edge_s=1e-8)
        with pytest.raises(ValueError):
            generator.set_levels(levels_v)


def test_levels_are_refused_when_nothing_is_prepared():
    with expected_protocol(Keysight33622A, []) as generator, pytest.raises(ValueError, match="prepare"):
        generator.set_levels({1: 1.0})


LEVEL = (":SOUR1:VOLT:HIGH 9.000000000e-01;:TRIG1:SOUR BUS", None)


@pytest.mark.parametrize(("reply", "confirmed"), [("1", True), ("0", False), ("", False)])
def test_fire_waits_for_the_end_and_is_an_error_when_it_is_not_confirmed(reply, confirmed):
    with prepared([LEVEL, ("*TRG;*OPC?", reply)]) as generator:
        generator.prepare(width_s=1e-5, edge_s=1e-8)
        generator.set_levels({1: 0.9})
        with nullcontext() if confirmed else pytest.raises(ProtocolError):
            generator.fire()


def test_fire_is_refused_when_no_output_takes_part():
    # *TRG with no output on source BUS is error -211, trigger ignored
    with prepared([LEVEL, (":TRIG1:SOUR EXT;:SOUR1:VOLT:HIGH 2.000000000e-03", None)]) as generator:
        generator.prepare(width_s=1e-5, edge_s=1e-8)
        with pytest.raises(ValueError, match="set_levels"):
            generator.fire()
        generator.set_levels({1: 0.9})
        generator.set_levels({1: 0.0})
        with pytest.raises(ValueError, match="set_levels"):
            generator.fire()


def test_long_pulse_is_waited_for_longer_than_the_timeout():
    waited = []
    with expected_protocol(Keysight33622A, [("*TRG;*OPC?", "1")]) as generator:
        type(generator.adapter.connection).timeout = property(lambda _: 0.0, lambda _, value: waited.append(value))
        generator.send = lambda message: None
        generator.prepare(width_s=10.0, edge_s=1e-6)
        generator.set_levels({1: 0.9})
        generator.fire()
    assert waited[0] > 5000.0 + 10.0e3
    assert waited[-1] == 5000.0


def test_outputs_switch_together():
    pairs = [(":OUTP1 ON;:OUTP2 ON", None), (":OUTP1 OFF;:OUTP2 OFF", None), (":OUTP1?;:OUTP2?", "0;0")]
    with expected_protocol(Keysight33622A, pairs) as generator:
        generator.output_on()
        generator.output_off()
        assert generator.is_off()


@pytest.mark.parametrize("reply", ["0", "0;2", "", "0;0;0", "OFF;OFF"])
def test_is_off_is_an_error_when_garbled(reply):
    with expected_protocol(Keysight33622A, [(":OUTP1?;:OUTP2?", reply)]) as generator, pytest.raises(ProtocolError):
        generator.is_off()


def test_error_queue_is_drained_to_its_end():
    pairs = [
        ("SYST:ERR?", '-221,"Settings conflict; pulse width decreased"'),
        ("SYST:ERR?", '+0,"No error"'),
        ("SYST:ERR?", "No error"),
    ]
    with expected_protocol(Keysight33622A, pairs) as generator:
        assert generator.drain_errors() == ["-221: Settings conflict; pulse width decreased"]
        with pytest.raises(ProtocolError):
            generator.drain_errors()


def test_reset_forgets_what_was_prepared():
    full = PREPARE.replace("1.262500000e-05", "1.262500000e-05")
    with expected_protocol(Keysight33622A, [(full, None), ("*RST;*CLS", None), (full, None)]) as generator:
        generator.prepare(width_s=1e-5, edge_s=1e-8)
        generator.reset()
        generator.prepare(width_s=1e-5, edge_s=1e-8)


def test_settings_are_read_back():
    ask = (
        ":OUTP{0}?;:OUTP{0}:LOAD?;:OUTP{0}:POL?;:SOUR{0}:VOLT:HIGH?;:SOUR{0}:VOLT:LOW?;:SOUR{0}:FUNC?;"
        ":SOUR{0}:FUNC:PULS:PER?;:SOUR{0}:FUNC:PULS:WIDT?;:SOUR{0}:FUNC:PULS:TRAN?;:SOUR{0}:BURS:STAT?;:TRIG{0}:SOUR?"
    )
    reply = "1;9.9E+37;INV;+0.0E+00;-9.0E-01;PULS;+2.0E-05;+1.0E-05;+1.0E-08;1;BUS"
    with expected_protocol(Keysight33622A, [(ask.format(1), reply), (ask.format(2), reply)]) as generator:
        settings = generator.settings()
    assert settings["1.SOUR:VOLT:LOW"] == -0.9
    assert settings["2.TRIG:SOUR"] == "BUS"


def test_properties_read_and_write():
    pairs = [
        ("OUTP1:POL INV", None),
        ("OUTP2:POL?", "NORM\n"),
        ("OUTP2?", "1"),
        ("SOUR1:FUNC:PULS:WIDT 1.000000000e-07", None),
    ]
    with expected_protocol(Keysight33622A, pairs) as generator:
        generator.output_1.polarity = "INV"
        assert generator.output_2.polarity == "NORM"
        assert generator.output_2.output_enabled is True
        generator.output_1.pulse_width = 1e-7
        with pytest.raises(ValueError):
            generator.output_1.pulse_width = 1e-9
