"""Arbitrary waveforms of one channel of a simulated 33600A generator: its volatile memory and how it is played.

Sources: Keysight 33500 series web help, "Waveform Generation Tutorial" (32 to 1,000,000 points on a 33600A); Agilent
33500 guide, DATA subsystem (codes of -32767 to 32767, values of -1 to 1; a name that is taken already is refused until
the memory is cleared, which leaves the default waveform selected). Error numbers 785 and 786 are from memory; what is
said of too few or too many points is assumed, 65,536 in a list of numbers after PyMeasure's Agilent33500.
Not imitated: the filters, the limit of the sample rate without one, waveforms that come with the instrument or from
files.
"""

from collections.abc import Callable, Iterator
from itertools import groupby

from labctl_mock.keysight.generator_settings import number_text
from labctl_mock.messages import MessageFault
from labctl_mock.messages.numeric import Limit, Number
from labctl_mock.messages.parameters import Choice, Samples, Word
from labctl_mock.messages.tree import Command

__all__ = ["WaveformMemory", "waveform_commands"]

_FEWEST, _MOST_LISTED = 32, 65_536
_FULL_SCALE = 32767
_DEFAULT = "EXP_RISE"
_RATE_HZ, _LEAST_RATE_HZ, _MOST_RATE_HZ = 40e3, 1e-6, 1e9


class WaveformMemory:
    """What one channel holds and how it plays it.

    Attributes
    ----------
    selected : str
        Name of the waveform that ``FUNC ARB`` plays.
    rate_hz : float, unit Hz
        Points per second.
    filter, advance : str
    """

    def __init__(self) -> None:
        self._held: dict[str, tuple[float, ...]] = {}
        self.reset()

    def reset(self) -> None:
        """Take the factory settings; the memory stays."""
        self.selected = _DEFAULT
        self.rate_hz = _RATE_HZ
        self.filter, self.advance = "STEP", "SRAT"

    def clear(self) -> None:
        """Empty the memory, and go back to the default waveform."""
        self._held.clear()
        self.selected = _DEFAULT

    def define(self, name: str, samples: bytes | tuple[float, ...], full_scale: float) -> None:
        """Keep a waveform whose points are parts of ``full_scale`` (unit 1).

        Raises
        ------
        MessageFault
            786 for a name that is taken, -222 and -223 for points that cannot be; nothing is kept then.
        """
        if name in self._held:
            raise MessageFault(786, "Specified arb waveform already exists")
        if isinstance(samples, bytes):
            raise MessageFault(-310, "labctl takes waveforms as lists of numbers, not as blocks")
        if len(samples) > _MOST_LISTED:
            raise MessageFault(-223, f"{len(samples)} points")
        if len(samples) < _FEWEST or max(map(abs, samples)) > full_scale:
            raise MessageFault(-222, f"{len(samples)} points, largest {max(map(abs, samples)):g}")
        self._held[name] = tuple(sample / full_scale for sample in samples)

    def select(self, name: str) -> None:
        """Choose the waveform to play.

        Raises
        ------
        MessageFault
            785 where there is none of this name.
        """
        if name not in self._held and name != _DEFAULT:
            raise MessageFault(785, "Specified arb waveform does not exist")
        self.selected = name

    def set_rate(self, value: float | Limit) -> None:
        """Set the sample rate, unit Hz.

        Raises
        ------
        MessageFault
            -222 outside 1 uSa/s to 1 GSa/s; the rate stays.
        """
        words = {Limit.MINIMUM: _LEAST_RATE_HZ, Limit.MAXIMUM: _MOST_RATE_HZ, Limit.DEFAULT: _RATE_HZ}
        rate_hz = words[value] if isinstance(value, Limit) else value
        if not _LEAST_RATE_HZ <= rate_hz <= _MOST_RATE_HZ:
            raise MessageFault(-222, f"{rate_hz:g}")
        self.rate_hz = rate_hz

    @property
    def first(self) -> float:
        """First point, where a burst rests, unit 1; that of the default waveform is taken as its lowest."""
        return self._held[self.selected][0] if self.selected in self._held else -1.0

    @property
    def cycle_s(self) -> float:
        """Duration of all points, unit s."""
        return len(self._held.get(self.selected, (0.0,) * _FEWEST)) / self.rate_hz

    def steps(self) -> Iterator[tuple[float, float, float]]:
        """Return start (unit s), duration (unit s) and value (unit 1) of each run of equal points.

        Raises
        ------
        MessageFault
            -310 where this simulation cannot play it: the real instrument would.
        """
        if self.selected not in self._held or self.filter != "OFF" or self.advance != "SRAT":
            raise MessageFault(
                -310, "labctl plays waveforms from the volatile memory, with FUNC:ARB:FILT OFF and ADV SRAT"
            )
        place = 0
        for value, run in groupby(self._held[self.selected]):
            count = sum(1 for _ in run)
            yield place / self.rate_hz, count / self.rate_hz, value
            place += count


def waveform_commands(
    source: str, memory: Callable[[int], WaveformMemory], show: Callable[[int], None]
) -> list[Command]:
    """Return the commands of the memories.

    Parameters
    ----------
    source : str
        Pattern of the node that names the channel.
    memory : callable
        Returns that of a channel.
    show : callable
        Brings the output of a channel up to date.
    """

    def changed(do: Callable[..., None]) -> Callable[..., None]:
        def write(number: int, *values: object) -> None:
            do(memory(number), *values)
            show(number)

        return write

    def words(attribute: str, *choices: str) -> Command:
        return Command(
            f"{source}FUNCtion:ARBitrary:{attribute}",
            lambda number, word: setattr(memory(number), attribute.lower(), word),
            (Choice(*choices),),
            lambda number: getattr(memory(number), attribute.lower()),
        )

    return [
        Command(f"{source}DATA:VOLatile:CLEar", changed(WaveformMemory.clear)),
        Command(
            f"{source}DATA:ARBitrary",
            changed(lambda own, name, samples: own.define(name, samples, 1.0)),
            (Word(), Samples()),
        ),
        Command(
            f"{source}DATA:ARBitrary:DAC",
            changed(lambda own, name, samples: own.define(name, samples, _FULL_SCALE)),
            (Word(), Samples()),
        ),
        Command(
            f"{source}FUNCtion:ARBitrary[:WAVeform]",
            changed(WaveformMemory.select),
            (Word(),),
            lambda number: f'"{memory(number).selected}"',
        ),
        Command(
            f"{source}FUNCtion:ARBitrary:SRATe",
            changed(WaveformMemory.set_rate),
            (Number("SA/S"),),
            lambda number: number_text(memory(number).rate_hz),
        ),
        words("FILTer", "NORMal", "STEP", "OFF"),
        words("ADVance", "TRIGger", "SRATe"),
    ]
