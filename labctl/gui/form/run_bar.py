"""The buttons that start: run, add to the queue, how often, under which conditions; and why not.

Not here: what they do (:mod:`labctl.gui.form.form_panel`).
"""

from collections.abc import Sequence

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from labctl.gui.theme import Theme

__all__ = ["RunBar"]

_MOST_REPEATS = 100_000
_BETWEEN_PLACEHOLDER = "20:00-06:00"
_HOLD_PLACEHOLDER = "Current (A) <= 1 uA; several with ; between them"


class RunBar(QWidget):
    """Buttons below the form, with a sentence on what they wait for.

    Parameters
    ----------
    theme : Theme
    parent : QWidget, optional

    Attributes
    ----------
    run_pressed, add_pressed, save_pressed, cancel_pressed : Signal
        Run now; add to the queue; save to the queue's item that is being edited; leave that item as it is.
    edited : Signal
        Something about the conditions was changed.
    """

    run_pressed = Signal()
    add_pressed = Signal()
    save_pressed = Signal()
    cancel_pressed = Signal()
    edited = Signal()

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._severity = "info"
        self.sentence = QLabel(self)
        self.sentence.setWordWrap(True)
        self.sentence.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.run = QPushButton("&Run", self)
        self.run.setProperty("weight", "accent")
        self.run.setObjectName("run")
        self.run.clicked.connect(self.run_pressed)
        self.add = QPushButton("&Add to queue", self)
        self.add.clicked.connect(self.add_pressed)
        self.save = QPushButton(self)
        self.save.clicked.connect(self.save_pressed)
        self.cancel = QPushButton("Leave it as it was", self)
        self.cancel.clicked.connect(self.cancel_pressed)
        self.repeat = QSpinBox(self)
        self.repeat.setRange(1, _MOST_REPEATS)
        self.repeat.setSuffix(" ×")
        # larger numbers scroll: the form has to fit beside the preview
        self.repeat.setMaximumWidth(self.fontMetrics().horizontalAdvance("0000 × 000"))
        self.repeat.setToolTip("How many times it is run, one after another")
        repeat_label = QLabel("R&epeat", self)
        repeat_label.setBuddy(self.repeat)
        self._more = QToolButton(self)
        self._more.setText("C&onditions")
        self._more.setCheckable(True)
        self._more.setToolTip("Let the run wait while a value is out of bounds, or measure at night only")
        self._more.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self._holds = QLineEdit(self)
        self._holds.setPlaceholderText(_HOLD_PLACEHOLDER)
        self._holds.setToolTip("The run goes on only while all of these hold; columns of the data, or monitors")
        self._between = QLineEdit(self)
        self._between.setPlaceholderText(_BETWEEN_PLACEHOLDER)
        self._between.setToolTip("The run measures only at this time of day, and is paused otherwise")
        for line in (self._holds, self._between):
            line.textChanged.connect(self.edited)
        self._conditions = QWidget(self)
        form = QFormLayout(self._conditions)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Go on only while", self._holds)
        form.addRow("Measure only between", self._between)
        self._more.toggled.connect(self._fold)
        buttons = QHBoxLayout()
        for widget in (self.run, self.add, repeat_label, self.repeat, self._more):
            buttons.addWidget(widget)
        buttons.addStretch(1)
        editing = QHBoxLayout()
        editing.addWidget(self.save)
        editing.addWidget(self.cancel)
        editing.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.sentence)
        layout.addWidget(self._conditions)
        layout.addLayout(editing)
        layout.addLayout(buttons)
        self._fold(False)
        self.edit_item(None)
        theme.changed.connect(self._recolour)

    @property
    def holds(self) -> list[str]:
        """Conditions that hold the run."""
        return [part.strip() for part in self._holds.text().split(";") if part.strip()]

    @property
    def between(self) -> str:
        """Time of day at which it may measure; empty: any."""
        return self._between.text().strip()

    def fill(self, repeat: int, holds: Sequence[str], between: str) -> None:
        """Put in what an item of the queue has.

        Parameters
        ----------
        repeat : int
        holds : sequence of str
        between : str
            Empty: any time.
        """
        self.repeat.setValue(repeat)
        self._holds.setText("; ".join(holds))
        self._between.setText(between)
        self._more.setChecked(bool(holds or between))

    def edit_item(self, item: int | None) -> None:
        """Offer to save to an item of the queue.

        Parameters
        ----------
        item : int or None
            Its id; None: to none.
        """
        self.save.setText(f"&Save to queue item {item}")
        self.save.setVisible(item is not None)
        self.cancel.setVisible(item is not None)

    def allow(self, refusal: str, sentence: str, severity: str) -> None:
        """Enable the buttons, or say why not.

        Parameters
        ----------
        refusal : str
            Why a run cannot start; empty: it can.
        sentence : str
            What stands above the buttons.
        severity : str
            "info", "warning" or "error".
        """
        self._severity = severity
        self.sentence.setText(sentence)
        for button, tip in (
            (self.run, "Run it now, before everything that waits in the queue (Ctrl+R)"),
            (self.add, "Run it after everything that waits in the queue"),
            (self.save, "Change the item of the queue"),
        ):
            button.setEnabled(not refusal)
            button.setToolTip(refusal or tip)
        self._recolour()

    def _fold(self, is_open: bool) -> None:
        self._more.setArrowType(Qt.ArrowType.DownArrow if is_open else Qt.ArrowType.RightArrow)
        self._conditions.setVisible(is_open)

    def _recolour(self) -> None:
        self.sentence.setStyleSheet(f"color: {self._theme.colours.severity[self._severity]};")
