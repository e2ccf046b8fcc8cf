"""A run of a published system in words: its figures beside those of the paper, what is assumed, what it cost.

Not here: the figures (:mod:`labctl.analysis.reproduction`), the page (:mod:`labctl.analysis.report`), the table of all
systems (:mod:`labctl.analysis.reproduction_page`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from labctl.analysis.result_words import PERCENT
from labctl.analysis.wording import Wording
from labctl.units import format_quantity

__all__ = ["FigureWords", "ReproductionWords", "reproduction_words"]

_NAMES = ("paper", "reproduction", "assumed", "ledger")
_WAYS = {
    "instruments": "through instruments",
    "readings": "computed from readings through instruments",
    "physics": "device physics alone",
    "computed": "computed",
}
_UNITS = {"s": "s", "j": "J", "w": "W", "a": "A", "v": "V", "c": "C", "m2": "m²"}
_COSTS = {
    "pulses": ("Pulses", "stimuli with a width"),
    "readings": ("Readings", "over range or not"),
    "device_time_s": ("Device time", "sum of the widths of the pulses"),
    "instrument_time_s": ("Instrument time", "on the clock of the rack"),
    "pulse_energy_j": (
        "Energy of the pulses",
        "sum of V² G t with the mean of the conductances read before and after",
    ),
    "read_energy_j": ("Energy of the readings", "sum of V I t, each over its integration time"),
    "pulses_without_energy": ("Pulses left out of that of pulses", "their cell had not been read before"),
    "readings_without_energy": ("Readings left out of that of readings", "without a current"),
    "sign_comparisons_per_image": ("Comparisons", "of one bit, for one image of the large network"),
    "sign_stored_bits_per_image": ("Stored bits", "between the passes, for one image"),
    "full_ad_conversions_per_image": ("A/D conversions of back-propagation", "at full precision, for one image"),
    "full_da_conversions_per_image": ("D/A conversions of back-propagation", "at full precision, for one image"),
    "full_stored_bits_per_image": ("Stored bits of back-propagation", "at full precision, for one image"),
    "full_gradient_bits_per_image": ("Gradient bits of back-propagation", "besides, where a batch is gathered"),
    "update_pulses_per_image": ("Update pulses", "for one image of the large network, default device"),
    "update_energy_per_image_j": ("Energy of these pulses", "at the middle of the working range"),
}


@dataclass(frozen=True, slots=True)
class FigureWords:
    """One figure as text.

    Attributes
    ----------
    quantity : str
    paper : str
        Published value; empty where none is known.
    ours : str
        Mean and standard deviation, with the unit.
    over : str
        What the mean is over, such as "5 dies".
    way : str
        How it was had.
    rule : str
        What has to hold; empty where nothing has to.
    verdict : {"holds", "does not hold", "not judged", ""}
        Empty without a rule; "not judged" where there is a rule and no value.
    note : str
        What is assumed or differs, and the source.
    """

    quantity: str
    paper: str
    ours: str
    over: str
    way: str
    rule: str
    verdict: str
    note: str


@dataclass(frozen=True, slots=True)
class ReproductionWords:
    """What a published system came to.

    Attributes
    ----------
    paper : str
    figures : tuple of FigureWords
    assumed : tuple of str
        Sentences.
    costs : tuple of Wording
    """

    paper: str
    figures: tuple[FigureWords, ...]
    assumed: tuple[str, ...]
    costs: tuple[Wording, ...]

    @property
    def verdict(self) -> str:
        """How many of the rules hold, in a sentence; empty without rules."""
        ruled = [figure for figure in self.figures if figure.rule]
        holding = sum(figure.verdict == "holds" for figure in ruled)
        return f"{holding} of {len(ruled)} rules hold" if ruled else ""


def reproduction_words(
    results: Mapping[str, Any], *, simulated: bool
) -> tuple[ReproductionWords | None, dict[str, Any]]:
    """Put what a published system found beside its paper into words.

    Parameters
    ----------
    results : mapping of str to object
        Of the run.
    simulated : bool
        Whether the instruments were.

    Returns
    -------
    ReproductionWords or None
        None where the run is of no published system.
    dict of str to object
        The other results.
    """
    others = {name: value for name, value in results.items() if name not in _NAMES}
    if "reproduction" not in results:
        return None, dict(results)
    through = ("instruments", "readings") if simulated else ()
    ways = _WAYS | {name: f"{_WAYS[name]}, simulated" for name in through}
    figures = tuple(_figure_words(figure, ways) for figure in results["reproduction"])
    costs = tuple(_cost_words(name, value) for name, value in results.get("ledger", {}).items())
    words = ReproductionWords(str(results.get("paper", "")), figures, tuple(results.get("assumed", ())), costs)
    return words, others


def _figure_words(figure: Mapping[str, Any], ways: Mapping[str, str]) -> FigureWords:
    unit, count = figure["unit"], figure["count"]
    over = str(figure["over"])
    # a figure that stands beside nothing has no source
    source = figure["source"] if figure["rule"] or figure["paper"] is not None else ""
    verdicts = {True: "holds", False: "does not hold", None: "not judged"}
    return FigureWords(
        quantity=figure["quantity"],
        paper=_value(figure["paper"], unit),
        ours=_value(figure["ours"], unit, figure["spread"]) or "no value",
        over=f"{count} {over.removesuffix('s') if count == 1 else over}" if count else "",
        way=ways[figure["way"]],
        rule=figure["rule"],
        verdict=verdicts[figure["holds"]] if figure["rule"] else "",
        note="; ".join(filter(None, (figure["note"], source))),
    )


def _value(value: float | None, unit: str, spread: float | None = None) -> str:
    """Write a value with its spread: the latter to two digits, the former as far as the spread tells."""
    if value is None:
        return ""
    if unit in (PERCENT, "1"):
        factor, suffix = (100.0, " %") if unit == PERCENT else (1.0, "")
        if not spread:
            return f"{factor * value:.4g}" + (" ± 0" if spread == 0.0 else "") + suffix
        exponent = int(f"{factor * spread:.1e}".partition("e")[2])
        decimals = max(0, 1 - exponent)
        return f"{factor * value:.{decimals}f} ± {factor * spread:.{decimals}f}{suffix}"
    told = format_quantity(value, unit, digits=4)
    return told if spread is None else f"{told} ± {format_quantity(spread, unit, digits=2)}"


def _cost_words(name: str, value: float) -> Wording:
    stem, _, last = name.rpartition("_")
    unit = _UNITS.get(last, "") if stem else ""
    label, meaning = _COSTS.get(name, ((stem if unit else name).replace("_", " ").capitalize(), ""))
    text = format_quantity(value, unit, digits=4) if unit else f"{value:,.6g}"
    return Wording(label, text, meaning)
