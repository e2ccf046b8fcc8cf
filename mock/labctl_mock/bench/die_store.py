"""The state of a die on disk: one ``die.npz`` beside the lock, replaced in one step, never unpickled.

Not here: what the arrays mean (:mod:`labctl.physics.die`) and who may write them (:mod:`labctl_mock.bench.lock`).
"""

import json
import os
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


@dataclass(frozen=True, slots=True)
class DieIdentity:
    """What makes two dies the same one: bench, device preset, size and seed."""

    bench: str
    device: str
    rows: int
    columns: int
    seed: int


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
        # opened here, because np.load leaves a file that it does not understand open
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        header = json.loads(str(arrays.pop(_HEADER)))
        schema = header.pop("schema")
        time_s = float(header.pop("time_s"))
        found = DieIdentity(**header) if schema == _SCHEMA else None
    except (
        OSError,
        EOFError,
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
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
