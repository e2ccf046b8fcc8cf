"""Sequences: what the file may say, what the steps become.

Authority: data/labctl_data/sequences/README.md; the same procedures run one by one.
"""

import re

import numpy as np
import pytest

from labctl.errors import LabError, RunError, StationError
from labctl.run import RunControl, execute_procedure, resume_run
from labctl.run.mailbox import ask_run
from labctl_procedures import find_procedure
from labctl_procedures.sequence_file import find_sequence_file, parse_sequence, sequence_names

HEAD = 'schema = 1\nname = "n"\ntitle = "t"\n'


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("LABCTL_HOME", str(tmp_path / "home"))
    return tmp_path


def sequence(home, text):
    file = home / "list.toml"
    file.write_text(HEAD + text, encoding="utf-8")
    return str(file)


def run(home, text, name="sequence", **parameters):
    values = parameters if text is None else {"file": sequence(home, text)}
    return execute_procedure(find_procedure(name), "tiox-32x32", values, out=home / "runs")


def test_loops_are_unrolled_in_the_order_of_the_file():
    text = '[[step]]\nname = "a"\nprocedure = "p"\nrepeat = 2\nvary = { x = ["1", "2"], y = ["3", "4"] }\n'
    steps = parse_sequence(HEAD + text + '[[step]]\nprocedure = "q"\n', "f").steps
    assert [step.label for step in steps] == [f"a-{n}" for n in range(1, 9)] + ["q"]
    assert [(s.values["x"], s.values["y"]) for s in steps[:4]] == [("1", "3"), ("1", "4"), ("2", "3"), ("2", "4")]
    assert steps[4].values == steps[0].values


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "step"),
        ("step = []\n", "at least one"),
        ('[[step]]\nprocedure = "p"\nprocedur = "q"\n', "procedur: unknown key"),
        ('[[step]]\nprocedure = "p"\n[[step]]\nprocedure = "p"\n', "'p' is taken"),
        ('[[step]]\nprocedure = "p"\nwhen = { result = "q.yield", at_least = 1 }\n', "names no earlier step"),
        ('[[step]]\nprocedure = "p"\nwhen = { result = "p.yield", at_least = 1 }\n', "names no earlier step"),
        ('[[step]]\nprocedure = "p"\n[[step]]\nprocedure = "q"\nwhen = { result = "p.y" }\n', "at_least or at_most"),
        ('[[step]]\nprocedure = "p"\nrepeat = 0\n', "repeat"),
        ('[[step]]\nprocedure = "p"\nrepeat = 9000\n[[step]]\nprocedure = "q"\nrepeat = 9000\n', "more than 10000"),
        ('[[step]]\nprocedure = "p"\nname = "../x"\n', "letters, digits"),
        ('[[step]]\nprocedure = "p"\nparameters = { cells = [1] }\n', "must be text, a number or true or false"),
    ],
)
def test_file_is_refused_when_it_cannot_be_meant(text, told):
    with pytest.raises(LabError, match=told) as refusal:
        parse_sequence(HEAD + text, "some.toml")
    assert "some.toml" in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[[step]]\nprocedure = "nothing"\n', "there is no procedure 'nothing'"),
        ('[[step]]\nprocedure = "read_array"\nparameters = { cells = "40,0" }\n', "40"),
        ('[[step]]\nprocedure = "read_array"\nparameters = { averages = 0 }\n', "averages"),
        ('[[step]]\nprocedure = "read_array"\nwait = "10 V"\n', "wait"),
        ('[[step]]\nprocedure = "sequence"\n', "cannot be a step"),
        ('[parameters]\ncels = "0,0"\n[[step]]\nprocedure = "read_array"\n', "no step has such a parameter"),
    ],
)
def test_run_is_refused_before_anything_is_sent_when_a_step_cannot_be(home, text, told):
    with pytest.raises(LabError, match=told):
        run(home, text)
    assert not list((home / "runs").glob("*"))


def test_unknown_sequence_is_refused_and_the_packaged_ones_are_listed(home):
    with pytest.raises(RunError, match="characterise_new_die"):
        find_sequence_file("nothing")
    with pytest.raises(RunError, match="nothing"):
        find_sequence_file(str(home / "nothing.toml"))


def test_steps_give_what_the_procedures_give_alone(home):
    text = (
        '[parameters]\ncells = "0:2,0:2"\n[[step]]\nname = "forming"\nprocedure = "form_array"\n'
        '[[step]]\nprocedure = "read_array"\nwhen = { result = "forming.yield", at_least = 0.5 }\n'
        '[[step]]\nname = "never"\nprocedure = "read_array"\nwhen = { result = "forming.yield", at_most = 0.1 }\n'
    )
    together = run(home, text)
    assert together.status == "finished"
    table = together.table()
    assert list(dict.fromkeys(table["Item"])) == ["forming", "read_array"]
    assert "never: forming.yield is 1, at_most is 0.1" in list(together.events()["message"])
    arrays = together.arrays()
    assert together.summary()["results"]["read_array.cells"] == 4
    # a die of its own with the same seed
    import os

    os.environ["LABCTL_HOME"] = str(home / "second")
    alone = run(home, None, "form_array", cells="0:2,0:2")
    np.testing.assert_array_equal(arrays["forming.form_voltage"], alone.arrays()["form_voltage"])
    assert len(alone.table()) == int((table["Item"] == "forming").sum())


def test_wait_passes_on_the_clock_of_the_rack(home):
    text = '[parameters]\ncells = "0,0"\n[[step]]\nprocedure = "read_array"\n'
    text += '[[step]]\nname = "b"\nprocedure = "read_array"\nwait = "1000 s"\n'
    table = run(home, text).table()
    (wait,) = table.index[table["Event"] == "wait"]
    assert table["Time (s)"][wait] - table["Time (s)"][wait - 1] >= 1000.0


@pytest.mark.parametrize("name", sequence_names())
def test_packaged_sequence_passes_its_check_on_the_reference_station(home, name):
    from labctl.run.dry_run import estimate_run

    estimate = estimate_run(find_procedure("sequence"), "tiox-32x32", {"file": name})
    assert estimate is not None
    assert estimate.points > 0


def test_file_with_a_wrong_schema_is_refused():
    with pytest.raises(StationError, match="schema"):
        parse_sequence(HEAD.replace("1", "2", 1) + '[[step]]\nprocedure = "p"\n', "f")


class AbortsAt:
    """An observer that asks for an abort after so much progress."""

    def __init__(self, percent, control):
        self.percent, self.control = percent, control

    def started(self, run_id, path):
        pass

    def progress(self, percent, wall_s, instrument_s):
        if percent >= self.percent:
            self.control.abort()

    def event(self, kind, message):
        pass

    def finished(self, status):
        pass


LOOP = (
    '[[step]]\nname = "before"\nprocedure = "read_array"\nparameters = { cells = "0:2,0:2" }\n'
    '[[step]]\nname = "loop"\nprocedure = "read_array"\nrepeat = 2\n'
    'vary = { cells = ["0:2,0:2", "2:4,0:2"] }\nwhen = { result = "before.cells", at_least = 4 }\n'
)


def cut(home, percent):
    """Abort the list LOOP, five steps of four readings each."""
    file, control = sequence(home, LOOP), RunControl()
    return execute_procedure(
        find_procedure("sequence"), "tiox-32x32", {"file": file}, out=home / "runs",
        observer=AbortsAt(percent, control), control=control,
    )  # fmt: skip


def test_results_of_finished_steps_are_kept_when_a_later_one_is_aborted(home):
    run = cut(home, 50.0)
    assert run.status == "aborted"
    results, items = run.summary()["results"], list(dict.fromkeys(run.table()["Item"]))
    finished = items[:-1]
    assert finished[:2] == ["before", "loop-1"]
    assert [f"{item}.cells" in results for item in items] == [True] * len(finished) + [False]
    arrays = run.arrays()
    for item in finished:
        rows = run.table().query("Item == @item")
        shown = arrays[f"{item}.conductance"].values[rows["Row"].astype(int), rows["Column"].astype(int)]
        np.testing.assert_array_equal(shown, rows["Conductance (S)"])


def test_run_goes_on_in_the_middle_of_a_loop_when_resumed(home):
    aborted = cut(home, 50.0)
    kept = aborted.rows()
    done = resume_run(aborted, find_procedure("sequence"))
    assert done.status == "finished", done.summary()["error"]
    assert done.rows()[: len(kept)] == kept
    table = done.table()
    assert list(dict.fromkeys(table["Item"])) == ["before", "loop-1", "loop-2", "loop-3", "loop-4"]
    assert table.groupby("Item").size().tolist() == [4] * 5
    assert [done.summary()["results"][f"loop-{turn}.cells"] for turn in range(1, 5)] == [4] * 4
    assert (np.diff(table["Time (s)"]) >= 0.0).all()


def test_resume_is_refused_when_the_file_was_edited_meanwhile(home):
    aborted = cut(home, 50.0)
    file = home / "list.toml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("2:4,0:2", "2:4,1:3"), encoding="utf-8")
    with pytest.raises(RunError, match=r"list\.toml changed; put them back"):
        resume_run(aborted, find_procedure("sequence"))
    file.unlink()
    with pytest.raises(RunError, match=r"list\.toml is not there"):
        resume_run(aborted, find_procedure("sequence"))
    # put back, it goes on
    file.write_text(text, encoding="utf-8")
    assert resume_run(aborted, find_procedure("sequence")).status == "finished"


# what makes the shipped list short; a value of a step wins over these
SHORT = """
cells = "0,0;2,2"
integration = "0.1"
step = "0.1 V"
amplitude_step = "0.2 V"
widths = 2
repeats = 1
pulses = 10
level_tolerance = "20 %"
last = "10 s"
"""


@pytest.mark.slow
def test_shipped_list_is_aborted_and_resumed_and_has_each_step_in_one_report(home):
    """Show 2: forming, I-V, pulse map, potentiation/depression, endurance, retention; one command, one report."""
    text = find_sequence_file("characterise_new_die.toml").read_text(encoding="utf-8")
    file = home / "characterise_new_die.toml"
    file.write_text(text.replace('cells = "diagonal:10"', SHORT), encoding="utf-8")
    control = RunControl()
    aborted = execute_procedure(
        find_procedure("sequence"), "tiox-32x32", {"file": str(file)}, out=home / "runs",
        observer=AbortsAt(50.0, control), control=control,
    )  # fmt: skip
    assert aborted.status == "aborted"
    kept, last = aborted.rows(), aborted.table()["Item"].iloc[-1]
    done = resume_run(aborted, find_procedure("sequence"))
    assert done.status == "finished", done.summary()["error"]
    assert done.rows()[: len(kept)] == kept
    table, found = done.table(), done.summary()["results"]
    steps = [step.label for step in parse_sequence(text, "f").steps]
    assert steps == ["contacts", "forming", "iv", "map", "synapse", "endurance", "retention"]
    assert list(dict.fromkeys(table["Item"])) == steps
    # the cut was in the middle: not in the first step, nor in the last
    assert last in steps[1:-1]
    for step in steps:
        rows = table.query("Item == @step")
        assert set(zip(rows["Row"], rows["Column"], strict=True)) == {(0, 0), (2, 2)}, step
        assert (found[f"{step}.cells"], found[f"{step}.cells_stopped"]) == (2, 0), found[f"{step}.failed_cells"]
    assert (found["forming.formed"], found["forming.shorted"]) == (2, 0)
    # rows that follow from the parameters: both states of 100 cycles of two cells; 5 I-V cycles of both sides
    assert len(table.query("Item == 'endurance' and Event == 'read'")) == 2 * 2 * 100
    assert table.query("Item == 'iv' and Event == 'sweep'").groupby(["Row", "Cycle"]).ngroups == 2 * 5
    from labctl.analysis.report import write_report

    page = write_report(done, home / "report").read_text(encoding="utf-8")
    assert [step for step in steps if f">{step}<" not in page and f"{step}:" not in page] == []


@pytest.mark.parametrize("station", ["single-device", "domain-wall"])
def test_packaged_list_tells_what_to_do_when_the_station_has_no_such_cells(home, station):
    with pytest.raises(LabError, match=r"the diagonal has 1 to 1 cells .* got 10") as refusal:
        execute_procedure(find_procedure("sequence"), station, {"file": "characterise_new_die"}, out=home / "runs")
    assert "'diagonal' for all of them" in str(refusal.value)
    assert "copy" in str(refusal.value)
    assert "file=" in str(refusal.value)


@pytest.mark.parametrize(
    ("data", "told"),
    [(b"\xff\xfe", "cannot be read"), (b"schema = ", "list.toml"), (b"\x00", "list.toml")],
)
def test_file_that_is_no_text_is_refused_with_its_name(home, data, told):
    file = home / "list.toml"
    file.write_bytes(data)
    with pytest.raises(LabError, match=told) as refusal:
        run(home, None, file=str(file))
    assert "list.toml" in str(refusal.value)
    assert not list((home / "runs").glob("*"))


# --- loops over dies and temperatures ---------------------------------------------------------------------------------

READ = '[[step]]\nname = "read"\nprocedure = "read_array"\nparameters = { cells = "0:2,0:2" }\n'
DIES = '[loop]\ndies = ["A1", "B4"]\n' + READ
DIES += '[[step]]\nname = "again"\nprocedure = "read_array"\nparameters = { cells = "0,0" }\n'
DIES += 'when = { result = "read.cells", at_least = 4 }\n'


def test_loop_runs_the_list_on_each_die_and_looks_at_the_results_of_that_die():
    text = '[loop]\ndies = ["A1", "B4"]\ntemperatures = ["300 K", "350.5 K"]\n' + READ
    text += '[[step]]\nprocedure = "p"\nwhen = { result = "read.cells", at_least = 1 }\n'
    steps = parse_sequence(HEAD + text, "f").steps
    prefixes = ["A1-300K-", "A1-350_5K-", "B4-300K-", "B4-350_5K-"]
    assert [step.label for step in steps] == [f"{prefix}{name}" for prefix in prefixes for name in ("read", "p")]
    assert [step.when.result for step in steps[1::2]] == [f"{prefix}read.cells" for prefix in prefixes]
    assert (steps[5].turn.die, steps[5].turn.temperature) == ("B4", "300 K")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[loop]\n", "needs dies or temperatures"),
        ("[loop]\ndies = []\n", "at least one"),
        ('[loop]\ndies = ["A1", "a1"]\n', "each counts once"),
        ('[loop]\ndies = ["A 1"]\n', "letters, digits"),
        ('[loop]\ndie = ["A1"]\n', "die"),
        ('[loop]\ntemperatures = ["300 K", "300K"]\n', "each counts once"),
    ],
)
def test_loop_is_refused_when_it_cannot_be_meant(text, told):
    with pytest.raises(LabError, match=told):
        parse_sequence(HEAD + text + READ, "some.toml")


def test_each_die_of_a_simulated_rack_is_another_one_and_stands_in_its_rows(home):
    done = run(home, DIES)
    assert done.status == "finished", done.summary()["error"]
    table = done.table()
    assert set(table["Die"]) == {"A1", "B4"}
    assert table.query("Event == 'die'")[["Item", "Die"]].to_numpy().tolist() == [["A1", "A1"], ["B4", "B4"]]
    by_die = {name: rows.query("Event == 'read'") for name, rows in table.groupby("Die")}
    assert [len(rows) for rows in by_die.values()] == [5, 5]
    ratio = by_die["A1"]["Conductance (S)"].to_numpy() / by_die["B4"]["Conductance (S)"].to_numpy()
    assert (np.abs(np.log(ratio)) > 0.01).all()
    told = done.events().query("kind == 'die'")["message"].tolist()
    assert [message.partition(":")[0] for message in told] == ["A1", "B4"]
    assert "simulated die, seed" in told[0]
    assert {"A1-read.cells", "B4-again.cells"} <= set(done.summary()["results"])
    # the report has each step of each die
    from labctl.analysis.report import write_report

    page = write_report(done, home / "report").read_text(encoding="utf-8")
    assert "A1-read" in page
    assert "B4-again" in page


def test_run_goes_on_with_the_die_that_it_was_cut_on_when_resumed(home):
    file, control = sequence(home, DIES), RunControl()
    aborted = execute_procedure(
        find_procedure("sequence"), "tiox-32x32", {"file": file}, out=home / "runs",
        observer=AbortsAt(60.0, control), control=control,
    )  # fmt: skip
    assert aborted.status == "aborted"
    kept = aborted.rows()
    # somebody takes the die out meanwhile
    from labctl.station import Station

    with Station.open("tiox-32x32") as station:
        station.insert_die("other")
    done = resume_run(aborted, find_procedure("sequence"))
    assert done.status == "finished", done.summary()["error"]
    assert done.rows()[: len(kept)] == kept
    table = done.table()
    assert table.query("Event == 'die'")["Die"].tolist() == ["A1", "B4"]
    # nothing of them is taken for a reading of the die that the rack came with
    from labctl.analysis.cell_history import history_in_run
    from labctl.analysis.die_state import die_state

    assert (die_state([done]).readings == 0).all()
    assert len(history_in_run(done, (0, 0))) == 0
    # what is read twice of one die is the same cell, read with noise
    for die in ("A1", "B4"):
        own = table[(table["Die"] == die) & (table["Event"] == "read") & (table["Row"] == 0) & (table["Column"] == 0)]
        own = own["Conductance (S)"].to_numpy()
        assert own[1] == pytest.approx(own[0], rel=0.05)


class Operator:
    """Who confirms dies by the run's mailbox, as `labctl do RUN die NAME` does; None aborts."""

    def __init__(self, control, answers):
        self.control, self.answers, self.asked, self.path = control, list(answers), [], None

    def started(self, run_id, path):
        self.path = path

    def progress(self, percent, wall_s, instrument_s):
        pass

    def event(self, kind, message):
        if kind in ("operator", "refused"):
            self.asked.append(message)
            answer = self.answers.pop(0)
            if answer is None:
                self.control.abort("no such die")
            else:
                ask_run(self.path, "do", by="test", action="die", cell=answer)

    def finished(self, status):
        pass


@pytest.fixture
def real_rack(monkeypatch):
    """Let the simulated rack pass for a real one, into which nobody but the operator puts dies."""
    from labctl.station import Station

    monkeypatch.setattr(Station, "simulated", property(lambda self: False, lambda self, value: None), raising=False)
    return Station


def test_run_on_a_real_rack_waits_until_the_die_is_confirmed(home, real_rack):
    file, control = sequence(home, DIES), RunControl()
    operator = Operator(control, ["A1", "A1", "b4"])
    done = execute_procedure(
        find_procedure("sequence"), "tiox-32x32", {"file": file}, out=home / "runs", observer=operator, control=control
    )
    assert done.status == "finished", done.summary()["error"]
    # asks and answers begin with a number of their own
    asked = [re.sub("^#[0-9a-f]+ ", "", message) for message in operator.asked]
    assert [message.partition(";")[0] for message in asked] == [
        "put die A1 into the rack, then confirm with `labctl do RUN die A1`",
        "put die B4 into the rack, then confirm with `labctl do RUN die B4`",
        "the run waits for die B4, got die A1",
    ]
    answers = done.events().query("kind == 'answer'")["message"]
    assert [message.partition(" ")[2] for message in answers] == ["die A1 is in", "die B4 is in"]


def test_run_that_waits_for_a_die_is_aborted_when_that_is_asked_for_and_asks_again_when_resumed(home, real_rack):
    file, control = sequence(home, DIES), RunControl()
    operator = Operator(control, ["A1", None])
    aborted = execute_procedure(
        find_procedure("sequence"), "tiox-32x32", {"file": file}, out=home / "runs", observer=operator, control=control
    )
    assert aborted.status == "aborted"
    assert set(aborted.table()["Die"]) == {"A1"}
    again = RunControl()
    operator = Operator(again, ["B4"])
    done = resume_run(aborted, find_procedure("sequence"), observer=operator, control=again)
    assert done.status == "finished", done.summary()["error"]
    assert [asked.partition(",")[0] for asked in operator.asked] == ["put die B4 into the rack"]


def test_station_of_a_real_rack_refuses_to_change_the_die(home, real_rack):
    from labctl.errors import StationError as Refusal

    with real_rack.open("tiox-32x32") as station, pytest.raises(Refusal, match="put die A1 in by hand"):
        station.insert_die("A1")


HOT = '[loop]\ntemperatures = ["300 K", "360 K"]\n[[step]]\nname = "read"\nprocedure = "read_array"\n'


def test_list_is_run_at_each_temperature_and_the_heater_is_off_at_the_end(home):
    file = sequence(home, HOT)
    from labctl.station import Station

    with Station.open("single-device") as station:
        done = execute_procedure(find_procedure("sequence"), station, {"file": file}, out=home / "runs")
        assert station.instruments["tc1"].is_off()
    assert done.status == "finished", done.summary()["error"]
    table = done.table()
    assert table["Event"].tolist() == ["temperature", "read", "temperature", "read", "heater off"]
    assert table["Item"].tolist() == ["300K", "300K-read", "360K", "360K-read", "360K"]
    reached_k = [float(text.removesuffix(" K")) for text in table.query("Event == 'temperature'")["Raw"]]
    assert reached_k == pytest.approx([300.0, 360.0], abs=0.5)


@pytest.mark.parametrize(
    ("station", "text", "told"),
    [
        ("single-device", HOT.replace("360 K", "500 K"), r"0\.3 K to 450 K on this station, got 500 K"),
        ("single-device", HOT.replace("360 K", "360 V"), "loop.temperatures: '360 V'"),
        ("single-device-2400", HOT, "no temperature controller"),
        (
            "single-device",
            HOT + '[[step]]\nprocedure = "retention"\nparameters = { temperatures = "310 K" }\n',
            "sets temperatures of its own",
        ),
    ],
)
def test_loop_over_temperatures_is_refused_before_anything_is_sent(home, station, text, told):
    with pytest.raises(LabError, match=told):
        execute_procedure(find_procedure("sequence"), station, {"file": sequence(home, text)}, out=home / "runs")
    assert not list((home / "runs").glob("*"))


def test_time_of_heating_is_in_the_estimate(home):
    from labctl.run.dry_run import estimate_run

    cold = HOT[HOT.index("[[step]]") :]
    times_s = [
        estimate_run(find_procedure("sequence"), "single-device", {"file": sequence(home, text)}).duration_s
        for text in (cold, HOT)
    ]
    assert times_s[1] == pytest.approx(2 * times_s[0] + 600.0)
