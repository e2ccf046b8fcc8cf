"""The command line in this process (quick) or in one of its own, each with a home and a data root of its own."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass

import pytest

from labctl.cli.main import main


@dataclass
class Answer:
    """What a command printed and how it left."""

    code: int
    out: str
    err: str

    def json(self):
        """Return the printed JSON."""
        return json.loads(self.out)


@pytest.fixture
def homes(tmp_path, monkeypatch):
    """Point all per-user state at a fresh folder."""
    monkeypatch.setenv("LABCTL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LABCTL_DATA_ROOT", str(tmp_path / "runs"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def labctl(homes, monkeypatch, capsys):
    """Call the command line in this process."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["labctl", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        captured = capsys.readouterr()
        return Answer(int(left.value.code or 0), captured.out, captured.err)

    return call


@pytest.fixture
def labctl_process(homes):
    """Start the command line as a process."""

    def start(*arguments):
        return subprocess.Popen(
            [sys.executable, "-m", "labctl", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=dict(os.environ),
            cwd=homes,
        )

    return start
