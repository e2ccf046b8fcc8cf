"""The data root: where run files lie, which there are, and which one a reference means.

Not here: what is in a run file (:mod:`labctl.store.reader`).
"""

import os
from importlib import resources
from pathlib import Path
from typing import Any

from labctl.errors import StoreError
from labctl.home import labctl_home
from labctl.store.reader import Run
from labctl.store.schema import SUFFIX
from labctl.store.spool import spool_of

__all__ = ["data_root", "find_run", "list_runs", "open_run"]

_SAMPLE = "sample:"
_STAMP_LENGTH = len("20260131-235959")


def data_root(argument: Path | str | None = None) -> Path:
    """Choose the folder of run files: the argument, else ``LABCTL_DATA_ROOT``, else ``runs`` in the per-user folder.

    Parameters
    ----------
    argument : path-like, optional

    Returns
    -------
    Path
        Absolute; it need not exist yet.

    Raises
    ------
    StoreError
        If something that is no folder has this name.
    """
    chosen = argument or os.environ.get("LABCTL_DATA_ROOT")
    root = Path(chosen).expanduser().absolute() if chosen else labctl_home() / "runs"
    if root.exists() and not root.is_dir():
        raise StoreError(f"{root}: the data root must be a folder, this is a file; choose another with -o")
    return root


def open_run(reference: Path | str, root: Path | str | None = None) -> Run:
    """Open a run for reading.

    Parameters
    ----------
    reference : str or Path
        ``"latest"``, the path of a run file, an id, the beginning of an id that no other run shares, or one of the
        packaged sample runs, such as ``"sample:sweep_iv"``.
    root : path-like, optional
        The data root, as :func:`data_root` takes it.

    Returns
    -------
    Run

    Raises
    ------
    StoreError
        If nothing or more than one run is meant, or the file is damaged.
    """
    text = str(reference)
    return Run(_sample(text.removeprefix(_SAMPLE)) if text.startswith(_SAMPLE) else find_run(reference, root))


def find_run(reference: Path | str, root: Path | str | None = None) -> Path:
    """Find the file of a run, which may be damaged.

    Parameters
    ----------
    reference : str or Path
        As :func:`open_run` takes it; ``"latest"`` is the newest that can be read.
    root : path-like, optional
        The data root, as :func:`data_root` takes it.

    Returns
    -------
    Path

    Raises
    ------
    StoreError
        If nothing or more than one run is meant.
    """
    text = str(reference)
    if isinstance(reference, Path) or os.sep in text or "/" in text or text.endswith(SUFFIX):
        try:
            return Path(reference).expanduser()
        except RuntimeError as error:  # "~nobody/"
            raise StoreError(f"run {text!r}: {error}") from error
    folder = data_root(root)
    files = _run_files(folder)
    if text == "latest":
        return _latest(files, folder).path
    exact = [file for file in files if _run_id(file) == text]
    found = exact or [file for file in files if text and _run_id(file).startswith(text)]
    if len(found) == 1:
        return found[0]
    newest = ", ".join(_run_id(file) for file in (found or files)[:3]) or "none"
    if found:
        raise StoreError(f"run {text!r} means {len(found)} runs in {folder}: {newest} …; give more of the id")
    raise StoreError(f"run {text!r}: no such run in {folder}; the newest are: {newest}")


def list_runs(root: Path | str | None = None) -> list[dict[str, Any]]:
    """Summarise the runs of a data root, newest first.

    Parameters
    ----------
    root : path-like, optional
        The data root, as :func:`data_root` takes it.

    Returns
    -------
    list of dict
        As :meth:`Run.summary`; a file that cannot be read has status "damaged" and None where nothing is known.
    """
    return sorted(map(_summary, _run_files(data_root(root))), key=_age, reverse=True)


def _sample(name: str) -> Path:
    folder = Path(str(resources.files("labctl_data"))) / "runs"
    known = {_run_id(file): file for file in sorted(folder.glob(f"*{SUFFIX}"))}
    if name not in known:
        raise StoreError(f"run 'sample:{name}': there is no such sample run; there are {', '.join(known)}")
    return known[name]


def _summary(file: Path) -> dict[str, Any]:
    try:
        return Run(file).summary()
    except StoreError as error:
        unknown = ["procedure", "station", "simulated", "started_utc", "wall_time_s", "instrument_time_s"]
        unknown += ["points", "segments", "in_doubt"]
        return {
            "run_id": _run_id(file),
            "status": "damaged",
            **dict.fromkeys(unknown),
            "parameters": {},
            "results": {},
            "error": str(error),
            "path": str(file),
        }


def _latest(files: list[Path], folder: Path) -> Run:
    """Return the newest readable run; names tell seconds, headers microseconds."""
    newest: list[Run] = []
    stamp = ""
    for file in files:
        if newest and file.name[:_STAMP_LENGTH] != stamp:
            break
        try:
            newest.append(Run(file))
            stamp = file.name[:_STAMP_LENGTH]
        except StoreError:
            continue
    if not newest and files:
        raise StoreError(f"{folder}: none of the {len(files)} run files here can be read; see `labctl verify --all`")
    if not newest:
        raise StoreError(f"{folder}: there is no run here yet; make one with `labctl run`, or name another data root")
    return max(newest, key=lambda run: str(run.header["started_utc"]))


def _run_files(folder: Path) -> list[Path]:
    # a run of a data root that is not local grows in the spool; one that is being resumed is in both
    found = {file.name: file for place in (folder, spool_of(folder)) for file in place.glob(f"*{SUFFIX}")}
    return [found[name] for name in sorted(found, reverse=True)]


def _run_id(file: Path) -> str:
    return file.name.removesuffix(SUFFIX)


def _age(summary: dict[str, Any]) -> tuple[str, str]:
    return str(summary["run_id"])[:_STAMP_LENGTH], str(summary["started_utc"] or "")
