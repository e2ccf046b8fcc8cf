"""Authority: issue 5 ("errors as plain sentences with a remedy", "never a vanishing window")."""

import errno
import io
import json
import logging

import pytest
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QPushButton

from labctl.errors import RunError
from labctl.gui import backstage_process
from labctl.gui.answers import start
from labctl.gui.slots import guarded_slot, sentence_of


class Owner(QObject):
    told = Signal(str, str)

    def __init__(self):
        super().__init__()
        self.desk = self
        self.sentences = []
        self.taken = []

    def tell(self, severity, sentence):
        self.sentences.append((severity, sentence))

    @guarded_slot
    def refuse(self):
        raise RunError("run x is finished: only a running one can be asked; start another")

    @guarded_slot
    def break_down(self):
        return {}["gone"]

    @guarded_slot
    def take_one(self, first):
        self.taken.append(first)


def test_guarded_slot_tells_the_errors_own_words_when_it_was_raised_on_purpose(qtbot, caplog):
    owner = Owner()
    owner.refuse()
    assert owner.sentences == [("error", "run x is finished: only a running one can be asked; start another")]
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.exc_info[0] is RunError


def test_guarded_slot_names_kind_and_remedy_when_the_error_is_a_defect(qtbot, caplog):
    owner = Owner()
    owner.break_down()
    ((severity, sentence),) = owner.sentences
    assert severity == "error"
    assert "KeyError" in sentence
    assert "runs are not touched" in sentence
    assert "\n" not in sentence


def test_guarded_slot_drops_arguments_when_it_takes_fewer_than_the_signal_sends(qtbot):
    owner = Owner()
    button = QPushButton()
    qtbot.addWidget(button)
    button.setCheckable(True)
    button.toggled.connect(owner.refuse)
    button.toggled.connect(owner.take_one)
    button.click()
    assert owner.sentences[0][1].startswith("run x is finished")
    assert owner.taken == [True]


def test_guarded_slot_logs_when_there_is_no_desk(caplog):
    @guarded_slot
    def lonely():
        raise ValueError("cells: must lie in the array")

    lonely()
    assert caplog.records[0].getMessage() == "cells: must lie in the array"


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "/data/mask.csv"),
            "/data/mask.csv: no space left on device; make room on that drive, and try again",
        ),
        (
            OSError(errno.EIO, "Input/output error", "/data"),
            "/data: input/output error; check the drive and the folder, and try again",
        ),
        (OSError("no answer"), "no answer; check the drive and the folder, and try again"),
    ],
)
def test_sentence_of_the_operating_system_has_a_remedy(error, sentence):
    assert sentence_of(error) == sentence


def test_answer_of_the_backstage_has_a_remedy_when_the_system_refuses(monkeypatch):
    def refuse():
        raise PermissionError(errno.EACCES, "Permission denied", "/data/runs")

    monkeypatch.setattr(start, "ANSWERS", {"refuse": refuse})
    answers = io.StringIO()
    backstage_process._answer({"id": 1, "what": "start.refuse", "arguments": {}}, answers, None, set())
    told = json.loads(answers.getvalue())
    assert told["error"].startswith("/data/runs: permission denied; choose another place")


def test_sentence_is_one_line_when_the_error_has_several():
    assert sentence_of(RunError("a\n  b")) == "a b"
