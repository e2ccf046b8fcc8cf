"""Which panels the window has, and loading each when it is first seen; their modules are imported before.

Not here: the panels, where they stand (:mod:`labctl.gui.docks`).
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module

from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QPaintEvent
from qtpy.QtWidgets import QFrame, QLabel, QScrollArea, QVBoxLayout, QWidget

from labctl.gui.desk import Desk
from labctl.gui.slots import guarded_slot, sentence_of

__all__ = ["PANELS", "PanelEntry", "PanelPlace", "import_ahead"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PanelEntry:
    """One panel of the window.

    Attributes
    ----------
    name : str
        By which the desk shows it.
    title : str
        On its tab.
    module, widget : str
        Where its class is.
    """

    name: str
    title: str
    module: str
    widget: str


# in the order of their keys, Ctrl+1 to Ctrl+9
PANELS = (
    PanelEntry("form", "Procedure", "labctl.gui.form.form_panel", "FormPanel"),
    PanelEntry("queue", "Queue", "labctl.gui.queue.queue_panel", "QueuePanel"),
    PanelEntry("plots", "Plots", "labctl.gui.plots.plots_panel", "PlotsPanel"),
    PanelEntry("array", "Array", "labctl.gui.array.array_panel", "ArrayPanel"),
    PanelEntry("table", "Table", "labctl.gui.plots.table_panel", "TablePanel"),
    PanelEntry("runs", "Runs", "labctl.gui.browser.browser_panel", "BrowserPanel"),
    PanelEntry("station", "Station", "labctl.gui.station.station_panel", "StationPanel"),
    PanelEntry("manual", "By hand", "labctl.gui.manual.manual_panel", "ManualPanel"),
    PanelEntry("log", "Log", "labctl.gui.log_panel", "LogPanel"),
)

# in the order in which they are wanted; what takes long of a panel's module stands before it
_AHEAD = (
    "labctl.gui.form.run_starter",
    "pyqtgraph.exporters",
    "labctl.gui.plots.plots_panel",
    "labctl.gui.form.form_panel",
    "labctl.gui.station.station_panel",
    "labctl.gui.queue.queue_panel",
    # what NumPy itself imports at the first np.unique
    "numpy.ma",
    "labctl.array",
    "labctl.analysis.die_maps",
    "labctl.gui.array.array_panel",
    "labctl.gui.browser.browser_panel",
    "labctl.gui.plots.table_panel",
    "labctl.gui.manual.manual_panel",
)


def import_ahead(desk: Desk) -> None:
    """Import what the panels need, one module in a turn, so that the first look at one does not hold the window up.

    Parameters
    ----------
    desk : Desk
        Gives the turns.
    """
    _import_next(desk, iter(_AHEAD))


def _import_next(desk: Desk, names: Iterator[str]) -> None:
    name = next(names, None)
    if name is None:
        return
    # behind the panels that are waited for
    desk.soon(lambda: _import_next(desk, names))
    _try_import(name)


def _try_import(name: str) -> None:
    try:
        import_module(name)
    except Exception as error:  # noqa: BLE001  the place of the panel tells it, when it is looked at
        _log.debug("%s", name, exc_info=error)


class PanelPlace(QWidget):
    """Where a panel stands; it is loaded when it is first seen, and an error stands in its place if it cannot be.

    Attributes
    ----------
    loaded : Signal of QWidget
        The panel.
    panel : QWidget or None
        None before it is loaded, or if it cannot be.

    Parameters
    ----------
    entry : PanelEntry
    desk : Desk
    parent : QWidget, optional
    """

    loaded = Signal(object)

    def __init__(self, entry: PanelEntry, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.entry = entry
        self.desk = desk
        self.panel: QWidget | None = None
        self._is_asked = self._is_tried = False
        self._is_seen = False
        self._scroll = QScrollArea(self)
        self._scroll.setFrameShape(QFrame.Shape.NoFrame)
        self._scroll.setWidgetResizable(True)
        self._scroll.hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._scroll)

    @guarded_slot
    def set_seen(self, is_seen: bool) -> None:
        """Show the panel, or hide it: behind another one its keys would still be taken for those of the one in front.

        Parameters
        ----------
        is_seen : bool
            Whether the place is in front.
        """
        self._is_seen = is_seen
        self._scroll.setVisible(is_seen and self.panel is not None)

    def sizeHint(self) -> QSize:
        """Ask for the same room before and after the panel is loaded: docks then stay as they stand; called by Qt."""
        return QSize(self.fontMetrics().horizontalAdvance("0") * 40, self.fontMetrics().height() * 12)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Load soon; a place behind others is shown for a moment, but never painted; called by Qt."""
        super().paintEvent(event)
        if not self._is_asked and not self._is_tried:
            self._is_asked = True
            self.desk.soon(self._import)

    def _import(self) -> None:
        # in a turn of its own, before the panel is made
        self.desk.soon(self.load)
        _try_import(self.entry.module)

    @guarded_slot
    def load(self) -> None:
        """Load the panel, unless that was tried before."""
        if self._is_tried:
            return
        self._is_tried = True
        layout = self.layout()
        assert layout is not None
        try:
            panel = getattr(import_module(self.entry.module), self.entry.widget)(self.desk, self)
        except Exception as error:  # noqa: BLE001  one panel that fails must not take the window with it
            sentence = f"the panel {self.entry.title} cannot be shown: {sentence_of(error)}"
            self.desk.tell("error", sentence)
            _log.error("%s", sentence, exc_info=error)
            label = QLabel(sentence, self)
            label.setWordWrap(True)
            label.setMargin(self.fontMetrics().height())
            label.setAlignment(Qt.AlignmentFlag.AlignTop)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            layout.addWidget(label)
            return
        self.panel = panel
        # a panel that needs more room than there is must not make the window larger than the screen
        self._scroll.setWidget(panel)
        self.set_seen(self._is_seen)
        self.loaded.emit(panel)
