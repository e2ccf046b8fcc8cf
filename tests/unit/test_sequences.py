"""Sequences: what the file may say, what the steps become.

Authority: data/labctl_data/sequences/README.md; the same procedures run one by one.
"""

import numpy as np
import pytest

from labctl.errors import LabError, RunError, StationError
from labctl.run import RunControl, execute_procedure, resume_run
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
