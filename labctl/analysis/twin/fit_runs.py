"""From runs to a fitted device: which family, which base file, what lies at its bound.

Not here: the fits of the families (:mod:`labctl.analysis.twin.metal_oxide_fit`, :mod:`labctl.analysis.twin.ecram_fit`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from labctl.analysis.intervals import TooFewPoints
from labctl.analysis.pulse_tables import TableFile
from labctl.analysis.twin.ecram_fit import fit_ecram
from labctl.analysis.twin.metal_oxide_fit import fit_metal_oxide
from labctl.analysis.twin.observations import Observations, observe
from labctl.analysis.twin.pulse_table_fit import fit_pulse_table, fit_tables
from labctl.analysis.twin.twin_fit import FittedParameter, TwinFit
from labctl.errors import RunError, StationError
from labctl.physics.presets import Preset, load_preset
from labctl.store import Run

__all__ = ["FITTED_FAMILIES", "fit_table_file", "fit_twin"]

Fit = Callable[[Observations, Preset], TwinFit]

# by family: its fit, the base file where the runs name none of the family, and the key of the renewal of a cell's age
FITTED_FAMILIES: Mapping[str, tuple[Fit, str, str | None]] = MappingProxyType(
    {
        "metal_oxide": (fit_metal_oxide, "kim2021_tiox_al2o3", "relaxation.renewal"),
        "ecram": (fit_ecram, "um2024_ecram", None),
        "pulse_table": (fit_pulse_table, "sandia2022_taox", None),
    }
)


def fit_twin(runs: Sequence[Run], family: str, *, report: Callable[[str], None] = lambda stage: None) -> TwinFit:
    """Fit a device family to runs of one die.

    Parameters
    ----------
    runs : sequence of Run
    family : str
        One of :data:`FITTED_FAMILIES`.
    report : callable
        Is told each stage as it begins.

    Returns
    -------
    TwinFit
        Every value within the range of the base file; what would leave it stands at its bound, with a warning.

    Raises
    ------
    RunError
        If there is no fit of the family, the runs are of another device or of different dies, or tell too little.
    StoreError
        If a run file is damaged.
    """
    if family not in FITTED_FAMILIES:
        raise RunError(
            f"--model: there is no fit of family {family!r}; fitted are {', '.join(FITTED_FAMILIES)}. A device file of"
            " another family is written by hand: see the README of labctl_data/devices"
        )
    fit, default, renewal_key = FITTED_FAMILIES[family]
    base = _base(runs, family, default)
    report(f"reading {len(runs)} runs")
    observed = observe(runs, renewal=0.0 if renewal_key is None else base[renewal_key])
    report(f"{observed.pulses.cell.size} pulses, {len(observed.rests)} rests, {len(observed.traces)} traces")
    return _within_ranges(fit(observed, base))


def fit_table_file(file: TableFile) -> TwinFit:
    """Fit look-up curves, family ``pulse_table``, to a file of measured tables.

    Parameters
    ----------
    file : TableFile

    Returns
    -------
    TwinFit

    Raises
    ------
    RunError
        If levels, bins or windows do not fit together.
    """
    try:
        found = fit_tables(file.devices, load_preset(FITTED_FAMILIES["pulse_table"][1]))
    except TooFewPoints as error:
        raise RunError(f"{file.path}: {error}") from error
    return _within_ranges(replace(found, title=f"Look-up curves of {file.run_id}", is_of_tables=True))


def _base(runs: Sequence[Run], family: str, default: str) -> Preset:
    device = str(runs[0].header["sample"].get("device", "")) if runs else ""
    try:
        named = load_preset(device)
    except StationError:
        # a die whose device nobody described yet
        return load_preset(default)
    if named.family != family == "pulse_table":
        # curves assume no law: runs of any device tell them
        return load_preset(default)
    if named.family != family:
        raise RunError(
            f"run {runs[0].run_id}: its sample is {device}, of family {named.family}, not {family}; fit that family, or"
            " correct sample.device in the station file"
        )
    return named


def _within_ranges(fit: TwinFit) -> TwinFit:
    """Put values that leave the ranges of the base file at their bounds, and say so."""
    parameters: list[FittedParameter] = []
    warnings = list(fit.warnings)
    for parameter in fit.parameters:
        values = {}
        for key, found in parameter.values.items():
            low, high = fit.base.valid_range(key)
            values[key] = tuple(float(value) for value in np.clip(found, low, high))
            if values[key] != tuple(found):
                unit = "" if fit.base.unit(key) == "1" else fit.base.unit(key)
                warnings.append(
                    f"{key}: at its bound: fitted {min(found):.4g} to {max(found):.4g}, the range of {fit.base.name} is"
                    f" {low:g} to {high:g} {unit}".rstrip()
                )
        parameters.append(replace(parameter, values=values))
    return replace(fit, parameters=tuple(parameters), warnings=tuple(warnings))
