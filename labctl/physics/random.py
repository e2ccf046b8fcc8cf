"""Counter-based random numbers: every draw is a pure function of seed, stream, cell, event and lane.

A result depends neither on the order of the draws nor on the shape of an array nor on how work is cut into pieces.
The generator is Philox-4x32 with 10 rounds [1]_; a normal comes from two of its words (Box and Muller). Not here: the
compiled twin of these functions (:mod:`labctl.physics.kernels`), which draws the same numbers.

References
----------
.. [1] J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC'11 (2011),
   doi:10.1145/2063384.2063405.
"""

from enum import IntEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Stream", "cell_ids", "normals", "philox4x32", "uniforms"]

_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL = (np.uint64(0x9E3779B9), np.uint64(0xBB67AE85))
_MASK = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)
_ROUNDS = 10


class Stream(IntEnum):
    """What a number is drawn for; numbers of different streams are independent. Values are part of stored dies."""

    DEVICE_GAIN = 1
    DEVICE_THRESHOLD = 2
    VIRGIN_CONDUCTANCE = 3
    FORMING_VOLTAGE = 4
    FORMING_LIFE = 5
    STUCK = 6
    STUCK_KIND = 7
    CYCLE = 8
    NOISE = 9
    RELAXATION = 10
    NOTCH = 11
    DEPINNING = 12
    FLIGHT = 13
    ECRAM_DEVICE = 14
    ECRAM_CYCLE = 15
    RELAXATION_CLOCK = 16
    FILAMENT_DEVICE = 17
    FILAMENT_CYCLE = 18
    DATA_DRIVEN_DEVICE = 19
    DATA_DRIVEN_CYCLE = 20
    RESTING_LIFE = 21
    RESTING_SIDE = 22
    TRAP = 23
    TRAP_JUMP = 24
    WEAR_LIFE = 25
    PULSE_TABLE_DEVICE = 26
    PULSE_TABLE_CYCLE = 27


def cell_ids(rows: int, columns: int) -> NDArray[np.int64]:
    """Return the number of every cell: the same cell has the same number in arrays of every shape.

    Parameters
    ----------
    rows, columns : int
        Size of the array, at most 65536 each.

    Returns
    -------
    ndarray, shape (rows, columns), unit 1
        ``row * 65536 + column``.

    Raises
    ------
    ValueError
        If a size is not 1 to 65536.
    """
    if not (1 <= rows <= 65536 and 1 <= columns <= 65536):
        raise ValueError(f"an array must have 1 to 65536 rows and columns, got {rows} x {columns}")
    return np.arange(rows)[:, np.newaxis] * 65536 + np.arange(columns)


def philox4x32(counter: ArrayLike, key: ArrayLike) -> NDArray[np.uint32]:
    """Encrypt counters.

    Parameters
    ----------
    counter : array_like, shape (4, ...), unit 1
        Four 32-bit words.
    key : array_like, shape (2, ...), unit 1
        Two 32-bit words.

    Returns
    -------
    ndarray, shape (4, ...), unit 1
        Four random 32-bit words.
    """
    c0, c1, c2, c3 = np.asarray(counter, dtype=np.uint64)
    k0, k1 = np.asarray(key, dtype=np.uint64)
    for _ in range(_ROUNDS):
        first, second = _MULTIPLIERS[0] * c0, _MULTIPLIERS[1] * c2
        c0, c1, c2, c3 = (second >> _SHIFT) ^ c1 ^ k0, second & _MASK, (first >> _SHIFT) ^ c3 ^ k1, first & _MASK
        k0, k1 = (k0 + _WEYL[0]) & _MASK, (k1 + _WEYL[1]) & _MASK
    return np.stack(np.broadcast_arrays(c0, c1, c2, c3)).astype(np.uint32)


def uniforms(
    seed: int, stream: Stream, cell: ArrayLike, event: ArrayLike = 0, lane: ArrayLike = 0
) -> NDArray[np.float64]:
    """Draw uniform numbers.

    Parameters
    ----------
    seed : int
        0 to 2**64 - 1.
    stream : Stream
        What the numbers are for.
    cell, event, lane : array_like of int, broadcast together
        Which cell, its how-manieth draw, and which of several draws of that event.

    Returns
    -------
    ndarray, broadcast shape, unit 1
        Numbers above 0 and below 1.

    Raises
    ------
    ValueError
        If the seed is out of range.
    """
    return _unit(_words(seed, stream, cell, event, lane)[0])


def normals(
    seed: int, stream: Stream, cell: ArrayLike, event: ArrayLike = 0, lane: ArrayLike = 0
) -> NDArray[np.float64]:
    """Draw standard normal numbers; the arguments are those of :func:`uniforms`.

    Parameters
    ----------
    seed : int
        0 to 2**64 - 1.
    stream : Stream
        What the numbers are for.
    cell, event, lane : array_like of int, broadcast together
        Which cell, its how-manieth draw, and which of several draws of that event.

    Returns
    -------
    ndarray, broadcast shape, unit 1
        Numbers of mean 0 and variance 1.

    Raises
    ------
    ValueError
        If the seed is out of range.
    """
    words = _words(seed, stream, cell, event, lane)
    radius = np.sqrt(-2.0 * np.log(_unit(words[0])))
    return np.asarray(radius * np.cos(2.0 * np.pi * _unit(words[1])))


def _words(seed: int, stream: Stream, cell: ArrayLike, event: ArrayLike, lane: ArrayLike) -> NDArray[np.uint32]:
    if not 0 <= seed < 2**64:
        raise ValueError(f"a seed must be 0 to 2**64 - 1, got {seed}")
    counter = np.broadcast_arrays(event, lane, cell, int(stream))
    return philox4x32(
        np.stack([np.asarray(word, dtype=np.uint64) for word in counter]), [seed & 0xFFFFFFFF, seed >> 32]
    )


def _unit(words: NDArray[np.uint32]) -> NDArray[np.float64]:
    return np.asarray((words + 0.5) * 2.0**-32)
