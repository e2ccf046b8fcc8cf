"""Maps of a die as plain values: for the cache of an index, and for the way from one process to another.

Not here: the maps (:mod:`labctl.analysis.die_maps`).
"""

import base64
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from labctl.analysis.die_maps import DieMaps

__all__ = ["has_cell", "pack_maps", "unpack_maps"]


def pack_maps(maps: DieMaps) -> dict[str, Any]:
    """Turn maps into values that JSON knows; only cells that have something take room.

    Parameters
    ----------
    maps : DieMaps

    Returns
    -------
    dict
    """
    arrays = maps.arrays()
    cells = np.flatnonzero(np.isfinite(maps.touched_utc_s) | maps.judged)
    records = np.empty(cells.size, dtype=_kind(arrays))
    records["cell"] = cells
    for name, values in arrays.items():
        records[name] = values.flat[cells]
    return {
        "rows": maps.rows,
        "columns": maps.columns,
        "cells": base64.b64encode(zlib.compress(records.tobytes(), 1)).decode("ascii"),
        "reasons": [[*cell, reason] for cell, reason in maps.reasons.items()],
        "formed_above_s": None if np.isnan(maps.formed_above_s) else maps.formed_above_s,
    }


def unpack_maps(packed: Mapping[str, Any]) -> DieMaps:
    """Return the maps again.

    Parameters
    ----------
    packed : mapping
        As :func:`pack_maps` gave it.

    Returns
    -------
    DieMaps
    """
    maps = DieMaps(packed["rows"], packed["columns"])
    arrays = maps.arrays()
    records = _records(packed, arrays)
    for name, values in arrays.items():
        values.flat[records["cell"]] = records[name]
    maps.reasons.update({(row, column): reason for row, column, reason in packed["reasons"]})
    if packed["formed_above_s"] is not None:
        maps.formed_above_s = packed["formed_above_s"]
    return maps


def has_cell(packed: Mapping[str, Any], cell: tuple[int, int]) -> bool:
    """Tell whether a row of the packed maps' runs was about a cell.

    Parameters
    ----------
    packed : mapping
        As :func:`pack_maps` gave it.
    cell : (int, int)
        Row and column.

    Returns
    -------
    bool
    """
    records = _records(packed, DieMaps(1, 1).arrays())
    return bool((records["cell"] == cell[0] * packed["columns"] + cell[1]).any())


def _kind(arrays: Mapping[str, np.ndarray[Any, Any]]) -> list[tuple[str, str]]:
    # one order of bytes, whoever wrote it
    return [("cell", "<i8"), *((name, values.dtype.newbyteorder("<").str) for name, values in arrays.items())]


def _records(packed: Mapping[str, Any], arrays: Mapping[str, np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    return np.frombuffer(zlib.decompress(base64.b64decode(packed["cells"])), dtype=_kind(arrays))
