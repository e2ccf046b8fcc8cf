"""Laws of runs: tuners, staircases, envelope, states, control, group commit, run files with changed bytes.

Authority of each law: the docstring of what it is a law of; SQLite's statement that a transaction is there or not.
Each test is one law; promise P19.
"""

import math
import sqlite3
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from labctl.errors import EnvelopeError, IllegalTransitionError, LabError, StationError
from labctl.physics.presets import load_preset
from labctl.run.control import RunControl
from labctl.run.states import RunState, StateMachine
from labctl.station.guard import Guard
from labctl.station.station_file import Envelope, read_station_file
from labctl.store import open_run
from labctl.store.schema import RunHeader
from labctl.store.writer import RunWriter
from labctl.tuning import (
    Experience,
    Failed,
    OverReset,
    Pulse,
    Raise,
    Ramp,
    RampSettings,
    ResetVoltageControl,
    RvcSettings,
    Staircase,
    StopVoltageControl,
    StopVoltageCurve,
    StopVoltageSettings,
)
from labctl_mock.bench.bench_file import load_bench_file

HALF = settings(max_examples=settings.default.max_examples // 2)
TENTH = settings(max_examples=settings.default.max_examples // 10)
READING = st.floats(1e-7, 1e-3)
READINGS = st.lists(READING | st.floats(-1e-4, 1e-4), min_size=1, max_size=40)
RAMP = st.builds(
    lambda sign, start, span, step, adaptive: RampSettings(
        sign * start, sign * (start + span), step, is_adaptive=adaptive
    ),
    st.sampled_from([1.0, -1.0]),
    st.floats(0.1, 1.0),
    st.floats(0.0, 1.0),
    st.floats(0.01, 0.5),
    st.booleans(),
)
RESET = RampSettings(-0.6, -1.7, 0.1)
SET = RampSettings(0.5, 1.4, 0.1)
RVC = st.sampled_from(list(OverReset)).map(
    lambda over: RvcSettings(0.02, 1e-4, RESET, SET, over_reset=over, max_pulses=40)
)


# --- ramps and tuners


@given(RAMP, READINGS, READING)
def test_ramp_never_leaves_start_and_stop(ramp_settings, readings, target):
    ramp = Ramp(ramp_settings)
    low, high = sorted((ramp_settings.start_v, ramp_settings.stop_v))
    for reading in readings:
        voltage = ramp.next_voltage(max(reading, 1e-12), target)
        if voltage is None:
            break
        assert low <= voltage <= high


@given(RAMP, READINGS, READING)
def test_ramp_never_rises_by_more_than_its_step(ramp_settings, readings, target):
    ramp = Ramp(ramp_settings)
    voltages = []
    for reading in readings:
        voltage = ramp.next_voltage(max(reading, 1e-12), target)
        if voltage is None:
            break
        voltages.append(abs(voltage))
    assert all(b - a <= ramp_settings.step_v * (1 + 1e-12) for a, b in pairwise(voltages))


@given(RAMP, READING, READING)
def test_ramp_on_a_dead_cell_ends_at_its_stop(ramp_settings, reading, target):
    ramp = Ramp(ramp_settings)
    span = abs(ramp_settings.stop_v - ramp_settings.start_v)
    # without experience an adaptive step is at least a fifth of the largest
    limit = math.ceil(span / (0.2 * ramp_settings.step_v)) + 3
    voltages = [ramp.next_voltage(reading, target)]
    while (voltage := ramp.next_voltage(reading, target)) is not None:
        voltages.append(voltage)
        assert len(voltages) <= limit
    assert voltages[-1] == ramp_settings.stop_v


@given(RAMP, st.floats(0.001, 3.0), st.floats(1e-4, 5.0), READING, READING)
def test_experience_never_leads_out_of_the_ramp(ramp_settings, voltage_v, change, reading, target):
    sign = math.copysign(1.0, ramp_settings.stop_v)
    assume(reading != target)
    voltage = Ramp(ramp_settings, Experience(sign * voltage_v, change)).next_voltage(reading, target)
    low, high = sorted((ramp_settings.start_v, ramp_settings.stop_v))
    assert low <= voltage <= high


@given(RVC, READINGS, READING)
def test_reset_voltage_control_stays_in_its_ramps(rvc, readings, target):
    tuner = ResetVoltageControl(target, rvc)
    for reading in readings:
        decision = tuner.decide(reading)
        if not isinstance(decision, Pulse):
            break
        assert RESET.stop_v <= decision.voltage_v <= RESET.start_v or SET.start_v <= decision.voltage_v <= SET.stop_v
        assert decision.width_s == rvc.width_s


@given(RVC, READING, st.lists(READING, min_size=41, max_size=41))
def test_reset_voltage_control_ends_against_an_adversary(rvc, target, readings):
    tuner = ResetVoltageControl(target, rvc)
    ends = [decision for decision in map(tuner.decide, readings) if not isinstance(decision, Pulse)]
    assert ends
    assert tuner.pulses <= rvc.max_pulses


@given(RVC, READING, READING)
def test_reset_voltage_control_raises_what_is_low_and_lowers_what_is_high(rvc, target, reading):
    decision = ResetVoltageControl(target, rvc).decide(reading)
    if isinstance(decision, Pulse):
        assert (decision.voltage_v > 0.0) == (reading < target)
    elif isinstance(decision, Failed):
        assert reading < target
    else:
        assert abs(reading / target - 1.0) <= rvc.tolerance


@given(RVC, READINGS, READING)
def test_trace_has_one_step_per_decision(rvc, readings, target):
    tuner = ResetVoltageControl(target, rvc)
    for reading in readings:
        tuner.decide(reading)
    assert len(tuner.trace) == len(readings)


@given(RVC, st.lists(READING, min_size=41, max_size=41), READING)
def test_raise_only_raises_and_ends(rvc, readings, target):
    tuner = Raise(target, rvc)
    decisions = [tuner.decide(reading) for reading in readings]
    assert all(decision.voltage_v > 0.0 for decision in decisions if isinstance(decision, Pulse))
    assert not all(isinstance(decision, Pulse) for decision in decisions)


@given(READINGS, READING)
def test_stop_voltage_control_stays_between_its_stops(readings, target):
    stops = StopVoltageSettings(0.05)
    tuner = StopVoltageControl(target, stops)
    for reading in readings:
        decision = tuner.decide(reading)
        if not isinstance(decision, Staircase):
            break
        assert stops.reset_stop_v <= decision.voltage_v <= stops.set_stop_v
        assert all(stops.reset_stop_v - 1e-12 <= level <= stops.set_stop_v + 1e-12 for level in decision.levels_v())


@HALF
@given(READING, st.integers(0, 2**32 - 1))
def test_stop_voltage_control_ends_against_an_adversary(target, seed):
    readings = np.random.default_rng(seed).uniform(1e-6, 4e-4, 4000)
    tuner = StopVoltageControl(target, StopVoltageSettings(0.02, max_attempts=3))
    # 3 SETs of at most 17 stops, and between them at most 240 fine steps down
    assert any(not isinstance(tuner.decide(float(reading)), Staircase) for reading in readings)


@given(st.lists(st.tuples(st.floats(0.3, 1.8), READING), max_size=12), READING)
def test_learned_stop_lies_among_what_was_learned(points, wanted):
    curve = StopVoltageCurve()
    for stop, found in points:
        curve.learn(-stop, found)
    stop = curve.stop_for(wanted)
    assert stop is None or min(p[0] for p in points) - 1e-9 <= -stop <= max(p[0] for p in points) + 1e-9


@given(st.floats(-2, 2), st.floats(-2, 2), st.floats(1e-3, 1.0))
def test_staircase_is_monotone_and_ends_on_its_stop(start, stop, step):
    levels = Staircase(start, stop, step, 1e-3).levels_v()
    assert (levels[0], levels[-1]) == (start, stop)
    assert levels in (sorted(levels), sorted(levels, reverse=True))


@given(st.floats(-2, 2), st.floats(-2, 2), st.floats(1e-3, 1.0))
def test_staircase_takes_the_fewest_steps_that_are_small_enough(start, stop, step):
    levels = Staircase(start, stop, step, 1e-3).levels_v()
    assert all(abs(b - a) <= step * (1 + 1e-6) + 1e-12 for a, b in pairwise(levels))
    assert len(levels) - 1 <= abs(stop - start) / step + 1.0


# --- envelope

ENVELOPE = Envelope(3.0, 0.05, 0.5, 2e-3)
NUMBER = st.floats() | st.floats(-4, 4)


@given(st.dictionaries(st.sampled_from("abcd"), st.floats(-3, 3)), st.dictionaries(st.sampled_from("abcd"), NUMBER))
def test_guard_refuses_exactly_the_differences_above_its_limit(levels, changes):
    guard = Guard(ENVELOPE, "x.toml")
    guard.levels_v = dict(levels)
    wanted = [*(levels | changes).values(), 0.0]
    allowed = all(math.isfinite(value) for value in wanted) and max(wanted) - min(wanted) <= 3.0
    try:
        guard.check_levels("a", changes)
    except EnvelopeError:
        assert not allowed
    else:
        assert allowed
    assert guard.levels_v == levels


@given(NUMBER)
def test_guard_refuses_exactly_the_currents_above_its_limit(current):
    try:
        Guard(ENVELOPE, "x.toml").check_current("a", "limit", current)
    except EnvelopeError:
        assert not current <= 0.05
    else:
        assert current <= 0.05


@given(NUMBER, NUMBER)
def test_guard_refuses_exactly_what_is_too_long_or_too_much(width, power):
    try:
        Guard(ENVELOPE, "x.toml").check_stimulus("a", width, power)
    except EnvelopeError:
        assert not (width <= 0.5 and power * width <= 2e-3)
    else:
        assert width <= 0.5
        assert power * width <= 2e-3


@given(st.floats(3.001, 1e6))
def test_refusal_names_value_and_limit(level):
    with pytest.raises(EnvelopeError) as caught:
        Guard(ENVELOPE, "x.toml").check_levels("smu1.a", {"smu1.a": level})
    for word in ("smu1.a", "at most 3 V", f"{level:.6g} V", "x.toml", "envelope.voltage_v"):
        assert word in str(caught.value)


# --- files that were good until somebody touched them

DATA = {}


def mutated(kind, data):
    """One good packaged file with a few pieces cut, doubled or overwritten."""
    from importlib.resources import files

    folders = {"station": "stations/tiox-32x32", "bench": "benches/tiox-32x32", "preset": "devices/kim2021_tiox_al2o3"}
    if kind not in DATA:
        DATA[kind] = (files("labctl_data") / f"{folders[kind]}.toml").read_bytes()
    text = DATA[kind]
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        end = min(start + data.draw(st.integers(0, 30)), len(text))
        piece = data.draw(
            st.sampled_from(
                [b"", text[start:end] * 2, b"nan", b"-1", b"[", b'"', b"\xff", b"9" * 50, b"\n[x]\n", b"true"]
            )
        )
        text = text[:start] + piece + text[end:]
    return text


def refused_or_read(reader, kind, tmp_path, data):
    path = tmp_path / f"{kind}.toml"
    path.write_bytes(mutated(kind, data))
    refusal = str(path)
    try:
        return reader(path)
    except StationError as error:
        refusal = str(error)
    assert str(path) in refusal
    return None


@TENTH
@given(st.data())
def test_station_file_is_whole_or_refused(tmp_path, data):
    found = refused_or_read(read_station_file, "station", tmp_path, data)
    if found is not None:
        assert 0.0 < found.envelope.voltage_v < math.inf
        assert 0.0 < found.envelope.current_a < math.inf
        assert len(found.wiring.word_lines) == found.sample.rows


@TENTH
@given(st.data())
def test_bench_file_is_whole_or_refused(tmp_path, data):
    found = refused_or_read(load_bench_file, "bench", tmp_path, data)
    assert found is None or len(found.wiring.word_lines) == found.die.rows


@TENTH
@given(st.data())
def test_device_file_is_whole_or_refused(tmp_path, data):
    found = refused_or_read(load_preset, "preset", tmp_path, data)
    if found is not None:
        assert all(
            low <= value <= high
            for key in found
            for low, high in [found.valid_range(key)]
            for value in found.table(key)
        )


# --- run files

COUNT = 30


def make_run(folder, count=COUNT):
    writer = RunWriter.create(folder, RunHeader("properties", ["Number", "Half (1)"]))
    writer.points([{"Number": k, "Half (1)": k / 2} for k in range(count)])
    writer.seal("finished", {})
    return writer.path


@pytest.fixture(scope="module")
def run_bytes(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("run")).read_bytes()


@HALF
@given(st.lists(st.tuples(st.integers(0, 2**20), st.integers(0, 255)), max_size=8), st.integers(0, 2**20))
def test_changed_run_file_is_refused_in_words_of_its_own(tmp_path, run_bytes, changes, cut):
    data = bytearray(run_bytes)
    for place, value in changes:
        data[place % len(data)] = value
    path = tmp_path / "changed.run.sqlite"
    path.write_bytes(bytes(data[: cut % len(data)] if cut % 3 == 0 else data))
    try:
        run = open_run(path)
        run.rows()
        run.summary()
    except LabError:
        pass


@TENTH
@given(st.lists(st.integers(0, 60), max_size=6))
def test_points_come_back_in_order_however_they_were_grouped(tmp_path, groups):
    writer = RunWriter.create(tmp_path, RunHeader("properties", ["Number", "Half (1)"]))
    count = 0
    for size in groups:
        writer.points([{"Number": k, "Half (1)": k / 2} for k in range(count, count + size)])
        count += size
        assert writer.acknowledged <= writer.count == count
    writer.flush()
    assert writer.acknowledged == count
    assert writer.seal("finished", {}) == "finished"
    assert open_run(writer.path).rows() == [(k, k / 2) for k in range(count)]


@TENTH
@given(st.sampled_from(["finished", "failed", "aborted"]), st.text(max_size=20))
def test_seal_says_what_it_was_told(tmp_path, status, error):
    writer = RunWriter.create(tmp_path, RunHeader("properties", ["Number"]))
    writer.seal(status, {"text": error}, error)
    run = open_run(writer.path)
    assert run.status == status
    assert run.summary()["results"] == {"text": error}
    assert run.summary()["error"] == error


@TENTH
@given(st.lists(st.text(max_size=12) | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False), max_size=12))
def test_cells_come_back_to_the_bit(tmp_path, cells):
    writer = RunWriter.create(tmp_path, RunHeader("properties", ["Cell"]))
    for cell in cells:
        writer.point({"Cell": cell})
    writer.seal("finished", {})
    found = [row[0] for row in open_run(writer.path).rows()]
    assert list(map(repr, found)) == list(map(repr, cells))


# --- states


@given(st.lists(st.sampled_from(list(RunState)), max_size=12))
def test_final_state_is_final(wanted):
    machine = StateMachine()
    for state in wanted:
        before = machine.state
        try:
            machine.to(state)
        except IllegalTransitionError:
            assert machine.state is before
        else:
            assert before not in (RunState.FINISHED, RunState.FAILED, RunState.ABORTED)
            assert machine.state is state


class ControlMachine(RuleBasedStateMachine):
    """Whoever asks a run for what, in any order, leaves the control in a state that the run can obey."""

    def __init__(self):
        super().__init__()
        self.control = RunControl()
        self.aborts = 0

    @rule()
    def pause(self):
        self.control.pause()
        assert self.control.paused

    @rule()
    def go_on(self):
        self.control.resume()
        assert not self.control.paused

    @rule(reason=st.text(min_size=1, max_size=5))
    def abort(self, reason):
        before = self.control.abort_reason
        self.control.abort(reason)
        self.aborts += 1
        assert self.control.abort_reason == (reason if before is None else before)

    @precondition(lambda self: self.aborts)
    @rule()
    def abort_is_never_taken_back(self):
        self.control.resume()
        assert self.control.abort_reason is not None

    @invariant()
    def insisting_takes_two(self):
        assert self.control.insisted == (self.aborts >= 2)


class WriterMachine(RuleBasedStateMachine):
    """Points, events, flushes in any order: what is acknowledged is in the file, and nothing is twice."""

    def __init__(self):
        super().__init__()
        import tempfile

        self.folder = tempfile.TemporaryDirectory()
        from pathlib import Path

        self.writer = RunWriter.create(Path(self.folder.name), RunHeader("properties", ["Number"]))
        self.count = 0

    @rule(size=st.integers(1, 300))
    def points(self, size):
        self.writer.points([{"Number": k} for k in range(self.count, self.count + size)])
        self.count += size

    @rule()
    def event(self):
        self.writer.event("note", "hello")
        assert self.writer.acknowledged == self.count

    @rule()
    def flush(self):
        self.writer.flush()
        assert self.writer.acknowledged == self.count

    @rule()
    def look(self):
        acknowledged = self.writer.acknowledged
        connection = sqlite3.connect(self.writer.path)
        found = [row[0] for row in connection.execute("SELECT Number FROM point ORDER BY seq")]
        connection.close()
        assert len(found) >= acknowledged
        assert found == list(range(len(found)))

    @invariant()
    def counts_agree(self):
        assert self.writer.acknowledged <= self.writer.count == self.count

    def teardown(self):
        self.writer.close()
        self.folder.cleanup()


TestControlMachine = ControlMachine.TestCase
TestControlMachine.settings = settings(max_examples=50, stateful_step_count=30)
TestWriterMachine = WriterMachine.TestCase
TestWriterMachine.settings = settings(max_examples=12, stateful_step_count=15)
