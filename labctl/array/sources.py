"""Which instruments pulse and read the array: found by what hangs on the matrix rows of the station's wiring.

Not here: the relays (:mod:`labctl.array.wires`) and the levels (:mod:`labctl.array.schemes`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from labctl.array.wires import Wiring
from labctl.clock import Clock
from labctl.errors import StationError
from labctl.roles import PulseSource, SourceMeter, SwitchMatrix

__all__ = ["GeneratorRows", "RackStation", "SmuRows", "find_generator", "find_smus"]

_GROUND = "ground"


class SampleInfo(Protocol):
    """Size of the sample."""

    @property
    def rows(self) -> int:
        """Word lines."""
        ...

    @property
    def columns(self) -> int:
        """Bit lines."""
        ...


class RackWiring(Wiring, Protocol):
    """Wiring that also tells what hangs on each matrix row."""

    @property
    def rows(self) -> Mapping[str, str]:
        """Source by matrix row, such as ``{"A": "smu1.a", "E": "ground"}``."""
        ...


class RackStation(Protocol):
    """What the array access asks of a station; :class:`labctl.station.Station` has it."""

    @property
    def clock(self) -> Clock:
        """Time of the rack."""
        ...

    @property
    def sample(self) -> SampleInfo:
        """The sample."""
        ...

    @property
    def wiring(self) -> RackWiring:
        """Lines and matrix rows."""
        ...

    def source_meter(self, name: str) -> SourceMeter:
        """Return a channel of a source-measure unit."""
        ...

    def pulse_source(self, name: str) -> PulseSource:
        """Return a pulse generator."""
        ...

    def switch_matrix(self, name: str) -> SwitchMatrix:
        """Return a switch matrix."""
        ...


@dataclass(frozen=True, slots=True)
class SmuRows:
    """Two channels of one source-measure unit on matrix rows: the first drives the word, the second the bit line."""

    word: SourceMeter
    bit: SourceMeter
    word_row: str
    bit_row: str


@dataclass(frozen=True, slots=True)
class GeneratorRows:
    """A pulse generator on matrix rows, output by output."""

    source: PulseSource
    rows: Mapping[int, str]


def find_smus(station: RackStation) -> SmuRows:
    """Return the first two channels of one source-measure unit that hang on matrix rows.

    Parameters
    ----------
    station : RackStation
        The open station.

    Returns
    -------
    SmuRows
        Word channel and bit channel.

    Raises
    ------
    StationError
        If no instrument has two letter-named channels on matrix rows.
    """
    for instrument, channels in _sources(station.wiring.rows.values()).items():
        letters = sorted(channel for channel in channels if channel.isalpha())
        if len(letters) >= 2:
            word, bit = (f"{instrument}.{channel}" for channel in letters[:2])
            wiring = station.wiring
            return SmuRows(
                station.source_meter(word), station.source_meter(bit), wiring.row_of(word), wiring.row_of(bit)
            )
    raise StationError(
        "array: reading a cell needs two channels of one source-measure unit on matrix rows; "
        f"the station has {', '.join(station.wiring.rows.values())} (wiring.rows)"
    )


def find_generator(station: RackStation) -> GeneratorRows | None:
    """Return the first pulse generator with at least two outputs on matrix rows, or None.

    Parameters
    ----------
    station : RackStation
        The open station.

    Returns
    -------
    GeneratorRows or None
        The generator and the matrix row of each output.
    """
    for instrument, channels in _sources(station.wiring.rows.values()).items():
        numbers = sorted(int(channel) for channel in channels if channel.isdecimal())
        if len(numbers) >= 2:
            rows = {number: station.wiring.row_of(f"{instrument}.{number}") for number in numbers}
            return GeneratorRows(station.pulse_source(instrument), rows)
    return None


def _sources(names: Iterable[str]) -> dict[str, list[str]]:
    """Channels by instrument key, in the order of the matrix rows."""
    found: dict[str, list[str]] = {}
    for name in names:
        if name != _GROUND:
            instrument, _, channel = name.partition(".")
            found.setdefault(instrument, []).append(channel)
    return found
