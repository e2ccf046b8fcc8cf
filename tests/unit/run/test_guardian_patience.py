"""A silence is counted by the time in which the listener itself ran. Authority: the issue ("suspended computer")."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labctl.run.guardian.patience import Patience

STEP_S = 0.2


def test_patience_ends_when_the_allowance_has_passed():
    patience = Patience(STEP_S)
    patience.grant(1.0, since_s=100.0)
    looks = [patience.left_s(100.0 + 0.1 * number) for number in range(1, 12)]
    assert all(left_s > 0.0 for left_s in looks[:9])
    assert looks[-1] < 0.0


def test_patience_lasts_when_the_computer_was_suspended():
    # on Windows the monotonic clock goes on while the computer sleeps
    patience = Patience(STEP_S)
    patience.grant(1.0, since_s=100.0)
    assert patience.left_s(100.0 + 8 * 3600.0) == pytest.approx(1.0 - STEP_S)


def test_patience_is_whole_again_when_something_was_heard():
    patience = Patience(STEP_S)
    patience.grant(1.0, since_s=0.0)
    patience.left_s(0.15)
    patience.grant(2.0, since_s=0.15)
    assert patience.left_s(0.25) == pytest.approx(1.9)


@given(st.lists(st.floats(-1e3, 1e3), min_size=1), st.floats(0.0, 1e3))
def test_patience_never_grows_by_looking(steps, allowance_s):
    patience = Patience(STEP_S)
    now_s, left_s = 0.0, allowance_s
    patience.grant(allowance_s, since_s=now_s)
    for step_s in steps:
        now_s += step_s
        after_s = patience.left_s(now_s)
        assert left_s - STEP_S - 1e-9 <= after_s <= left_s
        left_s = after_s
