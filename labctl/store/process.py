"""Who is measuring: a mark of this process that no later process can have, and whether its owner still lives.

Not here: ending or watching processes.
"""

import os
import platform
import sys
import time
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ProcessMark", "is_alive", "mark_of", "this_process"]


@dataclass(frozen=True, slots=True)
class ProcessMark:
    """A process.

    Attributes
    ----------
    host : str
    pid : int
    mark : str
        Boot id and start time (Linux) or creation time (Windows); a number that is used again differs in it.
    boot_id : str
        Of the start of the computer in which the process runs; empty where it is not known.
    """

    host: str
    pid: int
    mark: str
    boot_id: str = ""


def this_process() -> ProcessMark:
    """Return the mark of the calling process."""
    return mark_of(os.getpid())


def mark_of(pid: int) -> ProcessMark:
    """Return the mark of a process on this computer.

    Parameters
    ----------
    pid : int

    Returns
    -------
    ProcessMark
        That of a process that is gone is never alive.
    """
    return ProcessMark(platform.node(), pid, _mark(pid) or "", _boot_id())


def is_alive(process: ProcessMark) -> bool:
    """Tell whether the process still runs on this computer.

    Parameters
    ----------
    process : ProcessMark

    Returns
    -------
    bool
        False for a process of another computer: its run file was copied or is shared.
    """
    return process.host == platform.node() and bool(process.mark) and _mark(process.pid) == process.mark


if sys.platform == "win32":  # pragma: no cover - the other half runs on Linux
    import ctypes
    from ctypes import wintypes

    _QUERY_LIMITED_INFORMATION = 0x1000
    _STILL_ACTIVE = 259

    def _boot_id() -> str:
        """Return the time of the start of the computer in tens of seconds: two clocks are read, one after the other."""
        kernel = ctypes.WinDLL("kernel32")
        kernel.GetTickCount64.restype = ctypes.c_uint64
        return str(round((time.time() - kernel.GetTickCount64() / 1000.0) / 10.0))

    def _mark(pid: int) -> str | None:
        """Return the creation time of a living process, else None."""
        kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        kernel.OpenProcess.restype = wintypes.HANDLE
        kernel.OpenProcess.argtypes = (wintypes.DWORD, wintypes.BOOL, wintypes.DWORD)
        kernel.GetExitCodeProcess.argtypes = (wintypes.HANDLE, wintypes.LPDWORD)
        kernel.GetProcessTimes.argtypes = (wintypes.HANDLE, *[ctypes.POINTER(wintypes.FILETIME)] * 4)
        kernel.CloseHandle.argtypes = (wintypes.HANDLE,)
        handle = kernel.OpenProcess(_QUERY_LIMITED_INFORMATION, False, pid)
        if not handle:
            return None
        try:
            code = wintypes.DWORD()
            created, *others = (wintypes.FILETIME() for _ in range(4))
            if not kernel.GetExitCodeProcess(handle, ctypes.byref(code)) or code.value != _STILL_ACTIVE:
                return None
            if not kernel.GetProcessTimes(handle, ctypes.byref(created), *map(ctypes.byref, others)):
                return None
            return f"{created.dwHighDateTime << 32 | created.dwLowDateTime}"
        finally:
            kernel.CloseHandle(handle)

else:
    _BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

    def _boot_id() -> str:
        """Return the random id that Linux gives each start."""
        try:
            return _BOOT_ID.read_text(encoding="ascii").strip()
        except OSError:
            return ""

    def _mark(pid: int) -> str | None:
        """Return boot id and start time of a living process, else None."""
        try:
            boot = _BOOT_ID.read_text(encoding="ascii").strip()
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
        # proc(5): the name in brackets may hold anything; after it come state (field 3) ... starttime (field 22)
        fields = stat.rpartition(")")[2].split()
        return None if fields[0] in "ZX" else f"{boot}:{fields[19]}"
