"""What procedures ask of the cells of a sample, whatever its geometry and the rack around it.

Not here: the geometries themselves (:mod:`labctl.array.access` and its neighbours), which one a station needs
(:mod:`labctl.array.opening_cells`).
"""

from collections.abc import Collection, Sequence
from types import TracebackType
from typing import Literal, Protocol, Self, runtime_checkable

from labctl.array.readings import CellReading, PulseRecord

__all__ = ["CellAccess", "SummingAccess", "TransposedAccess"]


class CellAccess(Protocol):
    """The cells of a sample; a positive pulse or level leads towards higher conductance.

    Every method selects its cell by itself. What a geometry or its instruments cannot do raises ``ValueError`` or
    ``StationError`` before anything is applied.
    """

    shape: tuple[int, int]
    read_voltage_v: float

    def read(self, row: int, column: int) -> CellReading:
        """Read one cell at the read voltage."""
        ...

    def pulse(self, row: int, column: int, voltage_v: float, width_s: float) -> PulseRecord:
        """Give one rectangular pulse to one cell; every source is back at 0 V afterwards."""
        ...

    def staircase(self, row: int, column: int, levels_v: Sequence[float], *, dwell_s: float) -> PulseRecord:
        """Step one cell through DC levels without a measurement; end at 0 V."""
        ...

    def sweep(self, row: int, column: int, levels_v: Sequence[float], *, dwell_s: float) -> list[CellReading]:
        """Step one cell through DC levels and measure the current at the end of each; end at 0 V."""
        ...

    def sample(self, row: int, column: int, voltage_v: float, count: int, *, interval_s: float) -> list[CellReading]:
        """Hold one cell at one voltage and measure its current ``count`` times; end at 0 V."""
        ...

    def play(self, row: int, column: int, levels_v: Sequence[float], *, sample_s: float) -> PulseRecord:
        """Play one waveform of equal samples across one cell by the generator, from 0 V and back to it."""
        ...

    def check_waveform(self, levels_v: Sequence[float], *, sample_s: float) -> None:
        """Refuse a waveform that cannot be played; nothing is sent."""
        ...

    def limit_current(self, current_limit_a: float) -> None:
        """Set the compliance of what follows; every source is at 0 V meanwhile."""
        ...

    def source_for(self, width_s: float) -> Literal["smu", "generator"]:
        """Return which source gives a pulse of this width; ValueError tells what each of them can do."""
        ...

    def release(self) -> None:
        """Put every source to 0 V and off, then open every relay."""
        ...

    def __enter__(self) -> Self:
        """Return the access."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release the cells."""
        ...


@runtime_checkable
class SummingAccess(CellAccess, Protocol):
    """Cells that share lines, so that the currents of several word lines add up in a bit line."""

    def add_up(self, rows: Collection[int], column: int, *, voltage_v: float | None = None) -> CellReading:
        """Measure what the cells of several word lines add up to; offsets of the channels are in the current."""
        ...


@runtime_checkable
class TransposedAccess(SummingAccess, Protocol):
    """Cells whose sums can be taken the other way round too: bit lines driven, a word line measured."""

    def add_up_transposed(self, columns: Collection[int], row: int, *, voltage_v: float | None = None) -> CellReading:
        """Measure what the cells of several bit lines add up to; offsets of the channels are in the current."""
        ...
