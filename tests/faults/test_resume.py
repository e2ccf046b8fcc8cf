"""Runs that are killed and resumed, against runs that were not. Authority: reliability bar P3, P11 and P12.

The witness is the rack's own list of the stimuli that reached its cells (``resume_child.py``). A process that ends
between an intent and its stimulus leaves a stimulus in doubt that was not applied; the run to compare with is then one
whose rack left out just that stimulus.
"""

import json
import os
import random
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest

from labctl.run.procedure import IN_DOUBT
from labctl.store import open_run

CHILD = Path(__file__).with_name("resume_child.py")
ELSEWHERE, BEFORE_STIMULUS, AFTER_STIMULUS = 70, 71, 72
RECIPES = ("read", "form", "rvc", "short", "stop_voltage", "sweeps", "disturb", "sequence")
LONGER = ("short", "stop_voltage", "sequence", "disturb")
TARGET = "2e-4,1.2e-4,6e-5\n1.5e-4,9e-5,4e-5\n"
NOT_COMPARED = {"Time (s)"}


class Processes:
    """Does jobs in processes that may end at any place."""

    def __init__(self, folder):
        environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        self._server = subprocess.Popen(
            [sys.executable, str(CHILD)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self._folder = folder
        self._made = 0

    def folder(self):
        self._made += 1
        folder = self._folder / str(self._made)
        folder.mkdir()
        (folder / "target.csv").write_text(TARGET, encoding="ascii")
        return folder

    def do(self, folder, recipe, **job):
        self._server.stdin.write(json.dumps({"folder": str(folder), "recipe": recipe, **job}) + "\n")
        self._server.stdin.flush()
        return int(self._server.stdout.readline())

    def close(self):
        self._server.stdin.close()
        self._server.wait(timeout=30)
        self._server.stdout.close()


@pytest.fixture(scope="module")
def processes(tmp_path_factory):
    made = Processes(tmp_path_factory.mktemp("runs"))
    made.reference = cache(lambda recipe, ignored: uninterrupted(made, recipe, ignored))
    yield made
    made.close()


@dataclass
class Dataset:
    """What a run file says, without times."""

    actions: dict
    results: dict
    arrays: dict
    places: int = 0


def dataset(folder):
    run = open_run("latest", folder)
    rows = {
        action: [{name: value for name, value in row.items() if name not in NOT_COMPARED} for row in found]
        for action, found in run.history().rows.items()
    }
    arrays = {str(name): array.values.tolist() for name, array in run.arrays().items()}
    return Dataset(rows, run.summary()["results"], arrays, int((folder / "places.txt").read_text(encoding="ascii")))


def uninterrupted(processes, recipe, ignored):
    folder = processes.folder()
    assert processes.do(folder, recipe, ignored=list(ignored)) == 0
    return dataset(folder)


def stimuli(folder):
    path = folder / "stimuli.jsonl"
    return len(path.read_text(encoding="ascii").splitlines()) if path.exists() else 0


@dataclass
class Trial:
    """One run with its kills, and what was wrong with it."""

    kills: int = 0
    in_doubt: set = field(default_factory=set)
    left_out: list = field(default_factory=list)
    wrong_status: list = field(default_factory=list)
    differences: list = field(default_factory=list)
    unaccounted: int = 0


def kill_and_resume(processes, recipe, places):
    """Run a recipe, end it at each of the places in turn, let it come to its end, and compare."""
    folder, trial = processes.folder(), Trial()
    pending = list(places)
    while True:
        job = {"last": pending.pop(0)} if pending else {}
        code = processes.do(folder, recipe, resume=trial.kills > 0, **job)
        status = open_run("latest", folder).status
        if code == 0:
            break
        assert code in (ELSEWHERE, BEFORE_STIMULUS, AFTER_STIMULUS), f"exit code {code}"
        trial.kills += 1
        history = open_run("latest", folder).history()
        if history.in_doubt is not None and history.in_doubt[0] not in trial.in_doubt:
            trial.in_doubt.add(history.in_doubt[0])
            # the row of an applied stimulus may be lost, too; the rack knows
            before = sum(is_stimulus(rows[0]) for rows in history.rows.values())
            if stimuli(folder) + len(trial.left_out) == before:
                assert code != AFTER_STIMULUS
                trial.left_out.append(before + 1)
            else:
                assert code != BEFORE_STIMULUS
        if status == "finished" and open_run("latest", folder).seal is not None:
            break  # it was killed after its seal
        if status != "interrupted":
            trial.wrong_status.append(status)
    if status != "finished":
        trial.wrong_status.append(status)
    if not (folder / "places.txt").exists():
        (folder / "places.txt").write_text("0", encoding="ascii")
    found, expected = dataset(folder), processes.reference(recipe, tuple(trial.left_out))
    trial.differences = compare(found, expected)
    history = open_run("latest", folder).history()
    flagged = [rows for rows in history.rows.values() if rows[0]["Flags"] == IN_DOUBT]
    if len(flagged) != len(trial.in_doubt):
        trial.differences.append(f"{len(flagged)} rows in doubt after {len(trial.in_doubt)} cut stimuli")
    applied = sum(is_stimulus(rows[0]) for rows in history.rows.values()) - len(trial.left_out)
    trial.unaccounted = abs(stimuli(folder) - applied)
    events = open_run("latest", folder).events()
    cells = events[events["kind"] == "cell"]["message"]
    if len(cells) != len(set(cells)):
        trial.differences.append("events are there twice")
    return trial


def is_stimulus(row):
    return row.get("Event", row.get("What")) in {"form", "set", "reset", "sweep"}


def compare(found, expected):
    wrong = [f"{name} differs" for name in ("results", "arrays") if getattr(found, name) != getattr(expected, name)]
    if list(found.actions) != list(expected.actions):
        wrong.append(f"{len(found.actions)} actions, expected {len(expected.actions)}")
    for action, rows in expected.actions.items():
        got = found.actions.get(action)
        if got is not None and got[0]["Flags"] == IN_DOUBT:
            # the plan is there and nothing that contradicts the row that would have been
            (row,) = got
            plan = {name: value for name, value in row.items() if value is not None and name != "Flags"}
            got, rows = [plan], [{name: rows[0][name] for name in plan}]
        if got != rows:
            wrong.append(f"action {action}: {got}, expected {rows}")
    return wrong


def report(promise, trials, number, what, seed):
    kills = sum(trial.kills for trial in trials)
    bad = [trial for trial in trials if trial.differences]
    promise(number, what, trials=len(trials), failures=len(bad), seed=seed, worst=f"{kills} kills")
    statuses = sum(len(trial.wrong_status) for trial in trials)
    promise("P3", f"end status true after each kill and at the end ({what})", trials=kills + len(trials),
            failures=statuses, seed=seed, worst="")  # fmt: skip
    unaccounted = sum(trial.unaccounted for trial in trials)
    in_doubt = sum(len(trial.in_doubt) for trial in trials)
    promise("P12", f"stimuli at the cells = rows, those in doubt flagged ({what})", trials=in_doubt,
            failures=unaccounted, seed=seed, worst=f"{in_doubt} in doubt")  # fmt: skip
    assert not bad, bad[0]
    assert statuses == 0
    assert unaccounted == 0


def spread(count, number):
    """Return so many of the places 1 to count, spread over them, the first and the last among them."""
    if count <= number:
        return list(range(1, count + 1))
    return sorted({1 + round(index * (count - 1) / (number - 1)) for index in range(number)})


@pytest.mark.parametrize(
    "recipe", [pytest.param(name, marks=pytest.mark.slow) if name in LONGER else name for name in RECIPES]
)
def test_run_ends_as_if_uninterrupted_when_killed_at_a_place(processes, promise, recipe):
    count = processes.reference(recipe, ()).places
    places = spread(count, 5)
    trials = [kill_and_resume(processes, recipe, [place]) for place in places]
    what = f"resumed after a kill at {len(places)} of {count} places, {recipe}"
    assert sum(trial.kills for trial in trials) == len(places)
    report(promise, trials, "P11", what, "places spread evenly")


@pytest.mark.long
@pytest.mark.parametrize("recipe", RECIPES)
def test_run_ends_as_if_uninterrupted_when_killed_at_every_place(processes, promise, recipe):
    count = processes.reference(recipe, ()).places
    trials = [kill_and_resume(processes, recipe, [place]) for place in range(1, count + 1)]
    report(promise, trials, "P11", f"resumed after a kill at each of {count} places, {recipe}", "all places")


def random_trial(processes, seed):
    """Kill a run 1 to 10 times at random places."""
    draw = random.Random(seed)
    recipe = RECIPES[seed % len(RECIPES)]
    count = processes.reference(recipe, ()).places
    return kill_and_resume(processes, recipe, [draw.randint(1, max(2, count // 2)) for _ in range(draw.randint(1, 10))])


@pytest.mark.parametrize(
    "seeds",
    [
        pytest.param(range(6), marks=pytest.mark.slow),
        pytest.param(range(6, 26), marks=pytest.mark.slow),
        pytest.param(range(26, 126), marks=pytest.mark.long),
    ],
    ids=len,
)
def test_run_ends_as_if_uninterrupted_when_killed_again_and_again(processes, promise, seeds):
    trials = [random_trial(processes, seed) for seed in seeds]
    assert sum(trial.kills for trial in trials) > 2 * len(seeds)
    assert sum(len(trial.in_doubt) for trial in trials) > 0.2 * len(seeds)
    what = f"runs killed 1 to 10 times at random, {len(RECIPES)} recipes"
    report(promise, trials, "P11", what, f"{seeds[0]}..{seeds[-1]}")
