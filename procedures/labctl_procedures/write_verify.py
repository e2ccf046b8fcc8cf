"""Write-verify to target conductances. Not here: one visit (:mod:`labctl_procedures.levelling`), whole maps of an array
(:mod:`labctl_procedures.program_array`).
"""

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from pymeasure.experiment import BooleanParameter, IntegerParameter, Parameter

from labctl.analysis.distributions import binomial_yield
from labctl.run import QuantityParameter
from labctl.run.preflight import Estimate
from labctl_procedures.cell_port import CELL_COLUMNS, Cell, CellPort
from labctl_procedures.levelling import Leveller, read_conductance
from labctl_procedures.pulse_procedure import PulseProcedure
from labctl_procedures.value_lists import positive_values

__all__ = ["WriteVerify"]

_ARRAYS = (
    ("verified", "S"),
    ("read_after_wait", "S"),
    ("pulses", "1"),
    ("reversals", "1"),
    ("energy", "J"),
    ("reached", "1"),
)
# pulses of one visit with incremental steps, on the reference cell
_USUAL_PULSES = 18


class WriteVerify(PulseProcedure):
    """Bring cells to target conductances with pulses of both polarities, and read again after a wait.

    Applied: after a verify that is outside the tolerance, a pulse towards the target, one step larger than the last;
    the ramp begins anew where the polarity turns. Read: after each pulse, and once more after the wait. Cells are left
    at the last target; at the end, and after an abort, outputs are off and relays open.
    """

    targets = Parameter(
        "Targets",
        default="20 uS, 50 uS, 100 uS, 150 uS",
        description="Conductances, one after another. Assumed: over the range of TiOx/Al2O3",
    )
    rounds = IntegerParameter("Rounds", default=3, minimum=1, maximum=100000, description="Through the list")
    wait = QuantityParameter(
        "Wait", "s", minimum=0.0, maximum=1e7, default="1 s", description="Before the second reading; 1 s, 1 h, 1 d"
    )
    level_step = QuantityParameter(
        "Level voltage step",
        "V",
        minimum=1e-3,
        maximum=1.0,
        default="50 mV",
        description="ArC ConvergeToState: 0.1 V; half of it keeps TiOx/Al2O3 from being overshot",
    )
    level_adaptive = BooleanParameter(
        "Adaptive level step", default=False, description="Step by what the last pulse did; otherwise always the step"
    )

    DATA_COLUMNS: ClassVar[list[str]] = CELL_COLUMNS

    def check(self) -> None:
        """Refuse cells and targets that are not there, and pulses that no source can give.

        Raises
        ------
        LabError
            If a parameter breaks its rule.
        """
        super().check()
        positive_values(self.targets, "S", "write_verify: targets")
        self.check_pulses(())

    def estimate(self) -> Estimate:
        """Return the pulses that targets usually take."""
        visits = self.rounds * len(positive_values(self.targets, "S", "write_verify: targets"))
        pulses = visits * min(_USUAL_PULSES, self.level_pulses)
        return self.pulse_estimate(pulses + 2 * visits, pulses, voltages_v=(), widths_s=(), waits_s=visits * self.wait)

    def execute(self) -> None:
        """Visit the selected cells one after another."""
        cells = self.formed_cells()
        targets_s = positive_values(self.targets, "S", "write_verify: targets")
        found = {cell: np.full((len(_ARRAYS), self.rounds, len(targets_s)), np.nan) for cell in cells}
        with self.open_pulses(()) as access:
            port, leveller = CellPort(self, access), Leveller.of(self)
            self.visit(cells, lambda cell: self._targets(cell, port, leveller, targets_s, found[cell]))
        self.emit_cells(cells)
        self.emit("array", {"name": "targets", "data": np.array(targets_s), "dims": ("target",), "unit": "S"})
        for index, (name, unit) in enumerate(_ARRAYS):
            self.emit_curves(name, {cell: data[index] for cell, data in found.items()}, ("round", "target"), unit)
        self.emit("summary", self.cell_results() | {"wait": self.wait} | _results(found, targets_s))

    def _targets(
        self,
        cell: Cell,
        port: CellPort,
        leveller: Leveller,
        targets_s: list[float],
        data: npt.NDArray[np.float64],
    ) -> None:
        visits = [(turn, index) for turn in range(self.rounds) for index in range(len(targets_s))]
        for number, (turn, index) in enumerate(visits, start=1):
            levelled = leveller.bring_to(port, cell, targets_s[index], cycle=turn, step=index)
            again_s = read_conductance(port, cell, cycle=turn, step=index, event="read", after_s=self.wait)
            data[:, turn, index] = (
                levelled.conductance_s,
                again_s,
                levelled.pulses,
                levelled.reversals,
                levelled.energy_j if self.writes_through_cell else np.nan,
                levelled.is_reached,
            )
            if not levelled.is_reached:
                message = (
                    f"cell {cell}, {targets_s[index]:.4g} S: {levelled.reason}, read {levelled.conductance_s:.4g} S"
                )
                self.emit("event", {"kind": "target missed", "message": message})
            self.part_done(number / len(visits))


def _results(found: dict[Cell, npt.NDArray[np.float64]], targets_s: list[float]) -> dict[str, Any]:
    """Sum up over all visits that took place; residuals are those of the targets that were reached."""
    if not found:
        return {"visits": 0, "reached": 0}
    verified_s, again_s, pulses, reversals, energy_j, reached = np.stack(list(found.values()), axis=1)
    took_place = np.isfinite(reached)
    if not took_place.any():
        return {"visits": 0, "reached": 0}
    good = took_place & (reached == 1.0)
    # a gate or a track has none
    energies_j = energy_j[np.isfinite(energy_j)]
    share = binomial_yield(int(good.sum()), int(took_place.sum()))
    results = {
        "visits": int(took_place.sum()),
        "reached": int(good.sum()),
        "success": share.value,
        "success_low": share.low,
        "success_high": share.high,
        "pulses_mean": float(pulses[took_place].mean()),
        "pulses_p95": float(np.percentile(pulses[took_place], 95.0)),
        "reversals_mean": float(reversals[took_place].mean()),
        "energy_mean": float(np.mean(energies_j)) if energies_j.size else None,
        "target_success": [_mean(good[..., index][took_place[..., index]]) for index in range(len(targets_s))],
    }
    if good.any():
        wanted_s = np.broadcast_to(targets_s, verified_s.shape)[good]
        residual, later = verified_s[good] / wanted_s - 1.0, again_s[good] / wanted_s - 1.0
        results |= {
            "residual_rms": float(np.sqrt(np.mean(residual**2))),
            "residual_rms_after_wait": float(np.sqrt(np.mean(later**2))),
            "drift_mean": float(np.mean(later - residual)),
        }
    return results


def _mean(values: npt.NDArray[np.bool_]) -> float | None:
    return float(values.mean()) if values.size else None
