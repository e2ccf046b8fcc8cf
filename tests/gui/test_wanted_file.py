"""Names of files to write. Authority: an auditor found that a name without its suffix was written over unasked."""

import pytest
from qtpy.QtWidgets import QFileDialog, QMessageBox, QWidget

from labctl.gui.wanted_file import wanted_file

SUFFIXES = (".png", ".csv")


@pytest.fixture
def type_name(qtbot, monkeypatch):
    """Return what comes of a typed name, and the questions that were asked."""
    parent = QWidget()
    qtbot.addWidget(parent)

    def typed(path, answer=QMessageBox.StandardButton.No):
        asked = []
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path) if path else "", ""))
        monkeypatch.setattr(QMessageBox, "question", lambda *arguments: asked.append(arguments[2]) or answer)
        return wanted_file(parent, "Export", "run-1.csv", SUFFIXES), asked

    return typed


def test_file_is_not_written_over_unasked_when_its_name_was_completed(type_name, tmp_path):
    (tmp_path / "mine.csv").write_text("what must not be lost")
    path, asked = type_name(tmp_path / "mine")
    assert path is None
    assert "mine.csv" in asked[0]
    path, _ = type_name(tmp_path / "mine", QMessageBox.StandardButton.Yes)
    assert path == tmp_path / "mine.csv"


def test_nothing_is_asked_when_the_name_is_free_or_the_dialog_has_asked(type_name, tmp_path):
    (tmp_path / "mine.csv").touch()
    assert type_name(tmp_path / "mine.csv") == (tmp_path / "mine.csv", [])
    assert type_name(tmp_path / "MINE.PNG") == (tmp_path / "MINE.PNG", [])
    assert type_name(tmp_path / "die 1.2") == (tmp_path / "die 1.2.csv", [])
    assert type_name(None) == (None, [])
