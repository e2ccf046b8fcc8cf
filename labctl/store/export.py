"""A run in another format: CSV here; Parquet, HDF5 and netCDF in their own files. Not here: reading run files.

The CSV is that of RFC 4180 (CRLF, quotes doubled) between two blocks of ``#`` lines: before the header line the
provenance, one ``# key: JSON`` a line; after the data ``# END rows=N sha256=...``, the digest of all bytes before it.
Numbers are written in the shortest form that reads back to the bit, "no value" as an empty cell, text always quoted.
A text that a spreadsheet would take for a formula gets one leading apostrophe, and so does one that begins with one.
"""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from labctl.errors import StoreError
from labctl.store.columns import Cell
from labctl.store.reader import Run

__all__ = ["export", "provenance"]

SUFFIXES = {"csv": ".csv", "parquet": ".parquet", "hdf5": ".h5", "netcdf": ".nc"}
_NOT_A_FORMULA = "'"
_GUARDED = ("=", "+", "-", "@", "\t", "\r", _NOT_A_FORMULA)


def export(run: Run, to: str, path: Path | str | None = None) -> Path:
    """Write a run to another format.

    Parameters
    ----------
    run : Run
    to : str
        ``"csv"`` or ``"parquet"`` (the points, with provenance), ``"hdf5"`` or ``"netcdf"`` (points, arrays,
        events, provenance).
    path : path-like, optional
        File to write, or a folder for it; left out, the working folder.

    Returns
    -------
    Path
        The file that was written; it appears only when it is whole.

    Raises
    ------
    StoreError
        If the format is unknown, the file exists, or it cannot be written.
    """
    if to not in SUFFIXES:
        raise StoreError(f"export: unknown format {to!r}; choose one of {', '.join(SUFFIXES)}")
    target = Path(path).expanduser() if path is not None else Path.cwd()
    if target.is_dir():
        target = target / f"{run.run_id}{SUFFIXES[to]}"
    if target.exists():
        raise StoreError(f"export: {target} exists already; choose another name with -o or remove it first")
    part = target.with_name(target.name + ".part")
    try:
        with run:
            _writer(to)(run, part)
        os.replace(part, target)
    except (OSError, ValueError, TypeError) as error:  # what the format does not take, such as a NUL, or bytes
        raise StoreError(f"export: {target} cannot be written: {error}; choose another place with -o") from error
    finally:
        part.unlink(missing_ok=True)
    return target


def provenance(run: Run) -> dict[str, Any]:
    """Collect what an export says about where its numbers come from.

    Parameters
    ----------
    run : Run

    Returns
    -------
    dict
        The summary, the header, the instruments, and the column labels with their units; plain values only.
    """
    return {
        **run.summary(),
        **run.header,
        "instruments": run.instruments,
        "units": {column.name: column.unit for column in run.columns if column.unit},
    }


def _writer(to: str) -> Callable[[Run, Path], None]:
    """Import what the format needs, and only that."""
    if to == "parquet":
        from labctl.store.export_parquet import write_parquet

        return write_parquet
    if to == "hdf5":
        from labctl.store.export_hdf5 import write_hdf5

        return write_hdf5
    if to == "netcdf":
        from labctl.store.export_netcdf import write_netcdf

        return write_netcdf
    return _write_csv


def _write_csv(run: Run, path: Path) -> None:
    digest = hashlib.sha256()
    with path.open("wb") as file:

        def put(line: str) -> None:
            data = (line + "\r\n").encode("utf-8")
            digest.update(data)
            file.write(data)

        for key, value in provenance(run).items():
            put(f"# {json.dumps(str(key))[1:-1]}: {json.dumps(value)}")
        put(",".join(_text(column.name) for column in run.columns))
        rows = run.rows()
        for row in rows:
            put(",".join(map(_cell, row)))
        file.write(f"# END rows={len(rows)} sha256={digest.hexdigest()}\r\n".encode())
        file.flush()
        os.fsync(file.fileno())


def _cell(value: Cell) -> str:
    if value is None:
        return ""
    return _text(value) if isinstance(value, str) else repr(value)


def _text(value: str) -> str:
    guard = _NOT_A_FORMULA if value.startswith(_GUARDED) else ""
    return '"' + guard + value.replace('"', '""') + '"'
