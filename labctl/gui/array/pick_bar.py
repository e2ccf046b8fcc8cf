"""Under the map: naming cells by text, and handing the selection to the procedure form.

Not here: picking with the mouse (:mod:`labctl.gui.array.map_view`).
"""

from functools import partial

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCompleter,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMenu,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from labctl.analysis.die_maps import CellClass

__all__ = ["PickBar"]

_HOW = (
    "Cells to select, then Enter:\n"
    "all · 3,4 · 0:8,0:32 (end not included) · 3,: (a row) · several with ; between · diagonal · diagonal:10\n"
    "the path of a CSV mask of 0 and 1\n"
    "a class, such as: not formed\n"
    "a threshold of what the map shows, such as: > 50 uS"
)


class PickBar(QWidget):
    """Select by text; apply the form to cells.

    Parameters
    ----------
    parent : QWidget, optional

    Attributes
    ----------
    text_entered : Signal of str
        Cells by text.
    invert_wanted, none_wanted, save_wanted : Signal
    apply_wanted : Signal of str
        "cell", "selection" or "all".
    """

    text_entered = Signal(str)
    invert_wanted = Signal()
    none_wanted = Signal()
    save_wanted = Signal()
    apply_wanted = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.field = QLineEdit()
        self.field.setPlaceholderText("all · 3,4 · 0:8,0:32 · diagonal · not formed · > 50 uS")
        self.field.setToolTip(_HOW)
        self.field.setAccessibleName("Cells to select")
        completer = QCompleter(["all", "diagonal", *(kind.label for kind in CellClass)], self)
        completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self.field.setCompleter(completer)
        self.field.returnPressed.connect(lambda: self.text_entered.emit(self.field.text()))
        label = QLabel("&Select")
        label.setBuddy(self.field)
        self.more = QToolButton()
        self.more.setText("More")
        self.more.setToolTip("Select by class, invert, save the selection as a mask")
        self.more.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.more.setMenu(self._menu())
        self.told = QLabel()
        self.told.setWordWrap(True)
        self.told.setProperty("refused", False)
        self.buttons = {
            "cell": QPushButton("&This cell"),
            "selection": QPushButton("Selectio&n"),
            "all": QPushButton("A&ll cells"),
        }
        over, under = QHBoxLayout(), QHBoxLayout()
        over.addWidget(label)
        over.addWidget(self.field, 1)
        over.addWidget(self.more)
        under.addWidget(QLabel("Apply the procedure form to:"))
        for which, button in self.buttons.items():
            button.setToolTip("Writes these cells into the procedure form; nothing is started yet")
            button.clicked.connect(lambda _=False, which=which: self.apply_wanted.emit(which))
            under.addWidget(button)
        under.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(over)
        layout.addWidget(self.told)
        layout.addLayout(under)

    def show_picked(self, count: int, total: int, *, has_current: bool) -> None:
        """Say how many cells are selected.

        Parameters
        ----------
        count, total : int, unit 1
            Selected cells, all cells.
        has_current : bool
            Whether there is a current cell.
        """
        self.refuse("")
        self.told.setText(
            f"{count} of {total} cells selected" if count else "No cell selected: click or drag on the map"
        )
        self.buttons["cell"].setEnabled(has_current)
        self.buttons["selection"].setEnabled(count > 0)
        self.buttons["selection"].setText(f"Selectio&n ({count})" if count else "Selectio&n")
        self.buttons["all"].setText(f"A&ll {total}")

    def refuse(self, why: str) -> None:
        """Show why a text names no cells.

        Parameters
        ----------
        why : str
            Empty: it does.
        """
        self.field.setProperty("refused", bool(why))
        self.field.style().unpolish(self.field)
        self.field.style().polish(self.field)
        if why:
            self.told.setText(why)

    def _menu(self) -> QMenu:
        menu = QMenu(self)
        classes = menu.addMenu("All cells that are")
        for kind in CellClass:
            classes.addAction(kind.label, partial(self.text_entered.emit, kind.label))
        menu.addAction("Invert the selection", self.invert_wanted.emit)
        menu.addAction("Select nothing", self.none_wanted.emit)
        menu.addSeparator()
        menu.addAction("Save the selection as a CSV mask …", self.save_wanted.emit)
        return menu
