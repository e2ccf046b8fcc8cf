"""The envelope around a generator that also plays waveforms: each is one stimulus, refused before a byte is sent.

Voltage counts sample by sample, with the present levels of all other terminals, when a waveform is loaded and again
when it is played; current as the largest level / 50 ohm; energy as the sum over all samples of level² / (4 x 50 ohm) x
sample; the length of all samples together as a width.

Not here: single pulses and what all sources share (:mod:`labctl.station.envelope`).
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest

from labctl.errors import EnvelopeError
from labctl.roles import PulseSource, WaveformLimits, WaveformSource
from labctl.station.envelope import SOURCE_OHM, EnvelopedPulseSource, available_power_w
from labctl.station.guard import Guard

__all__ = ["EnvelopedWaveformSource", "enveloped_generator"]


class EnvelopedWaveformSource(EnvelopedPulseSource):
    """A :class:`labctl.roles.WaveformSource` inside the envelope.

    Parameters
    ----------
    inner : WaveformSource
        The driver.
    key, guard, read_back
        As :class:`labctl.station.envelope.EnvelopedPulseSource`.
    """

    def __init__(self, inner: WaveformSource, key: str, guard: Guard, read_back: Callable[[], None]) -> None:
        super().__init__(inner, key, guard, read_back)
        self._player = inner
        self._loaded = f"{key}.waveforms"
        # the different samples, each a level for every loaded terminal
        self._samples_v: list[dict[str, float]] = []
        self._duration_s = 0.0
        limits, envelope = inner.waveform_limits, guard.envelope
        self.waveform_limits = WaveformLimits(
            most_samples=limits.most_samples,
            min_sample_s=limits.min_sample_s,
            max_duration_s=min(limits.max_duration_s, envelope.pulse_width_s),
            max_level_v=min(limits.max_level_v, self.limits.max_level_v),
        )

    def prepare(self, *, width_s: float, edge_s: float) -> None:
        """Set up every output for one single pulse per trigger; after a waveform the outputs are off.

        Parameters
        ----------
        width_s, edge_s : float, unit s

        Raises
        ------
        EnvelopeError
            If the width, with the present levels, is outside the envelope; nothing is sent.
        """
        super().prepare(width_s=width_s, edge_s=edge_s)
        if self._loaded in self._guard.prepared:
            self._guard.prepared.discard(self._loaded)
            self._guard.on.difference_update(self._terminals.values())

    def load_waveforms(self, levels_v: Mapping[int, Sequence[float]], *, sample_s: float) -> None:
        """Switch every output off and lay a waveform on each named one.

        Parameters
        ----------
        levels_v : mapping of int to sequence of float, unit V
            Samples by output; a shorter waveform ends at 0 V.
        sample_s : float, unit s

        Raises
        ------
        EnvelopeError
            If a sample, the length or the energy is outside the envelope, or a level is in doubt; nothing is sent.
        """
        self._guard.check_known(self._key)
        terminals = [self._terminals.get(output, f"{self._key}.{output}") for output in levels_v]
        samples = list(zip_longest(*levels_v.values(), fillvalue=0.0))
        samples_v = [dict(zip(terminals, sample, strict=True)) for sample in dict.fromkeys(samples)]
        self._check_samples(samples_v)
        duration_s = len(samples) * sample_s
        if samples:
            mean_w = sum(available_power_w(sample) for sample in samples) / len(samples)
            self._guard.check_stimulus(self._key, duration_s, mean_w)
        self._guard.unprepare(self._key)
        with self._guard.stimulating(terminals, 0.0):
            self._player.load_waveforms(levels_v, sample_s=sample_s)
        self._guard.levels_v.update(dict.fromkeys(self._terminals.values(), 0.0))
        self._guard.on.difference_update(self._terminals.values())
        self._samples_v, self._duration_s = samples_v, duration_s
        self._guard.prepared.add(self._loaded)

    def play(self) -> None:
        """Trigger the waveforms once.

        Raises
        ------
        EnvelopeError
            If none was loaded, a level is in doubt, or a sample with the present levels of the other terminals is
            outside the envelope; nothing is sent.
        """
        if self._loaded not in self._guard.prepared:
            raise EnvelopeError(f"{self._key}: the waveforms are not known; call load_waveforms() first")
        self._guard.check_known(self._key)
        self._check_samples(self._samples_v)
        with self._guard.stimulating(self._terminals.values(), self._duration_s):
            self._player.play()

    def _check_prepared(self) -> None:
        if self._loaded not in self._guard.prepared:
            super()._check_prepared()

    def _check_samples(self, samples_v: Sequence[dict[str, float]]) -> None:
        for levels_v in samples_v:
            self._guard.check_levels(self._key, levels_v)
            for terminal, level_v in levels_v.items():
                self._guard.check_current(terminal, "level / 50 ohm", abs(level_v) / SOURCE_OHM)


def enveloped_generator(
    inner: PulseSource, key: str, guard: Guard, read_back: Callable[[], None]
) -> EnvelopedPulseSource:
    """Put a generator inside the envelope, with its waveforms where it plays any.

    Parameters
    ----------
    inner : PulseSource
        The driver.
    key, guard, read_back
        As :class:`labctl.station.envelope.EnvelopedPulseSource`.

    Returns
    -------
    EnvelopedPulseSource
    """
    if isinstance(inner, WaveformSource):
        return EnvelopedWaveformSource(inner, key, guard, read_back)
    return EnvelopedPulseSource(inner, key, guard, read_back)
