"""The list of procedures with a search line. Not here: their parameters (:mod:`labctl.gui.form.field_groups`)."""

from collections.abc import Iterable, Mapping

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QLineEdit, QTreeWidget, QTreeWidgetItem, QVBoxLayout, QWidget

__all__ = ["ProcedureChooser"]

_NAME = Qt.ItemDataRole.UserRole
# room for it, with a frame around it
_LONG_NAME = "ladder_stop_voltage--"


class ProcedureChooser(QWidget):
    """Procedures under what they are for.

    Parameters
    ----------
    parent : QWidget, optional

    Attributes
    ----------
    chosen : Signal of str
        Another procedure was chosen; its name.
    """

    chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._search = QLineEdit(self)
        self._search.setPlaceholderText("Search procedures, such as noise")
        self._search.setClearButtonEnabled(True)
        self._search.setAccessibleName("search procedures")
        self._search.textChanged.connect(self._filter)
        self._tree = QTreeWidget(self)
        self._tree.setHeaderHidden(True)
        self._tree.setAccessibleName("procedures")
        self._tree.setRootIsDecorated(False)
        self._tree.setIndentation(self.fontMetrics().height())
        self._tree.currentItemChanged.connect(self._was_chosen)
        bar = self._tree.verticalScrollBar()
        room = self._tree.indentation() + (bar.sizeHint().width() if bar is not None else 0)
        self.setMinimumWidth(self.fontMetrics().horizontalAdvance(_LONG_NAME) + room)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._search)
        layout.addWidget(self._tree, 1)

    def fill(self, procedures: Iterable[Mapping[str, str]]) -> None:
        """Show procedures.

        Parameters
        ----------
        procedures : iterable of Mapping
            With ``name``, ``purpose`` and ``summary``, those of one purpose together.
        """
        self._tree.clear()
        heads: dict[str, QTreeWidgetItem] = {}
        for one in procedures:
            if one["purpose"] not in heads:
                head = QTreeWidgetItem(self._tree, [one["purpose"]])
                head.setFlags(Qt.ItemFlag.ItemIsEnabled)
                font = head.font(0)
                font.setBold(True)
                head.setFont(0, font)
                heads[one["purpose"]] = head
            item = QTreeWidgetItem(heads[one["purpose"]], [one["name"]])
            item.setData(0, _NAME, one["name"])
            item.setToolTip(0, one["summary"])
            item.setData(0, Qt.ItemDataRole.AccessibleDescriptionRole, one["summary"])
        self._tree.expandAll()

    def choose(self, name: str) -> bool:
        """Choose a procedure.

        Parameters
        ----------
        name : str

        Returns
        -------
        bool
            Whether there is one of that name.
        """
        for item in self._items():
            if item.data(0, _NAME) == name:
                self._search.clear()
                self._tree.setCurrentItem(item)
                return True
        return False

    def _items(self) -> list[QTreeWidgetItem]:
        return [item for head in self._heads() for item in _below(head)]

    def _heads(self) -> list[QTreeWidgetItem]:
        found = (self._tree.topLevelItem(index) for index in range(self._tree.topLevelItemCount()))
        return [head for head in found if head is not None]

    def _filter(self, text: str) -> None:
        words = text.lower().split()
        for item in self._items():
            head = item.parent()
            heading = "" if head is None else head.text(0)
            searched = f"{item.text(0)} {item.toolTip(0)} {heading}".lower()
            item.setHidden(not all(word in searched for word in words))
        for head in self._heads():
            head.setHidden(all(item.isHidden() for item in _below(head)))

    def _was_chosen(self, item: QTreeWidgetItem | None) -> None:
        if item is not None and item.data(0, _NAME):
            self.chosen.emit(item.data(0, _NAME))


def _below(head: QTreeWidgetItem) -> list[QTreeWidgetItem]:
    found = (head.child(index) for index in range(head.childCount()))
    return [item for item in found if item is not None]
