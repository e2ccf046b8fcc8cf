"""Authority: RFC 4180 through Python's csv reader; pyarrow and h5py for their formats; floats compared to the bit."""

import csv
import hashlib
import io
import json
import struct

import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labctl.errors import StoreError
from labctl.store import RunHeader, RunWriter, export, open_run

COLUMNS = ("Row", "Rate (V/s)", "Text", "Mixed", "Whole", "=Label")
FLOATS = st.none() | st.floats(allow_nan=False)
TEXTS = st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
ROWS = st.lists(st.tuples(FLOATS, TEXTS, st.one_of(FLOATS, TEXTS, st.integers(-(2**63), 2**63 - 1))), max_size=20)
SETTINGS = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)


def make_run(root, rows, arrays=()):
    writer = RunWriter.create(root, RunHeader("read_array", COLUMNS, station="bench-1", facts={"note": "=1+1\nµ"}))
    for number, (rate, text, mixed) in enumerate(rows):
        writer.point({"Row": number, "Rate (V/s)": rate, "Text": text, "Mixed": mixed, "Whole": number, "=Label": None})
    for name, data, dims, unit in arrays:
        writer.array(name, data, dims, unit)
    writer.event("note", "look")
    writer.seal("finished", {"a": 0.1})
    return open_run(writer.path)


def bits(value):
    return struct.pack("<d", value) if isinstance(value, float) else value


def unguard(text):
    return text[1:] if text.startswith("'") else text


@SETTINGS
@given(rows=ROWS)
def test_csv_reads_back_to_the_bit_when_exported(tmp_path, rows):
    run = make_run(tmp_path, rows)
    path = export(run, "csv", tmp_path / f"{run.run_id}.csv")
    data = path.read_bytes()
    *_, last = data.rstrip(b"\r\n").rpartition(b"\r\n")
    body = data[: -len(last) - 2]
    assert last.decode() == f"# END rows={len(rows)} sha256={hashlib.sha256(body).hexdigest()}"
    text = body.decode("utf-8")
    comments = 0
    while text.startswith("# "):
        _, _, value = text.partition("\r\n")[0][2:].partition(": ")
        json.loads(value)
        text = text.partition("\r\n")[2]
        comments += 1
    assert comments > 10
    header, *cells = csv.reader(io.StringIO(text, newline=""))
    assert [unguard(name) for name in header] == list(COLUMNS)
    assert len(cells) == len(rows)
    for line, (rate, written, _) in zip(cells, rows, strict=True):
        assert bits(float(line[1])) == bits(rate) if rate is not None else line[1] == ""
        assert unguard(line[2]) == (written or "")


def test_csv_text_is_no_formula_when_it_looks_like_one(tmp_path):
    texts = ["=cmd|' /C calc'!A0", "+1", "-1", "@x", "\tx", "\rx", "'quoted", "plain"]
    run = make_run(tmp_path, [(-1e-9, text, None) for text in texts])
    lines = csv.reader(io.StringIO(export(run, "csv", tmp_path / "x.csv").read_bytes().decode(), newline=""))
    cells = [line for line in lines if len(line) == len(COLUMNS)]
    assert cells[0][5] == "'=Label"
    assert [line[2] for line in cells[1:]] == ["'" + text for text in texts[:-1]] + ["plain"]
    # numbers stay numbers
    assert {line[1] for line in cells[1:]} == {"-1e-09"}


@SETTINGS
@given(rows=ROWS)
def test_parquet_reads_back_to_the_bit_when_exported(tmp_path, rows):
    run = make_run(tmp_path, rows)
    table = pq.read_table(export(run, "parquet", tmp_path / f"{run.run_id}.parquet"))
    assert table.schema.metadata[b"labctl"]
    assert table.schema.field("Rate (V/s)").metadata[b"units"] == b"V/s"
    assert [bits(value) for value in table["Rate (V/s)"].to_pylist()] == [bits(rate) for rate, _, _ in rows]
    assert table["Text"].to_pylist() == [text for _, text, _ in rows]
    assert decoded(table["Mixed"].to_pylist(), table.schema.field("Mixed").metadata[b"encoding"]) == [
        bits(mixed) for _, _, mixed in rows
    ]
    provenance = json.loads(table.schema.metadata[b"labctl"])
    assert (provenance["run_id"], provenance["status"], provenance["station"]) == (run.run_id, "finished", "bench-1")


def test_parquet_keeps_whole_numbers_when_some_rows_have_none(tmp_path):
    run = make_run(tmp_path, [(1.0, None, 7), (2.0, None, None), (3.0, None, 2**62)])
    table = pq.read_table(export(run, "parquet", tmp_path / "x.parquet"))
    assert table.schema.field("Mixed").type == "int64"
    assert table["Mixed"].to_pylist() == [7, None, 2**62]


def decoded(values, encoding):
    if encoding == b"json":
        values = [None if value is None else json.loads(value) for value in values]
    return [bits(value) for value in values]


@SETTINGS
@given(rows=ROWS)
def test_hdf5_reads_back_to_the_bit_when_exported(tmp_path, rows):
    run = make_run(tmp_path, rows)
    with h5py.File(export(run, "hdf5", tmp_path / f"{run.run_id}.h5")) as file:
        rate = file["points/Rate (V per s)"]
        assert (rate.attrs["name"], rate.attrs["units"]) == ("Rate (V/s)", "V/s")
        expected = [float("nan") if value is None else value for value, _, _ in rows]
        assert [bits(value) for value in rate[:].tolist()] == [bits(value) for value in expected]
        text = file["points/Text"]
        found = [value.decode("utf-8") for value in text[:].tolist()]
        assert [None if value == text.attrs["null"] else value for value in found] == [text for _, text, _ in rows]


def test_hdf5_holds_arrays_events_and_provenance_when_exported(tmp_path):
    rng = np.random.default_rng(1)
    values = rng.normal(size=(3, 4))
    arrays = [
        ("conductance", values, ("row", "column"), "S"),
        ("reason", np.array([["a", "µ"]]), ("one", "two"), "1"),
    ]
    run = make_run(tmp_path, [(1.0, "<null>", 3), (2.0, None, "x")], arrays)
    with h5py.File(export(run, "hdf5", tmp_path)) as file:
        assert file.attrs["run_id"] == run.run_id
        np.testing.assert_array_equal(file["arrays/conductance"][:], values)
        assert [dim.label for dim in file["arrays/conductance"].dims] == ["row", "column"]
        assert file["arrays/conductance"].attrs["units"] == "S"
        assert file["arrays/reason"][0, 1].decode() == "µ"
        assert json.loads(file["events"][0])[0]["message"] == "look"
        provenance = json.loads(file["provenance"][0])
        assert (provenance["results"], provenance["note"]) == ({"a": 0.1}, "=1+1\nµ")
        text = file["points/Text"]
        assert text.attrs["null"] != "<null>"
        assert text[0] == b"<null>"
        assert [json.loads(value) for value in file["points/Mixed"][:]] == [3, "x"]


def test_export_is_named_after_the_run_when_a_folder_is_given(tmp_path, monkeypatch):
    run = make_run(tmp_path, [])
    (tmp_path / "out").mkdir()
    assert export(run, "csv", tmp_path / "out") == tmp_path / "out" / f"{run.run_id}.csv"
    monkeypatch.chdir(tmp_path)
    assert export(run, "csv").name == f"{run.run_id}.csv"


def test_export_leaves_nothing_when_it_is_refused(tmp_path):
    run = make_run(tmp_path, [])
    (tmp_path / "taken.csv").write_text("mine", encoding="utf-8")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(StoreError, match="choose one of csv, parquet, hdf5"):
        export(run, "xlsx", tmp_path / "a")
    with pytest.raises(StoreError, match="exists already"):
        export(run, "csv", tmp_path / "taken.csv")
    for to in ("csv", "hdf5", "parquet"):
        with pytest.raises(StoreError, match="cannot be written"):
            export(run, to, tmp_path / "nowhere" / "a.csv")
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / "taken.csv").read_text(encoding="utf-8") == "mine"


ARRAYS = (
    ("width", np.array([1e-6, 1e-5]), ("width",), "s"),
    ("moves", np.array([[1, 2], [3, 4]]), ("cell", "width"), "1"),
    ("a/b", np.array([True, False]), ("cell",), "1"),
)


def test_hdf5_holds_an_array_that_is_named_like_its_dimension(tmp_path):
    path = export(make_run(tmp_path, [], ARRAYS), "hdf5", tmp_path / "run.h5")
    with h5py.File(path) as file:
        assert set(file["arrays"]) == {"width", "moves", "a per b"}
        assert file["arrays/width"][:].tolist() == [1e-6, 1e-5]


def test_netcdf_gives_points_and_arrays_back_to_the_bit(tmp_path):
    import xarray as xr

    rows = [(0.1, "=x", 1), (None, None, "two"), (1e-300, "µ", 2.5)]
    run = make_run(tmp_path, rows, ARRAYS)
    path = export(run, "netcdf", tmp_path / "run.nc")
    with xr.open_dataset(path, engine="h5netcdf") as found:
        assert found["width"].values.tolist() == [1e-6, 1e-5]
        assert found["width"].attrs["units"] == "s"
        assert found["moves"].dims == ("cell", "width")
        assert found["moves"].values.tolist() == [[1, 2], [3, 4]]
        assert found["moves"].dtype == np.int64
        assert found["a per b"].values.tolist() == [1, 0]
        rate = found["point Rate (V per s)"]
        assert [bits(value) for value in rate.values[[0, 2]].tolist()] == [bits(0.1), bits(1e-300)]
        assert np.isnan(rate.values[1])
        assert (rate.attrs["units"], rate.attrs["long_name"]) == ("V/s", "Rate (V/s)")
        assert found["point Text"].values.tolist() == ["=x", "", "µ"]
        assert [json.loads(text) for text in found["point Mixed"].values.tolist()] == [1, "two", 2.5]
        assert found["point Whole"].values.tolist() == [0, 1, 2]
        assert found.attrs["run_id"] == run.run_id
        assert json.loads(found.attrs["provenance"])["note"] == "=1+1\nµ"
        assert json.loads(found.attrs["events"])[-1]["message"] == "look"


def test_netcdf_of_a_run_without_points_is_whole(tmp_path):
    import xarray as xr

    path = export(make_run(tmp_path, []), "netcdf", tmp_path / "run.nc")
    with xr.open_dataset(path, engine="h5netcdf") as found:
        assert found.sizes["point"] == 0
