"""Relays that move while something is on: they weld, arc and send glitches into the die, so the bench takes notes.

Not here: when relays move (the matrix), what the circuit carries (:mod:`labctl_mock.bench.circuit`).
"""

from collections.abc import Iterable

from labctl_mock.bench.log import BenchLog
from labctl_mock.bench.network import Instant, Network
from labctl_mock.bench.wiring import Wiring, parse_crosspoint

__all__ = ["HOT_CURRENT_A", "HOT_VOLTAGE_V", "HotSwitching"]

HOT_VOLTAGE_V = 0.1
"""A crosspoint that closes across more than this, unit V, switches hot."""
HOT_CURRENT_A = 1e-6
"""A crosspoint that carries more than this, unit A, when it opens or as soon as it is closed, switches hot."""


class HotSwitching:
    """Looks at each crosspoint that moves and notes the hot ones.

    Parameters
    ----------
    wiring : Wiring
    log : BenchLog
    """

    def __init__(self, wiring: Wiring, log: BenchLog) -> None:
        self._wiring, self._log = wiring, log

    def before(
        self, now_s: float, instant: Instant, network: Network, opening: Iterable[str], closing: Iterable[str]
    ) -> set[str]:
        """Look at the last instant before relays move.

        Parameters
        ----------
        now_s : float, unit s
        instant : Instant
        network : Network
            Before the change.
        opening, closing : iterable of str

        Returns
        -------
        set of str
            The crosspoints that were noted.
        """
        noted = set()
        column_v, row_a = network.columns(instant)
        for name in sorted(opening):
            line = self._wiring.line_of(parse_crosspoint(name).column)
            current_a = 0.0 if line is None else abs(float(row_a[line]))
            if current_a > HOT_CURRENT_A:
                noted.add(name)
                self._note(now_s, f"{name} opened while it carried {current_a:.3e} A")
        for name in sorted(closing):
            point = parse_crosspoint(name)
            line, bus = self._wiring.line_of(point.column), network.topology.bus_of_row.get(point.row)
            if line is None or bus is None:
                continue
            across_v = abs(float(instant.bus_voltage_v[bus] - column_v[line]))
            if across_v > HOT_VOLTAGE_V:
                noted.add(name)
                self._note(now_s, f"{name} closed across {across_v:.3e} V")
        return noted

    def after(self, now_s: float, instant: Instant, network: Network, closing: Iterable[str]) -> None:
        """Look at the first instant after relays closed.

        Parameters
        ----------
        now_s : float, unit s
        instant : Instant
        network : Network
            After the change.
        closing : iterable of str
            Those that were not noted before.
        """
        _, row_a = network.columns(instant)
        for name in sorted(closing):
            line = self._wiring.line_of(parse_crosspoint(name).column)
            current_a = 0.0 if line is None else abs(float(row_a[line]))
            if current_a > HOT_CURRENT_A:
                self._note(now_s, f"{name} carried {current_a:.3e} A as soon as it closed")

    def _note(self, now_s: float, detail: str) -> None:
        self._log.add(now_s, "hot switching", detail)
