"""A spike of any form from a file: two columns of a CSV, time in s and voltage in V, with straight lines between.

Peers read such text files too; here a sample is the mean of the curve over its time, so that the area under the spike
is kept whatever the sample. Not here: what two spikes do to a cell (:mod:`labctl_procedures.stdp`).
"""

import csv
from pathlib import Path

import numpy as np
import numpy.typing as npt

from labctl.errors import RunError

__all__ = ["read_spike", "sampled_spike_v"]

_Floats = npt.NDArray[np.float64]
_MOST_SAMPLES = 1_000_000


def read_spike(path: str) -> tuple[_Floats, _Floats]:
    """Read the points of a spike.

    Parameters
    ----------
    path : str
        A CSV file: time in s and voltage in V; lines that begin with ``#`` and one line of titles are left out.

    Returns
    -------
    tuple of ndarray, shape (points,), unit s and V
        Times from 0 on, which never fall, and voltages.

    Raises
    ------
    RunError
        If the file cannot be read, or a line breaks these rules.
    """
    try:
        lines = Path(path).expanduser().read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"{path}: cannot be read: {error}; give a CSV file of time (s) and voltage (V)") from error
    points: list[tuple[float, float]] = []
    rows = [(number, line) for number, line in enumerate(lines, start=1) if line.strip() and line.lstrip()[0] != "#"]
    for place, (number, line) in enumerate(rows):
        try:
            time_s, level_v = (float(text) for text in next(csv.reader([line])))
        except ValueError as error:
            if place == 0:
                continue
            raise RunError(f"{path}, line {number}: must be a time in s and a voltage in V, got {line!r}") from error
        if not np.isfinite([time_s, level_v]).all() or (points and time_s < points[-1][0]):
            raise RunError(f"{path}, line {number}: times must be finite and never fall, got {line!r}")
        points.append((time_s, level_v))
    times_s, levels_v = np.array(points or [(0.0, 0.0)]).T
    if not times_s[-1] > times_s[0]:
        raise RunError(f"{path}: a spike needs at least two points at different times, got {len(points)}")
    return times_s - times_s[0], levels_v


def sampled_spike_v(times_s: _Floats, levels_v: _Floats, sample_s: float) -> _Floats:
    """Return the mean of a spike over each sample.

    Parameters
    ----------
    times_s, levels_v : ndarray, shape (points,), unit s and V
        Of :func:`read_spike`.
    sample_s : float, unit s

    Returns
    -------
    ndarray, shape (samples,), unit V
        The last sample may reach beyond the spike, where it is 0 V.

    Raises
    ------
    RunError
        If these are too many samples.
    """
    count = float(np.ceil(times_s[-1] / sample_s - 1e-9))
    if not count <= _MOST_SAMPLES:
        raise RunError(f"a spike of {times_s[-1]:.4g} s has {count:.4g} samples of {sample_s:.4g} s; take longer ones")
    steps_s, means_v = np.diff(times_s), 0.5 * (levels_v[1:] + levels_v[:-1])
    areas_vs = np.concatenate([[0.0], np.cumsum(means_v * steps_s)])
    edges_s = np.minimum(np.arange(max(int(count), 1) + 1) * sample_s, times_s[-1])
    places = np.clip(np.searchsorted(times_s, edges_s, side="right") - 1, 0, steps_s.size - 1)
    into_s, long_s = edges_s - times_s[places], steps_s[places]
    slopes = np.divide(np.diff(levels_v)[places], long_s, out=np.zeros_like(edges_s), where=long_s > 0.0)
    until_vs = areas_vs[places] + (levels_v[places] + 0.5 * slopes * into_s) * into_s
    return np.asarray(np.diff(until_vs) / sample_s)
