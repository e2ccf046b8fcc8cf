"""How the inner kernels of the crossbar's solver are compiled.

Not here: the kernels (:mod:`labctl.physics.line_ladder_numba`, :mod:`labctl.physics.line_ends_numba`,
:mod:`labctl.physics.line_schur_numba`).
"""

from collections.abc import Callable
from typing import TypeVar, cast

from numba import njit

__all__ = ["kernel"]

F = TypeVar("F", bound=Callable[..., object])


def kernel(function: F) -> F:
    """Compile a function that only compiled code calls.

    It goes without the wrappers that Python and C would call it by: they take a tenth of the time of a first
    compilation.

    Parameters
    ----------
    function : callable

    Returns
    -------
    callable
        Not to be called from Python.
    """
    options = {"cache": True, "error_model": "numpy", "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    return cast(F, njit(**options)(function))
