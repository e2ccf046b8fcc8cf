"""Bytes of the Keysight 33622A when it plays waveforms.

Authority: Trueform Series Operating and Service Guide, DATA, FUNCtion:ARBitrary and BURSt subsystems, "Waveform
Generation Tutorial": codes of -32767 to 32767 for half the amplitude about the offset, at least 32 points on a 33600A,
a burst rests at the first point; PyMeasure's Agilent33500: at most 65,536 numbers in a list.
"""

import re

import numpy as np
import pytest

from labctl.errors import InstrumentFault, UnconfirmedError
from labctl.roles import WaveformSource
from labctl_instruments.keysight.keysight33622a import Keysight33622A

BASE = (
    ":SOUR{0}:VOLT:LIM:STAT OFF;:OUTP{0}:LOAD INF;:SOUR{0}:FUNC PULS;:SOUR{0}:BURS:MODE TRIG;:SOUR{0}:BURS:NCYC 1;"
    ":TRIG{0}:SOUR EXT;:SOUR{0}:BURS:STAT ON;:OUTP{0}:POL NORM;:SOUR{0}:VOLT 2.000000000e-03;"
    ":SOUR{0}:VOLT:OFFS 1.000000000e-03;:SOUR{0}:VOLT:LIM:HIGH 3.020000000e-03;"
    ":SOUR{0}:VOLT:LIM:LOW -3.020000000e-03;:SOUR{0}:VOLT:LIM:STAT ON"
)
# 0.4 V, -0.8 V, 0.2 V: the peak is the full scale, the rest is 0 V
CODES = ",".join(["0", "16384", "-32767", "8192", *["0"] * 28])
LOAD = (
    f":OUTP1 OFF;:OUTP2 OFF;{BASE.format(1)};:SOUR1:VOLT:LIM:STAT OFF;:SOUR1:DATA:VOL:CLE;"
    f':SOUR1:DATA:ARB:DAC LABCTL,{CODES};:SOUR1:FUNC:ARB "LABCTL";:SOUR1:FUNC:ARB:ADV SRAT;'
    ":SOUR1:FUNC:ARB:FILT OFF;:SOUR1:FUNC ARB;:SOUR1:FUNC:ARB:SRAT 1.000000000e+05;:SOUR1:VOLT 2.000000000e-03;"
    ":SOUR1:VOLT:OFFS 0.000000000e+00;:SOUR1:VOLT 1.600000000e+00;:SOUR1:VOLT:LIM:HIGH 8.090000000e-01;"
    f":SOUR1:VOLT:LIM:LOW -8.090000000e-01;:SOUR1:VOLT:LIM:STAT ON;:TRIG1:SOUR BUS;{BASE.format(2)}"
)
LEVELS = {1: [0.4, -0.8, 0.2]}
KEYS = "OUTP{0}:POL SOUR{0}:VOLT:HIGH SOUR{0}:VOLT:LOW SOUR{0}:FUNC SOUR{0}:FUNC:ARB:SRAT SOUR{0}:FUNC:ARB:FILT"
KEYS += " SOUR{0}:BURS:STAT SOUR{0}:BURS:NCYC TRIG{0}:SOUR"
ASKED = ";".join(f":{key.format(output)}?" for output in (1, 2) for key in KEYS.split())
HIGH, LOW, RATE, ONE = "+8.0000E-01", "-8.0000E-01", "+1.0000E+05", "+1.0000E+00"
SHAPE = f"NORM;{HIGH};{LOW};ARB;{RATE};OFF;1;{ONE};BUS;NORM;+2.0000E-03;+0.0000E+00;PULS;+4.0000E+04;STEP;1;{ONE};EXT"
TRIGGER = f"{ASKED};*TRG;*OPC?"
AFTER = (":OUTP1?;:OUTP2?;:SYST:ERR?", '1;1;+0,"No error"')


@pytest.fixture
def loaded(dialogue):
    return lambda pairs: dialogue(Keysight33622A, [(LOAD, None), *pairs])


def test_generator_fulfils_the_role(dialogue):
    with dialogue(Keysight33622A, []) as generator:
        assert isinstance(generator, WaveformSource)


def test_waveform_is_laid_on_an_output_that_is_off_and_played_by_one_trigger(loaded):
    with loaded([(TRIGGER, f"{SHAPE};1"), AFTER]) as generator:
        generator.load_waveforms(LEVELS, sample_s=1e-5)
        generator.play()


def test_loading_again_clears_the_memory_as_a_name_that_is_taken_is_an_error(loaded):
    with loaded([(LOAD, None)]) as generator:
        generator.load_waveforms(LEVELS, sample_s=1e-5)
        generator.load_waveforms(LEVELS, sample_s=1e-5)


@pytest.mark.parametrize("count", [1, 29, 30, 31, 1000, 65_534])
def test_points_carry_the_area_of_the_samples_and_rest_at_zero(dialogue, count):
    levels_v, sent = np.random.default_rng(count).uniform(-2.0, 3.0, count), []
    with dialogue(Keysight33622A, []) as generator:
        generator.send = sent.append
        generator.load_waveforms({2: levels_v.tolist()}, sample_s=1e-6)
    codes = np.array(re.search(r":SOUR2:DATA:ARB:DAC LABCTL,([-0-9,]+);", sent[0])[1].split(","), dtype=int)
    amplitude_v = float(re.findall(r":SOUR2:VOLT ([^;]+);", sent[0])[-1])
    assert 32 <= codes.size == max(count + 2, 32) <= 65_536
    assert codes[0] == codes[-1] == 0
    assert not codes[count + 1 :].any()
    # half a code of rounding in each sample
    played_v = codes[1 : count + 1] / 32767 * amplitude_v / 2
    assert np.abs(played_v - levels_v).max() <= 0.5 / 32767 * amplitude_v / 2 * (1 + 1e-9)


@pytest.mark.parametrize(
    ("levels_v", "sample_s", "rule"),
    [
        ({}, 1e-5, "outputs"),
        ({3: [1.0]}, 1e-5, "outputs"),
        ({1: []}, 1e-5, "1 to 65534 samples, got 0"),
        ({1: [1.0] * 65_535}, 1e-5, "got 65535"),
        ({1: [1.0]}, 15e-9, "at least 1.6e-08 s"),
        ({1: [1.0]}, float("nan"), "at least 1.6e-08 s"),
        # 32 points of 4 s
        ({1: [1.0]}, 4.0, "at most 100 s"),
        ({1: [0.1, -10.1]}, 1e-5, "10 V of either sign"),
        ({1: [0.1, float("nan")]}, 1e-5, "10 V of either sign"),
        ({1: [0.1], 2: [0.0, 5e-4]}, 1e-5, "output 2.*0.001 V"),
    ],
)
def test_waveform_is_refused_and_nothing_sent_when_the_instrument_cannot(dialogue, levels_v, sample_s, rule):
    with dialogue(Keysight33622A, []) as generator, pytest.raises(ValueError, match=rule):
        generator.load_waveforms(levels_v, sample_s=sample_s)


def test_pulse_after_a_waveform_begins_with_outputs_off(loaded):
    timing = (
        ":SOUR{0}:FUNC:PULS:TRAN:BOTH 2.900000000e-09;:SOUR{0}:FUNC:PULS:WIDT 5.000000000e-09;"
        ":SOUR{0}:FUNC:PULS:PER 1.262500000e-05;:SOUR{0}:FUNC:PULS:WIDT 1.000000000e-05;"
        ":SOUR{0}:FUNC:PULS:TRAN:BOTH 1.000000000e-08"
    )
    prepare = ";".join(f"{BASE.format(output)};{timing.format(output)}" for output in (1, 2))
    with loaded([(f":OUTP1 OFF;:OUTP2 OFF;{prepare}", None)]) as generator:
        generator.load_waveforms(LEVELS, sample_s=1e-5)
        with pytest.raises(ValueError, match="set_levels"):
            generator.fire()
        generator.prepare(width_s=1e-5, edge_s=1e-8)
        with pytest.raises(ValueError, match="load_waveforms"):
            generator.play()


@pytest.mark.parametrize(
    ("sent", "found"), [(RATE, "+4.0000E+04"), (";OFF;", ";STEP;"), (HIGH, "+5.0000E+00"), (";ARB;", ";PULS;")]
)
def test_play_is_a_fault_when_a_setting_of_the_waveform_is_another(loaded, sent, found):
    # a waveform may bring levels and a rate of its own along
    with loaded([(TRIGGER, f"{SHAPE.replace(sent, found, 1)};1"), AFTER]) as generator:
        generator.load_waveforms(LEVELS, sample_s=1e-5)
        with pytest.raises(InstrumentFault, match="was sent"):
            generator.play()


def test_play_that_is_not_confirmed_is_not_repeated_and_settings_are_compared(loaded, dialogue):
    keys = "OUTP{0} OUTP{0}:LOAD OUTP{0}:POL SOUR{0}:VOLT:HIGH SOUR{0}:VOLT:LOW SOUR{0}:VOLT:LIM:HIGH"
    keys += " SOUR{0}:VOLT:LIM:LOW SOUR{0}:VOLT:LIM:STAT SOUR{0}:FUNC SOUR{0}:FUNC:PULS:PER SOUR{0}:FUNC:PULS:WIDT"
    keys += " SOUR{0}:FUNC:PULS:TRAN SOUR{0}:BURS:STAT SOUR{0}:BURS:MODE SOUR{0}:BURS:NCYC TRIG{0}:SOUR"
    keys += " SOUR{0}:FUNC:ARB:SRAT SOUR{0}:FUNC:ARB:FILT"
    asked = ";".join(f":{key.format(output)}?" for output in (1, 2) for key in keys.split())
    timing = "+1.0000E-03;+1.0000E-04;+1.0000E-08"
    first = f"0;+9.9E+37;NORM;{HIGH};{LOW};+8.0900E-01;-8.0900E-01;1;ARB;{timing};1;TRIG;{ONE};BUS;{RATE};OFF"
    other = f"0;+9.9E+37;NORM;+2.0000E-03;+0.0000E+00;+3.0200E-03;-3.0200E-03;1;PULS;{timing};1;TRIG;{ONE};EXT"
    holds = f"{first};{other};+4.0000E+04;STEP"
    with loaded([(TRIGGER, f"{SHAPE};0"), dialogue.MEND, (asked, holds)]) as generator:
        generator.load_waveforms(LEVELS, sample_s=1e-5)
        with pytest.raises(UnconfirmedError, match="sent once"):
            generator.play()
