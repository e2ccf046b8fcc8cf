"""Exit codes of the command line."""

from enum import IntEnum

__all__ = ["ExitCode"]


class ExitCode(IntEnum):
    """What the shell is told."""

    FINISHED = 0
    WRONG = 2
    FAILED = 3
    ABORTED = 4
