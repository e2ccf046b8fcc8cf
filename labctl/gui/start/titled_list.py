"""A list whose entries have a title and some lines below it. Not here: what is listed."""

from qtpy.QtCore import QModelIndex, QPersistentModelIndex, QRect, QSize, Qt
from qtpy.QtGui import QFont, QFontMetrics, QPainter, QPalette
from qtpy.QtWidgets import QListWidget, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

__all__ = ["TitledList"]

_WRAP = Qt.TextFlag.TextWordWrap | Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop


class TitledList(QListWidget):
    """A list widget: the first line of an item's text is its title, drawn bold; the rest is wrapped below.

    Parameters
    ----------
    name : str
        For people who hear the window instead of seeing it.
    parent : QWidget, optional
    """

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(name)
        self.setItemDelegate(_Delegate(self))
        self.setResizeMode(QListWidget.ResizeMode.Adjust)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        width, height = self.fontMetrics().horizontalAdvance("0" * 24), self.fontMetrics().height() * 8
        self.setMinimumSize(QSize(width, height))


class _Delegate(QStyledItemDelegate):
    def __init__(self, owner: QListWidget) -> None:
        super().__init__(owner)
        self._list = owner

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        title, rest = _parts(index)
        style = self._list.style()
        if style is not None:
            style.drawPrimitive(QStyle.PrimitiveElement.PE_PanelItemViewItem, option, painter, self._list)
        is_selected = bool(option.state & QStyle.StateFlag.State_Selected)
        is_enabled = bool(index.flags() & Qt.ItemFlag.ItemIsEnabled)
        colours = self._list.palette()
        strong = colours.color(QPalette.ColorRole.HighlightedText if is_selected else QPalette.ColorRole.Text)
        weak = strong if is_selected else colours.color(QPalette.ColorRole.PlaceholderText)
        margin = self._margin()
        room = option.rect.adjusted(margin, margin, -margin, -margin)
        painter.save()
        painter.setPen(strong if is_enabled else weak)
        painter.setFont(self._bold())
        painter.drawText(room, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop, title)
        painter.setPen(weak)
        painter.setFont(self._list.font())
        painter.drawText(room.adjusted(0, QFontMetrics(self._bold()).height(), 0, 0), _WRAP, rest)
        painter.restore()

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        _, rest = _parts(index)
        margin = self._margin()
        viewport = self._list.viewport()
        width = (viewport.width() if viewport is not None else self._list.width()) - 2 * margin
        height = QFontMetrics(self._bold()).height() + 2 * margin
        if rest:
            height += QFontMetrics(self._list.font()).boundingRect(QRect(0, 0, width, 10_000), _WRAP, rest).height()
        return QSize(width, height)

    def _margin(self) -> int:
        return self._list.fontMetrics().height() // 2

    def _bold(self) -> QFont:
        font = QFont(self._list.font())
        font.setBold(True)
        return font


def _parts(index: QModelIndex | QPersistentModelIndex) -> tuple[str, str]:
    title, _, rest = str(index.data(Qt.ItemDataRole.DisplayRole)).partition("\n")
    return title, rest
