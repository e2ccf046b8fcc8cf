"""The type checker and the linter agree with the code. Authority: mypy strict and ruff as pyproject.toml sets them."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(*command):
    return subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_mypy_strict_is_content():
    result = run("mypy")
    assert result.returncode == 0, result.stdout


def test_ruff_is_content():
    result = run("ruff", "check", ".")
    assert result.returncode == 0, result.stdout


def test_ruff_format_is_content():
    result = run("ruff", "format", "--check", ".")
    assert result.returncode == 0, result.stdout
