"""Laws of replies as drivers read them: a number, an identity, an error queue, an output that is off.

Authority: IEEE 488.2 sections 7 and 8 (numbers, strings, blocks), SCPI-99 volume 1, 6.2 (headers) and 7.2.1.4 (NAN and
INF), 2600BS-901-01 section 6 (TSP). Each test is one law; promise P19.
"""

import math
from unittest.mock import MagicMock

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pymeasure.adapters import Adapter

from labctl.errors import InstrumentError, ProtocolError
from labctl.roles import Flag
from labctl_instruments.keithley.keithley707b import Keithley707B
from labctl_instruments.keithley.keithley2636b import Keithley2636B
from labctl_instruments.keysight.keysight33622a import Keysight33622A
from labctl_instruments.replies import checked_number, is_overrange, number, reading

FINITE = st.floats(allow_nan=False, allow_infinity=False)
LATIN = st.text(st.characters(max_codepoint=255), max_size=40)
REPLY = LATIN | st.lists(
    st.sampled_from([*"0123456789+-.eE", "nan", "inf", "9.91E37", "\t", ",", "#", "_", "\xa0"])
).map("".join)
TENTH = settings(max_examples=settings.default.max_examples // 5)


# --- replies, as drivers read them


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    """A link that is opened again waits in between; nothing here is slow."""
    monkeypatch.setattr("labctl_instruments.asking._PAUSES_S", (0.0, 0.0))


@given(FINITE)
def test_number_reads_back_to_the_bit_in_both_formats(value):
    assert number(repr(value)) == value
    assert number(f"{value:.17e}") == value


@given(REPLY)
def test_number_is_finite_or_huge_or_refused(text):
    try:
        value = number(text)
    except ValueError:
        return
    assert isinstance(value, float)
    assert not math.isnan(value)
    assert is_overrange(value) == (abs(value) >= 9.8e37)


@given(FINITE, LATIN)
def test_number_with_anything_beside_it_is_refused(value, extra):
    assume(extra and not set(extra) <= set("0123456789.eE+-"))
    for text in (f"{value!r}{extra}", f"{extra}{value!r}"):
        with pytest.raises(ValueError, match="not a number"):
            number(text)


@given(
    st.sampled_from(["9.9E37", "9.91e+37", "9.90000E+37", "+9.91000e+37", "1e38", "9.9e37"]), st.sampled_from(["", "-"])
)
def test_sentinel_never_becomes_a_value(text, sign):
    text = text if not sign else sign + text.lstrip("+")
    found = reading(text, "A", in_compliance=False, raw=text)
    assert found.value is None
    assert Flag.OVERRANGE in found.flags
    assert found.raw == text


@given(st.floats(-9.7e37, 9.7e37), st.booleans())
def test_reading_is_its_number_and_its_flag(value, in_compliance):
    found = reading(repr(value), "V", in_compliance=in_compliance, raw="x")
    assert found.value == value
    assert (Flag.COMPLIANCE in found.flags) == in_compliance


@given(st.text())
def test_text_from_a_property_is_never_a_number(text):
    with pytest.raises(ProtocolError):
        checked_number(text)


class Parrot(Adapter):
    """Answers every question with the same bytes, and falls silent after a dozen."""

    def __init__(self, reply):
        super().__init__()
        self.connection = MagicMock()
        self.reply = reply
        self.sent = []
        self.reads = 0

    def _write(self, command, **kwargs):
        self.sent.append(command)

    def _read(self, **kwargs):
        self.reads += 1
        if self.reads > 12:
            raise OSError("silent")
        return self.reply

    def flush_read_buffer(self):
        pass


ASKS = {
    "identity": (Keithley2636B, lambda driver: driver.identity()),
    "identity_generator": (Keysight33622A, lambda driver: driver.identity()),
    "errors": (Keithley2636B, lambda driver: driver.drain_errors()),
    "errors_generator": (Keysight33622A, lambda driver: driver.drain_errors()),
    "errors_matrix": (Keithley707B, lambda driver: driver.drain_errors()),
    "is_off": (Keithley2636B, lambda driver: driver.is_off()),
    "is_off_generator": (Keysight33622A, lambda driver: driver.is_off()),
    "is_off_matrix": (Keithley707B, lambda driver: driver.is_off()),
    "settings": (Keithley2636B, lambda driver: driver.settings()),
    "settings_generator": (Keysight33622A, lambda driver: driver.settings()),
    "closed": (Keithley707B, lambda driver: driver.closed()),
    "current": (Keithley2636B, lambda driver: driver.a.measure_current()),
    "voltage": (Keithley2636B, lambda driver: driver.b.measure_voltage()),
}


def said(name, reply):
    """What a driver makes of an answer; None where it refuses it."""
    kind, ask = ASKS[name]
    driver = kind(Parrot(reply), "x (y)")
    try:
        return ask(driver)
    except InstrumentError:
        return None


@TENTH
@given(REPLY, st.sampled_from(["identity", "identity_generator"]))
def test_identity_has_four_fields_or_is_refused(reply, name):
    found = said(name, reply)
    assert found is None or all(isinstance(field, str) for field in (found.maker, found.model, found.serial))


@TENTH
@given(REPLY, st.sampled_from(["errors", "errors_generator", "errors_matrix"]))
def test_error_queue_is_entries_or_is_refused(reply, name):
    found = said(name, reply)
    assert found is None or all(isinstance(entry, str) for entry in found)


@TENTH
@given(REPLY, st.sampled_from(["is_off", "is_off_generator", "is_off_matrix"]))
def test_output_is_off_only_when_the_answer_says_so(reply, name):
    # a garbled answer must not mean "off"
    found = said(name, reply)
    assert found in (None, True, False)
    if found:
        assert set(reply) & set("0fF") or "nil" in reply or not reply.strip(), reply


@TENTH
@given(REPLY, st.sampled_from(["current", "voltage"]))
def test_measured_value_is_a_number_of_the_answer_or_is_refused(reply, name):
    found = said(name, reply)
    if found is not None and found.value is not None:
        assert math.isfinite(found.value)
        assert any(char.isdigit() for char in reply)


@TENTH
@given(st.sampled_from(sorted(ASKS)), st.binary(max_size=30))
def test_no_answer_makes_a_driver_fail_in_words_of_its_own_libraries(name, data):
    said(name, data.decode("latin-1"))
