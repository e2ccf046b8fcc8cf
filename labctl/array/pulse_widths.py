"""Which widths the sources of a station give, and the refusal of others. Not here: the pulses (the accesses)."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

from labctl.array.sources import RackStation

__all__ = ["PulseWidths", "no_source"]


@dataclass(frozen=True, slots=True)
class PulseWidths:
    """What one source gives.

    Attributes
    ----------
    terminal : str
        Such as ``"smu1.a"``.
    least_s, most_s : float, unit s
        Shortest and longest pulse.
    is_allowed : bool
        Whether the settings let it pulse at all.
    """

    terminal: str
    least_s: float
    most_s: float = inf
    is_allowed: bool = True

    @property
    def bounds(self) -> str:
        """Both bounds in words."""
        return (
            f"at least {self.least_s:.4g} s" if self.most_s == inf else f"{self.least_s:.4g} s to {self.most_s:.4g} s"
        )

    def gives(self, width_s: float) -> bool:
        """Tell whether it may and can give a pulse.

        Parameters
        ----------
        width_s : float, unit s

        Returns
        -------
        bool
        """
        return self.is_allowed and self.least_s <= width_s <= self.most_s

    def nearest_s(self, width_s: float) -> float:
        """Return the width that it gives and that is nearest to another.

        Parameters
        ----------
        width_s : float, unit s

        Returns
        -------
        float, unit s
        """
        return min(max(width_s, self.least_s), self.most_s)


def no_source(station: RackStation, width_s: float, where: str, sources: Sequence[PulseWidths]) -> ValueError:
    """Return the refusal of a width: who gives which, the nearest value, and what to do.

    Parameters
    ----------
    station : RackStation
        Knows the instruments by name.
    width_s : float, unit s
    where : str
        Which cells and settings.
    sources : sequence of PulseWidths
        All of the station.

    Returns
    -------
    ValueError
    """
    allowed = [source for source in sources if source.is_allowed]
    remedies = []
    if allowed:
        best = min(allowed, key=lambda source: abs(source.nearest_s(width_s) - width_s))
        nearest_s, name = best.nearest_s(width_s), station.named(best.terminal)
        remedies.append(f"the nearest is {nearest_s:.4g} s with {name}: set the width of the pulse to it")
    for source in sources:
        if not source.is_allowed and source.least_s <= width_s <= source.most_s:
            name = station.named(source.terminal)
            remedies.append(f"or choose another pulse_with or scheme, so that {name} may pulse")
    told = "; ".join(f"{station.named(source.terminal)}: {source.bounds}" for source in sources)
    remedy = ", ".join(remedies) or "choose another pulse_with or scheme"
    return ValueError(f"array: no source can give a pulse of {width_s:.4g} s {where}; there are {told}; {remedy}")
