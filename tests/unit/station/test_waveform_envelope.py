"""No waveform outside the envelope reaches a driver, and a dry run notes what it would be.

Authority: the rules in data/labctl_data/stations/README.md; the sum over samples of level² / (4 x 50 ohm) x sample, the
most that a 50 ohm source can deliver, computed here.
"""

from itertools import pairwise
from math import nan

import numpy as np
import pytest

from labctl.errors import EnvelopeError
from labctl.roles import PulseSource, WaveformLimits, WaveformSource
from labctl.run.dry_run import dry_case
from labctl.station import read_station_file
from labctl.station.envelope import EnvelopedPulseSource, EnvelopedSourceMeter
from labctl.station.guard import Guard
from labctl.station.record import TRACED, Record, Stimulus, TracedStimulus
from labctl.station.station_file import Envelope
from labctl.station.waveform_envelope import EnvelopedWaveformSource, enveloped_generator
from labctl_procedures import find_procedure

LIMITS = Envelope(voltage_v=3.0, current_a=0.05, pulse_width_s=0.5, energy_j=1e-3)


@pytest.fixture
def player(generator):
    """The fake generator, which plays waveforms besides."""

    class Player(type(generator)):
        waveform_limits = WaveformLimits(most_samples=1000, min_sample_s=1e-8, max_duration_s=1e6, max_level_v=1e6)

        def load_waveforms(self, levels_v, *, sample_s):
            self.calls.append(("load", dict(levels_v), sample_s))

        def play(self):
            self.calls.append(("play",))

    return Player()


@pytest.fixture
def guard():
    return Guard(LIMITS, "stations/small.toml")


@pytest.fixture
def source(player, guard):
    return enveloped_generator(player, "gen1", guard, lambda: player.calls.append(("read back",)))


def test_generator_keeps_its_role_inside_the_envelope_with_the_narrower_limits(source, generator, guard):
    assert isinstance(source, EnvelopedWaveformSource)
    assert isinstance(source, WaveformSource)
    assert (source.waveform_limits.max_level_v, source.waveform_limits.max_duration_s) == (2.5, 0.5)
    plain = enveloped_generator(generator, "gen2", guard, lambda: None)
    assert isinstance(plain, PulseSource)
    assert type(plain) is EnvelopedPulseSource
    assert not isinstance(plain, WaveformSource)


def test_what_is_allowed_passes_unchanged_and_outputs_go_on_after_the_read_back(source, player, guard):
    source.load_waveforms({1: [1.0, -0.5], 2: [-1.0]}, sample_s=1e-3)
    source.output_on()
    assert guard.on == {"gen1.1", "gen1.2"}
    source.play()
    assert player.calls == [("load", {1: [1.0, -0.5], 2: [-1.0]}, 1e-3), ("read back",), ("output_on",), ("play",)]
    # it rests at 0 V
    assert set(guard.levels_v.values()) == {0.0}


@pytest.mark.parametrize(
    ("levels_v", "sample_s", "key"),
    [
        ({1: [0.1, 3.1]}, 1e-6, "voltage_v"),
        ({1: [0.1, nan]}, 1e-6, "voltage_v"),
        # 2 V and -2 V at the same time, not one after the other
        ({1: [2.0, 0.0], 2: [-2.0, 0.0]}, 1e-6, "voltage_v"),
        # 2.6 V / 50 ohm
        ({1: [-2.6]}, 1e-6, "current_a"),
        ({1: [0.01] * 10, 2: [0.01]}, 0.051, "pulse_width_s"),
        # 4 x (2.5 V)² / 200 ohm x 10 ms = 1.25 mJ
        ({1: [2.5, -2.5, 2.5, 2.5]}, 1e-2, "energy_j"),
    ],
)
def test_refusal_names_file_and_key_and_sends_nothing(source, player, levels_v, sample_s, key):
    with pytest.raises(EnvelopeError, match=rf"stations/small.toml, envelope.{key}"):
        source.load_waveforms(levels_v, sample_s=sample_s)
    assert player.calls == []


def test_levels_one_after_the_other_do_not_add_up(source, player):
    source.load_waveforms({1: [2.0, 0.0], 2: [0.0, -2.0]}, sample_s=1e-6)
    assert len(player.calls) == 1


@pytest.mark.parametrize(("share", "passes"), [(0.999, True), (1.001, False)])
def test_energy_is_the_sum_over_samples_and_outputs(source, share, passes):
    levels_v = np.random.default_rng(4).uniform(-1.4, 1.4, (2, 500))
    sample_s = share * LIMITS.energy_j / ((levels_v**2).sum() / 200.0)
    if passes:
        source.load_waveforms(dict(enumerate(levels_v.tolist(), start=1)), sample_s=sample_s)
    else:
        with pytest.raises(EnvelopeError, match="energy_j"):
            source.load_waveforms(dict(enumerate(levels_v.tolist(), start=1)), sample_s=sample_s)


def test_no_sequence_of_waveforms_and_levels_leaves_the_envelope(source, player, meters, guard):
    # the rules once more, from what reached the drivers
    chance = np.random.default_rng(11)
    meter = EnvelopedSourceMeter(meters[0], "smu1.a", guard, lambda: None)
    meter.prepare(voltage_range_v=2.0, current_limit_a=1e-3, measure_range_a=None, integration_plc=1.0)
    level_v, loaded, played, refused = 0.0, None, 0, 0
    for _ in range(3000):
        player.calls.clear()
        meters[0].calls.clear()
        try:
            match chance.integers(3):
                case 0:
                    meter.set_voltage(float(chance.uniform(-3.5, 3.5)))
                case 1:
                    outputs = [1, 2][: chance.integers(1, 3)]
                    waveforms = {
                        output: chance.uniform(-1.6, 1.6, chance.integers(1, 9)).tolist() for output in outputs
                    }
                    source.load_waveforms(waveforms, sample_s=float(10 ** chance.uniform(-6, 0)))
                case _:
                    source.play()
        except EnvelopeError:
            refused += 1
            assert not player.calls
            assert not meters[0].calls
            continue
        level_v = next((call[1] for call in meters[0].calls if call[0] == "set_voltage"), level_v)
        loaded = next((call[1:] for call in player.calls if call[0] == "load"), loaded)
        if ("play",) in player.calls:
            played += 1
            waveforms, sample_s = loaded
            count = max(map(len, waveforms.values()))
            samples_v = np.array([[*one, *[0.0] * (count - len(one))] for one in waveforms.values()])
            span_v = np.ptp(np.vstack([samples_v, np.zeros(count), np.full(count, level_v)]), axis=0)
            assert span_v.max() <= 3.0
            assert np.abs(samples_v).max() / 50.0 <= 0.05
            assert count * sample_s <= 0.5
            assert (samples_v**2).sum() / 200.0 * sample_s <= 1e-3
    assert min(played, refused) > 300


def test_play_is_refused_when_another_terminal_has_moved_meanwhile(source, player, meters, guard):
    meter = EnvelopedSourceMeter(meters[0], "smu1.a", guard, lambda: None)
    meter.prepare(voltage_range_v=2.0, current_limit_a=1e-3, measure_range_a=None, integration_plc=1.0)
    source.load_waveforms({1: [0.1, -2.0]}, sample_s=1e-6)
    meter.set_voltage(1.5)
    with pytest.raises(EnvelopeError, match="voltage_v"):
        source.play()
    meter.set_voltage(0.5)
    source.play()
    assert player.calls[-1] == ("play",)


def test_nothing_is_played_or_fired_that_was_not_prepared(source, player, guard):
    with pytest.raises(EnvelopeError, match="load_waveforms"):
        source.play()
    with pytest.raises(EnvelopeError, match="prepare"):
        source.output_on()
    source.prepare(width_s=1e-6, edge_s=1e-8)
    source.set_levels({1: 1.0})
    source.load_waveforms({1: [1.0]}, sample_s=1e-6)
    # the pulse is gone
    with pytest.raises(EnvelopeError, match="prepare"):
        source.fire()
    source.output_on()
    source.prepare(width_s=1e-6, edge_s=1e-8)
    # the driver switches off for that
    assert not guard.on
    with pytest.raises(EnvelopeError, match="load_waveforms"):
        source.play()
    source.load_waveforms({1: [1.0]}, sample_s=1e-6)
    guard.unprepare("gen1")
    player.calls.clear()
    with pytest.raises(EnvelopeError, match="load_waveforms"):
        source.play()
    assert player.calls == []


def test_dry_run_traces_the_waveform_on_both_lines(tmp_path, monkeypatch):
    monkeypatch.setenv("LABCTL_HOME", str(tmp_path))
    spikes = {"distances": "1", "repeats": "1", "farthest": "30 us", "head_time": "20 us", "tail_time": "50 us"}
    values = {
        "dwell": "10 us",
        "form_unformed": "false",
        "tail_form": "rectangular",
        "initial": "30 uS",
        **spikes,
    }
    done = dry_case(find_procedure("stdp"), read_station_file("tiox-32x32"), values, "between")
    assert done.outcome == "finished"
    found = {
        "gen1.1": [(one.start_s, one.levels_v[0][1]) for one in done.record.trace if one.levels_v[0][0] == "gen1.1"],
        "gen1.2": [(one.start_s, one.levels_v[1][1]) for one in done.record.trace if one.levels_v[0][0] == "gen1.1"],
    }
    # post 30 us before pre, then after it: heads of 20 us at -0.6 V and 0.45 V, tails of 50 us at 0.3 V and -0.6 V
    before_v = [(0, 0.45), (20, -0.6), (30, -1.2), (50, -0.3), (70, 0.3), (100, 0.0)]
    after_v = [(0, -0.6), (20, 0.3), (30, 0.75), (50, -0.3), (70, -0.6), (100, 0.0)]
    for terminal, share in (("gen1.1", 0.5), ("gen1.2", -0.5)):
        steps = found[terminal]
        assert len(steps) == 12
        for part, expected in ((steps[:6], before_v), (steps[6:], after_v)):
            assert [1e6 * (start_s - part[0][0]) for start_s, _ in part] == pytest.approx([at for at, _ in expected])
            assert [level_v for _, level_v in part] == pytest.approx([share * level_v for _, level_v in expected])
    waveforms = [one for one in done.record.stimuli if one.kind == "waveform"]
    assert [one.width_s for one in waveforms] == pytest.approx([1e-4, 1e-4])
    squares = sum(2 * (0.5 * level_v) ** 2 * (end - at) for (at, level_v), (end, _) in pairwise(before_v))
    assert waveforms[0].energy_j == pytest.approx(squares * 1e-6 / 200.0)


def test_trace_ends_before_a_waveform_that_has_no_room():
    record = Record(10**9, 60.0)
    course = [TracedStimulus(0.0, (("gen1.1", 1.0),), None)] * (2 * TRACED)
    for _ in range(3):
        record.add(Stimulus("waveform", (("gen1.1", 1.0),), 1.0, 0.02, 1e-3), start_s=0.0, course=course)
    record.add(Stimulus("level", (("smu1.a", 1.0),), None, 0.02, None), start_s=0.0)
    record.rest("smu1.a", start_s=0.0)
    assert (record.count, record.traced, len(record.trace)) == (4, 2, 4 * TRACED)
