"""P16: a wrong instrument is found out before it is told anything, and one program at a time uses an instrument.

Authority: the promise itself; that only ``*IDN?`` was sent is read off the simulated instruments' side of VISA.
"""

import random
import re
import subprocess
import sys
import time
from importlib.resources import files
from pathlib import Path

import pytest

import labctl.station
from labctl.errors import InstrumentError, StationError
from labctl.station import Station
from labctl.station.ownership import Ownership

# *IDN?, alone or with the tag of one of the dialects, and the tag alone when a link is mended
QUESTIONS = re.compile(r"(\*ESE \d+;:?\*ESE\?;?|print\(\"?\w+\"?\) ?)?(:?\*IDN\?)?\n?")
RESOURCES = ["TCPIP0::192.0.2.11::inst0::INSTR", "GPIB0::5::INSTR"]
# loads the one file, because the package around it takes seconds to import
HOLDER = """
import importlib.util, sys, time
spec = importlib.util.spec_from_file_location("ownership", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
held = module.Ownership(sys.argv[2:])
print("held", flush=True)
time.sleep(600)
"""


@pytest.fixture(autouse=True)
def _own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("LABCTL_HOME", str(tmp_path / "home"))


@pytest.fixture
def holder():
    """Start a program that holds resources; all are killed in the end."""
    started = []

    def start(*resources):
        script = Path(labctl.station.__file__).with_name("ownership.py")
        command = [sys.executable, "-c", HOLDER, str(script), *resources]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def wrong_racks(text):
    """20 station files in which one instrument is not the one that answers: another serial number or another driver."""
    chance = random.Random(16)
    serials = re.findall(r'serial = "(\w+)"', text)
    for number in range(20):
        serial = serials[number % len(serials)]
        if number < 17:
            place = chance.randrange(len(serial))
            other = serial[:place] + str((int(serial[place], 36) + 1) % 10) + serial[place + 1 :]
            yield text.replace(f'serial = "{serial}"', f'serial = "{other}"')
        else:
            models = ["keithley.Keithley2636B", "keithley.Keithley707B", "keysight.Keysight33622A"]
            own, other = models[number - 17], models[number - 16 if number < 19 else 0]
            yield text.replace(f'driver = "{own}"', f'driver = "{other}"')


def test_wrong_instrument_is_refused_before_it_is_told_anything(tmp_path, monkeypatch, promise):
    from labctl_mock.visa import LabctlVisaLibrary

    sent = []
    write = LabctlVisaLibrary.write

    def listening(library, session, data):
        sent.append(bytes(data))
        return write(library, session, data)

    monkeypatch.setattr(LabctlVisaLibrary, "write", listening)
    text = (files("labctl_data") / "stations" / "tiox-32x32.toml").read_text(encoding="utf-8")
    path, told, admitted = tmp_path / "wrong.toml", 0, 0
    for wrong in wrong_racks(text):
        assert wrong != text
        path.write_text(wrong, encoding="utf-8")
        sent.clear()
        with pytest.raises((StationError, InstrumentError)) as caught:
            Station.open(path).close()
        if not re.search(r"instruments\.\w+\.(serial|driver): .* expected|not maker,model,serial", str(caught.value)):
            admitted += 1
        assert sent
        told += sum(QUESTIONS.fullmatch(message.decode()) is None for message in sent)
    promise("P16", "wrong instruments not refused as such", trials=20, failures=admitted, seed="16")
    promise("P16", "messages to a wrong rack besides *IDN? and tags", trials=20, failures=told, seed="16")
    assert (admitted, told) == (0, 0)


@pytest.mark.parametrize("trials", [4, pytest.param(50, marks=pytest.mark.slow)])
def test_second_opener_is_refused_at_once_and_a_killed_holder_lets_go(holder, trials, ran_s, promise):
    admitted, refused_s, free_s = 0, [], []
    for _ in range(trials):
        process = holder(*RESOURCES)
        start_s = time.monotonic()
        try:
            Ownership(["gpib0::5"]).release()
            admitted += 1
        except StationError as error:
            told = str(error)
            assert told.startswith("GPIB0::5::INSTR is in use by process"), told
            assert str(process.pid) in told, told
            assert re.search(r"since \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", told), told
        refused_s.append(ran_s(start_s, time.monotonic()))
        process.kill()
        start_s = time.monotonic()
        while True:
            try:
                Ownership(RESOURCES).release()
                break
            except StationError:
                assert time.monotonic() - start_s < 60.0
                time.sleep(0.001)
        free_s.append(ran_s(start_s, time.monotonic()))
        process.wait()
    late = sum(value > 1.0 for value in refused_s), sum(value > 1.0 for value in free_s)
    slowest = f"{max(refused_s) * 1e3:.1f} ms"
    promise(
        "P16", "second opener admitted, or refused after 1 s", trials=trials, failures=admitted + late[0], worst=slowest
    )
    slowest = f"{max(free_s) * 1e3:.1f} ms"
    promise("P16", "lock not free 1 s after SIGKILL", trials=trials, failures=late[1], worst=slowest)
    assert (admitted, late) == (0, (0, 0))


def test_station_in_use_is_refused_before_a_connection_is_tried(holder, ran_s, tmp_path):
    text = (files("labctl_data") / "stations" / "tiox-32x32.toml").read_text(encoding="utf-8")
    path = tmp_path / "real.toml"
    # addresses of RFC 5737 lead nowhere: a connection would take seconds to fail
    path.write_text(text.replace('visa_library = "tiox-32x32@labctl"', 'visa_library = "@py"'), encoding="utf-8")
    process = holder("TCPIP::192.0.2.13::INSTR")
    start_s = time.monotonic()
    with pytest.raises(StationError, match=rf"TCPIP0::192\.0\.2\.13::INST0::INSTR is in use by process {process.pid} "):
        Station.open(path)
    assert ran_s(start_s, time.monotonic()) < 1.0
    # what was taken before the one that is in use was let go again
    Ownership(["TCPIP0::192.0.2.11::inst0::INSTR", "TCPIP0::192.0.2.12::inst0::INSTR"]).release()


def test_rack_in_this_process_needs_no_lock(tmp_path):
    with Station.open("tiox-32x32") as station:
        assert station.in_process
        assert not (tmp_path / "home" / "locks").exists()


def test_own_second_hold_is_refused_too():
    held = Ownership(RESOURCES)
    with pytest.raises(StationError, match=r"in use by this process \("):
        Ownership(RESOURCES[:1])
    held.release()
    held.release()
    Ownership(RESOURCES).release()
