"""The end of a ``with`` block over the cells of a sample. Not here: what is done to them (:mod:`labctl.array`)."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

__all__ = ["Released"]


class Released(ABC):
    """An access that prepares itself with the first use and is released at the end of its ``with`` block."""

    @abstractmethod
    def release(self) -> None:
        """Put every source to 0 V and off, then open every relay."""

    def __enter__(self) -> Self:
        """Return the access."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release the cells."""
        self.release()
