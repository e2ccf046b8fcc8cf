"""One message on its way to an instrument, with its replies, and what a fault may do to the link that carries it.

Not here: the kinds of faults (:mod:`labctl_mock.faults.kinds`) and the link
(:mod:`labctl_mock.faults.faulty_instrument`).
"""

from dataclasses import dataclass, field
from typing import Protocol

from labctl_mock.messages.instrument import SimulatedInstrument

__all__ = ["Call", "FaultBench", "Link", "Piece"]


@dataclass(slots=True)
class Piece:
    """Part of a reply that is under way.

    Attributes
    ----------
    data : bytes
    delay_s : float, unit s
        How long after the one before it, or after the message, it arrives.
    """

    data: bytes
    delay_s: float = 0.0


@dataclass(slots=True)
class Call:
    """A program message and what becomes of it.

    Attributes
    ----------
    sent : str
        As the controller sent it, without line feed; what patterns are matched against.
    messages : list of str
        What reaches the instrument: nothing where the message is lost.
    replies : list of bytes
        The instrument's responses to it with their line feeds; known once it was obeyed.
    pieces : list of Piece or None
        How the replies travel, where that is not at once and whole.
    """

    sent: str
    messages: list[str] = field(default_factory=list)
    replies: list[bytes] = field(default_factory=list)
    pieces: list[Piece] | None = None


class FaultBench(Protocol):
    """What faults ask of a bench."""

    def jump(self, duration_s: float) -> None:
        """Set the bench's clock forward."""
        ...

    def drift(self, row: int, column: int, factor: float) -> None:
        """Multiply the conductance of a cell by ``factor``, unit 1."""
        ...


class Link(Protocol):
    """What faults ask of the cable between a session and an instrument, and of its two ends."""

    instrument: SimulatedInstrument
    is_black_hole: bool
    lag_s: float
    disguise: dict[bytes, bytes]

    @property
    def bench(self) -> FaultBench:
        """The rack around the instrument."""
        ...

    def break_off(self, *, refusals: int = 0, dark_s: float = 0.0) -> None:
        """End every connection; refuse so many new ones, and all for so long on the bench's clock."""
        ...
