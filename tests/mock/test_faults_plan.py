"""The grammar of fault specs, what is refused, and when a rule strikes. Authority: labctl_mock.faults.plan."""

import sqlite3
from pathlib import Path

import pytest

from labctl.errors import StationError
from labctl_mock.bench.bench import Bench
from labctl_mock.faults import FaultPlan, kinds
from labctl_mock.faults.call import Call

RACK = Path(__file__).with_name("rack-4x4.toml")


def struck(spec, count=12, text="measure", replies=(b"1.0\n",)):
    (rule,) = FaultPlan.parse(spec).rules
    return [number for number in range(1, count + 1) if rule.strikes(Call(text, replies=list(replies)))]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("", [1]),
        ("#3", [3]),
        ("#3-5", [3, 4, 5]),
        ("#10-", [10, 11, 12]),
        ("#2%4", [2, 6, 10]),
    ],
)
def test_rule_strikes_at_the_numbered_messages(where, expected):
    assert struck(f"lost_reply@smu1:meas{where}") == expected


def test_only_messages_count_that_match_and_can_be_changed():
    assert struck("lost_reply@*:other") == []
    assert struck("nan@*", replies=(b"false\n",)) == []
    assert struck("lost_reply@*", replies=()) == []


def test_expression_takes_the_signs_of_the_grammar_when_they_are_escaped():
    assert struck(r"lost_reply@smu1:a\=1\;b\#2#2=", text="a=1;b#2") == [2]
    one, two = FaultPlan.parse(r" lost_reply@smu1:x\;y ; extra_bytes@mat1:^a$#2=x=y ;").rules
    assert (one.pattern.pattern, two.pattern.pattern, two.value) == (r"x\;y", "^a$", "x=y")


def test_values_have_units():
    late, factor, cell, error = FaultPlan.parse(
        "late_reply@smu1=250 ms;setting_altered@smu1=110 %;drift@*=1,2,0.5;error_entry@*=-222,too big"
    ).rules
    assert (late.value, factor.value) == (0.25, pytest.approx(1.1))
    assert (cell.value, error.value) == ((1, 2, 0.5), (-222, "too big"))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("smoke@smu1", "no kind 'smoke'; there are slow_reply"),
        ("lost_reply", "needs an instrument"),
        ("lost_reply@smu1#0", "count from 1"),
        ("lost_reply@smu1#5-3", "count from 1"),
        ("lost_reply@smu1=3", "takes no value"),
        ("late_reply@smu1=3 V", "s"),
        ("late_reply@smu1=-3", "negative"),
        ("lost_reply@smu1:(", "unterminated|missing"),
        ("error_entry@smu1=0,none", "NUMBER,TEXT"),
        ("refuse_reconnect@smu1=0", "1 to 999999"),
        ("drift@smu1=1,2", "ROW,COLUMN,FACTOR"),
        ("drift@smu1=1,2,-1", "positive"),
        ("random@*=2,1", "from 0 to 1"),
        ("random@*=0.1", "RATE,SEED"),
        ("disk_full@smu1", "no instrument"),
        ("@", "must have the form"),
        ("lost_reply@smu1 #1", "must have the form"),
    ],
)
def test_spec_is_refused_with_what_there_is(spec, message):
    with pytest.raises(StationError, match=message):
        FaultPlan.parse(spec)


@pytest.fixture
def bench(tmp_path):
    with Bench.open(RACK, home=tmp_path) as opened:
        yield opened


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("lost_reply@smu9", "no instrument 'smu9'; there are smu1, gen1, mat1"),
        ("relay_stuck_open@smu1", "smu1 cannot have 'relay_stuck_open'; it can have interlock_open, output"),
        ("interlock_open@gen1", "gen1 cannot have 'interlock_open'"),
        ("output_trip@mat1", "mat1 cannot have 'output_trip'; it can have relay_stuck_closed"),
        ("drift@*=4,0,2", "4 by 4"),
        ("disk_full#1;disk_error#2", "one disk fault"),
    ],
)
def test_bench_refuses_what_it_cannot_have_and_injects_nothing(bench, spec, message):
    with pytest.raises(StationError, match=message):
        bench.inject_faults(f"lost_reply@smu1;{spec}")
    smu = bench.link("smu1")
    smu.receive(b"print(1)\n", True)
    assert smu.transmit(100) == (b"1.00000e+00\n", True)


def test_star_means_those_that_can_have_it(bench):
    bench.inject_faults("output_ignores_off@*:1")
    for key, message in (("smu1", b"x=1\n"), ("gen1", b"OUTP1?\n"), ("mat1", b"x=1\n")):
        bench.link(key).receive(message, True)
    assert [fault.instrument for fault in bench.oracle.faults] == ["smu1"]  # the first that matched


def test_random_faults_come_back_with_their_seed_and_at_their_rate(tmp_path):
    def run(spec, home):
        with Bench.open(RACK, home=tmp_path / home) as bench:
            bench.inject_faults(spec)
            smu = bench.link("smu1")
            for number in range(400):
                smu.connect()
                smu.receive(b"print(%d)\n" % number, True)
                smu.clear()
            return [(fault.kind, fault.message) for fault in bench.oracle.faults]

    first = run("random@*=0.1,7", "a")
    assert first == run("random@*=0.1,7", "b")
    assert first != run("random@*=0.1,8", "c")
    assert 15 <= len(first) <= 65  # binomial(400, 0.1), some draws do not apply: five deviations
    assert run("random@*=0,7", "d") == []
    assert not {kind for kind, _ in first} & {"output_ignores_off", "power_cycle", "drift"}


def test_bench_file_brings_faults_of_its_own(tmp_path):
    path = tmp_path / "faulty.toml"
    text = RACK.read_text(encoding="utf-8") + '\n[faults]\nspec = ["lost_reply@smu1", "duplicate_reply@smu1#2"]\n'
    path.write_text(text, encoding="utf-8")
    with Bench.open(path, home=tmp_path) as bench:
        smu = bench.link("smu1")
        smu.receive(b"print(1)\n", True)
        assert smu.wait_s() == float("inf")
        for _ in range(2):
            smu.receive(b"print(2)\n", True)
        assert [fault.kind for fault in bench.oracle.faults] == ["lost_reply", "duplicate_reply"]
    path.write_text(text.replace("lost_reply", "lost"), encoding="utf-8")
    with pytest.raises(StationError, match="no kind 'lost'"):
        Bench.open(path, home=tmp_path)
    with Bench.open(RACK, home=tmp_path):
        pass  # the refused bench let go of its die


@pytest.mark.parametrize(("kind", "name"), [("disk_full", "SQLITE_FULL"), ("disk_error", "SQLITE_IOERR_WRITE")])
def test_disk_fault_of_a_spec_reaches_files_opened_later_and_ends_with_the_bench(tmp_path, kind, name):
    with Bench.open(RACK, home=tmp_path) as bench:
        bench.inject_faults(f"{kind}#20-25")
        connection = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
        with pytest.raises(sqlite3.OperationalError) as caught:
            make_tables(connection)
        connection.close()
        assert caught.value.sqlite_errorname == name
    connection = sqlite3.connect(tmp_path / "b.db", isolation_level=None)
    make_tables(connection)
    connection.close()


def make_tables(connection):
    for number in range(20):
        connection.execute(f"CREATE TABLE t{number}(n)")


def test_every_kind_has_one_line():
    lines = kinds()
    assert len(lines) >= 40
    assert all(text and "\n" not in text and len(text) <= 110 for text in lines.values())
