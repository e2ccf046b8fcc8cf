"""P9: a fault at a random message of a short run leaves no row silently wrong, no status untrue, no output silently on.

Each injection is a run of its own through the station and the engine: read, SET with the source-measure unit, read,
RESET with the generator, read, on two cells. Its file is compared with the bench's oracle, never with the client.
Authority: reference/reliability.md, sections 3.1, 3.2 and P9.
"""

import gc
import random
import shutil
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from labctl.errors import LabError
from labctl.run import execute_procedure
from labctl.run.control import RunControl
from labctl.station import Station
from labctl.station.doctor import check
from labctl.tuning import Pulse
from labctl_mock.bench.bench import Bench
from labctl_mock.faults import kinds
from labctl_mock.faults.kinds import find_kinds
from labctl_mock.models import models
from labctl_mock.visa import LabctlVisaLibrary
from labctl_procedures.array_procedure import COLUMNS, ArrayProcedure, RecordedCells

MOCK = Path(__file__).parents[1] / "mock"
RACK, STATION = MOCK / "rack-4x4.toml", MOCK / "station-4x4.toml"
KINDS = [name for name in kinds() if name != "random"]
MODELS = {"smu1": "Keithley2636B", "gen1": "Keysight33622A", "mat1": "Keithley707B"}
INSTRUMENTS = tuple(MODELS)
CELLS = ((0, 1), (2, 3))
SEED = 9
FEW, MANY, HOURS = 3, 26, 260  # injections per kind: 47 kinds make 141, 1222 and 12220
HANGS_S = 30.0
READ_V = 0.05  # so low that current and voltage are proportional
TOLERANCE = 0.02  # the resistance of lines and relays takes up to 1.3 %
SET_V, RESET_V = 1.1, -1.3
LEVEL_TOLERANCE = 0.03  # the generator's accuracy is 1 %
VALUES = {"late_reply": "12 s", "stalled_reply": "12 s", "power_cycle": "2 s"}
# what cannot be without a trace in the file: the exchange broke, the queue complained, or a value is none
MUST_BE_NOTICED = {
    "late_reply",
    "lost_reply",
    "stalled_reply",
    "truncated_reply",
    "garbled_number",
    "nan",
    "inf",
    "not_a_number",
    "negative_not_a_number",
    "infinity",
    "meter_overflow",
    "compliance",
    "error_entry",
    "queue_overflow",
    "connection_closed",
    "connection_reset",
    "black_hole",
    "refuse_reconnect",
    "power_cycle",
    "disk_full",
    "disk_error",
}
# the wire obeyed twice what was sent once: a row in doubt then stands for two stimuli
MAY_REPEAT = {"command_duplicated"}
# the matrix tells what it commanded, not what its contacts do: only a measurement of the wiring can tell
SEEN_BY_DOCTOR = {"relay_stuck_open", "relay_stuck_closed"}
# the relays that the run uses: rows A and C and ground carry word lines, B and D and ground bit lines
RELAYS = [f"{card}{row}{line + 1:02d}" for card, rows in ((1, "ACE"), (2, "BDE")) for row in rows for line in range(4)]
# messages at which the suite was blind once, each with what must strike there
TARGETS = [
    "infinity@gen1#1",
    *(
        f"{kind}@{place}"
        for kind in ("infinity", "truncated_reply", "meter_overflow")
        for place in ("smu1:linefreq", "smu1:linefreq#2", "mat1:connectrule#2")
    ),
    *(
        rf"{kind}@smu1:^smua\.source\.levelv\={level}"
        for kind in ("command_lost", "setting_ignored", "setting_altered", "command_garbled")
        for level in ("5", "0")
    ),
    *(f"{kind}@smu1:delay" for kind in ("setting_altered", "setting_ignored", "command_duplicated")),
    *(f"{kind}@gen1:SOUR1:VOLT:HIGH 2" for kind in ("command_lost", "setting_altered", "command_garbled")),
    r"command_duplicated@gen1:\*TRG",
    r"duplicate_reply@gen1:\*TRG",
    "command_duplicated@mat1:close#2",
    *(f"{kind}@gen1:OUTP1 ON" for kind in ("instrument_reset", "output_trip", "command_garbled")),
    r"instrument_reset@gen1:\*TRG",
    *(
        rf"{kind}@smu1:smu{channel}\.source\.output\=1"
        for kind in ("instrument_reset", "output_trip", "setting_ignored", "command_lost")
        for channel in "ab"
    ),
]


@dataclass
class Step:
    """One action: what was planned, and what the bench saw meanwhile."""

    event: str
    cell: tuple
    voltage_v: float
    is_over: bool = False
    stimuli: list = field(default_factory=list)
    truth_s: tuple = ()


class Watched(ArrayProcedure):
    """The run, with a look at the oracle before and after each action."""

    DATA_COLUMNS = COLUMNS

    def execute(self):
        with self.open_access(pulse_voltage_v=2.0, current_limit_a=0.05) as access:
            port = RecordedCells(self, access)
            for cell in CELLS:
                self.watch("read", cell, READ_V, port.read)
                self.watch("set", cell, SET_V, port.apply, Pulse(SET_V, 200e-6))
                self.watch("read", cell, READ_V, port.read)
                self.watch("reset", cell, RESET_V, port.apply, Pulse(RESET_V, 10e-6))
                self.watch("read", cell, READ_V, port.read)
        # how often each rule could have struck by now; what comes later concerns no row
        links = self.bench._links.values()
        self.chances.update({(rule.kind.name, rule.instrument): rule.seen for link in links for rule in link._rules})

    def watch(self, event, cell, voltage_v, act, *what):
        step, before = Step(event, cell, voltage_v), len(self.bench.oracle.stimuli)
        self.steps.append(step)
        first = self.bench.truth()["conductance_s"][cell]
        try:
            act(*cell, *what)
            step.is_over = True
        finally:
            step.stimuli = list(self.bench.oracle.stimuli)[before:]
            step.truth_s = (first, self.bench.truth()["conductance_s"][cell])


@dataclass
class Outcome:
    """What came of one injection."""

    kind: str
    spec: str
    status: str
    error: str
    struck: int
    is_noticed: bool
    concerns_rows: bool
    wrong: list
    seconds: float
    doctor: str = ""
    unseen: list = field(default_factory=list)  # wrong in the run and found by the doctor


class Campaign:
    """Runs on a rack whose die is formed, each in a home of its own."""

    def __init__(self, folder, monkeypatch):
        self.folder, self._number = folder, 0
        self._benches, self._examined = [], {}
        self._set = monkeypatch.setenv
        # the clock of the bench is virtual, pauses between attempts to open a session are not
        monkeypatch.setattr("labctl_instruments.asking._PAUSES_S", (0.0, 0.0, 0.0))
        opened = LabctlVisaLibrary.open_bench
        monkeypatch.setattr(LabctlVisaLibrary, "open_bench", lambda library: self._keep(opened(library)))
        self.station = folder / "station.toml"
        self.station.write_text(
            STATION.read_text(encoding="utf-8").replace("BENCH", f"{RACK}@labctl"), encoding="utf-8"
        )
        with Bench.open(RACK, home=folder / "formed") as bench:
            bench._die.state.formed[...] = True
            bench._die.state.conductance_s[...] = 1e-4 * (1.0 + 0.1 * np.arange(16).reshape(4, 4))
            bench.clock.sleep(1.0)
        self.usual_events, self.outcomes = set(), []
        clean = self.run("none", "")
        assert clean.status == "finished", clean.error
        assert not clean.wrong, clean.wrong
        assert [len(step.stimuli) for step in self.steps] == [0, 1, 0, 1, 0] * len(CELLS)
        self.usual_events = self.events
        self.chances, self.chances_in_rows = self._count_chances()

    def _keep(self, bench):
        self._benches.append(bench)
        return bench

    def _count_chances(self):
        """Count the messages that each kind can change, instrument by instrument, in a run without faults."""
        every = {
            (kind.name, key)
            for kind in find_kinds().values()
            for key in INSTRUMENTS
            if not kind.is_hardware or kind.name in models()[MODELS[key]].fault_kinds
        }
        self.run("none", ";".join(f"{name}@{key}#900000000" for name, key in every))
        links = self._benches[-1]._links.values()
        chances = {(rule.kind.name, rule.instrument): rule.seen for link in links for rule in link._rules}
        return {where: count for where, count in chances.items() if count}, self.chances_seen

    def spec(self, kind, dice):
        """Draw a place for a fault of this kind; tell also whether it lies before the end of the last row."""
        if kind.startswith("disk_"):
            first = dice.randint(1, 60)
            return f"{kind}#{first}-{first + dice.randint(0, 3)}", False
        where = dice.choice(sorted(key for name, key in self.chances if name == kind))
        value = dice.choice(RELAYS) if kind in SEEN_BY_DOCTOR else VALUES.get(kind, "")
        if kind == "drift":
            value = ",".join(map(str, (*dice.choice(CELLS), "1.3")))
        number = dice.randint(1, self.chances[kind, where])
        concerns_rows = number <= self.chances_in_rows.get((kind, where), 0)
        # the relay itself stands in the value: any message will do
        pattern = ":." if kind in SEEN_BY_DOCTOR else ""
        return f"{kind}@{where}{pattern}#{number}" + (f"={value}" if value else ""), concerns_rows

    def run(self, kind, spec, concerns_rows=False):
        """Run once with a fault and judge."""
        self._number += 1
        home = self.folder / f"home-{self._number}"
        shutil.copytree(self.folder / "formed", home)
        self._set("LABCTL_HOME", str(home))
        procedure = type("Injected", (Watched,), {"steps": [], "chances": {}})
        self.steps, self.chances_seen = procedure.steps, procedure.chances
        control = RunControl()
        watchdog = threading.Timer(HANGS_S, lambda: control.abort("the campaign's watchdog: the run hangs"))
        watchdog.start()
        started_s = time.perf_counter()
        wrong, status, error, rows = [], "refused", "", []
        self.events = set()
        try:
            with Station.open(self.station) as station:
                bench = procedure.bench = self._benches[-1]
                run = execute_procedure(
                    procedure, station, {"faults": spec, "read_voltage": READ_V}, out=home / "runs", control=control
                )
                status, error = run.status, str(run.summary()["error"] or "")
                rows = run.table().to_dict("records")
                self.events = {(event["kind"], event["message"]) for event in run.events().to_dict("records")}
                self._check_outputs(bench, error, wrong)
        except LabError as refused:
            error = f"{type(refused).__name__}: {refused}"
            bench = self._benches[-1]
        finally:
            watchdog.cancel()
        seconds = time.perf_counter() - started_s
        # a run that failed by its disk says so; the rows that were under way to the disk then are not in the file
        self._check_rows(
            self.steps,
            rows,
            wrong,
            is_finished=status == "finished",
            keeps_all=not kind.startswith("disk_"),
            most=2 if kind in MAY_REPEAT else 1,
        )
        if seconds > HANGS_S or "watchdog" in error:
            wrong.append(f"hang: {seconds:.0f} s")
        has_flags = any(isinstance(row["Flags"], str) for row in rows)
        is_noticed = bool(has_flags or status != "finished" or self.events - self.usual_events)
        struck = len(bench.oracle.faults) + sum(disk.failed for disk in bench._disks)
        self._benches[:-1] = []
        shutil.rmtree(home)
        outcome = Outcome(kind, spec, status, error, struck, is_noticed, concerns_rows, wrong, seconds)
        if kind in SEEN_BY_DOCTOR:
            outcome.doctor = self.examine(kind, spec.rpartition("=")[2])
            if outcome.doctor:
                outcome.wrong, outcome.unseen = [], wrong
            else:
                outcome.wrong = [*wrong, "labctl doctor does not name the relay"]
        return outcome

    def examine(self, kind, relay):
        """Let ``labctl doctor`` look at a rack with a relay that is stuck; return what it says of that relay."""
        if (kind, relay) not in self._examined:
            home = self.folder / "doctor"
            shutil.copytree(self.folder / "formed", home)
            self._set("LABCTL_HOME", str(home))
            with Station.open(self.station) as station:
                station.inject_faults(f"{kind}@mat1:.={relay}")
                found = [f"{one.name}: {one.detail}" for one in check(station) if not one.ok]
            shutil.rmtree(home)
            self._examined[kind, relay] = "; ".join(text for text in found if relay in text)
        return self._examined[kind, relay]

    @staticmethod
    def _check_outputs(bench, error, wrong):
        on = [name for name, output in bench.oracle.outputs().items() if output["on"]]
        said = "verified off" in error.lower() or "off by hand" in error.lower() or "not off" in error.lower()
        if on and not said:
            wrong.append(f"left on without a word: {on}; error {error[:200]!r}")

    @staticmethod
    def _check_rows(steps, rows, wrong, *, is_finished, keeps_all, most):
        over = sum(step.is_over for step in steps)
        if not (over if keeps_all else 0) <= len(rows) <= (over if is_finished else over + 1):
            wrong.append(f"{len(rows)} rows of {over} actions that were over")
        for number, step in enumerate(steps):
            problem = judge(step, rows[number] if number < len(rows) else None, most)
            if problem:
                wrong.append(f"row {number} ({step.event}): {problem}")


def judge(step, row, most):
    """Return what is silently wrong with a row, "" where nothing is.

    ``row`` None stands for an action without a row; ``most`` is how many stimuli one that is in doubt may stand for.
    """
    count, is_flagged = len(step.stimuli), row is None or isinstance(row["Flags"], str)
    if row is not None and (row["Event"], row["Row"], row["Column"], row["Voltage (V)"]) != (
        step.event,
        *step.cell,
        step.voltage_v,
    ):
        return f"the file says {row['Event']} of cell ({row['Row']}, {row['Column']}), {step.cell} was meant"
    if step.event == "read":
        if count:
            return f"a reading applied {count} stimuli: {step.stimuli[0].levels}"
        return "" if is_flagged else judge_reading(row["Conductance (S)"], step.truth_s)
    if is_flagged:
        return "" if count <= most else f"{count} stimuli for one that is in doubt"
    if count != 1:
        return f"{count} stimuli for one row"
    (stimulus,) = step.stimuli
    is_smu = stimulus.source.startswith("smu")
    word, bit = ("smu1.a", "smu1.b") if is_smu else ("gen1.1", "gen1.2")
    half_v = 0.5 * step.voltage_v
    levels_v = stimulus.levels.get(word, 0.0), stimulus.levels.get(bit, 0.0)
    if not np.allclose(levels_v, (half_v, -half_v), rtol=LEVEL_TOLERANCE, atol=0.0):
        return f"levels {levels_v} V for {half_v} V on either line"
    letters = "AB" if is_smu else "CD"
    wanted = {f"1{letters[0]}{step.cell[0] + 1:02d}", f"2{letters[1]}{step.cell[1] + 1:02d}"}
    found = {name for name in stimulus.closed if name[1] in letters}
    return "" if found == wanted else f"closed {sorted(found)} for {sorted(wanted)}"


def judge_reading(conductance_s, truth_s):
    if conductance_s is None or np.isnan(conductance_s):
        return "no value and no flag"
    ratios = [conductance_s / true_s for true_s in truth_s]
    if not min(truth_s) * (1.0 - TOLERANCE) <= conductance_s <= max(truth_s) * (1.0 + TOLERANCE):
        return f"{conductance_s:.4g} S where the cell had {truth_s[0]:.4g} to {truth_s[1]:.4g} S, ratio {ratios[0]:.4g}"
    return ""


@pytest.fixture(scope="module")
def campaign(tmp_path_factory):
    # what the imports left behind need not be searched for garbage hundreds of times
    gc.collect()
    gc.freeze()
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield Campaign(tmp_path_factory.mktemp("campaign"), monkeypatch)
    gc.unfreeze()


def inject(campaign, kind, count):
    """Inject a fault of one kind ``count`` times and return what is wrong, as text."""
    dice = random.Random(f"{SEED}:{kind}")
    own = [campaign.run(kind, *campaign.spec(kind, dice)) for _ in range(count)]
    campaign.outcomes += own
    if sum(outcome.struck > 0 for outcome in own) <= 0.8 * count:
        pytest.fail(f"most faults of kind {kind} did not strike", pytrace=False)
    problems = [f"{outcome.spec}: {outcome.status}: {'; '.join(outcome.wrong)}" for outcome in own if outcome.wrong]
    if kind in MUST_BE_NOTICED:
        unseen = [o for o in own if o.struck and o.concerns_rows and not o.is_noticed]
        problems += [f"{outcome.spec}: {outcome.status}: left no trace in the file" for outcome in unseen]
    return problems


def table_of(outcomes):
    """Return kind -> outcomes as text."""
    columns = ("runs", "struck", "finished", "failed", "noticed", "doctor", "silent")
    lines = [f"{'kind':24} {' '.join(f'{name:>8}' for name in columns)} {'max s':>6}"]
    for kind in KINDS:
        own = [outcome for outcome in outcomes if outcome.kind == kind]
        struck = [outcome for outcome in own if outcome.struck]
        finished = sum(outcome.status == "finished" for outcome in struck)
        counts = (
            len(own),
            len(struck),
            finished,
            len(struck) - finished,
            sum(outcome.is_noticed for outcome in struck),
            sum(bool(outcome.doctor) for outcome in own),
            sum(bool(outcome.wrong) for outcome in own),
        )
        longest_s = max((outcome.seconds for outcome in own), default=0.0)
        lines.append(f"{kind:24} {' '.join(f'{count:8}' for count in counts)} {longest_s:6.2f}")
    return "\n".join(lines)


@pytest.mark.parametrize("kind", KINDS)
def test_fault_leaves_nothing_silently_wrong_when_it_strikes_anywhere(campaign, kind):
    assert not inject(campaign, kind, FEW)


@pytest.mark.parametrize("spec", TARGETS, ids=lambda spec: spec.replace("\\", ""))
def test_fault_is_noticed_when_it_strikes_where_the_suite_was_blind(campaign, spec):
    outcome = campaign.run(spec.partition("@")[0], spec)
    assert outcome.struck, f"{spec} did not strike: the messages of the drivers have changed"
    assert not outcome.wrong
    assert outcome.is_noticed or outcome.kind not in MUST_BE_NOTICED


def test_few_of_each_kind_are_summed_up(campaign, promise):
    # the last test of the short campaign: it sums up the others
    if {outcome.kind for outcome in campaign.outcomes} != set(KINDS):
        pytest.skip("sums up all kinds; only some were run")
    _sum_up(campaign.outcomes, promise)
    assert len(KINDS) >= 30
    assert sum(outcome.struck > 0 for outcome in campaign.outcomes) >= 0.8 * FEW * len(KINDS)


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(SEEN_BY_DOCTOR))
def test_doctor_names_each_relay_that_the_run_uses_when_it_is_stuck(campaign, kind):
    found = {relay: campaign.examine(kind, relay) for relay in RELAYS}
    word = "does not close" if kind == "relay_stuck_open" else "does not open"
    assert not {relay: said for relay, said in found.items() if f"contacts: {relay} {word}; have" not in said}


@pytest.mark.slow
def test_campaign_of_1200_injections_leaves_nothing_silently_wrong(campaign, promise):
    _inject_all(campaign, promise, MANY)
    assert sum(outcome.struck > 0 for outcome in campaign.outcomes) >= 1200


@pytest.mark.long
def test_campaign_of_12000_injections_leaves_nothing_silently_wrong(campaign, promise):
    _inject_all(campaign, promise, HOURS)


def _inject_all(campaign, promise, count):
    campaign.outcomes.clear()
    problems = {kind: inject(campaign, kind, count) for kind in KINDS}
    _sum_up(campaign.outcomes, promise)
    assert not {kind: found for kind, found in problems.items() if found}


def _sum_up(outcomes, promise):
    print("\n" + table_of(outcomes))
    silent = [outcome for outcome in outcomes if outcome.wrong]
    kinds_of = Counter(outcome.kind for outcome in silent)
    promise(
        "P9",
        f"injections of {len(KINDS)} kinds that left a row or an output silently wrong, but for stuck relays (below)",
        trials=len(outcomes),
        failures=len(silent),
        worst=", ".join(f"{kind} {count}" for kind, count in kinds_of.most_common()),
        seed=str(SEED),
    )
    stuck = [outcome for outcome in outcomes if outcome.kind in SEEN_BY_DOCTOR]
    promise(
        "P9",
        f"of these, relays stuck in mid-run, which made rows of {sum(bool(outcome.unseen) for outcome in stuck)} runs "
        "wrong as no run can see it: not named by `labctl doctor`",
        trials=len(stuck),
        failures=sum(not outcome.doctor for outcome in stuck),
        seed=str(SEED),
    )
