"""The C structures through which SQLite reaches files (``sqlite3_vfs``, ``sqlite3_io_methods``), and the way to them.

Finds the library that Python's :mod:`sqlite3` itself uses; another copy of SQLite in the process would have a file
layer of its own. Not here: what is done with them (:mod:`labctl_mock.faults.disk`). Source: sqlite.org,
"c3ref/vfs.html" and "c3ref/io_methods.html".
"""

import ctypes
import sqlite3
import sys
from collections.abc import Iterator
from importlib import import_module
from typing import ClassVar

from labctl.errors import StationError

__all__ = ["CLOSE", "OPEN", "SYNC", "TRUNCATE", "WRITE", "FileMethods", "SqliteLibrary", "Vfs", "sqlite_library"]

_POINTER, _INT, _INT64 = ctypes.c_void_p, ctypes.c_int, ctypes.c_int64
CLOSE = ctypes.CFUNCTYPE(_INT, _POINTER)
OPEN = ctypes.CFUNCTYPE(_INT, _POINTER, _POINTER, _POINTER, _INT, _POINTER)
WRITE = ctypes.CFUNCTYPE(_INT, _POINTER, _POINTER, _INT, _INT64)
TRUNCATE = ctypes.CFUNCTYPE(_INT, _POINTER, _INT64)
SYNC = ctypes.CFUNCTYPE(_INT, _POINTER, _INT)


class Vfs(ctypes.Structure):
    """``sqlite3_vfs`` of version 3; members that are passed on untouched are plain pointers."""

    _fields_: ClassVar = [
        ("version", _INT),
        ("file_size", _INT),
        ("max_path", _INT),
        ("next", _POINTER),
        ("name", ctypes.c_char_p),
        ("data", _POINTER),
        ("open", OPEN),
        *[
            (name, _POINTER)
            for name in [
                "delete",
                "access",
                "full_path",
                "dl_open",
                "dl_error",
                "dl_sym",
                "dl_close",
                "randomness",
                "sleep",
                "current_time",
                "last_error",
                "current_time_64",
                "set_system_call",
                "get_system_call",
                "next_system_call",
            ]
        ],
    ]


class FileMethods(ctypes.Structure):
    """``sqlite3_io_methods`` of version 3."""

    _fields_: ClassVar = [
        ("version", _INT),
        ("close", CLOSE),
        ("read", _POINTER),
        ("write", WRITE),
        ("truncate", TRUNCATE),
        ("sync", SYNC),
        *[
            (name, _POINTER)
            for name in [
                "file_size",
                "lock",
                "unlock",
                "check_reserved_lock",
                "file_control",
                "sector_size",
                "device_characteristics",
                "shm_map",
                "shm_lock",
                "shm_barrier",
                "shm_unmap",
                "fetch",
                "unfetch",
            ]
        ],
    ]


class SqliteLibrary:
    """The three functions of SQLite that register file layers.

    Parameters
    ----------
    library : ctypes.CDLL
        Where they are.
    """

    def __init__(self, library: ctypes.CDLL) -> None:
        self._find = library.sqlite3_vfs_find
        self._find.argtypes, self._find.restype = [ctypes.c_char_p], ctypes.POINTER(Vfs)
        self._register = library.sqlite3_vfs_register
        self._register.argtypes, self._register.restype = [_POINTER, _INT], _INT
        self._unregister = library.sqlite3_vfs_unregister
        self._unregister.argtypes, self._unregister.restype = [_POINTER], _INT

    def find(self, name: bytes | None = None) -> "ctypes._Pointer[Vfs] | None":
        """Return a file layer by name, the default one without; None where there is none."""
        found: ctypes._Pointer[Vfs] = self._find(name)
        return found if found else None

    def make_default(self, vfs: Vfs) -> None:
        """Register a file layer and make it the default."""
        self._register(ctypes.addressof(vfs), 1)

    def unregister(self, vfs: Vfs) -> None:
        """Take a file layer out."""
        self._unregister(ctypes.addressof(vfs))


def sqlite_library() -> SqliteLibrary:
    """Return the library behind :mod:`sqlite3`.

    Raises
    ------
    StationError
        If it cannot be reached, as where SQLite was linked into Python without its symbols.
    """
    (wanted,) = sqlite3.connect(":memory:").execute("SELECT sqlite_source_id()").fetchone()
    for library in _candidates():
        try:
            identify = library.sqlite3_sourceid
            identify.restype = ctypes.c_char_p
            if identify().decode("ascii") == wanted:
                return SqliteLibrary(library)
        except AttributeError:
            continue
    raise StationError(
        f"disk faults: the SQLite library ({sqlite3.sqlite_version}) of this Python on {sys.platform} shows none of "
        "its functions; take a Python that loads SQLite as a shared library, or leave disk_* faults out"
    )


def _candidates() -> Iterator[ctypes.CDLL]:
    """Yield places where the library may be; a name that is already loaded gives the loaded one."""
    file = getattr(import_module("_sqlite3"), "__file__", None)
    for name in ("sqlite3.dll",) if sys.platform == "win32" else (file, None):
        try:
            # the handle of a module also shows the symbols of what it is linked with
            yield ctypes.CDLL(name)
        except OSError:
            continue
