"""Everything is switched off before anything is asked, and one sick link holds nobody up. Authority: promise P7."""

import threading
import time

import pytest

from labctl.run.guardian.messages import Charge
from labctl.run.guardian.switch_off import SwitchOff


class Link:
    """A link to an instrument that answers what it is told to."""

    def __init__(self, charge, told, is_over, answers=("off",), write_fails=0, is_slow=False):
        self.charge, self.told, self.is_over, self.answers = charge, told, is_over, list(answers)
        self.write_fails, self.is_slow = write_fails, is_slow
        self.is_open = False

    def connect(self):
        self.is_open = True
        if self.is_slow:
            self.is_over.wait(60.0)
        return self

    def write(self, messages):
        if self.write_fails:
            self.write_fails -= 1
            raise OSError("broken pipe")
        self.told.extend((self.charge.key, message) for message in messages)

    def ask(self, question):
        self.told.append((self.charge.key, question))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def clear(self):
        self.told.append((self.charge.key, "clear"))

    def close(self):
        self.is_open = False


def charge(key, is_switch=False, checks=(("off?", "off"),)):
    return Charge(key, key.upper(), "", (f"{key} off 1", f"{key} off 2"), tuple(checks), is_switch)


def switch_off(*charges, left=(), **sicknesses):
    """Wait for what is to be left; return what was told in which order, what is left, the log and the links."""
    told, events, is_over = [], [], threading.Event()
    links = {item.key: Link(item, told, is_over, **sicknesses.get(item.key, {})) for item in charges}
    off = SwitchOff(
        charges, lambda item: links[item.key].connect(), lambda event, **facts: events.append((event, facts))
    )
    off.start()
    end_s = time.monotonic() + 15.0
    while (found := off.wait(0.5)) != list(left) and time.monotonic() < end_s:
        time.sleep(0.01)
    off.give_up()
    is_over.set()
    return told, found, events, links


def test_off_comes_before_questions_and_sources_before_switches(monkeypatch):
    # after which a switch, or a question, does not wait any more for a source that takes too long
    monkeypatch.setattr("labctl.run.guardian.switch_off._TURN_S", 60.0)
    told, left, _, links = switch_off(charge("mat", is_switch=True), charge("smu"), charge("gen"))
    assert left == []
    offs, questions = told[:6], told[6:]
    assert {key for key, _ in offs[:4]} == {"smu", "gen"}
    assert offs[4:] == [("mat", "mat off 1"), ("mat", "mat off 2")]
    assert {text for _, text in questions} == {"off?"}
    assert not any(link.is_open for link in links.values())


def test_old_answer_does_not_count_when_it_comes_first():
    # on a link that outlived the dead process the answer to its last question comes before ours
    wanted = ["SMU: 'off?' was answered 'on', not 'off'"]
    _, left, events, _ = switch_off(charge("smu"), left=wanted, smu={"answers": ["off", "on"]})
    assert left == wanted
    assert "off" not in [event for event, _ in events]


def test_answer_must_match_as_a_whole():
    wanted = ["SMU: 'off?' was answered 'off and on', not 'off'"]
    _, left, _, _ = switch_off(charge("smu"), left=wanted, smu={"answers": ["off and on"]})
    assert left == wanted


def test_device_is_cleared_when_the_first_attempt_failed():
    told, left, events, _ = switch_off(charge("gpib"), gpib={"write_fails": 1})
    assert left == []
    assert told[:3] == [("gpib", "clear"), ("gpib", "gpib off 1"), ("gpib", "gpib off 2")]
    assert [event for event, _ in events] == ["failed", "written", "off"]


def test_other_instruments_go_off_when_one_link_is_dead():
    wanted = ["SMU: no answer yet"]
    told, left, events, _ = switch_off(
        charge("smu"), charge("gen"), charge("mat", is_switch=True), left=wanted, smu={"is_slow": True}
    )
    assert left == wanted
    assert {facts["instrument"] for event, facts in events if event == "off"} == {"GEN", "MAT"}
    assert "smu" not in {key for key, _ in told}


def test_same_failure_is_told_once_when_it_repeats():
    wanted = ["SMU: broken pipe"]
    _, left, events, _ = switch_off(charge("smu"), left=wanted, smu={"write_fails": 10**6})
    assert left == wanted
    assert len(events) == 1


def test_nothing_is_verified_when_there_is_no_question():
    wanted = ["SMU: nothing is known to ask whether it is off"]
    _, left, _, _ = switch_off(charge("smu", checks=()), left=wanted)
    assert left == wanted


def test_all_were_tried_when_all_failed():
    told = []
    is_over = threading.Event()
    off = SwitchOff(
        [charge("smu")], lambda item: Link(item, told, is_over, write_fails=10**6), lambda event, **facts: None
    )
    off.start()
    assert off.tried.wait(60.0)
    off.give_up()


@pytest.fixture(autouse=True)
def no_thread_stays():
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        thread.join(60.0)
        assert not thread.is_alive()
