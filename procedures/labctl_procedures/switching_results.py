"""What a summary says about I-V cycles: switching voltages, resistances, their distributions and their memory.

Not here: the figures of a cycle and the fits (:mod:`labctl.analysis.switching`).
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from labctl.analysis.cell_intervals import lognormal_over_cells, mean_over_cells, weibull_over_cells
from labctl.analysis.intervals import Estimate
from labctl.analysis.switching import CycleFigures, SwitchingStatistics, switching_statistics
from labctl.analysis.variability import split_variance
from labctl_procedures.estimated import estimated_over, named

__all__ = ["switching_results"]

FloatArray = npt.NDArray[np.float64]


def switching_results(devices: Sequence[Sequence[CycleFigures]]) -> dict[str, object]:
    """Sum up the cycles of one cell or of several.

    Parameters
    ----------
    devices : sequence of sequence of CycleFigures
        Cycles of each cell, in order.

    Returns
    -------
    dict
        Laws are of all cycles of all cells, each cell counted once by their intervals; the correlation of successive
        cycles is that of a single cell. Several cells have the variance split into cycle-to-cycle and device-to-device.
    """
    found = [switching_statistics(cycles) for cycles in devices if cycles]
    if not found:
        return {}
    cycles = [cycle for device in devices for cycle in device]
    results: dict[str, object] = {
        "cycles": len(cycles),
        "cycles_switched": sum(statistics.switched for statistics in found),
    }
    ratios = _seen([np.array([cycle.ratio for cycle in device], dtype=float) for device in devices])
    results |= estimated_over("on_off_ratio", len(ratios), lambda: lognormal_over_cells(ratios, "1").median)
    for name in ("set_voltage", "reset_voltage"):
        series = [getattr(statistics, name).values for statistics in found]
        results |= _of_voltage(name, series)
    if len(found) == 1:
        results |= _of_memory(found[0])
    return results


def _of_voltage(name: str, series: list[FloatArray]) -> dict[str, object]:
    """Sum up magnitudes of one switching voltage, one array per cell."""
    seen = _seen(series)
    results: dict[str, object] = {f"{name}_mean": None}
    if seen:
        results |= estimated_over(f"{name}_mean", len(seen), lambda: mean_over_cells(seen, "V"))
        results[f"{name}_mean"] = float(np.mean([values_v.mean() for values_v in seen]))
    try:
        law = weibull_over_cells(seen, "V")
    except ValueError as error:
        results |= {f"{name}_weibull": None, f"{name}_weibull_reason": str(error)}
    else:
        results |= estimated_over(f"{name}_weibull_scale", len(seen), lambda: law.scale)
        results |= estimated_over(f"{name}_weibull_shape", len(seen), lambda: law.shape)
    if len(series) > 1:
        results |= _of_devices(name, series)
    return results


def _seen(series: Sequence[FloatArray]) -> list[FloatArray]:
    """Return the numbers of each cell that has any."""
    return [kept for values in series if (kept := values[np.isfinite(values)]).size]


def _of_devices(name: str, series: list[FloatArray]) -> dict[str, object]:
    # a table without gaps: the first cycles that every cell has, of those in which it switched
    seen = [values[~np.isnan(values)] for values in series]
    shared = min(values.size for values in seen)
    try:
        split = split_variance([values[:shared] for values in seen])
    except ValueError as error:
        return {f"{name}_c2c": None, f"{name}_c2c_reason": str(error)}
    return {**named(f"{name}_c2c", split.cycle_to_cycle), **named(f"{name}_d2d", split.device_to_device)}


def _of_memory(statistics: SwitchingStatistics) -> dict[str, object]:
    results: dict[str, object] = {}
    found: dict[str, Estimate | None] = {
        "set_voltage_correlation": statistics.set_voltage.correlation,
        "reset_voltage_correlation": statistics.reset_voltage.correlation,
        "reset_to_next_set_correlation": statistics.reset_to_next_set,
    }
    for name, value in found.items():
        if value is None:
            results[name] = None
        else:
            results |= named(name, value)
    return results
