"""What the procedures share that switch cells between two states with pulses: the pulses and the reading of each state.

Not here: statistics (:mod:`labctl_procedures.cycle_statistics`), life (:mod:`labctl_procedures.endurance`).
"""

from pymeasure.experiment import IntegerParameter

from labctl.run import QuantityParameter
from labctl_procedures.cell_port import Cell, CellPort
from labctl_procedures.levelling import read_conductance
from labctl_procedures.pulse_procedure import PulseProcedure

__all__ = ["CyclingProcedure"]


class CyclingProcedure(PulseProcedure):
    """Base of procedures that cycle cells; it measures nothing by itself."""

    set_voltage = QuantityParameter(
        "SET voltage",
        "V",
        minimum=0.01,
        maximum=10.0,
        default=1.1,
        description="UCSB Pt/Al2O3/TiO2-x cells: 0.8 to 1.15 V; at 0.9 V weak cells keep no window; ArC endurance: 1 V",
    )
    reset_voltage = QuantityParameter(
        "RESET voltage",
        "V",
        minimum=-10.0,
        maximum=-0.01,
        default=-1.5,
        description="UCSB Pt/Al2O3/TiO2-x cells: -0.8 to -1.5 V; ArC endurance: -1 V",
    )
    width = QuantityParameter(
        "Pulse width", "s", minimum=1e-8, maximum=10.0, default="100 us", description="ArC endurance: 100 us"
    )
    set_pulses = IntegerParameter(
        "SET pulses", default=1, minimum=1, maximum=1000, description="Per cycle, without a reading; ArC endurance: 1"
    )
    reset_pulses = IntegerParameter(
        "RESET pulses",
        default=12,
        minimum=1,
        maximum=1000,
        description="Per cycle, without a reading; ArC endurance: 1. TiOx/Al2O3: 8 % a pulse at 100 us",
    )

    def check(self) -> None:
        """Refuse cells that are not there, and pulses that no source can give.

        Raises
        ------
        LabError
            If a parameter breaks its rule.
        """
        super().check()
        self.check_pulses((self.width,))

    @property
    def cycle_voltages_v(self) -> tuple[float, ...]:
        """The pulses of one cycle in their order, unit V."""
        set_v: float = self.set_voltage
        reset_v: float = self.reset_voltage
        return (set_v,) * int(self.set_pulses) + (reset_v,) * int(self.reset_pulses)

    def read_cycle(self, cell: Cell, port: CellPort, cycle: int) -> tuple[float, float]:
        """SET and RESET a cell, and read each state.

        Parameters
        ----------
        cell : (int, int)
        port : CellPort
        cycle : int
            Goes into the rows; Step is the number of pulses, or of the state: 0 after SET, 1 after RESET.

        Returns
        -------
        (float, float), unit S
            After SET; after RESET.

        Raises
        ------
        CellStopped
            If the cell cannot be read, or its conductance is outside the limits of the procedure.
        """
        port.train(cell, (self.set_voltage,), self.width, self.set_pulses, cycle=cycle, event="set")
        low_resistance_s = read_conductance(port, cell, cycle=cycle, step=0)
        port.train(cell, (self.reset_voltage,), self.width, self.reset_pulses, cycle=cycle, event="reset")
        return low_resistance_s, read_conductance(port, cell, cycle=cycle, step=1)
