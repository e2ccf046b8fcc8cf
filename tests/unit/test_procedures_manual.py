"""A session by hand on the simulated rack, asked through the run's control.

Authority: the procedure's docstring; the rows of the run file; the envelope of the packaged station.
"""

import threading

import pytest

from labctl.errors import RunError, StationError
from labctl.run import RunControl, execute_procedure
from labctl.run.dry_run import dry_run
from labctl_mock.bench.bench import Bench
from labctl_procedures.manual import Manual

STATION = "tiox-32x32"
CELL = "3,4"


def pulse(amplitude, width):
    return {"action": "pulse", "cell": CELL, "amplitude": amplitude, "width": width}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("manual")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LABCTL_HOME", str(folder / "home"))
        yield folder / "runs"


def session(home, *requests, **parameters):
    """Run a session; return run and what it answered to each request."""
    control = RunControl()
    for number, request in enumerate(requests):
        control.requests.append({"number": number, **request})
    if not any(request["action"] == "end" for request in requests):
        parameters.setdefault("idle_time", 0.0)
    run = execute_procedure(Manual, STATION, parameters, out=home, control=control)
    assert run.status == "finished", run.summary()["error"]
    answers = {}
    for kind, message in run.events()[["kind", "message"]].to_numpy().tolist():
        if kind in ("answer", "refused"):
            number, _, text = message.removeprefix("#").partition(" ")
            answers[int(number)] = (kind, text)
    assert sorted(answers) == list(range(len(requests)))
    return run, [answers[number] for number in sorted(answers)]


def test_cell_is_read_pulsed_and_set_and_every_step_is_a_row(home):
    level = {"action": "set_level", "cell": CELL, "conductance": "50 uS"}
    run, answers = session(
        home,
        {"action": "read", "cell": CELL},
        pulse("-0.5 V", "20us"),
        level,
        {"action": "end"},
        form_unformed=True,
    )
    assert [kind for kind, _ in answers] == ["answer"] * 4
    assert run.summary()["results"] == {
        "readings_by_hand": 1,
        "pulses_by_hand": 1,
        "levels_by_hand": 1,
        "refused": 0,
        "ended_by": "operator",
    }
    table = run.table()
    by_hand = table[table["Step"].notna()]
    assert list(by_hand["Step"])[:3] == [1, 2, 2]
    assert list(by_hand["Event"])[:3] == ["read", "reset", "verify"]
    assert by_hand["Voltage (V)"].iloc[1] == -0.5
    assert by_hand["Width (s)"].iloc[1] == 20e-6
    assert set(zip(table["Row"], table["Column"], strict=True)) == {(3, 4)}
    # the bench knows better than the meter
    with Bench.open(STATION) as bench:
        true_s = bench.truth()["conductance_s"][3, 4]
    # read noise, relaxation and the other cells of its lines lie between the two
    assert true_s == pytest.approx(50e-6, rel=0.15)
    assert table["Conductance (S)"].dropna().iloc[-1] == pytest.approx(50e-6, rel=0.05)


@pytest.mark.parametrize(
    ("request_", "rule"),
    [
        (
            pulse("7 V", "1us"),
            "at most 5 V for this station, got 7 V",
        ),
        (
            pulse("1 V", "2 s"),
            "at most 1 s for this station, got 2 s",
        ),
        (
            pulse("1 V", "1 fs"),
            "no source can give a pulse of 1e-15 s",
        ),
        (pulse("0 V", "1us"), "must not be 0 V"),
        (pulse("1 V", "-1us"), "must be positive"),
        (pulse("1 A", "1us"), "A"),
        (pulse("nan V", "1us"), "nan"),
        ({"action": "pulse", "cell": CELL, "amplitude": "1 V"}, "takes amplitude and width"),
        ({"action": "set_level", "cell": CELL, "conductance": "-1 uS"}, "must be positive"),
        ({"action": "read", "cell": "32,0"}, "32"),
        ({"action": "read", "cell": ""}, "cell"),
        ({"action": "read", "cell": "9,9"}, "may not be touched"),
        ({"action": "jump", "cell": CELL}, "there is no 'jump'"),
    ],
)
def test_request_is_refused_before_anything_is_sent(home, request_, rule):
    run, [(kind, text)] = session(home, request_, cells=CELL)
    assert kind == "refused"
    assert rule in text
    assert len(run.table()) == 0
    assert run.summary()["results"]["refused"] == 1


def test_levels_beyond_the_envelope_are_refused_before_the_first_pulse(home):
    level = {"action": "set_level", "cell": CELL, "conductance": "50 uS"}
    run, [(kind, text)] = session(home, level, level_reset_stop=-5.5, level_step=1.0)
    assert kind == "refused"
    assert "at most 5 V" in text
    assert len(run.table()) == 0


def test_virgin_cell_is_not_formed_when_nobody_said_so(home):
    run, [(kind, text)] = session(home, {"action": "set_level", "cell": "7,7", "conductance": "50 uS"})
    assert kind == "answer"
    assert "is not formed" in text
    # the survey read it; nothing was pulsed
    assert set(run.table()["Event"]) == {"survey"}


def test_outputs_are_off_between_requests(home):
    control, seen = RunControl(), []

    class Watched(Manual):
        def next_request(self, within_s):
            raise AssertionError("attach puts the run's own in place")

        def attach(self, emit, should_stop, perform=None, elapsed_s=None, next_request=None):
            def look(within_s):
                seen.append(any(output["on"] for output in self.station.present()["outputs"].values()))
                return next_request(within_s)

            super().attach(emit, should_stop, perform, elapsed_s, look)

        @classmethod
        def procedure_name(cls):
            return "manual"

    control.requests.extend({"number": index, "action": "read", "cell": CELL} for index in range(3))
    run = execute_procedure(Watched, STATION, {"idle_time": 0.0}, out=home, control=control)
    assert run.status == "finished"
    assert len(run.table()) == 3
    assert seen[:4] == [False] * 4


def test_session_ends_when_nobody_asks(home):
    run, answers = session(home, idle_time=0.0)
    assert answers == []
    assert run.summary()["results"]["ended_by"] == "idle time"


def test_session_is_aborted_while_it_waits(home):
    control = RunControl()
    threading.Timer(0.5, control.abort, ("enough",)).start()
    run = execute_procedure(Manual, STATION, {}, out=home, control=control)
    assert (run.status, run.summary()["error"]) == ("aborted", "aborted: enough")


def test_session_is_refused_with_cells_that_are_not_there(home):
    with pytest.raises(StationError, match="must lie in 0 to 31"):
        session(home, cells="99,0")
    with pytest.raises(RunError, match="open_below"):
        session(home, open_below=1.0)


def test_dry_run_of_a_session_ends_and_applies_nothing():
    rehearsed = dry_run(Manual, STATION, {})
    assert not rehearsed.is_refused
    assert rehearsed.worst().stimuli.total() == 0
