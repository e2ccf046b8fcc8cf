"""What is known of the selected run, with its note and tags to edit.

Not here: the table of all runs, keeping notes that could not be saved (:mod:`labctl.gui.browser.held_notes`).
"""

from pathlib import Path

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QPlainTextEdit, QPushButton, QVBoxLayout, QWidget

from labctl.errors import StoreError
from labctl.gui.browser.held_notes import HeldNotes
from labctl.gui.browser.run_columns import die_words, local_time, seconds_words
from labctl.gui.desk import Desk
from labctl.gui.slots import guarded_slot
from labctl.store.notes import Notes, write_notes
from labctl.store.run_entry import RunEntry

__all__ = ["RunDetail"]

_NOTHING = "Select a run to see its values and to write a note about it."


class RunDetail(QWidget):
    """One run in words. A note that is not saved yet is never lost: it is held until it is.

    Parameters
    ----------
    desk : Desk
    parent : QWidget, optional
    """

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.desk = desk
        self._entry: RunEntry | None = None
        self._held = HeldNotes(desk.settings)
        self.title = QLabel(self)
        self.badge = QLabel("simulated", self)
        self.badge.setProperty("badge", "simulated")
        self.title.setWordWrap(True)
        # what others wrote is shown as it is, never as markup
        self.title.setTextFormat(Qt.TextFormat.PlainText)
        self.title.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.facts = QPlainTextEdit(self)
        self.facts.setReadOnly(True)
        self.facts.setTabChangesFocus(True)
        self.facts.setAccessibleName("What is known of the run")
        font = self.title.font()
        font.setBold(True)
        self.title.setFont(font)
        self.note = QPlainTextEdit(self)
        self.note.setPlaceholderText("Your note about this run; the run file itself is not changed")
        self.note.setTabChangesFocus(True)
        self.note.setAccessibleName("Note")
        self.tags = QLineEdit(self)
        self.tags.setPlaceholderText("tags: single words, such as good corner")
        self.tags.setAccessibleName("Tags")
        self.save_button = QPushButton("Sa&ve note", self)
        self.save_button.setToolTip(
            "Keep note and tags beside the run file; also done when you select another run or close"
        )
        self.save_button.clicked.connect(self.save)
        self.note.textChanged.connect(self._mark)
        self.tags.textChanged.connect(self._mark)
        self.tags.returnPressed.connect(self.save)
        self.trouble = QLabel(self)
        self.trouble.setWordWrap(True)
        self.trouble.setTextFormat(Qt.TextFormat.PlainText)
        self._lay_out()
        self.show_entries([])
        window: QWidget = self
        while (above := window.parentWidget()) is not None:
            window = above
        # the window that closes: a dock that floats is another one
        window.installEventFilter(self)
        if self._held.files:
            names = ", ".join(Path(file).name for file in self._held.files)
            desk.tell("warning", f"notes that could not be saved are kept here: select {names} and press Save note")

    @property
    def is_changed(self) -> bool:
        """Whether note or tags were edited and not saved."""
        entry = self._entry
        return entry is not None and self._written() != Notes(entry.note, entry.tags)

    def show_entries(self, entries: list[RunEntry]) -> None:
        """Show the selection.

        Parameters
        ----------
        entries : list of RunEntry
            Of several, only how many they are.
        """
        entry = entries[0] if len(entries) == 1 else None
        is_same = entry is not None and self._entry is not None and entry.name == self._entry.name
        if not is_same:
            self._leave()
        # what is being typed is not overwritten by what another window has saved
        keeps = is_same and self.is_changed
        self._entry = entry
        self.title.setText(entry.run_id if entry is not None else f"{len(entries)} runs" if entries else "")
        self.badge.setVisible(entry is not None and bool(entry.simulated))
        several = "Overlay draws them over each other; compare tells whether their results differ."
        self.facts.setPlainText(_facts(entry) if entry is not None else several if entries else _NOTHING)
        for field in (self.note, self.tags):
            field.setEnabled(entry is not None)
        if not is_same:
            self.trouble.setText("")
        if not keeps:
            saved = Notes(entry.note, entry.tags) if entry is not None else Notes()
            written = (self._held.of(entry.file) if entry is not None else None) or saved
            self.note.setPlainText(written.text)
            self.tags.setText(" ".join(written.tags))
            if written != saved:
                self.trouble.setText("This note is not saved yet.")
        self._mark()

    @guarded_slot
    def save(self) -> None:
        """Keep note and tags."""
        entry = self._entry
        if entry is None or not self.is_changed:
            return
        self.save_button.setEnabled(False)
        written = self._written()
        self._held.hold(entry.file, written)
        self.desk.backstage.ask(
            "browser.note",
            lambda _: self._saved(entry, written),
            lambda why: self._not_saved(entry, why),
            path=entry.file,
            text=written.text,
            tags=list(written.tags),
        )

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Save when the window closes: nobody is asked behind a window that goes.

        Parameters
        ----------
        watched : QObject
        event : QEvent

        Returns
        -------
        bool
            Whether the event ends here.
        """
        if event.type() == QEvent.Type.Close:
            self._save_all()
        return False

    @guarded_slot
    def _save_all(self) -> None:
        if self._entry is not None and self.is_changed:
            self._held.hold(self._entry.file, self._written())
        for file in self._held.files:
            notes = self._held.of(file)
            assert notes is not None
            try:
                write_notes(Path(file), notes)
            except StoreError as error:
                self.desk.tell("error", f"{error}; the note is kept in this window's settings until it can be saved")
            else:
                self._held.let_go(file)

    def _leave(self) -> None:
        """Save what is changed of the run that is shown; what was taken back by hand is held no longer."""
        if self.is_changed:
            self.save()
        elif self._entry is not None:
            self._held.let_go(self._entry.file)

    @guarded_slot
    def _saved(self, entry: RunEntry, written: Notes) -> None:
        self._held.let_go(entry.file, written)
        if self._entry is not None and self._entry.file == entry.file:
            self.trouble.setText("")
            self._mark()
        self.desk.runs_changed.emit()

    @guarded_slot
    def _not_saved(self, entry: RunEntry, why: str) -> None:
        if self._entry is not None and self._entry.file == entry.file:
            self.trouble.setText(f"Not saved: {why}")
            self._mark()
        self.desk.tell("error", f"{why}; the note about run {entry.run_id} is kept in the window until it can be saved")

    def _written(self) -> Notes:
        return Notes(self.note.toPlainText().strip(), tuple(self._tags()))

    def _tags(self) -> list[str]:
        return list(dict.fromkeys(self.tags.text().replace(",", " ").split()))

    @guarded_slot
    def _mark(self) -> None:
        self.save_button.setEnabled(self.is_changed)
        self.trouble.setVisible(bool(self.trouble.text()))
        if self.trouble.text():
            self.trouble.setStyleSheet(f"color: {self.desk.theme.colours.severity['error']};")

    def _lay_out(self) -> None:
        foot = QHBoxLayout()
        foot.addWidget(self.tags, 1)
        foot.addWidget(self.save_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        # beside each other they would cut the id of the run
        layout.addWidget(self.title)
        layout.addWidget(self.badge, 0, Qt.AlignmentFlag.AlignLeft)
        layout.addWidget(self.facts, 3)
        layout.addWidget(self.note, 2)
        layout.addWidget(self.trouble)
        layout.addLayout(foot)


def _facts(entry: RunEntry) -> str:
    if not entry.is_readable:
        return f"{entry.status}: {entry.error}"
    place = ", ".join(word for word in (entry.sample, die_words(entry), f"station {entry.station}") if word)
    took = f", took {seconds_words(entry.wall_time_s)}" if entry.wall_time_s is not None else ""
    head = f"{entry.procedure} {entry.status}; {local_time(entry.started_utc)}{took}; {entry.points:,} points; {place}"
    values = entry.parameters_text.replace("; ", "\n")
    return "\n\n".join(part for part in (head, entry.error, values) if part)
