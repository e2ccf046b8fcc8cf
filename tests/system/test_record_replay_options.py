"""``labctl run --record`` and ``--replay``. Authority: issue "Replay, and the digital twin", Build (any station can be
recorded; FILE@replay answers from it) and Bad input (a recording is never replayed onto an instrument).
"""

import json
import shutil
import signal
from pathlib import Path

import pytest

from labctl.store import open_run

RACK = Path(__file__).with_name("rack_4x4")
RUN = ("read_array", "-p", "cells=0:2,0:2")


def test_recorded_run_is_replayed_without_its_bench_file(labctl, homes):
    rack = shutil.copytree(RACK, homes / "rack")
    recorded = labctl("run", *RUN, "-s", rack / "rack_4x4.toml", "--record", "t.jsonl", "--json")
    assert recorded.code == 0, recorded.err
    (rack / "bench_4x4.toml").unlink()
    replayed = labctl("run", *RUN, "-s", rack / "rack_4x4.toml", "--replay", "t.jsonl", "--json")
    assert replayed.code == 0, replayed.err
    first, second = (open_run(answer.json()["run_id"]) for answer in (recorded, replayed))
    assert len(first.rows()) == 4
    assert second.rows() == first.rows()
    assert second.header["replay_of"] == str(homes / "t.jsonl")


def test_served_station_is_recorded_and_replayed_with_its_own_file_when_the_bench_is_gone(
    labctl, labctl_process, homes
):
    rack = shutil.copytree(RACK, homes / "rack")
    served = ("bench", "serve", rack / "bench_4x4.toml", "-s", rack / "rack_4x4.toml", "--port", "0", "--json")
    process = labctl_process(*served)
    try:
        said = json.loads(next(line for line in process.stdout if line.startswith("{")))
        # the bench takes its own away when it ends
        station = shutil.copy(said["file"], homes / "served.toml")
        recorded = labctl("run", *RUN, "-s", station, "--record", "t.jsonl", "--json")
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert recorded.code == 0, recorded.err
    replayed = labctl("run", *RUN, "-s", station, "--replay", "t.jsonl?lenient", "--json")
    assert replayed.code == 0, replayed.err
    first, second = (open_run(answer.json()["run_id"]) for answer in (recorded, replayed))
    # times are those of another program, where the order is free
    assert second.table()["Current (A)"].tolist() == first.table()["Current (A)"].tolist()


def test_replay_of_another_program_is_refused_and_no_rack_is_asked(labctl, homes):
    rack = shutil.copytree(RACK, homes / "rack")
    assert labctl("run", *RUN, "-s", rack / "rack_4x4.toml", "--record", "t.jsonl").code == 0
    answer = labctl("run", "read_array", "-p", "cells=2,2", "-s", rack / "rack_4x4.toml", "--replay", "t.jsonl")
    assert answer.code == 3
    assert "the recording writes" in answer.err


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--record", "a", "--replay", "b"), "exclude each other"),
        (("--record", "a", "--dry-run"), "exclude each other"),
        (("--record", "a>b"), "must not hold '>'"),
        (("--replay", "gone.jsonl"), "gone.jsonl: the recording cannot be read"),
        (("--replay", "gone.jsonl?fast"), "lenient"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(labctl, options, says):
    answer = labctl("run", "read_array", "-s", "tiox-32x32", "-p", "cells=0,0", *options)
    assert answer.code == 2
    assert says in answer.err


def test_station_that_records_by_itself_is_not_recorded_twice(labctl, homes):
    rack = shutil.copytree(RACK, homes / "rack")
    station = rack / "rack_4x4.toml"
    station.write_text(station.read_text().replace('visa_library = "', 'visa_library = "record:own.jsonl>'))
    answer = labctl("run", *RUN, "-s", station, "--record", "t.jsonl")
    assert answer.code == 2
    assert "records already" in answer.err
