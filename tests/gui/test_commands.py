"""Commands that the window starts. Authority: issue 5 ("ALL OUTPUTS OFF that works while anything else is busy"): what
switches outputs off is not cut off by a window that closes.
"""

import os
import sys
import time

import pytest

from labctl.gui import commands as commands_module
from labctl.gui.commands import Commands

SLOW = """
import os, pathlib, sys, time
folder = pathlib.Path(sys.argv[1])
(folder / "session").write_text(str(os.getsid(0)))
for number in range(20):
    print("x" * 10_000, flush=True)
    print("switching off", file=sys.stderr, flush=True)
    time.sleep(0.05)
(folder / "done").write_text("off")
sys.exit(3)
"""


@pytest.fixture
def commands(qtbot, monkeypatch, tmp_path):
    """Commands of which each is a second of printing, more than a pipe holds, and a file at its end."""
    command = [sys.executable, "-c", SLOW, str(tmp_path)]
    monkeypatch.setattr(commands_module, "labctl_command", lambda *_: command)
    commands = Commands()
    yield commands
    commands.close()


def test_command_tells_what_it_printed_and_how_it_ended(qtbot, commands, tmp_path):
    ended = []
    commands.start(["off"], ended.append, "ALL OUTPUTS OFF of rack")
    commands.start(["state"], ended.append)
    assert commands.wanted == ["ALL OUTPUTS OFF of rack"]
    qtbot.waitUntil(lambda: len(ended) == 2)
    assert ended[0].code == 3
    assert ended[0].out.split() == ["x" * 10_000] * 20
    assert ended[0].error == "switching off\n" * 20
    assert commands.wanted == []


def test_command_is_not_cut_off_when_the_window_closes(qtbot, commands, tmp_path):
    ended = []
    commands.start(["off"], ended.append)
    qtbot.waitUntil(lambda: (tmp_path / "session").exists() and (tmp_path / "session").read_text() != "")
    commands.close()
    until_s = time.monotonic() + 30.0
    while not (tmp_path / "done").exists():
        assert time.monotonic() < until_s, "the command was cut off"
        time.sleep(0.05)
    # Ctrl+C in the terminal of the window is not for it
    assert int((tmp_path / "session").read_text()) != os.getsid(0)
    assert ended == []


def test_command_that_cannot_be_started_is_told(qtbot, commands, monkeypatch):
    monkeypatch.setattr(commands_module, "labctl_command", lambda *_: ["/nowhere/labctl"])
    ended = []
    commands.start(["off"], ended.append)
    assert ended == []
    qtbot.waitUntil(lambda: bool(ended))
    assert ended[0].code != 0
    assert "labctl off cannot be started" in ended[0].error
