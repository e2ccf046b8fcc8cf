"""Laws of what goes over the wire: program messages as simulated instruments read them.

Authority: IEEE 488.2 sections 7 and 8 (numbers, strings, blocks), SCPI-99 volume 1, 6.2 (headers) and 7.2.1.4 (NAN and
INF), 2600BS-901-01 section 6 (TSP). Each test is one law; promise P19.
"""

import math
from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from labctl.clock import VirtualClock
from labctl_mock.bench.terminals import Measured
from labctl_mock.keithley.channel_list import CARD_COLUMNS, CARD_ROWS, parse_channels
from labctl_mock.keithley.keithley2636b import SimulatedKeithley2636B
from labctl_mock.keysight.keysight33622a import SimulatedKeysight33622A
from labctl_mock.messages import MessageFault
from labctl_mock.messages.lexer import block_end, message_end, split
from labctl_mock.messages.numeric import Boolean, Integer, Limit, Number
from labctl_mock.messages.parameters import Block, ChannelList, Choice, Samples, Text, Word
from labctl_mock.messages.tree import Command, CommandTree, mnemonic_forms
from labctl_mock.tsp.faults import TspFault

FINITE = st.floats(allow_nan=False, allow_infinity=False)
LATIN = st.text(st.characters(max_codepoint=255), max_size=40)
WORDS = [
    "#",
    "#0",
    "#12ab",
    "#H",
    "'",
    '"',
    "(@",
    ")",
    ",",
    ";",
    ":",
    "1",
    "e9",
    "MAX",
    "nan",
    "inf",
    "\xb2",
    "\n",
    "*ESE ",
    " ",
    "9" * 40,
]
MESSAGE = LATIN | st.lists(st.sampled_from(WORDS), max_size=12).map("".join)
HALF = settings(max_examples=settings.default.max_examples // 2)
CARDS = dict.fromkeys(range(1, 7), "7174A")


class QuietCircuit:
    """Nothing is connected."""

    def __init__(self):
        self.clock = VirtualClock()

    def settle(self):
        pass

    def measure(self, terminal, *, aperture_s):
        self.clock.sleep(aperture_s)
        return Measured(0.0, 0.0, False)

    def fire(self, rectangles):
        return {}

    def __getattr__(self, name):
        return lambda *arguments, **named: None


# --- cutting program messages


@given(MESSAGE, st.sampled_from([";", ","]))
def test_split_loses_no_character(text, separator):
    try:
        parts = split(text, separator)
    except MessageFault:
        return
    assert separator.join(parts) == text


@given(st.lists(st.text(alphabet="abc 123", max_size=6), min_size=1))
def test_split_is_the_inverse_of_join(parts):
    assert split(";".join(parts), ";") == parts


@given(st.text(alphabet="ab;,'()#", max_size=12), st.sampled_from(["'", '"']))
def test_quotes_protect_separators(text, quote):
    quoted = quote + text.replace(quote, quote * 2) + quote
    assert split(f"a;{quoted};b", ";") == ["a", quoted, "b"]


@given(st.binary(max_size=60) | MESSAGE.map(lambda text: text.encode("latin-1")))
def test_end_of_a_message_is_a_line_feed_or_not_there(data):
    end = message_end(data)
    assert end == -1 or data[end : end + 1] == b"\n"


@given(st.binary(max_size=30))
def test_block_protects_its_line_feeds(payload):
    head = f"#{len(str(len(payload)))}{len(payload)}".encode()
    data = b"DATA " + head + payload + b"\nNEXT\n"
    assert message_end(data) == len(data) - 6


@given(MESSAGE, st.integers(0, 45))
def test_block_end_lies_behind_its_start(text, start):
    text = text[:start] + "#" + text[start:]
    at = text.index("#")
    assert block_end(text, at) > at


@given(st.binary(max_size=30))
def test_block_reads_back_to_the_byte(payload):
    text = payload.decode("latin-1")
    assert Block().parse(f"#{len(str(len(text)))}{len(text)}{text}") == payload


# --- program data

PARSERS = {
    "number": Number("V"),
    "integer": Integer(),
    "boolean": Boolean(),
    "choice": Choice("IMMediate", "BUS"),
    "text": Text(),
    "word": Word(),
    "block": Block(),
    "channels": ChannelList(),
    "samples": Samples(),
}


@given(MESSAGE, st.sampled_from(sorted(PARSERS)))
def test_data_are_understood_or_are_a_message_fault(text, name):
    text = text.strip()
    assume(text)
    try:
        value = PARSERS[name].parse(text)
    except MessageFault as fault:
        value = fault if -300 < fault.code <= -100 else None
    assert value is not None


@given(FINITE)
def test_decimal_number_reads_back_to_the_bit(value):
    assert Number().parse(repr(value)) == value


@given(st.floats(-1e9, 1e9), st.sampled_from([("mV", 1e-3), ("uV", 1e-6), ("kV", 1e3), ("MAV", 1e6), ("V", 1.0)]))
def test_suffix_is_its_factor_in_any_case(value, suffix):
    name, factor = suffix
    for text in (f"{value!r} {name.upper()}", f"{value!r}{name.lower()}"):
        assert Number("V").parse(text) == pytest.approx(value * factor, rel=1e-15, abs=0.0)


@given(st.integers(0, 2**64))
def test_based_numbers_agree(value):
    found = {Number().parse(text) for text in (f"#H{value:x}", f"#Q{value:o}", f"#B{value:b}")}
    assert found == {float(value)}


@given(st.integers(0, 2**4000), st.sampled_from("HQB"))
def test_huge_based_number_is_refused_in_words(value, base):
    text = {"H": f"{value:x}", "Q": f"{value:o}", "B": f"{value:b}"}[base]
    try:
        assert math.isfinite(Number().parse(f"#{base}{text}"))
    except MessageFault:
        assert value > 2**1000


@given(st.floats(-1e12, 1e12))
def test_integer_is_the_nearest(value):
    assert abs(Integer().parse(repr(value)) - value) <= 0.5


@given(st.floats(-1e6, 1e6))
def test_boolean_of_a_number_is_whether_it_rounds_to_zero(value):
    assert Boolean().parse(repr(value)) == (round(value) != 0)


@given(st.sampled_from(["MINimum", "MAXimum", "DEFault"]))
def test_limit_is_understood_in_both_forms(word):
    short, long = mnemonic_forms(word)
    found = {Number().parse(text) for text in (short, long, short.lower(), long.title())}
    assert len(found) == 1
    assert found <= set(Limit)


@given(st.text(alphabet="ab\"' ;", max_size=12), st.sampled_from(["'", '"']))
def test_string_reads_back(text, quote):
    assert Text().parse(quote + text.replace(quote, quote * 2) + quote) == text


@given(st.lists(st.integers(1, 99), min_size=1, max_size=6))
def test_channel_list_reads_back(channels):
    assert ChannelList().parse(f"(@{','.join(map(str, channels))})") == tuple(channels)


@given(st.integers(1, 400), st.integers(1, 400))
def test_channel_range_steps_by_one_in_its_direction(first, last):
    found = ChannelList().parse(f"(@{first}:{last})")
    assert (found[0], found[-1]) == (first, last)
    assert all(abs(b - a) == 1 for a, b in pairwise(found))


@given(st.integers(0, 10**30), st.integers(0, 10**30))
def test_channel_range_is_bounded(first, last):
    try:
        found = ChannelList().parse(f"(@{first}:{last})")
    except MessageFault:
        return
    assert len(found) <= 100_000


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=20))
def test_samples_read_back(values):
    assert Samples().parse(",".join(map(repr, values))) == tuple(values)


# --- headers

TREE = CommandTree(
    [
        Command("[SOURce[1|2]:]VOLTage[:LEVel][:IMMediate]", write=lambda *a: ("level", *a)),
        Command("[SOURce[1|2]:]VOLTage:HIGH", write=lambda *a: ("high", *a), query=lambda *a: "0"),
        Command("OUTPut[1|2][:STATe]", write=lambda *a: ("output", *a), query=lambda *a: "0"),
    ]
)


@given(MESSAGE)
def test_header_leads_somewhere_or_is_a_message_fault(header):
    try:
        route = TREE.find(header)
    except MessageFault as fault:
        known = fault.code in (-113, -114)
    else:
        known = callable(route.handler)
    assert known


@given(
    st.sampled_from(["SOUR", "SOURCE", "source"]),
    st.sampled_from(["", "1", "2"]),
    st.sampled_from(["VOLT", "VOLTAGE", "Volt"]),
    st.sampled_from(["", ":LEV", ":level:IMM", ":IMMediate"]),
)
def test_every_spelling_of_a_header_is_the_same_command(source, suffix, volt, rest):
    route = TREE.find(f"{source}{suffix}:{volt}{rest}")
    assert route.handler()[0] == "level"
    assert route.suffixes == (int(suffix or 1),)


@given(st.integers(0, 10**9))
def test_suffix_out_of_range_is_refused(suffix):
    if suffix in (1, 2):
        assert TREE.find(f"OUTP{suffix}").suffixes == (suffix,)
    else:
        with pytest.raises(MessageFault):
            TREE.find(f"OUTP{suffix}")


# --- whole instruments

GENERATOR = SimulatedKeysight33622A("gen1", QuietCircuit(), serial="1", seed=1, options={})


@HALF
@given(st.lists(MESSAGE | st.binary(max_size=40).map(lambda data: data.decode("latin-1")), max_size=5))
def test_scpi_server_outlives_any_bytes(messages):
    GENERATOR.clear()
    for message in messages:
        GENERATOR.receive(message.encode("latin-1"), True)
        GENERATOR.transmit(1 << 16)
    GENERATOR.clear()
    GENERATOR.receive(b"*CLS;*IDN?\n", True)
    assert GENERATOR.transmit(1 << 16)[0].count(b",") == 3


HEADERS = [
    "SOUR1:VOLT:HIGH ",
    "OUTP ",
    "SOUR1:FUNC ",
    "SOUR1:BURS:NCYC ",
    "SOUR1:PULS:WIDT ",
    "SYST:ERR?",
    "*ESE ",
    "*SRE ",
    "STAT:OPER:ENAB ",
]
DATA = [
    "1e400",
    "-1e400",
    "#H" + "f" * 400,
    "nan",
    "1e-400",
    "9" * 5000,
    "MAX",
    "(@1:99999999)",
    "1E" + "9" * 5000,
    "INF",
    "'",
    "#9",
    "\xb2",
]


@HALF
@given(st.sampled_from(HEADERS), st.sampled_from(DATA) | LATIN)
def test_scpi_server_outlives_any_value(header, value):
    GENERATOR.clear()
    GENERATOR.receive((header + value).encode("latin-1") + b"\n", True)
    GENERATOR.transmit(1 << 16)
    GENERATOR.receive(b"*RST;*CLS\n", True)
    assert len(GENERATOR.errors) == 0


@HALF
@given(st.binary(max_size=60), st.integers(1, 7))
def test_scpi_message_is_the_same_however_it_is_cut(data, size):
    def replies(pieces):
        GENERATOR.receive(b"*RST;*CLS;*ESE 0\n", True)
        GENERATOR.clear()
        for piece in pieces:
            GENERATOR.receive(piece, False)
        GENERATOR.receive(b"\n", True)
        GENERATOR.clear()
        GENERATOR.receive(b"*ESE?\n", True)
        return GENERATOR.transmit(99)[0]

    assume(b"\n" not in data and b"#" not in data)
    whole = replies([data])
    assert replies([data[k : k + size] for k in range(0, len(data), size)]) == whole


SMU = SimulatedKeithley2636B("smu1", QuietCircuit(), serial="1", seed=1, options={})
LUA = [
    "print(",
    ")",
    "smua",
    ".source",
    ".levelv",
    "=",
    "1",
    "nil",
    "function ",
    "end ",
    "for i=1,3 do ",
    "x",
    "..",
    "'",
    "{}",
    "[1]",
    "error(",
    "pcall(",
    "\n",
    " ",
    "--[[",
    "]]",
    "#",
    "\x1bLua",
    "errorqueue.next()",
    "while true do end",
    "9e999",
    "0/0",
    "string.rep('a',1e9)",
]


@HALF
@given(st.lists(st.sampled_from(LUA), max_size=10).map("".join) | LATIN)
def test_tsp_server_outlives_any_chunk(chunk):
    SMU.clear()
    SMU.receive(chunk.encode("latin-1") + b"\n", True)
    SMU.receive(b"endscript\n", True)
    SMU.clear()
    SMU.receive(b"errorqueue.clear() print(42)\n", True)
    assert float(SMU.transmit(1 << 20)[0]) == 42.0


SMU2 = SimulatedKeithley2636B("smu2", QuietCircuit(), serial="1", seed=1, options={})


def ask(chunk):
    SMU2.clear()
    SMU2.receive(chunk.encode() + b"\n", True)
    return SMU2.transmit(1 << 20)[0].decode().strip()


@HALF
@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=12))
def test_tsp_chunk_reaches_no_python(name):
    # whatever is global is a number, a string, a table or a function of Lua
    assert ask(f"print(type({name}))") in ("nil", "number", "string", "table", "function", "boolean", "")


@HALF
@given(st.floats(-1e30, 1e30))
def test_tsp_number_prints_with_the_digits_it_promises(value):
    printed = float(ask(f"print({value!r})"))
    assert printed == pytest.approx(value, rel=1e-4, abs=1e-300)


@HALF
@given(st.floats(-300, 300))
def test_tsp_level_is_set_or_refused_never_clipped(level_v):
    SMU2.clear()
    SMU2.receive(b"reset() errorqueue.clear() smua.source.rangev = 200\n", True)
    SMU2.receive(f"smua.source.levelv = {level_v!r}\n".encode(), True)
    found, errors = float(ask("print(smua.source.levelv)")), float(ask("print(errorqueue.count)"))
    if errors:
        assert found == 0.0
        assert abs(level_v) > 200.0
    else:
        assert found == pytest.approx(level_v, rel=1e-4, abs=1e-3)


@given(
    LATIN
    | st.lists(st.sampled_from(["1A01", "6H12", "7A01", "1A13", ":", ",", ";", "slot1", "allslots", " ", "1a01"])).map(
        "".join
    )
)
def test_channel_text_is_crosspoints_or_is_refused(text):
    try:
        found = parse_channels(text, CARDS)
    except TspFault:
        return
    assert found
    assert len(found) == len(set(found))
    assert all(item[0] in "123456" and item[1] in CARD_ROWS and 1 <= int(item[2:]) <= CARD_COLUMNS for item in found)


@given(
    st.lists(
        st.tuples(st.integers(1, 6), st.sampled_from("ABCDEFGH"), st.integers(1, 12)),
        min_size=1,
        max_size=8,
        unique=True,
    )
)
def test_crosspoint_and_its_name_are_one_to_one(points):
    names = [f"{slot}{row}{column:02d}" for slot, row, column in points]
    assert parse_channels(",".join(names), CARDS) == names
