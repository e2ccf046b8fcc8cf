"""Every reader is fed files that somebody made to hurt: it refuses in its own words, and nothing else happens.

Authority: promise P20 (nothing executed from a corpus of at least 200 files); CWE-502, CWE-409, CWE-674, CWE-22.
The reading happens in a process of its own that watches itself by an audit hook (hostile_reader.py).
"""

import io
import json
import pickle
import sqlite3
import struct
import subprocess
import sys
import zipfile
import zlib
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from labctl.store.schema import RunHeader
from labctl.store.writer import RunWriter
from labctl_mock.bench.die_store import DieIdentity, save_die

DATA = files("labctl_data")
GOOD = {
    "station": (DATA / "stations" / "tiox-32x32.toml").read_text(encoding="utf-8"),
    "bench": (DATA / "benches" / "tiox-32x32.toml").read_text(encoding="utf-8"),
    "preset": (DATA / "devices" / "kim2021_tiox_al2o3.toml").read_text(encoding="utf-8"),
    "overrides": "schema = 1\nseed = 3\n[effects]\nread_noise = false\n",
}
DEEP = 100_000
TOML_POISON = {
    "deep_array": "x = " + "[" * DEEP,
    "deep_array_closed": "x = " + "[" * 3000 + "]" * 3000,
    "deep_table": "x = " + "{a=" * 3000 + "1" + "}" * 3000,
    "deep_key": ".".join("a" * 3000) + " = 1",
    "deep_head": "[" + ".".join("a" * 3000) + "]",
    "huge_integer": "x = " + "9" * 5000,
    "big_integer": "x = " + "9" * 400,
    "huge_float": "x = 1e999999999",
    "nan": "x = nan",
    "hex": "x = 0x" + "f" * 6000,
    "date": "x = 9999-99-99",
    "control": 'x = "\x01"',
    "nul": "x\x00 = 1",
    "not_closed": 'x = "abc',
    "twice": "x = 1\nx = 2",
    "surrogate": 'x = "\\ud800"',
    "long_line": 'x = "' + "a" * 3_000_000 + '"',
    "many_keys": "\n".join(f"k{i} = {i}" for i in range(20_000)),
    "python": "x = \"!!python/object/apply:os.system ['touch evil']\"",
    "jinja": 'x = "{{ cycler.__init__.__globals__ }}"',
}
# key = value lines that take the place of the good value
VALUES = [
    "nan",
    "inf",
    "-inf",
    "-1",
    "0",
    "1e308",
    "9" * 400,
    "true",
    '""',
    "[]",
    "{}",
    "[[[[]]]]",
    '"../../../../etc/passwd"',
    '"/etc/passwd"',
    '"evil_module"',
    '"evil_module:Evil"',
    '"os.system"',
    '"C:\\\\Windows\\\\win.ini"',
    '"CON"',
    '"a\\u0000b"',
    '"' + "a" * 300 + '"',
    '"\\u202Egnp.exe"',
    "1979-05-27T07:32:00Z",
    "\"__import__('evil_module')\"",
    '"file:///etc/passwd"',
    "\"=cmd|' /C calc'!A0\"",
]


def toml_files():
    """Poison before and behind each good file, and each of its values replaced in turn."""
    for kind, good in GOOD.items():
        for name, poison in TOML_POISON.items():
            yield kind, f"{name}_head.toml", poison + "\n" + good
            yield kind, f"{name}_tail.toml", good + "\n" + poison
        lines = good.splitlines()
        places = [i for i, line in enumerate(lines) if " = " in line and not line.lstrip().startswith("#")]
        for count, place in enumerate(places):
            key, _, _ = lines[place].partition(" = ")
            value = VALUES[count % len(VALUES)]
            yield kind, f"value_{count}.toml", "\n".join([*lines[:place], f"{key} = {value}", *lines[place + 1 :]])
        for count, value in enumerate(VALUES):
            place = places[count * 7 % len(places)]
            key, _, _ = lines[place].partition(" = ")
            yield kind, f"other_{count}.toml", "\n".join([*lines[:place], f"{key} = {value}", *lines[place + 1 :]])
        for count in range(8):
            yield kind, f"cut_{count}.toml", good[: len(good) * count // 8]
        yield kind, "latin.toml", (good + "# \xe9").encode("latin-1")
        yield kind, "utf16.toml", good.encode("utf-16")
        yield kind, "zeros.toml", b"\0" * 100_000
        yield kind, "pickle.toml", pickle.dumps({"schema": 1})


def csv_files():
    texts = {
        "long_digits": "9" * 5000 + ",1\n1,1\n",
        "long_field": "1" * 200_000 + ",1\n1,1\n",
        "quoted_field": '"' + "1" * 200_000 + '",1\n1,1\n',
        "open_quote": '"1,1\n1,1\n' * 1000,
        "nul": "1,\x001\n1,1\n",
        "formula": "=1+1,1\n1,1\n",
        "nan": "nan,inf\n-inf,1e999\n",
        "underscore": "1_0,1\n1,1\n",
        "arabic": "\u0663,1\n1,1\n",
        "superscript": "\u00b2,1\n1,1\n",
        "fullwidth": "\uff11,1\n1,1\n",
        "hex": "0x1,1\n1,1\n",
        "many_lines": "1,1\n" * 200_000,
        "many_fields": ",".join("1" * 200_000) + "\n1,1\n",
        "carriage": "1,1\r1,1\r",
        "vertical": "1,1\x0b1,1\x0c",
        "bom_twice": "\ufeff\ufeff1,1\n1,1\n",
        "negative_zero": "-0,1\n1,1\n",
        "exponent": "1e-5,1\n1,1\n",
        "empty": "",
        "blank": "\n\n\n",
        "separator": "\u2028".join(["1,1", "1,1"]),
        "python": "__import__('evil_module'),1\n1,1\n",
    }
    for kind in ("target", "mask"):
        for name, text in texts.items():
            yield kind, f"{name}.csv", text
        yield kind, "bytes.csv", bytes(range(256)) * 100
        yield kind, "utf16.csv", "1,1\n1,1\n".encode("utf-16")


class Evil:
    """What runs if anybody unpickles it."""

    def __reduce__(self):
        return exec, ("open('evil_ran', 'w').close()",)


def npy(array_header, payload=b""):
    text = array_header.encode() + b" " * (-(len(array_header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + payload


def plain_npy(array):
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.asarray(array), allow_pickle=True)
    return stream.getvalue()


def archive(members, *, method=zipfile.ZIP_DEFLATED):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as zipped:
        for name, data in members:
            zipped.writestr(name, data)
    return stream.getvalue()


def header_npy(**changes):
    found = {"schema": 1, "time_s": 0.0, "bench": "b", "device": "d", "rows": 2, "columns": 2, "seed": 1} | changes
    return plain_npy(np.array(json.dumps(found)))


def die_files():
    shape = "{'descr': '<f8', 'fortran_order': False, 'shape': (%s,), }"
    evil = np.array([Evil()], dtype=object)
    good = header_npy()
    yield "die", "object.npz", archive([("labctl_header.npy", good), ("a.npy", plain_npy(evil))])
    yield "die", "header_object.npz", archive([("labctl_header.npy", plain_npy(evil))])
    yield "die", "bare_pickle.npz", pickle.dumps(Evil())
    yield "die", "bare_npy.npz", plain_npy(np.zeros(4))
    yield "die", "bare_object.npz", plain_npy(evil)
    # 512 MiB of zeros in half a MiB, and a size that is only claimed
    yield (
        "die",
        "bomb.npz",
        archive([("labctl_header.npy", good), ("a.npy", npy(shape % (1 << 26)) + b"\0" * (1 << 29))]),
    )
    for name, count in (("claimed", 1 << 50), ("negative", -5), ("overflow", 1 << 80)):
        yield "die", f"{name}.npz", archive([("labctl_header.npy", good), ("a.npy", npy(shape % count, b"\0" * 64))])
    for name, text in {
        "call": "{'descr': __import__('evil_module'), 'fortran_order': False, 'shape': (1,), }",
        "deep": "(" * 900,
        "text": "hello",
        "object_descr": "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
        "record": "{'descr': [('a', '|O')], 'fortran_order': False, 'shape': (1,), }",
        "wide": "{'descr': '<U99999999', 'fortran_order': False, 'shape': (1,), }",
    }.items():
        yield "die", f"descr_{name}.npz", archive([("labctl_header.npy", good), ("a.npy", npy(text, b"\0" * 64))])
    for name, text in {
        "deep": "[" * DEEP,
        "number": "1",
        "null": "null",
        "list": "[]",
        "text": '"x"',
        "huge": '{"schema": 1, "time_s": 1' + "0" * 400 + "}",
        "digits": '{"schema": ' + "9" * 5000 + "}",
        "nan": '{"schema": 1, "time_s": NaN, "bench": "b", "device": "d", "rows": 2, "columns": 2, "seed": 1}',
        "extra": '{"schema": 1, "time_s": 0, "__class__": "Evil"}',
        "lists": '{"schema": 1, "time_s": 0, "bench": [], "device": {}, "rows": [], "columns": 2, "seed": 1}',
        "empty": "",
    }.items():
        yield "die", f"json_{name}.npz", archive([("labctl_header.npy", plain_npy(np.array(text)))])
    yield "die", "header_number.npz", archive([("labctl_header.npy", plain_npy(np.arange(3)))])
    yield "die", "header_bytes.npz", archive([("labctl_header.npy", plain_npy(np.array(b"\xff\xfe")))])
    for name in ("../../../evil.npy", "/tmp/evil.npy", "C:\\evil.npy", "a" * 300 + ".npy", "x.pkl", "x.py"):
        yield (
            "die",
            f"member_{len(name)}_{abs(zlib.crc32(name.encode()))}.npz",
            archive([("labctl_header.npy", good), (name, plain_npy(np.zeros(2)))]),
        )
    whole = archive([("labctl_header.npy", good), ("a.npy", plain_npy(np.zeros(2)))])
    for count in range(12):
        yield "die", f"cut_{count}.npz", whole[: len(whole) * count // 12]
    for place in range(0, len(whole), 23):
        yield "die", f"flip_{place}.npz", whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :]
    # the two bytes of the compression method, and the flag "encrypted", in both headers
    for what, old, new in (("method", 8, 99), ("encrypted", 6, 1)):
        data = bytearray(whole)
        at, central = whole.index(b"PK\x03\x04"), whole.index(b"PK\x01\x02")
        data[at + old] = new
        data[central + old + 2] = new
        yield "die", f"{what}.npz", bytes(data)


EVIL_NAMES = ["=1+1", "../../x", "/etc/x", "a/b", "a'b\"c;DROP TABLE point", "\u202egnp", "x" * 300, "con", ".", ".."]
RUN_STEPS = {
    "columns_text": "UPDATE run SET value = '\"hello\"' WHERE key = 'columns'",
    "columns_number": "UPDATE run SET value = '7' WHERE key = 'columns'",
    "columns_wide": "UPDATE run SET value = '[[1,2,3]]' WHERE key = 'columns'",
    "columns_unknown": "UPDATE run SET value = '[[\"nothing\", null]]' WHERE key = 'columns'",
    "columns_quote": "UPDATE run SET value = '[[\"a\\\") FROM point; --\", null]]' WHERE key = 'columns'",
    "columns_unit": "UPDATE run SET value = '[[\"Text\", {\"a\": 1}]]' WHERE key = 'columns'",
    "columns_gone": "DELETE FROM run WHERE key = 'columns'",
    "header_no_json": "UPDATE run SET value = '{' WHERE key = 'station'",
    "header_deep": f"UPDATE run SET value = '{'[' * DEEP}' WHERE key = 'station'",
    "header_digits": f"UPDATE run SET value = '{'9' * 5000}' WHERE key = 'station'",
    "header_blob": "UPDATE run SET value = x'ff00' WHERE key = 'station'",
    "header_gone": "DELETE FROM run",
    "station_gone": "DELETE FROM run WHERE key = 'station'",
    "run_id_path": "UPDATE run SET value = '\"../../../evil\"' WHERE key = 'run_id'",
    "run_id_absolute": "UPDATE run SET value = '\"/tmp/evil\"' WHERE key = 'run_id'",
    "run_id_nul": "UPDATE run SET value = '\"a\\u0000b\"' WHERE key = 'run_id'",
    "run_id_list": "UPDATE run SET value = '[]' WHERE key = 'run_id'",
    "segment_gone": "DELETE FROM segment",
    "segment_text": "UPDATE segment SET pid = 'one'",
    "segment_huge": "UPDATE segment SET pid = 9223372036854775807",
    "segment_negative": "UPDATE segment SET pid = -1",
    "segment_path": "UPDATE segment SET pid = '../../etc/passwd'",
    "segment_null_mark": "UPDATE segment SET process = ''",
    "array_object": "UPDATE array SET dtype = '|O'",
    "array_dtype": "UPDATE array SET dtype = 'evil_module'",
    "array_record": "UPDATE array SET dtype = 'i4,O'",
    "array_wide": "UPDATE array SET dtype = '<U999999999'",
    "array_shape": "UPDATE array SET shape = '[1000000000, 1000000000]'",
    "array_shape_text": "UPDATE array SET shape = '\"x\"'",
    "array_shape_negative": "UPDATE array SET shape = '[-1, -1]'",
    "array_dims": 'UPDATE array SET dims = \'["a", "a"]\'',
    "array_dims_text": "UPDATE array SET dims = '{'",
    "array_data": "UPDATE array SET data = x'00'",
    "array_data_text": "UPDATE array SET data = 'hello'",
    "array_crc": "UPDATE array SET crc32 = 'x'",
    "parameter_json": "UPDATE parameter SET value = '{'",
    "instrument_json": "UPDATE instrument SET settings = '{'",
    "seal_json": "UPDATE seal SET results = '{'",
    "seal_status": "UPDATE seal SET status = 'perfect'",
    "seal_rows": "UPDATE seal SET rows = '[]'",
    "event_types": "UPDATE event SET wall_s = 'soon', message = x'ff'",
    "progress_types": "UPDATE progress SET wall_s = 'x', points = 'y'",
    "point_blob": "UPDATE point SET Text = x'ff00ff'",
    "point_text": "UPDATE point SET \"Half (1)\" = 'text'",
    "point_inf": 'UPDATE point SET "Half (1)" = 9e999',
    "point_gone": "DROP TABLE point",
    "array_gone": "DROP TABLE array",
    "seal_gone": "DROP TABLE seal",
    "run_view": "DROP TABLE event; CREATE VIEW event AS SELECT 1 AS seq, randomblob(10) AS utc",
    "endless_view": (
        "ALTER TABLE event RENAME TO e2; CREATE VIEW event AS WITH RECURSIVE c(seq) AS (SELECT 1 UNION ALL SELECT seq+1"
        " FROM c) SELECT seq, '' utc, 0.0 wall_s, 0.0 instrument_s, 0 points, '' kind, '' message FROM c"
    ),
    "version": "PRAGMA user_version = 99",
    "version_negative": "PRAGMA user_version = -3",
    "application": "PRAGMA application_id = 1",
    "trigger": "CREATE TRIGGER t AFTER INSERT ON event BEGIN DELETE FROM point; END",
}


def good_run(folder):
    header = RunHeader("hostile", ["Half (1)", "Text"], facts={"x": 1})
    writer = RunWriter.create(folder, header)
    writer.points([{"Half (1)": i / 2, "Text": "=1+1"} for i in range(20)])
    writer.array("map", np.arange(4.0).reshape(2, 2), ("a", "b"), "S")
    writer.instrument("smu1", "start", {"maker": "m", "model": "n", "serial": "1"}, {"range": 1.0})
    writer.event("warning", "=cmd|' /C calc'!A0")
    writer.seal("finished", {"n": 1})
    return writer.path


def run_files(folder):
    path = good_run(folder)
    whole = path.read_bytes()
    path.unlink()
    for name, script in RUN_STEPS.items():
        copy = folder / "copy.sqlite"
        copy.write_bytes(whole)
        connection = sqlite3.connect(copy)
        connection.executescript(script)
        connection.commit()
        connection.close()
        yield "run", f"{name}.run.sqlite", copy.read_bytes()
        copy.unlink()
    copy = folder / "copy.sqlite"
    copy.write_bytes(whole)
    connection = sqlite3.connect(copy)
    bomb = zlib.compress(b"\0" * (1 << 29), 9)
    connection.execute("UPDATE array SET data = ?", (bomb,))
    connection.commit()
    connection.close()
    yield "run", "bomb.run.sqlite", copy.read_bytes()
    copy.unlink()
    for count in range(10):
        yield "run", f"cut_{count}.run.sqlite", whole[: len(whole) * count // 10]
    chance = np.random.default_rng(20)
    for count in range(40):
        data = bytearray(whole)
        for place in chance.integers(0, len(data), 20):
            data[place] = chance.integers(0, 256)
        yield "run", f"noise_{count}.run.sqlite", bytes(data)
    yield "run", "pickle.run.sqlite", pickle.dumps(Evil())
    yield "run", "text.run.sqlite", b"SQLite format 3\0" + b"\xff" * 5000
    yield "run", "zip.run.sqlite", archive([("a", b"\0" * 1000)])


@pytest.mark.slow
def test_nothing_but_a_refusal_comes_of_a_hostile_file(tmp_path, promise):
    corpus, out = tmp_path / "corpus", tmp_path / "out"
    for folder in (corpus, out, tmp_path / "runs"):
        folder.mkdir()
    (corpus / "evil_module.py").write_text("open('evil_ran', 'w').close()\n", encoding="utf-8")
    manifest = {"good": [], "hostile": []}
    run = good_run(tmp_path / "runs")
    save_die(corpus / "good.npz", DieIdentity("b", "d", 2, 2, 1), time_s=0.0, arrays={"a": np.zeros(2)})
    for kind, text in GOOD.items():
        (corpus / f"good_{kind}.toml").write_text(text, encoding="utf-8")
        manifest["good"].append([kind, f"good_{kind}.toml"])
    (corpus / "good.csv").write_text("0,1\n1,0\n", encoding="utf-8")
    (corpus / "good.run.sqlite").write_bytes(run.read_bytes())
    manifest["good"] += [["target", "good.csv"], ["mask", "good.csv"], ["die", "good.npz"], ["run", "good.run.sqlite"]]
    manifest["good"] += [["verify", "good.run.sqlite"], ["recover", "good.run.sqlite"]]
    run.unlink()
    for kind, name, content in (*toml_files(), *csv_files(), *die_files(), *run_files(tmp_path / "runs")):
        path = corpus / f"{kind}_{name}"
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
        kinds = ("run", "verify", "recover") if kind == "run" else (kind,)
        manifest["hostile"] += [[one, path.name] for one in kinds]
    (corpus / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    before = sorted(path.name for path in corpus.iterdir())
    result = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("hostile_reader.py")), str(corpus), str(out)],
        cwd=corpus,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    report = json.loads(result.stdout.splitlines()[-1])
    promise(
        "P20",
        "files of a hostile corpus that were not simply read or refused, or ran, wrote or connected anything",
        trials=report["files"],
        failures=len(report["problems"]),
        worst=f"{report['slowest_s']:.1f} s, {report['peak_bytes'] >> 20} MiB",
        seed="20",
    )
    assert report["files"] >= 200
    assert sorted(path.name for path in corpus.iterdir()) == before, "a reader wrote beside what it read"
    assert report["problems"] == []
