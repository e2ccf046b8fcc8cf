"""The commands on the runs of a data root. Authority: the issue's list of filters, notes, tags and trash."""

from labctl import script
from labctl.store import RunHeader, RunWriter


def make_run(root, procedure, *, simulated=True, cell=(0, 0)):
    facts = {"sample": {"name": "wafer 7"}, "seed": 3}
    writer = RunWriter.create(root, RunHeader(procedure, ["Row", "Column"], (), "rack", simulated, facts))
    writer.point(dict(zip(("Row", "Column"), cell, strict=True)))
    writer.seal("finished", {})
    return writer.run_id


def listed(labctl, *arguments):
    return [item["run_id"] for item in labctl("runs", *arguments, "--json").json()]


def test_runs_keeps_what_the_options_name_when_filtered(labctl, homes):
    first = make_run(homes / "runs", "read_array", cell=(3, 4))
    second = make_run(homes / "runs", "sweep_iv", simulated=False)
    labctl("note", first, "odd", "corner")
    labctl("tag", first, "good", "die2")
    assert listed(labctl) == [second, first]
    for arguments in (
        ("--procedure", "read_array"),
        ("--cell", "3,4"),
        ("--simulated",),
        ("--tag", "good", "--tag", "die2"),
        ("odd", "WAFER"),
        ("--seed", "3", "--sample", "wafer 7", "-s", "rack", "--status", "finished", "--since", "2020-01-01", "die2"),
    ):
        assert listed(labctl, *arguments) == [first], arguments
    assert listed(labctl, "--real") == [second]
    assert listed(labctl, "--until", "2020-01-01") == []
    text = labctl("runs").out
    assert "odd corner" in text
    assert "good die2" in text
    assert list(script.list_runs(wanted=script.RunFilter(cell=(3, 4))).index) == [first]


def test_note_and_tag_show_what_is_there_when_nothing_is_given(labctl, homes):
    run_id = make_run(homes / "runs", "read_array")
    assert labctl("note", run_id).out == "\n"
    labctl("note", run_id, "needle lifted")
    assert labctl("note", run_id).out == "needle lifted\n"
    assert labctl("tag", run_id, "a", "b").out == "a b\n"
    assert labctl("tag", run_id, "c", "--remove", "a").out == "b c\n"
    assert labctl("note", run_id, "").code == 0
    assert labctl("note", run_id).out == "\n"
    assert script.note_run(run_id, tags=["z"]) == script.Notes("", ("z",))


def test_run_is_listed_again_when_it_is_restored(labctl, homes):
    run_id = make_run(homes / "runs", "read_array")
    assert labctl("trash", run_id).code == 0
    assert listed(labctl) == []
    assert labctl("restore").out.split() == [run_id]
    assert labctl("restore", run_id[:-3]).code == 0
    assert listed(labctl) == [run_id]
    script.restore_run(script.trash_run(run_id))
    assert listed(labctl) == [run_id]


def test_wrong_options_are_refused_with_what_is_allowed_when_given(labctl, homes):
    run_id = make_run(homes / "runs", "read_array")
    for arguments, words in (
        (("runs", "--status", "fine"), "interrupted"),
        (("runs", "--cell", "3"), "ROW,COLUMN"),
        (("runs", "--since", "yesterday"), "2026-01-31"),
        (("tag", run_id, "two words"), "one word"),
        (("tag", run_id, "--remove", "no"), "has no tag no"),
        (("trash", "nothing"), "no such run"),
        (("restore", "nothing"), "means 0 runs"),
    ):
        answer = labctl(*arguments)
        assert answer.code == 2, arguments
        assert words in answer.err
        assert "Traceback" not in answer.err
