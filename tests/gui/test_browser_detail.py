"""Notes of a run while they cannot be saved, and when the window closes. Authority: issue 5, "nothing lost"."""

from dataclasses import replace

import pytest
from qtpy.QtWidgets import QDockWidget, QMainWindow

from labctl.gui.browser.run_detail import RunDetail
from labctl.gui.panels import PANELS, PanelPlace
from labctl.store import RunHeader, RunWriter
from labctl.store.notes import Notes, notes_of, read_notes
from labctl.store.run_entry import read_entry


@pytest.fixture
def entries(root):
    """Two runs that have ended."""
    made = []
    for _ in range(2):
        writer = RunWriter.create(root, RunHeader("read_array", ("Row",), station="tiox-32x32", simulated=True))
        writer.seal("finished", {})
        made.append(read_entry(writer.path, 0)[0])
    return made


@pytest.fixture
def blocked(entries):
    """A folder lies where the notes of the first run belong: it cannot be written, by whomever."""
    place = notes_of(entries[0].path)
    place.mkdir()
    return place


@pytest.fixture
def shown(desk, qtbot, answers_here):
    def open_detail(parent=None):
        detail = RunDetail(desk, parent)
        if parent is None:
            qtbot.addWidget(detail)
            detail.show()
        return detail

    return open_detail


def errors(desk):
    return [told for severity, told in desk.sentences if severity == "error"]


def test_note_that_could_not_be_saved_is_there_when_its_run_is_selected_again(shown, entries, blocked, desk, qtbot):
    first, second = entries
    detail = shown()
    detail.show_entries([first])
    assert not detail.trouble.isVisible()
    detail.note.setPlainText("needle lifted")
    detail.tags.setText("corner good")
    detail.save_button.click()
    qtbot.waitUntil(lambda: len(errors(desk)) == 1)
    assert f"the note about run {first.run_id} is kept" in errors(desk)[0]
    assert detail.trouble.text().startswith(f"Not saved: {blocked}")
    assert detail.trouble.isVisible()
    assert detail.save_button.isEnabled()
    detail.show_entries([second])
    assert detail.note.toPlainText() == ""
    assert not detail.trouble.isVisible()
    qtbot.waitUntil(lambda: len(errors(desk)) == 2)
    detail.show_entries([first])
    assert (detail.note.toPlainText(), detail.tags.text()) == ("needle lifted", "corner good")
    assert "not saved yet" in detail.trouble.text()
    blocked.rmdir()
    detail.save_button.click()
    qtbot.waitUntil(lambda: not detail.trouble.isVisible())
    assert read_notes(first.path) == Notes("needle lifted", ("corner", "good"))
    # nothing of it is left in the settings
    assert desk.settings.value("browser/held_notes") == "{}"


def test_note_is_taken_back_when_it_is_written_as_it_was(shown, entries, blocked, desk, qtbot):
    first, second = entries
    detail = shown()
    detail.show_entries([first])
    detail.note.setPlainText("needle lifted")
    detail.save()
    qtbot.waitUntil(lambda: len(errors(desk)) == 1)
    detail.note.clear()
    detail.show_entries([second])
    detail.show_entries([first])
    assert detail.note.toPlainText() == ""
    assert desk.settings.value("browser/held_notes") == "{}"


@pytest.mark.parametrize("is_floating", [False, True])
def test_note_is_saved_when_the_window_closes(desk, qtbot, entries, answers_here, is_floating):
    window = QMainWindow()
    qtbot.addWidget(window)
    dock = QDockWidget(window)
    place = PanelPlace(next(entry for entry in PANELS if entry.name == "runs"), desk, dock)
    dock.setWidget(place)
    dock.setFloating(is_floating)
    window.show()
    dock.show()
    place.load()
    detail = place.panel.detail
    detail.show_entries(entries[:1])
    detail.note.setPlainText("needle lifted")
    window.close()
    assert read_notes(entries[0].path) == Notes("needle lifted")
    assert desk.settings.value("browser/held_notes") == "{}"


def test_note_is_kept_for_the_next_window_when_it_cannot_be_saved_at_closing(shown, entries, blocked, desk, qtbot):
    first, second = entries
    before = shown()
    before.show_entries([second])
    before.note.setPlainText("a good one")
    before.show_entries([first])
    before.note.setPlainText("needle lifted")
    before.close()
    # of the one that can be saved nothing is kept
    assert read_notes(second.path) == Notes("a good one")
    assert str(blocked) in errors(desk)[-1]
    desk.sentences.clear()
    after = shown()
    ((severity, told),) = desk.sentences
    assert severity == "warning"
    assert first.name in told
    assert second.name not in told
    # delivered from the spool meanwhile it is the same run
    after.show_entries([replace(first, file=f"/elsewhere/{first.name}")])
    assert after.note.toPlainText() == "needle lifted"
    after.show_entries([first])
    assert after.note.toPlainText() == "needle lifted"
    blocked.rmdir()
    after.save_button.click()
    qtbot.waitUntil(lambda: not after.trouble.isVisible())
    assert read_notes(first.path) == Notes("needle lifted")
