"""Multiply random vectors by the array and compare with what its cells say one by one.

Not here: figures of the comparison (:mod:`labctl.analysis.vector_multiplication`), networks (:mod:`labctl.networks`).
"""

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from pymeasure.experiment import IntegerParameter

from labctl.analysis.vector_multiplication import multiplication_error
from labctl.array.cell_access import SummingAccess
from labctl.errors import StationError
from labctl.run import QuantityParameter
from labctl.run.parameters import CellsParameter
from labctl.run.preflight import Estimate
from labctl.run.procedure import Row
from labctl_procedures.array_procedure import ArrayProcedure, RecordedCells
from labctl_procedures.cell_port import CELL_COLUMNS
from labctl_procedures.estimated import named

__all__ = ["MultiplyVectors"]

_FORMED_S = 1e-6
# measured on the reference rack: a sum with its relays
_SUM_S = 0.06
_DEFINITION = (
    "error = (measured - expected) / full scale; expected: sum of the cells' own conductances times the read voltage; "
    "full scale: inputs x largest conductance x read voltage; of a column: root mean square over the vectors"
)


class MultiplyVectors(ArrayProcedure):
    """Put random binary vectors on the word lines and measure the sums that the bit lines give.

    Applied: the read voltage on those word lines whose element is 1, all other lines on ground; one channel drives the
    word lines, so elements are 0 and 1 and nothing between. Read: each selected cell by itself, the sums of each bit
    line with no word line and with all of them at 0 V (what the offsets of the channels give), then those of each
    vector. Cells are left as they were, and should have been programmed before; at the end, and after an abort,
    outputs are off and relays open.

    Rows hold what the meter showed; in the array ``measured`` the offsets are taken off. They are taken once for each
    column: an offset drives the same current as long as cells keep their conductance.
    """

    cells = CellsParameter(
        "Cells", default="0:8,0:8", description="A block of rows and columns, such as '0:8,0:8', or 'all'"
    )
    vectors = IntegerParameter(
        "Vectors",
        default=100,
        minimum=1,
        maximum=100000,
        description="W/YSZ/WOx ECRAM (Nat. Commun. 2023) and others: 1000; 30 and more for an error",
    )
    density = QuantityParameter(
        "Part of ones", "1", minimum=0.01, maximum=0.99, default=0.5, description="Mean share of word lines in use"
    )
    current_limit = QuantityParameter(
        "Current limit",
        "A",
        minimum=1e-9,
        maximum=1.5,
        default="100 mA",
        description="Compliance of both channels; 1024 cells of 300 uS at 0.2 V take 61 mA",
    )
    seed = IntegerParameter(
        "Seed of the vectors", default=1, minimum=0, maximum=2**31 - 1, description="Of the vectors; any number will do"
    )

    DATA_COLUMNS: ClassVar[list[str]] = CELL_COLUMNS

    def __init__(self, **values: object) -> None:
        super().__init__(**values)
        self.given_vectors: npt.NDArray[np.bool_] | None = None
        """Vectors, shape (vectors, inputs), in place of random ones: for procedures that have this one as a step."""

    def check(self) -> None:
        """Refuse cells that are no block, and stations that cannot add up.

        Raises
        ------
        StationError
            If ``cells`` is no block of whole rows and columns, or the station's cells cannot add up their currents.
        """
        self._block()
        self._open()

    def estimate(self) -> Estimate:
        """Return the number of readings and the time that they take."""
        rows, columns = self._block()
        cells, sums = len(rows) * len(columns), (self.vectors + 2) * len(columns)
        return Estimate(
            cells + sums,
            self.rack_time_s(cells) + sums * (_SUM_S + self.integration / 50.0),
            voltage_v=self.read_voltage,
            current_a=self.current_limit,
        )

    def execute(self) -> None:
        """Read the cells, then multiply."""
        rows, columns = self._block()
        if self.given_vectors is None:
            ones = np.random.default_rng(self.seed).random((self.vectors, len(rows))) < self.density
        else:
            ones = self.given_vectors
        self.emit("array", {"name": "vectors", "data": ones, "dims": ("vector", "input"), "unit": "1"})
        self.emit("array", {"name": "inputs", "data": np.array(rows), "dims": ("input",), "unit": "1"})
        self.emit("array", {"name": "outputs", "data": np.array(columns), "dims": ("output",), "unit": "1"})
        with self._open() as access:
            port = RecordedCells(self, access)
            weights_s = np.full((len(rows), len(columns)), np.nan)
            for place in np.ndindex(weights_s.shape):
                value_s = port.read(rows[place[0]], columns[place[1]])
                weights_s[place] = np.nan if value_s is None else value_s
            zeros_a = np.array(
                [[self._sum(access, chosen, column, None) for column in columns] for chosen in ([], rows)]
            )
            shown_a = np.full((self.vectors, len(columns)), np.nan)
            for number in range(self.vectors):
                chosen = [row for row, one in zip(rows, ones[number], strict=True) if one]
                shown_a[number] = [self._sum(access, chosen, column, number) for column in columns]
                self.emit("progress", 100.0 * (number + 1) / self.vectors)
        sums_s = ones.astype(float) @ weights_s
        # the word channel's own offset counts with the part of the conductance that hangs on it
        part = sums_s / np.maximum(weights_s.sum(axis=0), np.finfo(float).tiny)
        measured_a = shown_a - zeros_a[0] - part * (zeros_a[1] - zeros_a[0])
        self.emit("array", {"name": "weights", "data": weights_s, "dims": ("input", "output"), "unit": "S"})
        for name, data in (("measured", measured_a), ("expected", self.read_voltage * sums_s)):
            self.emit("array", {"name": name, "data": data, "dims": ("vector", "output"), "unit": "A"})
        self.emit(
            "summary",
            {"vectors": self.vectors, "inputs": len(rows), "outputs": len(columns), "error_definition": _DEFINITION}
            | self._results(ones, measured_a, weights_s, columns),
        )

    def _results(
        self,
        ones: npt.NDArray[np.bool_],
        measured_a: npt.NDArray[np.float64],
        weights_s: npt.NDArray[np.float64],
        columns: list[int],
    ) -> dict[str, Any]:
        """Return the errors, their arrays stored, or the reason why there are none."""
        unformed = int((weights_s < _FORMED_S).sum())
        results: dict[str, Any] = {"unformed": unformed}
        if unformed:
            message = f"{unformed} of {weights_s.size} cells conduct less than {_FORMED_S:.0e} S; form and program them"
            self.emit("event", {"kind": "warning", "message": message})
        blank = int((~np.isfinite(weights_s)).sum())
        if blank:
            reason = (
                f"{blank} of {weights_s.size} cells have no reading, so that nothing says what their sums should be"
            )
            return results | {"column_error_worst": None, "column_error_worst_reason": reason}
        try:
            found = multiplication_error(
                self.read_voltage * ones,
                measured_a,
                weights_s,
                largest_conductance_s=float(weights_s.max()),
                largest_voltage_v=self.read_voltage,
            )
        except ValueError as error:
            return results | {"column_error_worst": None, "column_error_worst_reason": str(error)}
        for name, data, unit in (
            ("column_error", found.rms, "1"),
            ("column_error_largest", found.largest, "1"),
            ("column_gain", found.gain, "1"),
            ("column_offset", found.offset_a, "A"),
            ("column_residual", found.residual_rms, "1"),
        ):
            self.emit("array", {"name": name, "data": data, "dims": ("output",), "unit": unit})
        return results | {
            **named("column_error_worst", found.worst),
            "worst_column": columns[found.worst_column],
            "column_error_mean": float(np.nanmean(found.rms)),
            "column_gain_mean": float(np.mean(found.gain[np.isfinite(found.gain)])) if found.missing == 0 else None,
            "column_residual_largest": float(np.nanmax(found.residual_rms)),
            "full_scale": found.full_scale_a,
            "readings_missing": found.missing,
        }

    def _open(self) -> SummingAccess:
        access = self.open_access(pulse_voltage_v=self.read_voltage, current_limit_a=self.current_limit)
        if not isinstance(access, SummingAccess):
            raise StationError(
                "multiply_vectors: sums over word lines need cells that share lines on a switch matrix, a crossbar or "
                "an array with gates; this station has none"
            )
        return access

    def _block(self) -> tuple[list[int], list[int]]:
        """Return the rows and columns of the selected cells."""
        cells = self.selected_cells()
        rows, columns = sorted({row for row, _ in cells}), sorted({column for _, column in cells})
        if len(cells) != len(rows) * len(columns):
            raise StationError(
                f"multiply_vectors: cells {self.cells!r} are no block of whole rows and columns; give 'all' or ranges "
                "such as '0:8,0:8'"
            )
        return rows, columns

    def _sum(self, access: SummingAccess, rows: list[int], column: int, vector: int | None) -> float:
        """Measure one sum and record it; NaN where a meter was over range or in compliance.

        Without a vector the rows are at 0 V, and the sum is what the offsets give.
        """
        level_v = 0.0 if vector is None else float(self.read_voltage)

        def measure() -> Row:
            reading = access.add_up(rows, column, voltage_v=level_v)
            return {
                "Current (A)": reading.current_a,
                "Conductance (S)": reading.conductance_s,
                "Time (s)": self.elapsed_s(),
                "Flags": ",".join(reading.flags) or None,
                "Raw": reading.raw or None,
            }

        event = "multiply" if vector is not None else "zero_driven" if rows else "zero"
        plan: dict[str, float | int | str | None] = {
            "Event": event,
            "Column": column,
            "Step": vector,
            "Voltage (V)": level_v,
        }
        (row,) = self.perform(plan, measure, stimulates=False)
        current_a = row["Current (A)"]
        return float(current_a) if isinstance(current_a, float | int) and not row["Flags"] else float("nan")
