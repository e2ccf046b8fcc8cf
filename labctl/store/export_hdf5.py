"""A whole run as HDF5: points, arrays, events, provenance. Not here: the other formats (:mod:`labctl.store.export`)."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from labctl.store.columns import Cell, Kind, kind_of
from labctl.store.export import provenance
from labctl.store.reader import Run

__all__ = ["write_hdf5"]

_NULL = "<null>"


def write_hdf5(run: Run, path: Path) -> None:
    """Write the run.

    ``/points`` holds one dataset per column (attributes ``name``, ``units``, and for text ``null``: the text that
    stands for "no value", ``encoding``: "json" where numbers and text are mixed), ``/arrays`` one per array (dimensions
    labelled, attribute ``units``), ``/events`` and ``/provenance`` are JSON. A slash in a label becomes " per ".

    Parameters
    ----------
    run : Run
    path : Path
        Replaced if it exists.
    """
    rows = run.rows()
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(run.columns)
    with h5py.File(path, "w") as file:
        facts = provenance(run)
        for key in ("run_id", "procedure", "station", "status", "started_utc"):
            file.attrs[key] = facts[key]
        file.attrs["simulated"] = bool(facts["simulated"])
        _write_text(file, "provenance", [json.dumps(facts)])
        _write_text(file, "events", [run.events().to_json(orient="records", double_precision=15)])
        points = file.create_group("points")
        for column, cells in zip(run.columns, columns, strict=False):
            dataset = _write_column(points, _label(points, column.name), cells, column.unit)
            dataset.attrs["name"], dataset.attrs["units"] = column.name, column.unit or ""
        arrays = file.create_group("arrays")
        for name, array in run.arrays().variables.items():
            label = _label(arrays, str(name))
            if array.dtype.kind == "U":
                dataset = _write_text(arrays, label, array.to_numpy().tolist())
            else:
                dataset = arrays.create_dataset(label, data=array.to_numpy())
            dataset.attrs["name"], dataset.attrs["units"] = str(name), array.attrs["units"]
            for axis, dim in enumerate(array.dims):
                dataset.dims[axis].label = str(dim)


def _label(group: Any, name: str) -> str:
    """Turn a name into one that HDF5 takes and that is new to the group; the attribute keeps the name itself."""
    label = name.replace("/", " per ").replace("\0", "").strip(".") or "_"
    while label in group:
        label += "_"
    return label


def _write_column(group: Any, name: str, cells: Sequence[Cell], unit: str | None) -> Any:
    kind = kind_of(cells, unit)
    if kind is Kind.FLOAT:
        return group.create_dataset(name, data=np.array(cells, dtype=float))
    if kind is Kind.INT:
        return group.create_dataset(name, data=np.array(cells, dtype=np.int64))
    mixed = kind is Kind.MIXED
    null = _NULL
    while null in cells:
        null += ">"
    texts = [null if cell is None else json.dumps(cell) if mixed else str(cell) for cell in cells]
    dataset = _write_text(group, name, texts)
    dataset.attrs["null"], dataset.attrs["encoding"] = null, "json" if mixed else ""
    return dataset


def _write_text(group: Any, name: str, texts: Sequence[Any]) -> Any:
    return group.create_dataset(name, data=np.array(texts, dtype=object), dtype=h5py.string_dtype("utf-8"))
