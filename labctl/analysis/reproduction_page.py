"""The table of the published systems: the newest finished run of each, as a page, as Markdown and as CSV.

Not here: the figures (:mod:`labctl.analysis.reproduction`), the page of one run (:mod:`labctl.analysis.report`).
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from labctl.analysis.page import write_page, write_text
from labctl.analysis.reproduction_words import FigureWords, ReproductionWords, reproduction_words
from labctl.store import data_root, open_run
from labctl.store.catalogue import Catalogue
from labctl.store.run_entry import RunFilter

__all__ = ["SystemRun", "markdown_table", "newest_systems", "write_reproduction"]

_STEM = "reproduction"
_COLUMNS = ("quantity", "paper", "ours", "over", "way", "rule", "verdict", "note")


@dataclass(frozen=True, slots=True)
class SystemRun:
    """A published system, and its newest finished run.

    Attributes
    ----------
    procedure : str
        Such as ``"system.rvc_3bit"``.
    command : str
        What makes such a run.
    run_id, station, started : str
        Empty where there is no run.
    is_simulated : bool
    words : ReproductionWords or None
        None where there is no run.
    """

    procedure: str
    command: str
    run_id: str = ""
    station: str = ""
    started: str = ""
    is_simulated: bool = False
    words: ReproductionWords | None = None


def newest_systems(stations: Mapping[str, str], root: Path | None = None) -> list[SystemRun]:
    """Look for the newest finished run of each system.

    Parameters
    ----------
    stations : mapping of str to str
        The station of the command that makes a run, by procedure.
    root : Path or None
        Data root.

    Returns
    -------
    list of SystemRun
        In the order of ``stations``.

    Raises
    ------
    StoreError
        If the data root or a run cannot be read.
    """
    found = []
    with Catalogue(data_root(root)) as catalogue:
        catalogue.refresh()
        for procedure, station in stations.items():
            command = f"labctl run {procedure} -s {station}"
            entries = catalogue.find(RunFilter(procedure=procedure, status="finished"))
            newest = max(entries, key=lambda entry: entry.started_utc, default=None)
            found.append(SystemRun(procedure, command) if newest is None else _told(procedure, command, newest.file))
    return found


def _told(procedure: str, command: str, file: str) -> SystemRun:
    with open_run(Path(file)) as run:
        summary = run.summary()
    is_simulated = bool(summary["simulated"])
    words, _ = reproduction_words(summary["results"], simulated=is_simulated)
    started = str(summary["started_utc"])[:19].replace("T", " ")
    return SystemRun(procedure, command, summary["run_id"], summary["station"], started, is_simulated, words)


def markdown_table(systems: Sequence[SystemRun]) -> str:
    """Return the table as Markdown.

    Parameters
    ----------
    systems : sequence of SystemRun

    Returns
    -------
    str
        One line for each figure; systems without a run are named below it, with the command that makes one.
    """
    lines = [
        "| system | figure | paper | here | over | how | what has to hold | |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for system in systems:
        for figure in system.words.figures if system.words is not None else ():
            ours = (figure.quantity, figure.paper, figure.ours, figure.over, figure.way, figure.rule, figure.verdict)
            lines.append(f"| {' | '.join(_escaped(text) for text in (system.procedure, *ours))} |")
    lines += ["", *(f"{one.procedure}: {one.words.paper}; run {one.run_id}." for one in systems if one.words)]
    lines += [f"No finished run of {one.procedure}: `{one.command}` makes one." for one in systems if not one.words]
    return "\n".join(lines) + "\n"


def write_reproduction(systems: Sequence[SystemRun], folder: Path) -> list[Path]:
    """Write the table.

    Parameters
    ----------
    systems : sequence of SystemRun
    folder : Path
        Made if it is not there.

    Returns
    -------
    list of Path
        ``reproduction.html``, ``reproduction.md`` and ``reproduction.csv``.

    Raises
    ------
    StoreError
        If the folder cannot be written to.
    """
    page = write_page(folder / f"{_STEM}.html", "report", "reproduction.html", {"systems": systems})
    markdown = write_text(folder / f"{_STEM}.md", "report", markdown_table(systems))
    return [page, markdown, write_text(folder / f"{_STEM}.csv", "report", _as_csv(systems))]


def _as_csv(systems: Sequence[SystemRun]) -> str:
    stream = io.StringIO()
    rows = csv.writer(stream, lineterminator="\n")
    rows.writerow(("system", "run", *_COLUMNS))
    for system in systems:
        for figure in system.words.figures if system.words is not None else ():
            rows.writerow((system.procedure, system.run_id, *_cells(figure)))
    return stream.getvalue()


def _cells(figure: FigureWords) -> list[str]:
    return [getattr(figure, name) for name in _COLUMNS]


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")
