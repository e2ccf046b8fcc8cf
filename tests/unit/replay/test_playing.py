"""Playing a run. Authority: issue "Replay, and the digital twin" (a recorded run as if it were live: speed factor,
step, jump), the rows and times of the run file itself (``Run.table()``, ``Run.events()``).
"""

import numpy as np
import pandas as pd
import pytest

from labctl import script
from labctl.clock import VirtualClock
from labctl.errors import ReplayError
from labctl.replay.playing import RunPlayer, position_of
from labctl.store import RunHeader, RunWriter, open_run

COLUMNS = ("Step", "Voltage (V)", "Time (s)")
# pairs of one moment, a gap of 10 s, a row without a time
TIMES_S = (0.5, 0.5, 1.0, 2.0, None, 12.0, 12.0, 13.0)


def recorded(root, times_s=TIMES_S, columns=COLUMNS, status="finished"):
    now_s = [0.0]
    header = RunHeader("sweep_iv", columns, simulated=True)
    writer = RunWriter.create(root, header, instrument_clock=lambda: now_s[0])
    for number, time_s in enumerate(times_s):
        if number == 3:
            now_s[0] = 1.5
            writer.event("warning", "half of it")
        row = {"Step": number, "Voltage (V)": 0.1 * number}
        writer.point({**row, "Time (s)": time_s} if "Time (s)" in columns else row)
    now_s[0] = 20.0
    writer.event("note", "the end")
    if status:
        writer.seal(status, {})
    else:
        writer.flush()
    return writer


@pytest.fixture
def path(tmp_path):
    return recorded(tmp_path).path


@pytest.fixture
def clock():
    return VirtualClock(100.0)


def steps(found):
    return found.columns["Step"].tolist() if found.count else []


def test_rows_come_at_their_recorded_time_when_played(path, clock):
    player = RunPlayer(path, clock=clock)
    assert player.duration_s == 20.0
    seen = []
    for passed_s in (0.0, 0.4, 0.1, 0.5, 1.0, 9.0, 1.0, 1.0):
        clock.sleep(passed_s)
        found = player.take(100)
        seen.append((steps(found), found.status, found.points_total))
    assert seen == [
        ([], "running", 0),
        ([], "running", 0),
        ([0, 1], "running", 2),
        ([2], "running", 3),
        ([3, 4], "running", 5),
        ([], "running", 5),
        ([5, 6], "running", 7),
        ([7], "running", 8),
    ]
    clock.sleep(7.0)
    last = player.take(100)
    assert (last.status, [event.message for event in last.events]) == ("finished", ["the end"])


@pytest.mark.parametrize("speed", [0.5, 1.0, 40.0])
def test_speed_divides_the_time_that_a_replay_takes(path, clock, speed):
    begun_s = clock.now_s()
    player = RunPlayer(path, speed=speed, clock=clock)
    found = list(player.batches())
    # it looks 20 times a second
    assert clock.now_s() - begun_s == pytest.approx(20.0 / speed, abs=0.051)
    assert [step for one in found for step in steps(one)] == list(range(8))
    assert found[-1].status == "finished"
    assert [event.message for one in found for event in one.events] == open_run(path).events()["message"].tolist()


def test_step_gives_the_rows_of_the_next_moment_however_long_it_was_waited_for(path, clock):
    player = RunPlayer(path, clock=clock)
    seen = []
    for _ in range(6):
        player.step()
        clock.sleep(1000.0)
        found = player.take(100)
        seen.append((steps(found), found.status, player.position_s))
    assert seen == [
        ([0, 1], "paused", 0.5),
        ([2], "paused", 1.0),
        ([3, 4], "paused", 2.0),
        ([5, 6], "paused", 12.0),
        ([7], "paused", 13.0),
        ([], "finished", 20.0),
    ]


def test_replay_goes_on_where_it_stood_when_paused_or_made_faster(path, clock):
    player = RunPlayer(path, clock=clock)
    clock.sleep(1.0)
    player.pause()
    clock.sleep(50.0)
    assert player.position_s == 1.0
    player.resume()
    player.speed = 10.0
    clock.sleep(0.1)
    assert player.position_s == pytest.approx(2.0)


def test_jump_hands_out_all_before_it_and_begins_again_when_it_goes_back(path, clock):
    player = RunPlayer(path, clock=clock)
    player.jump(12.5)
    assert steps(player.take(100)) == list(range(7))
    player.jump(1.2)
    again = player.take(100)
    assert (steps(again), again.first_seq, again.points_total) == ([0, 1, 2], 1, 3)
    with pytest.raises(ValueError, match="from 0 to 20 s, got 21 s"):
        player.jump(21.0)


def test_pages_end_with_the_last_row_that_was_handed_out(path, clock):
    player = RunPlayer(path, clock=clock)
    player.jump(1.0)
    player.take(100)
    assert player.page(1, 100).seqs.tolist() == [1, 2, 3]
    assert player.page(4, 100).seqs.tolist() == []


def test_small_pieces_are_the_same_rows(path, clock):
    player = RunPlayer(path, clock=clock)
    player.jump(20.0)
    found = []
    while not player.is_over:
        found.append(player.take(3))
    assert [step for one in found for step in steps(one)] == list(range(8))
    assert {one.count for one in found} == {3, 2}


def test_rows_without_times_come_by_the_events_beside_them(tmp_path, clock):
    """One row before the first mark of progress, at 0 s, three before the event at 1.5 s, eight before that at 20 s."""
    path = recorded(tmp_path, columns=COLUMNS[:2]).path
    player = RunPlayer(path, clock=clock)
    moments = []
    while not player.is_over:
        player.step()
        moments += [player.position_s] * player.take(100).count
    first = open_run(path).progress().iloc[0]
    assert (first["points"], first["instrument_s"]) == (1, 0.0)
    marks = np.interp(np.arange(1, 9), [1, 3, 8], [0.0, 1.5, 20.0])
    assert moments == pytest.approx(marks.tolist())


def test_run_that_goes_on_is_refused(tmp_path):
    writer = recorded(tmp_path, status="")
    try:
        with pytest.raises(ReplayError, match="goes on"):
            RunPlayer(writer.path)
    finally:
        writer.seal("finished", {})


@pytest.mark.parametrize("speed", [0.0, -1.0, float("inf"), float("nan")])
def test_speed_that_is_not_positive_is_refused(path, speed):
    with pytest.raises(ValueError, match="speed"):
        RunPlayer(path, speed=speed)


@pytest.mark.parametrize(("text", "position_s"), [("50%", 10.0), ("25 %", 5.0), ("30 ms", 0.03), ("7", 7.0)])
def test_position_is_a_part_or_a_time(text, position_s):
    assert position_of(text, 20.0) == pytest.approx(position_s)


def test_script_plays_all_rows_of_a_run_and_says_of_which(path):
    batches = list(script.play(path, speed=20.0))
    played = pd.concat(batches)
    pd.testing.assert_frame_equal(played, open_run(path).table(), check_dtype=False)
    assert all(one.attrs == {"replay_of": open_run(path).run_id, "simulated": True} for one in batches)
    # 0.5 s of this one lie between the rows before and behind the gap
    assert len(batches) > 1


def test_script_steps_without_waiting_and_begins_where_it_is_told(path):
    assert [one["Step"].tolist() for one in script.play(path, start="50 %", step=True)] == [
        [0, 1, 2, 3, 4],
        [5, 6],
        [7],
    ]
