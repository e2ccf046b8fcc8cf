"""Which instruments pulse and read the array: found by what hangs on the matrix rows of the station's wiring.

Not here: the relays (:mod:`labctl.array.wires`) and the levels (:mod:`labctl.array.schemes`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from labctl.array.wires import Wiring
from labctl.clock import Clock
from labctl.errors import StationError
from labctl.roles import PulseSource, SourceMeter, SwitchMatrix

if TYPE_CHECKING:
    from labctl.station.wiring import ControlWiring, DirectWiring

__all__ = [
    "GateRow",
    "GeneratorRows",
    "RackStation",
    "SmuRows",
    "find_gate",
    "find_generator",
    "find_matrix",
    "find_smus",
]

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

    @property
    def access(self) -> Mapping[str, float]:
        """Numbers that a geometry needs besides the wiring, such as ``{"gate_read_v": 2.0}``."""
        ...


class RackWiring(Wiring, Protocol):
    """Wiring that also tells what hangs on each matrix row."""

    @property
    def rows(self) -> Mapping[str, str]:
        """Source by matrix row, such as ``{"A": "smu1.a", "E": "ground"}``."""
        ...

    @property
    def direct(self) -> "DirectWiring | None":
        """What hangs on the only cell where there is no matrix."""
        ...

    @property
    def control(self) -> "ControlWiring | None":
        """The gates, where they have a matrix."""
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

    def named(self, terminal: str) -> str:
        """Return how messages call the instrument of a terminal, such as ``"smu1 (Keithley2450)"``."""
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
    """Two channels of one source-measure unit on matrix rows: the first drives the word, the second the bit line.

    Attributes
    ----------
    terminal : str
        Name of the first.
    """

    terminal: str
    word: SourceMeter
    bit: SourceMeter
    word_row: str
    bit_row: str


@dataclass(frozen=True, slots=True)
class GeneratorRows:
    """A pulse generator on matrix rows, output by output."""

    terminal: str
    source: PulseSource
    rows: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class GateRow:
    """A channel of a source-measure unit on a row of the gates' matrix, and the row of ground there."""

    terminal: str
    source: SourceMeter
    row: str
    ground: str
    matrix: SwitchMatrix


def find_matrix(station: RackStation) -> SwitchMatrix:
    """Return the switch matrix on which the word and bit lines hang.

    Parameters
    ----------
    station : RackStation
        The open station.

    Returns
    -------
    SwitchMatrix

    Raises
    ------
    StationError
        If the sample is wired directly.
    """
    if station.wiring.matrix is None:
        raise StationError("array: lines can only be chosen by a switch matrix; the station has none (wiring.direct)")
    return station.switch_matrix(station.wiring.matrix)


def find_gate(station: RackStation, control: "ControlWiring") -> GateRow:
    """Return the first source-measure channel on the rows of the gates' matrix.

    Parameters
    ----------
    station : RackStation
        The open station.
    control : ControlWiring
        Of its wiring.

    Returns
    -------
    GateRow

    Raises
    ------
    StationError
        If no channel hangs there, or no ground.
    """
    for instrument, channels in _sources(control.rows.values()).items():
        for channel in sorted(channel for channel in channels if channel.isalpha()):
            terminal = f"{instrument}.{channel}"
            return GateRow(
                terminal,
                station.source_meter(terminal),
                control.row_of(terminal),
                control.row_of(_GROUND),
                station.switch_matrix(str(control.matrix)),
            )
    raise StationError(
        "array: gates need a channel of a source-measure unit on a row of their matrix; the station has "
        f"{', '.join(control.rows.values())} (wiring.control.rows)"
    )


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
                word, station.source_meter(word), station.source_meter(bit), wiring.row_of(word), wiring.row_of(bit)
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
            return GeneratorRows(instrument, station.pulse_source(instrument), rows)
    return None


def _sources(names: Iterable[str]) -> dict[str, list[str]]:
    """Channels by instrument key, in the order of the matrix rows."""
    found: dict[str, list[str]] = {}
    for name in names:
        if name != _GROUND:
            instrument, _, channel = name.partition(".")
            found.setdefault(instrument, []).append(channel)
    return found
