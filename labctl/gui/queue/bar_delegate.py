"""How rows of the queue are drawn: with room around their two lines, and a bar below the progress of the run under way.

Not here: the numbers.
"""

from qtpy.QtCore import QModelIndex, QPersistentModelIndex, QRectF, QSize
from qtpy.QtGui import QColor, QPainter
from qtpy.QtWidgets import QStyledItemDelegate, QStyleOptionViewItem

from labctl.gui.queue.queue_model import PERCENT_ROLE
from labctl.gui.theme import Theme

__all__ = ["BarDelegate"]


class BarDelegate(QStyledItemDelegate):
    """Draws the cells of the list; the bar where the model tells a percentage.

    Parameters
    ----------
    theme : Theme
    """

    def __init__(self, theme: Theme) -> None:
        super().__init__(theme)
        self._theme = theme

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        """Return the room that a cell asks for."""
        asked = super().sizeHint(option, index)
        return QSize(asked.width(), asked.height() + option.fontMetrics.height() // 2)

    def paint(
        self, painter: QPainter | None, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        """Paint the words, and a bar below them where a run is under way."""
        if painter is None:
            return
        super().paint(painter, option, index)
        percent = index.data(PERCENT_ROLE)
        if percent is None:
            return
        colours = self._theme.colours
        # thirds of a line of text: nothing here is a number of pixels
        height = option.fontMetrics.height() / 3.0
        margin = height / 2.0
        area = QRectF(option.rect).adjusted(margin, 0.0, -margin, -margin)
        area.setTop(area.bottom() - height)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QColor(colours.border))
        painter.setBrush(QColor(colours.base))
        painter.drawRoundedRect(area, margin, margin)
        area.setWidth(area.width() * min(100.0, max(0.0, float(percent))) / 100.0)
        painter.setBrush(QColor(colours.accent))
        painter.drawRoundedRect(area, margin, margin)
        painter.restore()
