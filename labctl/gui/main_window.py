"""The window: panels in docks around a desk, menus, tool bar, status bar; what is kept from one day to the next.

Not here: what panels show; what they share (:mod:`labctl.gui.desk`); the process (:mod:`labctl.gui.application`).
"""

from pathlib import Path

from qtpy.QtCore import QByteArray, QTimer
from qtpy.QtGui import QCloseEvent
from qtpy.QtWidgets import QFileDialog, QLabel, QMainWindow, QPushButton, QToolBar, QVBoxLayout, QWidget

from labctl.gui.closing import Choice, Stopping, UnderWay, ask_about_commands, ask_about_runs, runs_under_way
from labctl.gui.desk import Desk
from labctl.gui.docks import PanelDocks
from labctl.gui.log_panel import LogPanel
from labctl.gui.main_menu import MainMenu
from labctl.gui.place_labels import PlaceLabels, station_in_words
from labctl.gui.play_bar import PlayBar
from labctl.gui.plots.kept_plots import forget_plots
from labctl.gui.run_bar import RunBar
from labctl.gui.running_runs import RunningRuns
from labctl.gui.slots import guarded_slot
from labctl.gui.start.start_page import StartPage
from labctl.gui.station.all_off import AllOff
from labctl.gui.station_box import StationBox
from labctl.gui.window_lock import WindowLock

__all__ = ["MainWindow"]

_GEOMETRY, _STATION = "window/geometry", "window/station"
_TOLD_MS = 20_000
_LARGER = 1.2
# as Qt has it for a widget whose size was never limited
_UNLIMITED = (1 << 24) - 1


class MainWindow(QMainWindow):
    """The window.

    Parameters
    ----------
    desk : Desk
        Closed with the window.
    """

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self.desk = desk
        self.running = RunningRuns(desk, self)
        self.start_page = StartPage(desk, self)
        self.panels = PanelDocks(self, desk)
        self._lock = WindowLock(desk.root)
        self._is_closing_allowed = False
        self._stopping: Stopping | None = None
        # from the first moment: it keeps what is said
        self.panels.places["log"].load()
        log = self.panels.places["log"].panel
        assert isinstance(log, LogPanel)
        self.log = log
        self._build_bars()
        self.menu = MainMenu(self)
        self._centre = QWidget(self)
        centre = QVBoxLayout(self._centre)
        centre.setContentsMargins(0, 0, 0, 0)
        centre.addWidget(self.start_page)
        self.setCentralWidget(self._centre)
        log.noticed.connect(self._show_sentence)
        desk.told.connect(self._show_sentence)
        desk.show_requested.connect(self.show_panel)
        desk.parameters_offered.connect(self._offer_to_form)
        desk.station_changed.connect(self._take_station)
        desk.facts_changed.connect(self._draw_title)
        self._draw_title()
        geometry = desk.settings.value(_GEOMETRY)
        if not (isinstance(geometry, QByteArray) and self.restoreGeometry(geometry)):
            self.resize(1280, 800)

    def _build_bars(self) -> None:
        tools = QToolBar("Tools", self)
        tools.setObjectName("tools")
        tools.setMovable(False)
        self.station_box = StationBox(self.desk, tools)
        label = QLabel("&Station ", tools)
        label.setBuddy(self.station_box)
        self.run_bar = RunBar(self.desk, self.running, tools)
        self.all_off = AllOff(self.desk, tools)
        font = self.all_off.button.font()
        font.setPointSizeF(_LARGER * font.pointSizeF())
        self.all_off.button.setFont(font)
        for widget in (label, self.station_box, self.run_bar, self.all_off):
            tools.addWidget(widget)
        self.addToolBar(tools)
        self.addToolBarBreak()
        replay = QToolBar("Replay", self)
        replay.setObjectName("replay")
        replay.setMovable(False)
        replay.addWidget(PlayBar(self.desk, replay))
        self.addToolBar(replay)
        # the way back to a tool bar that was hidden is not obvious
        self.setContextMenuPolicy(self.contextMenuPolicy().NoContextMenu)
        status = self.statusBar()
        assert status is not None
        status.addPermanentWidget(PlaceLabels(self.desk, self))

    @guarded_slot
    def begin(self, station: str) -> None:
        """Choose the station, look for runs under way, and say what the user should know.

        Parameters
        ----------
        station : str
            Name or path; empty: the one that was used last, else the start page.
        """
        other = self._lock.take()
        if other:
            self.desk.tell("warning", other)
        self.running.look()
        chosen = station or str(self.desk.settings.value(_STATION, "") or "")
        if chosen:
            self.desk.choose_station(chosen)
        self.show_start(not chosen)

    @guarded_slot
    def show_start(self, is_start: bool) -> None:
        """Show the start page, or the panels.

        Parameters
        ----------
        is_start : bool
            Whether it is the start page.
        """
        self.start_page.setVisible(is_start)
        # seen, though without height: when nothing is in the centre, Qt lets the docks on the right grow by themselves
        self._centre.setMaximumHeight(_UNLIMITED if is_start else 0)
        if is_start:
            self.panels.hide()
            self.start_page.curve_button.setFocus()
        else:
            self.panels.show()

    @guarded_slot
    def show_panel(self, name: str) -> None:
        """Bring a panel to the front.

        Parameters
        ----------
        name : str
            As the desk has it; "start": the start page.
        """
        if name == "start":
            self.show_start(True)
            return
        self.show_start(False)
        self.panels.places[name].load()
        dock = self.panels.docks[name]
        dock.show()
        dock.raise_()
        panel = self.panels.places[name].panel
        if panel is not None:
            panel.setFocus()

    @guarded_slot
    def reset_layout(self) -> None:
        """Put all panels and plots where they stood at first."""
        self.show_start(False)
        self.panels.arrange()
        forget_plots(self.desk.settings)
        self.desk.layout_reset.emit()

    @guarded_slot
    def open_run_file(self) -> None:
        """Let the user choose a run file, and watch it."""
        path, _ = QFileDialog.getOpenFileName(self, "Open a run file", str(self.desk.root), "Runs (*.run.sqlite)")
        if path:
            self.desk.watch(Path(path))
            self.show_panel("plots")

    @guarded_slot
    def run_form(self) -> None:
        """Press the form's own button, which says why if it cannot be pressed."""
        self.show_panel("form")
        button = self.panels.places["form"].findChild(QPushButton, "run")
        if button is not None:
            button.click()

    def close_unasked(self) -> None:
        """Close without a question; runs under way are kept running."""
        self._is_closing_allowed = True
        self.close()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Ask about what is under way, keep the layout, close the desk; called by Qt."""
        if not self._is_closing_allowed and not self._may_close():
            event.ignore()
            return
        self.panels.save()
        self.desk.settings.setValue(_GEOMETRY, self.saveGeometry())
        self._lock.release()
        self.log.close_log()
        self.desk.close()
        event.accept()

    def _may_close(self) -> bool:
        """Ask where there is something to ask; a window that stops runs first closes later."""
        commands = self.desk.commands.wanted
        if commands and not ask_about_commands(commands, self):
            return False
        try:
            runs = runs_under_way(self.desk)
        except OSError:
            # the drive is away: what was known before must do
            runs = [UnderWay(run.as_words(), run.path, run.run_id) for run in self.running.runs]
        choice = ask_about_runs(runs, self) if runs else Choice.KEEP
        if choice is Choice.STOP:
            self._stopping = Stopping(runs, self.desk, self)
            self._stopping.stopped.connect(self.close_unasked)
            self._stopping.given_up.connect(self._tell_given_up)
            self._stopping.begin()
        return choice is Choice.KEEP

    @guarded_slot
    def _tell_given_up(self, sentence: str) -> None:
        if self._stopping is not None:
            self._stopping.close()
        self.desk.tell("error", sentence)

    @guarded_slot
    def _take_station(self, name: str) -> None:
        self.desk.settings.setValue(_STATION, name)
        self._draw_title()

    @guarded_slot
    def _draw_title(self) -> None:
        words = station_in_words(self.desk)
        self.setWindowTitle(f"{words} - labctl" if words else "labctl")

    @guarded_slot
    def _offer_to_form(self, procedure: str, values: dict[str, str]) -> None:
        place = self.panels.places["form"]
        if place.panel is None:
            place.load()
            if place.panel is not None:
                # it was not there to hear the offer
                QTimer.singleShot(0, lambda: self.desk.offer(procedure, values))

    @guarded_slot
    def _show_sentence(self, severity: str, sentence: str) -> None:
        status = self.statusBar()
        assert status is not None
        status.setStyleSheet(f"QStatusBar {{ color: {self.desk.theme.colours.severity.get(severity, '')} }}")
        # an error stays until something else is said
        status.showMessage(sentence, 0 if severity == "error" else _TOLD_MS)
