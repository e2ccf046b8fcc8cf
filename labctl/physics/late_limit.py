"""A current limit that acts too late: what an abrupt SET does before the source takes its voltage back.

The compliance of a source-measure unit is a control loop. Until it has answered the source stays a voltage source, and
a cell whose resistance collapses carries what that drives through it: the overshoot. Here the loop answers a fixed time
after the current crossed the limit; from then on the limit holds exactly. A transistor in series limits at once, so no
overshoot comes behind one. Not here: the law (:mod:`labctl.physics.filament`); which source answers how fast (the
bench); the charge of cables and parasitic capacitance, which flows whatever the loop does; a source that the circuit
already finds in compliance when the stress begins, such as one that pulses a cell of low resistance.
"""

import numpy as np
from numpy.typing import NDArray

from labctl.physics.filament import FilamentLaw

__all__ = ["step_until_limited"]

Floats = NDArray[np.float64]

# halvings of the time in which the current crosses the limit: to a part in 1e12 of the stress
_HALVINGS = 40
# a source in compliance gives its limit, give or take what the solver of the circuit leaves
_ABOVE = 1.0 + 1e-3


def step_until_limited(
    law: FilamentLaw,
    gap_m: Floats,
    voltage_v: Floats,
    duration_s: Floats,
    *,
    gate_v: Floats | None,
    limit_a: Floats,
    lag_s: Floats,
    field_gain: Floats,
) -> Floats:
    """Return the gaps after a constant voltage whose limit acts ``lag_s`` after the current crossed it.

    Parameters
    ----------
    law : FilamentLaw
    gap_m, voltage_v, duration_s, gate_v, limit_a, field_gain : ndarray, shape (n,)
        As :meth:`labctl.physics.filament.FilamentLaw.step` takes them.
    lag_s : ndarray, shape (n,), unit s
        0 where the limit acts at once.

    Returns
    -------
    ndarray, shape (n,), unit m
    """
    gap = law.step(gap_m, voltage_v, duration_s, gate_v=gate_v, limit_a=limit_a, field_gain=field_gain)
    # a filament that closes is what collapses; one that opens carries ever less
    late = np.flatnonzero((lag_s > 0.0) & np.isfinite(limit_a) & (voltage_v > 0.0))
    if not late.size:
        return gap
    start, volts, lasting, limit, gain = (
        item[late] for item in (gap_m, voltage_v, duration_s, _ABOVE * limit_a, field_gain)
    )
    above = None if gate_v is None else gate_v[late]

    def free(time_s: Floats) -> tuple[Floats, NDArray[np.bool_]]:
        """Return the gaps after a time without a limit, and whether the current is beyond it."""
        reached = law.step(start, volts, time_s, gate_v=above, field_gain=gain)
        return reached, law.divide(reached, volts, above)[1] > limit

    crosses = free(lasting)[1] & ~free(np.zeros(late.size))[1]
    if not crosses.any():
        return gap
    low, high = np.zeros(late.size), lasting.copy()
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        beyond = free(middle)[1]
        low, high = np.where(beyond, low, middle), np.where(beyond, middle, high)
    free_s = np.minimum(lasting, high + lag_s[late])
    # from here on the limit holds
    held = law.step(free(free_s)[0], volts, lasting - free_s, gate_v=above, limit_a=limit_a[late], field_gain=gain)
    gap[late[crosses]] = held[crosses]
    return gap
