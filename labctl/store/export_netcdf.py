"""A whole run as netCDF-4, as xarray reads it. Not here: the other formats (:mod:`labctl.store.export`)."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from labctl.store.columns import Cell, Kind, kind_of
from labctl.store.export import provenance
from labctl.store.reader import Run

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["write_netcdf"]

_POINT = "point"


def write_netcdf(run: Run, path: Path) -> None:
    """Write the run.

    Each array is a variable with its dimensions and the attribute ``units``, truth values as 0 and 1. Each column is a
    variable over the dimension ``point`` with the attributes ``long_name`` (the label) and ``units``; "no value" is NaN
    in numbers and "" in text, and numbers mixed with text are JSON (attribute ``encoding``). Provenance and events are
    JSON in global attributes.

    Parameters
    ----------
    run : Run
    path : Path
        Replaced if it exists.
    """
    import xarray as xr

    arrays = run.arrays()
    variables: dict[str, Any] = {}
    for name, array in arrays.variables.items():
        values = array.to_numpy()
        # netCDF has no truth values
        kind = {"U": object, "b": np.uint8}.get(values.dtype.kind, values.dtype)
        data: npt.NDArray[Any] = values.astype(kind)
        attributes = {"units": array.attrs["units"], "long_name": str(name)}
        dims = [_name(str(dim), ()) for dim in array.dims]
        variables[_name(str(name), variables)] = xr.Variable(dims, data, attributes)
    rows = run.rows()
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(run.columns)
    for column, cells in zip(run.columns, columns, strict=False):
        data, encoding = _column(cells, column.unit)
        attributes = {"units": column.unit or "", "long_name": column.name, "encoding": encoding}
        variables[_name(f"{_POINT} {column.name}", variables)] = xr.Variable((_POINT,), data, attributes)
    facts = provenance(run)
    attributes = {key: str(facts[key]) for key in ("run_id", "procedure", "station", "status", "started_utc")}
    attributes["simulated"] = str(bool(facts["simulated"])).lower()
    attributes["provenance"] = json.dumps(facts)
    attributes["events"] = run.events().to_json(orient="records", double_precision=15)
    xr.Dataset(variables, attrs=attributes).to_netcdf(path, engine="h5netcdf")


def _column(cells: "tuple[Cell, ...]", unit: str | None) -> "tuple[npt.NDArray[Any], str]":
    kind = kind_of(cells, unit)
    if kind is Kind.FLOAT:
        return np.array([np.nan if cell is None else cell for cell in cells], dtype=float), ""
    if kind is Kind.INT:
        return np.array(cells, dtype=np.int64), ""
    mixed = kind is Kind.MIXED
    texts = ["" if cell is None else json.dumps(cell) if mixed else str(cell) for cell in cells]
    return np.array(texts, dtype=object), "json" if mixed else ""


def _name(text: str, taken: "dict[str, Any] | tuple[()]") -> str:
    """Turn a label into a name that netCDF takes and that is new: no slash, no NUL, no blank at an end."""
    name = text.replace("/", " per ").replace("\0", "").strip() or "_"
    while name in taken:
        name += "_"
    return name
