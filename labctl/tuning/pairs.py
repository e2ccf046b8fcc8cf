"""Differential pairs with a stuck cell: move the partner, so that the difference, which is the weight, survives.

Columns 2 k and 2 k + 1 of a word line carry one weight as G+ - G-. Not here: the passes over the array
(:mod:`labctl.tuning.passes`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from labctl.tuning.passes import CellState

__all__ = ["PairKeeper"]

Cell = tuple[int, int]


@dataclass
class PairKeeper:
    """Moves targets of cells whose partner is stuck.

    Attributes
    ----------
    targets_s : mapping of (int, int) to float, unit S
        What was asked for, stuck and unformed cells included.
    columns : int
        The first so many columns are pairs.
    lowest_s, highest_s : float, unit S
        Where a partner may be moved to.
    unformed : frozenset of (int, int)
        Cells that conduct nothing.
    moved : dict of (int, int) to float, unit S
        New targets so far, by partner.
    """

    targets_s: Mapping[Cell, float]
    columns: int
    lowest_s: float
    highest_s: float
    unformed: frozenset[Cell] = frozenset()
    moved: dict[Cell, float] = field(default_factory=dict)

    def revise(self, states: Mapping[Cell, CellState]) -> None:
        """Move the targets of partners of cells that are unformed or were given up, each once.

        Parameters
        ----------
        states : mapping of (int, int) to CellState
            All cells that are tuned; their ``target_s`` is changed in place.
        """
        stuck_s = dict.fromkeys(self.unformed, 0.0)
        stuck_s |= {cell: state.verified_s for cell, state in states.items() if state.is_given_up and state.verified_s}
        for cell, conductance_s in stuck_s.items():
            row, column = cell
            partner = (row, column ^ 1)
            state = states.get(partner)
            if column >= self.columns or state is None or state.is_given_up or partner in self.moved:
                continue
            wanted_s = conductance_s - (self.targets_s[cell] - self.targets_s[partner])
            state.target_s = min(max(wanted_s, self.lowest_s), self.highest_s)
            self.moved[partner] = state.target_s
