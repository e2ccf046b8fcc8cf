"""A generator on rows of a matrix: armed for one width at a time, or loaded with waveforms that are played once.

Its outputs are on at 0 V from the first pulse on, and off around a waveform: while it is loaded, the lines move, and
after it. Not here: which line hangs on which row (:mod:`labctl.array.crossbar_lines` and its neighbours).
"""

from collections.abc import Mapping, Sequence

from labctl.array.pulse_widths import PulseWidths
from labctl.array.sources import GeneratorRows
from labctl.errors import StationError
from labctl.roles import PulseLimits, WaveformSource

__all__ = ["LineGenerator"]


class LineGenerator:
    """The generator of an array.

    Parameters
    ----------
    generator : GeneratorRows
    edge_s : float, unit s
        Edge of pulses; shorter where it does not fit into the width, longer where the generator is slower.

    Attributes
    ----------
    rows : list of str
        Matrix row of each output, in their order.
    outputs : list of int
    limits : PulseLimits
    terminal : str
        Its name in the wiring.
    """

    def __init__(self, generator: GeneratorRows, *, edge_s: float = 1e-8) -> None:
        self._source = generator.source
        self._edge_s = edge_s
        self._width_s: float | None = None
        self._is_on = False
        self.outputs = sorted(generator.rows)
        self.rows = [generator.rows[output] for output in self.outputs]
        self.limits: PulseLimits = generator.source.limits
        self.terminal = generator.terminal

    def widths(self, *, is_allowed: bool = True) -> PulseWidths:
        """Return which widths it gives.

        Parameters
        ----------
        is_allowed : bool
            Whether the settings let it pulse at all.

        Returns
        -------
        PulseWidths
        """
        return PulseWidths(self.terminal, self.limits.min_width_s, self.limits.max_width_s, is_allowed)

    def arm(self, width_s: float) -> None:
        """Set up pulses of one width, outputs on at 0 V; nothing is sent where that is so.

        Parameters
        ----------
        width_s : float, unit s
        """
        if self._width_s != width_s:
            edge_s = max(self.limits.min_edge_s, min(self._edge_s, 0.5 * width_s))
            self._source.prepare(width_s=width_s, edge_s=edge_s)
            # outputs are off after waveforms, as they are before the first pulse
            self._is_on = self._is_on and self._width_s is not None
            self._width_s = width_s
        if not self._is_on:
            self._source.output_on()
            self._is_on = True

    def fire(self, levels_v: Mapping[int, float]) -> None:
        """Give one pulse of the armed width.

        Parameters
        ----------
        levels_v : mapping of int to float, unit V
            By output.
        """
        self._source.set_levels(levels_v)
        self._source.fire()

    def load(self, levels_v: Mapping[int, Sequence[float]], *, sample_s: float) -> None:
        """Load waveforms; outputs are off then.

        Parameters
        ----------
        levels_v : mapping of int to sequence of float, unit V
            By output; one that stays at 0 V is left out.
        sample_s : float, unit s

        Raises
        ------
        StationError, ValueError
            If the generator cannot play them; nothing is sent.
        """
        self._width_s = None
        self._player().load_waveforms(_driven(levels_v), sample_s=sample_s)
        self._is_on = False

    def play(self) -> None:
        """Play what is loaded, once; outputs are on for that only."""
        self._source.output_on()
        self._is_on = True
        self._player().play()
        self.off()

    def off(self) -> None:
        """Switch the outputs off, unless they are."""
        if self._is_on:
            self._source.output_off()
            self._is_on = False

    def check(self, levels_v: Mapping[int, Sequence[float]], *, sample_s: float) -> None:
        """Refuse waveforms that the generator cannot play; nothing is sent.

        Parameters
        ----------
        levels_v : mapping of int to sequence of float, unit V
            By output.
        sample_s : float, unit s

        Raises
        ------
        StationError
            If it plays none.
        ValueError
            With what it can play.
        """
        limits = self._player().waveform_limits
        driven = _driven(levels_v)
        count = max((len(levels) for levels in driven.values()), default=0)
        peak_v = max((abs(level_v) for levels in driven.values() for level_v in levels), default=0.0)
        if not driven:
            raise ValueError("array: a waveform needs a sample at another level than 0 V")
        if (
            count > limits.most_samples
            or not sample_s >= limits.min_sample_s
            or not count * sample_s <= limits.max_duration_s
            or not peak_v <= limits.max_level_v
        ):
            raise ValueError(
                f"array: the generator plays up to {limits.most_samples} samples of at least {limits.min_sample_s:.4g} "
                f"s within {limits.max_duration_s:.4g} s, to {limits.max_level_v:.4g} V on a line; asked for {count} "
                f"samples of {sample_s:.4g} s to {peak_v:.4g} V"
            )

    def _player(self) -> WaveformSource:
        if not isinstance(self._source, WaveformSource):
            raise StationError("array: the generator gives single pulses and cannot play a waveform")
        return self._source


def _driven(levels_v: Mapping[int, Sequence[float]]) -> dict[int, Sequence[float]]:
    return {output: levels for output, levels in levels_v.items() if any(levels)}
