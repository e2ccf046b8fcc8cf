"""The checksum of one row of a run file, written with the row and compared wherever a row must be trusted.

It is the CRC-32 of the table's name, a space, one letter a value (``i`` integer, ``f`` float, ``t`` text, ``b`` bytes,
``n`` no value), then eight bytes a value, little-endian: an integer as signed, a float as IEEE double, no value as
zero, text and bytes as their CRC-32 and their length in bytes (text in UTF-8), each an unsigned 32-bit number. The
values are those of all columns but the checksum itself.
Not here: digests of whole tables (:mod:`labctl.store.seal`).
"""

import struct
import zlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

__all__ = ["RowChecksum"]

_LETTERS: dict[type, str] = {int: "i", float: "f", str: "t", bytes: "b", type(None): "n"}
_FORMATS = {"i": "q", "f": "d", "t": "Q", "b": "Q", "n": "8x"}
_REMEMBERED_TEXTS = 4096


class RowChecksum:
    """Computes checksums of the rows of a table; it remembers what it has learnt of the rows before.

    Parameters
    ----------
    table : str
    """

    def __init__(self, table: str) -> None:
        self._start = zlib.crc32(f"{table} ".encode())
        self._known: dict[tuple[type, ...], tuple[Any, int, bool, tuple[int, ...]]] = {}

    def of(self, row: Sequence[object]) -> int:
        """Return the checksum of a row.

        Parameters
        ----------
        row : sequence of int, float, str, bytes or None
            NaN is not "no value" here; integers fit in 64 bits.

        Returns
        -------
        int
            0 to 2**32 - 1.
        """
        kinds = tuple(map(type, row))
        known = self._known.get(kinds)
        if known is None:
            known = self._known[kinds] = _learn(kinds, self._start)
        pack, start, has_none, marked = known
        # positions are those of what is left without None
        values = [value for value in row if value is not None] if has_none else list(row)
        for place in marked:
            values[place] = _mark_of(values[place])
        return zlib.crc32(pack(*values), start)


@lru_cache(_REMEMBERED_TEXTS)
def _text_mark(text: str) -> int:
    return _mark(text.encode("utf-8"))


def _mark(data: bytes) -> int:
    return zlib.crc32(data) | len(data) << 32


def _mark_of(value: Any) -> int:
    return _text_mark(value) if isinstance(value, str) else _mark(value)


def _learn(kinds: tuple[type, ...], start: int) -> tuple[Any, int, bool, tuple[int, ...]]:
    letters = "".join(_LETTERS[kind] for kind in kinds)
    pack = struct.Struct("<" + "".join(_FORMATS[letter] for letter in letters)).pack
    left = letters.replace("n", "")
    marked = tuple(place for place, letter in enumerate(left) if letter in "tb")
    return pack, zlib.crc32(letters.encode(), start), "n" in letters, marked
