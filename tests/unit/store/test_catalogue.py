"""Authority: the issue's list of filters, and opening each run file (``Run.summary``) as the truth of its entry."""

import multiprocessing
import os
import shutil
import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest

from labctl.errors import StoreError
from labctl.store import ParameterRecord, Run, RunHeader, RunWriter, list_runs
from labctl.store.catalogue import Catalogue, Mark
from labctl.store.moments import moment_utc
from labctl.store.notes import Notes, write_notes
from labctl.store.rectangles import cells_in, rectangles
from labctl.store.run_entry import RunFilter
from labctl.store.spool import lay_out, spool_of

FIXTURES = Path(__file__).parents[2] / "fixtures"
COLUMNS = ("Row", "Column", "Current (A)", "Flags")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("LABCTL_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def root(tmp_path):
    (tmp_path / "runs").mkdir()
    return tmp_path / "runs"


def begin_run(root, procedure="read_array", *, cells=(), sample="wafer 7", simulated=True, seed=1, parameters=()):
    facts = {"sample": {"name": sample}, "seed": seed}
    header = RunHeader(procedure, COLUMNS, parameters, station="rack", simulated=simulated, facts=facts)
    writer = RunWriter.create(root, header)
    for row, column in cells:
        writer.point({"Row": row, "Column": column, "Current (A)": 1e-6})
    writer.flush()
    return writer


def make_run(root, *arguments, status="finished", **named):
    writer = begin_run(root, *arguments, **named)
    writer.seal(status, {})
    return writer.run_id


def change(path, *statements):
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def ids(root, **wanted):
    with Catalogue(root) as catalogue:
        assert catalogue.refresh() == 0
        return [entry.run_id for entry in catalogue.find(RunFilter(**wanted))]


def test_catalogue_says_of_each_run_what_its_file_says_when_refreshed(root):
    cells = ParameterRecord("cells", "Cells", "0:2,0:2", None, "0:2,0:2")
    make_run(root, cells=[(0, 0), (1, 1)], parameters=[cells])
    make_run(root, "sweep_iv", status="failed", simulated=False, seed=None)
    for file in FIXTURES.glob("*.sqlite"):
        shutil.copy(file, root)
    with Catalogue(root) as catalogue:
        catalogue.refresh()
        found = catalogue.find()
    truth = list_runs(root)
    assert len(found) == len(truth) == 6
    assert [entry.started_utc for entry in found] == sorted((item["started_utc"] for item in truth), reverse=True)
    by_path = {str(entry.path): entry for entry in found}
    for item in truth:
        entry = by_path[item["path"]]
        for name in ("run_id", "procedure", "status", "station", "simulated", "started_utc", "wall_time_s", "points"):
            assert getattr(entry, name) == item[name], name
        assert entry.error == (item["error"] or "")
    read = next(entry for entry in found if entry.cells_text == "0:2,0:2")
    assert (read.sample, read.seed, read.parameters_text) == ("wafer 7", 1, "cells = 0:2,0:2")


def test_each_filter_keeps_what_it_names_when_runs_differ(root):
    first = make_run(root, "read_array", cells=[(3, 4), (3, 5)], sample="wafer 7", seed=1)
    second = make_run(root, "sweep_iv", status="failed", sample="wafer 8", seed=2, cells=[(0, 0)])
    third = make_run(root, "sweep_iv", sample="wafer 8", simulated=False, seed=None)
    write_notes(root / f"{second}.run.sqlite", Notes("Odd Step at 1 V", ("good", "step")))
    assert ids(root) == [third, second, first]
    assert ids(root, procedure="sweep_iv") == [third, second]
    assert ids(root, sample="wafer 7") == [first]
    assert ids(root, status="failed") == [second]
    assert ids(root, simulated=False) == [third]
    assert ids(root, seed=2) == [second]
    assert ids(root, station="rack") == [third, second, first]
    assert ids(root, station="elsewhere") == []
    assert ids(root, cell=(3, 5)) == [first]
    assert ids(root, cell=(4, 5)) == []
    assert ids(root, tags=("step", "good")) == [second]
    assert ids(root, tags=("ste",)) == []
    assert ids(root, text="ODD wafer") == [second]
    assert ids(root, text="odd missing") == []
    assert ids(root, text="100%") == []
    started = {entry.run_id: entry.started_utc for entry in Catalogue(root).find()}
    assert ids(root, since_utc=started[second]) == [third, second]
    assert ids(root, until_utc=started[second]) == [first]
    assert ids(root, procedure="sweep_iv", simulated=True, cell=(0, 0)) == [second]


def test_run_shows_as_running_then_as_it_ended_when_it_grows(root):
    writer = begin_run(root, cells=[(0, 0)])
    with Catalogue(root) as catalogue:
        catalogue.refresh()
        (entry,) = catalogue.find()
        assert (entry.status, entry.points) == ("running", 1)
        writer.point({"Row": 7, "Column": 7})
        writer.flush()
        catalogue.refresh()
        (entry,) = catalogue.find(RunFilter(cell=(7, 7)))
        assert entry.points == 2
        assert catalogue.find(RunFilter(cell=(0, 0)))
        writer.seal("aborted", {}, error="enough")
        catalogue.refresh()
        (entry,) = catalogue.find()
        assert (entry.status, entry.error) == ("aborted", "enough")


def test_run_shows_as_interrupted_when_its_process_is_gone_and_its_file_is_as_it_was(root, monkeypatch):
    writer = begin_run(root)
    with Catalogue(root) as catalogue:
        catalogue.refresh()
        assert catalogue.find()[0].status == "running"
        monkeypatch.setattr("labctl.store.reader.is_alive", lambda process: False)
        catalogue.refresh()
        assert catalogue.find()[0].status == "interrupted"
    writer.seal("finished", {})


def test_file_that_cannot_be_read_is_an_entry_with_a_sentence_when_damaged_foreign_or_newer(root):
    (root / "20260131-235959-x-0000.run.sqlite").write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    (root / "99999999-999999-x-0001.run.sqlite").write_bytes(b"hello")
    (root / "folder.run.sqlite").mkdir()
    os.symlink(root / "nowhere", root / "link.run.sqlite")
    (root / os.fsdecode(b"\xff\xfe.run.sqlite")).write_bytes(b"")
    change(root / "foreign.run.sqlite", "CREATE TABLE a (b)", "PRAGMA application_id = 7")
    newer = make_run(root)
    change(root / f"{newer}.run.sqlite", "PRAGMA user_version = 99")
    with Catalogue(root) as catalogue:
        assert catalogue.refresh() == 0
        found = {os.fsencode(entry.path.name): entry for entry in catalogue.find()}
        assert len(found) == catalogue.total == 7
        statuses = {name: entry.status for name, entry in found.items()}
        assert statuses.pop(os.fsencode(f"{newer}.run.sqlite")) == "newer version"
        assert set(statuses.values()) == {"damaged"}
        assert all(entry.error and not entry.is_readable for entry in found.values())
        assert found[b"20260131-235959-x-0000.run.sqlite"].started_utc.startswith("2026-01-31T23:59:59")
        assert "newer labctl" in found[os.fsencode(f"{newer}.run.sqlite")].error
        before = catalogue.changes(Mark()).mark
        assert catalogue.refresh() == 0
        assert catalogue.changes(before).mark == before


def test_refresh_stops_and_says_what_is_left_when_time_is_up(root):
    made = [make_run(root) for _ in range(5)]
    with Catalogue(root) as catalogue:
        assert catalogue.refresh(within_s=0.0) == 4
        assert catalogue.total == 5
        assert [entry.run_id for entry in catalogue.find()] == [max(made)], "the newest comes first"
        told = []
        assert catalogue.refresh(told=lambda left, total: told.append((left, total))) == 0
        assert told[-1] == (0, 5)


def test_only_changed_files_are_opened_when_catalogue_is_known(root, monkeypatch):
    for _ in range(3):
        make_run(root)
    ids(root)
    opened = []
    monkeypatch.setattr(
        Run, "__init__", lambda self, path: opened.append(path.name) or (_ for _ in ()).throw(StoreError("x"))
    )
    ids(root)
    assert opened == []


def test_notes_and_vanished_files_are_noticed_when_refreshed(root):
    kept, lost = make_run(root), make_run(root)
    with Catalogue(root) as catalogue:
        catalogue.refresh()
        first = catalogue.changes(Mark())
        assert first.is_new
        assert {entry.run_id for entry in first.entries} == {kept, lost}
        write_notes(root / f"{kept}.run.sqlite", Notes("see page 12"))
        (root / f"{lost}.run.sqlite").unlink()
        catalogue.refresh()
        second = catalogue.changes(first.mark)
        assert not second.is_new
        assert second.gone == [f"{lost}.run.sqlite"]
        assert [entry.note for entry in second.entries] == ["see page 12"]
        third = catalogue.changes(second.mark)
        assert (third.mark, third.gone, list(third.entries)) == (second.mark, [], [])
        (root / f"{kept}.notes.json").write_text("{", encoding="utf-8")
        catalogue.refresh()
        assert "cannot be read" in catalogue.find()[0].note


def test_catalogue_is_built_anew_when_it_was_deleted_or_damaged(root):
    run_id = make_run(root)
    with Catalogue(root) as catalogue:
        catalogue.refresh()
        mark = catalogue.changes(Mark()).mark
    assert not list(root.glob("*catalogue*")), "it is no part of the data"
    catalogue.path.write_bytes(b"nonsense" * 1000)
    assert ids(root) == [run_id]
    with Catalogue(root) as anew:
        changes = anew.changes(mark)
        assert changes.is_new
        assert [entry.run_id for entry in changes.entries] == [run_id]


def test_catalogue_is_kept_in_memory_when_its_folder_cannot_be_made(root, home):
    home.mkdir(exist_ok=True)
    (home / "catalogues").write_text("a file where a folder should be", encoding="utf-8")
    run_id = make_run(root)
    assert ids(root) == [run_id]
    assert not Catalogue(root).is_kept


def test_run_is_listed_once_when_it_grows_in_the_spool(root):
    run_id = make_run(root)
    lay_out(spool_of(root), root)
    shutil.copy(root / f"{run_id}.run.sqlite", spool_of(root))
    only = make_run(spool_of(root))
    with Catalogue(root) as catalogue:
        catalogue.refresh()
        assert [(e.run_id, e.path.parent) for e in catalogue.find()] == [(i, spool_of(root)) for i in (only, run_id)]


def test_day_stands_for_its_beginning_or_its_end_when_it_has_no_time():
    def utc(text, **named):
        return datetime.fromisoformat(moment_utc(text, **named))

    assert utc("2026-01-31") == datetime(2026, 1, 31).astimezone()
    assert utc("2026-01-31", is_end=True) == datetime(2026, 2, 1).astimezone()
    assert utc("2026-01-31 14:30", is_end=True) == datetime(2026, 1, 31, 14, 30).astimezone()
    with pytest.raises(ValueError, match="give a day such as 2026-01-31"):
        moment_utc("31.1.2026")


def test_catalogue_is_empty_when_data_root_does_not_exist(tmp_path):
    assert ids(tmp_path / "nothing") == []


def test_header_with_odd_values_is_listed_when_file_was_made_by_others(root):
    run_id = make_run(root)
    change(
        root / f"{run_id}.run.sqlite",
        """UPDATE run SET value = '{"name": "\\ud800"}' WHERE key = 'sample'""",
        "UPDATE run SET value = '1e400' WHERE key = 'seed'",
        """UPDATE run SET value = '"a\\u0000b"' WHERE key = 'procedure'""",
    )
    assert ids(root) == [run_id]
    assert ids(root, text="\ud800") == [run_id]


def refresh_often(root, home):
    os.environ["LABCTL_HOME"] = str(home)
    for _ in range(10):
        with Catalogue(root) as catalogue:
            catalogue.refresh(within_s=0.01)


def test_catalogue_is_right_when_several_processes_refresh_it_at_once(root, home):
    for number in range(12):
        make_run(root, cells=[(number, 0)])
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=refresh_often, args=(root, home)) for _ in range(3)]
    for worker in workers:
        worker.start()
    gone = sorted(root.glob("*.sqlite"))[0]
    gone.unlink()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    found = ids(root)
    assert found == sorted((item["run_id"] for item in list_runs(root)), key=found.index)
    assert len(found) == len(set(found)) == 11
    for entry in Catalogue(root).find():
        ((row, column),) = Run(entry.path).cells_after(0)
        assert ids(root, cell=(row, column)) == [entry.run_id]


def test_rectangles_cover_each_cell_once_when_cells_are_any():
    for cells in (
        {(0, 0)},
        {(r, c) for r in range(4) for c in range(8)},
        {(i, i) for i in range(5)},
        {(0, 0), (0, 1), (1, 0), (1, 1), (2, 1), (4, 0), (4, 1), (4, 3)},
        set(),
    ):
        covered = rectangles(cells)
        assert cells_in(covered) == cells
        assert sum((b - a + 1) * (d - c + 1) for a, b, c, d in covered) == len(cells)
    assert rectangles((r, c) for r in range(32) for c in range(32)) == [(0, 31, 0, 31)]
