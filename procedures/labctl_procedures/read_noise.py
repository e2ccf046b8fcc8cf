"""Noise of a cell at one voltage: scatter, spectrum, telegraph noise. Not here: formulas (:mod:`labctl.analysis`)."""

from typing import ClassVar

import numpy as np
import numpy.typing as npt
from pymeasure.experiment import BooleanParameter, IntegerParameter

from labctl.analysis.intervals import Estimate as Interval
from labctl.analysis.intervals import bootstrap
from labctl.analysis.spectra import NoiseSpectrum, noise_slope, noise_spectrum
from labctl.analysis.telegraph import TelegraphNoise, telegraph_noise
from labctl.errors import RunError
from labctl.run import QuantityParameter
from labctl.run.preflight import Estimate
from labctl_procedures.cell_port import CELL_COLUMNS, Cell, CellPort
from labctl_procedures.cell_procedure import CellProcedure
from labctl_procedures.estimated import estimated, named

__all__ = ["ReadNoise"]

FloatArray = npt.NDArray[np.float64]

_BLOCKS = 16


class ReadNoise(CellProcedure):
    """Sample the current at one voltage: sigma(I) / I, power spectrum and its slope, random telegraph noise.

    Applied: one low voltage, held. Read: equally spaced samples of the current. A reading over range leaves no
    spectrum, since it breaks the spacing. Cells are left as they were; at the end, and after an abort, outputs are off
    and relays open.
    """

    voltage = QuantityParameter(
        "Voltage",
        "V",
        minimum=1e-3,
        maximum=0.3,
        default=0.2,
        description="Usual: the read voltage, at most a third of the SET voltage",
    )
    samples = IntegerParameter(
        "Samples",
        default=4096,
        minimum=1024,
        maximum=100000,
        description="Usual: 10 to 100 s at 1 to 10 kS/s, then slower; here 82 s at 50 S/s. They cannot be interrupted",
    )
    interval = QuantityParameter(
        "Interval",
        "s",
        minimum=1e-4,
        maximum=100.0,
        default="20 ms",
        description="From one sample to the next, one period of the mains: its hum becomes a constant",
    )
    integration = QuantityParameter(
        "Integration",
        "1",
        minimum=0.001,
        maximum=25.0,
        default=0.1,
        description="In power-line cycles; short, so that fast fluctuations are not averaged away (usual: 0.01)",
    )
    find_telegraph = BooleanParameter(
        "Random telegraph noise", default=True, description="Look for it with hidden Markov models"
    )

    DATA_COLUMNS: ClassVar[list[str]] = CELL_COLUMNS

    def check(self) -> None:
        """Refuse cells that are not there, and an interval that the integration does not leave room for.

        Raises
        ------
        RunError, StationError
            If a parameter breaks its rule, or a cell is not there.
        """
        super().check()
        if self.integration / 50.0 > self.interval:
            raise RunError(
                f"read_noise: integration of {self.integration:.4g} power-line cycles of 20 ms does not fit into the "
                f"interval of {self.interval:.4g} s; shorten it"
            )

    def estimate(self) -> Estimate:
        """Return the number of samples and the time that they take."""
        cells = len(self.selected_cells())
        return Estimate(
            cells * (self.samples + 1),
            cells * (self.samples * self.interval + 1.0),
            voltage_v=max(self.voltage, self.form_stop if self.form_unformed else 0.0),
            current_a=max(float(self.current_limit), self.form_limit_a),
        )

    def execute(self) -> None:
        """Sample the selected cells."""
        cells = self.formed_cells()
        with self.open_access(
            pulse_voltage_v=max(self.voltage, self.read_voltage), current_limit_a=self.current_limit
        ) as access:
            port = CellPort(self, access)
            traces_a = self.visit(cells, lambda cell: self._trace(cell, port))
        self.emit_cells(list(traces_a))
        self.emit_curves("current", traces_a, ("sample",), "A")
        spectra = self._spectra(traces_a)
        for name, unit, values in (
            ("frequency", "Hz", {cell: spectrum.frequency_hz for cell, spectrum in spectra.items()}),
            ("density", "A^2/Hz", {cell: spectrum.density_a2_per_hz for cell, spectrum in spectra.items()}),
        ):
            self.emit_curves(name, {cell: values.get(cell, [np.nan]) for cell in traces_a}, ("bin",), unit)
        self.emit("summary", {**self.cell_results(), **self._results(traces_a, spectra)})

    def _trace(self, cell: Cell, port: CellPort) -> FloatArray:
        port.read(cell)
        rows = port.sample(cell, self.voltage, self.samples, interval_s=self.interval, cycle=0)
        return np.array([np.nan if row.current_a is None else row.current_a for row in rows])

    def _spectra(self, traces_a: dict[Cell, FloatArray]) -> dict[Cell, NoiseSpectrum]:
        found = {}
        for cell, trace_a in traces_a.items():
            try:
                found[cell] = noise_spectrum(trace_a, self.interval)
            except ValueError as error:
                self.emit("event", {"kind": "no spectrum", "message": f"cell {cell}: {error}"})
        return found

    def _results(self, traces_a: dict[Cell, FloatArray], spectra: dict[Cell, NoiseSpectrum]) -> dict[str, object]:
        results: dict[str, object] = {"samples": self.samples, "spectra": len(spectra)}
        if not spectra:
            return results
        # several cells: the one with the median noise stands for them, all of them are in the arrays
        cells = sorted(spectra, key=lambda cell: float(np.std(traces_a[cell]) / abs(np.mean(traces_a[cell]))))
        cell = cells[(len(cells) - 1) // 2]
        trace_a = traces_a[cell]
        results["typical_cell"] = f"{cell[0]},{cell[1]}"
        results["current_mean"] = float(trace_a.mean())
        results |= estimated("noise_relative", lambda: _relative_noise(trace_a))
        results |= estimated("psd_slope", lambda: noise_slope(spectra[cell]).slope)
        if self.find_telegraph:
            found = {each: telegraph_noise(traces_a[each], self.interval) for each in cells}
            results["cells_with_telegraph_noise"] = sum(bool(noise.traps) for noise in found.values())
            results |= _trap_results(found[cell])
        return results


def _relative_noise(trace_a: FloatArray) -> Interval:
    """Return sigma(I) / I; the interval is over blocks, because neighbouring samples of 1/f noise are alike."""
    size = trace_a.size // _BLOCKS
    relative = (trace_a[: size * _BLOCKS] / trace_a.mean() - 1.0).reshape(_BLOCKS, size)
    return bootstrap(np.mean(relative**2, axis=1), lambda powers: np.sqrt(np.mean(powers, axis=1)), unit="1")


def _trap_results(noise: TelegraphNoise) -> dict[str, object]:
    results: dict[str, object] = {"traps": len(noise.traps)}
    for number, trap in enumerate(noise.traps, start=1):
        for name, value in (
            ("amplitude", trap.amplitude),
            ("capture_time", trap.capture_s),
            ("emission_time", trap.emission_s),
        ):
            results |= named(f"trap_{number}_{name}", value)
    return results
