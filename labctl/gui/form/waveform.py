"""What is drawn of a preview: the levels of a terminal over time, as a line that stands and steps.

Not here: the plot (:mod:`labctl.gui.form.preview_view`), where the stimuli come from (:mod:`labctl.run.dry_run`).
"""

import base64
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

__all__ = ["stepped_line", "unpacked"]

Floats = npt.NDArray[np.float64]


def unpacked(trace: Mapping[str, str]) -> tuple[Floats, Floats, Floats]:
    """Read the trace of a terminal as it comes from the process behind the window.

    Parameters
    ----------
    trace : mapping of str to str
        Base64 of little-endian float64: ``start_s``, ``level_v``, ``width_s``.

    Returns
    -------
    start_s, level_v, width_s : ndarray, shape (n,), unit s, V and s
        Width NaN: the level stands until the next one.
    """
    start, level, width = (
        np.frombuffer(base64.b64decode(trace[name]), dtype="<f8") for name in ("start_s", "level_v", "width_s")
    )
    return start, level, width


def stepped_line(start_s: Floats, level_v: Floats, width_s: Floats, *, until_s: float) -> tuple[Floats, Floats]:
    """Return the corners of the line: a level stands until the next one, a pulse falls back to 0 V after its width.

    Parameters
    ----------
    start_s, level_v, width_s : ndarray, shape (n,), unit s, V and s
        Of each stimulus, in their order; width NaN: no pulse.
    until_s : float, unit s
        Where the line ends.

    Returns
    -------
    time_s, level_v : ndarray, shape (4 n + 2,), unit s and V
        The line begins at 0 s and 0 V.
    """
    if start_s.size == 0:
        return np.array([0.0, until_s]), np.zeros(2)
    is_pulse = np.isfinite(width_s)
    end_s = np.where(is_pulse, start_s + np.nan_to_num(width_s), start_s)
    after_v = np.where(is_pulse, 0.0, level_v)
    before_v = np.concatenate(([0.0], after_v[:-1]))
    times = np.stack((start_s, start_s, end_s, end_s), axis=1).ravel()
    levels = np.stack((before_v, level_v, level_v, after_v), axis=1).ravel()
    last_s = max(until_s, float(times[-1]))
    return np.concatenate(([0.0], times, [last_s])), np.concatenate(([0.0], levels, [after_v[-1]]))
