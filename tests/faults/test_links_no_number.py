"""P10: every way in which an instrument says "no number" becomes no value, a flag and the raw text; nothing else does.

Authority: SCPI-99 volume 1, 7.2.1 (9.9E37, 9.91E37); 2600BS-901-01 (9.91e37 from TSP); what the C libraries in
instruments print for IEEE 754's infinities and not-a-numbers; reference/reliability.md, section 2 ("over-range").
"""

import itertools

import pytest
from pymeasure.adapters import ProtocolAdapter

from labctl.errors import ProtocolError
from labctl.roles import Flag
from labctl_instruments.keithley.keithley2636b import Keithley2636B
from labctl_instruments.replies import checked_number, number, reading

UNSIGNED = [
    "9.91e37", "9.91E37", "9.91E+37", "9.910000E+37", "9.910000000e+37", "9.9e37", "9.9E+37", "9.90000e+37",
    "9.900000000E+037", "99.1e36", "991E35", "199.999E99", "1.99999E+101", "1e38", "1e400",
    "nan", "NaN", "NAN", "nan(ind)", "nan(snan)", "QNAN", "inf", "INF", "Inf", "infinity", "INFINITY",
    "1.#QNAN", "1.#IND", "1.#INF", "1.#INF00", "1.#QNAN0", "1.#SNAN", "OVERFLOW", "OVLD", "OVRFLW", "OFLOW", "OFLO",
    "overrange", "OVERLD",
]  # fmt: skip
SPELLINGS = [sign + spelling for sign, spelling in itertools.product(("", "+", "-"), UNSIGNED)]
NUMBERS = ["9.7e37", "-9.7e37", "1e-99", "0", "-0.0", "+1.5E-06", ".5", "3."]
NEITHER = [
    "",
    " ",
    "nano",
    "1.5x",
    "0x10",
    "1_000",
    "1,5",
    "١",
    "１",
    "in f",
    "--1",
    "nan1",
    "#",
    "1e",
    "e5",
    "True",
    "1 2",
]


def ask(value, compliance, *, sweep=False):
    """Return the reading that the driver makes of one answer."""
    smu = Keithley2636B(ProtocolAdapter())
    smu.adapter.write = lambda message: None
    level = "0.000000000e+00"
    if sweep:
        smu.untagged = lambda message, tag: f"{value},{compliance},1.000000000e-01\t{level}"
        return smu.a.staircase([0.1], dwell_s=0.0)[0]
    smu.untagged = lambda message, tag: "\t".join([value, compliance, *[level] * 5])
    return smu.a.measure_current()


def is_flagged(value, compliance, *, sweep):
    found = ask(value, compliance, sweep=sweep)
    flags = {Flag.OVERRANGE, Flag.COMPLIANCE} if compliance == "true" else {Flag.OVERRANGE}
    return found.value is None and found.flags == flags and value in found.raw


def test_no_number_is_no_value_a_flag_and_the_raw_text(promise):
    trials = list(itertools.product(SPELLINGS, ("true", "false"), (True, False)))
    failures = [trial for trial in trials if not is_flagged(trial[0], trial[1], sweep=trial[2])]
    promise(
        "P10",
        f"{len(set(SPELLINGS))} spellings of no number that became one, or lost flag or text",
        trials=len(trials),
        failures=len(failures),
        worst=failures[0] if failures else "",
    )
    assert len({spelling.lower() for spelling in UNSIGNED}) >= 20
    assert not failures


@pytest.mark.parametrize("text", NUMBERS)
def test_number_keeps_its_value_and_has_no_flag(text):
    found = reading(text, "A", in_compliance=False, raw=text)
    assert (found.value, found.flags) == (float(text), frozenset())


@pytest.mark.parametrize("text", NEITHER)
def test_what_is_neither_is_refused(text):
    with pytest.raises(ValueError, match="not a number"):
        reading(text, "A", in_compliance=False, raw=text)


@pytest.mark.parametrize("text", [text for text in SPELLINGS if text.strip("+-")[0].isalpha() or "#" in text])
def test_word_is_no_number_among_settings(text):
    with pytest.raises(ValueError, match="not a number"):
        number(text)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 9.91e37, -9.9e37, "nil", "1.5x"])
def test_property_is_refused_when_it_is_answered_with_no_number(value):
    # PyMeasure casts with float(), which takes "nan" and "inf", and leaves a text where that fails
    with pytest.raises(ProtocolError):
        checked_number(value)
