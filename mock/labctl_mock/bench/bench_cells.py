"""What the circuit asks of the cells in the socket.

Not here: those of metal oxide (:mod:`labctl_mock.bench.live_cells`) and of the other families
(:mod:`labctl_mock.bench.family_cells`).
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from labctl.physics.crossbar_network import OddCells
from labctl_mock.bench.network import Instant, Network

__all__ = ["BenchCells"]


class BenchCells(Protocol):
    """The cells, with the static I-V of all of them at hand for the solver.

    Attributes
    ----------
    shape : tuple of int
        Rows and columns.
    static : OddCells
        Static I-V; its arrays are updated in place.
    dead_zone_v : float, unit V
        Up to this voltage across a cell it does not change.
    """

    shape: tuple[int, int]
    static: OddCells
    dead_zone_v: float

    def refresh(self, now_s: float, cells: NDArray[np.intp], *, aperture_s: float) -> None:
        """Let the next solution see these cells as they are at the end of an aperture."""
        ...

    def solve(self, now_s: float, line_v: NDArray[np.float64] | None, run: Callable[[], Instant]) -> Instant:
        """Solve an instant.

        Parameters
        ----------
        now_s : float, unit s
            The bench's clock.
        line_v : ndarray, shape (rows,), unit V, or None
            Voltage of the control line of each row, NaN where it floats; None where there are none.
        run : callable
            Solves the circuit with the static I-V as it is.

        Returns
        -------
        Instant

        Raises
        ------
        ArithmeticError
            If no solution is found.
        """
        ...

    def live_through(
        self, network: Network, solve: Callable[[], Instant], now_s: float, duration_s: float
    ) -> list[Instant]:
        """Let the cells live through constant levels; return the instants at the start and, where it differs, the end.

        Parameters
        ----------
        network : Network
        solve : callable
            Solves the present instant.
        now_s, duration_s : float, unit s
            Start on the bench's clock, and how long.

        Returns
        -------
        list of Instant
        """
        ...

    def heat(self, now_s: float, temperature_k: float) -> None:
        """Bring the cells to another temperature; what they lived through until ``now_s`` was at the one before.

        Parameters
        ----------
        now_s : float, unit s
            The bench's clock.
        temperature_k : float, unit K
        """
        ...

    def drift(self, row: int, column: int, factor: float, now_s: float) -> None:
        """Multiply the programmed conductance of a cell by ``factor`` (unit 1)."""
        ...

    def truth(self, now_s: float) -> dict[str, NDArray[np.generic]]:
        """Return what no instrument can see, without disturbing it; arrays of shape (rows, columns)."""
        ...
