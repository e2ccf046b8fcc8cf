"""A device family fitted to measured runs: the digital twin of a die.

Not here: the physics that the fitted numbers go into (:mod:`labctl.physics`), a bench of such dies (``labctl bench
new``).
"""

from labctl.analysis.twin.device_file import write_device
from labctl.analysis.twin.fit_runs import FITTED_FAMILIES, fit_table_file, fit_twin
from labctl.analysis.twin.twin_fit import FittedParameter, Goodness, TwinFit

__all__ = ["FITTED_FAMILIES", "FittedParameter", "Goodness", "TwinFit", "fit_table_file", "fit_twin", "write_device"]
