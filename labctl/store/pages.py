"""The rows in the pages of an SQLite file, read without SQLite: what is whole in a damaged file is found all the same.

Source: the SQLite file format, https://www.sqlite.org/fileformat2.html, sections 1.6 (b-tree pages), 2.1 (records) and
4 (write-ahead log). Only leaf pages of tables are read, of files without reserved bytes and with text in UTF-8, as
labctl makes them. A row is only as good as its checksum: nothing here vouches for it.
Not here: choosing good rows (:mod:`labctl.store.recover`).
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from labctl.store.connection import PAGE_BYTES, log_of

__all__ = ["RawRow", "raw_rows"]

RawRow = tuple[int, list[int | float | str | bytes | None]]

_LEAF_OF_TABLE = 0x0D
_FILE_HEADER_BYTES = 100
# section 1.6: the most and the least of a row that lies in its leaf page
_MOST_LOCAL = PAGE_BYTES - 35
_LEAST_LOCAL = (PAGE_BYTES - 12) * 32 // 255 - 23
_LARGEST_ROW_BYTES = 2**30
_INTEGER_BYTES = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}
_LOG_HEADER_BYTES, _FRAME_HEADER_BYTES = 32, 24
_LOG_MAGIC = {0x377F0682: "<", 0x377F0683: ">"}


def raw_rows(path: Path) -> Iterator[RawRow]:
    """Find rows in a file and in the committed part of the log beside it.

    Parameters
    ----------
    path : Path
        An SQLite file, whole or not.

    Yields
    ------
    tuple of int and list
        Row id and values; the same row may come more than once, and some may be rubbish.
    """
    log = log_of(path)
    newer = _committed_frames(log.read_bytes()) if log.is_file() else {}
    with path.open("rb") as file:
        pages = _Pages(file, newer)
        for number in range(1, pages.count + 1):
            yield from _rows_of(pages, number)


class _Pages:
    """Pages by number, the newest version of each."""

    def __init__(self, file: BinaryIO, newer: dict[int, bytes]) -> None:
        self._file = file
        self._newer = newer
        in_file = -(-file.seek(0, 2) // PAGE_BYTES)
        self.count = max([in_file, *newer])

    def page(self, number: int) -> bytes:
        if number in self._newer:
            return self._newer[number]
        self._file.seek((number - 1) * PAGE_BYTES)
        # the last page of a file that was cut
        return self._file.read(PAGE_BYTES).ljust(PAGE_BYTES, b"\0")


def _rows_of(pages: _Pages, number: int) -> Iterator[RawRow]:
    page = pages.page(number)
    start = _FILE_HEADER_BYTES if number == 1 else 0
    if page[start] != _LEAF_OF_TABLE:
        return
    (cells,) = struct.unpack_from(">H", page, start + 3)
    for place in range(start + 8, min(start + 8 + 2 * cells, PAGE_BYTES - 1), 2):
        (cell,) = struct.unpack_from(">H", page, place)
        try:
            size, cell = _varint(page, cell)
            row_id, cell = _varint(page, cell)
            yield row_id - (row_id >> 63 << 64), _record(_payload(pages, page, cell, size))
        except (IndexError, ValueError, struct.error):
            continue


def _payload(pages: _Pages, page: bytes, start: int, size: int) -> bytes:
    if size <= _MOST_LOCAL:
        return page[start : start + size]
    if size > _LARGEST_ROW_BYTES:
        raise ValueError("a row of more than a gigabyte")
    local = _LEAST_LOCAL + (size - _LEAST_LOCAL) % (PAGE_BYTES - 4)
    local = local if local <= _MOST_LOCAL else _LEAST_LOCAL
    parts = [page[start : start + local]]
    left = size - local
    (following,) = struct.unpack_from(">I", page, start + local)
    while left > 0:
        if not 0 < following <= pages.count:
            raise ValueError("a chain of pages that leads out of the file")
        page = pages.page(following)
        parts.append(page[4 : 4 + left])
        left -= len(parts[-1])
        (following,) = struct.unpack_from(">I", page, 0)
    return b"".join(parts)


def _record(payload: bytes) -> list[int | float | str | bytes | None]:
    header_end, place = _varint(payload, 0)
    values: list[int | float | str | bytes | None] = []
    data = header_end
    while place < header_end:
        kind, place = _varint(payload, place)
        value: int | float | str | bytes | None
        width = 0
        if kind == 0:
            value = None
        elif kind in _INTEGER_BYTES:
            width = _INTEGER_BYTES[kind]
            value = int.from_bytes(payload[data : data + width], "big", signed=True)
        elif kind == 7:
            width = 8
            (value,) = struct.unpack_from(">d", payload, data)
        elif kind in (8, 9):
            value = kind - 8
        elif kind >= 12:
            width = (kind - 12) // 2
            raw = payload[data : data + width]
            value = raw.decode("utf-8") if kind % 2 else raw
        else:
            raise ValueError("a type that is reserved")
        data += width
        if data > len(payload):
            raise ValueError("a row that ends too early")
        values.append(value)
    return values


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = 0
    for _ in range(8):
        byte = data[place]
        place += 1
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, place
    return value << 8 | data[place], place + 1


def _committed_frames(log: bytes) -> dict[int, bytes]:
    """Return the pages of the log up to its last commit whose checksums hold."""
    if len(log) < _LOG_HEADER_BYTES:
        return {}
    magic, _, page_bytes, _, *salts, sum_1, sum_2 = struct.unpack_from(">8I", log)
    order = _LOG_MAGIC.get(magic)
    if order is None or page_bytes != PAGE_BYTES or _log_sum(log[:24], order, (0, 0)) != (sum_1, sum_2):
        return {}
    committed: dict[int, bytes] = {}
    waiting: dict[int, bytes] = {}
    sums = (sum_1, sum_2)
    frame_bytes = _FRAME_HEADER_BYTES + PAGE_BYTES
    for start in range(_LOG_HEADER_BYTES, len(log) - frame_bytes + 1, frame_bytes):
        number, commit, *rest = struct.unpack_from(">6I", log, start)
        page = log[start + _FRAME_HEADER_BYTES : start + frame_bytes]
        sums = _log_sum(page, order, _log_sum(log[start : start + 8], order, sums))
        if rest != [*salts, *sums]:
            break
        waiting[number] = page
        if commit:
            committed.update(waiting)
            waiting.clear()
    return committed


def _log_sum(data: bytes, order: str, sums: tuple[int, int]) -> tuple[int, int]:
    first, second = sums
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for place in range(0, len(words), 2):
        first = (first + words[place] + second) & 0xFFFFFFFF
        second = (second + words[place + 1] + first) & 0xFFFFFFFF
    return first, second
