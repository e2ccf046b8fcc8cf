"""Numbering of the workspaces that the crossbar and its compiled engine share.

Not here: what is done with them (:mod:`labctl.physics.line_ladder_numba`, :mod:`labctl.physics.line_schur_numba`).
"""

import numpy as np

__all__ = [
    "BETA",
    "BIT_PLANES",
    "DIAG",
    "EMF",
    "END_ROWS",
    "FIRST_WORD_END",
    "H_FAR",
    "H_NEAR",
    "INJECTED",
    "OHM",
    "PHI",
    "RHO",
    "SCRATCH",
    "V_CELL",
    "WORD_PLANES",
    "ZERO",
    "D",
    "E",
    "F",
    "G",
    "M",
    "P",
    "Q",
    "R",
    "V",
    "X",
    "Y",
    "Z",
]

# common to word and bit lines: ladder coefficients, voltages, correction, injected currents, direction, line shapes
DIAG, RHO, D, BETA, V, X, F, P, H_NEAR, H_FAR = range(10)
WORD_PLANES = 10
# bit lines only: slopes and mismatch of the cells, residual, product of the direction, scratch, cells
G, M, R, Q, Z, V_CELL = range(10, 16)
BIT_PLANES = 16
# a plain int would be a type of its own to numba, which would compile what takes it once more
FIRST_WORD_END = np.int64(0)
# rows of the table of line ends: filled in by the caller, then scratch; SCRATCH takes three rows
OHM, EMF, INJECTED, Y, PHI, E, ZERO, SCRATCH = range(8)
END_ROWS = 10
