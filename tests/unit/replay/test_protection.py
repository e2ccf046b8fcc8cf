"""What protects a recording. Authority: issue "Replay, and the digital twin", Bad input (a truncated or edited
recording: a clear report of what and where) and Shows 1 (one edited byte: the line and both values are named); CRC-32
finds every burst of up to 32 bits.
"""

import re
import zlib

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from labctl.errors import ReplayError
from labctl.replay.protection import checked, unedited
from labctl.replay.traffic import TrafficFile
from labctl.replay.writing import TrafficWriter


def recorded(path):
    writer = TrafficWriter(path, "@py", {"rack_clock": False})
    writer.note("open", 1, 0, rest=',"resource":"ASRL1::INSTR"')
    for number in range(4):
        writer.note("w", 1, 0, b"READ?\n")
        writer.note("r", 1, 0, b"%.5e\n" % (1.5e-6 * number), ',"n":20480')
    writer.close()
    return path


def read(path):
    with TrafficFile(path) as file:
        return list(file.operations())


def test_each_line_ends_with_the_crc_of_the_file_before_it_and_the_last_counts_them(tmp_path):
    """Computed here from the bytes of the file."""
    content = recorded(tmp_path / "t.jsonl").read_bytes()
    marks = list(re.finditer(rb',"c":(\d+)}\n', content))
    lines = content.splitlines()
    assert len(marks) == len(lines) == 11
    assert [int(mark[1]) for mark in marks] == [zlib.crc32(content[: mark.start()]) for mark in marks]
    assert lines[-1].startswith(b'{"op":"end","n":10,')


# always the same bytes: a recording has the time of day in it
CONTENT, _ = checked(
    ['{"schema":2', '{"op":"open","s":1,"t":0.0,"resource":"ASRL1::INSTR"']
    + [
        f'{{"op":"{op}","s":1,"t":0.1{number},"d":"{text}\\n"'
        for number in range(4)
        for op, text in (("w", "READ?"), ("r", f"{number}.5e-06"))
    ]
    + ['{"op":"end","n":10'],
    0,
)


@example(CONTENT.index(b"3.5e-06"), ord("7"))
@given(st.integers(0, len(CONTENT) - 2), st.integers(32, 126))
def test_any_changed_byte_is_found_and_the_line_is_named(tmp_path_factory, place, code):
    content = CONTENT
    assume(content[place] not in (code, ord("\n")))
    path = tmp_path_factory.mktemp("any") / "t.jsonl"
    path.write_bytes(content[:place] + bytes([code]) + content[place + 1 :])
    number = content[:place].count(b"\n") + 1
    lines = content.splitlines(keepends=True)
    if number == 1 and b',"c":' not in path.read_bytes().splitlines()[0]:
        # who takes the check out of line 1 says that nothing is protected
        return
    told = rf"line {number} (was changed after it was recorded|is cut or damaged)"
    # without its first words it is no traffic file, and another number may be that of a newer one
    told += "|line 1 is no header|has schema [3-9]" if number == 1 else ""
    with pytest.raises(ReplayError, match=told):
        read(path)
    # a check stands for its line; elsewhere the byte that was there is found
    in_line = place - sum(map(len, lines[: number - 1]))
    if in_line < lines[number - 1].rfind(b',"c":'):
        before = zlib.crc32(b"".join(lines[: number - 1]))
        assert unedited(path.read_bytes().splitlines(keepends=True)[number - 1], before) == lines[number - 1]


def test_edited_answer_is_told_as_it_was_and_as_it_is(tmp_path):
    path = recorded(tmp_path / "t.jsonl")
    path.write_text(path.read_text().replace("3.00000e-06", "3.00000e-05"))
    with pytest.raises(ReplayError, match=r"line 8 .* says read '3.00000e-05.*before one byte .* read '3.00000e-06"):
        read(path)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda lines: lines[:4] + lines[5:], r"line 5 .*one before it was taken out"),
        (lambda lines: [*lines[:4], lines[5], lines[4], *lines[6:]], r"line 5 was changed .*its check, \d+, is not"),
        (lambda lines: [*lines[:4], lines[4].replace("READ", "FETC"), *lines[5:]], r"line 5 was changed .*FETC.*check"),
        (lambda lines: [*lines[:4], lines[4][: lines[4].rindex(",")] + "}\n", *lines[5:]], "line 5 .*which is missing"),
        (lambda lines: [*lines, lines[-2]], "line 12 was changed .*one before it was taken out or put in"),
        (lambda lines: [*lines[:5], lines[5][:20]], "line 6 is cut or damaged"),
        # without checks the number is left
        (
            lambda lines: [re.sub(',"c":[0-9]+', "", line) for line in lines[:4] + lines[5:]],
            "recording of 10 lines, and 9",
        ),
    ],
)
def test_lines_that_were_taken_out_put_in_or_cut_are_named(change, says, tmp_path):
    path = recorded(tmp_path / "t.jsonl")
    path.write_text("".join(change(path.read_text().splitlines(keepends=True))))
    with pytest.raises(ReplayError, match=says):
        read(path)


@pytest.mark.parametrize(
    ("kept", "says"), [(11, ""), (10, "line 10 is the last"), (4, "line 4 is the last"), (1, "line 1 is the last")]
)
def test_missing_end_is_told_with_the_last_line_and_reading_goes_on(kept, says, tmp_path):
    path = recorded(tmp_path / "t.jsonl")
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:kept]))
    with TrafficFile(path) as file:
        assert says in file.unfinished()
        assert bool(file.unfinished()) is bool(says)
        assert len(list(file.operations())) == min(kept - 1, 9)


def test_changed_file_is_replayed_as_it_stands_when_the_check_of_line_1_is_taken_out(tmp_path):
    path = recorded(tmp_path / "t.jsonl")
    text = path.read_text().replace("3.00000e-06", "9.99999e-06")
    path.write_text(re.sub(r',"c":\d+', "", text, count=1))
    with TrafficFile(path) as file:
        assert not file.is_protected
        assert file.unfinished() == ""
        assert b"9.99999e-06\n" in [one.data for one in file.operations()]


def test_line_behind_the_first_chunk_is_checked(tmp_path):
    """Lines are read and checked some hundred at once."""
    path = tmp_path / "t.jsonl"
    writer = TrafficWriter(path, "@py", {})
    for number in range(2000):
        writer.note("r", 1, 0, b"%.5e\n" % number)
    writer.close()
    assert len(read(path)) == 2000
    lines = path.read_text().splitlines(keepends=True)
    lines[1500] = lines[1500].replace("1.49900e+03", "1.49900e+04")
    path.write_text("".join(lines))
    with pytest.raises(ReplayError, match="line 1501 was changed"):
        read(path)
