"""The bench file is read strictly. Authority: the schema in data/labctl_data/benches/README.md and TOML 1.0."""

import re

import pytest

from labctl.errors import StationError
from labctl_mock.bench.bench_file import bench_names, load_bench_file

PACKAGED = "tiox-32x32"


@pytest.fixture
def write(tmp_path):
    """Return a function that writes the packaged bench with one text replaced and gives the path."""
    from importlib.resources import files

    text = (files("labctl_data") / "benches" / f"{PACKAGED}.toml").read_text(encoding="utf-8")

    def change(old="", new=""):
        assert old in text, "the packaged bench changed; adapt this test"
        path = tmp_path / "changed.toml"
        path.write_text(text.replace(old, new, 1), encoding="utf-8", newline="\n")
        return path

    return change


def test_packaged_bench_loads_when_asked_by_name():
    bench = load_bench_file(PACKAGED)
    assert PACKAGED in bench_names()
    assert (bench.name, bench.seed, bench.die.rows, bench.die.columns) == (PACKAGED, 1, 32, 32)
    assert list(bench.instruments) == ["smu1", "gen1", "mat1"]
    # 7174A cards have 12 columns: word line 12 is the first of slot 2, bit line 0 the ninth of slot 3
    assert bench.wiring.word_lines[12] == "201"
    assert bench.wiring.bit_lines[0] == "309"
    assert bench.wiring.identification_ohm[63].value == pytest.approx(1.63e6)
    assert bench.instruments["mat1"].options["cards"] == ["7174A"] * 6


def test_bench_is_the_same_when_given_by_path(write):
    by_path, by_name = load_bench_file(write()), load_bench_file(PACKAGED)
    assert by_path.wiring == by_name.wiring
    assert by_path.sha256 == by_name.sha256


def test_unknown_name_is_refused_when_no_such_bench():
    with pytest.raises(StationError, match=rf'"nothing".*{PACKAGED}'):
        load_bench_file("nothing")


def test_missing_file_is_refused_when_path_is_wrong(tmp_path):
    with pytest.raises(StationError, match=r"absent\.toml: the bench file cannot be read"):
        load_bench_file(tmp_path / "absent.toml")


def test_syntax_error_names_the_line_when_toml_is_broken(tmp_path):
    path = tmp_path / "broken.toml"
    path.write_text('schema = 1\nname = "x"\nseed = = 2\n', encoding="utf-8")
    with pytest.raises(StationError, match=r"broken\.toml, line 3: not valid TOML"):
        load_bench_file(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "seed = 1",
            "seed = 1\nsede = 2",
            "sede: unknown key in the top level; known keys are die, faults, instruments",
        ),
        ("seed = 1", "", "seed: missing; add it"),
        ("seed = 1", "seed = true", "seed: must be a whole number, got True"),
        ("seed = 1", "seed = -1", "seed: must be from 0"),
        ("schema = 1", "schema = 2", "schema: this labctl reads schema 1, got 2"),
        ('name = "tiox-32x32"', 'name = "../evil"', "name: must be letters"),
        ("rows = 32", "rows = 31", "wiring.word_lines: must name 31 matrix columns"),
        ("rows = 32", "rows = 0", "die.rows: must be from 1"),
        ("device_spread = true", "device_spred = true", "die.effects.device_spred: unknown key"),
        ("device_spread = true", "device_spread = 1", "die.effects.device_spread: must be true or false, got 1"),
        ('unit = "ohm"', 'unit = "kohm"', 'unit: must be "ohm", got "kohm"'),
        ("value = 2.0", "value = -2.0", "value: must be at least 0, got -2.0"),
        ("value = 2.0", "value = nan", "value: must be a finite number"),
        ("value = 2.0, ", "", "die.wires.word_segment_ohm.value: missing"),
        ("word_contact_ohm = {", "word_kontact_ohm = {", "die.wires.word_contact_ohm: missing"),
        ('A = "smu1.a"', 'A = "smu9.a"', "wiring.rows.A: must be"),
        ('A = "smu1.a"', 'A = "smu1"', "wiring.rows.A: must be"),
        ('A = "smu1.a"', 'J = "smu1.a"', "wiring.rows.J: no such matrix row; rows are A, B"),
        ('matrix = "mat1"', 'matrix = "mat2"', "wiring.matrix: no instrument 'mat2'; there are smu1, gen1, mat1"),
        ('"101", ', '"102", ', "a matrix column takes one wire, used twice: 102"),
        ('"101", ', '"113", ', "columns are 101 to 112 ... 601 to 612, got '113'"),
        ('identification = "611"', 'identification = "101"', "used twice: 101"),
        ("  1.00e6, 1.01e6,", "  1.01e6,", "identification_ohm: must hold 64 resistors, one a line, got 63"),
        ("192.0.2.12", "192.0.2.11", "is taken by instruments.smu1"),
    ],
)
def test_wrong_key_is_named_when_the_file_breaks_a_rule(write, old, new, message):
    with pytest.raises(StationError, match=re.escape(message)) as caught:
        load_bench_file(write(old, new))
    assert "changed.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_number_of_the_packaged_bench_has_a_source():
    bench = load_bench_file(PACKAGED)
    wires = bench.die.wires
    numbers = [wires.word_segment_ohm, wires.bit_segment_ohm, wires.word_contact_ohm, wires.bit_contact_ohm]
    for number in [*numbers, bench.wiring.crosspoint_ohm, *bench.wiring.identification_ohm]:
        assert len(number.source) > 10
    # systems.md 1.4: 1 to 5 ohm per segment for 2.5 um wide Pt/Ti lines
    assert 1.0 <= wires.word_segment_ohm.value <= 5.0
