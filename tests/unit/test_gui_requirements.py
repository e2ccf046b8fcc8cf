"""When the window refuses its libraries. Authority: PySide6 6.12.0 ends a live window on Python before 3.12, PyQt6 does
not; QtPy takes PyQt6 where it is installed and ``QT_API`` does not say otherwise.
"""

from collections import namedtuple
from types import SimpleNamespace

import pytest

from labctl.gui import requirements

Python = namedtuple("Python", "major minor micro")


@pytest.mark.parametrize(
    ("version", "python", "has_pyqt6", "chosen", "is_refused"),
    [
        ("6.12.0", (3, 11), False, None, True),
        ("6.12.0", (3, 12), False, None, False),
        ("6.11.1", (3, 11), False, None, False),
        ("6.12.0", (3, 11), True, None, False),
        ("6.12.0", (3, 11), True, "pyqt6", False),
        ("6.12.0", (3, 11), True, "PySide6", True),
        ("6.12.0", (3, 11), False, "pyqt6", True),
    ],
)
def test_broken_version_is_refused_where_it_would_be_used(monkeypatch, version, python, has_pyqt6, chosen, is_refused):
    monkeypatch.setattr(requirements.importlib.util, "find_spec", lambda name: object() if has_pyqt6 else None)
    monkeypatch.setattr(requirements.importlib.metadata, "version", lambda name: version)
    monkeypatch.setattr(requirements, "sys", SimpleNamespace(version_info=Python(*python, 0), platform="win32"))
    if chosen is None:
        monkeypatch.delenv("QT_API", raising=False)
    else:
        monkeypatch.setenv("QT_API", chosen)
    why = requirements._version_trap()
    assert bool(why) == is_refused
    if is_refused:
        assert "PySide6-Essentials<6.12" in why
