"""Waveforms of a Trueform generator: from levels to the codes of its volatile memory, and the commands that play them.

Source: Keysight Trueform Series (33500B, 33600A) Operating and Service Guide, SCPI Programming Reference and "Waveform
Generation Tutorial": 32 to 1,000,000 points on a 33600A, codes of -32767 to 32767 for the whole amplitude about the
offset, a name that is taken already is an error until ``DATA:VOLatile:CLEar``. PyMeasure's Agilent33500, an independent
reading, gives 65,536 points as the most that one list of numbers may hold. A burst of one cycle starts with the first
point and stays there after the last; both are 0 V here, so that the output rests at 0 V however it ends.

Filter OFF holds each level until the next. How fast samples may then come is known of the 33500 only, 62.5 MSa/s; a
33622A is taken as no faster.

Not here: the message exchange (:mod:`labctl_instruments.keysight.keysight33622a`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Self

from labctl.roles import WaveformLimits

__all__ = ["PLAYED", "WAVEFORM_LIMITS", "Waveform"]

_NAME = "LABCTL"
_FULL_SCALE = 32767
_FEWEST_POINTS, _MOST_POINTS = 32, 65_536
_RESTS = 2
_LEAST_PEAK_V = 1e-3
# the longest is this driver's, which waits for the end; levels are 20 Vpp into an open circuit
WAVEFORM_LIMITS = WaveformLimits(
    most_samples=_MOST_POINTS - _RESTS, min_sample_s=16e-9, max_duration_s=100.0, max_level_v=10.0
)
# settings of a waveform beside those of every burst, and the words that may be answered; None for a number
PLAYED: Mapping[str, str | None] = {"SOUR{}:FUNC:ARB:SRAT": None, "SOUR{}:FUNC:ARB:FILT": "NORM|STEP|OFF"}


@dataclass(frozen=True, slots=True)
class Waveform:
    """One waveform as the memory of one output holds it.

    Attributes
    ----------
    peak_v : float, unit V
        Largest magnitude, that of the full scale.
    codes : tuple of int
        Points, a rest at 0 V before and at least one after the samples.
    sample_s : float, unit s
    """

    peak_v: float
    codes: tuple[int, ...]
    sample_s: float

    @classmethod
    def of(cls, what: str, levels_v: Sequence[float], sample_s: float) -> Self:
        """Turn levels into points.

        Parameters
        ----------
        what : str
            For messages, such as ``"gen1: output 1"``.
        levels_v : sequence of float, unit V
        sample_s : float, unit s
            Time at each level.

        Returns
        -------
        Waveform

        Raises
        ------
        ValueError
            If the instrument cannot play it.
        """
        limits, count = WAVEFORM_LIMITS, len(levels_v)
        if not 1 <= count <= limits.most_samples:
            raise ValueError(f"{what}: a waveform has 1 to {limits.most_samples} samples, got {count}")
        if not sample_s >= limits.min_sample_s:
            raise ValueError(f"{what}: a sample must last at least {limits.min_sample_s:g} s, got {sample_s:g} s")
        points = max(count + _RESTS, _FEWEST_POINTS)
        if not points * sample_s <= limits.max_duration_s:
            raise ValueError(
                f"{what}: a waveform lasts at most {limits.max_duration_s:g} s, got {points} points of {sample_s:g} s"
            )
        peak_v = max(abs(level_v) if isfinite(level_v) else float("inf") for level_v in levels_v)
        if not _LEAST_PEAK_V <= peak_v <= limits.max_level_v:
            raise ValueError(
                f"{what}: the peak of a waveform must be within {_LEAST_PEAK_V:g} V and {limits.max_level_v:g} V of "
                f"either sign (20 Vpp into an open circuit), got {peak_v:g} V"
            )
        codes = (0, *(round(_FULL_SCALE * level_v / peak_v) for level_v in levels_v))
        return cls(peak_v, codes + (0,) * (points - len(codes)), sample_s)

    @property
    def duration_s(self) -> float:
        """From the trigger to the end of the burst, unit s."""
        return len(self.codes) * self.sample_s

    def commands(self, output: int) -> list[str]:
        """Return what lays the waveform on an output that is off, at 0 V with its voltage limits off.

        Parameters
        ----------
        output : int

        Returns
        -------
        list of str
        """
        source = f":SOUR{output}"
        return [
            f"{source}:DATA:VOL:CLE",
            f"{source}:DATA:ARB:DAC {_NAME},{','.join(map(str, self.codes))}",
            f'{source}:FUNC:ARB "{_NAME}"',
            f"{source}:FUNC:ARB:ADV SRAT",
            f"{source}:FUNC:ARB:FILT OFF",
            f"{source}:FUNC ARB",
            # a waveform may bring its own rate and levels along: these come after it, the amplitude last
            f"{source}:FUNC:ARB:SRAT {1.0 / self.sample_s:.9e}",
            f"{source}:VOLT {2.0 * _LEAST_PEAK_V:.9e}",
            f"{source}:VOLT:OFFS {0.0:.9e}",
            f"{source}:VOLT {2.0 * self.peak_v:.9e}",
        ]

    def settings(self, output: int) -> dict[str, str | float]:
        """Return what the output answers then.

        Parameters
        ----------
        output : int

        Returns
        -------
        dict of str to str or float
        """
        return {
            f"{output}.SOUR:FUNC": "ARB",
            f"{output}.SOUR:FUNC:ARB:SRAT": 1.0 / self.sample_s,
            f"{output}.SOUR:FUNC:ARB:FILT": "OFF",
            f"{output}.SOUR:VOLT:HIGH": self.peak_v,
            f"{output}.SOUR:VOLT:LOW": -self.peak_v,
        }
