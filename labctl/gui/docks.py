"""Where the panels stand: docks left, in the centre and on the right, as the user arranged them last.

Not here: which panels there are (:mod:`labctl.gui.panels`).
"""

from qtpy.QtCore import QByteArray, Qt, QTimer
from qtpy.QtWidgets import QDockWidget, QMainWindow

from labctl.gui.desk import Desk
from labctl.gui.panels import PANELS, PanelPlace

__all__ = ["PanelDocks"]

# changes whenever a dock comes or goes: Qt refuses the layout of another version
_VERSION = 1
_KEY = "window/layout"
_AREAS = {
    "left": Qt.DockWidgetArea.LeftDockWidgetArea,
    "centre": Qt.DockWidgetArea.TopDockWidgetArea,
    "right": Qt.DockWidgetArea.RightDockWidgetArea,
    "bottom": Qt.DockWidgetArea.BottomDockWidgetArea,
}
_CORNERS = (
    (Qt.Corner.TopLeftCorner, "left"),
    (Qt.Corner.BottomLeftCorner, "left"),
    (Qt.Corner.TopRightCorner, "right"),
    (Qt.Corner.BottomRightCorner, "right"),
)
# panels behind one another, the front one first; where the form fits beside the plots it stands there
_NARROW = {
    "centre": ("form", "plots", "array", "runs", "table", "log"),
    "right": ("station", "manual"),
}
_WIDE = {**_NARROW, "left": ("form",), "centre": ("plots", "array", "runs", "table", "log")}
_UNDER_RIGHT = "queue"
_WIDE_CHARACTERS = 290
_FORM_CHARACTERS = 130
# part of the window's width, between the narrowest that its panels can be read in and as much as they use
_RIGHT, _LEAST_RIGHT_CHARACTERS, _MOST_RIGHT_CHARACTERS = 0.28, 44, 60
# parts of the window's height
_UPPER_RIGHT, _LOWER_RIGHT = 0.52, 0.48


class PanelDocks:
    """The docks of a window, one for each panel; hidden to begin with.

    Attributes
    ----------
    docks : dict of str to QDockWidget
    places : dict of str to PanelPlace

    Parameters
    ----------
    window : QMainWindow
    desk : Desk
        Keeps the layout in its settings.
    """

    def __init__(self, window: QMainWindow, desk: Desk) -> None:
        self._window = window
        self._desk = desk
        kept = desk.settings.value(_KEY)
        self._layout = kept if isinstance(kept, QByteArray) else QByteArray()
        self._is_shown = False
        # a timer of the window's: PyQt6 has no singleShot that ends with an object
        self._sharing = QTimer(window)
        self._sharing.setSingleShot(True)
        self._sharing.timeout.connect(self._share_out)
        self.docks: dict[str, QDockWidget] = {}
        self.places: dict[str, PanelPlace] = {}
        window.setDockNestingEnabled(True)
        for corner, place in _CORNERS:
            window.setCorner(corner, _AREAS[place])
        for entry in PANELS:
            dock = QDockWidget(entry.title, window)
            dock.setObjectName(f"dock-{entry.name}")
            self.places[entry.name] = PanelPlace(entry, desk, dock)
            dock.setWidget(self.places[entry.name])
            dock.visibilityChanged.connect(self.places[entry.name].set_seen)
            self.docks[entry.name] = dock
            window.addDockWidget(_AREAS["bottom"], dock)
            dock.hide()

    def show(self) -> None:
        """Show the docks as they stood last, or as they stand at first."""
        if self._is_shown:
            return
        if self._layout.isEmpty() or not self._window.restoreState(self._layout, _VERSION):
            self.arrange()
        self._is_shown = True

    def hide(self) -> None:
        """Hide all docks, and remember how they stood."""
        if not self._is_shown:
            return
        self._layout = self._window.saveState(_VERSION)
        self._is_shown = False
        for dock in self.docks.values():
            dock.hide()

    def save(self) -> None:
        """Keep how the docks stand for the next time."""
        if self._is_shown:
            self._layout = self._window.saveState(_VERSION)
        self._desk.settings.setValue(_KEY, self._layout)

    def arrange(self) -> None:
        """Put the docks where they stand at first."""
        self._is_shown = True
        window, docks = self._window, self.docks
        for dock in docks.values():
            dock.setFloating(False)
            window.removeDockWidget(dock)
        for place, (front, *_) in self._first_places().items():
            window.addDockWidget(_AREAS[place], docks[front])
        # before the tabs: one among tabs would get a tab instead of a half
        window.splitDockWidget(docks["station"], docks[_UNDER_RIGHT], Qt.Orientation.Vertical)
        for front, *others in self._first_places().values():
            for name in others:
                window.tabifyDockWidget(docks[front], docks[name])
        for dock in docks.values():
            dock.show()
        for front, *_ in self._first_places().values():
            docks[front].raise_()
        self._share_out()
        # sizes hold only once the docks have been laid out
        self._sharing.start(0)

    def _first_places(self) -> dict[str, tuple[str, ...]]:
        return _WIDE if self._window.width() >= _WIDE_CHARACTERS * self._character() else _NARROW

    def _character(self) -> int:
        return self._window.fontMetrics().horizontalAdvance("0")

    def _share_out(self) -> None:
        window, docks, character = self._window, self.docks, self._character()
        least, most = _LEAST_RIGHT_CHARACTERS * character, _MOST_RIGHT_CHARACTERS * character
        right = min(max(round(_RIGHT * window.width()), least), most)
        widths = {"plots": window.width() - right, "station": right}
        if "left" in self._first_places():
            widths["form"] = _FORM_CHARACTERS * character
            widths["plots"] -= widths["form"]
        window.resizeDocks([docks[name] for name in widths], list(widths.values()), Qt.Orientation.Horizontal)
        heights = [int(window.height() * part) for part in (_UPPER_RIGHT, _LOWER_RIGHT)]
        window.resizeDocks([docks["station"], docks[_UNDER_RIGHT]], heights, Qt.Orientation.Vertical)
