"""One parameter of the form: its name, an editor, what it allows, and the reason where its value is refused.

Text is kept as it was typed; what it means is told by the process behind the window. Not here: the groups
(:mod:`labctl.gui.form.field_groups`), the rules (:mod:`labctl.run.checking`).
"""

from collections.abc import Mapping
from html import escape
from typing import Any

from qtpy.QtCore import QEvent, QObject, Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QToolButton,
    QWidget,
)

from labctl.gui.theme import Theme
from labctl.units import format_quantity

__all__ = ["ParameterField"]

_TRUE = ("true", "1", "yes")
# letters of a choice that are seen where there is little room
_LEAST_LENGTH = 8


class ParameterField(QObject):
    """The widgets of one parameter; who lays them out takes ``label``, ``editor``, ``hint``, ``reset`` and ``reason``.

    Parameters
    ----------
    described : Mapping of str to object
        As :func:`labctl.run.station_defaults.describe_defaults` describes it.
    theme : Theme
    parent : QWidget

    Attributes
    ----------
    edited : Signal of str
        Its value was changed, by hand or not; the name of the parameter.
    focused : Signal of str
        The editor took the keyboard.
    cells_wanted : Signal of str
        "cell", "selection" or "all": a button beside the text of cells was pressed.
    name : str
    group : str
        Title of the group; empty: the procedure's own.
    """

    edited = Signal(str)
    focused = Signal(str)
    cells_wanted = Signal(str)

    def __init__(self, described: Mapping[str, Any], theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self.name: str = described["name"]
        self.group: str = described["group"]
        self._described = described
        self._theme = theme
        self._read_as = ""
        self._station_limit = ""
        self._refusal = ""
        self.label = QLabel(described["label"], parent)
        self.label.setWordWrap(True)
        self.hint = QLabel(parent)
        self.hint.setProperty("weight", "muted")
        self.reason = QLabel(parent)
        self.reason.setWordWrap(True)
        self.reason.hide()
        self.reset = QToolButton(parent)
        self.reset.setText("\u21ba")
        self.reset.setAutoRaise(True)
        self.reset.setAccessibleName(f"reset {described['label']}")
        self.reset.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.reset.clicked.connect(lambda: self.set_text(self.default))
        self._input = self._make_input(parent)
        self._input.setAccessibleName(str(described["label"]))
        self._input.installEventFilter(self)
        self.editor = self._with_buttons(parent)
        self.label.setBuddy(self._input)
        self.set_text(self.default)
        self._notice_edits()
        self._show()
        theme.changed.connect(self._show)

    @property
    def default(self) -> str:
        """Text that the field has where nobody changed it."""
        return str(self._described["default"])

    @property
    def is_changed(self) -> bool:
        """Whether the value is another than the default."""
        return self.default not in (self.text(), self._read_as)

    @property
    def refusal(self) -> str:
        """Why the value is refused; empty: it is not."""
        return self._refusal

    def text(self) -> str:
        """Return what was typed or chosen.

        Returns
        -------
        str
        """
        if isinstance(self._input, QCheckBox):
            return "true" if self._input.isChecked() else "false"
        if isinstance(self._input, QComboBox):
            return self._input.currentText().strip()
        return self._input.text().strip()

    def set_text(self, text: str) -> None:
        """Put a value in, as if it had been typed.

        Parameters
        ----------
        text : str
        """
        if isinstance(self._input, QCheckBox):
            self._input.setChecked(text.strip().lower() in _TRUE)
        elif isinstance(self._input, QComboBox):
            if not self._input.isEditable() and self._input.findText(text) < 0:
                # kept, so that the check can say what is wrong with it
                self._input.addItem(text)
            self._input.setCurrentText(text)
        else:
            self._input.setText(text)

    def limit(self, magnitude: float) -> None:
        """Show what the station allows at most.

        Parameters
        ----------
        magnitude : float, unit of the parameter
        """
        self._station_limit = format_quantity(magnitude, str(self._described["unit"]))
        self._show()

    def judge(self, refusal: str, read_as: str) -> None:
        """Show what came of a check.

        Parameters
        ----------
        refusal : str
            Sentence; empty: the value is taken.
        read_as : str
            How the text was understood; empty where it was not.
        """
        if (refusal, read_as) != (self._refusal, self._read_as):
            self._refusal, self._read_as = refusal, read_as
            self._show()

    def about(self) -> str:
        """Return what is to be known of the parameter, as rich text.

        Returns
        -------
        str
        """
        one = self._described
        lines = [f"<b>{escape(one['label'])}</b> (<tt>{escape(one['name'])}</tt>)"]
        if one["description"]:
            lines.append(escape(one["description"]))
        lines.append(f"Allowed: {escape(one['allowed'])}{self._station_words()}")
        source = f"from the station file ({escape(one['place'])})" if one["from_station"] else "of the procedure"
        lines.append(f"Default: {escape(self.default) or 'none'}, {source}")
        if one["kind"] == "quantity":
            lines.append(f"Type a number with or without a unit, such as {self._example()}")
        return "<br>".join(lines)

    def tab_stops(self) -> list[QWidget]:
        """Return what the tabulator visits, in its order.

        Returns
        -------
        list of QWidget
        """
        buttons = self.editor.findChildren(QPushButton)
        return [self._input, *buttons, self.reset]

    def focus(self) -> None:
        """Give the keyboard to the editor."""
        self._input.setFocus()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Notice that the editor takes the keyboard; wheels change only what has it.

        Parameters
        ----------
        watched : QObject
        event : QEvent

        Returns
        -------
        bool
            Whether the event ends here.
        """
        if event.type() == QEvent.Type.FocusIn:
            self.focused.emit(self.name)
        elif event.type() == QEvent.Type.Wheel and isinstance(watched, QComboBox):
            # scrolling through the form must not change a choice that the pointer passes
            event.ignore()
            return True
        return False

    def _make_input(self, parent: QWidget) -> QLineEdit | QCheckBox | QComboBox:
        kind = self._described["kind"]
        if kind == "truth":
            return QCheckBox(parent)
        if kind in ("choice", "file"):
            combo = QComboBox(parent)
            combo.setEditable(kind == "file")
            combo.addItems(self._described["choices"])
            combo.setMinimumContentsLength(_LEAST_LENGTH)
            combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            return combo
        return QLineEdit(parent)

    def _notice_edits(self) -> None:
        if isinstance(self._input, QCheckBox):
            self._input.toggled.connect(self._was_edited)
        elif isinstance(self._input, QComboBox):
            self._input.currentTextChanged.connect(self._was_edited)
        else:
            self._input.textChanged.connect(self._was_edited)

    def _with_buttons(self, parent: QWidget) -> QWidget:
        kind = self._described["kind"]
        buttons: list[QPushButton] = []
        if kind == "file":
            browse = QPushButton("Browse…", parent)
            browse.clicked.connect(self._browse)
            buttons.append(browse)
        if kind == "cells":
            for what, text, tip in (
                ("cell", "Cell", "Only the current cell of the array view"),
                ("selection", "Selection", "The cells that are selected in the array view"),
                ("all", "All", "Every cell of the array"),
            ):
                button = QPushButton(text, parent)
                button.setToolTip(tip)
                button.clicked.connect(lambda _=False, what=what: self.cells_wanted.emit(what))
                buttons.append(button)
        if not buttons:
            return self._input
        row = QWidget(parent)
        layout = QHBoxLayout(row)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._input, 1)
        for button in buttons:
            # as wide as its word: the value beside it needs the room
            button.setFixedWidth(button.fontMetrics().horizontalAdvance(f"{button.text()} 00"))
            layout.addWidget(button)
        return row

    def _browse(self) -> None:
        suffix = self._described["allowed"].rpartition(".")[2].partition(" ")[0]
        path, _ = QFileDialog.getOpenFileName(
            self.editor, str(self._described["label"]), "", f"*.{suffix} (*.{suffix});;All files (*)"
        )
        if path:
            self.set_text(path)

    def _was_edited(self) -> None:
        self._read_as = ""
        self._show()
        self.edited.emit(self.name)

    def _show(self) -> None:
        """Let the widgets say what is known: bold where changed, red with the reason where refused."""
        font = self.label.font()
        font.setBold(self.is_changed)
        self.label.setFont(font)
        self.reset.setEnabled(self.is_changed)
        self.reset.setToolTip(f"Back to the default, {self.default or 'none'}")
        read = f"= {self._read_as}" if self._read_as and self._read_as != self.text() else ""
        source = "from the station file" if self._described["from_station"] and not self.is_changed else ""
        hint = "   ".join(part for part in (read, self._allowed(), source) if part)
        self.hint.setText(hint)
        self.hint.setVisible(bool(hint))
        self.reason.setText(self._refusal)
        self.reason.setVisible(bool(self._refusal))
        if self._refusal:
            # a style sheet takes longest of all: most fields never need theirs
            self.reason.setStyleSheet(f"color: {self._theme.colours.severity['error']};")
        refused = "true" if self._refusal else "false"
        if self._input.property("refused") != refused:
            self._input.setProperty("refused", refused)
            self._input.style().unpolish(self._input)
            self._input.style().polish(self._input)
        self._input.setAccessibleDescription(self._refusal or self._described["description"])
        about = self.about()
        for widget in (self.label, self._input, self.hint):
            widget.setToolTip(about)

    def _allowed(self) -> str:
        match self._described["kind"]:
            case "quantity" | "whole" | "number":
                return str(self._described["allowed"]) + self._station_words()
            case "cells":
                return "such as 3,4 or 0:8,0:32"
        return ""

    def _station_words(self) -> str:
        return f", this station: at most {self._station_limit}" if self._station_limit else ""

    def _example(self) -> str:
        unit = str(self._described["unit"])
        return "3 % or 0.03" if unit == "1" else f"2.5 m{unit}, 2.5m or 0.0025" if len(unit) < 3 else f"2.5 {unit}"
