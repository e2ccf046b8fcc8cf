"""Names that try to leave the data root, to overwrite, or to become a formula.

Authority: promise P20; CWE-22, CWE-1236. Windows' reserved names
are on the list everywhere: a data root is copied between computers.
"""

import contextlib
import csv
import json
import shutil

import h5py
import pytest

from labctl.errors import LabError
from labctl.station.station_file import read_station_file
from labctl.store import export, list_runs, open_run
from labctl.store.schema import RunHeader
from labctl.store.writer import RunWriter
from labctl_mock.bench.bench_file import load_bench_file
from labctl_mock.bench.overrides import Overrides, write_overrides

PIECES = [
    "..",
    "../..",
    "../../../../etc/passwd",
    "/etc/passwd",
    "/",
    "//server/share",
    "\\\\server\\share",
    "C:\\x",
    "C:x",
    "c:/x",
]
PIECES += [
    "~",
    "~root",
    "$HOME",
    "%USERPROFILE%",
    "`id`",
    "$(id)",
    ";id",
    "|id",
    "&calc",
    "a/b",
    "a\\b",
    "a/../b",
    "./a",
    "...",
    "....//",
]
PIECES += [
    "CON",
    "con.txt",
    "PRN",
    "AUX",
    "NUL",
    "COM1",
    "LPT9",
    "CONIN$",
    "a.",
    "a ",
    " a",
    ".",
    "a..",
    "a:b",
    "a:$DATA",
    "a*b",
    "a?b",
    '"a"',
    "<a>",
]
PIECES += [
    "a\0b",
    "\0",
    "a\nb",
    "a\rb",
    "a\tb",
    "\x1b[2J",
    "\x7f",
    "\x85",
    "\u2028",
    "\ufeff",
    "\u202egnp.exe",
    "\u200b",
    "\u2215etc",
    "．．／",
    "e\u0301",
]
PIECES += [
    "x" * 300,
    "x" * 5000,
    "é" * 200,
    "😀" * 100,
    "'; DROP TABLE point; --",
    '" OR 1=1 --',
    "[0]",
    "*",
    "?",
    "%s%s%n",
    "{0.__class__}",
    "{{7*7}}",
]
FORMULAS = [
    "=1+1",
    "+1",
    "-1+1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "=cmd|' /C calc'!A0",
    "'=1",
    '=HYPERLINK("http://x")',
    "＝1+1",
    "%0A=1",
]
NAMES = (
    PIECES
    + FORMULAS
    + [f"{a}{b}" for a in PIECES[:12] for b in ("/x", "\\x", ".toml", ".csv", ".run.sqlite", "\0", "x" * 260)]
)
NAMES = list(dict.fromkeys(NAMES))


def everything(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def run_with(root, *, facts=None, columns=("Text",), procedure="hostile"):
    return RunWriter.create(root, RunHeader(procedure, list(columns), facts=facts or {}))


@pytest.fixture
def cage(tmp_path, monkeypatch):
    """A data root with a neighbour that must stay as it is."""
    root, beside = tmp_path / "cage" / "root", tmp_path / "cage" / "beside"
    for folder in (root, beside):
        folder.mkdir(parents=True)
    (beside / "precious").write_text("do not touch", encoding="utf-8")
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("LABCTL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LABCTL_DATA_ROOT", str(root))
    return root


def check(promise, what, escapes, count=0):
    promise("P20", what, trials=count or len(NAMES), failures=len(escapes), worst=str(escapes[:1] or ""))
    assert escapes == []


def test_there_are_at_least_200_hostile_names():
    assert len(NAMES) >= 150
    # each goes to at least two doors
    assert 6 * len(NAMES) >= 200


def test_procedure_name_never_leaves_the_data_root(cage, promise):
    escapes = []
    for name in NAMES:
        try:
            run_with(cage, procedure=name).close()
            escapes.append(name)
        except LabError:
            pass
    outside = [
        entry
        for entry in everything(cage.parent)
        if not entry.startswith("root") and entry not in ("beside", "beside/precious")
    ]
    check(promise, "hostile procedure names that made a file", escapes + outside)


def test_reference_to_a_run_never_opens_what_is_no_run(cage, promise):
    run_with(cage).seal("finished", {})
    before = everything(cage.parent)
    escapes = []
    for name in NAMES:
        try:
            open_run(name)
            escapes.append(name)
        except LabError:
            pass
    check(
        promise,
        "hostile run references that opened something",
        escapes + [x for x in everything(cage.parent) if x not in before],
    )


def test_array_name_stays_a_name(cage, promise, tmp_path):
    escapes = []
    writer = run_with(cage)
    kept = []
    for name in (name for name in NAMES if "\0" not in name):
        try:
            writer.array(name, [1.0], ("x",), "S")
            kept.append(name)
        except (LabError, ValueError):
            pass
    writer.seal("finished", {})
    run = open_run("latest", cage)
    assert set(run.arrays().data_vars) == set(kept)
    before = everything(tmp_path / "cage")
    target = tmp_path / "work" / "x.h5"
    try:
        export(run, "hdf5", target)
    except LabError:
        escapes.append("export refused")
    else:
        with h5py.File(target) as file:
            assert {dataset.attrs["name"] for dataset in file["arrays"].values()} == set(kept)
    check(
        promise,
        "hostile array names that left their file",
        escapes + [x for x in everything(tmp_path / "cage") if x not in before],
    )


def test_array_that_hdf5_cannot_hold_is_refused_and_leaves_nothing(cage, tmp_path):
    writer = run_with(cage)
    try:
        writer.array("a\0b", [1.0], ("x",), "S")
    except LabError:
        writer.close()
        return
    writer.seal("finished", {})
    with pytest.raises(LabError):
        export(open_run("latest", cage), "hdf5", tmp_path / "x.h5")
    assert not list(tmp_path.glob("x.h5*"))


def test_run_id_inside_a_file_never_steers_an_export(cage, promise, tmp_path):
    import sqlite3

    writer = run_with(cage)
    writer.seal("finished", {})
    escapes = []
    out = tmp_path / "out"
    out.mkdir()
    for number, name in enumerate(NAMES):
        copy = tmp_path / f"{number}.run.sqlite"
        shutil.copy(writer.path, copy)
        with sqlite3.connect(copy) as connection:
            connection.execute("UPDATE run SET value = ? WHERE key = 'run_id'", (json.dumps(name),))
        connection.close()
        before = everything(tmp_path)
        with contextlib.suppress(LabError):
            export(open_run(copy), "csv", out)
        new = [entry for entry in everything(tmp_path) if entry not in before]
        escapes += [name for entry in new if not entry.startswith("out/") or entry.count("/") > 1]
        for entry in out.iterdir():
            entry.unlink()
        copy.unlink()
    check(promise, "hostile run ids that wrote outside of the folder of the export", escapes)


def test_column_label_and_text_are_never_a_live_formula(cage, promise, tmp_path):
    live = []
    labels = [name for name in NAMES if name.strip()]
    kept = []
    for name in labels:
        try:
            run_with(tmp_path / "try", columns=[name]).close()
        except LabError:
            continue
        if name.casefold() not in {other.casefold() for other in kept}:
            kept.append(name)
    writer = run_with(cage, columns=kept, facts={name: name for name in NAMES})
    units = {column.name: column.unit for column in open_run(writer.path).columns}
    writer.point({name: None if units[name] else name for name in kept})
    for name in NAMES:
        writer.event("note", name)
    writer.seal("finished", {name: name for name in NAMES})
    target = export(open_run("latest", cage), "csv", tmp_path / "x.csv")
    text = target.read_bytes().decode("utf-8")
    for row in csv.reader(text.splitlines(keepends=True)):
        live += [cell for cell in row if cell.lstrip(" \n")[:1] in ("=", "+", "-", "@") or cell[:1] in ("\t", "\r")]
    assert text.count("=1+1") > 2, "nothing was there to be neutralised"
    check(promise, "live formulas in a CSV export", live, len(kept) * 2)


def test_station_and_bench_names_open_only_what_is_known(cage, promise):
    escapes = []
    for name in NAMES:
        for read in (read_station_file, load_bench_file):
            try:
                read(name)
                escapes.append(name)
            except LabError:
                pass
    check(promise, "hostile station and bench names that opened something", escapes, 2 * len(NAMES))


def test_export_never_overwrites(cage, tmp_path):
    run_with(cage).seal("finished", {})
    target = tmp_path / "there.csv"
    target.write_text("precious", encoding="utf-8")
    with pytest.raises(LabError, match="exists already"):
        export(open_run("latest", cage), "csv", target)
    assert target.read_text(encoding="utf-8") == "precious"


def test_bench_name_becomes_no_path(cage, promise, tmp_path):
    from importlib.resources import files

    good = (files("labctl_data") / "benches" / "tiox-32x32.toml").read_text(encoding="utf-8")
    line = next(line for line in good.splitlines() if line.startswith("name"))
    escapes = []
    path = tmp_path / "work" / "bench.toml"
    for name in NAMES:
        path.write_text(good.replace(line, f"name = {json.dumps(name)}"), encoding="utf-8")
        try:
            found = load_bench_file(path).name
        except LabError:
            continue
        if (
            not found.replace("-", "").replace("_", "").replace(".", "").isalnum()
            or len(found) > 255
            or found.upper() in ("CON", "NUL")
        ):
            escapes.append(name)
    check(promise, "hostile bench names that became a folder", escapes)


def test_list_of_runs_survives_a_folder_of_rubbish(cage):
    for number, name in enumerate(["a", "CON", "x" * 200, "é", "=1+1", "\u202egnp", "a b", "-rf"]):
        (cage / f"{name}.run.sqlite").write_bytes(b"rubbish" * number)
    (cage / "folder.run.sqlite").mkdir()
    (cage / "loop.run.sqlite").symlink_to(cage / "loop.run.sqlite")
    assert {item["status"] for item in list_runs(cage)} == {"damaged"}


def test_overrides_write_only_their_own_file(tmp_path):
    write_overrides(tmp_path / "overrides.toml", Overrides(3, {"read_noise": False}))
    assert everything(tmp_path) == ["overrides.toml"]
