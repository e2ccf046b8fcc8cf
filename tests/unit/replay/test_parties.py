"""Who was spoken to. Authority: issue "Replay, and the digital twin", Build (resource, identity); IEEE 488.2, 10.14."""

from labctl.replay.parties import answers_apart, identities_in
from labctl.replay.traffic import TrafficFile
from labctl.replay.writing import TrafficWriter

IDENTITY = b"Maker,Model,SN1,2.0"


def test_identity_is_found_alone_and_among_other_answers_and_silence_is_told(tmp_path):
    writer = TrafficWriter(tmp_path / "t.jsonl", "@py", {})
    for number in (1, 2, 3):
        writer.note("open", number, 0, rest=f',"resource":"GPIB0::{number}::INSTR"')
    for number, message, answer in (
        (1, b"*idn?\n", IDENTITY + b"\n"),
        (2, b":SYST:ERR?;*ESE?;*IDN?\n", b'0,"No error;0;0 0";1;' + IDENTITY + b"\n"),
        (3, b"READ?\n", b"1\n"),
    ):
        writer.note("w", number, 0, message)
        writer.note("r", number, 0, answer)
    writer.close()
    with TrafficFile(tmp_path / "t.jsonl") as file:
        found = identities_in(file)
    identity = IDENTITY.decode()
    assert found == {"GPIB0::1::INSTR": identity, "GPIB0::2::INSTR": identity, "GPIB0::3::INSTR": ""}


def test_answers_that_cannot_be_told_apart_stay_together():
    assert answers_apart(b"*ESE?;READ?\n", b"1;2;3\n") == [(b"*ESE?;READ?", b"1;2;3\n")]
