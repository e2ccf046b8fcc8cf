"""Look-up curves of one pulse: quantiles of the step of the conductance over its place in the window, no law assumed.

Every quantile is straight between knots of the place; between two quantiles the step is straight in the normal quantile
of the probability, and goes straight on beyond the outermost. The curves know one amplitude and one width each way.
What another pulse would do, and what a cell does at rest, they do not know. Not here: how curves come from measured
tables or runs (:mod:`labctl.analysis.twin.pulse_table_fit`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from labctl.errors import StationError
from labctl.physics.presets import Preset

__all__ = ["PulseTableLaw"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]

_WAYS = {1: "up", -1: "down"}


@dataclass(frozen=True, slots=True, eq=False)
class PulseTableLaw:
    """What one pulse does to cells of one or several measured kinds; the last kind is the typical one.

    The typical kind is the median of the others, quantile by quantile.

    Attributes
    ----------
    low_s, high_s : ndarray, shape (kinds + 1,), unit S
        Window of each kind.
    normal_levels : ndarray, shape (levels,), unit 1
        Normal quantiles of the probabilities, ascending.
    knots : dict of int to ndarray, shape (knots,), unit 1
        Places that the curves are told at, ascending, by direction: 1 up, -1 down.
    steps : dict of int to ndarray, shape (kinds + 1, levels, knots), unit 1
        Quantiles of the step, in parts of the window, by direction.
    """

    low_s: Array
    high_s: Array
    normal_levels: Array
    knots: dict[int, Array]
    steps: dict[int, Array]

    @classmethod
    def from_preset(cls, preset: Preset) -> "PulseTableLaw":
        """Take the curves out of a device file.

        Parameters
        ----------
        preset : Preset
            Of family ``"pulse_table"``.

        Returns
        -------
        PulseTableLaw

        Raises
        ------
        StationError
            If a key is missing or in another unit, or lists do not fit together.
        """
        units = {"window.low": "S", "window.high": "S", "quantile.level": "1"}
        units |= {f"{way}.{key}": "1" for way in _WAYS.values() for key in ("place", "step")}
        preset.require(units)
        low_s, high_s, levels = (preset.table(key) for key in ("window.low", "window.high", "quantile.level"))
        if low_s.size != high_s.size or not (low_s < high_s).all():
            raise StationError(
                f"{preset.place}: window.low and window.high must hold as many numbers, each low below its high, in S;"
                f" got {low_s.size} and {high_s.size}"
            )
        _check_ascent(preset, "quantile.level", levels)
        if not 0.0 < levels[0] < levels[-1] < 1.0:
            raise StationError(f"{preset.place}: quantile.level must lie between 0 and 1, got {levels.tolist()}")
        knots, steps = {}, {}
        for sign, way in _WAYS.items():
            place, flat = preset.table(f"{way}.place"), preset.table(f"{way}.step")
            _check_ascent(preset, f"{way}.place", place)
            if (place[0], place[-1]) != (0.0, 1.0):
                raise StationError(
                    f"{preset.place}: {way}.place must go from 0 to 1, got {place[0]:g} to {place[-1]:g}"
                )
            one = levels.size * place.size
            if flat.size not in (one, one * low_s.size):
                raise StationError(
                    f"{preset.place}: {way}.step must hold one number per quantile and place, {one}, or as many for"
                    f" each of the {low_s.size} windows; got {flat.size}"
                )
            curves = flat.reshape(-1, levels.size, place.size)
            if not (np.diff(curves, axis=1) >= 0.0).all():
                raise StationError(f"{preset.place}: {way}.step must not fall from one quantile to the next")
            kinds = np.broadcast_to(curves, (low_s.size, *curves.shape[1:]))
            knots[sign], steps[sign] = place, np.concatenate([kinds, np.median(kinds, axis=0, keepdims=True)])
        return cls(
            np.append(low_s, np.median(low_s)), np.append(high_s, np.median(high_s)), ndtri(levels), knots, steps
        )

    def step(self, kind: Index, sign: int, place: Array, normal: Array) -> Array:
        """Return by how much one pulse moves cells, shape (n,), unit 1, in parts of the window; it may lead out of it.

        Parameters
        ----------
        kind : ndarray of int, shape (n,)
            Whose curves each cell follows.
        sign : {1, -1}
            Direction of the pulse.
        place : ndarray, shape (n,), unit 1
            Before it, 0 to 1.
        normal : ndarray, shape (n,), unit 1
            Normal quantile of the probability that was drawn.
        """
        knots, steps = self.knots[sign], self.steps[sign]
        left = np.clip(np.searchsorted(knots, place, side="right") - 1, 0, knots.size - 2)
        part = ((place - knots[left]) / (knots[left + 1] - knots[left]))[:, np.newaxis]
        curve = (1.0 - part) * steps[kind, :, left] + part * steps[kind, :, left + 1]
        levels, each = self.normal_levels, np.arange(place.size)
        below = np.clip(np.searchsorted(levels, normal) - 1, 0, levels.size - 2)
        share = (normal - levels[below]) / (levels[below + 1] - levels[below])
        return np.asarray(curve[each, below] + share * (curve[each, below + 1] - curve[each, below]))


def _check_ascent(preset: Preset, key: str, values: Array) -> None:
    if values.size < 2 or not (np.diff(values) > 0.0).all():
        raise StationError(f"{preset.place}: {key} must hold two ascending numbers or more, got {values.tolist()}")
