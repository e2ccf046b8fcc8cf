"""The bench's clock against the wall. Authority: mock/README.md, what --speed promises."""

from math import inf

import pytest

from labctl.clock import VirtualClock
from labctl_mock.serve.pacing import Pacer


class Wall:
    """A clock on the wall that a test sets."""

    def __init__(self):
        self.now_s = 100.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def wall():
    return Wall()


def test_bench_follows_the_wall_when_idle(wall):
    for speed, passed_s in ((1.0, 3.0), (10.0, 30.0), (inf, 3.0)):
        clock = VirtualClock(50.0)
        pacer = Pacer(clock, speed, wall=wall)
        wall.now_s += 3.0
        pacer.catch_up()
        assert clock.now_s() == pytest.approx(50.0 + passed_s)


def test_bench_runs_ahead_of_the_wall_by_what_instruments_do(wall):
    clock = VirtualClock()
    pacer = Pacer(clock, 2.0, wall=wall)
    clock.sleep(5.0)
    pacer.has_acted()
    assert pacer.ahead_s() == pytest.approx(2.5)
    wall.now_s += 1.0
    pacer.catch_up()  # never back
    assert clock.now_s() == 5.0
    assert pacer.ahead_s() == pytest.approx(1.5)
    wall.now_s += 1.5
    assert pacer.ahead_s() == pytest.approx(0.0)
    wall.now_s += 1.0
    pacer.catch_up()
    assert clock.now_s() == pytest.approx(7.0)


def test_bench_is_never_ahead_when_it_answers_at_once(wall):
    clock = VirtualClock()
    pacer = Pacer(clock, inf, wall=wall)
    clock.sleep(5.0)
    wall.now_s += 0.25  # what the computer needed for it is no time of the bench
    pacer.has_acted()
    assert pacer.ahead_s() == 0.0
    wall.now_s += 1.0
    pacer.catch_up()
    assert clock.now_s() == pytest.approx(6.0)


@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan")])
def test_speed_is_refused_when_not_positive(speed):
    with pytest.raises(ValueError, match="speed"):
        Pacer(VirtualClock(), speed)
