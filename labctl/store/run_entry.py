"""What the catalogue knows of one run file, and which entries a filter means.

Not here: keeping the entries (:mod:`labctl.store.catalogue`).
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from labctl.errors import StoreError
from labctl.store.notes import Notes
from labctl.store.reader import Run
from labctl.store.schema import SUFFIX

__all__ = ["DAMAGED", "NEWER", "STATUSES", "RunEntry", "RunFilter", "read_entry"]

DAMAGED, NEWER = "damaged", "newer version"
STATUSES = ("running", "finished", "failed", "aborted", "interrupted", DAMAGED, NEWER)
_STAMP = re.compile(r"\d{8}-\d{6}(?=-)")
_NEWER_SCHEMA = "install a newer labctl"


@dataclass(frozen=True, slots=True)
class RunEntry:
    """One run file.

    Attributes
    ----------
    run_id : str
        Of a file that cannot be read, its name.
    file : str
        Its path, as text: making a Path of each of many thousands would take longer than all the rest.
    procedure, station, sample : str
        Empty where it is not known.
    status : str
        As :attr:`Run.status`, or "damaged" or "newer version" for a file that cannot be read.
    simulated : bool or None
    seed : int or None
        Of the simulated die.
    started_utc : str
        ISO 8601; empty where it is not known.
    wall_time_s : float or None, unit s
    points : int or None, unit 1
    cells_text : str
        The parameter ``cells`` as it was typed; empty where the procedure has none.
    parameters_text : str
        All parameters, such as ``"cells = 3,4; read_voltage = 200 mV"``.
    error : str
        Why it failed, or cannot be read; empty otherwise.
    note : str
    tags : tuple of str
    """

    run_id: str
    file: str
    procedure: str = ""
    status: str = DAMAGED
    station: str = ""
    sample: str = ""
    simulated: bool | None = None
    seed: int | None = None
    started_utc: str = ""
    wall_time_s: float | None = None
    points: int | None = None
    cells_text: str = ""
    parameters_text: str = ""
    error: str = ""
    note: str = ""
    tags: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        """The path of the file."""
        return Path(self.file)

    @property
    def name(self) -> str:
        """The name of the file."""
        return os.path.basename(self.file)

    @property
    def is_readable(self) -> bool:
        """Whether the file can be read."""
        return self.status not in {DAMAGED, NEWER}

    def with_notes(self, notes: Notes) -> "RunEntry":
        """Return the same entry with other notes.

        Parameters
        ----------
        notes : Notes

        Returns
        -------
        RunEntry
        """
        return replace(self, note=notes.text, tags=notes.tags)


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs are meant: those that meet all that is given.

    Attributes
    ----------
    text : str
        Each of its words stands in the id, procedure, sample, note or tags; capitals do not matter.
    procedure, station, sample, status : str
        Exactly this; empty: any.
    seed : int, optional
        Of the simulated die.
    cell : (int, int), optional
        Row and column, from 0, of a cell that has points in the run.
    simulated : bool, optional
    since_utc, until_utc : str
        ISO 8601; the run started at or after the one and before the other; empty: any time.
    tags : tuple of str
        All of them.
    """

    text: str = ""
    procedure: str = ""
    station: str = ""
    sample: str = ""
    status: str = ""
    seed: int | None = None
    cell: tuple[int, int] | None = None
    simulated: bool | None = None
    since_utc: str = ""
    until_utc: str = ""
    tags: tuple[str, ...] = field(default=())


def read_entry(path: Path, seen_points: int) -> tuple[RunEntry, set[tuple[int, int]]]:
    """Read one run file, which may be damaged, foreign or newer than this labctl.

    Parameters
    ----------
    path : Path
    seen_points : int, unit 1
        Cells of the points up to this number are known already.

    Returns
    -------
    tuple of RunEntry and set of (int, int)
        Without notes; and the cells that its further points name.
    """
    try:
        with Run(path) as run:
            return _entry_of(run), run.cells_after(seen_points)
    except (StoreError, OSError) as error:
        stamp = _STAMP.match(path.name)
        started = ""
        if stamp is not None:
            try:
                started = datetime.strptime(stamp.group(), "%Y%m%d-%H%M%S").replace(tzinfo=UTC).isoformat()
            except ValueError:
                started = ""
        status = NEWER if str(error).endswith(_NEWER_SCHEMA) else DAMAGED
        run_id = path.name.removesuffix(SUFFIX)
        return RunEntry(run_id, str(path), status=status, started_utc=started, error=str(error)), set()


def _entry_of(run: Run) -> RunEntry:
    header, end, texts = run.header, run.end(), run.parameter_texts
    sample, seed = header.get("sample"), header.get("seed")
    wall_time_s = end["wall_time_s"]
    return RunEntry(
        run_id=run.run_id,
        file=str(run.path),
        procedure=header["procedure"],
        status=str(end["status"]),
        station=header["station"],
        sample=_text(sample.get("name")) if isinstance(sample, Mapping) else "",
        simulated=header["simulated"],
        seed=seed if isinstance(seed, int) and abs(seed) < 2**63 else None,
        started_utc=header["started_utc"],
        wall_time_s=float(wall_time_s) if isinstance(wall_time_s, int | float) else None,
        points=run.point_count,
        cells_text=_text(texts.get("cells")),
        parameters_text="; ".join(f"{name} = {text}" for name, text in texts.items() if text not in {"", None}),
        error=_text(end["error"]),
    )


def _text(value: Any) -> str:
    return "" if value is None else str(value)
