"""Relays that move while something is on: they weld, arc and send glitches into the die, so the bench takes notes.

Not here: when relays move (the matrix), what the circuit carries (:mod:`labctl_mock.bench.circuit`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labctl_mock.bench.log import BenchLog
from labctl_mock.bench.wiring import Wiring, parse_crosspoint

__all__ = ["HOT_CURRENT_A", "HOT_VOLTAGE_V", "Felt", "HotSwitching"]

HOT_VOLTAGE_V = 0.1
"""A crosspoint that closes across more than this, unit V, switches hot."""
HOT_CURRENT_A = 1e-6
"""A crosspoint that carries more than this, unit A, when it opens or as soon as it is closed, switches hot."""


@dataclass(frozen=True, slots=True)
class Felt:
    """What the relays of one matrix feel at one instant.

    Attributes
    ----------
    bus_of_row : Mapping of str to int
        Bus of each matrix row that is one.
    bus_voltage_v : ndarray, shape (buses,), unit V
    column_v, current_a : ndarray, shape (lines,), unit V and A
        Voltage of the matrix column of each line, current through its closed crosspoints towards the line.
    """

    bus_of_row: Mapping[str, int]
    bus_voltage_v: NDArray[np.float64]
    column_v: NDArray[np.float64]
    current_a: NDArray[np.float64]


class HotSwitching:
    """Looks at each crosspoint that moves and notes the hot ones.

    Parameters
    ----------
    wiring : Wiring
    log : BenchLog
    prefix : str
        Put before the name of a crosspoint, where a bench has several matrices.
    """

    def __init__(self, wiring: Wiring, log: BenchLog, *, prefix: str = "") -> None:
        self._wiring, self._log, self._prefix = wiring, log, prefix

    def before(self, now_s: float, felt: Felt, opening: Iterable[str], closing: Iterable[str]) -> set[str]:
        """Look at the last instant before relays move.

        Parameters
        ----------
        now_s : float, unit s
        felt : Felt
            Before the change.
        opening, closing : iterable of str

        Returns
        -------
        set of str
            The crosspoints that were noted.
        """
        noted = set()
        for name in sorted(opening):
            current_a = abs(self._wiring.current_a(parse_crosspoint(name).column, felt.current_a))
            if current_a > HOT_CURRENT_A:
                noted.add(name)
                self._note(now_s, f"{self._prefix}{name} opened while it carried {current_a:.3e} A")
        for name in sorted(closing):
            point = parse_crosspoint(name)
            line, bus = self._wiring.line_of(point.column), felt.bus_of_row.get(point.row)
            if line is None or bus is None:
                continue
            across_v = abs(float(felt.bus_voltage_v[bus] - felt.column_v[line]))
            if across_v > HOT_VOLTAGE_V:
                noted.add(name)
                self._note(now_s, f"{self._prefix}{name} closed across {across_v:.3e} V")
        return noted

    def after(self, now_s: float, felt: Felt, closing: Iterable[str]) -> None:
        """Look at the first instant after relays closed.

        Parameters
        ----------
        now_s : float, unit s
        felt : Felt
            After the change.
        closing : iterable of str
            Those that were not noted before.
        """
        for name in sorted(closing):
            current_a = abs(self._wiring.current_a(parse_crosspoint(name).column, felt.current_a))
            if current_a > HOT_CURRENT_A:
                self._note(now_s, f"{self._prefix}{name} carried {current_a:.3e} A as soon as it closed")

    def _note(self, now_s: float, detail: str) -> None:
        self._log.add(now_s, "hot switching", detail)
