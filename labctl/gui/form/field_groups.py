"""All parameters of a procedure in groups that fold. Not here: one parameter (:mod:`labctl.gui.form.fields`)."""

from collections.abc import Iterable, Mapping
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QFrame, QGridLayout, QScrollArea, QToolButton, QVBoxLayout, QWidget

from labctl.gui.form.fields import ParameterField
from labctl.gui.theme import Theme

__all__ = ["ParameterGroups"]

_OWN = "Measurement"
_CELLS = "Cells"


class ParameterGroups(QScrollArea):
    """The fields of a procedure.

    Parameters
    ----------
    theme : Theme
    parent : QWidget, optional

    Attributes
    ----------
    edited : Signal
        Some value was changed.
    focused : Signal of str
        The field of this name took the keyboard.
    cells_wanted : Signal of str
        As :class:`ParameterField` sends it.
    fields : dict of str to ParameterField
        By name of parameter.
    """

    edited = Signal()
    focused = Signal(str)
    cells_wanted = Signal(str)

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self.fields: dict[str, ParameterField] = {}
        self._groups: list[_Group] = []
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)

    def describe(self, parameters: Iterable[Mapping[str, Any]]) -> None:
        """Show other parameters, at their defaults.

        Parameters
        ----------
        parameters : iterable of Mapping
            As :func:`labctl.run.station_defaults.describe_defaults` describes them.
        """
        page = QWidget()
        layout = QVBoxLayout(page)
        titled: dict[str, list[ParameterField]] = {}
        self.fields = {}
        for described in parameters:
            field = ParameterField(described, self._theme, page)
            field.edited.connect(self._was_edited)
            field.focused.connect(self._was_focused)
            field.cells_wanted.connect(self.cells_wanted)
            self.fields[field.name] = field
            titled.setdefault(field.group, []).append(field)
        # the procedure's own come first; a procedure without any is all in the others
        order = sorted(titled, key=lambda title: (title != "", title != _CELLS))
        self._groups = [_Group(title or _OWN, titled[title], page) for title in order]
        for group in self._groups:
            group.unfold("" not in titled or group.title in (_OWN, _CELLS))
            layout.addWidget(group)
        layout.addStretch(1)
        self.setWidget(page)
        bar = self.verticalScrollBar()
        self.setMinimumWidth(page.minimumSizeHint().width() + (bar.sizeHint().width() if bar is not None else 0))

    def tab_stops(self) -> list[QWidget]:
        """Return what the tabulator visits, from the top to the bottom.

        Returns
        -------
        list of QWidget
        """
        return [stop for group in self._groups for stop in group.tab_stops()]

    def values(self) -> dict[str, str]:
        """Return what was changed, as typed; the rest has its defaults.

        Returns
        -------
        dict of str to str
        """
        return {name: field.text() for name, field in self.fields.items() if field.is_changed}

    def fill(self, values: Mapping[str, str]) -> list[str]:
        """Put values in; what is not named goes back to its default.

        Parameters
        ----------
        values : Mapping of str to str

        Returns
        -------
        list of str
            Names that there are no fields for.
        """
        for name, field in self.fields.items():
            field.set_text(values.get(name, field.default))
        return [name for name in values if name not in self.fields]

    def limit(self, limits: Mapping[str, float]) -> None:
        """Show what the station allows at most.

        Parameters
        ----------
        limits : Mapping of str to float, unit of the parameter
        """
        for name, magnitude in limits.items():
            if name in self.fields:
                self.fields[name].limit(magnitude)

    def judge(self, refusals: Mapping[str, str], read_as: Mapping[str, str]) -> None:
        """Show what came of a check; groups with a refused value unfold.

        Parameters
        ----------
        refusals, read_as : Mapping of str to str
            Sentences, and how values were understood, by parameter.
        """
        for name, field in self.fields.items():
            field.judge(refusals.get(name, ""), read_as.get(name, ""))
        for group in self._groups:
            group.tell()

    def _was_edited(self, name: str) -> None:
        for group in self._groups:
            group.tell()
        self.edited.emit()

    def _was_focused(self, name: str) -> None:
        self.ensureWidgetVisible(self.fields[name].editor)
        self.focused.emit(name)


class _Group(QWidget):
    """A title to press and the fields below it."""

    def __init__(self, title: str, fields: list[ParameterField], parent: QWidget) -> None:
        super().__init__(parent)
        self.title = title
        self._fields = fields
        self._head = QToolButton(self)
        self._head.setAutoRaise(True)
        self._head.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        font = self._head.font()
        font.setBold(True)
        self._head.setFont(font)
        self._body = QWidget(self)
        self._head.clicked.connect(lambda: self.unfold(self._body.isHidden()))
        grid = QGridLayout(self._body)
        grid.setContentsMargins(self._head.fontMetrics().height(), 0, 0, 0)
        for line, field in enumerate(fields):
            for column, widget in enumerate((field.label, field.editor, field.reset)):
                grid.addWidget(widget, 3 * line, column)
            grid.addWidget(field.hint, 3 * line + 1, 1, 1, 2)
            grid.addWidget(field.reason, 3 * line + 2, 1, 1, 2)
            field.hint.setWordWrap(True)
        grid.setColumnStretch(0, 2)
        grid.setColumnStretch(1, 5)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._head)
        layout.addWidget(self._body)
        self.tell()

    def unfold(self, is_open: bool) -> None:
        self._head.setArrowType(Qt.ArrowType.DownArrow if is_open else Qt.ArrowType.RightArrow)
        self._body.setVisible(is_open)

    def tab_stops(self) -> list[QWidget]:
        return [self._head, *(stop for field in self._fields for stop in field.tab_stops())]

    def tell(self) -> None:
        """Say how many values are changed; one that is refused must be seen."""
        changed = sum(field.is_changed for field in self._fields)
        self._head.setText(f"{self.title}  ({changed} changed)" if changed else self.title)
        if any(field.refusal for field in self._fields):
            self.unfold(True)
