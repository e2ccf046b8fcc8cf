"""A lock on an open file that the operating system frees when its holder dies. Not here: what the locks stand for."""

import os
import sys

__all__ = ["lock_file"]

# far behind the text, because Windows also forbids others to read a locked byte
_LOCKED_BYTE = 0x7FFF_0000

if sys.platform == "win32":
    import msvcrt

    def lock_file(descriptor: int) -> None:
        """Lock an open file for this descriptor alone; closing it ends the lock.

        Parameters
        ----------
        descriptor : int

        Raises
        ------
        OSError
            If it is locked, by this process or another.
        """
        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        finally:
            os.lseek(descriptor, 0, os.SEEK_SET)

else:
    import fcntl

    def lock_file(descriptor: int) -> None:
        """Lock an open file for this descriptor alone; closing it ends the lock.

        Parameters
        ----------
        descriptor : int

        Raises
        ------
        OSError
            If it is locked, by this process or another.
        """
        # flock, not lockf: it also refuses a second opener inside one process
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
