"""A sample without a matrix, and gates on a second one: what the station file may say, and who copes with it.

Authority: the forms of the table [wiring] in data/labctl_data/stations/README.md.
"""

import types

import pytest

from labctl.errors import EnvelopeError, StationError
from labctl.roles import Identity
from labctl.station import read_station_file
from labctl.station.doctor import check
from labctl.station.paper import PaperStation
from labctl.station.record import Record

HEAD = """\
schema = 1
name = "small"
visa_library = "@fake"
line_frequency_hz = 50

[instruments.smu1]
driver = "keithley.Keithley2636B"
resource = "TCPIP0::192.0.2.11::inst0::INSTR"

[instruments.smu2]
driver = "keithley.Keithley2636B"
resource = "TCPIP0::192.0.2.15::inst0::INSTR"

[instruments.gen1]
driver = "keysight.Keysight33622A"
resource = "TCPIP0::192.0.2.12::inst0::INSTR"

[instruments.mat1]
driver = "keithley.Keithley707B"
resource = "TCPIP0::192.0.2.13::inst0::INSTR"

[instruments.mat2]
driver = "keithley.Keithley707B"
resource = "TCPIP0::192.0.2.14::inst0::INSTR"

[envelope]
voltage_v = 3.0
current_a = 0.05
pulse_width_s = 0.5
energy_j = 2e-2

"""

DIRECT = """\
[sample]
name = "one"
device = "dhull2024_domain_wall"
rows = 1
columns = 1

[sample.access]
track_ohm = 450.0

[wiring.direct]
word = "smu1.a"
bit = "ground"
control = "gen1.1"
"""

GATES = """\
[sample]
name = "two by three"
device = "um2024_ecram"
rows = 2
columns = 3

[sample.access]
settle_s = 0.5

[wiring]
matrix = "mat1"
word_lines = ["101", "102"]
bit_lines = ["201", "202", "203"]

[wiring.rows]
A = "smu1.a"
B = "smu1.b"
E = "ground"

[wiring.control]
matrix = "mat2"
lines = ["101", "102"]
rows = { A = "smu2.a", E = "ground" }
"""

PLATE = (
    GATES.replace('word_lines = ["101", "102"]', 'word_lines = ["612"]')
    .replace("settle_s = 0.5", "gate_read_v = 2.0")
    .replace('E = "ground" }', 'E = "ground" }\ncommon_source = true')
)


@pytest.fixture
def read(tmp_path):
    def make(text):
        path = tmp_path / "small.toml"
        path.write_text(HEAD + text, encoding="utf-8", newline="\n")
        return read_station_file(path)

    return make


def test_cell_without_a_matrix_is_read(read):
    station = read(DIRECT)
    wiring = station.wiring
    assert (wiring.direct.word, wiring.direct.bit, wiring.direct.control) == ("smu1.a", "ground", "gen1.1")
    assert (wiring.matrix, wiring.networks(), wiring.columns()) == (None, (), ())
    assert station.sample.access == {"track_ohm": 450.0}
    with pytest.raises(StationError, match="none, as there is no matrix"):
        wiring.row_of("ground")


def test_gates_are_read(read):
    wiring = read(GATES).wiring
    control = wiring.control
    assert (control.matrix, control.common_source, control.columns()) == ("mat2", False, ("101", "102"))
    assert control.crosspoint(control.row_of("smu2.a"), control.line(1)) == "1A02"
    assert [network.matrix for network in wiring.networks()] == ["mat1", "mat2"]
    with pytest.raises(StationError, match="gate line 2 is not wired; wired are 0 to 1"):
        control.line(2)
    with pytest.raises(StationError, match=r"wiring\.control\.rows: no row is wired to 'smu1\.a'"):
        control.row_of("smu1.a")


def test_common_source_is_one_word_line(read):
    wiring = read(PLATE).wiring
    assert (wiring.control.common_source, wiring.word_lines, len(wiring.bit_lines)) == (True, ("612",), 3)


@pytest.mark.parametrize("text", [DIRECT, GATES, PLATE])
def test_content_goes_into_a_run_file(read, text):
    wiring = read(text).as_dict()["wiring"]
    assert "file" not in wiring
    assert wiring["control"] is None or "file" not in wiring["control"]


@pytest.mark.parametrize(
    ("text", "old", "new", "named"),
    [
        (DIRECT, "rows = 1", "rows = 2", "wiring.direct: wired without a matrix is one cell, the sample has 2 x 1"),
        (DIRECT, 'word = "smu1.a"', 'word = "ground"', "wiring.direct.word: 'ground' is no terminal"),
        (DIRECT, 'word = "smu1.a"', 'word = "smu3.a"', "wiring.direct.word: 'smu3.a' is no terminal"),
        (DIRECT, 'bit = "ground"', 'bit = "smu1"', "wiring.direct.bit: 'smu1' is no terminal"),
        (DIRECT, 'bit = "ground"', 'bit = "smu1.a"', "wiring.direct.word: 'smu1.a' is wired to more than one end"),
        (DIRECT, 'bit = "ground"', "", "wiring.direct.bit: is missing"),
        (DIRECT, 'control = "gen1.1"', 'gate = "gen1.1"', "wiring.direct.gate: unknown key; known here are bit, con"),
        (DIRECT, "[wiring.direct]", '[wiring]\nmatrix = "mat1"\n[wiring.direct]', "wiring.matrix: unknown key"),
        (DIRECT, "track_ohm = 450.0", "track_ohm = 0", "sample.access.track_ohm: must be above 0"),
        (DIRECT, "track_ohm = 450.0", 'track_ohm = "450"', "sample.access.track_ohm: must be a finite number"),
        (DIRECT, "track_ohm = 450.0", "settle_s = 1", "sample.access.settle_s: unknown key; known here are track_ohm"),
        (GATES, "settle_s = 0.5", "gate_set_v = 1", "sample.access.gate_set_v: unknown key; known here are settle_s"),
        (GATES, 'matrix = "mat2"', 'matrix = "mat1"', "wiring.control.matrix: 'mat1' carries the channels"),
        (GATES, 'matrix = "mat2"', 'matrix = "mat3"', "wiring.control.matrix: 'mat3' is no instrument"),
        (
            GATES,
            'lines = ["101", "102"]\nrows',
            'lines = ["101"]\nrows',
            "wiring.control.lines: the sample has 2 lines",
        ),
        (
            GATES,
            'lines = ["101", "102"]\nrows',
            'lines = ["101", "101"]\nrows',
            "control.lines: matrix column '101' is",
        ),
        (GATES, 'A = "smu2.a"', 'A = "smu1.b"', "wiring.control.rows.A: 'smu1.b' is wired to a row of the matrix"),
        (GATES, 'A = "smu2.a"', 'J = "smu2.a"', "wiring.control.rows.J: a matrix row is a letter"),
        (GATES, 'E = "ground" }', 'E = "ground" }\ncommon_source = 1', "common_source: must be true or false, got 1"),
        (GATES, 'E = "ground" }', 'E = "ground" }\nplate = true', "wiring.control.plate: unknown key"),
        (PLATE, '["612"]', '["101", "102"]', "wiring.word_lines: the common source has 1 line, got 2 matrix columns"),
        (PLATE, '["612"]', '["203"]', "wiring.bit_lines: matrix column '203' is used twice"),
    ],
)
def test_wrong_table_is_refused_with_file_line_and_key(read, text, old, new, named):
    assert old in text
    with pytest.raises(StationError) as caught:
        read(text.replace(old, new))
    assert named in str(caught.value)
    assert "small.toml, line " in str(caught.value)


@pytest.fixture
def paper(read):
    def make(text):
        return PaperStation(read(text), 1e-4, Record(1000, 60.0))

    return make


def prepared(station, *terminals):
    found = [station.source_meter(terminal) for terminal in terminals]
    for meter in found:
        meter.prepare(voltage_range_v=3.0, current_limit_a=0.01, measure_range_a=None, integration_plc=1.0)
        meter.output_on()
    return found


@pytest.mark.parametrize(("moved", "standing"), [("mat2", "smu2.a"), ("mat2", "smu1.a"), ("mat1", "smu2.a")])
def test_no_relay_of_either_matrix_moves_while_any_source_stands_elsewhere(paper, moved, standing):
    station = paper(GATES)
    (source,) = prepared(station, standing)
    matrix = station.switch_matrix(moved)
    source.set_voltage(1.0)
    with pytest.raises(EnvelopeError, match=rf"{moved}: relays move only .*{standing} stands at 1 V"):
        matrix.close(["1E01"])
    source.set_voltage(0.0)
    matrix.close(["1E01"])
    assert matrix.closed() == {"1E01"}


def test_voltage_between_gate_and_channel_counts(paper):
    station = paper(GATES)
    gate, source = prepared(station, "smu2.a", "smu1.a")
    gate.set_voltage(2.0)
    with pytest.raises(EnvelopeError, match=r"at most 3 V for this station, got 3\.5 V"):
        source.set_voltage(-1.5)
    with pytest.raises(EnvelopeError, match=r"got 3\.5 V"):
        source.pulse(-1.5, width_s=0.1, partner=None, partner_level_v=0.0)
    source.set_voltage(-1.0)


def test_paper_current_is_that_of_ideal_lines(paper):
    # authority: Ohm's law with 100 uS a cell
    (word,) = prepared(paper(DIRECT), "smu1.a")
    word.set_voltage(0.5)
    assert word.measure_current().value == pytest.approx(50e-6)
    station = paper(GATES)
    drain, source = prepared(station, "smu1.a", "smu1.b")
    station.switch_matrix("mat1").close(["1A01", "1E02", "2B01", "2E02", "2E03"])
    station.switch_matrix("mat2").close(["1E01"])
    drain.set_voltage(0.1)
    assert (drain.measure_current().value, source.measure_current().value) == pytest.approx((30e-6, -10e-6))


def test_paper_cell_with_a_transistor_conducts_while_its_gate_is_up(paper):
    station = paper(PLATE)
    plate, bit, gate = prepared(station, "smu1.a", "smu1.b", "smu2.a")
    station.switch_matrix("mat1").close(["6A12", "2B01"])
    station.switch_matrix("mat2").close(["1A01", "1E02"])
    bit.set_voltage(0.2)
    assert bit.measure_current().value == 0.0
    gate.set_voltage(2.0)
    assert (bit.measure_current().value, plate.measure_current().value) == pytest.approx((20e-6, -20e-6))


def test_paper_matrix_knows_its_own_crosspoints_only(paper):
    station = paper(PLATE)
    with pytest.raises(ValueError, match="mat2: nothing is wired to 2B01"):
        station.switch_matrix("mat2").close(["2B01"])


def test_station_without_a_matrix_is_checked_as_far_as_it_goes(read):
    content = read(DIRECT)
    who = Identity("Maker", "Model", "1", "1.0")
    instrument = types.SimpleNamespace(identity=lambda: who, drain_errors=list)
    station = types.SimpleNamespace(
        wiring=content.wiring,
        instruments={"smu1": instrument},
        identities=lambda: {"smu1": who},
        safe_off=lambda: None,
    )
    found = {item.name: item for item in check(station)}
    assert all(item.ok for item in found.values())
    assert set(found) == {"smu1: identity", "smu1: error queue", "off", "relays", "addressing", "contacts"}
    assert "without a matrix" in found["contacts"].detail
