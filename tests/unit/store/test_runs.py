"""Authority: the contract of the data root and of references to runs."""

import subprocess
import sys
import time

import pytest

from labctl.errors import StoreError
from labctl.store import RunHeader, RunWriter, data_root, list_runs, open_run
from labctl.store import process as process_module
from labctl.store.process import ProcessMark, is_alive, this_process


def make_run(root, procedure="read_array"):
    writer = RunWriter.create(root, RunHeader(procedure, ["Row"]))
    writer.seal("finished", {})
    return writer.run_id


def test_data_root_follows_argument_then_environment_then_home_when_chosen(tmp_path, monkeypatch):
    monkeypatch.setenv("LABCTL_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("LABCTL_DATA_ROOT", raising=False)
    assert data_root() == tmp_path / "home" / "runs"
    monkeypatch.setenv("LABCTL_DATA_ROOT", str(tmp_path / "data"))
    assert data_root() == tmp_path / "data"
    assert data_root(tmp_path / "here") == tmp_path / "here"
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="must be a folder"):
        data_root(tmp_path / "file")


def test_open_run_takes_id_prefix_path_and_latest_when_unique(tmp_path):
    run_id = make_run(tmp_path)
    path = tmp_path / f"{run_id}.run.sqlite"
    for reference in (run_id, run_id[:-2], path, str(path), "latest"):
        assert open_run(reference, tmp_path).run_id == run_id


def test_open_run_lists_what_there_is_when_reference_is_wrong(tmp_path):
    with pytest.raises(StoreError, match="there is no run here yet"):
        open_run("latest", tmp_path)
    ids = [make_run(tmp_path), make_run(tmp_path)]
    with pytest.raises(StoreError, match=rf"means 2 runs .*{max(ids)}"):
        open_run(ids[0][:4], tmp_path)
    with pytest.raises(StoreError, match=rf"'nope': no such run .*{max(ids)}"):
        open_run("nope", tmp_path)
    with pytest.raises(StoreError, match="no such run file"):
        open_run(tmp_path / "gone.run.sqlite")


def test_list_runs_is_empty_when_folder_does_not_exist(tmp_path):
    assert list_runs(tmp_path / "nothing") == []


def test_run_file_is_refused_when_it_is_of_another_kind_or_newer(tmp_path):
    import sqlite3

    run_id = make_run(tmp_path)
    path = tmp_path / f"{run_id}.run.sqlite"
    for pragma, rule in (("user_version = 99", "schema 99.*newer labctl"), ("application_id = 1", "not a run file")):
        connection = sqlite3.connect(path)
        connection.execute(f"PRAGMA {pragma}")
        connection.close()
        with pytest.raises(StoreError, match=rule):
            open_run(path)


def test_process_is_alive_only_when_it_is_the_very_same(monkeypatch):
    here = this_process()
    assert is_alive(here)
    assert not is_alive(ProcessMark("elsewhere", here.pid, here.mark))
    assert not is_alive(ProcessMark(here.host, here.pid, here.mark + "0"))
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    mark = process_module._mark(child.pid)
    assert is_alive(ProcessMark(here.host, child.pid, mark))
    child.kill()
    child.stdin.close()
    # killed but not yet waited for it is a zombie; proc(5), state Z
    deadline = time.monotonic() + 60
    while is_alive(ProcessMark(here.host, child.pid, mark)) and time.monotonic() < deadline:
        time.sleep(0.001)
    assert not is_alive(ProcessMark(here.host, child.pid, mark))
    child.wait()
    assert not is_alive(ProcessMark(here.host, child.pid, mark))


def test_latest_says_so_when_there_are_only_files_that_cannot_be_read(tmp_path):
    (tmp_path / "20260131-235959-x-1a2b.run.sqlite").write_bytes(b"x" * 100)
    with pytest.raises(StoreError, match=r"none of the 1 run files here can be read; see `labctl verify --all`"):
        open_run("latest", tmp_path)
