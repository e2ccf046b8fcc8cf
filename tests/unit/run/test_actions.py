"""Authority: the contract of the unit of work (reference/reliability.md, "Repeated stimulus on resume", P12)."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from labctl.errors import ProtocolError, RunError, UnconfirmedError
from labctl.run.actions import Actions

COLUMNS = ("Cell", "Voltage (V)", "Current (A)", "Flags")
PULSE = {"Cell": 3, "Voltage (V)": 1.5}


class Writer:
    """A run file in memory; one list, because the order of intents and rows is what matters."""

    def __init__(self):
        self.log = []

    def intent(self, action, stimulus):
        self.log.append(("intent", action, dict(stimulus)))

    def points(self, rows, action=None):
        self.log.append(("rows", action, [dict(row) for row in rows]))


class Bench:
    """Actions with everything that they are told and do."""

    def __init__(self, rows=None, in_doubt=None, columns=COLUMNS, repair=None):
        self.writer, self.told, self.live, self.repaired = Writer(), [], [], []
        history = None if rows is None else SimpleNamespace(rows=rows, in_doubt=in_doubt)
        self.actions = Actions(
            self.writer,
            columns,
            went_live=self.live.append,
            repair=repair or self.repaired.append,
            tell=lambda *event: self.told.append(event),
            history=history,
        )

    def pulse(self, do=lambda: {"Current (A)": 1e-6}, plan=None):
        return self.actions.perform(plan or PULSE, do, stimulates=True)

    def read(self, do=lambda: {"Current (A)": 2e-6}, plan=None):
        return self.actions.perform(plan or {"Cell": 3}, do, stimulates=False)


def stored(plan, **values):
    return {**dict.fromkeys(COLUMNS), **plan, **values}


def never():
    raise AssertionError("was done again")


def test_intent_is_in_the_file_before_a_stimulus_is_given():
    bench = Bench()

    def do():
        assert bench.writer.log == [("intent", 1, PULSE)]
        return {"Current (A)": 1e-6}

    assert bench.pulse(do) == [stored(PULSE, **{"Current (A)": 1e-6})]
    assert bench.writer.log[1] == ("rows", 1, [stored(PULSE, **{"Current (A)": 1e-6})])
    bench.read()
    assert [entry[:2] for entry in bench.writer.log] == [("intent", 1), ("rows", 1), ("rows", 2)]
    assert bench.live == []


def test_rows_are_the_same_live_and_recalled():
    bench = Bench()
    live = bench.read(lambda: [{"Current (A)": np.float64("nan"), "Flags": None}, {"Current (A)": np.float32(0.5)}])
    assert live == [stored({"Cell": 3}), stored({"Cell": 3}, **{"Current (A)": 0.5})]
    again = Bench(rows={1: bench.writer.log[0][2]})
    assert again.read(never) == live


def test_nothing_is_done_or_written_while_the_file_has_the_answer():
    bench = Bench(rows={1: [stored(PULSE)], 2: [stored({"Cell": 3}, **{"Current (A)": 7.0})]})
    assert bench.pulse(never) == [stored(PULSE)]
    assert bench.actions.is_replaying
    assert bench.read(never)[0]["Current (A)"] == 7.0
    assert not bench.actions.is_replaying
    assert not bench.actions.is_live
    assert bench.writer.log == bench.live == []
    bench.read()
    assert bench.live == [None]
    assert bench.writer.log == [("rows", 3, [stored({"Cell": 3}, **{"Current (A)": 2e-6})])]


def test_stimulus_in_doubt_is_flagged_and_not_repeated():
    bench = Bench(rows={1: [stored({"Cell": 3})]}, in_doubt=(2, PULSE))
    bench.read(never)
    flagged = stored(PULSE, Flags="in_doubt")
    assert bench.pulse(never) == [flagged]
    assert bench.writer.log == [("rows", 2, [flagged])]
    assert bench.told[0][0] == "in_doubt"
    assert bench.live == [flagged]
    bench.pulse()
    assert [entry[:2] for entry in bench.writer.log[1:]] == [("intent", 3), ("rows", 3)]


@pytest.mark.parametrize(
    ("rows", "in_doubt"), [({1: [stored(PULSE, Cell=4)]}, None), ({}, (1, {**PULSE, "Voltage (V)": 1.6}))]
)
def test_another_plan_is_refused_before_anything_is_done(rows, in_doubt):
    bench = Bench(rows=rows, in_doubt=in_doubt)
    with pytest.raises(RunError, match=r"the procedure asks for .* the file holds"):
        bench.pulse(never)
    assert bench.writer.log == bench.live == []


def test_plan_is_compared_to_the_last_bit():
    close = math.nextafter(1.5, 2.0)
    with pytest.raises(RunError, match=f"Voltage \\(V\\) = {close}"):
        Bench(rows={1: [stored(PULSE)]}).pulse(never, {**PULSE, "Voltage (V)": close})


def test_rows_outside_of_actions_are_numbered_and_skipped_when_recalled():
    bench = Bench(rows={1: [stored({"Cell": 1})]})
    bench.actions.note([{"Cell": 1}])
    bench.actions.note([])
    bench.actions.note([{"Cell": 2}, {"Cell": 3}])
    assert bench.writer.log == [("rows", 2, [{"Cell": 2}, {"Cell": 3}])]
    assert bench.live == [None]


def test_row_is_refused_where_the_file_has_a_stimulus_in_doubt():
    with pytest.raises(RunError, match="asks for a row"):
        Bench(rows={}, in_doubt=(1, PULSE)).actions.note([{"Cell": 1}])


def test_unconfirmed_stimulus_is_flagged_and_the_run_goes_on():
    bench = Bench()

    def do():
        raise UnconfirmedError("smu1: no answer to the pulse")

    assert bench.pulse(do) == [stored(PULSE, Flags="in_doubt")]
    assert "no answer" in str(bench.repaired[0])
    assert "no answer" in bench.told[0][1]
    assert [entry[:2] for entry in bench.writer.log] == [("intent", 1), ("rows", 1)]


def test_unconfirmed_reading_is_taken_once_more_and_not_twice():
    bench, answers = Bench(), iter([UnconfirmedError("mat1: no answer"), None])

    def do():
        answer = next(answers, UnconfirmedError("mat1: again no answer"))
        if answer is not None:
            raise answer
        return {"Current (A)": 5.0}

    assert bench.read(do) == [stored({"Cell": 3}, **{"Current (A)": 5.0})]
    assert len(bench.repaired) == 1
    answers = iter([UnconfirmedError("one"), UnconfirmedError("two")])
    with pytest.raises(UnconfirmedError, match="two"):
        bench.read(do)


def test_run_fails_without_a_row_when_the_instruments_cannot_be_repaired():
    def repair(error):
        raise ProtocolError("smu1: another instrument answers") from error

    bench = Bench(repair=repair)
    with pytest.raises(ProtocolError, match="another instrument"):
        bench.pulse(lambda: (_ for _ in ()).throw(UnconfirmedError("no answer")))
    assert [entry[0] for entry in bench.writer.log] == ["intent"]


def test_action_is_refused_inside_an_action():
    bench = Bench()
    with pytest.raises(RunError, match="inside an action"):
        bench.read(lambda: bench.pulse()[0])
    with pytest.raises(RunError, match="inside an action"):
        bench.read(lambda: bench.actions.note([{"Cell": 1}]))


def test_looking_at_the_sample_before_going_live_performs_nothing():
    bench = Bench(rows={})
    bench.actions._went_live = lambda in_doubt: bench.read()
    with pytest.raises(RunError, match="inside an action"):
        bench.read()


@pytest.mark.parametrize(
    ("do", "rule"),
    [(list, "at least one row"), (lambda: {"Cell": 9}, "the plan says Cell = 3, the rows say otherwise")],
)
def test_rows_are_refused_when_they_break_a_rule(do, rule):
    bench = Bench()
    with pytest.raises(RunError, match=rule):
        bench.read(do)
    assert bench.writer.log == []


def test_stimulus_is_refused_when_no_column_could_flag_it():
    bench = Bench(columns=("Cell", "Voltage (V)"))
    with pytest.raises(RunError, match="column 'Flags'"):
        bench.pulse(never)
    assert bench.writer.log == []


def test_end_is_refused_while_the_file_holds_more():
    bench = Bench(rows={1: [stored(PULSE)], 2: [stored(PULSE)]}, in_doubt=(3, PULSE))
    bench.pulse(never)
    with pytest.raises(RunError, match="ended after 1 actions, the file holds 2 more"):
        bench.actions.finish()
    done = Bench(rows={1: [stored(PULSE)]})
    done.pulse(never)
    done.actions.finish()


@pytest.mark.parametrize("rows", [{2: [stored(PULSE)]}, {1: []}])
def test_history_with_a_hole_is_refused(rows):
    with pytest.raises(RunError, match=r"resume: (the file lacks action 1|action 1 has no row)"):
        Bench(rows=rows).pulse(never)
