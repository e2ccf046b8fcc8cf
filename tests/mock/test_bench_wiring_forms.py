"""Wiring without a matrix and with two of them. Authority: the schema in data/labctl_data/benches/README.md."""

import re
from importlib.resources import files
from pathlib import Path

import pytest

from labctl.errors import StationError
from labctl_mock.bench.bench import Bench
from labctl_mock.bench.bench_file import bench_names, load_bench_file
from labctl_mock.bench.wiring_entry import ControlEntry, DirectEntry

FOLDER = Path(__file__).parent
BENCHES = ("single-device", "single-device-2400", "ecram-32x32", "hfo2-1t1r-64x64", "domain-wall")


def text_of(name):
    own = FOLDER / f"{name}.toml"
    if own.exists():
        return own.read_text(encoding="utf-8")
    return (files("labctl_data") / "benches" / f"{name}.toml").read_text(encoding="utf-8")


@pytest.fixture
def change(tmp_path):
    """Return a function that writes a bench with texts replaced and gives the path."""

    def write(name, *changes):
        text = text_of(name)
        for old, new in changes:
            assert old in text, f"{name} changed; adapt this test"
            text = text.replace(old, new, 1)
        path = tmp_path / "changed.toml"
        path.write_text(text, encoding="utf-8", newline="\n")
        return path

    return write


@pytest.mark.parametrize("name", BENCHES)
def test_packaged_bench_opens_and_has_its_serials_and_sources(name, tmp_path):
    assert name in bench_names()
    # the numbers that the station files of the same names carry
    serials = {
        "Keithley2450": "04500001",
        "Keithley2400": "1240001",
        "Keysight33622A": "MY00000001",
        "LakeShore335": "LSA0001",
    }
    numbered = {"smu1": "4400001", "smu2": "4400002", "mat1": "1400001", "mat2": "1400002"}
    with Bench.open(name, home=tmp_path) as bench:
        for key, own in bench._file.instruments.items():
            assert own.serial == serials.get(own.model, numbered.get(key))
            assert "192.0.2." in own.resource or own.resource in ("GPIB0::24::INSTR", "GPIB0::12::INSTR")
        assert bench.truth()["conductance_s"].shape == (bench._file.die.rows, bench._file.die.columns)
        wires = bench._file.die.wires
        for number in (wires.word_segment_ohm, wires.bit_contact_ohm):
            assert len(number.source) > 10


def test_direct_and_control_tables_are_read_when_given():
    assert load_bench_file("domain-wall").wiring == DirectEntry("smu1.a", "ground", "gen1.1")
    entry = load_bench_file(FOLDER / "transistors-3x2.toml").wiring
    assert entry.word_lines == ("112",)
    rows = {"A": "smu2.a", "B": "smu2.b", "E": "ground"}
    assert entry.control == ControlEntry("mat2", rows, ("101", "102", "103"), True)
    assert load_bench_file("tiox-32x32").wiring.control is None


LINES = '\nlines = ["101", "102"]'
DIRECT = 'word = "smu1.a"\nbit = "ground"'


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("rows = 1", "rows = 2", "wiring.direct.word: without a matrix the die is one cell, got 2 by 1; name a matrix"),
        (DIRECT, 'word = "smu1.a"', "wiring.direct.bit: missing; add it"),
        (
            DIRECT,
            'word = "ground"\nbit = "smu1.a"',
            'wiring.direct.word: must be "<instrument>.<channel>" of smu1, tc1, got',
        ),
        (DIRECT, 'word = "smu1.a"\nbit = "smu1.a"', "wiring.direct.word: 'smu1.a' hangs on more than one end"),
        (
            DIRECT,
            DIRECT + '\ngate = "x"',
            "wiring.direct.gate: unknown key in the table wiring.direct; known keys are bit,",
        ),
        (DIRECT, 'word = "smu9.a"\nbit = "ground"', "wiring.direct.word: must be"),
        ("[wiring.direct]", '[wiring]\nmatrix = "smu1"\n[wiring.direct]', "wiring.matrix: has no meaning beside"),
        ("columns = 1", 'columns = 1\ntemperature = { value = 25, unit = "C", source = "x" }', 'must be "K", got "C"'),
        ('parts = "parts_assumed"', "parts = 3", "die.parts: must be a string, got 3"),
    ],
)
def test_wrong_key_is_named_when_a_direct_wiring_breaks_a_rule(change, old, new, message):
    with pytest.raises(StationError, match=re.escape(message)):
        load_bench_file(change("single-device", (old, new)))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('matrix = "mat2"', 'matrix = "mat1"', "wiring.control.matrix: 'mat1' carries the word and bit lines"),
        ('matrix = "mat2"', 'matrix = "mat3"', "wiring.control.matrix: no instrument 'mat3'; there are smu1, smu2"),
        (LINES, '\nlines = ["101"]', "wiring.control.lines: must name 2 matrix columns, one a row"),
        (LINES, '\nlines = ["101", "101"]', "a matrix column takes one wire, used twice: 101"),
        (LINES, '\nlines = ["101", "113"]', "columns are 101 to 112 ... 601 to 612, got '113'"),
        ('A = "smu2.a"', 'A = "smu1.a"', "wiring.control.rows.A: 'smu1.a' hangs on a row of 'mat1'"),
        ('A = "smu2.a"', 'J = "smu2.a"', "wiring.control.rows.J: no such matrix row; rows are A, B"),
        ('A = "smu2.a"', 'A = "smu2"', 'wiring.control.rows.A: must be "<instrument>.<channel>" of'),
        (LINES, '\nlines = ["101", "102"]\ncommon_source = 1', "common_source: must be true or false"),
        (LINES, '\nlines = ["101", "102"]\ngates = 1', "wiring.control.gates: unknown key"),
    ],
)
def test_wrong_key_is_named_when_a_control_table_breaks_a_rule(change, old, new, message):
    with pytest.raises(StationError, match=re.escape(message)):
        load_bench_file(change("gates-2x3", (old, new)))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('word_lines = ["112"]', 'word_lines = ["111", "112"]', "wiring.word_lines: must name 1 matrix columns of the"),
        ("common_source = true", "common_source = false", "wiring.word_lines: must name 3 matrix columns as the die"),
        ('word_lines = ["112"]', 'identification = "110"\nword_lines = ["112"]', "has no identification resistors"),
    ],
)
def test_wrong_key_is_named_when_a_common_source_plate_is_wired_wrong(change, old, new, message):
    with pytest.raises(StationError, match=re.escape(message)):
        load_bench_file(change("transistors-3x2", (old, new)))


TIOX, ECRAM = 'device = "kim2021_tiox_al2o3"', 'device = "um2024_ecram"'


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        # a wiring that the devices have no use for, and devices that the wiring leaves alone
        ("single-device", [(DIRECT, DIRECT + '\ncontrol = "smu1.b"')], "have two terminals, so nothing to control"),
        ("domain-wall", [('control = "gen1.1"', 'control = "gen1.3"')], "wiring.direct.control: no terminal 'gen1.3'"),
        ("gates-2x3", [(ECRAM, TIOX)], "have two terminals, so nothing to control; remove the control wiring"),
        ("single-device", [(TIOX, ECRAM)], "um2024_ecram have a gate that must be wired; add [wiring.direct] control"),
        ("domain-wall", [('control = "gen1.1"', "")], "have a track that must be wired; add [wiring.direct] control ="),
        ("transistors-3x2", [('"stanford_hfo2"', '"um2024_ecram"')], "wiring.control.common_source: only cells with a"),
        ("gates-2x3", [(ECRAM, 'device = "dhull2024_domain_wall"')], "wiring.control: a track is no gate"),
        ("gates-2x3", [('B = "smu2.b"', 'B = "smu2.c"')], "wiring.control.rows.B: no terminal 'smu2.c'; there are"),
    ],
)
def test_bench_is_refused_when_wiring_and_devices_do_not_fit(change, tmp_path, name, changes, message):
    with pytest.raises(StationError, match=re.escape(message)) as caught:
        Bench.open(change(name, *changes), home=tmp_path)
    assert "changed.toml" in str(caught.value)
