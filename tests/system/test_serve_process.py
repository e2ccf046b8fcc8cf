"""``labctl bench serve`` as a process of its own, and runs, doctors and kills against it.

Authority: mock/README.md; a run on a served bench is the run on the same bench in process, as the die is the same.
"""

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from labctl.errors import StationError
from labctl.station import Station
from labctl.station.bench_control import BenchControl
from labctl.store import open_run

RACK = Path(__file__).with_name("rack_4x4")
STATION = "bench-4x4-served"
CELLS = ("-p", "cells=0:2,0:2")


class Served:
    """A serving process and what it said when it was ready."""

    def __init__(self, process):
        self.process = process
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("{"):
                break
        else:
            raise AssertionError(process.stderr.read() or "".join(lines))
        self.said = json.loads(lines[-1])
        self.control = BenchControl(self.said["control"])

    def end(self, number=signal.SIGTERM):
        """End it; exit code and what it wrote on standard error."""
        self.process.send_signal(number)
        _, err = self.process.communicate(timeout=60)
        return self.process.returncode, err


@pytest.fixture
def rack(homes):
    """The folder with the small rack's files."""
    return shutil.copytree(RACK, homes / "rack")


@pytest.fixture
def serve(rack, labctl_process):
    """Serve the small rack."""
    started = []

    def start(*options, home=None, bench=rack / "bench_4x4.toml"):
        if home is not None:
            os.environ["LABCTL_HOME"] = str(home)  # put back by the fixture homes
        arguments = ("bench", "serve", bench, "--station", rack / "rack_4x4.toml", "--port", 0, "--json")
        started.append(labctl_process(*arguments, *options))
        return Served(started[-1])

    yield start
    for process in started:
        if process.poll() is None:
            process.terminate()
            process.communicate(timeout=60)
        process.stdout.close()
        process.stderr.close()


def address_of(served, key):
    host, port = served.said["instruments"][key].split("::")[1:3]
    return host, int(port)


def test_run_on_served_bench_equals_the_run_in_process(serve, rack, labctl):
    inside = labctl("run", "read_array", "-s", rack / "rack_4x4.toml", *CELLS, "-q", "--json")
    assert inside.code == 0, inside.err
    assert labctl("bench", "reset", rack / "bench_4x4.toml").code == 0
    served = serve()
    outside = labctl("run", "read_array", "-s", STATION, *CELLS, "-q", "--json")
    assert outside.code == 0, outside.err
    first, second = (open_run(answer.json()["run_id"]) for answer in (inside, outside))
    assert list(first.table()["Conductance (S)"]) == list(second.table()["Conductance (S)"])
    assert len(second.table()) == 4
    assert outside.json()["simulated"] is True
    header, served_header = bench_of(first), bench_of(second)
    for key in ("name", "file", "sha256", "seed", "effects", "device", "rows", "columns", "simulated"):
        assert served_header[key] == header[key]
    assert served_header["served"]["pid"] == served.process.pid


def bench_of(run):
    with sqlite3.connect(f"{Path(run.path).as_uri()}?mode=ro", uri=True) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            for row in connection.execute(f"SELECT * FROM {table}"):
                for value in row:
                    if isinstance(value, str) and '"sha256"' in value and value.startswith("{"):
                        found = json.loads(value)
                        return found.get("bench", found)
    connection.close()
    raise AssertionError("the run file does not say on which bench")


def test_doctor_is_content_with_the_served_station(serve, labctl):
    serve()
    answer = labctl("doctor", "-s", STATION, "--json")
    assert answer.code == 0, answer.err + answer.out
    assert [item["name"] for item in answer.json() if not item["ok"]] == []
    assert {"rows", "addressing", "relays"} <= {item["name"] for item in answer.json()}


def test_station_file_differs_only_in_addresses_and_goes_with_the_server(serve, rack, labctl):
    served = serve()
    path = Path(served.said["file"])
    assert path.name == f"{STATION}.toml"
    before = (rack / "rack_4x4.toml").read_text(encoding="utf-8").splitlines()
    after = path.read_text(encoding="utf-8").splitlines()
    gone = [line for line in before if line not in after]
    assert [line.split(" =")[0] for line in gone] == ["name", "visa_library", "resource", "resource", "resource"]
    new = [line for line in after if line not in before and not line.startswith("#")]
    assert [line.split(" =")[0] for line in new] == ["name", "visa_library", "bench", *["resource"] * 3]
    assert STATION in labctl("stations").out
    assert served.end() == (0, "")
    assert not path.exists()
    assert STATION not in labctl("stations").out


def test_changed_station_file_stays(serve):
    served = serve()
    path = Path(served.said["file"])
    text = path.read_text(encoding="utf-8").replace("energy_j = 0.05", "energy_j = 0.01")
    path.write_text(text, encoding="utf-8")
    code, err = served.end()
    assert (code, path.read_text(encoding="utf-8")) == (0, text)
    assert "was changed and stays" in err


def test_station_of_the_user_is_not_overwritten(rack, labctl, homes):
    own = homes / "home" / "stations" / f"{STATION}.toml"
    own.parent.mkdir(parents=True)
    own.write_text("# mine\n", encoding="utf-8")
    arguments = ("--station", rack / "rack_4x4.toml", "--port", 0)
    answer = labctl("bench", "serve", rack / "bench_4x4.toml", *arguments)
    assert answer.code == 2
    assert "overwritten" in answer.err
    assert own.read_text(encoding="utf-8") == "# mine\n"


def test_bench_without_a_station_is_served_and_says_so(rack, labctl_process):
    with labctl_process("bench", "serve", rack / "bench_4x4.toml", "--port", 0, "--json") as process:
        served = Served(process)
        assert served.said["station"] is None
        served.control.do("stop")
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "no station file" in err


def test_station_is_refused_when_it_names_another_rack(rack, labctl):
    other = rack / "other.toml"
    text = (rack / "rack_4x4.toml").read_text(encoding="utf-8")
    other.write_text(text.replace("192.0.2.11", "192.0.2.99"), encoding="utf-8")
    answer = labctl("bench", "serve", rack / "bench_4x4.toml", "--station", other, "--port", 0)
    assert answer.code == 2
    assert "192.0.2.99" in answer.err
    assert "Traceback" not in answer.err


@pytest.mark.parametrize("speed", ["0", "-1", "fast", "nan"])
def test_speed_is_refused(labctl, speed):
    answer = labctl("bench", "serve", "tiox-32x32", "--speed", speed)
    assert answer.code == 2
    assert "--speed" in answer.err


def test_port_in_use_is_a_clear_error(rack, labctl):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        answer = labctl("bench", "serve", rack / "bench_4x4.toml", "--port", port)
    assert answer.code == 2
    assert f"port {port} is in use" in answer.err
    assert "Traceback" not in answer.err


def test_ready_line_is_plain_without_json(rack, labctl_process):
    with labctl_process(
        "bench", "serve", rack / "bench_4x4.toml", "-s", rack / "rack_4x4.toml", "--port", 0
    ) as process:
        for line in process.stdout:
            if line.startswith("ready"):
                break
        assert "bench-4x4-served" in line
        process.terminate()
        process.communicate(timeout=60)
    assert process.returncode == 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends Ctrl-C to a whole console")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_saves_the_die_and_exits_0(serve, number, homes):
    served = serve()
    with socket.create_connection(address_of(served, "smu1")) as channel, channel.makefile("rb") as lines:
        channel.sendall(b"delay(500) print(1)\n")
        lines.readline()
        age_s = served.control.ask("info")["die_age_s"]
        assert served.end(number) == (0, "")
    assert (homes / "home" / "benches" / "bench-4x4" / "die.npz").exists()
    again = serve()
    assert age_s <= again.control.ask("info")["die_age_s"] < age_s + 60.0


@pytest.mark.slow
def test_killed_server_leaves_a_die_no_older_than_the_last_save_and_no_lock(serve, homes):
    served = serve()
    die = homes / "home" / "benches" / "bench-4x4" / "die.npz"
    with socket.create_connection(address_of(served, "smu1")) as channel, channel.makefile("rb") as lines:
        channel.sendall(b"delay(500) print(1)\n")
        lines.readline()
        # it saves what is older than two seconds
        end_s = time.monotonic() + 60.0
        while not die.exists():
            assert time.monotonic() < end_s
            time.sleep(0.02)
        channel.sendall(b"delay(7000) print(1)\n")
        lines.readline()
        served.process.kill()
        served.process.communicate()
    again = serve()  # over the station file that the dead one left
    assert 500.0 <= again.control.ask("info")["die_age_s"] < 600.0


def test_outputs_stay_on_when_a_client_is_killed(serve, homes):
    # what the guardian is for; here it is left out, so that nothing but the bench is looked at
    served = serve()
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, STATION], stdout=subprocess.PIPE, text=True, env=dict(os.environ), cwd=homes
    )
    with child:
        said, before = child.stdout.readline(), served.control.ask("outputs")
        child.kill()
    assert (said, before["smu1.a"]["on"]) == ("on\n", True)
    time.sleep(0.5)
    outputs = served.control.ask("outputs")
    assert outputs["smu1.a"]["on"] is True
    assert outputs["smu1.a"]["level_v"] == pytest.approx(0.1, abs=1e-3)
    with socket.create_connection(address_of(served, "smu1")) as channel, channel.makefile("rb") as lines:
        channel.sendall(b"smua.source.output = 0 print(smua.source.output)\n")
        assert float(lines.readline()) == 0.0
    assert served.control.ask("outputs")["smu1.a"]["on"] is False


KILLED = """
import sys, time
from labctl.station import Station

station = Station.open(sys.argv[1])
meter = station.source_meter("smu1.a")
meter.prepare(voltage_range_v=0.2, current_limit_a=1e-6, measure_range_a=1e-6, integration_plc=0.1)
meter.output_on()
meter.set_voltage(0.1)
print("on", flush=True)
time.sleep(600)
"""


def test_every_listener_is_on_loopback(serve):
    served = serve("--speed", "1")
    sockets = psutil.Process(served.process.pid).net_connections(kind="inet")
    listening = [item.laddr for item in sockets if item.status == psutil.CONN_LISTEN]
    assert len(listening) == 4
    assert {item.ip for item in listening} == {"127.0.0.1"}
    assert not [item for item in sockets if item.laddr.ip != "127.0.0.1"]


@pytest.mark.slow
def test_two_benches_are_served_at_once(serve, homes):
    first, second = serve(), serve(home=homes / "other")
    infos = [served.control.ask("info")["served"] for served in (first, second)]
    assert not set(infos[0]["instruments"].values()) & set(infos[1]["instruments"].values())


def test_second_server_of_the_same_die_is_refused(serve, rack, labctl):
    served = serve()
    answer = labctl("bench", "serve", rack / "bench_4x4.toml", "--port", 0)
    assert answer.code == 2
    assert str(served.process.pid) in answer.err


def test_station_is_refused_when_its_bench_does_not_answer(serve, labctl):
    served = serve()
    served.process.kill()
    served.process.communicate()
    answer = labctl("run", "read_array", "-s", STATION, *CELLS)
    assert answer.code == 2
    assert served.said["control"] in answer.err
    assert "labctl bench serve" in answer.err
    assert "Traceback" not in answer.err


def test_real_instruments_are_not_recorded_as_simulated(serve, homes):
    # a copy of a served station with the address of an instrument that is not the bench's
    served = serve()
    text = Path(served.said["file"]).read_text(encoding="utf-8")
    copied = homes / "copied.toml"
    copied.write_text(text.replace(served.said["instruments"]["gen1"], "TCPIP0::192.0.2.12::inst0::INSTR"), "utf-8")
    with pytest.raises(StationError, match=r"instruments\.gen1\.resource.*192\.0\.2\.12"):
        Station.open(copied)


def test_served_station_knows_what_it_is(serve):
    serve()
    with Station.open(STATION) as station:
        assert station.simulated
        assert not station.in_process
        assert station.bench_info["seed"] == 7
        with pytest.raises(StationError):
            station.inject_faults("no such kind of fault")


@pytest.mark.parametrize("address", ["", "5024", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:x", "127.0.0.1:70000"])
def test_control_address_is_refused_when_it_is_none(address):
    with pytest.raises(StationError, match="address"):
        BenchControl(address)


def test_control_is_refused_when_something_else_answers():
    with socket.create_server(("127.0.0.1", 0)) as other:
        control = BenchControl(f"127.0.0.1:{other.getsockname()[1]}")

        def answer():
            channel, _ = other.accept()
            with channel:
                channel.sendall(b"220 mail\n")
                channel.recv(1000)

        answering = threading.Thread(target=answer)
        answering.start()
        with pytest.raises(StationError, match="no served bench"):
            control.ask("info")
        answering.join()
