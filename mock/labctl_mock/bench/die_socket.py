"""Which die is in the socket of a bench, with which seed, and in which file it is remembered.

A die with a name is another one of the same technology: its seed comes from that of the bench and the name, so that a
name always means the same die. Each has a file of its own beside the others. Not here: the files
(:mod:`labctl_mock.bench.die_store`), what changes the die while the bench is on (:mod:`labctl_mock.bench.bench`).
"""

import zlib
from dataclasses import dataclass
from pathlib import Path

from labctl.errors import StationError
from labctl_mock.bench.bench_file import BenchFile
from labctl_mock.bench.die_store import DieIdentity
from labctl_mock.bench.overrides import Overrides

__all__ = ["DieSocket", "remove_dies"]

_FILE = "die.npz"
_LONGEST_NAME = 40


@dataclass(frozen=True, slots=True)
class DieSocket:
    """The die in the socket.

    Attributes
    ----------
    bench_seed : int
        Of the instruments and wires, whatever die is in.
    seed : int
        Of the die.
    identity : DieIdentity
    path : Path
        Where it is remembered.
    """

    bench_seed: int
    seed: int
    identity: DieIdentity
    path: Path

    @classmethod
    def of(cls, file: BenchFile, folder: Path, overrides: Overrides) -> "DieSocket":
        """Tell which die a bench has.

        Parameters
        ----------
        file : BenchFile
        folder : Path
            Of the bench's state.
        overrides : Overrides

        Returns
        -------
        DieSocket

        Raises
        ------
        StationError
            If the name of the die is none.
        """
        bench_seed = seed = file.seed if overrides.seed is None else overrides.seed
        path = folder / _FILE
        if overrides.die is not None:
            # a file system may not tell capitals apart, so names do not either
            name = overrides.die.casefold()
            plain = name.replace("-", "").replace("_", "")
            if not (plain.isascii() and plain.isalnum() and len(name) <= _LONGEST_NAME):
                raise StationError(
                    f"bench {file.name}: a die's name must be at most {_LONGEST_NAME} letters, digits, '-' and '_', "
                    f"got {overrides.die!r}"
                )
            seed = (seed * 1_000_003 + zlib.crc32(name.encode())) % 2**63
            path = folder / f"die-{name}.npz"
        die = file.die
        identity = DieIdentity(file.name, die.device, die.rows, die.columns, seed, parts=die.parts or "")
        return cls(bench_seed, seed, identity, path)


def remove_dies(folder: Path) -> None:
    """Throw every die of a bench away.

    Parameters
    ----------
    folder : Path
        Of the bench's state.

    Raises
    ------
    OSError
        If a file cannot be removed.
    """
    for path in (folder / _FILE, *folder.glob("die-*.npz")):
        path.unlink(missing_ok=True)
