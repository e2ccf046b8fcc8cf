"""Numbers that both engines of the crossbar solver share: tolerances and status codes.

Not here: anything physical; the solver is :mod:`labctl.physics.crossbar`.
"""

__all__ = [
    "BAD_CELL",
    "BAD_END",
    "CONFLICT",
    "EXTRA_STEPS",
    "FORCING",
    "GMIN_S",
    "MAX_NEWTON",
    "MAX_PASSES",
    "MESSAGES",
    "NO_CONVERGENCE",
    "OK",
    "RESIDUAL_LIMIT",
    "SCALE_FLOOR",
    "STEP_LIMIT",
    "TOLERANCE",
    "VOLTAGE_LIMIT",
    "WEAK_OHM",
]

GMIN_S = 1e-15
"""From every node to ground, so that a floating line has a voltage."""

TOLERANCE = 1e-10
"""The residual that ends the iteration, over the current scale."""

RESIDUAL_LIMIT = 1e-9
"""The residual above which a solution is refused."""

STEP_LIMIT = 1e-6
"""Largest change of a cell voltage in the last Newton step, over the largest drive; its square is the error left."""

VOLTAGE_LIMIT = 1e-10
"""Largest correction of a voltage, over the largest drive, that weakly held bit lines may still want."""

WEAK_OHM = 1e4
"""A bit line held through more than this is weakly held: small currents mean large voltages there."""

EXTRA_STEPS = 20
"""Steps that may be spent on weakly held lines after the currents are good; beyond, rounding rules."""

FORCING = 1e-3
"""How far a Newton step's linear system is solved, over what is missing before it."""

SCALE_FLOOR = 1e-5
"""Least current scale, over largest conductance times largest voltage: rounding keeps the residual off zero."""

MAX_NEWTON = 60
MAX_PASSES = 200
"""Newton steps per solution; rounds of sources going in and out of compliance."""

OK, NO_CONVERGENCE, CONFLICT, BAD_CELL, BAD_END = range(5)

MESSAGES = {
    NO_CONVERGENCE: "Kirchhoff residual {residual:.1e} after {newton} Newton and {iterations} gradient steps, "
    "at most 1e-9 is accepted; cells or wires of this array differ by too many orders of magnitude",
    CONFLICT: "two ideal drives (0 ohm) meet on one node through ideal wire (0 ohm), so their currents are not "
    "determined; give a contact, a segment or a source some resistance",
    BAD_CELL: "cell coefficients must be finite and not negative (S, S/V^2); an ideal short has no finite "
    "conductance: use that of its contacts",
    BAD_END: "voltages (V) and currents (A) at line ends must be finite; a conductance of 0 S floats an end",
}
"""What to tell for a status; ``{residual}``, ``{newton}`` and ``{iterations}`` are filled in."""
