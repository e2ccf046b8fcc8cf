"""What can be done with selected runs: open, report, export, resume, run again, compare, fit, tag, trash.

Everything that takes time happens in other processes. Not here: drawing (:mod:`labctl.gui.browser.overlay`).
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from qtpy.QtCore import QObject, QTimer, QUrl, Signal
from qtpy.QtGui import QDesktopServices

from labctl.gui.commands import Finished
from labctl.gui.desk import Desk
from labctl.gui.slots import guarded_slot
from labctl.run.queue.items import ItemState
from labctl.run.queue.launch import ensure_worker
from labctl.run.queue.store import RunQueue
from labctl.store.run_entry import RunEntry

__all__ = ["FAMILIES", "FORMATS", "RESUMABLE", "RunActions"]

RESUMABLE = frozenset({"interrupted", "aborted", "failed"})
FORMATS = {
    "CSV, points with provenance (*.csv)": ("csv", ".csv"),
    "Parquet, points with provenance (*.parquet)": ("parquet", ".parquet"),
    "HDF5, points, arrays, events (*.h5)": ("hdf5", ".h5"),
    "netCDF, points, arrays, events (*.nc)": ("netcdf", ".nc"),
}
FAMILIES = {
    "Metal-oxide device (*.toml)": "metal_oxide",
    "ECRAM device (*.toml)": "ecram",
    "Look-up curves of identical pulses (*.toml)": "pulse_table",
}
_PAGES = "reports"
_ENDING_MS = 300


class RunActions(QObject):
    """Does it and tells the desk.

    Parameters
    ----------
    desk : Desk
    parent : QObject, optional

    Attributes
    ----------
    trashed : Signal of list of str
        Paths in the trash of runs that went there just now.
    """

    trashed = Signal(object)

    def __init__(self, desk: Desk, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.desk = desk
        # runs whose rest waits, and whose end the queue has not noted yet
        self._resumed: list[RunEntry] = []
        self._ending = QTimer(self, singleShot=True, interval=_ENDING_MS)
        self._ending.timeout.connect(self._let_go_on)

    def open(self, entry: RunEntry) -> None:
        """Watch a run in the plots.

        Parameters
        ----------
        entry : RunEntry
        """
        if not entry.is_readable:
            self.desk.tell("error", entry.error)
            return
        self.desk.watch(entry.path)
        self.desk.show("plots")

    def play(self, entry: RunEntry) -> None:
        """Play a run in the plots as if it were measured now.

        Parameters
        ----------
        entry : RunEntry
        """
        self.desk.play(entry.path)
        self.desk.show("plots")

    def report(self, entry: RunEntry) -> None:
        """Write the page about a run and open it in the browser of the desktop.

        Parameters
        ----------
        entry : RunEntry
        """
        self.desk.tell("info", f"writing the report of run {entry.run_id} …")
        self._command(["report", entry.file, "-o", self._pages()], self._show_page, f"the report of run {entry.run_id}")

    def compare(self, entries: Sequence[RunEntry]) -> None:
        """Write the page that compares runs and open it.

        Parameters
        ----------
        entries : sequence of RunEntry
            At least two.
        """
        self.desk.tell("info", f"comparing {len(entries)} runs …")
        self._command(
            ["compare", *(entry.file for entry in entries), "-o", self._pages()],
            self._show_page,
            f"the comparison of {len(entries)} runs",
        )

    def fit(self, entries: Sequence[RunEntry], family: str, file: Path) -> None:
        """Fit a device to runs of one die.

        Parameters
        ----------
        entries : sequence of RunEntry
        family : str
            Of :data:`FAMILIES`.
        file : Path
            Device file to write.
        """
        self.desk.tell("info", f"fitting {family} to {len(entries)} runs …")
        self._command(
            ["fit", *(entry.file for entry in entries), "--model", family, "-o", str(file), "-q"],
            lambda out: self.desk.tell("info", f"the device is in {out}; labctl bench new makes a bench of such dies"),
            f"the fit of {family} to {len(entries)} runs",
        )

    def export(self, entry: RunEntry, to: str, file: Path) -> None:
        """Write a run to another format.

        Parameters
        ----------
        entry : RunEntry
        to : str
            "csv", "parquet", "hdf5" or "netcdf".
        file : Path
        """
        self._command(
            ["export", entry.file, "--to", to, "-o", str(file)],
            lambda out: self.desk.tell("info", f"run {entry.run_id} is in {out}"),
            f"the export of run {entry.run_id}",
        )

    def resume(self, entry: RunEntry) -> None:
        """Put the rest of a run before all that wait in the queue; a held queue lets it go on if nothing else waits.

        Parameters
        ----------
        entry : RunEntry
        """

        def added(_: str) -> None:
            self._resumed.append(entry)
            self._let_go_on()
            self.desk.show("queue")

        command = ["queue", "resume", entry.file, "--first", "-o", str(self.desk.root)]
        self._command(command, added, f"the resuming of run {entry.run_id}")

    @guarded_slot
    def _let_go_on(self) -> None:
        """Release the queue for the rests that were added, as the form does for a run, or say why it stays held."""
        with RunQueue(self.desk.root) as queue:
            items = queue.items()
            waiting = [item for item in items if item.state is ItemState.WAITING]
            running = [run_id for item in items if item.state is ItemState.RUNNING for run_id in item.run_ids]
            rests = {Path(item.resume_of).name for item in waiting if item.resume_of is not None}
            # the queue is held once more when it notes the end of the run itself
            self._resumed, ready = (
                [entry for entry in self._resumed if entry.path.name in rests and entry.run_id in running],
                [entry for entry in self._resumed if entry.path.name not in rests or entry.run_id not in running],
            )
            # a hold, as after an abort, keeps back what waits: there is nothing else, and this run is wanted
            if ready and len(waiting) <= 1:
                queue.release()
            why = queue.held_why if queue.is_held else ""
        ensure_worker(self.desk.root)
        for entry in ready:
            rest = f"the rest of run {entry.run_id}"
            if why:
                self.desk.tell("warning", f"{rest} waits: the queue is held ({why}); release it in the queue panel")
            else:
                self.desk.tell("info", f"{rest} is in the queue and is its next run")
        if self._resumed:
            self._ending.start()

    def run_again(self, entry: RunEntry) -> None:
        """Fill the form with the parameters of a run; nothing is started.

        Parameters
        ----------
        entry : RunEntry
        """
        self.desk.backstage.ask("browser.parameters", self._fill_form, path=entry.file)

    def tag(self, entries: Sequence[RunEntry], tags: Sequence[str]) -> None:
        """Add tags to runs.

        Parameters
        ----------
        entries : sequence of RunEntry
        tags : sequence of str
        """
        paths = [entry.file for entry in entries]
        self.desk.backstage.ask("browser.tag", self._changed, paths=paths, tags=list(tags))

    def trash(self, entries: Sequence[RunEntry]) -> None:
        """Move runs to the trash.

        Parameters
        ----------
        entries : sequence of RunEntry
        """
        if self.desk.feed is not None and self.desk.feed.path in {entry.path for entry in entries}:
            # some systems do not move a file that is open
            self.desk.watch(None)
        self.desk.backstage.ask("browser.trash", self._trashed, paths=[entry.file for entry in entries])

    def restore(self, paths: Sequence[str]) -> None:
        """Bring runs back from the trash.

        Parameters
        ----------
        paths : sequence of str
            As the signal ``trashed`` sent them.
        """
        self.desk.backstage.ask("browser.restore", self._restored, paths=list(paths))

    def _pages(self) -> str:
        folder = self.desk.root / _PAGES
        folder.mkdir(exist_ok=True)
        return str(folder)

    def _command(self, arguments: Sequence[str], done: Callable[[str], None], what: str) -> None:
        def ended(finished: Finished) -> None:
            if finished.code == 0:
                done(finished.out.strip())
            else:
                said = finished.error.strip().removeprefix("labctl: ")
                self.desk.tell("error", said or f"labctl {arguments[0]} ended with code {finished.code}; try it again")

        self.desk.commands.start(arguments, ended, what)

    def _show_page(self, out: str) -> None:
        page = out.splitlines()[0] if out else ""
        self.desk.tell("info", f"the page is {page}")
        if not QDesktopServices.openUrl(QUrl.fromLocalFile(page)):
            self.desk.tell("warning", f"no program opened the page by itself; open {page} in a web browser")

    @guarded_slot
    def _fill_form(self, answer: dict[str, Any]) -> None:
        if answer["station"] != self.desk.station:
            self.desk.choose_station(answer["station"])
        self.desk.offer(answer["procedure"], answer["values"])
        self.desk.show("form")

    @guarded_slot
    def _changed(self, _answer: object = None) -> None:
        self.desk.runs_changed.emit()

    @guarded_slot
    def _trashed(self, answer: dict[str, list[str]]) -> None:
        self._tell_refused(answer)
        if answer["moved"]:
            self.trashed.emit(answer["moved"])
        self._changed()

    @guarded_slot
    def _restored(self, answer: dict[str, list[str]]) -> None:
        self._tell_refused(answer)
        count = len(answer["moved"])
        if count:
            self.desk.tell("info", f"{count} {'run is' if count == 1 else 'runs are'} back from the trash")
        self._changed()

    def _tell_refused(self, answer: dict[str, list[str]]) -> None:
        for sentence in answer["refused"]:
            self.desk.tell("error", sentence)
