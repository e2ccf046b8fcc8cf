"""Authority: the issue, "notes and tags", and its rule that a sealed run file is never changed."""

import pytest

from labctl.errors import StoreError
from labctl.store import RunHeader, RunWriter
from labctl.store.notes import Notes, notes_of, read_notes, write_notes
from labctl.store.spool import lay_out, spool_of


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setenv("LABCTL_HOME", str(tmp_path / "home"))
    writer = RunWriter.create(tmp_path / "runs", RunHeader("read_array", ["Row"]))
    writer.seal("finished", {})
    return writer.path


def test_notes_read_back_and_leave_the_run_file_as_it_was_when_written(path):
    before = path.read_bytes()
    assert read_notes(path) == Notes()
    write_notes(path, Notes("  needle slipped: 5 µm\nsecond line ", ("bad-contact", "corner", "corner")))
    assert read_notes(path) == Notes("needle slipped: 5 µm\nsecond line", ("bad-contact", "corner"))
    assert path.read_bytes() == before
    assert [item.name for item in path.parent.iterdir() if ".part" in item.name] == []
    write_notes(path, Notes())
    assert read_notes(path) == Notes()
    assert not notes_of(path).exists()


@pytest.mark.parametrize("tag", ["", "two words", "a,b", "tab\t"])
def test_tag_is_refused_when_it_is_not_one_word(path, tag):
    write_notes(path, Notes("kept", ("good",)))
    with pytest.raises(StoreError, match="one word without spaces and commas"):
        write_notes(path, Notes("lost", (tag,)))
    assert read_notes(path) == Notes("kept", ("good",))


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"text": "x"}', '{"text": "x", "tags": ["a b"]}', '{"text": 1, "tags": 3}']
)
def test_notes_are_refused_with_a_remedy_when_their_file_is_wrong(path, text):
    notes_of(path).write_text(text, encoding="utf-8")
    with pytest.raises(StoreError):
        read_notes(path)


def test_notes_are_refused_when_there_is_no_run(path):
    with pytest.raises(StoreError, match="no such run file"):
        write_notes(path.with_name("gone.run.sqlite"), Notes("x"))


def test_notes_lie_in_the_data_root_when_the_run_grows_in_the_spool(path):
    root = path.parent
    spool = spool_of(root)
    lay_out(spool, root)
    moved = path.rename(spool / path.name)
    write_notes(moved, Notes("still growing"))
    assert notes_of(moved).parent == root
    moved.rename(path)
    assert read_notes(path) == Notes("still growing")
