"""SCPI parser: SCPI-99 volume 1 chapters 6 to 8, IEEE 488.2-1992 section 7; each test names its paragraph."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labctl.clock import VirtualClock
from labctl_mock.messages import MessageFault
from labctl_mock.messages.lexer import message_end, split
from labctl_mock.messages.numeric import Boolean, Integer, Limit, Number
from labctl_mock.messages.parameters import Block, ChannelList, Choice, Samples, Text, Word
from labctl_mock.messages.scpi import ScpiInstrument
from labctl_mock.messages.tree import Command, CommandTree, mnemonic_forms


class Circuit:
    """Nothing but a clock."""

    def __init__(self):
        self.clock = VirtualClock()


class Source(ScpiInstrument):
    """Two channels with a level, a waveform store and a list of what was called."""

    maker, model, firmware = "Maker", "Model", "1.0"
    write_time_s, query_time_s = 0.25, 0.5

    def __init__(self):
        self.calls = []
        super().__init__("source", Circuit(), serial="7", seed=1, options={})

    def commands(self):
        def note(name):
            return lambda *arguments: self.calls.append((name, *arguments))

        return [
            Command("[SOURce[1|2]:]VOLTage[:LEVel][:IMMediate][:AMPLitude]", note("volt"), (Number("V"),)),
            Command(
                "[SOURce[1|2]:]VOLTage:HIGH",
                note("high"),
                (Number("V"),),
                lambda number, limit=None: f"{number}/{limit}",
                (Choice("MINimum", "MAXimum", is_optional=True),),
            ),
            Command("[SOURce[1|2]:]VOLTage:LOW", note("low"), (Number("V"),)),
            Command("OUTPut[1|2][:STATe]", note("outp"), (Boolean(),), lambda number: f"{number}"),
            Command("DATA:ARBitrary", note("arb"), (Word(), Samples())),
            Command("DISPlay:TEXT", note("text"), (Text(),)),
            Command("ROUTe:CLOSe", note("close"), (ChannelList(),)),
            Command("SWEep", note("sweep"), (Number(), Number(is_optional=True))),
        ]

    def reset(self):
        self.calls.append(("reset",))

    def on_trigger(self):
        self.calls.append(("trigger",))


@pytest.fixture
def source():
    return Source()


def send(source, message):
    source.calls.clear()
    source.receive(message if isinstance(message, bytes) else message.encode(), True)
    return source.calls


def codes(source):
    found = []
    while (entry := source.errors.pop()).code:
        found.append(entry.code)
    return found


@pytest.mark.parametrize(
    "message",
    [
        "SOUR1:VOLT:LEV:IMM:AMPL 2",
        "SOURce:VOLTage:LEVel:IMMediate:AMPLitude 2",
        "source1:volt:level 2",
        ":VOLT 2",
        "VOLTage:IMM 2",
        "volt\t2",
        "  VOLT   2  ",
        "SOUR:VOLT 2;",
    ],
)
def test_header_is_understood_in_every_legal_spelling(source, message):
    # 6.2.1 short and long forms and case, 6.2.3 optional nodes, 6.2.5.2 suffix 1 is the default
    assert send(source, message) == [("volt", 1, 2.0)]
    assert codes(source) == []


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("VOLTA 2", -113),  # neither short nor long form
        ("SOU:VOLT 2", -113),
        ("VOLT:LEVEL:HIGH 2", -113),
        ("STATE:PRES", -113),  # STATus and STATe share a short form, not a long one
        ("OUTP:STATUS ON", -113),
        ("VOLT?", -113),  # no query form
        ("SOUR3:VOLT 2", -114),
        ("SOUR0:VOLT 2", -114),
        ("VOLT2 2", -113),  # this node takes no suffix
        ("VOLT:HIGH", -109),
        ("VOLT:HIGH 1,2", -108),
        ("VOLT:HIGH? FOO", -224),
        ("OUTP? 1", -108),
        ("VOLT:HIGH ON", -141),
        ("VOLT:HIGH '1'", -158),
        ("VOLT:HIGH (@1)", -178),
        ("VOLT:HIGH #11x", -168),
        ("VOLT:HIGH 1 S", -131),
        ("VOLT:HIGH 1x2y3", -131),
        ("VOLT:HIGH +-1", -121),
        ("VOLT:HIGH 1_0", -131),
        ("VOLT:HIGH nan", -141),
        ("VOLT:HIGH INF", -141),
        ("VOLT:HIGH 1e40000", -123),
        ("OUTP MAYBE", -141),
        ("DISP:TEXT hello", -104),
        ("DISP:TEXT 'hello", -151),
        ("ROUT:CLOS 1", -104),
        ("ROUT:CLOS (1)", -171),
        ("ROUT:CLOS (@1", -171),
        ("DATA:ARB name,#15ab", -161),
        ("SWE 1,,2", -108),
        ("SWE 1,", -109),
        ("!", -113),
    ],
)
def test_message_is_refused_with_its_number_when_wrong(source, message, code):
    # SCPI-99 volume 2, 21.8.9 and 21.8.10
    assert send(source, message) == []
    assert codes(source) == [code]


def test_path_is_inherited_when_units_are_joined(source):
    # 6.2.4: the next header continues where the last one ended, a colon goes back to the root
    assert send(source, "SOUR2:VOLT:HIGH 1;LOW -1;:OUTP2 ON") == [("high", 2, 1.0), ("low", 2, -1.0), ("outp", 2, True)]
    assert codes(source) == []


def test_path_is_lost_when_a_new_message_begins(source):
    assert send(source, b"SOUR2:VOLT:HIGH 1\nLOW -1\n") == [("high", 2, 1.0)]
    assert codes(source) == [-113]


def test_path_survives_common_commands(source):
    # 6.2.4
    assert send(source, "SOUR2:VOLT:HIGH 1;*TRG;LOW 0") == [("high", 2, 1.0), ("trigger",), ("low", 2, 0.0)]


def test_responses_of_one_message_are_joined_by_semicolons(source):
    # IEEE 488.2 8.4.1
    source.receive(b"OUTP2?;:VOLT:HIGH? MAX;*ESE?\n", True)
    assert source.transmit(99) == (b"2;1/MAX;0\n", True)


def test_rest_of_the_message_is_dropped_after_a_command_error_but_not_after_an_execution_error(source):
    # IEEE 488.2 6.1.6.1.1; execution errors leave the parser where it is
    assert send(source, "VOLT 1;NONE 2;VOLT 3") == [("volt", 1, 1.0)]
    assert send(source, "VOLT 1;*ESE 999;VOLT 3") == [("volt", 1, 1.0), ("volt", 1, 3.0)]
    assert codes(source) == [-113, -222]


def test_time_passes_when_units_are_obeyed(source):
    send(source, "VOLT 1;VOLT 2;OUTP?")
    assert source.circuit.clock.now_s() == 1.0


def test_line_feed_inside_a_block_is_data_even_when_it_comes_in_pieces(source):
    # IEEE 488.2 7.7.6.2
    source.receive(b"DATA:ARB wave,#15a\nb", False)
    assert source.calls == []
    source.receive(b"\n;\nOUTP ON\n", False)
    assert source.calls == [("arb", "WAVE", b"a\nb\n;"), ("outp", 1, True)]
    assert codes(source) == []


def test_samples_take_every_number_that_is_left(source):
    assert send(source, "DATA:ARB w, 0, 0.5, -1") == [("arb", "W", (0.0, 0.5, -1.0))]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("10 MS", 10e-3),
        ("0.2V", None),
        ("1.5e-6", 1.5e-6),
        ("+.5", 0.5),
        ("5.", 5.0),
        ("-1E3", -1000.0),
        ("2 E 3", 2000.0),
        ("#H1F", 31.0),
        ("#q17", 15.0),
        ("#B101", 5.0),
        ("3us", 3e-6),
        ("4 KS", 4e3),
        ("MIN", Limit.MINIMUM),
        ("maximum", Limit.MAXIMUM),
        ("DEF", Limit.DEFAULT),
    ],
)
def test_number_is_read_with_unit_and_base(text, value):
    # IEEE 488.2 7.7.2 to 7.7.4, SCPI-99 7.2
    number = Number("S")
    if value is None:
        with pytest.raises(MessageFault) as caught:
            number.parse(text)
        assert caught.value.code == -131
    else:
        result = number.parse(text)
        assert result == value if isinstance(value, Limit) else result == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(("text", "value"), [("10 MHZ", 10e6), ("10 mhz", 10e6), ("2 KHZ", 2e3), ("1 MAHZ", 1e6)])
def test_m_is_mega_when_the_unit_is_hertz(text, value):
    # IEEE 488.2 7.7.3.3: MHZ and MOHM are mega
    assert Number("HZ").parse(text) == pytest.approx(value)
    assert Number("V").parse("10 MV") == pytest.approx(0.01)


def test_suffix_is_refused_when_the_number_has_no_unit():
    with pytest.raises(MessageFault) as caught:
        Number().parse("1 V")
    assert caught.value.code == -138


def test_infinity_is_a_word_where_it_is_allowed():
    # SCPI-99 7.2.1.4
    assert Number(has_infinity=True).parse("INFinity") == float("inf")
    assert Number(has_infinity=True).parse("ninf") == float("-inf")


def test_integer_is_rounded_not_refused():
    assert Integer().parse("2.6") == 3.0
    assert Integer(has_infinity=True).parse("INF") == float("inf")


@pytest.mark.parametrize(("text", "value"), [("ON", True), ("off", False), ("0", False), ("1", True), ("0.4", False)])
def test_boolean_is_a_word_or_a_rounded_number(text, value):
    # SCPI-99 7.3
    assert Boolean().parse(text) is value


def test_string_keeps_separators_and_doubled_quotes(source):
    # IEEE 488.2 7.7.5
    assert send(source, 'DISP:TEXT "a;b,""c"" \'d"') == [("text", 'a;b,"c" \'d')]
    assert Text().parse("'it''s'") == "it's"
    with pytest.raises(MessageFault, match="-151"):
        Text().parse("'a'b'")


def test_choice_takes_short_and_long_form_only():
    choice = Choice("IMMediate", "BUS")
    assert choice.parse("immediate") == choice.parse("Imm") == "IMM"
    for text, code in (("IMME", -224), ("1", -128), ("'BUS'", -158)):
        with pytest.raises(MessageFault) as caught:
            choice.parse(text)
        assert caught.value.code == code


def test_blocks_are_read_in_both_forms():
    # IEEE 488.2 7.7.6
    assert Block().parse("#213hello, world!") == b"hello, world!"
    assert Block().parse("#0any;thing") == b"any;thing"
    for text in ("#2x", "#13ab", "hello", "#H1F"):
        with pytest.raises(MessageFault):
            Block().parse(text)


def test_channel_list_counts_in_both_directions():
    # SCPI-99 8.3.2
    assert ChannelList().parse("(@1,3:5)") == (1, 3, 4, 5)
    assert ChannelList().parse("(@ 3:1 )") == (3, 2, 1)


def test_channel_list_reaches_its_command_whole(source):
    assert send(source, "ROUT:CLOS (@1,2:4);CLOS (@7)") == [("close", (1, 2, 3, 4)), ("close", (7,))]


def test_commands_that_could_be_confused_are_refused_when_the_tree_is_built():
    with pytest.raises(ValueError, match="collides"):
        CommandTree([Command("VOLTage[:LEVel]"), Command("VOLT")])
    with pytest.raises(ValueError, match="cannot be read"):
        CommandTree([Command("VOLT[:LEVel")])


def test_mnemonic_forms_come_from_the_capitals():
    assert mnemonic_forms("TRAiling") == ("TRA", "TRAILING")


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_number_survives_the_way_when_written_by_python(value):
    assert Number("V").parse(repr(value)) == value
    assert Number("V").parse(f"{value:.16e}") == value


@given(st.lists(st.one_of(st.text("abc 1?:"), st.text("ab;,'\n").map(lambda s: "'" + s.replace("'", "''") + "'"))))
def test_split_never_cuts_inside_quotes_and_joins_back(parts):
    message = ";".join(parts)
    assert split(message, ";") == (parts or [""])


@given(st.binary(max_size=40), st.binary(max_size=10))
def test_message_end_is_behind_the_block_whatever_it_holds(payload, rest):
    message = b"DATA:ARB x,#2" + b"%02d" % len(payload) + payload
    assert message_end(message + b"\n" + rest) == len(message)
    assert message_end(message) == -1


@given(st.text(st.characters(max_codepoint=255), max_size=60))
def test_parser_answers_any_text_with_errors_only(text):
    source = Source()
    source.receive(text.encode("latin-1"), True)
    assert all(-499 <= code <= -100 for code in codes(source))
