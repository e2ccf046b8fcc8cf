"""A run on a served bench is recorded, and replayed with the bench gone.

Authority: issue "Replay, and the digital twin", Shows 1: identical rows; one edited byte is named with line and values.
"""

import json
import re
import shutil
import signal
from pathlib import Path

import pytest

from labctl.store import open_run

RACK = Path(__file__).with_name("rack_4x4")
RUN = ("write_verify", "-p", "cells=0:1,0:2", "-p", "targets=50 uS", "-p", "rounds=1")


@pytest.fixture
def served_station(homes, labctl_process):
    """The station file of a served bench, copied; and a way to end the bench."""
    rack = shutil.copytree(RACK, homes / "rack")
    served = ("bench", "serve", rack / "bench_4x4.toml", "-s", rack / "rack_4x4.toml", "--port", "0", "--json")
    process = labctl_process(*served)
    said = json.loads(next(line for line in process.stdout if line.startswith("{")))
    copy = homes / "recorded.toml"
    text = Path(said["file"]).read_text()
    copy.write_text(re.sub(r'visa_library = ".*"', 'visa_library = "record:traffic.jsonl>@py"', text))

    def end():
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)

    yield copy, end
    if process.poll() is None:
        end()
    process.stdout.close()
    process.stderr.close()


def test_replayed_run_has_the_rows_of_the_recorded_one_when_the_bench_is_gone(served_station, homes, labctl):
    station, end = served_station
    recorded = labctl("run", *RUN, "-s", station, "--json")
    assert recorded.code == 0, recorded.err
    end()
    replaying = homes / "replaying.toml"
    text = re.sub(r'visa_library = ".*"', 'visa_library = "traffic.jsonl@replay"', station.read_text())
    replaying.write_text(re.sub(r"bench = .*\n", "", text))

    replayed = labctl("run", *RUN, "-s", replaying, "--json")
    assert replayed.code == 0, replayed.err
    first, second = (open_run(answer.json()["run_id"]) for answer in (recorded, replayed))
    assert len(first.rows()) > 20
    # the times of the rack, too: the recorder's clock is that of the operations
    assert second.rows() == first.rows()
    assert second.header["simulated"] is True
    assert second.header["replay_of"] == str(homes / "traffic.jsonl")
    assert any("nothing measured" in text for text in second.events()["message"])
    assert first.header["replay_of"] is None

    lines = Path("traffic.jsonl").read_text().splitlines(keepends=True)
    number = next(n for n, line in enumerate(lines, start=1) if n > len(lines) // 2 and '"op":"w"' in line)
    written = json.loads(lines[number - 1])["d"]
    edited = written.replace(written[0], chr(ord(written[0]) + 1), 1)
    lines[number - 1] = lines[number - 1].replace(json.dumps(written)[1:-1], json.dumps(edited)[1:-1])
    Path("traffic.jsonl").write_text("".join(lines))

    refused = labctl("run", *RUN, "-s", replaying)
    assert refused.code == 3
    assert f"line {number} was changed after it was recorded: it says write {edited[:20]!r}"[:-1] in refused.err
    assert f"before one byte of it was changed write {written[:20]!r}"[:-1] in refused.err
    # nothing is connected: neither a power cable nor an output is to be looked after
    assert "check power" not in refused.err
    assert "NOT VERIFIED OFF" not in refused.err

    # what was changed on purpose is replayed as it stands
    lines[0] = re.sub(r',"c":\d+', "", lines[0])
    Path("traffic.jsonl").write_text("".join(lines))
    refused = labctl("run", *RUN, "-s", replaying)
    assert refused.code == 3
    assert f"line {number}: the recording writes {edited[:20]!r}"[:-1] in refused.err
    assert f"got {written[:20]!r}"[:-1] in refused.err
    assert "NOT VERIFIED OFF" not in refused.err


def test_recording_is_refused_when_the_file_exists(homes, labctl):
    station = homes / "station.toml"
    source = Path(__file__).parents[2] / "data" / "labctl_data" / "stations" / "tiox-32x32.toml"
    station.write_text(source.read_text().replace('"tiox-32x32@labctl"', '"record:t.jsonl>tiox-32x32@labctl"'))
    Path("t.jsonl").write_text("precious")
    answer = labctl("run", "read_array", "-s", station, "-p", "cells=0,0")
    assert answer.code == 2
    assert "never written over" in answer.err
    assert Path("t.jsonl").read_text() == "precious"
