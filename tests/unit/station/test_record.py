"""What a dry run keeps in its order: which level, on which terminal, when.

Authority: the triangle of a sweep, computed here from its parameters; V/2, half the cell voltage on each of two lines;
the nominal times of the procedure (a dwell at each level, the width of each pulse).
"""

import numpy as np
import pytest

from labctl.run.dry_run import dry_case
from labctl.station import read_station_file
from labctl.station.record import TRACED, Record, Stimulus
from labctl_procedures import find_procedure

STATION = "tiox-32x32"


@pytest.fixture(autouse=True)
def _home(tmp_path, monkeypatch):
    monkeypatch.setenv("LABCTL_HOME", str(tmp_path))


def rehearse(name, conductance="between", **values):
    return dry_case(find_procedure(name), read_station_file(STATION), values, conductance)


def triangle(stop_v, step_v):
    up = np.arange(1, round(abs(stop_v) / step_v) + 1) * step_v * np.sign(stop_v)
    return [*up, *up[-2::-1], 0.0]


def test_trace_is_the_sweep_when_cells_are_formed():
    done = rehearse("sweep_iv", cycles="2", set_stop="0.3", reset_stop="-0.5", step="0.1", form_unformed="false")
    cycle = [*triangle(0.3, 0.1), *triangle(-0.5, 0.1)]
    expected = {"smu1.a": [0.5 * level for level in cycle * 2], "smu1.b": [-0.5 * level for level in cycle * 2]}
    levels = {"smu1.a": [], "smu1.b": []}
    for one in done.record.trace:
        ((terminal, level_v),) = one.levels_v
        levels[terminal].append(level_v)
        assert one.width_s is None
    # readings at 0.2 V on the word line only: the survey, one before the first cycle, and one after each
    read = [0.2, 0.0]
    half = len(cycle)
    word = [*read, *read, *expected["smu1.a"][:half], *read, *expected["smu1.a"][half:], *read]
    assert levels["smu1.a"] == pytest.approx(word)
    assert levels["smu1.b"] == pytest.approx(expected["smu1.b"])
    starts = [one.start_s for one in done.record.trace]
    assert starts == sorted(starts)
    assert starts[-1] <= done.duration_s


def test_levels_stand_for_their_dwell_at_least():
    done = rehearse("sweep_iv", cycles="1", dwell="0.3 s", step="0.5", form_unformed="false")
    sweep = [one.start_s for one in done.record.trace if one.levels_v[0][0] == "smu1.b"]
    # from one level to the next of the same side
    assert min(np.diff(sweep)) >= 0.3


def test_pulse_is_traced_with_its_width_between_the_readings():
    trace = rehearse("map_pulses", form_unformed="false", level_width="5 ms").record.trace
    pulses = [index for index, one in enumerate(trace) if one.width_s is not None]
    # cells that never respond get no further than the pulses that are to bring them to a level
    assert {trace[index].width_s for index in pulses} == {5e-3}
    for index in pulses:
        before, pulse, after = trace[index - 1 : index + 2]
        (_, word_v), (_, bit_v) = pulse.levels_v
        assert word_v == -bit_v
        # at rest before it begins, and nothing else before it has ended
        assert before.levels_v[0][1] == 0.0
        assert before.start_s <= pulse.start_s
        assert pulse.start_s + pulse.width_s <= after.start_s + 1e-12


def test_trace_ends_after_so_many_stimuli_and_counting_goes_on():
    record = Record(10**6, 60.0)
    for index in range(TRACED + 100):
        record.add(Stimulus("pulse", (("smu1.a", 1.0),), 1e-3, 1e-3, 1e-6), start_s=float(index))
        record.rest("smu1.a", start_s=index + 0.5)
    assert record.count == TRACED + 100
    stimuli = [one for one in record.trace if one.levels_v[0][1] != 0.0]
    assert len(stimuli) == TRACED
    assert len(record.trace) == 2 * TRACED


def test_rest_before_anything_is_no_entry():
    record = Record(10, 60.0)
    record.rest("smu1.a", start_s=0.0)
    assert record.trace == []
    assert record.count == 0
