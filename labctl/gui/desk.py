"""What all panels of the window share: data root, station, selected cells, the run that is watched, other processes.

Panels do not know each other; they change the desk and hear of changes by its signals. Not here: widgets.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qtpy.QtCore import QObject, QSettings, QTimer, Signal

from labctl.errors import LabError
from labctl.gui.backstage import Backstage
from labctl.gui.commands import Commands
from labctl.gui.feed import RunFeed
from labctl.gui.slots import guarded_slot
from labctl.gui.theme import SCHEMES, Theme
from labctl.home import labctl_home
from labctl.replay.playing import RunPlayer
from labctl.run.queue.store import FILE_NAME
from labctl.store.spool import spool_of

__all__ = ["Cell", "Desk", "StationFacts"]

Cell = tuple[int, int]
_LOOK_MS = 1000
# in which the window draws and listens
_BREATH_MS = 5


@dataclass(frozen=True, slots=True)
class StationFacts:
    """What panels need of a station file.

    Attributes
    ----------
    name, file : str
    rows, columns : int, unit 1
        Cells.
    sample, device : str
    simulated : bool
    bench : str
        Name or file of the simulated bench in process; empty otherwise.
    envelope : Mapping of str to float or None
        ``voltage_v``, ``current_a``, ``pulse_width_s``, ``energy_j``, ``temperature_k``, SI units.
    instruments, wiring : Mapping
        As ``labctl stations NAME --json`` has them.
    """

    name: str
    file: str
    rows: int
    columns: int
    sample: str
    device: str
    simulated: bool
    bench: str
    envelope: Mapping[str, float | None]
    instruments: Mapping[str, Any]
    wiring: Mapping[str, Any]


class Desk(QObject):
    """What all panels share.

    Parameters
    ----------
    root : Path
        Data root: the folder of run files.
    parent : QObject, optional

    Attributes
    ----------
    station_changed : Signal of str
        Another station was chosen; its facts may not be there yet.
    facts_changed : Signal of StationFacts or None
        The facts of the station are there; None: there are none (yet, or the file is wrong).
    selection_changed : Signal of frozenset of (int, int)
    cell_changed : Signal of (int, int) or None
        The current cell.
    feed_changed : Signal of RunFeed or None
        Another run is watched.
    runs_changed : Signal
        Files in the data root, or in the spool where its runs grow, came, went or grew; at most once a second.
    parameters_offered : Signal of str, dict
        Procedure ("": the present one) and values as text for the form.
    told : Signal of str, str
        Severity ("info", "warning", "error") and a sentence for people.
    show_requested : Signal of str
        Name of a panel to raise.
    layout_reset : Signal
        What stands in panels shall go back to where it stood at first.
    station : str
        Name or path; empty: none.
    facts : StationFacts or None
    selection : frozenset of (int, int)
    cell : (int, int) or None
    feed : RunFeed or None
    editing_item : int or None
        Item of the queue that the form is editing.
    backstage, scanner : Backstage
        Processes for quick and for slow questions.
    commands : Commands
        ``labctl`` commands that are under way.
    """

    station_changed = Signal(str)
    facts_changed = Signal(object)
    selection_changed = Signal(object)
    cell_changed = Signal(object)
    feed_changed = Signal(object)
    runs_changed = Signal()
    parameters_offered = Signal(str, dict)
    told = Signal(str, str)
    show_requested = Signal(str)
    layout_reset = Signal()

    def __init__(self, root: Path, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.root = root
        self.station = ""
        self.facts: StationFacts | None = None
        self.selection: frozenset[Cell] = frozenset()
        self.cell: Cell | None = None
        self.feed: RunFeed | None = None
        self.editing_item: int | None = None
        self.settings = QSettings(str(labctl_home() / "window.ini"), QSettings.Format.IniFormat)
        self.theme = Theme(self._chosen_scheme(), self)
        self.backstage, self.scanner = Backstage(self), Backstage(self)
        for asked in (self.backstage, self.scanner):
            asked.told.connect(self.tell)
        self.commands = Commands(self)
        # a data root that is not local has its live runs and its queue in the spool
        self._watched = [
            folder / name for folder in (root, spool_of(root)) for name in ("", FILE_NAME, f"{FILE_NAME}-wal")
        ]
        self._waiting: deque[Callable[[], object]] = deque()
        self._turn = QTimer(self)
        self._turn.setSingleShot(True)
        self._turn.timeout.connect(self._do_next)
        self._seen: object = None
        self._looking = QTimer(self)
        self._looking.timeout.connect(self._look)
        self._looking.start(_LOOK_MS)

    def choose_station(self, name: str) -> None:
        """Work with a station from now on; its facts follow by signal.

        Parameters
        ----------
        name : str
            Name or path of its file; empty: none.
        """
        if name == self.station:
            return
        self.station = name
        self._take_facts(None)
        self.select(())
        self.station_changed.emit(name)
        if name:
            self.backstage.ask(
                "desk.station_facts",
                self._take_facts,
                lambda why: self.tell("error", why),
                replaces="facts",
                station=name,
            )

    def select(self, cells: Iterable[Cell], current: Cell | None = None) -> None:
        """Select cells.

        Parameters
        ----------
        cells : iterable of (int, int)
            Row and column, from 0.
        current : (int, int), optional
            The one whose history is shown; left out: the only one, if there is only one.
        """
        chosen = frozenset(cells)
        if current is None and len(chosen) == 1:
            (current,) = chosen
        if chosen != self.selection:
            self.selection = chosen
            self.selection_changed.emit(chosen)
        if current != self.cell:
            self.cell = current
            self.cell_changed.emit(current)

    def watch(self, path: Path | None) -> None:
        """Watch a run, live or old; a file that cannot be read is told.

        Parameters
        ----------
        path : Path or None
            Its file; None: watch nothing.
        """
        old = self.feed
        if old is not None and path is not None and old.path == path and old.player is None and not old.trouble:
            return
        feed = None
        if path is not None:
            try:
                feed = RunFeed(path, self)
            except LabError as error:
                self.tell("error", str(error))
                return
        self._follow(feed)

    def play(self, path: Path, position_s: float = 0.0, *, speed: float = 1.0, is_paused: bool = False) -> None:
        """Play a run that has ended as if it were measured now; one that cannot be played is told.

        Parameters
        ----------
        path : Path
            Its file.
        position_s : float, unit s
            Begin there, with all before it.
        speed : float, unit 1
            Seconds of the rack in a second.
        is_paused : bool
            Stand still there.
        """
        try:
            player = RunPlayer(path, speed=speed)
            player.jump(position_s)
            if is_paused:
                player.pause()
            feed = RunFeed(path, self, player=player)
        except (LabError, ValueError) as error:
            self.tell("error", str(error))
            return
        self._follow(feed)

    def _follow(self, feed: RunFeed | None) -> None:
        old, self.feed = self.feed, feed
        self.feed_changed.emit(feed)
        if feed is not None:
            for trouble in (feed.troubled, feed.failed):
                trouble.connect(lambda why: self.tell("error", why))
            feed.recovered.connect(lambda: self.tell("info", f"run {feed.run_id} can be read again and is watched on"))
            # after everybody has connected: the first points are not missed
            feed.start()
        if old is not None:
            old.close()
            old.deleteLater()

    def offer(self, procedure: str, values: Mapping[str, str]) -> None:
        """Offer values to the form.

        Parameters
        ----------
        procedure : str
            Its name; empty: the one that the form shows.
        values : Mapping of str to str
            As a person types them.
        """
        self.parameters_offered.emit(procedure, dict(values))

    def tell(self, severity: str, sentence: str) -> None:
        """Say something in the log panel and the status bar.

        Parameters
        ----------
        severity : str
            "info", "warning" or "error".
        sentence : str
            Plain words, with a remedy where something is wrong.
        """
        self.told.emit(severity, sentence)

    def show(self, panel: str) -> None:
        """Bring a panel to the front.

        Parameters
        ----------
        panel : str
            "array", "form", "queue", "plots", "table", "runs", "station", "manual" or "log".
        """
        self.show_requested.emit(panel)

    def soon(self, action: Callable[[], object]) -> None:
        """Do something soon, after what waits already; one thing at a time, so that the window draws in between.

        Parameters
        ----------
        action : callable
            What takes some ten milliseconds and is not urgent, such as loading a panel.
        """
        self._waiting.append(action)
        if not self._turn.isActive():
            self._turn.start(0)

    def close(self) -> None:
        """Let go of the run and of the processes behind the window; commands that are not done go on without it."""
        self._looking.stop()
        self._turn.stop()
        self._waiting.clear()
        self.watch(None)
        for asked in (self.backstage, self.scanner):
            asked.close()
        self.commands.close()
        self.settings.sync()

    @guarded_slot
    def _do_next(self) -> None:
        try:
            self._waiting.popleft()()
        finally:
            if self._waiting:
                self._turn.start(_BREATH_MS)

    def _take_facts(self, facts: Mapping[str, Any] | None) -> None:
        self.facts = None if facts is None else StationFacts(**facts)
        self.facts_changed.emit(self.facts)

    def _chosen_scheme(self) -> str:
        chosen = str(self.settings.value("scheme", "system"))
        return chosen if chosen in SCHEMES else "system"

    def _look(self) -> None:
        """Notice that files came, went or grew."""
        seen = [_stamp_of(path) for path in self._watched]
        if seen != self._seen:
            self._seen = seen
            self.runs_changed.emit()


def _stamp_of(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
