"""Authority: 1/f noise of measured cells (RRAM-Relaxation-Master-Model techA: slopes -0.67 to -1.29, mean near -1)."""

import numpy as np
import pytest

from labctl.analysis.spectra import NoiseSpectrum, noise_slope, noise_spectrum
from labctl.physics.die import Die, Effects
from labctl.physics.presets import load_preset

CELLS = 32
RATE_HZ = 100.0


@pytest.fixture(scope="module")
def spectrum():
    """Mean spectrum of cells of the TiOx die, read for five minutes; each reading averages over its interval."""
    die = Die(load_preset(), 8, 4, 21, Effects(False, False, read_noise=True, relaxation=False, stuck_cells=False))
    die.state.formed[:] = True
    die.state.conductance_s[:] = 100e-6
    cells = np.arange(CELLS)
    readings = [die.conductance_at(k / RATE_HZ, cells, aperture_s=1.0 / RATE_HZ) for k in range(1, 2**15 + 1)]
    single = [noise_spectrum(0.1 * trace, 1.0 / RATE_HZ, segments=1) for trace in np.array(readings).T]
    density = np.mean([each.density_a2_per_hz for each in single], axis=0)
    return NoiseSpectrum(single[0].frequency_hz, density, CELLS * single[0].averages)


def test_read_noise_of_a_cell_is_one_over_f_over_three_decades(spectrum, number):
    found = noise_slope(spectrum)
    slope = found.slope
    held = abs(slope.value + 1.0) <= 0.15 and found.decades >= 3.0
    number(
        "read noise of the TiOx die, slope of its spectrum",
        f"{slope.value:.3f} [{slope.low:.3f}, {slope.high:.3f}] over {found.decades:.1f} decades from "
        f"{found.lowest_hz:.2g} Hz",
        authority="1/f; techA of RRAM-Relaxation-Master-Model has -0.67 to -1.29, mean near -1.0",
        bar="-1 +- 0.15 over >= 3 decades",
        held=held,
        strain=abs(slope.value + 1.0) / 0.15,
    )
    assert slope.value == pytest.approx(-1.0, abs=0.15)
    assert found.decades >= 3.0
