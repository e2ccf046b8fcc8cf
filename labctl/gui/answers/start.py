"""What the start page and the window ask of the disk: stations, recent runs, runs that are under way.

Not here: the pages of the run browser (:mod:`labctl.store.catalogue`).
"""

from pathlib import Path
from typing import Any

__all__ = ["ANSWERS"]

_NEWEST = 40


def stations() -> list[dict[str, Any]]:
    """Describe all stations; nothing is opened.

    Returns
    -------
    list of dict
        ``name``, ``file``, ``is_own`` (the lab's, not packaged), ``error`` (empty where the file is right), and where
        it is right ``sample``, ``rows``, ``columns``, ``simulated``, ``instruments`` (drivers).
    """
    from labctl.errors import LabError
    from labctl.home import labctl_home
    from labctl.station import read_station_file, station_names

    own = labctl_home() / "stations"
    found: list[dict[str, Any]] = []
    for name in station_names():
        entry: dict[str, Any] = {"name": name, "is_own": (own / f"{name}.toml").exists(), "error": ""}
        try:
            content = read_station_file(name)
        except (LabError, ValueError, OSError) as error:
            found.append({**entry, "file": str(own / f"{name}.toml"), "error": str(error)})
            continue
        found.append(
            {
                **entry,
                "file": content.file,
                "sample": content.sample.name,
                "rows": content.sample.rows,
                "columns": content.sample.columns,
                "simulated": content.bench is not None or content.visa_library.endswith("@labctl"),
                "instruments": sorted({item.driver.rpartition(".")[2] for item in content.instruments.values()}),
            }
        )
    return found


def recent_runs(root: str, most: int) -> list[dict[str, Any]]:
    """Summarise the newest runs.

    Parameters
    ----------
    root : str
        Data root.
    most : int
        How many at most.

    Returns
    -------
    list of dict
        As :meth:`labctl.store.reader.Run.summary`, newest first; files that cannot be read are left out.
    """
    found: list[dict[str, Any]] = []
    for path in _newest(Path(root)):
        summary = _summary(path)
        if summary is not None:
            found.append(summary)
        if len(found) == most:
            break
    return found


def running(root: str) -> list[dict[str, Any]]:
    """Find the runs that are under way: their files have a log of SQLite beside them.

    Parameters
    ----------
    root : str
        Data root.

    Returns
    -------
    list of dict
        ``run_id``, ``path``, ``procedure``, ``station``, ``simulated``, newest first.
    """
    from labctl.errors import StoreError
    from labctl.store.reader import Run
    from labctl.store.schema import SUFFIX
    from labctl.store.spool import spool_of

    logs = [log for folder in (Path(root), spool_of(Path(root))) for log in folder.glob(f"*{SUFFIX}-wal")]
    found = []
    for log in sorted(logs, key=lambda log: log.name, reverse=True):
        try:
            run = Run(log.with_name(log.name.removesuffix("-wal")))
            status = run.status
        except StoreError:
            # damaged, or just sealed and moved: either way it does not run
            continue
        if status == "running":
            facts = {key: run.header[key] for key in ("procedure", "station", "simulated")}
            found.append({"run_id": run.run_id, "path": str(run.path), **facts})
    return found


def _newest(root: Path) -> list[Path]:
    from labctl.store.schema import SUFFIX
    from labctl.store.spool import spool_of

    found = {path.name: path for folder in (root, spool_of(root)) for path in folder.glob(f"*{SUFFIX}")}
    return [found[name] for name in sorted(found, reverse=True)[:_NEWEST]]


def _summary(path: Path) -> dict[str, Any] | None:
    from labctl.errors import StoreError
    from labctl.store.reader import Run

    try:
        return Run(path).summary()
    except StoreError:
        # the run browser shows damaged files and says why
        return None


ANSWERS = {"stations": stations, "recent_runs": recent_runs, "running": running}
