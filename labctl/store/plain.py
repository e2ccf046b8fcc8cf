"""Values as JSON: NumPy scalars and arrays, enums, paths and dataclasses become plain ones; nothing is lost silently.

Not here: the rows of points (:mod:`labctl.store.columns`).
"""

import dataclasses
import json
import math
from collections.abc import Mapping, Set
from enum import Enum
from pathlib import PurePath
from typing import Any

import numpy as np

from labctl.errors import StoreError

__all__ = ["plain", "to_json"]


def plain(value: object) -> Any:
    """Turn a value into what JSON knows.

    Parameters
    ----------
    value : object
        NaN and infinities become None: JSON has neither.

    Returns
    -------
    dict, list, str, int, float, bool or None

    Raises
    ------
    StoreError
        If the value has no faithful plain form, such as a complex number.
    """
    if isinstance(value, Enum):
        return plain(value.value)
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, np.ndarray):
        return [plain(item) for item in value.tolist()]
    if isinstance(value, np.generic) and not isinstance(value, np.complexfloating):
        return plain(value.item())
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, Set):
        return sorted(plain(item) for item in value)
    if isinstance(value, PurePath):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return plain(dataclasses.asdict(value))
    raise StoreError(
        f"run file: {value!r} ({type(value).__name__}) has no JSON form; give numbers, text, lists or maps"
    )


def to_json(value: object) -> str:
    """Write a value as JSON.

    Parameters
    ----------
    value : object
        As :func:`plain` takes it.

    Returns
    -------
    str

    Raises
    ------
    StoreError
        If the value has no faithful plain form.
    """
    return json.dumps(plain(value), ensure_ascii=False, allow_nan=False)
