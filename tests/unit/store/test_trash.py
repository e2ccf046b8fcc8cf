"""Authority: the issue, "delete to trash"; nothing is lost, and a run that is running stays."""

import pytest

from labctl.errors import RunError, StoreError
from labctl.store import Run, RunHeader, RunWriter
from labctl.store import trash as trash_module
from labctl.store.connection import log_of
from labctl.store.notes import Notes, read_notes, write_notes
from labctl.store.trash import restore_run, trash_run, trashed_runs


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("LABCTL_HOME", str(tmp_path / "home"))
    return tmp_path / "runs"


def begin(root):
    writer = RunWriter.create(root, RunHeader("read_array", ["Row"]))
    writer.point({"Row": 3})
    writer.flush()
    return writer


def ended(root):
    writer = begin(root)
    writer.seal("finished", {})
    return writer.path


def test_run_comes_back_with_notes_when_restored(root):
    path = ended(root)
    content = path.read_bytes()
    write_notes(path, Notes("look again", ("odd",)))
    there = trash_run(path)
    assert there.parent.name == ".trash"
    assert [item.name for item in root.iterdir()] == [".trash"]
    assert trashed_runs(root) == {path.name.removesuffix(".run.sqlite"): there}
    assert restore_run(there) == path
    assert path.read_bytes() == content
    assert read_notes(path) == Notes("look again", ("odd",))
    assert list((root / ".trash").iterdir()) == []


def test_run_stays_when_it_is_running(root):
    writer = begin(root)
    with pytest.raises(RunError, match="is running"):
        trash_run(writer.path)
    assert writer.path.is_file()
    writer.seal("finished", {})
    trash_run(writer.path)


def test_interrupted_run_keeps_its_last_points_when_it_went_through_the_trash(root, monkeypatch):
    writer = begin(root)
    monkeypatch.setattr("labctl.store.reader.is_alive", lambda process: False)
    assert log_of(writer.path).stat().st_size > 0
    there = trash_run(writer.path)
    assert log_of(there).is_file()
    assert not log_of(writer.path).exists()
    assert Run(there).rows() == [(3,)]
    back = restore_run(there)
    assert Run(back).rows() == [(3,)]


def test_data_root_never_holds_a_run_without_its_log_when_a_move_is_cut(root, monkeypatch):
    writer = begin(root)
    monkeypatch.setattr("labctl.store.reader.is_alive", lambda process: False)
    moved = []
    real = trash_module.os.replace

    def cut(source, target):
        if len(moved) == 1:
            raise OSError("power failed")
        moved.append(source)
        real(source, target)

    monkeypatch.setattr(trash_module.os, "replace", cut)
    with pytest.raises(StoreError, match="power failed"):
        trash_run(writer.path)
    assert not writer.path.exists()
    monkeypatch.setattr(trash_module.os, "replace", real)
    (there,) = trashed_runs(root).values()
    assert Run(restore_run(there)).rows() == [(3,)]


def test_damaged_file_goes_to_the_trash_when_asked(root):
    root.mkdir()
    path = root / "20260131-235959-x-0000.run.sqlite"
    path.write_bytes(b"no run at all")
    assert restore_run(trash_run(path)).read_bytes() == b"no run at all"


def test_nothing_is_written_over_when_the_name_is_taken(root):
    path = ended(root)
    content = path.read_bytes()
    there = trash_run(path)
    path.write_bytes(b"another")
    with pytest.raises(StoreError, match="the trash holds a run of this name"):
        trash_run(path)
    with pytest.raises(StoreError, match="is not written over"):
        restore_run(there)
    assert (path.read_bytes(), there.read_bytes()) == (b"another", content)


def test_only_run_files_are_moved_when_asked_for_others(root):
    path = ended(root)
    other = root / "thesis.txt"
    other.write_text("dear", encoding="utf-8")
    for wrong in (other, root, root / "gone.run.sqlite"):
        with pytest.raises(StoreError, match="no such run file"):
            trash_run(wrong)
    with pytest.raises(StoreError, match="no such run in the trash"):
        restore_run(path)
