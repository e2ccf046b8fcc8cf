"""Multilevel by the RESET stop voltage. Not here: by the SET compliance (``ladder_compliance``)."""

import numpy as np
from pymeasure.experiment import IntegerParameter

from labctl.errors import RunError
from labctl.run import QuantityParameter
from labctl_procedures.ladder_procedure import LadderProcedure

__all__ = ["LadderStopVoltage"]


class LadderStopVoltage(LadderProcedure):
    """Measure the conductance against the stop voltage of the RESET before it.

    Applied, for each rung: the same SET sweep with compliance, then a RESET sweep down to the stop voltage of the rung
    and back. Read: the current at each level, the conductance after each rung. Cells are left after the RESET of the
    last rung; at the end, and after an abort, outputs are off and relays open.
    """

    set_stop = QuantityParameter(
        "SET voltage",
        "V",
        minimum=0.01,
        maximum=10.0,
        default=1.3,
        description="Turning point of the SET side; enough for TiOx/Al2O3 (UCSB fit: SET at 0.8 to 1.15 V)",
    )
    set_limit = QuantityParameter(
        "SET compliance",
        "A",
        minimum=1e-9,
        maximum=1.5,
        default="300 uA",
        description="On the SET side only; the RESET side has the current limit",
    )
    stop_first = QuantityParameter(
        "First stop voltage",
        "V",
        minimum=-10.0,
        maximum=-0.01,
        default=-0.8,
        description="S. Kim et al., Nanotechnology 32, 295202 (2021), TiOx/Al2O3: stop voltages from -0.8 V",
    )
    stop_last = QuantityParameter(
        "Last stop voltage", "V", minimum=-10.0, maximum=-0.01, default=-1.6, description="The same ladder: to -1.6 V"
    )
    rung_count = IntegerParameter("Rungs", default=5, minimum=2, maximum=1000, description="Evenly spaced")

    def check(self) -> None:
        """Refuse cells that are not there, and voltages and compliances that contradict each other.

        Raises
        ------
        RunError, StationError
            If a parameter breaks its rule, or a cell is not there.
        """
        super().check()
        if not self.stop_last < self.stop_first:
            raise RunError(
                "ladder_stop_voltage: stop_last must lie beyond stop_first, got "
                f"{self.stop_last:.4g} V and {self.stop_first:.4g} V"
            )
        if self.set_limit > self.current_limit:
            raise RunError(
                f"ladder_stop_voltage: set_limit must be at most current_limit, got {self.set_limit:.4g} A and "
                f"{self.current_limit:.4g} A"
            )

    def rungs(self) -> list[float]:
        """Return the stop voltages, unit V."""
        return [float(stop_v) for stop_v in np.linspace(self.stop_first, self.stop_last, self.rung_count)]

    def rung_unit(self) -> str:
        """Return the SI unit of the rungs."""
        return "V"

    def sides(self, rung: float) -> list[tuple[float, float]]:
        """Return the SET sweep and the RESET sweep to the stop voltage ``rung``, units V and A."""
        return [(self.set_stop, self.set_limit), (rung, self.current_limit)]
