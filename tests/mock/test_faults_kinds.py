"""Every kind of fault on the wire, beside the same question to the same instrument without it.

Authority: the one-line descriptions of :func:`labctl_mock.faults.kinds`; IEEE 488.2 for queues and registers.
"""

from pathlib import Path

import pytest
import pyvisa
from pyvisa.constants import StatusCode

from labctl_mock.faults import kinds

RACK = Path(__file__).with_name("rack-4x4.toml")
SMU, GEN, MAT = (
    "TCPIP0::192.0.2.11::inst0::INSTR",
    "TCPIP0::192.0.2.12::inst0::INSTR",
    "TCPIP0::192.0.2.13::5025::SOCKET",
)
ASK = "print(smua.measure.i(),smua.source.compliance)"
TMO, LOST, REFUSED = StatusCode.error_timeout, StatusCode.error_connection_lost, StatusCode.error_resource_not_found
TESTED = set()


def shows(*names):
    """Mark which kinds a test shows, so that none is forgotten."""
    TESTED.update(names)
    return lambda test: test


@pytest.fixture
def rack(tmp_path, monkeypatch):
    monkeypatch.setenv("LABCTL_HOME", str(tmp_path))
    manager = pyvisa.ResourceManager(f"{RACK}@labctl")
    yield Rack(manager)
    manager.close()


class Rack:
    """A manager, its bench, and a session of 1 s time-out to each instrument when asked."""

    def __init__(self, manager):
        self.manager, self.bench = manager, manager.visalib._bench
        self.inject = manager.visalib.inject_faults
        self.now_s = self.bench.clock.now_s

    def open(self, resource=SMU):
        return self.manager.open_resource(resource, timeout=1000, read_termination="\n", write_termination="\n")

    def kinds(self):
        return [fault.kind for fault in self.bench.oracle.faults]


def status_of(action, *arguments):
    with pytest.raises(pyvisa.VisaIOError) as caught:
        action(*arguments)
    return caught.value.error_code


# --- replies ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("resource", [SMU, GEN, MAT])
def test_nothing_changes_when_nothing_is_injected_or_another_message_is_meant(rack, resource):
    session = rack.open(resource)
    bare = session.query("*IDN?")
    rack.inject("lost_reply@*:NEVER;garbled_number@*#1000;command_lost@*:NEVER")
    assert session.query("*IDN?") == bare
    assert rack.kinds() == []


@shows("slow_reply")
def test_slow_reply_is_right_and_late_on_the_clock(rack):
    session = rack.open()
    start_s = rack.now_s()
    session.query("print(1)")
    bare_s = rack.now_s() - start_s
    rack.inject(r"slow_reply@smu1:print=300ms")
    start_s = rack.now_s()
    assert session.query("print(2)") == "2.00000e+00"
    assert rack.now_s() - start_s == pytest.approx(bare_s + 0.3)


@shows("late_reply")
@pytest.mark.parametrize("resource", [SMU, MAT])
def test_late_reply_comes_as_the_answer_to_the_next_question_when_it_is_not_awaited(rack, resource):
    session = rack.open(resource)
    rack.inject("late_reply@*=1.5s")
    start_s = rack.now_s()
    assert status_of(session.query, "print(1)") == TMO
    assert rack.now_s() - start_s == pytest.approx(1.0, abs=1e-2)  # the time-out of the session, on the bench's clock
    assert float(session.query("print(2)")) == 1.0  # shifted by one: what a driver must notice
    session.close()
    session = rack.open(resource)
    if resource == SMU:
        assert float(session.read()) == 2.0
        session.clear()
    assert float(session.query("print(3)")) == 3.0


@shows("lost_reply")
def test_lost_reply_never_comes(rack):
    session = rack.open()
    rack.inject("lost_reply@smu1")
    assert status_of(session.query, "print(1)") == TMO
    assert float(session.query("print(2)")) == 2.0


@shows("duplicate_reply")
def test_duplicate_reply_comes_twice(rack):
    session = rack.open()
    rack.inject("duplicate_reply@smu1")
    assert [float(session.query("print(1)")), float(session.read())] == [1.0, 1.0]


@shows("split_reply")
@pytest.mark.parametrize("resource", [SMU, GEN, MAT])
def test_split_reply_comes_byte_by_byte(rack, resource):
    session = rack.open(resource)
    bare = session.query("*IDN?")
    rack.inject("split_reply@*#1-2")
    session.write("*IDN?")
    with session.ignore_warning(StatusCode.success_max_count_read):
        data, status = rack.manager.visalib.read(session.session, 1000)
    assert (data, status) == (bare[:1].encode(), StatusCode.success_max_count_read)
    assert session.read() == bare[1:]
    assert session.query("*IDN?") == bare


@shows("stalled_reply")
def test_stalled_reply_comes_half_and_the_rest_later(rack):
    session = rack.open()
    bare = session.query("*IDN?")
    rack.inject("stalled_reply@smu1=3s")
    assert status_of(session.query, "*IDN?") == TMO
    rack.bench.clock.sleep(3.0)
    assert session.read() == bare[(len(bare) + 1) // 2 :]


@shows("truncated_reply", "extra_bytes", "nul_byte", "non_ascii", "empty_reply", "wrong_terminator")
@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("truncated_reply", b"1.000\n"),
        ("extra_bytes", b"1.00000e+00@#\n"),
        ("extra_bytes@smu1:print=xyz", b"1.00000e+00xyz\n"),
        ("nul_byte", b"1.000\x0000e+00\n"),
        ("non_ascii", b"1.000\xff00e+00\n"),
        ("empty_reply", b"\n"),
        ("wrong_terminator", b"1.00000e+00\r"),
    ],
)
def test_bytes_of_a_reply_are_those_that_the_kind_says(rack, spec, expected):
    session = rack.open()
    session.write("print(1)")
    assert session.read_raw() == b"1.00000e+00\n"
    rack.inject(spec if "@" in spec else f"{spec}@smu1")
    session.write("print(1)")
    assert session.read_raw() == expected


@shows("wrong_terminator")
def test_reply_that_ends_wrong_is_never_complete_on_a_raw_socket(rack):
    session = rack.open(MAT)
    rack.inject("wrong_terminator@mat1")
    assert status_of(session.query, "print(1)") == TMO


@shows("missing_field", "extra_field", "compliance")
@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("missing_field@smu1", "1.00000e+00"),
        ("extra_field@smu1", "1.00000e+00\tfalse\tfalse"),
        ("compliance@smu1", "1.00000e+00\ttrue"),
    ],
)
def test_fields_of_a_reply_are_those_that_the_kind_says(rack, spec, expected):
    session = rack.open()
    assert session.query("print(1,false)") == "1.00000e+00\tfalse"
    rack.inject(spec)
    assert session.query("print(1,false)") == expected


@shows("garbled_number", "nan", "inf", "not_a_number", "negative_not_a_number", "infinity", "meter_overflow")
@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("garbled_number", "1.234?7e-0~"),
        ("nan", "nan"),
        ("inf", "inf"),
        ("not_a_number", "+9.91E+37"),
        ("negative_not_a_number", "-9.91E+37"),
        ("infinity", "+9.9E+37"),
        ("meter_overflow", "199.999E+99"),
    ],
)
def test_number_of_a_reading_is_what_the_kind_says_and_tags_stay(rack, kind, expected):
    session = rack.open()
    # a reply whose tag comes as a line of its own, and one whose tag stands before it
    question = 'print("7") print(1.23457e-06,false)'
    session.write(question)
    assert [session.read(), session.read()] == ["7", "1.23457e-06\tfalse"]
    rack.inject(f"{kind}@*#1-")
    session.write(question)
    assert [session.read(), session.read()] == ["7", f"{expected}\tfalse"]
    generator = rack.open(GEN)
    first, second = generator.query("*ESE 7;*ESE?;:SOUR1:FREQ?").split(";")
    assert first == "+7"
    assert second != "+1.000000000000000E+03"


# --- messages and the queue ------------------------------------------------------------------------------------------


@shows("command_lost", "command_duplicated", "command_garbled")
def test_message_arrives_never_twice_or_damaged(rack):
    session = rack.open()
    session.write("count=0")
    rack.inject(r"command_lost@smu1:count\=;command_duplicated@smu1:count\=#2;command_garbled@smu1:count\=#3")
    session.write("count=count+1")
    assert float(session.query("print(count)")) == 0.0
    session.write("count=count+1")
    assert float(session.query("print(count)")) == 2.0
    session.write("count=count+1")
    assert float(session.query("print(count)")) == 2.0
    assert session.query("print(errorqueue.next())").startswith("-2.85000e+02")  # TSP syntax error
    assert rack.kinds() == ["command_lost", "command_duplicated", "command_garbled"]


@shows("setting_ignored", "setting_altered")
def test_setting_is_ignored_or_altered_without_a_word(rack):
    smu, generator = rack.open(), rack.open(GEN)
    rack.inject("setting_ignored@smu1:limiti=limiti;setting_altered@smu1:limiti#2=2;setting_altered@gen1:WIDT=1.5")
    both = "smua.source.limiti=1.0e-03 smua.source.rangev=2"
    for expected_a in (0.1, 2e-3, 1e-3):  # the default, twice what was sent, what was sent
        smu.write(both)
        assert float(smu.query("print(smua.source.limiti)")) == pytest.approx(expected_a)
        assert float(smu.query("print(smua.source.rangev)")) == 2.0
    generator.write(":SOUR1:FUNC:PULS:PER 1.0e-02;:SOUR1:FUNC:PULS:WIDT 1.0e-05")
    assert float(generator.query(":SOUR1:FUNC:PULS:PER?")) == pytest.approx(1.5e-2)  # the first setting of the message
    assert smu.query("print(errorqueue.count)") == "0.00000e+00"
    assert generator.query("SYST:ERR?").startswith("+0")


@shows("error_entry")
def test_entry_comes_into_the_error_queue(rack):
    smu, generator = rack.open(), rack.open(GEN)
    rack.inject("error_entry@smu1=5007,Source conflict;error_entry@gen1=-113")
    smu.write("x=1")
    generator.write("*CLS")
    assert smu.query("print(errorqueue.next())") == "5.00700e+03\tSource conflict\t2.00000e+01\t1.00000e+00"
    assert generator.query("SYST:ERR?") == '-113,"Injected fault"'


@shows("queue_overflow")
def test_error_queue_overflows(rack):
    generator = rack.open(GEN)
    rack.inject("queue_overflow@gen1")
    generator.write("*WAI")
    entries = [generator.query("SYST:ERR?") for _ in range(21)]
    assert entries[19].startswith("-350")  # SCPI-99 21.8.1: the last entry of the queue
    assert entries[20].startswith("+0")


# --- connections -----------------------------------------------------------------------------------------------------


@shows("connection_closed")
@pytest.mark.parametrize("resource", [SMU, GEN, MAT])
def test_connection_is_closed_before_the_message_arrives(rack, resource):
    session = rack.open(resource)
    session.write("*ESE 1")
    rack.inject("connection_closed@*:ESE 2")
    session.write("*ESE 2")
    assert status_of(session.read) == LOST
    assert status_of(session.write, "*CLS") == LOST
    assert status_of(session.clear) == LOST
    assert status_of(session.read_stb) == LOST
    session.close()
    assert float(rack.open(resource).query("*ESE?")) == 1.0


@shows("connection_reset")
def test_connection_is_reset_when_the_message_was_obeyed(rack):
    session = rack.open(MAT)
    rack.inject("connection_reset@mat1:close")
    assert status_of(session.query, 'channel.close("1A01") print("switched")') == LOST
    session.close()
    assert rack.open(MAT).query('print(channel.getclose("allslots"))') == "1A01"


@shows("black_hole")
def test_black_hole_swallows_everything_until_a_new_connection(rack):
    session = rack.open()
    rack.inject("black_hole@smu1:levelv")
    session.write("smua.source.levelv=1")
    assert status_of(session.query, "print(1)") == TMO
    session.clear()
    assert status_of(session.query, "print(1)") == TMO
    fresh = rack.open()
    assert fresh.query("print(smua.source.levelv)") == "0.00000e+00"
    assert status_of(session.query, "print(1)") in (TMO, LOST)


@shows("refuse_reconnect")
def test_new_connections_are_refused_so_many_times(rack):
    session = rack.open()
    rack.inject("refuse_reconnect@smu1=3")
    session.write("x=1")
    assert status_of(session.read) == LOST
    session.close()
    assert [status_of(rack.open) for _ in range(3)] == [REFUSED] * 3
    assert rack.open().query("print(1)")


@shows("slow")
def test_every_reply_is_late_from_then_on(rack):
    session = rack.open()
    rack.inject("slow@smu1=100ms")
    start_s = rack.now_s()
    for number in range(5):
        assert float(session.query(f"print({number})")) == number
    assert 0.5 < rack.now_s() - start_s < 0.51


@shows("clock_jump")
def test_clock_of_the_bench_jumps(rack):
    session = rack.open()
    rack.inject("clock_jump@smu1=1h")
    assert float(session.query("print(1)")) == 1.0
    assert rack.now_s() > 3600.0


# --- instruments -----------------------------------------------------------------------------------------------------


@shows("power_cycle")
def test_power_cycle_loses_settings_scripts_and_connection(rack):
    session = rack.open()
    assert int(float(session.query("*ESR?"))) & 128 == 128  # power on, as the bench was switched on
    session.write("smua.source.rangev=2 smua.source.levelv=1 smua.source.output=1 mine=5")
    rack.inject("power_cycle@smu1:NOW=3s")
    session.write("-- NOW")
    assert not any(output["on"] for output in rack.bench.oracle.outputs().values())
    assert status_of(session.read) == LOST
    session.close()
    refused = 0
    while True:
        try:
            fresh = rack.open()
            break
        except pyvisa.VisaIOError:
            refused += 1
    assert refused == 3  # one second each, assumed
    assert int(float(fresh.query("*ESR?"))) & 128 == 128
    assert fresh.query("print(smua.source.levelv,mine)") == "0.00000e+00\tnil"


@shows("instrument_reset")
def test_reset_in_mid_run_changes_settings_and_keeps_the_connection(rack):
    session = rack.open()
    session.query("*ESR?")
    session.write("smua.source.rangev=2 smua.source.levelv=1 smua.source.output=1")
    rack.inject("instrument_reset@smu1")
    assert session.query("print(smua.source.levelv)") == "0.00000e+00"
    assert int(float(session.query("*ESR?"))) & 128 == 0
    assert rack.bench.oracle.outputs()["smu1.a"]["on"] is False


@shows("wrong_identity", "wrong_serial")
def test_another_model_or_specimen_answers(rack):
    session = rack.open()
    maker, model, serial, firmware = session.query("*IDN?").split(",")
    rack.inject("wrong_identity@smu1=Model 2400")
    assert session.query("*IDN?").split(",") == [maker, "Model 2400", serial, firmware]
    rack.inject("wrong_serial@smu1=1234567")
    assert session.query("*IDN?").split(",")[2] == "1234567"
    assert session.query("print(localnode.serialno)") == "1234567"
    assert model == "Model 2636B"


@shows("output_ignores_off")
@pytest.mark.parametrize("off", ["smua.source.output=0", "smua.source.output=2", "reset()", "*RST"])
def test_output_ignores_off_and_says_so_when_asked(rack, off):
    session = rack.open()
    rack.inject("output_ignores_off@smu1=a")
    session.write("smua.source.output=1 smub.source.output=1")
    session.write(off)
    session.write("smub.source.output=0")
    assert session.query("print(smua.source.output,smub.source.output)") == "1.00000e+00\t0.00000e+00"
    assert [output["on"] for output in rack.bench.oracle.outputs().values()] == [True, False, False, False]


@shows("output_ignores_off", "output_trip")
def test_outputs_of_the_generator_ignore_off_or_trip(rack):
    session = rack.open(GEN)
    session.write("OUTP1 ON;OUTP2 ON")
    rack.inject("output_trip@gen1:OUTP=2;output_ignores_off@gen1:OUTP#2=1")
    assert session.query("OUTP1?;OUTP2?") == "1;0"
    assert session.query("SYST:ERR?").startswith("-240")
    session.write("OUTP1 OFF;:OUTP2 OFF")
    assert session.query("OUTP1?;OUTP2?") == "1;0"
    session.write("*RST")
    assert rack.bench.oracle.outputs()["gen1.1"]["on"] is True


@shows("output_trip")
@pytest.mark.parametrize(("value", "errors"), [("", 1), ("silent", 0)])
def test_protection_switches_outputs_off(rack, value, errors):
    session = rack.open()
    session.write("smua.source.output=1 smub.source.output=1")
    rack.inject(f"output_trip@smu1:levelv={value}")
    session.write("smua.source.levelv=0.1")
    assert session.query("print(smua.source.output,smub.source.output)") == "0.00000e+00\t0.00000e+00"
    assert float(session.query("print(errorqueue.count)")) == errors
    session.write("smua.source.output=1")
    assert session.query("print(smua.source.output)") == "1.00000e+00"


@shows("interlock_open")
def test_open_interlock_keeps_outputs_off(rack):
    session = rack.open()
    session.write("smua.source.output=1")
    rack.inject("interlock_open@smu1:levelv")
    session.write("smua.source.levelv=0.1")
    session.write("smua.source.output=1")
    assert session.query("print(smua.source.output)") == "0.00000e+00"
    assert session.query("print(errorqueue.next())").startswith("8.02000e+02")
    assert session.query("print(errorqueue.next())").startswith("8.02000e+02")


@shows("relay_stuck_open", "relay_stuck_closed")
def test_stuck_relay_is_seen_by_the_oracle_and_not_by_the_matrix(rack):
    session = rack.open(MAT)
    rack.inject("relay_stuck_open@mat1=1A02;relay_stuck_closed@mat1:open")
    session.write('channel.close("1A01,1A02")')
    session.write('channel.open("1A01")')
    assert session.query('print(channel.getclose("allslots"))') == "1A02"
    assert rack.bench.oracle.closed_relays() == ["1A01"]


@shows("drift")
def test_conductance_of_a_cell_drifts(rack):
    before = rack.bench.truth()["conductance_s"].copy()
    session = rack.open()
    rack.inject("drift@smu1=1,2,1.5")
    session.write("x=1")
    ratio = rack.bench.truth()["conductance_s"] / before
    assert ratio[1, 2] == pytest.approx(1.5, rel=1e-3)
    assert ratio[0, 0] == pytest.approx(1.0, rel=1e-6)


# --- all -------------------------------------------------------------------------------------------------------------


def test_every_kind_is_shown_and_there_are_enough():
    # disk kinds are shown in test_faults_plan.py, random too
    assert set(kinds()) - {"disk_full", "disk_error", "random"} == TESTED
    assert len(TESTED) >= 30


def test_each_fault_is_logged_with_time_instrument_kind_and_message(rack):
    session = rack.open()
    rack.inject("duplicate_reply@smu1:print")
    session.query("print(1)")
    (fault,) = rack.bench.oracle.faults
    assert (fault.instrument, fault.kind, fault.message) == ("smu1", "duplicate_reply", "print(1)")
    assert 0.0 < fault.time_s <= rack.now_s()
