"""Arrays as they lie in a run file: little-endian, deflated, with a CRC-32; unpacked only into the declared size.

Not here: the table that they are in (:mod:`labctl.store.schema`).
"""

import json
import math
import re
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labctl.errors import StoreError

__all__ = ["packed", "unpacked"]

_KINDS = "biufU"
_DTYPE = re.compile(r"[<|](b1|[iu][1248]|f(2|4|8|16)|U[1-9][0-9]{0,7})")
_LIMIT_BYTES = 2**31
# zlib: "the limiting factor is 1032:1"; a stream cannot hold more
_LIMIT_RATIO = 1032
_DIMENSIONS = 32


def packed(name: str, data: ArrayLike, dims: Sequence[str]) -> tuple[tuple[int, ...], str, bytes, int]:
    """Pack an array.

    Parameters
    ----------
    name : str
        For messages.
    data : array_like, shape as ``dims`` names it
        Floats, integers, booleans or text.
    dims : sequence of str

    Returns
    -------
    tuple of tuple, str, bytes and int
        Shape, type, deflated bytes, and the CRC-32 of the bytes before they were deflated.

    Raises
    ------
    StoreError
        If the array is of another kind, its dimensions are not named one by one, or it is larger than 2 GiB.
    """
    values = np.asarray(data)
    if values.dtype.kind not in _KINDS:
        raise StoreError(f"array {name!r}: must hold real numbers, booleans or text, got {values.dtype}")
    if len(dims) != values.ndim or len(set(dims)) != len(dims):
        raise StoreError(f"array {name!r}: needs {values.ndim} different names of dimensions, got {list(dims)}")
    if values.nbytes > _LIMIT_BYTES:
        raise StoreError(f"array {name!r}: must not be larger than {_LIMIT_BYTES} bytes, got {values.nbytes}; split it")
    dtype = values.dtype.newbyteorder("<")
    stored = np.ascontiguousarray(values.astype(dtype)).tobytes()
    return values.shape, dtype.str, zlib.compress(stored, 6), zlib.crc32(stored)


def unpacked(name: str, shape_json: str, dtype: str, blob: bytes, crc32: int) -> NDArray[np.generic]:
    """Unpack an array; nothing is inflated before its declared size is known to be possible.

    Parameters
    ----------
    name : str
        For messages.
    shape_json, dtype, blob, crc32
        As :func:`packed` gives them, the shape as JSON.

    Returns
    -------
    ndarray

    Raises
    ------
    StoreError
        If any of them is damaged.
    """
    try:
        shape = json.loads(shape_json)
    except (ValueError, TypeError, RecursionError) as error:
        raise StoreError(f"array {name!r} is damaged: shape {shape_json!r}: {error}") from error
    if not _is_shape(shape) or not _DTYPE.fullmatch(str(dtype)) or not isinstance(blob, bytes):
        raise StoreError(f"array {name!r} is damaged: shape {shape_json!r}, type {dtype!r} cannot be")
    kind = np.dtype(dtype)
    size = math.prod(shape) * kind.itemsize
    if size > min(_LIMIT_BYTES, _LIMIT_RATIO * len(blob)):
        raise StoreError(f"array {name!r} is damaged: {len(blob)} bytes cannot hold the {size} that it declares")
    inflater = zlib.decompressobj()
    try:
        # a limit of 0 would mean none
        raw = inflater.decompress(blob, size + 1)
    except zlib.error as error:
        raise StoreError(f"array {name!r} is damaged: {error}") from error
    if len(raw) != size or not inflater.eof or zlib.crc32(raw) != crc32:
        raise StoreError(f"array {name!r} is damaged: its checksum is wrong")
    values: NDArray[np.generic] = np.frombuffer(raw, dtype=kind).reshape(shape).copy()
    return values


def _is_shape(shape: object) -> bool:
    return (
        isinstance(shape, list)
        and len(shape) <= _DIMENSIONS
        and all(type(length) is int and 0 <= length < _LIMIT_BYTES for length in shape)
    )
