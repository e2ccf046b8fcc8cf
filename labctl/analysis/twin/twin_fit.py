"""What a fitted twin is: parameters with intervals, what was kept, warnings, goodness, where it is valid.

Not here: the fits of the families (:mod:`labctl.analysis.twin.metal_oxide_fit`,
:mod:`labctl.analysis.twin.ecram_fit`), the device file (:mod:`labctl.analysis.twin.device_file`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from labctl.analysis.intervals import Estimate
from labctl.physics.presets import Preset

__all__ = ["FittedParameter", "Goodness", "TwinFit"]


@dataclass(frozen=True, slots=True)
class FittedParameter:
    """One number that the runs told.

    Attributes
    ----------
    name : str
        Key of the device file, or a name for a change of several.
    estimate : Estimate
        With its 95 % interval.
    meaning : str
        In a few words.
    values : Mapping of str to (tuple of float)
        New values by key of the device file: one, or one per conductance bin.
    """

    name: str
    estimate: Estimate
    meaning: str
    values: Mapping[str, tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class Goodness:
    """How the fitted model meets one quantity of the runs it was fitted to.

    Attributes
    ----------
    quantity : str
    points : int
    bias, spread : float, unit 1
        Mean and standard deviation of the residuals in standard deviations of the model: 0 and 1 for a model that
        holds.
    share_inside : float, unit 1
        Part of the points within the model's 95 % interval.
    """

    quantity: str
    points: int
    bias: float
    spread: float
    share_inside: float


@dataclass(frozen=True, slots=True)
class TwinFit:
    """A device fitted to runs.

    Attributes
    ----------
    base : Preset
        Device file whose values stay where the runs tell nothing.
    parameters : tuple of FittedParameter
    goodness : tuple of Goodness
    validity : Mapping of str to (float, float)
        Least and greatest value in the runs, by quantity with its unit in the name.
    warnings : tuple of str
        What the runs could not tell, and why.
    cells : int
    title : str
        Of the device; empty for that of the base file.
    is_of_tables : bool
        Fitted to measured tables in place of runs.
    """

    base: Preset
    parameters: tuple[FittedParameter, ...]
    goodness: tuple[Goodness, ...]
    validity: Mapping[str, tuple[float, float]]
    warnings: tuple[str, ...]
    cells: int
    title: str = ""
    is_of_tables: bool = False
    values: Mapping[str, tuple[float, ...]] = field(init=False)

    def __post_init__(self) -> None:
        found: dict[str, tuple[float, ...]] = {}
        for parameter in self.parameters:
            found |= parameter.values
        object.__setattr__(self, "values", found)
