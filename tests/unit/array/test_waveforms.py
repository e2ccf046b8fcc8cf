"""Waveforms across cells. Authority: reference/systems.md 1.4 for the schemes, sample by sample; the docstrings."""

import numpy as np
import pytest

from labctl.array import CrossbarAccess
from labctl.array.direct_access import DirectAccess
from labctl.array.gated_access import GatedAccess
from labctl.array.one_transistor_access import OneTransistorAccess
from labctl.errors import InstrumentFault, StationError
from labctl.roles import WaveformLimits

LEVELS_V = [0.6, -0.9, 0.0, 1.2]
GATES = {"gate_read_v": 2.0, "gate_set_v": 1.5, "gate_reset_v": 3.0}


def player(generator):
    """Let the fake generator of a rack play waveforms: what the cells see of every sample goes to ``rack.played``."""

    class Player(generator):
        outputs = (1, 2)
        waveform_limits = WaveformLimits(most_samples=100, min_sample_s=1e-7, max_duration_s=1.0, max_level_v=5.0)

        def load_waveforms(self, levels_v, *, sample_s):
            self.rack.log.append(("load", dict(levels_v), sample_s))
            self.loaded, self.is_on = dict(levels_v), False

        def output_on(self):
            super().output_on()
            self.is_on = True

        def play(self):
            assert self.is_on
            self.rack.log.append(("play",))
            for place in range(len(next(iter(self.loaded.values())))):
                levels = {f"{self.name}.{output}": waveform[place] for output, waveform in self.loaded.items()}
                self.rack.played.append(self.rack.level | levels)

    return Player


@pytest.fixture
def rack(make_rack, monkeypatch):
    """Four by five cells; the generator plays."""

    def make(rows=None):
        rack = make_rack(rows)
        rack.played = []
        kind, source = player(type(rack.pulse_source("gen1"))), {}
        rack.pulse_source = lambda name: source.setdefault(name, kind(rack, name))
        return rack

    return make


def seen_v(rack):
    return [rack.cell_voltages(levels) for levels in rack.played]


def test_half_of_every_sample_is_on_the_half_selected_cells(rack):
    rack = rack()
    record = CrossbarAccess(rack).play(1, 2, LEVELS_V, sample_s=1e-5)
    assert (record.voltage_v, record.width_s, record.source) == (1.2, pytest.approx(4e-5), "generator")
    for level_v, cells_v in zip(LEVELS_V, seen_v(rack), strict=True):
        expected = np.zeros((4, 5))
        expected[1, :] += 0.5 * level_v
        expected[:, 2] += 0.5 * level_v
        assert cells_v == pytest.approx(expected)


def test_third_of_every_sample_is_on_all_other_cells_with_four_outputs(rack):
    rows = dict(zip("ABCDEFG", ["smu1.a", "smu1.b", "gen1.1", "gen1.2", "ground", "gen1.3", "gen1.4"], strict=True))
    rack = rack(rows)
    CrossbarAccess(rack, scheme="v3").play(1, 2, LEVELS_V, sample_s=1e-5)
    for level_v, cells_v in zip(LEVELS_V, seen_v(rack), strict=True):
        others = np.delete(np.abs(cells_v).ravel(), 1 * 5 + 2)
        assert cells_v[1, 2] == pytest.approx(level_v)
        assert others == pytest.approx(np.full(19, abs(level_v) / 3))


def test_other_lines_float_or_the_whole_word_line_sees_it_as_the_scheme_says(rack):
    floating = rack()
    CrossbarAccess(floating, scheme="floating").play(0, 0, LEVELS_V, sample_s=1e-5)
    cells_v = seen_v(floating)[1]
    assert cells_v[0, 0] == pytest.approx(-0.9)
    assert np.isnan(cells_v).sum() == 19
    grounded = rack()
    CrossbarAccess(grounded, scheme="grounded", may_stress_line=True).play(0, 0, LEVELS_V, sample_s=1e-5)
    assert seen_v(grounded)[1][0] == pytest.approx([-0.9] * 5)
    # the bit line stays at 0 V, so nothing is loaded for it
    assert [sorted(entry[1]) for entry in grounded.log if entry[0] == "load"] == [[1]]


def test_lines_move_with_the_generator_off_and_pulses_and_readings_follow(rack):
    rack = rack()
    access = CrossbarAccess(rack)
    access.pulse(1, 2, 0.8, 1e-6)
    access.play(1, 2, LEVELS_V, sample_s=1e-5)
    access.read(1, 2)
    access.pulse(3, 3, 0.8, 1e-6)
    told = [entry[0] for entry in rack.log if entry[0] in ("relays", "load", "play", "fire")]
    assert told == ["relays", "fire", "load", "play", "relays", "relays", "fire"]
    ours = [entry[0] for entry in rack.log if entry[0] in ("load", "play", "fire") or entry[1:2] == ("gen1",)]
    # the width is prepared again, and outputs go on again
    assert ours == ["prepare", "on", "levels", "fire", "load", "on", "play", "off", "prepare", "on", "levels", "fire"]


def test_outputs_go_on_again_after_a_waveform_that_failed(rack):
    rack = rack()
    access = CrossbarAccess(rack)
    source = rack.pulse_source("gen1")
    source.play = lambda: (_ for _ in ()).throw(InstrumentFault("an output went off"))
    with pytest.raises(InstrumentFault):
        access.play(1, 2, LEVELS_V, sample_s=1e-5)
    rack.log.clear()
    access.pulse(1, 2, 0.8, 1e-6)
    # preparing a pulse leaves the outputs off after a waveform, whatever became of it
    assert ("on", "gen1") in rack.log


@pytest.mark.parametrize(
    ("settings", "levels_v", "sample_s", "rule"),
    [
        ({"scheme": "inhibit"}, LEVELS_V, 1e-5, "choose v2"),
        ({"pulse_with": "smu"}, LEVELS_V, 1e-5, "pulse_with='smu'"),
        ({"scheme": "grounded"}, LEVELS_V, 1e-5, "may_stress_line"),
        ({}, [0.1] * 101, 1e-5, "up to 100 samples"),
        ({}, LEVELS_V, 9e-8, "at least 1e-07 s"),
        ({}, LEVELS_V, 0.3, "within 1 s"),
        ({}, [10.1], 1e-5, "to 5 V on a line"),
        ({}, [0.0, 0.0], 1e-5, "another level than 0 V"),
        ({}, [], 1e-5, "another level than 0 V"),
        ({}, [float("nan")], 1e-5, "to 5 V on a line"),
    ],
)
def test_waveform_is_refused_before_anything_moves(rack, settings, levels_v, sample_s, rule):
    rack = rack()
    access = CrossbarAccess(rack, **settings)
    with pytest.raises((ValueError, StationError), match=rule):
        access.check_waveform(levels_v, sample_s=sample_s)
    with pytest.raises((ValueError, StationError), match=rule):
        access.play(0, 0, levels_v, sample_s=sample_s)
    assert rack.log == []


def test_waveform_is_refused_when_no_generator_plays_any(make_rack):
    with pytest.raises(StationError, match="single pulses"):
        CrossbarAccess(make_rack()).check_waveform(LEVELS_V, sample_s=1e-5)
    rows = {"A": "smu1.a", "B": "smu1.b", "E": "ground"}
    with pytest.raises(StationError, match="no pulse generator"):
        CrossbarAccess(make_rack(rows)).check_waveform(LEVELS_V, sample_s=1e-5)


def test_cells_without_a_matrix_and_gates_refuse_waveforms(direct_rack, gate_rack):
    for access in (DirectAccess(direct_rack()), GatedAccess(gate_rack())):
        for refuse in (
            lambda access=access: access.check_waveform(LEVELS_V, sample_s=1e-5),
            lambda access=access: access.play(0, 0, LEVELS_V, sample_s=1e-5),
        ):
            with pytest.raises(ValueError, match="generator on rows of a matrix"):
                refuse()


@pytest.mark.parametrize(("sign", "gate_v"), [(1.0, 1.5), (-1.0, 3.0)])
def test_cell_with_a_transistor_takes_one_sign_under_the_gate_of_that_sign(gate_rack, sign, gate_v):
    rack = gate_rack(plate=True, access=GATES)
    rack.played, rack.level = [], rack.levels
    kind, source = player(type(rack.pulse_source("gen1"))), {}
    rack.pulse_source = lambda name: source.setdefault(name, kind(rack, name))
    access = OneTransistorAccess(rack)
    with pytest.raises(ValueError, match="one sign"):
        access.play(1, 2, LEVELS_V, sample_s=1e-5)
    assert rack.log == []
    levels_v = [sign * abs(level_v) for level_v in LEVELS_V]
    assert access.play(1, 2, levels_v, sample_s=1e-5).voltage_v == sign * 1.2
    for level_v, levels in zip(levels_v, rack.played, strict=True):
        plate_v, bits_v, gates_v = rack.lines(levels)
        assert bits_v[2] - plate_v[1] == pytest.approx(level_v)
        assert np.delete(bits_v, 2) - plate_v[0] == pytest.approx([0.0] * 4)
        assert gates_v.tolist() == [0.0, gate_v, 0.0, 0.0]
        assert min(*plate_v, *bits_v) >= 0.0
    assert rack.levels["smu2.a"] == 0.0
