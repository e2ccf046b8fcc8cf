"""Links are sick when the guardian acts: the others go off all the same, and the log tells the truth. Authority: P7.

Times are those of the rack's own log and of one monotonic clock.
"""

import time

import pytest


def kill(measuring):
    now_s = time.monotonic()
    measuring.process.kill()
    return now_s


@pytest.mark.parametrize("sickness", ["mute", "stuck"])
def test_guardian_says_not_verified_when_an_instrument_does_not_go_off(
    sickness, make_rack, make_measuring, ran_s, promise
):
    rack = make_rack("scpi", "tsp", "switch")
    measuring = make_measuring(rack)
    rack.ask(instrument=0, set=sickness, to=True)
    died_s = kill(measuring)
    others_s = ran_s(died_s, rack.wait_until_off(but=(0,)))
    line = measuring.wait_for_log("NOT VERIFIED OFF")
    said_s = ran_s(died_s, line["monotonic_s"])
    assert "i0 (scpi)" in line["event"]
    assert "i1" not in line["event"]
    assert "i2" not in line["event"]
    assert rack.ask()["on"][0] == ["1"]
    # it goes on trying: the link comes back, or somebody mends the instrument
    rack.ask(instrument=0, set=sickness, to=False)
    assert rack.wait_until_off() < float("inf")
    measuring.wait_for_log("VERIFIED OFF")
    measuring.wait()
    failures = int(said_s > 2.0) + int(others_s > 0.1)
    worst = f"said after {said_s:.2f} s of 2 s; the others off after {1e3 * others_s:.0f} ms of 100 ms"
    promise("P7", f"NOT VERIFIED OFF, one instrument {sickness}", trials=2, failures=failures, worst=worst)
    assert failures == 0, worst


def test_guardian_says_not_verified_when_an_instrument_is_switched_off_at_the_wall(make_rack, make_measuring, ran_s):
    rack, other = make_rack("scpi"), make_rack("tsp", "switch")
    both = make_measuring(_Racks(rack, other))
    rack.process.kill()
    died_s = kill(both)
    assert ran_s(died_s, other.wait_until_off()) <= 0.1
    line = both.wait_for_log("NOT VERIFIED OFF")
    assert ran_s(died_s, line["monotonic_s"]) <= 2.0
    assert "i0 (scpi)" in line["event"]
    both.wait()
    rack.process.stdin.close()


class _Racks:
    """Two racks, each a process, as one."""

    def __init__(self, *racks):
        self.racks = racks
        self.resources = [resource for rack in racks for resource in rack.resources]

    def ask(self, **request):
        return {"on": [on for rack in self.racks for on in rack.ask(**request)["on"]]}
