"""Multilevel by the SET compliance. Not here: by the RESET stop voltage (``ladder_stop_voltage``)."""

import numpy as np
from pymeasure.experiment import IntegerParameter

from labctl.errors import RunError
from labctl.run import QuantityParameter
from labctl_procedures.ladder_procedure import LadderProcedure

__all__ = ["LadderCompliance"]


class LadderCompliance(LadderProcedure):
    """Measure the conductance against the compliance of the SET before it.

    Applied, for each rung: a RESET sweep down to the RESET voltage and back, then a SET sweep up to the SET voltage and
    back with the compliance of the rung. Read: the current at each level, the conductance after each rung. In a passive
    array the half-selected cells share the compliance, so the lowest rungs mean a cell alone. Cells are left after the
    SET of the last rung; at the end, and after an abort, outputs are off and relays open.
    """

    set_stop = QuantityParameter(
        "SET voltage",
        "V",
        minimum=0.01,
        maximum=10.0,
        default=1.3,
        description="Turning point of the SET side; enough for TiOx/Al2O3 (UCSB fit: SET at 0.8 to 1.15 V)",
    )
    reset_stop = QuantityParameter(
        "RESET voltage",
        "V",
        minimum=-10.0,
        maximum=-0.01,
        default=-1.6,
        description="Turning point of the RESET side, before every SET; lowest rung of the usual stop-voltage ladder",
    )
    limit_first = QuantityParameter(
        "First compliance",
        "A",
        minimum=1e-9,
        maximum=1.5,
        default="10 uA",
        description="Usual multilevel ladder: 10 uA to 1 mA",
    )
    limit_last = QuantityParameter(
        "Last compliance", "A", minimum=1e-9, maximum=1.5, default="1 mA", description="Usual ladder: 10 uA to 1 mA"
    )
    rung_count = IntegerParameter(
        "Rungs", default=5, minimum=2, maximum=1000, description="Evenly spaced in the logarithm of the compliance"
    )

    def check(self) -> None:
        """Refuse cells that are not there and compliances that contradict each other.

        Raises
        ------
        RunError, StationError
            If a parameter breaks its rule, or a cell is not there.
        """
        super().check()
        if not self.limit_first < self.limit_last <= self.current_limit:
            raise RunError(
                "ladder_compliance: limit_first < limit_last <= current_limit must hold, got "
                f"{self.limit_first:.4g} A, {self.limit_last:.4g} A and {self.current_limit:.4g} A"
            )

    def rungs(self) -> list[float]:
        """Return the compliances, unit A."""
        return [float(limit_a) for limit_a in np.geomspace(self.limit_first, self.limit_last, self.rung_count)]

    def rung_unit(self) -> str:
        """Return the SI unit of the rungs."""
        return "A"

    def sides(self, rung: float) -> list[tuple[float, float]]:
        """Return the RESET sweep and the SET sweep under the compliance ``rung``, units V and A."""
        return [(self.reset_stop, self.current_limit), (self.set_stop, rung)]
