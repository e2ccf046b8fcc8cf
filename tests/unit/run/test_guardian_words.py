"""What the run and its guardian say to each other survives the pipe; rubbish does not trip it. Authority: contract."""

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labctl.run.guardian.messages import Charge, Orders, Word, WordKind
from labctl.station.watched import Watched

# no half of a surrogate pair: no station file can hold one
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
CHARGES = st.builds(
    Charge,
    key=TEXTS,
    name=TEXTS,
    resource=TEXTS,
    safe_off=st.lists(TEXTS).map(tuple),
    off_checks=st.lists(st.tuples(TEXTS, TEXTS)).map(tuple),
    is_switch=st.booleans(),
)
TIMES = st.floats(min_value=0.0, allow_nan=False, allow_infinity=False)


@given(st.builds(Orders, pid=st.integers(1), heartbeat_s=TIMES, visa_library=TEXTS, log_path=TEXTS, charges=st.lists(CHARGES).map(tuple)))  # fmt: skip  # noqa: E501
def test_orders_come_out_as_they_went_in(orders):
    line = orders.line()
    assert line.count(b"\n") == 1
    assert Orders.read(line) == orders


@given(st.builds(Word, kind=st.sampled_from(WordKind), for_s=TIMES, reason=TEXTS))
def test_word_comes_out_as_it_went_in(word):
    assert Word.read(word.line()) == word


@given(st.builds(Word, kind=st.sampled_from(WordKind), for_s=TIMES, reason=TEXTS), st.data())
def test_half_a_word_says_nothing(word, data):
    line = word.line().rstrip(b"\n")
    assert Word.read(line[: data.draw(st.integers(0, len(line) - 1))]) is None


@given(st.binary())
def test_rubbish_is_no_orders(line):
    with pytest.raises(ValueError):
        Orders.read(line)


@pytest.mark.parametrize("for_s", [math.nan, math.inf, -1.0])
def test_word_says_nothing_when_its_time_is_impossible(for_s):
    assert Word.read(Word(WordKind.ALIVE, for_s).line()) is None


def test_charge_has_the_fields_of_a_watched_instrument():
    assert [field.name for field in dataclasses.fields(Charge)] == [field.name for field in dataclasses.fields(Watched)]
