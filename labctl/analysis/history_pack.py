"""Rows of a cell's history as plain values, for the way from one process to another.

Not here: the history (:mod:`labctl.analysis.cell_history`).
"""

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from labctl.analysis.cell_history import CellHistory

__all__ = ["HISTORY_NUMBERS", "HISTORY_TEXTS", "pack_history", "unpack_history"]

HISTORY_NUMBERS = ("seq", "utc_s", "Voltage (V)", "Width (s)", "Current (A)", "Conductance (S)")
HISTORY_TEXTS = ("Event", "Flags")


def pack_history(history: CellHistory) -> dict[str, Any]:
    """Turn rows into values that JSON knows and that are quickly read.

    Parameters
    ----------
    history : CellHistory

    Returns
    -------
    dict
    """
    columns = {"seq": history.seqs, "utc_s": history.utc_s, **history.columns}
    numbers = np.array([columns[name] for name in HISTORY_NUMBERS], dtype="<f8")
    packed: dict[str, Any] = {"numbers": base64.b64encode(numbers.tobytes()).decode("ascii")}
    for name in HISTORY_TEXTS:
        texts = [value if isinstance(value, str) else "" for value in columns[name]]
        words = sorted(set(texts))
        place = {word: number for number, word in enumerate(words)}
        codes = np.array([place[text] for text in texts], dtype="<i4")
        packed[name] = [words, base64.b64encode(codes.tobytes()).decode("ascii")]
    return packed


def unpack_history(packed: Mapping[str, Any]) -> dict[str, npt.NDArray[Any]]:
    """Return the rows again.

    Parameters
    ----------
    packed : mapping
        As :func:`pack_history` gave it.

    Returns
    -------
    dict of str to ndarray, shape (rows,)
        :data:`HISTORY_NUMBERS` in the units of their labels, ``utc_s`` in seconds since 1970, NaN where there is no
        value; :data:`HISTORY_TEXTS`, empty where there is none.
    """
    numbers = np.frombuffer(base64.b64decode(packed["numbers"]), dtype="<f8").reshape(len(HISTORY_NUMBERS), -1)
    found: dict[str, npt.NDArray[Any]] = dict(zip(HISTORY_NUMBERS, numbers, strict=True))
    for name in HISTORY_TEXTS:
        words, codes = packed[name]
        found[name] = np.array([*words, ""], dtype=object)[np.frombuffer(base64.b64decode(codes), dtype="<i4")]
    return found
