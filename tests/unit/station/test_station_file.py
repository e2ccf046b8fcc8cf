"""The station file: what it accepts, how it refuses. Authority: schema of data/labctl_data/stations/README.md."""

import re
from datetime import date

import pytest

from labctl.errors import StationError
from labctl.station import read_station_file, station_names


def refuse(station_path, station_text, old, new):
    assert old in station_text
    station_path.write_text(station_text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(StationError) as caught:
        read_station_file(station_path)
    return str(caught.value)


def test_file_is_read_into_frozen_values(station_path, station_text):
    station = read_station_file(station_path)
    assert station.name == "small"
    assert station.text == station_text
    assert station.instruments["smu1"].serial == "4400001"
    assert station.instruments["gen1"].serial is None
    assert station.sample.rows == 2
    assert station.envelope.energy_j == 2e-3
    assert station.wiring.identification_resistors_ohm == (1.00e6, 1.01e6, 1.02e6, 1.03e6)
    content = station.as_dict()
    assert content["envelope"] == {"voltage_v": 3.0, "current_a": 0.05, "pulse_width_s": 0.5, "energy_j": 2e-3}
    with pytest.raises(AttributeError):
        station.envelope.voltage_v = 100.0


def test_optional_keys_have_defaults_and_a_date_becomes_text(station_path, station_text):
    plain = read_station_file(station_path)
    assert (plain.heartbeat_s, plain.expired_calibration, plain.bench) == (1.0, "warn", None)
    assert plain.instruments["smu1"].calibration_due is None
    text = station_text.replace('serial = "4400001"', 'serial = "4400001"\ncalibration_due = 2027-03-01')
    station_path.write_text(
        text.replace("schema = 1", 'schema = 1\nheartbeat_s = 2\nexpired_calibration = "refuse"'), encoding="utf-8"
    )
    full = read_station_file(station_path)
    assert (full.heartbeat_s, full.expired_calibration) == (2.0, "refuse")
    assert full.instruments["smu1"].calibration_due == date(2027, 3, 1)
    assert full.as_dict()["instruments"]["smu1"]["calibration_due"] == "2027-03-01"


def test_packaged_station_agrees_with_its_sample():
    station = read_station_file("tiox-32x32")
    assert (len(station.wiring.word_lines), len(station.wiring.bit_lines)) == (32, 32)
    assert station.visa_library == "tiox-32x32@labctl"


def test_station_of_the_user_is_known_and_hides_a_packaged_one(tmp_path, monkeypatch, station_text):
    monkeypatch.setenv("LABCTL_HOME", str(tmp_path))
    folder = tmp_path / "stations"
    folder.mkdir()
    (folder / "mine.toml").write_text(station_text, encoding="utf-8")
    (folder / "tiox-32x32.toml").write_text(station_text, encoding="utf-8")
    names = station_names()
    assert names == sorted({*names, "mine", "tiox-32x32"})
    assert read_station_file("tiox-32x32").name == "small"


def test_unknown_name_lists_the_known():
    with pytest.raises(StationError, match=r"'nowhere' is unknown.*tiox-32x32"):
        read_station_file("nowhere")


def test_missing_file_is_a_station_error(tmp_path):
    with pytest.raises(StationError, match="cannot be read"):
        read_station_file(tmp_path / "none.toml")


def test_syntax_error_names_file_and_line(station_path, station_text):
    message = refuse(station_path, station_text, 'name = "two by two"', "name = two by two")
    line = station_text.splitlines().index('name = "two by two"') + 1
    assert f"small.toml, line {line}" in message


def test_bench_file_beside_the_station_file_is_found_from_anywhere(station_path, station_text):
    (station_path.parent / "bench.toml").write_text("", encoding="utf-8")
    station_path.write_text(station_text.replace("@fake", "bench.toml@labctl"), encoding="utf-8")
    assert read_station_file(station_path).visa_library == f"{station_path.parent / 'bench.toml'}@labctl"


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("schema = 1", "schema = 2", "schema: must be 1 to 1"),
        ("schema = 1", "schema = true", "schema: must be a whole number"),
        ("line_frequency_hz = 50", "line_frequency_hz = inf", "line_frequency_hz: must be a finite number"),
        ("line_frequency_hz = 50", "", "line_frequency_hz: is missing"),
        ("voltage_v = 3.0", "voltage_v = nan", "envelope.voltage_v: must be a finite number"),
        ("voltage_v = 3.0", "voltage_v = -3.0", "envelope.voltage_v: must be above 0"),
        ("voltage_v = 3.0", 'voltage_v = "3 V"', "envelope.voltage_v: must be a finite number"),
        ("energy_j = 2e-3", "energy_mj = 2", "envelope.energy_j: is missing"),
        (
            "current_a = 0.05",
            "current_a = 0.05\ncurrent = 1",
            "envelope.current: unknown key; known here are current_a",
        ),
        ('serial = "4400001"', "serial = 4400001", "instruments.smu1.serial: must be a string"),
        ('serial = "4400001"', 'adress = "x"', "instruments.smu1.adress: unknown key; known here are calibration_due,"),
        ('serial = "4400001"', 'calibration_due = "soon"', "calibration_due: must be a date such as 2027-03-01"),
        (
            'serial = "4400001"',
            "calibration_due = 2027-03-01T08:00:00",
            "calibration_due: must be a date without a time",
        ),
        ("schema = 1", "schema = 1\nheartbeat_s = 0.05", "heartbeat_s: must be 0.1 to 60 s, got 0.05"),
        ("schema = 1", "schema = 1\nheartbeat_s = 61", "heartbeat_s: must be 0.1 to 60 s, got 61.0"),
        ("schema = 1", 'schema = 1\nexpired_calibration = "ignore"', 'expired_calibration: must be "warn" or "refuse"'),
        ("[instruments.gen1]", "[instruments.Gen-1]", "instruments.Gen-1"),
        ("rows = 2", "rows = 0", "sample.rows: must be 1"),
        ("rows = 2", "rows = 3", "wiring.word_lines: the sample has 3 lines"),
        ('matrix = "mat1"', 'matrix = "mat2"', "wiring.matrix: 'mat2' is no instrument"),
        ('"101", "102"', '"101", "113"', "wiring.word_lines: '113' is no matrix column"),
        ('"101", "102"', '"101", "101"', "wiring.word_lines: matrix column '101' is used twice"),
        ('"201", "212"', '"201", "102"', "wiring.bit_lines: matrix column '102' is used twice"),
        (
            'identification = "611"',
            'identification = "101"',
            "wiring.identification: matrix column '101' is used twice",
        ),
        ("1.02e6, 1.03e6]", "1.02e6]", "wiring.identification_resistors_ohm: needs 4"),
        ("1.02e6, 1.03e6]", "1.02e6, 0]", "wiring.identification_resistors_ohm: must be above 0"),
        ('A = "smu1.a"', 'J = "smu1.a"', "wiring.rows.J: a matrix row"),
        ('A = "smu1.a"', 'A = "smu2.a"', "wiring.rows.A: 'smu2.a' is no terminal"),
        ('A = "smu1.a"', 'A = "smu1"', "wiring.rows.A: 'smu1' is no terminal"),
        ('A = "smu1.a"', 'A = "smu1.b"', "wiring.rows.A: 'smu1.b' is wired to more than one row"),
        ("[sample]", "[sampel]", "sample: is missing"),
    ],
)
def test_wrong_file_is_refused_with_file_line_and_key(station_path, station_text, old, new, named):
    message = refuse(station_path, station_text, old, new)
    assert named in message
    assert "small.toml" in message


def test_line_number_is_that_of_the_key_in_its_own_table(station_path, station_text):
    # "rows" stands in [sample], "[wiring.rows]" and would be found in the wrong place by a search for the word alone
    message = refuse(station_path, station_text, "rows = 2", "rows = 2.5")
    line = station_text.splitlines().index("rows = 2") + 1
    assert re.search(rf"small\.toml, line {line}: sample\.rows", message)
