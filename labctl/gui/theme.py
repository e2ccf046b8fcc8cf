"""Colours of the window, light and dark, and which of the two is on.

The curve colours begin with Okabe and Ito's, and people with any common colour vision tell them apart; in the dark they
are lighter. Not here: the colour maps of the array and of the pictures (:mod:`labctl.gui.array`).

References
----------
.. [1] M. Okabe, K. Ito, "Color Universal Design" (2008), https://jfly.uni-koeln.de/color/.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pyqtgraph
from qtpy.QtCore import QObject, Qt, Signal
from qtpy.QtGui import QColor, QGuiApplication, QPalette
from qtpy.QtWidgets import QApplication

__all__ = ["DARK", "LIGHT", "SCHEMES", "Colours", "Theme"]

SCHEMES = ("system", "light", "dark")


@dataclass(frozen=True)
class Colours:
    """One set of colours, each as ``#rrggbb``.

    Attributes
    ----------
    window, base, button, text, muted, border : str
        Panels; fields and lists; buttons; words; words of less weight; thin lines.
    selection, on_selection : str
        Behind selected words; the words themselves.
    plot, axis, grid : str
        Ground of a plot; its axes and their words; its grid.
    curves : tuple of str
        Of curves, in the order in which they are given out.
    missing : str
        A cell that has never been measured.
    wrong, on_wrong : str
        Ground of a field whose value is refused; words on it.
    danger, on_danger : str
        Ground of ALL OUTPUTS OFF; words on it.
    accent, on_accent : str
        Ground of the one button that is meant to be pressed next; words on it.
    simulated, on_simulated : str
        Ground of the badge "simulated"; words on it.
    status : mapping of str to str
        Words' colour by status of a run or of an item of the queue: waiting, running, paused, finished, failed,
        aborted, interrupted.
    severity : mapping of str to str
        Words' colour by severity: info, warning, error.
    """

    window: str
    base: str
    button: str
    text: str
    muted: str
    border: str
    selection: str
    on_selection: str
    plot: str
    axis: str
    grid: str
    curves: tuple[str, ...]
    missing: str
    wrong: str
    on_wrong: str
    danger: str
    on_danger: str
    accent: str
    on_accent: str
    simulated: str
    on_simulated: str
    status: Mapping[str, str]
    severity: Mapping[str, str]


LIGHT = Colours(
    window="#f4f5f7",
    base="#ffffff",
    button="#e9ebef",
    text="#1b1f24",
    muted="#57606a",
    border="#c4cad1",
    selection="#0b63a5",
    on_selection="#ffffff",
    plot="#ffffff",
    axis="#3d444d",
    grid="#d5d9de",
    curves=("#0072b2", "#d55e00", "#009e73", "#b0457f", "#3a9bdc", "#6b3d00", "#1b1f24", "#1f1f9c"),
    missing="#d5d9de",
    wrong="#fbdcd9",
    on_wrong="#7a0c06",
    danger="#c1121f",
    on_danger="#ffffff",
    accent="#0b63a5",
    on_accent="#ffffff",
    simulated="#e4d7f5",
    on_simulated="#4b2a85",
    status={
        "waiting": "#57606a",
        "running": "#0b63a5",
        "paused": "#8a5a00",
        "finished": "#17703f",
        "failed": "#b3150f",
        "aborted": "#9a4600",
        "interrupted": "#6f3aa8",
    },
    severity={"info": "#1b1f24", "warning": "#8a5a00", "error": "#b3150f"},
)

DARK = Colours(
    window="#1e2227",
    base="#15181c",
    button="#2c323a",
    text="#e6e9ed",
    muted="#a3acb6",
    border="#454d57",
    selection="#2f7fc1",
    on_selection="#ffffff",
    plot="#15181c",
    axis="#c3cad2",
    grid="#3a424b",
    curves=("#56b4e9", "#ff9443", "#3fcf9f", "#e69ac8", "#e0444f", "#f0e442", "#e6e9ed", "#6f6cff"),
    missing="#3a424b",
    wrong="#5a1d1a",
    on_wrong="#ffd9d5",
    danger="#c1121f",
    on_danger="#ffffff",
    accent="#1f6fb2",
    on_accent="#ffffff",
    simulated="#4b3a70",
    on_simulated="#ebe0ff",
    status={
        "waiting": "#a3acb6",
        "running": "#6cb8f0",
        "paused": "#e5b04a",
        "finished": "#5fcf8e",
        "failed": "#ff8a80",
        "aborted": "#ffab66",
        "interrupted": "#c9a5f5",
    },
    severity={"info": "#e6e9ed", "warning": "#e5b04a", "error": "#ff8a80"},
)


class Theme(QObject):
    """Which colours are on: the system's scheme, or the one that the user chose.

    Attributes
    ----------
    changed : Signal
        Sent after the colours have changed.
    colours : Colours
        Those that are on.
    is_dark : bool
        Whether these are the dark ones.
    scheme : "system", "light" or "dark"
        What was chosen.

    Parameters
    ----------
    scheme : "system", "light" or "dark", optional
        To begin with.
    parent : QObject, optional
        Its owner.

    Raises
    ------
    ValueError
        If there is no such scheme.
    """

    changed = Signal()

    def __init__(self, scheme: str = "system", parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.scheme = "light"
        self.is_dark = False
        self.colours = LIGHT
        hints = QGuiApplication.styleHints()
        if hints is not None:
            hints.colorSchemeChanged.connect(self._follow_system)
        self.choose(scheme)

    def choose(self, scheme: str) -> None:
        """Put a scheme on.

        Parameters
        ----------
        scheme : "system", "light" or "dark"
            The choice.

        Raises
        ------
        ValueError
            If there is no such scheme.
        """
        if scheme not in SCHEMES:
            raise ValueError(f"there is no colour scheme {scheme!r}; choose one of {', '.join(SCHEMES)}")
        self.scheme = scheme
        self._put_on(_system_is_dark() if scheme == "system" else scheme == "dark")

    def _follow_system(self) -> None:
        if self.scheme == "system":
            self._put_on(_system_is_dark())

    def _put_on(self, is_dark: bool) -> None:
        self.is_dark = is_dark
        self.colours = DARK if is_dark else LIGHT
        pyqtgraph.setConfigOptions(background=self.colours.plot, foreground=self.colours.axis)
        application = QApplication.instance()
        # putting it on again would draw every widget anew
        if isinstance(application, QApplication) and application.styleSheet() != _sheet(self.colours):
            # the only style that follows a palette on every platform
            application.setStyle("Fusion")
            application.setPalette(_palette(self.colours))
            application.setStyleSheet(_sheet(self.colours))
        self.changed.emit()


def _system_is_dark() -> bool:
    hints = QGuiApplication.styleHints()
    return hints is not None and hints.colorScheme() == Qt.ColorScheme.Dark


def _palette(colours: Colours) -> QPalette:
    role, group = QPalette.ColorRole, QPalette.ColorGroup
    palette = QPalette()
    for where, colour in (
        (role.Window, colours.window),
        (role.WindowText, colours.text),
        (role.Base, colours.base),
        (role.AlternateBase, colours.window),
        (role.Text, colours.text),
        (role.Button, colours.button),
        (role.ButtonText, colours.text),
        (role.ToolTipBase, colours.base),
        (role.ToolTipText, colours.text),
        (role.PlaceholderText, colours.muted),
        (role.Highlight, colours.selection),
        (role.HighlightedText, colours.on_selection),
        (role.Link, colours.status["running"]),
        (role.LinkVisited, colours.status["interrupted"]),
        (role.BrightText, colours.on_danger),
        (role.Mid, colours.border),
        (role.Light, colours.base if colours is LIGHT else colours.border),
        (role.Dark, colours.border),
    ):
        palette.setColor(where, QColor(colour))
    for where in (role.WindowText, role.Text, role.ButtonText):
        palette.setColor(group.Disabled, where, QColor(colours.muted))
    return palette


def _sheet(colours: Colours) -> str:
    """Return the few rules that a palette cannot say."""
    return (
        f"QToolTip {{ color: {colours.text}; background: {colours.base}; border: 1px solid {colours.border}; }}"
        f"QLabel[badge='simulated'] {{ color: {colours.on_simulated}; background: {colours.simulated};"
        " border-radius: 0.3em; padding: 0.1em 0.5em; }"
        f"QLabel[badge='played'] {{ color: {colours.on_accent}; background: {colours.accent};"
        " border-radius: 0.3em; padding: 0.1em 0.5em; }"
        f"QLabel[weight='muted'] {{ color: {colours.muted}; }}"
        f"QPushButton[weight='accent'] {{ color: {colours.on_accent}; background: {colours.accent};"
        " border: none; border-radius: 0.3em; padding: 0.5em 1em; font-weight: 600; }"
        f"QPushButton[weight='accent']:disabled {{ color: {colours.muted}; background: {colours.button}; }}"
        f"QPushButton[weight='accent']:focus {{ border: 2px solid {colours.text}; }}"
        f"QPushButton[weight='danger'] {{ color: {colours.on_danger}; background: {colours.danger};"
        " border: none; border-radius: 0.3em; padding: 0.4em 1em; font-weight: 700; }"
        f"QPushButton[weight='danger']:focus {{ border: 2px solid {colours.text}; }}"
        f"QCheckBox::indicator:unchecked {{ border: 1px solid {colours.muted}; border-radius: 2px;"
        f" background: {colours.base}; }}"
        f"*[refused='true'] {{ color: {colours.on_wrong}; background: {colours.wrong}; }}"
    )
