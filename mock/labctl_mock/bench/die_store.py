"""The state of a die on disk: one ``die.npz`` beside the lock, replaced in one step, never unpickled.

Not here: what the arrays mean (:mod:`labctl.physics.die`) and who may write them (:mod:`labctl_mock.bench.lock`).
"""

import io
import json
import math
import os
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from labctl.errors import StationError

__all__ = ["DieIdentity", "StoredDie", "load_die", "save_die"]

_SCHEMA = 1
_HEADER = "labctl_header"
# more than any die needs, unpacked: 128 numbers a cell, and what does not grow with the cells
_CELL_BYTES = 1024
_PLAIN_BYTES = 1 << 20
# what zipfile, NumPy and json say of a file that is not what its name says; RuntimeError: encrypted, or nested too deep
_DAMAGE = (
    OSError,
    EOFError,
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    ArithmeticError,
    MemoryError,
    RuntimeError,
    tokenize.TokenError,
    SyntaxError,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(frozen=True, slots=True)
class DieIdentity:
    """What makes two dies the same one: bench, device preset, size, seed and what else its devices are given."""

    bench: str
    device: str
    rows: int
    columns: int
    seed: int
    parts: str = ""


@dataclass(frozen=True, slots=True)
class StoredDie:
    """A die as it was left.

    Attributes
    ----------
    time_s : float, unit s
        The bench's clock.
    arrays : dict of str to ndarray
        For ``Die.from_arrays`` and the circuit.
    """

    time_s: float
    arrays: dict[str, NDArray[np.generic]]

    def part(self, prefix: str) -> dict[str, NDArray[np.generic]]:
        """Return the arrays whose names begin with a prefix, without it.

        Parameters
        ----------
        prefix : str

        Returns
        -------
        dict of str to ndarray
        """
        return {name.removeprefix(prefix): array for name, array in self.arrays.items() if name.startswith(prefix)}


def save_die(path: Path, identity: DieIdentity, *, time_s: float, arrays: Mapping[str, NDArray[np.generic]]) -> None:
    """Write a die; a reader sees the old file or the new one, never half of one.

    Parameters
    ----------
    path : Path
    identity : DieIdentity
    time_s : float, unit s
        The bench's clock.
    arrays : Mapping of str to ndarray

    Raises
    ------
    StationError
        If the file cannot be written.
    """
    header = json.dumps({"schema": _SCHEMA, "time_s": time_s, **asdict(identity)})
    fresh = path.with_name(path.name + ".new")
    content: dict[str, NDArray[np.generic]] = {_HEADER: np.array(header), **arrays}
    try:
        with fresh.open("wb") as file:
            np.savez(file, **content)  # type: ignore[arg-type]  # NumPy 2.0 has no flag here, the stubs do
            file.flush()
            os.fsync(file.fileno())
        os.replace(fresh, path)
    except OSError as error:
        raise StationError(
            f"{path}: the state of the die cannot be saved: {error.strerror}; free space there or set LABCTL_HOME"
        ) from error


def load_die(path: Path, identity: DieIdentity) -> StoredDie | None:
    """Read a die back.

    Parameters
    ----------
    path : Path
    identity : DieIdentity
        What the bench file says is in the socket.

    Returns
    -------
    StoredDie or None
        None where no die was saved yet.

    Raises
    ------
    StationError
        If the file is damaged, of another schema, or of another die; the remedy is in the message.
    """
    remedy = f"run `labctl bench reset {identity.bench}` for a fresh die"
    if not path.exists():
        return None
    try:
        arrays = _read_arrays(path, most_bytes=_PLAIN_BYTES + _CELL_BYTES * identity.rows * identity.columns)
        header = json.loads(str(arrays.pop(_HEADER)))
        schema = header.pop("schema")
        time_s = float(header.pop("time_s"))
        found = DieIdentity(**header) if schema == _SCHEMA else None
    except _DAMAGE as error:
        raise StationError(f"{path}: the state of the die is damaged ({error}); {remedy}") from error
    if found is None:
        raise StationError(f"{path}: the state of the die must be of schema {_SCHEMA}, got {schema!r}; {remedy}")
    differing = [
        f"{name} {value!r} instead of {wanted!r}"
        for (name, value), wanted in zip(asdict(found).items(), asdict(identity).values(), strict=True)
        if value != wanted
    ]
    if differing:
        raise StationError(f"{path}: this is another die: {', '.join(differing)}; {remedy} or correct the bench file")
    return StoredDie(time_s, arrays)


def _read_arrays(path: Path, most_bytes: int) -> dict[str, NDArray[np.generic]]:
    """Read what ``np.savez`` wrote; no size that a file merely claims is ever allocated."""
    with zipfile.ZipFile(path) as zipped:
        if sum(item.file_size for item in zipped.infolist()) > most_bytes:
            raise ValueError(f"it unpacks to more than {most_bytes} bytes")
        return {item.filename.removesuffix(".npy"): _array(zipped.read(item)) for item in zipped.infolist()}


def _array(data: bytes) -> NDArray[np.generic]:
    stream = io.BytesIO(data)
    version = np.lib.format.read_magic(stream)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read_header(stream)
    if dtype.hasobject or stream.tell() + math.prod(shape) * dtype.itemsize != len(data):
        raise ValueError(f"an array of {dtype} and shape {shape} is not what it says")
    stream.seek(0)
    found: NDArray[np.generic] = np.lib.format.read_array(stream, allow_pickle=False)
    return found
