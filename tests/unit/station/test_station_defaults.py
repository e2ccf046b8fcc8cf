"""Defaults of a station: which value wins, what is refused, and what the run file says of where values came from.

Authority: the station README's rule (user > [defaults.<procedure>] > [defaults] > class; step > shared > station).
"""

import json

import pytest
from pymeasure.experiment import IntegerParameter
from typer.testing import CliRunner

from labctl.cli.main import app
from labctl.errors import RunError, StationError
from labctl.run import LabProcedure, execute_procedure, resume_run
from labctl.run.dry_run import dry_run, estimate_run
from labctl.run.station_defaults import merged_values
from labctl.station import read_station_file
from labctl_procedures import find_procedure
from labctl_procedures.inner_run import InnerRun

DEFAULTS = """
[defaults]
read_voltage = "0.1 V"
integration = 0.5
form_unformed = false

[defaults.read_array]
averages = 3
"""


class OwnProcedure(LabProcedure):
    """A user's own procedure, which knows nothing of the packaged ones."""

    points = IntegerParameter("Points", default=1, minimum=1, maximum=9)


@pytest.fixture
def with_defaults(station_text, tmp_path):
    def write(table=DEFAULTS):
        path = tmp_path / "small.toml"
        path.write_text(station_text + table, encoding="utf-8", newline="\n")
        return path

    return write


@pytest.fixture
def single(tmp_path):
    """The packaged single device, with defaults of its own."""
    packaged = read_station_file("single-device")
    path = tmp_path / "own.toml"

    def write(table=DEFAULTS):
        path.write_text(packaged.text.partition("[defaults]")[0] + table, encoding="utf-8", newline="\n")
        return path

    return write


def merged(path, name, given=None):
    return merged_values(find_procedure(name), read_station_file(path).defaults, given or {})


def test_station_default_is_taken_when_nothing_is_given(with_defaults):
    found = merged(with_defaults(), "read_array")
    # form_unformed is no parameter of read_array
    assert found.values == {"read_voltage": "0.1 V", "integration": "0.5", "averages": "3"}
    assert set(found.from_station) == set(found.values)


def test_given_value_wins_over_the_station(with_defaults):
    found = merged(with_defaults(), "read_array", {"averages": 2, "read_voltage": None})
    assert found.values["averages"] == 2
    # None unsets: it was given
    assert found.values["read_voltage"] is None
    assert list(found.from_station) == ["integration"]


def test_default_of_one_procedure_wins_over_the_shared_one_and_stays_with_it(with_defaults):
    path = with_defaults("[defaults]\nintegration = 0.5\n[defaults.read_array]\nintegration = 2\n")
    assert merged(path, "read_array").values == {"integration": "2"}
    assert merged(path, "sweep_iv").values == {"integration": "0.5"}


@pytest.mark.parametrize(
    ("table", "line", "words"),
    [
        ('[defaults]\nvolume = "11"\n', 2, r"defaults\.volume: no procedure has a parameter"),
        ("[defaults.reed_array]\naverages = 3\n", 1, r"defaults\.reed_array: there is no procedure 'reed_array'"),
        ("[defaults.read_array]\naverage = 3\n", 2, r"defaults\.read_array\.average: .*no parameter 'average'"),
        ('[defaults]\nread_voltage = "1 V"\n', 2, r"defaults\.read_voltage: .*must be 10 mV to 300 mV, got 1 V"),
        ('[defaults.sweep_iv]\nstep = "1 s"\n', 2, r"defaults\.sweep_iv\.step: sweep_iv: "),
        ("[defaults.sweep_iv]\ncycles = 1.5\n", 2, r"defaults\.sweep_iv\.cycles: .*whole number"),
    ],
)
def test_default_that_cannot_be_is_refused_with_file_line_and_key(with_defaults, table, line, words):
    path = with_defaults(table)
    # also where it is not this procedure's business
    with pytest.raises(RunError, match=words) as refusal:
        merged(path, "read_array")
    assert str(refusal.value).startswith(f"{path}, line {_line(path, line)}: ")


def test_default_that_is_a_list_is_refused_by_the_reader(with_defaults):
    path = with_defaults("[defaults]\ncells = [0, 0]\n")
    with pytest.raises(StationError, match=rf"line {_line(path, 2)}: defaults\.cells: must be text, a number or true"):
        read_station_file(path)


def test_own_procedure_runs_on_a_station_with_defaults_for_others(with_defaults):
    # it cannot know what the packaged ones have
    defaults = read_station_file(with_defaults()).defaults
    assert merged_values(OwnProcedure, defaults, {}).values == {}
    too_many = read_station_file(with_defaults("[defaults]\npoints = 10\n")).defaults
    with pytest.raises(RunError, match=r"defaults\.points: own_procedure: must be a whole number, 1 to 9"):
        merged_values(OwnProcedure, too_many, {})


def test_run_records_merged_values_and_which_came_from_the_station(single, tmp_path):
    run = execute_procedure(find_procedure("read_array"), single(), {"integration": 0.1}, out=tmp_path / "runs")
    assert (run.parameters["read_voltage"], run.parameters["averages"]) == (0.1, 3)
    assert run.parameters["integration"] == 0.1
    events = run.events()
    told = events["message"][events["kind"] == "defaults"].tolist()
    assert told == ["from the station: read_voltage = 0.1 V, averages = 3"]
    assert len(run.table()) == 3


def test_refused_default_leaves_no_run_file(single, tmp_path):
    with pytest.raises(RunError, match=r"defaults\.volume"):
        execute_procedure(find_procedure("read_array"), single("[defaults]\nvolume = 1\n"), {}, out=tmp_path / "runs")
    assert not list(tmp_path.glob("runs/*"))


def test_dry_run_and_estimate_take_the_same_values(single):
    slow = single('[defaults.sweep_iv]\ncycles = 7\nstep = "0.5 V"\nform_unformed = false\n')
    # 0 to 1.5 V and back in steps of 0.5 V, the same to -1.7 V in unequal ones: 7 cycles of at least 12 levels
    estimate = estimate_run(find_procedure("sweep_iv"), slow, {})
    assert estimate.points % 7 == 0
    assert estimate.points == dry_run(find_procedure("sweep_iv"), slow, {}).estimate.points
    assert estimate_run(find_procedure("sweep_iv"), slow, {"cycles": 1}).points == estimate.points // 7


def test_resumed_run_keeps_the_values_of_its_file(single, tmp_path, monkeypatch):
    kind = find_procedure("read_array")
    path = single()
    with monkeypatch.context() as patched:
        patched.setattr(kind, "remember", _cut)
        cut = execute_procedure(kind, path, {}, out=tmp_path / "runs")
    assert cut.status == "failed"
    single(DEFAULTS.replace("0.1 V", "0.3 V").replace("averages = 3", "averages = 5"))
    run = resume_run(cut, kind)
    assert run.status == "finished"
    assert len(run.table()) == 3
    assert set(run.table()["Voltage (V)"]) == {0.1}


def test_steps_of_a_sequence_take_step_then_shared_then_station(single, tmp_path):
    file = tmp_path / "list.toml"
    file.write_text(
        'schema = 1\nname = "list"\ntitle = "three readings"\n[parameters]\nintegration = 0.2\n'
        '[[step]]\nname = "a"\nprocedure = "read_array"\n'
        '[[step]]\nname = "b"\nprocedure = "read_array"\nparameters = { averages = 1, integration = 0.1 }\n',
        encoding="utf-8",
    )
    path = single()
    run = execute_procedure(find_procedure("sequence"), path, {"file": str(file)}, out=tmp_path / "runs")
    assert run.status == "finished"
    table = run.table()
    assert (table["Item"] == "a").sum() == 3
    assert (table["Item"] == "b").sum() == 1
    assert set(table["Voltage (V)"]) == {0.1}
    events = run.events()
    told = events["message"][events["kind"] == "defaults"].tolist()
    assert told == [
        "a: from the station: read_voltage = 0.1 V, averages = 3",
        "b: from the station: read_voltage = 0.1 V",
    ]


def test_resumed_sequence_takes_the_defaults_with_which_it_began(single, tmp_path, monkeypatch):
    file = tmp_path / "list.toml"
    file.write_text(
        'schema = 1\nname = "list"\ntitle = "one"\n[[step]]\nname = "a"\nprocedure = "read_array"\n', encoding="utf-8"
    )
    sequence = find_procedure("sequence")
    path = single()
    with monkeypatch.context() as patched:
        patched.setattr(InnerRun, "_take", _cut)
        cut = execute_procedure(sequence, path, {"file": str(file)}, out=tmp_path / "runs")
    assert cut.status == "failed"
    single(DEFAULTS.replace("0.1 V", "0.3 V"))
    run = resume_run(cut, sequence)
    assert run.status == "finished"
    assert set(run.table()["Voltage (V)"]) == {0.1}


def _line(path, number):
    """Number in the file of a line of the table, counted from 1."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return number + next(index for index, line in enumerate(lines) if line.startswith("[defaults"))


def _cut(*_):
    raise RunError("cut")


def test_command_shows_the_defaults_of_a_station_and_marks_them(with_defaults):
    path = with_defaults()
    told = CliRunner().invoke(app, ["procedures", "read_array", "-s", str(path), "--json"])
    found = {item["name"]: (item["default"], item["from_station"]) for item in json.loads(told.stdout)}
    assert found["read_voltage"] == ("100 mV", True)
    assert found["averages"] == ("3", True)
    assert found["scheme"] == ("v2", False)
    shown = CliRunner().invoke(app, ["procedures", "read_array", "-s", str(path)], env={"COLUMNS": "200"}).stdout
    assert "100 mV *" in shown
    assert "v2 *" not in shown


def test_every_packaged_station_has_defaults_that_procedures_take():
    for name in ("tiox-32x32", "single-device", "single-device-2400", "domain-wall", "ecram-32x32", "hfo2-1t1r-64x64"):
        merged(name, "sweep_iv")
