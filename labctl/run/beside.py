"""A file beside a run file that a thread looks after as long as the run lasts.

Not here: what is in it (:mod:`labctl.run.mailbox`, :mod:`labctl.run.state_board`).
"""

import logging
import threading
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Self

from labctl.store.schema import SUFFIX

__all__ = ["FileBeside", "beside"]

log = logging.getLogger(__name__)


def beside(path: Path, ending: str) -> Path:
    """Return the file that lies beside a run file under a name of its own.

    Parameters
    ----------
    path : Path
        The run file, where it grows.
    ending : str
        Such as ``".state.json"``.

    Returns
    -------
    Path
    """
    return path.with_name(path.name.removesuffix(SUFFIX) + ending)


class FileBeside(ABC):
    """Inside the ``with`` block a thread looks after the files; they are removed at the end.

    Parameters
    ----------
    name : str
        Of the thread.
    *files : Path
    """

    def __init__(self, name: str, *files: Path) -> None:
        self._files = files
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._keep, name=name, daemon=True)

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End, and remove the files."""
        self._is_over.set()
        self._thread.join()
        for file in self._files:
            try:
                file.unlink(missing_ok=True)
            except OSError:
                log.info("%s stays", file, exc_info=True)

    @abstractmethod
    def _keep(self) -> None:
        """Work in the thread until it is over."""
