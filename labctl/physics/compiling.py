"""Whether the compiled physics lies on disk already, and bringing it there: the first compilation takes half a minute.

Not here: what is compiled (:mod:`labctl.physics.kernels`, :mod:`labctl.physics.line_schur_numba`).
"""

from pathlib import Path

import numpy as np

from labctl.physics.crossbar import Boundaries, Crossbar, OddCells, Wires
from labctl.physics.live_die import make_die
from labctl.physics.presets import load_preset

__all__ = ["compile_physics", "is_compiled"]

_DEVICE = "kim2021_tiox_al2o3"


def is_compiled() -> bool:
    """Tell whether the slowest part was compiled from the code as it is now; imports Numba."""
    from labctl.physics import line_schur_numba

    source = Path(line_schur_numba.__file__)
    made = Path(line_schur_numba.solve_ends.stats.cache_path).glob(f"{source.stem}.solve_ends-*.nbi")
    return any(file.stat().st_mtime >= source.stat().st_mtime for file in made)


def compile_physics() -> None:
    """Load what is compiled, or compile it and keep it on disk, by one step of one cell of a small array."""
    die = make_die(load_preset(_DEVICE), 1, 1, seed=0)
    linear_s, cubic = die.coefficients_at(0.0, control_v=np.full(die.shape, np.nan))
    cells = OddCells(np.array(linear_s), np.array(cubic))
    one, none = np.ones(1), np.zeros(1)
    Crossbar(1, 1, Wires(1.0, 1.0, 1.0, 1.0)).solve(cells, Boundaries(one, one, none, none, none, one, none, none))
    die.stress(np.full(die.shape, 1.0), 1e-3, 0.0)
