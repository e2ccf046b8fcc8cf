"""A disk that is full or broken at the n-th call, for this process's SQLite and for nothing else.

``with DiskFaults(call="write", error="full", first=12) as disk:`` puts itself between SQLite and its default file
layer; run files opened inside the block meet the fault. A failed call does nothing to the file; what a kernel does to
its cache after a failed sync is not imitated. Not here: the structures (:mod:`labctl_mock.faults.sqlite_vfs`), when a
run asks for it (:mod:`labctl_mock.faults.plan`).
"""

import ctypes
import threading
from collections import Counter
from types import TracebackType
from typing import Literal, Self

from labctl.errors import StationError
from labctl_mock.faults.sqlite_vfs import (
    CLOSE,
    OPEN,
    SYNC,
    TRUNCATE,
    WRITE,
    FileMethods,
    SqliteLibrary,
    Vfs,
    sqlite_library,
)

__all__ = ["DiskCall", "DiskError", "DiskFaults"]

DiskCall = Literal["write", "sync", "truncate", "open", "any"]
DiskError = Literal["full", "ioerr"]

_NAME = b"labctl-disk-faults"
_FULL = 13
# SQLITE_IOERR_WRITE, _FSYNC, _TRUNCATE; a file that does not open is SQLITE_CANTOPEN
_IOERR = {"write": 778, "sync": 1034, "truncate": 1546, "open": 14}


class DiskFaults:
    """Fails calls of SQLite's file layer; a context manager that may be entered again.

    Files that were open before it was entered are out of its reach. Files that are still open when it is left are
    given their own functions back.

    Parameters
    ----------
    call : "write", "sync", "truncate", "open" or "any"
        Which calls are numbered, from 1.
    error : "full" or "ioerr"
        What a failed call returns: SQLITE_FULL, or the input/output error of that call.
    first : int, unit 1
        The first call that fails; 0 means that none does and calls are only counted.
    last : int or None, unit 1
        The last call that fails; None means from ``first`` on.

    Attributes
    ----------
    counts : Counter of str
        Calls by kind, failed ones included.
    failed : int, unit 1
        How many calls failed.

    Raises
    ------
    ValueError
        If ``first`` or ``last`` cannot be.
    """

    def __init__(
        self, *, call: DiskCall = "write", error: DiskError = "full", first: int = 1, last: int | None = None
    ) -> None:
        if first < 0 or (last is not None and last < first):
            raise ValueError(f"disk faults: first must be 0 or more and last not before it, got {first} and {last}")
        self.counts: Counter[str] = Counter()
        self.failed = 0
        self._call, self._error, self._first, self._last = call, error, first, last
        self._numbered = 0
        # entered again where the collector closes a forgotten connection meanwhile
        self._lock = threading.RLock()
        self._library: SqliteLibrary | None = None
        self._tables: dict[int, FileMethods] = {}
        self._files: dict[int, int] = {}

    def __enter__(self) -> Self:
        self.install()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.uninstall()

    def install(self) -> None:
        """Come between SQLite and the disk; from now on opened files are watched.

        Raises
        ------
        StationError
            If SQLite is out of reach, or disk faults are installed already.
        """
        library = sqlite_library()
        default = library.find()
        if library.find(_NAME) is not None or default is None:
            raise StationError("disk faults: some are installed in this process already; uninstall those first")
        self._default = default
        self._vfs = Vfs()
        ctypes.pointer(self._vfs)[0] = default[0]
        self._vfs.name = _NAME
        self._vfs.next = None
        self._vfs.open = OPEN(self._open)
        # a connection that was opened here asks this file layer until it is closed, and nobody is told when that is:
        # it, and what it leads to, stays for the life of the process
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._vfs))
        self._library = library
        library.make_default(self._vfs)

    def uninstall(self) -> None:
        """Give SQLite its own file layer back; may be called twice."""
        if self._library is None:
            return
        self._library.unregister(self._vfs)
        self._library.make_default(self._default[0])
        # no file may be opened or closed by another thread between the two looks at it
        with self._lock:
            self._library = None
            while self._files:
                file, own = self._files.popitem()
                ctypes.c_void_p.from_address(file).value = own

    def _open(self, _vfs: int, name: int, file: int, flags: int, out_flags: int) -> int:
        if self._fails("open"):
            # SQLite looks there to see whether the file must be closed
            ctypes.c_void_p.from_address(file).value = None
            return _FULL if self._error == "full" else _IOERR["open"]
        status: int = self._default[0].open(ctypes.addressof(self._default[0]), name, file, flags, out_flags)
        methods = ctypes.c_void_p.from_address(file)
        with self._lock:
            if status == 0 and methods.value is not None and self._library is not None:
                own = methods.value
                if own not in self._tables:
                    self._tables[own] = self._table(FileMethods.from_address(own))
                methods.value = ctypes.addressof(self._tables[own])
                self._files[file] = own
        return status

    def _table(self, own: FileMethods) -> FileMethods:
        """Return a copy of a file's functions with four of them exchanged; each copy works on the same file."""
        table = FileMethods()
        ctypes.pointer(table)[0] = own
        write, truncate, sync, close = own.write, own.truncate, own.sync, own.close

        def on_write(file: int, data: int, size: int, offset: int) -> int:
            return self._code("write") or write(file, data, size, offset)

        def on_truncate(file: int, size: int) -> int:
            return self._code("truncate") or truncate(file, size)

        def on_sync(file: int, flags: int) -> int:
            return self._code("sync") or sync(file, flags)

        def on_close(file: int) -> int:
            # its memory goes to something else: nothing may be given back there
            with self._lock:
                self._files.pop(file, None)
            status: int = close(file)
            return status

        table.write, table.truncate, table.sync = WRITE(on_write), TRUNCATE(on_truncate), SYNC(on_sync)
        table.close = CLOSE(on_close)
        return table

    def _code(self, call: str) -> int:
        if not self._fails(call):
            return 0
        return _FULL if self._error == "full" else _IOERR[call]

    def _fails(self, call: str) -> bool:
        with self._lock:
            self.counts[call] += 1
            if self._call not in (call, "any"):
                return False
            self._numbered += 1
            fails = 0 < self._first <= self._numbered and (self._last is None or self._numbered <= self._last)
            self.failed += fails
        return fails
