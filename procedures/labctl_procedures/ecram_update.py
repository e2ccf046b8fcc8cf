"""Potentiation and depression of electrochemical transistors through their gates.

Not here: the measurement itself (:mod:`labctl_procedures.potentiate_depress`), the protocol of writing with a gate and
reading with it open (:mod:`labctl.array.gated_access`).
"""

from dataclasses import replace
from typing import ClassVar

from pymeasure.experiment import BooleanParameter, IntegerParameter

from labctl.run import QuantityParameter
from labctl.run.preflight import Estimate
from labctl_procedures.potentiate_depress import PotentiateDepress

__all__ = ["EcramUpdate"]

_SIBLING = "W/YSZ/WOx ECRAM, Nat. Commun. 2023, s41467-023-41958-4, figure 2"


class EcramUpdate(PotentiateDepress):
    """Give gate pulses up and down to ECRAM cells, and read the channel with the gate open after each.

    Applied: identical gate pulses, or pulses whose amplitude grows, with half of it on each of the two lines. Read: the
    channel at a small drain voltage, with the gate open, after the wait that the station file gives. Cells are left
    after the last branch down; at the end, and after an abort, outputs are off and relays open.
    """

    default_station: ClassVar[str] = "ecram-32x32"

    form_unformed = BooleanParameter(
        "Form unformed cells", default=False, description="Electrochemical transistors need no forming"
    )
    read_voltage = QuantityParameter(
        "Read voltage", "V", minimum=0.01, maximum=0.3, default=0.1, description="Drain against source; common: 0.1 V"
    )
    initial = QuantityParameter(
        "Initial conductance", "S", minimum=0.0, maximum=1e-2, default=0.0, description="0 leaves the cell as it is"
    )
    pulses = IntegerParameter(
        "Pulses", default=100, minimum=1, maximum=100000, description=f"Of each branch; {_SIBLING}: 100"
    )
    cycles = IntegerParameter("Cycles", default=3, minimum=1, maximum=100000, description=f"{_SIBLING}: 5 of 10 cells")
    up_voltage = QuantityParameter(
        "Potentiation voltage", "V", minimum=0.01, maximum=10.0, default=5.0, description=f"{_SIBLING}: 5 V"
    )
    down_voltage = QuantityParameter(
        "Depression voltage", "V", minimum=-10.0, maximum=-0.01, default=-5.0, description=f"{_SIBLING}: -5 V"
    )
    width = QuantityParameter(
        "Pulse width", "s", minimum=1e-8, maximum=10.0, default="100 ms", description=f"{_SIBLING}: 100 ms"
    )

    def estimate(self) -> Estimate:
        """Return the pulses and readings of all branches, and the waits of the station between them."""
        whole = super().estimate()
        # as labctl.array.gated_access waits
        settle_s = float(self.station.sample.access.get("settle_s", 10.0 * self.width))
        waits_s = len(self.selected_cells()) * 2 * self.cycles * self.pulses * settle_s
        return replace(whole, duration_s=whole.duration_s + waits_s)
