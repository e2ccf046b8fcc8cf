"""What a simulated instrument shows to the bench circuit, and what it may ask of it.

An instrument owns its :class:`Terminal` objects and changes their fields; it must call :meth:`Circuit.settle` before
any change, so that the cells first live through the time that passed under the old levels. Not here: the circuit
itself (:mod:`labctl_mock.bench.circuit`) and the instruments.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import inf
from typing import Protocol

from labctl.clock import VirtualClock
from labctl_mock.bench.stage import Stage

__all__ = ["Circuit", "Measured", "Rectangle", "Terminal", "TerminalMode"]


class TerminalMode(StrEnum):
    """How a terminal drives its conductor."""

    OPEN = "open"
    VOLTAGE = "voltage"
    CURRENT = "current"


@dataclass(slots=True)
class Terminal:
    """One output (HI against the common LO) of a simulated instrument.

    Attributes
    ----------
    name : str
        ``"<instrument key>.<channel>"``, such as ``"smu1.a"`` or ``"gen1.2"``.
    mode : TerminalMode
        OPEN when the output relay is off.
    level : float, unit V or A
        Source level.
    resistance_ohm : float
        Series resistance of the output.
    current_limit_a : float
        Compliance in VOLTAGE mode; inf where the instrument has none.
    limit_lag_s : float, unit s
        How long after the current crossed the compliance its loop begins to act.
    voltage_limit_v : float
        Compliance in CURRENT mode.
    is_on : bool
        Whether the output is switched on; changed by :meth:`turn`. An output that is off may still hold 0 V.
    on_turn : callable or None
        Told of each change of ``is_on``.
    """

    name: str
    mode: TerminalMode = TerminalMode.OPEN
    level: float = 0.0
    resistance_ohm: float = 0.0
    current_limit_a: float = inf
    limit_lag_s: float = 0.0
    voltage_limit_v: float = inf
    is_on: bool = False
    on_turn: "Callable[[Terminal], None] | None" = None

    def turn(self, is_on: bool) -> None:
        """Say whether the output is switched on; mode and level are changed besides."""
        if is_on is not self.is_on:
            self.is_on = is_on
            if self.on_turn is not None:
                self.on_turn(self)


@dataclass(frozen=True, slots=True)
class Rectangle:
    """One rectangular pulse of one terminal; outside it the terminal stays at its ``level``."""

    terminal: str
    level_v: float
    delay_s: float
    width_s: float


@dataclass(frozen=True, slots=True)
class Measured:
    """Mean over an aperture at one terminal: what an ideal meter would show.

    ``current_a`` flows out of the terminal into the circuit. Cell and thermal noise are in it; the instrument's own
    noise, ranges and errors are not.
    """

    voltage_v: float
    current_a: float
    in_compliance: bool


class Circuit(Protocol):
    """The one circuit of a bench: terminals, matrix crosspoints, array lines, cells; and the one clock."""

    clock: VirtualClock

    def settle(self) -> None:
        """Bring the cells up to the clock under the present levels; call it before any change."""
        ...

    def heat(self, stage: Stage) -> None:
        """Lay the die on a block, whose temperature it has from now on."""
        ...

    def measure(self, terminal: str, *, aperture_s: float) -> Measured:
        """Let ``aperture_s`` pass on the clock and return the means over it at ``terminal``."""
        ...

    def fire(self, rectangles: Sequence[Rectangle]) -> Mapping[str, bool]:
        """Run synchronous pulses from now, advance the clock to their end; tell per terminal if it met compliance."""
        ...

    def stick(self, matrix: str, crosspoint: str, *, closed: bool) -> None:
        """Let the contact of a crosspoint stay closed or open from now on, whatever the matrix does."""
        ...

    def switch(self, matrix: str, *, opening: Sequence[str], closing: Sequence[str]) -> None:
        """Change crosspoints of a matrix, such as ``"1A01"``; notices hot switching and records it in the bench log.

        The clock is the matrix's business: it advances it by relay times before and after.
        """
        ...
