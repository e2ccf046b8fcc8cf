"""The sample runs that ship: small, with checksums, simulated. Authority: issue "Replay, and the digital twin"."""

import hashlib
import re
from importlib.resources import files
from pathlib import Path

import pytest

from labctl import script
from labctl.errors import StoreError
from labctl.replay.traffic import TrafficFile
from labctl.store import open_run

FOLDER = Path(str(files("labctl_data"))) / "runs"
RUNS = sorted(path.name.removesuffix(".run.sqlite") for path in FOLDER.glob("*.run.sqlite"))
# as paths of a computer begin, wherever the project lies on it
OURS = ("/home/", "/root/", "/tmp/", "/opt/", "/usr/", "Users", "/labctl_data/")


def test_checksums_are_those_of_the_files_and_name_all_of_them():
    listed = [line.split("  ") for line in (FOLDER / "SHA256SUMS").read_text(encoding="ascii").splitlines()]
    assert {name for _, name in listed} == {path.name for path in FOLDER.iterdir()} - {"README.md", "SHA256SUMS"}
    for checksum, name in listed:
        assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == checksum, name


def test_samples_are_small_and_say_nothing_of_the_computer_that_made_them():
    samples = [path for path in FOLDER.iterdir() if path.name != "README.md"]
    assert sum(path.stat().st_size for path in samples) < 1_500_000
    for path in samples:
        content = path.read_bytes()
        assert [word for word in OURS if word.encode("ascii") in content] == [], path.name


@pytest.mark.parametrize("name", RUNS)
def test_sample_is_whole_finished_and_simulated(name, labctl):
    run = open_run(f"sample:{name}")
    assert (run.status, run.header["simulated"], run.header["procedure"]) == ("finished", True, name)
    checked = labctl("verify", run.path)
    assert checked.code == 0, checked.out + checked.err


def test_sample_that_does_not_exist_is_refused_with_all_there_are():
    with pytest.raises(StoreError, match=f"no such sample run; there are {', '.join(RUNS)}"):
        open_run("sample:sweep")


def test_sample_is_replayed_by_its_name(labctl):
    played = labctl("replay", "sample:sweep_iv", "--speed", "1e6", "-q")
    assert played.code == 0, played.err
    assert played.out.count("\n") == 1 + open_run("sample:sweep_iv").point_count
    rows = sum(len(batch) for batch in script.play("sample:sweep_iv", step=True))
    assert rows == open_run("sample:sweep_iv").point_count


def test_recording_is_simulated_and_answers_instead_of_the_bench(labctl, homes):
    recording = FOLDER / "read_array.jsonl"
    with TrafficFile(recording) as file:
        assert file.header["bench"]["simulated"]
        assert file.is_protected
        assert file.unfinished() == ""
    replayed = labctl("run", "read_array", "-s", "single-device", "--replay", recording, "--json", "-q")
    assert replayed.code == 0, replayed.err
    assert replayed.json()["status"] == "finished"


def test_masked_recording_answers_the_station_that_names_the_true_serial_numbers(labctl, homes):
    masked = homes / "masked.jsonl"
    assert labctl("traffic", "mask", FOLDER / "read_array.jsonl", "-o", masked).code == 0
    text = masked.read_text(encoding="ascii")
    assert "04500001" not in text
    assert "LSA0001" not in text
    replayed = labctl("run", "read_array", "-s", "single-device", "--replay", masked, "--json", "-q")
    assert replayed.code == 0, replayed.err
    plain = labctl("run", "read_array", "-s", "single-device", "--replay", FOLDER / "read_array.jsonl", "--json", "-q")
    first, second = (open_run(answer.json()["run_id"]) for answer in (plain, replayed))
    assert second.rows() == first.rows()


def test_recording_of_another_instrument_is_refused_by_its_serial_number(labctl, homes):
    other = homes / "other.jsonl"
    # on purpose: without its checks
    text = re.sub(r',"c":\d+', "", (FOLDER / "read_array.jsonl").read_text(encoding="ascii"))
    other.write_text(text.replace("LSA0001", "LSA0002"), encoding="ascii")
    refused = labctl("run", "read_array", "-s", "single-device", "--replay", other, "-q")
    assert refused.code != 0
    assert "LSA0001 expected, LSA0002 answered" in refused.err
