"""Masking. Authority: issue "Replay, and the digital twin" (secrets and serial numbers can be masked); IEEE 488.2,
10.14 (the third field of ``*IDN?`` is the serial number); RFC 5737 (addresses for documentation).
"""

import json

import pytest
import pyvisa

from labctl.errors import ReplayError
from labctl.replay.masking import mask_recording
from labctl.replay.traffic import SCHEMA, TrafficFile
from labctl.replay.writing import TrafficWriter

USB = "USB0::0x05E6::0x2450::04412345::INSTR"
GPIB = "GPIB0::12::INSTR"
LAN = "TCPIP0::smu-bob.example.org::inst0::INSTR"


def recorded(path):
    bench = {"name": "b", "file": "/home/bob/b.toml"}
    writer = TrafficWriter(path, "/home/bob/bench.toml@labctl", {"rack_clock": False, "bench": bench})
    names = {1: USB, 2: LAN, 3: GPIB}
    for number, name in names.items():
        writer.note("open", number, 0, rest=f',"resource":"{name}"')
    talk = [
        (1, b"*IDN?\n", b"KEITHLEY INSTRUMENTS,MODEL 2450,04412345,1.7.3b\n"),
        (2, b"*ESE 1;*ESE?;*IDN?\n", b"+1;Maker,Model,SN-998877,2.0\n"),
        (2, b":SYST:SER?\n", b"SN-998877\n"),
        (2, b"FETC?\n", b"#19SN-998877\n"),
        (2, b'SYST:PASS:CEN "hunter2"\n', b""),
        (2, b"LAN:IP?\n", b"smu-bob.example.org\n"),
        (1, b"READ?\n", b"+1.04412345E-06\n"),
        (2, b"CURV?\n", b"\x00\xffSN-998877\x01"),
        (3, b"*IDN?\n", b"LSCI,MODEL335,LSA0001/#######,2.0\n"),
    ]
    for number, question, answer in talk:
        writer.note("w", number, 0, question)
        if answer:
            writer.note("r", number, 0, answer, ',"n":1024')
    writer.close()
    return path


@pytest.fixture
def masked(tmp_path):
    source, target = recorded(tmp_path / "t.jsonl"), tmp_path / "m.jsonl"
    found = mask_recording(source, target, ["FETC"])
    with TrafficFile(target) as file:
        return found, file.header, list(file.operations()), target


def test_no_serial_address_folder_or_secret_is_left(masked):
    _, header, operations, target = masked
    text = target.read_text() + repr([one.data for one in operations])
    for word in ("998877", "LSA", "04412345,", "::04412345::", "bob", "hunter2", "example.org"):
        assert word not in text
    assert header["library"] == "bench.toml@labctl"
    assert set(header["masked_serials"]) == {"00000001", "0000003", "000000002"}


def test_masks_are_consistent_and_as_long(masked):
    found, _, operations, _ = masked
    assert found.serials == {"04412345": "00000001", "SN-998877": "000000002", "LSA0001": "0000003"}
    assert found.hosts == {"smu-bob.example.org": "192.0.2.1"}
    assert operations[0].facts["resource"] == USB.replace("04412345", "00000001")
    assert operations[1].facts["resource"] == "TCPIP0::192.0.2.1::inst0::INSTR"
    data = [one.data for one in operations if one.op == "r"]
    assert data[0] == b"KEITHLEY INSTRUMENTS,MODEL 2450,00000001,1.7.3b\n"
    assert data[1:4] == [b"+1;Maker,Model,000000002,2.0\n", b"000000002\n", b"#19000000002\n"]
    # a number that only contains the digits is a measured value
    assert data[5] == b"+1.04412345E-06\n"
    assert data[6] == b"\x00\xff000000002\x01"
    # Lake Shore's manual of the 335, *IDN?: serial number of the instrument/of the option card
    assert data[7] == b"LSCI,MODEL335,0000003/#######,2.0\n"


@pytest.mark.parametrize("folder", ["/home/bob/", "C:\\Users\\bob\\"])
def test_folder_of_any_system_is_left_out(folder, tmp_path):
    writer = TrafficWriter(tmp_path / "t.jsonl", f"{folder}bench.toml@labctl", {"bench": {"file": f"{folder}b.toml"}})
    writer.close()
    mask_recording(tmp_path / "t.jsonl", tmp_path / "m.jsonl")
    header = json.loads((tmp_path / "m.jsonl").read_text().splitlines()[0])
    assert (header["library"], header["bench"]["file"]) == ("bench.toml@labctl", "b.toml")


def test_serial_that_is_too_short_alone_is_masked_beside_that_of_the_instrument(tmp_path):
    writer = TrafficWriter(tmp_path / "t.jsonl", "x", {})
    for question, answer in ((b"*IDN?\n", b"LSCI,MODEL336,123/4567890,1.0\n"), (b"READ?\n", b"123\n")):
        writer.note("w", 1, 0, question)
        writer.note("r", 1, 0, answer)
    writer.close()
    mask_recording(tmp_path / "t.jsonl", tmp_path / "m.jsonl")
    with TrafficFile(tmp_path / "m.jsonl") as file:
        (idn, reading) = [one.data for one in file.operations() if one.op == "r"]
    assert b"123" not in idn
    assert b"4567890" not in idn
    assert len(idn) == len(b"LSCI,MODEL336,123/4567890,1.0\n")
    # a number that is no serial number
    assert reading == b"123\n"


def test_secrets_are_starred_by_pattern(masked):
    found, _, operations, _ = masked
    written = [one.data for one in operations if one.op == "w"]
    assert b'SYST:PASS:CEN "*******"\n' in written
    assert b"****?\n" in written
    assert found.secrets == 2


def test_masked_recording_is_replayed(masked):
    _, _, _, target = masked
    manager = pyvisa.ResourceManager(f"{target}?lenient@replay")
    smu = manager.open_resource("TCPIP0::192.0.2.1::inst0::INSTR", read_termination="\n", write_termination="\n")
    assert smu.query(":SYST:SER?") == "000000002"
    manager.close()


def test_file_that_is_there_and_pattern_that_is_none_are_refused(tmp_path):
    source = recorded(tmp_path / "t.jsonl")
    with pytest.raises(ReplayError, match="never written over"):
        mask_recording(source, source)
    with pytest.raises(ReplayError, match="no regular expression"):
        mask_recording(source, tmp_path / "m.jsonl", ["("])
    assert json.loads(source.read_text().splitlines()[0])["schema"] == SCHEMA


def test_masked_copy_is_protected_and_has_an_end_only_when_the_recording_has_one(tmp_path):
    source = recorded(tmp_path / "t.jsonl")
    cut = tmp_path / "cut.jsonl"
    cut.write_text("".join(source.read_text().splitlines(keepends=True)[:-1]))
    ends = []
    for path in (source, cut):
        target = tmp_path / f"masked_{path.name}"
        mask_recording(path, target)
        with TrafficFile(target) as file:
            assert file.is_protected
            ends.append(file.unfinished())
            # every check fits
            assert len(list(file.operations())) == len(source.read_text().splitlines()) - 2
        text = target.read_text()
        target.write_text(text.replace('"Maker', '"Faker', 1).replace("Maker,", "Faker,", 1))
        with TrafficFile(target) as file, pytest.raises(ReplayError, match="was changed after it was recorded"):
            list(file.operations())
    assert ends[0] == ""
    assert "no end: line" in ends[1]
