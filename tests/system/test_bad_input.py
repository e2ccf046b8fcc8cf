"""Wrong input: one line with the remedy, exit code 2, nothing sent, no traceback. Authority: the README."""

from importlib.resources import files

import pytest

SMALL = ("-p", "cells=0:2,0:2")
STATION = "tiox-32x32"


def assert_refused(answer, *words, code=2):
    assert answer.code == code, answer.err
    assert "Traceback" not in answer.err
    lines = [line for line in answer.err.splitlines() if line.startswith("labctl: ")]
    assert lines, answer.err
    for word in words:
        assert word in answer.err, answer.err


def assert_no_run_file(homes):
    assert not list((homes / "runs").glob("*")) if (homes / "runs").exists() else True


def station_text():
    return (files("labctl_data") / "stations" / "tiox-32x32.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "form_aray", "-s", STATION), ("form_aray", "form_array")),
        (("run", "read_array", "-s", "nowhere"), ("nowhere", "tiox-32x32")),
        (("run", "read_array", "-s", STATION, "-p", "colour=red"), ("colour", "cells")),
        (("run", "program_array", "-s", STATION, "-p", "width=10kg"), ("width",)),
        (("run", "program_array", "-s", STATION, "-p", "width=ten"), ("width", "ten")),
        (("run", "program_array", "-s", STATION, "-p", "tolerance=300 %"), ("tolerance", "0.5", "got 3")),
        (("run", "read_array", "-s", STATION, "-p", "cells"), ("name=value",)),
        (("run", "read_array", "-s", STATION, "-p", "cells=99,99"), ("99", "31")),
        (("run", "read_array"), ("--station",)),
        (("show", "nosuchrun"), ("nosuchrun",)),
        (("show", "latest"), ("run",)),
        (("dance",), ("dance",)),
        (("bench", "show", "nowhere"), ("nowhere", "tiox-32x32")),
        (("bench", "reset", STATION, "--without", "gravity"), ("gravity", "half_select")),
        (("stations", "nowhere"), ("nowhere", "tiox-32x32")),
        (("procedures", "nothing"), ("nothing", "program_array")),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, tuple) else None,
)
def test_command_refuses_in_one_line(labctl, homes, arguments, words):
    assert_refused(labctl(*arguments), *words)
    assert_no_run_file(homes)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("schema = 1", "schema = = 1", ("line",)),
        ("schema = 1", "schema = 99", ("schema",)),
        ("[envelope]", "[envelope]\ncolour = 3", ("colour", "envelope")),
        ('driver = "keithley.Keithley2636B"', 'driver = "keithley.Nothing"', ("Nothing", "keithley.Keithley2636B")),
        ('serial = "', 'serial = "WRONG', ("WRONG",)),
        ('"101"', '"999"', ("999",)),
    ],
    ids=["syntax", "schema", "unknown key", "driver", "serial", "column"],
)
def test_station_file_is_refused_with_place_and_key(labctl, homes, old, new, words):
    text = station_text()
    assert old in text
    path = homes / "mine.toml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    answer = labctl("run", "read_array", "-s", path, *SMALL)
    assert_refused(answer, *words)
    assert_no_run_file(homes)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("1,2\n3,4\n", ("32",)),
        ("\n".join([",".join(["nan"] * 32)] * 32), ("nan",)),
        ("\n".join([",".join(["9"] * 32)] * 32), ("9",)),
        ("\n".join([",".join(["1.0"] * 32)] * 32), ("S",)),
        ("\n".join([",".join(["x"] * 32)] * 32), ("x",)),
    ],
    ids=["shape", "nan", "level", "siemens", "text"],
)
def test_target_map_is_refused(labctl, homes, content, words):
    path = homes / "target.csv"
    path.write_text(content, encoding="utf-8")
    answer = labctl("run", "program_array", "-s", STATION, "-p", f"target={path}")
    assert_refused(answer, "target.csv", *words)
    assert_no_run_file(homes)


def test_envelope_refuses_before_a_byte_is_sent(labctl, homes):
    path = homes / "careful.toml"
    text = station_text()
    lines = [
        "voltage_v = 0.05" if line.replace(" ", "").startswith("voltage_v=") else line for line in text.splitlines()
    ]
    path.write_text("\n".join(lines), encoding="utf-8")
    answer = labctl("run", "read_array", "-s", path, *SMALL)
    assert answer.code in (2, 3), answer.err
    assert "envelope.voltage_v" in answer.err
    assert "Traceback" not in answer.err


def test_data_root_that_is_a_file_is_refused(labctl, homes):
    (homes / "occupied").write_text("mine", encoding="utf-8")
    answer = labctl("run", "read_array", "-s", STATION, *SMALL, "-o", homes / "occupied")
    assert_refused(answer, "occupied")
    assert (homes / "occupied").read_text(encoding="utf-8") == "mine"


def test_demo_refuses_an_occupied_folder(labctl, homes):
    (homes / "full").mkdir()
    (homes / "full" / "mine.txt").write_text("mine", encoding="utf-8")
    answer = labctl("demo", "-o", homes / "full")
    assert_refused(answer, "full", "-o")


def test_unwired_line_is_named(labctl, homes):
    text = station_text()
    start = text.index("word_lines")
    end = text.index("]", start)
    row = text[start:end]
    shortened = row[: row.rindex(",", 0, row.rstrip().rstrip(",").rindex(",") + 1)]
    path = homes / "short.toml"
    path.write_text(text.replace(row, shortened, 1), encoding="utf-8")
    answer = labctl("run", "read_array", "-s", path, *SMALL)
    assert_refused(answer, "word")
