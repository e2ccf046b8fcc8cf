"""What the comparison of a replay says of stimuli that were chosen by what was read.

Authority: issue "Replay, and the digital twin", Shows 2 (on another seed: statistics agree, differences shown): where
all cells got the same, or what parameters or a person gave them, they can, and where each got what its readings asked
for, end values judge no die. Which rows those are: levelling.py and forming.py read and then decide. Replays of
whole runs are in tests/system/test_replay_against.py.
"""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from labctl.analysis.replay_comparison import OF_POINT, Verdict, compare_replay

CELLS, TARGET_S = 12, 50e-6
NAMES = ("Event", "Row", "Column", "Voltage (V)", "Width (s)", "Current (A)", "Conductance (S)", "Time (s)")


def table(conductances_s, pulses_v, reading="verify"):
    """A reading of each cell of a row, one pulse, and a reading."""
    rows = []
    for column, (conductance_s, pulse_v) in enumerate(zip(conductances_s, pulses_v, strict=True)):
        read = (reading, 0, column, 0.2, np.nan, 0.2 * conductance_s, conductance_s)
        rows += [read, ("set", 0, column, pulse_v, 1e-4, np.nan, np.nan), read]
    return pd.DataFrame([(*row, float(number)) for number, row in enumerate(rows)], columns=NAMES)


def run(content, *, replay_of=None, procedure="write_verify"):
    if replay_of is not None:
        content = content.assign(**{OF_POINT: np.arange(1, len(content) + 1)})
    return SimpleNamespace(
        run_id="replay" if replay_of else "recorded",
        status="finished",
        header={"procedure": procedure, "bench": None, "versions": None},
        columns=[SimpleNamespace(name=name) for name in content],
        summary=lambda: {"results": {"of_run": replay_of} if replay_of else {}},
        table=lambda: content,
        events=lambda: pd.DataFrame({"kind": [], "message": []}),
    )


def compared(pulses_v, recorded_s, replayed_s, *, reading="verify", procedure="write_verify"):
    recorded = run(table(recorded_s, pulses_v, reading), procedure=procedure)
    return compare_replay(recorded, run(table(replayed_s, pulses_v, reading), replay_of="recorded"))


def spread(seed, sigma, median_s=TARGET_S):
    return median_s * np.exp(sigma * np.random.default_rng(seed).standard_normal(CELLS))


@pytest.mark.parametrize("seed", range(3))
def test_cells_that_got_the_same_are_not_told_apart_on_another_die(seed):
    found = compared(np.full(CELLS, 0.8), spread(seed, 0.3), spread(seed + 10, 0.3))
    assert set(found.verdicts().values()) <= {Verdict.NOT_TOLD_APART, Verdict.IDENTICAL}
    assert not found.pairs["chosen"].any()
    assert found.remark() == ""


def test_cells_that_got_the_same_and_still_differ_are_dies_that_differ():
    found = compared(np.full(CELLS, 0.8), spread(1, 0.3), spread(2, 0.3, 3.0 * TARGET_S))
    assert found.verdicts()["Conductance (S)"] is Verdict.DIFFERS
    assert found.remark() == ""


def test_verdict_blames_the_stimuli_when_each_cell_got_what_its_readings_asked_for():
    found = compared(np.linspace(0.6, 1.0, CELLS), spread(1, 0.02), spread(2, 0.3, 2.0 * TARGET_S))
    assert found.verdicts()["Conductance (S)"] is Verdict.CHOSEN
    # all but the first readings
    assert f"{2 * CELLS} of {3 * CELLS} points follow stimuli that write_verify chose" in found.remark()


@pytest.mark.parametrize(
    ("reading", "procedure"), [("read", "half_select_disturb"), ("verify", "manual"), ("verify", "replay_run")]
)
def test_dies_that_differ_have_no_excuse_when_parameters_or_a_person_chose_the_stimuli(reading, procedure):
    halves_v = np.repeat([0.8, -1.0], CELLS // 2)
    found = compared(halves_v, spread(1, 0.02), spread(2, 0.02, 2.0 * TARGET_S), reading=reading, procedure=procedure)
    assert found.verdicts()["Conductance (S)"] is Verdict.DIFFERS
    assert not found.pairs["chosen"].any()
    assert found.remark() == ""


def test_rows_before_the_first_choice_and_cells_that_end_early_are_not_chosen():
    content = table(spread(1, 0.1), [0.8] * CELLS)
    # a survey of all cells first, of which one is then given up
    survey = content[content["Event"] == "verify"].assign(Event="survey")
    early = content[content["Column"] != 3]
    later = early.assign(**{"Voltage (V)": np.where(early["Event"] == "set", 0.7 + 0.01 * early["Column"], 0.2)})
    same = pd.concat([survey, early], ignore_index=True)
    chosen = pd.concat([survey, early, later], ignore_index=True)
    # each cell is read once more before its own pulse
    behind = (later.groupby("Column").cumcount() > 0).tolist()
    for recorded, is_chosen in ((same, []), (chosen, behind)):
        found = compare_replay(run(recorded), run(recorded, replay_of="recorded"))
        assert found.pairs["chosen"].tolist() == [False] * len(same) + is_chosen
        # the same die: nothing to excuse
        assert found.remark() == ""
