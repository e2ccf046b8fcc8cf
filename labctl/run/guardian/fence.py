"""Ending a process that hangs, so that it does not wake up and switch an output on again.

Not here: when that is done (:mod:`labctl.run.guardian.process`).
"""

import os
import signal
import sys

__all__ = ["Fence"]

if sys.platform == "win32":
    import ctypes

    _PROCESS_TERMINATE = 0x0001

    class Fence:
        """Holds a process by its handle, which no later process can inherit.

        Parameters
        ----------
        pid : int
            The process.
        """

        def __init__(self, pid: int) -> None:
            self._kernel = ctypes.WinDLL("kernel32", use_last_error=True)
            self._kernel.OpenProcess.restype = ctypes.c_void_p
            self._handle = ctypes.c_void_p(self._kernel.OpenProcess(_PROCESS_TERMINATE, False, pid))

        def kill(self) -> str:
            """End the process.

            Returns
            -------
            str
                What was done, for the log.
            """
            if self._kernel.TerminateProcess(self._handle, 9):
                return "killed"
            return f"not killed: {ctypes.WinError(ctypes.get_last_error())}"

else:

    class Fence:
        """Holds a process, the parent of this one.

        Parameters
        ----------
        pid : int
            The process.
        """

        def __init__(self, pid: int) -> None:
            self._pid = pid

        def kill(self) -> str:
            """End the process.

            Returns
            -------
            str
                What was done, for the log.
            """
            # a process without parent has another one: its old number may be somebody else's by now
            if os.getppid() != self._pid:
                return "not killed: it is gone"
            try:
                os.kill(self._pid, signal.SIGKILL)
            except OSError as error:
                return f"not killed: {error}"
            return "killed"
