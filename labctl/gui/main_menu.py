"""Menus and keys of the window. Not here: what panels do with keys of their own."""

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QUrl
from qtpy.QtGui import QAction, QActionGroup, QDesktopServices, QKeySequence
from qtpy.QtWidgets import QMenu, QMessageBox

from labctl.gui.panels import PANELS
from labctl.gui.slots import guarded_slot

if TYPE_CHECKING:
    from collections.abc import Callable

    from labctl.gui.main_window import MainWindow

__all__ = ["MainMenu"]

_SCHEMES = {"system": "As the &system", "light": "&Light", "dark": "&Dark"}


class MainMenu:
    """The menus of a window.

    Parameters
    ----------
    window : MainWindow
        Has everything that they call.
    """

    def __init__(self, window: "MainWindow") -> None:
        self._window = window
        self.desk = window.desk
        self._keys: list[tuple[str, str]] = []
        bar = window.menuBar()
        assert bar is not None
        file, run, view, about = (bar.addMenu(name) for name in ("&File", "&Run", "&View", "&Help"))
        assert file is not None
        assert run is not None
        assert view is not None
        assert about is not None
        self._add(file, "&Start page", "Ctrl+0", lambda: window.show_start(True))
        self._add(file, "&Open a run file …", "Ctrl+O", window.open_run_file)
        self._add(file, "Show the &folder of runs", "", self._show_folder)
        file.addSeparator()
        self._add(file, "&Close", "Ctrl+Q", window.close)
        # not at the form's button: a key of a panel that is behind others does nothing
        self._add(run, "&Run what the form says", "Ctrl+R", window.run_form)
        self._add(run, "&Pause or continue", "Ctrl+P", window.run_bar.pause_or_continue)
        self._add(run, "&Abort", "Ctrl+.", window.run_bar.abort)
        run.addSeparator()
        self._add(run, "ALL &OUTPUTS OFF", "Ctrl+Shift+O", window.all_off.press)
        self._add_view(view)
        self._add(about, "&Keys", "F1", self.show_keys)
        self._add(about, "&About labctl", "", self._show_about)

    def _add(self, menu: QMenu, text: str, keys: str, called: "Callable[[], object]") -> QAction:
        action = QAction(text, self._window)
        if keys:
            action.setShortcut(QKeySequence(keys))
            self._keys.append((keys, text.replace("&", "").rstrip(" …")))
        # the signal says whether it is checked, which nobody here wants to know
        action.triggered.connect(lambda *_: called())
        menu.addAction(action)
        return action

    def _add_view(self, view: QMenu) -> None:
        for number, entry in enumerate(PANELS, 1):
            self._add(view, f"&{number} {entry.title}", f"Ctrl+{number}", partial(self.desk.show, entry.name))
        view.addSeparator()
        shown = view.addMenu("&Panels shown")
        assert shown is not None
        for dock in self._window.panels.docks.values():
            shown.addAction(dock.toggleViewAction())
        self._add(view, "&Reset the layout", "", self._window.reset_layout)
        colours = view.addMenu("&Colours")
        assert colours is not None
        group = QActionGroup(self._window)
        self.scheme_actions = {}
        for scheme, text in _SCHEMES.items():
            action = self._add(colours, text, "", partial(self._choose, scheme))
            action.setCheckable(True)
            action.setChecked(self.desk.theme.scheme == scheme)
            group.addAction(action)
            self.scheme_actions[scheme] = action

    def _choose(self, scheme: str) -> None:
        self.desk.theme.choose(scheme)
        self.desk.settings.setValue("scheme", scheme)

    @guarded_slot
    def _show_folder(self) -> None:
        self.desk.root.mkdir(parents=True, exist_ok=True)
        if not QDesktopServices.openUrl(QUrl.fromLocalFile(str(self.desk.root))):
            self.desk.tell("warning", f"this desktop opens no folders; the runs are in {self.desk.root}")

    @guarded_slot
    def show_keys(self) -> None:
        """Show the list of keys."""
        rows = "".join(f"<tr><td><b>{keys}</b>&nbsp;&nbsp;</td><td>{text}</td></tr>" for keys, text in self._keys)
        box = QMessageBox(self._window)
        box.setWindowTitle("Keys")
        box.setText(
            f"<table>{rows}</table><p>Alt and the underlined letter press a button. Where several have the same letter,"
            " press it again for the next, and Space to press that. Tab goes to the next field.</p>"
        )
        box.exec()

    @guarded_slot
    def _show_about(self) -> None:
        from importlib.metadata import version

        QMessageBox.about(
            self._window,
            "About labctl",
            f"<b>labctl {version('labctl')}</b><p>Characterise and program resistive-memory devices and arrays, on"
            " real instruments or a simulated bench.</p><p>The window only watches and asks: runs are processes of"
            " their own and go on without it.</p>",
        )
