"""Loading MNIST over the network: whole files with the right checksum, or none.

Not here: reading them (:mod:`labctl.networks.images`).
"""

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from urllib.request import urlopen

from labctl.errors import RunError
from labctl.networks.images import DATA_VARIABLE, MNIST_FILES

__all__ = ["MIRROR", "MNIST_MD5", "fetch_mnist"]

# the public mirror that torchvision takes MNIST from, with its checksums
MIRROR = "https://ossci-datasets.s3.amazonaws.com/mnist/"
MNIST_MD5 = dict(
    zip(
        MNIST_FILES,
        (
            "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "d53e105ee54ea40749a09fcbcd1e9432",
            "9fb629c4189551a2d022fa330f9573f3",
            "ec29112dd5afa0611ce80d1b7f02629c",
        ),
        strict=True,
    )
)
_AT_ONCE = 1 << 16
_PATIENCE_S = 30.0


def fetch_mnist(folder: Path, *, report: Callable[[str, int, int | None], None], mirror: str = MIRROR) -> list[Path]:
    """Load the four files of MNIST that are not there yet, or damaged.

    Parameters
    ----------
    folder : Path
        Where they go; made if it is not there. A file appears in it when it is whole and has its checksum.
    report : callable
        Told name, bytes that are there and bytes in all (None where the mirror does not say).
    mirror : str
        Address of the folder that has them.

    Returns
    -------
    list of Path
        All four.

    Raises
    ------
    RunError
        If the mirror cannot be reached, a checksum is wrong, or the folder cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [_fetched(folder / name, mirror + name, report) for name in MNIST_FILES]
    except OSError as error:
        # the errors of urllib are OSErrors too; those of a folder have its name
        if error.filename is not None and not str(error.filename).startswith(mirror):
            raise RunError(f"{folder}: cannot be written to ({error}); choose another with --to") from error
        raise RunError(_unreachable(mirror, error)) from error
    except HTTPException as error:
        raise RunError(_unreachable(mirror, error)) from error


def _unreachable(mirror: str, error: Exception) -> str:
    return (
        f"{mirror}: cannot be reached ({getattr(error, 'reason', None) or error}); where there is no network, bring "
        f"{', '.join(MNIST_FILES)} into a folder and give it with --data or {DATA_VARIABLE}; the set 'digits' needs no "
        "files"
    )


def _fetched(path: Path, address: str, report: Callable[[str, int, int | None], None]) -> Path:
    if path.is_file() and hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() == MNIST_MD5[path.name]:
        report(path.name, path.stat().st_size, path.stat().st_size)
        return path
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        found = _load(part, address, lambda done, total: report(path.name, done, total))
        if found != MNIST_MD5[path.name]:
            raise RunError(
                f"{address}: the MD5 of what was loaded is {found}, it must be {MNIST_MD5[path.name]}; nothing was "
                "kept, try again or bring the file from elsewhere"
            )
        part.replace(path)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    return path


def _load(part: Path, address: str, report: Callable[[int, int | None], None]) -> str:
    """Write what lies at an address into a file; return its MD5."""
    checksum, done = hashlib.md5(usedforsecurity=False), 0
    with urlopen(address, timeout=_PATIENCE_S) as answer, part.open("wb") as stream:  # noqa: S310 - address is ours
        length = answer.headers.get("Content-Length")
        while piece := answer.read(_AT_ONCE):
            stream.write(piece)
            checksum.update(piece)
            done += len(piece)
            report(done, int(length) if length else None)
    return checksum.hexdigest()
